//! The answer to a search.

use super::citation::coins;
use super::facets::Narrowing;
use super::marked::{Piece, pieces};
use super::{Chrome, Form, Speech, Tongue, Words, book_url, in_language, render, text};
use crate::Error;
use crate::parameters::SearchParameters;
use askama::Template;
use axum::response::Html;
use libellus_search::{
    Corrected, DEFAULT_LIMIT, Field, FoundBy, Hit, MAX_LIMIT, MatchedWord, Mode, Reason, SearchResponse, Timings, Total,
};

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
    /// That the model did not read the query to its end.
    cut: Option<String>,
    narrowing: Narrowing,
    hits: Vec<HitView>,
    related: Vec<HitView>,
    more: Option<More>,
    /// The same search as a feed.
    feed_url: String,
    /// Where the same is searched by meaning too.
    by_meaning_url: String,
    corrections: Vec<CorrectionView>,
    /// Where the same is searched without them.
    as_typed_url: String,
    /// Whether meaning was asked for and could not be searched.
    is_by_words_only: bool,
}

/// What comes after this page.
struct More {
    url: String,
    /// The message that it is said by.
    label: &'static str,
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

    /// The message that it is told by.
    fn message(&self) -> &'static str {
        if self.as_well { "corrected.too" } else { "corrected.instead" }
    }
}

/// A passage in three parts, of which the middle one is the sentence nearest to the query; or all of it in the first.
struct PassageView {
    before: Vec<Piece>,
    sentence: Vec<Piece>,
    after: Vec<Piece>,
}

impl PassageView {
    /// The whole sentence, and as much around it as there is room for; the words found stand out.
    fn new(passage: &str, reason: &Reason) -> Self {
        let marked = |text: &str| pieces(text, &reason.ranges_in(text));
        let found = reason.sentence.as_deref().and_then(|sentence| {
            let start = passage.find(sentence)?;
            Some((&passage[..start], sentence, &passage[start + sentence.len()..]))
        });
        let Some((before, sentence, after)) = found.filter(|_| passage.chars().count() > EXCERPT_CHARS / 4) else {
            let before = marked(&text::excerpt(passage, EXCERPT_CHARS));
            return Self { before, sentence: Vec::new(), after: Vec::new() };
        };
        let sentence = text::excerpt(sentence, EXCERPT_CHARS);
        let room = EXCERPT_CHARS.saturating_sub(sentence.chars().count());
        let before = text::excerpt_end(before, room / 2);
        let after = text::excerpt(after, room.saturating_sub(before.chars().count()));
        Self { before: marked(&before), sentence: marked(&sentence), after: marked(&after) }
    }
}

struct HitView {
    url: String,
    title: Vec<Piece>,
    tongue: Tongue,
    authors: String,
    year: Option<String>,
    passage: PassageView,
    why: String,
    traits: Vec<String>,
    coins: String,
}

impl HitView {
    fn new(hit: &Hit, speech: Speech) -> Self {
        let (book, words) = (&hit.book, speech.words);
        let language = book.language.as_deref().map(|tag| words.language(tag));
        // The first subject is the broadest, often the genre; the book's page has them all.
        let subject = book.subjects.first().map(String::as_str);
        let traits = [language, subject, book.audience.as_deref()];
        Self {
            url: in_language(book_url(book), speech.asked()),
            title: pieces(&book.title, &hit.reason.ranges_in(&book.title)),
            tongue: Tongue::of(book, words),
            authors: book.authors.join(", "),
            year: words.year(book.year),
            passage: PassageView::new(&hit.passage, &hit.reason),
            why: why(&hit.reason, words),
            traits: traits.into_iter().flatten().map(str::to_owned).collect(),
            coins: coins(book),
        }
    }
}

/// The books found, each with the passage that matched, and what narrows them down.
pub(crate) fn results_page(
    chrome: Chrome,
    asked: &SearchParameters,
    response: &SearchResponse,
) -> Result<Html<String>, Error> {
    let (speech, words) = (chrome.speech, chrome.words());
    let tokens = response.query_tokens.filter(|tokens| tokens.is_truncated());
    render(&ResultsPage {
        chrome: chrome.also_at(|words| SearchParameters { lang: Some(words), ..asked.clone() }.address("/")),
        form: Form::filled(asked),
        heading: text::excerpt(&response.query, HEADING_CHARS),
        count: count_line(response, words),
        cut: tokens.map(|tokens| {
            let [used, seen] = [tokens.used, tokens.seen].map(|count| count.to_string());
            words.fill("results.cut", &[("used", &used), ("seen", &seen)])
        }),
        narrowing: Narrowing::new(asked, &response.facets, words),
        hits: response.hits.iter().map(|hit| HitView::new(hit, speech)).collect(),
        related: response.related.iter().map(|hit| HitView::new(hit, speech)).collect(),
        more: more(asked, response),
        feed_url: SearchParameters { after: None, ..asked.clone() }.address("/feed.atom"),
        by_meaning_url: SearchParameters { mode: Mode::Hybrid, after: None, ..asked.clone() }.address("/"),
        corrections: response.corrections.iter().map(CorrectionView::new).collect(),
        as_typed_url: SearchParameters { exact: true, after: None, ..asked.clone() }.address("/"),
        is_by_words_only: response.degraded.is_some(),
    })
}

