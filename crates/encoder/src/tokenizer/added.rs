//! Tokens that are found in the text itself, before or after it is normalised: `[SEP]` in a text is the
//! token `[SEP]`, not five pieces.
//!
//! There are a handful of them, as a rule, so they are looked for by their first byte.

use super::definition::AddedToken;

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Text in which there is no added token.
    Text(&'t str),
    /// An added token, by its id.
    Token(u32),
}

/// The added tokens that are looked for in one pass.
#[derive(Clone)]
pub(super) struct AddedTokens {
    /// Longest first, so that the first that matches is the longest.
    tokens: Vec<(String, AddedToken)>,
    /// Whether a token begins with this byte.
    begins: [bool; 256],
}

impl AddedTokens {
    /// Empty texts are never found.
    pub fn new(mut tokens: Vec<(String, AddedToken)>) -> Self {
        tokens.retain(|(text, _)| !text.is_empty());
        tokens.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        let mut begins = [false; 256];
        for (text, _) in &tokens {
            begins[usize::from(text.as_bytes()[0])] = true;
        }
        Self { tokens, begins }
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Cuts `text` at its added tokens: of those that overlap the leftmost counts, and of those the longest.
    pub fn split<'t>(&self, text: &'t str, mut part: impl FnMut(Part<'t>)) {
        let mut done = 0;
        let mut from = 0;
        while let Some((mut start, mut end, token)) = self.find(text, from) {
            from = end;
            if token.lstrip {
                start = text[..start].trim_end().len().max(done);
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start().len();
            }
            if done < start {
                part(Part::Text(&text[done..start]));
            }
            part(Part::Token(token.id));
            done = end;
        }
        if done < text.len() {
            part(Part::Text(&text[done..]));
        }
    }

    fn find(&self, text: &str, from: usize) -> Option<(usize, usize, AddedToken)> {
        if self.is_empty() {
            return None;
        }
        let bytes = text.as_bytes();
        (from..bytes.len()).filter(|&start| self.begins[usize::from(bytes[start])]).find_map(|start| {
            let (found, token) = self.tokens.iter().find(|(text, _)| bytes[start..].starts_with(text.as_bytes()))?;
            Some((start, start + found.len(), *token))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_leftmost_longest_token() {
        let plain = |id| AddedToken { id, lstrip: false, rstrip: false, normalized: false };
        let tokens = AddedTokens::new(vec![
            ("[A]".into(), plain(1)),
            ("[A][B]".into(), plain(2)),
            ("<l>".into(), AddedToken { lstrip: true, ..plain(3) }),
            ("<r>".into(), AddedToken { rstrip: true, ..plain(4) }),
            ("é".into(), plain(5)),
            (String::new(), plain(6)),
        ]);
        use Part::{Text, Token};
        let cases: [(&str, &[Part]); 8] = [
            ("", &[]),
            ("[a] [A", &[Text("[a] [A")]),
            ("x[A]y", &[Text("x"), Token(1), Text("y")]),
            ("[A][A][B][B]", &[Token(1), Token(2), Text("[B]")]),
            ("a  <l>  b", &[Text("a"), Token(3), Text("  b")]),
            ("a  <r>\u{3000} b", &[Text("a  "), Token(4), Text("b")]),
            (" <r> <l> ", &[Text(" "), Token(4), Token(3), Text(" ")]),
            ("\u{e8}é\u{ea}", &[Text("\u{e8}"), Token(5), Text("\u{ea}")]),
        ];
        for (text, expected) in cases {
            let mut parts = Vec::new();
            tokens.split(text, |part| parts.push(part));
            assert_eq!(parts, expected, "{text:?}");
        }
    }
}
