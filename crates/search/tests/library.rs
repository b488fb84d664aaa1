//! Libraries as readers and operators meet them: a few books, the built-in model, a catalogue in memory or in a file.

use libellus_catalogue::{Access, Book, Catalogue};
use libellus_encoder::Encoder;
use libellus_search::{
    BackfillOptions, BackfillReport, EncoderCutter, Error, Library, Mode, SearchRequest, SearchResponse,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

static ENCODER: LazyLock<Arc<Encoder>> = LazyLock::new(|| Arc::new(Encoder::builtin()));

/// Id, title, author, subject, description.
const BOOKS: [[&str; 5]; 8] = [
    ["whale", "Moby-Dick", "Herman Melville", "whaling", "A captain hunts the white whale that took his leg."],
    ["insect", "Die Verwandlung", "Franz Kafka", "family", "A salesman wakes one morning as a monstrous vermin."],
    [
        "sisters",
        "Pride and Prejudice",
        "Jane Austen",
        "courtship",
        "Five sisters in the English countryside must marry well.",
    ],
    [
        "dunes",
        "Dune",
        "Frank Herbert",
        "science fiction",
        "A boy's family is given rule over a desert planet of giant worms.",
    ],
    [
        "bees",
        "The Life of the Bee",
        "Maurice Maeterlinck",
        "nature",
        "How a hive swarms, builds its combs and raises its queens.",
    ],
    [
        "numbers",
        "A Mathematician's Apology",
        "G. H. Hardy",
        "mathematics",
        "An old scholar defends the beauty of proofs.",
    ],
    [
        "cemetery",
        "La sombra del viento",
        "Carlos Ruiz Zafón",
        "books",
        "In Barcelona a boy finds a novel whose author someone wants forgotten.",
    ],
    ["untold", "Untold", "Anonymous", "", ""],
];

fn book([id, title, author, subject, description]: [&str; 5]) -> Book {
    Book {
        id: id.to_owned(),
        title: title.to_owned(),
        authors: vec![author.to_owned()],
        subjects: Some(subject.to_owned()).filter(|subject| !subject.is_empty()).into_iter().collect(),
        description: Some(description.to_owned()).filter(|description| !description.is_empty()),
        ..Book::default()
    }
}

/// A library over a catalogue in memory.
fn library() -> Library {
    Library::new(Arc::clone(&ENCODER), Catalogue::in_memory().expect("a catalogue in memory"))
}

/// A library over a catalogue in a file.
fn library_at(path: &Path) -> Library {
    Library::new(Arc::clone(&ENCODER), Catalogue::open(path, Access::ReadWrite).expect("a catalogue in a file"))
}

fn put(library: &Library, books: &[Book]) {
    library.catalogue().put_books(books, &EncoderCutter(&ENCODER)).expect("a catalogue that can be written");
}

fn all_books() -> Vec<Book> {
    BOOKS.into_iter().map(book).collect()
}

fn backfill(library: &Library) -> BackfillReport {
    let options = BackfillOptions { threads: 2, batch: 3 };
    library.backfill(&options, &mut |_| ControlFlow::Continue(())).expect("a catalogue that can be written")
}

fn search(library: &Library, query: &str, mode: Mode) -> Result<SearchResponse, Error> {
    library.search(&SearchRequest { query: query.to_owned(), limit: 5, mode })
}

/// The ids found, best first.
fn found(library: &Library, query: &str, mode: Mode) -> Vec<String> {
    let response = search(library, query, mode).expect("an answer");
    response.hits.into_iter().map(|hit| hit.book.id).collect()
}

#[test]
fn books_are_found_by_meaning() {
    let library = library();
    put(&library, &all_books());
    assert_eq!(backfill(&library).embedded, 8);
    let cases = [
        ("a man is turned into a giant cockroach", "insect"),
        ("obsession at sea with a huge animal", "whale"),
        ("matchmaking among the gentry", "sisters"),
        ("politics on a sandy world in outer space", "dunes"),
        ("insects that make honey", "bees"),
        ("why is pure maths worth doing", "numbers"),
        ("mystery about a lost writer in Spain", "cemetery"),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&library, query, Mode::Semantic)[0], expected, "{query}");
    }
}

