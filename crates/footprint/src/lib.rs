//! What a build is made of, why each part is there, and what each change to it would save.
//!
//! [`measure()`] reads a target and gives a [`Report`], which is sorted and the same each time; everything that is shown is
//! made of it. It starts in `measure.rs`; then
//!
//! - `tree.rs`: files with their inodes, wherever they come from; `files.rs`: their bytes;
//! - `meters.rs`, `size.rs`: the four sizes, and how they are written;
//! - `packages.rs`, `python/`, `node/`, `lock/`: packages, whose each file is, who needs whom; `graph.rs`: what leaves with whom;
//! - `budget.rs`, `config.rs`: limits;
//! - `report/`: what is told, for people and programs.
//!
//! Bad input costs the part that it spoils: it becomes a [`Problem`] with its path, and the rest is measured.
#![forbid(unsafe_code)]

pub mod budget;
pub mod checks;
pub mod config;
pub mod dockerfile;
mod error;
pub mod files;
pub mod fix;
pub mod graph;
pub mod ignore;
pub mod image;
pub mod lock;
mod measure;
pub mod meters;
pub mod node;
pub mod packages;
pub mod plan;
pub mod project;
pub mod python;
pub mod report;
pub mod size;
pub mod toml_file;
pub mod tree;

pub use error::Error;
pub use measure::{Measured, Options, measure, report_of};
pub use report::Report;
pub use tree::Problem;
