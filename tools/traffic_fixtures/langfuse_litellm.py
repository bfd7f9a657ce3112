# /// script
# requires-python = ">=3.11"
# dependencies = ["litellm==1.110.2", "fastapi==0.165.0", "orjson==3.13.0", "apscheduler==3.11.3", "backoff==2.2.1",
#                 "cryptography==50.0.2", "expression==5.8.0", "fastapi-sso==0.23.0", "mcp==2.3.0", "pyjwt==2.15.1",
#                 "python-multipart==0.0.34", "redis==8.1.0", "semver==3.1.2", "soundfile==0.14.0", "websockets==17.4"]
# ///
"""Writes the same few requests as LiteLLM hands them to loggers and stores them in spend logs, and as Langfuse lists and
exports them.

The versions need three environments. Run each from the repository root:
    python tools/traffic_fixtures/langfuse_litellm.py litellm    # with the versions pinned above
    python tools/traffic_fixtures/langfuse_litellm.py langfuse   # langfuse==5.0.4
    python tools/traffic_fixtures/langfuse_litellm.py langfuse1  # langfuse==3.15.0

They write tests/fixtures/traffic/{litellm,langfuse}-*. No request leaves the machine: LiteLLM answers with its own mocks.

LiteLLM's payloads are those of `kwargs["standard_logging_object"]` in a callback, and its spend logs those of the function
that the proxy calls, `get_logging_payload`. Ids and times, which differ at every run, are replaced by fixed ones, stack traces
by a word, and to keep the files small, fields that are null are left out within a payload's metadata and other objects.

Langfuse's rows of its API are its SDK's own types. Those of its exports have the fields of its public repository,
langfuse/langfuse 6275144: `convertObservation` of packages/shared/src/server/repositories/observations_converters.ts and
`processObservationRow` of worker/src/features/database-read-stream/observation-stream.ts for the table of observations,
trace-stream.ts and event-stream.ts beside it for traces and events; the columns of
packages/shared/src/domain/observation-field-groups.ts and packages/shared/src/server/queries/clickhouse-sql/
event-query-builder.ts for blob storage, where values of metadata are text; and the text of cells of
packages/shared/src/server/utils/transforms/transformStreamToCsv.ts with packages/shared/src/utils/stringify.ts, which puts
dates in quotes.
"""

import asyncio
import contextlib
import csv
import io
import json
import os
import re
import sys
from datetime import datetime, timezone
from pathlib import Path

