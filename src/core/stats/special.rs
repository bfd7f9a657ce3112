//! Distribution functions that are accurate in both tails and for counts in the millions.
//!
//! `statrs` stops the continued fraction of the incomplete beta function after 141 terms and forms upper tails as `1 -
//! lower`; traffic counts need more terms and small upper tails, so the incomplete beta and gamma functions are
//! computed here, with the leading factor in the saddle-point form of Loader (2000), "Fast and Accurate Computation of
//! Binomial Probabilities".

use std::f64::consts::{LN_2, PI, SQRT_2};

use statrs::function::erf::erfc_inv;
use statrs::function::gamma::ln_gamma;

/// Maximum number of terms, sufficient for counts up to about 1e11; the fractions need some multiple of `sqrt(count)`.
const MAX_TERMS: u32 = 1_000_000;
const EPSILON: f64 = 1e-16;
const TINY: f64 = 1e-300;

/// The tail of a distribution that a probability refers to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tail {
    /// P(X <= x).
    Lower,
    /// P(X > x).
    Upper,
}

/// Probabilities on both sides of a point, each computed without cancellation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tails {
    /// P(X <= x).
    pub(super) lower: f64,
    /// P(X > x).
    pub(super) upper: f64,
}

impl Tails {
    fn from_lower(p: f64) -> Self {
        let lower = p.clamp(0.0, 1.0);
        Tails { lower, upper: 1.0 - lower }
    }

    fn from_upper(p: f64) -> Self {
        let upper = p.clamp(0.0, 1.0);
        Tails { lower: 1.0 - upper, upper }
    }
}

/// The z with P(|Z| > z) = `alpha` for a standard normal Z; `alpha` in (0, 1].
pub(super) fn normal_two_sided_quantile(alpha: f64) -> f64 {
    SQRT_2 * erfc_inv(alpha)
}

/// The t with P(|T| > t) = `alpha` for Student's T with `df` > 0; `alpha` in (0, 1].
pub(super) fn student_two_sided_quantile(alpha: f64, df: f64) -> f64 {
    // T^2 / (df + T^2) is Beta(1/2, df/2); its upper tail is the two-sided tail of T.
    let z = beta_quantile(alpha, 0.5, 0.5 * df, Tail::Upper);
    if z <= 0.5 {
        return (df * z / (1.0 - z)).sqrt();
    }
    // Solve for the complement if `1 - z` would cancel.
    let y = beta_quantile(alpha, 0.5 * df, 0.5, Tail::Lower);
    (df * (1.0 - y) / y).sqrt()
}

/// P(|T| > `t`) for Student's T with `df` > 0; `t` >= 0.
pub(super) fn student_two_sided_tail(t: f64, df: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    beta_tails(0.5, 0.5 * df, square / (df + square), df / (df + square)).upper
}

/// P(X > `x`) for a chi-squared X with `df` > 0.
pub(super) fn chi_squared_upper(x: f64, df: f64) -> f64 {
    gamma_tails(0.5 * df, 0.5 * x).upper
}

