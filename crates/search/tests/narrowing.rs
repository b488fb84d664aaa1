//! Answers narrowed down, counted out, sorted and read page by page; books like others; texts completed.

mod support;

use libellus_catalogue::{Book, Catalogue};
use libellus_search::{
    Error, FacetCounts, Filter, Library, MAX_LIMIT, Mode, SearchRequest, SearchResponse, SimilarRequest, Sort,
    SuggestRequest, Suggested,
};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use support::{ENCODER, all_books, backfill, library, put};

/// The usual books with languages, years, ages and a mark, and some more about whales.
fn shelf() -> Library {
    let library = Library::new(Arc::clone(&ENCODER), Catalogue::in_memory().expect("a catalogue in memory"))
        .with_facets(["shelf".to_owned(), "language".to_owned()]);
    let facts = [
        ("whale", "en", 1851, Some("adult")),
        ("insect", "de", 1915, Some("adult")),
        ("sisters", "en", 1813, Some("adult")),
        ("dunes", "en-US", 1965, None),
        ("bees", "fr", 1901, None),
        ("numbers", "en", 1940, None),
        ("cemetery", "es", 2001, Some("adult")),
    ];
    let mut books = all_books();
    for book in &mut books {
        let Some((_, language, year, audience)) = facts.iter().find(|(id, ..)| *id == book.id) else { continue };
        (book.language, book.year) = (Some((*language).to_owned()), Some(*year));
        book.audience = audience.map(str::to_owned);
        book.extra.insert("shelf".to_owned(), json!(["A", book.id]));
    }
    let more = json!([
        {"id": "calf", "title": "The Little Whale", "authors": ["A. Swimmer"], "year": 2010, "language": "en",
         "audience": "ages 4-8", "subjects": ["whales"], "description": "A whale calf loses its mother at sea and finds her again."},
        {"id": "wal", "title": "Der kleine Wal", "authors": ["A. Swimmer"], "year": 2012, "language": "de",
         "audience": "ages 4-8", "subjects": ["whales"], "description": "A small whale learns to sing with the other whales of the sea."},
        {"id": "hunters", "title": "Whale Hunters", "authors": ["N. Tucket"], "language": "en",
         "subjects": ["whaling"], "description": "How men of Nantucket hunted the sperm whale across two oceans."},
        {"id": "calf-2", "title": "The little whale.", "authors": ["Swimmer, A."], "year": 2015, "language": "en",
         "subjects": ["whales"], "description": "A whale calf loses its mother at sea and finds her again. New edition."},
    ]);
    books.extend(serde_json::from_value::<Vec<Book>>(more).expect("books"));
    put(&library, &books);
    backfill(&library);
    library
}

fn ask(library: &Library, query: &str, change: impl FnOnce(&mut SearchRequest)) -> Result<SearchResponse, Error> {
    let mut request = SearchRequest { query: query.to_owned(), ..SearchRequest::default() };
    change(&mut request);
    library.search(&request)
}

fn ids(response: &SearchResponse) -> Vec<&str> {
    response.hits.iter().map(|hit| hit.book.id.as_str()).collect()
}

fn filter(conditions: &[(&str, &str)]) -> Filter {
    let mut filter = Filter::default();
    conditions.iter().for_each(|(field, value)| filter.add(field, *value));
    filter
}

#[test]
fn a_filter_holds_in_every_mode() {
    let library = shelf();
    let child = Filter { age: Some(6), ..Filter::default() };
    let cases: [(Filter, &[&str], usize); 6] = [
        (filter(&[("language", "de")]), &["insect", "wal"], 2),
        (filter(&[("language", "de"), ("subject", "Whales")]), &["wal"], 1),
        (filter(&[("shelf", "a"), ("language", "en")]), &["dunes", "numbers", "sisters", "whale"], 4),
        (Filter { year_from: Some(2000), year_to: Some(2012), ..Filter::default() }, &["calf", "cemetery", "wal"], 3),
        (child.clone(), &["calf", "wal"], 2),
        (filter(&[("language", "ja")]), &[], 0),
    ];
    for mode in Mode::ALL {
        for (filter, allowed, searched) in &cases {
            let response = ask(&library, "a whale at sea", |request| {
                (request.mode, request.filter) = (mode, filter.clone());
            });
            let response = response.expect("an answer");
            let shown: HashSet<&str> = response.shown().map(|hit| hit.book.id.as_str()).collect();
            assert!(shown.iter().all(|id| allowed.contains(id)), "{mode} {filter:?}: {shown:?}");
            if mode != Mode::Keyword {
                assert_eq!(shown.len(), allowed.len(), "{mode} {filter:?}: each is compared, near or not");
            }
            assert_eq!(response.searched_books, *searched, "{mode} {filter:?}");
        }
    }
    let adults = ask(&library, "moby dick", |request| request.filter = child).expect("an answer");
    assert!(!ids(&adults).contains(&"whale"), "a title that is typed in full is no way around");
    let error = ask(&library, "x", |request| request.filter = filter(&[("colour", "red")])).expect_err("no such field");
    assert!(
        matches!(&error, Error::UnknownFacet { field, known } if field == "colour" && known.ends_with("shelf")),
        "{error}"
    );
}

