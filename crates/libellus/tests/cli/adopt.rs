//! Adopting another program's tables from the command line, with vectors that a real model made.

use super::database_server::{self as server, Pooler, Server, programs};
use super::model::tiny_model;
use super::support::*;
use libellus_catalogue::{Access, Catalogue, Location};
use libellus_encoder::Encoder;
use libellus_search::{BackfillOptions, Library};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock};

const BOOKS: usize = 24;
/// What most tests say was embedded, so that few texts are tried.
const TEXT: &str = "{title}. {description}";

/// What another program embeds with: sentence-transformers' floats where they are at hand, else the model inside.
static THEIR_MODEL: LazyLock<(Encoder, &str)> =
    LazyLock::new(|| match std::env::var_os("LIBELLUS_TEST_MODEL_DIR").map(PathBuf::from) {
        Some(directory) => (Encoder::open(&directory).expect("the model opens"), "f32"),
        None => (Encoder::builtin(), "int8"),
    });

fn samples() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/books.jsonl");
    let text = std::fs::read_to_string(path).expect("the sample is there");
    text.lines().take(BOOKS).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table of the sample's books with keys of this type, and their vectors of `text` in this representation.
fn tables(key_type: &str, representation: &str, text: impl Fn(&Value) -> String) -> String {
    let samples = samples();
    let texts: Vec<String> = samples.iter().map(text).collect();
    let vectors = THEIR_MODEL.0.encode_batch(&texts, 2);
    let mut sql = format!(
        "CREATE TABLE books (id {key_type} PRIMARY KEY, title text, author text, genre text, description text); \
         CREATE TABLE book_embeddings (id serial PRIMARY KEY, book_id {key_type} REFERENCES books ON DELETE CASCADE, \
         embedding {representation});\n"
    );
    for (n, (book, encoded)) in samples.iter().zip(&vectors).enumerate() {
        let key = match key_type {
            "uuid" => format!("'00000000-0000-4000-8000-{n:012}'"),
            "integer" => n.to_string(),
            _ => literal(&format!("key {n} é")),
        };
        let (title, description) = (book["title"].as_str().expect("text"), book["description"].as_str().expect("text"));
        sql +=
            &format!("INSERT INTO books VALUES ({key}, {}, NULL, NULL, {});\n", literal(title), literal(description));
        let numbers: Vec<String> = encoded.vector.iter().map(f32::to_string).collect();
        let vector = match representation {
            "real[]" | "double precision[]" => format!("'{{{}}}'", numbers.join(",")),
            "bytea" => {
                let bytes = encoded.vector.iter().flat_map(|number| number.to_le_bytes());
                format!("'\\x{}'", bytes.map(|byte| format!("{byte:02x}")).collect::<String>())
            }
            _ => format!("'[{}]'", numbers.join(", ")),
        };
        sql += &format!("INSERT INTO book_embeddings (book_id, embedding) VALUES ({key}, {vector});\n");
    }
    sql
}

fn title_and_description(book: &Value) -> String {
    format!("{}. {}", book["title"].as_str().expect("text"), book["description"].as_str().expect("text"))
}

