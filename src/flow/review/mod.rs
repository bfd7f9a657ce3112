//! The review page: a session over a workspace, in which people decide about flagged examples one by one.

mod example;
mod progress;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::Workspace;
use super::decay::RecentTraffic;
use super::queue::{Resolution, Resolved, UNDONE, Undoing, resolve_if, undo};
use crate::core::domain::{Dataset, Example, Failure, FailureKind, content_hash, short};
use crate::core::golden::canonical_example;
use crate::core::privacy::sanitize::for_terminal;
use crate::core::queue::{Decision, FlagRow, QueueState, QueueStep};
use crate::core::view::{ReviewDoneView, ReviewExampleView, ReviewView, shown, shown_line};
use crate::edge::git::user_name;
use crate::edge::review::{DecideRequest, DecisionName, Refusal, ReviewDesk, ReviewServer, UndoRequest};
use progress::Progress;

/// For how many days an example is set aside, unless the page says otherwise.
const SNOOZE_DAYS: u16 = 30;
/// Maximum number of characters of a name.
const NAME: usize = 80;
/// Maximum number of characters of an example's id that are shown.
const ID: usize = 200;
/// Maximum number of characters of a reason, and of an answer.
const TEXT: usize = 10_000;

/// How to serve the page.
#[derive(Debug, Clone)]
pub struct ReviewOptions {
    /// The datasets to review; empty for all with flags.
    pub datasets: Vec<String>,
    /// The port.
    pub port: u16,
    /// Whether any free port will do if that one is taken.
    pub any_port: bool,
}

/// Serves the page until `stop` becomes true, and returns what was decided: the states and how many examples came to each.
/// `opened` is called with the address.
///
/// # Errors
/// A data failure if a dataset is not known; a store failure; a failure if no port is available.
pub async fn serve(
    workspace: Workspace,
    options: ReviewOptions,
    stop: watch::Receiver<bool>,
    opened: impl FnOnce(&str),
) -> Result<Vec<(QueueState, usize)>, Failure> {
    let session = Arc::new(Session::new(workspace, options.datasets)?);
    let server = ReviewServer::bind(options.port, options.any_port).await?;
    opened(&server.url());
    server.serve(Arc::clone(&session) as Arc<dyn ReviewDesk>, stop).await?;
    session.summary()
}

/// What the page is about, from the start of the server to its end.
struct Session {
    workspace: Workspace,
    /// The datasets given; empty for all with flags.
    datasets: Vec<String>,
    reviewer: Option<String>,
    progress: Mutex<Progress>,
    /// The decisions that this server carried out and that were not undone, in order.
    own: Mutex<Vec<OwnDecision>>,
    /// The latest window of traffic, by dataset.
    traffic: Mutex<HashMap<String, LoadedTraffic>>,
}

/// A window of traffic, and the time of the record that it ends with.
type LoadedTraffic = (Option<Timestamp>, Arc<RecentTraffic>);

/// A decision that this server carried out.
#[derive(Debug, Clone)]
struct OwnDecision {
    by: String,
    dataset: String,
    example_id: String,
    number: i64,
}

impl Session {
    fn new(workspace: Workspace, datasets: Vec<String>) -> Result<Self, Failure> {
        let flagged = workspace.store.flagged_datasets()?;
        // A name with neither flags nor a folder is a typo, not an empty queue.
        for unflagged in datasets.iter().filter(|name| !flagged.contains(name)) {
            workspace.read_dataset(unflagged)?;
        }
        let reviewer = user_name(&workspace.config.root).map(|name| shown_line(&name, NAME));
        let progress = Mutex::new(Progress::new(workspace.store.last_step()?));
        let session =
            Self { workspace, datasets, reviewer, progress, own: Mutex::default(), traffic: Mutex::default() };
        // What waits now is what there is to do.
        session.view()?;
        Ok(session)
    }

    fn names(&self) -> Result<Vec<String>, Failure> {
        if self.datasets.is_empty() { self.workspace.store.flagged_datasets() } else { Ok(self.datasets.clone()) }
    }

    fn view(&self) -> Result<ReviewView, Failure> {
        let names = self.names()?;
        locked(&self.progress).view(&self.workspace.store, &names, self.reviewer.clone())
    }

    /// The number of examples by the state that they came to, most frequent first.
    fn summary(&self) -> Result<Vec<(QueueState, usize)>, Failure> {
        let decisions = self.view()?.decisions;
        let count = |state| decisions.iter().filter(|decision| decision.to == state).count();
        let mut counts: Vec<(QueueState, usize)> =
            QueueState::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(counts)
    }

    /// What was done, and the queue afterwards.
    fn done(&self, resolved: Resolved) -> Result<ReviewDoneView, Failure> {
        let Resolved { steps, edited, notes, decision } = resolved;
        let (schema, line) = ("karat.review-done/1", edited.map(|(_, line)| line));
        let name = steps.first().map(|step| shown_line(&step.example_id, ID)).unwrap_or_default();
        let notes = notes.iter().map(|note| shown(note)).collect();
        Ok(ReviewDoneView { schema, decision, name, steps, line, notes, queue: self.view()? })
    }

