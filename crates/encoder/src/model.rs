//! A model's weights, as the forward pass reads them.

use crate::Error;
use crate::config::Config;
use crate::tensor::Tensor;
use crate::weights::Weights;
use libellus_kernels::{
    self as kernels, Activation, Crew, GROUP, GROUP_BYTES, Isa, LinearF32, LinearI8, QuantizedRows, RowI4,
};

/// A BERT encoder.
pub(crate) struct Model {
    pub config: Config,
    pub words: WordEmbeddings,
    /// `[max_tokens, H]`; the embedding of token type 0, which every token has, is already added.
    pub positions: Tensor<f32>,
    pub embedding_norm: LayerNorm,
    pub layers: Vec<Layer>,
}

/// `[V, H]`.
pub(crate) enum WordEmbeddings {
    F32(Tensor<f32>),
    /// Each row has its own scale.
    I8 {
        rows: Tensor<i8>,
        scales: Tensor<f32>,
    },
    /// Each row has its own scale, and each group of a row its own multiplier.
    I4 {
        codes: Tensor<u8>,
        multipliers: Tensor<u8>,
        scales: Tensor<f32>,
    },
}

impl WordEmbeddings {
    /// `out[H] = word[id] + position[H]`.
    pub(crate) fn add_to(&self, isa: Isa, id: usize, position: &[f32], out: &mut [f32]) {
        let h = out.len();
        match self {
            WordEmbeddings::F32(words) => {
                out.copy_from_slice(&words[id * h..][..h]);
                kernels::add_assign(out, position);
            }
            WordEmbeddings::I8 { rows, scales } => {
                kernels::dequantize_add(isa, &rows[id * h..][..h], scales[id], position, out);
            }
            WordEmbeddings::I4 { codes, multipliers, scales } => {
                let groups = h.div_ceil(GROUP);
                let row = RowI4 {
                    codes: &codes[id * groups * GROUP_BYTES..][..groups * GROUP_BYTES],
                    multipliers: &multipliers[id * groups..][..groups],
                    scale: scales[id],
                };
                kernels::dequantize_add_i4(isa, row, position, out);
            }
        }
    }
}

/// One transformer layer.
pub(crate) struct Layer {
    /// Query, key and value as one product, `[H, 3H]`.
    pub qkv: Linear,
    pub attention_output: Linear,
    pub attention_norm: LayerNorm,
    /// `[H, F]`.
    pub feed_forward: Linear,
    /// `[F, H]`.
    pub output: Linear,
    pub output_norm: LayerNorm,
}

#[derive(Clone)]
pub(crate) struct LayerNorm {
    pub gamma: Tensor<f32>,
    pub beta: Tensor<f32>,
}

/// A linear layer in one of two precisions.
pub(crate) enum Linear {
    F32 {
        packed: Tensor<f32>,
        bias: Tensor<f32>,
        k: usize,
    },
    I8 {
        packed: Tensor<i8>,
        scales: Tensor<f32>,
        column_sums: Tensor<i32>,
        bias: Tensor<f32>,
        /// `[K]`: inputs are multiplied by it before they are quantised, and the weights were divided by
        /// it, so that channels with outliers do not spoil the resolution of the others.
        multiplier: Tensor<f32>,
    },
}

impl Linear {
    /// Makes `x[T, K]` ready to be the layer's input, in `bytes`, if the layer reads bytes.
    pub(crate) fn prepare(&self, isa: Isa, x: &[f32], bytes: &mut QuantizedRows) {
        if let Linear::I8 { multiplier, .. } = self {
            kernels::quantize_rows(isa, x, multiplier, bytes);
        }
    }

    /// `out[T, N] = activation(x[T, K] · weight + bias)`, where `bytes` are `x` [made ready](Linear::prepare).
    pub(crate) fn apply(
        &self,
        isa: Isa,
        crew: &Crew<'_>,
        x: &[f32],
        bytes: &QuantizedRows,
        activation: Activation,
        out: &mut [f32],
    ) {
        match self {
            Linear::F32 { packed, bias, k } => LinearF32 { packed, bias, k: *k }.apply(isa, crew, x, activation, out),
            Linear::I8 { packed, scales, column_sums, bias, multiplier } => {
                let layer = LinearI8 { packed, scales, column_sums, bias, k: multiplier.len() };
                kernels::linear_i8(isa, crew, bytes, &layer, activation, out);
            }
        }
    }
}

