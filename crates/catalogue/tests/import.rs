//! Whole files in, books and a report out.

mod common;

use common::{Words, books_of, import_into, import_new};
use libellus_catalogue::import::{Format, ImportOptions, ImportOutcome, ImportReport, Place, Reject, import};
use libellus_catalogue::{Access, Book, Catalogue, Error, WriteOutcome};
use proptest::prelude::*;
use std::ops::ControlFlow;
use std::path::Path;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn import_fixture(name: &str) -> (Vec<Book>, ImportReport) {
    let (catalogue, report) = import_new(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    (books_of(&catalogue), report)
}

fn error_of(content: &[u8]) -> Error {
    import_new(content).expect_err("cannot be imported")
}

/// Line, field and a part of the reason.
fn assert_reported(reported: &[Reject], expected: &[(u64, Option<&str>, &str)]) {
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for (reject, (line, field, reason)) in reported.iter().zip(expected) {
        assert_eq!((reject.place, reject.field.as_deref()), (Place::Line(*line), *field), "{reject:?}");
        assert!(reject.reason.contains(reason), "{reject:?} should say: {reason}");
    }
}

#[test]
fn the_replaced_backends_export_loads() {
    let (books, report) = import_fixture("backend-books.csv");
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:?}");
    assert_eq!((report.format, report.encoding, report.records), (Some(Format::Csv), "UTF-8", 3));
    assert_eq!(report.written, WriteOutcome { added: 3, updated: 0, unchanged: 0, shortened: 0 });
    assert_eq!(report.warnings, []);
    let mapping: Vec<(&str, &str)> =
        report.mapping.iter().map(|(name, field)| (name.as_str(), field.as_str())).collect();
    assert_eq!(
        mapping,
        [
            ("id", "id"),
            ("title", "title"),
            ("author", "authors"),
            ("description", "description"),
            ("genre", "subjects"),
            ("isbn", "isbns"),
            ("published_year", "year"),
            ("cover_image", "extra"),
            ("rating", "extra"),
            ("created_at", "extra"),
        ]
    );
    assert_eq!(books[0].id, "1");
    assert_eq!(books[0].authors, ["Herman Melville"]);
    assert_eq!(
        books[0].description.as_deref(),
        Some("A captain hunts the white whale that took his leg.\nHis crew pays for it.")
    );
    assert_eq!(books[0].extra["rating"], "4.2");
    assert_eq!(books[1].subjects, ["Romance", "Classics"]);
    assert_eq!(books[1].isbns, ["9780141439518"]);
    assert_eq!(books[1].description.as_deref(), Some("She says \"no\", and then, much later, yes."));
    assert_eq!((books[2].description.as_ref(), books[2].year), (None, Some(1818)));
}

#[test]
fn a_german_spreadsheet_loads() {
    let (books, report) = import_fixture("german-spreadsheet.csv");
    assert_eq!((report.outcome(), report.encoding, report.records), (ImportOutcome::Clean, "windows-1252", 2));
    assert_reported(&report.warnings, &[(1, None, "read as Windows-1252, a guess")]);
    let momo = &books[0];
    assert_eq!((momo.title.as_str(), momo.subtitle.as_deref()), ("Momo", Some("Märchenroman")));
    assert_eq!(momo.id, "isbn-9783522177504");
    assert_eq!(
        (momo.year, momo.language.as_deref(), momo.audience.as_deref()),
        (Some(1973), Some("de"), Some("children"))
    );
    assert_eq!(momo.subjects, ["Märchen", "Zeit"]);
    assert_eq!(momo.description.as_deref(), Some("Graue Herren stehlen den Menschen die Zeit – nur Momo hört zu."));
    assert_eq!(momo.extra["Regal"], "A 3");
    assert_eq!(books[1].year, Some(1915));
    assert_eq!(books[1].description.as_deref(), Some("Gregor Samsa erwacht als Käfer.\n\nDie Familie schämt sich."));
}

#[test]
fn hindi_with_a_declared_delimiter_loads() {
    let (books, report) = import_fixture("hindi.csv");
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:?}");
    assert_eq!(report.warnings, []);
    assert_eq!(books[0].title, "गोदान");
    assert_eq!(books[0].authors, ["प्रेमचंद"]);
    assert_eq!((books[0].year, books[0].language.as_deref()), (Some(1936), Some("hi")));
    assert_eq!(books[0].subjects, ["उपन्यास", "किसान"]);
    assert_eq!(books[1].language.as_deref(), Some("hi"));
}

