//! How every trace of an adoption goes: what was added to the other program's table, and on request our own tables.
//!
//! The functions are dropped with the triggers that hang on them: for that the function's owner needs no right on the
//! table, while dropping the triggers by name would take the table's owner.

use super::super::pool::{Answer, Parameter};
use super::super::schema::{DROP_FUNCTIONS, HAS_COPIES, MADE_EXTENSION, MADE_SCHEMA, is_noted};
use super::Adoption;
use crate::Error;
use crate::adopt::quoted;
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
        let undone = self.standing_back(None, "undoing the adoption", async |client| {
            // First, as all writers do: whoever is copying or following finishes the batch, and nobody begins another.
            client.execute_typed("SELECT FROM libellus.meta WHERE key = 'revision' FOR UPDATE", &[]).await?;
            if !is_noted(client, HAS_COPIES).await? {
                return Ok(None);
            }
            if copies {
                lock_ours(client).await?;
            }
            let undone = stop_following(client).await?;
            Ok(Some(if copies { drop_all(client, undone).await? } else { undone }))
        });
        match undone {
            Ok(undone) => undone.ok_or_else(|| Error::NotAdopted { location: self.store.location.clone() }),
            // What is to go belongs to the role that adopted, and goes at its word only.
            Err(Error::MissingRights { location, action, source, .. }) => {
                let grant = format!("`libellus adopt --undo{}`", if copies { " --yes" } else { "" });
                Err(Error::MissingRights { location, action, grant, source })
            }
            Err(error) => Err(error),
        }
    }
}

async fn stop_following(client: &Client) -> Answer<Undone> {
    let sql = "SELECT count(t.oid), (SELECT count(*) FROM libellus.changes), (SELECT count(*) FROM libellus.books), \
               (SELECT count(*) FROM libellus.embeddings) \
               FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
               JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
               WHERE n.nspname = 'libellus' AND p.proname LIKE 'note%'";
    let row = client.query_typed_one(sql, &[]).await?;
    let count = |at| row.try_get(at).map(i64::cast_unsigned);
    let undone = Undone {
        triggers: count(0)?,
        changes: count(1)?,
        books: count(2)?,
        embeddings: count(3)?,
        ..Undone::default()
    };
    // The functions last: with them goes a lock on the other program's table, which nobody can use until the end.
    client
        .batch_execute(
            "DELETE FROM libellus.adoption; DELETE FROM libellus.changes; DELETE FROM libellus.adopted_books; \
             DROP FUNCTION IF EXISTS libellus.note_insert(), libellus.note_update(), libellus.note_delete(), \
             libellus.note_truncate() CASCADE",
        )
        .await?;
    Ok(undone)
}

/// Waits for our tables before any lock on the other program's, which must not be held while a reader of ours finishes.
/// Not for that of the changes: those who write it hold their own table, and may need both.
async fn lock_ours(client: &Client) -> Answer<()> {
    let mut tables = our_tables(client).await?;
    tables.retain(|table| table != &format!("libellus.{}", quoted("changes")));
    client.batch_execute(&format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "))).await
}

/// Our tables, as SQL has their names.
async fn our_tables(client: &Client) -> Answer<Vec<String>> {
    let schema = "libellus";
    let parameters: &[Parameter<'_>] = &[(&schema, Type::TEXT)];
    let sql = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
               ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY c.relname";
    let rows = client.query_typed(sql, parameters).await?;
    rows.iter().map(|row| Ok(format!("{schema}.{}", quoted(row.try_get(0)?)))).collect()
}

async fn drop_all(client: &Client, undone: Undone) -> Answer<Undone> {
    let made_schema = is_noted(client, MADE_SCHEMA).await?;
    let made_extension = is_noted(client, MADE_EXTENSION).await?;
    // Not with all that hangs on them: a view that someone else made over our tables is not ours to drop.
    client.batch_execute(&format!("DROP TABLE {}", our_tables(client).await?.join(", "))).await?;
    client.batch_execute(DROP_FUNCTIONS).await?;
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
