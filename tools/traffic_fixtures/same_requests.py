# /// script
# requires-python = ">=3.11"
# ///
"""Writes the same invented requests to a support desk in the format of each tool.

    python tools/traffic_fixtures/same_requests.py OUT_DIR [--count 1000] [--rows N] [--seed 7] [--formats langfuse,otlp]

Each request has an id, a time (one a minute), a user, a model, a system message, a text of the user and an answer. They are
the same in all files, so that whatever karat measures on one file, it measures on the others. A request depends only on the
seed and its number: the first requests of a longer file are those of a shorter one.

requests.openai_batch.jsonl has the requests of a batch and requests.openai_batch_output.jsonl its results; an import needs
both. `--count` is the number of requests in each file, and `--rows` that of requests.rows.jsonl if it is to have another
number. Files are written request by request, so that a million of them need little memory; requests.otlp.jsonl and
requests.openinference.jsonl have 100 spans on each line.
"""

import argparse
import json
import random
from datetime import datetime, timezone
from pathlib import Path

START = 1_789_374_600
SPANS_PER_LINE = 100
ASKED, MODEL = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"

SYSTEMS = [
    "You are the support assistant of a shop. Answer in one or two sentences.",
    "You are the support assistant of a shop. Be friendly, and do not promise refunds.",
    "You help the customers of a shop with their accounts and orders.",
]
GREETINGS = ["", "", "", "Hi! ", "Hello, ", "Good morning, ", "Dear team, "]
ENDINGS = ["", "", "", " Thanks!", " Please help.", " It is urgent.", " Can you check?"]
WORDS = {
    "item": ["running shoes", "winter jacket", "coffee grinder", "desk lamp", "backpack", "headphones", "rain coat",
             "bicycle helmet", "tea pot", "office chair", "yoga mat", "travel mug", "wool blanket", "toaster"],
    "color": ["black", "dark blue", "green", "red", "grey", "yellow", "white"],
    "time": ["yesterday", "two days ago", "last week", "on Monday", "this morning", "three weeks ago", "a month ago"],
    "place": ["the north of the country", "an island", "another country", "my office", "a parcel shop", "a neighbour's"],
    "flaw": ["is scratched", "does not turn on", "has a loose seam", "smells of glue", "makes a strange noise", "leaks",
             "is missing a screw", "has the wrong color"],
    "page": ["the login page", "the checkout", "my order history", "the page for returns", "the app", "the newsletter"],
    "fault": ["stays blank", "shows an error", "keeps loading", "logs me out", "says that I am not allowed", "is very slow"],
    "pay": ["credit card", "bank transfer", "gift card", "invoice", "direct debit"],
    "plan": ["the monthly plan", "the yearly plan", "the family plan", "the free trial"],
    "size": ["38", "40", "42", "S", "M", "L", "XL"],
}
TOPICS = [
    ("delivery", ["Where is my order {order}? I ordered the {item} {time}.",
                  "My parcel {order} was to arrive {time}, but it has not come.",
                  "Can you send order {order} with the {color} {item} to {place} instead?",
                  "The tracking of {order} has not changed since {time}. Is the {item} lost?"],
     ["Order {order} is on its way and will arrive within {days} days.", "I have asked the carrier about {order}."]),
    ("returns", ["Can I return the {item}? I bought it {time} and it {flaw}.",
                 "The {color} {item} from order {order} does not fit. How do I send it back?",
                 "I sent the {item} back {time}. When do I get my money?",
                 "Is it possible to swap the {item} for size {size}?"],
     ["Yes, you can return it within {days} days.", "Please use the return label that came with order {order}."]),
    ("payment", ["I paid order {order} by {pay}, but it still says unpaid.",
                 "Why was my {pay} charged twice {time}?",
                 "Can I pay for the {item} by {pay}?",
                 "I need an invoice for order {order}, please send it again."],
     ["The payment by {pay} takes up to {days} days to arrive.", "I have sent the invoice for order {order} again."]),
    ("product", ["Does the {color} {item} come in size {size}?",
                 "How do I clean the {item}? It is {color}.",
                 "Is the {item} still made? I cannot find the {color} one.",
                 "Which is warmer, the {item} or the {item2}?"],
     ["Yes, in {color} and in size {size}.", "We expect the {item} back within {days} days."]),
    ("account", ["I cannot sign in: {page} {fault}.",
                 "Since {time}, {page} {fault} when I open it.",
                 "How do I change the address in my account, if {page} {fault}?",
                 "Please delete my account and everything you know about order {order}."],
     ["Please try again in a few minutes, it should work now.", "I have reset it; check your mailbox within {days} hours."]),
    ("subscription", ["I want to cancel {plan} that I took out {time}.",
                      "Can I move from {plan} to {plan2}?",
                      "Why does {plan} renew although I canceled {time}?",
                      "What is the difference between {plan} and {plan2}?"],
     ["{plan} ends after {days} days.", "You can change it at any time in your account."]),
]


