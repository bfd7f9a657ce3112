//! Validates judges: holds the scores of a model that grades against the verdicts of people on the same answers, which are
//! either those of a stored run (`stored`) or in the labels file itself (`calibration`).

mod calibration;
mod correct;
mod stored;
mod tally;

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

pub(in crate::flow) use self::correct::run_validation;
use super::event::Stopped;
use super::{Events, Workspace};
use crate::core::domain::{Failure, Scorer, Suite, canonical_json, content_hash, did_you_mean};
use crate::core::judge::JudgeTask;
use crate::core::scoring::varies;
use crate::core::view::{JudgeValidationView, LabelSample};
use crate::edge::judge_labels::read_judge_labels;

/// Options of a validation.
#[derive(Debug, Clone)]
pub struct ValidateOptions {
    /// The labels file.
    pub labels: PathBuf,
    /// The scorer; the suite's only judge if `None`.
    pub scorer: Option<String>,
    /// The run whose answers are labelled; the latest finished one if `None`.
    pub run: Option<String>,
    /// Only runs on this endpoint.
    pub endpoint: Option<String>,
    /// How the labelled answers were chosen.
    pub sample: Option<LabelSample>,
    /// Maximum concurrent requests.
    pub concurrency: usize,
    /// Maximum total cost, in the currency of the endpoints' prices.
    pub max_cost: Option<f64>,
}

/// The result of a validation.
pub struct Validation {
    /// What was found.
    pub view: JudgeValidationView,
    /// Why it ended early, if it did.
    pub stopped: Option<Stopped>,
    /// Whether the judge failed more often than the suite tolerates.
    pub too_many_failures: bool,
}

/// Validates a judge of a suite. A calibration set is scored now; scores are stored as they arrive, and the same command
/// continues an interrupted validation. The answers of a run were scored before, and nothing is called.
///
/// # Errors
/// A usage or data failure before anything is sent; a store failure if scores can no longer be stored.
pub async fn validate_judge(
    workspace: &Workspace,
    suite: &Suite,
    options: &ValidateOptions,
    now: Timestamp,
    stop: watch::Receiver<bool>,
    events: Events<'_>,
) -> Result<Validation, Failure> {
    let rows = read_judge_labels(&options.labels)?;
    if rows.iter().any(|row| row.output.is_some()) {
        calibration::validate(workspace, suite, options, &rows, now, stop, events).await
    } else {
        stored::validate(workspace, suite, options, &rows, now)
    }
}

/// Whether a scorer is a judge, or is made of scorers one of which is.
pub(in crate::flow) fn is_judge(scorer: &Scorer) -> bool {
    scorer.external_parts().iter().any(|part| JudgeTask::of(&part.kind).is_some())
}

/// The scorer to validate.
fn chosen<'a>(suite: &'a Suite, name: Option<&str>) -> Result<&'a Scorer, Failure> {
    let judges: Vec<&Scorer> = suite.scorers.iter().filter(|scorer| is_judge(scorer)).collect();
    let names: Vec<&str> = judges.iter().map(|scorer| scorer.name.as_str()).collect();
    match (name, judges.as_slice()) {
        (_, []) => Err(Failure::data(format!("the suite {} has no judge", suite.name))
            .hint("a judge is a scorer of type rubric, factuality, closed_qa, g_eval, pairwise or the like")),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::usage(format!("the suite {} has several judges", suite.name))
            .hint(format!("choose one with --scorer: {}", names.join(", ")))),
        (Some(name), _) => judges.iter().find(|scorer| scorer.name == name).copied().ok_or_else(|| {
            let known = suite.scorers.iter().any(|scorer| scorer.name == name);
            let what = if known { "is no judge: no model grades in it" } else { "is not in the suite" };
            Failure::usage(format!("the scorer \"{name}\" {what}")).hint(did_you_mean(name, &names, "its judges are"))
        }),
    }
}

/// Hash of everything that may change the scores of a judge, from the hash of what evaluates it outside karat.
fn judge_identity(suite: &Suite, scorer: &Scorer, evaluator: &str) -> String {
    let mut of = json!({
        "kind": scorer.kind,
        "not": scorer.not,
        "threshold": scorer.threshold,
        "vars": varies(scorer).then_some(&suite.vars),
        "evaluator": evaluator,
    });
    // Absent where there is none, so that validations from before there were conditions still count.
    if let Some(when) = &scorer.when {
        of["when"] = json!(when);
    }
    content_hash("judge-identity", canonical_json(&of).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::config::load_suite;

    #[test]
    fn a_judge_with_another_condition_is_another_judge() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("support.yaml");
        let identity = |when: &str| {
            let scorer = format!("{{type: rubric, judge: a-model, criteria: It is polite.{when}}}");
            std::fs::write(&path, format!("dataset: desk\nendpoints: [a-model]\nscorers: [{scorer}]\n")).unwrap();
            let suite = load_suite(&path).unwrap();
            judge_identity(&suite, &suite.scorers[0], "the same")
        };
        let (always, sometimes) = (identity(""), identity(", when: metadata.kind == 'mail'"));
        assert_eq!(always, identity(""));
        assert_ne!(always, sometimes);
        assert_ne!(sometimes, identity(", when: metadata.kind == 'chat'"));
    }
}
