"""The results as Markdown: what was run where, one table for each workload, and how libellus stands against its aims.

A value is the median over rounds, with the least and the most. Ratios are taken within a round, then summed up the
same way, so that a slow minute of the machine does not favour anyone.
"""

import json
from statistics import median

from engines import ENGINES

LIBELLUS = "libellus"
SHORT, BULK = ("w1", 1), ("w2", 2)


class Results:
    """What one run measured."""

    def __init__(self, lines):
        entries = [json.loads(line) for line in lines]
        self.about = next(entry["about"] for entry in entries if "about" in entry)
        self.rows = {}
        for entry in entries:
            if "workload" in entry and "failed" not in entry:
                key = (entry["engine"], entry["workload"], entry["threads"])
                self.rows.setdefault(key, []).append(entry)
        self.failed = {entry["engine"]: entry["failed"] for entry in entries if "failed" in entry}
        self.steal = sum(entry.get("steal", 0) for entry in entries)

    def get(self, engine, workload, figure):
        """The median of each round; empty if it was not measured."""
        rounds = {}
        for row in self.rows.get((engine, *workload), []):
            rounds.setdefault(row["round"], []).append(row[figure])
        return {number: median(values) for number, values in rounds.items()}

    def all(self, engine, workload, figure):
        return [row[figure] for row in self.rows.get((engine, *workload), [])]

    def tails(self, engine, workload):
        """How much slower than the median the slowest hundredth is."""
        return [row["p99_ms"] / row["p50_ms"] for row in self.rows.get((engine, *workload), [])]

    def ratio(self, workload, figure, upper, lower):
        """`upper` divided by `lower`, round by round."""
        above, below = self.get(upper, workload, figure), self.get(lower, workload, figure)
        return [above[number] / below[number] for number in above if number in below]

    def fastest_peer(self, workload, figure, best):
        """The peer to beat: not libellus, and not held back."""
        peers = [engine.name for engine in ENGINES if engine.full and not engine.ours]
        peers = [peer for peer in peers if self.get(peer, workload, figure)]
        return best(peers, key=lambda peer: median(self.all(peer, workload, figure)), default=None)

    def limit(self, engine, threads):
        """The ceiling that an engine is held to, 10⁹ operations a second."""
        for ceiling in self.about["ceilings"]:
            if engine.limit and ceiling["threads"] == threads and ceiling["ceiling"].startswith(engine.limit):
                return ceiling["max"]
        return None

    def of_limit(self, engine, workload):
        """How much of the processor's arithmetic is used, by round."""
        limit = self.limit(engine, workload[1])
        if not limit:
            return []
        operations = self.about["operations_per_token"] / 1e9
        if workload == BULK:
            return [speed * operations / limit for speed in self.get(engine.name, workload, "tok_s").values()]
        per_query = self.about["w1_tokens"] * operations
        return [per_query / (ms / 1e3) / limit for ms in self.get(engine.name, workload, "p50_ms").values()]


def spread(values, digits=2, unit=""):
    """`median (least–most)`, or a dash."""
    values = list(values)
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}{unit}"
    return f"{median(values):,.{digits}f}{unit} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def percent(values):
    values = list(values)
    return f"{median(values):.0%}" if values else "–"


def table(heads, rows):
    if not rows:
        return "Not measured."
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def render(results):
    about = results.about
    sections = [
        f"# The encoder and its peers, {about['date']}",
        "all-MiniLM-L6-v2, tokenizing included, at most 256 tokens, mean pooling and normalisation. W1: 50 queries of "
        "4–12 words, one at a time. W2: descriptions of 6–256 tokens, every engine at its best batch. Each value is "
        f"the median over interleaved rounds ({about['rounds']} here; least–most), each in a fresh process.",
        machine(results),
        "## Aims\n\n" + aims(results),
        "## W1: one query at a time\n\n" + short_queries(results),
        "## W2: descriptions in bulk, two threads\n\n" + bulk(results),
        "## From the start of the process to its first vector, files cached\n\n" + cold(results),
        "## The tokenizer alone, one thread, texts of W2\n\n" + tokenizers(results),
        "## What the machine can do at most\n\n" + ceilings(results),
    ]
    if results.failed:
        lines = [f"- {engine}: {reason}" for engine, reason in results.failed.items()]
        sections.append("## Not timed\n\n" + "\n".join(lines))
    return "\n\n".join(sections) + "\n"


