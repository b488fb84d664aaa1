//! `libellus eval`: how well judged queries are answered.

use crate::cli::ModeArg;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::model::ModelArgs;
use crate::outcome::Outcome;
use crate::output;
use crate::progress;
use crate::threads::ThreadsArgs;
use libellus_search::evaluate::{Evaluation, JudgedSet, KindFigures, Stage, evaluate};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  libellus eval samples
  libellus eval --json --mode keyword ./scifact

The directory holds a judged set in BEIR's layout (corpus.jsonl or corpus.jsonl.gz, queries.jsonl,
qrels.tsv or qrels/test.tsv) or in that of the sample catalogue (books.jsonl, judgements.tsv).";

/// What can be typed after `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The judged set
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How to search
    #[arg(long, value_enum, default_value_t)]
    mode: ModeArg,
    /// Print JSON: the figures, over all queries and for each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Evaluates, in a catalogue that lives in memory, and prints the figures.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let interrupt = Interrupt::listen()?;
    let set = JudgedSet::open(&args.directory)?;
    let encoder = args.model.open()?;
    let bar = progress::count("");
    let evaluation = evaluate(&set, &encoder, args.mode.into(), args.threads.count(), &mut |progress| {
        bar.set_message(stage_name(progress.stage));
        bar.set_length(progress.total.unwrap_or(progress.done));
        bar.set_position(progress.done);
        interrupt.check()
    });
    bar.finish_and_clear();
    let evaluation = evaluation?;
    if args.json {
        output::print_json(&evaluation)?;
    } else {
        output::print(&for_people(&evaluation))?;
    }
    Ok(Outcome::Done)
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Load => "reading books",
        Stage::Embed => "embedding passages",
        Stage::Search => "asking queries",
    }
}

/// The figures over all queries, and what was left out of them.
fn for_people(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{} queries, {} books, {}\n  nDCG@10     {:.4}\n  recall@100  {:.4}\n  MRR@10      {:.4}\n",
        evaluation.n_queries,
        evaluation.n_books,
        evaluation.model,
        evaluation.ndcg_at_10,
        evaluation.recall_at_100,
        evaluation.mrr_at_10
    );
    for kind in &evaluation.kinds {
        let KindFigures { kind, n_queries, ndcg_at_10, recall_at_100, mrr_at_10 } = kind;
        text += &format!(
            "  {kind:<20} {n_queries:>5} queries   nDCG@10 {ndcg_at_10:.4}   recall@100 {recall_at_100:.4}   \
             MRR@10 {mrr_at_10:.4}\n"
        );
    }
    if evaluation.skipped_queries > 0 {
        text += &format!("left out: {} queries that no book is judged to answer\n", evaluation.skipped_queries);
    }
    if evaluation.unknown_documents > 0 {
        text += &format!(
            "counted as not found: {} judged books that the set does not hold\n",
            evaluation.unknown_documents
        );
    }
    text
}
