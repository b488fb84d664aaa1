//! Images: what is stored, what of it can be reached, and which instruction brought it.
//!
//! Read `read` from the top. `store.rs` finds blobs, `unpack.rs` decompresses them, `tar.rs` reads their entries, and
//! `union.rs` puts layers on each other.

pub mod store;
pub mod tar;
pub mod union;
pub mod unpack;

use crate::files::Files;
use crate::python::platform::{Os, Platform};
use crate::tree::{NodeId, Problem, Tree};
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, Read};
use store::Store;
use tar::{EntryKind, Tar};
use union::{StoredFile, Union, parts};
use unpack::Unpacked;

/// An image that was read.
pub struct Image {
    /// The files at the end.
    pub tree: Tree,
    /// All files that were ever stored.
    pub files: Vec<StoredFile>,
    /// Files that can be reached and have the same content, the costliest first.
    pub duplicates: Vec<Duplicates>,
    /// For each node of the tree that is a file, the layer that brought it.
    pub layer_of: Vec<u32>,
    /// Contents that were kept for the readers of packages.
    pub contents: Contents,
    /// What is told of it.
    pub report: ImageReport,
    /// Bytes of the compressed layers, where that is known.
    pub download: Option<u64>,
    /// Its platform.
    pub platform: Option<Platform>,
}

/// What is told of an image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// Bytes of regular files in all layers.
    pub stored: u64,
    /// Those that can be reached at the end.
    pub reachable: u64,
    /// Those that cannot.
    pub unreachable: u64,
    /// Bytes of all copies but one, of files that can be reached.
    pub duplicates: u64,
    /// From the bottom to the top.
    pub layers: Vec<Layer>,
    /// Other platforms that the same index has; they are never added up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_platforms: Vec<String>,
}

/// A layer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Layer {
    /// The hash of its uncompressed archive.
    pub diff_id: String,
    /// The instruction that made it, as the history has it.
    pub instruction: String,
    /// Its entries.
    pub entries: u64,
    /// Bytes of its regular files.
    pub stored: u64,
    /// Those of them that later layers hide.
    pub hidden: u64,
    /// Its compressed size, where it is kept compressed.
    pub download: Option<u64>,
}

impl Layer {
    /// The instruction, or else the hash.
    pub fn title(&self) -> &str {
        if self.instruction.is_empty() { &self.diff_id } else { &self.instruction }
    }
}

/// How much may come out of a layer: so many times its compressed size, and this besides. Layers of honest files come to
/// a few times; what was made to explode comes to a thousand and more.
const MAX_RATIO: u64 = 200;
const ALLOWANCE_BYTES: u64 = 1 << 30;
/// More entries than any image has.
const MAX_ENTRIES: u64 = 10_000_000;
/// Smaller files are not compared with others.
const COMPARED_BYTES: u64 = 4096;
/// Kept for the readers of packages, at most: of a file, and of all.
const KEPT_FILE_BYTES: u64 = 8 << 20;
const KEPT_BYTES: usize = 64 << 20;

/// A layer, before it is read.
struct Blob {
    /// Its path in the store.
    name: String,
    /// What the hash of the blob must be, if that is known.
    digest: Option<String>,
    /// What the manifest says of its size.
    size: Option<u64>,
}

/// Reads an image. Of an index, the one for `wanted`.
///
/// # Errors
/// If its manifest cannot be read, or none of its layers.
pub fn read(store: &Store, wanted: Option<Platform>, problems: &mut Vec<Problem>) -> io::Result<Image> {
    let (config, blobs, other_platforms) = match store.has("index.json") {
        true => from_index(store, wanted, problems)?,
        false => from_docker(store)?,
    };
    // Without it nobody knows instructions and platform; the layers are there all the same.
    let config = store.json(&config).unwrap_or_else(|error| {
        problems.push(Problem::new(config, error.to_string()));
        Value::Null
    });
    let platform = platform_of(&config);
    let mut layers = instructions(&config, blobs.len(), problems);
    let mut union = Union::default();
    let mut download = Some(0);
    let mut unread = None;
    for (number, (blob, layer)) in blobs.iter().zip(&mut layers).enumerate() {
        union.begin_layer(number as u32);
        let expected = layer.diff_id.clone();
        if let Err(error) = read_layer(store, blob, &expected, layer, &mut union, problems) {
            problems.push(Problem::new(&blob.name, error.to_string()));
            unread.get_or_insert(error);
        }
        download = download.zip(layer.download).map(|(sum, bytes)| sum + bytes);
    }
    if let Some(error) = unread.filter(|_| layers.iter().all(|layer| layer.entries == 0)) {
        return Err(error);
    }
    for file in &union.files {
        let layer = &mut layers[file.layer as usize];
        layer.stored += file.size;
        layer.hidden += if file.names == 0 { file.size } else { 0 };
    }
    let (stored, reachable) = (union.stored(), union.reachable());
    let tree = union.tree();
    let layer_of = union.layers_of(&tree);
    let kept = std::mem::take(&mut union.kept);
    let contents =
        kept.into_iter().map(|(inode, bytes)| (union.files[inode as usize].path.to_string(), bytes)).collect();
    let duplicates = duplicates(&union.files);
    let report = ImageReport {
        stored,
        reachable,
        unreachable: stored - reachable,
        duplicates: duplicates.iter().map(|group| group.bytes).sum(),
        layers,
        other_platforms,
    };
    Ok(Image {
        tree,
        layer_of,
        files: union.files,
        duplicates,
        contents: Contents(contents),
        report,
        download,
        platform,
    })
}

