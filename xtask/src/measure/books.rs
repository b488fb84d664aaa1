//! What is measured over: a thousand books made of the sample's, and the sample's questions.

use crate::run::{command, run};
use crate::{Failure, root, target};
use std::fs;
use std::path::{Path, PathBuf};

const BOOKS: usize = 1000;

/// What every record of the sample starts with.
const ID: &str = "{\"id\": \"";

/// A catalogue of a thousand books, imported and embedded by `executable`.
pub fn catalogue_of_a_thousand(executable: &Path) -> Result<PathBuf, Failure> {
    let directory = target().join("measure");
    let failed = |error| format!("cannot write to `{}`: {error}", directory.display());
    // From scratch: what another version made may differ.
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(failed)?;
    }
    fs::create_dir_all(&directory).map_err(failed)?;
    let (records, catalogue) = (directory.join("books.jsonl"), directory.join("books.db"));
    fs::write(&records, repeated(&sample("books.jsonl")?, BOOKS)?).map_err(failed)?;
    run(command(executable, &["import", "--db"]).arg(&catalogue).arg(&records))?;
    Ok(catalogue)
}

/// The records in turn until there are `count`, each with its number put before its id.
fn repeated(records: &str, count: usize) -> Result<String, Failure> {
    let lines = records.lines().cycle().take(count).enumerate();
    lines
        .map(|(number, record)| {
            let rest =
                record.strip_prefix(ID).ok_or_else(|| format!("a record does not start with its id: {record}"))?;
            Ok(format!("{ID}{number}-{rest}\n"))
        })
        .collect()
}

/// The judged queries of the sample.
pub fn queries() -> Result<Vec<String>, Failure> {
    let judgements = sample("judgements.tsv")?;
    let lines = judgements.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| Some(line.split_once('\t')?.0.to_owned())).collect())
}

fn sample(name: &str) -> Result<String, Failure> {
    let path = root().join("samples").join(name);
    fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_repeat_with_ids_of_their_own() {
        let records = "{\"id\": \"a\", \"title\": \"A\"}\n{\"id\": \"b\"}\n";
        let expected = "{\"id\": \"0-a\", \"title\": \"A\"}\n{\"id\": \"1-b\"}\n{\"id\": \"2-a\", \"title\": \"A\"}\n";
        assert_eq!(repeated(records, 3).expect("records"), expected);
        assert!(repeated("{\"title\": \"A\"}", 1).is_err());
    }

    #[test]
    fn the_sample_is_what_it_is_taken_for() {
        let books = repeated(&sample("books.jsonl").expect("it is there"), BOOKS).expect("records with ids");
        assert_eq!(books.lines().count(), BOOKS);
        assert!(queries().expect("it is there").len() > 100);
    }
}
