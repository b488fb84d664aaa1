//! One list from two: the books found by words and those found by meaning.
//!
//! Reciprocal ranks, the usual way, lose known items: a title that the words find alone is outvoted by books that both
//! ways find a little. So scores are mixed, and the mixture depends on how far a book *is* what was typed: on the share of
//! the query, weighted by how rare its words are, that stands in its title and among its authors. A query that describes a
//! book is hardly ever found there; a title, an author or both nearly always is. [`fused_score`] has the formula;
//! `bench/results` has the figures that its constants were chosen by.

/// What is known of a book that one way or both found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Evidence {
    /// Its BM25 score, if its words matched.
    pub keyword: Option<f32>,
    /// Its cosine, if it is among the nearest.
    pub semantic: Option<f32>,
    /// The share of the query that stands in title and authors, 0 to 1.
    pub of_query: f32,
    /// The share of the title's words that the query has, 0 to 1.
    pub of_title: f32,
}

impl Evidence {
    /// How far the query names the book: 0 up to a share of it, 1 for all of it.
    fn named(&self) -> f32 {
        ((self.of_query - NAMED_FROM) / (1.0 - NAMED_FROM)).clamp(0.0, 1.0)
    }

    /// Whether the query names the book.
    pub fn is_named(&self) -> bool {
        self.named() > 0.5
    }
}

/// What scores are measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// The greatest share of the query in title and authors, among the first books found by words.
    pub of_query: f32,
    /// The greatest BM25 score.
    pub keyword: f32,
    /// The greatest cosine.
    pub semantic: f32,
}

/// How much words count for a query that describes a book.
const KEYWORD_WEIGHT: f32 = 0.3;
/// How much more they count if the query, or part of it, seems to name some book: if the best share of it in a title and
/// authors is more than the first, up to the second.
const KEYWORD_WEIGHT_MORE: f32 = 0.3;
const SEEMS_TO_NAME: (f32, f32) = (0.4, 0.6);
/// From this share of the query on, a book counts as named, more and more up to the whole query.
const NAMED_FROM: f32 = 0.7;
/// Of the bonus for a book that is named, the part that depends on how much of its title was typed.
const TITLE_PART: f32 = 0.6;
/// A cosine of this part of the best one counts nothing.
const SEMANTIC_BASE: f32 = 0.5;

/// The score that ranks a book, from 0 to 2; above 1 only if the query names it.
///
/// With `k` the BM25 score over the best one, `s` the cosine scaled so that half of the best one is 0 and the best one 1,
/// and `n` how far the query names the book (0 up to a share of 0.7 of it in title and authors, 1 for all of it):
///
/// `w · k + (1 - w) · s + n · (0.4 + 0.6 · of_title)`, where `w` is 0.3, or up to 0.6 if the query seems to name some book,
/// and rises to 1 with `n`.
pub(crate) fn fused_score(evidence: &Evidence, best: Best) -> f32 {
    let relative = |score: Option<f32>, base: f32, best: f32| match score {
        Some(score) if best > 0.0 => ((score / best - base) / (1.0 - base)).max(0.0),
        _ => 0.0,
    };
    let keyword = relative(evidence.keyword, 0.0, best.keyword);
    let semantic = relative(evidence.semantic, SEMANTIC_BASE, best.semantic);
    let named = evidence.named();
    let (from, to) = SEEMS_TO_NAME;
    let weight = KEYWORD_WEIGHT + KEYWORD_WEIGHT_MORE * ((best.of_query - from) / (to - from)).clamp(0.0, 1.0);
    let weight = weight + (1.0 - weight) * named;
    let bonus = named * (1.0 - TITLE_PART + TITLE_PART * evidence.of_title);
    weight * keyword + (1.0 - weight) * semantic + bonus
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEST: Best = Best { of_query: 0.0, keyword: 10.0, semantic: 0.6 };

    fn score(keyword: Option<f32>, semantic: Option<f32>, of_query: f32, of_title: f32) -> f32 {
        fused_score(&Evidence { keyword, semantic, of_query, of_title }, BEST)
    }

    #[test]
    fn the_formula_by_hand() {
        let cases = [
            ((Some(10.0), Some(0.6), 0.0, 0.0), 1.0, "best by both ways, not named"),
            ((Some(5.0), None, 0.0, 0.0), 0.15, "by words alone"),
            ((None, Some(0.45), 0.0, 0.0), 0.35, "by meaning alone"),
            ((None, Some(0.2), 0.0, 0.0), 0.0, "far away"),
            ((Some(10.0), None, 1.0, 1.0), 2.0, "its whole title"),
            ((Some(10.0), None, 1.0, 0.0), 1.4, "its author"),
            ((Some(10.0), Some(0.6), 0.85, 0.5), 1.0 + 0.5 * 0.7, "half named"),
        ];
        for ((keyword, semantic, of_query, of_title), expected, why) in cases {
            let got = score(keyword, semantic, of_query, of_title);
            assert!((got - expected).abs() < 1e-6, "{why}: {got} instead of {expected}");
        }
    }

    #[test]
    fn a_named_book_is_above_every_book_that_is_not() {
        assert!(score(Some(4.0), None, 1.0, 1.0) > score(Some(10.0), Some(0.6), 0.69, 0.0));
    }

    #[test]
    fn words_count_more_if_the_query_seems_to_name_a_book() {
        let evidence = Evidence { keyword: Some(10.0), ..Evidence::default() };
        for (of_query, expected) in [(0.4, 0.3), (0.5, 0.45), (0.6, 0.6), (1.0, 0.6)] {
            let got = fused_score(&evidence, Best { of_query, ..BEST });
            assert!((got - expected).abs() < 1e-6, "{of_query}: {got}");
        }
    }

    #[test]
    fn nothing_found_one_way_is_no_fault() {
        let none = Best { of_query: 0.0, keyword: 0.0, semantic: 0.0 };
        assert_eq!(
            fused_score(&Evidence { keyword: Some(0.0), semantic: Some(-0.1), ..Evidence::default() }, none),
            0.0
        );
        let words_only = Best { keyword: 3.0, ..none };
        assert_eq!(fused_score(&Evidence { keyword: Some(3.0), ..Evidence::default() }, words_only), 0.3);
    }
}
