#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["rouge-score==0.1.2", "sacrebleu==2.6.0", "rapidfuzz==3.14.6", "jsonschema==4.25.1", "nltk==3.10.4"]
# ///
"""The speed of karat's scorers on one core, and of the Python libraries with the same formulas in the same run.

    cargo build --release --example scoring_speed
    python benches/scoring/run.py target/release/examples/scoring_speed

Prints a Markdown table: answers scored a second, and the ratio to the library. Texts are those of the example.
"""

import json
import subprocess
import sys
import time

import jsonschema
import nltk.translate.gleu_score as gleu
import rapidfuzz.distance
import sacrebleu
from rouge_score import rouge_scorer

SUBJECTS = ["parcel", "refund", "invoice", "password", "subscription", "gift card"]
SECONDS = 1.5


def answer(n):
    return (f"Your {SUBJECTS[n % 6]} number {n} was sent on Monday, and it should reach you within {n % 9 + 2} working days "
            "at the latest.")


def accepted(n):
    return f"The {SUBJECTS[n % 6]} with the number {n} left on Monday and reaches you within {n % 7 + 2} days."


def order(n):
    return {"id": f"o-{n}", "customer": {"name": "Mia", "city": "Paris"}, "paid": n % 2 == 0,
            "items": [{"sku": "a-1", "price": 12.5, "count": n % 5}, {"sku": "b-2", "price": 3.0, "count": 1}]}


SCHEMA = {
    "type": "object", "required": ["id", "customer", "items"],
    "properties": {
        "id": {"type": "string", "pattern": "^o-[0-9]+$"},
        "customer": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
        "paid": {"type": "boolean"},
        "items": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["sku", "price"],
            "properties": {"price": {"type": "number", "minimum": 0}, "count": {"type": "integer"}}}},
    },
}


def rate(score, items):
    for item in items[:50]:
        score(*item)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        for item in items:
            score(*item)
            count += 1
            if count % 50 == 0 and time.perf_counter() - started > SECONDS:
                break
    return count / (time.perf_counter() - started)


def main():
    pairs = [(answer(n), accepted(n)) for n in range(500)]
    orders = [(json.dumps(order(n)),) for n in range(500)]
    rouge = {name: rouge_scorer.RougeScorer([name]) for name in ["rougeL", "rouge2"]}
    validator = jsonschema.Draft202012Validator(SCHEMA)
    peers = {
        "levenshtein": ("rapidfuzz", lambda a, b: rapidfuzz.distance.Levenshtein.normalized_similarity(a, b), pairs),
        "rouge_l": ("rouge-score", lambda a, b: rouge["rougeL"].score(b, a), pairs),
        "rouge_n": ("rouge-score", lambda a, b: rouge["rouge2"].score(b, a), pairs),
        "bleu": ("sacrebleu", lambda a, b: sacrebleu.sentence_bleu(a, [b]), pairs),
        "chrf": ("sacrebleu", lambda a, b: sacrebleu.sentence_chrf(a, [b]), pairs),
        "gleu": ("nltk", lambda a, b: gleu.sentence_gleu([b.split()], a.split()), pairs),
        "is_json": ("json", lambda text: json.loads(text), orders),
        "json_schema": ("jsonschema", lambda text: validator.is_valid(json.loads(text)), orders),
    }
    own = json.loads(subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout)
    print(f"Answers of {own['words_per_answer']:.0f} words.\n")
    print("| scorer | answers a second | library | its answers a second | ratio |")
    print("|---|--:|---|--:|--:|")
    for name, speed in own["per_second"].items():
        if name in peers:
            library, score, items = peers[name]
            theirs = rate(score, items)
            print(f"| {name} | {speed:,.0f} | {library} | {theirs:,.0f} | {speed / theirs:.1f} |")
        else:
            print(f"| {name} | {speed:,.0f} | | | |")


if __name__ == "__main__":
    main()
