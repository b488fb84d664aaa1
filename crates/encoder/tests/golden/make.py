#!/usr/bin/env python3
"""Make the golden test data in this directory with sentence-transformers.

Usage:

    python make.py MODEL_DIR OUT_DIR [--store f32]

MODEL_DIR is an unpacked, unchanged all-MiniLM-L6-v2; OUT_DIR is where the
files go (normally this directory). Needs sentence-transformers, safetensors
and numpy, and no network. Running it twice with the same versions on the same
kind of processor gives the same bytes.

`texts.jsonl` is written by hand: it is read from the directory of this script
and copied to OUT_DIR when that is another directory. Everything else in
OUT_DIR (`README.md`, `all-MiniLM-L6-v2.*`, `models/`) is overwritten.

`tiny-mean` and `tiny-cls` store their matrices as F16 to stay small. Their
weights are rounded to half precision before anything is computed, so
`--store f32` stores the same weights as F32 (about 90 KB and 95 KB more) and
leaves every expected.f32 as it is.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import safetensors
import safetensors.numpy
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = "all-MiniLM-L6-v2"
LAYER_TEXTS = ("query-01", "desc-62")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


# --- vocabulary of the small models -------------------------------------------

LATIN = "abcdefghijklmnopqrstuvwxyz"
LATIN_EXTRA = "ßæøłœı"
DIGITS = "0123456789"
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
OTHER_SIGNS = "–—‘’“”…«»।،؟。、「」，·§¶†‰€£₹"
HAN = "书的小村图馆本一書王明館"
CYRILLIC = "абвгдежзиклмнопрстуфхцчшщъыьэюя"
DEVANAGARI = "अउएकगचछटडढतधनपबमयरलवशषसहािीोौ"

WORDS = """
the a an and of to in is it that for on with as was by are this from be at not
have who has her his he she they you one two three book books story stories
novel guide how what when why where history life year years house town city
world first last people child children family woman man old new little long
short no yes read reader library letter letters water sea river light time day
night work home name love death about into out up over all but or if will can
could every never un re de con com pro pre dis ex sub inter
""".split()

PIECES = """
s ed ing er ly es en al ion tion ness ment able ful less ist ity ive ous ic ant
ent ar or an in on at it is le re th st nd ch ck ll ss ee oo ea ou ry ty age ate
ure ine ight ound ook ther ip op ap un ur um ul el et ot ut id ad ol il ish ship
ward land man brary
""".split()


def vocabulary():
    """All entries, and how many of them `tiny-cls` uses (the Latin part)."""
    out = list(SPECIAL)

    def add(*entries):
        out.extend(e for e in entries if e not in out)

    add(*LATIN, *("##" + c for c in LATIN))
    add(*DIGITS, *("##" + c for c in DIGITS))
    add(*ASCII_PUNCTUATION, *OTHER_SIGNS)
    add(*LATIN_EXTRA, *("##" + c for c in LATIN_EXTRA))
    add(*WORDS, *("##" + p for p in PIECES), *HAN)
    latin = len(out)
    add(*CYRILLIC, *("##" + c for c in CYRILLIC))
    add(*DEVANAGARI, *("##" + c for c in DEVANAGARI))
    return out, latin


VOCAB, LATIN_ENTRIES = vocabulary()


# --- the small models ---------------------------------------------------------

TINY = {
    "tiny-mean": dict(
        seed=1001, layers=3, hidden=32, heads=4, ffn=80, positions=64, max_seq_length=48,
        act="gelu", eps=1e-12, pooling="mean", normalize=True, vocab=len(VOCAB),
        vocab_txt=True, tokenizer_json=None, store="F16", pooler=False,
    ),
    "tiny-cls": dict(
        seed=1002, layers=12, hidden=16, heads=2, ffn=64, positions=128, max_seq_length=128,
        act="gelu", eps=1e-12, pooling="cls", normalize=False, vocab=LATIN_ENTRIES,
        vocab_txt=False, tokenizer_json={}, store="F16", pooler=False,
    ),
    "tiny-max": dict(
        seed=1003, layers=2, hidden=24, heads=3, ffn=40, positions=64, max_seq_length=40,
        act="gelu", eps=1e-12, pooling="max", normalize=True, vocab=len(VOCAB),
        vocab_txt=True, tokenizer_json={"fixed": 20}, store="F32", pooler=True, position_ids=True,
    ),
    "tiny-relu": dict(
        seed=1004, layers=1, hidden=16, heads=1, ffn=32, positions=64, max_seq_length=50,
        act="relu", eps=1e-5, pooling="mean", normalize=True, vocab=len(VOCAB),
        vocab_txt=True, tokenizer_json={}, store="F32", pooler=True, saved=True,
        other_acts=("gelu", "gelu_new"),
    ),
}


def random_weights(spec):
    """BERT tensors: matrices of std 0.3 (word embeddings 0.6), LayerNorm weights
    in 1 ± 0.3, biases in ± 0.2. Drawn in a fixed order from a seeded PCG64."""
    rng = np.random.Generator(np.random.PCG64(spec["seed"]))
    hidden, ffn = spec["hidden"], spec["ffn"]
    half = rounds_to_half(spec)
    out = {}

    def put(name, array):
        if half:
            array = array.astype(np.float16)
        out[name] = array.astype(np.float32)

    def matrix(name, rows, cols, std=0.3):
        put(name, rng.standard_normal((rows, cols)) * std)

    def linear(name, rows, cols):
        matrix(name + ".weight", rows, cols)
        put(name + ".bias", rng.uniform(-0.2, 0.2, rows))

    def norm(name):
        put(name + ".weight", rng.uniform(0.7, 1.3, hidden))
        put(name + ".bias", rng.uniform(-0.2, 0.2, hidden))

    matrix("embeddings.word_embeddings.weight", spec["vocab"], hidden, 0.6)
    matrix("embeddings.position_embeddings.weight", spec["positions"], hidden)
    matrix("embeddings.token_type_embeddings.weight", 2, hidden)
    norm("embeddings.LayerNorm")
    for i in range(spec["layers"]):
        p = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            linear(p + "attention.self." + part, hidden, hidden)
        linear(p + "attention.output.dense", hidden, hidden)
        norm(p + "attention.output.LayerNorm")
        linear(p + "intermediate.dense", ffn, hidden)
        linear(p + "output.dense", hidden, ffn)
        norm(p + "output.LayerNorm")
    if spec["pooler"]:
        linear("pooler.dense", hidden, hidden)
    if spec.get("position_ids"):
        out["embeddings.position_ids"] = np.arange(spec["positions"], dtype=np.int64)[None, :]
    return out


def rounds_to_half(spec):
    return spec["store"] == "F16"


def write_text(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)


def write_json(path, value):
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def tokenizer_json(entries, fixed=None):
    """A BERT tokenizer.json; `fixed` also gives it fixed padding and truncation."""
    vocab = {e: i for i, e in enumerate(entries)}
    tok = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocab, unk_token="[UNK]"))
    tok.normalizer = tokenizers.normalizers.BertNormalizer()
    tok.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tok.decoder = tokenizers.decoders.WordPiece()
    tok.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    tok.add_special_tokens(SPECIAL)
    if fixed:
        tok.enable_padding(length=fixed, pad_id=vocab["[PAD]"], pad_token="[PAD]")
        tok.enable_truncation(fixed)
    return tok.to_str(pretty=False)


def write_classic(spec, out, store):
    """One small model in the layout of sentence-transformers 2 to 4."""
    entries = VOCAB[: spec["vocab"]]
    write_json(os.path.join(out, "config.json"), {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": spec["act"],
        "hidden_dropout_prob": 0.1,
        "hidden_size": spec["hidden"],
        "initializer_range": 0.02,
        "intermediate_size": spec["ffn"],
        "layer_norm_eps": spec["eps"],
        "max_position_embeddings": spec["positions"],
        "model_type": "bert",
        "num_attention_heads": spec["heads"],
        "num_hidden_layers": spec["layers"],
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        "type_vocab_size": 2,
        "use_cache": True,
        "vocab_size": len(entries),
    })
    weights = random_weights(spec)
    if store == "F16":
        weights = {k: v.astype(np.float16) if v.dtype == np.float32 else v for k, v in weights.items()}
    with open(os.path.join(out, "model.safetensors"), "wb") as f:
        f.write(safetensors.numpy.save(weights, metadata={"format": "pt"}))
    if spec["vocab_txt"]:
        write_text(os.path.join(out, "vocab.txt"), "".join(e + "\n" for e in entries))
    if spec["tokenizer_json"] is not None:
        write_text(os.path.join(out, "tokenizer.json"), tokenizer_json(entries, **spec["tokenizer_json"]))
    names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
             "cls_token": "[CLS]", "mask_token": "[MASK]"}
    write_json(os.path.join(out, "tokenizer_config.json"), {
        "do_lower_case": True, **names, "tokenize_chinese_chars": True, "strip_accents": None,
        "do_basic_tokenize": True, "never_split": None, "tokenizer_class": "BertTokenizer",
        "model_max_length": 512,
    })
    write_json(os.path.join(out, "special_tokens_map.json"), names)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if spec["normalize"]:
        modules.append(("2_Normalize", "Normalize"))
    write_json(os.path.join(out, "modules.json"), [
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
        for i, (path, kind) in enumerate(modules)
    ])
    write_json(os.path.join(out, "1_Pooling", "config.json"), {
        "word_embedding_dimension": spec["hidden"],
        "pooling_mode_cls_token": spec["pooling"] == "cls",
        "pooling_mode_mean_tokens": spec["pooling"] == "mean",
        "pooling_mode_max_tokens": spec["pooling"] == "max",
        "pooling_mode_mean_sqrt_len_tokens": False,
    })
    write_json(os.path.join(out, "sentence_bert_config.json"), {
        "max_seq_length": spec["max_seq_length"], "do_lower_case": False,
    })


# --- running them -------------------------------------------------------------

def load(path):
    model = SentenceTransformer(path, device="cpu")
    model.eval()
    assert all(p.dtype == torch.float32 for p in model.parameters()), path
    return model


def encode(model, texts, dtype=np.float32):
    rows = [
        model.encode([t], batch_size=1, convert_to_numpy=True, show_progress_bar=False)[0]
        for t in texts
    ]
    out = np.stack(rows)
    assert out.dtype == dtype and np.isfinite(out).all()
    return np.ascontiguousarray(out, dtype=dtype)


def token_ids(model, text):
    return model.preprocess([text])["input_ids"][0].tolist()


def rounding(model, texts, vectors):
    """The largest difference to the same model run in float64."""
    return float(np.abs(encode(model.double(), texts, np.float64) - vectors).max())


def write_f32(path, array):
    assert array.dtype == np.float32
    with open(path, "wb") as f:
        f.write(array.astype("<f4").tobytes())


def make_real(model_dir, out, ids, texts):
    model = load(model_dir)
    assert model.max_seq_length == 256, model.max_seq_length
    assert len(token_ids(model, "book " * 400)) == 256
    vectors = encode(model, texts)
    assert vectors.shape == (len(texts), 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    write_f32(os.path.join(out, REAL + ".f32"), vectors)

    states, about, offset = [], [], 0
    for name in LAYER_TEXTS:
        i = ids.index(name)
        features = model.preprocess([texts[i]])
        keys = ("input_ids", "token_type_ids", "attention_mask")
        with torch.no_grad():
            hidden = model[0].model(**{k: features[k] for k in keys}, output_hidden_states=True).hidden_states
        block = torch.cat(hidden).numpy()  # [7, tokens, 384]
        pooled = block[-1].mean(axis=0)
        assert np.abs(pooled / np.linalg.norm(pooled) - vectors[i]).max() < 1e-6
        about.append({"id": name, "input_ids": features["input_ids"][0].tolist(),
                      "shape": list(block.shape), "offset": offset})
        offset += block.size
        states.append(block.ravel())
    write_f32(os.path.join(out, REAL + ".layers.f32"), np.concatenate(states))
    write_json(os.path.join(out, REAL + ".layers.json"), {
        "about": "float32 little-endian; for each text [state, token, component]; state 0 is the "
                 "output of the embedding layer (after its LayerNorm), state k that of layer k; "
                 "offset counts floats from the start of the file",
        "file": REAL + ".layers.f32",
        "texts": about,
    })
    return rounding(model, texts, vectors)


def make_tiny(name, spec, out, texts, store):
    path = os.path.join(out, "models", name)
    shutil.rmtree(path, ignore_errors=True)
    if spec.get("saved"):
        with tempfile.TemporaryDirectory() as scratch:
            write_classic(spec, scratch, store)
            model = load(scratch)
            encode(model, texts[:1])  # as after use: the tokenizer keeps truncation and padding
            model.save(path, create_model_card=False)
        for folder, _, files in os.walk(path):
            for f in files:
                os.chmod(os.path.join(folder, f), 0o644)
    else:
        write_classic(spec, path, store)

    model = load(path)
    assert model.max_seq_length == spec["max_seq_length"], (name, model.max_seq_length)
    assert [token_ids(model, s)[1] for s in SPECIAL] == list(range(5))
    assert max(len(token_ids(model, t)) for t in texts) == spec["max_seq_length"]
    check_tokenizer(model, path, spec, texts)
    vectors = encode(model, texts)
    assert vectors.shape == (len(texts), spec["hidden"])
    write_f32(os.path.join(path, "expected.f32"), vectors)
    assert np.abs(encode(load(path), texts) - vectors).max() <= 1e-6

    for act in spec.get("other_acts", ()):
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(path, scratch, dirs_exist_ok=True)
            with open(os.path.join(path, "config.json"), encoding="utf-8") as f:
                config = json.load(f)
            config["hidden_act"] = act
            write_json(os.path.join(scratch, "config.json"), config)
            other = encode(load(scratch), texts)
            assert np.abs(other - vectors).max() > 1e-3
            write_f32(os.path.join(path, f"expected.{act}.f32"), other)

    counts = [len(token_ids(model, t)) for t in texts]
    unknown = sum(token_ids(model, t).count(1) for t in texts)
    flat = vectors[np.array(counts) > 2]
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    cosines = (flat @ flat.T)[np.triu_indices(len(flat), 1)]
    return {
        "size": sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(path) for f in fs),
        "rounding": rounding(model, texts, vectors),
        "tokens": sum(counts), "unknown": unknown,
        "cosine": (float(np.quantile(cosines, 0.05)), float(np.median(cosines)),
                   float(np.quantile(cosines, 0.95))),
    }


def check_tokenizer(model, path, spec, texts):
    """The ids are those of a plain WordPiece tokenizer over the same vocabulary."""
    plain = tokenizers.Tokenizer.from_str(tokenizer_json(VOCAB[: spec["vocab"]]))
    plain.enable_truncation(spec["max_seq_length"])
    for t in texts:
        assert token_ids(model, t) == plain.encode(t).ids, (path, t)


# --- README -------------------------------------------------------------------

README = """\
# Golden data for the encoder tests

