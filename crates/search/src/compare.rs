//! How far two models' answers differ, over one catalogue that is embedded by both.
//!
//! Nobody judged these queries: the figures say how much readers will notice, not which model is better. For that there
//! is [`crate::evaluate`], and a sample of answers to look at.

use crate::snapshot::{Embeddings, normalize};
use crate::{Error, MAX_QUERY_BYTES};
use libellus_catalogue::Catalogue;
use libellus_encoder::Encoder;
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The hits that a reader sees.
const SHOWN: usize = 10;
/// How deep a ranking is looked at: a book that is not among the first so many counts as the next.
const DEPTH: usize = 1000;

/// How far two models' answers differ.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The mean of [`QueryComparison::overlap_at_10`].
    pub overlap_at_10: f64,
    /// The mean of [`QueryComparison::spearman`], over the queries that have one.
    pub spearman: Option<f64>,
    /// Each query.
    pub queries: Vec<QueryComparison>,
}

/// How far the answers to one query differ.
#[derive(Clone, Debug, Serialize)]
pub struct QueryComparison {
    /// Its words.
    pub query: String,
    /// Of the first ten books by one model (or as many as there are), the share that is among the first ten by the
    /// other.
    pub overlap_at_10: f64,
    /// Spearman's rank correlation, over the books that are among the first ten of either: 1 if both models put them in
    /// the same order, −1 in the opposite one. Ranks are those among the catalogue's first 1,000, books beyond that count
    /// as tied behind them. None if all ranks are tied, or there are fewer than two books.
    pub spearman: Option<f64>,
    /// The titles of the first ten by the first model.
    pub first: Vec<String>,
    /// The titles of the first ten by the second model.
    pub second: Vec<String>,
}

/// Asks two models the same queries, over a catalogue that is embedded by both. `progress` is told how many are answered,
/// and may stop it with `Break`.
///
/// # Errors
/// [`Error::NoQueries`], [`Error::Interrupted`]; those of reading.
pub fn compare(
    catalogue: &Catalogue,
    [first, second]: [&Arc<Encoder>; 2],
    queries: &[String],
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Comparison, Error> {
    let sides = [Embeddings::load(catalogue, first)?, Embeddings::load(catalogue, second)?];
    let mut compared = Vec::with_capacity(queries.len());
    for query in queries {
        compared.push(compare_one(catalogue, &sides, query)?);
        if progress(compared.len()).is_break() {
            return Err(Error::Interrupted);
        }
    }
    if compared.is_empty() {
        return Err(Error::NoQueries);
    }
    let correlations: Vec<f64> = compared.iter().filter_map(|query| query.spearman).collect();
    Ok(Comparison {
        overlap_at_10: compared.iter().map(|query| query.overlap_at_10).sum::<f64>() / compared.len() as f64,
        spearman: (!correlations.is_empty()).then(|| correlations.iter().sum::<f64>() / correlations.len() as f64),
        queries: compared,
    })
}

fn compare_one(catalogue: &Catalogue, sides: &[Embeddings; 2], query: &str) -> Result<QueryComparison, Error> {
    let mut rankings = Vec::new();
    for side in sides {
        let mut vector = side.encoder.encode(query).vector;
        normalize(&mut vector);
        let found = side.index.search(&vector, DEPTH)?;
        rankings.push(found.iter().map(|hit| side.books[hit.group as usize]).collect::<Vec<i64>>());
    }
    let titles = |ranking: &[i64]| -> Result<Vec<String>, Error> {
        let books = catalogue.books_by_rowid(shown(ranking))?;
        Ok(books.into_iter().flatten().map(|book| book.title).collect())
    };
    Ok(QueryComparison {
        query: query.to_owned(),
        overlap_at_10: overlap(&rankings[0], &rankings[1]),
        spearman: spearman(&rankings[0], &rankings[1]),
        first: titles(&rankings[0])?,
        second: titles(&rankings[1])?,
    })
}

fn shown(ranking: &[i64]) -> &[i64] {
    &ranking[..SHOWN.min(ranking.len())]
}

/// `|A ∩ B| / max(|A|, |B|)` over the books shown; two empty answers agree.
fn overlap(first: &[i64], second: &[i64]) -> f64 {
    let (first, second) = (shown(first), shown(second));
    let common = first.iter().filter(|book| second.contains(book)).count();
    match first.len().max(second.len()) {
        0 => 1.0,
        most => common as f64 / most as f64,
    }
}

/// Spearman's ρ over the union of the books shown: Pearson's correlation of their ranks, tied ones averaged.
fn spearman(first: &[i64], second: &[i64]) -> Option<f64> {
    let mut union = shown(first).to_vec();
    union.extend(shown(second).iter().filter(|book| !shown(first).contains(book)));
    let places = |ranking: &[i64]| -> Vec<usize> {
        union.iter().map(|book| ranking.iter().position(|other| other == book).unwrap_or(ranking.len())).collect()
    };
    pearson(&ranks(&places(first)), &ranks(&places(second)))
}

/// The rank of each value, from 1; equal ones share the mean of theirs.
fn ranks(values: &[usize]) -> Vec<f64> {
    let rank = |value: &usize| {
        let before = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        before as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// `Σ(x−x̄)(y−ȳ) / √(Σ(x−x̄)² Σ(y−ȳ)²)`; none if either does not vary.
fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (x_mean, y_mean) = (mean(x), mean(y));
    let sum = |a: &[f64], a_mean: f64, b: &[f64], b_mean: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - a_mean) * (b - b_mean)).sum()
    };
    let spread = sum(x, x_mean, x, x_mean) * sum(y, y_mean, y, y_mean);
    (spread > 0.0).then(|| sum(x, x_mean, y, y_mean) / spread.sqrt())
}

