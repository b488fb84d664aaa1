//! BM25: how well documents answer.
//!
//! A document is scored as one text, and a word gets a little more where it stands in the title, among the authors, in
//! the subjects or the series. A word's rarity is always that in the whole of the documents: one that is rare in one
//! field only, such as `about` in titles, would beat everything that a book is about.
//!
//! ```text
//! score(w, d) = idf(w) · (tf(w, d) + Σ weight(f) · tf(f))        over the fields f of d that hold w
//! tf(w, d)    = (k₁ + 1) · n / (n + k₁ · (1 − b + b · words(d) / mean words))      n: how often d holds w
//! tf(f)       = the same of the field's own length, with n = 1
//! idf(w)      = ln(1 + (N − N(w) + ½) / (N(w) + ½))              N: documents, N(w): those with w
//! ```

use super::documents::Document;
use super::field::{Field, Fields};
use super::postings::Cursor;

/// Tuned with the fields' weights: records are short, so that one more of a word says less than in an article.
const K1: f32 = 0.9;
const B: f32 = 0.6;

/// What a word counts in each document, as far as that is known before it is asked.
#[derive(Debug, Default)]
pub(super) struct Weights {
    documents: Vec<Weight>,
}

/// The same of one document.
#[derive(Clone, Copy, Debug)]
struct Weight {
    /// What its length adds below the fraction of `tf(w, d)`.
    length: f32,
    /// What a word counts more in title, authors, subjects and series.
    fields: [f32; FIELDS.len()],
}

/// The fields whose lengths are known.
const FIELDS: [Field; 4] = [Field::Title, Field::Authors, Field::Subjects, Field::Series];

impl Weights {
    pub fn of(documents: &[Document]) -> Self {
        let mean = |length: &dyn Fn(&Document) -> u32| {
            let total: u64 = documents.iter().map(|document| u64::from(length(document))).sum();
            (total as f32 / (documents.len() as f32).max(1.0)).max(1.0)
        };
        let words = mean(&|document| document.n_words);
        let means = FIELDS.map(|field| mean(&|document| document.length(field)));
        let weight = |document: &Document| Weight {
            length: length_part(document.n_words as f32 / words),
            fields: std::array::from_fn(|i| {
                let length = document.length(FIELDS[i]) as f32 / means[i];
                FIELDS[i].weight() * saturated(1.0, length_part(length))
            }),
        };
        Self { documents: documents.iter().map(weight).collect() }
    }

    /// How rare a word is that `n_docs` documents hold.
    pub fn idf(&self, n_docs: u32) -> f32 {
        let all = self.documents.len() as f32;
        let with = (n_docs as f32).min(all);
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }

    /// The scores of the documents that hold a word in `fields`, but for its rarity.
    fn each_score(&self, list: &Cursor<'_>, fields: Fields, mut visit: impl FnMut(usize, f32)) {
        let number = Field::Identifiers.weight() * saturated(1.0, length_part(0.0));
        list.each(|doc, held, count| {
            if !held.meets(fields) {
                return;
            }
            let weight = &self.documents[doc as usize];
            let mut score = saturated(count as f32, weight.length);
            for (field, more) in FIELDS.into_iter().zip(weight.fields) {
                if held.contains(field) {
                    score += more;
                }
            }
            if held.contains(Field::Identifiers) {
                score += number;
            }
            visit(doc as usize, score);
        });
    }
}

/// The more often the better, but ever less so; the more so in a short text.
#[inline]
fn saturated(count: f32, length_part: f32) -> f32 {
    (K1 + 1.0) * count / (count + length_part)
}

/// What a text's length, the mean being 1, adds below the fraction.
#[inline]
fn length_part(length: f32) -> f32 {
    K1 * (1.0 - B + B * length)
}

/// The scores of all documents.
pub(super) struct Scores<'a> {
    weights: &'a Weights,
    scores: Vec<f32>,
}

impl<'a> Scores<'a> {
    pub fn new(weights: &'a Weights) -> Self {
        Self { weights, scores: vec![0.0; weights.documents.len()] }
    }

    /// Adds a word in `fields`, in spellings that each have a weight. Of several, the one that a document scores best with counts.
    pub fn add(&mut self, spellings: Vec<(Cursor<'_>, f32)>, fields: Fields) {
        let n_docs = spellings.iter().map(|(cursor, _)| cursor.n_docs()).fold(0, u32::saturating_add);
        let idf = self.weights.idf(n_docs);
        let Self { weights, scores } = self;
        match <[_; 1]>::try_from(spellings) {
            Ok([(only, weight)]) => {
                weights.each_score(&only, fields, |at, score| scores[at] += idf * weight * score);
            }
            Err(spellings) => {
                let mut best = vec![0.0_f32; scores.len()];
                for (cursor, weight) in spellings {
                    weights.each_score(&cursor, fields, |at, score| best[at] = best[at].max(idf * weight * score));
                }
                scores.iter_mut().zip(best).for_each(|(sum, score)| *sum += score);
            }
        }
    }

    /// The `k` documents with the best scores above 0, best first, of those that `is_wanted` is true of; equal ones in
    /// order.
    pub fn top(&self, k: usize, is_wanted: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
        let mut best: Vec<(u32, f32)> = Vec::new();
        let mut least = 0.0;
        let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        for (doc, &score) in (0_u32..).zip(&self.scores) {
            if score > least && is_wanted(doc) {
                best.push((doc, score));
                // Sorted out now and then: cheaper than to keep them sorted.
                if best.len() >= k.saturating_mul(2).saturating_add(64) {
                    best.select_nth_unstable_by(k - 1, better);
                    best.truncate(k);
                    least = best[k - 1].1;
                }
            }
        }
        best.sort_unstable_by(better);
        best.truncate(k);
        best
    }
}