/// Runs a script, which may be longer than a command line.
fn run_script(server: &Server, database: &str, script: &str) {
    let path = server.file("script.sql", script);
    let output = server.psql_command(database, &format!("\\i {}", path.display())).output().expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn url(server: &Server, database: &str) -> String {
    format!("postgresql://postgres:secret@127.0.0.1:{}/{database}", server.port())
}

#[test]
fn vectors_in_every_representation_are_compared_and_kept() {
    let usual = ["real[]", "double precision[]", "text", "json", "jsonb", "bytea"];
    for (variable, representations) in
        [(server::POSTGRES, &usual[..]), (server::PGVECTOR, &["vector(384)", "vector", "real[]", "bytea"])]
    {
        let Some(server) = Server::start(variable) else { continue };
        if variable == server::PGVECTOR {
            server.sql("template1", "CREATE EXTENSION vector");
        }
        for (n, representation) in representations.iter().enumerate() {
            let sandbox = Sandbox::new();
            let name = format!("library{n}");
            server.database(&name);
            // Settings under which floats and bytes are written otherwise.
            server.sql("postgres", &format!("ALTER DATABASE {name} SET extra_float_digits = -3"));
            server.sql("postgres", &format!("ALTER DATABASE {name} SET bytea_output = 'escape'"));
            let key_type = ["uuid", "integer", "text"][n % 3];
            run_script(&server, &name, &tables(key_type, representation, title_and_description));
            let before = server.dump(&name, &[]);
            let url = url(&server, &name);
            // The first one is guessed.
            let known: &[&str] = if n == 0 { &[] } else { &["--text", TEXT] };
            let adopt =
                |more: &[&str]| sandbox.run(&[&["adopt", "--json", "--db", &url], known, more].concat()).expect_code(0);
            let finished = adopt(&[]);
            assert_eq!(server.dump(&name, &[]), before, "{representation}: looking writes nothing");
            let report = finished.json();
            assert_eq!(report["mapping"]["key_type"], key_type, "{report}");
            let comparison = &report["comparison"];
            assert_eq!(
                (&comparison["compared"], &comparison["same_text"]),
                (&BOOKS.into(), &BOOKS.into()),
                "{representation}: {report}"
            );
            assert_eq!(report["verdict"]["keep"], true, "{representation}: {report}");
            let cosines = &comparison["cosines"];
            assert!(cosines["least"].as_f64().is_some_and(|least| least > 0.998), "{representation}: {cosines}");
            let counted: u64 =
                cosines["histogram"].as_array().expect("a list").iter().filter_map(|bar| bar[1].as_u64()).sum();
            assert_eq!(counted, BOOKS as u64);

            let done = adopt(&["--copy"]).json()["done"].clone();
            assert_eq!(
                (&done["written"]["added"], &done["vectors_kept"]),
                (&BOOKS.into(), &BOOKS.into()),
                "{representation}: {done}"
            );
            // To the last bit, whatever the notation.
            let exported =
                sandbox.run(&["export", "embeddings", "--format", "jsonl", "--db", &url]).expect_code(0).stdout;
            let texts: Vec<String> = samples().iter().map(title_and_description).collect();
            let expected = THEIR_MODEL.0.encode_batch(&texts, 2);
            assert_eq!(exported.lines().count(), BOOKS);
            for line in exported.lines() {
                let row: Value = serde_json::from_str(line).expect("JSON");
                let vector: Vec<f32> = serde_json::from_value(row["embedding"].clone()).expect("numbers");
                // Each key ends in the book's number.
                let key = row["book_id"].as_str().expect("a key").trim_end_matches(" é");
                let number: usize = key.rsplit(['-', ' ']).next().and_then(|end| end.parse().ok()).expect("a number");
                let expected = &expected[number].vector;
                assert_eq!((&row["precision"], &vector), (&"f32".into(), expected), "{representation}: {key}");
            }
            let embedded = sandbox.run(&["backfill", "--json", "--db", &url]).expect_code(0).json();
            assert_eq!(embedded["embedded"], 0, "{representation}: {embedded}");
            if n == 0 {
                measured_agreement_is_shown(&sandbox, &url);
            }
            // Again: nothing is written twice.
            let done = adopt(&["--copy"]).json()["done"].clone();
            assert_eq!((&done["written"]["unchanged"], &done["vectors_kept"]), (&BOOKS.into(), &0.into()), "{done}");
            sandbox.run(&["adopt", "--undo", "--yes", "--db", &url]).expect_code(0);
            assert_eq!(server.dump(&name, &[]), before, "{representation}: no trace is left");
        }
    }
}

fn measured_agreement_is_shown(sandbox: &Sandbox, url: &str) {
    let service = Service::start(sandbox.command(&["serve", "--port", "0", "--db", url]));
    let (status, body) = get(&service.address, "/ready");
    let ready: Value = serde_json::from_str(&body).expect("JSON");
    let kept = &ready["precisions"][0];
    assert_eq!((status, &kept["precision"], &kept["embeddings"]), (200, &"f32".into(), &BOOKS.into()), "{ready}");
    let agreement = &kept["agreement"];
    assert_eq!(agreement["sampled"], BOOKS, "{ready}");
    assert!(agreement["least"].as_f64().is_some_and(|least| least > 0.998), "{ready}");
    let checked = sandbox.run(&["check", "--db", url]).expect_code(0).stdout;
    let said = format!("of {BOOKS}, {BOOKS} were compared with int8; cosine at least 0.99");
    assert!(checked.contains(&said) && checked.contains("all is well"), "{checked}");
    let checked = sandbox.run(&["check", "--json", "--db", url]).expect_code(0).json();
    assert_eq!(checked["agreements"][0], *agreement);
    // What was kept answers.
    let (_, found) = get(&service.address, "/api/search?q=a+monster+that+kills+warriors+in+a+hall&limit=3");
    assert!(found.contains("Beowulf"), "{found}");
}

#[test]
fn vectors_of_another_text_or_model_are_not_kept() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let sandbox = Sandbox::new();
    let adopt = |name: &str, more: &[&str]| {
        sandbox.run(&[&["adopt", "--json", "--db", &url(&server, name)], more].concat()).expect_code(0).json()
    };
    // Another text than libellus embeds: the model agrees, and yet no vector is of use.
    server.database("described");
    run_script(
        &server,
        "described",
        &tables("integer", "real[]", |book| book["description"].as_str().expect("text").to_owned()),
    );
    let report = adopt("described", &["--copy"]);
    assert_eq!(
        (&report["comparison"]["tried"][0]["template"], &report["verdict"]["keep"]),
        (&"{description}".into(), &true.into()),
        "{report}"
    );
    assert_eq!(
        (&report["comparison"]["same_text"], &report["done"]["vectors_kept"]),
        (&0.into(), &0.into()),
        "{report}"
    );
    assert_eq!(report["done"]["vectors_not_kept"]["other_text"], BOOKS);
    // Nothing was kept, so nothing is claimed.
    let embedded = sandbox.run(&["backfill", "--json", "--db", &url(&server, "described")]).expect_code(0).json();
    assert_eq!(embedded["embedded"], BOOKS);

    let few = adopt("described", &["--sample", "10", "--text", "{description}"]);
    assert_eq!(few["verdict"]["keep"], false, "{few}");
    assert!(few["verdict"]["reason"].as_str().is_some_and(|reason| reason.contains("only 10 of 24")), "{few}");

    // A text that nobody would guess: given, it is recognised.
    server.database("odd");
    run_script(
        &server,
        "odd",
        &tables("integer", "real[]", |book| {
            format!(
                "passage: {} ({})",
                book["description"].as_str().expect("text"),
                book["title"].as_str().expect("text")
            )
        }),
    );
    assert_eq!(adopt("odd", &["--text", TEXT])["verdict"]["keep"], false);
    let report = adopt("odd", &["--text", "passage: {description} ({title})"]);
    assert_eq!((&report["verdict"]["keep"], &report["comparison"]["same_text"]), (&true.into(), &0.into()), "{report}");

    // Another model, or none: vectors of the right width and length, but from somewhere else; one row is enough.
    server.database("stale");
    run_script(&server, "stale", &tables("integer", "real[]", title_and_description));
    server.sql("stale", "UPDATE book_embeddings e SET embedding = (SELECT embedding FROM book_embeddings WHERE book_id = 7) WHERE book_id = 8");
    let report = adopt("stale", &["--copy", "--text", TEXT]);
    assert_eq!((&report["verdict"]["keep"], &report["done"]["vectors_kept"]), (&false.into(), &0.into()), "{report}");
    assert!(
        report["verdict"]["reason"].as_str().is_some_and(|reason| reason.contains("the least cosine is 0.")),
        "{report}"
    );
    assert_eq!(server.sql("stale", "SELECT count(*) FROM libellus.agreements"), "0");
}

