//! A catalogue in PostgreSQL, from the command line.

use super::database_server::{self as server, Server, free_port};
use super::support::*;

#[test]
fn every_command_takes_a_database() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    let url = format!("postgresql+psycopg2://postgres:secret@127.0.0.1:{}/postgres", server.port());
    let shown = format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port());

    let missing = sandbox.run(&["search", "--db", &url, "whales"]).expect_error(1, &["no catalogue", &shown, "hint: "]);
    assert!(!missing.stderr.contains("secret"), "{missing:#?}");
    let empty = Service::start(sandbox.command(&["serve", "--port", "0", "--db", &url]));
    signal(empty.process(), "TERM");
    let note = empty.finish().expect_code(0).stderr;
    assert!(note.contains(&format!("libellus import FILE --db {shown}")) && !note.contains("secret"), "{note}");
    let imported = sandbox.run(&["import", "--db", &url, "books.csv"]).expect_code(0);
    for text in [&imported.stdout, &imported.stderr] {
        assert!(!text.contains("secret"), "{imported:#?}");
    }
    let found = sandbox.run(&["search", "--json", "--db", &url, "an insect in the family"]).expect_code(0).json();
    assert_eq!(found["hits"][0]["book"]["id"], "metamorphosis", "{found}");
    let found = sandbox.run(&["search", "--mode", "keyword", "--db", &url, "melville"]).expect_code(0);
    assert!(found.stdout.contains("Moby-Dick"), "{found:#?}");
    sandbox.run(&["backfill", "--db", &url]).expect_code(0);

    let mut serve = sandbox.command(&["serve", "--port", "0"]);
    serve.env("DATABASE_URL", &url);
    let service = Service::start(serve);
    let (status, body) = get(&service.address, "/api/search?q=natural+selection");
    assert!(status == 200 && body.contains("\"origin\""), "{status} {body}");
    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(0);
    assert!(!finished.stderr.contains("secret"), "{finished:#?}");
    assert!(!sandbox.path("libellus.db").exists());
}

#[test]
fn a_server_that_is_away_ends_the_command_after_some_patience() {
    let sandbox = Sandbox::new();
    let url = format!("postgres://reader:secret@127.0.0.1:{}/books", free_port());
    let finished = sandbox.run(&["serve", "--port", "0", "--db", &url]).expect_error(1, &["cannot reach", "because: "]);
    assert!(!finished.stderr.contains("secret"), "{finished:#?}");
}

#[test]
fn a_full_disk_of_the_server_keeps_what_was_committed() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let Some(disk) = SmallDisk::mount(server.folder().join("disk"), 20) else { return };
    server::give_to_postgres(&disk.0);
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", disk.0.display()));
    server.sql("postgres", "CREATE DATABASE books TABLESPACE small");
    let database = format!("postgresql://postgres@127.0.0.1:{}/books", server.port());
    let sandbox = Sandbox::new();
    sandbox.file("books.jsonl", numbered_books(0..50_000));
    let import = || sandbox.run(&["import", "--no-embed", "--db", &database, "books.jsonl"]);
    let count = || server.sql("books", "SELECT count(*) FROM libellus.books").parse::<u64>().expect("a number");
    import().expect_error(1, &["disk is full", "nothing was lost"]);
    let kept = count();
    assert!(kept > 0 && kept < 50_000 && kept.is_multiple_of(1000), "whole batches are kept, not {kept}");
    disk.resize(500);
    import().expect_code(0);
    assert_eq!(count(), 50_000);
}
