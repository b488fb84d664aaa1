//! A PostgreSQL URL, read as PostgreSQL's own programs read it.
//!
//! What the client library has no word for (certificates, and what other clients put into the URLs that platforms
//! hand out) is taken out here; the rest is checked by the library.

use crate::Error;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// How long connecting to one host may take, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where servers listen when the URL names no host.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// Parameters of other clients that mean nothing to us, and are met in the URLs that platforms hand out.
const IGNORED: &[&str] = &[
    "connection_limit",
    "gssencmode",
    "pgbouncer",
    "pool_timeout",
    "prepareThreshold",
    "sslcompression",
    "sslsni",
    "supa",
];

/// A PostgreSQL database: where it is, and how to connect. Shown without secrets.
#[derive(Clone, PartialEq)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) tls: TlsMode,
    /// What certificates are checked against, if the URL says so.
    pub(super) roots: Option<Roots>,
    shown: String,
}

/// `sslmode`, with libpq's meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt if the server insists.
    Allow,
    /// Encrypt if the server can.
    Prefer,
    /// Encrypt, with whomever.
    Require,
    /// Encrypt, with a server whose certificate an authority signed.
    VerifyCa,
    /// Encrypt, with a server whose certificate an authority signed for this host.
    VerifyFull,
}

/// `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// Those that this system trusts.
    System,
    /// Those in a file.
    File(PathBuf),
}

impl PostgresAddress {
    /// Reads what follows the scheme and its colon.
    pub(crate) fn parse(rest: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::BadAddress { reason: reason.to_owned() };
        let rest = rest.strip_prefix("//").ok_or_else(|| bad("`//` is missing after the scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        // The last one: a password with an `@` of its own is a common slip with only one reading.
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));

        let mut settings = Settings::default();
        settings.add_hosts(hosts)?;
        for (key, value) in [("user", user), ("password", password), ("dbname", database)] {
            if !value.is_empty() {
                settings.set(key, &decode(value)?)?;
            }
        }
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').ok_or_else(|| bad("a parameter has no `=`"))?;
            settings.set(&decode(key)?, &decode(value)?)?;
        }
        settings.finish()
    }

    /// The role that connects, if the URL names one.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("the user of this process")
    }

    /// The database's name, which is the role's unless the URL has one.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresAddress").field(&self.shown).finish()
    }
}

/// What a URL says, gathered.
#[derive(Default)]
struct Settings {
    /// What the client library reads, as `key='value' `.
    keywords: String,
    has_host: bool,
    has_port: bool,
    mode: Option<TlsMode>,
    roots: Option<Roots>,
}

impl Settings {
    /// `host:port,[::1]:port,…`; a port that is left out is the usual one.
    fn add_hosts(&mut self, hosts: &str) -> Result<(), Error> {
        if hosts.is_empty() {
            return Ok(());
        }
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
                Some((name, port)) => (name, port.strip_prefix(':').unwrap_or(port)),
                None => host.split_once(':').unwrap_or((host, "")),
            };
            names.push(decode(name)?);
            ports.push(decode(port)?);
        }
        if names.iter().any(|name| !name.is_empty()) {
            self.set("host", &names.join(","))?;
        }
        if ports.iter().any(|port| !port.is_empty()) {
            self.set("port", &ports.join(","))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "sslmode" => self.mode = Some(tls_mode(value)?),
            "sslrootcert" if value == "system" => self.roots = Some(Roots::System),
            "sslrootcert" => self.roots = Some(Roots::File(PathBuf::from(value))),
            key if IGNORED.contains(&key) => {}
            key => {
                self.has_host |= key == "host" || key == "hostaddr";
                self.has_port |= key == "port";
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                self.keywords += &format!("{key}='{value}' ");
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<PostgresAddress, Error> {
        if !self.has_host {
            let host = if Path::new(SOCKET_DIRECTORY).is_dir() { SOCKET_DIRECTORY } else { "localhost" };
            self.set("host", host)?;
        }
        // The library's messages name parameters, and never their values.
        let bad = |source: tokio_postgres::Error| {
            let cause = std::error::Error::source(&source).map(ToString::to_string);
            Error::BadAddress { reason: cause.unwrap_or_else(|| source.to_string()) }
        };
        let mut config: Config = self.keywords.parse().map_err(bad)?;
        if config.get_application_name().is_none() {
            config.application_name("libellus");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // Addresses alone: they stand for the names that certificates are checked for.
        if config.get_hosts().is_empty() {
            for address in config.get_hostaddrs().to_vec() {
                config.host(address.to_string());
            }
        }
        // As in libpq: a named authority is there to be asked.
        let tls = match (self.mode, &self.roots) {
            (Some(TlsMode::Require), Some(_)) => TlsMode::VerifyCa,
            (None, Some(Roots::System)) => TlsMode::VerifyFull,
            (mode, _) => mode.unwrap_or(TlsMode::Prefer),
        };
        let shown = shown(&config);
        Ok(PostgresAddress { config, tls, roots: self.roots, shown })
    }
}

fn tls_mode(value: &str) -> Result<TlsMode, Error> {
    Ok(match value {
        "disable" => TlsMode::Disable,
        "allow" => TlsMode::Allow,
        "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => {
            let reason = "`sslmode` is none of disable, allow, prefer, require, verify-ca and verify-full";
            return Err(Error::BadAddress { reason: reason.to_owned() });
        }
    })
}

/// The address without secrets: `postgresql://reader@db:5432/books`.
fn shown(config: &Config) -> String {
    let (mut hosts, mut directories) = (Vec::new(), Vec::new());
    for (at, host) in config.get_hosts().iter().enumerate() {
        let ports = config.get_ports();
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) if name.contains(':') => hosts.push(format!("[{name}]:{port}")),
            Host::Tcp(name) => hosts.push(format!("{name}:{port}")),
            #[cfg(unix)]
            Host::Unix(directory) => directories.push(format!("?host={}&port={port}", directory.display())),
        }
    }
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().unwrap_or_default();
    format!("postgresql://{user}{}/{database}{}", hosts.join(","), directories.concat())
}

