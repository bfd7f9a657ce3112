//! Reports for the tests of every format: a rich one that contains hostile text, and one with nothing measured.

use std::collections::BTreeMap;

use super::fixture_compare::compared;
use crate::core::domain::{CallErrorKind, ReasonCode, Window, WindowSummary};
use crate::core::estimate::Origin;
use crate::core::queue::QueueState;
use crate::core::shift::ShiftKind;
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::{
    CandidateView, ClaimIs, ClaimView, ClassificationView, ClusterView, ConfusionView, CorrectedScoreView,
    CountedShareView, CoverageView, DecayView, DisparityView, DriftFinding, DriftKind, DriftStatus, DriftView,
    ErrorView, EstimateView, ExampleView, FigureView, GroupView, JudgeView, LabelView, LatencyView, LookView, MissView,
    MixView, MovedShare, MovedView, OutcomeCounts, ParityVerdict, ParityView, PositionView, RateView, ReasonView,
    Report, RunJudgeValidationView, RunView, RunsView, ScoreView, ScorerErrorView, ShiftView, SignalCount,
    SliceScoreView, TopicsMoved, WordingMoved,
};

pub(super) const SCRIPT: &str = "Where is <script>alert(1)</script> | my parcel?";
pub(super) const ESCAPE: &str = "\u{1b}[31mred\u{1b}[0m \u{9b}2J and a \u{202e}reversed\u{202c} word";
pub(super) const FORMULA: &str = "=cmd(\"/c calc\")!A1";
pub(super) const LINK: &str = "[click](https://example.invalid/x) ]]> <img src=x onerror=alert(1)> `code`";

/// Panics if `text` contains a tag that a browser would act on.
pub(super) fn assert_no_markup(text: &str) {
    let lower = text.to_lowercase();
    for bad in ["<script", "<img", "javascript:"] {
        assert!(!lower.contains(bad), "{bad} survives: {}", near(&lower, bad));
    }
}

/// Panics if `text` contains a Markdown link or image. A bracket after a backslash is plain text.
pub(super) fn assert_no_link(text: &str) {
    let text = &text.replace("\\]", "");
    assert!(!text.contains("](http"), "a link survives: {}", near(text, "](http"));
}

/// Panics if `text` contains a character that controls a terminal or reorders text.
pub(super) fn assert_no_control(text: &str) {
    let steers =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(steers), "a control character survives");
}

fn near(text: &str, what: &str) -> String {
    let start = text.find(what).unwrap_or(0);
    text.get(start..).unwrap_or_default().chars().take(80).collect()
}

/// A report with both halves, two datasets, two runs, and hostile text.
pub(super) fn rich() -> Report {
    let quality = RunsView::new(vec![large(), small()]);
    let decay = vec![support(), billing()];
    let title = "Nightly: support and billing".into();
    let report = Report::new(title, "2026-10-01T06:00:00Z".into(), Some(quality), decay);
    Report { comparisons: vec![compared()], ..report }
}

/// A report on a dataset without traffic in the window.
pub(super) fn empty() -> Report {
    let view = DecayView {
        clustering_version: None,
        window: window("2026-09", 0, 0.0),
        reference: None,
        karats: None,
        coverage: None,
        reference_coverage: None,
        drift_gap: None,
        alarm: None,
        look: None,
        moved: None,
        drift: Vec::new(),
        shift: Vec::new(),
        clusters: Vec::new(),
        unrepresented: Vec::new(),
        unassigned_share: 0.0,
        not_embeddable_share: 0.0,
        golden: 0,
        live: 0,
        examples: Vec::new(),
        signals: Vec::new(),
        candidates: Vec::new(),
        estimate: None,
        slice: None,
        gates: Vec::new(),
        verdict: Verdict::Pass,
        notes: vec!["no traffic in the window 2026-09".into()],
        ..support()
    };
    Report::new("Nothing yet".into(), "2026-10-01T06:00:00Z".into(), None, vec![view])
}

fn window(text: &str, records: usize, weight: f64) -> WindowSummary {
    let Window { from, to } = Window::parse(text, jiff::Timestamp::UNIX_EPOCH).unwrap();
    WindowSummary { from, to, records, weight }
}

