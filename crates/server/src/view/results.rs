//! The answer to a search.

use super::{Chrome, Form, book_url, exact_url, language, render, search_url, text, title_language};
use crate::Error;
use askama::Template;
use axum::response::Html;
use libellus_search::{Corrected, Field, FoundBy, Hit, MAX_LIMIT, MatchedWord, Mode, Reason, SearchResponse, Timings};

/// The longest piece of a passage that the list shows, in characters; the book's page has the rest.
const EXCERPT_CHARS: usize = 480;

/// The longest piece of the query that the heading repeats, in characters.
const HEADING_CHARS: usize = 120;

/// How much longer the list becomes when a reader asks for more.
const MORE_FACTOR: usize = 3;

#[derive(Template)]
#[template(path = "results.html")]
struct ResultsPage {
    chrome: Chrome,
    form: Form,
    /// The query, as the heading repeats it.
    heading: String,
    count: String,
    cut: Option<CutQuery>,
    hits: Vec<HitView>,
    more_url: Option<String>,
    /// Where the same is searched by meaning too.
    by_meaning_url: String,
    corrections: Vec<CorrectionView>,
    /// Where the same is searched without them.
    as_typed_url: String,
    /// Whether meaning was asked for and could not be searched.
    is_by_words_only: bool,
}

/// A query that the model did not read to its end.
struct CutQuery {
    seen: usize,
    used: usize,
}

/// A word whose spelling was put right.
struct CorrectionView {
    typed: String,
    searched: String,
    as_well: bool,
}

impl CorrectionView {
    fn new(corrected: &Corrected) -> Self {
        let Corrected { typed, searched, as_well } = corrected.clone();
        Self { typed, searched, as_well }
    }
}

/// A passage in three parts, of which the middle one is the sentence nearest to the query; or all of it in the first.
struct PassageView {
    before: String,
    sentence: String,
    after: String,
}

impl PassageView {
    /// The whole sentence, and as much around it as there is room for.
    fn new(passage: &str, sentence: Option<&str>) -> Self {
        let found = sentence.and_then(|sentence| {
            let start = passage.find(sentence)?;
            Some((&passage[..start], sentence, &passage[start + sentence.len()..]))
        });
        let Some((before, sentence, after)) = found.filter(|_| passage.chars().count() > EXCERPT_CHARS / 4) else {
            let before = text::excerpt(passage, EXCERPT_CHARS);
            return Self { before, sentence: String::new(), after: String::new() };
        };
        let sentence = text::excerpt(sentence, EXCERPT_CHARS);
        let room = EXCERPT_CHARS.saturating_sub(sentence.chars().count());
        let before = text::excerpt_end(before, room / 2);
        let after = text::excerpt(after, room.saturating_sub(before.chars().count()));
        Self { before, sentence, after }
    }
}

struct HitView {
    url: String,
    title: String,
    lang: Option<String>,
    authors: String,
    year: Option<String>,
    passage: PassageView,
    why: String,
    traits: Vec<String>,
}

impl HitView {
    fn new(hit: &Hit) -> Self {
        let book = &hit.book;
        let language = book.language.as_deref().map(language::name);
        // The first subject is the broadest, often the genre; the book's page has them all.
        let subject = book.subjects.first().map(String::as_str);
        let traits = [language, subject, book.audience.as_deref()];
        Self {
            url: book_url(book),
            title: book.title.clone(),
            lang: title_language(book),
            authors: book.authors.join(", "),
            year: text::year(book.year),
            passage: PassageView::new(&hit.passage, hit.reason.sentence.as_deref()),
            why: why(&hit.reason),
            traits: traits.into_iter().flatten().map(str::to_owned).collect(),
        }
    }
}

/// The books found, at most `limit`, each with the passage that matched; `exact` if spelling was not to be put right.
pub(crate) fn results_page(
    chrome: Chrome,
    response: &SearchResponse,
    limit: usize,
    exact: bool,
) -> Result<Html<String>, Error> {
    let tokens = response.query_tokens.filter(|tokens| tokens.is_truncated());
    render(&ResultsPage {
        chrome,
        form: Form::new(&response.query, response.mode, limit),
        heading: text::excerpt(&response.query, HEADING_CHARS),
        count: count_line(response),
        cut: tokens.map(|tokens| CutQuery { seen: tokens.seen, used: tokens.used }),
        hits: response.hits.iter().map(HitView::new).collect(),
        more_url: more_url(response, limit, exact),
        by_meaning_url: search_url(&response.query, Mode::Hybrid, limit),
        corrections: response.corrections.iter().map(CorrectionView::new).collect(),
        as_typed_url: exact_url(&search_url(&response.query, response.mode, limit)),
        is_by_words_only: response.degraded.is_some(),
    })
}

/// Why a book is in the list, in a few words: `captain and whale in the title, ship in the description`.
fn why(reason: &Reason) -> String {
    let mut places: Vec<(&str, Vec<&str>)> = Vec::new();
    for MatchedWord { word, fields } in &reason.words {
        // One place for each word: the one that says most.
        let Some(field) = fields.iter().next() else { continue };
        let place = match field {
            Field::Title => "in the title",
            Field::Authors => "among the authors",
            Field::Subjects => "in the subjects",
            Field::Series => "in the series",
            Field::Description => "in the description",
            Field::Identifiers => "as its number",
        };
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, words)) => words.push(word),
            None => places.push((place, vec![word])),
        }
    }
    let found: Vec<String> = places.iter().map(|(place, words)| format!("{} {place}", text::list(words))).collect();
    match (reason.found_by, found.is_empty()) {
        (FoundBy::Semantic, true) => "close in meaning".to_owned(),
        (FoundBy::Semantic | FoundBy::Both, false) if !reason.is_named => {
            format!("{}; close in meaning", found.join(", "))
        }
        _ => found.join(", "),
    }
}

