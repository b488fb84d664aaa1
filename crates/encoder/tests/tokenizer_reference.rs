//! The tokenizer against the library that it must agree with, id for id: over every character, over
//! random texts made of what is likely to go wrong, and over every setting.

use libellus_encoder::{Encoder, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The library's tokenizer and ours, read from the same `tokenizer.json`.
struct Pair {
    reference: tokenizers::Tokenizer,
    ours: Tokenizer,
}

impl Pair {
    fn new(tokenizer_json: &Value) -> Self {
        let text = tokenizer_json.to_string();
        let directory = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(directory.path().join("tokenizer.json"), &text).expect("written");
        Self { reference: reference(text.as_bytes()), ours: Tokenizer::open(directory.path()).expect("our tokenizer") }
    }

    /// Asserts that both give the same ids.
    fn check(&self, text: &str) {
        let (expected, found) = (reference_ids(&self.reference, text), our_ids(&self.ours, text));
        if expected != found {
            let named = |ids: &[u32]| -> Vec<_> { ids.iter().map(|&id| (id, self.ours.token(id))).collect() };
            panic!("{text:?} ({})\n{:?}\nexpected {:?}", text.escape_unicode(), named(&found), named(&expected));
        }
    }
}

/// The library's tokenizer without the padding and truncation that the file prescribes.
fn reference(tokenizer_json: &[u8]) -> tokenizers::Tokenizer {
    let mut tokenizer = tokenizers::Tokenizer::from_bytes(tokenizer_json).expect("the library's tokenizer");
    tokenizer.with_padding(None).with_truncation(None).expect("no truncation");
    tokenizer
}

fn reference_ids(reference: &tokenizers::Tokenizer, text: &str) -> Vec<u32> {
    reference.encode_fast(text, true).expect("encoded").get_ids().to_vec()
}

fn our_ids(ours: &Tokenizer, text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    let count = ours.encode(text, usize::MAX, &mut ids);
    assert_eq!((count.seen, count.used), (ids.len(), ids.len()), "{text:?}");
    ids
}

/// A `tokenizer.json` as BERT's are, with its flags in the order clean, CJK, accents, lower case.
fn bert_json(vocabulary: Value, flags: (bool, bool, Option<bool>, bool), added_tokens: Value) -> Value {
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 128, "strategy": "LongestFirst", "stride": 0},
        "padding": {
            "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
        },
        "added_tokens": added_tokens,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": flags.0, "handle_chinese_chars": flags.1,
            "strip_accents": flags.2, "lowercase": flags.3,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
}

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

fn added_token(id: usize, content: &str) -> Value {
    json!({
        "id": id, "content": content, "special": true,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    })
}

fn special_tokens() -> Value {
    SPECIAL.iter().enumerate().map(|(id, token)| added_token(id, token)).collect()
}

fn vocabulary(entries: impl IntoIterator<Item = String>) -> Value {
    let entries = SPECIAL.iter().map(|token| token.to_string()).chain(entries);
    entries.zip(0..).map(|(entry, id): (_, u32)| (entry, json!(id))).collect::<serde_json::Map<_, _>>().into()
}

/// Every character worth a look: planes 0 to 2 and the special-purpose plane, unassigned ones included.
fn characters() -> impl Iterator<Item = char> {
    (0..0x2FA80).chain(0xE0000..0xE0200).filter_map(char::from_u32)
}

/// A vocabulary with nearly every character as a word and as its continuation, so that the ids spell
/// out how a text was normalised and cut. (Where nothing can happen to a character, a few will do.)
fn spelling_vocabulary() -> Value {
    let dull = |c: char| matches!(u32::from(c), 0x3500..0x4DB0 | 0x4F00..0x9FF0 | 0xAD00..0xD780 | 0xE100..0xF8F0 | 0x17000..0x1AFF0 | 0x20100..0x2F700);
    let spelling = characters().filter(|&c| !dull(c));
    let longer = ["the", "##ing", "straße", "école", "ecole", "東京", "##\u{302e}\u{302f}"];
    vocabulary(spelling.flat_map(|c| [c.to_string(), format!("##{c}")]).chain(longer.map(str::to_owned)))
}

/// The settings that exist in the wild: uncased, cased, and each step switched by itself.
const FLAGS: [(bool, bool, Option<bool>, bool); 7] = [
    (true, true, None, true),
    (true, true, None, false),
    (true, true, Some(false), true),
    (true, true, Some(true), false),
    (false, true, None, true),
    (true, false, None, true),
    (false, false, Some(false), false),
];

static SPELLING: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let vocabulary = spelling_vocabulary();
    FLAGS.iter().map(|&flags| Pair::new(&bert_json(vocabulary.clone(), flags, special_tokens()))).collect()
});

