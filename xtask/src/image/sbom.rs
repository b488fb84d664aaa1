//! The bill of materials: what the image is made of, in CycloneDX 1.6, for whoever has to know.
//!
//! It lies beside the archive. The image holds what runs, and nothing else; but its manifest names the sum of this
//! file, so that the two cannot be parted unnoticed.

use super::facts::{CA_ROOTS, Facts, Package, rfc_3339};
use crate::dist::Edition;
use crate::{Failure, root};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;

/// The model that is inside, as its pack.
const MODEL: &str = "all-MiniLM-L6-v2";

/// The document for this executable, always the same for the same build.
pub fn cyclonedx(facts: &Facts, executable: &[u8]) -> Result<String, Failure> {
    let (own, linked): (Vec<&Package>, Vec<&Package>) =
        facts.packages.iter().partition(|package| package.name == "libellus");
    let own = own.first().ok_or("libellus is not among its packages")?;
    let mut components: Vec<Value> = linked.iter().map(|package| component(package)).collect();
    components.extend(beside_crates(facts, executable)?);
    let also: Vec<Value> = components[linked.len()..].iter().map(|component| component["bom-ref"].clone()).collect();
    let mut dependencies: Vec<Value> = facts.packages.iter().map(dependency).collect();
    for dependency in &mut dependencies {
        if dependency["ref"] == reference(&own.name, &own.version)
            && let Some(depends_on) = dependency["dependsOn"].as_array_mut()
        {
            depends_on.extend(also.iter().cloned());
        }
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": rfc_3339(facts.timestamp),
            "component": {
                "type": "application",
                "bom-ref": reference(&own.name, &own.version),
                "name": own.name,
                "version": own.version,
                "description": facts.description,
                "hashes": [sha_256(executable)],
                "licenses": [{ "expression": facts.licence }],
                "properties": [{ "name": "libellus:target", "value": facts.arch.triple() }],
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    // Made from the content, so that the same content has the same number: version 8 of RFC 9562 leaves the bits to us.
    document["serialNumber"] = Value::from(format!("urn:uuid:{}", uuid(&Sha256::digest(document.to_string()))));
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn reference(name: &str, version: &str) -> String {
    format!("{name}@{version}")
}

fn sha_256(content: &[u8]) -> Value {
    json!({ "alg": "SHA-256", "content": super::hex(&Sha256::digest(content)) })
}

/// A crate.
fn component(package: &Package) -> Value {
    let mut component = json!({
        "type": if package.name == CA_ROOTS { "data" } else { "library" },
        "bom-ref": reference(&package.name, &package.version),
        "name": package.name,
        "version": package.version,
    });
    if let Some(licence) = &package.licence {
        component["licenses"] = json!([{ "expression": licence }]);
    }
    if let Some(checksum) = &package.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        component["purl"] = Value::from(format!("pkg:cargo/{}@{}", package.name, package.version));
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn dependency(package: &Package) -> Value {
    let on: Vec<String> = package.dependencies.iter().map(|(name, version)| reference(name, version)).collect();
    json!({ "ref": reference(&package.name, &package.version), "dependsOn": on })
}

/// The model, SQLite, and what static linking puts in. The last two write their versions into the executable.
fn beside_crates(facts: &Facts, executable: &[u8]) -> Result<Vec<Value>, Failure> {
    let pack = format!("models/{MODEL}{}.pack", facts.edition.suffix());
    let model = fs::read(root().join(&pack)).map_err(|error| format!("cannot read `{pack}`: {error}"))?;
    if !contains(executable, &model) {
        return Err(format!("the executable does not hold `{pack}`, as this clone has it; build it from this clone"));
    }
    let mut components = vec![json!({
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": format!("sentence-transformers/{MODEL}"),
        "description": match facts.edition {
            Edition::Standard => "The weights, quantised to 8-bit integers, and the vocabulary, as one pack",
            Edition::Lite => "The weights, quantised to 8-bit integers, words to 4, and the vocabulary, as one pack",
        },
        "hashes": [sha_256(&model)],
        "licenses": [{ "license": { "id": "Apache-2.0" } }],
        "externalReferences": [
            { "type": "website", "url": format!("https://huggingface.co/sentence-transformers/{MODEL}") },
        ],
    })];
    let library = |name: &str, version: &str, licence: &str| {
        json!({
            "type": "library",
            "bom-ref": reference(name, version),
            "name": name,
            "version": version,
            "licenses": [{ "expression": licence }],
        })
    };
    if let Some(sqlite) = facts.packages.iter().find(|package| package.name == "libsqlite3-sys") {
        let header = sqlite.directory.join("sqlite3/sqlite3.h");
        let header =
            fs::read_to_string(&header).map_err(|error| format!("cannot read `{}`: {error}", header.display()))?;
        let version = header.lines().find_map(|line| line.strip_prefix("#define SQLITE_VERSION ")).unwrap_or_default();
        components.push(library("sqlite", version.trim().trim_matches('"'), "blessing"));
    }
    for (name, start, end, licence) in [
        ("glibc", "GNU C Library (", ") stable release", "LGPL-2.1-or-later"),
        ("rust-std", "rustc version ", " ", "MIT OR Apache-2.0"),
    ] {
        if let Some(version) = between(executable, start.as_bytes(), end.as_bytes()) {
            components.push(library(name, &version, licence));
        }
    }
    Ok(components)
}

fn find(content: &[u8], part: &[u8]) -> Option<usize> {
    let (&first, rest) = part.split_first()?;
    // By first byte, as most places differ there: the model has megabytes.
    let mut from = 0;
    while let Some(at) = content[from..].iter().position(|&byte| byte == first) {
        let after = from + at + 1;
        if content[after..].starts_with(rest) {
            return Some(from + at);
        }
        from = after;
    }
    None
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    find(content, part).is_some()
}

/// The short text between two others.
fn between(content: &[u8], start: &[u8], end: &[u8]) -> Option<String> {
    let rest = &content[find(content, start)? + start.len()..];
    let short = &rest[..rest.len().min(100)];
    String::from_utf8(short[..find(short, end)?].to_vec()).ok()
}

/// The first bits of a hash as a UUID of version 8.
fn uuid(hash: &[u8]) -> String {
    let mut bytes = hash[..16].to_vec();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = super::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_the_executable() {
        let executable =
            b"\0GNU C GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\nrustc version 1.95.0 (5)";
        assert_eq!(between(executable, b"GNU C Library (", b") stable").as_deref(), Some("Debian GLIBC 2.36-9"));
        assert_eq!(between(executable, b"rustc version ", b" ").as_deref(), Some("1.95.0"));
        assert_eq!(between(executable, b"musl ", b" "), None);
    }

    #[test]
    fn serial_numbers_have_the_form_of_a_uuid() {
        assert_eq!(uuid(&[0xff; 32]), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
