//! Known items: a reader who types a title, a title and its author, or a number, wants that document and no other.
//!
//! The text must name the document *whole*: all of a title, in order, or all of it and else only words of its authors.
//! A part of a title is a matter of ranking. What is compared are the places that the index holds, so that there is no
//! list of titles beside it.

use super::KeywordIndex;
use super::documents::{Document, TITLE_PLACES};
use super::field::{Field, Fields};
use super::postings::Cursor;
use super::query::numbers;
use crate::{fold, words};

/// Words that a title may begin with and readers leave out, or put in.
const ARTICLES: [&str; 13] = ["the", "a", "an", "le", "la", "les", "der", "das", "el", "los", "las", "il", "het"];

/// More words than the titles that are remembered have, with authors.
const MOST_WORDS: usize = TITLE_PLACES as usize + 32;

/// How a text names a document. The surest way comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KnownBy {
    /// An ISBN, a call number or another of its numbers.
    Identifier,
    /// A title of its own: with or without subtitle and leading article, or up to a colon.
    Title,
    /// A title as above and words of its authors, in any order.
    TitleAndAuthor,
}

/// A document that a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KnownItem {
    /// The document's group.
    pub group: u32,
    /// How it is named.
    pub by: KnownBy,
}

impl KeywordIndex {
    /// The documents that `text` names, the surest first, equal ones in record order.
    pub fn known_items(&self, text: &str) -> Vec<KnownItem> {
        let mut found: Vec<(KnownBy, u32)> = self.numbered(text).map(|doc| (KnownBy::Identifier, doc)).collect();
        self.entitled(text, &mut found);
        found.sort_unstable_by_key(|(by, doc)| (*doc, *by));
        found.dedup_by_key(|(_, doc)| *doc);
        found.sort_unstable();
        let group = |doc: u32| self.documents[doc as usize].group;
        found.into_iter().map(|(by, doc)| KnownItem { group: group(doc), by }).collect()
    }

    /// The documents with a number that the text holds.
    fn numbered(&self, text: &str) -> impl Iterator<Item = u32> {
        let known = numbers(text).filter_map(|number| self.vocabulary.find(&number));
        known.flat_map(|word| {
            let mut cursor = self.lists.cursor(word);
            std::iter::from_fn(move || cursor.advance().then_some((cursor.doc, cursor.fields)))
                .filter_map(|(doc, fields)| fields.contains(Field::Identifiers).then_some(doc))
        })
    }

    /// The documents with a title that the text consists of, but for an article and words of authors.
    fn entitled(&self, text: &str, found: &mut Vec<(KnownBy, u32)>) {
        let folded = fold(text);
        let mut asked: Vec<&str> = words(&folded).take(MOST_WORDS + 1).collect();
        if asked.len() > 1 && ARTICLES.contains(&asked[0]) {
            asked.remove(0);
        }
        let mut distinct = asked.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let numbers: Vec<u32> = distinct.iter().map_while(|word| self.vocabulary.find(word)).collect();
        if asked.is_empty() || asked.len() > MOST_WORDS || numbers.len() < distinct.len() {
            return;
        }
        let in_order: Vec<usize> = asked.iter().filter_map(|word| distinct.binary_search(word).ok()).collect();
        let mut cursors: Vec<Cursor<'_>> = numbers.into_iter().map(|number| self.lists.cursor(number)).collect();
        let of_names = Fields::from(Field::Title).with(Field::Authors);
        let Some(mut rarest) = cursors.iter().min_by_key(|cursor| cursor.n_docs()).cloned() else { return };
        while rarest.advance() {
            let doc = rarest.doc;
            let mut is_held = |cursor: &mut Cursor<'_>| cursor.seek(doc) && cursor.fields.meets(of_names);
            if rarest.fields.meets(of_names) && cursors.iter_mut().all(&mut is_held) {
                let by = Named::new(&self.documents[doc as usize], &cursors).by(&in_order);
                found.extend(by.map(|by| (by, doc)));
            }
        }
    }
}

/// A document's title, as far as it consists of a reader's words.
struct Named<'a> {
    document: &'a Document,
    /// For each place of the title the word of the query, if it is one.
    title: [Option<usize>; TITLE_PLACES as usize],
    /// Which words of the query are an author's.
    is_authors: Vec<bool>,
}

impl<'a> Named<'a> {
    /// The cursors stand at the document.
    fn new(document: &'a Document, cursors: &[Cursor<'_>]) -> Self {
        let mut title = [None; TITLE_PLACES as usize];
        let mut places = Vec::new();
        for (word, cursor) in cursors.iter().enumerate().filter(|(_, cursor)| cursor.fields.contains(Field::Title)) {
            cursor.places(&mut places);
            for &place in places.iter().filter(|place| document.field_at(**place) == Field::Title) {
                if let Some(at) = title.get_mut(place as usize) {
                    *at = Some(word);
                }
            }
        }
        Self {
            document,
            title,
            is_authors: cursors.iter().map(|cursor| cursor.fields.contains(Field::Authors)).collect(),
        }
    }

    /// How the words in this order name the document.
    fn by(&self, in_order: &[usize]) -> Option<KnownBy> {
        let mut best = None;
        let mut start = 0;
        let mut before: Option<(usize, usize)> = None;
        for end in self.places(self.document.title_ends) {
            let colons = self.places(self.document.title_colons).filter(|colon| (start..end).contains(colon));
            let parts = colons.chain([end]).map(|end| vec![(start, end)]);
            // The title proper with its subtitle, which is the text behind it.
            let with_subtitle = before.filter(|(start, _)| *start == 0).map(|title| vec![title, (start, end)]);
            for spans in parts.chain(with_subtitle) {
                best = best.into_iter().chain(self.spans_by(&spans, in_order)).min();
            }
            before = Some((start, end));
            // A place between two texts is free.
            start = end + 2;
        }
        best
    }

    /// How a title that takes up these places, ends included, is named.
    fn spans_by(&self, spans: &[(usize, usize)], in_order: &[usize]) -> Option<KnownBy> {
        let first = spans[0].0;
        let has_article = first < spans[0].1 && self.document.title_articles >> first & 1 == 1;
        let article = self.title.get(first).copied().flatten().filter(|_| has_article);
        let places = spans.iter().flat_map(|(start, end)| *start..=*end).skip(usize::from(has_article));
        let title: Vec<usize> = places.map(|place| self.title.get(place).copied().flatten()).collect::<Option<_>>()?;
        if title == in_order {
            return Some(KnownBy::Title);
        }
        let mut others = in_order.iter().filter(|word| !title.contains(word) && article != Some(**word)).peekable();
        others.peek()?;
        others.all(|word| self.is_authors[*word]).then_some(KnownBy::TitleAndAuthor)
    }

    fn places(&self, bits: u64) -> impl Iterator<Item = usize> {
        (0..TITLE_PLACES as usize).filter(move |place| bits >> place & 1 == 1)
    }
}

/// Whether a title may do without its first word.
pub(super) fn is_article(word: &str) -> bool {
    ARTICLES.contains(&word)
}
