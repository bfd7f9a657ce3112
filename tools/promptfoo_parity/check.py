# /// script
# requires-python = ">=3.11"
# dependencies = ["PyYAML==6.0.3"]
# ///
"""Compares imported suites with promptfoo itself, assertion by assertion.

    python tools/promptfoo_parity/check.py target/release/karat tools/promptfoo_parity/types.yaml CONFIG...

Needs promptfoo 0.123.1 on the path, or in the environment variable PROMPTFOO, and the Node that it wants. A configuration is
copied with its folder. Its providers become a server on the loopback address (loopback.py), which grades, too, and each
assertion becomes a test of its own. promptfoo runs that; karat imports and runs it. Then every pass and fail is compared.
Nothing but loopback is contacted.

Not compared are assertions that karat did not carry over or skips, those that promptfoo could not score, and tests whose answers
differ because rows were redacted; all are counted. A difference is explained if the import has a note on it and the type is one
of those that may differ. Ends with status 1 if another one is found, if karat has an error or no outcome where promptfoo has
one, or if karat cannot run what it imported.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from loopback import JUDGE, Loopback

LEFT_OUT = ["redteam", "tracing", "extensions", "outputPath", "sharing", "env", "commandLineOptions", "evaluateOptions"]
# Types whose notes say that they may pass in one tool and fail in the other, whatever grades; attacks are the others.
MAY_DIFFER = {"similar", "bleu", "gleu", "rouge-n", "word-count", "contains-json", "is-html", "contains-html"}
ATTACK = "promptfoo:redteam:"
WRONG = ["differs", "another answer", "an error in karat", "absent in karat"]
KEPT_SETTINGS = ["tools", "tool_choice", "functions", "response_format", "temperature", "max_tokens"]


# What `karat run` ends with after a run: passed, with errors, failed, or undecided.
RAN = (0, 4, 100, 103)


class Unusable(Exception):
    """What karat does not import, or cannot run."""


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, so that every line is of one test."""

    def ignore_aliases(self, data):
        return True


def loopback_provider(provider, url, number):
    """The provider, answered by the server: with its label, prompts and transform, and settings that are OpenAI's."""
    if isinstance(provider, dict) and "id" not in provider and len(provider) == 1:
        name, settings = next(iter(provider.items()))
        provider = {"id": name, **(settings or {})}
    provider = {"id": provider} if isinstance(provider, str) else dict(provider or {})
    name = str(provider.get("id", ""))
    settings = provider.get("config") if name.startswith(("openai", "azure:chat", "groq:")) else {}
    settings = {key: value for key, value in (settings or {}).items() if key in KEPT_SETTINGS}
    config = {**settings, "apiBaseUrl": url}
    kept = {key: provider[key] for key in ["label", "prompts", "transform"] if key in provider}
    return {"id": "openai:chat:gpt-4.1-mini", "label": f"answers {number}", **kept, "config": config}


def without_graders(assertion):
    if not isinstance(assertion, dict):
        return assertion
    kept = {key: value for key, value in assertion.items() if key != "provider"}
    if isinstance(kept.get("assert"), list):
        kept["assert"] = [without_graders(member) for member in kept["assert"]]
    return kept


def one_by_one(tests, shared):
    """Each assertion as a test of its own, with a number in its metadata."""
    apart, types = [], {}
    for at, test in enumerate(tests):
        if not isinstance(test, dict):
            apart.append(test)
            continue
        test = {key: value for key, value in test.items() if key not in ("provider", "providerOutput")}
        test["metadata"] = {key: value for key, value in (test.get("metadata") or {}).items() if key != "tracingEnabled"}
        if isinstance(test.get("options"), dict):
            test["options"] = {key: value for key, value in test["options"].items() if key != "provider"}
        for number, assertion in enumerate([*shared, *(test.get("assert") or [])]):
            name = f"t{at:03}a{number:02}"
            metadata = {**test["metadata"], "parity": name}
            apart.append({**test, "metadata": metadata, "assert": [without_graders(assertion)]})
            types[name] = assertion.get("type", "$ref") if isinstance(assertion, dict) else "?"
    return apart, types


