# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "statsmodels==0.15.0", "fairlearn==0.15.0"]
# ///
"""Writes the reference values of the tests of group fairness and of two samples.

Run from the repository root, with the versions pinned above:
    python tools/parity_fixtures.py           # writes tests/fixtures/stats/{two_sample,parity}.json
Every case contains its arguments and `expected`, the values of scipy, statsmodels or Fairlearn.
"""

import itertools
import json
from pathlib import Path

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    false_positive_rate_difference,
    mean_prediction,
)
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

OUT = Path("tests/fixtures/stats")
RNG = np.random.default_rng(20261130)


def case(expected, **inputs):
    values = [float(v) for v in np.atleast_1d(expected)]
    assert all(np.isfinite(values)), (inputs, values)
    return {**inputs, "expected": values}


def write(name, sections):
    text = ",\n".join(
        f'"{key}": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]"
        for key, cases in sections.items()
    )
    (OUT / f"{name}.json").write_text("{\n" + text + "\n}\n")


def fisher_mid_p(x1, n1, x2, n2):
    """By definition; the plain two-sided p-value of the same sums is checked against scipy's."""
    support = np.arange(max(0, x1 + x2 - n2), min(n1, x1 + x2) + 1)
    density = stats.hypergeom(n1 + n2, n1, x1 + x2).pmf(support)
    observed = density[support == x1].item()
    equal = np.abs(density - observed) <= 1e-7 * observed
    less = np.sort(density[(density < observed) & ~equal]).sum()
    plain = stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue
    np.testing.assert_allclose(less + density[equal].sum(), plain, rtol=1e-9)
    return less + 0.5 * density[equal].sum()


def two_sample():
    tables = [
        (1, 1, 0, 1), (0, 1, 3, 9), (1, 2, 1, 2), (3, 3, 0, 3), (3, 10, 3, 10), (2, 10, 8, 10), (0, 10, 7, 30),
        (10, 10, 20, 30), (5, 6, 50, 60), (12, 40, 300, 500), (1, 200, 0, 900), (499, 1000, 501, 1000),
        (40, 50, 70_000, 100_000), (10, 100_000, 40, 100_000), (50_000, 100_000, 50_700, 100_000),
        (20_300, 100_000, 19_700, 100_000),
    ]
    means = [
        (0.5, 0.04, 2, 0.7, 0.09, 2), (0.81, 0.02, 12, 0.74, 0.11, 340), (0.3, 0.0, 5, 0.4, 0.2, 9),
        (0.6, 0.1, 30, 0.6, 0.2, 50), (10.0, 4.0, 1000, 9.4, 9.0, 800), (0.9, 1e-4, 100_000, 0.8, 1e-3, 50),
        (0.2, 0.05, 400, 0.55, 0.06, 5000),
    ]

    def welch(m1, v1, n1, m2, v2, n2):
        r = stats.ttest_ind_from_stats(m1, v1**0.5, n1, m2, v2**0.5, n2, equal_var=False)
        return case(r.pvalue, args=[m1, v1, n1, m2, v2, n2])

    write("two_sample", {
        "fisher_mid_p": [case(fisher_mid_p(*t), counts=list(t)) for t in tables],
        "welch_t": [welch(*m) for m in means],
    })


def with_label(groups, answers, agreed, label):
    """The rows of groups that have an example with this label, in which Fairlearn's rates are defined."""
    rows = np.isin(groups, groups[agreed == label])
    return {"y_true": agreed[rows], "y_pred": answers[rows], "sensitive_features": groups[rows]}


def differences(groups, answers, agreed):
    groups, answers, agreed = map(np.array, (groups, answers, agreed))
    rows = {"y_true": agreed, "y_pred": answers, "sensitive_features": groups}
    positives, negatives = (with_label(groups, answers, agreed, label) for label in (1, 0))
    opportunity = equal_opportunity_difference(**positives)
    negative_difference = false_positive_rate_difference(**negatives) if (agreed == 0).any() else 0.0
    odds = max(opportunity, negative_difference)
    if len(positives["y_true"]) == len(negatives["y_true"]) == len(groups):
        np.testing.assert_equal(odds, equalized_odds_difference(**rows))
    return case(
        [demographic_parity_difference(**rows), opportunity, odds],
        groups=groups.tolist(), answers=answers.tolist(), agreed=agreed.tolist(),
    )


