//! Sanity checks of all methods on synthetic data.

use karat::stats::{mann_whitney_auc, rng};
use karat::vector::Vectors;
use rand::RngExt;

use super::*;

const DIM: usize = 48;

/// `n` rows around the directions of the axes in `topics`, each equally likely.
fn rows(n: usize, topics: std::ops::Range<usize>, spread: f32, seed: u64) -> Vectors {
    let mut rng = rng(seed, 99);
    let mut v = Vectors::with_capacity(DIM, n);
    for _ in 0..n {
        let topic = rng.random_range(topics.clone());
        let mut row: Vec<f32> = (0..DIM).map(|_| spread * (rng.random::<f32>() - 0.5)).collect();
        row[topic] += 1.0;
        v.push(&row);
    }
    v
}

fn run_all(trial: &Trial) -> Vec<(&'static str, BaselineResult)> {
    baselines().iter().map(|b| (b.name, (b.run)(trial))).collect()
}

fn find(results: &[(&'static str, BaselineResult)], name: &str) -> BaselineResult {
    results.iter().find(|(n, _)| *n == name).map(|(_, r)| r.clone()).unwrap()
}

#[test]
fn one_distribution_is_covered_and_rarely_alarms() {
    let mut alarms = std::collections::BTreeMap::new();
    for seed in 0..20 {
        let [golden, reference, now] = [0, 1, 2].map(|part| rows(300, 0..10, 0.25, 10 * seed + part));
        let results = run_all(&Trial::new(&golden, &[], &now, Some(&reference), seed));
        for (name, result) in &results {
            *alarms.entry(*name).or_insert(0) += usize::from(result.alarm == Some(true));
            if let Some(coverage) = result.coverage {
                assert!(coverage > 0.8, "{name} {coverage}");
            }
            assert!(result.novelty.as_ref().is_none_or(|n| n.len() == 300 && n.iter().all(|x| x.is_finite())));
        }
    }
    println!("{alarms:?}");
    // Nominal level 0.05; 5 of 20 has probability 0.003. The others have fixed cuts.
    for name in ["evidently: domain classifier", "evidently: MMD", "alibi-detect: MMD", "G-test on clusters"] {
        assert!(alarms[name] < 5, "{name} {}", alarms[name]);
    }
}

#[test]
fn disjoint_traffic_is_uncovered_and_alarms_with_and_without_a_reference() {
    let [golden, reference] = [0, 1].map(|seed| rows(300, 0..10, 0.25, seed));
    let now = rows(300, 20..30, 0.25, 2);
    for window in [Some(&reference), None] {
        let results = run_all(&Trial::new(&golden, &[], &now, window, 3));
        for (name, result) in &results {
            // Examples of vanished topics still have a nearest centroid; see `clusters::counting`.
            let uncovered = *name == "cluster counting" || result.coverage.is_none_or(|c| c < 0.02);
            assert!(uncovered && result.alarm != Some(false), "{name} {result:?}");
        }
        let answers = results.iter().filter(|(_, r)| r.coverage.is_some() != r.alarm.is_some()).count();
        assert_eq!(answers, if window.is_some() { 11 } else { 9 });
    }
}

#[test]
fn a_new_quarter_lowers_coverage_and_stands_out() {
    let [golden, reference] = [0, 1].map(|seed| rows(400, 0..9, 0.25, seed));
    let mut now = rows(300, 0..9, 0.25, 2);
    rows(100, 20..23, 0.25, 3).rows().for_each(|row| now.push(row));
    let results = run_all(&Trial::new(&golden, &[], &now, Some(&reference), 4));
    for name in ["prdc coverage", "cosine 0.7", "reference 5 % quantile", "cluster counting", "median ratio"] {
        let result = find(&results, name);
        println!("{name} {:?}", result.coverage);
        assert!((0.6..0.8).contains(&result.coverage.unwrap()), "{name} {:?}", result.coverage);
        let novelty = result.novelty.unwrap();
        assert!(mann_whitney_auc(&novelty[300..], &novelty[..300]).unwrap() > 0.95, "{name}");
    }
}

#[test]
fn prdc_coverage_has_the_expectation_of_its_paper() {
    for (examples, records, expected) in [(1000.0_f64, 1000.0_f64, 0.969), (40.0, 2000.0, 0.094)] {
        let golden = rows(examples as usize, 0..DIM, 20.0, 5);
        let now = rows(records as usize, 0..DIM, 20.0, 6);
        let formula =
            1.0 - (1..=5).map(|i| (records - f64::from(i)) / (records + examples - f64::from(i))).product::<f64>();
        assert!((formula - expected).abs() < 1e-3, "{formula}");
        let coverage = coverage::prdc(&Trial::new(&golden, &[], &now, None, 0)).coverage.unwrap();
        assert!((coverage - expected).abs() < 0.03, "{coverage} {expected}");
    }
}

#[test]
fn without_data_to_compare_there_is_no_result() {
    let empty = Vectors::new(DIM);
    let some = rows(60, 0..3, 0.25, 1);
    let mut zeros = Vectors::new(DIM);
    (0..20).for_each(|_| zeros.push(&[0.0; DIM]));
    let mut other = Vectors::new(2);
    (0..20).for_each(|_| other.push(&[1.0, 0.0]));
    for missing in [&empty, &zeros, &other] {
        for (golden, now, reference) in
            [(&some, missing, Some(&some)), (&some, missing, None), (missing, &some, None), (missing, missing, None)]
        {
            if golden.dim() == now.dim() && golden.dim() == 2 {
                continue;
            }
            for (name, result) in run_all(&Trial::new(golden, &[], now, reference, 1)) {
                assert_eq!(result, BaselineResult::default(), "{name}");
            }
        }
    }
}

#[test]
fn small_and_equal_windows_do_not_fail() {
    let mut same = Vectors::new(DIM);
    (0..30).for_each(|_| same.push(rows(1, 0..1, 0.25, 1).row(0)));
    for n in [1, 2, 3, 5, 6, 30] {
        let (few, many) = (rows(n, 0..3, 0.25, n as u64), rows(40, 0..3, 0.25, 8));
        for (golden, now, reference) in [
            (&few, &few, Some(&few)),
            (&many, &few, Some(&many)),
            (&few, &many, None),
            (&same, &same, Some(&same)),
            (&same, &few, None),
        ] {
            for (name, result) in run_all(&Trial::new(golden, &[], now, reference, 1)) {
                assert!(result.coverage.is_none_or(|c| (0.0..=1.0).contains(&c)), "{name} {n}");
                assert!(
                    result.novelty.is_none_or(|v| v.len() == now.len() && v.iter().all(|x| x.is_finite())),
                    "{name}"
                );
            }
        }
    }
    let results = run_all(&Trial::new(&same, &[], &same, Some(&same), 1));
    assert!(results.iter().all(|(_, result)| result.alarm != Some(true)), "{results:?}");
}

#[test]
fn results_depend_only_on_the_seed() {
    let [golden, reference, now] = [0, 1, 2].map(|part| rows(700, 0..12, 0.9, part));
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run_all(&Trial::new(&golden, &[], &now, Some(&reference), seed)))
    };
    assert_eq!(run(1, 5), run(3, 5));
}
