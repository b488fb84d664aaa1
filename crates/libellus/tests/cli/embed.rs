//! `libellus embed`: order, count and every bit of every vector.

use crate::model::tiny_model;
use crate::support::{Finished, Sandbox, finish};
use libellus_encoder::Encoder;
use std::fs;
use std::process::Stdio;

fn bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// What the library gives for a text.
fn expected(encoder: &Encoder, text: &str) -> Vec<u32> {
    bits(encoder.encode(text).vector)
}

/// Shape and values of a `.npy` file.
fn read_npy(bytes: &[u8]) -> (String, Vec<f32>) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "magic and version");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8(bytes[10..end].to_vec()).expect("ASCII");
    assert!(header.contains("'descr': '<f4', 'fortran_order': False"), "{header}");
    assert_eq!((end % 64, header.ends_with('\n')), (0, true), "{header}");
    let (floats, rest) = bytes[end..].as_chunks::<4>();
    assert!(rest.is_empty(), "whole floats");
    let shape = header.split("'shape': ").nth(1).and_then(|rest| rest.split(')').next()).expect("a shape");
    (format!("{shape})"), floats.iter().map(|float| f32::from_le_bytes(*float)).collect())
}

fn json_lines(finished: &Finished) -> Vec<serde_json::Value> {
    finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn vector_of(line: &serde_json::Value) -> Vec<u32> {
    bits(serde_json::from_value::<Vec<f32>>(line["embedding"].clone()).expect("floats"))
}

#[test]
fn every_format_holds_what_the_library_gives() {
    let sandbox = Sandbox::new();
    let encoder = Encoder::builtin();
    let texts = ["a book about whales", "", "naïve café, 東京", "[SEP] is only text"];
    sandbox.file("texts.txt", texts.join("\n") + "\n");
    let all: Vec<u32> = texts.iter().flat_map(|text| expected(&encoder, text)).collect();

    let lines = json_lines(&sandbox.run(&["embed", "--input", "texts.txt"]).expect_code(0));
    assert_eq!(lines.iter().map(|line| line["id"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2), Some(3), Some(4)]);
    assert_eq!(lines.iter().flat_map(vector_of).collect::<Vec<_>>(), all);
    assert_eq!((&lines[1]["tokens"], &lines[1]["truncated"]), (&2.into(), &false.into()), "an empty text");

    sandbox.run(&["embed", "--input", "texts.txt", "--format", "npy", "--output", "to-file.npy"]).expect_code(0);
    let (shape, values) = read_npy(&fs::read(sandbox.path("to-file.npy")).expect("it was written"));
    assert_eq!((shape.as_str(), bits(values)), ("(4, 384)", all.clone()));

    let stdout = sandbox
        .command(&["embed", "--format", "npy", "--input", "texts.txt"])
        .stdout(Stdio::piped())
        .output()
        .expect("it runs")
        .stdout;
    assert_eq!(stdout, fs::read(sandbox.path("to-file.npy")).expect("it was written"), "a pipe gets the same bytes");

    let csv = sandbox.run(&["embed", "--input", "texts.txt", "--format", "csv"]).expect_code(0).stdout;
    let mut rows = csv.lines();
    assert_eq!(rows.next(), Some("id,embedding"));
    let values = rows.enumerate().flat_map(|(i, row)| {
        let list = row.strip_prefix(&format!("{},\"[", i + 1)).and_then(|row| row.strip_suffix("]\"")).expect("a row");
        list.split(',').map(|value| value.parse().expect("a float")).collect::<Vec<f32>>()
    });
    assert_eq!(bits(values), all);
}

#[test]
fn records_keep_their_ids_and_other_models_can_be_named() {
    let sandbox = Sandbox::new();
    let encoder = Encoder::open(&tiny_model()).expect("the encoder's tests open it too");
    let model = tiny_model().display().to_string();
    let records = "{\"id\":\"b-1\",\"text\":\"whales\"}\n{\"text\":\"and, \\\"ships\\\"\",\"id\":7}\n";
    let lines = json_lines(&sandbox.run_with_input(&["embed", "--model", &model], records).expect_code(0));
    assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&"b-1".into(), &7.into()));
    assert_eq!(vector_of(&lines[0]), expected(&encoder, "whales"));
    assert_eq!(vector_of(&lines[1]), expected(&encoder, "and, \"ships\""));
}

