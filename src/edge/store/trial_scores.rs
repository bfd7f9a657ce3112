//! The scores of a run as a comparison reads them: without answers, which are only read for the examples shown.

use rusqlite::Connection;

use super::Store;
use crate::core::compare::{ExampleTrials, RunScores, TrialScores};
use crate::core::domain::{Failure, RunId, Scorer};

impl Store {
    /// The scores of a run by these scorers, sorted by example id and repeat.
    ///
    /// # Errors
    /// A store failure.
    pub fn run_scores(&self, run_id: &RunId, scorers: &[Scorer]) -> Result<RunScores, Failure> {
        let examples = self.read(|connection| read(connection, run_id.as_str(), scorers))?;
        let evaluators = self.run_scorers(run_id)?;
        let evaluators = evaluators.into_iter().map(|(name, known)| (name, (known.identity, known.shown))).collect();
        Ok(RunScores { scorers: scorers.to_vec(), examples, evaluators })
    }
}

/// Reads outcomes and scores, which have the same order, side by side.
fn read(connection: &Connection, run_id: &str, scorers: &[Scorer]) -> rusqlite::Result<Vec<ExampleTrials>> {
    let mut outcomes = connection.prepare_cached(
        "SELECT example_id, trial, error_kind IS NULL, latency_ms, cost FROM outcomes WHERE run_id = ?1 \
         ORDER BY example_id, trial",
    )?;
    let mut scores = connection.prepare_cached(
        "SELECT example_id, trial, scorer, value FROM scores WHERE run_id = ?1 ORDER BY example_id, trial, scorer",
    )?;
    let (mut outcomes, mut scores) = (outcomes.query([run_id])?, scores.query([run_id])?);
    let mut next = scores.next()?;
    let mut examples: Vec<ExampleTrials> = Vec::new();
    while let Some(row) = outcomes.next()? {
        let id = row.get_ref(0)?.as_str()?;
        let mut trial = TrialScores {
            trial: row.get(1)?,
            scores: vec![f64::NAN; scorers.len()].into(),
            answered: row.get(2)?,
            latency_ms: row.get(3)?,
            cost: row.get(4)?,
        };
        while let Some(score) = next {
            if score.get_ref(0)?.as_str()? != id || score.get::<_, u32>(1)? != trial.trial {
                break;
            }
            let name = score.get_ref(2)?.as_str()?;
            let place = scorers.iter().position(|scorer| scorer.name == name);
            if let Some(slot) = place.and_then(|place| trial.scores.get_mut(place)) {
                *slot = score.get::<_, Option<f64>>(3)?.unwrap_or(f64::NAN);
            }
            next = scores.next()?;
        }
        match examples.last_mut().filter(|example| example.id == id) {
            Some(example) => example.trials.push(trial),
            None => examples.push(ExampleTrials { id: id.to_owned(), trials: vec![trial] }),
        }
    }
    Ok(examples)
}
