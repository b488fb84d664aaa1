//! A few books, the built-in model, and libraries over catalogues in memory or in a file.
#![allow(dead_code, reason = "each test file uses a part of it")]

use libellus_catalogue::{Access, Book, Catalogue};
use libellus_encoder::Encoder;
use libellus_search::{
    BackfillOptions, BackfillReport, EncoderCutter, Error, Library, Mode, SearchRequest, SearchResponse,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

pub static ENCODER: LazyLock<Arc<Encoder>> = LazyLock::new(|| Arc::new(Encoder::builtin()));

/// Id, title, author, subject, description.
pub const BOOKS: [[&str; 5]; 8] = [
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

pub fn book([id, title, author, subject, description]: [&str; 5]) -> Book {
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
pub fn library() -> Library {
    Library::new(Arc::clone(&ENCODER), Catalogue::in_memory().expect("a catalogue in memory"))
}

/// A library over a catalogue in a file.
pub fn library_at(path: &Path) -> Library {
    Library::new(Arc::clone(&ENCODER), Catalogue::open(path, Access::ReadWrite).expect("a catalogue in a file"))
}

pub fn put(library: &Library, books: &[Book]) {
    library.catalogue().put_books(books, &EncoderCutter(&ENCODER)).expect("a catalogue that can be written");
}

pub fn all_books() -> Vec<Book> {
    BOOKS.into_iter().map(book).collect()
}

pub fn backfill(library: &Library) -> BackfillReport {
    let options = BackfillOptions { threads: 2, batch: 3, watch: false };
    library.backfill(&options, &mut |_| ControlFlow::Continue(())).expect("a catalogue that can be written")
}

pub fn search(library: &Library, query: &str, mode: Mode) -> Result<SearchResponse, Error> {
    library.search(&SearchRequest { query: query.to_owned(), limit: 5, mode, ..SearchRequest::default() })
}

/// The ids found, best first, with those that are only related.
pub fn found(library: &Library, query: &str, mode: Mode) -> Vec<String> {
    let response = search(library, query, mode).expect("an answer");
    response.shown().map(|hit| hit.book.id.clone()).collect()
}
