//! Versions and what they are compared with, as PEP 440 has them. Held to Python's own `packaging` by a test.

use std::cmp::Ordering;
use std::fmt;

/// A version.
#[derive(Clone, Debug)]
pub struct Version {
    epoch: u64,
    release: Vec<u64>,
    /// 0 for alpha, 1 for beta, 2 for candidates, and the number.
    pre: Option<(u8, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<Segment>,
}

/// A part of a local version; a number is later than a word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Word(String),
    Number(u64),
}

/// Reads a version from the front.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn number(&mut self) -> Option<u64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let number = self.0[..end].parse().ok()?;
        self.0 = &self.0[end..];
        Some(number)
    }

    /// `[-_.]?WORD[-_.]?N?` for the longest of the words that fits; the number is 0 if it is left out.
    fn tagged(&mut self, words: &[&str]) -> Option<(usize, u64)> {
        let rest = self.0.strip_prefix(['-', '_', '.']).unwrap_or(self.0);
        let found = words.iter().enumerate().filter(|(_, word)| rest.starts_with(**word));
        let (index, word) = found.max_by_key(|(_, word)| word.len())?;
        let rest = &rest[word.len()..];
        // A separator may stand there without a number.
        self.0 = rest.strip_prefix(['-', '_', '.']).unwrap_or(rest);
        let numbered = self.0.starts_with(|c: char| c.is_ascii_digit());
        Some((index, if numbered { self.number()? } else { 0 }))
    }
}

impl Version {
    /// Reads a version in any of the forms that PEP 440 allows; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let (public, local) = match lower.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (lower.as_str(), None),
        };
        let public = public.strip_prefix('v').unwrap_or(public);
        let mut scanner = Scanner(public);
        let mut first = scanner.number()?;
        let mut epoch = 0;
        if let Some(rest) = scanner.0.strip_prefix('!') {
            epoch = first;
            scanner.0 = rest;
            first = scanner.number()?;
        }
        let mut release = vec![first];
        while let Some(rest) = scanner.0.strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            scanner.0 = rest;
            release.push(scanner.number()?);
        }
        let pre = scanner.tagged(&["alpha", "a", "beta", "b", "preview", "pre", "c", "rc"]);
        let pre = pre.map(|(word, number)| ([0, 0, 1, 1, 2, 2, 2, 2][word], number));
        let bare = scanner.0.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let post = match bare {
            Some(rest) => {
                scanner.0 = rest;
                Some(scanner.number()?)
            }
            None => scanner.tagged(&["post", "rev", "r"]).map(|(_, number)| number),
        };
        let dev = scanner.tagged(&["dev"]).map(|(_, number)| number);
        if !scanner.0.is_empty() {
            return None;
        }
        let local = match local {
            Some(local) => local.split(['-', '_', '.']).map(segment).collect::<Option<Vec<_>>>()?,
            None => Vec::new(),
        };
        Some(Self { epoch, release, pre, post, dev, local })
    }

    /// The numbers of the release, e.g. `[2, 0, 1]`.
    pub fn release(&self) -> &[u64] {
        &self.release
    }

    /// Alpha, beta, candidate or development.
    pub fn is_prerelease(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    /// What follows the `+`, if anything does.
    pub fn local(&self) -> Option<String> {
        let parts: Vec<String> = self.local.iter().map(ToString::to_string).collect();
        (!parts.is_empty()).then(|| parts.join("."))
    }

    /// Without what follows the `+`.
    fn public(&self) -> Self {
        Self { local: Vec::new(), ..self.clone() }
    }

    fn same_base(&self, other: &Self) -> bool {
        self.epoch == other.epoch && trimmed(&self.release) == trimmed(&other.release)
    }
}

fn segment(text: &str) -> Option<Segment> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    plain.then(|| number.map_or_else(|| Segment::Word(text.to_owned()), Segment::Number))
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Word(word) => f.write_str(word),
            Segment::Number(number) => number.fmt(f),
        }
    }
}

