//! The meaning of a report, in sentences without technical terms.

use super::tables::compare_sentence;
use crate::core::verdict::Verdict;
use crate::core::view::{Cell, DecayView, Phrase, Report, RunView, RunsView, count_of, line, phrase, summary_phrase};

/// One paragraph per dataset, then one about quality, and one per comparison.
pub(super) fn meaning(report: &Report) -> Vec<Phrase> {
    let decay = report.decay.iter().map(decay_meaning);
    let quality = report.quality.as_ref().and_then(quality_meaning);
    let compared = report.comparisons.iter().map(compare_sentence);
    let mut all: Vec<_> = decay.chain(quality).chain(compared).collect();
    if all.is_empty() {
        return vec![phrase!["Nothing to report: no run and no dataset was given."]];
    }
    if has_no_gate(report) {
        all.push(phrase!["No gates are set, so nothing here can fail."]);
    }
    all
}

fn has_no_gate(report: &Report) -> bool {
    let runs = report.quality.iter().flat_map(|quality| &quality.runs);
    let compared_only = report.quality.is_none() && report.decay.is_empty();
    report.verdict == Verdict::Pass
        && !compared_only
        && report.decay.iter().all(|view| view.gates.is_empty())
        && runs.into_iter().all(|run| run.gates.is_empty())
}

fn decay_meaning(view: &DecayView) -> Phrase {
    let mut text = summary_phrase(view);
    if view.coverage.is_none() {
        return text;
    }
    if let Some(change) = change(view) {
        text.push(change);
    }
    if !view.examples.is_empty() {
        text.push(format!(
            " {} of its {} should be reviewed.",
            Cell::from(view.examples.len()),
            count_of(view.golden, "example")
        ));
    }
    text
}

fn change(view: &DecayView) -> Option<Phrase> {
    let (reference, drift) = (view.reference.as_ref()?, view.drift_gap?);
    let label = reference.window().label();
    Some(match view.alarm? {
        true => {
            phrase![
                " Coverage fell by ",
                Cell::Number(drift.value * 100.0, 1),
                " points, more than chance would explain."
            ]
        }
        false => phrase![format!(" Coverage has not measurably fallen since {label}.")],
    })
}

fn quality_meaning(view: &RunsView) -> Option<Phrase> {
    match view.runs.as_slice() {
        [] => None,
        [run] => Some(run_meaning(run)),
        runs => Some(phrase![format!("Of {}, {}.", count_of(runs.len(), "run"), outcomes(runs))]),
    }
}

fn outcomes(runs: &[RunView]) -> String {
    let words = [
        (Verdict::Pass, "passed"),
        (Verdict::Fail, "failed"),
        (Verdict::Inconclusive, "could not be decided"),
        (Verdict::Incomplete, "had too many errors to evaluate"),
    ];
    let counted = words.into_iter().filter_map(|(verdict, word)| {
        let n = runs.iter().filter(|run| run.verdict == verdict).count();
        (n > 0).then(|| format!("{n} {word}"))
    });
    counted.collect::<Vec<_>>().join(", ")
}

fn run_meaning(run: &RunView) -> Phrase {
    let name = line(&run.name(), 60);
    let mut text = match run.primary_score() {
        None => phrase![format!("No answer from {name} was scored")],
        Some((mean, lo, hi)) => phrase![
            format!("{name} scores "),
            Cell::Number(mean, 2),
            format!(" on {} (", line(&run.primary, 60)),
            Cell::Share(0.95, 0),
            " interval ",
            Cell::Interval(lo, hi, 2),
            ")"
        ],
    };
    let verdict = match run.verdict {
        Verdict::Pass => ", which passes its gates",
        Verdict::Fail => ", which fails its gates",
        Verdict::Inconclusive => ", which leaves its gates undecided",
        Verdict::Incomplete => ", with too many errors to evaluate",
    };
    if !run.gates.is_empty() || run.verdict == Verdict::Incomplete {
        text.push(verdict);
    }
    text.push(".");
    if run.outcomes.errored > 0 {
        text.push(format!(
            " {} of {} failed and count neither as right nor as wrong.",
            Cell::from(run.outcomes.errored),
            count_of(run.outcomes.total, "call")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{empty, rich};
    use super::*;

    fn sentences(report: &Report) -> Vec<String> {
        meaning(report).iter().map(Phrase::to_string).collect()
    }

    #[test]
    fn the_first_sentence_states_the_unrepresented_share_and_names_the_largest_cluster() {
        let report = rich();
        let lines = sentences(&report);
        assert!(
            lines[0].starts_with(
                "Since 2026-06, 6 % of traffic has shifted to topics for which support has no live example (9 % in \
                 total); the largest is “locker code” (5 % of traffic, nearest example: “Where is the parcel shop?”)."
            ),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains("Coverage fell by 6.2 points, more"), "{}", lines[0]);
        assert_eq!(lines[1], "billing represents 98 % of traffic, and no cluster is left without examples.");
        assert_eq!(lines[2], "Of 2 runs, 1 failed, 1 had too many errors to evaluate.");
        assert!(lines[3].starts_with("chat-large is worse than last-pass on exact: −3.4 points"), "{}", lines[3]);
    }

    #[test]
    fn a_single_run_is_described_with_its_interval() {
        let mut report = rich();
        report.decay.clear();
        report.comparisons.clear();
        report.quality.iter_mut().for_each(|runs| runs.runs.truncate(1));
        let lines = sentences(&report);
        assert_eq!(
            lines,
            ["chat-large scores 0.87 on exact (95 % interval 0.84–0.90), which fails its gates. \
              5 of 400 calls failed and count neither as right nor as wrong."]
        );
    }

    #[test]
    fn missing_measurements_are_reported_as_such_and_not_as_zero() {
        let lines = sentences(&empty());
        assert_eq!(
            lines,
            [
                "Could not measure how much of today's traffic support represents: no traffic in the window 2026-09.",
                "No gates are set, so nothing here can fail."
            ]
        );
        let nothing = Report::new("empty".into(), String::new(), None, Vec::new());
        assert_eq!(meaning(&nothing).len(), 1);
    }
}
