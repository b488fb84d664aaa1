//! BM25 over folded text, in memory.
//!
//! An index is made in one pass over the documents (`builder.rs`) and then left unchanged: the words, sorted
//! (`vocabulary.rs`), for each the documents that hold it with fields and places (`postings.rs`), and a little about each
//! document (`documents.rs`). A question goes through it in two steps. [`KeywordIndex::query`] makes a query of any text
//! (`query.rs`) and puts its spelling right (`spelling.rs`); [`KeywordIndex::search`] ranks the documents that answer it (`score.rs`).
//! [`KeywordIndex::known_items`] finds the document that a text names (`known.rs`).

mod builder;
mod documents;
mod field;
mod known;
mod naming;
mod postings;
mod query;
mod score;
mod spelling;
mod vocabulary;

pub use builder::KeywordIndexBuilder;
pub use field::{Field, Fields};
pub use known::{KnownBy, KnownItem};
pub use naming::{Namer, Naming};
pub use query::{KeywordQuery, QueryOptions};
pub use spelling::Correction;

use crate::GroupSet;
use documents::Document;
use postings::{Cursor, Lists};
use query::{Clause, Need, QueryWord};
use score::{Scores, Weights};
use vocabulary::Vocabulary;

/// What a word counts that is spelt otherwise than it was typed, or goes on: the reader's own word comes first.
const OTHER_SPELLING: f32 = 0.8;

/// A document to index. Each field is a list: a title and its subtitle, the authors, the subjects.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeywordDocument<'a> {
    /// What the document is found as.
    pub group: u32,
    /// Title and subtitle.
    pub title: &'a [&'a str],
    /// Other titles that it is known by: of the original, of a part, in another script.
    pub other_titles: &'a [&'a str],
    /// Names.
    pub authors: &'a [&'a str],
    /// Subject headings.
    pub subjects: &'a [&'a str],
    /// The series it belongs to.
    pub series: &'a [&'a str],
    /// What it is about.
    pub description: &'a [&'a str],
    /// Its ISBNs in every form, its call numbers and the like; hyphens, spaces and full stops do not matter.
    pub identifiers: &'a [&'a str],
}

/// A document found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeywordHit {
    /// The document's group.
    pub group: u32,
    /// Its BM25 score, above 0.
    pub score: f32,
}

/// A word of a query in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeywordMatch {
    /// The word as the document has it, folded.
    pub word: String,
    /// Where it stands.
    pub fields: Fields,
    /// How many documents hold it.
    pub n_docs: u32,
}

/// BM25 over folded text, in memory.
#[derive(Debug, Default)]
pub struct KeywordIndex {
    vocabulary: Vocabulary,
    /// One for each word.
    lists: Lists,
    /// In record order, groups ascending.
    documents: Vec<Document>,
    weights: Weights,
}

