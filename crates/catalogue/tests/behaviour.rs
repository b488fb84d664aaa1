//! What every store does, over all of them: SQLite, PostgreSQL with arrays, PostgreSQL with pgvector.

mod common;

use common::server::{self, Server};
use common::{CHILD, Words, book, books_of, child, embed_pending, embeddings_shown, import_into};
use libellus_catalogue::adopt::Agreement;
use libellus_catalogue::check::{Expected, check, repair};
use libellus_catalogue::import::ImportOptions;
use libellus_catalogue::{
    Access, Book, BookChange, Catalogue, CatalogueState, Claim, EmbeddedPassage, Error, Failure, Location,
    MAX_ATTEMPTS, MigrationProblem, ModelSpace, NewEmbedding, PassageCutter, PendingPassage, QueueCounts, RoleChange,
    Scope, SnapshotCounts, SpaceRoles, WriteOutcome, restore_snapshot, write_snapshot,
};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::ops::ControlFlow;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Makes a place where no catalogue is yet.
type Fresh<'a> = &'a dyn Fn() -> Location;

/// What a store should do, and its name.
type Case = (&'static str, fn(Fresh<'_>));

const CASES: &[Case] = &[
    ("books come back as they went in", books_come_back_as_they_went_in),
    ("writing the same again changes nothing", writing_the_same_again_changes_nothing),
    ("a changed text makes its embedding stale", a_changed_text_makes_its_embedding_stale_and_no_other),
    ("embeddings come in order", embeddings_come_in_order_and_only_for_the_text_they_were_made_from),
    ("vectors come back to the last bit", vectors_come_back_to_the_last_bit),
    ("many embeddings at once are stored as few are", many_embeddings_at_once_are_stored_as_few_are),
    ("deleting a book deletes what hangs on it", deleting_a_book_deletes_what_hangs_on_it),
    ("what has changed since is known", what_has_changed_since_is_known),
    ("a catalogue put back from a copy is another", a_catalogue_put_back_from_a_copy_is_another),
    ("an id that comes twice in a batch", of_an_id_that_comes_twice_in_a_batch_the_last_stays),
    ("odd texts come back", odd_texts_come_back),
    ("a file is imported and updated", a_file_is_imported_and_updated),
    ("a reader reads on while a writer writes", a_reader_reads_on_while_a_writer_writes),
    ("a walk ends where it is broken off", a_walk_ends_where_it_is_broken_off),
    ("three processes write one catalogue", three_processes_make_and_write_one_catalogue),
    ("a claim is given to one worker, and ends", claim_is_given_to_one_worker_and_ends),
    ("what fails is tried later, and given up", what_fails_is_tried_later_and_given_up),
    ("workers at once claim every passage once", workers_at_once_claim_every_passage_once),
    ("reading makes nothing", reading_makes_nothing),
    ("the space that is searched changes whole", the_space_that_is_searched_changes_whole),
    ("a space that is dropped stays empty", a_space_that_is_dropped_stays_empty),
    ("a repair undoes no change of others", a_repair_undoes_no_change_of_others),
    ("a snapshot holds what spaces are for", a_snapshot_holds_what_spaces_are_for),
    ("a snapshot that cannot be put in changes nothing", a_snapshot_that_cannot_be_put_in_changes_nothing),
    ("a book is changed under a condition", a_book_is_changed_under_a_condition),
    ("ids come part by part", ids_come_part_by_part),
    ("keys are known by what was shown once", keys_are_known_by_what_was_shown_once),
];

fn run_all(fresh: Fresh<'_>) {
    for (name, case) in CASES {
        println!("case: {name}");
        case(fresh);
    }
}

#[test]
fn sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let count = Cell::new(0);
    run_all(&|| {
        count.set(count.get() + 1);
        Location::Sqlite(folder.path().join(format!("{}.db", count.get())))
    });
}

#[test]
fn postgres() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    run_on(&server);
}

#[test]
fn postgres_with_pgvector() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    run_on(&server);
    assert!(server.sql("case1", "SELECT extname FROM pg_extension").contains("vector"), "pgvector was used");
}

fn run_on(server: &Server) {
    let count = Cell::new(0);
    run_all(&|| {
        count.set(count.get() + 1);
        server.database(&format!("case{}", count.get()))
    });
}

fn open(location: &Location) -> Catalogue {
    Catalogue::open_at(location, Access::ReadWrite).unwrap_or_else(|error| panic!("{location}: {error:?}"))
}

fn books_come_back_as_they_went_in(fresh: Fresh<'_>) {
    let location = fresh();
    let mut whole = book("a", "First sentence. Second sentence.");
    whole.authors = vec!["Ada Lovelace".to_owned()];
    whole.year = Some(-44);
    whole.extra.insert("pages".to_owned(), serde_json::json!({"count": 0.1, "also": [1, null]}));
    let bare = book("b", "");

    let catalogue = open(&location);
    assert_eq!(catalogue.location(), location.to_string());
    let outcome = catalogue.put_books(&[whole.clone(), bare.clone()], &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 2, updated: 0, unchanged: 0, shortened: 0 });
    drop(catalogue);

    let catalogue = Catalogue::open_at(&location, Access::ReadOnly).expect("opens again");
    assert_eq!(books_of(&catalogue), [whole.clone(), bare.clone()]);
    assert_eq!(catalogue.book("a").expect("reads"), Some(whole.clone()));
    assert_eq!(catalogue.book("c").expect("reads"), None);
    let found = catalogue.books_by_rowid(&[2, 99, 1]).expect("reads");
    assert_eq!(found, [Some(bare), None, Some(whole)]);
    assert_eq!(catalogue.passage_text(1, 0).expect("reads").as_deref(), Some("First sentence. Second sentence."));
    assert_eq!(catalogue.passage_text(2, 0).expect("reads").as_deref(), Some("The book b."), "what was embedded");
    assert_eq!(catalogue.passage_text(1, 1).expect("reads"), None);
    let error = catalogue.put_books(&[book("d", "")], &Words).expect_err("may only read");
    assert!(matches!(error, Error::OpenedReadOnly { .. }), "{error:?}");
}

fn writing_the_same_again_changes_nothing(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let books = [book("a", "One."), book("b", "Two.")];
    catalogue.put_books(&books, &Words).expect("writes");
    let revision = catalogue.revision().expect("reads");
    let outcome = catalogue.put_books(&books, &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 0, updated: 0, unchanged: 2, shortened: 0 });
    assert_eq!(catalogue.revision().expect("reads"), revision);

    let outcome = catalogue.put_books(&[book("a", "One!"), book("b", "Two.")], &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 0, updated: 1, unchanged: 1, shortened: 0 });
    assert!(catalogue.revision().expect("reads") > revision);
}

