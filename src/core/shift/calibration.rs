//! Simulations of all tests at once, with and without a change.

use std::collections::{BTreeMap, HashSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{ShiftKind, ShiftOptions, ShiftTest, shift_tests, vocabulary};
use crate::core::records::{Record, Records};
use crate::core::stats::{clopper_pearson, rng};
use crate::core::vector::Vectors;

/// The names of all tests, in order.
const NAMES: [&str; 10] = [
    "clusters",
    "mmd",
    "classifier",
    "length",
    "language",
    "format",
    "casing",
    "new words",
    "output length",
    "output format",
];

const DIM: usize = 8;

/// A window of synthetic traffic.
#[derive(Default)]
struct Window {
    rows: Vec<[f32; DIM]>,
    texts: Vec<String>,
    outputs: Vec<Option<String>>,
    weights: Vec<f64>,
    groups: Vec<usize>,
}

/// One synthetic request; `moved` is the share of traffic that has changed.
struct Request {
    row: [f32; DIM],
    text: String,
    output: Option<String>,
    /// Whether it is of the kind that one of the simulations samples at a higher rate.
    special: bool,
}

const ENGLISH: &str = "please tell me about the order that i placed last week";
const RUSSIAN: &str = "расскажите мне пожалуйста о заказе который я сделал";

fn request(rng: &mut ChaCha8Rng, moved: f64) -> Request {
    let changed = rng.random::<f64>() < moved;
    let special = rng.random::<f64>() < 0.3;
    let topic = if changed {
        5
    } else if special {
        0
    } else {
        rng.random_range(0..5)
    };
    let mut row = [0.0; DIM];
    row.iter_mut().for_each(|x| *x = rng.random::<f32>() - 0.5);
    row[topic] += 1.0;
    // Few texts are long English ones, since distinguishing languages of the same script takes most of the time.
    let language = if changed { 0.0 } else { rng.random() };
    let mut text = String::from(match language {
        ..0.2 => RUSSIAN,
        ..0.3 => ENGLISH,
        _ => "my order",
    });
    let words = rng.random_range(0..2) + if special { 1 } else { 0 } + if changed { 4 } else { 0 };
    (0..words).for_each(|_| text.push_str([" parcel", " invoice", " blockchain"][rng.random_range(0..3)]));
    if special || rng.random::<f64>() < 0.1 {
        text = text.to_uppercase();
    }
    text.push_str(if changed { "\nthanks" } else { ["?", ".", "\nthanks"][rng.random_range(0..3)] });
    let answer = if changed || rng.random::<f64>() < 0.3 { "[1, 2]".to_owned() } else { "Your order.".to_owned() };
    let output = format!("{answer}{}", " ".repeat(rng.random_range(0..30) + if special { 10 } else { 0 }));
    Request { row, text, output: Some(output), special }
}

impl Window {
    fn push(&mut self, request: &Request, weight: f64, group: usize) {
        self.rows.push(request.row);
        self.texts.push(request.text.clone());
        self.outputs.push(request.output.clone());
        self.weights.push(weight);
        self.groups.push(group);
    }

    fn vectors(&self) -> Vectors {
        let mut vectors = Vectors::new(DIM);
        self.rows.iter().for_each(|row| vectors.push(row));
        vectors
    }

    /// Without weights, every record counts once; without groups, every record is a group of its own.
    fn records<'a>(&'a self, vectors: &'a Vectors) -> Records<'a> {
        let record = |(row, text): (usize, &'a String)| Record {
            id: "",
            weight: self.weights.get(row).copied().unwrap_or(1.0),
            group: self.groups.get(row).copied().unwrap_or(row),
            text,
            output: self.outputs[row].as_deref(),
        };
        Records::new(vectors, self.texts.iter().enumerate().map(record))
    }

    /// Requests of users who each send one request `repeats` times.
    fn of_users(rng: &mut ChaCha8Rng, users: usize, repeats: usize, moved: f64) -> Self {
        let mut window = Self::default();
        for user in 0..users {
            let request = request(rng, moved);
            (0..repeats).for_each(|_| window.push(&request, 1.0, user));
        }
        window
    }

    /// `size` requests, of which all special ones were sampled, and others at a rate of 1 in 3.
    fn oversampled(rng: &mut ChaCha8Rng, size: usize) -> Self {
        let mut window = Self::default();
        for user in 0..size {
            let request = request(rng, 0.0);
            if request.special || rng.random::<f64>() < 1.0 / 3.0 {
                window.push(&request, if request.special { 1.0 } else { 3.0 }, user);
            }
        }
        window
    }
}

fn test(reference: &Window, now: &Window, options: ShiftOptions) -> Vec<ShiftTest> {
    let known: HashSet<String> = vocabulary([ENGLISH, RUSSIAN, "parcel invoice thanks"]);
    let (then, today) = (reference.vectors(), now.vectors());
    shift_tests(&reference.records(&then), &now.records(&today), &known, options)
}

/// The unadjusted p-values of every test over `runs` pairs of windows.
fn simulate(
    runs: u64,
    stream: u64,
    windows: impl Fn(&mut ChaCha8Rng) -> [Window; 2],
) -> BTreeMap<&'static str, Vec<f64>> {
    let mut found: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for seed in 0..runs {
        let [reference, now] = windows(&mut rng(seed, stream));
        let options = ShiftOptions { seed, permutations: 99, alpha: 0.05 };
        for test in test(&reference, &now, options) {
            found.entry(test.name).or_default().push(test.p_value);
        }
    }
    found
}