/// Files with the same content.
pub struct Duplicates {
    /// Their names.
    pub paths: Vec<String>,
    /// Bytes of all but one.
    pub bytes: u64,
}

fn duplicates(files: &[StoredFile]) -> Vec<Duplicates> {
    let mut groups: HashMap<([u8; 16], u64), Vec<&StoredFile>> = HashMap::new();
    for file in files.iter().filter(|file| file.names > 0) {
        if let Some(hash) = file.hash {
            groups.entry((hash, file.size)).or_default().push(file);
        }
    }
    let mut found: Vec<Duplicates> = groups
        .into_iter()
        .filter(|(_, files)| files.len() > 1)
        .map(|((_, size), files)| Duplicates {
            bytes: size * (files.len() as u64 - 1),
            paths: files.iter().map(|file| file.path.to_string()).collect(),
        })
        .collect();
    found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.paths.cmp(&b.paths)));
    found
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// `sha256:…` as a path.
fn blob_path(digest: &str) -> io::Result<String> {
    let (algorithm, hex) = digest.split_once(':').ok_or_else(|| bad(format!("`{digest}` is no digest")))?;
    let plain = algorithm.bytes().chain(hex.bytes()).all(|byte| byte.is_ascii_alphanumeric());
    if plain { Ok(format!("blobs/{algorithm}/{hex}")) } else { Err(bad(format!("`{digest}` is no digest"))) }
}

/// The path of the configuration, the layers, and the names of other platforms.
type Parts = (String, Vec<Blob>, Vec<String>);

fn from_index(store: &Store, wanted: Option<Platform>, problems: &mut Vec<Problem>) -> io::Result<Parts> {
    let mut value = store.json("index.json")?;
    let mut others = Vec::new();
    // An index may hold indexes; more than a few levels are a mistake.
    for _ in 0..4 {
        let Some(manifests) = value["manifests"].as_array().cloned() else { break };
        let named = |one: &Value| {
            let (os, arch) = (one["platform"]["os"].as_str()?, one["platform"]["architecture"].as_str()?);
            Some(format!("{os}/{arch}"))
        };
        // What is attested of an image is no image.
        let images: Vec<&Value> = manifests
            .iter()
            .filter(|one| named(one).as_deref() != Some("unknown/unknown"))
            .filter(|one| one["annotations"]["vnd.docker.reference.type"] != "attestation-manifest")
            .collect();
        let name = wanted.unwrap_or_default().to_string();
        let chosen = images.iter().find(|one| named(one).as_deref() == Some(&name)).or_else(|| images.first());
        let chosen = chosen.ok_or_else(|| bad("the index has no image"))?;
        if let (Some(wanted), Some(found)) = (wanted, named(chosen)).clone()
            && wanted.to_string() != found
        {
            problems.push(Problem::new("index.json", format!("there is no image for {wanted}; {found} is shown")));
        }
        others.extend(images.iter().filter(|one| *one != chosen).filter_map(|one| named(one)));
        if images.len() > 1 && others.is_empty() {
            problems.push(Problem::new("index.json", format!("it has {} images; the first is shown", images.len())));
        }
        let digest = chosen["digest"].as_str().ok_or_else(|| bad("a manifest in the index has no digest"))?;
        value = store.json(&blob_path(digest)?)?;
    }
    let text = |value: &Value| {
        value["digest"].as_str().map(str::to_owned).ok_or_else(|| bad("a part of the manifest has no digest"))
    };
    let config = blob_path(&text(&value["config"])?)?;
    let layers = value["layers"].as_array().ok_or_else(|| bad("the manifest has no layers"))?;
    let blob = |layer: &Value| {
        let digest = text(layer)?;
        Ok(Blob { name: blob_path(&digest)?, digest: Some(digest), size: layer["size"].as_u64() })
    };
    let blobs = layers.iter().map(blob).collect::<io::Result<Vec<_>>>()?;
    Ok((config, blobs, others))
}

