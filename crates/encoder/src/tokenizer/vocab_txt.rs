//! `vocab.txt`: one entry a line, its id the number of the line; what else there is to know stands in
//! `tokenizer_config.json` and `special_tokens_map.json`, or is BERT's default.

use super::TokenizerError;
use super::definition::{Definition, Settings};
use super::entries::{AddedTokenEntry, Entries};
use super::normalize::Normalizer;
use super::open::{SpecialTokens, TokenName, TokenizerConfig};
use std::path::Path;

const PREFIX: &str = "##";
const MAX_WORD_CHARS: u32 = 100;

/// Reads the `text` of the file `path`.
pub(super) fn parse(
    path: &Path,
    text: &str,
    config: TokenizerConfig,
    map: SpecialTokens,
) -> Result<Definition, TokenizerError> {
    let lines = text.trim_end_matches(['\n', '\r']).lines();
    let pairs = lines.zip(0..).map(|(line, id)| (line.to_owned(), id)).collect();
    let mut entries = Entries::new(path, pairs)?;
    let pieces = entries.len();

    let said = config.special_tokens;
    let token = |said: Option<TokenName>, mapped: Option<TokenName>, default: &str| {
        said.or(mapped).map_or_else(|| AddedTokenEntry::special(default), |name| name.entry())
    };
    let unk = token(said.unk_token, map.unk_token, "[UNK]");
    let cls = token(said.cls_token, map.cls_token, "[CLS]");
    let sep = token(said.sep_token, map.sep_token, "[SEP]");
    let pad = token(said.pad_token, map.pad_token, "[PAD]");
    let mask = token(said.mask_token, map.mask_token, "[MASK]");
    let unk_id = entries.id("unk_token", &unk.content)?;
    let before = vec![entries.id("cls_token", &cls.content)?];
    let after = vec![entries.id("sep_token", &sep.content)?];

    let added = match config.added_tokens_decoder {
        Some(tokens) => tokens.into_iter().collect(),
        None => {
            // The last two are not needed; a small vocabulary may lack them.
            let known = [unk, cls, sep, pad, mask].into_iter().filter(|token| entries.contains(&token.content));
            known.map(|token| Ok((entries.id("special token", &token.content)?, token))).collect::<Result<_, _>>()?
        }
    };
    let added = entries.add("added_tokens_decoder", added)?;
    let lowercase = config.do_lower_case.unwrap_or(true);
    let normalizer = Normalizer {
        clean_text: true,
        space_cjk: config.tokenize_chinese_chars.unwrap_or(true),
        strip_accents: config.strip_accents.unwrap_or(lowercase),
        lowercase,
    };
    let settings = Settings { normalizer, max_word_chars: MAX_WORD_CHARS, unk_id, before, after, added };
    Ok(Definition { entries: entries.into_texts(), pieces, prefix: PREFIX.into(), settings })
}