impl KeywordIndex {
    fn new(vocabulary: Vocabulary, lists: Lists, documents: Vec<Document>) -> Self {
        let weights = Weights::of(&documents);
        Self { vocabulary, lists, documents, weights }
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Makes a query of any text, for this index: what was corrected, is in [`KeywordQuery::corrections`].
    pub fn query(&self, text: &str, options: &QueryOptions<'_>) -> KeywordQuery {
        let mut query = KeywordQuery { clauses: query::parse(text, options.fields), corrections: Vec::new() };
        if options.last_word_is_prefix {
            self.complete(&mut query);
        }
        if !options.exact {
            self.unquote(&mut query, options.fields);
            self.correct(&mut query, options.is_word.unwrap_or(&|_| false));
        }
        query
    }

    /// The `k` documents that answer `query` best, best first, of those in `among` if it is given; equal ones in record
    /// order.
    ///
    /// More of the words, and rarer ones, make a better answer; so does a word in the title, the authors, the subjects
    /// or the series.
    pub fn search(&self, query: &KeywordQuery, k: usize, among: Option<&GroupSet>) -> Vec<KeywordHit> {
        let k = k.min(self.len());
        if k == 0 {
            return Vec::new();
        }
        let mut scores = Scores::new(&self.weights);
        for clause in query.clauses.iter().filter(|clause| clause.need != Need::Not) {
            clause.words.iter().for_each(|word| scores.add(self.spellings(word), clause.fields));
        }
        let admitted = self.admitted_docs(query);
        let is_wanted = |doc: u32| {
            admitted.as_ref().is_none_or(|admitted| admitted.contains(doc))
                && among.is_none_or(|among| among.contains(self.documents[doc as usize].group))
        };
        let found = scores.top(k, is_wanted);
        found.into_iter().map(|(doc, score)| KeywordHit { group: self.documents[doc as usize].group, score }).collect()
    }

    /// The groups that the signs of a query leave: phrases, fields, words that must not be there. `None` if it has none.
    /// Whoever searches in another way beside has to keep to them, too.
    pub fn admitted(&self, query: &KeywordQuery) -> Option<GroupSet> {
        let docs = self.admitted_docs(query)?;
        Some(docs.iter().map(|doc| self.documents[doc as usize].group).collect())
    }

    fn admitted_docs(&self, query: &KeywordQuery) -> Option<GroupSet> {
        let with = |need: Need| query.clauses.iter().filter(move |clause| clause.need == need);
        let required = with(Need::Must).map(|clause| self.holders(clause)).reduce(|mut all, holders| {
            all.intersect(&holders);
            all
        });
        with(Need::Not).map(|clause| self.holders(clause)).fold(required, |admitted, unwanted| {
            let mut admitted = admitted.unwrap_or_else(|| GroupSet::all(self.documents.len() as u32));
            admitted.subtract(&unwanted);
            Some(admitted)
        })
    }

    /// Which words of the query a document holds, and in which fields.
    pub fn explain(&self, group: u32, query: &KeywordQuery) -> Vec<KeywordMatch> {
        let Ok(doc) = self.documents.binary_search_by_key(&group, |document| document.group) else { return Vec::new() };
        let mut found: Vec<KeywordMatch> = Vec::new();
        for clause in query.clauses.iter().filter(|clause| clause.need != Need::Not) {
            for word in clause.words.iter().flat_map(QueryWord::spellings) {
                let Some(mut cursor) = self.vocabulary.find(word).map(|number| self.lists.cursor(number)) else {
                    continue;
                };
                let fields = if cursor.seek(doc as u32) { cursor.fields.and(clause.fields) } else { Fields::NONE };
                if fields == Fields::NONE {
                    continue;
                }
                match found.iter_mut().find(|known| known.word == word) {
                    Some(known) => known.fields = known.fields.or(fields),
                    None => found.push(KeywordMatch { word: word.to_owned(), fields, n_docs: cursor.n_docs() }),
                }
            }
        }
        found
    }

    /// The lists of a word's spellings, as far as the index knows them, and what each counts.
    fn spellings(&self, word: &QueryWord) -> Vec<(Cursor<'_>, f32)> {
        let weights = std::iter::once(1.0).chain(std::iter::repeat(OTHER_SPELLING));
        let numbers =
            word.spellings().zip(weights).filter_map(|(word, weight)| Some((self.vocabulary.find(word)?, weight)));
        numbers.map(|(number, weight)| (self.lists.cursor(number), weight)).collect()
    }

    fn cursors(&self, word: &QueryWord) -> Vec<Cursor<'_>> {
        self.spellings(word).into_iter().map(|(cursor, _)| cursor).collect()
    }

    /// The documents that hold the words of a clause side by side, in its fields.
    fn holders(&self, clause: &Clause) -> GroupSet {
        let mut words: Vec<Vec<Cursor<'_>>> = clause.words.iter().map(|word| self.cursors(word)).collect();
        let n_docs = |cursors: &Vec<Cursor<'_>>| cursors.iter().map(|cursor| u64::from(cursor.n_docs())).sum::<u64>();
        let Some(rarest) = words.iter().min_by_key(|cursors| n_docs(cursors)) else { return GroupSet::new() };
        let mut found = GroupSet::new();
        for mut cursor in rarest.clone() {
            while cursor.advance() {
                if cursor.fields.meets(clause.fields) {
                    found.insert(cursor.doc);
                }
            }
        }
        if words.len() == 1 {
            return found;
        }
        let candidates = found.iter().filter(|&doc| {
            let held = |cursor: &mut Cursor<'_>| cursor.seek(doc) && cursor.fields.meets(clause.fields);
            // All of a word's spellings are moved to the document, so that their places can be read.
            words.iter_mut().all(|cursors| cursors.iter_mut().map(held).fold(false, |any, held| any | held))
                && self.stand_side_by_side(doc, &words, clause.fields)
        });
        candidates.collect()
    }

