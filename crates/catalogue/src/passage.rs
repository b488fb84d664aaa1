//! Passages: pieces of a book's text that fit the model.
//!
//! A model reads a window of tokens and drops what is behind it. So a description that does not fit is cut at sentence
//! ends into passages, and each begins with the same [`context`] (subjects, title, authors), because a piece from the
//! middle of a description seldom says what book it is about.
//!
//! A description that fits is one passage: it is written to be read as a whole. A longer one is cut into passages of
//! at most a *third* of the window, two to five sentences each. A vector is a mean over the passage's tokens, and among the
//! ten sentences that would fill the window a single fact drowns; nobody who asks for it finds the book.
//!
//! Invariants, held by property tests: the passages' texts, put together, hold every character of the description but
//! white space, and no passage is longer than the window.

use crate::{Book, sentence};
use std::collections::VecDeque;
use std::ops::Range;

/// A piece of a book's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Its place among the book's passages, from 0.
    pub ordinal: u32,
    /// The piece of the description, to be shown; empty if the book has no description.
    pub text: String,
    /// What is embedded: subjects, title and authors, then `text`.
    pub embedding_text: String,
}

/// Measures text as the model does.
pub trait PassageCutter: Sync {
    /// How many tokens `text` has, special tokens included.
    fn count_tokens(&self, text: &str) -> usize;
    /// The longest text that the model reads, in tokens.
    fn max_tokens(&self) -> usize;
}

/// Cuts a book into passages, each of which the model reads whole.
///
/// A book without a description has one passage, whose text is empty and which is embedded by its context alone.
/// The tokens of every sentence are counted once, and those of every passage once: the cost is linear in the text.
#[must_use]
pub fn cut_passages(book: &Book, cutter: &dyn PassageCutter) -> Vec<Passage> {
    let description = book.description.as_deref().unwrap_or_default().trim();
    if description.is_empty() {
        let context = context(book, cutter, cutter.max_tokens());
        return vec![Passage { ordinal: 0, text: String::new(), embedding_text: context }];
    }
    let window = cutter.max_tokens();
    let context_within = |max_tokens| {
        let mut context = context(book, cutter, max_tokens);
        if !context.is_empty() {
            context.push(' ');
        }
        context
    };
    let mut context = context_within(window / 2);
    let mut texts = vec![description];
    if cutter.count_tokens(&format!("{context}{description}")) > window {
        // Half of the room, as above, and that is less in a shorter passage.
        context = context_within(window / 6);
        texts = cut_text(description, &context, cutter, window / 3);
    }
    texts
        .into_iter()
        .zip(0..)
        .map(|(text, ordinal)| Passage { ordinal, text: text.to_owned(), embedding_text: format!("{context}{text}") })
        .collect()
}

/// How much of a book's words the model reads, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BookTokens {
    /// Of subjects, title, authors and description.
    pub seen: u64,
    /// Of these, what stands in some passage. The description always does; of very many subjects or authors the last do not.
    pub used: u64,
}

impl BookTokens {
    /// Counts those of a book that is cut by `cutter`.
    #[must_use]
    pub fn of(book: &Book, cutter: &dyn PassageCutter) -> Self {
        let passages = cut_passages(book, cutter);
        let used = passages.first().map_or("", context_of);
        let whole = whole_context(book);
        let count = |text: &str| cutter.count_tokens(text).saturating_sub(cutter.count_tokens("")) as u64;
        let description = count(book.description.as_deref().unwrap_or_default().trim());
        Self { seen: count(&whole) + description, used: count(used) + description }
    }
}

/// Whether all of a book's subjects and authors stand in front of its passages.
pub(crate) fn has_whole_context(book: &Book, passage: &Passage) -> bool {
    context_of(passage) == whole_context(book)
}

/// What stands in front of a passage.
fn context_of(passage: &Passage) -> &str {
    passage.embedding_text.strip_suffix(&passage.text).unwrap_or(&passage.embedding_text).trim_end()
}

fn whole_context(book: &Book) -> String {
    context_sentences(&book.title, book.subtitle.as_deref(), &book.authors, &book.subjects)
}

