use proptest::prelude::*;

use super::*;
use crate::core::domain::scorer::text::Exact;
use crate::core::domain::{Normalization, Reducer, Scorer, ScorerKind, SliceBy, SliceFamily};
use crate::core::golden::example_from_row;

fn scorer(name: &str, reduce: Reducer) -> Scorer {
    let kind = ScorerKind::Exact(Exact { normalize: vec![Normalization::Trim], value: None });
    Scorer { reduce, ..Scorer::new(name, kind) }
}

/// A run with one scorer; each item is the scores of the trials of an example, NaN for an error.
fn run(trials: &[Vec<f64>]) -> RunScores {
    let trial = |(number, score): (usize, &f64)| TrialScores {
        trial: number as u32,
        scores: [*score].into(),
        answered: !score.is_nan(),
        latency_ms: (!score.is_nan()).then_some(100.0 + number as f64),
        cost: None,
    };
    let examples = trials.iter().enumerate().map(|(number, scores)| ExampleTrials {
        id: format!("{number:04}"),
        trials: scores.iter().enumerate().map(trial).collect(),
    });
    RunScores { scorers: vec![scorer("exact", Reducer::Mean)], examples: examples.collect(), ..RunScores::default() }
}

fn single(scores: &[f64]) -> RunScores {
    run(&scores.iter().map(|score| vec![*score]).collect::<Vec<_>>())
}

/// `right` examples that pass and the rest, up to `n`, that do not.
fn passes(right: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| if i < right { 1.0 } else { 0.0 }).collect()
}

struct Setting {
    margin: f64,
    edited: BTreeSet<String>,
    clusters: Option<HashMap<String, usize>>,
    slices: Slices,
    flaky: HashSet<String>,
}

impl Setting {
    fn new() -> Self {
        Self { margin: 0.02, edited: BTreeSet::new(), clusters: None, slices: Slices::default(), flaky: HashSet::new() }
    }

    fn compare(&self, base: &RunScores, candidate: &RunScores) -> Comparison {
        let options = Options {
            margin: self.margin,
            edited: &self.edited,
            clusters: self.clusters.as_ref(),
            slices: &self.slices,
            flaky: &self.flaky,
            flips: 20,
        };
        compare(base, candidate, &options)
    }
}

fn verdict(base: &[f64], candidate: &[f64]) -> Change {
    Setting::new().compare(&single(base), &single(candidate)).scores[0].verdict
}

#[test]
fn the_verdict_follows_the_interval() {
    assert_eq!(verdict(&passes(300, 400), &passes(340, 400)), Change::Better);
    assert_eq!(verdict(&passes(340, 400), &passes(300, 400)), Change::Worse);
    assert_eq!(verdict(&passes(340, 400), &passes(340, 400)), Change::Same);
    assert_eq!(verdict(&passes(15, 20), &passes(16, 20)), Change::Inconclusive);
    assert_eq!(verdict(&passes(15, 20), &passes(15, 20)), Change::Inconclusive, "20 equal examples prove little");
}

#[test]
fn figures_of_a_comparison_are_those_of_the_methods_it_names() {
    let found = Setting::new().compare(&single(&passes(340, 400)), &single(&passes(310, 400)));
    let score = &found.scores[0];
    assert_eq!((score.n, score.worse, score.better), (400, 30, 0));
    assert!((score.difference.unwrap() + 0.075).abs() < 1e-12);
    assert!((score.p_value.unwrap() / 9.313_225_746e-10 - 1.0).abs() < 1e-6, "mid-p of 0 against 30 is 2^-30");
    assert_eq!(score.method, "McNemar's mid-p, Tango's interval");
    assert!(score.lo.unwrap() < -0.075 && score.hi.unwrap() < -0.05);
}

#[test]
fn an_inconclusive_comparison_says_how_many_examples_would_decide_it() {
    let found = Setting::new().compare(&single(&passes(150, 200)), &single(&passes(152, 200)));
    let score = &found.scores[0];
    assert_eq!(score.verdict, Change::Inconclusive);
    let needed = score.needed.unwrap();
    assert!(needed > 200 && needed < 2000, "{needed}");
    assert!(score.detectable.unwrap() > 0.02);
}

#[test]
fn added_removed_edited_and_failed_examples_are_not_compared() {
    let mut base = single(&passes(5, 10));
    let mut candidate = single(&passes(10, 10));
    base.examples.remove(0);
    candidate.examples.remove(9);
    candidate.examples[5] = run(&[vec![f64::NAN]]).examples.remove(0);
    candidate.examples[5].id = "0005".into();
    let mut setting = Setting::new();
    setting.edited.insert("0004".into());
    let found = setting.compare(&base, &candidate);
    let counts = (found.examples.common, found.examples.added, found.examples.removed, found.examples.edited);
    assert_eq!(counts, (7, 1, 1, 1));
    assert_eq!(found.examples.removed_ids, ["0009"]);
    assert_eq!((found.scores[0].n, found.scores[0].better), (6, 3), "0005 ended in an error, which is no wrong answer");
}

#[test]
fn repeats_make_an_example_more_precise_and_do_not_count_as_more_examples() {
    let flaky = |n: usize, passed: usize| -> RunScores {
        run(&(0..n).map(|i| (0..3).map(|t| f64::from(u8::from((i + t) % 3 < passed))).collect()).collect::<Vec<_>>())
    };
    let found = Setting::new().compare(&flaky(60, 2), &flaky(60, 2));
    let score = &found.scores[0];
    assert_eq!((score.n, score.difference), (60, Some(0.0)));
    assert_eq!(score.method, "score interval of paired means");
}

