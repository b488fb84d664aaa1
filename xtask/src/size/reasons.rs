//! Why each large dependency is worth its bytes: a line for each in `docs/dependencies.md`.

use super::parts::{self, Parts};
use crate::Failure;

/// Where the lines are, from the root of the repository.
pub const FILE: &str = "docs/dependencies.md";

/// From here on a dependency needs a line.
const FROM_BYTES: u64 = 200_000;

/// The dependencies that should have a line in `document` and have none; none if all is well.
pub fn missing(parts: &Parts, document: &str) -> Option<Failure> {
    let explained = explained(document);
    let large = parts.0.iter().filter(|&(name, &size)| size >= FROM_BYTES && parts::is_dependency(name));
    let missing: Vec<String> = large
        .filter(|(name, _)| !explained.contains(&name.as_str()))
        .map(|(name, size)| format!("`{name}` ({size} bytes)"))
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!(
        "a dependency of {FROM_BYTES} bytes or more says in {FILE} why it is worth them; a line is missing for {}",
        missing.join(", ")
    ))
}

/// The names in the first column of the document's table whose second column says something.
fn explained(document: &str) -> Vec<&str> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.filter(|(_, reason)| reason.chars().any(char::is_alphabetic)).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_dependencies_need_a_line_that_says_something() {
        let document = "# Why\n\n| dependency | why |\n| --- | --- |\n| `good` | It is needed. |\n| `empty` | |\n";
        let sizes = [("good", FROM_BYTES), ("empty", FROM_BYTES), ("absent (C)", FROM_BYTES + 1), ("small", 1)];
        let mut parts = Parts(sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect());
        let told = missing(&parts, document).expect("two are missing");
        assert!(told.contains("`absent (C)` (200001 bytes), `empty` (200000 bytes)"), "{told}");
        assert!(!told.contains("good") && !told.contains("small"), "{told}");
        parts.0.retain(|name, _| name == "good" || name == "small");
        parts.0.extend([("libellus_server".to_owned(), FROM_BYTES), ("std".to_owned(), FROM_BYTES)]);
        assert_eq!(missing(&parts, document), None, "our own crates and Rust's need none");
    }
}
