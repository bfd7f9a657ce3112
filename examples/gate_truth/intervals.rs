//! How often 95 % intervals of a mean, and of a paired difference, contain the truth.

use karat::stats::{clustered_mean, paired_difference, score_interval, t_interval_df};
use rand::{Rng, RngExt};

use super::naive;
use super::runs::{pass, passes};
use super::section::{Plan, Section, mean, percent, share};

const SIZES: [usize; 4] = [20, 50, 200, 1000];
const CONFIDENCE: f64 = 0.95;

/// The mean coverage must lie between these, and no single one at the smallest size below the last.
const MEAN_LEAST: f64 = 0.93;
const MEAN_MOST: f64 = 0.97;
const LEAST: f64 = 0.90;

/// Whether the interval of karat, Student's and the normal one contain the truth.
type Covered = [bool; 3];

/// The coverage of one method over the truths of a row.
struct Coverage {
    mean: f64,
    /// The lowest one, and the truth it belongs to.
    lowest: (f64, f64),
}

/// A size and kind of scores.
struct Row {
    n: usize,
    name: String,
    methods: Vec<Coverage>,
}

pub fn section(plan: &Plan) -> Section {
    let means = mean_rows(plan);
    let differences = difference_rows(plan);
    let mut section = Section::default();
    section.paragraph(
        "Coverage of the 95 % interval of a mean score, over true means p = 0.05, 0.15 … 0.95. A flaky example passes each \
         trial with probability p; the others always pass or always fail.",
    );
    print(&mut section, &means, "scores", "mean score");
    section.paragraph(
        "Coverage of the 95 % interval of the difference of two runs whose trials are independent given the difficulty of \
         each example, over true differences 0, −0.05 and −0.15.",
    );
    print(&mut section, &differences, "differences", "difference");
    section
}

fn mean_rows(plan: &Plan) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in SIZES {
        for (trials, flaky) in [(1, 0.0), (1, 0.3), (1, 1.0), (3, 0.0), (3, 0.3), (3, 1.0)] {
            let cell = |truth: usize| 10 * rows.len() + truth;
            let of = |number: usize| {
                let p = 0.05 + 0.1 * number as f64;
                let covered = plan.each(cell(number), || (), |(), rng| of_mean(n, trials, flaky, p, rng));
                (p, covered)
            };
            let name = format!("n = {n}, {trials} per example, {} % flaky", 100.0 * flaky);
            let methods = methods(&(0..10).map(of).collect::<Vec<_>>());
            rows.push(Row { n, name, methods });
        }
    }
    rows
}

fn difference_rows(plan: &Plan) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in SIZES {
        for trials in [1, 3] {
            let first = 1000 + 10 * rows.len();
            let of = |(number, truth): (usize, f64)| {
                (truth, plan.each(first + number, || (), |(), rng| of_difference(n, trials, truth, rng)))
            };
            let covered: Vec<(f64, Vec<Covered>)> = [0.0, -0.05, -0.15].into_iter().enumerate().map(of).collect();
            rows.push(Row { n, name: format!("n = {n}, {trials} per example"), methods: methods(&covered) });
        }
    }
    rows
}

fn methods(truths: &[(f64, Vec<Covered>)]) -> Vec<Coverage> {
    let of = |method: usize| {
        let each: Vec<(f64, f64)> =
            truths.iter().map(|(truth, covered)| (share(covered, |covered| covered[method]), *truth)).collect();
        let lowest = each.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::NAN, f64::NAN));
        Coverage { mean: mean(&each.iter().map(|(coverage, _)| *coverage).collect::<Vec<_>>()), lowest }
    };
    (0..3).map(of).collect()
}

fn of_mean(n: usize, trials: u32, flaky: f64, p: f64, rng: &mut impl Rng) -> Covered {
    let scores: Vec<f64> =
        (0..n).map(|_| if rng.random::<f64>() < flaky { passes(p, trials, rng) } else { pass(p, rng) }).collect();
    let Some(estimate) = clustered_mean(&scores, None) else { return [false; 3] };
    let student = t_interval_df(estimate.mean, estimate.variance, estimate.df, CONFIDENCE);
    let interval = score_interval(&scores, &estimate, CONFIDENCE);
    [interval.contains(p), student.contains(p), naive::normal_covers(&scores, p)]
}

fn of_difference(n: usize, trials: u32, truth: f64, rng: &mut impl Rng) -> Covered {
    let differences: Vec<f64> = (0..n)
        .map(|_| {
            // Most examples are easy, and none is hopeless, so that every one can become harder by the truth.
            let easy = 1.0 - 0.8 * rng.random::<f64>().powi(3);
            passes(easy + truth, trials, rng) - passes(easy, trials, rng)
        })
        .collect();
    let Some(estimate) = clustered_mean(&differences, None) else { return [false; 3] };
    let student = t_interval_df(estimate.mean, estimate.variance, estimate.df, CONFIDENCE);
    let found = paired_difference(&differences, &estimate, CONFIDENCE);
    [found.interval.contains(truth), student.contains(truth), naive::normal_covers(&differences, truth)]
}

fn print(section: &mut Section, rows: &[Row], what: &str, promised: &str) {
    let coverage = |method: &Coverage| {
        format!("{} / {} at {:.2}", percent(method.mean), percent(method.lowest.0), method.lowest.1)
    };
    let cells = |row: &Row| std::iter::once(row.name.clone()).chain(row.methods.iter().map(coverage)).collect();
    let printed: Vec<Vec<String>> = rows.iter().map(cells).collect();
    section.table(&[what, "karat: mean / lowest", "Student's t", "normal"], &printed);
    let karat = |row: &Row| row.methods.first().map(|method| (method.mean, row.name.clone()));
    let lowest = |row: &Row| row.methods.first().map(|method| (method.lowest.0, row.name.clone()));
    section.at_least(&format!("{promised}: mean coverage"), MEAN_LEAST, rows.iter().filter_map(karat));
    section.at_most(&format!("{promised}: mean coverage"), MEAN_MOST, rows.iter().filter_map(karat));
    let small = rows.iter().filter(|row| row.n == SIZES[0]);
    section.at_least(&format!("{promised}: lowest coverage at n = {}", SIZES[0]), LEAST, small.filter_map(lowest));
}
