# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "statsmodels==0.15.0", "mpmath==1.4.1", "scikit-learn==1.9.1"]
# ///
"""Writes the reference values of the statistics tests.

Run from the repository root, with the versions pinned above:
    python tools/stats_fixtures.py            # writes tests/fixtures/stats/*.json
Every case contains its arguments and `expected`, the values of scipy, statsmodels or numpy, or of mpmath for the gamma
distribution, where scipy 1.17 is off by 0.2 % at shape 3e6, 4.75 standard deviations below the mean.
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import optimize, special, stats
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import DescrStatsW
from statsmodels.stats.rates import confint_poisson, test_poisson_2indep

mp.mp.dps = 40
OUT = Path("tests/fixtures/stats")
RNG = np.random.default_rng(20240517)
CONFIDENCES = [0.8, 0.95, 0.99]


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


def gamma_tails(a, x):
    """Both tails of the gamma distribution: Kummer's series (DLMF 8.7.1), all terms positive."""
    a, x = mp.mpf(a), mp.mpf(x)
    term = total = mp.exp(a * mp.log(x) - x - mp.loggamma(a + 1))
    k = 0
    while term > total * mp.mpf(10) ** -35 or k < x - a:
        k += 1
        term *= x / (a + k)
        total += term
    return total, 1 - total


def gamma_quantiles(a, p):
    starts = special.gammaincinv(a, p), special.gammainccinv(a, p)
    return [
        mp.findroot(lambda x: mp.log(gamma_tails(a, x)[tail] / p), (s, s * (1 + 1e-6)), tol=1e-25)
        for tail, s in enumerate(starts)
    ]


def special_functions():
    beta, gamma, beta_q, gamma_q = [], [], [], []
    for a, b in [(0.5, 0.5), (1, 9), (3.7, 2.2), (40, 900), (5e3, 7e3), (2e6, 3e6)]:
        mean, sd = stats.beta.mean(a, b), stats.beta.std(a, b)
        for x in [mean - 4 * sd, mean - sd, mean, mean + sd, mean + 4 * sd]:
            if 0 < x < 1:
                x = float(x)
                beta.append(case([special.betainc(a, b, x), special.betaincc(a, b, x)], args=[a, b, x]))
        for p in [1e-6, 0.025, 0.3]:
            lower, upper = special.betaincinv(a, b, p), special.betainccinv(a, b, p)
            beta_q.append(case([lower, upper], args=[p, a, b]))
    for a in [0.3, 1, 4.5, 60, 2e4, 3e6]:
        for z in [-4, -1, 0, 1, 4]:
            x = float(a + z * np.sqrt(a))
            if x > 0:
                gamma.append(case(gamma_tails(a, x), args=[a, x]))
        for p in [1e-6, 0.025, 0.3]:
            gamma_q.append(case(gamma_quantiles(a, p), args=[p, a]))
    density = [(0, 9, 0.1), (9, 9, 0.1), (3, 9, 0.4), (500, 1000, 0.5), (10, 100000, 2e-4)]
    write("special", {
        "beta_tails": beta,
        "gamma_tails": gamma,
        "beta_quantile": beta_q,
        "gamma_quantile": gamma_q,
        "student_quantile": [
            case(stats.t.isf(alpha / 2, df), args=[alpha, df])
            for alpha in [0.5, 0.05, 0.001]
            for df in [1, 2, 7, 30, 1000, 1e6]
        ],
        "normal_quantile": [
            case(stats.norm.isf(alpha / 2), args=[alpha]) for alpha in [0.9, 0.2, 0.05, 0.01, 1e-6]
        ],
        "binomial_density": [case(stats.binom.pmf(*args), args=list(args)) for args in density],
    })


