//! What a model is: its shape, and how its output becomes one vector.
//!
//! Read from the files of a sentence-transformers directory, old layout and new, and carried in packs.

use crate::Error;
use libellus_kernels::Activation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The first token's vector.
    Cls,
    /// The greatest of each component.
    Max,
}

/// A model's shape. Letters as in the kernels: `H` hidden width, `A` heads, `F` feed-forward width,
/// `V` vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    /// `H`.
    pub hidden: usize,
    pub layers: usize,
    /// `A`.
    pub heads: usize,
    /// `F`.
    pub feed_forward: usize,
    /// `V`.
    pub vocabulary: usize,
    /// The longest text it reads, in tokens.
    pub max_tokens: usize,
    pub layer_norm_eps: f32,
    pub hidden_act: HiddenAct,
    pub pooling: Pooling,
    pub normalize: bool,
}

/// The feed-forward layer's activation, by Hugging Face's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HiddenAct {
    #[serde(rename = "gelu")]
    Gelu,
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluNew,
    #[serde(rename = "relu")]
    Relu,
}

impl HiddenAct {
    pub(crate) fn activation(self) -> Activation {
        match self {
            HiddenAct::Gelu => Activation::Gelu,
            HiddenAct::GeluNew => Activation::GeluTanh,
            HiddenAct::Relu => Activation::Relu,
        }
    }
}

/// More than any model of this kind has positions; sizes computed from it cannot overflow.
const MOST_TOKENS: usize = 1 << 20;

impl Config {
    /// What makes the shape impossible to compute with, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { hidden, layers, heads, feed_forward, vocabulary, max_tokens, .. } = self;
        let sizes = [
            ("hidden size", hidden),
            ("number of layers", layers),
            ("feed-forward size", feed_forward),
            ("vocabulary size", vocabulary),
        ];
        if let Some((what, size)) = sizes.into_iter().find(|&(_, &size)| size == 0 || size > 1 << 24) {
            return Some(format!("its {what} is {size}"));
        }
        if *hidden.max(feed_forward) > libellus_kernels::MAX_K {
            return Some(format!("a layer is wider than {}", libellus_kernels::MAX_K));
        }
        if *heads == 0 || hidden % heads != 0 {
            return Some(format!("its {heads} heads do not divide the hidden size {hidden}"));
        }
        if !(2..=MOST_TOKENS).contains(max_tokens) {
            return Some(format!("its longest text is {max_tokens} tokens"));
        }
        let eps = self.layer_norm_eps;
        (!eps.is_finite() || eps < 0.0).then(|| format!("its LayerNorm epsilon is {eps}"))
    }

    /// Reads a directory's configuration: `config.json`, `modules.json`, the pooling's and the
    /// transformer's own.
    ///
    /// The longest text is `max_seq_length` of `sentence_bert_config.json`; where that is missing, the
    /// smaller of `model_max_length` in `tokenizer_config.json` and the positions that the model has.
    /// Truncation in `tokenizer.json` is not looked at: sentence-transformers overrides it.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("config.json");
        let bert: BertConfig = read_json(&path)?.ok_or_else(|| Error::MissingFile {
            path: path.clone(),
            file: "config.json",
            hint: "",
        })?;
        bert.check(&path)?;
        let modules = Modules::open(directory)?;
        let (max_tokens, from) = match modules.transformer.max_seq_length {
            Some(length) => (length, directory.join("sentence_bert_config.json")),
            None => {
                let tokenizer: TokenizerConfig =
                    read_json(&directory.join("tokenizer_config.json"))?.unwrap_or_default();
                let length = tokenizer.model_max_length.unwrap_or(f64::INFINITY);
                (length.min(bert.max_position_embeddings as f64) as usize, directory.join("tokenizer_config.json"))
            }
        };
        if max_tokens > bert.max_position_embeddings {
            return Err(Error::Unsupported {
                path: from,
                found: format!("texts may be {max_tokens} tokens long"),
                expected: format!("the model has {} positions; lower `max_seq_length`", bert.max_position_embeddings),
            });
        }
        let config = Self {
            hidden: bert.hidden_size,
            layers: bert.num_hidden_layers,
            heads: bert.num_attention_heads,
            feed_forward: bert.intermediate_size,
            vocabulary: bert.vocab_size,
            max_tokens,
            layer_norm_eps: bert.layer_norm_eps,
            hidden_act: bert.hidden_act,
            pooling: modules.pooling,
            normalize: modules.normalize,
        };
        match config.fault() {
            None => Ok(config),
            Some(found) => {
                Err(Error::Unsupported { path, found, expected: "no model has that shape; check the file".into() })
            }
        }
    }
}

/// Reads a JSON file; `None` if there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path: path.into(), source }),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::Json { path: path.into(), source })
}

