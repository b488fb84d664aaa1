//! MARC files in, books and a report out.

mod common;

use common::{books_of, import_new};
use libellus_catalogue::import::{Format, ImportOutcome, Place};
use libellus_catalogue::{Book, Error};
use proptest::prelude::*;
use std::path::PathBuf;

/// A record in ISO 2709; `coding` is `a` or a space, and an empty tag's text starts with its indicators.
fn marc(coding: u8, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut directory, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in fields {
        directory.extend_from_slice(format!("{tag}{:04}{:05}", text.len() + 1, data.len()).as_bytes());
        data.extend_from_slice(text);
        data.push(0x1e);
    }
    let base = 24 + directory.len() + 1;
    let length = base + data.len() + 1;
    let leader = [format!("{length:05}nam ").as_bytes(), &[coding], format!("22{base:05}   4500").as_bytes()].concat();
    [&leader[..], &directory, &[0x1e], &data, &[0x1d]].concat()
}

fn numbered(number: usize) -> Vec<u8> {
    let (id, title) = (format!("r{number}"), format!("10\x1faBook {number} /\x1fcSomebody."));
    marc(b'a', &[("001", id.as_bytes()), ("245", title.as_bytes()), ("650", b" 0\x1faWhales.")])
}

fn titles(books: &[Book]) -> Vec<&str> {
    books.iter().map(|book| book.title.as_str()).collect()
}

#[test]
fn ten_bad_among_a_thousand() {
    let mut file = Vec::new();
    let mut bad_at = Vec::new();
    for number in 0..1000 {
        let mut record = numbered(number);
        if number % 100 == 50 {
            bad_at.push(file.len() as u64);
            record = match number % 400 {
                50 => [b"00026nam a2200025   4500\x1e".as_slice(), b"\x1d"].concat(),
                150 => vec![b'x'; 5].into_iter().chain([0x1d]).collect(),
                250 => marc(b'a', &[("001", b"untitled")]),
                // An entry of the directory is gone, and the next is wrong: nothing tells which field is which.
                _ => [&record[..24], &record[36..43], b"00099", &record[48..]].concat(),
            };
        }
        file.extend(record);
    }
    let (catalogue, report) = import_new(&file).expect("reads");
    assert_eq!((report.format, report.outcome()), (Some(Format::Marc), ImportOutcome::LoadedWithRejects));
    assert_eq!((report.records, report.rejected, report.written.added), (1000, 10, 990));
    let places: Vec<Place> = report.rejects.iter().map(|reject| reject.place).collect();
    assert_eq!(places, bad_at.into_iter().map(Place::Byte).collect::<Vec<_>>());
    for (reject, reason) in
        report.rejects.iter().zip(["too short", "no end of the directory", "no title", "cannot be mended"])
    {
        assert!(reject.reason.contains(reason), "{reject:?} should say: {reason}");
    }
    assert_eq!(books_of(&catalogue)[0].subjects, ["Whales"]);
}

#[test]
fn a_file_that_is_cut_says_where() {
    let whole = [numbered(1), numbered(2)].concat();
    for missing in [1, 20, 90] {
        let (catalogue, report) = import_new(&whole[..whole.len() - missing]).expect("reads");
        assert_eq!(titles(&books_of(&catalogue)), ["Book 1"]);
        let reject = &report.rejects[0];
        assert_eq!(reject.place, Place::Byte(numbered(1).len() as u64));
        let length = numbered(2).len();
        let reason =
            format!("ends inside this record, after {} bytes of it; its leader declares {length}", length - missing);
        assert!(reject.reason.contains(&reason), "{reject:?}");
    }
}

#[test]
fn wrong_numbers_and_rubbish_between_records() {
    let mut wrong_length = numbered(1);
    wrong_length[..5].copy_from_slice(b"99999");
    let mut wrong_directory = numbered(2);
    wrong_directory[24 + 6] = b'9';
    wrong_directory[36 + 11] += 1;
    let file = [&wrong_length[..], b"\r\n", &wrong_directory, b"\0\0\0", &numbered(3), b"\x1a\n"].concat();
    let (catalogue, report) = import_new(&file).expect("reads");
    let books = books_of(&catalogue);
    assert_eq!((titles(&books), report.rejected), (vec!["Book 1", "Book 2", "Book 3"], 0), "{:?}", report.rejects);
    assert_eq!((books[1].id.as_str(), report.warned), ("r2", 1));
    assert!(report.warnings[0].reason.contains("lengths in the directory are wrong"), "{:?}", report.warnings);
}

