//! Every chore of the repository, as `cargo xtask NAME`.
//!
//! A chore is a list of commands that anyone could type; each is printed before it runs. What a chore
//! needs and the machine lacks is installed first, and said ([`tools`]).
#![forbid(unsafe_code)]

mod alone;
mod cross;
mod databases;
mod deployment;
mod dist;
mod elf;
mod emulated;
mod image;
mod measure;
mod model;
mod page;
mod peers;
mod release;
mod run;
mod runtime_api;
mod scratch;
mod size;
mod test;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask NAME

  test [STEP…]     everything that CI checks: format, lints, tests, documentation, the executable
                   alone and on emulated processors, the search page, the image, a release; or only the
                   steps of these names
  dist [--lite] [--target aarch64]
                   the executable as it is shipped, static, into target/dist/ARCH; or the smallest one
  image [--lite] [--target aarch64] [--executable FILE] [--output FILE | --root DIR]
                   the image with the executable, as an OCI archive, into target/dist/ARCH; or only its root
  image --check FILE
                   whether an image archive is whole, and its sizes
  size [--record]  what the executable is made of, held against its budget and against size.json;
                   --record writes size.json
  release TAG      all files of a release, with their sums, into target/dist/release
  fetch-model      the original all-MiniLM-L6-v2, checked, into target/models
  pack-model DIR   make the packs in models/ again from that model, and say which changed
  peers [FLAGS]    libellus and other runtimes, measured side by side (bench/README.md); --help has the flags
  screenshots DIR  pictures of the search page over the sample catalogue
  measure          start-up times and memory of the shipped executable, into bench/results
  measure --quick  the same from a few runs, printed only
  measure FILE     the same of an executable that is there already, printed only
  help             this text

Missing tools are installed with apt-get (through sudo where needed), Python's pip and npm; each
such step is announced.";

/// What a chore says when it cannot go on: what happened, and what to do.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test", steps @ ..] => test::run(steps),
        ["dist", options @ ..] => dist::run_chore(options),
        [alone::INSIDE, executable, root] => alone::inside(Path::new(executable), Path::new(root)),
        ["image", options @ ..] => image::run(options),
        ["size"] => size::check(),
        ["size", "--record"] => size::record(),
        ["release", tag] => release::run_chore(tag),
        ["fetch-model"] => model::fetch().map(|directory| println!("the model is in {}", directory.display())),
        ["pack-model", directory] => model::pack(Path::new(directory)),
        ["peers", arguments @ ..] => peers::run(arguments),
        ["screenshots", directory] => page::screenshots(Path::new(directory)),
        ["measure"] => measure::run(measure::Effort::Full),
        ["measure", "--quick"] => measure::run(measure::Effort::Quick),
        ["measure", executable] => measure::run_with(Path::new(executable), measure::Effort::Quick),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("error: there is no chore `{}`\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Where builds go.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |target| root().join(target))
}
