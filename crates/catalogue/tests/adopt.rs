//! Another program's tables, adopted: with real servers, and with what real tables are like.

mod common;

use common::server::{self, Pooler, Server, programs, wait_until};
use common::{Words, book, books_of};
use libellus_catalogue::adopt::{
    Adoption, Agreement, ChangesTaken, CopyStep, ForeignTables, Mapping, OWN_TEXT, TableKind, Undone, VectorFault,
    Wishes,
};
use libellus_catalogue::{Access, Book, Catalogue, Error, Location};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A table as the replaced backend has it, with so many books.
fn books_table(count: usize) -> String {
    format!(
        "CREATE TABLE books (id uuid PRIMARY KEY, title text, author text, description text, stock integer); \
         INSERT INTO books SELECT md5(n::text)::uuid, 'Title ' || n, 'Author ' || n, 'About ' || n || '.', n \
         FROM generate_series(1, {count}) n"
    )
}

fn find(location: &Location, wishes: &Wishes) -> Result<Mapping, Error> {
    ForeignTables::open(location)?.find(wishes)
}

fn found(location: &Location) -> Mapping {
    find(location, &Wishes::default()).unwrap_or_else(|error| panic!("{location}: {error:?}"))
}

/// Copies to the end, and returns all steps.
fn copy(adoption: &Adoption) -> Vec<CopyStep> {
    let mut steps: Vec<CopyStep> = Vec::new();
    while steps.last().is_none_or(|step| !step.is_last) {
        steps.push(adoption.copy_batch(&Words, None, 2).expect("copies"));
    }
    steps
}

fn adopt(location: &Location, mapping: &Mapping) -> Adoption {
    let adoption = Adoption::open(location).expect("opens");
    adoption.begin(mapping, None).expect("begins");
    copy(&adoption);
    adoption
}

fn followed(location: &Location, mapping: &Mapping) -> Adoption {
    let adoption = Adoption::open(location).expect("opens");
    adoption.begin(mapping, None).expect("begins");
    adoption.follow().expect("follows");
    copy(&adoption);
    adoption
}

fn take_all(catalogue: &Catalogue) -> ChangesTaken {
    let mut all = ChangesTaken::default();
    loop {
        let taken = catalogue.take_changes(&Words).expect("takes changes");
        if taken.changes == 0 {
            return all;
        }
        all.add(taken);
    }
}

fn catalogue(location: &Location) -> Catalogue {
    Catalogue::open_at(location, Access::ReadWrite).expect("opens")
}

fn sorted(catalogue: &Catalogue) -> Vec<Book> {
    let mut books = books_of(catalogue);
    books.sort_by(|one, other| one.id.cmp(&other.id));
    books
}

/// That the catalogue is what a new copy of the table would be.
#[track_caller]
fn assert_is_a_fresh_copy(server: &Server, database: &str, location: &Location, mapping: &Mapping) {
    let fresh = format!("{database}_fresh");
    server.sql("postgres", &format!("DROP DATABASE IF EXISTS {fresh}"));
    let copied = server.database(&fresh);
    let tables = server.dump(database, &["--exclude-schema=libellus", "--clean", "--if-exists"]);
    // Triggers refer to a schema that is left out, and are not part of what is copied.
    let tables: String =
        tables.split_inclusive(";\n").filter(|statement| !statement.contains("CREATE TRIGGER libellus_")).collect();
    let script = server.file("dump.sql", &tables);
    let mut psql = server.psql_command(&fresh, &format!("\\i {}", script.display()));
    let output = psql.output().expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let adoption = adopt(&copied, mapping);
    drop(adoption);
    assert_eq!(sorted(&catalogue(location)), sorted(&catalogue(&copied)));
}

#[test]
fn looking_writes_nothing_and_needs_no_right_to() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    server.database("shop");
    server.sql(
        "shop",
        &format!(
            "{}; CREATE TABLE book_embeddings (book_id uuid REFERENCES books, embedding real[]); \
             INSERT INTO book_embeddings SELECT id, '{{1,0}}' FROM books WHERE stock > 10; \
             INSERT INTO book_embeddings SELECT id, '{{1,0}}' FROM books WHERE stock = 11; \
             INSERT INTO book_embeddings SELECT id, NULL FROM books WHERE stock = 1; \
             CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            books_table(30)
        ),
    );
    let before = server.dump("shop", &[]);
    let tables = ForeignTables::open(&server.location("reader", "shop", "")).expect("opens");
    let mapping = tables.find(&Wishes::default()).expect("found");
    let counts = tables.count(&mapping).expect("counts");
    assert_eq!((counts.books, counts.embeddings, counts.without_vector, counts.beyond_first), (30, 22, 1, 1));
    assert_eq!((counts.books_without_embedding, counts.embeddings_without_book), (10, 0));
    let sample = tables.sample(&mapping, 100).expect("reads");
    assert_eq!(sample.len(), 20, "those with a vector");
    let several = sample.iter().filter(|row| row.vector(2) == Err(VectorFault::Several)).count();
    assert_eq!((several, sample.iter().filter(|row| row.vector(2) == Ok(vec![1.0, 0.0])).count()), (1, 19));
    assert_eq!(tables.adopted().expect("reads"), None);
    assert_eq!(server.dump("shop", &[]), before);
    let error = Adoption::open(&server.location("reader", "shop", "")).expect_err("may not");
    assert!(matches!(error, Error::MissingRights { .. }) && error.to_string().contains("GRANT CREATE"), "{error}");
    assert_eq!(server.dump("shop", &[]), before);
    // A right that is lost later is named by its table.
    server.sql("shop", "REVOKE SELECT ON book_embeddings FROM reader");
    let error = tables.count(&mapping).expect_err("may not read vectors").to_string();
    assert!(error.contains("`GRANT SELECT ON \"public\".\"book_embeddings\" TO \"reader\"`"), "{error}");
    let file = "books.db".parse().expect("a location");
    assert!(matches!(ForeignTables::open(&file), Err(Error::NothingToAdopt { .. })));
}

