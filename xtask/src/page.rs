//! Looking at the search page in a real browser, over the sample catalogue.

use crate::run::{command, run};
use crate::{Failure, dist, root, target, tools};
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
    let service = Service::start(&dist::build_for_host()?)?;
    run(command("node", &["check.js"]).current_dir(&checks).arg(&service.url).arg(pictures).env("CHROMIUM", chromium))
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