#[test]
fn vectors_that_are_none_are_counted() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let sandbox = Sandbox::new();
    server.database("library");
    run_script(&server, "library", &tables("integer", "double precision[]", title_and_description));
    server.sql(
        "library",
        "UPDATE book_embeddings SET embedding = embedding[1:383] WHERE book_id = 1; \
         UPDATE book_embeddings SET embedding[5] = 'NaN' WHERE book_id IN (2, 3); \
         UPDATE book_embeddings SET embedding[5] = 1e300 WHERE book_id = 4; \
         UPDATE book_embeddings SET embedding[5] = NULL WHERE book_id = 5; \
         UPDATE book_embeddings SET embedding = (SELECT array_agg(2 * x) FROM unnest(embedding) x) WHERE book_id = 6; \
         DELETE FROM book_embeddings WHERE book_id IN (7, 8); \
         UPDATE book_embeddings SET embedding = NULL WHERE book_id = 9; \
         INSERT INTO book_embeddings (book_id, embedding) SELECT book_id, embedding FROM book_embeddings WHERE book_id = 10",
    );
    let finished =
        sandbox.run(&["adopt", "--text", TEXT, "--copy", "--json", "--db", &url(&server, "library")]).expect_code(0);
    let report = finished.json();
    let counts = &report["counts"];
    assert_eq!(
        (&counts["without_vector"], &counts["beyond_first"], &counts["books_without_embedding"]),
        (&1.into(), &1.into(), &3.into()),
        "{counts}"
    );
    let mut expected =
        serde_json::json!({"several": 1, "unreadable": 1, "wrong_width": 1, "not_finite": 3, "not_normalised": 1});
    assert_eq!(report["comparison"]["faults"], expected);
    expected["missing"] = 3.into();
    assert_eq!(
        (&report["done"]["vectors_not_kept"], &report["done"]["vectors_kept"]),
        (&expected, &(BOOKS - 10).into()),
        "{report}"
    );
    let people = sandbox.run(&["adopt", "--text", TEXT, "--db", &url(&server, "library")]).expect_code(0).stdout;
    for part in [
        "3 have one with a number that is not finite",
        "1 have one of another width",
        "3 books have no vector",
        "can be kept",
        "0.998 to 1 ",
        "Embedding all 24 books takes about",
        "is adopted already: copied, and not followed",
    ] {
        assert!(people.contains(part), "`{part}`: {people}");
    }
}