#[test]
fn tables_of_every_kind_are_copied() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    for (name, sql, kind, expected) in [
        (
            "integers",
            "CREATE TABLE books (id serial PRIMARY KEY, title varchar(99), year int); \
          INSERT INTO books (title, year) SELECT 'Title ' || n, 1900 + n FROM generate_series(1, 1300) n",
            TableKind::Table,
            1300,
        ),
        (
            "texts",
            "CREATE TABLE books (slug text PRIMARY KEY, title text, tags text[]); \
          INSERT INTO books SELECT 'ä ' || n, 'Title ' || n, ARRAY['one', 'two'] FROM generate_series(1, 700) n",
            TableKind::Table,
            700,
        ),
        (
            "view",
            "CREATE TABLE t (a text, b text, c text); INSERT INTO t VALUES ('1', 'One', 'A'), ('2', 'Two', 'B'); \
          CREATE VIEW books AS SELECT a AS id, b AS title, c AS author FROM t",
            TableKind::View,
            2,
        ),
        (
            "stored_view",
            "CREATE TABLE t (a text, b text, c text); INSERT INTO t VALUES ('1', 'One', 'A'); \
          CREATE MATERIALIZED VIEW books AS SELECT a AS id, b AS title, c AS author FROM t",
            TableKind::MaterializedView,
            1,
        ),
        (
            "partitions",
            "CREATE TABLE books (id int PRIMARY KEY, title text, year int) PARTITION BY RANGE (id); \
          CREATE TABLE few PARTITION OF books FOR VALUES FROM (0) TO (10); \
          CREATE TABLE many PARTITION OF books FOR VALUES FROM (10) TO (9999); \
          INSERT INTO books SELECT n, 'Title ' || n, 2000 FROM generate_series(1, 900) n",
            TableKind::Partitioned,
            900,
        ),
        (
            "quoted",
            "CREATE SCHEMA \"Die Bücher\"; CREATE TABLE \"Die Bücher\".\"Titel; DROP TABLE x\" \
          (\"Kenn\"\"ung\" bigint PRIMARY KEY, \"Titel\" text, \"Regal 'oben'\" text, \"पुस्तक का नाम\" text, autor text); \
          INSERT INTO \"Die Bücher\".\"Titel; DROP TABLE x\" VALUES (1, 'Eins', 'x', 'एक', 'A')",
            TableKind::Table,
            1,
        ),
    ] {
        let location = server.database(name);
        server.sql(name, sql);
        let mapping = found(&location);
        assert_eq!(mapping.kind, kind, "{name}");
        let adoption = adopt(&location, &mapping);
        let copied = sorted(&catalogue(&location));
        assert_eq!(copied.len(), expected, "{name}");
        let expected_rows = server.sql(name, "SELECT count(*) FROM libellus.adopted_books");
        assert_eq!(expected_rows, expected.to_string(), "{name}");
        match name {
            "texts" => {
                assert_eq!((copied[0].id.as_str(), &copied[0].subjects[..]), ("ä 1", &["one".into(), "two".into()][..]))
            }
            "quoted" => {
                assert_eq!((copied[0].id.as_str(), copied[0].title.as_str()), ("1", "Eins"));
                assert_eq!(
                    (copied[0].authors.join(", "), copied[0].extra["Regal 'oben'"].as_str()),
                    ("A".to_owned(), Some("x"))
                );
            }
            _ => {}
        }
        if !kind.can_be_followed() {
            let message = adoption.follow().expect_err("no triggers").to_string();
            assert!(message.contains(&kind.to_string()) && message.contains("adopt --copy"), "{message}");
        }
    }
}

