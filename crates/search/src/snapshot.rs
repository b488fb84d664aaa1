//! The indexes of one moment, each made in one pass over the catalogue and then left unchanged.
//!
//! There are two, made apart from one another: a search by meaning must start fast and needs vectors only, a search
//! by words needs every record but no vector. The vectors' is not made anew for a later moment: it is copied, with all
//! that is large shared, and the books that have changed since are read again.

use crate::Error;
use crate::facets::BookFacets;
use crate::floor::floor_of;
use crate::index_files::{IndexFiles, IndexOptions, Notes};
use libellus_catalogue::{Book, Catalogue, CatalogueState, EmbeddedPassage, ExtraField, isbn, unless_failed};
use libellus_encoder::Encoder;
use libellus_index::{KeywordDocument, KeywordIndex, KeywordIndexBuilder, Moved, VectorIndex, VectorIndexFile};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

/// If one in so many books has changed, and more than so many, all are read again.
const READ_AGAIN_PART: usize = 4;
const MOST_READ_AGAIN: usize = 1_000;

/// Every fresh embedding of one space, with the model whose space it is: questions are compared with them only after
/// that very model has made vectors of them.
pub(crate) struct Embeddings {
    /// The model.
    pub encoder: Arc<Encoder>,
    /// One group for each book, one row for each passage.
    pub index: VectorIndex,
    /// The book (row id) of each group, ascending; one that has no embedding, and perhaps is gone, is no book less.
    pub books: Vec<i64>,
    /// The place among its book's passages of each row.
    pub ordinals: Vec<u32>,
    /// How many books have embeddings.
    pub embedded_books: usize,
    /// What of the catalogue is in it, and perhaps more.
    state: CatalogueState,
}

/// The words of every book. A copy shares all of it.
#[derive(Clone)]
pub(crate) struct Words {
    /// One group for each book.
    pub index: Arc<KeywordIndex>,
    /// The book (row id) of each group.
    pub books: Arc<Vec<i64>>,
    /// What they have in common.
    pub facets: Arc<BookFacets>,
    /// A hash of each book's record.
    records: Arc<Vec<u64>>,
    /// When that was.
    state: CatalogueState,
}

impl Embeddings {
    /// The embeddings of a model's space as of now, given those of before; else from a file, if there is one to begin with.
    pub fn now(
        catalogue: &Catalogue,
        encoder: &Arc<Encoder>,
        before: Option<&Self>,
        options: &IndexOptions,
    ) -> Result<Self, Error> {
        let refreshed = match before.filter(|before| Arc::ptr_eq(&before.encoder, encoder)) {
            Some(before) => before.refreshed(catalogue)?,
            None => {
                let opened = options.files(catalogue, encoder).and_then(|files| files.open(encoder));
                opened.map(|opened| opened.refreshed(catalogue)).transpose()?.flatten()
            }
        };
        refreshed.map_or_else(|| Self::kept(catalogue, encoder, options), Ok)
    }

    /// Reads the embeddings of a model's space, into a file if they are to be kept in one.
    pub fn kept(catalogue: &Catalogue, encoder: &Arc<Encoder>, options: &IndexOptions) -> Result<Self, Error> {
        let (passages, dim) = (catalogue.statistics(&encoder.info().fingerprint.space)?.embedded, encoder.info().dim);
        if let Some(files) = options.files(catalogue, encoder) {
            options.check_memory(passages, dim, true)?;
            match Self::load_into(catalogue, encoder, &files) {
                Err(error @ Error::Index(libellus_index::Error::IndexFile { .. })) => (options.trouble)(&error),
                loaded => return loaded,
            }
        }
        options.check_memory(passages, dim, false)?;
        Self::load(catalogue, encoder)
    }

    /// Reads the embeddings of a model's space into memory.
    pub fn load(catalogue: &Catalogue, encoder: &Arc<Encoder>) -> Result<Self, Error> {
        let rows = catalogue.statistics(&encoder.info().fingerprint.space)?.embedded as usize;
        let mut index = VectorIndex::with_capacity(encoder.info().dim, rows);
        let walked = Walked::of(catalogue, encoder, &mut |group, vector| index.push(group, vector))?;
        index.seal(encoder.threads())?;
        Ok(Self::new(encoder, index, walked))
    }

