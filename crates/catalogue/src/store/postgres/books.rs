//! Books and the passages cut from them.
//!
//! A batch is a handful of statements, whatever its size: each carries a column of values for every column of the
//! table.

use super::pool::{Answer, Parameter};
use super::text::{storable, storable_text};
use crate::store::row::{BookRow, CutBook, PassageRow, Written};
use crate::store::{WriteOutcome, postgres::Changed};
use std::borrow::Cow;
use std::collections::HashMap;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// The columns of a book, in the order of [`BookRow`]; JSON as it was written.
pub(super) const COLUMNS: &str = "id, title, subtitle, authors::text, isbns::text, publisher, year, language, \
                                  subjects::text, audience, description, extra::text";

/// What a statement reads a batch of books from.
const BATCH: &str = "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[], \
                     $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int8[]) WITH ORDINALITY \
                     AS n(id, title, subtitle, authors, isbns, publisher, year, language, subjects, audience, \
                     description, extra, book_rowid, place)";

/// A book of a batch: as it will be, and where it is, if it is there.
struct Pending<'a> {
    rowid: Option<i64>,
    row: Cow<'a, BookRow>,
    passages: &'a [PassageRow],
    changed: bool,
}

/// Writes the books as if one after the other, which matters if an id comes twice: the last one stays.
pub(super) async fn put(client: &Client, books: &[CutBook]) -> Answer<(WriteOutcome, Changed)> {
    let mut stored = stored(client, books).await?;
    let mut outcome = WriteOutcome::default();
    let mut pending: Vec<Pending<'_>> = Vec::with_capacity(books.len());
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(books.len());
    for CutBook { book, passages, .. } in books {
        let row = storable(book);
        let written = match places.get(book.id.as_str()).and_then(|&place| pending.get_mut(place)) {
            Some(earlier) => {
                let written = if earlier.row == row { Written::Unchanged } else { Written::Updated };
                earlier.changed |= written == Written::Updated;
                (earlier.row, earlier.passages) = (row, passages);
                written
            }
            None => {
                let known = stored.remove(row.id.as_str());
                let written = match &known {
                    None => Written::Added,
                    Some((_, old)) if *old == *row => Written::Unchanged,
                    Some(_) => Written::Updated,
                };
                places.insert(&book.id, pending.len());
                let (rowid, changed) = (known.map(|(rowid, _)| rowid), written == Written::Updated);
                pending.push(Pending { rowid, row, passages, changed });
                written
            }
        };
        outcome.count(written);
    }
    let known: Vec<i64> = pending.iter().filter_map(|book| book.rowid).collect();
    update(client, &pending).await?;
    insert(client, &mut pending).await?;
    // The passages of an unchanged book change too, if the model does.
    let passages_changed = put_passages(client, &pending).await? + trim_passages(client, &pending, &known).await?;
    let changed = outcome.added + outcome.updated + passages_changed > 0;
    Ok((outcome, Changed::from(changed)))
}

/// The books of these ids that are there, by id.
async fn stored(client: &Client, books: &[CutBook]) -> Answer<HashMap<String, (i64, BookRow)>> {
    let ids: Vec<Cow<'_, str>> = books.iter().map(|book| storable_text(&book.book.id)).collect();
    let sql = format!("SELECT book_rowid, {COLUMNS} FROM libellus.books WHERE id = ANY($1)");
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY)];
    let rows = client.query_typed(&sql, parameters).await?;
    rows.iter()
        .map(|row| {
            let book = from_row(row, 1)?;
            Ok((book.id.clone(), (row.try_get(0)?, book)))
        })
        .collect()
}

