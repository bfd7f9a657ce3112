//! Tables for the short listings of the command line.

use super::Table;
use crate::core::domain::short;
use crate::core::queue::{QueueState, QueueStep};
use crate::core::view::{
    AgreementView, Cell, ChangeCounts, CoverageView, DatasetLogView, DecayView, DoctorView, EmbedderView, HistoryLine,
    LabelImportView, ListView, LoggedVersion, Phrase, QueueLogView, QueueRow, QueueView, TrafficView, count_of, phrase,
};

/// Number of characters of a run id that are shown: its time and enough of its random part to tell runs apart. Every
/// command accepts a prefix of an id.
const RUN_ID: usize = 18;

/// Runs of a workspace.
pub(in crate::core::report) fn runs(view: &ListView) -> Table {
    Table::of("", &view.runs, usize::MAX)
        .id("run", |run| short(&run.run_id, RUN_ID))
        .name("suite", |run| run.suite.as_str())
        .name("endpoint", |run| match &run.prompt {
            Some(prompt) => format!("{} · {prompt}", run.endpoint),
            None => run.endpoint.clone(),
        })
        .id("dataset", |run| format!("{}@{}", run.dataset, short(&run.dataset_version, 6)))
        .id("started", |run| run.started_at.get(..16).unwrap_or(&run.started_at).replace('T', " "))
        .number("examples", |run| match run.finished {
            true => run.total.to_string(),
            false => format!("{}/{} unfinished", run.done, run.total),
        })
        .number("score", |run| Cell::or_blank(run.score.map(|score| Cell::Number(score, 3))))
        .verdict("verdict", |run| Cell::or_blank(run.verdict.map(Cell::from)))
        .name("tags", |run| run.tags.join(", "))
        .table()
        .without_empty_columns()
}

/// The review queue, one row per example.
pub(in crate::core::report) fn queue(view: &QueueView) -> Table {
    let key = |flag: &QueueRow| (flag.dataset.clone(), flag.example_id.clone());
    let examples = view.flags.chunk_by(|a, b| key(a) == key(b));
    let strongest = |flags: &[QueueRow]| flags.iter().map(|flag| flag.score).fold(0.0, f64::max);
    let reasons = |flags: &[QueueRow]| flags.iter().map(|flag| flag.code.name()).collect::<Vec<_>>().join(", ");
    let several = view.flags.iter().any(|flag| flag.dataset != view.flags[0].dataset);
    Table::of("", examples, usize::MAX)
        .id("dataset", |flags| if several { flags[0].dataset.as_str() } else { "" })
        .id("example", |flags| flags[0].example_id.as_str())
        .name("reasons", |flags| reasons(flags))
        .number("traffic", |flags| flags[0].traffic_share.map(|share| Cell::Share(share, 1)))
        .number("score", |flags| Cell::Number(strongest(flags), 2))
        .prose("input", |flags| Cell::line(&flags[0].input, 300))
        .table()
        .without_empty_columns()
}

/// Steps of the review queue.
pub(in crate::core::report) fn queue_log(view: &QueueLogView) -> Table {
    let from = |step: &&QueueStep| step.from.map_or("", QueueState::name);
    let decided = |step: &&QueueStep| match (&step.detail, &step.reason) {
        (Some(detail), Some(reason)) => format!("{detail}; {reason}"),
        (detail, reason) => detail.clone().or_else(|| reason.clone()).unwrap_or_default(),
    };
    Table::of("", &view.steps, usize::MAX)
        .id("at", |step| step.at.get(..16).unwrap_or(&step.at).replace('T', " "))
        .id("example", |step| step.example_id.as_str())
        .id("flag", |step| step.code.name())
        .name("from", move |step| from(step))
        .name("to", |step| step.to.name())
        .name("by", |step| step.by.clone().unwrap_or_else(|| "karat".to_owned()))
        .prose("why", |step| Cell::line(&decided(step), 300))
        .table()
}

/// Examples whose answer was replaced.
pub(in crate::core::report) fn relabelled(view: &LabelImportView) -> Table {
    Table::of("", &view.relabelled, usize::MAX)
        .id("example", |example| example.example_id.as_str())
        .name("before", |example| example.before.join(" | "))
        .name("now", |example| example.answers.join(" | "))
        .name("by", |example| format!("{} ({} of {})", example.by.join(", "), example.by.len(), example.annotators))
        .prose("input", |example| Cell::line(&example.input, 300))
        .table()
}

/// Tasks on which annotators do not agree.
pub(in crate::core::report) fn ties(view: &LabelImportView) -> Table {
    Table::of("", &view.ties, usize::MAX)
        .id("task", |tie| tie.task_id.as_str())
        .name("labels", |tie| tie.labels.join(" or "))
        .number("annotators", |tie| tie.annotators)
        .prose("input", |tie| Cell::line(&tie.input, 300))
        .table()
}

/// Versions of a dataset.
pub(in crate::core::report) fn dataset_log(view: &DatasetLogView) -> Table {
    let count = |pick: fn(&ChangeCounts) -> usize| {
        move |version: &&LoggedVersion| version.changes.as_ref().map(|changes| Cell::from(pick(changes)))
    };
    Table::of("", &view.versions, usize::MAX)
        .id("version", |version| format!("{}@{}", view.dataset, short(&version.version, 6)))
        .id("first run or measured", |version| {
            version.first_seen.as_deref().map_or("only in the files", day).to_owned()
        })
        .number("examples", |version| version.examples)
        .number("added", count(|changes| changes.added))
        .number("removed", count(|changes| changes.removed))
        .number("relabelled", count(|changes| changes.relabelled))
        .number("edited", count(|changes| changes.edited))
        .table()
}