    /// Reads them into a file.
    fn load_into(catalogue: &Catalogue, encoder: &Arc<Encoder>, files: &IndexFiles<'_>) -> Result<Self, Error> {
        // The file's name has the revision of before, as what is read may be later.
        let path = files.path(&catalogue.state()?);
        files.make_directory();
        let mut file = VectorIndexFile::create(&path, encoder.info().dim)?;
        let walked = Walked::of(catalogue, encoder, &mut |group, vector| file.push(group, vector))?;
        let notes = Notes::to_bytes(&walked.state, walked.embedded_books, &walked.books, &walked.ordinals);
        let index = file.finish(files.key(), &notes, encoder.threads())?;
        files.remove_before(&walked.state);
        Ok(Self::new(encoder, index, walked))
    }

    /// What a file holds, if it belongs together.
    pub fn of_file(encoder: &Arc<Encoder>, index: VectorIndex, notes: &[u8]) -> Option<Self> {
        let Notes { state, embedded_books, books, ordinals } = Notes::of(notes, &index)?;
        (index.dim() == encoder.info().dim)
            .then(|| Self::new(encoder, index, Walked { books, ordinals, embedded_books, state }))
    }

    fn new(encoder: &Arc<Encoder>, index: VectorIndex, walked: Walked) -> Self {
        let Walked { books, ordinals, embedded_books, state } = walked;
        Self { encoder: Arc::clone(encoder), index, books, ordinals, embedded_books, state }
    }

    /// The embeddings of the same space as of now, by reading what has changed since; `None` if they have to be loaded.
    fn refreshed(&self, catalogue: &Catalogue) -> Result<Option<Self>, Error> {
        let state = catalogue.state()?;
        let most = MOST_READ_AGAIN.max(self.books.len() / READ_AGAIN_PART);
        let Some(changed) = catalogue.books_changed_since(&self.state, most)? else { return Ok(None) };
        let mut index = self.index.clone();
        let mut walked = Walked {
            books: self.books.clone(),
            ordinals: self.ordinals.clone(),
            embedded_books: self.embedded_books,
            state,
        };
        if changed.is_empty() {
            return Ok(Some(Self::new(&self.encoder, index, walked)));
        }
        for &book in &changed {
            match walked.books.binary_search(&book) {
                Ok(group) => walked.embedded_books -= usize::from(index.remove(group as u32)),
                Err(end) if end == walked.books.len() => walked.books.push(book),
                // Books are numbered as they come; someone else has put this one in between.
                Err(_) => return Ok(None),
            }
        }
        let space = &self.encoder.info().fingerprint.space;
        walked.walk(&mut |group, vector| index.push(group, vector), |visit| {
            catalogue.embeddings_of(space, &changed, visit)
        })?;
        if let Some(Moved { first, from }) = index.settle(self.encoder.threads())? {
            let moved: Vec<u32> = from.iter().map(|&row| walked.ordinals[row as usize]).collect();
            walked.ordinals.truncate(first);
            walked.ordinals.extend(moved);
        }
        Ok(Some(Self::new(&self.encoder, index, walked)))
    }
}

/// Takes a vector of a group.
type PushVector<'a> = &'a mut dyn FnMut(u32, &[f32]) -> Result<(), libellus_index::Error>;

