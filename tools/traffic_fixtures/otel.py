# /// script
# requires-python = ">=3.11"
# dependencies = ["openai==3.57.0", "httpx==0.28.1", "opentelemetry-sdk==1.45.2",
#                 "opentelemetry-exporter-otlp-json-file==0.66b1", "opentelemetry-instrumentation-openai-v2==2.4b0",
#                 "opentelemetry-util-genai==0.4b0", "opentelemetry-instrumentation-openai==0.62.4",
#                 "openinference-instrumentation==0.1.72", "openinference-instrumentation-openai==0.1.66"]
# ///
"""Writes the traces of the same few requests as the real instrumentations of OpenAI's SDK export them.

The versions need three environments. Run each from the repository root:
    python tools/traffic_fixtures/otel.py current   # with the versions pinned above
    python tools/traffic_fixtures/otel.py indexed   # openai==3.57.0 opentelemetry-sdk==1.45.2
                                                    # opentelemetry-exporter-otlp-json-file==0.66b1
                                                    # opentelemetry-instrumentation-openai==0.40.14
    python tools/traffic_fixtures/otel.py phoenix   # openai==3.57.0 arize-phoenix==20.26.1
                                                    # openinference-instrumentation-openai==0.1.66

They write tests/fixtures/traffic/{otlp,openinference,phoenix}-*. No request leaves the machine: the client of OpenAI's
SDK gets its answers from a function, and Phoenix listens on the loopback interface. Ids and times are fixed, so that
running it again gives the same files.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from pathlib import Path

OUT = Path("tests/fixtures/traffic")
MODEL = "gpt-4o-mini"
SYSTEM = {"role": "system", "content": "You are the support assistant of a shop."}
TOOLS = [{"type": "function", "function": {"name": "get_order",
          "parameters": {"type": "object", "properties": {"id": {"type": "string"}}}}}]
ASK = {"role": "user", "content": "Where is order 1001?"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_1", "type": "function", "function": {"name": "get_order", "arguments": '{"id": "1001"}'}}]}
CANARY_KEY, CANARY_MAIL = "sk-canary0123456789abcdefghijklmnop", "canary.person@example.org"

# Messages, tools, user, session. What the model answers is in `answer`.
REQUESTS = [
    ([SYSTEM, {"role": "user", "content": "Can I return shoes?"}], None, "user-1", "session-1"),
    ([SYSTEM, {"role": "user", "content": "Can I return shoes?"}, {"role": "assistant", "content": "Yes, for 30 days."},
      {"role": "user", "content": "Even worn ones?"}], None, "user-1", "session-1"),
    ([SYSTEM, ASK], TOOLS, "user-2", "session-2"),
    ([SYSTEM, ASK, CALL, {"role": "tool", "tool_call_id": "call_1", "content": '{"status": "shipped"}'}], TOOLS,
     "user-2", "session-2"),
    ([SYSTEM, {"role": "user", "content": f"My key is {CANARY_KEY}, write to {CANARY_MAIL}."}], None, CANARY_MAIL, "session-3"),
    ([SYSTEM, {"role": "user", "content": "Please fail."}], None, "user-3", "session-4"),
]


def answer(messages):
    last = messages[-1]
    if last["role"] == "tool":
        return {"role": "assistant", "content": "It has been shipped."}
    if last == ASK:
        return CALL
    text = {"Can I return shoes?": "Yes, for 30 days.", "Even worn ones?": "No, only unworn ones."}
    return {"role": "assistant", "content": text.get(last["content"], f"I wrote to {CANARY_MAIL} about {CANARY_KEY}.")}


class Steps:
    """A clock and a source of ids that always give the same values."""

    def __init__(self):
        self.now, self.trace, self.span = 1_789_374_600_000_000_000, 0, 0

    def time_ns(self):
        self.now += 250_000_000
        return self.now

    def generate_trace_id(self):
        self.trace += 1
        return 0x5B8EFFF798038103D2E9B633813FC600 + self.trace

    def generate_span_id(self):
        self.span += 1
        return 0xEEE19B7EC3C1B100 + self.span

    def is_trace_id_random(self):
        return False


STEPS = Steps()


def client():
    """OpenAI's client with answers from a function."""
    import httpx2
    import openai

    def respond(request):
        body = json.loads(request.content)
        if request.url.path.endswith("/embeddings"):
            return httpx2.Response(200, json={"object": "list", "model": body["model"], "usage": {"prompt_tokens": 3,
                "total_tokens": 3}, "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}]})
        if body["messages"][-1]["content"] == "Please fail.":
            return httpx2.Response(400, json={"error": {"message": "The request was refused.", "type": "invalid_request_error"}})
        message = answer(body["messages"])
        return httpx2.Response(200, json={
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_789_374_600, "model": f"{MODEL}-2024-07-18",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}})

    transport = httpx2.MockTransport(respond)
    return openai.OpenAI(api_key="none", max_retries=0, http_client=httpx2.Client(transport=transport))


def send(number):
    """Sends a request; returns the answer, or None for the one that fails."""
    messages, tools, _, _ = REQUESTS[number]
    arguments = {"tools": tools} if tools else {}
    with contextlib.suppress(Exception):
        return client().chat.completions.create(model=MODEL, messages=messages, **arguments)


def embed():
    client().embeddings.create(model="text-embedding-3-small", input="Can I return shoes?", encoding_format="float")


def providers(service, span_exporter, log_exporter=None, sampler=None):
    """Providers with fixed ids and times, and a processor that notes the user on each span."""
    import opentelemetry._logs._internal as logs_api
    import opentelemetry.sdk._logs._internal as logs_sdk
    import opentelemetry.sdk.trace as trace_sdk
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    for module in (trace_sdk, logs_sdk, logs_api):
        module.time_ns = STEPS.time_ns
    # Stack traces contain the paths of the machine.
    trace_sdk.traceback = types.SimpleNamespace(format_exception=lambda *_, **__: ["Traceback"])
    STEPS.__init__()
    resource = Resource({"service.name": service})
    tracers = trace_sdk.TracerProvider(resource=resource, id_generator=STEPS, sampler=sampler)

    class NoteUser(trace_sdk.SpanProcessor):
        def on_start(self, span, parent_context=None):
            span.set_attributes(NOTED)

    tracers.add_span_processor(NoteUser())
    tracers.add_span_processor(SimpleSpanProcessor(span_exporter))
    loggers = LoggerProvider(resource=resource)
    if log_exporter:
        loggers.add_log_record_processor(SimpleLogRecordProcessor(log_exporter))
    return tracers, loggers


NOTED = {}


def note(**attributes):
    NOTED.clear()
    NOTED.update({key.replace("__", "."): value for key, value in attributes.items()})


def write(name, text):
    data = text.encode()
    assert 0 < len(data) <= 20_480, (name, len(data))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def openai_v2():
    """The OpenTelemetry project's own instrumentation: current attributes and events, and version 1.30 of the conventions."""
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter
    from opentelemetry.exporter.otlp.json.file._log_exporter import FileLogExporter
    from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    from opentelemetry.sdk.trace._sampling_experimental import composite_sampler, composable_traceid_ratio_based
    from opentelemetry.trace import SpanKind

    for name, opt_in, capture in [("current", "gen_ai_latest_experimental", "span_only"),
                                  ("details", "gen_ai_latest_experimental", "event_only"), ("events", "", "true")]:
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = opt_in
        os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = capture
        Stability._initialized = False
        spans, logs = io.StringIO(), io.StringIO()
        sampler = composite_sampler(composable_traceid_ratio_based(0.5))
        tracers, loggers = providers("support-bot", FileSpanExporter(stream=spans), FileLogExporter(stream=logs),
                                     sampler if name == "current" else None)
        instrumentor = OpenAIInstrumentor()
        instrumentor.instrument(tracer_provider=tracers, logger_provider=loggers)
        tracer = tracers.get_tracer("shop")
        for number, (_, _, user, session) in enumerate(REQUESTS):
            note(enduser__id=user, session__id=session, gen_ai__conversation__id=session)
            with tracer.start_as_current_span("POST /chat", kind=SpanKind.SERVER):
                send(number)
        with tracer.start_as_current_span("POST /chat", kind=SpanKind.SERVER) as span:
            span.set_attribute("user_agent.original", "karat/0.1.0")
        embed()
        note()
        instrumentor.uninstrument()
        write(f"otlp-genai-{name}.jsonl", spans.getvalue())
        if logs.getvalue():
            write(f"otlp-genai-{name}-logs.jsonl", logs.getvalue())


def openllmetry(name):
    """OpenLLMetry: `gen_ai.input.messages` since 0.53, indexed attributes before."""
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter
    from opentelemetry.exporter.otlp.json.file._log_exporter import FileLogExporter
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    spans = io.StringIO()
    tracers, loggers = providers("support-bot", FileSpanExporter(stream=spans))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=tracers, logger_provider=loggers)
    tracer = tracers.get_tracer("traceloop.tracer")
    for number, (messages, _, user, session) in enumerate(REQUESTS):
        # As traceloop-sdk notes them.
        note(traceloop__association__properties__user_id=user, traceloop__association__properties__session_id=session)
        with tracer.start_as_current_span("support.workflow") as span:
            question = messages[-1]["content"]
            span.set_attribute("traceloop.span.kind", "workflow")
            span.set_attribute("traceloop.entity.input", json.dumps({"args": [question], "kwargs": {}}))
            found = send(number)
            if found and found.choices[0].message.content:
                span.set_attribute("traceloop.entity.output", json.dumps(found.choices[0].message.content))
    embed()
    note()
    instrumentor.uninstrument()
    write(f"otlp-openllmetry-{name}.jsonl", spans.getvalue())