    /// Why a decision about what the page showed must not be carried out.
    fn conflict(&self, dataset: &str, example_id: &str, flags_changed: bool) -> Failure {
        let log = match self.workspace.store.queue_steps(dataset, Some(example_id)) {
            Ok(log) => log,
            Err(failure) => return failure,
        };
        let what = match log.last().filter(|_| flags_changed) {
            Some(QueueStep { by: Some(by), detail: Some(detail), .. }) if detail == UNDONE => {
                format!("{by} undid a decision about it")
            }
            Some(QueueStep { by: Some(by), to, .. }) => format!("{by} set it to {}", to.name()),
            Some(_) => "its flags were measured again".to_owned(),
            None => "its row is not the one that the page showed".to_owned(),
        };
        let message = format!("\"{example_id}\" changed meanwhile: {what}");
        Failure::data(message)
            .hint("nothing was changed; look at the example again, and decide again if it still needs it")
    }
}

impl ReviewDesk for Session {
    fn queue(&self) -> Result<ReviewView, Failure> {
        self.view()
    }

    fn example(&self, dataset: &str, example_id: &str) -> Result<ReviewExampleView, Failure> {
        self.refuse_other_datasets(dataset)?;
        self.example_view(dataset, example_id)
    }

    fn decide(&self, request: DecideRequest) -> Result<ReviewDoneView, Refusal> {
        self.refuse_other_datasets(&request.dataset)?;
        let now = Timestamp::now();
        let resolution = resolution(&request, now)?;
        let DecideRequest { dataset, example_id, seen, .. } = request;
        let is_conflict = Cell::new(false);
        let check = |set: &Dataset| {
            let flags = self.flags_of(&dataset, &example_id)?;
            let example = set.examples.iter().find(|example| example.id == example_id);
            let now = seen_hash(&flags, example);
            if now == seen {
                return Ok(());
            }
            is_conflict.set(true);
            let flags_part = |hash: &str| hash.split('-').next().map(str::to_owned);
            Err(self.conflict(&dataset, &example_id, flags_part(&now) != flags_part(&seen)))
        };
        let resolved = resolve_if(&self.workspace, &dataset, &resolution, now, check)
            .map_err(|failure| Refusal { is_conflict: is_conflict.get(), failure })?;
        let own = OwnDecision { by: resolution.by, dataset, example_id, number: resolved.decision };
        locked(&self.own).push(own);
        Ok(self.done(resolved)?)
    }

    fn undo(&self, request: UndoRequest) -> Result<ReviewDoneView, Refusal> {
        let by = name(&request.by)?;
        let mut own = locked(&self.own);
        let Some(place) = own.iter().rposition(|decision| decision.by == by) else {
            return Err(Failure::data(format!("there is no decision of {by} to undo since karat review was started"))
                .hint("`karat queue undo DATASET EXAMPLE` undoes earlier ones")
                .into());
        };
        let OwnDecision { dataset, example_id, number, .. } = own[place].clone();
        let undoing = Undoing { example_id, decision: Some(number), by, why: None };
        let undone = undo(&self.workspace, &dataset, &undoing, Timestamp::now());
        // A decision that cannot be undone must not be in the way of those before it; a failing database may recover.
        if undone.as_ref().map_or_else(|failure| failure.kind == FailureKind::Data, |_| true) {
            own.remove(place);
        }
        drop(own);
        Ok(self.done(undone?)?)
    }
}

impl Session {
    fn refuse_other_datasets(&self, dataset: &str) -> Result<(), Failure> {
        let names = self.names()?;
        if names.iter().any(|name| name == dataset) {
            return Ok(());
        }
        Err(Failure::data(format!("\"{dataset}\" is not reviewed here"))
            .hint(format!("these are: {}", names.join(", "))))
    }

    /// The flags of an example, in the order in which they are shown.
    fn flags_of(&self, dataset: &str, example_id: &str) -> Result<Vec<FlagRow>, Failure> {
        let mut flags = self.workspace.store.flags(dataset)?;
        flags.retain(|row| row.flag.example_id == example_id);
        Ok(flags)
    }
}

/// Hashes of what a decision is about: the states and evidence of the flags, and the example.
fn seen_hash(flags: &[FlagRow], example: Option<&Example>) -> String {
    let mut lines: Vec<String> = flags
        .iter()
        .map(|row| format!("{} {} {}", row.flag.code.name(), row.state.name(), row.evidence_hash))
        .collect();
    lines.sort();
    let row = example.map(canonical_example).unwrap_or_default();
    let hash = |text: &str| short(&content_hash("karat-seen", text.as_bytes()), 16).to_owned();
    format!("{}-{}", hash(&lines.join("\n")), hash(&row))
}

