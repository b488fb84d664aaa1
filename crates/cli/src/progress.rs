//! Progress bars: on standard error, with rate and time left, and silent when that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

const BYTES: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
const BYTES_OF_UNKNOWN: &str = "{spinner} {msg} {bytes}, {bytes_per_sec}";
const COUNT: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left";

/// A bar over `total` bytes; a spinner when the total is not known, as for a pipe.
pub fn bytes(what: impl Into<String>, total: Option<u64>) -> ProgressBar {
    match total {
        Some(total) => styled(ProgressBar::new(total), BYTES, what),
        None => styled(ProgressBar::new_spinner(), BYTES_OF_UNKNOWN, what),
    }
}

/// A bar over things that are counted; the total may be set later.
pub fn count(what: impl Into<String>) -> ProgressBar {
    styled(ProgressBar::new(0), COUNT, what)
}

fn styled(bar: ProgressBar, template: &str, what: impl Into<String>) -> ProgressBar {
    // The templates are constants, and a test builds each; a plain bar would still be of use.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_well_formed() {
        for template in [BYTES, BYTES_OF_UNKNOWN, COUNT] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