fn gate(name: &str, verdict: Verdict, detail: &str) -> GateResult {
    GateResult::new(name.into(), verdict, detail.into(), false)
}

pub(super) fn score(mean: f64, lo: f64, hi: f64, n: usize) -> ScoreView {
    ScoreView { mean: Some(mean), lo: Some(lo), hi: Some(hi), n }
}

fn miss(id: &str, input: &str, expected: &[&str], output: &str, reason: Option<&str>) -> MissView {
    MissView {
        example_id: id.into(),
        input: input.into(),
        expected: expected.iter().map(|text| (*text).into()).collect(),
        output: output.into(),
        score: 0.0,
        reason: reason.map(str::to_owned),
    }
}

fn slice(slice: &str, critical: bool, score: ScoreView, p: f64) -> SliceScoreView {
    SliceScoreView { slice: slice.into(), critical, score, p_value: p, p_adjusted: p, lower: p < 0.05 }
}

fn parity() -> ParityView {
    let rate = |n, value, lo, hi| RateView { n, value, lo, hi };
    let group = |group: &str| GroupView {
        group: group.into(),
        positive: rate(60, Some(0.5), 0.368, 0.632),
        true_positive: rate(31, Some(0.9), 0.742, 0.98),
        false_positive: rate(0, None, 0.0, 1.0),
    };
    let measure = |measure: &str, difference: Option<f64>, verdict, detail: &str| DisparityView {
        measure: measure.into(),
        difference,
        lo: 0.01,
        hi: 0.31,
        largest: difference.map(|_| SCRIPT.to_owned()),
        smallest: difference.map(|_| "m".to_owned()),
        verdict,
        detail: detail.into(),
        first: difference.map(|_| 0.02),
        grown: false,
    };
    ParityView {
        group: "gender".into(),
        positive: "approve".into(),
        limit: 0.1,
        groups: vec![group(SCRIPT), group("m")],
        measures: vec![
            measure("demographic_parity", Some(0.12), ParityVerdict::NotEnoughData, LINK),
            measure(
                "equal_opportunity",
                None,
                ParityVerdict::NotMeasurable,
                "no example is labelled as the measure needs it",
            ),
        ],
    }
}

fn claim() -> ClaimView {
    ClaimView {
        scorer: "exact".into(),
        claimed: 0.94,
        source: LINK.into(),
        prompt: Some(ESCAPE.into()),
        scaffold: None,
        context_length: Some(8192),
        measured: Some(score(0.8725, 0.8391, 0.9006, 392)),
        claim_is: ClaimIs::Above,
    }
}

fn judge_validation() -> RunJudgeValidationView {
    RunJudgeValidationView {
        validation_id: "0199a2f5-1b07-7c3d-8f10-6a2b9c4d5e6f".into(),
        scorer: "tone".into(),
        at: "2026-09-20T08:00:00Z".into(),
        n: 200,
        agreement: Some(CountedShareView { value: 0.87, lo: 0.816, hi: 0.91, count: 174, of: 200 }),
        kappa: Some(FigureView { value: 0.71, lo: 0.6, hi: 0.81 }),
        score: CorrectedScoreView {
            run_id: "0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21".into(),
            endpoint: "chat-large".into(),
            prompt: None,
            outcomes: 390,
            judged: Some(0.741),
            corrected: Some(FigureView { value: 0.702, lo: 0.631, hi: 0.77 }),
            method: Some("rogan_gladen".into()),
            detail: "The judge errs as often here as on the labelled answers, where people pass and where they fail."
                .into(),
        },
    }
}

fn judge() -> JudgeView {
    JudgeView {
        judges: vec!["grader".into()],
        models: vec!["grader-2026-08".into()],
        calls: 790,
        cached: 12,
        errors: 2,
        unreadable: 1,
        prompt_tokens: 410_020,
        completion_tokens: 38_111,
        cost: Some(0.4213),
        position: vec![PositionView {
            scorer: "better".into(),
            pairs: 395,
            flipped: 61,
            decided: 702,
            first: 398,
            lo: 0.529,
            hi: 0.604,
        }],
        validation: Some(judge_validation()),
    }
}

