//! Means of scores of a weighted sample that may come in clusters, such as the requests of one user, and the difference
//! of two such means from independent samples.

use super::clustered::{MeanEstimate, clustered_mean};
use super::interval::{Interval, alpha, wilson_at};
use super::sample::effective_n;
use super::special::{normal_two_sided_quantile, student_two_sided_quantile};

/// Halvings of the bracket of a p-value, which leave less than a rounding error.
const HALVINGS: u32 = 60;

/// The mean of scores in [0, 1], known like a proportion of an effective number of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleMean {
    mean: f64,
    /// Effective number of values.
    n: f64,
    /// Degrees of freedom of the variance; `None` for single 0/1 scores, whose variance follows from their mean.
    df: Option<f64>,
}

/// The difference of two means from independent samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// First mean less second mean.
    pub difference: f64,
    /// Its interval, inside [-1, 1].
    pub interval: Interval,
    /// Two-sided p-value of no difference: the level at which an end of the interval is 0.
    pub p_value: f64,
}

impl SampleMean {
    /// The weighted mean of `values` in [0, 1]. `weights` are importance weights, of which only the ratios matter;
    /// `clusters[i]` names the cluster of `values[i]`, `None` if every value is on its own.
    ///
    /// `None` for fewer than two values or clusters, for values that are not finite, for weights that are not positive
    /// and finite, and if lengths differ.
    pub fn new(values: &[f64], weights: &[f64], clusters: Option<&[usize]>) -> Option<Self> {
        let usable = |weight: &f64| *weight > 0.0 && weight.is_finite();
        if values.len() != weights.len() || !weights.iter().all(usable) {
            return None;
        }
        let is_even = weights.iter().all(|weight| Some(weight) == weights.first());
        let estimate = if is_even { clustered_mean(values, clusters)? } else { weighted(values, weights, clusters)? };
        let mean = estimate.mean.clamp(0.0, 1.0);
        let is_binary = values.iter().all(|value| *value == 0.0 || *value == 1.0);
        if is_even && is_binary && estimate.clusters == estimate.n {
            return Some(Self { mean, n: estimate.n as f64, df: None });
        }
        let spread = mean * (1.0 - mean);
        let n = match estimate.variance > 0.0 && spread > 0.0 {
            true => spread / estimate.variance,
            false => effective_n(&sums(weights, clusters)),
        };
        Some(Self { mean, n, df: Some(estimate.df) })
    }

    /// The mean, in [0, 1].
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Its score interval: that of Wilson for single 0/1 scores of equal weight, and otherwise the same with the effective
    /// number of values (Korn and Graubard 1998) and Student's critical value. Inside [0, 1].
    pub fn interval(&self, confidence: f64) -> Interval {
        self.at(alpha(confidence))
    }

    fn at(&self, alpha: f64) -> Interval {
        if alpha == 0.0 {
            return Interval::UNIT;
        }
        let critical = match self.df {
            None => normal_two_sided_quantile(alpha),
            Some(df) => student_two_sided_quantile(alpha, df),
        };
        wilson_at(self.mean * self.n, self.n, critical)
    }

    /// This mean less another one of an independent sample. The interval is made of the intervals of both means: method 10
    /// of Newcombe (1998), for means other than proportions as in Zou and Donner (2008).
    pub fn minus(&self, other: &Self, confidence: f64) -> Difference {
        let difference = self.mean - other.mean;
        let interval = self.difference_at(other, alpha(confidence));
        Difference { difference, interval, p_value: self.p_value(other) }
    }

    fn difference_at(&self, other: &Self, alpha: f64) -> Interval {
        let (own, theirs) = (self.at(alpha), other.at(alpha));
        let difference = self.mean - other.mean;
        Interval {
            lo: (difference - (self.mean - own.lo).hypot(theirs.hi - other.mean)).max(-1.0),
            hi: (difference + (own.hi - self.mean).hypot(other.mean - theirs.lo)).min(1.0),
        }
    }

    /// The largest level at which the interval of the difference still contains 0.
    fn p_value(&self, other: &Self) -> f64 {
        if self.mean == other.mean {
            return 1.0;
        }
        let (mut inside, mut outside) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            if self.difference_at(other, middle).contains(0.0) { inside = middle } else { outside = middle }
        }
        inside
    }
}

