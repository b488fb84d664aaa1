//! Snapshots between all kinds of catalogues, and what a check finds and mends.

use super::database_server::{self as server, Server};
use super::support::*;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Changes a catalogue behind libellus's back.
fn sql(database: &Path, statements: &str) {
    let connection = rusqlite::Connection::open(database).expect("opens");
    connection.execute_batch(statements).unwrap_or_else(|error| panic!("{statements}: {error}"));
}

/// Books and embeddings, as they are exported.
fn content(sandbox: &Sandbox, db: &str) -> (String, String) {
    let books = sandbox.run(&["export", "books", "--db", db]).expect_code(0).stdout;
    (books, sandbox.run(&["export", "embeddings", "--db", db]).expect_code(0).stdout)
}

#[test]
fn a_snapshot_goes_from_every_kind_of_catalogue_to_every_other() {
    let servers: Vec<Server> = [server::POSTGRES, server::PGVECTOR].into_iter().filter_map(Server::start).collect();
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--db", "sqlite.db", "books.csv"]).expect_code(0);
    let original = content(&sandbox, "sqlite.db");
    let mut from = "sqlite.db".to_owned();
    let url = |server: &Server| format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port());
    let mut places: Vec<String> = servers.iter().map(url).collect();
    places.push("again.db".to_owned());
    for to in places {
        let made = sandbox.run(&["snapshot", "--json", "--db", &from, "moved.snapshot"]).expect_code(0).json();
        let back = sandbox.run(&["restore", "--json", "--db", &to, "moved.snapshot"]).expect_code(0).json();
        assert_eq!(made, back);
        assert_eq!((&back["books"], &back["embeddings"]), (&3.into(), &3.into()));
        assert_eq!(content(&sandbox, &to), original, "{from} to {to}");
        sandbox.run(&["check", "--db", &to]).expect_code(0);
        // The next book has a number of its own.
        let more = "id,title\nnew,One more\n";
        sandbox.run_with_input(&["import", "--no-embed", "--db", &to, "-"], more).expect_code(0);
        let refused = sandbox.run(&["restore", "--db", &to, "moved.snapshot"]);
        refused.expect_error(1, &["has 4 books", "--replace"]);
        sandbox.run(&["restore", "--replace", "--db", &to, "moved.snapshot"]).expect_code(0);
        assert_eq!(content(&sandbox, &to), original, "replaced in {to}");
        from = to;
    }
}

#[test]
fn a_damaged_snapshot_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--db", "source.db", "books.csv"]).expect_code(0);
    sandbox.run(&["snapshot", "--db", "source.db", "whole.snapshot"]).expect_code(0);
    let whole = fs::read(sandbox.path("whole.snapshot")).expect("is there");
    sandbox.run_with_input(&["import", "--no-embed", "--db", "kept.db", "-"], "id,title\nkept,Kept\n").expect_code(0);
    let before = sandbox.run(&["export", "books", "--db", "kept.db"]).expect_code(0).stdout;
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cases = [
        ("cut", whole[..whole.len() - 1].to_vec(), "it is cut"),
        ("cut early", whole[..100].to_vec(), "it is cut"),
        ("flipped", flipped, "damaged"),
        ("longer", [&whole[..], b"x"].concat(), "damaged"),
        ("newer", [b"libellus snapshot 2\n", &whole[20..]].concat(), "newer libellus"),
        ("none", b"title\nDune\n".to_vec(), "not a snapshot"),
        ("empty", Vec::new(), "not a snapshot"),
    ];
    for (name, bytes, part) in cases {
        sandbox.file("bad.snapshot", &bytes);
        sandbox.run(&["restore", "--db", "new.db", "bad.snapshot"]).expect_error(2, &["`bad.snapshot`", part]);
        assert!(!sandbox.path("new.db").exists(), "{name}: no catalogue is made for it");
        let piped = sandbox.run_with_input(&["restore", "--replace", "--db", "kept.db", "-"], &bytes);
        piped.expect_error(2, &["`standard input`", part]);
        assert_eq!(sandbox.run(&["export", "books", "--db", "kept.db"]).expect_code(0).stdout, before, "{name}");
    }
    sandbox.run_with_input(&["restore", "--replace", "--db", "kept.db", "-"], &whole).expect_code(0);
    assert_eq!(content(&sandbox, "kept.db"), content(&sandbox, "source.db"));
    let over = sandbox.run(&["snapshot", "--db", "source.db", "source.db"]);
    over.expect_error(2, &["belongs to the catalogue", "hint: write to another file"]);
    sandbox.run(&["snapshot", "--db", "source.db", "/dev/full"]).expect_error(1, &["cannot write `/dev/full`"]);
    sandbox.run(&["snapshot", "--db", "none.db", "x.snapshot"]).expect_error(1, &["no catalogue at `none.db`"]);
    assert!(!sandbox.path("x.snapshot").exists());
}

