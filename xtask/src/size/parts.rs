//! The parts of an executable: each byte of the file belongs to exactly one.

use super::map::{self, Output, Piece};
use super::owner;
use crate::Failure;
use object::{Object, ObjectSection};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bytes by part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(pub BTreeMap<String, u64>);

/// What tells whose a constant is, besides its name.
pub struct Known {
    /// Files that are compiled in, each with its name: models, samples.
    pub files: Vec<(String, Vec<u8>)>,
    /// The crate of a constant without a name, by the hash that its symbol has instead.
    pub constants: BTreeMap<String, String>,
}

/// What fills up to the next aligned address, and what tells the loader where all is.
const FRAME: &str = "headers and padding";
/// The linker's own work in its map.
const INTERNAL: &str = "<internal>";
/// The end of the one object that all Rust code is compiled into. It is named after the executable's own crate, and so
/// are the only constants in it that are not found in another crate.
const RUST_OBJECT: &str = ".rcgu.o";

/// Constants that equal each other are kept once, whoever they were for.
const MERGED: &str = "merged constants";
/// Whatever has no name that tells whose it is.
const UNKNOWN: &str = "not attributed";
const C_LIBRARY: &str = "C library";
const UNWIND: &str = "unwind tables";
const RELOCATIONS: &str = "relocations";
const LOADING: &str = "dynamic linking";
const SYMBOLS: &str = "symbols";
const NOTES: &str = "notes and section names";

/// Whether a part is a crate, or C code in one, that is neither ours nor comes with Rust.
pub fn is_dependency(part: &str) -> bool {
    let not_crates = [FRAME, MERGED, UNKNOWN, C_LIBRARY, UNWIND, RELOCATIONS, LOADING, SYMBOLS, NOTES, owner::STD];
    let is_file = part.contains('/');
    !is_file && !not_crates.contains(&part) && !part.starts_with("libellus")
}

impl Parts {
    /// The size of the file.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The parts, the largest first, and their sum.
    pub fn table(&self) -> String {
        let mut rows: Vec<(&str, u64)> = self.0.iter().map(|(name, &size)| (name.as_str(), size)).collect();
        rows.sort_by_key(|&(name, size)| (std::cmp::Reverse(size), name));
        let total = self.total();
        rows.push(("the executable", total));
        let mut table = String::new();
        for (name, size) in rows {
            let share = 100.0 * size as f64 / total as f64;
            let _ = writeln!(table, "{size:>10}  {share:>5.1} %  {name}");
        }
        table
    }

    fn add(&mut self, part: impl Into<String>, size: u64) {
        if size > 0 {
            *self.0.entry(part.into()).or_default() += size;
        }
    }
}

/// Takes an executable apart with the linker's map of it.
pub fn of(executable: &[u8], map: &str, known: &Known) -> Result<Parts, Failure> {
    let unreadable = |error: object::Error| format!("the executable cannot be read: {error}");
    let elf = object::File::parse(executable).map_err(unreadable)?;
    let outputs = map::parse(map)?;
    let mut parts = Parts::default();
    for section in elf.sections() {
        // Sections that the loader fills with zeros are not in the file.
        let Some((_, size)) = section.file_range().filter(|&(_, size)| size > 0) else { continue };
        let name = section.name().map_err(unreadable)?;
        if let Some(part) = whole(name) {
            parts.add(part, size);
            continue;
        }
        let like = |output: &&Output| (output.name, output.address, output.size) == (name, section.address(), size);
        let output = outputs.iter().find(like).ok_or_else(|| {
            format!("the linker's map is not of this executable: its section `{name}` is not as the map has it")
        })?;
        let contents = section.data().map_err(unreadable)?;
        for piece in &output.pieces {
            let start = (piece.address - output.address) as usize;
            let bytes = contents.get(start..start + piece.size as usize);
            let bytes = bytes.ok_or_else(|| format!("the linker's map has a piece outside of `{name}`: {piece:?}"))?;
            parts.add(part_of(piece, bytes, known), piece.size);
        }
        let told: u64 = output.pieces.iter().map(|piece| piece.size).sum();
        parts.add(FRAME, size.checked_sub(told).ok_or_else(|| format!("the linker's map fills `{name}` twice"))?);
    }
    let file_size = executable.len() as u64;
    let rest = file_size.checked_sub(parts.total());
    parts.add(FRAME, rest.ok_or("the executable's sections overlap")?);
    Ok(parts)
}

/// The part that a whole section is, where its bytes are nobody's in particular.
fn whole(section: &str) -> Option<&'static str> {
    let by_name = |names: &[&str]| names.iter().any(|name| section.starts_with(name));
    Some(match section {
        _ if by_name(&[".eh_frame", ".gcc_except_table"]) => UNWIND,
        _ if by_name(&[".rela.", ".relr."]) => RELOCATIONS,
        _ if by_name(&[".interp", ".dyn", ".gnu.hash", ".gnu.version", ".got", ".plt", ".iplt"]) => LOADING,
        _ if by_name(&[".symtab", ".strtab", ".debug"]) => SYMBOLS,
        _ if by_name(&[".comment", ".note", ".shstrtab"]) => NOTES,
        _ => return None,
    })
}

