//! All checks: the one place where they are listed. `explain`, the table in the docs and the rules of SARIF are made of
//! it. Ids are stable for ever; a check that goes leaves its number behind.

use super::Severity::{self, Error, Note, Warning};
use std::fmt::Write as _;

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// `F102`.
    pub id: &'static str,
    /// What it is called in a list of rules.
    pub name: &'static str,
    /// How grave its findings are, unless one says otherwise.
    pub severity: Severity,
    /// What it finds, in one line.
    pub finds: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// Where its number comes from.
    pub saving: &'static str,
    /// What to do.
    pub mend: &'static str,
}

/// The check of an id, in either case.
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id.eq_ignore_ascii_case(id.trim()))
}

impl Check {
    /// The page of a check.
    pub fn page(&self) -> String {
        let mut page = format!("{} {} ({})\n\n", self.id, self.name, self.severity.name());
        for (heading, text) in
            [("Finds", self.finds), ("Why", self.why), ("Saves", self.saving), ("What to do", self.mend)]
        {
            let _ = writeln!(page, "{heading}\n{}\n", super::wrap(text, 76, "  "));
        }
        let _ = writeln!(
            page,
            "To silence it\n  In the line or above it: # footprint: ignore={} reason\n  In a whole file:         # footprint: ignore-file={} reason",
            self.id, self.id
        );
        page
    }
}

/// All of them, a line each.
pub fn list() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let _ = writeln!(text, "{}  {:<7}  {}", check.id, check.severity.name(), check.name);
    }
    text + "\n`libellus footprint explain ID` has a page for each.\n"
}

/// The table of the docs.
pub fn markdown() -> String {
    let mut text = String::from("| id | name | severity | finds |\n| --- | --- | --- | --- |\n");
    for check in CHECKS {
        let _ = writeln!(text, "| {} | {} | {} | {} |", check.id, check.name, check.severity.name(), check.finds);
    }
    text
}