/// What is embedded in front of every passage: `x, y. Title: Subtitle by A, B.`, subjects first.
///
/// The model weighs the beginning of a text most. Over the sample's judged queries (all-MiniLM-L6-v2, semantic),
/// nDCG@10 is 0.68 in this order, 0.61 with the subjects after title and authors, and 0.50 for the description alone.
/// The price: a title typed as the query finds its book first for 84 % of the sample instead of 98 %. If it is longer than `max_tokens`, the last
/// subjects go first, then the last authors, the subtitle, and at last the end of the title.
fn context(book: &Book, cutter: &dyn PassageCutter, max_tokens: usize) -> String {
    let fits = |text: &str| cutter.count_tokens(text) <= max_tokens;
    let subtitle = book.subtitle.as_deref();

    let whole = whole_context(book);
    if fits(&whole) {
        return whole;
    }
    let with_subjects = |n| context_sentences(&book.title, subtitle, &book.authors, &book.subjects[..n]);
    if let Some(n) = most_that_fit(book.subjects.len(), |n| fits(&with_subjects(n))) {
        return with_subjects(n);
    }
    let with_authors = |n| context_sentences(&book.title, subtitle, &book.authors[..n], &[]);
    if let Some(n) = most_that_fit(book.authors.len(), |n| fits(&with_authors(n))) {
        return with_authors(n);
    }
    let with_title = |n| title_start(&book.title, n);
    most_that_fit(book.title.chars().count(), |n| fits(with_title(n))).map_or("", with_title).to_owned()
}

fn context_sentences(title: &str, subtitle: Option<&str>, authors: &[String], subjects: &[String]) -> String {
    let mut text = subjects.join(", ");
    end_sentence(&mut text);
    if !text.is_empty() && !title.is_empty() {
        text.push(' ');
    }
    text.push_str(title.trim());
    if let Some(subtitle) = subtitle {
        text.push_str(": ");
        text.push_str(subtitle.trim());
    }
    if !authors.is_empty() {
        text.push_str(" by ");
        text.push_str(&authors.join(", "));
    }
    end_sentence(&mut text);
    text
}

/// Adds a full stop, unless the text ends in a mark already.
fn end_sentence(text: &mut String) {
    if !text.is_empty() && !text.ends_with(['.', '!', '?', '…', '।', '。', '！', '？']) {
        text.push('.');
    }
}

/// The first `n` characters, back to the end of a word where there is one.
fn title_start(title: &str, n: usize) -> &str {
    let Some((end, _)) = title.char_indices().nth(n) else { return title.trim() };
    let start = &title[..end];
    start.rfind(char::is_whitespace).map_or(start, |space| &start[..space]).trim()
}

/// The largest `n` up to `most` for which `fits` holds, if it holds for 0; found by halving.
fn most_that_fit(most: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    if !fits(0) {
        return None;
    }
    let (mut good, mut bad) = (0, most + 1);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(middle) { good = middle } else { bad = middle }
    }
    Some(good)
}

/// A piece of text that is not cut further as long as it fits, and its tokens.
#[derive(Clone)]
struct Piece {
    range: Range<usize>,
    tokens: usize,
    level: Level,
}

/// How a piece was cut, from the coarsest to the finest.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Sentence,
    Clause,
    Word,
    Character,
}

/// Cuts a text into pieces.
type Cut = fn(&str) -> Vec<Range<usize>>;

impl Level {
    fn finer(self) -> Option<(Level, Cut)> {
        match self {
            Level::Sentence => Some((Level::Clause, sentence::clauses)),
            Level::Clause => Some((Level::Word, sentence::words)),
            Level::Word => Some((Level::Character, sentence::characters)),
            Level::Character => None,
        }
    }
}

