//! Vectors against those of sentence-transformers (see `golden/README.md`), and packs against their originals.

use libellus_encoder::pack::{self, WordBits};
use libellus_encoder::{Encoder, Error, Isa};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest difference of a component to the reference, float path.
const F32_TOLERANCE: f32 = 1e-5;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn texts() -> Vec<String> {
    let file = fs::read_to_string(golden().join("texts.jsonl")).expect("the golden texts are committed");
    let text = |line| serde_json::from_str::<Value>(line).expect("JSON")["text"].as_str().expect("a text").to_owned();
    file.lines().map(text).collect()
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The directory of the original weights, where there is one: `cargo xtask test` fetches them.
fn original() -> Option<PathBuf> {
    let directory = std::env::var_os("LIBELLUS_TEST_MODEL_DIR").map(PathBuf::from);
    if directory.is_none() {
        println!("skipped: set LIBELLUS_TEST_MODEL_DIR to the original model, or run `cargo xtask test`");
    }
    directory
}

/// Asserts that the model gives the vectors in `expected`, alone and in a batch.
fn assert_equals_reference(encoder: &Encoder, expected: &Path) {
    let texts = texts();
    let expected_vectors = floats(expected);
    assert_eq!(expected_vectors.len(), texts.len() * encoder.info().dim, "{}", expected.display());
    let batch = encoder.encode_batch(&texts, 2);
    let mut largest = 0f32;
    for ((text, got), expected) in texts.iter().zip(&batch).zip(expected_vectors.chunks(encoder.info().dim)) {
        assert_eq!(encoder.encode(text).vector, got.vector, "alone and in a batch: {text:?}");
        for (got, expected) in got.vector.iter().zip(expected) {
            let difference = (got - expected).abs();
            largest = largest.max(difference);
            assert!(difference <= F32_TOLERANCE, "{text:?}: {got}, not {expected}");
        }
    }
    println!("{}: largest difference {largest:.1e}", expected.display());
}

#[test]
fn small_models_of_other_shapes_equal_the_reference() {
    for name in ["tiny-mean", "tiny-cls", "tiny-max", "tiny-relu"] {
        let directory = golden().join("models").join(name);
        let encoder = Encoder::open(&directory).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(encoder.info().name, name);
        assert_equals_reference(&encoder, &directory.join("expected.f32"));
    }
}

#[test]
fn both_forms_of_gelu_equal_the_reference() {
    for activation in ["gelu", "gelu_new"] {
        let directory = copy_of("tiny-relu");
        edit_json(&directory.path().join("config.json"), |config| config["hidden_act"] = activation.into());
        let encoder = Encoder::open(directory.path()).unwrap_or_else(|e| panic!("{activation}: {e}"));
        assert_equals_reference(&encoder, &golden().join(format!("models/tiny-relu/expected.{activation}.f32")));
    }
}

#[test]
fn the_original_weights_equal_the_reference() {
    let Some(directory) = original() else { return };
    let encoder = Encoder::open(&directory).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(encoder.info().max_tokens, 256, "sentence_bert_config.json overrides tokenizer.json's 128");
    assert_equals_reference(&encoder, &golden().join("all-MiniLM-L6-v2.f32"));
}

/// A pack in `models/`: what it is held to.
struct Shipped {
    file: &'static str,
    precision: &'static str,
    most_bytes: usize,
    least_mean_cosine: f64,
    least_cosine: f64,
    least_spearman: f64,
}

const SHIPPED: [Shipped; 2] = [
    Shipped {
        file: "all-MiniLM-L6-v2.pack",
        precision: "int8",
        most_bytes: 24_000_000,
        least_mean_cosine: 0.9993,
        least_cosine: 0.998,
        least_spearman: 0.866,
    },
    Shipped {
        file: "all-MiniLM-L6-v2-lite.pack",
        precision: "int8-words4",
        most_bytes: 18_500_000,
        least_mean_cosine: 0.998,
        least_cosine: 0.994,
        least_spearman: 0.866,
    },
];

impl Shipped {
    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(self.file)
    }

    fn open(&self) -> Encoder {
        Encoder::open(&self.path()).unwrap_or_else(|e| panic!("{}: {}", self.file, whole_message(&e)))
    }
}

