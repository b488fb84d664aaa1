//! The store with real files, processes and disks.

mod common;

use common::{Words, book, books_of, embed_pending, import_into};
use libellus_catalogue::import::ImportOptions;
use libellus_catalogue::{Access, Catalogue, Error, NewEmbedding, WriteOutcome};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn open(path: &Path) -> Catalogue {
    Catalogue::open(path, Access::ReadWrite).unwrap_or_else(|error| panic!("{error:?}"))
}

fn open_error(path: &Path, access: Access) -> Error {
    Catalogue::open(path, access).err().unwrap_or_else(|| panic!("`{}` opens", path.display()))
}

#[test]
fn books_come_back_as_they_went_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let mut whole = book("a", "First sentence. Second sentence.");
    whole.authors = vec!["Ada Lovelace".to_owned()];
    whole.year = Some(-44);
    whole.extra.insert("pages".to_owned(), serde_json::json!({"count": 0.1, "also": [1, null]}));
    let bare = book("b", "");

    let catalogue = open(&path);
    assert_eq!(catalogue.location(), path.display().to_string());
    let outcome = catalogue.put_books(&[whole.clone(), bare.clone()], &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 2, updated: 0, unchanged: 0 });
    drop(catalogue);

    let catalogue = Catalogue::open(&path, Access::ReadOnly).expect("opens again");
    assert_eq!(books_of(&catalogue), [whole.clone(), bare.clone()]);
    assert_eq!(catalogue.book("a").expect("reads"), Some(whole.clone()));
    assert_eq!(catalogue.book("c").expect("reads"), None);
    let found = catalogue.books_by_rowid(&[2, 99, 1]).expect("reads");
    assert_eq!(found, [Some(bare), None, Some(whole)]);
    assert_eq!(catalogue.passage_text(1, 0).expect("reads").as_deref(), Some("First sentence. Second sentence."));
    assert_eq!(catalogue.passage_text(2, 0).expect("reads").as_deref(), Some("The book b."), "what was embedded");
    assert_eq!(catalogue.passage_text(1, 1).expect("reads"), None);
    let error = catalogue.put_books(&[book("d", "")], &Words).expect_err("may only read");
    assert!(matches!(error, Error::OpenedReadOnly { .. }), "{error:?}");
}

#[test]
fn writing_the_same_again_changes_nothing() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let books = [book("a", "One."), book("b", "Two.")];
    catalogue.put_books(&books, &Words).expect("writes");
    let revision = catalogue.revision().expect("reads");
    let outcome = catalogue.put_books(&books, &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 0, updated: 0, unchanged: 2 });
    assert_eq!(catalogue.revision().expect("reads"), revision);

    let outcome = catalogue.put_books(&[book("a", "One!"), book("b", "Two.")], &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 0, updated: 1, unchanged: 1 });
    assert!(catalogue.revision().expect("reads") > revision);
}

/// What a copy of the file alone holds.
fn books_in_a_copy(path: &Path) -> u64 {
    let copy = path.with_file_name("copy.db");
    std::fs::copy(path, &copy).expect("copies");
    let counts = Catalogue::open(&copy, Access::ReadWrite).and_then(|catalogue| catalogue.statistics("s"));
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", copy.display()));
    }
    counts.expect("a copy that opens").books
}

