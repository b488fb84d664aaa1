//! Which of a package's wheels would be installed.

use crate::python::platform::{Environment, Os};

/// How well a wheel fits, by its file name; `None` if it cannot be installed.
pub(super) fn rank(file: &str, environment: &Environment) -> Option<(u32, u32)> {
    let mut tags = file.strip_suffix(".whl")?.rsplitn(4, '-');
    let (platforms, abis, pythons) = (tags.next()?, tags.next()?, tags.next()?);
    let platform = platforms.split('.').filter_map(|tag| of_platform(tag, environment)).max()?;
    let both = pythons.split('.').flat_map(|python| abis.split('.').map(move |abi| (python, abi)));
    let python = both.filter_map(|(python, abi)| of_python(python, abi, environment)).max()?;
    Some((python, platform))
}

/// The very interpreter before a stable interface before any Python, and newer ones first.
fn of_python(tag: &str, abi: &str, environment: &Environment) -> Option<u32> {
    let own = environment.python;
    let digits = tag.get(2..)?;
    let (major, minor) = digits.split_at_checked(1)?;
    let minor = if minor.is_empty() { 0 } else { u32::from(minor.parse::<u16>().ok()?) };
    if major.parse() != Ok(own.major) || minor > own.minor {
        return None;
    }
    match (tag.get(..2)?, abi) {
        ("cp", _) if minor == own.minor && abi == tag => Some(4000),
        ("cp", "abi3") => Some(2000 + minor),
        ("cp", "none") => Some(1000 + minor),
        ("py", "none") => Some(minor),
        _ => None,
    }
}

/// Newer systems before older ones before any.
fn of_platform(tag: &str, environment: &Environment) -> Option<u32> {
    if tag == "any" {
        return Some(0);
    }
    let platform = environment.platform;
    let numbers = || {
        let mut numbers = tag.split('_').filter_map(|part| part.parse::<u16>().ok()).map(u32::from);
        numbers.next().unwrap_or_default() * 100 + numbers.next().unwrap_or_default()
    };
    match platform.os {
        Os::Linux => {
            let known = tag.strip_suffix(if platform.arm { "_aarch64" } else { "_x86_64" })?;
            match known {
                "linux" => Some(1),
                "manylinux1" => Some(205),
                "manylinux2010" => Some(212),
                "manylinux2014" => Some(217),
                _ => known.starts_with("manylinux_").then(numbers),
            }
        }
        Os::Darwin => {
            let own = tag.ends_with(if platform.arm { "_arm64" } else { "_x86_64" });
            (tag.starts_with("macosx_") && (own || tag.ends_with("_universal2")))
                .then(|| numbers() * 2 + u32::from(own))
        }
        Os::Windows => (tag == if platform.arm { "win_arm64" } else { "win_amd64" }).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::platform::{Platform, Python};

    #[test]
    fn the_wheel_that_fits_best_comes_first() {
        let environment = |platform: &str| Environment {
            platform: platform.parse::<Platform>().expect("good"),
            python: Python { major: 3, minor: 12 },
        };
        let best = |platform: &str, files: &[&'static str]| {
            let ranked = files.iter().filter_map(|file| Some((rank(file, &environment(platform))?, *file)));
            ranked.max().map(|(_, file)| file)
        };
        let numpy = [
            "numpy-2.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "numpy-2.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            "numpy-2.0-cp312-cp312-musllinux_1_2_x86_64.whl",
            "numpy-2.0-cp313-cp313-manylinux_2_28_x86_64.whl",
            "numpy-2.0-cp312-cp312t-manylinux_2_28_x86_64.whl",
            "numpy-2.0-cp312-cp312-macosx_11_0_arm64.whl",
            "numpy-2.0-cp312-cp312-win_amd64.whl",
        ];
        assert_eq!(best("linux/amd64", &numpy), Some(numpy[1]));
        assert_eq!(best("darwin/arm64", &numpy), Some(numpy[5]));
        assert_eq!(best("windows/amd64", &numpy), Some(numpy[6]));
        assert_eq!(best("linux/arm64", &numpy), None);
        let stable = ["x-1-py3-none-any.whl", "x-1-cp39-abi3-manylinux2014_x86_64.whl", "x-1-py2.py3-none-any.whl"];
        assert_eq!(best("linux/amd64", &stable), Some(stable[1]));
        assert_eq!(best("darwin/amd64", &stable).map(|file| file.contains("none-any")), Some(true));
        for bad in ["x.whl", "x-1.tar.gz", "", "é-é-é-é-é.whl", "x-1-c-n-any.whl"] {
            assert_eq!(rank(bad, &environment("linux/amd64")), None, "{bad}");
        }
    }
}
