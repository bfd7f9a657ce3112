//! The report as JUnit XML, which CI systems read.
//!
//! One test suite per run and one per dataset. Each gate is a test case:
//!
//! | karat | JUnit |
//! |---|---|
//! | gate passed | success |
//! | gate failed | `<failure type="gate">` |
//! | gate inconclusive, decision required | `<failure type="inconclusive">` |
//! | gate inconclusive otherwise | `<skipped type="inconclusive">` |
//! | gate incomplete | `<error type="incomplete">` |
//! | run not finished | `<error type="incomplete">` in the case `finished` |
//! | calls of one error kind | `<error type="KIND">` in the case `endpoint errors: KIND` |
//! | coverage not measured | `<skipped type="not-measured">` in the case `coverage` |
//! | unrepresented cluster | `<skipped type="unrepresented">` in the case `cluster: NAME` |
//!
//! An unrepresented cluster is a remark rather than a verdict (only gates give verdicts), hence `skipped`. Wrong
//! answers are listed in `system-out`, since gates evaluate their rate and no single wrong answer fails a run.

use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::Format;
use super::tables::{compare_sentence, exemplars, represented, run_names};
use crate::core::compare::Change;
use crate::core::domain::{Failure, FlowResult};
use crate::core::privacy::sanitize::{for_terminal, xml_safe};
use crate::core::verdict::{GateResult, Verdict};
use crate::core::view::{Cell, ClusterView, CompareView, DecayView, Report, RunView, count_of, line};

pub(super) const FORMAT: Format = Format { name: "junit", extensions: &["xml", "junit"], render: junit };

/// Maximum number of wrong answers listed in `system-out`.
const MISSES: usize = 20;

/// Renders the report as JUnit XML.
///
/// # Errors
/// Returns an error if the encoder fails.
fn junit(report: &Report) -> FlowResult<String> {
    let mut out = quick_junit::Report::new(safe(&report.title));
    // A time that is not in RFC 3339 format is omitted.
    out.timestamp = report.generated_at.parse().ok();
    if let Some(quality) = &report.quality {
        for (name, run) in run_names(quality).iter().zip(&quality.runs) {
            out.add_test_suite(run_suite(name, run));
        }
    }
    for view in &report.decay {
        out.add_test_suite(decay_suite(view));
    }
    for view in &report.comparisons {
        out.add_test_suite(compare_suite(view));
    }
    out.to_string().map_err(|e| Failure::other("could not write the report as JUnit XML").caused_by(e))
}

/// A comparison: its gate if it has one, and otherwise its verdict on the primary scorer, which never fails.
fn compare_suite(view: &CompareView) -> TestSuite {
    let name = format!("{} against {}", line(&view.candidate.named, 60), line(&view.base.named, 60));
    let mut suite = TestSuite::new(safe(&format!("compare: {name}")));
    properties(&mut suite, &[("base", &view.base.run_id), ("candidate", &view.candidate.run_id), ("verdict", view.verdict.name())]);
    let class = format!("karat.compare.{name}");
    let message = compare_sentence(view).to_string();
    suite.add_test_case(match &view.gate {
        Some(gate) => case(&gate.name, &class, gate_status(gate)),
        None if matches!(view.verdict, Change::Better | Change::Same) => {
            case("not worse", &class, TestCaseStatus::success())
        }
        None => case("not worse", &class, skipped(view.verdict.name(), &message)),
    });
    suite
}

fn run_suite(name: &str, run: &RunView) -> TestSuite {
    let mut suite = TestSuite::new(safe(&format!("quality: {name}")));
    suite.timestamp = run.started_at.parse().ok();
    properties(
        &mut suite,
        &[
            ("run_id", &run.run_id),
            ("suite", &run.suite),
            ("suite_version", &run.suite_version),
            ("dataset", &run.dataset),
            ("dataset_version", &run.dataset_version),
            ("models", &run.models.join(", ")),
            ("verdict", run.verdict.name()),
        ],
    );
    let class = format!("karat.quality.{name}");
    suite.add_test_case(case("finished", &class, finished(run)));
    for gate in &run.gates {
        suite.add_test_case(case(&gate.name, &class, gate_status(gate)));
    }
    for error in &run.errors {
        let message = format!("{}: {}", count_of(error.count, "call"), line(&error.message, 500));
        let status = status(NonSuccessKind::Error, error.kind.name(), &message);
        suite.add_test_case(case(&format!("endpoint errors: {}", error.kind.name()), &class, status));
    }
    for error in &run.scorer_errors {
        let message = format!("{}: {}", count_of(error.count, "answer"), line(&error.message, 500));
        let status = status(NonSuccessKind::Error, "not-scored", &message);
        suite.add_test_case(case(&format!("scorer failed: {}", line(&error.scorer, 60)), &class, status));
    }
    if !run.misses.is_empty() {
        suite.set_system_out(safe_lines(&misses(run)));
    }
    suite
}

