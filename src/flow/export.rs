//! Exports the outcomes of runs for other tools, one at a time.

use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::compare::{Scope, find_run};
use super::run::suite_of_run;
use super::{Event, Events, Workspace};
use crate::core::domain::{Example, Failure, NamedPrompt, Prompt, RecordedOutcome, Score, Suite, Turn};
use crate::core::export::{
    ExportFormat, ExportedOutcome, ExportedRun, ExportedScore, ExportedTurn, Exporter, Header, ScoreState, Summary,
    text_exporter,
};
use crate::edge::files::AtomicFile;
use crate::edge::parquet::ParquetWriter;
use crate::edge::store::{RunHeader, StoredRun};

/// Where an export goes.
pub enum Target<'a> {
    /// A file, which is replaced only when the export is complete.
    File(&'a Path),
    /// A stream, such as standard output.
    Stream(&'a mut (dyn Write + Send)),
}

/// Exports the outcomes of runs, each named as for `karat compare`: in the order of the runs, and of the golden set.
///
/// # Errors
/// A usage failure if there is no such run; a failure if the file cannot be written; a store failure.
pub fn export(
    workspace: &Workspace,
    runs: &[String],
    format: ExportFormat,
    target: Target<'_>,
    now: Timestamp,
    events: Events<'_>,
) -> Result<Summary, Failure> {
    let mut found: Vec<(StoredRun, Suite)> = Vec::new();
    for word in runs {
        let run = find_run(&workspace.store, word, &Scope::default(), None)?;
        if found.iter().all(|(known, _)| known.header.run_id != run.header.run_id) {
            let suite = suite_of_run(&workspace.store, &run.header)?;
            found.push((run, suite));
        }
    }
    let header = header(&found, now);
    let total = found.iter().map(|(run, _)| run.done as u64).sum();
    events(Event::Began { what: format!("exporting {}", runs.join(", ")), total, done: 0 });
    let summary = match target {
        Target::File(path) => {
            let mut file = AtomicFile::create(path)?;
            let mut export =
                Export { workspace, events, exporter: exporter(format, &mut file)?, summary: Summary::default() };
            export.run(&found, &header)?;
            let summary = export.summary;
            drop(export);
            file.finish()?;
            summary
        }
        Target::Stream(out) => {
            let mut export =
                Export { workspace, events, exporter: exporter(format, out)?, summary: Summary::default() };
            export.run(&found, &header)?;
            export.summary
        }
    };
    events(Event::Ended);
    Ok(summary)
}

fn exporter<'a>(format: ExportFormat, out: impl Write + Send + 'a) -> Result<Box<dyn Exporter + 'a>, Failure> {
    match format {
        ExportFormat::Parquet => {
            let writer = ParquetWriter::new(out).map_err(Failure::usage)?;
            Ok(Box::new(writer))
        }
        text => text_exporter(text, out).ok_or_else(|| Failure::other("this format cannot be written as text")),
    }
}

fn header(runs: &[(StoredRun, Suite)], now: Timestamp) -> Header {
    let runs: Vec<ExportedRun> = runs.iter().map(|(run, suite)| exported_run(run, suite)).collect();
    let mut scorers: Vec<String> = Vec::new();
    for scorer in runs.iter().flat_map(|run| &run.scorers) {
        if !scorers.contains(scorer) {
            scorers.push(scorer.clone());
        }
    }
    Header { karat_version: env!("CARGO_PKG_VERSION").to_owned(), exported_at: now, runs, scorers }
}

fn exported_run(StoredRun { header, finished_at, .. }: &StoredRun, suite: &Suite) -> ExportedRun {
    ExportedRun {
        run_id: header.run_id.to_string(),
        suite: header.suite.clone(),
        suite_version: header.suite_version.clone(),
        dataset: header.dataset.clone(),
        dataset_version: header.dataset_version.clone(),
        endpoint: header.endpoint.clone(),
        prompt: header.prompt.clone(),
        prompt_text: suite.prompts.iter().find(|prompt| prompt.name == header.prompt).and_then(prompt_text),
        started_at: header.started_at,
        finished_at: *finished_at,
        scorers: suite.scorers.iter().map(|scorer| scorer.name.clone()).collect(),
    }
}

fn prompt_text(prompt: &NamedPrompt) -> Option<String> {
    match &prompt.prompt {
        Prompt::Input => None,
        Prompt::Text(text) => Some(text.clone()),
        Prompt::Messages(messages) => {
            let message =
                |message: &crate::core::domain::PromptMessage| format!("{}: {}", message.role, message.content);
            Some(messages.iter().map(message).collect::<Vec<_>>().join("\n"))
        }
    }
}

