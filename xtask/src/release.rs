//! What a release consists of, and whether it can be installed.

use crate::dist::{self, Arch, Edition};
use crate::run::{capture, cargo, command, run};
use crate::scratch::Scratch;
use crate::{Failure, image, root, target, tools};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

/// Makes all files of the release with this tag, in `target/dist/release`.
pub fn run_chore(tag: &str) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if tag != format!("v{version}") {
        return Err(format!("the tag is `{tag}`, and Cargo.toml says version {version}; a release needs `v{version}`"));
    }
    let directory = assemble(&[Arch::X86_64, Arch::Aarch64], &[Edition::Standard, Edition::Lite])?;
    println!("the files of {tag} are in {}", directory.display());
    Ok(())
}

/// Executables, images, bills of materials, the install script, and the sums of all.
fn assemble(archs: &[Arch], editions: &[Edition]) -> Result<PathBuf, Failure> {
    let directory = target().join("dist/release");
    let fail = |error: io::Error| format!("cannot make the release in `{}`: {error}", directory.display());
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(fail)?;
    }
    fs::create_dir_all(&directory).map_err(fail)?;
    for &arch in archs {
        for &edition in editions {
            let executable = dist::build_edition(arch, edition)?;
            image::make(arch, edition, &executable, &directory.join(image::archive_name(arch, edition)))?;
            let name = format!("libellus{}-{}-linux", edition.suffix(), arch.name());
            fs::copy(&executable, directory.join(name)).map_err(fail)?;
        }
    }
    let script = fs::read_to_string(root().join("deploy/install.sh")).map_err(fail)?;
    fs::write(directory.join("install.sh"), with_repository(&script, std::env::var("GITHUB_REPOSITORY").ok())?)
        .map_err(fail)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(fail)? {
        names.push(entry.map_err(fail)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let sums = capture(command("sha256sum", &[]).args(&names).current_dir(&directory))?;
    fs::write(directory.join("SHA256SUMS"), sums).map_err(fail)?;
    Ok(directory)
}

/// The install script, which then knows where its release is; unchanged if that is not known.
fn with_repository(script: &str, repository: Option<String>) -> Result<String, Failure> {
    const UNKNOWN: &str = "${LIBELLUS_REPOSITORY:-}";
    let Some(repository) = repository.filter(|repository| !repository.is_empty()) else {
        return Ok(script.to_owned());
    };
    if !repository.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        return Err(format!("GITHUB_REPOSITORY is `{repository}`, which is not OWNER/NAME"));
    }
    if !script.contains(UNKNOWN) {
        return Err(format!("deploy/install.sh has no `{UNKNOWN}` for the repository to go into"));
    }
    Ok(script.replacen(UNKNOWN, &format!("${{LIBELLUS_REPOSITORY:-{repository}}}"), 1))
}

/// Makes the release for this machine and installs it, in every way that is offered.
pub fn check() -> Result<(), Failure> {
    check_workflows()?;
    tools::require(&tools::SHELLCHECK)?;
    run(&mut command("shellcheck", &["deploy/install.sh"]))?;
    tools::require(&tools::CURL)?;
    let release = assemble(&[Arch::host()?], &[Edition::Standard])?;
    check_install_script(&release)?;
    check_cargo_install()
}

/// Holds the workflows to the schema that GitHub publishes, as the package carries it.
fn check_workflows() -> Result<(), Failure> {
    let packages = tools::python_packages(&["check-jsonschema==0.39.0"])?;
    let check = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"];
    let workflows = [".github/workflows/ci.yml", ".github/workflows/release.yml"];
    run(command("python3", &check).args(workflows).env("PYTHONPATH", packages))
}

/// `cargo install` from the sources, as it is typed, but for `--debug`: a second optimised build would take minutes.
fn check_cargo_install() -> Result<(), Failure> {
    let scratch = Scratch::new("install")?;
    let installed = scratch.path("root");
    let install = ["install", "--path", "crates/libellus", "--locked", "--debug", "--no-track", "--root"];
    run(cargo(&install).arg(&installed).arg("--target-dir").arg(target()))?;
    run(&mut command(installed.join("bin/libellus"), &["--version"]))
}

/// What a server has: the content of each file, and how long it claims to be.
type Files = BTreeMap<String, (Vec<u8>, usize)>;

/// A way in which a release can be broken, and what the script says of it.
type Damage = (&'static str, fn(&mut Files, &str), &'static str);

