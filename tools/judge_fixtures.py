# /// script
# requires-python = ">=3.11"
# dependencies = ["krippendorff==0.9.0", "numpy==2.2.6", "ppi-python==0.2.3", "pytrec_eval-terrier==0.5.11",
#                 "scikit-learn==1.9.1", "scipy==1.17.1", "statsmodels==0.15.0"]
# ///
"""Writes the reference values of the tests of classifiers, of rankings, and of how far a judge can be trusted.

Run from the repository root, with the versions pinned above:
    python tools/judge_fixtures.py    # writes tests/fixtures/scoring/{classification,ranking,judge}.json
"""

import json
import warnings
from pathlib import Path

import krippendorff
import numpy as np
import pytrec_eval
import statsmodels.api as sm
from ppi_py import ppi_mean_pointestimate
from scipy import optimize, stats
from sklearn import metrics
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

RNG = np.random.default_rng(20261118)
OUT = Path("tests/fixtures/scoring")
warnings.simplefilter("ignore")  # undefined figures are among the cases


def write(name, sections):
    rows = (f'"{key}": [\n' + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]"
            for key, cases in sections.items())
    (OUT / f"{name}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


def finite(value):
    return float(value) if np.isfinite(value) else None


def case(expected, **inputs):
    values = [float(v) for v in np.ravel(expected)]
    assert np.isfinite(values).all(), (inputs, values)
    return {**inputs, "expected": values}


# --- Classification ---------------------------------------------------------------------------------------------------

OTHER = "\U0010ffff"  # sorts after every label


def classification(rows):
    """Rows are (expected, predicted or None, weight)."""
    truth = [row[0] for row in rows]
    given = [OTHER if row[1] is None else row[1] for row in rows]
    weight = [row[2] for row in rows]
    labels = sorted(set(truth) | (set(given) - {OTHER}))
    with_weight = {"sample_weight": weight}
    each = {"labels": labels, "average": None, **with_weight}
    confusion = metrics.confusion_matrix(truth, given, labels=labels + [OTHER], **with_weight)
    mean = {"labels": labels, "zero_division": 0, **with_weight}
    return {
        "pairs": [list(row) for row in rows],
        "labels": labels,
        "confusion": confusion[:-1].tolist(),
        "precision": [finite(v) for v in metrics.precision_score(truth, given, zero_division=np.nan, **each)],
        "recall": [finite(v) for v in metrics.recall_score(truth, given, zero_division=np.nan, **each)],
        "f1": metrics.f1_score(truth, given, zero_division=0, **each).tolist(),
        "support": confusion[:-1].sum(1).tolist(),
        "macro_f1": float(metrics.f1_score(truth, given, average="macro", **mean)),
        "weighted_f1": float(metrics.f1_score(truth, given, average="weighted", **mean)),
        "accuracy": float(metrics.accuracy_score(truth, given, **with_weight)),
        "balanced_accuracy": float(metrics.balanced_accuracy_score(truth, given, **with_weight)),
        "matthews_correlation": float(metrics.matthews_corrcoef(truth, given, **with_weight)),
        "kappa": finite(metrics.cohen_kappa_score(truth, given, **with_weight)),
    }


def classified(n, labels, right, nothing, weights):
    """`right` is the share of right answers, `nothing` that of answers that are no label."""
    shares = RNG.dirichlet(np.ones(len(labels)))
    rows = []
    for label in RNG.choice(labels, size=n, p=shares):
        answer = label if RNG.random() < right else RNG.choice(labels)
        answer = None if RNG.random() < nothing else str(answer)
        rows.append((str(label), answer, float(RNG.choice(weights))))
    return rows


CLASSIFICATION = [
    classification(rows) for rows in [
        classified(60, ["refund", "order", "login"], 0.7, 0.05, [1.0]),
        classified(120, ["退款", "заказ", "تسجيل", "🛒", "", "é", "e\u0301"], 0.5, 0.1, [1.0, 0.5, 1 / 3]),
        classified(40, ["a", "b"], 0.0, 0.0, [1.0]),
        classified(150, [f"label {at}" for at in range(25)], 0.6, 0.02, [1.0, 0.2]),
        [("a", "a", 1.0), ("a", "c", 1.0), ("b", None, 1.0), ("b", "a", 1.0)],
        [("a", "a", 2.0), ("b", "a", 1.0), ("b", "a", 1.0)],
        [("a", "b", 1.0), ("b", "a", 1.0)],
        [("a", None, 1.0), ("b", None, 0.5)],
        [("a", "a", 1.0)] * 3,
        [("other", "other", 1.0), ("Other", "other", 1.0), ("a b", "a b", 1.0), (" a b", "a b", 1.0)],
    ]
]


# --- Ranking ----------------------------------------------------------------------------------------------------------

MEASURES = {"map", "recip_rank", "ndcg", "P", "recall", "success", "ndcg_cut"}
CUTOFFS = [1, 3, 5, 10, 30]


def trec(retrieved, relevant):
    """`retrieved` may hold copies, which trec_eval does not know: it is given the first of each."""
    unique = list(dict.fromkeys(retrieved))
    run = {"q": {doc: float(len(unique) - rank) for rank, doc in enumerate(unique)}}
    cuts = ",".join(map(str, CUTOFFS))
    names = {f"{m}.{cuts}" if m in {"P", "recall", "success", "ndcg_cut"} else m for m in MEASURES}
    found = pytrec_eval.RelevanceEvaluator({"q": relevant}, names).evaluate(run)["q"]
    return {
        "retrieved": retrieved, "relevant": relevant, "reciprocal_rank": found["recip_rank"],
        "average_precision": found["map"], "ndcg": found["ndcg"],
        "at": [{"k": k, "precision": found[f"P_{k}"], "recall": found[f"recall_{k}"], "hit": found[f"success_{k}"],
                "ndcg": found[f"ndcg_cut_{k}"]} for k in CUTOFFS],
    }


def whole_list(grades):
    """All documents are retrieved, as scikit-learn needs it."""
    scores = np.arange(len(grades), 0, -1)[None, :]
    relevant = {f"d{at}": int(grade) for at, grade in enumerate(grades)}

    def ndcg(gains, k):
        return float(metrics.ndcg_score(np.asarray(gains)[None, :], scores, k=k))

    return {
        "retrieved": list(relevant), "relevant": relevant,
        "at": [{"k": k, "linear": ndcg(grades, k), "exponential": ndcg(2.0 ** np.asarray(grades) - 1, k)}
               for k in (1, 4, len(grades))],
    }


def ranked(n, highest, relevant, copies=0):
    documents = [f"doc/{at}" for at in range(n - 3)] + ["документ", "文書 1", "👩‍👩‍👧"]
    order = [str(doc) for doc in RNG.permutation(documents)]
    grades = {doc: int(RNG.integers(1, highest + 1)) for doc in RNG.choice(documents, size=relevant, replace=False)}
    grades = {str(doc): grade for doc, grade in grades.items()} | {"never found": 1, str(order[0]): 0}
    retrieved = order[: int(RNG.integers(1, n))]
    return retrieved + [str(doc) for doc in RNG.choice(retrieved, size=copies)], grades


RANKING = {
    "trec": [trec(*ranked(*args)) for args in [
        (8, 1, 3), (12, 1, 6), (40, 1, 9), (12, 3, 6), (40, 4, 20), (40, 4, 2), (9, 2, 4, 5),
    ]],
    "sklearn": [*(whole_list(RNG.integers(0, 4, n)) for n in (5, 9, 25)), whole_list([0, 0, 1]), whole_list([3, 2, 1, 0])],
}


# --- Judges: verdicts -------------------------------------------------------------------------------------------------

TABLES = [
    (85, 15, 16, 84), (102, 18, 0, 5), (9, 1, 1, 9), (40, 0, 0, 60), (3, 7, 8, 2), (500, 40, 25, 80),
    (1, 0, 0, 1), (20, 5, 6, 0),
]
Z = stats.norm.isf(0.025)


def expanded(table):
    kinds = [(1, 1), (1, 0), (0, 1), (0, 0)]
    person, judge = zip(*(kind for kind, count in zip(kinds, table) for _ in range(count)))
    return np.array(person), np.array(judge)


def wilson(count, of, confidence=0.95):
    """statsmodels leaves a rounding error at the ends."""
    lo, hi = proportion_confint(count, of, 1 - confidence, "wilson")
    return [0.0 if count == 0 else float(lo), 1.0 if count == of else float(hi)]


def binary(table):
    person, judge = expanded(table)
    a, b, c, d = table
    figures = [
        (metrics.accuracy_score(person, judge), a + d, a + b + c + d),
        (metrics.recall_score(person, judge), a, a + b),
        (metrics.recall_score(person, judge, pos_label=0), d, c + d),
        (metrics.precision_score(person, judge), a, a + c),
    ]
    return case([v for value, count, of in figures for v in (value, *wilson(count, of))], labels=list(table))


def binary_kappa(table):
    value = metrics.cohen_kappa_score(*expanded(table))
    a, b, c, d = np.array(table) + 0.5
    found = cohens_kappa(np.array([[a, b], [c, d]]))
    return case([value, max(min(found.kappa_low, value), -1), min(max(found.kappa_upp, value), 1)], labels=list(table))


def binary_alpha(table):
    return case(krippendorff.alpha(np.array(expanded(table)), level_of_measurement="nominal"), labels=list(table))


# --- Judges: scores ---------------------------------------------------------------------------------------------------


def scored(n, grades, noise):
    person = RNG.integers(0, grades, n)
    judge = np.clip(person + np.round(RNG.normal(0.3, noise, n)), 0, grades - 1).astype(int)
    judge[:grades], person[:grades] = np.arange(grades), np.arange(grades)[::-1]  # every grade occurs
    return person, judge, grades - 1


SCORES = [scored(30, 3, 0.6), scored(60, 5, 1.0), scored(100, 11, 2.0), scored(12, 4, 0.1)]


def graded(person, judge, top):
    x, y = person / top, judge / top
    kappas = [metrics.cohen_kappa_score(person, judge, weights=w) for w in ("linear", "quadratic")]
    alpha = krippendorff.alpha(np.array([x, y]), level_of_measurement="interval")
    figures = [metrics.mean_absolute_error(x, y), (y - x).mean(), *kappas, alpha]
    return case(figures, people=x.tolist(), judge=y.tolist())


def spearman(person, judge, top):
    rho = stats.spearmanr(person, judge).statistic
    half = Z * np.sqrt((1 + rho**2 / 2) / (len(person) - 3))  # Bonett and Wright (2000)
    ends = np.tanh(np.arctanh(rho) + half * np.array([-1, 1]))
    return case([rho, *ends], people=(person / top).tolist(), judge=(judge / top).tolist())


def regression(n, kind):
    """Least squares with HC3 errors and Student's distribution."""
    person = RNG.integers(0, 2, n).astype(float) if kind != "constant" else np.ones(n)
    x = RNG.normal(7, 1.5, n) if kind != "family" else RNG.integers(0, 2, n).astype(float)
    judge = np.where(RNG.random(n) < 0.15, 1 - person, person)
    if kind == "graded":
        person, judge = RNG.random(n).round(2), RNG.random(n).round(2)
    columns = [x] if kind == "constant" else [x, person]
    fit = sm.OLS(judge, sm.add_constant(np.column_stack(columns))).fit(cov_type="HC3", use_t=True)
    return case([fit.params[1], *fit.conf_int(0.05)[1], fit.pvalues[1]],
                judge=judge.tolist(), people=person.tolist(), x=x.tolist())


# --- Judges: corrected scores -----------------------------------------------------------------------------------------


def rogan_gladen(x, n, table, confidence):
    """The accepted rates by root finding; the three shares have Wilson's intervals."""
    a, b, c, d = table
    q, se, sp = x / n, a / (a + b), d / (c + d)
    (ql, qh), (sl, sh), (pl, ph) = (wilson(*v, confidence) for v in ((x, n), (a, a + b), (d, c + d)))
    value = min(max((q + sp - 1) / (se + sp - 1), 0), 1)

    def excess(p):
        return q - p * se - (1 - p) * (1 - sp)

    def too_low(p):
        return excess(p) - np.sqrt((q - ql) ** 2 + (p * (sh - se)) ** 2 + ((1 - p) * (sp - pl)) ** 2)

    def too_high(p):
        return -excess(p) - np.sqrt((qh - q) ** 2 + (p * (se - sl)) ** 2 + ((1 - p) * (ph - sp)) ** 2)

    lo = 0.0 if too_low(0) <= 0 else optimize.brentq(too_low, 0, value, xtol=1e-15)
    hi = 1.0 if too_high(1) <= 0 else optimize.brentq(too_high, value, 1, xtol=1e-15)
    return case([value, lo, hi], judged=[x, n], labels=list(table), confidence=[confidence])


def post_stratified(judged, passes, failures, confidence):
    shares = judged, passes, failures
    q, u, v = (x / n for x, n in shares)
    (ql, qh), (ul, uh), (vl, vh) = (wilson(x, n, confidence) for x, n in shares)
    value, slope = q * u + (1 - q) * v, u - v
    down, up = (q - ql, qh - q) if slope >= 0 else (qh - q, q - ql)
    lo = value - np.sqrt((q * (u - ul)) ** 2 + ((1 - q) * (v - vl)) ** 2 + (slope * down) ** 2)
    hi = value + np.sqrt((q * (uh - u)) ** 2 + ((1 - q) * (vh - v)) ** 2 + (slope * up) ** 2)
    return case([value, max(lo, 0), min(hi, 1)], judged=list(judged), among_passes=list(passes),
                among_failures=list(failures), confidence=[confidence])


def powered(n, others, rate, grades, confidence):
    """The estimate of ppi-python; Wilson's interval with its variance and half an error of either kind."""
    truth = (RNG.random(n + others) < rate).astype(float)
    guess = np.where(RNG.random(n + others) < 0.2, 1 - truth, truth)
    if grades:
        blur = lambda v: np.clip(v * 0.7 + RNG.integers(0, grades, n + others) / (grades - 1) * 0.3, 0, 1)
        truth, guess = blur(truth), blur(guess)
    people, judge, unlabelled = truth[:n], guess[:n], guess[n:]
    value = float(np.ravel(ppi_mean_pointestimate(people, judge, unlabelled))[0])
    spread = np.var(guess, ddof=1)
    tuned = np.clip(np.cov(people, judge, ddof=0)[0, 1] / ((1 + n / others) * spread), 0, 1)
    assert abs(tuned * unlabelled.mean() + (people - tuned * judge).mean() - value) < 1e-9
    rest = np.concatenate([people - tuned * judge, [1.0, -tuned]])
    weight = np.concatenate([np.ones(n), [0.5, 0.5]])
    centre = np.average(rest, weights=weight)
    variance = np.sum(weight * (rest - centre) ** 2) / (n + 1) / n + tuned**2 * np.var(unlabelled, ddof=1) / others
    value = min(max(value, 0), 1)
    t = stats.t.isf((1 - confidence) / 2, n - 1)
    size = value * (1 - value) / variance

    def end(sign):
        return optimize.brentq(lambda p: (value - p) - sign * t * np.sqrt(p * (1 - p) / size),
                               *((0, value) if sign > 0 else (value, 1)), xtol=1e-15)

    return case([value, end(1), end(-1)], people=people.tolist(), judge=judge.tolist(), others=unlabelled.tolist(),
                confidence=[confidence])


def drift(table):
    both, fallen, risen, neither = table
    n, k, differing = fallen + risen, min(fallen, risen), fallen + risen
    point = stats.binom.pmf(k, n, 0.5)
    p = 1.0 if n == 0 else 1 - point / 2 if fallen == risen else 2 * stats.binom.cdf(k, n, 0.5) - point
    lo, hi = proportion_confint(differing, sum(table), 0.05, "beta")
    return case([differing / sum(table), 0.0 if differing == 0 else lo, hi, p], counts=list(table))


JUDGE = {
    "binary": [binary(table) for table in TABLES],
    "binary_kappa": [binary_kappa(table) for table in TABLES],
    "binary_alpha": [binary_alpha(table) for table in TABLES],
    "graded": [graded(*args) for args in SCORES],
    "spearman": [spearman(*args) for args in SCORES],
    "regression": [regression(*args) for args in [(30, "binary"), (80, "graded"), (40, "constant"), (60, "family")]],
    "rogan_gladen": [
        rogan_gladen(x, n, table, confidence)
        for x, n in [(260, 500), (163, 200), (30, 200), (1400, 2000), (0, 50), (50, 50)]
        for table in [(85, 15, 16, 84), (102, 18, 2, 8), (40, 1, 0, 60), (12, 8, 9, 11)]
        for confidence in (0.8, 0.95)
        if table[0] / (table[0] + table[1]) * n >= x >= table[2] / (table[2] + table[3]) * n
    ],
    "post_stratified": [
        post_stratified(judged, passes, failures, confidence)
        for judged, passes, failures in [
            ((1400, 2000), (93, 100), (20, 100)), ((30, 200), (15, 30), (2, 90)), ((163, 200), (60, 60), (0, 40)),
            ((120, 200), (20, 100), (70, 100)), ((500, 500), (80, 100), (1, 5)),
        ]
        for confidence in (0.8, 0.95)
    ],
    "powered": [powered(*args) for args in
                [(40, 60, 0.7, 0, 0.95), (100, 150, 0.9, 0, 0.95), (30, 200, 0.5, 0, 0.8), (50, 100, 0.6, 6, 0.95)]],
    "drift": [drift(table) for table in [
        (80, 3, 9, 40), (100, 0, 0, 50), (60, 12, 12, 30), (10, 0, 1, 10), (500, 40, 18, 300),
    ]],
}

if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    write("classification", {"cases": CLASSIFICATION})
    write("ranking", RANKING)
    write("judge", JUDGE)