    /// Whether the words stand one after the other in `doc`, which holds them all, in one of `fields`.
    fn stand_side_by_side(&self, doc: u32, words: &[Vec<Cursor<'_>>], fields: Fields) -> bool {
        let (mut starts, mut places, mut of_word) = (Vec::new(), Vec::new(), Vec::new());
        for (cursors, nth) in words.iter().zip(0_u32..) {
            of_word.clear();
            for cursor in cursors.iter().filter(|cursor| cursor.doc == doc) {
                cursor.places(&mut places);
                of_word.extend(places.iter().filter_map(|place| place.checked_sub(nth)));
            }
            if nth == 0 {
                let document = &self.documents[doc as usize];
                starts.extend(of_word.iter().copied().filter(|place| fields.contains(document.field_at(*place))));
            } else {
                of_word.sort_unstable();
                starts.retain(|start| of_word.binary_search(start).is_ok());
            }
        }
        !starts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let mut builder = KeywordIndexBuilder::new();
        for (number, [title, authors, subjects, description, isbn]) in BOOKS.iter().enumerate() {
            let document = KeywordDocument {
                group: 10 + number as u32,
                title: &[title],
                authors: &[authors],
                subjects: &[subjects],
                description: &[description],
                identifiers: &[isbn],
                ..KeywordDocument::default()
            };
            builder.push(&document).expect("a good document");
        }
        builder.finish().expect("an index in memory")
    }

    fn found(index: &KeywordIndex, query: &str) -> Vec<u32> {
        ask(index, query, 100).iter().map(|hit| hit.group - 10).collect()
    }

    fn ask(index: &KeywordIndex, query: &str, k: usize) -> Vec<KeywordHit> {
        index.search(&index.query(query, &QueryOptions::default()), k, None)
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
        let hits = ask(&index, "boy barcelona sisters", 100);
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
            let hits = ask(&index, text, 10);
            assert!(hits.iter().all(|hit| hit.score > 0.0), "{text:?}: {hits:?}");
        }
        assert_eq!(found(&index, "+title:emma^2 -\"AND"), [0]);
    }

    #[test]
    fn limits_are_kept() {
        let index = library();
        for (k, expected) in [(0, 0), (1, 1), (2, 2), (usize::MAX, 2)] {
            assert_eq!(ask(&index, "twin", k).len(), expected, "k = {k}");
        }
        let empty = KeywordIndexBuilder::new().finish().expect("an index in memory");
        assert!(empty.is_empty());
        assert_eq!(ask(&empty, "twin", 10), []);
    }

    #[test]
    fn signs_ask_for_phrases_for_fields_and_for_less() {
        let index = library();
        let cases: [(&str, &[u32], &str); 28] = [
            ("\"jane austen\"", &[0], "a phrase"),
            ("\"austen jane\"", &[4], "the same words the other way round, as the subject has them"),
            ("\"emma jane\"", &[], "no phrase runs from one field into the next"),
            ("“a boy in” novel", &[1], "typographic quotation marks"),
            ("\"jane\" sister", &[4, 0], "a phrase of one word is asked for, too"),
            ("\"emma", &[0], "a quotation mark without a partner"),
            ("emma\"", &[0], "the same behind the word"),
            ("\"\" emma", &[0], "nothing between quotation marks"),
            ("\"to be or not to be\"", &[], "a phrase that is nowhere"),
            ("austen -emma", &[4], "without a word"),
            ("austen -\u{301}emma", &[0, 4], "a minus stands before a letter"),
            ("austen-emma", &[0, 4], "a hyphen"),
            ("-emma", &[0], "nothing but a minus"),
            ("-austen -emma", &[4], "a minus stands behind a space"),
            ("! -austen -emma", &[0, 4], "nothing but minuses"),
            ("jane -author:austen", &[4], "without a word in a field"),
            ("author:austen", &[0], "a field"),
            ("AUTHOR:Austen", &[0], "a field in capitals"),
            ("subject:austen", &[4], "another field"),
            ("author:\"jane austen\"", &[0], "a phrase in a field"),
            ("author:\"austen jane\"", &[], "a phrase that stands in another field"),
            ("title:letters jane", &[4], "one that must be, and one that may"),
            ("title:jane", &[], "not in this field"),
            ("colour:emma", &[0], "an unknown prefix is a word"),
            ("title: emma", &[0], "a prefix with a space behind it is a word"),
            ("isbn:0-14-303490-1", &[1], "a number by its prefix"),
            ("zzz 0-14-303490-1", &[1], "a number among words"),
            ("isbn:emma", &[], "no number"),
        ];
        let to_the_letter = QueryOptions { exact: true, ..QueryOptions::default() };
        for (query, expected, why) in cases {
            let hits = index.search(&index.query(query, &to_the_letter), 100, None);
            assert_eq!(hits.iter().map(|hit| hit.group - 10).collect::<Vec<_>>(), expected, "{why}: {query:?}");
        }
    }