fn a_changed_text_makes_its_embedding_stale_and_no_other(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let long = |tail: &str| {
        let sentences: String = (0..20).map(|n| format!("This is sentence number {n} of the long story. ")).collect();
        sentences + tail
    };
    catalogue.put_books(&[book("a", &long("The end.")), book("b", "Short.")], &Words).expect("writes");
    let before = catalogue.statistics("space").expect("counts");
    assert!(before.passages > 3, "{before:?}");
    assert_eq!(before.embedded, 0);
    assert_eq!(embed_pending(&catalogue, "space"), before.passages);
    let revision = catalogue.revision().expect("reads");
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages);
    assert_eq!(catalogue.statistics("other space").expect("counts").embedded, 0);
    assert_eq!(catalogue.spaces().expect("reads"), [("space".to_owned(), before.passages)]);

    // Only the last passage of one book has another text now.
    catalogue.put_books(&[book("a", &long("Not the end."))], &Words).expect("writes");
    assert!(catalogue.revision().expect("reads") > revision);
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages - 1);
    let pending = catalogue.pending_passages("space", 0, 10).expect("reads");
    assert_eq!(pending.len(), 1);
    assert!(pending[0].embedding_text.ends_with("Not the end."), "{pending:?}");
    assert!(pending[0].embedding_text.starts_with("The book a."), "{pending:?}");
    assert_eq!(embeddings_shown(&catalogue, "space"), before.passages - 1, "a stale embedding is never shown");
    assert_eq!(embed_pending(&catalogue, "space"), 1);

    // What is not about the text costs no embedding.
    let mut with_year = book("b", "Short.");
    with_year.year = Some(1999);
    assert_eq!(catalogue.put_books(&[with_year], &Words).expect("writes").updated, 1);
    assert_eq!(catalogue.statistics("space").expect("counts").embedded, before.passages);
}

fn embeddings_come_in_order_and_only_for_the_text_they_were_made_from(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let description = "One two three four five six seven eight nine ten. ".repeat(12);
    catalogue.put_books(&[book("a", &description), book("b", "Short.")], &Words).expect("writes");
    let pending = catalogue.pending_passages("s", 0, 2).expect("reads");
    let rest = catalogue.pending_passages("s", pending[1].passage_id, 100).expect("reads");
    assert!(rest.iter().all(|passage| passage.passage_id > pending[1].passage_id) && !rest.is_empty());

    // Changed while it was being embedded, and gone while it was being embedded.
    catalogue.put_books(&[book("b", "Changed.")], &Words).expect("writes");
    let all: Vec<_> = pending.iter().chain(&rest).collect();
    let embeddings: Vec<NewEmbedding<'_>> = all
        .iter()
        .rev()
        .map(|passage| NewEmbedding {
            passage_id: passage.passage_id,
            text_hash: passage.text_hash,
            vector: &[0.5, -2.0],
        })
        .chain([NewEmbedding { passage_id: 999, text_hash: [0; 16], vector: &[1.0, 1.0] }])
        .collect();
    assert_eq!(catalogue.put_embeddings("s", "int8", &embeddings).expect("stores"), all.len() as u64 - 1);

    let mut seen = Vec::new();
    catalogue
        .each_embedding("s", &mut |passage| {
            assert_eq!(passage.vector, [0.5, -2.0]);
            seen.push((passage.book_rowid, passage.ordinal));
            ControlFlow::Continue(())
        })
        .expect("reads");
    let expected: Vec<(i64, u32)> = (0..all.len() as u32 - 1).map(|ordinal| (1, ordinal)).collect();
    assert_eq!(seen, expected);
}

fn vectors_come_back_to_the_last_bit(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    catalogue.put_books(&[book("a", "Text."), book("b", "Text.")], &Words).expect("writes");
    let pending = catalogue.pending_passages("s", 0, 10).expect("reads");
    // A model's width, with numbers of every size; and another width in another space.
    let wide: Vec<f32> = (0..384).map(|n| (n as f32 - 191.7) * 1.234_568e-3_f32.powi(n % 5)).collect();
    let narrow = [f32::MIN_POSITIVE, -0.1, f32::MAX];
    for (space, vector) in [("wide", &wide[..]), ("narrow", &narrow)] {
        let embeddings: Vec<NewEmbedding<'_>> = pending
            .iter()
            .map(|passage| NewEmbedding { passage_id: passage.passage_id, text_hash: passage.text_hash, vector })
            .collect();
        assert_eq!(catalogue.put_embeddings(space, "f32", &embeddings).expect("stores"), 2);
        assert_eq!(catalogue.put_embeddings(space, "f32", &[]).expect("stores nothing"), 0);
    }
    for (space, vector) in [("wide", &wide[..]), ("narrow", &narrow)] {
        let mut seen = 0;
        catalogue
            .each_embedding(space, &mut |passage| {
                assert_eq!(passage.vector, vector, "{space}");
                seen += 1;
                ControlFlow::Continue(())
            })
            .expect("reads");
        assert_eq!(seen, 2, "{space}");
    }
    let spaces = catalogue.spaces().expect("reads");
    assert_eq!(spaces, [("narrow".to_owned(), 2), ("wide".to_owned(), 2)]);
}

fn of_an_id_that_comes_twice_in_a_batch_the_last_stays(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let long = "One two three four five six seven eight nine ten. ".repeat(12);
    let batch = [book("a", &long), book("b", "B."), book("a", "Short."), book("a", "Short.")];
    let outcome = catalogue.put_books(&batch, &Words).expect("writes");
    assert_eq!(outcome, WriteOutcome { added: 2, updated: 1, unchanged: 1, shortened: 0 });
    assert_eq!(books_of(&catalogue), [book("a", "Short."), book("b", "B.")]);
    assert_eq!(catalogue.statistics("s").expect("counts").passages, 2);
    let batch = [book("b", "C."), book("b", &long)];
    assert_eq!(catalogue.put_books(&batch, &Words).expect("writes").updated, 2);
    assert_eq!(catalogue.book("b").expect("reads"), Some(book("b", &long)));
    assert_eq!(catalogue.put_books(&[], &Words).expect("writes nothing"), WriteOutcome::default());
}

