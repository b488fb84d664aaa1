//! The PostgreSQL store with real servers: what can go wrong with one, and what stands around one.

mod common;

use common::server::{self, Pooler, Server, certificates, free_port, programs, wait_until};
use common::{CHILD, Words, book, books_of, child, embed_pending, embeddings_shown};
use libellus_catalogue::{Access, Book, Catalogue, EmbeddedPassage, Error, Location, Scope, WriteOutcome};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

fn open(location: &Location) -> Catalogue {
    Catalogue::open_at(location, Access::ReadWrite).unwrap_or_else(|error| panic!("{location}: {error:?}"))
}

fn open_error(location: &Location, access: Access) -> Error {
    Catalogue::open_at(location, access).err().unwrap_or_else(|| panic!("`{location}` opens"))
}

fn books(count: usize) -> Vec<Book> {
    (0..count).map(|n| book(&n.to_string(), "Text.")).collect()
}

#[test]
fn instances_that_start_at_once_make_the_tables_once() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("books");
    thread::scope(|scope| {
        for n in 0..6 {
            let location = &location;
            scope.spawn(move || {
                open(location).put_books(&[book(&n.to_string(), "Text.")], &Words).expect("writes");
            });
        }
    });
    assert_eq!(open(&location).statistics("s").expect("counts").books, 6);
    assert_eq!(server.sql("books", "SELECT value FROM libellus.meta WHERE key = 'schema'"), "7");
}

#[test]
fn tables_of_others_are_left_alone() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("shop");
    server.sql(
        "shop",
        "CREATE TABLE books (id int PRIMARY KEY, title text); INSERT INTO books VALUES (1, 'Theirs'); \
         CREATE TABLE book_embeddings (book_id int REFERENCES books, embedding real[]); \
         INSERT INTO book_embeddings VALUES (1, '{1,2}')",
    );
    let theirs = || server.sql("shop", "SELECT * FROM public.books, public.book_embeddings");
    let tables = || {
        server.sql(
            "shop",
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                            WHERE nspname = 'public'",
        )
    };
    let before = (theirs(), tables());
    let catalogue = open(&location);
    catalogue.put_books(&books(3), &Words).expect("writes");
    embed_pending(&catalogue, "s");
    catalogue.delete_books(&["1"]).expect("deletes");
    assert_eq!((theirs(), tables()), before);
}

#[test]
fn what_is_no_catalogue_says_why() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let foreign = server.database("foreign");
    server.sql("foreign", "CREATE SCHEMA libellus; CREATE TABLE libellus.books (id int)");
    let newer = server.database("newer");
    drop(open(&newer));
    server.sql("newer", "UPDATE libellus.meta SET value = 99 WHERE key = 'schema'");
    for access in [Access::ReadWrite, Access::ReadOnly] {
        let error = open_error(&foreign, access);
        assert!(matches!(error, Error::ForeignDatabase { .. }), "{error:?}");
        let error = open_error(&newer, access);
        assert!(matches!(error, Error::NewerSchema { found: 99, .. }), "{error:?}");
        assert!(error.to_string().contains("update libellus"), "{error}");
    }
    assert_eq!(server.sql("foreign", "SELECT count(*) FROM pg_tables WHERE schemaname = 'libellus'"), "1");
}