#[test]
fn the_leader_is_not_believed() {
    for (coding, title, expected, warning) in [
        (b' ', &b"10\x1faCaf\xe2e"[..], "Café", None),
        (b'a', "10\x1faCafé".as_bytes(), "Café", None),
        (b' ', "10\x1faCafé".as_bytes(), "Café", Some("says MARC-8, but the text is UTF-8")),
        (b'a', b"10\x1faCaf\xe2e", "Café", Some("says UTF-8, but the text is not")),
        (b' ', b"10\x1fa\x1b(NpRIWET\x1b(B", "Привет", None),
        (b' ', b"10\x1fa\x1b$1\x21\x30\x21\x1b(B", "一", None),
        (b' ', b"10\x1faCaf\xe2e \xff", "Café \u{fffd}", Some("are not MARC-8")),
        (b'a', b"10\x1faCaf\xc3\xa9 \xe9", "Café \u{fffd}", Some("are not UTF-8")),
    ] {
        let (catalogue, report) = import_new(&marc(coding, &[("001", b"1"), ("245", title)])).expect("reads");
        assert_eq!(titles(&books_of(&catalogue)), [expected]);
        let said: Vec<&str> = report.warnings.iter().map(|warning| warning.reason.as_str()).collect();
        assert_eq!(said.is_empty(), warning.is_none(), "{said:?}");
        assert!(warning.is_none_or(|part| said.iter().any(|reason| reason.contains(part))), "{said:?}");
    }
}

#[test]
fn deleted_records_delete_and_importing_again_changes_nothing() {
    let (catalogue, _) = import_new(&[numbered(1), numbered(2)].concat()).expect("reads");
    let import = |content: &[u8]| common::import_into(&catalogue, content, &Default::default()).expect("reads");
    assert_eq!(import(&[numbered(1), numbered(2)].concat()).written.unchanged, 2);
    let mut deleted = numbered(1);
    deleted[5] = b'd';
    assert_eq!(import(&[deleted.clone(), numbered(3)].concat()).deleted, 1);
    assert_eq!(titles(&books_of(&catalogue)), ["Book 2", "Book 3"]);
    // In the order of the file: what is deleted first may come again.
    import(&[deleted, numbered(1)].concat());
    assert_eq!(books_of(&catalogue).len(), 3);
}

const XML_RECORD: &str = "<marc:leader>00000nam a2200000 a 4500</marc:leader><marc:controlfield tag='001'> 7 </marc:controlfield>\
    <marc:datafield tag='245' ind1='1' ind2='0'><marc:subfield code='a'>Good &amp; bad&#x21; :</marc:subfield>\
    <marc:subfield code='b'>a &lt;novel&gt; <![CDATA[<b>]]></marc:subfield></marc:datafield>";

#[test]
fn marcxml_in_every_envelope() {
    let bare = XML_RECORD.replace("marc:", "");
    for (what, file) in [
        ("a record", format!("<record>{bare}</record>")),
        (
            "a collection",
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- <record> -->\n<collection xmlns=\"http://www.loc.gov/MARC21/slim\"><record>{bare}</record></collection>"
            ),
        ),
        (
            "a prefix",
            format!(
                "<marc:collection xmlns:marc=\"http://www.loc.gov/MARC21/slim\"><marc:record>{XML_RECORD}</marc:record></marc:collection>"
            ),
        ),
        (
            "OAI-PMH",
            format!(
                "<OAI-PMH><ListRecords><record><header><identifier>oai:x:7</identifier></header><metadata><marc:record>{XML_RECORD}</marc:record></metadata></record></ListRecords></OAI-PMH>"
            ),
        ),
        (
            "SRU",
            format!(
                "<zs:searchRetrieveResponse><zs:records><zs:record><zs:recordData><record>{bare}</record></zs:recordData></zs:record></zs:records></zs:searchRetrieveResponse>"
            ),
        ),
    ] {
        let (catalogue, report) = import_new(file.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            (report.format, report.records, report.rejected),
            (Some(Format::MarcXml), 1, 0),
            "{what}: {report:?}"
        );
        let book = &books_of(&catalogue)[0];
        assert_eq!((book.id.as_str(), book.title.as_str()), ("7", "Good & bad!"), "{what}");
        assert_eq!(book.subtitle.as_deref(), Some("a <novel> <b>"), "{what}");
    }
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><record><datafield tag='245'><subfield code='a'>Caf\xe9</subfield></datafield></record>";
    assert_eq!(titles(&books_of(&import_new(latin).expect("reads").0)), ["Café"]);
}

