//! Tables of the decay half, each for one dataset.

use super::Table;
use crate::core::domain::ReasonCode;
use crate::core::estimate::Origin;
use crate::core::verdict::GateResult;
use crate::core::view::{
    Cell, ClusterView, CoverageView, DecayView, DriftFinding, ExampleView, MovedShare, MovedView, Phrase, ReasonView,
    count_of, line, phrase,
};

/// Coverage now and in the reference window.
pub(in crate::core::report) fn coverage(view: &DecayView) -> Table {
    let now = Some((&view.window, view.coverage, view.karats));
    let reference = view
        .reference
        .as_ref()
        .map(|window| (window, view.reference_coverage, view.reference_coverage.map(|c| c.value * 24.0)));
    let table = Table::of("Coverage", now.into_iter().chain(reference), usize::MAX)
        .name("Window", |(window, ..)| window.window().label())
        .number("Coverage", |(_, coverage, _)| coverage.map(share))
        .number("95 % interval", |(_, coverage, _)| coverage.map(|c| Cell::ShareInterval(c.lo, c.hi)))
        .number("Karats", |(.., karats)| karats.map(|karats| Cell::Number(karats, 1)))
        .number("Records", |(window, ..)| window.records)
        // The cast saturates; weights are never negative.
        .number("Requests", |(window, ..)| window.weight.round() as u64)
        .table();
    match drift(view) {
        Some(drift) => table.note(drift),
        None => table,
    }
}

fn share(coverage: CoverageView) -> Cell {
    Cell::Share(coverage.value, 1)
}

/// The drift gap in a sentence; `None` without a reference window.
pub(in crate::core::report) fn drift(view: &DecayView) -> Option<Phrase> {
    let drift = view.drift_gap?;
    Some(phrase![
        "Drift gap (reference − now): ",
        Cell::Points(drift.value),
        " points, ",
        Cell::Share(0.95, 0),
        " interval ",
        Cell::Points(drift.lo),
        " to ",
        Cell::Points(drift.hi),
        ". ",
        alarm(view, drift.p_value),
        "."
    ])
}

/// Whether there is an alarm, and why.
fn alarm(view: &DecayView, p: f64) -> Phrase {
    let word = match view.alarm {
        Some(true) => "Alarm",
        Some(false) => "No alarm",
        None => "Not tested",
    };
    let tested = phrase![word, ": p ", Cell::Level(p), " (of “the gap is at most 1 point”)"];
    let Some(look) = &view.look else { return tested };
    phrase![
        tested,
        if p < look.level { " is below " } else { " is not below " },
        Cell::Level(look.level),
        ", the level of this look (",
        Cell::Share(look.alarm_level, if look.alarm_level < 0.01 { 1 } else { 0 }),
        format!(" per {} of looking)", count_of(look.alarm_period as usize, "day"))
    ]
}

/// What moved since the reference window: what people ask about, and how they word it. Only the first is an alarm.
pub(in crate::core::report) fn moved(view: &DecayView) -> Table {
    let moved = view.moved.as_ref();
    let carried = |shares: &[MovedShare]| {
        let change = |share: &MovedShare| {
            format!("{} {:+.1} points", line(&share.name, 60), (share.now - share.reference) * 100.0)
                .replace(" -", " −")
        };
        shares.iter().take(3).map(change).collect::<Vec<_>>().join(", ")
    };
    let rows = moved.into_iter().flat_map(|MovedView { topics, wording }| {
        let topics_of = [topics.groups.clone(), topics.topics.clone()].concat();
        [
            ("topics", topics.moved, topics.effect, Some(topics.p_value), &topics.sentence, carried(&topics_of)),
            ("wording", wording.moved, wording.effect, wording.p_value, &wording.sentence, carried(&wording.topics)),
        ]
    });
    Table::of("What moved?", rows, usize::MAX)
        .name("What", |(what, ..)| *what)
        .name("Moved", |(_, moved, ..)| if *moved { "yes" } else { "no" })
        .number("Points", |(_, _, effect, ..)| Cell::Points(*effect))
        .number("p", |(_, _, _, p, ..)| p.map(Cell::Level))
        .prose("In words", |(.., sentence, _)| Cell::line(sentence, 500))
        .prose("Carried by", |(.., carried)| Cell::line(carried, 300))
        .table()
        .note("Points of coverage: by how much it fell because of new topics, and by how much more it would have fallen if the wording were not accounted for. Only topics raise the alarm.")
}