fn classification() -> ClassificationView {
    let label = |label: &str, support: f64, predicted: f64, precision: f64, recall: f64| LabelView {
        label: label.into(),
        support,
        predicted,
        precision: Some(precision),
        recall: Some(recall),
        recall_interval: Some([recall - 0.05, recall + 0.04]),
        f1: 2.0 * precision * recall / (precision + recall),
    };
    let confusion = |expected: &str, predicted: Option<&str>, count: f64| ConfusionView {
        expected: expected.into(),
        predicted: predicted.map(str::to_owned),
        count,
    };
    ClassificationView {
        scorer: "exact".into(),
        labels: vec![label(FORMULA, 200.0, 190.0, 0.947, 0.9), label("refund", 195.0, 202.0, 0.891, 0.923)],
        confusions: vec![confusion("refund", Some(FORMULA), 10.0), confusion(FORMULA, None, 3.0)],
        accuracy: 0.911,
        macro_f1: 0.915,
        weighted_f1: 0.914,
        balanced_accuracy: 0.912,
        matthews_correlation: 0.83,
        no_label: 3.0,
        total: 395.0,
    }
}

fn large() -> RunView {
    let scores = [("exact", score(0.8725, 0.8391, 0.9006, 392)), ("similarity", score(0.913, 0.894, 0.932, 392))];
    RunView {
        run_id: "0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21".into(),
        suite: "support".into(),
        suite_version: "5e".repeat(32),
        dataset: "support".into(),
        dataset_version: "a1b2c3d4".repeat(8),
        endpoint: "chat-large".into(),
        prompt: None,
        repeats: 1,
        models: vec!["chat-large-2026-08".into()],
        started_at: "2026-10-01T05:41:00Z".into(),
        finished: true,
        outcomes: OutcomeCounts { total: 400, scored: 392, errored: 5, skipped: 3, unscored: 2 },
        errors: vec![
            ErrorView { kind: CallErrorKind::Timeout, count: 4, message: "no answer within 30 s".into() },
            ErrorView { kind: CallErrorKind::BadAnswer, count: 1, message: format!("not JSON: {ESCAPE} {LINK}") },
        ],
        scorer_errors: vec![ScorerErrorView {
            scorer: "tone".into(),
            count: 2,
            message: format!("the judge did not answer: timeout: {ESCAPE}"),
        }],
        scores: scores.into_iter().map(|(name, score)| (name.to_owned(), score)).collect(),
        slices: vec![
            slice("tag=billing", true, score(0.82, 0.70, 0.90, 61), 0.021),
            slice(&format!("language={SCRIPT}"), false, score(1.0, 0.342, 1.0, 2), 1.0),
        ],
        parity: Some(parity()),
        claims: vec![claim()],
        primary: "exact".into(),
        gates: vec![
            gate("exact >= 0.92", Verdict::Fail, "0.873 (0.839–0.901): the whole interval lies below 0.92"),
            gate("similarity >= 0.85", Verdict::Pass, "0.913 (0.894–0.932)"),
            gate(
                "exact >= 0.88",
                Verdict::Inconclusive,
                "0.873 (0.839–0.901) holds 0.88; about 2,100 more examples would decide",
            ),
        ],
        latency: Some(LatencyView {
            p50_ms: 412.0,
            p95_ms: 1_260.0,
            ttft_p50_ms: None,
            ttft_p95_ms: None,
            tokens_per_second: None,
        }),
        prompt_tokens: 184_220,
        completion_tokens: 21_904,
        cost: None,
        cached: 0,
        judge: Some(judge()),
        classification: Some(classification()),
        notes: Vec::new(),
        misses: vec![
            miss(
                "s-0017",
                "Until when are you open on Sundays?",
                &["closed", "we are closed on Sundays"],
                "18:00",
                Some("no accepted answer"),
            ),
            miss("s-0101", SCRIPT, &[FORMULA], LINK, None),
            miss(
                "s-0204",
                ESCAPE,
                &["a | b"],
                "The parcel is at the depot.\nIt leaves tomorrow.",
                Some("differs at character 4"),
            ),
        ],
        verdict: Verdict::Fail,
    }
}