fn part_of(piece: &Piece, bytes: &[u8], known: &Known) -> String {
    let compiled_in = known.files.iter().find(|(_, file)| is_file(bytes, file)).map(|(name, _)| name.clone());
    let constant = || known.constants.get(constant_hash(piece.section)?).cloned();
    compiled_in.or_else(|| owner::of_symbol(piece.section)).or_else(constant).unwrap_or_else(|| of_object(piece.object))
}

/// Whether a constant is a file, with nothing but padding after it.
fn is_file(constant: &[u8], file: &[u8]) -> bool {
    !file.is_empty() && constant.strip_prefix(file).is_some_and(|rest| rest.len() < 64)
}

/// The hash in the symbol of a constant without a name, `anon.HASH.NUMBER`.
fn constant_hash(section: &str) -> Option<&str> {
    section.split_once("anon.")?.1.split('.').next()
}

/// The part of what bears no name: by the file that it came from, `ARCHIVE(MEMBER)` or an object by itself.
fn of_object(object: &str) -> String {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match object.split_once('(') {
        _ if object == INTERNAL => MERGED.to_owned(),
        Some((archive, _)) if archive.ends_with(".rlib") => match owner::of_rlib(&name(archive)) {
            owner if owner == owner::STD => owner,
            // What is Rust's in a crate has a name.
            owner => format!("{owner} (C)"),
        },
        Some(_) => C_LIBRARY.to_owned(),
        None if object.ends_with(RUST_OBJECT) => name(object).split('-').next().unwrap_or(UNKNOWN).to_owned(),
        None if name(object).starts_with("crt") || object.ends_with("crt1.o") => C_LIBRARY.to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let files = vec![("models/a.pack".to_owned(), b"pack".to_vec()), ("samples/empty".to_owned(), Vec::new())];
        Known { files, constants: [("0a1b".to_owned(), "tantivy".to_owned())].into() }
    }

    #[test]
    fn pieces_find_their_parts() {
        let own = "/deps/libellus-2c.libellus.bee-cgu.0.rcgu.o";
        let sqlite = "/deps/rustcX/liblibsqlite3_sys-76.rlib(sqlite3.o)";
        let cases = [
            (own, ".rodata..Lanon.ffff.1", "pack\0\0", "models/a.pack"),
            (own, ".rodata..Lanon.0a1b.2", "text", "tantivy"),
            (own, ".rodata..Lanon.ffff.3", "text", "libellus"),
            (own, ".text._RNvCs1_5hyper3get", "code", "hyper"),
            (own, ".text.main", "code", "libellus"),
            (sqlite, ".text.sqlite3_open", "code", "libsqlite3_sys (C)"),
            ("/lib/libcompiler_builtins-27.rlib(a.o)", ".text.memcpy", "code", "std"),
            ("/usr/lib/libc.a(malloc.o)", ".text", "code", C_LIBRARY),
            ("/usr/lib/../rcrt1.o", ".text", "code", C_LIBRARY),
            ("<internal>", ".rodata.str1.1", "text", MERGED),
            ("/somewhere/else.o", ".text", "code", UNKNOWN),
        ];
        for (object, section, bytes, part) in cases {
            let piece = Piece { address: 0, size: bytes.len() as u64, object, section };
            assert_eq!(part_of(&piece, bytes.as_bytes(), &known()), part, "{piece:?}");
        }
    }

    #[test]
    fn dependencies_are_told_from_other_parts() {
        for (part, expected) in [
            ("tantivy", true),
            ("libsqlite3_sys (C)", true),
            ("libellus_server", false),
            ("std", false),
            ("C library", false),
            ("models/a.pack", false),
        ] {
            assert_eq!(is_dependency(part), expected, "{part}");
        }
    }

    #[test]
    fn the_table_ends_with_the_sum() {
        let parts = Parts([("b".to_owned(), 300), ("a".to_owned(), 700)].into());
        assert_eq!(
            parts.table(),
            "       700   70.0 %  a\n       300   30.0 %  b\n      1000  100.0 %  the executable\n"
        );
    }

    #[test]
    fn a_map_of_another_executable_is_refused() {
        let own = std::env::current_exe().and_then(std::fs::read).expect("we run");
        let heading = "VMA LMA Size Align Out In Symbol\n";
        let failure = of(&own, heading, &known()).expect_err("the map is empty");
        assert!(failure.contains("not of this executable"), "{failure}");
        let failure = of(b"#!/bin/sh", heading, &known()).expect_err("no executable");
        assert!(failure.contains("cannot be read"), "{failure}");
    }
}
