//! How fast files are read: `cargo bench -p libellus-catalogue`.

#[path = "../tests/common/mod.rs"]
mod common;

use common::Words;
use libellus_catalogue::import::{ImportOptions, count_marc_fields, each_embedding_row, import};
use libellus_catalogue::{Access, Catalogue, Error};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Instant;

fn measure(what: &str, content: &[u8], dry_run: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let catalogue = Catalogue::open(&folder.path().join("libellus.db"), Access::ReadWrite).expect("opens");
    let options = ImportOptions { dry_run, ..ImportOptions::default() };
    let started = Instant::now();
    let mut input = content;
    let report =
        import(what, &mut input, &catalogue, &Words, &options, &mut |_| ControlFlow::Continue(())).expect("reads");
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(report.rejected, 0, "{:?}", report.rejects.first());
    let (records, megabytes) = (report.records as f64, content.len() as f64 / 1e6);
    println!("{what}: {records} records, {:.0} records/s, {:.0} MB/s", records / seconds, megabytes / seconds);
}

fn jsonl_into_sqlite() {
    let mut content = String::new();
    for n in 0..100_000 {
        let _ = writeln!(
            content,
            r#"{{"id": "b{n}", "title": "The book {n}", "authors": ["Somebody {n}"], "year": 1990, "language": "en", "subjects": ["Whales", "Voyages -- {n}"], "description": "A captain hunts the white whale {n} that took his leg, and his crew pays for it in the end, all but one."}}"#
        );
    }
    measure("JSONL, read only", content.as_bytes(), true);
    measure("JSONL into SQLite", content.as_bytes(), false);
}

fn marc() {
    let fields: Vec<(&str, String)> = [
        ("001", "b{n}"), ("003", "DLC"), ("008", "750101s1990    nyu    d      000 1 eng d"), ("020", "  \u{1f}a057504800X (hbk.)"),
        ("040", "  \u{1f}aDLC\u{1f}cDLC\u{1f}dDLC"), ("050", "00\u{1f}aPR6057.A319\u{1f}bG6 1990"), ("082", "00\u{1f}a823/.914\u{1f}220"),
        ("100", "1 \u{1f}aPratchett, Terry,\u{1f}d1948-2015."),
        ("245", "10\u{1f}aGood omens {n} :\u{1f}bthe nice and accurate prophecies /\u{1f}cTerry Pratchett & Neil Gaiman."),
        ("264", " 1\u{1f}aLondon :\u{1f}bGollancz,\u{1f}c1990."), ("300", "  \u{1f}axii, 288 p. ;\u{1f}c24 cm."),
        ("520", "  \u{1f}aAn angel and a demon have come to like the world, and would rather that it did not end next Saturday, as is planned."),
        ("650", " 0\u{1f}aAngels\u{1f}vFiction."), ("650", " 0\u{1f}aEnd of the world\u{1f}vFiction."), ("700", "1 \u{1f}aGaiman, Neil."),
    ]
    .map(|(tag, text)| (tag, text.to_owned()))
    .to_vec();
    let mut content = Vec::new();
    for n in 0..100_000 {
        let (mut directory, mut data) = (String::new(), String::new());
        for (tag, text) in &fields {
            let text = text.replace("{n}", &n.to_string());
            let _ = write!(directory, "{tag}{:04}{:05}", text.len() + 1, data.len());
            data.push_str(&text);
            data.push('\u{1e}');
        }
        let base = 25 + directory.len();
        let length = base + data.len() + 1;
        content
            .extend_from_slice(format!("{length:05}nam a22{base:05}   4500{directory}\u{1e}{data}\u{1d}").as_bytes());
    }
    marc_to_fields(&content);
    measure("MARC, to books", &content, true);
    measure("MARC into SQLite", &content, false);
}

/// Reading records to their fields, beside another reader of MARC.
fn marc_to_fields(content: &[u8]) {
    let rate = |started: Instant| content.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
    for _ in 0..2 {
        let started = Instant::now();
        let mut input = content;
        let (records, fields) = count_marc_fields("MARC", &mut input).expect("reads");
        let ours = rate(started);
        let started = Instant::now();
        let (mut their_records, mut their_fields) = (0, 0);
        let mut reader = mrrc::MarcReader::new(content);
        while let Some(record) = reader.read_record().expect("reads") {
            their_records += 1;
            their_fields += (record.fields().count() + record.control_fields_iter().count()) as u64;
        }
        assert_eq!((records, fields), (their_records, their_fields));
        println!("MARC, to fields: {records} records, {ours:.0} MB/s; mrrc {:.0} MB/s", rate(started));
    }
}

/// Rows as `libellus export embeddings` writes them.
fn embeddings() {
    let mut content = String::from("book_id,passage,text_hash,space,precision,embedding\n");
    let mut state = 1u32;
    for n in 0..20_000 {
        let _ = write!(content, "b{n},1,{n:032x},{:032x},int8,\"", 7);
        for at in 0..384 {
            // Numbers of a linear congruential generator, between -0.1 and 0.1.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (state as f32 / u32::MAX as f32 - 0.5) / 5.0;
            let _ = write!(content, "{}{number}", if at == 0 { '[' } else { ',' });
        }
        content.push_str("]\"\n");
    }
    for _ in 0..2 {
        let started = Instant::now();
        let (mut rows, mut input) = (0, content.as_bytes());
        each_embedding_row("embeddings", &mut input, None, &mut |row| {
            assert_eq!(row.map(|row| row.vector.len()), Ok(384));
            rows += 1;
            Ok::<_, Error>(ControlFlow::Continue(()))
        })
        .expect("reads");
        let seconds = started.elapsed().as_secs_f64();
        let (rate, megabytes) = (f64::from(rows) / seconds, content.len() as f64 / 1e6);
        println!("embeddings, CSV to vectors: {rows} rows, {rate:.0} rows/s, {:.0} MB/s", megabytes / seconds);
    }
}

fn main() {
    embeddings();
    jsonl_into_sqlite();
    marc();
}