    #[test]
    fn a_phrase_that_is_nowhere_is_searched_as_words_and_it_is_said() {
        let index = library();
        type Said<'a> = Option<(&'a str, &'a str)>;
        let cases: [(&str, Said<'_>, &[u32]); 6] = [
            ("\"jane austen\"", None, &[0]),
            ("\"emma jane\"", Some(("“emma jane”", "emma jane")), &[0, 4]),
            ("the \"emma\" “Wind of the Shadow”", Some(("“wind of the shadow”", "wind of the shadow")), &[0]),
            ("author:\"austen jane\"", None, &[]),
            ("letters -\"no phrase\"", None, &[4]),
            ("\"jane austen\" \"two sisters\"", None, &[]),
        ];
        for (text, expected, books) in cases {
            let query = index.query(text, &QueryOptions::default());
            let corrections = query.corrections().iter();
            let said: Vec<_> = corrections.map(|said| (said.typed.as_str(), said.searched.as_str())).collect();
            assert_eq!(said, expected.into_iter().collect::<Vec<_>>(), "{text}");
            assert_eq!(found(&index, text), books, "{text}");
        }
    }

    #[test]
    fn words_that_others_leave_out_are_found_alone() {
        let mut builder = KeywordIndexBuilder::new();
        let titles = ["It", "To Be or Not to Be", "1984", "The C++ Programming Language", "C", "Not It"];
        for (title, group) in titles.iter().zip(0..) {
            let document = KeywordDocument { group, title: &[title], ..KeywordDocument::default() };
            builder.push(&document).expect("groups ascend");
        }
        let index = builder.finish().expect("room for all");
        let cases =
            [("It", 0), ("to be or not to be", 1), ("\"to be or not to be\"", 1), ("1984", 2), ("C++", 3), ("C", 4)];
        for (query, expected) in cases {
            assert_eq!(ask(&index, query, 1).first().map(|hit| hit.group), Some(expected), "{query}");
        }
    }

    #[test]
    fn only_what_is_asked_among_is_found() {
        let index = library();
        let query = index.query("jane", &QueryOptions::default());
        let among = |groups: &[u32]| {
            let among: GroupSet = groups.iter().copied().collect();
            index.search(&query, 10, Some(&among)).iter().map(|hit| hit.group).collect::<Vec<_>>()
        };
        assert_eq!(among(&[10, 14]), [14, 10]);
        assert_eq!(among(&[10, 11, 12]), [10]);
        assert!(among(&[]).is_empty());
    }

    #[test]
    fn words_are_looked_for_in_some_fields_only_if_wished() {
        let index = library();
        let of = |fields| {
            let query = index.query("jane", &QueryOptions { fields, ..QueryOptions::default() });
            index.search(&query, 10, None).iter().map(|hit| hit.group - 10).collect::<Vec<_>>()
        };
        assert_eq!(of(Field::Authors.into()), [0]);
        assert_eq!(of(Fields::from(Field::Subjects).with(Field::Title)), [4]);
        assert!(of(Fields::NONE).is_empty());
    }

    #[test]
    fn a_hit_says_which_words_it_holds_and_where() {
        let index = library();
        let explained = |group, query: &str| {
            let query = index.query(query, &QueryOptions::default());
            let matches = index.explain(group, &query).into_iter();
            let fields = |fields: Fields| fields.iter().map(Field::as_str).collect::<Vec<_>>().join("+");
            matches.map(|found| format!("{} {}", found.word, fields(found.fields))).collect::<Vec<_>>()
        };
        assert_eq!(explained(14, "sister, -zzz, novel"), ["sister description"]);
        assert_eq!(
            explained(14, "jane austen letters"),
            ["jane subjects+description", "austen subjects", "letters title"]
        );
        assert_eq!(explained(14, "subject:jane jane"), ["jane subjects+description"]);
        assert_eq!(explained(10, "978 0 14 143958 7"), ["9780141439587 identifiers"]);
        assert!(explained(9, "jane").is_empty() && explained(19, "jane").is_empty(), "groups that are not there");
    }

    #[test]
    fn groups_ascend() {
        let mut builder = KeywordIndexBuilder::new();
        let mut push = |group| builder.push(&KeywordDocument { group, ..KeywordDocument::default() });
        assert!(push(3).is_ok());
        assert!(matches!(push(3), Err(crate::Error::GroupOrder { group: 3, last: 3 })));
        assert!(matches!(push(2), Err(crate::Error::GroupOrder { group: 2, last: 3 })));
        assert!(push(4).is_ok());
    }

    /// What a reader may type, and a good deal more.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "([a-c]{1,2}|[-\":“”«» ]|title:|isbn:|author:|\u{200b}|\u{0}|क़|ﷺ|שלום|\u{202e}|\u{301}|ﬁ|9780141439587){0,12}",
        ]
    }

    proptest! {
        #[test]
        fn no_text_is_an_error_and_every_hit_is_explained(
            documents in prop::collection::vec(("[a-c ]{0,9}", texts(), "[a-c:, ]{0,9}"), 0..12),
            query in texts(),
            k in 0_usize..20,
        ) {
            let mut builder = KeywordIndexBuilder::new();
            for ((title, description, subject), group) in documents.iter().zip(0..) {
                let document = KeywordDocument {
                    group,
                    title: &[title],
                    subjects: &[subject],
                    description: &[description],
                    ..KeywordDocument::default()
                };
                builder.push(&document).expect("groups ascend");
            }
            let index = builder.finish().expect("room for all");
            for item in index.known_items(&query) {
                prop_assert!((item.group as usize) < documents.len());
            }
            let query = index.query(&query, &QueryOptions::default());
            let hits = index.search(&query, k, None);
            prop_assert!(hits.len() <= k.min(documents.len()));
            prop_assert!(hits.is_sorted_by(|a, b| a.score > b.score || a.score == b.score && a.group < b.group), "{:?}", hits);
            for hit in &hits {
                prop_assert!(hit.score > 0.0 && hit.score.is_finite());
                prop_assert!(!index.explain(hit.group, &query).is_empty(), "{:?}", hit);
            }
            // Fewer hits are the first of more.
            let more = index.search(&query, 100, None);
            prop_assert_eq!(&more[..hits.len()], &hits[..]);
        }
    }

    #[test]
    fn misspelt_words_are_corrected_and_it_is_said() {
        let mut builder = KeywordIndexBuilder::new();
        let mut titles =
            vec!["The Invention of the Sewing Machine", "A History of Greece", "The Hobbit", "1984", "Wind"];
        titles.extend(["The Sewing of Gowns", "Bronte", "Convention"]);
        titles.extend(std::iter::repeat_n("The Common Brontë Convention of Histories", 250));
        for (title, group) in titles.iter().zip(0..) {
            let authors: &[&str] = if group == 2 { &["J. R. R. Tolkien"] } else { &[] };
            let document = KeywordDocument { group, title: &[title], authors, ..KeywordDocument::default() };
            builder.push(&document).expect("groups ascend");
        }
        let index = builder.finish().expect("room for all");
        type Corrected<'a> = &'a [(&'a str, &'a str)];
        let cases: [(&str, Corrected<'_>, Option<u32>); 16] = [
            ("tolkein", &[("tolkein", "tolkien")], Some(2)),
            ("hobbbit Tolkien", &[("hobbbit", "hobbit")], Some(2)),
            ("the innvention of the sewing macine", &[("innvention", "invention"), ("macine", "machine")], Some(0)),
            ("hiatory of greece", &[("hiatory", "history")], Some(1)),
            ("author:tolkein", &[("tolkein", "tolkien")], Some(2)),
            ("subject:tolkein", &[], None),
            ("\"tolkein\"", &[("“tolkein”", "tolkein"), ("tolkein", "tolkien")], Some(2)),
            ("hobbit -tolkein", &[], Some(2)),
            ("1985", &[], None),
            ("win", &[], None),
            ("winds", &[("winds", "wind")], Some(4)),
            ("histroyies", &[("histroyies", "histories")], Some(8)),
            ("hstroy", &[], None),
            ("bronze", &[("bronze", "bronte")], Some(6)),
            ("zzzzzzzz", &[], None),
            ("tolkien", &[], Some(2)),
        ];
        for (text, expected, first) in cases {
            let query = index.query(text, &QueryOptions::default());
            let corrections = query.corrections().iter();
            let corrected: Vec<_> = corrections.map(|found| (found.typed.as_str(), found.searched.as_str())).collect();
            assert_eq!(corrected, expected, "{text}");
            assert_eq!(index.search(&query, 1, None).first().map(|hit| hit.group), first, "{text}");
            let exact = index.query(text, &QueryOptions { exact: true, ..QueryOptions::default() });
            assert!(exact.corrections().is_empty(), "{text}: corrections can be revoked");
        }
    }

    #[test]
    fn a_word_of_the_language_is_not_misspelt() {
        let index = library();
        let is_word = |word: &str| word == "countship";
        for (text, expected) in [("countship", 0), ("cuortship", 1)] {
            let query = index.query(text, &QueryOptions { is_word: Some(&is_word), ..QueryOptions::default() });
            assert_eq!(query.corrections().len(), expected, "{text}");
        }
    }

    #[test]
    fn a_rare_spelling_beside_a_frequent_one_is_searched_as_both() {
        let mut builder = KeywordIndexBuilder::new();
        for group in 0..300 {
            let author = if group == 7 { "Tolkein" } else { "Tolkien" };
            builder
                .push(&KeywordDocument { group, authors: &[author], ..KeywordDocument::default() })
                .expect("groups ascend");
        }
        let index = builder.finish().expect("room for all");
        let query = index.query("tolkein", &QueryOptions::default());
        let correction = Correction { typed: "tolkein".to_owned(), searched: "tolkien".to_owned(), as_well: true };
        assert_eq!(query.corrections(), [correction]);
        let hits = index.search(&query, 1_000, None);
        assert_eq!((hits.len(), hits[0].group), (300, 7), "what was typed comes first");
        assert!(index.query("tolkien", &QueryOptions::default()).corrections().is_empty());
    }

    #[test]
    fn the_last_word_may_be_the_beginning_of_one() {
        let index = library();
        let typed = |text: &str| {
            let query =
                index.query(text, &QueryOptions { exact: true, last_word_is_prefix: true, ..QueryOptions::default() });
            index.search(&query, 10, None).iter().map(|hit| hit.group - 10).collect::<Vec<_>>()
        };
        let cases: [(&str, &[u32], &str); 10] = [
            ("shad", &[1], "one word"),
            ("zaf", &[1], "without its accent"),
            ("jane aust", &[0, 4], "the last of two"),
            ("jane aust ", &[0, 4], "a space behind it ends the word"),
            ("aust jane", &[0, 4], "only the last"),
            ("97801414", &[0], "an ISBN"),
            ("author:aus", &[0], "in a field"),
            ("\"jane aus", &[0, 4], "in a phrase that is not closed yet"),
            ("\"jane aus\"", &[], "but not in a whole one"),
            ("xyz", &[], "the beginning of nothing"),
        ];
        for (text, expected, why) in cases {
            let mut found = typed(text);
            found.sort_unstable();
            assert_eq!(found, expected, "{why}: {text:?}");
        }
        assert_eq!(found(&index, "shad"), [] as [u32; 0], "only if wished");
    }

    #[test]
    fn known_items_are_named_whole() {
        let documents: [KeywordDocument<'_>; 8] = [
            KeywordDocument {
                title: &["The Hobbit", "There and Back Again"],
                authors: &["J. R. R. Tolkien"],
                identifiers: &["0261102214", "978-0-261-10221-7", "PR6039.O32 H6"],
                ..KeywordDocument::default()
            },
            KeywordDocument { title: &["Emma"], authors: &["Jane Austen"], ..KeywordDocument::default() },
            KeywordDocument {
                title: &["Emma: A Modern Retelling"],
                authors: &["McCall Smith, Alexander"],
                ..KeywordDocument::default()
            },
            KeywordDocument {
                title: &["It"],
                authors: &["Stephen King"],
                identifiers: &["813.54"],
                ..KeywordDocument::default()
            },
            KeywordDocument { title: &["To Be or Not to Be"], ..KeywordDocument::default() },
            KeywordDocument {
                title: &["Der Prozess"],
                other_titles: &["The Trial", "प्रक्रिया"],
                authors: &["Franz Kafka"],
                ..KeywordDocument::default()
            },
            KeywordDocument { title: &["1984"], authors: &["George Orwell"], ..KeywordDocument::default() },
            KeywordDocument {
                title: &["Hobbit"],
                authors: &["Emma It"],
                description: &["Emma, by Jane Austen"],
                ..KeywordDocument::default()
            },
        ];
        let mut builder = KeywordIndexBuilder::new();
        for (group, document) in (20..).zip(documents) {
            builder.push(&KeywordDocument { group, ..document }).expect("groups ascend");
        }
        let index = builder.finish().expect("room for all");
        use KnownBy::{Identifier, Title, TitleAndAuthor};
        let cases: [(&str, &[(u32, KnownBy)]); 33] = [
            ("the hobbit", &[(0, Title), (7, Title)]),
            ("HOBBIT!", &[(0, Title), (7, Title)]),
            ("A Hobbit", &[(0, Title), (7, Title)]),
            ("The Hobbit: There and Back Again", &[(0, Title)]),
            ("hobbit there and back again", &[(0, Title)]),
            ("there & back again", &[(0, Title)]),
            ("hobbit there", &[]),
            ("hobbit tolkien", &[(0, TitleAndAuthor)]),
            ("J.R.R. Tolkien The Hobbit", &[(0, TitleAndAuthor)]),
            ("tolkien: the hobbit, there and back again", &[(0, TitleAndAuthor)]),
            ("tolkien", &[]),
            ("back hobbit tolkien", &[]),
            ("emma", &[(1, Title), (2, Title)]),
            ("emma a modern retelling", &[(2, Title)]),
            ("emma austen", &[(1, TitleAndAuthor)]),
            ("austen, jane: emma", &[(1, TitleAndAuthor)]),
            ("smith emma", &[(2, TitleAndAuthor)]),
            ("emma zzz", &[]),
            ("It", &[(3, Title)]),
            ("stephen king it", &[(3, TitleAndAuthor)]),
            ("emma it hobbit", &[(7, TitleAndAuthor)]),
            ("to be or not to be", &[(4, Title)]),
            ("to be or not", &[]),
            ("not to be or to be", &[]),
            ("prozess", &[(5, Title)]),
            ("trial kafka", &[(5, TitleAndAuthor)]),
            ("प्रक्रिया", &[(5, Title)]),
            ("der prozess the trial", &[(5, Title)]),
            ("1984", &[(6, Title)]),
            ("0-261-10221-4", &[(0, Identifier)]),
            ("ISBN 9780261102217", &[(0, Identifier)]),
            ("pr 6039 o32 h6", &[(0, Identifier)]),
            ("813.54", &[(3, Identifier)]),
        ];
        for (text, expected) in cases {
            let found: Vec<(u32, KnownBy)> =
                index.known_items(text).iter().map(|item| (item.group - 20, item.by)).collect();
            assert_eq!(found, expected, "{text}");
        }
        for text in ["", "\0", "…", "the", &"emma ".repeat(4_000)] {
            assert_eq!(index.known_items(text), [], "{text:?}");
        }
    }
}
