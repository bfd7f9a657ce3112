//! `saturated`: models of different kinds always answer the example right, so it no longer tells good from bad, and another
//! example that is as easy asks nearly the same.

use std::collections::{BTreeMap, BTreeSet};

use statrs::function::beta::beta_reg;

use super::Policy;
use crate::core::coverage::GoldenPoints;
use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};
use crate::core::stats::quantile;
use crate::core::vector::{Neighbour, top_k};

/// An example that is answered right at least this often is always answered right.
const ALWAYS: f64 = 0.95;

/// Number of models that must have answered.
const MODELS: usize = 2;

/// Number of nearest examples among which one that stays is looked for.
const NEAREST: usize = 10;

/// Strengths, in answers, that the prior may have: examples never differ so much that one answer decides, nor so little that
/// answers do not count.
const STRENGTHS: (f64, f64) = (0.5, 20.0);

/// How one model answered in recent runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelAnswers {
    /// The endpoint shown in evidence.
    pub endpoint: String,
    /// Its answers to each example, by id.
    pub examples: BTreeMap<String, Answered>,
}

/// Answers to one example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered {
    /// Answers with a score of 1.
    pub passed: u32,
    /// Answers with a score.
    pub answers: u32,
    /// Runs in which they were given.
    pub runs: u32,
}

/// Flags live examples that every model always answers right, if another such example of the same topic asks nearly the
/// same and stays.
///
/// The score is the posterior probability that at least 19 answers in 20 are right, with a Beta prior fitted to all examples: its
/// mean is the share of right answers, its strength how far examples differ. `examples` are the live ones, `golden` their vectors and
/// topics; those in `flagged` already, which may go or change for another reason, are neither flagged nor counted upon.
pub fn saturated_flags(
    examples: &[&Example],
    golden: GoldenPoints<'_>,
    models: &[ModelAnswers],
    flagged: &BTreeSet<String>,
    policy: &Policy,
) -> Vec<Flag> {
    let prior = Prior::of(examples, models);
    let easy = |(row, example): (usize, &&Example)| {
        let usable = example.status == ExampleStatus::Active && !flagged.contains(&example.id);
        let tally = usable.then(|| Tally::of(example, models))?;
        let score = tally.score(prior, policy.saturated_answers)?;
        (score >= policy.saturated_score).then_some(Easy { row, score, tally })
    };
    let easy: Vec<Easy<'_>> = examples.iter().enumerate().filter_map(easy).collect();
    let surplus = surplus(examples, golden, &easy, policy);
    let flag = |(at, stays): (usize, usize)| {
        let (Easy { row, score, tally }, other) = (&easy[at], &examples[easy[stays].row].id);
        let example = examples[*row];
        Flag {
            example_id: example.id.clone(),
            code: ReasonCode::Saturated,
            score: *score,
            threshold: policy.saturated_score,
            evidence: format!(
                "{} always answer it right ({} of {} answers in {} runs), and so they do {other}, which asks nearly the same; to \
                 clear this, run it for regressions only or retire it, or dismiss the flag if it must stay",
                tally.endpoints.join(", "),
                tally.passed,
                tally.answers,
                tally.runs
            ),
            basis: [example.text(), example.expected_texts().join("\n")].join("\n"),
        }
    };
    surplus.into_iter().map(flag).collect()
}

/// An example that is always answered right.
struct Easy<'a> {
    row: usize,
    score: f64,
    tally: Tally<'a>,
}

/// The answers of all models to one example.
struct Tally<'a> {
    endpoints: Vec<&'a str>,
    passed: u32,
    answers: u32,
    runs: u32,
    /// The answers of the model that gave the second most.
    second: u32,
}

