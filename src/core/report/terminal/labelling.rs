//! The result of importing labels.

use super::text::Screen;
use super::{layout::table_text, tables};
use crate::core::domain::short;
use crate::core::privacy::sanitize::for_terminal;
use crate::core::view::{Cell, LabelImportView, count_of};

/// Renders what was imported and what followed from it.
pub fn label_import_text(view: &LabelImportView, screen: Screen) -> String {
    let LabelImportView { version_before, version_after, .. } = view;
    let version = match version_before == version_after {
        true => short(version_after, 6).to_owned(),
        false => format!("{} → {}", short(version_before, 6), short(version_after, 6)),
    };
    let mut text = format!("{}@{version}\n", for_terminal(&view.dataset));
    let mut fact = |label: &str, value: String| text.push_str(&format!("  {label:<11} {}\n", for_terminal(&value)));
    let unlabelled = match view.unlabelled {
        0 => String::new(),
        tasks => format!("; {} still without a label", count_of(tasks, "task")),
    };
    let annotators = count_of(view.agreement.annotators, "annotator");
    fact("labels", format!("{}, {} of them new, by {annotators}{unlabelled}", view.labels, view.new_labels));
    agreement(view).into_iter().for_each(|line| fact("agreement", line));
    fact("confirmed", count_of(view.confirmed.len(), "example"));
    fact(
        "relabelled",
        match view.flipped {
            Some(share) => format!(
                "{} of {} ({} of the reviewed answers were wrong; {})",
                share.count,
                count_of(share.of, "reviewed example"),
                Cell::Share(share.value, 0),
                Cell::Interval(share.lo * 100.0, share.hi * 100.0, 0)
            ),
            None => count_of(0_usize, "example"),
        },
    );
    fact("added", count_of(view.added.len(), "example"));
    if view.slice_labels > 0 {
        fact("random", count_of(view.slice_labels, "labelled record") + " of the random slice");
    }
    if !view.ties.is_empty() {
        fact("tied", format!("{}, waiting for another label", count_of(view.ties.len(), "task")));
    }
    if view.waiting > 0 {
        fact("waiting", format!("{} with too few labels", count_of(view.waiting, "task")));
    }
    if !view.relabelled.is_empty() {
        text.push_str(&format!("\nrelabelled\n{}", table_text(&tables::relabelled(view), screen)));
    }
    if !view.ties.is_empty() {
        text.push_str(&format!("\ntied\n{}", table_text(&tables::ties(view), screen)));
    }
    text
}

/// Agreement in words, one line per figure.
fn agreement(view: &LabelImportView) -> Vec<String> {
    let agreement = &view.agreement;
    let tasks = count_of(agreement.shared_tasks, "task");
    let alpha = agreement.alpha.map(|alpha| {
        let interval = agreement.alpha_lo.zip(agreement.alpha_hi);
        let interval = interval.map_or_else(String::new, |(lo, hi)| format!(" ({})", Cell::Interval(lo, hi, 2)));
        format!("Krippendorff's alpha {}{interval} on {tasks} with several labels", Cell::Number(alpha, 2))
    });
    let pair = |pair: &crate::core::view::PairOfAnnotators| {
        let tasks = count_of(pair.tasks, "task");
        pair.kappa.map(|kappa| {
            format!("Cohen's kappa {} of {} and {} on {tasks}", Cell::Number(kappa, 2), pair.one, pair.other)
        })
    };
    alpha.into_iter().chain(agreement.pairs.iter().filter_map(pair)).collect()
}
