//! The model run by rten, from an ONNX file whose output is the pooled unit vector.
//! Threads come from `RTEN_NUM_THREADS`.

use peer_common::{Arguments, BatchTokenizer, Outcome, run};
use rten::{ModelOptions, Value};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

fn main() -> Outcome<()> {
    let arguments = Arguments::parse()?;
    if arguments.mode == "tokenize" {
        return run(&arguments, |_| Err("this workload runs no model".into()));
    }
    let tokenizer = BatchTokenizer::open(&arguments.model)?;
    let mut options = ModelOptions::with_all_ops();
    // Packing pays when a model is used more than once; each workload gets what suits it.
    options.prepack_weights(arguments.mode != "cold");
    let model = options.load_file(&arguments.weights)?;
    let token_ids = model.node_id("input_ids")?;
    let attention_mask = model.node_id("attention_mask")?;
    let token_types = model.node_id("token_type_ids")?;
    let embedding = model.node_id("embedding")?;
    run(&arguments, |texts| {
        let batch = tokenizer.encode(texts)?;
        let shape = [batch.rows, batch.columns];
        let matrix =
            |values: &[u32]| NdTensor::from_data(shape, values.iter().map(|&x| x as i32).collect::<Vec<i32>>());
        let (ids, mask) = (matrix(&batch.token_ids), matrix(&batch.attention_mask));
        let types = NdTensor::<i32, 2>::zeros(shape);
        let inputs = vec![
            (token_ids, ids.view().into()),
            (attention_mask, mask.view().into()),
            (token_types, types.view().into()),
        ];
        let [output] = model.run_n(inputs, [embedding], None)?;
        let Value::FloatTensor(output) = output else { return Err("the embedding is not of floats".into()) };
        let output: NdTensor<f32, 2> = output.try_into().map_err(|_| "the embedding is not a matrix")?;
        Ok((0..batch.rows).map(|row| output.slice(row).to_vec()).collect())
    })
}
