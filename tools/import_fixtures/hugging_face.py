# /// script
# requires-python = ">=3.11"
# dependencies = ["datasets==5.2.0", "pyarrow==26.0.1"]
# ///
"""Writes small data sets as Hugging Face's `datasets` does: Parquet with a card, JSON Lines, JSON and CSV.

Run from the repository root, with the versions pinned above:
    python tools/import_fixtures/hugging_face.py

It writes tests/fixtures/import/huggingface-*. Nothing is downloaded, and running it again gives the same files.
"""

import gzip
import json
import os
import shutil
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")

import datasets
from datasets import ClassLabel, Dataset, Features, List, Value
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

OUT = Path("tests/fixtures/import")


def folder(name):
    path = OUT / f"huggingface-{name}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def intents():
    """As push_to_hub lays it out: a card, and a Parquet file per split."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["late", "lost", "refund"]), "shop": Value("int64")})
    splits = {
        "train": {"text": ["My parcel is lost."], "label": [1], "shop": [1]},
        "test": {"text": ["Where is my parcel?", "I want my money back.", "It never came.", "Hello?"],
                 "label": [0, 2, 1, -1], "shop": [1, 2, None, 3]},
    }
    root = folder("intents")
    (root / "data").mkdir()
    card = DatasetCardData(license="cc0-1.0")
    for split, rows in splits.items():
        dataset = Dataset.from_dict(rows, features=features)
        dataset.to_parquet(str(root / "data" / f"{split}-00000-of-00001.parquet"))
        DatasetInfosDict({"default": dataset.info}).to_dataset_card_data(card)
    (root / "README.md").write_text(f"---\n{card.to_yaml()}\n---\n\n# Intents\n\nInvented messages of customers.\n")


def pairs():
    """JSON Lines beside dataset_info.json, as save_to_disk describes the columns."""
    features = Features({"premise": Value("string"), "hypothesis": Value("string"),
                         "label": ClassLabel(names=["entailment", "neutral", "contradiction"])})
    dataset = Dataset.from_dict({"premise": ["A dog runs.", "It rains."], "hypothesis": ["An animal moves.", "It is dry."],
                                 "label": [0, 2]}, features=features)
    root = folder("pairs")
    dataset.info.write_to_directory(str(root))
    dataset.to_json(str(root / "validation.jsonl"))


def topics():
    """Several labels per row, whose names are in the card alone."""
    features = Features({"sentence": Value("string"), "labels": List(ClassLabel(names=["sport", "music", "food"]))})
    dataset = Dataset.from_dict({"sentence": ["A song about football.", "Soup."], "labels": [[0, 1], [2]]}, features=features)
    root = folder("topics")
    card = DatasetCardData()
    DatasetInfosDict({"default": dataset.info}).to_dataset_card_data(card)
    (root / "README.md").write_text(f"---\n{card.to_yaml()}\n---\n")
    dataset.to_json(str(root / "test.jsonl"))
    plain = (root / "test.jsonl").read_bytes()
    (root / "test.jsonl").unlink()
    # to_json(compression="gzip") writes the present time into the file.
    (root / "test.jsonl.gz").write_bytes(gzip.compress(plain, mtime=0))


def rows():
    """The usual columns of public data sets, one file each."""
    quiz = Dataset.from_list([
        {"id": "q1", "question": "Which is a fruit?", "choices": {"text": ["stone", "apple"], "label": ["A", "B"]}, "answerKey": "B"},
        {"id": "q2", "question": "Which is a metal?", "choices": {"text": ["iron", "wood", "salt"], "label": ["1", "2", "3"]}, "answerKey": "1"},
        {"id": "q3", "question": "Which is wet?", "choices": {"text": ["water", "sand"], "label": ["A", "B"]}, "answerKey": "Z"},
    ])
    quiz.to_json(OUT / "huggingface-quiz.jsonl")
    passages = Dataset.from_list([
        {"id": "p1", "title": "Shops", "context": "The shop opens at nine.", "question": "When does it open?",
         "answers": {"text": ["at nine", "nine", "nine"], "answer_start": [15, 18, 18]}},
        {"id": "p2", "title": "Shops", "context": "The shop opens at nine.", "question": "Who owns it?",
         "answers": {"text": [], "answer_start": []}},
    ])
    passages.to_json(OUT / "huggingface-passages.json", lines=False)
    sums = Dataset.from_list([
        {"question": "Two apples and three more?", "answer": "2 + 3 = <<2+3=5>>5\n#### 5"},
        {"question": "Half of eight?", "answer": "8 / 2 = <<8/2=4>>4\n#### 4"},
    ])
    sums.to_csv(OUT / "huggingface-sums.csv", index=False)
    chats = [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
                      {"role": "assistant", "content": "Hello."}]},
        {"conversations": [{"from": "human", "value": "Is it red?"}, {"from": "gpt", "value": "Yes."}]},
        {"instruction": "Translate to German.", "input": "cat", "output": "Katze"},
        {"prompt": "The sky is", "completion": " blue."},
        {"colour": "red"},
    ]
    (OUT / "huggingface-chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chats))


if __name__ == "__main__":
    datasets.disable_progress_bars()
    for write in (intents, pairs, topics, rows):
        write()
