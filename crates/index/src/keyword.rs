//! BM25 over folded text.
//!
//! Ranking by words is tantivy's job; here its part is fixed: which fields, how much each counts, and how a reader's
//! words become a query. That query is built from words, never parsed, so there is no syntax to get wrong. One segment
//! in memory, written by the calling thread, keeps the documents in record order and leaves no thread behind.
//!
//! A document is scored as one text, and a word gets a little more where it stands in the title, among the authors or in
//! the subjects. Weighing the fields alone does worse: BM25 takes a word for rare that is rare in one field, so that
//! `about` in a title beats everything that a book is about.

use crate::{Error, fold, words};
use std::collections::HashSet;
use tantivy::collector::TopDocs;
use tantivy::directory::RamDirectory;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::query::{BooleanQuery, BoostQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::{Index, IndexReader, ReloadPolicy, TantivyDocument, Term};

/// The fields, and what BM25 in each adds to a score; tuned on judged queries for subjects and for known books.
const FIELD_WEIGHTS: [(&str, f32); 5] =
    [("text", 1.0), ("title", 0.2), ("authors", 0.2), ("subjects", 0.15), ("isbns", 10.0)];

/// Tantivy's name for the tokenizer that splits at spaces: the text it is given is already split into words.
const SPLIT_AT_SPACES: &str = "whitespace";

/// Where tantivy would flush a segment. Ours is never flushed, so this only sizes its first hash table.
const MEMORY_BUDGET_BYTES: usize = 4 << 20;

/// A document to index. Each field is a list: a title and its subtitle, the authors, the subjects.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeywordDocument<'a> {
    /// What the document is found as.
    pub group: u32,
    /// Title and subtitle.
    pub title: &'a [&'a str],
    /// Names.
    pub authors: &'a [&'a str],
    /// Subject headings.
    pub subjects: &'a [&'a str],
    /// What it is about.
    pub description: &'a [&'a str],
    /// Its ISBNs; hyphens and spaces do not matter.
    pub isbns: &'a [&'a str],
}

/// A document found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeywordHit {
    /// The document's group.
    pub group: u32,
    /// Its BM25 score, above 0.
    pub score: f32,
}

/// A [`KeywordIndex`] in the making.
pub struct KeywordIndexBuilder {
    writer: SingleSegmentIndexWriter,
    fields: Fields,
    groups: Vec<u32>,
}

/// BM25 over folded text, in memory.
pub struct KeywordIndex {
    reader: IndexReader,
    fields: Fields,
    /// The group of each document, in record order.
    groups: Vec<u32>,
}

impl KeywordIndexBuilder {
    /// Begins an index.
    pub fn new() -> Result<Self, Error> {
        let (schema, fields) = schema();
        let directory = RamDirectory::create();
        let writer = Index::builder().schema(schema).single_segment_index_writer(directory, MEMORY_BUDGET_BYTES)?;
        Ok(Self { writer, fields, groups: Vec::new() })
    }

    /// Adds a document.
    pub fn push(&mut self, document: &KeywordDocument<'_>) -> Result<(), Error> {
        let KeywordDocument { group, title, authors, subjects, description, isbns } = *document;
        let text = [title, authors, subjects, description].concat();
        let isbns: Vec<String> = isbns.iter().map(|isbn| compact(isbn)).collect();
        let contents = [&text[..], title, authors, subjects].map(folded_words).into_iter().chain([isbns.join(" ")]);
        let mut stored = TantivyDocument::new();
        for (field, content) in self.fields.into_iter().zip(contents) {
            stored.add_text(field, content);
        }
        self.writer.add_document(stored)?;
        self.groups.push(group);
        Ok(())
    }

    /// Ends the index; it can be searched from now on.
    pub fn finish(self) -> Result<KeywordIndex, Error> {
        let index = self.writer.finalize()?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(KeywordIndex { reader, fields: self.fields, groups: self.groups })
    }
}

