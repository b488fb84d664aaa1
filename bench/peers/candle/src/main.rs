//! The model run by candle, from safetensors; mean pooling and normalisation as in sentence-transformers.
//! Threads come from `RAYON_NUM_THREADS`.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use peer_common::{Arguments, BatchTokenizer, Outcome, run};
use std::fs;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse()?;
    let config: Config = serde_json::from_str(&fs::read_to_string(arguments.model.join("config.json"))?)?;
    let tokenizer = BatchTokenizer::open(&arguments.model)?;
    let device = Device::Cpu;
    // SAFETY: the weights are a file of this benchmark that nobody writes while it runs.
    let weights = unsafe { VarBuilder::from_mmaped_safetensors(&[&arguments.weights], DType::F32, &device)? };
    let model = BertModel::load(weights, &config)?;
    run(&arguments, |texts| {
        let batch = tokenizer.encode(texts)?;
        let shape = (batch.rows, batch.columns);
        let token_ids = Tensor::from_vec(batch.token_ids, shape, &device)?;
        let attention_mask = Tensor::from_vec(batch.attention_mask, shape, &device)?;
        let hidden = model.forward(&token_ids, &token_ids.zeros_like()?, Some(&attention_mask))?;
        let weight = attention_mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        // The length of the sum is divided out, so the mean needs no division of its own.
        let sum = hidden.broadcast_mul(&weight)?.sum(1)?;
        let length = sum.sqr()?.sum_keepdim(1)?.sqrt()?;
        Ok(sum.broadcast_div(&length)?.to_vec2::<f32>()?)
    })
}
