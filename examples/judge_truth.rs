//! Measures, where the truth is known, what karat says about judges that err: how often the interval of a corrected
//! pass rate contains the true one, and how often a bias or a drift is found that does not exist. What is usually done
//! sees the same draws: the judge's own score, normal intervals, and the interval of Lang & Reiczigel (2014).
//!
//!     cargo run --release --example judge_truth -- --repetitions 4000 --seed 1
//!
//! The exit code is 1 if a promise was not kept.

use std::process::ExitCode;

use karat::judge_validation::{
    Answer, Bias, Compared, Confusion, DriftVerdict, LabelledSample, MARGIN, Outcome, OwnAnswer, Pick, Rejudged,
    Uncorrectable, drift, family_bias, length_bias, pass_rate, position_bias,
};
use karat::stats::{rng, wilson};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

const CONFIDENCE: f64 = 0.95;

/// The normal quantile of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

const TRUTHS: [f64; 6] = [0.1, 0.3, 0.5, 0.7, 0.85, 0.95];

/// Numbers of judged outcomes without a label.
const SIZES: [usize; 3] = [200, 500, 2000];

/// The coverage of every row must lie between these.
const LEAST: f64 = 0.93;
const MOST: f64 = 0.97;

/// Most of the repetitions in which the judge's own score may be right about the truth.
const RAW_MOST: f64 = 0.90;

/// Pass rate of the labelled answers of another run.
const RATE_ELSEWHERE: f64 = 0.6;

/// A judge and how many answers people have labelled for it.
#[derive(Clone, Copy)]
struct Judge {
    sensitivity: f64,
    specificity: f64,
    labels: usize,
}

impl Judge {
    const USUAL: Judge = Judge { sensitivity: 0.85, specificity: 0.80, labels: 200 };

    /// The verdicts of a person and of the judge.
    fn verdicts(&self, p: f64, rng: &mut impl Rng) -> (bool, bool) {
        let person = rng.random_bool(p);
        (person, rng.random_bool(if person { self.sensitivity } else { 1.0 - self.specificity }))
    }
}

/// How the labels came about.
#[derive(Clone, Copy, PartialEq)]
enum Sample {
    Random,
    ByVerdict,
    Elsewhere,
}

impl Sample {
    const ALL: [Sample; 3] = [Sample::Random, Sample::ByVerdict, Sample::Elsewhere];

    fn name(self) -> &'static str {
        match self {
            Sample::Random => "random sample of the run",
            Sample::ByVerdict => "by the judge's verdict",
            Sample::Elsewhere => "another run",
        }
    }

    fn usual(self) -> &'static str {
        match self {
            Sample::Random => "PPI++, normal",
            Sample::ByVerdict => "normal",
            Sample::Elsewhere => "Lang & Reiczigel",
        }
    }
}

/// What one repetition found.
struct Found {
    /// Whether the interval of karat contains the truth; `None` if it says that the labels cannot tell.
    covered: Option<bool>,
    width: f64,
    usual: bool,
    raw: bool,
}

/// Counts of verdicts: (person, judge) in the order pass/pass, pass/fail, fail/pass, fail/fail.
type Counts = [f64; 4];

fn counts(pairs: impl Iterator<Item = (bool, bool)>) -> Counts {
    pairs.fold([0.0; 4], |[a, b, c, d], pair| match pair {
        (true, true) => [a + 1.0, b, c, d],
        (true, false) => [a, b + 1.0, c, d],
        (false, true) => [a, b, c + 1.0, d],
        (false, false) => [a, b, c, d + 1.0],
    })
}