/// Why a book is in the list, in a few words: `captain and whale in the title, ship in the description`.
fn why(reason: &Reason, words: Words) -> String {
    let mut places: Vec<(&str, Vec<&str>)> = Vec::new();
    for MatchedWord { word, fields } in &reason.words {
        // One place for each word: the one that says most.
        let Some(field) = fields.iter().next() else { continue };
        let place = match field {
            Field::Title => "why.title",
            Field::Authors => "why.authors",
            Field::Subjects => "why.subjects",
            Field::Series => "why.series",
            Field::Description => "why.description",
            Field::Identifiers => "why.number",
        };
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, there)) => there.push(word),
            None => places.push((place, vec![word])),
        }
    }
    let said =
        |(place, there): &(&str, Vec<&str>)| words.fill(place, &[("words", &words.isolated(&words.list(there)))]);
    let found: Vec<String> = places.iter().map(said).collect();
    let [comma, semicolon] = words.joints();
    let (found, is_empty) = (found.join(comma), found.is_empty());
    let close = words.text("why.meaning");
    match (reason.found_by, is_empty) {
        (FoundBy::Semantic, true) => close.to_owned(),
        (FoundBy::Semantic | FoundBy::Both, false) if !reason.is_named => format!("{found}{semicolon}{close}"),
        _ => found,
    }
}

/// `12 books of 473, in 3 ms`; on a later page `books 11 to 20 of at least 200`.
fn count_line(response: &SearchResponse, words: Words) -> String {
    let Total { books, is_exact } = response.total;
    let Timings { encode_ms, scan_ms, fuse_ms, fetch_ms } = response.timings;
    let searched = words.number(response.searched_books as u64);
    let duration = words.duration(encode_ms + scan_ms + fuse_ms + fetch_ms);
    let mut values = vec![("searched", searched.as_str()), ("duration", duration.as_str())];
    match response.hits.first() {
        Some(first) if first.rank > 1 => {
            let last = first.rank + response.hits.len() - 1;
            let [first, last, total] = [first.rank, last, books].map(|number| words.number(number as u64));
            values.extend([("first", first.as_str()), ("last", &last), ("total", &total)]);
            words.fill(if is_exact { "results.page" } else { "results.page.least" }, &values)
        }
        _ => {
            let books = words.count("books", books as u64);
            values.push(("books", &books));
            words.fill(if is_exact { "results.count" } else { "results.count.least" }, &values)
        }
    }
}