fn odd_texts_come_back(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let texts = [
        "'; DROP TABLE books; --",
        "\\ backslash \\x00",
        "“quotes” „Anführung“",
        "क्षि 日本語 🕮",
        "tab\tand\nline",
        "NULL",
    ];
    let mut books: Vec<_> = texts.iter().enumerate().map(|(n, text)| book(&n.to_string(), text)).collect();
    books[0].authors = texts.iter().map(|text| (*text).to_owned()).collect();
    books[0].subjects = vec!["a\0b".to_owned(), "{braces, \"and\" commas}".to_owned()];
    books[0].extra.insert("deep\0".to_owned(), serde_json::json!({"z": 1.0, "a": [[], {}, "\u{0}"]}));
    catalogue.put_books(&books, &Words).expect("writes");
    assert_eq!(books_of(&catalogue), books);
    assert_eq!(catalogue.put_books(&books, &Words).expect("writes").unchanged, books.len() as u64);

    // A character that PostgreSQL's text cannot hold: replaced there, kept by SQLite, and an error nowhere.
    let nul = book("n\0l", "before\0after");
    catalogue.put_books(std::slice::from_ref(&nul), &Words).expect("writes");
    let stored = catalogue.book("n\0l").expect("reads").expect("is there");
    assert!(stored.description.as_deref().is_some_and(|text| text.starts_with("before") && text.ends_with("after")));
    assert_eq!(catalogue.put_books(&[nul], &Words).expect("writes").unchanged, 1);
    embed_pending(&catalogue, "s");
    let counts = catalogue.statistics("s").expect("counts");
    assert_eq!(counts.embedded, counts.passages);
    assert_eq!(catalogue.delete_books(&["n\0l"]).expect("deletes"), 1);
}

fn a_file_is_imported_and_updated(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let mut file = String::from("id,title,author,year,description\n");
    for n in 0..2500 {
        file += &format!("{n},Title {n},Author {},{},Text of number {n}.\n", n % 7, 1900 + n % 100);
    }
    let report = import_into(&catalogue, file.as_bytes(), &ImportOptions::default()).expect("imports");
    assert_eq!((report.written.added, report.rejected), (2500, 0));
    let again = file.replace("Title 7,", "Another title,");
    let report = import_into(&catalogue, again.as_bytes(), &ImportOptions::default()).expect("imports");
    assert_eq!((report.written.updated, report.written.unchanged), (1, 2499));
    let books = books_of(&catalogue);
    assert_eq!(books.len(), 2500);
    assert!(books.iter().enumerate().all(|(n, book)| book.id == n.to_string()), "in the order of the records");
}

fn many_embeddings_at_once_are_stored_as_few_are(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let books: Vec<_> = (0..700).map(|n| book(&format!("b{n}"), "Text.")).collect();
    catalogue.put_books(&books, &Words).expect("writes");
    let pending = catalogue.pending_passages("s", 0, usize::MAX).expect("reads");
    let vectors: Vec<[f32; 3]> = (0..700u16).map(|n| [f32::from(n), -0.0, f32::MIN_POSITIVE]).collect();
    let mut new: Vec<NewEmbedding<'_>> = pending
        .iter()
        .zip(&vectors)
        .map(|(passage, vector)| NewEmbedding { passage_id: passage.passage_id, text_hash: passage.text_hash, vector })
        .collect();
    // One of another text, one of a passage that is gone, and one that comes twice.
    new[1].text_hash = [1; 16];
    new[2].passage_id = i64::MAX;
    new.push(NewEmbedding { vector: &vectors[699], ..new[0] });
    assert!(catalogue.queue_counts("s").is_ok_and(|counts| counts.claimed == 0));
    catalogue
        .claim_passages("s", &Claim { after: 0, limit: 5, lease: Duration::from_secs(60), suspects: false })
        .expect("claims");
    let revision = catalogue.revision().expect("reads");
    let stored = catalogue.put_embeddings("s", "f32", &new).expect("stores");
    assert!((698..=699).contains(&stored), "{stored}: the one that comes twice may count twice");
    assert_eq!(catalogue.revision().expect("reads"), revision + 1, "one transaction");
    let mut found = Vec::new();
    catalogue
        .each_embedding("s", &mut |passage| {
            found.push(passage.vector.iter().map(|n| n.to_bits()).collect::<Vec<_>>());
            ControlFlow::Continue(())
        })
        .expect("reads");
    let mut expected: Vec<Vec<u32>> =
        vectors.iter().map(|vector| vector.iter().map(|n| n.to_bits()).collect()).collect();
    expected[0] = expected[699].clone();
    expected.drain(1..3);
    assert_eq!(found, expected);
    assert_eq!(catalogue.queue_counts("s").expect("counts").claimed, 2, "claims on what was stored are settled");
    assert_eq!(catalogue.put_embeddings("s", "int8", &new[3..]).expect("stores again"), 698);
}

fn deleting_a_book_deletes_what_hangs_on_it(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let long = "One two three four five six seven eight nine ten. ".repeat(12);
    catalogue.put_books(&[book("a", &long), book("b", "Short.")], &Words).expect("writes");
    let all = embed_pending(&catalogue, "s");
    // A shorter text has fewer passages.
    catalogue.put_books(&[book("a", "One two.")], &Words).expect("writes");
    assert_eq!(catalogue.statistics("s").expect("counts").passages, 2);
    assert!(catalogue.spaces().expect("reads")[0].1 < all);

    let revision = catalogue.revision().expect("reads");
    assert_eq!(catalogue.delete_books(&["b", "no such book"]).expect("deletes"), 1);
    assert!(catalogue.revision().expect("reads") > revision);
    let statistics = catalogue.statistics("s").expect("counts");
    assert_eq!((statistics.books, statistics.passages, statistics.embedded), (1, 1, 0));
    assert_eq!(catalogue.delete_books(&["b"]).expect("deletes"), 0);
}

fn ids_come_part_by_part(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let (counted, ids) =
        (|| catalogue.book_count().expect("counts"), |skipped, most| catalogue.book_ids(skipped, most));
    let ids = |skipped, most| ids(skipped, most).expect("reads");
    assert_eq!((counted(), ids(0, 10)), (0, vec![]), "an empty catalogue");
    // Not in the order of their ids, but in that in which they came.
    let many: Vec<Book> = ["9", "b", "10", "ä", "A b/c", "a", "1"].map(|id| book(id, "Text.")).into();
    catalogue.put_books(&many[..4], &Words).expect("writes");
    catalogue.put_books(&many[4..], &Words).expect("writes");
    catalogue.delete_books(&["10"]).expect("deletes");
    catalogue.put_books(&[book("9", "Another text.")], &Words).expect("writes");
    let expected = ["9", "b", "ä", "A b/c", "a", "1"];
    assert_eq!(counted(), 6);
    assert_eq!(books_of(&catalogue).iter().map(|book| &book.id).collect::<Vec<_>>(), expected);
    for (skipped, most) in [(0, 6), (0, 7), (0, 2), (2, 2), (4, 2), (5, 3), (0, 0)] {
        assert_eq!(ids(skipped, most), expected[skipped..6.min(skipped + most)], "{skipped}, {most}");
    }
    for skipped in [6, 7, usize::MAX] {
        assert_eq!(ids(skipped, usize::MAX), [""; 0], "{skipped}");
    }
    assert_eq!(ids(1, usize::MAX), expected[1..]);
}

