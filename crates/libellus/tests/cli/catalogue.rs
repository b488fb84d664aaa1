//! From files to hits: `import`, `backfill`, `search`, `eval`.

use crate::support::{FEW_BOOKS, Sandbox, books_in, numbered_books};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::process::Command;
use std::thread;

#[test]
fn books_that_were_imported_are_found_by_meaning_and_by_word() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    let imported = sandbox.run(&["import", "books.csv"]).expect_code(0).stdout;
    for part in ["books.csv: 3 records", "added             3", "rejected          0", "embedded 3 passages"] {
        assert!(imported.contains(part), "`{part}` is not in {imported}");
    }

    let found = sandbox.run(&["search", "man", "wakes up as a bug"]).expect_code(0).stdout;
    assert!(found.starts_with(" 1. The Metamorphosis\n    Franz Kafka · 1915\n    A travelling salesman"), "{found}");
    assert!(!found.contains('\x1b'), "no colours in a pipe");

    let json = sandbox.run(&["search", "--json", "--limit", "2", "evolution by small steps"]).expect_code(0).json();
    assert_eq!(json["hits"][0]["book"]["id"], "origin");
    assert_eq!((json["mode"].as_str(), json["hits"].as_array().map(Vec::len)), (Some("hybrid"), Some(2)));
    assert!(json["hits"][0]["passage"].as_str().is_some_and(|passage| passage.contains("natural selection")));

    let by_word = sandbox.run(&["search", "--mode", "keyword", "--json", "melville"]).expect_code(0).json();
    assert_eq!(by_word["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!(by_word["hits"][0]["book"]["id"], "moby-dick");

    let nothing = sandbox.run(&["search", "--mode", "keyword", "xylophone"]).expect_code(0).stdout;
    assert_eq!(nothing, "no book found among 3\n");
}

#[test]
fn answers_are_narrowed_down_and_counted() {
    let sandbox = Sandbox::new();
    let book = |id: &str, title: &str, year: u32, language: &str, age: &str| {
        format!(
            "{{\"id\":\"{id}\",\"title\":\"{title}\",\"year\":{year},\"language\":\"{language}\",\"age\":\"{age}\",\"shelf\":\"S {id}\",\
             \"description\":\"Whales and how they live in the sea.\"}}\n"
        )
    };
    let books = [("a", 1851, "en", ""), ("b", 1999, "de", "6-9"), ("c", 2004, "en", "12+")];
    let lines: String =
        books.iter().map(|(id, year, language, age)| book(id, &format!("Whales {id}"), *year, language, age)).collect();
    sandbox.file("books.jsonl", lines);
    sandbox.run(&["import", "books.jsonl"]).expect_code(0);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--filter", "language=de"], &["b"]),
        (&["--filter", "language=en", "--years", "1990-"], &["c"]),
        (&["--years", "1800-1899"], &["a"]),
        (&["--age", "8"], &["b"]),
        (&["--age", "8", "--unknown-age"], &["a", "b"]),
        (&["--filter", "decade=2000", "--sort", "newest"], &["c"]),
    ];
    for (flags, expected) in cases {
        let arguments = [&["search", "--json", "whales"], flags].concat();
        let answer = sandbox.run(&arguments).expect_code(0).json();
        let mut ids: Vec<&str> =
            answer["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["book"]["id"].as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{flags:?}");
    }
    let counted =
        sandbox.run(&["search", "--facets", "language,decade", "--limit", "2", "whales"]).expect_code(0).stdout;
    for part in ["language: en 2, de 1", "decade: ", "3 books fit; the next page: --after "] {
        assert!(counted.contains(part), "`{part}` is not in {counted}");
    }
    let similar = sandbox.run(&["similar", "a", "--limit", "1", "--filter", "language=de"]).expect_code(0).stdout;
    assert!(similar.starts_with(" 1. Whales b\n"), "{similar}");
    for (arguments, part) in [
        (&["search", "whales", "--filter", "colour=red"][..], "the fields are `language`"),
        (&["search", "whales", "--years", "MCMX"], "no span of years"),
        (&["search", "whales", "--years", "2000-1990"], "exchange the two"),
        (&["search", "whales", "--filter", "language"], "language=de"),
        (&["search", "whales", "--after", "zz"], "the cursor is not one"),
        (&["similar", "nobody"], "no book with the id `nobody`"),
    ] {
        let finished = sandbox.run(arguments);
        assert!(finished.code != Some(0) && finished.stderr.contains(part), "{arguments:?}: {finished:#?}");
    }
}

