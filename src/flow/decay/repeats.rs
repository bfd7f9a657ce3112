//! What runs with repeats say about the steadiness of examples.

use std::collections::BTreeMap;

use crate::core::domain::{Dataset, Failure, Score};
use crate::core::signals::Passes;
use crate::edge::config::suite_from_content;
use crate::flow::Workspace;

/// How often the trials of each example passed the primary scorer, by endpoint, in its latest finished run with repeats
/// of this version of the dataset.
pub(super) fn passes(
    workspace: &Workspace,
    dataset: &Dataset,
) -> Result<BTreeMap<String, BTreeMap<String, Passes>>, Failure> {
    let mut runs = workspace.store.latest_runs_of_dataset(&dataset.name, &dataset.version)?;
    runs.retain(|run| run.header.repeats > 1);
    runs.sort_by(|a, b| (&b.header.started_at, &b.header.run_id).cmp(&(&a.header.started_at, &a.header.run_id)));
    let mut passes = BTreeMap::new();
    for run in runs {
        let header = run.header;
        if passes.contains_key(&header.endpoint) {
            continue;
        }
        let Some(content) = workspace.store.suite_content(&header.suite, &header.suite_version)? else { continue };
        let suite = suite_from_content(&header.suite, &header.suite_version, &content)?;
        let Some(scorer) = suite.scorers.first() else { continue };
        let mut of: BTreeMap<String, Passes> = BTreeMap::new();
        workspace.store.each_outcome(&header.run_id, &mut |outcome| {
            if let Some(value) = outcome.scores.get(&scorer.name).and_then(Score::value) {
                let entry = of.entry(outcome.example_id).or_insert(Passes { passed: 0, trials: 0 });
                entry.trials += 1;
                entry.passed += u32::from(value >= 1.0);
            }
        })?;
        passes.insert(header.endpoint, of);
    }
    Ok(passes)
}