const DAMAGES: &[Damage] = &[
    ("a wrong sum", |files, name| files.entry(name.to_owned()).or_default().0[100] ^= 1, "has the sum"),
    (
        "no sum",
        |files, _| {
            files.insert("SHA256SUMS".to_owned(), (b"00  other\n".to_vec(), 10));
        },
        "has no sum for libellus-",
    ),
    ("no sums", |files, _| drop(files.remove("SHA256SUMS")), "cannot fetch http"),
    ("no executable", |files, name| drop(files.remove(name)), "cannot fetch http"),
    (
        "a download that ends early",
        |files, name| files.entry(name.to_owned()).or_default().0.truncate(5_000_000),
        "cannot fetch http",
    ),
];

/// Serves the release, and then broken ones: the first is installed, the others leave everything as it was.
fn check_install_script(release: &Path) -> Result<(), Failure> {
    let scratch = Scratch::new("install-script")?;
    let executable = format!("libellus-{}-linux", Arch::host()?.name());
    let mut files = Files::new();
    for name in ["SHA256SUMS", &executable] {
        let content = fs::read(release.join(name)).map_err(|error| format!("cannot read `{name}`: {error}"))?;
        let length = content.len();
        files.insert(name.to_owned(), (content, length));
    }
    let prefix = scratch.path("prefix");
    let bin = prefix.join("bin");
    let installed = bin.join("libellus");
    let output = install(&serve(files.clone())?, &prefix)?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.contains("installed libellus ") || !said.contains("is not in PATH") {
        return Err(format!("the install script ended with {} and said:\n{said}", output.status));
    }
    run(&mut command(&installed, &["--version"]))?;
    let before =
        fs::metadata(&installed).and_then(|metadata| metadata.modified()).map_err(|error| error.to_string())?;
    for (name, damage, expected) in DAMAGES {
        let mut broken = files.clone();
        damage(&mut broken, &executable);
        let output = install(&serve(broken)?, &prefix)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() || !said.contains(expected) || !said.contains("nothing was installed") {
            return Err(format!("with {name}, the install script ended with {} and said:\n{said}", output.status));
        }
        let after = fs::metadata(&installed).and_then(|metadata| metadata.modified());
        let left = fs::read_dir(&bin).map_err(|error| error.to_string())?.count();
        if after.ok() != Some(before) || left != 1 {
            return Err(format!("with {name}, the install script changed what was installed"));
        }
        println!("with {name}: {}", said.trim().lines().last().unwrap_or_default());
    }
    let output = install("", &prefix)?;
    let said = String::from_utf8_lossy(&output.stderr);
    match said.contains("set LIBELLUS_REPOSITORY=OWNER/NAME") && !output.status.success() {
        true => Ok(()),
        false => Err(format!("without an address, the install script ended with {} and said:\n{said}", output.status)),
    }
}

fn install(base_url: &str, prefix: &Path) -> Result<Output, Failure> {
    let mut install = command("sh", &["deploy/install.sh"]);
    install.env("LIBELLUS_BASE_URL", base_url).env("PREFIX", prefix).env_remove("LIBELLUS_REPOSITORY");
    install.output().map_err(|error| format!("the install script could not be started: {error}"))
}

/// Serves the files over HTTP until this process ends, and gives the address.
fn serve(files: Files) -> Result<String, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("there is no free port: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is none of the server's concern.
            let _ = answer(&files, stream);
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(files: &Files, mut stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let name = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    match files.get(name) {
        Some((content, length)) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
            stream.write_all(content)
        }
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_script_learns_its_repository() {
        let script = fs::read_to_string(root().join("deploy/install.sh")).expect("it is ours");
        assert_eq!(with_repository(&script, None).as_ref(), Ok(&script));
        let released = with_repository(&script, Some("reader/libellus".to_owned())).expect("a good name");
        assert!(released.contains("\nrepository=${LIBELLUS_REPOSITORY:-reader/libellus}\n"), "{released}");
        for (script, repository) in [(script.as_str(), "a/b; rm -rf /"), ("echo", "a/b")] {
            assert!(with_repository(script, Some(repository.to_owned())).is_err(), "{repository}");
        }
    }

    #[test]
    fn a_tag_has_to_be_the_version() {
        let failure = run_chore("v99.0.0").expect_err("another version");
        assert!(failure.contains("v99.0.0") && failure.contains(env!("CARGO_PKG_VERSION")), "{failure}");
    }
}
