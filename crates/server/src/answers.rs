//! Answers that were given last, for whoever asks the same: a page that is turned back to, a search that a class does
//! together, a feed that is fetched every few minutes.
//!
//! They are kept in memory only, up to a number of bytes, and until the catalogue changes: at once if this service changed
//! it, else when the indexes follow (`Library::keep_prepared`), within about a second unless they take long to make. What may
//! be seen is part of the question, so nobody is given an answer that was made for others who may see more.

use crate::represent::Tag;
use crate::{Error, metrics};
use axum::body::Bytes;
use axum::http::HeaderValue;
use hashlink::LruCache;
use libellus_search::{CacheCounts, SearchRequest, SearchResponse, Timings};
use std::fmt::Write as _;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an answer and its question take beside their texts.
const BYTES_BESIDE: usize = 1024;

/// What a text of a question takes beside its bytes: its place, and what an allocator rounds up.
const BYTES_BESIDE_TEXT: usize = 64;

/// An answer that takes more than this part of the room would push out too many others.
const LARGEST_PART: usize = 8;

/// What an answer's JSON says behind this is how long it took.
const TIMINGS: &[u8] = b",\"timings\":";

/// An answer, and how it is written.
pub(crate) struct Answer {
    /// What was found.
    pub(crate) response: SearchResponse,
    /// The same as JSON.
    pub(crate) json: Bytes,
    /// What stands for it: it is the same whenever it is asked, however long it took.
    pub(crate) tag: Option<Tag>,
}

impl Answer {
    fn new(response: SearchResponse) -> Result<Self, Error> {
        let json = serde_json::to_vec(&response).map_err(Error::internal)?;
        // The timings stand last.
        let said = json.windows(TIMINGS.len()).rposition(|part| part == TIMINGS).unwrap_or(json.len());
        let tag = Tag::of(&json[..said]);
        Ok(Self { response, json: json.into(), tag })
    }

    /// What it takes to keep it: the JSON, the records, which are about as long, and the question, in which whoever asks may
    /// have put as many values as an address has room for.
    fn bytes(&self, request: &SearchRequest) -> usize {
        let SearchRequest { query, filter, facets, after, .. } = request;
        let of_filter = filter.any_of.iter().flat_map(|(field, values)| iter::once(field).chain(values));
        let texts = iter::once(query).chain(of_filter).chain(facets).chain(after);
        2 * self.json.len() + BYTES_BESIDE + texts.map(|text| text.len() + BYTES_BESIDE_TEXT).sum::<usize>()
    }
}

/// An answer to a question that was just asked.
pub(crate) struct Answered {
    pub(crate) answer: Arc<Answer>,
    /// How long it took to find, unless it was at hand.
    pub(crate) timings: Option<Timings>,
}

impl Answered {
    /// What just was found.
    pub(crate) fn found(response: SearchResponse) -> Result<Self, Error> {
        let timings = Some(response.timings);
        Ok(Self { answer: Arc::new(Answer::new(response)?), timings })
    }

    /// The header `Server-Timing`: how long the stages of the search took, where a browser's tools and a proxy show it.
    pub(crate) fn server_timing(&self) -> Option<HeaderValue> {
        let mut text = String::new();
        match &self.timings {
            None => text.push_str("cache;desc=\"hit\""),
            Some(timings) => {
                for (i, (stage, ms)) in metrics::stages(timings).into_iter().enumerate() {
                    let _ = write!(text, "{}{stage};dur={ms:.3}", if i == 0 { "" } else { ", " });
                }
            }
        }
        HeaderValue::try_from(text).ok()
    }
}

/// The answers that are kept.
pub(crate) struct Answers {
    most_bytes: usize,
    kept: Mutex<Kept>,
    /// How often this service has changed books.
    writes: AtomicU64,
    /// Of looks for questions.
    pub(crate) counts: CacheCounts,
}

struct Kept {
    /// The state of the library that all of them are of.
    generation: u64,
    bytes: usize,
    /// Each with the bytes that it takes.
    answers: LruCache<SearchRequest, (usize, Arc<Answer>)>,
}

impl Answers {
    /// Room for so many bytes; 0 keeps none.
    pub(crate) fn new(most_bytes: usize) -> Self {
        let kept = Kept { generation: 0, bytes: 0, answers: LruCache::new_unbounded() };
        Self { most_bytes, kept: Mutex::new(kept), writes: AtomicU64::new(0), counts: CacheCounts::default() }
    }

    /// The answer to a question in this state of the library, if it is kept.
    pub(crate) fn get(&self, generation: u64, request: &SearchRequest) -> Option<Answered> {
        if self.most_bytes == 0 {
            return None;
        }
        let kept = self.of(generation);
        let answer = kept.and_then(|mut kept| kept.answers.get(request).map(|(_, answer)| Arc::clone(answer)));
        self.counts.count(answer.is_some());
        Some(Answered { answer: answer?, timings: None })
    }

    /// Keeps an answer that was found in this state of the library, or since.
    pub(crate) fn keep(&self, generation: u64, request: SearchRequest, answer: &Arc<Answer>) {
        let bytes = answer.bytes(&request);
        if bytes > self.most_bytes / LARGEST_PART {
            return;
        }
        let Some(mut kept) = self.of(generation) else { return };
        kept.bytes += bytes;
        if let Some((before, _)) = kept.answers.insert(request, (bytes, Arc::clone(answer))) {
            kept.bytes -= before;
        }
        while kept.bytes > self.most_bytes
            && let Some((_, (oldest, _))) = kept.answers.remove_lru()
        {
            kept.bytes -= oldest;
        }
    }