#[test]
fn bad_xml_costs_its_record_only() {
    let good = |n: usize| {
        format!(
            "<record><controlfield tag='001'>{n}</controlfield><datafield tag='245'><subfield code='a'>Book {n}</subfield></datafield></record>\n"
        )
    };
    let deep = format!("<record>{}</record>\n", "<x>".repeat(100_000));
    let file = format!(
        "<collection>\n{}<record><datafield></record>\n{}{deep}{}<record/><record><leader>cut",
        good(1),
        good(2),
        good(3)
    );
    let (catalogue, report) = import_new(file.as_bytes()).expect("reads");
    assert_eq!(titles(&books_of(&catalogue)), ["Book 1", "Book 2", "Book 3"]);
    let places: Vec<Place> = report.rejects.iter().map(|reject| reject.place).collect();
    assert_eq!(places, [Place::Line(3), Place::Line(5), Place::Line(7)], "{:?}", report.rejects);
    for (reject, reason) in report.rejects.iter().zip(["not well-formed", "deeper than 64", "the file ends inside"]) {
        assert!(reject.reason.contains(reason), "{reject:?} should say: {reason}");
    }
}

#[test]
fn an_entity_bomb_is_refused() {
    let bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE c [\n<!ELEMENT c ANY>\n<!ENTITY a \"aaaaaaaaaa\">\n<!ENTITY b \"&a;&a;&a;&a;\">\n]>\n\
                <collection><record><controlfield tag='001'>1</controlfield><datafield tag='245'><subfield code='a'>&b;</subfield></datafield></record></collection>";
    let error = import_new(bomb.as_bytes()).expect_err("is refused");
    assert!(matches!(error, Error::NotText { .. }) && error.to_string().contains("never expanded"), "{error}");
}

#[test]
fn real_records_load() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/marc");
    if !folder.is_dir() {
        println!("skipped: `{}` is not there", folder.display());
        return;
    }
    for (name, records, rejected) in [
        ("blacklight-test_data.utf8.mrc", 30, 0),
        ("pymarc-marc.dat", 20, 0),
        ("pymarc-marc8.dat", 1, 0),
        ("pymarc-utf8_invalid.mrc", 1, 0),
        ("pymarc-bad_marc8_escape.dat", 1, 0),
        ("pymarc-testunimarc.dat", 1, 1),
        ("solrmarc-demoRecs.mrc", 6, 0),
        ("solrmarc-record_set_045.mrc", 12, 0),
        ("traject-one-marc8.mrc", 1, 0),
        ("traject-test_data.utf8.marc.xml", 30, 0),
        ("traject-tiny.xml", 3, 0),
    ] {
        let (catalogue, report) = import_new(&std::fs::read(folder.join(name)).expect(name)).expect(name);
        assert_eq!((report.records, report.rejected), (records, rejected), "{name}: {:?}", report.rejects);
        assert!(books_of(&catalogue).iter().all(|book| !book.title.is_empty()), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..120_usize) {
        let mut damaged = numbered(1);
        let place = at % damaged.len();
        let end = (place + bytes.len() / 16).min(damaged.len());
        damaged[place..end].copy_from_slice(&bytes[..end - place]);
        let xml = format!("<record>{XML_RECORD}");
        for file in [&[&damaged[..], &bytes, &numbered(2)].concat(), &[xml.as_bytes(), &bytes, b"</record>"].concat()] {
            if let Ok((_, report)) = import_new(file) {
                let loaded = report.written.added + report.written.updated + report.written.unchanged;
                prop_assert!(loaded + report.rejected + report.deleted <= report.records);
            }
        }
    }
}