/// The sum of the weights of each cluster; the weights themselves if every value is on its own.
fn sums(weights: &[f64], clusters: Option<&[usize]>) -> Vec<f64> {
    let Some(clusters) = clusters else { return weights.to_vec() };
    let mut sums = std::collections::BTreeMap::new();
    for (weight, cluster) in weights.iter().zip(clusters) {
        *sums.entry(*cluster).or_insert(0.0) += weight;
    }
    sums.into_values().collect()
}

/// What is summed up of a cluster.
#[derive(Clone, Copy, Default)]
struct Sum {
    weight: f64,
    squares: f64,
    residual: f64,
}

/// The weighted mean with its cluster-robust variance by linearisation. As in CR2 (Bell and McCaffrey 2002), each
/// cluster's term is scaled so that the variance is unbiased for independent values of equal variance; the degrees of
/// freedom are Satterthwaite's under the same model (Imbens and Kolesár 2016). With equal weights, both are those of
/// [`clustered_mean`].
fn weighted(values: &[f64], weights: &[f64], clusters: Option<&[usize]>) -> Option<MeanEstimate> {
    let n = values.len();
    if n < 2 || values.iter().any(|value| !value.is_finite()) || clusters.is_some_and(|clusters| clusters.len() != n) {
        return None;
    }
    let total: f64 = weights.iter().sum();
    let is_equal = values.iter().all(|value| Some(value) == values.first());
    let product = |(value, weight): (&f64, &f64)| value * weight;
    let mean = if is_equal { *values.first()? } else { values.iter().zip(weights).map(product).sum::<f64>() / total };
    let mut sums: std::collections::BTreeMap<usize, Sum> = std::collections::BTreeMap::new();
    for (place, (value, weight)) in values.iter().zip(weights).enumerate() {
        let share = weight / total;
        let cluster = clusters.and_then(|clusters| clusters.get(place).copied()).unwrap_or(place);
        let sum = sums.entry(cluster).or_default();
        sum.weight += share;
        sum.squares += share * share;
        sum.residual += share * (value - mean);
    }
    if sums.len() < 2 {
        return None;
    }
    let sums: Vec<Sum> = sums.into_values().collect();
    let all: f64 = sums.iter().map(|sum| sum.squares).sum();
    // The variance of a cluster's residual if every value has variance 1.
    let own = |sum: &Sum| sum.squares * (1.0 - 2.0 * sum.weight) + sum.weight * sum.weight * all;
    let scale = |sum: &Sum| sum.squares / own(sum);
    let variance = sums.iter().map(|sum| scale(sum) * sum.residual * sum.residual).sum();
    let df = (all * all / trace(&sums, all, own, scale)).max(1.0);
    Some(MeanEstimate { mean, variance, df, n, clusters: sums.len() })
}

