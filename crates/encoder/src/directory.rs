//! Opens a sentence-transformers model from its directory.

use crate::config::Config;
use crate::model::DenseModel;
use crate::weights::Weights;
use crate::{Error, Fingerprint, Precision, Tokenizer};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

/// A model as its authors published it.
pub(crate) struct Directory {
    pub dense: DenseModel,
    pub tokenizer: Tokenizer,
    /// Of `model.safetensors`.
    pub weights_sha256: [u8; 32],
}

impl Directory {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let config = Config::open(directory)?;
        let tokenizer = Tokenizer::open(directory)?;
        if tokenizer.vocabulary_size() > config.vocabulary {
            return Err(Error::Unsupported {
                path: directory.join("config.json"),
                found: format!("the vocabulary has {} entries", config.vocabulary),
                expected: format!("the tokenizer has {}; they belong to two models", tokenizer.vocabulary_size()),
            });
        }
        let path = directory.join("model.safetensors");
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::MissingFile {
                path: path.clone(),
                file: "model.safetensors",
                hint: "; older files (`pytorch_model.bin`) must be converted first",
            },
            _ => Error::Read { path: path.clone(), source },
        })?;
        let weights_sha256 = Sha256::digest(&bytes).into();
        let dense = DenseModel::read(config, &Weights::parse(&path, &bytes)?)?;
        Ok(Self { dense, tokenizer, weights_sha256 })
    }

    /// What the float model's vectors may be compared with.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let config = &self.dense.config;
        let space = Sha256::new()
            .chain_update(b"libellus space 1\n")
            .chain_update(self.weights_sha256)
            .chain_update(self.tokenizer.digest())
            .chain_update(serde_json::to_vec(config).expect("a configuration is plain data"))
            .finalize();
        Fingerprint { space: hex(&space[..16]), precision: Precision::F32 }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
