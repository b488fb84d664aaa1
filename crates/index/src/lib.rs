//! Vectors and texts with ids in, ranked ids out.
//!
//! Two indexes, both derived and disposable: [`VectorIndex`] answers by meaning, [`KeywordIndex`] by words. Neither
//! knows what a book is. What they rank is a *group*, a number the caller chose: of vectors, a run of rows; of words,
//! one document. Both give equal scores in record order, so that an answer never depends on chance.
//!
//! [`fold`] is the one way in which text becomes comparable, for the index and for the query alike.
#![forbid(unsafe_code)]

mod bitset;
mod completions;
mod error;
mod facet;
mod fold;
mod keyword;
mod vector;

pub use bitset::GroupSet;
pub use completions::{Completion, Completions};
pub use error::Error;
pub use facet::{Facet, FacetCount};
pub use fold::{find_words, fold, is_ignorable, words};
pub use keyword::{
    Correction, Field, Fields, KeywordDocument, KeywordHit, KeywordIndex, KeywordIndexBuilder, KeywordMatch,
    KeywordQuery, KnownBy, KnownItem, Namer, Naming, QueryOptions,
};
pub use vector::{GroupHit, Moved, VectorIndex, VectorIndexFile};
