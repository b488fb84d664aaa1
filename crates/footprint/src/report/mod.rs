//! What is told of a target: one value, of which the terminal, JSON and the other forms are made.
//!
//! Everything in it is sorted, and nothing depends on the time or the machine, so the same target gives the same bytes.

pub mod bars;
pub mod diff;
pub mod html;
pub mod map;
pub mod sarif;
pub mod terminal;
pub mod why;

use crate::checks::{Finding, Severity};
use crate::image::ImageReport;
use crate::meters::Meters;
use crate::packages::{Ecosystem, Installed, Package};
use crate::plan::Step;
use crate::tree::Problem;
use serde::Serialize;

/// The name of the form in JSON. It gets another number when a field changes its meaning.
pub const SCHEMA: &str = "libellus.footprint/1";

/// Everything about a target.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was measured.
    pub target: Target,
    /// The four sizes.
    pub meters: Meters,
    /// Regular files, each inode once.
    pub files: u64,
    /// Installed packages, by name.
    pub packages: Vec<PackageRow>,
    /// Bytes of content that belong to no package.
    pub unowned: u64,
    /// What the target is made of at its first level, largest first.
    pub parts: Vec<Part>,
    /// Of an image: its layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReport>,
    /// What checks found, the gravest first.
    pub findings: Vec<Finding>,
    /// What each change saves after the ones before it.
    pub plan: Vec<Step>,
    /// How many findings were accepted by a comment.
    pub accepted: usize,
    /// What could not be read; the rest was measured.
    pub problems: Vec<Problem>,
}

impl Report {
    /// What its packages are a part of: content, or what is downloaded.
    pub fn whole(&self) -> u64 {
        self.meters.content.or(self.meters.download).unwrap_or_default()
    }

    /// Whether a finding is an error: the exit code says so.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// As it was given.
    pub path: String,
    /// What it was taken for.
    pub kind: Kind,
    /// What it is for, e.g. `linux/amd64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The version of Python that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
}

/// What a target can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A lock file.
    Lock,
    /// A `node_modules`.
    NodeModules,
    /// A virtual environment, or a directory of packages.
    PythonEnvironment,
    /// A folder with a Dockerfile or a file of requirements.
    Project,
    /// An image, in whatever form it is kept.
    Image,
    /// Any other directory.
    Folder,
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Lock => "lock file",
            Kind::NodeModules => "node_modules",
            Kind::PythonEnvironment => "Python environment",
            Kind::Project => "project",
            Kind::Image => "image",
            Kind::Folder => "folder",
        }
    }
}

/// An installed package.
#[derive(Clone, Debug, Serialize)]
pub struct PackageRow {
    /// In its one form.
    pub name: String,
    /// As it is installed.
    pub version: String,
    /// Bytes of its own files; unknown of what is not there.
    pub content: Option<u64>,
    /// Bytes on disk of the same.
    pub disk: Option<u64>,
    /// How many those are.
    pub files: Option<u64>,
    /// Bytes that would leave with it.
    pub retained: Option<u64>,
    /// Bytes that are downloaded for it, where a lock says that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download: Option<u64>,
    /// Those that would not be downloaded without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retained_download: Option<u64>,
    /// Whether it was asked for by name.
    pub direct: bool,
    /// Whether only developers need it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dev: bool,
    /// Who installs such packages.
    pub ecosystem: Ecosystem,
    /// Where it really is, if it is editable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub editable: Option<String>,
    /// What it needs on this platform.
    pub requires: Vec<String>,
    /// What it needs and is not installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Why it is there.
    pub required_by: Vec<Reason>,
}

impl PackageRow {
    /// What it takes where it is installed; else what is downloaded for it.
    pub fn weight(&self) -> Option<u64> {
        self.content.or(self.download)
    }

    /// What would leave with it, or not be downloaded without it.
    pub fn retained_weight(&self) -> Option<u64> {
        self.retained.or(self.retained_download)
    }
}

/// Who needs a package.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// Who.
    pub name: String,
    /// How that is written.
    pub requirement: String,
}

/// A part of the target.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its path; a directory ends in `/`.
    pub path: String,
    /// Bytes of its regular files. A file with names in several parts counts for the first.
    pub content: u64,
    /// How many those are.
    pub files: u64,
}

/// The rows of a report for these packages.
pub(crate) fn package_rows(packages: &Installed) -> Vec<PackageRow> {
    let name = |index: &usize| packages.all[*index].name.clone();
    let rows = packages.all.iter().map(|package| PackageRow {
        name: package.name.clone(),
        version: package.version.clone(),
        content: packages.measured.then_some(package.content),
        disk: packages.measured.then_some(package.disk),
        files: packages.measured.then_some(package.files),
        retained: packages.measured.then_some(package.retained),
        download: package.download,
        retained_download: package.retained_download,
        direct: package.direct,
        dev: package.dev,
        ecosystem: package.ecosystem,
        editable: package.editable.clone(),
        requires: package.requires.iter().map(name).collect(),
        missing: package.missing.clone(),
        required_by: reasons(packages, package),
    });
    rows.collect()
}

/// Who needs a package.
fn reasons(packages: &Installed, package: &Package) -> Vec<Reason> {
    let reason = |(by, requirement): &(usize, String)| Reason {
        name: packages.all[*by].name.clone(),
        requirement: requirement.clone(),
    };
    package.required_by.iter().map(reason).collect()
}