#[test]
fn a_followed_table_is_embedded_anew_as_it_changes() {
    let (Some(server), Some(program)) = (Server::start(server::POSTGRES), programs(server::PGBOUNCER)) else { return };
    let sandbox = Sandbox::new();
    server.database("library");
    run_script(&server, "library", &tables("text", "json", title_and_description));
    let before = server.dump("library", &[]);
    let pooler = Pooler::start(&program, &server);
    for db in [url(&server, "library"), pooler.location("library").to_string() + "?sslmode=disable"] {
        let looked = sandbox.run(&["adopt", "--db", &db]).expect_code(0).stdout;
        for part in
            ["public.books (table, 24 rows)", "→ id (the key)", "genre", "→ tags", "Nothing was written", "--sync"]
        {
            assert!(looked.contains(part), "`{part}`: {looked}");
        }
        let synced = sandbox.run(&["adopt", "--sync", "--text", TEXT, "--db", &db]).expect_code(0);
        for part in ["24 books added", "kept 24 vectors", "4 triggers note what changes", "libellus backfill"] {
            assert!(synced.stdout.contains(part), "`{part}`: {synced:#?}");
        }
        assert!(!synced.stdout.contains("secret") && !synced.stderr.contains("secret"), "{synced:#?}");

        let mut watching = sandbox.command(&["backfill", "--watch", "--json", "--db", &db]);
        let watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        server.sql(
            "library",
            "INSERT INTO books VALUES ('new', 'The Lighthouse Keeper', 'A. Writer', NULL, 'A keeper tends a lamp on a lonely rock.'); \
             UPDATE books SET description = 'Bees and their keeper in an orchard.' WHERE id = 'key 1 é'; \
             DELETE FROM books WHERE id = 'key 2 é'",
        );
        let is_done = "SELECT (SELECT count(*) FROM libellus.changes) || ' ' || \
                       (SELECT count(*) FROM libellus.passages p WHERE NOT EXISTS (SELECT FROM libellus.embeddings e \
                       WHERE e.passage_id = p.passage_id AND e.text_hash = p.text_hash)) || ' ' || \
                       (SELECT count(*) FROM libellus.books)";
        wait_until("the changes are embedded", || server.sql("library", is_done) == "0 0 24");
        signal(&watching, "TERM");
        let report = Finished::from(watching.wait_with_output().expect("it ends")).expect_code(130).json();
        assert_eq!((&report["changes"], &report["embedded"]), (&3.into(), &2.into()), "{report}");
        let found =
            sandbox.run(&["search", "--json", "--db", &db, "somebody who looks after bees"]).expect_code(0).json();
        assert_eq!(found["hits"][0]["book"]["id"], "key 1 é", "{found}");

        // Once, by hand; with a row that is no book any more.
        server.sql(
            "library",
            "UPDATE books SET title = '' WHERE id = 'new'; UPDATE books SET title = 'New' WHERE id = 'key 3 é'",
        );
        let taken = sandbox.run(&["adopt", "--sync", "--db", &db]).expect_code(1);
        assert!(taken.stdout.contains("2 changes: 0 books added, 1 updated, 0 unchanged, 1 deleted"), "{taken:#?}");
        assert!(taken.stderr.contains("record `new`, field `title`"), "{taken:#?}");
        let embedded = sandbox.run(&["backfill", "--json", "--db", &db]).expect_code(0).json();
        assert_eq!(embedded["embedded"], 1, "{embedded}");

        let undone = sandbox.run(&["adopt", "--undo", "--db", &db]).expect_code(0).stdout;
        for part in ["removed 4 triggers", "23 books", "--undo --yes"] {
            assert!(undone.contains(part), "`{part}`: {undone}");
        }
        let undone = sandbox.run(&["adopt", "--undo", "--yes", "--db", &db]).expect_code(0).stdout;
        assert!(undone.contains("dropped the catalogue: 23 books"), "{undone}");
        sandbox.run(&["adopt", "--undo", "--db", &db]).expect_error(1, &["no table was adopted"]);
        server.sql("library", "DROP TABLE books CASCADE; DROP TABLE book_embeddings");
        run_script(&server, "library", &tables("text", "json", title_and_description));
        assert_eq!(server.dump("library", &[]), before, "no trace is left");
    }
}