Made by `make.py` with sentence-transformers, on the processor only, one text
at a time, in float32. To make it again: `python make.py MODEL_DIR OUT_DIR`,
with an unpacked all-MiniLM-L6-v2 as MODEL_DIR and this directory as OUT_DIR.
Only `texts.jsonl` is written by hand.

Versions: {versions}.

All `.f32` files are raw little-endian float32 without a header, row after row.

| File | What it is |
|---|---|
| `texts.jsonl` | {n} texts written for this project, one `{{"id", "text"}}` a line: short queries (`query-`), book descriptions (`desc-`), texts of more than 256 tokens (`long-`) and edge cases (`edge-`). Invisible characters and combining accents are written as `\\u` escapes. |
| `{real}.f32` | [{n}, 384]: the embeddings of all texts, in the order of `texts.jsonl`; mean pooling, normalised, at most 256 tokens. |
| `{real}.layers.f32` | The output of the embedding layer and of each of the 6 layers for the texts {layer_texts}. |
| `{real}.layers.json` | Where each of the two is in that file (`offset`, in floats), its `shape` [state, token, component] and its `input_ids`. |
| `models/NAME/` | Small random models, complete directories that sentence-transformers loads. |
| `models/NAME/expected.f32` | [{n}, hidden size]: that model's embeddings of all texts. |
| `models/tiny-relu/expected.gelu.f32`, `expected.gelu_new.f32` | The same, after changing only `hidden_act` in its `config.json`. |

