//! Formats of the book trade and of other catalogues: ONIX, Open Library's dumps, lists of ISBNs.

mod common;

use common::{books_of, import_into, import_new};
use libellus_catalogue::Catalogue;
use libellus_catalogue::import::{AuthorNames, Format, ImportOptions, Place, is_dump_of_authors};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;

const ONIX: &str = "<?xml version=\"1.0\"?><ONIXMessage release=\"3.0\" xmlns=\"http://ns.editeur.org/onix/3.0/reference\">\
    <Product><RecordReference>com.example.1</RecordReference><NotificationType>03</NotificationType>\
    <ProductIdentifier><ProductIDType>15</ProductIDType><IDValue>9780441013593</IDValue></ProductIdentifier>\
    <DescriptiveDetail><ProductForm>BC</ProductForm>\
    <Collection><TitleDetail><TitleType>01</TitleType><TitleElement><PartNumber>1</PartNumber><TitleText>Dune saga</TitleText></TitleElement></TitleDetail></Collection>\
    <TitleDetail><TitleType>01</TitleType><TitleElement><TitlePrefix>The</TitlePrefix><TitleWithoutPrefix>Dune</TitleWithoutPrefix><Subtitle>A novel</Subtitle></TitleElement></TitleDetail>\
    <Contributor><ContributorRole>A01</ContributorRole><PersonName>Frank Herbert</PersonName></Contributor>\
    <Contributor><ContributorRole>B06</ContributorRole><PersonNameInverted>Doe, Jane</PersonNameInverted></Contributor>\
    <Language><LanguageRole>01</LanguageRole><LanguageCode>eng</LanguageCode></Language>\
    <Extent><ExtentType>00</ExtentType><ExtentValue>412</ExtentValue></Extent>\
    <Subject><SubjectSchemeIdentifier>20</SubjectSchemeIdentifier><SubjectHeadingText>desert; spice</SubjectHeadingText></Subject>\
    <Audience><AudienceCodeType>01</AudienceCodeType><AudienceCodeValue>03</AudienceCodeValue></Audience></DescriptiveDetail>\
    <CollateralDetail><TextContent><TextType>03</TextType><Text textformat=\"05\"><p>Sand.</p><p>Worms &amp; spice.</p></Text></TextContent></CollateralDetail>\
    <PublishingDetail><Publisher><PublisherName>Ace</PublisherName></Publisher><PublishingDate><PublishingDateRole>01</PublishingDateRole><Date>19650801</Date></PublishingDate></PublishingDetail>\
    <RelatedMaterial><RelatedProduct><ProductIdentifier><ProductIDType>15</ProductIDType><IDValue>9780000000002</IDValue></ProductIdentifier></RelatedProduct></RelatedMaterial>\
    </Product></ONIXMessage>";

