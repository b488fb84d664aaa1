//! Dockerfiles, with the line of everything, so that a finding can point at it and an edit can leave the rest alone.
//!
//! The parser follows BuildKit's, and is held to BuildKit's own test files. `shell.rs` takes the commands of a `RUN`
//! apart, `stages.rs` says what is built on what.

mod parse;
pub mod shell;
pub mod stages;

pub use parse::{Dockerfile, Heredoc, Instruction, SyntaxError};