/// The built-in model's tokenizer, and the library's with the same vocabulary.
static BUILTIN: LazyLock<Pair> = LazyLock::new(|| {
    let ours = Encoder::builtin().tokenizer().clone();
    let entries = (0..ours.vocabulary_size() as u32).map(|id| (ours.token(id).expect("text").to_owned(), json!(id)));
    let vocabulary: serde_json::Map<_, _> = entries.collect();
    let id = |token: &str| vocabulary[token].as_u64().expect("an id") as usize;
    let special = SPECIAL.iter().map(|token| added_token(id(token), token)).collect();
    let around = json!({"type": "BertProcessing", "cls": ["[CLS]", id("[CLS]")], "sep": ["[SEP]", id("[SEP]")]});
    let mut json = bert_json(Value::Null, FLAGS[0], special);
    json["post_processor"] = around;
    json["model"]["vocab"] = vocabulary.into();
    Pair { reference: reference(json.to_string().as_bytes()), ours }
});

#[test]
fn every_character_alone_and_inside_a_word() {
    let characters: Vec<char> = characters().collect();
    for pair in SPELLING.iter().chain([&*BUILTIN]) {
        for characters in characters.chunks(512) {
            let text: String = characters.iter().flat_map(|&c| ['a', c, 'b', ' ', c, ' ']).collect();
            if reference_ids(&pair.reference, &text) != our_ids(&pair.ours, &text) {
                characters.iter().for_each(|c| pair.check(&format!("a{c}b {c} ")));
                pair.check(&text);
            }
        }
    }
}

/// Characters that combine, by any of the tables: those whose order and survival are easy to get wrong.
///
/// First those that are kept and yet move, then those that are dropped and yet let nothing pass, then the rest.
static COMBINING: LazyLock<[Vec<char>; 3]> = LazyLock::new(|| {
    let moves = |c: char| unicode_normalization_alignments::char::canonical_combining_class(c) != 0;
    let dropped = |c: char| unicode_categories::UnicodeCategories::is_mark_nonspacing(c);
    let all = || characters().filter(|&c| moves(c) || dropped(c));
    [
        all().filter(|&c| moves(c) && !dropped(c)).collect(),
        all().filter(|&c| !moves(c)).collect(),
        all().filter(|&c| moves(c) && dropped(c)).collect(),
    ]
});

fn from_ranges(ranges: &'static [(u32, u32)]) -> impl Strategy<Value = char> {
    let range = prop::sample::select(ranges).prop_flat_map(|(first, last)| first..=last);
    range.prop_filter_map("surrogate", char::from_u32)
}

