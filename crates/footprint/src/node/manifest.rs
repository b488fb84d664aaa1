//! `package.json`: what a package is called, and whom it asks for.

use serde_json::Value;

/// How a package asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It does not work without.
    Required,
    /// It works without, where that cannot be installed.
    Optional,
    /// Whoever uses it has to bring that along.
    Peer,
}

impl Need {
    /// What is said behind a version.
    pub fn mark(self) -> &'static str {
        match self {
            Need::Required => "",
            Need::Optional => " (optional)",
            Need::Peer => " (peer)",
        }
    }
}

/// A requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of whom.
    pub name: String,
    /// In which versions, as it is written.
    pub range: String,
    /// How.
    pub need: Need,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}{}", self.name, self.range, self.need.mark())
    }
}

/// Reads JSON as npm does: a mark of the order of bytes before it is no part of it.
///
/// # Errors
/// What is wrong with it.
pub fn json(bytes: &[u8]) -> Result<Value, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))
}

/// What a `package.json` says, or the entry of a package in a lock, which has the same in it.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Its name; empty if it has none.
    pub name: String,
    /// Its version; empty if it has none.
    pub version: String,
    /// Whom it needs to run.
    pub wants: Vec<Wanted>,
    /// Whom its developers need.
    pub develops_with: Vec<Wanted>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, if it is not a JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Value::Object(object) = json(bytes)? else { return Err("it is no JSON object".to_owned()) };
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |key: &str, need: Need| -> Vec<Wanted> {
            let listed = object.get(key).and_then(Value::as_object).into_iter().flatten();
            let wanted = |(name, range): (&String, &Value)| Wanted {
                name: name.clone(),
                range: range.as_str().unwrap_or("*").to_owned(),
                need,
            };
            listed.map(wanted).collect()
        };
        let is_optional = |name: &str| object["peerDependenciesMeta"][name]["optional"] == true;
        // npm writes what is optional into both: the first of a name counts.
        let mut wants = list("optionalDependencies", Need::Optional);
        wants.extend(list("dependencies", Need::Required));
        wants.extend(list("peerDependencies", Need::Peer));
        wants.sort_by(|a, b| a.name.cmp(&b.name));
        wants.dedup_by(|later, first| later.name == first.name);
        if object.contains_key("peerDependenciesMeta") {
            let peers = wants.iter_mut().filter(|wanted| wanted.need == Need::Peer);
            peers.filter(|wanted| is_optional(&wanted.name)).for_each(|wanted| wanted.need = Need::Optional);
        }
        let mut develops_with = list("devDependencies", Need::Required);
        develops_with.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { name: text("name"), version: text("version"), wants, develops_with })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_told_apart() {
        let manifest = Manifest::parse(
            b"\xef\xbb\xbf{\"name\": \"a\", \"dependencies\": {\"b\": \"^1\", \"c\": 5}, \"optionalDependencies\": {\"b\": \"^1\"},
               \"peerDependencies\": {\"d\": \">=2\", \"e\": \"*\"}, \"peerDependenciesMeta\": {\"e\": {\"optional\": true}},
               \"devDependencies\": {\"f\": \"1\"}, \"version\": 7}",
        )
        .expect("good");
        let shown: Vec<String> = manifest.wants.iter().map(Wanted::to_string).collect();
        assert_eq!(shown, ["b@^1 (optional)", "c@*", "d@>=2 (peer)", "e@* (optional)"]);
        assert_eq!((manifest.version.as_str(), manifest.develops_with.len()), ("", 1));
        for bad in ["", "[]", "{\"name\": ", "null", "\u{feff}"] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
