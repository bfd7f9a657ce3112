//! Tables of the decay half, each for one dataset.

use super::{Kind, Table};
use crate::core::domain::{ReasonCode, WindowSummary};
use crate::core::report::words::{
    NOTHING, count, figure, interval, line, or_nothing, p_value, points, share, share_interval, whole,
};
use crate::core::view::{ClusterView, CoverageView, DecayView, ExampleView, ReasonView};

/// Coverage now and at the reference window.
pub(in crate::core::report) fn coverage(view: &DecayView) -> Table {
    let columns = [
        ("Window", Kind::Name),
        ("Coverage", Kind::Number),
        ("95 % interval", Kind::Number),
        ("Karats", Kind::Number),
        ("Records", Kind::Number),
        ("Requests", Kind::Number),
    ];
    let now = Some((&view.window, view.coverage, view.karats));
    let reference = view
        .reference
        .as_ref()
        .map(|window| (window, view.reference_coverage, view.reference_coverage.map(|c| c.value * 24.0)));
    let table = Table::new("Coverage", &columns).rows(
        now.into_iter().chain(reference),
        usize::MAX,
        |(window, coverage, karats)| coverage_row(window, coverage, karats),
    );
    match drift(view) {
        Some(drift) => table.note(drift),
        None => table,
    }
}

fn coverage_row(window: &WindowSummary, coverage: Option<CoverageView>, karats: Option<f64>) -> Vec<String> {
    let nothing = || NOTHING.to_owned();
    vec![
        window.window().label(),
        coverage.map_or_else(nothing, |c| share(c.value)),
        coverage.map_or_else(nothing, |c| share_interval(c.lo, c.hi)),
        karats.map_or_else(nothing, |karats| figure(karats, 1)),
        count(window.records),
        // Saturates; a weight is never negative.
        whole(window.weight.round() as u64),
    ]
}

/// The drift gap in a sentence; `None` without a reference window.
pub(in crate::core::report) fn drift(view: &DecayView) -> Option<String> {
    let drift = view.drift_gap?;
    let alarm = match view.alarm {
        Some(true) => "alarm",
        Some(false) => "no alarm",
        None => "not tested",
    };
    Some(format!(
        "Drift gap (reference − now): {} points, 95 % interval {} to {}. Test of “the gap is at most 1 point”: p {}, {alarm}.",
        points(drift.value),
        points(drift.lo),
        points(drift.hi),
        if drift.p_value < 0.001 { p_value(drift.p_value) } else { format!("= {}", p_value(drift.p_value)) },
    ))
}

/// Clusters with mass of which less than half is represented.
pub(in crate::core::report) fn unrepresented(view: &DecayView, limit: usize) -> Table {
    let columns = [
        ("Cluster", Kind::Name),
        ("Share", Kind::Number),
        ("95 % interval", Kind::Number),
        ("Represented", Kind::Number),
        ("Live", Kind::Number),
        ("Typical requests", Kind::Prose),
    ];
    Table::new("Traffic without examples", &columns).rows(view.unrepresented(), limit, |cluster| {
        let exemplars: Vec<_> = cluster.exemplars.iter().take(3).map(|text| line(text, 100)).collect();
        vec![
            cluster_name(cluster),
            share(cluster.traffic_share),
            share_interval(cluster.lo, cluster.hi),
            represented(cluster),
            count(cluster.live),
            exemplars.join(" · "),
        ]
    })
}

fn cluster_name(cluster: &ClusterView) -> String {
    let new = if cluster.emerging { " (new)" } else { "" };
    format!("{}{new}", line(&cluster.name, 80))
}

fn represented(cluster: &ClusterView) -> String {
    cluster.p_represented.map_or_else(|| NOTHING.into(), share)
}

/// Every cluster, the largest unrepresented mass first.
pub(in crate::core::report) fn clusters(view: &DecayView, limit: usize) -> Table {
    let columns = [
        ("Cluster", Kind::Name),
        ("Id", Kind::Name),
        ("Share", Kind::Number),
        ("95 % interval", Kind::Number),
        ("At reference", Kind::Number),
        ("Represented", Kind::Number),
        ("Examples", Kind::Number),
        ("Live", Kind::Number),
        ("Terms", Kind::Prose),
    ];
    Table::new(format!("{}: all clusters", line(&view.dataset, 60)), &columns).rows(&view.clusters, limit, |cluster| {
        vec![
            cluster_name(cluster),
            line(&cluster.id, 60),
            share(cluster.traffic_share),
            share_interval(cluster.lo, cluster.hi),
            cluster.reference_share.map_or_else(|| NOTHING.into(), share),
            represented(cluster),
            count(cluster.golden),
            count(cluster.live),
            line(&cluster.terms.join(", "), 160),
        ]
    })
}

/// Flagged examples, the strongest reason first.
pub(in crate::core::report) fn flagged(view: &DecayView, limit: usize) -> Table {
    flagged_table("Flagged examples".into(), view.examples.iter(), limit)
}

/// Flagged examples whose first reason is `code`.
pub(in crate::core::report) fn flagged_for(view: &DecayView, code: ReasonCode, limit: usize) -> Table {
    let examples =
        view.examples.iter().filter(|example| first_reason(example).is_some_and(|reason| reason.code == code));
    flagged_table(code.name().to_owned(), examples, limit)
}