impl<'a> Tally<'a> {
    fn of(example: &Example, models: &'a [ModelAnswers]) -> Self {
        let of = |model: &'a ModelAnswers| {
            let answered = *model.examples.get(&example.id)?;
            (answered.answers > 0).then_some((model.endpoint.as_str(), answered))
        };
        let found: Vec<(&str, Answered)> = models.iter().filter_map(of).collect();
        let sum = |pick: fn(&Answered) -> u32| found.iter().map(|(_, answered)| pick(answered)).sum();
        let mut each: Vec<u32> = found.iter().map(|(_, answered)| answered.answers).collect();
        each.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            passed: sum(|answered| answered.passed),
            answers: sum(|answered| answered.answers),
            runs: sum(|answered| answered.runs),
            second: each.get(MODELS - 1).copied().unwrap_or(0),
            endpoints: found.into_iter().map(|(endpoint, _)| endpoint).collect(),
        }
    }

    /// The probability that it is always answered right; `None` after a wrong answer, or if there are too few answers.
    fn score(&self, prior: Prior, enough: u32) -> Option<f64> {
        let enough = self.answers >= enough && 2 * self.second >= enough && self.second > 0;
        (enough && self.passed == self.answers)
            .then(|| 1.0 - beta_reg(prior.a + f64::from(self.passed), prior.b, ALWAYS))
    }
}

/// The Beta distribution of the pass rates of examples.
#[derive(Debug, Clone, Copy)]
struct Prior {
    a: f64,
    b: f64,
}

impl Prior {
    /// Fitted by moments: the correlation of two answers to the same example (analysis of variance, Fleiss 1981) is
    /// 1 / (1 + strength).
    fn of(examples: &[&Example], models: &[ModelAnswers]) -> Self {
        let tallies = examples.iter().map(|example| Tally::of(example, models)).filter(|tally| tally.answers > 0);
        let counts: Vec<(f64, f64)> =
            tallies.map(|tally| (f64::from(tally.passed), f64::from(tally.answers))).collect();
        let passed: f64 = counts.iter().map(|(passed, _)| passed).sum();
        let answers: f64 = counts.iter().map(|(_, answers)| answers).sum();
        // One answer of each kind is assumed, so that nothing is certain.
        let mean = (passed + 1.0) / (answers + 2.0);
        let correlation = correlation(&counts, passed / answers.max(1.0)).unwrap_or(0.0);
        let strength = (1.0 / correlation.max(f64::MIN_POSITIVE) - 1.0).clamp(STRENGTHS.0, STRENGTHS.1);
        Self { a: mean * strength, b: (1.0 - mean) * strength }
    }
}

/// The correlation of two answers to the same example; `None` if it cannot be estimated. `counts` are passed and all answers.
fn correlation(counts: &[(f64, f64)], mean: f64) -> Option<f64> {
    let (examples, answers) = (counts.len() as f64, counts.iter().map(|(_, answers)| answers).sum::<f64>());
    let between: f64 = counts.iter().map(|(passed, answers)| answers * (passed / answers - mean).powi(2)).sum();
    let within: f64 = counts.iter().map(|(passed, answers)| passed * (1.0 - passed / answers)).sum();
    let (between, within) = (between / (examples - 1.0), within / (answers - examples));
    let squares: f64 = counts.iter().map(|(_, answers)| answers * answers).sum();
    let each = (answers - squares / answers) / (examples - 1.0);
    let found = (between - within) / (between + (each - 1.0) * within);
    found.is_finite().then_some(found)
}

/// The examples that are not needed, each with the one that stays for it, as indexes of `easy`: those nearest to one that
/// stays first.
fn surplus(examples: &[&Example], golden: GoldenPoints<'_>, easy: &[Easy<'_>], policy: &Policy) -> Vec<(usize, usize)> {
    let rows: Vec<usize> = easy.iter().map(|easy| easy.row).collect();
    let vectors = golden.vectors.part(&rows);
    let topic = |at: usize| golden.topics[rows[at]];
    let nearest = top_k(&vectors, &vectors, NEAREST, |a, b| a == b || topic(a) != topic(b));
    let similarity = |at: usize| nearest[at].first().map(|neighbour| f64::from(neighbour.similarity));
    let mut similarities: Vec<f64> = (0..easy.len()).filter_map(similarity).collect();
    similarities.sort_unstable_by(f64::total_cmp);
    let Some(near) = quantile(&similarities, 0.5) else { return Vec::new() };
    let mut order: Vec<usize> = (0..easy.len()).filter(|at| !examples[rows[*at]].critical).collect();
    let id = |at: usize| &examples[rows[at]].id;
    order.sort_by(|a, b| nearness(&nearest[*b]).total_cmp(&nearness(&nearest[*a])).then_with(|| id(*a).cmp(id(*b))));
    let mut left: BTreeMap<usize, usize> = BTreeMap::new();
    golden.topics.iter().for_each(|topic| *left.entry(*topic).or_default() += 1);
    let most = (policy.saturated_share * examples.len() as f64) as usize;
    let (mut found, mut goes, mut stays) = (Vec::new(), vec![false; easy.len()], vec![false; easy.len()]);
    for at in order {
        let of_topic = left.entry(topic(at)).or_default();
        if found.len() >= most || stays[at] || *of_topic <= policy.saturated_rest {
            continue;
        }
        let close = nearest[at].iter().filter(|neighbour| f64::from(neighbour.similarity) >= near);
        if let Some(other) = close.map(|neighbour| neighbour.index).find(|other| !goes[*other]) {
            (goes[at], stays[other]) = (true, true);
            *of_topic -= 1;
            found.push((at, other));
        }
    }
    found
}