#[test]
fn a_server_that_cannot_be_used_is_described_without_secrets() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'right'");
    let hba = server.data().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).expect("reads");
    std::fs::write(&hba, format!("host all reader 127.0.0.1/32 scram-sha-256\n{rules}")).expect("writes");
    server.sql("postgres", "SELECT pg_reload_conf()");
    let at = |host: &str, port: u16| -> Location {
        format!("postgresql://reader:secret@{host}:{port}/postgres").parse().expect("an address")
    };
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_port = silent.local_addr().expect("an address").port();
    wait_until("the password is asked for", || {
        Catalogue::exists_at(&server.location("reader:right", "postgres", "")).is_ok()
            && Catalogue::exists_at(&server.location("reader:secret", "postgres", "")).is_err()
    });
    type IsExpected = fn(&Error) -> bool;
    let cases: [(Location, &str, IsExpected); 6] = [
        (server.location("reader:secret", "postgres", ""), "pg_hba.conf", |e| matches!(e, Error::AccessRefused { .. })),
        (server.location("reader", "postgres", ""), "check user and password", |e| {
            matches!(e, Error::AccessRefused { .. })
        }),
        (server.location("postgres:secret", "nowhere", ""), "CREATE DATABASE \"nowhere\"", |e| {
            matches!(e, Error::NoSuchDatabase { .. })
        }),
        (at("no-such-host.invalid", 5432), "check its name", |e| matches!(e, Error::UnknownHost { .. })),
        (at("127.0.0.1", free_port()), "that the server runs", |e| matches!(e, Error::Unreachable { .. })),
        (
            format!("postgresql://reader:secret@127.0.0.1:{silent_port}/x?connect_timeout=1")
                .parse()
                .expect("an address"),
            "cannot reach",
            |e| matches!(e, Error::Unreachable { .. }),
        ),
    ];
    // One that takes connections and closes them, as another service on that port would.
    thread::spawn(move || silent.incoming().for_each(drop));
    thread::scope(|scope| {
        for (location, part, is_expected) in &cases {
            scope.spawn(move || {
                let error = open_error(location, Access::ReadWrite);
                let message = error.to_string();
                assert!(is_expected(&error), "{location}: {error:?}");
                assert!(message.contains(part) && message.contains(&location.to_string()), "{location}: {message}");
                let cause = std::error::Error::source(&error).expect("a cause");
                for text in [&message, &cause.to_string(), &format!("{error:?}")] {
                    assert!(!text.contains("secret"), "{text}");
                }
            });
        }
    });
}

#[test]
fn missing_rights_are_named_and_readers_are_served() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let as_owner = server.database("books");
    server.sql("books", "CREATE ROLE reader LOGIN; CREATE ROLE writer LOGIN; CREATE ROLE stranger LOGIN");
    let (reader, writer) = (server.location("reader", "books", ""), server.location("writer", "books", ""));

    let error = open_error(&writer, Access::ReadWrite);
    assert!(matches!(error, Error::MissingRights { .. }), "{error:?}");
    for part in ["GRANT CREATE ON DATABASE \"books\" TO \"writer\"", "CREATE SCHEMA libellus AUTHORIZATION \"writer\""]
    {
        assert!(error.to_string().contains(part), "{error}");
    }
    // What the message says is enough.
    server.sql("books", "CREATE SCHEMA libellus AUTHORIZATION writer");
    open(&writer).put_books(&books(2), &Words).expect("writes");

    let error = open_error(&server.location("stranger", "books", ""), Access::ReadOnly);
    assert!(matches!(error, Error::MissingRights { .. }), "{error:?}");
    assert!(error.to_string().contains("GRANT USAGE ON SCHEMA libellus TO \"stranger\""), "{error}");

    server.sql(
        "books",
        "GRANT USAGE ON SCHEMA libellus TO reader; \
                         GRANT SELECT ON ALL TABLES IN SCHEMA libellus TO reader",
    );
    let error = open_error(&reader, Access::ReadWrite);
    assert!(matches!(error, Error::ServerReadOnly { .. }) && error.is_read_only(), "{error:?}");
    assert!(error.to_string().contains("grant it INSERT, UPDATE and DELETE"), "{error}");
    let catalogue = Catalogue::open_at(&reader, Access::ReadOnly).expect("opens");
    assert_eq!(books_of(&catalogue).len(), 2);
    // A service of this role knows keys, and cannot list them without a right to the table.
    let (key, kept) = open(&writer).create_key("a reader's", Scope::Read, None, None).expect("stores");
    server.sql("books", "REVOKE SELECT ON libellus.api_keys FROM reader");
    assert!(catalogue.has_keys().expect("reads"));
    assert_eq!(catalogue.find_key(&key).expect("reads"), Some(kept));
    assert!(matches!(catalogue.keys(), Err(Error::MissingRights { .. })));
    let error = catalogue.put_books(&books(1), &Words).expect_err("may only read");
    assert!(matches!(error, Error::OpenedReadOnly { .. }), "{error:?}");
    assert_eq!(open(&as_owner).statistics("s").expect("counts").books, 2);
}

