//! From a target to its report: what it is, what is in it, how large that is.

use crate::checks::{self, Finding, Gpu};
use crate::error::Error;
use crate::files::{Folder, MAX_TEXT_BYTES, read_limited};
use crate::fix::{self, Edit};
use crate::image::{self, store::Store};
use crate::lock::{self, Format, Locked};
use crate::meters::Meters;
use crate::node::modules::Modules;
use crate::packages::Installed;
use crate::plan::plan;
use crate::project::{Project, Said};
use crate::python::environment::{self, Packages};
use crate::report::why::{self, Why};
use crate::report::{self, Kind, Part, Report, SCHEMA};
use crate::tree::{ROOT, Tree};
use std::fs;
use std::io;
use std::path::Path;

/// What is known of a target beyond its files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The machine and the Python that it is for.
    pub target: environment::Target,
    /// Whether that machine has a GPU.
    pub gpu: Gpu,
    /// Which Dockerfile is built with which context.
    pub said: Said,
    /// Ids of findings that are accepted.
    pub ignore: Vec<String>,
}

impl Options {
    /// Takes out what is accepted; returned is how much that was.
    fn accept(&self, findings: &mut Vec<Finding>) -> usize {
        let all = findings.len();
        findings.retain(|finding| !self.ignore.iter().any(|id| id.eq_ignore_ascii_case(finding.id)));
        all - findings.len()
    }
}

/// A target that was read, for questions about it.
pub struct Measured {
    /// Its files.
    pub tree: Tree,
    /// What is installed in it for Python.
    pub packages: Option<Packages>,
    /// What is installed in it, of whichever kind.
    pub installed: Option<Installed>,
    /// Of an image: for each node that is a file, the layer that brought it. Else empty.
    pub layers: Vec<u32>,
    /// Its Dockerfiles and files of requirements.
    pub project: Option<Project>,
    /// What is told of it.
    pub report: Report,
}

/// Reads a target.
///
/// # Errors
/// If nothing of it can be read, or if it is nothing that is known here.
pub fn measure(path: &Path, options: &Options) -> Result<Measured, Error> {
    let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    let unknown = |reason: &str| Error::UnknownTarget { path: path.to_owned(), reason: reason.to_owned() };
    if !metadata.is_dir() && !metadata.is_file() {
        return Err(unknown("it is a device, a pipe or a socket"));
    }
    if let Some(format) = Format::of(path).filter(|_| metadata.is_file()) {
        let bytes = fs::File::open(path).and_then(|file| read_limited(file, MAX_TEXT_BYTES)).map_err(unreadable)?;
        let locked = lock::read(format, &bytes, options.target);
        return Ok(measure_lock(path, locked.map_err(|reason| unknown(&format!("it is no lock file: {reason}")))?));
    }
    if let Some(store) = Store::open(path).map_err(unreadable)? {
        return measure_image(path, &store, options).map_err(unreadable);
    }
    if !metadata.is_dir() {
        return Err(unknown(
            "it is neither a directory, nor a lock file by its name (uv.lock, pylock.toml, package-lock.json, Cargo.lock), \
             nor an archive of an image, which is an uncompressed tar with index.json or manifest.json in it; one that was compressed as a whole has to be decompressed first, one that was cut off \
             has to be written again",
        ));
    }
    let tree = Tree::of_directory(path).map_err(unreadable)?;
    Ok(measure_folder(path, tree, options))
}

/// The report of a target in JSON, or one that was saved.
///
/// # Errors
/// As of [`measure`].
pub fn report_of(path: &Path, options: &Options) -> Result<serde_json::Value, Error> {
    if path.extension().is_some_and(|ending| ending == "json") && path.is_file() && Format::of(path).is_none() {
        let unreadable = |source| Error::Unreadable { path: path.to_owned(), source };
        let file = fs::File::open(path).map_err(unreadable)?;
        let bytes = read_limited(file, MAX_TEXT_BYTES).map_err(unreadable)?;
        let value: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        let reason = format!("it is no report of `--json` ({SCHEMA})");
        let unknown = || Error::UnknownTarget { path: path.to_owned(), reason };
        return value.filter(|value| value["schema"] == SCHEMA).ok_or_else(unknown);
    }
    let report = measure(path, options)?.report;
    serde_json::to_value(&report)
        .map_err(|error| Error::Unreadable { path: path.to_owned(), source: io::Error::other(error) })
}

