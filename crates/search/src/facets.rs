//! What books have in common, for filters and for counts: one column for each field, made beside the word index.

use crate::age::least_age;
use crate::{Error, FACETS, Filter};
use libellus_catalogue::{Book, ExtraField, extra_texts};
use libellus_index::{Completions, Facet, GroupSet};
use serde::Serialize;
use std::borrow::Cow;

/// Most values that are counted out for one field.
pub const MAX_FACET_VALUES: usize = 50;

/// The values of one field among the relevant books of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FacetCounts {
    /// The field.
    pub field: String,
    /// The most frequent first, at most [`MAX_FACET_VALUES`]. They are counted as if this field were not filtered, so that
    /// one sees what another choice would give.
    pub values: Vec<ValueCount>,
}

/// A value and how many books have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueCount {
    /// The value, as a book has it.
    pub value: String,
    /// How many relevant books have it.
    pub books: usize,
}

/// The columns, for books numbered from 0.
#[derive(Debug)]
pub(crate) struct BookFacets {
    columns: Vec<(String, Facet)>,
    years: Vec<Option<i32>>,
    ages: Vec<Option<u8>>,
}

impl BookFacets {
    /// No book yet. `declared` are names of extra fields that have a column, too.
    pub fn new(declared: &[String]) -> Self {
        let names = FACETS.iter().map(|name| (*name).to_owned()).chain(declared.iter().cloned());
        let columns = names.map(|name| (name, Facet::new())).collect();
        Self { columns, years: Vec::new(), ages: Vec::new() }
    }

    /// Adds the next book.
    pub fn push(&mut self, book: &Book) {
        for (name, column) in &mut self.columns {
            let values = values(book, name);
            column.push(values.iter().map(AsRef::as_ref));
        }
        self.years.push(book.year);
        self.ages.push(least_age(book));
    }

    /// The books that pass; `None` if all do.
    ///
    /// # Errors
    /// [`Error::UnknownFacet`] for a field without a column, and if the years are reversed.
    pub fn admitted(&self, filter: &Filter) -> Result<Option<GroupSet>, Error> {
        filter.check()?;
        let mut admitted = filter.within.as_ref().map_or(Ok(None), |within| self.admitted(within))?;
        let mut keep = |set: GroupSet| match &mut admitted {
            Some(admitted) => admitted.intersect(&set),
            None => admitted = Some(set),
        };
        for (field, wanted) in filter.any_of.iter().filter(|(_, wanted)| !wanted.is_empty()) {
            let column = self.column(field)?;
            let wanted: Vec<Cow<'_, str>> = wanted.iter().map(|value| comparable(field, value)).collect();
            keep(column.having(wanted.iter().map(AsRef::as_ref)));
        }
        if filter.year_from.is_some() || filter.year_to.is_some() {
            let (from, to) = (filter.year_from.unwrap_or(i32::MIN), filter.year_to.unwrap_or(i32::MAX));
            let passes = |year: &Option<i32>| year.is_some_and(|year| (from..=to).contains(&year));
            keep(of_column(&self.years, passes));
        }
        if let Some(reader) = filter.age {
            keep(of_column(&self.ages, |least| least.map_or(filter.unknown_age, |least| least <= reader)));
        }
        Ok(admitted)
    }

    /// Whether a book passes, given the names of extra fields that have a column.
    ///
    /// # Errors
    /// As [`BookFacets::admitted`].
    pub fn admits(declared: &[String], book: &Book, filter: &Filter) -> Result<bool, Error> {
        let mut facets = Self::new(declared);
        facets.push(book);
        Ok(facets.admitted(filter)?.is_none_or(|admitted| admitted.len() == 1))
    }

    /// Whether all these fields have columns.
    ///
    /// # Errors
    /// [`Error::UnknownFacet`] for the first that has none.
    pub fn check<'n>(&self, fields: impl IntoIterator<Item = &'n String>) -> Result<(), Error> {
        fields.into_iter().try_for_each(|field| self.column(field).map(drop))
    }

    /// How many of these books have each value of a field.
    pub fn count(&self, field: &str, books: impl IntoIterator<Item = u32>) -> Result<FacetCounts, Error> {
        let counts = self.column(field)?.count(books).into_iter().take(MAX_FACET_VALUES);
        let values = counts.map(|count| ValueCount { value: count.value.to_owned(), books: count.count }).collect();
        Ok(FacetCounts { field: field.to_owned(), values })
    }

    /// The values of a field, to be completed.
    pub fn completions(&self, field: &str) -> Result<Completions, Error> {
        let column = self.column(field)?;
        let of_book = |book: u32| column.values(book).map(move |value| (book, value));
        Ok(Completions::new((0..column.len() as u32).flat_map(of_book))?)
    }

    fn column(&self, field: &str) -> Result<&Facet, Error> {
        let found = self.columns.iter().find(|(name, _)| name == field);
        found.map(|(_, column)| column).ok_or_else(|| Error::UnknownFacet {
            field: field.to_owned(),
            known: self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("`, `"),
        })
    }
}

fn of_column<T>(column: &[T], passes: impl Fn(&T) -> bool) -> GroupSet {
    GroupSet::from_fn(column.len() as u32, |book| passes(&column[book as usize]))
}

