//! Everything out of the database, and in again.
//!
//! Vectors travel as arrays of `real`, whatever the table keeps them as; a row's own bytes are made of them here.

use super::embeddings::EndToEnd;
use super::pool::{Answer, Parameter};
use super::text::{storable, storable_text};
use super::{books, roles};
use crate::Error;
use crate::store::dump::{DumpRow, DumpedAgreement, DumpedEmbedding, DumpedPassage, InUse, unusable};
use crate::store::row::{BookRow, PassageRow};
use crate::store::{ModelSpace, SpaceRoles};
use std::borrow::Cow;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// Rows in a statement.
pub(super) const BATCH: usize = 500;

/// Reads a row of one of the tables.
type ReadRow = fn(&Row) -> Answer<DumpRow>;

/// The tables in order, and how a row of each is read. What was measured may be kept from a role that only reads: it is
/// a note beside the embeddings, and who needs the catalogue for a snapshot or a check gets the rest.
pub(super) async fn tables(client: &Client) -> Answer<Vec<(String, ReadRow)>> {
    let books = format!("SELECT book_rowid, {} FROM libellus.books ORDER BY book_rowid", books::COLUMNS);
    let passages = "SELECT passage_id, book_rowid, ordinal, context, text, text_hash FROM libellus.passages \
                    ORDER BY book_rowid, ordinal";
    let embeddings = "SELECT passage_id, space, precision, text_hash, vector::real[] FROM libellus.embeddings \
                      ORDER BY passage_id, space";
    let agreements = "SELECT space, precision, measured::text FROM libellus.agreements ORDER BY space, precision";
    let mut tables: Vec<(String, ReadRow)> = vec![
        (books, book),
        (passages.to_owned(), passage),
        (embeddings.to_owned(), embedding),
        (roles::SELECT.to_owned(), role),
    ];
    let may_read = "SELECT has_table_privilege('libellus.agreements', 'SELECT')";
    if client.query_typed_one(may_read, &[]).await?.try_get(0)? {
        tables.push((agreements.to_owned(), agreement));
    }
    Ok(tables)
}

fn book(row: &Row) -> Answer<DumpRow> {
    Ok(DumpRow::Book(row.try_get(0)?, books::from_row(row, 1)?))
}

fn passage(row: &Row) -> Answer<DumpRow> {
    let passage = PassageRow {
        ordinal: row.try_get::<_, i32>(2)?.cast_unsigned(),
        context: row.try_get(3)?,
        text: row.try_get(4)?,
        // One of another length is no hash of any text.
        text_hash: row.try_get::<_, &[u8]>(5)?.try_into().unwrap_or_default(),
    };
    Ok(DumpRow::Passage(DumpedPassage { id: row.try_get(0)?, book_rowid: row.try_get(1)?, passage }))
}

fn embedding(row: &Row) -> Answer<DumpRow> {
    let vector: Vec<f32> = row.try_get(4)?;
    Ok(DumpRow::Embedding(DumpedEmbedding {
        passage_id: row.try_get(0)?,
        space: row.try_get(1)?,
        precision: row.try_get(2)?,
        text_hash: row.try_get::<_, &[u8]>(3)?.try_into().unwrap_or_default(),
        vector: vector.iter().flat_map(|number| number.to_le_bytes()).collect(),
    }))
}

fn role(row: &Row) -> Answer<DumpRow> {
    Ok(DumpRow::Role(row.try_get(0)?, ModelSpace { space: row.try_get(1)?, model: row.try_get(2)? }))
}

fn agreement(row: &Row) -> Answer<DumpRow> {
    let (space, precision, measured) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(DumpRow::Agreement(DumpedAgreement { space, precision, measured }))
}

/// Rows of one kind that wait to be written together.
#[derive(Default)]
pub(super) struct Batch {
    books: Vec<(i64, BookRow)>,
    passages: Vec<DumpedPassage>,
    embeddings: Vec<DumpedEmbedding>,
    agreements: Vec<DumpedAgreement>,
    /// The roles so far: these are written last, and together.
    pub roles: SpaceRoles,
}

