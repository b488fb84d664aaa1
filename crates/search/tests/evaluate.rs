//! Evaluations through the real library, on sets small enough to check by hand.

use libellus_encoder::Encoder;
use libellus_search::evaluate::{Evaluation, EvaluationProgress, JudgedSet, Stage, evaluate};
use libellus_search::{Error, Mode};
use std::fs;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

static ENCODER: LazyLock<Arc<Encoder>> = LazyLock::new(|| Arc::new(Encoder::builtin()));

const CORPUS: &str = r#"{"_id":"d1","title":"","text":"A captain hunts a white whale across the oceans."}
{"_id":"d2","title":"Bees","text":"How a hive makes honey."}
{"_id":"d3","title":"Proofs","text":"The beauty of pure mathematics."}
"#;
const QUERIES: &str = r#"{"_id":"q1","text":"whale"}
{"_id":"q2","text":"honey"}
{"_id":"q3","text":"nobody judged this"}
{"_id":"q4","text":"mathematics"}
"#;

/// A BEIR set: `q1` is answered in full, of `q2` one of two is missing from the corpus, `q4`'s answer is missing.
fn set() -> (TempDir, JudgedSet) {
    let qrels = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq2\tgone\t1\nq4\tlost\t1\n";
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", qrels)] {
        fs::write(directory.path().join(name), content).expect("a temporary file");
    }
    let set = JudgedSet::open(directory.path()).expect("a judged set");
    (directory, set)
}

fn run(mode: Mode, progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>) -> Result<Evaluation, Error> {
    let (_directory, set) = set();
    evaluate(&set, &ENCODER, mode, 1, progress)
}

#[test]
fn figures_are_means_over_the_judged_queries() {
    for mode in [Mode::Semantic, Mode::Keyword] {
        let evaluation = run(mode, &mut |_| ControlFlow::Continue(())).expect("figures");
        assert_eq!((evaluation.n_books, evaluation.n_queries), (3, 3));
        assert_eq!((evaluation.skipped_queries, evaluation.unknown_documents), (1, 2));
        // q2 found the book of grade 2 at rank 1, but not the one of grade 1.
        let q2_ndcg = 2.0 / (2.0 + 1.0 / 3.0_f64.log2());
        let expected = [("q1", 1.0, 1.0, 1.0), ("q2", q2_ndcg, 0.5, 1.0), ("q4", 0.0, 0.0, 0.0)];
        for (query, (id, ndcg, recall, reciprocal_rank)) in evaluation.queries.iter().zip(expected) {
            assert_eq!(query.id, id, "{mode}");
            assert!((query.ndcg_at_10 - ndcg).abs() < 1e-12, "{mode}: {query:?}");
            assert_eq!((query.recall_at_100, query.reciprocal_rank_at_10), (recall, reciprocal_rank), "{mode}: {id}");
        }
        assert!((evaluation.ndcg_at_10 - (1.0 + q2_ndcg) / 3.0).abs() < 1e-12);
        assert!((evaluation.recall_at_100 - 0.5).abs() < 1e-12);
        assert!((evaluation.mrr_at_10 - 2.0 / 3.0).abs() < 1e-12);
    }
}

#[test]
fn progress_goes_through_the_stages_and_can_stop() {
    let mut stages = Vec::new();
    run(Mode::Semantic, &mut |progress| {
        stages.push((progress.stage, progress.done, progress.total));
        ControlFlow::Continue(())
    })
    .expect("figures");
    let searched = (1..=3).map(|done| (Stage::Search, done, Some(3)));
    let expected: Vec<_> = [(Stage::Load, 3, None), (Stage::Embed, 3, Some(3))].into_iter().chain(searched).collect();
    assert_eq!(stages, expected);

    for stop_at in [Stage::Load, Stage::Embed, Stage::Search] {
        let stopped = run(Mode::Semantic, &mut |progress| {
            if progress.stage == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(Error::Interrupted)), "{stop_at:?}");
    }
}

#[test]
fn a_query_that_cannot_be_asked_is_named() {
    let (directory, _) = set();
    fs::write(directory.path().join("queries.jsonl"), "{\"_id\":\"q1\",\"text\":\" \"}\n").expect("a temporary file");
    let set = JudgedSet::open(directory.path()).expect("a judged set");
    let error = evaluate(&set, &ENCODER, Mode::Keyword, 1, &mut |_| ControlFlow::Continue(())).expect_err("empty");
    assert_eq!(error.to_string(), "the judged query `q1` cannot be searched");
}
