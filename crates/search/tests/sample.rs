//! The quality of search on the sample catalogue, held to the recorded figure.

use libellus_encoder::Encoder;
use libellus_search::Mode;
use libellus_search::evaluate::{JudgedSet, evaluate};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// nDCG@10 of semantic search with the standard pack; `libellus eval samples` prints it. A better figure is recorded
/// here too, so that what was gained is not lost unnoticed.
const SEMANTIC_NDCG_AT_10: f64 = 0.6768;

/// The figure is recorded with four digits; vectors are the same on every CPU.
const TOLERANCE: f64 = 0.0005;

/// What the lite pack may lose of it.
const LITE_MAY_LOSE: f64 = 0.01;

#[test]
fn the_sample_is_searched_as_well_as_recorded() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let set = JudgedSet::open(&samples).expect("the sample catalogue");
    assert!(set.queries().len() >= 80, "{} judged queries", set.queries().len());
    assert_eq!(set.skipped_queries(), 0, "queries without a judgement above 0");

    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let measure = |pack: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(pack);
        let encoder = Arc::new(Encoder::open(&path).expect("the pack is committed"));
        let figures = evaluate(&set, &encoder, Mode::Semantic, threads, &mut |_| ControlFlow::Continue(()))
            .expect("the sample can be searched");
        assert!(figures.n_books >= 400, "{} books", figures.n_books);
        assert_eq!(figures.unknown_documents, 0, "judgements of books that the sample does not hold");
        let (measured, recall, mrr) = (figures.ndcg_at_10, figures.recall_at_100, figures.mrr_at_10);
        println!("{pack}: nDCG@10 {measured:.4}, recall@100 {recall:.4}, MRR@10 {mrr:.4}");
        measured
    };
    let standard = measure("all-MiniLM-L6-v2.pack");
    assert!(
        (standard - SEMANTIC_NDCG_AT_10).abs() <= TOLERANCE,
        "nDCG@10 on the sample is {standard:.4}, recorded is {SEMANTIC_NDCG_AT_10:.4}",
    );
    let lite = measure("all-MiniLM-L6-v2-lite.pack");
    assert!(lite >= SEMANTIC_NDCG_AT_10 - LITE_MAY_LOSE, "nDCG@10 on the sample is {lite:.4} with the lite pack");
}