/// The kinds of drift told apart.
pub(in crate::core::report) fn kinds_of_drift(view: &DecayView) -> Table {
    let what = |finding: &&DriftFinding| match &finding.of {
        Some(of) => Cell::line(&format!("{} of {of}", finding.what.name()), 60),
        None => finding.what.name().into(),
    };
    let interval = |finding: &&DriftFinding| finding.lo.zip(finding.hi).map(|(lo, hi)| Cell::ShareInterval(lo, hi));
    Table::of("Which kind of drift?", &view.drift, usize::MAX)
        .name("What", what)
        .name("Changed", |finding| finding.status.name())
        .number("Effect", |finding| finding.effect.map(|effect| Cell::Share(effect, 1)))
        .number("95 % interval", interval)
        .number("Floor", |finding| Cell::Share(finding.threshold, 0))
        .number("Detectable", |finding| finding.detectable.map(|effect| Cell::Share(effect, 1)))
        .number("p (Holm)", |finding| finding.p_value.map(Cell::PValue))
        .number("Compared", |finding| finding.compared)
        .prose("In words", |finding| Cell::line(&finding.sentence, 500))
        .prose("Evidence", |finding| Cell::line(&finding.evidence.join("; "), 300))
        .table()
        .note("Inputs: what people ask about. Outputs: what production answers to the same topics. Answers: what one endpoint answers to the same examples. Labels: what the right answer is. Changed: significant, and at least “Floor”. Detectable: what would have been found in four of five cases. Only inputs raise the alarm, at its own level.")
}

/// Groups of traffic that no example represents.
pub(in crate::core::report) fn unrepresented(view: &DecayView, limit: usize) -> Table {
    Table::of("Traffic without examples", &view.unrepresented, limit)
        .name("Cluster", |cluster| cluster_name(cluster))
        .number("Share", |cluster| Cell::Share(cluster.traffic_share, 1))
        .number("95 % interval", |cluster| Cell::ShareInterval(cluster.lo, cluster.hi))
        .number("Represented", |cluster| represented(cluster))
        .number("Live", |cluster| cluster.live)
        .prose("Typical requests", |cluster| exemplars(cluster))
        .table()
}

/// Typical requests of a cluster.
pub(in crate::core::report) fn exemplars(cluster: &ClusterView) -> String {
    cluster.exemplars.iter().take(3).map(|text| line(text, 100)).collect::<Vec<_>>().join(" · ")
}

fn cluster_name(cluster: &ClusterView) -> String {
    let new = if cluster.emerging { " (new)" } else { "" };
    format!("{}{new}", line(&cluster.name, 80))
}

/// The represented share of a cluster.
pub(in crate::core::report) fn represented(cluster: &ClusterView) -> Cell {
    cluster.p_represented.map(|p| Cell::Share(p, 1)).into()
}

/// Every cluster, the largest unrepresented share first.
pub(in crate::core::report) fn clusters(view: &DecayView, limit: usize) -> Table {
    Table::of(format!("{}: all clusters", line(&view.dataset, 60)), &view.clusters, limit)
        .name("Cluster", |cluster| cluster_name(cluster))
        .name("Id", |cluster| Cell::line(&cluster.id, 60))
        .number("Share", |cluster| Cell::Share(cluster.traffic_share, 1))
        .number("95 % interval", |cluster| Cell::ShareInterval(cluster.lo, cluster.hi))
        .number("At reference", |cluster| cluster.reference_share.map(|share| Cell::Share(share, 1)))
        .number("Represented", |cluster| represented(cluster))
        .number("Examples", |cluster| cluster.golden)
        .number("Live", |cluster| cluster.live)
        .prose("Terms", |cluster| Cell::line(&cluster.terms.join(", "), 160))
        .table()
}