def request(seed, number, users):
    """One request; its number is the only thing that it depends on besides the seed."""
    pick = random.Random(f"{seed}/{number}")
    words = {name: pick.choice(known) for name, known in WORDS.items()}
    words |= {"item2": pick.choice(WORDS["item"]), "plan2": pick.choice(WORDS["plan"]), "order": str(pick.randint(1000, 9999)),
              "days": str(pick.randint(2, 14))}
    _, questions, answers = TOPICS[min(pick.randrange(len(TOPICS)), pick.randrange(len(TOPICS)))]
    question = pick.choice(GREETINGS) + pick.choice(questions).format(**words) + pick.choice(ENDINGS)
    answer = pick.choice(answers).format(**words)
    return {
        "id": f"5b8efff798038103d2e9{number + 1:012x}",
        "at": START + 60 * number,
        "user": f"user-{pick.randrange(users) + 1}",
        "messages": [{"role": "system", "content": pick.choice(SYSTEMS)}, {"role": "user", "content": question}],
        "output": answer[0].upper() + answer[1:],
    }


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def body(one):
    return {"model": ASKED, "messages": one["messages"], "user": one["user"]}


def answer(one):
    message = {"role": "assistant", "content": one["output"], "refusal": None}
    return {"id": f"chatcmpl-{one['id']}", "object": "chat.completion", "created": one["at"], "model": MODEL,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52}}


def rows(one):
    return {"id": one["id"], "ts": iso(one["at"]), "user": one["user"], "model": MODEL, "input": one["messages"],
            "output": one["output"]}


def langfuse(one):
    return {"id": one["id"][16:], "traceId": one["id"], "startTime": iso(one["at"]), "endTime": iso(one["at"] + 2),
            "projectId": "shop", "parentObservationId": None, "type": "GENERATION", "environment": "production",
            "name": "OpenAI-generation", "level": "DEFAULT", "statusMessage": None, "version": None, "input": one["messages"],
            "output": {"role": "assistant", "content": one["output"]}, "metadata": {}, "model": MODEL, "modelParameters": {},
            "usageDetails": {"input": 40, "output": 12, "total": 52}, "traceName": "support", "traceTags": [],
            "userId": one["user"]}


def litellm(one):
    # The session is the trace, as for callers that start a session for each request.
    return {"id": one["id"], "trace_id": one["id"], "session_id": one["id"], "call_type": "acompletion", "stream": None,
            "response_cost": 0.0001, "status": "success", "custom_llm_provider": "openai", "total_tokens": 52,
            "prompt_tokens": 40, "completion_tokens": 12, "startTime": float(one["at"]), "endTime": one["at"] + 2.0,
            "completionStartTime": one["at"] + 2.0, "response_time": 2.0, "model": MODEL, "model_group": "support",
            "metadata": {"user_api_key_end_user_id": one["user"]}, "cache_hit": None, "request_tags": [],
            "end_user": one["user"], "messages": one["messages"], "response": answer(one), "error_str": None,
            "model_parameters": {"user": one["user"]}}


def attributes(pairs):
    value = lambda inner: {"intValue": str(inner)} if isinstance(inner, int) else {"stringValue": inner}
    return [{"key": key, "value": value(inner)} for key, inner in pairs.items()]


def span(one, name, pairs):
    return {"traceId": one["id"], "spanId": one["id"][16:], "name": name, "kind": 3,
            "startTimeUnixNano": str(one["at"] * 10**9), "endTimeUnixNano": str((one["at"] + 2) * 10**9),
            "attributes": attributes(pairs), "status": {}}


def spans(scope, found):
    """One line with spans, as an exporter writes them."""
    return {"resourceSpans": [{"resource": {"attributes": attributes({"service.name": "support-bot"})},
                               "scopeSpans": [{"scope": {"name": scope}, "spans": found}]}]}


