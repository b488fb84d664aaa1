//! A stand-in of the Hugging Face hub: a small server that answers as the hub does, or as badly as a test wants.

use super::support::Sandbox;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

/// The commit that every model here is at.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request that came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub target: String,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte that is asked for.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        range.map_or(0, |from| from.parse().expect("a number"))
    }
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Break the connection after so many bytes of the body.
    pub cut: Option<usize>,
    /// Keep silent after that, instead of breaking it.
    pub hang: bool,
    /// Something that is not HTTP at all.
    pub raw: Option<&'static str>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server on a port of its own, for as long as the test runs.
pub struct Server {
    pub port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Server {
    /// Answers with what `answer` says; it is also told how many requests came before.
    pub fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_over(|stream| Some(Box::new(stream)), answer)
    }

    /// The same in TLS, with a certificate and its key.
    pub fn start_tls(
        certificate: &Path,
        key: &Path,
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certificates = CertificateDer::pem_file_iter(certificate).expect("it is there");
        let certificates = certificates.collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_no_client_auth();
        let config = Arc::new(builder.with_single_cert(certificates, key).expect("they belong together"));
        let accept = move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            Some(Box::new(StreamOwned::new(connection, stream)) as Box<dyn Stream>)
        };
        Self::start_over(accept, answer)
    }

    fn start_over(
        accept: impl Fn(TcpStream) -> Option<Box<dyn Stream>> + Send + Sync + 'static,
        answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (requests, accept, answer) = (Arc::clone(&log), Arc::new(accept), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (requests, accept, answer) = (Arc::clone(&requests), Arc::clone(&accept), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(mut stream) = accept(stream) else { return };
                    let Some(request) = read_request(&mut stream) else { return };
                    let before = {
                        let mut requests = requests.lock().expect("no panic");
                        requests.push(request.clone());
                        requests.len() - 1
                    };
                    // A client may go away at any time.
                    let _ = write_reply(&mut stream, &answer(&request, before));
                });
            }
        });
        Self { port, log }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("no panic").clone()
    }

    /// Those for a file.
    pub fn requests_for(&self, file: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.target.ends_with(file)).collect()
    }
}

fn read_request(stream: &mut dyn Read) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut request = Request { target: first.split(' ').nth(1)?.to_owned(), ..Request::default() };
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(request)
}

fn write_reply(stream: &mut dyn Write, reply: &Reply) -> std::io::Result<()> {
    if let Some(raw) = reply.raw {
        return stream.write_all(raw.as_bytes()).and_then(|()| stream.flush());
    }
    write!(stream, "HTTP/1.1 {} X\r\nContent-Length: {}\r\n", reply.status, reply.body.len())?;
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "Connection: close\r\n\r\n")?;
    let cut = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
    stream.write_all(&reply.body[..cut])?;
    stream.flush()?;
    if reply.hang {
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// A model on the hub.
#[derive(Clone)]
pub struct HubModel {
    pub name: String,
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl HubModel {
    /// A model of a directory.
    pub fn of(name: &str, directory: &Path) -> Self {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let own = entry.file_name().into_string().expect("UTF-8");
            if entry.path().is_dir() {
                for inner in fs::read_dir(entry.path()).expect("a directory").flatten() {
                    let inner_name = inner.file_name().into_string().expect("UTF-8");
                    files.insert(format!("{own}/{inner_name}"), fs::read(inner.path()).expect("reads"));
                }
            } else {
                files.insert(own, fs::read(entry.path()).expect("reads"));
            }
        }
        Self { name: name.to_owned(), commit: COMMIT.to_owned(), files }
    }

    /// What the API says about the model.
    pub fn list(&self) -> String {
        let siblings: Vec<serde_json::Value> =
            self.files.iter().map(|(name, content)| sibling(name, content)).collect();
        serde_json::json!({ "id": self.name, "sha": self.commit, "siblings": siblings }).to_string()
    }

    /// As the hub answers: the list, and the files, each from the byte that is asked for.
    pub fn answer(&self, request: &Request) -> Reply {
        let list = format!("/api/models/{}/revision/", self.name);
        if request.target.starts_with(&list) {
            return Reply::new(200, self.list());
        }
        let files = format!("/{}/resolve/{}/", self.name, self.commit);
        match request.target.strip_prefix(&files).and_then(|name| self.files.get(name)) {
            Some(content) => self.part(content, request),
            None => Reply::new(404, "Entry not found"),
        }
    }

    /// A file's bytes, from the one that is asked for.
    pub fn part(&self, content: &[u8], request: &Request) -> Reply {
        match request.from() {
            0 => Reply::new(200, content),
            from if from >= content.len() => Reply::new(416, ""),
            from => Reply::new(206, &content[from..])
                .header("Content-Range", format!("bytes {from}-{}/{}", content.len() - 1, content.len())),
        }
    }
}

/// A file in the API's list: large ones with SHA-256, small ones with Git's hash.
fn sibling(name: &str, content: &[u8]) -> serde_json::Value {
    let blob = [format!("blob {}\0", content.len()).as_bytes(), content].concat();
    let git = hex(digest(&SHA1_FOR_LEGACY_USE_ONLY, &blob).as_ref());
    let mut sibling = serde_json::json!({ "rfilename": name, "size": content.len(), "blobId": git });
    if name.ends_with(".safetensors") {
        // The blob in Git is a pointer to the file then.
        sibling["blobId"] = "0".repeat(40).into();
        sibling["lfs"] = serde_json::json!({ "sha256": sha256(content), "size": content.len(), "pointerSize": 134 });
    }
    sibling
}

pub fn sha256(content: &[u8]) -> String {
    hex(digest(&SHA256, content).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `libellus model pull` from a hub.
pub fn pull(sandbox: &Sandbox, hub: &Server, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(&[&["model", "pull"], arguments].concat());
    command.env("HF_ENDPOINT", hub.url());
    command
}
