"""Running the engines: one fresh process for each engine, workload and round, interleaved."""

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import accuracy

# Texts for the check before anything is timed, and for finding the best batch.
CHECKED = 200
BATCHES = (8, 16, 32, 64)
STARTS_PER_ROUND = 4
# No workload of any engine takes nearly so long.
TIMEOUT_SECS = 900


class Refused(Exception):
    """An engine that does not run, or computes something else."""


@dataclass
class Runner:
    """Starts engines and reads what they print."""

    places: object
    docs: int
    reps: int

    def __post_init__(self):
        self.counts = json.loads((self.places.data / "texts.json").read_text())
        self.reference = self.places.reference.read_bytes()

    def run(self, engine, workload, threads, batch, docs=None):
        """The figures of one workload."""
        docs = min(docs or self.docs, engine.most_docs)
        vectors = self.places.work / "vectors.f32"
        words = ["--mode", workload, "--data", self.places.data, "--threads", threads, "--label", engine.name]
        words += ["--reps", self.reps]
        if workload == "w2":
            words += ["--limit", docs, "--out", vectors]
            words += ["--batch", batch] if engine.has_batches else []
        line, first_line_ms = self.start(engine, words, threads, workload == "w2")
        if workload == "cold":
            return {"ms": first_line_ms, "rss_mb": float(line.split()[-1])}
        figures = json.loads(line)
        if workload == "w2":
            self.complete(engine, figures, docs, vectors.read_bytes())
        return figures

    def start(self, engine, words, threads, parallel_tokenizer):
        """The only line that it prints, and how long after its start that was."""
        command = engine.command(self.places) + [str(word) for word in words]
        variables = {
            **{f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "RAYON", "RTEN")},
            "TOKENIZERS_PARALLELISM": "true" if parallel_tokenizer and threads > 1 else "false",
            "HF_HUB_OFFLINE": "1",
            **engine.environment,
        }
        errors = self.places.work / "errors.log"
        with errors.open("w") as stderr:
            began = time.perf_counter()
            process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=stderr)
            watchdog = threading.Timer(TIMEOUT_SECS, process.kill)
            watchdog.start()
            try:
                line = process.stdout.readline()
                first_line_ms = (time.perf_counter() - began) * 1e3
                process.communicate()
            finally:
                watchdog.cancel()
                process.kill()
                process.wait()
        if process.returncode or not line.strip():
            last_words = errors.read_text(errors="replace").strip().splitlines()[-1:]
            raise Refused(f"it ended with {process.returncode}: {' '.join(last_words)}")
        return line.decode(), first_line_ms

    def complete(self, engine, figures, docs, vectors):
        """Adds what follows from the texts, and holds the vectors to the reference."""
        tokens = sum(self.counts["w2"]["tokens"][:docs])
        if figures.get("tokens", tokens) != tokens:
            raise Refused(f"it counts {figures['tokens']} tokens where there are {tokens}")
        figures["docs"] = docs
        figures["tok_s"] = tokens / figures["secs"]
        mean, least = accuracy.cosines(vectors, self.reference, docs)
        figures["cos_mean"], figures["cos_min"] = mean, least
        # Not `<`: a vector of NaNs is refused too.
        if not mean >= accuracy.LEAST_MEAN:
            raise Refused(f"the mean cosine of its vectors with the reference is {mean:.4f}")


def check(runner, engines, quick):
    """Holds every engine to the reference and finds its best batch: those to be timed with their batches, and those
    that are refused with the reason."""
    file = runner.places.work / "batches.json"
    batches = json.loads(file.read_text()) if file.exists() else {}
    ready, refused = {}, {}
    for engine in engines:
        if ("w2", 2) not in engine.workloads:
            ready[engine.name] = 0
            continue
        known = batches.get(engine.name)
        if known:
            candidates = (known,)
        elif quick or not engine.has_batches:
            candidates = BATCHES[:1]
        else:
            candidates = BATCHES
        try:
            speeds = {batch: runner.run(engine, "w2", 2, batch, CHECKED) for batch in candidates}
        except (Refused, ValueError) as reason:
            refused[engine.name] = str(reason)
            print(f"REFUSED {engine.name}: {reason}", flush=True)
            continue
        best = max(speeds, key=lambda batch: speeds[batch]["tok_s"])
        tried = ", ".join(f"{figures['tok_s']:,.0f}" for figures in speeds.values())
        cosine = speeds[best]["cos_mean"]
        batch = f"batch {best} of {candidates}, {tried} tokens/s" if engine.has_batches else f"{tried} tokens/s"
        print(f"checked {engine.name}: cosine {cosine:.4f}, {batch}", flush=True)
        ready[engine.name] = best
        if len(candidates) > 1:
            batches[engine.name] = best
            file.write_text(json.dumps(batches, indent=1))
    return ready, refused


def rounds(runner, engines, batches, workloads, count, results):
    """Measures everything `count` times, and writes each figure to `results` at once."""
    for number in range(count):
        for workload, threads in workloads:
            # Every other round backwards, so that a machine that slows down slows all alike.
            for engine in engines[:: -1 if number % 2 else 1]:
                if (workload, threads) not in engine.workloads:
                    continue
                for _ in range(STARTS_PER_ROUND if workload == "cold" else 1):
                    stolen = stolen_ticks()
                    try:
                        figures = runner.run(engine, workload, threads, batches[engine.name])
                    except Refused as reason:
                        figures = {"failed": str(reason)}
                    entry = {"round": number, "engine": engine.name, "workload": workload, "threads": threads}
                    entry |= {**figures, "steal": stolen_ticks() - stolen}
                    results.write(json.dumps(entry) + "\n")
                    results.flush()
                    print(brief(entry), flush=True)


def stolen_ticks():
    """Time that the host gave to others, in hundredths of a second."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])


def brief(entry):
    shown = ("failed", "p50_ms", "p99_ms", "tok_s", "ms", "mb_s", "rss_mb", "cos_mean")
    figures = {key: entry[key] for key in shown if key in entry}
    texts = [f"{key} {value:.5g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()]
    return f"round {entry['round']} {entry['workload']} {entry['threads']}T {entry['engine']}: {', '.join(texts)}"


def ceilings(places, quick):
    """What the machine can do at most."""
    command = [places.crates / "ceilings", *(["--quick"] if quick else [])]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()
    return [json.loads(line) for line in lines]