OUT = Path("tests/fixtures/traffic")
START = 1_789_374_600
MODEL = "gpt-4o-mini"
SYSTEM = {"role": "system", "content": "You are the support assistant of a shop."}
TOOLS = [{"type": "function", "function": {"name": "get_order",
          "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}}]
PICTURE = [{"type": "text", "text": "Is this shoe worn?"},
           {"type": "image_url", "image_url": {"url": "https://example.org/shoe.png"}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_order", "arguments": '{"id": "1001"}'}}
CANARY_KEY, CANARY_MAIL = "sk-canary0123456789abcdefghijklmnop", "canary.person@example.org"

# Texts or parts, tools, user, session, answer; the requests of gateways.py.
REQUESTS = [
    (["Can I return shoes?"], None, "user-1", "session-1", "Yes, for 30 days."),
    (["Can I return shoes?", "Yes, for 30 days.", "Even worn ones?"], None, "user-1", "session-1", "No, only unworn ones."),
    (["Where is order 1001?"], TOOLS, "user-2", "session-2", None),
    ([PICTURE], None, "user-2", "session-2", "Yes, at the heel."),
    ([f"My key is {CANARY_KEY}, write to {CANARY_MAIL}."], None, CANARY_MAIL, "session-3",
     f"I wrote to {CANARY_MAIL} about {CANARY_KEY}."),
    (["Please fail."], None, "user-3", "session-4", None),
]


def messages(number):
    turns = REQUESTS[number][0]
    return [SYSTEM, *({"role": "assistant" if turn % 2 else "user", "content": text} for turn, text in enumerate(turns))]


def write(name, text):
    data = text.encode()
    assert 0 < len(data) <= 32_768, (name, len(data))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# LiteLLM


def without_nulls(value):
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


class Fixed:
    """Replaces what differs at every run."""

    def __init__(self):
        self.ids = {}

    def id(self, match):
        return self.ids.setdefault(match[0], f"{len(self.ids) + 1:08x}-0000-4000-8000-000000000000")

    def text(self, text, at):
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", self.id, text)
        text = re.sub(r"_cache_hit[0-9.]+", f"_cache_hit{at}.5", text)
        return re.sub(r'"created(_at)?": [0-9]+', rf'"created\1": {at + 1}', text)

    def payload(self, payload, at):
        small = {key: value if key in ("messages", "response") else without_nulls(value) for key, value in payload.items()}
        fixed = json.loads(self.text(json.dumps(small, default=str), at))
        fixed |= {"startTime": at + 0.25, "endTime": at + 2.5, "completionStartTime": at + 2.5, "response_time": 2.25}
        if fixed["error_information"].get("traceback"):
            fixed["error_information"]["traceback"] = "Traceback"
        fixed["model_map_information"]["model_map_value"] = None
        fixed["hidden_params"].pop("litellm_overhead_time_ms", None)
        return fixed

    def spend(self, row, at):
        metadata = without_nulls(json.loads(row["metadata"]))
        for name in ("litellm_overhead_time_ms", "cost_breakdown", "model_map_information"):
            metadata.pop(name, None)
        if metadata.get("error_information"):
            metadata["error_information"]["traceback"] = "Traceback"
        row = {**row, "startTime": iso(at + 0.25), "endTime": iso(at + 2.5), "completionStartTime": iso(at + 2.5),
               "request_duration_ms": 2250, "metadata": json.dumps(metadata)}
        row = {key: self.text(value, at) if isinstance(value, str) else value for key, value in row.items()}
        return row


class Gateway:
    """LiteLLM's SDK with a logger that keeps what it gets."""

    def __init__(self):
        os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "STORE_PROMPTS_IN_SPEND_LOGS": "True"}
        import litellm
        from litellm.integrations.custom_logger import CustomLogger

        self.litellm, self.logged = litellm, []
        logged = self.logged

        class Keep(CustomLogger):
            async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
                logged.append((kwargs, response_obj, start_time, end_time))

            async_log_failure_event = async_log_success_event

        litellm.callbacks = [Keep()]
        litellm.suppress_debug_info = True

    async def logs(self, count=1):
        """Waits until the logger has got this many rows more."""
        wanted = self.kept + count
        for _ in range(200):
            await asyncio.sleep(0.05)
            if len(self.logged) >= wanted:
                break
        assert len(self.logged) == wanted, (len(self.logged), wanted)
        self.kept = wanted

    kept = 0

    async def chat(self, number, answer=None, count=1, **arguments):
        """Sends a request as the proxy does."""
        texts, tools, user, session, known = REQUESTS[number]
        body = {"model": "support", "messages": messages(number), "user": user, **({"tools": tools} if tools else {})}
        agent = arguments.pop("agent", "OpenAI/Python 3.57.0")
        request = {"url": "http://localhost:4000/chat/completions", "method": "POST", "headers": {"user-agent": agent},
                   "body": body}
        metadata = {"user_api_key_end_user_id": user, "model_group": "support", "user_agent": agent,
                    **arguments.pop("metadata", {})}
        arguments = {"litellm_session_id": session, "tools": tools, "user": user, **arguments}
        if number == 5:
            arguments["mock_response"] = Exception("The request was refused.")
        elif tools:
            arguments |= {"mock_response": "", "mock_tool_calls": [CALL]}
        else:
            arguments["mock_response"] = answer or known
        with contextlib.suppress(self.litellm.exceptions.InternalServerError):
            found = await self.litellm.acompletion(model=MODEL, messages=messages(number), proxy_server_request=request,
                                                   metadata=metadata, **arguments)
            if arguments.get("stream"):
                async for _ in found:
                    pass
        await self.logs(count)

    async def shop(self):
        for number in range(len(REQUESTS)):
            await self.chat(number)

    async def others(self):
        litellm = self.litellm
        ask = {"messages": messages(0), "mock_response": "Yes, for 30 days."}
        # Two attempts that fail, and a fallback; all have the same trace.
        router = litellm.Router(
            model_list=[
                {"model_name": "support", "litellm_params": {"model": MODEL, "mock_response": "litellm.RateLimitError"}},
                {"model_name": "large", "litellm_params": {"model": "gpt-4o", "mock_response": "Yes, for 30 days."}}],
            fallbacks=[{"support": ["large"]}], num_retries=1)
        await router.acompletion(model="support", messages=messages(0), user="user-4")
        await self.logs(3)
        # The same request twice: the second answer is from the cache.
        litellm.cache = litellm.Cache(type="local")
        for _ in range(2):
            await litellm.acompletion(model=MODEL, caching=True, user="user-5", **ask)
            await self.logs()
        litellm.cache = None
        await self.chat(0, stream=True, litellm_session_id=None)
        await litellm.aresponses(model=MODEL, input="Can I return shoes?", instructions=SYSTEM["content"],
                                 mock_response="Yes, for 30 days.", user="user-6")
        await self.logs()
        await litellm.atext_completion(model="gpt-3.5-turbo-instruct", prompt="Can I return shoes?", mock_response="Yes.")
        await self.logs()
        await litellm.aembedding(model="text-embedding-3-small", input=["Can I return shoes?"], mock_response=[0.25, -0.5])
        await self.logs()
        await self.chat(0, agent="karat/0.1.0")
        await self.chat(0, metadata={"tags": ["litellm-internal-health-check"]})
        litellm.turn_off_message_logging = True
        await self.chat(0)
        litellm.turn_off_message_logging = False


def in_csv(rows):
    """As PostgreSQL copies a table to CSV."""
    out = io.StringIO()
    table = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return out.getvalue()


def write_litellm():
    gateway, fixed = Gateway(), Fixed()
    asyncio.run(gateway.shop())
    count = len(gateway.logged)
    asyncio.run(gateway.others())
    from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload

    payloads, spent = [], []
    for index, (kwargs, response, start, end) in enumerate(gateway.logged):
        at = START + 60 * index
        payloads.append(fixed.payload(kwargs["standard_logging_object"], at))
        if index < count:
            spent.append(fixed.spend(dict(get_logging_payload(kwargs, response, start, end)), at))
    write("litellm-payloads.jsonl", lines(payloads[:count]))
    write("litellm-payloads-others.jsonl", lines(payloads[count:]))
    # As an object in a bucket.
    write("litellm-object.json", json.dumps(payloads[0]))
    write("litellm-spend.csv", in_csv(spent))
    columns = ("metadata", "request_tags", "messages", "response", "proxy_server_request")
    listed = [{key: json.loads(value) if key in columns else value for key, value in row.items()} for row in spent]
    page = {"data": listed, "total": len(listed), "page": 1, "page_size": 50, "total_pages": 1}
    write("litellm-spend.json", json.dumps(page))


# Langfuse


def observations():
    """What was traced: a model call for each request, which is the root of its trace; an agent; and what is no request."""
    rows = []

    def add(kind, trace, **fields):
        row = {"id": f"o-{len(rows) + 1}", "trace": trace, "type": kind, "name": kind.lower(), "parent": None, "user": None,
               "session": None, "model": None, "tags": [], "environment": "production", "input": None, "output": None,
               "metadata": {"scope": {"name": "langfuse-sdk", "version": "5.0.4"},
                            "resourceAttributes": {"service.name": "support-bot"}},
               "error": None, "at": START + 60 * len(rows) + 0.25, **fields}
        rows.append(row)
        return row

    for number, (_, tools, user, session, answer) in enumerate(REQUESTS):
        # As `langfuse.openai` notes them.
        asked = {"tools": tools, "messages": messages(number)} if tools else messages(number)
        answered = {"role": "assistant", "content": answer, **({"tool_calls": [CALL]} if tools else {})}
        failed = number == 5
        add("GENERATION", f"t-{number + 1}", name="OpenAI-generation", user=user, session=session, model=f"{MODEL}-2024-07-18",
            input=asked, output=None if failed else answered, error="The request was refused." if failed else None)
    agent = {"user": "user-4", "session": "session-5"}
    # As `@observe` notes the arguments of a function.
    root = add("AGENT", "t-7", input={"args": ["Where is order 1001?"], "kwargs": {}}, output="It has been shipped.", **agent)
    at, within = root["at"], {"parent": root["id"], **agent}
    add("TOOL", "t-7", input={"id": "1001"}, output={"status": "shipped"}, **within | {"at": at + 1})
    add("GENERATION", "t-7", input=messages(2), output={"role": "assistant", "content": "It has been shipped."},
        model=f"{MODEL}-2024-07-18", **within | {"at": at + 2})
    add("EMBEDDING", "t-8", input="Can I return shoes?", model="text-embedding-3-small")
    add("GENERATION", "t-9", name="Execute evaluator: helpfulness", environment="langfuse-llm-as-a-judge",
        input=[{"role": "user", "content": "Is this answer helpful?"}], output="yes", model=MODEL)
    experiment = {"experiment_name": "prompt 2", "experiment_run_name": "prompt 2 - 2026-09-14"}
    row = add("SPAN", "t-10", name="experiment-item-task", environment="sdk-experiment", input="Can I return shoes?",
              output="Yes.")
    row["metadata"] = row["metadata"] | experiment
    row = add("GENERATION", "t-11", input=messages(0), output={"role": "assistant", "content": "Yes."}, model=MODEL)
    row["metadata"] = row["metadata"] | {"resourceAttributes": {"service.name": "karat"}}
    return rows


def traces():
    """The traces of these observations, with the input and output of their roots."""
    roots = [row for row in observations() if row["parent"] is None]
    return [{**row, "id": row["trace"], "name": row["name"]} for row in roots]


def in_api(row, **fields):
    return {"id": row["id"], "traceId": row["trace"], "parentObservationId": row["parent"], "type": row["type"],
            "name": row["name"], "startTime": iso(row["at"]), "endTime": iso(row["at"] + 2), "environment": row["environment"],
            "level": "ERROR" if row["error"] else "DEFAULT", "statusMessage": row["error"], "input": row["input"],
            "output": row["output"], "metadata": row["metadata"], "model": row["model"], "modelParameters": {},
            "usageDetails": {"input": 20, "output": 8, "total": 28}, "costDetails": {}, **fields}


def write_langfuse():
    from langfuse.api import ObservationsV2Response
    from langfuse.api.core.pydantic_utilities import parse_obj_as

    rows = [in_api(row, projectId="p-1", userId=row["user"], sessionId=row["session"], isRootObservation=not row["parent"],
                   bookmarked=False, public=False, tags=row["tags"], release=None, traceName="support",
                   createdAt=iso(row["at"] + 5), updatedAt=iso(row["at"] + 5)) for row in observations()]
    page = parse_obj_as(ObservationsV2Response, {"data": rows, "meta": {"cursor": None}})
    write("langfuse-api-v2.json", page.json())
    write_langfuse_exports()


def write_langfuse1():
    from langfuse.api import ObservationsViews, Traces

    usage = {"unit": "TOKENS", "input": 20, "output": 8, "total": 28}
    meta = {"page": 1, "limit": 50, "totalItems": 14, "totalPages": 1}
    rows = [in_api(row, usage=usage, promptId=None, latency=2.0) for row in observations()]
    write("langfuse-api-v1.json", ObservationsViews.parse_obj({"data": rows, "meta": meta}).json())
    rows = [{"id": row["id"], "timestamp": iso(row["at"]), "name": row["name"], "input": row["input"], "output": row["output"],
             "userId": row["user"], "sessionId": row["session"], "metadata": row["metadata"], "tags": row["tags"],
             "public": False, "environment": row["environment"], "htmlPath": f"/project/p-1/traces/{row['id']}",
             "latency": 2.0, "totalCost": 0.0, "observations": [], "scores": []} for row in traces()]
    write("langfuse-api-traces.json", Traces.parse_obj({"data": rows, "meta": meta}).json())


class Date(str):
    """A date, which is a string in JSON only."""


def cell(value):
    if value is None:
        return ""
    if isinstance(value, str) and not isinstance(value, Date):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def exported_csv(rows):
    quoted = lambda text: '"' + text.replace('"', '""') + '"'
    header = ",".join(map(quoted, rows[0]))
    return "".join(line + "\n" for line in [header, *(",".join(quoted(cell(row[key])) for key in rows[0]) for row in rows)])


def stored(value):
    """Inputs, outputs and values of metadata as the database has them."""
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def of_page(row, is_csv):
    """A row of the page of observations."""
    inputs = {"input": row["input"], "output": row["output"]}
    if is_csv:
        inputs = {name: stored(value) for name, value in inputs.items()}
    date = lambda seconds: Date(iso(seconds))
    return {
        "id": row["id"], "traceId": row["trace"], "startTime": date(row["at"]), "endTime": date(row["at"] + 2),
        "projectId": "p-1", "parentObservationId": row["parent"], "type": row["type"], "environment": row["environment"],
        "name": row["name"], "level": "ERROR" if row["error"] else "DEFAULT", "statusMessage": row["error"], "version": None,
        "createdAt": date(row["at"] + 5), "updatedAt": date(row["at"] + 5), **inputs, "metadata": row["metadata"],
        "model": row["model"], "internalModelId": None, "modelParameters": None, "completionStartTime": None, "promptId": None,
        "promptName": None, "promptVersion": None, "latency": 2, "timeToFirstToken": None, "providedUsageDetails": {},
        "usageDetails": {"input": 20, "output": 8, "total": 28}, "costDetails": {}, "providedCostDetails": {},
        "inputCost": None, "outputCost": None, "totalCost": None, "inputUsage": 20, "outputUsage": 8, "totalUsage": 28,
        "usagePricingTierId": None,
        "usagePricingTierName": None, "toolDefinitions": None, "toolCalls": None, "toolCallNames": None, "traceName": "support",
        "traceTags": row["tags"], "traceTimestamp": date(row["at"]), "userId": row["user"], "toolDefinitionsCount": None,
        "toolCallsCount": None, "modelId": None, "inputPrice": None, "outputPrice": None, "totalPrice": None,
        "helpfulness": [1] if row["id"] == "o-1" else None, "comments": []}


def of_events(row):
    """A row of the page of events, with times and texts as the database has them."""
    at = lambda seconds: iso(seconds).replace("T", " ").replace("Z", "000")
    return {
        "id": row["id"], "traceId": row["trace"], "traceName": "support", "type": row["type"], "name": row["name"],
        "startTime": at(row["at"]), "endTime": at(row["at"] + 2), "completionStartTime": None,
        "environment": row["environment"], "version": None, "userId": row["user"] or "", "sessionId": row["session"] or "",
        "level": "ERROR" if row["error"] else "DEFAULT", "statusMessage": row["error"], "promptName": None, "promptId": None,
        "promptVersion": None, "modelId": None, "providedModelName": row["model"], "modelParameters": "{}",
        "usageDetails": {"input": 20, "output": 8, "total": 28}, "costDetails": {}, "totalCost": None,
        "input": stored(row["input"]), "output": stored(row["output"]),
        "metadata": {name: stored(value) for name, value in row["metadata"].items()}, "latencyMs": 2000,
        "timeToFirstTokenMs": None, "tags": row["tags"], "release": "", "parentObservationId": row["parent"] or "",
        "helpfulness": [1] if row["id"] == "o-1" else None, "comments": []}


def of_bucket(row, is_enriched):
    """A row in blob storage: of the older table of observations, or of the newer one with what the trace says."""
    at = lambda seconds: iso(seconds).replace("T", " ").replace("Z", "000")
    fields = {
        "id": row["id"], "trace_id": row["trace"], "project_id": "p-1", "environment": row["environment"], "type": row["type"],
        "parent_observation_id": row["parent"] or "", "start_time": at(row["at"]), "end_time": at(row["at"] + 2),
        "name": row["name"], "metadata": {name: stored(value) for name, value in row["metadata"].items()},
        "level": "ERROR" if row["error"] else "DEFAULT", "status_message": row["error"] or "", "version": "",
        "input": stored(row["input"]), "output": stored(row["output"]), "provided_model_name": row["model"],
        "model_parameters": "", "usage_details": {"input": 20, "output": 8, "total": 28}, "cost_details": {}, "latency": 2,
        "created_at": at(row["at"] + 5), "updated_at": at(row["at"] + 5)}
    if is_enriched:
        fields |= {"bookmarked": False, "public": False, "user_id": row["user"] or "", "session_id": row["session"] or "",
                   "is_root_observation": not row["parent"], "tags": row["tags"], "release": "", "trace_name": "support"}
    return fields


def write_langfuse_exports():
    rows = observations()
    write("langfuse-page.csv", exported_csv([of_page(row, True) for row in rows]))
    write("langfuse-page.json", json.dumps([of_page(row, False) for row in rows]))
    write("langfuse-events.jsonl", lines(of_events(row) for row in rows))
    write("langfuse-events.csv", exported_csv([of_events(row) for row in rows]))
    write("langfuse-bucket-observations.jsonl", lines(of_bucket(row, False) for row in rows))
    write("langfuse-bucket-enriched.jsonl", lines(of_bucket(row, True) for row in rows))
    write("langfuse-bucket-enriched.csv", exported_csv([of_bucket(row, True) for row in rows]))
    write("langfuse-page-traces.csv", exported_csv([
        {"id": row["id"], "timestamp": Date(iso(row["at"])), "name": row["name"], "userId": row["user"],
         "sessionId": row["session"], "release": None, "version": None, "environment": row["environment"], "tags": row["tags"],
         "bookmarked": False, "public": False, "input": stored(row["input"]), "output": stored(row["output"]),
         "metadata": {name: stored(value) for name, value in row["metadata"].items()}, "comments": []} for row in traces()]))


def main():
    {"litellm": write_litellm, "langfuse": write_langfuse, "langfuse1": write_langfuse1}[sys.argv[1]]()


main()
