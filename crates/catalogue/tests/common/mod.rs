//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use libellus_catalogue::import::{ImportOptions, ImportReport, import};
use libellus_catalogue::{Book, Catalogue, EmbeddedPassage, Error, NewEmbedding, PassageCutter};
use std::ops::ControlFlow;
use std::process::Command;

pub mod server;

/// A token a word, and a window of 64.
pub struct Words;

impl PassageCutter for Words {
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
    fn max_tokens(&self) -> usize {
        64
    }
}

/// Imports a file's content into a new catalogue in memory.
pub fn import_new(content: &[u8]) -> Result<(Catalogue, ImportReport), Error> {
    let catalogue = Catalogue::in_memory()?;
    let report = import_into(&catalogue, content, &ImportOptions::default())?;
    Ok((catalogue, report))
}

pub fn import_into(catalogue: &Catalogue, content: &[u8], options: &ImportOptions) -> Result<ImportReport, Error> {
    let mut input = content;
    import("books", &mut input, catalogue, &Words, options, &mut |_| ControlFlow::Continue(()))
}

/// How many fresh embeddings a walk shows.
pub fn embeddings_shown(catalogue: &Catalogue, space: &str) -> u64 {
    let mut shown = 0;
    let mut count = |_: EmbeddedPassage<'_>| {
        shown += 1;
        ControlFlow::Continue(())
    };
    catalogue.each_embedding(space, &mut count).expect("reads");
    shown
}

pub fn books_of(catalogue: &Catalogue) -> Vec<Book> {
    let mut books = Vec::new();
    let mut push = |_, book| {
        books.push(book);
        ControlFlow::Continue(())
    };
    catalogue.each_book(&mut push).expect("reads the books");
    books
}

pub fn book(id: &str, description: &str) -> Book {
    Book {
        id: id.to_owned(),
        title: format!("The book {id}"),
        description: Some(description.to_owned()),
        ..Book::default()
    }
}

/// Embeds what is pending, with a vector that tells the passage.
pub fn embed_pending(catalogue: &Catalogue, space: &str) -> u64 {
    let pending = catalogue.pending_passages(space, 0, usize::MAX).expect("reads passages");
    let vectors: Vec<[f32; 2]> = pending.iter().map(|passage| [passage.passage_id as f32, 0.5]).collect();
    let embeddings: Vec<NewEmbedding<'_>> = pending
        .iter()
        .zip(&vectors)
        .map(|(passage, vector)| NewEmbedding { passage_id: passage.passage_id, text_hash: passage.text_hash, vector })
        .collect();
    catalogue.put_embeddings(space, "f32", &embeddings).expect("stores embeddings")
}

/// Set for the processes that a test starts: this test binary again, for one test.
pub const CHILD: &str = "LIBELLUS_TEST_CHILD";

pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact", "--nocapture"]);
    command
}