#[test]
fn facets_count_the_relevant_books_as_if_their_own_field_were_free() {
    let library = shelf();
    let ask = |filter: Filter| {
        ask(&library, "whales", |request| {
            (request.filter, request.facets) = (filter, vec!["language".to_owned(), "subject".to_owned()]);
        })
        .expect("an answer")
    };
    let shown = |facets: &[FacetCounts]| {
        let counts = |facet: &FacetCounts| {
            facet.values.iter().map(|count| format!("{} {}", count.value, count.books)).collect::<Vec<_>>().join(", ")
        };
        facets.iter().map(|facet| format!("{}: {}", facet.field, counts(facet))).collect::<Vec<_>>()
    };
    let free = ask(Filter::default());
    assert_eq!(free.total.books, free.hits.len());
    assert!(free.total.is_exact);
    assert_eq!(shown(&free.facets), ["language: en 4, de 1", "subject: whales 3, whaling 2"]);
    let german = ask(filter(&[("language", "de")]));
    assert_eq!(shown(&german.facets), ["language: en 4, de 1", "subject: whales 1"]);
    assert_eq!(ids(&german), ["wal"]);
    let all = library.facet_counts(&["shelf".to_owned()], &Filter::default()).expect("a field");
    assert!(shown(&all)[0].starts_with("shelf: A 7, "), "{all:?}");
}

#[test]
fn nothing_good_enough_is_an_answer_and_related_books_stand_apart() {
    let library = shelf();
    for mode in [Mode::Hybrid, Mode::Semantic] {
        let response = ask(&library, "quantum chromodynamics lattice simulations", |request| request.mode = mode);
        let response = response.expect("an answer");
        assert_eq!((ids(&response), response.total.books), (vec![], 0), "{mode}");
        assert_eq!(response.related.len(), 10, "{mode}: the nearest fill the page");
        assert_eq!(response.related[0].rank, 1);
    }
    let whales = ask(&library, "a whale hunt", |_| {}).expect("an answer");
    assert!(["whale", "hunters"].iter().all(|id| ids(&whales).contains(id)), "{:?}", ids(&whales));
    assert!(whales.related.iter().any(|hit| hit.book.id == "numbers"), "mathematics is no whale hunt");
    assert_eq!(whales.hits.len() + whales.related.len(), 10);
    let words = ask(&library, "whales zzyzx", |request| request.mode = Mode::Keyword).expect("an answer");
    assert!(words.total.books > 0, "by words alone, the best part will do");
}

#[test]
fn pages_follow_one_another_without_gaps_or_repetition() {
    let library = shelf();
    let whole = ask(&library, "whales of the sea", |_| {}).expect("an answer");
    assert!(whole.hits.len() > 4 && whole.next.is_none(), "{:?}", ids(&whole));
    for (sort, mode) in [(Sort::Relevance, Mode::Hybrid), (Sort::Title, Mode::Hybrid), (Sort::Newest, Mode::Semantic)] {
        let page = |after: Option<String>| {
            ask(&library, "whales of the sea", |request| {
                (request.limit, request.after, request.sort, request.mode) = (2, after, sort, mode);
            })
        };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let answer = page(after).expect("a page");
            assert!(answer.related.is_empty() || answer.next.is_none(), "related books come last");
            seen.extend(answer.hits.iter().map(|hit| (hit.rank, hit.book.id.clone())));
            after = answer.next;
            if after.is_none() {
                break;
            }
        }
        let all = ask(&library, "whales of the sea", |request| (request.sort, request.mode) = (sort, mode));
        let all = all.expect("an answer");
        assert_eq!(seen, all.hits.iter().map(|hit| (hit.rank, hit.book.id.clone())).collect::<Vec<_>>(), "{sort:?}");
    }
    let first = ask(&library, "whales of the sea", |request| request.limit = 2).expect("a page");
    // The last book shown goes; the next page begins where it would have.
    library.catalogue().delete_books(&[&first.hits[1].book.id]).expect("a catalogue that can be written");
    let second = ask(&library, "whales of the sea", |request| (request.limit, request.after) = (2, first.next.clone()));
    let second = second.expect("a page");
    assert!(second.hits.iter().all(|hit| first.hits.iter().all(|shown| shown.book.id != hit.book.id)));
    for (query, after) in [("another", first.next.clone()), ("whales of the sea", Some("zz".to_owned()))] {
        let error = ask(&library, query, |request| (request.limit, request.after) = (2, after)).expect_err("no place");
        assert!(matches!(error, Error::UnknownCursor), "{error}");
    }
}

#[test]
fn books_are_sorted_by_year_and_by_title() {
    let library = shelf();
    let sorted = |sort| {
        let response = ask(&library, "whales", |request| request.sort = sort).expect("an answer");
        response.hits.iter().map(|hit| (hit.book.title.clone(), hit.book.year)).collect::<Vec<_>>()
    };
    let years = |sort| sorted(sort).into_iter().map(|(_, year)| year).collect::<Vec<_>>();
    assert_eq!(years(Sort::Newest), [Some(2015), Some(2012), Some(2010), Some(1851), None]);
    assert_eq!(years(Sort::Oldest), [Some(1851), Some(2010), Some(2012), Some(2015), None]);
    let titles: Vec<String> = sorted(Sort::Title).into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["Der kleine Wal", "Moby-Dick", "The Little Whale", "The little whale.", "Whale Hunters"]);
}

