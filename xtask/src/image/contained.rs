//! Starting what is in an unpacked image as a container runtime would, with nothing but `unshare` of util-linux.
//!
//! The root is read-only, the user is the image's, and there is `/dev`, as every runtime provides it; but no `/proc`,
//! `/sys` or `/tmp`. What to start is read from the configuration that umoci makes of the image.

use crate::run::{command, succeeds};
use crate::{Failure, tools};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long a service may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Mounts, then starts: `sh -c MOUNTS ROOT VOLUME USER DIRECTORY COMMAND…`.
const MOUNTS: &str = r#"
set -e
root=$0 volume=$1 user=$2 directory=$3
shift 3
mount --bind "$root" "$root"
mkdir -p "$root/dev"
mount --rbind /dev "$root/dev"
if [ -n "$volume" ]; then mount --bind "$volume" "$root/data"; fi
mount -o remount,bind,ro "$root"
exec unshare --root="$root" --wd="$directory" --setgid="$user" --setuid="$user" "$@"
"#;

/// An unpacked image.
pub struct Bundle {
    pub root: PathBuf,
    /// As the image has it.
    pub config: Value,
    user: u64,
    directory: String,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Bundle {
    /// Reads the runtime configuration beside the root.
    pub fn open(directory: PathBuf, config: Value) -> Result<Self, Failure> {
        let path = directory.join("config.json");
        let json = fs::read_to_string(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        let runtime: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let process = &runtime["process"];
        let environment = strings(&process["env"]);
        Ok(Self {
            root: directory.join("rootfs"),
            config,
            user: process["user"]["uid"].as_u64().unwrap_or_default(),
            directory: process["cwd"].as_str().unwrap_or_default().to_owned(),
            environment: environment
                .iter()
                .filter_map(|variable| variable.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            arguments: strings(&process["args"]),
        })
    }

    /// Whether this process may mount.
    pub fn can_start() -> bool {
        tools::is_root() && succeeds(&mut command("unshare", &["--mount", "true"]))
    }

    /// A command in the image, with the volume or without.
    pub fn command(&self, volume: Option<&Volume>, arguments: &[&str]) -> Command {
        let mut unshare = command("unshare", &["--mount", "sh", "-c", MOUNTS]);
        unshare.arg(&self.root).arg(volume.map_or(Path::new(""), |volume| &volume.directory));
        unshare.arg(self.user.to_string()).arg(&self.directory).args(arguments);
        unshare.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        unshare
    }

    /// What the image starts, at this port.
    pub fn serve(&self, volume: Option<&Volume>, port: u16) -> Command {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut serve = self.command(volume, &arguments);
        serve.env("PORT", port.to_string());
        serve
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A directory of the image's user.
pub struct Volume {
    directory: PathBuf,
}

impl Volume {
    pub fn new(directory: PathBuf) -> Result<Self, Failure> {
        let user = Some(super::root_tree::USER);
        fs::create_dir(&directory)
            .and_then(|()| chown(&directory, user, user))
            .map_err(|error| format!("cannot make `{}`: {error}", directory.display()))?;
        Ok(Self { directory })
    }
}

/// What the image starts, running; killed when dropped.
pub struct Service<'a> {
    bundle: &'a Bundle,
    volume: &'a Volume,
    process: Child,
    port: u16,
}

impl<'a> Service<'a> {
    /// Starts it, and waits until the health check of the image succeeds.
    pub fn start(bundle: &'a Bundle, volume: &'a Volume) -> Result<Self, Failure> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| format!("there is no free port: {error}"))?.port();
        let process = bundle.serve(Some(volume), port).spawn();
        let process = process.map_err(|error| format!("the image could not be started: {error}"))?;
        let mut service = Self { bundle, volume, process, port };
        let start = Instant::now();
        while !succeeds(&mut service.health(&[])?) {
            if let Ok(Some(status)) = service.process.try_wait() {
                return Err(format!("the service ended with {status}; its messages are above"));
            }
            if start.elapsed() > PATIENCE {
                return Err("the service does not become healthy; its messages are above".to_owned());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(service)
    }

    /// The health check that the image names, with more arguments.
    fn health(&self, more: &[&str]) -> Result<Command, Failure> {
        let test = strings(&self.bundle.config["config"]["Healthcheck"]["Test"]);
        let Some(("CMD", arguments)) = test.split_first().map(|(kind, arguments)| (kind.as_str(), arguments)) else {
            return Err("the image has no health check in exec form".to_owned());
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let mut health = self.bundle.command(Some(self.volume), &arguments);
        health.env("PORT", self.port.to_string());
        Ok(health)
    }

    /// Runs the health check once.
    pub fn expect_healthy(&self, more: &[&str]) -> Result<(), Failure> {
        crate::run::run(&mut self.health(more)?)
    }

    /// Makes sure that it runs as the user that the image names, without any right of root.
    pub fn expect_unprivileged(&self) -> Result<(), Failure> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).map_err(|error| format!("cannot read `{path}`: {error}"))?;
        let user = self.bundle.user;
        let expected = [format!("Uid:\t{user}\t{user}\t{user}\t{user}"), "CapEff:\t0000000000000000".to_owned()];
        match user != 0 && expected.iter().all(|line| status.lines().any(|l| l == line)) {
            true => Ok(()),
            false => Err(format!("the service runs with other rights than those of user {user}:\n{status}")),
        }
    }

    /// Makes sure that a page is answered with 200 and holds a text.
    pub fn expect(&self, path: &str, part: &str) -> Result<(), Failure> {
        let mut stream = self.connect()?;
        let answer = self.request(path, &mut stream).and_then(|()| read(&mut stream));
        expect_answer(path, answer, part)
    }

    fn connect(&self) -> Result<TcpStream, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.port));
        let stream = stream.map_err(|error| format!("the service cannot be reached: {error}"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        Ok(stream)
    }

    fn request(&self, path: &str, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)
    }

    /// Sends half a request, then the image's signal to stop, then the rest: it is answered, and the end is a good one.
    pub fn end_in_the_middle_of_a_request(mut self) -> Result<(), Failure> {
        let mut stream = self.connect()?;
        let path = "/api/search?q=revenge+on+a+whale&limit=1";
        let sent = write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        sent.map_err(|error| format!("the service reads nothing: {error}"))?;
        // There is no telling from outside when it has read the first half.
        thread::sleep(Duration::from_millis(200));
        let signal = self.bundle.config["config"]["StopSignal"].as_str().unwrap_or_default();
        let kill = format!("-{}", signal.trim_start_matches("SIG"));
        crate::run::run(command("kill", &[&kill]).arg(self.process.id().to_string()))?;
        thread::sleep(Duration::from_millis(200));
        let answer = write!(stream, "Connection: close\r\n\r\n").and_then(|()| read(&mut stream));
        expect_answer(path, answer, "Moby-Dick")?;
        let status = self.process.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("after {signal}, the service ended with {status}")) }
    }
}

fn read(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer)
}

fn expect_answer(path: &str, answer: std::io::Result<String>, part: &str) -> Result<(), Failure> {
    match answer {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") && answer.contains(part) => Ok(()),
        Ok(answer) => Err(format!("`{path}` should be answered with 200 and `{part}`, and was with:\n{answer}")),
        Err(error) => Err(format!("`{path}` was not answered: {error}")),
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}
