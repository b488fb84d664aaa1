//! A row of another program's table: its values as they are there, and the book that they become.

use super::Mapping;
use crate::Book;
use crate::import::{self, ColumnUse, Oddity, Place, Reject};
use serde_json::{Map, Value};

/// A row as the table has it.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// The book's id.
    pub key: String,
    /// Its values, or why they cannot be read.
    values: Result<Vec<(String, ColumnUse, Value)>, String>,
    /// What is stored as its vector, in one of the notations of vectors, or why there is none.
    stored: Result<String, VectorFault>,
}

/// Why a stored vector is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VectorFault {
    /// The book has none.
    Missing,
    /// The book has more than one.
    Several,
    /// It is no list of numbers.
    Unreadable,
    /// It has another length than the model's.
    WrongWidth,
    /// It holds NaN or an infinity.
    NotFinite,
    /// Its length is not 1.
    NotNormalised,
    /// It was made from another text than libellus embeds.
    OtherText,
}

impl VectorFault {
    /// In words, of several.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            VectorFault::Missing => "have no vector",
            VectorFault::Several => "have several vectors",
            VectorFault::Unreadable => "have one that is no list of numbers",
            VectorFault::WrongWidth => "have one of another width than the model's",
            VectorFault::NotFinite => "have one with a number that is not finite",
            VectorFault::NotNormalised => "have one that is not normalised",
            VectorFault::OtherText => "have one of another text than libellus embeds",
        }
    }
}

/// How far a vector's length may be from 1: what four decimals leave of a vector of our models.
const LENGTH_TOLERANCE: f64 = 2e-3;

impl SourceRow {
    pub(crate) fn new(mapping: &Mapping, key: String, values: Map<String, Value>) -> Self {
        let mut values = values;
        let columns = mapping.used_columns();
        let values = columns.filter_map(|(name, used)| Some((name.to_owned(), used, values.remove(name)?))).collect();
        Self { key, values: Ok(values), stored: Err(VectorFault::Missing) }
    }

    /// A row of whose values nothing is known.
    pub(crate) fn unreadable(key: String, reason: String) -> Self {
        Self { key, values: Err(reason), stored: Err(VectorFault::Missing) }
    }

    /// Whether its values are known.
    pub(crate) fn is_readable(&self) -> bool {
        self.values.is_ok()
    }

    pub(crate) fn set_stored(&mut self, stored: Result<String, VectorFault>) {
        self.stored = stored;
    }

    /// The book that the row becomes, and what is odd about it.
    ///
    /// # Errors
    /// Why it cannot become one.
    pub fn book(&self) -> Result<(Book, Vec<Oddity>), Reject> {
        let (place, id) = (Place::Keyed {}, Some(self.key.clone()));
        let unread = |reason: &String| Reject { place, id, field: None, reason: reason.clone() };
        import::book_of_row(place, &self.key, self.values.as_ref().map_err(unread)?.iter().cloned())
    }

    /// The raw text of a field or a column, if there is any: what another program would have read there.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let values = self.values.as_ref().ok()?;
        let mut found: Vec<&(String, ColumnUse, Value)> =
            values.iter().filter(|(_, used, _)| used.is_called(name)).collect();
        // The best column of a field; lists may be in several.
        found.sort_by_key(|(_, used, _)| used.rank());
        let found = found.first().copied().or_else(|| values.iter().find(|(column, ..)| column == name));
        let text = raw_text(&found?.2);
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// The stored vector, if it can be one of a model with `dim` numbers.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn vector(&self, dim: usize) -> Result<Vec<f32>, VectorFault> {
        let text = self.stored.as_ref().map_err(|fault| *fault)?;
        let vector = import::vector(text).map_err(|_| VectorFault::Unreadable)?;
        let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
        match () {
            () if vector.len() != dim => Err(VectorFault::WrongWidth),
            () if vector.iter().any(|number| !number.is_finite()) => Err(VectorFault::NotFinite),
            () if (length - 1.0).abs() > LENGTH_TOLERANCE => Err(VectorFault::NotNormalised),
            () => Ok(vector),
        }
    }
}

#[cfg(test)]
impl SourceRow {
    /// A row whose columns are called as the fields are.
    pub(super) fn of_values(values: Value) -> Self {
        let values = values.as_object().expect("an object").clone().into_iter();
        let values = values.map(|(name, value)| {
            let used = ColumnUse::named(&name).expect("a field");
            (name, used, value)
        });
        Self { key: "1".to_owned(), values: Ok(values.collect()), stored: Err(VectorFault::Missing) }
    }
}

/// A value as a program would put it into a text.
fn raw_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            values.iter().map(raw_text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn vectors_are_checked() {
        let row = |stored: &str| {
            let mut row = SourceRow::of_values(json!({}));
            row.set_stored(Ok(stored.to_owned()));
            row.vector(2)
        };
        assert_eq!(row("[0.6, 0.8]"), Ok(vec![0.6, 0.8]));
        for (stored, fault) in [
            ("[1]", VectorFault::WrongWidth),
            ("{NaN,0}", VectorFault::NotFinite),
            ("{1e39,0}", VectorFault::NotFinite),
            ("[0.6,0.9]", VectorFault::NotNormalised),
            ("[0,0]", VectorFault::NotNormalised),
            ("{0.6,NULL}", VectorFault::Unreadable),
            ("null", VectorFault::Unreadable),
            ("\\x00", VectorFault::Unreadable),
        ] {
            assert_eq!(row(stored), Err(fault), "{stored}");
        }
        assert_eq!(SourceRow::of_values(json!({})).vector(2), Err(VectorFault::Missing));
    }
}
