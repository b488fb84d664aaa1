//! How good a ranking is, by the definitions of trec_eval, which BEIR uses too (the tests hold them to its figures).
//!
//! `ranked` are the grades of the hits in their order, 0 for a hit that is not judged; `judged` are all grades that the
//! query has, in any order, those of books that were not found included. A book is relevant if its grade is above 0.
//!
//! One difference: trec_eval sorts equal scores by document id, here the order of the answer is taken as it is.

/// Discounted cumulative gain over the first `k` hits, divided by the best possible one.
///
/// `DCG = Σ gradeᵢ / log₂(i + 1)` for ranks `i = 1 … k`: the gain is the grade itself, as in trec_eval's `ndcg_cut`, not
/// `2^grade − 1`. 0 if nothing is relevant.
pub fn ndcg_at(k: usize, ranked: &[u32], judged: &[u32]) -> f64 {
    let mut ideal = judged.to_vec();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    divide(dcg(k, ranked), dcg(k, &ideal))
}

/// The share of the relevant books that is among the first `k` hits; 0 if nothing is relevant.
pub fn recall_at(k: usize, ranked: &[u32], judged: &[u32]) -> f64 {
    let relevant = |grades: &[u32]| grades.iter().filter(|grade| **grade > 0).count() as f64;
    divide(relevant(&ranked[..k.min(ranked.len())]), relevant(judged))
}

/// `1 / rank` of the first relevant book among the first `k` hits; 0 if there is none. Its mean is MRR@k.
pub fn reciprocal_rank_at(k: usize, ranked: &[u32]) -> f64 {
    ranked.iter().take(k).position(|grade| *grade > 0).map_or(0.0, |before| 1.0 / (before + 1) as f64)
}

fn dcg(k: usize, grades: &[u32]) -> f64 {
    grades.iter().take(k).enumerate().map(|(before, grade)| f64::from(*grade) / (before as f64 + 2.0).log2()).sum()
}

