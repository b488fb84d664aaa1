//! What is asked for and what is installed: F201 to F211.

use super::build::is_pip_install;
use super::facts::Facts;
use super::{Finding, Gpu, Saving, Severity};
use crate::meters::Evidence;
use crate::project::Project;
use crate::python::environment::Packages;
use crate::python::platform::{Os, Python};
use crate::python::requirements_txt::{Manifest, Wanted};
use crate::python::version::Version;
use crate::report::bars::counted;
use crate::tree::{NodeId, Tree};

/// What the default closure of sentence-transformers takes on Linux, measured with torch 2.15 (specification, section 0):
/// packages of CUDA, CUDA inside torch, and everything.
const CUDA_PACKAGES_BYTES: u64 = 4_274_000_000;
const CUDA_IN_TORCH_BYTES: u64 = 541_000_000;
/// Everything that sentence-transformers brings.
pub const CLOSURE_BYTES: u64 = 6_051_000_000;
/// What the executable that replaces it takes, at most.
pub const REPLACEMENT_BYTES: u64 = 50_000_000;

/// Packages that bring torch.
const BRING_TORCH: [&str; 12] = [
    "torch",
    "torchvision",
    "torchaudio",
    "sentence-transformers",
    "accelerate",
    "easyocr",
    "ultralytics",
    "openai-whisper",
    "pytorch-lightning",
    "timm",
    "flair",
    "fastai",
];

/// Tools of developers.
const DEV: [&str; 22] = [
    "pytest",
    "pytest-cov",
    "pytest-asyncio",
    "tox",
    "nox",
    "black",
    "ruff",
    "flake8",
    "pylint",
    "mypy",
    "pyright",
    "isort",
    "pre-commit",
    "jupyter",
    "jupyterlab",
    "notebook",
    "ipython",
    "ipykernel",
    "sphinx",
    "mkdocs",
    "coverage",
    "hypothesis",
];

/// What is asked for in files of requirements.
pub fn check_wanted(project: &Project, facts: &Facts<'_>, gpu: Gpu, found: &mut Vec<Finding>) {
    for manifest in &facts.manifests {
        cuda(project, manifest, facts, gpu, found);
        no_wheel(manifest, facts, found);
        without_effect(manifest, found);
        heavy(project, manifest, found);
        developers(manifest, facts, found);
    }
    breakers(facts, found);
}

/// Signs of a GPU: images of NVIDIA, devices in Compose.
fn has_gpu(project: &Project, facts: &Facts<'_>, gpu: Gpu) -> bool {
    let images = facts.stages.iter().any(|stage| stage.base.contains("cuda") || stage.base.contains("nvidia"));
    let devices = project.sources.texts.iter().any(|(path, text)| {
        (path.ends_with(".yml") || path.ends_with(".yaml"))
            && (text.contains("driver: nvidia") || text.contains("nvidia.com/gpu"))
    });
    gpu == Gpu::Present || (gpu == Gpu::Unknown && (images || devices))
}

fn is_cpu_index(url: &str) -> bool {
    url.trim_end_matches('/').ends_with("/whl/cpu")
}

fn cuda(project: &Project, manifest: &Manifest, facts: &Facts<'_>, gpu: Gpu, found: &mut Vec<Finding>) {
    let Some(wanted) = BRING_TORCH.iter().find_map(|name| manifest.find(name)) else { return };
    let indexes = manifest.indexes.iter().any(|index| is_cpu_index(&index.url));
    let commanded =
        facts.runs().any(|(_, command)| command.words.iter().any(|word| word.contains("/whl/cpu") || word == "cpu"));
    let direct = manifest.find("torch").and_then(|wanted| wanted.requirement.pinned()).and_then(Version::local);
    let on_cpu = indexes || commanded || direct.as_deref() == Some("cpu") || facts.sets("UV_TORCH_BACKEND");
    // The first of torch that brings CUDA as packages is 1.13.
    let pinned = manifest.find("torch").and_then(|wanted| wanted.requirement.pinned());
    let early = pinned.is_some_and(|version| version.release() < &[1, 13][..]);
    if on_cpu || early || has_gpu(project, facts, gpu) {
        return;
    }
    let sure = if pinned.is_none() {
        Saving::computed(CUDA_PACKAGES_BYTES + CUDA_IN_TORCH_BYTES)
    } else {
        Saving::estimated(2_000_000_000, CUDA_PACKAGES_BYTES + CUDA_IN_TORCH_BYTES)
    };
    let finding = Finding::new("F201", &manifest.path, wanted.line, format!("`{}` brings CUDA on Linux, and there is no sign of a GPU", wanted.requirement))
        .because("torch from PyPI for Linux is built for CUDA: 19 packages, and libraries inside torch")
        .suggest("take torch from PyTorch's index of CPU builds, whose address ends in `/whl/cpu`: --index-url for pip; for uv an explicit index and a direct dependency")
        .saves(sure);
    found.push(finding);
}

