//! `libellus lambda`: the real executable over a stand-in of AWS Lambda's runtime interface.

use crate::runtime_api::{Post, RuntimeApi, http_event};
use crate::support::{FEW_BOOKS, Sandbox, finish, unprivileged};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The longest that Lambda lets an invocation take.
const AMPLE: Duration = Duration::from_secs(900);

/// A function that runs; killed when dropped, as Lambda ends it.
struct Function {
    process: Child,
    api: RuntimeApi,
}

impl Function {
    fn start(mut command: Command) -> Self {
        let api = RuntimeApi::start().expect("a free port");
        api.set_environment(&mut command);
        Self { process: command.stderr(Stdio::piped()).spawn().expect("it starts"), api }
    }

    fn invoke(&self, event: String) -> Post {
        self.api.invoke(event, AMPLE).expect("it answers")
    }

    /// The response to a request in the default stage.
    fn ask(&self, method: &str, path: &str, query: &str) -> Response {
        self.invoke(http_event(method, path, query, "$default")).into()
    }

    /// Ends the function; what it wrote to its log.
    fn end(mut self) -> String {
        self.process.kill().expect("it runs");
        let mut log = String::new();
        self.process.stderr.take().expect("piped").read_to_string(&mut log).expect("UTF-8");
        log
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// What API Gateway or a function URL makes a response of.
struct Response(Value);

impl From<Post> for Response {
    fn from(post: Post) -> Self {
        assert!(post.path.ends_with("/response"), "{post:?}");
        Self(serde_json::from_str(&post.body).expect("JSON"))
    }
}

impl Response {
    fn status(&self) -> u64 {
        self.0["statusCode"].as_u64().expect("a status")
    }

    fn header(&self, name: &str) -> &str {
        self.0["headers"][name].as_str().unwrap_or_default()
    }

    fn body(&self) -> &str {
        self.0["body"].as_str().unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).expect("JSON")
    }
}

/// A folder with a catalogue of a few books, as a function's package has it.
fn package() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "books.csv"]).expect_code(0);
    sandbox
}

/// `libellus lambda` in a folder that is the function's package.
fn in_package(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command(&["lambda"]);
    command.env("LAMBDA_TASK_ROOT", sandbox.path("."));
    command
}

#[test]
fn page_api_and_problems_are_answered_one_after_the_other() {
    let sandbox = package();
    let function = Function::start(in_package(&sandbox));
    for (method, path, query, status, content_type, part) in [
        ("GET", "/health", "", 200, "application/json", "ok"),
        ("GET", "/ready", "", 200, "application/json", "\"books\":3"),
        ("GET", "/", "", 200, "text/html; charset=utf-8", "<form"),
        ("GET", "/", "q=white+whale", 200, "text/html; charset=utf-8", "Moby-Dick"),
        ("GET", "/api/search", "q=man+becomes+an+insect&limit=1", 200, "application/json", "The Metamorphosis"),
        ("GET", "/api/search", "q=%22Darwin%22&mode=keyword", 200, "application/json", "On the Origin of Species"),
        ("GET", "/api/search", "q=<whale> & \u{e9}", 200, "application/json", "Moby-Dick"),
        ("GET", "/api/books/moby-dick", "", 200, "application/json", "Herman Melville"),
        ("GET", "/favicon.svg", "", 200, "image/svg+xml", "<svg"),
        ("GET", "/api/books/no such book", "", 404, "application/problem+json", "book_not_found"),
        ("GET", "/nowhere", "", 404, "application/problem+json", "path_unknown"),
        ("GET", "/api/search", "q=", 400, "application/problem+json", "query_empty"),
        ("GET", "/api/search", "q=%zz", 400, "application/problem+json", "escape_invalid"),
        ("POST", "/api/books/moby-dick", "", 405, "application/problem+json", "method_not_allowed"),
    ] {
        let response = function.ask(method, path, query);
        let told = format!("{method} {path}?{query}: {}", response.0);
        assert_eq!((response.status(), response.header("content-type")), (status, content_type), "{told}");
        assert!(response.body().contains(part), "`{part}` is not in {told}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{told}");
    }
    let head = function.ask("HEAD", "/api/books/moby-dick", "");
    assert_eq!((head.status(), head.body()), (200, ""), "{}", head.0);
    assert!(head.header("content-length").parse::<u64>().is_ok_and(|length| length > 0), "{}", head.0);

    let log = function.end();
    assert!(log.contains("libellus is ready: 3 books from "), "{log}");
    assert!(!log.contains("whale") && !log.contains("insect"), "no query is logged: {log}");
}

