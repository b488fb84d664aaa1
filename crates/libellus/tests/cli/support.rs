//! Running the executable: each test has a folder of its own, and an environment without surprises.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Longest that a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder to run the executable in.
pub struct Sandbox {
    folder: TempDir,
}

/// What a finished process left.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder is writable");
        path
    }

    /// The executable, ready to run in the folder.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.wrapped(Command::new(env!("CARGO_BIN_EXE_libellus")), arguments)
    }

    /// The executable behind another program, e.g. one that gives up rights.
    pub fn wrapped<S: AsRef<OsStr>>(&self, mut command: Command, arguments: &[S]) -> Command {
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        let settings = [
            "DATABASE_URL",
            "PORT",
            "NO_COLOR",
            "CORS_ORIGINS",
            "JWT_SECRET_KEY",
            "JWT_JWKS",
            "SECRET_KEY",
            "LIBELLUS_ISA",
            "LIBELLUS_READING",
        ];
        let hub = ["HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"];
        for variable in settings.into_iter().chain(hub).chain(proxies) {
            command.env_remove(variable).env_remove(variable.to_lowercase());
        }
        command.env("LIBELLUS_HOME", self.path("home")).env("HF_HOME", self.path("hf"));
        command
    }

    /// Runs the executable to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Finished {
        finish(&mut self.command(arguments))
    }

    /// Runs the executable with this standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: impl AsRef<[u8]>) -> Finished {
        let mut command = self.command(arguments);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = piped.spawn().expect("the executable starts");
        let mut stdin = process.stdin.take().expect("piped");
        let input = input.as_ref().to_vec();
        // A process that fails early does not read its input.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = process.wait_with_output().expect("it ends");
        writer.join().expect("the writer does not panic");
        output.into()
    }
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Finished {
    command.output().expect("the executable starts").into()
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
        }
    }
}

impl Finished {
    /// Asserts the exit code, showing everything if it is another.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts an error: exit code, the form of the message, and what it says.
    #[track_caller]
    pub fn expect_error(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.stderr.matches("error: ").count(), 1, "one error, printed once: {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in the message: {self:#?}");
        }
        self.expect_code(code)
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }
}

/// Books in JSON Lines, numbered; each has a title and a description of its own.
pub fn numbered_books(numbers: std::ops::Range<usize>) -> String {
    numbers
        .map(|n| format!("{{\"id\":\"b{n}\",\"title\":\"Book {n}\",\"description\":\"The story of number {n}.\"}}\n"))
        .collect()
}

/// Books that differ enough for meaning to tell them apart.
pub const FEW_BOOKS: &str = "\
id,title,author,year,description
metamorphosis,The Metamorphosis,Franz Kafka,1915,\"A travelling salesman wakes one morning changed into a huge insect, and his family must live with it.\"
moby-dick,Moby-Dick,Herman Melville,1851,\"A captain hunts the white whale that took his leg, across all the oceans and against all reason.\"
origin,On the Origin of Species,Charles Darwin,1859,\"How natural selection, acting on small variations, gives rise to new species of plants and animals.\"
";

/// A user who may not write to the folder. Root may write everywhere, so root becomes nobody first.
/// `None` if that is not possible here.
pub fn unprivileged(sandbox: &Sandbox) -> Option<Command> {
    let mut executable = Command::new(env!("CARGO_BIN_EXE_libellus"));
    let probe = sandbox.path("probe");
    if fs::write(&probe, "").is_err() {
        return Some(executable);
    }
    fs::remove_file(probe).expect("it was written");
    executable = Command::new("setpriv");
    executable.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_libellus")]);
    let mut trial = Command::new("setpriv");
    trial.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_libellus"), "--version"]);
    trial.output().is_ok_and(|output| output.status.success()).then_some(executable)
}

/// A file system with little room; unmounted when dropped.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    /// Mounts so many MB; `None`, with a word on why the test skips, where that is not allowed.
    pub fn mount(at: PathBuf, megabytes: u32) -> Option<Self> {
        fs::create_dir(&at).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(&at);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("skipped: a small file system cannot be mounted here");
        }
        is_mounted.then_some(Self(at))
    }

    /// Has so many MB from now on.
    pub fn resize(&self, megabytes: u32) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,size={megabytes}m")]).arg(&self.0);
        assert!(mount.status().is_ok_and(|status| status.success()), "mount");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing more can be done about it in a test. A server may still have files there: it is gone when they are closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// How many books a catalogue holds; none if it is not there yet.
pub fn books_in(database: &Path) -> u64 {
    use libellus_catalogue::{Access, Catalogue};
    let counted = Catalogue::open(database, Access::ReadOnly).and_then(|catalogue| catalogue.statistics("none"));
    counted.map_or(0, |counts| counts.books)
}

/// Waits until something is true.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal, as `kill` does.
pub fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.id().to_string()).status();
    assert!(sent.expect("kill is there").success(), "SIG{name} was not sent");
}

/// `libellus serve`, once it is ready; killed when dropped.
pub struct Service {
    process: Option<Child>,
    /// `host:port`.
    pub address: String,
    /// Kept open: a service may have more to say.
    _stdout: Lines<BufReader<ChildStdout>>,
}

/// The `host:port` of a line that starts so.
fn address_after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_prefix("http://")?.split_whitespace().next()
}

impl Service {
    pub fn start(command: Command) -> Self {
        Self::start_until(command, "libellus is ready: ")
    }

    /// Waits for the line that starts so, and holds an address.
    pub fn start_until(mut command: Command, start: &str) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut printed = Vec::new();
        for line in lines.by_ref() {
            printed.push(line.expect("UTF-8"));
            if let Some(address) = printed.last().and_then(|line| address_after(line, start)) {
                let address = address.to_owned();
                return Self { address, process: Some(process), _stdout: lines };
            }
        }
        panic!("no `{start}`, but {printed:?}: {:#?}", Finished::from(process.wait_with_output().expect("ends")))
    }

    /// The process, for signals.
    pub fn process(&self) -> &Child {
        self.process.as_ref().expect("it runs until `finish`")
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        self.process.take().expect("it runs until `finish`").wait_with_output().expect("it ends").into()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself.
            let _ = process.kill().and_then(|()| process.wait());
        }
    }
}

/// One HTTP request; status and body.
pub fn get(address: &str, path: &str) -> (u16, String) {
    reply_to(address, &format!("GET {path} HTTP/1.1\r\n"))
}

/// The same for a request line with headers of its own.
pub fn reply_to(address: &str, head: &str) -> (u16, String) {
    reply_with(address, head, "")
}

/// The same with a body.
pub fn reply_with(address: &str, head: &str, body: &str) -> (u16, String) {
    use std::io::Read;
    let mut stream = std::net::TcpStream::connect(address).expect("the service listens");
    write!(stream, "{head}Host: {address}\r\nConnection: close\r\n\r\n{body}").expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("it replies in UTF-8");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}