/// For which Pythons releases have wheels: package, the versions, the first and the last minor version of Python 3.
/// From what is known of these releases; scikit-learn's were looked up, the others are to be checked when they change.
const WHEELS: [(&str, &str, u32, u32); 12] = [
    ("torch", ">=2.0,<2.2", 8, 11),
    ("torch", ">=1.13,<2.0", 7, 11),
    ("torch", ">=2.2,<2.5", 8, 12),
    ("torchvision", ">=0.15,<0.17", 8, 11),
    ("torchvision", ">=0.14,<0.15", 7, 11),
    ("torchaudio", ">=2.0,<2.2", 8, 11),
    ("numpy", ">=1.21,<1.26", 7, 11),
    ("numpy", ">=1.26,<2.0", 9, 12),
    ("scipy", ">=1.9,<1.11.2", 8, 11),
    ("pandas", ">=1.3,<2.1.1", 7, 11),
    ("scikit-learn", ">=1.1,<1.3.1", 8, 11),
    ("tensorflow", ">=2.8,<2.16", 7, 11),
];
/// The nearest versions with wheels for a Python: package, minor version, version.
const NEAREST: [(&str, u32, &str); 6] = [
    ("torch", 12, "2.2.0"),
    ("torch", 13, "2.5.0"),
    ("torchvision", 12, "0.17.0"),
    ("torchaudio", 12, "2.2.0"),
    ("numpy", 12, "1.26.0"),
    ("scipy", 12, "1.11.2"),
];

fn no_wheel(manifest: &Manifest, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let Some(Python { major: 3, minor }) = facts.python else { return };
    for Wanted { requirement, line } in &manifest.wanted {
        let Some(version) = requirement.pinned_text() else { continue };
        let (bare, local) = version.split_at(version.find('+').unwrap_or(version.len()));
        let row = WHEELS.iter().find(|(name, range, ..)| *name == requirement.name && holds(range, bare));
        let Some((name, _, first, last)) = row.filter(|(_, _, first, last)| minor < *first || minor > *last) else {
            continue;
        };
        let nearest = NEAREST.iter().find(|(other, python, _)| other == name && *python == minor);
        let finding = Finding::new("F202", &manifest.path, *line, format!("`{requirement}` has no wheel for Python 3.{minor}"))
            .because(format!("its wheels are for Python 3.{first} to 3.{last}; the image has 3.{minor}"))
            .suggest(match nearest {
                Some((.., version)) => format!("{name}=={version}{local} is the first with wheels for Python 3.{minor}; or an image with Python 3.{last}"),
                None => format!("an image with Python 3.{last}, or a newer {name}"),
            });
        found.push(finding);
    }
}

/// Whether a version lies in a range.
fn holds(range: &str, version: &str) -> bool {
    crate::python::version::parse_specifiers(range).0.iter().all(|specifier| specifier.contains(version))
}

fn without_effect(manifest: &Manifest, found: &mut Vec<Finding>) {
    for index in manifest.indexes.iter().filter(|index| index.option == "--extra-index-url") {
        let finding =
            Finding::new("F203", &manifest.path, index.line, "this index is asked as well as PyPI, not instead")
                .because("the highest version of both wins, so where a package comes from is not decided here")
                .suggest("--index-url for the packages of this index, in a file of their own");
        let pinned =
            manifest.wanted.iter().filter(|wanted| wanted.requirement.pinned().and_then(Version::local).is_some());
        let locals: Vec<String> = pinned.map(|wanted| wanted.requirement.to_string()).collect();
        found.push(match locals.is_empty() {
            true => finding,
            false => finding.because(format!(
                "{} exist for Linux and Windows only, so the file does not install on a Mac",
                locals.join(", ")
            )),
        });
    }
    for (line, name) in &manifest.sourced {
        if manifest.find(name).is_none() && BRING_TORCH.contains(&name.as_str()) {
            let finding = Finding::new(
                "F203",
                &manifest.path,
                *line,
                format!("uv takes `{name}` from here only if it is a direct dependency"),
            )
            .suggest(format!("add `{name}` to the dependencies"));
            found.push(finding);
        }
    }
}

