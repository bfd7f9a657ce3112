# /// script
# requires-python = ">=3.11"
# dependencies = ["pyarrow==26.0.1", "opentelemetry-proto==1.45.2"]
# ///
"""Checks exported outcomes with the readers of the tools they are meant for.

Run with the versions pinned above on a folder with the exports of the same runs in all formats, one file each: *.jsonl,
*.csv, *.parquet, *.otlp.jsonl and *.promptfoo.json:
    python tools/export_check.py DIR

JSON Lines is what the others are compared with: the csv module reads CSV, pyarrow reads Parquet, the messages of
opentelemetry-proto parse OTLP, and promptfoo 0.123.1 imports its results file into a database of its own and exports it again.
promptfoo is the program in the environment variable PROMPTFOO, or the one on the path; without it, the fields that its import
reads are checked. It needs Node 22, and contacts nothing.
"""

import base64
import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = ["run_id", "suite", "suite_version", "dataset", "dataset_version", "endpoint", "prompt", "started_at"]
COLUMNS = RUN + [
    "example_id", "trial", "answered_at", "model", "input", "input_json", "expected", "output", "tool_calls",
    "finish_reason", "error_kind", "error_message", "attempts", "latency_ms", "ttft_ms", "prompt_tokens",
    "completion_tokens", "cost", "cached", "tags", "metadata", "turns"]
KEYS = set(COLUMNS) - {"input_json", "error_kind", "error_message"} | {"input_text", "error", "scores"}
STATES = {"scored", "skipped", "failed"}


def one(folder, pattern, without=()):
    found = [path for path in sorted(folder.glob(pattern)) if not any(path.name.endswith(end) for end in without)]
    assert len(found) == 1, f"{folder} has {len(found)} files {pattern}"
    return found[0]


def strict(text):
    def constant(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(text, parse_constant=constant)


def jsonl(path):
    text = path.read_text(encoding="utf-8")
    assert text.isprintable() or all(c == "\n" or c.isprintable() or not c.isascii() for c in text), "control characters"
    rows = [strict(line) for line in text.split("\n")[:-1]]
    for row in rows:
        assert set(row) == KEYS, set(row) ^ KEYS
        assert (row["output"] is None) == (row["error"] is not None), row["example_id"]
        assert all(set(turn) == {"user", "expected", "output"} for turn in row["turns"] or []), row["turns"]
        for name, score in row["scores"].items():
            assert score["state"] in STATES and set(score) == {"state", "value", "reason"}, name
            assert score["value"] is None or (score["state"] == "scored" and 0 <= score["value"] <= 1), name
    return rows


def scorers_of(names):
    scorers = [name.removeprefix("score.") for name in names[len(COLUMNS)::3]]
    expected = COLUMNS + [f"{what}.{name}" for name in scorers for what in ["score", "state", "reason"]]
    assert list(names) == expected, [pair for pair in zip(names, expected) if pair[0] != pair[1]]
    return scorers


def score(row, scorer):
    return row["scores"].get(scorer, {"state": None, "value": None, "reason": None})


def check_csv(path, rows):
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file, strict=True))
    names, cells = read[0], [dict(zip(read[0], row, strict=True)) for row in read[1:]]
    scorers = scorers_of(names)
    assert len(cells) == len(rows)
    for row, cell in zip(rows, cells):
        for name, text in cell.items():
            assert not text.lstrip().startswith(("=", "+", "@")), f"{name} is a formula"
            assert not text.startswith("-") or float(text.rstrip("%")) <= 0, f"{name} is a formula"
            # The cells that a program would see that separates them by semicolons or tabs.
            assert not any(part.lstrip('"').startswith(("=", "@")) for part in re.split("[;\t\n]", text)), f"{name} has a formula"
            assert all(c.isprintable() or c in "\n\t" for c in text if c.isascii()), f"{name} has control characters"
        for kind, names in [(float, ["latency_ms", "ttft_ms", "cost"]), (int, ["prompt_tokens", "completion_tokens", "trial"])]:
            for name in names:
                assert (kind(cell[name]) if cell[name] else None) == row[name], name
        assert cell["cached"] == str(row["cached"]).lower()
        assert isinstance(json.loads(cell["tags"]), list) and isinstance(json.loads(cell["metadata"]), dict)
        assert (json.loads(cell["turns"]) if cell["turns"] else None) == row["turns"]
        for scorer in scorers:
            value, state = cell[f"score.{scorer}"], cell[f"state.{scorer}"]
            assert (float(value) if value else None) == score(row, scorer)["value"], scorer
            assert (state or None) == score(row, scorer)["state"], scorer
    return scorers