def intervals():
    fractional = [(0, 10), (10, 10), (3, 10), (0.4, 2.7), (57.3, 123.9), (4e5, 1e6)]
    whole = [(0, 10), (10, 10), (1, 1), (3, 10), (57, 124), (0, 10**6), (123, 10**6), (400_000, 10**6)]
    samples = [RNG.normal(5, 2, n) for n in (2, 3, 10, 200)] + [RNG.exponential(1, 30)]
    pairs = [(56, 70, 48, 80), (9, 10, 3, 10), (0, 10, 0, 20), (10, 10, 0, 20), (12.5, 30.5, 7.25, 44)]

    def newcombe(x1, n1, x2, n2, c):
        p1, p2 = x1 / n1, x2 / n2
        ends = confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff", alpha=1 - c)
        return case(ends, args=[p1, n1, p2, n2, c])

    def wilson(x, n, c):
        lo, hi = proportion_confint(x, n, 1 - c, "wilson")
        return case([0.0 if x == 0 else lo, 1.0 if x == n else hi], args=[x, n, c])

    def poisson(x, c):
        lo, hi = confint_poisson(x, 1, "exact-c", 1 - c)
        return case([0.0 if x == 0 else lo, hi], args=[x, c])

    write("interval", {
        "wilson": [wilson(x, n, c) for x, n in fractional for c in CONFIDENCES],
        "clopper_pearson": [
            case(proportion_confint(x, n, 1 - c, "beta"), counts=[x, n], confidence=[c])
            for x, n in whole
            for c in CONFIDENCES
        ],
        "poisson_exact": [poisson(x, c) for x in (0, 0.3, 1, 2.5, 17, 1000, 2e6) for c in CONFIDENCES],
        "mean_t": [
            case(stats.t.interval(c, len(v) - 1, v.mean(), stats.sem(v)), values=v.tolist(), confidence=[c])
            for v in samples
            for c in CONFIDENCES
        ],
        "difference_newcombe": [newcombe(*p, c) for p in pairs for c in CONFIDENCES],
    })


def pool(a, b):
    """Independent implementation of the pooling rule of `g_test`."""
    table = np.array([a, b], float)
    table = table[:, table.sum(0) > 0]
    sparse = stats.contingency.expected_freq(table).min(0) < 5
    if not sparse.any():
        return table
    kept, rest = table[:, ~sparse], table[:, sparse].sum(1)
    if stats.contingency.expected_freq(np.column_stack([kept, rest]))[:, -1].min() < 5:
        least = kept.sum(0).argmin()
        rest = rest + kept[:, least]
        kept = np.delete(kept, least, 1)
    return np.column_stack([kept, rest])


def g_test(a, b):
    table = pool(a, b)
    result = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    n, rows, cols = table.sum(), table.sum(1), table.sum(0)
    q = 1 + (n * (1 / rows).sum() - 1) * (n * (1 / cols).sum() - 1) / (6 * n * result.dof)
    g = result.statistic / q
    # scipy's association() accepts only integer counts, so V is computed from Pearson's statistic.
    v = np.sqrt(stats.chi2_contingency(table, correction=False).statistic / n)
    if (table == table.round()).all():
        assert np.isclose(v, stats.contingency.association(table.astype(int), "cramer"), rtol=1e-12)
    return case([g, stats.chi2.sf(g, result.dof), v, result.dof], a=list(a), b=list(b))


def contingency():
    tables = [
        ([10, 20, 30], [15, 15, 30]),
        ([90, 5, 40, 0], [60, 40, 38, 0]),
        ([100, 3, 2, 1, 50, 4], [80, 5, 6, 2, 70, 9]),
        ([50, 1, 20, 24], [40, 2, 30, 25]),
        ([12.5, 30.25, 7.75, 9.5], [22.5, 10.25, 17.5, 9.75]),
        ([0, 40, 60], [30, 35, 35]),
        ([3000, 5000], [3300, 5100]),
        ([2e6, 3e6, 1e6], [2.002e6, 2.998e6, 1.001e6]),
        (RNG.poisson(12, 25).tolist(), RNG.poisson(14, 25).tolist()),
    ]
    discordant = [(1, 7), (0, 1), (0, 6), (5, 5), (10, 25), (25, 10), (3, 4), (400, 470), (60000, 61200), (5, 60)]

    def mcnemar(b, c):
        n, k = b + c, min(b, c)
        point = stats.binom.pmf(k, n, 0.5)
        p = 1 - point / 2 if b == c else 2 * stats.binom.cdf(k, n, 0.5) - point
        return case(p, counts=[b, c])

    write("contingency", {
        "g_test": [g_test(a, b) for a, b in tables],
        "mcnemar_mid_p": [mcnemar(b, c) for b, c in discordant],
    })


