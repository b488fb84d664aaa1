//! The shipped executable in a root directory that holds nothing else, on a network of its own.
//!
//! No C library, no `nsswitch.conf`, at most the `hosts` and `resolv.conf` that a container engine brings: it has to
//! work there, and to find names.

use crate::run::{capture, command, run, succeeds};
use crate::{Failure, dist, target, tools};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// The chore that runs on the network of its own.
pub const INSIDE: &str = "alone-inside";

const RESOLV_CONF: &str = "nameserver 127.0.0.1\n";
const HOSTS: &str = "127.0.0.9 in-hosts\n::1 in-hosts-6\n";
const UNKNOWN: &str = "nor a name that leads to one";

/// A name, the files that are there, and the address that it leads to, if any.
struct Case {
    name: &'static str,
    hosts: bool,
    resolv_conf: bool,
    address: Option<&'static str>,
}

const fn case(name: &'static str, hosts: bool, resolv_conf: bool, address: Option<&'static str>) -> Case {
    Case { name, hosts, resolv_conf, address }
}

const CASES: &[Case] = &[
    case("in-hosts", true, true, Some("127.0.0.9")),
    case("in-hosts-6", true, true, Some("[::1]")),
    case("in-hosts", true, false, Some("127.0.0.9")),
    case("in-dns", true, true, Some("127.0.0.5")),
    case("in-dns", false, true, Some("127.0.0.5")),
    case("in-dns-6", true, true, Some("[::1]")),
    case("unknown.example", true, true, None),
    case("in-hosts", false, true, None),
    // Without `resolv.conf`, this machine is asked, as its manual says: the test's own server answers.
    case("in-dns", false, false, Some("127.0.0.5")),
    case("localhost", false, false, None),
];

/// Builds the executable, and checks it there.
pub fn check() -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        println!("skipped: this needs Linux");
        return Ok(());
    }
    let executable = dist::build_for_host()?;
    tools::require(&tools::IP)?;
    let mut unshare = vec!["--net"];
    if !tools::is_root() {
        unshare.push("--map-root-user");
    }
    if !succeeds(command("unshare", &unshare).arg("true")) {
        println!("skipped: this system does not let us make a network of our own (run it as root)");
        return Ok(());
    }
    let root = target().join("alone");
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let result = run(command("unshare", &unshare).arg(itself).arg(INSIDE).arg(&executable).arg(&root));
    // It lies in `target` in any case.
    let _ = fs::remove_dir_all(&root);
    result
}

/// The part of [`check`] that runs on the network of its own.
pub fn inside(executable: &Path, root: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| format!("cannot prepare `{}`: {error}", root.display());
    let _ = fs::remove_dir_all(root);
    fs::create_dir_all(root.join("etc")).map_err(failed)?;
    fs::copy(executable, root.join("libellus")).map_err(failed)?;
    fs::write(root.join("books.csv"), "title,description\nMoby-Dick,A captain hunts the white whale.\n")
        .map_err(failed)?;
    run(&mut command("ip", &["link", "set", "lo", "up"]))?;

    let alone = |arguments: &[&str]| {
        let mut libellus = command("chroot", &[]);
        libellus.arg(root).arg("/libellus").args(arguments);
        libellus
    };
    run(&mut alone(&["import", "--db", "/books.db", "/books.csv"]))?;
    for question in [&["revenge at sea"][..], &["--mode", "keyword", "whale"]] {
        let found = capture(alone(&["search", "--db", "/books.db"]).args(question))?;
        if !found.contains("Moby-Dick") {
            return Err(format!("the only book there is was not found, but this: {found}"));
        }
    }

    serve_names().map_err(|error| format!("cannot answer DNS on 127.0.0.1: {error}"))?;
    for case in CASES {
        for (name, content, wanted) in [("hosts", HOSTS, case.hosts), ("resolv.conf", RESOLV_CONF, case.resolv_conf)] {
            let path: PathBuf = root.join("etc").join(name);
            let _ = fs::remove_file(&path);
            if wanted {
                fs::write(&path, content).map_err(failed)?;
            }
        }
        let mut serve = alone(&["serve", "--db", "/books.db", "--port", "5001", "--host", case.name]);
        serve.env_remove("DATABASE_URL");
        let outcome = first_line(&mut serve)?;
        let right = match case.address {
            Some(address) => outcome.starts_with(&format!("libellus is ready: http://{address}:5001")),
            None => outcome.starts_with("error: ") && outcome.contains(UNKNOWN),
        };
        let files = match (case.hosts, case.resolv_conf) {
            (true, true) => "hosts and resolv.conf",
            (true, false) => "only hosts",
            (false, true) => "only resolv.conf",
            (false, false) => "neither",
        };
        println!("{:<16} {files:<22} {outcome}", case.name);
        if !right {
            let expected = case.address.unwrap_or("an error");
            return Err(format!("`{}` with {files} should lead to {expected}, but: {outcome}", case.name));
        }
    }
    for (name, expected) in [("in-dns", "cannot reach the PostgreSQL server"), ("unknown.example", "is not known")] {
        fs::write(root.join("etc/resolv.conf"), RESOLV_CONF).map_err(failed)?;
        let mut serve = alone(&["serve"]);
        // No server listens there: that this is what is said shows that the name was found.
        let outcome = first_line(serve.env("DATABASE_URL", format!("postgresql://reader@{name}:5432/books")))?;
        println!("{name:<16} {:<22} {outcome}", "in DATABASE_URL");
        if !outcome.starts_with("error: ") || !outcome.contains(expected) {
            return Err(format!("`{name}` in DATABASE_URL should give an error with `{expected}`, but: {outcome}"));
        }
    }
    Ok(())
}