def check_parquet(path, rows, scorers):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    assert scorers_of(file.schema_arrow.names) == scorers
    kinds = {
        "trial": pa.int64(), "attempts": pa.int64(), "prompt_tokens": pa.int64(), "completion_tokens": pa.int64(),
        "started_at": pa.timestamp("ms", "UTC"), "answered_at": pa.timestamp("ms", "UTC"), "latency_ms": pa.float64(),
        "ttft_ms": pa.float64(), "cost": pa.float64(), "cached": pa.bool_(), **{f"score.{name}": pa.float64() for name in scorers},
        **{name: pa.json_() for name in ["input_json", "tool_calls", "metadata", "turns"]}}
    for field in file.schema_arrow:
        if field.name in ["expected", "tags"]:
            assert pa.types.is_list(field.type) and field.type.value_type == pa.string(), field
        else:
            assert field.type == kinds.get(field.name, pa.string()), field
    groups = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    assert all(count <= 20_000 for count in groups), groups
    found = file.read().to_pylist()
    assert len(found) == len(rows)
    for row, cells in zip(rows, found):
        same = ["run_id", "suite", "endpoint", "prompt", "example_id", "trial", "model", "output", "finish_reason", "attempts",
                "latency_ms", "ttft_ms", "cost", "cached", "tags"]
        for name in same:
            assert cells[name] == row[name], (name, cells[name], row[name])
        for name in ["prompt_tokens", "completion_tokens"]:
            assert cells[name] == row[name] or (cells[name] is None and row[name] >= 2**63), name
        assert cells["input"] == row["input_text"]
        assert json.loads(cells["metadata"]) == row["metadata"]
        assert (None if cells["turns"] is None else json.loads(cells["turns"])) == row["turns"]
        if cells["input_json"] is not None:
            assert json.loads(cells["input_json"]) == row["input"]
        assert cells["expected"] == [
            answer if isinstance(answer, str) else cell for answer, cell in zip(row["expected"], cells["expected"], strict=True)]
        assert (cells["error_kind"] is None) == (row["error"] is None)
        assert cells["started_at"].isoformat()[:19] == row["started_at"][:19]
        for scorer in scorers:
            expected = score(row, scorer)
            assert [cells[f"{what}.{scorer}"] for what in ["score", "state", "reason"]] == [
                expected["value"], expected["state"], expected["reason"]], scorer


def check_otlp(path, rows, scorers):
    from google.protobuf import json_format
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    # An outcome without an answer has an event for every scorer of its suite, and for no other. Its own row does not list
    # them, but those of answered outcomes do.
    of_suite = {}
    for row in rows:
        of_suite.setdefault(row["suite_version"], {}).update(dict.fromkeys(row["scores"]))
    expected, unknown = {}, set()
    for row in rows:
        outcome = row["run_id"], row["example_id"], row["trial"]
        names = of_suite[row["suite_version"]]
        if row["error"] and not names:
            unknown.add(outcome)
        scores = dict.fromkeys(names) if row["error"] else row["scores"]
        for name, value in scores.items():
            expected[*outcome, name] = value and value["value"]
    found, spans = {}, {}
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        request = strict(line)
        for record in [record for resource in request["resourceLogs"] for scope in resource["scopeLogs"] for record in scope["logRecords"]]:
            # OTLP has ids in hexadecimal digits, where JSON of protobuf has Base64.
            for name, size in [("traceId", 16), ("spanId", 8)]:
                raw = bytes.fromhex(record[name])
                assert len(raw) == size and any(raw), name
                record[name] = base64.b64encode(raw).decode()
        message = json_format.ParseDict(request, ExportLogsServiceRequest())
        for record in [record for resource in message.resource_logs for scope in resource.scope_logs for record in scope.log_records]:
            assert record.event_name == "gen_ai.evaluation.result" and record.time_unix_nano > 0
            names = [pair.key for pair in record.attributes]
            assert len(names) == len(set(names)), names
            values = {pair.key: pair.value for pair in record.attributes}
            identity = (values["karat.run.id"].string_value, values["karat.example.id"].string_value, values["karat.trial"].int_value)
            assert spans.setdefault((record.trace_id, record.span_id), identity) == identity
            key = (*identity, values["gen_ai.evaluation.name"].string_value)
            assert key not in found, key
            value = values.get("gen_ai.evaluation.score.value")
            found[key] = value and value.double_value
            label = values.get("gen_ai.evaluation.score.label")
            assert label is None or label.string_value in ["pass", "fail", "skipped"]
            known = ("karat.", "gen_ai.evaluation.")
            assert all(name.startswith(known) or name in ["gen_ai.response.model", "error.type"] for name in names), names
    for key in [key for key in found if key[:3] in unknown]:
        assert key[3] in scorers and found.pop(key) is None, key
    assert found == expected, {key for key in found | expected if found.get(key) != expected.get(key)}


