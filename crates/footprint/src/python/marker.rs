//! Markers, the conditions after the `;` of a requirement, evaluated for the machine that the build is *for*.
//! Held to Python's own `packaging` by a test.

use super::name::normalize;
use super::platform::Environment;
use super::version::Specifier;

/// How deeply brackets may nest; nobody writes more than a few.
const MAX_DEPTH: usize = 64;

/// A condition.
#[derive(Clone, Debug)]
pub enum Marker {
    /// All must hold.
    All(Vec<Marker>),
    /// One must hold.
    Any(Vec<Marker>),
    /// A comparison.
    Compare(Operand, Operator, Operand),
}

/// A side of a comparison.
#[derive(Clone, Debug)]
pub enum Operand {
    /// A name of the environment.
    Name(String),
    /// A text in quotes.
    Text(String),
}

/// How two sides are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`, `<`, `~=` and their like.
    Sign(String),
    /// `in`, or `not in` if true.
    In {
        /// Whether it is `not in`.
        not: bool,
    },
}

/// Names whose values are compared as versions where they can be.
const VERSIONS: [&str; 4] = ["python_version", "python_full_version", "implementation_version", "platform_release"];

#[derive(Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Text(String),
    Sign(String),
    Word(String),
}

impl Marker {
    /// Reads a marker. The error says what is wrong with it.
    ///
    /// # Errors
    /// If PEP 508 does not allow it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = |what: &str| format!("the marker `{}` {what}", text.trim());
        let tokens = tokens(text).ok_or_else(|| bad("has a character that no marker has, or a text without end"))?;
        let mut place = 0;
        let marker = any(&tokens, &mut place, 0).ok_or_else(|| bad("is no condition"))?;
        if place == tokens.len() { Ok(marker) } else { Err(bad("goes on after its end")) }
    }

    /// Whether it holds there, with these extras asked for. As `packaging` does, `extra` is one at a time: any may do.
    pub fn holds(&self, environment: &Environment, extras: &[&str]) -> bool {
        if extras.is_empty() {
            return self.holds_with(environment, "");
        }
        extras.iter().any(|extra| self.holds_with(environment, extra))
    }

    fn holds_with(&self, environment: &Environment, extra: &str) -> bool {
        match self {
            Marker::All(parts) => parts.iter().all(|part| part.holds_with(environment, extra)),
            Marker::Any(parts) => parts.iter().any(|part| part.holds_with(environment, extra)),
            Marker::Compare(left, operator, right) => {
                let name = match (left, right) {
                    (Operand::Name(name), _) | (_, Operand::Name(name)) => name.as_str(),
                    _ => return false,
                };
                let value = |operand: &Operand| match operand {
                    Operand::Name(name) if name == "extra" => Some(normalize(extra)),
                    Operand::Name(name) => environment.value(name),
                    Operand::Text(text) if name == "extra" => Some(normalize(text)),
                    Operand::Text(text) => Some(text.clone()),
                };
                match (value(left), value(right)) {
                    (Some(left), Some(right)) => compare(name, &left, operator, &right),
                    _ => false,
                }
            }
        }
    }
}

fn compare(name: &str, left: &str, operator: &Operator, right: &str) -> bool {
    match operator {
        Operator::In { not } => right.contains(left) != *not,
        Operator::Sign(sign) => {
            let specifier = VERSIONS.contains(&name).then(|| Specifier::parse(&format!("{sign}{right}"))).flatten();
            match (specifier, sign.as_str()) {
                (Some(specifier), _) => specifier.contains(left),
                (None, "==" | "===" | "<=" | ">=") => left == right,
                (None, "!=") => left != right,
                _ => false,
            }
        }
    }
}

fn any(tokens: &[Token], place: &mut usize, depth: usize) -> Option<Marker> {
    joined(tokens, place, depth, "or", |tokens, place, depth| joined(tokens, place, depth, "and", one).map(all_of))
        .map(|mut parts| if parts.len() == 1 { parts.swap_remove(0) } else { Marker::Any(parts) })
}

