"""Measures `karat compare` on two runs of many examples: wall time and peak memory.

    python3 benches/compare/measure.py target/release/karat [--examples 100000]

Makes a workspace in a temporary folder, runs the suite twice on programs that answer nine or eight of ten questions
correctly, and compares the two runs five times. A loop that only counts the stored scores, in the same SQLite file and
process, is the physical limit beside it.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

ANSWER = """import json, sys
wrong = int(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    number = int(request["messages"][-1]["content"].split()[-1])
    answer = "no idea" if number % 10 < wrong else f"answer {number}"
    print(json.dumps({"output": answer}), flush=True)
"""

CONFIG = """embedder: hashed-ngrams
endpoints:
  base: {{type: exec, command: [python3, answer.py, "1"], workers: 2}}
  candidate: {{type: exec, command: [python3, answer.py, "2"], workers: 2}}
"""

SUITE = """dataset: quiz
endpoints: [base, candidate]
scorers: [exact]
"""


def timed(command, folder):
    """Wall seconds and peak resident megabytes of a command."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - started, usage.ru_maxrss / 1024, output


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("karat", type=Path)
    arguments.add_argument("--examples", type=int, default=100_000)
    options = arguments.parse_args()
    karat = str(options.karat.resolve())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "datasets/quiz").mkdir(parents=True)
        (folder / "suites").mkdir()
        (folder / "answer.py").write_text(ANSWER)
        (folder / "karat.yaml").write_text(CONFIG.format())
        (folder / "suites/quiz.yaml").write_text(SUITE)
        with open(folder / "datasets/quiz/examples.jsonl", "w") as rows:
            for number in range(options.examples):
                row = {"id": f"q{number:07}", "input": f"question {number}", "expected": f"answer {number}", "tags": [f"t{number % 20}"]}
                rows.write(json.dumps(row) + "\n")
        seconds, _, _ = timed([karat, "run", "quiz", "--quiet"], folder)
        print(f"two runs of {options.examples} examples: {seconds:.1f} s")
        for label, rest in (("plain", []), ("with 20 slices", ["--slice", "tag"])):
            measured = [timed([karat, "compare", "base", "candidate", "--format", "json", *rest], folder) for _ in range(5)]
            best = min(seconds for seconds, _, _ in measured)
            peak = max(megabytes for _, megabytes, _ in measured)
            found = json.loads(measured[0][2])["scores"][0]
            print(f"compare, {label}: {best:.2f} s at best of 5, {peak:.0f} MB peak, n = {found['n']}, {found['difference']:+.3f}")
        started = time.monotonic()
        connection = sqlite3.connect(folder / ".karat/karat.db")
        rows = sum(1 for _ in connection.execute("SELECT example_id, trial, scorer, value FROM scores ORDER BY run_id, example_id"))
        print(f"reading the {rows} scores alone, from Python: {time.monotonic() - started:.2f} s")


if __name__ == "__main__":
    main()