fn what_has_changed_since_is_known(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let (cutter, all) = (&Words, usize::MAX);
    let many: Vec<Book> = (0..20).map(|n| book(&format!("{n:02}"), "Text.")).collect();
    catalogue.put_books(&many, cutter).expect("writes");
    let rowids = catalogue.book_rowids().expect("reads");
    let mut walked = Vec::new();
    let mut walk = |rowid, _| {
        walked.push(rowid);
        ControlFlow::Continue(())
    };
    catalogue.each_book(&mut walk).expect("reads");
    assert_eq!((rowids.len(), &rowids), (20, &walked));
    let state = Cell::new(catalogue.state().expect("reads"));
    let changed = |what: &str, expected: &[usize]| {
        let expected: Vec<i64> = expected.iter().map(|&at| rowids[at]).collect();
        let changed = catalogue.books_changed_since(&state.get(), all).expect("reads").expect("known");
        assert_eq!(changed, expected, "{what}");
        if !expected.is_empty() {
            assert_eq!(catalogue.books_changed_since(&state.get(), expected.len() - 1).expect("reads"), None, "{what}");
        }
        state.set(catalogue.state().expect("reads"));
        assert_eq!(state.get().revision, catalogue.revision().expect("reads"), "{what}");
    };
    changed("nothing", &[]);
    assert_eq!(embed_pending(&catalogue, "s"), 20);
    changed("all embeddings", &(0..20).collect::<Vec<_>>());
    catalogue.put_books(&many[3..7], cutter).expect("writes");
    changed("written as it was", &[]);
    catalogue.put_books(&[book("04", "Another text."), book("03", "Text."), book("05", "")], cutter).expect("writes");
    changed("two texts", &[4, 5]);
    let one = [Book { year: Some(1815), ..book("07", "Text.") }];
    catalogue.put_books(&one, cutter).expect("writes");
    changed("a record without its passages", &[7]);
    let pending = catalogue.pending_passages("s", 0, 10).expect("reads");
    assert_eq!(pending.len(), 2);
    let vectors = pending.iter().map(|passage| NewEmbedding {
        passage_id: passage.passage_id,
        text_hash: passage.text_hash,
        vector: &[0.5, 0.5],
    });
    let vectors: Vec<NewEmbedding<'_>> = vectors.collect();
    catalogue.put_embeddings("s", "int8", &vectors[..1]).expect("stores");
    changed("an embedding", &[4]);
    // The vector is another, though the text is not.
    catalogue.put_embeddings("s", "f32", &[NewEmbedding { vector: &[0.6, 0.8], ..vectors[0] }]).expect("stores");
    changed("an embedding that was there", &[4]);
    let mut seen = Vec::new();
    let mut visit = |passage: EmbeddedPassage<'_>| {
        seen.push((passage.book_rowid, passage.ordinal, passage.vector.to_vec()));
        ControlFlow::Continue(())
    };
    catalogue.embeddings_of("s", &rowids[4..6], &mut visit).expect("reads");
    assert_eq!(seen, [(rowids[4], 0, vec![0.6, 0.8])], "of the other there is none that is fresh");
    catalogue.delete_books(&["10", "19"]).expect("deletes");
    changed("two are gone", &[10, 19]);
    let from = state.get();
    catalogue.put_books(&[book("20", "New.")], cutter).expect("writes");
    let new = *catalogue.book_rowids().expect("reads").last().expect("there are some");
    assert_eq!(catalogue.books_changed_since(&from, all).expect("reads"), Some(vec![new]));
    restore(&catalogue, &snapshot_of(&catalogue)).expect("restores");
    let restored = catalogue.book_rowids().expect("reads");
    let changed = catalogue.books_changed_since(&from, all).expect("reads").expect("known");
    assert!(restored.iter().all(|rowid| changed.contains(rowid)), "all that was put in");
    assert!(rowids.iter().enumerate().all(|(at, rowid)| at == 10 || at == 19 || changed.contains(rowid)), "all before");

    let unknown = [
        CatalogueState { mark: (from.mark.0, from.mark.1 - 1), ..from },
        CatalogueState { mark: (from.mark.0, 0), ..from },
        CatalogueState { mark: (from.mark.0, new), ..from },
        CatalogueState::default(),
    ];
    for state in unknown {
        assert_eq!(catalogue.books_changed_since(&state, all).expect("reads"), None, "{state:?}");
    }
    // What is too old is forgotten, and not for ever in the way.
    for n in 0..1_100 {
        catalogue.put_books(&[book("00", &n.to_string())], cutter).expect("writes");
    }
    assert_eq!(catalogue.books_changed_since(&from, all).expect("reads"), None);
    let state = catalogue.state().expect("reads");
    assert_eq!(catalogue.books_changed_since(&state, all).expect("reads"), Some(Vec::new()));
}

fn a_catalogue_put_back_from_a_copy_is_another(fresh: Fresh<'_>) {
    // Two that come to the same revision, each in its way, as a copy of a file and the file would.
    let (one, other) = (open(&fresh()), open(&fresh()));
    for catalogue in [&one, &other] {
        catalogue.put_books(&[book("a", "Text.")], &Words).expect("writes");
    }
    let (state, others) = (one.state().expect("reads"), other.state().expect("reads"));
    assert_eq!(state.revision, others.revision);
    assert_eq!(other.books_changed_since(&state, 10).expect("reads"), None);
    assert_eq!(other.books_changed_since(&others, 10).expect("reads"), Some(Vec::new()));
}

fn a_reader_reads_on_while_a_writer_writes(fresh: Fresh<'_>) {
    let location = fresh();
    let writer = open(&location);
    writer.put_books(&[book("first", "Text.")], &Words).expect("writes");
    let reader = Catalogue::open_at(&location, Access::ReadOnly).expect("opens");
    let mut revision = reader.revision().expect("reads");
    for n in 0..5 {
        writer.put_books(&[book(&format!("book {n}"), "Text.")], &Words).expect("writes");
        let now = reader.revision().expect("reads");
        assert!(now > revision, "the reader sees the change");
        assert_eq!(reader.statistics("s").expect("counts").books, n + 2);
        revision = now;
    }
    // A walk shows one state, and may be interrupted by writes.
    let mut seen = 0;
    reader
        .each_book(&mut |_, _| {
            seen += 1;
            writer.put_books(&[book(&format!("late {seen}"), "Text.")], &Words).expect("writes meanwhile");
            ControlFlow::Continue(())
        })
        .expect("reads");
    assert_eq!(seen, 6);
}

