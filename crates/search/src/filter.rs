//! Which books may be in an answer at all.

use crate::Error;
use std::collections::BTreeMap;

/// The fields that every catalogue can be filtered by, and counted by.
///
/// `language` is without a region (`en` for `en-GB`), `series` without the number in it, `decade` the first year of it
/// (`1810`).
pub const FACETS: [&str; 8] =
    ["language", "audience", "subject", "author", "series", "format", "availability", "decade"];

/// Which books may be in an answer. By default all.
///
/// It holds for every way of searching, inside the search: a filtered answer is as long as one that is not, if there are
/// so many books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// A field ([`FACETS`], or one that the library was told of), and the values of which a book must have one. Letter case,
    /// accents and punctuation do not matter.
    pub any_of: BTreeMap<String, Vec<String>>,
    /// The earliest year of publication.
    pub year_from: Option<i32>,
    /// The latest year of publication.
    pub year_to: Option<i32>,
    /// The age of the reader: only books for that age or a younger one.
    pub age: Option<u8>,
    /// Whether a book of which nobody says for what age it is passes [`Filter::age`].
    pub unknown_age: bool,
}

impl Filter {
    /// Whether every book passes.
    pub fn is_empty(&self) -> bool {
        let Self { any_of, year_from, year_to, age, unknown_age: _ } = self;
        any_of.values().all(Vec::is_empty) && year_from.is_none() && year_to.is_none() && age.is_none()
    }

    /// The same without what it asks of one field.
    #[must_use]
    pub fn without(&self, field: &str) -> Self {
        let mut filter = self.clone();
        filter.any_of.remove(field);
        filter
    }

    /// Asks for one more value of a field.
    pub fn add(&mut self, field: &str, value: impl Into<String>) {
        self.any_of.entry(field.to_owned()).or_default().push(value.into());
    }

    /// # Errors
    /// [`Error::YearsReversed`] if no year can pass.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match (self.year_from, self.year_to) {
            (Some(from), Some(to)) if from > to => Err(Error::YearsReversed { from, to }),
            _ => Ok(()),
        }
    }
}
