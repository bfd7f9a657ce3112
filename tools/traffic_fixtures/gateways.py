# /// script
# requires-python = ">=3.11"
# dependencies = ["openai==3.57.0", "httpx2==2.16.2", "pydantic==2.14.4"]
# ///
"""Writes the same few requests as OpenAI's Batch API, its stored completions and logs of its SDK have them, and as Helicone
exports them.

Run it from the repository root with the versions pinned above:
    python tools/traffic_fixtures/gateways.py

It writes tests/fixtures/traffic/{openai-batch,openai-completions,helicone}-*. No request leaves the machine: OpenAI's SDK
gets its answers from a function, the bodies are those that the SDK sends, and answers are checked by the SDK's types. Ids
and times are fixed, so that running it again gives the same files.

The rows of Helicone have the fields of its public repository, Helicone/helicone: `HeliconeRequest` and `MappedLLMRequest` of
packages/llm-mapper/types.ts (301a87b), the columns of valhalla/jawn/src/lib/stores/request/request.ts (0003b75,
`getRequestsClickhouse`), the CSV of examples/export/typescript/index.ts (3dcac26, `convertToCSVRow`, which doubles the quotes
of JSON twice), and the export of its page of requests, web/components/shared/themed/table/exportButton.tsx (2ca19d6).
"""

import csv
import io
import json
import re
from datetime import datetime, timezone
from pathlib import Path

import httpx2
import openai
from openai.types import Batch, Completion
from openai.types.chat import ChatCompletion, ChatCompletionStoreMessage
from openai.types.responses import Response