#[test]
fn a_standby_is_read() {
    let Some(mut server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("books");
    open(&location).put_books(&books(2), &Words).expect("writes");
    server.stop();
    std::fs::write(server.data().join("standby.signal"), "").expect("writes");
    server.run();
    let error = open_error(&location, Access::ReadWrite);
    assert!(matches!(error, Error::ServerReadOnly { .. }), "{error:?}");
    assert!(error.to_string().contains("standby"), "{error}");
    let catalogue = Catalogue::open_at(&location, Access::ReadOnly).expect("opens");
    assert_eq!(books_of(&catalogue).len(), 2);
    assert!(catalogue.revision().expect("reads") > 0);
}

#[test]
fn work_goes_on_after_the_server_was_started_anew() {
    let Some(mut server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("books");
    let catalogue = open(&location);
    catalogue.put_books(&books(2), &Words).expect("writes");
    let revision = catalogue.revision().expect("reads");
    for round in 0..2 {
        server.stop();
        thread::scope(|scope| {
            let read = scope.spawn(|| catalogue.revision().expect("waits and reads"));
            let write = scope.spawn(|| {
                catalogue.put_books(&[book(&format!("new {round}"), "Text.")], &Words).expect("waits and writes")
            });
            thread::sleep(Duration::from_millis(700));
            server.run();
            assert!(read.join().expect("no panic") >= revision);
            assert_eq!(
                write.join().expect("no panic"),
                WriteOutcome { added: 1, updated: 0, unchanged: 0, shortened: 0 }
            );
        });
    }
    assert_eq!(catalogue.statistics("s").expect("counts").books, 4);
    assert_eq!(books_of(&catalogue).len(), 4);
}

/// What a proxy does with the first commits that it sees.
#[derive(Clone, Copy, PartialEq)]
enum Cut {
    /// The server never hears of it.
    Before,
    /// The client never hears of it.
    After,
}

/// A proxy before the server that breaks the connection at the first commit of something written.
fn breaking_proxy(server_port: u16, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let cuts_left = Arc::new(AtomicUsize::new(1));
    let is_muted = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", server_port)).expect("connects");
            let (cuts_left, is_muted) = (Arc::clone(&cuts_left), Arc::clone(&is_muted));
            let muted = Arc::clone(&is_muted);
            let (mut from_client, mut to_server) =
                (client.try_clone().expect("clones"), server.try_clone().expect("clones"));
            let (mut from_server, mut to_client) = (server, client);
            thread::spawn(move || {
                let mut buffer = [0; 65536];
                let mut written = false;
                while let Ok(length @ 1..) = from_client.read(&mut buffer) {
                    let bytes = &buffer[..length];
                    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
                    written |= holds(b"INSERT INTO libellus.books");
                    let breaks = written && holds(b"COMMIT") && cuts_left.swap(0, Ordering::SeqCst) == 1;
                    is_muted.store(breaks, Ordering::SeqCst);
                    if !(breaks && cut == Cut::Before) && to_server.write_all(bytes).is_err() {
                        break;
                    }
                    if breaks {
                        // Long enough for the server to do what it heard of.
                        thread::sleep(Duration::from_millis(300));
                        let _ = from_client.shutdown(Shutdown::Both);
                        is_muted.store(false, Ordering::SeqCst);
                        break;
                    }
                }
                let _ = to_server.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(length @ 1..) = from_server.read(&mut buffer) {
                    if !muted.load(Ordering::SeqCst) && to_client.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    port
}

#[test]
fn a_commit_that_was_cut_off_is_looked_up_not_guessed() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    for (name, cut) in [("before", Cut::Before), ("after", Cut::After)] {
        drop(open(&server.database(name)));
        let port = breaking_proxy(server.port(), cut);
        let through: Location =
            format!("postgresql://postgres@127.0.0.1:{port}/{name}?sslmode=disable").parse().expect("an address");
        let catalogue = open(&through);
        let before = catalogue.revision().expect("reads");
        let outcome = catalogue.put_books(&books(3), &Words).expect("is written all the same");
        // Written once: a blind second time would have found three unchanged books.
        assert_eq!(outcome, WriteOutcome { added: 3, updated: 0, unchanged: 0, shortened: 0 }, "{name}");
        assert_eq!(catalogue.revision().expect("reads"), before + 1, "{name}");
        assert_eq!(catalogue.statistics("s").expect("counts").books, 3, "{name}");
    }
}

#[test]
fn a_lock_that_is_not_released_is_named() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("books");
    let catalogue = open(&location);
    catalogue.put_books(&books(1), &Words).expect("writes");
    catalogue.set_busy_timeout(Duration::from_millis(100)).expect("sets");
    let lock = "BEGIN; SELECT * FROM libellus.meta FOR UPDATE; SELECT pg_sleep(60)";
    let mut other = server.psql_command("books", lock).spawn().expect("starts");
    wait_until("the other holds the lock", || {
        server.sql("books", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1"
    });
    let error = catalogue.put_books(&books(2), &Words).expect_err("is locked");
    assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    assert_eq!(books_of(&catalogue).len(), 1, "readers do not wait");
    let _ = other.kill();
    let _ = other.wait();
    server.sql("books", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    catalogue.set_busy_timeout(Duration::from_secs(10)).expect("sets");
    catalogue.put_books(&books(2), &Words).expect("writes");
}

#[test]
fn a_transaction_pooler_is_enough() {
    let (Some(server), Some(program)) = (Server::start(server::POSTGRES), programs(server::PGBOUNCER)) else { return };
    server.database("books");
    let pooler = Pooler::start(&program, &server);
    // More clients than the pooler has connections, and more threads than clients.
    let catalogues: Vec<Catalogue> = (0..3).map(|_| open(&pooler.location("books"))).collect();
    thread::scope(|scope| {
        for (c, catalogue) in catalogues.iter().enumerate() {
            for t in 0..4 {
                scope.spawn(move || {
                    for n in 0..10 {
                        let id = format!("{c}-{t}-{n}");
                        catalogue.put_books(&[book(&id, "Text.")], &Words).expect("writes");
                        assert!(catalogue.book(&id).expect("reads").is_some(), "{id}");
                        catalogue.revision().expect("reads");
                    }
                });
            }
        }
    });
    let catalogue = &catalogues[0];
    assert_eq!(embed_pending(catalogue, "s"), 120);
    assert_eq!(books_of(catalogue).len(), 120);
    assert_eq!(embeddings_shown(catalogue, "s"), 120);
    // So many at once are copied, by several clients of the pooler at a time.
    let more: Vec<Book> = (0..900).map(|n| book(&format!("more-{n}"), "Text.")).collect();
    catalogue.put_books(&more, &Words).expect("writes");
    thread::scope(|scope| {
        for (c, catalogue) in catalogues.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..3 {
                    assert_eq!(embed_pending(catalogue, &format!("copied {c} {n}")), 1020);
                }
            });
        }
    });
    assert_eq!(catalogue.spaces().expect("reads").len(), 10);
    assert!(catalogue.spaces().expect("reads").iter().all(|(space, count)| space == "s" || *count == 1020));
    let log = pooler.log();
    assert!(!log.contains("prepared statement"), "{log}");
}

#[test]
fn vectors_may_be_of_another_type_and_have_an_index() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    for (database, change) in [
        (
            "indexed",
            "ALTER COLUMN vector TYPE vector(2); CREATE INDEX ON libellus.embeddings USING hnsw (vector vector_ip_ops)",
        ),
        ("doubles", "ALTER COLUMN vector TYPE double precision[] USING vector::real[]::double precision[]"),
    ] {
        let location = server.database(database);
        let written: Vec<Book> = (0..400).map(|n| book(&format!("{n:03}"), &format!("Text {n}."))).collect();
        open(&location).put_books(&written, &Words).expect("writes");
        server.sql(database, &format!("ALTER TABLE libellus.embeddings {change}"));
        // Many at once, then a few.
        let catalogue = open(&location);
        assert_eq!(embed_pending(&catalogue, "s"), 400);
        catalogue.put_books(&[book("last", "Text.")], &Words).expect("writes");
        assert_eq!(embed_pending(&catalogue, "s"), 1);
        let mut first_numbers = Vec::new();
        let visit = &mut |embedded: EmbeddedPassage<'_>| {
            assert_eq!(embedded.vector[1..], [0.5], "{database}");
            first_numbers.push(embedded.vector[0]);
            ControlFlow::Continue(())
        };
        catalogue.each_embedding("s", visit).expect("reads");
        assert_eq!(first_numbers, (1..=401u16).map(f32::from).collect::<Vec<_>>(), "{database}");
    }
}

