//! Who may read and write over HTTP: keys made by `libellus key`, and tokens made by Flask-JWT-Extended itself.
//!
//! The latter runs where `LIBELLUS_TEST_FLASK_JWT` names the folder that it is installed in (`cargo xtask test` does); else
//! that test says that it skips.

use crate::support::{FEW_BOOKS, Sandbox, Service, finish, reply_to, reply_with, signal, wait_until};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

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

/// Prints sets of public keys, and tokens signed with their private ones, by name.
const ISSUE_SIGNED: &str = r#"
import datetime, hashlib, hmac, json, base64
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
keys = {
    "rsa": rsa.generate_private_key(65537, 2048), "short": rsa.generate_private_key(65537, 1024),
    "ec": ec.generate_private_key(ec.SECP256R1()), "enc": rsa.generate_private_key(65537, 2048),
    "new": ec.generate_private_key(ec.SECP256R1()),
}
def public(name):
    algorithm = ECAlgorithm if name in ("ec", "new") else RSAAlgorithm
    key = algorithm.to_jwk(keys[name].public_key(), as_dict=True)
    return {**key, "kid": name, "use": "enc" if name == "enc" else "sig"}
def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
now = datetime.datetime.now(datetime.timezone.utc)
claims = {"sub": "17", "iat": now, "exp": now + datetime.timedelta(minutes=5)}
def signed(name, algorithm, kid=...):
    headers = {} if kid is None else {"kid": name if kid is ... else kid}
    return jwt.encode(claims, keys[name], algorithm=algorithm, headers=headers)
app = Flask("backend")
app.config["JWT_ALGORITHM"] = "RS256"
app.config["JWT_PRIVATE_KEY"] = keys["rsa"].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
JWTManager(app)
with app.app_context():
    flask = create_access_token("17", additional_headers={"kid": "rsa"})
pem = keys["rsa"].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
confused = b64(b'{"alg":"HS256","kid":"rsa"}') + "." + b64(b'{"sub":"17"}')
confused += "." + b64(hmac.new(pem, confused.encode(), hashlib.sha256).digest())
changed = signed("ec", "ES256").split(".")
changed[1] = b64(b'{"sub":"18"}')
print(json.dumps({
    "set": {"keys": [public(name) for name in ("rsa", "ec", "short", "enc")]},
    "next set": {"keys": [public("new")]},
    "twice": {"keys": [public("rsa"), public("rsa")]},
    "tokens": {
        "Flask": flask, "RS256": signed("rsa", "RS256"), "ES256": signed("ec", "ES256"),
        "no kid": signed("rsa", "RS256", None), "unknown kid": signed("rsa", "RS256", "x"),
        "another's kid": signed("rsa", "RS256", "ec"), "PS256": signed("rsa", "PS256"), "RS512": signed("rsa", "RS512"),
        "short": signed("short", "RS256"), "enc": signed("enc", "RS256"), "new": signed("new", "ES256"),
        "forged": signed("new", "ES256", "ec"), "changed": ".".join(changed), "confused": confused,
        "none": b64(b'{"alg":"none","kid":"rsa"}') + "." + b64(b'{"sub":"17"}') + ".",
    },
}))
"#;

#[test]
fn tokens_signed_with_private_keys_are_checked_by_the_public_ones() {
    let Some(packages) = std::env::var_os("LIBELLUS_TEST_FLASK_JWT") else {
        eprintln!("skipped: LIBELLUS_TEST_FLASK_JWT names no folder with flask-jwt-extended");
        return;
    };
    let issued =
        Command::new("python3").args(["-c", ISSUE_SIGNED]).env("PYTHONPATH", packages).output().expect("Python starts");
    assert!(issued.status.success(), "{}", String::from_utf8_lossy(&issued.stderr));
    let issued: serde_json::Value = serde_json::from_slice(&issued.stdout).expect("JSON");

    let sandbox = Sandbox::new();
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--no-embed", "books.csv"]).expect_code(0);
    sandbox.file("keys.json", issued["set"].to_string());
    // One that answers with nothing of use at first, and counts.
    let site = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/jwks", site.local_addr().expect("bound"));
    let set = issued["set"].to_string();
    let answering = thread::spawn(move || {
        for (status, body) in [("503 Away", "later"), ("200 OK", &set)] {
            let (mut stream, _) = site.accept().expect("a request");
            let mut head = [0; 4096];
            let length = stream.read(&mut head).expect("a head");
            assert!(head[..length].starts_with(b"GET /jwks HTTP/1.1\r\n"));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("it reads");
        }
    });
    let start = |place: &str| {
        let mut command = sandbox.command(&["serve", "--port", "0", "--reading", "closed"]);
        command.env("JWT_JWKS", place).env("SECRET_KEY", SECRET);
        Service::start(command)
    };
    let (of_file, of_site) = (start("keys.json"), start(&address));
    let token = |name: &str| issued["tokens"][name].as_str().expect("a token").to_owned();
    const PATH: &str = "/api/books/origin";
    // The first answer was of no use, and a second is asked for after a moment.
    assert_eq!(asked(&of_site, PATH, &token("RS256")), refused(503, "keys_away"));
    wait_until("the keys are there", || asked(&of_site, PATH, &token("RS256")).0 == 200);
    answering.join().expect("asked twice");
    for (name, expected) in [
        ("Flask", refused(200, "")),
        ("RS256", refused(200, "")),
        ("ES256", refused(200, "")),
        ("no kid", refused(401, "token_key_unknown")),
        ("unknown kid", refused(401, "token_key_unknown")),
        ("another's kid", refused(401, "token_algorithm")),
        ("PS256", refused(401, "token_algorithm")),
        ("RS512", refused(401, "token_algorithm")),
        ("short", refused(401, "token_key_unfit")),
        ("enc", refused(401, "token_key_unfit")),
        ("new", refused(401, "token_key_unknown")),
        ("forged", refused(401, "token_signature")),
        ("changed", refused(401, "token_signature")),
        ("confused", refused(401, "token_algorithm")),
        ("none", refused(401, "token_algorithm")),
    ] {
        for service in [&of_file, &of_site] {
            assert_eq!(asked(service, PATH, &token(name)), expected, "{name}");
        }
    }
    sandbox.file("keys.json", issued["twice"].to_string());
    let mut command = sandbox.command(&["serve", "--port", "0"]);
    finish(command.env("JWT_JWKS", "keys.json")).expect_error(2, &["JWT_JWKS", "two keys have the id `rsa`"]);
    sandbox.file("keys.json", issued["next set"].to_string());
    let later = start("keys.json");
    assert_eq!(asked(&later, PATH, &token("new")), refused(200, ""));
    assert_eq!(asked(&later, PATH, &token("RS256")), refused(401, "token_key_unknown"));
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