#[test]
fn examples_of_one_template_count_once() {
    let (base, candidate) = (single(&passes(300, 400)), single(&passes(340, 400)));
    let mut setting = Setting::new();
    setting.clusters = Some((0..400).map(|i| (format!("{i:04}"), i / 20)).collect());
    let clustered = setting.compare(&base, &candidate).scores.remove(0);
    let plain = Setting::new().compare(&base, &candidate).scores.remove(0);
    assert_eq!((clustered.clusters, plain.clusters), (Some(20), None));
    assert!(clustered.hi.unwrap() - clustered.lo.unwrap() > 2.0 * (plain.hi.unwrap() - plain.lo.unwrap()));
    assert_eq!(clustered.verdict, Change::Inconclusive);
}

#[test]
fn scorers_that_differ_are_named_and_not_compared() {
    let base = single(&passes(5, 10));
    let mut candidate = single(&passes(5, 10));
    candidate.scorers[0].kind = ScorerKind::Exact(Exact { normalize: vec![], value: None });
    let found = Setting::new().compare(&base, &candidate);
    assert!(found.scores.is_empty());
    assert_eq!(found.not_compared, [("exact".to_owned(), "it is defined differently in the two suites".to_owned())]);
}

#[test]
fn flips_are_listed_by_size_and_flaky_ones_last() {
    let base = run(&[vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 1.0], vec![0.0, 0.0], vec![1.0, 1.0]]);
    let candidate = run(&[vec![0.0, 0.0], vec![0.0, 0.0], vec![1.0, 0.0], vec![1.0, 1.0], vec![0.0, 0.0]]);
    let mut setting = Setting::new();
    setting.flaky.insert("0001".into());
    let found = setting.compare(&base, &candidate);
    let listed: Vec<(&str, bool)> = found.new_failures.iter().map(|f| (f.example_id.as_str(), f.flaky)).collect();
    assert_eq!(listed, [("0004", false), ("0001", true), ("0000", true), ("0002", true)]);
    assert_eq!(found.fixed.len(), 1);
}

#[test]
fn slices_are_adjusted_for_their_number_and_critical_ones_stand_alone() {
    let examples: Vec<_> = (0..400)
        .map(|i| {
            let row =
                serde_json::json!({"id": format!("{i:04}"), "input": format!("x{i}"), "tags": [format!("t{}", i % 4)]});
            example_from_row(1, row.as_object().unwrap().clone()).unwrap()
        })
        .collect();
    let base = single(&vec![1.0; 400]);
    // Slice t1 loses 8 of 100 examples.
    let candidate = single(&(0..400).map(|i| if i % 4 == 1 && i < 32 { 0.0 } else { 1.0 }).collect::<Vec<_>>());
    let family = |critical: &[&str]| SliceFamily {
        by: SliceBy::Tag,
        critical: critical.iter().map(|c| (*c).to_owned()).collect(),
    };
    let mut setting = Setting::new();
    setting.slices = Slices::new(&examples, &[family(&["t2"])], &[], &HashMap::new());
    let found = setting.compare(&base, &candidate);
    let names: Vec<&str> = found.slices.iter().map(|slice| slice.slice.as_str()).collect();
    assert_eq!((names[0], names[1]), ("tag=t2", "tag=t1"), "critical first, then the lowest p-value");
    let worse = &found.slices[1];
    assert_eq!((worse.verdict, worse.n), (Change::Worse, 100));
    assert!((worse.p_adjusted.unwrap() / worse.p_value.unwrap() - 3.0).abs() < 1e-9, "three slices are not critical");
    assert_eq!(found.slices[0].p_adjusted, found.slices[0].p_value);
}

#[test]
fn latency_is_compared_request_by_request() {
    let (base, mut candidate) = (single(&passes(200, 200)), single(&passes(200, 200)));
    for example in &mut candidate.examples {
        example.trials[0].latency_ms = Some(150.0);
    }
    let found = Setting::new().compare(&base, &candidate);
    let median = &found.latency[0];
    assert_eq!((median.percentile.as_str(), median.requests, median.difference_ms), ("p50", 200, 50.0));
    assert_eq!((median.lo_ms, median.hi_ms), (Some(50.0), Some(50.0)));
    assert_eq!(found.cost, None, "without prices");
}

#[test]
fn runs_without_common_examples_are_inconclusive() {
    let found = Setting::new().compare(&single(&[]), &single(&passes(5, 10)));
    assert_eq!((found.examples.common, found.scores[0].verdict), (0, Change::Inconclusive));
    assert_eq!((found.scores[0].difference, found.latency.len()), (None, 0));
}

proptest! {
    #[test]
    fn exchanging_the_runs_turns_the_verdict(a in prop::collection::vec(0_u8..=1, 2..80), seed in 0_u8..=1) {
        let base: Vec<f64> = a.iter().map(|x| f64::from(*x)).collect();
        let candidate: Vec<f64> = a.iter().enumerate().map(|(i, x)| if i % 3 == usize::from(seed) { 1.0 - f64::from(*x) } else { f64::from(*x) }).collect();
        let one = Setting::new().compare(&single(&base), &single(&candidate)).scores.remove(0);
        let other = Setting::new().compare(&single(&candidate), &single(&base)).scores.remove(0);
        prop_assert!((one.difference.unwrap() + other.difference.unwrap()).abs() < 1e-12);
        let turned = match one.verdict { Change::Better => Change::Worse, Change::Worse => Change::Better, same => same };
        prop_assert_eq!(turned, other.verdict);
    }
}
