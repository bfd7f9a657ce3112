#!/usr/bin/env python3
"""Measures cleanlab on the predictions that the example `decay_signals` writes.

    cargo run --release --example decay_signals -- FILE --signals disputed --dump predictions.jsonl
    python3 tools/cleanlab_baseline.py predictions.jsonl > cleanlab.json
    cargo run --release --example decay_signals -- FILE --cleanlab cleanlab.json

Needs cleanlab 2.9.0 and NumPy. Every method gets what karat's own score gets: the answers of the endpoints, and the labels of the nearest
examples with their similarity. With --probabilities, it gets the endpoints' probabilities of all classes instead of their answers,
which karat never has. For each kind of wrong labels, the JSON output has the best method by AUROC and
the best by precision at a budget of as many examples as are wrong; the table of all methods goes to stderr.
"""

import argparse
import json
import sys

import numpy as np
from cleanlab.multiannotator import get_label_quality_multiannotator
from cleanlab.rank import get_label_quality_ensemble_scores, get_label_quality_scores


def probabilities(voice, classes):
    """Dense probabilities of one voice; what was left out is spread evenly."""
    dense = np.zeros((len(voice["probabilities"]), classes))
    for row, found in zip(dense, voice["probabilities"]):
        for label, value in found:
            row[label] = value
        row += max(1.0 - row.sum(), 0.0) / classes
    return dense / dense.sum(axis=1, keepdims=True)


def answers(dense):
    """The most probable class of each example, almost certainly: no method has to take the logarithm of 0."""
    classes = dense.shape[1]
    return np.eye(classes)[dense.argmax(axis=1)] * 0.999 + 0.001 / classes


def auroc(score, wrong):
    """The probability that a wrong label has the higher score; ties count one half."""
    order = np.argsort(score)
    ranks = np.empty(len(score))
    ordered = score[order]
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right")
    ranks[order] = (first + last + 1) / 2
    positive, negative = wrong.sum(), (~wrong).sum()
    return (ranks[wrong].sum() - positive * (positive + 1) / 2) / (positive * negative)


def consensus(given, dense, with_label):
    """The quality of the given labels by cleanlab.multiannotator: every voice is an annotator, the mean probabilities the model."""
    votes = np.stack([p.argmax(axis=1) for p in dense], axis=1)
    columns = np.column_stack([given, votes]) if with_label else votes
    mean = np.mean(dense, axis=0)
    found = get_label_quality_multiannotator(columns, mean, verbose=False, return_detailed_quality=with_label)
    if with_label:
        return found["detailed_label_quality"].iloc[:, 0].to_numpy()
    quality = found["label_quality"]
    label, score = quality["consensus_label"].to_numpy(), quality["consensus_quality_score"].to_numpy()
    return np.where(label == given, 1 + score, 1 - score)


def methods(given, dense):
    """The quality of every given label by each method: low if it is probably wrong."""
    mean = np.mean(dense, axis=0)
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        yield f"mean probabilities, {method}", lambda m=method: get_label_quality_scores(given, mean, method=m)
        yield f"ensemble, {method}", lambda m=method: get_label_quality_ensemble_scores(
            given, dense, method=m, verbose=False
        )
    adjusted = "self_confidence"
    yield "mean probabilities, adjusted", lambda: get_label_quality_scores(
        given, mean, method=adjusted, adjust_pred_probs=True
    )
    yield "multiannotator, label among the votes", lambda: consensus(given, dense, True)
    yield "multiannotator, votes alone", lambda: consensus(given, dense, False)


def measure(trial, with_probabilities):
    """(method, AUROC, precision at budget) of one trial."""
    given, wrong = np.array(trial["given"]), np.array(trial["wrong"])
    *endpoints, nearest = [probabilities(voice, trial["classes"]) for voice in trial["voices"]]
    if not with_probabilities:
        endpoints = [answers(dense) for dense in endpoints]
    budget = int(wrong.sum())
    for suffix, dense in (("", [*endpoints, nearest]), (", endpoints alone", endpoints)):
        for name, quality in methods(given, dense):
            try:
                score = -np.asarray(quality(), dtype=float)
            except Exception as problem:  # A method that does not apply to a trial is reported, not hidden.
                print(f"{name}{suffix}: {problem}", file=sys.stderr)
                continue
            worst = np.argsort(-score, kind="stable")[:budget]
            yield name + suffix, auroc(score, wrong), wrong[worst].sum() / budget


def main():
    parser = argparse.ArgumentParser(description="Measures cleanlab on predictions of `decay_signals --dump`.")
    parser.add_argument("predictions", help="file that `decay_signals --dump` wrote")
    parser.add_argument("--probabilities", action="store_true", help="use probabilities of all classes, not answers alone")
    arguments = parser.parse_args()
    found = {}
    with open(arguments.predictions, encoding="utf-8") as lines:
        for line in lines:
            trial = json.loads(line)
            if not any(trial["wrong"]):
                continue
            for name, *values in measure(trial, arguments.probabilities):
                found.setdefault(trial["flips"], {}).setdefault(name, []).append(values)
    output = []
    for flips, by_method in found.items():
        means = {name: np.mean(values, axis=0) for name, values in by_method.items()}
        for name, (area, precision) in means.items():
            print(f"{flips:<11} {name:<60} {area:.4f} {precision:.3f} {len(by_method[name])}", file=sys.stderr)
        for at, metric in enumerate(("AUROC", "precision at budget")):
            best = max(means, key=lambda name: means[name][at])
            value = float(means[best][at])
            output.append(
                {"signal": "label-disputed", "metric": f"{metric} ({flips} flips)", "value": value, "method": best}
            )
    json.dump(output, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
