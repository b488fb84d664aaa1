//! Instructions that make an image larger, slower to build or less safe than it need be: F107 to F115.

use super::context::copied;
use super::facts::{Facts, Step, absolute};
use super::{Finding, Saving, Severity};
use crate::dockerfile::shell::Command;
use crate::fix::Fix;
use crate::project::{Build, Project};

/// Looks at a build's instructions.
pub fn check(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    full_base(build, facts, found);
    toolchain(build, facts, found);
    apt_extras(project, build, facts, found);
    caches(project, build, facts, found);
    deleted_late(build, facts, found);
    rewritten(build, facts, found);
    after_copy(build, facts, found);
    root(build, facts, found);
    unneeded(project, build, facts, found);
}

/// Installers of the system's packages, with the word that installs.
const INSTALLERS: [(&str, &str); 6] = [
    ("apt-get", "install"),
    ("apt", "install"),
    ("apk", "add"),
    ("yum", "install"),
    ("dnf", "install"),
    ("microdnf", "install"),
];

/// The packages that a command installs.
fn installed(command: &Command) -> Vec<&str> {
    let installs = INSTALLERS.iter().any(|(program, action)| command.is(&[program], action));
    if !installs {
        return Vec::new();
    }
    // What follows `-t NAME` or `--virtual NAME` is no package.
    let mut words = Vec::new();
    let mut skip = false;
    for word in command.words.iter().skip(1).map(String::as_str) {
        if std::mem::take(&mut skip) {
            continue;
        }
        skip = matches!(word, "-t" | "--virtual" | "--target-release" | "--repository" | "-X" | "-o");
        if !word.starts_with('-') {
            words.push(word.split(['=', ':', '>', '<', '~']).next().unwrap_or(word));
        }
    }
    // The first is the word that installs.
    words.into_iter().skip(1).filter(|word| !word.contains('$')).collect()
}

/// Languages whose official images have a slim variant, and by how many bytes it is smaller, unpacked. Rough
/// figures from experience with recent versions, not measured here, so they are shown as a range and enter no budget.
const SLIM: [(&str, u64, u64); 6] = [
    ("python", 800_000_000, 950_000_000),
    ("node", 800_000_000, 950_000_000),
    ("ruby", 750_000_000, 900_000_000),
    ("perl", 750_000_000, 900_000_000),
    ("rust", 550_000_000, 800_000_000),
    ("golang", 0, 0),
];

fn full_base(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let reference = facts.base.split('@').next().unwrap_or_default();
    let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
    // A first part with a dot is the host of a registry.
    let name = name.split_once('/').filter(|(host, _)| host.contains('.')).map_or(name, |(_, path)| path);
    let name = name.trim_start_matches("library/");
    let reduced = ["slim", "alpine", "distroless", "windows", "nanoserver"].iter().any(|small| tag.contains(small));
    let Some((_, from, to)) = SLIM.iter().find(|(language, ..)| *language == name && !reduced && !tag.contains('$'))
    else {
        return;
    };
    let Some(stage) = facts.stages.iter().rev().find(|stage| stage.base == facts.base) else { return };
    let finding = Finding::new(
        "F107",
        &build.path,
        stage.from.line,
        format!("the image is built on `{}`, with compilers and headers", facts.base),
    );
    found.push(match to {
        0 => finding.suggest("copy the program into `scratch`, a distroless image or a slim Debian"),
        _ => finding.suggest(format!("FROM {name}:{tag}-slim")).saves(Saving::estimated(*from, *to)),
    });
}

/// Packages to build with, and the installed size of those that were computed: of gcc with g++, without recommended
/// packages, on a slim bookworm (specification, row 16).
const TOOLS: [&str; 22] = [
    "gcc",
    "g++",
    "build-essential",
    "make",
    "cmake",
    "clang",
    "git",
    "cargo",
    "rustc",
    "ninja-build",
    "pkg-config",
    "python3-dev",
    "python-dev",
    "musl-dev",
    "build-base",
    "node-gyp",
    "autoconf",
    "automake",
    "libtool",
    "swig",
    "gfortran",
    "golang",
];
const COMPILERS_BYTES: u64 = 261_000_000;