struct Export<'a> {
    workspace: &'a Workspace,
    events: Events<'a>,
    exporter: Box<dyn Exporter + 'a>,
    summary: Summary,
}

impl Export<'_> {
    fn run(&mut self, runs: &[(StoredRun, Suite)], header: &Header) -> Result<(), Failure> {
        self.exporter.begin(header).map_err(unwritable)?;
        for (index, (run, suite)) in runs.iter().enumerate() {
            self.outcomes(index, &run.header, suite)?;
        }
        self.exporter.end(&self.summary).map_err(unwritable)
    }

    fn outcomes(&mut self, index: usize, run: &RunHeader, suite: &Suite) -> Result<(), Failure> {
        let store = &self.workspace.store;
        let examples = store.stored_examples(&run.dataset, &run.dataset_version)?.ok_or_else(|| {
            Failure::store(format!("the golden set of run {} is missing from the database", run.run_id))
        })?;
        for example in examples {
            let example = example?;
            for outcome in store.outcomes_of(&run.run_id, &example.id)? {
                self.summary.outcomes += 1;
                self.summary.errors += u64::from(outcome.error.is_some());
                let turns = self.turns(run, &example, outcome.trial)?;
                let exported = ExportedOutcome { turns, ..exported(index, &example, outcome, suite) };
                self.exporter.write(&exported).map_err(unwritable)?;
                (self.events)(Event::Advanced { steps: 1, errors: 0 });
            }
        }
        Ok(())
    }

    /// The turns of a conversation with the answers that were given to them; `None` for a single request. One that broke
    /// off has no answers from the failed turn on.
    fn turns(&self, run: &RunHeader, example: &Example, trial: u32) -> Result<Option<Vec<ExportedTurn>>, Failure> {
        if example.turns.is_empty() {
            return Ok(None);
        }
        let answers = self.workspace.store.turn_answers(&run.run_id, &example.id, trial)?;
        let turn = |(index, turn): (usize, &Turn)| {
            // The accepted answers of the example are those of its last turn.
            let of_example = index + 1 == example.turns.len() && turn.expected.is_empty();
            let answer = answers.iter().find(|answer| answer.turn == index);
            ExportedTurn {
                user: turn.user.clone(),
                expected: if of_example { example.expected.clone() } else { turn.expected.clone() },
                output: answer.map(|answer| answer.response.output.clone()),
            }
        };
        Ok(Some(example.turns.iter().enumerate().map(turn).collect()))
    }
}

fn unwritable(error: io::Error) -> Failure {
    Failure::other("cannot write the export")
        .hint("check the path, its permissions and the free space")
        .caused_by(error)
}

fn exported(run: usize, example: &Example, outcome: RecordedOutcome, suite: &Suite) -> ExportedOutcome {
    let mut recorded = outcome.scores;
    let scores = suite
        .scorers
        .iter()
        .filter_map(|scorer| recorded.remove(&scorer.name).map(|score| exported_score(scorer.name.clone(), score)));
    ExportedOutcome {
        run,
        example_id: outcome.example_id,
        trial: outcome.trial,
        answered_at: outcome.answered_at,
        model: outcome.model,
        input_text: example.text(),
        input: example.input.clone(),
        expected: example.expected.clone(),
        output: outcome.output,
        // Stored as canonical JSON.
        tool_calls: outcome.tool_calls.map(|calls| serde_json::from_str(&calls).unwrap_or(Value::String(calls))),
        finish_reason: outcome.finish_reason,
        error: outcome.error.map(|(kind, message)| (kind.name().to_owned(), message)),
        scores: scores.collect(),
        attempts: outcome.attempts,
        latency_ms: outcome.latency_ms,
        ttft_ms: outcome.ttft_ms,
        prompt_tokens: outcome.usage.prompt_tokens,
        completion_tokens: outcome.usage.completion_tokens,
        cost: outcome.cost,
        cached: outcome.cached,
        tags: example.tags.clone(),
        metadata: example.metadata.clone(),
        turns: None,
    }
}

fn exported_score(scorer: String, score: Score) -> ExportedScore {
    let (state, value, reason) = match score {
        Score::Value(value, reason) => (ScoreState::Scored, Some(value), reason),
        Score::Skipped(reason) => (ScoreState::Skipped, None, Some(reason)),
        Score::Failed(reason) => (ScoreState::Failed, None, Some(reason)),
    };
    ExportedScore { scorer, state, value, reason }
}
