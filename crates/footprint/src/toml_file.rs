//! TOML with the lines of its values: a finding has to point at one.

use toml::de::{DeTable, DeValue};

/// A file that was read.
pub struct TomlFile<'t> {
    /// Where its lines end.
    ends: Vec<usize>,
    root: DeValue<'t>,
}

/// A value in it.
#[derive(Clone, Copy)]
pub struct Value<'f> {
    value: &'f DeValue<'f>,
    /// Its line, from 1.
    pub line: u32,
    ends: &'f [usize],
}

impl<'t> TomlFile<'t> {
    /// Reads a file. The error says what is wrong with it, and where.
    ///
    /// # Errors
    /// If it is no TOML.
    pub fn parse(text: &'t str) -> Result<Self, String> {
        let ends: Vec<usize> = text.match_indices('\n').map(|(place, _)| place).collect();
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(&ends, span.start));
            format!("line {line}: {}", error.message())
        })?;
        Ok(Self { ends, root: DeValue::Table(table.into_inner()) })
    }

    /// The value at a path of names.
    pub fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        let root = Value { value: &self.root, line: 1, ends: &self.ends };
        path.iter().try_fold(root, |value, name| value.get(name))
    }

    /// The texts of a list at a path, each with its line; none if there is no list.
    pub fn texts(&self, path: &[&str]) -> Vec<(String, u32)> {
        self.get(path).map(Value::texts).unwrap_or_default()
    }
}

impl<'f> Value<'f> {
    fn wrap(self, spanned: &'f toml::Spanned<DeValue<'f>>) -> Value<'f> {
        Value { value: spanned.get_ref(), line: line_of(self.ends, spanned.span().start), ends: self.ends }
    }

    /// The value of this name in a table.
    pub fn get(self, name: &str) -> Option<Value<'f>> {
        self.value.get(name).map(|value| self.wrap(value))
    }

    /// A text.
    pub fn text(self) -> Option<&'f str> {
        self.value.as_str()
    }

    /// A whole number that is not negative.
    pub fn number(self) -> Option<u64> {
        let integer = self.value.as_integer()?;
        u64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// What is in a list; `None` if it is none.
    pub fn items(self) -> Option<Vec<Value<'f>>> {
        self.value.as_array().map(|array| array.iter().map(|item| self.wrap(item)).collect())
    }

    /// The texts in a list, each with its line; none if it is no list.
    pub fn texts(self) -> Vec<(String, u32)> {
        let items = self.items().unwrap_or_default();
        items.into_iter().filter_map(|item| Some((item.text()?.to_owned(), item.line))).collect()
    }

    /// What is in a table, by name; `None` if it is none.
    pub fn entries(self) -> Option<Vec<(String, Value<'f>)>> {
        let table = self.value.as_table()?;
        let mut entries: Vec<(String, Value<'f>)> =
            table.iter().map(|(name, value)| (name.get_ref().to_string(), self.wrap(value))).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Some(entries)
    }
}

fn line_of(ends: &[usize], place: usize) -> u32 {
    ends.partition_point(|end| *end < place) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_lines() {
        let file = TomlFile::parse("[a]\nb = [\n  'x',\n  'y',\n]\nn = 5\n").expect("good");
        assert_eq!(file.texts(&["a", "b"]), [("x".to_owned(), 3), ("y".to_owned(), 4)]);
        assert_eq!(file.get(&["a", "n"]).and_then(Value::number), Some(5));
        assert!(file.get(&["a", "b", "c"]).is_none());
        assert!(TomlFile::parse("a = 1\nb =\n").is_err_and(|error| error.starts_with("line 2: ")));
    }
}