#[test]
fn a_quotation_mark_that_never_closes_costs_no_record() {
    let (books, report) = import_fixture("french-open-quote.tsv");
    assert_eq!(report.format, Some(Format::Tsv));
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:?}");
    assert_reported(&report.warnings, &[(3, None, "never closes")]);
    let titles: Vec<&str> = books.iter().map(|book| book.title.as_str()).collect();
    assert_eq!(titles, ["L’Étranger", "\"Le Petit Prince", "Candide"]);
    assert_eq!(books[0].description.as_deref(), Some("Un homme \"étranger\" à sa vie."));
}

#[test]
fn bad_lines_are_reported_and_the_others_loaded() {
    let (books, report) = import_fixture("mixed.jsonl");
    assert_eq!((report.format, report.outcome()), (Some(Format::Jsonl), ImportOutcome::LoadedWithRejects));
    assert_eq!((report.records, report.rejected), (9, 5));
    assert_reported(
        &report.rejects,
        &[
            (3, Some("title"), "has no title"),
            (5, None, "not a JSON object on one line"),
            (6, None, "expected a map"),
            (7, Some("title"), "not valid UTF-8 at byte 26"),
            (10, None, "EOF"),
        ],
    );
    assert_eq!(report.rejects[0].id.as_deref(), Some("2"));
    assert_eq!(report.rejects[3].id.as_deref(), Some("4"));
    assert_reported(
        &report.warnings,
        &[(4, Some("year"), "`ca. 19xx` is not a year"), (9, Some("id"), "was used by an earlier record")],
    );
    assert_eq!(report.written, WriteOutcome { added: 3, updated: 1, unchanged: 0, shortened: 0 });
    assert_eq!(books.len(), 3);
    assert_eq!(books[0].year, Some(1966), "the last record with an id wins");
    assert_eq!(books[1].authors, ["Stanisław Lem"]);
    assert_eq!(books[2].id, "isbn-9780807083697");
    assert_eq!(books[2].extra["binding"], "Paperback");
}

#[test]
fn the_same_books_in_every_shape() {
    let utf16 = |text: &str| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let expected = |books: &[Book]| {
        let seen: Vec<_> = books.iter().map(|book| (book.id.as_str(), book.title.as_str(), book.year)).collect();
        seen == [("1", "Émile; or, On Education", Some(1762)), ("2", "She said \"no\"", None)]
    };
    let comma = "id,title,year\n1,\"Émile; or, On Education\",1762\n2,\"She said \"\"no\"\"\",\n";
    for (what, content) in [
        ("commas", comma.as_bytes().to_vec()),
        ("CRLF", comma.replace('\n', "\r\n").into_bytes()),
        ("CR", comma.replace('\n', "\r").into_bytes()),
        ("no last line end", comma.trim_end().as_bytes().to_vec()),
        ("empty lines", comma.replace('\n', "\n\n").into_bytes()),
        ("a mark", [b"\xef\xbb\xbf", comma.as_bytes()].concat()),
        ("UTF-16", utf16(comma)),
        ("semicolons", "id;title;year\n1;\"Émile; or, On Education\";1762\n2;\"She said \"\"no\"\"\"\n".into()),
        ("tabs", "id\ttitle\tyear\n1\tÉmile; or, On Education\t1762\n2\tShe said \"no\"\t\n".into()),
        ("bars", "id|title|year\n1|Émile; or, On Education|1762\n2|She said \"no\"|\n".into()),
        ("JSONL", "{\"id\":1,\"title\":\"Émile; or, On Education\",\"year\":\"1762\"}\r\n{\"id\":\"2\",\"title\":\"She said \\\"no\\\"\"}".into()),
        ("JSONL in UTF-16", utf16("{\"id\":1,\"title\":\"Émile; or, On Education\",\"year\":1762}\n{\"id\":2,\"title\":\"She said \\\"no\\\"\"}\n")),
    ] {
        let (catalogue, report) = import_new(&content).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(report.outcome(), ImportOutcome::Clean, "{what}: {report:?}");
        assert!(expected(&books_of(&catalogue)), "{what}: {:?}", books_of(&catalogue));
    }
}