def texts(value):
    """All texts in a value."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in texts(member)]


def phrases(tests, templates):
    """What assertions look for."""
    found = set()
    asserted = [one for test in tests if isinstance(test, dict) for one in test.get("assert") or []]
    while asserted:
        one = asserted.pop()
        if not isinstance(one, dict):
            continue
        asserted.extend(one.get("assert") or [])
        if one.get("type") not in ("javascript", "python") and "value" in one:
            found.update(str(text) for text in (texts(one["value"]) or [one["value"]]) if not str(text).startswith("file://"))
    return sorted({*found, *(text for text in texts(templates) if len(text) < 200)})


def loopback_providers(config, url):
    """The providers of a configuration, answered by the server; those that then are the same once."""
    providers = config.pop("targets", None) or config.get("providers") or []
    providers = providers if isinstance(providers, list) else [providers]
    made = {}
    for number, provider in enumerate(providers or ["openai:gpt"]):
        one = loopback_provider(provider, url, number)
        made.setdefault(json.dumps({**one, "label": ""}, sort_keys=True), one)
    return list(made.values())


def loopback_graders(url):
    grader = {"config": {"apiBaseUrl": url}}
    return {"text": {"id": f"openai:chat:{JUDGE}", **grader},
            "embedding": {"id": "openai:embedding:text-embedding-3-small", **grader},
            "moderation": {"id": "openai:moderation:omni-moderation-latest", **grader}}


def prepare(path, url, folder):
    """Writes the configuration for the loopback server; returns its path, the types of its tests, phrases and contexts."""
    copy = folder / "config"
    shutil.copytree(path.resolve().parent, copy)
    config = yaml.safe_load(path.read_text())
    if not isinstance(config, dict):
        raise RuntimeError("it is no configuration")
    for key in LEFT_OUT:
        config.pop(key, None)
    config["providers"] = loopback_providers(config, url)
    defaults = config.get("defaultTest") or {}
    defaults = defaults if isinstance(defaults, dict) else {}
    shared = defaults.pop("assert", None) or []
    defaults.pop("provider", None)
    defaults["options"] = {**(defaults.get("options") or {}), "provider": loopback_graders(url)}
    config["defaultTest"] = defaults
    tests = config.get("tests") or ([{"vars": {}}] if shared else [])
    types = {}
    if isinstance(tests, list):
        tests, types = one_by_one(tests, shared)
        config["tests"] = tests
    elif shared:
        config["defaultTest"]["assert"] = [without_graders(one) for one in shared]
    listed = tests if isinstance(tests, list) else []
    scenarios = [test for scenario in config.get("scenarios") or [] if isinstance(scenario, dict)
                 for test in scenario.get("tests") or []]
    contexts = [text for test in [*listed, *scenarios, defaults] if isinstance(test, dict)
                for text in texts((test.get("vars") or {}))]
    contexts += [file.read_text() for file in copy.rglob("*") if file.suffix in (".txt", ".md") and file.is_file()]
    written = copy / path.name
    written.write_text(yaml.dump(config, Dumper=Plain, sort_keys=False, allow_unicode=True, width=10_000))
    found = phrases([*listed, *scenarios, {"assert": shared}], config.get("assertionTemplates"))
    return written, types, found, [text for text in contexts if len(text) >= 20]


def environment(folder):
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**kept, "OPENAI_API_KEY": "loopback", "PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo"), "NO_COLOR": "1",
            "PROMPTFOO_DISABLE_TELEMETRY": "1", "PROMPTFOO_DISABLE_UPDATE": "1", "PROMPTFOO_CACHE_ENABLED": "false",
            "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1", "PROMPTFOO_DISABLE_SHARING": "1"}


def call(command, folder, env):
    return subprocess.run(list(map(str, command)), cwd=folder, env=env, capture_output=True, text=True, timeout=600)


def key_of(metadata, variables):
    """The number of a test, or its variables if it comes from a file."""
    if "parity" in (metadata or {}):
        return metadata["parity"]
    if isinstance(variables, dict):
        variables = [[key, str(value)] for key, value in sorted(variables.items()) if key != "messages"]
    return json.dumps(variables, sort_keys=True, ensure_ascii=False)


def comparable(output):
    """An answer, without differences of how the tools write JSON."""
    if isinstance(output, str):
        try:
            output = json.loads(output)
        except ValueError:
            return output.strip()
    for call in output if isinstance(output, list) else []:
        if isinstance(call, dict) and "function" in call:
            call.pop("id", None)
            call["function"]["arguments"] = comparable(call["function"].get("arguments"))
    return json.dumps(output, sort_keys=True, ensure_ascii=False)


def by_promptfoo(config, folder, env):
    results = folder / "results.json"
    program = os.environ.get("PROMPTFOO", "promptfoo")
    command = [program, "eval", "-c", config, "-o", results, "--no-cache", "--no-table", "--no-progress-bar", "-j", "4"]
    done = call(command, config.parent, env)
    if not results.exists():
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError("promptfoo: " + next((line for line in lines if "rror" in line), "no results")[:300])
    found = collections.defaultdict(list)
    for row in json.loads(results.read_text())["results"]["results"]:
        test = row["testCase"]
        if not test.get("assert"):
            continue
        key = key_of(test.get("metadata"), row["vars"])
        outcome = "error" if row.get("failureReason") == 2 else "pass" if row["success"] else "fail"
        found[key].append((comparable((row.get("response") or {}).get("output")), outcome))
    return found


def by_karat(karat, config, folder, env):
    workspace = folder / "workspace"
    done = call([karat, "import", "promptfoo", config, "--into", workspace, "--format", "json"], config.parent, env)
    if done.returncode != 0:
        raise Unusable("karat import: " + done.stderr.strip()[-400:])
    report = json.loads(done.stdout)
    suites = sorted(path.stem for path in (workspace / "suites").glob("*.yaml"))
    done = call([karat, "-C", workspace, "run", *suites, "-q", "--no-cache"], config.parent, env)
    if done.returncode not in RAN:
        raise Unusable("karat run: " + done.stderr.strip()[-400:])
    runs = call([karat, "-C", workspace, "list", "--format", "json"], config.parent, env)
    found = collections.defaultdict(list)
    for run in json.loads(runs.stdout)["runs"]:
        exported = call([karat, "-C", workspace, "export", run["run_id"], "--format", "jsonl", "-q"], config.parent, env)
        for row in map(json.loads, exported.stdout.splitlines()):
            variables = row["input"] if "input" in row else row["input_text"]
            found[key_of(row.get("metadata"), variables)].append((comparable(row["output"]), verdict(row)))
    return report, found


def verdict(row):
    scores = list(row["scores"].values())
    if row.get("error") or not scores or scores[0].get("state") == "failed":
        return "error"
    if scores[0].get("state") == "skipped":
        return "none"
    return "pass" if scores[0]["value"] == 1 else "fail"


def member(node, name):
    return next((value for key, value in node.value if key.value == name), None)


def noted(report, config, types):
    """The tests that may differ, since a note of the import says so: one on a type is given once, one on redaction by line."""
    tests = member(yaml.compose(config.read_text(), Loader=yaml.SafeLoader), "tests")
    lines = {}
    for node in tests.value if isinstance(tests, yaml.SequenceNode) else []:
        metadata = member(node, "metadata") if isinstance(node, yaml.MappingNode) else None
        if metadata:
            lines[member(metadata, "parity").value] = range(node.start_mark.line + 1, node.end_mark.line + 1)
    found = set()
    for note in report["notes"]:
        of_row = re.search(r"from line (\d+) of the import", note["why"])
        if of_row:
            found.update(name for name in lines if int(of_row[1]) in lines[name])
        elif note["what"].startswith("assert: "):
            kind = note["what"].removeprefix("assert: ")
            if kind.removeprefix("not-") in MAY_DIFFER or kind.startswith(ATTACK):
                found.update(name for name in lines if types.get(name) == kind)
    return found


def compare(theirs, ours, types, explained, is_redacted):
    """Counts of outcomes: the same, different, and those that are not compared, with the reason."""
    counts, differences = collections.Counter(), []
    for key, rows in sorted(theirs.items()):
        kind = types.get(key, "of a file")
        mine = ours.get(key, [])
        if not mine:
            counts["absent in karat"] += len(rows)
            differences.append((kind, key, "absent in karat", rows, mine))
            continue
        left = collections.Counter(mine)
        unmatched = []
        for row in rows:
            if left[row]:
                left[row] -= 1
                counts["an error in both" if row[1] == "error" else "same"] += 1
            else:
                unmatched.append(row)
        for row in unmatched:
            what, other = reason(row, list(left.elements()))
            if what == "differs" and key in explained:
                what = "differs, as a note of the import says"
            if what == "another answer" and is_redacted:
                what = "another answer, since rows are redacted"
            if other:
                left[other] -= 1
            counts[what] += 1
            differences.append((kind, key, what, row, other))
    return counts, differences


def reason(row, spare):
    """Why an outcome of promptfoo has no equal in karat, and the one beside it."""
    same = [one for one in spare if one[0] == row[0]] or spare
    other = same[0] if same else None
    if other is None:
        return "absent in karat", None
    if other[1] == "none":
        return "not carried over, or skipped", other
    if "error" in (row[1], other[1]):
        return "an error in promptfoo" if row[1] == "error" else "an error in karat", other
    return "differs" if row[0] == other[0] else "another answer", other


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("karat", type=Path)
    parser.add_argument("config", type=Path, nargs="+")
    parser.add_argument("--keep", type=Path, help="keep the folders of the configurations here")
    arguments = parser.parse_args()
    loopback = Loopback()
    total = collections.Counter()
    for path in arguments.config:
        base = Path(tempfile.mkdtemp(prefix="parity-", dir=arguments.keep))
        env = environment(base)
        try:
            config, types, found, contexts = prepare(path, loopback.url, base)
            loopback.start(found, contexts)
            theirs = by_promptfoo(config, base, env)
            report, ours = by_karat(arguments.karat.resolve(), config, base, env)
            explained = noted(report, config, types)
            counts, differences = compare(theirs, ours, types, explained, bool(report["redacted"]))
        except Unusable as error:
            print(f"{path}: {error}")
            total["not run by karat" if theirs else "configurations that are not compared"] += 1
            continue
        except (RuntimeError, yaml.YAMLError) as error:
            print(f"{path}: {error}")
            total["configurations that are not compared"] += 1
            continue
        finally:
            if not arguments.keep:
                shutil.rmtree(base)
        total.update(counts)
        print(f"{path}: {dict(counts)}  {base.name}")
        for kind, key, what, row, spare in differences:
            print(f"    {what}: {kind} {key}\n      promptfoo: {row}\n      karat:     {spare}")
    print(dict(total))
    sys.exit(1 if any(total[what] for what in [*WRONG, "not run by karat"]) else 0)


if __name__ == "__main__":
    main()
