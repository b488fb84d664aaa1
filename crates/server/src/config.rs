//! The settings of the service, already resolved: where they come from is the executable's concern.

use crate::{Accent, AccessConfig, AllowedOrigins, Log, Logo, PublicUrl, RateLimit, TrustedProxies};
use std::fmt;
use std::str::FromStr;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The port of the backend that libellus replaces.
const DEFAULT_PORT: u16 = 5001;

/// Larger than any catalogue that is sent in one piece; a dump of Open Library is loaded beside the service.
const MOST_UPLOAD_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Idle ones are let go after seconds, so this is far more than are needed at a time.
const MOST_CONNECTIONS: usize = 8192;

/// Some hundreds of pages of results.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// What crawlers of search engines may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crawlers {
    /// The pages of books, and the start page.
    #[default]
    Books,
    /// Nothing.
    None,
}

impl FromStr for Crawlers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "books" => Ok(Self::Books),
            "none" => Ok(Self::None),
            _ => Err("it has to be `books` or `none`"),
        }
    }
}

impl fmt::Display for Crawlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Books { "books" } else { "none" })
    }
}

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address or host name to listen on. Loopback unless told otherwise: a service is put on a
    /// network on purpose.
    pub host: String,
    /// The port to listen on; 0 takes any that is free.
    pub port: u16,
    /// What the page is called, e.g. the library's name.
    pub site_name: String,
    /// The colour of links and buttons, if it is not our own.
    pub accent: Option<Accent>,
    /// A picture beside the name, instead of ours.
    pub logo: Option<Logo>,
    /// The address that readers know the service by; that of each request if it is not said.
    pub public_url: Option<PublicUrl>,
    /// What crawlers may read; nothing where reading is closed.
    pub crawlers: Crawlers,
    /// The sites whose pages may read the API in a browser.
    pub allowed_origins: AllowedOrigins,
    /// What is logged, and how.
    pub log: Log,
    /// Threads that a request of texts to embed is shared out to.
    pub embedding_threads: usize,
    /// Who may read and write.
    pub access: AccessConfig,
    /// How often one client may ask; as often as it likes if there is none.
    pub rate_limit: Option<RateLimit>,
    /// Who is believed about whom a request is from.
    pub trusted_proxies: TrustedProxies,
    /// The largest upload, in bytes.
    pub most_upload_bytes: u64,
    /// Memory for the answers that were given last, in bytes; 0 keeps none.
    pub answer_bytes: usize,
    /// Told whenever books were written, so that somebody embeds them.
    pub written: Option<Sender<()>>,
    /// Connections at a time; more are refused.
    pub most_connections: usize,
    /// Searches that run at once. Each keeps a core busy, so more than a few a core only make all of them late.
    pub concurrent_searches: usize,
    /// Searches that wait for their turn; the next one is turned away.
    pub queued_searches: usize,
    /// The longest that a search waits for its turn.
    pub queue_wait: Duration,
    /// How long requests in flight may take to finish once the service is told to stop.
    pub drain: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            host: "127.0.0.1".to_owned(),
            port: DEFAULT_PORT,
            site_name: "libellus".to_owned(),
            accent: None,
            logo: None,
            public_url: None,
            crawlers: Crawlers::Books,
            allowed_origins: AllowedOrigins::Own,
            log: Log::default(),
            embedding_threads: cores,
            access: AccessConfig::default(),
            rate_limit: None,
            trusted_proxies: TrustedProxies::default(),
            most_upload_bytes: MOST_UPLOAD_BYTES,
            answer_bytes: ANSWER_BYTES,
            written: None,
            most_connections: MOST_CONNECTIONS,
            concurrent_searches: 2 * cores,
            queued_searches: 32 * cores,
            queue_wait: Duration::from_secs(2),
            drain: Duration::from_secs(10),
        }
    }
}