/// A longer list, as long as it may grow; then the next page.
fn more(asked: &SearchParameters, response: &SearchResponse) -> Option<More> {
    let next = response.next.clone()?;
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    Some(if limit < MAX_LIMIT && asked.after.is_none() {
        let longer = SearchParameters { limit: Some((limit * MORE_FACTOR).min(MAX_LIMIT)), ..asked.clone() };
        More { url: longer.address("/"), label: "more.books" }
    } else {
        let behind = SearchParameters { after: Some(next), ..asked.clone() };
        More { url: behind.address("/"), label: "more.next" }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use libellus_catalogue::Book;
    use libellus_search::Highlights;

    fn hit(rank: usize, book: Book) -> Hit {
        let (found_by, words) = (FoundBy::Semantic, Vec::new());
        let (keyword_score, semantic_score, sentence) = (None, Some(0.5), None);
        let reason = Reason { found_by, is_named: false, keyword_score, semantic_score, words, sentence };
        Hit { rank, score: 0.5, book, passage: "A passage.".to_owned(), reason, highlights: Highlights::default() }
    }

    fn book(title: &str) -> Book {
        Book { id: title.to_lowercase(), title: title.to_owned(), ..Book::default() }
    }

    fn response(query: &str, hits: Vec<Hit>) -> SearchResponse {
        SearchResponse {
            query: query.to_owned(),
            mode: Mode::Hybrid,
            total: Total { books: hits.len(), is_exact: true },
            hits,
            related: Vec::new(),
            facets: Vec::new(),
            next: None,
            searched_books: 473,
            query_tokens: None,
            corrections: Vec::new(),
            degraded: None,
            timings: Timings { encode_ms: 2.1, scan_ms: 0.1, fuse_ms: 0.1, fetch_ms: 0.4 },
        }
    }

    fn asked(response: &SearchResponse) -> SearchParameters {
        SearchParameters { query: Some(response.query.clone()), mode: response.mode, ..SearchParameters::default() }
    }

    fn page(response: &SearchResponse) -> String {
        let Html(page) = results_page(Chrome::named("Test", "a-model"), &asked(response), response).expect("rendered");
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
        let page = page(&response);
        assert!(page.matches("<script").count() == 1 && !page.contains("alert(1)</script>"), "{page}");
        assert!(page.contains("value=\"&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;\""), "{page}");
    }

    #[test]
    fn a_hit_shows_what_a_reader_chooses_by() {
        let mut bhagavad_gita = book("Gita");
        bhagavad_gita.authors = vec!["Vyasa".to_owned(), "Another".to_owned()];
        (bhagavad_gita.year, bhagavad_gita.language) = (Some(-200), Some("sa".to_owned()));
        bhagavad_gita.audience = Some("adult".to_owned());
        let page = page(&response("duty", vec![hit(1, bhagavad_gita)]));
        for part in
            ["href=\"/books/gita\"", "lang=\"sa\"", "Vyasa, Another", "200 BCE", "Sanskrit", "adult", "A passage."]
        {
            assert!(page.contains(part), "`{part}` is missing from:\n{page}");
        }
        assert!(page.contains("1 book, searched among 473 in 3 ms"), "{page}");
        assert!(!page.contains("Show more"), "a list that is not full has no more to show:\n{page}");
    }

    #[test]
    fn a_list_grows_up_to_the_largest_and_then_goes_on() {
        let mut response = response("sea", vec![hit(1, book("x"))]);
        let url = |asked: &SearchParameters, response: &SearchResponse| more(asked, response).map(|more| more.url);
        assert_eq!(url(&asked(&response), &response), None, "there is no more");
        response.next = Some("00ff".to_owned());
        let cases = [
            ("q=sea", "/?q=sea&limit=30"),
            ("q=sea&limit=90&language=en&exact=true", "/?q=sea&language=en&limit=100&exact=true"),
            ("q=sea&limit=100", "/?q=sea&limit=100&after=00ff"),
            ("q=sea&after=0011", "/?q=sea&after=00ff"),
        ];
        for (query_string, expected) in cases {
            let asked = SearchParameters::parse(Some(query_string)).expect("all in order");
            assert_eq!(url(&asked, &response).as_deref(), Some(expected), "{query_string}");
        }
    }

    #[test]
    fn totals_are_honest() {
        let mut response = response("sea", vec![hit(11, book("x")), hit(12, book("y"))]);
        response.total = Total { books: 1200, is_exact: false };
        assert_eq!(
            count_line(&response, Words::default()),
            "books 11 to 12 of at least 1,200, searched among 473 in 3 ms"
        );
        response.hits[0].rank = 1;
        assert_eq!(count_line(&response, Words::default()), "at least 1,200 books, searched among 473 in 3 ms");
    }

    #[test]
    fn words_found_stand_out_and_related_books_stand_apart() {
        let mut response = response("gita whales", vec![hit(1, book("Gita"))]);
        response.hits[0].reason.words = vec![MatchedWord { word: "gita".to_owned(), fields: Field::Title.into() }];
        response.related = vec![hit(2, book("Kim"))];
        let shown = page(&response);
        assert!(shown.contains("<b>Gita</b>"), "{shown}");
        assert!(shown.contains("Not quite, but related"), "{shown}");
        response.hits.clear();
        let shown = page(&response);
        assert!(shown.contains("Nothing fits well"), "{shown}");
    }

    #[test]
    fn finding_nothing_offers_the_other_way() {
        let mut nothing = response("zzyzx", Vec::new());
        nothing.mode = Mode::Keyword;
        let page = page(&nothing);
        assert!(page.contains("Nothing found for") && page.contains("<a href=\"/?q=zzyzx\">"), "{page}");
    }

    #[test]
    fn a_cut_query_is_reported() {
        let mut long = response("long", Vec::new());
        // `TokenCount` belongs to the encoder; the search hands it on.
        long.query_tokens = Some(libellus_encoder::TokenCount { seen: 1200, used: 256 });
        assert!(page(&long).contains("256 of 1200 word pieces"));
        long.query_tokens = Some(libellus_encoder::TokenCount { seen: 12, used: 12 });
        assert!(!page(&long).contains("word pieces"));
    }
}
