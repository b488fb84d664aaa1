//! What a reader who is typing may want: titles, authors, subjects and series that go on so.

use crate::snapshot::Words;
use crate::{Error, Filter, Library, MAX_LIMIT};
use libellus_catalogue::Catalogue;
use libellus_index::{Completion, Completions, GroupSet};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Suggestions of each kind when the caller does not say.
const DEFAULT_SUGGESTIONS: usize = 5;
/// The longest text that is completed, in bytes: nobody types a title of this length to the end.
const MAX_TYPED_BYTES: usize = 512;

/// What was typed so far.
#[derive(Clone, Debug)]
pub struct SuggestRequest {
    /// The text.
    pub typed: String,
    /// Most suggestions of each kind, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Which books the suggestions may be of.
    pub filter: Filter,
}

impl Default for SuggestRequest {
    fn default() -> Self {
        Self { typed: String::new(), limit: DEFAULT_SUGGESTIONS, filter: Filter::default() }
    }
}

/// Texts that go on as was typed, from the beginning of any of their words; of each kind those that most books have first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Suggestions {
    /// Titles.
    pub titles: Vec<Suggested>,
    /// Authors.
    pub authors: Vec<Suggested>,
    /// Subjects.
    pub subjects: Vec<Suggested>,
    /// Series.
    pub series: Vec<Suggested>,
}

/// A text to go on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggested {
    /// As a book has it.
    pub text: String,
    /// How many books have it.
    pub books: usize,
    /// The book's id, of a title that one book has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What suggestions are made from. A copy shares all of it.
#[derive(Clone)]
pub(crate) struct Suggesting {
    /// Numbers the books.
    words: Arc<Words>,
    titles: Arc<Completions>,
    authors: Arc<Completions>,
    subjects: Arc<Completions>,
    series: Arc<Completions>,
}

impl Suggesting {
    /// What can be suggested as of now, given that of before.
    pub fn now(catalogue: &Catalogue, words: Arc<Words>, before: Option<&Self>) -> Result<Self, Error> {
        match before {
            Some(before) if Arc::ptr_eq(&before.words.index, &words.index) => Ok(Self { words, ..before.clone() }),
            _ => Self::load(catalogue, words),
        }
    }

    /// Sorts what can be suggested. The titles are read, the rest is there already.
    fn load(catalogue: &Catalogue, words: Arc<Words>) -> Result<Self, Error> {
        let mut titles: Vec<(u32, String)> = Vec::with_capacity(words.books.len());
        catalogue.each_book(&mut |rowid, book| {
            titles.extend(words.books.binary_search(&rowid).ok().map(|group| (group as u32, book.title)));
            ControlFlow::Continue(())
        })?;
        let column = |field: &str| words.facets.completions(field).map(Arc::new);
        let titles = Completions::new(titles.iter().map(|(group, title)| (*group, title.as_str())))?;
        let titles = Arc::new(titles);
        let (authors, subjects, series) = (column("author")?, column("subject")?, column("series")?);
        Ok(Self { words, titles, authors, subjects, series })
    }
}

impl Library {
    /// Completes what a reader is typing.
    ///
    /// # Errors
    /// If the limit is out of range, the filter asks of a field that is not one, or the catalogue fails. A text that nothing
    /// goes on from, and one that is too long, have no suggestions.
    pub fn suggest(&self, request: &SuggestRequest) -> Result<Suggestions, Error> {
        let SuggestRequest { typed, limit, filter } = request;
        if !(1..=MAX_LIMIT).contains(limit) {
            return Err(Error::LimitOutOfRange { limit: *limit });
        }
        if typed.len() > MAX_TYPED_BYTES {
            return Ok(Suggestions::default());
        }
        let suggesting = self.suggesting()?;
        let among = suggesting.words.facets.admitted(filter)?;
        let complete = |completions: &Completions| -> Vec<Suggested> {
            let found = completions.complete(typed, *limit, among.as_ref());
            found.iter().map(suggested).collect()
        };
        Ok(Suggestions {
            titles: self.titles(&suggesting, typed, *limit, among.as_ref())?,
            authors: complete(&suggesting.authors),
            subjects: complete(&suggesting.subjects),
            series: complete(&suggesting.series),
        })
    }

    /// Titles, with the book's id where there is one only.
    fn titles(
        &self,
        suggesting: &Suggesting,
        typed: &str,
        limit: usize,
        among: Option<&GroupSet>,
    ) -> Result<Vec<Suggested>, Error> {
        let found = suggesting.titles.complete(typed, limit, among);
        let rowids: Vec<i64> = found.iter().map(|title| suggesting.words.books[title.first_group as usize]).collect();
        let books = self.catalogue().books_by_rowid(&rowids)?;
        let titles = found.iter().zip(books).filter_map(|(title, book)| {
            // A book that was deleted meanwhile is none to be suggested.
            let id = if title.n_groups == 1 { Some(book?.id) } else { None };
            Some(Suggested { id, ..suggested(title) })
        });
        Ok(titles.collect())
    }
}

fn suggested(completion: &Completion<'_>) -> Suggested {
    Suggested { text: completion.text.to_owned(), books: completion.n_groups, id: None }
}