def rates():
    poisson = [
        (10, 100, 3, 100), (10, 100.5, 3, 250.25), (5, 10, 5, 10), (3, 50, 12, 80), (7, 30, 0, 30),
        (500, 1e4, 420, 1e4), (60000, 1e6, 59000, 1e6), (200, 1, 20, 1),
    ]
    write("rates", {
        "binomial_rate_less": [
            case(
                test_poisson_2indep(*t, method="exact-cond", alternative="larger").pvalue,
                args=list(t),
            )
            for t in poisson
        ],
    })


def ranks():
    pairs = [
        (RNG.normal(0, 1, 20), RNG.normal(0.5, 1, 30)),
        (RNG.normal(0, 1, 200), RNG.normal(0, 2, 150)),
        (RNG.integers(0, 5, 40), RNG.integers(1, 6, 25)),
        (np.array([1.0]), np.array([1.0, 2.0])),
        (RNG.normal(0, 1, 15), RNG.normal(6, 1, 15)),
    ]
    pairs = [(a.astype(float), b.astype(float)) for a, b in pairs]

    def auc(a, b):
        u = stats.mannwhitneyu(a, b).statistic
        return case(u / len(a) / len(b), a=a.tolist(), b=b.tolist())

    write("rank", {
        "mann_whitney_auc": [auc(a, b) for a, b in pairs],
    })


def multiple():
    families = [
        [0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.02], [1.0, 0.0, 0.9, 1e-12],
        RNG.uniform(0, 1, 30).tolist(), (RNG.uniform(0, 1, 30) ** 4).tolist(),
    ]
    write("multiple", {
        name: [case(multipletests(p, method=method)[1], p=p) for p in families]
        for name, method in [("benjamini_hochberg", "fdr_bh"), ("holm", "holm")]
    })


def samples():
    arrays = [np.sort(RNG.normal(0, 10, n)) for n in (1, 2, 3, 10, 101)]
    weighted = [(RNG.normal(0, 10, n), RNG.uniform(0.05, 3, n)) for n in (1, 2, 5, 40)]
    weighted.append((RNG.normal(0, 10, 20), np.full(20, 0.7)))
    qs = [0, 0.1, 0.25, 0.5, 0.95, 1]
    write("sample", {
        "quantile": [case(np.quantile(v, q), sorted=v.tolist(), q=[q]) for v in arrays for q in qs],
        "effective_n": [case(w.sum() ** 2 / (w**2).sum(), weights=w.tolist()) for _, w in weighted],
    })


def logistic():
    """Draws from a separate generator, so that the other fixtures do not change."""
    rng, cases = np.random.default_rng(7), []
    for n, penalty in [(8, 0.1), (40, 0.1), (200, 1.0), (200, 25.0)]:
        x, w = rng.normal(0, 1, (n, 3)), rng.uniform(0.2, 2, n)
        y = (x @ [1.0, -2.0, 0.0] + rng.logistic(0, 1, n) > 0).astype(float)
        fit = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(x, y, sample_weight=w)
        cases.append(case(np.r_[fit.coef_[0], fit.intercept_], rows=x.ravel().tolist(), targets=y.tolist(),
                          weights=w.tolist(), penalty=penalty))
    write("logistic", {"logistic": cases})


def robust_mean(values, clusters):
    """CR2 with the degrees of freedom of Imbens and Kolesar (2016), by their matrices."""
    y = np.asarray(values, float)
    n = len(y)
    residual_maker = np.eye(n) - np.ones((n, n)) / n
    directions = []
    for g in np.unique(clusters):
        rows = np.flatnonzero(np.asarray(clusters) == g)
        block = residual_maker[np.ix_(rows, rows)]
        eigenvalues, vectors = np.linalg.eigh(block)
        root = vectors @ np.diag(eigenvalues ** -0.5) @ vectors.T
        selector = np.zeros((len(rows), n))
        selector[np.arange(len(rows)), rows] = 1
        directions.append(residual_maker.T @ selector.T @ root @ np.ones(len(rows)) / n)
    directions = np.array(directions)
    spread = np.linalg.eigvalsh(directions @ directions.T)
    return y.mean(), ((directions @ y) ** 2).sum(), spread.sum() ** 2 / (spread**2).sum()