impl Batch {
    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Snapshot`] for a vector that no column of numbers can hold.
    pub fn push(&mut self, row: DumpRow) -> Result<(), Error> {
        match row {
            DumpRow::Book(rowid, book) => self.books.push((rowid, book)),
            DumpRow::Passage(passage) => self.passages.push(passage),
            DumpRow::Embedding(embedding) if embedding.vector.len().is_multiple_of(4) => {
                self.embeddings.push(embedding);
            }
            DumpRow::Embedding(DumpedEmbedding { vector, .. }) => {
                return Err(unusable(format!(
                    "a vector has {} bytes, which are not whole numbers; `libellus check --repair` in the catalogue that \
                     it was written from removes such vectors, and a snapshot written then can be restored",
                    vector.len()
                )));
            }
            DumpRow::Role(role, space) => self.roles.set(&role, space),
            DumpRow::Agreement(agreement) => self.agreements.push(agreement),
        }
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.books.len() + self.passages.len() + self.embeddings.len() + self.agreements.len() >= BATCH
    }

    /// Writes what waits but for the roles, and forgets it.
    pub async fn write(&mut self, client: &Client, vector_type: &str) -> Answer<()> {
        let roles = std::mem::take(&mut self.roles);
        let Batch { books, passages, embeddings, agreements, .. } =
            std::mem::replace(self, Self { roles, ..Self::default() });
        if !books.is_empty() {
            let rows: Vec<(i64, Cow<'_, BookRow>)> =
                books.iter().map(|(rowid, book)| (*rowid, storable(book))).collect();
            books::insert_with_numbers(client, &rows).await?;
        }
        if !passages.is_empty() {
            write_passages(client, &passages).await?;
        }
        if !embeddings.is_empty() {
            write_embeddings(client, &embeddings, vector_type).await?;
        }
        for DumpedAgreement { space, precision, measured } in &agreements {
            let parameters: &[Parameter<'_>] = &[(space, Type::TEXT), (precision, Type::TEXT), (measured, Type::TEXT)];
            let sql = "INSERT INTO libellus.agreements (space, precision, measured) VALUES ($1, $2, $3::json)";
            client.execute_typed(sql, parameters).await?;
        }
        Ok(())
    }
}

async fn write_passages(client: &Client, passages: &[DumpedPassage]) -> Answer<()> {
    let ids: Vec<i64> = passages.iter().map(|row| row.id).collect();
    let books: Vec<i64> = passages.iter().map(|row| row.book_rowid).collect();
    let ordinals: Vec<i32> = passages.iter().map(|row| row.passage.ordinal.cast_signed()).collect();
    let contexts: Vec<Cow<'_, str>> = passages.iter().map(|row| storable_text(&row.passage.context)).collect();
    let texts: Vec<Cow<'_, str>> = passages.iter().map(|row| storable_text(&row.passage.text)).collect();
    let hashes: Vec<&[u8]> = passages.iter().map(|row| &row.passage.text_hash[..]).collect();
    let parameters: &[Parameter<'_>] = &[
        (&ids, Type::INT8_ARRAY),
        (&books, Type::INT8_ARRAY),
        (&ordinals, Type::INT4_ARRAY),
        (&contexts, Type::TEXT_ARRAY),
        (&texts, Type::TEXT_ARRAY),
        (&hashes, Type::BYTEA_ARRAY),
    ];
    let sql = "INSERT INTO libellus.passages (passage_id, book_rowid, ordinal, context, text, text_hash) \
               OVERRIDING SYSTEM VALUE SELECT * \
               FROM unnest($1::int8[], $2::int8[], $3::int4[], $4::text[], $5::text[], $6::bytea[])";
    client.execute_typed(sql, parameters).await.map(drop)
}

async fn write_embeddings(client: &Client, embeddings: &[DumpedEmbedding], vector_type: &str) -> Answer<()> {
    let ids: Vec<i64> = embeddings.iter().map(|row| row.passage_id).collect();
    let spaces: Vec<&str> = embeddings.iter().map(|row| row.space.as_str()).collect();
    let precisions: Vec<&str> = embeddings.iter().map(|row| row.precision.as_str()).collect();
    let hashes: Vec<&[u8]> = embeddings.iter().map(|row| &row.text_hash[..]).collect();
    let mut vectors = EndToEnd::default();
    for row in embeddings {
        // There is no rest: see `Batch::push`.
        let (floats, _) = row.vector.as_chunks::<4>();
        vectors.push(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    let parameters: &[Parameter<'_>] = &[
        (&vectors.numbers, Type::FLOAT4_ARRAY),
        (&ids, Type::INT8_ARRAY),
        (&spaces, Type::TEXT_ARRAY),
        (&precisions, Type::TEXT_ARRAY),
        (&hashes, Type::BYTEA_ARRAY),
        (&vectors.firsts, Type::INT4_ARRAY),
        (&vectors.lasts, Type::INT4_ARRAY),
    ];
    let sql = format!(
        "INSERT INTO libellus.embeddings (passage_id, space, precision, text_hash, vector) \
         SELECT n.id, n.space, n.precision, n.text_hash, ($1::real[])[n.first:n.last]::{vector_type} \
         FROM unnest($2::int8[], $3::text[], $4::text[], $5::bytea[], $6::int4[], $7::int4[]) \
         AS n(id, space, precision, text_hash, first, last)"
    );
    client.execute_typed(&sql, parameters).await.map(drop)
}

/// The highest numbers in use.
pub(super) async fn in_use(client: &Client) -> Answer<InUse> {
    let sql = "SELECT coalesce((SELECT max(book_rowid) FROM libellus.books), 0), \
               coalesce((SELECT max(passage_id) FROM libellus.passages), 0)";
    let row = client.query_typed_one(sql, &[]).await?;
    Ok(InUse { book: row.try_get(0)?, passage: row.try_get(1)? })
}

/// Lets the next book and passage have numbers behind all that are there.
pub(super) async fn advance(client: &Client) -> Answer<()> {
    let sql = "SELECT setval(pg_get_serial_sequence('libellus.books', 'book_rowid'), \
               greatest((SELECT max(book_rowid) FROM libellus.books), \
               nextval(pg_get_serial_sequence('libellus.books', 'book_rowid')))), \
               setval(pg_get_serial_sequence('libellus.passages', 'passage_id'), \
               greatest((SELECT max(passage_id) FROM libellus.passages), \
               nextval(pg_get_serial_sequence('libellus.passages', 'passage_id'))))";
    client.query_typed_one(sql, &[]).await.map(drop)
}