#[test]
fn a_snapshot_is_consistent_while_a_service_answers_and_an_import_writes() {
    let sandbox = Sandbox::new();
    sandbox.file("books.jsonl", numbered_books(0..50));
    sandbox.file("more.jsonl", numbered_books(50..4000));
    sandbox.run(&["import", "books.jsonl"]).expect_code(0);
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    let mut import = sandbox.command(&["import", "--no-embed", "more.jsonl"]);
    let mut import = import.stdout(Stdio::null()).spawn().expect("it starts");
    let mut seen = Vec::new();
    while import.try_wait().expect("it runs").is_none() || seen.len() < 2 {
        let made = sandbox.run(&["snapshot", "--json", "busy.snapshot"]).expect_code(0).json();
        let db = format!("copy{}.db", seen.len());
        sandbox.run(&["restore", "--db", &db, "busy.snapshot"]).expect_code(0);
        let report = sandbox.run(&["check", "--json", "--db", &db]).json();
        assert_eq!((&report["found"], &report["books"]), (&0.into(), &made["books"]), "{report}");
        assert_eq!(report["passages"], report["books"], "each book has its passage");
        seen.push(made["books"].as_u64().expect("a number"));
    }
    assert!(import.wait().expect("it ended").success());
    assert_eq!(get(&service.address, "/health").0, 200);
    assert!(seen.is_sorted(), "{seen:?}");
}

#[test]
fn what_is_wrong_is_found_and_mended() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    let good = content(&sandbox, "libellus.db");
    let well = sandbox.run(&["check"]).expect_code(0).stdout;
    assert!(well.contains("3 books, 3 passages") && well.contains("3 fresh, 0 stale, 0 wrong"), "{well}");
    assert!(well.ends_with("all is well\n"), "{well}");
    let numbers = |value: f32| -> String { value.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect() };
    let vector = |first: f32, second: f32, width: usize| {
        let zeros = "00000000".repeat(width - 2);
        format!("UPDATE embeddings SET vector = x'{}{}{zeros}' WHERE passage_id = 1", numbers(first), numbers(second))
    };
    for (damage, fault, part, mended) in [
        (vector(f32::NAN, 0.0, 384), "vector", "not finite", true),
        (vector(1.0, 1.0, 384), "vector", "not normalised", true),
        (vector(1.0, 0.0, 383), "vector", "has 383 numbers", true),
        ("UPDATE embeddings SET vector = x'00' WHERE passage_id = 2".to_owned(), "vector", "not whole numbers", true),
        ("UPDATE passages SET text = text || '!' WHERE passage_id = 1".to_owned(), "hash", "not its text's", true),
        ("UPDATE passages SET context = 'x' WHERE passage_id = 1".to_owned(), "passages", "not those that its", true),
        ("UPDATE passages SET text_hash = x'00' WHERE passage_id = 3".to_owned(), "hash", "not its text's", true),
        ("DELETE FROM passages WHERE passage_id = 2".to_owned(), "passages", "not those that its text gives", true),
        (
            "PRAGMA foreign_keys = 0; INSERT INTO passages VALUES (99, 99, 0, x'00', '', 'stray'); \
             INSERT INTO embeddings VALUES (98, 'space', 'f32', x'00', x'00')"
                .to_owned(),
            "orphan",
            "belongs to nothing",
            true,
        ),
        (
            "UPDATE books SET title = title || '?' WHERE book_rowid = 1".to_owned(),
            "passages",
            "not those that its",
            true,
        ),
        ("UPDATE meta SET value = -1".to_owned(), "revision", "the revision is -1", false),
        ("UPDATE books SET authors = '[' WHERE book_rowid = 1".to_owned(), "book", "cannot be read", false),
        ("DELETE FROM embeddings WHERE passage_id = 1".to_owned(), "", "1 passages have no fresh embedding", true),
    ] {
        let db = sandbox.path("damaged.db");
        fs::copy(sandbox.path("libellus.db"), &db).expect("room");
        sql(&db, &damage);
        let before = fs::read(&db).expect("is there");
        let check = |arguments: &[&str]| sandbox.run(&[&["check", "--db", "damaged.db"], arguments].concat());
        let shown = check(&[]).expect_code(1).stdout;
        assert!(shown.contains(part), "{damage}: {shown}");
        let report = check(&["--json"]).expect_code(1).json();
        let faults: Vec<&Value> = report["findings"].as_array().expect("a list").iter().map(|f| &f["fault"]).collect();
        assert!(
            fault.is_empty() == faults.is_empty() && (fault.is_empty() || faults.contains(&&fault.into())),
            "{report}"
        );
        assert_eq!(report["well"], false);
        assert_eq!(fs::read(&db).expect("is there"), before, "nothing is written: {damage}");
        let repaired = check(&["--repair", "--json"]).json();
        assert_eq!(repaired["found"] == 0, mended, "{damage}: {repaired}");
        if mended && !damage.contains("UPDATE books") {
            sandbox.run(&["backfill", "--db", "damaged.db"]).expect_code(0);
            check(&[]).expect_code(0);
            assert_eq!(content(&sandbox, "damaged.db"), good, "{damage}");
        }
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(sandbox.path(&format!("damaged.db{suffix}")));
        }
    }
    // A page that was overwritten.
    let mut bytes = fs::read(sandbox.path("libellus.db")).expect("is there");
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0x55);
    fs::write(sandbox.path("damaged.db"), bytes).expect("room");
    let finished = sandbox.run(&["check", "--db", "damaged.db"]).expect_code(1);
    assert!(finished.stdout.contains("wrong: ") || finished.stderr.contains("damaged"), "{finished:#?}");
    sandbox.run(&["check", "--db", "none.db"]).expect_error(1, &["no catalogue at `none.db`"]);
}
