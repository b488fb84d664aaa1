//! What can go wrong so far that there is nothing to report. Whatever costs only a part of the answer is a
//! [`crate::Problem`] instead, and the rest is measured.

use std::io;
use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A target that is not there, or may not be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// What was given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something that is neither of the things that can be measured.
    #[error("`{}` is nothing that can be measured: {reason}", path.display())]
    UnknownTarget {
        /// What was given.
        path: PathBuf,
        /// What it was taken for, or what it lacks.
        reason: String,
    },
    /// `--why` for what is not there.
    #[error("`{package}` is not installed in `{target}`{}", near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    NoSuchPackage {
        /// What was asked for.
        package: String,
        /// Where.
        target: String,
        /// The name that comes nearest.
        near: Option<String>,
    },
    /// A `footprint.toml` that cannot be understood.
    #[error("`{}`: {reason}", path.display())]
    BadConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        reason: String,
    },
    /// Not a number of bytes.
    #[error("`{text}` is no size; write `50MB`, `1.5 GB`, `200MiB` or a number of bytes")]
    BadSize {
        /// What was given.
        text: String,
    },
    /// Not a platform.
    #[error("`{text}` is no platform; write e.g. `linux/amd64`, `linux/arm64`, `darwin/arm64` or `windows/amd64`")]
    BadPlatform {
        /// What was given.
        text: String,
    },
}

impl Error {
    /// Whether nothing could be read, rather than something asked wrongly.
    pub fn is_about_reading(&self) -> bool {
        matches!(self, Error::Unreadable { .. } | Error::UnknownTarget { .. })
    }
}