#[test]
fn shipped_packs_are_whole_and_close_to_the_reference() {
    let (texts, expected) = (texts(), floats(&golden().join("all-MiniLM-L6-v2.f32")));
    for pack in SHIPPED {
        let (file, encoder) = (pack.file, pack.open());
        assert_eq!(encoder.info().fingerprint.precision.as_str(), pack.precision, "{file}");
        assert_eq!(encoder.info().fingerprint.space, Encoder::builtin().info().fingerprint.space, "{file}");
        let size = fs::metadata(pack.path()).expect("it opened").len();
        assert!(size <= pack.most_bytes as u64, "{file}: {size} bytes");
        let vectors = encoder.encode_batch(&texts, 2);
        let cosines: Vec<f64> =
            vectors.iter().zip(expected.chunks(384)).map(|(got, expected)| cosine(&got.vector, expected)).collect();
        let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
        let worst = (0..texts.len()).min_by(|&a, &b| cosines[a].total_cmp(&cosines[b])).expect("there are texts");
        println!("{file}: cosine to the reference: mean {mean:.6}, minimum {:.6} ({:?})", cosines[worst], texts[worst]);
        assert!(mean >= pack.least_mean_cosine, "{file}: mean cosine {mean}");
        assert!(cosines[worst] >= pack.least_cosine, "{file}: cosine {} for {:?}", cosines[worst], texts[worst]);
    }
}

/// Pairs of sentences that people judged: STS-B's development set as CSV, `sentence,sentence,score`, where
/// `LIBELLUS_TEST_STSB_DEV` names one. Its licence keeps it out of this repository.
#[test]
fn likeness_is_judged_as_people_do() {
    let Some(path) = std::env::var_os("LIBELLUS_TEST_STSB_DEV") else {
        println!("skipped: set LIBELLUS_TEST_STSB_DEV to the development set of STS-B, as CSV");
        return;
    };
    let records = csv_records(&fs::read_to_string(path).expect("the set"));
    let judged: Vec<f64> = records.iter().map(|fields| fields[2].trim().parse().expect("a score")).collect();
    let texts: Vec<&str> = records.iter().flat_map(|fields| [&*fields[0], &*fields[1]]).collect();
    for pack in SHIPPED {
        let vectors = pack.open().encode_batch(&texts, 2);
        let measured: Vec<f64> = vectors.as_chunks::<2>().0.iter().map(|[a, b]| cosine(&a.vector, &b.vector)).collect();
        let spearman = correlation(&ranks(&measured), &ranks(&judged));
        println!("{}: Spearman {spearman:.4} over {} pairs", pack.file, judged.len());
        assert!(spearman >= pack.least_spearman, "{}: Spearman {spearman}", pack.file);
    }
}

/// Lines of fields, some in double quotes; quotes themselves are dropped.
fn csv_records(text: &str) -> Vec<Vec<String>> {
    let record = |line: &str| {
        let (mut fields, mut is_quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => fields.push(String::new()),
                _ => fields.last_mut().expect("never empty").push(c),
            }
        }
        fields
    };
    text.lines().map(record).collect()
}

/// Each value's place in ascending order; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |x: f64| values.iter().filter(|&&y| y < x).count() as f64;
    let equal = |x: f64| values.iter().filter(|&&y| y == x).count() as f64;
    values.iter().map(|&x| below(x) + (equal(x) - 1.0) / 2.0).collect()
}

