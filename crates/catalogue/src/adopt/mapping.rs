//! Which of another program's tables holds books, which column is what, and where its vectors are.
//!
//! A pure function of what the database says about its tables, so that every odd case has a test without a server.

use super::Template;
use crate::Error;
use crate::import::{ColumnUse, no_title};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A table's name. Shown with quotation marks where SQL needs them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableName {
    /// The schema it is in.
    pub schema: String,
    /// Its name there.
    pub name: String,
}

impl TableName {
    /// The name as SQL has it, always quoted.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// Whether what was typed means this table: with or without its schema and quotation marks.
    fn is_meant_by(&self, typed: &str) -> bool {
        [typed == self.name, typed == format!("{}.{}", self.schema, self.name)].contains(&true)
            || [quoted(&self.name), self.sql(), self.to_string()].iter().any(|name| name == typed)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", shown(&self.schema), shown(&self.name))
    }
}

/// A name as SQL has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn shown(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// What a table is to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A table in partitions.
    Partitioned,
    /// A view.
    View,
    /// A view that is stored.
    MaterializedView,
    /// A table on another server.
    Foreign,
}

impl TableKind {
    /// Whether the database tells us of its changes.
    #[must_use]
    pub fn can_be_followed(self) -> bool {
        matches!(self, TableKind::Table | TableKind::Partitioned)
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableKind::Table => "table",
            TableKind::Partitioned => "partitioned table",
            TableKind::View => "view",
            TableKind::MaterializedView => "materialized view",
            TableKind::Foreign => "foreign table",
        })
    }
}

/// What the user said about the tables; what is left out is guessed.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The table of books.
    pub books: Option<String>,
    /// Its column that tells the books apart.
    pub key: Option<String>,
    /// What columns become: field and column.
    pub columns: Vec<(String, String)>,
    /// The table of vectors, or `none`.
    pub embeddings: Option<String>,
    /// Its column that names the book.
    pub embeddings_key: Option<String>,
    /// Its column of vectors.
    pub vector: Option<String>,
}

/// Which table becomes the catalogue's books, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The table of books.
    pub books: TableName,
    /// What it is.
    pub kind: TableKind,
    /// The column whose value becomes the book's id.
    pub key: String,
    /// Its type, as SQL has it.
    pub key_type: String,
    /// Every other column.
    pub columns: Vec<MappedColumn>,
    /// Where vectors are stored, if anywhere.
    pub embeddings: Option<StoredVectors>,
}

/// What a column becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedColumn {
    /// Its name.
    pub column: String,
    /// Its type.
    pub kind: String,
    /// A book's field, `tags`, `more-authors`, `extra` (kept under its own name) or `none` (left out).
    pub field: String,
    /// Of two columns for one field, the one with the lower rank goes first.
    pub rank: u8,
}

/// Where another program keeps its vectors: one a book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredVectors {
    /// The table, which may be that of the books.
    pub table: TableName,
    /// The column that names the book.
    pub key: String,
    /// Its type, as SQL has it.
    pub key_type: String,
    /// The column of vectors.
    pub column: String,
    /// Its type: pgvector's, an array, JSON, text, or bytes of little-endian floats.
    pub kind: String,
}

impl Mapping {
    /// The columns that are read, with what they become.
    pub(crate) fn used_columns(&self) -> impl Iterator<Item = (&str, ColumnUse)> {
        let used = |column: &MappedColumn| ColumnUse::named(&column.field).map(|used| used.with_rank(column.rank));
        let columns = self.columns.iter().filter_map(move |column| Some((column.column.as_str(), used(column)?)));
        columns.filter(|(_, used)| !used.is_left_out())
    }

