//! `libellus config`, and what `serve` says about its settings at start.

use crate::support::{Finished, Sandbox, Service, finish, signal};
use std::io::{Read, Write};
use std::net::TcpStream;

/// Long enough to sign with.
const SECRET: &str = "correct-horse-battery-staple-0042";

/// Runs `config` with these variables.
fn config(sandbox: &Sandbox, flags: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = sandbox.command(&[&["config"], flags].concat());
    finish(command.env_clear().envs(variables.iter().copied()))
}

#[test]
fn every_setting_is_shown_with_its_origin_and_no_secret() {
    let sandbox = Sandbox::new();
    let variables = [
        ("PORT", "8080"),
        ("DATABASE_URL", "sqlite:///data/books.db"),
        ("JWT_SECRET_KEY", SECRET),
        ("CORS_ORIGINS", "https://school.example, http://localhost:3000"),
        ("LIBELLUS_INDEX_DIR", "/data/indexes"),
        ("LIBELLUS_READING", "closed"),
        ("FLASK_ENV", "production"),
        ("WEB_CONCURRENCY", "4"),
    ];
    let shown = config(&sandbox, &["--host", "127.0.0.1"], &variables).expect_code(0);
    let lines: Vec<Vec<&str>> = shown
        .stdout
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    for expected in [
        ["host", "127.0.0.1", "--host"],
        ["port", "8080", "PORT"],
        ["database", "/data/books.db", "DATABASE_URL"],
        ["model", "all-MiniLM-L6-v2", "default"],
        ["allowed_origins", "https://school.example,http://localhost:3000", "CORS_ORIGINS"],
        ["index_dir", "/data/indexes", "LIBELLUS_INDEX_DIR"],
        ["index_memory", "no ceiling", "default"],
        ["secret_key", "********", "JWT_SECRET_KEY"],
        ["reading", "closed", "LIBELLUS_READING"],
        ["token_scope", "read", "default"],
    ] {
        assert!(lines.iter().any(|line| line == &expected), "{expected:?} is not in {}", shown.stdout);
    }
    for (variable, why) in [("FLASK_ENV", "there is no Flask"), ("WEB_CONCURRENCY", "no worker processes")] {
        assert!(lines.iter().any(|line| line.first() == Some(&variable) && line[1].contains(why)), "{}", shown.stdout);
    }
    let json = config(&sandbox, &["--json"], &variables).expect_code(0);
    assert!(!format!("{shown:?}{json:?}").contains(SECRET), "{json:?}");
    let json = json.json();
    let port = json["settings"].as_array().and_then(|rows| rows.iter().find(|row| row["name"] == "port"));
    let port = port.expect("a port");
    assert_eq!(
        (&port["value"], &port["origin"], &port["from"]),
        (&"8080".into(), &"environment".into(), &"PORT".into())
    );
    assert_eq!(json["unused"].as_array().map(Vec::len), Some(2));
    assert!(!sandbox.path("libellus.db").exists(), "looking makes no catalogue");
}

#[test]
fn all_that_cannot_be_used_is_named_at_once() {
    let sandbox = Sandbox::new();
    let bad = [("PORT", "http"), ("CORS_ORIGINS", "https://a.example/"), ("DATABASE_URL", "mysql://u:hunter2@db/x")];
    let parts = ["PORT is `http`", "`https://a.example/` is not an origin", "`mysql:`", "hint: `libellus config`"];
    let mut serve = sandbox.command(&["serve", "--port", "0"]);
    for finished in [config(&sandbox, &[], &bad), finish(serve.envs(bad))] {
        let finished = finished.expect_error(2, &parts);
        assert!(!format!("{finished:?}").contains("hunter2"), "{finished:?}");
    }
}

#[test]
fn a_start_names_what_is_odd_and_serves_who_may_read() {
    let sandbox = Sandbox::new();
    let mut serve = sandbox.command(&["serve", "--port", "0"]);
    serve.env_clear().envs([
        ("CORS_ORIGINS", "https://school.example"),
        ("JWT_SECRET_KEY", SECRET),
        ("SECRET_KEY", "hunter2"),
        ("LIBELLUS_ISE", "scalar"),
        ("HF_HOME", "/cache"),
        ("FLASK_APP", "app"),
    ]);
    let service = Service::start(serve);
    let mut stream = TcpStream::connect(&service.address).expect("it listens");
    write!(
        stream,
        "GET /api/search?q= HTTP/1.1\r\nHost: x\r\nOrigin: https://school.example\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it replies");
    assert!(reply.contains("access-control-allow-origin: https://school.example\r\n"), "{reply}");
    signal(service.process(), "TERM");
    let stderr = service.finish().expect_code(0).stderr;
    for part in [
        "note: JWT_SECRET_KEY and SECRET_KEY are both set, and differ; JWT_SECRET_KEY wins\n",
        "warning: LIBELLUS_ISE is set, but libellus knows no such setting; did you mean LIBELLUS_ISA?\n",
        "note: FLASK_APP, HF_HOME are set, but not used here; `libellus config` says why\n",
    ] {
        assert!(stderr.contains(part), "`{part}` is not in {stderr}");
    }
    assert!(!stderr.contains("hunter2"), "{stderr}");
}
