//! The whole program: the real executable in a temporary folder, its output, errors and exit codes.

mod bad_input;
mod catalogue;
mod documents;
mod embed;
mod health;
mod help;
mod model;
mod service;
mod signals;
mod support;
