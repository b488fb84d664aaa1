//! Books out, and in again: by our own readers, and by the programs that others use.
//!
//! The clients are Python libraries. They run where `LIBELLUS_TEST_CITATION_TOOLS` names the folder that they are
//! installed in (`cargo xtask test` does); else those tests say that they skip.

mod common;

use common::{Words, books_of, import_new};
use libellus_catalogue::export::{Format, Writer};
use libellus_catalogue::import::{ImportOptions, ImportOutcome, import};
use libellus_catalogue::{Book, Catalogue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};

fn written(books: &[Book], format: Format) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), format);
    for book in books {
        writer.write(book).expect("memory");
    }
    assert_eq!(writer.records(), books.len() as u64);
    writer.finish().expect("memory")
}

/// Text of which much means something to some format.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "=1+1",
        "+",
        "-",
        "@",
        "\t",
        "\r",
        "\n",
        "'",
        "''=",
        "\"",
        ",",
        ";",
        "; ",
        "\\",
        "{",
        "}",
        "&",
        "&amp;",
        "<b>",
        "</p>",
        "<",
        "]]>",
        "#",
        "$",
        "%",
        "_",
        "~",
        "^",
        " and ",
        " & ",
        "  ",
        "ER  - ",
        "|",
        "É",
        "E\u{301}",
        "शीर्षक",
        "\u{200d}",
        "\u{feff}",
        "🙂",
        "＝",
        "null",
        "1999",
        "a",
        "B",
        " ",
    ]);
    let piece =
        prop_oneof![3 => odd.prop_map(str::to_owned), 1 => "\\PC{1,8}", 1 => any::<char>().prop_map(String::from)];
    vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Text that says something.
fn word() -> impl Strategy<Value = String> {
    (text(), "[a-zA-Z]{1,5}").prop_map(|(text, word)| format!("{text}{word}"))
}

fn extra_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_book()(
        id in word(), title in word(), subtitle in option::of(text()), authors in vec(text(), 0..4),
        isbns in vec(text(), 0..3), publisher in option::of(text()), year in option::of(any::<i32>()),
        language in option::of(text()), subjects in vec(text(), 0..4), audience in option::of(text()),
        description in option::of(text()), extra in vec((text(), extra_value()), 0..3),
    ) -> Book {
        let extra = extra.into_iter().collect();
        Book { id, title, subtitle, authors, isbns, publisher, year, language, subjects, audience, description, extra }
    }
}

/// Books with ids of their own.
fn any_books() -> impl Strategy<Value = Vec<Book>> {
    vec(any_book(), 1..6).prop_map(|mut books| {
        for (n, book) in books.iter_mut().enumerate() {
            book.id.push_str(&n.to_string());
        }
        books
    })
}

/// What comes of books that are exported, imported, exported and imported again.
fn through(books: &[Book], format: Format) -> Vec<Book> {
    let file = written(books, format);
    let (catalogue, report) = import_new(&file).expect("reads what was written");
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:#?}");
    assert_eq!(report.warned, 0, "{report:#?}");
    let found = books_of(&catalogue);
    assert_eq!(written(&found, format), file, "{}", String::from_utf8_lossy(&file));
    found
}

