//! What the hub says about a model, and its files: redirects, retries, and connections that break.
//!
//! The token goes to the hub alone, never to another host that it redirects to. The files are asked for at the commit
//! that the list of them was made at, so that all belong together.

use crate::connection::Connections;
use crate::digest::Expected;
use crate::error::Cause;
use crate::name::{is_wanted, leads_out};
use crate::{Error, HubOptions, ModelName};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response, Uri};
use serde::Deserialize;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

/// The list of a model's files is no longer than this.
const LIST_LIMIT_BYTES: usize = 8 << 20;
/// No file of a model of this kind is longer than this, whatever is said of it.
const FILE_LIMIT_BYTES: u64 = 16 << 30;
/// How many redirects in a row are followed.
const REDIRECTS: usize = 10;
/// How often something is tried without getting any further.
const ATTEMPTS: u32 = 5;
/// The pause after the first attempt; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A hub that is busy may ask for a pause, but not for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a wish to stop may go unnoticed.
const NAP: Duration = Duration::from_millis(100);

const LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");

/// One model on the hub.
pub(crate) struct Hub<'a> {
    pub options: &'a HubOptions,
    pub name: &'a ModelName,
    pub connections: Connections,
    /// Whether a stop was asked for.
    pub stopped: &'a dyn Fn() -> bool,
}

/// A model at one commit.
#[derive(Debug)]
pub(crate) struct Listing {
    pub commit: String,
    /// Those that are wanted, the small ones first.
    pub files: Vec<HubFile>,
}

/// A file of a model.
#[derive(Clone, Debug)]
pub(crate) struct HubFile {
    pub name: String,
    pub size: Option<u64>,
    pub expected: Option<Expected>,
}

/// What the hub's API says about a model; what else it says is passed over.
#[derive(Deserialize)]
struct Reply {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// What did not work, and whether it is worth another try.
enum Failure {
    Final(Error),
    Passing { error: Error, pause: Option<Duration> },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Final(error)
    }
}

impl Failure {
    fn passing(error: Error) -> Self {
        Failure::Passing { error, pause: None }
    }
}

/// An answer, and what was said about the file on the way to it.
struct Answer {
    response: Response<Incoming>,
    size: Option<u64>,
    expected: Option<Expected>,
}

