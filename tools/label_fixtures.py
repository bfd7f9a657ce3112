# /// script
# requires-python = ">=3.11"
# dependencies = ["krippendorff==0.9.0", "numpy==2.2.6", "ppi-python==0.2.3", "scikit-learn==1.9.1"]
# ///
"""Writes the reference values of the tests of what labels tell: agreement of annotators, and a score from a labelled slice.

Run from the repository root, with the versions pinned above:
    python tools/label_fixtures.py        # writes tests/fixtures/stats/{annotators,powered}.json
"""

import json
from pathlib import Path

import krippendorff
import numpy as np
from ppi_py import ppi_mean_pointestimate
from sklearn.metrics import cohen_kappa_score

RNG = np.random.default_rng(20261001)
LABELS = ["refund", "order", "login", "other"]


def votes(tasks, annotators, error, missing):
    """One row per task: the label of each annotator, or null."""
    truth = RNG.choice(LABELS, size=tasks, p=[0.5, 0.3, 0.15, 0.05])
    rows = []
    for label in truth:
        row = [str(RNG.choice(LABELS)) if RNG.random() < error else str(label) for _ in range(annotators)]
        rows.append([None if RNG.random() < missing else vote for vote in row])
    return rows


def alpha(rows):
    codes = {label: number for number, label in enumerate(LABELS)}
    data = [[np.nan if vote is None else codes[vote] for vote in annotator] for annotator in zip(*rows)]
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))


cases = [votes(*case) for case in [(12, 2, 0.3, 0.0), (40, 3, 0.2, 0.3), (60, 5, 0.5, 0.5), (30, 2, 0.95, 0.1)]]
pairs = [[[a, b] for a, b in rows] for rows in [votes(15, 2, 0.2, 0.0), votes(50, 2, 0.6, 0.0), votes(80, 2, 0.05, 0.0)]]
fixture = {
    "alpha": [{"tasks": rows, "expected": alpha(rows)} for rows in cases],
    "kappa": [{"pairs": rows, "expected": float(cohen_kappa_score(*zip(*rows)))} for rows in pairs],
}


def powered(n, others, noise):
    """A slice of n records with scores, predictions for all, and the prediction-powered mean."""
    chance = RNG.choice([0.95, 0.3], size=n + others, p=[0.6, 0.4])
    score = (RNG.random(n) < chance[:n]).astype(float)
    predicted = np.clip(chance + noise * (RNG.random(n + others) - 0.5), 0, 1).round(6)
    mean = ppi_mean_pointestimate(score, predicted[:n], predicted[n:])
    return {
        "scores": score.tolist(), "predicted": predicted[:n].tolist(), "others": predicted[n:].tolist(),
        "expected": float(np.atleast_1d(mean)[0]),
    }


def write(name, sections):
    rows = (f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for key, cases in sections.items())
    Path(f"tests/fixtures/stats/{name}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


write("annotators", fixture)
write("powered", {"mean": [powered(*case) for case in [(20, 40, 0.1), (30, 200, 0.4), (60, 120, 0.0)]]})