/// Sources of traffic.
pub(in crate::core::report) fn sources(view: &TrafficView) -> Table {
    Table::of("", &view.sources, usize::MAX)
        .name("source", |source| source.source.as_str())
        .number("records", |source| source.records)
        .number("requests", |source| source.weight.round() as u64)
        .number("distinct", |source| source.distinct_inputs)
        .number("users", |source| source.groups)
        .id("first", |source| day(&source.first))
        .id("last", |source| day(&source.last))
        .number("rejected", |source| source.rejected)
        .table()
}

/// The date of an RFC 3339 time.
pub(in crate::core::report) fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// Embedding spaces with stored vectors or measurements.
pub(in crate::core::report) fn spaces(view: &EmbedderView) -> Table {
    Table::of("", &view.stored, usize::MAX)
        .id("embedding model", |row| format!("{}{}", row.space.id, if row.serving { " (in use)" } else { "" }))
        .name("embedder", |row| row.embedder.as_str())
        .number("vectors", |row| row.vectors)
        .number("measurements", |row| row.measurements)
        .id("last", |row| row.last_measurement.as_deref().map_or("", day))
        .table()
}

/// Agreement of two embedding spaces on a dataset.
pub(in crate::core::report) fn agreement(view: &AgreementView) -> Table {
    const NONE: &str = "not measured";
    let number = |value: Option<f64>| value.map_or(NONE.into(), |value| Cell::Number(value, 2));
    let coverage = |coverage: Option<CoverageView>| coverage.map_or(phrase![NONE], in_brackets);
    let (before, after) = view.coverage;
    let gap = before
        .zip(after)
        .map_or_else(String::new, |(before, after)| format!("{:+.0} points", 100.0 * (after.value - before.value)));
    let flags = &view.flags;
    let none = || phrase![""];
    let rows = [
        ("coverage", coverage(before), coverage(after), phrase![gap]),
        (
            "flags",
            phrase![flags.before_only + flags.shared],
            phrase![flags.after_only + flags.shared],
            phrase![flags.shared, " shared"],
        ),
        (
            "clusters",
            phrase![view.clusters.0],
            phrase![view.clusters.1],
            phrase![number(view.cluster_agreement), " (adjusted Rand)"],
        ),
        ("neighbours", none(), none(), phrase![number(view.neighbour_overlap), " of the 10 nearest shared"]),
    ];
    Table::of("", rows, usize::MAX)
        .name("measure", |(measure, ..)| *measure)
        .name("before", |(_, before, ..)| before.clone())
        .name("after", |(_, _, after, _)| after.clone())
        .name("agreement", |(.., agreement)| agreement.clone())
        .table()
}

/// `51 % (22–86)`.
fn in_brackets(coverage: CoverageView) -> Phrase {
    let CoverageView { value, lo, hi } = coverage;
    phrase![Cell::Share(value, 0), " (", Cell::Interval(lo * 100.0, hi * 100.0, 0), ")"]
}

/// The runs of a suite on one endpoint with one prompt, oldest first.
pub(in crate::core::report) fn history(line: &HistoryLine) -> Table {
    let name = match &line.prompt {
        Some(prompt) => format!("{} · {prompt}", line.endpoint),
        None => line.endpoint.clone(),
    };
    Table::of(format!("{name}: {}", line.scorer), &line.nights, usize::MAX)
        .id("Started", |night| night.started_at.get(..16).unwrap_or(&night.started_at).replace('T', " "))
        .id("Run", |night| short(&night.run_id, 18).to_owned())
        .number("Mean", |night| night.score.mean.map(|mean| Cell::Number(mean, 3)))
        .number("95 % interval", |night| night.score.lo.zip(night.score.hi).map(|(lo, hi)| Cell::Interval(lo, hi, 3)))
        .number("n", |night| night.score.n)
        .verdict("Verdict", |night| night.verdict)
        .number("Parity gap", |night| {
            let gap = night.parity.first().and_then(|measure| measure.difference);
            Cell::or_blank(gap.map(|gap| Cell::Share(gap, 1)))
        })
        .number("Change", |night| Cell::or_blank(night.change.map(|change| Cell::Points(change.difference))))
        .prose("What changed", |night| Cell::line(&night.changed.join(", "), 200))
        .name("Tags", |night| Cell::line(&night.tags.join(", "), 60))
        .table()
        .note("Change: in points, on common examples, compared with the runs since the last change; shown only if it is more than chance.")
        .without_empty_columns()
}

/// Results of the checks of the workspace.
pub(in crate::core::report) fn checks(view: &DoctorView) -> Table {
    Table::of("", &view.checks, usize::MAX)
        .id("state", |check| check.state.name())
        .name("what", |check| format!("{} {}", check.area.name(), check.name).trim_end().to_owned())
        .prose("seen", |check| match &check.hint {
            Some(hint) => Cell::line(&format!("{}; hint: {hint}", check.detail), 300),
            None => Cell::line(&check.detail, 300),
        })
        .table()
}

/// Decay of one dataset, window by window.
pub(in crate::core::report) fn months(views: &[DecayView]) -> Table {
    Table::of("", views, usize::MAX)
        .id("month", |view| view.window.window().label())
        .number("karats", |view| view.karats.map(|karats| Cell::Number(karats, 1)))
        .name("represented", |view| view.coverage.map(in_brackets))
        .name("gap to June", |view| view.drift_gap.map(|gap| format!("{:+.0} points", -gap.value * 100.0)))
        .name("alarm", |view| view.alarm.map(|alarm| if alarm { "yes" } else { "no" }))
        .number("flagged", |view| view.examples.len())
        .name("unrepresented", |view| count_of(view.unrepresented.len(), "cluster"))
        .table()
}