fn finished(run: &RunView) -> TestCaseStatus {
    if run.finished {
        return TestCaseStatus::success();
    }
    let recorded = run.outcomes.scored + run.outcomes.errored + run.outcomes.skipped;
    let message = format!("{} of {} have an outcome", Cell::from(recorded), count_of(run.outcomes.total, "trial"));
    status(NonSuccessKind::Error, "incomplete", &message)
}

fn misses(run: &RunView) -> String {
    let mut text = String::from("First wrong answers:\n");
    for miss in run.misses.iter().take(MISSES) {
        text.push_str(&format!(
            "{} ({}): {} | expected: {} | answered: {}\n",
            line(&miss.example_id, 60),
            Cell::Number(miss.score, 2),
            line(&miss.input, 160),
            line(&miss.expected.join(" / "), 160),
            Cell::from(Some(line(&miss.output, 160)).filter(|output| !output.is_empty()))
        ));
    }
    text
}

fn decay_suite(view: &DecayView) -> TestSuite {
    let mut suite = TestSuite::new(safe(&format!("decay: {}", line(&view.dataset, 60))));
    properties(
        &mut suite,
        &[
            ("dataset", &view.dataset),
            ("dataset_version", &view.dataset_version),
            ("space", &view.space),
            ("clustering_version", view.clustering_version.as_deref().unwrap_or("none")),
            ("window", &view.window.window().label()),
            ("karats", &Cell::or_blank(view.karats.map(|karats| Cell::Number(karats, 2))).to_string()),
            ("verdict", view.verdict.name()),
        ],
    );
    let class = format!("karat.decay.{}", line(&view.dataset, 60));
    suite.add_test_case(case("coverage", &class, measured(view)));
    for gate in &view.gates {
        suite.add_test_case(case(&gate.name, &class, gate_status(gate)));
    }
    for cluster in &view.unrepresented {
        let name = format!("cluster: {}", line(&cluster.name, 80));
        suite.add_test_case(case(&name, &class, cluster_status(cluster)));
    }
    suite
}

fn measured(view: &DecayView) -> TestCaseStatus {
    if view.coverage.is_some() {
        return TestCaseStatus::success();
    }
    skipped("not-measured", view.why_not_measured())
}

fn cluster_status(cluster: &ClusterView) -> TestCaseStatus {
    let message = format!(
        "{} of traffic, {} of it represented, {}: {}",
        Cell::Share(cluster.traffic_share, 1),
        represented(cluster),
        count_of(cluster.live, "live example"),
        exemplars(cluster)
    );
    skipped("unrepresented", &message)
}

fn gate_status(gate: &GateResult) -> TestCaseStatus {
    match gate.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => status(NonSuccessKind::Failure, "gate", &gate.detail),
        Verdict::Inconclusive if gate.require_decision => status(NonSuccessKind::Failure, "inconclusive", &gate.detail),
        Verdict::Inconclusive => skipped("inconclusive", &gate.detail),
        Verdict::Incomplete => status(NonSuccessKind::Error, "incomplete", &gate.detail),
    }
}

fn status(kind: NonSuccessKind, ty: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(safe(ty)).set_message(safe(message));
    status
}

fn skipped(ty: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_type(safe(ty)).set_message(safe(message));
    status
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(safe(name), status);
    case.set_classname(safe(class));
    case
}

fn properties(suite: &mut TestSuite, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        suite.add_property(Property::new(*name, safe(value)));
    }
}

/// Text as it is written to the file: on one line, limited to characters that XML allows, with control and direction
/// characters made visible.
fn safe(text: &str) -> String {
    xml_safe(&for_terminal(&line(text, 1_000))).into_owned()
}

/// [`safe`] applied line by line.
fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{assert_no_control, assert_no_markup, empty, rich};
    use super::*;

    #[test]
    fn the_junit_form_of_a_rich_report() {
        insta::assert_snapshot!(junit(&rich()).unwrap());
    }

    #[test]
    fn the_junit_form_of_an_empty_report() {
        insta::assert_snapshot!(junit(&empty()).unwrap());
    }

    #[test]
    fn hostile_text_stays_text_and_the_xml_reads_back() {
        let text = junit(&rich()).unwrap();
        assert!(!text.contains("]]>"));
        let read = quick_junit::Report::deserialize_from_str(&text).unwrap();
        assert_eq!(read.test_suites.len(), 5);
        assert_no_control(&text);
        assert_no_markup(&text);
    }

    #[test]
    fn an_inconclusive_gate_fails_only_if_a_decision_is_required() {
        let mut gate =
            GateResult::new("g".into(), Verdict::Inconclusive, "d".into(), true);
        assert!(matches!(gate_status(&gate), TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. }));
        gate.require_decision = false;
        assert!(matches!(gate_status(&gate), TestCaseStatus::Skipped { .. }));
    }
}
