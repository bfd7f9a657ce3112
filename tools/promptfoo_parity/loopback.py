"""A server on the loopback address in the form of OpenAI's API, whose replies depend on what is asked alone.

Answers are made of what the assertions of a configuration look for, so that some pass and some do not; a prompt with "Say
exactly:" is answered with what follows. Grades depend on the
answer that is graded, or on the context where only that is: both tools get the same grade, each in the form that it asks for.
"""

import hashlib
import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JUDGE = "judge"
EXACTLY = "Say exactly:\n"
MARK = re.compile(r"mark-[0-9a-f]{8}")


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def mark(value):
    return "mark-" + digest(value)[:8]


def passes(key):
    return int(digest(key)[:8], 16) % 100 < 60


def text_of(messages):
    """The text of all messages, whose contents are texts or lists of parts."""
    texts = []
    for message in messages:
        content = message.get("content") or ""
        parts = content if isinstance(content, list) else [{"text": content}]
        texts.extend(part.get("text") or "" for part in parts if isinstance(part, dict))
    return "\n".join(texts)


def instance(schema, rng, text):
    """A value that a JSON Schema describes, mostly."""
    if not isinstance(schema, dict):
        return text
    if schema.get("enum"):
        return rng.choice(schema["enum"])
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: instance(part, rng, text) for name, part in sorted(schema.get("properties", {}).items()) if rng.random() < 0.97}
    if kind == "array":
        return [instance(schema.get("items", {}), rng, text) for _ in range(rng.randint(0, 3))]
    values = {"boolean": rng.random() < 0.5, "integer": rng.randint(0, 9), "number": round(rng.uniform(0, 10), 2), "null": None}
    return values.get(kind, f"{text} {rng.randint(0, 99)}")


def longest(known, text):
    """The longest of the known texts that a prompt contains; karat begins each line of them with a bar."""
    squeezed = " ".join(re.sub(r"(?m)^\| ?", "", text).split())
    found = [one for one in known if one.strip() and " ".join(one.split()) in squeezed]
    return max(found, key=lambda one: (len(one), one), default="")


class Loopback:
    """The server, and what it has been told."""

    def __init__(self):
        self.lock = threading.Lock()
        self.phrases, self.contexts = [], []
        handler = type("Handler", (Handler,), {"loopback": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def start(self, phrases, contexts):
        """Begins with a configuration: what its assertions look for, and the contexts of its tests."""
        with self.lock:
            self.phrases, self.contexts = phrases, contexts

    def completion(self, body):
        messages = body.get("messages", [])
        if body.get("model") == JUDGE:
            schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
            return {"content": self.grade(text_of(messages), schema)}, "stop"
        asked = [[message.get("role"), text_of([message])] for message in messages]
        if asked and EXACTLY in asked[-1][1]:
            return {"content": asked[-1][1].split(EXACTLY, 1)[1]}, "stop"
        rng = random.Random(digest(asked))
        tools = [tool["function"] for tool in body.get("tools") or [] if tool.get("function")]
        if tools and body.get("tool_choice") != "none" and rng.random() < 0.7:
            tool = rng.choice(tools)
            arguments = json.dumps(instance(tool.get("parameters", {}), rng, f"{self.phrase(rng)} {mark(asked)}"))
            call = {"id": "call_1", "type": "function", "function": {"name": tool["name"], "arguments": arguments}}
            return {"content": None, "tool_calls": [call]}, "tool_calls"
        answer = self.answer(rng, mark(asked), body.get("response_format") or {})
        return {"content": answer}, "stop"

    def phrase(self, rng):
        return rng.choice(self.phrases) if self.phrases else "nothing"

    def answer(self, rng, own_mark, form):
        words = [own_mark] + [self.phrase(rng) for _ in range(rng.randint(0, 6))]
        rng.shuffle(words)
        text = ". ".join(words)
        schema = (form.get("json_schema") or {}).get("schema")
        if schema:
            return json.dumps(instance(schema, rng, text))
        shape = rng.random()
        if form.get("type") == "json_object" or shape < 0.25:
            value = json.dumps({"answer": text, "number": rng.randint(0, 99), "list": words})
            return value if shape < 0.15 or form else f"Here it is:\n```json\n{value}\n```"
        if shape < 0.4 and self.phrases:
            return self.phrase(rng)
        return text

    def graded(self, text):
        """What a grade depends on: the mark of the answer that is graded; all without one get the same grade."""
        return max(MARK.findall(text), default=mark(""))

    def about_context(self, text):
        return longest(self.contexts, text)

    def grade(self, text, schema):
        if schema:
            return self.grade_of_karat(text, schema)
        if "classify if the sentence can be attributed" in text:
            return f"1. A sentence. So [{'Attributed' if passes(self.about_context(text)) else 'Not Attributed'}]"
        if "extract relevant sentences from the provided context" in text:
            context = self.about_context(text)
            return context if passes(context) else "Insufficient Information"
        key = self.graded(text)
        good = passes(key)
        if "create one or more statements from each sentence" in text:
            return f"The statement of {key}."
        if "then determine whether they are supported" in text:
            return f"Final verdict for each statement in order: {'Yes' if good else 'No'}."
        if text.startswith("Generate question for the given answer"):
            return f"Is it {'close' if good else 'far'}?"
        if "generate 3-4 concise evaluation steps" in text:
            return '{"steps": ["Read the reply.", "Grade it."]}'
        if "rate the Reply on one metric" in text:
            return json.dumps({"score": 9 if good else 2, "reason": "as told"})
        if 'print only the single character "Y" or "N"' in text:
            return "As told.\n" + ("Y" if good else "N")
        if "'verdict' key should STRICTLY be either 'yes' or 'no'" in text:
            return json.dumps({"verdict": "yes" if good else "no", "reason": "as told"})
        if "analyze the factual content" in text:
            return json.dumps({"category": "C" if good else "D", "reason": "as told"})
        return json.dumps({"reason": "as told", "score": 1 if good else 0, "pass": good})

    def grade_of_karat(self, text, schema):
        fields = schema["properties"]
        of_context = "supported by a context, that is" in text or "Grade the context" in text
        good = passes(self.about_context(text) if of_context else self.graded(text))
        reply = {}
        for name, field in fields.items():
            if name == "verdict_id":
                reply[name] = re.findall(r'"verdict_id" with the text "([^"]+)"', text)[-1]
            elif name == "score" and field["type"] == "integer":
                reply[name] = max(field["enum"]) - 1 if good else 2
            elif name == "score":
                reply[name] = 1 if good else 0
            elif name == "verdict" and field["type"] == "boolean":
                reply[name] = good
            elif name == "verdict":
                reply[name] = "C" if good else "D"
            elif name == "claims":
                reply[name] = [{"claim": "One.", "evidence": "As told.", "supported": good}]
            else:
                reply[name] = "as told"
        return json.dumps(reply)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback = None

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            vectors = [[0.0, 1.0] if text == "Is it far?" else [1.0, 0.0] for text in texts]
            data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
            reply = {"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        elif self.path.endswith("/moderations"):
            flagged = not passes(text_of([{"content": body["input"]}]))
            result = {"flagged": flagged, "categories": {"hate": flagged}, "category_scores": {"hate": float(flagged)}}
            reply = {"id": "m", "model": "m", "results": [result]}
        else:
            message, finish = self.loopback.completion(body)
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
            usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
            reply = {"id": "c", "object": "chat.completion", "model": body.get("model"), "choices": [choice], "usage": usage}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass
