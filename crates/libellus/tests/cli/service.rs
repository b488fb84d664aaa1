//! `libellus serve`: start, sample, environment. The routes themselves are tested in `crates/server`.

use crate::support::{FEW_BOOKS, Sandbox, Service, get, signal};

#[test]
fn the_sample_is_served_and_loaded_once() {
    let sandbox = Sandbox::new();
    let service = Service::start(sandbox.command(&["serve", "--sample", "--port", "0"]));
    assert!(service.address.starts_with("127.0.0.1:"), "loopback unless told otherwise: {}", service.address);
    let (status, body) = get(&service.address, "/api/search?q=man+wakes+up+as+an+insect&limit=3");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("The Metamorphosis"), "{body}");
    let (status, page) = get(&service.address, "/?q=white+whale");
    assert!(status == 200 && page.contains("Moby"), "{page}");
    assert_eq!(get(&service.address, "/ready").0, 200);
    drop(service);

    let found = sandbox.run(&["search", "--json", "--limit", "1", "hunting a white whale"]).expect_code(0).json();
    assert_eq!(found["hits"][0]["book"]["title"], "Moby-Dick");

    let again = Service::start(sandbox.command(&["serve", "--sample", "--port", "0"]));
    signal(again.process(), "TERM");
    let finished = again.finish().expect_code(0);
    assert!(finished.stderr.contains("books already, so the sample was not loaded"), "{}", finished.stderr);
}

#[test]
fn requests_are_answered_while_a_backlog_is_embedded() {
    let sandbox = Sandbox::new();
    let description = "A captain hunts the white whale that took his leg, across all the oceans. ".repeat(8);
    let books: String = (0..600)
        .map(|n| format!("{{\"id\":\"b{n}\",\"title\":\"Book {n}\",\"description\":\"{description}\"}}\n"))
        .collect();
    sandbox.file("books.jsonl", books);
    sandbox.run(&["import", "--no-embed", "--db", "b.db", "books.jsonl"]).expect_code(0);
    let command = sandbox.command(&["serve", "--port", "0", "--threads", "1", "--db", "b.db"]);
    let service = Service::start_until(command, "libellus is listening: ");
    let (ready, reason) = get(&service.address, "/ready");
    assert!(ready == 503 && reason.contains("600 of 600 passages"), "{ready}: {reason}");
    assert_eq!(get(&service.address, "/health").0, 200);
    assert_eq!(get(&service.address, "/api/search?q=whale&mode=keyword").0, 200);
    let (status, body) = get(&service.address, "/api/search?q=whale");
    assert!(status == 200 || body.contains("not_embedded"), "{status}: {body}");

    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(130);
    let told = "these are kept, and `libellus backfill --db b.db` does the rest";
    assert!(finished.stderr.contains(told), "`{told}` is not in {}", finished.stderr);
    let number = |rest: &str| rest.split_once(" passages").and_then(|(number, _)| number.parse::<u64>().ok());
    let embedded = finished.stderr.split("embedded ").find_map(number).expect("how many were embedded");
    assert!((1..600).contains(&embedded), "the batch in hand is finished, and not all: {embedded}");
    let rest = sandbox.run(&["backfill", "--json", "--db", "b.db"]).expect_code(0).json();
    assert_eq!(rest["embedded"], 600 - embedded);
}

#[test]
fn a_platforms_port_means_every_address() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["serve"]);
    command.env("PORT", "0");
    let service = Service::start(command);
    let (status, _) = get(&service.address, "/health");
    assert_eq!(status, 200);
}

#[test]
fn passages_without_embeddings_are_embedded_before_it_is_ready() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    let (status, body) = get(&service.address, "/api/search?q=evolution");
    assert!(status == 200 && body.contains("On the Origin of Species"), "{status}: {body}");
}