#[test]
fn an_answer_says_what_was_searched_and_why_a_book_is_there() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    for mode in [Mode::Semantic, Mode::Keyword] {
        let response = search(&library, "  white whale ", mode).expect("an answer");
        assert_eq!((response.query.as_str(), response.mode), ("white whale", mode));
        assert_eq!(response.searched_books, 8);
        assert_eq!(response.query_tokens.is_some(), mode == Mode::Semantic);
        let ranks: Vec<usize> = response.hits.iter().map(|hit| hit.rank).collect();
        assert_eq!(ranks, (1..=response.hits.len()).collect::<Vec<_>>());
        assert!(response.hits.is_sorted_by(|a, b| a.score >= b.score), "{mode}: best first");
        let best = &response.hits[0];
        assert_eq!(best.book, book(BOOKS[0]));
        assert_eq!(best.passage, BOOKS[0][4]);

        let json = serde_json::to_value(&response).expect("JSON");
        let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["query", "mode", "hits", "searched_books", "query_tokens", "timings"]);
        let hit_keys: Vec<&String> = json["hits"][0].as_object().expect("an object").keys().collect();
        assert_eq!(hit_keys, ["rank", "score", "book", "passage"]);
    }
}

#[test]
fn the_passage_that_matches_is_the_one_named() {
    let library = library();
    let filler = "The household accounts of the estate are given in full for the year. ".repeat(60);
    let comet = "A comet appears in the night sky above the orchard and frightens the geese. ".repeat(10);
    let long = Book {
        description: Some(format!("{filler}{comet}{filler}")),
        ..book(["long", "An Estate", "A Steward", "accounts", ""])
    };
    put(&library, &[book(BOOKS[5]), long]);
    backfill(&library);
    for mode in [Mode::Semantic, Mode::Keyword] {
        let response = search(&library, "a comet in the sky", mode).expect("an answer");
        let best = &response.hits[0];
        assert_eq!(best.book.id, "long", "{mode}");
        assert!(best.passage.contains("comet"), "{mode}: {}", best.passage);
        assert!(best.passage.len() < filler.len(), "{mode}: a passage, not the whole description");
        assert!(response.hits.iter().skip(1).all(|hit| hit.book.id != "long"), "{mode}: a book is found once");
    }
}

#[test]
fn books_are_found_by_words_without_embeddings() {
    let library = library();
    put(&library, &all_books());
    let cases: [(&str, &[&str]); 5] = [
        ("zafon", &["cemetery"]),
        ("MOBY DICK", &["whale"]),
        ("mathematicians apology", &["numbers"]),
        ("untold", &["untold"]),
        ("zzz", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&library, query, Mode::Keyword), expected, "{query}");
    }
}

#[test]
fn a_changed_description_is_found_by_its_new_meaning_after_a_backfill() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let query = "penguins on an ice floe";
    let mut changed = book(BOOKS[5]);
    changed.description = Some("Emperor penguins huddle through the Antarctic night on the ice.".to_owned());
    put(&library, &[changed]);
    assert!(!found(&library, query, Mode::Semantic).contains(&"numbers".to_owned()), "its vector is out of date");
    assert_eq!(found(&library, "emperor penguins", Mode::Keyword), ["numbers"], "its words are not");
    assert_eq!(backfill(&library).embedded, 1, "only what changed");
    assert_eq!(found(&library, query, Mode::Semantic)[0], "numbers");
    assert!(found(&library, "proofs", Mode::Keyword).is_empty(), "the old words are gone");
}

#[test]
fn a_change_by_another_process_is_seen() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("libellus.db");
    let (reader, writer) = (library_at(&path), library_at(&path));
    assert!(found(&reader, "whales", Mode::Semantic).is_empty(), "an empty catalogue has an empty answer");
    assert!(found(&reader, "whales", Mode::Keyword).is_empty());
    put(&writer, &[book(BOOKS[0])]);
    backfill(&writer);
    assert_eq!(found(&reader, "whales", Mode::Semantic), ["whale"]);
    assert_eq!(found(&reader, "whale", Mode::Keyword), ["whale"]);
    put(&writer, &[book(BOOKS[4])]);
    backfill(&writer);
    assert_eq!(found(&reader, "honey", Mode::Semantic)[0], "bees");
    assert_eq!(found(&reader, "queens", Mode::Keyword), ["bees"]);
}