def random_set(sizes, rate):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    return groups, (RNG.random(len(groups)) < rate).astype(int), (RNG.random(len(groups)) < 0.6).astype(int)


def share_difference(sizes, trials):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    answers = RNG.binomial(trials, 0.4, len(groups)) / trials
    frame = MetricFrame(metrics=mean_prediction, y_true=answers, y_pred=answers, sensitive_features=groups)
    return case(frame.difference(method="between_groups"), groups=groups.tolist(), answers=answers.tolist())


def ordered_pairs(counts):
    return itertools.permutations(counts, 2)


def largest_difference(counts, confidence, pair):
    """Ends of the simultaneous interval, from an interval of each pair: (x1, n1, x2, n2, alpha) -> (lo, hi)."""
    alpha, pairs = 1 - confidence, len(counts) * (len(counts) - 1) / 2
    lower = max(pair(*a, *b, alpha / pairs)[0] for a, b in ordered_pairs(counts))
    upper = max(pair(*a, *b, alpha)[1] for a, b in ordered_pairs(counts))
    return case(
        [max(lower, 0.0), min(upper, 1.0)],
        positives=[x for x, _ in counts], sizes=[n for _, n in counts], confidence=[confidence],
    )


def newcombe(x1, n1, x2, n2, alpha):
    return confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff", alpha=alpha)


def square_and_add(x1, n1, x2, n2, alpha):
    (l1, u1), (l2, u2) = (proportion_confint(x, n, alpha, "beta") for x, n in ((x1, n1), (x2, n2)))
    p1, p2 = x1 / n1, x2 / n2
    return p1 - p2 - np.hypot(p1 - l1, u2 - p2), p1 - p2 + np.hypot(u1 - p1, p2 - l2)


def parity():
    tiny = [
        (["a", "b"], [1, 0], [1, 1]),
        (list("abb"), [0, 1, 1], [1, 1, 0]),
        (list("aabbcc"), [1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0]),
        (list("aabb"), [1, 1, 1, 1], [1, 0, 1, 0]),
        (list("aabb"), [0, 0, 0, 0], [1, 0, 1, 0]),
        (list("aaabbbcc"), [1, 0, 1, 0, 0, 1, 1, 1], [1, 1, 0, 1, 0, 0, 0, 0]),
    ]
    sets = tiny + [random_set(s, 0.5) for s in ([10, 30], [30, 30, 30], [5, 10, 20, 40, 80, 160], [200, 2000])]
    counts = [
        [(0, 1), (1, 1)], [(0, 3), (3, 3)], [(5, 10), (5, 10)], [(0, 10), (0, 30)], [(10, 10), (30, 30)],
        [(90, 200), (3, 10)], [(9, 10), (12, 30), (80, 200)], [(1, 4), (2, 4), (4, 4)],
        [(150, 200), (140, 200), (90, 200), (100, 200), (20, 30), (4, 10)], [(60_000, 100_000), (48_000, 100_000)],
    ]
    fractional = [(0.5, 1), (2.25, 3), (7 / 3, 10), (29.9, 30), (0.2, 200), (120.75, 200)]

    def interpolated(x, n, c):
        whole = np.arange(n + 1)
        low, high = proportion_confint(whole, n, 1 - c, "beta")
        return case([np.interp(x, whole, low), np.interp(x, whole, high)], args=[x, n, c])

    write("parity", {
        "differences": [differences(*s) for s in sets],
        "shares": [share_difference(s, t) for s, t in (([10, 30], 3), ([1, 2, 3], 4), ([200, 50], 10))],
        "newcombe": [largest_difference(c, k, newcombe) for c in counts for k in (0.9, 0.95, 0.99)],
        "exact": [largest_difference(c, k, square_and_add) for c in counts for k in (0.9, 0.95, 0.99)],
        "interval": [interpolated(*f, c) for f in fractional for c in (0.9, 0.95, 0.99)],
    })


two_sample()
parity()
