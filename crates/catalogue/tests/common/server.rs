//! Real database servers for the tests, each in a folder of its own and stopped when the test ends.
//!
//! Variables say where the programs are; `cargo xtask test` sets them. Without them the tests say that they skip.
#![allow(dead_code, reason = "each test file uses a part of it")]

use libellus_catalogue::Location;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder with the programs of PostgreSQL, any version, with or without pgvector.
pub const POSTGRES: &str = "LIBELLUS_TEST_POSTGRES_BIN";
/// The same with pgvector.
pub const PGVECTOR: &str = "LIBELLUS_TEST_PGVECTOR_BIN";
/// The program PgBouncer.
pub const PGBOUNCER: &str = "LIBELLUS_TEST_PGBOUNCER";

/// Where programs are, or a word on why the test skips.
pub fn programs(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {variable} does not say where the programs are");
    }
    path
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// PostgreSQL and PgBouncer do not run as root: then they run as Debian's user for them.
fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == 0)
}

/// Lets the server's user write to a folder.
pub fn give_to_postgres(path: &Path) {
    if is_root() {
        let status = Command::new("chown").args(["-R", "postgres"]).arg(path).status().expect("chown runs");
        assert!(status.success());
    }
}

/// Waits for something that takes a moment.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < give_up, "{what}: not after a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A running PostgreSQL server whose superuser is `postgres`.
pub struct Server {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Child>,
}

impl Server {
    /// A new server with the programs that a variable names; `None` if it names none.
    pub fn start(variable: &str) -> Option<Self> {
        Some(Self::new(&programs(variable)?))
    }

    /// A new server with these programs.
    pub fn new(bin: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        give_to_postgres(folder.path());
        let mut server =
            Self { bin: reachable(bin, folder.path()), folder, port: free_port(), settings: Vec::new(), process: None };
        let options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        let output =
            command(&server.bin.join("initdb")).args(options).arg(server.data()).output().expect("initdb runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server.run();
        server
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Puts a file for the server into its folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
        give_to_postgres(&path);
        path
    }

    /// Starts it (again).
    pub fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.expect("a log");
        let mut postgres = command(&self.bin.join("postgres"));
        postgres.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=40", "shared_buffers=32MB"] {
            postgres.args(["-c", setting]);
        }
        for setting in &self.settings {
            postgres.args(["-c", setting]);
        }
        let process = postgres.stdout(Stdio::null()).stderr(log).spawn().expect("starts");
        self.process = Some(process);
        wait_until("the server answers", || {
            if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().expect("asks")) {
                panic!("the server ended with {status}: {}", self.log());
            }
            self.psql_command("postgres", "SELECT 1").output().is_ok_and(|output| output.status.success())
        });
    }

    /// Stops it as an administrator who is in a hurry does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let kill = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
            assert!(kill.is_ok_and(|status| status.success()), "kill");
            process.wait().expect("ends");
        }
    }

    /// Has these settings, `name=value`, from the next start on.
    pub fn set(&mut self, settings: &[String]) {
        self.settings = settings.to_vec();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL as the superuser, and returns what it prints.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = self.psql_command(database, sql).output().expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// `psql`, over the socket.
    pub fn psql_command(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]);
        psql.args(["-p", &self.port.to_string(), "-h"]).arg(self.folder.path());
        psql
    }

    /// A database as SQL, by `pg_dump` with these options. What differs between two dumps of one state is left out.
    pub fn dump(&self, database: &str, options: &[&str]) -> String {
        let mut dump = Command::new(self.bin.join("pg_dump"));
        dump.args(["-U", "postgres", "-d", database, "-p", &self.port.to_string(), "-h"]).arg(self.folder.path());
        let output = dump.args(options).output().expect("pg_dump runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let dump = String::from_utf8_lossy(&output.stdout).into_owned();
        // A word against injection, new in each dump of newer versions.
        let is_kept = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        dump.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
    }

    /// A new, empty database.
    pub fn database(&self, name: &str) -> Location {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.location("postgres", name, "")
    }

    /// Where a role finds a database over TCP; `query` without its question mark.
    pub fn location(&self, credentials: &str, database: &str, query: &str) -> Location {
        let url = format!("postgresql://{credentials}@127.0.0.1:{}/{database}?{query}", self.port);
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }
}

/// The programs where the server's user can read them, for not everyone may look into a home: as they are, or a copy of
/// the Python package that they are in.
fn reachable(bin: &Path, folder: &Path) -> PathBuf {
    let probe = command(&bin.join("initdb")).arg("--version").output();
    if probe.is_ok_and(|output| output.status.success()) {
        return bin.to_owned();
    }
    // PACKAGES/pgserver/pginstall/bin, with the libraries in PACKAGES/pgserver.libs.
    let packages = bin.ancestors().nth(3).expect("programs are in a package");
    for part in ["pgserver", "pgserver.libs"] {
        let status = Command::new("cp").arg("-r").arg(packages.join(part)).arg(folder).status();
        assert!(status.is_ok_and(|status| status.success()), "cp {part}");
    }
    give_to_postgres(folder);
    folder.join("pgserver/pginstall/bin")
}

/// A running PgBouncer in front of a server, which lends a connection for a transaction.
pub struct Pooler {
    folder: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Pooler {
    pub fn start(program: &Path, server: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        // With `any`, all clients are one role to the server, and none is asked for a password.
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\n\
             listen_port={port}\nunix_socket_dir=\npool_mode=transaction\ndefault_pool_size=2\nauth_type=any\n\
             logfile={}/log\n",
            server.port,
            folder.path().display()
        );
        std::fs::write(folder.path().join("pgbouncer.ini"), config).expect("writes");
        give_to_postgres(folder.path());
        let process = command(program)
            .arg("-q")
            .arg(folder.path().join("pgbouncer.ini"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        wait_until("the pooler answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { folder, port, process }
    }

    pub fn location(&self, database: &str) -> Location {
        format!("postgresql://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port).parse().expect("an address")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// Runs a program and returns what it prints.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("runs");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority, and a certificate that it signed for `localhost`; one that nobody signed; made by `openssl`.
pub fn certificates(folder: &Path) {
    let sh = |script: &str| drop(run("sh", &["-ec", script], folder));
    sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
        -keyout ca.key -out ca.pem");
    sh(
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr",
    );
    sh("printf 'subjectAltName=DNS:localhost\\n' > names");
    sh(
        "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    sh("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=alone -addext subjectAltName=DNS:localhost \
        -keyout alone.key -out alone.pem");
}
