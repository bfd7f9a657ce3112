//! Builds the view from the findings of a measurement.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::cluster_views::cluster_views;
use super::drift::drift;
use super::estimate::estimate_view;
use super::findings::{Findings, shown};
use super::gates::{gates, karats};
use super::group_views::{group_views, id};
use super::inputs::TrafficWindow;
use super::moved::moved_view;
use super::slice::{slice_note, slice_view};
use crate::core::alarm::{Level, Look, level};
use crate::core::coverage::{Coverage, DriftGap, GoldenPoints};
use crate::core::domain::{ExampleIdx, ReasonCode, RecordIdx};
use crate::core::estimate::{Candidate, Selection, disagreement, next_to_label};
use crate::core::queue::{FlagChange, QueueState};
use crate::core::shift::{ShiftOptions, ShiftTest, shift_tests, vocabulary};
use crate::core::verdict::{Verdict, overall};
use crate::core::view::{
    CandidateView, CoverageView, DecayView, DriftView, ExampleView, LookView, ReasonView, RecordRow, ShiftView,
    SignalCount, summary,
};
use crate::core::wording::OtherLanguages;

/// Maximum number of candidates listed.
const CANDIDATES: usize = 20;

pub(super) fn view(findings: &Findings<'_>) -> DecayView {
    let Findings { coverage, clusters, .. } = findings;
    let look = look_view(findings);
    let gap = coverage.as_ref().and_then(|coverage| coverage.gap);
    let alarm = gap.zip(look.as_ref()).map(|(gap, look)| gap.p_value < look.level);
    let embeddable = |record: RecordIdx| findings.inputs.now.records.vectors().is_embeddable(record.0);
    let moved = moved_view(findings, alarm);
    let mut view = DecayView {
        drift_gap: gap.map(drift_view),
        alarm,
        look,
        drift: drift(findings, moved.as_ref()),
        moved,
        shift: shift_views(findings),
        clusters: cluster_views(findings),
        unrepresented: group_views(findings),
        unassigned_share: share(&findings.inputs.now, |record| clusters.now[record.0].is_none() && embeddable(record)),
        not_embeddable_share: share(&findings.inputs.now, |record| !embeddable(record)),
        examples: example_views(findings),
        signals: signal_counts(findings),
        candidates: candidate_views(findings),
        estimate: estimate_view(findings),
        notes: notes(findings),
        slice: slice_view(findings),
        ..base(findings)
    };
    view.notes.extend(view.slice.as_ref().map(slice_note));
    view.summary = summary(&view);
    view
}

/// What was measured, the coverage and the gates; everything else is empty.
fn base(findings: &Findings<'_>) -> DecayView {
    let Findings { inputs, live, clusters, .. } = findings;
    let coverage = findings.coverage.as_ref();
    let gates = gates(inputs.settings, coverage);
    DecayView {
        schema: "karat.decay/1".into(),
        dataset: inputs.dataset.name.clone(),
        dataset_version: inputs.dataset.version.clone(),
        clustering_version: clusters.version.clone(),
        space: inputs.space.to_owned(),
        window: inputs.now.summary(),
        reference: inputs.reference.as_ref().map(TrafficWindow::summary),
        karats: coverage.map(|coverage| karats(coverage.now.value)),
        coverage: coverage.map(|coverage| coverage_view(&coverage.now)),
        reference_coverage: coverage.and_then(|coverage| coverage.reference.as_ref()).map(coverage_view),
        golden: inputs.dataset.examples.len(),
        live: live.len(),
        verdict: if coverage.is_some() { overall(&gates) } else { Verdict::Inconclusive },
        gates,
        summary: String::new(),
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
        examples: Vec::new(),
        signals: Vec::new(),
        candidates: Vec::new(),
        estimate: None,
        slice: None,
        notes: Vec::new(),
    }
}

/// The level of this look; `None` if there is nothing to test.
fn look_view(findings: &Findings<'_>) -> Option<LookView> {
    let inputs = &findings.inputs;
    findings.coverage.as_ref()?.gap?;
    let look = Look {
        window: inputs.now.span,
        reference: inputs.reference.as_ref()?.span,
        dataset_version: inputs.dataset.version.clone(),
    };
    let promise = inputs.settings.policy.promise();
    let Level { level, spent } = level(&look, &inputs.looks, promise);
    let source = inputs.source.to_owned();
    Some(LookView { source, level, spent, alarm_level: promise.level, alarm_period: promise.period })
}

