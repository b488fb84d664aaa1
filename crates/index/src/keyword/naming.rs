//! How far a query names a document, rather than describes it.
//!
//! A reader who knows a book types its title, its author or both, in any order and often not the whole. Whether that is
//! so is told by how much of the query stands in those fields, with rare words counting more, as in BM25.

use super::field::{Field, Fields};
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

impl KeywordIndex {
    /// How far `query` names the document of a group.
    pub fn naming(&self, group: u32, query: &KeywordQuery) -> Naming {
        let Ok(at) = self.documents.binary_search_by_key(&group, |document| document.group) else {
            return Naming::default();
        };
        let (mut asked, mut found, mut held, mut in_title) = (0.0, 0.0, 0.0, 0_u32);
        for clause in query.clauses.iter().filter(|clause| clause.need != Need::Not) {
            let is_number = clause.fields == Field::Identifiers.into();
            for word in &clause.words {
                let (idf, fields, weight) = self.held(at as u32, word);
                if fields.contains(Field::Identifiers) {
                    return Naming { of_query: 1.0, of_title: 1.0, held: 1.0 };
                }
                let fields = fields.and(clause.fields);
                if is_number || !fields.meets(NAMES) && JOINING.contains(&word.typed.as_str()) {
                    continue;
                }
                asked += idf;
                if fields.meets(Fields::ALL) {
                    held += idf * weight;
                }
                if fields.meets(NAMES) {
                    found += idf * weight;
                }
                in_title += u32::from(fields.contains(Field::Title));
            }
        }
        let document = &self.documents[at];
        let all = document.length(Field::Title);
        let first = (document.title_ends.trailing_zeros() + 1).min(all);
        let of_title = if first > 0 { (in_title as f32 / first as f32).min(1.0) } else { 0.0 };
        let share = |part: f32| if asked > 0.0 { part / asked } else { 0.0 };
        Naming { of_query: share(found), of_title, held: share(held) }
    }

    /// How rare a word is, in which fields a document holds it, and what the spelling counts that it holds.
    fn held(&self, doc: u32, word: &QueryWord) -> (f32, Fields, f32) {
        let (mut n_docs, mut fields, mut weight) = (0_u32, Fields::NONE, 0.0);
        for (spelling, counts) in word.spellings().zip(std::iter::once(1.0).chain(std::iter::repeat(CORRECTED))) {
            let Some(number) = self.vocabulary.find(spelling) else { continue };
            let mut cursor = self.lists.cursor(number);
            n_docs = n_docs.saturating_add(cursor.n_docs());
            if cursor.seek(doc) {
                (fields, weight) = (fields.or(cursor.fields), counts.max(weight));
            }
        }
        (self.means.idf(n_docs), fields, weight)
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
            let naming = index.naming(group, &query);
            assert_eq!((naming.of_query, naming.of_title), (of_query, of_title), "{why}: {text}");
        }
    }

    #[test]
    fn a_rare_word_counts_more_and_one_put_right_a_little_less() {
        let index = index();
        let of_query = |group, text: &str| index.naming(group, &index.query(text, &QueryOptions::default())).of_query;
        assert!(of_query(2, "emma woman") > 0.6, "everybody has the word woman");
        let misspelt = of_query(3, "persuassion");
        assert!(misspelt > 0.8 && misspelt < 1.0, "{misspelt}");
    }

    #[test]
    fn what_is_held_is_counted_in_every_field() {
        let index = index();
        let held = |group, text: &str| index.naming(group, &index.query(text, &QueryOptions::default())).held;
        assert_eq!(held(2, "house by the sea"), 1.0);
        assert_eq!(held(2, "emma"), 1.0);
        assert!(held(2, "house whatsoever") < 0.5, "a word that no book has is rarer than any");
        assert_eq!(held(2, "whatsoever"), 0.0);
    }
}