    /// The state of which answers are now, given the library's: both only rise. To be asked before the search, as what changes
    /// meanwhile makes its answer one of before.
    pub(crate) fn generation(&self, of_library: u64) -> u64 {
        of_library + self.writes.load(Ordering::Acquire)
    }

    /// Books were changed: answers of before, those that are on their way included, are not given any more.
    pub(crate) fn note_write(&self) {
        self.writes.fetch_add(1, Ordering::Release);
    }

    /// What is kept of this state, or what is to be, in place of what is there of one before. None if it is past: what is
    /// kept since is not given up for who began earlier.
    fn of(&self, generation: u64) -> Option<MutexGuard<'_, Kept>> {
        // A panic elsewhere leaves the map whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation < generation {
            kept.answers.clear();
            (kept.bytes, kept.generation) = (0, generation);
        }
        (kept.generation == generation).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_search::{Filter, Mode, Total};

    fn request(query: &str) -> SearchRequest {
        SearchRequest { query: query.to_owned(), ..SearchRequest::default() }
    }

    fn answer(query: &str) -> Arc<Answer> {
        let response = SearchResponse {
            query: query.to_owned(),
            mode: Mode::Hybrid,
            hits: Vec::new(),
            related: Vec::new(),
            total: Total { books: 0, is_exact: true },
            facets: Vec::new(),
            next: None,
            searched_books: 0,
            query_tokens: None,
            corrections: Vec::new(),
            degraded: None,
            timings: Timings { encode_ms: 1.5, ..Timings::default() },
        };
        Arc::new(Answer::new(response).expect("it is JSON"))
    }

    #[test]
    fn a_tag_stands_for_what_is_said_and_not_for_how_long_it_took() {
        let of = |query: &str, total_books: usize, encode_ms: f64| {
            let mut response = answer(query).response.clone();
            response.total.books = total_books;
            response.timings = Timings { encode_ms, ..Timings::default() };
            Answer::new(response).expect("it is JSON").tag
        };
        let said = of("a \",\"timings\":", 3, 1.5);
        assert!(said.is_some());
        assert_eq!(said, of("a \",\"timings\":", 3, 20.0));
        assert_ne!(said, of("a \",\"timings\":", 4, 1.5));
        assert_ne!(said, of("b", 3, 1.5));
    }

    fn is_kept(answers: &Answers, generation: u64, request: &SearchRequest) -> bool {
        answers.get(generation, request).is_some()
    }

    #[test]
    fn an_answer_is_kept_for_the_same_question_of_the_same_state() {
        let answers = Answers::new(1 << 20);
        assert!(!is_kept(&answers, 1, &request("whale")));
        answers.keep(1, request("whale"), &answer("whale"));
        assert!(is_kept(&answers, 1, &request("whale")));
        let within = Filter { year_from: Some(1990), ..Filter::default() };
        for other in [
            request("whales"),
            SearchRequest { limit: 1, ..request("whale") },
            SearchRequest {
                filter: Filter { within: Some(Arc::new(within)), ..Filter::default() },
                ..request("whale")
            },
        ] {
            assert!(!is_kept(&answers, 1, &other), "{other:?}");
        }
        assert!(!is_kept(&answers, 2, &request("whale")), "the catalogue has changed");
        assert!(!is_kept(&answers, 1, &request("whale")), "and is not what it was");
        answers.keep(2, request("kept"), &answer("kept"));
        answers.keep(1, request("whale"), &answer("whale"));
        assert!(is_kept(&answers, 2, &request("kept")), "an answer that is late does not push out what is kept since");
        let before = answers.generation(1);
        answers.note_write();
        answers.keep(before, request("whale"), &answer("whale"));
        assert!(
            !is_kept(&answers, answers.generation(1), &request("whale")),
            "it was on its way when a book was changed"
        );
        assert_eq!(answers.counts.get(), (2, 7));
    }

    #[test]
    fn the_room_is_bounded_and_what_was_asked_longest_ago_goes_first() {
        let each = answer("n0").bytes(&request("n0"));
        let answers = Answers::new(10 * each);
        for n in 0..10 {
            answers.keep(1, request(&format!("n{n}")), &answer(&format!("n{n}")));
        }
        assert!(is_kept(&answers, 1, &request("n0")), "there is room for ten");
        answers.keep(1, request("n9"), &answer("n9"));
        answers.keep(1, request("m0"), &answer("m0"));
        let kept: Vec<bool> = (0..10).map(|n| is_kept(&answers, 1, &request(&format!("n{n}")))).collect();
        assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1);
        assert!(!kept[1], "`n0` was asked since");
        let none = Answers::new(0);
        none.keep(1, request("whale"), &answer("whale"));
        assert!(!is_kept(&none, 1, &request("whale")));
        let small = Answers::new(2 * each);
        small.keep(1, request("whale"), &answer("whale"));
        assert!(!is_kept(&small, 1, &request("whale")), "it would push out all others");
    }

    #[test]
    fn what_a_question_takes_counts_too() {
        let answers = Answers::new(1 << 20);
        let mut kept = 0;
        for n in 0..20 {
            // As long as an address may be, nothing is found, and the answer is short.
            let mut long = request(&format!("n{n}"));
            (0..4000).for_each(|value| long.filter.add("subject", value.to_string()));
            answers.keep(1, long.clone(), &answer("whale"));
            kept += usize::from(is_kept(&answers, 1, &long));
        }
        assert_eq!(kept, 0, "each takes a quarter of a megabyte");
    }
}
