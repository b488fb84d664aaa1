//! Where the index of meanings is kept between runs: it is opened then instead of made, and takes little memory.
//!
//! An index file is of one state of a catalogue and never changes; what has changed since is read from the catalogue and
//! kept in memory beside it, until that is worth another file. Its name says which catalogue, model and revision it is of.
//! It gets the name when it is whole, so processes may share a directory; whoever writes a file removes the older ones,
//! which others go on reading as long as they have them open. A file that is damaged, or that is not of a state which the
//! catalogue has been in, is as good as none.

use crate::Error;
use crate::snapshot::Embeddings;
use libellus_catalogue::{Catalogue, CatalogueState};
use libellus_encoder::Encoder;
use libellus_index::VectorIndex;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of memory that a passage takes beside its vector and the codes of it.
const BYTES_OF_PLACE: u64 = 32;
/// The end of an index file's name.
const ENDING: &str = ".index";

/// How an index of meanings is kept.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// Where index files are; without it, vectors are kept in memory.
    pub directory: Option<PathBuf>,
    /// How much memory the vectors and what is made of them may take.
    pub most_bytes: Option<u64>,
    /// Is told what was wrong with a file or the directory. That is no error: the index is made anew, in memory if need be.
    pub trouble: fn(&Error),
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { directory: None, most_bytes: None, trouble: |_| {} }
    }
}

/// The files of one catalogue and space.
pub(crate) struct IndexFiles<'a> {
    directory: &'a Path,
    key: String,
    options: &'a IndexOptions,
}

impl IndexOptions {
    pub(crate) fn files(&self, catalogue: &Catalogue, encoder: &Encoder) -> Option<IndexFiles<'_>> {
        let key = format!("{}\n{}", encoder.info().fingerprint.space, catalogue.location());
        self.directory.as_deref().map(|directory| IndexFiles { directory, key, options: self })
    }

    /// An error if so many passages would take more memory than they may.
    pub(crate) fn check_memory(&self, passages: u64, dim: usize, in_file: bool) -> Result<(), Error> {
        let bytes = |in_file| {
            let vector = if in_file { 0 } else { 4 * dim as u64 };
            passages * (dim as u64 / 2 + BYTES_OF_PLACE + vector)
        };
        match self.most_bytes {
            Some(most) if bytes(in_file) > most => {
                Err(Error::IndexTooLarge { passages, needed: bytes(in_file), most, in_files: bytes(true) })
            }
            _ => Ok(()),
        }
    }
}

impl IndexFiles<'_> {
    /// What the key is checked by when a file is opened.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Makes the directory. Whether that went well is found when a file is made in it.
    pub fn make_directory(&self) {
        let _ = fs::create_dir_all(self.directory);
    }

    /// The file of a state.
    pub fn path(&self, state: &CatalogueState) -> PathBuf {
        self.directory.join(format!("{}{}{ENDING}", self.stem(), state.revision))
    }

    /// The newest file that can be read.
    pub fn open(&self, encoder: &Arc<Encoder>) -> Option<Embeddings> {
        self.all().into_iter().find_map(|(_, path)| {
            let opened = VectorIndex::open(&path, &self.key).map_err(Error::from);
            let embeddings = opened.map(|(index, notes)| Embeddings::of_file(encoder, index, &notes));
            match embeddings {
                Ok(embeddings) => embeddings,
                Err(error) => {
                    (self.options.trouble)(&error);
                    None
                }
            }
        })
    }

    /// Removes what is older than the file of a state, and what others have left unfinished long ago.
    pub fn remove_before(&self, state: &CatalogueState) {
        for (revision, path) in self.all() {
            if revision < state.revision {
                // Elsewhere than on Unix it stays as long as someone reads it, and goes next time.
                let _ = fs::remove_file(path);
            }
        }
        let is_old = |path: &Path| {
            let changed = path.metadata().and_then(|metadata| metadata.modified()).ok();
            changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age.as_secs() > 86_400)
        };
        for path in self.names().filter(|path| path.extension().is_some_and(|end| end == "part") && is_old(path)) {
            let _ = fs::remove_file(path);
        }
    }

    /// All files with their revisions, the newest first.
    fn all(&self) -> Vec<(i64, PathBuf)> {
        let stem = self.stem();
        let revision = |path: &Path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(&stem)?.strip_suffix(ENDING)?.parse::<i64>().ok()
        };
        let mut all: Vec<_> = self.names().filter_map(|path| Some((revision(&path)?, path))).collect();
        all.sort_by(|a, b| b.cmp(a));
        all
    }

    fn names(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(self.directory).into_iter().flatten().flatten().map(|entry| entry.path())
    }

    /// What the names of all files of this catalogue and space begin with: FNV-1a of the key.
    fn stem(&self) -> String {
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("vectors-{:016x}-", self.key.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }
}

/// What a file holds beside the index: the state, how many books are embedded, the books and the places of rows.
pub(crate) struct Notes {
    pub state: CatalogueState,
    pub embedded_books: usize,
    pub books: Vec<i64>,
    pub ordinals: Vec<u32>,
}

impl Notes {
    pub fn to_bytes(state: &CatalogueState, embedded_books: usize, books: &[i64], ordinals: &[u32]) -> Vec<u8> {
        let head = [state.revision, state.mark.0, state.mark.1, embedded_books as i64, books.len() as i64];
        let mut bytes = Vec::with_capacity(8 * (head.len() + books.len()) + 4 * ordinals.len());
        head.iter().chain(books).for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        ordinals.iter().for_each(|ordinal| bytes.extend_from_slice(&ordinal.to_le_bytes()));
        bytes
    }

    /// Those of an index; none if they do not belong together.
    pub fn of(bytes: &[u8], index: &VectorIndex) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(5 * 8)?;
        let numbers = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect::<Vec<i64>>();
        let [revision, mark_revision, mark, embedded_books, n_books] = numbers(head)[..] else { return None };
        let (books, ordinals) = rest.split_at_checked(usize::try_from(n_books).ok()?.checked_mul(8)?)?;
        let ordinals: Vec<u32> = ordinals.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let notes = Self {
            state: CatalogueState { revision, mark: (mark_revision, mark) },
            embedded_books: usize::try_from(embedded_books).ok()?,
            books: numbers(books),
            ordinals,
        };
        let fits = notes.ordinals.len() == index.len()
            && notes.books.is_sorted_by(|a, b| a < b)
            && index.groups().last().is_none_or(|&last| (last as usize) < notes.books.len());
        fits.then_some(notes)
    }
}