#[test]
fn after_an_import_the_file_alone_holds_the_books_while_others_have_it_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let (server, importer) = (open(&path), open(&path));
    server.put_books(&[book("a", "Text.")], &Words).expect("writes");
    assert_eq!(server.statistics("s").expect("counts").books, 1);
    assert_eq!(books_in_a_copy(&path), 0, "what is to be mended: the book is in the log only");
    import_into(&importer, b"id,title\nb,Beowulf\n", &ImportOptions::default()).expect("imports");
    assert_eq!(books_in_a_copy(&path), 2);
    assert_eq!(server.statistics("s").expect("counts").books, 2);

    // A reader in the middle of a walk, or another's write: not now, and no error.
    for statements in ["BEGIN; SELECT count(*) FROM books", "BEGIN IMMEDIATE; DELETE FROM books"] {
        let other = rusqlite::Connection::open(&path).expect("opens");
        for statement in statements.split("; ") {
            let mut statement = other.prepare(statement).expect("prepares");
            let mut rows = statement.query([]).expect("runs");
            while rows.next().expect("runs").is_some() {}
        }
        importer.settle().expect("waits for another time");
        drop(other);
    }
    server.settle().expect("settles");
    let reader = Catalogue::open(&path, Access::ReadOnly).expect("opens");
    reader.settle().expect("has nothing to do");
    Catalogue::in_memory().and_then(|catalogue| catalogue.settle()).expect("has nothing to do");
}

#[test]
fn a_cause_is_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let catalogue = open(&path);
    catalogue.set_busy_timeout(Duration::from_millis(1)).expect("sets");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("begins");
    let error = catalogue.put_books(&[book("a", "Text.")], &Words).expect_err("is locked");
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), "database is locked");
    assert!(cause.source().is_none(), "{:?}", cause.source());
}

#[test]
fn a_changed_text_makes_its_embedding_stale_and_no_other() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let long = |tail: &str| {
        let sentences: String = (0..20).map(|n| format!("This is sentence number {n} of the long story. ")).collect();
        sentences + tail
    };
    catalogue.put_books(&[book("a", &long("The end.")), book("b", "Short.")], &Words).expect("writes");
    let before = catalogue.statistics("space").expect("counts");
    assert!(before.passages > 3, "{before:?}");
    assert_eq!(before.embedded, 0);
    assert_eq!(embed_pending(&catalogue, "space"), before.passages);
    let revision = catalogue.revision().expect("reads");
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages);
    assert_eq!(catalogue.statistics("other space").expect("counts").embedded, 0);
    assert_eq!(catalogue.spaces().expect("reads"), [("space".to_owned(), before.passages)]);

    // Only the last passage of one book has another text now.
    catalogue.put_books(&[book("a", &long("Not the end."))], &Words).expect("writes");
    assert!(catalogue.revision().expect("reads") > revision);
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages - 1);
    let pending = catalogue.pending_passages("space", 0, 10).expect("reads");
    assert_eq!(pending.len(), 1);
    assert!(pending[0].embedding_text.ends_with("Not the end."), "{pending:?}");
    assert!(pending[0].embedding_text.starts_with("The book a."), "{pending:?}");
    let mut shown = 0;
    catalogue.each_embedding("space", &mut |_| shown += 1).expect("reads");
    assert_eq!(shown, before.passages - 1, "a stale embedding is never shown");
    assert_eq!(embed_pending(&catalogue, "space"), 1);

    // What is not about the text costs no embedding.
    let mut with_year = book("b", "Short.");
    with_year.year = Some(1999);
    assert_eq!(catalogue.put_books(&[with_year], &Words).expect("writes").updated, 1);
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages);
}

