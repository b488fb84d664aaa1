//! Are another program's vectors ours? Their texts are embedded again, and the cosines say so.
//!
//! Two things are not known: which model made the vectors, and what text of each book it was given. So the usual texts
//! ([`Template`]) are tried on a few books, and the likeliest of them, beside libellus' own, on the whole sample. If the
//! model is the same and the text is found, every cosine is nearly 1, and what is left is the difference between two
//! precisions of one model; if not, even the best text stays plainly below.

use crate::EncoderCutter;
use libellus_catalogue::adopt::{
    Agreement, MEASURED_LEAST, MEASURED_MEAN, MEASURED_SAMPLE, OWN_TEXT, SourceRow, Template, VectorFault,
    is_embedded_text,
};
use libellus_catalogue::{Passage, cut_passages};
use libellus_encoder::Encoder;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Books that every template is tried on.
const TRIED: usize = 16;
/// Templates that are tried on all.
const FINALISTS: usize = 2;

/// The precision that kept vectors are noted with: what sentence-transformers computes in.
const FOREIGN_PRECISION: &str = "f32";

/// What became of a sample of stored vectors.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Comparison {
    /// Books in the sample.
    pub sampled: u64,
    /// Of them, with a vector that can be compared.
    pub compared: u64,
    /// Why others could not be.
    pub faults: BTreeMap<VectorFault, u64>,
    /// The texts that were tried, the best first.
    pub tried: Vec<Tried>,
    /// The cosines with vectors of the best text.
    pub cosines: Option<Distribution>,
    /// Whether vectors may be kept, and for what.
    pub agreement: Option<Agreement>,
    /// Of the books compared, those whose embedding text is one passage, and the very text that was embedded.
    pub same_text: u64,
    /// What embedding again comes to.
    pub pace: Pace,
}

/// A text that was tried.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tried {
    /// The template, or [`OWN_TEXT`].
    pub template: String,
    /// On how many books.
    pub books: u64,
    /// The median cosine.
    pub median: f64,
}

/// How cosines are distributed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Distribution {
    /// How many there are.
    pub count: u64,
    /// The least.
    pub least: f64,
    /// What 1 % are below.
    pub p1: f64,
    /// What 5 % are below.
    pub p5: f64,
    /// What 25 % are below.
    pub p25: f64,
    /// What half are below.
    pub median: f64,
    /// What 75 % are below.
    pub p75: f64,
    /// The greatest.
    pub most: f64,
    /// The mean.
    pub mean: f64,
    /// How many lie from the lower bound, included, to the next one's.
    pub histogram: Vec<(f64, u64)>,
}

/// Lower bounds of the histogram: finer where it matters.
const BOUNDS: [f64; 9] = [-1.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.994, 0.998];

/// How long embedding takes.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Pace {
    /// Passages that an average book of the sample is cut into.
    pub passages_per_book: f64,
    /// Passages that were embedded in a second.
    pub passages_per_second: f64,
}

