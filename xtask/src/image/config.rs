//! How the image is started, in the words of the OCI image specification.
//!
//! `deploy/Dockerfile` says the same in its own words; a test holds the two together.

use super::facts::{Facts, rfc_3339};
use super::root_tree::USER;
use crate::dist::Arch;
use serde_json::{Map, Value, json};

const SECOND_NS: u64 = 1_000_000_000;

/// The name of a processor in images.
pub fn architecture(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}

/// What runs where: `{architecture, os}`, and the variant that arm64 always has.
pub fn platform(arch: Arch) -> Map<String, Value> {
    let mut platform = Map::new();
    platform.insert("architecture".to_owned(), architecture(arch).into());
    platform.insert("os".to_owned(), "linux".into());
    if arch == Arch::Aarch64 {
        platform.insert("variant".to_owned(), "v8".into());
    }
    platform
}

/// `org.opencontainers.image.*`, sorted.
pub fn labels(facts: &Facts) -> Map<String, Value> {
    let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), Value::from(value));
    let mut labels = Map::from_iter([
        label("created", &rfc_3339(facts.timestamp)),
        label("description", &facts.description),
        label("licenses", &facts.licence),
        label("title", "libellus"),
        label("version", &facts.version),
    ]);
    labels.extend(facts.revision.iter().map(|revision| label("revision", revision)));
    labels.extend(facts.repository.iter().map(|repository| label("source", repository)));
    labels.sort_keys();
    labels
}

/// The image configuration, for a root that is one layer.
///
/// `Healthcheck` is an extension by Docker, which Docker and Podman obey; Kubernetes and others have probes of their
/// own. No `Volumes`: with `docker run` they leave volumes without a name behind. The working directory is the volume: where SQLite finds no `/tmp`, it puts what memory is too small for there.
pub fn config(facts: &Facts, diff_id: &str) -> Value {
    let mut config = platform(facts.arch);
    config.insert("created".to_owned(), rfc_3339(facts.timestamp).into());
    config.insert(
        "config".to_owned(),
        json!({
            "User": format!("{USER}:{USER}"),
            "ExposedPorts": { "5001/tcp": {} },
            "Env": ["PORT=5001", "DATABASE_URL=sqlite:/data/libellus.db"],
            "Entrypoint": ["/libellus"],
            "Cmd": ["serve"],
            "WorkingDir": "/data",
            "Labels": labels(facts),
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "/libellus", "health"],
                "Interval": 30 * SECOND_NS,
                "Timeout": 5 * SECOND_NS,
                "StartPeriod": 5 * SECOND_NS,
                "Retries": 3,
            },
        }),
    );
    config.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": [diff_id] }));
    config.insert(
        "history".to_owned(),
        json!([{ "created": rfc_3339(facts.timestamp), "created_by": "cargo xtask image" }]),
    );
    Value::Object(config)
}
