//! `cargo xtask image`: the image that `deploy/Dockerfile` builds, without a container engine.
//!
//! Read [`root_tree`] for what is in it, [`config`] for how it starts, and [`archive`] for how both become one file.
//! Nothing in it depends on the machine or the hour: the same executable gives the same bytes.

mod acceptance;
mod archive;
mod ca_roots;
mod check;
mod config;
mod contained;
mod dockerfile;
mod facts;
mod licences;
mod root_tree;
mod sbom;

use crate::dist::{self, Arch, Edition};
use crate::{Failure, elf, target};
pub use acceptance::check;
use check::Sizes;
use facts::Facts;
use root_tree::Entry;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// What is asked for.
struct Options {
    arch: Arch,
    edition: Edition,
    executable: Option<PathBuf>,
    output: Output,
}

enum Output {
    /// An archive in `target/dist`.
    Usual,
    /// An archive there.
    Archive(PathBuf),
    /// The root alone, for a Dockerfile.
    Root(PathBuf),
}

/// Makes the image, or checks one.
pub fn run(arguments: &[&str]) -> Result<(), Failure> {
    if let ["--check", file] = arguments {
        return print_sizes(Path::new(file)).map(drop);
    }
    let options = parse(arguments)?;
    let executable = match options.executable {
        Some(path) => path,
        None => dist::build_edition(options.arch, options.edition)?,
    };
    let archive = match options.output {
        Output::Root(directory) => {
            let (entries, facts, _) = collect(options.arch, options.edition, &executable)?;
            root_tree::write(&entries, &directory, facts.timestamp)?;
            println!("the root of the image is in {}", directory.display());
            return Ok(());
        }
        Output::Archive(path) => path,
        Output::Usual => {
            let directory = target().join("dist").join(options.arch.name());
            fs::create_dir_all(&directory)
                .map_err(|error| format!("cannot make `{}`: {error}", directory.display()))?;
            directory.join(archive_name(options.arch, options.edition))
        }
    };
    make(options.arch, options.edition, &executable, &archive).map(drop)
}

/// Writes the archive with this executable, and the bill of materials beside it.
pub fn make(arch: Arch, edition: Edition, executable: &Path, archive: &Path) -> Result<Sizes, Failure> {
    let (entries, facts, sbom) = collect(arch, edition, executable)?;
    archive::write(&entries, &facts, &sbom, archive)?;
    let sbom_path = sbom_path(archive);
    write_whole(&sbom_path, sbom.as_bytes())?;
    println!("{}: the bill of materials", sbom_path.display());
    print_sizes(archive)
}

/// What goes into the image, what there is to say about it, and the bill of materials.
fn collect(arch: Arch, edition: Edition, executable: &Path) -> Result<(Vec<Entry>, Facts, String), Failure> {
    let content = fs::read(executable).map_err(|error| format!("cannot read `{}`: {error}", executable.display()))?;
    elf::check_static(&content, arch, executable)?;
    let facts = Facts::collect(arch, edition)?;
    let sbom = sbom::cyclonedx(&facts, &content)?;
    Ok((root_tree::collect(content, &facts)?, facts, sbom))
}

/// How an archive is called.
pub fn archive_name(arch: Arch, edition: Edition) -> String {
    format!("libellus{}-{}-{}.oci.tar", edition.suffix(), env!("CARGO_PKG_VERSION"), arch.name())
}

/// `FILE.cdx.json` for `FILE.oci.tar` or `FILE`.
fn sbom_path(archive: &Path) -> PathBuf {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".tar").unwrap_or(&name);
    archive.with_file_name(format!("{}.cdx.json", stem.strip_suffix(".oci").unwrap_or(stem)))
}

/// Reads the archive again, all of it, and says how large the image is.
fn print_sizes(archive: &Path) -> Result<Sizes, Failure> {
    let sizes = check::check(archive)?;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("{}: an image, whole", archive.display());
    println!("  unpacked    {:>11} bytes  {:>5.1} MB", sizes.unpacked_bytes, megabytes(sizes.unpacked_bytes));
    println!("  compressed  {:>11} bytes  {:>5.1} MB", sizes.compressed_bytes, megabytes(sizes.compressed_bytes));
    Ok(sizes)
}

fn parse(arguments: &[&str]) -> Result<Options, Failure> {
    let mut options =
        Options { arch: Arch::host()?, edition: Edition::Standard, executable: None, output: Output::Usual };
    let mut words = arguments.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("`{word}` needs a value"));
        match word {
            "--target" => options.arch = Arch::from_name(value()?)?,
            "--lite" => options.edition = Edition::Lite,
            "--executable" => options.executable = Some(value()?.into()),
            "--output" | "--root" if !matches!(options.output, Output::Usual) => {
                return Err("`--output` and `--root` exclude each other".to_owned());
            }
            "--output" => options.output = Output::Archive(value()?.into()),
            "--root" => options.output = Output::Root(value()?.into()),
            _ => return Err(format!("`{word}` is not understood; `cargo xtask help` shows what is")),
        }
    }
    Ok(options)
}

/// Writes a file under another name first: whoever finds it finds all of it.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, content).and_then(|()| fs::rename(&partial, path)).map_err(|error| {
        // It may not be there at all.
        let _ = fs::remove_file(&partial);
        format!("cannot write `{}`: {error}", path.display())
    })
}

/// The name of a blob: `sha256:…`.
fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}

/// Where an image layout keeps a blob.
fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