/// The trace of the square of the matrix of covariances between scaled residuals of clusters, summed up in one pass.
fn trace(sums: &[Sum], all: f64, own: impl Fn(&Sum) -> f64, scale: impl Fn(&Sum) -> f64) -> f64 {
    let (mut weights, mut squares, mut mixed, mut diagonal) = (0.0, 0.0, 0.0, 0.0);
    for sum in sums {
        let (a, u, q) = (scale(sum), sum.weight, sum.squares);
        weights += a * u * u;
        squares += a * q * q;
        mixed += a * u * q;
        // The covariance of different clusters is u·u'·all − u·q' − u'·q, which the sums below also count for each with
        // itself.
        let same = u * u * all - 2.0 * u * q;
        diagonal += (a * own(sum)).powi(2) - (a * same).powi(2);
    }
    let pairs = 2.0 * weights * squares + 2.0 * mixed * mixed + (weights * all).powi(2) - 4.0 * weights * mixed * all;
    pairs + diagonal
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::rng;
    use super::super::bounded::score_interval;
    use super::super::fisher_mid_p;
    use super::super::interval::{difference_newcombe, wilson};
    use super::*;
    use proptest::prelude::*;
    use rand::RngExt;

    fn passes(count: usize, n: usize) -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i < count))).collect()
    }

    fn even(values: &[f64]) -> SampleMean {
        SampleMean::new(values, &vec![1.0; values.len()], None).unwrap()
    }

    #[test]
    fn single_scores_of_equal_weight_have_the_intervals_of_wilson_and_newcombe() {
        let (a, b) = (even(&passes(40, 50)), even(&passes(95, 100)));
        assert_eq!(a.interval(0.95), wilson(40.0, 50.0, 0.95));
        let (found, known) = (a.minus(&b, 0.95), difference_newcombe(0.8, 50.0, 0.95, 100.0, 0.95));
        assert!((found.interval.lo - known.lo).abs() < 1e-12 && (found.interval.hi - known.hi).abs() < 1e-12);
        assert!(found.interval.hi < 0.0 && found.p_value < 0.05, "{found:?}");
        let at_p = a.minus(&b, 1.0 - found.p_value).interval;
        assert!(at_p.hi.abs() < 1e-9, "{at_p:?}");
    }

    #[test]
    fn samples_without_any_spread_are_not_certain() {
        // Two of five against twelve of twelve: Fisher's mid-p is 0.007.
        let p = even(&passes(2, 5)).minus(&even(&passes(12, 12)), 0.95).p_value;
        assert!((p - fisher_mid_p(2, 5, 12, 12)).abs() < 0.004, "{p}");
        let (one, other) = (even(&[1.0; 5]), even(&[1.0; 9]));
        assert_eq!(one.minus(&other, 0.95).p_value, 1.0);
        let graded = even(&[0.5; 5]).minus(&even(&[0.6; 5]), 0.95);
        assert!(graded.interval.contains(0.0) && graded.p_value > 0.05);
    }

    #[test]
    fn too_little_to_measure_gives_none() {
        assert_eq!(SampleMean::new(&[], &[], None), None);
        assert_eq!(SampleMean::new(&[1.0], &[1.0], None), None);
        assert_eq!(SampleMean::new(&[1.0, 0.0], &[1.0], None), None);
        assert_eq!(SampleMean::new(&[1.0, f64::NAN], &[1.0, 2.0], None), None);
        assert_eq!(SampleMean::new(&[1.0, 0.0], &[1.0, -1.0], None), None);
        assert_eq!(SampleMean::new(&[1.0, 0.0], &[1.0, 2.0], Some(&[7, 7])), None, "one cluster");
    }

    #[test]
    fn weights_change_the_mean_and_widen_the_interval() {
        let values = passes(20, 40);
        let mean = |weight: fn(usize) -> f64| {
            let weights: Vec<f64> = (0..40).map(weight).collect();
            SampleMean::new(&values, &weights, None).unwrap()
        };
        let heavy_passes = mean(|i| if i < 20 { 3.0 } else { 1.0 });
        assert!((heavy_passes.mean() - 0.75).abs() < 1e-12);
        let alternating = mean(|i| if i % 2 == 0 { 3.0 } else { 1.0 });
        assert!((alternating.mean() - 0.5).abs() < 1e-12);
        let ratio = alternating.interval(0.95).width() / even(&values).interval(0.95).width();
        assert!((1.05..1.3).contains(&ratio), "{ratio}");
    }

    /// How often intervals of a weighted, clustered sample contain the truth, and how often a difference of equal means is
    /// found at two levels.
    #[test]
    fn intervals_contain_the_truth_as_often_as_they_say_and_equal_means_rarely_differ() {
        let mut random = rng(5, 0);
        let (rounds, truth) = (2_000, 0.85);
        let (mut covered, mut false_5, mut false_1) = (0, 0, 0);
        for _ in 0..rounds {
            let (mut values, mut weights, mut users) = (Vec::new(), Vec::new(), Vec::new());
            for user in 0..60 {
                // Users differ: half of them always get the same answer again.
                let first: f64 = f64::from(u8::from(random.random::<f64>() < truth));
                for request in 0..random.random_range(1..5) {
                    let again = f64::from(u8::from(random.random::<f64>() < truth));
                    values.push(if request == 0 || user % 2 == 0 { first } else { again });
                    weights.push(if user % 3 == 0 { 4.0 } else { 1.0 });
                    users.push(user);
                }
            }
            let traffic = SampleMean::new(&values, &weights, Some(&users)).unwrap();
            let golden: Vec<f64> = (0..40).map(|_| f64::from(u8::from(random.random::<f64>() < truth))).collect();
            let p = traffic.minus(&even(&golden), 0.95).p_value;
            covered += u32::from(traffic.interval(0.95).contains(truth));
            false_5 += u32::from(p < 0.05);
            false_1 += u32::from(p < 0.01);
        }
        let share = |count: u32| f64::from(count) / f64::from(rounds);
        assert!((0.93..=0.985).contains(&share(covered)), "{}", share(covered));
        assert!(share(false_5) < 0.065 && share(false_1) < 0.018, "{} {}", share(false_5), share(false_1));
    }

    proptest! {
        #[test]
        fn equal_weights_are_no_weights(
            values in prop::collection::vec(0.0..=1.0_f64, 3..40), size in 1usize..4, weight in 0.1..50.0_f64,
        ) {
            let clusters: Vec<usize> = (0..values.len()).map(|i| i / size).collect();
            let weights = vec![weight; values.len()];
            let known = clustered_mean(&values, Some(&clusters));
            let found = weighted(&values, &weights, Some(&clusters));
            prop_assert_eq!(known.is_some(), found.is_some());
            if let (Some(known), Some(found)) = (known, found) {
                prop_assert!((known.mean - found.mean).abs() < 1e-12);
                prop_assert!((known.variance - found.variance).abs() < 1e-12 + 1e-9 * known.variance);
                prop_assert!((known.df - found.df).abs() < 1e-6 * known.df, "{} {}", known.df, found.df);
                let mean = SampleMean::new(&values, &weights, Some(&clusters)).unwrap();
                let (a, b) = (mean.interval(0.95), score_interval(&values, &known, 0.95));
                prop_assert!((a.lo - b.lo).abs() < 1e-9 && (a.hi - b.hi).abs() < 1e-9);
            }
        }

        #[test]
        fn the_degrees_of_freedom_are_those_of_the_whole_matrix(
            rows in prop::collection::vec((0.0..=1.0_f64, 0.1..9.0_f64, 0usize..6), 4..30),
        ) {
            let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
            let weights: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let clusters: Vec<usize> = rows.iter().map(|row| row.2).collect();
            let total: f64 = weights.iter().sum();
            let of = |cluster: usize, power: i32| -> f64 {
                rows.iter().filter(|row| row.2 == cluster).map(|row| (row.1 / total).powi(power)).sum()
            };
            let names: std::collections::BTreeSet<usize> = clusters.iter().copied().collect();
            let all: f64 = names.iter().map(|name| of(*name, 2)).sum();
            let covariance = |a: usize, b: usize| {
                let own = if a == b { of(a, 2) } else { 0.0 };
                own - of(a, 1) * of(b, 2) - of(b, 1) * of(a, 2) + of(a, 1) * of(b, 1) * all
            };
            let scale = |name: usize| of(name, 2) / covariance(name, name);
            let pair = |a: usize, b: usize| scale(a) * scale(b) * covariance(a, b).powi(2);
            let squares: f64 = names.iter().flat_map(|a| names.iter().map(|b| pair(*a, *b))).sum();
            if let Some(found) = weighted(&values, &weights, Some(&clusters)) {
                let df = (all * all / squares).max(1.0);
                prop_assert!((found.df - df).abs() < 1e-6 * df, "{} {df}", found.df);
            }
        }

        #[test]
        fn results_are_in_range_and_symmetric(
            a in prop::collection::vec((0.0..=1.0_f64, 1e-3..1e3_f64), 2..30),
            b in prop::collection::vec((0.0..=1.0_f64, 1e-3..1e3_f64), 2..30),
        ) {
            let of = |pairs: &[(f64, f64)]| {
                let (values, weights): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
                SampleMean::new(&values, &weights, None).unwrap()
            };
            let (a, b) = (of(&a), of(&b));
            let (one, other) = (a.minus(&b, 0.95), b.minus(&a, 0.95));
            prop_assert!((0.0..=1.0).contains(&one.p_value) && (one.p_value - other.p_value).abs() < 1e-9);
            prop_assert!(one.interval.lo >= -1.0 && one.interval.hi <= 1.0 && one.interval.contains(one.difference));
            prop_assert!(a.interval(0.95).contains(a.mean()));
        }
    }
}
