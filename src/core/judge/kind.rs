//! The kinds of judgement, with the settings that change how a verdict becomes a score.

use std::collections::BTreeMap;

use super::delimit::update_each;

/// What a judge is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JudgeKind {
    /// How far the answer meets criteria: a score from 0 to 1.
    Rubric,
    /// How the facts of the answer relate to those of an accepted answer: one of five relations, each with a score.
    Factuality(FactualityScores),
    /// Whether the answer meets one criterion: 1 or 0.
    ClosedQa,
    /// How far the answer is about what was asked: a score from 0 to 1.
    AnswerRelevance,
    /// The share of the answer's claims that the context supports.
    ContextFaithfulness,
    /// The share of the accepted answer's claims that the context supports.
    ContextRecall,
    /// The share of the context's texts that help to give the accepted answer.
    ContextPrecision,
    /// A grade from 1 to `scale` by criteria and evaluation steps (Y. Liu et al., "G-Eval", 2023), mapped to [0, 1].
    GEval {
        /// The best grade, from 2 to 100.
        scale: u32,
    },
    /// Whether the answer is better than another one: 1 better, 0.5 as good, 0 worse. It is asked in both orders.
    Pairwise,
}

impl JudgeKind {
    /// The stable name, as in suites.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rubric => "rubric",
            Self::Factuality(_) => "factuality",
            Self::ClosedQa => "closed_qa",
            Self::AnswerRelevance => "answer_relevance",
            Self::ContextFaithfulness => "context_faithfulness",
            Self::ContextRecall => "context_recall",
            Self::ContextPrecision => "context_precision",
            Self::GEval { .. } => "g_eval",
            Self::Pairwise => "pairwise",
        }
    }

    /// Whether the answer is compared with another one, which takes one call for each [`Order`].
    pub fn is_pairwise(self) -> bool {
        self == Self::Pairwise
    }

    /// Whether it needs an accepted answer of the example.
    pub fn needs_expected(self) -> bool {
        matches!(self, Self::Factuality(_) | Self::ContextRecall | Self::ContextPrecision | Self::Pairwise)
    }

    /// Whether it needs the context of the example.
    pub fn needs_context(self) -> bool {
        matches!(self, Self::ContextFaithfulness | Self::ContextRecall | Self::ContextPrecision)
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Returns a sentence if a score is outside [0, 1], or if the scale is not from 2 to 100.
    pub fn check(self) -> Result<(), String> {
        match self {
            Self::GEval { scale } if !(2..=100).contains(&scale) => {
                Err(format!("the scale of a g_eval judge is from 2 to 100, not {scale}"))
            }
            Self::Factuality(scores) => scores.check(),
            _ => Ok(()),
        }
    }

    /// Adds the kind and its settings to a hash.
    pub(super) fn update(self, hasher: &mut blake3::Hasher) {
        update_each(hasher, &[self.name()]);
        match self {
            Self::GEval { scale } => {
                hasher.update(&scale.to_le_bytes());
            }
            Self::Factuality(scores) => {
                for relation in Relation::ALL {
                    hasher.update(&scores.of(relation).to_le_bytes());
                }
            }
            _ => {}
        }
    }
}

/// How the facts of an answer relate to those of an accepted answer. The options and their letters are those of
/// OpenAI's evals (`modelgraded/fact.yaml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// A: the answer states only some of the facts, and contradicts none.
    Subset,
    /// B: the answer states all facts and more, and contradicts none.
    Superset,
    /// C: the answer states the same facts.
    Same,
    /// D: the answers disagree.
    Different,
    /// E: the answers differ in ways that do not matter for their facts.
    Immaterial,
}

impl Relation {
    /// All relations, in the order of their letters.
    pub const ALL: [Self; 5] = [Self::Subset, Self::Superset, Self::Same, Self::Different, Self::Immaterial];

    /// The stable name, as in suites.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subset => "subset",
            Self::Superset => "superset",
            Self::Same => "same",
            Self::Different => "different",
            Self::Immaterial => "immaterial",
        }
    }

    /// The letter by which a judge chooses it.
    pub fn letter(self) -> char {
        match self {
            Self::Subset => 'A',
            Self::Superset => 'B',
            Self::Same => 'C',
            Self::Different => 'D',
            Self::Immaterial => 'E',
        }
    }

    /// What the letter means, as told to a judge.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Subset => {
                "the answer states only part of what the accepted answer states, and contradicts none of it"
            }
            Self::Superset => {
                "the answer states all that the accepted answer states, and more that does not contradict it"
            }
            Self::Same => "the answer states the same as the accepted answer",
            Self::Different => "the answer contradicts the accepted answer, or answers something else",
            Self::Immaterial => "the answers differ, but only in ways that do not matter for what is true",
        }
    }
}