    /// Whether rows have a value of this name: a field of a book, or a column.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.used_columns().any(|(column, used)| column == name || used.is_called(name))
    }

    /// Makes sure that rows have what a template names: of a name that is mistyped every text would lack the value.
    ///
    /// # Errors
    /// [`Error::Unadoptable`] with the name, and those that there are.
    pub fn check_template(&self, template: &Template) -> Result<(), Error> {
        let Some(unknown) = template.names().find(|name| !self.has(name)) else { return Ok(()) };
        let columns = self.used_columns().map(|(column, _)| column);
        let fields = self.used_columns().map(|(_, used)| used.name()).filter(|name| self.has(name));
        let mut names: Vec<&str> = fields.chain(columns).collect();
        names.sort_unstable();
        names.dedup();
        Err(Error::Unadoptable {
            table: self.books.to_string(),
            reason: format!(
                "`{{{unknown}}}` in the text `{}` is neither a field that its columns become nor one of its columns; \
                 there are {}",
                template.source(),
                names.join(", ")
            ),
        })
    }

    /// Makes sure that the database tells us of changes in the table.
    ///
    /// # Errors
    /// [`Error::Unadoptable`] with what to do instead.
    pub fn check_can_be_followed(&self) -> Result<(), Error> {
        if self.kind.can_be_followed() {
            return Ok(());
        }
        Err(Error::Unadoptable {
            table: self.books.to_string(),
            reason: format!(
                "it is a {}, and triggers follow changes in tables only; adopt the table behind it, or run \
                 `libellus adopt --copy` again now and then",
                self.kind
            ),
        })
    }

    /// Whether this is about the same books as another.
    #[must_use]
    pub fn is_about_the_books_of(&self, other: &Self) -> bool {
        (&self.books, &self.key) == (&other.books, &other.key)
    }
}

/// A table as the database describes it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub name: TableName,
    pub kind: TableKind,
    /// Whether this role may read it.
    pub is_readable: bool,
    pub columns: Vec<Column>,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
    /// What its columns refer to: column, table, column there.
    pub references: Vec<(String, TableName, String)>,
}

/// A column as the database describes it.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: String,
    /// Its type, for people.
    pub kind: String,
    /// Its type without length, to cast to.
    pub cast: String,
}

impl Table {
    fn column(&self, name: &str) -> Result<&Column, Error> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| {
            let names: Vec<String> = self.columns.iter().map(|column| format!("`{}`", column.name)).collect();
            self.unadoptable(format!("it has no column `{name}`; its columns are {}", names.join(", ")))
        })
    }

    /// Makes sure that this role may read it; `else_what` says what can be done without.
    fn check_readable(&self, else_what: &str) -> Result<(), Error> {
        if self.is_readable {
            return Ok(());
        }
        Err(self.unadoptable(format!(
            "this role may not read it; let its owner run `GRANT USAGE ON SCHEMA {} TO …` and `GRANT SELECT ON {} TO …`\
             {else_what}",
            shown(&self.name.schema),
            self.name
        )))
    }

    fn unadoptable(&self, reason: String) -> Error {
        Error::Unadoptable { table: self.name.to_string(), reason }
    }

    /// How many fields of a book its columns have names of; 0 if none is the title.
    fn fields(&self) -> usize {
        let uses = ColumnUse::guess(self.columns.iter().map(|column| column.name.as_str()));
        let mut names: Vec<&str> =
            uses.iter().map(|used| used.name()).filter(|name| !NO_FIELD.contains(name)).collect();
        names.sort_unstable();
        names.dedup();
        if uses.iter().any(|used| used.is_title()) { names.len() } else { 0 }
    }
}

/// Uses that do not tell a table of books from others.
const NO_FIELD: &[&str] = &["id", "extra", "none"];

/// Types that no field of a book is of.
const NOT_SHOWN: &[&str] = &["sparsevec", "tsvector", "bytea", "bit", "bit varying"];

/// Finds the tables and guesses what their columns are, except where it was said.
pub(crate) fn map(location: &str, tables: &[Table], wishes: &Wishes) -> Result<Mapping, Error> {
    let books = books_table(location, tables, wishes)?;
    books.check_readable("")?;
    let key = key_column(books, wishes)?;
    let embeddings = embeddings(location, tables, wishes, books, key)?;
    Ok(Mapping {
        books: books.name.clone(),
        kind: books.kind,
        key: key.name.clone(),
        key_type: key.cast.clone(),
        columns: columns(books, &key.name, wishes)?,
        embeddings,
    })
}

