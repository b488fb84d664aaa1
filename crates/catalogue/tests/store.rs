//! The SQLite store with real files, processes and disks. What every store does is in `behaviour.rs`.

mod common;

use common::{CHILD, Words, book, books_of, child, import_into};
use libellus_catalogue::import::ImportOptions;
use libellus_catalogue::{Access, Catalogue, Error};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn open(path: &Path) -> Catalogue {
    Catalogue::open(path, Access::ReadWrite).unwrap_or_else(|error| panic!("{error:?}"))
}

fn open_error(path: &Path, access: Access) -> Error {
    Catalogue::open(path, access).err().unwrap_or_else(|| panic!("`{}` opens", path.display()))
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
fn a_write_waits_for_another_process_and_then_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("libellus.db");
    let writer = open(&path);
    writer.put_books(&[book("first", "Text.")], &Words).expect("writes");
    let reader = Catalogue::open(&path, Access::ReadOnly).expect("opens");

    // Another process in the middle of its write.
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN IMMEDIATE; UPDATE books SET title = 'Half-done'").expect("begins");
    assert_eq!(reader.book("first").expect("reads").map(|book| book.title).as_deref(), Some("The book first"));
    writer.set_busy_timeout(Duration::from_millis(50)).expect("sets");
    let error = writer.put_books(&[book("second", "Text.")], &Words).expect_err("is locked");
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("locked by another process"), "{error}");
    other.execute_batch("ROLLBACK").expect("rolls back");
    writer.put_books(&[book("second", "Text.")], &Words).expect("writes");
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
