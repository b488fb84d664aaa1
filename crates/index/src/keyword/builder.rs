//! Makes an index, in one pass over the documents.
//!
//! Every word of a document has a place, counted through all its fields in the order of [`Field::ALL`]. Between two
//! texts a place is left free, so that no phrase runs from one into the next.

use super::documents::{Document, TITLE_PLACES};
use super::field::{Field, Fields};
use super::known::is_article;
use super::postings::{Lists, Postings};
use super::vocabulary::Vocabulary;
use super::{KeywordDocument, KeywordIndex};
use crate::{Error, fold, words};
use std::collections::HashMap;

/// A [`KeywordIndex`] in the making.
#[derive(Default)]
pub struct KeywordIndexBuilder {
    numbers: HashMap<Box<str>, u32>,
    /// By the numbers above.
    postings: Vec<Postings>,
    documents: Vec<Document>,
    reading: Reading,
}

/// A document that is being read; kept for its memory.
#[derive(Default)]
struct Reading {
    /// Word, place and field of each word.
    words: Vec<(u32, u32, Field)>,
    places: Vec<u32>,
    next_place: u32,
}

impl KeywordIndexBuilder {
    /// Begins an index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a document, whose group is greater than that of the last one.
    ///
    /// # Errors
    /// [`Error::GroupOrder`], [`Error::Full`]. The index is then as it was.
    pub fn push(&mut self, document: &KeywordDocument<'_>) -> Result<(), Error> {
        let group = document.group;
        if let Some(last) = self.documents.last().map(|document| document.group)
            && group <= last
        {
            return Err(Error::GroupOrder { group, last });
        }
        let number = u32::try_from(self.documents.len()).ok().filter(|number| *number < u32::MAX).ok_or(Error::Full)?;
        let known = self.read(document);
        self.documents.push(known);
        let Reading { words, places, .. } = &mut self.reading;
        words.sort_unstable();
        for same in words.chunk_by(|a, b| a.0 == b.0) {
            places.clear();
            places.extend(same.iter().map(|(_, place, _)| *place));
            let fields = same.iter().fold(Fields::NONE, |fields, (_, _, field)| fields.with(*field));
            self.postings[same[0].0 as usize].push(number, fields, places);
        }
        Ok(())
    }

    /// Splits a document into words, which are then in `reading`.
    fn read(&mut self, document: &KeywordDocument<'_>) -> Document {
        let KeywordDocument { group, title, other_titles, authors, subjects, series, description, identifiers } =
            *document;
        let mut known = Document { group, ..Document::default() };
        self.reading.words.clear();
        self.reading.next_place = 0;
        for text in title.iter().chain(other_titles) {
            self.read_title(text, &mut known);
        }
        known.ends[0] = short(self.reading.next_place.saturating_sub(1));
        let fields = [(Field::Authors, authors), (Field::Subjects, subjects), (Field::Series, series)];
        for (at, (field, texts)) in (1..).zip(fields) {
            texts.iter().for_each(|text| self.read_text(text, field));
            known.ends[at] = short(self.reading.next_place.saturating_sub(1));
        }
        description.iter().for_each(|text| self.read_text(text, Field::Description));
        known.n_words = self.reading.words.len() as u32;
        for text in identifiers {
            let number: String = words(&fold(text)).collect();
            self.read_folded(&number, Field::Identifiers);
        }
        known
    }

    /// Reads a title piece by piece, and notes where it ends and where there are colons.
    fn read_title(&mut self, text: &str, known: &mut Document) {
        let start = self.reading.next_place;
        for piece in text.split_inclusive(':') {
            let before = self.reading.next_place;
            let folded = fold(piece);
            if before == start && before < TITLE_PLACES && words(&folded).next().is_some_and(is_article) {
                known.title_articles |= 1 << before;
            }
            self.read_folded(&folded, Field::Title);
            // No place is left free between the pieces of one text.
            if self.reading.next_place > before {
                self.reading.next_place -= 1;
            }
            let last = self.reading.next_place.saturating_sub(1);
            if piece.ends_with(':') && self.reading.next_place > start && last < TITLE_PLACES {
                known.title_colons |= 1 << last;
            }
        }
        if self.reading.next_place > start {
            let last = self.reading.next_place - 1;
            known.title_ends |= if last < TITLE_PLACES { 1 << last } else { 0 };
            self.reading.next_place += 1;
        }
    }

    fn read_text(&mut self, text: &str, field: Field) {
        self.read_folded(&fold(text), field);
    }

    /// Reads a folded text, and leaves a place free behind it.
    fn read_folded(&mut self, folded: &str, field: Field) {
        let Self { numbers, postings, reading, .. } = self;
        let start = reading.next_place;
        for word in words(folded) {
            let number = match numbers.get(word) {
                Some(number) => *number,
                None => {
                    let number = postings.len() as u32;
                    postings.push(Postings::default());
                    numbers.insert(word.into(), number);
                    number
                }
            };
            reading.words.push((number, reading.next_place, field));
            reading.next_place += 1;
        }
        reading.next_place += u32::from(reading.next_place > start);
    }

    /// Ends the index; it can be searched from now on.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub fn finish(self) -> Result<KeywordIndex, Error> {
        let mut numbers: Vec<(Box<str>, u32)> = self.numbers.into_iter().collect();
        numbers.sort_unstable();
        let mut postings = self.postings;
        let (mut vocabulary, mut lists) = (Vocabulary::default(), Lists::default());
        for (word, number) in numbers {
            vocabulary.push(&word).ok_or(Error::Full)?;
            // Taken, so that memory is given back while the lists grow.
            lists.push(&std::mem::take(&mut postings[number as usize])).ok_or(Error::Full)?;
        }
        vocabulary.shrink();
        lists.shrink();
        Ok(KeywordIndex::new(vocabulary, lists, self.documents))
    }
}

fn short(place: u32) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}
