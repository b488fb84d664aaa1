//! The `libellus` executable: a command line turned into calls to the other crates.
//!
//! Read [`cli`] for what can be typed, then the file of a command under `commands/`: each parses,
//! calls and prints, and leaves the work to the crates below. Whatever goes wrong comes back here
//! as one [`error::Error`] and is printed once.
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
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::with_command_of_name(std::env::args_os().collect());
    match cli::Cli::parse_from(arguments).run() {
        Ok(outcome) => outcome.into(),
        Err(error) => error.report(),
    }
}
