//! What goes wrong outside: each gives a clear message with what to do, and loses nothing.

use crate::support::{
    FEW_BOOKS, Finished, Sandbox, Service, SmallDisk, books_in, finish, get, numbered_books, signal, unprivileged,
};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

/// A sandbox with a few books in its catalogue, embedded.
fn with_books() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    sandbox
}

/// A pipe with a name gives what it gives once: nothing may look into it first and then read it.
#[test]
fn pipes_with_names_are_read_once() {
    let sandbox = with_books();
    let give = |name: &str, content: Vec<u8>| {
        let pipe = sandbox.path(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
        // Whether all of it was wanted is the reader's business.
        thread::spawn(move || fs::write(pipe, content).unwrap_or_default())
    };
    let read = |name: &str| fs::read(sandbox.path(name)).expect("it was written");
    sandbox.run(&["export", "embeddings", "--output", "vectors.csv"]).expect_code(0);
    sandbox.run(&["snapshot", "whole.snapshot"]).expect_code(0);

    let books = give("books.pipe", FEW_BOOKS.into());
    sandbox.run(&["import", "--no-embed", "--db", "new.db", "books.pipe"]).expect_code(0);
    let vectors = give("vectors.pipe", read("vectors.csv"));
    let taken = sandbox.run(&["import", "embeddings", "--json", "--db", "new.db", "vectors.pipe"]).expect_code(0);
    assert_eq!((&taken.json()["stored"], books_in(&sandbox.path("new.db"))), (&3.into(), 3), "{taken:#?}");
    let snapshot = give("snapshot.pipe", read("whole.snapshot"));
    sandbox.run(&["restore", "--db", "restored.db", "snapshot.pipe"]).expect_code(0);
    assert_eq!(books_in(&sandbox.path("restored.db")), 3);
    for writer in [books, vectors, snapshot] {
        writer.join().expect("it wrote");
    }
}

#[test]
fn queries_that_cannot_be_searched() {
    let sandbox = with_books();
    // One argument cannot be longer than 128 KiB on Linux; the server's tests send 1 MB.
    let long = "whale ".repeat(100 * 1024 / 6);
    for (query, part) in
        [("", "the query is empty"), ("  \n\t ", "the query is empty"), (long.as_str(), "the query is longer than")]
    {
        sandbox.run(&["search", query]).expect_error(2, &[part]);
    }
    for limit in ["0", "101"] {
        sandbox.run(&["search", "--limit", limit, "whales"]).expect_error(2, &["must be from 1 to 100"]);
    }
}

#[test]
fn a_catalogue_that_is_not_there() {
    let sandbox = Sandbox::new();
    for command in [&["search", "whales"][..], &["backfill"]] {
        sandbox.run(command).expect_error(
            1,
            &["no catalogue at `libellus.db`", "hint: ", "libellus import", "libellus serve --sample"],
        );
    }
    assert!(!sandbox.path("libellus.db").exists(), "looking does not make one");
}

#[test]
fn databases_that_cannot_be_opened() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox
        .file("notes.txt", "This is not a database, only a text that is long enough to be taken for one. ".repeat(20));
    for (database, code, part) in [
        ("postgres://reader:secret/word@db/books", 2, "cannot read the address"),
        ("sqlite::memory:", 2, "does not name a file"),
        (".", 1, "is a directory"),
        ("no/such/folder/books.db", 1, "does not exist"),
        ("notes.txt", 1, "not a catalogue"),
    ] {
        let finished =
            sandbox.run(&["import", "--no-embed", "--db", database, "books.csv"]).expect_error(code, &[part]);
        assert!(!finished.stderr.contains("secret"), "{finished:#?}");
    }
    let mut from_environment = sandbox.command(&["search", "whales"]);
    finish(from_environment.env("DATABASE_URL", "mysql://x")).expect_error(2, &["`mysql:`", "postgresql://"]);
}