#[test]
fn rows_that_are_no_books_go_into_a_file() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let sandbox = Sandbox::new();
    let url = url(&server, "postgres");
    server.sql(
        "postgres",
        "CREATE TABLE titles (nr int UNIQUE, name text, author text); \
         INSERT INTO titles VALUES (1, 'One', 'A'), (2, NULL, 'B'), (NULL, 'Three', 'C')",
    );
    let error = sandbox
        .run(&["adopt", "--db", &url])
        .expect_error(2, &["no table has a title column", "`public.titles`", "--books"]);
    assert!(!error.stderr.contains("secret"), "{error:#?}");
    sandbox.run(&["adopt", "--books", "titles", "--db", &url]).expect_error(2, &["no primary key", "--key"]);
    sandbox.run(&["adopt", "--books", "titles", "--key", "nr", "--db", &url]).expect_error(2, &["no title column"]);
    let mapped = ["adopt", "--books", "titles", "--key", "nr", "--column", "title=name", "--db", &url];
    let copied = sandbox.run(&[&mapped[..], &["--copy", "--rejects", "rejected.csv"]].concat()).expect_code(1);
    assert!(copied.stderr.contains("public.titles, record `2`, field `title`"), "{copied:#?}");
    assert!(copied.stderr.contains("1 rows have no key"), "{copied:#?}");
    let rejects = std::fs::read_to_string(sandbox.path("rejected.csv")).expect("was written");
    assert!(
        rejects.starts_with("file,place,id,field,reason\n") && rejects.contains("public.titles,,2,title,"),
        "{rejects}"
    );
    // What was said once is remembered.
    let again = sandbox.run(&["adopt", "--copy", "--db", &url]).expect_code(1).stdout;
    assert!(again.contains("1 unchanged"), "{again}");
    let whole = sandbox.run(&["search", "--mode", "keyword", "--json", "--db", &url, "one"]).expect_code(0).json();
    assert_eq!(whole["hits"][0]["book"]["id"], "1");

    sandbox.run(&["adopt", "--db", "books.db"]).expect_error(2, &["`books.db` is a file", "postgresql://"]);
    sandbox.run(&["adopt", "--undo", "--db", "books.db"]).expect_error(2, &["is a file"]);
    sandbox.run(&["adopt", "--copy", "--sync", "--db", &url]).expect_error(2, &["cannot be used with"]);
    sandbox.run(&["adopt", "--yes", "--db", &url]).expect_error(2, &["--undo"]);
    sandbox.run(&["adopt", "--text", "title", "--db", &url]).expect_error(2, &["in braces"]);
    sandbox.run(&["adopt", "--text", "{titel}", "--db", &url]).expect_error(2, &["`{titel}`", "there are author, "]);
    sandbox.run(&["adopt", "--column", "title", "--db", &url]).expect_error(2, &["FIELD=COLUMN"]);
}

