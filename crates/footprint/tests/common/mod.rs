//! Writing archives and images byte by byte, and running other programs that read them.

#![allow(dead_code)] // Each test uses some of it.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// An archive, entry by entry.
#[derive(Default)]
pub struct TarWriter(Vec<u8>);

impl TarWriter {
    /// An entry with a header of ustar. Sizes beyond what octal digits hold are in base 256, for which there may be no
    /// content.
    pub fn entry(mut self, path: &str, kind: u8, link: &str, size: u64, content: &[u8]) -> Self {
        let mut header = [0u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        if size < 1 << 33 {
            header[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        } else {
            header[128..136].copy_from_slice(&size.to_be_bytes());
            header[124] = 0x80;
        }
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..263].copy_from_slice(b"ustar\0");
        header[263..265].copy_from_slice(b"00");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, b'0', "", content.len() as u64, content)
    }

    pub fn folder(self, path: &str) -> Self {
        self.entry(path, b'5', "", 0, b"")
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(path, b'1', target, 0, b"")
    }

    /// Attributes for the next entry.
    pub fn pax(self, attributes: &[(&str, &str)]) -> Self {
        let record = |(name, value): &(&str, &str)| {
            let rest = format!(" {name}={value}\n");
            // The length counts its own digits.
            let length =
                (1..).map(|digits| rest.len() + digits).find(|length| length.to_string().len() + rest.len() == *length);
            format!("{}{rest}", length.expect("there is one"))
        };
        let text: String = attributes.iter().map(record).collect();
        self.entry("pax", b'x', "", text.len() as u64, text.as_bytes())
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    format!("sha256:{}", hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, Compression::fast())
}

pub fn best_gzip(bytes: &[u8]) -> Vec<u8> {
    gzip_at(bytes, Compression::best())
}

fn gzip_at(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("compresses");
    encoder.finish().expect("compresses")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn blob(root: &Path, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    let path = root.join("blobs/sha256").join(digest.trim_start_matches("sha256:"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, bytes).expect("written");
    json!({"digest": digest, "size": bytes.len()})
}

/// Writes a layout of these layers, compressed as `pack` does, each with an instruction and after one that makes none.
pub fn layout(root: &Path, layers: &[Vec<u8>], pack: impl Fn(&[u8]) -> Vec<u8>) {
    let descriptor = |mut value: Value, media: &str| {
        value["mediaType"] = media.into();
        value
    };
    let blobs: Vec<Value> = layers
        .iter()
        .map(|layer| descriptor(blob(root, &pack(layer)), "application/vnd.oci.image.layer.v1.tar+gzip"))
        .collect();
    let created = "2026-01-01T00:00:00Z";
    let history: Vec<Value> = (0..layers.len())
        .flat_map(|number| {
            [
                json!({"created": created, "created_by": "ENV A=1", "empty_layer": true}),
                json!({"created": created, "created_by": format!("/bin/sh -c step {number}")}),
            ]
        })
        .collect();
    let config = json!({"created": created, "architecture": "amd64", "os": "linux", "config": {}, "history": history,
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>()}});
    let config = blob(root, config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(config, "application/vnd.oci.image.config.v1+json"), "layers": blobs});
    let mut manifest =
        descriptor(blob(root, manifest.to_string().as_bytes()), "application/vnd.oci.image.manifest.v1+json");
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    manifest["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let attested = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(b"none"), "size": 4,
        "platform": {"os": "unknown", "architecture": "unknown"}});
    let index = json!({"schemaVersion": 2, "manifests": [attested, manifest]});
    fs::write(root.join("index.json"), index.to_string()).expect("written");
    fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
}

/// The same layout without what only attests: not every program passes over it.
pub fn without_attestation(root: &Path) {
    let text = fs::read_to_string(root.join("index.json")).expect("there");
    let mut index: Value = serde_json::from_str(&text).expect("JSON");
    index["manifests"].as_array_mut().expect("a list").remove(0);
    fs::write(root.join("index.json"), index.to_string()).expect("written");
}

/// The image of the specification: a hard link that keeps a file, a file stored again, what is whited out, a copy.
pub fn fixture() -> Vec<Vec<u8>> {
    let big: Vec<u8> = (0..1u32 << 18).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let pip: Vec<u8> = (0..500_000u32).map(|number| (number.wrapping_mul(2_246_822_519) >> 13) as u8).collect();
    vec![
        TarWriter::default()
            .folder("a/")
            .file("a/big", &big)
            .hard_link("a/hl", "a/big")
            .folder("opt/")
            .file("opt/x", &[b'x'; 1000])
            .folder("cache/")
            .file("cache/pip", &pip)
            .finish(),
        TarWriter::default().folder("a/").file("a/big", &big).finish(),
        TarWriter::default()
            .folder("cache/")
            .file("cache/.wh.pip", b"")
            .folder("opt/")
            .file("opt/y", b"y")
            .file("opt/.wh..wh..opq", b"")
            .finish(),
        TarWriter::default().folder("a/").file("a/copy", &big).finish(),
    ]
}

/// Runs another program; `None`, and a word of why, if it is not there.
pub fn run(program: &str, arguments: &[&str]) -> Option<()> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {error}");
            Some(())
        }
        Err(error) => {
            eprintln!("skipped: `{program}` cannot be run: {error}");
            None
        }
    }
}
