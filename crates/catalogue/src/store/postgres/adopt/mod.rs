//! The tables of another program, in the same database: looked at, copied, followed, and left as they were.
//!
//! - `tables.rs`: what tables there are;
//! - `rows.rs`: their rows and vectors;
//! - `copying.rs`: books taken into our own tables, batch by batch;
//! - `following.rs`: triggers that note what changes, and what is done about it;
//! - `undoing.rs`: how every trace goes.
//!
//! [`ForeignTables`] looks, in transactions that the server keeps from writing. [`Adoption`] does what it was told.

mod copying;
mod following;
mod rows;
mod tables;
mod undoing;

pub use copying::CopyStep;
pub use following::Following;
pub(in crate::store) use following::take_changes;
pub use undoing::Undone;

use super::failure::{Failure, Kind, named};
use super::pool::{Answer, Parameter, Pool};
use super::{PostgresAddress, PostgresStore};
use crate::adopt::{self, Mapping, SourceRow, StoredPrecision, Table, Wishes, quoted};
use crate::store::Access;
use crate::{Error, Location};
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// How many there are, of what is to be adopted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Rows of books.
    pub books: u64,
    /// Of them, rows without a key.
    pub without_key: u64,
    /// Rows of vectors.
    pub embeddings: u64,
    /// Of them, rows without a vector.
    pub without_vector: u64,
    /// Of them, rows beyond the first of their book.
    pub beyond_first: u64,
    /// Books without a row of vectors.
    pub books_without_embedding: u64,
    /// Rows of vectors without a book.
    pub embeddings_without_book: u64,
}

/// What was adopted, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Adopted {
    /// Which table became our books, and how.
    pub mapping: Mapping,
    /// Whether all of it was copied once.
    pub is_copied: bool,
    /// Whether its changes are noted, and how many wait.
    pub following: Following,
}

/// The tables of a database, to look at.
#[derive(Debug)]
pub struct ForeignTables {
    pool: Pool,
    location: String,
}

impl ForeignTables {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::NothingToAdopt`] for a file; else those of connecting.
    pub fn open(location: &Location) -> Result<Self, Error> {
        let address = address(location)?;
        Ok(Self { pool: Pool::new(address)?, location: location.to_string() })
    }

    /// Finds the tables that are meant, and what their columns are.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::SeveralTables`], [`Error::NoTitleColumn`], [`Error::Unadoptable`].
    pub fn find(&self, wishes: &Wishes) -> Result<Mapping, Error> {
        let tables: Vec<Table> = self.look("looking for tables", tables::describe)?;
        adopt::map(&self.location, &tables, wishes)
    }

    /// Counts what the mapping is about, and checks that its key tells the books apart.
    ///
    /// # Errors
    /// [`Error::Unadoptable`], and those of reading.
    pub fn count(&self, mapping: &Mapping) -> Result<Counts, Error> {
        let twice = self.look_at(Some(mapping), "looking for keys used twice", async |client| {
            rows::used_twice(client, mapping).await
        })?;
        if let Some(key) = twice {
            let reason = format!(
                "several of its rows have `{key}` in the column `{}`; name a column that tells its rows apart with --key",
                mapping.key
            );
            return Err(Error::Unadoptable { table: mapping.books.to_string(), reason });
        }
        self.look_at(Some(mapping), "counting", async |client| rows::count(client, mapping).await)
    }

    /// Up to `limit` rows, spread over the table; those with a vector, if there are vectors.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sample(&self, mapping: &Mapping, limit: usize) -> Result<Vec<SourceRow>, Error> {
        self.look_at(Some(mapping), "reading a sample", async |client| rows::sample(client, mapping, limit).await)
    }

    /// What was adopted here before, if anything.
    ///
    /// # Errors
    /// [`Error::UnknownAdoption`], and those of reading.
    pub fn adopted(&self) -> Result<Option<Adopted>, Error> {
        let noted = self.look("looking for what was adopted", async |client| {
            let row =
                client.query_typed_one("SELECT pg_catalog.to_regclass('libellus.adoption') IS NOT NULL", &[]).await?;
            if !row.try_get::<_, bool>(0)? {
                return Ok(None);
            }
            let Some(noted) = adopted(client, Lock::No).await? else { return Ok(None) };
            let following = following::following(client).await?;
            Ok(Some(noted.map(|Noted { mapping, is_copied, .. }| Adopted { mapping, is_copied, following })))
        })?;
        known(noted, &self.location)
    }

    fn look<T>(&self, action: &'static str, look: impl AsyncFn(&Client) -> Answer<T>) -> Result<T, Error> {
        self.look_at(None, action, look)
    }

    fn look_at<T>(
        &self,
        mapping: Option<&Mapping>,
        action: &'static str,
        look: impl AsyncFn(&Client) -> Answer<T>,
    ) -> Result<T, Error> {
        self.pool.look(look).map_err(|failure| named_for(&self.pool.address, mapping, action, failure))
    }
}

/// The books of another program's table as our own, and what is done to keep them so.
#[derive(Debug)]
pub struct Adoption {
    store: PostgresStore,
}

