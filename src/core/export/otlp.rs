//! OTLP in JSON: a `gen_ai.evaluation.result` event per score, as the OpenTelemetry semantic conventions for generative
//! AI define it. Every line is one export request of logs, as the OTLP JSON file receiver of the OpenTelemetry
//! Collector reads them, and may also be posted to `/v1/logs` by itself.
//!
//! Every event has `gen_ai.evaluation.name` (the scorer). Scored: `gen_ai.evaluation.score.value`, and the label `pass`
//! for 1 and `fail` for 0. Skipped: the label `skipped`. Failed, or no answer: no value and no label, but `error.type`,
//! which is `scorer_failed` or the kind of the error. The reason is `gen_ai.evaluation.explanation`. What belongs to
//! karat alone is under `karat.`. Inputs, accepted answers and answers have no attributes of their own, but the reason of
//! a scorer may quote them, so an event must be treated as if they were in it.
//!
//! Trace and span ids follow from run, example and repeat, so the events of one outcome have the same span, and
//! exporting a run twice gives the same ids.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{ExportedOutcome, ExportedRun, ExportedScore, Exporter, Header, ScoreState, Summary, one_line, run_of};
use crate::core::domain::content_hash;

/// Maximum number of events in a request.
const MAX_RECORDS: usize = 500;

/// The size of events, in bytes, from which a request is written.
const FULL: usize = 1 << 20;

/// Maximum number of characters of an explanation.
const MAX_EXPLANATION: usize = 16_384;

/// Writes OTLP export requests.
pub struct Otlp<W> {
    out: W,
    header: Option<Header>,
    records: Vec<String>,
    size: usize,
}

impl<W: Write> Otlp<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, header: None, records: Vec::new(), size: 0 }
    }

    fn push(&mut self, record: &Value) -> io::Result<()> {
        let record = one_line(record)?;
        self.size += record.len();
        self.records.push(record);
        if self.records.len() >= MAX_RECORDS || self.size >= FULL { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let version = self.header.as_ref().map_or("", |header| header.karat_version.as_str());
        let resource =
            one_line(&json!({"attributes": [text("service.name", "karat"), text("service.version", version)]}))?;
        let scope = one_line(&json!({"name": "karat", "version": version}))?;
        let records = self.records.join(",");
        writeln!(
            self.out,
            r#"{{"resourceLogs":[{{"resource":{resource},"scopeLogs":[{{"scope":{scope},"logRecords":[{records}]}}]}}]}}"#
        )?;
        self.records.clear();
        self.size = 0;
        Ok(())
    }
}

impl<W: Write> Exporter for Otlp<W> {
    fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.header = Some(header.clone());
        Ok(())
    }

    fn write(&mut self, outcome: &ExportedOutcome) -> io::Result<()> {
        let Some(header) = &self.header else { return Err(io::Error::other("the export has not begun")) };
        let run = run_of(&header.runs, outcome)?;
        let record = Record::of(run, outcome, header);
        let events: Vec<Value> = match &outcome.error {
            Some((kind, message)) => run.scorers.iter().map(|scorer| record.error(scorer, kind, message)).collect(),
            None => outcome.scores.iter().map(|score| record.score(score)).collect(),
        };
        events.iter().try_for_each(|event| self.push(event))
    }

    fn end(&mut self, _: &Summary) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }
}

/// What the events of one outcome share.
struct Record {
    trace_id: String,
    span_id: String,
    time: String,
    observed: String,
    attributes: Vec<Value>,
}

impl Record {
    fn of(run: &ExportedRun, outcome: &ExportedOutcome, header: &Header) -> Self {
        let identity = json!([run.run_id, outcome.example_id, outcome.trial]).to_string();
        let hex = |label: &str, digits: usize| {
            content_hash(label, identity.as_bytes()).chars().take(digits).collect::<String>()
        };
        let mut attributes = vec![
            text("karat.run.id", &run.run_id),
            text("karat.suite", &run.suite),
            text("karat.suite.version", &run.suite_version),
            text("karat.dataset", &run.dataset),
            text("karat.dataset.version", &run.dataset_version),
            text("karat.endpoint", &run.endpoint),
            text("karat.example.id", &outcome.example_id),
            json!({"key": "karat.trial", "value": {"intValue": outcome.trial.to_string()}}),
        ];
        attributes.extend(run.prompt.as_ref().map(|prompt| text("karat.prompt", prompt)));
        attributes.extend(outcome.model.as_ref().map(|model| text("gen_ai.response.model", model)));
        let nanoseconds = |at: jiff::Timestamp| at.as_nanosecond().max(0).to_string();
        Self {
            trace_id: hex("karat otlp trace", 32),
            span_id: hex("karat otlp span", 16),
            time: nanoseconds(outcome.answered_at.unwrap_or(run.started_at)),
            observed: nanoseconds(header.exported_at),
            attributes,
        }
    }

