//! The machine that a build is for: what markers of dependencies are evaluated with.

use crate::error::Error;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// An operating system that wheels are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Linux.
    Linux,
    /// macOS.
    Darwin,
    /// Windows.
    Windows,
}

/// A platform, e.g. `linux/amd64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// The system.
    pub os: Os,
    /// Whether it is a 64-bit Arm processor; else it is x86_64.
    pub arm: bool,
}

impl Default for Platform {
    /// Where images run.
    fn default() -> Self {
        Self { os: Os::Linux, arm: false }
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::BadPlatform { text: text.to_owned() };
        let (os, arch) = text.split_once('/').ok_or_else(bad)?;
        let os = match os {
            "linux" => Os::Linux,
            "darwin" | "macos" => Os::Darwin,
            "windows" => Os::Windows,
            _ => return Err(bad()),
        };
        match arch {
            "amd64" | "x86_64" => Ok(Self { os, arm: false }),
            "arm64" | "aarch64" => Ok(Self { os, arm: true }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let os = match self.os {
            Os::Linux => "linux",
            Os::Darwin => "darwin",
            Os::Windows => "windows",
        };
        write!(f, "{os}/{}", if self.arm { "arm64" } else { "amd64" })
    }
}

/// A version of Python, e.g. 3.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Python {
    /// 3, as a rule.
    pub major: u32,
    /// The number after it.
    pub minor: u32,
}

impl Python {
    /// Reads `3.12`, with or without more after it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let number = |part: Option<&str>| {
            let part = part?;
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..end].parse().ok()
        };
        Some(Self { major: number(parts.next())?, minor: number(parts.next())? })
    }
}

impl fmt::Display for Python {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the names in a marker stand for.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The machine.
    pub platform: Platform,
    /// The interpreter.
    pub python: Python,
}

impl Environment {
    /// The value of a marker's name; `None` if there is no such name. What depends on the very machine is empty.
    pub fn value(&self, name: &str) -> Option<String> {
        let Platform { os, arm } = self.platform;
        Some(match name {
            "os_name" | "os.name" => if os == Os::Windows { "nt" } else { "posix" }.to_owned(),
            "sys_platform" | "sys.platform" => match os {
                Os::Linux => "linux",
                Os::Darwin => "darwin",
                Os::Windows => "win32",
            }
            .to_owned(),
            "platform_system" => match os {
                Os::Linux => "Linux",
                Os::Darwin => "Darwin",
                Os::Windows => "Windows",
            }
            .to_owned(),
            "platform_machine" | "platform.machine" => match (os, arm) {
                (Os::Linux, true) => "aarch64",
                (Os::Darwin, true) => "arm64",
                (Os::Windows, true) => "ARM64",
                (Os::Windows, false) => "AMD64",
                (_, false) => "x86_64",
            }
            .to_owned(),
            "platform_python_implementation" | "platform.python_implementation" | "python_implementation" => {
                "CPython".to_owned()
            }
            "implementation_name" => "cpython".to_owned(),
            "python_version" => self.python.to_string(),
            "python_full_version" | "implementation_version" => format!("{}.0", self.python),
            "platform_release" | "platform_version" | "platform.version" => String::new(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_named_as_images_name_them() {
        for text in ["linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"] {
            assert_eq!(text.parse::<Platform>().expect(text).to_string(), text);
        }
        for text in ["", "linux", "linux/", "plan9/amd64", "linux/s390x"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