fn rejections(p: &[f64]) -> u64 {
    p.iter().filter(|p| **p <= 0.05).count() as u64
}

/// Asserts that every test rejects at level 0.05 no more often than allowed, and that its p-values are not too small on
/// average. The limits are at 99.99 %, so that with ten tests in three simulations none should fail by chance.
fn assert_calibrated(found: &BTreeMap<&'static str, Vec<f64>>, runs: u64) {
    assert_eq!(found.len(), NAMES.len());
    for (name, p) in found {
        assert_eq!(p.len() as u64, runs, "{name}");
        let mean = p.iter().sum::<f64>() / p.len() as f64;
        println!("{name}: {} of {runs} rejected at 0.05, mean p {mean:.3}", rejections(p));
        assert!(clopper_pearson(rejections(p), runs, 0.9999).lo <= 0.05, "{name}: {}", rejections(p));
        let error = (1.0 / 12.0 / p.len() as f64).sqrt();
        assert!(mean > 0.5 - 3.9 * error, "{name}: {mean}");
        if ["mmd", "classifier", "length"].contains(name) {
            // (Nearly) continuous statistics: p-values are uniform on both sides.
            assert!(mean < 0.55 + 3.9 * error, "{name}: {mean}");
        }
    }
}

#[test]
fn without_a_change_p_values_are_uniform_or_larger() {
    let found = simulate(200, 1, |rng| [Window::of_users(rng, 50, 1, 0.0), Window::of_users(rng, 40, 1, 0.0)]);
    assert_calibrated(&found, 200);
}

#[test]
fn users_who_repeat_themselves_are_not_mistaken_for_a_shift() {
    let windows = |rng: &mut ChaCha8Rng| [Window::of_users(rng, 30, 20, 0.0), Window::of_users(rng, 30, 20, 0.0)];
    assert_calibrated(&simulate(200, 2, windows), 200);
    let ungrouped = simulate(20, 2, |rng| windows(rng).map(|window| Window { groups: vec![], ..window }));
    assert!(rejections(&ungrouped["mmd"]) > 15, "without groups they would be");
}

#[test]
fn oversampling_in_one_window_is_not_mistaken_for_a_shift() {
    let windows = |rng: &mut ChaCha8Rng| [Window::of_users(rng, 100, 1, 0.0), Window::oversampled(rng, 150)];
    assert_calibrated(&simulate(200, 3, windows), 200);
    let unweighted = simulate(20, 3, |rng| windows(rng).map(|window| Window { weights: vec![], ..window }));
    println!("casing without weights: {} of 20", rejections(&unweighted["casing"]));
    assert!(rejections(&unweighted["casing"]) > 15, "without weights it would be");
}