#[test]
fn rows_that_do_not_fit_are_reported_with_their_line() {
    let content = b"id,title,description\n\
        1,Dune,fine\n\
        2,Caf\xe9,not UTF-8\n\
        3,\"two\nlines \xc3\xa9\xc3\xa9\xc3\xa9\",fine\n\
        4,A comma, not quoted,here\n\
        5,short\n\
        6,,no title\n\
        7,surplus,but empty,,\n";
    let (catalogue, report) = import_new(content).expect("loads the rest");
    assert_reported(
        &report.rejects,
        &[
            (3, Some("title"), "not valid UTF-8 at byte 4"),
            (6, None, "4 fields, but the header has 3"),
            (8, Some("title"), "no title"),
        ],
    );
    let ids: Vec<_> = report.rejects.iter().map(|reject| reject.id.as_deref()).collect();
    assert_eq!(ids, [Some("2"), Some("4"), Some("6")]);
    assert_reported(&report.warnings, &[(7, None, "2 fields, but the header has 3")]);
    assert_eq!(books_of(&catalogue).iter().map(|book| book.id.as_str()).collect::<Vec<_>>(), ["1", "3", "5", "7"]);
}

#[test]
fn an_overlong_record_is_skipped_without_the_others() {
    let long = "x".repeat(17 * 1024 * 1024);
    let csv = format!("id,title\n1,Before\n2,{long}\n3,After\n");
    let json = format!(
        "{{\"id\":1,\"title\":\"Before\"}}\n{{\"id\":2,\"title\":\"{long}\"}}\n{{\"id\":3,\"title\":\"After\"}}\n"
    );
    // An open quotation mark in front of more than the longest record.
    let rows: String = (0..700_000).map(|n| format!("{n},Some longer title here\n")).collect();
    let quote = format!("id,title\nx,\"Open\n{rows}");
    for (what, content, line, books) in [("CSV", &csv, 3, 2), ("JSONL", &json, 2, 2)] {
        let (_, report) = import_new(content.as_bytes()).expect(what);
        assert_reported(&report.rejects, &[(line, None, "longer than 16 MiB")]);
        assert_eq!(report.written.added, books, "{what}");
    }
    let catalogue = Catalogue::in_memory().expect("opens");
    let report =
        import_into(&catalogue, quote.as_bytes(), &ImportOptions { dry_run: true, ..ImportOptions::default() });
    let report = report.expect("reads");
    assert_eq!((report.records, report.rejected), (700_001, 0));
    assert_reported(&report.warnings, &[(2, None, "never closes")]);
}

#[test]
fn many_open_quotation_marks_end_in_a_reject_and_not_in_endless_reading() {
    let mut content = "id,title\n".to_owned();
    for n in 0..2000 {
        // Each closes the one before it and opens another.
        content.push_str(&format!("{n}\",\"Title\n"));
    }
    let (_, report) = import_new(content.as_bytes()).expect("reads");
    assert_eq!(report.rejected, 1);
    assert!(report.rejects[0].reason.contains("lines were read as this one record"), "{:?}", report.rejects);
}

#[test]
fn what_cannot_be_imported_says_what_to_do() {
    type IsExpected = fn(&Error) -> bool;
    let cases: [(&[u8], &[&str], IsExpected); 8] = [
        (b"", &["has no records"], |error| matches!(error, Error::NoRecords { .. })),
        (b" \n\n", &["has no records"], |error| matches!(error, Error::NoRecords { .. })),
        (b"title,author\n", &["has no records"], |error| matches!(error, Error::NoRecords { .. })),
        (b"foo;bar\n1;2\n", &["found `foo`, `bar`", "title,", "शीर्षक"], |error| {
            matches!(error, Error::NoTitleColumn { .. })
        }),
        (b"{\"name\": \"Dune\"}\n", &["found `name`"], |error| matches!(error, Error::NoTitleColumn { .. })),
        (b"PK\x03\x04zip", &["spreadsheet", "CSV"], |error| matches!(error, Error::NotText { .. })),
        (b"\x7fELF\0\0\0", &["zero bytes"], |error| matches!(error, Error::NotText { .. })),
        (b"\"title,author\nDune,Herbert\n", &["header", "quotation mark"], |error| {
            matches!(error, Error::NotText { .. })
        }),
    ];
    for (content, parts, is_expected) in cases {
        let error = error_of(content);
        let message = error.to_string();
        assert!(is_expected(&error), "{error:?}");
        assert!(message.contains("`books`") && parts.iter().all(|part| message.contains(part)), "{message}");
    }
    let report = import_new(b"{broken\n{also broken\n").expect("a report").1;
    assert_eq!((report.outcome(), report.outcome().exit_code()), (ImportOutcome::NothingUsable, 2));
}

