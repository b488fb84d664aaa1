//! What can go wrong when a model is pulled.

use std::io;
use std::path::PathBuf;

/// Any error, as a cause.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a name that a model can have.
    #[error("`{name}` is no name of a model: {reason}")]
    BadName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a revision that can be asked for.
    #[error("`{revision}` is no revision; give a branch, a tag or a commit")]
    BadRevision {
        /// What was given.
        revision: String,
    },
    /// A variable that cannot be used.
    #[error("{name} is `{value}`, which is not {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it is set to.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The network may not be used.
    #[error("`{name}` is not on this machine, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline {
        /// The model.
        name: String,
    },
    /// No connection.
    #[error("cannot reach `{host}`{}", through(proxy.as_deref()))]
    Unreachable {
        /// Who was asked.
        host: String,
        /// The proxy on the way, without its password.
        proxy: Option<String>,
        /// Why.
        source: Cause,
    },
    /// A proxy that is not spoken to in HTTP.
    #[error("the proxy `{proxy}` cannot be used; only proxies at `http://` addresses are supported")]
    Proxy {
        /// Its address.
        proxy: String,
    },
    /// No certificates to check others with.
    #[error("this system has no certificates to check `{host}` with; SSL_CERT_FILE or SSL_CERT_DIR can name some")]
    NoCertificates {
        /// Who was to be asked.
        host: String,
    },
    /// The connection broke, again and again.
    #[error(
        "the connection to `{host}` broke {attempts} times; what was received is kept, and the same command goes on from there"
    )]
    Broken {
        /// Who was asked.
        host: String,
        /// How often it was tried without getting any further.
        attempts: u32,
        /// What happened last.
        source: Cause,
    },
    /// 401, or 403: not for everyone.
    #[error("`{host}` refuses `{name}` ({status}){}", token_advice(*with_token))]
    Refused {
        /// The hub.
        host: String,
        /// The model.
        name: String,
        /// Of HTTP.
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// 404.
    #[error("`{host}` has no model `{name}` with a revision `{revision}`; look for its name at {host}")]
    NotFound {
        /// The hub.
        host: String,
        /// The model.
        name: String,
        /// Which version of it.
        revision: String,
    },
    /// Another answer than hoped for.
    #[error("`{url}` answers {status}{}", if *status == 429 { ": too many requests; wait a while, or set HF_TOKEN" } else { "" })]
    Status {
        /// What was asked.
        url: String,
        /// Of HTTP.
        status: u16,
    },
    /// Something else listens there.
    #[error("`{host}` does not answer as the Hugging Face hub does: {found}; is HF_ENDPOINT right?")]
    NotAHub {
        /// Who was asked.
        host: String,
        /// What came back.
        found: String,
    },
    /// It leads nowhere, or where one must not go.
    #[error("`{url}` redirects {reason}")]
    Redirect {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A list of files with names that no model has.
    #[error("`{name}` lists a file `{file}`, whose name leads out of the model; nothing was fetched")]
    UnsafeFile {
        /// The model.
        name: String,
        /// The file.
        file: String,
    },
    /// Not a sentence-transformers model with weights that can be read.
    #[error("`{name}` has no `{file}`{hint}")]
    MissingFile {
        /// The model, wheel or directory.
        name: String,
        /// What is missing.
        file: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Longer than it was said to be, or than it may be.
    #[error("`{file}` is longer than {limit} bytes, which is all that it should have; it was given up")]
    TooLong {
        /// The file.
        file: String,
        /// Bytes.
        limit: u64,
    },
    /// Not the bytes that they should be.
    #[error("`{file}` was received damaged: its hash is {found}, and should be {expected}; it was thrown away")]
    WrongHash {
        /// The file.
        file: String,
        /// By the hub.
        expected: String,
        /// As computed.
        found: String,
    },
    /// A wheel that cannot be read.
    #[error("`{path}` is not a wheel that can be read: {reason}")]
    BadWheel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It was all fetched, and does not open.
    #[error("`{name}` is not a model that libellus can use; it was not kept")]
    Unusable {
        /// The model.
        name: String,
        /// Why.
        source: Cause,
    },
    /// Another process is at it.
    #[error("another process is just pulling `{name}`; wait for it")]
    Busy {
        /// The model.
        name: String,
    },
    /// Something of the user's is where the model belongs.
    #[error("`{path}` is there already and was not pulled; move it, or choose another name with `--name`")]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// A file of the user's cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither threads nor sockets.
    #[error("cannot use the network")]
    Runtime {
        /// Why.
        source: io::Error,
    },
    /// The caller stopped it.
    #[error("stopped; {}", if *keeps { "what was received is kept, and the same command goes on from there" } else { "nothing was changed" })]
    Interrupted {
        /// Whether what was received is kept.
        keeps: bool,
    },
}

fn through(proxy: Option<&str>) -> String {
    proxy.map_or_else(String::new, |proxy| format!(" through the proxy `{proxy}`"))
}

fn token_advice(with_token: bool) -> &'static str {
    if with_token {
        ": the token does not allow it; ask for access on the model's page, or set HF_TOKEN to another one"
    } else {
        ": the name may be misspelt, or the model not be open to everyone; if so, set HF_TOKEN to a token that may read it"
    }
}