impl Hub<'_> {
    /// Which files the model has at a revision.
    pub async fn list(&self, revision: &str) -> Result<Listing, Error> {
        let path = format!("/api/models/{}/revision/{}?blobs=true", self.name, revision.replace('/', "%2F"));
        let mut attempts = 0;
        let bytes = loop {
            attempts += 1;
            match self.read_whole(&path).await {
                Ok(bytes) => break bytes,
                // Who cannot be reached now is not there; that is no matter of patience.
                Err(Failure::Final(error) | Failure::Passing { error: error @ Error::Unreachable { .. }, .. }) => {
                    return Err(self.named(error, revision));
                }
                Err(Failure::Passing { error, .. }) if attempts >= ATTEMPTS => return Err(error),
                Err(Failure::Passing { pause, .. }) => self.pause(attempts, pause).await?,
            }
        };
        self.listing(&bytes)
    }

    /// 404 of the list means that there is no such model.
    fn named(&self, error: Error, revision: &str) -> Error {
        match error {
            Error::Status { status: 404, .. } => Error::NotFound {
                host: self.options.host(),
                name: self.name.to_string(),
                revision: revision.to_owned(),
            },
            error => error,
        }
    }

    fn listing(&self, bytes: &[u8]) -> Result<Listing, Error> {
        let not_a_hub = |found: String| Error::NotAHub { host: self.options.host(), found };
        let reply: Reply =
            serde_json::from_slice(bytes).map_err(|error| not_a_hub(format!("no list of files came ({error})")))?;
        if reply.sha.len() != 40 || !reply.sha.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(not_a_hub("the list of files has no commit".to_owned()));
        }
        if let Some(sibling) = reply.siblings.iter().find(|sibling| leads_out(&sibling.rfilename)) {
            return Err(Error::UnsafeFile { name: self.name.to_string(), file: sibling.rfilename.clone() });
        }
        let wanted = reply.siblings.into_iter().filter(|sibling| is_wanted(&sibling.rfilename));
        let mut files: Vec<HubFile> = wanted.map(HubFile::from).collect();
        files.sort_by_key(|file| (file.name == crate::name::WEIGHTS, file.size));
        Ok(Listing { commit: reply.sha, files })
    }

    /// Fetches a file to `path`, going on with what is there; `received` is told how many bytes are there.
    ///
    /// Until it is whole it is called `….part`, so that nothing takes it for the file.
    pub async fn fetch(&self, file: &HubFile, commit: &str, path: &Path, received: &dyn Fn(u64)) -> Result<(), Error> {
        if path.exists() && file.expected.as_ref().is_some_and(|expected| expected.check(&file.name, path).is_ok()) {
            received(size_of(path));
            return Ok(());
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        self.fetch_part(file, commit, &part, received).await?;
        fs::rename(&part, path).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    async fn fetch_part(&self, file: &HubFile, commit: &str, path: &Path, received: &dyn Fn(u64)) -> Result<(), Error> {
        let address = format!("/{}/resolve/{commit}/{}", self.name, file.name);
        let (mut attempts, mut damaged, mut furthest) = (0, false, size_of(path));
        let mut file = file.clone();
        loop {
            let before = size_of(path);
            let complete = file.size.is_some_and(|size| size == before) && file.expected.is_some();
            let failure =
                if complete { None } else { self.receive(&mut file, &address, path, before, received).await.err() };
            let checked = match failure {
                None => self.check(&file, path),
                Some(Failure::Final(error)) => return Err(error),
                Some(Failure::Passing { error, pause }) => {
                    // What was there once, and was thrown away, is no progress when it comes again.
                    attempts = if size_of(path) > furthest { 1 } else { attempts + 1 };
                    furthest = furthest.max(size_of(path));
                    if attempts >= ATTEMPTS {
                        return Err(self.given_up(error, attempts));
                    }
                    self.pause(attempts, pause).await?;
                    continue;
                }
            };
            match checked {
                // What was damaged on the way, or when it was broken off, may come whole the next time.
                Err(Error::WrongHash { .. }) if !damaged => (damaged, furthest) = (true, 0),
                checked => {
                    if checked.is_err() {
                        remove(path)?;
                    }
                    return checked;
                }
            }
            remove(path)?;
        }
    }

    fn check(&self, file: &HubFile, path: &Path) -> Result<(), Error> {
        match &file.expected {
            Some(expected) => expected.check(&file.name, path),
            None => Err(Error::NotAHub {
                host: self.options.host(),
                found: format!("it does not say which bytes `{}` has, so they cannot be checked", file.name),
            }),
        }
    }

    fn given_up(&self, error: Error, attempts: u32) -> Error {
        match error {
            error @ Error::Status { .. } => error,
            Error::Unreachable { host, source, .. } => Error::Broken { host, attempts, source },
            error => Error::Broken { host: self.options.host(), attempts, source: error.into() },
        }
    }

    /// Receives what is missing of a file.
    async fn receive(
        &self,
        file: &mut HubFile,
        address: &str,
        path: &Path,
        have: u64,
        received: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let answer = match self.request(address, have).await {
            // Nothing comes after these bytes, or none that belongs to them, and without a size nobody knows which: from
            // the first byte on the file comes with it.
            Err(Failure::Passing { error: error @ Error::Status { status: 416, .. }, pause }) if have > 0 => {
                remove(path)?;
                return Err(Failure::Passing { error, pause });
            }
            answer => answer?,
        };
        file.size = file.size.or(answer.size);
        file.expected = file.expected.take().or(answer.expected);
        let partial = answer.response.status().as_u16() == 206;
        if partial && range_start(answer.response.headers()) != Some(have) {
            remove(path)?;
            let found = format!("another part of `{}` than was asked for", file.name);
            return Err(Failure::passing(Error::NotAHub { host: self.options.host(), found }));
        }
        let mut at = if partial { have } else { 0 };
        let limit = file.size.unwrap_or(FILE_LIMIT_BYTES);
        let cannot_write = |source| Error::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.create(true).append(partial).write(true).truncate(!partial);
        let mut output = options.open(path).map_err(cannot_write)?;
        let mut body = answer.response.into_body();
        received(at);
        while let Some(frame) = self.patiently(body.frame()).await? {
            let frame = frame.map_err(|error| Failure::passing(self.broken(error.into())))?;
            let Ok(data) = frame.into_data() else { continue };
            at += data.len() as u64;
            if at > limit {
                remove(path)?;
                return Err(Error::TooLong { file: file.name.clone(), limit }.into());
            }
            output.write_all(&data).map_err(cannot_write)?;
            received(at);
        }
        output.sync_all().map_err(cannot_write)?;
        if file.size.is_some_and(|size| at < size) {
            return Err(Failure::passing(self.broken("it ended too early".into())));
        }
        Ok(())
    }

    fn broken(&self, source: Cause) -> Error {
        Error::Unreachable { host: self.options.host(), proxy: None, source }
    }

    async fn read_whole(&self, path: &str) -> Result<Bytes, Failure> {
        let answer = self.request(path, 0).await?;
        let body = Limited::new(answer.response.into_body(), LIST_LIMIT_BYTES).collect();
        match self.patiently(body).await? {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Error::TooLong { file: "the list of files".to_owned(), limit: LIST_LIMIT_BYTES as u64 }.into())
            }
            Err(error) => {
                Err(Failure::passing(Error::Broken { host: self.options.host(), attempts: ATTEMPTS, source: error }))
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.options.endpoint.to_string().trim_end_matches('/'))
    }

    /// Asks the hub for a path, from a byte on, and follows where it leads to.
    async fn request(&self, path: &str, from: u64) -> Result<Answer, Failure> {
        let url = self.url(path);
        let mut uri: Uri = url.parse().map_err(|_| Error::Redirect { url: url.clone(), reason: "to no address" })?;
        let (mut size, mut expected) = (None, None);
        for _ in 0..=REDIRECTS {
            let at_hub = origin(&uri) == origin(&self.options.endpoint);
            let request = self.head(at_hub, from)?;
            let response =
                self.patiently(self.connections.send(&uri, request)).await?.map_err(|error| match error {
                    error @ Error::Unreachable { .. } => Failure::passing(error),
                    error => Failure::Final(error),
                })?;
            if at_hub {
                let headers = response.headers();
                let etag = text(headers, &LINKED_ETAG).or_else(|| text(headers, &ETAG));
                expected = expected.or_else(|| etag.and_then(Expected::of_etag));
                size = size.or_else(|| text(headers, &LINKED_SIZE)?.parse().ok());
            }
            let status = response.status().as_u16();
            match status {
                200 | 206 => return Ok(Answer { response, size, expected }),
                301 | 302 | 303 | 307 | 308 => uri = redirected(&uri, response.headers())?,
                401 | 403 if at_hub => {
                    return Err(Failure::Final(Error::Refused {
                        host: self.options.host(),
                        name: self.name.to_string(),
                        status,
                        with_token: self.options.token.is_some(),
                    }));
                }
                408 | 416 | 429 | 500..=599 => {
                    let pause = text(response.headers(), &RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
                    let pause = pause.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
                    return Err(Failure::Passing { error: Error::Status { url, status }, pause });
                }
                _ => return Err(Error::Status { url, status }.into()),
            }
        }
        Err(Error::Redirect { url, reason: "in circles" }.into())
    }

    fn head(&self, at_hub: bool, from: u64) -> Result<Request<Empty<Bytes>>, Error> {
        let mut request = Request::new(Empty::new());
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("libellus/", env!("CARGO_PKG_VERSION"))));
        if let Some(token) = self.options.token.as_ref().filter(|_| at_hub) {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.0));
            let mut value = value.map_err(|_| Error::Variable {
                name: "HF_TOKEN",
                value: "********".to_owned(),
                expected: "a token",
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if from > 0 {
            headers
                .insert(RANGE, HeaderValue::try_from(format!("bytes={from}-")).unwrap_or(HeaderValue::from_static("")));
        }
        Ok(request)
    }

    /// Waits, but not for ever, and not when a stop was asked for.
    async fn patiently<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let mut future = pin!(future);
        let begin = Instant::now();
        loop {
            if let Ok(value) = tokio::time::timeout(NAP, &mut future).await {
                return Ok(value);
            }
            if (self.stopped)() {
                return Err(Failure::Final(Error::Interrupted { keeps: true }));
            }
            if begin.elapsed() > SILENCE {
                let silence = format!("nothing came for {} s", SILENCE.as_secs());
                return Err(Failure::passing(self.broken(silence.into())));
            }
        }
    }

    async fn pause(&self, attempts: u32, asked: Option<Duration>) -> Result<(), Error> {
        let until = Instant::now() + asked.unwrap_or(FIRST_PAUSE * 2_u32.pow(attempts - 1));
        while Instant::now() < until {
            if (self.stopped)() {
                return Err(Error::Interrupted { keeps: true });
            }
            tokio::time::sleep(NAP).await;
        }
        Ok(())
    }
}

