//! Agreement of annotators: Krippendorff's alpha for nominal labels (Krippendorff 2019, ch. 12) and Cohen's kappa (Cohen 1960).

use std::collections::BTreeMap;

use crate::core::stats::{Interval, cluster_bootstrap, percentile_interval};

/// Krippendorff's alpha with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alpha {
    /// 1 for perfect agreement, 0 for the agreement that chance gives.
    pub value: f64,
    /// 95 % interval from a bootstrap over tasks; `None` if it is undefined in every replicate.
    pub interval: Option<Interval>,
    /// Number of tasks that at least two annotators labelled.
    pub tasks: usize,
}

/// Number of bootstrap replicates.
const REPLICATES: usize = 1000;

/// Alpha over tasks, each with the labels that it was given. Tasks with fewer than two labels do not count. `None` if there are no
/// others, or if all their labels are the same, so that there is no disagreement that chance could give.
pub fn alpha(tasks: &[Vec<&str>], seed: u64) -> Option<Alpha> {
    let shared: Vec<Vec<(usize, f64)>> = counted(tasks);
    let value = weighted_alpha(&shared, &vec![1.0; shared.len()]);
    let groups: Vec<usize> = (0..shared.len()).collect();
    let replicates =
        cluster_bootstrap(&groups, shared.len(), REPLICATES, seed, |weights| weighted_alpha(&shared, weights));
    value.is_finite().then(|| Alpha { value, interval: percentile_interval(&replicates, 0.95), tasks: shared.len() })
}

/// The number of times each label was given, for every task with at least two labels.
fn counted(tasks: &[Vec<&str>]) -> Vec<Vec<(usize, f64)>> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for label in tasks.iter().flatten() {
        let next = numbers.len();
        numbers.entry(label).or_insert(next);
    }
    let mut counted = Vec::new();
    for labels in tasks.iter().filter(|labels| labels.len() >= 2) {
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        labels.iter().for_each(|label| *counts.entry(numbers[label]).or_default() += 1.0);
        counted.push(counts.into_iter().collect());
    }
    counted
}

/// Alpha where each task counts as often as its weight says; NaN if it is undefined.
fn weighted_alpha(tasks: &[Vec<(usize, f64)>], weights: &[f64]) -> f64 {
    let labels = tasks.iter().flatten().map(|(label, _)| label + 1).max().unwrap_or(0);
    let (mut totals, mut disagreement) = (vec![0.0; labels], 0.0);
    for (counts, weight) in tasks.iter().zip(weights) {
        let given: f64 = counts.iter().map(|(_, n)| n).sum();
        let same: f64 = counts.iter().map(|(_, n)| n * (n - 1.0)).sum();
        disagreement += weight * (given * (given - 1.0) - same) / (given - 1.0);
        counts.iter().for_each(|(label, n)| totals[*label] += weight * n);
    }
    let all: f64 = totals.iter().sum();
    let by_chance = all * all - totals.iter().map(|total| total * total).sum::<f64>();
    if by_chance > 0.0 { 1.0 - (all - 1.0) * disagreement / by_chance } else { f64::NAN }
}

/// Kappa of two annotators over the tasks that both labelled, each as their two labels. `None` if there are none, or if both gave one
/// and the same label everywhere.
pub fn kappa(pairs: &[(&str, &str)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (one, other) in pairs {
        counts.entry(one).or_default().0 += 1.0;
        counts.entry(other).or_default().1 += 1.0;
    }
    let observed = pairs.iter().filter(|(one, other)| one == other).count() as f64 / n;
    let expected: f64 = counts.values().map(|(one, other)| one * other / (n * n)).sum();
    (n > 0.0 && expected < 1.0).then(|| (observed - expected) / (1.0 - expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Computed by the packages krippendorff and scikit-learn; see tools/agreement_fixtures.py.
    const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/annotators.json");

    fn cases(section: &str) -> Vec<Value> {
        serde_json::from_str::<Value>(FIXTURE).unwrap()[section].as_array().unwrap().clone()
    }

    #[test]
    fn alpha_equals_the_reference_implementation() {
        for case in cases("alpha") {
            let labels = |task: &Value| -> Vec<String> {
                task.as_array().unwrap().iter().filter_map(|label| label.as_str().map(str::to_owned)).collect()
            };
            let tasks: Vec<Vec<String>> = case["tasks"].as_array().unwrap().iter().map(labels).collect();
            let tasks: Vec<Vec<&str>> = tasks.iter().map(|task| task.iter().map(String::as_str).collect()).collect();
            let found = alpha(&tasks, 1).unwrap();
            let expected = case["expected"].as_f64().unwrap();
            assert!((found.value - expected).abs() < 1e-12, "{found:?} against {expected}");
            let interval = found.interval.unwrap();
            assert!(interval.lo <= found.value && found.value <= interval.hi, "{found:?}");
        }
    }

    #[test]
    fn kappa_equals_the_reference_implementation() {
        for case in cases("kappa") {
            let text = |pair: &Value, at: usize| pair[at].as_str().unwrap().to_owned();
            let pairs: Vec<(String, String)> =
                case["pairs"].as_array().unwrap().iter().map(|pair| (text(pair, 0), text(pair, 1))).collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
            let expected = case["expected"].as_f64().unwrap();
            assert!((kappa(&pairs).unwrap() - expected).abs() < 1e-12, "{expected}");
        }
    }

    #[test]
    fn agreement_is_undefined_where_nothing_can_disagree() {
        assert_eq!(alpha(&[], 1), None);
        assert_eq!(alpha(&[vec!["x"], vec!["y"]], 1), None, "nothing was labelled twice");
        assert_eq!(alpha(&[vec!["x", "x"], vec!["x", "x"]], 1), None);
        assert_eq!((kappa(&[]), kappa(&[("x", "x")])), (None, None));
        let perfect = alpha(&[vec!["x", "x"], vec!["y", "y"], vec!["z"]], 1).unwrap();
        assert_eq!((perfect.value, perfect.tasks), (1.0, 2));
    }
}
