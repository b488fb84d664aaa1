//! From what each way finds to one ranked list, with the reasons.

use crate::Error;
use crate::fusion::{Best, Evidence, fused_score};
use crate::request::{FoundBy, MatchedWord, Mode, Reason};
use crate::search::Stopwatch;
use crate::snapshot::{Embeddings, Words};
use libellus_encoder::TokenCount;
use libellus_index::{GroupHit, GroupSet, KeywordHit, KeywordMatch, KeywordQuery, KnownItem};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

/// What a question asks by its words.
pub(crate) struct Lexical {
    /// The index that is searched.
    pub words: Arc<Words>,
    /// The query, understood.
    pub query: KeywordQuery,
    /// The books that the query names whole.
    pub known: Vec<KnownItem>,
}

/// What a question asks by its meaning.
pub(crate) struct Semantic {
    /// The index that is searched.
    pub embeddings: Arc<Embeddings>,
    /// The query's vector, of length 1.
    pub vector: Vec<f32>,
    /// The query's tokens.
    pub tokens: TokenCount,
}

/// A question, ready to be asked of any part of the books.
pub(crate) struct Question {
    pub mode: Mode,
    pub lexical: Option<Lexical>,
    pub semantic: Option<Semantic>,
}

/// A book found.
pub(crate) struct Ranked {
    /// Its row id.
    pub book: i64,
    /// What it is ranked by.
    pub score: f32,
    /// The place among its passages of the one that is nearest.
    pub ordinal: Option<u32>,
    /// What is known of it.
    evidence: Evidence,
}

/// What a question found.
pub(crate) struct Ranking {
    /// The relevant books, best first, then those that are only related; equal ones in record order.
    pub books: Vec<Ranked>,
    /// How many are relevant.
    pub n_relevant: usize,
    /// Whether those are all there are. Each way of searching gives its best [`DEPTH`] books.
    pub is_whole: bool,
    /// Milliseconds that it took to make one list of what was found.
    pub fuse_ms: f64,
}

/// So many books each way of searching gives. What one finds late the other may find early.
pub(crate) const DEPTH: usize = 200;

/// Among so many passages either way takes milliseconds: longer than it takes to begin a thread.
const WORTH_A_THREAD: usize = 20_000;
/// The meaning takes longer than the words, so it is searched in two parts, and the words beside them.
const MEANING_THREADS: usize = 2;

/// Of so many books that the words find first it is looked whether the query seems to name one.
const NAMED_AMONG: usize = 3;

/// A word that more than one in so many books has is no reason for one of them, unless there is no other.
const TELLING_PART: usize = 4;

/// A book that holds this share of the query's words, rare ones counting more, is relevant by its words. Where the words
/// alone are searched and no book holds as much, three quarters of what the best one holds are enough.
const RELEVANT_PART: f32 = 0.5;
const PART_OF_BEST: f32 = 0.75;

