//! BERT's normalisation: text in, cleaned, lower-cased characters without accents out, one by one.
//!
//! The ids must be those of Hugging Face's `tokenizers`, for every character that there is, so the
//! Unicode versions are its own and not the newest: general categories (control, punctuation, accent)
//! from `unicode_categories` (Unicode 8) and decomposition from `unicode-normalization-alignments`
//! (Unicode 9). A character that came later is neither punctuation nor accent to them. White space and
//! lower case come from the standard library there as here, so those follow the compiler.
//!
//! Text is streamed: nothing is kept but a run of marks that canonical ordering may still move.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::{canonical_combining_class, decompose_canonical};

/// Which steps are taken, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Normalizer {
    /// Control characters are dropped, white space becomes a blank.
    pub clean_text: bool,
    /// Each CJK ideograph becomes a word of its own.
    pub space_cjk: bool,
    /// Characters are decomposed (NFD) and non-spacing marks dropped.
    pub strip_accents: bool,
    /// Characters become lower case, one by one, without regard to their neighbours.
    pub lowercase: bool,
}

/// Takes the normalised characters.
pub(super) trait Output {
    /// The next character.
    fn char(&mut self, c: char);
    /// The next characters, ASCII letters and digits, to be lower-cased if it is said so: most of most texts.
    fn alphanumeric(&mut self, run: &[u8], lowercase: bool);
}

impl Output for String {
    fn char(&mut self, c: char) {
        self.push(c);
    }

    fn alphanumeric(&mut self, run: &[u8], lowercase: bool) {
        self.extend(run.iter().map(|&byte| char::from(if lowercase { byte.to_ascii_lowercase() } else { byte })));
    }
}

impl Normalizer {
    /// Sends the characters of `text`, normalised, to `output`.
    pub fn run(self, text: &str, output: &mut impl Output) {
        let mut marks = Marks::default();
        let mut rest = text;
        while let Some(&byte) = rest.as_bytes().first() {
            let length = if byte.is_ascii_alphanumeric() {
                self.flush(&mut marks, output);
                let run = alphanumeric(rest.as_bytes());
                output.alphanumeric(run, self.lowercase);
                run.len()
            } else if byte.is_ascii() {
                self.ascii(byte, &mut marks, output);
                1
            } else {
                let c = rest.chars().next().unwrap_or_default();
                self.other(c, &mut marks, output);
                c.len_utf8()
            };
            rest = &rest[length..];
        }
        self.flush(&mut marks, output);
    }

    /// Takes an ASCII character that is neither letter nor digit.
    fn ascii(self, byte: u8, marks: &mut Marks, output: &mut impl Output) {
        let c = match byte {
            b'\t' | b'\n' | b'\r' if self.clean_text => ' ',
            // Dropped before marks are put in order, so it does not part them.
            0..0x20 | 0x7f if self.clean_text => return,
            _ => char::from(byte),
        };
        self.flush(marks, output);
        output.char(c);
    }

    fn other(self, c: char, marks: &mut Marks, output: &mut impl Output) {
        if self.clean_text {
            if c == char::REPLACEMENT_CHARACTER || c.is_other() {
                return;
            }
            if c.is_whitespace() {
                self.flush(marks, output);
                return output.char(' ');
            }
        }
        let alone = self.space_cjk && is_cjk(c);
        if alone {
            self.flush(marks, output);
            output.char(' ');
        }
        if self.strip_accents {
            decompose_canonical(c, |part| self.decomposed(part, marks, output));
        } else {
            self.cased(c, output);
        }
        if alone {
            self.flush(marks, output);
            output.char(' ');
        }
    }

    /// Takes a character of the decomposed text: drops it, sends it on, or keeps it until its place is known.
    fn decomposed(self, c: char, marks: &mut Marks, output: &mut impl Output) {
        let class = canonical_combining_class(c);
        if class == 0 {
            self.flush(marks, output);
        }
        if c.is_mark_nonspacing() {
            return;
        }
        if class == 0 {
            self.cased(c, output);
        } else {
            marks.0.push((class, c));
        }
    }