#[test]
fn the_page_is_the_librarys_and_links_lead_back_to_the_function() {
    let sandbox = package();
    let asked = Function::start(in_package(&sandbox)).ask("GET", "/feed.atom", "q=whale");
    let own = "href=\"https://abc.lambda-url.eu-west-1.on.aws/feed.atom?q=whale\"";
    assert!(asked.status() == 200 && asked.body().contains(own), "{}", asked.0);
    let mut command = in_package(&sandbox);
    command.env("LIBELLUS_SITE_NAME", "Town Library").env("LIBELLUS_PUBLIC_URL", "https://books.example");
    command.env("LIBELLUS_ACCENT", "#7a1f3d").env("LIBELLUS_ROBOTS", "none");
    let function = Function::start(command);
    let page = function.ask("GET", "/", "");
    assert!(page.body().contains("Town Library"), "{}", page.0);
    assert_eq!(page.header("x-robots-tag"), "none");
    assert!(function.ask("GET", "/feed.atom", "q=whale").body().contains("\"https://books.example/feed.atom?"));
    let mut command = in_package(&sandbox);
    let api = RuntimeApi::start().expect("a free port");
    api.set_environment(&mut command);
    finish(command.env("LIBELLUS_ACCENT", "#ffd400")).expect_error(2, &["LIBELLUS_ACCENT", "contrast"]);
    assert_eq!(api.posted().expect("it tells Lambda").path, "init/error");
}

#[test]
fn a_query_too_long_is_refused_by_the_service_itself() {
    let sandbox = package();
    let function = Function::start(in_package(&sandbox));
    for bytes in [20_000, 5_000_000] {
        let response = function.ask("GET", "/api/search", &format!("q={}", "a".repeat(bytes)));
        assert_eq!((response.status(), &response.json()["code"]), (414, &"query_too_long".into()));
    }
}

#[test]
fn the_name_of_a_stage_is_no_part_of_the_path() {
    let sandbox = package();
    let function = Function::start(in_package(&sandbox));
    for (path, stage) in [("/prod/api/books/origin", "prod"), ("/api/books/origin", "prod")] {
        let response = Response::from(function.invoke(http_event("GET", path, "", stage)));
        assert_eq!(response.status(), 200, "{path}: {}", response.0);
        assert_eq!(response.json()["id"], "origin");
    }
}

