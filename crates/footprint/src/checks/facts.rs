//! What several checks want to know of a build: its stages, the commands of each, what is installed from which file.

use crate::dockerfile::Instruction;
use crate::dockerfile::shell::{Command, commands};
use crate::dockerfile::stages::{Stage, Variables, expand, final_chain, stages};
use crate::project::context::join;
use crate::project::{Build, Project, folder_of};
use crate::python::platform::Python;
use crate::python::requirements_txt::Manifest;

/// An instruction with what is known of it.
pub struct Step<'a> {
    /// Itself.
    pub instruction: &'a Instruction,
    /// Of a `RUN`: its commands.
    pub commands: Vec<Command>,
    /// The number of its stage.
    pub stage: usize,
    /// Whether its layer is in the image.
    pub is_final: bool,
    /// The folder that it works in.
    pub workdir: String,
}

/// A build, looked at once.
pub struct Facts<'a> {
    /// All stages.
    pub stages: Vec<Stage<'a>>,
    /// All instructions but `FROM`, in order.
    pub steps: Vec<Step<'a>>,
    /// The image that the final stage comes from in the end.
    pub base: String,
    /// The Python of the image, if its name says so.
    pub python: Option<Python>,
    /// Variables of the image.
    pub env: Variables,
    /// Files of requirements that are installed.
    pub manifests: Vec<&'a Manifest>,
    /// What runs when the container starts: `ENTRYPOINT` and `CMD` in words.
    pub start: Vec<String>,
    /// The instruction that says so.
    pub start_line: u32,
    /// The user at the end, and the line that says so.
    pub user: Option<(String, u32)>,
}

impl<'a> Facts<'a> {
    /// Looks at a build.
    pub fn gather(build: &'a Build, project: &'a Project) -> Self {
        let stages = stages(&build.dockerfile);
        let chain: Vec<u32> = final_chain(&stages).iter().map(|stage| stage.from.line).collect();
        let mut facts = Self {
            steps: Vec::new(),
            base: final_chain(&stages).first().map(|stage| stage.base.clone()).unwrap_or_default(),
            python: None,
            env: Variables::new(),
            manifests: Vec::new(),
            start: Vec::new(),
            start_line: 0,
            user: None,
            stages: Vec::new(),
        };
        let (mut entrypoint, mut command) = (Vec::new(), Vec::new());
        for (number, stage) in stages.iter().enumerate() {
            let is_final = chain.contains(&stage.from.line);
            let mut variables = Variables::new();
            let mut workdir = "/".to_owned();
            for &instruction in &stage.instructions {
                let first = instruction.arguments.first().map(String::as_str).unwrap_or_default();
                match instruction.keyword.as_str() {
                    "env" | "arg" => {
                        for (name, value) in instruction.assignments() {
                            let value = expand(&value, &variables);
                            if is_final && instruction.keyword == "env" {
                                facts.env.insert(name.clone(), value.clone());
                            }
                            variables.insert(name, value);
                        }
                    }
                    "workdir" => workdir = absolute(&expand(first, &variables), &workdir),
                    "user" if is_final => facts.user = Some((expand(first, &variables), instruction.line)),
                    "cmd" | "entrypoint" if is_final => {
                        let words = if instruction.json {
                            instruction.arguments.clone()
                        } else {
                            first.split_whitespace().map(str::to_owned).collect()
                        };
                        facts.start_line = instruction.line;
                        if instruction.keyword == "cmd" { command = words } else { entrypoint = words }
                    }
                    _ => {}
                }
                let commands = if instruction.keyword == "run" { commands(instruction) } else { Vec::new() };
                facts.steps.push(Step { instruction, commands, stage: number, is_final, workdir: workdir.clone() });
            }
        }
        facts.start = entrypoint.into_iter().chain(command).collect();
        facts.python = stages.iter().rev().find_map(|stage| python_of(&stage.base));
        facts.manifests = installed_manifests(build, project, &facts.steps);
        facts.stages = stages;
        facts
    }

