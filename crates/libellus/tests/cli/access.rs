//! Who may read and write over HTTP: keys made by `libellus key`, and tokens made by Flask-JWT-Extended itself.
//!
//! The latter runs where `LIBELLUS_TEST_FLASK_JWT` names the folder that it is installed in (`cargo xtask test` does); else
//! that test says that it skips.

use crate::support::{FEW_BOOKS, Sandbox, Service, reply_to, reply_with, signal, wait_until};
use std::process::Command;

const SECRET: &str = "correct-horse-battery-staple-0042";

/// Status, and the `code` of a problem.
fn asked(service: &Service, path: &str, shown: &str) -> (u16, String) {
    let header = if shown.is_empty() { String::new() } else { format!("Authorization: Bearer {shown}\r\n") };
    let (status, body) = reply_to(&service.address, &format!("GET {path} HTTP/1.1\r\n{header}"));
    let problem = serde_json::from_str(&body).unwrap_or(serde_json::Value::Null);
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn keys_are_made_listed_and_revoked_beside_a_running_service() {
    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    let service = Service::start(sandbox.command(&["serve", "--port", "0", "--reading", "closed"]));
    const PATH: &str = "/api/books/origin";
    assert_eq!(asked(&service, PATH, ""), refused(401, "credentials_missing"));
    assert!(sandbox.run(&["key", "list"]).expect_code(0).stdout.contains("there are no keys"));

    let made = sandbox.run(&["key", "create", "reading room"]).expect_code(0);
    let key = made.stdout.trim();
    assert!(key.starts_with("libellus_") && made.stderr.contains("not shown again"), "{made:?}");
    assert_eq!(asked(&service, PATH, key), refused(200, ""));
    let old = ["key", "create", "an old one", "--filter", "author=Franz Kafka", "--years", "1900-", "--json"];
    let old = sandbox.run(&old).expect_code(0).json();
    assert_eq!(asked(&service, PATH, old["key"].as_str().expect("a key")), refused(404, "book_not_found"));
    assert_eq!(asked(&service, "/api/books/metamorphosis", old["key"].as_str().expect("a key")), refused(200, ""));

    let listed = sandbox.run(&["key", "list"]).expect_code(0).stdout;
    assert!(listed.contains("reading room") && listed.contains("\"year_from\":1900"), "{listed}");
    assert!(!listed.contains(key) && !listed.contains(&key[9..40]), "{listed}");
    let listed = sandbox.run(&["key", "list", "--json"]).expect_code(0).json();
    // Those of one second are in no order.
    let room =
        listed.as_array().and_then(|keys| keys.iter().find(|key| key["name"] == "reading room")).expect("it is there");
    assert_eq!(room["scope"], "read", "{listed}");
    let id = room["id"].as_str().expect("an id");
    sandbox.run(&["key", "revoke", id]).expect_code(0);
    assert_eq!(asked(&service, PATH, key), refused(401, "key_unknown"));

    sandbox.run(&["key", "revoke", id]).expect_error(2, &[id, "libellus key list"]);
    sandbox.run(&["key", "create", "x", "--scope", "root"]).expect_error(2, &["read, write, admin"]);
    sandbox.run(&["key", "create", "x", "--scope", "write", "--age", "9"]).expect_error(2, &["reads only", "`write`"]);
    sandbox.run(&["key", "list", "--db", "none.db"]).expect_error(1, &["there is no catalogue"]);
    assert_eq!(sandbox.run(&["key", "list", "--json"]).json().as_array().map(Vec::len), Some(1));
    let database = std::fs::read(sandbox.path("libellus.db")).expect("a file");
    assert!(!database.windows(32).any(|bytes| bytes == &key.as_bytes()[9..41]), "only its hash is kept");
}

/// Prints tokens as a backend issues them, by name.
const ISSUE: &str = r#"
import datetime, json
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
app = Flask("backend")
app.config["SECRET_KEY"] = "correct-horse-battery-staple-0042"
JWTManager(app)
with app.app_context():
    tokens = {
        "plain": create_access_token("17"),
        "fresh": create_access_token("17", fresh=True),
        "fresh for a while": create_access_token("17", fresh=datetime.timedelta(minutes=5)),
        "with claims": create_access_token("17", additional_claims={"role": "reader", "scope": "read"}),
        "endless": create_access_token("17", expires_delta=False),
        "bound": create_access_token("17", additional_claims={"libellus_filter": {"any_of": {"author": ["Franz Kafka"]}}}),
        "refresh": create_refresh_token("17"),
        "expired": create_access_token("17", expires_delta=datetime.timedelta(seconds=-3600)),
        "other scope": create_access_token("17", additional_claims={"scope": "mail"}),
    }
    app.config["JWT_ENCODE_AUDIENCE"] = "another program"
    tokens["audience"] = create_access_token("17")
    app.config["JWT_ENCODE_AUDIENCE"] = None
    app.config["JWT_ALGORITHM"] = "HS512"
    tokens["HS512"] = create_access_token("17")
    app.config["JWT_ALGORITHM"] = "HS256"
    app.config["JWT_SECRET_KEY"] = "another secret of the same length"
    tokens["another secret"] = create_access_token("17")
print(json.dumps(tokens))
"#;

#[test]
fn tokens_of_flask_jwt_extended_are_checked_as_it_checks_them() {
    let Some(packages) = std::env::var_os("LIBELLUS_TEST_FLASK_JWT") else {
        eprintln!("skipped: LIBELLUS_TEST_FLASK_JWT names no folder with flask-jwt-extended");
        return;
    };
    let issued =
        Command::new("python3").args(["-c", ISSUE]).env("PYTHONPATH", packages).output().expect("Python starts");
    assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
    let tokens: serde_json::Value = serde_json::from_slice(&issued.stdout).expect("JSON");

    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    let mut command = sandbox.command(&["serve", "--port", "0"]);
    // Flask-JWT-Extended falls back to SECRET_KEY, too.
    command.env("SECRET_KEY", SECRET).env("LIBELLUS_READING", "closed");
    let service = Service::start(command);
    for (name, origin, metamorphosis) in [
        ("plain", refused(200, ""), 200),
        ("fresh", refused(200, ""), 200),
        ("fresh for a while", refused(200, ""), 200),
        ("with claims", refused(200, ""), 200),
        ("endless", refused(200, ""), 200),
        ("bound", refused(404, "book_not_found"), 200),
        ("refresh", refused(401, "token_type"), 401),
        ("expired", refused(401, "token_expired"), 401),
        ("other scope", refused(403, "scope_insufficient"), 403),
        ("audience", refused(401, "token_audience"), 401),
        ("HS512", refused(401, "token_algorithm"), 401),
        ("another secret", refused(401, "token_signature"), 401),
    ] {
        let token = tokens[name].as_str().expect(name);
        assert_eq!(asked(&service, "/api/books/origin", token), origin, "{name}");
        assert_eq!(asked(&service, "/api/books/metamorphosis", token).0, metamorphosis, "{name}");
    }
}

#[test]
fn a_file_is_uploaded_to_a_running_service_embedded_by_it_and_found_by_its_meaning() {
    let sandbox = Sandbox::new();
    let key = sandbox.run(&["key", "create", "import", "--scope", "write"]).expect_code(0).stdout;
    let key = key.trim();
    let service = Service::start(sandbox.command(&["serve", "--port", "0"]));
    let json = |(status, body): (u16, String)| -> (u16, serde_json::Value) {
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    };
    let ask = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
        );
        json(reply_with(&service.address, &head, body))
    };
    let (status, job) = ask("POST", "/api/imports?format=auto", FEW_BOOKS);
    assert_eq!(status, 202, "{job}");
    let place = format!("/api/imports/{}", job["id"].as_str().expect("an id"));
    wait_until("the import is done", || ask("GET", &place, "").1["status"] == "done");
    let by_meaning = |query: &str| {
        let found =
            json(reply_to(&service.address, &format!("GET /api/search?mode=semantic&q={query} HTTP/1.1\r\n"))).1;
        found["hits"][0]["book"]["id"].as_str().unwrap_or_default().to_owned()
    };
    wait_until("the books are embedded", || by_meaning("man+wakes+up+as+an+insect") == "metamorphosis");
    let bee = r#"{"id": "bee", "title": "The Bee", "description": "How honey is made by a swarm in its hive."}"#;
    assert_eq!(ask("POST", "/api/books", bee).0, 201);
    wait_until("the book is embedded", || by_meaning("beekeeping") == "bee");
    signal(service.process(), "TERM");
    let finished = service.finish().expect_code(0);
    // What readers ask, and what is shown for it, is in no log; that a search failed before the first embedding, is.
    for private in ["insect", "beekeeping", key, "q="] {
        assert!(!finished.stderr.contains(private), "{}", finished.stderr);
    }
}
