//! Books, passages and embeddings: file formats in and out, a store that is the truth.
//!
//! Data runs from top to bottom: [`import`] turns files into [`Book`]s, [`cut_passages`] cuts a book's text into
//! pieces that a model reads whole, and the [`Catalogue`] keeps both, with the embeddings that were made from them.
//! [`export`] writes books for other programs, [`write_snapshot`] all of a catalogue, and [`check`] says whether it is whole.
#![forbid(unsafe_code)]

pub mod adopt;
mod book;
pub mod check;
mod error;
pub mod export;
mod extra_field;
pub mod import;
pub mod isbn;
mod key;
mod location;
pub mod npy;
mod passage;
mod sentence;
mod snapshot;
mod store;

pub use book::Book;
pub use error::{DatabaseFault, Error};
pub use extra_field::{ExtraField, extra_texts};
pub use key::{ApiKey, KEY_PREFIX, Scope};
pub use location::Location;
pub use passage::{BookTokens, Passage, PassageCutter, cut_passages};
pub use sentence::sentences_of;
pub use snapshot::{SnapshotCounts, check_snapshot, restore_snapshot, write_snapshot};
#[cfg(feature = "postgres")]
pub use store::PostgresAddress;
pub use store::{
    Access, BookChange, Catalogue, CatalogueState, Claim, Condition, EmbeddedPassage, FailedPassage, Failure,
    MAX_ATTEMPTS, MigrationProblem, ModelSpace, NewEmbedding, PendingPassage, PlacedEmbedding, PlacedPassage,
    QueueCounts, RoleChange, SpaceRoles, Statistics, WriteOutcome, unless_failed,
};
