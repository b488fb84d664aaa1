//! Which model: the one inside the executable, unless `--model` names a directory or a pack.

use crate::error::Error;
use crate::output::shell_word;
use libellus_encoder::Encoder;
use std::path::Path;
use std::sync::Arc;

/// The model inside the executable, by the name that `model info` shows.
pub const BUILTIN: &str = "all-MiniLM-L6-v2";

/// `--model`, for every command that encodes.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// The model: a name (see `libellus model list`), a sentence-transformers directory or a .pack file
    #[arg(long, value_name = "MODEL", default_value = BUILTIN, hide_default_value = true)]
    model: String,
}

impl ModelArgs {
    /// `--model` as it was typed, for a command to copy; empty for the model inside.
    pub fn flag(&self) -> String {
        if is_builtin(&self.model) { String::new() } else { format!(" --model {}", shell_word(&self.model)) }
    }

    /// The name or path that is meant.
    pub fn name(&self) -> &str {
        &self.model
    }

    /// Whether it is the model inside.
    pub fn is_builtin(&self) -> bool {
        is_builtin(&self.model)
    }

    /// Opens the model.
    pub fn open(&self) -> Result<Arc<Encoder>, Error> {
        open(&self.model)
    }
}

/// Opens a model by name or path. The names of built-in models win; `./NAME` is always a path.
pub fn open(model: &str) -> Result<Arc<Encoder>, Error> {
    if is_builtin(model) {
        return Ok(Arc::new(Encoder::builtin()));
    }
    let path = Path::new(model);
    if !path.exists() {
        return Err(Error::NoSuchModel { model: model.to_owned() });
    }
    Ok(Arc::new(Encoder::open(path)?))
}

/// Whether a name means the model inside the executable; the hub's full name does too.
fn is_builtin(model: &str) -> bool {
    model.strip_prefix("sentence-transformers/").unwrap_or(model) == BUILTIN
}