fn nearness(nearest: &[Neighbour]) -> f32 {
    nearest.first().map_or(f32::NEG_INFINITY, |neighbour| neighbour.similarity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::golden::example_from_row;
    use crate::core::vector::Vectors;
    use serde_json::json;

    const TOPICS: usize = 4;

    /// A set of 80 examples of four topics, in pairs that are near each other.
    struct Set {
        examples: Vec<Example>,
        vectors: Vectors,
        topics: Vec<usize>,
    }

    impl Set {
        fn new() -> Self {
            let mut vectors = Vectors::new(TOPICS + 40);
            let row =
                |number: usize| json!({"id": format!("e{number:02}"), "input": format!("x{number}"), "label": "l"});
            let example = |number| example_from_row(1, row(number).as_object().unwrap().clone()).unwrap();
            for number in 0..80 {
                let mut of = vec![0.0; TOPICS + 40];
                of[number / 2 % TOPICS] = 1.0;
                // Pairs differ in how near they are, so that half are nearer than the median.
                of[TOPICS + number / 2] = 1.0 + number as f32 / 80.0;
                of[(number + 1) % TOPICS] += number as f32 / 800.0;
                vectors.push(&of);
            }
            Self {
                examples: (0..80).map(example).collect(),
                vectors,
                topics: (0..80).map(|number| number / 2 % TOPICS).collect(),
            }
        }

        fn flags(&self, models: &[ModelAnswers], flagged: &[&str], policy: &Policy) -> Vec<Flag> {
            let examples: Vec<&Example> = self.examples.iter().collect();
            let golden = GoldenPoints { vectors: &self.vectors, topics: &self.topics };
            let flagged = flagged.iter().map(|id| (*id).to_owned()).collect();
            saturated_flags(&examples, golden, models, &flagged, policy)
        }
    }

    /// A model that answers every example `answers` times, wrongly once where `fails`.
    fn model(endpoint: &str, answers: u32, fails: impl Fn(usize) -> bool) -> ModelAnswers {
        let of = |number: usize| {
            let passed = answers - u32::from(fails(number) && answers > 0);
            (format!("e{number:02}"), Answered { passed, answers, runs: answers })
        };
        ModelAnswers { endpoint: endpoint.to_owned(), examples: (0..80).map(of).collect() }
    }

    fn ids(flags: &[Flag]) -> Vec<&str> {
        flags.iter().map(|flag| flag.example_id.as_str()).collect()
    }

    #[test]
    fn of_examples_that_always_pass_a_few_surplus_ones_are_flagged() {
        let (set, policy) = (Set::new(), Policy { saturated_share: 0.05, ..Policy::default() });
        let flags = set.flags(&[model("a", 3, |_| false), model("b", 4, |_| false)], &[], &policy);
        assert_eq!(flags.len(), 4, "a twentieth of the set: {flags:?}");
        let evidence = &flags[0].evidence;
        assert!(
            evidence.starts_with("a, b always answer it right (7 of 7 answers in 7 runs), and so they do e"),
            "{evidence}"
        );
        assert!(flags.iter().all(|flag| flag.score >= 0.9 && flag.code == ReasonCode::Saturated));
        // What stays for another one is never flagged itself, and the nearest pairs come first.
        let all = Policy { saturated_share: 1.0, ..policy.clone() };
        let flags = set.flags(&[model("a", 3, |_| false), model("b", 4, |_| false)], &[], &all);
        let stay: Vec<&str> = flags.iter().map(|flag| flag.evidence.split("they do ").nth(1).unwrap()).collect();
        for flag in &flags {
            assert!(!stay.iter().any(|text| text.starts_with(&flag.example_id)), "{flags:?}");
        }
        assert!((10..=40).contains(&flags.len()), "{}", flags.len());
        let few = Policy { saturated_rest: 18, ..all.clone() };
        assert!(
            set.flags(&[model("a", 3, |_| false), model("b", 3, |_| false)], &[], &few).len() <= 8,
            "two per topic"
        );
        assert!(set.flags(&[], &[], &all).is_empty());
    }

    #[test]
    fn one_model_a_single_run_of_two_or_one_wrong_answer_flags_nothing() {
        let (set, policy) = (Set::new(), Policy { saturated_share: 1.0, ..Policy::default() });
        let never = |_: usize| false;
        let cases: [(&str, Vec<ModelAnswers>); 4] = [
            ("one model", vec![model("a", 20, never)]),
            ("a single run of two", vec![model("a", 1, never), model("b", 1, never)]),
            ("many answers of one and one of the other", vec![model("a", 20, never), model("b", 1, never)]),
            ("a wrong answer", vec![model("a", 6, never), model("b", 6, |_| true)]),
        ];
        for (name, models) in cases {
            assert!(set.flags(&models, &[], &policy).is_empty(), "{name}");
        }
        let mixed = [model("a", 3, never), model("b", 3, |number| number % 4 == 0)];
        assert!(
            set.flags(&mixed, &[], &policy).iter().all(|flag| flag.example_id[1..].parse::<usize>().unwrap() % 4 != 0)
        );
    }

    #[test]
    fn the_weaker_the_models_the_more_answers_it_takes() {
        let (set, policy) = (Set::new(), Policy { saturated_share: 1.0, ..Policy::default() });
        // Two in three examples fail half of the time.
        let weak = |answers: u32| {
            let mut model = model("a", answers, |_| false);
            for (at, answered) in model.examples.values_mut().enumerate() {
                answered.passed = if at / 4 % 3 == 0 { answers } else { answers / 2 };
            }
            [model.clone(), ModelAnswers { endpoint: "b".into(), ..model }]
        };
        assert!(set.flags(&weak(4), &[], &policy).is_empty());
        assert!(!set.flags(&weak(30), &[], &policy).is_empty());
    }

    #[test]
    fn critical_flagged_and_retired_examples_are_left_out_and_so_are_those_without_a_vector() {
        let mut set = Set::new();
        let policy = Policy { saturated_share: 1.0, ..Policy::default() };
        let models = [model("a", 3, |_| false), model("b", 3, |_| false)];
        let before = set.flags(&models, &[], &policy);
        let (first, second) = (before[0].example_id.clone(), before[1].example_id.clone());
        set.examples.iter_mut().filter(|example| example.id == first).for_each(|example| example.critical = true);
        let after = set.flags(&models, &[&second], &policy);
        assert!(!ids(&after).contains(&first.as_str()) && !ids(&after).contains(&second.as_str()), "{after:?}");
        assert!(after.iter().all(|flag| !flag.evidence.contains(&format!("they do {second},"))), "{after:?}");
        set.vectors = Vectors::new(4);
        (0..80).for_each(|_| set.vectors.push(&[0.0; 4]));
        assert!(set.flags(&models, &[], &policy).is_empty());
    }

    #[test]
    fn the_prior_follows_how_often_examples_pass_and_how_far_they_differ() {
        let set = Set::new();
        let examples: Vec<&Example> = set.examples.iter().collect();
        let differ = Prior::of(&examples, &[model("a", 10, |_| false)]);
        assert!(differ.a / (differ.a + differ.b) > 0.99, "{differ:?}");
        // Half pass always and half never: one answer tells nearly all.
        let mut split = model("a", 10, |_| false);
        split.examples.values_mut().enumerate().for_each(|(at, answered)| answered.passed = 10 * (at as u32 % 2));
        let split = Prior::of(&examples, &[split]);
        assert!((split.a - 0.25).abs() < 1e-9 && (split.b - 0.25).abs() < 1e-9, "{split:?}");
        // Every example passes half of the time: they do not differ.
        let mut same = model("a", 10, |_| false);
        same.examples.values_mut().for_each(|answered| answered.passed = 5);
        let same = Prior::of(&examples, &[same]);
        assert!((same.a - 10.0).abs() < 1e-6 && (same.b - 10.0).abs() < 1e-6, "{same:?}");
    }
}