## The small models

| Name | Layers | Hidden | Heads | FFN | Positions | `max_seq_length` | Activation | Pooling | Normalised | Tokenizer files | Weights | Entries |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
{models}

The vocabulary has `[PAD]` `[UNK]` `[CLS]` `[SEP]` `[MASK]` at 0 to 4, then
letters, digits, punctuation, some English words and pieces, and (not in
`tiny-cls`, whose vocabulary stops before them) Cyrillic and Devanagari letters.

* `tiny-mean` and `tiny-cls` store F16; `torch_dtype` in their `config.json` is
  float32 and the weights are widened before use. `make.py --store f32` stores
  the same values as F32.
* `tiny-max` has a `tokenizer.json` that pads and truncates to 20, which the 40
  of `sentence_bert_config.json` overrides, and a `position_ids` tensor (I64)
  and a pooler that are not used.
* `tiny-relu` is what `save()` of the version above writes: no
  `special_tokens_map.json` or `vocab.txt`, the maximum length only in
  `tokenizer_config.json` (`model_max_length`), other names in `modules.json`
  and in `1_Pooling/config.json`. Its `layer_norm_eps` is 1e-5.

## How exact

The largest difference, over all texts and components, between a `.f32` file
and the same model run in float64:

{rounding}
"""


def write_readme(out, n, versions, real_rounding, results):
    models, rounds = [], [f"* `{REAL}`: {real_rounding:.1e}"]
    for name, s in TINY.items():
        files = "`tokenizer.json`" if s.get("saved") else " + ".join(
            (["`tokenizer.json`"] if s["tokenizer_json"] is not None else [])
            + (["`vocab.txt`"] if s["vocab_txt"] else []))
        models.append("| " + " | ".join(map(str, (
            f"`{name}`", s["layers"], s["hidden"], s["heads"], s["ffn"], s["positions"],
            s["max_seq_length"], s["act"], s["pooling"], "yes" if s["normalize"] else "no",
            files, s["stored"], s["vocab"]))) + " |")
        rounds.append(f"* `{name}`: {results[name]['rounding']:.1e}")
    write_text(os.path.join(out, "README.md"), README.format(
        versions=", ".join(f"{k} {v}" for k, v in versions.items()), n=n, real=REAL,
        layer_texts=" and ".join(f"`{t}`" for t in LAYER_TEXTS),
        models="\n".join(models), rounding="\n".join(rounds)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dir")
    parser.add_argument("out_dir")
    parser.add_argument("--store", choices=("mixed", "f32"), default="mixed",
                        help="mixed: F16 for tiny-mean and tiny-cls (default); f32: F32 for all")
    args = parser.parse_args()

    versions = {
        "Python": platform.python_version(),
        "sentence-transformers": sentence_transformers.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "torch": torch.__version__,
        "safetensors": safetensors.__version__,
        "numpy": np.__version__,
    }
    for item in versions.items():
        print(*item)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)

    os.makedirs(args.out_dir, exist_ok=True)
    source, copy = os.path.join(HERE, "texts.jsonl"), os.path.join(args.out_dir, "texts.jsonl")
    if os.path.realpath(source) != os.path.realpath(copy):
        shutil.copyfile(source, copy)
    with open(source, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    ids, texts = [r["id"] for r in rows], [r["text"] for r in rows]
    assert len(set(ids)) == len(ids)

    real = make_real(args.model_dir, args.out_dir, ids, texts)
    print(f"{REAL}: {len(texts)} texts, float64 differs by {real:.1e}")
    results = {}
    for name, spec in TINY.items():
        spec["stored"] = "F32" if args.store == "f32" else spec["store"]
        results[name] = r = make_tiny(name, spec, args.out_dir, texts, spec["stored"])
        print(f"{name}: {r['size']} bytes, {r['unknown']} [UNK] of {r['tokens']} tokens, "
              f"float64 differs by {r['rounding']:.1e}, "
              "cosine between texts %.2f / %.2f / %.2f (5, 50, 95 %%)" % r["cosine"])
    write_readme(args.out_dir, len(texts), versions, real, results)


if __name__ == "__main__":
    sys.exit(main())
