#!/usr/bin/env python3
"""Writes the cassettes of the templates of `karat init` again, after a prompt, an example or an answer has changed.

    cargo build --release && python3 tools/template_cassettes.py target/release/karat
    python3 tools/template_cassettes.py target/release/karat rag tools    # only these templates
    python3 tools/template_cassettes.py target/release/karat --check      # writes nothing; exit code 1 if one is out of date

The answers are written by hand, in the cassettes themselves: templates/init/NAME/cassettes/SUITE.jsonl. This script runs the
suite on a program that gives these answers, records the run, and so renews the requests and their keys. To change an answer,
edit `output` or `tool_calls` of its line; for a new example, add a line such as {"id": "a1", "output": "Yes."}, with
"turn": 1 for the second turn of a conversation. Needs Python 3.9 or newer and nothing else.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

TEMPLATES = pathlib.Path(__file__).resolve().parent.parent / "templates" / "init"
NOTE = "The answers were written by hand for this template, some of them wrong on purpose. No model was asked."
ANSWER = ("output", "tool_calls", "finish_reason", "model", "usage")

# The endpoint that is recorded. A request is known by its example and by the number of answers before it.
PROGRAM = """
import json, sys

answers = {}
for line in open("answers.jsonl", encoding="utf-8"):
    answer = json.loads(line)
    answers[answer.pop("id"), answer.pop("turn", 0)] = answer
for line in sys.stdin:
    task = json.loads(line)
    turn = sum(message["role"] == "assistant" for message in task["messages"])
    missing = {"error": f"no answer is written for turn {turn} of {task['id']}"}
    print(json.dumps(answers.get((task["id"], turn), missing)), flush=True)
"""


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def written(entries):
    """What is written by hand in the lines of a cassette."""
    answers = []
    for entry in entries:
        if "id" not in entry:
            continue  # the header
        answer = {key: entry[key] for key in ("id", "turn", *ANSWER) if entry.get(key) is not None}
        if isinstance(answer.get("tool_calls"), str):
            answer["tool_calls"] = json.loads(answer["tool_calls"])
        answers.append(answer)
    return answers


def recorded(karat, template, cassette):
    """The lines of the cassette, recorded again."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder) / "workspace"
        shutil.copytree(template, work, ignore=shutil.ignore_patterns(".karat", "reports"))
        config = (work / "karat.yaml").read_text(encoding="utf-8")
        endpoint = "endpoints:\n  written: {type: exec, command: [python3, answer.py], workers: 1}\n"
        (work / "karat.yaml").write_text(config.replace("endpoints:\n", endpoint, 1), encoding="utf-8")
        (work / "answer.py").write_text(PROGRAM, encoding="utf-8")
        answers = "".join(json.dumps(answer) + "\n" for answer in written(lines(cassette)))
        (work / "answers.jsonl").write_text(answers, encoding="utf-8")
        record = pathlib.Path(folder) / "record.jsonl"
        command = [karat, "-C", str(work), "run", cassette.stem, "-e", "written", "--no-cache", "--record", str(record)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # A gate may fail (100) or be undecided (103) here; 4 would be answers that are missing.
        if done.returncode not in (0, 100, 103) or not record.exists():
            sys.exit(f"{cassette}: karat run ended with {done.returncode}\n{done.stdout}{done.stderr}")
        header, *entries = lines(record)
    for entry in entries:
        entry.pop("latency_ms", None)  # that of the program, which says nothing
    return [{**header, "note": NOTE}, *entries]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("karat", help="the karat to record with")
    parser.add_argument("names", nargs="*", help="templates; all by default")
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a cassette is out of date")
    arguments = parser.parse_args()
    karat = str(pathlib.Path(arguments.karat).resolve())
    outdated = 0
    for cassette in sorted(TEMPLATES.glob("*/cassettes/*.jsonl")):
        template = cassette.parent.parent
        if arguments.names and template.name not in arguments.names:
            continue
        found = recorded(karat, template, cassette)
        text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in found)
        same = cassette.read_text(encoding="utf-8") == text
        outdated += not same
        if not arguments.check:
            cassette.write_text(text, encoding="utf-8")
        print(f"{cassette.relative_to(TEMPLATES)}: {len(found) - 1} answers, {'the same' if same else 'changed'}")
    sys.exit(1 if arguments.check and outdated else 0)


if __name__ == "__main__":
    main()