/// `10 books of 473, in 3 ms`
fn count_line(response: &SearchResponse) -> String {
    let found = text::count(response.hits.len() as u64, "book");
    let searched = text::number(response.searched_books as u64);
    let Timings { encode_ms, scan_ms, fetch_ms } = response.timings;
    format!("{found} of {searched}, {}", text::duration(encode_ms + scan_ms + fetch_ms))
}

/// A longer list, when this one is full and may grow.
fn more_url(response: &SearchResponse, limit: usize, exact: bool) -> Option<String> {
    let more = (limit * MORE_FACTOR).min(MAX_LIMIT);
    let is_full = response.hits.len() == limit && response.searched_books > limit;
    let url = (is_full && more > limit).then(|| search_url(&response.query, response.mode, more))?;
    Some(if exact { exact_url(&url) } else { url })
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_catalogue::Book;

    fn hit(rank: usize, book: Book) -> Hit {
        let (found_by, words) = (FoundBy::Semantic, Vec::new());
        let (keyword_score, semantic_score, sentence) = (None, Some(0.5), None);
        let reason = Reason { found_by, is_named: false, keyword_score, semantic_score, words, sentence };
        Hit { rank, score: 0.5, book, passage: "A passage.".to_owned(), reason }
    }

    fn book(title: &str) -> Book {
        Book { id: title.to_lowercase(), title: title.to_owned(), ..Book::default() }
    }

    fn response(query: &str, hits: Vec<Hit>) -> SearchResponse {
        SearchResponse {
            query: query.to_owned(),
            mode: Mode::Hybrid,
            hits,
            searched_books: 473,
            query_tokens: None,
            corrections: Vec::new(),
            degraded: None,
            timings: Timings { encode_ms: 2.1, scan_ms: 0.2, fetch_ms: 0.4 },
        }
    }

    fn page(response: &SearchResponse, limit: usize) -> String {
        let Html(page) = results_page(Chrome::named("Test", "a-model"), response, limit, false).expect("rendered");
        page
    }

    #[test]
    fn markup_in_queries_and_books_is_shown_and_not_run() {
        let evil = "<script>alert(1)</script>\"'";
        let mut bad = book(evil);
        bad.authors = vec![evil.to_owned()];
        bad.language = Some(evil.to_owned());
        bad.audience = Some(evil.to_owned());
        bad.subjects = vec![evil.to_owned()];
        let mut response = response(evil, vec![hit(1, bad)]);
        response.hits[0].passage = evil.to_owned();
        let page = page(&response, 1);
        assert!(!page.contains("<script") && !page.contains("alert(1)</script>"), "{page}");
        assert!(page.contains("value=\"&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;\""), "{page}");
    }

    #[test]
    fn a_hit_shows_what_a_reader_chooses_by() {
        let mut bhagavad_gita = book("Gita");
        bhagavad_gita.authors = vec!["Vyasa".to_owned(), "Another".to_owned()];
        (bhagavad_gita.year, bhagavad_gita.language) = (Some(-200), Some("sa".to_owned()));
        bhagavad_gita.audience = Some("adult".to_owned());
        let page = page(&response("duty", vec![hit(1, bhagavad_gita)]), 10);
        for part in
            ["href=\"/books/gita\"", "lang=\"sa\"", "Vyasa, Another", "200 BCE", "Sanskrit", "adult", "A passage."]
        {
            assert!(page.contains(part), "`{part}` is missing from:\n{page}");
        }
        assert!(page.contains("1 book of 473, in 3 ms"), "{page}");
        assert!(!page.contains("Show more"), "a list that is not full has no more to show:\n{page}");
    }

    #[test]
    fn a_full_list_can_grow_up_to_the_largest() {
        let full = |limit: usize| response("sea", (1..=limit).map(|rank| hit(rank, book("x"))).collect());
        let cases = [
            (10, Some("/?q=sea&limit=30")),
            (30, Some("/?q=sea&limit=90")),
            (90, Some("/?q=sea&limit=100")),
            (100, None),
        ];
        for (limit, expected) in cases {
            assert_eq!(more_url(&full(limit), limit, false).as_deref(), expected, "limit {limit}");
            let exact = expected.map(|url| format!("{url}&exact=true"));
            assert_eq!(more_url(&full(limit), limit, true), exact, "as it was typed, limit {limit}");
        }
    }

    #[test]
    fn finding_nothing_offers_the_other_way() {
        let mut nothing = response("zzyzx", Vec::new());
        nothing.mode = Mode::Keyword;
        let page = page(&nothing, 10);
        assert!(page.contains("Nothing found for") && page.contains("<a href=\"/?q=zzyzx\">"), "{page}");
    }

    #[test]
    fn a_cut_query_is_reported() {
        let mut long = response("long", Vec::new());
        // `TokenCount` belongs to the encoder; the search hands it on.
        long.query_tokens = Some(libellus_encoder::TokenCount { seen: 1200, used: 256 });
        assert!(page(&long, 10).contains("256 of 1200 word pieces"));
        long.query_tokens = Some(libellus_encoder::TokenCount { seen: 12, used: 12 });
        assert!(!page(&long, 10).contains("word pieces"));
    }
}