fn a_walk_ends_where_it_is_broken_off(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    let books: Vec<_> = (0..300).map(|n| book(&format!("book {n}"), "Text.")).collect();
    catalogue.put_books(&books, &Words).expect("writes");
    assert_eq!(embed_pending(&catalogue, "s"), 300);
    let mut seen = [0; 3];
    let mut step = |walk: usize| {
        seen[walk] += 1;
        if seen[walk] < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    catalogue.each_book(&mut |_, _| step(0)).expect("reads");
    catalogue.each_embedding("s", &mut |_| step(1)).expect("reads");
    catalogue.each_placed_embedding("s", &mut |_| step(2)).expect("reads");
    assert_eq!(seen, [2; 3]);
    assert_eq!(books_of(&catalogue).len(), 300, "another walk is whole");
}

fn three_processes_make_and_write_one_catalogue(fresh: Fresh<'_>) {
    let location = fresh();
    let children: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|name| {
            child("writer_process")
                .env(CHILD, format!("{name} {}", location))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(open(&location).statistics("s").expect("counts").books, 3 * 40 + 1);
}

fn reading_makes_nothing(fresh: Fresh<'_>) {
    let location = fresh();
    assert!(!Catalogue::exists_at(&location).expect("asks"));
    let error = Catalogue::open_at(&location, Access::ReadOnly).expect_err("there is nothing");
    assert!(matches!(error, Error::NotFound { .. } | Error::NothingWritten { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("libellus import FILE --db {location}")), "{error}");
    assert!(!Catalogue::exists_at(&location).expect("asks"));
    drop(open(&location));
    assert!(Catalogue::exists_at(&location).expect("asks"));
    let catalogue = Catalogue::open_at(&location, Access::ReadOnly).expect("opens");
    assert!(books_of(&catalogue).is_empty());
}

/// Not a test by itself: what [`three_processes_make_and_write_one_catalogue`] starts.
#[test]
fn writer_process() {
    if let Ok(task) = std::env::var(CHILD) {
        let (name, location) = task.split_once(' ').expect("a name and a place");
        let catalogue = open(&location.parse().expect("a location"));
        for n in 0..40 {
            catalogue.put_books(&[book(&format!("{name}-{n}"), "Text."), book("both", name)], &Words).expect("writes");
        }
    }
}

/// What a worker of the tests claims.
fn claim_of(limit: usize) -> Claim {
    Claim { after: 0, limit, lease: Duration::from_secs(60), suspects: false }
}

fn claim_is_given_to_one_worker_and_ends(fresh: Fresh<'_>) {
    let location = fresh();
    let (one, other) = (open(&location), open(&location));
    let ids: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let books: Vec<_> = ids.iter().map(|id| book(id, "Text.")).collect();
    one.put_books(&books, &Words).expect("writes");
    let revision = one.revision().expect("reads");
    let ids_of = |passages: &[PendingPassage]| passages.iter().map(|p| p.passage_id).collect::<Vec<_>>();
    let of = |catalogue: &Catalogue, claim: &Claim| ids_of(&catalogue.claim_passages("s", claim).expect("claims"));

    let mine = of(&one, &claim_of(4));
    let theirs = of(&other, &claim_of(4));
    assert_eq!((mine.len(), theirs.len()), (4, 2));
    assert!(theirs.iter().all(|id| !mine.contains(id)), "{mine:?} {theirs:?}");
    assert_eq!(of(&one, &claim_of(4)), [] as [i64; 0]);
    assert_eq!(of(&one, &Claim { suspects: true, ..claim_of(4) }), [] as [i64; 0]);
    assert_eq!(one.queue_counts("s").expect("counts").claimed, 6);
    assert_eq!(one.revision().expect("reads"), revision, "nothing that a search shows has changed");
    assert_eq!(of(&one, &Claim { lease: Duration::ZERO, ..claim_of(1) }), [] as [i64; 0]);
    // Another space is another matter, and its lease ends at once.
    let no_lease = Claim { lease: Duration::ZERO, ..claim_of(9) };
    for (limit, suspects, expected) in [(9, false, 6), (9, false, 6), (9, false, 0), (1, true, 1), (9, true, 6)] {
        let claim = Claim { limit, suspects, ..no_lease };
        assert_eq!(one.claim_passages("t", &claim).expect("claims").len(), expected, "{claim:?}");
    }

    // A changed text is another text, whoever has the old one in hand; storing ends a claim.
    one.put_books(&[book("0", "Changed.")], &Words).expect("writes");
    assert_eq!(of(&other, &claim_of(4)).len(), 1);
    assert_eq!(embed_pending(&one, "s"), 6);
    assert_eq!(one.queue_counts("s").expect("counts"), QueueCounts::default());
    assert_eq!(of(&other, &claim_of(4)), [] as [i64; 0]);
}

fn what_fails_is_tried_later_and_given_up(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    catalogue.put_books(&[book("bad", "Text."), book("good", "Text.")], &Words).expect("writes");
    let fail = |passage: &PendingPassage| {
        let reason = "no\0 luck".to_owned();
        Failure { passage_id: passage.passage_id, text_hash: passage.text_hash, reason }
    };
    let claimed = catalogue.claim_passages("s", &claim_of(1)).expect("claims");
    catalogue.put_failures("s", &[fail(&claimed[0])]).expect("notes");
    let counts = |claimed, retrying, given_up| QueueCounts { claimed, retrying, given_up };
    assert_eq!(catalogue.queue_counts("s").expect("counts"), counts(0, 1, 0));
    let listed = catalogue.failed_passages("s", 10).expect("lists");
    assert_eq!((listed[0].book_id.as_str(), listed[0].attempts, listed[0].given_up), ("bad", 1, false));
    assert!(listed[0].reason.as_deref().is_some_and(|reason| reason.starts_with("no")), "{listed:?}");
    let next = catalogue.claim_passages("s", &claim_of(9)).expect("claims");
    assert_eq!(next.len(), 1, "the one that failed has to pause, the other need not wait for it");
    embed_pending(&catalogue, "s");
    assert!(catalogue.failed_passages("s", 10).expect("lists").is_empty(), "it worked after all");

    // A worker that dies five times over a passage could not say why.
    catalogue.put_books(&[book("bad", "Deadly.")], &Words).expect("writes");
    let attempts = [false, false, true, true, true, true];
    let found = attempts.map(|suspects| {
        let claim = Claim { lease: Duration::ZERO, suspects, ..claim_of(9) };
        catalogue.claim_passages("s", &claim).expect("claims").len()
    });
    assert_eq!(found, [1, 1, 1, 1, 1, 0]);
    assert_eq!(catalogue.queue_counts("s").expect("counts"), counts(0, 0, 1));
    let listed = catalogue.failed_passages("s", 10).expect("lists");
    assert_eq!((listed[0].attempts, listed[0].given_up, &listed[0].reason), (MAX_ATTEMPTS, true, &None));
    assert_eq!(catalogue.forget_failures("s").expect("forgets"), 1);
    assert_eq!(catalogue.claim_passages("s", &claim_of(9)).expect("claims").len(), 1);
    // Neither did another text fail.
    catalogue.put_books(&[book("bad", "Harmless.")], &Words).expect("writes");
    assert_eq!(catalogue.queue_counts("s").expect("counts"), QueueCounts::default());
}

fn workers_at_once_claim_every_passage_once(fresh: Fresh<'_>) {
    let location = fresh();
    let catalogue = open(&location);
    let ids: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    let books: Vec<_> = ids.iter().map(|id| book(id, "Text.")).collect();
    catalogue.put_books(&books, &Words).expect("writes");
    let work = || {
        let catalogue = open(&location);
        let mut claimed = Vec::new();
        loop {
            let batch = catalogue.claim_passages("s", &claim_of(7)).expect("claims");
            if batch.is_empty() {
                return claimed;
            }
            let embeddings: Vec<NewEmbedding<'_>> = batch
                .iter()
                .map(|p| NewEmbedding { passage_id: p.passage_id, text_hash: p.text_hash, vector: &[1.0] })
                .collect();
            assert_eq!(catalogue.put_embeddings("s", "f32", &embeddings).expect("stores"), batch.len() as u64);
            claimed.extend(batch.iter().map(|passage| passage.passage_id));
        }
    };
    let mut claimed: Vec<i64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=400).collect::<Vec<i64>>(), "each once");
}

fn the_space_that_is_searched_changes_whole(fresh: Fresh<'_>) {
    let location = fresh();
    let catalogue = open(&location);
    assert_eq!(catalogue.roles().expect("reads"), SpaceRoles::default(), "nothing is recorded");
    catalogue.put_books(&[book("a", "One."), book("b", "Two.")], &Words).expect("writes");
    let [old, new] = ["old", "new"].map(|name| ModelSpace { space: name.to_owned(), model: format!("of/{name}") });
    let begin = RoleChange::Begin { active: &old, next: &new };
    let problem = |change| match catalogue.change_roles(change) {
        Err(Error::Migration { problem, .. }) => *problem,
        other => panic!("{other:?}"),
    };

    embed_pending(&catalogue, "old");
    let revision = catalogue.revision().expect("reads");
    catalogue.change_roles(begin).expect("begins");
    assert!(catalogue.revision().expect("reads") > revision, "whoever searches looks again");
    let revision = catalogue.revision().expect("reads");
    let roles = catalogue.change_roles(begin).expect("goes on");
    assert_eq!((roles.active.as_ref(), roles.next.as_ref()), (Some(&old), Some(&new)));
    assert_eq!(catalogue.revision().expect("reads"), revision, "nothing changed");
    assert!(matches!(problem(RoleChange::CutOver), MigrationProblem::NotFilled { missing: 2, .. }));
    assert_eq!(catalogue.roles().expect("reads"), roles, "a refusal changes nothing");

    // A passage that was given up stands in nobody's way.
    let claim = Claim { after: 0, limit: 1, lease: Duration::ZERO, suspects: false };
    let [first] = catalogue.claim_passages("new", &claim).expect("claims").try_into().expect("one");
    for attempt in 1..MAX_ATTEMPTS {
        let claim = Claim { suspects: attempt >= 2, ..claim };
        let again = catalogue.claim_passages("new", &claim).expect("claims");
        assert_eq!(again[0].passage_id, first.passage_id, "attempt {attempt}");
    }
    assert!(matches!(problem(RoleChange::CutOver), MigrationProblem::NotFilled { missing: 1, .. }));
    catalogue.forget_failures("new").expect("writes");
    embed_pending(&catalogue, "new");

    let roles = catalogue.change_roles(RoleChange::CutOver).expect("cuts over");
    assert_eq!(roles, SpaceRoles { active: Some(new.clone()), next: None, previous: Some(old.clone()) });
    assert_eq!(open(&location).roles().expect("reads"), roles, "others see it");
    let roles = catalogue.change_roles(RoleChange::RollBack).expect("rolls back");
    assert_eq!(roles, SpaceRoles { active: Some(old), next: Some(new.clone()), previous: None });
    catalogue.change_roles(RoleChange::CutOver).expect("cuts over again");
    catalogue.change_roles(RoleChange::DropOld).expect("drops");
    assert_eq!(catalogue.roles().expect("reads"), SpaceRoles { active: Some(new), ..SpaceRoles::default() });
    assert_eq!(catalogue.spaces().expect("reads"), [("new".to_owned(), 2)]);
    assert_eq!(problem(RoleChange::RollBack), MigrationProblem::NothingBefore);
}

fn a_space_that_is_dropped_stays_empty(fresh: Fresh<'_>) {
    let location = fresh();
    let catalogue = open(&location);
    // More than are deleted at once.
    let books: Vec<_> = (0..10_003).map(|n| book(&format!("b{n}"), "")).collect();
    catalogue.put_books(&books, &Words).expect("writes");
    let [old, new] = ["old", "new"].map(|name| ModelSpace { space: name.to_owned(), model: format!("of/{name}") });
    let fill = |space: &str| {
        let pending = catalogue.pending_passages(space, 0, usize::MAX).expect("reads");
        let embedding =
            |p: &PendingPassage| NewEmbedding { passage_id: p.passage_id, text_hash: p.text_hash, vector: &[1.0] };
        catalogue.put_embeddings(space, "f32", &pending.iter().map(embedding).collect::<Vec<_>>())
    };
    assert_eq!(fill("old").expect("stores"), 10_003);
    catalogue.change_roles(RoleChange::Begin { active: &old, next: &new }).expect("begins");

    // No search shows the second set yet, so nobody has to look again for it.
    let revision = catalogue.revision().expect("reads");
    assert_eq!(fill("new").expect("stores"), 10_003);
    assert_eq!(catalogue.revision().expect("reads"), revision);
    catalogue.change_roles(RoleChange::CutOver).expect("cuts over");
    let revision = catalogue.revision().expect("reads");
    catalogue.put_books(&[book("one more", "")], &Words).expect("writes");
    let after = catalogue.revision().expect("reads");
    assert_eq!(fill("old").expect("may be searched again"), 1);
    assert_eq!(catalogue.revision().expect("reads"), after);
    assert_eq!(fill("new").expect("is searched"), 1);
    assert!(catalogue.revision().expect("reads") > after && after > revision);

    // A worker that does not know is told; what it had in hand is not stored.
    let pending = catalogue.claim_passages("old", &claim_of(1)).expect("claims");
    assert!(pending.is_empty(), "all has an embedding");
    let roles = catalogue.change_roles(RoleChange::DropOld).expect("drops");
    assert_eq!(roles, SpaceRoles { active: Some(new), ..SpaceRoles::default() });
    for refused in [fill("old"), catalogue.claim_passages("old", &claim_of(1)).map(|claimed| claimed.len() as u64)] {
        let error = refused.expect_err("it has no role any more");
        assert!(matches!(error, Error::UnknownSpace { .. }), "{error:?}");
        assert!(error.to_string().contains("is searched by `of/new` (space new), and keeps no embeddings"), "{error}");
    }
    assert_eq!(catalogue.spaces().expect("reads"), [("new".to_owned(), 10_004)]);
}

/// Cuts as [`Words`] do, and lets another change the book that is being cut, if that is possible.
struct Meddling<'a> {
    catalogue: &'a Catalogue,
    tried: AtomicBool,
    succeeded: AtomicBool,
}