def tango(worse, better, n, critical):
    """All differences that the score test does not reject; the likelihood is maximised numerically."""
    def statistic(delta):
        # p_worse = q, p_better = q + delta, and the rest is concordant.
        low, high = max(0.0, -delta), (1 - delta) / 2

        def minus_log_likelihood(q):
            terms = [(worse, q), (better, q + delta), (n - worse - better, 1 - 2 * q - delta)]
            return -sum(count * mp.log(share) for count, share in terms if count > 0)

        # The likelihood is concave: bisect its slope.
        a, b = mp.mpf(low), mp.mpf(high)
        slope = lambda q: sum(c / s * d for c, s, d in [
            (worse, q, 1), (better, q + delta, 1), (n - worse - better, 1 - 2 * q - delta, -2)] if c > 0)
        for _ in range(110):
            middle = (a + b) / 2
            a, b = (middle, b) if slope(middle) > 0 else (a, middle)
        variance = n * (2 * a + delta * (1 - delta))
        return (better - worse - n * delta) / mp.sqrt(variance)

    found, ends = mp.mpf(better - worse) / n, []
    for end, sign in ((mp.mpf(-1), 1), (mp.mpf(1), -1)):
        if abs(found) == 1 and end == found:
            ends.append(found)
            continue
        inside, outside = found, end
        for _ in range(70):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if sign * statistic(middle) <= critical else (inside, middle)
        ends.append(inside)
    return ends


def paired():
    """Means with clusters, differences of paired scores, and quantiles. Draws from a separate generator."""
    rng = np.random.default_rng(11)
    graded = [(rng.uniform(0, 1, n), rng.integers(0, g, n)) for n, g in [(6, 3), (20, 7), (60, 12), (60, 60)]]
    graded.append((np.array([0.5, 0.75]), np.array([0, 1])))
    clustered = [case(robust_mean(v, c), values=v.tolist(), clusters=c.tolist()) for v, c in graded]
    for v, _ in graded:  # one cluster per value, against statsmodels
        d = DescrStatsW(v)
        clustered.append(case([d.mean, d.std_mean**2, len(v) - 1], values=v.tolist(), clusters=list(range(len(v)))))

    counts = [(0, 0, 1), (0, 0, 20), (1, 0, 1), (0, 1, 20), (7, 1, 21), (1, 7, 21), (3, 3, 10), (5, 0, 5), (0, 5, 5), (2, 9, 50),
              (40, 40, 200), (12, 31, 1000), (600, 655, 10_000)]
    binary = [
        case(tango(b, c, n, stats.norm.isf((1 - confidence) / 2)), counts=[b, c, n], confidence=[confidence])
        for b, c, n in counts for confidence in (0.9, 0.95)
    ]
    # Known from Fagerland, Lydersen and Laake (2014), airway hyper-responsiveness.
    assert [round(float(e), 3) for e in tango(7, 1, 21, stats.norm.isf(0.025))] == [-0.517, -0.026]

    scores, differences = [], []
    for n, trials, groups in [(20, 3, 20), (50, 3, 9), (30, 10, 30), (3, 10, 3)]:
        rate = rng.uniform(0, 1, n)
        first, second = (rng.binomial(trials, rate) / trials for _ in range(2))
        cluster = rng.permutation(np.arange(n) % groups)
        mean, variance, df = robust_mean(first, cluster)
        t = stats.t.isf(0.025, df)
        size = mean * (1 - mean) / variance
        ends = [optimize.brentq(lambda p: (mean - p) - sign * t * np.sqrt(p * (1 - p) / size), *bracket, xtol=1e-15)
                for sign, bracket in ((1, (0, mean)), (-1, (mean, 1)))]
        scores.append(case(ends, values=first.tolist(), clusters=cluster.tolist()))
        d = second - first
        mean, variance, df = robust_mean(d, cluster)
        worse, better = np.clip(-d, 0, None).mean(), np.clip(d, 0, None).mean()
        size = (worse + better - mean**2) / variance
        ends = tango(worse * size, better * size, size, stats.t.isf(0.025, df))
        statistic = (better - worse) * size / np.sqrt((better + worse) * size)
        differences.append(case([*ends, 2 * stats.t.sf(abs(statistic), df)], values=d.tolist(), clusters=cluster.tolist()))

    samples = [np.sort(rng.lognormal(0, 1, n)) for n in (5, 20, 72, 73, 200, 1001)]
    samples.append(np.sort(rng.integers(0, 5, 100).astype(float)))

    def order(v, q):
        found = stats.quantile_test(v, q=0, p=q).confidence_interval(0.95)
        return [None if np.isnan(e) else float(e) for e in found]

    write("paired", {
        "clustered_mean": clustered,
        "tango": binary,
        "score_interval": scores,
        "paired_difference": differences,
        "quantile_interval": [
            {"sorted": v.tolist(), "q": [q], "expected": order(v, q)} for v in samples for q in (0.5, 0.95)
        ],
        "student_two_sided_tail": [
            case(2 * stats.t.sf(t, df), args=[t, df]) for t in (0, 0.3, 2.1, 9, 40) for df in (1, 3.7, 30, 2e4)
        ],
    })


