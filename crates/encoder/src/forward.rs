//! The forward pass: token ids to one vector a sequence.
//!
//! Devlin et al., *BERT: Pre-training of Deep Bidirectional Transformers*, 2019; Reimers and Gurevych,
//! *Sentence-BERT*, 2019. Sequences lie end to end and no padding is computed. Every step works on single
//! rows or single sequences in an order of its own, so a sequence's vector does not depend, in any bit, on
//! what else is in the batch.

use crate::config::Pooling;
use crate::model::{Linear, Model};
use libellus_kernels::{self as kernels, Activation, Crew, Isa, QuantizedRows};

/// Sequences of token ids, end to end.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// All tokens, `T`; every id is below the vocabulary's size.
    pub token_ids: &'a [u32],
    /// Tokens of each sequence; a tokenizer without special tokens makes 0 of an empty text.
    pub lengths: &'a [usize],
}

/// What all layers of a pass have in common.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub model: &'a Model,
    pub isa: Isa,
    pub crew: &'a Crew<'a>,
    /// Tokens of each sequence.
    pub lengths: &'a [usize],
}

/// A linear layer's place in a transformer layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Qkv,
    AttentionOutput,
    FeedForward,
    Output,
}

/// Memory that the forward pass works in, kept between batches.
#[derive(Default)]
pub(crate) struct Workspace {
    pub hidden: Vec<f32>,
    branch: Vec<f32>,
    wide: Vec<f32>,
    bytes: QuantizedRows,
}

/// One vector a sequence, `[B, H]`; zeros for a sequence without tokens.
pub(crate) fn forward(
    model: &Model,
    isa: Isa,
    crew: &Crew<'_>,
    batch: Batch<'_>,
    workspace: &mut Workspace,
) -> Vec<f32> {
    let mut vectors = forward_unscaled(model, isa, crew, batch, workspace); // [B, H]
    if model.config.normalize {
        for vector in vectors.chunks_exact_mut(model.config.hidden) {
            kernels::normalize(isa, vector);
        }
    }
    vectors
}

/// The same without the model's last step, if that is to normalise.
pub(crate) fn forward_unscaled(
    model: &Model,
    isa: Isa,
    crew: &Crew<'_>,
    batch: Batch<'_>,
    workspace: &mut Workspace,
) -> Vec<f32> {
    embed(model, isa, batch, &mut workspace.hidden); // [T, H]
    prepare(model, isa, workspace);
    let run = Run { model, isa, crew, lengths: batch.lengths };
    for i in 0..model.layers.len() - 1 {
        transform(run, i, workspace, &mut |_, _| ()); // [T, H]
    }
    transform_and_pool(run, workspace) // [B, H]
}

/// Word, position and type embeddings, added and normalised: `hidden[T, H]`.
pub(crate) fn embed(model: &Model, isa: Isa, batch: Batch<'_>, hidden: &mut Vec<f32>) {
    let h = model.config.hidden;
    hidden.resize(batch.token_ids.len() * h, 0.0);
    let positions = batch.lengths.iter().flat_map(|&length| 0..length);
    for ((&id, position), row) in batch.token_ids.iter().zip(positions).zip(hidden.chunks_exact_mut(h)) {
        model.words.add_to(isa, id as usize, &model.positions[position * h..][..h], row);
    }
    model.embedding_norm.apply(isa, hidden, model.config.layer_norm_eps);
}

/// Makes `hidden[T, H]` ready for the first layer.
fn prepare(model: &Model, isa: Isa, workspace: &mut Workspace) {
    model.layers[0].qkv.prepare(isa, &workspace.hidden, &mut workspace.bytes);
}

/// Layer `i`, in place on `workspace.hidden[T, H]`, which comes ready for it and goes ready for the next.
/// `observe` is shown the input of every linear layer.
pub(crate) fn transform(run: Run<'_>, i: usize, workspace: &mut Workspace, observe: &mut impl FnMut(Place, &[f32])) {
    attend(run, i, workspace, observe);
    feed(run, i, workspace, observe);
    let Run { model, isa, .. } = run;
    let next = model.layers.get(i + 1).map(|next| &next.qkv);
    let Workspace { hidden, branch, bytes, .. } = workspace;
    model.layers[i].output_norm.add_apply(isa, hidden, branch, model.config.layer_norm_eps, next, bytes); // [T, H]
}

/// The last layer and the pooling, row by row while a row is in the first-level cache: `[B, H]`.
///
/// Where only the first token's vector counts, no other goes further than the attention.
fn transform_and_pool(run: Run<'_>, workspace: &mut Workspace) -> Vec<f32> {
    let Run { model, isa, lengths, .. } = run;
    let (h, eps, pooling) = (model.config.hidden, model.config.layer_norm_eps, model.config.pooling);
    let last = model.layers.len() - 1;
    attend(run, last, workspace, &mut |_, _| ());
    if pooling == Pooling::Cls {
        keep_first_rows(&mut workspace.hidden, h, lengths);
        keep_first_rows(&mut workspace.branch, h, lengths);
    }
    feed(run, last, workspace, &mut |_, _| ());

    let Workspace { hidden, branch, bytes, .. } = workspace;
    let mut rows = hidden.chunks_exact_mut(h).zip(branch.chunks_exact(h));
    let mut vectors = vec![0.0; lengths.len() * h];
    for (&length, vector) in lengths.iter().zip(vectors.chunks_exact_mut(h)) {
        let length = if pooling == Pooling::Cls { length.min(1) } else { length };
        for (i, (row, branch)) in rows.by_ref().take(length).enumerate() {
            model.layers[last].output_norm.add_apply(isa, row, branch, eps, None, bytes);
            match pooling {
                _ if i == 0 => vector.copy_from_slice(row),
                Pooling::Max => kernels::max_assign(vector, row),
                Pooling::Mean | Pooling::Cls => kernels::add_assign(vector, row),
            }
        }
        if pooling == Pooling::Mean {
            vector.iter_mut().for_each(|x| *x /= length.max(1) as f32);
        }
    }
    vectors
}