#[test]
fn open_librarys_authors_are_named_if_their_dump_is_given() {
    let authors = "/type/author\t/authors/OL1A\t1\t2020\t{\"key\":\"/authors/OL1A\",\"name\":\"Frank  Herbert\"}\n\
        /type/redirect\t/authors/OL2A\t1\t2020\t{\"location\":\"/authors/OL1A\"}\n\
        /type/author\t/authors/OL3A\t1\t2020\t{\"name\":\"\"}\n/type/author\t/authors/OL4A\t1\t2020\tnot JSON\n";
    let works = "/type/work\t/works/OL9W\t1\t2020\t{\"title\":\"Dune\",\"authors\":[{\"author\":{\"key\":\"/authors/OL1A\"}},\
        {\"author\":{\"key\":\"/authors/OL7A\"}}]}\n/type/edition\t/books/OL8M\t1\t2020\t{\"title\":\"Dune\",\
        \"by_statement\":\"by F. Herbert\",\"authors\":[{\"key\":\"/authors/OL1A\"}]}\n";
    assert!(is_dump_of_authors(&mut authors.as_bytes()).expect("reads"));
    for other in [works, "title\nDune\n", ""] {
        assert!(!is_dump_of_authors(&mut other.as_bytes()).expect("reads"), "{other}");
    }
    let names = AuthorNames::new().expect("room");
    let load = |name, text: &str| {
        let read = names.load(name, &mut text.as_bytes(), &mut |_| ControlFlow::Continue(())).expect("reads");
        assert!(!read.interrupted && read.fault.is_none(), "{read:?}");
        (read.names, read.has_books)
    };
    assert_eq!(load("authors", authors), (1, false));
    assert_eq!(load("both", &format!("{authors}{works}")), (1, true));
    let many = authors.repeat(1000);
    let stopped = names.load("authors", &mut many.as_bytes(), &mut |_| ControlFlow::Break(())).expect("reads");
    assert!(stopped.interrupted && stopped.names < 1000, "{stopped:?}");
    let catalogue = Catalogue::in_memory().expect("memory");
    let options = ImportOptions { authors: Some(Arc::new(names)), ..ImportOptions::default() };
    import_into(&catalogue, works.as_bytes(), &options).expect("reads");
    let books = books_of(&catalogue);
    assert_eq!(books[0].authors, ["Frank Herbert"]);
    assert_eq!(Value::from(books[0].extra.clone()), json!({"author keys": ["OL7A"]}));
    assert_eq!(books[1].authors, ["Frank Herbert"]);
    let (without, _) = import_new(works.as_bytes()).expect("reads");
    assert_eq!(books_of(&without)[0].extra["author keys"], json!(["OL1A", "OL7A"]));
}

#[test]
fn onix_with_either_kind_of_tags() {
    let mut short = ONIX.to_owned();
    for (reference, tag) in [
        ("RecordReference", "a001"),
        ("NotificationType", "a002"),
        ("ProductIDType", "b221"),
        ("IDValue", "b244"),
        ("ProductForm", "b012"),
        ("TitleType", "b202"),
        ("PartNumber", "x410"),
        ("TitleText", "b203"),
        ("TitlePrefix", "b030"),
        ("TitleWithoutPrefix", "b031"),
        ("Subtitle", "b029"),
        ("ContributorRole", "b035"),
        ("PersonNameInverted", "b037"),
        ("PersonName", "b036"),
        ("LanguageRole", "b253"),
        ("LanguageCode", "b252"),
        ("ExtentType", "b218"),
        ("ExtentValue", "b219"),
        ("SubjectSchemeIdentifier", "b067"),
        ("SubjectHeadingText", "b070"),
        ("AudienceCodeType", "b204"),
        ("AudienceCodeValue", "b206"),
        ("TextType", "x426"),
        ("PublisherName", "b081"),
        ("PublishingDateRole", "x448"),
        ("Date", "b306"),
        ("Text", "d104"),
        ("Product", "product"),
    ] {
        for (start, end) in [("<", ">"), ("</", ">"), ("<", " ")] {
            short = short.replace(&format!("{start}{reference}{end}"), &format!("{start}{tag}{end}"));
        }
    }
    assert!(!short.contains("<Date>") && short.contains("<b306>"));
    for file in [ONIX, &short] {
        let (catalogue, report) = import_new(file.as_bytes()).expect("reads");
        assert_eq!(
            (report.format, report.records, report.rejected, report.warned),
            (Some(Format::Onix), 1, 0, 0),
            "{report:?}"
        );
        let book = books_of(&catalogue).remove(0);
        assert_eq!(
            serde_json::to_value(&book).expect("JSON"),
            json!({
                "id": "com.example.1", "title": "The Dune", "subtitle": "A novel", "authors": ["Frank Herbert"],
                "isbns": ["9780441013593"], "publisher": "Ace", "year": 1965, "language": "en",
                "subjects": ["desert", "spice"], "audience": "young adult", "description": "Sand.\n\nWorms & spice.",
                "extra": {"contributors": ["Doe, Jane (translator)"], "series": ["Dune saga ; 1"], "format": "print", "pages": "412"}
            })
        );
        let deletion =
            file.replace(">03</NotificationType>", ">05</NotificationType>").replace(">03</a002>", ">05</a002>");
        let report = import_into(&catalogue, deletion.as_bytes(), &Default::default()).expect("reads");
        assert_eq!((report.deleted, books_of(&catalogue).len()), (1, 0));
    }
}