/// Cuts `text` so that each piece behind `context` has at most `max_tokens`.
fn cut_text<'a>(text: &'a str, context: &str, cutter: &dyn PassageCutter, max_tokens: usize) -> Vec<&'a str> {
    let fits = |range: Range<usize>| cutter.count_tokens(&format!("{context}{}", text[range].trim())) <= max_tokens;
    let special_tokens = cutter.count_tokens("");
    let budget = max_tokens.saturating_sub(cutter.count_tokens(context)).max(1);
    let measure = |range: Range<usize>, level| {
        let tokens = cutter.count_tokens(text[range.clone()].trim()).saturating_sub(special_tokens);
        Piece { range, tokens, level }
    };
    let split = |piece: &Piece| {
        let (level, cut) = piece.level.finer()?;
        let start = piece.range.start;
        let finer = cut(&text[piece.range.clone()]);
        Some(finer.into_iter().map(move |range| measure(start + range.start..start + range.end, level)))
    };

    let mut waiting: VecDeque<Piece> =
        sentence::sentences(text).into_iter().map(|range| measure(range, Level::Sentence)).collect();
    let mut passages = Vec::new();
    let mut taken: Vec<Piece> = Vec::new();
    let mut tokens = 0;
    loop {
        match waiting.pop_front() {
            // Too long even alone: cut finer, and look again.
            Some(piece) if piece.tokens > budget && piece.level != Level::Character => {
                for finer in split(&piece).into_iter().flatten().rev() {
                    waiting.push_front(finer);
                }
                continue;
            }
            Some(piece) if taken.is_empty() || tokens + piece.tokens <= budget => {
                tokens += piece.tokens;
                taken.push(piece);
                continue;
            }
            Some(piece) => waiting.push_front(piece),
            None if taken.is_empty() => break,
            None => {}
        }
        // Full. Token counts need not add up exactly, so the whole is counted before it is believed.
        while !fits(span(&taken)) {
            let Some(last) = taken.pop() else { break };
            if !taken.is_empty() {
                waiting.push_front(last);
                continue;
            }
            match split(&last) {
                Some(finer) => finer.rev().for_each(|piece| waiting.push_front(piece)),
                None => taken.push(last), // One character: there is nothing left to cut.
            }
            break;
        }
        if !taken.is_empty() {
            passages.push(text[span(&taken)].trim());
            taken.clear();
        }
        tokens = 0;
    }
    passages.retain(|passage| !passage.is_empty());
    passages
}