/// Pearson's; of ranks, it is Spearman's.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|x| x - mean).collect::<Vec<_>>()
    };
    let (a, b) = (centred(a), centred(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

#[test]
fn the_built_in_pack_is_one_of_the_shipped() {
    let shipped = if cfg!(feature = "lite") { &SHIPPED[1] } else { &SHIPPED[0] };
    let (builtin, opened) = (Encoder::builtin(), shipped.open());
    assert_eq!(builtin.info().fingerprint, opened.info().fingerprint);
    assert_eq!(builtin.encode("a whale hunt").vector, opened.encode("a whale hunt").vector);
}

#[test]
fn vectors_do_not_depend_on_batch_micro_batch_threads_or_instruction_set() {
    let texts: Vec<String> = texts().into_iter().step_by(5).collect();
    let expected: Vec<Vec<f32>> = texts.iter().map(|text| Encoder::builtin().encode(text).vector).collect();
    let check = |encoder: Encoder, case: &str| {
        for threads in [1, 3] {
            for ((text, got), expected) in texts.iter().zip(encoder.encode_batch(&texts, threads)).zip(&expected) {
                assert_eq!(&got.vector, expected, "{case}, {threads} threads: {text:?}");
            }
        }
    };
    for isa in Isa::available() {
        check(Encoder::builtin().with_isa(isa), &format!("{isa:?}"));
    }
    // Of one text, of a few, and of all.
    for tokens in [1, 100, usize::MAX] {
        check(Encoder::builtin().with_batch_tokens(tokens), &format!("micro-batches of {tokens} tokens"));
    }
    let team = Encoder::builtin().with_team(3);
    for (text, expected) in texts.iter().zip(&expected) {
        assert_eq!(&team.encode(text).vector, expected, "a team: {text:?}");
    }
    assert!(Encoder::builtin().encode_batch::<&str>(&[], 2).is_empty());
}

#[test]
fn the_standard_pack_is_made_again_byte_for_byte() {
    let Some(directory) = original() else { return };
    let made = pack::write(&directory, "all-MiniLM-L6-v2", WordBits::Eight).expect("the original can be packed");
    let committed = fs::read(SHIPPED[0].path()).expect("the pack is committed");
    assert!(made == committed, "`cargo xtask pack-model` makes other bytes");
    let float = Encoder::open(&directory).expect("the original opens");
    assert_eq!(float.info().fingerprint.space, Encoder::builtin().info().fingerprint.space);
}

/// Fitting the layers takes most of the time that a pack takes, so the lite pack is held to the standard one, and its
/// words to the original by a test beside their code.
#[test]
fn the_shipped_packs_differ_in_their_words_only() {
    let [standard, lite] = SHIPPED.map(|pack| {
        let bytes = fs::read(pack.path()).expect("the pack is committed");
        let tensors = header_of(&bytes)["tensors"].as_array().expect("a list").clone();
        let number = |value: &Value| value.as_u64().expect("a number") as usize;
        let tensor = |entry: &Value| {
            let bytes = bytes[number(&entry["offset"])..][..number(&entry["len"])].to_vec();
            (entry["name"].as_str().expect("a name").to_owned(), bytes)
        };
        tensors.iter().map(tensor).filter(|(name, _)| !name.starts_with("words.")).collect::<Vec<_>>()
    });
    assert_eq!(standard.len(), 4 + 6 * 24, "tokenizer, positions, norm, and the parts of six layers");
    assert!(standard == lite, "`cargo xtask pack-model` makes both");
}

#[test]
fn a_pack_of_any_shape_is_close_to_its_original() {
    for name in ["tiny-mean", "tiny-cls", "tiny-max", "tiny-relu"] {
        let directory = golden().join("models").join(name);
        let float = Encoder::open(&directory).expect("opened before");
        for (word_bits, least_cosine) in [(WordBits::Eight, 0.99), (WordBits::Four, 0.94)] {
            let case = format!("{name}, {word_bits:?}");
            let bytes = pack::write(&directory, name, word_bits).unwrap_or_else(|e| panic!("{case}: {e}"));
            let again = pack::write(&directory, name, word_bits).expect("as before");
            assert_eq!(bytes, again, "{case}: the same bytes each time");
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            fs::write(file.path(), &bytes).expect("written");
            let packed = Encoder::open(file.path()).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(packed.info().fingerprint.space, float.info().fingerprint.space, "{case}");
            assert_ne!(packed.info().fingerprint, float.info().fingerprint, "{case}: precisions differ");
            for text in texts().iter().step_by(7) {
                let cosine = cosine(&packed.encode(text).vector, &float.encode(text).vector);
                assert!(cosine > least_cosine, "{case}: cosine {cosine} for {text:?}");
            }
        }
    }
}

#[test]
fn a_damaged_pack_is_refused() {
    let whole = pack::write(&golden().join("models/tiny-relu"), "tiny", WordBits::Eight).expect("it can be packed");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let open = |bytes: &[u8]| {
        fs::write(file.path(), bytes).expect("written");
        Encoder::open(file.path()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(open(&whole), Ok(()));
    for at in (0..whole.len()).step_by(97).chain(0..64) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let message = open(&damaged).expect_err("a flipped bit");
        assert!(message.contains("is not a usable pack"), "byte {at}: {message}");
    }
    for len in [0, 1, 63, 64, 100, 5_000, whole.len() - 1] {
        open(&whole[..len]).expect_err("a file cut short");
    }
    let mut newer = whole.clone();
    newer[8] = 2;
    assert!(open(&newer).expect_err("another version").contains("version 2"), "says which version");
}

/// The header of a pack.
fn header_of(pack: &[u8]) -> Value {
    let len = u32::from_le_bytes(*pack[12..].first_chunk().expect("a prefix")) as usize;
    serde_json::from_slice(&pack[64..64 + len]).expect("JSON")
}

/// A pack whose header was edited and whose checksum is right all the same.
fn hostile(whole: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut header = header_of(whole);
    edit(&mut header);
    let header = header.to_string();
    let mut pack = whole.to_vec();
    pack[12..16].copy_from_slice(&(header.len() as u32).to_le_bytes());
    pack[64..64 + header.len()].copy_from_slice(header.as_bytes());
    let sum = Sha256::new().chain_update(&pack[..32]).chain_update(&pack[64..]).finalize();
    pack[32..64].copy_from_slice(&sum);
    pack
}

#[test]
fn a_header_that_lies_is_refused() {
    let whole = pack::write(&golden().join("models/tiny-relu"), "tiny", WordBits::Eight).expect("it can be packed");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let open = |pack: &[u8]| {
        fs::write(file.path(), pack).expect("written");
        Encoder::open(file.path()).map(|_| ()).map_err(|e| whole_message(&e))
    };
    assert_eq!(open(&hostile(&whole, |_| ())), Ok(()));
    type Edit = fn(&mut Value);
    let cases: &[(&str, Edit)] = &[
        ("texts of 2^57 tokens", |h| h["config"]["max_tokens"] = (1u64 << 57).into()),
        ("texts of 2^60 tokens", |h| h["config"]["max_tokens"] = ((1u64 << 60) + 50).into()),
        ("texts of no tokens", |h| h["config"]["max_tokens"] = 0.into()),
        ("a vocabulary of 2^63", |h| h["config"]["vocabulary"] = (1u64 << 63).into()),
        ("a smaller vocabulary", |h| h["config"]["vocabulary"] = 3.into()),
        ("a thousand million layers", |h| h["config"]["layers"] = 1_000_000_000.into()),
        ("another width", |h| h["config"]["hidden"] = 32.into()),
        ("an endless width", |h| h["config"]["hidden"] = (1u64 << 62).into()),
        ("no heads", |h| h["config"]["heads"] = 0.into()),
        ("a negative epsilon", |h| h["config"]["layer_norm_eps"] = (-1.0).into()),
        ("an endless epsilon", |h| h["config"]["layer_norm_eps"] = 1e39.into()),
        ("another activation", |h| h["config"]["hidden_act"] = "swish".into()),
        ("another precision", |h| h["precision"] = "int4".into()),
        ("a tensor outside", |h| h["tensors"][0]["offset"] = u64::MAX.into()),
        ("a misplaced tensor", |h| h["tensors"][1]["offset"] = 3.into()),
        ("a tensor without a name", |h| h["tensors"][2]["name"] = "".into()),
        ("no tensors", |h| h["tensors"] = Value::Array(Vec::new())),
    ];
    for (case, edit) in cases {
        let message = open(&hostile(&whole, edit)).expect_err(case);
        assert!(message.contains("is not a usable pack"), "{case}: {message}");
    }
}

#[test]
fn a_pack_of_4_bit_words_that_lies_is_refused() {
    let whole = pack::write(&golden().join("models/tiny-mean"), "tiny", WordBits::Four).expect("it can be packed");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let open = |pack: &[u8]| {
        fs::write(file.path(), pack).expect("written");
        Encoder::open(file.path()).map(|_| ()).map_err(|e| whole_message(&e))
    };
    assert_eq!(open(&hostile(&whole, |_| ())), Ok(()));
    fn tensor<'a>(header: &'a mut Value, name: &str) -> &'a mut Value {
        let tensors = header["tensors"].as_array_mut().expect("a list");
        tensors.iter_mut().find(|tensor| tensor["name"] == name).expect("a tensor of that name")
    }
    type Edit = fn(&mut Value);
    let cases: &[(&str, &str, Edit)] = &[
        ("words of 8 bits", "`words.rows` is missing", |h| h["precision"] = "int8".into()),
        ("words of 2 bits", "only `int8` and `int8-words4`", |h| h["precision"] = "int8-words2".into()),
        ("codes cut short", "`words.codes` does not hold", |h| tensor(h, "words.codes")["len"] = 32.into()),
        ("no multipliers", "`words.multipliers` is missing", |h| tensor(h, "words.multipliers")["name"] = "x".into()),
        ("too many multipliers", "`words.multipliers` does not hold", |h| {
            tensor(h, "words.multipliers")["len"] = 1_000.into();
        }),
        ("scales of another type", "`words.scales` does not hold", |h| tensor(h, "words.scales")["len"] = 3.into()),
        ("another width", "does not hold", |h| h["config"]["hidden"] = 64.into()),
    ];
    for (case, part, edit) in cases {
        let message = open(&hostile(&whole, edit)).expect_err(case);
        assert!(message.contains("is not a usable pack") && message.contains(part), "{case}: {message}");
    }
}

#[test]
fn values_that_no_model_has_are_refused() {
    for word_bits in [WordBits::Eight, WordBits::Four] {
        let whole = pack::write(&golden().join("models/tiny-mean"), "tiny", word_bits).expect("it can be packed");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        for name in ["words.scales", "positions", "layers.2.output.scales", "layers.0.qkv.multiplier"] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e7] {
                let mut offset = 0;
                let mut pack = hostile(&whole, |header| {
                    let tensors = header["tensors"].as_array().expect("a list");
                    let tensor = tensors.iter().find(|tensor| tensor["name"] == name).expect("a tensor");
                    offset = tensor["offset"].as_u64().expect("a number") as usize;
                });
                pack[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
                fs::write(file.path(), hostile(&pack, |_| ())).expect("written");
                let message = whole_message(&Encoder::open(file.path()).map(|_| ()).expect_err(name));
                assert!(message.contains("not finite, or beyond"), "{word_bits:?}, {name}, {value}: {message}");
            }
        }
    }
}

