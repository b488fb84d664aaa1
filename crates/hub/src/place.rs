//! Where a model is kept, and how it gets there: made aside, then renamed into place as a whole.
//!
//! ```text
//! models/OWNER/NAME/          a model, with `libellus.json`: where it came from, and the hashes of its files
//! models/.pulling/            what is being pulled, and what was left of a pull that broke
//! ```

use crate::digest::sha256;
use crate::name::{is_wanted, leads_out};
use crate::{Error, ModelName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The file that says where a model came from; no file of a model is called so.
const MANIFEST: &str = "libellus.json";

/// Where a model came from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The hub's address, or a path.
    pub source: String,
    pub revision: Option<String>,
    pub commit: Option<String>,
    pub files: BTreeMap<String, Kept>,
}

/// A file of a model.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub size: u64,
    pub sha256: String,
}

/// The place of one model, held by this process alone while it is pulled.
pub(crate) struct Place {
    pub target: PathBuf,
    name: String,
    aside: PathBuf,
    slug: String,
    _lock: File,
}

impl Place {
    /// Takes a model's place.
    pub fn hold(models: &Path, name: &ModelName) -> Result<Self, Error> {
        let aside = models.join(".pulling");
        make_folder(&aside)?;
        let slug = name.to_string().replace('/', "--");
        let path = aside.join(format!("{slug}.lock"));
        let lock = File::create(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::Busy { name: name.to_string() }),
            Err(fs::TryLockError::Error(source)) => return Err(Error::Write { path, source }),
        }
        let place = Self { target: models.join(name.to_string()), name: name.to_string(), aside, slug, _lock: lock };
        // A process that was killed between the two renames of `put` left the model of before aside.
        if !place.target.exists() && place.former().exists() {
            rename(&place.former(), &place.target)?;
        }
        if place.target.exists() && place.manifest().is_none() {
            return Err(Error::Occupied { path: place.target });
        }
        Ok(place)
    }

    /// What is known about the model that is there.
    pub fn manifest(&self) -> Option<Manifest> {
        serde_json::from_slice(&fs::read(self.target.join(MANIFEST)).ok()?).ok()
    }

    /// The manifest, if the model is there as it was put.
    pub fn intact(&self) -> Option<Manifest> {
        let manifest = self.manifest()?;
        let same = |(name, kept): (&String, &Kept)| {
            let path = self.target.join(name);
            !leads_out(name)
                && fs::metadata(&path).is_ok_and(|metadata| metadata.len() == kept.size)
                && sha256(&path).is_ok_and(|sha256| sha256 == kept.sha256)
        };
        manifest.files.iter().all(same).then_some(manifest)
    }

    /// A folder to make the model in: what an earlier pull of the same `version` left is in it, that of others is gone.
    pub fn stage(&self, version: &str) -> Result<PathBuf, Error> {
        let stage = self.aside.join(format!("{}@{version}", self.slug));
        let entries = fs::read_dir(&self.aside).map_err(|source| Error::Read { path: self.aside.clone(), source })?;
        for entry in entries.flatten() {
            let others = entry.path() != stage
                && entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.rsplit_once('@'))
                    .is_some_and(|(slug, _)| slug == self.slug);
            if others {
                remove_folder(&entry.path())?;
            }
        }
        make_folder(&stage)?;
        Ok(stage)
    }

    /// What a finished folder holds.
    pub fn inventory(stage: &Path) -> Result<BTreeMap<String, Kept>, Error> {
        let mut files = BTreeMap::new();
        for (name, path) in model_files(stage)? {
            let size = fs::metadata(&path).map_err(|source| Error::Read { path: path.clone(), source })?.len();
            files.insert(name, Kept { size, sha256: sha256(&path)? });
        }
        Ok(files)
    }

    /// Puts a finished folder into place, instead of what is there.
    pub fn put(&self, stage: &Path, manifest: &Manifest) -> Result<(), Error> {
        let path = stage.join(MANIFEST);
        let failed = |source| Error::Write { path: path.clone(), source };
        let json = serde_json::to_vec_pretty(manifest).map_err(|error| failed(error.into()))?;
        fs::write(&path, json).and_then(|()| File::open(&path)?.sync_all()).map_err(failed)?;
        if let Some(parent) = self.target.parent() {
            make_folder(parent)?;
        }
        let former = self.former();
        remove_folder(&former)?;
        if self.target.exists() {
            rename(&self.target, &former)?;
        }
        rename(stage, &self.target)?;
        remove_folder(&former)
    }

    fn former(&self) -> PathBuf {
        self.aside.join(format!("{}.former", self.slug))
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The files of a model in a folder, by their names.
pub(crate) fn model_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let list = |path: &Path| {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        entries.map_err(|source| Error::Read { path: path.to_owned(), source })
    };
    let mut files = Vec::new();
    for entry in list(folder)? {
        let Ok(name) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() {
            let config = format!("{name}/config.json");
            if is_wanted(&config) && entry.path().join("config.json").is_file() {
                files.push((config, entry.path().join("config.json")));
            }
        } else if is_wanted(&name) {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// The path of a model's file in a folder, whose own folder is made.
pub(crate) fn path_in(folder: &Path, file: &str) -> Result<PathBuf, Error> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    Ok(path)
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Removes a folder, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::Write { path: to.to_owned(), source })
}

/// Writes what a reader of `from` gives to a new file, and to the disk.
pub(crate) fn write_out(from: &Path, content: &mut dyn Read, path: &Path) -> Result<u64, Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let mut output = File::create(path).map_err(failed)?;
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0;
    loop {
        match content.read(&mut buffer).map_err(|source| Error::Read { path: from.to_owned(), source })? {
            0 => break,
            count => {
                output.write_all(&buffer[..count]).map_err(failed)?;
                written += count as u64;
            }
        }
    }
    output.sync_all().map_err(failed)?;
    Ok(written)
}