impl Pace {
    /// How long so many books take.
    #[must_use]
    pub fn time_for(&self, books: u64) -> Duration {
        let seconds = books as f64 * self.passages_per_book / self.passages_per_second.max(f64::MIN_POSITIVE);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// A book of the sample, with what is needed to compare it.
struct Sampled<'a> {
    row: &'a SourceRow,
    passages: Vec<Passage>,
    vector: Option<Vec<f32>>,
}

/// Embeds the texts of `rows` again and compares. `stored` is how many books have a vector in all, `given` the template
/// that the user knows, and `has` says which values rows have.
pub fn compare(
    encoder: &Encoder,
    rows: &[SourceRow],
    stored: u64,
    given: Option<&Template>,
    has: impl Fn(&str) -> bool,
    threads: usize,
) -> Comparison {
    let cutter = EncoderCutter(encoder);
    let mut faults = BTreeMap::new();
    let sample: Vec<Sampled<'_>> = rows
        .iter()
        .filter_map(|row| {
            let passages = cut_passages(&row.book().ok()?.0, &cutter);
            let vector = row.vector(encoder.info().dim).map_err(|fault| *faults.entry(fault).or_default() += 1).ok();
            Some(Sampled { row, passages, vector })
        })
        .collect();
    let mut vectors = Vectors { encoder, threads: threads.max(1), of_texts: HashMap::new() };
    let pace = vectors.pace(&sample);
    let compared: Vec<&Sampled<'_>> = sample.iter().filter(|book| book.vector.is_some()).collect();
    let mut comparison = Comparison {
        sampled: rows.len() as u64,
        compared: compared.len() as u64,
        faults,
        tried: Vec::new(),
        cosines: None,
        agreement: None,
        same_text: 0,
        pace,
    };
    let templates = given.map_or_else(|| Template::usual(has), |given| vec![given.clone()]);
    let mut texts: Vec<Option<&Template>> = templates.iter().map(Some).collect();
    if given.is_none() {
        texts.push(None);
    }
    // The best on a few, then those and our own on all.
    let few = &compared[..compared.len().min(TRIED)];
    let mut ranked = rank(&mut vectors, few, texts);
    let rest = ranked.split_off(ranked.len().min(FINALISTS));
    let mut finalists: Vec<Option<&Template>> = ranked.iter().map(|(text, _)| *text).collect();
    if rest.iter().any(|(text, _)| text.is_none()) {
        finalists.push(None);
    }
    let finals = rank(&mut vectors, &compared, finalists);
    comparison.tried = finals.iter().chain(rest.iter().filter(|(text, _)| text.is_some())).map(tried).collect();
    if let Some((best, cosines)) = finals.first().filter(|(_, cosines)| !cosines.is_empty()) {
        let distribution = Distribution::of(cosines);
        let unusable: u64 = comparison.faults.values().sum();
        let of = stored.saturating_sub(unusable).max(comparison.compared);
        comparison.agreement = Some(agreement(encoder, *best, &distribution, of));
        let is_same_text = |book: &Sampled<'_>| {
            is_embedded_text(*best, book.passages.iter().map(|passage| &passage.embedding_text), book.row)
        };
        comparison.same_text = compared.iter().filter(|book| is_same_text(book)).count() as u64;
        comparison.cosines = Some(distribution);
    }
    comparison
}

/// Vectors by their texts: of templates that differ in what a book does not have, and of the same one in another round,
/// a text is embedded once.
struct Vectors<'a> {
    encoder: &'a Encoder,
    threads: usize,
    of_texts: HashMap<String, Vec<f32>>,
}

impl Vectors<'_> {
    /// Embeds those of the texts that are new; returns how many those were.
    fn add(&mut self, texts: &[String]) -> usize {
        let new: Vec<&String> = texts.iter().filter(|text| !self.of_texts.contains_key(*text)).collect();
        let encoded = self.encoder.encode_batch(&new, self.threads);
        let count = new.len();
        let of_texts: Vec<(String, Vec<f32>)> =
            new.into_iter().cloned().zip(encoded.into_iter().map(|encoded| encoded.vector)).collect();
        self.of_texts.extend(of_texts);
        count
    }

    /// How fast the passages of the sample are embedded, which are as long as those of all books.
    fn pace(&mut self, sample: &[Sampled<'_>]) -> Pace {
        let passages = sample.iter().flat_map(|book| &book.passages);
        let texts: Vec<String> = passages.map(|passage| passage.embedding_text.clone()).collect();
        let begin = Instant::now();
        let embedded = self.add(&texts);
        let seconds = begin.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
        Pace {
            passages_per_book: texts.len() as f64 / (sample.len() as f64).max(1.0),
            passages_per_second: embedded as f64 / seconds,
        }
    }

    /// The cosines of the stored vectors with those of a text, in order.
    fn cosines(&mut self, books: &[&Sampled<'_>], text: Option<&Template>) -> Vec<f64> {
        let texts: Vec<String> = books.iter().map(|book| embedded_text(text, book)).collect();
        self.add(&texts);
        let stored = books.iter().filter_map(|book| book.vector.as_deref());
        let ours = texts.iter().filter_map(|text| self.of_texts.get(text));
        let mut cosines: Vec<f64> = stored.zip(ours).map(|(stored, ours)| cosine(stored, ours)).collect();
        cosines.sort_by(f64::total_cmp);
        cosines
    }
}

/// The cosines of each text, the best text first.
fn rank<'t>(
    vectors: &mut Vectors<'_>,
    books: &[&Sampled<'_>],
    texts: Vec<Option<&'t Template>>,
) -> Vec<(Option<&'t Template>, Vec<f64>)> {
    let mut ranked: Vec<(Option<&Template>, Vec<f64>)> =
        texts.into_iter().map(|text| (text, vectors.cosines(books, text))).collect();
    // Those of one median, e.g. where no book has what two templates differ in, stay in the order of their likelihood.
    ranked.sort_by(|(_, one), (_, other)| median(other).total_cmp(&median(one)));
    ranked
}

/// The text of a template, or our own: of a long book its first passage, which another program has no equal of.
fn embedded_text(text: Option<&Template>, book: &Sampled<'_>) -> String {
    match text {
        Some(template) => template.text(book.row),
        None => book.passages.first().map(|passage| passage.embedding_text.clone()).unwrap_or_default(),
    }
}

fn cosine(lhs: &[f32], rhs: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let lengths = (dot(lhs, lhs) * dot(rhs, rhs)).sqrt();
    if lengths > 0.0 { dot(lhs, rhs) / lengths } else { 0.0 }
}

fn tried((text, cosines): &(Option<&Template>, Vec<f64>)) -> Tried {
    let template = text.map_or(OWN_TEXT, Template::source).to_owned();
    Tried { template, books: cosines.len() as u64, median: median(cosines) }
}

fn agreement(encoder: &Encoder, text: Option<&Template>, cosines: &Distribution, of: u64) -> Agreement {
    let fingerprint = &encoder.info().fingerprint;
    Agreement {
        space: fingerprint.space.clone(),
        precision: FOREIGN_PRECISION.to_owned(),
        compared_with: fingerprint.precision.to_string(),
        template: text.map_or(OWN_TEXT, Template::source).to_owned(),
        sampled: cosines.count,
        of,
        least: cosines.least,
        mean: cosines.mean,
    }
}

/// Of values in order; 0 of none.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (part * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn median(sorted: &[f64]) -> f64 {
    quantile(sorted, 0.5)
}

