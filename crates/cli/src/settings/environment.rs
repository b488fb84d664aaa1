//! The variables that the process was started with, read once.

use std::collections::BTreeMap;
use std::env;

/// What stands for a secret, whatever its length.
pub const MASK: &str = "********";

/// The variables, by name. Those that are not UTF-8 have no value.
#[derive(Debug)]
pub struct Environment(BTreeMap<String, Option<String>>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()))
        };
        Self(env::vars_os().filter_map(text).collect())
    }

    /// These variables.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect())
    }

    /// The value of a variable; none if it is not set, or to nothing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref().filter(|value| !value.is_empty())
    }

    /// Whether a variable is set to nothing.
    pub fn is_empty(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.as_deref() == Some(""))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The variables of libellus whose values are not UTF-8.
    pub fn unreadable(&self) -> impl Iterator<Item = &'static str> {
        super::foreign::KNOWN.into_iter().filter(|name| self.0.get(*name).is_some_and(Option::is_none))
    }
}
