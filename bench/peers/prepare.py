"""Everything that a measurement needs: the virtual environment, the texts, the reference, the converted models, the
Rust peers. A step whose inputs have not changed since it last succeeded is skipped, so it may be interrupted."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

from engines import HERE

# What the virtual environment and the build take, with some air.
NEEDED_GB = 12


def prepare(places):
    places.work.mkdir(parents=True, exist_ok=True)
    model, data, python = places.model, places.data, places.python
    tokenizer = model / "tokenizer.json"
    onnx, openvino, ctranslate2 = (places.work / name for name in ("onnx", "openvino", "ctranslate2"))
    requirements = HERE / "requirements.txt"

    if is_due(places, "venv", [requirements]):
        require_space(places)
        # `--copies` so that it survives an update of the system's Python as well as can be.
        run("virtual environment", [sys.executable, "-m", "venv", "--clear", places.work / "venv"])
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run("peers, about 3 GB to download", [*pip, "--requirement", requirements])
        done(places, "venv", [requirements])

    steps = [
        ("texts", "texts.py", [tokenizer, data]),
        ("reference", "reference.py", [model, data]),
        ("onnx", "convert_onnx.py", [model, onnx]),
        ("openvino", "convert_openvino.py", [onnx / "f32.onnx", tokenizer, data, openvino]),
    ]
    for name, script, arguments in steps:
        inputs = [requirements, HERE / "texts.py", HERE / script, model / "config.json"]
        if is_due(places, name, inputs):
            run(name, [python, HERE / script, *arguments])
            done(places, name, inputs)

    if is_due(places, "ctranslate2", [requirements]):
        converter = places.work / "venv" / "bin" / "ct2-transformers-converter"
        where = ["--force", "--model", model, "--output_dir", ctranslate2]
        run("ctranslate2", [converter, *where, "--quantization", "int8"])
        done(places, "ctranslate2", [requirements])

    run(
        "Rust peers",
        ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", HERE / "Cargo.toml"],
        CARGO_TARGET_DIR=str(places.work / "rust"),
        RUSTFLAGS="-C target-cpu=native",
    )


def versions(places):
    """The version of every peer, by name."""
    names = re.findall(r"^[a-z][\w-]*", (HERE / "requirements.txt").read_text(), re.MULTILINE)
    ask = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found = json.loads(subprocess.run([places.python, "-c", ask, *names], check=True, capture_output=True).stdout)
    lock = dict(re.findall(r'name = "(.*)"\nversion = "(.*)"', (HERE / "Cargo.lock").read_text()))
    crates = {name: lock[name] for name in ("rten", "candle-core", "tokenizers")}
    return {**found, **{f"{name} (crate)": version for name, version in crates.items()}}


def require_space(places):
    free_gb = shutil.disk_usage(places.work).free / 1e9
    if free_gb < NEEDED_GB:
        raise SystemExit(
            f"error: the peers take about {NEEDED_GB} GB, and `{places.work}` has {free_gb:.0f} GB free\n"
            "hint: name a directory with more space in LIBELLUS_BENCH_DIR"
        )


def run(name, command, **environment):
    words = [str(word) for word in command]
    print(f"preparing: {name}", flush=True)
    log = subprocess.run(
        words, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if log.returncode:
        command = " ".join(words)
        raise SystemExit(f"error: preparing `{name}` failed with {log.returncode}: {command}\n{log.stdout[-4000:]}")


def stamp(inputs):
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()


def stamp_file(places, name):
    return places.work / "stamps" / name


def is_due(places, name, inputs):
    file = stamp_file(places, name)
    return not file.exists() or file.read_text() != stamp(inputs)


def done(places, name, inputs):
    file = stamp_file(places, name)
    file.parent.mkdir(exist_ok=True)
    file.write_text(stamp(inputs))