/// The keys of `config.json` that decide the computation.
#[derive(Deserialize)]
struct BertConfig {
    model_type: Option<String>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f32,
    #[serde(default = "default_act")]
    hidden_act: HiddenAct,
    position_embedding_type: Option<String>,
}

fn default_eps() -> f32 {
    1e-12
}

fn default_act() -> HiddenAct {
    HiddenAct::Gelu
}

impl BertConfig {
    fn check(&self, path: &Path) -> Result<(), Error> {
        let unsupported = |found: String, expected: &str| {
            Err(Error::Unsupported { path: path.into(), found, expected: expected.into() })
        };
        if let Some(other) = self.model_type.as_deref().filter(|&t| t != "bert") {
            return unsupported(format!("the model type is `{other}`"), "only `bert` models are read");
        }
        if let Some(other) = self.position_embedding_type.as_deref().filter(|&t| t != "absolute") {
            return unsupported(format!("positions are `{other}`"), "only `absolute` ones are read");
        }
        Ok(())
    }
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    model_max_length: Option<f64>,
}

#[derive(Default, Deserialize)]
struct TransformerConfig {
    max_seq_length: Option<usize>,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    path: String,
    r#type: String,
}

/// What follows the transformer.
struct Modules {
    transformer: TransformerConfig,
    pooling: Pooling,
    normalize: bool,
}

impl Modules {
    /// Reads `modules.json` and what it points to. Without one, the mean is taken, as the reference does.
    fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("modules.json");
        let list: Vec<Module> = read_json(&path)?.unwrap_or_default();
        let transformer = read_json(&directory.join("sentence_bert_config.json"))?.unwrap_or_default();
        Self::refuse_default_prompt(directory)?;
        let mut modules = Self { transformer, pooling: Pooling::Mean, normalize: false };
        for module in &list {
            // The type is a Python path that differs between versions; its last part does not.
            match module.r#type.rsplit('.').next().unwrap_or_default() {
                "Transformer" if module.path.is_empty() => {}
                "Transformer" => {
                    return Err(Error::Unsupported {
                        path,
                        found: format!("the transformer's files are in `{}`", module.path),
                        expected: "they are read beside `modules.json`; move them there".into(),
                    });
                }
                "Pooling" => modules.pooling = open_pooling(&directory.join(&module.path).join("config.json"))?,
                "Normalize" => modules.normalize = true,
                _ => {
                    return Err(Error::Unsupported {
                        path,
                        found: format!("module `{}`", module.r#type),
                        expected: "only Transformer, Pooling and Normalize are read".into(),
                    });
                }
            }
        }
        Ok(modules)
    }
}

#[derive(Default, Deserialize)]
struct PromptConfig {
    default_prompt_name: Option<String>,
}

impl Modules {
    /// A model that puts a prompt before every text would give other vectors than the reference.
    fn refuse_default_prompt(directory: &Path) -> Result<(), Error> {
        let path = directory.join("config_sentence_transformers.json");
        let config: PromptConfig = read_json(&path)?.unwrap_or_default();
        config.default_prompt_name.map_or(Ok(()), |name| {
            Err(Error::Unsupported {
                path,
                found: format!("the prompt `{name}` is put before every text"),
                expected: "only models without a default prompt are read".into(),
            })
        })
    }
}

/// The pooling's configuration: one name in new files, a row of switches in old ones.
#[derive(Default, Deserialize)]
struct PoolingConfig {
    pooling_mode: Option<serde_json::Value>,
    #[serde(flatten)]
    switches: serde_json::Map<String, serde_json::Value>,
}

fn open_pooling(path: &Path) -> Result<Pooling, Error> {
    let config: PoolingConfig = read_json(path)?.ok_or_else(|| Error::MissingFile {
        path: path.into(),
        file: "config.json",
        hint: " in the folder of its pooling, as `modules.json` says",
    })?;
    let on = config.switches.iter().filter(|(name, on)| name.starts_with("pooling_mode_") && **on == true);
    let mut modes: Vec<String> = on.map(|(name, _)| name["pooling_mode_".len()..].to_owned()).collect();
    match config.pooling_mode {
        Some(serde_json::Value::String(mode)) => modes = vec![mode],
        Some(serde_json::Value::Array(all)) => {
            modes = all.iter().map(|m| m.as_str().unwrap_or("?").to_owned()).collect();
        }
        _ => {}
    }
    match modes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        ["max" | "max_tokens"] => Ok(Pooling::Max),
        ref others => Err(Error::Unsupported {
            path: path.into(),
            found: format!("the pooling is `{}`", others.join(" + ")),
            expected: "only one of mean, cls and max is read".into(),
        }),
    }
}