impl LayerNorm {
    /// Normalises `x[T, H]` in place.
    pub(crate) fn apply(&self, isa: Isa, x: &mut [f32], eps: f32) {
        self.kernel(eps).apply(isa, x);
    }

    /// Normalises `x[T, H] + branch[T, H]` to `x`, and makes it ready for `next`.
    pub(crate) fn add_apply(
        &self,
        isa: Isa,
        x: &mut [f32],
        branch: &[f32],
        eps: f32,
        next: Option<&Linear>,
        bytes: &mut QuantizedRows,
    ) {
        match next {
            Some(Linear::I8 { multiplier, .. }) => {
                self.kernel(eps).add_apply_quantize(isa, x, branch, multiplier, bytes);
            }
            Some(Linear::F32 { .. }) | None => {
                kernels::add_assign(x, branch);
                self.apply(isa, x, eps);
            }
        }
    }

    fn kernel(&self, eps: f32) -> kernels::LayerNorm<'_> {
        kernels::LayerNorm { gamma: &self.gamma, beta: &self.beta, eps }
    }
}

impl Model {
    /// Everything that is stored as floats: what is not quantised, and the scales of what is.
    pub(crate) fn floats(&self) -> Vec<&[f32]> {
        let mut all: Vec<&[f32]> = vec![&self.positions, &self.embedding_norm.gamma, &self.embedding_norm.beta];
        all.push(match &self.words {
            WordEmbeddings::F32(words) => words,
            WordEmbeddings::I8 { scales, .. } | WordEmbeddings::I4 { scales, .. } => scales,
        });
        for layer in &self.layers {
            for norm in [&layer.attention_norm, &layer.output_norm] {
                all.extend([&*norm.gamma, &*norm.beta]);
            }
            for linear in [&layer.qkv, &layer.attention_output, &layer.feed_forward, &layer.output] {
                match linear {
                    Linear::F32 { packed, bias, .. } => all.extend([&**packed, &**bias]),
                    Linear::I8 { scales, bias, multiplier, .. } => all.extend([&**scales, &**bias, &**multiplier]),
                }
            }
        }
        all
    }

    /// Bytes of weights.
    pub(crate) fn size_bytes(&self) -> usize {
        let floats = |tensor: &Tensor<f32>| size_of_val::<[f32]>(tensor);
        let norm = |norm: &LayerNorm| floats(&norm.gamma) + floats(&norm.beta);
        let linear = |linear: &Linear| match linear {
            Linear::F32 { packed, bias, .. } => floats(packed) + floats(bias),
            Linear::I8 { packed, scales, column_sums, bias, multiplier } => {
                packed.len() + floats(scales) + size_of_val::<[i32]>(column_sums) + floats(bias) + floats(multiplier)
            }
        };
        let words = match &self.words {
            WordEmbeddings::F32(rows) => floats(rows),
            WordEmbeddings::I8 { rows, scales } => rows.len() + floats(scales),
            WordEmbeddings::I4 { codes, multipliers, scales } => codes.len() + multipliers.len() + floats(scales),
        };
        let layers = self.layers.iter().map(|layer| {
            let Layer { qkv, attention_output, attention_norm, feed_forward, output, output_norm } = layer;
            [qkv, attention_output, feed_forward, output].map(linear).iter().sum::<usize>()
                + norm(attention_norm)
                + norm(output_norm)
        });
        words + floats(&self.positions) + norm(&self.embedding_norm) + layers.sum::<usize>()
    }
}

/// A linear layer as PyTorch stores it.
pub(crate) struct DenseLinear {
    /// `[N, K]`.
    pub weight: Vec<f32>,
    /// `[N]`.
    pub bias: Vec<f32>,
}