#[test]
fn dumps_of_open_library() {
    let dump = "/type/work\t/works/OL1W\t3\t2020-01-01T00:00:00\t{\"title\": \"Dune\", \"description\": {\"type\": \"/type/text\", \"value\": \"Sand.\"}, \"subjects\": [\"Deserts\"], \"authors\": [{\"author\": {\"key\": \"/authors/OL9A\"}}]}\n\
        /type/author\t/authors/OL9A\t1\t2020\t{\"name\": \"Frank Herbert\"}\n\
        /type/redirect\t/works/OL2W\t1\t2020\t{}\n\
        /type/work\t/works/OL3W\n\
        /type/edition\t/books/OL4M\t1\t2020\t{\"title\": \"Dune\", \"isbn_10\": [\"0441013597\"], \"publishers\": [\"Ace\", \"Tor\"], \"publish_date\": \"August 1965\", \"languages\": [{\"key\": \"/languages/eng\"}], \"works\": [{\"key\": \"/works/OL1W\"}], \"covers\": [1], \"number_of_pages\": 412}\n\
        /type/edition\t/books/OL5M\t1\t2020\t{\"title\": \n";
    let (catalogue, report) = import_new(dump.as_bytes()).expect("reads");
    assert_eq!((report.format, report.records, report.rejected), (Some(Format::OpenLibrary), 4, 2), "{report:?}");
    let places: Vec<Place> = report.rejects.iter().map(|reject| reject.place).collect();
    assert_eq!(places, [Place::Line(4), Place::Line(6)]);
    let books = books_of(&catalogue);
    assert_eq!((books[0].id.as_str(), books[0].description.as_deref()), ("OL1W", Some("Sand.")));
    assert_eq!(Value::from(books[0].extra.clone()), json!({"author keys": ["OL9A"]}));
    assert_eq!((books[1].year, books[1].language.as_deref()), (Some(1965), Some("en")));
    assert_eq!(books[1].publisher.as_deref(), Some("Ace; Tor"));
    assert_eq!(Value::from(books[1].extra.clone()), json!({"work": "OL1W", "number_of_pages": 412}));
}

#[test]
fn the_catalogue_of_project_gutenberg() {
    let file = "Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves\n\
        1342,Text,1998-06-01,\"Pride and Prejudice\nA Novel\",en,\"Austen, Jane, 1775-1817\",\"England -- Fiction; Sisters -- Fiction\",PR,Best Books\n";
    let (catalogue, report) = import_new(file.as_bytes()).expect("reads");
    assert_eq!((report.records, report.rejected, report.warned), (1, 0, 0), "{report:?}");
    let book = books_of(&catalogue).remove(0);
    assert_eq!((book.id.as_str(), book.title.as_str(), book.year), ("1342", "Pride and Prejudice A Novel", None));
    assert_eq!(book.authors, ["Austen, Jane"]);
    assert_eq!(book.subjects, ["England -- Fiction", "Sisters -- Fiction"]);
    assert_eq!(book.extra["Issued"], "1998-06-01");
}

#[test]
fn lists_of_isbns() {
    for list in
        ["9780441013593\n0-441-47812-3\n", "ISBN\r\n978-0-441-01359-3\r\n\r\n0441478123", "9780441013593, 0441478123\n"]
    {
        let (catalogue, report) = import_new(list.as_bytes()).expect("reads");
        assert_eq!((report.format, report.records, report.rejected), (Some(Format::Isbns), 2, 0), "{list}: {report:?}");
        let ids: Vec<String> = books_of(&catalogue).into_iter().map(|book| book.id).collect();
        assert_eq!(ids, ["isbn-9780441013593", "isbn-9780441478125"], "{list}");
    }
    let options = ImportOptions { format: Some(Format::Isbns), ..ImportOptions::default() };
    let catalogue = Catalogue::in_memory().expect("opens");
    let report = import_into(&catalogue, b"9780441013593\nDune\n", &options).expect("reads");
    assert_eq!((report.records, report.rejects[0].place), (2, Place::Line(2)));
}

