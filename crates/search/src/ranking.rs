//! From what each way found to one ranked list, with the reasons.

use crate::fusion::{Best, Evidence, fused_score};
use crate::request::{FoundBy, MatchedWord, Mode, Reason};
use crate::snapshot::{Embeddings, Words};
use libellus_encoder::TokenCount;
use libellus_index::{GroupHit, GroupSet, KeywordHit, KeywordMatch, KeywordQuery, KnownItem};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the words found.
pub(crate) struct Lexical {
    /// The index that was searched.
    pub words: Arc<Words>,
    /// The query, understood.
    pub query: KeywordQuery,
    /// Best first.
    pub hits: Vec<KeywordHit>,
    /// The books that the query names whole, wherever they are in the list.
    pub known: Vec<KnownItem>,
}

impl Lexical {
    /// The groups of `embeddings` that the signs of the query admit; `None` if it has none. A book that only one of the two
    /// indexes has is not admitted.
    pub fn admitted(&self, embeddings: &Embeddings) -> Option<GroupSet> {
        let admitted = self.words.index.admitted(&self.query)?;
        let mut books = (0_u32..).zip(&self.words.books).peekable();
        Some(GroupSet::from_fn(embeddings.books.len() as u32, |group| {
            // Both are in record order.
            let book = embeddings.books[group as usize];
            while books.next_if(|(_, other)| **other < book).is_some() {}
            books.peek().is_some_and(|(at, other)| **other == book && admitted.contains(*at))
        }))
    }
}

/// What the meaning found.
pub(crate) struct Semantic {
    /// The index that was searched.
    pub embeddings: Arc<Embeddings>,
    /// The query's vector, of length 1.
    pub vector: Vec<f32>,
    /// The query's tokens.
    pub tokens: TokenCount,
    /// Best first.
    pub hits: Vec<GroupHit>,
}

/// A book found.
pub(crate) struct Ranked {
    /// Its row id.
    pub book: i64,
    /// What it is ranked by.
    pub score: f32,
    /// The place among its passages of the one that is nearest.
    pub ordinal: Option<u32>,
    /// Why.
    pub reason: Reason,
}

/// Of so many books that the words find first it is looked whether the query seems to name one.
const NAMED_AMONG: usize = 3;

/// A word that more than one in so many books has is no reason for one of them, unless there is no other.
const TELLING_PART: usize = 4;

/// The best `limit` books, best first; equal ones in record order.
pub(crate) fn rank(mode: Mode, lexical: Option<&Lexical>, semantic: Option<&Semantic>, limit: usize) -> Vec<Ranked> {
    let mut found: BTreeMap<i64, (Evidence, Option<u32>)> = BTreeMap::new();
    let mut best = Best { of_query: 0.0, keyword: 0.0, semantic: 0.0 };
    if let Some(Lexical { words, query, hits, known }) = lexical {
        let of_query = |hit: &KeywordHit| words.index.naming(hit.group, query).of_query;
        best.of_query = hits.iter().take(NAMED_AMONG).map(of_query).fold(0.0, f32::max);
        best.keyword = hits.first().map_or(0.0, |hit| hit.score);
        for hit in hits {
            found.entry(words.books[hit.group as usize]).or_default().0.keyword = Some(hit.score);
        }
        for item in known.iter().filter(|_| mode == Mode::Hybrid) {
            let evidence = &mut found.entry(words.books[item.group as usize]).or_default().0;
            (evidence.of_query, evidence.of_title) = (1.0, 1.0);
        }
    }
    if let Some(Semantic { embeddings, hits, .. }) = semantic {
        best.semantic = hits.first().map_or(0.0, |hit| hit.score);
        for hit in hits {
            let (evidence, ordinal) = found.entry(embeddings.books[hit.group as usize]).or_default();
            (evidence.semantic, *ordinal) = (Some(hit.score), Some(embeddings.ordinals[hit.row as usize]));
        }
    }
    let mut ranked: Vec<(f32, i64, Evidence, Option<u32>)> = found
        .into_iter()
        .map(|(book, (mut evidence, ordinal))| {
            if let Some(Lexical { words, query, .. }) = lexical
                && let Ok(group) = words.books.binary_search(&book)
            {
                let naming = words.index.naming(group as u32, query);
                evidence.of_query = evidence.of_query.max(naming.of_query);
                evidence.of_title = evidence.of_title.max(naming.of_title);
            }
            let score = match mode {
                Mode::Hybrid => fused_score(&evidence, best),
                Mode::Semantic => evidence.semantic.unwrap_or_default(),
                Mode::Keyword => evidence.keyword.unwrap_or_default(),
            };
            (score, book, evidence, ordinal)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    ranked.truncate(limit);
    let reasoned = ranked.into_iter().map(|(score, book, evidence, ordinal)| Ranked {
        book,
        score,
        ordinal,
        reason: reason(book, &evidence, lexical),
    });
    reasoned.collect()
}

/// Why a book was found, but for the sentence.
fn reason(book: i64, evidence: &Evidence, lexical: Option<&Lexical>) -> Reason {
    let words = lexical.and_then(|Lexical { words, query, .. }| {
        let group = words.books.binary_search(&book).ok()?;
        let mut matches = words.index.explain(group as u32, query);
        let tells = |found: &KeywordMatch| found.n_docs as usize <= words.index.len() / TELLING_PART + 1;
        if matches.iter().any(tells) {
            matches.retain(tells);
        }
        Some(matches.into_iter().map(|found| MatchedWord { word: found.word, fields: found.fields }).collect())
    });
    Reason {
        found_by: match (evidence.keyword, evidence.semantic) {
            (Some(_), None) => FoundBy::Lexical,
            (None, _) => FoundBy::Semantic,
            (Some(_), Some(_)) => FoundBy::Both,
        },
        is_named: evidence.is_named(),
        keyword_score: evidence.keyword,
        semantic_score: evidence.semantic,
        words: words.unwrap_or_default(),
        sentence: None,
    }
}