#[test]
fn rows_that_are_no_books_are_reported_with_their_key() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql(
        "shop",
        "CREATE TABLE books (id text UNIQUE, title text, author text, year text); INSERT INTO books VALUES \
         ('a', 'Alpha', 'A', '1999'), ('b', NULL, 'B', NULL), ('c', '  ', 'C', NULL), (NULL, 'Delta', 'D', NULL), \
         ('e', 'Epsilon', NULL, 'long ago'), ('', 'Zeta', NULL, NULL)",
    );
    let mapping = found(&location);
    let tables = ForeignTables::open(&location).expect("opens");
    assert_eq!(tables.count(&mapping).expect("counts").without_key, 1);
    let adoption = Adoption::open(&location).expect("opens");
    adoption.begin(&mapping, None).expect("begins");
    let [step] = &copy(&adoption)[..] else { panic!("one step") };
    assert_eq!((step.rows, step.written.added, step.rejects.len(), step.warnings.len()), (5, 2, 3, 1));
    let rejected: Vec<Option<&str>> = step.rejects.iter().map(|reject| reject.id.as_deref()).collect();
    assert_eq!(rejected, [None, Some("b"), Some("c")]);
    assert!(step.warnings[0].reason.contains("`long ago` is not a year"), "{:?}", step.warnings);

    server.sql("shop", "CREATE TABLE twice (id text, title text, author text); INSERT INTO twice VALUES ('x', 'X', 'X'), ('x', 'Y', 'Y')");
    let twice = find(&location, &Wishes { books: Some("twice".to_owned()), ..Wishes::default() }).expect("found");
    let error = tables.count(&twice).expect_err("a key twice").to_string();
    assert!(error.contains("`x` in the column `id`") && error.contains("--key"), "{error}");
    server.sql("shop", "CREATE TABLE pair (a int, b int, title text, author text, PRIMARY KEY (a, b))");
    let error =
        find(&location, &Wishes { books: Some("pair".to_owned()), ..Wishes::default() }).expect_err("two columns");
    assert!(error.to_string().contains("2 columns (a, b)"), "{error}");
}

#[test]
fn a_copy_that_was_stopped_goes_on_and_another_table_is_refused() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(1200));
    let mapping = found(&location);
    let adoption = Adoption::open(&location).expect("opens");
    assert_eq!(adoption.begin(&mapping, None).expect("begins"), None);
    adoption.follow().expect("follows");
    adoption.copy_batch(&Words, None, 2).expect("copies");
    drop(adoption);
    let state = ForeignTables::open(&location).and_then(|tables| tables.adopted()).expect("reads").expect("begun");
    assert!(!state.is_copied && state.following.triggers == 4, "{state:?}");
    let adoption = Adoption::open(&location).expect("opens");
    assert!(adoption.begin(&mapping, None).expect("goes on").is_some());
    let steps = copy(&adoption);
    assert_eq!(steps.iter().map(|step| step.written.added).sum::<u64>(), 700);
    assert_eq!(catalogue(&location).statistics("s").expect("counts").books, 1200);

    // Again, from the start: what is gone goes, and what came from elsewhere stays.
    catalogue(&location).put_books(&[book("mine", "Imported from a file.")], &Words).expect("writes");
    server.sql("shop", "DELETE FROM books WHERE stock <= 100; UPDATE books SET title = 'New' WHERE stock = 101");
    assert_eq!(adoption.begin(&mapping, None).expect("begins anew"), None);
    let steps = copy(&adoption);
    let sum = |count: fn(&CopyStep) -> u64| steps.iter().map(count).sum::<u64>();
    assert_eq!(
        (sum(|step| step.written.updated), sum(|step| step.written.unchanged), sum(|step| step.deleted)),
        (1, 1099, 100)
    );
    let books = sorted(&catalogue(&location));
    assert!(books.len() == 1101 && books.iter().any(|book| book.id == "mine"));

    server.sql("shop", "CREATE TABLE other (id int PRIMARY KEY, title text, author text)");
    let other = find(&location, &Wishes { books: Some("other".to_owned()), ..Wishes::default() }).expect("found");
    let error = adoption.begin(&other, None).expect_err("another is adopted").to_string();
    assert!(error.contains("`public.books` (by its column `id`)") && error.contains("adopt --undo"), "{error}");
}

#[test]
fn a_copy_goes_on_only_where_every_change_since_was_noted() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(1200));
    let mapping = found(&location);
    let adoption = Adoption::open(&location).expect("opens");
    adoption.begin(&mapping, None).expect("begins");
    adoption.copy_batch(&Words, None, 2).expect("copies");
    let change_the_first = |title: &str| {
        let first = "SELECT id FROM books ORDER BY id LIMIT 1";
        server.sql("shop", &format!("UPDATE books SET title = '{title}' WHERE id = ({first})"));
    };

    // No trigger was there: a row of the part that was copied has changed, and nobody noted it.
    change_the_first("Changed meanwhile");
    assert_eq!(adoption.begin(&mapping, None).expect("begins anew"), None);
    adoption.follow().expect("follows");
    // Stopped again, with triggers by now: goes on, and the change that is noted is not lost.
    adoption.copy_batch(&Words, None, 2).expect("copies");
    change_the_first("Changed again");
    assert!(adoption.begin(&mapping, None).expect("goes on").is_some());
    assert_eq!(copy(&adoption).iter().map(|step| step.rows).sum::<u64>(), 700);
    assert_eq!(take_all(&catalogue(&location)).written.updated, 1);
    assert_is_a_fresh_copy(&server, "shop", &location, &mapping);

    // One of the triggers is gone.
    adoption.begin(&mapping, None).expect("begins anew");
    adoption.copy_batch(&Words, None, 2).expect("copies");
    server.sql("shop", "DROP TRIGGER libellus_update ON books");
    change_the_first("Changed unseen");
    assert_eq!(adoption.begin(&mapping, None).expect("begins anew"), None);
    copy(&adoption);
    assert_is_a_fresh_copy(&server, "shop", &location, &mapping);

    // No view is followed.
    let viewed = server.database("viewed");
    server.sql("viewed", &format!("{}; ALTER TABLE books RENAME TO t; CREATE VIEW books AS TABLE t", books_table(600)));
    let view =
        find(&viewed, &Wishes { books: Some("books".to_owned()), key: Some("id".to_owned()), ..Wishes::default() });
    let (view, adoption) = (view.expect("found"), Adoption::open(&viewed).expect("opens"));
    adoption.begin(&view, None).expect("begins");
    adoption.copy_batch(&Words, None, 2).expect("copies");
    assert_eq!(adoption.begin(&view, None).expect("begins anew"), None);
}

