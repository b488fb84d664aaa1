//! From which cosine on a book is an answer, and below which it is only the nearest there is.
//!
//! Some vector is always the nearest, also to a question that no book answers. What is near differs between models, so it
//! is measured for each: on judged sets, where the best relevant book of a question lies. One in a hundred of those is
//! allowed to fall below (`bench/results/2026-11-30-search.md`).

/// The spaces that were measured, each with its floor.
const MEASURED: [(&str, f32); 1] = [(ALL_MINILM_L6_V2, 0.25)];

/// The space of all-MiniLM-L6-v2, the built-in model, in any precision.
const ALL_MINILM_L6_V2: &str = "569c84e3b5f90937abc77088f117c183";

/// The floor of a space; `None` if it was not measured, and every book found by meaning counts as an answer.
pub(crate) fn floor_of(space: &str) -> Option<f32> {
    MEASURED.iter().find(|(measured, _)| *measured == space).map(|(_, floor)| *floor)
}