#[test]
fn a_library_of_calibre() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("metadata.db");
    let database = rusqlite::Connection::open(&path).expect("opens");
    let schema =
        "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, pubdate TIMESTAMP, series_index REAL, uuid TEXT);
        CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE books_authors_link (id INTEGER PRIMARY KEY, book, author);
        CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE books_tags_link (id INTEGER PRIMARY KEY, book, tag);
        CREATE TABLE publishers (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE books_publishers_link (id INTEGER PRIMARY KEY, book, publisher);
        CREATE TABLE languages (id INTEGER PRIMARY KEY, lang_code TEXT);
        CREATE TABLE books_languages_link (id INTEGER PRIMARY KEY, book, lang_code);
        CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE books_series_link (id INTEGER PRIMARY KEY, book, series);
        CREATE TABLE comments (id INTEGER PRIMARY KEY, book, text TEXT);
        CREATE TABLE identifiers (id INTEGER PRIMARY KEY, book, type TEXT, val TEXT);";
    database.execute_batch(schema).expect("makes tables");
    let content = "INSERT INTO books VALUES (1, 'Good Omens', '1990-05-01 00:00:00+00:00', 2.0, 'u-1'),
            (2, 'Untold', '0101-01-01 00:00:00+00:00', 1.0, 'u-2');
        INSERT INTO authors VALUES (1, 'Neil Gaiman'), (2, 'Pratchett| Terry');
        INSERT INTO books_authors_link VALUES (1, 1, 2), (2, 1, 1);
        INSERT INTO tags VALUES (1, 'Angels, fallen');
        INSERT INTO books_tags_link VALUES (1, 1, 1);
        INSERT INTO publishers VALUES (1, 'Gollancz');
        INSERT INTO books_publishers_link VALUES (1, 1, 1);
        INSERT INTO languages VALUES (1, 'eng');
        INSERT INTO books_languages_link VALUES (1, 1, 1);
        INSERT INTO series VALUES (1, 'Omens');
        INSERT INTO books_series_link VALUES (1, 1, 1);
        INSERT INTO comments VALUES (1, 1, '<p>An angel.</p>');
        INSERT INTO identifiers VALUES (1, 1, 'isbn', '9780575048003'), (2, 1, 'goodreads', '12067');";
    database.execute_batch(content).expect("fills them");
    drop(database);
    let file = std::fs::read(&path).expect("reads");
    let (catalogue, report) = import_new(&file).expect("reads");
    assert_eq!(
        (report.format, report.records, report.rejected, report.warned),
        (Some(Format::Calibre), 2, 0, 0),
        "{report:?}"
    );
    let books = books_of(&catalogue);
    assert_eq!(
        serde_json::to_value(&books[0]).expect("JSON"),
        json!({
            "id": "u-1", "title": "Good Omens", "authors": ["Pratchett, Terry", "Neil Gaiman"], "isbns": ["9780575048003"],
            "publisher": "Gollancz", "year": 1990, "language": "en", "subjects": ["Angels, fallen"], "description": "An angel.",
            "extra": {"series": "Omens ; 2", "identifiers": ["goodreads:12067"]}
        })
    );
    assert_eq!(books[1].year, None);
    for broken in [&file[..file.len() / 2], &file[..50], b"SQLite format 3\0"] {
        let error = import_new(broken).expect_err("is no library").to_string();
        assert!(error.contains("metadata.db"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..ONIX.len()) {
        let cut = (0..=cut).rev().find(|&at| ONIX.is_char_boundary(at)).unwrap_or(0);
        for start in [&ONIX.as_bytes()[..cut], b"/type/work\t/works/1\t1\t2\t{\"title\": ", b"9780441013593\n"] {
            if let Ok((_, report)) = import_new(&[start, &bytes, b"</Product>"].concat()) {
                prop_assert!(report.rejected <= report.records);
            }
        }
    }
}
