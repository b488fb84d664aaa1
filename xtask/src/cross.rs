//! What builds for a processor: this machine's own, or 64-bit Arm.
//!
//! For the latter, a toolchain of rustup that has the target builds by itself. Otherwise Debian's Rust does: its standard library
//! for arm64 comes from the package of that architecture, unpacked below `target` beside the machine's own, so that
//! the machine is not changed.

use crate::dist::Arch;
use crate::run::{capture, cargo, command, run};
use crate::{Failure, target, tools};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's compiler, which may stand beside one of rustup.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// How to build for a processor.
pub struct Toolchain {
    arch: Arch,
    /// Whether it is another than this machine's.
    cross: bool,
    /// Where Debian's standard libraries lie, where its compiler is what builds.
    debian: Option<PathBuf>,
}

impl Toolchain {
    /// Finds or installs it.
    pub fn require(arch: Arch) -> Result<Self, Failure> {
        if cfg!(target_os = "linux") && arch == Arch::host()? {
            return Ok(Self { arch, cross: false, debian: None });
        }
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(format!(
                "the executable for {} cannot be built here; use such a machine with Linux, or x86_64 Linux",
                arch.name()
            ));
        }
        tools::require(&tools::AARCH64_C_COMPILER)?;
        let own = capture(&mut command("rustc", &["--print", "target-libdir", "--target", arch.triple()]));
        let own_has_it = own.is_ok_and(|directory| Path::new(directory.trim()).is_dir());
        let debian = if own_has_it { None } else { Some(debian_sysroot()?) };
        Ok(Self { arch, cross: true, debian })
    }

    /// Where its builds go: another compiler needs another directory.
    pub fn target(&self) -> PathBuf {
        if self.debian.is_some() { target().join("cross") } else { target() }
    }

    /// A cargo command that compiles for the processor with these flags.
    pub fn cargo(&self, arguments: &[&str], flags: &str) -> Command {
        let mut command = cargo(arguments);
        let mut flags = flags.to_owned();
        if let Some(sysroot) = &self.debian {
            flags += &format!(" --sysroot {}", sysroot.display());
            command.env("RUSTC", DEBIAN_RUSTC).env("CARGO_TARGET_DIR", self.target());
        }
        if self.cross {
            let triple = self.arch.triple().replace('-', "_");
            command.env(format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase()), "aarch64-linux-gnu-gcc");
            command.env(format!("CC_{triple}"), "aarch64-linux-gnu-gcc");
        }
        command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
        command
    }
}

/// A directory with Debian's standard libraries for this machine and for arm64, of the same version.
fn debian_sysroot() -> Result<PathBuf, Failure> {
    tools::require(&tools::DEBIAN_RUSTC)
        .map_err(|failure| format!("{failure}; or, with rustup: rustup target add {}", Arch::Aarch64.triple()))?;
    let version = capture(&mut command("dpkg-query", &["--show", "--showformat", "${Version}", "rustc-web"]))?;
    let sysroot = target().join("cross/sysroot");
    let libraries = sysroot.join("lib/rustlib");
    let stamp = sysroot.join("version");
    if fs::read_to_string(&stamp).is_ok_and(|unpacked| unpacked == version) {
        return Ok(sysroot);
    }
    println!("fetching Debian's Rust standard library {version} for arm64 (34 MB) into {}", sysroot.display());
    let cannot = |error: std::io::Error| format!("cannot make `{}`: {error}", sysroot.display());
    let _ = fs::remove_dir_all(&sysroot);
    for directory in ["lists/partial", "cache/archives/partial", "lib/rustlib"] {
        fs::create_dir_all(sysroot.join(directory)).map_err(cannot)?;
    }
    // Lists of its own: to apt, the machine goes on having one architecture.
    let apt_get = |arguments: &[&str]| {
        let mut command = command("apt-get", &["--quiet"]);
        for option in ["APT::Architectures::=amd64", "APT::Architectures::=arm64", "APT::Sandbox::User=root"] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("Dir::State::Lists={}", sysroot.join("lists").display()));
        command.arg("-o").arg(format!("Dir::Cache={}", sysroot.join("cache").display()));
        run(command.args(arguments).current_dir(&sysroot))
    };
    apt_get(&["update"])?;
    apt_get(&["download", &format!("libstd-rust-web-dev:arm64={version}")])?;
    let package = fs::read_dir(&sysroot)
        .map_err(cannot)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get downloaded no package")?;
    run(command("dpkg-deb", &["--extract"]).arg(&package).arg(sysroot.join("unpacked")))?;
    for (from, triple) in [
        (PathBuf::from("/usr/lib/rustlib"), Arch::X86_64.triple()),
        (sysroot.join("unpacked/usr/lib/rustlib"), Arch::Aarch64.triple()),
    ] {
        std::os::unix::fs::symlink(from.join(triple), libraries.join(triple)).map_err(cannot)?;
    }
    for rest in [sysroot.join("lists"), sysroot.join("cache")] {
        let _ = fs::remove_dir_all(rest);
    }
    let _ = fs::remove_file(package);
    fs::write(&stamp, version).map_err(cannot)?;
    Ok(sysroot)
}