fn books_table<'t>(location: &str, tables: &'t [Table], wishes: &Wishes) -> Result<&'t Table, Error> {
    if let Some(typed) = &wishes.books {
        return named(location, tables, typed, "--books");
    }
    let candidates: Vec<&Table> =
        tables.iter().filter(|table| table.is_readable && table.fields() >= LEAST_FIELDS).collect();
    let called_books: Vec<&Table> = candidates.iter().copied().filter(|table| table.name.name == "books").collect();
    match (&candidates[..], &called_books[..]) {
        ([one], _) | (_, [one]) => Ok(one),
        ([], _) => Err(Error::NoSuchTable {
            location: location.to_owned(),
            wanted: "no table has a title column and another one of a book".to_owned(),
            found: list(tables.iter()),
            option: "--books",
        }),
        _ => Err(several(location, &candidates, "--books")),
    }
}

/// The title and something else.
const LEAST_FIELDS: usize = 2;

fn named<'t>(location: &str, tables: &'t [Table], typed: &str, option: &'static str) -> Result<&'t Table, Error> {
    let meant: Vec<&Table> = tables.iter().filter(|table| table.name.is_meant_by(typed)).collect();
    match meant[..] {
        [one] => Ok(one),
        [] => Err(Error::NoSuchTable {
            location: location.to_owned(),
            wanted: format!("there is no table `{typed}`"),
            found: list(tables.iter()),
            option,
        }),
        _ => Err(several(location, &meant, option)),
    }
}

fn several(location: &str, tables: &[&Table], option: &'static str) -> Error {
    Error::SeveralTables { location: location.to_owned(), found: list(tables.iter().copied()), option }
}

/// Names for a message; a database may have thousands.
fn list<'t>(tables: impl ExactSizeIterator<Item = &'t Table>) -> String {
    const SHOWN: usize = 20;
    let more = tables.len().saturating_sub(SHOWN);
    let mut names: Vec<String> = tables.take(SHOWN).map(|table| format!("`{}`", table.name)).collect();
    if names.is_empty() {
        names.push("none that this role can see".to_owned());
    }
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

fn key_column<'t>(books: &'t Table, wishes: &Wishes) -> Result<&'t Column, Error> {
    if let Some(key) = &wishes.key {
        return books.column(key);
    }
    match &books.primary_key[..] {
        [key] => books.column(key),
        [] => {
            let ids = ColumnUse::guess(books.columns.iter().map(|column| column.name.as_str()));
            let id = books.columns.iter().zip(ids).filter(|(_, used)| used.name() == ColumnUse::ID.name());
            // The best name, and of equals the first.
            id.min_by_key(|(_, used)| used.rank()).map(|(column, _)| column).ok_or_else(|| {
                books
                    .unadoptable("it has no primary key; name a column that tells its rows apart with --key".to_owned())
            })
        }
        several => Err(books.unadoptable(format!(
            "its primary key has {} columns ({}), and a book has one id; name a column that alone tells the rows apart \
             with --key, or adopt a view that has one",
            several.len(),
            several.join(", ")
        ))),
    }
}

fn columns(books: &Table, key: &str, wishes: &Wishes) -> Result<Vec<MappedColumn>, Error> {
    let mut said = Vec::with_capacity(wishes.columns.len());
    for (field, column) in &wishes.columns {
        books.column(column)?;
        let used = ColumnUse::named(field).filter(|used| used.name() != ColumnUse::ID.name()).ok_or_else(|| {
            let names: Vec<&str> = ColumnUse::names().collect();
            books.unadoptable(format!(
                "`{field}` is no field of a book; there are {} (and the id, which --key names)",
                names.join(", ")
            ))
        })?;
        said.push((column, used));
    }
    let others = || books.columns.iter().filter(|column| column.name != key);
    let guessed = ColumnUse::guess(others().map(|column| column.name.as_str()));
    let columns: Vec<MappedColumn> = others()
        .zip(guessed)
        .map(|(column, guessed)| {
            let said = said.iter().find(|(name, _)| **name == column.name).map(|(_, used)| *used);
            let used = said.unwrap_or_else(|| guess(column, guessed));
            MappedColumn {
                column: column.name.clone(),
                kind: column.kind.clone(),
                field: used.name().to_owned(),
                rank: used.rank(),
            }
        })
        .collect();
    if columns.iter().any(|column| column.field == "title") {
        return Ok(columns);
    }
    Err(no_title(&books.name.to_string(), others().map(|column| column.name.as_str())))
}