impl KeywordIndex {
    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The `k` documents that answer `query` best, best first; equal ones in record order.
    ///
    /// Any text is a query: it is folded and split into words, and a document needs one of them. More of the words, and
    /// rarer ones, make a better answer; so does a word in the title, the authors or the subjects.
    pub fn search(&self, query: &str, k: usize) -> Result<Vec<KeywordHit>, Error> {
        let k = k.min(self.len());
        let terms = query_terms(query);
        if k == 0 || terms.is_empty() {
            return Ok(Vec::new());
        }
        let query = BooleanQuery::union(terms.iter().flat_map(|term| self.term_queries(term)).collect());
        let found = self.reader.searcher().search(&query, &TopDocs::with_limit(k).order_by_score())?;
        let hits = found.into_iter().filter(|(score, _)| *score > 0.0);
        Ok(hits.map(|(score, at)| KeywordHit { group: self.groups[at.doc_id as usize], score }).collect())
    }

    /// One word in each of the fields.
    fn term_queries(&self, word: &str) -> impl Iterator<Item = Box<dyn Query>> {
        self.fields.iter().zip(FIELD_WEIGHTS).map(move |(&field, (_, weight))| -> Box<dyn Query> {
            let term = TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs);
            Box::new(BoostQuery::new(Box::new(term), weight))
        })
    }
}

/// The fields of [`FIELD_WEIGHTS`], in that order.
type Fields = [Field; FIELD_WEIGHTS.len()];

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexing =
        TextFieldIndexing::default().set_tokenizer(SPLIT_AT_SPACES).set_index_option(IndexRecordOption::WithFreqs);
    let options = TextOptions::default().set_indexing_options(indexing);
    let fields = FIELD_WEIGHTS.map(|(name, _)| schema.add_text_field(name, options.clone()));
    (schema.build(), fields)
}

/// The words of `texts`, folded, with a space between each two.
fn folded_words(texts: &[&str]) -> String {
    let folded = fold(&texts.join(" "));
    words(&folded).collect::<Vec<_>>().join(" ")
}

/// The distinct words of a query, in its order; an ISBN however it is hyphenated is a word too.
fn query_terms(query: &str) -> Vec<String> {
    let folded = fold(query);
    let mut seen = HashSet::new();
    let mut terms: Vec<String> = words(&folded).filter(|word| seen.insert(*word)).map(str::to_owned).collect();
    let isbn = compact(query);
    if looks_like_isbn(&isbn) && !seen.contains(isbn.as_str()) {
        terms.push(isbn);
    }
    terms
}

/// `text` folded, without anything between its letters and digits.
fn compact(text: &str) -> String {
    words(&fold(text)).collect()
}

