//! Sizes as people write them. MB and GB are decimal, MiB and GiB binary; mixing them up is how the usual arguments
//! about sizes begin.

use crate::error::Error;

/// In which units sizes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// kB, MB, GB: powers of 1000.
    #[default]
    Decimal,
    /// KiB, MiB, GiB: powers of 1024, as `du -h` counts.
    Binary,
}

impl Units {
    /// `bytes` in at most eight characters.
    pub fn show(self, bytes: u64) -> String {
        let (step, names) = match self {
            Units::Decimal => (1000.0, ["B", "kB", "MB", "GB", "TB"]),
            Units::Binary => (1024.0, ["B", "KiB", "MiB", "GiB", "TiB"]),
        };
        let (mut value, mut unit) = (bytes as f64, 0);
        // What would be shown as a thousand is one of the next unit.
        while unit + 1 < names.len() && value >= step - 0.5 {
            value /= step;
            unit += 1;
        }
        let decimals = match unit {
            0 => 0,
            1 | 2 => usize::from(value < 9.95),
            _ => 2,
        };
        format!("{value:.decimals$} {}", names[unit])
    }

    /// The same with a sign in front: what a change adds or saves.
    pub fn show_change(self, bytes: i64) -> String {
        match bytes {
            0 => self.show(0),
            1.. => format!("+{}", self.show(bytes.unsigned_abs())),
            _ => format!("-{}", self.show(bytes.unsigned_abs())),
        }
    }
}

/// Reads `50MB`, `1.5 GB`, `200MiB`, `4096`.
///
/// # Errors
/// If it is no size.
pub fn parse(text: &str) -> Result<u64, Error> {
    let bad = || Error::BadSize { text: text.to_owned() };
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..digits], trimmed[digits..].trim());
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    let bytes = number.parse::<f64>().map_err(|_| bad())? * factor;
    // Beyond this, no float is a whole number of bytes any more.
    if bytes < 9e15 { Ok(bytes.round() as u64) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_few_characters() {
        for (bytes, decimal, binary) in [
            (0, "0 B", "0 B"),
            (999, "999 B", "999 B"),
            (1000, "1.0 kB", "1000 B"),
            (999_999, "1.0 MB", "977 KiB"),
            (90_900_000, "91 MB", "87 MiB"),
            (9_940_000, "9.9 MB", "9.5 MiB"),
            (6_051_000_000, "6.05 GB", "5.64 GiB"),
            (u64::MAX, "18446744.07 TB", "16777216.00 TiB"),
        ] {
            assert_eq!((Units::Decimal.show(bytes).as_str(), Units::Binary.show(bytes).as_str()), (decimal, binary));
        }
        assert_eq!(Units::Decimal.show_change(-4_810_000_000), "-4.81 GB");
        assert_eq!(Units::Decimal.show_change(5), "+5 B");
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("50MB", 50_000_000),
            ("1.5 GB", 1_500_000_000),
            ("200MiB", 209_715_200),
            ("4096", 4096),
            ("0", 0),
            ("7b", 7),
        ] {
            assert_eq!(parse(text).ok(), Some(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "1.2.3", "5 XB", "1e9", "99999999999 TB", "NaN"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