/// A piece of text of one of the kinds that matter.
fn fragment() -> impl Strategy<Value = String> {
    let letters: &[_] = &[
        (0x41, 0x7A),
        (0xC0, 0x24F),
        (0x370, 0x5FF),
        (0x620, 0x6D3),
        (0x900, 0x97F),
        (0xE01, 0xEDF),
        (0x1E00, 0x1FFF),
    ];
    let east: &[_] = &[
        (0x3040, 0x30FF),
        (0x3400, 0x3410),
        (0x4DB0, 0x4E10),
        (0x9FE0, 0xA010),
        (0xAC00, 0xAC40),
        (0x1100, 0x11FF),
        (0xF900, 0xFAFF),
        (0x2B810, 0x2B930),
        (0x2CEA0, 0x2CEC0),
        (0x2F800, 0x2FA20),
    ];
    let odd: &[_] = &[
        (0, 0x20),
        (0x7F, 0xA1),
        (0xAD, 0xAD),
        (0x600, 0x61C),
        (0x180B, 0x180F),
        (0x2000, 0x206F),
        (0x2FF0, 0x3004),
        (0xFE00, 0xFE0F),
        (0xFEFF, 0xFEFF),
        (0xFFF0, 0xFFFF),
        (0xE000, 0xE010),
        (0xE0000, 0xE01EF),
        (0x10FFF0, 0x10FFFF),
    ];
    let punctuation: &[_] = &[
        (0x21, 0x40),
        (0x5B, 0x60),
        (0x7B, 0x7E),
        (0xA1, 0xBF),
        (0x2010, 0x205E),
        (0x2E00, 0x2E7F),
        (0x3000, 0x303F),
        (0xFE10, 0xFE6F),
        (0xFF01, 0xFF65),
        (0x10100, 0x10102),
        (0x1F300, 0x1F6FF),
    ];
    let newest: &[_] = &[
        (0x870, 0x8D4),
        (0x1ACF, 0x1AFF),
        (0x10D40, 0x10D8F),
        (0x10EC0, 0x10EFF),
        (0x105C0, 0x105F3),
        (0x11380, 0x113E2),
        (0x11900, 0x1195F),
        (0x11B60, 0x11B67),
        (0x16100, 0x16139),
        (0x16D40, 0x16D79),
        (0x1E5D0, 0x1E5FF),
        (0x1E6C0, 0x1E6FF),
        (0x1FAC0, 0x1FAFF),
    ];
    let joined = |characters: BoxedStrategy<char>, most| {
        prop::collection::vec(characters, 1..=most).prop_map(|characters| characters.into_iter().collect::<String>())
    };
    let words =
        ["the ", "Books", " unaffable", "\u{130}stanbul", "STRASSE", "ΣΊΣΥΦΟΣ", "don't", "e-mail", "1,000", "  \t\r\n"];
    let special = ["[SEP]", "[CLS]", "[UNK]", "[PAD]", "[MASK]", "[sep]", "[SEP", "[[SEP]]", "##", "##ing"];
    prop_oneof![
        4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(special.to_vec()).prop_map(str::to_owned),
        4 => joined(from_ranges(letters).boxed(), 8),
        3 => joined(prop::sample::select(&COMBINING[..]).prop_flat_map(prop::sample::select).boxed(), 6),
        3 => joined(from_ranges(east).boxed(), 4),
        3 => joined(from_ranges(odd).boxed(), 3),
        3 => joined(from_ranges(punctuation).boxed(), 3),
        3 => joined(from_ranges(newest).boxed(), 4),
        2 => joined(any::<char>().boxed(), 8),
        2 => Just(" ".to_owned()),
        1 => (95..106_usize, prop::sample::select(&["a", "é", "e\u{301}", "ü", "한", "\u{302e}", "x\u{200b}"][..]))
            .prop_map(|(times, unit)| unit.repeat(times)),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(fragment(), 0..24).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_spelt_out(text in text(), pair in 0..FLAGS.len()) {
        SPELLING[pair].check(&text);
    }

    #[test]
    fn random_text_with_the_builtin_vocabulary(text in text()) {
        BUILTIN.check(&text);
    }

    #[test]
    fn truncation_keeps_the_beginning_and_the_special_tokens(text in text(), max_tokens in 0..60_usize) {
        let tokenizer = &BUILTIN.ours;
        let all = our_ids(tokenizer, &text);
        let mut ids = vec![7];
        let count = tokenizer.encode(&text, max_tokens, &mut ids);
        prop_assert_eq!(count.seen, all.len());
        prop_assert_eq!(count.used, all.len().min(max_tokens));
        prop_assert_eq!(tokenizer.count(&text), all.len());
        if max_tokens >= 2 {
            let mut reference = BUILTIN.reference.clone();
            let truncation = tokenizers::TruncationParams { max_length: max_tokens, ..Default::default() };
            reference.with_truncation(Some(truncation)).expect("a truncation");
            prop_assert_eq!(&ids[1..], reference_ids(&reference, &text));
        }
    }
}

/// Added tokens of every supported kind, in the vocabulary and beyond it, overlapping and adjacent.
#[test]
fn added_tokens_with_flags() {
    let entries = ["a", "##a", "b", "##b", "[", "]", "<", ">", "x", "##x", "é", "##é", "e", "##e", "博", "##博"];
    let vocabulary = vocabulary(entries.map(str::to_owned));
    let mut added = special_tokens();
    let tokens = added.as_array_mut().expect("a list");
    let beyond = SPECIAL.len() + entries.len();
    for (n, (content, lstrip, rstrip, normalized)) in [
        ("<l>", true, false, false),
        ("<r>", false, true, false),
        ("<lr>", true, true, false),
        ("[SEP]x", false, false, false),
        ("AB", false, false, true),
        ("ÉX", true, true, true),
        ("博", false, true, true),
        ("a b", false, false, true),
    ]
    .into_iter()
    .enumerate()
    {
        let id = if content == "博" { SPECIAL.len() + 14 } else { beyond + n - usize::from(n > 6) };
        let mut token = added_token(id, content);
        token["special"] = json!(n % 2 == 0);
        token["lstrip"] = json!(lstrip);
        token["rstrip"] = json!(rstrip);
        token["normalized"] = json!(normalized);
        tokens.push(token);
    }
    let pairs = FLAGS.map(|flags| Pair::new(&bert_json(vocabulary.clone(), flags, added.clone())));
    let units = [
        "<l>", "<r>", "<lr>", "[SEP]", "x", "a", "B", "AB", " ", "\t", "\u{3000}", "É", "éx", "博", "[", "]", "a b",
        "\u{301}", "<",
    ];
    let texts = prop::collection::vec(prop::sample::select(units.to_vec()), 0..14).prop_map(|units| units.concat());
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in texts, pair in 0..FLAGS.len())| {
        pairs[pair].check(&text);
    });
}

