//! Judged queries and the figures that say how well they are answered.
//!
//! A [`JudgedSet`] is books, queries, and how well each of some books answers each query. [`evaluate`] loads the books
//! into a catalogue in memory and asks the queries as a reader would, through [`Library`], so that what is measured is
//! what is shipped. The figures are those of trec_eval and BEIR, see [`metrics`].

mod judged_set;
pub mod metrics;

use judged_set::BooksFile;
pub use judged_set::{JudgedQuery, JudgedSet};

use crate::{BackfillOptions, EncoderCutter, Error, Library, MAX_LIMIT, Mode, SearchRequest};
use libellus_catalogue::import::{ImportOptions, import};
use libellus_catalogue::{Book, Catalogue};
use libellus_encoder::Encoder;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Books written in one transaction.
const BATCH: usize = 500;

/// Hits asked for each query: what recall@100 needs.
const DEPTH: usize = 100;
const _: () = assert!(DEPTH <= MAX_LIMIT);

/// What an evaluation is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Reading the books.
    Load,
    /// Embedding their passages.
    Embed,
    /// Asking the queries.
    Search,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationProgress {
    /// What it is doing.
    pub stage: Stage,
    /// Books, passages or queries done.
    pub done: u64,
    /// How many there are; unknown while books are read.
    pub total: Option<u64>,
}

/// How well one query was answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryFigures {
    /// Its id.
    pub id: String,
    /// Its words.
    pub query: String,
    /// What kind of query it is, if the set says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// [`metrics::ndcg_at`] 10.
    pub ndcg_at_10: f64,
    /// [`metrics::recall_at`] 100.
    pub recall_at_100: f64,
    /// [`metrics::reciprocal_rank_at`] 10.
    pub reciprocal_rank_at_10: f64,
}

/// How well the queries of one kind were answered: means over them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindFigures {
    /// The kind.
    pub kind: String,
    /// Queries of that kind.
    pub n_queries: usize,
    /// Mean of [`QueryFigures::ndcg_at_10`].
    pub ndcg_at_10: f64,
    /// Mean of [`QueryFigures::recall_at_100`].
    pub recall_at_100: f64,
    /// Mean of [`QueryFigures::reciprocal_rank_at_10`].
    pub mrr_at_10: f64,
}

/// How well a judged set was answered: means over its queries, then each query.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// How it was searched.
    pub mode: Mode,
    /// The model's name.
    pub model: String,
    /// Books searched.
    pub n_books: u64,
    /// Queries asked: those with a judgement above 0.
    pub n_queries: usize,
    /// Mean of [`QueryFigures::ndcg_at_10`].
    pub ndcg_at_10: f64,
    /// Mean of [`QueryFigures::recall_at_100`].
    pub recall_at_100: f64,
    /// Mean of [`QueryFigures::reciprocal_rank_at_10`].
    pub mrr_at_10: f64,
    /// The same for each kind of query that the set tells apart, by alphabet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindFigures>,
    /// Queries that were not asked, because nothing is judged to answer them.
    pub skipped_queries: usize,
    /// Judged documents that the set does not hold. As in trec_eval they count as books that were not found.
    pub unknown_documents: usize,
    /// Each query, in the set's order.
    pub queries: Vec<QueryFigures>,
}

/// Answers every query of `set` with `encoder` and compares the answers with the judgements.
///
/// `threads` is for embedding. `progress` may stop the evaluation with `Break`.
///
/// # Errors
/// If a file of the set cannot be read (the message names file and line), a query cannot be searched, or `progress`
/// stopped it ([`Error::Interrupted`]).
pub fn evaluate(
    set: &JudgedSet,
    encoder: &Arc<Encoder>,
    mode: Mode,
    threads: usize,
    progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
) -> Result<Evaluation, Error> {
    let library = Library::new(Arc::clone(encoder), Catalogue::in_memory()?);
    load(set, &library, progress)?;
    if mode != Mode::Keyword {
        embed(&library, threads, progress)?;
    }
    let mut queries = Vec::with_capacity(set.queries().len());
    for query in set.queries() {
        queries.push(ask(&library, query, mode)?);
        let (done, total) = (queries.len() as u64, Some(set.queries().len() as u64));
        go_on(progress(EvaluationProgress { stage: Stage::Search, done, total }))?;
    }
    let model = encoder.info();
    Ok(Evaluation {
        mode,
        model: model.name.clone(),
        n_books: library.catalogue().statistics(&model.fingerprint.space)?.books,
        n_queries: queries.len(),
        ndcg_at_10: mean(&queries, |query| query.ndcg_at_10),
        recall_at_100: mean(&queries, |query| query.recall_at_100),
        mrr_at_10: mean(&queries, |query| query.reciprocal_rank_at_10),
        kinds: kinds(&queries),
        skipped_queries: set.skipped_queries(),
        unknown_documents: unknown_documents(set, &library)?,
        queries,
    })
}