fn decode(text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::BadAddress { reason: "a part of it is not UTF-8 once its %XX are read".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> PostgresAddress {
        PostgresAddress::parse(rest).unwrap_or_else(|error| panic!("{rest}: {error}"))
    }

    #[test]
    fn urls_are_shown_without_secrets() {
        for (rest, expected) in [
            ("//reader:secret@db/books", "postgresql://reader@db:5432/books"),
            ("//reader:sec@ret@db:6543/books?sslmode=require", "postgresql://reader@db:6543/books"),
            ("//reader:s%2Fecret%40@db/books", "postgresql://reader@db:5432/books"),
            ("//db", "postgresql://db:5432/"),
            ("//a:1,b/books", "postgresql://a:1,b:5432/books"),
            ("//[::1]:6000/books", "postgresql://[::1]:6000/books"),
            ("//u@/books?host=/run/postgresql&password=secret", "postgresql://u@/books?host=/run/postgresql&port=5432"),
            ("//u@%2Frun%2Fpostgresql/books", "postgresql://u@/books?host=/run/postgresql&port=5432"),
            ("///books?hostaddr=127.0.0.1&user=u", "postgresql://u@127.0.0.1:5432/books"),
            ("//u@db/books?pgbouncer=true&gssencmode=disable", "postgresql://u@db:5432/books"),
        ] {
            let address = parse(rest);
            assert_eq!(address.to_string(), expected, "{rest}");
            assert!(!format!("{address:?}").contains("secret"), "{rest}");
        }
    }

    #[test]
    fn passwords_are_decoded() {
        for (rest, expected) in [
            ("//u:p%40ss%2Fw%25rd@db/x", "p@ss/w%rd"),
            ("//u:it's\\here@db/x", "it's\\here"),
            ("//u:a@b@db/x", "a@b"),
            ("//u@db/x?password=p%26q", "p&q"),
        ] {
            assert_eq!(parse(rest).config.get_password(), Some(expected.as_bytes()), "{rest}");
        }
    }

    #[test]
    fn tls_means_what_it_means_to_libpq() {
        for (query, mode, roots) in [
            ("", TlsMode::Prefer, None),
            ("sslmode=disable", TlsMode::Disable, None),
            ("sslmode=allow", TlsMode::Allow, None),
            ("sslmode=require", TlsMode::Require, None),
            ("sslmode=require&sslrootcert=/ca.pem", TlsMode::VerifyCa, Some(Roots::File("/ca.pem".into()))),
            ("sslmode=verify-ca", TlsMode::VerifyCa, None),
            ("sslmode=verify-full", TlsMode::VerifyFull, None),
            ("sslrootcert=system", TlsMode::VerifyFull, Some(Roots::System)),
        ] {
            let address = parse(&format!("//u@db/x?{query}"));
            assert_eq!((address.tls, address.roots), (mode, roots), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_without_secrets() {
        for (rest, part) in [
            ("u:secret@db", "`//` is missing"),
            ("//u:secret/word@db/x", "port"),
            ("//u:secret@db:99999/x", "port"),
            ("//u:secret@db/x?sslmode=maybe", "sslmode"),
            ("//u:secret@db/x?colour=red", "colour"),
            ("//u:secret@db/x?connect_timeout=soon", "connect_timeout"),
            ("//u:secret@db/x?sslmode", "no `=`"),
            ("//u:%FFsecret@db/x", "UTF-8"),
        ] {
            let message = PostgresAddress::parse(rest).expect_err(rest).to_string();
            assert!(message.contains(part) && !message.contains("secret"), "{rest}: {message}");
            assert!(message.contains("postgresql://USER:PASSWORD@HOST"), "{message}");
        }
    }
}
