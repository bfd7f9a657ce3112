//! Loads an earlier version of a dataset, and what was decided about its examples since.

use jiff::Timestamp;

use crate::core::decay::EarlierVersion;
use crate::core::domain::{Dataset, Failure, Window, parse_timestamp};
use crate::flow::Workspace;

/// The version that was in use at the end of the reference window, or else the earliest one stored; `None` if it is the present
/// one.
pub(super) fn earlier_version(
    workspace: &Workspace,
    dataset: &Dataset,
    reference: Option<Window>,
) -> Result<Option<EarlierVersion>, Failure> {
    let stored = workspace.store.dataset_versions(&dataset.name)?;
    let versions: Vec<(String, Timestamp)> =
        stored.into_iter().filter_map(|(version, seen)| Some((version, parse_timestamp(&seen)?))).collect();
    let in_use = versions.iter().rev().find(|(_, seen)| reference.is_some_and(|window| *seen <= window.to));
    let Some((version, seen)) = in_use.or(versions.first()).filter(|(version, _)| *version != dataset.version) else {
        return Ok(None);
    };
    let Some(examples) = workspace.store.stored_examples(&dataset.name, version)? else { return Ok(None) };
    let since = |at: &str| parse_timestamp(at).is_some_and(|at| at >= *seen);
    let steps = workspace.store.queue_steps(&dataset.name, None)?.into_iter().filter(|step| since(&step.at)).collect();
    Ok(Some(EarlierVersion {
        day: seen.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
        version: version.clone(),
        examples: examples.collect::<Result<_, _>>()?,
        steps,
    }))
}