/// As PostgreSQL would keep it, and CSV: without zero characters outside of JSON.
fn without_zero(mut book: Book) -> Book {
    let mend = |text: &mut String| *text = text.replace('\0', "\u{fffd}");
    for text in [&mut book.id, &mut book.title] {
        mend(text);
    }
    let Book { subtitle, publisher, language, audience, description, .. } = &mut book;
    [subtitle, publisher, language, audience, description].into_iter().flatten().for_each(mend);
    [&mut book.authors, &mut book.isbns, &mut book.subjects].into_iter().flatten().for_each(mend);
    book
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn json_lines_bring_back_every_book(books in any_books()) {
        prop_assert_eq!(through(&books, Format::Jsonl), books);
    }

    #[test]
    fn csv_brings_back_every_book_and_no_cell_is_a_formula(books in any_books()) {
        let books: Vec<Book> = books.into_iter().map(without_zero).collect();
        prop_assert_eq!(through(&books, Format::Csv), books.clone());
        for cell in cells(&String::from_utf8(written(&books, Format::Csv)).expect("UTF-8")) {
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{cell:?}");
        }
    }

    #[test]
    fn json_is_json_and_xml_is_xml(books in any_books()) {
        let csl: Vec<Value> = serde_json::from_slice(&written(&books, Format::CslJson)).expect("JSON");
        let linked: Value = serde_json::from_slice(&written(&books, Format::JsonLd)).expect("JSON");
        for (at, book) in books.iter().enumerate() {
            prop_assert_eq!(&csl[at]["id"], &json!(book.id));
            prop_assert_eq!(&linked["@graph"][at]["identifier"], &json!(book.id));
            prop_assert_eq!(&linked["@graph"][at]["name"], &json!(book.title));
        }
        let (catalogue, report) = import_new(&written(&books, Format::MarcXml)).expect("reads what was written");
        prop_assert_eq!(report.rejected, 0, "{:#?}", report.rejects);
        prop_assert_eq!(catalogue.statistics("").expect("counts").books, report.records);
    }

    #[test]
    fn every_record_of_ris_and_bibtex_stands_apart(books in any_books()) {
        let ris = String::from_utf8(written(&books, Format::Ris)).expect("UTF-8");
        let lines: Vec<&str> = ris.split("\r\n").collect();
        prop_assert_eq!(lines.iter().filter(|line| line.starts_with("TY  - ")).count(), books.len());
        prop_assert_eq!(lines.iter().filter(|line| line.starts_with("ER  - ")).count(), books.len());
        for line in lines.iter().filter(|line| !line.is_empty()) {
            let (tag, value) = line.split_at(6);
            prop_assert!(tag.as_bytes()[..2].is_ascii() && tag.ends_with("  - "), "{line:?}");
            prop_assert!(!value.contains(char::is_control), "{line:?}");
        }
        let bibtex = String::from_utf8(written(&books, Format::Bibtex)).expect("UTF-8");
        let keys = bibtex_keys(&bibtex);
        prop_assert_eq!(keys.len(), books.len(), "{}", bibtex);
        let distinct: HashSet<String> = keys.iter().map(|key| key.to_lowercase()).collect();
        prop_assert_eq!(distinct.len(), books.len(), "{:?}", keys);
    }
}

