//! Models, and the service that loads them: F401 to F503.

use super::build::downloads_model;
use super::facts::{Facts, Step};
use super::{Finding, Saving, Severity};
use crate::fix::Fix;
use crate::project::{Build, Project};
use crate::tree::{NodeId, Tree};

/// Bytes of all-MiniLM-L6-v2: its parameters, and what each takes in all formats of its repository together and in the
/// one that is loaded (specification, section 0).
const MINILM_PARAMETERS: u64 = 22_713_216;
const ALL_FORMATS_BYTES: u64 = 35;
const ONE_FORMAT_BYTES: u64 = 4;

/// Modules that embed, with the packages that bring them.
const ENCODERS: [(&str, &[&str]); 5] = [
    ("sentence_transformers", &["sentence-transformers"]),
    ("torch", &["torch", "torchvision", "sentence-transformers", "accelerate", "timm"]),
    ("transformers", &["transformers", "sentence-transformers"]),
    ("fastembed", &["fastembed"]),
    ("onnxruntime", &["onnxruntime", "onnxruntime-gpu", "fastembed", "optimum"]),
];

/// Looks at a build's models and workers.
pub fn check(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let downloads: Vec<(&Step<'_>, u32)> = facts
        .runs()
        .filter(|(_, command)| downloads_model(command))
        .map(|(step, command)| (step, command.line))
        .collect();
    all_formats(build, facts, &downloads, found);
    fetched_twice(build, facts, &downloads, found);
    encoder_removed(project, facts, found);
    workers(build, facts, found);
    fixed_port(project, build, facts, found);
}

fn all_formats(build: &Build, facts: &Facts<'_>, downloads: &[(&Step<'_>, u32)], found: &mut Vec<Finding>) {
    let old = facts
        .wanted("sentence-transformers")
        .filter(|(_, wanted)| !wanted.requirement.allows("2.3") && !wanted.requirement.allows("999"));
    let Some((manifest, wanted)) = old else { return };
    for (step, line) in downloads.iter().filter(|(step, _)| step.instruction.text.contains("SentenceTransformer(")) {
        let mut finding =
            Finding::new("F401", &build.path, *line, "every format of the model is downloaded, and one is loaded")
                .to(step.instruction.last_line)
                .because(format!(
                    "{}:{} asks for {}, which downloads the whole repository",
                    manifest.path, wanted.line, wanted.requirement
                ))
                .suggest("sentence-transformers>=2.3, or snapshot_download(…, allow_patterns=[…])");
        if step.instruction.text.contains("all-MiniLM-L6-v2") {
            finding = finding.saves(Saving::computed(MINILM_PARAMETERS * (ALL_FORMATS_BYTES - ONE_FORMAT_BYTES)));
        }
        found.push(finding);
    }
}