/// Pairs that fail when they are imported: package and versions, the other and the versions that break it, why, and
/// where that is said.
const BREAKERS: [(&str, &str, &str, &str, &str, &str); 3] = [
    (
        "sentence-transformers",
        "<2.3",
        "huggingface-hub",
        ">=0.26",
        "it imports `cached_download`, which is gone",
        "sentence-transformers#3001",
    ),
    ("torch", "<2.3", "numpy", ">=2", "it was built for numpy 1", "the release notes of numpy 2.0.0"),
    ("flask", "<2.3", "werkzeug", ">=3", "it imports `url_quote`, which is gone", "the changes of Werkzeug 3.0.0"),
];

fn breakers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for (name, versions, other, breaking, why, source) in BREAKERS {
        let Some((manifest, wanted)) = facts.wanted(name) else { continue };
        let Some(version) = wanted.requirement.pinned_text() else { continue };
        if !holds(versions, version.split('+').next().unwrap_or_default()) {
            continue;
        }
        let bound = breaking.replace(">=", "<");
        // numpy is asked for by most that ask for torch, and what is not bounded is the newest.
        let held = facts.wanted(other).is_some_and(|(_, wanted)| {
            let low = breaking.trim_start_matches(">=");
            !wanted.requirement.allows(low) && !wanted.requirement.allows("999")
        });
        if held {
            continue;
        }
        let finding = Finding::new(
            "F204",
            &manifest.path,
            wanted.line,
            format!("{name} {version} fails with {other} {breaking}: {why}"),
        )
        .because(format!("nothing here keeps {other} below; see {source}"))
        .suggest(format!("{other}{bound}"));
        found.push(finding);
    }
}

fn heavy(project: &Project, manifest: &Manifest, found: &mut Vec<Finding>) {
    let Some(wanted) = manifest.find("sentence-transformers") else { return };
    let trains = ["fit(", "SentenceTransformerTrainer", "InputExample"];
    if project.sources.texts.iter().any(|(path, text)| {
        path.ends_with(".py") && trains.iter().any(|sign| text.contains(sign)) && text.contains("sentence_transformers")
    }) {
        return;
    }
    let mut finding = Finding::new("F205", &manifest.path, wanted.line, "a framework for training, to embed texts")
        .suggest("libellus embeds with the same model, in one executable of under 50 MB")
        .saves(Saving::computed(CLOSURE_BYTES - REPLACEMENT_BYTES));
    let places = project.sources.imports.get("sentence_transformers").into_iter().flatten().take(3);
    finding.evidence = places.map(|place| format!("imported in {}:{}", place.path, place.line)).collect();
    found.push(finding);
}

fn developers(manifest: &Manifest, facts: &Facts<'_>, found: &mut Vec<Finding>) {
    // A file that no image installs may hold what it likes.
    let shipped = facts.steps.iter().any(|step| step.commands.iter().any(is_pip_install));
    for Wanted { requirement, line } in manifest.wanted.iter().filter(|_| shipped) {
        if DEV.contains(&requirement.name.as_str()) {
            let finding = Finding::new(
                "F211",
                &manifest.path,
                *line,
                format!("`{}` is for developers, and is installed in the image", requirement.name),
            );
            found.push(finding.suggest("move it to requirements-dev.txt"));
        }
    }
}

