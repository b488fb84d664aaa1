//! Many embeddings at once, by `COPY … FROM STDIN`: the way in that costs the server least.
//!
//! Copying knows no conflicts: rows that are there already are deleted first. No other writer comes between, as writers
//! queue at the revision (see the module above). All is one transaction, as a pooler wants it. The statement that begins
//! the copying has a name, as the library gives it one; it is closed before the transaction ends.

use super::pool::{Answer, Parameter};
use crate::store::NewEmbedding;
use futures_util::SinkExt;
use std::collections::HashMap;
use std::io::Cursor;
use std::pin::pin;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, CopyInSink};

/// PostgreSQL's number for the type `real`.
const REAL: u32 = 700;

/// How a column's type is written in the binary format.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// `real[]`.
    Array,
    /// pgvector's `vector`.
    Vector,
}

impl Form {
    /// The form of the column, if it is known: a type that someone else chose has one of its own.
    pub fn of(vector_type: &str) -> Option<Self> {
        match vector_type {
            "real[]" | "pg_catalog._float4" => Some(Form::Array),
            name if name.ends_with(".vector") => Some(Form::Vector),
            _ => None,
        }
    }
}

/// Stores embeddings, by the number of the passage, of passages whose text is still the same; returns how many.
pub(super) async fn put(
    client: &Client,
    form: Form,
    space: &str,
    precision: &str,
    embeddings: &HashMap<i64, &NewEmbedding<'_>>,
) -> Answer<u64> {
    let (ids, hashes): (Vec<i64>, Vec<&[u8]>) =
        embeddings.values().map(|embedding| (embedding.passage_id, &embedding.text_hash[..])).unzip();
    let parameters: &[Parameter<'_>] = &[(&ids, Type::INT8_ARRAY), (&hashes, Type::BYTEA_ARRAY), (&space, Type::TEXT)];
    // Each is looked up: the server would read all passages to join a few thousand. Their order is that of the index.
    let sql = "SELECT n.passage_id, e.place FROM unnest($1::int8[], $2::bytea[]) AS n(passage_id, text_hash) \
               CROSS JOIN LATERAL (SELECT FROM libellus.passages p \
               WHERE p.passage_id = n.passage_id AND p.text_hash = n.text_hash OFFSET 0) p \
               LEFT JOIN LATERAL (SELECT e.ctid::text AS place FROM libellus.embeddings e \
               WHERE e.passage_id = n.passage_id AND e.space = $3 OFFSET 0) e ON true ORDER BY n.passage_id";
    let (mut ids, mut replaced) = (Vec::new(), Vec::<String>::new());
    for row in client.query_typed(sql, parameters).await? {
        ids.push(row.try_get::<_, i64>(0)?);
        replaced.extend(row.try_get::<_, Option<String>>(1)?);
    }
    if !replaced.is_empty() {
        let parameters: &[Parameter<'_>] = &[(&space, Type::TEXT), (&replaced, Type::TEXT_ARRAY)];
        // An expression, so that no index of spaces is taken instead.
        let sql = "DELETE FROM libellus.embeddings WHERE ctid = ANY($2::text[]::tid[]) AND space || '' = $1";
        client.execute_typed(sql, parameters).await?;
    }
    let sql = "COPY libellus.embeddings (passage_id, space, precision, text_hash, vector) FROM STDIN (FORMAT binary)";
    let mut copying: std::pin::Pin<&mut CopyInSink<Cursor<Vec<u8>>>> = pin!(client.copy_in(sql).await?);
    let fresh = ids.iter().filter_map(|id| embeddings.get(id).copied());
    copying.send(Cursor::new(binary(form, space, precision, fresh))).await?;
    copying.finish().await
}

/// The rows in the format that the documentation of `COPY` describes: all numbers have their high byte first.
fn binary<'e>(
    form: Form,
    space: &str,
    precision: &str,
    embeddings: impl Iterator<Item = &'e NewEmbedding<'e>>,
) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0".to_vec();
    // No flags, no extension.
    bytes.extend([0; 8]);
    for embedding in embeddings {
        bytes.extend(5u16.to_be_bytes());
        let fields =
            [&embedding.passage_id.to_be_bytes(), space.as_bytes(), precision.as_bytes(), &embedding.text_hash];
        for field in fields {
            bytes.extend((field.len() as u32).to_be_bytes());
            bytes.extend(field);
        }
        let length = embedding.vector.len() as u32;
        match form {
            Form::Array => {
                // One dimension, nothing missing, its type, its length and the number of its first member.
                let head = [1, 0, REAL, length, 1];
                bytes.extend((4 * head.len() as u32 + 8 * length).to_be_bytes());
                bytes.extend(head.into_iter().flat_map(u32::to_be_bytes));
                let members =
                    embedding.vector.iter().map(|number| (u64::from(number.to_bits()) | 4 << 32).to_be_bytes());
                bytes.extend(members.flatten());
            }
            Form::Vector => {
                // Its length, and what has no meaning yet.
                bytes.extend((4 + 4 * length).to_be_bytes());
                bytes.extend((length << 16).to_be_bytes());
                bytes.extend(embedding.vector.iter().flat_map(|number| number.to_be_bytes()));
            }
        }
    }
    bytes.extend((-1i16).to_be_bytes());
    bytes
}