#[test]
fn a_directory_is_no_file() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let Ok(mut directory) = std::fs::File::open(env!("CARGO_MANIFEST_DIR")) else {
        println!("skipped: this system does not open directories");
        return;
    };
    let mut go_on = |_| ControlFlow::Continue(());
    let result = import("folder", &mut directory, &catalogue, &Words, &ImportOptions::default(), &mut go_on);
    let error = result.expect_err("is a directory");
    assert!(matches!(error, Error::InputIsDirectory { .. }), "{error:?}");
}

#[test]
fn a_forced_format_is_obeyed() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let options = |format| ImportOptions { format: Some(format), ..ImportOptions::default() };
    let report = import_into(&catalogue, b"title\nA; B, C\n", &options(Format::Tsv)).expect("reads");
    assert_eq!((report.format, report.written.added), (Some(Format::Tsv), 1));
    let error = import_into(&catalogue, b"title,author\nDune,Herbert\n", &options(Format::Tsv)).expect_err("no tabs");
    assert!(error.to_string().contains("`title,author`"), "{error}");
    let report = import_into(&catalogue, b"title\nDune\n", &options(Format::Jsonl)).expect("reads");
    assert_eq!(report.outcome(), ImportOutcome::NothingUsable);
}

#[test]
fn a_dry_run_shows_and_writes_nothing() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let revision = catalogue.revision().expect("reads");
    let content: String = (0..2500).map(|n| format!("{{\"title\": \"Book {n}\", \"shelf\": {n}}}\n")).collect();
    let options = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let report = import_into(&catalogue, content.as_bytes(), &options).expect("reads");
    assert_eq!((report.records, report.written), (2500, WriteOutcome::default()));
    assert_eq!(
        report.preview.iter().map(|book| book.title.as_str()).collect::<Vec<_>>(),
        ["Book 0", "Book 1", "Book 2", "Book 3", "Book 4"]
    );
    assert_eq!(report.mapping, [("title".to_owned(), "title".to_owned()), ("shelf".to_owned(), "extra".to_owned())]);
    assert_eq!(catalogue.revision().expect("reads"), revision);
    assert_eq!(catalogue.statistics("s").expect("counts").books, 0);
}

#[test]
fn stopping_keeps_the_batches_before() {
    let catalogue = Catalogue::in_memory().expect("opens");
    let content: String = (0..3500).map(|n| format!("{{\"id\": {n}, \"title\": \"Book {n}\"}}\n")).collect();
    let mut input = content.as_bytes();
    let mut seen = Vec::new();
    let report = import("books", &mut input, &catalogue, &Words, &ImportOptions::default(), &mut |progress| {
        seen.push(progress.records);
        if progress.records >= 2000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .expect("reads");
    assert!(report.interrupted);
    assert_eq!((report.records, report.written.added), (2000, 2000));
    assert_eq!(seen, [1000, 2000]);
    assert_eq!(catalogue.statistics("s").expect("counts").books, 2000);

    let report = import_into(&catalogue, content.as_bytes(), &ImportOptions::default()).expect("goes on");
    assert_eq!(report.written, WriteOutcome { added: 1500, updated: 0, unchanged: 2000, shortened: 0 });
}

/// Fails in the middle, as a network file may.
struct Failing<'a>(&'a [u8]);

impl std::io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::other("the cable was pulled")),
            length => Ok(length),
        }
    }
}

