//! `libellus health`: whether the service that runs here answers, as an exit code.
//!
//! An image of one file has no `curl` for its HEALTHCHECK, so the executable asks itself: one request over a plain
//! socket. Whatever answers is outside input: it may be slow, endless or no HTTP at all.

use crate::error::Error;
use crate::outcome::Outcome;
use crate::output;
use crate::settings::{self, Environment};
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  libellus health                          is `libellus serve` alive on this machine?
  libellus health --ready                  can it answer searches, too?
  libellus health --url http://books.lan:8080 --timeout 5

The exit code is 0 if it answers that all is well; otherwise it is 1, and the error says why. In an
image: HEALTHCHECK CMD [\"/libellus\", \"health\"].";

/// How much of an answer is read; those of `/health` and `/ready` are far shorter.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024;

/// How much of an answer is shown.
const SHOWN_CHARS: usize = 300;

/// What can be typed after `health`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the service listens [default: where `serve` would, so PORT, or else http://127.0.0.1:5001]
    #[arg(long, value_name = "URL")]
    url: Option<Address>,
    /// Ask whether it can answer searches, not only whether it is alive
    #[arg(long)]
    ready: bool,
    /// How long it may take to answer
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    timeout: Duration,
}

/// Asks once.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let address = match &args.url {
        Some(address) => address.clone(),
        None => Address::of_this_machine(&settings::Address::resolve(None, None, &Environment::of_process())?),
    };
    let url = format!("http://{address}{}", if args.ready { "/ready" } else { "/health" });
    let answer = ask(&address, &url, args.timeout)?;
    if answer.status != 200 {
        return Err(Error::Unhealthy { url, status: answer.status, body: answer.body });
    }
    output::print(&format!("{url} answers 200\n")).map(|()| Outcome::Done)
}

/// Host and port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Address {
    /// Where a service of this machine is reached: one that listens on every address, on the loopback one.
    fn of_this_machine(listening: &settings::Address) -> Self {
        let host = &listening.host.value;
        let host = match host.parse() {
            Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.to_string(),
            _ => host.clone(),
        };
        Self { host, port: listening.port.value }
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads `http://HOST[:PORT][/]`.
    fn from_str(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or("it has to start with `http://`")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("`{port}` is not a port number"))?)
            }
            _ => (authority, 80),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = bare.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c));
        if bare.is_empty() || !is_name || (bare == host && host.contains(':')) {
            return Err("it has to be `http://HOST:PORT`, without a path".to_owned());
        }
        Ok(Self { host: bare.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it has to be a number of seconds from 0.001 to 3600".to_owned())
}

/// What a service said.
struct Answer {
    status: u16,
    /// What it is worth showing of the body.
    body: String,
}

/// Asks `url` at `address`. The time limit is for everything together: no trickle of bytes prolongs it.
fn ask(address: &Address, url: &str, timeout: Duration) -> Result<Answer, Error> {
    let deadline = Instant::now() + timeout;
    let late = || Error::NoAnswer { url: url.to_owned(), timeout };
    let unreachable = |source: io::Error| match is_timeout(&source) {
        true => late(),
        false => Error::Unreachable { url: url.to_owned(), source },
    };
    let mut stream = connect(address, deadline).map_err(unreachable)?;
    let path = url.rfind('/').map_or(url, |slash| &url[slash..]);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let sent = time_left(deadline)
        .and_then(|left| stream.set_write_timeout(Some(left)))
        .and_then(|()| stream.write_all(request.as_bytes()));
    sent.map_err(unreachable)?;

    let mut received = Vec::new();
    let ended = read_answer(&mut stream, &mut received, deadline);
    match (parse(&received), ended) {
        (Some(answer), _) => Ok(answer),
        (None, Err(source)) => Err(unreachable(source)),
        (None, Ok(())) => Err(Error::NotHttp { url: url.to_owned(), answer: shown(&received) }),
    }
}

/// Tries every address that the host name has.
fn connect(address: &Address, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, "the host name has no address");
    for address in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, time_left(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Reads until the end, or until there is enough: a service may keep the connection open in spite of what it was asked.
fn read_answer(stream: &mut TcpStream, received: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while received.len() < ANSWER_LIMIT_BYTES && parse(received).is_none_or(|answer| answer.status != 200) {
        stream.set_read_timeout(Some(time_left(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The status, once the first line is complete, and as much of a body as has come; nothing if this is not HTTP.
fn parse(received: &[u8]) -> Option<Answer> {
    let line_end = received.windows(2).position(|pair| pair == b"\r\n")?;
    let line = received[..line_end].strip_prefix(b"HTTP/1.")?;
    let &[_version, b' ', ref rest @ ..] = line else { return None };
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let head_end = received.windows(4).position(|four| four == b"\r\n\r\n");
    Some(Answer { status, body: head_end.map_or_else(String::new, |end| shown(&received[end + 4..])) })
}

/// Some of what came, as one line that a terminal shows and does not obey.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The time that is left; an error once there is none, as a socket takes no limit of zero.
fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket that runs out of time says either.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_urls() {
        for (url, host, port, shown) in [
            ("http://127.0.0.1:5001", "127.0.0.1", 5001, "127.0.0.1:5001"),
            ("http://localhost:8080/", "localhost", 8080, "localhost:8080"),
            ("http://books.example", "books.example", 80, "books.example:80"),
            ("http://[::1]:5001", "::1", 5001, "[::1]:5001"),
            ("http://[::1]", "::1", 80, "[::1]:80"),
        ] {
            let address: Address = url.parse().expect(url);
            assert_eq!((address.host.as_str(), address.port), (host, port), "{url}");
            assert_eq!(address.to_string(), shown, "{url}");
        }
        for url in [
            "",
            "127.0.0.1:5001",
            "https://books.example",
            "http://",
            "http://:80",
            "http://::1",
            "http://a:b",
            "http://a:99999",
            "http://a/health",
            "http://a\r\nX: y",
            "http://user@a",
            "http://[",
            "http://]:1",
        ] {
            assert!(url.parse::<Address>().is_err(), "{url:?}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_at_home() {
        for (host, expected) in
            [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.1", "127.0.0.1"), ("books.lan", "books.lan")]
        {
            let listening = settings::Address::resolve(Some(host), None, &Environment::of(&[])).expect("good");
            assert_eq!(Address::of_this_machine(&listening).host, expected);
        }
    }

    #[test]
    fn answers_are_read_with_care() {
        for (received, status, body) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], 200, ""),
            (b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\n{\"ready\":\nfalse}\n", 503, "{\"ready\": false}"),
            (b"HTTP/1.1 404\r\n\r\n\x1b[2Jbad\xff", 404, " [2Jbad\u{fffd}"),
        ] {
            let answer = parse(received).expect("an answer");
            assert_eq!((answer.status, answer.body.as_str()), (status, body), "{received:?}");
        }
        for received in [
            &b""[..],
            b"HTTP/1.1 200 OK",
            b"HTTP/1.1\r\n",
            b"HTTP/1.1 20\r\n",
            b"HTTP/1.1 2x0 OK\r\n",
            b"HTTP/2 200\r\n",
            b"SSH-2.0-OpenSSH\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"HTTP/1.\r\n",
            b"HTTP/1.1 \r\n",
        ] {
            assert!(parse(received).is_none(), "{received:?}");
        }
    }

    #[test]
    fn time_limits_are_sensible() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["", "0", "-1", "NaN", "inf", "1e9", "two"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