#[test]
fn what_the_model_does_not_read_is_said() {
    let sandbox = Sandbox::new();
    let subjects: Vec<String> = (0..300).map(|n| format!("\"Subject number {n}\"")).collect();
    let subjects = subjects.join(",");
    sandbox.file(
        "books.jsonl",
        format!(
            "{{\"id\":\"crowded\",\"title\":\"Crowded\",\"subjects\":[{subjects}]}}\n{{\"id\":\"b\",\"title\":\"B\"}}\n"
        ),
    );
    let imported = sandbox.run(&["import", "books.jsonl"]).expect_code(0).stdout;
    assert!(imported.contains("of 1 books the model does not read every subject"), "{imported}");
    let said = sandbox.run(&["check", "--truncation"]).expect_code(0).stdout;
    assert!(said.starts_with("2 books have ") && said.contains("book `crowded`, Crowded"), "{said}");
    let report = sandbox.run(&["check", "--truncation", "--json"]).expect_code(0).json();
    let tokens = &report["listed"][0]["tokens"];
    assert!(tokens["used"].as_u64() < tokens["seen"].as_u64() && report["shortened"] == 1, "{report}");
}

#[test]
fn a_second_import_changes_only_what_changed() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    sandbox.file("books.csv", FEW_BOOKS.replace("the white whale", "the pale whale"));
    let report = sandbox.run(&["import", "books.csv", "--json"]).expect_code(0).json();
    let written = &report["files"][0]["written"];
    assert_eq!((&written["added"], &written["updated"], &written["unchanged"]), (&0.into(), &1.into(), &2.into()));
    assert_eq!(report["backfill"]["embedded"], 1, "only the changed text is embedded again");
}

#[test]
fn exit_codes_tell_clean_from_rejects_from_nothing_usable() {
    let good = "{\"id\":\"a\",\"title\":\"A\"}\n";
    let bad = "{\"id\":\"b\"}\n";
    for (content, code) in [(good.to_owned(), 0), (format!("{good}{bad}"), 1), (bad.to_owned(), 2), (String::new(), 2)]
    {
        let sandbox = Sandbox::new();
        sandbox.file("books.jsonl", &content);
        let finished = sandbox.run(&["import", "--no-embed", "books.jsonl"]).expect_code(code);
        assert_eq!(finished.stderr.is_empty(), code == 0, "{content}: {finished:#?}");
    }
}

#[test]
fn rejects_are_listed_with_their_place() {
    let sandbox = Sandbox::new();
    sandbox.file("books.jsonl", "{\"id\":\"a\",\"title\":\"A\"}\n{\"id\":\"b\"}\n{\"id\":\"c\", oops\n");
    let finished = sandbox.run(&["import", "--no-embed", "--rejects", "rejected.csv", "books.jsonl"]).expect_code(1);
    for part in ["rejected: books.jsonl, line 2, record `b`", "rejected: books.jsonl, line 3"] {
        assert!(finished.stderr.contains(part), "`{part}` is not in {}", finished.stderr);
    }
    let rejects = fs::read_to_string(sandbox.path("rejected.csv")).expect("it was written");
    let rows: Vec<&str> = rejects.lines().collect();
    assert_eq!((rows.len(), rows[0]), (3, "file,place,id,field,reason"));
    assert!(
        rows[1].starts_with("books.jsonl,line 2,b,title,") && rows[2].starts_with("books.jsonl,line 3,"),
        "{rejects}"
    );
    assert_eq!(books_in(&sandbox.path("libellus.db")), 1, "the rest was loaded");
}

#[test]
fn rejects_go_to_standard_output_and_replace_a_file_only_once_they_are_whole() {
    let sandbox = Sandbox::new();
    sandbox.file("books.jsonl", "{\"id\":\"a\",\"title\":\"A\"}\n{\"id\":\"b\"}\n");
    let finished = sandbox.run(&["import", "--no-embed", "--rejects", "-", "books.jsonl"]).expect_code(1);
    assert!(finished.stdout.starts_with("file,place,id,field,reason\nbooks.jsonl,line 2,b,title,"), "{finished:#?}");
    assert!(finished.stderr.contains("books.jsonl: 2 records") && !sandbox.path("-").exists(), "{finished:#?}");

    sandbox.file("rejected.csv", "from the last time");
    let import =
        |db: &str| sandbox.run(&["import", "--no-embed", "--db", db, "--rejects", "rejected.csv", "books.jsonl"]);
    import("no/such/folder.db").expect_error(1, &["no/such"]);
    let read = || fs::read_to_string(sandbox.path("rejected.csv")).expect("it is there");
    assert_eq!(read(), "from the last time");
    import("libellus.db").expect_code(1);
    assert_eq!(read(), finished.stdout);
    let names = fs::read_dir(sandbox.path(".")).expect("the folder").map(|entry| entry.expect("a name").file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains(".partial")), "nothing is left behind");
}

