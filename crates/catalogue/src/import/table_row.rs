//! Rows of another program's table: names of columns mean what they mean in a file's header.

use super::header::{Field, Mapping, Target};
use super::record::RawRecord;
use super::{Place, Reject};
use crate::{Book, Error};
use serde_json::Value;

/// What a column becomes, by the name that people type and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ColumnUse(Target);

/// Uses that are no field of their own.
const TAGS: &str = "tags";
const MORE_AUTHORS: &str = "more-authors";
const EXTRA: &str = "extra";
const NONE: &str = "none";

const FIELDS: [Field; 11] = [
    Field::Id,
    Field::Title,
    Field::Subtitle,
    Field::Authors,
    Field::Isbns,
    Field::Publisher,
    Field::Year,
    Field::Language,
    Field::Subjects,
    Field::Audience,
    Field::Description,
];

impl ColumnUse {
    /// The use of the column that is the book's id.
    pub(crate) const ID: Self = Self(Target::Field { field: Field::Id, rank: 0 });
    /// For a column that is left out.
    pub(crate) const LEFT_OUT: Self = Self(Target::Personal);
    /// For a column that is kept under its own name.
    pub(crate) const KEPT: Self = Self(Target::Extra);

    /// The use of each of these columns, guessed from their names.
    pub(crate) fn guess<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Vec<Self> {
        let mut mapping = Mapping::default();
        mapping.look_at(names.clone());
        names.map(|name| Self(mapping.target(name)).behind()).collect()
    }

    /// One rank later, so that what was said goes before what was guessed.
    fn behind(self) -> Self {
        match self.0 {
            Target::Field { field, rank } => Self(Target::Field { field, rank: rank.saturating_add(1) }),
            _ => self,
        }
    }

    /// The use of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let field = FIELDS.into_iter().find(|field| field.as_str() == name);
        match (field, name) {
            (Some(field), _) => Some(Self(Target::Field { field, rank: 0 })),
            (None, TAGS) => Some(Self(Target::Tags)),
            (None, MORE_AUTHORS) => Some(Self(Target::MoreAuthors)),
            (None, EXTRA) => Some(Self::KEPT),
            (None, NONE) => Some(Self::LEFT_OUT),
            (None, _) => None,
        }
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Target::Field { field, .. } => field.as_str(),
            Target::Tags => TAGS,
            Target::MoreAuthors => MORE_AUTHORS,
            // A mark of our own files means nothing in another program's table.
            Target::Extra | Target::AsWritten => EXTRA,
            Target::Personal => NONE,
        }
    }

    /// The names that can be typed, but for the id, which is the table's key.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        FIELDS.into_iter().skip(1).map(Field::as_str).chain([TAGS, MORE_AUTHORS, EXTRA, NONE])
    }

    /// Whether this name means the field: tags are subjects, too, and what is kept as it is has its own names only.
    pub(crate) fn is_called(self, name: &str) -> bool {
        match self.name() {
            EXTRA | NONE => false,
            TAGS => [TAGS, Field::Subjects.as_str()].contains(&name),
            field => field == name,
        }
    }

    /// Of several columns of one use the one with the lowest rank wins.
    pub(crate) fn rank(self) -> u8 {
        if let Target::Field { rank, .. } = self.0 { rank } else { 0 }
    }

    /// The same with this rank.
    pub(crate) fn with_rank(self, rank: u8) -> Self {
        match self.0 {
            Target::Field { field, .. } => Self(Target::Field { field, rank }),
            _ => self,
        }
    }

    /// Whether the column is of no use.
    pub(crate) fn is_left_out(self) -> bool {
        self == Self::LEFT_OUT
    }

    pub(crate) fn is_title(self) -> bool {
        self.name() == Field::Title.as_str()
    }
}

/// The error for a table without a column that could be the title.
pub(crate) fn no_title<'n>(table: &str, names: impl Iterator<Item = &'n str>) -> Error {
    let mut mapping = Mapping::default();
    for name in names {
        mapping.target(name);
    }
    mapping.no_title(table)
}

/// What is odd about a row that became a book: the column, and why.
pub(crate) type Oddity = (Option<String>, String);

/// Makes a book of a row. Its id is the key, letter for letter.
pub(crate) fn book_of_row(
    place: Place,
    key: &str,
    values: impl Iterator<Item = (String, ColumnUse, Value)>,
) -> Result<(Book, Vec<Oddity>), Reject> {
    if key.is_empty() {
        let reason = "the key is empty; every book needs one".to_owned();
        return Err(Reject { place, id: None, field: Some(Field::Id.as_str().to_owned()), reason });
    }
    let mut record = RawRecord::new(place, 0);
    for (name, ColumnUse(target), value) in values {
        record.push(name, target, value);
    }
    let mut accepted = record.into_book().map_err(|reject| Reject { id: Some(key.to_owned()), ..reject })?;
    accepted.book.id = key.to_owned();
    Ok((accepted.book, accepted.warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_have_names_and_what_was_said_goes_first() {
        for name in ColumnUse::names().chain(["id"]) {
            assert_eq!(ColumnUse::named(name).map(ColumnUse::name), Some(name));
        }
        assert_eq!(ColumnUse::named("colour"), None);
        let guessed = ColumnUse::guess(["Titel", "genre", "created_at", "private_notes"].into_iter());
        assert_eq!(guessed.iter().map(|column| column.name()).collect::<Vec<_>>(), ["title", "tags", "extra", "none"]);
        assert!(guessed[0].rank() > ColumnUse::named("title").expect("a field").rank());
    }

    #[test]
    fn a_row_is_a_book_whose_id_is_the_key_to_the_letter() {
        let values = |title: &str| {
            let title = ("name".to_owned(), ColumnUse::named("title").expect("a field"), Value::from(title));
            [title, ("pages".to_owned(), ColumnUse::KEPT, Value::from(7))].into_iter()
        };
        let (book, odd) = book_of_row(Place::Row(1), " a  b ", values("<Dune>")).expect("a book");
        assert_eq!((book.id.as_str(), book.title.as_str(), &book.extra["pages"]), (" a  b ", "<Dune>", &7.into()));
        assert!(odd.is_empty(), "{odd:?}");
        let reject = book_of_row(Place::Row(1), "7", values(" ")).expect_err("no title");
        assert_eq!((reject.id.as_deref(), reject.field.as_deref()), (Some("7"), Some("title")));
        assert!(book_of_row(Place::Row(1), "", values("Dune")).is_err());
    }
}