fn small() -> RunView {
    RunView {
        run_id: "0199a2f9-1d02-7e90-8c3b-aa0b7e4416f0".into(),
        endpoint: "chat-small".into(),
        models: Vec::new(),
        finished: false,
        outcomes: OutcomeCounts { total: 400, scored: 0, errored: 61, skipped: 0, unscored: 0 },
        errors: vec![ErrorView { kind: CallErrorKind::RateLimited, count: 61, message: "429: slow down".into() }],
        scorer_errors: Vec::new(),
        judge: None,
        classification: None,
        scores: BTreeMap::from([("exact".to_owned(), ScoreView { mean: None, lo: None, hi: None, n: 0 })]),
        gates: vec![gate("exact >= 0.92", Verdict::Incomplete, "61 of 61 calls failed, more than 5 % of them")],
        latency: None,
        prompt_tokens: 0,
        completion_tokens: 0,
        misses: vec![miss("s-0001", "Hello?", &["Hello!"], "", None)],
        verdict: Verdict::Incomplete,
        ..large()
    }
}

struct Traffic(f64, f64, f64);

fn cluster(
    id: &str,
    name: &str,
    traffic: Traffic,
    reference: Option<f64>,
    golden: (usize, usize),
    p: Option<f64>,
) -> ClusterView {
    ClusterView {
        id: id.into(),
        name: name.into(),
        terms: name.split(' ').map(str::to_owned).collect(),
        traffic_share: traffic.0,
        lo: traffic.1,
        hi: traffic.2,
        reference_share: reference,
        golden: golden.0,
        live: golden.1,
        p_represented: p,
        exemplars: Vec::new(),
        nearest_example: None,
        nearest_input: None,
        emerging: reference.is_none(),
    }
}

fn clusters() -> Vec<ClusterView> {
    let mut locker = cluster("c-07", "locker code", Traffic(0.0512, 0.0408, 0.0633), None, (0, 0), Some(0.04));
    locker.exemplars = vec![
        "My locker code does not work".into(),
        "I never got the code for the parcel locker at the station".into(),
        "locker says code expired, parcel still inside!!".into(),
    ];
    locker.nearest_example = Some("s-0007".into());
    locker.nearest_input = Some("Where is the parcel shop?".into());
    let mut pipes =
        cluster("c-05", "refund | <script>", Traffic(0.0284, 0.0211, 0.0371), Some(0.0261), (3, 1), Some(0.31));
    pipes.nearest_input = Some(FORMULA.into());
    pipes.exemplars = vec![SCRIPT.into(), ESCAPE.into(), LINK.into()];
    let delivery =
        cluster("c-01", "delivery date", Traffic(0.5430, 0.5190, 0.5660), Some(0.5770), (64, 61), Some(0.972));
    let hours = cluster("c-02", "opening hours", Traffic(0.3410, 0.3170, 0.3650), Some(0.3720), (53, 50), Some(0.991));
    vec![locker, pipes, delivery, hours]
}

fn groups() -> Vec<ClusterView> {
    let mut groups = clusters();
    groups.truncate(2);
    groups
}

fn reason(code: ReasonCode, score: f64, evidence: &str) -> ReasonView {
    ReasonView { code, score, threshold: 0.5, evidence: evidence.into() }
}

fn example(id: &str, cluster: Option<&str>, input: &str, reasons: Vec<ReasonView>) -> ExampleView {
    ExampleView {
        id: id.into(),
        status: QueueState::Queued,
        cluster: cluster.map(str::to_owned),
        input: input.into(),
        reasons,
    }
}

fn examples() -> Vec<ExampleView> {
    let vanished = "no request like it in 2026-09 (12 in 2026-06); clears when one is seen again";
    vec![
        example(
            "s-0042",
            Some("c-01"),
            "Can I pay the courier by cheque?",
            vec![
                reason(ReasonCode::TrafficVanished, 0.97, vanished),
                reason(ReasonCode::Expired, 0.6, "reviewed 400 days ago"),
            ],
        ),
        example(
            "s-0043",
            Some("c-01"),
            "Do you deliver by telegram?",
            vec![reason(ReasonCode::TrafficVanished, 0.91, vanished)],
        ),
        example(
            "s-0101",
            Some("c-05"),
            SCRIPT,
            vec![reason(ReasonCode::Conflicting, 0.88, "production answers otherwise in 7 of 8 close requests")],
        ),
        example("s-0102", None, FORMULA, vec![reason(ReasonCode::Conflicting, 0.71, ESCAPE)]),
        example(
            "-s-0103",
            None,
            LINK,
            vec![reason(ReasonCode::Duplicate, 0.55, "nearest neighbour s-0101 at cosine 0.99")],
        ),
    ]
}

