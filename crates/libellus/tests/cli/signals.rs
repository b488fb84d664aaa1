//! Ctrl-C and SIGTERM: what was finished is kept.

use crate::support::{Finished, Sandbox, Service, books_in, get, numbered_books, signal, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn ctrl_c_in_an_import_keeps_whole_batches_and_the_next_run_does_the_rest() {
    let sandbox = Sandbox::new();
    let database = sandbox.path("libellus.db");
    let mut command = sandbox.command(&["import", "--no-embed", "--json", "-"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = piped.spawn().expect("it starts");
    let mut stdin = process.stdin.take().expect("piped");
    stdin.write_all(numbered_books(0..5000).as_bytes()).expect("it reads");
    wait_until("a batch is committed", || books_in(&database) > 0);
    signal(&process, "INT");
    // It may stop before it has read all of this.
    let _ = stdin.write_all(numbered_books(5000..20_000).as_bytes());
    drop(stdin);
    let finished = Finished::from(process.wait_with_output().expect("it ends")).expect_code(130);
    let report = finished.json();
    assert_eq!(report["files"][0]["interrupted"], true);
    let kept = books_in(&database);
    assert_eq!(report["files"][0]["written"]["added"], kept, "what is reported is what is there");
    assert!(kept > 0 && kept < 20_000, "{kept}");

    let rest = sandbox.run_with_input(&["import", "--no-embed", "--json", "-"], numbered_books(0..20_000));
    let written = rest.expect_code(0).json()["files"][0]["written"].clone();
    assert_eq!((&written["unchanged"], &written["added"]), (&kept.into(), &(20_000 - kept).into()));
}

#[test]
fn a_killed_import_keeps_whole_batches_and_the_next_run_does_the_rest() {
    let sandbox = Sandbox::new();
    let database = sandbox.path("libellus.db");
    let mut command = sandbox.command(&["import", "--no-embed", "-"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut stdin = process.stdin.take().expect("piped");
    stdin.write_all(numbered_books(0..5000).as_bytes()).expect("it reads");
    wait_until("a batch is committed", || books_in(&database) > 0);
    process.kill().expect("it runs");
    process.wait().expect("it ended");
    let kept = books_in(&database);
    assert!(kept > 0 && kept.is_multiple_of(1000), "{kept}: whole batches");
    let rest = sandbox.run_with_input(&["import", "--no-embed", "--json", "-"], numbered_books(0..20_000));
    let written = rest.expect_code(0).json()["files"][0]["written"].clone();
    assert_eq!((&written["unchanged"], &written["added"]), (&kept.into(), &(20_000 - kept).into()));
}

#[test]
fn ctrl_c_while_waiting_for_input_ends_embed() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["embed"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    std::thread::sleep(Duration::from_millis(300));
    signal(&process, "INT");
    let status = process.wait().expect("it ends");
    assert!(!status.success(), "{status}");
}

#[test]
fn sigterm_finishes_the_request_in_flight() {
    let sandbox = Sandbox::new();
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    assert_eq!(get(&service.address, "/health").0, 200);

    // A request is half sent when the signal comes, and the rest follows.
    let mut stream = TcpStream::connect(&service.address).expect("it listens");
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n").expect("it reads");
    std::thread::sleep(Duration::from_millis(200));
    signal(service.process(), "TERM");
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(b"Connection: close\r\n\r\n").expect("it still reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it still replies");
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");

    let address = service.address.clone();
    service.finish().expect_code(0);
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
}
