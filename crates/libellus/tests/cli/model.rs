//! `libellus model`.

use crate::support::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};

/// A small random model that the encoder's tests have.
pub fn tiny_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/golden/models/tiny-mean")
}

#[test]
fn info_and_list_agree_about_the_model_inside() {
    let sandbox = Sandbox::new();
    let info = sandbox.run(&["model", "info", "--json"]).expect_code(0).json();
    assert_eq!(info["name"], "all-MiniLM-L6-v2");
    assert_eq!((info["dim"].as_u64(), info["max_tokens"].as_u64()), (Some(384), Some(256)));
    let precision = if cfg!(feature = "lite") { "int8-words4" } else { "int8" };
    assert_eq!(info["precision"], precision);
    let list = sandbox.run(&["model", "list", "--json"]).expect_code(0).json();
    assert_eq!(list[0], info);
    for (arguments, part) in [(&["model", "info"][..], "256 tokens"), (&["model", "list"], "(built in)")] {
        let text = sandbox.run(arguments).expect_code(0).stdout;
        assert!(text.contains("all-MiniLM-L6-v2") && text.contains(part), "{text}");
    }
}

#[test]
fn a_pack_of_a_directory_opens_and_lies_in_its_space() {
    let sandbox = Sandbox::new();
    let directory = tiny_model().display().to_string();
    let written = sandbox.run(&["model", "pack", &directory, "--output", "tiny.pack"]).expect_code(0).stdout;
    assert!(written.starts_with("wrote tiny.pack"), "{written}");
    let original = sandbox.run(&["model", "info", &directory, "--json"]).expect_code(0).json();
    let packed = sandbox.run(&["model", "info", "tiny.pack", "--json"]).expect_code(0).json();
    assert_eq!(
        (&packed["name"], &packed["space"], &packed["dim"]),
        (&original["name"], &original["space"], &original["dim"])
    );
    assert_eq!((&original["precision"], &packed["precision"]), (&"f32".into(), &"int8".into()));

    sandbox.run(&["model", "pack", &directory, "--output", "again.pack"]).expect_code(0);
    let [first, second] = ["tiny.pack", "again.pack"].map(|name| fs::read(sandbox.path(name)).expect("it was written"));
    assert!(first == second, "the same model gives the same bytes");
}
