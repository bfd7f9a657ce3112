"""Answers as the Python providers of promptfoo do: one JSON line in, one JSON line out.

    python3 programs/promptfoo/answer.py FILE [FUNCTION]
"""

import asyncio
import importlib.util
import inspect
import json
import os
import sys

# Providers may print; the answers of this program must stay apart.
ANSWERS, sys.stdout = sys.stdout, sys.stderr


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


def answer(call, task):
    names = task["input"] if isinstance(task["input"], dict) else {"input": task["input"]}
    prompt = prompt_of(task["messages"])
    try:
        given = call(prompt, {"config": task.get("params") or {}}, {"vars": names, "prompt": {"raw": prompt}})
        return reply(asyncio.run(given) if inspect.iscoroutine(given) else given)
    except Exception as error:
        return {"error": str(error)[:500]}


CALL = function()
for line in sys.stdin:
    if line.strip():
        print(json.dumps(answer(CALL, json.loads(line))), file=ANSWERS, flush=True)
