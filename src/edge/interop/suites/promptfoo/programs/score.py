"""Scores answers as the Python assertions of promptfoo do: one JSON line in, one JSON line out.

    python3 programs/promptfoo/score.py CHECKS.json

CHECKS.json has the checks by name. Which one is evaluated says `params.check`, or the metadata of the example in the field that
`params.from` names. The score is 1 if the check passes, else 0; with `params.score`, it is the score of the check.
A check that fails scores 0, as in promptfoo. What this machine lacks, such as a module, is an error and no score.
"""

import asyncio
import dataclasses
import importlib.util
import inspect
import json
import os
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    SETTINGS = json.load(file)
TYPES = SETTINGS.get("types", {})
# Checks may print; the answers of this program must stay apart.
ANSWERS, sys.stdout = sys.stdout, sys.stderr


class Missing(Exception):
    """What a check needs and this machine does not have."""


def vars_of(task):
    given = task["input"]
    names = dict(given) if isinstance(given, dict) else {"input": given}
    if task.get("context") is not None:
        names["context"] = task["context"]
    for name, kind in TYPES.items():
        value = names.get(name)
        if isinstance(value, str) and value:
            read = {"flag": lambda text: text == "true", "whole": int}.get(kind, float)
            names[name] = read(value)
    return names


def output_of(task):
    if not SETTINGS.get("json") and not task.get("tool_calls"):
        return task["output"]
    try:
        return json.loads(task["output"])
    except ValueError:
        return task["output"]


def environment(name):
    if name not in os.environ:
        raise Missing(f"the variable {name} is not set in the environment")
    return os.environ[name]


def filled(code, names):
    """Fills in the placeholders of variables, as promptfoo does."""

    def value(match):
        if match.group(1).startswith("env.") and "env" not in names:
            return environment(match.group(1)[len("env.") :])
        at = names
        for key in match.group(1).split("."):
            at = at.get(key) if isinstance(at, dict) else None
        return "" if at is None else str(at)

    return re.sub(r"\{\{-?\s*([\w.]+)\s*-?\}\}", value, code)


def loaded(path, name):
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise Missing(f"{path} does not exist")
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name or "get_assert")


def function_of(check, names):
    if "file" in check:
        return loaded(check["file"], check.get("function"))
    code = filled("\n".join(check["code"]), names)
    lines = code.split("\n") if "\n" in code else ["return " + code]
    indent = re.search(r"^(?!\s*$)[ \t]+", code, re.M)
    indent = indent.group(0) if indent else "    "
    space = {"json": json}
    exec("def main(output, context):\n" + "\n".join(indent + line for line in lines) + "\n", space)
    return space["main"]


def evaluated(check, task):
    names = vars_of(task)
    output = output_of(task)
    context = {
        "vars": names,
        "test": {"vars": names, "metadata": task.get("metadata")},
        "prompt": None,
        "config": check.get("config"),
        "logProbs": None,
        "providerResponse": {"output": output, "cost": task.get("cost"), "latencyMs": task.get("latency_ms")},
    }
    result = function_of(check, names)(output, context)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def graded(result, check):
    """Whether the check passes, its score, and a reason. `not` inverts only whether it passes, as in promptfoo."""
    turned = bool(check.get("not"))
    if dataclasses.is_dataclass(result):
        result = dataclasses.asdict(result)
    if isinstance(result, str) and result.startswith("{"):
        result = json.loads(result)
    if isinstance(result, str) and result.lower() in ("true", "false"):
        result = result.lower() == "true"
    if isinstance(result, bool):
        passed = result != turned
        return passed, float(passed), f"the check gives {result}"
    if isinstance(result, dict):
        passed, score, reason = result.get("pass", result.get("pass_")), result.get("score"), result.get("reason")
        if not isinstance(passed, bool) or not isinstance(score, (int, float)) or not isinstance(reason, str):
            raise ValueError("it gives no boolean, number, or object with pass, score and reason")
        if "threshold" in check and score < check["threshold"]:
            passed = False
        return passed != turned, float(score), reason
    score = float(result)
    passed = score >= check["threshold"] if "threshold" in check else score > 0
    return passed != turned, score, f"the check gives {score}"


def answer(task):
    params = task["params"]
    name = params.get("check") or (task.get("metadata") or {}).get(params.get("from"))
    check = SETTINGS["checks"].get(name)
    if check is None:
        return {"error": f"there is no check {name}"}
    try:
        passed, score, reason = graded(evaluated(check, task), check)
    except (ImportError, Missing) as error:
        return {"error": f"the check cannot run: {error}"}
    except Exception as error:
        passed, score, reason = False, 0.0, f"the check failed: {error}"
    score = min(1.0, max(0.0, score)) if params.get("score") else float(passed)
    return {"score": score, "reason": reason} if score < 1 else {"score": score}


for line in sys.stdin:
    if line.strip():
        print(json.dumps(answer(json.loads(line))), file=ANSWERS, flush=True)
