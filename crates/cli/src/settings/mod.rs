//! Every setting of the service, resolved in one place: flags, then the environment, then defaults.
//!
//! The environment is read as deployments of the Python backend that libellus replaces set it, so that they move over
//! unchanged. What cannot be meant, or contradicts itself, becomes a [`Finding`] here; `serve` names the findings at
//! start, and `libellus config` shows everything. No secret is ever shown.

mod environment;
mod finding;
mod foreign;
mod public_keys;

pub use environment::{Environment, MASK};
pub use finding::{Finding, Level};
pub use foreign::Unused;
pub use public_keys::KeyPlace;

use crate::database::{DEFAULT_PATH, DatabaseArgs};
use crate::error::Error;
use crate::memory::parse_size;
use crate::model::ModelArgs;
use crate::threads::ThreadsArgs;
use clap::ValueEnum;
use libellus_catalogue::{Location, Scope};
use libellus_encoder::Isa;
use libellus_search::IndexOptions;
use libellus_server::{
    Accent, AccessConfig, AllowedOrigins, Crawlers, Log, Logo, PublicUrl, RateLimit, Reading, Secret, ServerConfig,
    TrustedProxies,
};
use std::path::PathBuf;

/// A secret that is shorter can be found by trying: 256 bits, as HMAC-SHA-256 wants it (RFC 7518, section 3.2).
const SHORTEST_SECRET_BYTES: usize = 32;

/// The variable of Flask-CORS deployments.
const CORS_ORIGINS: &str = "CORS_ORIGINS";

/// The variable with the extra fields that books are filtered by.
const FACETS: &str = "LIBELLUS_FACETS";

/// The variable with the public keys of tokens.
const JWKS: &str = "JWT_JWKS";

/// The variables that say who may read, and what a token is good for that does not say it.
const READING: &str = "LIBELLUS_READING";
const TOKEN_SCOPE: &str = "LIBELLUS_TOKEN_SCOPE";

/// The variables that say how often one client may ask, and which proxies are believed about who that is.
const RATE_LIMIT: &str = "LIBELLUS_RATE_LIMIT";
const TRUSTED_PROXIES: &str = "LIBELLUS_TRUSTED_PROXIES";

/// The variable with the address that readers know the service by.
const PUBLIC_URL: &str = "LIBELLUS_PUBLIC_URL";

/// The variables with the library's name, its colour, and the file with its logo.
const SITE_NAME: &str = "LIBELLUS_SITE_NAME";
const ACCENT: &str = "LIBELLUS_ACCENT";
const LOGO: &str = "LIBELLUS_LOGO";

/// The variable with what crawlers may read.
const ROBOTS: &str = "LIBELLUS_ROBOTS";

/// The variables with the directory of index files, and how much memory the index may take.
const INDEX_DIR: &str = "LIBELLUS_INDEX_DIR";
const INDEX_MEMORY: &str = "LIBELLUS_INDEX_MEMORY";

/// The variable with the memory for answers that were given last.
const CACHE: &str = "LIBELLUS_CACHE";

/// The variable with what is logged.
const LOG: &str = "LIBELLUS_LOG";

/// The settings that can be typed after `serve`, and after `config` to see what they would do.
#[derive(Clone, Debug, clap::Args)]
pub struct ServiceArgs {
    /// Load the sample catalogue first, if there are no books yet
    #[arg(long)]
    pub sample: bool,
    /// The address to listen at [default: 127.0.0.1, or 0.0.0.0 if PORT is set]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The port to listen at; 0 takes any that is free [default: PORT, or else 5001]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    #[command(flatten)]
    pub threads: ThreadsArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    /// An extra field of books that readers may filter and count by; may be repeated [default: LIBELLUS_FACETS]
    #[arg(long, value_name = "FIELD")]
    pub facet: Vec<String>,
    /// Who may search and read: everyone, or whoever has a token or a key [default: LIBELLUS_READING, or else public]
    #[arg(long, value_name = "WHO", value_enum)]
    pub reading: Option<ReadingArg>,
    /// Where the index of meanings is kept in files: opened instead of made, and a seventh of the memory
    /// [default: LIBELLUS_INDEX_DIR, or else in memory]
    #[arg(long, value_name = "DIR")]
    pub index_dir: Option<PathBuf>,
    /// The most memory for the index of meanings, e.g. 500M [default: LIBELLUS_INDEX_MEMORY, or else no ceiling]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub index_memory: Option<usize>,
    /// What is logged on standard error: `text` (what goes wrong) or `json` (every request, too) [default: LIBELLUS_LOG, or
    /// else text]
    #[arg(long, value_name = "FORMAT")]
    pub log: Option<Log>,
    /// A second model, to change over to when `libellus migrate --cut-over` says so, and back
    #[arg(long, value_name = "MODEL")]
    pub next_model: Option<String>,
}