/// Tails at `x` of the beta distribution with `a`, `b` > 0; `y` is `1 - x`.
///
/// Lentz's evaluation of the continued fraction DLMF 8.17.22.
pub(super) fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> Tails {
    if x <= 0.0 {
        return Tails { lower: 0.0, upper: 1.0 };
    }
    if y <= 0.0 {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let front = binomial_density(a, b, x, y) * (a / (a + b)) * b;
    if x < (a + 1.0) / (a + b + 2.0) {
        Tails::from_lower(front * beta_fraction(a, b, x) / a)
    } else {
        Tails::from_upper(front * beta_fraction(b, a, y) / b)
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..=MAX_TERMS {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        h *= d * c;
        if (d * c - 1.0).abs() <= EPSILON {
            break;
        }
    }
    h
}

fn away_from_zero(v: f64) -> f64 {
    if v.abs() < TINY { TINY } else { v }
}

/// Tails at `x` of the gamma distribution with shape `a` > 0 and unit scale.
///
/// Series DLMF 8.7.1 below the mean, continued fraction DLMF 8.9.2 above it.
pub(super) fn gamma_tails(a: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails { lower: 0.0, upper: 1.0 };
    }
    if x == f64::INFINITY {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let front = poisson_density(a, x);
    if x < a + 1.0 {
        Tails::from_lower(front * gamma_series(a, x))
    } else {
        Tails::from_upper(front * a * gamma_fraction(a, x))
    }
}

fn gamma_series(a: f64, x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..=MAX_TERMS {
        term *= x / (a + f64::from(k));
        sum += term;
        if term <= sum * EPSILON {
            break;
        }
    }
    sum
}

fn gamma_fraction(a: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / away_from_zero(b);
    let mut h = d;
    for k in 1..=MAX_TERMS {
        let k = f64::from(k);
        let an = -k * (k - a);
        b += 2.0;
        d = 1.0 / away_from_zero(an * d + b);
        c = away_from_zero(b + an / c);
        h *= d * c;
        if (d * c - 1.0).abs() <= EPSILON {
            break;
        }
    }
    h
}

/// The x with the given tail probability `p` in (0, 1) under the beta distribution, `a`, `b` > 0.
pub(super) fn beta_quantile(p: f64, a: f64, b: f64, tail: Tail) -> f64 {
    solve_increasing(0.0, 1.0, a / (a + b), |x| {
        let y = 1.0 - x;
        let slope = binomial_density(a, b, x, y) * (a / (a + b)) * b / (x * y);
        (excess(beta_tails(a, b, x, y), p, tail), slope)
    })
}

/// The x with the given tail probability `p` in (0, 1) under the gamma distribution, `a` > 0.
pub(super) fn gamma_quantile(p: f64, a: f64, tail: Tail) -> f64 {
    let mut high = a + 1.0;
    while excess(gamma_tails(a, high), p, tail) < 0.0 && high < f64::MAX / 4.0 {
        high *= 2.0;
    }
    solve_increasing(0.0, high, a.min(0.5 * high), |x| {
        let slope = poisson_density(a, x) * a / x;
        (excess(gamma_tails(a, x), p, tail), slope)
    })
}

fn excess(tails: Tails, p: f64, tail: Tail) -> f64 {
    match tail {
        Tail::Lower => tails.lower - p,
        Tail::Upper => p - tails.upper,
    }
}

/// Root in (`low`, `high`) of an increasing function that returns its value and its slope.
///
/// Uses Newton's method, with a bisection whenever a step leaves the bracket or shrinks too slowly.
fn solve_increasing(mut low: f64, mut high: f64, start: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut x = start;
    let mut last_step = high - low;
    for _ in 0..200 {
        let (value, slope) = f(x);
        if value == 0.0 {
            break;
        }
        if value > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let newton = x - value / slope;
        let usable = newton > low && newton < high && (newton - x).abs() < 0.5 * last_step;
        let next = if usable { newton } else { 0.5 * (low + high) };
        last_step = (next - x).abs();
        x = next;
        if last_step <= 1e-15 * x.abs() {
            break;
        }
    }
    x
}

/// Binomial density of `x` successes and `y` failures with probabilities `p` and `q = 1 - p`.
///
/// `x` and `y` may be fractional. Loader's saddle-point expansion.
pub(super) fn binomial_density(x: f64, y: f64, p: f64, q: f64) -> f64 {
    if x == 0.0 {
        return power_of_complement(y, p, q);
    }
    if y == 0.0 {
        return power_of_complement(x, q, p);
    }
    if p <= 0.0 || q <= 0.0 {
        return 0.0;
    }
    let n = x + y;
    let exponent = stirling_error(n) - stirling_error(x) - stirling_error(y) - deviance(x, n * p) - deviance(y, n * q);
    exponent.exp() / (2.0 * PI * x * (y / n)).sqrt()
}

/// `q^n` where `p = 1 - q`.
fn power_of_complement(n: f64, p: f64, q: f64) -> f64 {
    if n == 0.0 {
        1.0
    } else if p < 0.5 {
        (n * (-p).ln_1p()).exp()
    } else {
        q.powf(n)
    }
}

/// `mean^x e^-mean / Gamma(x + 1)` for `x`, `mean` > 0.
fn poisson_density(x: f64, mean: f64) -> f64 {
    (-stirling_error(x) - deviance(x, mean)).exp() / (2.0 * PI * x).sqrt()
}

/// `ln Gamma(x + 1)` minus Stirling's approximation of it, for `x` > 0.
fn stirling_error(x: f64) -> f64 {
    if x <= 15.0 {
        return ln_gamma(x + 1.0) - (x + 0.5) * x.ln() + x - 0.5 * (LN_2 + PI.ln());
    }
    let r = 1.0 / (x * x);
    (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / x
}

/// `x ln(x / m) + m - x` for `x`, `m` > 0, without cancellation near `x = m`.
pub(super) fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
    let mut term = 2.0 * x * v;
    for j in 1..100 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::parity::{check_all, numbers};
    use super::*;

    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/special.json");

    #[test]
    fn students_tail_matches_scipy() {
        check_all(include_str!("../../../tests/fixtures/stats/paired.json"), "student_two_sided_tail", 1e-9, |case| {
            let v = numbers(case, "args");
            vec![student_two_sided_tail(v[0], v[1])]
        });
    }

    #[test]
    fn beta_tails_match_scipy_up_to_millions() {
        check_all(FIXTURE, "beta_tails", 1e-9, |case| {
            let v = numbers(case, "args");
            let t = beta_tails(v[0], v[1], v[2], 1.0 - v[2]);
            vec![t.lower, t.upper]
        });
    }

    #[test]
    fn gamma_tails_match_mpmath_up_to_millions() {
        check_all(FIXTURE, "gamma_tails", 1e-9, |case| {
            let v = numbers(case, "args");
            let t = gamma_tails(v[0], v[1]);
            vec![t.lower, t.upper]
        });
    }

    #[test]
    fn quantiles_match_scipy_and_mpmath() {
        check_all(FIXTURE, "beta_quantile", 1e-10, |case| {
            let v = numbers(case, "args");
            let tail = |t| beta_quantile(v[0], v[1], v[2], t);
            vec![tail(Tail::Lower), tail(Tail::Upper)]
        });
        check_all(FIXTURE, "gamma_quantile", 1e-10, |case| {
            let v = numbers(case, "args");
            let tail = |t| gamma_quantile(v[0], v[1], t);
            vec![tail(Tail::Lower), tail(Tail::Upper)]
        });
        check_all(FIXTURE, "student_quantile", 1e-10, |case| {
            let v = numbers(case, "args");
            vec![student_two_sided_quantile(v[0], v[1])]
        });
        check_all(FIXTURE, "normal_quantile", 1e-12, |case| vec![normal_two_sided_quantile(numbers(case, "args")[0])]);
    }

    #[test]
    fn the_binomial_density_matches_scipy() {
        check_all(FIXTURE, "binomial_density", 1e-11, |case| {
            let v = numbers(case, "args");
            vec![binomial_density(v[0], v[1] - v[0], v[2], 1.0 - v[2])]
        });
    }
}
