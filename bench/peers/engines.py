"""Who takes part: every engine, how it is started, and which limit of the machine it is held to."""

from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The workloads, with the number of threads that each is run with.
ALL = (("w1", 1), ("w1", 2), ("w2", 2), ("cold", 2))
# Enough for what is only there to be compared in one respect.
ONE_THREAD_AND_BULK = (("w1", 1), ("w2", 2))
BULK = (("w2", 2),)
TOKENIZE = (("tokenize", 1),)


@dataclass(frozen=True)
class Places:
    """Where things are."""

    # Everything that is made or fetched: outside of git.
    work: Path
    # The original model, as sentence-transformers has it.
    model: Path
    # The executable `libellus-bench`.
    libellus: Path

    @property
    def python(self):
        return self.work / "venv" / "bin" / "python"

    @property
    def data(self):
        return self.work / "data"

    @property
    def reference(self):
        return self.data / "w2.f32"

    @property
    def crates(self):
        return self.work / "rust" / "release"


@dataclass(frozen=True)
class Engine:
    """One row of the tables."""

    name: str
    # How it is started: "libellus", "python RUNTIME" or "crate NAME".
    start: str
    # What it reads, below the directory of work.
    weights: str = ""
    # The arithmetic it is held to: the beginning of the name of a ceiling.
    limit: str = "int8"
    options: tuple = ()
    environment: dict = field(default_factory=dict)
    workloads: tuple = ALL
    # Slow engines embed only so many of the descriptions.
    most_docs: int = 2000

    @property
    def ours(self):
        return self.start == "libellus"

    @property
    def full(self):
        """Whether it takes part in the comparison as itself, not held back."""
        return self.workloads == ALL

    @property
    def has_batches(self):
        return not self.ours

    def command(self, places):
        """The words that start it, without the workload."""
        kind, _, what = self.start.partition(" ")
        words = {
            "libellus": [places.libellus],
            "python": [places.python, HERE / "runner.py", what],
            "crate": [places.crates / what],
        }[kind]
        if not self.ours:
            words += ["--model", places.model]
        if self.weights:
            words += ["--weights", places.work / self.weights]
        options = [option.format(model=places.model) for option in self.options]
        return [str(word) for word in words] + options


AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "CT2_FORCE_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

ENGINES = [
    Engine("libellus", "libellus"),
    Engine("onnxruntime int8", "python onnxruntime", "onnx/int8.onnx"),
    Engine("onnxruntime int8, fused", "python onnxruntime", "onnx/int8_fused.onnx"),
    Engine("openvino int8", "python openvino", "openvino/int8.xml"),
    Engine("openvino bf16", "python openvino", "openvino/f32.xml", "bf16", ("--precision", "bf16")),
    Engine("ctranslate2 int8", "python ctranslate2", "ctranslate2"),
    Engine("rten int8", "crate peer-rten", "onnx/int8.onnx"),
    Engine("libellus f32", "libellus", "", "f32", ("--model", "{model}"), workloads=ONE_THREAD_AND_BULK),
    Engine("onnxruntime f32", "python onnxruntime", "onnx/f32.onnx", "f32"),
    Engine("openvino f32", "python openvino", "openvino/f32.xml", "f32", ("--precision", "f32")),
    Engine("sentence-transformers f32", "python sentence-transformers", "", "f32"),
    Engine("candle f32", "crate peer-candle", "", "f32", most_docs=400),
    # The same on processors with AMX as on those without.
    Engine(
        "libellus, AVX-512 VNNI",
        "libellus",
        environment={"LIBELLUS_ISA": "avx512-vnni"},
        workloads=ONE_THREAD_AND_BULK,
    ),
    # ONNX Runtime and rten have no switch for this.
    Engine(
        "libellus, AVX2",
        "libellus",
        limit="int8 VPMADDUBSW",
        environment={"LIBELLUS_ISA": "avx2"},
        workloads=ONE_THREAD_AND_BULK,
    ),
    Engine(
        "ctranslate2 int8, AVX2",
        "python ctranslate2",
        "ctranslate2",
        "int8 VPMADDUBSW",
        environment=AVX2,
        workloads=ONE_THREAD_AND_BULK,
    ),
    Engine(
        "openvino int8, AVX2",
        "python openvino",
        "openvino/int8.xml",
        "int8 VPMADDUBSW",
        ("--precision", "f32"),
        AVX2,
        ONE_THREAD_AND_BULK,
    ),
    Engine(
        "libellus, scalar",
        "libellus",
        limit="",
        environment={"LIBELLUS_ISA": "scalar"},
        workloads=BULK,
        most_docs=20,
    ),
    Engine("libellus tokenizer", "libellus", workloads=TOKENIZE),
    Engine("tokenizers (Rust)", "crate peer-rten", workloads=TOKENIZE),
    Engine("tokenizers (Python)", "python onnxruntime", workloads=TOKENIZE),
]
