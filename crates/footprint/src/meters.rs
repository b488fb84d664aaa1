//! The four sizes that one build has, and how each is known. Most arguments about sizes are about which of them is
//! meant, so they are never mixed, and what is not known is `None`, never a guess.

use serde::Serialize;

/// The four sizes of a target, in bytes; `None` is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Meters {
    /// Bytes of the regular files that can be reached at the end, each inode once.
    pub content: Option<u64>,
    /// Bytes of regular files in all layers, those that a later layer hides included. Without layers, none.
    pub stored: Option<u64>,
    /// What is transferred: compressed layers, or the wheels of a lock file.
    pub download: Option<u64>,
    /// What the file system gives away, in blocks; with a containerd store, blobs and what is unpacked.
    pub disk: Option<u64>,
}

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Meter {
    /// See [`Meters::content`].
    Content,
    /// See [`Meters::stored`].
    Stored,
    /// See [`Meters::download`].
    Download,
    /// See [`Meters::disk`].
    Disk,
}

impl Meter {
    /// All, in the order in which they are shown.
    pub const ALL: [Meter; 4] = [Meter::Content, Meter::Stored, Meter::Download, Meter::Disk];

    /// Its name in reports and settings.
    pub fn name(self) -> &'static str {
        match self {
            Meter::Content => "content",
            Meter::Stored => "stored",
            Meter::Download => "download",
            Meter::Disk => "disk",
        }
    }
}

impl Meters {
    /// What one of them says.
    pub fn get(&self, meter: Meter) -> Option<u64> {
        match meter {
            Meter::Content => self.content,
            Meter::Stored => self.stored,
            Meter::Download => self.download,
            Meter::Disk => self.disk,
        }
    }
}

/// How a number came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The very files were read.
    Measured,
    /// It follows from what was measured, or from tables that name their source.
    Computed,
    /// A range from experience; it never enters a budget.
    Estimated,
}

impl Evidence {
    /// As it is written in reports.
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Measured => "measured",
            Evidence::Computed => "computed",
            Evidence::Estimated => "estimated",
        }
    }
}
