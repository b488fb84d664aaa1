//! Whether a catalogue is what it should be, and mending what can be made again.
//!
//! Everything is read once, as of one moment, and compared with what it was made from: passages with their books,
//! hashes with texts, embeddings with passages. What the database itself says of its file comes first. Nothing is
//! written, unless [`repair`] is called with what was found.

use crate::store::{BookRow, CutBook, DumpRow, DumpedEmbedding, DumpedPassage, PassageRow, text_hash};
use crate::{Catalogue, Error, PassageCutter};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Findings that a report keeps.
const KEPT: usize = 1000;

/// Books that are cut again in one transaction.
const BATCH: usize = 500;

/// How far a vector's length may be from 1: what four decimals leave of a vector of our models.
pub const LENGTH_TOLERANCE: f64 = 2e-3;

/// What a catalogue is checked for.
pub struct Expected<'a> {
    /// What cuts passages for the model.
    pub cutter: &'a dyn PassageCutter,
    /// The model's space, in which every passage should have a fresh embedding.
    pub space: &'a str,
    /// The width of its vectors.
    pub dim: usize,
    /// Whether its vectors have the length 1.
    pub is_normalized: bool,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The database's own structure.
    Database,
    /// A row whose book or passage is gone.
    Orphan,
    /// A record that cannot be read as a book.
    Book,
    /// Passages that are not those of their book.
    Passages,
    /// A passage whose hash is not its text's.
    Hash,
    /// A vector that cannot be searched.
    Vector,
    /// The number that grows with every change.
    Revision,
    /// An index that is not what the catalogue holds.
    Index,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub fault: Fault,
    /// The book, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub book_id: Option<String>,
    /// In words.
    pub detail: String,
}

/// Embeddings of one space and precision.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EmbeddingCounts {
    /// What makes vectors comparable.
    pub space: String,
    /// How exact the model was that made them.
    pub precision: String,
    /// Those of a passage's present text.
    pub fresh: u64,
    /// Those of a text that has changed since; never shown.
    pub stale: u64,
    /// Those that cannot be searched.
    pub wrong: u64,
}

/// What a check found.
#[derive(Debug, Default, serde::Serialize)]
pub struct CheckReport {
    /// Books.
    pub books: u64,
    /// Passages.
    pub passages: u64,
    /// The catalogue's revision.
    pub revision: i64,
    /// Every kind of embedding that is stored.
    pub embeddings: Vec<EmbeddingCounts>,
    /// Passages without a fresh embedding of the model.
    pub missing: u64,
    /// Books whose passages are not those that the model would be given, in a catalogue that was migrated: another model
    /// cut them, and their embeddings are as good.
    pub cut_otherwise: u64,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub found: u64,
    /// Fresh embeddings of the model, and a sum over their places to compare an index with.
    #[serde(skip)]
    pub fresh_places: (u64, u64),
    #[serde(skip)]
    wrong_embeddings: Vec<(i64, String)>,
    #[serde(skip)]
    books_to_cut: Vec<i64>,
    #[serde(skip)]
    orphans: bool,
}

/// What a repair did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// Rows that belonged to nothing, deleted.
    pub orphans: u64,
    /// Embeddings that could not be searched, deleted.
    pub embeddings: u64,
    /// Books that were cut into passages again.
    pub books: u64,
}

impl CheckReport {
    /// Adds a finding.
    pub fn add(&mut self, fault: Fault, book_id: Option<String>, detail: String) {
        self.found += 1;
        if self.findings.len() < KEPT {
            self.findings.push(Finding { fault, book_id, detail });
        }
    }

    /// Whether nothing is wrong and nothing is missing.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.found == 0 && self.missing == 0
    }
}