/// The cells of a CSV file as RFC 4180 has them: a reader apart from ours.
fn cells(csv: &str) -> Vec<String> {
    let (mut cells, mut cell, mut in_quotes) = (Vec::new(), String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if in_quotes && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' => in_quotes = !in_quotes,
            ',' | '\n' | '\r' if !in_quotes => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells
}

/// The keys of a BibTeX file, read as BibTeX does: a value ends where its braces do.
fn bibtex_keys(bibtex: &str) -> Vec<&str> {
    let (mut keys, mut depth) = (Vec::new(), 0);
    for (at, c) in bibtex.char_indices() {
        match c {
            '@' if depth == 0 => {
                let entry = bibtex[at..].strip_prefix("@book{").expect("an entry");
                keys.push(entry.split(',').next().expect("a key"));
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => assert!(depth > 0 || c.is_whitespace() || "book".contains(c), "`{c}` outside of an entry"),
        }
        assert!(depth >= 0, "a brace too many at {at}");
    }
    assert_eq!(depth, 0, "a brace that stays open");
    keys
}

fn moby_dick() -> Book {
    let strings = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let extra = json!({
        "edition": "1st ed.", "place of publication": "New York", "pages": "635", "series": "Sea tales ; 3",
        "url": "https://example.org/moby", "notes": ["Index.", "Maps & charts."], "lccn": "90123456", "oclc": "12345",
        "contributors": "Kent, Rockwell (illustrator)", "alternative titles": "The whale", "dewey": "813.3",
        "contents": "Loomings -- The carpet-bag.", "call number": "PS2384 .M6", "original language": "en"
    });
    Book {
        id: "(DLC)51012345".to_owned(),
        title: "Moby-Dick".to_owned(),
        subtitle: Some("or, The whale".to_owned()),
        authors: strings(&["Melville, Herman", "R&D Press {Ltd}"]),
        isbns: strings(&["9780142437247", "0142437247"]),
        publisher: Some("Harper & Brothers".to_owned()),
        year: Some(1851),
        language: Some("en".to_owned()),
        subjects: strings(&["Whaling -- Fiction", "Ships & <boats>"]),
        audience: Some("adult".to_owned()),
        description: Some("A captain hunts a whale.\n\nIt ends at 100 % of $5 _badly_.".to_owned()),
        extra: extra.as_object().expect("an object").clone(),
    }
}

fn few_books() -> Vec<Book> {
    let bare = Book { id: "b".to_owned(), title: "गोदान".to_owned(), ..Book::default() };
    let roman = Book {
        id: "Old one".to_owned(),
        title: "Commentarii @ 50 #1 ~ ^ \\ { }".to_owned(),
        authors: vec!["Caesar".to_owned(), "Ministry of Health and Welfare".to_owned()],
        year: Some(-44),
        language: Some("la".to_owned()),
        audience: Some("Ages 9-12".to_owned()),
        ..Book::default()
    };
    vec![moby_dick(), bare, roman]
}

#[test]
fn what_marcxml_has_room_for_comes_back() {
    let books = few_books();
    let (catalogue, report) = import_new(&written(&books, Format::MarcXml)).expect("reads");
    assert_eq!((report.outcome(), report.warned), (ImportOutcome::Clean, 0), "{report:#?}");
    let found = books_of(&catalogue);
    for (found, book) in found.iter().zip(&books) {
        let bare = |book: &Book| Book { extra: Map::new(), ..book.clone() };
        assert_eq!(bare(found), bare(book));
    }
    let (mut kept, given) = (found[0].extra.clone(), &books[0].extra);
    for (name, value) in given {
        let found = kept.remove(name);
        let expected = if name == "contributors" { json!("Kent, Rockwell (illustrator)") } else { value.clone() };
        assert_eq!(found, Some(expected), "{name}");
    }
    assert_eq!(Value::from(kept), json!({"extent": "635 pages", "format": "print"}));
}

#[test]
fn files_without_books_are_whole_files() {
    for format in Format::ALL {
        let file = written(&[], format);
        match format {
            Format::CslJson | Format::JsonLd => assert!(serde_json::from_slice::<Value>(&file).is_ok()),
            Format::MarcXml => assert!(file.ends_with(b"</collection>\n")),
            Format::Csv => assert!(file.ends_with(b",libellus_extra\r\n")),
            Format::Jsonl | Format::Ris | Format::Bibtex => assert_eq!(file, b""),
        }
    }
}

#[test]
fn a_damaged_line_of_ours_is_rejected_and_costs_no_other() {
    let books = few_books();
    let jsonl = String::from_utf8(written(&books, Format::Jsonl)).expect("UTF-8");
    for (damaged, reason) in [
        (jsonl.replacen("\"libellus_book\":1", "\"libellus_book\":2", 1), "update libellus"),
        (jsonl.replacen("\"year\":1851", "\"year\":\"MDCCCLI\"", 1), "invalid type"),
        (jsonl.replacen("\"title\":\"Moby-Dick\"", "\"title\":\" \"", 1), "no title"),
        (jsonl.replacen("\"id\":\"(DLC)51012345\"", "\"id\":\"\"", 1), "no id"),
    ] {
        let (catalogue, report) = import_new(damaged.as_bytes()).expect("reads");
        assert_eq!((report.records, report.rejected), (3, 1), "{reason}");
        assert!(report.rejects[0].reason.contains(reason), "{:?}", report.rejects);
        assert_eq!(books_of(&catalogue), books[1..]);
    }
    let csv = String::from_utf8(written(&books, Format::Csv)).expect("UTF-8");
    for (damaged, reason) in [
        (csv.replacen(",1851,", ",MDCCCLI,", 1), "the year is `MDCCCLI`"),
        (csv.replacen("\"{\"\"edition", "\"{edition", 1), "not a JSON object"),
        (csv.trim_end().trim_end_matches(',').to_owned(), "it is cut"),
    ] {
        let (_, report) = import_new(damaged.as_bytes()).expect("reads");
        assert_eq!((report.records, report.rejected), (3, 1), "{reason}: {report:#?}");
        assert!(report.rejects[0].reason.contains(reason), "{:?}", report.rejects);
    }
}

#[test]
fn a_table_of_ours_survives_a_spreadsheet() {
    // Columns in another order, one taken out, quotation marks wherever the program likes.
    let edited = "\"libellus_extra\",title,id\r\n\"{\"\"a\"\":1}\",\"'=1+1\",\"'-7\"\r\n,''@x,2\r\n";
    let (catalogue, report) = import_new(edited.as_bytes()).expect("reads");
    assert_eq!(report.outcome(), ImportOutcome::Clean, "{report:#?}");
    let found = books_of(&catalogue);
    assert_eq!((found[0].id.as_str(), found[0].title.as_str()), ("-7", "=1+1"));
    assert_eq!(Value::from(found[0].extra.clone()), json!({"a": 1}));
    assert_eq!((found[1].id.as_str(), found[1].title.as_str()), ("2", "'@x"));
}

#[test]
fn memory_stays_bounded() {
    // Each book is handed on before the next: nothing is kept between two.
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            assert!(bytes.len() < 10_000, "a record at a time");
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let mut writer = Writer::new(Count(0), format);
        for _ in 0..1000 {
            writer.write(&moby_dick()).expect("counts");
        }
        assert!(writer.finish().expect("counts").0 > 100_000, "{format:?}");
    }
}

/// Runs a Python program with the clients at hand; `None` where they are not.
fn client(program: &str, input: &[u8]) -> Option<Value> {
    let Some(tools) = std::env::var_os("LIBELLUS_TEST_CITATION_TOOLS") else {
        eprintln!(
            "skipped: LIBELLUS_TEST_CITATION_TOOLS names no folder with pymarc, rispy, bibtexparser and citeproc"
        );
        return None;
    };
    let mut python = Command::new("python3");
    python.args(["-c", program]).env("PYTHONPATH", tools).env("PYTHONIOENCODING", "utf-8");
    let mut process = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut stdin = process.stdin.take().expect("piped");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    let output = process.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn pymarc_reads_our_marcxml() {
    let program = "
import json, sys, pymarc
records = pymarc.parse_xml_to_array(sys.stdin.buffer, strict=True)
print(json.dumps([{
    'id': r['001'].data, 'fixed': r['008'].data, 'leader': str(r.leader), 'title': r.title, 'isbn': r.isbn,
    'author': r.author, 'publisher': r.publisher, 'year': r.pubyear,
    'subjects': [s.format_field() for s in r.subjects], 'again': pymarc.Record(data=r.as_marc()).title,
    'description': [f['a'] for f in r.get_fields('520')], 'authors': [f['a'] for f in r.get_fields('100', '700')],
    'bodies': [f['a'] for f in r.get_fields('110', '710')],
} for r in records]))";
    let Some(found) = client(program, &written(&few_books(), Format::MarcXml)) else { return };
    assert_eq!(found.as_array().map(Vec::len), Some(3));
    let moby = &found[0];
    assert_eq!((&moby["id"], &moby["isbn"]), (&json!("51012345"), &json!("9780142437247")));
    assert_eq!((&moby["title"], &moby["again"]), (&json!("Moby-Dick or, The whale"), &moby["title"]));
    assert_eq!((&moby["publisher"], &moby["year"]), (&json!("Harper & Brothers"), &json!("1851")));
    assert_eq!(moby["authors"], json!(["Melville, Herman", "Kent, Rockwell"]));
    assert_eq!(moby["bodies"], json!(["R&D Press {Ltd}"]));
    assert_eq!(moby["subjects"], json!(["Whaling -- Fiction", "Ships & <boats>"]));
    assert_eq!(moby["description"], json!(["A captain hunts a whale.", "It ends at 100 % of $5 _badly_."]));
    assert_eq!(found[1]["title"], json!("गोदान"));
    for record in found.as_array().expect("a list") {
        assert_eq!(record["fixed"].as_str().map(str::len), Some(40));
        assert_eq!(record["leader"].as_str().map(str::len), Some(24));
    }
}

#[test]
fn rispy_reads_our_ris() {
    let program = "import json, sys, rispy; print(json.dumps(rispy.loads(sys.stdin.buffer.read().decode('utf-8'))))";
    let Some(found) = client(program, &written(&few_books(), Format::Ris)) else { return };
    assert_eq!(found.as_array().map(Vec::len), Some(3));
    let moby = &found[0];
    for (name, expected) in [
        ("type_of_reference", json!("BOOK")),
        ("id", json!("(DLC)51012345")),
        ("title", json!("Moby-Dick: or, The whale")),
        ("authors", json!(["Melville, Herman", "R&D Press {Ltd}"])),
        ("publisher", json!("Harper & Brothers")),
        ("place_published", json!("New York")),
        ("year", json!("1851")),
        ("language", json!("en")),
        ("keywords", json!(["Whaling -- Fiction", "Ships & <boats>"])),
        ("abstract", json!("A captain hunts a whale.  It ends at 100 % of $5 _badly_.")),
    ] {
        assert_eq!(moby[name], expected, "{name}: {moby:#}");
    }
    assert_eq!(found[1]["title"], json!("गोदान"));
}

#[test]
fn bibtexparser_reads_our_bibtex() {
    let program = "
import json, sys, bibtexparser
from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors
library = bibtexparser.parse_string(sys.stdin.buffer.read().decode('utf-8'),
    append_middleware=[SeparateCoAuthors(), LatexDecodingMiddleware()])
assert not library.failed_blocks, library.failed_blocks
print(json.dumps({e.key: {f.key: f.value for f in e.fields} for e in library.entries}))";
    let Some(found) = client(program, &written(&few_books(), Format::Bibtex)) else { return };
    let entries = found.as_object().expect("entries");
    assert_eq!(entries.len(), 3, "{found:#}");
    let bare = |value: &Value| value.as_str().expect("text").trim_matches(['{', '}']).to_owned();
    let moby = entries.values().next().expect("the first");
    assert_eq!(bare(&moby["title"]), "Moby-Dick: or, The whale");
    assert_eq!(bare(&moby["publisher"]), "Harper & Brothers");
    assert_eq!(moby["author"][0], json!("Melville, Herman"));
    assert_eq!(moby["author"].as_array().map(Vec::len), Some(2), "{moby:#}");
    assert_eq!(bare(&moby["abstract"]), "A captain hunts a whale.  It ends at 100 % of $5 _badly_.");
    let old = entries.values().nth(2).expect("the third");
    assert_eq!(old["author"].as_array().map(Vec::len), Some(2), "a ministry of two things is one: {old:#}");
    assert_eq!(bare(&entries["b"]["title"]), "गोदान");
}

#[test]
fn citeproc_cites_our_csl_json() {
    let program = "
import json, sys, warnings
warnings.simplefilter('ignore')
from citeproc import CitationStylesStyle, CitationStylesBibliography, Citation, CitationItem, formatter
from citeproc.source.json import CiteProcJSON
items = json.loads(sys.stdin.buffer.read().decode('utf-8'))
style = CitationStylesStyle('harvard-cite-them-right', validate=False)
bibliography = CitationStylesBibliography(style, CiteProcJSON(items), formatter.plain)
for item in items:
    bibliography.register(Citation([CitationItem(item['id'])]))
print(json.dumps([str(entry) for entry in bibliography.bibliography()]))";
    let Some(found) = client(program, &written(&few_books(), Format::CslJson)) else { return };
    let entries: Vec<&str> = found.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(entries.len(), 3, "{entries:#?}");
    let moby = entries.iter().find(|entry| entry.contains("Moby-Dick")).expect("is cited");
    for part in ["Melville, H.", "1851", "Moby-Dick: or, The whale", "Harper & Brothers", "New York"] {
        assert!(moby.contains(part), "{part} is not in {moby}");
    }
}

#[test]
fn an_export_is_not_tidied_up_as_other_files_are() {
    let mut book = moby_dick();
    book.description = Some("The tag <b> and &amp; are written so.\r\n\tThus.".to_owned());
    book.audience = Some("kids".to_owned());
    book.language = Some("Klingon".to_owned());
    book.isbns = vec!["none".to_owned()];
    book.extra.insert("my rating".to_owned(), json!(5));
    let file = written(std::slice::from_ref(&book), Format::Jsonl);
    let catalogue = Catalogue::in_memory().expect("memory");
    let report = import("a file", &mut &file[..], &catalogue, &Words, &ImportOptions::default(), &mut |_| {
        ControlFlow::Continue(())
    })
    .expect("reads");
    assert_eq!(report.warned, 0, "{:#?}", report.warnings);
    assert!(report.mapping.contains(&("title".to_owned(), "as libellus wrote it".to_owned())), "{:?}", report.mapping);
    assert_eq!(books_of(&catalogue), [book]);
}