def openinference_spans(span_exporter):
    """A chain with a retriever and a tool for each request, as OpenInference's decorators and instrumentation trace them."""
    from openinference.instrumentation import OITracer, TraceConfig, using_attributes
    from openinference.instrumentation.openai import OpenAIInstrumentor

    tracers, _ = providers("support-bot", span_exporter)
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=tracers)
    tracer = OITracer(tracers.get_tracer("shop"), config=TraceConfig())

    @tracer.tool
    def get_order(id: str) -> str:
        return '{"status": "shipped"}'

    # Not all of them, since these files repeat each message.
    for number in (1, 3, 4, 5):
        messages, _, user, session = REQUESTS[number]
        with using_attributes(session_id=session, user_id=user, metadata={"mail": user} if "@" in user else {}):
            with tracer.start_as_current_span("support", openinference_span_kind="chain") as span:
                span.set_input(messages[-1]["content"] if number != 3 else ASK["content"])
                if number == 3:
                    get_order("1001")
                found = send(number)
                if found and found.choices[0].message.content:
                    span.set_output(found.choices[0].message.content)
    embed()
    instrumentor.uninstrument()


def openinference():
    from opentelemetry.exporter.otlp.json.file import FileSpanExporter
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    stream = io.StringIO()
    openinference_spans(FileSpanExporter(stream=stream))
    write("openinference-otlp.jsonl", stream.getvalue())
    stream = io.StringIO()
    openinference_spans(ConsoleSpanExporter(out=stream, formatter=lambda span: span.to_json(indent=None) + "\n"))
    write("openinference-console.jsonl", stream.getvalue())