#[test]
fn what_a_newer_version_noted_is_left_alone() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(10));
    let mapping = found(&location);
    let adoption = followed(&location, &mapping);
    let catalogue = catalogue(&location);
    server.sql(
        "shop",
        "UPDATE books SET title = 'New' WHERE stock < 4; UPDATE libellus.adoption SET mapping = '{\"a\": 1}'",
    );
    let refusals = [
        catalogue.take_changes(&Words).map(drop),
        adoption.begin(&mapping, None).map(drop),
        adoption.copy_batch(&Words, None, 2).map(drop),
        adoption.follow().map(drop),
        ForeignTables::open(&location).and_then(|tables| tables.adopted()).map(drop),
    ];
    for refused in refusals {
        let error = refused.expect_err("is not known");
        assert!(
            matches!(error, Error::UnknownAdoption { .. }) && error.to_string().contains("update libellus"),
            "{error}"
        );
    }
    assert_eq!(server.sql("shop", "SELECT count(*) FROM libellus.changes"), "3", "they wait");
    // Undone all the same. Then nothing is followed, and what was noted on the way is forgotten.
    server.sql("shop", "CREATE TABLE kept AS TABLE libellus.changes");
    adoption.undo(false).expect("undoes");
    server.sql("shop", "INSERT INTO libellus.changes (key) SELECT key FROM kept");
    let taken = catalogue.take_changes(&Words).expect("forgets");
    assert_eq!((taken.changes, taken.written.updated), (3, 0));
    assert_eq!(server.sql("shop", "SELECT count(*) FROM libellus.changes"), "0");
}

/// Someone's session in the shop, in the midst of a transaction that has come to its `pg_sleep`.
fn session(server: &Server, sql: &str) -> Child {
    let session = server.psql_command("shop", sql).stdout(Stdio::null()).spawn().expect("starts");
    wait_until("it has come to its sleep", || {
        server.sql("shop", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1"
    });
    session
}

#[test]
fn undoing_waits_for_nobody_while_it_keeps_their_table_from_them() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(20));
    let adoption = followed(&location, &found(&location));
    // Someone reads the catalogue for long.
    let mut reader = session(&server, "BEGIN; SELECT count(*) FROM libellus.books; SELECT pg_sleep(60)");
    thread::scope(|scope| {
        let undone = scope.spawn(|| adoption.undo(true));
        let is_held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = \
                       'public.books'::regclass";
        while !undone.is_finished() {
            assert_eq!(server.sql("shop", is_held), "0");
        }
        let error = undone.join().expect("ends").expect_err("the reader is in the way");
        assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    });
    server.sql("shop", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    let _ = reader.wait();
    adoption.undo(true).expect("undoes");
}