fn resolution(request: &DecideRequest, now: Timestamp) -> Result<Resolution, Failure> {
    let relabels = request.decision == DecisionName::Relabel;
    let answers: Vec<String> = request.answers.iter().filter(|answer| !answer.trim().is_empty()).cloned().collect();
    if relabels == answers.is_empty() {
        let message = if relabels { "there is no new answer" } else { "only relabelling takes answers" };
        return Err(Failure::usage(message).hint("choose or type at least one accepted answer to relabel"));
    }
    let why = request.reason.as_ref().map(|why| why.trim()).filter(|why| !why.is_empty());
    if answers.iter().map(String::as_str).chain(why).any(|text| text.chars().count() > TEXT) {
        return Err(Failure::usage(format!("an answer or a reason has more than {TEXT} characters")));
    }
    let decision = match request.decision {
        DecisionName::Relabel => Decision::Relabel,
        DecisionName::Confirm => Decision::Confirm,
        DecisionName::Dismiss => Decision::Dismiss,
        DecisionName::Retire => Decision::Retire,
        DecisionName::RegressionOnly => Decision::RegressionOnly,
        DecisionName::Snooze => {
            let days = SignedDuration::from_hours(24 * i64::from(request.days.unwrap_or(SNOOZE_DAYS).max(1)));
            let until = now.checked_add(days);
            Decision::Snooze(until.map_err(|error| Failure::usage("the time is too long").caused_by(error))?)
        }
    };
    let (example_id, why, by) = (request.example_id.clone(), why.map(str::to_owned), name(&request.by)?);
    Ok(Resolution { example_id, code: None, decision, answers, why, by })
}

/// The name of a reviewer.
fn name(given: &str) -> Result<String, Failure> {
    let name = given.trim();
    let is_plain = for_terminal(name) == name;
    if name.is_empty() || name.chars().count() > NAME || !is_plain {
        return Err(Failure::usage(format!("a reviewer's name has 1 to {NAME} characters, all of them visible"))
            .hint("enter your name on the page"));
    }
    Ok(name.to_owned())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves nothing half done in these lists.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::{Flag, ReasonCode};

    fn row(code: ReasonCode, state: QueueState, evidence_hash: &str) -> FlagRow {
        let (evidence, basis) = (String::new(), String::new());
        FlagRow {
            flag: Flag { example_id: "e".into(), code, score: 0.5, threshold: 0.5, evidence, basis },
            state,
            evidence_hash: evidence_hash.into(),
            snoozed_until: None,
            traffic_share: None,
            first_seen: String::new(),
            last_seen: String::new(),
        }
    }

    #[test]
    fn what_was_seen_depends_on_states_and_evidence_but_not_on_the_order_or_the_scores() {
        use QueueState::{Dismissed, Queued};
        let (expired, undated) = (row(ReasonCode::Expired, Queued, "x"), row(ReasonCode::Undated, Queued, "y"));
        let seen = seen_hash(&[expired.clone(), undated.clone()], None);
        let mut rescored = undated.clone();
        rescored.flag.score = 0.9;
        assert_eq!(seen_hash(&[rescored, expired.clone()], None), seen);
        for other in [row(ReasonCode::Undated, Dismissed, "y"), row(ReasonCode::Undated, Queued, "z")] {
            assert_ne!(seen_hash(&[expired.clone(), other], None), seen);
        }
        assert_ne!(seen_hash(&[expired], None), seen);
        assert_ne!(seen_hash(&[], None), seen);
    }

    #[test]
    fn a_request_becomes_a_resolution_or_is_refused() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let request = |decision, answers: &[&str], by: &str| DecideRequest {
            dataset: "d".into(),
            example_id: "e".into(),
            seen: String::new(),
            decision,
            answers: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            days: None,
            reason: Some("  ".into()),
            by: by.into(),
        };
        let resolved = resolution(&request(DecisionName::Relabel, &["a", " "], " ada "), now).unwrap();
        assert_eq!((resolved.answers, resolved.by, resolved.why), (vec!["a".to_owned()], "ada".to_owned(), None));
        let snoozed = resolution(&request(DecisionName::Snooze, &[], "ada"), now).unwrap();
        assert_eq!(snoozed.decision, Decision::Snooze("2026-01-31T00:00:00Z".parse().unwrap()));
        let (long, long_name) = ("x".repeat(TEXT + 1), "x".repeat(NAME + 1));
        for (decision, answers, by) in [
            (DecisionName::Relabel, &[][..], "ada"),
            (DecisionName::Relabel, &[" "], "ada"),
            (DecisionName::Relabel, &[long.as_str()], "ada"),
            (DecisionName::Dismiss, &["a"], "ada"),
            (DecisionName::Dismiss, &[], " "),
            (DecisionName::Dismiss, &[], "a\u{202e}b"),
            (DecisionName::Dismiss, &[], long_name.as_str()),
        ] {
            assert!(resolution(&request(decision, answers, by), now).is_err(), "{decision:?} {answers:?} {by}");
        }
    }
}