/// What a column becomes, when its type has a say, too.
fn guess(column: &Column, by_name: ColumnUse) -> ColumnUse {
    match by_name {
        _ if is_not_shown(column) => ColumnUse::LEFT_OUT,
        // There is one id. And a flag such as `published` is no year.
        used if used.name() == ColumnUse::ID.name() || column.cast == "boolean" => {
            if used.is_left_out() {
                used
            } else {
                ColumnUse::KEPT
            }
        }
        used => used,
    }
}

/// Vectors, and what is nothing but bytes; a type may stand behind its schema.
fn is_not_shown(column: &Column) -> bool {
    let kind = column.cast.rsplit('.').next().unwrap_or_default();
    may_hold_vectors(column) || NOT_SHOWN.contains(&kind)
}

/// Where the vectors are: said, or guessed from types, names and references.
fn embeddings(
    location: &str,
    tables: &[Table],
    wishes: &Wishes,
    books: &Table,
    key: &Column,
) -> Result<Option<StoredVectors>, Error> {
    let at = |table: &Table| -> Result<Option<StoredVectors>, Error> {
        let column = match &wishes.vector {
            Some(name) => Some(table.column(name)?),
            None => table.columns.iter().find(|column| may_hold_vectors(column)),
        };
        let to_book = match &wishes.embeddings_key {
            Some(name) => Some(table.column(name)?),
            None => book_column(table, books, key),
        };
        Ok(column.zip(to_book).map(|(column, to_book)| StoredVectors {
            table: table.name.clone(),
            key: to_book.name.clone(),
            key_type: to_book.cast.clone(),
            column: column.name.clone(),
            kind: column.cast.clone(),
        }))
    };
    match wishes.embeddings.as_deref() {
        Some("none") => return Ok(None),
        Some(typed) => {
            let table = named(location, tables, typed, "--embeddings")?;
            table.check_readable(WITHOUT_VECTORS)?;
            let reason = "it has no column of vectors, or none that names the book; \
                          name them with --vector and --embeddings-key";
            return at(table)?.map(Some).ok_or_else(|| table.unadoptable(reason.to_owned()));
        }
        None => {}
    }
    if wishes.vector.is_some() || wishes.embeddings_key.is_some() {
        let reason = "--vector and --embeddings-key are about the table that --embeddings names";
        return Err(books.unadoptable(reason.to_owned()));
    }
    let mut candidates = Vec::new();
    for table in tables {
        if let Some(found) = at(table)? {
            candidates.push((table, found));
        }
    }
    let is_called_so = |table: &Table| table.name.name == BOOK_EMBEDDINGS;
    let refers =
        |table: &Table| table.name == books.name || table.references.iter().any(|(_, to, _)| *to == books.name);
    // What may not be read is not passed over where it is plainly meant: the vectors would seem not to be there.
    if candidates.iter().any(|(table, _)| table.is_readable) {
        candidates.retain(|(table, _)| table.is_readable);
    } else {
        candidates.retain(|(table, _)| is_called_so(table) || refers(table));
    }
    let tests: [&dyn Fn(&Table) -> bool; 3] = [&is_called_so, &refers, &|table| table.kind.can_be_followed()];
    for test in tests {
        if candidates.iter().any(|(table, _)| test(table)) {
            candidates.retain(|(table, _)| test(table));
        }
    }
    if candidates.len() > 1 {
        let tables: Vec<&Table> = candidates.iter().map(|(table, _)| *table).collect();
        return Err(several(location, &tables, "--embeddings"));
    }
    let Some((table, found)) = candidates.pop() else { return Ok(None) };
    table.check_readable(WITHOUT_VECTORS)?;
    Ok(Some(found))
}