/// `1.0` and `1` are the same release.
fn trimmed(release: &[u64]) -> &[u64] {
    let length = release.iter().rposition(|number| *number != 0).map_or(0, |last| last + 1);
    &release[..length]
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        // A development version of a release comes before its alphas, a release after its candidates.
        let pre = |version: &Self| match (version.pre, version.post, version.dev) {
            (Some((kind, number)), ..) => (1, kind, number),
            (None, None, Some(_)) => (0, 0, 0),
            _ => (2, 0, 0),
        };
        let post = |version: &Self| version.post.map_or((0, 0), |number| (1, number));
        let dev = |version: &Self| version.dev.map_or((1, 0), |number| (0, number));
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| trimmed(&self.release).cmp(trimmed(&other.release)))
            .then_with(|| pre(self).cmp(&pre(other)))
            .then_with(|| post(self).cmp(&post(other)))
            .then_with(|| dev(self).cmp(&dev(other)))
            .then_with(|| self.local.cmp(&other.local))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

/// One condition on a version, e.g. `>=1.2`.
#[derive(Clone, Debug)]
pub struct Specifier {
    operator: Operator,
    /// As it was written, without the operator.
    text: String,
    version: Option<Version>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Compatible,
    Equal,
    EqualPrefix,
    NotEqual,
    NotEqualPrefix,
    AtMost,
    AtLeast,
    Less,
    Greater,
    Arbitrary,
}

impl Specifier {
    /// Reads one condition; `None` if PEP 440 does not allow it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let operators = [
            ("===", Operator::Arbitrary),
            ("~=", Operator::Compatible),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::AtMost),
            (">=", Operator::AtLeast),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let (sign, operator) = operators.into_iter().find(|(sign, _)| text.starts_with(sign))?;
        let rest = text[sign.len()..].trim();
        if operator == Operator::Arbitrary {
            let plain = !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c == ';' || c == ')');
            return plain.then(|| Self { operator, text: rest.to_owned(), version: Version::parse(rest) });
        }
        let prefix = rest.strip_suffix(".*");
        let version = Version::parse(prefix.unwrap_or(rest))?;
        let operator = match (operator, prefix) {
            (operator, None) => operator,
            (Operator::Equal, Some(_)) => Operator::EqualPrefix,
            (Operator::NotEqual, Some(_)) => Operator::NotEqualPrefix,
            _ => return None,
        };
        let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        let is_tagged = version.is_prerelease() || version.post.is_some() || !version.local.is_empty();
        let bad_prefix = prefix.is_some() && is_tagged;
        let bad_local = !is_equality && !version.local.is_empty();
        let too_short = operator == Operator::Compatible && version.release.len() < 2;
        (!bad_prefix && !bad_local && !too_short).then(|| Self {
            operator,
            text: rest.to_owned(),
            version: Some(version),
        })
    }

    /// Whether this text, a version as a rule, fulfils it; prereleases may.
    pub fn contains(&self, text: &str) -> bool {
        if self.operator == Operator::Arbitrary {
            return self.text.eq_ignore_ascii_case(text.trim());
        }
        match (Version::parse(text), &self.version) {
            (Some(version), Some(wanted)) => self.holds(&version, wanted),
            _ => false,
        }
    }

    fn holds(&self, version: &Version, wanted: &Version) -> bool {
        let equal = || if wanted.local.is_empty() { version.public() == *wanted } else { version == wanted };
        match self.operator {
            Operator::Compatible => {
                version.public() >= *wanted && has_prefix(version, wanted, wanted.release.len() - 1)
            }
            Operator::Equal => equal(),
            Operator::NotEqual => !equal(),
            Operator::EqualPrefix => has_prefix(version, wanted, wanted.release.len()),
            Operator::NotEqualPrefix => !has_prefix(version, wanted, wanted.release.len()),
            Operator::AtMost => version.public() <= *wanted,
            Operator::AtLeast => version.public() >= *wanted,
            // Not even a prerelease of what is wanted, unless that is one.
            Operator::Less if wanted.is_prerelease() => version < wanted,
            Operator::Less => *version < Version { dev: Some(0), ..wanted.clone() },
            // Nor what was released after it with the same number, unless that is such a release.
            Operator::Greater => {
                let excepted = wanted.dev.is_none() && wanted.post.is_none();
                let follows = excepted && version.same_base(wanted) && version.pre == wanted.pre;
                version.public() > *wanted && !follows
            }
            Operator::Arbitrary => false,
        }
    }

    /// As it was written, without the operator.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version that `==` names.
    pub fn pinned(&self) -> Option<&Version> {
        self.version.as_ref().filter(|_| self.operator == Operator::Equal)
    }
}

