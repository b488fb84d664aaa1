//! `libellus config`: every setting of the service, its value, and where it came from.
//!
//! No database is opened and nothing listens, so it can be run beside a service, or in an image that does not start.

use crate::error::Error;
use crate::outcome::Outcome;
use crate::output;
use crate::settings::{Environment, Finding, Level, MASK, Origin, ServiceArgs, Settings, Unused};
use serde::Serialize;

const EXAMPLES: &str = "\
Examples:
  libellus config                          what `libellus serve` would go by, here and now
  libellus config --port 8080 --db b.db    the same with these flags
  docker run --rm -e CORS_ORIGINS=https://books.example libellus config

Secrets are never shown. The exit code is 2 if a setting cannot be used; each is named.";

/// What can be typed after `config`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Everything there is to show.
#[derive(Debug, Serialize)]
struct Report<'a> {
    settings: Vec<Row>,
    findings: &'a [Finding],
    unused: &'a [Unused],
}

/// One setting.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: String,
    /// `flag`, `environment` or `default`.
    origin: &'static str,
    /// The flag or variable.
    from: Option<&'static str>,
}

impl Row {
    fn new(name: &'static str, value: String, origin: Origin) -> Self {
        let (origin, from) = match origin {
            Origin::Flag(name) => ("flag", Some(name)),
            Origin::Variable(name) => ("environment", Some(name)),
            Origin::Default => ("default", None),
        };
        Self { name, value, origin, from }
    }
}

/// Shows the settings.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    let settings = Settings::resolve(&args.service, &Environment::of_process());
    let report = Report { settings: rows(&settings), findings: &settings.findings, unused: &settings.unused };
    if args.json {
        output::print_json(&report)?
    } else {
        output::print(&for_people(&report))?
    }
    settings.errors().map(|()| Outcome::Done)
}

/// The settings in the order of interest.
fn rows(settings: &Settings) -> Vec<Row> {
    let Settings { address, database, model, threads, sample, allowed_origins, secret_key, instruction_set, .. } =
        settings;
    let next_model = settings.next_model.as_ref();
    let (index_dir, index_memory) = (settings.index_dir.as_ref(), settings.index_memory.as_ref());
    let server = settings.server_config();
    let secret = if secret_key.value.is_some() { MASK } else { "not set" };
    vec![
        Row::new("host", address.host.value.clone(), address.host.origin),
        Row::new("port", address.port.value.to_string(), address.port.origin),
        Row::new("database", database.value.clone(), database.origin),
        Row::new("model", model.value.clone(), model.origin),
        Row::new(
            "next_model",
            next_model.map_or_else(|| "none".to_owned(), |model| model.value.clone()),
            next_model.map_or(Origin::Default, |model| model.origin),
        ),
        Row::new("threads", threads.value.to_string(), threads.origin),
        Row::new("sample", sample.value.to_string(), sample.origin),
        Row::new(
            "index_dir",
            index_dir.map_or_else(|| "none".to_owned(), |directory| directory.value.display().to_string()),
            index_dir.map_or(Origin::Default, |directory| directory.origin),
        ),
        Row::new(
            "index_memory",
            index_memory.map_or_else(|| "no ceiling".to_owned(), |most| most.value.to_string()),
            index_memory.map_or(Origin::Default, |most| most.origin),
        ),
        Row::new("cache", settings.server_config().answer_bytes.to_string(), settings.cache.origin),
        Row::new("log", settings.log.value.as_str().to_owned(), settings.log.origin),
        Row::new("facets", list(&settings.facets.value), settings.facets.origin),
        Row::new("allowed_origins", allowed_origins.value.to_string(), allowed_origins.origin),
        Row::new("secret_key", secret.to_owned(), secret_key.origin),
        Row::new(
            "public_keys",
            settings.public_keys.value.as_ref().map_or_else(|| "not set".to_owned(), |place| place.to_string()),
            settings.public_keys.origin,
        ),
        Row::new("token_scope", settings.token_scope.value.to_string(), settings.token_scope.origin),
        Row::new(
            "rate_limit",
            settings.rate_limit.value.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
            settings.rate_limit.origin,
        ),
        Row::new("trusted_proxies", settings.trusted_proxies.value.to_string(), settings.trusted_proxies.origin),
        Row::new(
            "public_url",
            settings.page.public_url.value.as_ref().map_or_else(|| "as asked".to_owned(), |url| url.to_string()),
            settings.page.public_url.origin,
        ),
        Row::new("site_name", server.site_name, settings.page.site_name.origin),
        Row::new(
            "accent",
            server.accent.map_or_else(|| "libellus's own".to_owned(), |accent| accent.to_string()),
            settings.page.accent.origin,
        ),
        Row::new(
            "logo",
            (if server.logo.is_some() { "the library's" } else { "libellus's own" }).to_owned(),
            settings.page.logo.origin,
        ),
        Row::new("robots", settings.page.crawlers.value.to_string(), settings.page.crawlers.origin),
        Row::new("reading", settings.reading.value.to_string(), settings.reading.origin),
        Row::new("instruction_set", instruction_set.value.to_owned(), instruction_set.origin),
    ]
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A table; then what is worth knowing. Errors come last, from the edge of the program.
fn for_people(report: &Report) -> String {
    let width = |of: fn(&Row) -> &str| report.settings.iter().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|row| row.name), width(|row| &row.value));
    let mut text = String::new();
    for row in &report.settings {
        let from = row.from.unwrap_or(row.origin);
        let value = output::plain(&row.value);
        text.push_str(&format!("{:<names$}  {value:<values$}  {from}\n", row.name));
    }
    for finding in report.findings.iter().filter(|finding| finding.level != Level::Error) {
        text.push_str(&format!("{finding}\n"));
    }
    if !report.unused.is_empty() {
        let width = report.unused.iter().map(|unused| unused.variable.len()).max().unwrap_or(0);
        text.push_str("\nset, but not used here:\n");
        for unused in report.unused {
            text.push_str(&format!("  {:<width$}  {}\n", unused.variable, unused.why));
        }
    }
    text
}