/// What is installed, wherever that is.
pub fn check_installed(tree: &Tree, packages: &Packages, gpu: Gpu, found: &mut Vec<Finding>) {
    if let Some(saving) = installed_cuda(tree, packages).filter(|_| gpu != Gpu::Present) {
        let linux = packages.environment.platform.os == Os::Linux;
        let reason = if gpu == Gpu::Absent { "there is no GPU" } else { "it is used with a GPU only" };
        let finding = Finding::new("F201", "", 0, format!("CUDA is installed, and {reason}"));
        let mut finding = finding.saves(Saving { bytes: saving.bytes, up_to: None, evidence: Evidence::Computed });
        finding.evidence = saving.parts;
        finding.suggestion =
            Some("take torch from PyTorch's index of CPU builds, whose address ends in `/whl/cpu`".to_owned());
        if linux {
            found.push(finding);
        }
    }
    let bytecode: Vec<NodeId> = bytecode(tree, packages);
    let bytes = tree.content_of(bytecode.iter().copied());
    if bytes > 5_000_000 {
        let message = format!("{} of bytecode", counted(bytecode.len() as u64, "file"));
        found.push(
            Finding::new("F206", "", 0, message).suggest("pip install --no-compile").saves(Saving::measured(bytes)),
        );
    }
    let names = |package: usize| format!("{} {}", packages.all[package].name, packages.all[package].version);
    for (index, package) in packages.all.iter().enumerate() {
        if DEV.contains(&package.name.as_str()) {
            let mut finding = Finding::new("F211", "", 0, format!("{} is for developers", names(index)))
                .saves(Saving::measured(package.retained));
            finding.evidence = packages
                .graph
                .way_to(index)
                .map(|way| way.into_iter().map(names).collect::<Vec<_>>().join(" → "))
                .into_iter()
                .collect();
            found.push(finding.as_severe_as(Severity::Note));
        }
        let noted = packages.distributions.iter().any(|one| one.requested);
        let unneeded = package.required_by.is_empty()
            && (matches!(package.name.as_str(), "pip" | "setuptools" | "wheel") || (noted && !package.direct));
        if unneeded {
            found.push(
                Finding::new("F210", "", 0, format!("nothing needs {}", names(index)))
                    .saves(Saving::measured(package.content)),
            );
        }
    }
}

/// What of an environment is CUDA.
pub struct Cuda {
    /// Its bytes.
    pub bytes: u64,
    /// What it is made of.
    pub parts: Vec<String>,
    /// Its files.
    pub nodes: Vec<NodeId>,
}

/// Whether a package is there for CUDA only.
fn is_cuda_package(name: &str) -> bool {
    name.starts_with("nvidia-")
        || name.starts_with("cuda-")
        || matches!(name, "triton" | "pytorch-triton" | "cupy" | "onnxruntime-gpu")
}

/// Whether a library inside of torch or onnxruntime is for CUDA only.
fn is_cuda_library(name: &str) -> bool {
    name.contains(".so")
        && [
            "torch_cuda",
            "c10_cuda",
            "cudnn",
            "cublas",
            "cufft",
            "nvshmem",
            "nvrtc",
            "cupti",
            "providers_cuda",
            "providers_tensorrt",
            "nccl",
        ]
        .iter()
        .any(|part| name.contains(part))
}

/// Finds CUDA in an environment; `None` if there is none.
pub fn installed_cuda(tree: &Tree, packages: &Packages) -> Option<Cuda> {
    let torch =
        packages.all.iter().any(|package| package.name.starts_with("torch") || package.name.starts_with("onnxruntime"));
    if !torch {
        return None;
    }
    let mut nodes = Vec::new();
    let mut libraries = Vec::new();
    for id in tree.ids().filter(|id| tree.is_file(*id)) {
        let Some(owner) = packages.owners.of(id) else { continue };
        if is_cuda_package(&packages.all[owner].name) {
            nodes.push(id);
        } else if is_cuda_library(tree.name(id)) {
            nodes.push(id);
            libraries.push(id);
        }
    }
    let of_cuda: Vec<&str> =
        packages.all.iter().map(|package| package.name.as_str()).filter(|name| is_cuda_package(name)).collect();
    let mut parts = Vec::new();
    if !of_cuda.is_empty() {
        parts.push(format!(
            "{}: {}",
            counted(of_cuda.len() as u64, "package"),
            of_cuda.iter().take(4).copied().collect::<Vec<_>>().join(", ")
        ));
    }
    if !libraries.is_empty() {
        parts.push(format!(
            "inside torch: {}",
            libraries.iter().take(3).map(|id| tree.name(*id)).collect::<Vec<_>>().join(", ")
        ));
    }
    (!nodes.is_empty()).then(|| Cuda { bytes: tree.content_of(nodes.iter().copied()), parts, nodes })
}

/// The bytecode of packages.
pub fn bytecode(tree: &Tree, packages: &Packages) -> Vec<NodeId> {
    tree.ids()
        .filter(|id| tree.is_file(*id) && tree.name(*id).ends_with(".pyc") && packages.owners.of(*id).is_some())
        .collect()
}