#[test]
fn what_is_no_pack_is_refused_by_its_first_bytes() {
    let message = whole_message(&Encoder::open(Path::new("/dev/zero")).map(|_| ()).expect_err("no end"));
    assert!(message.contains("/dev/zero") && message.contains("does not begin as a pack does"), "{message}");
}

#[test]
fn only_names_are_names() {
    for name in ["", "a\nb", &"x".repeat(101)] {
        let message =
            pack::write(&golden().join("models/tiny-relu"), name, WordBits::Eight).expect_err("no name").to_string();
        assert!(message.contains("is not a name"), "{message}");
    }
}

#[test]
fn a_text_without_tokens_has_the_zero_vector() {
    let directory = copy_of("tiny-max");
    edit_json(&directory.path().join("tokenizer.json"), |tokenizer| {
        tokenizer["post_processor"]["single"] = serde_json::json!([{"Sequence": {"id": "A", "type_id": 0}}]);
    });
    let encoder = Encoder::open(directory.path()).unwrap_or_else(|e| panic!("{}", whole_message(&e)));
    let alone = encoder.encode("");
    assert_eq!((alone.tokens.seen, alone.vector), (0, vec![0.0; encoder.info().dim]));
    let batch = encoder.encode_batch(&["", "a cat", ""], 2);
    assert_eq!(batch[1].vector, encoder.encode("a cat").vector);
    assert!(batch[0].vector.iter().chain(&batch[2].vector).all(|&x| x == 0.0));
}

