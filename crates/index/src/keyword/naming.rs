//! How far a query names a document, rather than describes it.
//!
//! A reader who knows a book types its title, its author or both, in any order and often not the whole. Whether that is
//! so is told by how much of the query stands in those fields, with rare words counting more, as in BM25.

use super::field::{Field, Fields};
use super::postings::Cursor;
use super::query::{Need, QueryWord};
use super::{KeywordIndex, KeywordQuery};

/// Where names stand.
const NAMES: Fields = Fields::NONE.with(Field::Title).with(Field::Authors);

/// Words that readers put between a title and its author: they count only where the document has them.
const JOINING: [&str; 6] = ["by", "von", "par", "por", "di", "av"];

/// What a word counts that was put right: a little less than one that was typed so.
const CORRECTED: f32 = 0.9;

/// How far a query names a document.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Naming {
    /// The share of the query that stands in the title or among the authors, 0 to 1, its words weighted by rarity; 1 if
    /// one of its numbers is the document's.
    pub of_query: f32,
    /// The share of the title's words that the query has, 0 to 1, a subtitle left out if that is more.
    pub of_title: f32,
    /// The share of the query that stands anywhere in the document, 0 to 1, its words weighted by rarity.
    pub held: f32,
}

/// Tells of documents how far one query names them. The query's words are looked up once, and their lists are read on
/// where documents come in the order of their groups.
pub struct Namer<'a> {
    index: &'a KeywordIndex,
    words: Vec<Word<'a>>,
    /// The document that was looked at last.
    last: u32,
}

/// A word of a query, looked up.
struct Word<'a> {
    /// The lists of its spellings, not read yet, and what each counts.
    lists: Vec<(Cursor<'a>, f32)>,
    /// The same, read up to the last document.
    cursors: Vec<(Cursor<'a>, f32)>,
    /// How rare it is.
    idf: f32,
    /// Where it is looked for.
    fields: Fields,
    is_joining: bool,
}

impl KeywordIndex {
    /// What tells how far `query` names documents.
    pub fn namer(&self, query: &KeywordQuery) -> Namer<'_> {
        let clauses = query.clauses.iter().filter(|clause| clause.need != Need::Not);
        let words = clauses.flat_map(|clause| clause.words.iter().map(|word| self.word(word, clause.fields)));
        Namer { index: self, words: words.collect(), last: 0 }
    }

    fn word(&self, word: &QueryWord, fields: Fields) -> Word<'_> {
        let counts = std::iter::once(1.0).chain(std::iter::repeat(CORRECTED));
        let known =
            word.spellings().zip(counts).filter_map(|(word, counts)| Some((self.vocabulary.find(word)?, counts)));
        let lists: Vec<_> = known.map(|(number, counts)| (self.lists.cursor(number), counts)).collect();
        let n_docs = lists.iter().map(|(list, _)| list.n_docs()).fold(0, u32::saturating_add);
        let (idf, is_joining) = (self.weights.idf(n_docs), JOINING.contains(&word.typed.as_str()));
        Word { cursors: lists.clone(), lists, idf, fields, is_joining }
    }
}