impl DenseLinear {
    pub(crate) fn k(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    fn pack(&self) -> Linear {
        let packed = kernels::pack_f32(&self.weight, self.k(), self.bias.len());
        Linear::F32 { packed: Tensor::from_values(&packed), bias: Tensor::from_values(&self.bias), k: self.k() }
    }
}

/// A layer as PyTorch stores it, with query, key and value joined.
pub(crate) struct DenseLayer {
    pub qkv: DenseLinear,
    pub attention_output: DenseLinear,
    pub attention_norm: LayerNorm,
    pub feed_forward: DenseLinear,
    pub output: DenseLinear,
    pub output_norm: LayerNorm,
}

/// A model of floats in PyTorch's layout: what is opened, and what packs are made from.
pub(crate) struct DenseModel {
    pub config: Config,
    pub words: Vec<f32>,
    pub positions: Vec<f32>,
    pub embedding_norm: LayerNorm,
    pub layers: Vec<DenseLayer>,
}

impl DenseModel {
    /// Takes the tensors that `config` asks for out of `weights`.
    pub(crate) fn read(config: Config, weights: &Weights<'_>) -> Result<Self, Error> {
        let (h, f) = (config.hidden, config.feed_forward);
        let norm = |name: &str| -> Result<LayerNorm, Error> {
            let floats = |part| weights.floats(&format!("{name}.{part}"), &[h]).map(|x| Tensor::from_values(&x));
            Ok(LayerNorm { gamma: floats("weight")?, beta: floats("bias")? })
        };
        let linear = |name: &str, k: usize, n: usize| -> Result<DenseLinear, Error> {
            let weight = weights.floats(&format!("{name}.weight"), &[n, k])?;
            Ok(DenseLinear { weight, bias: weights.floats(&format!("{name}.bias"), &[n])? })
        };
        let layer = |i: usize| -> Result<DenseLayer, Error> {
            let at = |name: &str| format!("encoder.layer.{i}.{name}");
            let mut qkv = linear(&at("attention.self.query"), h, h)?;
            for part in ["key", "value"] {
                let part = linear(&at(&format!("attention.self.{part}")), h, h)?;
                qkv.weight.extend(part.weight);
                qkv.bias.extend(part.bias);
            }
            Ok(DenseLayer {
                qkv,
                attention_output: linear(&at("attention.output.dense"), h, h)?,
                attention_norm: norm(&at("attention.output.LayerNorm"))?,
                feed_forward: linear(&at("intermediate.dense"), h, f)?,
                output: linear(&at("output.dense"), f, h)?,
                output_norm: norm(&at("output.LayerNorm"))?,
            })
        };
        Ok(Self {
            words: weights.floats("embeddings.word_embeddings.weight", &[config.vocabulary, h])?,
            positions: Self::positions(&config, weights)?,
            embedding_norm: norm("embeddings.LayerNorm")?,
            layers: (0..config.layers).map(layer).collect::<Result<_, _>>()?,
            config,
        })
    }

    /// The positions that texts reach, each plus the embedding of token type 0.
    fn positions(config: &Config, weights: &Weights<'_>) -> Result<Vec<f32>, Error> {
        let h = config.hidden;
        let mut positions = weights.floats_from("embeddings.position_embeddings.weight", config.max_tokens, h)?;
        let types = weights.floats_from("embeddings.token_type_embeddings.weight", 1, h)?;
        positions.truncate(config.max_tokens * h);
        for position in positions.chunks_exact_mut(h) {
            kernels::add_assign(position, &types[..h]);
        }
        Ok(positions)
    }

    /// The model in the layout of the kernels.
    pub(crate) fn to_model(&self) -> Model {
        let layers = self.layers.iter().map(|layer| Layer {
            qkv: layer.qkv.pack(),
            attention_output: layer.attention_output.pack(),
            attention_norm: layer.attention_norm.clone(),
            feed_forward: layer.feed_forward.pack(),
            output: layer.output.pack(),
            output_norm: layer.output_norm.clone(),
        });
        Model {
            layers: layers.collect(),
            config: self.config.clone(),
            words: WordEmbeddings::F32(Tensor::from_values(&self.words)),
            positions: Tensor::from_values(&self.positions),
            embedding_norm: self.embedding_norm.clone(),
        }
    }
}
