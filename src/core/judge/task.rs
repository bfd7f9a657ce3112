//! What a scorer asks of a judge.

use super::kind::{FactualityScores, JudgeKind};
use super::prompts::{check_template, prompt_identity};
use crate::core::domain::ScorerKind;

/// The settings of a scorer that is a judge.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgeTask {
    /// The endpoint that grades.
    pub judge: String,
    /// How many times each answer is graded, at least 1.
    pub repeats: u32,
    /// The author's own prompt.
    pub prompt: Option<String>,
    /// Whether the server is asked for structured output.
    pub structured: bool,
    /// What the judge is asked.
    pub kind: JudgeKind,
    /// The criteria.
    pub criteria: Option<String>,
    /// The steps of the evaluation.
    pub steps: Vec<String>,
    /// The answer that a pairwise judge compares with, in place of the accepted one.
    pub other: Option<String>,
}

/// Highest number of repeats of a judgement.
const MAX_REPEATS: u32 = 100;

macro_rules! task {
    ($settings:expr, $kind:expr, $criteria:expr, $steps:expr, $other:expr) => {
        Ok(JudgeTask {
            judge: $settings.judge.clone(),
            repeats: $settings.repeats,
            prompt: $settings.prompt.clone(),
            structured: $settings.structured,
            kind: $kind,
            criteria: $criteria,
            steps: $steps,
            other: $other,
        })
    };
    ($settings:expr, $kind:expr) => {
        task!($settings, $kind, None, Vec::new(), None)
    };
    ($settings:expr, $kind:expr, $criteria:expr) => {
        task!($settings, $kind, Some($criteria.clone()), Vec::new(), None)
    };
}

impl JudgeTask {
    /// What a scorer asks of a judge; `None` if it is no judge.
    ///
    /// # Errors
    /// A sentence if its settings cannot be used.
    pub fn of(kind: &ScorerKind) -> Option<Result<Self, String>> {
        let task = match kind {
            ScorerKind::Rubric(s) => task!(s, JudgeKind::Rubric, s.criteria),
            ScorerKind::Factuality(s) => match FactualityScores::from_names(&s.scores) {
                Ok(scores) => task!(s, JudgeKind::Factuality(scores)),
                Err(fault) => Err(fault),
            },
            ScorerKind::ClosedQa(s) => task!(s, JudgeKind::ClosedQa, s.criteria),
            ScorerKind::AnswerRelevance(s) => task!(s, JudgeKind::AnswerRelevance),
            ScorerKind::ContextFaithfulness(s) => task!(s, JudgeKind::ContextFaithfulness),
            ScorerKind::ContextRecall(s) => task!(s, JudgeKind::ContextRecall),
            ScorerKind::ContextPrecision(s) => task!(s, JudgeKind::ContextPrecision),
            ScorerKind::GEval(s) => {
                task!(s, JudgeKind::GEval { scale: s.scale }, Some(s.criteria.clone()), s.steps.clone(), None)
            }
            ScorerKind::Pairwise(s) => {
                task!(s, JudgeKind::Pairwise, Some(s.criteria.clone()), Vec::new(), s.value.clone())
            }
            _ => return None,
        };
        Some(task.and_then(Self::checked))
    }

    fn checked(self) -> Result<Self, String> {
        self.kind.check()?;
        if !(1..=MAX_REPEATS).contains(&self.repeats) {
            return Err(format!("repeats is {}; it must be from 1 to {MAX_REPEATS}", self.repeats));
        }
        if self.judge.trim().is_empty() {
            return Err("judge is empty; name an endpoint of karat.yaml".to_owned());
        }
        if self.criteria.as_ref().is_some_and(|criteria| criteria.trim().is_empty()) {
            return Err("criteria are empty".to_owned());
        }
        self.prompt.as_ref().map_or(Ok(()), |prompt| check_template(self.kind, prompt))?;
        Ok(self)
    }

    /// Hash of what the judge is asked, apart from the answers and the model.
    pub fn identity(&self) -> String {
        prompt_identity(self.kind, self.criteria.as_deref(), &self.steps, self.prompt.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(settings: Value) -> Result<JudgeTask, String> {
        JudgeTask::of(&serde_json::from_value(settings).unwrap()).unwrap()
    }

    #[test]
    fn the_settings_of_a_scorer_become_a_task() {
        let task_of =
            task(json!({"type": "g_eval", "judge": "j", "criteria": "c", "steps": ["s"], "scale": 7})).unwrap();
        assert_eq!((task_of.kind, task_of.repeats, task_of.structured), (JudgeKind::GEval { scale: 7 }, 1, true));
        assert!(JudgeTask::of(&serde_json::from_value(json!({"type": "is_json"})).unwrap()).is_none());
        let other =
            task(json!({"type": "g_eval", "judge": "j", "criteria": "other", "steps": ["s"], "scale": 7})).unwrap();
        assert_ne!(task_of.identity(), other.identity());
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused() {
        let cases = [
            (json!({"type": "rubric", "judge": " ", "criteria": "c"}), "judge is empty"),
            (json!({"type": "rubric", "judge": "j", "criteria": " "}), "criteria are empty"),
            (json!({"type": "rubric", "judge": "j", "criteria": "c", "repeats": 0}), "from 1 to 100"),
            (json!({"type": "rubric", "judge": "j", "criteria": "c", "prompt": "no answer"}), "does not print"),
            (json!({"type": "g_eval", "judge": "j", "criteria": "c", "scale": 1}), "from 2 to 100"),
            (json!({"type": "factuality", "judge": "j", "scores": {"agree": 1}}), "is not a relation"),
        ];
        for (settings, expected) in cases {
            let error = task(settings).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