#[test]
fn a_read_error_keeps_the_batches_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let catalogue = Catalogue::open(&folder.path().join("libellus.db"), Access::ReadWrite).expect("opens");
    let content: String = (0..6000).map(|n| format!("{{\"id\": {n}, \"title\": \"Book {n}\"}}\n")).collect();
    let mut input = Failing(content.as_bytes());
    let mut go_on = |_| ControlFlow::Continue(());
    let error =
        import("books", &mut input, &catalogue, &Words, &ImportOptions::default(), &mut go_on).expect_err("fails");
    assert!(matches!(error, Error::Input { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("at byte {}", content.len())), "{error}");
    let books = catalogue.statistics("s").expect("counts").books;
    assert_eq!(books, 6000);
}

#[test]
fn what_readers_noted_does_not_come_into_the_catalogue() {
    let librarything = "Book Id\tTitle\tSort Character\tPrimary Author\tSecondary Author\tReview\tRating\tComment\t\
                        Private Comment\tPage Count\tAcquired\tBarcode\tEntry Date\tFrom Where\tLending Patron\n\
                        7\tGood Omens\t1\tGaiman, Neil\tPratchett, Terry\tSECRET\tSECRET\tSECRET\tSECRET\t288\t\
                        SECRET\tSECRET\tSECRET\tSECRET\tSECRET\n";
    let goodreads = "Book Id,Title,Author,Additional Authors,My Rating,Average Rating,Date Read,Date Added,Bookshelves,\
                     Bookshelves with positions,Exclusive Shelf,My Review,Spoiler,Private Notes,Read Count,Owned Copies\n\
                     7,Good Omens,Neil Gaiman,Terry Pratchett,SECRET,4.2,SECRET,SECRET,SECRET,SECRET,SECRET,SECRET,\
                     SECRET,SECRET,SECRET,SECRET\n";
    let json =
        r#"{"Title": "Good Omens", "Author": ["Neil Gaiman", "Terry Pratchett"], "rating": "SECRET", "work id": 1}"#;
    for (content, authors, extra) in [
        (librarything, ["Gaiman, Neil", "Pratchett, Terry"], &["Page Count", "Sort Character"][..]),
        (goodreads, ["Neil Gaiman", "Terry Pratchett"], &["Average Rating"]),
        (json, ["Neil Gaiman", "Terry Pratchett"], &["work id"]),
    ] {
        let (catalogue, report) = import_new(content.as_bytes()).expect("reads");
        assert_eq!((report.records, report.rejected, report.warned), (1, 0, 0), "{:?}", report.warnings);
        let book = books_of(&catalogue).remove(0);
        assert_eq!(book.authors, authors);
        let mut kept: Vec<&String> = book.extra.keys().collect();
        kept.sort();
        assert_eq!(kept, extra, "{content}");
        assert!(!format!("{book:?}").contains("SECRET"), "{book:?}");
        assert!(report.mapping.iter().any(|(_, field)| field == "left out: personal data"), "it is said");
    }
}