impl Namer<'_> {
    /// How far the query names the document of a group.
    pub fn naming(&mut self, group: u32) -> Naming {
        let documents = &self.index.documents;
        let Ok(at) = documents.binary_search_by_key(&group, |document| document.group) else {
            return Naming::default();
        };
        let doc = at as u32;
        if doc < self.last {
            // Lists are read forwards only.
            self.words.iter_mut().for_each(|word| word.cursors.clone_from(&word.lists));
        }
        self.last = doc;
        let (mut asked, mut found, mut held, mut in_title) = (0.0, 0.0, 0.0, 0_u32);
        for word in &mut self.words {
            let (mut fields, mut weight) = (Fields::NONE, 0.0_f32);
            for (cursor, counts) in &mut word.cursors {
                if cursor.seek(doc) {
                    (fields, weight) = (fields.or(cursor.fields), weight.max(*counts));
                }
            }
            if fields.contains(Field::Identifiers) {
                return Naming { of_query: 1.0, of_title: 1.0, held: 1.0 };
            }
            let fields = fields.and(word.fields);
            if word.fields == Field::Identifiers.into() || !fields.meets(NAMES) && word.is_joining {
                continue;
            }
            asked += word.idf;
            if fields.meets(Fields::ALL) {
                held += word.idf * weight;
            }
            if fields.meets(NAMES) {
                found += word.idf * weight;
            }
            in_title += u32::from(fields.contains(Field::Title));
        }
        let document = &documents[at];
        let all = document.length(Field::Title);
        let first = (document.title_ends.trailing_zeros() + 1).min(all);
        let of_title = if first > 0 { (in_title as f32 / first as f32).min(1.0) } else { 0.0 };
        let share = |part: f32| if asked > 0.0 { part / asked } else { 0.0 };
        Naming { of_query: share(found), of_title, held: share(held) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeywordDocument, KeywordIndexBuilder, QueryOptions};
    use super::*;

    fn index() -> KeywordIndex {
        let mut builder = KeywordIndexBuilder::new();
        let books: [(&[&str], &str, &str); 4] = [
            (&["The Woman in White"], "Wilkie Collins", "9780141439617"),
            (&["White Teeth", "a novel"], "Zadie Smith", ""),
            (&["Emma"], "Jane Austen", ""),
            (&["Persuasion"], "Jane Austen", ""),
        ];
        for (group, (title, author, isbn)) in (0..).zip(books) {
            let document = KeywordDocument {
                group,
                title,
                authors: &[author],
                description: &["A woman, a house, the sea."],
                identifiers: &[isbn],
                ..KeywordDocument::default()
            };
            builder.push(&document).expect("a good document");
        }
        builder.finish().expect("an index in memory")
    }

    #[test]
    fn titles_authors_and_numbers_name_a_book() {
        let index = index();
        let cases: [(u32, &str, f32, f32, &str); 9] = [
            (0, "the woman in white", 1.0, 1.0, "the whole title"),
            (0, "collins woman white", 1.0, 0.5, "author and part of the title, in any order"),
            (1, "white teeth", 1.0, 1.0, "without the subtitle"),
            (2, "emma austen", 1.0, 1.0, "title and author"),
            (2, "Emma by Jane Austen", 1.0, 1.0, "the same in one phrase"),
            (3, "austen", 1.0, 0.0, "an author"),
            (2, "house by the sea", 0.0, 0.0, "what it is about"),
            (0, "978-0-14-143961-7", 1.0, 1.0, "its number"),
            (9, "emma", 0.0, 0.0, "no such document"),
        ];
        for (group, text, of_query, of_title, why) in cases {
            let query = index.query(text, &QueryOptions::default());
            let naming = index.namer(&query).naming(group);
            assert_eq!((naming.of_query, naming.of_title), (of_query, of_title), "{why}: {text}");
        }
    }

    #[test]
    fn one_that_tells_of_many_documents_says_the_same_of_each() {
        let index = index();
        for text in ["jane austen persuasion", "the white woman", "9780141439617", "persuassion by the sea"] {
            let query = index.query(text, &QueryOptions::default());
            let mut namer = index.namer(&query);
            for group in [0, 1, 3, 2, 3, 3, 0, 4, 1] {
                assert_eq!(namer.naming(group), index.namer(&query).naming(group), "{text}: {group}");
            }
        }
    }

    #[test]
    fn a_rare_word_counts_more_and_one_put_right_a_little_less() {
        let index = index();
        let of_query =
            |group, text: &str| index.namer(&index.query(text, &QueryOptions::default())).naming(group).of_query;
        assert!(of_query(2, "emma woman") > 0.6, "everybody has the word woman");
        let misspelt = of_query(3, "persuassion");
        assert!(misspelt > 0.8 && misspelt < 1.0, "{misspelt}");
    }

    #[test]
    fn what_is_held_is_counted_in_every_field() {
        let index = index();
        let held = |group, text: &str| index.namer(&index.query(text, &QueryOptions::default())).naming(group).held;
        assert_eq!(held(2, "house by the sea"), 1.0);
        assert_eq!(held(2, "emma"), 1.0);
        assert!(held(2, "house whatsoever") < 0.5, "a word that no book has is rarer than any");
        assert_eq!(held(2, "whatsoever"), 0.0);
    }
}
