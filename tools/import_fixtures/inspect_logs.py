# /// script
# requires-python = ">=3.11"
# dependencies = ["inspect-ai==0.3.285", "openai==3.57.0"]
# ///
"""Writes logs and a dataset of inspect_ai, with answers that a mock model gives.

The versions need two environments. Run each from the repository root:
    python tools/import_fixtures/inspect_logs.py          # with the versions pinned above
    python tools/import_fixtures/inspect_logs.py deflate  # inspect-ai==0.3.100 openai==3.57.0

They write tests/fixtures/import/inspect-*. No request leaves the machine. Ids and times are fixed, events are cut to the
first one of each sample and messages left out, so that running it again gives the same small files.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

os.environ.update(INSPECT_DISPLAY="none", INSPECT_LOG_LEVEL="critical")

try:
    import tiktoken
except ImportError:  # 0.3.100 counts no tokens.
    tiktoken = None

from inspect_ai import Epochs, Task, eval
from inspect_ai._util.registry import _registry
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (ChatMessageAssistant, ChatMessageSystem, ChatMessageUser, ContentImage, ContentText,
                              GenerateConfig, ModelOutput, get_model, modelapi)
from inspect_ai.model._providers.mockllm import MockLLM
from inspect_ai.scorer import (answer, choice, exact, f1, includes, match, model_graded_fact, model_graded_qa, pattern,
                               scorer, Score, accuracy)
from inspect_ai.solver import chain_of_thought, generate, multiple_choice, prompt_template, system_message, use_tools

OUT = Path("tests/fixtures/import").absolute()
PIXEL = ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
         "rkJggg==")


class Bytes:
    """Counts tokens without downloading a vocabulary."""

    def encode(self, text, **_):
        return list(text.encode())

    encode_ordinary = encode


if tiktoken:
    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: Bytes()


@scorer(metrics=[accuracy()])
def house_style():
    async def score(state, target):
        return Score(value="C")

    return score


def faq():
    samples = [
        Sample(id="capital", input="What is the capital of France?", target=["Paris", "Lutetia"],
               metadata={"level": 1, "tone": "kind"}, description="A question with two right answers."),
        Sample(id=2, input="How much is {{2 + 2}}?", target="4", metadata={"tone": "brief", "level": None},
               files={"notes.txt": "none"}),
        Sample(id=10, input="What does a fish eat?", target="", metadata={"tone": "kind", "level": 3}),
    ]
    return Task(
        name="faq",
        dataset=MemoryDataset(samples, name="shop-faq"),
        solver=[system_message("Be {tone}. Keep {{braces}} and {unknown}."), prompt_template("Question of level {level}: {prompt}"),
                chain_of_thought(), generate()],
        scorer=[match(), match(numeric=True, location="any"), includes(ignore_case=False), pattern(r"ANSWER: (\w+)"),
                pattern(r"(\d+) of (\d+)"), answer("line"), exact(), f1(stop_words=["of"]),
                model_graded_qa(partial_credit=True), model_graded_fact(model=["openai/gpt-4o", "openai/gpt-4o-mini"]),
                house_style()],
        epochs=Epochs(2, ["pass_at_2", "mean"]),
        config=GenerateConfig(temperature=0.2, stop_seqs=["END"], top_k=5),
        message_limit=10,
    )


def quiz():
    samples = [
        Sample(id=1, input="Which is a fruit?", choices=["Chair", "Apple", "Stone"], target="b", metadata={"field": "food"}),
        Sample(id=2, input="Which are metals?", choices=["Iron", "Wood", "Zinc"], target=["A", "C"]),
    ]
    return Task(name="shop/quiz", dataset=samples, solver=[multiple_choice(multiple_correct=True, cot=True)], scorer=[choice()])


def chats():
    picture = ChatMessageUser(content=[ContentText(text="What is this?"), ContentImage(image=PIXEL)])
    talk = [ChatMessageSystem(content="You sell shoes."), ChatMessageUser(content="Hi"),
            ChatMessageAssistant(content="Hello!"), ChatMessageUser(content="Are they red?")]
    samples = [Sample(id="picture", input=[picture], target="a pixel"), Sample(id="talk", input=talk, target="yes")]
    return Task(name="chats", dataset=samples, solver=[system_message("Be brief."), generate()], scorer=[includes()])


# Answers with their targets, which inspect_ai's own scorers grade.
SCORED = [
    ("The answer is Paris.", "Paris"), ("paris", "Paris"), ("Paris is large", "Paris"), ("ANSWER: Paris", "Paris"),
    ("ANSWER: Rome\nNo.\nANSWER: Paris", "Rome"), ("It costs $1,234.50!", "1234.5"), ("42", "42"),
    ("First 41, then 42", "42"), ("42, not 41", "42"), ("Comparison", "Paris"), ("The cat sat", "a cat sat"),
    ("ANSWER: B", "B"), ("ANSWER: Be", "B"), ("ANSWER: New York\n", "New York"), ("ANSWER: New York City", "New York"),
    ("It is C", "C++"), ("It is C++", "C++"), ("Yeah", ["yes", "yeah"]), ("1000001", "1000000"), ("nothing", "x"),
]
CHOSEN = ["ANSWER: B", "answer: (b)", "B", "ANSWER: A", "ANSWER: A, B", "ANSWER: B) left", "I think.\n\nANSWER: B.", "ANSWER: Bed"]


def replies(texts):
    """A model that gives the answer with the number at the end of the input's first line."""
    def reply(messages, *_):
        line = next(line for line in messages[-1].text.splitlines() if line.startswith("Case"))
        return ModelOutput.from_content("mockllm/model", texts[int(line.split()[1])])

    return get_model("mockllm/model", custom_outputs=reply)