#[test]
fn what_is_not_embedded_is_said() {
    let library = library();
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready, "an empty catalogue is not broken");
    assert!(readiness.reason.expect("what to do").contains("libellus import"));

    put(&library, &all_books());
    let readiness = library.readiness().expect("counts");
    assert!(!readiness.ready);
    assert_eq!(readiness.fingerprint, ENCODER.info().fingerprint.to_string());
    let message = search(&library, "whales", Mode::Semantic).expect_err("nothing to compare with").to_string();
    assert!(message.starts_with("none of the 8 passages in `"), "{message}");
    assert!(message.contains(&ENCODER.info().fingerprint.space) && message.ends_with("run `libellus backfill`"));

    let vector = vec![1.0; ENCODER.info().dim];
    let pending = library.catalogue().pending_passages("another", 0, 1).expect("passages");
    let embedding = libellus_catalogue::NewEmbedding {
        passage_id: pending[0].passage_id,
        text_hash: pending[0].text_hash,
        vector: &vector,
    };
    library.catalogue().put_embeddings("another", "f32", &[embedding]).expect("a catalogue that can be written");
    let message = search(&library, "whales", Mode::Semantic).expect_err("another model's").to_string();
    assert!(message.contains("; stored are 1 of space another; "), "{message}");

    backfill(&library);
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready && readiness.reason.is_none(), "{readiness:?}");
}

#[test]
fn a_stopped_backfill_keeps_its_batches_and_goes_on() {
    let library = library();
    put(&library, &all_books());
    let options = BackfillOptions { threads: 1, batch: 3 };
    let mut steps = Vec::new();
    let stopped = library
        .backfill(&options, &mut |progress| {
            steps.push((progress.done, progress.total));
            if steps.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("a catalogue that can be written");
    assert_eq!(steps, [(3, 8), (6, 8)]);
    assert!(
        stopped.interrupted && stopped.embedded == 6 && stopped.tokens > 0 && stopped.truncated == 0,
        "{stopped:?}"
    );
    let readiness = library.readiness().expect("counts");
    assert!(readiness.ready, "what is there can be searched");
    assert!(readiness.reason.expect("what to do").starts_with("2 of 8 passages are not embedded"));
    assert_eq!(search(&library, "whales", Mode::Semantic).expect("an answer").searched_books, 6);

    assert_eq!(backfill(&library).embedded, 2);
    assert_eq!(backfill(&library), BackfillReport::default(), "nothing left to do");
}

#[test]
fn two_backfills_at_once_both_finish() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("libellus.db");
    let libraries = [library_at(&path), library_at(&path)];
    let books: Vec<Book> = (0..40).map(|n| Book { id: format!("book-{n}"), ..book(BOOKS[n % BOOKS.len()]) }).collect();
    put(&libraries[0], &books);
    std::thread::scope(|scope| {
        for library in &libraries {
            scope.spawn(|| backfill(library));
        }
    });
    let counts = libraries[0].readiness().expect("counts").catalogue;
    assert_eq!((counts.passages, counts.embedded), (40, 40));
}

#[test]
fn odd_questions_are_answered_or_refused_kindly() {
    let library = library();
    put(&library, &all_books());
    backfill(&library);
    let refused = ["", "   ", "\0", "\u{200b}\u{feff}", "\u{1b}\u{7f}\n"];
    let answered = ["\0whale\0", "?", "\"", "title:(", "🐋", "e\u{301}\u{301}\u{301}", "दिन", "\u{202e}elahw", "-"];
    for mode in [Mode::Semantic, Mode::Keyword] {
        for query in refused {
            assert!(matches!(search(&library, query, mode), Err(Error::EmptyQuery)), "{mode} {query:?}");
        }
        for query in answered {
            assert!(search(&library, query, mode).is_ok(), "{mode} {query:?}");
        }
        let megabyte = "whale ".repeat(200_000);
        assert!(matches!(search(&library, &megabyte, mode), Err(Error::QueryTooLong { len: 1_200_000 })));
    }
    assert_eq!(found(&library, "\0whale\0", Mode::Keyword), ["whale"]);
    let long = "whale ".repeat(2_000);
    let tokens = search(&library, &long, Mode::Semantic).expect("an answer").query_tokens.expect("semantic");
    assert!(tokens.is_truncated(), "the answer says that the model did not read all: {tokens:?}");
}