impl From<Sibling> for HubFile {
    fn from(sibling: Sibling) -> Self {
        let Sibling { rfilename, size, blob_id, lfs } = sibling;
        let linked = lfs.as_ref().and_then(|lfs| lfs.size);
        let expected = match lfs {
            Some(lfs) => lfs.sha256.as_deref().and_then(Expected::of_etag),
            None => blob_id.as_deref().and_then(Expected::of_etag),
        };
        Self { name: rfilename, size: linked.or(size), expected }
    }
}

/// Scheme, host and port: who is spoken to.
fn origin(uri: &Uri) -> (Option<&str>, Option<String>, u16) {
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (uri.scheme_str(), uri.host().map(str::to_ascii_lowercase), uri.port_u16().unwrap_or(usual))
}

/// Where a redirect leads to.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, Error> {
    let wrong = |reason| Error::Redirect { url: from.to_string(), reason };
    let location = text(headers, &LOCATION).ok_or_else(|| wrong("to nowhere"))?;
    let (scheme, authority) = (from.scheme_str().unwrap_or("https"), from.authority().map_or("", |a| a.as_str()));
    let whole = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let to: Uri = whole.parse().map_err(|_| wrong("to something that is no address"))?;
    match (scheme, to.scheme_str()) {
        ("https", Some("http")) => Err(wrong("from https to http, where others could read and change it")),
        (_, Some("http" | "https")) if to.host().is_some_and(|host| !host.is_empty()) => Ok(to),
        _ => Err(wrong("to something that is no address")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The first byte of a part: `bytes 100-199/200`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    text(headers, &CONTENT_RANGE)?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_addresses_and_never_away_from_encryption() {
        for (from, location, expected) in [
            ("https://hub/a/b", "/api/x", Some("https://hub/api/x")),
            ("https://hub/a/b", "c?d=e", Some("https://hub/a/c?d=e")),
            ("https://hub/a/b", "//cdn/x", Some("https://cdn/x")),
            ("https://hub/a/b", "https://cdn:8443/x?sig=1%2B2", Some("https://cdn:8443/x?sig=1%2B2")),
            ("http://hub/a", "http://cdn/x", Some("http://cdn/x")),
            ("https://hub/a", "http://cdn/x", None),
            ("https://hub/a", "file:///etc/passwd", None),
            ("https://hub/a", "https:///x", None),
            ("https://hub/a", "https://a b/", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().expect("a header"));
            let found = redirected(&from.parse().expect("an address"), &headers).ok().map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn the_hub_is_known_by_scheme_host_and_port() {
        for (one, other, same) in [
            ("https://hub/a", "https://HUB:443/b", true),
            ("https://hub", "http://hub", false),
            ("http://hub:1", "http://hub:2", false),
            ("https://hub", "https://cdn.hub", false),
        ] {
            let [one, other]: [Uri; 2] = [one, other].map(|uri| uri.parse().expect("an address"));
            assert_eq!(origin(&one) == origin(&other), same, "{one} {other}");
        }
    }
}
