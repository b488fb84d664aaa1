"""One Python runtime, one workload, one process; prints one line.

    runner.py RUNTIME --mode w1|w2|cold|tokenize --model DIR --data DIR [--weights PATH] [--precision NAME]
              [--threads N] [--batch N] [--limit N] [--reps N] [--label NAME] [--out X.f32]

The workloads are those of `libellus-bench` and of `common/`: tokenizing is inside the timed section.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import runtimes


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime")
    parser.add_argument("--mode", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--precision")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--label", default="")
    parser.add_argument("--out")
    return parser.parse_args()


def read_texts(options, workload):
    lines = (options.data / f"{workload}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def peak_memory_mb():
    """The most memory that was resident at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None


def report(options, **figures):
    print(json.dumps({"engine": options.label, "mode": options.mode, "threads": options.threads, **figures}))


def queries(options):
    """W1: one query after the other; the first pass over them is not counted."""
    texts, embedder = read_texts(options, "w1"), runtimes.open_runtime(options)
    times_ms = []
    for repetition in range(options.reps + 1):
        for text in texts:
            start = time.perf_counter()
            embedder.embed([text])
            if repetition > 0:
                times_ms.append((time.perf_counter() - start) * 1e3)
    times_ms.sort()
    count = len(times_ms)
    report(
        options,
        n=count,
        p50_ms=round(times_ms[count // 2], 4),
        p99_ms=round(times_ms[count * 99 // 100], 4),
        min_ms=round(times_ms[0], 4),
        rss_mb=peak_memory_mb(),
    )


def descriptions(options):
    """W2: many texts, in batches of similar length."""
    texts, embedder = read_texts(options, "w2")[: options.limit], runtimes.open_runtime(options)
    embedder.embed(texts[: options.batch])
    start = time.perf_counter()
    if hasattr(embedder, "embed_all"):
        vectors = embedder.embed_all(texts)
    else:
        order = runtimes.longest_first(texts)
        vectors = [None] * len(texts)
        for first in range(0, len(order), options.batch):
            positions = order[first : first + options.batch]
            for position, vector in zip(positions, embedder.embed([texts[i] for i in positions])):
                vectors[position] = vector
    secs = time.perf_counter() - start
    report(options, batch=options.batch, docs=len(texts), secs=round(secs, 3), rss_mb=peak_memory_mb())
    if options.out:
        Path(options.out).write_bytes(np.asarray(vectors, dtype="<f4").tobytes())


def cold(options):
    """The first vector of a process."""
    vector = runtimes.open_runtime(options).embed(["a lonely lighthouse keeper"])[0]
    print(float(vector[0]), float(vector[-1]), peak_memory_mb(), flush=True)


def tokenize(options):
    """The tokenizer alone, on one thread."""
    texts, tokenizer = read_texts(options, "w2"), runtimes.open_tokenizer(options.model, padding=False)
    size = sum(len(text.encode()) for text in texts)
    best, tokens = float("inf"), 0
    for _ in range(options.reps):
        start = time.perf_counter()
        tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts))
        best = min(best, time.perf_counter() - start)
    report(options, tokens=tokens, mb_s=round(size / best / 1e6, 2), tok_s=round(tokens / best))


def main():
    options = parse()
    {"w1": queries, "w2": descriptions, "cold": cold, "tokenize": tokenize}[options.mode](options)


if __name__ == "__main__":
    main()
