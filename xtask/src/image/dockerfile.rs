//! Whether `deploy/Dockerfile` makes the image that [`super`] makes, as far as that shows without a registry to pull
//! the builder from: what the build gets to see, that this is enough to build, and the last stage, built by buildah.

use super::contained::Bundle;
use crate::run::{capture, cargo, command, run};
use crate::scratch::Scratch;
use crate::{Failure, root, tools};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What must never reach a build, whatever lies about in a clone.
const SECRETS_AND_LITTER: &[&str] = &[
    ".env",
    ".git/config",
    "libellus.db",
    "samples/books.db",
    "crates/server/node_modules/x.js",
    "crates/index/target/x",
    "target/release/libellus",
    "crates/libellus/tests/cli/main.rs",
    "docs/notes.md",
    "id_rsa",
];

/// Checks context and final stage against the unpacked image.
pub fn check(bundle: &Bundle, scratch: &Scratch) -> Result<(), Failure> {
    tools::require(&tools::BUILDAH)?;
    let buildah = Buildah { storage: scratch.path("buildah") };
    let context = context(&buildah, scratch)?;
    builds_from(&context, scratch)?;
    final_stage(&buildah, bundle, scratch)
}

/// buildah, with a store of its own.
struct Buildah {
    storage: PathBuf,
}

impl Buildah {
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut buildah = command("buildah", &["--storage-driver", "vfs"]);
        buildah.arg("--root").arg(self.storage.join("root")).arg("--runroot").arg(self.storage.join("run"));
        buildah.args(arguments);
        buildah
    }

    /// Builds a Dockerfile without a network, and gives the name of the image.
    fn build(&self, name: &str, dockerfile: &Path, context: &Path) -> Result<(), Failure> {
        let options =
            ["build", "--quiet", "--format", "docker", "--isolation", "chroot", "--pull-never", "--tag", name];
        run(self.command(&options).arg("--file").arg(dockerfile).arg(context))
    }

    /// Unpacks the root of an image into a directory.
    fn unpack(&self, name: &str, directory: &Path) -> Result<(), Failure> {
        let container = capture(&mut self.command(&["from", name]))?;
        let mounted = capture(&mut self.command(&["mount", container.trim()]))?;
        run(command("cp", &["--archive", mounted.trim()]).arg(directory))?;
        run(&mut self.command(&["rm", container.trim()]))
    }
}