#[test]
fn what_changes_a_vector_changes_the_space() {
    let original = copy_of("tiny-relu");
    let space = |directory: &Path| Encoder::open(directory).expect("it opens").info().fingerprint.space.clone();
    let expected = space(original.path());
    assert_eq!(space(copy_of("tiny-relu").path()), expected, "the place does not matter");
    for (key, value) in [("hidden_act", Value::from("gelu")), ("layer_norm_eps", 1e-3.into())] {
        let directory = copy_of("tiny-relu");
        edit_json(&directory.path().join("config.json"), |config| config[key] = value);
        assert_ne!(space(directory.path()), expected, "{key}");
    }
}

/// A copy of a small model, to be spoilt.
fn copy_of(name: &str) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("a directory");
        for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).expect("copied");
            }
        }
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    copy(&golden().join("models").join(name), directory.path());
    directory
}

fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    edit(&mut value);
    fs::write(path, value.to_string()).expect("written");
}

/// Every cause of an error, joined.
fn whole_message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

#[test]
fn a_spoilt_directory_is_named_with_its_fault() {
    type Spoil = fn(&Path);
    let cases: &[(&str, Spoil, &[&str])] = &[
        ("no config", |d| fs::remove_file(d.join("config.json")).expect("removed"), &["config.json", "missing"]),
        ("config not JSON", |d| fs::write(d.join("config.json"), "{").expect("written"), &["config.json", "line 1"]),
        (
            "another architecture",
            |d| edit_json(&d.join("config.json"), |c| c["model_type"] = "roberta".into()),
            &["config.json", "`roberta`", "`bert`"],
        ),
        (
            "relative positions",
            |d| edit_json(&d.join("config.json"), |c| c["position_embedding_type"] = "relative_key".into()),
            &["`relative_key`", "absolute"],
        ),
        (
            "another activation",
            |d| edit_json(&d.join("config.json"), |c| c["hidden_act"] = "swish".into()),
            &["config.json", "swish", "gelu"],
        ),
        (
            "heads that do not divide",
            |d| edit_json(&d.join("config.json"), |c| c["num_attention_heads"] = 5.into()),
            &["config.json", "5 heads"],
        ),
        (
            "no heads",
            |d| edit_json(&d.join("config.json"), |c| c["num_attention_heads"] = 0.into()),
            &["config.json", "0 heads"],
        ),
        (
            "more layers than tensors",
            |d| edit_json(&d.join("config.json"), |c| c["num_hidden_layers"] = 3.into()),
            &["model.safetensors", "encoder.layer.2.", "missing"],
        ),
        (
            "another width",
            |d| edit_json(&d.join("config.json"), |c| c["intermediate_size"] = 41.into()),
            &["model.safetensors", "encoder.layer.0.intermediate.dense.weight", "[40, 24]", "[41, 24]"],
        ),
        (
            "texts longer than the positions",
            |d| edit_json(&d.join("sentence_bert_config.json"), |c| c["max_seq_length"] = 5_000.into()),
            &["sentence_bert_config.json", "5000", "positions"],
        ),
        (
            "another pooling",
            |d| edit_json(&d.join("1_Pooling/config.json"), |c| c["pooling_mode_mean_sqrt_len_tokens"] = true.into()),
            &["1_Pooling", "mean_sqrt_len_tokens"],
        ),
        (
            "a dense module",
            |d| edit_json(&d.join("modules.json"), |m| m[1]["type"] = "sentence_transformers.models.Dense".into()),
            &["modules.json", "Dense"],
        ),
        (
            "an old layout",
            |d| edit_json(&d.join("modules.json"), |m| m[0]["path"] = "0_Transformer".into()),
            &["modules.json", "0_Transformer"],
        ),
        (
            "a default prompt",
            |d| {
                let path = d.join("config_sentence_transformers.json");
                fs::write(path, r#"{"default_prompt_name": "query"}"#).expect("written");
            },
            &["config_sentence_transformers.json", "`query`"],
        ),
        (
            "a weight that is no number",
            |d| put_nan(&d.join("model.safetensors"), "encoder.layer.0.output.dense.bias"),
            &["model.safetensors", "encoder.layer.0.output.dense.bias", "not finite"],
        ),
        (
            "no weights",
            |d| fs::remove_file(d.join("model.safetensors")).expect("removed"),
            &["model.safetensors", "missing", "pytorch_model.bin"],
        ),
        (
            "weights cut short",
            |d| {
                let bytes = fs::read(d.join("model.safetensors")).expect("a file");
                fs::write(d.join("model.safetensors"), &bytes[..bytes.len() / 2]).expect("written");
            },
            &["model.safetensors", "not a whole safetensors file"],
        ),
        (
            "weights of another type",
            |d| retype(&d.join("model.safetensors"), "encoder.layer.1.output.dense.bias"),
            &["model.safetensors", "encoder.layer.1.output.dense.bias", "I32", "f32"],
        ),
        (
            "no tokenizer",
            |d| {
                fs::remove_file(d.join("tokenizer.json")).expect("removed");
                fs::remove_file(d.join("vocab.txt")).expect("removed");
            },
            &["tokenizer.json", "vocab.txt"],
        ),
    ];
    for (case, spoil, parts) in cases {
        let directory = copy_of("tiny-max");
        spoil(directory.path());
        let error = Encoder::open(directory.path()).map(|_| ()).expect_err(case);
        let message = whole_message(&error);
        for part in *parts {
            assert!(message.contains(part), "{case}: `{part}` is not in: {message}");
        }
    }
    let message = whole_message(&Encoder::open(Path::new("/no/such/model")).map(|_| ()).expect_err("no such path"));
    assert!(message.contains("/no/such/model"), "{message}");
}

/// Makes a tensor's first value not a number, in place.
fn put_nan(path: &Path, tensor: &str) {
    let mut bytes = fs::read(path).expect("a file");
    let len = u64::from_le_bytes(*bytes.first_chunk().expect("a header's length")) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + len]).expect("JSON");
    let at = 8 + len + header[tensor]["data_offsets"][0].as_u64().expect("an offset") as usize;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(path, bytes).expect("written");
}

/// Changes a tensor's type in the header of a safetensors file, in place.
fn retype(path: &Path, tensor: &str) {
    let mut bytes = fs::read(path).expect("a file");
    let len = u64::from_le_bytes(*bytes.first_chunk().expect("a header's length")) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + len]).expect("JSON").to_owned();
    let at = header.find(tensor).expect("the tensor") + tensor.len();
    let (before, after) = header.split_at(at);
    let changed = format!("{before}{}", after.replacen("\"F32\"", "\"I32\"", 1));
    assert_eq!(changed.len(), header.len(), "the header keeps its length");
    bytes[8..8 + len].copy_from_slice(changed.as_bytes());
    fs::write(path, bytes).expect("written");
}