fn toolchain(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for step in facts.steps.iter().filter(|step| step.is_final) {
        // What is taken away in the same RUN is in no layer.
        let removes = step.commands.iter().any(|command| {
            command
                .operands()
                .next()
                .is_some_and(|word| matches!(word, "purge" | "remove" | "autoremove" | "del" | "erase"))
        });
        for command in step.commands.iter().filter(|_| !removes) {
            let tools: Vec<&str> = installed(command)
                .into_iter()
                .filter(|name| {
                    TOOLS.contains(name)
                        || (name.ends_with("-dev") && !name.starts_with("linux-"))
                        || name.ends_with("-devel")
                })
                .collect();
            if tools.is_empty() {
                continue;
            }
            let compilers = tools.iter().any(|name| matches!(*name, "gcc" | "g++" | "build-essential"));
            let mut finding =
                Finding::new("F108", &build.path, command.line, format!("{} in the image that runs", tools.join(", ")))
                    .to(step.instruction.last_line)
                    .suggest("install and compile in a stage before, and copy the result");
            if compilers {
                finding = finding.saves(Saving::computed(COMPILERS_BYTES));
            }
            found.push(finding);
        }
    }
}

/// Whether a RUN keeps a folder in a cache of the builder.
fn mounts_cache(step: &Step<'_>, target: &str) -> bool {
    step.instruction.flags_named("mount").any(|mount| mount.contains("type=cache") && mount.contains(target))
}

/// An option behind the word that installs; `None` where the command is written in another way than it is run.
fn option(project: &Project, build: &Build, command: &Command, action: &str, option: &str) -> Option<Fix> {
    let line = project.texts.get(&build.path)?.lines().nth(command.line as usize - 1)?;
    let behind = command.words.iter().position(|word| word == action)? + 1;
    // As much of the command as the line has: another one of the same line may install as well.
    let written = |end: &usize| line.contains(&command.words[..*end].join(" "));
    let end = (behind..=command.words.len()).rev().find(written)?;
    let mut words: Vec<&str> = command.words[..end].iter().map(String::as_str).collect();
    let from = words.join(" ");
    words.insert(behind, option);
    Some(Fix::Replace { path: build.path.clone(), line: command.line, from, to: words.join(" ") })
}

/// A command at the end of a `RUN` for a shell.
fn also(build: &Build, step: &Step<'_>, command: &str) -> Option<Fix> {
    let plain = !step.instruction.json && step.instruction.heredocs.is_empty() && build.dockerfile.escape == '\\';
    // Behind a comment it would be part of it, and behind a separator the shell would refuse it.
    let script = step.instruction.rest().trim_end();
    let open = script.contains(" #") || script.contains("\t#") || script.ends_with([';', '&', '|', '\\']);
    let fix = Fix::Also { path: build.path.clone(), line: step.instruction.last_line, command: command.to_owned() };
    (plain && !open).then_some(fix)
}

fn apt_extras(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let turned_off =
        facts.runs().any(|(_, command)| command.words.iter().any(|word| word.contains("Install-Recommends")));
    for step in facts.steps.iter().filter(|step| step.is_final) {
        let installs = step.commands.iter().find(|command| command.is(&["apt-get", "apt"], "install"));
        let updates = step.commands.iter().any(|command| command.is(&["apt-get", "apt"], "update"));
        let cached = mounts_cache(step, "/var/lib/apt");
        let cleared = step.commands.iter().any(|command| {
            (command.program() == "rm" || command.program() == "find")
                && command.words.iter().any(|word| word.contains("/var/lib/apt"))
        });
        if let Some(command) = installs {
            let plain = command.has("--no-install-recommends")
                || command.words.iter().any(|word| word.contains("Install-Recommends"));
            if !plain && !turned_off {
                let finding =
                    Finding::new("F109", &build.path, command.line, "apt-get installs recommended packages as well")
                        .to(step.instruction.last_line)
                        .suggest(format!("{} install --no-install-recommends", command.program()))
                        .fixed_by(option(project, build, command, "install", "--no-install-recommends"));
                found.push(finding);
            }
        }
        if updates && !cleared && !cached {
            let line = step
                .commands
                .iter()
                .find(|command| command.is(&["apt-get", "apt"], "update"))
                .map_or(step.instruction.line, |command| command.line);
            let finding = Finding::new("F109", &build.path, line, "the lists of apt stay in this layer")
                .to(step.instruction.last_line)
                .suggest("end this RUN with `&& rm -rf /var/lib/apt/lists/*`")
                .fixed_by(also(build, step, "rm -rf /var/lib/apt/lists/*"))
                .saves(Saving::estimated(18_000_000, 50_000_000));
            found.push(finding);
        }
    }
}

