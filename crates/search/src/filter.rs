//! Which books may be in an answer at all.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// A field ([`FACETS`], or one that the library was told of), and the values of which a book must have one. Letter case,
    /// accents and punctuation do not matter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub any_of: BTreeMap<String, Vec<String>>,
    /// The earliest year of publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year_from: Option<i32>,
    /// The latest year of publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year_to: Option<i32>,
    /// The age of the reader: only books for that age or a younger one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<u8>,
    /// Whether a book of which nobody says for what age it is passes [`Filter::age`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unknown_age: bool,
    /// What holds besides, and what nothing that is asked can widen: the books that whoever asks may see at all.
    #[serde(skip)]
    pub within: Option<Arc<Filter>>,
}

impl Filter {
    /// Whether every book passes.
    pub fn is_empty(&self) -> bool {
        let Self { any_of, year_from, year_to, age, unknown_age: _, within } = self;
        let is_open = within.as_ref().is_none_or(|within| within.is_empty());
        any_of.values().all(Vec::is_empty) && year_from.is_none() && year_to.is_none() && age.is_none() && is_open
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

    /// Reads what bounds a key or a token: a JSON object with the fields of this type, but `within`. It is read strictly, as
    /// what would be passed over could be what keeps books back.
    ///
    /// # Errors
    /// [`Error::NotAFilter`] if it is none, or would let every book pass; [`Error::YearsReversed`].
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let filter: Self = serde_json::from_str(json).map_err(|error| Error::NotAFilter(error.to_string()))?;
        if filter.is_empty() || filter.any_of.values().any(Vec::is_empty) {
            return Err(Error::NotAFilter("it leaves no book out".to_owned()));
        }
        filter.check()?;
        Ok(filter)
    }

    /// The same in JSON, for [`Filter::from_json`].
    ///
    /// # Errors
    /// As [`Filter::from_json`], which reads it to make sure.
    pub fn to_json(&self) -> Result<String, Error> {
        let json = serde_json::to_string(self).map_err(|error| Error::NotAFilter(error.to_string()))?;
        Self::from_json(&json).map(|_| json)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bounds_a_key_is_read_to_the_letter() {
        let mut filter = Filter { age: Some(9), year_from: Some(-700), ..Filter::default() };
        filter.add("language", "de");
        let json = filter.to_json().expect("a filter");
        assert_eq!(json, r#"{"any_of":{"language":["de"]},"year_from":-700,"age":9}"#);
        assert_eq!(Filter::from_json(&json).expect("a filter"), filter);
        for wrong in [
            "",
            "[]",
            "9",
            "null",
            "{}",
            r#"{"any_of":{}}"#,
            r#"{"any_of":{"language":[]},"age":9}"#,
            r#"{"agee":9}"#,
            r#"{"age":"9"}"#,
            r#"{"age":9,"age":99}"#,
            r#"{"age":300}"#,
            r#"{"unknown_age":true}"#,
            r#"{"age":9,"within":null}"#,
            r#"{"year_from":2,"year_to":1}"#,
            r#"{"age":9} x"#,
        ] {
            assert!(Filter::from_json(wrong).is_err(), "{wrong}");
        }
        assert!(Filter::default().to_json().is_err(), "a key of all books has no filter");
    }
}