fn divide(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `k`, the grades ranked, the grades judged.
    type Ranking = (usize, &'static [u32], &'static [u32]);

    /// What the gain of the second hit is divided by; that of the first by log₂ 2 = 1.
    const LOG2_3: f64 = 1.584_962_500_721_156;

    #[test]
    fn ndcg_by_hand() {
        let cases: [(Ranking, f64, &str); 7] = [
            ((10, &[2, 1], &[1, 2]), 1.0, "the ideal order"),
            ((10, &[1, 2], &[1, 2]), (1.0 + 2.0 / LOG2_3) / (2.0 + 1.0 / LOG2_3), "swapped"),
            ((10, &[0, 0, 1], &[1]), 0.5, "1 / log2(4)"),
            ((2, &[0, 0, 1], &[1]), 0.0, "found too late"),
            ((10, &[1], &[1, 1]), 1.0 / (1.0 + 1.0 / LOG2_3), "one of two found"),
            ((1, &[1], &[1, 1]), 1.0, "no more than k can be found"),
            ((10, &[0], &[0]), 0.0, "nothing is relevant"),
        ];
        for ((k, ranked, judged), expected, why) in cases {
            let figure = ndcg_at(k, ranked, judged);
            assert!((figure - expected).abs() < 1e-12, "{why}: {figure} instead of {expected}");
        }
    }

    #[test]
    fn recall_and_reciprocal_rank_by_hand() {
        let cases: [(Ranking, f64, f64); 6] = [
            ((10, &[0, 2, 1], &[2, 1, 1, 0]), 2.0 / 3.0, 0.5),
            ((2, &[0, 2, 1], &[2, 1, 1, 0]), 1.0 / 3.0, 0.5),
            ((1, &[0, 2, 1], &[2, 1, 1, 0]), 0.0, 0.0),
            ((10, &[3], &[3]), 1.0, 1.0),
            ((10, &[], &[1]), 0.0, 0.0),
            ((10, &[0], &[]), 0.0, 0.0),
        ];
        for ((k, ranked, judged), recall, reciprocal_rank) in cases {
            assert_eq!(recall_at(k, ranked, judged), recall, "recall at {k} of {ranked:?}");
            assert_eq!(reciprocal_rank_at(k, ranked), reciprocal_rank, "reciprocal rank at {k} of {ranked:?}");
        }
    }

    /// The grades of relevant hits with their places (from 0), the grades of relevant books that were not found.
    type Run = (&'static [(usize, u32)], &'static [u32]);

    #[test]
    fn figures_of_pytrec_eval() {
        // Random runs of up to 100 hits: `ndcg_cut.10`, `recall.100`, and `recip_rank` of the run cut at 10.
        let cases: [(Run, [f64; 3]); 6] = [
            ((&[(0, 3)], &[]), [1.000000000000, 1.000000000000, 1.000000000000]),
            ((&[(0, 1), (1, 2), (6, 1), (7, 2)], &[1]), [0.704487582056, 0.800000000000, 1.000000000000]),
            (
                (&[(0, 2), (1, 2), (3, 3), (5, 2), (6, 2), (10, 3)], &[1, 2]),
                [0.643322143989, 0.750000000000, 1.000000000000],
            ),
            (
                (
                    &[
                        (1, 3),
                        (6, 1),
                        (9, 2),
                        (11, 3),
                        (12, 2),
                        (15, 3),
                        (16, 1),
                        (23, 2),
                        (24, 3),
                        (25, 2),
                        (26, 1),
                        (27, 1),
                    ],
                    &[],
                ),
                [0.253580434885, 1.000000000000, 0.500000000000],
            ),
            (
                (
                    &[
                        (2, 2),
                        (8, 1),
                        (11, 3),
                        (17, 2),
                        (19, 1),
                        (27, 2),
                        (29, 3),
                        (42, 2),
                        (45, 1),
                        (46, 2),
                        (50, 2),
                        (53, 2),
                        (56, 1),
                        (59, 2),
                        (60, 1),
                        (63, 3),
                        (67, 1),
                        (70, 3),
                        (73, 2),
                        (74, 1),
                        (82, 3),
                        (83, 3),
                        (85, 3),
                        (89, 2),
                        (90, 2),
                        (96, 2),
                    ],
                    &[2, 1, 1],
                ),
                [0.102241092256, 0.896551724138, 0.333333333333],
            ),
            (
                (
                    &[
                        (5, 1),
                        (7, 2),
                        (11, 1),
                        (12, 3),
                        (19, 2),
                        (22, 1),
                        (23, 2),
                        (29, 3),
                        (31, 2),
                        (32, 2),
                        (37, 2),
                        (38, 2),
                        (42, 3),
                        (48, 1),
                        (53, 3),
                        (55, 1),
                        (60, 1),
                        (61, 1),
                        (67, 1),
                        (80, 3),
                        (81, 1),
                        (90, 2),
                        (94, 1),
                    ],
                    &[2, 1, 3, 3, 2, 3, 2, 3, 2, 2, 3, 3, 2, 2, 1, 1],
                ),
                [0.072420237617, 0.589743589744, 0.166666666667],
            ),
        ];
        for ((found, not_found), [ndcg, recall, reciprocal_rank]) in cases {
            let mut ranked = vec![0; 100];
            found.iter().for_each(|&(place, grade)| ranked[place] = grade);
            let judged: Vec<u32> = found.iter().map(|(_, grade)| *grade).chain(not_found.iter().copied()).collect();
            let figures = [
                (ndcg_at(10, &ranked, &judged), ndcg),
                (recall_at(100, &ranked, &judged), recall),
                (reciprocal_rank_at(10, &ranked), reciprocal_rank),
            ];
            for (figure, expected) in figures {
                assert!((figure - expected).abs() < 1e-11, "{figure} instead of {expected} for {found:?}");
            }
        }
    }
}