impl fmt::Display for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            Operator::Compatible => "~=",
            Operator::Equal | Operator::EqualPrefix => "==",
            Operator::NotEqual | Operator::NotEqualPrefix => "!=",
            Operator::AtMost => "<=",
            Operator::AtLeast => ">=",
            Operator::Less => "<",
            Operator::Greater => ">",
            Operator::Arbitrary => "===",
        };
        write!(f, "{sign}{}", self.text)
    }
}

/// Whether the first `length` numbers of the release are those that are wanted.
fn has_prefix(version: &Version, wanted: &Version, length: usize) -> bool {
    let number = |version: &Version, place: usize| version.release.get(place).copied().unwrap_or(0);
    version.epoch == wanted.epoch && (0..length).all(|place| number(version, place) == number(wanted, place))
}

/// Reads conditions with commas between; what cannot be read is left out, and `false` says so.
pub fn parse_specifiers(text: &str) -> (Vec<Specifier>, bool) {
    let mut whole = true;
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let specifiers = parts
        .filter_map(|part| {
            let specifier = Specifier::parse(part);
            whole &= specifier.is_some();
            specifier
        })
        .collect();
    (specifiers, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_pep_440_says() {
        let ordered = [
            "0.9",
            "1.0.dev456",
            "1.0a1",
            "1.0a2.dev456",
            "1.0a12.dev456",
            "1.0a12",
            "1.0b1.dev456",
            "1.0b2",
            "1.0b2.post345.dev456",
            "1.0b2.post345",
            "1.0rc1.dev456",
            "1.0rc1",
            "1.0",
            "1.0+abc.5",
            "1.0+abc.7",
            "1.0+5",
            "1.0.post456.dev34",
            "1.0.post456",
            "1.1.dev1",
            "1!0.1",
        ];
        for pair in ordered.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|text| Version::parse(text).expect(text));
            assert!(a < b, "{} < {}", pair[0], pair[1]);
        }
        for text in ["", "x", "1..2", "1.0+", "1.0+a..b", "1 2", "1!", "1.*", "1a..1"] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn conditions_hold_or_not() {
        for (specifier, version, expected) in [
            ("==2.0.1", "2.0.1+cpu", true),
            ("==2.0.1+cpu", "2.0.1", false),
            ("<0.26", "0.36.2", false),
            ("~=1.4.2", "1.4.9", true),
            ("~=1.4.2", "1.5", false),
            ("==1.0.*", "1rc1", true),
            ("!=1.1.*", "1.1.5", false),
            ("<2.0", "2.0rc1", false),
            (">1.0", "1.0.post1", false),
            ("===Foo", "foo", true),
        ] {
            assert_eq!(
                Specifier::parse(specifier).expect(specifier).contains(version),
                expected,
                "{version} {specifier}"
            );
        }
        for specifier in ["1.0", "=1.0", ">=1.0.*", "~=1", ">=1.0+local", "== ", "==1.dev1.*"] {
            assert!(Specifier::parse(specifier).is_none(), "{specifier}");
        }
    }
}
