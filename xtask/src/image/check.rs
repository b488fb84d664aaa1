//! Whether an image archive is whole: every part is there, has its size and its sum, and the root is what it says.

use super::archive::{CONFIG_TYPE, INDEX_TYPE, LAYER_TYPE, MANIFEST_TYPE};
use super::{blob_path, digest};
use crate::Failure;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// The two sizes of an image.
#[derive(Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The files of the root, as a disk keeps them.
    pub unpacked_bytes: u64,
    /// Manifest, configuration and layers, as a registry keeps them.
    pub compressed_bytes: u64,
}

/// Reads the whole archive; an error says what is wrong with it.
pub fn check(path: &Path) -> Result<Sizes, Failure> {
    let fail = |reason: String| format!("`{}` is not a whole image: {reason}; make it again", path.display());
    let archive = fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    sizes(&archive).map_err(fail)
}

/// The same, of the bytes.
fn sizes(archive: &[u8]) -> Result<Sizes, String> {
    let files = files(archive)?;
    let layout = json(files.get("oci-layout"), "oci-layout")?;
    if layout["imageLayoutVersion"] != "1.0.0" {
        return Err("it has no OCI image layout of version 1.0.0".to_owned());
    }
    let index = json(files.get("index.json"), "index.json")?;
    let [manifest] = list(&index["manifests"])? else {
        return Err("index.json does not name exactly one image".to_owned());
    };
    expect_type(&index, INDEX_TYPE)?;
    let manifest_blob = blob(&files, manifest, MANIFEST_TYPE)?;
    let manifest = json(Some(&manifest_blob), "the manifest")?;
    let config_blob = blob(&files, &manifest["config"], CONFIG_TYPE)?;
    let config = json(Some(&config_blob), "the configuration")?;
    let (layers, diff_ids) = (list(&manifest["layers"])?, list(&config["rootfs"]["diff_ids"])?);
    if layers.len() != diff_ids.len() {
        return Err("manifest and configuration name different numbers of layers".to_owned());
    }
    let mut sizes = Sizes { unpacked_bytes: 0, compressed_bytes: (manifest_blob.len() + config_blob.len()) as u64 };
    for (layer, diff_id) in layers.iter().zip(diff_ids) {
        let packed = blob(&files, layer, LAYER_TYPE)?;
        let mut unpacked = Vec::new();
        let read = MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked);
        read.map_err(|error| format!("a layer cannot be unpacked ({error})"))?;
        if *diff_id != digest(&unpacked) {
            return Err("a layer unpacks to something else than the configuration says".to_owned());
        }
        sizes.compressed_bytes += packed.len() as u64;
        sizes.unpacked_bytes += self::files(&unpacked)?.values().map(|file| file.len() as u64).sum::<u64>();
    }
    Ok(sizes)
}

/// The files of a tar archive by path.
fn files(archive: &[u8]) -> Result<HashMap<String, Vec<u8>>, String> {
    let broken = |error| format!("it is no tar archive, or ends early ({error})");
    // Two empty blocks end an archive; `tar` does not mind if they are missing, but then more may be missing.
    if !archive.len().is_multiple_of(512) || !archive.ends_with(&[0; 1024]) {
        return Err(broken("no end mark".to_owned()));
    }
    let mut files = HashMap::new();
    let mut tar = tar::Archive::new(archive);
    for entry in tar.entries().map_err(|error| broken(error.to_string()))? {
        let mut entry = entry.map_err(|error| broken(error.to_string()))?;
        let path = entry.path().map_err(|error| broken(error.to_string()))?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(|error| broken(error.to_string()))?;
        files.insert(path, content);
    }
    Ok(files)
}

/// The blob of a descriptor, with the type, size and sum that it should have.
fn blob(files: &HashMap<String, Vec<u8>>, descriptor: &Value, media_type: &str) -> Result<Vec<u8>, String> {
    expect_type(descriptor, media_type)?;
    let name = descriptor["digest"].as_str().ok_or("a descriptor has no digest")?;
    let blob = files.get(&blob_path(name)).ok_or_else(|| format!("`{name}` is missing"))?;
    if descriptor["size"] != blob.len() || digest(blob) != name {
        return Err(format!("the content of `{name}` has another sum or size"));
    }
    Ok(blob.clone())
}

fn expect_type(value: &Value, media_type: &str) -> Result<(), String> {
    match value["mediaType"] == media_type {
        true => Ok(()),
        false => Err(format!("`{media_type}` is expected, and not {}", value["mediaType"])),
    }
}

fn json(content: Option<&Vec<u8>>, name: &str) -> Result<Value, String> {
    let content = content.ok_or_else(|| format!("{name} is missing"))?;
    serde_json::from_slice(content).map_err(|error| format!("{name} is not JSON ({error})"))
}

fn list(value: &Value) -> Result<&[Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| "a list is missing".to_owned())
}
