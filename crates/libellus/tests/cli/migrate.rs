//! `libellus migrate`: another model, while questions are answered.

use super::database_server::{self as server, Server};
use super::model::tiny_model;
use super::support::*;
use libellus_catalogue::{Access, Catalogue};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const BOOKS: usize = 300;

/// Small random models of the encoder's tests, by the name of their pooling.
fn tiny(pooling: &str) -> String {
    tiny_model().with_file_name(format!("tiny-{pooling}")).canonicalize().expect("it is there").display().to_string()
}

fn space_of(sandbox: &Sandbox, model: &str) -> String {
    let info = sandbox.run(&["model", "info", model, "--json"]).expect_code(0).json();
    info["space"].as_str().expect("a space").to_owned()
}

/// Readers who ask one question after the other, until they are told to stop.
struct Readers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    fn of(service: &Service) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..2)
            .map(|reader| {
                let (stop, answered, address) = (Arc::clone(&stop), Arc::clone(&answered), service.address.clone());
                thread::spawn(move || {
                    for question in (reader..).step_by(2) {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let (status, body) =
                            get(&address, &format!("/api/search?q=the+story+of+number+{}", question % 50));
                        let hits = serde_json::from_str::<Value>(&body).expect("JSON")["hits"].as_array().map(Vec::len);
                        assert!(
                            status == 200 && hits.is_some_and(|hits| hits > 0),
                            "question {question}: {status}: {body}"
                        );
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        Self { stop, answered, threads }
    }

    /// Waits until more questions were answered.
    fn go_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        wait_until("questions are answered", || self.answered.load(Ordering::Relaxed) > before + 5);
    }

    /// All were answered.
    fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("every question was answered");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

fn ready(service: &Service) -> (u16, Value) {
    let (status, body) = get(&service.address, "/ready");
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// What the service finds, without times.
fn found_by(service: &Service) -> Value {
    let (status, body) = get(&service.address, "/api/search?q=a+whale+and+the+sea&limit=10");
    assert_eq!(status, 200, "{body}");
    ranking(&serde_json::from_str(&body).expect("JSON"))
}

fn ranking(answer: &Value) -> Value {
    let hits = answer["hits"].as_array().expect("hits");
    hits.iter().map(|hit| json!([hit["book"]["id"], hit["score"]])).collect()
}

fn a_catalogue_changes_its_model_while_it_is_searched(server: Option<&Server>) {
    let sandbox = Sandbox::new();
    let db = match server {
        Some(server) => format!("postgresql://postgres@127.0.0.1:{}/postgres", server.port()),
        None => sandbox.path("libellus.db").display().to_string(),
    };
    let (old, new, third) = (tiny("mean"), tiny("cls"), tiny("max"));
    let (old_space, new_space) = (space_of(&sandbox, &old), space_of(&sandbox, &new));
    let run = |arguments: &[&str]| sandbox.run(&[arguments, &["--db", &db]].concat());
    let import = |range, model: &str| {
        let arguments = ["import", "--json", "--model", model, "--db", &db, "-"];
        sandbox.run_with_input(&arguments, numbered_books(range))
    };
    let found_with = |model: &str| {
        let arguments = ["search", "--json", "--limit", "10", "--model", model, "a whale and the sea"];
        ranking(&run(&arguments).expect_code(0).json())
    };
    import(0..BOOKS, &old).expect_code(0);
    let by_old = found_with(&old);
    let service =
        Service::start(sandbox.command(&["serve", "--port", "0", "--db", &db, "--model", &old, "--next-model", &new]));
    let readers = Readers::of(&service);
    assert_eq!(found_by(&service), by_old);
    let status = run(&["migrate"]).expect_code(0).stdout;
    assert!(status.starts_with("never migrated: "), "{status}");
    run(&["migrate", "--cut-over"]).expect_error(1, &["no second set of embeddings is being made", "migrate --to"]);
    // The model that is searched by is not the one inside, whose space holds nothing.
    run(&["migrate", "--to", &new])
        .expect_error(1, &["none of the 300 passages", &format!("300 of space {old_space}")]);

    // Filled by two workers, then what came in meanwhile.
    let worker = || {
        let mut command = sandbox.command(&["migrate", "--json", "--to", &new, "--model", &old, "--db", &db]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let done: u64 = [worker(), worker()]
        .map(|worker| Finished::from(worker.wait_with_output().expect("it ends")).expect_code(0).json())
        .iter()
        .map(|report| report["embedded"].as_u64().expect("a count"))
        .sum();
    assert_eq!(done, BOOKS as u64, "nothing twice");
    let again = run(&["migrate", "--json", "--to", &new]).expect_code(0).json();
    assert_eq!(again["embedded"], 0, "nor a third time: {again}");
    assert_eq!(found_by(&service), by_old, "the first set is searched");
    readers.go_on();
    import(BOOKS..BOOKS + 20, &old).expect_code(0);
    let by_old = found_with(&old);
    let status = run(&["migrate", "--json"]).expect_code(0).json();
    assert_eq!((&status["active"]["embedded"], &status["next"]["embedded"]), (&320.into(), &300.into()), "{status}");
    run(&["search", "--model", &new, "whale"]).expect_error(1, &[&old_space, &new_space, "never compared"]);
    run(&["migrate", "--to", &third]).expect_error(1, &["is being made already", "--abandon"]);

    // How far the answers differ.
    let report = run(&["migrate", "--report"]).expect_code(0).stdout;
    for part in ["100 queries, by `", "overlap@10        0.", "(Spearman)", "(overlap 0.", "300 of 320 passages"] {
        assert!(report.contains(part), "`{part}`: {report}");
    }
    sandbox.file("queries.txt", "a whale and the sea\n\n  the history of the house \n");
    let report = run(&["migrate", "--report", "--json", "--queries", "queries.txt"]).expect_code(0).json();
    let queries = report["queries"].as_array().expect("queries");
    assert_eq!(queries[1]["query"], "the history of the house", "{report}");
    assert_eq!((queries.len(), queries[0]["first"].as_array().map(Vec::len)), (2, Some(10)), "{report}");
    assert_eq!(report["models"][1]["model"], new.as_str(), "{report}");
    sandbox.file("queries.txt", "a whale and the sea\n".repeat(60_000));
    run(&["migrate", "--report", "--queries", "queries.txt"])
        .expect_error(1, &["cannot read `queries.txt`", "longer than 1 MiB"]);

    // Over, with the books that came in since.
    let over = run(&["migrate", "--cut-over"]).expect_code(0).stdout;
    assert!(over.starts_with("cut over\nactive ") && over.contains("320 of 320 passages"), "{over}");
    let by_new = found_with(&new);
    assert_ne!(by_new, by_old);
    wait_until("the service changed over", || found_by(&service) == by_new);
    let (status, body) = ready(&service);
    assert_eq!((status, body["fingerprint"].as_str()), (200, Some(format!("{new_space}/f32").as_str())), "{body}");
    for arguments in [
        &["search", "--model", &old, "whale"][..],
        &["serve", "--port", "0", "--model", &old],
        &["backfill", "--model", &third],
    ] {
        run(arguments).expect_error(1, &[&format!("is searched by `{new}` (space {new_space})"), "give `--model "]);
    }
    import(0..1, &old).expect_error(1, &[&old_space, &new_space]);
    run(&["migrate", "--to", &third]).expect_error(1, &["the set before", "--drop-old"]);

    // Back, and over again.
    readers.go_on();
    run(&["migrate", "--roll-back"]).expect_code(0);
    wait_until("the service changed back", || found_by(&service) == by_old);
    assert_eq!(found_with(&old), by_old);
    readers.go_on();
    run(&["migrate", "--cut-over"]).expect_code(0);
    wait_until("the service changed over again", || found_by(&service) == by_new);
    let dropped = run(&["migrate", "--drop-old", "--json"]).expect_code(0).json();
    assert_eq!((&dropped["previous"], &dropped["next"]), (&Value::Null, &Value::Null), "{dropped}");
    readers.go_on();
    run(&["migrate", "--roll-back"]).expect_error(1, &["there is no set of embeddings from before"]);
    let answered = readers.finish();
    assert!(answered > 30, "{answered} questions");
    assert_eq!(found_by(&service), by_new);

    // The next migration, given up.
    run(&["migrate", "--to", &third]).expect_code(0);
    run(&["migrate", "--to", &new]).expect_error(1, &["is what is searched already"]);
    let given_up = run(&["migrate", "--abandon"]).expect_code(0).stdout;
    assert!(given_up.starts_with("dropped the second set\nactive ") && !given_up.contains("next"), "{given_up}");
}

#[test]
fn a_file_changes_its_model_while_it_is_searched() {
    a_catalogue_changes_its_model_while_it_is_searched(None);
}

#[test]
fn a_database_changes_its_model_while_it_is_searched() {
    let Some(server) = Server::start(server::PGVECTOR) else { return };
    a_catalogue_changes_its_model_while_it_is_searched(Some(&server));
}

#[test]
fn a_killed_migration_is_taken_up_where_it_was() {
    const MANY: u64 = 20_000;
    let sandbox = Sandbox::new();
    let (old, new) = (tiny("mean"), tiny("cls"));
    sandbox.run_with_input(&["import", "--model", &old, "-"], numbered_books(0..MANY as usize)).expect_code(0);
    let location = sandbox.path("libellus.db");
    let catalogue = Catalogue::open(&location, Access::ReadOnly).expect("opens");
    let (old_space, new_space) = (space_of(&sandbox, &old), space_of(&sandbox, &new));
    let embedded = |space: &str| catalogue.statistics(space).expect("counts").embedded;
    let arguments = ["migrate", "--json", "--threads", "1", "--to", &new, "--model", &old];
    let mut killed =
        sandbox.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("something is stored", || embedded(&new_space) > 0);
    killed.kill().expect("it runs");
    killed.wait().expect("it is dead");
    let kept = embedded(&new_space);
    assert!(kept < MANY, "it was killed in the middle of it");
    assert_eq!(embedded(&old_space), MANY, "the first set is whole, and searched");
    sandbox.run(&["search", "--model", &old, "whale"]).expect_code(0);
    let report = sandbox.run(&arguments).expect_code(0).json();
    assert_eq!(report["embedded"], MANY - kept, "{report}");
    sandbox.run(&["migrate", "--cut-over"]).expect_code(0);
    sandbox.run(&["search", "--model", &new, "whale"]).expect_code(0);
}

#[test]
fn a_service_with_the_old_model_alone_goes_on_and_asks_to_be_replaced() {
    let sandbox = Sandbox::new();
    let (old, new) = (tiny("mean"), tiny("cls"));
    sandbox.run_with_input(&["import", "--model", &old, "-"], numbered_books(0..50)).expect_code(0);
    let service = Service::start(sandbox.command(&["serve", "--port", "0", "--model", &old]));
    let before = found_by(&service);
    sandbox.run(&["migrate", "--to", &new, "--model", &old]).expect_code(0);
    sandbox.run(&["migrate", "--cut-over"]).expect_code(0);
    assert_eq!(found_by(&service), before, "in its own space");
    let (status, body) = ready(&service);
    let reason = body["reason"].as_str().expect("a reason");
    let (old_space, new_space) = (space_of(&sandbox, &old), space_of(&sandbox, &new));
    assert_eq!(status, 503, "{body}");
    for part in ["`tiny-mean`", &old_space, &new_space] {
        assert!(reason.contains(part), "`{part}`: {reason}");
    }
    // Everyone may read that, so it names no file.
    assert!(!reason.contains('/') && !reason.contains("libellus.db"), "{reason}");
    // The operator is told which model to check with.
    let asked = format!("give `--model {new}`");
    sandbox.run(&["check", "--model", &old]).expect_error(1, &[&old_space, &new_space, &asked]);
    sandbox.run(&["check", "--repair", "--model", &old]).expect_error(1, &[&asked]);
    let checked = sandbox.run(&["check", "--json", "--model", &new]).json();
    assert_eq!((&checked["passages"], &checked["cut_otherwise"]), (&50.into(), &0.into()), "{checked}");
    // Without its embeddings it says so, and answers by words.
    sandbox.run(&["migrate", "--drop-old"]).expect_code(0);
    let by_meaning = || get(&service.address, "/api/search?q=whale&mode=semantic");
    wait_until("it has nothing to compare with", || by_meaning().0 == 503);
    let (status, body) = get(&service.address, "/api/search?q=number");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("\"degraded\":\"nothing is embedded for `tiny-mean` yet\""), "{body}");
}

#[test]
fn who_still_embeds_by_the_former_model_is_told() {
    let sandbox = Sandbox::new();
    let (old, new) = (tiny("mean"), tiny("cls"));
    let (old_space, new_space) = (space_of(&sandbox, &old), space_of(&sandbox, &new));
    let db = sandbox.path("libellus.db");
    let spaces = || Catalogue::open(&db, Access::ReadOnly).and_then(|catalogue| catalogue.spaces()).expect("reads");
    let count_of = |space: &str| spaces().into_iter().find(|(name, _)| name == space).map_or(0, |(_, count)| count);
    let start = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    sandbox.run_with_input(&["import", "--model", &old, "-"], numbered_books(0..30)).expect_code(0);
    sandbox.run(&["migrate", "--to", &new, "--model", &old]).expect_code(0);

    // An import that began before the change, and ends after it.
    let mut import = start(&["import", "--json", "--model", &old, "-"]);
    let mut input = import.stdin.take().expect("piped");
    input.write_all(numbered_books(30..3000).as_bytes()).expect("it reads");
    wait_until("some of the books are there", || books_in(&db) > 30);
    let worker = start(&["backfill", "--watch", "--model", &old]);
    sandbox.run(&["migrate", "--cut-over"]).expect_code(0);
    drop(input);
    let import = Finished::from(import.wait_with_output().expect("it ends"));
    assert_eq!(import.json()["files"][0]["written"]["added"], 2970, "every book is kept: {import:?}");
    import.expect_error(1, &[&old_space, &new_space, &format!("give `--model {new}`")]);
    sandbox.run(&["backfill", "--model", &new]).expect_code(0);
    assert_eq!(count_of(&new_space), 3000);

    // A worker may go on while the set before can be searched again, and not afterwards.
    wait_until("the worker filled the set before", || count_of(&old_space) == 3000);
    sandbox.run(&["migrate", "--drop-old"]).expect_code(0);
    sandbox.run_with_input(&["import", "--model", &new, "-"], numbered_books(3000..3001)).expect_code(0);
    let worker = Finished::from(worker.wait_with_output().expect("it ends"));
    worker.expect_error(1, &[&format!("is searched by `{new}`"), "give `--model "]);
    assert_eq!(spaces(), [(new_space, 3001)], "what was dropped stays gone");
}

/// Weights of a model's shape, small and random, as a sentence-transformers directory.
fn random_model(directory: PathBuf, layers: usize, max_tokens: usize, normalize: bool, seed: u64) -> String {
    const H: usize = 384;
    const F: usize = 1536;
    let small = tiny_model();
    fs::create_dir_all(directory.join("1_Pooling")).expect("a folder");
    for file in ["vocab.txt", "tokenizer_config.json", "special_tokens_map.json"] {
        fs::copy(small.join(file), directory.join(file)).expect("copies");
    }
    let vocabulary = fs::read_to_string(small.join("vocab.txt")).expect("reads").lines().count();
    let write = |name: &str, value: Value| fs::write(directory.join(name), value.to_string()).expect("writes");
    let mut config: Value = serde_json::from_slice(&fs::read(small.join("config.json")).expect("reads")).expect("JSON");
    for (key, value) in [
        ("hidden_size", H),
        ("intermediate_size", F),
        ("num_attention_heads", 12),
        ("num_hidden_layers", layers),
        ("max_position_embeddings", 512),
        ("vocab_size", vocabulary),
    ] {
        config[key] = value.into();
    }
    write("config.json", config);
    write("sentence_bert_config.json", json!({ "max_seq_length": max_tokens, "do_lower_case": false }));
    write("1_Pooling/config.json", json!({ "word_embedding_dimension": H, "pooling_mode_mean_tokens": true }));
    let module =
        |path: &str, kind: &str| json!({ "path": path, "type": format!("sentence_transformers.models.{kind}") });
    let mut modules = vec![module("", "Transformer"), module("1_Pooling", "Pooling")];
    if normalize {
        modules.push(module("2_Normalize", "Normalize"));
    }
    write("modules.json", modules.into());

    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![vocabulary, H]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![512, H]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, H]),
    ];
    let mut layer_norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in (0..layers).map(|layer| format!("encoder.layer.{layer}")) {
        layer_norms.extend([format!("{layer}.attention.output.LayerNorm"), format!("{layer}.output.LayerNorm")]);
        for (name, outputs, inputs) in [
            ("attention.self.query", H, H),
            ("attention.self.key", H, H),
            ("attention.self.value", H, H),
            ("attention.output.dense", H, H),
            ("intermediate.dense", F, H),
            ("output.dense", H, F),
        ] {
            tensors.push((format!("{layer}.{name}.weight"), vec![outputs, inputs]));
            tensors.push((format!("{layer}.{name}.bias"), vec![outputs]));
        }
    }
    for name in &layer_norms {
        tensors.extend([(format!("{name}.weight"), vec![H]), (format!("{name}.bias"), vec![H])]);
    }
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    let mut state = seed;
    for (name, shape) in tensors {
        let begin = data.len();
        let middle = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
        for _ in 0..shape.iter().product::<usize>() {
            // Knuth's linear congruential generator; ±0.1.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = middle + ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.2;
            data.extend(number.to_le_bytes());
        }
        header.insert(name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    let header = Value::from(header).to_string().into_bytes();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    fs::write(directory.join("model.safetensors"), bytes).expect("room");
    directory.display().to_string()
}

#[test]
fn the_usual_models_are_imported_with_searched_by_and_migrated_between() {
    let sandbox = Sandbox::new();
    // Layers, window and last module of each, as their authors published them.
    let models = [
        ("sentence-transformers/all-MiniLM-L6-v2-random", 6, 256, true),
        ("sentence-transformers/paraphrase-MiniLM-L3-v2", 3, 128, false),
        ("sentence-transformers/all-MiniLM-L12-v2", 12, 128, true),
    ];
    for (seed, (name, layers, max_tokens, normalize)) in models.into_iter().enumerate() {
        let directory = random_model(sandbox.path("made"), layers, max_tokens, normalize, seed as u64);
        sandbox.run(&["model", "pull", &directory, "--name", name]).expect_code(0);
        fs::remove_dir_all(Path::new(&directory)).expect("it was taken");
        let info = sandbox.run(&["model", "info", name, "--json"]).expect_code(0).json();
        assert_eq!((&info["dim"], &info["layers"]), (&384.into(), &layers.into()), "{info}");
        assert_eq!(info["max_tokens"], max_tokens, "{info}");
    }
    let names = models.map(|(name, ..)| name);
    sandbox.file("books.csv", FEW_BOOKS);
    sandbox.run(&["import", "--model", names[0], "books.csv"]).expect_code(0);
    // A reader who asks for a book by its own words finds it, by every one of them.
    let question =
        "How natural selection, acting on small variations, gives rise to new species of plants and animals.";
    let finds = |name: &str| {
        let found = sandbox.run(&["search", "--json", "--model", name, question]).expect_code(0).json();
        assert_eq!(found["hits"].as_array().map(Vec::len), Some(3), "{name}: {found}");
        let score = found["hits"][0]["score"].as_f64().expect("a score");
        assert!((0.0..=1.001).contains(&score), "{name}: {found}");
    };
    finds(names[0]);
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let (from, to) = (names[from], names[to]);
        let filled = sandbox.run(&["migrate", "--to", to, "--model", from]).expect_code(0).stdout;
        assert!(filled.starts_with("embedded 3 passages"), "{filled}");
        sandbox.run(&["migrate", "--report"]).expect_code(0);
        sandbox.run(&["migrate", "--cut-over"]).expect_code(0);
        sandbox.run(&["migrate", "--drop-old"]).expect_code(0);
        finds(to);
        // By its short name as well.
        finds(to.strip_prefix("sentence-transformers/").expect("an owner"));
        sandbox.run(&["search", "--model", from, question]).expect_error(1, &[&format!("`{to}`"), "never compared"]);
    }
}