def quantile_of_pairs(first, second, clusters, q):
    """The difference of a quantile by MOVER, written out; the intervals of both are those of scipy, at the effective n."""
    def side(values):
        values = np.asarray(values, float)
        value, n = np.quantile(values, q), len(values)
        above = (values > value).astype(float)
        alone = above.var(ddof=1) / n
        _, together, _ = robust_mean(above, clusters)
        effective = int(n * alone / together) if together > alone * (1 + 1e-9) else n
        ranks = np.arange(effective + 1)
        tails = stats.binom.sf(ranks - 1, effective, q)  # P(X >= rank)
        below = max((r for r in ranks if tails[r] >= 1 - 0.025), default=0)
        over = max((r for r in ranks if tails[r] > 0.025), default=0) + 1
        ordered, scale = np.sort(values), n / effective
        lo = min(value, ordered[max(int(np.floor(below * scale)), 1) - 1]) if below >= 1 else None
        hi = max(value, ordered[int(np.ceil(over * scale)) - 1]) if over <= effective else None
        sums = [(above - above.mean())[np.asarray(clusters) == g].sum() for g in dict.fromkeys(clusters)]
        return value, lo, hi, np.array(sums)

    a, a_lo, a_hi, a_sums = side(first)
    b, b_lo, b_hi, b_sums = side(second)
    r = np.corrcoef(a_sums, b_sums)[0, 1] if a_sums.std() > 0 and b_sums.std() > 0 else 0.0
    down, up = (b - b_lo, a_hi - a), (b_hi - b, a - a_lo)
    reach = [np.sqrt(x * x + y * y - 2 * r * x * y) for x, y in (down, up)]
    return [b - a, b - a - reach[0], b - a + reach[1]]


def quantile_pairs():
    """Draws from a separate generator."""
    rng, cases = np.random.default_rng(17), []
    for n, repeats, q in [(40, 1, 0.5), (60, 3, 0.5), (200, 1, 0.95), (150, 2, 0.95)]:
        base = rng.lognormal(5, 0.6, n)
        clusters = np.repeat(np.arange(n), repeats)
        first, second = (np.repeat(base, repeats) * rng.lognormal(m, 0.3, n * repeats) for m in (0, 0.1))
        cases.append(case(quantile_of_pairs(first, second, clusters.tolist(), q), first=first.tolist(),
                          second=second.tolist(), clusters=clusters.tolist(), q=[q]))
    needed = [
        case(TTestPower().solve_power(effect_size=effect / deviation, alpha=level, power=power, alternative=sides),
             args=[effect, deviation, level, power, 1 if sides == "larger" else 2])
        for effect, deviation, level, power, sides in [
            (0.05, 0.4, 0.05, 0.8, "two-sided"), (0.03, 0.3, 0.025, 0.9, "larger"), (0.2, 0.3, 0.05, 0.95, "two-sided"),
            (0.1, 0.5, 0.05, 0.8, "larger"), (0.01, 0.45, 0.05, 0.8, "two-sided"),
        ]
    ]
    write("planning", {"paired_quantile_difference": cases, "examples_needed": needed})


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for make in (special_functions, intervals, contingency, rates, ranks, multiple, samples, logistic, paired, quantile_pairs):
        make()
