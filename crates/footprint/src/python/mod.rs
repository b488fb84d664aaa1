//! Python: what is installed, whose each file is, and why each package is there.
//!
//! Read `environment.rs` first. Under it: `distribution.rs` finds packages, `metadata.rs` reads what they say of
//! themselves, `ownership.rs` tells whose a file is; `requirement.rs`, `marker.rs`, `version.rs` and `name.rs` are the
//! standards (PEP 508, 440, 503), `platform.rs` is the machine they are evaluated for.

pub mod distribution;
pub mod environment;
pub mod marker;
pub mod metadata;
pub mod name;
pub mod ownership;
pub mod platform;
pub mod requirement;
pub mod requirements_txt;
pub mod version;