def machine(results):
    about = results.about
    rows = [
        ["processor", f"{about['cpu']}, {about['threads']} threads"],
        ["system", about["system"]],
        ["libellus", f"{about['commit']}, {about['rustc']}, flags of `[profile.release]`"],
        ["command", f"`{about['command']}`"],
        ["load average before", about["load"]],
        ["time stolen by the host", f"{results.steal / 100:.1f} s"],
        ["peers", ", ".join(f"{name} {version}" for name, version in about["versions"].items())],
        ["flags of the Rust peers", "`-C target-cpu=native`, thin LTO"],
    ]
    return table(["", ""], rows)


def short_queries(results):
    one, two = ("w1", 1), ("w1", 2)
    rows = []
    for engine in ENGINES:
        name = engine.name
        if not results.get(name, one, "p50_ms") and not results.get(name, two, "p50_ms"):
            continue
        row = [name]
        for workload in (one, two):
            tails = results.tails(name, workload)
            row += [
                spread(results.get(name, workload, "p50_ms").values()),
                spread(results.ratio(workload, "p50_ms", name, LIBELLUS), 1, " ×"),
                percent(results.of_limit(engine, workload)),
                f"{median(tails):.1f}" if tails else "–",
            ]
        memory = results.all(name, one, "rss_mb") + results.all(name, two, "rss_mb")
        rows.append(row + [f"{max(memory):.0f}"])
    heads = ["engine"]
    for threads in ("1 thread", "2 threads"):
        heads += [f"{threads}: median, ms", "time of libellus", "of the limit", "p99 ÷ median"]
    return table(heads + ["peak memory, MB"], rows)


def bulk(results):
    rows = []
    for engine in ENGINES:
        entries = results.rows.get((engine.name, *BULK))
        if not entries:
            continue
        name = engine.name
        texts_s = [entry["docs"] / entry["secs"] for entry in entries]
        rows.append(
            [
                name if not engine.has_batches else f"{name} (batches of {entries[0]['batch']})",
                spread(results.get(name, BULK, "tok_s").values(), 0),
                spread(texts_s, 0),
                spread(results.ratio(BULK, "tok_s", LIBELLUS, name), 2, " ×"),
                percent(results.of_limit(engine, BULK)),
                f"{entries[0]['cos_mean']:.5f} / {entries[0]['cos_min']:.4f}",
                f"{max(results.all(name, BULK, 'rss_mb')):.0f}",
                str(entries[0]["docs"]),
            ]
        )
    heads = ["engine", "tokens a second", "texts a second", "libellus is faster", "of the limit"]
    note = (
        "\n\nCosine: with PyTorch in 32-bit floats, mean / least. OpenVINO's int8 was calibrated on some of these "
        "texts. ONNX Runtime and rten have no switch that holds them to AVX2."
    )
    return table(heads + ["cosine", "peak memory, MB", "texts"], rows) + note


def cold(results):
    workload = ("cold", 2)
    rows = []
    for engine in ENGINES:
        starts = results.all(engine.name, workload, "ms")
        if starts:
            ratio = results.ratio(workload, "ms", engine.name, LIBELLUS)
            memory = max(results.all(engine.name, workload, "rss_mb"))
            rows.append([engine.name, spread(starts, 1), spread(ratio, 1, " ×"), f"{memory:.0f}"])
    note = f"\n\nStarting an empty process takes {results.about['empty_process_ms']:.1f} ms of each."
    return table(["engine", "ms", "time of libellus", "peak memory, MB"], rows) + note


def tokenizers(results):
    workload = ("tokenize", 1)
    rows = []
    for engine in ENGINES:
        speeds = results.get(engine.name, workload, "mb_s")
        if speeds:
            ratio = results.ratio(workload, "mb_s", "libellus tokenizer", engine.name)
            rows.append([engine.name, spread(speeds.values(), 1), spread(ratio, 1, " ×")])
    return table(["tokenizer", "MB a second", "libellus is faster"], rows)


def ceilings(results):
    kinds = {}
    for ceiling in results.about["ceilings"]:
        kinds.setdefault((ceiling["ceiling"], ceiling["unit"]), {})[ceiling["threads"]] = ceiling

    def shown(ceiling):
        return f"{ceiling['median']:,.1f} ({ceiling['min']:,.1f}–{ceiling['max']:,.1f})"

    rows = [[name, unit, shown(by[1]), shown(by[2])] for (name, unit), by in kinds.items()]
    millions = results.about["operations_per_token"] / 1e6
    note = (
        f"\n\nLimits are taken from the best sample. A token is {millions:.1f} M operations in the linear layers; "
        "attention, norms, softmax and tokenizing come on top and are not counted, so nobody can reach 100 % of a limit "
        "that holds for them. Fractions are of vector instructions; where a processor has tiles (AMX), an engine that "
        "uses them can be beyond."
    )
    return table(["ceiling", "", "1 thread", "2 threads"], rows) + note