impl Question {
    /// What answers the question among `scope`, which numbers the books as [`Words`] does; among all if it is `None`.
    ///
    /// # Errors
    /// Those of reading an index.
    pub fn rank(&self, scope: Option<&BookScope<'_>>) -> Result<Ranking, Error> {
        let mut found: BTreeMap<i64, (Evidence, Option<u32>)> = BTreeMap::new();
        let mut best = Best { of_query: 0.0, keyword: 0.0, semantic: 0.0 };
        let mut is_whole = true;
        let (by_words, by_meaning) = self.ask_both(scope)?;
        if let Some(Lexical { words, query, known }) = &self.lexical {
            let mut namer = words.index.namer(query);
            let of_query = |hit: &KeywordHit| namer.naming(hit.group).of_query;
            best.of_query = by_words.iter().take(NAMED_AMONG).map(of_query).fold(0.0, f32::max);
            best.keyword = by_words.first().map_or(0.0, |hit| hit.score);
            is_whole &= by_words.len() < DEPTH;
            for hit in by_words {
                found.entry(words.books[hit.group as usize]).or_default().0.keyword = Some(hit.score);
            }
            let is_in_scope = |item: &&KnownItem| scope.is_none_or(|scope| scope.groups.contains(item.group));
            for item in known.iter().filter(|_| self.mode == Mode::Hybrid).filter(is_in_scope) {
                let evidence = &mut found.entry(words.books[item.group as usize]).or_default().0;
                (evidence.of_query, evidence.of_title) = (1.0, 1.0);
            }
        }
        let mut floor = None;
        if let Some(Semantic { embeddings, .. }) = &self.semantic {
            floor = embeddings.floor();
            best.semantic = by_meaning.first().map_or(0.0, |hit| hit.score);
            is_whole &= by_meaning.len() < DEPTH
                || by_meaning.last().is_some_and(|last| floor.is_some_and(|floor| last.score < floor));
            for hit in by_meaning {
                let (evidence, ordinal) = found.entry(embeddings.books[hit.group as usize]).or_default();
                (evidence.semantic, *ordinal) = (Some(hit.score), Some(embeddings.ordinals[hit.row as usize]));
            }
        }
        let mut fusing = Stopwatch::start();
        let mut most_held = 0.0_f32;
        let mut held = Vec::with_capacity(found.len());
        let mut namer = self.lexical.as_ref().map(|Lexical { words, query, .. }| (words, words.index.namer(query)));
        for (book, (evidence, _)) in &mut found {
            let naming = namer
                .as_mut()
                .and_then(|(words, namer)| Some(namer.naming(words.books.binary_search(book).ok()? as u32)));
            let naming = naming.unwrap_or_default();
            evidence.of_query = evidence.of_query.max(naming.of_query);
            evidence.of_title = evidence.of_title.max(naming.of_title);
            most_held = most_held.max(naming.held);
            held.push(naming.held);
        }
        let enough = match &self.semantic {
            Some(_) => RELEVANT_PART,
            None => RELEVANT_PART.min(PART_OF_BEST * most_held),
        };
        let is_relevant = |evidence: &Evidence, held: f32| {
            let by_words = evidence.keyword.is_some() && held >= enough;
            // Without a floor that was measured nobody knows how near is near.
            let by_meaning = evidence.semantic.is_some_and(|cosine| floor.is_none_or(|floor| cosine >= floor));
            evidence.is_named() || by_words || by_meaning
        };
        let ranked = found.into_iter().zip(held).map(|((book, (evidence, ordinal)), held)| {
            let score = match self.mode {
                Mode::Hybrid => fused_score(&evidence, best),
                Mode::Semantic => evidence.semantic.unwrap_or_default(),
                Mode::Keyword => evidence.keyword.unwrap_or_default(),
            };
            (is_relevant(&evidence, held), Ranked { book, score, ordinal, evidence })
        });
        let (mut relevant, mut related): (Vec<_>, Vec<_>) = ranked.partition(|(is_relevant, _)| *is_relevant);
        for part in [&mut relevant, &mut related] {
            part.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score).then_with(|| a.book.cmp(&b.book)));
        }
        let n_relevant = relevant.len();
        relevant.append(&mut related);
        let books = relevant.into_iter().map(|(_, ranked)| ranked).collect();
        Ok(Ranking { books, n_relevant, is_whole, fuse_ms: fusing.lap_ms() })
    }

    /// What each way finds; nothing, if it is not asked. Both at the same time, if that takes long.
    fn ask_both(&self, scope: Option<&BookScope<'_>>) -> Result<(Vec<KeywordHit>, Vec<GroupHit>), Error> {
        let groups = scope.map(|scope| &scope.groups);
        let by_words = || {
            let lexical = self.lexical.as_ref();
            lexical.map_or_else(Vec::new, |lexical| lexical.words.index.search(&lexical.query, DEPTH, groups))
        };
        let is_worth_it =
            self.semantic.as_ref().is_some_and(|semantic| semantic.embeddings.index.len() >= WORTH_A_THREAD);
        let by_meaning = || {
            let Some(Semantic { embeddings, vector, .. }) = &self.semantic else { return Ok(Vec::new()) };
            let within = scope.map(|scope| scope.of(embeddings));
            let threads = if is_worth_it { MEANING_THREADS } else { 1 };
            embeddings.index.search_within(within.as_ref(), vector, DEPTH, threads)
        };
        if !is_worth_it || self.lexical.is_none() {
            return Ok((by_words(), by_meaning()?));
        }
        thread::scope(|scope| {
            let by_words = scope.spawn(by_words);
            let by_meaning = by_meaning();
            Ok((by_words.join().unwrap_or_else(|panic| resume_unwind(panic)), by_meaning?))
        })
    }

    /// Why a book was found, but for the sentence.
    pub fn reason(&self, found: &Ranked) -> Reason {
        let words = self.lexical.as_ref().and_then(|Lexical { words, query, .. }| {
            let group = words.books.binary_search(&found.book).ok()?;
            let mut matches = words.index.explain(group as u32, query);
            let tells = |found: &KeywordMatch| found.n_docs as usize <= words.index.len() / TELLING_PART + 1;
            if matches.iter().any(tells) {
                matches.retain(tells);
            }
            Some(matches.into_iter().map(|found| MatchedWord { word: found.word, fields: found.fields }).collect())
        });
        let evidence = &found.evidence;
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
}

/// The books that may be found, as the word index numbers them.
pub(crate) struct BookScope<'w> {
    /// The word index's snapshot.
    pub words: &'w Words,
    /// The books.
    pub groups: GroupSet,
}

impl BookScope<'_> {
    /// The same books as the vector index numbers them. A book that only one of the two has is left out.
    pub fn of(&self, embeddings: &Embeddings) -> GroupSet {
        let mut books = (0_u32..).zip(self.words.books.iter()).peekable();
        GroupSet::from_fn(embeddings.books.len() as u32, |group| {
            // Both are in record order.
            let book = embeddings.books[group as usize];
            while books.next_if(|(_, other)| **other < book).is_some() {}
            books.peek().is_some_and(|(at, other)| **other == book && self.groups.contains(*at))
        })
    }
}