fn fetched_twice(build: &Build, facts: &Facts<'_>, downloads: &[(&Step<'_>, u32)], found: &mut Vec<Finding>) {
    let pinned =
        ["HF_HOME", "SENTENCE_TRANSFORMERS_HOME", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"];
    for (step, line) in downloads {
        if pinned.iter().any(|name| facts.sets(name))
            || step.instruction.text.contains("cache_folder")
            || step.instruction.text.contains("local_dir")
            || step.instruction.text.contains(".save(")
        {
            continue;
        }
        let lost = !step.is_final
            && !facts.steps.iter().any(|other| {
                other.is_final
                    && other.instruction.flag("from").is_some()
                    && other
                        .instruction
                        .arguments
                        .iter()
                        .any(|word| word.contains("cache") || word.contains("/root") || word.contains("model"))
            });
        let changes = facts.steps.iter().any(|other| {
            other.is_final && other.instruction.keyword == "user" && other.instruction.line > step.instruction.line
        });
        let (message, severity) = match (lost, changes) {
            (true, _) => ("the model is downloaded in a stage from which nothing copies it", Severity::Error),
            (_, true) => (
                "the model is downloaded as one user and looked for as another, who downloads it again",
                Severity::Error,
            ),
            _ => (
                "the model is in the home of the user who builds; another user or HOME downloads it again",
                Severity::Warning,
            ),
        };
        let finding = Finding::new("F402", &build.path, *line, message)
            .to(step.instruction.last_line)
            .suggest("ENV HF_HOME=/opt/models before it, readable by the user who runs")
            .fixed_by((!lost).then(|| Fix::Insert {
                path: build.path.clone(),
                line: step.instruction.line,
                text: "ENV HF_HOME=/opt/models".to_owned(),
            }));
        found.push(finding.as_severe_as(severity));
    }
}

fn encoder_removed(project: &Project, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    // What is not known to be asked for in a file may be installed otherwise.
    let all_read = !facts.manifests.is_empty() && facts.manifests.iter().all(|manifest| manifest.unread.is_empty());
    if !all_read {
        return;
    }
    let by_command = |name: &str| {
        facts
            .runs()
            .any(|(_, command)| command.words.iter().any(|word| word.split(['=', '<', '>', '[']).next() == Some(name)))
    };
    for (module, bringers) in ENCODERS {
        let Some(places) = project.sources.imports.get(module) else { continue };
        if bringers.iter().any(|name| facts.wanted(name).is_some() || by_command(name)) {
            continue;
        }
        let Some(place) = places.iter().find(|place| !place.path.contains("test")) else { continue };
        let files: Vec<&str> = facts.manifests.iter().map(|manifest| manifest.path.as_str()).collect();
        let finding =
            Finding::new("F406", &place.path, place.line, format!("`{module}` is imported, and nothing installs it"))
                .because(format!("{} asks for none of {}", files.join(", "), bringers.join(", ")))
                .suggest("a question has to be embedded when it is asked; libellus does so in under 50 MB");
        found.push(finding);
        return;
    }
}

/// Memory of a worker with a BERT of six layers, in MB: the first, each further one that loads the model itself, and
/// four that are forked after it was loaded (measured; specification, row 22).
const FIRST_WORKER_MB: u64 = 942;
const FURTHER_WORKER_MB: u64 = 583;
const FOUR_FORKED_MB: u64 = 978;

fn workers(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let model = ["sentence-transformers", "torch", "transformers", "tensorflow"]
        .iter()
        .find(|name| facts.wanted(name).is_some());
    let Some(model) = model else { return };
    let words: Vec<&str> = facts.start.iter().flat_map(|word| word.split_whitespace()).collect();
    let value = |names: &[&str]| {
        words.iter().enumerate().find_map(|(place, word)| {
            let attached = names.iter().find_map(|name| {
                word.strip_prefix(name).filter(|rest| !rest.is_empty()).map(|rest| rest.trim_start_matches('='))
            });
            let number = if names.contains(word) { words.get(place + 1).copied() } else { attached };
            number?.parse::<u64>().ok()
        })
    };
    let server = words
        .iter()
        .find(|word| ["gunicorn", "uvicorn", "hypercorn"].contains(&word.rsplit('/').next().unwrap_or(word)));
    let Some(server) = server else { return };
    let count = value(&["-w", "--workers"]).or_else(|| facts.env.get("WEB_CONCURRENCY")?.parse().ok());
    let shared = words.contains(&"--preload");
    let Some(count) = count.filter(|count| *count > 1 && !shared) else { return };
    let mb = FIRST_WORKER_MB + (count - 1) * FURTHER_WORKER_MB;
    let server = server.rsplit('/').next().unwrap_or(server);
    let finding = Finding::new(
        "F501",
        &build.path,
        facts.start_line,
        format!("each of {count} workers loads {model} and its model"),
    )
    .because(format!(
        "about {mb} MB of memory, estimated from a BERT of six layers; four that share it took {FOUR_FORKED_MB} MB"
    ))
    .suggest(if server == "gunicorn" {
        "gunicorn --preload, or one worker with --threads"
    } else {
        "one worker, with threads"
    });
    found.push(finding);
}

fn fixed_port(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let platform = project.platforms.iter().find(|path| !path.contains("compose"));
    let Some(platform) = platform else { return };
    let text = facts.start.join(" ");
    let takes_port = text.contains("PORT") || facts.env.contains_key("PORT");
    let after = |sign: &str| {
        text.split(sign).nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>())
    };
    let port =
        ["0.0.0.0:", "--port ", "--port=", "-p "].iter().find_map(|sign| after(sign)).filter(|port| port.len() >= 2);
    if let (Some(port), false) = (port, takes_port) {
        let finding = Finding::new(
            "F503",
            &build.path,
            facts.start_line,
            format!("it listens at {port}, whatever the platform says"),
        )
        .because(format!("{platform}: platforms tell the port in PORT"))
        .suggest("a shell form of CMD with $PORT, or a server that reads PORT");
        found.push(finding);
    }
}

/// COPY to and from files of the database's machine, in the project's own files.
pub fn check_sources(project: &Project, found: &mut Vec<Finding>) {
    for (path, text) in &project.sources.texts {
        if !["py", "sql", "sh", "js", "ts", "rb", "go"].iter().any(|ending| path.ends_with(&format!(".{ending}"))) {
            continue;
        }
        for (index, _) in text.lines().enumerate().filter(|(_, line)| copies_on_server(line)) {
            let finding = Finding::new("F503", path, index as u32 + 1, "COPY with a file of the database's machine")
                .because("a managed database gives no access to its files")
                .suggest("\\copy of psql, or COPY … TO STDOUT");
            found.push(finding);
        }
    }
}