#[test]
fn many_texts_keep_their_order_and_threads_change_nothing() {
    let sandbox = Sandbox::new();
    let model = tiny_model().display().to_string();
    let texts: String = (0..1300).map(|n| format!("text {n} {}\n", "word ".repeat(n % 7))).collect();
    sandbox.file("texts.txt", &texts);
    let run = |threads: &str, output: &str| {
        let arguments = ["embed", "--model", &model, "--threads", threads, "--format", "npy"];
        sandbox.run(&[&arguments[..], &["--input", "texts.txt", "--output", output]].concat()).expect_code(0);
        fs::read(sandbox.path(output)).expect("it was written")
    };
    let one = run("1", "one.npy");
    assert_eq!(one, run("3", "three.npy"));
    let encoder = Encoder::open(&tiny_model()).expect("the encoder's tests open it too");
    let (shape, values) = read_npy(&one);
    assert_eq!(shape, "(1300, 32)");
    for n in [0, 511, 512, 1299] {
        let text = texts.lines().nth(n).expect("a line");
        assert_eq!(bits(values[n * 32..][..32].iter().copied()), expected(&encoder, text), "text {n}");
    }
}

#[test]
fn nothing_in_gives_a_whole_file_with_nothing_in_it() {
    let sandbox = Sandbox::new();
    let run =
        |format: &str| sandbox.run_with_input(&["embed", "--output", "none", "--format", format], "").expect_code(0);
    run("npy");
    let (shape, values) = read_npy(&fs::read(sandbox.path("none")).expect("it was written"));
    assert_eq!((shape.as_str(), values.len()), ("(0, 384)", 0));
    run("csv");
    assert_eq!(fs::read(sandbox.path("none")).expect("it was written"), b"id,embedding\n");
}

#[test]
fn texts_that_are_too_long_are_counted_not_hidden() {
    let sandbox = Sandbox::new();
    let input = format!("short\n{}\n", "whale ".repeat(600));
    let finished = sandbox.run_with_input(&["embed"], input).expect_code(0);
    assert!(finished.stderr.contains("1 of 2 texts are longer than the 256 tokens"), "{}", finished.stderr);
    let lines = json_lines(&finished);
    assert_eq!((&lines[0]["truncated"], &lines[1]["truncated"]), (&false.into(), &true.into()));
    assert_eq!(lines[1]["tokens"], 602);
}

#[test]
fn bad_lines_are_named_and_what_was_before_is_kept() {
    let sandbox = Sandbox::new();
    for (input, part) in [
        (&b"good\nbad \xff line\n"[..], "line 2 of `standard input` is not valid UTF-8"),
        (b"{\"id\":1,\"text\":\"a\"}\nplain\n", "line 2 of `standard input` is not a record: expected value"),
    ] {
        let finished = sandbox.run_with_input(&["embed"], input).expect_error(1, &[part]);
        assert_eq!(finished.stdout.lines().count(), 1, "the vector of line 1 is there");
    }
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    let sandbox = Sandbox::new();
    for format in ["jsonl", "csv", "npy"] {
        sandbox
            .run_with_input(&["embed", "--format", format, "--output", "/dev/full"], "text\n")
            .expect_error(1, &["cannot write `/dev/full`", "because: ", "hint: make room"]);
    }
    sandbox.file("texts.txt", "text\n".repeat(600));
    let mut process = sandbox
        .command(&["embed", "--input", "texts.txt"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(process.stdout.take());
    let finished = Finished::from(process.wait_with_output().expect("it ends"));
    assert_eq!(finished.expect_code(0).stderr, "");
}

#[test]
fn the_input_is_never_overwritten() {
    let sandbox = Sandbox::new();
    let texts = sandbox.file("texts.txt", "precious\n");
    sandbox
        .run(&["embed", "--input", "texts.txt", "--output", "./texts.txt"])
        .expect_error(2, &["`texts.txt` is both input and output", "hint: "]);
    let from_shell = fs::File::open(&texts).expect("it is there");
    let mut command = sandbox.command(&["embed", "--output", "texts.txt"]);
    finish(command.stdin(from_shell)).expect_error(2, &["`texts.txt` is both input and output"]);
    assert_eq!(fs::read_to_string(texts).expect("still there"), "precious\n");
}

#[test]
fn a_file_called_dash_is_not_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.file("-", "not me\n");
    let lines = json_lines(&sandbox.run_with_input(&["embed"], "me\n").expect_code(0));
    assert_eq!(vector_of(&lines[0]), expected(&Encoder::builtin(), "me"));
    assert_eq!(fs::read_to_string(sandbox.path("-")).expect("still there"), "not me\n");
}

#[test]
fn objects_without_an_id_have_their_line_number_and_without_a_text_are_an_error() {
    let sandbox = Sandbox::new();
    let lines = json_lines(&sandbox.run_with_input(&["embed"], "{\"text\":\"whales\"}\n").expect_code(0));
    assert_eq!((&lines[0]["id"], vector_of(&lines[0])), (&1.into(), expected(&Encoder::builtin(), "whales")));
    let finished = sandbox.run_with_input(&["embed"], "{\"title\":\"Dune\"}\n");
    let error = finished.expect_error(1, &["line 1 of `standard input`", "missing field `text`"]).stderr;
    assert_eq!(error.matches("line 1").count(), 1, "{error}");
}