/// Flagged examples, the strongest reason first.
pub(in crate::core::report) fn flagged(view: &DecayView, limit: usize) -> Table {
    flagged_table("Flagged examples", view.examples.iter(), limit)
}

/// Flagged examples whose first reason is `code`.
pub(in crate::core::report) fn flagged_for(view: &DecayView, code: ReasonCode, limit: usize) -> Table {
    let examples =
        view.examples.iter().filter(|example| first_reason(example).is_some_and(|reason| reason.code == code));
    flagged_table(code.name(), examples, limit)
}

/// The distinct first reasons, in the order of the examples. Examples without a reason are skipped.
pub(in crate::core::report) fn first_reasons(view: &DecayView) -> Vec<ReasonCode> {
    let mut codes = Vec::new();
    for reason in view.examples.iter().filter_map(first_reason) {
        if !codes.contains(&reason.code) {
            codes.push(reason.code);
        }
    }
    codes
}

fn first_reason(example: &ExampleView) -> Option<&ReasonView> {
    example.reasons.first()
}

fn flagged_table<'a>(title: &str, examples: impl Iterator<Item = &'a ExampleView>, limit: usize) -> Table {
    let also = |example: &&ExampleView| {
        example.reasons.iter().skip(1).map(|reason| reason.code.name()).collect::<Vec<_>>().join(", ")
    };
    Table::of(title, examples, limit)
        .name("Example", |example| Cell::line(&example.id, 60))
        .name("Reason", |example| first_reason(example).map(|reason| reason.code.name()))
        .number("Score", |example| first_reason(example).map(|reason| Cell::Number(reason.score, 2)))
        .number("Threshold", |example| first_reason(example).map(|reason| Cell::Number(reason.threshold, 2)))
        .prose("Input", |example| Cell::line(&example.input, 160))
        .prose("Evidence", |example| first_reason(example).map(|reason| Cell::line(&reason.evidence, 300)))
        .name("Cluster", |example| example.cluster.as_deref())
        .name("Status", |example| example.status.name())
        .name("Also", also)
        .table()
        .without_empty_columns()
}

/// Flagged examples of several datasets with their first reasons, for a spreadsheet.
pub(in crate::core::report) fn flagged_sheet(decay: &[DecayView]) -> Table {
    let examples = decay.iter().flat_map(|view| view.examples.iter().map(move |example| (view, example)));
    let text = |text: &str| Cell::line(text, 2_000);
    let score = |pick: fn(&ReasonView) -> f64| {
        move |(_, example): &(&DecayView, &ExampleView)| {
            first_reason(example).map(|reason| Cell::Number(pick(reason), 4))
        }
    };
    Table::of("", examples, usize::MAX)
        .name("dataset", |(view, _)| text(&view.dataset))
        .name("id", |(_, example)| text(&example.id))
        .name("status", |(_, example)| example.status.name())
        .name("cluster", |(_, example)| example.cluster.as_deref().map(text))
        .name("code", |(_, example)| first_reason(example).map(|reason| reason.code.name()))
        .number("score", score(|reason| reason.score))
        .number("threshold", score(|reason| reason.threshold))
        .prose("evidence", |(_, example)| first_reason(example).map(|reason| text(&reason.evidence)))
        .prose("input", |(_, example)| text(&example.input))
        .table()
}

