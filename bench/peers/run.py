"""The comparison with the peers; started by `cargo xtask peers`, which has built and fetched what is not Python.

Needs only Python's own library: what the peers need goes into a virtual environment, see `prepare.py`.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

import measure
import report
from engines import ALL, ENGINES, HERE, TOKENIZE, Places
from prepare import prepare, versions

REPOSITORY = HERE.parent.parent


def parse():
    parser = argparse.ArgumentParser(
        prog="cargo xtask peers",
        description="Measures libellus and its peers, interleaved. Ctrl-C stops; what was measured is reported.",
    )
    parser.add_argument("--quick", action="store_true", help="one round over 200 texts; not kept as a result")
    parser.add_argument("--prepare", action="store_true", help="only install, convert and build")
    parser.add_argument("--report", type=Path, metavar="FILE", help="only print the tables of an earlier results.jsonl")
    parser.add_argument("--rounds", type=int, help="rounds (3; with --quick 1)")
    parser.add_argument("--docs", type=int, help="descriptions of W2 (2000; with --quick 200)")
    parser.add_argument("--engines", help="only those whose names contain one of these words, separated by commas")
    parser.add_argument("--workloads", help="only these of w1, w2, cold and tokenize, separated by commas")
    for place in ("work", "model", "libellus"):
        parser.add_argument(f"--{place}", type=Path, help="given by `cargo xtask peers`")
    return parser.parse_args()


def main():
    options = parse()
    if options.report:
        print(report.render(report.Results(options.report.read_text().splitlines())))
        return
    places = Places(options.work.resolve(), options.model.resolve(), options.libellus.resolve())
    prepare(places)
    if not options.prepare:
        measure_and_report(options, places)


def measure_and_report(options, places):
    began = datetime.datetime.now()
    folder = places.work / "runs" / began.strftime("%Y-%m-%dT%H-%M-%S")
    folder.mkdir(parents=True)
    rounds = options.rounds or (1 if options.quick else 3)
    runner = measure.Runner(places, options.docs or (200 if options.quick else 2000), 2 if options.quick else 10)
    engines = chosen_engines(options)
    with (folder / "results.jsonl").open("w") as results:
        print("measuring what the machine can do at most", flush=True)
        results.write(json.dumps({"about": about(options, places, runner, began, rounds)}) + "\n")
        results.flush()
        try:
            batches, refused = measure.check(runner, engines, options.quick)
            for engine, reason in refused.items():
                results.write(json.dumps({"engine": engine, "failed": reason}) + "\n")
            ready = [engine for engine in engines if engine.name in batches]
            measure.rounds(runner, ready, batches, chosen_workloads(options), rounds, results)
        except KeyboardInterrupt:
            print("\nstopped; reporting what was measured")
    text = report.render(report.Results((folder / "results.jsonl").read_text().splitlines()))
    (folder / "report.md").write_text(text)
    print(f"\n{text}\nkept in `{folder}`")
    if not options.quick:
        dated = REPOSITORY / "bench" / "results" / f"{began:%Y-%m-%d}-encoder.md"
        dated.parent.mkdir(exist_ok=True)
        dated.write_text(text)
        print(f"written to `{dated}`; commit it if the machine was quiet")


def chosen_engines(options):
    words = (options.engines or "").split(",")
    chosen = [engine for engine in ENGINES if any(word in engine.name for word in words)]
    if not chosen:
        names = ", ".join(engine.name for engine in ENGINES)
        raise SystemExit(f"error: no engine is called `{options.engines}`; there are {names}")
    return chosen


def chosen_workloads(options):
    every = [*ALL, *TOKENIZE]
    names = options.workloads.split(",") if options.workloads else [name for name, _ in every]
    unknown = set(names) - {name for name, _ in every}
    if unknown:
        raise SystemExit(f"error: no workload is called {', '.join(sorted(unknown))}; there are w1, w2, cold, tokenize")
    return [workload for workload in every if workload[0] in names]


def about(options, places, runner, began, rounds):
    """What a reader of the results must know."""
    named = ("rounds", "docs", "engines", "workloads")
    flags = ["--quick"] if options.quick else []
    flags += [f"--{name} {getattr(options, name)}" for name in named if getattr(options, name)]
    command = " ".join(["cargo xtask peers", *flags])
    w1 = runner.counts["w1"]["tokens"]
    return {
        "date": began.strftime("%Y-%m-%d"),
        "command": command,
        "rounds": rounds,
        "commit": output("git", "describe", "--always", "--dirty"),
        "rustc": output("rustc", "--version"),
        "cpu": processor(),
        "threads": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "versions": versions(places),
        "w1_tokens": sum(w1) / len(w1),
        "operations_per_token": operations_per_token(places.model),
        "empty_process_ms": empty_process_ms(),
        "ceilings": measure.ceilings(places, options.quick),
    }


def output(*command):
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.strip() or "unknown"


def processor():
    """Name, family and model: virtual machines often have the same name for different processors."""
    lines = Path("/proc/cpuinfo").read_text()
    found = [re.search(rf"^{key}\s*: (.*)$", lines, re.MULTILINE) for key in ("model name", "cpu family", "model")]
    if not all(found):
        return platform.processor() or platform.machine()
    name, family, model = (match[1] for match in found)
    return f"{name} (family {family}, model {model})"


def operations_per_token(model):
    """Of the linear layers, an addition and a multiplication counted as two."""
    config = json.loads((model / "config.json").read_text())
    width, inner = config["hidden_size"], config["intermediate_size"]
    return 2 * config["num_hidden_layers"] * (4 * width * width + 2 * width * inner)


def empty_process_ms():
    """What starting any process takes, as it is part of every cold start."""
    times = []
    for _ in range(9):
        began = time.perf_counter()
        subprocess.run(["true"], stdout=subprocess.PIPE)
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("\nstopped before anything was measured; what was prepared is kept") from None