    fn score(&self, score: &ExportedScore) -> Value {
        let mut attributes = vec![text("gen_ai.evaluation.name", &score.scorer)];
        if let Some(value) = score.number() {
            attributes.push(json!({"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": value}}));
        }
        let label = match (score.state, score.number()) {
            (ScoreState::Scored, Some(1.0)) => Some("pass"),
            (ScoreState::Scored, Some(0.0)) => Some("fail"),
            (ScoreState::Skipped, _) => Some("skipped"),
            _ => None,
        };
        attributes.extend(label.map(|label| text("gen_ai.evaluation.score.label", label)));
        if score.state == ScoreState::Failed {
            attributes.push(text("error.type", "scorer_failed"));
        }
        attributes.extend(score.reason.as_deref().map(explanation));
        self.event(attributes)
    }

    fn error(&self, scorer: &str, kind: &str, message: &str) -> Value {
        let name = text("gen_ai.evaluation.name", scorer);
        self.event(vec![name, text("error.type", kind), explanation(message)])
    }

    fn event(&self, mut attributes: Vec<Value>) -> Value {
        attributes.extend(self.attributes.iter().cloned());
        json!({
            "timeUnixNano": self.time,
            "observedTimeUnixNano": self.observed,
            "severityNumber": 9,
            "severityText": "INFO",
            "eventName": "gen_ai.evaluation.result",
            "traceId": self.trace_id,
            "spanId": self.span_id,
            "attributes": attributes,
        })
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn explanation(reason: &str) -> Value {
    text("gen_ai.evaluation.explanation", &crate::core::privacy::sanitize::truncate_chars(reason, MAX_EXPLANATION))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fixture::{empty_header, hostile, outcomes, outcomes_of_two_suites, rich_header, two_suites};
    use super::*;

    fn requests(header: &Header, outcomes: &[ExportedOutcome]) -> Vec<Vec<Value>> {
        let mut bytes = Vec::new();
        let mut exporter = Otlp::new(&mut bytes);
        exporter.begin(header).unwrap();
        outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
        exporter.end(&Summary::default()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let request = |line: &str| -> Vec<Value> {
            let request: Value = serde_json::from_str(line).unwrap();
            request["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().clone()
        };
        text.lines().map(request).collect()
    }

    fn attributes(record: &Value) -> BTreeMap<String, Value> {
        let pair = |pair: &Value| (pair["key"].as_str().unwrap().to_owned(), pair["value"].clone());
        record["attributes"].as_array().unwrap().iter().map(pair).collect()
    }

    #[test]
    fn every_score_is_one_event_and_only_scored_ones_have_a_value() {
        let records = requests(&rich_header(), &outcomes()).concat();
        let shown: Vec<_> = records
            .iter()
            .map(|record| {
                let of = attributes(record);
                let text =
                    |key: &str| of.get(key).map_or("", |value| value["stringValue"].as_str().unwrap()).to_owned();
                let value = of.get("gen_ai.evaluation.score.value").map(|value| value["doubleValue"].as_f64().unwrap());
                let label = text("gen_ai.evaluation.score.label");
                (text("karat.example.id"), text("gen_ai.evaluation.name"), value, label, text("error.type"))
            })
            .collect();
        let row = |id: &str, name: &str, value, label: &str, error: &str| {
            (id.to_owned(), name.to_owned(), value, label.to_owned(), error.to_owned())
        };
        let expected = [
            row("a", "exact", Some(1.0), "pass", ""),
            row("a", "rouge", Some(0.75), "", ""),
            row("a", "judge", None, "skipped", ""),
            row("b", "exact", Some(0.0), "fail", ""),
            row("b", "judge", None, "", "scorer_failed"),
            row("c", "exact", None, "", "timeout"),
            row("c", "rouge", None, "", "timeout"),
            row("c", "judge", None, "", "timeout"),
            row("a", "exact", None, "skipped", ""),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_outcome_without_an_answer_has_an_event_only_for_the_scorers_of_its_own_suite() {
        let records = requests(&two_suites(), &outcomes_of_two_suites()).concat();
        let text = |record: &Value, key: &str| attributes(record)[key]["stringValue"].as_str().unwrap().to_owned();
        let failed = records.iter().filter(|record| attributes(record).contains_key("error.type"));
        let names: Vec<_> =
            failed.map(|record| (text(record, "karat.suite"), text(record, "gen_ai.evaluation.name"))).collect();
        let expected = [("support", "exact"), ("support", "rouge"), ("support", "judge"), ("tone", "polite")];
        assert_eq!(names, expected.map(|(suite, name)| (suite.to_owned(), name.to_owned())));
    }

    #[test]
    fn the_ids_follow_from_run_example_and_repeat() {
        let ids = |outcomes: &[ExportedOutcome]| {
            let records = requests(&rich_header(), outcomes).concat();
            let id = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
            records.iter().map(|record| (id(record, "traceId"), id(record, "spanId"))).collect::<Vec<_>>()
        };
        let (first, again) = (ids(&outcomes()), ids(&outcomes()));
        assert_eq!(first, again);
        assert_eq!((first[0].0.len(), first[0].1.len()), (32, 16));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), outcomes().len());
    }

    #[test]
    fn a_request_has_a_bounded_number_of_events_and_bytes() {
        let many: Vec<ExportedOutcome> =
            (0..500).map(|trial| ExportedOutcome { trial, ..outcomes().remove(0) }).collect();
        let sizes: Vec<usize> = requests(&rich_header(), &many).iter().map(Vec::len).collect();
        assert_eq!(sizes, [500, 500, 500]);
        let mut large = outcomes().remove(0);
        large.scores.iter_mut().for_each(|score| score.reason = Some("x".repeat(5 << 20)));
        for records in requests(&rich_header(), &vec![large; 100]) {
            assert!(serde_json::to_string(&records).unwrap().len() < 2 << 20);
        }
    }

    #[test]
    fn a_run_without_scorers_has_no_events_and_impossible_scores_have_no_value() {
        assert!(requests(&empty_header(), &[]).is_empty());
        for record in requests(&rich_header(), &[hostile()]).concat() {
            let of = attributes(&record);
            let name = of["gen_ai.evaluation.name"]["stringValue"].as_str().unwrap();
            assert_eq!(of.contains_key("gen_ai.evaluation.score.value"), name == "not in the header", "{name}");
        }
    }
}
