//! The `libellus` executable. All that it does is in `libellus-cli`, which is made small; this crate has the level of
//! optimisation that the whole is linked with, which is for speed.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    libellus_cli::run(std::env::args_os())
}
