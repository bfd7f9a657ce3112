#!/usr/bin/env python3
"""Reference values for the tests of src/core/cluster.

Made with Python 3.11, scikit-learn 1.9.1, numpy 2.4.6:
    pip install scikit-learn==1.9.1 numpy==2.4.6
    python tools/cluster_fixtures.py

Writes tests/fixtures/cluster/{agreement,kmeans,terms}.json.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

OUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "cluster"


def agreement(rng):
    """Labellings from degenerate to random, with both indices."""
    pairs = [
        ([], []),
        ([0], [3]),
        ([0, 0], [0, 1]),
        ([0, 1], [0, 1]),
        ([0, 0, 0], [1, 1, 1]),
        ([0, 1, 2], [0, 0, 0]),
        ([0, 0, 1, 1], [0, 1, 0, 1]),
        ([0, 0, 1, 2], [0, 0, 1, 1]),
        ([2, 2, 7, 7, 7], [1, 1, 0, 0, 0]),
    ]
    for n, ka, kb in [(20, 3, 4), (60, 8, 2), (200, 12, 12)]:
        pairs.append((rng.integers(0, ka, n).tolist(), rng.integers(0, kb, n).tolist()))
    for n, k, noise in [(80, 5, 0.1), (150, 9, 0.4)]:
        a = rng.integers(0, k, n)
        b = np.where(rng.random(n) < noise, rng.integers(0, k, n), a)
        pairs.append((a.tolist(), b.tolist()))
    return [
        {
            "a": a,
            "b": b,
            "ari": float(adjusted_rand_score(a, b)),
            "nmi": float(normalized_mutual_info_score(a, b)),
        }
        for a, b in pairs
    ]


def spherical_objective(rows, weights, centres):
    """Weighted sum of cosines to the nearest centre, with centres scaled to unit length."""
    centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    return float((weights * (rows @ centres.T).max(axis=1)).sum())


def kmeans(rng):
    """Overlapping groups on the sphere; the objective that KMeans reaches on the unit rows."""
    dim, groups = 8, 10
    centres = rng.normal(size=(groups, dim))
    rows = centres[rng.integers(0, groups, 240)] + 0.6 * rng.normal(size=(240, dim))
    rows = np.round(rows, 3)
    weights = np.round(rng.gamma(1.0, 2.0, 240) + 0.01, 2)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cases = []
    for weighted in (False, True):
        w = weights if weighted else np.ones(len(rows))
        for k in (2, 3, 5, 8, 10, 16, 30):
            fit = KMeans(k, n_init=10, random_state=0).fit(unit, sample_weight=w)
            objective = spherical_objective(unit, w, fit.cluster_centers_)
            cases.append({"k": k, "weighted": weighted, "objective": objective})
    return {"dim": dim, "rows": rows.ravel().tolist(), "weights": weights.tolist(), "cases": cases}


def terms():
    """Share of the class's texts with the term x ln(1 + share / share elsewhere), if common and characteristic."""
    texts = [
        "cancel subscription box", "cancel subscription today", "subscription box arrived damaged",
        "cancel monthly box plan", "refund order damaged", "refund order late delivery",
        "order refund missing", "late delivery order", "password reset link",
        "reset password email link", "reset link expired", "account password email",
        "delivery address change", "change delivery address account",
    ]
    weights = [1.0, 2.0, 1.0, 0.5, 1.0, 1.5, 1.0, 1.0, 3.0, 1.0, 1.0, 0.25, 1.0, 2.0]
    assignment = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    vectorizer = CountVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    present = (vectorizer.fit_transform(texts).toarray() > 0) * np.array(weights)[:, None]
    sizes = np.array([sum(w for w, a in zip(weights, assignment) if a == c) for c in range(4)])
    per_class = np.array([present[np.array(assignment) == c].sum(axis=0) for c in range(4)])
    share = per_class / sizes[:, None]
    lift = share / ((per_class.sum(axis=0) - per_class + 1) / (sizes.sum() - sizes + 1)[:, None])
    scores = share * np.log1p(lift)
    for c in range(4):
        wanted = lift[c] >= 1.5
        scores[c][~wanted | (share[c] < 0.2 * share[c][wanted].max())] = 0
    names = vectorizer.get_feature_names_out()
    expected = []
    for row in scores:
        # Ties are in alphabetical order, like the vocabulary; equal scores may differ in the last bits.
        order = np.argsort(-np.round(row, 9), kind="stable")
        expected.append([str(names[i]) for i in order[:8] if row[i] > 0])
    return {"texts": texts, "weights": weights, "assignment": assignment, "terms": expected}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20240229)
    for name, value in [("agreement", agreement(rng)), ("kmeans", kmeans(rng)), ("terms", terms())]:
        (OUT / f"{name}.json").write_text(json.dumps(value) + "\n")


if __name__ == "__main__":
    main()
