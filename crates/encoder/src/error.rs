//! Everything that can go wrong between a model's files and a vector.

use crate::tokenizer::TokenizerError;
use std::io;
use std::path::PathBuf;

/// An error of this crate. Each names the file, and the tensor where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without the files of a model.
    #[error("`{path}` is missing; a sentence-transformers model has `{file}`{hint}")]
    MissingFile {
        /// The file that is not there.
        path: PathBuf,
        /// Its name.
        file: &'static str,
        /// What to do, or nothing.
        hint: &'static str,
    },
    /// A file that should be JSON, with certain keys, and is not.
    #[error("`{path}` is not the JSON that was expected")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A model of a kind that this encoder does not run.
    #[error("`{path}`: {found}, but {expected}")]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What this encoder reads.
        expected: String,
    },
    /// A weights file that cannot be taken apart.
    #[error("`{path}` is not a whole safetensors file; get it again")]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// A tensor that is missing or not as the configuration says.
    #[error("`{path}`: tensor `{tensor}` {found}, expected {expected}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What is there.
        found: String,
        /// What should be.
        expected: String,
    },
    /// A pack that is damaged, or of another version.
    #[error("`{path}` is not a usable pack: {reason}")]
    Pack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A pack whose header is not what it should be.
    #[error("`{path}` is not a usable pack: its header cannot be read; get it again")]
    PackHeader {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A model that cannot be packed.
    #[error("`{path}` cannot be packed: {reason}")]
    CannotPack {
        /// The model's directory.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The tokenizer's files.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}
