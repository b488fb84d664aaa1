//! `libellus serve`: start, sample, environment. The routes themselves are tested in `crates/server`.

use crate::support::{FEW_BOOKS, Sandbox, Service, get, reply_with, signal, wait_until};

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

/// How often answers were at hand, and how often not, as `/metrics` has it.
fn answers_at_hand(service: &Service) -> (u64, u64) {
    let metrics = get(&service.address, "/metrics").1;
    let count = |result: &str| {
        let name = format!("libellus_cache_requests_total{{cache=\"answers\",result=\"{result}\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("it is counted");
        value.parse().expect("a number")
    };
    (count("hit"), count("miss"))
}

#[test]
fn an_answer_is_given_again_until_books_change() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    let key = sandbox.run(&["key", "create", "--scope", "write", "tests"]).expect_code(0).stdout;
    let key = key.trim();
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    let ask = || get(&service.address, "/api/search?q=a+white+whale").1;
    // Not before the indexes are made.
    wait_until("the answer is kept", || {
        ask();
        answers_at_hand(&service).0 > 0
    });
    let (hits, misses) = answers_at_hand(&service);
    let first = ask();
    assert_eq!(ask(), first, "to the time that it took");
    assert_eq!(answers_at_hand(&service), (hits + 2, misses));
    assert!(!get(&service.address, "/api/search?q=a+white+whale&limit=1").1.contains("metamorphosis"));

    // What this service changes is seen at once, what another program changes a moment later.
    let book = r#"{"title":"A white whale","description":"A white whale."}"#;
    let head = format!(
        "PUT /api/books/white HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        book.len()
    );
    let (status, reply) = reply_with(&service.address, &head, book);
    assert_eq!(status, 201, "{reply}");
    let (hits, _) = answers_at_hand(&service);
    ask();
    assert_eq!(answers_at_hand(&service).0, hits, "asked anew");
    wait_until("the book is found", || ask().contains("\"white\""));
    sandbox.run_with_input(&["import", "-"], "id,title\nother,Another white whale\n").expect_code(0);
    wait_until("the other book is found", || ask().contains("\"other\""));
    drop(service);

    let mut command = sandbox.command(&["serve", "--port", "0"]);
    command.env("LIBELLUS_CACHE", "0");
    let service = Service::start(command);
    for _ in 0..3 {
        assert_eq!(get(&service.address, "/api/search?q=a+white+whale").0, 200);
    }
    assert_eq!(answers_at_hand(&service), (0, 0), "none is kept, nor looked for");
}

#[test]
fn the_index_of_meanings_lies_in_a_file_if_wished_and_within_its_memory_or_not_at_all() {
    let sandbox = Sandbox::new();
    let serve = |flags: &[&str]| sandbox.command(&[&["serve", "--sample", "--port", "0"], flags].concat());
    let asked = |service: &Service| {
        let (status, body) = get(&service.address, "/api/search?q=man+wakes+up+as+an+insect&limit=3&mode=semantic");
        assert!(status == 200 && body.contains("The Metamorphosis"), "{status}: {body}");
    };
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(sandbox.path("indexes")).expect("a directory");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    // All is embedded before the first file is made, so that it is of all.
    drop(Service::start(serve(&[])));
    asked(&Service::start(serve(&["--index-dir", "indexes"])));
    let made = names();
    assert!(made.len() == 1 && made[0].ends_with(".index"), "{made:?}");
    let file = sandbox.path("indexes").join(&made[0]);
    let whole = std::fs::read(&file).expect("reads");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("writes");
    let mut command = serve(&[]);
    command.env("LIBELLUS_INDEX_DIR", "indexes");
    let service = Service::start(command);
    asked(&service);
    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(0);
    assert!(finished.stderr.contains("is cut short"), "{}", finished.stderr);
    // Its name has the revision, which the first start may have raised since.
    let again = names();
    assert!(again.len() == 1 && again[0].ends_with(".index"), "{again:?}");
    let length = std::fs::read(sandbox.path("indexes").join(&again[0])).expect("reads").len();
    assert_eq!(length, whole.len(), "made anew");

    // A file where the directory should be.
    sandbox.file("occupied", "text");
    let service = Service::start(serve(&["--index-dir", "occupied"]));
    asked(&service);
    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(0);
    assert!(finished.stderr.contains("warning: the index file `occupied"), "{}", finished.stderr);

    let refused = sandbox.run(&["serve", "--sample", "--port", "0", "--index-memory", "10K"]).expect_code(2);
    assert!(refused.stderr.contains("--index-dir"), "{}", refused.stderr);
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

#[test]
fn a_log_in_json_has_a_line_for_every_request_and_no_question() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["serve", "--sample", "--port", "0"]);
    command.env("LIBELLUS_LOG", "json");
    let service = Service::start(command);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let headers = format!("X-Request-Id: order-7\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    let reply = ask(&service.address, &format!("GET /api/search?q=whalesecret HTTP/1.1\r\nHost: x\r\n{headers}"));
    assert!(reply.contains("x-request-id: order-7"), "{reply}");
    get(&service.address, "/api/books/whalesecret");
    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(0);
    assert!(!finished.stderr.contains("whalesecret"), "{}", finished.stderr);
    let lines: Vec<serde_json::Value> =
        finished.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of =
        |route: &str| lines.iter().find(|line| line["route"] == route).unwrap_or_else(|| panic!("{route}: {lines:?}"));
    let search = of("/api/search");
    let said = ["level", "message", "request_id", "trace_id", "parent_id", "method"].map(|name| &search[name]);
    assert_eq!(said, ["info", "request", "order-7", trace, "00f067aa0ba902b7", "GET"], "{search}");
    assert!(search["status"] == 200 && search["ms"].is_number(), "{search}");
    assert!(search["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{search}");
    assert_eq!(of("/api/books/{id}")["status"], 404);

    let refused = sandbox.run(&["serve", "--port", "0", "--log", "xml"]).expect_code(2);
    assert!(refused.stderr.contains("`json`"), "{}", refused.stderr);
}

/// Sends a request without its last line, and reads the reply to its end.
fn ask(address: &str, request: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("connects");
    stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    reply
}