fn candidate(id: &str, cluster: &str, input: &str, gain: f64) -> CandidateView {
    CandidateView {
        record_id: id.into(),
        input: input.into(),
        cluster: Some(cluster.into()),
        group: None,
        gain,
        origin: Some(Origin::Novel),
        probability: None,
    }
}

fn shift(test: &str, statistic: f64, p_value: f64, effect: f64, detail: &str) -> ShiftView {
    ShiftView {
        test: test.into(),
        side: ShiftKind::Input,
        statistic,
        p_value,
        effect,
        threshold: 0.1,
        changed: p_value < 0.05 && effect >= 0.1,
        reference: None,
        now: None,
        detail: detail.into(),
    }
}

fn look() -> LookView {
    LookView { source: "site".into(), level: 0.0024, spent: 0.00056, alarm_level: 0.05, alarm_period: 90 }
}

fn moved_share(id: Option<&str>, name: &str, reference: f64, now: f64) -> MovedShare {
    MovedShare { id: id.map(str::to_owned), name: name.into(), reference, now }
}

fn moved() -> MovedView {
    let topics = TopicsMoved {
        moved: true,
        effect: 0.062,
        lo: 0.034,
        hi: 0.091,
        p_value: 0.0004,
        sentence: "What people ask about moved: the share of requests about things that no example represents grew by 6.2 points since 2026-06.".into(),
        mix: Some(MixView { effect: 0.004, p_value: 0.31 }),
        groups: vec![moved_share(Some("u01"), "locker code", 0.001, 0.0492), moved_share(Some("u02"), "refund | <script>", 0.01, 0.02)],
        topics: Vec::new(),
    };
    let wording = WordingMoved {
        moved: true,
        effect: 0.031,
        p_value: Some(0.005),
        sentence: format!(
            "How people word their requests moved since 2026-06 (\"{ESCAPE}\" in 14 % (before: 2 %)); without accounting for it, coverage would have fallen by 3.1 points; this is not decay."
        ),
        differs: vec![format!("\"{ESCAPE}\" in 14 % (before: 2 %)")],
        tests: vec![shift("casing", 61.2, 0.005, 0.14, "lower case 0.31 → 0.44")],
        topics: vec![moved_share(None, LINK, 0.02, 0.4)],
    };
    MovedView { topics, wording }
}

fn drift() -> Vec<DriftFinding> {
    let finding = |what, of: Option<&str>, status, sentence: &str, evidence: &str| DriftFinding {
        what,
        of: of.map(str::to_owned),
        status,
        effect: Some(0.121),
        lo: Some(0.084),
        hi: Some(0.17),
        threshold: 0.05,
        detectable: Some(0.043),
        p_value: Some(0.003),
        compared: 812,
        sentence: sentence.into(),
        evidence: vec![evidence.into()],
    };
    let unchanged = DriftFinding {
        effect: Some(0.012),
        lo: None,
        hi: None,
        p_value: Some(0.31),
        ..finding(
            DriftKind::Answers,
            Some("chat-large"),
            DriftStatus::NoChange,
            "No change found in what it answers.",
            "run 0199 → run 019a",
        )
    };
    let missing = DriftFinding {
        effect: None,
        lo: None,
        hi: None,
        detectable: None,
        p_value: None,
        compared: 0,
        evidence: Vec::new(),
        ..finding(
            DriftKind::Labels,
            None,
            DriftStatus::NotMeasured,
            "Not measured: no earlier version of the set is stored.",
            "",
        )
    };
    vec![
        finding(
            DriftKind::Inputs,
            None,
            DriftStatus::Changed,
            "What people ask about moved.",
            "locker code: 0.1 % → 4.9 %",
        ),
        finding(DriftKind::Outputs, None, DriftStatus::Changed, "A change in what production answers.", SCRIPT),
        unchanged,
        missing,
    ]
}