async fn update(client: &Client, pending: &[Pending<'_>]) -> Answer<()> {
    let books: Vec<&Pending<'_>> = pending.iter().filter(|book| book.rowid.is_some() && book.changed).collect();
    if books.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "UPDATE libellus.books b SET title = n.title, subtitle = n.subtitle, authors = n.authors::json, \
         isbns = n.isbns::json, publisher = n.publisher, year = n.year, language = n.language, \
         subjects = n.subjects::json, audience = n.audience, description = n.description, extra = n.extra::json \
         {BATCH} WHERE b.book_rowid = n.book_rowid"
    );
    client.execute_typed(&sql, &Columns::of(&books).parameters()).await?;
    Ok(())
}

/// Adds the books that are new, and notes where they are.
async fn insert(client: &Client, pending: &mut [Pending<'_>]) -> Answer<()> {
    let mut books: Vec<&mut Pending<'_>> = pending.iter_mut().filter(|book| book.rowid.is_none()).collect();
    if books.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO libellus.books (id, title, subtitle, authors, isbns, publisher, year, language, subjects, \
         audience, description, extra) \
         SELECT n.id, n.title, n.subtitle, n.authors::json, n.isbns::json, n.publisher, n.year, n.language, \
         n.subjects::json, n.audience, n.description, n.extra::json {BATCH} ORDER BY n.place RETURNING id, book_rowid"
    );
    let views: Vec<&Pending<'_>> = books.iter().map(|book| &**book).collect();
    let rows = client.query_typed(&sql, &Columns::of(&views).parameters()).await?;
    let rowids =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Answer<HashMap<&str, i64>>>()?;
    for book in &mut books {
        book.rowid = rowids.get(book.row.id.as_str()).copied();
    }
    Ok(())
}

