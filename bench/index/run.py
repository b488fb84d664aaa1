"""libellus and other indexes on the same vectors, by turns.

    run.py WORK RUNNER ROWS ENGINE…

WORK holds `vectors.f32` and `queries.f32` (`vectors.py` makes them); RUNNER is `libellus-index-bench`. Each engine has a
process of its own; three rounds, every other one backwards; ratios are taken within a round.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROUNDS = 3


class Engine:
    def __init__(self, name, work, runner, rows):
        script = Path(__file__).parent / "engine.py"
        command = [runner, work, rows] if name == "libellus" else [sys.executable, script, name, work, rows]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, text=True)
        print(self.process.stdout.readline().strip(), flush=True)

    def answer(self, what="go"):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main():
    work, runner, rows, *names = sys.argv[1:]
    names = ["libellus", *(name for name in names if name != "libellus")]
    engines = {name: Engine(name, work, runner, rows) for name in names}
    seconds, found = {}, {}
    for number in range(ROUNDS):
        for name in names if number % 2 == 0 else names[::-1]:
            answer = engines[name].answer()
            seconds.setdefault(name, []).append(answer["seconds"])
            found[name] = answer["found"]
        seconds.setdefault("filtered to 1 %", []).append(engines["libellus"].answer("filtered")["seconds"])
    if "faiss" in found:
        same = [len(set(ours) & set(theirs)) / 10 for ours, theirs in zip(found["libellus"], found["faiss"])]
        print(f"recall@10 of libellus against faiss: {np.mean(same):.5f}")
    own = np.array(seconds["libellus"]).mean(1)
    for name, times in seconds.items():
        means = np.array(times).mean(1)
        print(f"{name}: mean ms {(means * 1e3).round(2)}, times libellus {(means / own).round(2)}")


if __name__ == "__main__":
    main()