OUT = Path("tests/fixtures/traffic")
START = 1_789_374_600
MODEL = "gpt-4o-mini"
ANSWERED_BY = f"{MODEL}-2024-07-18"
SYSTEM = {"role": "system", "content": "You are the support assistant of a shop."}
TOOLS = [{"type": "function", "function": {"name": "get_order",
          "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}}]
PICTURE = [{"type": "text", "text": "Is this shoe worn?"},
           {"type": "image_url", "image_url": {"url": "https://example.org/shoe.png"}}]
CANARY_KEY, CANARY_MAIL = "sk-canary0123456789abcdefghijklmnop", "canary.person@example.org"

# Texts or parts, tools, user, session. What the model answers is in `answer`.
REQUESTS = [
    (["Can I return shoes?"], None, "user-1", "session-1"),
    (["Can I return shoes?", "Yes, for 30 days.", "Even worn ones?"], None, "user-1", "session-1"),
    (["Where is order 1001?"], TOOLS, "user-2", "session-2"),
    ([PICTURE], None, "user-2", "session-2"),
    ([f"My key is {CANARY_KEY}, write to {CANARY_MAIL}."], None, CANARY_MAIL, "session-3"),
    (["Please fail."], None, "user-3", "session-4"),
]


def messages(number):
    turns = REQUESTS[number][0]
    return [SYSTEM, *({"role": "assistant" if turn % 2 else "user", "content": text} for turn, text in enumerate(turns))]


def answer(question):
    """The text of the answer, or the arguments of a tool call."""
    if isinstance(question, list):
        question = question[0]["text"]
    known = {"Can I return shoes?": "Yes, for 30 days.", "Even worn ones?": "No, only unworn ones.",
             "Is this shoe worn?": "Yes, at the heel."}
    if question == "Where is order 1001?":
        return None, '{"id": "1001"}'
    return known.get(question, f"I wrote to {CANARY_MAIL} about {CANARY_KEY}."), None


class Api:
    """OpenAI's API as far as it is needed here. Each call takes two seconds."""

    def __init__(self):
        self.calls, self.stored = [], {}

    def client(self, **arguments):
        transport = httpx2.MockTransport(self.respond)
        return openai.OpenAI(api_key="none", max_retries=0, http_client=httpx2.Client(transport=transport), **arguments)

    def respond(self, request):
        if request.method == "GET":
            return httpx2.Response(200, json=self.listed(request.url))
        body = json.loads(request.content)
        now = START + 2 * len(self.calls)
        status, found = self.answered(request.url.path, body, len(self.calls) + 1, now)
        agent = request.headers["user-agent"]
        self.calls.append({"time": now, "agent": agent, "url": request.url, "body": body, "status": status, "answer": found})
        if body.get("store") and status == 200:
            self.stored[found["id"]] = (found, body)
        return httpx2.Response(status, json=found)

    def answered(self, path, body, number, now):
        if path.endswith("/embeddings"):
            return 200, {"object": "list", "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3},
                         "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]}
        asked = body.get("messages") or body.get("input") or body.get("prompt")
        question = asked if isinstance(asked, str) else asked[-1]["content"]
        if question == "Please fail.":
            return 400, {"error": {"message": "The request was refused.", "type": "invalid_request_error", "param": None,
                                   "code": None}}
        text, call = answer(question)
        if path.endswith("/chat/completions"):
            found = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": now + 1, "model": ANSWERED_BY,
                     "choices": [{"index": 0, "logprobs": None, "finish_reason": "tool_calls" if call else "stop",
                                  "message": {"role": "assistant", "content": text, "refusal": None}}],
                     "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}, "service_tier": "default"}
            if call:
                found["choices"][0]["message"]["tool_calls"] = [
                    {"id": f"call_{number}", "type": "function", "function": {"name": "get_order", "arguments": call}}]
            ChatCompletion.model_validate(found)
        elif path.endswith("/completions"):
            found = {"id": f"cmpl-{number}", "object": "text_completion", "created": now + 1, "model": ANSWERED_BY,
                     "choices": [{"index": 0, "logprobs": None, "finish_reason": "stop", "text": text}]}
            Completion.model_validate(found)
        else:
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "get_order",
                    "arguments": call, "status": "completed"} if call else {
                "type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}]}
            found = {"id": f"resp_{number}", "object": "response", "created_at": float(now + 1), "status": "completed",
                     "error": None, "incomplete_details": None, "instructions": body.get("instructions"),
                     "metadata": body.get("metadata", {}), "model": ANSWERED_BY,
                     "output": [{"type": "reasoning", "id": f"rs_{number}", "summary": []}, item],
                     "parallel_tool_calls": True, "previous_response_id": None, "temperature": 1.0, "tool_choice": "auto",
                     "tools": [], "top_p": 1.0, "safety_identifier": body.get("safety_identifier")}
            Response.model_validate(found)
        return 200, found

    def listed(self, url):
        """What was stored, as the API lists it."""
        page = lambda items: {"object": "list", "data": items, "first_id": items[0]["id"], "last_id": items[-1]["id"],
                              "has_more": False}
        if found := re.fullmatch(r"/v1/chat/completions/(.+)/messages", url.path):
            items = []
            for number, message in enumerate(self.stored[found[1]][1]["messages"]):
                parts = message["content"] if isinstance(message["content"], list) else None
                items.append({"id": f"{found[1]}-{number}", "role": message["role"], "name": None,
                              "content": None if parts else message["content"], "content_parts": parts})
            return page(items)
        if found := re.fullmatch(r"/v1/responses/(.+)/input_items", url.path):
            text = self.stored[found[1]][1]["input"]
            items = [{"role": "user", "content": text}] if isinstance(text, str) else text
            items = [{"type": "message", "id": f"msg_{found[1]}_{number}", "role": item["role"], "status": "completed",
                      "content": [{"type": "output_text" if item["role"] == "assistant" else "input_text",
                                   "text": item["content"]}]}
                     for number, item in enumerate(items)]
            return page(items if url.params.get("order") == "asc" else items[::-1])
        if found := re.fullmatch(r"/v1/responses/(.+)", url.path):
            return self.stored[found[1]][0]
        completions = [
            {**found, "request_id": f"req_{found['id']}", "input_user": body.get("user"), "metadata": body.get("metadata", {})}
            for found, body in self.stored.values() if found["object"] == "chat.completion"]
        return page(completions)


def chat(client, number, **more):
    """Sends a request, which may fail."""
    _, tools, user, _ = REQUESTS[number]
    arguments = {"user": user, **({"tools": tools} if tools else {}), **more}
    try:
        client.chat.completions.create(model=MODEL, messages=messages(number), **arguments)
    except openai.BadRequestError:
        pass


def respond(client, number, **more):
    """Sends a request to the responses endpoint: text alone, or the messages of a conversation."""
    turns, _, user, _ = REQUESTS[number]
    asked = turns[0] if len(turns) == 1 else messages(number)[1:]
    client.responses.create(model=MODEL, instructions=SYSTEM["content"], input=asked, safety_identifier=user, **more)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(name, text):
    data = text.encode()
    assert 0 < len(data) <= 20_480, (name, len(data))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def batch():
    """The file of a batch, and what it gave: answers, and in another file what failed, expired, or was no chat."""
    api = Api()
    client = api.client()
    for number in range(len(REQUESTS)):
        chat(client, number)
    for number in (0, 2):
        respond(client, number)
    client.completions.create(model=MODEL, prompt="Can I return shoes?")
    client.embeddings.create(model="text-embedding-3-small", input="Can I return shoes?", encoding_format="float")
    chat(client, 0, metadata={"service": "karat"})
    chat(client, 1)
    asked, answered, failed = [], [], []
    for number, call in enumerate(api.calls):
        custom_id = f"shop-{number}" if number != 4 else f"shop {CANARY_MAIL}"
        asked.append({"custom_id": custom_id, "method": "POST", "url": call["url"].path, "body": call["body"]})
        row = {"id": f"batch_req_{number}", "custom_id": custom_id, "response": {
            "status_code": call["status"], "request_id": f"req_{number}", "body": call["answer"]}, "error": None}
        if number == len(api.calls) - 1:
            row = {**row, "response": None, "error": {"code": "batch_expired", "message":
                   "This request could not be executed before the completion window expired."}}
        (answered if row["response"] and call["status"] == 200 else failed).append(row)
    # The answers have another order than the requests.
    write("openai-batch-input.jsonl", lines(asked))
    write("openai-batch-output.jsonl", lines(answered[::-1]))
    write("openai-batch-errors.jsonl", lines(failed))
    Batch.model_validate({"id": "batch_1", "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
                          "input_file_id": "file-1", "output_file_id": "file-2", "error_file_id": "file-3",
                          "created_at": START, "status": "completed"})


def stored():
    """Stored completions with what the API lists as their messages, stored responses with their input."""
    api = Api()
    client = api.client()
    for number in range(5):
        chat(client, number, store=True, metadata={"session_id": REQUESTS[number][3]})
    chat(client, 0, store=True, metadata={"service": "karat"})
    rows = []
    for completion in client.chat.completions.list():
        said = client.chat.completions.messages.list(completion.id)
        assert all(isinstance(message, ChatCompletionStoreMessage) for message in said.data)
        rows.append({**completion.to_dict(mode="json"), "messages": said.to_dict(mode="json")})
    write("openai-completions-stored.json", json.dumps({"object": "list", "data": rows, "has_more": False}, indent=1) + "\n")
    for number in (0, 1, 2, 4):
        respond(client, number, store=True, metadata={"session_id": REQUESTS[number][3]})
    rows = []
    for name in [name for name in api.stored if name.startswith("resp_")]:
        items = client.responses.input_items.list(name, order="asc").to_dict(mode="json")
        rows.append({**client.responses.retrieve(name).to_dict(mode="json"), "input": items})
    write("openai-completions-responses.jsonl", lines(rows))


def logs():
    """What a logger around the HTTP client writes, and conversations as for fine-tuning."""
    api = Api()
    client = api.client()
    for number in range(len(REQUESTS)):
        chat(client, number)
    respond(client, 2)
    client.embeddings.create(model="text-embedding-3-small", input="Can I return shoes?", encoding_format="float")
    chat(api.client(default_headers={"User-Agent": "karat/0.1.0"}), 0)
    rows = []
    for call in api.calls:
        at = datetime.fromtimestamp(call["time"], timezone.utc).isoformat().replace("+00:00", "Z")
        rows.append({"timestamp": at,
                     "request": {"method": "POST", "url": str(call["url"]), "headers": {"user-agent": call["agent"]},
                                 "body": call["body"]},
                     "response": {"status_code": call["status"], "body": call["answer"]}})
    write("openai-completions-http.jsonl", lines(rows))
    rows = [{"id": f"log-{number}", "created_at": call["time"], "request": call["body"], "response": call["answer"]}
            for number, call in enumerate(api.calls[:6])]
    write("openai-completions-pairs.jsonl", lines(rows))
    rows = []
    for number, call in enumerate(api.calls[:5]):
        said = call["answer"]["choices"][0]["message"]
        rows.append({"messages": [*call["body"]["messages"], said], "created_at": call["time"], "user_id": REQUESTS[number][2]})
    write("openai-completions-chats.jsonl", lines(rows))


def helicone_rows():
    """Requests as `getRequestsClickhouse` returns them, with the bodies inline."""
    api = Api()
    client = api.client()
    for number in range(len(REQUESTS)):
        chat(client, number)
    respond(client, 0)
    client.embeddings.create(model="text-embedding-3-small", input="Can I return shoes?", encoding_format="float")
    chat(client, 0)
    rows = []
    for number, call in enumerate(api.calls):
        user, session = REQUESTS[number][2:] if number < len(REQUESTS) else ("user-1", "session-1")
        properties = {"Helicone-Session-Id": session, "environment": "production"}
        if number == len(api.calls) - 1:
            properties["service"] = "karat"
        at = lambda seconds: datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.000")
        rows.append({
            "response_id": f"6f7c1f8e-0000-4000-8000-1000000000{number:02}", "response_body": call["answer"],
            "response_created_at": at(call["time"] + 1), "response_status": call["status"],
            "request_id": f"6f7c1f8e-0000-4000-8000-0000000000{number:02}", "request_body": call["body"],
            "request_created_at": at(call["time"]), "request_user_id": user if number != 3 else "",
            "request_properties": properties, "provider": "OPENAI", "delay_ms": 1000, "request_model": call["body"]["model"],
            "ai_gateway_body_mapping": None, "time_to_first_token": None, "total_tokens": 28, "completion_tokens": 8,
            "prompt_tokens": 20, "prompt_cache_read_tokens": 0, "prompt_cache_write_tokens": 0, "country_code": "DE",
            "scores": {}, "properties": properties, "asset_ids": [], "target_url": str(call["url"]),
            "cache_reference_id": "00000000-0000-0000-0000-000000000000", "request_referrer": None, "cache_enabled": False,
            "cost": 0.001, "prompt_id": "", "prompt_version": "", "updated_at": at(call["time"] + 1),
            "storage_location": "clickhouse"})
    return rows


def mapped(row):
    """The row of the page of requests: both bodies as they are, and all APIs in one form."""
    request, response = row["request_body"], row["response_body"]
    texts = [message["content"] for message in request.get("messages", []) if isinstance(message["content"], str)]
    said = [{"_type": "message", "id": "", "role": message["role"], "content": str(message["content"])}
            for message in request.get("messages", [])]
    return {
        "_type": "openai-chat" if said else "openai-response", "id": row["request_id"],
        "schema": {"request": {"llm_type": "chat", "model": request["model"], "messages": said}, "response": None},
        "preview": {"request": texts[-1] if texts else "", "response": "", "concatenatedMessages": said},
        "model": response.get("model", request["model"]), "raw": {"request": request, "response": response},
        "heliconeMetadata": {
            "requestId": row["request_id"], "path": row["target_url"], "countryCode": row["country_code"],
            "cacheEnabled": False, "cacheReferenceId": row["cache_reference_id"], "createdAt": row["request_created_at"],
            "totalTokens": 28, "promptTokens": 20, "completionTokens": 8, "latency": 1000, "user": row["request_user_id"],
            "status": {"code": row["response_status"], "statusType": "success" if row["response_status"] == 200 else "error"},
            "customProperties": row["request_properties"], "cost": row["cost"], "provider": "OPENAI", "scores": {},
            "feedback": {"createdAt": None, "id": None, "rating": None}}}


def helicone():
    rows = helicone_rows()
    write("helicone-query.json", json.dumps({"data": rows, "error": None}) + "\n")
    # Bodies that are not in ClickHouse are fetched by the tool for exports.
    fetched = [{**row, "storage_location": "s3", "signed_body_url": "https://example.org/body"} for row in rows[:5]]
    write("helicone-export.jsonl", lines(fetched))
    columns = ["response_id", "response_created_at", "response_status", "request_created_at", "request_body",
               "request_properties", "request_user_id", "model", "prompt_tokens", "completion_tokens", "latency", "cost"]
    quoted = lambda text: '"' + str(text).replace('"', '""') + '"'

    def cell(value):
        if isinstance(value, (dict, list)):
            value = json.dumps(value, separators=(",", ":")).replace('"', '""')
        return "" if value is None else quoted(value)

    # The API has no column `model`, so that it is empty.
    table = [",".join(columns)] + [",".join(cell(row.get(column)) for column in columns) for row in rows]
    write("helicone-export.csv", "\n".join(table) + "\n")
    page = [mapped(row) for row in rows[:6]]
    write("helicone-page.jsonl", "\n".join(json.dumps(row, separators=(",", ":")) for row in page))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(page[0])
    for row in page:
        writer.writerow([json.dumps(value, separators=(",", ":")) if isinstance(value, dict) else value for value in row.values()])
    write("helicone-page.csv", text.getvalue().removesuffix("\r\n"))


batch()
stored()
logs()
helicone()