impl Adoption {
    /// Opens the catalogue in the same database, making it if it is missing.
    ///
    /// # Errors
    /// [`Error::NothingToAdopt`] for a file; else as [`crate::Catalogue::open_at`].
    pub fn open(location: &Location) -> Result<Self, Error> {
        Ok(Self { store: PostgresStore::open(address(location)?, Access::ReadWrite)? })
    }

    /// What was adopted, if anything.
    ///
    /// # Errors
    /// [`Error::UnknownAdoption`], and those of reading.
    pub fn mapping(&self) -> Result<Option<Mapping>, Error> {
        let noted = self.store.read("reading what was adopted", async |client| adopted(client, Lock::No).await)?;
        Ok(known(noted, &self.store.location)?.map(|noted| noted.mapping))
    }

    /// How many of the catalogue's books came from the adopted table.
    ///
    /// # Errors
    /// Those of reading.
    pub fn books(&self) -> Result<u64, Error> {
        self.store.read("counting", async |client| {
            let row = client.query_typed_one("SELECT count(*) FROM libellus.adopted_books", &[]).await?;
            row.try_get(0).map(i64::cast_unsigned)
        })
    }

    fn named_for(&self, mapping: Option<&Mapping>, action: &'static str, failure: Failure) -> Error {
        named_for(&self.store.pool.address, mapping, action, failure)
    }
}

fn address(location: &Location) -> Result<&PostgresAddress, Error> {
    match location {
        Location::Postgres(address) => Ok(address),
        Location::Sqlite(_) => Err(Error::NothingToAdopt { location: location.to_string() }),
    }
}

/// A right that is missing on the other program's table has its own cure, and so has a column that is gone.
fn named_for(address: &PostgresAddress, mapping: Option<&Mapping>, action: &'static str, failure: Failure) -> Error {
    let is_not_there = Kind::of(&failure) == Kind::NotThere;
    match (named(address, action, failure), mapping) {
        (Error::MissingRights { location, action, source, .. }, Some(mapping)) => {
            let role = quoted(address.user());
            let (books, vectors) = (&mapping.books, mapping.embeddings.as_ref().map(|stored| &stored.table));
            let vectors = vectors.filter(|table| *table != books);
            let mut grants: Vec<String> = [Some(books), vectors.filter(|table| table.schema != books.schema)]
                .into_iter()
                .flatten()
                .map(|table| format!("`GRANT USAGE ON SCHEMA {} TO {role}`", quoted(&table.schema)))
                .collect();
            grants.push(format!("`GRANT SELECT, TRIGGER ON {} TO {role}`", books.sql()));
            grants.extend(vectors.map(|table| format!("`GRANT SELECT ON {} TO {role}`", table.sql())));
            Error::MissingRights { location, action, grant: grants.join(" and "), source }
        }
        (Error::Database { location, source, .. }, Some(mapping)) if is_not_there => {
            Error::TableChanged { location, table: mapping.books.to_string(), source }
        }
        (error, _) => error,
    }
}

/// What is noted of the adoption.
struct Noted {
    mapping: Mapping,
    /// The key that the copy has come to.
    copied_to: Option<String>,
    is_copied: bool,
}

/// Whether what is noted stays as it is to the end of the transaction.
#[derive(Clone, Copy)]
enum Lock {
    Yes,
    No,
}

/// What is noted of the adoption, if anything; what this version cannot read is not nothing.
async fn adopted(client: &Client, lock: Lock) -> Answer<Option<Result<Noted, serde_json::Error>>> {
    let lock = match lock {
        Lock::Yes => " FOR UPDATE",
        Lock::No => "",
    };
    let sql = format!("SELECT mapping::text, copied_to, is_copied FROM libellus.adoption{lock}");
    let Some(row) = client.query_typed_opt(&sql, &[]).await? else { return Ok(None) };
    let (copied_to, is_copied) = (row.try_get(1)?, row.try_get(2)?);
    let mapping = serde_json::from_str(row.try_get(0)?);
    Ok(Some(mapping.map(|mapping| Noted { mapping, copied_to, is_copied })))
}

/// What was noted, or the error for what a newer version wrote in another form: it must neither be followed by this one
/// nor taken for nothing.
fn known<T>(noted: Option<Result<T, serde_json::Error>>, location: &str) -> Result<Option<T>, Error> {
    noted.transpose().map_err(|source| Error::UnknownAdoption { location: location.to_owned(), source })
}

/// The embeddings in a space by precision, with what was measured of them if `measured`.
pub(super) async fn precisions(client: &Client, space: &str, measured: bool) -> Answer<Vec<StoredPrecision>> {
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT)];
    let measured = if measured {
        "(SELECT a.measured::text FROM libellus.agreements a WHERE a.space = $1 AND a.precision = e.precision)"
    } else {
        "NULL::text"
    };
    let sql = format!(
        "SELECT e.precision, count(*), {measured} FROM libellus.embeddings e WHERE e.space = $1 \
         GROUP BY e.precision ORDER BY e.precision COLLATE \"C\""
    );
    let rows = client.query_typed(&sql, parameters).await?;
    rows.iter()
        .map(|row| {
            let embeddings = row.try_get::<_, i64>(1)?.cast_unsigned();
            Ok(StoredPrecision::new(row.try_get(0)?, embeddings, row.try_get(2)?))
        })
        .collect()
}

/// A value as the text of its JSON, which types of our own always have.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap_or(Value::Null).to_string()
}