#[test]
fn a_socket_is_an_address_too() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    server.database("books");
    let folder = server.folder().display();
    // Encryption is for the network; whoever demands it everywhere means that.
    for query in ["", "&sslmode=require", "&sslmode=verify-full"] {
        let url = format!("postgresql+psycopg2://postgres@/books?host={folder}&port={}{query}", server.port());
        let location: Location = url.parse().expect("an address");
        open(&location).put_books(&books(2), &Words).expect("writes");
    }
}

#[test]
fn a_catalogue_is_used_and_dropped_in_any_thread() {
    let Some(server) = Server::start(server::POSTGRES) else { return };
    let location = server.database("books");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let catalogue = Arc::new(open(&location));
        let shared = Arc::clone(&catalogue);
        let written = tokio::task::spawn_blocking(move || shared.put_books(&books(2), &Words)).await;
        assert_eq!(written.expect("no panic").expect("writes").added, 2);
        // Not the place for it, but no reason to panic.
        assert_eq!(catalogue.statistics("s").expect("counts").books, 2);
        drop(catalogue);
    });
}

/// Not a test by itself: opens a place in a process of its own, where the environment can differ.
#[test]
fn opening_process() {
    let Ok(location) = std::env::var(CHILD) else { return };
    match Catalogue::open_at(&location.parse().expect("an address"), Access::ReadWrite) {
        Ok(_) => println!("opened"),
        Err(error) => println!("{error}; because: {:?}", std::error::Error::source(&error).map(ToString::to_string)),
    }
}

