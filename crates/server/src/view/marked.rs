//! A text in which some stretches stand out.

use std::ops::Range;

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) stands_out: bool,
}

/// Cuts a text at ranges of bytes, which ascend, so that what lies in them stands out.
pub(super) fn pieces(text: &str, ranges: &[Range<usize>]) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
    let mut push = |range: Range<usize>, stands_out| {
        // A range that is none of this text's would be a fault; the text is then shown plain.
        let text = text.get(range).unwrap_or_default().to_owned();
        pieces.extend((!text.is_empty()).then_some(Piece { text, stands_out }));
    };
    let mut done = 0;
    for range in ranges {
        push(done..range.start, false);
        push(range.clone(), true);
        done = range.end;
    }
    push(done..text.len(), false);
    pieces
}

/// Cuts a text at its backticks, so that what stands between two of them stands out.
pub(super) fn code(text: &str) -> Vec<Piece> {
    let pieces = text.split('`').enumerate();
    pieces
        .map(|(at, text)| Piece { text: text.to_owned(), stands_out: at % 2 == 1 })
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stands_between_backticks() {
        let shown = |text| code(text).into_iter().map(|piece| (piece.text, piece.stands_out)).collect::<Vec<_>>();
        let expected =
            [("as ", false), ("/embed", true), (", too", false)].map(|(text, is_code)| (text.to_owned(), is_code));
        assert_eq!(shown("as `/embed`, too"), expected);
        assert_eq!(shown(""), []);
    }

    #[test]
    fn nothing_of_the_text_is_lost() {
        let whale = 2..7;
        let cases = [
            ("a whale, a ship", vec![whale.clone(), 11..15], "a [whale], a [ship]"),
            ("a whale", vec![whale], "a [whale]"),
            ("whale", vec![], "whale"),
            ("", vec![], ""),
        ];
        for (text, ranges, expected) in cases {
            let marked =
                |piece: &Piece| if piece.stands_out { format!("[{}]", piece.text) } else { piece.text.clone() };
            assert_eq!(pieces(text, &ranges).iter().map(marked).collect::<String>(), expected);
        }
    }
}
