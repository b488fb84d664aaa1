//! Many embeddings at once, by `COPY … FROM STDIN`: the way in that costs the server least.
//!
//! They go into a temporary table first, which the end of the transaction drops, and from there into ours in one
//! statement, which leaves out what belongs to a text that has changed. All is one transaction, as a pooler wants it.
//! The statement that begins the copying has a name, as the library gives it one; it is closed before the transaction ends.

use super::pool::{Answer, Parameter};
use crate::store::NewEmbedding;
use futures_util::SinkExt;
use std::io::Cursor;
use std::pin::pin;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, CopyInSink};

/// PostgreSQL's number for the type `real`.
const REAL: u32 = 700;

/// Stores embeddings of different passages; returns how many.
pub(super) async fn put<'e>(
    client: &Client,
    vector_type: &str,
    space: &str,
    precision: &str,
    embeddings: impl Iterator<Item = &'e NewEmbedding<'e>>,
) -> Answer<u64> {
    let table = "CREATE TEMPORARY TABLE libellus_incoming (passage_id bigint NOT NULL, text_hash bytea NOT NULL, \
                 vector real[] NOT NULL) ON COMMIT DROP";
    client.batch_execute(table).await?;
    let copying = client.copy_in("COPY pg_temp.libellus_incoming FROM STDIN (FORMAT binary)").await?;
    let mut copying: std::pin::Pin<&mut CopyInSink<Cursor<Vec<u8>>>> = pin!(copying);
    copying.send(Cursor::new(binary(embeddings))).await?;
    copying.finish().await?;
    // Without it the server takes the table for a large one, and reads all passages to join it.
    client.batch_execute("ANALYZE pg_temp.libellus_incoming (passage_id)").await?;
    let sql = format!(
        "INSERT INTO libellus.embeddings (passage_id, space, precision, text_hash, vector) \
         SELECT p.passage_id, $1, $2, p.text_hash, n.vector::{vector_type} FROM pg_temp.libellus_incoming n \
         JOIN libellus.passages p ON p.passage_id = n.passage_id AND p.text_hash = n.text_hash \
         ON CONFLICT (passage_id, space) DO UPDATE \
         SET precision = excluded.precision, text_hash = excluded.text_hash, vector = excluded.vector"
    );
    let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&precision, Type::TEXT)];
    let stored = client.execute_typed(&sql, parameters).await?;
    // Several batches may be one transaction.
    client.batch_execute("DROP TABLE pg_temp.libellus_incoming").await?;
    Ok(stored)
}

/// The rows in the format that the documentation of `COPY` describes: all numbers have their high byte first.
fn binary<'e>(embeddings: impl Iterator<Item = &'e NewEmbedding<'e>>) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
    // No flags, no extension.
    bytes.extend([0; 8]);
    for embedding in embeddings {
        let length = embedding.vector.len() as u32;
        bytes.extend(3u16.to_be_bytes());
        bytes.extend(8u32.to_be_bytes());
        bytes.extend(embedding.passage_id.to_be_bytes());
        bytes.extend((embedding.text_hash.len() as u32).to_be_bytes());
        bytes.extend(embedding.text_hash);
        // An array: one dimension, nothing missing, its type, its length and the number of its first member.
        let head = [1, 0, REAL, length, 1];
        bytes.extend((4 * head.len() as u32 + 8 * length).to_be_bytes());
        bytes.extend(head.into_iter().flat_map(u32::to_be_bytes));
        for number in embedding.vector {
            bytes.extend(4u32.to_be_bytes());
            bytes.extend(number.to_be_bytes());
        }
    }
    bytes.extend((-1i16).to_be_bytes());
    bytes
}
