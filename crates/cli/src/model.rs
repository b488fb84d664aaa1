//! Which model: the one inside the executable, unless `--model` names a directory, a pack, or a model that was pulled.
//!
//! Pulled models lie in `models` of the user's folder for data of libellus: LIBELLUS_HOME, or else `libellus` in
//! XDG_DATA_HOME, or else `~/.local/share/libellus`. They are found by their names on the hub. They are no cache: what
//! is there stays until the user removes it, and other programs' caches are left alone.

use crate::error::Error;
use crate::output::shell_word;
#[cfg(feature = "chores")]
use libellus_catalogue::ModelSpace;
use libellus_encoder::Encoder;
use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The model inside the executable, by the name that `model info` shows.
pub const BUILTIN: &str = "all-MiniLM-L6-v2";

/// Threads that a question is split between at most. Its steps last microseconds, so more gain little.
const QUESTION_THREADS: usize = 2;

/// `--model`, for every command that encodes.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// The model: a name (see `libellus model list` and `libellus model pull`), a sentence-transformers directory or a
    /// .pack file
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

    /// Opens the model for a service: up to `threads` threads, which wait for questions, split one between them.
    pub fn open_to_serve(&self, threads: usize) -> Result<Arc<Encoder>, Error> {
        open_to_serve(&self.model, threads)
    }
}

/// Opens a model for a service, by name or path: see [`ModelArgs::open_to_serve`].
pub fn open_to_serve(model: &str, threads: usize) -> Result<Arc<Encoder>, Error> {
    Ok(Arc::new(open_encoder(model)?.with_team(threads.min(QUESTION_THREADS))))
}

/// A model's space, as a catalogue records it: by a name that means the same model from any directory.
#[cfg(feature = "chores")]
pub fn space_of(model: &str, encoder: &Encoder) -> ModelSpace {
    let path = Path::new(model);
    let whole = if is_builtin(model) || !path.exists() { None } else { path.canonicalize().ok() };
    let name = whole.map_or_else(|| model.to_owned(), |path| path.display().to_string());
    ModelSpace { space: encoder.info().fingerprint.space.clone(), model: name }
}

/// Opens a model by name or path. The names of built-in models win, then comes what is there as a path, then what was
/// pulled; `./NAME` is always a path.
pub fn open(model: &str) -> Result<Arc<Encoder>, Error> {
    open_encoder(model).map(Arc::new)
}

fn open_encoder(model: &str) -> Result<Encoder, Error> {
    if is_builtin(model) {
        return Ok(Encoder::builtin());
    }
    let path = PathBuf::from(model);
    let found = if path.exists() { Some(path) } else { pulled_directory(model) };
    match found {
        Some(path) => Ok(Encoder::open(&path)?),
        None => Err(Error::NoSuchModel { model: model.to_owned() }),
    }
}

/// Whether a name means the model inside the executable; the hub's full name does too.
pub fn is_builtin(model: &str) -> bool {
    model.strip_prefix(OWNER).unwrap_or(model) == BUILTIN
}

/// Whose models need no owner in their names.
const OWNER: &str = "sentence-transformers/";

/// The folder of pulled models, whether or not it is there; none if nobody knows where this user's data belong.
pub fn models_directory() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("LIBELLUS_HOME")
        .or_else(|| Some(variable("XDG_DATA_HOME")?.join("libellus")))
        .or_else(|| Some(env::home_dir()?.join(".local/share/libellus")));
    Some(home?.join("models"))
}

/// The directory of a model that was pulled, by its name.
fn pulled_directory(name: &str) -> Option<PathBuf> {
    // A name leads nowhere but into the folder of models.
    if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let models = models_directory()?;
    [name.to_owned(), format!("{OWNER}{name}")].iter().map(|name| models.join(name)).find(|path| is_model(path))
}

/// The models that were pulled: their names, and where they are.
pub fn pulled() -> Vec<(String, PathBuf)> {
    let Some(models) = models_directory() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, path) in folders(&models) {
        if is_model(&path) {
            found.push((name, path));
        } else {
            let of_owner = folders(&path).into_iter().filter(|(_, path)| is_model(path));
            found.extend(of_owner.map(|(own, path)| (format!("{name}/{own}"), path)));
        }
    }
    found.sort();
    found
}

fn is_model(path: &Path) -> bool {
    path.join("config.json").is_file()
}

/// The folders in a folder, but for hidden ones: there, models are just being pulled.
fn folders(path: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    named.filter(|(name, path)| !name.starts_with('.') && path.is_dir()).collect()
}
