//! The indexes of one moment, each made in one pass over the catalogue and then left unchanged.
//!
//! There are two, made apart from one another: a search by meaning must start fast and needs vectors only, a search
//! by words needs every record but no vector.

use crate::Error;
use crate::facets::BookFacets;
use crate::floor::floor_of;
use libellus_catalogue::{Book, Catalogue, ExtraField, isbn, unless_failed};
use libellus_encoder::Encoder;
use libellus_index::{KeywordDocument, KeywordIndex, KeywordIndexBuilder, VectorIndex};
use std::sync::Arc;

/// Every fresh embedding of one space, with the model whose space it is: questions are compared with them only after
/// that very model has made vectors of them.
pub(crate) struct Embeddings {
    /// The model.
    pub encoder: Arc<Encoder>,
    /// One group for each book, one row for each passage.
    pub index: VectorIndex,
    /// The book (row id) of each group.
    pub books: Vec<i64>,
    /// The place among its book's passages of each row.
    pub ordinals: Vec<u32>,
}

/// The words of every book.
pub(crate) struct Words {
    /// One group for each book.
    pub index: KeywordIndex,
    /// The book (row id) of each group.
    pub books: Vec<i64>,
    /// What they have in common.
    pub facets: BookFacets,
}

impl Embeddings {
    /// Reads the embeddings of a model's space.
    pub fn load(catalogue: &Catalogue, encoder: &Arc<Encoder>) -> Result<Self, Error> {
        let (space, dim) = (encoder.info().fingerprint.space.as_str(), encoder.info().dim);
        let rows = catalogue.statistics(space)?.embedded as usize;
        let mut index = VectorIndex::with_capacity(dim, rows);
        let (mut books, mut ordinals) = (Vec::new(), Vec::with_capacity(rows));
        let mut outcome = Ok(());
        let mut unit = Vec::with_capacity(dim);
        catalogue.each_embedding(space, &mut |passage| {
            if books.last() != Some(&passage.book_rowid) {
                books.push(passage.book_rowid);
            }
            ordinals.push(passage.ordinal);
            unit.clear();
            unit.extend_from_slice(passage.vector);
            normalize(&mut unit);
            outcome = index.push(last_group(&books), &unit);
            unless_failed(&outcome)
        })?;
        outcome?;
        index.seal(encoder.threads())?;
        Ok(Self { encoder: Arc::clone(encoder), index, books, ordinals })
    }
}

impl Embeddings {
    /// From which cosine on a book is an answer, if that was measured for the model.
    pub fn floor(&self) -> Option<f32> {
        floor_of(&self.encoder.info().fingerprint.space)
    }
}

impl Words {
    /// Reads and indexes every book. `declared` are the extra fields that books are filtered by.
    pub fn load(catalogue: &Catalogue, declared: &[String]) -> Result<Self, Error> {
        let mut builder = KeywordIndexBuilder::new();
        let mut facets = BookFacets::new(declared);
        let mut books = Vec::new();
        let mut outcome = Ok(());
        catalogue.each_book(&mut |rowid, book| {
            books.push(rowid);
            facets.push(&book);
            outcome = push_book(&mut builder, last_group(&books), &book);
            unless_failed(&outcome)
        })?;
        outcome?;
        Ok(Self { index: builder.finish()?, books, facets })
    }
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

    #[test]
    fn vectors_are_scaled_to_length_one() {
        let cases = [(vec![3.0, 4.0], vec![0.6, 0.8]), (vec![0.0, 0.0], vec![0.0, 0.0]), (vec![-2.0], vec![-1.0])];
        for (mut vector, expected) in cases {
            normalize(&mut vector);
            assert_eq!(vector, expected);
        }
    }
}