    /// Sends on the marks that waited, in canonical order.
    fn flush(self, marks: &mut Marks, output: &mut impl Output) {
        if marks.0.is_empty() {
            return;
        }
        marks.0.sort_by_key(|&(class, _)| class); // stable: equal classes keep their order
        for (_, c) in marks.0.drain(..) {
            self.cased(c, output);
        }
    }

    fn cased(self, c: char, output: &mut impl Output) {
        if self.lowercase {
            c.to_lowercase().for_each(|c| output.char(c));
        } else {
            output.char(c);
        }
    }
}

/// The ASCII letters and digits that `bytes` begin with.
fn alphanumeric(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| !byte.is_ascii_alphanumeric());
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Combining characters since the last starter, each with its class.
///
/// Almost always empty: accents are dropped before they get here, and few others combine.
#[derive(Default)]
struct Marks(Vec<(u8, char)>);

/// Whether BERT takes `c` for a Chinese character; its list is older than Unicode's and kept as it is.
fn is_cjk(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3400..=0x4DBF
            | 0x4E00..=0x9FFF
            | 0xF900..=0xFAFF
            | 0x20000..=0x2A6DF
            | 0x2A700..=0x2B73F
            | 0x2B740..=0x2B81F
            | 0x2B920..=0x2CEAF
            | 0x2F800..=0x2FA1F
    )
}

/// Whether `c` is a word of its own: Unicode's punctuation, and all ASCII that is neither letter nor digit.
pub(super) fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNCASED: Normalizer = Normalizer { clean_text: true, space_cjk: true, strip_accents: true, lowercase: true };

    #[test]
    fn steps_one_by_one() {
        let none = Normalizer { clean_text: false, space_cjk: false, strip_accents: false, lowercase: false };
        let clean = Normalizer { clean_text: true, ..none };
        let cjk = Normalizer { space_cjk: true, ..none };
        let accents = Normalizer { strip_accents: true, ..none };
        let lower = Normalizer { lowercase: true, ..none };
        let cases = [
            ("nothing", none, "A\u{0}É\t博\u{fffd}", "A\u{0}É\t博\u{fffd}"),
            ("controls go", clean, "a\u{0}b\u{7f}c\u{85}d\u{200b}e\u{fffd}f\u{e000}g", "abcdefg"),
            ("white space is a blank", clean, "a\tb\nc\rd\u{a0}e\u{2028}f\u{3000}g", "a b c d e f g"),
            ("ideographs stand alone", cjk, "a博推b", "a 博  推 b"),
            ("other scripts do not", cjk, "ひカ한", "ひカ한"),
            ("accents go, case stays", accents, "ÉcoleÅs", "EcoleAs"),
            ("composed or not", accents, "e\u{301}é", "ee"),
            ("Hangul falls into letters", accents, "한", "\u{1112}\u{1161}\u{11ab}"),
            ("lower case keeps accents", lower, "ÉİẞΣ", "éi\u{307}ßσ"),
            ("all", UNCASED, "Crème\u{a0}Brûlée 東京", "creme brulee  東  京 "),
        ];
        for (name, normalizer, text, expected) in cases {
            let mut output = String::new();
            normalizer.run(text, &mut output);
            assert_eq!(output, expected, "{name}");
        }
    }

    #[test]
    fn marks_come_in_canonical_order() {
        // Spacing marks with a class (224 and 226) are kept, the lower class first; a dropped mark of class 0
        // still parts them.
        let cases = [
            ("a\u{1d16d}\u{302e}", "a\u{302e}\u{1d16d}"),
            ("a\u{302e}\u{1d16d}", "a\u{302e}\u{1d16d}"),
            ("a\u{1d16d}\u{301}\u{302e}", "a\u{302e}\u{1d16d}"),
            ("a\u{1d16d}\u{941}\u{302e}", "a\u{1d16d}\u{302e}"),
            ("\u{8d4}\u{7f}\u{1b44}", "\u{1b44}\u{8d4}"), // a dropped control does not
        ];
        for (text, expected) in cases {
            let mut output = String::new();
            UNCASED.run(text, &mut output);
            assert_eq!(output, expected, "{text:?}");
        }
    }
}
