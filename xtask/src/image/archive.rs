//! The image as one file: an OCI image layout in a tar archive, the same bytes for the same content.
//!
//! `manifest.json` is not OCI but costs nothing: with it, `docker load` of every age takes the file as well.

use super::config::{config, labels, platform};
use super::facts::Facts;
use super::root_tree::Entry;
use super::{blob_path, digest};
use crate::Failure;
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// gzip, which every registry and runtime takes. Layers of zstd would be smaller, but not all of them do.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Writes the image to `output`: whole, or not at all.
pub fn write(entries: &[Entry], facts: &Facts, sbom: &str, output: &Path) -> Result<(), Failure> {
    let fail = |error: io::Error| format!("cannot write `{}`: {error}", output.display());
    let archive = archive(entries, facts, sbom).map_err(fail)?;
    super::write_whole(output, &archive)
}

/// The bytes of the file.
fn archive(entries: &[Entry], facts: &Facts, sbom: &str) -> io::Result<Vec<u8>> {
    let mut blobs = BTreeMap::new();
    let layer = layer(entries, facts.timestamp)?;
    let config = json_bytes(&config(facts, &digest(&layer)));
    let layer = keep(&mut blobs, LAYER_TYPE, gzip(&layer)?);
    let config = keep(&mut blobs, CONFIG_TYPE, config);
    let mut annotations = labels(facts);
    annotations.insert("libellus.sbom.digest".to_owned(), digest(sbom.as_bytes()).into());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config,
        "layers": [layer],
        "annotations": annotations,
    });
    let mut manifest = keep(&mut blobs, MANIFEST_TYPE, json_bytes(&manifest));
    manifest["platform"] = Value::Object(platform(facts.arch));
    let tag = format!("{}{}", facts.version, facts.edition.suffix());
    let name = format!("libellus:{tag}");
    manifest["annotations"] = json!({
        // The names by which an OCI layout and containerd know it.
        "org.opencontainers.image.ref.name": tag,
        "io.containerd.image.name": name,
    });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [manifest] });
    let path = |descriptor: &Value| descriptor["digest"].as_str().map(blob_path);
    let for_docker = json!([{ "Config": path(&config), "RepoTags": [name], "Layers": [path(&layer)] }]);

    let mut files: BTreeMap<String, Option<Vec<u8>>> =
        blobs.into_iter().map(|(digest, blob)| (blob_path(&digest), Some(blob))).collect();
    files.insert("blobs".to_owned(), None);
    files.insert("blobs/sha256".to_owned(), None);
    files.insert("index.json".to_owned(), Some(json_bytes(&index)));
    files.insert("manifest.json".to_owned(), Some(json_bytes(&for_docker)));
    files.insert("oci-layout".to_owned(), Some(json_bytes(&json!({ "imageLayoutVersion": "1.0.0" }))));
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in &files {
        let mode = if content.is_some() { 0o644 } else { 0o755 };
        append(&mut tar, path, 0, mode, content.as_deref(), facts.timestamp)?;
    }
    tar.into_inner()
}

/// Keeps a blob under its digest, and gives its descriptor.
fn keep(blobs: &mut BTreeMap<String, Vec<u8>>, media_type: &str, blob: Vec<u8>) -> Value {
    let digest = digest(&blob);
    let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": blob.len() });
    blobs.insert(digest, blob);
    descriptor
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The root as a tar archive, not yet compressed.
fn layer(entries: &[Entry], timestamp: u64) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        append(&mut tar, entry.path, entry.owner, entry.mode, entry.content.as_deref(), timestamp)?;
    }
    tar.into_inner()
}

/// One file or directory, with everything that could vary fixed.
fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    owner: u32,
    mode: u32,
    content: Option<&[u8]>,
    timestamp: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(if content.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory });
    header.set_uid(owner.into());
    header.set_gid(owner.into());
    header.set_mode(mode);
    header.set_mtime(timestamp);
    let content = content.unwrap_or_default();
    header.set_size(content.len() as u64);
    let is_directory = header.entry_type().is_dir();
    tar.append_data(&mut header, if is_directory { format!("{path}/") } else { path.to_owned() }, content)
}