def get(url):
    with urllib.request.urlopen(url) as response:
        return response.read().decode()


def phoenix():
    """What Phoenix returns after it received the same spans: a data frame, and the JSON of its REST API."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = []
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports.append(str(free.getsockname()[1]))
        base = f"http://127.0.0.1:{ports[0]}"
        server = subprocess.Popen(
            [Path(sys.executable).with_name("phoenix"), "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": folder, "PYTHONHASHSEED": "0", "PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": ports[0],
                 "PHOENIX_GRPC_PORT": ports[1], "PHOENIX_WORKING_DIR": folder, "PHOENIX_TELEMETRY_ENABLED": "false",
                 "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false"})
        stack.callback(server.wait)
        stack.callback(server.terminate)
        for _ in range(120):
            with contextlib.suppress(OSError):
                get(f"{base}/healthz")
                break
            time.sleep(1)
        openinference_spans(OTLPSpanExporter(endpoint=f"{base}/v1/traces"))
        time.sleep(5)
        from phoenix.client import Client

        phoenix_client = Client(base_url=base)
        # `context.span_id` is both the index and a column.
        frame = phoenix_client.spans.get_spans_dataframe().sort_values("start_time", kind="stable")
        write("phoenix-dataframe.csv", frame.to_csv(index=False))
        write("phoenix-dataframe.jsonl", frame.to_json(orient="records", lines=True, date_format="iso"))
        rest = json.loads(get(f"{base}/v1/projects/default/spans?limit=100"))
        write("phoenix-rest.jsonl", json.dumps(rest) + "\n")
        write("phoenix-otlp.jsonl", get(f"{base}/v1/projects/default/spans/otlpv1?limit=5") + "\n")
        root = next(span for span in reversed(rest["data"]) if span["parent_id"] is None and span["span_kind"] == "CHAIN")
        phoenix_client.spans.add_span_annotation(
            span_id=root["context"]["span_id"], annotation_name="helpful", annotator_kind="HUMAN", label="yes", score=1.0,
            explanation="It answers the question.", sync=True)
        found = json.loads(get(f"{base}/v1/projects/default/span_annotations?span_ids={root['context']['span_id']}"))
        for annotation in found["data"]:
            annotation.update(created_at="2026-09-14T08:31:00Z", updated_at="2026-09-14T08:31:00Z")
        write("phoenix-annotations.jsonl", json.dumps(found) + "\n")


def main():
    section = sys.argv[1]
    for distribution in sorted(importlib.metadata.distributions(), key=lambda found: found.name.lower()):
        if distribution.name.lower().startswith(("openai", "openinference", "opentelemetry", "arize", "pandas")):
            print(f"{distribution.name} {distribution.version}")
    if section == "current":
        openai_v2()
        openllmetry("messages")
        openinference()
    elif section == "indexed":
        openllmetry("indexed")
    else:
        phoenix()


main()