#[test]
fn what_is_no_request_is_an_error_of_that_invocation_only() {
    let sandbox = package();
    let function = Function::start(in_package(&sandbox));
    let unpadded = http_event("POST", "/", "", "$default")
        .replace(r#""isBase64Encoded":false"#, r#""isBase64Encoded":true,"body":"?""#);
    for (id, event, part) in [
        (1, r#"{"Records": []}"#.to_owned(), "rawPath"),
        (2, "not JSON".to_owned(), "expected"),
        (3, String::new(), "EOF"),
        (4, unpadded, "Base64"),
    ] {
        let post = function.invoke(event);
        assert_eq!(post.path, format!("invocation/{id}/error"), "{post:?}");
        let error: Value = serde_json::from_str(&post.body).expect("JSON");
        assert!(error["errorMessage"].as_str().is_some_and(|message| message.contains(part)), "`{part}`: {post:?}");
    }
    assert_eq!(function.ask("GET", "/health", "").status(), 200);
}

#[test]
fn an_answer_that_would_come_too_late_is_not_waited_for() {
    let sandbox = package();
    let function = Function::start(in_package(&sandbox));
    let event = || http_event("GET", "/api/search", "q=whale", "$default");
    let late = Response::from(function.api.invoke(event(), Duration::ZERO).expect("it answers"));
    assert_eq!((late.status(), &late.json()["code"]), (503, &"out_of_time".into()), "{}", late.0);
    assert_eq!((late.header("retry-after"), late.header("x-content-type-options")), ("1", "nosniff"), "{}", late.0);
    assert_eq!(Response::from(function.invoke(event())).status(), 200, "the next one is answered");
}

#[test]
fn bootstrap_answers_from_the_catalogue_beside_it() {
    let sandbox = package();
    let bootstrap = sandbox.path("bootstrap");
    let executable = Path::new(env!("CARGO_BIN_EXE_libellus"));
    fs::hard_link(executable, &bootstrap)
        .or_else(|_| fs::copy(executable, &bootstrap).map(drop))
        .expect("room for the executable");
    let mut command = sandbox.wrapped(Command::new(bootstrap), &[""; 0]);
    command.current_dir("/").env_remove("LAMBDA_TASK_ROOT");
    let function = Function::start(command);
    assert_eq!(function.ask("GET", "/api/books/origin", "").json()["title"], "On the Origin of Species");
}

#[test]
fn database_url_wins_over_the_package() {
    let sandbox = package();
    let elsewhere = Sandbox::new();
    let mut command = elsewhere.command(&["lambda"]);
    command.env("LAMBDA_TASK_ROOT", elsewhere.path("."));
    command.env("DATABASE_URL", format!("sqlite:{}", sandbox.path("libellus.db").display()));
    let function = Function::start(command);
    assert_eq!(function.ask("GET", "/api/books/origin", "").status(), 200);
}

#[test]
fn a_read_only_package_is_enough_and_stays_as_it_is() {
    let sandbox = package();
    let [folder, database] = [".", "libellus.db"].map(|name| sandbox.path(name));
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), fs::read(&database).expect("the catalogue"));
    fs::set_permissions(&database, Permissions::from_mode(0o444)).expect("it is ours");
    fs::set_permissions(&folder, Permissions::from_mode(0o555)).expect("it is ours");
    let answered = unprivileged(&sandbox).map(|executable| {
        let mut command = sandbox.wrapped(executable, &["lambda"]);
        command.env("LAMBDA_TASK_ROOT", &folder);
        Function::start(command).ask("GET", "/api/search", "q=white+whale")
    });
    // Else the folder could not be removed.
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("it is ours");
    let Some(answered) = answered else {
        println!("skipped: this is root, who may write everywhere, and setpriv cannot give that up here");
        return;
    };
    assert!(answered.status() == 200 && answered.body().contains("Moby-Dick"), "{}", answered.0);
    assert_eq!((names(), fs::read(&database).expect("the catalogue")), before);
}

#[test]
fn a_failed_start_is_told_to_lambda_and_printed() {
    let sandbox = Sandbox::new();
    sandbox.file("broken.db", "This is not a database.");
    let missing = sandbox.path("./libellus.db").display().to_string();
    for (database, part) in [(None, missing.as_str()), (Some("broken.db"), "broken.db")] {
        let api = RuntimeApi::start().expect("a free port");
        let mut command = in_package(&sandbox);
        api.set_environment(&mut command);
        if let Some(database) = database {
            command.env("DATABASE_URL", database);
        }
        let finished = finish(&mut command);
        let post = api.posted().expect("it tells Lambda");
        assert_eq!(post.path, "init/error");
        let error: Value = serde_json::from_str(&post.body).expect("JSON");
        assert_eq!(error["errorType"], "Runtime.InitError");
        assert!(error["errorMessage"].as_str().is_some_and(|message| message.contains(part)), "{post:?}");
        finished.expect_error(1, &[part]);
    }
}

#[test]
fn outside_of_lambda_it_says_what_it_is_for() {
    let sandbox = package();
    let help = sandbox.run(&["lambda", "--help"]).expect_code(0).stdout;
    assert!(
        help.contains("Usage: libellus lambda") && help.contains("zip function.zip bootstrap libellus.db"),
        "{help}"
    );
    let hint = "to answer readers from this machine, run `libellus serve`";
    let mut command = in_package(&sandbox);
    finish(command.env_remove("AWS_LAMBDA_RUNTIME_API")).expect_error(2, &["AWS_LAMBDA_RUNTIME_API is not set", hint]);
}

#[test]
fn books_without_embeddings_are_found_by_their_words_and_the_log_says_so() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    let function = Function::start(in_package(&sandbox));
    assert_eq!(function.ask("GET", "/api/search", "q=whale&mode=semantic").json()["code"], "not_embedded");
    assert!(function.ask("GET", "/api/search", "q=whale").json()["degraded"].is_string());
    assert_eq!(function.ask("GET", "/api/search", "q=whale&mode=keyword").status(), 200);
    let log = function.end();
    assert!(
        log.contains("3 of 3 passages have no embedding") && log.contains("before the function is deployed"),
        "{log}"
    );
}
