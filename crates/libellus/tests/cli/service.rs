//! `libellus serve`: start, sample, environment. The routes themselves are tested in `crates/server`.

use crate::support::{FEW_BOOKS, Sandbox, Service, get};

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
    crate::support::signal(again.process(), "TERM");
    let finished = again.finish().expect_code(0);
    assert!(finished.stderr.contains("books already, so the sample was not loaded"), "{}", finished.stderr);
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
