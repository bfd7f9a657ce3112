//! The headline every surface prints, and the report that holds both halves.

use serde::{Deserialize, Serialize};

use super::{DecayView, RunsView};
use crate::core::domain::short;
use crate::core::verdict::Verdict;

/// One report: runs, decay, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `karat.report/1`.
    pub schema: String,
    /// What it is about.
    pub title: String,
    /// When it was made (RFC 3339).
    pub generated_at: String,
    /// The headline, line by line.
    pub headline: Vec<String>,
    /// The quality half.
    pub quality: Option<RunsView>,
    /// The decay half, one entry a dataset.
    pub decay: Vec<DecayView>,
    /// Both halves together.
    pub verdict: Verdict,
}

impl Report {
    /// Puts both halves under one headline.
    pub fn new(title: String, generated_at: String, quality: Option<RunsView>, decay: Vec<DecayView>) -> Self {
        let quality_verdict = quality.as_ref().map_or(Verdict::Pass, |runs| runs.verdict);
        let verdict = decay.iter().fold(quality_verdict, |all, view| all.and(view.verdict));
        let headline = headline(quality.as_ref(), &decay);
        Self { schema: "karat.report/1".into(), title, generated_at, headline, quality, decay, verdict }
    }
}

/// The headline: what the set represents, what the model scores, what decayed, and the verdicts.
pub fn headline(quality: Option<&RunsView>, decay: &[DecayView]) -> Vec<String> {
    let mut lines = Vec::new();
    for view in decay {
        lines.push(coverage_line(view));
    }
    if let Some(runs) = quality {
        lines.extend(runs.runs.iter().map(|run| quality_line(run, decay)));
    }
    for view in decay {
        lines.push(decay_line(view, decay.len() > 1));
    }
    lines.push(verdict_line(quality, decay));
    lines
}

fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

fn coverage_line(view: &DecayView) -> String {
    let name = format!("{}@{}", view.dataset, short(&view.dataset_version, 6));
    let (Some(karats), Some(coverage)) = (view.karats, view.coverage) else {
        return format!(
            "{name}  coverage not measured: {}",
            view.notes.first().map_or("no traffic in the window", String::as_str)
        );
    };
    let reference = view.reference_coverage.map_or_else(
        || "no reference window".to_owned(),
        |c| format!("{} % at the reference window", percent(c.value)),
    );
    format!(
        "{name}  {karats:.1} karats  ({} % of traffic represented, 95 % CI {}–{}; {reference})",
        percent(coverage.value),
        percent(coverage.lo),
        percent(coverage.hi),
    )
}

fn quality_line(run: &super::RunView, decay: &[DecayView]) -> String {
    let score = run.scores.get(&run.primary);
    let Some((mean, lo, hi)) = score.and_then(|s| Some((s.mean?, s.lo?, s.hi?))) else {
        return format!("quality   {}: nothing was scored", run.name());
    };
    let raw = format!("quality   {} {mean:.3} raw ({lo:.2}–{hi:.2})", run.name());
    let estimate =
        decay.iter().filter_map(|view| view.estimate.as_ref().zip(view.coverage)).find(|(e, _)| e.run_id == run.run_id);
    match estimate {
        None => raw,
        Some((estimate, coverage)) => format!(
            "{raw} · {:.3} on the represented {} % of today's traffic ({:.2}–{:.2}) · {:.2}–{:.2} counting the rest as all wrong/all right",
            estimate.represented,
            percent(coverage.value),
            estimate.lo,
            estimate.hi,
            estimate.bound_lo,
            estimate.bound_hi,
        ),
    }
}

fn decay_line(view: &DecayView, several: bool) -> String {
    let unrepresented = view.unrepresented().count();
    let clusters = format!("{unrepresented} cluster{} unrepresented", if unrepresented == 1 { "" } else { "s" });
    let flagged = view.examples.len();
    let signals: Vec<_> =
        view.signals.iter().map(|signal| format!("{} {}", signal.count, signal.code.name())).collect();
    let signals = if signals.is_empty() { String::new() } else { format!(" ({})", signals.join(", ")) };
    // Of several sets each line has to say which it is about.
    let name = if several { format!("{}: ", view.dataset) } else { String::new() };
    format!("decay     {name}{flagged} example{} flagged{signals}, {clusters}", if flagged == 1 { "" } else { "s" })
}

fn verdict_line(quality: Option<&RunsView>, decay: &[DecayView]) -> String {
    let mut parts = Vec::new();
    if let Some(runs) = quality {
        parts.push(format!("quality {}", runs.verdict.name()));
    }
    for view in decay {
        let deciding = view.gates.iter().find(|gate| view.verdict != Verdict::Pass && gate.counted() == view.verdict);
        let need = deciding.map(|gate| format!(" ({})", gate.name)).unwrap_or_default();
        let name = if decay.len() > 1 { format!("decay of {}", view.dataset) } else { "decay".to_owned() };
        parts.push(format!("{name} {}{need}", view.verdict.name()));
    }
    format!("verdict   {}", parts.join(" · "))
}
