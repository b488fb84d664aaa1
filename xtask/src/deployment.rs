//! Checking the files with which platforms deploy libellus: against their published schemas, by the platform's own
//! tool, and against the executable.

use crate::run::{capture, command, run};
use crate::{Failure, dist, root, target, tools};
use std::fs;
use std::path::Path;

/// Python packages that carry the schemas of Compose files, actions and Kubernetes' objects, a reader of YAML, and what
/// reads the description of a hook.
const PACKAGES: [&str; 4] =
    ["check-jsonschema==0.39.0", "kubernetes-validate==1.37.0", "PyYAML==6.0.4", "pre-commit==4.7.0"];

/// The highest exposure of the systemd service that is let through, in tenths; 0 would be none.
const EXPOSURE_LIMIT: &str = "15";

/// Checks every file.
pub fn check() -> Result<(), Failure> {
    let executable = dist::build_for_host()?;
    let tools = target().join("deployment-tools");
    install(&tools)?;
    let tool = |name: &str| tools.join("bin").join(name);
    run(&mut command(tool("check-jsonschema"), &["--builtin-schema", "vendor.compose-spec", "compose.yaml"]))?;
    run(&mut command(tool("kubernetes-validate"), &["--strict", "deploy/kubernetes.yaml"]))?;
    run(command(tool("python"), &["deploy/check.py"]).arg(&executable))?;
    let action = "deploy/footprint/action.yml";
    run(&mut command(tool("check-jsonschema"), &["--builtin-schema", "vendor.github-actions", action]))?;
    run(&mut command(tool("pre-commit"), &["validate-manifest", ".pre-commit-hooks.yaml"]))?;
    check_action(&executable)?;
    check_unit(&executable)
}

/// Makes a Python environment with the packages, unless it is there.
fn install(directory: &Path) -> Result<(), Failure> {
    let mark = directory.join("packages");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    tools::require_venv()?;
    run(command("python3", &["-m", "venv", "--clear"]).arg(directory))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
    run(&mut command(directory.join("bin/python"), &[&pip[..], &PACKAGES].concat()))?;
    fs::write(&mark, wanted).map_err(|error| format!("cannot write `{}`: {error}", mark.display()))
}

/// Lets the action measure a file that keeps a budget, and one that does not.
fn check_action(executable: &Path) -> Result<(), Failure> {
    let folder = target().join("deployment-action");
    let (bin, measured) = (folder.join("bin"), folder.join("measured"));
    let link = bin.join("libellus");
    let prepare = || -> std::io::Result<()> {
        fs::create_dir_all(&bin)?;
        fs::create_dir_all(&measured)?;
        fs::write(measured.join("ten"), [b'x'; 10])?;
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(executable, &link)
    };
    prepare().map_err(|error| format!("cannot write to `{}`: {error}", folder.display()))?;
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    for (budget, expected) in [("1kB\ndisk=1MB", 0), ("1B", 1)] {
        let mut measure = command("bash", &["deploy/footprint/measure.sh"]);
        measure.env("PATH", &path).env("TARGET", &measured).env("BUDGET", budget);
        let output = measure.output().map_err(|error| format!("cannot run the action: {error}"))?;
        if output.status.code() != Some(expected) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("the action with the budget {budget:?} ended with {}:\n{said}", output.status));
        }
    }
    Ok(())
}

/// Has systemd read the service and judge its sandbox, with the executable that was built in its place.
fn check_unit(executable: &Path) -> Result<(), Failure> {
    tools::require(&tools::SYSTEMD_ANALYZE)?;
    let source = root().join("deploy/libellus.service");
    let unit = fs::read_to_string(&source).map_err(|error| format!("cannot read `{}`: {error}", source.display()))?;
    let installed = "/usr/local/bin/libellus";
    if !unit.contains(&format!("ExecStart={installed} serve\n")) {
        return Err(format!("deploy/libellus.service does not start `{installed} serve`"));
    }
    let copy = target().join("libellus.service");
    fs::write(&copy, unit.replace(installed, &executable.display().to_string()))
        .map_err(|error| format!("cannot write `{}`: {error}", copy.display()))?;
    run(command("systemd-analyze", &["verify"]).arg(&copy))?;
    // A sentence for each of some eighty rules, of which only the sum matters as long as it is small.
    let threshold = format!("--threshold={EXPOSURE_LIMIT}");
    let judged = capture(command("systemd-analyze", &["security", "--offline=true", &threshold]).arg(&copy))?;
    println!("{}", judged.lines().last().unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image would not build without one, and only building it would tell.
    #[test]
    fn the_dockerfile_has_the_manifest_of_every_crate() {
        let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).expect("it is there");
        let crates = fs::read_dir(root().join("crates")).expect("they are there");
        let names: Vec<String> =
            crates.map(|entry| entry.expect("it is there").file_name().into_string().expect("a name")).collect();
        assert!(names.len() >= 7, "{names:?}");
        for name in names {
            let line = format!("COPY crates/{name}/Cargo.toml crates/{name}/\n");
            assert!(dockerfile.contains(&line), "deploy/Dockerfile lacks `{}`", line.trim_end());
        }
    }
}