fn all_of(mut parts: Vec<Marker>) -> Marker {
    if parts.len() == 1 { parts.swap_remove(0) } else { Marker::All(parts) }
}

fn joined(
    tokens: &[Token],
    place: &mut usize,
    depth: usize,
    word: &str,
    part: fn(&[Token], &mut usize, usize) -> Option<Marker>,
) -> Option<Vec<Marker>> {
    let mut parts = vec![part(tokens, place, depth)?];
    while matches!(tokens.get(*place), Some(Token::Word(found)) if found == word) {
        *place += 1;
        parts.push(part(tokens, place, depth)?);
    }
    Some(parts)
}

fn one(tokens: &[Token], place: &mut usize, depth: usize) -> Option<Marker> {
    if tokens.get(*place) == Some(&Token::Open) {
        if depth > MAX_DEPTH {
            return None;
        }
        *place += 1;
        let inside = any(tokens, place, depth + 1)?;
        *place += 1;
        return (tokens.get(*place - 1) == Some(&Token::Close)).then_some(inside);
    }
    let left = operand(tokens.get(*place)?)?;
    *place += 1;
    let operator = match tokens.get(*place)? {
        Token::Sign(sign) => Operator::Sign(sign.clone()),
        Token::Word(word) if word == "in" => Operator::In { not: false },
        Token::Word(word)
            if word == "not" && matches!(tokens.get(*place + 1), Some(Token::Word(next)) if next == "in") =>
        {
            *place += 1;
            Operator::In { not: true }
        }
        _ => return None,
    };
    *place += 1;
    let right = operand(tokens.get(*place)?)?;
    *place += 1;
    let named = matches!(left, Operand::Name(_)) || matches!(right, Operand::Name(_));
    named.then_some(Marker::Compare(left, operator, right))
}

fn operand(token: &Token) -> Option<Operand> {
    match token {
        Token::Text(text) => Some(Operand::Text(text.clone())),
        Token::Word(word) if !matches!(word.as_str(), "and" | "or" | "in" | "not") => Some(Operand::Name(word.clone())),
        _ => None,
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => {
                tokens.push(if first == '(' { Token::Open } else { Token::Close });
                1
            }
            '\'' | '"' => {
                let end = rest[1..].find(first)?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '<' | '>' | '=' | '!' | '~' => {
                let end = rest.find(|c| !"<>=!~".contains(c)).unwrap_or(rest.len());
                let sign = &rest[..end];
                if !["==", "===", "!=", "<=", ">=", "<", ">", "~="].contains(&sign) {
                    return None;
                }
                tokens.push(Token::Sign(sign.to_owned()));
                end
            }
            c if c.is_ascii_alphabetic() => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => return None,
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::platform::{Platform, Python};

    #[test]
    fn markers_are_evaluated_for_the_target() {
        let environment = Environment { platform: Platform::default(), python: Python { major: 3, minor: 12 } };
        for (marker, extras, expected) in [
            ("sys_platform == 'linux'", &[][..], true),
            ("python_version >= '3.10'", &[], true),
            ("python_version < '3.9' or platform_system == 'Darwin'", &[], false),
            ("extra == 'Dev_Tools'", &["dev-tools"], true),
            ("extra == 'test'", &[], false),
            ("extra == 'a' and extra == 'b'", &["a", "b"], false),
            ("'linux' in sys_platform and not_a_name == 'x'", &[], false),
            ("platform_machine not in 'arm64 aarch64'", &[], true),
            ("(os_name == 'posix' and (python_version > '3'))", &[], true),
        ] {
            assert_eq!(Marker::parse(marker).expect(marker).holds(&environment, extras), expected, "{marker}");
        }
        let deep = "(".repeat(100_000);
        for marker in ["", "python_version", "'a' == 'b'", "a == 'b", "a = 'b'", "a == 'b' c", "(a == 'b'", &deep] {
            assert!(Marker::parse(marker).is_err(), "{}", &marker[..marker.len().min(20)]);
        }
    }
}