/// What `docker save` wrote before it wrote layouts; its older entries, which link to each other, are not looked at.
fn from_docker(store: &Store) -> io::Result<Parts> {
    let manifests = store.json("manifest.json")?;
    let manifest = &manifests[0];
    let config = manifest["Config"].as_str().ok_or_else(|| bad("manifest.json names no configuration"))?;
    let layers = manifest["Layers"].as_array().ok_or_else(|| bad("manifest.json has no layers"))?;
    let blob = |layer: &Value| {
        let name = layer.as_str().ok_or_else(|| bad("a layer in manifest.json has no name"))?;
        Ok(Blob { name: name.to_owned(), digest: None, size: None })
    };
    Ok((config.to_owned(), layers.iter().map(blob).collect::<io::Result<Vec<_>>>()?, Vec::new()))
}

fn platform_of(config: &Value) -> Option<Platform> {
    let os = match config["os"].as_str()? {
        "linux" => Os::Linux,
        "windows" => Os::Windows,
        _ => return None,
    };
    Some(Platform { os, arm: config["architecture"].as_str()? == "arm64" })
}

/// Layers with their instructions: entries of the history that made none are passed over.
fn instructions(config: &Value, count: usize, problems: &mut Vec<Problem>) -> Vec<Layer> {
    let history = config["history"].as_array().cloned().unwrap_or_default();
    let made: Vec<&Value> = history.iter().filter(|one| one["empty_layer"] != true).collect();
    let aligned = made.len() == count;
    if !aligned && !history.is_empty() {
        let reason =
            format!("the history tells of {} layers, and there are {count}; instructions are left out", made.len());
        problems.push(Problem::new("history", reason));
    }
    (0..count)
        .map(|number| Layer {
            diff_id: config["rootfs"]["diff_ids"][number].as_str().unwrap_or_default().to_owned(),
            instruction: made
                .get(number)
                .filter(|_| aligned)
                .and_then(|one| one["created_by"].as_str())
                .map(plain)
                .unwrap_or_default(),
            ..Layer::default()
        })
        .collect()
}

/// An instruction in one line, without what builders put around it.
fn plain(instruction: &str) -> String {
    let words = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.replace("/bin/sh -c #(nop) ", "").replace("/bin/sh -c ", "RUN ").replace("RUN RUN ", "RUN ");
    crate::tree::printable(words.trim_end_matches("# buildkit").trim().as_bytes())
}

/// Counts and hashes what passes.
struct Hashed<R> {
    input: R,
    hash: Context,
    bytes: u64,
}

impl<R> Hashed<R> {
    fn new(input: R) -> Self {
        Self { input, hash: Context::new(&SHA256), bytes: 0 }
    }

