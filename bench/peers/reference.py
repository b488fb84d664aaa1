"""The vectors that every engine is held to: PyTorch in 32-bit floats, one text at a time, so without padding.

    reference.py MODEL_DIR DATA_DIR       (in the virtual environment)

Writes w2.f32 into DATA_DIR: a unit vector for each description, as little-endian floats.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModel


def main():
    model_dir, data = sys.argv[1], Path(sys.argv[2])
    model = AutoModel.from_pretrained(model_dir, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(f"{model_dir}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=256)
    # One thread, so that the sums do not depend on how many there are.
    torch.set_num_threads(1)
    vectors = bytearray()
    with torch.inference_mode():
        for line in (data / "w2.jsonl").read_text(encoding="utf-8").splitlines():
            token_ids = torch.tensor([tokenizer.encode(json.loads(line)["text"]).ids])
            mean = model(input_ids=token_ids).last_hidden_state[0].double().mean(0)
            vectors += (mean / mean.norm()).numpy().astype("<f4").tobytes()
    (data / "w2.f32").write_bytes(vectors)


if __name__ == "__main__":
    main()
