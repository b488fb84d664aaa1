//! Taking over the books that another program keeps in PostgreSQL.
//!
//! - `mapping.rs`: which table and columns are meant, guessed from their names unless told;
//! - `source_row.rs`: a row of that table, and the book that it becomes;
//! - `template.rs`: the texts that the other program may have embedded;
//! - `agreement.rs`: what was measured of its vectors;
//! - `changes.rs`: what became of changes in it.
//!
//! Nothing here speaks SQL: that is in `store/postgres/adopt/`. Looking comes first, and writes nothing; copying and
//! following the table's changes are asked for one by one, and can be undone.

mod agreement;
mod changes;
#[cfg(feature = "postgres")]
mod mapping;
#[cfg(feature = "postgres")]
mod source_row;
#[cfg(feature = "postgres")]
mod template;

pub use agreement::{Agreement, MEASURED_LEAST, MEASURED_MEAN, MEASURED_SAMPLE, StoredPrecision};
pub use changes::ChangesTaken;
#[cfg(feature = "postgres")]
pub use {
    crate::store::{Adopted, Adoption, CopyStep, Counts, Following, ForeignTables, Undone},
    mapping::{MappedColumn, Mapping, StoredVectors, TableKind, TableName, Wishes},
    source_row::{SourceRow, VectorFault},
    template::{OWN_TEXT, Template, is_embedded_text},
};

#[cfg(feature = "postgres")]
pub(crate) use mapping::{Column, Table, map, quoted};
