"""The model as ONNX: in 32-bit floats, and quantized the two ways that ONNX Runtime knows.

    convert_onnx.py MODEL_DIR OUT_DIR     (in the virtual environment)

Mean pooling and normalisation are part of the graph. Writes
    f32.onnx         as exported
    int8.onnx        quantize_dynamic per channel
    f32_fused.onnx   after ONNX Runtime's own optimizer for transformers
    int8_fused.onnx  that one quantized
Per tensor is not offered: it costs six points of cosine and is no faster.
"""

import sys
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import AutoModel

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Embedder(torch.nn.Module):
    """The model with its pooling: token ids to unit vectors."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        hidden = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(torch.float32)
        mean = (hidden * weight).sum(1) / weight.sum(1)
        return mean / torch.sqrt((mean * mean).sum(-1, keepdim=True))


def export(model_dir, path):
    # "eager" is the attention whose graph the optimizer recognises.
    model = AutoModel.from_pretrained(model_dir, attn_implementation="eager", dtype=torch.float32).eval()
    token_ids = torch.randint(1000, 20000, (3, 17))
    attention_mask = torch.ones_like(token_ids)
    attention_mask[1, 9:] = 0
    torch.onnx.export(
        Embedder(model).eval(),
        (token_ids, attention_mask, torch.zeros_like(token_ids)),
        str(path),
        # The older exporter: its graph is the one that the fusions were written for.
        dynamo=False,
        opset_version=17,
        input_names=INPUTS,
        output_names=["embedding"],
        dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in INPUTS}, "embedding": {0: "batch"}},
    )


def quantize(source, path):
    quantize_dynamic(
        str(source),
        str(path),
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def main():
    model_dir, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    export(model_dir, out / "f32.onnx")
    fused = optimizer.optimize_model(
        str(out / "f32.onnx"), model_type="bert", num_heads=12, hidden_size=384, opt_level=0
    )
    fused.save_model_to_file(str(out / "f32_fused.onnx"))
    print("fused:", {name: count for name, count in fused.get_fused_operator_statistics().items() if count})
    quantize(out / "f32.onnx", out / "int8.onnx")
    quantize(out / "f32_fused.onnx", out / "int8_fused.onnx")


if __name__ == "__main__":
    main()