def aims(results):
    """What is asked of libellus: a name, the values, how to show them, the better side, what must be, and the aim."""
    engines = {engine.name: engine for engine in ENGINES}
    query_peer = {threads: results.fastest_peer(("w1", threads), "p50_ms", min) for threads in (1, 2)}
    bulk_peer = results.fastest_peer(BULK, "tok_s", max)
    cold_peer = results.fastest_peer(("cold", 2), "ms", min)

    def faster(peer, ours=LIBELLUS):
        return results.ratio(BULK, "tok_s", ours, peer)

    def queries(threads):
        return results.ratio(("w1", threads), "p50_ms", LIBELLUS, query_peer[threads])

    w1_memory = results.all(LIBELLUS, ("w1", 1), "rss_mb") + results.all(LIBELLUS, ("w1", 2), "rss_mb")
    peer_start = results.ratio(("cold", 2), "ms", LIBELLUS, cold_peer)
    tokenizer = results.all("libellus tokenizer", ("tokenize", 1), "mb_s")
    most, least = True, False
    rows = [
        (f"W1, 1 thread, against {query_peer[1]}", queries(1), "{:.2f} ×", most, 0.6, 0.45),
        (f"W1, 2 threads, against {query_peer[2]}", queries(2), "{:.2f} ×", most, 0.6, 0.45),
        ("W1 p99 ÷ median, 1 thread", results.tails(LIBELLUS, ("w1", 1)), "{:.2f}", most, 2, 1.4),
        ("W1 p99 ÷ median, 2 threads", results.tails(LIBELLUS, ("w1", 2)), "{:.2f}", most, 2, 1.4),
        (f"W2 against {bulk_peer}", faster(bulk_peer), "{:.2f} ×", least, 1.5, None),
        ("W2 of the limit", results.of_limit(engines[LIBELLUS], BULK), "{:.0%}", least, 0.57, 0.7),
        ("W2 against sentence-transformers", faster("sentence-transformers f32"), "{:.2f} ×", least, 5, 6.5),
        ("f32, W2, against onnxruntime f32", faster("onnxruntime f32", "libellus f32"), "{:.2f} ×", least, 1.5, None),
        ("f32, W2, of the limit", results.of_limit(engines["libellus f32"], BULK), "{:.0%}", least, None, 0.75),
        ("AVX2, W2, against onnxruntime f32", faster("onnxruntime f32", "libellus, AVX2"), "{:.2f} ×", least, None, 1),
        ("AVX2, W2, against our own scalar", faster("libellus, scalar", "libellus, AVX2"), "{:.1f} ×", least, 1, None),
        ("start to first vector, ms", results.all(LIBELLUS, ("cold", 2), "ms"), "{:.1f}", most, 25, 8),
        (f"start, against {cold_peer}", peer_start, "{:.2f} ×", most, 1 / 3, None),
        ("peak memory of W1, MB", sorted(w1_memory)[-1:], "{:.0f}", most, 45, 35),
        ("peak memory of W2, MB", sorted(results.all(LIBELLUS, BULK, "rss_mb"))[-1:], "{:.0f}", most, 80, 50),
        ("tokenizer, MB a second", tokenizer, "{:.0f}", least, 40, None),
        ("mean cosine to f32", results.all(LIBELLUS, BULK, "cos_mean"), "{:.5f}", least, 0.9993, 0.9997),
        ("least cosine to f32", results.all(LIBELLUS, BULK, "cos_min"), "{:.4f}", least, 0.998, None),
    ]
    return table(["", "measured", "must be", "aim", ""], [judged(*row) for row in rows if row[1]])


def judged(name, values, form, at_most, must, aim):
    """One row: the median is what counts."""
    value = median(values)
    sign = "≤" if at_most else "≥"

    def holds(bound):
        return value <= bound if at_most else value >= bound

    verdict = ""
    if aim is not None and holds(aim):
        verdict = "aim reached"
    elif must is not None:
        verdict = "as it must be" if holds(must) else "**not yet**"
    elif aim is not None:
        verdict = "short of the aim"
    shown = form.format(value)
    if len(values) > 1:
        shown += f" ({form.format(min(values))}–{form.format(max(values))})"
    bounds = [f"{sign} {form.format(bound)}" if bound is not None else "" for bound in (must, aim)]
    return [name, shown, *bounds, verdict]