/// The part of the repository that `.dockerignore` lets a build see, as buildah reads that file.
fn context(buildah: &Buildah, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let clone = scratch.path("clone");
    let tracked = capture(&mut command("git", &["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    for path in tracked.lines().chain(SECRETS_AND_LITTER.iter().copied()) {
        let (from, to) = (root().join(path), clone.join(path));
        let parent = to.parent().unwrap_or(&clone);
        let is_litter = SECRETS_AND_LITTER.contains(&path);
        fs::create_dir_all(parent)
            .and_then(|()| if is_litter { fs::write(&to, "") } else { fs::copy(&from, &to).map(|_| ()) })
            .map_err(|error| format!("cannot copy `{path}`: {error}"))?;
    }
    let dockerfile = scratch.path("context.Dockerfile");
    fs::write(&dockerfile, "FROM scratch\nCOPY . /\n").map_err(|error| error.to_string())?;
    buildah.build("context", &dockerfile, &clone)?;
    let context = scratch.path("context");
    buildah.unpack("context", &context)?;
    let seen = files(&context)?;
    if let Some(path) = SECRETS_AND_LITTER.iter().find(|path| seen.contains(**path)) {
        return Err(format!("`.dockerignore` lets `{path}` into the build"));
    }
    println!("a build sees {} of {} files, and no litter", seen.len(), tracked.lines().count());
    Ok(context)
}

/// Follows the build stage as far as it costs little: after its copies, and its empty crates, cargo accepts the
/// workspace; and what the build sees is enough to compile.
fn builds_from(context: &Path, scratch: &Scratch) -> Result<(), Failure> {
    let dockerfile = dockerfile()?;
    let (build, _) = stages(&dockerfile)?;
    let place = scratch.path("build-stage");
    fs::create_dir(&place).map_err(|error| format!("cannot make `{}`: {error}", place.display()))?;
    let path = with_cheap_cargo(&scratch.path("bin"))?;
    for instruction in instructions(build) {
        match instruction.split_once(' ') {
            Some(("COPY", words)) => copy(words, context, &place)?,
            // The last command is the real build, with paths outside of the place.
            Some(("RUN", script)) if !script.contains("cargo xtask image") => {
                run(command("sh", &["-ec", script]).current_dir(&place).env("PATH", &path))?;
            }
            _ => {}
        }
    }
    let check = ["check", "--locked", "--package", "libellus", "--package", "xtask"];
    run(cargo(&check).current_dir(&place).env("CARGO_TARGET_DIR", crate::target()))
}

/// A `PATH` on which `cargo` only looks whether the workspace is whole, whatever it is asked.
fn with_cheap_cargo(directory: &Path) -> Result<String, Failure> {
    let metadata = cargo(&["metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]);
    let arguments: Vec<_> = metadata.get_args().map(|argument| argument.to_string_lossy()).collect();
    let script =
        format!("#!/bin/sh\nexec '{}' {} >/dev/null\n", metadata.get_program().to_string_lossy(), arguments.join(" "));
    let path = directory.join("cargo");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, script))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    Ok(format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default()))
}

/// `COPY SOURCE… TO`: of a directory, what is in it.
fn copy(words: &str, context: &Path, place: &Path) -> Result<(), Failure> {
    let (sources, to) = words.rsplit_once(' ').ok_or_else(|| format!("`COPY {words}` names no destination"))?;
    let destination = place.join(to);
    for source in sources.split_whitespace() {
        let from = context.join(source);
        let directory =
            if from.is_dir() || to.ends_with('/') { Some(destination.as_path()) } else { destination.parent() };
        fs::create_dir_all(directory.unwrap_or(place)).map_err(|error| format!("cannot make `{to}`: {error}"))?;
        let from = if from.is_dir() { from.join(".") } else { from };
        capture(command("cp", &["--recursive"]).arg(from).arg(&destination))?;
    }
    Ok(())
}

/// Builds the last stage over the root that the build stage would leave, and compares it with the unpacked image.
fn final_stage(buildah: &Buildah, bundle: &Bundle, scratch: &Scratch) -> Result<(), Failure> {
    let dockerfile = dockerfile()?;
    let (_, last) = stages(&dockerfile)?;
    let place = scratch.path("final-stage");
    let fail = |error: std::io::Error| format!("cannot prepare the final stage: {error}");
    fs::create_dir_all(place.join("built")).map_err(fail)?;
    run(command("cp", &["--archive"]).arg(&bundle.root).arg(place.join("built/rootfs")))?;
    fs::rename(place.join("built/rootfs/data"), place.join("built/volume")).map_err(fail)?;
    let path = place.join("Dockerfile");
    fs::write(&path, format!("FROM scratch AS build\nCOPY built/ /\n{last}")).map_err(fail)?;
    buildah.build("final", &path, &place)?;

    let unpacked = scratch.path("final");
    buildah.unpack("final", &unpacked)?;
    let ours = capture(command("find", &[".", "-printf", "%P %y %m %U:%G %s\\n"]).current_dir(&bundle.root))?;
    let theirs = capture(command("find", &[".", "-printf", "%P %y %m %U:%G %s\\n"]).current_dir(&unpacked))?;
    same("files", lines(&ours), lines(&theirs))?;
    run(command("diff", &["--recursive", "--brief"]).arg(&bundle.root).arg(&unpacked))?;

    let inspected = capture(&mut buildah.command(&["inspect", "--type", "image", "final"]))?;
    let inspected: Value = serde_json::from_str(&inspected).map_err(|error| error.to_string())?;
    same("configuration", settings(&bundle.config["config"]), settings(&inspected["Docker"]["config"]))?;
    println!("deploy/Dockerfile and `cargo xtask image` make the same image");
    Ok(())
}

/// What there is to compare of a configuration, one setting a line; commit and time are given to each build.
fn settings(config: &Value) -> BTreeSet<String> {
    let mut settings = BTreeSet::new();
    for name in ["User", "WorkingDir", "StopSignal", "Entrypoint", "Cmd", "ExposedPorts", "Volumes"] {
        // What is absent for one is empty for the other.
        if !config[name].is_null() && config[name] != json!({}) {
            settings.insert(format!("{name} {}", config[name]));
        }
    }
    for variable in config["Env"].as_array().into_iter().flatten() {
        // Builders add a PATH, which an executable that starts no other has no use for.
        if !variable.as_str().is_some_and(|variable| variable.starts_with("PATH=")) {
            settings.insert(format!("Env {variable}"));
        }
    }
    for (name, value) in config["Labels"].as_object().into_iter().flatten() {
        let varies = ["created", "revision"].iter().any(|end| name.ends_with(end)) || name.starts_with("io.buildah");
        if !varies {
            settings.insert(format!("Label {name} {value}"));
        }
    }
    for name in ["Test", "Interval", "Timeout", "StartPeriod", "Retries"] {
        settings.insert(format!("Healthcheck {name} {}", config["Healthcheck"][name]));
    }
    settings
}

fn same(what: &str, ours: BTreeSet<String>, theirs: BTreeSet<String>) -> Result<(), Failure> {
    if ours == theirs {
        return Ok(());
    }
    let list = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>().join("\n  ");
    Err(format!(
        "the {what} of the image differ; only `cargo xtask image` has\n  {}\nand only deploy/Dockerfile has\n  {}",
        list(&ours, &theirs),
        list(&theirs, &ours)
    ))
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| !line.starts_with(' ')).map(str::to_owned).collect()
}

/// The files below a directory, as paths from there.
fn files(directory: &Path) -> Result<BTreeSet<String>, Failure> {
    Ok(lines(&capture(command("find", &[".", "-type", "f", "-printf", "%P\\n"]).current_dir(directory))?))
}

fn dockerfile() -> Result<String, Failure> {
    fs::read_to_string(root().join("deploy/Dockerfile"))
        .map_err(|error| format!("cannot read deploy/Dockerfile: {error}"))
}

/// The build stage, and the last one.
fn stages(dockerfile: &str) -> Result<(&str, &str), Failure> {
    let last = dockerfile.find("\nFROM scratch\n").ok_or("deploy/Dockerfile does not end with a stage FROM scratch")?;
    Ok(dockerfile.split_at(last + 1))
}

/// The instructions, each as one line.
fn instructions(stage: &str) -> Vec<String> {
    let lines = stage.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty());
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().map(str::to_owned).collect()
}
