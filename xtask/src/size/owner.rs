//! Whose a function or a constant is, by its mangled name.

use rustc_demangle::try_demangle;

/// What Rust's standard library is made of. `hashbrown` and `memchr` are in it too, but come with dependencies as well.
const STANDARD: [&str; 14] = [
    "std",
    "core",
    "alloc",
    "std_detect",
    "compiler_builtins",
    "panic_abort",
    "panic_unwind",
    "unwind",
    "addr2line",
    "gimli",
    "miniz_oxide",
    "object",
    "rustc_demangle",
    "__rustc",
];

/// The part that the standard library is shown as.
pub const STD: &str = "std";

/// The crate that a section or symbol belongs to, if its name tells.
///
/// A generic function of the standard library belongs to the crate that it was made for: the first one among its type
/// parameters, else the one that was being compiled. What the compiler inlined belongs to the function around it.
pub fn of_symbol(name: &str) -> Option<String> {
    let mangled = &name[name.find("_R").into_iter().chain(name.find("_ZN")).min()?..];
    let path = format!("{:#}", try_demangle(mangled).ok()?);
    let named = crates(&path);
    let own = |name: &&str| !STANDARD.contains(name);
    let owner = named.iter().copied().find(own).or_else(|| compiled_for(mangled).filter(own));
    Some(owner.unwrap_or(STD).to_owned())
}

/// The crate of a compiled file `libNAME-HASH.rlib`.
pub fn of_rlib(file_name: &str) -> String {
    let name = file_name.strip_prefix("lib").unwrap_or(file_name);
    let name = name.rsplit_once('-').map_or(name, |(name, _)| name);
    if STANDARD.contains(&name) { STD.to_owned() } else { name.to_owned() }
}

/// The crates that a demangled path names: words that begin a path, such as `a` and `b` in `<a::T as b::U<u8>>::f`.
fn crates(path: &str) -> Vec<&str> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = path[at..].find(in_word).map(|offset| at + offset) {
        let end = path[start..].find(|c| !in_word(c)).map_or(path.len(), |offset| start + offset);
        if path[end..].starts_with("::") && !path[..start].ends_with("::") {
            found.push(&path[start..end]);
        }
        at = end;
    }
    found
}

/// The crate at the end of a name in Rust's v0 mangling, for which a generic function was compiled.
fn compiled_for(mangled: &str) -> Option<&str> {
    let name = mangled.strip_prefix("_R")?;
    let name = name.split('.').next()?; // what LLVM adds
    let back = name.strip_suffix('_').and_then(|rest| rest.rsplit_once('B'));
    match back.and_then(|(_, digits)| base_62(digits)) {
        Some(at) => crate_root(name.get(at..)?),
        // A crate root that ends the name, found from behind.
        None => name.rmatch_indices('C').find_map(|(at, _)| {
            let root = &name[at..];
            crate_root(root).filter(|found| root.ends_with(found))
        }),
    }
}

/// The identifier of a crate root: `C`, a disambiguator `s…_` if any, the length, the name.
fn crate_root(root: &str) -> Option<&str> {
    let root = root.strip_prefix('C')?;
    let root = root.strip_prefix('s').and_then(|rest| rest.split_once('_')).map_or(root, |(_, rest)| rest);
    let digits = root.find(|c: char| !c.is_ascii_digit())?;
    let length: usize = root[..digits].parse().ok()?;
    let name = root[digits..].strip_prefix('_').unwrap_or(&root[digits..]);
    name.get(..length)
}

/// A number in the mangling's base 62: nothing is 0, `0` is 1.
fn base_62(digits: &str) -> Option<usize> {
    if digits.is_empty() {
        return Some(0);
    }
    let value = digits.chars().try_fold(0usize, |value, digit| {
        let digit = match digit {
            '0'..='9' => digit as usize - '0' as usize,
            'a'..='z' => digit as usize - 'a' as usize + 10,
            'A'..='Z' => digit as usize - 'A' as usize + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(digit)
    })?;
    value.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_crates() {
        let cases = [
            (".text._RNvCs1234_7mycrate3foo", Some("mycrate"), "a function"),
            (".text.unlikely._RNvCs1234_7mycrate3foo", Some("mycrate"), "a cold one"),
            ("_ZN4core3fmt5write17h0123456789abcdefE", Some("std"), "core"),
            ("_ZN5gimli4read17h0123456789abcdefE", Some("std"), "what std brings along"),
            ("_ZN4core3ptr35drop_in_place$LT$tantivy..Index$GT$17h0123456789abcdefE", Some("tantivy"), "a type inside"),
            ("_ZN45_$LT$hyper..A$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE", Some("hyper"), "a trait"),
            (".rodata..Lswitch.table._RNvCs1234_7mycrate3foo.12", Some("mycrate"), "a table"),
            (
                "_RINvNtCsa_4core3ptr13drop_in_placehECsb_5hyper",
                Some("hyper"),
                "a generic of core, compiled for a crate",
            ),
            ("_RINvNtCsa_4core3ptr13drop_in_placehEB4_", Some("std"), "and for its own"),
            ("_RNvMs3_NtCs1_5alloc3stre12to_lowercase", Some("std"), "a method of a type without a crate"),
            ("sqlite3_open", None, "C"),
            ("sqlite3_Rename", None, "C that looks a little like Rust"),
            (".rodata.cst16", None, "nobody's"),
        ];
        for (name, owner, why) in cases {
            assert_eq!(of_symbol(name).as_deref(), owner, "{why}: {name}");
        }
    }

    #[test]
    fn compiled_files_tell_their_crates() {
        for (file, owner) in [("liblibsqlite3_sys-0a1b.rlib", "libsqlite3_sys"), ("libcore-0a1b.rlib", "std")] {
            assert_eq!(of_rlib(file), owner, "{file}");
        }
    }

    #[test]
    fn paths_begin_with_crates() {
        let cases: [(&str, &[&str]); 5] = [
            ("a::b::c", &["a"]),
            ("<a::T<b::U, u8> as core::ops::FnOnce<(&mut c::V,)>>::call", &["a", "b", "core", "c"]),
            ("a::f::{closure#0}::{shim:vtable#0}", &["a"]),
            ("<dyn a::T + core::marker::Send>::f::<4usize, true>", &["a", "core"]),
            ("main", &[]),
        ];
        for (path, expected) in cases {
            assert_eq!(crates(path), expected, "{path}");
        }
    }
}
