//! The executable as it is shipped: static, so that it needs nothing from the system that it runs on.
//!
//! This is the only place that says how it is linked; images, platforms and releases all take what lies in
//! `target/dist`. `deploy/README.md` says why it is linked so.

use crate::cross::Toolchain;
use crate::run::{cargo, run};
use crate::{Failure, elf, target, tools};
use std::fs;
use std::path::{Path, PathBuf};

/// A processor that libellus is shipped for, on Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The one that this chore runs on.
    pub fn host() -> Result<Self, Failure> {
        Self::from_name(std::env::consts::ARCH)
    }

    /// By the name that Rust gives it.
    pub fn from_name(name: &str) -> Result<Self, Failure> {
        match name {
            "x86_64" => Ok(Self::X86_64),
            "aarch64" => Ok(Self::Aarch64),
            _ => Err(format!("there is no build for `{name}`; choose `x86_64` or `aarch64`")),
        }
    }

    /// The name that Rust gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Rust's name of the target.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// Which of the two executables that are shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    Standard,
    /// With the smaller pack inside, and without PostgreSQL, AWS Lambda, chores, `footprint` and the sample: the
    /// smallest possible deployment.
    Lite,
}

impl Edition {
    /// What the names of its files have more.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Standard => "",
            Self::Lite => "-lite",
        }
    }

    /// Whether it speaks TLS, to a database.
    pub fn speaks_tls(self) -> bool {
        self == Self::Standard
    }

    /// How cargo is told.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Standard => &[],
            // All dependencies for the smallest size: 0.15 MB for a fifth more time of a keyword query (docs/size.md).
            Self::Lite => &[
                "--no-default-features",
                "--features",
                "lite",
                "--config",
                "profile.release.package.\"*\".opt-level=\"z\"",
            ],
        }
    }
}

/// The C library goes into the executable. On x86_64 it stays position-independent, so that its addresses can still be
/// randomised, and a list of them takes two bits each instead of 24 bytes; for aarch64, Rust has no such mode with
/// glibc. Names in Rust's newer mangling tell `cargo xtask size` whose a function is; they are not in the file.
/// Random numbers come from the system call: a static executable would take them from a file, and abort without `/dev`.
const RUSTFLAGS: &str = "-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs \
                         -C symbol-mangling-version=v0 --cfg getrandom_backend=\"linux_getrandom\"";

/// And it is linked with this, seen from the root of the repository: without tables that say how to unwind the stack.
/// A panic ends the process, and names for a backtrace are not in the file either.
const LINK_ARGUMENT: &str = "link-arg=-Wl,-T,xtask/no-unwind-tables.ld";

/// What every crate is compiled with: [`RUSTFLAGS`], and the same short path for dependencies on every machine, as it
/// stands in the executable with each place that could panic.
fn rustflags() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok()).into_iter().flatten();
    let paths = registries.filter_map(|entry| entry.ok()?.path().into_os_string().into_string().ok());
    let mut flags = RUSTFLAGS.to_owned();
    // Cargo splits the flags at spaces.
    for path in paths.filter(|path| !path.contains(' ')) {
        flags += &format!(" --remap-path-prefix={path}=/dependencies");
    }
    flags
}

/// Where the linker says what it made the executable of.
pub fn link_map(arch: Arch) -> PathBuf {
    target().join(arch.triple()).join("release/libellus.map")
}

/// Builds `target/dist/ARCH/libellus`, checks that it is static, and gives its path.
pub fn build(arch: Arch) -> Result<PathBuf, Failure> {
    build_edition(arch, Edition::Standard)
}

/// The same of either edition; the other is `target/dist/ARCH/libellus-lite`.
pub fn build_edition(arch: Arch, edition: Edition) -> Result<PathBuf, Failure> {
    tools::require(&tools::C_COMPILER)?;
    let toolchain = Toolchain::require(arch)?;
    let built = toolchain.target().join(arch.triple()).join("release/libellus");
    // With `--target`, the flags do not reach build scripts and macros, which cannot be static.
    let words = ["rustc", "--release", "--package", "libellus", "--bin", "libellus", "--target", arch.triple()];
    let mut build = toolchain.cargo(&words, &rustflags());
    build.args(edition.features());
    let map = built.with_file_name(format!("libellus{}.map", edition.suffix()));
    build.args(["--", "-C", LINK_ARGUMENT, "-C"]).arg(format!("link-arg=-Wl,-Map={}", map.display()));
    run(&mut build)?;
    let executable = fs::read(&built).map_err(|error| format!("cannot read `{}`: {error}", built.display()))?;
    elf::check_static(&executable, arch, &built)?;
    let shipped = target().join("dist").join(arch.name()).join(format!("libellus{}", edition.suffix()));
    copy(&built, &shipped)
        .map_err(|error| format!("cannot copy `{}` to `{}`: {error}", built.display(), shipped.display()))?;
    Ok(shipped)
}

/// The release build for this machine: the shipped one on Linux, else the platform's own.
pub fn build_for_host() -> Result<PathBuf, Failure> {
    if cfg!(target_os = "linux") {
        return build(Arch::host()?);
    }
    run(&mut cargo(&["build", "--release", "--package", "libellus"]))?;
    Ok(target().join("release").join(format!("libellus{}", std::env::consts::EXE_SUFFIX)))
}

/// Builds what the options ask for, and says where it is and how large.
pub fn run_chore(options: &[&str]) -> Result<(), Failure> {
    let (mut arch, mut edition) = (Arch::host()?, Edition::Standard);
    let mut options = options.iter();
    while let Some(&option) = options.next() {
        match option {
            "--lite" => edition = Edition::Lite,
            "--target" => arch = Arch::from_name(options.next().ok_or("`--target` wants a processor")?)?,
            _ => return Err(format!("`{option}` is no option; `--lite` and `--target ARCH` are")),
        }
    }
    let executable = build_edition(arch, edition)?;
    let size = fs::metadata(&executable).map_err(|error| error.to_string())?.len();
    println!("{}: {size} bytes, static, for {} Linux", executable.display(), arch.name());
    Ok(())
}

/// A new file each time: the old one may be running.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh)?;
    fs::rename(&fresh, to)
}
