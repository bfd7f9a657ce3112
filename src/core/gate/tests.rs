use proptest::prelude::*;

use super::minimum::{Needed, at_least, examples_needed, interval};
use super::*;
use crate::core::compare::{ExampleTrials, TrialScores};
use crate::core::domain::scorer::text::Exact;
use crate::core::domain::{Normalization, Percentile, Scorer, ScorerKind, SliceBy, SliceFamily};
use crate::core::golden::example_from_row;
use crate::core::stats::clustered_mean;

fn values(counts: &[(f64, usize)]) -> Values {
    Values { values: counts.iter().flat_map(|(value, count)| vec![*value; *count]).collect(), clusters: None, flaky: 0 }
}

fn needed(values: &Values, minimum: f64) -> Needed {
    let mean = values.values.iter().sum::<f64>() / values.values.len() as f64;
    examples_needed(&values.values, clustered_mean(&values.values, None).as_ref(), mean, minimum, 0.95)
}

#[test]
fn a_minimum_passes_fails_or_is_inconclusive() {
    let verdict = |counts: &[(f64, usize)], minimum| at_least(&values(counts), minimum, 0.95, 0.025).0;
    assert_eq!(verdict(&[(1.0, 950), (0.0, 50)], 0.9), Verdict::Pass);
    assert_eq!(verdict(&[(1.0, 800), (0.0, 200)], 0.9), Verdict::Fail);
    assert_eq!(verdict(&[(1.0, 88), (0.0, 12)], 0.9), Verdict::Inconclusive);
    assert_eq!(verdict(&[], 0.9), Verdict::Inconclusive);
}

#[test]
fn a_minimum_of_one_needs_every_example() {
    let (verdict, detail) = at_least(&values(&[(1.0, 20)]), 1.0, 0.95, 0.025);
    assert_eq!(verdict, Verdict::Pass);
    assert!(detail.contains("interval 0.839–1.000") && detail.contains("0 of 20 below 1"), "{detail}");
    assert_eq!(at_least(&values(&[(1.0, 19), (0.0, 1)]), 1.0, 0.95, 0.025).0, Verdict::Fail);
}

#[test]
fn repeated_runs_fail_only_at_their_own_level() {
    // 83 of 100 against 0.9: below at 2.5 %, but not at 0.1 %.
    let scores = values(&[(1.0, 83), (0.0, 17)]);
    assert_eq!(at_least(&scores, 0.9, 0.95, 0.025).0, Verdict::Fail);
    let (verdict, detail) = at_least(&scores, 0.9, 0.95, 0.001);
    assert_eq!(verdict, Verdict::Inconclusive);
    assert!(detail.contains("tell it from chance"), "{detail}");
}

