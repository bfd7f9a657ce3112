//! The queue of a session: what waits, what waited, and what was decided.

use std::collections::{BTreeMap, BTreeSet};

use super::ID;
use crate::core::domain::{Failure, ReasonCode};
use crate::core::queue::{FlagRow, LoggedStep, QueueState, QueueStep, ranked};
use crate::core::view::{ReviewCount, ReviewDecision, ReviewItem, ReviewProgress, ReviewView, shown_line};
use crate::edge::store::Store;

/// What waited at some time since the session started.
pub(super) struct Progress {
    /// The last step before the session.
    start: i64,
    /// Dataset, example and reason.
    seen: BTreeSet<(String, String, ReasonCode)>,
}

impl Progress {
    pub fn new(start: i64) -> Self {
        Self { start, seen: BTreeSet::new() }
    }

    /// The queue of these datasets as it is now.
    pub fn view(
        &mut self,
        store: &Store,
        datasets: &[String],
        reviewer: Option<String>,
    ) -> Result<ReviewView, Failure> {
        let (mut items, mut decisions) = (Vec::new(), Vec::new());
        for dataset in datasets {
            let flags = store.flags(dataset)?;
            items.extend(waiting(dataset, flags));
            decisions.extend(decided(store.logged_steps(dataset, None, self.start)?));
        }
        let waits: BTreeSet<(String, String, ReasonCode)> = items.iter().flat_map(flags_of).collect();
        self.seen.extend(waits.iter().cloned());
        decisions.sort_by_key(|decision: &ReviewDecision| decision.decision);
        let progress = self.progress(&waits);
        let next = next_commands(datasets, &decisions);
        let title = datasets.iter().map(|dataset| shown_line(dataset, ID)).collect::<Vec<_>>().join(", ");
        Ok(ReviewView { schema: "karat.review/1", title, items, progress, decisions, reviewer, next })
    }

    fn progress(&self, waits: &BTreeSet<(String, String, ReasonCode)>) -> ReviewProgress {
        let examples = |flags: &BTreeSet<(String, String, ReasonCode)>| {
            flags.iter().map(|(dataset, example, _)| (dataset.clone(), example.clone())).collect::<BTreeSet<_>>().len()
        };
        let mut reasons: BTreeMap<&'static str, ReviewCount> = BTreeMap::new();
        for flag in &self.seen {
            let count = reasons.entry(flag.2.name()).or_default();
            count.total += 1;
            count.decided += usize::from(!waits.contains(flag));
        }
        let total = examples(&self.seen);
        ReviewProgress { decided: total - examples(waits), total, reasons }
    }
}

/// The examples with a queued flag, in the order of `karat queue list`.
fn waiting(dataset: &str, flags: Vec<FlagRow>) -> Vec<ReviewItem> {
    let queued = flags.into_iter().filter(|row| row.state == QueueState::Queued).collect();
    let mut items: Vec<ReviewItem> = Vec::new();
    for row in ranked(queued) {
        match items.last_mut().filter(|item| item.example_id == row.flag.example_id) {
            Some(item) => item.reasons.push(row.flag.code),
            None => items.push(ReviewItem {
                dataset: dataset.to_owned(),
                name: shown_line(&row.flag.example_id, ID),
                example_id: row.flag.example_id,
                reasons: vec![row.flag.code],
            }),
        }
    }
    items
}

fn flags_of(item: &ReviewItem) -> impl Iterator<Item = (String, String, ReasonCode)> {
    item.reasons.iter().map(|code| (item.dataset.clone(), item.example_id.clone(), *code))
}

/// The decisions among these steps that were not undone: one per example.
fn decided(log: Vec<LoggedStep>) -> Vec<ReviewDecision> {
    let mut decisions: Vec<ReviewDecision> = Vec::new();
    for LoggedStep { step, decision, undone, .. } in log {
        let (Some(decision), Some(by), false) = (decision, step.by.clone(), undone) else { continue };
        let is_known = |known: &ReviewDecision| known.decision == decision && known.example_id == step.example_id;
        if !decisions.iter().rev().take_while(|known| known.decision == decision).any(is_known) {
            let name = shown_line(&step.example_id, ID);
            let QueueStep { dataset, example_id, at, to, .. } = step;
            let by = shown_line(&by, ID);
            decisions.push(ReviewDecision { decision, dataset, example_id, name, to, by, at });
        }
    }
    decisions
}

/// The commands that make sense after these decisions.
fn next_commands(datasets: &[String], decisions: &[ReviewDecision]) -> Vec<String> {
    let changed = |decision: &&ReviewDecision| {
        matches!(decision.to, QueueState::Relabelled | QueueState::Retired | QueueState::RegressionOnly)
    };
    let of: BTreeSet<&str> = decisions.iter().filter(changed).map(|decision| decision.dataset.as_str()).collect();
    let mut commands: Vec<String> = Vec::new();
    for dataset in of {
        commands.push(format!("karat dataset diff {dataset}"));
        commands.push("karat dataset lock".to_owned());
    }
    commands.extend(datasets.iter().map(|dataset| format!("karat decay {dataset}")));
    commands
        .extend(datasets.iter().filter(|_| !decisions.is_empty()).map(|dataset| format!("karat queue log {dataset}")));
    let mut known = BTreeSet::new();
    commands.retain(|command| known.insert(command.clone()));
    commands.iter().map(|command| shown_line(command, ID)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(id: i64, example: &str, decision: Option<i64>, undone: bool) -> LoggedStep {
        let step = QueueStep {
            dataset: "d".into(),
            example_id: example.into(),
            code: ReasonCode::Undated,
            at: "2026-01-01T00:00:00Z".into(),
            from: Some(QueueState::Queued),
            to: QueueState::Retired,
            by: Some("ada".into()),
            reason: None,
            detail: None,
        };
        LoggedStep { id, step, decision, undone, snoozed_before: None, row: None }
    }

    #[test]
    fn a_decision_about_several_flags_counts_once_and_an_undone_one_does_not() {
        let measured = LoggedStep {
            step: QueueStep { by: None, ..logged(9, "e", None, false).step },
            ..logged(9, "e", None, false)
        };
        let log = vec![
            logged(1, "a", Some(1), false),
            logged(2, "b", Some(1), false),
            logged(3, "a", Some(1), false),
            logged(4, "c", Some(2), true),
            logged(5, "c", None, false),
            measured,
        ];
        let found: Vec<_> = decided(log).into_iter().map(|decision| (decision.decision, decision.example_id)).collect();
        assert_eq!(found, [(1, "a".to_owned()), (1, "b".to_owned())]);
    }

    #[test]
    fn the_next_commands_depend_on_what_was_decided() {
        let none = next_commands(&["d".to_owned()], &[]);
        assert_eq!(none, ["karat decay d"]);
        let retired = decided(vec![logged(1, "a", Some(1), false)]);
        let all = ["karat dataset diff d", "karat dataset lock", "karat decay d", "karat queue log d"];
        assert_eq!(next_commands(&["d".to_owned()], &retired), all);
    }
}
