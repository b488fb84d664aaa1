//! A book, as every format becomes one.

use serde::{Deserialize, Serialize};

/// A catalogue record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// The source's id; records are updated by it.
    pub id: String,
    /// The title proper.
    pub title: String,
    /// The rest of the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Names, as on the cover.
    #[serde(default)]
    pub authors: Vec<String>,
    /// ISBNs as given, without hyphens and spaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub isbns: Vec<String>,
    /// The publisher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Year of publication; negative before our era.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// BCP 47 language tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Subject headings.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// `adult`, `young adult`, `children`, or what the source says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Every other field of the source.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, serde_json::Value>,
}