/// The codes of first reasons, in the order of the examples; an example without a reason has none.
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

fn flagged_table<'a>(title: String, examples: impl Iterator<Item = &'a ExampleView>, limit: usize) -> Table {
    let columns = [
        ("Example", Kind::Name),
        ("Reason", Kind::Name),
        ("Score", Kind::Number),
        ("Flagged from", Kind::Number),
        ("Input", Kind::Prose),
        ("Evidence", Kind::Prose),
        ("Cluster", Kind::Name),
        ("Status", Kind::Name),
        ("Also", Kind::Name),
    ];
    let table = Table::new(title, &columns).rows(examples, limit, |example| {
        let reason = first_reason(example);
        let also: Vec<_> = example.reasons.iter().skip(1).map(|reason| reason.code.name()).collect();
        vec![
            line(&example.id, 60),
            or_nothing(reason.map(|reason| reason.code.name())),
            reason.map_or_else(|| NOTHING.into(), |reason| figure(reason.score, 2)),
            reason.map_or_else(|| NOTHING.into(), |reason| figure(reason.threshold, 2)),
            line(&example.input, 160),
            reason.map_or_else(|| NOTHING.into(), |reason| line(&reason.evidence, 300)),
            or_nothing(example.cluster.as_deref()),
            example.status.name().into(),
            also.join(", "),
        ]
    });
    table.without_empty_columns()
}

/// What to label next.
pub(in crate::core::report) fn candidates(view: &DecayView, limit: usize) -> Table {
    let columns = [("Gain", Kind::Number), ("Request", Kind::Prose), ("Cluster", Kind::Name), ("Record", Kind::Name)];
    Table::new("What to label next", &columns)
        .note("Gain: the share of traffic that an example like this one would newly represent.")
        .rows(&view.candidates, limit, |candidate| {
            vec![
                share(candidate.gain),
                line(&candidate.input, 160),
                or_nothing(candidate.cluster.as_deref()),
                line(&candidate.record_id, 60),
            ]
        })
}

/// Gates of the assay.
pub(in crate::core::report) fn gates(view: &DecayView) -> Table {
    let columns = [("Gate", Kind::Name), ("Verdict", Kind::Verdict), ("Detail", Kind::Prose)];
    Table::new("Decay gates", &columns).rows(&view.gates, usize::MAX, |gate| {
        vec![line(&gate.name, 120), gate.verdict.name().into(), line(&gate.detail, 300)]
    })
}

/// Tests of the window against the reference.
pub(in crate::core::report) fn shift(view: &DecayView) -> Table {
    let columns = [
        ("What", Kind::Name),
        ("Changed", Kind::Name),
        ("p (Holm)", Kind::Number),
        ("Effect", Kind::Number),
        ("Least", Kind::Number),
        ("Reference → now", Kind::Prose),
    ];
    Table::new("Has traffic changed?", &columns)
        .note("Changed: p at most 0.05 and an effect of at least “Least”. Permutation p-values, adjusted by Holm's method over the tests of requests and over those of outputs.")
        .rows(&view.shift, usize::MAX, |test| {
            vec![
                line(&test.test, 80),
                if test.changed { "yes" } else { "no" }.into(),
                p_value(test.p_value),
                figure(test.effect, 3),
                figure(test.threshold, 2),
                line(&test.detail, 120),
            ]
        })
}

/// What the score would be on today's traffic, over all datasets with an estimate.
pub(in crate::core::report) fn estimates(decay: &[DecayView]) -> Table {
    let columns = [
        ("Endpoint", Kind::Name),
        ("Scorer", Kind::Name),
        ("Raw", Kind::Number),
        ("Represented part", Kind::Number),
        ("95 % interval", Kind::Number),
        ("All wrong – all right", Kind::Number),
        ("Effective n", Kind::Number),
    ];
    Table::new("Scores on today's traffic", &columns)
        .note("The represented part, weighted as traffic is today; the last interval counts the rest as all wrong or all right.")
        .rows(decay.iter().filter_map(|view| view.estimate.as_ref()), usize::MAX, |estimate| {
            vec![
                line(&estimate.endpoint, 60),
                line(&estimate.scorer, 60),
                figure(estimate.raw, 3),
                figure(estimate.represented, 3),
                interval(estimate.lo, estimate.hi, 3),
                interval(estimate.bound_lo, estimate.bound_hi, 3),
                figure(estimate.n_eff, 0),
            ]
        })
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{empty, rich};
    use super::*;

    #[test]
    fn only_clusters_mostly_without_examples_are_called_unrepresented() {
        let view = &rich().decay[0];
        let names: Vec<_> = unrepresented(view, 10).rows.into_iter().map(|row| row[0].clone()).collect();
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
    fn what_was_not_measured_is_a_dash_and_not_a_zero() {
        let view = &empty().decay[0];
        assert_eq!(coverage(view).rows, [["2026-09", NOTHING, NOTHING, NOTHING, "0", "0"]]);
        assert_eq!(drift(view), None);
    }
}
