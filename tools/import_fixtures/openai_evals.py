# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Writes a small registry in the form of openai/evals: evals, specifications of model-graded evals, and samples.

Run from the repository root:
    uv run tools/import_fixtures/openai_evals.py

It writes tests/fixtures/import/openai-evals-*. The form follows the registry and the classes of openai/evals at commit
4bfc1f5 (2025-11-03); all texts are made up. Running it again gives the same files.
"""

import json
from pathlib import Path

REGISTRY = Path("tests/fixtures/import/openai-evals-registry")

BASIC = """\
# Evals that compare texts.
capitals:
  id: capitals.test.v1
  description: Names the capital of a country.
  metrics: [accuracy]
capitals.test.v1:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: capitals/samples.jsonl
    max_tokens: 20

capitals-shown:
  id: capitals-shown.test.v1
  metrics: [accuracy]
capitals-shown.test.v1:
  class: evals.elsuite.basic.match:Match
  args:
    samples_jsonl: capitals/samples.jsonl
    few_shot_jsonl: capitals/few_shot.jsonl
    num_few_shot: 1

capitals-named:
  id: capitals-named.test.v1
  metrics: [accuracy]
capitals-named.test.v1:
  class: evals.elsuite.basic.includes:Includes
  args:
    samples_jsonl: capitals/samples.jsonl
    ignore_case: true

capitals-fuzzy:
  id: capitals-fuzzy.test.v1
  metrics: [f1_score]
capitals-fuzzy.test.v1:
  class: evals.elsuite.basic.fuzzy_match:FuzzyMatch
  args:
    samples_jsonl: capitals/samples.jsonl

orders:
  id: orders.dev.v0
  metrics: [accuracy]
orders.dev.v0:
  class: evals.elsuite.basic.json_match:JsonMatch
  args:
    samples_jsonl: orders/samples.jsonl

quiz:
  id: quiz.dev.v0
  metrics: [accuracy]
quiz.dev.v0:
  class: evals.elsuite.multiple_choice:MultipleChoice
  args:
    dataset: hf://hendrycks_test?name=college_biology&split=validation
"""

GRADED = """\
jokes:
  id: jokes.dev.v0
  description: Tells jokes about fruit.
  metrics: [accuracy]
jokes.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: jokes/samples.jsonl
    eval_type: cot_classify
    modelgraded_spec: funny

jokes-scale:
  id: jokes-scale.dev.v0
  metrics: [accuracy]
jokes-scale.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: jokes/samples.jsonl
    eval_type: cot_classify
    modelgraded_spec: funny_scale

facts:
  id: facts.dev.v0
  metrics: [accuracy]
facts.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: capitals/samples.jsonl
    eval_type: cot_classify
    modelgraded_spec: fact

polite:
  id: polite.dev.v0
  metrics: [accuracy]
polite.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: jokes/samples.jsonl
    eval_type: cot_classify
    modelgraded_spec: closedqa
    modelgraded_spec_args:
      criteria: The answer is polite, even with {braces}.

duel:
  id: duel.dev.v0
  metrics: [accuracy]
duel.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: jokes/samples.jsonl
    modelgraded_spec: duel

jokes-meta:
  id: jokes-meta.dev.v0
  metrics: [accuracy]
jokes-meta.dev.v0:
  class: evals.elsuite.modelgraded.classify:ModelBasedClassify
  args:
    samples_jsonl: jokes/samples.jsonl
    modelgraded_spec: funny
    metaeval: true
"""

SPECS = """\
funny:
  prompt: |-
    Is the answer to {fruit} funny? Reply as in {{"funny": ...}}.

    {completion}
  choice_strings:
    - "Yes"
    - "No"
    - "Unsure"
  choice_scores:
    "Yes": 1.0
    "No": 0.0
    "Unsure": 0.5
  input_outputs:
    input: completion

funny_scale:
  prompt: |-
    How funny is this, from 1 to 5?

    {completion}
  choice_strings: "12345"
  choice_scores: from_strings
  input_outputs:
    input: completion

duel:
  prompt: Which one is better, {completion1} or {completion2}?
  choice_strings: ["1", "2"]
  choice_scores: {"1": 1.0, "2": 0.0}
  input_outputs:
    input1: completion1
    input2: completion2
"""


def chat(question: str, system: str = "Answer with one word.") -> list[dict]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


DATA = {
    "capitals/samples.jsonl": [
        {"input": chat("What is the capital of France?"), "ideal": "Paris"},
        {"input": chat("What is the seat of government of Bolivia?"), "ideal": ["La Paz", "Sucre"]},
        {"input": chat("What is the capital of {{ country }}?"), "ideal": "unknown", "note": "a trap"},
    ],
    "capitals/few_shot.jsonl": [
        {
            "sample": [
                {"role": "system", "content": "What is the capital of Italy?", "name": "example_user"},
                {"role": "system", "content": "Rome", "name": "example_assistant"},
            ]
        },
        {"sample": [{"role": "system", "content": "not shown"}]},
    ],
    "orders/samples.jsonl": [
        {"input": "Order two pears as JSON.", "ideal": '{"fruit": "pear", "count": 2}'},
        {"input": "Order nothing as JSON.", "ideal": ["[]", '{"count": 0}']},
    ],
    "jokes/samples.jsonl": [
        {"input": chat("Tell me a joke about apples.", "Be funny."), "fruit": "apples"},
        {"input": chat("Tell me a joke about pears.", "Be funny."), "fruit": "pears"},
    ],
}


def write(path: str, text: str) -> None:
    file = REGISTRY / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def main() -> None:
    write("evals/basic.yaml", BASIC)
    write("evals/graded.yaml", GRADED)
    write("modelgraded/funny.yaml", SPECS)
    for path, rows in DATA.items():
        write(f"data/{path}", "".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