#[test]
fn a_missing_file_does_not_keep_the_others_out_and_makes_no_catalogue() {
    let sandbox = Sandbox::new();
    let nothing = sandbox.run(&["import", "--json", "missing.csv"]).expect_error(2, &["cannot read `missing.csv`"]);
    assert_eq!(nothing.json()["unusable"][0]["file"], "missing.csv");
    assert!(!sandbox.path("libellus.db").exists());
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv", "missing.csv"]).expect_error(1, &["cannot read `missing.csv`"]);
    assert_eq!(books_in(&sandbox.path("libellus.db")), 3);
    sandbox.run_with_input(&["import", "--no-embed", "-", "-"], FEW_BOOKS).expect_code(1);
}

#[test]
fn a_dry_run_shows_the_mapping_and_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    let shown = sandbox.run(&["import", "--dry-run", "books.csv"]).expect_code(0).stdout;
    for part in ["author ", "→ authors", "metamorphosis: The Metamorphosis (Franz Kafka · 1915)", "usable            3"]
    {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    assert!(!sandbox.path("libellus.db").exists());
}

#[test]
fn standard_input_and_formats_by_name() {
    let sandbox = Sandbox::new();
    let tsv = "id\ttitle\none\tOne, and only\n";
    let arguments = ["import", "--no-embed", "--json", "--format", "tsv", "-"];
    let report = sandbox.run_with_input(&arguments, tsv).expect_code(0).json();
    assert_eq!(
        (&report["files"][0]["file"], &report["files"][0]["written"]["added"]),
        (&"standard input".into(), &1.into())
    );
}

#[test]
fn an_unusable_file_does_not_keep_the_others_out() {
    let sandbox = Sandbox::new();
    sandbox.file("cover.csv", "width,height\n1,2\n");
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox
        .run(&["import", "--no-embed", "cover.csv", "books.csv"])
        .expect_error(1, &["`cover.csv` has no title column"]);
    assert_eq!(books_in(&sandbox.path("libellus.db")), 3);
}

#[test]
fn embeddings_can_wait_for_backfill_and_search_says_so() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    sandbox.run(&["search", "--mode", "semantic", "whales"]).expect_error(1, &["3 passages", "libellus backfill"]);
    let by_words = sandbox.run(&["search", "whale"]).expect_code(0);
    assert!(by_words.stderr.contains("by their words only") && by_words.stderr.contains("libellus backfill"));
    let report = sandbox.run(&["backfill", "--json"]).expect_code(0).json();
    assert_eq!((&report["embedded"], &report["interrupted"]), (&3.into(), &false.into()));
    let again = sandbox.run(&["backfill"]).expect_code(0).stdout;
    assert_eq!(again, "every passage has a fresh embedding already\n");

    sandbox.file("more.jsonl", numbered_books(0..2));
    sandbox.run(&["import", "--no-embed", "more.jsonl"]).expect_code(0);
    let partly = sandbox.run(&["search", "whales"]).expect_code(0);
    assert!(partly.stderr.contains("2 of 5 passages have no embedding"), "{}", partly.stderr);
    assert!(partly.stderr.contains("run `libellus backfill`"), "{}", partly.stderr);
    fs::rename(sandbox.path("libellus.db"), sandbox.path("my books.db")).expect("room");
    let named = sandbox.run(&["search", "--db", "my books.db", "whales"]).expect_code(0).stderr;
    assert!(named.contains("run `libellus backfill --db 'my books.db'`"), "{named}");
}

