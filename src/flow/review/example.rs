//! One flagged example with all that helps to decide about it: its row, its flags, the nearest traffic, and what models
//! answered.

use std::sync::Arc;

use serde_json::Value;

use super::{Session, locked, seen_hash};
use crate::core::domain::{Card, Dataset, Example, Failure, FailureKind, RecordedOutcome, Score};
use crate::core::queue::{FlagRow, QueueStep, ranked};
use crate::core::view::{
    NearRequest, PastDecision, ReviewAnswer, ReviewExampleView, ReviewFlag, ShownText, count_of, meaning_of,
    observed_and_clears, shown, shown_line,
};
use crate::edge::store::RunHeader;
use crate::flow::decay::{RecentRequest, RecentTraffic, primary_scorer};
use crate::flow::queue::UNDONE;

/// Requests of recent traffic that are shown.
const NEAREST: usize = 5;
/// Other answers that are suggested.
const SUGGESTIONS: usize = 5;
/// Maximum number of characters of a name or a value of the example's details.
const DETAIL: usize = 2_000;

impl Session {
    /// The view of a flagged example.
    ///
    /// # Errors
    /// A data failure if it is not flagged, or if its dataset cannot be read; a store failure.
    pub(super) fn example_view(&self, dataset: &str, example_id: &str) -> Result<ReviewExampleView, Failure> {
        let flags = ranked(self.flags_of(dataset, example_id)?);
        if flags.is_empty() {
            return Err(Failure::data(format!("the example \"{example_id}\" of {dataset} is not flagged"))
                .hint("reload the page"));
        }
        let set = self.workspace.dataset(dataset)?;
        let example = set.examples.iter().find(|example| example.id == example_id);
        let answers = self.answers(&set, example_id)?;
        let (traffic, traffic_note) = match example {
            Some(example) => self.traffic(&set, example)?,
            None => (Vec::new(), "The dataset no longer contains this example.".to_owned()),
        };
        let history = self.workspace.store.queue_steps(dataset, Some(example_id))?;
        Ok(ReviewExampleView {
            schema: "karat.review-example/1",
            dataset: dataset.to_owned(),
            example_id: example_id.to_owned(),
            name: shown_line(example_id, DETAIL),
            seen: seen_hash(&flags, example),
            present: example.is_some(),
            input: example.map(|example| shown(&example.text())).unwrap_or_default(),
            structure: example.and_then(structure),
            expected: example
                .map(Example::expected_texts)
                .unwrap_or_default()
                .into_iter()
                .map(ShownText::new)
                .collect(),
            labels: set.card.labels.iter().cloned().map(ShownText::new).collect(),
            suggestions: suggestions(&set.card, example, &answers),
            details: example.map(details).unwrap_or_default(),
            traffic_share: flags.iter().find_map(|row| row.traffic_share),
            flags: flags.into_iter().map(review_flag).collect(),
            traffic,
            traffic_note,
            answers,
            history: history.into_iter().filter_map(past).collect(),
        })
    }

    /// The nearest requests of recent traffic, and where they are from or why there are none.
    fn traffic(&self, set: &Dataset, example: &Example) -> Result<(Vec<NearRequest>, String), Failure> {
        let rule = self.workspace.embedder.rule();
        let recent = match self.recent(set) {
            Ok(recent) => recent,
            Err(failure) if failure.kind == FailureKind::Store => return Err(failure),
            Err(failure) => {
                return Ok((Vec::new(), format!("There is none: {}.", shown_line(&failure.message, DETAIL))));
            }
        };
        let (from, to) = (day(recent.window.from), day(recent.window.to));
        let (source, window) = (shown_line(&recent.source, DETAIL), format!("{from} to {to}"));
        let command = format!("karat decay {}", set.name);
        if recent.len() == 0 {
            let note = format!("The traffic of {source} from {window} has no vectors yet; `{command}` computes them.");
            return Ok((Vec::new(), note));
        }
        let Some(near) = recent.nearest(&self.workspace, &rule.text(&example.input), NEAREST)? else {
            return Ok((Vec::new(), format!("The example has no vector yet; `{command}` computes it.")));
        };
        let request = |(request, similarity): (&RecentRequest, f32)| NearRequest {
            text: shown(&request.text),
            similarity: f64::from(similarity),
            weight: request.weight,
            at: request.at.to_string(),
        };
        let note = match recent.distinct - recent.len() {
            0 => format!("{source}, {window}: {}", count_of(recent.len(), "distinct request")),
            missing => format!(
                "{source}, {window}: {}; {missing} more have no vector yet (`{command}` computes them)",
                count_of(recent.len(), "distinct request")
            ),
        };
        Ok((near.into_iter().map(request).collect(), note))
    }

    /// The latest window of the dataset's traffic, loaded once until there are later records.
    fn recent(&self, set: &Dataset) -> Result<Arc<RecentTraffic>, Failure> {
        let last = RecentTraffic::last(&self.workspace, &set.card)?;
        if let Some((of, recent)) = locked(&self.traffic).get(&set.name)
            && *of == last
        {
            return Ok(Arc::clone(recent));
        }
        let rule = self.workspace.embedder.rule();
        let texts: Vec<String> = set.examples.iter().map(|example| rule.text(&example.input)).collect();
        let examples: Vec<&str> = texts.iter().map(String::as_str).collect();
        let recent = Arc::new(RecentTraffic::load(&self.workspace, &set.card, &examples)?);
        locked(&self.traffic).insert(set.name.clone(), (last, Arc::clone(&recent)));
        Ok(recent)
    }