impl Distribution {
    /// Of values in order, of which there is at least one.
    fn of(sorted: &[f64]) -> Self {
        let from = |bound: f64| sorted.partition_point(|&value| value < bound) as u64;
        let count = sorted.len() as u64;
        let ends = BOUNDS.iter().skip(1).map(|&bound| from(bound)).chain([count]);
        Self {
            count,
            least: quantile(sorted, 0.0),
            p1: quantile(sorted, 0.01),
            p5: quantile(sorted, 0.05),
            p25: quantile(sorted, 0.25),
            median: median(sorted),
            p75: quantile(sorted, 0.75),
            most: quantile(sorted, 1.0),
            mean: sorted.iter().sum::<f64>() / count as f64,
            histogram: BOUNDS.iter().zip(ends).map(|(&bound, end)| (bound, end - from(bound))).collect(),
        }
    }
}

impl Comparison {
    /// Whether stored vectors may be kept, and why, or why not; for people.
    #[must_use]
    pub fn verdict(&self) -> (bool, String) {
        let bounds = format!("{MEASURED_LEAST} for the least and {MEASURED_MEAN} on average");
        let Some(agreement) = &self.agreement else {
            return (false, "no stored vector could be compared".to_owned());
        };
        let Agreement { least, mean, compared_with, sampled, of, .. } = agreement;
        if !agreement.is_enough() {
            let least = MEASURED_SAMPLE.min(*of);
            return (
                false,
                format!("only {sampled} of {of} were compared, which proves little; compare {least} or more"),
            );
        }
        if !agreement.is_safe() {
            let reason = format!(
                "the least cosine is {least:.4} and the mean {mean:.4}, but two precisions of one model, given the same \
                 text, reach {bounds}; so they were made by another model, from other texts, or from older ones"
            );
            return (false, reason);
        }
        let reason = format!(
            "the least cosine is {least:.4} and the mean {mean:.4}: as near to {compared_with} vectors of the same texts \
             as two precisions of one model are held to be ({bounds})"
        );
        (true, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_count_every_value_once() {
        let values: Vec<f64> = (0..=200).map(|n| f64::from(n) / 200.0).collect();
        let distribution = Distribution::of(&values);
        assert_eq!(distribution.histogram.iter().map(|(_, count)| count).sum::<u64>(), 201);
        assert_eq!(distribution.histogram[0], (-1.0, 100), "below a half");
        assert_eq!(distribution.histogram[8], (0.998, 1));
        let Distribution { least, p5, median, most, mean, .. } = distribution;
        assert_eq!([least, p5, median, most], [0.0, 0.05, 0.5, 1.0]);
        assert!((mean - 0.5).abs() < 1e-12);
        assert_eq!(Distribution::of(&[0.7]).p1, 0.7);
    }

    #[test]
    fn time_is_books_by_passages_by_pace() {
        let pace = Pace { passages_per_book: 1.5, passages_per_second: 300.0 };
        assert_eq!(pace.time_for(20_000), Duration::from_secs(100));
        assert_eq!(Pace::default().time_for(0), Duration::ZERO);
    }
}