#[test]
fn long_rows_come_in_small_batches_and_what_cannot_be_read_stays_as_it_was() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    let size = "repeat('word ', 240000)";
    server.sql(
        "shop",
        &format!(
            "CREATE TABLE books (id int PRIMARY KEY, title text, author text, appendix text, shape jsonb); \
             INSERT INTO books SELECT n, 'Title ' || n, NULL, {size}, '[1]' FROM generate_series(1, 20) n"
        ),
    );
    let mapping = found(&location);
    let adoption = Adoption::open(&location).expect("opens");
    adoption.begin(&mapping, None).expect("begins");
    adoption.follow().expect("follows");
    // 1.2 MB each, and 8 MiB a batch.
    let steps: Vec<u64> = copy(&adoption).iter().map(|step| step.rows).collect();
    assert_eq!(steps, [7, 7, 6]);

    let catalogue = catalogue(&location);
    server.sql("shop", "UPDATE books SET author = 'Someone'; DELETE FROM books WHERE id IN (2, 19)");
    let first = catalogue.take_changes(&Words).expect("takes changes");
    assert_eq!((first.changes, first.written.updated, first.deleted), (7, 7, 0));
    let rest = take_all(&catalogue);
    assert_eq!((first.written.updated + rest.written.updated, first.deleted + rest.deleted), (18, 2));
    assert_eq!(first.changes + rest.changes, 22);

    // Deeper than a reader goes, and longer than a record may be; the third is no book, which is another matter.
    server.sql(
        "shop",
        "UPDATE books SET title = 'New', shape = (repeat('[', 300) || repeat(']', 300))::jsonb WHERE id = 3; \
         UPDATE books SET title = 'New', appendix = repeat('x', 17 << 20) WHERE id = 4; UPDATE books SET title = '' WHERE id = 5",
    );
    let reasons = |rejects: &[libellus_catalogue::import::Reject]| -> Vec<String> {
        let mut reasons: Vec<String> =
            rejects.iter().map(|reject| format!("{} {}", reject.id.as_deref().unwrap_or(""), reject.reason)).collect();
        reasons.sort();
        reasons
    };
    let taken = take_all(&catalogue);
    assert_eq!((taken.rejected, taken.deleted, taken.written.updated), (3, 1, 0), "{taken:?}");
    let said = reasons(&taken.rejects);
    assert!(said[0].starts_with("3 a value of the row cannot be read: recursion limit"), "{said:?}");
    assert_eq!(said[1], "4 the row is longer than 16 MiB");
    assert!(said[2].contains("no title"), "{said:?}");
    let titles = |id: &str| catalogue.book(id).expect("reads").map(|book| book.title);
    assert_eq!((titles("3"), titles("4"), titles("5")), (Some("Title 3".into()), Some("Title 4".into()), None));

    // The same for those who copy.
    adoption.begin(&mapping, None).expect("begins anew");
    let steps = copy(&adoption);
    assert_eq!(steps.iter().map(|step| step.deleted).sum::<u64>(), 0);
    let rejects: Vec<_> = steps.into_iter().flat_map(|step| step.rejects).collect();
    assert_eq!(reasons(&rejects), said);
    assert_eq!(titles("3"), Some("Title 3".into()));
}

#[test]
fn a_table_whose_columns_have_changed_is_named_with_the_way_out() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(10));
    let mapping = found(&location);
    let adoption = followed(&location, &mapping);
    let catalogue = catalogue(&location);
    let tables = ForeignTables::open(&location).expect("opens");
    for (change, back) in [
        ("ALTER TABLE books RENAME description TO about", "ALTER TABLE books RENAME about TO description"),
        ("ALTER TABLE books ALTER id TYPE text", "ALTER TABLE books ALTER id TYPE uuid USING id::uuid"),
        ("ALTER TABLE books RENAME TO works", "ALTER TABLE works RENAME TO books"),
    ] {
        server.sql("shop", "UPDATE books SET author = author");
        server.sql("shop", change);
        let refusals = [
            catalogue.take_changes(&Words).map(drop),
            tables.sample(&mapping, 5).map(drop),
            tables.count(&mapping).map(drop),
        ];
        // A table that is there under its name can be counted.
        for refused in refusals.into_iter().take(if change.contains("works") { 3 } else { 1 }) {
            let error = refused.expect_err(change);
            assert!(matches!(error, Error::TableChanged { .. }), "{change}: {error:?}");
            assert!(error.to_string().contains("`libellus adopt --sync --books public.books`"), "{error}");
        }
        server.sql("shop", back);
        assert_eq!(take_all(&catalogue).changes, 10, "{change}: they waited");
    }
    // Adopted as it is now: the same table by the same key.
    server.sql("shop", "ALTER TABLE books DROP description");
    adoption.begin(&found(&location), None).expect("begins anew");
    copy(&adoption);
    assert!(sorted(&catalogue).iter().all(|book| book.description.is_none()));
}

#[test]
fn keys_of_two_types_belong_together() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    for (name, of_books, of_vectors, key) in [
        ("wider", "integer", "bigint", "n"),
        ("narrower", "bigint", "smallint", "n"),
        ("texts", "text", "varchar(40)", "'key ' || n"),
        ("lax", "uuid", "text", "md5(n::text)::uuid"),
        ("strict", "text", "uuid", "md5(n::text)::uuid"),
    ] {
        let location = server.database(name);
        server.sql(
            name,
            &format!(
                "CREATE TABLE books (id {of_books} PRIMARY KEY, title text, author text); \
                 CREATE TABLE book_embeddings (book_id {of_vectors}, embedding real[]); \
                 INSERT INTO books SELECT {key}, 'Title ' || n FROM generate_series(1, 9) n; \
                 INSERT INTO book_embeddings SELECT {key}, '{{0,1}}' FROM generate_series(1, 5) n"
            ),
        );
        if name == "narrower" {
            // No smallint is as large.
            server.sql(name, "INSERT INTO books VALUES (9999999999, 'Far away')");
        }
        let (mapping, tables) = (found(&location), ForeignTables::open(&location).expect("opens"));
        let counts = tables.count(&mapping).expect("counts");
        assert_eq!((counts.embeddings, counts.embeddings_without_book), (5, 0), "{name}");
        let sample = tables.sample(&mapping, 50).expect("reads");
        assert!(sample.len() == 5 && sample.iter().all(|row| row.vector(2) == Ok(vec![0.0, 1.0])), "{name}");
    }
}