/// The line that says that the service is ready, or its error.
fn first_line(serve: &mut Command) -> Result<String, Failure> {
    let started = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = started.map_err(|error| format!("the executable could not be started: {error}"))?;
    let stdout = process.stdout.take().ok_or("no standard output")?;
    let ready = BufReader::new(stdout).lines().map_while(Result::ok).find(|line| line.contains("is ready"));
    // It may have ended by itself.
    let _ = process.kill();
    let output = process.wait_with_output().map_err(|error| error.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(ready.or_else(|| errors.lines().find(|line| line.starts_with("error: ")).map(str::to_owned)).unwrap_or(errors))
}

/// Answers DNS on this network: `in-dns` is 127.0.0.5, `in-dns-6` is ::1, and no other name exists.
fn serve_names() -> std::io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:53")?;
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut query) {
            if let Some(reply) = reply(&query[..len]) {
                // A client that is gone asks again, or does not care.
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    Ok(())
}

/// RFC 1035: a header of 12 bytes, the question (labels, a zero, type, class), and at most one answer.
fn reply(query: &[u8]) -> Option<Vec<u8>> {
    const A: u8 = 1;
    const AAAA: u8 = 28;
    let labels = query.get(12..)?.iter().position(|&byte| byte == 0)?;
    let question = query.get(12..12 + labels + 5)?;
    let (name, kind) = (&question[..labels], question[labels + 2]);
    let answer: Option<Vec<u8>> = match (name, kind) {
        (b"\x06in-dns", A) => Some(vec![127, 0, 0, 5]),
        (b"\x08in-dns-6", AAAA) => Some([&[0; 15][..], &[1]].concat()),
        _ => None,
    };
    let known = matches!(name, b"\x06in-dns" | b"\x08in-dns-6");
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, if known { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0]);
    reply.extend(question);
    if let Some(address) = answer {
        // The name is that of the question; class IN, to be kept for a minute.
        reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, address.len() as u8]);
        reply.extend(address);
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_answered_as_the_protocol_says() {
        let query = |name: &[u8], kind: u8| [&[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0, 0, kind, 0, 1]].concat();
        let known = reply(&query(b"\x06in-dns", 1)).expect("a reply");
        assert!(known.starts_with(&[7, 7, 0x81, 0x80, 0, 1, 0, 1]) && known.ends_with(&[0, 4, 127, 0, 0, 5]));
        let other_kind = reply(&query(b"\x06in-dns", 28)).expect("a reply");
        assert!(other_kind.starts_with(&[7, 7, 0x81, 0x80, 0, 1, 0, 0]), "no answer, but no error");
        let unknown = reply(&query(b"\x05other", 1)).expect("a reply");
        assert_eq!(unknown[3] & 0xf, 3, "NXDOMAIN");
        assert_eq!(reply(b"short"), None);
    }
}
