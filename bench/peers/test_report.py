"""The comparison's own arithmetic, on results written by hand: `python3 -m unittest discover bench/peers`."""

import json
import struct
import unittest
from pathlib import Path

import accuracy
import engines
import report

ABOUT = {
    "date": "2026-01-01",
    "command": "cargo xtask peers",
    "rounds": 2,
    "commit": "abc",
    "rustc": "rustc 1.0",
    "cpu": "a processor",
    "threads": 2,
    "system": "Linux",
    "load": "0.0",
    "versions": {"onnxruntime": "1.0"},
    "w1_tokens": 10.0,
    "operations_per_token": 20_000_000,
    "empty_process_ms": 1.0,
    "ceilings": [
        {"ceiling": "int8 VPDPBUSD 512", "unit": "Gop/s", "threads": 1, "median": 380.0, "min": 1.0, "max": 400.0},
        {"ceiling": "int8 VPDPBUSD 512", "unit": "Gop/s", "threads": 2, "median": 760.0, "min": 1.0, "max": 800.0},
    ],
}


def canned():
    """libellus twice as fast as ONNX Runtime; its second round has a slow machine for both."""
    lines = [json.dumps({"about": ABOUT})]
    for number, slow in enumerate((1, 3)):
        for engine, factor in (("libellus", 1), ("onnxruntime int8", 2)):
            ours = {"round": number, "engine": engine, "steal": 0, "rss_mb": 40.0}
            w1 = {"workload": "w1", "threads": 1, "p50_ms": 1.0 * factor * slow, "p99_ms": 1.5 * factor * slow}
            w2 = {"workload": "w2", "threads": 2, "tok_s": 24_000 / factor / slow, "docs": 100, "secs": 1.0, "batch": 8}
            w2 |= {"cos_mean": 0.9995, "cos_min": 0.9985}
            lines += [json.dumps(ours | w1), json.dumps(ours | w2)]
            lines += [json.dumps(ours | {"workload": "cold", "threads": 2, "ms": 10.0 * factor * slow})]
    lines.append(json.dumps({"engine": "candle f32", "failed": "it does not run"}))
    return report.Results(lines)


class Report(unittest.TestCase):
    def test_ratios_are_taken_within_a_round(self):
        self.assertEqual(canned().ratio(("w1", 1), "p50_ms", "libellus", "onnxruntime int8"), [0.5, 0.5])

    def test_the_fastest_peer_is_found_for_times_and_for_speeds(self):
        results = canned()
        self.assertEqual(results.fastest_peer(("w1", 1), "p50_ms", min), "onnxruntime int8")
        self.assertEqual(results.fastest_peer(("w2", 2), "tok_s", max), "onnxruntime int8")

    def test_fractions_of_the_limit(self):
        libellus = engines.ENGINES[0]
        # 10 tokens of 20 M operations at 400 Gop/s are half a millisecond.
        self.assertEqual(canned().of_limit(libellus, ("w1", 1))[0], 0.5)
        # 24,000 such tokens a second are 480 of 800 Gop/s.
        self.assertAlmostEqual(canned().of_limit(libellus, ("w2", 2))[0], 0.6)

    def test_the_tables_have_what_was_measured(self):
        text = report.render(canned())
        for expected in (
            "| libellus | 2.00 (1.00–3.00) | 1.0 × (1.0–1.0) |",
            "| onnxruntime int8 (batches of 8) | 8,000 (4,000–12,000) | 100 (100–100) | 2.00 × (2.00–2.00) |",
            "| W1, 1 thread, against onnxruntime int8 | 0.50 × (0.50 ×–0.50 ×) | ≤ 0.60 × | ≤ 0.45 × | as it must",
            "| least cosine to f32 | 0.9985 (0.9985–0.9985) | ≥ 0.9980 |  | as it must be |",
            "- candle f32: it does not run",
        ):
            self.assertIn(expected, text)

    def test_a_part_of_a_run_is_reported_too(self):
        self.assertIn("## W1", report.render(report.Results([json.dumps({"about": ABOUT})])))


class Accuracy(unittest.TestCase):
    def test_cosines(self):
        reference = struct.pack("<6f", 1, 0, 0, 1, 1, 1)
        mean, least = accuracy.cosines(struct.pack("<4f", 2, 0, 1, 0), reference, 2)
        self.assertEqual((mean, least), (0.5, 0.0))

    def test_other_numbers_of_vectors_are_an_error(self):
        with self.assertRaisesRegex(ValueError, "3 numbers are no 2 vectors"):
            accuracy.cosines(struct.pack("<3f", 1, 2, 3), struct.pack("<4f", 1, 0, 0, 1), 2)


class Scripts(unittest.TestCase):
    def test_all_of_them_parse(self):
        # The others need packages that are installed by `prepare.py` only.
        for script in Path(__file__).parent.glob("*.py"):
            compile(script.read_text(encoding="utf-8"), script, "exec")

    def test_engines_have_names_of_their_own(self):
        names = [engine.name for engine in engines.ENGINES]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
