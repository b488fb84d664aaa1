//! `libellus health`: the exit code that an image's HEALTHCHECK goes by, whatever answers.

use crate::support::{FEW_BOOKS, Sandbox, Service, finish, signal};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

#[test]
fn a_service_that_runs_is_healthy_and_then_is_not() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    let url = format!("http://{}", service.address);
    let (_, port) = service.address.rsplit_once(':').expect("host:port");
    for (flags, path) in [(&[][..], "/health"), (&["--ready"], "/ready")] {
        let asked = sandbox.run(&[&["health", "--url", &url], flags].concat()).expect_code(0);
        assert_eq!(asked.stdout, format!("{url}{path} answers 200\n"));
        let mut by_environment = sandbox.command(&[&["health"], flags].concat());
        let asked = finish(by_environment.env("PORT", port)).expect_code(0);
        assert_eq!(asked.stdout, format!("{url}{path} answers 200\n"));
    }
    signal(service.process(), "TERM");
    service.finish().expect_code(0);
    let gone = ["no service can be reached at", &url, "because: ", "refused", "hint: is `libellus serve` running"];
    sandbox.run(&["health", "--url", &url]).expect_error(1, &gone);
}

/// Listens on a free port, answers one connection in its own way, and gives the URL.
fn odd_service(answer: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("someone asks");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        answer(stream);
    });
    url
}

/// Answers with these bytes and closes the connection.
fn answering(bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    // Whoever has read enough may close before the end.
    odd_service(move |mut stream| drop(stream.write_all(&bytes)))
}

#[test]
fn whatever_answers_is_told_from_health() {
    let sandbox = Sandbox::new();
    let long_body = format!("HTTP/1.1 500 Oh\r\n\r\n{}", "x".repeat(1_000_000));
    for (url, part) in [
        (answering(""), "does not answer in HTTP"),
        (answering("SSH-2.0-OpenSSH_9.2\r\n"), "it said `SSH-2.0-OpenSSH_9.2`"),
        (answering([0xff, 0x1b, b'[', b'2', b'J', 0, b'\n'].repeat(9)), "does not answer in HTTP"),
        (answering("x".repeat(1_000_000)), "does not answer in HTTP"),
        (answering("HTTP/1.1 404 Not Found\r\n\r\nno such page"), "/health` answers 404: no such page"),
        (answering(long_body), "/health` answers 500: xxx"),
    ] {
        let asked = sandbox.run(&["health", "--url", &url]).expect_error(1, &[part]);
        assert!(asked.stderr.len() < 1000 && !asked.stderr.contains('\x1b'), "short and harmless: {asked:?}");
    }
    let unready = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"ready\":false}");
    sandbox.run(&["health", "--ready", "--url", &unready]).expect_error(1, &["/ready` answers 503: {\"ready\":false}"]);
    let open_ended = odd_service(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        thread::sleep(Duration::from_secs(60));
    });
    sandbox.run(&["health", "--timeout", "50", "--url", &open_ended]).expect_code(0);
}

#[test]
fn no_slowness_outlasts_the_time_limit() {
    let sandbox = Sandbox::new();
    let silent = odd_service(|_stream| thread::sleep(Duration::from_secs(600)));
    let trickling = odd_service(|mut stream| {
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    for url in [silent, trickling] {
        let asked = ["health", "--timeout", "0.3", "--url", &url];
        sandbox.run(&asked).expect_error(1, &["/health` gave no answer within 0.3 s"]);
    }
}

#[test]
fn what_cannot_be_asked_is_wrong_usage() {
    let sandbox = Sandbox::new();
    for (arguments, part) in [
        (&["--url", "https://books.example"][..], "start with `http://`"),
        (&["--url", "http://127.0.0.1:1/health"], "`1/health` is not a port number"),
        (&["--timeout", "0"], "seconds"),
    ] {
        sandbox.run(&[&["health"], arguments].concat()).expect_error(2, &[part]);
    }
    let mut bad_port = sandbox.command(&["health"]);
    finish(bad_port.env("PORT", "http")).expect_error(2, &["PORT is `http`"]);
}