/// Queries from the catalogue itself, spread evenly over it: the titles of some books, the subjects of others.
///
/// # Errors
/// Those of reading.
pub fn sample_queries(catalogue: &Catalogue, count: usize) -> Result<Vec<String>, Error> {
    let books = catalogue.statistics("")?.books;
    let (mut seen, mut queries) = (0, Vec::new());
    catalogue.each_book(&mut |_, book| {
        // The n-th query is of the first book in the n-th of `count` equal parts.
        if seen * count as u64 >= queries.len() as u64 * books {
            let by_subjects = queries.len() % 2 == 1 && !book.subjects.is_empty();
            let mut query = if by_subjects { book.subjects.join(", ") } else { book.title };
            let end = (0..=MAX_QUERY_BYTES.min(query.len())).rev().find(|&end| query.is_char_boundary(end));
            query.truncate(end.unwrap_or(0));
            queries.push(query);
        }
        seen += 1;
        if queries.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(queries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_and_correlation_by_hand() {
        let ten: Vec<i64> = (0..10).collect();
        let reversed: Vec<i64> = (0..10).rev().collect();
        let others: Vec<i64> = (10..20).collect();
        for (first, second, expected_overlap, expected_spearman) in [
            (&ten[..], &ten[..], 1.0, Some(1.0)),
            (&ten, &reversed, 1.0, Some(-1.0)),
            // 1 to 10 and ten tied at 15.5, against ten tied at 15.5 and 1 to 10.
            (&ten, &others, 0.0, Some(-0.858_369_1)),
            // 1 2 3 against 2 1 3: 1 − 6·(1+1)/(3·8).
            (&[1, 2, 3], &[2, 1, 3], 1.0, Some(0.5)),
            // 1 2 3 4 against 3 4 1 2, the missing ones last: 1 − 6·16/(4·15).
            (&[1, 2, 3], &[3, 4, 1], 2.0 / 3.0, Some(-0.6)),
            (&[1], &[1], 1.0, None),
            (&[], &[], 1.0, None),
            (&[], &[1, 2], 0.0, None),
        ] {
            let case = format!("{first:?} {second:?}");
            assert!((overlap(first, second) - expected_overlap).abs() < 1e-6, "{case}: {}", overlap(first, second));
            match (spearman(first, second), expected_spearman) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-6, "{case}: {found}"),
                (found, expected) => assert_eq!(found, expected, "{case}"),
            }
        }
    }
}