/// What stands for a passage's place in the sum over all of them, whatever their order.
#[must_use]
pub fn place_hash(book_rowid: i64, ordinal: u32) -> u64 {
    hash_of(&(book_rowid, ordinal))
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Reads everything, and compares it with what it should be.
///
/// # Errors
/// What keeps the catalogue from being read, as [`Catalogue::each_book`].
pub fn check(catalogue: &Catalogue, expected: &Expected<'_>) -> Result<CheckReport, Error> {
    let mut report = CheckReport { revision: catalogue.revision()?, ..CheckReport::default() };
    for detail in catalogue.faults_of_database()? {
        report.orphans |= detail.is_orphan;
        let fault = if detail.is_orphan { Fault::Orphan } else { Fault::Database };
        report.add(fault, None, detail.words);
    }
    let is_migrated = catalogue.roles()?.active.is_some();
    let mut walk = Walk::new(expected, is_migrated, report);
    let read = catalogue.dump(&mut |row| {
        walk.row(row);
        Ok(())
    });
    let mut report = walk.finish();
    match read {
        // Of a file that is known to be damaged, the rest cannot be told.
        Err(error) if report.findings.iter().any(|finding| finding.fault == Fault::Database) => {
            report.add(Fault::Database, None, error.to_string());
            return Ok(report);
        }
        read => read?,
    }
    if report.revision < 0 || (report.books > 0 && report.revision == 0) {
        let detail = format!("the revision is {}, although {} books were written", report.revision, report.books);
        report.add(Fault::Revision, None, detail);
    }
    name_books(catalogue, &mut report)?;
    Ok(report)
}

/// Mends what can be made again: what belongs to nothing and vectors that cannot be searched are deleted, passages that
/// are not their book's are cut anew. Embeddings are then made by a backfill.
///
/// # Errors
/// Those of writing, as [`Catalogue::put_books`]; what was mended before is kept.
pub fn repair(catalogue: &Catalogue, expected: &Expected<'_>, report: &CheckReport) -> Result<Repaired, Error> {
    let mut repaired = Repaired::default();
    if report.orphans {
        repaired.orphans = catalogue.delete_orphans()?;
    }
    for batch in report.wrong_embeddings.chunks(BATCH) {
        let keys: Vec<(i64, &str)> = batch.iter().map(|(passage_id, space)| (*passage_id, space.as_str())).collect();
        repaired.embeddings += catalogue.delete_embeddings(&keys)?;
    }
    for rowids in report.books_to_cut.chunks(BATCH) {
        repaired.books += catalogue.recut_books(rowids, expected.cutter)?;
    }
    Ok(repaired)
}

/// Says which books have passages that are not theirs.
fn name_books(catalogue: &Catalogue, report: &mut CheckReport) -> Result<(), Error> {
    let rowids = report.books_to_cut.clone();
    for (at, chunk) in rowids.chunks(BATCH).enumerate() {
        if at * BATCH >= KEPT {
            report.found += chunk.len() as u64;
            continue;
        }
        for book in catalogue.books_by_rowid(chunk)?.into_iter().flatten() {
            let detail = "its passages are not those that its text gives for this model".to_owned();
            report.add(Fault::Passages, Some(book.id), detail);
        }
    }
    Ok(())
}

/// What is known of a passage while embeddings come.
struct Known {
    id: i64,
    place: (i64, u32),
    text_hash: [u8; 16],
    is_embedded: bool,
}

/// The state of one pass over everything.
struct Walk<'a> {
    expected: &'a Expected<'a>,
    /// Whether passages may have been cut for another model.
    is_migrated: bool,
    report: CheckReport,
    /// By book: the hash of the passages that it should have.
    books: HashMap<i64, u64>,
    passages: Vec<Known>,
    /// The width of each space.
    widths: HashMap<String, usize>,
    counts: BTreeMap<(String, String), EmbeddingCounts>,
    /// The book whose passages come, and the hash of those so far.
    current: Option<(i64, DefaultHasher)>,
    passages_ended: bool,
}

impl<'a> Walk<'a> {
    fn new(expected: &'a Expected<'a>, is_migrated: bool, report: CheckReport) -> Self {
        Self {
            expected,
            is_migrated,
            report,
            books: HashMap::new(),
            passages: Vec::new(),
            widths: HashMap::new(),
            counts: BTreeMap::new(),
            current: None,
            passages_ended: false,
        }
    }

    fn row(&mut self, row: DumpRow) {
        match row {
            DumpRow::Book(rowid, book) => self.book(rowid, book),
            DumpRow::Passage(passage) => self.passage(passage),
            DumpRow::Embedding(embedding) => {
                self.end_of_passages();
                self.embedding(embedding);
            }
            // What spaces are for is decided elsewhere, and no embedding is worse for it.
            DumpRow::Role(..) | DumpRow::Agreement(_) => {}
        }
    }

    fn book(&mut self, rowid: i64, row: BookRow) {
        self.report.books += 1;
        let id = row.id.clone();
        let cut = row.into_book().and_then(|book| CutBook::new(&book, self.expected.cutter));
        match cut {
            Ok(CutBook { passages, .. }) => {
                let mut hasher = DefaultHasher::new();
                passages.iter().for_each(|passage| hash_passage(passage, &mut hasher));
                self.books.insert(rowid, hasher.finish());
            }
            Err(error) => {
                let detail =
                    format!("its record cannot be read ({error}); import the book again, or restore a snapshot");
                self.report.add(Fault::Book, Some(id), detail);
            }
        }
    }