#[test]
fn exports_of_other_systems_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/exports-synthetic");
    if !folder.is_dir() {
        println!("skipped: `{}` is not there", folder.display());
        return;
    }
    for (name, records) in [
        ("goodreads_library_export.csv", 150),
        ("librarything_export.tsv", 150),
        ("librarything_export.utf16.tsv", 150),
    ] {
        let content = std::fs::read(folder.join(name)).expect(name);
        let (_, report) = import_new(&content).expect(name);
        assert_eq!((report.records, report.rejected), (records, 0), "{name}: {:?}", report.rejects);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for start in [&b""[..], b"id,title\n", b"title\tisbn\n\"", b"{\"title\": \"Dune\"}\n", b"\xff\xfe"] {
            if let Ok((catalogue, report)) = import_new(&[start, &bytes].concat()) {
                let loaded = report.written.added + report.written.updated + report.written.unchanged;
                prop_assert_eq!(loaded + report.rejected, report.records);
                prop_assert_eq!(catalogue.statistics("s").expect("counts").books, report.written.added);
            }
        }
    }

    #[test]
    fn quoted_fields_come_back(titles in prop::collection::vec("[a-zé,;|\t\"\r\n ]{0,20}x", 1..20)) {
        let quote = |title: &String| format!("\"{}\"", title.replace('"', "\"\""));
        let rows: String = titles.iter().enumerate().map(|(id, title)| format!("{id},{}\n", quote(title))).collect();
        let (catalogue, report) = import_new(format!("id,title\n{rows}").as_bytes()).expect("reads");
        prop_assert_eq!(report.outcome(), ImportOutcome::Clean);
        let found: Vec<String> = books_of(&catalogue).into_iter().map(|book| book.title).collect();
        let expected: Vec<String> =
            titles.iter().map(|title| title.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn one_list_of_objects_is_read_as_their_lines_would_be() {
    let lines = "{\"id\":1,\"title\":\"A [x] \\\"{y}\\\\\"}\n{\"id\":2,\"title\":\"B\",\"tags\":[\"c\",\"d\"]}\n";
    let expected = books_of(&import_new(lines.as_bytes()).expect("reads").0);
    for text in [
        format!("[{}]", lines.trim().replace('\n', ",")),
        format!("\u{feff} [\n{} ]\n\n", lines.trim().replace('\n', "\n,\n")),
        "[{\"id\" : 1 ,\n\"title\":\"A [x] \\\"{y}\\\\\"\n} , {\"id\":2,\"title\":\"B\",\"tags\":\n[\"c\",\"d\"]}\n]"
            .to_owned(),
    ] {
        let (catalogue, report) = import_new(text.as_bytes()).expect("reads");
        assert_eq!((report.format, report.outcome()), (Some(Format::Json), ImportOutcome::Clean), "{text}: {report:?}");
        assert_eq!(books_of(&catalogue), expected, "{text}");
    }
    let bad = "[{\"title\":\"A\"},\n7,\n null, \"text\", [{\"title\":\"no\"}],\n{\"title\" \"B\"},{\"author\":\"C\"},\n{\"title\":\"D\"}] x";
    let (catalogue, report) = import_new(bad.as_bytes()).expect("reads");
    let titles: Vec<String> = books_of(&catalogue).into_iter().map(|book| book.title).collect();
    assert_eq!(titles, ["A", "D"]);
    let lines: Vec<Place> = report.rejects.iter().map(|reject| reject.place).collect();
    assert_eq!(lines, [2, 3, 3, 3, 4, 4, 5].map(Place::Line), "{:#?}", report.rejects);
    let (catalogue, report) = import_new(b"[{\"title\":\"A\"},{\"title\":\"B").expect("reads");
    assert_eq!((books_of(&catalogue).len(), report.rejected), (1, 1));
    assert!(report.rejects[0].reason.contains("the list is not closed"), "{:?}", report.rejects);
    assert!(matches!(error_of(b"[ ]"), Error::NoRecords { .. }));
    let long = format!("[{{\"title\":\"{}\"}},{{\"title\":\"B\"}}]", "x".repeat(17 << 20));
    let (catalogue, report) = import_new(long.as_bytes()).expect("reads");
    assert_eq!((books_of(&catalogue).len(), report.rejected), (1, 1));
    assert!(report.rejects[0].reason.contains("longer than 16 MiB"), "{:?}", report.rejects);
}

#[test]
fn librarythings_json_loads_without_what_is_the_readers() {
    let text = r#"{"1001":{"books_id":"1001","title":"Dune","sortcharacter":"1","public":"true","primaryauthor":"Herbert, Frank",
        "authors":[{"lf":"Herbert, Frank","fl":"Frank Herbert","role":"Author"}],"publication":"Ace (1990), 535 pages",
        "date":"1965","isbn":{"0":"0441172717","2":"9780441172719"},"originalisbn":"0441172717","ean":["9780441172719"],
        "language":["English"],"language_codeA":["eng"],"ddc":{"code":["813.54"],"wording":["American fiction"]},
        "subject":{"0":["Fiction","Science Fiction"]},"genre":["Fiction"],"series":["Dune (1)"],"tags":["sf"],
        "summary":"Dune by Frank Herbert (1965)","rating":5,"review":"mine","privatecomment":"lent to Ann",
        "lendingpatron":"Ann","entrydate":"2020-01-01","collections":["Your library"],"fromwhere":"shop","pages":"535 "},
      "1002" : {"books_id":"1002","title":"Anon","isbn":[],"authors":[],"date":""}}"#;
    let (catalogue, report) = import_new(text.as_bytes()).expect("reads");
    assert_eq!(
        (report.format, report.outcome(), report.warned),
        (Some(Format::Json), ImportOutcome::Clean, 0),
        "{report:?}"
    );
    let books = books_of(&catalogue);
    let dune = &books[0];
    assert_eq!((dune.id.as_str(), dune.title.as_str(), dune.year), ("1001", "Dune", Some(1965)));
    assert_eq!(dune.authors, ["Frank Herbert"]);
    assert_eq!(dune.isbns, ["0441172717", "9780441172719"]);
    assert_eq!(dune.language.as_deref(), Some("en"));
    assert_eq!(dune.subjects, ["Fiction", "Science Fiction", "sf"]);
    assert_eq!(dune.description, None, "made of title, author and year");
    let kept = serde_json::to_string(&books).expect("JSON");
    for private in ["mine", "Ann", "2020", "Your library", "shop", "rating"] {
        assert!(!kept.contains(private), "{private}: {kept}");
    }
    assert_eq!(dune.extra["series"], "Dune (1)");
    assert_eq!(books[1].title, "Anon");
}