def check_promptfoo(path, rows):
    file = strict(path.read_text(encoding="utf-8"))
    results = file["results"]["results"]
    assert file["results"]["version"] == 3 and isinstance(file["evalId"], str) and len(results) == len(rows)
    stats = file["results"]["stats"]
    assert stats["successes"] + stats["failures"] + stats["errors"] == len(rows)
    ids = [result["id"] for result in results]
    assert len(set(ids)) == len(ids)
    tests = {}
    for row, result in zip(rows, results):
        prompt = file["results"]["prompts"][result["promptIdx"]]
        assert prompt["id"] == result["promptId"] and prompt["provider"] == result["provider"]["id"] == row["endpoint"]
        assert result["success"] == (result["failureReason"] == 0) and math.isfinite(result["score"])
        assert isinstance(result["testIdx"], int) and isinstance(result["testCase"]["vars"], dict)
        expected = {name: value["value"] for name, value in row["scores"].items() if value["value"] is not None}
        assert result["namedScores"] == expected
        assert result["response"].get("output") == row["output"]
        primary = next(iter(row["scores"].values()), None)
        if row["error"] is None and primary:
            failure = 2 if primary["value"] is None else int(primary["value"] < 1)
            assert result["failureReason"] == failure, (row["example_id"], result["failureReason"], failure)
        test = row["dataset"], row["example_id"], row["trial"]
        assert tests.setdefault(result["testIdx"], test) == test, test
    places = [(result["promptIdx"], result["testIdx"]) for result in results]
    assert len(set(places)) == len(places)
    program = os.environ.get("PROMPTFOO") or shutil.which("promptfoo")
    if not program:
        return "by its fields; there is no promptfoo"
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"PROMPTFOO_CONFIG_DIR": folder, "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1"}
        environment = {**os.environ, **quiet}
        again = Path(folder) / "again.json"
        for arguments in [["import", str(path)], ["export", "eval", file["evalId"], "-o", str(again)]]:
            done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
        there = json.loads(again.read_text(encoding="utf-8"))
    place = lambda result: (result["promptIdx"], result["testIdx"])
    taken = ["promptIdx", "testIdx", "success", "score", "failureReason", "namedScores", "vars", "error", "gradingResult"]
    for ours, theirs in zip(sorted(results, key=place), sorted(there["results"]["results"], key=place), strict=True):
        for name in taken:
            assert (theirs.get(name) or None) == (ours.get(name) or None), (name, theirs.get(name), ours.get(name))
    for name in ["successes", "failures", "errors"]:
        assert there["results"]["stats"][name] == stats[name], name
    return "by its import"


def main():
    folder = Path(sys.argv[1])
    rows = jsonl(one(folder, "*.jsonl", without=[".otlp.jsonl"]))
    print(f"JSON Lines: {len(rows)} outcomes")
    scorers = check_csv(one(folder, "*.csv"), rows)
    print("CSV: the same")
    check_parquet(one(folder, "*.parquet"), rows, scorers)
    print("Parquet: the same, with types")
    check_otlp(one(folder, "*.otlp.jsonl"), rows, scorers)
    print("OTLP: the same scores")
    print("promptfoo: the same,", check_promptfoo(one(folder, "*.promptfoo.json"), rows))


main()
