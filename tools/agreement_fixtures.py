# /// script
# requires-python = ">=3.11"
# dependencies = ["krippendorff==0.9.0", "numpy==2.2.6", "scikit-learn==1.9.1"]
# ///
"""Writes the reference values of the tests of agreement between annotators.

Run from the repository root, with the versions pinned above:
    python tools/agreement_fixtures.py        # writes tests/fixtures/stats/annotators.json
"""

import json
from pathlib import Path

import krippendorff
import numpy as np
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
text = ",\n".join(f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in rows) + "\n]" for key, rows in fixture.items())
Path("tests/fixtures/stats/annotators.json").write_text("{\n" + text + "\n}\n")