fn caches(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let set = |step: &Step<'_>, command: &Command, name: &str| {
        let here = command.variables.iter().any(|(other, value)| other == name && !value.is_empty() && value != "0");
        here || facts.steps.iter().any(|other| other.stage == step.stage && other.sets(name))
    };
    for step in facts.steps.iter().filter(|step| step.is_final) {
        let cleans = |what: &str| step.commands.iter().any(|command| command.words.join(" ").contains(what));
        for command in &step.commands {
            let any_cache = step.instruction.flags_named("mount").any(|mount| mount.contains("type=cache"));
            let pip = is_pip_install(command);
            let (leaves, remedy) = if pip {
                let quiet = command.has("--no-cache-dir")
                    || set(step, command, "PIP_NO_CACHE_DIR")
                    || cleans("pip cache purge")
                    || cleans(".cache/pip")
                    || cleans("/root/.cache");
                (!quiet, "pip install --no-cache-dir")
            } else if command.program() == "uv" && (command.has("sync") || command.has("install")) {
                let quiet = command.has("--no-cache")
                    || command.has("-n")
                    || set(step, command, "UV_NO_CACHE")
                    || cleans("uv cache clean")
                    || cleans("/root/.cache");
                (!quiet, "uv … --no-cache")
            } else if command.program() == "npm"
                && command.operands().next().is_some_and(|word| matches!(word, "ci" | "install" | "i"))
            {
                (!(cleans("npm cache clean") || cleans(".npm")), "npm ci && npm cache clean --force")
            } else if command.program() == "yarn" && command.operands().next().is_none_or(|word| word == "install") {
                (!(cleans("yarn cache clean") || cleans(".yarn")), "yarn install && yarn cache clean")
            } else if command.is(&["apk"], "add") {
                (!(command.has("--no-cache") || cleans("/var/cache/apk")), "apk add --no-cache")
            } else {
                (false, "")
            };
            if leaves && !any_cache {
                let finding = Finding::new(
                    "F110",
                    &build.path,
                    command.line,
                    format!("{} leaves its cache in this layer", command.program()),
                )
                .to(step.instruction.last_line)
                .suggest(remedy)
                .fixed_by(match command.program() {
                    "npm" => also(build, step, "npm cache clean --force"),
                    "yarn" => also(build, step, "yarn cache clean"),
                    "apk" => option(project, build, command, "add", "--no-cache"),
                    _ if pip => option(project, build, command, "install", "--no-cache-dir"),
                    _ => None,
                });
                found.push(finding);
            }
        }
    }
}

/// `pip install`, `pip3 install`, `python -m pip install`.
pub fn is_pip_install(command: &Command) -> bool {
    let pip = command.program().starts_with("pip")
        && command.program().trim_start_matches("pip").chars().all(|c| c.is_ascii_digit() || c == '.');
    let module = command.program().starts_with("python") && command.has("-m") && command.has("pip");
    (pip || module) && command.has("install")
}

fn deleted_late(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let steps: Vec<&Step<'_>> = facts.steps.iter().filter(|step| step.is_final).collect();
    for (place, step) in steps.iter().enumerate() {
        for command in &step.commands {
            let before = &steps[..place];
            let updates =
                |step: &Step<'_>| step.commands.iter().any(|command| command.is(&["apt-get", "apt"], "update"));
            let culprit = if command.program() == "rm" {
                command.operands().find_map(|target| {
                    let target = absolute(target.trim_end_matches(['*', '/']), &step.workdir);
                    if target.starts_with("/var/lib/apt") {
                        let here = updates(step);
                        return before
                            .iter()
                            .rev()
                            .find(|other| !here && updates(other))
                            .map(|other| (other.instruction.line, target));
                    }
                    let other = before.iter().find(|other| brings(other, &target))?;
                    Some((other.instruction.line, target))
                })
            } else if command.is(&["apt-get", "apt"], "purge")
                || command.is(&["apt-get", "apt"], "remove")
                || command.is(&["apk"], "del")
            {
                let names: Vec<&str> = command.operands().skip(1).collect();
                before.iter().find_map(|other| {
                    let name = other.commands.iter().flat_map(installed).find(|name| names.contains(name))?;
                    Some((other.instruction.line, name.to_owned()))
                })
            } else {
                None
            };
            if let Some((line, what)) = culprit {
                let finding = Finding::new(
                    "F111",
                    &build.path,
                    command.line,
                    format!("`{what}` is deleted here, and stays stored in the layer of line {line}"),
                )
                .to(step.instruction.last_line)
                .suggest(format!("delete it in the instruction of line {line}"));
                found.push(finding);
            }
        }
    }
}