    fn hex(self) -> String {
        let hex: String = self.hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

fn read_layer(
    store: &Store,
    blob: &Blob,
    diff_id: &str,
    layer: &mut Layer,
    union: &mut Union,
    problems: &mut Vec<Problem>,
) -> io::Result<()> {
    let (input, length) = store.read(&blob.name)?;
    let mut report = |reason: String| problems.push(Problem::new(&blob.name, reason));
    if blob.size.is_some_and(|size| size != length) {
        report(format!("the manifest says {} bytes, and there are {length}", blob.size.unwrap_or_default()));
    }
    let limit = length.saturating_mul(MAX_RATIO).saturating_add(ALLOWANCE_BYTES);
    // One hash is enough: of the blob, where its digest is known, else of what is inside.
    let mut outer = Hashed::new(input);
    let mut unpacked = Unpacked::open(&mut outer, limit)?;
    let is_plain = unpacked.compression == unpack::Compression::None;
    // A registry would have it compressed, and how small that is, nobody knows.
    layer.download = (!is_plain).then_some(length);
    let result = match &blob.digest {
        Some(_) => read_entries(&mut unpacked, layer, union, problems, &blob.name),
        None => {
            let mut inner = Hashed::new(&mut unpacked);
            let result = read_entries(&mut inner, layer, union, problems, &blob.name);
            if result.is_ok() && inner.hex() != diff_id && !diff_id.is_empty() {
                problems.push(Problem::new(&blob.name, format!("its content has another hash than {diff_id}")));
            }
            result
        }
    };
    drop(unpacked);
    if let (Ok(()), Some(digest)) = (&result, &blob.digest) {
        // What stands behind the last member is part of the blob as well.
        io::copy(&mut outer, &mut io::sink())?;
        if outer.hex() != *digest {
            problems.push(Problem::new(&blob.name, "its content has another hash than its name".to_owned()));
        }
    }
    result
}

/// Tables of contents of eStargz, which are no files of the image.
const METADATA: [&[u8]; 3] = [b"stargz.index.json", b".prefetch.landmark", b".no.prefetch.landmark"];

fn read_entries(
    input: &mut impl Read,
    layer: &mut Layer,
    union: &mut Union,
    problems: &mut Vec<Problem>,
    name: &str,
) -> io::Result<()> {
    let mut tar = Tar::new(input);
    let mut last = None;
    let result = add_entries(&mut tar, &mut last, layer, union, problems, name);
    if let (Err(_), Some(file)) = (&result, last) {
        union.cut_short(file, tar.left());
    }
    result?;
    // What pads the archive belongs to its hash.
    io::copy(tar.get_mut(), &mut io::sink())?;
    Ok(())
}

/// Adds the entries of a layer; `last` is the file whose bytes are being read.
fn add_entries(
    tar: &mut Tar<impl Read>,
    last: &mut Option<u32>,
    layer: &mut Layer,
    union: &mut Union,
    problems: &mut Vec<Problem>,
    name: &str,
) -> io::Result<()> {
    let mut kept: usize = union.kept.values().map(Vec::len).sum();
    while let Some(entry) = tar.next_entry()? {
        *last = None;
        let mut report = |reason: &str| {
            problems.push(Problem::new(format!("{name}: {}", crate::tree::printable(&entry.path)), reason));
        };
        let path = match parts(&entry.path) {
            Ok(path) => path,
            Err(reason) => {
                report(reason);
                continue;
            }
        };
        if path.len() == 1 && METADATA.contains(&path[0]) {
            continue;
        }
        layer.entries += 1;
        if layer.entries > MAX_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries; reading was stopped")));
        }
        let link = if entry.kind == EntryKind::HardLink { parts(&entry.link) } else { Ok(Vec::new()) };
        let added = link.and_then(|link| union.add(&path, entry.kind, &link, entry.size, entry.stored));
        let file = match added {
            Ok(file) => file,
            Err(reason) => {
                report(reason);
                continue;
            }
        };
        *last = file;
        let Some(file) = file else { continue };
        if entry.stored <= KEPT_FILE_BYTES && is_read_later(&path) {
            let mut bytes = Vec::new();
            tar.by_ref().take(entry.stored).read_to_end(&mut bytes)?;
            kept += bytes.len();
            if kept <= KEPT_BYTES {
                union.kept.insert(file, bytes);
            } else {
                report("too much is described; this package is left out");
            }
        } else if entry.stored >= COMPARED_BYTES {
            let mut hashed = Hashed::new(tar.by_ref().take(entry.stored));
            io::copy(&mut hashed, &mut io::sink())?;
            let mut hash = [0; 16];
            hash.copy_from_slice(&hashed.hash.finish().as_ref()[..16]);
            union.files[file as usize].hash = Some(hash);
        }
    }
    Ok(())
}

/// Whether a file describes a package.
fn is_read_later(path: &[&[u8]]) -> bool {
    let [.., folder, name] = path else { return path == [b"pyvenv.cfg"] };
    *name == b"pyvenv.cfg"
        || ((folder.ends_with(b".dist-info") || folder.ends_with(b".egg-info")) && !name.ends_with(b".pyc"))
        || name.ends_with(b".egg-info")
}

/// Contents of files that describe packages.
pub struct Contents(HashMap<String, Vec<u8>>);

impl Files for Contents {
    fn read(&self, tree: &Tree, id: NodeId, limit: u64) -> io::Result<Vec<u8>> {
        let bytes =
            self.0.get(&tree.path(id)).ok_or_else(|| io::Error::other("it was not kept while the image was read"))?;
        if bytes.len() as u64 > limit { Err(io::Error::other("it is too long")) } else { Ok(bytes.clone()) }
    }
}