/// All, by id.
pub static CHECKS: &[Check] = &[
    Check {
        id: "F101",
        name: "heavy-context",
        severity: Warning,
        finds: "Repositories, environments, caches, dumps and media that a COPY takes into the image.",
        why: "A COPY of a folder takes everything that .dockerignore lets through: a virtual environment made on a Mac, .git with all its history, caches of tools.",
        saving: "The very files, measured: those that the ignore file lets through and that a COPY takes.",
        mend: "Add the pattern that the finding names to .dockerignore.",
    },
    Check {
        id: "F102",
        name: "root-only-pattern",
        severity: Error,
        finds: "Patterns in .dockerignore that are written as for .gitignore and match in the context's root only.",
        why: "In .gitignore `__pycache__/` matches at any depth; in .dockerignore it matches at the root of the context alone. Nested directories, and nested .env files, go into the image.",
        saving: "The nested files that are sent all the same, measured.",
        mend: "Write `**/__pycache__` instead of `__pycache__/`.",
    },
    Check {
        id: "F103",
        name: "secret-in-context",
        severity: Error,
        finds: "Files with secrets that a COPY takes into the image, or that an ignore file without effect was to keep out.",
        why: "Whoever can pull the image can read them, from any layer, even if a later one deletes them. The content is never printed.",
        saving: "Nothing: it is a matter of safety.",
        mend: "Add `**/.env` and the like to .dockerignore, give secrets to the container when it runs or with `RUN --mount=type=secret`, and change those that were published.",
    },
    Check {
        id: "F104",
        name: "ignore-file-not-used",
        severity: Error,
        finds: "A .dockerignore that no build reads, as it is not at the root of the context, or as another one takes its place.",
        why: "Docker reads .dockerignore at the root of the context, or else DOCKERFILE.dockerignore beside the Dockerfile, which then holds alone. One in any other place has no effect, and nobody says so.",
        saving: "See F101 for what is sent because of it.",
        mend: "Move it to the root of the context, or make its folder the context.",
    },
    Check {
        id: "F105",
        name: "needed-file-ignored",
        severity: Warning,
        finds: "A rule of .dockerignore that hides what a COPY or the application needs.",
        why: "COPY fails, or the application does not find its model when it starts.",
        saving: "Nothing: the build or the application breaks.",
        mend: "Take the file back with a line `!PATH`, or download it in one place only.",
    },
    Check {
        id: "F106",
        name: "copy-source-missing",
        severity: Error,
        finds: "A COPY or ADD of what is not in the context.",
        why: "The build fails. As a rule the context is another folder than the author thought: the root of the repository, with the Dockerfile in a folder of it.",
        saving: "Nothing: the build fails.",
        mend: "Name the source as it is seen from the root of the context, or set the context to the folder of the Dockerfile.",
    },
    Check {
        id: "F107",
        name: "full-base-image",
        severity: Warning,
        finds: "A final stage on a full image of a language, where there is a slim one.",
        why: "python:3.12 and its like carry compilers, headers and version control, which an application does not need to run.",
        saving: "Estimated, from the published sizes of both images.",
        mend: "Use the -slim image in the final stage, and the full one, if anything has to be compiled, in a stage before.",
    },
    Check {
        id: "F108",
        name: "toolchain-in-image",
        severity: Warning,
        finds: "Compilers, headers and build tools in the final stage.",
        why: "They are needed to build, not to run, and are there for whoever breaks in.",
        saving: "Computed from the installed sizes of Debian's packages where they are known (gcc with g++: 319 MB on bookworm).",
        mend: "Install and compile in a stage of its own, and copy the result.",
    },
    Check {
        id: "F109",
        name: "apt-extras",
        severity: Warning,
        finds: "apt-get install with recommended packages, or with its lists left in the layer.",
        why: "Recommended packages are rarely needed in an image (58 of 319 MB for gcc and g++). Lists are 20 MB and more, and stale the next day.",
        saving: "Estimated without an image: 18 to 50 MB of lists.",
        mend: "apt-get install --no-install-recommends …, and rm -rf /var/lib/apt/lists/* in the same RUN.",
    },
    Check {
        id: "F110",
        name: "cache-in-layer",
        severity: Warning,
        finds: "pip, npm, yarn, uv or apk that leave their cache in a layer of the image.",
        why: "The cache holds a second, compressed copy of all that was installed. Nothing reads it again.",
        saving: "Unknown without the image: about the download size of what is installed.",
        mend: "pip install --no-cache-dir, npm cache clean --force in the same RUN, apk add --no-cache, or RUN --mount=type=cache.",
    },
    Check {
        id: "F111",
        name: "deleted-too-late",
        severity: Warning,
        finds: "A RUN that deletes what an earlier instruction stored.",
        why: "A layer cannot make another one smaller: what was stored before stays stored, and is transferred.",
        saving: "Nothing is gained by the deletion; an image shows the bytes that are still stored (F301).",
        mend: "Delete in the RUN that creates, or in a stage that is not kept.",
    },
    Check {
        id: "F112",
        name: "rewritten-by-chown",
        severity: Warning,
        finds: "chown or chmod -R over what a COPY brought.",
        why: "A changed owner or mode stores the whole file again in the new layer.",
        saving: "The size of the files that COPY brought, where they are known.",
        mend: "COPY --chown=USER:GROUP or COPY --chmod=MODE.",
    },
    Check {
        id: "F113",
        name: "install-after-copy",
        severity: Error,
        finds: "Packages or models that are fetched after the source was copied.",
        why: "Every change of a source file fetches them again, and makes a new layer of them that is pushed and pulled again.",
        saving: "Nothing in the image; the layer's bytes on every build, push and pull.",
        mend: "Copy what names the packages first, install, fetch the model, and only then COPY . .",
    },
    Check {
        id: "F114",
        name: "root-user",
        severity: Error,
        finds: "An application that runs as root, or packages under /root with another user.",
        why: "A hole in the application is then a hole in the container. And /root may be read by root only: with a USER, packages under it cannot be imported.",
        saving: "Nothing: it is a matter of safety.",
        mend: "Install into a virtual environment such as /opt/venv, make a user, and end with USER.",
    },
    Check {
        id: "F115",
        name: "unneeded-apt-package",
        severity: Error,
        finds: "A package of the system in the final stage that nothing in the project calls.",
        why: "postgresql-client is installed by habit: psycopg2-binary brings its own libpq, and needs no client.",
        saving: "Computed from the installed sizes of Debian's packages (postgresql-client with perl: 61 MB on bookworm).",
        mend: "Leave it out.",
    },
    Check {
        id: "F201",
        name: "cuda-on-cpu",
        severity: Warning,
        finds: "CUDA libraries for a target without a GPU.",
        why: "On Linux, torch from PyPI brings CUDA: 19 packages and 4.27 GB, and 0.54 GB more inside torch itself. A machine without a GPU loads none of it.",
        saving: "Installed: the sizes of those packages and files, an upper bound, as the CPU build has code of its own. Otherwise computed from the closure of torch as it was measured.",
        mend: "Take torch from PyTorch's index of CPU builds, whose address ends in `/whl/cpu` and is named on its installation page: --index-url for pip, an explicit index and a direct dependency for uv.",
    },
    Check {
        id: "F202",
        name: "no-wheel",
        severity: Error,
        finds: "A pinned version that has no wheel for the Python of the image.",
        why: "pip finds no such version, or tries to build it for hours.",
        saving: "Nothing: the build fails.",
        mend: "Take the version that the finding names, or another Python.",
    },
    Check {
        id: "F203",
        name: "pin-without-effect",
        severity: Warning,
        finds: "An index that does not decide where a package comes from.",
        why: "--extra-index-url is asked as well, not instead: the highest version of all indexes wins, whoever put it there. uv takes a source of its own only for a direct dependency.",
        saving: "The CUDA that is resolved all the same.",
        mend: "Use --index-url, or with uv a direct dependency with an explicit index.",
    },
    Check {
        id: "F204",
        name: "breaks-at-import",
        severity: Error,
        finds: "Versions that are known to fail together when they are imported.",
        why: "Nothing in their metadata forbids the pair, so the resolver takes it, and the application dies when it starts.",
        saving: "Nothing: the application breaks.",
        mend: "Add the bound that the finding names.",
    },
    Check {
        id: "F205",
        name: "heavy-for-its-use",
        severity: Note,
        finds: "A framework for training that is there to embed texts only.",
        why: "sentence-transformers with torch is 64 packages and 6.05 GB on Linux; importing it takes seconds and hundreds of megabytes of memory, for a model of 91 MB.",
        saving: "What would leave with it, where it is installed; else computed from its closure as it was measured.",
        mend: "Embed with a runtime made for it. libellus has the same model inside, at under 50 MB.",
    },
    Check {
        id: "F206",
        name: "bytecode-shipped",
        severity: Note,
        finds: "Bytecode in an environment.",
        why: "pip compiles everything at installation, also what is never imported. Without it the first start of a container is slower, as it is compiled then.",
        saving: "The files, measured.",
        mend: "pip install --no-compile, and PYTHONDONTWRITEBYTECODE=1; leave it if cold starts matter.",
    },
    Check {
        id: "F209",
        name: "same-package-twice",
        severity: Note,
        finds: "One package several times, in the same version.",
        why: "npm puts a copy wherever another version is in the way above; each is stored, transferred and loaded on its own.",
        saving: "All copies but the largest, measured.",
        mend: "`npm dedupe`, or agree on one version of what is in the way; pnpm links copies instead.",
    },
    Check {
        id: "F210",
        name: "unneeded-package",
        severity: Note,
        finds: "Installed packages that nothing needs and nobody asked for.",
        why: "pip and setuptools come with every virtual environment; others stay behind when what needed them goes.",
        saving: "Their own files, measured.",
        mend: "pip uninstall them in the RUN that installs, or make the environment with uv or `venv --without-pip`.",
    },
    Check {
        id: "F211",
        name: "dev-package",
        severity: Warning,
        finds: "Tools for developers in what is shipped.",
        why: "pytest, notebooks and linters are not needed to run, and bring much with them.",
        saving: "What would leave with them, where they are installed.",
        mend: "Keep them in a group of their own: requirements-dev.txt, uv sync --no-dev, npm ci --omit=dev.",
    },
    Check {
        id: "F301",
        name: "hidden-bytes",
        severity: Warning,
        finds: "Files in an image that a later layer deletes or overwrites.",
        why: "They are stored and transferred, and nobody can reach them.",
        saving: "The inodes without a name in the final tree, measured.",
        mend: "Delete in the instruction that creates, or copy from another stage.",
    },
    Check {
        id: "F302",
        name: "same-content-twice",
        severity: Note,
        finds: "Files of an image with the same content.",
        why: "Layers know files by their path, not by their content.",
        saving: "All copies but one, measured.",
        mend: "Install once, copy once, and link the rest.",
    },
    Check {
        id: "F303",
        name: "leftovers-in-image",
        severity: Warning,
        finds: "Caches, package lists, logs and temporary files in the final tree of an image.",
        why: "Nothing reads them when the application runs.",
        saving: "The files, measured.",
        mend: "See F109 and F110.",
    },
    Check {
        id: "F401",
        name: "several-model-formats",
        severity: Error,
        finds: "One model in several formats.",
        why: "sentence-transformers before 2.3 downloads the whole repository: safetensors, bin, ONNX in five variants, OpenVINO. all-MiniLM-L6-v2 is 91 MB; all its files are 795 MB. One is loaded.",
        saving: "Measured where the files are there: all but the one that is loaded. Else computed: 35 instead of 4 bytes for each parameter.",
        mend: "Download with allow_patterns, or use sentence-transformers 2.3 or newer.",
    },
    Check {
        id: "F402",
        name: "model-fetched-twice",
        severity: Warning,
        finds: "A model that is downloaded while building and may be downloaded again while running.",
        why: "The cache is in the home of the user who builds. Another user, or another HOME, finds nothing there and downloads again, at every start.",
        saving: "The second copy.",
        mend: "Set HF_HOME once, for building and running, to a folder that the user of the container can read.",
    },
    Check {
        id: "F406",
        name: "encoder-removed",
        severity: Error,
        finds: "A module that embeds texts, imported and not installed.",
        why: "Embeddings that were made offline answer `similar to this` only: a reader's question has to be embedded when it is asked.",
        saving: "Nothing: the application breaks.",
        mend: "Keep an encoder for questions; libellus is one of under 50 MB.",
    },
    Check {
        id: "F501",
        name: "model-per-worker",
        severity: Error,
        finds: "Several workers that each load the model.",
        why: "Workers that load it apart share nothing. Measured with a BERT of six layers: one worker 898 MiB, four about 2.5 GiB; four that are forked after loading 933 MiB.",
        saving: "Memory, not disk.",
        mend: "gunicorn --preload, or one worker with threads.",
    },
    Check {
        id: "F503",
        name: "bound-to-one-machine",
        severity: Warning,
        finds: "COPY to or from a file of the database's machine, and ports that a platform cannot set.",
        why: "A managed database has no files for you: COPY … TO '/path' fails there. Platforms tell the port to listen at in PORT.",
        saving: "Nothing: it breaks once it is deployed.",
        mend: "Use \\copy of psql, or COPY … TO STDOUT; listen at $PORT.",
    },
];