impl PassageCutter for Meddling<'_> {
    fn count_tokens(&self, text: &str) -> usize {
        if !self.tried.swap(true, Ordering::Relaxed) {
            let change = || self.catalogue.put_books(&[book("a", "Newer.")], &Words).is_ok();
            let changed = std::thread::scope(|scope| scope.spawn(change).join().expect("no panic"));
            self.succeeded.store(changed, Ordering::Relaxed);
        }
        Words.count_tokens(text)
    }

    fn max_tokens(&self) -> usize {
        Words.max_tokens()
    }
}

fn a_repair_undoes_no_change_of_others(fresh: Fresh<'_>) {
    let location = fresh();
    let (catalogue, other) = (open(&location), open(&location));
    let long = "One two three four five six seven eight nine ten. ".repeat(12);
    catalogue.put_books(&[book("a", &long)], &Words).expect("writes");
    other.set_busy_timeout(Duration::from_millis(20)).expect("sets");
    let cutter = Meddling { catalogue: &other, tried: AtomicBool::new(false), succeeded: AtomicBool::new(false) };
    // For a shorter window every book has the wrong passages.
    let report =
        check(&catalogue, &Expected { cutter: &Narrow, space: "s", dim: 1, is_normalized: true }).expect("checks");
    assert_eq!(report.found, 1, "{report:?}");
    let expected = Expected { cutter: &cutter, space: "s", dim: 1, is_normalized: true };
    assert_eq!(repair(&catalogue, &expected, &report).expect("repairs").books, 1);
    assert!(cutter.tried.into_inner(), "it was cut again");
    let newer = cutter.succeeded.into_inner();
    let kept = catalogue.book("a").expect("reads").expect("is there");
    assert_eq!(kept, if newer { book("a", "Newer.") } else { book("a", &long) }, "changed meanwhile: {newer}");

    // After a migration passages may be those of another model, which is no fault, and nothing to mend.
    let [old, new] = ["s", "t"].map(|name| ModelSpace { space: name.to_owned(), model: name.to_owned() });
    catalogue.put_books(&[book("a", &long)], &Words).expect("writes");
    catalogue.change_roles(RoleChange::Begin { active: &old, next: &new }).expect("begins");
    let expected = Expected { cutter: &Narrow, space: "s", dim: 1, is_normalized: true };
    let report = check(&catalogue, &expected).expect("checks");
    assert_eq!((report.found, report.cut_otherwise), (0, 1), "{report:?}");
    assert_eq!(repair(&catalogue, &expected, &report).expect("repairs").books, 0);
}

