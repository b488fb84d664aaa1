//! How every trace of an adoption goes: what was added to the other program's table, and on request our own tables.
//!
//! The functions are dropped with the triggers that hang on them: for that the function's owner needs no right on the
//! table, while dropping the triggers by name would take the table's owner.

use super::super::pool::{Answer, Parameter};
use super::super::schema::{HAS_COPIES, MADE_EXTENSION, MADE_SCHEMA, is_noted};
use super::Adoption;
use crate::Error;
use crate::adopt::{TableName, quoted};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// What was undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Undone {
    /// Triggers removed from the other program's tables.
    pub triggers: u64,
    /// Changes that had not been dealt with.
    pub changes: u64,
    /// Books in the catalogue, whether dropped or left.
    pub books: u64,
    /// Embeddings in the catalogue, whether dropped or left.
    pub embeddings: u64,
    /// Whether our own tables were dropped.
    pub dropped: bool,
    /// Whether the schema `libellus` is left, because an administrator made it.
    pub schema_left: bool,
    /// Whether pgvector is left, which came with our tables, because something else uses it by now.
    pub extension_left: bool,
}

impl Adoption {
    /// Stops following, and forgets what was adopted. With `copies`, drops all that is ours: books, passages and
    /// embeddings, wherever they came from, and the schema.
    ///
    /// # Errors
    /// [`Error::NotAdopted`] for a catalogue that never had anything to do with another program's table, however it came
    /// to be; those of writing: then nothing was undone.
    pub fn undo(&self, copies: bool) -> Result<Undone, Error> {
        let table = self.mapping()?.map(|mapping| mapping.books);
        // If nothing was adopted, no lock of another program's table is waited for.
        let table = table.unwrap_or(TableName { schema: "libellus".to_owned(), name: "books".to_owned() });
        let undone = self.standing_back(&table, "undoing the adoption", async |client| {
            if !is_noted(client, HAS_COPIES).await? {
                return Ok(None);
            }
            let undone = stop_following(client).await?;
            Ok(Some(if copies { drop_all(client, undone).await? } else { undone }))
        })?;
        undone.ok_or_else(|| Error::NotAdopted { location: self.store.location.clone() })
    }
}

async fn stop_following(client: &Client) -> Answer<Undone> {
    let sql = "SELECT count(t.oid), (SELECT count(*) FROM libellus.changes), (SELECT count(*) FROM libellus.books), \
               (SELECT count(*) FROM libellus.embeddings) \
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'libellus'";
    let row = client.query_typed_one(sql, &[]).await?;
    let count = |at| row.try_get(at).map(i64::cast_unsigned);
    let undone = Undone {
        triggers: count(0)?,
        changes: count(1)?,
        books: count(2)?,
        embeddings: count(3)?,
        ..Undone::default()
    };
    client
        .batch_execute(
            "DROP FUNCTION IF EXISTS libellus.note_insert(), libellus.note_update(), libellus.note_delete(), \
             libellus.note_truncate() CASCADE; \
             DELETE FROM libellus.changes; DELETE FROM libellus.adoption; DELETE FROM libellus.adopted_books",
        )
        .await?;
    Ok(undone)
}

async fn drop_all(client: &Client, undone: Undone) -> Answer<Undone> {
    let made_schema = is_noted(client, MADE_SCHEMA).await?;
    let made_extension = is_noted(client, MADE_EXTENSION).await?;
    let schema = "libellus";
    let parameters: &[Parameter<'_>] = &[(&schema, Type::TEXT)];
    let sql = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
               ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')";
    let rows = client.query_typed(sql, parameters).await?;
    let names =
        rows.iter().map(|row| Ok(format!("{schema}.{}", quoted(row.try_get(0)?)))).collect::<Answer<Vec<_>>>()?;
    // Not with all that hangs on them: a view that someone else made over our tables is not ours to drop.
    client.batch_execute(&format!("DROP TABLE {}", names.join(", "))).await?;
    let mut undone = Undone { dropped: true, schema_left: !made_schema, ..undone };
    if made_schema {
        client.batch_execute("DROP SCHEMA libellus").await?;
    }
    if made_extension {
        client.batch_execute("SAVEPOINT before_extension").await?;
        if client.batch_execute("DROP EXTENSION IF EXISTS vector").await.is_err() {
            client.batch_execute("ROLLBACK TO SAVEPOINT before_extension").await?;
            undone.extension_left = true;
        }
    }
    Ok(undone)
}
