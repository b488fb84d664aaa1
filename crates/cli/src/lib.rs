//! The command line of libellus, turned into calls to the other crates.
//!
//! Read `cli.rs` for what can be typed, then the file of a command under `commands/`: each parses,
//! calls and prints, and leaves the work to the crates below. Whatever goes wrong comes back here
//! as one `error::Error` and is printed once.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod database;
mod error;
mod files;
mod filter;
mod input;
mod interrupt;
mod memory;
mod model;
mod outcome;
mod output;
mod output_file;
mod progress;
mod rejects;
mod sample;
mod settings;
mod threads;

use clap::Parser;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that is typed: the program's name first, as an operating system gives it. What goes wrong has been
/// printed when this returns.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = cli::with_command_of_name(arguments.into_iter().collect());
    match cli::Cli::parse_from(arguments).run() {
        Ok(outcome) => outcome.into(),
        Err(error) => error.report(),
    }
}