#[test]
fn encryption_means_what_it_means_to_libpq() {
    let Some(bin) = programs(server::POSTGRES) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("empty")).expect("makes a folder");
    let mut server = Server::new(&bin);
    server.sql("postgres", "CREATE ROLE plain LOGIN; CREATE ROLE encrypted LOGIN");
    let hba = server.data().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).expect("reads");
    let rules = format!(
        "hostnossl all plain all trust\nhostssl all encrypted all trust\nhost all plain,encrypted all reject\n{rules}"
    );
    std::fs::write(&hba, rules).expect("writes");
    let open_with = |server: &Server, role: &str, host: &str, query: &str, trusted: &str| {
        let url = format!("postgresql://{role}@{host}:{}/postgres?{query}", server.port());
        let mut opening = child("opening_process");
        opening.env(CHILD, url).env("SSL_CERT_FILE", trusted).env("SSL_CERT_DIR", folder.path().join("empty"));
        let output = opening.output().expect("runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let check = |server: &Server, cases: &[(&str, &str, &str, &str, &str)]| {
        for (role, host, query, trusted, expected) in cases {
            let said = open_with(server, role, host, query, trusted);
            assert!(said.contains(expected), "{role}@{host}?{query} (trusting `{trusted}`): {said}");
        }
    };

    // No encryption at all.
    server.sql("postgres", "GRANT CREATE ON DATABASE postgres TO plain, encrypted");
    drop(open(&server.location("postgres", "postgres", "")));
    server.sql(
        "postgres",
        "GRANT ALL ON SCHEMA libellus TO plain, encrypted; \
                            GRANT ALL ON ALL TABLES IN SCHEMA libellus TO plain, encrypted",
    );
    check(
        &server,
        &[
            ("postgres", "127.0.0.1", "sslmode=prefer", "", "opened"),
            ("postgres", "127.0.0.1", "sslmode=disable", "", "opened"),
            ("postgres", "127.0.0.1", "sslmode=require", "", "cannot agree on encryption"),
        ],
    );

    // A certificate that an authority signed.
    let (ca, none) = (at("ca.pem"), at("names"));
    let signed = [
        format!(
            "ssl_cert_file={}",
            server.file("signed.pem", std::fs::read(at("server.pem")).expect("reads")).display()
        ),
        format!(
            "ssl_key_file={}",
            server.file("signed.key", std::fs::read(at("server.key")).expect("reads")).display()
        ),
        "ssl=on".to_owned(),
    ];
    server.stop();
    server.set(&signed);
    server.run();
    let with_ca = |mode: &str| format!("sslmode={mode}&sslrootcert={ca}");
    let (ca_full, ca_ca, ca_require) = (with_ca("verify-full"), with_ca("verify-ca"), with_ca("require"));
    let alone_require = format!("sslmode=require&sslrootcert={}", at("alone.pem"));
    let missing = format!("sslmode=verify-full&sslrootcert={}", at("no-such.pem"));
    check(
        &server,
        &[
            ("encrypted", "localhost", "", "", "opened"),
            ("encrypted", "127.0.0.1", "sslmode=require", "", "opened"),
            ("encrypted", "127.0.0.1", "sslmode=allow", "", "opened"),
            ("encrypted", "127.0.0.1", "sslmode=disable", "", "refused the role"),
            ("plain", "127.0.0.1", "sslmode=prefer", "", "opened"),
            ("plain", "127.0.0.1", "sslmode=require", "", "refused the role"),
            ("encrypted", "localhost", &ca_full, "", "opened"),
            ("encrypted", "127.0.0.1", &ca_full, "", "cannot agree on encryption"),
            ("encrypted", "127.0.0.1", &ca_ca, "", "opened"),
            ("encrypted", "127.0.0.1", &ca_require, "", "opened"),
            ("encrypted", "127.0.0.1", &alone_require, "", "cannot agree on encryption"),
            ("encrypted", "localhost", "sslmode=verify-full", &ca, "opened"),
            ("encrypted", "localhost", "sslrootcert=system", &ca, "opened"),
            ("encrypted", "localhost", "sslmode=verify-full", &at("alone.pem"), "cannot agree on encryption"),
            ("encrypted", "localhost", "sslmode=verify-full", &none, "cannot use the certificates of this system"),
            ("encrypted", "localhost", &missing, "", "no-such.pem"),
        ],
    );

    // A certificate that nobody signed, as many platforms have it.
    let alone = [
        format!("ssl_cert_file={}", server.file("alone.pem", std::fs::read(at("alone.pem")).expect("reads")).display()),
        format!("ssl_key_file={}", server.file("alone.key", std::fs::read(at("alone.key")).expect("reads")).display()),
        "ssl=on".to_owned(),
    ];
    server.stop();
    server.set(&alone);
    server.run();
    let alone_full = format!("sslmode=verify-full&sslrootcert={}", at("alone.pem"));
    check(
        &server,
        &[
            ("encrypted", "localhost", "sslmode=require", "", "opened"),
            ("encrypted", "localhost", &alone_full, "", "opened"),
            ("encrypted", "127.0.0.1", &alone_full, "", "cannot agree on encryption"),
            ("encrypted", "localhost", &ca_full, "", "cannot agree on encryption"),
        ],
    );
}
