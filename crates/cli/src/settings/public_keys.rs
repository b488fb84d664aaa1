//! Where the public keys of tokens are: a file, or an address.

use libellus_server::{MOST_KEY_SET_BYTES, PublicKeys};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;

/// A file with a set of keys, or its address.
#[derive(Debug)]
pub struct KeyPlace {
    place: String,
    keys: PublicKeys,
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl KeyPlace {
    /// A file is read at once, an address only by the service: whoever is there may come later.
    pub fn new(place: &str) -> Result<Self, String> {
        let owned = place.to_owned();
        if !place.contains("://") {
            let keys = PublicKeys::new(move || read_file(&owned));
            keys.load()?;
            return Ok(Self { place: place.to_owned(), keys });
        }
        let (scheme, rest) = place.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("there may be no name and password in it".to_owned());
        }
        if !(scheme == "https" && !authority.is_empty() || scheme == "http" && is_loopback(authority)) {
            return Err("an address of keys has to start with `https://`, or `http://` on this machine".to_owned());
        }
        Ok(Self { place: place.to_owned(), keys: PublicKeys::new(move || fetch(&owned)) })
    }

    /// The keys there.
    pub fn keys(&self) -> PublicKeys {
        self.keys.clone()
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("it cannot be read: {error}");
    let mut json = Vec::new();
    // One byte more says that it is too long.
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_KEY_SET_BYTES as u64 + 1).read_to_end(&mut json).map_err(unreadable)?;
    Ok(json)
}

#[cfg(feature = "chores")]
fn fetch(address: &str) -> Result<Vec<u8>, String> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
    libellus_hub::fetch(address, MOST_KEY_SET_BYTES, PATIENCE).map_err(|error| {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            message.push_str(&format!(": {source}"));
            cause = source.source();
        }
        message
    })
}

#[cfg(not(feature = "chores"))]
fn fetch(_: &str) -> Result<Vec<u8>, String> {
    Err("this executable was made without the part that fetches; use a file".to_owned())
}
