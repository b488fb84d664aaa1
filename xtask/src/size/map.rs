//! The linker's map: which input went where in the executable.
//!
//! rustc links with LLD on x86-64 Linux, and gives every function and every constant a section of its own. The map
//! therefore says of each byte whose it is, for the stripped executable itself; no second build is needed.

use crate::Failure;

/// The first words of a map by LLD.
const HEADING: [&str; 7] = ["VMA", "LMA", "Size", "Align", "Out", "In", "Symbol"];

/// A section of the executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it is in memory.
    pub address: u64,
    /// How many bytes it has.
    pub size: u64,
    /// What it was made of, by address.
    pub pieces: Vec<Piece<'a>>,
}

/// A section of an input file, as it lies in the executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where it is in memory.
    pub address: u64,
    /// How many bytes it has.
    pub size: u64,
    /// The object file; in an archive, `ARCHIVE(MEMBER)`.
    pub object: &'a str,
    /// The section's name there, which holds the function's or the constant's name.
    pub section: &'a str,
}

/// The sections of a map. Empty pieces are left out.
pub fn parse(map: &str) -> Result<Vec<Output<'_>>, Failure> {
    let mut lines = map.lines();
    if !lines.next().unwrap_or_default().split_whitespace().eq(HEADING) {
        return Err("the linker's map is not in the form of LLD, which rustc links with on x86-64 Linux".to_owned());
    }
    let mut outputs: Vec<Output> = Vec::new();
    for (address, size, name) in lines.filter_map(columns) {
        // Sections of the executable stand at the margin, pieces eight spaces in, symbols sixteen.
        match name.strip_prefix("        ") {
            None => outputs.push(Output { name, address, size, pieces: Vec::new() }),
            Some(piece) if size > 0 && !piece.starts_with(' ') => {
                if let (Some(output), Some((object, section))) = (outputs.last_mut(), file_and_section(piece)) {
                    output.pieces.push(Piece { address, size, object, section });
                }
            }
            Some(_) => {}
        }
    }
    Ok(outputs)
}

/// Address, size and name of a line.
fn columns(line: &str) -> Option<(u64, u64, &str)> {
    let mut rest = line;
    let mut column = || {
        let (column, after) = rest.trim_start().split_once(' ')?;
        rest = after;
        Some(column)
    };
    let [address, _load_address, size, _alignment] = [column()?, column()?, column()?, column()?];
    Some((u64::from_str_radix(address, 16).ok()?, u64::from_str_radix(size, 16).ok()?, rest))
}

fn file_and_section(piece: &str) -> Option<(&str, &str)> {
    piece.strip_suffix(')')?.rsplit_once(":(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_told_from_sections_and_symbols() {
        let map = "\
             VMA              LMA     Size Align Out     In      Symbol
             2e0              2e0       1c     1 .interp
             2e0              2e0       1c     1         <internal>:(.interp)
         18dcd60          18dbd60   662789    16 .text
         18dcd60          18dbd60       2b    16         /lib/Scrt1.o:(.text)
         18dcd60          18dbd60        0     1                 _start
         18dcd90          18dbd90      1f0    16         /deps/libring-1.rlib(a.o):(.text._RNvC1a1b)
         18dcd90          18dbd90        0    16         /deps/b.o:(.text)
";
        let interp = Piece { address: 0x2e0, size: 0x1c, object: "<internal>", section: ".interp" };
        let start = Piece { address: 0x18dcd60, size: 0x2b, object: "/lib/Scrt1.o", section: ".text" };
        let (object, section) = ("/deps/libring-1.rlib(a.o)", ".text._RNvC1a1b");
        let member = Piece { address: 0x18dcd90, size: 0x1f0, object, section };
        let expected = [
            Output { name: ".interp", address: 0x2e0, size: 0x1c, pieces: vec![interp] },
            Output { name: ".text", address: 0x18dcd60, size: 0x662789, pieces: vec![start, member] },
        ];
        assert_eq!(parse(map).expect("a map"), expected);
    }

    #[test]
    fn other_maps_are_refused() {
        for map in ["", "Archive member included to satisfy reference by file (symbol)\n"] {
            let failure = parse(map).expect_err("not LLD's");
            assert!(failure.contains("form of LLD"), "{failure}");
        }
    }
}