#[test]
fn vectors_are_kept_of_a_text_that_is_known() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql(
        "shop",
        &format!(
            "{}; CREATE TABLE book_embeddings (book_id uuid PRIMARY KEY, embedding real[]); \
             INSERT INTO book_embeddings SELECT id, '{{0,1}}' FROM books",
            books_table(6)
        ),
    );
    let mapping = found(&location);
    let adoption = Adoption::open(&location).expect("opens");
    for (template, kept, other_text) in [("{title", 0, 0), ("{author}", 0, 6), (OWN_TEXT, 6, 0)] {
        let agreement = Agreement {
            space: "s".to_owned(),
            precision: "f32".to_owned(),
            compared_with: "int8".to_owned(),
            template: template.to_owned(),
            sampled: 6,
            of: 6,
            least: 1.0,
            mean: 1.0,
        };
        adoption.begin(&mapping, Some(&agreement)).expect("begins");
        let step = adoption.copy_batch(&Words, Some(&agreement), 2).expect("copies");
        let others = step.not_kept.get(&VectorFault::OtherText).copied().unwrap_or_default();
        assert_eq!((step.rows, step.kept, others), (6, kept, other_text), "{template}");
    }
}

#[test]
fn whatever_happens_to_the_table_happens_to_the_copies() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    for (name, table) in [
        ("plain", "CREATE TABLE books (id text PRIMARY KEY, title text, author text)".to_owned()),
        (
            "parts",
            "CREATE TABLE books (id text PRIMARY KEY, title text, author text) PARTITION BY RANGE (id); \
             CREATE TABLE low PARTITION OF books FOR VALUES FROM (MINVALUE) TO ('m'); \
             CREATE TABLE high PARTITION OF books FOR VALUES FROM ('m') TO (MAXVALUE)"
                .to_owned(),
        ),
    ] {
        let location = server.database(name);
        server.sql(
            name,
            &format!("{table}; INSERT INTO books SELECT chr(96 + n), 'Title ' || n FROM generate_series(1, 26) n"),
        );
        let mapping = found(&location);
        let adoption = followed(&location, &mapping);
        assert_eq!(adoption.follow().expect("once more").triggers, if name == "parts" { 12 } else { 4 });
        let catalogue = catalogue(&location);
        catalogue.put_books(&[book("mine", "Imported from a file.")], &Words).expect("writes");
        for (sql, (added, updated, deleted)) in [
            ("INSERT INTO books VALUES ('new', 'New')", (1, 0, 0)),
            ("UPDATE books SET author = 'Someone' WHERE id < 'd'", (0, 3, 0)),
            ("UPDATE books SET author = author", (0, 0, 0)),
            ("UPDATE books SET id = 'zz' WHERE id = 'a'", (1, 0, 1)),
            ("DELETE FROM books WHERE id IN ('b', 'c')", (0, 0, 2)),
            (
                "INSERT INTO books VALUES ('new', 'Newer'), ('newest', 'Newest') ON CONFLICT (id) DO UPDATE SET title = excluded.title",
                (1, 1, 0),
            ),
            ("UPDATE books SET title = NULL WHERE id = 'd'", (0, 0, 1)),
            ("UPDATE books SET title = 'Again' WHERE id = 'd'", (1, 0, 0)),
            ("DELETE FROM books WHERE id = 'mine'", (0, 0, 0)),
            ("BEGIN; INSERT INTO books VALUES ('never', 'Never'); ROLLBACK", (0, 0, 0)),
            ("BEGIN; DELETE FROM books WHERE id = 'e'; INSERT INTO books VALUES ('e', 'Once more'); COMMIT", (0, 1, 0)),
            ("TRUNCATE books", (0, 0, 26)),
            ("COPY books (id, title) FROM PROGRAM 'printf ''x\\tX\\ny\\tY\\n'''", (2, 0, 0)),
        ] {
            server.sql(name, sql);
            let taken = take_all(&catalogue);
            assert_eq!(
                (taken.written.added, taken.written.updated, taken.deleted),
                (added, updated, deleted),
                "{name}: {sql}"
            );
            let theirs =
                server.sql(name, "SELECT id, title FROM books WHERE title IS NOT NULL ORDER BY id COLLATE \"C\"");
            let ours: Vec<String> = sorted(&catalogue)
                .into_iter()
                .filter(|book| book.id != "mine")
                .map(|book| format!("{}|{}", book.id, book.title))
                .collect();
            assert_eq!(ours.join("\n"), theirs, "{name}: {sql}");
        }
        if name == "parts" {
            server.sql(name, "INSERT INTO high VALUES ('zebra', 'Directly'); UPDATE low SET title = 'x'");
            assert_eq!(take_all(&catalogue).written.added, 1, "what happens to a partition");
        }
        assert!(books_of(&catalogue).iter().any(|book| book.id == "mine"), "what was imported stays");
    }
}