    /// The latest answer of each endpoint about an example.
    fn answers(&self, set: &Dataset, example_id: &str) -> Result<Vec<ReviewAnswer>, Failure> {
        let mut answers = Vec::new();
        for run in self.workspace.store.latest_runs_with(&set.name, example_id)? {
            let scorer = primary_scorer(&self.workspace, &run)?.map(|scorer| scorer.name);
            let outcomes = self.workspace.store.outcomes_of(&run.run_id, example_id)?;
            // Of several trials, the first one is shown.
            answers.extend(outcomes.into_iter().next().map(|outcome| answer(set, &run, scorer.as_deref(), outcome)));
        }
        Ok(answers)
    }
}

fn answer(set: &Dataset, run: &RunHeader, scorer: Option<&str>, outcome: RecordedOutcome) -> ReviewAnswer {
    let score = scorer.and_then(|scorer| outcome.scores.get(scorer)).and_then(Score::value);
    let (output, is_error) = match (outcome.output, outcome.error) {
        (Some(output), _) => (output, false),
        (None, Some((kind, message))) => (format!("{}: {message}", kind.name()), true),
        (None, None) => (String::new(), true),
    };
    let prompt = run.prompt.as_ref().map(|prompt| format!(" · {prompt}")).unwrap_or_default();
    ReviewAnswer {
        endpoint: shown_line(&format!("{}{prompt}", run.endpoint), DETAIL),
        suite: shown_line(&run.suite, DETAIL),
        output: shown(&output),
        is_error,
        right: score.filter(|_| !is_error).map(|score| score >= 1.0),
        score,
        at: run.started_at.to_string(),
        current: run.dataset_version == set.version,
    }
}

/// The input as JSON, if it is more than a text.
fn structure(example: &Example) -> Option<String> {
    let is_text = matches!(example.input, Value::String(_));
    (!is_text).then(|| shown(&serde_json::to_string_pretty(&example.input).unwrap_or_default()))
}

fn details(example: &Example) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let status = example.status.name();
    let mut rows = vec![("status".to_owned(), status.to_owned())];
    let mut row = |name: &str, value: Option<String>| rows.extend(value.map(|value| (name.to_owned(), value)));
    row("retired reason", example.retired_reason.clone());
    row("tags", (!example.tags.is_empty()).then(|| example.tags.join(", ")));
    row("context", example.context.as_ref().map(text));
    row("created", example.created_at.map(day));
    row("labelled", example.labeled_at.map(day));
    row("labelled by", example.labeled_by.clone());
    row("reviewed", example.reviewed_at.map(day));
    row("valid until", example.valid_until.map(|date| date.to_string()));
    row("source", example.source.clone());
    row("critical", example.critical.then(|| "yes".to_owned()));
    rows.extend(example.metadata.iter().map(|(name, value)| (name.clone(), text(value))));
    rows.iter().map(|(name, value)| (shown_line(name, DETAIL), shown_line(value, DETAIL))).collect()
}

fn day(at: jiff::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Other answers that models gave: if the answers are a closed set, only those.
fn suggestions(card: &Card, example: Option<&Example>, answers: &[ReviewAnswer]) -> Vec<ShownText> {
    let expected = example.map(Example::expected_texts).unwrap_or_default();
    let folded = |text: &str| text.trim().to_lowercase();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for answer in answers.iter().filter(|answer| !answer.is_error && answer.right != Some(true)) {
        let label = card.labels.iter().find(|label| folded(label) == folded(&answer.output)).cloned();
        let text = if card.labels.is_empty() { Some(answer.output.trim().to_owned()) } else { label };
        let Some(text) = text.filter(|text| !text.is_empty() && !expected.contains(text)) else { continue };
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(SUGGESTIONS).map(|(text, _)| ShownText::new(text)).collect()
}

fn review_flag(row: FlagRow) -> ReviewFlag {
    let (observed, clears) = observed_and_clears(&row.flag.evidence);
    ReviewFlag {
        code: row.flag.code,
        meaning: meaning_of(row.flag.code),
        state: row.state,
        score: row.flag.score,
        threshold: row.flag.threshold,
        observed: shown(observed),
        clears: shown(clears),
        first_seen: row.first_seen,
        snoozed_until: row.snoozed_until.map(|until| until.to_string()),
    }
}

fn past(step: QueueStep) -> Option<PastDecision> {
    let QueueStep { code, to, by, at, reason, detail, .. } = step;
    let undid = detail.as_deref() == Some(UNDONE);
    let text: Vec<String> = detail.filter(|_| !undid).into_iter().chain(reason).collect();
    by.map(|by| PastDecision {
        code,
        to,
        by: shown_line(&by, DETAIL),
        at,
        text: shown_line(&text.join("; "), DETAIL),
        undid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(output: &str, right: Option<bool>) -> ReviewAnswer {
        ReviewAnswer {
            endpoint: "e".into(),
            suite: "s".into(),
            output: output.into(),
            is_error: right.is_none() && output.starts_with("timeout"),
            right,
            score: None,
            at: String::new(),
            current: true,
        }
    }

    #[test]
    fn other_answers_of_models_are_suggested_and_only_labels_if_there_are_labels() {
        let answers = [
            answer("Billing ", Some(false)),
            answer("something else", Some(false)),
            answer("billing", Some(false)),
            answer("refund", None),
            answer("orders", Some(true)),
            answer("timeout: 60 s", None),
            answer("  ", Some(false)),
        ];
        let labels = ["orders", "billing", "refund"].map(str::to_owned).to_vec();
        let suggested = |labels: Vec<String>| -> Vec<String> {
            let card = Card { labels, ..Card::default() };
            suggestions(&card, None, &answers).into_iter().map(|answer| answer.value).collect()
        };
        assert_eq!(suggested(labels), ["billing", "refund"]);
        assert_eq!(suggested(Vec::new()), ["Billing", "something else", "billing", "refund"]);
        assert!(suggestions(&Card::default(), None, &[]).is_empty());
    }
}