/// Ten digits, the last of which may be `x`, or thirteen.
fn looks_like_isbn(compact: &str) -> bool {
    let digits = compact.strip_suffix('x').filter(|rest| rest.len() == 9).unwrap_or(compact);
    matches!(compact.len(), 10 | 13) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Title, authors, subjects, description, ISBN.
    const BOOKS: [[&str; 5]; 9] = [
        ["Emma", "Jane Austen", "courtship", "A rich young woman makes matches in a village.", "978-0-14-143958-7"],
        ["The Shadow of the Wind", "Carlos Ruiz Zafón", "books", "A boy in Barcelona finds a novel.", "0143034901"],
        ["Don’t Look Now", "Daphne du Maurier", "Venice", "A couple in grief meets two sisters.", "019852663X"],
        ["The C++ Programming Language", "Bjarne Stroustrup", "programming", "By its maker.", ""],
        ["Letters of a Novelist", "", "Austen, Jane", "Jane wrote often, to her sister most of all.", ""],
        ["गोदान", "प्रेमचंद", "गाँव", "एक किसान का दिन और उसकी गाय।", ""],
        ["दान", "क़लम", "", "", ""],
        ["Twin", "", "", "alike", ""],
        ["Twin", "", "", "alike", ""],
    ];

    fn library() -> KeywordIndex {
        let mut builder = KeywordIndexBuilder::new().expect("an index in memory");
        for (number, [title, authors, subjects, description, isbn]) in BOOKS.iter().enumerate() {
            let document = KeywordDocument {
                group: 10 + number as u32,
                title: &[title],
                authors: &[authors],
                subjects: &[subjects],
                description: &[description],
                isbns: &[isbn],
            };
            builder.push(&document).expect("a good document");
        }
        builder.finish().expect("an index in memory")
    }

    fn found(index: &KeywordIndex, query: &str) -> Vec<u32> {
        index.search(query, 100).expect("any text is a query").iter().map(|hit| hit.group - 10).collect()
    }

    #[test]
    fn words_find_the_books_that_hold_them() {
        let index = library();
        let cases: [(&str, &[u32], &str); 16] = [
            ("emma", &[0], "a title"),
            ("EMMA!", &[0], "case and punctuation"),
            ("zafon shadow", &[1], "author and title, in any order and without accents"),
            ("dont look now", &[2], "apostrophe"),
            ("Don't look now", &[2], "another apostrophe"),
            ("c++", &[3], "signs"),
            ("austen", &[0, 4], "the author before the subject"),
            ("दिन", &[5], "day, and not gift"),
            ("दान", &[6], "gift, and not day"),
            ("कलम", &[6], "without the nukta"),
            ("twin", &[7, 8], "ties in record order"),
            ("9780141439587", &[0], "an ISBN"),
            ("978 0 14 143958 7", &[0], "an ISBN with spaces"),
            ("0-19-852663-x", &[2], "an ISBN with hyphens and a lower-case check character"),
            ("zzz", &[], "a word that is nowhere"),
            ("village zzz", &[0], "one known word is enough"),
        ];
        for (query, expected, why) in cases {
            assert_eq!(found(&index, query), expected, "{why}: {query:?}");
        }
    }

    #[test]
    fn more_of_the_words_rank_higher() {
        let index = library();
        let hits = index.search("boy barcelona sisters", 100).expect("any text is a query");
        assert_eq!(hits.iter().map(|hit| hit.group).collect::<Vec<_>>(), [11, 12]);
        assert!(hits[0].score > hits[1].score && hits[1].score > 0.0, "{hits:?}");
    }

    #[test]
    fn no_text_is_a_syntax_error() {
        let index = library();
        let long = "word ".repeat(4_000);
        let many: String = (0..3_000).map(|n| format!("w{n} ")).collect();
        let texts = [
            "",
            " ",
            "\0",
            "\u{200b}",
            "\"",
            "title:(",
            "a AND OR NOT",
            "[* TO *]",
            "^~-+\\/",
            "🦀",
            "'",
            &long,
            &many,
        ];
        for text in texts {
            assert!(index.search(text, 10).is_ok(), "{text:?}");
        }
        assert_eq!(found(&index, "+title:emma^2 -\"AND"), [0]);
    }

    #[test]
    fn limits_are_kept() {
        let index = library();
        for (k, expected) in [(0, 0), (1, 1), (2, 2), (usize::MAX, 2)] {
            assert_eq!(index.search("twin", k).expect("any text is a query").len(), expected, "k = {k}");
        }
        let empty = KeywordIndexBuilder::new().and_then(KeywordIndexBuilder::finish).expect("an index in memory");
        assert!(empty.is_empty());
        assert_eq!(empty.search("twin", 10).expect("any text is a query"), []);
    }

    #[test]
    fn isbns_are_recognised() {
        let cases = [
            ("0441013597", true),
            ("978-0-441-01359-3", true),
            ("019852663X", true),
            ("1984", false),
            ("01985X2663", false),
            ("978044101359x", false),
            ("abcdefghij", false),
            ("९७८०४४१०१३५९३", false),
        ];
        for (text, expected) in cases {
            assert_eq!(looks_like_isbn(&compact(text)), expected, "{text}");
        }
    }
}
