//! Tokenizers from model directories: what opens, what does not and what is said then.

use libellus_encoder::Tokenizer;
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;

const VOCAB_TXT: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nbook\n##s\nBook\ncafé\ncafe\n東\n";

/// The same tokenizer as [`VOCAB_TXT`] with all defaults.
fn tokenizer_json() -> Value {
    let token = |(id, content): (usize, &str)| {
        json!({
            "id": id, "content": content, "special": true,
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        })
    };
    let vocabulary: serde_json::Map<_, _> =
        VOCAB_TXT.lines().zip(0..).map(|(text, id)| (text.into(), id.into())).collect();
    let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let text = |id: &str, type_id: u32| json!({"Sequence": {"id": id, "type_id": type_id}});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": VOCAB_TXT.lines().enumerate().take(5).map(token).collect::<Vec<_>>(),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), text("A", 0), special("[SEP]")],
            "pair": [special("[CLS]"), text("A", 0), special("[SEP]"), text("B", 1), special("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
}

/// A directory with these files.
fn directory<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).expect("written");
    }
    directory
}

fn open<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Tokenizer {
    Tokenizer::open(directory(files).path()).expect("a tokenizer")
}

/// The tokens of a text, as one string.
fn tokens(tokenizer: &Tokenizer, text: &str) -> String {
    let mut ids = Vec::new();
    tokenizer.encode(text, usize::MAX, &mut ids);
    ids.iter().filter_map(|&id| tokenizer.token(id)).collect::<Vec<_>>().join(" ")
}

