//! The executable on processors that this machine does not have, emulated: every processor gives the same vectors.

use crate::cross::Toolchain;
use crate::dist::{self, Arch};
use crate::run::{command, run};
use crate::{Failure, root, target, tools};
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many of the golden texts are embedded under emulation, which is slow.
const TEXTS: usize = 12;

/// Builds for 64-bit Arm, and tests the kernels and whole embeddings there, under emulation.
pub fn check_aarch64() -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("skipped: this needs x86_64 Linux");
        return Ok(());
    }
    tools::require(&tools::QEMU_AARCH64)?;
    let toolchain = Toolchain::require(Arch::Aarch64)?;
    let tests = ["test", "--package", "libellus-kernels", "--lib", "--target", Arch::Aarch64.triple()];
    let mut tests = toolchain.cargo(&tests, "-C target-feature=+crt-static");
    tests.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64-static -cpu max");
    run(tests.env("LIBELLUS_TEST_BEST_ISA", "neon-i8mm"))?;

    let expected = native_vectors()?;
    let executable = dist::build(Arch::Aarch64)?;
    for (cpu, isa) in [("max", "neon-i8mm"), ("neoverse-n1", "neon-dotprod"), ("cortex-a53", "neon")] {
        let mut emulated = command("qemu-aarch64-static", &["-cpu", cpu]);
        compare(emulated.arg(&executable), &format!("an emulated {cpu}, with {isa}"), &expected)?;
    }
    Ok(())
}

/// A processor of 2003, without any of the extensions that the kernels use.
pub fn check_plain_x86_64() -> Result<(), Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("skipped: this needs x86_64 Linux");
        return Ok(());
    }
    tools::require(&tools::QEMU_X86_64)?;
    let expected = native_vectors()?;
    let mut emulated = command("qemu-x86_64-static", &["-cpu", "qemu64"]);
    let executable = dist::build(Arch::X86_64)?;
    compare(emulated.arg(&executable), "an emulated qemu64, with neither AVX2 nor FMA", &expected)
}

/// What this machine makes of the texts, as a NumPy array.
fn native_vectors() -> Result<Vec<u8>, Failure> {
    let golden = root().join("crates/encoder/tests/golden/texts.jsonl");
    let texts = fs::read_to_string(&golden).map_err(|error| format!("cannot read `{}`: {error}", golden.display()))?;
    let few: String = texts.split_inclusive('\n').take(TEXTS).collect();
    let path = target().join("emulated-texts.jsonl");
    fs::write(&path, few).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    embed(&mut command(dist::build(Arch::X86_64)?, &[]), &path)
}

/// Vectors that the command, an executable of libellus, makes of the texts.
fn embed(libellus: &mut Command, texts: &Path) -> Result<Vec<u8>, Failure> {
    let output = target().join("emulated-vectors.npy");
    let libellus = libellus.args(["embed", "--threads", "2", "--format", "npy", "--input"]).arg(texts);
    run(libellus.arg("--output").arg(&output))?;
    fs::read(&output).map_err(|error| format!("cannot read `{}`: {error}", output.display()))
}

fn compare(emulated: &mut Command, processor: &str, expected: &[u8]) -> Result<(), Failure> {
    let vectors = embed(emulated, &target().join("emulated-texts.jsonl"))?;
    if vectors != expected {
        return Err(format!("{processor}, gives other vectors than this machine"));
    }
    println!("{processor}, gives the vectors of this machine, bit for bit ({TEXTS} texts)");
    Ok(())
}