#[test]
fn a_trigger_is_never_the_reason_that_their_transaction_fails_or_waits() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(20));
    followed(&location, &found(&location));
    // A role that may not even look into our schema, with a search path full of traps.
    server.sql(
        "shop",
        "CREATE ROLE clerk LOGIN; GRANT ALL ON books TO clerk; CREATE SCHEMA trap AUTHORIZATION clerk; \
         CREATE TABLE trap.changes (key text); ALTER ROLE clerk SET search_path = trap, public",
    );
    let as_clerk = |sql: &str| {
        let mut psql = server.psql_command("shop", sql);
        psql.args(["-U", "clerk"]);
        let output = psql.output().expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(as_clerk("UPDATE public.books SET stock = 7 WHERE stock = 1"), "");
    let catalogue = catalogue(&location);
    assert_eq!(take_all(&catalogue).written.updated, 1);

    // The table of changes is locked for long: their transaction goes on, and says what was missed.
    let mut lock = session(&server, "BEGIN; LOCK TABLE libellus.changes; SELECT pg_sleep(60)");
    let begin = Instant::now();
    let warning = as_clerk("UPDATE public.books SET stock = 8 WHERE stock = 2");
    assert!(
        warning.contains("libellus missed a change of public.books") && warning.contains("adopt --copy"),
        "{warning}"
    );
    assert!(begin.elapsed() < Duration::from_secs(10), "it did not wait for the lock to go");
    assert_eq!(server.sql("shop", "SELECT count(*) FROM books WHERE stock = 8"), "2");
    server.sql("shop", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    let _ = lock.wait();

    // Our table is gone altogether.
    server.sql("shop", "DROP TABLE libellus.changes");
    for sql in [
        "INSERT INTO public.books VALUES (gen_random_uuid(), 'One', NULL, NULL, 99)",
        "DELETE FROM public.books WHERE stock = 99",
        "TRUNCATE public.books",
    ] {
        assert!(as_clerk(sql).contains("WARNING"), "{sql}");
    }
    assert_eq!(server.sql("shop", "SELECT count(*) FROM books"), "0");
}

#[test]
fn several_workers_take_changes_while_the_table_changes() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(300));
    let mapping = found(&location);
    followed(&location, &mapping);
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            // Rows that the writers share, so that one row changes again while it is dealt with.
            let sql = format!(
                "DO $$ BEGIN FOR n IN 1..300 LOOP \
                 UPDATE books SET title = 'w{writer} ' || n WHERE stock = n % 40 + 1; \
                 IF n % 10 = {writer} THEN DELETE FROM books WHERE stock = 100 + n; \
                 INSERT INTO books VALUES (md5('{writer} ' || n)::uuid, 'Added', NULL, NULL, 1000 + n); END IF; \
                 COMMIT; END LOOP; END $$"
            );
            server.psql_command("shop", &sql).spawn().expect("starts")
        })
        .collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = &stop;
        for _ in 0..3 {
            let location = &location;
            scope.spawn(move || {
                let catalogue = catalogue(location);
                while !stop.load(Ordering::SeqCst) {
                    catalogue.take_changes(&Words).expect("takes changes");
                }
            });
        }
        for mut writer in writers {
            assert!(writer.wait().expect("ends").success());
        }
        stop.store(true, Ordering::SeqCst);
    });
    take_all(&catalogue(&location));
    assert_eq!(server.sql("shop", "SELECT count(*) FROM libellus.changes"), "0");
    assert_is_a_fresh_copy(&server, "shop", &location, &mapping);
}

#[test]
fn following_stands_back_from_a_table_in_use() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql("shop", &books_table(20));
    let adoption = adopt(&location, &found(&location));
    let mut busy = session(&server, "BEGIN; UPDATE books SET stock = 0; SELECT pg_sleep(3); COMMIT");
    // Waits in short pieces, and gets its turn.
    assert_eq!(adoption.follow().expect("follows").triggers, 4);
    assert!(busy.wait().expect("ends").success());
}

#[test]
fn undoing_leaves_no_trace() {
    for variable in [server::POSTGRES, server::PGVECTOR] {
        let Some(server) = Server::start(variable) else { continue };
        let location = server.database("shop");
        server.sql(
            "shop",
            &format!(
                "{}; CREATE TABLE book_embeddings (book_id uuid PRIMARY KEY REFERENCES books, embedding real[]); \
                 CREATE VIEW cheap AS SELECT * FROM books WHERE stock < 5; \
                 CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; \
                 CREATE TRIGGER own BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION own()",
                books_table(30)
            ),
        );
        let before = (server.dump("shop", &["--schema-only"]), server.dump("shop", &["--data-only"]));
        let mapping = found(&location);
        followed(&location, &mapping);
        assert_ne!(server.dump("shop", &["--schema-only"]), before.0);
        server.sql("shop", "UPDATE books SET stock = stock");

        // Without a word about the copies, they stay; all else goes.
        let undone = Adoption::open(&location).and_then(|adoption| adoption.undo(false)).expect("undoes");
        assert_eq!((undone.triggers, undone.changes, undone.books, undone.dropped), (4, 30, 30, false));
        let theirs = server.dump("shop", &["--schema-only", "--exclude-schema=libellus"]);
        assert!(!theirs.contains("libellus"), "{theirs}");
        let state = ForeignTables::open(&location).and_then(|tables| tables.adopted()).expect("reads");
        assert_eq!(state, None);
        assert_eq!(books_of(&catalogue(&location)).len(), 30);

        // Adopted once more, and undone as a whole.
        followed(&location, &mapping);
        let undone = Adoption::open(&location).and_then(|adoption| adoption.undo(true)).expect("undoes");
        let expected = Undone { triggers: 4, books: 30, dropped: true, ..Undone::default() };
        assert_eq!(undone, expected);
        let after = (server.dump("shop", &["--schema-only"]), server.dump("shop", &["--data-only"]));
        assert_eq!(after.0, before.0, "{variable}");
        assert_eq!(after.1, before.1, "{variable}");
        assert!(!Catalogue::exists_at(&location).expect("looks"));
    }
}