#[test]
fn storygraphs_table_loads_without_what_is_the_readers() {
    let text = "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,\
        Moods,Pace,Character- or Plot-Driven?,Strong Character Development?,Loveable Characters?,Diverse Characters?,\
        Flawed Characters?,Star Rating,Review,Content Warnings,Content Warning Description,Tags,Owned?\n\
        Dune,Frank Herbert,,9780441013593,paperback,read,2020/05/01,2020/05/03,2020/05/01-2020/05/03,1,\
        \"adventurous, dark\",slow,Plot,Yes,No,Yes,No,4.5,\"<div>mine</div>\",,,\"sf, classics\",Yes\n";
    let (catalogue, report) = import_new(text.as_bytes()).expect("reads");
    assert_eq!((report.outcome(), report.warned), (ImportOutcome::Clean, 0), "{report:?}");
    let book = &books_of(&catalogue)[0];
    assert_eq!((book.id.as_str(), book.authors.join("; ").as_str()), ("isbn-9780441013593", "Frank Herbert"));
    assert_eq!(book.subjects, ["sf", "classics"]);
    assert_eq!(Vec::from_iter(book.extra.keys()), ["Format"], "{:?}", book.extra);
}

#[test]
fn calibres_table_loads_as_its_library_does() {
    let text = "author_sort,authors,comments,cover,formats,id,identifiers,isbn,languages,library_name,pubdate,publisher,\
        rating,series,series_index,size,tags,timestamp,title,title_sort,uuid\n\
        \"Gaiman, Neil & Pratchett, Terry\",Neil Gaiman & Terry Pratchett,\"<p>An angel.</p><p>A demon.</p>\",\
        /home/ann/cover.jpg,\"epub, mobi\",7,isbn:9780060853983,9780060853983,eng,Ann's books,2006-11-28T00:00:00+00:00,\
        Harper,8,Omens,1.0,1234,\"Fantasy, Humour\",2020-01-01T10:00:00+00:00,Good Omens,Good Omens,0a1b-uuid\n\
        \"Unknown\",Unknown,,,,8,,,eng,Ann's books,0101-01-01T00:00:00+00:00,,,,,,,2020-01-01T10:00:00+00:00,Undated,,0a1c\n";
    let (catalogue, report) = import_new(text.as_bytes()).expect("reads");
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:?}");
    let books = books_of(&catalogue);
    let omens = &books[0];
    assert_eq!((omens.id.as_str(), omens.title.as_str(), omens.year), ("0a1b-uuid", "Good Omens", Some(2006)));
    assert_eq!(omens.authors, ["Neil Gaiman", "Terry Pratchett"]);
    assert_eq!(omens.description.as_deref(), Some("An angel.\n\nA demon."));
    assert_eq!(omens.subjects, ["Fantasy", "Humour"]);
    assert_eq!(books[1].year, None, "the year 101 means that nobody knows");
    let kept = serde_json::to_string(&books).expect("JSON");
    for private in ["/home/ann", "Ann's books", "2020", "rating"] {
        assert!(!kept.contains(private), "{private}: {kept}");
    }
}