#[test]
fn every_test_alerts_on_a_planted_shift() {
    let mut rng = rng(1, 4);
    let (reference, now) = (Window::of_users(&mut rng, 300, 1, 0.0), Window::of_users(&mut rng, 300, 2, 0.5));
    let tests = test(&reference, &now, ShiftOptions { permutations: 999, ..Default::default() });
    assert_eq!(tests.iter().map(|test| test.name).collect::<Vec<_>>(), NAMES);
    for test in &tests {
        let unchanged = ["casing", "new words", "output length"].contains(&test.name);
        assert!(test.alert || unchanged, "{test:?}");
        assert!(test.adjusted >= test.p_value && test.effect >= 0.0 && test.effect <= 1.0);
    }
    let language = &tests[4];
    assert!(language.detail.contains(" → ") && language.kind == ShiftKind::Input, "{language:?}");
    assert_eq!(tests[9].kind, ShiftKind::Output);
}

#[test]
fn a_shift_of_a_fifth_of_the_traffic_is_detected_in_most_runs() {
    let found = simulate(20, 5, |rng| [Window::of_users(rng, 200, 1, 0.0), Window::of_users(rng, 200, 1, 0.2)]);
    for name in ["clusters", "mmd", "classifier", "language", "length", "output format"] {
        println!("{name}: {} of 20", rejections(&found[name]));
        assert!(rejections(&found[name]) >= 12, "{name}: {}", rejections(&found[name]));
    }
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let mut rng = rng(1, 6);
    let (reference, now) = (Window::of_users(&mut rng, 150, 2, 0.0), Window::oversampled(&mut rng, 400));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| test(&reference, &now, ShiftOptions { permutations: 199, ..Default::default() }))
    };
    let one = run(1);
    assert_eq!(one.len(), NAMES.len());
    assert_eq!(one, run(4));
}

#[test]
fn a_test_with_too_little_to_compare_is_left_out() {
    let mut rng = rng(1, 7);
    let options = ShiftOptions { permutations: 19, ..Default::default() };
    let names = |reference: &Window, now: &Window| -> Vec<&str> {
        let tests = test(reference, now, options);
        assert!(tests.iter().all(|test| test.statistic.is_finite() && test.effect.is_finite()));
        tests.iter().map(|test| test.name).collect()
    };
    let full = Window::of_users(&mut rng, 40, 1, 0.0);
    assert!(names(&full, &Window::default()).is_empty() && names(&Window::default(), &full).is_empty());
    assert!(names(&full, &Window::of_users(&mut rng, 19, 9, 0.0)).is_empty(), "19 users are too few");
    let weightless = Window { weights: vec![0.0; 40], ..Window::of_users(&mut rng, 40, 1, 0.0) };
    assert!(names(&full, &weightless).is_empty());
    let constant = Window {
        rows: vec![[1.0; DIM]; 30],
        texts: vec!["hello there".to_owned(); 30],
        outputs: vec![Some("ok".to_owned()); 30],
        ..Window::default()
    };
    assert!(names(&constant, &constant).is_empty(), "equal records have nothing to compare");
    let unembeddable = Window { rows: vec![[0.0; DIM]; 40], ..Window::of_users(&mut rng, 40, 1, 0.0) };
    assert_eq!(names(&full, &unembeddable), NAMES[3..]);
    let mute = Window { outputs: vec![None; 40], ..Window::of_users(&mut rng, 40, 1, 0.0) };
    assert_eq!(names(&full, &mute), NAMES[..8]);
}

#[test]
fn an_alert_requires_both_significance_and_effect() {
    let mut rng = rng(1, 8);
    let (reference, now) = (Window::of_users(&mut rng, 100, 1, 0.0), Window::of_users(&mut rng, 100, 1, 0.6));
    let alerts = |alpha, permutations| {
        let tests = test(&reference, &now, ShiftOptions { seed: 1, permutations, alpha });
        tests.iter().filter(|test| test.alert).count()
    };
    assert!(alerts(0.05, 199) >= 5);
    assert_eq!((alerts(0.0, 199), alerts(f64::NAN, 199), alerts(0.05, 0)), (0, 0, 0));
}
