//! The headline that every output prints, and the report with both halves.

use std::fmt::{self, Display};

use serde::Serialize;

use super::cell::{count_of, phrase};
use super::{Cell, CompareView, DecayView, Phrase, RunView, RunsView};
use crate::core::compare::Change;
use crate::core::domain::short;
use crate::core::verdict::{GateResult, Verdict};

/// One report: runs, decay, or both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `karat.report/1`.
    pub schema: String,
    /// Title of the report.
    pub title: String,
    /// When it was generated (RFC 3339).
    pub generated_at: String,
    /// The headline. In JSON, each line is a string, as printed.
    pub headline: Vec<HeadlineLine>,
    /// The quality half.
    pub quality: Option<RunsView>,
    /// The decay half, one entry per dataset.
    pub decay: Vec<DecayView>,
    /// Comparisons of runs.
    pub comparisons: Vec<CompareView>,
    /// The verdict on all of it.
    pub verdict: Verdict,
}

impl Report {
    /// Combines both halves under one headline.
    pub fn new(title: String, generated_at: String, quality: Option<RunsView>, decay: Vec<DecayView>) -> Self {
        let quality_verdict = quality.as_ref().map_or(Verdict::Pass, |runs| runs.verdict);
        let verdict = decay.iter().fold(quality_verdict, |all, view| all.and(view.verdict));
        let headline = headline(quality.as_ref(), &decay);
        let comparisons = Vec::new();
        Self { schema: "karat.report/1".into(), title, generated_at, headline, quality, decay, comparisons, verdict }
    }

    /// A report on a comparison alone.
    pub fn of_comparison(view: CompareView, generated_at: String) -> Self {
        let title = format!("{} against {}", view.candidate.named, view.base.named);
        let of_change = match view.verdict {
            Change::Better | Change::Same => Verdict::Pass,
            Change::Worse => Verdict::Fail,
            Change::Inconclusive => Verdict::Inconclusive,
        };
        let verdict = view.gate.as_ref().map_or(of_change, GateResult::counted);
        let mut report = Self::new(title, generated_at, None, Vec::new());
        report.headline = vec![HeadlineLine::new("compare", phrase![view.verdict.name()])];
        Self { comparisons: vec![view], verdict, ..report }
    }
}

/// A line of the headline.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadlineLine {
    /// The subject of the line.
    pub label: String,
    /// The content of the line.
    pub text: Phrase,
}

impl HeadlineLine {
    /// Column at which the text starts after a short label.
    pub const TEXT: usize = 10;

    fn new(label: impl Into<String>, text: Phrase) -> Self {
        Self { label: label.into(), text }
    }

    /// The label, padded up to the text.
    pub fn padded_label(&self) -> String {
        format!("{:<1$}  ", self.label, Self::TEXT - 2)
    }
}

impl Display for HeadlineLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.padded_label(), self.text)
    }
}

impl Serialize for HeadlineLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Builds the headline: coverage, scores, flagged examples and clusters, and the verdicts.
fn headline(quality: Option<&RunsView>, decay: &[DecayView]) -> Vec<HeadlineLine> {
    let runs = quality.iter().flat_map(|runs| &runs.runs);
    let coverage = decay.iter().map(coverage_line);
    coverage
        .chain(runs.map(|run| HeadlineLine::new("quality", quality_line(run, decay))))
        .chain(decay.iter().map(|view| HeadlineLine::new("decay", decay_line(view, decay.len() > 1))))
        .chain([HeadlineLine::new("verdict", verdict_line(quality, decay))])
        .collect()
}

fn coverage_line(view: &DecayView) -> HeadlineLine {
    let name = format!("{}@{}", view.dataset, short(&view.dataset_version, 6));
    let text = match (view.karats, view.coverage) {
        (Some(karats), Some(coverage)) => {
            let reference = match view.reference_coverage {
                None => phrase!["no reference window"],
                Some(then) => phrase![Cell::Share(then.value, 0), " in the reference window"],
            };
            phrase![
                Cell::Number(karats, 1),
                " karats  (",
                Cell::Share(coverage.value, 0),
                " of traffic represented, ",
                Cell::Share(0.95, 0),
                " CI ",
                Cell::Interval(coverage.lo * 100.0, coverage.hi * 100.0, 0),
                "; ",
                reference,
                ")"
            ]
        }
        _ => phrase!["coverage not measured: ", view.why_not_measured()],
    };
    HeadlineLine::new(name, text)
}

fn quality_line(run: &RunView, decay: &[DecayView]) -> Phrase {
    let Some((mean, lo, hi)) = run.primary_score() else {
        return phrase![run.name(), ": nothing was scored"];
    };
    let raw = phrase![run.name(), " ", Cell::Number(mean, 3), " raw (", Cell::Interval(lo, hi, 2), ")"];
    let estimate =
        decay.iter().filter_map(|view| view.estimate.as_ref().zip(view.coverage)).find(|(e, _)| e.run_id == run.run_id);
    let Some((estimate, coverage)) = estimate else { return raw };
    phrase![
        raw,
        " · ",
        Cell::Number(estimate.represented, 3),
        " on the represented ",
        Cell::Share(coverage.value, 0),
        " of today's traffic (",
        Cell::Interval(estimate.lo, estimate.hi, 2),
        ") · ",
        Cell::Interval(estimate.bound_lo, estimate.bound_hi, 2),
        " counting the rest as all wrong/all right"
    ]
}

fn decay_line(view: &DecayView, several: bool) -> Phrase {
    let mut text = Phrase::default();
    if several {
        // With several sets, each line has to name its own.
        text.push(format!("{}: ", view.dataset));
    }
    text.push(format!("{} flagged", count_of(view.examples.len(), "example")));
    if !view.signals.is_empty() {
        let signals = view.signals.iter().map(|signal| format!("{} {}", signal.count, signal.code.name()));
        text.push(format!(" ({})", signals.collect::<Vec<_>>().join(", ")));
    }
    text.push(format!(", {} unrepresented", count_of(view.unrepresented.len(), "cluster")));
    text
}

fn verdict_line(quality: Option<&RunsView>, decay: &[DecayView]) -> Phrase {
    let quality = quality.map(|runs| phrase!["quality ", runs.verdict]);
    let decay = decay.iter().map(|view| {
        let name = if decay.len() > 1 { format!("decay of {} ", view.dataset) } else { "decay ".to_owned() };
        let deciding = view.gates.iter().find(|gate| view.verdict != Verdict::Pass && gate.counted() == view.verdict);
        phrase![name, view.verdict, deciding.map(|gate| format!(" ({})", gate.name)).unwrap_or_default()]
    });
    Phrase::join(quality.into_iter().chain(decay), " · ")
}