fn drift_view(gap: DriftGap) -> DriftView {
    DriftView { value: gap.value, lo: gap.interval.lo, hi: gap.interval.hi, p_value: gap.p_value }
}

fn notes(findings: &Findings<'_>) -> Vec<String> {
    let mut notes = findings.inputs.notes.clone();
    if findings.coverage.is_none() && !findings.inputs.now.records.is_empty() {
        notes.push(format!(
            "coverage cannot be calibrated on {} live examples: it takes at least 20, from at least two topics that the embedding model can tell apart",
            findings.live.len()
        ));
    }
    notes.extend(language_note(&findings.other_languages));
    notes.extend(wording_note(findings));
    notes.extend(message_note(findings));
    notes
}

/// Maximum number of languages or words listed in a note.
const LISTED: usize = 5;

/// What share of the requests is in languages that no example has.
fn language_note(other: &OtherLanguages) -> Option<String> {
    let total: f64 = other.shares.iter().map(|(_, share)| share).sum();
    let listed = other.shares.iter().take(LISTED);
    let listed: Vec<String> = listed.map(|(language, share)| format!("{language} {:.1} %", share * 100.0)).collect();
    (total > 0.0).then(|| {
        format!(
            "{:.0} % of the requests are in languages that no example has, and count as not represented: {}",
            total * 100.0,
            listed.join(", ")
        )
    })
}

/// Smallest effect of wording on coverage that is mentioned.
const MENTIONED_EFFECT: f64 = 0.02;

/// How the wording of the requests differs from that of the examples, if it matters.
fn wording_note(findings: &Findings<'_>) -> Option<String> {
    let (coverage, wording) = findings.coverage.as_ref().zip(findings.inputs.now.wording.as_ref())?;
    let (now, habits) = (&coverage.now, &wording.reworded.habits);
    let mut traits = Vec::new();
    let words = habits.extra_words.iter().take(LISTED);
    let words: Vec<String> = words.map(|extra| format!("\"{}\" in {:.0} %", extra.word, extra.share * 100.0)).collect();
    if !words.is_empty() {
        traits.push(words.join(", "));
    }
    if habits.typos >= 0.01 {
        traits.push(format!("{:.0} more typos per 100 requests", habits.typos * 100.0));
    }
    let mattered = (now.value - now.as_worded).abs() >= MENTIONED_EFFECT && !traits.is_empty();
    mattered.then(|| {
        format!(
            "requests are worded differently from the examples: {}; this is not counted as decay: without accounting for it, coverage would be {:.0} %",
            traits.join("; "),
            now.as_worded * 100.0
        )
    })
}

/// Smallest share of long messages that is mentioned.
const MENTIONED_MESSAGES: f64 = 0.05;

/// How many requests were compared in part only.
fn message_note(findings: &Findings<'_>) -> Option<String> {
    let divided = findings.inputs.now.wording.as_ref()?.reworded.habits.divided;
    (divided >= MENTIONED_MESSAGES).then(|| {
        format!(
            "{:.0} % of the requests are messages with more sentences than the examples; only the sentences that ask are compared",
            divided * 100.0
        )
    })
}

fn coverage_view(coverage: &Coverage) -> CoverageView {
    CoverageView { value: coverage.value, lo: coverage.interval.lo, hi: coverage.interval.hi }
}

/// Share of a window's traffic in the records for which `counts` is true.
fn share(window: &TrafficWindow<'_>, counts: impl Fn(RecordIdx) -> bool) -> f64 {
    let total = window.records.total_weight();
    let weights = window.records.weights().iter().enumerate();
    let counted = weights.filter(|(row, _)| counts(RecordIdx(*row)));
    if total > 0.0 { counted.map(|(_, weight)| weight).sum::<f64>() / total } else { 0.0 }
}

fn shift_views(findings: &Findings<'_>) -> Vec<ShiftView> {
    let inputs = &findings.inputs;
    let Some(then) = &inputs.reference else { return Vec::new() };
    let known_words = vocabulary(inputs.texts.iter().map(String::as_str));
    let options = ShiftOptions { seed: inputs.seed, ..ShiftOptions::default() };
    shift_tests(&then.records, &inputs.now.records, &known_words, options).into_iter().map(shift_view).collect()
}