#[test]
fn embeddings_come_in_order_and_only_for_the_text_they_were_made_from() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let description = "One two three four five six seven eight nine ten. ".repeat(12);
    catalogue.put_books(&[book("a", &description), book("b", "Short.")], &Words).expect("writes");
    let pending = catalogue.pending_passages("s", 0, 2).expect("reads");
    let rest = catalogue.pending_passages("s", pending[1].passage_id, 100).expect("reads");
    assert!(rest.iter().all(|passage| passage.passage_id > pending[1].passage_id) && !rest.is_empty());

    // Changed while it was being embedded, and gone while it was being embedded.
    catalogue.put_books(&[book("b", "Changed.")], &Words).expect("writes");
    let all: Vec<_> = pending.iter().chain(&rest).collect();
    let embeddings: Vec<NewEmbedding<'_>> = all
        .iter()
        .rev()
        .map(|passage| NewEmbedding {
            passage_id: passage.passage_id,
            text_hash: passage.text_hash,
            vector: &[0.5, -2.0],
        })
        .chain([NewEmbedding { passage_id: 999, text_hash: [0; 16], vector: &[1.0, 1.0] }])
        .collect();
    assert_eq!(catalogue.put_embeddings("s", "int8", &embeddings).expect("stores"), all.len() as u64 - 1);

    let mut seen = Vec::new();
    catalogue
        .each_embedding("s", &mut |passage| {
            assert_eq!(passage.vector, [0.5, -2.0]);
            seen.push((passage.book_rowid, passage.ordinal));
        })
        .expect("reads");
    let expected: Vec<(i64, u32)> = (0..all.len() as u32 - 1).map(|ordinal| (1, ordinal)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn deleting_a_book_deletes_what_hangs_on_it() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let long = "One two three four five six seven eight nine ten. ".repeat(12);
    catalogue.put_books(&[book("a", &long), book("b", "Short.")], &Words).expect("writes");
    let all = embed_pending(&catalogue, "s");
    // A shorter text has fewer passages.
    catalogue.put_books(&[book("a", "One two.")], &Words).expect("writes");
    assert_eq!(catalogue.statistics("s").expect("counts").passages, 2);
    assert!(catalogue.spaces().expect("reads")[0].1 < all);

    let revision = catalogue.revision().expect("reads");
    assert_eq!(catalogue.delete_books(&["b", "no such book"]).expect("deletes"), 1);
    assert!(catalogue.revision().expect("reads") > revision);
    let statistics = catalogue.statistics("s").expect("counts");
    assert_eq!((statistics.books, statistics.passages, statistics.embedded), (1, 1, 0));
    assert_eq!(catalogue.delete_books(&["b"]).expect("deletes"), 0);
}

#[test]
fn a_reader_reads_on_while_a_writer_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let writer = open(&path);
    writer.put_books(&[book("first", "Text.")], &Words).expect("writes");
    let reader = Catalogue::open(&path, Access::ReadOnly).expect("opens");
    let mut revision = reader.revision().expect("reads");

    // Another process in the middle of its write.
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE; UPDATE books SET title = 'Half-done'").expect("begins");
    assert_eq!(reader.book("first").expect("reads").map(|book| book.title).as_deref(), Some("The book first"));
    writer.set_busy_timeout(Duration::from_millis(50)).expect("sets");
    let error = writer.put_books(&[book("second", "Text.")], &Words).expect_err("is locked");
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("locked by another process"), "{error}");
    other.execute_batch("ROLLBACK").expect("rolls back");

    for n in 0..5 {
        writer.put_books(&[book(&format!("book {n}"), "Text.")], &Words).expect("writes");
        let now = reader.revision().expect("reads");
        assert!(now > revision, "the reader sees the change");
        assert_eq!(reader.statistics("s").expect("counts").books, n + 2);
        revision = now;
    }
    // A walk shows one state, and may be interrupted by writes.
    let mut seen = 0;
    reader
        .each_book(&mut |_, _| {
            seen += 1;
            writer.put_books(&[book(&format!("late {seen}"), "Text.")], &Words).expect("writes meanwhile");
        })
        .expect("reads");
    assert_eq!(seen, 6);
}

/// Set for the processes that a test starts: this test binary again, for one test.
const CHILD: &str = "LIBELLUS_TEST_CHILD";

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact", "--nocapture"]);
    command
}