/// Names and contents of files.
type Files = Vec<(&'static str, Vec<u8>)>;

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn both_forms_of_a_tokenizer_are_one() {
    let from_json = open([("tokenizer.json", bytes(&tokenizer_json()))]);
    let from_text = open([("vocab.txt", VOCAB_TXT.into())]);
    assert_eq!(from_json.to_packed(), from_text.to_packed());
    assert_eq!(from_json.digest(), from_text.digest());
    let windows = VOCAB_TXT.replace('\n', "\r\n") + "\r\n";
    assert_eq!(open([("vocab.txt", windows.into())]).digest(), from_text.digest(), "line ends");
    assert_eq!(from_text.vocabulary_size(), 11);
    assert_eq!((from_text.token(6), from_text.token(11)), (Some("##s"), None));
    assert_eq!(tokens(&from_json, "Books, Café 東[MASK]x"), "[CLS] book ##s [UNK] cafe 東 [MASK] [UNK] [SEP]");
}

#[test]
fn settings_are_honoured() {
    let text = |config: Value| open([("vocab.txt", VOCAB_TXT.into()), ("tokenizer_config.json", bytes(&config))]);
    let json =
        |config: Value| open([("tokenizer.json", bytes(&tokenizer_json())), ("tokenizer_config.json", bytes(&config))]);
    let cases = [
        (json!({}), "[CLS] book cafe 東 東 [SEP]"),
        (json!({"do_lower_case": false}), "[CLS] Book café 東 東 [SEP]"),
        (json!({"do_lower_case": false, "strip_accents": true}), "[CLS] Book cafe 東 東 [SEP]"),
        (json!({"strip_accents": false}), "[CLS] book café 東 東 [SEP]"),
        (json!({"tokenize_chinese_chars": false}), "[CLS] book cafe [UNK] [SEP]"),
    ];
    let mut digests = Vec::new();
    for (config, expected) in cases {
        let (text, json) = (text(config.clone()), json(config.clone()));
        assert_eq!(tokens(&text, "Book café 東東"), expected, "vocab.txt, {config}");
        assert_eq!(tokens(&json, "Book café 東東"), expected, "tokenizer.json, {config}");
        assert_eq!(text.digest(), json.digest(), "{config}");
        digests.push(text.digest());
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 5, "every setting counts");
    let generic = json(json!({"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false}));
    assert_eq!(tokens(&generic, "Book"), "[CLS] book [SEP]", "such a class takes tokenizer.json as it is");
    let other = directory([
        ("vocab.txt", VOCAB_TXT.into()),
        ("sentence_bert_config.json", br#"{"do_lower_case": false, "max_seq_length": 256}"#.to_vec()),
    ]);
    let other = Tokenizer::open(other.path()).expect("a tokenizer");
    assert_eq!(tokens(&other, "Book"), "[CLS] book [SEP]", "sentence_bert_config.json is not read");
}

#[test]
fn tokenizer_json_wins() {
    let files = [("tokenizer.json", bytes(&tokenizer_json())), ("vocab.txt", b"other\n".to_vec())];
    assert_eq!(tokens(&open(files), "book"), "[CLS] book [SEP]");
}

#[test]
fn special_tokens_by_other_names() {
    let vocabulary = "<unk>\n<s>\n</s>\n[CLS]\na\n";
    let names = json!({"unk_token": "<unk>", "cls_token": {"content": "<s>", "lstrip": true}, "sep_token": "</s>"});
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
        let tokenizer = open([("vocab.txt", vocabulary.into()), (file, bytes(&names))]);
        assert_eq!(tokens(&tokenizer, "a </s>b [CLS]"), "<s> a </s> <unk> <unk> <unk> <unk> </s>", "{file}");
    }
    let decoder = json!({"added_tokens_decoder": {
        "5": {"content": "##s", "special": true},
        "11": {"content": "colophon", "normalized": true},
    }});
    let config = [
        ("vocab.txt", VOCAB_TXT.replace("[MASK]\nbook\n##s", "book\n##s\n[MASK]")),
        ("tokenizer_config.json", decoder.to_string()),
    ];
    let tokenizer = open(config.map(|(name, text)| (name, text.into_bytes())));
    assert_eq!(tokenizer.vocabulary_size(), 12);
    assert_eq!(tokens(&tokenizer, "##s Colophons [UNK]"), "[CLS] ##s colophon [UNK] [UNK] [UNK] [UNK] [SEP]");
}

/// The message of the error and of its causes, with the directory's name left out.
fn message(directory: &Path) -> String {
    let error = Tokenizer::open(directory).expect_err("not a tokenizer");
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let all = std::iter::once(error.to_string()).chain(causes.map(|cause| cause.to_string()));
    all.collect::<Vec<_>>()
        .join(": ")
        .replace(&format!("{}/", directory.display()), "")
        .replace(&directory.display().to_string(), "DIR")
}

/// Changes the value at `pointer` of a good `tokenizer.json`.
fn changed(pointer: &str, value: Value) -> Files {
    let mut json = tokenizer_json();
    *json.pointer_mut(pointer).expect("a place in the file") = value;
    vec![("tokenizer.json", bytes(&json))]
}

#[test]
fn errors_say_what_and_where() {
    let text = |text: &str| vec![("vocab.txt", text.as_bytes().to_vec())];
    let special = ["[UNK]", "[CLS]", "[SEP]"].join("\n");
    let cases: Vec<(Files, &str)> = vec![
        (
            vec![],
            "`DIR` holds neither `tokenizer.json` nor `vocab.txt`; give the directory of a sentence-transformers model, which has one of them",
        ),
        (
            vec![("tokenizer.json", b"{\n  \"model\": }".to_vec())],
            "`tokenizer.json`, line 2, column 12: not the JSON of a BERT tokenizer: expected value at line 2 column 12",
        ),
        (
            vec![("tokenizer.json", b"{\n\n\xff}".to_vec())],
            "`tokenizer.json`, line 3: not UTF-8; download the file again",
        ),
        (vec![("vocab.txt", b"a\nb\xc3\n".to_vec())], "`vocab.txt`, line 2: not UTF-8; download the file again"),
        (
            vec![("vocab.txt", VOCAB_TXT.into()), ("tokenizer_config.json", b"{\n".to_vec())],
            "`tokenizer_config.json`, line 2, column 0: not the JSON of a BERT tokenizer: EOF while parsing an object at line 2 column 0",
        ),
        (text(""), "`vocab.txt`: the vocabulary is empty; download the file again"),
        (
            text("[PAD]\na\n"),
            "`vocab.txt`: the unk_token `[UNK]` is not in the vocabulary; expected an entry of that text",
        ),
        (
            text("[UNK]\na\n"),
            "`vocab.txt`: the cls_token `[CLS]` is not in the vocabulary; expected an entry of that text",
        ),
        (
            text(&format!("{special}\na\na\n")),
            "`vocab.txt`: `a` is there twice, with ids 3 and 4; expected each entry once",
        ),
        (
            vec![("vocab.txt", special.clone().into()), ("added_tokens.json", b"{\"x\": 3}".to_vec())],
            "`added_tokens.json`: `x` is a token added to `vocab.txt`, which is not supported; expected a model saved with `tokenizer.json`",
        ),
        (
            changed("/model/type", json!("Unigram")),
            "`tokenizer.json`: `model` is of type `Unigram`, which is not supported; expected `WordPiece`",
        ),
        (
            changed("/normalizer", json!(null)),
            "`tokenizer.json`: `normalizer` is missing or null, which is not supported; expected `BertNormalizer`",
        ),
        (
            changed("/normalizer/type", json!("Sequence")),
            "`tokenizer.json`: `normalizer` is of type `Sequence`, which is not supported; expected `BertNormalizer`",
        ),
        (
            changed("/pre_tokenizer/type", json!("Whitespace")),
            "`tokenizer.json`: `pre_tokenizer` is of type `Whitespace`, which is not supported; expected `BertPreTokenizer`",
        ),
        (
            changed("/post_processor", json!(null)),
            "`tokenizer.json`: `post_processor` is missing or null, which is not supported; expected `TemplateProcessing` or `BertProcessing`",
        ),
        (
            changed("/post_processor/single/1/Sequence/id", json!("B")),
            "`tokenizer.json`: `post_processor.single` is `B` with type id 0, which is not supported; expected one text, `A`, all of type id 0",
        ),
        (
            changed("/post_processor/single/1", json!({"SpecialToken": {"id": "[SEP]", "type_id": 0}})),
            "`tokenizer.json`: `post_processor.single` is a template of 0 texts, which is not supported; expected exactly one text",
        ),
        (
            changed("/post_processor/single/0/SpecialToken/id", json!("<s>")),
            "`tokenizer.json`: `post_processor.special_tokens` is without the `<s>` that the template names, which is not supported; expected every token of the template",
        ),
        (
            changed("/post_processor/special_tokens/[CLS]/ids/0", json!(1)),
            "`tokenizer.json`: post_processor gives `[CLS]` the id 1; in the vocabulary it is 2",
        ),
        (
            changed("/model/unk_token", json!("<unk>")),
            "`tokenizer.json`: the unk_token `<unk>` is not in the vocabulary; expected an entry of that text",
        ),
        (
            changed("/model/vocab/book", json!(99)),
            "`tokenizer.json`: no entry has id 5, though there are 11; expected every id from 0 to 10",
        ),
        (
            changed("/model/vocab/book", json!(6)),
            "`tokenizer.json`: `book` and `##s` both have id 6; expected an id for each",
        ),
        (changed("/model/vocab", json!({})), "`tokenizer.json`: the vocabulary is empty; download the file again"),
        (
            changed("/added_tokens/0/single_word", json!(true)),
            "`tokenizer.json`: `single_word of the added token [PAD]` is true, which is not supported; expected false",
        ),
        (
            changed("/added_tokens/0/id", json!(4)),
            "`tokenizer.json`: added_tokens gives `[PAD]` the id 4; in the vocabulary it is 0",
        ),
        (
            changed("/added_tokens/0/content", json!("<new>")),
            "`tokenizer.json`: added_tokens gives `<new>` the id 0; in the vocabulary it is 11",
        ),
    ];
    for (files, expected) in cases {
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        let directory = directory(files.iter().cloned());
        assert_eq!(message(directory.path()), expected, "{names:?}");
    }
}

#[test]
fn errors_of_the_parser_keep_their_place() {
    let cases = [
        (changed("/model/vocab/book", json!("five")), "invalid type: string \"five\", expected u32"),
        (changed("/model/vocab", json!([["a", 0.5]])), "expected an object of tokens and their ids"),
        (changed("/normalizer/lowercase", json!(3)), "invalid type: integer `3`, expected a boolean"),
    ];
    for (files, expected) in cases {
        let directory = directory(files);
        let message = message(directory.path());
        assert!(message.starts_with("`tokenizer.json`, line 1, column "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let twice = bytes(&tokenizer_json());
    let twice = String::from_utf8(twice).expect("text").replace("\"book\":5", "\"book\":5,\"book\":5");
    let directory = directory([("tokenizer.json", twice.into_bytes())]);
    assert_eq!(
        message(directory.path()),
        "`tokenizer.json`: `book` is there twice, with ids 5 and 5; expected each entry once"
    );
}

#[test]
fn a_directory_in_the_place_of_a_file() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(directory.path().join("tokenizer.json")).expect("made");
    assert!(message(directory.path()).starts_with("cannot read `tokenizer.json`: "), "{}", message(directory.path()));
}
