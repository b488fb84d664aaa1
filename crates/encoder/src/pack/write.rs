//! Makes a pack: quantises a model's weights to 8 bits and lays them out.
//!
//! * Word embeddings: each row has its own scale; 4 bits instead of 8 if asked for ([`super::words`]).
//! * Linear layers: each output has its own scale, and rounding is fitted to what the layers see
//!   ([`super::quantize`]).
//! * The rest (positions, LayerNorm, biases) stays float: it is 2 % of the file.

use super::calibrate::Calibration;
use super::quantize::{quantize_linear, quantize_words};
use super::words::quantize_words_i4;
use super::{Entry, Header, MAGIC, PREFIX, SUM, VERSION, names, sum};
use crate::bytes::ALIGNMENT;
use crate::directory::{Directory, hex};
use crate::forward::Place;
use crate::model::{DenseLinear, LayerNorm};
use crate::{Error, Precision};
use libellus_kernels as kernels;
use std::path::Path;

/// Longest name of a model, in bytes, and widest layer that is packed: fitting it takes two square matrices.
const LONGEST_NAME: usize = 100;
const WIDEST: usize = 16_384;

/// How many bits a word embedding's values have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordBits {
    /// All but exact.
    Eight,
    /// Half the size, for the smallest deployment: a quarter off the whole pack, a little off its accuracy.
    Four,
}

impl WordBits {
    fn precision(self) -> Precision {
        match self {
            WordBits::Eight => Precision::Int8,
            WordBits::Four => Precision::Int8Words4,
        }
    }
}

/// The pack of the model in `directory`, called `name`.
///
/// # Errors
/// If the model does not open, is too wide, or the name is not one.
pub fn write(directory: &Path, name: &str, word_bits: WordBits) -> Result<Vec<u8>, Error> {
    let refuse = |reason| Err(Error::CannotPack { path: directory.into(), reason });
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return refuse(format!("`{}` is not a name; give 1 to {LONGEST_NAME} bytes of text", name.escape_debug()));
    }
    let source = Directory::open(directory)?;
    let widest = source.dense.config.hidden.max(source.dense.config.feed_forward);
    if widest > WIDEST {
        return refuse(format!("a layer has {widest} inputs; at most {WIDEST} can be fitted"));
    }
    let mut calibration = Calibration::new(&source);
    let mut parts = Parts::default();
    parts.add(names::TOKENIZER, &source.tokenizer.to_packed());
    parts.add_words(&source.dense.words, source.dense.config.hidden, word_bits);
    parts.add(names::POSITIONS, bytemuck::cast_slice(&source.dense.positions));
    parts.add_norm(names::EMBEDDING_NORM, &source.dense.embedding_norm);
    for (i, layer) in source.dense.layers.iter().enumerate() {
        let inputs = calibration.run_layer(i);
        let at = |part| names::layer(i, part);
        parts.add_linear(&at(names::QKV), &layer.qkv, inputs.of(Place::Qkv));
        parts.add_linear(&at(names::ATTENTION_OUTPUT), &layer.attention_output, inputs.of(Place::AttentionOutput));
        parts.add_norm(&at(names::ATTENTION_NORM), &layer.attention_norm);
        parts.add_linear(&at(names::FEED_FORWARD), &layer.feed_forward, inputs.of(Place::FeedForward));
        parts.add_linear(&at(names::OUTPUT), &layer.output, inputs.of(Place::Output));
        parts.add_norm(&at(names::OUTPUT_NORM), &layer.output_norm);
    }
    Ok(parts.finish(Header {
        name: name.to_owned(),
        space: source.fingerprint().space,
        precision: word_bits.precision().as_str().to_owned(),
        source_sha256: hex(&source.weights_sha256),
        config: source.dense.config,
        tensors: Vec::new(),
    }))
}

/// The tensors of a pack in the making.
#[derive(Default)]
struct Parts(Vec<(String, Vec<u8>)>);

impl Parts {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        self.0.push((name.to_owned(), bytes.to_vec()));
    }

    fn add_norm(&mut self, name: &str, norm: &LayerNorm) {
        self.add(&format!("{name}.gamma"), bytemuck::cast_slice(&norm.gamma));
        self.add(&format!("{name}.beta"), bytemuck::cast_slice(&norm.beta));
    }

    fn add_words(&mut self, words: &[f32], hidden: usize, bits: WordBits) {
        let at = |part| format!("{}.{part}", names::WORDS);
        let scales = match bits {
            WordBits::Eight => {
                let (rows, scales) = quantize_words(words, hidden);
                self.add(&at("rows"), bytemuck::cast_slice(&rows));
                scales
            }
            WordBits::Four => {
                let words = quantize_words_i4(words, hidden);
                self.add(&at("codes"), &words.codes);
                self.add(&at("multipliers"), &words.multipliers);
                words.scales
            }
        };
        self.add(&at("scales"), bytemuck::cast_slice(&scales));
    }

    /// `inputs[T, K]` are rows that the layer saw.
    fn add_linear(&mut self, name: &str, linear: &DenseLinear, inputs: &[f32]) {
        let (k, n) = (linear.k(), linear.bias.len());
        let quantized = quantize_linear(linear, inputs);
        self.add(&format!("{name}.packed"), bytemuck::cast_slice(&kernels::pack_i8(&quantized.weight, k, n)));
        self.add(&format!("{name}.scales"), bytemuck::cast_slice(&quantized.scales));
        self.add(&format!("{name}.column_sums"), bytemuck::cast_slice(&kernels::column_sums(&quantized.weight, k)));
        self.add(&format!("{name}.bias"), bytemuck::cast_slice(&linear.bias));
        self.add(&format!("{name}.multiplier"), bytemuck::cast_slice(&quantized.multiplier));
    }

    /// Prefix, header and tensors, as one file.
    fn finish(self, mut header: Header) -> Vec<u8> {
        // The header names the offsets, which depend on its own length: lay out after room for it, rounded
        // up generously, so that one pass is enough.
        let room = PREFIX + 512 + self.0.iter().map(|(name, _)| name.len() + 64).sum::<usize>();
        let mut offset = room.next_multiple_of(ALIGNMENT);
        for (name, bytes) in &self.0 {
            header.tensors.push(Entry { name: name.clone(), offset, len: bytes.len() });
            offset = (offset + bytes.len()).next_multiple_of(ALIGNMENT);
        }
        let json = serde_json::to_vec(&header).expect("a header is plain data");
        let mut pack = vec![0; PREFIX];
        pack[..8].copy_from_slice(MAGIC);
        pack[8..12].copy_from_slice(&VERSION.to_le_bytes());
        pack[12..16].copy_from_slice(&(json.len() as u32).to_le_bytes());
        pack.extend(json);
        for (entry, (_, bytes)) in header.tensors.iter().zip(&self.0) {
            assert!(pack.len() <= entry.offset, "the room for the header was too small");
            pack.resize(entry.offset, 0);
            pack.extend(bytes);
        }
        let sum = sum(&pack);
        pack[SUM].copy_from_slice(&sum);
        pack
    }
}