fn support() -> DecayView {
    DecayView {
        schema: "karat.decay/1".into(),
        summary: String::new(),
        dataset: "support".into(),
        dataset_version: "a1b2c3d4".repeat(8),
        clustering_version: Some("tx-9f2c".into()),
        space: "hashed-ngrams/1 dim=512".into(),
        window: window("2026-09", 4_812, 48_120.0),
        reference: Some(window("2026-06", 5_120, 51_200.0)),
        karats: Some(21.888),
        coverage: Some(CoverageView { value: 0.912, lo: 0.881, hi: 0.935 }),
        reference_coverage: Some(CoverageView { value: 0.974, lo: 0.961, hi: 0.985 }),
        drift_gap: Some(DriftView { value: 0.062, lo: 0.034, hi: 0.091, p_value: 0.0004 }),
        alarm: Some(true),
        look: Some(look()),
        moved: Some(moved()),
        drift: drift(),
        shift: vec![
            shift("clusters", 288.41, 0.00002, 0.124, "delivery date 0.58 → 0.54"),
            shift("length", 0.021, 0.214, 0.021, "median 41 → 42 characters"),
        ],
        clusters: clusters(),
        unrepresented: groups(),
        unassigned_share: 0.0344,
        not_embeddable_share: 0.002,
        golden: 120,
        live: 112,
        examples: examples(),
        signals: vec![
            SignalCount { code: ReasonCode::TrafficVanished, count: 2 },
            SignalCount { code: ReasonCode::Conflicting, count: 2 },
            SignalCount { code: ReasonCode::Duplicate, count: 1 },
        ],
        candidates: vec![
            candidate("r-88121", "c-07", "My locker code does not work", 0.041),
            candidate("r-90233", "c-05", SCRIPT, 0.012),
            CandidateView {
                origin: Some(Origin::Random),
                probability: Some(0.0005),
                ..candidate("r-90871", "c-05", FORMULA, 0.0)
            },
        ],
        slice: None,
        estimate: Some(EstimateView {
            run_id: "0199a2f4-7c11-7b2e-9a55-3f1c5d0e8b21".into(),
            endpoint: "chat-large".into(),
            scorer: "exact".into(),
            raw: 0.8725,
            represented: 0.861,
            lo: 0.823,
            hi: 0.896,
            bound_lo: 0.747,
            bound_hi: 0.902,
            n_eff: 301.6,
            assumption: "within a cluster, the examples are answered as well as the traffic is".into(),
        }),
        gates: vec![
            gate(
                "coverage >= 0.9",
                Verdict::Inconclusive,
                "0.912 (0.881–0.935) holds 0.9; about 2,600 more records would decide",
            ),
            gate("drift <= 0.05", Verdict::Fail, "gap 0.062, p < 0.001"),
        ],
        verdict: Verdict::Fail,
        notes: vec!["latest record is 3 days old".into(), format!("2 records were dropped: {LINK}")],
    }
}

fn billing() -> DecayView {
    let mut invoices = cluster("b-01", "invoice copy", Traffic(1.0, 0.99, 1.0), Some(1.0), (40, 40), Some(0.983));
    invoices.emerging = false;
    DecayView {
        dataset: "billing".into(),
        dataset_version: "0f9e8d7c".repeat(8),
        window: window("2026-09", 902, 902.0),
        reference: None,
        karats: Some(23.592),
        coverage: Some(CoverageView { value: 0.983, lo: 0.968, hi: 0.992 }),
        reference_coverage: None,
        drift_gap: None,
        alarm: None,
        look: None,
        moved: None,
        shift: Vec::new(),
        clusters: vec![invoices],
        unrepresented: Vec::new(),
        unassigned_share: 0.0,
        not_embeddable_share: 0.0,
        golden: 40,
        live: 40,
        examples: Vec::new(),
        signals: Vec::new(),
        candidates: Vec::new(),
        estimate: None,
        slice: None,
        gates: vec![gate("coverage >= 0.9", Verdict::Pass, "0.983 (0.968–0.992)")],
        verdict: Verdict::Pass,
        notes: Vec::new(),
        ..support()
    }
}