#[test]
fn undoing_drops_nothing_of_others() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    // A catalogue that was made by importing files.
    let imported = server.database("imported");
    catalogue(&imported).put_books(&[book("mine", "Imported from a file.")], &Words).expect("writes");
    let error = Adoption::open(&imported).and_then(|adoption| adoption.undo(true)).expect_err("nothing was adopted");
    assert!(matches!(error, Error::NotAdopted { .. }), "{error:?}");
    assert_eq!(books_of(&catalogue(&imported)).len(), 1);

    let location = server.database("shop");
    server.sql("shop", &books_table(3));
    followed(&location, &found(&location));
    server.sql("shop", "CREATE VIEW public.report AS SELECT title FROM libellus.books");
    let error = Adoption::open(&location).and_then(|adoption| adoption.undo(true)).expect_err("a view hangs on it");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("other objects depend on"), "{error} {cause}");
    assert_eq!(server.sql("shop", "SELECT count(*) FROM report"), "3");
    assert_eq!(
        Adoption::open(&location).and_then(|adoption| adoption.following()).expect("reads").triggers,
        4,
        "whole or not at all"
    );
    server.sql("shop", "DROP VIEW report; CREATE TABLE theirs (v vector(3))");
    let undone = Adoption::open(&location).and_then(|adoption| adoption.undo(true)).expect("undoes");
    assert!(undone.dropped && undone.extension_left, "{undone:?}");

    // A schema that an administrator made, and a table whose owner is another: rights to read and to add triggers do.
    server.sql("postgres", "CREATE ROLE worker LOGIN");
    server.database("lent");
    server.sql(
        "lent",
        &format!("{}; CREATE SCHEMA libellus AUTHORIZATION worker; GRANT SELECT ON books TO worker", books_table(3)),
    );
    let as_worker = server.location("worker", "lent", "");
    let adoption = adopt(&as_worker, &found(&as_worker));
    let error = adoption.follow().expect_err("may add no triggers");
    assert!(matches!(error, Error::MissingRights { .. }), "{error:?}");
    assert!(error.to_string().contains("GRANT SELECT, TRIGGER ON \"public\".\"books\" TO \"worker\""), "{error}");
    server.sql("lent", "GRANT SELECT, TRIGGER ON public.books TO worker");
    assert_eq!(adoption.follow().expect("follows").triggers, 4);
    // Another role, that may do all with our tables, is told whose word it takes: no right on the books would help.
    server.sql(
        "lent",
        "CREATE ROLE other LOGIN; GRANT USAGE ON SCHEMA libellus TO other; \
         GRANT ALL ON ALL TABLES IN SCHEMA libellus TO other",
    );
    let as_other = Adoption::open(&server.location("other", "lent", "")).expect("opens");
    let error = as_other.undo(false).expect_err("is not the owner").to_string();
    assert!(error.contains("let its owner run `libellus adopt --undo`") && !error.contains("GRANT"), "{error}");
    let undone = adoption.undo(true).expect("undoes, though the table is another's");
    assert!(undone.schema_left && undone.triggers == 4, "{undone:?}");
    assert_eq!(server.sql("lent", "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0");
    // And once more in what is left.
    adopt(&as_worker, &found(&as_worker));
}

#[test]
fn a_pooler_may_stand_in_between() {
    let (Some(server), Some(program)) = (Server::start(server::POSTGRES), programs(server::PGBOUNCER)) else { return };
    server.database("shop");
    server.sql("shop", &books_table(1100));
    let pooler = Pooler::start(&program, &server);
    let location = pooler.location("shop");
    let before = server.dump("shop", &[]);
    let mapping = found(&location);
    let tables = ForeignTables::open(&location).expect("opens");
    assert_eq!(
        (tables.count(&mapping).expect("counts").books, tables.sample(&mapping, 50).expect("reads").len()),
        (1100, 50)
    );
    let adoption = followed(&location, &mapping);
    server.sql("shop", "UPDATE books SET title = title || '!' WHERE stock < 11; DELETE FROM books WHERE stock = 1");
    let taken = take_all(&catalogue(&location));
    assert_eq!((taken.written.updated, taken.deleted), (9, 1));
    assert_is_a_fresh_copy(&server, "shop", &location, &mapping);
    server.sql("shop", "INSERT INTO books VALUES (md5('1')::uuid, 'Title 1', 'Author 1', 'About 1.', 1)");
    server.sql("shop", "UPDATE books SET title = rtrim(title, '!')");
    adoption.undo(true).expect("undoes");
    let schema = |dump: &str| dump.lines().filter(|line| !line.contains('\t')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(schema(&server.dump("shop", &[])), schema(&before));
    let log = pooler.log();
    assert!(!log.contains("prepared statement"), "{log}");
}