pub(super) fn shift_view(test: ShiftTest) -> ShiftView {
    ShiftView {
        test: test.name.to_owned(),
        side: test.kind,
        statistic: test.statistic,
        p_value: test.adjusted,
        effect: test.effect,
        threshold: test.threshold,
        changed: test.alert,
        reference: test.reference,
        now: test.now,
        detail: shown(&test.detail),
    }
}

/// Flags that hold and were neither dismissed nor set aside, the strongest first.
fn queued<'f>(findings: &'f Findings<'_>) -> impl Iterator<Item = &'f FlagChange> {
    let open = |change: &&FlagChange| matches!(change.to, QueueState::Queued | QueueState::Confirmed);
    findings.changes.iter().filter(open)
}

fn example_views(findings: &Findings<'_>) -> Vec<ExampleView> {
    let inputs = &findings.inputs;
    let examples = inputs.dataset.examples.iter().enumerate();
    let rows: HashMap<&str, ExampleIdx> = examples.map(|(row, e)| (e.id.as_str(), ExampleIdx(row))).collect();
    let mut views: Vec<ExampleView> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for FlagChange { flag, to, .. } in queued(findings) {
        let place = *places.entry(&flag.example_id).or_insert_with(|| {
            let row = rows.get(flag.example_id.as_str());
            views.push(ExampleView {
                id: flag.example_id.clone(),
                status: *to,
                cluster: row.and_then(|row| findings.clusters.id(findings.clusters.of_example(*row))),
                input: row.map(|row| shown(&inputs.texts[row.0])).unwrap_or_default(),
                reasons: Vec::new(),
            });
            views.len() - 1
        });
        views[place].reasons.push(ReasonView {
            code: flag.code,
            score: flag.score,
            threshold: flag.threshold,
            evidence: flag.evidence.clone(),
        });
    }
    views
}

/// Number of flagged examples by first reason, the most frequent reason first.
fn signal_counts(findings: &Findings<'_>) -> Vec<SignalCount> {
    let mut seen = HashSet::new();
    let mut counts: BTreeMap<ReasonCode, usize> = BTreeMap::new();
    for FlagChange { flag, .. } in queued(findings).filter(|change| seen.insert(&change.flag.example_id)) {
        *counts.entry(flag.code).or_default() += 1;
    }
    let mut counts: Vec<SignalCount> = counts.into_iter().map(|(code, count)| SignalCount { code, count }).collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.name().cmp(b.code.name())));
    counts
}

fn candidate_views(findings: &Findings<'_>) -> Vec<CandidateView> {
    let Findings { inputs, live, .. } = findings;
    let records = &inputs.now.records;
    let groups = findings.group_of_records();
    let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
    let disputed = disagreement(records, golden, live.labels(), inputs.settings.policy.neighbours);
    let selection = Selection::of(CANDIDATES, inputs.seed);
    let picked = next_to_label(records, &findings.unrepresented, &disputed, selection).into_iter();
    let view = |Candidate { record: RecordIdx(row), gain, origin, probability }| CandidateView {
        record_id: records.ids()[row].to_owned(),
        input: shown(records.texts()[row]),
        cluster: findings.clusters.id(findings.clusters.now[row]),
        group: groups[row].map(id),
        gain,
        origin: Some(origin),
        probability,
    };
    picked.map(view).collect()
}

/// One row per record of the window.
pub(super) fn record_rows(findings: &Findings<'_>) -> Vec<RecordRow> {
    let Findings { inputs, live, coverage, clusters, .. } = findings;
    let records = &inputs.now.records;
    let groups = findings.group_of_records();
    let row = |row: usize| {
        let covered = coverage.as_ref().map(|coverage| coverage.now.records[row]);
        let nearest = covered.and_then(|record| record.nearest).map(|nearest| live.row(nearest));
        RecordRow {
            record_id: records.ids()[row].to_owned(),
            weight: records.weights()[row],
            cluster: clusters.id(clusters.now[row]),
            group: groups[row].map(id),
            nearest_example: nearest.map(|example| inputs.dataset.examples[example.0].id.clone()),
            similarity: nearest.and(covered).map(|record| record.similarity),
            p_represented: covered.map(|record| record.p_represented),
        }
    };
    (0..records.len()).map(row).collect()
}