#[test]
fn three_processes_make_and_write_one_catalogue() {
    if let Ok(task) = std::env::var(CHILD) {
        let (name, path) = task.split_once(' ').expect("a name and a path");
        let catalogue = open(Path::new(path));
        for n in 0..40 {
            catalogue.put_books(&[book(&format!("{name}-{n}"), "Text."), book("both", name)], &Words).expect("writes");
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let children: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            child("three_processes_make_and_write_one_catalogue")
                .env(CHILD, format!("{name} {}", path.display()))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(open(&path).statistics("s").expect("counts").books, 3 * 40 + 1);
}

#[test]
fn what_is_no_catalogue_says_why_and_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text.db"), "title,author\nDune,Frank Herbert\n").expect("writes");
    std::fs::write(at("short.db"), "SQLite").expect("writes");
    std::fs::write(at("empty.db"), "").expect("writes");
    let make = |name: &str, sql: &str| {
        rusqlite::Connection::open(at(name))
            .and_then(|database| database.execute_batch(sql))
            .expect("makes a database");
    };
    make("foreign.db", "CREATE TABLE customers (name TEXT)");
    make("marked.db", "PRAGMA application_id = 1234; CREATE TABLE books (id TEXT)");
    drop(open(&at("newer.db")));
    make("newer.db", "PRAGMA user_version = 99");

    type IsExpected = fn(&Error) -> bool;
    let cases: [(&str, &str, IsExpected); 8] = [
        (".", "is a directory", |error| matches!(error, Error::IsDirectory { .. })),
        ("none/libellus.db", "does not exist", |error| matches!(error, Error::ParentMissing { .. })),
        ("text.db", "not an SQLite database", |error| matches!(error, Error::NotADatabase { .. })),
        ("short.db", "not an SQLite database", |error| matches!(error, Error::NotADatabase { .. })),
        ("foreign.db", "a table `customers`", |error| matches!(error, Error::ForeignDatabase { .. })),
        ("marked.db", "the application id 0x4d2", |error| matches!(error, Error::ForeignDatabase { .. })),
        ("newer.db", "update libellus", |error| matches!(error, Error::NewerSchema { found: 99, .. })),
        ("newer.db", "schema 99", |error| matches!(error, Error::NewerSchema { .. })),
    ];
    for (name, part, is_expected) in cases {
        let path = at(name);
        let before = std::fs::read(&path).ok();
        let error = open_error(&path, Access::ReadWrite);
        let message = error.to_string();
        assert!(is_expected(&error), "{name}: {error:?}");
        assert!(message.contains(part) && message.contains(&path.display().to_string()), "{name}: {message}");
        assert_eq!(std::fs::read(&path).ok(), before, "{name} was changed");
    }
    for (name, is_expected) in [
        ("none.db", (|error| matches!(error, Error::NotFound { .. })) as IsExpected),
        ("empty.db", |error| matches!(error, Error::NothingWritten { .. })),
        ("foreign.db", |error| matches!(error, Error::ForeignDatabase { .. })),
    ] {
        let error = open_error(&at(name), Access::ReadOnly);
        assert!(is_expected(&error), "{name}: {error:?}");
    }
    assert!(!at("none.db").exists(), "reading makes no file");
    open(&at("empty.db")).put_books(&[book("a", "Text.")], &Words).expect("an empty file becomes a catalogue");
}

#[test]
fn a_damaged_file_is_recognised() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let books: Vec<_> =
        (0..200).map(|n| book(&n.to_string(), "A long enough text to fill some pages with it.")).collect();
    open(&path).put_books(&books, &Words).expect("writes");
    let mut bytes = std::fs::read(&path).expect("reads");
    for byte in &mut bytes[4096..] {
        *byte = 0xa5;
    }
    std::fs::write(&path, bytes).expect("writes");
    let read = Catalogue::open(&path, Access::ReadOnly).and_then(|catalogue| catalogue.statistics("s"));
    let error = read.expect_err("is damaged");
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("restore it from a backup"), "{error}");
}

