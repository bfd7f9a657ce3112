# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Writes small tasks in the form of lm-evaluation-harness, with local data.

Run from the repository root:
    uv run tools/import_fixtures/lm_eval.py

It writes tests/fixtures/import/lm-eval-*. The form follows TaskConfig of lm-evaluation-harness 0.4.13 and public tasks
such as gsm8k, arc_easy, mmlu, sciq and triviaqa; all texts are made up. Running it again gives the same files.
"""

import json
from pathlib import Path

FOLDER = Path("tests/fixtures/import/lm-eval-tasks")

FILES = {
    # As gsm8k: numbers behind a mark, two filters, the first examples of a split.
    "sums.yaml": """\
task: sums
tag: [math]
dataset_path: json
dataset_kwargs:
  data_files:
    train: data/sums-train.jsonl
    test: data/sums-test.jsonl
output_type: generate_until
training_split: train
fewshot_split: train
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{answer}}"
fewshot_config:
  sampler: first_n
num_fewshot: 1
generation_kwargs:
  until: ["Question:"]
  do_sample: false
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    regexes_to_ignore:
      - ","
      - "\\\\$"
      - "(?s).*#### "
filter_list:
  - name: strict-match
    filter:
      - function: regex
        regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"
      - function: take_first
  - name: flexible-extract
    filter:
      - function: regex
        group_select: -1
        regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"
      - function: take_first
metadata:
  version: 1.0
""",
    # As arc_easy: choices in a nested field, methods of Python in the target.
    "plants.yaml": """\
task: plants
dataset_path: json
dataset_kwargs:
  data_files: {test: data/plants.jsonl}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
  - metric: brier_score
    higher_is_better: false
""",
    # As mmlu: a template that is included, letters as choices, options in the text.
    "_facts_template": """\
dataset_path: csv
test_split: test
output_type: multiple_choice
description: "The following are questions about facts.\\n\\n"
doc_to_text: "{{question.strip()}}\\nA. {{a}}\\nB. {{b}}\\nAnswer:"
doc_to_choice: ["A", "B"]
doc_to_target: answer
num_fewshot: 5
""",
    "facts.yaml": """\
include: _facts_template
task: facts
dataset_kwargs:
  data_files:
    test: data/facts.csv
""",
    # As triviaqa: several right answers, white space removed.
    "names.yaml": """\
task: names
dataset_path: data
dataset_kwargs: {}
output_type: generate_until
validation_split: names
doc_to_text: "{% if hint %}Hint: {{hint}}\\n{% endif %}Question: {{question}}?\\nAnswer:"
doc_to_target: "{{answer.aliases}}"
filter_list:
  - name: remove_whitespace
    filter:
      - function: remove_whitespace
      - function: take_first
metric_list:
  - metric: exact_match
    ignore_case: true
    ignore_punctuation: true
  - metric: !function utils.agg_f1
    aggregation: !function utils.mean
repeats: 2
""",
    # A summary, with measures of similarity.
    "summaries.yaml": """\
task: summaries
dataset_path: json
dataset_kwargs: {data_files: {test: data/summaries.json}, field: data}
output_type: generate_until
test_split: test
doc_to_text: "Summarize: {{title}}. {{text}}"
doc_to_target: summary
gen_prefix: "In short:"
metric_list: [{metric: rouge1}, {metric: rougeL}, {metric: bleu}, {metric: ter}]
""",
    # Whether the model would continue in this way.
    "endings.yaml": """\
task: endings
dataset_path: json
dataset_kwargs: {data_files: {test: data/endings.jsonl}}
output_type: loglikelihood
test_split: test
doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' '+text.split(' ')[-1]}}"
metric_list: [{metric: perplexity}, {metric: acc}]
""",
    "remote.yaml": """\
task: remote
dataset_path: allenai/sciq
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_target: 3
doc_to_choice: "{{[distractor1, distractor2, distractor3, correct_answer]}}"
""",
    "code.yaml": """\
task: code
dataset_path: json
dataset_kwargs: {data_files: {test: data/endings.jsonl}}
test_split: test
doc_to_text: !function utils.doc_to_text
doc_to_target: "{{text}}"
""",
    "all.yaml": """\
group: all
task:
  - sums
  - plants
""",
}

DATA = {
    "sums-train.jsonl": [
        {"question": "What is 1 + 1?", "answer": "One and one.\n#### 2"},
        {"question": "not shown", "answer": "#### 0"},
    ],
    "sums-test.jsonl": [
        {"id": 11, "question": "Ana has 3 pears and buys 4. How many has she?", "answer": "3 + 4 = 7\n#### 7"},
        {"id": 12, "question": "What is 600 + 634?", "answer": "600 + 634 = $1,234\n#### $1,234"},
    ],
    "plants.jsonl": [
        {
            "id": "p1",
            "question": "What do plants need to grow?",
            "choices": {"text": ["light", "noise", "salt"], "label": ["A", "B", "C"]},
            "answerKey": "A",
        },
        {
            "id": "p2",
            "question": "Which part is below the ground?",
            "choices": {"text": ["the leaf", "the root"], "label": ["1", "2"]},
            "answerKey": "2",
        },
    ],
    "names.jsonl": [
        {"question": "Who wrote the letter", "answer": {"aliases": ["Ana", "Ana's brother"]}, "hint": "It is short."},
        {"question": "Which river is it", "answer": {"aliases": ["Elbe"]}, "hint": ""},
    ],
    "endings.jsonl": [{"text": "The cat sat on the mat."}, {"text": "It was a long day."}],
}


def main() -> None:
    (FOLDER / "data").mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (FOLDER / name).write_text(text)
    for name, rows in DATA.items():
        (FOLDER / "data" / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    facts = ['question,a,b,answer', '" Is water wet?",yes,no,0', 'Is fire cold?,yes,no,1']
    (FOLDER / "data" / "facts.csv").write_text("".join(line + "\n" for line in facts))
    text = "The fair was well attended on both days."
    rows = [{"title": "Fair", "text": text, "summary": "Many people came to the fair."}]
    (FOLDER / "data" / "summaries.json").write_text(json.dumps({"version": 1, "data": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
