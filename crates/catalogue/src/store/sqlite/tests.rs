//! The store from inside: what needs the connection itself. Files, processes and disks are in `tests/store.rs`.

use super::*;
use crate::PassageCutter;

/// A token a word.
struct Words;

impl PassageCutter for Words {
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
    fn max_tokens(&self) -> usize {
        64
    }
}

fn books(count: usize) -> Vec<CutBook> {
    (0..count)
        .map(|n| Book {
            id: format!("b{n}"),
            title: format!("Book {n}"),
            description: Some(format!("The story of number {n}. ").repeat(40)),
            ..Book::default()
        })
        .map(|book| CutBook::new(&book, &Words).expect("JSON"))
        .collect()
}

#[test]
fn a_full_database_undoes_one_batch_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("libellus.db");
    let catalogue = SqliteStore::open(&path, Access::ReadWrite).expect("opens");
    catalogue.put_books(&books(5)).expect("fits");
    let pages: i64 = catalogue.lock().query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a count");
    catalogue.lock().pragma_update(None, "max_page_count", pages + 2).expect("sets the limit");
    let (revision, statistics) = (catalogue.revision().expect("reads"), catalogue.statistics("s").expect("counts"));

    let error = catalogue.put_books(&books(500)).expect_err("does not fit");
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    let message = error.to_string();
    for part in ["libellus.db", "full", "nothing was lost", "free some space"] {
        assert!(message.contains(part), "{message}");
    }

    assert_eq!(catalogue.revision().expect("reads"), revision);
    assert_eq!(catalogue.statistics("s").expect("counts"), statistics);
    catalogue.lock().pragma_update(None, "max_page_count", 1_000_000).expect("lifts the limit");
    let outcome = catalogue.put_books(&books(500)).expect("fits now");
    assert_eq!((outcome.added, outcome.updated, outcome.unchanged), (495, 0, 5));
}

#[test]
fn a_panic_in_one_thread_does_not_stop_the_others() {
    let catalogue = SqliteStore::in_memory().expect("opens");
    catalogue.put_books(&books(1)).expect("writes");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = catalogue.write("panicking", |transaction| -> rusqlite::Result<((), Changed)> {
            transaction.execute("DELETE FROM books", [])?;
            panic!("on purpose")
        });
    }));
    assert!(panicked.is_err());
    assert!(catalogue.connection.is_poisoned());
    assert!(catalogue.book("b0").expect("reads on").is_some(), "the half-done write was undone");
    catalogue.put_books(&books(2)).expect("writes on");
}

#[test]
fn a_damaged_vector_is_an_error() {
    let catalogue = SqliteStore::in_memory().expect("opens");
    catalogue.put_books(&books(1)).expect("writes");
    let pending = catalogue.pending_passages("s", 0, 1).expect("reads");
    let embedding = NewEmbedding { passage_id: pending[0].passage_id, text_hash: pending[0].text_hash, vector: &[1.0] };
    catalogue.put_embeddings("s", "f32", &[embedding]).expect("writes").expect("any space will do");
    catalogue.lock().execute("UPDATE embeddings SET vector = x'000102'", []).expect("damages");
    let error = catalogue.each_embedding("s", &mut |_| panic!("shows a damaged vector")).expect_err("notices");
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[test]
fn freshness_is_answered_without_reading_vectors() {
    let catalogue = SqliteStore::in_memory().expect("opens");
    let plan: Vec<String> = catalogue
        .lock()
        .prepare(&format!("EXPLAIN QUERY PLAN {}", embeddings::COUNT_FRESH))
        .and_then(|mut plan| plan.query_map(["s"], |row| row.get(3))?.collect())
        .expect("a plan");
    assert!(plan.iter().any(|step| step.contains("COVERING INDEX embeddings_freshness")), "{plan:?}");
}

#[test]
fn the_catalogue_goes_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<crate::Catalogue>();
}