    fn passage(&mut self, row: DumpedPassage) {
        let DumpedPassage { id, book_rowid, passage } = row;
        self.report.passages += 1;
        if self.current.as_ref().is_none_or(|(current, _)| *current != book_rowid) {
            self.end_of_book();
            self.current = Some((book_rowid, DefaultHasher::new()));
        }
        if let Some((_, hasher)) = &mut self.current {
            hash_passage(&passage, hasher);
        }
        if text_hash(&format!("{}{}", passage.context, passage.text)) != passage.text_hash {
            let detail =
                format!("the hash of passage {} of book number {book_rowid} is not its text's", passage.ordinal + 1);
            self.report.add(Fault::Hash, None, detail);
        }
        let place = (book_rowid, passage.ordinal);
        self.passages.push(Known { id, place, text_hash: passage.text_hash, is_embedded: false });
    }

    /// Compares the passages that came with those that should have come.
    fn end_of_book(&mut self) {
        let Some((rowid, hasher)) = self.current.take() else { return };
        // Those of a book that is not there, or cannot be read, are reported as such.
        if let Some(expected) = self.books.remove(&rowid)
            && expected != hasher.finish()
        {
            match self.is_migrated {
                true => self.report.cut_otherwise += 1,
                false => self.report.books_to_cut.push(rowid),
            }
        }
    }

    fn end_of_passages(&mut self) {
        if std::mem::replace(&mut self.passages_ended, true) {
            return;
        }
        self.end_of_book();
        let mut without: Vec<i64> = self.books.drain().map(|(rowid, _)| rowid).collect();
        without.sort_unstable();
        self.report.books_to_cut.extend(without);
        self.passages.sort_unstable_by_key(|passage| passage.id);
    }

    fn embedding(&mut self, row: DumpedEmbedding) {
        let DumpedEmbedding { passage_id, space, precision, text_hash, vector } = row;
        let key = (space.clone(), precision.clone());
        let counts = self.counts.entry(key).or_insert_with(|| EmbeddingCounts {
            space: space.clone(),
            precision,
            fresh: 0,
            stale: 0,
            wrong: 0,
        });
        // The database's own check has told of those without a passage.
        let Ok(at) = self.passages.binary_search_by_key(&passage_id, |passage| passage.id) else { return };
        let passage = &mut self.passages[at];
        let is_ours = space == self.expected.space;
        let known_width = if is_ours { Some(self.expected.dim) } else { self.widths.get(&space).copied() };
        if let Err(detail) = searchable(&vector, known_width, is_ours && self.expected.is_normalized) {
            counts.wrong += 1;
            let detail = format!("passage {} of book number {}: {detail}", passage.place.1 + 1, passage.place.0);
            self.report.add(Fault::Vector, None, detail);
            self.report.wrong_embeddings.push((passage_id, space));
            return;
        }
        if text_hash != passage.text_hash {
            counts.stale += 1;
        } else {
            counts.fresh += 1;
            if is_ours {
                passage.is_embedded = true;
                let (count, sum) = &mut self.report.fresh_places;
                *count += 1;
                *sum = sum.wrapping_add(place_hash(passage.place.0, passage.place.1));
            }
        }
        self.widths.entry(space).or_insert(vector.len() / 4);
    }

    fn finish(mut self) -> CheckReport {
        self.end_of_passages();
        self.report.missing = self.passages.iter().filter(|passage| !passage.is_embedded).count() as u64;
        self.report.embeddings = self.counts.into_values().collect();
        self.report
    }
}

fn hash_passage(passage: &PassageRow, hasher: &mut DefaultHasher) {
    let PassageRow { ordinal, context, text, text_hash } = passage;
    (ordinal, context, text, text_hash).hash(hasher);
}

/// Whether a stored vector can be searched; else what is wrong with it.
fn searchable(bytes: &[u8], width: Option<usize>, is_normalized: bool) -> Result<(), String> {
    let (numbers, []) = bytes.as_chunks::<4>() else {
        return Err(format!("the vector's {} bytes are not whole numbers", bytes.len()));
    };
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    checked_vector(&numbers, width, is_normalized)
}

/// Whether a vector has this width, is finite and, if the model's are, normalised; else what is wrong with it.
///
/// # Errors
/// In words, for people.
pub fn checked_vector(vector: &[f32], width: Option<usize>, is_normalized: bool) -> Result<(), String> {
    if let Some(width) = width.filter(|&width| width != vector.len()) {
        return Err(format!("the vector has {} numbers, the model's have {width}", vector.len()));
    }
    if vector.iter().any(|number| !number.is_finite()) {
        return Err("the vector has a number that is not finite".to_owned());
    }
    let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    if is_normalized && (length - 1.0).abs() > LENGTH_TOLERANCE {
        return Err(format!("the vector is not normalised: its length is {length:.4}, not 1"));
    }
    Ok(())
}
