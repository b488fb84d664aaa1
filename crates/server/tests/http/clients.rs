//! The clients that people have for other services of embeddings, against a service on a port.
//!
//! They run where `LIBELLUS_TEST_CLIENTS` names the folder that pip installed them into, and `LIBELLUS_TEST_NODE_CLIENTS`
//! the one with npm's `node_modules`; schemathesis, which tries what the description says, where `LIBELLUS_TEST_SCHEMATHESIS`
//! names its folder (`cargo xtask test` sees to that).

use crate::support::{books, library, start};
use libellus_encoder::Encoder;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them has another alphabet, one several sentences.
const TEXTS: [&str; 4] = [
    "A captain pursues a white whale.",
    "Ein Mann erwacht als Käfer. His family hides him in his room; nobody says why, and nobody asks.",
    "Ἰλιάς",
    "bread",
];

/// What the model itself makes of the texts.
fn expected() -> serde_json::Value {
    let encoder = Encoder::builtin();
    let of = |text: &str| {
        let (ids, vector) = (encoder.tokenize(text).ids().to_vec(), encoder.encode(text).vector);
        (text.to_owned(), json!({ "ids": ids, "vector": vector }))
    };
    TEXTS.map(of).into_iter().collect::<serde_json::Map<_, _>>().into()
}

/// Starts a service and runs `client` with its address and a file of what is expected.
async fn run(mut client: Command, name: &str) {
    let (address, stop) = start(library(&books(), true)).await;
    let file = std::env::temp_dir().join(format!("libellus-{name}-{}.json", std::process::id()));
    std::fs::write(&file, expected().to_string()).expect("a file of what is expected");
    client.arg(format!("http://{address}")).arg(&file);
    let output = tokio::task::spawn_blocking(move || client.output()).await.expect("no panic");
    std::fs::remove_file(&file).expect("it was there");
    let output = output.expect("the client starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && said[0].ends_with("all is well\n"), "{}\n{}", said[0], said[1]);
    stop();
}

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {variable} names no folder of clients");
    }
    folder
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_for_python_work_unchanged() {
    let Some(packages) = folder("LIBELLUS_TEST_CLIENTS") else { return };
    let mut python = Command::new("python3");
    // LlamaIndex looks for its own data where it is told; nothing is fetched and nothing written.
    python.arg("-B").arg(clients().join("check.py")).env("PYTHONPATH", packages).env("HF_HUB_DISABLE_TELEMETRY", "1");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        python.env_remove(proxy);
    }
    run(python, "python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_client_for_javascript_works_unchanged() {
    let Some(_modules) = folder("LIBELLUS_TEST_NODE_CLIENTS") else { return };
    let mut node = Command::new("node");
    node.arg(clients().join("check.mjs"));
    run(node, "node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_description_says_is_what_schemathesis_finds() {
    let Some(packages) = folder("LIBELLUS_TEST_SCHEMATHESIS") else { return };
    let (address, stop) = start(library(&books(), true)).await;
    let home = std::env::temp_dir().join(format!("libellus-schemathesis-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a directory");
    let mut python = Command::new("python3");
    python.args(["-B", "-c", "from schemathesis.cli import schemathesis; schemathesis()", "--config-file"]);
    python.arg(clients().join("schemathesis.toml")).args(["run", "--phases", "examples,coverage,fuzzing"]);
    // The same requests each time, and nothing left behind.
    python.args([
        "--request-timeout",
        "120",
        "--seed",
        "1",
        "--generation-database",
        "none",
        "--no-color",
        "--max-examples",
        "25",
    ]);
    python.arg(format!("http://{address}/openapi.json"));
    python.current_dir(&home).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || python.output()).await.expect("no panic").expect("it starts");
    std::fs::remove_dir_all(&home).expect("it was there");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", said[0], said[1]);
    eprintln!("{}", said[0]);
    stop();
}