#[test]
fn words_found_are_located() {
    let library = shelf();
    let response = ask(&library, "hunters sperm", |_| {}).expect("an answer");
    let best = &response.hits[0];
    let stretch =
        |text: &str, (start, end): (usize, usize)| text.chars().skip(start).take(end - start).collect::<String>();
    let of_title: Vec<_> = best.highlights.title.iter().map(|place| stretch(&best.book.title, *place)).collect();
    let of_passage: Vec<_> = best.highlights.passage.iter().map(|place| stretch(&best.passage, *place)).collect();
    assert_eq!((of_title, of_passage), (vec!["Hunters".to_owned()], vec!["sperm".to_owned()]));
}

#[test]
fn similar_books_are_near_and_neither_themselves_nor_other_editions() {
    let library = shelf();
    let similar = |ids: &[&str], limit, filter: Filter| {
        let ids = ids.iter().map(ToString::to_string).collect();
        let response = library.similar(&SimilarRequest { ids, limit, filter })?;
        Ok::<_, Error>(response.hits.into_iter().map(|hit| hit.book.id).collect::<Vec<_>>())
    };
    let like_calf = similar(&["calf"], 3, Filter::default()).expect("an answer");
    assert_eq!(like_calf[0], "wal");
    assert!(!like_calf.iter().any(|id| id.starts_with("calf")), "{like_calf:?}");
    let like_both = similar(&["whale", "calf"], 2, Filter::default()).expect("an answer");
    assert!(like_both.contains(&"hunters".to_owned()), "{like_both:?}");
    let one_edition = similar(&["wal"], 10, Filter::default()).expect("an answer");
    assert_eq!(one_edition.iter().filter(|id| id.starts_with("calf")).count(), 1, "{one_edition:?}");
    assert_eq!(similar(&["calf"], 5, filter(&[("language", "fr")])).expect("an answer"), ["bees"]);
    assert!(matches!(similar(&["nobody"], 5, Filter::default()), Err(Error::UnknownBook(id)) if id == "nobody"));
    assert!(matches!(similar(&[], 5, Filter::default()), Err(Error::NoBook)));
    assert!(matches!(similar(&["calf"], 0, Filter::default()), Err(Error::LimitOutOfRange { limit: 0 })));

    put(&library, &[support::book(["new", "Whale Songs", "N. N.", "whales", "The songs of whales, recorded at sea."])]);
    let of_new = similar(&["new"], 3, Filter::default()).expect("a book that is not embedded yet has neighbours, too");
    assert!(of_new.contains(&"wal".to_owned()), "{of_new:?}");
}

#[test]
fn what_is_typed_is_completed_by_titles_authors_and_subjects() {
    let library = shelf();
    let suggest = |typed: &str, filter: Filter| {
        library.suggest(&SuggestRequest { typed: typed.to_owned(), filter, ..SuggestRequest::default() })
    };
    let found = suggest("wha", Filter::default()).expect("suggestions");
    let suggested =
        |text: &str, books, id: Option<&str>| Suggested { text: text.to_owned(), books, id: id.map(str::to_owned) };
    assert_eq!(found.titles, [suggested("The Little Whale", 2, None), suggested("Whale Hunters", 1, Some("hunters"))]);
    assert_eq!(found.subjects, [suggested("whales", 3, None), suggested("whaling", 2, None)]);
    assert!(found.authors.is_empty() && found.series.is_empty());
    let found = suggest("ZAF", Filter::default()).expect("suggestions");
    assert_eq!(found.authors, [suggested("Carlos Ruiz Zafón", 1, None)]);
    let found = suggest("whal", filter(&[("language", "de")])).expect("suggestions");
    assert_eq!((found.titles.len(), found.subjects), (0, vec![suggested("whales", 1, None)]));
    for typed in ["", "?!", "\0", &"whale ".repeat(1000)] {
        let nothing = suggest(typed, Filter::default()).expect("suggestions");
        assert!(nothing.titles.is_empty() && nothing.subjects.is_empty(), "{typed:?}");
    }
    let request = SuggestRequest { typed: "w".to_owned(), limit: MAX_LIMIT + 1, ..SuggestRequest::default() };
    assert!(matches!(library.suggest(&request), Err(Error::LimitOutOfRange { .. })));
}

#[test]
fn the_floor_is_that_of_the_built_in_model() {
    // The constant in `floor.rs` names a space; another model in the executable needs a measurement of its own.
    assert_eq!(ENCODER.info().fingerprint.space, "569c84e3b5f90937abc77088f117c183");
    let empty = library();
    let nothing = ask(&empty, "whales", |request| request.facets = vec!["language".to_owned()]).expect("an answer");
    assert_eq!((nothing.total.books, nothing.facets[0].values.len()), (0, 0));
}
