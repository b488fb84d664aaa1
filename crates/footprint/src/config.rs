//! `footprint.toml`: what a project holds itself to, and what it accepts.
//!
//! ```toml
//! ignore = ["F107"]          # findings that are accepted everywhere
//! [budget]
//! content = "500MB"          # or stored, download, disk
//! growth = "2%"              # for `footprint diff`
//! [budget.package]
//! torch = 0                  # with all that only it brings
//! ```

use crate::budget::{Budget, Growth};
use crate::checks::table;
use crate::error::Error;
use crate::toml_file::{TomlFile, Value};
use std::fs;
use std::io;
use std::path::Path;

/// The name that is looked for in a target.
pub const NAME: &str = "footprint.toml";

/// What it says.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ids of findings that are accepted.
    pub ignore: Vec<String>,
    /// Limits.
    pub budgets: Vec<Budget>,
    /// How much may be added between two reports.
    pub growth: Option<Growth>,
}

impl Config {
    /// Reads the file of a target, if it has one.
    ///
    /// # Errors
    /// If it has one that cannot be understood.
    pub fn of_target(target: &Path) -> Result<Self, Error> {
        let path = target.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Self::default());
            }
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        Self::parse(&text).map_err(|reason| Error::BadConfig { path, reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file = TomlFile::parse(text)?;
        let mut config = Self::default();
        // What is passed over in silence is a budget that nobody keeps.
        for (name, value) in entries(file.get(&[]), "footprint.toml")? {
            match name.as_str() {
                "ignore" => config.read_ignore(value)?,
                "budget" => config.read_budgets(value)?,
                _ => {
                    return Err(format!(
                        "line {}: there is no setting `{name}`, only `ignore` and `budget`",
                        value.line
                    ));
                }
            }
        }
        Ok(config)
    }

    fn read_ignore(&mut self, value: Value<'_>) -> Result<(), String> {
        let ids = value.items().ok_or_else(|| format!("line {}: `ignore` has to be a list: [\"F107\"]", value.line))?;
        for id in ids {
            let text = id.text().unwrap_or_default();
            table::find(text).ok_or_else(|| format!("line {}: there is no check `{text}`", id.line))?;
            self.ignore.push(text.to_owned());
        }
        Ok(())
    }

    fn read_budgets(&mut self, value: Value<'_>) -> Result<(), String> {
        for (name, value) in entries(Some(value), "budget")? {
            match name.as_str() {
                "growth" => {
                    let growth = value.text().and_then(|text| text.parse().ok());
                    self.growth = Some(growth.ok_or_else(|| format!("line {}: write growth = \"2%\"", value.line))?);
                }
                "package" => {
                    for (name, value) in entries(Some(value), "budget.package")? {
                        self.budgets.push(budget(&format!("package.{name}"), value)?);
                    }
                }
                _ => self.budgets.push(budget(&name, value)?),
            }
        }
        Ok(())
    }
}

fn entries<'f>(value: Option<Value<'f>>, name: &str) -> Result<Vec<(String, Value<'f>)>, String> {
    let line = value.map_or(1, |value| value.line);
    value.and_then(Value::entries).ok_or_else(|| format!("line {line}: `{name}` has to be a table: [{name}]"))
}

fn budget(name: &str, value: Value<'_>) -> Result<Budget, String> {
    let amount = value.number().map(|bytes| bytes.to_string()).or_else(|| value.text().map(str::to_owned));
    let budget = amount.and_then(|amount| Budget::of(name, &amount));
    budget.ok_or_else(|| {
        format!(
            "line {}: `{name}` is no budget; write e.g. content = \"500MB\", of content, stored, download, disk or a package",
            value.line
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_what_is_accepted_are_read() {
        let text = "ignore = ['F107']\n[budget]\ncontent = '500MB'\ngrowth = '2%'\n[budget.package]\ntorch = 0\n";
        let config = Config::parse(text).expect("good");
        assert_eq!((config.ignore.len(), config.budgets.len(), config.growth.is_some()), (1, 2, true));
        for text in [
            "ignore = ['F999']",
            "[budget]\nram = '1MB'",
            "[budget]\ngrowth = 2",
            "[budget]\ndisk = 'much'",
            "x",
            "ignore = 'F107'",
            "ignore = [107]",
            "ignored = ['F107']",
            "budget = '50MB'",
            "[budgets]\ncontent = '50MB'",
            "[budget]\npackage = 5",
            "[budget]\ncontent = 1.5",
        ] {
            assert!(Config::parse(text).is_err_and(|reason| reason.starts_with("line ")), "{text}");
        }
    }
}
