//! What there is to say about a build: version, time, commit, and the packages that are linked.

use crate::dist::{Arch, Edition};
use crate::run::{capture, cargo, command};
use crate::{Failure, root};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::PathBuf;

/// All that an image says about itself.
pub struct Facts {
    pub arch: Arch,
    pub edition: Edition,
    pub version: String,
    pub description: String,
    pub licence: String,
    pub repository: Option<String>,
    /// Seconds since 1970: every time in the image.
    pub timestamp: u64,
    /// The commit, where this is a clone.
    pub revision: Option<String>,
    /// What is linked into the executable, itself included, and where the CA roots come from; sorted.
    pub packages: Vec<Package>,
}

/// A crate whose code or data is in the image.
#[derive(Debug)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub description: Option<String>,
    pub licence: Option<String>,
    pub repository: Option<String>,
    /// Its sources.
    pub directory: PathBuf,
    /// SHA-256 of what the registry has, from `Cargo.lock`; nothing for our own.
    pub checksum: Option<String>,
    /// Names and versions.
    pub dependencies: Vec<(String, String)>,
}

/// The crate with the CA roots: data of the image, and no part of the executable.
pub const CA_ROOTS: &str = "webpki-root-certs";

impl Facts {
    /// Asks cargo, git and the environment.
    pub fn collect(arch: Arch, edition: Edition) -> Result<Self, Failure> {
        let packages = packages(arch, edition)?;
        let own = packages.iter().find(|package| package.name == "libellus").ok_or("cargo does not know libellus")?;
        Ok(Self {
            arch,
            edition,
            version: own.version.clone(),
            description: own.description.clone().unwrap_or_default(),
            licence: own.licence.clone().unwrap_or_default(),
            repository: own.repository.clone(),
            timestamp: timestamp()?,
            revision: capture(&mut command("git", &["rev-parse", "HEAD"])).ok().map(|line| line.trim().to_owned()),
            packages,
        })
    }
}

/// `SOURCE_DATE_EPOCH`, or else the time of the last commit.
fn timestamp() -> Result<u64, Failure> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    match std::env::var(NAME).ok().filter(|value| !value.is_empty()) {
        Some(value) => parse_timestamp(&value)
            .ok_or_else(|| format!("{NAME} is `{value}`, which is not a number of seconds since 1970 (until 2242)")),
        None => capture(&mut command("git", &["log", "-1", "--format=%ct"]))
            .ok()
            .and_then(|line| parse_timestamp(line.trim()))
            .ok_or_else(|| format!("this is not a git clone, so {NAME} has to say what time the files are given")),
    }
}

/// As far as tar can count, which is to the year 2242.
fn parse_timestamp(text: &str) -> Option<u64> {
    text.parse().ok().filter(|&seconds| seconds < 1 << 33)
}

/// RFC 3339, in UTC. Days become a date by Howard Hinnant's `civil_from_days`.
pub fn rfc_3339(timestamp: u64) -> String {
    let (days, seconds) = (timestamp / 86_400, timestamp % 86_400);
    let shifted = days + 719_468; // days since 1 March of the year 0
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100); // from 1 March
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    description: Option<String>,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

/// The packages of the image, from what cargo says.
fn packages(arch: Arch, edition: Edition) -> Result<Vec<Package>, Failure> {
    let mut names = linked(arch, edition)?;
    let json =
        capture(&mut cargo(&["metadata", "--locked", "--format-version=1", "--filter-platform", arch.triple()]))?;
    let metadata: Metadata =
        serde_json::from_str(&json).map_err(|error| format!("cannot read what `cargo metadata` says: {error}"))?;
    if edition.speaks_tls() {
        names.extend(metadata.packages.iter().filter(|package| package.name == CA_ROOTS).map(MetadataPackage::key));
    }
    let lock =
        fs::read_to_string(root().join("Cargo.lock")).map_err(|error| format!("cannot read Cargo.lock: {error}"))?;
    let checksums = checksums(&lock);
    let keys: HashMap<&str, (String, String)> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package.key())).collect();
    let mut dependencies: HashMap<&str, &[String]> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node.dependencies.as_slice())).collect();
    let mut packages: Vec<Package> = metadata
        .packages
        .iter()
        .filter(|package| names.contains(&package.key()))
        .map(|package| {
            let ids = dependencies.remove(package.id.as_str()).unwrap_or_default();
            let linked = ids.iter().filter_map(|id| keys.get(id.as_str())).filter(|key| names.contains(key));
            let mut linked: Vec<_> = linked.cloned().collect();
            linked.sort();
            Package {
                name: package.name.clone(),
                version: package.version.clone(),
                description: package.description.clone(),
                // An older way of writing `OR`.
                licence: package
                    .license
                    .as_ref()
                    .map(|licence| licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")),
                repository: package.repository.clone(),
                directory: package.manifest_path.parent().map(PathBuf::from).unwrap_or_default(),
                checksum: checksums.get(&package.key()).cloned(),
                dependencies: linked,
            }
        })
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    match names.len() == packages.len() {
        true => Ok(packages),
        false => Err("`cargo tree` and `cargo metadata` name different packages".to_owned()),
    }
}

impl MetadataPackage {
    fn key(&self) -> (String, String) {
        (self.name.clone(), self.version.clone())
    }
}

/// What is linked for this target: no tests, no build scripts, no macros. `cargo tree` picks the features of this
/// package alone; `cargo metadata` would mix in what our chores and tests ask for.
fn linked(arch: Arch, edition: Edition) -> Result<BTreeSet<(String, String)>, Failure> {
    let tree = ["tree", "--locked", "--package", "libellus", "--edges", "normal,no-proc-macro", "--prefix", "none"];
    let target = ["--format", "{p}", "--target", arch.triple()];
    let lines = capture(cargo(&tree).args(target).args(edition.features()))?;
    let parse = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    };
    lines
        .lines()
        .map(|line| parse(line).ok_or_else(|| format!("`cargo tree` says `{line}`, which names no package")))
        .collect()
}

/// The sums in `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| {
            Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (timestamp, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc_3339(timestamp), date);
        }
        for text in ["", "-1", "1.5", "8589934592", "yesterday"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn only_what_is_linked_is_named() {
        let facts = packages(Arch::X86_64, Edition::Standard).expect("cargo is there");
        let names: Vec<&str> = facts.iter().map(|package| package.name.as_str()).collect();
        for name in ["libellus", "libellus-kernels", "tokio", "rusqlite", CA_ROOTS] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        // A chore, a test, a macro, and another system's.
        for name in ["xtask", "tar", "proptest", "serde_derive", "windows-sys"] {
            assert!(!names.contains(&name), "{name} is in {names:?}");
        }
        for package in &facts {
            assert!(package.licence.is_some(), "{} has a licence", package.name);
            assert_eq!(package.checksum.is_some(), !package.name.starts_with("libellus"), "{}", package.name);
        }
    }
}