def scored():
    samples = [Sample(id=number, input=f"Case {number}", target=target) for number, (_, target) in enumerate(SCORED)]
    return Task(name="scored", dataset=samples, scorer=[
        match(), match("begin"), match("any", ignore_case=False), match("exact"), match(numeric=True), includes(),
        includes(ignore_case=False), pattern(r"ANSWER: (\w+)"), pattern(r"(\d+)"), answer("letter"), answer("word"),
        answer("line"), exact(), f1()])


def chosen():
    samples = [Sample(id=number, input=f"Case {number}", choices=["left", "right"], target="B") for number in range(len(CHOSEN))]
    return Task(name="chosen", dataset=samples, solver=[multiple_choice()], scorer=[choice()])


# Models of providers answer like the mock model.
for provider in ("anthropic", "openai"):
    _registry.pop(f"modelapi:inspect_ai/{provider}")
    modelapi(name=provider)(type(provider, (MockLLM,), {}))


class Fixed:
    """Replaces what differs from run to run."""

    TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)")
    NUMBERS = {"total_time", "working_time", "working_start", "time", "timestamp", "timestamp_utc"}

    LONG = {"events_data", "explanation", "history", "messages"}

    def __init__(self):
        self.ids = {}

    def value(self, value, key=""):
        if isinstance(value, dict):
            found = {name: self.value(inner, name) for name, inner in value.items() if name not in self.LONG}
            if "events" in found and "epoch" in found:
                found["events"] = found["events"][:1]
            return found
        if isinstance(value, list):
            return [self.value(inner, key) for inner in value]
        if isinstance(value, float) and (key in self.NUMBERS or round(value, 2) != value):
            return 0.5
        if isinstance(value, str):
            if re.fullmatch(r"[2-9A-HJ-NP-Za-km-z]{22}|[0-9a-f]{32}", value):
                return self.ids.setdefault(value, f"id{len(self.ids):020}")
            return self.TIME.sub("2026-09-14T08:30:00+00:00", value)
        return value

    def text(self, text):
        return json.dumps(self.value(json.loads(text)), indent=2) + "\n"


def rewrite(source, target, keep=lambda name: True):
    """A log with everything fixed, in the form in which it was written."""
    fixed = Fixed()
    if source.suffix == ".json":
        log = json.loads(fixed.text(source.read_text()))
        log.pop("reductions", None)
        log["samples"].sort(key=lambda sample: (sample["epoch"], str(sample["id"])))
        target.write_text(json.dumps(log, indent=2) + "\n")
        return
    with zipfile.ZipFile(source) as log, zipfile.ZipFile(target, "w") as out:
        members = [info for info in log.infolist() if keep(info.filename) and "summaries" not in info.filename]
        for info in sorted(members, key=lambda info: info.filename):
            entry = zipfile.ZipInfo(info.filename, (2026, 9, 14, 8, 30, 0))
            entry.compress_type = info.compress_type
            out.writestr(entry, fixed.text(log.read(info)))


def run(task, form, folder, **options):
    model = options.pop("model", "mockllm/model")
    log = eval(task, model=model, log_dir=str(folder), log_format=form, log_realtime=False, display="none", **options)[0]
    assert log.status == "success", log.error
    return Path(log.location.removeprefix("file://"))


def dataset():
    rows = [
        {"id": "a", "input": "Is it open today?", "target": "yes", "metadata": {"shop": 1}, "season": "summer"},
        {"input": [{"role": "user", "content": "Which colour?"}], "target": ["red", "crimson"]},
        {"input": "Pick one.", "choices": ["left", "right"], "target": "B"},
        {"input": "", "target": "nothing"},
    ]
    (OUT / "inspect-samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (OUT / "inspect-samples.csv").write_text(
        "id,input,target,choices,metadata\n"
        "1,Pick a fruit.,A,\"apple,stone\",\n"
        "2,Pick a metal.,B,wood iron,\"{\"\"field\"\": \"\"metals\"\"}\"\n")


def current(folder):
    from inspect_ai.log._recorders.chunked import convert_eval_logs_to_chunked

    done = run(faq(), "eval", folder / "faq", model_roles={"grader": get_model("mockllm/model")}, max_tokens=50)
    rewrite(done, OUT / "inspect-faq.eval")
    # What a run that was killed leaves behind.
    rewrite(done, OUT / "inspect-unfinished.eval", lambda name: name.startswith("_journal/") or name == "samples/2_epoch_1.json")
    rewrite(run(quiz(), "json", folder / "quiz", model="anthropic/claude-x", stop_seqs=["END"]), OUT / "inspect-quiz.json")
    rewrite(run(scored(), "json", folder / "scored", model=replies([text for text, _ in SCORED])), OUT / "inspect-scored.json")
    rewrite(run(chosen(), "json", folder / "chosen", model=replies(CHOSEN)), OUT / "inspect-chosen.json")
    done = run(chats(), "eval", folder / "chats")
    convert_eval_logs_to_chunked(str(done), str(folder / "chunked"), overwrite=True)
    rewrite(next((folder / "chunked").glob("*.eval")), OUT / "inspect-chunked.eval")
    dataset()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    # Logs name the revision of the repository that they are written in.
    os.chdir(folder)
    try:
        if sys.argv[1:] == ["deflate"]:
            rewrite(run(quiz(), "eval", folder), OUT / "inspect-deflate.eval")
        else:
            current(folder)
    finally:
        os.chdir(OUT)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
