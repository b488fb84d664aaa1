//! What can go wrong with an index.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A vector of another length than the index holds.
    #[error("the vector has {found} components, but the index holds vectors of {expected}; use one model for both")]
    WrongDimension {
        /// Components of the index's vectors.
        expected: usize,
        /// Components of this one.
        found: usize,
    },
    /// A component that is NaN or infinite: no score could be ranked with it.
    #[error("component {component} of the vector is {value}; a vector must be finite")]
    NotFinite {
        /// Its place, from 0.
        component: usize,
        /// Its value.
        value: f32,
    },
    /// Groups were not pushed one after the other.
    #[error("group {group} came after group {last}; the rows of a group must be consecutive, groups ascending")]
    GroupOrder {
        /// The group pushed.
        group: u32,
        /// The group before it.
        last: u32,
    },
    /// Rows, documents and words are numbered with 32 bits.
    #[error("the index is full: it numbers what it holds with 32 bits")]
    Full,
    /// An index file is not there, or cannot be read or written.
    #[error("the index file `{}` cannot be read or written", path.display())]
    IndexFile {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An index file of no use.
    #[error("the index file `{}` is {reason}; it is made anew if it is removed", path.display())]
    UnusableFile {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
}