    /// Of a project without a Dockerfile: what is asked for at its root.
    pub fn without_build(project: &'a Project) -> Self {
        let at_root = ["requirements.txt", "pyproject.toml"];
        Self {
            stages: Vec::new(),
            steps: Vec::new(),
            base: String::new(),
            python: None,
            env: Variables::new(),
            manifests: at_root.iter().filter_map(|path| project.manifests.get(*path)).collect(),
            start: Vec::new(),
            start_line: 0,
            user: None,
        }
    }

    /// The commands of `RUN`s, each with its step.
    pub fn runs(&self) -> impl Iterator<Item = (&Step<'a>, &Command)> {
        self.steps.iter().flat_map(|step| step.commands.iter().map(move |command| (step, command)))
    }

    /// Whether a package is asked for, in any file or command; its file and line.
    pub fn wanted(&self, name: &str) -> Option<(&'a Manifest, &'a crate::python::requirements_txt::Wanted)> {
        self.manifests.iter().find_map(|manifest| manifest.find(name).map(|wanted| (*manifest, wanted)))
    }

    /// Whether any stage sets a variable to something.
    pub fn sets(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.sets(name))
    }
}

impl Step<'_> {
    /// Whether it sets a variable to something; `0` turns off what it is about.
    pub fn sets(&self, name: &str) -> bool {
        let is_set = |(other, value): &(String, String)| other == name && !value.is_empty() && value != "0";
        matches!(self.instruction.keyword.as_str(), "env" | "arg") && self.instruction.assignments().iter().any(is_set)
    }
}

/// A path in the image, seen from a folder of it.
pub fn absolute(path: &str, workdir: &str) -> String {
    if path.starts_with('/') {
        format!("/{}", join("", path))
    } else {
        format!("/{}", join(workdir.trim_start_matches('/'), path))
    }
}

/// `python:3.12-slim` has Python 3.12.
fn python_of(base: &str) -> Option<Python> {
    let (name, tag) = base.rsplit_once(':')?;
    (name.rsplit('/').next() == Some("python")).then(|| Python::parse(tag)).flatten()
}

/// The files that `pip install -r` and its like name, as they lie in the context; if none do, those beside the
/// Dockerfile.
fn installed_manifests<'a>(build: &Build, project: &'a Project, steps: &[Step<'_>]) -> Vec<&'a Manifest> {
    let mut found: Vec<&Manifest> = Vec::new();
    let add = |found: &mut Vec<&'a Manifest>, path: String| {
        if let Some(manifest) = project.manifests.get(&path)
            && !found.iter().any(|known| known.path == manifest.path)
        {
            found.push(manifest);
        }
    };
    let mut from_project = false;
    for command in steps.iter().flat_map(|step| &step.commands) {
        let words = &command.words;
        for (place, word) in words.iter().enumerate() {
            let named = match word.as_str() {
                "-r" | "--requirement" => words.get(place + 1).map(String::as_str),
                other => other
                    .strip_prefix("--requirement=")
                    .or_else(|| other.strip_prefix("-r").filter(|rest| rest.ends_with(".txt"))),
            };
            if let Some(named) = named {
                // The path in the image says less than the name: it is looked for in the context and by the Dockerfile.
                let name = named.rsplit('/').next().unwrap_or(named);
                for folder in [build.context.as_str(), folder_of(&build.path)] {
                    add(&mut found, join(folder, named));
                    add(&mut found, join(folder, name));
                }
            }
        }
        from_project |= matches!(command.program(), "uv" | "poetry" | "pdm" | "hatch")
            || (command.has("install") && command.operands().any(|word| word == "."));
    }
    if from_project {
        for folder in [build.context.as_str(), folder_of(&build.path)] {
            add(&mut found, join(folder, "pyproject.toml"));
        }
    }
    // What they include may include more.
    let mut next = 0;
    while let Some(manifest) = found.get(next).copied() {
        for (_, path) in &manifest.includes {
            add(&mut found, join(folder_of(&manifest.path), path));
        }
        next += 1;
    }
    found
}
