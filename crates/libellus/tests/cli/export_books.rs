//! Books out of the catalogue: to a file that is whole or as it was, in every format, all of them or some.

use super::support::*;
use std::fs;
use std::process::Stdio;

fn exported(sandbox: &Sandbox, arguments: &[&str]) -> String {
    sandbox.run(&[&["export", "books"], arguments].concat()).expect_code(0).stdout
}

#[test]
fn what_is_exported_is_imported_as_the_same_books() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS.replace("Moby-Dick", "=HYPERLINK(1)"));
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    let original = exported(&sandbox, &[]);
    assert_eq!(original.lines().count(), 3);
    for format in ["jsonl", "csv"] {
        let file = format!("out.{format}");
        exported(&sandbox, &["--format", format, "--output", &file]);
        let db = format!("{format}.db");
        let report = sandbox.run(&["import", "--no-embed", "--json", "--db", &db, &file]).expect_code(0).json();
        assert_eq!((&report["files"][0]["written"]["added"], &report["files"][0]["warned"]), (&3.into(), &0.into()));
        assert_eq!(exported(&sandbox, &["--db", &db]), original, "{format}");
    }
    assert!(exported(&sandbox, &["--format", "csv"]).contains("\r\nmoby-dick,'=HYPERLINK(1),"));
}

#[test]
fn every_format_is_written_and_some_books_can_be_chosen() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    for (format, part) in [
        ("jsonl", "{\"libellus_book\":1,\"id\":\"origin\""),
        ("csv", "libellus_extra\r\norigin,"),
        ("marcxml", "<controlfield tag=\"001\">origin</controlfield>"),
        ("ris", "TY  - BOOK\r\nID  - origin\r\n"),
        ("bibtex", "@book{origin,\n"),
        ("csl-json", "[\n{\"id\":\"origin\",\"type\":\"book\""),
        ("json-ld", "\"@graph\":[\n{\"@type\":\"Book\",\"identifier\":\"origin\""),
    ] {
        let ids = ["--ids", "origin", "metamorphosis", "origin"];
        let text = exported(&sandbox, &[&["--format", format][..], &ids].concat());
        assert!(text.contains(part), "{format}: {text}");
        assert!(!text.contains("Moby") && text.matches("Metamorphosis").count() == 1, "{format}: {text}");
    }
    let missing = sandbox.run(&["export", "books", "--ids", "nobody", "origin"]).expect_code(1);
    assert!(missing.stderr.contains("there is no book `nobody`"), "{missing:#?}");
    assert_eq!(missing.stdout.lines().count(), 1, "the others are written");
    sandbox.run(&["export", "books", "--db", "none.db"]).expect_error(1, &["no catalogue at `none.db`"]);
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    sandbox.file("out.ris", "what was there");
    for (output, part) in [
        ("libellus.db", "belongs to the catalogue"),
        ("libellus.db-wal", "belongs to the catalogue"),
        (".", "is a directory"),
        ("missing/out.ris", "cannot write `missing/out.ris`"),
        ("/dev/full", "cannot write `/dev/full`"),
    ] {
        let failed = sandbox.run(&["export", "books", "--format", "ris", "--output", output]);
        assert!(matches!(failed.code, Some(1 | 2)) && failed.stderr.contains(part), "{output}: {failed:#?}");
    }
    assert_eq!(fs::read_to_string(sandbox.path("out.ris")).expect("is there"), "what was there");
    exported(&sandbox, &["--format", "ris", "--output", "out.ris"]);
    assert_eq!(
        fs::read_to_string(sandbox.path("out.ris")).expect("is there"),
        exported(&sandbox, &["--format", "ris"])
    );
    let left = fs::read_dir(sandbox.path(".")).expect("a folder").filter_map(Result::ok);
    let partial: Vec<_> = left.filter(|entry| entry.path().to_string_lossy().contains("partial")).collect();
    assert!(partial.is_empty(), "{partial:?}");
    // A reader that has seen enough is no error.
    let mut command = sandbox.command(&["export", "books"]);
    let mut process = command.stdout(Stdio::piped()).spawn().expect("it starts");
    drop(process.stdout.take());
    assert!(process.wait().expect("it ends").success());
}