/// Cuts passages of half the length.
struct Narrow;

impl PassageCutter for Narrow {
    fn count_tokens(&self, text: &str) -> usize {
        Words.count_tokens(text)
    }

    fn max_tokens(&self) -> usize {
        Words.max_tokens() / 2
    }
}

fn snapshot_of(catalogue: &Catalogue) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_snapshot("a snapshot", catalogue, &mut bytes).expect("writes");
    bytes
}

fn restore(catalogue: &Catalogue, mut snapshot: &[u8]) -> Result<SnapshotCounts, Error> {
    restore_snapshot("a snapshot", &mut snapshot, catalogue, true)
}

/// A snapshot with one more frame at its end, whole as it should be.
fn with_frame(snapshot: &[u8], letter: u8, texts: &[&str]) -> Vec<u8> {
    const END: usize = 5 + 3 * 8 + 32;
    let (rows, end) = snapshot.split_at(snapshot.len() - END);
    let texts = texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat());
    let content: Vec<u8> = texts.collect();
    let rows = [rows, &[letter], &(content.len() as u32).to_le_bytes(), &content].concat();
    let hash = Sha256::digest(&rows);
    [&rows[..], &end[..END - 32], &hash[..]].concat()
}

fn a_snapshot_holds_what_spaces_are_for(fresh: Fresh<'_>) {
    let catalogue = open(&fresh());
    catalogue.put_books(&[book("a", "One."), book("b", "Two.")], &Words).expect("writes");
    let [old, new] = ["old", "new"].map(|name| ModelSpace { space: name.to_owned(), model: format!("of/{name}") });
    embed_pending(&catalogue, "old");
    let never_migrated = snapshot_of(&catalogue);
    catalogue.change_roles(RoleChange::Begin { active: &old, next: &new }).expect("begins");
    embed_pending(&catalogue, "new");
    let roles = catalogue.change_roles(RoleChange::CutOver).expect("cuts over");
    let [precision] = catalogue.precisions("new").expect("reads").try_into().expect("one");
    let measured = Agreement {
        space: "new".to_owned(),
        precision: precision.precision.clone(),
        compared_with: "int8".to_owned(),
        template: "{title}".to_owned(),
        sampled: 2,
        of: 2,
        least: 0.999,
        mean: 0.9995,
    };
    let json = serde_json::to_string(&measured).expect("JSON");
    let migrated = with_frame(&snapshot_of(&catalogue), b'A', &["new", &precision.precision, &json]);
    let agreement = |catalogue: &Catalogue| catalogue.precisions("new").expect("reads")[0].agreement.clone();
    assert_eq!(agreement(&catalogue), None);

    // From here into a file, and from there into another of this kind.
    restore(&catalogue, &migrated).expect("restores");
    let (file, other) = (Catalogue::in_memory().expect("opens"), open(&fresh()));
    restore(&file, &snapshot_of(&catalogue)).expect("restores");
    restore(&other, &snapshot_of(&file)).expect("restores");
    for catalogue in [&catalogue, &file, &other] {
        assert_eq!(catalogue.roles().expect("reads"), roles);
        assert_eq!(agreement(catalogue).as_ref(), Some(&measured));
        assert_eq!(catalogue.spaces().expect("reads"), [("new".to_owned(), 2), ("old".to_owned(), 2)]);
    }
    // Back to what was before the migration, after the embeddings of that time are gone.
    other.change_roles(RoleChange::DropOld).expect("drops");
    assert_eq!(agreement(&other).as_ref(), Some(&measured), "it is of the other space");
    restore(&other, &never_migrated).expect("restores");
    assert_eq!(other.roles().expect("reads"), SpaceRoles::default(), "whoever has the old model may search again");
    assert_eq!(embeddings_shown(&other, "old"), 2);
    embed_pending(&other, "new");
    assert_eq!(agreement(&other), None, "these are our own");
    // What was measured of a set goes with it.
    file.change_roles(RoleChange::RollBack).expect("rolls back");
    file.change_roles(RoleChange::Abandon).expect("drops");
    file.change_roles(RoleChange::Begin { active: &old, next: &new }).expect("begins anew");
    embed_pending(&file, "new");
    assert_eq!(agreement(&file), None);
}

