//! Real database servers for the tests of the PostgreSQL store: Debian's PostgreSQL and PgBouncer, and a PostgreSQL with
//! pgvector from PyPI. The tests start and stop them; here they are only installed.

use crate::run::{command, run};
use crate::{Failure, target, tools};
use std::fs;
use std::path::PathBuf;

/// PostgreSQL 16 with pgvector. The programs do not depend on Python, so any of its wheels will do.
const PGVECTOR: &str = "pgserver==0.1.4";
const PGVECTOR_WHEEL: &str = "pgserver-0.1.4-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl";

/// Where Debian keeps PostgreSQL's programs, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// Variables that tell the tests where the programs are, after installing what is missing.
pub fn variables() -> Result<Vec<(&'static str, PathBuf)>, Failure> {
    let mut variables = vec![
        ("LIBELLUS_TEST_POSTGRES_BIN", tools::require_at(&tools::POSTGRES, debian_programs)?),
        ("LIBELLUS_TEST_PGBOUNCER", tools::require_at(&tools::PGBOUNCER, pgbouncer)?),
    ];
    tools::require(&tools::OPENSSL)?;
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        variables.push(("LIBELLUS_TEST_PGVECTOR_BIN", fetch_pgvector()?));
    } else {
        println!("there is no build of pgvector to fetch for this system: its tests will say that they skip");
    }
    Ok(variables)
}

/// The programs of the newest version.
fn debian_programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let number = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    versions.filter(|bin| bin.join("initdb").is_file()).max_by_key(number)
}

/// A program for administrators, whose folder not everyone has in `PATH`.
fn pgbouncer() -> Option<PathBuf> {
    ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from).into_iter().find(|path| path.is_file())
}

/// Fetches the wheel into `target/pgserver`, unless it is there, and gives the folder of its programs.
fn fetch_pgvector() -> Result<PathBuf, Failure> {
    let directory = target().join("pgserver");
    let bin = directory.join("pgserver/pginstall/bin");
    if bin.join("postgres").is_file() {
        return Ok(bin);
    }
    tools::require_pip()?;
    println!("fetching PostgreSQL with pgvector (11 MB, PostgreSQL licence) for the tests of the catalogue");
    let downloads = target().join("pgserver-download");
    let wheel = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"];
    let built_for = ["--python-version", "3.12", "--implementation", "cp", "--platform", "manylinux2014_x86_64"];
    run(command("python3", &[&wheel[..], &built_for].concat()).arg("--dest").arg(&downloads).arg(PGVECTOR))?;
    // Unpacked beside, and moved when whole: a broken-off run is then begun anew.
    let unpacked = downloads.join("unpacked");
    for old in [&unpacked, &directory].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old).map_err(|error| format!("cannot remove `{}`: {error}", old.display()))?;
    }
    let archive = downloads.join(PGVECTOR_WHEEL);
    run(command("python3", &["-m", "zipfile", "--extract"]).arg(&archive).arg(&unpacked))?;
    // Python's unzip forgets who may run what.
    run(command("chmod", &["-R", "a+rx"]).arg(unpacked.join("pgserver/pginstall/bin")))?;
    fs::rename(&unpacked, &directory)
        .map_err(|error| format!("cannot move `{}` to `{}`: {error}", unpacked.display(), directory.display()))?;
    Ok(bin)
}