#[test]
fn a_catalogue_of_version_1_opens() {
    let saved = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue-v1.db");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    std::fs::copy(&saved, &path).expect("copies");
    let catalogue = open(&path);
    let books = books_of(&catalogue);
    assert_eq!(books.len(), 2);
    assert_eq!(books[0].title, "Dune");
    assert_eq!(books[0].extra["shelf"], "A 3");
    let statistics = catalogue.statistics("0123456789abcdef0123456789abcdef").expect("counts");
    assert_eq!((statistics.books, statistics.passages, statistics.embedded), (2, 2, 1));
    catalogue.put_books(&[book("new", "Text.")], &Words).expect("writes");
}

/// Runs this test again in namespaces of its own, where a small disk is mounted at a folder given to it; skips where
/// the system does not allow that. Returns the folder in the run that has it.
fn with_a_small_disk(test: &str) -> Option<PathBuf> {
    if let Ok(folder) = std::env::var(CHILD) {
        return Some(PathBuf::from(folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mount = format!("mount -t tmpfs -o size=1m tmpfs '{}'", folder.path().display());
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command
    };
    if !unshare(&mount).output().is_ok_and(|output| output.status.success()) {
        println!("skipped: this system does not let a test mount a disk");
        return None;
    }
    let run = child(test);
    let program = run.get_program().to_string_lossy().into_owned();
    let output = unshare(&format!("{mount} && exec '{program}' {test} --exact --nocapture"))
        .env(CHILD, folder.path())
        .output()
        .expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
    None
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = with_a_small_disk("a_full_disk_loses_nothing") else { return };
    let path = disk.join("libellus.db");
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![1; 256 * 1024]).expect("fits");
    let catalogue = open(&path);
    let batch = |n: usize| -> Vec<_> {
        (0..20).map(|m| book(&format!("{n}-{m}"), &format!("Text {n} {m}. ").repeat(30))).collect()
    };
    let mut written = 0;
    let error = loop {
        match catalogue.put_books(&batch(written), &Words) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the disk never fills");
    };
    assert!(matches!(error, Error::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("nothing was lost"), "{error}");
    assert!(written > 0);
    assert_eq!(catalogue.statistics("s").expect("counts").books, 20 * written as u64, "whole batches only");

    std::fs::remove_file(&filler).expect("makes room");
    catalogue.put_books(&batch(written), &Words).expect("the same batch again");
    assert_eq!(catalogue.statistics("s").expect("counts").books, 20 * (written as u64 + 1));
    drop(catalogue);
    assert_eq!(books_of(&open(&path)).len(), 20 * (written + 1));
}

#[test]
fn a_read_only_disk_can_be_read() {
    let Some(disk) = with_a_small_disk("a_read_only_disk_can_be_read") else { return };
    let at = |name: &str| disk.join(name);
    let closed = at("closed? 100%#.db");
    let catalogue = open(&closed);
    catalogue.put_books(&[book("a", "Text.")], &Words).expect("writes");
    drop(catalogue);
    let in_use = open(&at("in-use.db"));
    in_use.put_books(&[book("a", "Text.")], &Words).expect("writes");
    for suffix in ["", "-wal"] {
        std::fs::copy(at(&format!("in-use.db{suffix}")), at(&format!("torn.db{suffix}"))).expect("copies");
    }
    drop(in_use);
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().expect("runs");
    assert!(status.success());

    let catalogue = Catalogue::open(&closed, Access::ReadOnly).expect("opens");
    assert_eq!(catalogue.statistics("s").expect("counts").books, 1);
    assert_eq!(books_of(&catalogue).len(), 1);
    assert!(catalogue.revision().expect("reads") > 0);

    for path in [&closed, &at("new.db")] {
        let error = open_error(path, Access::ReadWrite);
        assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("read-only") && message.contains(&path.display().to_string()), "{message}");
    }
    let error = open_error(&at("torn.db"), Access::ReadOnly);
    assert!(matches!(error, Error::UnfinishedChanges { .. }), "{error:?}");
    assert!(error.to_string().contains("torn.db-wal"), "{error}");
}