/// A table of numbered books.
fn numbered_table(count: usize) -> String {
    format!(
        "CREATE TABLE books (id int PRIMARY KEY, title text, author text); \
         INSERT INTO books SELECT n, 'Book ' || n, 'Author ' || n FROM generate_series(1, {count}) n"
    )
}

/// A table of numbered books that is followed, and the address of its database; `None` if there is no server.
fn followed_table(sandbox: &Sandbox, count: usize) -> Option<(Server, String)> {
    let server = Server::start(server::POSTGRES)?;
    let db = url(&server, "postgres");
    server.sql("postgres", &numbered_table(count));
    sandbox.run(&["adopt", "--sync", "--db", &db]).expect_code(0);
    Some((server, db))
}

#[test]
fn changed_rows_that_are_no_books_are_told_by_everyone_who_comes_by_them() {
    let sandbox = Sandbox::new();
    let Some((server, db)) = followed_table(&sandbox, 9) else { return };
    let spoil = |id: u32| server.sql("postgres", &format!("UPDATE books SET title = ' ' WHERE id = {id}"));
    let said = |finished: &Finished, id: u32| {
        let line = format!("rejected: the adopted table, record `{id}`, field `title`: ");
        assert!(finished.stderr.contains(&line), "{finished:#?}");
    };

    spoil(1);
    let backfilled = sandbox.run(&["backfill", "--json", "--db", &db]).expect_code(1);
    said(&backfilled, 1);
    let report = backfilled.json();
    assert_eq!((&report["rejected_rows"], &report["rejects"][0]["id"]), (&1.into(), &"1".into()), "{report}");
    let clean = sandbox.run(&["backfill", "--json", "--db", &db]).expect_code(0).json();
    assert_eq!((&clean["rejected_rows"], &clean["rejects"]), (&0.into(), &Value::Null), "{clean}");

    spoil(2);
    sandbox.file("more.csv", "id,title\nx,More\n");
    let imported = sandbox.run(&["import", "more.csv", "--db", &db]).expect_code(0);
    said(&imported, 2);
    assert!(imported.stdout.contains("1 rows that changed cannot be books"), "{imported:#?}");

    // Followed already: the same report as the first time, and where the rejects go, nothing else goes.
    spoil(3);
    let synced = sandbox.run(&["adopt", "--sync", "--json", "--db", &db]).expect_code(1);
    said(&synced, 3);
    let report = synced.json();
    assert_eq!(
        (&report["done"]["changes"]["rejected"], &report["mapping"]["key"], &report["done"]["books"]),
        (&1.into(), &"id".into(), &6.into()),
        "{report}"
    );
    spoil(4);
    let synced = sandbox.run(&["adopt", "--sync", "--rejects", "-", "--db", &db]).expect_code(1);
    let lines: Vec<&str> = synced.stdout.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("the adopted table,,4,title,"), "{synced:#?}");
    assert!(synced.stderr.contains("1 changes: "), "{synced:#?}");
    // All at once: the copy is no worse for what is no book.
    let copied = sandbox.run(&["adopt", "--copy", "--rejects", "-", "--db", &db]).expect_code(1);
    assert_eq!(copied.stdout.lines().count(), 5, "{copied:#?}");
    assert!(copied.stderr.contains("copied 9 rows"), "{copied:#?}");
}