/// The first row of each sequence, end to end, and nothing else.
fn keep_first_rows(rows: &mut Vec<f32>, width: usize, lengths: &[usize]) {
    let (mut from, mut to) = (0, 0);
    for &length in lengths.iter().filter(|&&length| length > 0) {
        rows.copy_within(from..from + width, to);
        (from, to) = (from + length * width, to + width);
    }
    rows.truncate(to);
}

/// Layer `i`'s attention of the tokens of each sequence to one another: from `hidden[T, H]` to `branch[T, H]`.
fn attend(run: Run<'_>, i: usize, workspace: &mut Workspace, observe: &mut impl FnMut(Place, &[f32])) {
    let Workspace { hidden, branch, wide, bytes } = workspace;
    let Run { model, isa, crew, lengths } = run;
    let (layer, h) = (&model.layers[i], model.config.hidden);
    let tokens = hidden.len() / h;

    let wide = room(wide, tokens * 3 * h);
    branch.resize(tokens * h, 0.0);
    observe(Place::Qkv, hidden);
    layer.qkv.apply(isa, crew, hidden, bytes, Activation::None, wide); // [T, 3H]
    let attention = match layer.qkv {
        Linear::F32 { .. } => kernels::attention,
        Linear::I8 { .. } => kernels::attention_i16,
    };
    attention(isa, crew, wide, lengths, model.config.heads, branch); // [T, H]  softmax(q·kᵀ/√D)·v
}

/// What follows [`attend`] in layer `i`, up to the last normalisation: `hidden[T, H]` and `branch[T, H]` to the two
/// that are to be added and normalised.
fn feed(run: Run<'_>, i: usize, workspace: &mut Workspace, observe: &mut impl FnMut(Place, &[f32])) {
    let Workspace { hidden, branch, wide, bytes } = workspace;
    let Run { model, isa, crew, .. } = run;
    let (layer, h, eps) = (&model.layers[i], model.config.hidden, model.config.layer_norm_eps);
    let tokens = hidden.len() / h;

    observe(Place::AttentionOutput, branch);
    layer.attention_output.prepare(isa, branch, bytes);
    let output = room(wide, tokens * h);
    layer.attention_output.apply(isa, crew, branch, bytes, Activation::None, output); // [T, H]
    layer.attention_norm.add_apply(isa, hidden, output, eps, Some(&layer.feed_forward), bytes); // [T, H]

    let wide = room(wide, tokens * model.config.feed_forward);
    observe(Place::FeedForward, hidden);
    layer.feed_forward.apply(isa, crew, hidden, bytes, model.config.hidden_act.activation(), wide); // [T, F]
    observe(Place::Output, wide);
    layer.output.prepare(isa, wide, bytes);
    layer.output.apply(isa, crew, wide, bytes, Activation::None, branch); // [T, H]
}

/// The first `len` places of `memory`, whatever they hold.
fn room(memory: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if memory.len() < len {
        memory.resize(len, 0.0);
    }
    &mut memory[..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Directory;
    use serde_json::Value;
    use std::path::Path;

    /// Every layer against the hidden states of the reference, so that a mistake is found where it is made.
    #[test]
    fn every_layer_equals_the_reference() {
        let Some(directory) = std::env::var_os("LIBELLUS_TEST_MODEL_DIR") else {
            println!("skipped: set LIBELLUS_TEST_MODEL_DIR to the original model, or run `cargo xtask test`");
            return;
        };
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let read = |name: &str| std::fs::read(golden.join(name)).expect("golden data is committed");
        let states: Value = serde_json::from_slice(&read("all-MiniLM-L6-v2.layers.json")).expect("JSON");
        let floats = read("all-MiniLM-L6-v2.layers.f32");
        let floats: Vec<f32> = floats.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let model = Directory::open(Path::new(&directory)).expect("the original opens").dense.to_model();

        for text in states["texts"].as_array().expect("a list of texts") {
            let number = |value: &Value| value.as_u64().expect("a number") as usize;
            let ids = text["input_ids"].as_array().expect("token ids");
            let token_ids: Vec<u32> = ids.iter().map(|id| number(id) as u32).collect();
            let lengths = [token_ids.len()];
            let size = token_ids.len() * model.config.hidden;
            let mut expected = floats[number(&text["offset"])..].chunks_exact(size);
            let mut workspace = Workspace::default();
            let batch = Batch { token_ids: &token_ids, lengths: &lengths };
            embed(&model, Isa::best(), batch, &mut workspace.hidden);
            assert_close(&workspace.hidden, expected.next().expect("the embeddings"), "embeddings");
            let run = Run { model: &model, isa: Isa::best(), crew: &Crew::ALONE, lengths: &lengths };
            for i in 0..model.layers.len() {
                transform(run, i, &mut workspace, &mut |_, _| ());
                assert_close(&workspace.hidden, expected.next().expect("a layer"), &format!("layer {i}"));
            }
        }
    }

    /// Hidden states are not normalised; their components reach 10.
    fn assert_close(got: &[f32], expected: &[f32], what: &str) {
        let largest = got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(got.len() == expected.len() && largest <= 1e-5, "{what}: largest difference {largest}");
    }
}