/// Records to label next.
pub(in crate::core::report) fn candidates(view: &DecayView, limit: usize) -> Table {
    Table::of("What to label next", &view.candidates, limit)
        .number("Gain", |candidate| Cell::Share(candidate.gain, 1))
        .name("Why", |candidate| candidate.origin.map(Origin::name))
        .prose("Request", |candidate| Cell::line(&candidate.input, 160))
        .name("Cluster", |candidate| candidate.cluster.as_deref())
        .name("Record", |candidate| Cell::line(&candidate.record_id, 60))
        .table()
        .note("Gain: the additional share of traffic that an example like this would represent. Why: it is in a group of unrepresented requests, or novel by itself, or production's answer is disputed by the nearest examples, or it was drawn at random.")
}

/// The decay gates.
pub(in crate::core::report) fn gates(view: &DecayView) -> Table {
    let gate = |gate: &&GateResult| Cell::line(&gate.name, 120);
    Table::of("Decay gates", &view.gates, usize::MAX)
        .name("Gate", gate)
        .verdict("Verdict", |gate| gate.verdict)
        .prose("Detail", |gate| Cell::line(&gate.detail, 300))
        .table()
}

/// Tests of the window against the reference.
pub(in crate::core::report) fn shift(view: &DecayView) -> Table {
    Table::of("Has traffic changed?", &view.shift, usize::MAX)
        .name("What", |test| Cell::line(&test.test, 80))
        .name("Changed", |test| if test.changed { "yes" } else { "no" })
        .number("p (Holm)", |test| Cell::PValue(test.p_value))
        .number("Effect", |test| Cell::Number(test.effect, 3))
        .number("Floor", |test| Cell::Number(test.threshold, 2))
        .prose("Reference → now", |test| Cell::line(&test.detail, 120))
        .table()
        .note("Changed: p is at most 0.05 and the effect is at least “Floor”. Permutation p-values, adjusted by Holm's method separately for the tests of requests and of outputs.")
}

/// Estimated scores on today's traffic, for every dataset with an estimate.
pub(in crate::core::report) fn estimates(decay: &[DecayView]) -> Table {
    let estimates = decay.iter().filter_map(|view| view.estimate.as_ref());
    Table::of("Scores on today's traffic", estimates, usize::MAX)
        .name("Endpoint", |estimate| Cell::line(&estimate.endpoint, 60))
        .name("Scorer", |estimate| Cell::line(&estimate.scorer, 60))
        .number("Raw", |estimate| Cell::Number(estimate.raw, 3))
        .number("Represented part", |estimate| Cell::Number(estimate.represented, 3))
        .number("95 % interval", |estimate| Cell::Interval(estimate.lo, estimate.hi, 3))
        .number("All wrong – all right", |estimate| Cell::Interval(estimate.bound_lo, estimate.bound_hi, 3))
        .number("Effective n", |estimate| Cell::Number(estimate.n_eff, 0))
        .table()
        .note("The represented part is weighted by today's traffic; the last interval counts the rest as all wrong or all right.")
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{empty, rich};
    use super::*;

    #[test]
    fn only_clusters_that_mostly_lack_examples_are_called_unrepresented() {
        let view = &rich().decay[0];
        let names: Vec<_> = unrepresented(view, 10).rows.into_iter().map(|row| row[0].to_string()).collect();
        assert_eq!(names.len(), 2);
        assert_eq!(names[0], "locker code (new)");
        assert_eq!(clusters(view, 10).rows.len(), 4);
    }

    #[test]
    fn flagged_examples_are_grouped_by_their_first_reason() {
        let view = &rich().decay[0];
        let grouped: usize = first_reasons(view).iter().map(|code| flagged_for(view, *code, 50).rows.len()).sum();
        assert_eq!(grouped, view.examples.iter().filter(|example| !example.reasons.is_empty()).count());
    }

    #[test]
    fn a_missing_measurement_is_a_dash_and_not_a_zero() {
        let view = &empty().decay[0];
        let none = Cell::NotMeasured;
        let row = ["2026-09".into(), none.clone(), none.clone(), none, Cell::Count(0), Cell::Count(0)];
        assert_eq!(coverage(view).rows, [row]);
        assert_eq!(drift(view), None);
    }
}
