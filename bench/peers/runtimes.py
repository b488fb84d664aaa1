"""The Python runtimes, each opened the way that its documentation advises and that serves it best.

`open_runtime` gives an embedder: an object with `embed(texts)`, which returns a matrix of unit vectors, and perhaps
`embed_all(texts)`, if the runtime sorts and schedules batches itself. All of them tokenize the texts.
Imports are inside the functions, as a process pays only for the runtime that it measures.
"""

import numpy as np

WINDOW = 256


def open_runtime(options):
    """`options` has runtime, model, weights, precision, threads, batch and mode."""
    makers = {
        "ctranslate2": CTranslate2,
        "onnxruntime": OnnxRuntime,
        "openvino": OpenVino,
        "sentence-transformers": SentenceTransformers,
    }
    return makers[options.runtime](options)


def longest_first(texts):
    """The positions of the texts, those of similar length together."""
    return sorted(range(len(texts)), key=lambda i: -len(texts[i]))


def open_tokenizer(model, padding=True):
    """The model's tokenizer. Its own truncation (128) and fixed padding (128) are overridden: with them every short
    query would be computed as 128 tokens."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.enable_truncation(max_length=WINDOW)
    if padding:
        tokenizer.enable_padding()
    else:
        tokenizer.no_padding()
    return tokenizer


def encode(tokenizer, texts):
    """A batch of one skips the tokenizer's thread pool."""
    return tokenizer.encode_batch(texts) if len(texts) > 1 else [tokenizer.encode(texts[0])]


def onnx_inputs(tokenizer, texts):
    """The three inputs of the exported graph."""
    encodings = encode(tokenizer, texts)
    token_ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
    attention_mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
    return {"input_ids": token_ids, "attention_mask": attention_mask, "token_type_ids": np.zeros_like(token_ids)}


class SentenceTransformers:
    """What most people use; PyTorch in 32-bit floats."""

    def __init__(self, options):
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(options.threads)
        self.model = SentenceTransformer(options.model, device="cpu")
        self.batch = options.batch
        if self.model.max_seq_length != WINDOW:
            raise SystemExit(f"the model reads {self.model.max_seq_length} tokens, not {WINDOW}")

    def embed(self, texts):
        return self.model.encode(
            texts, batch_size=self.batch, normalize_embeddings=True, show_progress_bar=False
        )

    # The library sorts by length itself.
    embed_all = embed


class OnnxRuntime:
    """One session; all its graph optimizations are on."""

    def __init__(self, options):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            options.weights, settings, providers=["CPUExecutionProvider"]
        )
        self.tokenizer = open_tokenizer(options.model)

    def embed(self, texts):
        return self.session.run(None, onnx_inputs(self.tokenizer, texts))[0]


class OpenVino:
    """Tuned for latency, and for descriptions in bulk for throughput, with its queue of requests."""

    def __init__(self, options):
        import openvino

        bulk = options.mode == "w2"
        settings = {
            "INFERENCE_NUM_THREADS": options.threads,
            "PERFORMANCE_HINT": "THROUGHPUT" if bulk else "LATENCY",
        }
        if options.precision:
            settings["INFERENCE_PRECISION_HINT"] = options.precision
        compiled = openvino.Core().compile_model(options.weights, "CPU", settings)
        self.input_names = [port.get_any_name() for port in compiled.inputs]
        self.tokenizer = open_tokenizer(options.model)
        self.request = compiled.create_infer_request()
        self.queue = openvino.AsyncInferQueue(compiled) if bulk else None
        self.batch = options.batch
        self.width = compiled.output(0).get_partial_shape()[1].get_length()

    def inputs(self, texts):
        # The quantizer may have dropped an input.
        return {
            name: value for name, value in onnx_inputs(self.tokenizer, texts).items() if name in self.input_names
        }

    def embed(self, texts):
        self.request.infer(self.inputs(texts))
        return self.request.get_output_tensor(0).data.copy()

    def embed_all(self, texts):
        vectors = np.empty((len(texts), self.width), np.float32)

        def store(request, positions):
            vectors[positions] = request.get_output_tensor(0).data

        self.queue.set_callback(store)
        order = longest_first(texts)
        for start in range(0, len(order), self.batch):
            positions = order[start : start + self.batch]
            self.queue.start_async(self.inputs([texts[i] for i in positions]), positions)
        self.queue.wait_all()
        return vectors


class CTranslate2:
    """One encoder with all threads inside it; pooling is done here, as it gives hidden states only."""

    def __init__(self, options):
        import ctranslate2

        self.encoder = ctranslate2.Encoder(
            options.weights, device="cpu", compute_type="int8", inter_threads=1, intra_threads=options.threads
        )
        self.tokenizer = open_tokenizer(options.model, padding=False)

    def embed(self, texts):
        token_ids = [encoding.ids for encoding in encode(self.tokenizer, texts)]
        hidden = np.array(self.encoder.forward_batch(token_ids).last_hidden_state)
        lengths = np.array([len(ids) for ids in token_ids])
        weight = (np.arange(hidden.shape[1])[None, :] < lengths[:, None])[..., None].astype(np.float32)
        mean = (hidden * weight).sum(1) / weight.sum(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)