/// Whether an instruction stores this very path: by COPY or ADD, or by a download to it.
fn brings(step: &Step<'_>, target: &str) -> bool {
    if matches!(step.instruction.keyword.as_str(), "copy" | "add") {
        let Some((to, sources)) = step.instruction.arguments.split_last() else { return false };
        let folder = absolute(to, &step.workdir);
        let into_folder = to.ends_with('/') || to == "." || sources.len() > 1;
        return sources.iter().any(|source| {
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
            let path = if into_folder { format!("{}/{name}", folder.trim_end_matches('/')) } else { folder.clone() };
            path == target && name != "."
        });
    }
    step.commands.iter().filter(|command| matches!(command.program(), "wget" | "curl")).any(|command| {
        let output = command
            .words
            .iter()
            .position(|word| matches!(word.as_str(), "-o" | "-O" | "--output" | "--output-document"));
        let named = output.and_then(|place| command.words.get(place + 1)).filter(|word| !word.starts_with('-'));
        let last = command.words.last().map(|word| word.rsplit('/').next().unwrap_or(word));
        let path = named.map(String::as_str).or(last.filter(|_| command.program() == "wget" || command.has("-O")));
        path.is_some_and(|path| absolute(path, &step.workdir) == target)
    })
}

fn rewritten(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let steps: Vec<&Step<'_>> = facts.steps.iter().filter(|step| step.is_final).collect();
    for (place, step) in steps.iter().enumerate() {
        for command in step.commands.iter().filter(|command| matches!(command.program(), "chown" | "chmod")) {
            let recursive = command.words.iter().any(|word| {
                word == "--recursive" || (word.starts_with('-') && !word.starts_with("--") && word.contains('R'))
            });
            if !recursive {
                continue;
            }
            let mut operands = command.operands();
            let who = operands.next().unwrap_or_default();
            let Some((copy, target)) = operands.find_map(|target| {
                let target = absolute(target, &step.workdir);
                let copy = steps[..place].iter().find(|other| {
                    let copies = matches!(other.instruction.keyword.as_str(), "copy" | "add");
                    let to = other.instruction.arguments.last().map(|to| absolute(to, &other.workdir));
                    copies && to.is_some_and(|to| inside(&to, &target) || inside(&target, &to))
                })?;
                Some((copy.instruction.line, target))
            }) else {
                continue;
            };
            let flag = if command.program() == "chown" { "chown" } else { "chmod" };
            let finding = Finding::new(
                "F112",
                &build.path,
                command.line,
                format!("what line {copy} copied to `{target}` is stored a second time"),
            )
            .to(step.instruction.last_line)
            .suggest(format!("COPY --{flag}={who} in line {copy}, and leave this out"));
            found.push(finding);
        }
    }
}