/// From the first piece's start to the last one's end.
fn span(pieces: &[Piece]) -> Range<usize> {
    match (pieces.first(), pieces.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// Counts four letters as a token and every mark as one, plus two special tokens: much as WordPiece does.
    struct Letters {
        max_tokens: usize,
        calls: AtomicUsize,
        counted_bytes: AtomicUsize,
    }

    impl Letters {
        fn new(max_tokens: usize) -> Self {
            Self { max_tokens, calls: AtomicUsize::new(0), counted_bytes: AtomicUsize::new(0) }
        }
    }

    impl PassageCutter for Letters {
        fn count_tokens(&self, text: &str) -> usize {
            self.calls.fetch_add(1, Relaxed);
            self.counted_bytes.fetch_add(text.len(), Relaxed);
            let words = text.split_whitespace().flat_map(|word| word.split_inclusive(|c: char| !c.is_alphanumeric()));
            2 + words
                .map(|word| {
                    let letters = word.chars().filter(|c| c.is_alphanumeric()).count();
                    letters.div_ceil(4) + (word.chars().count() - letters)
                })
                .sum::<usize>()
        }
        fn max_tokens(&self) -> usize {
            self.max_tokens
        }
    }

    /// A count that does not add up: every join costs a token more than the parts.
    struct Joined(usize);

    impl PassageCutter for Joined {
        fn count_tokens(&self, text: &str) -> usize {
            let words = text.split_whitespace().count();
            2 + words + words.saturating_sub(1) / 2
        }
        fn max_tokens(&self) -> usize {
            self.0
        }
    }

    fn book(description: &str) -> Book {
        Book {
            title: "Moby-Dick".to_owned(),
            subtitle: Some("or, The Whale".to_owned()),
            authors: vec!["Herman Melville".to_owned()],
            subjects: vec!["Whaling".to_owned(), "Sea stories".to_owned()],
            description: Some(description.to_owned()),
            ..Book::default()
        }
    }

    fn assert_fits_and_keeps_everything(book: &Book, cutter: &dyn PassageCutter) {
        let passages = cut_passages(book, cutter);
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let joined: String = passages.iter().map(|passage| passage.text.as_str()).collect();
        assert_eq!(letters(&joined), letters(book.description.as_deref().unwrap_or_default()));
        for (at, passage) in passages.iter().enumerate() {
            assert_eq!(passage.ordinal as usize, at);
            assert!(passage.embedding_text.ends_with(&passage.text), "{passage:?}");
            let tokens = cutter.count_tokens(&passage.embedding_text);
            assert!(tokens <= cutter.max_tokens(), "{tokens} tokens: {passage:?}");
        }
    }

    #[test]
    fn a_short_book_is_one_passage() {
        let passages = cut_passages(&book("  A captain hunts a whale. \n"), &Letters::new(256));
        assert_eq!(passages.len(), 1);
        assert_eq!(passages[0].text, "A captain hunts a whale.");
        assert_eq!(
            passages[0].embedding_text,
            "Whaling, Sea stories. Moby-Dick: or, The Whale by Herman Melville. A captain hunts a whale."
        );
    }

    #[test]
    fn a_book_without_a_description_is_embedded_by_its_context() {
        for description in [None, Some(" \n".to_owned())] {
            let passages = cut_passages(&Book { description, ..book("") }, &Letters::new(256));
            assert_eq!(passages.len(), 1);
            assert_eq!(passages[0].text, "");
            assert_eq!(
                passages[0].embedding_text,
                "Whaling, Sea stories. Moby-Dick: or, The Whale by Herman Melville."
            );
        }
        let bare = Book { title: "Why?".to_owned(), ..Book::default() };
        assert_eq!(cut_passages(&bare, &Letters::new(256))[0].embedding_text, "Why?");
    }

    #[test]
    fn cuts_at_sentence_ends() {
        let sentences = ["The first sentence is here.", "The second one follows it.", "The third one ends the text."];
        let description = [sentences, sentences].concat().join(" ");
        let bare = Book { title: "Three".to_owned(), description: Some(description.clone()), ..Book::default() };
        for (max_tokens, expected) in [(60, vec![description.as_str()]), (48, [sentences, sentences].concat())] {
            let passages = cut_passages(&bare, &Letters::new(max_tokens));
            let texts: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
            assert_eq!(texts, expected, "a window of {max_tokens} tokens");
        }
    }

    #[test]
    fn a_description_that_is_too_long_is_cut_into_few_sentences_each() {
        let sentence = "The captain and his crew sail on through the cold green sea. "; // 16 tokens
        let cutter = Letters::new(256);
        let fitting = cut_passages(&book(&sentence.repeat(14)), &cutter);
        assert_eq!(fitting.len(), 1, "what fits stays whole");
        let passages = cut_passages(&book(&sentence.repeat(60)), &cutter);
        for passage in &passages {
            let sentences = passage.text.matches('.').count();
            assert!((2..=6).contains(&sentences), "{sentences} sentences: {passage:?}");
            assert!(passage.embedding_text.starts_with("Whaling, Sea stories. Moby-Dick"), "{passage:?}");
            assert!(cutter.count_tokens(&passage.embedding_text) <= 85, "{passage:?}");
        }
        // With more subjects than have room, the context gives way once more.
        let crowded =
            Book { subjects: (0..60).map(|n| format!("Subject number {n}")).collect(), ..book(&sentence.repeat(60)) };
        for passage in cut_passages(&crowded, &cutter) {
            assert!(cutter.count_tokens(&passage.embedding_text) <= 85, "{passage:?}");
            assert!(passage.embedding_text.starts_with("Subject number 0, "), "{passage:?}");
            assert!(passage.text.matches('.').count() >= 2, "{passage:?}");
        }
    }

    #[test]
    fn what_is_not_read_is_counted() {
        let cutter = Letters::new(64);
        let short = book("A captain hunts a whale.");
        let tokens = BookTokens::of(&short, &cutter);
        assert_eq!(tokens.used, tokens.seen);
        assert!(has_whole_context(&short, &cut_passages(&short, &cutter)[0]));
        let subjects: Vec<String> = (0..60).map(|n| format!("Subject number {n}")).collect();
        for description in ["", "A captain hunts a whale.", &"A captain hunts a whale. ".repeat(40)] {
            let crowded = Book { subjects: subjects.clone(), ..book(description) };
            let tokens = BookTokens::of(&crowded, &cutter);
            assert!(tokens.used < tokens.seen && tokens.used > 8, "{tokens:?}");
            assert!(!has_whole_context(&crowded, &cut_passages(&crowded, &cutter)[0]));
        }
    }

    #[test]
    fn a_long_context_gives_way_to_the_description() {
        let many = |name: &str| (0..60).map(|n| format!("{name} number {n}")).collect::<Vec<_>>();
        let cutter = Letters::new(64);
        let crowded = Book { subjects: many("Subject"), ..book("A captain hunts a whale.") };
        let text = &cut_passages(&crowded, &cutter)[0].embedding_text;
        assert!(
            text.starts_with("Subject number 0, ") && text.contains(". Moby-Dick: or, The Whale by Herman Melville."),
            "{text}"
        );
        assert!(text.ends_with(". A captain hunts a whale."), "{text}");

        let crowd = Book { authors: many("Author"), ..crowded };
        let text = &cut_passages(&crowd, &cutter)[0].embedding_text;
        assert!(text.starts_with("Moby-Dick: or, The Whale by Author number 0,"), "{text}");
        assert!(!text.contains("Subjects"), "{text}");

        let wordy = Book { title: "A very long title ".repeat(50), ..crowd };
        let passages = cut_passages(&wordy, &cutter);
        assert!(passages[0].embedding_text.starts_with("A very long title A very"), "{passages:?}");
        assert!(cutter.count_tokens(&passages[0].embedding_text) <= 64);
        assert_eq!(passages[0].text, "A captain hunts a whale.");
    }

    #[test]
    fn the_work_is_linear_in_the_text() {
        let sentences = |n: usize| book(&"The whale swam on through the cold green sea. ".repeat(n));
        for (what, small, large) in [
            ("sentences", sentences(100), sentences(1000)),
            ("one sentence", book(&"word ".repeat(1000)), book(&"word ".repeat(10_000))),
            ("one word", book(&"x".repeat(1000)), book(&"x".repeat(10_000))),
        ] {
            let cost = |book: &Book| {
                let cutter = Letters::new(128);
                assert!(cut_passages(book, &cutter).len() > 1, "{what}");
                (cutter.calls.load(Relaxed), cutter.counted_bytes.load(Relaxed))
            };
            let ((calls, bytes), (more_calls, more_bytes)) = (cost(&small), cost(&large));
            assert!(more_calls <= calls * 12, "{what}: {calls} calls, then {more_calls}");
            assert!(more_bytes <= bytes * 12, "{what}: {bytes} bytes, then {more_bytes}");
        }
    }

    #[test]
    fn text_made_to_be_awkward() {
        for (what, text) in [
            ("dots", ".".repeat(5000)),
            ("spaced dots", ". ".repeat(5000)),
            ("opening quotes", format!("A. {}", "“".repeat(5000))),
            ("newlines", "\n".repeat(5000) + "x"),
            ("combining marks", "e\u{301}\u{302}".repeat(3000)),
            ("a run of marks", "\u{301}".repeat(3000)),
            ("joiners", "क्\u{200d}ष".repeat(1000)),
            ("no spaces", "吾輩は猫である名前はまだ無い".repeat(200)),
            ("emoji", "👩‍👩‍👧‍👦".repeat(500)),
        ] {
            println!("{what}");
            let book = book(&text);
            let passages = cut_passages(&book, &Letters::new(64));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
            assert_eq!(passages.iter().map(|p| letters(&p.text)).sum::<usize>(), letters(&text), "{what}");
        }
    }

    fn prose() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            8 => "[a-zA-Zé]{1,12}",
            1 => "[.!?…।。、,;:—“”\"'()]{1,3}",
            1 => "[क-हा-ौ]{1,6}",
            1 => "[0-9]{1,5}",
            1 => "[a-z]{100,400}",
        ];
        let gap = prop_oneof![6 => Just(" "), 2 => Just(". "), 1 => Just("\n\n"), 1 => Just(", "), 1 => Just("")];
        prop::collection::vec((word, gap), 0..120)
            .prop_map(|words| words.into_iter().map(|(word, gap)| word + gap).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn prose_fits_and_nothing_is_lost(text in prose(), max_tokens in 12_usize..300) {
            assert_fits_and_keeps_everything(&book(&text), &Letters::new(max_tokens));
            assert_fits_and_keeps_everything(&book(&text), &Joined(max_tokens));
        }

        #[test]
        fn any_text_fits_and_nothing_is_lost(text in any::<String>(), title in any::<String>(), max_tokens in 12_usize..64) {
            let book = Book { title, description: Some(text), ..Book::default() };
            assert_fits_and_keeps_everything(&book, &Joined(max_tokens));
        }
    }
}