/// A book's values of a field.
fn values<'b>(book: &'b Book, field: &str) -> Vec<Cow<'b, str>> {
    let owned = |texts: Vec<String>| texts.into_iter().map(Cow::Owned).collect::<Vec<_>>();
    let borrowed = |texts: &'b [String]| texts.iter().map(|text| Cow::Borrowed(text.as_str())).collect();
    match field {
        "language" => {
            let others = owned(extra_texts(book, "languages"));
            let all = book.language.as_deref().map(Cow::Borrowed).into_iter().chain(others);
            all.map(|tag| Cow::Owned(comparable(field, &tag).into_owned())).collect()
        }
        "audience" => book.audience.as_deref().map(Cow::Borrowed).into_iter().collect(),
        "subject" => borrowed(&book.subjects),
        "author" => borrowed(&book.authors),
        "series" => {
            let name = |text: String| Cow::Owned(without_number(&text).to_owned());
            ExtraField::Series.of(book).into_iter().map(name).collect()
        }
        "format" => owned(ExtraField::Format.of(book)),
        "availability" => {
            let said = |text: String| match text.as_str() {
                "true" | "yes" | "1" => Cow::Borrowed("available"),
                "false" | "no" | "0" => Cow::Borrowed("unavailable"),
                _ => Cow::Owned(text),
            };
            ExtraField::Availability.of(book).into_iter().map(said).collect()
        }
        "decade" => book.year.map(|year| Cow::Owned((year.div_euclid(10) * 10).to_string())).into_iter().collect(),
        declared => owned(extra_texts(book, declared)),
    }
}

/// What of a value is compared: of a language, the language.
fn comparable<'v>(field: &str, value: &'v str) -> Cow<'v, str> {
    match field {
        "language" => Cow::Owned(value.split(['-', '_']).next().unwrap_or_default().to_lowercase()),
        _ => Cow::Borrowed(value),
    }
}

/// A series without the number in it: `Dune ; 1` → `Dune`.
fn without_number(series: &str) -> &str {
    series.split_once(" ; ").map_or(series, |(name, _)| name).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facets() -> BookFacets {
        let mut facets = BookFacets::new(&["Shelf mark".to_owned()]);
        for book in [
            json!({"id": "0", "title": "A", "language": "en-GB", "year": 1813, "audience": "adult", "subjects": ["Sea", "Whales"]}),
            json!({"id": "1", "title": "B", "language": "de", "year": 1999, "audience": "ages 9-12", "authors": ["Zoë Ø"],
                   "extra": {"series": ["Dune ; 1"], "available": true, "shelf_mark": "B 3"}}),
            json!({"id": "2", "title": "C", "year": -7, "extra": {"languages": ["en", "te"], "format": "ebook", "available": "no"}}),
        ] {
            facets.push(&serde_json::from_value(book).expect("a book"));
        }
        facets
    }

    fn passing(filter: &Filter) -> Result<Vec<u32>, String> {
        let admitted = facets().admitted(filter).map_err(|error| error.to_string())?;
        Ok(admitted.map_or_else(|| vec![0, 1, 2], |set| set.iter().collect()))
    }

    #[test]
    fn every_condition_must_hold_and_any_value_of_a_field_will_do() {
        type Asked<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Asked<'_>, &[u32]); 14] = [
            (&[], &[0, 1, 2]),
            (&[("language", "en")], &[0, 2]),
            (&[("language", "EN-us")], &[0, 2]),
            (&[("language", "te"), ("language", "de")], &[1, 2]),
            (&[("subject", "whales!")], &[0]),
            (&[("subject", "whale")], &[]),
            (&[("author", "zoe o")], &[1]),
            (&[("series", "Dune")], &[1]),
            (&[("availability", "available")], &[1]),
            (&[("availability", "unavailable")], &[2]),
            (&[("format", "ebook"), ("language", "en")], &[2]),
            (&[("format", "ebook"), ("language", "de")], &[]),
            (&[("decade", "1810"), ("decade", "-10")], &[0, 2]),
            (&[("Shelf mark", "b-3")], &[1]),
        ];
        for (asked, expected) in cases {
            let mut filter = Filter::default();
            asked.iter().for_each(|(field, value)| filter.add(field, *value));
            assert_eq!(passing(&filter).expect("known fields"), expected, "{asked:?}");
        }
    }

    #[test]
    fn years_and_ages_are_bounds() {
        let years = |year_from, year_to| Filter { year_from, year_to, ..Filter::default() };
        let age = |age, unknown_age| Filter { age: Some(age), unknown_age, ..Filter::default() };
        let cases: [(Filter, &[u32]); 7] = [
            (years(Some(1813), Some(1813)), &[0]),
            (years(None, Some(0)), &[2]),
            (years(Some(1814), None), &[1]),
            (age(9, false), &[1]),
            (age(8, false), &[]),
            (age(8, true), &[2]),
            (age(18, false), &[0, 1]),
        ];
        for (filter, expected) in cases {
            assert_eq!(passing(&filter).expect("known fields"), expected, "{filter:?}");
        }
        let error = passing(&years(Some(2000), Some(1999))).expect_err("no such year");
        assert!(error.contains("2000") && error.contains("1999"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_named_with_those_there_are() {
        let mut filter = Filter::default();
        filter.add("colour", "red");
        let error = passing(&filter).expect_err("no such field");
        assert!(
            error.contains("`colour`") && error.contains("`language`") && error.contains("`Shelf mark`"),
            "{error}"
        );
        let error = facets().check(&["subject".to_owned(), "size".to_owned()]).expect_err("no such field").to_string();
        assert!(error.contains("`size`"), "{error}");
    }

    #[test]
    fn values_are_counted_among_some_books() {
        let counts = facets().count("language", [0, 2]).expect("a field");
        let count = |value: &str, books| ValueCount { value: value.to_owned(), books };
        assert_eq!(counts.values, [count("en", 2), count("te", 1)]);
    }
}