#[test]
fn the_database_is_chosen_by_flag_then_environment_then_default() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    let import = |flags: &[&str], url: Option<&str>| {
        let mut command: Command = sandbox.command(&[&["import", "--no-embed", "books.csv"], flags].concat());
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        crate::support::finish(&mut command).expect_code(0);
    };
    import(&["--db", "flag.db"], Some("sqlite:unused.db"));
    import(&[], Some("sqlite:relative.db"));
    import(&[], Some(&format!("sqlite://{}", sandbox.path("absolute.db").display())));
    import(&[], Some(""));
    for (name, exists) in
        [("flag.db", true), ("unused.db", false), ("relative.db", true), ("absolute.db", true), ("libellus.db", true)]
    {
        assert_eq!(sandbox.path(name).exists(), exists, "{name}");
    }
}

#[test]
fn two_imports_at_once_both_complete() {
    let sandbox = Sandbox::new();
    sandbox.file("first.jsonl", numbered_books(0..3000));
    sandbox.file("second.jsonl", numbered_books(3000..6000));
    thread::scope(|scope| {
        for file in ["first.jsonl", "second.jsonl"] {
            let command = sandbox.command(&["import", "--no-embed", file]);
            scope.spawn(move || crate::support::finish(&mut { command }).expect_code(0));
        }
    });
    assert_eq!(books_in(&sandbox.path("libellus.db")), 6000);
}

#[test]
fn evaluation_measures_a_judged_set() {
    let sandbox = Sandbox::new();
    sandbox.file("corpus.jsonl", "{\"_id\":\"1\",\"title\":\"Whales\",\"text\":\"Hunting whales at sea.\"}\n{\"_id\":\"2\",\"title\":\"Bread\",\"text\":\"How to bake a loaf.\"}\n");
    sandbox.file("queries.jsonl", "{\"_id\":\"q\",\"text\":\"baking\"}\n");
    sandbox.file("qrels.tsv", "query-id\tcorpus-id\tscore\nq\t2\t1\n");
    let figures = sandbox.run(&["eval", ".", "--json"]).expect_code(0).json();
    assert_eq!((&figures["ndcg_at_10"], &figures["n_books"]), (&1.0.into(), &2.into()));
    let text = sandbox.run(&["eval", "."]).expect_code(0).stdout;
    assert!(text.starts_with("1 queries, 2 books, all-MiniLM-L6-v2") && text.contains("nDCG@10     1.0000"), "{text}");
    assert!(!sandbox.path("libellus.db").exists(), "an evaluation leaves no catalogue behind");
    sandbox.run(&["eval", "/"]).expect_error(2, &["corpus.jsonl"]);
}

#[test]
fn open_librarys_authors_are_named_wherever_their_dump_stands() {
    let sandbox = Sandbox::new();
    sandbox.file("authors.txt", "/type/author\t/authors/OL1A\t1\t2020\t{\"name\":\"Frank Herbert\"}\n");
    let work = "{\"title\":\"Dune\",\"authors\":[{\"author\":{\"key\":\"/authors/OL1A\"}}]}";
    sandbox.file("works.txt", format!("/type/work\t/works/OL9W\t1\t2020\t{work}\n"));
    let imported = sandbox.run(&["import", "--no-embed", "works.txt", "authors.txt"]).expect_code(0);
    assert!(imported.stderr.contains("authors.txt: the names of 1 authors"), "{imported:#?}");
    let found = sandbox.run(&["search", "--mode", "keyword", "Herbert"]).expect_code(0).stdout;
    assert!(found.contains("Dune"), "{found}");
    // Of a dump that is cut, what was read is used, and that there was more is said.
    let mut names = String::new();
    for n in 0..20_000 {
        names.push_str(&format!("/type/author\t/authors/OL{n}A\t1\t2020\t{{\"name\":\"Name {n}\"}}\n"));
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(names.as_bytes()).expect("packs");
    let packed = packed.finish().expect("packs");
    sandbox.file("cut.txt.gz", &packed[..packed.len() / 2]);
    let cut = ["import", "--no-embed", "--db", "cut.db", "works.txt", "cut.txt.gz"];
    let imported = sandbox.run(&cut).expect_code(1);
    assert!(imported.stderr.contains("error: ") && imported.stderr.contains("cut.txt.gz"), "{imported:#?}");
    let found = sandbox.run(&["search", "--db", "cut.db", "--mode", "keyword", "Name"]).expect_code(0).stdout;
    assert!(found.contains("Dune\n    Name 1\n"), "{found}");
    // Names alone are no books.
    let nothing = sandbox.run(&["import", "--db", "new.db", "authors.txt"]).expect_code(2);
    assert!(nothing.stderr.contains("give a dump of works or editions with them"), "{nothing:#?}");
    assert!(!sandbox.path("new.db").exists());
}