/// Adds books under numbers of the caller's choice.
pub(super) async fn insert_with_numbers(client: &Client, books: &[(i64, Cow<'_, BookRow>)]) -> Answer<()> {
    let pending: Vec<Pending<'_>> = books
        .iter()
        .map(|(rowid, row)| Pending { rowid: Some(*rowid), row: Cow::Borrowed(row), passages: &[], changed: true })
        .collect();
    let sql = format!(
        "INSERT INTO libellus.books (book_rowid, id, title, subtitle, authors, isbns, publisher, year, language, \
         subjects, audience, description, extra) OVERRIDING SYSTEM VALUE \
         SELECT n.book_rowid, n.id, n.title, n.subtitle, n.authors::json, n.isbns::json, n.publisher, n.year, \
         n.language, n.subjects::json, n.audience, n.description, n.extra::json {BATCH} ORDER BY n.place"
    );
    client.execute_typed(&sql, &Columns::of(&pending.iter().collect::<Vec<_>>()).parameters()).await.map(drop)
}

/// Makes the books' passages these; one that did not change is not touched. Returns how many did.
async fn put_passages(client: &Client, pending: &[Pending<'_>]) -> Answer<u64> {
    let passages: Vec<(i64, &PassageRow)> = pending
        .iter()
        .filter_map(|book| book.rowid.map(|rowid| book.passages.iter().map(move |passage| (rowid, passage))))
        .flatten()
        .collect();
    let rowids: Vec<i64> = passages.iter().map(|(rowid, _)| *rowid).collect();
    // An ordinal that does not fit would take more passages than a database holds.
    let ordinals: Vec<i32> = passages.iter().map(|(_, passage)| passage.ordinal.cast_signed()).collect();
    let contexts: Vec<Cow<'_, str>> = passages.iter().map(|(_, passage)| storable_text(&passage.context)).collect();
    let texts: Vec<Cow<'_, str>> = passages.iter().map(|(_, passage)| storable_text(&passage.text)).collect();
    let hashes: Vec<&[u8]> = passages.iter().map(|(_, passage)| &passage.text_hash[..]).collect();
    let parameters: &[Parameter<'_>] = &[
        (&rowids, Type::INT8_ARRAY),
        (&ordinals, Type::INT4_ARRAY),
        (&contexts, Type::TEXT_ARRAY),
        (&texts, Type::TEXT_ARRAY),
        (&hashes, Type::BYTEA_ARRAY),
    ];
    client
        .execute_typed(
            "INSERT INTO libellus.passages AS p (book_rowid, ordinal, context, text, text_hash) \
             SELECT n.book_rowid, n.ordinal, n.context, n.text, n.text_hash \
             FROM unnest($1::int8[], $2::int4[], $3::text[], $4::text[], $5::bytea[]) \
             AS n(book_rowid, ordinal, context, text, text_hash) ORDER BY n.book_rowid, n.ordinal \
             ON CONFLICT (book_rowid, ordinal) DO UPDATE \
             SET context = excluded.context, text = excluded.text, text_hash = excluded.text_hash \
             WHERE p.text_hash <> excluded.text_hash OR p.text <> excluded.text OR p.context <> excluded.context",
            parameters,
        )
        .await
}

/// Deletes the passages that these books do not have any more; new books have none. Returns how many.
async fn trim_passages(client: &Client, pending: &[Pending<'_>], known: &[i64]) -> Answer<u64> {
    if known.is_empty() {
        return Ok(0);
    }
    let books = || pending.iter().filter_map(|book| Some((book.rowid?, book.passages.len())));
    let rowids: Vec<i64> = books().map(|(rowid, _)| rowid).collect();
    let counts: Vec<i32> = books().map(|(_, count)| i32::try_from(count).unwrap_or(i32::MAX)).collect();
    let parameters: &[Parameter<'_>] = &[(&rowids, Type::INT8_ARRAY), (&counts, Type::INT4_ARRAY)];
    client
        .execute_typed(
            "DELETE FROM libellus.passages p USING unnest($1::int8[], $2::int4[]) AS n(book_rowid, passages) \
             WHERE p.book_rowid = n.book_rowid AND p.ordinal >= n.passages",
            parameters,
        )
        .await
}

pub(super) async fn delete(client: &Client, ids: &[&str]) -> Answer<(u64, Changed)> {
    let ids: Vec<Cow<'_, str>> = ids.iter().map(|id| storable_text(id)).collect();
    let parameters: &[Parameter<'_>] = &[(&ids, Type::TEXT_ARRAY)];
    let deleted = client.execute_typed("DELETE FROM libellus.books WHERE id = ANY($1)", parameters).await?;
    Ok((deleted, Changed::from(deleted > 0)))
}

pub(super) async fn by_id(client: &Client, id: &str) -> Answer<Option<BookRow>> {
    let id = storable_text(id);
    let sql = format!("SELECT {COLUMNS} FROM libellus.books WHERE id = $1");
    let parameters: &[Parameter<'_>] = &[(&id, Type::TEXT)];
    client.query_typed_opt(&sql, parameters).await?.map(|row| from_row(&row, 0)).transpose()
}

pub(super) async fn rowid_of(client: &Client, id: &str) -> Answer<Option<i64>> {
    let id = storable_text(id);
    let parameters: &[Parameter<'_>] = &[(&id, Type::TEXT)];
    let row = client.query_typed_opt("SELECT book_rowid FROM libellus.books WHERE id = $1", parameters).await?;
    row.map(|row| row.try_get(0)).transpose()
}

pub(super) async fn count(client: &Client) -> Answer<u64> {
    let count = client.query_typed_one("SELECT count(*) FROM libellus.books", &[]).await?;
    count.try_get(0).map(i64::cast_unsigned)
}

pub(super) async fn ids(client: &Client, skipped: usize, most: usize) -> Answer<Vec<String>> {
    let bounded = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (skipped, most) = (bounded(skipped), bounded(most));
    let parameters: &[Parameter<'_>] = &[(&most, Type::INT8), (&skipped, Type::INT8)];
    let sql = "SELECT id FROM libellus.books ORDER BY book_rowid LIMIT $1 OFFSET $2";
    client.query_typed(sql, parameters).await?.iter().map(|row| row.try_get(0)).collect()
}

pub(super) async fn by_rowid(client: &Client, rowids: &[i64]) -> Answer<HashMap<i64, BookRow>> {
    let sql = format!("SELECT book_rowid, {COLUMNS} FROM libellus.books WHERE book_rowid = ANY($1)");
    let parameters: &[Parameter<'_>] = &[(&rowids, Type::INT8_ARRAY)];
    let rows = client.query_typed(&sql, parameters).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, from_row(row, 1)?))).collect()
}

pub(super) async fn passage_text(client: &Client, book_rowid: i64, ordinal: u32) -> Answer<Option<String>> {
    let ordinal = ordinal.cast_signed();
    let parameters: &[Parameter<'_>] = &[(&book_rowid, Type::INT8), (&ordinal, Type::INT4)];
    let sql = "SELECT CASE WHEN text = '' THEN context ELSE text END FROM libellus.passages \
               WHERE book_rowid = $1 AND ordinal = $2";
    client.query_typed_opt(sql, parameters).await?.map(|row| row.try_get(0)).transpose()
}

pub(super) fn from_row(row: &Row, first: usize) -> Answer<BookRow> {
    Ok(BookRow {
        id: row.try_get(first)?,
        title: row.try_get(first + 1)?,
        subtitle: row.try_get(first + 2)?,
        authors: row.try_get(first + 3)?,
        isbns: row.try_get(first + 4)?,
        publisher: row.try_get(first + 5)?,
        year: row.try_get(first + 6)?,
        language: row.try_get(first + 7)?,
        subjects: row.try_get(first + 8)?,
        audience: row.try_get(first + 9)?,
        description: row.try_get(first + 10)?,
        extra: row.try_get(first + 11)?,
    })
}

/// Books turned on their side: what [`BATCH`] takes.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<&'a str>,
    title: Vec<&'a str>,
    subtitle: Vec<Option<&'a str>>,
    authors: Vec<&'a str>,
    isbns: Vec<&'a str>,
    publisher: Vec<Option<&'a str>>,
    year: Vec<Option<i32>>,
    language: Vec<Option<&'a str>>,
    subjects: Vec<&'a str>,
    audience: Vec<Option<&'a str>>,
    description: Vec<Option<&'a str>>,
    extra: Vec<&'a str>,
    book_rowid: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(books: &[&'a Pending<'_>]) -> Self {
        let mut columns = Self::default();
        for Pending { row, rowid, .. } in books {
            columns.id.push(&row.id);
            columns.title.push(&row.title);
            columns.subtitle.push(row.subtitle.as_deref());
            columns.authors.push(&row.authors);
            columns.isbns.push(&row.isbns);
            columns.publisher.push(row.publisher.as_deref());
            columns.year.push(row.year);
            columns.language.push(row.language.as_deref());
            columns.subjects.push(&row.subjects);
            columns.audience.push(row.audience.as_deref());
            columns.description.push(row.description.as_deref());
            columns.extra.push(&row.extra);
            columns.book_rowid.push(*rowid);
        }
        columns
    }

    fn parameters(&self) -> [Parameter<'_>; 13] {
        [
            (&self.id, Type::TEXT_ARRAY),
            (&self.title, Type::TEXT_ARRAY),
            (&self.subtitle, Type::TEXT_ARRAY),
            (&self.authors, Type::TEXT_ARRAY),
            (&self.isbns, Type::TEXT_ARRAY),
            (&self.publisher, Type::TEXT_ARRAY),
            (&self.year, Type::INT4_ARRAY),
            (&self.language, Type::TEXT_ARRAY),
            (&self.subjects, Type::TEXT_ARRAY),
            (&self.audience, Type::TEXT_ARRAY),
            (&self.description, Type::TEXT_ARRAY),
            (&self.extra, Type::TEXT_ARRAY),
            (&self.book_rowid, Type::INT8_ARRAY),
        ]
    }
}