/// gzip with a header that says neither when nor where.
fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    const UNKNOWN_SYSTEM: u8 = 255;
    let mut gzip = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    gzip.finish()
}

#[cfg(test)]
mod tests {
    use super::super::check::{Sizes, check};
    use super::super::{facts, root_tree};
    use super::*;
    use crate::dist::{Arch, Edition};
    use std::fs;

    fn facts(arch: Arch) -> Facts {
        Facts {
            arch,
            edition: Edition::Standard,
            version: "1.2.3".to_owned(),
            description: "a test".to_owned(),
            licence: "MIT".to_owned(),
            repository: None,
            timestamp: 1_700_000_000,
            revision: Some("abc".to_owned()),
            packages: Vec::new(),
        }
    }

    fn entries() -> Vec<Entry> {
        let pseudo_random = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        vec![
            Entry { path: "data", owner: root_tree::USER, mode: 0o755, content: None },
            Entry { path: "libellus", owner: 0, mode: 0o755, content: Some(pseudo_random) },
        ]
    }

    #[test]
    fn the_same_content_gives_the_same_bytes_and_a_whole_image() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let path = folder.path().join("image.oci.tar");
            let bytes = archive(&entries(), &facts(arch), "{}").expect("it fits in memory");
            write(&entries(), &facts(arch), "{}", &path).expect("writable");
            assert_eq!(fs::read(&path).expect("written"), bytes, "made twice");
            let Sizes { unpacked_bytes, compressed_bytes } = check(&path).expect("whole");
            assert_eq!(unpacked_bytes, 100_000);
            assert!(compressed_bytes < bytes.len() as u64, "{compressed_bytes}");
            let later = Facts { timestamp: 1_700_000_001, ..facts(arch) };
            assert_ne!(archive(&entries(), &later, "{}").expect("fits"), bytes, "time is in it");
            assert!(!path.with_extension("tar.partial").exists());
        }
        assert_eq!(facts::rfc_3339(1_700_000_000), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn a_broken_archive_is_told_from_a_whole_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let whole = archive(&entries(), &facts(Arch::X86_64), "{}").expect("it fits in memory");
        let broken = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("writable");
            let failure = check(&path).expect_err(name);
            assert!(failure.contains("is not a whole image: ") && failure.contains("make it again"), "{failure}");
        };
        for length in (0..whole.len()).step_by(5 * 512 + 7).chain([whole.len() - 512, whole.len() - 1]) {
            broken(&format!("the first {length} bytes"), &whole[..length]);
        }
        // The layer is by far the largest part, so that is where the middle lies.
        for at in [whole.len() / 2, whole.len() / 2 + 1000] {
            let mut other = whole.clone();
            other[at] ^= 1;
            broken(&format!("byte {at} changed"), &other);
        }
        for (part, other) in
            [("sha256:", "sha257:"), ("\"size\":", "\"sise\":"), ("1.0.0", "2.0.0"), ("tar+gzip", "tar+zstd")]
        {
            let at = whole.windows(part.len()).position(|window| window == part.as_bytes()).expect(part);
            let mut changed = whole.clone();
            changed[at..at + part.len()].copy_from_slice(other.as_bytes());
            broken(part, &changed);
        }
        broken("other", b"not an archive");
    }

    #[test]
    fn nothing_is_left_of_what_cannot_be_written() {
        let missing = Path::new("no/such/folder/image.tar");
        let failure = write(&entries(), &facts(Arch::X86_64), "{}", missing).expect_err("nowhere to write");
        assert!(failure.contains("cannot write `no/such/folder/image.tar`"), "{failure}");
        // A directory stands where the file should go: the rename fails, and the partial file goes.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("full")).expect("writable");
        write(&entries(), &facts(Arch::X86_64), "{}", &taken).expect_err("a directory is there");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
