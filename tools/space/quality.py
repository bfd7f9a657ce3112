# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1"]
# ///
"""Measures how well embedding spaces distinguish requests: one line per file of vectors.

    python tools/space/quality.py FILE.jsonl NAME=VECTORS.npy…

FILE has a `text` and an `intent` per line; the intent `oos` is left out. Two thirds of the intents are known, with 10
golden examples each. 1-NN: the share of 30 other texts of each known intent whose nearest example has the same intent.
AUROC: how well the similarity to the nearest example distinguishes them from texts of the other intents. Both are means
over 20 draws. NMI and ARI: k-means (10 starts) on all texts, with the true number of intents.
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def draw(vectors, rows_of, seed):
    random = np.random.default_rng(seed)
    names = random.permutation(sorted(rows_of))
    known, unknown = names[: len(names) * 2 // 3], names[len(names) * 2 // 3 :]
    shuffled = {name: random.permutation(rows_of[name]) for name in names}
    golden = np.concatenate([shuffled[name][:10] for name in known])
    labels = np.repeat(known, 10)
    asked = np.concatenate([shuffled[name][10:40] for name in known])
    truth = np.concatenate([[name] * len(shuffled[name][10:40]) for name in known])
    novel = np.concatenate([shuffled[name][:30] for name in unknown])
    similar = vectors[asked] @ vectors[golden].T
    near, far = similar.max(1), (vectors[novel] @ vectors[golden].T).max(1)
    ranks = rankdata(np.concatenate([near, far]))
    auroc = (ranks[: len(near)].sum() - len(near) * (len(near) + 1) / 2) / (len(near) * len(far))
    return (labels[similar.argmax(1)] == truth).mean(), auroc


def main(file, spaces):
    rows = [json.loads(line) for line in Path(file).read_text().splitlines() if line.strip()]
    intents = np.array([row["intent"] for row in rows])
    kept = np.flatnonzero(intents != "oos")
    rows_of = {name: np.flatnonzero(intents == name) for name in sorted(set(intents[kept]))}
    print("| space | dimensions | 1-NN | AUROC | NMI | ARI |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for space in spaces:
        name, path = space.split("=", 1)
        vectors = unit(np.load(path).astype(np.float32))
        accuracy, auroc = np.mean([draw(vectors, rows_of, seed) for seed in range(20)], axis=0)
        found = KMeans(len(rows_of), n_init=10, random_state=0).fit_predict(vectors[kept])
        nmi, ari = normalized_mutual_info_score(intents[kept], found), adjusted_rand_score(intents[kept], found)
        print(f"| {name} | {vectors.shape[1]} | {accuracy:.3f} | {auroc:.3f} | {nmi:.3f} | {ari:.3f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
