//! Looking at pages in a real browser: the search page over the sample catalogue, and what `footprint --html` writes.

use crate::dist::Edition;
use crate::run::{command, run};
use crate::{Failure, dist, image, root, target, test, tools};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// What `serve` prints before its address.
const READY: &str = "libellus is ready: ";

/// Checks the page as users get it; pictures go to `target/screenshots`.
pub fn check() -> Result<(), Failure> {
    look(&target().join("screenshots"))
}

/// Makes pictures of the page.
pub fn screenshots(directory: &Path) -> Result<(), Failure> {
    let directory = std::path::absolute(directory).map_err(|error| error.to_string())?;
    look(&directory)?;
    println!("the pictures are in {}", directory.display());
    Ok(())
}

/// Starts the service, and runs the browser's checks against it.
fn look(pictures: &Path) -> Result<(), Failure> {
    let checks = root().join("crates/server/tests/browser");
    tools::node_packages("crates/server/tests/browser")?;
    let chromium = tools::require(&tools::CHROMIUM)?;
    fs::create_dir_all(pictures).map_err(|error| format!("cannot make `{}`: {error}", pictures.display()))?;
    let executable = dist::build_for_host()?;
    let node = |script: &str, of: &Path| {
        run(command("node", &[script]).current_dir(&checks).arg(of).arg(pictures).env("CHROMIUM", &chromium))
    };
    let service = Service::start(&executable)?;
    node("check.js", Path::new(&service.url))?;
    node("footprint.js", &footprints(&executable)?)
}

/// Writes pages of an environment, a project, an image, and of files whose names try to be markup; gives their folder.
fn footprints(executable: &Path) -> Result<PathBuf, Failure> {
    let pages = target().join("footprint-pages");
    let hostile = pages.join("hostile");
    let failed = |error: std::io::Error| format!("cannot write in `{}`: {error}", pages.display());
    let _ = fs::remove_dir_all(&pages);
    hostile_files(&hostile).map_err(failed)?;
    let archive = pages.join("image.oci.tar");
    image::make(dist::Arch::host()?, Edition::Standard, executable, &archive)?;
    let environment = tools::python_packages(test::CLIENTS)?;
    for (name, of) in
        [("environment", environment), ("hostile", hostile), ("image", archive), ("project", root().join("deploy"))]
    {
        let mut measure = command(executable, &["footprint"]);
        measure.arg(of).arg("--html").arg(pages.join(format!("{name}.html"))).stdout(Stdio::null());
        println!("$ libellus footprint … --html {name}.html");
        let ended = measure.status().map_err(|error| format!("`{}`: {error}", executable.display()))?;
        // 1 is that something was found.
        if !matches!(ended.code(), Some(0 | 1)) {
            return Err(format!("`libellus footprint` of the {name} ended with {ended}"));
        }
    }
    Ok(pages)
}

/// An environment whose names, versions and requirements are written to break out of a page.
fn hostile_files(root: &Path) -> std::io::Result<()> {
    let site = root.join("lib/python3.12/site-packages");
    let info = site.join("bad-1.dist-info");
    fs::create_dir_all(site.join("<"))?;
    fs::create_dir_all(&info)?;
    fs::write(
        info.join("METADATA"),
        "Name: bad\nVersion: 1</script><script>alert(2)</script>\nRequires-Dist: \"<b>\n",
    )?;
    fs::write(info.join("RECORD"), "bad.py,,\n")?;
    for (name, bytes) in [
        ("bad.py", 30_000),
        ("</script><img src=x onerror=alert(1)>", 40_000),
        ("\u{202e}gpj.exe", 20_000),
        ("a\u{1b}[2J\"'&amp;`${alert(3)}`", 10_000),
    ] {
        fs::write(site.join(name), vec![0; bytes])?;
    }
    Ok(())
}

/// `libellus serve --sample`, with a database of its own; stopped when dropped.
struct Service {
    process: Child,
    url: String,
    directory: PathBuf,
}

impl Service {
    fn start(executable: &Path) -> Result<Self, Failure> {
        let directory = target().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|error| format!("cannot make `{}`: {error}", directory.display()))?;
        let mut serve = command(executable, &["serve", "--sample", "--host", "127.0.0.1", "--port", "0", "--db"]);
        serve.arg(directory.join("sample.db")).stdout(Stdio::piped());
        println!("$ libellus serve --sample --port 0");
        let process =
            serve.spawn().map_err(|error| format!("`{}` could not be started: {error}", executable.display()))?;
        // From here on, dropping stops the process.
        let mut service = Self { process, url: String::new(), directory };
        service.url = service.wait_until_ready()?;
        Ok(service)
    }

    /// The address, once the sample is loaded and embedded.
    fn wait_until_ready(&mut self) -> Result<String, Failure> {
        let ended = || "`libellus serve --sample` ended before it was ready; its messages are above".to_owned();
        let stdout = self.process.stdout.take().ok_or_else(ended)?;
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|error| error.to_string())?;
            println!("{line}");
            if let Some(url) = line.strip_prefix(READY).and_then(|rest| rest.split_whitespace().next()) {
                return Ok(url.to_owned());
            }
        }
        Err(ended())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both may have happened already; the directory lies in `target` in any case.
        let _ = self.process.kill().and_then(|()| self.process.wait());
        let _ = fs::remove_dir_all(&self.directory);
    }
}
