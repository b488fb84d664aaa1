//! One requirement, `name[extra]>=1; marker`, as PEP 508 has it.

use super::marker::Marker;
use super::name::normalize;
use super::version::{self, Specifier};
use std::fmt;

/// What a package or a project asks for.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// In its one form.
    pub name: String,
    /// Which extras of it, in their one form.
    pub extras: Vec<String>,
    /// Which versions.
    pub specifiers: Vec<Specifier>,
    /// Where it comes from, if an address is given.
    pub url: Option<String>,
    /// When it holds.
    pub marker: Option<Marker>,
}

impl Requirement {
    /// Reads a requirement. The error says what is wrong with it.
    ///
    /// # Errors
    /// If it has no name, or a part that PEP 508 does not know.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let name = &text[..end];
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(format!("`{text}` does not start with the name of a package"));
        }
        let mut rest = text[end..].trim_start();
        let mut extras = Vec::new();
        if let Some(inside) = rest.strip_prefix('[') {
            let (list, after) = inside.split_once(']').ok_or_else(|| format!("`{text}` lacks a `]`"))?;
            extras = list.split(',').map(normalize).filter(|extra| !extra.is_empty()).collect();
            rest = after.trim_start();
        }
        if let Some(address) = rest.strip_prefix('@') {
            // A `;` may be part of an address; a marker has a space before it.
            let (address, marker) = match address.trim().split_once(" ;") {
                Some((address, marker)) => (address.trim(), Some(Marker::parse(marker)?)),
                None => (address.trim(), None),
            };
            let url = Some(address.to_owned());
            return Ok(Self { name: normalize(name), extras, specifiers: Vec::new(), url, marker });
        }
        let (versions, marker) = match rest.split_once(';') {
            Some((versions, marker)) => (versions, Some(Marker::parse(marker)?)),
            None => (rest, None),
        };
        let versions = versions.trim();
        let versions = versions.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')).unwrap_or(versions);
        let (specifiers, whole) = version::parse_specifiers(versions);
        if !whole {
            return Err(format!("`{versions}` is no condition on a version"));
        }
        Ok(Self { name: normalize(name), extras, specifiers, url: None, marker })
    }

    /// Whether this version of the package will do.
    pub fn allows(&self, version: &str) -> bool {
        self.specifiers.iter().all(|specifier| specifier.contains(version))
    }

    /// The one version that `==` leaves.
    pub fn pinned(&self) -> Option<&version::Version> {
        self.specifiers.iter().find_map(Specifier::pinned)
    }

    /// The same as it is written.
    pub fn pinned_text(&self) -> Option<&str> {
        self.specifiers.iter().find(|specifier| specifier.pinned().is_some()).map(Specifier::text)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.extras.is_empty() {
            write!(f, "[{}]", self.extras.join(","))?;
        }
        let specifiers: Vec<String> = self.specifiers.iter().map(ToString::to_string).collect();
        f.write_str(&specifiers.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read() {
        for (text, shown) in [
            ("torch==2.0.1+cpu", "torch==2.0.1+cpu"),
            ("PyYAML (>=5,<7)", "pyyaml>=5,<7"),
            ("cuda-toolkit[cufft, CUblas]>=13; sys_platform == 'linux'", "cuda-toolkit[cufft,cublas]>=13"),
            ("x @ https://example.org/x.whl ; python_version>'3'", "x"),
            ("a", "a"),
        ] {
            assert_eq!(Requirement::parse(text).map(|found| found.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", "-r base.txt", "==1", "a[b", "a=1", "a; sys_platform", "a>>1"] {
            assert!(Requirement::parse(text).is_err(), "{text}");
        }
        let pinned = Requirement::parse("torch!=2.0.0,==2.0.1+cpu").expect("good");
        assert_eq!(pinned.pinned_text(), Some("2.0.1+cpu"));
        assert!(Requirement::parse("huggingface-hub<0.26").is_ok_and(|found| !found.allows("0.36.2")));
    }
}