/// What a vocabulary and a template may also be: another prefix, a short limit, more tokens around.
#[test]
fn other_prefixes_limits_and_templates() {
    let entries = ["a", "b", "ab", "#a", "aa", "aab", "é", "#é", "éa"].map(str::to_owned);
    for (prefix, limit) in [("#", 3), ("", 5), ("a", 100), ("éa", 0)] {
        let mut json = bert_json(vocabulary(entries.clone()), FLAGS[2], special_tokens());
        json["model"]["continuing_subword_prefix"] = json!(prefix);
        json["model"]["max_input_chars_per_word"] = json!(limit);
        let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
        let described = |id: u32, token: &str| json!({"id": token, "ids": [id], "tokens": [token]});
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        json["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), special("[MASK]"), text, special("[SEP]")],
            "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                "[CLS]": described(2, "[CLS]"), "[SEP]": described(3, "[SEP]"), "[MASK]": described(4, "[MASK]"),
            },
        });
        let pair = Pair::new(&json);
        for text in ["", "a", "ab", "aab", "aaab", "aaaa", "éé", "ééé", "éaéa", "éaa a b", "aabb", "#a"] {
            pair.check(text);
        }
    }
}

#[test]
fn the_small_models_of_the_golden_data() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
    let texts = ["", "The small library", "Ünïcödé 東京 [MASK] don't!", &"word ".repeat(300), &"a".repeat(101)];
    let mut compared = 0;
    for model in std::fs::read_dir(models).expect("the golden models") {
        let model = model.expect("an entry").path();
        let ours = Tokenizer::open(&model).expect("a tokenizer");
        if let Ok(json) = std::fs::read(model.join("tokenizer.json")) {
            let pair = Pair { reference: reference(&json), ours };
            texts.iter().for_each(|text| pair.check(text));
            compared += 1;
        }
    }
    assert!(compared > 0, "no golden model has a `tokenizer.json`");
}

fn shared_data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/wordpiece");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: there is no {}", path.display());
    None
}

#[test]
fn recorded_ids_of_the_real_vocabulary() {
    let Some(data) = shared_data() else { return };
    for name in ["handmade.jsonl", "naughty.jsonl"] {
        let file = std::fs::read_to_string(data.join(name)).expect("the data");
        let mut compared = 0;
        for line in file.lines().skip(1) {
            let case: Value = serde_json::from_str(line).expect("a case");
            let text = case["text"].as_str().expect("a text");
            let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).expect("ids");
            assert_eq!(our_ids(&BUILTIN.ours, text), expected, "{name}: {text:?}");
            compared += 1;
        }
        assert!(compared > 50, "{name} has only {compared} cases");
    }
}

#[test]
fn published_cases_of_bert() {
    let Some(data) = shared_data() else { return };
    let file = std::fs::read_to_string(data.join("bert-unit-vectors.json")).expect("the data");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    for case in file["cases"].as_array().expect("cases") {
        let strings = |field: &str| -> Vec<String> { serde_json::from_value(case[field].clone()).unwrap_or_default() };
        let (tokens, mut entries) = (strings("tokens"), strings("vocab"));
        if entries.is_empty() {
            // A case of the words alone: each is in the vocabulary.
            entries = tokens.clone();
            entries.sort();
            entries.dedup();
        }
        entries.retain(|entry| !SPECIAL.contains(&entry.as_str()));
        let flags = (true, true, None, case["what"] != "basic cased");
        let pair = Pair::new(&bert_json(vocabulary(entries), flags, special_tokens()));
        let text = case["text"].as_str().expect("a text");
        pair.check(text);
        let ids = our_ids(&pair.ours, text);
        let found: Vec<_> = ids[1..ids.len() - 1].iter().filter_map(|&id| pair.ours.token(id)).collect();
        assert_eq!(found, tokens, "{case}");
    }
}

#[test]
fn the_packed_form_is_small_and_complete() {
    let ours = &BUILTIN.ours;
    let packed = ours.to_packed();
    assert!(packed.len() <= 650_000, "{} bytes", packed.len());
    let again = Tokenizer::from_packed(libellus_encoder::Bytes::copy_from(&packed)).expect("opens");
    assert_eq!((again.to_packed() == packed, again.digest()), (true, ours.digest()));
    // Every entry that is a word by itself is found, with its own id.
    for id in 0..ours.vocabulary_size() as u32 {
        let entry = again.token(id).expect("text");
        if entry.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            assert_eq!(our_ids(&again, entry)[1], id, "{entry}");
        }
    }
}