#[test]
fn files_that_cannot_be_imported() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("folder")).expect("a folder");
    sandbox.file("empty.csv", "");
    sandbox.file("image.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10");
    sandbox.file("numbers.csv", "a,b\n1,2\n");
    for (file, code, part) in [
        ("folder", 2, "`folder` is a directory"),
        ("missing.csv", 2, "cannot read `missing.csv`"),
        ("empty.csv", 2, "`empty.csv` has no records"),
        ("image.csv", 2, "`image.csv` is not a text file"),
        ("numbers.csv", 2, "`numbers.csv` has no title column"),
    ] {
        sandbox.run(&["import", file]).expect_error(code, &[part]);
    }
}

#[test]
fn invalid_utf8_costs_one_record() {
    let sandbox = Sandbox::new();
    let mut books = "id,title\na,Café\nb,Été\nc,Señor\nd,Über\n".as_bytes().to_vec();
    books.extend_from_slice(b"e,Br\xfcken\nf,Good\n");
    sandbox.file("books.csv", &books);
    let finished = sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(1);
    for part in ["rejected: books.csv, line 6", "not valid UTF-8", "save the file as UTF-8"] {
        assert!(finished.stderr.contains(part), "`{part}` is not in {}", finished.stderr);
    }
    assert_eq!(books_in(&sandbox.path("libellus.db")), 5);
}

#[test]
fn a_damaged_pack_is_refused() {
    let sandbox = Sandbox::new();
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2.pack");
    let original = fs::read(pack).expect("the pack is in the repository");
    sandbox.file("whole.pack", &original);
    sandbox.run(&["model", "info", "whole.pack"]).expect_code(0);
    for place in [0, 8, 40, 70, original.len() / 2, original.len() - 1] {
        let mut damaged = original.clone();
        damaged[place] ^= 0x10;
        sandbox.file("damaged.pack", &damaged);
        sandbox.run(&["model", "info", "damaged.pack"]).expect_error(1, &["`damaged.pack`"]);
    }
    sandbox.file("short.pack", &original[..original.len() / 2]);
    sandbox.run(&["embed", "--model", "short.pack"]).expect_error(1, &["`short.pack`"]);
    sandbox.run(&["search", "--model", "no-such-model", "whales"]).expect_error(1, &["no catalogue"]);
    sandbox
        .run(&["embed", "--model", "no-such-model"])
        .expect_error(2, &["`no-such-model` is neither a built-in model", "hint: "]);
}

#[test]
fn a_port_in_use() {
    let sandbox = with_books();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    sandbox.run(&["serve", "--port", &port]).expect_error(1, &[&format!("port {port}"), "already in use", "--port"]);
    let mut from_environment = sandbox.command(&["serve"]);
    finish(from_environment.env("PORT", "http")).expect_error(2, &["PORT is `http`"]);
}

#[test]
fn a_read_only_database_can_be_searched_but_not_changed() {
    let sandbox = with_books();
    let [folder, database] = [".", "libellus.db"].map(|name| sandbox.path(name));
    fs::set_permissions(&database, Permissions::from_mode(0o444)).expect("it is ours");
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).expect("it is ours");
    let results = unprivileged(&sandbox).zip(unprivileged(&sandbox)).map(|(import, search)| {
        let import = finish(&mut sandbox.wrapped(import, &["import", "--no-embed", "books.csv"]));
        (import, finish(&mut sandbox.wrapped(search, &["search", "white whale"])))
    });
    // Else the folder could not be removed.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("it is ours");
    let Some((import, search)) = results else {
        println!("skipped: this is root, who may write everywhere, and setpriv cannot give that up here");
        return;
    };
    let owner = "`libellus.db` belongs to user ";
    import.expect_error(1, &["cannot write to the catalogue `libellus.db`", "read-only", owner]);
    assert!(search.expect_code(0).stdout.contains("Moby-Dick"));
}

#[test]
fn a_volume_that_is_missing_or_belongs_to_another_user() {
    let sandbox = Sandbox::new();
    let missing = ["directory `data` does not exist", "hint: in a container, mount a volume"];
    sandbox.run(&["serve", "--port", "0", "--db", "data/libellus.db"]).expect_error(1, &missing);
    fs::create_dir(sandbox.path("data")).expect("a folder");
    for folder in [".", "data"] {
        fs::set_permissions(sandbox.path(folder), Permissions::from_mode(0o755)).expect("it is ours");
    }
    let Some(serve) = unprivileged(&sandbox).filter(|command| command.get_program() == "setpriv") else {
        println!("skipped: only root can leave a folder to another user, and setpriv has to be there");
        return;
    };
    let foreign = [
        "cannot write to the catalogue `data/libellus.db`",
        "this process is user 65534, `data` belongs to user 0 and has mode 755",
        "set the variable RAILWAY_RUN_UID=0",
    ];
    finish(&mut sandbox.wrapped(serve, &["serve", "--port", "0", "--db", "data/libellus.db"]))
        .expect_error(1, &foreign);
}

