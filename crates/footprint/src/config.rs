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
use crate::toml_file::TomlFile;
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
        for (id, line) in file.texts(&["ignore"]) {
            table::find(&id).ok_or_else(|| format!("line {line}: there is no check `{id}`"))?;
            config.ignore.push(id);
        }
        let table = |path: &[&str]| file.get(path).map(|table| table.entries()).unwrap_or_default();
        let packages =
            table(&["budget", "package"]).into_iter().map(|(name, value)| (format!("package.{name}"), value));
        for (name, value) in table(&["budget"]).into_iter().filter(|(name, _)| name != "package").chain(packages) {
            let amount = value.number().map(|bytes| bytes.to_string()).or_else(|| value.text().map(str::to_owned));
            let amount = amount.unwrap_or_default();
            if name == "growth" {
                let growth = amount
                    .parse()
                    .map_err(|_| format!("line {}: `{amount}` is no growth; write \"2%\"", value.line))?;
                config.growth = Some(growth);
                continue;
            }
            let budget = Budget::of(&name, &amount);
            config.budgets.push(
                budget.ok_or_else(|| format!("line {}: `{name}` is no size, or `{amount}` no limit", value.line))?,
            );
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_what_is_accepted_are_read() {
        let text = "ignore = ['F107']\n[budget]\ncontent = '500MB'\ngrowth = '2%'\n[budget.package]\ntorch = 0\n";
        let config = Config::parse(text).expect("good");
        assert_eq!((config.ignore.len(), config.budgets.len(), config.growth.is_some()), (1, 2, true));
        for text in
            ["ignore = ['F999']", "[budget]\nram = '1MB'", "[budget]\ngrowth = 2", "[budget]\ndisk = 'much'", "x"]
        {
            assert!(Config::parse(text).is_err_and(|reason| reason.starts_with("line ")), "{text}");
        }
    }
}
