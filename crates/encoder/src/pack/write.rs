//! Makes a pack: quantises a model's weights to 8 bits and lays them out.
//!
//! * Word embeddings: each row has its own scale.
//! * Linear layers: each output has its own scale. Inputs are quantised a token at a time when the model
//!   runs, so one channel with outliers would cost all others their resolution. Such channels are moved
//!   into the weights, as in Xiao et al., *SmoothQuant*, 2023: an input channel `k` is divided by
//!   `s[k] = √(largest input / largest weight)` and its weights are multiplied by it. The division is part
//!   of the step that quantises the input, so it costs nothing in any place of the network.
//! * The largest input of every channel is found by running the float model on a fixed list of texts
//!   ([`CALIBRATION`]). The float path gives the same bits on every CPU, so a pack is the same everywhere.

use super::{Entry, Header, MAGIC, PREFIX, SUM, VERSION, names, sum};
use crate::bytes::ALIGNMENT;
use crate::directory::{Directory, hex};
use crate::forward::{Batch, Place, Workspace, embed, transform};
use crate::model::{DenseLinear, LayerNorm};
use crate::{Error, Precision};
use libellus_kernels::{self as kernels, Isa};
use std::path::Path;

/// Texts that inputs are measured on, one a line: book descriptions and queries of the sample catalogue.
const CALIBRATION: &str = include_str!("../../../../models/calibration.txt");

/// The pack of the model in `directory`, called `name`.
pub fn write(directory: &Path, name: &str) -> Result<Vec<u8>, Error> {
    let source = Directory::open(directory)?;
    let inputs = measure_inputs(&source);
    let mut parts = Parts::default();
    parts.add(names::TOKENIZER, &source.tokenizer.to_packed());
    parts.add_words(&source.dense.words, source.dense.config.hidden);
    parts.add(names::POSITIONS, bytemuck::cast_slice(&source.dense.positions));
    parts.add_norm(names::EMBEDDING_NORM, &source.dense.embedding_norm);
    for (i, (layer, inputs)) in source.dense.layers.iter().zip(&inputs).enumerate() {
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
        precision: Precision::Int8.as_str().to_owned(),
        source_sha256: hex(&source.weights_sha256),
        config: source.dense.config,
        tensors: Vec::new(),
    }))
}

/// The largest magnitude of every input channel of a layer's four products.
#[derive(Default)]
struct Inputs([Vec<f32>; 4]);

impl Inputs {
    fn of(&self, place: Place) -> &[f32] {
        &self.0[place as usize]
    }

    fn see(&mut self, place: Place, rows: &[f32], tokens: usize) {
        let width = rows.len() / tokens;
        let largest = &mut self.0[place as usize];
        largest.resize(width, 0.0);
        for row in rows.chunks_exact(width) {
            for (largest, x) in largest.iter_mut().zip(row) {
                *largest = largest.max(x.abs());
            }
        }
    }
}

/// Runs the float model on [`CALIBRATION`].
fn measure_inputs(source: &Directory) -> Vec<Inputs> {
    let model = source.dense.to_model();
    let mut inputs: Vec<Inputs> = model.layers.iter().map(|_| Inputs::default()).collect();
    let (mut token_ids, mut workspace) = (Vec::new(), Workspace::default());
    for text in CALIBRATION.lines() {
        token_ids.clear();
        source.tokenizer.encode(text, model.config.max_tokens, &mut token_ids);
        let tokens = token_ids.len();
        embed(&model, Isa::best(), Batch { token_ids: &token_ids, lengths: &[tokens] }, &mut workspace.hidden);
        for (layer, inputs) in model.layers.iter().zip(&mut inputs) {
            let mut observe = |place, rows: &[f32]| inputs.see(place, rows, tokens);
            transform(&model, layer, Isa::best(), &[tokens], &mut workspace, &mut observe);
        }
    }
    inputs
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

    fn add_words(&mut self, words: &[f32], hidden: usize) {
        let (rows, scales) = quantize_rows(words, hidden);
        self.add(&format!("{}.rows", names::WORDS), bytemuck::cast_slice(&rows));
        self.add(&format!("{}.scales", names::WORDS), bytemuck::cast_slice(&scales));
    }

    /// `largest_inputs` are the layer's input channels', measured.
    fn add_linear(&mut self, name: &str, linear: &DenseLinear, largest_inputs: &[f32]) {
        let (k, n) = (linear.k(), linear.bias.len());
        let divisors = divisors(&linear.weight, largest_inputs);
        let mut weight = linear.weight.clone();
        for row in weight.chunks_exact_mut(k) {
            for (w, divisor) in row.iter_mut().zip(&divisors) {
                *w *= divisor;
            }
        }
        let (weight, scales) = quantize_rows(&weight, k);
        let multiplier: Vec<f32> = divisors.iter().map(|d| 1.0 / d).collect();
        self.add(&format!("{name}.packed"), bytemuck::cast_slice(&kernels::pack_i8(&weight, k, n)));
        self.add(&format!("{name}.scales"), bytemuck::cast_slice(&scales));
        self.add(&format!("{name}.column_sums"), bytemuck::cast_slice(&kernels::column_sums(&weight, k)));
        self.add(&format!("{name}.bias"), bytemuck::cast_slice(&linear.bias));
        self.add(&format!("{name}.multiplier"), bytemuck::cast_slice(&multiplier));
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

/// What each input channel is divided by: `√(largest input / largest weight)`, within 1/64 … 64.
///
/// A channel that is always zero is left alone.
fn divisors(weight: &[f32], largest_inputs: &[f32]) -> Vec<f32> {
    let mut largest_weights = vec![0f32; largest_inputs.len()];
    for row in weight.chunks_exact(largest_inputs.len()) {
        for (largest, w) in largest_weights.iter_mut().zip(row) {
            *largest = largest.max(w.abs());
        }
    }
    let divisor = |(&input, &weight): (&f32, &f32)| match input > 0.0 && weight > 0.0 {
        true => (input / weight).sqrt().clamp(1.0 / 64.0, 64.0),
        false => 1.0,
    };
    largest_inputs.iter().zip(&largest_weights).map(divisor).collect()
}

/// Rounds each row of `width` to -127 ..= 127 times its own scale.
fn quantize_rows(values: &[f32], width: usize) -> (Vec<i8>, Vec<f32>) {
    let rows = values.chunks_exact(width);
    let scale = |row: &[f32]| row.iter().fold(0f32, |largest, x| largest.max(x.abs())).max(f32::MIN_POSITIVE) / 127.0;
    let scales: Vec<f32> = rows.clone().map(scale).collect();
    let quantized = rows.zip(&scales).flat_map(|(row, scale)| row.iter().map(move |x| (x / scale).round() as i8));
    (quantized.collect(), scales)
}