#[test]
fn changes_and_embeddings_take_turns_and_a_stop_is_heard_between() {
    let sandbox = Sandbox::new();
    let Some((server, db)) = followed_table(&sandbox, 1300) else { return };
    server.sql("postgres", "UPDATE books SET author = 'Someone'");
    let location: Location = db.parse().expect("a location");
    let catalogue = Catalogue::open_at(&location, Access::ReadWrite).expect("opens");
    let library = Library::new(Arc::new(Encoder::builtin()), catalogue);
    let options = BackfillOptions { threads: 1, batch: 8, watch: false };
    let report = library.backfill(&options, &mut |_| ControlFlow::Break(())).expect("works");
    assert!(report.interrupted && report.changes == 500 && report.embedded == 8, "{report:?}");
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM libellus.changes"), "800");

    // A stop while the table is looked at: it is kept from being read until the signal has come.
    let mut lock = server.psql_command("postgres", "BEGIN; LOCK TABLE books; SELECT pg_sleep(60)");
    let mut lock = lock.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let is_locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the table is locked", || server.sql("postgres", is_locked) == "1");
    let mut looking = sandbox.command(&["adopt", "--copy", "--json", "--db", &db]);
    let looking = looking.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let is_waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    wait_until("it waits for the table", || server.sql("postgres", is_waiting) == "1");
    signal(&looking, "INT");
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    let _ = lock.wait();
    Finished::from(looking.wait_with_output().expect("it ends")).expect_code(130);
    assert_eq!(server.sql("postgres", "SELECT is_copied FROM libellus.adoption"), "t", "no copy was begun");
}

#[test]
fn books_are_cut_for_the_model_that_is_searched() {
    let sandbox = Sandbox::new();
    let Some((server, db)) = followed_table(&sandbox, 5) else { return };
    sandbox.run(&["backfill", "--db", &db]).expect_code(0);
    let tiny = tiny_model().canonicalize().expect("it is there").display().to_string();
    let waiting = || server.sql("postgres", "SELECT count(*) FROM libellus.changes");

    // Filling a second space leaves what changed to those who serve the first.
    server.sql("postgres", "UPDATE books SET author = 'Someone' WHERE id = 1");
    sandbox.run(&["migrate", "--to", &tiny, "--db", &db]).expect_code(0);
    assert_eq!(waiting(), "1");
    sandbox.run(&["backfill", "--db", &db]).expect_code(0);
    assert_eq!(waiting(), "0");

    // After the change-over, the older model is refused before anything is written.
    sandbox.run(&["migrate", "--to", &tiny, "--db", &db]).expect_code(0);
    sandbox.run(&["migrate", "--cut-over", "--db", &db]).expect_code(0);
    server.sql("postgres", "UPDATE books SET author = 'Another' WHERE id = 1");
    for what in ["--copy", "--sync"] {
        sandbox.run(&["adopt", what, "--db", &db]).expect_error(1, &["tiny", "all-MiniLM-L6-v2"]);
    }
    sandbox.run(&["backfill", "--db", &db]).expect_code(0);
    assert_eq!(
        (waiting(), server.sql("postgres", "SELECT is_copied FROM libellus.adoption")),
        ("1".into(), "t".into())
    );
    sandbox.run(&["adopt", "--sync", "--model", &tiny, "--db", &db]).expect_code(0);
    assert_eq!(waiting(), "0");
}

#[test]
fn a_watching_worker_embeds_what_it_can_before_it_says_that_the_table_has_changed() {
    let sandbox = Sandbox::new();
    let Some((server, db)) = followed_table(&sandbox, 5) else { return };
    sandbox.run(&["backfill", "--db", &db]).expect_code(0);
    let mut watching = sandbox.command(&["backfill", "--watch", "--db", &db]);
    let watching = watching.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // A passage to embed, and a change that cannot be dealt with, at once.
    server.sql(
        "postgres",
        "BEGIN; ALTER TABLE books RENAME author TO writer; UPDATE books SET writer = 'Someone' WHERE id = 1; \
         DELETE FROM libellus.embeddings; COMMIT",
    );
    let finished = Finished::from(watching.wait_with_output().expect("it ends"));
    let finished = finished.expect_error(1, &["`public.books`", "libellus adopt --sync --books public.books"]);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM libellus.embeddings"), "5", "{finished:#?}");
    sandbox.run(&["adopt", "--sync", "--books", "public.books", "--db", &db]).expect_code(0);
    sandbox.run(&["backfill", "--db", &db]).expect_code(0);
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM libellus.changes"), "0");
}