fn measure_folder(path: &Path, tree: Tree, options: &Options) -> Measured {
    let files = Folder(path.to_owned());
    let mut problems = tree.problems.clone();
    let packages = Packages::read(&tree, &files, options.target, &mut problems);
    let is_modules =
        fs::canonicalize(path).is_ok_and(|path| path.file_name().is_some_and(|name| name == "node_modules"));
    // Who asked for what stands beside it.
    let beside = is_modules.then(|| fs::File::open(path.join("../package.json"))).and_then(Result::ok);
    let beside = beside.and_then(|file| read_limited(file, MAX_TEXT_BYTES).ok());
    let modules = Modules::read(&tree, &files, is_modules, beside.as_deref(), &mut problems);
    let project = Project::read(&tree, &files, &options.said, &mut problems);
    let installed = [
        packages.as_ref().map(|Packages { all, graph, owners, .. }| (&all[..], graph, owners)),
        modules.as_ref().map(|Modules { all, graph, owners, .. }| (&all[..], graph, owners)),
    ];
    let installed = Installed::join(&tree, installed.into_iter().flatten().collect());
    let (mut findings, mut accepted) = checks::run(&tree, project.as_ref(), packages.as_ref(), options.gpu);
    if let Some(modules) = &modules {
        checks::node::check(modules, is_modules, &mut findings);
    }
    accepted += options.accept(&mut findings);
    let plan = plan(&tree, packages.as_ref(), modules.as_ref(), &findings);
    let environment = packages.as_ref().map(|packages| &packages.environment);
    let target = report::Target {
        path: path.display().to_string(),
        kind: match (&project, &packages, &modules) {
            (_, _, Some(_)) if is_modules => Kind::NodeModules,
            (Some(_), _, _) | (None, None, Some(Modules { rooted: true, .. })) => Kind::Project,
            (None, Some(_), _) => Kind::PythonEnvironment,
            (None, None, _) => Kind::Folder,
        },
        platform: environment.map(|environment| environment.platform.to_string()),
        python: environment.map(|environment| environment.python.to_string()),
    };
    let meters = Meters { content: Some(tree.content()), disk: Some(tree.disk()), ..Meters::default() };
    problems.sort();
    let report = Report {
        schema: SCHEMA,
        target,
        meters,
        files: tree.file_count(),
        packages: installed.as_ref().map(report::package_rows).unwrap_or_default(),
        unowned: installed.as_ref().map_or(0, |installed| installed.unowned),
        parts: parts(&tree),
        image: None,
        findings,
        plan,
        accepted,
        problems,
    };
    Measured { tree, packages, installed, layers: Vec::new(), project, report }
}

/// What would be installed. Nothing of it is there, so its sizes are not known, but for what is downloaded.
fn measure_lock(path: &Path, locked: Locked) -> Measured {
    let tree = Tree::empty();
    let Locked { installed, platform, python, mut problems } = locked;
    problems.sort();
    let report = Report {
        schema: SCHEMA,
        target: report::Target { path: path.display().to_string(), kind: Kind::Lock, platform, python },
        meters: Meters { download: installed.all.iter().map(|package| package.download).sum(), ..Meters::default() },
        files: 0,
        packages: report::package_rows(&installed),
        unowned: 0,
        parts: Vec::new(),
        image: None,
        findings: Vec::new(),
        plan: Vec::new(),
        accepted: 0,
        problems,
    };
    Measured { tree, packages: None, installed: Some(installed), layers: Vec::new(), project: None, report }
}

fn measure_image(path: &Path, store: &Store, options: &Options) -> io::Result<Measured> {
    let mut problems = Vec::new();
    let image = image::read(store, options.target.platform, &mut problems)?;
    let target = environment::Target { platform: options.target.platform.or(image.platform), ..options.target };
    let packages = Packages::read(&image.tree, &image.contents, target, &mut problems);
    let mut findings = checks::run_on_image(&image, packages.as_ref(), options.gpu);
    let accepted = options.accept(&mut findings);
    let plan = plan(&image.tree, packages.as_ref(), None, &findings);
    let python = packages.as_ref().map(|Packages { all, graph, owners, .. }| (&all[..], graph, owners));
    let installed = Installed::join(&image.tree, python.into_iter().collect());
    problems.extend(image.tree.problems.iter().cloned());
    problems.sort();
    let report = Report {
        schema: SCHEMA,
        target: report::Target {
            path: path.display().to_string(),
            kind: Kind::Image,
            platform: image.platform.map(|platform| platform.to_string()),
            python: packages.as_ref().map(|packages| packages.environment.python.to_string()),
        },
        meters: Meters {
            content: Some(image.report.reachable),
            stored: Some(image.report.stored),
            download: image.download,
            // What an engine makes of it depends on the engine.
            disk: None,
        },
        files: image.tree.file_count(),
        packages: installed.as_ref().map(report::package_rows).unwrap_or_default(),
        unowned: installed.as_ref().map_or(0, |installed| installed.unowned),
        parts: parts(&image.tree),
        image: Some(image.report),
        findings,
        accepted,
        plan,
        problems,
    };
    Ok(Measured { tree: image.tree, packages, installed, layers: image.layer_of, project: None, report })
}

/// What there is at the first level, largest first.
fn parts(tree: &Tree) -> Vec<Part> {
    let mut counted = vec![false; tree.inode_count()];
    let mut parts: Vec<Part> = Vec::new();
    for child in tree.children(ROOT) {
        let (mut content, mut files) = (0, 0);
        for id in tree.below(child).into_iter().filter(|id| tree.is_file(*id)) {
            if !std::mem::replace(&mut counted[tree.inode_id(id) as usize], true) {
                content += tree.inode(id).size;
                files += 1;
            }
        }
        let slash = if tree.is_directory(child) { "/" } else { "" };
        parts.push(Part { path: format!("{}{slash}", tree.name(child)), content, files });
    }
    parts.sort_by(|a, b| b.content.cmp(&a.content).then_with(|| a.path.cmp(&b.path)));
    parts
}

impl Measured {
    /// What `--fix` would change.
    pub fn edits(&self) -> Vec<Edit> {
        let edit = |project: &Project| fix::edits(&self.report.findings, &project.texts);
        self.project.as_ref().map(edit).unwrap_or_default()
    }

    /// Why a package is there.
    ///
    /// # Errors
    /// If it is not installed.
    pub fn why(&self, package: &str) -> Result<Why, Error> {
        let target = &self.report.target.path;
        match &self.installed {
            Some(packages) => why::why(packages, package, target),
            None => Err(Error::NoSuchPackage { package: package.to_owned(), target: target.clone(), near: None }),
        }
    }
}