#[test]
fn the_examples_needed_are_those_that_decide_the_evaluated_interval() {
    type Counts<'a> = &'a [(f64, usize)];
    let cases: [(&str, Counts<'_>, f64, Needed); 7] = [
        ("right and wrong: Wilson", &[(1.0, 88), (0.0, 12)], 0.9, Needed::About(865)),
        ("the mean equals the minimum", &[(0.5, 2), (0.25, 1), (0.75, 1)], 0.5, Needed::Never),
        ("the mean equals the minimum, right and wrong", &[(1.0, 5), (0.0, 5)], 0.5, Needed::Never),
        ("a single score strictly between 0 and 1", &[(0.6, 1)], 0.5, Needed::Unknown),
        ("a single pass", &[(1.0, 1)], 0.5, Needed::About(4)),
        ("a mean next to the minimum", &[(0.5, 11), (0.75, 1)], 0.521, Needed::TooMany),
        ("no spread: as uncertain as a proportion", &[(0.6, 5)], 0.5, Needed::About(100)),
    ];
    for (name, counts, minimum, expected) in cases {
        assert_eq!(needed(&values(counts), minimum), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn the_number_of_examples_needed_is_above_what_there_is_exactly_if_they_do_not_decide(
        scores in prop::collection::vec((0u8..=4).prop_map(|quarters| f64::from(quarters) / 4.0), 2..40),
        minimum in 0.0..=0.99_f64,
    ) {
        let values = Values { values: scores, clusters: None, flaky: 0 };
        let mean = values.values.iter().sum::<f64>() / values.values.len() as f64;
        if let Needed::About(needed) = needed(&values, minimum) {
            let decided = crate::core::verdict::evaluate_minimum(interval(&values, mean, 0.95), minimum) != Verdict::Inconclusive;
            prop_assert_eq!(decided, values.values.len() as u64 >= needed);
        }
    }
}

/// A run of single trials, one example per score.
fn run(scores: &[f64]) -> RunScores {
    let kind = ScorerKind::Exact(Exact { normalize: vec![Normalization::Trim], value: None });
    let examples = scores.iter().enumerate().map(|(number, score)| ExampleTrials {
        id: format!("{number:04}"),
        trials: vec![TrialScores {
            trial: 0,
            scores: [*score].into(),
            answered: true,
            latency_ms: Some(100.0),
            cost: Some(0.01),
        }],
    });
    RunScores { scorers: vec![Scorer::new("exact", kind)], examples: examples.collect(), evaluators: BTreeMap::new() }
}

struct Setting {
    run: RunScores,
    slices: Slices,
    baselines: BTreeMap<String, Baseline>,
    history: History,
}

impl Setting {
    fn new(run: RunScores) -> Self {
        Self { run, slices: Slices::default(), baselines: BTreeMap::new(), history: History::default() }
    }

    fn results(&self, gate: &Gate) -> Vec<GateResult> {
        let scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let latencies: Vec<f64> = (0..300).map(|i| 100.0 + f64::from(i)).collect();
        let evidence = Evidence {
            scores: &scores,
            latencies: &latencies,
            costs: &[0.01; 50],
            detail: Some(&self.run),
            slices: &self.slices,
            clusters: None,
            baselines: &self.baselines,
            history: &self.history,
        };
        evaluate_all(std::slice::from_ref(gate), "e", &evidence)
    }
}

fn gate(measure: GateMeasure, limit: GateLimit) -> Gate {
    Gate { measure, limit, slice: None, confidence: 0.95, endpoints: vec![], require_decision: false }
}

fn exact() -> GateMeasure {
    GateMeasure::Score("exact".into())
}

fn passes(right: usize, n: usize) -> Vec<f64> {
    (0..n).map(|i| if i < right { 1.0 } else { 0.0 }).collect()
}

#[test]
fn a_run_is_compared_with_its_baseline_example_by_example() {
    let base = |right| {
        let run = BaselineRun { label: "0199a2".into(), scores: run(&passes(right, 400)), edited: Default::default() };
        Baseline::Found(Box::new(run))
    };
    let not_worse = gate(exact(), GateLimit::NotWorse { baseline: "main".into(), margin: 0.05 });
    let mut setting = Setting::new(run(&passes(360, 400)));
    let verdict = |setting: &Setting| setting.results(&not_worse).remove(0).verdict;
    setting.baselines.insert("main".into(), base(362));
    assert_eq!(verdict(&setting), Verdict::Pass);
    setting.baselines.insert("main".into(), base(400));
    assert_eq!(verdict(&setting), Verdict::Fail);
    setting.baselines.insert("main".into(), base(380));
    let result = setting.results(&not_worse).remove(0);
    assert_eq!(result.verdict, Verdict::Inconclusive);
    assert!(
        result.detail.contains("difference -0.050") && result.detail.contains("against main (0199a2)"),
        "{}",
        result.detail
    );
    setting.baselines.insert("main".into(), Baseline::Missing("no run has the tag main".into()));
    let result = setting.results(&not_worse).remove(0);
    assert_eq!((result.verdict, result.detail.as_str()), (Verdict::Inconclusive, "no run has the tag main"));
}

#[test]
fn scores_of_a_scorer_that_was_defined_differently_are_not_compared() {
    let mut scores = run(&passes(400, 400));
    scores.scorers[0].kind = ScorerKind::Exact(Exact { normalize: vec![], value: None });
    let base = |scores: &RunScores| {
        let run = BaselineRun { label: "0199a2".into(), scores: scores.clone(), edited: Default::default() };
        Baseline::Found(Box::new(run))
    };
    let mut setting = Setting::new(run(&passes(100, 400)));
    let found = |setting: &Setting| {
        let limit = GateLimit::NotWorse { baseline: "main".into(), margin: 0.05 };
        let result = setting.results(&gate(exact(), limit)).remove(0);
        (result.verdict, result.detail)
    };
    setting.baselines.insert("main".into(), base(&scores));
    let differently = "exact is defined differently in main (0199a2)".to_owned();
    assert_eq!(found(&setting), (Verdict::Inconclusive, differently));
    scores.scorers[0].name = "other".into();
    setting.baselines.insert("main".into(), base(&scores));
    assert_eq!(found(&setting), (Verdict::Inconclusive, "there is no scorer exact in main (0199a2)".to_owned()));
}

#[test]
fn latency_and_cost_have_maxima() {
    let setting = Setting::new(run(&passes(10, 10)));
    let verdict = |measure, max| setting.results(&gate(measure, GateLimit::Max(max))).remove(0).verdict;
    assert_eq!(verdict(GateMeasure::Latency(Percentile::P95), 400.0), Verdict::Pass);
    assert_eq!(verdict(GateMeasure::Latency(Percentile::P95), 300.0), Verdict::Fail);
    assert_eq!(verdict(GateMeasure::Latency(Percentile::P95), 385.0), Verdict::Inconclusive);
    let close = setting.results(&gate(GateMeasure::Latency(Percentile::P95), GateLimit::Max(390.0))).remove(0);
    // The 95th percentile of 100 … 399 ms is 384.05, and its upper end 392: (7.95 / 5.95)² · 300 = 536.
    assert!(close.detail.ends_with("about 536 answers would decide it"), "{}", close.detail);
    assert_eq!(verdict(GateMeasure::Cost, 0.02), Verdict::Pass);
    assert_eq!(verdict(GateMeasure::Cost, 0.005), Verdict::Fail);
}

#[test]
fn a_critical_slice_gates_on_its_own() {
    let examples: Vec<_> = (0..400)
        .map(|i| {
            let tag = if i < 60 { "billing" } else { "other" };
            let row = serde_json::json!({"id": format!("{i:04}"), "input": format!("x{i}"), "tags": [tag]});
            example_from_row(1, row.as_object().unwrap().clone()).unwrap()
        })
        .collect();
    let family = SliceFamily { by: SliceBy::Tag, critical: vec!["billing".into(), "refunds".into()] };
    // Half of the 60 billing examples fail, and nothing else.
    let mut setting = Setting::new(run(&(0..400).map(|i| if i < 30 { 0.0 } else { 1.0 }).collect::<Vec<_>>()));
    setting.slices = Slices::new(&examples, &[family], &["tag=other"], &HashMap::new());
    let results = setting.results(&gate(exact(), GateLimit::Min(0.85)));
    let found: Vec<(&str, Verdict)> = results.iter().map(|result| (result.name.as_str(), result.verdict)).collect();
    let nobody = ("exact on tag=refunds >= 0.85", Verdict::Inconclusive);
    assert_eq!(found, [("exact >= 0.85", Verdict::Pass), ("exact on tag=billing >= 0.85", Verdict::Fail), nobody]);
    assert_eq!(results[2].detail, "no example is in the slice tag=refunds");
    let of_slice = |slice: &str| {
        let of = Gate { slice: Some(slice.into()), ..gate(exact(), GateLimit::Min(0.85)) };
        setting.results(&of).remove(0)
    };
    assert_eq!(of_slice("tag=other").verdict, Verdict::Pass);
    let missing = of_slice("tag=none");
    assert_eq!(
        (missing.verdict, missing.detail.as_str()),
        (Verdict::Inconclusive, "no example is in the slice tag=none")
    );
}

#[test]
fn slices_are_compared_with_the_rest() {
    let examples: Vec<_> = (0..400)
        .map(|i| {
            let row = serde_json::json!({"id": format!("{i:04}"), "input": "x", "tags": [format!("t{}", i % 8)]});
            example_from_row(1, row.as_object().unwrap().clone()).unwrap()
        })
        .collect();
    let mut setting =
        Setting::new(run(&(0..400).map(|i| if i % 8 == 3 && i % 3 == 0 { 0.0 } else { 1.0 }).collect::<Vec<_>>()));
    setting.slices =
        Slices::new(&examples, &[SliceFamily { by: SliceBy::Tag, critical: vec![] }], &[], &HashMap::new());
    let scores = BTreeMap::new();
    let evidence = Evidence {
        scores: &scores,
        latencies: &[],
        costs: &[],
        detail: Some(&setting.run),
        slices: &setting.slices,
        clusters: None,
        baselines: &setting.baselines,
        history: &setting.history,
    };
    let found = evidence.slice_scores("exact");
    assert_eq!((found[0].slice.as_str(), found[0].lower, found[0].score.n), ("tag=t3", true, 50));
    assert!(found[1..].iter().all(|slice| !slice.lower));
}

#[test]
fn warnings_in_a_row_demand_a_decision_and_gates_remember_their_level() {
    let mut setting = Setting::new(run(&passes(88, 100)));
    let warned = gate(exact(), GateLimit::Min(0.9));
    let past = GatePast { last: Some((Verdict::Inconclusive, 0.025, 1.0)), warnings: 2 };
    assert_eq!(setting.results(&warned)[0].counted(), Verdict::Pass);
    setting.history.0.insert("exact >= 0.9".into(), past);
    let result = setting.results(&warned).remove(0);
    assert_eq!(result.counted(), Verdict::Inconclusive);
    assert!((result.level.unwrap() - 0.025 / 30.0).abs() < 1e-12);
}

#[test]
fn an_example_whose_trials_disagree_counts_with_its_pass_rate() {
    let trials = |passed: [f64; 3]| -> Vec<TrialScores> {
        let trial = |(number, score): (usize, f64)| TrialScores {
            trial: number as u32,
            scores: [score].into(),
            answered: true,
            latency_ms: None,
            cost: None,
        };
        passed.into_iter().enumerate().map(trial).collect()
    };
    let mut setting = Setting::new(run(&[]));
    setting.run.scorers[0].reduce = Reducer::Majority;
    let flaky = |id: usize| if id.is_multiple_of(2) { [1.0, 1.0, 0.0] } else { [1.0, 1.0, 1.0] };
    setting.run.examples =
        (0..100).map(|id| ExampleTrials { id: format!("{id:04}"), trials: trials(flaky(id)) }).collect();
    let gate = gate(exact(), GateLimit::Min(0.9));
    assert!(needs_detail(&gate, &setting.run.scorers));
    let result = setting.results(&gate).remove(0);
    assert!(result.detail.starts_with("mean 0.833") && result.detail.contains("50 of them flaky"), "{}", result.detail);
}