#[test]
fn a_read_only_database_is_served_as_it_is() {
    let sandbox = with_books();
    let [folder, database] = [".", "libellus.db"].map(|name| sandbox.path(name));
    let before = fs::read(&database).expect("the catalogue");
    fs::set_permissions(&database, Permissions::from_mode(0o444)).expect("it is ours");
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).expect("it is ours");
    let served = unprivileged(&sandbox).map(|serve| {
        let service = Service::start(sandbox.wrapped(serve, &["serve", "--sample", "--port", "0"]));
        let replies = ["/ready", "/api/search?q=white+whale"].map(|path| get(&service.address, path));
        signal(service.process(), "TERM");
        (replies, service.finish())
    });
    // Else the folder could not be removed.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("it is ours");
    let Some(([ready, found], finished)) = served else {
        println!("skipped: this is root, who may write everywhere, and setpriv cannot give that up here");
        return;
    };
    assert_eq!(ready.0, 200, "{}", ready.1);
    assert!(found.0 == 200 && found.1.contains("Moby-Dick"), "{}: {}", found.0, found.1);
    let note = "note: `libellus.db` cannot be written by this user, so it is served as it is, and the sample was not";
    assert!(finished.expect_code(0).stderr.contains(note));
    assert_eq!(fs::read(database).expect("the catalogue"), before);
}

#[test]
fn rejects_never_overwrite_the_catalogue_or_an_input() {
    let sandbox = with_books();
    sandbox.file("bad.jsonl", "{\"id\":\"b\"}\n");
    sandbox.file("libellus.db-wal", "");
    fs::hard_link(sandbox.path("books.csv"), sandbox.path("linked.csv")).expect("room");
    std::os::unix::fs::symlink("libellus.db", sandbox.path("alias.db")).expect("room");
    let content = |name: &str| fs::read(sandbox.path(name)).ok();
    let kept = ["libellus.db", "books.csv", "bad.jsonl", "libellus.db-wal", "libellus.db-shm", "new.db"];
    let before = kept.map(content);
    for (db, rejects, part) in [
        ("libellus.db", "libellus.db", "belongs to the catalogue"),
        ("libellus.db", "./libellus.db", "belongs to the catalogue"),
        ("libellus.db", "alias.db", "belongs to the catalogue"),
        ("alias.db", "libellus.db-wal", "belongs to the catalogue"),
        ("libellus.db", "libellus.db-shm", "belongs to the catalogue"),
        ("new.db", "new.db", "belongs to the catalogue"),
        ("libellus.db", "bad.jsonl", "is an input"),
        ("libellus.db", "linked.csv", "is an input"),
    ] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let arguments = [&["import", "--db", db, "--rejects", rejects, "bad.jsonl", "books.csv"], dry_run].concat();
            sandbox.run(&arguments).expect_error(2, &[&format!("`{rejects}` {part}"), "hint: "]);
            assert_eq!(kept.map(content), before, "--db {db} --rejects {rejects} {dry_run:?}");
        }
    }
    sandbox
        .run(&["import", "--json", "--rejects", "-", "bad.jsonl"])
        .expect_error(2, &["standard output cannot hold both", "hint: "]);
}

#[test]
fn a_full_disk_keeps_what_was_committed() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(sandbox.path("disk"), 1) else { return };
    sandbox.file("books.jsonl", numbered_books(0..50_000));
    let import = |file: &str| sandbox.run(&["import", "--no-embed", "--db", "disk/books.db", file]);
    let finished: Finished = import("books.jsonl");
    finished.expect_error(1, &["disk is full", "nothing was lost"]);
    let kept = books_in(&disk.0.join("books.db"));
    assert!(kept < 50_000 && kept.is_multiple_of(1000), "whole batches are kept, not {kept}");
}
