//! What was measured of vectors that another program made: how near they are to ours of the same texts.

use serde::{Deserialize, Serialize};

/// The least cosine that every sampled vector must reach: what our least exact model is held to over all its golden
/// texts (`models/README.md`). A text that differs in a word, or another model, is further away.
pub const MEASURED_LEAST: f64 = 0.994;

/// The mean that they must reach, in the same way.
pub const MEASURED_MEAN: f64 = 0.998;

/// So many must have been compared, or all: if one vector in twenty were off, a sample of this size would miss it less
/// often than one time in ten.
pub const MEASURED_SAMPLE: u64 = 50;

/// That stored vectors were found to be of the model's own space, in another precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The space.
    pub space: String,
    /// The precision that the stored vectors are taken to have.
    pub precision: String,
    /// The precision of the vectors that they were compared with.
    pub compared_with: String,
    /// What was embedded: see [`super::Template`].
    pub template: String,
    /// Vectors compared.
    pub sampled: u64,
    /// Vectors that could have been.
    pub of: u64,
    /// The least cosine.
    pub least: f64,
    /// The mean.
    pub mean: f64,
}

impl Agreement {
    /// Whether vectors as near as these can be searched together with ours.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.is_enough() && self.least >= MEASURED_LEAST && self.mean >= MEASURED_MEAN
    }

    /// Whether enough of them were compared.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.sampled > 0 && self.sampled >= MEASURED_SAMPLE.min(self.of)
    }
}

/// The embeddings of one precision in a space.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredPrecision {
    /// The precision of the model that made them.
    pub precision: String,
    /// How many there are.
    pub embeddings: u64,
    /// What was measured when they were taken over from another program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
}

impl StoredPrecision {
    /// From what a store holds; `measured` in a form of another version counts as nothing.
    pub(crate) fn new(precision: String, embeddings: u64, measured: Option<String>) -> Self {
        Self { precision, embeddings, agreement: measured.and_then(|text| serde_json::from_str(&text).ok()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_safe_is_near_always_and_measured_often_enough() {
        for (sampled, of, least, mean, expected) in [
            (200, 50_000, 0.9986, 0.9995, true),
            (200, 50_000, 0.9930, 0.9995, false),
            (200, 50_000, 0.9950, 0.9970, false),
            (10, 50_000, 1.0, 1.0, false),
            (10, 10, 1.0, 1.0, true),
            (0, 0, 1.0, 1.0, false),
            (200, 50_000, f64::NAN, f64::NAN, false),
        ] {
            let agreement = Agreement {
                space: String::new(),
                precision: "f32".to_owned(),
                compared_with: "int8".to_owned(),
                template: "{title}".to_owned(),
                sampled,
                of,
                least,
                mean,
            };
            assert_eq!(agreement.is_safe(), expected, "{agreement:?}");
        }
    }
}
