//! Whatever the bytes are, a reader answers: with what it made of them, or with why it made nothing.

use libellus_footprint::dockerfile::Dockerfile;
use libellus_footprint::dockerfile::shell;
use libellus_footprint::ignore::Rules;
use libellus_footprint::image::tar::Tar;
use libellus_footprint::image::unpack::Unpacked;
use libellus_footprint::python::marker::Marker;
use libellus_footprint::python::metadata::{Metadata, record_paths};
use libellus_footprint::python::requirement::Requirement;
use libellus_footprint::python::requirements_txt::Manifest;
use libellus_footprint::python::version::{Specifier, Version};
use libellus_footprint::{Options, measure};
use proptest::prelude::*;
use std::fs;
use std::io::Read;

/// Texts that look like what is read, for a while.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "FROM",
        "RUN",
        "COPY",
        "--from=a",
        "<<EOF",
        "EOF",
        "\\\n",
        "\n",
        "[\"a\"",
        "]",
        "`",
        "#",
        "escape=`",
        "ENV",
        "a=b",
        "=",
        "apt-get",
        "install",
        "-y",
        "&&",
        "pip",
        "-r",
        "requirements.txt",
        "python:3.12",
        "*",
        "**",
        "/",
        "!",
        "[a-",
        "'",
        "\"",
        "$A",
        "${",
        ";",
        "extra",
        "==",
        "1.0",
        "~=",
        "é",
        "\u{0}",
        "..",
        "Requires-Dist:",
        "name",
        ",",
        "USER",
        "CMD",
        "-w",
        "4",
    ]);
    prop::collection::vec(prop_oneof![4 => word.prop_map(str::to_owned), 1 => ".{0,8}"], 0..40)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn texts_are_read_or_refused(text in text()) {
        if let Ok(file) = Dockerfile::parse(&text) {
            for instruction in &file.instructions {
                shell::commands(instruction);
                instruction.assignments();
                instruction.line_at(instruction.rest().len());
            }
        }
        let rules = Rules::parse(&text);
        rules.ignores("a/b.py");
        Manifest::of_requirements("r", &text);
        let _ = Manifest::of_pyproject("p", &text);
        let _ = (Requirement::parse(&text), Marker::parse(&text), Version::parse(&text), Specifier::parse(&text));
        Metadata::parse(&text);
        record_paths(text.as_bytes());
    }

    #[test]
    fn bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2048), start in 0..4usize) {
        let magic: [&[u8]; 4] = [b"", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"];
        let bytes = [magic[start], &bytes].concat();
        let mut all = Vec::new();
        if let Ok(mut unpacked) = Unpacked::open(&bytes[..], 1 << 20) {
            let _ = unpacked.read_to_end(&mut all);
        }
        let mut tar = Tar::new(&bytes[..]);
        while let Ok(Some(_)) = tar.next_entry() {}
        record_paths(&bytes);
    }

    /// All checks, on a project of such texts.
    #[test]
    fn projects_are_looked_at(dockerfile in text(), ignore in text(), requirements in text(), platform in text()) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [
            ("Dockerfile", format!("FROM python:3.12\n{dockerfile}")),
            (".dockerignore", ignore),
            ("requirements.txt", requirements),
            ("railway.json", platform.clone()),
            ("compose.yaml", platform.clone()),
            ("fly.toml", platform),
        ] {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let measured = measure(folder.path(), &Options::default()).expect("the folder can be read");
        libellus_footprint::fix::diff(&measured.edits());
    }
}