/// The score of each [`Relation`], in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FactualityScores {
    /// Of [`Relation::Subset`].
    pub subset: f64,
    /// Of [`Relation::Superset`].
    pub superset: f64,
    /// Of [`Relation::Same`].
    pub same: f64,
    /// Of [`Relation::Different`].
    pub different: f64,
    /// Of [`Relation::Immaterial`].
    pub immaterial: f64,
}

impl Default for FactualityScores {
    /// 1, except for [`Relation::Different`], which is 0, as in promptfoo. For comparison, autoevals gives 0.4 to a
    /// subset and 0.6 to a superset.
    fn default() -> Self {
        Self { subset: 1.0, superset: 1.0, same: 1.0, different: 0.0, immaterial: 1.0 }
    }
}

impl FactualityScores {
    /// Reads scores by the names of relations. A relation that is missing has its default score.
    ///
    /// # Errors
    /// Returns a sentence if a name is unknown or a score is outside [0, 1].
    pub fn from_names(scores: &BTreeMap<String, f64>) -> Result<Self, String> {
        let mut read = Self::default();
        for (name, score) in scores {
            let field = match name.as_str() {
                "subset" => &mut read.subset,
                "superset" => &mut read.superset,
                "same" => &mut read.same,
                "different" => &mut read.different,
                "immaterial" => &mut read.immaterial,
                _ => {
                    let known = Relation::ALL.map(Relation::name).join(", ");
                    return Err(format!("\"{name}\" is not a relation between answers; use {known}"));
                }
            };
            *field = *score;
        }
        read.check()?;
        Ok(read)
    }

    /// The score of a relation.
    pub fn of(self, relation: Relation) -> f64 {
        match relation {
            Relation::Subset => self.subset,
            Relation::Superset => self.superset,
            Relation::Same => self.same,
            Relation::Different => self.different,
            Relation::Immaterial => self.immaterial,
        }
    }

    fn check(self) -> Result<(), String> {
        let wrong = Relation::ALL.into_iter().find(|relation| !(0.0..=1.0).contains(&self.of(*relation)));
        wrong.map_or(Ok(()), |relation| {
            Err(format!("the score of \"{}\" is {}, which is not from 0 to 1", relation.name(), self.of(relation)))
        })
    }
}

/// Which answer a pairwise judge sees first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Order {
    /// The answer that is graded is A, the other one B.
    #[default]
    OutputFirst,
    /// The other answer is A.
    OtherFirst,
}

impl Order {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutputFirst => "output_first",
            Self::OtherFirst => "other_first",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_range_are_refused() {
        for scale in [0, 1, 101, u32::MAX] {
            assert!(JudgeKind::GEval { scale }.check().is_err(), "{scale}");
        }
        assert_eq!(JudgeKind::GEval { scale: 5 }.check(), Ok(()));
        for score in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let scores = FactualityScores { subset: score, ..FactualityScores::default() };
            assert!(JudgeKind::Factuality(scores).check().is_err(), "{score}");
        }
    }

    #[test]
    fn scores_are_read_by_the_names_of_relations() {
        let scores = FactualityScores::from_names(&BTreeMap::from([("subset".to_owned(), 0.4)])).unwrap();
        assert_eq!(Relation::ALL.map(|relation| scores.of(relation)), [0.4, 1.0, 1.0, 0.0, 1.0]);
        let unknown = FactualityScores::from_names(&BTreeMap::from([("agree".to_owned(), 1.0)])).unwrap_err();
        assert_eq!(
            unknown,
            "\"agree\" is not a relation between answers; use subset, superset, same, different, immaterial"
        );
        let outside = FactualityScores::from_names(&BTreeMap::from([("same".to_owned(), 2.0)])).unwrap_err();
        assert_eq!(outside, "the score of \"same\" is 2, which is not from 0 to 1");
        for relation in Relation::ALL {
            let named = FactualityScores::from_names(&BTreeMap::from([(relation.name().to_owned(), 0.25)])).unwrap();
            assert_eq!(named.of(relation), 0.25);
        }
    }
}
