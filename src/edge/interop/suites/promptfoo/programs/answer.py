"""Answers as the Python providers of promptfoo do: one JSON line in, one JSON line out.

    python3 programs/promptfoo/answer.py FILE [FUNCTION]

Settings may refer to the environment, as in promptfoo: {{ env.NAME }}.
"""

import asyncio
import importlib.util
import inspect
import json
import os
import re
import sys

# Providers may print; the answers of this program must stay apart.
ANSWERS, sys.stdout = sys.stdout, sys.stderr

REFERENCE = re.compile(r"""\{\{-?\s*env(?:\.(\w+)|\[\s*["'](\w+)["']\s*\])(?:\s*\|[^}]*)?\s*-?\}\}""")


def function():
    path = os.path.abspath(sys.argv[1])
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location("provider", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, sys.argv[2] if len(sys.argv) > 2 else "call_api")


def prompt_of(messages):
    """One user message is a text, anything else the JSON of all messages."""
    first = messages[0]
    plain = len(messages) == 1 and first["role"] == "user" and isinstance(first["content"], str)
    return first["content"] if plain else json.dumps(messages, indent=2, ensure_ascii=False)


def reply(answer):
    if isinstance(answer, dict) and answer.get("error"):
        return {"error": str(answer["error"])[:500]}
    output = answer.get("output") if isinstance(answer, dict) else answer
    if output is None:
        return {"error": "the provider gave no output"}
    out = {"output": output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)}
    usage = answer.get("tokenUsage") if isinstance(answer, dict) else None
    if usage:
        out["usage"] = {"prompt_tokens": usage.get("prompt"), "completion_tokens": usage.get("completion")}
    return out


def environment(match):
    name = match.group(1) or match.group(2)
    if name not in os.environ:
        raise LookupError(f"the variable {name} is not set in the environment")
    return os.environ[name]


def resolved(value):
    """Settings with the variables of the environment in place of the references to them."""
    if isinstance(value, dict):
        return {name: resolved(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner) for inner in value]
    return REFERENCE.sub(environment, value) if isinstance(value, str) else value


def answer(call, task):
    # The variables of a test are the fields of the input, unless it is the text of the only one.
    names = task.get("fields") or {"input": task["input"]}
    prompt = prompt_of(task["messages"])
    try:
        options = {"config": resolved(task.get("params") or {})}
        given = call(prompt, options, {"vars": names, "prompt": {"raw": prompt}})
        return reply(asyncio.run(given) if inspect.iscoroutine(given) else given)
    except Exception as error:
        return {"error": str(error)[:500]}


CALL = function()
for line in sys.stdin:
    if line.strip():
        print(json.dumps(answer(CALL, json.loads(line))), file=ANSWERS, flush=True)
