//! A comparison of two runs with hostile text, for the tests of every format.

use super::fixture::{ESCAPE, FORMULA, LINK, SCRIPT, score};
use crate::core::compare::Change;
use crate::core::contract::{Breaking, ChangeKind, JsonType, ShapeChange};
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::{
    CompareView, ComparedExamples, ComparedRun, CostDifferenceView, FlipView, LatencyDifferenceView, NotComparedView,
    ScoreDifferenceView, SliceDifferenceView,
};

/// The candidate is worse.
pub(super) fn compared() -> CompareView {
    CompareView {
        schema: "karat.compare/1".into(),
        base: run("0199a1f0-0000-7b2e-9a55-3f1c5d0e8b21", "last-pass", 1),
        candidate: run("0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21", "chat-large", 5),
        examples: ComparedExamples {
            common: 388,
            added: 2,
            removed: 1,
            edited: 1,
            added_ids: vec!["s-0400".into(), SCRIPT.into()],
            removed_ids: vec!["s-0003".into()],
            edited_ids: vec![LINK.into()],
        },
        margin: 0.02,
        verdict: Change::Worse,
        scores: vec![scores()],
        not_compared: vec![NotComparedView { scorer: "similarity".into(), reason: "only the base has it".into() }],
        slices: slices(),
        new_failures: vec![
            flip("s-0017", SCRIPT, FORMULA, LINK, false),
            flip("s-0101", ESCAPE, "18:00", "19:00", true),
        ],
        fixed: vec![flip("s-0300", "Where is my parcel?", "no idea", "at the depot", false)],
        latency: vec![latency("p50", 412.0, 398.0, Some((-31.0, 4.0))), latency("p95", 1_260.0, 2_410.0, None)],
        cost: Some(CostDifferenceView {
            requests: 388,
            base: 0.000_412,
            candidate: 0.000_398,
            difference: -0.000_014,
            lo: -0.000_021,
            hi: -0.000_007,
        }),
        contract: shape(),
        contract_answers: 388,
        gate: Some(GateResult::new(
            "exact not worse than the base by 0.02".into(),
            Verdict::Fail,
            "decided by exact".into(),
            true,
        )),
        notes: vec![format!("versions of the dataset differ: {LINK}")],
    }
}

fn run(id: &str, named: &str, errors: usize) -> ComparedRun {
    ComparedRun {
        run_id: id.into(),
        named: named.into(),
        suite: "support".into(),
        suite_version: "5e".repeat(32),
        dataset: "support".into(),
        dataset_version: "a1b2c3d4".repeat(8),
        endpoint: "chat-large".into(),
        prompt: None,
        repeats: 1,
        models: vec![ESCAPE.into()],
        started_at: "2026-10-01T05:41:00Z".into(),
        outcomes: 400,
        errors,
    }
}

fn scores() -> ScoreDifferenceView {
    ScoreDifferenceView {
        scorer: "exact".into(),
        n: 388,
        clusters: None,
        base: score(0.905, 0.872, 0.930, 388),
        candidate: score(0.871, 0.834, 0.901, 388),
        difference: Some(-0.0335),
        lo: Some(-0.0571),
        hi: Some(-0.0127),
        p_value: Some(0.0021),
        method: "McNemar's mid-p, Tango's interval".into(),
        detectable: Some(0.0317),
        better: 3,
        worse: 16,
        needed: None,
        verdict: Change::Worse,
    }
}

fn slices() -> Vec<SliceDifferenceView> {
    let slice = |slice: &str, critical, n, difference: Option<(f64, f64, f64)>, p| SliceDifferenceView {
        slice: slice.into(),
        critical,
        n,
        base: Some(0.9),
        candidate: difference.map(|(value, ..)| 0.9 + value),
        difference: difference.map(|(value, ..)| value),
        lo: difference.map(|(_, lo, _)| lo),
        hi: difference.map(|(.., hi)| hi),
        p_value: Some(p),
        p_adjusted: Some(p),
        verdict: if p < 0.05 { Change::Worse } else { Change::Inconclusive },
    };
    vec![
        slice("tag=billing", true, 61, Some((-0.131, -0.242, -0.061)), 0.0039),
        slice(&format!("channel={SCRIPT}"), false, 1, None, 1.0),
    ]
}

fn flip(id: &str, input: &str, base: &str, candidate: &str, flaky: bool) -> FlipView {
    FlipView {
        example_id: id.into(),
        base_score: 1.0,
        candidate_score: 0.0,
        flaky,
        input: input.into(),
        expected: vec![FORMULA.into()],
        base_output: base.into(),
        candidate_output: candidate.into(),
        reason: Some(format!("no accepted answer: {LINK}")),
    }
}

fn latency(percentile: &str, base: f64, candidate: f64, ends: Option<(f64, f64)>) -> LatencyDifferenceView {
    LatencyDifferenceView {
        percentile: percentile.into(),
        requests: 388,
        base_ms: base,
        candidate_ms: candidate,
        difference_ms: candidate - base,
        lo_ms: ends.map(|(lo, _)| lo),
        hi_ms: ends.map(|(_, hi)| hi),
    }
}

fn shape() -> Vec<ShapeChange> {
    let change = |path: &str, kind, breaking, reason: &str| ShapeChange {
        path: path.into(),
        kind,
        base_share: 1.0,
        candidate_share: 0.02,
        breaking,
        reason: reason.into(),
    };
    vec![
        change(
            "$.label",
            ChangeKind::Renamed { to: "$.class_label".into() },
            Breaking::Yes,
            "the schema requires \"label\"",
        ),
        change(
            "$.price",
            ChangeKind::TypeChanged { from: vec![JsonType::Integer], to: vec![JsonType::String] },
            Breaking::Unknown,
            LINK,
        ),
        change(
            SCRIPT,
            ChangeKind::EnumChanged { gone: vec![FORMULA.into()], new: vec![ESCAPE.into()] },
            Breaking::No,
            SCRIPT,
        ),
    ]
}