/// Puts the books of the set into the library's catalogue.
fn load(
    set: &JudgedSet,
    library: &Library,
    progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let lines = match set.books() {
        BooksFile::Lines(lines) => lines,
        BooksFile::Importable(path) => return import_books(path, library, progress),
    };
    let mut batch: Vec<Book> = Vec::with_capacity(BATCH);
    let mut done = 0;
    let mut write = |batch: &mut Vec<Book>| {
        library.catalogue().put_books(batch, &EncoderCutter(library.encoder()))?;
        done += batch.len() as u64;
        batch.clear();
        go_on(progress(EvaluationProgress { stage: Stage::Load, done, total: None }))
    };
    lines.each_book(&mut |book| {
        batch.push(book);
        if batch.len() < BATCH { Ok(()) } else { write(&mut batch) }
    })?;
    write(&mut batch)
}

/// Imports the books of the set into the library's catalogue.
fn import_books(
    path: &Path,
    library: &Library,
    progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let (name, cutter) = (path.display().to_string(), EncoderCutter(library.encoder()));
    let options = ImportOptions::default();
    let report = import(&name, &mut file, library.catalogue(), &cutter, &options, &mut |import| {
        progress(EvaluationProgress { stage: Stage::Load, done: import.records, total: None })
    })?;
    match report.rejects.into_iter().next() {
        // A set without some of its books measures something else.
        Some(reject) => Err(Error::RejectedBook { path: path.to_owned(), place: reject.place, reason: reject.reason }),
        None if report.interrupted => Err(Error::Interrupted),
        None => Ok(()),
    }
}

/// Embeds the passages of the library.
fn embed(
    library: &Library,
    threads: usize,
    progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let options = BackfillOptions { threads, ..BackfillOptions::default() };
    let report = library.backfill(&options, &mut |backfill| {
        progress(EvaluationProgress { stage: Stage::Embed, done: backfill.done, total: Some(backfill.total) })
    })?;
    if report.interrupted { Err(Error::Interrupted) } else { Ok(()) }
}

/// Asks one query and compares the answer with the judgements.
fn ask(library: &Library, query: &JudgedQuery, mode: Mode) -> Result<QueryFigures, Error> {
    let request = SearchRequest { query: query.text.clone(), limit: DEPTH, mode, ..SearchRequest::default() };
    let response = library
        .search(&request)
        .map_err(|error| Error::JudgedQuery { id: query.id.clone(), source: Box::new(error) })?;
    let ranked: Vec<u32> =
        response.shown().map(|hit| query.grades.get(&hit.book.id).copied().unwrap_or_default()).collect();
    let judged: Vec<u32> = query.grades.values().copied().collect();
    Ok(QueryFigures {
        id: query.id.clone(),
        query: query.text.clone(),
        kind: query.kind.clone(),
        ndcg_at_10: metrics::ndcg_at(10, &ranked, &judged),
        recall_at_100: metrics::recall_at(100, &ranked, &judged),
        reciprocal_rank_at_10: metrics::reciprocal_rank_at(10, &ranked),
    })
}

/// How many documents are judged that the catalogue does not hold.
fn unknown_documents(set: &JudgedSet, library: &Library) -> Result<usize, Error> {
    let judged: BTreeSet<&String> = set.queries().iter().flat_map(|query| query.grades.keys()).collect();
    let mut unknown = 0;
    for id in judged {
        unknown += usize::from(library.book(id)?.is_none());
    }
    Ok(unknown)
}

/// The figures of each kind.
fn kinds(queries: &[QueryFigures]) -> Vec<KindFigures> {
    let mut kinds: BTreeMap<&str, Vec<&QueryFigures>> = BTreeMap::new();
    for query in queries {
        if let Some(kind) = &query.kind {
            kinds.entry(kind).or_default().push(query);
        }
    }
    let figures = |(kind, queries): (&str, Vec<&QueryFigures>)| KindFigures {
        kind: kind.to_owned(),
        n_queries: queries.len(),
        ndcg_at_10: mean(queries.iter().copied(), |query| query.ndcg_at_10),
        recall_at_100: mean(queries.iter().copied(), |query| query.recall_at_100),
        mrr_at_10: mean(queries.iter().copied(), |query| query.reciprocal_rank_at_10),
    };
    kinds.into_iter().map(figures).collect()
}

fn mean<'q>(queries: impl IntoIterator<Item = &'q QueryFigures>, figure: impl Fn(&QueryFigures) -> f64) -> f64 {
    let (sum, count) = queries.into_iter().fold((0.0, 0_u32), |(sum, count), query| (sum + figure(query), count + 1));
    sum / f64::from(count)
}

fn go_on(flow: ControlFlow<()>) -> Result<(), Error> {
    if flow.is_break() { Err(Error::Interrupted) } else { Ok(()) }
}