/// `--reading`, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ReadingArg {
    /// Everyone
    Public,
    /// Whoever has a token or a key
    Closed,
}

impl From<ReadingArg> for Reading {
    fn from(reading: ReadingArg) -> Self {
        match reading {
            ReadingArg::Public => Reading::Public,
            ReadingArg::Closed => Reading::Closed,
        }
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, by its name.
    Flag(&'static str),
    /// A variable of the environment, by its name.
    Variable(&'static str),
    /// Nothing was said.
    Default,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

/// Host and port, to listen at or to ask.
#[derive(Clone, Debug)]
pub struct Address {
    /// An address or a host name.
    pub host: Setting<String>,
    /// 0 is any that is free.
    pub port: Setting<u16>,
}

impl Address {
    /// Flags, then PORT, then the defaults.
    pub fn resolve(host: Option<&str>, port: Option<u16>, environment: &Environment) -> Result<Self, Error> {
        match environment.get("PORT").map(|value| (value, value.parse::<u16>())) {
            None => Ok(Self::of(host, port, None)),
            Some((_, Ok(variable))) => Ok(Self::of(host, port, Some(variable))),
            Some((value, Err(_))) => Err(Error::Port { name: "PORT", value: value.to_owned() }),
        }
    }

    /// A platform that sets PORT expects to reach the service from outside; anyone else has to ask for that.
    fn of(host: Option<&str>, port: Option<u16>, variable: Option<u16>) -> Self {
        let default = ServerConfig::default();
        let host = match (host, variable) {
            (Some(host), _) => Setting::new(host.to_owned(), Origin::Flag("--host")),
            (None, Some(_)) => Setting::new("0.0.0.0".to_owned(), Origin::Variable("PORT")),
            (None, None) => Setting::new(default.host, Origin::Default),
        };
        let port = match (port, variable) {
            (Some(port), _) => Setting::new(port, Origin::Flag("--port")),
            (None, Some(port)) => Setting::new(port, Origin::Variable("PORT")),
            (None, None) => Setting::new(default.port, Origin::Default),
        };
        Self { host, port }
    }
}

/// The settings of the service. Where a value could not be read, the default stands in and a finding says so.
#[derive(Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: Address,
    /// The catalogue, shown without a password.
    pub database: Setting<String>,
    /// The model, by name or path.
    pub model: Setting<String>,
    /// The model to change over to, if there is one.
    pub next_model: Option<Setting<String>>,
    /// Threads that encode.
    pub threads: Setting<usize>,
    /// Whether the sample is to be loaded.
    pub sample: Setting<bool>,
    /// Where index files are kept.
    pub index_dir: Option<Setting<PathBuf>>,
    /// The most bytes of memory for the index of meanings.
    pub index_memory: Option<Setting<usize>>,
    /// Memory for the answers that were given last, in bytes, if it is said.
    pub cache: Setting<Option<usize>>,
    /// What is logged, and how.
    pub log: Setting<Log>,
    /// Extra fields of books to filter and count by.
    pub facets: Setting<Vec<String>>,
    /// The sites whose pages may read the API.
    pub allowed_origins: Setting<AllowedOrigins>,
    /// What tokens are signed with, if there are any.
    pub secret_key: Setting<Option<Secret>>,
    /// Where the public keys of tokens are, if there are any.
    pub public_keys: Setting<Option<KeyPlace>>,
    /// Who may read.
    pub reading: Setting<Reading>,
    /// How often one client may ask.
    pub rate_limit: Setting<Option<RateLimit>>,
    /// Proxies that are believed about who asks.
    pub trusted_proxies: Setting<TrustedProxies>,
    /// How the page looks, and where readers and crawlers find it.
    pub page: PageSettings,
    /// What a token is good for that does not say it.
    pub token_scope: Setting<Scope>,
    /// The instructions that encode.
    pub instruction_set: Setting<&'static str>,
    /// What is wrong, and what is worth knowing.
    pub findings: Vec<Finding>,
    /// Variables of the replaced backend that libellus has no use for.
    pub unused: Vec<Unused>,
}

impl Settings {
    /// Resolves everything.
    pub fn resolve(args: &ServiceArgs, environment: &Environment) -> Self {
        let mut findings = Vec::new();
        let address = Address::resolve(args.host.as_deref(), args.port, environment).unwrap_or_else(|error| {
            findings.push(Finding::error("PORT", error.to_string()));
            Address::of(args.host.as_deref(), args.port, None)
        });
        let threads_origin =
            if args.threads.asked_for().is_some() { Origin::Flag("--threads") } else { Origin::Default };
        let model_origin = if args.model.is_builtin() { Origin::Default } else { Origin::Flag("--model") };
        let sample_origin = if args.sample { Origin::Flag("--sample") } else { Origin::Default };
        let settings = Self {
            address,
            database: resolve_database(&args.database, environment, &mut findings),
            model: Setting::new(args.model.name().to_owned(), model_origin),
            next_model: args.next_model.clone().map(|model| Setting::new(model, Origin::Flag("--next-model"))),
            threads: Setting::new(args.threads.count(), threads_origin),
            sample: Setting::new(args.sample, sample_origin),
            index_dir: resolve_index_dir(args, environment),
            index_memory: resolve_index_memory(args, environment, &mut findings),
            cache: read(CACHE, environment, &mut findings, |text| parse_size(text).map(Some)),
            log: resolve_log(args, environment, &mut findings),
            facets: if args.facet.is_empty() {
                facets(environment)
            } else {
                Setting::new(args.facet.clone(), Origin::Flag("--facet"))
            },
            allowed_origins: resolve_origins(environment, &mut findings),
            secret_key: resolve_secret(environment, &mut findings),
            public_keys: read(JWKS, environment, &mut findings, |place| KeyPlace::new(place).map(Some)),
            reading: resolve_reading(args.reading, environment, &mut findings),
            token_scope: resolve_token_scope(environment, &mut findings),
            rate_limit: read(RATE_LIMIT, environment, &mut findings, |text| text.parse().map(Some)),
            trusted_proxies: read(TRUSTED_PROXIES, environment, &mut findings, str::parse),
            page: PageSettings::resolve(environment, &mut findings),
            instruction_set: resolve_instruction_set(environment, &mut findings),
            findings: Vec::new(),
            unused: foreign::unused(environment),
        };
        findings.extend(foreign::unknown(environment));
        findings.extend(
            environment.unreadable().map(|name| Finding::error(name, format!("{name} holds bytes that are not UTF-8"))),
        );
        Self { findings, ..settings }
    }

    /// The settings of the server.
    pub fn server_config(&self) -> ServerConfig {
        let default = self.page.config();
        ServerConfig {
            host: self.address.host.value.clone(),
            port: self.address.port.value,
            allowed_origins: self.allowed_origins.value.clone(),
            embedding_threads: self.threads.value,
            log: self.log.value,
            access: AccessConfig {
                reading: self.reading.value,
                secret: self.secret_key.value.clone(),
                public_keys: self.public_keys.value.as_ref().map(KeyPlace::keys),
                token_scope: self.token_scope.value,
            },
            rate_limit: self.rate_limit.value,
            trusted_proxies: self.trusted_proxies.value.clone(),
            answer_bytes: self.cache.value.unwrap_or(default.answer_bytes),
            ..default
        }
    }

    /// How the index of meanings is kept; what is wrong with its files is said on standard error.
    pub fn index_options(&self) -> IndexOptions {
        IndexOptions {
            directory: self.index_dir.as_ref().map(|directory| directory.value.clone()),
            most_bytes: self.index_memory.as_ref().map(|most| most.value as u64),
            trouble: |error| {
                let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
                eprintln!("warning: {error}{cause}");
            },
        }
    }

    /// Names at start what is worth it: warnings and notes on standard error, and all errors as one.
    pub fn check(&self) -> Result<(), Error> {
        self.errors()?;
        for finding in self.findings.iter().filter(|finding| finding.level != Level::Detail) {
            eprintln!("{finding}");
        }
        if !self.unused.is_empty() {
            let names: Vec<&str> = self.unused.iter().map(|unused| unused.variable.as_str()).collect();
            let verb = if names.len() == 1 { "is" } else { "are" };
            eprintln!("note: {} {verb} set, but not used here; `libellus config` says why", names.join(", "));
        }
        Ok(())
    }

    /// An error if a setting cannot be used; it names each.
    pub fn errors(&self) -> Result<(), Error> {
        let errors = self.findings.iter().filter(|finding| finding.level == Level::Error);
        let messages: Vec<&str> = errors.map(|finding| finding.message.as_str()).collect();
        if messages.is_empty() { Ok(()) } else { Err(Error::Settings { messages: messages.join("\n  and: ") }) }
    }
}

fn resolve_database(args: &DatabaseArgs, environment: &Environment, findings: &mut Vec<Finding>) -> Setting<String> {
    let variable = environment.get("DATABASE_URL");
    let (location, origin) = match (args.typed(), variable) {
        (Some(typed), _) => (typed, Origin::Flag("--db")),
        (None, Some(url)) => (url, Origin::Variable("DATABASE_URL")),
        (None, None) => (DEFAULT_PATH, Origin::Default),
    };
    if args.typed().is_some() && variable.is_some() {
        findings.push(Finding::detail("--db", "--db and DATABASE_URL are both set; --db wins"));
    }
    // A location that was read is shown without its password; of any other nobody knows where the password is.
    let shown = location.parse::<Location>().map_or_else(
        |error| {
            let name = if args.typed().is_some() { "--db" } else { "DATABASE_URL" };
            findings.push(Finding::error(name, format!("{name}: {error}")));
            MASK.to_owned()
        },
        |location| location.to_string(),
    );
    Setting::new(shown, origin)
}

fn resolve_origins(environment: &Environment, findings: &mut Vec<Finding>) -> Setting<AllowedOrigins> {
    match environment.get(CORS_ORIGINS).map(str::parse::<AllowedOrigins>) {
        None => Setting::new(AllowedOrigins::Own, Origin::Default),
        Some(origins) => {
            let origins = origins.unwrap_or_else(|error| {
                findings.push(Finding::error(CORS_ORIGINS, format!("{CORS_ORIGINS}: {error}")));
                AllowedOrigins::Own
            });
            Setting::new(origins, Origin::Variable(CORS_ORIGINS))
        }
    }
}

fn resolve_index_dir(args: &ServiceArgs, environment: &Environment) -> Option<Setting<PathBuf>> {
    let typed = args.index_dir.clone().map(|directory| Setting::new(directory, Origin::Flag("--index-dir")));
    let variable = || environment.get(INDEX_DIR).map(|value| Setting::new(value.into(), Origin::Variable(INDEX_DIR)));
    typed.or_else(variable)
}

fn resolve_log(args: &ServiceArgs, environment: &Environment, findings: &mut Vec<Finding>) -> Setting<Log> {
    let of_variable = || {
        let read = environment.get(LOG)?.parse();
        let read = read.map_err(|wrong| findings.push(Finding::error(LOG, format!("{LOG}: {wrong}"))));
        Some(Setting::new(read.ok()?, Origin::Variable(LOG)))
    };
    let of_flag = args.log.map(|log| Setting::new(log, Origin::Flag("--log")));
    of_flag.or_else(of_variable).unwrap_or(Setting::new(Log::default(), Origin::Default))
}

fn resolve_index_memory(
    args: &ServiceArgs,
    environment: &Environment,
    findings: &mut Vec<Finding>,
) -> Option<Setting<usize>> {
    if let Some(typed) = args.index_memory {
        return Some(Setting::new(typed, Origin::Flag("--index-memory")));
    }
    let value = environment.get(INDEX_MEMORY)?;
    parse_size(value)
        .map_err(|wrong| findings.push(Finding::error(INDEX_MEMORY, format!("{INDEX_MEMORY} is `{value}`; {wrong}"))))
        .map(|bytes| Setting::new(bytes, Origin::Variable(INDEX_MEMORY)))
        .ok()
}

/// The extra fields that books are filtered and counted by.
pub fn facets(environment: &Environment) -> Setting<Vec<String>> {
    let Some(names) = environment.get(FACETS) else { return Setting::new(Vec::new(), Origin::Default) };
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    Setting::new(names.collect(), Origin::Variable(FACETS))
}

/// JWT_SECRET_KEY, or else SECRET_KEY, as Flask-JWT-Extended has it; beside public keys only the former, as the latter is
/// then for other things.
fn resolve_secret(environment: &Environment, findings: &mut Vec<Finding>) -> Setting<Option<Secret>> {
    const NAMES: [&str; 2] = ["JWT_SECRET_KEY", "SECRET_KEY"];
    for name in NAMES.into_iter().filter(|name| environment.is_empty(name)) {
        findings.push(Finding::warning(name, format!("{name} is set to nothing; it counts as not set")));
    }
    let [jwt, mut general] = NAMES.map(|name| environment.get(name));
    if jwt.is_none() && general.is_some() && environment.get(JWKS).is_some() {
        findings.push(Finding::note(NAMES[1], "JWT_JWKS is set, so no token is checked by SECRET_KEY"));
        general = None;
    }
    if let (Some(jwt), Some(general)) = (jwt, general)
        && jwt != general
    {
        let message = "JWT_SECRET_KEY and SECRET_KEY are both set, and differ; JWT_SECRET_KEY wins";
        findings.push(Finding::note("JWT_SECRET_KEY", message));
    }
    let (secret, name) = match (jwt, general) {
        (Some(secret), _) => (secret, NAMES[0]),
        (None, Some(secret)) => (secret, NAMES[1]),
        (None, None) => return Setting::new(None, Origin::Default),
    };
    if secret.len() < SHORTEST_SECRET_BYTES {
        let message = format!(
            "{name} is shorter than {SHORTEST_SECRET_BYTES} bytes, so it can be found by trying; make one with \
             `openssl rand -hex 32`"
        );
        findings.push(Finding::warning(name, message));
    }
    Setting::new(Some(Secret::new(secret)), Origin::Variable(name))
}

fn resolve_reading(
    typed: Option<ReadingArg>,
    environment: &Environment,
    findings: &mut Vec<Finding>,
) -> Setting<Reading> {
    if let Some(typed) = typed {
        return Setting::new(typed.into(), Origin::Flag("--reading"));
    }
    let Some(value) = environment.get(READING) else { return Setting::new(Reading::Public, Origin::Default) };
    let known = ReadingArg::from_str(value, true).unwrap_or_else(|_| {
        let message = format!("{READING} is `{value}`; it has to be `public` or `closed`");
        findings.push(Finding::error(READING, message));
        ReadingArg::Closed
    });
    Setting::new(known.into(), Origin::Variable(READING))
}

fn resolve_token_scope(environment: &Environment, findings: &mut Vec<Finding>) -> Setting<Scope> {
    let Some(value) = environment.get(TOKEN_SCOPE) else { return Setting::new(Scope::Read, Origin::Default) };
    let scope = value.parse().unwrap_or_else(|()| {
        let message = format!("{TOKEN_SCOPE} is `{value}`; it has to be `read`, `write` or `admin`");
        findings.push(Finding::error(TOKEN_SCOPE, message));
        Scope::Read
    });
    Setting::new(scope, Origin::Variable(TOKEN_SCOPE))
}

/// The value of a variable, or its default if it is not set or cannot be read, which is an error.
fn read<T: Default, E: std::fmt::Display>(
    name: &'static str,
    environment: &Environment,
    findings: &mut Vec<Finding>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Setting<T> {
    let Some(text) = environment.get(name) else { return Setting::new(T::default(), Origin::Default) };
    let value = parse(text).unwrap_or_else(|error| {
        findings.push(Finding::error(name, format!("{name} is `{}`: {error}", without_credentials(text))));
        T::default()
    });
    Setting::new(value, Origin::Variable(name))
}

/// An address without what may be a name and a password in it; any other text as it is.
fn without_credentials(text: &str) -> String {
    let credentials = text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    credentials.map_or_else(|| text.to_owned(), |(scheme, rest)| format!("{scheme}://{MASK}@{rest}"))
}

/// The picture in a file.
fn read_logo(file: &str) -> Result<Logo, String> {
    Logo::new(std::fs::read(file).map_err(|error| format!("it cannot be read: {error}"))?)
}

/// How the page looks, and where readers and crawlers find it: settings that a function has, too.
#[derive(Debug)]
pub struct PageSettings {
    /// The address that readers know the service by, if it is said.
    pub public_url: Setting<Option<PublicUrl>>,
    /// What the page is called.
    pub site_name: Setting<Option<String>>,
    /// The colour of links and buttons.
    pub accent: Setting<Option<Accent>>,
    /// The picture beside the name.
    pub logo: Setting<Option<Logo>>,
    /// What crawlers may read.
    pub crawlers: Setting<Crawlers>,
}

impl PageSettings {
    fn resolve(environment: &Environment, findings: &mut Vec<Finding>) -> Self {
        let name = |text: &str| Some(text.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
        Self {
            public_url: read(PUBLIC_URL, environment, findings, |text| text.parse().map(Some)),
            site_name: read(SITE_NAME, environment, findings, |text| Ok::<_, Error>(name(text))),
            accent: read(ACCENT, environment, findings, |text| text.parse().map(Some)),
            logo: read(LOGO, environment, findings, |file| read_logo(file).map(Some)),
            crawlers: read(ROBOTS, environment, findings, str::parse),
        }
    }

    /// These, and the defaults of all others.
    fn config(&self) -> ServerConfig {
        let default = ServerConfig::default();
        ServerConfig {
            public_url: self.public_url.value.clone(),
            site_name: self.site_name.value.clone().unwrap_or(default.site_name),
            accent: self.accent.value,
            logo: self.logo.value.clone(),
            crawlers: self.crawlers.value,
            ..default
        }
    }
}

/// The settings of a function, which has no flags, and leaves it to Lambda how many requests there are at a time.
#[cfg(feature = "lambda")]
pub fn of_function(environment: &Environment) -> Result<ServerConfig, Error> {
    let mut findings = Vec::new();
    let config = ServerConfig {
        allowed_origins: resolve_origins(environment, &mut findings).value,
        access: AccessConfig {
            reading: resolve_reading(None, environment, &mut findings).value,
            secret: resolve_secret(environment, &mut findings).value,
            public_keys: read(JWKS, environment, &mut findings, |place| KeyPlace::new(place).map(Some))
                .value
                .as_ref()
                .map(KeyPlace::keys),
            token_scope: resolve_token_scope(environment, &mut findings).value,
        },
        ..PageSettings::resolve(environment, &mut findings).config()
    };
    match findings.into_iter().find(|finding| finding.level == Level::Error) {
        Some(error) => Err(Error::Settings { messages: error.message }),
        None => Ok(config),
    }
}

/// What `libellus_kernels` chooses by the same variable; a name that this processor does not run is passed over.
fn resolve_instruction_set(environment: &Environment, findings: &mut Vec<Finding>) -> Setting<&'static str> {
    const NAME: &str = "LIBELLUS_ISA";
    let available: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
    let best = Isa::best().name();
    match environment.get(NAME) {
        None => Setting::new(best, Origin::Default),
        Some(wanted) if available.contains(&wanted) => Setting::new(best, Origin::Variable(NAME)),
        Some(wanted) => {
            let message = format!(
                "{NAME} is `{wanted}`, which this processor does not run, so it is passed over; it runs {}",
                available.join(", ")
            );
            findings.push(Finding::warning(NAME, message));
            Setting::new(best, Origin::Default)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServiceArgs,
    }

    fn resolve(flags: &[&str], variables: &[(&str, &str)]) -> Settings {
        let line = Line::try_parse_from([&["serve"], flags].concat()).expect("flags");
        Settings::resolve(&line.args, &Environment::of(variables))
    }

    #[test]
    fn flags_win_over_the_environment() {
        use Origin::{Default, Flag, Variable};
        for (flags, port, (host, host_origin), (expected, origin)) in [
            (&[][..], None, ("127.0.0.1", Default), (5001, Default)),
            (&[], Some(""), ("127.0.0.1", Default), (5001, Default)),
            (&[], Some("8080"), ("0.0.0.0", Variable("PORT")), (8080, Variable("PORT"))),
            (&["--port", "9000"], Some("8080"), ("0.0.0.0", Variable("PORT")), (9000, Flag("--port"))),
            (&["--host", "::1"], Some("8080"), ("::1", Flag("--host")), (8080, Variable("PORT"))),
            (&["--host", "::1", "--port", "0"], None, ("::1", Flag("--host")), (0, Flag("--port"))),
        ] {
            let variables: Vec<_> = port.map(|port| ("PORT", port)).into_iter().collect();
            let settings = resolve(flags, &variables);
            assert!(settings.findings.is_empty(), "{:?}", settings.findings);
            let address = &settings.address;
            assert_eq!((address.host.value.as_str(), address.host.origin), (host, host_origin), "{flags:?} {port:?}");
            assert_eq!((address.port.value, address.port.origin), (expected, origin), "{flags:?} {port:?}");
        }
        let index = |settings: &Settings| {
            let origin = settings.index_memory.as_ref().map(|most| (most.value, most.origin));
            (settings.index_dir.clone().map(|directory| (directory.value, directory.origin)), origin)
        };
        let variables = [("LIBELLUS_INDEX_DIR", "/var/a"), ("LIBELLUS_INDEX_MEMORY", "500M")];
        let expected = |directory: &str, origin| Some((PathBuf::from(directory), origin));
        assert_eq!(index(&resolve(&[], &[])), (None, None));
        let settings = resolve(&[], &variables);
        let most = Some((500_000_000, Variable("LIBELLUS_INDEX_MEMORY")));
        assert_eq!(index(&settings), (expected("/var/a", Variable("LIBELLUS_INDEX_DIR")), most));
        let settings = resolve(&["--index-dir", "b", "--index-memory", "1G"], &variables);
        assert_eq!(
            index(&settings),
            (expected("b", Flag("--index-dir")), Some((1_000_000_000, Flag("--index-memory"))))
        );
        let settings = resolve(&["--log", "json"], &[("LIBELLUS_LOG", "text")]);
        assert_eq!((settings.log.value, settings.log.origin), (Log::Json, Flag("--log")));
        let settings = resolve(&[], &[("LIBELLUS_LOG", "json")]);
        assert_eq!((settings.log.value, settings.log.origin), (Log::Json, Variable("LIBELLUS_LOG")));
        let settings = resolve(&[], &[("LIBELLUS_LOG", "xml")]);
        assert_eq!((settings.findings[0].level, settings.log.value), (Level::Error, Log::Text));
        let settings = resolve(&[], &[("LIBELLUS_INDEX_MEMORY", "much")]);
        assert_eq!((settings.findings[0].level, settings.index_memory), (Level::Error, None));
        let settings = resolve(&[], &[("LIBELLUS_FACETS", "shelf, reading level,")]);
        let facets = ["shelf".to_owned(), "reading level".to_owned()];
        assert_eq!(settings.facets, Setting::new(facets.to_vec(), Variable("LIBELLUS_FACETS")));
        let settings = resolve(&["--facet", "shelf"], &[("LIBELLUS_FACETS", "x")]);
        assert_eq!(settings.facets, Setting::new(vec!["shelf".to_owned()], Flag("--facet")));
        let settings = resolve(&["--db", "a.db"], &[("DATABASE_URL", "sqlite:b.db")]);
        assert_eq!(settings.database, Setting::new("a.db".to_owned(), Flag("--db")));
        assert_eq!(settings.findings[0].level, Level::Detail);
        let settings = resolve(&[], &[("DATABASE_URL", "postgres://reader:hunter2@db/books")]);
        assert_eq!(settings.database.value, "postgresql://reader@db:5432/books");
    }

    #[test]
    fn what_cannot_be_meant_is_found() {
        const LONG: &str = "0123456789abcdef0123456789abcdef";
        for (name, value, level, part) in [
            ("PORT", "http", Level::Error, "PORT is `http`, which is not a port number"),
            ("PORT", "65536", Level::Error, "PORT is `65536`"),
            ("DATABASE_URL", "mysql://reader:hunter2@db/x", Level::Error, "DATABASE_URL: `mysql:`"),
            ("CORS_ORIGINS", "https://a.example/", Level::Error, "CORS_ORIGINS: `https://a.example/`"),
            ("CORS_ORIGINS", "*,https://a.example", Level::Error, "nothing can stand beside it"),
            ("SECRET_KEY", "hunter2", Level::Warning, "SECRET_KEY is shorter than 32 bytes"),
            ("JWT_SECRET_KEY", "", Level::Warning, "JWT_SECRET_KEY is set to nothing"),
            ("JWT_JWKS", "/no/such/keys.json", Level::Error, "it cannot be read"),
            ("JWT_JWKS", "http://keys.example/jwks", Level::Error, "has to start with `https://`"),
            ("JWT_JWKS", "https://u:hunter2@keys.example/", Level::Error, "no name and password"),
            ("LIBELLUS_READING", "nobody", Level::Error, "has to be `public` or `closed`"),
            ("LIBELLUS_RATE_LIMIT", "often", Level::Error, "`20` or `20/100`"),
            ("LIBELLUS_TRUSTED_PROXIES", "10.0.0.0/99", Level::Error, "`10.0.0.0/99` is no address"),
            ("LIBELLUS_PUBLIC_URL", "books.example", Level::Error, "has to start with `https://`"),
            ("LIBELLUS_ACCENT", "#ffd400", Level::Error, "has a contrast of 1.2"),
            ("LIBELLUS_LOGO", "/no/such/file.svg", Level::Error, "it cannot be read"),
            ("LIBELLUS_ROBOTS", "all", Level::Error, "it has to be `books` or `none`"),
            ("LIBELLUS_CACHE", "some", Level::Error, "such as 64M"),
            ("LIBELLUS_TOKEN_SCOPE", "root", Level::Error, "`read`, `write` or `admin`"),
            ("LIBELLUS_ISA", "mmx", Level::Warning, "LIBELLUS_ISA is `mmx`"),
            ("LIBELLUS_ISE", "scalar", Level::Warning, "did you mean LIBELLUS_ISA?"),
            ("LIBELLUS_PORT", "80", Level::Warning, "did you mean PORT?"),
        ] {
            let settings = resolve(&[], &[(name, value)]);
            let [finding] = settings.findings.as_slice() else { panic!("{name}={value}: {:?}", settings.findings) };
            assert!(finding.level == level && finding.message.contains(part), "{name}={value}: {finding}");
            assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
            assert_eq!(settings.errors().is_err(), level == Level::Error, "{name}={value}");
        }
        for variables in [&[("SECRET_KEY", LONG)][..], &[("JWT_SECRET_KEY", LONG), ("SECRET_KEY", LONG)]] {
            let settings = resolve(&[], variables);
            assert!(settings.findings.is_empty() && settings.secret_key.value.is_some(), "{:?}", settings.findings);
        }
        let other = LONG.to_uppercase();
        let settings = resolve(&[], &[("JWT_JWKS", "https://keys.example/"), ("SECRET_KEY", LONG)]);
        assert!(settings.secret_key.value.is_none() && settings.errors().is_ok(), "{:?}", settings.findings);
        let settings = resolve(&[], &[("JWT_SECRET_KEY", LONG), ("SECRET_KEY", &other)]);
        assert!(settings.findings[0].message.contains("JWT_SECRET_KEY wins"), "{:?}", settings.findings);
        assert_eq!(settings.secret_key.origin, Origin::Variable("JWT_SECRET_KEY"));
    }
}