/// What the table of vectors is called where the replaced backend made it.
const BOOK_EMBEDDINGS: &str = "book_embeddings";
/// What can be done about a table of vectors that may not be read.
const WITHOUT_VECTORS: &str = ", or leave its vectors out with `--embeddings none`";

/// By its type alone, or by type and name.
fn may_hold_vectors(column: &Column) -> bool {
    let name = column.name.to_lowercase();
    let is_called_so = name.contains("embed") || name.contains("vec") || name == "emb";
    match column.cast.as_str() {
        cast if cast.ends_with("vector") && !cast.ends_with("tsvector") => true,
        cast if cast.ends_with("halfvec") => true,
        "real[]" | "double precision[]" | "json" | "jsonb" | "text" | "character varying" | "bytea" => is_called_so,
        _ => false,
    }
}

/// The column of a table that names the book.
fn book_column<'t>(table: &'t Table, books: &Table, key: &Column) -> Option<&'t Column> {
    if table.name == books.name {
        return table.columns.iter().find(|column| column.name == key.name);
    }
    let referring = table.references.iter().find(|(_, to, column)| *to == books.name && *column == key.name);
    if let Some((name, ..)) = referring {
        return table.columns.iter().find(|column| column.name == *name);
    }
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
    let books_name = plain(&books.name.name);
    let singular = books_name.strip_suffix('s').unwrap_or(&books_name);
    let mut names = vec!["bookid".to_owned(), format!("{singular}id"), format!("{books_name}id"), "book".to_owned()];
    if table.name.name == BOOK_EMBEDDINGS {
        // In any other table it is that table's own.
        names.push("id".to_owned());
    }
    names.iter().find_map(|name| table.columns.iter().find(|column| plain(&column.name) == *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[(&str, &str)], primary_key: &[&str]) -> Table {
        let (schema, name) = name.split_once('.').unwrap_or(("public", name));
        let column = |&(name, kind): &(&str, &str)| Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
            cast: kind.to_owned(),
        };
        Table {
            name: TableName { schema: schema.to_owned(), name: name.to_owned() },
            kind: TableKind::Table,
            is_readable: true,
            columns: columns.iter().map(column).collect(),
            primary_key: primary_key.iter().map(|&name| name.to_owned()).collect(),
            references: Vec::new(),
        }
    }

    fn books(name: &str) -> Table {
        let columns =
            [("id", "uuid"), ("title", "text"), ("author", "text"), ("summary", "text"), ("stock", "integer")];
        table(name, &columns, &["id"])
    }

    fn refusal(tables: &[Table], wishes: &Wishes) -> String {
        map("the database", tables, wishes).expect_err("refused").to_string()
    }

    #[test]
    fn the_usual_tables_are_found() {
        let mut vectors =
            table("book_embeddings", &[("id", "bigint"), ("work", "uuid"), ("embedding", "vector")], &["id"]);
        let tables =
            [table("users", &[("id", "integer"), ("title", "text")], &["id"]), books("books"), vectors.clone()];
        let mapping = map("", &tables, &Wishes::default()).expect("found");
        assert_eq!((mapping.books.to_string().as_str(), mapping.key.as_str()), ("public.books", "id"));
        let fields: Vec<(&str, &str)> =
            mapping.columns.iter().map(|column| (column.column.as_str(), column.field.as_str())).collect();
        assert_eq!(fields, [("title", "title"), ("author", "authors"), ("summary", "description"), ("stock", "extra")]);
        let found = mapping.embeddings.expect("vectors");
        assert_eq!((found.key.as_str(), found.column.as_str()), ("id", "embedding"), "by name");
        // A reference says it better than a name.
        vectors.references.push(("work".to_owned(), books("books").name, "id".to_owned()));
        let found = map("", &[books("books"), vectors], &Wishes::default()).expect("found").embeddings;
        assert_eq!(found.expect("vectors").key, "work");
    }

    #[test]
    fn names_that_need_quotation_marks_are_found_and_shown_with_them() {
        let columns = [("Nr.", "text"), ("Titel", "text"), ("Verfasser", "text")];
        let name = TableName { schema: "Bibliothek".to_owned(), name: "Bücher \"alt\"".to_owned() };
        let table = Table { name: name.clone(), ..table("x", &columns, &["Nr."]) };
        for typed in ["Bücher \"alt\"", "Bibliothek.Bücher \"alt\"", "\"Bibliothek\".\"Bücher \"\"alt\"\"\""] {
            let wishes = Wishes { books: Some(typed.to_owned()), ..Wishes::default() };
            let mapping = map("", std::slice::from_ref(&table), &wishes).expect(typed);
            assert_eq!((mapping.key.as_str(), mapping.columns.len()), ("Nr.", 2), "{typed}");
        }
        assert_eq!(name.to_string(), "\"Bibliothek\".\"Bücher \"\"alt\"\"\"");
    }

    #[test]
    fn of_two_tables_the_one_called_books_or_none() {
        let called_so = [books("books"), books("archive.old_books")];
        assert_eq!(map("", &called_so, &Wishes::default()).expect("found").books.name, "books");
        let message = refusal(&[books("novels"), books("poems")], &Wishes::default());
        for part in ["`public.novels`", "`public.poems`", "--books"] {
            assert!(message.contains(part), "{message}");
        }
        let twice = [books("books"), books("archive.books")];
        let by_name = |name: &str| Wishes { books: Some(name.to_owned()), ..Wishes::default() };
        assert!(refusal(&twice, &by_name("books")).contains("`archive.books`"));
        assert_eq!(map("", &twice, &by_name("archive.books")).expect("found").books.schema, "archive");
    }

    #[test]
    fn what_cannot_be_adopted_says_why() {
        let wishes = |key: Option<&str>, column: Option<(&str, &str)>| Wishes {
            books: Some("t".to_owned()),
            key: key.map(str::to_owned),
            columns: column.map(|(field, name)| (field.to_owned(), name.to_owned())).into_iter().collect(),
            ..Wishes::default()
        };
        let columns = [("a", "text"), ("b", "text"), ("name", "text")];
        let pair = table("t", &columns, &["a", "b"]);
        for (table, wishes, part) in [
            (&pair, wishes(None, None), "2 columns (a, b)"),
            (&table("t", &columns, &[]), wishes(None, None), "no primary key"),
            (&pair, wishes(Some("a"), None), "no title column"),
            (&pair, wishes(Some("z"), None), "no column `z`; its columns are `a`, `b`, `name`"),
            (&pair, wishes(Some("a"), Some(("title", "z"))), "no column `z`"),
            (&pair, wishes(Some("a"), Some(("heading", "b"))), "`heading` is no field of a book"),
            (&pair, wishes(Some("a"), Some(("id", "b"))), "`id` is no field of a book"),
            (&Table { is_readable: false, ..pair.clone() }, wishes(Some("a"), None), "GRANT SELECT ON public.t"),
        ] {
            let message = refusal(std::slice::from_ref(table), &wishes);
            assert!(message.contains(part), "`{part}`: {message}");
        }
        let mapping = map("", &[pair], &wishes(Some("a"), Some(("title", "name")))).expect("adopted");
        assert_eq!(
            mapping.columns[1],
            MappedColumn { column: "name".into(), kind: "text".into(), field: "title".into(), rank: 0 }
        );
        assert!(refusal(&[], &Wishes::default()).contains("none that this role can see"));
    }

    #[test]
    fn a_table_of_vectors_that_may_not_be_read_is_named() {
        let vectors = |name: &str| {
            let mut table = table(name, &[("id", "bigint"), ("book_id", "uuid"), ("embedding", "vector")], &["id"]);
            table.is_readable = false;
            table
        };
        let mut referring = vectors("their_vectors");
        referring.references.push(("book_id".to_owned(), books("books").name, "id".to_owned()));
        for table in [vectors("book_embeddings"), referring] {
            let message = refusal(&[books("books"), table.clone()], &Wishes::default());
            let grant = format!("GRANT SELECT ON public.{} TO", table.name.name);
            assert!(message.contains(&grant) && message.contains("--embeddings none"), "{message}");
            let wishes = Wishes { embeddings: Some("none".to_owned()), ..Wishes::default() };
            assert_eq!(map("", &[books("books"), table], &wishes).expect("found").embeddings, None);
        }
        // Nobody said that these are of the books; and one that may be read goes first.
        let other = vectors("other");
        assert_eq!(map("", &[books("books"), other.clone()], &Wishes::default()).expect("found").embeddings, None);
        let wishes = Wishes { embeddings: Some("other".to_owned()), ..Wishes::default() };
        assert!(refusal(&[books("books"), other], &wishes).contains("GRANT SELECT ON public.other TO"));
        let readable = Table { is_readable: true, ..vectors("readable") };
        let found = map("", &[books("books"), vectors("book_embeddings"), readable], &Wishes::default());
        assert_eq!(found.expect("found").embeddings.expect("vectors").table.name, "readable");
    }

    #[test]
    fn an_id_is_the_books_only_where_nothing_else_can_be() {
        let columns = [("id", "uuid"), ("embedding", "vector")];
        let found = |name: &str| map("", &[books("books"), table(name, &columns, &["id"])], &Wishes::default());
        assert_eq!(found("book_embeddings").expect("found").embeddings.expect("vectors").key, "id");
        assert_eq!(found("pictures").expect("found").embeddings, None);
    }

    #[test]
    fn templates_name_what_rows_have() {
        let mut table = books("books");
        for name in ["Genre", "private_notes"] {
            table.columns.push(Column { name: name.into(), kind: "text".into(), cast: "text".into() });
        }
        let mapping = map("", &[table], &Wishes::default()).expect("found");
        for (name, expected) in [
            ("title", true),
            ("authors", true),
            ("author", true),
            ("subjects", true),
            ("tags", true),
            ("Genre", true),
            ("stock", true),
            ("titel", false),
            ("extra", false),
            ("none", false),
            ("private_notes", false),
            ("publisher", false),
        ] {
            assert_eq!(mapping.has(name), expected, "{name}");
            let template = Template::parse(&format!("{{title}}: {{{name}}}")).expect("a template");
            assert_eq!(mapping.check_template(&template).is_ok(), expected, "{name}");
        }
        let message = mapping.check_template(&Template::parse("{titel}").expect("a template")).expect_err("mistyped");
        let message = message.to_string();
        assert!(message.contains("`{titel}`") && message.contains("Genre, author, authors, description,"), "{message}");
    }

    #[test]
    fn vectors_are_found_in_the_table_of_books_too_and_are_no_field() {
        let mut table = books("books");
        for (name, kind) in
            [("embedding", "double precision[]"), ("search", "tsvector"), ("cover", "bytea"), ("published", "boolean")]
        {
            table.columns.push(Column { name: name.into(), kind: kind.into(), cast: kind.into() });
        }
        let mapping = map("", &[table], &Wishes::default()).expect("found");
        let field = |name: &str| {
            mapping.columns.iter().find(|column| column.column == name).map(|column| column.field.as_str())
        };
        assert_eq!([field("embedding"), field("search"), field("cover")], [Some("none"); 3]);
        assert_eq!(field("published"), Some("extra"), "a flag is no year");
        assert_eq!(mapping.embeddings.expect("vectors").key, "id");
        let none = Wishes { embeddings: Some("none".to_owned()), ..Wishes::default() };
        assert_eq!(map("", &[books("books")], &none).expect("found").embeddings, None);
    }
}