fn number(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// One run of which people labelled some outcomes, or of which none is labelled.
fn repetition(sample: Sample, judge: Judge, unlabelled: usize, p: f64, rng: &mut ChaCha8Rng) -> Found {
    let labelled = if sample == Sample::Elsewhere { 0 } else { judge.labels };
    let pairs: Vec<(bool, bool)> = (0..unlabelled + labelled).map(|_| judge.verdicts(p, rng)).collect();
    let chosen = match sample {
        Sample::ByVerdict => half_of_each_verdict(&pairs, labelled),
        _ => (0..pairs.len()).map(|at| at < labelled).collect(),
    };
    let elsewhere: Vec<(bool, bool)> = (0..judge.labels).map(|_| judge.verdicts(RATE_ELSEWHERE, rng)).collect();
    let confusion = Confusion::of(&elsewhere);
    let outcome = |(at, ((person, judged), chosen)): (usize, (&(bool, bool), &bool))| Outcome {
        judge: number(*judged),
        person: chosen.then(|| number(*person)),
        example: at,
        weight: 1.0,
    };
    let outcomes: Vec<Outcome> = pairs.iter().zip(&chosen).enumerate().map(outcome).collect();
    let labels = match sample {
        Sample::Random => LabelledSample::RandomOfRun,
        Sample::ByVerdict => LabelledSample::ByVerdict,
        Sample::Elsewhere => LabelledSample::Elsewhere(&confusion),
    };
    let (passes, n) = (pairs.iter().filter(|(_, judged)| *judged).count() as f64, pairs.len() as f64);
    let with_label = counts(pairs.iter().zip(&chosen).filter(|(_, chosen)| **chosen).map(|(pair, _)| *pair));
    let usual = match sample {
        Sample::Random => powered_normal(with_label, passes, n),
        Sample::ByVerdict => stratified_normal(with_label, passes, n),
        Sample::Elsewhere => lang_reiczigel(counts(elsewhere.into_iter()), passes, n),
    };
    let found = pass_rate(&outcomes, labels, CONFIDENCE);
    Found {
        covered: match found {
            Ok(found) => Some(found.interval.contains(p)),
            Err(Uncorrectable::Contradiction) => Some(false),
            Err(_) => None,
        },
        width: found.map_or(f64::NAN, |found| found.interval.width()),
        usual: usual.is_some_and(|(lo, hi)| lo <= p && p <= hi),
        raw: wilson(passes, n, CONFIDENCE).contains(p),
    }
}

/// Chooses as many outcomes that the judge passed as outcomes that it failed, as far as there are enough.
fn half_of_each_verdict(pairs: &[(bool, bool)], labels: usize) -> Vec<bool> {
    let failed = pairs.iter().filter(|(_, judged)| !judged).count();
    let of_failed = (labels / 2).min(failed).max(labels.saturating_sub(pairs.len() - failed));
    let mut left = [of_failed, labels - of_failed];
    let choose = |(_, judged): &(bool, bool)| match left.get_mut(usize::from(*judged)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    pairs.iter().map(choose).collect()
}

/// The normal interval of PPI++, as of ppi-python.
fn powered_normal([a, b, c, d]: Counts, passes: f64, all: f64) -> Option<(f64, f64)> {
    let n = a + b + c + d;
    let (person, judge, others) = ((a + b) / n, (a + c) / n, all - n);
    let (elsewhere, overall) = ((passes - a - c) / others, passes / all);
    let spread = overall * (1.0 - overall) * all / (all - 1.0);
    let lambda = ((a / n - person * judge) / ((1.0 + n / others) * spread)).clamp(0.0, 1.0);
    let rest = person - lambda * judge;
    let squares = (a * (1.0 - lambda).powi(2) + b + c * lambda * lambda) / n - rest * rest;
    let variance = lambda * lambda * elsewhere * (1.0 - elsewhere) / others + squares / n;
    let (value, half) = (lambda * elsewhere + rest, Z * variance.sqrt());
    Some((value - half, value + half))
}

/// The normal interval of post-stratification.
fn stratified_normal([a, b, c, d]: Counts, passes: f64, all: f64) -> Option<(f64, f64)> {
    let (q, u, v) = (passes / all, a / (a + c), b / (b + d));
    let of = |share: f64, n: f64| share * (1.0 - share) / n;
    let variance = q * q * of(u, a + c) + (1.0 - q).powi(2) * of(v, b + d) + (u - v).powi(2) * of(q, all);
    let (value, half) = (q * u + (1.0 - q) * v, Z * variance.sqrt());
    Some((value - half, value + half))
}

/// The interval of Lang & Reiczigel (2014) for a rate corrected by an estimated sensitivity and specificity.
fn lang_reiczigel([a, b, c, d]: Counts, passes: f64, all: f64) -> Option<(f64, f64)> {
    let (n, positive, negative) = (all + Z * Z, a + b + 2.0, c + d + 2.0);
    let (q, se, sp) = ((passes + 0.5 * Z * Z) / n, (a + 1.0) / positive, (d + 1.0) / negative);
    let youden = se + sp - 1.0;
    let (of_se, of_sp) = (se * (1.0 - se) / positive, sp * (1.0 - sp) / negative);
    let value = (q + sp - 1.0) / youden;
    let shift = 2.0 * Z * Z * (value * of_se - (1.0 - value) * of_sp);
    let variance = q * (1.0 - q) / n + value * value * of_se + (1.0 - value).powi(2) * of_sp;
    let half = Z * variance.sqrt() / youden;
    (youden > 0.0).then_some((value + shift - half, value + shift + half))
}

/// How often everything is repeated, and from which random numbers.
struct Plan {
    repetitions: u64,
    seed: u64,
}

impl Plan {
    /// Runs all repetitions of a cell, each with random numbers of its own, so that results do not depend on threads.
    fn each<T: Send>(&self, cell: u64, run: impl Fn(&mut ChaCha8Rng) -> T + Send + Sync) -> Vec<T> {
        (0..self.repetitions).into_par_iter().map(|at| run(&mut rng(self.seed, cell << 32 | at))).collect()
    }

    /// The largest share measured by chance, in three standard errors, where the true share is `share`.
    fn by_chance(&self, share: f64) -> f64 {
        share + 3.0 * (share * (1.0 - share) / self.repetitions as f64).sqrt()
    }
}

fn share<T>(items: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    items.iter().filter(|item| holds(item)).count() as f64 / items.len() as f64
}

/// Keeps what was promised and prints it at the end.
#[derive(Default)]
struct Promises(Vec<(String, bool)>);

impl Promises {
    /// Promises that all figures lie in a range, and remembers the outermost ones.
    fn within(&mut self, name: &str, least: f64, most: f64, figures: &[f64]) {
        let lowest = figures.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let text = format!(
            "| {name} | {:.1} to {:.1} | {:.1} to {:.1} |",
            100.0 * least,
            100.0 * most,
            100.0 * lowest,
            100.0 * highest
        );
        self.0.push((text, lowest >= least && highest <= most));
    }

    fn print(&self) -> bool {
        println!("\n| promise | bounds | measured | kept |\n|---|--:|--:|---|");
        self.0.iter().for_each(|(text, kept)| println!("{text} {} |", if *kept { "yes" } else { "**no**" }));
        self.0.iter().all(|(_, kept)| *kept)
    }
}

/// The judge of the promise: every truth with every number of outcomes.
fn truth(plan: &Plan, promises: &mut Promises) {
    for (number, sample) in Sample::ALL.into_iter().enumerate() {
        println!("\n## Labels: {}\n", sample.name());
        println!("| true rate | unlabelled | karat | width | {} | the judge's own score |", sample.usual());
        println!("|--:|--:|--:|--:|--:|--:|");
        let (mut coverage, mut raw) = (Vec::new(), Vec::new());
        for (row, p) in TRUTHS.into_iter().enumerate() {
            for (column, size) in SIZES.into_iter().enumerate() {
                let cell = (100 * number + 10 * row + column) as u64;
                let found = plan.each(cell, |rng| repetition(sample, Judge::USUAL, size, p, rng));
                let covered = share(&found, |found| found.covered == Some(true));
                let (usual, own) = (share(&found, |found| found.usual), share(&found, |found| found.raw));
                let widths = found.iter().map(|found| found.width).filter(|width| width.is_finite());
                let width = widths.sum::<f64>() / found.len() as f64;
                let [covered_text, usual, own_text] =
                    [covered, usual, own].map(|share| format!("{:.1}", 100.0 * share));
                println!("| {p:.2} | {size} | {covered_text} | {width:.3} | {usual} | {own_text} |");
                coverage.push(covered);
                raw.push(own);
            }
        }
        promises.within(&format!("{}: coverage", sample.name()), LEAST, MOST, &coverage);
        if sample == Sample::Random {
            promises.within("the judge's own score: coverage", 0.0, RAW_MOST, &raw);
        }
    }
}

/// Other judges, and fewer labels: coverage may be higher than promised, but not lower.
fn others(plan: &Plan, promises: &mut Promises) {
    let judge = |sensitivity, specificity, labels| Judge { sensitivity, specificity, labels };
    let judges = [
        judge(0.85, 0.8, 50),
        judge(0.95, 0.95, 200),
        judge(0.95, 0.95, 50),
        judge(0.99, 0.99, 100),
        judge(0.6, 0.55, 200),
    ];
    println!("\n## Other judges, 500 unlabelled outcomes, lowest and highest coverage over the true rates\n");
    println!("| Se | Sp | labels | sample | karat | undefined | usual |\n|--:|--:|--:|---|--:|--:|--:|");
    let mut lowest = Vec::new();
    for (at, judge) in judges.into_iter().enumerate() {
        for (number, sample) in Sample::ALL.into_iter().enumerate() {
            let (mut karat, mut usual, mut undefined) = (Vec::new(), Vec::new(), 0.0_f64);
            for (row, p) in TRUTHS.into_iter().enumerate() {
                let cell = (1000 + 100 * at + 10 * number + row) as u64;
                let found = plan.each(cell, |rng| repetition(sample, judge, 500, p, rng));
                let defined: Vec<&Found> = found.iter().filter(|found| found.covered.is_some()).collect();
                karat.push(share(&defined, |found| found.covered == Some(true)));
                usual.push(share(&defined, |found| found.usual));
                undefined = undefined.max(1.0 - defined.len() as f64 / found.len() as f64);
            }
            let ends = |figures: &[f64]| {
                let end = |start: f64, of: fn(f64, f64) -> f64| 100.0 * figures.iter().copied().fold(start, of);
                format!("{:.1} to {:.1}", end(f64::INFINITY, f64::min), end(f64::NEG_INFINITY, f64::max))
            };
            let Judge { sensitivity, specificity, labels } = judge;
            let (karat_text, usual, undefined) = (ends(&karat), ends(&usual), 100.0 * undefined);
            println!(
                "| {sensitivity:.2} | {specificity:.2} | {labels} | {} | {karat_text} | {undefined:.1} | {usual} |",
                sample.name()
            );
            lowest.extend(karat);
        }
    }
    promises.within("other judges and fewer labels: coverage", LEAST, 1.0, &lowest);
}

/// Whether something is found, by karat and by the plain comparison.
type Alarm = (bool, bool);

/// Long answers are worse; each doubling of the length adds `favour` to the judge's chance to pass an answer.
fn of_length(favour: f64, rng: &mut ChaCha8Rng) -> Alarm {
    let mut answer = |_| {
        let doublings: f64 = rng.random_range(-2.0..2.0);
        let person = rng.random_bool(0.6 - 0.15 * doublings);
        let chance = if person { 0.85 } else { 0.2 } + favour * doublings;
        let length = 100.0 * doublings.exp2();
        Answer { person: number(person), judge: number(rng.random_bool(chance)), length }
    };
    let found = length_bias(&(0..300).map(&mut answer).collect::<Vec<_>>());
    let thirds = (found.thirds.first(), found.thirds.last());
    let apart =
        matches!(thirds, (Some(short), Some(long)) if long.difference.interval.lo > short.difference.interval.hi);
    (found.bias != Bias::NotShown, apart)
}

/// The judge's family is worse; the judge adds `favour` to its chance to pass.
fn of_family(favour: f64, rng: &mut ChaCha8Rng) -> Alarm {
    let mut answer = |at: usize| {
        let own = at.is_multiple_of(2);
        let person = rng.random_bool(if own { 0.5 } else { 0.8 });
        let chance = if person { 0.85 } else { 0.2 } + if own { favour } else { 0.0 };
        OwnAnswer { person: number(person), judge: number(rng.random_bool(chance)), own }
    };
    let found = family_bias(&(0..300).map(&mut answer).collect::<Vec<_>>());
    (found.bias != Bias::NotShown, found.difference.is_some_and(|difference| !difference.interval.contains(0.0)))
}

/// The better answer is shown first in most pairs; a share `favour` of the verdicts is for the first whatever it is.
fn of_position(favour: f64, rng: &mut ChaCha8Rng) -> Alarm {
    let mut pick = |better_first: bool| {
        let right = rng.random_bool(0.8);
        let first = rng.random_bool(favour) || better_first == right;
        if first { Pick::First } else { Pick::Second }
    };
    let mut compared = |at: usize| {
        let better_first = !at.is_multiple_of(3);
        Compared { shown: pick(better_first), swapped: Some(pick(!better_first)) }
    };
    let found = position_bias(&(0..200).map(&mut compared).collect::<Vec<_>>());
    (found.bias != Bias::NotShown, found.first_p <= 0.05)
}

/// The judge decides a tenth of the items again, and then fails right answers more often by `loss`.
fn of_drift(loss: f64, rng: &mut ChaCha8Rng) -> Alarm {
    let mut item = |_| {
        let person = rng.random_bool(0.7);
        let chance: f64 = if person { 0.85 } else { 0.2 };
        let old = rng.random_bool(chance);
        let again = if rng.random_bool(0.1) { rng.random_bool(chance) } else { old };
        let new = again && !(person && rng.random_bool(loss / chance));
        Rejudged { old: number(old), new: number(new), person: Some(number(person)) }
    };
    let found = drift(&(0..200).map(&mut item).collect::<Vec<_>>(), MARGIN);
    let differs = found.is_some_and(|found| found.differing.count > 0);
    (found.is_some_and(|found| found.verdict == DriftVerdict::Changed), differs)
}

/// Biases and drifts that do not exist, and some that do.
fn alarms(plan: &Plan, promises: &mut Promises) {
    type Draw = fn(f64, &mut ChaCha8Rng) -> Alarm;
    let kinds: [(&str, Draw, f64, &str); 4] = [
        ("long answers", of_length, 0.06, "thirds of lengths differ"),
        ("own family", of_family, 0.12, "judge − person differs"),
        ("shown first", of_position, 0.10, "share of the first"),
        ("drift", of_drift, 0.12, "a verdict differs"),
    ];
    println!("\n## Biases and drift: found where there is none, and where there is\n");
    println!("| what | none: karat | none: plainly | effect | karat | plain comparison |\n|---|--:|--:|--:|--:|---|");
    let mut alarms = Vec::new();
    for (at, (name, draw, effect, plain)) in kinds.into_iter().enumerate() {
        let found = |case: usize, effect: f64| {
            let found = plan.each((2000 + 10 * at + case) as u64, |rng| draw(effect, rng));
            [share(&found, |found| found.0), share(&found, |found| found.1)]
        };
        let ([none, plainly], [detected, _]) = (found(0, 0.0), found(1, effect));
        let [shown, plainly, detected] = [none, plainly, detected].map(|share| format!("{:.1}", 100.0 * share));
        println!("| {name} | {shown} | {plainly} | {effect:.2} | {detected} | {plain} |");
        alarms.push(none);
    }
    promises.within("a bias or drift that does not exist is found", 0.0, plan.by_chance(0.05), &alarms);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(repetitions), Some(seed)) = (option(&arguments, "--repetitions", 4000), option(&arguments, "--seed", 1))
    else {
        eprintln!("usage: judge_truth [--repetitions N] [--seed S]");
        return ExitCode::from(2);
    };
    println!("{repetitions} repetitions, seed {seed}. Percent of 95 % intervals that contain the true rate.");
    let Judge { sensitivity, specificity, labels } = Judge::USUAL;
    println!("Sensitivity {sensitivity}, specificity {specificity}, {labels} labelled answers.");
    let (plan, mut promises) = (Plan { repetitions, seed }, Promises::default());
    truth(&plan, &mut promises);
    others(&plan, &mut promises);
    alarms(&plan, &mut promises);
    if promises.print() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The value after `name`, or `usual` without it; `None` if it cannot be read.
fn option<T: std::str::FromStr>(arguments: &[String], name: &str, usual: T) -> Option<T> {
    match arguments.iter().position(|argument| argument == name) {
        Some(at) => arguments.get(at + 1)?.parse().ok(),
        None => Some(usual),
    }
}
