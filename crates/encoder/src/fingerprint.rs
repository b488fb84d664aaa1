//! What a vector is comparable with: the space it lies in and the precision it was computed in.

use std::fmt;

/// The number format that a model's weights are multiplied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats: the reference.
    F32,
    /// 8-bit weights and activations.
    Int8,
    /// The same, but word embeddings of 4 bits.
    Int8Words4,
}

impl Precision {
    /// The name used in files, tables and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Int8 => "int8",
            Precision::Int8Words4 => "int8-words4",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Says which vectors may be compared.
///
/// Vectors of two *spaces* never are; the same space in another *precision* is close to, but not the
/// same as, the original. The same goes for two packs of one original that different versions of this
/// program made: both are `int8`, and each is within the accuracy that the model card states.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// 32 hexadecimal digits: the first half of SHA-256 over the original weights, the tokenizer, and
    /// the whole configuration (layers, activation, pooling, window and so on).
    pub space: String,
    /// The precision of the weights that made the vector.
    pub precision: Precision,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.space, self.precision)
    }
}