fn a_snapshot_that_cannot_be_put_in_changes_nothing(fresh: Fresh<'_>) {
    let location = fresh();
    let catalogue = open(&location);
    catalogue.put_books(&[book("kept", "Kept.")], &Words).expect("writes");
    let (folder, source) = (tempfile::tempdir().expect("a folder"), "source.db");
    let path = folder.path().join(source);
    let source = open(&Location::Sqlite(path.clone()));
    source.put_books(&[book("a", "One."), book("b", "Two.")], &Words).expect("writes");
    embed_pending(&source, "s");
    let damage = |sql: &str| {
        let connection = rusqlite::Connection::open(&path).expect("opens");
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    };

    // What belongs to nothing is no part of a snapshot: no catalogue would take it.
    damage(
        "PRAGMA foreign_keys = 0; INSERT INTO passages VALUES (99, 99, 0, x'00', '', 'stray'); \
         INSERT INTO embeddings VALUES (99, 's', 'f32', x'00', x'00'), (98, 's', 'f32', x'00', x'00')",
    );
    let counts = restore(&catalogue, &snapshot_of(&source)).expect("restores");
    assert_eq!(counts, SnapshotCounts { books: 2, passages: 2, embeddings: 2 });
    let before = (books_of(&catalogue), embeddings_shown(&catalogue, "s"));

    let refused = |part: &str| {
        let error = restore(&catalogue, &snapshot_of(&source)).expect_err("cannot be put in");
        assert!(matches!(error, Error::Snapshot { .. }), "{error:?}");
        for part in ["cannot restore `a snapshot`: ", part, "nothing was changed"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!((books_of(&catalogue), embeddings_shown(&catalogue, "s")), before);
    };
    damage("UPDATE embeddings SET vector = x'000102' WHERE passage_id = 1");
    if let Location::Sqlite(_) = location {
        restore(&catalogue, &snapshot_of(&source)).expect("SQLite keeps bytes of any number");
        restore(&catalogue, &snapshot_of(&open(&fresh()))).expect("restores");
        source.delete_books(&["a"]).expect("deletes");
        catalogue.put_books(&before.0, &Words).expect("writes");
        embed_pending(&catalogue, "s");
    } else {
        refused("a vector has 3 bytes");
    }
    damage(&format!("PRAGMA foreign_keys = 0; UPDATE books SET book_rowid = {} WHERE id = 'b'", i64::MAX));
    refused("is too high for the number of a row");
}

fn keys_are_known_by_what_was_shown_once(fresh: Fresh<'_>) {
    let location = fresh();
    let catalogue = open(&location);
    assert!(!catalogue.has_keys().expect("reads"));
    let revision = catalogue.revision().expect("reads");
    let (children, kept) =
        catalogue.create_key("children's room", Scope::Read, Some("{\"age\":9}"), None).expect("stores");
    let (ended, _) = catalogue.create_key("last year's", Scope::Admin, None, Some(1)).expect("stores");
    let (writer, _) = catalogue.create_key("nightly\0import", Scope::Write, None, Some(i64::MAX)).expect("stores");
    assert_eq!(catalogue.revision().expect("reads"), revision, "no search shows a key");
    assert!(catalogue.has_keys().expect("reads"));
    assert_eq!(catalogue.keys().expect("reads").len(), 3);
    assert_eq!(catalogue.find_key(&children).expect("reads"), Some(kept.clone()));
    assert_eq!(kept.filter.as_deref(), Some("{\"age\":9}"));
    assert_eq!(catalogue.find_key(&ended).expect("reads"), None, "its time is over");
    assert_eq!(catalogue.find_key(&writer).expect("reads").map(|key| key.scope), Some(Scope::Write));
    for wrong in ["", "libellus_", &children[..children.len() - 1], &"libellus_0".repeat(8), "\u{1F511}"] {
        assert_eq!(catalogue.find_key(wrong).expect("reads"), None, "{wrong}");
    }
    // Another process sees it, and that it was revoked.
    let other = Catalogue::open_at(&location, Access::ReadOnly).expect("opens");
    assert_eq!(other.find_key(&children).expect("reads"), Some(kept.clone()));
    assert!(catalogue.revoke_key(&kept.id).expect("deletes"));
    assert!(!catalogue.revoke_key(&kept.id).expect("deletes"), "it is gone");
    assert_eq!(other.find_key(&children).expect("reads"), None);
    assert!(matches!(other.create_key("x", Scope::Read, None, None), Err(Error::OpenedReadOnly { .. })));
    // Copies of a catalogue hold no keys, and do not take away those that are there.
    let snapshot = snapshot_of(&catalogue);
    let copy = open(&fresh());
    for catalogue in [&copy, &catalogue] {
        restore(catalogue, &snapshot).expect("restores");
    }
    assert!(!copy.has_keys().expect("reads"));
    assert!(catalogue.find_key(&writer).expect("reads").is_some());
}

fn a_book_is_changed_under_a_condition(fresh: Fresh<'_>) {
    use BookChange::{Added, Deleted, Missing, Refused, Unchanged, Updated};
    let location = fresh();
    let catalogue = open(&location);
    let (first, second) = (book("b", "The first."), book("b", "The second."));
    let put = |book: &Book, wanted: Option<&Book>| {
        catalogue.put_book_if(book, &Words, &|there| there == wanted).expect("writes")
    };
    assert_eq!(put(&first, Some(&first)), Refused, "there is none");
    assert_eq!(put(&first, None), Added);
    let revision = catalogue.revision().expect("reads");
    assert_eq!((put(&second, None), put(&second, Some(&second))), (Refused, Refused));
    assert_eq!(put(&first, Some(&first)), Unchanged);
    assert_eq!(catalogue.revision().expect("reads"), revision, "nothing changed");
    assert_eq!(put(&second, Some(&first)), Updated);
    assert_eq!(books_of(&catalogue), std::slice::from_ref(&second));
    let delete = |wanted: Option<&Book>| catalogue.delete_book_if("b", &|there| there == wanted).expect("writes");
    assert_eq!((delete(Some(&first)), delete(Some(&second)), delete(None)), (Refused, Deleted, Missing));
    assert_eq!(books_of(&catalogue), []);

    // Of many who count up at once under a condition, none undoes what another did.
    catalogue.put_books(&[book("n", "0")], &Words).expect("writes");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = open(&location);
                for _ in 0..5 {
                    loop {
                        let there = own.book("n").expect("reads").expect("a book");
                        let count: u32 = there.description.as_deref().expect("a number").parse().expect("a number");
                        let next = book("n", &(count + 1).to_string());
                        if own.put_book_if(&next, &Words, &|now| now == Some(&there)).expect("writes") == Updated {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(catalogue.book("n").expect("reads").expect("a book").description.as_deref(), Some("20"));
}
