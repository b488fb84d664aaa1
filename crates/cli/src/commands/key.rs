//! `libellus key`: who may read, write and administer over HTTP, by keys that the catalogue holds the hashes of.

use crate::database::DatabaseArgs;
use crate::error::Error;
use crate::filter::FilterArgs;
use crate::outcome::Outcome;
use crate::output;
use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use libellus_catalogue::{Access, ApiKey, Scope};
use libellus_search::Filter;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
Examples:
  libellus key create \"nightly import\" --scope write
  libellus key create \"children's room\" --age 12 --days 365
  libellus key list
  libellus key revoke 1f0c9a2b4d5e

A key goes into the header `Authorization: Bearer KEY`. It is shown once: the catalogue holds its
SHA-256, which is enough for 256 random bits. A running service knows it, and that it was revoked, at
once. Snapshots and exports hold no keys.

Scopes: `read` searches and reads, `write` changes books as well, `admin` sees what others do, too.
A key with a filter (--filter, --years, --age) reads, and never sees another book.";

const DAY_S: i64 = 24 * 60 * 60;

/// What can be typed after `key`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key, and show it this once
    #[command(after_help = "Example:\n  libellus key create \"nightly import\" --scope write")]
    Create(Create),
    /// List the keys, without themselves
    #[command(after_help = "Example:\n  libellus key list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Make a key useless, at once
    #[command(after_help = "Example:\n  libellus key revoke 1f0c9a2b4d5e")]
    Revoke {
        /// What `libellus key list` calls it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What it is for
    #[arg(value_name = "NAME")]
    name: String,
    /// What it is good for
    #[arg(long, value_name = "SCOPE", default_value = "read", value_parser = scope())]
    scope: Scope,
    /// How long it is good [default: until it is revoked]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Print JSON: the key and what is kept of it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A new key, as `--json` prints it.
#[derive(Serialize)]
struct Created<'a> {
    key: &'a str,
    #[serde(flatten)]
    kept: &'a ApiKey,
}

fn scope() -> impl TypedValueParser<Value = Scope> {
    let known = |name: String| name.parse().map_err(|()| "no such scope");
    PossibleValuesParser::new(Scope::ALL.map(Scope::as_str)).try_map(known)
}

/// Makes, lists or revokes.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    match &args.action {
        Action::Create(args) => create(args),
        Action::List { json, database } => {
            let keys = database.open_existing(Access::ReadOnly)?.keys()?;
            if *json {
                output::print_json(&keys)?
            } else {
                output::print(&for_people(&keys))?
            }
            Ok(Outcome::Done)
        }
        Action::Revoke { id, database } => {
            if !database.open_existing(Access::ReadWrite)?.revoke_key(id)? {
                return Err(Error::NoSuchKey { id: id.clone() });
            }
            eprintln!("revoked: {id}");
            Ok(Outcome::Done)
        }
    }
}

fn create(args: &Create) -> Result<Outcome, Error> {
    let Create { name, scope, days, json, filter, database } = args;
    let filter = filter.filter()?;
    let bound = (filter != Filter::default()).then(|| filter.to_json()).transpose()?;
    if bound.is_some() && *scope != Scope::Read {
        return Err(Error::FilteredKeyWrites { scope: *scope });
    }
    let expires = days.map(|days| now().saturating_add(i64::from(days) * DAY_S));
    let catalogue = database.open_or_create()?;
    let (key, kept) = catalogue.create_key(name, *scope, bound.as_deref(), expires)?;
    if *json {
        output::print_json(&Created { key: &key, kept: &kept })?;
    } else {
        eprintln!("key `{}` for `{scope}`; it is not shown again", kept.id);
        output::print(&format!("{key}\n"))?;
    }
    Ok(Outcome::Done)
}

fn for_people(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "there are no keys; `libellus key create NAME` makes one\n".to_owned();
    }
    let line = |key: &ApiKey| {
        let ApiKey { id, name, scope, filter, expires, .. } = key;
        let filter = filter.as_ref().map_or_else(String::new, |filter| format!("  only {filter}"));
        let end = match expires.map(|end| (end - now()).div_euclid(DAY_S)) {
            None => String::new(),
            Some(_) if key.is_expired() => "  (its time is over)".to_owned(),
            Some(days) => format!("  ({days} days left)"),
        };
        format!("{}\n", output::plain(&format!("{id}  {scope:<5}  {name}{filter}{end}")))
    };
    keys.iter().map(line).collect()
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