/// `COPY table TO '/file'`, but not `\copy`, `STDIN` or `STDOUT`.
fn copies_on_server(line: &str) -> bool {
    let upper = line.to_uppercase();
    upper.match_indices("COPY ").any(|(place, _)| {
        let before = upper[..place].chars().next_back();
        let rest = &upper[place..];
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '\\' && c != '_' && c != '-');
        let to_file = [" TO '", " FROM '", " TO \"", " FROM \""].iter().any(|sign| rest.contains(sign));
        starts && to_file && !rest.contains("--FROM")
    })
}

/// Files of models, by what they are written for: a folder with several has one too many.
fn format_of(name: &str) -> Option<&'static str> {
    Some(match name {
        "model.safetensors" => "safetensors",
        "pytorch_model.bin" => "bin",
        "tf_model.h5" => "TensorFlow",
        "flax_model.msgpack" => "Flax",
        "rust_model.ot" => "Rust",
        name if name.ends_with(".onnx") => "ONNX",
        "openvino_model.bin" => "OpenVINO",
        _ => return None,
    })
}

/// Folders with one model in several formats; `onnx/` and `openvino/` belong to the folder above.
pub fn check_files(tree: &Tree, found: &mut Vec<Finding>) {
    let mut folders: std::collections::BTreeMap<NodeId, Vec<(NodeId, &'static str)>> =
        std::collections::BTreeMap::new();
    for id in tree.ids().filter(|id| !tree.is_directory(*id)) {
        let Some(format) = format_of(tree.name(id)) else { continue };
        let folder = tree.parent(id);
        let folder = if matches!(tree.name(folder), "onnx" | "openvino") { tree.parent(folder) } else { folder };
        folders.entry(folder).or_default().push((id, format));
    }
    for (folder, files) in folders {
        let mut formats: Vec<&str> = files.iter().map(|(_, format)| *format).collect();
        formats.sort_unstable();
        formats.dedup();
        if formats.len() < 2 {
            continue;
        }
        // The largest of the weights in floats is the one that is loaded.
        let size = |id: NodeId| tree.inode(id).size;
        let in_floats = |format: &str| matches!(format, "safetensors" | "bin");
        let kept = files.iter().max_by_key(|(id, format)| (in_floats(format), size(*id))).map(|(id, _)| *id);
        let spare: Vec<NodeId> = files.iter().map(|(id, _)| *id).filter(|id| Some(*id) != kept).collect();
        let bytes = tree.content_of(spare.iter().copied());
        let finding = Finding::new(
            "F401",
            tree.path(folder),
            0,
            format!("one model in {} formats: {}", formats.len(), formats.join(", ")),
        )
        .suggest("keep the one that is loaded")
        .about(spare.iter().map(|id| tree.path(*id)).collect());
        // A cache of models links to its blobs, and where links lead is not known here.
        let linked = files.iter().any(|(id, _)| !tree.is_file(*id));
        found.push(if linked { finding } else { finding.saves(Saving::measured(bytes)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_formats_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, size: usize| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, vec![0; size]).expect("written");
        };
        write("a/model.safetensors", 10);
        write("a/onnx/model.onnx", 30);
        write("b/model.onnx", 30);
        write("b/openvino_model.bin", 20);
        write("c/pytorch_model.bin", 10);
        #[cfg(unix)]
        std::os::unix::fs::symlink("../blobs/x", folder.path().join("c/model.safetensors")).expect("linked");
        #[cfg(not(unix))]
        write("c/model.safetensors", 0);
        let mut found = Vec::new();
        check_files(&Tree::of_directory(folder.path()).expect("read"), &mut found);
        let saved: Vec<Option<u64>> = found.iter().map(|one| one.saving.map(|saving| saving.bytes)).collect();
        assert_eq!(saved, [Some(30), Some(20), if cfg!(unix) { None } else { Some(0) }]);
    }

    #[test]
    fn copies_of_a_database_are_told_from_others() {
        for (line, expected) in [
            ("COPY book_embeddings TO '/tmp/x.csv' CSV HEADER", true),
            ("cur.execute(\"copy t (a, b) from '/data/x.csv'\")", true),
            ("\\copy t TO 'x.csv'", false),
            ("COPY t TO STDOUT", false),
            ("COPY --from=builder '/x' .", false),
            ("shutil.copy (a)", false),
        ] {
            assert_eq!(copies_on_server(line), expected, "{line}");
        }
    }
}