/// Takes a passage of a walk over them.
type VisitPassage<'a> = &'a mut dyn FnMut(EmbeddedPassage<'_>) -> ControlFlow<()>;

/// What is known of an index's rows after a walk over passages: see [`Embeddings`].
struct Walked {
    books: Vec<i64>,
    ordinals: Vec<u32>,
    embedded_books: usize,
    state: CatalogueState,
}

impl Walked {
    /// Hands over all vectors of a model's space, scaled to length 1.
    fn of(catalogue: &Catalogue, encoder: &Encoder, push: PushVector<'_>) -> Result<Self, Error> {
        // Before anything else is read, so that what changes meanwhile is read again next time.
        let state = catalogue.state()?;
        // All books have a group, those without embeddings too: they get them later, and equal scores keep their order.
        let books = catalogue.book_rowids()?;
        let mut walked = Self { books, ordinals: Vec::new(), embedded_books: 0, state };
        let space = &encoder.info().fingerprint.space;
        walked.walk(push, |visit| catalogue.each_embedding(space, visit))?;
        Ok(walked)
    }

    fn walk(
        &mut self,
        push: PushVector<'_>,
        passages: impl FnOnce(VisitPassage<'_>) -> Result<(), libellus_catalogue::Error>,
    ) -> Result<(), Error> {
        // The place of the last book among all, once there was one.
        let mut last: Option<usize> = None;
        let (mut unit, mut outcome) = (Vec::new(), Ok(()));
        passages(&mut |passage| {
            let book = passage.book_rowid;
            let from = last.unwrap_or_default();
            let group = match self.books[from..].binary_search(&book) {
                Ok(ahead) => from + ahead,
                // Added since the books were listed.
                Err(ahead) if from + ahead == self.books.len() => {
                    self.books.push(book);
                    from + ahead
                }
                // It has changed since, so it will be read again.
                Err(_) => return ControlFlow::Continue(()),
            };
            self.embedded_books += usize::from(last != Some(group));
            last = Some(group);
            unit.clear();
            unit.extend_from_slice(passage.vector);
            normalize(&mut unit);
            outcome = push(group as u32, &unit);
            self.ordinals.push(passage.ordinal);
            unless_failed(&outcome)
        })?;
        Ok(outcome?)
    }
}

impl Embeddings {
    /// From which cosine on a book is an answer, if that was measured for the model.
    pub fn floor(&self) -> Option<f32> {
        floor_of(&self.encoder.info().fingerprint.space)
    }
}

impl Words {
    /// The words of every book as of now, given those of before. `declared` are the extra fields that books are filtered by.
    pub fn now(catalogue: &Catalogue, declared: &[String], before: Option<&Self>) -> Result<Self, Error> {
        let unchanged = before.map(|before| before.if_unchanged(catalogue)).transpose()?.flatten();
        unchanged.map_or_else(|| Self::load(catalogue, declared), Ok)
    }

    /// Reads and indexes every book.
    pub fn load(catalogue: &Catalogue, declared: &[String]) -> Result<Self, Error> {
        // Before anything else is read, so that what changes meanwhile is looked at next time.
        let state = catalogue.state()?;
        let mut builder = KeywordIndexBuilder::new();
        let mut facets = BookFacets::new(declared);
        let (mut books, mut records) = (Vec::new(), Vec::new());
        let mut outcome = Ok(());
        catalogue.each_book(&mut |rowid, book| {
            books.push(rowid);
            records.push(record_hash(&book));
            facets.push(&book);
            outcome = push_book(&mut builder, last_group(&books), &book);
            unless_failed(&outcome)
        })?;
        outcome?;
        let (index, facets) = (Arc::new(builder.finish()?), Arc::new(facets));
        Ok(Self { index, books: Arc::new(books), facets, records: Arc::new(records), state })
    }

    /// The same, if no record has changed: embeddings come and go, and no word with them.
    fn if_unchanged(&self, catalogue: &Catalogue) -> Result<Option<Self>, Error> {
        let state = catalogue.state()?;
        let Some(changed) = catalogue.books_changed_since(&self.state, MOST_READ_AGAIN)? else { return Ok(None) };
        let records = catalogue.books_by_rowid(&changed)?;
        let is_same = |(rowid, book): (&i64, Option<Book>)| match (self.books.binary_search(rowid), book) {
            (Ok(group), Some(book)) => self.records[group] == record_hash(&book),
            (known, now) => known.is_err() && now.is_none(),
        };
        let is_same = changed.iter().zip(records).all(is_same);
        Ok(is_same.then(|| Self { state, ..self.clone() }))
    }
}

/// Tells one record of a book from another.
fn record_hash(book: &Book) -> u64 {
    let Book { id, title, subtitle, authors, isbns, publisher, year, language, subjects, audience, description, extra } =
        book;
    let mut hasher = DefaultHasher::new();
    (id, title, subtitle, authors, isbns, publisher).hash(&mut hasher);
    (year, language, subjects, audience, description).hash(&mut hasher);
    for (name, value) in extra {
        (name, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// The group of the book pushed last. Row ids of 32 bits would fill any disk, so this does not wrap.
fn last_group(books: &[i64]) -> u32 {
    books.len().saturating_sub(1) as u32
}

fn push_book(builder: &mut KeywordIndexBuilder, group: u32, book: &Book) -> Result<(), libellus_index::Error> {
    let title: Vec<&str> = [Some(book.title.as_str()), book.subtitle.as_deref()].into_iter().flatten().collect();
    let all = |known: &[ExtraField]| known.iter().flat_map(|known| known.of(book)).collect::<Vec<_>>();
    builder.push(&KeywordDocument {
        group,
        title: &title,
        other_titles: &strs(&all(&[ExtraField::OtherTitles])),
        // Editors and translators, too: readers who type their names mean the book.
        authors: &strs(&[book.authors.clone(), all(&[ExtraField::Contributors])].concat()),
        subjects: &strs(&book.subjects),
        series: &strs(&all(&[ExtraField::Series])),
        description: &[book.description.as_deref().unwrap_or_default()],
        identifiers: &strs(&[isbns(book), all(&NUMBERS)].concat()),
    })
}

/// What else stands for a book.
const NUMBERS: [ExtraField; 5] =
    [ExtraField::CallNumber, ExtraField::Dewey, ExtraField::Lccn, ExtraField::Oclc, ExtraField::Issn];

/// A book's ISBNs as they were given, and in the other form where there is one.
fn isbns(book: &Book) -> Vec<String> {
    let forms = |isbn: &String| [Some(isbn.clone()), isbn::to_isbn13(isbn), isbn::to_isbn10(isbn)];
    let mut all: Vec<String> = book.isbns.iter().flat_map(forms).flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn strs(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Scales a vector to length 1, so that dot products are cosines whether or not the model normalises. A vector of
/// zeros stays as it is: it is like nothing.
pub(crate) fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_catalogue::{NewEmbedding, PassageCutter};

    /// Few words to a passage, so that books have several.
    struct FewWords;

    impl PassageCutter for FewWords {
        fn count_tokens(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }

        fn max_tokens(&self) -> usize {
            8
        }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }

    /// Books come, change and go, and embeddings a few at a time, in any order; what has followed gives the answers of
    /// what is made anew, in all its parts.
    #[test]
    fn what_follows_a_catalogue_is_what_is_made_of_it_anew() {
        let encoder = Arc::new(Encoder::builtin());
        let (space, dim) = (encoder.info().fingerprint.space.clone(), encoder.info().dim);
        // Few vectors, so that many scores are equal.
        let vector = |n: u64| (0..dim).map(|i| ((n + 1) as f32 * (i + 1) as f32).sin()).collect::<Vec<f32>>();
        let found = |embeddings: &Embeddings, n: u64| {
            let hits = embeddings.index.search(&vector(n), 15).expect("a good query");
            let named = |hit: libellus_index::GroupHit| {
                (embeddings.books[hit.group as usize], embeddings.ordinals[hit.row as usize], hit.score.to_bits())
            };
            hits.into_iter().map(named).collect::<Vec<_>>()
        };
        let (mut followed, mut loaded) = (0, 0);
        for seed in 0..8 {
            let mut random = Random(seed);
            let catalogue = Catalogue::in_memory().expect("opens");
            let mut following: Option<Arc<Embeddings>> = None;
            for _ in 0..25 {
                for _ in 0..random.below(4) {
                    let id = random.below(60).to_string();
                    if random.below(4) == 0 {
                        catalogue.delete_books(&[&id]).expect("deletes");
                        continue;
                    }
                    let sentences = (0..random.below(5)).map(|_| format!("One two three {}.", random.below(9)));
                    let description = Some(sentences.collect::<Vec<_>>().join(" "));
                    let book = Book { id, title: "A".to_owned(), description, ..Book::default() };
                    catalogue.put_books(&[book], &FewWords).expect("writes");
                }
                let pending = catalogue.pending_passages(&space, 0, 1_000).expect("reads");
                let some = pending.iter().filter(|_| random.below(3) > 0).collect::<Vec<_>>();
                let vectors: Vec<Vec<f32>> = some.iter().map(|_| vector(random.below(7))).collect();
                let embeddings = some.iter().zip(&vectors).map(|(passage, vector)| NewEmbedding {
                    passage_id: passage.passage_id,
                    text_hash: passage.text_hash,
                    vector,
                });
                catalogue.put_embeddings(&space, "f32", &embeddings.collect::<Vec<_>>()).expect("stores");
                let before = following.take();
                let refreshed = before.map(|before| before.refreshed(&catalogue).expect("reads"));
                followed += u32::from(matches!(refreshed, Some(Some(_))));
                let anew = Embeddings::load(&catalogue, &encoder).expect("loads");
                let current = refreshed.flatten().unwrap_or_else(|| {
                    loaded += 1;
                    Embeddings::load(&catalogue, &encoder).expect("loads")
                });
                for n in 0..3 {
                    assert_eq!(found(&current, n), found(&anew, n), "seed {seed}");
                }
                assert_eq!(current.embedded_books, anew.embedded_books, "seed {seed}");
                following = Some(Arc::new(current));
            }
        }
        assert!(followed > 150 && loaded < 20, "followed {followed} times, loaded {loaded} times");
    }

    #[test]
    fn vectors_are_scaled_to_length_one() {
        let cases = [(vec![3.0, 4.0], vec![0.6, 0.8]), (vec![0.0, 0.0], vec![0.0, 0.0]), (vec![-2.0], vec![-1.0])];
        for (mut vector, expected) in cases {
            normalize(&mut vector);
            assert_eq!(vector, expected);
        }
    }
}
