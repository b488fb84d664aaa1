//! What the shipped executable is made of, to the byte, and the budget that keeps it small.
//!
//! The sizes come from the linker's map ([`map`]), their owners from the names in it ([`owner`], [`constants`]), and
//! together they are the file ([`parts`]). `size.json` holds them as they were last accepted ([`mod@record`]): a change that
//! makes a part grow changes the record too, where a reviewer sees it.

mod constants;
mod map;
mod owner;
mod parts;
mod reasons;
mod record;

use crate::run::{capture, command};
use crate::{Failure, dist, root};
use parts::{Known, Parts};
use record::Record;
use std::fs;
use std::path::Path;

/// What the executable may have at most.
const BUDGET_BYTES: u64 = 34_000_000;

/// Where files that are compiled in come from.
const COMPILED_IN: [&str; 2] = ["models", "samples"];

/// Builds the executable, shows its parts, and compares them with budget, reasons and record.
pub fn check() -> Result<(), Failure> {
    let measured = measure()?;
    let reasons_file = root().join(reasons::FILE);
    let reasons = String::from_utf8_lossy(&read(&reasons_file)?).into_owned();
    let problems = [
        over_budget(&measured.parts),
        reasons::missing(&measured.parts, &reasons),
        record::load(&root().join(record::FILE))?.growth(&measured),
    ];
    let problems: Vec<Failure> = problems.into_iter().flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n\nerror: ")) }
}

/// Builds the executable, shows its parts, and records them.
pub fn record() -> Result<(), Failure> {
    let measured = measure()?;
    record::save(&measured, &root().join(record::FILE))?;
    println!("recorded in {}", record::FILE);
    Ok(())
}

fn measure() -> Result<Record, Failure> {
    let arch = dist::Arch::host()?;
    let executable = read(&dist::build(arch)?)?;
    let map = read(&dist::link_map(arch)).map_err(|failure| {
        let clean = format!("cargo clean --release --package libellus --target {}", arch.triple());
        format!("{failure}; it is written when the executable is linked: `{clean}`, and run this again")
    })?;
    let known = Known { files: files_compiled_in()?, constants: constants::owners(arch)? };
    let parts = parts::of(&executable, &String::from_utf8_lossy(&map), &known)?;
    print!("{}", parts.table());
    let rustc = capture(&mut command("rustc", &["--version"]))?.trim().to_owned();
    Ok(Record { target: arch.triple().to_owned(), rustc, parts })
}

fn over_budget(parts: &Parts) -> Option<Failure> {
    let total = parts.total();
    (total > BUDGET_BYTES).then(|| format!("the executable has {total} bytes; its budget is {BUDGET_BYTES}"))
}

fn files_compiled_in() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut files = Vec::new();
    for directory in COMPILED_IN {
        let entries =
            fs::read_dir(root().join(directory)).map_err(|error| format!("cannot list `{directory}`: {error}"))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push((format!("{directory}/{name}"), read(&path)?));
        }
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_limit() {
        let of = |size| Parts([("all".to_owned(), size)].into());
        assert_eq!(over_budget(&of(BUDGET_BYTES)), None);
        let told = over_budget(&of(BUDGET_BYTES + 1)).expect("too much");
        assert!(told.contains("34000001 bytes") && told.contains("34000000"), "{told}");
    }
}