def otlp(one):
    part = lambda message: {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}
    given = {**part({"role": "assistant", "content": one["output"]}), "finish_reason": "stop"}
    return span(one, f"chat {ASKED}", {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": ASKED,
        "gen_ai.response.model": MODEL, "gen_ai.usage.input_tokens": 40, "gen_ai.usage.output_tokens": 12,
        "enduser.id": one["user"], "gen_ai.input.messages": json.dumps([part(message) for message in one["messages"]]),
        "gen_ai.output.messages": json.dumps([given])})


def openinference(one):
    pairs = {"openinference.span.kind": "LLM", "llm.model_name": MODEL, "user.id": one["user"],
             "input.value": json.dumps(body(one)), "input.mime_type": "application/json"}
    for place, message in enumerate(one["messages"]):
        pairs |= {f"llm.input_messages.{place}.message.{name}": text for name, text in message.items()}
    pairs |= {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": one["output"]}
    return span(one, "ChatCompletion", pairs)


def phoenix(one):
    listed = lambda messages: [{f"message.{name}": text for name, text in message.items()} for message in messages]
    return {"name": "ChatCompletion", "span_kind": "LLM", "parent_id": None, "start_time": iso(one["at"]),
            "end_time": iso(one["at"] + 2), "status_code": "OK", "status_message": "", "events": [],
            "context.span_id": one["id"][16:], "context.trace_id": one["id"], "attributes.openinference.span.kind": "LLM",
            "attributes.llm.model_name": MODEL, "attributes.user.id": one["user"],
            "attributes.llm.input_messages": listed(one["messages"]),
            "attributes.llm.output_messages": listed([{"role": "assistant", "content": one["output"]}])}


def helicone(one):
    at = iso(one["at"]).replace("T", " ").removesuffix("Z")
    return {"request_id": one["id"], "request_created_at": at, "request_user_id": one["user"], "request_body": body(one),
            "request_properties": {}, "request_model": ASKED, "response_id": f"r-{one['id']}", "response_created_at": at,
            "response_status": 200, "response_model": MODEL, "response_body": answer(one), "provider": "OPENAI",
            "target_url": "https://api.openai.com/v1/chat/completions"}


def openai_batch(one):
    return {"custom_id": one["id"], "method": "POST", "url": "/v1/chat/completions", "body": {**body(one), "model": MODEL}}


def openai_batch_output(one):
    response = {"status_code": 200, "request_id": f"req_{one['id']}", "body": answer(one)}
    return {"id": f"batch_req_{one['id']}", "custom_id": one["id"], "response": response, "error": None}


def openai_completions(one):
    return {"id": one["id"], "created_at": one["at"], "request": body(one), "response": answer(one)}


# What writes a request, and the scope of the spans that a line has several of. The results of a batch are a file of their own.
FORMATS = {
    "langfuse": (langfuse, None),
    "otlp": (otlp, "opentelemetry.util.genai.handler"),
    "litellm": (litellm, None),
    "openinference": (openinference, "openinference.instrumentation.openai"),
    "phoenix": (phoenix, None),
    "helicone": (helicone, None),
    "openai_batch": (openai_batch, None),
    "openai_batch_output": (openai_batch_output, None),
    "openai_completions": (openai_completions, None),
    "rows": (rows, None),
}


def write(path, count, form, scope, arguments):
    line = lambda value: json.dumps(value, separators=(",", ":")) + "\n"
    with path.open("w", encoding="utf-8", newline="\n") as file:
        waiting = []
        for number in range(count):
            found = form(request(arguments.seed, number, arguments.users))
            if not scope:
                file.write(line(found))
                continue
            waiting.append(found)
            if len(waiting) == SPANS_PER_LINE or number == count - 1:
                file.write(line(spans(scope, waiting)))
                waiting.clear()
    print(f"{path}: {count} requests, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--count", type=int, default=1000, help="requests in each file (default: 1000)")
    parser.add_argument("--rows", type=int, help="requests in requests.rows.jsonl (default: as in the others)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--users", type=int, default=200, help="users that send requests (default: 200)")
    parser.add_argument("--formats", default=",".join(FORMATS), help="names of formats, with commas between them")
    arguments = parser.parse_args()
    names = arguments.formats.split(",")
    if unknown := [name for name in names if name not in FORMATS]:
        parser.error(f"unknown formats {', '.join(unknown)}; there are {', '.join(FORMATS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in names:
        count = arguments.rows if name == "rows" and arguments.rows is not None else arguments.count
        write(arguments.out / f"requests.{name}.jsonl", count, *FORMATS[name], arguments)


main()
