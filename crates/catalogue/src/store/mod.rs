//! The store: where a catalogue is kept.
mod sqlite;
pub use sqlite::{Access, Catalogue, EmbeddedPassage, NewEmbedding, PendingPassage, Statistics, WriteOutcome};