/// Whether a path is a folder, or in it.
fn inside(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// What fetches a model.
pub fn downloads_model(command: &Command) -> bool {
    let text = command.words.join(" ");
    let loads = [
        "SentenceTransformer(",
        "from_pretrained(",
        "snapshot_download(",
        "hf_hub_download(",
        "CrossEncoder(",
        "spacy.load(",
        "whisper.load_model(",
    ];
    let tools = (matches!(command.program(), "huggingface-cli" | "hf") && command.has("download"))
        || (command.program().starts_with("python") && text.contains("spacy download"));
    tools || loads.iter().any(|load| text.contains(load))
}

fn after_copy(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut copied_in: Vec<Option<u32>> = vec![None; facts.stages.len()];
    for step in &facts.steps {
        let whole = copied(step.instruction).iter().any(|source| matches!(source.trim_matches('/'), "." | ""));
        if whole {
            copied_in[step.stage].get_or_insert(step.instruction.line);
        }
        let Some(copy) = copied_in[step.stage] else { continue };
        for command in &step.commands {
            let words = || command.operands().skip(1);
            let itself = command
                .operands()
                .any(|word| word == "." || word.starts_with("./") || word.ends_with(".whl") || word.starts_with(".["));
            let what = if downloads_model(command) {
                "a model is downloaded"
            } else if is_pip_install(command) && !itself && !command.has("-e") && !command.has("--no-deps") {
                "packages of Python are installed"
            } else if matches!(command.program(), "npm" | "pnpm" | "yarn")
                && command.operands().next().is_some_and(|word| matches!(word, "ci" | "install" | "i"))
                && words().next().is_none()
            {
                "packages of Node.js are installed"
            } else if !installed(command).is_empty() {
                "packages of the system are installed"
            } else {
                continue;
            };
            let finding =
                Finding::new("F113", &build.path, command.line, format!("{what} after the source was copied"))
                    .to(step.instruction.last_line)
                    .because(format!("line {copy} copies the whole context, so every change of a file runs this again"))
                    .suggest(format!("move it before line {copy}"));
            found.push(finding);
        }
    }
}

fn root(build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let changers = ["gosu", "su-exec", "setpriv", "runuser"];
    let mentions = |text: &str| changers.iter().any(|program| text.contains(program));
    // A script that is the entry point may change the user; what it does is not known.
    let scripted = facts.start.first().is_some_and(|word| word.contains("entrypoint"));
    let changes_later = scripted
        || facts.start.iter().any(|word| mentions(word))
        || facts.steps.iter().any(|step| step.is_final && mentions(&step.instruction.text));
    let base_has_user =
        ["nonroot", "unprivileged", "chainguard", "rootless", "bitnami"].iter().any(|word| facts.base.contains(word));
    let is_root = facts.user.as_ref().is_none_or(|(user, _)| matches!(user.split(':').next(), Some("root" | "0")));
    // An image without files of its own is a tool, or a base for others.
    let application =
        !facts.start.is_empty() && facts.steps.iter().any(|step| step.is_final && step.instruction.keyword == "copy");
    if is_root && application && !base_has_user && !changes_later {
        let line = facts.user.as_ref().map_or(facts.start_line, |(_, line)| *line);
        let finding = Finding::new("F114", &build.path, line, "the application runs as root")
            .suggest("RUN useradd --system app, and USER app before this line");
        found.push(finding);
    }
    let under_root = facts.steps.iter().find(|step| {
        let to = step.instruction.arguments.last().map(|to| absolute(to, &step.workdir));
        step.is_final && step.instruction.keyword == "copy" && to.is_some_and(|to| inside(&to, "/root"))
    });
    if let (false, Some(step), Some((user, _))) = (is_root, under_root, &facts.user) {
        let finding = Finding::new(
            "F114",
            &build.path,
            step.instruction.line,
            format!("`{user}` may not read what is under /root"),
        )
        .because("/root has the mode 0700")
        .suggest("install into /opt/venv, and copy that");
        found.push(finding);
    }
}

/// Packages that are there to be called, with their programs and, where they were computed, installed bytes (of
/// postgresql-client with the perl it brings on a slim bookworm: specification, row 16).
const CALLED: [(&str, &[&str], u64); 13] = [
    ("postgresql-client", &["psql", "pg_dump", "pg_restore", "pg_isready", "createdb", "pg_dumpall"], 61_000_000),
    ("default-mysql-client", &["mysql", "mysqldump", "mysqladmin", "mariadb"], 0),
    ("mariadb-client", &["mysql", "mysqldump", "mysqladmin", "mariadb"], 0),
    ("redis-tools", &["redis-cli"], 0),
    ("sqlite3", &["sqlite3"], 0),
    ("vim", &["vim"], 0),
    ("vim-tiny", &["vim"], 0),
    ("nano", &["nano"], 0),
    ("emacs", &["emacs"], 0),
    ("htop", &["htop"], 0),
    ("net-tools", &["ifconfig", "netstat"], 0),
    ("telnet", &["telnet"], 0),
    ("man-db", &["man"], 0),
];

fn unneeded(project: &Project, build: &Build, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for step in facts.steps.iter().filter(|step| step.is_final) {
        for command in &step.commands {
            for name in installed(command) {
                let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
                let Some((_, programs, bytes)) =
                    CALLED.iter().find(|(package, ..)| *package == name || *package == plain)
                else {
                    continue;
                };
                let called_here = facts.runs().any(|(_, other)| programs.contains(&other.program()))
                    || facts.start.iter().any(|word| programs.iter().any(|program| word.contains(program)))
                    || facts.steps.iter().any(|step| {
                        step.instruction.keyword == "healthcheck"
                            && programs.iter().any(|program| step.instruction.rest().contains(program))
                    });
                let mentioned = programs.iter().find_map(|program| project.sources.mention(program));
                if called_here || mentioned.is_some() {
                    continue;
                }
                // Its own line, where each stands in one.
                let offset = step.instruction.rest().find(name);
                let line = offset.map_or(command.line, |place| step.instruction.line_at(place));
                let mut finding =
                    Finding::new("F115", &build.path, line, format!("nothing in the project calls `{name}`"))
                        .to(step.instruction.last_line)
                        .because(format!(
                            "{} {} in no file, CMD or health check",
                            programs.join(", "),
                            if programs.len() == 1 { "is" } else { "are" }
                        ))
                        .suggest("leave it out");
                if facts.wanted("psycopg2-binary").is_some() && name.starts_with("postgresql") {
                    finding = finding.because("psycopg2-binary brings its own libpq");
                }
                if *bytes > 0 {
                    finding = finding.saves(Saving::computed(*bytes));
                }
                // An editor is a matter of taste.
                let severity = if *bytes > 0 { Severity::Error } else { Severity::Warning };
                found.push(finding.as_severe_as(severity));
            }
        }
    }
}
