//! Names of packages: `Foo.Bar_baz` and `foo-bar-baz` are one.

/// The one form of a name, as PEP 503 has it.
pub fn normalize(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut gap = false;
    for c in name.trim().chars() {
        if matches!(c, '-' | '_' | '.') {
            gap = true;
        } else {
            if gap && !normal.is_empty() {
                normal.push('-');
            }
            gap = false;
            normal.extend(c.to_lowercase());
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_have_one_form() {
        for (name, normal) in [("Foo.Bar_baz", "foo-bar-baz"), ("a--_.b", "a-b"), ("PyYAML", "pyyaml"), ("six", "six")]
        {
            assert_eq!(super::normalize(name), normal);
        }
    }
}
