//! `tokenizer.json`: a tokenizer as the `tokenizers` library saves it.
//!
//! Only BERT's own combination is understood. So the kinds of its parts are looked at first, to name the
//! one that differs instead of a field that happens to be missing.

use super::TokenizerError;
use super::definition::{Definition, Settings};
use super::entries::{AddedTokenEntry, Entries};
use super::normalize::Normalizer;
use super::open::{TokenizerConfig, parse_json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;

/// Classes that take `tokenizer.json` as it is; all others build BERT's tokenizer from their own settings.
const GENERIC_CLASSES: [&str; 2] = ["PreTrainedTokenizerFast", "TokenizersBackend"];

/// The kinds of the parts; all else is passed over.
#[derive(serde::Deserialize)]
struct Kinds {
    model: Option<Kind>,
    normalizer: Option<Kind>,
    pre_tokenizer: Option<Kind>,
    post_processor: Option<Kind>,
}

#[derive(serde::Deserialize)]
struct Kind {
    r#type: Option<String>,
}

#[derive(serde::Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedTokenWithId>,
    normalizer: BertNormalizer,
    post_processor: PostProcessor,
    model: Model,
}

#[derive(serde::Deserialize)]
struct AddedTokenWithId {
    id: u32,
    #[serde(flatten)]
    entry: AddedTokenEntry,
}

#[derive(serde::Deserialize)]
struct BertNormalizer {
    clean_text: bool,
    handle_chinese_chars: bool,
    strip_accents: Option<bool>,
    lowercase: bool,
}

#[derive(serde::Deserialize)]
#[serde(tag = "type")]
enum PostProcessor {
    TemplateProcessing { single: Vec<Piece>, special_tokens: HashMap<String, SpecialToken> },
    BertProcessing { cls: (String, u32), sep: (String, u32) },
}

#[derive(serde::Deserialize)]
enum Piece {
    Sequence { id: String, type_id: u32 },
    SpecialToken { id: String, type_id: u32 },
}

#[derive(serde::Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
    tokens: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Model {
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: u32,
    vocab: Pairs,
}

/// A JSON object in its order, with keys that are there twice: a map would hide them.
struct Pairs(Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tokens and their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// Reads the `text` of the file `path`.
pub(super) fn parse(path: &Path, text: &str, config: &TokenizerConfig) -> Result<Definition, TokenizerError> {
    check_kinds(path, &parse_json(path, text)?)?;
    let TokenizerJson { added_tokens, normalizer, post_processor, model } = parse_json(path, text)?;
    let mut entries = Entries::new(path, model.vocab.0)?;
    let pieces = entries.len();
    let unk_id = entries.id("unk_token", &model.unk_token)?;
    let added_tokens = added_tokens.into_iter().map(|token| (token.id, token.entry)).collect();
    let added = entries.add("added_tokens", added_tokens)?;
    let (before, after) = around(path, &entries, post_processor)?;
    let normalizer = configured(normalizer, config);
    let max_word_chars = model.max_input_chars_per_word;
    let settings = Settings { normalizer, max_word_chars, unk_id, before, after, added };
    Ok(Definition { entries: entries.into_texts(), pieces, prefix: model.continuing_subword_prefix, settings })
}

fn check_kinds(path: &Path, kinds: &Kinds) -> Result<(), TokenizerError> {
    // Old files do not name the model's kind.
    let model = kinds.model.as_ref().map(|model| model.r#type.as_deref().unwrap_or("WordPiece"));
    let kind = |part: &'_ Option<Kind>| part.as_ref().map(|kind| kind.r#type.clone().unwrap_or_default());
    let (normalizer, pre_tokenizer) = (kind(&kinds.normalizer), kind(&kinds.pre_tokenizer));
    let post_processor = kind(&kinds.post_processor);
    let checks: [(_, Option<&str>, &[&str], _); 4] = [
        ("model", model, &["WordPiece"], "`WordPiece`"),
        ("normalizer", normalizer.as_deref(), &["BertNormalizer"], "`BertNormalizer`"),
        ("pre_tokenizer", pre_tokenizer.as_deref(), &["BertPreTokenizer"], "`BertPreTokenizer`"),
        (
            "post_processor",
            post_processor.as_deref(),
            &["TemplateProcessing", "BertProcessing"],
            "`TemplateProcessing` or `BertProcessing`",
        ),
    ];
    for (part, found, known, expected) in checks {
        if !found.is_some_and(|found| known.contains(&found)) {
            let found = found.map_or("missing or null".into(), |found| format!("of type `{found}`"));
            return Err(unsupported(path, part, found, expected));
        }
    }
    Ok(())
}

/// The ids before and after every text.
fn around(
    path: &Path,
    entries: &Entries,
    post_processor: PostProcessor,
) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    let place = "post_processor";
    let (single, special_tokens) = match post_processor {
        PostProcessor::TemplateProcessing { single, special_tokens } => (single, special_tokens),
        PostProcessor::BertProcessing { cls, sep } => {
            let before = entries.check_id(place, &cls.0, cls.1)?;
            let after = entries.check_id(place, &sep.0, sep.1)?;
            return Ok((vec![before], vec![after]));
        }
    };
    let (mut before, mut after, mut texts) = (Vec::new(), Vec::new(), 0);
    for piece in single {
        match piece {
            Piece::Sequence { id, type_id: 0 } if id == "A" => texts += 1,
            Piece::SpecialToken { id, type_id: 0 } => {
                let Some(special) = special_tokens.get(&id) else {
                    let found = format!("without the `{id}` that the template names");
                    return Err(unsupported(
                        path,
                        "post_processor.special_tokens",
                        found,
                        "every token of the template",
                    ));
                };
                let ids = if texts == 0 { &mut before } else { &mut after };
                for (token, &id) in special.tokens.iter().zip(&special.ids) {
                    ids.push(entries.check_id(place, token, id)?);
                }
            }
            Piece::Sequence { id, type_id } | Piece::SpecialToken { id, type_id } => {
                let found = format!("`{id}` with type id {type_id}");
                return Err(unsupported(path, "post_processor.single", found, "one text, `A`, all of type id 0"));
            }
        }
    }
    if texts != 1 {
        let found = format!("a template of {texts} texts");
        return Err(unsupported(path, "post_processor.single", found, "exactly one text"));
    }
    Ok((before, after))
}

/// The normalizer, with what `tokenizer_config.json` says expressly, which wins in `transformers` too.
///
/// (Where it says nothing, `transformers` lower-cases even if `tokenizer.json` does not; we believe the file.)
fn configured(normalizer: BertNormalizer, config: &TokenizerConfig) -> Normalizer {
    let BertNormalizer { clean_text, handle_chinese_chars, strip_accents, lowercase } = normalizer;
    let class = config.tokenizer_class.as_deref().unwrap_or_default();
    let generic = TokenizerConfig::default();
    let config = if GENERIC_CLASSES.contains(&class) { &generic } else { config };
    let lowercase = config.do_lower_case.unwrap_or(lowercase);
    Normalizer {
        clean_text,
        space_cjk: config.tokenize_chinese_chars.unwrap_or(handle_chinese_chars),
        strip_accents: config.strip_accents.or(strip_accents).unwrap_or(lowercase),
        lowercase,
    }
}

fn unsupported(path: &Path, field: &str, found: String, expected: &'static str) -> TokenizerError {
    TokenizerError::Unsupported { path: path.into(), field: field.into(), found, expected }
}
