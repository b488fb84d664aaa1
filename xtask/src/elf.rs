//! What the headers of an executable say: for which processor it is, and whether it needs anything of the system.

use crate::Failure;
use crate::dist::Arch;
use std::path::Path;

/// Makes sure that `content` runs on `arch` with nothing else on the disk.
pub fn check_static(content: &[u8], arch: Arch, path: &Path) -> Result<(), Failure> {
    let path = path.display();
    let Some(headers) = Headers::read(content) else {
        return Err(format!("`{path}` is not a complete 64-bit ELF executable"));
    };
    if headers.machine != machine(arch) {
        let other = [Arch::X86_64, Arch::Aarch64].into_iter().find(|&other| headers.machine == machine(other));
        let other = other.map_or("another processor", Arch::name);
        return Err(format!("`{path}` is for {other}, and {} is needed", arch.name()));
    }
    if headers.asks_of_system > 0 {
        return Err(format!(
            "`{path}` is not static: it needs libraries of the system; `cargo xtask dist` builds one that does not"
        ));
    }
    Ok(())
}

/// The number of a processor in ELF (`e_machine`).
fn machine(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 62,
        Arch::Aarch64 => 183,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Headers {
    machine: u64,
    /// How often a loader or a library is named.
    asks_of_system: usize,
}

impl Headers {
    /// Reads a 64-bit little-endian ELF file; nothing if it is another file, or ends early.
    fn read(elf: &[u8]) -> Option<Self> {
        const PT_DYNAMIC: u64 = 2;
        const PT_INTERP: u64 = 3;
        const DT_NEEDED: u64 = 1;
        if !elf.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let (table, entry_bytes, entries) = (at(elf, 32, 8)?, at(elf, 54, 2)?, at(elf, 56, 2)?);
        let mut asks_of_system = 0;
        for number in 0..entries {
            let header = table.checked_add(number * entry_bytes)?;
            let (offset, size) = (at(elf, header.checked_add(8)?, 8)?, at(elf, header.checked_add(32)?, 8)?);
            let end = offset.checked_add(size).filter(|&end| end <= elf.len() as u64)?;
            match at(elf, header, 4)? {
                PT_INTERP => asks_of_system += 1,
                PT_DYNAMIC => {
                    for tag in (offset..end).step_by(16) {
                        asks_of_system += usize::from(at(elf, tag, 8)? == DT_NEEDED);
                    }
                }
                _ => {}
            }
        }
        Some(Self { machine: at(elf, 18, 2)?, asks_of_system })
    }
}

/// The little-endian number of so many bytes at an offset.
fn at(bytes: &[u8], offset: u64, count: u64) -> Option<u64> {
    let range = usize::try_from(offset).ok()?..usize::try_from(offset.checked_add(count)?).ok()?;
    Some(bytes.get(range)?.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// The smallest file that passes for a static executable.
#[cfg(test)]
pub fn smallest(arch: Arch) -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[18] = u8::try_from(machine(arch)).expect("small");
    elf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused() {
        let mut beyond = smallest(Arch::X86_64);
        beyond[32..40].fill(0xff);
        beyond[54] = 56;
        beyond[56] = 1;
        for (content, part) in [
            (b"#!/bin/sh\n".to_vec(), "not a complete 64-bit ELF"),
            (smallest(Arch::X86_64)[..40].to_vec(), "not a complete 64-bit ELF"),
            (beyond, "not a complete 64-bit ELF"),
            (smallest(Arch::Aarch64), "is for aarch64, and x86_64 is needed"),
        ] {
            let failure = check_static(&content, Arch::X86_64, Path::new("x")).expect_err(part);
            assert!(failure.contains(part), "{failure}");
        }
        assert_eq!(check_static(&smallest(Arch::Aarch64), Arch::Aarch64, Path::new("x")), Ok(()));
    }

    #[test]
    fn an_executable_with_a_loader_is_not_static() {
        // Tests are dynamic on the systems that this chore runs on.
        if cfg!(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static"))) {
            let own = std::env::current_exe().expect("we run");
            let content = std::fs::read(&own).expect("readable");
            let failure = check_static(&content, Arch::host().expect("known"), &own).expect_err("dynamic");
            assert!(failure.contains("is not static"), "{failure}");
        }
    }
}
