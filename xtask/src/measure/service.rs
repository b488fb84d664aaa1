//! A `libellus serve` to measure, and just enough HTTP to ask it.

use super::function::Running;
use crate::Failure;
use crate::run::command;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// How often a connection is tried that is not accepted yet.
const RETRY: Duration = Duration::from_micros(100);
/// How long a service may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time from starting the process to its first answer, which must hold `part`.
pub fn start_ms(executable: &Path, catalogue: &Path, path: &str, part: &str) -> Result<f64, Failure> {
    let start = Instant::now();
    let service = Service::start(executable, catalogue)?;
    let body = service.connect().and_then(|stream| ask(&mut BufReader::new(stream), path));
    let elapsed = start.elapsed();
    match body {
        Ok(body) if body.contains(part) => Ok(elapsed.as_secs_f64() * 1000.0),
        Ok(body) => Err(format!("`{path}` answers without `{part}`: {body}")),
        Err(error) => Err(format!("`{path}` is not answered: {error}")),
    }
}

/// A service that was started, and may not listen yet. Ended when dropped.
pub struct Service {
    process: Running,
    address: String,
}

impl Service {
    pub fn start(executable: &Path, catalogue: &Path) -> Result<Self, Failure> {
        let port = free_port().map_err(|error| format!("there is no free port: {error}"))?.to_string();
        let mut serve = command(executable, &["serve", "--host", "127.0.0.1", "--port", &port, "--db"]);
        serve.arg(catalogue).stdout(Stdio::null()).stderr(Stdio::null());
        let process = serve.spawn().map_err(|error| format!("cannot start `{}`: {error}", executable.display()))?;
        Ok(Self { process: Running(process), address: format!("127.0.0.1:{port}") })
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Searches for each query, over one connection.
    pub fn ask_all<'a>(&self, queries: impl Iterator<Item = &'a String>) -> Result<(), Failure> {
        let failed = |error| format!("a search is not answered: {error}");
        let mut connection = BufReader::new(self.connect().map_err(failed)?);
        for query in queries {
            ask(&mut connection, &format!("/api/search?q={}", escaped(query))).map_err(failed)?;
        }
        Ok(())
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let start = Instant::now();
        loop {
            match TcpStream::connect(&self.address) {
                Err(_) if start.elapsed() < PATIENCE => thread::sleep(RETRY),
                connected => return connected,
            }
        }
    }
}

/// A port that nothing listens at just now.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The body of the answer, which must be a good one.
fn ask(connection: &mut BufReader<TcpStream>, path: &str) -> io::Result<String> {
    connection.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: libellus\r\n\r\n").as_bytes())?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = String::new();
    connection.take(length.unwrap_or(0)).read_to_string(&mut body)?;
    if head.starts_with("HTTP/1.1 200 ") { Ok(body) } else { Err(io::Error::other(format!("{head}{body}"))) }
}

/// `text` as the value of a query parameter.
pub fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}
