"""Measures imports of traffic and of datasets: rows per second and peak memory, at two sizes.

    python3 benches/import/measure.py target/release/karat [--rows 1000000] [--only otlp]

Writes the same invented requests in every format (tools/traffic_fixtures/same_requests.py) and imports each file with one
command. A tenth of the rows is measured first: memory that does not grow with the file is the same for both. Beside them
stands the time in which Python's json module parses the same file, which reads, redacts and stores nothing.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAME_REQUESTS = HERE.parent.parent / "tools/traffic_fixtures/same_requests.py"
WORKSPACE = "embedder: hashed-ngrams\nendpoints: {obvious: {type: baseline}}\n"
TRAFFIC = {
    "otlp": ["requests.otlp.jsonl"],
    "openinference": ["requests.openinference.jsonl"],
    "phoenix": ["requests.phoenix.jsonl"],
    "langfuse": ["requests.langfuse.jsonl"],
    "litellm": ["requests.litellm.jsonl"],
    "openai-batch": ["requests.openai_batch.jsonl", "requests.openai_batch_output.jsonl"],
    "openai-completions": ["requests.openai_completions.jsonl"],
    "helicone": ["requests.helicone.jsonl"],
    "rows": ["requests.rows.jsonl"],
}
# The most tests that karat takes from one configuration.
MOST = {"import/promptfoo": 500_000}


def timed(command, folder):
    """Wall seconds and peak resident megabytes of a command, and its output."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - started, usage.ru_maxrss / 1024, output


def parsed_by_python(paths):
    started = time.monotonic()
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                json.loads(line)
    return time.monotonic() - started


def questions(number):
    return f"How long does parcel {number} take to {number % 97} places, and who signs for it?", f"It takes {number % 9} days."


def write_dataset(name, path, rows):
    """Examples of one importer; the shapes are those of tests/fixtures/import."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        for number in range(rows):
            question, answer = questions(number)
            if name == "langfuse":
                row = {"id": f"i-{number}", "datasetName": "parcels", "status": "ACTIVE", "input": question,
                       "expectedOutput": answer, "metadata": {"n": number}, "createdAt": "2026-09-01T00:00:00Z"}
            elif name == "deepeval":
                row = {"input": question, "actual_output": None, "expected_output": answer, "context": ["The tariff."],
                       "additional_metadata": {"n": number}}
            elif name == "openai-evals":
                row = {"input": [{"role": "user", "content": question}], "ideal": answer}
            elif name == "inspect":
                row = {"id": number, "input": question, "target": answer, "metadata": {"n": number}}
            else:
                row = {"question": question, "answer": answer, "topic": number % 7}
            file.write(json.dumps(row) + "\n")


def write_promptfoo(folder, rows):
    (folder / "promptfooconfig.yaml").write_text(
        "prompts: ['{{question}}']\nproviders: [openai:chat:m]\ntests: file://tests.csv\n", encoding="utf-8")
    with open(folder / "tests.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "__expected"])
        for number in range(rows):
            writer.writerow([questions(number)[0], f"contains:{number % 9} days"])


def measure_traffic(karat, name, rows):
    with tempfile.TemporaryDirectory() as folder:
        write = [sys.executable, SAME_REQUESTS, folder, "--count", str(rows), "--rows", str(rows)]
        formats = ",".join(file.split(".")[1] for file in TRAFFIC[name])
        subprocess.run([*write, "--formats", formats], check=True, stdout=subprocess.DEVNULL)
        Path(folder, "karat.yaml").write_text(WORKSPACE, encoding="utf-8")
        files = TRAFFIC[name]
        command = [karat, "traffic", "import", *files, "--format", "json"]
        seconds, megabytes, output = timed(command, folder)
        view = json.loads(output)
        new = sum(file["new"] for file in view["files"])
        if new != rows or any(file["format"] != name for file in view["files"]):
            raise SystemExit(f"{name}: {new} of {rows} requests were imported")
        size = sum(os.path.getsize(os.path.join(folder, file)) for file in files)
        return seconds, megabytes, size, parsed_by_python([os.path.join(folder, file) for file in files])


def measure_dataset(karat, name, rows):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "parcels.jsonl")
        if name == "promptfoo":
            write_promptfoo(Path(folder), rows)
            source, size = Path(folder, "promptfooconfig.yaml"), os.path.getsize(Path(folder, "tests.csv"))
        else:
            write_dataset(name, source, rows)
            size = os.path.getsize(source)
        seconds, megabytes, output = timed([karat, "import", name, source, "--into", "evals", "--format", "json"], folder)
        examples = sum(dataset["examples"] for dataset in json.loads(output)["datasets"])
        if examples != rows:
            raise SystemExit(f"{name}: {examples} of {rows} examples were imported")
        return seconds, megabytes, size, None if name == "promptfoo" else parsed_by_python([source])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("karat", type=Path)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--only", help="one format, such as otlp or import/deepeval")
    options = arguments.parse_args()
    karat = str(options.karat.resolve())
    datasets = ["huggingface", "langfuse", "deepeval", "openai-evals", "inspect", "promptfoo"]
    jobs = [(name, measure_traffic, name) for name in TRAFFIC]
    jobs += [(f"import/{name}", measure_dataset, name) for name in datasets]
    print("| format | rows/s | MB/s | peak memory at a tenth | peak memory | beside Python's json |")
    print("|---|---|---|---|---|---|")
    for shown, measure, name in jobs:
        if options.only not in (None, shown):
            continue
        rows = min(options.rows, MOST.get(shown, options.rows))
        _, small, _, _ = measure(karat, name, rows // 10)
        seconds, large, size, peer = measure(karat, name, rows)
        beside = "–" if peer is None else f"{seconds / peer:.1f} times its time"
        print(f"| {shown} | {rows / seconds:,.0f} | {size / seconds / 1e6:.0f} | {small:.0f} MB | {large:.0f} MB | {beside} |", flush=True)


if __name__ == "__main__":
    main()
