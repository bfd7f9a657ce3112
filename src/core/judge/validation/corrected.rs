//! The score that people would have given, estimated from the verdicts of a judge: which method fits which labels.

use std::fmt;

use serde::Serialize;

use super::Estimate;
use super::binary::Confusion;
use super::outcomes::{Outcome, Point, effective_size, mean};
use super::post_stratified::{Share, post_stratified};
use super::powered::prediction_powered;
use super::rogan_gladen::rogan_gladen;
use crate::core::stats::Interval;

/// Where the labels of people come from. The method follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LabelledSample<'a> {
    /// The labelled outcomes are a random sample of the judged ones: prediction-powered inference, which then assumes
    /// nothing about the judge. The only one for scores between 0 and 1.
    RandomOfRun,
    /// Outcomes of this run, drawn at random from those that the judge passed and, in another proportion, from those
    /// that it failed: post-stratification by verdict.
    ByVerdict,
    /// Answers of another run, or chosen in any other way: Rogan & Gladen, which assumes that the judge errs as often
    /// here as it did there. Labels on the outcomes themselves are not used.
    Elsewhere(&'a Confusion),
}

/// How a corrected score was estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Power-tuned prediction-powered inference; see [`prediction_powered`].
    PredictionPowered,
    /// Post-stratification by the judge's verdict; see [`post_stratified`].
    PostStratified,
    /// The estimator of Rogan & Gladen; see [`rogan_gladen`].
    RoganGladen,
}

impl Method {
    /// What it assumes, as a sentence.
    pub fn assumes(self) -> &'static str {
        match self {
            Self::PredictionPowered => "The labelled outcomes are a random sample of the judged outcomes.",
            Self::PostStratified => {
                "The labelled outcomes are random samples of those that the judge passed and of those that it failed."
            }
            Self::RoganGladen => {
                "The judge errs as often here as on the labelled answers, where people pass and where they fail."
            }
        }
    }
}

/// Why a score cannot be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncorrectable {
    /// There are no judged outcomes.
    NothingJudged,
    /// Fewer than 20 outcomes or examples of the random sample are labelled.
    TooFewLabels,
    /// No labelled answer passes, so that the sensitivity is unknown.
    NoLabelledPasses,
    /// No labelled answer fails, so that the specificity is unknown.
    NoLabelledFailures,
    /// None of the outcomes that the judge passed is labelled.
    UnlabelledPasses,
    /// None of the outcomes that the judge failed is labelled.
    UnlabelledFailures,
    /// Sensitivity and specificity add up to 1 or less.
    NoBetterThanChance,
    /// The judge passes a share that it could not pass at any true rate, had it erred as on the labelled answers.
    Contradiction,
    /// The method is for verdicts, and there are scores between 0 and 1.
    Graded,
    /// A score is outside of [0, 1], or a weight is not from 1e-9 to 1e9.
    Invalid,
}

impl fmt::Display for Uncorrectable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingJudged => "the judge judged nothing",
            Self::TooFewLabels => "fewer than 20 of the judged examples are labelled",
            Self::NoLabelledPasses => "no labelled answer passes, so the sensitivity is unknown",
            Self::NoLabelledFailures => "no labelled answer fails, so the specificity is unknown",
            Self::UnlabelledPasses => "no outcome that the judge passed is labelled",
            Self::UnlabelledFailures => "no outcome that the judge failed is labelled",
            Self::NoBetterThanChance => "the judge is no better than chance on the labelled answers",
            Self::Contradiction => "the judge passes a share that its errors on the labelled answers cannot explain",
            Self::Graded => "scores between 0 and 1 can only be corrected with a random sample of labelled outcomes",
            Self::Invalid => "a score is outside of 0 to 1, or a weight is out of range",
        })
    }
}

impl std::error::Error for Uncorrectable {}

/// A score corrected for the errors of the judge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Corrected {
    /// How it was estimated; [`Method::assumes`] says what it relies on.
    pub method: Method,
    /// The estimated mean score by people, in [0, 1].
    pub value: f64,
    /// Its interval, which includes the uncertainty of the judge's errors.
    pub interval: Interval,
    /// The mean score by the judge, uncorrected.
    pub judged: f64,
    /// Number of judged outcomes, labelled or not.
    pub outcomes: usize,
    /// Number of labels used.
    pub labels: usize,
    /// How much the judge counts in prediction-powered inference, in [0, 1].
    pub lambda: Option<f64>,
}

/// The mean score that people would have given to answers like these, by the method that fits the labels, with an
/// interval of this confidence.
///
/// # Errors
/// See [`Uncorrectable`].
pub fn pass_rate(
    outcomes: &[Outcome],
    labelled: LabelledSample<'_>,
    confidence: f64,
) -> Result<Corrected, Uncorrectable> {
    if outcomes.is_empty() {
        return Err(Uncorrectable::NothingJudged);
    }
    if !outcomes.iter().all(Outcome::is_valid) {
        return Err(Uncorrectable::Invalid);
    }
    let used = outcomes.iter().filter(|outcome| outcome.person.is_some()).count();
    let (method, estimate, labels, lambda) = match labelled {
        LabelledSample::RandomOfRun => {
            let found = prediction_powered(outcomes, confidence)?;
            let estimate = Estimate { value: found.value, interval: found.interval };
            (Method::PredictionPowered, estimate, used, Some(found.lambda))
        }
        LabelledSample::ByVerdict => (Method::PostStratified, by_verdict(outcomes, confidence)?, used, None),
        LabelledSample::Elsewhere(labels) => {
            let judged = verdicts(outcomes.iter().map(|outcome| (outcome, outcome.judge)))?;
            let found = rogan_gladen(judged, labels, confidence)?;
            (Method::RoganGladen, found, usize::try_from(labels.total()).unwrap_or(usize::MAX), None)
        }
    };
    let judged = mean(&points(outcomes.iter().map(|outcome| (outcome, outcome.judge))));
    let Estimate { value, interval } = estimate;
    Ok(Corrected { method, value, interval, judged, outcomes: outcomes.len(), labels, lambda })
}

fn by_verdict(outcomes: &[Outcome], confidence: f64) -> Result<Estimate, Uncorrectable> {
    let judged = verdicts(outcomes.iter().map(|outcome| (outcome, outcome.judge)))?;
    let people = |verdict: f64| {
        let with = outcomes.iter().filter(move |outcome| outcome.judge == verdict);
        verdicts(with.filter_map(|outcome| outcome.person.map(|person| (outcome, person))))
    };
    post_stratified(judged, people(1.0)?, people(0.0)?, confidence)
}

fn points<'a>(values: impl Iterator<Item = (&'a Outcome, f64)>) -> Vec<Point> {
    values.map(|(outcome, value)| Point { value, weight: outcome.weight, example: outcome.example }).collect()
}

/// The share of passes among verdicts, with the effective number of outcomes.
fn verdicts<'a>(values: impl Iterator<Item = (&'a Outcome, f64)>) -> Result<Share, Uncorrectable> {
    let points = points(values);
    if points.iter().any(|point| point.value != 0.0 && point.value != 1.0) {
        return Err(Uncorrectable::Graded);
    }
    let n = effective_size(&points);
    Ok(Share { passes: if points.is_empty() { 0.0 } else { mean(&points) * n }, n })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LABELS: Confusion =
        Confusion { true_positive: 102, false_negative: 18, false_positive: 16, true_negative: 64 };

    /// 100 outcomes, of which the judge passes 70; people have labelled ten of either verdict and contradict two of
    /// them.
    fn outcomes() -> Vec<Outcome> {
        let one = |at: usize| {
            let judge = f64::from(u8::from(at % 10 < 7));
            let person = matches!(at % 10, 0 | 7).then(|| if at % 50 < 10 { 1.0 - judge } else { judge });
            Outcome { judge, person, example: at, weight: 1.0 }
        };
        (0..100).map(one).collect()
    }

    #[test]
    fn the_method_follows_from_the_labels() {
        let of = |sample| pass_rate(&outcomes(), sample, 0.95).unwrap();
        let random = of(LabelledSample::RandomOfRun);
        assert_eq!((random.method, random.labels, random.outcomes), (Method::PredictionPowered, 20, 100));
        assert!(random.lambda.is_some() && random.judged == 0.7);
        let stratified = of(LabelledSample::ByVerdict);
        assert_eq!((stratified.method, stratified.lambda), (Method::PostStratified, None));
        let share = |passes, n| Share { passes, n };
        let by_hand = post_stratified(share(70.0, 100.0), share(8.0, 10.0), share(2.0, 10.0), 0.95).unwrap();
        assert!((stratified.value - by_hand.value).abs() < 1e-12 && stratified.interval == by_hand.interval);
        let elsewhere = of(LabelledSample::Elsewhere(&LABELS));
        assert_eq!((elsewhere.method, elsewhere.labels), (Method::RoganGladen, 200));
        assert!((elsewhere.value - 0.5 / 0.65).abs() < 1e-12, "(0.7 + 0.8 − 1) / (0.85 + 0.8 − 1): {elsewhere:?}");
        for method in [random.method, stratified.method, elsewhere.method] {
            assert!(method.assumes().ends_with('.'));
        }
    }

    #[test]
    fn scores_between_0_and_1_need_a_random_sample() {
        let graded: Vec<Outcome> =
            outcomes().into_iter().map(|one| Outcome { judge: 0.2 + 0.5 * one.judge, ..one }).collect();
        assert!(pass_rate(&graded, LabelledSample::RandomOfRun, 0.95).is_ok());
        let reason = |sample| pass_rate(&graded, sample, 0.95).unwrap_err();
        assert_eq!(reason(LabelledSample::ByVerdict), Uncorrectable::Graded);
        assert_eq!(reason(LabelledSample::Elsewhere(&LABELS)), Uncorrectable::Graded);
    }

    #[test]
    fn trials_of_an_example_count_as_one_outcome_in_every_method() {
        let trials: Vec<Outcome> = outcomes().iter().flat_map(|one| [*one; 3]).collect();
        for sample in [LabelledSample::RandomOfRun, LabelledSample::ByVerdict, LabelledSample::Elsewhere(&LABELS)] {
            let [alone, copied] = [&outcomes(), &trials].map(|all| pass_rate(all, sample, 0.95).unwrap());
            assert!((alone.value - copied.value).abs() < 1e-3, "{sample:?}");
            let ratio = copied.interval.width() / alone.interval.width();
            assert!((0.97..1.07).contains(&ratio), "{sample:?}: {ratio}");
        }
    }

    #[test]
    fn every_reason_is_a_sentence_of_its_own() {
        use Uncorrectable::*;
        let all = [
            NothingJudged,
            TooFewLabels,
            NoLabelledPasses,
            NoLabelledFailures,
            UnlabelledPasses,
            UnlabelledFailures,
            NoBetterThanChance,
            Contradiction,
            Graded,
            Invalid,
        ];
        let mut texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), all.len());
        let reason = |outcomes: &[Outcome]| pass_rate(outcomes, LabelledSample::ByVerdict, 0.95).unwrap_err();
        assert_eq!(reason(&[]), NothingJudged);
        assert_eq!(reason(&[Outcome { weight: -1.0, ..outcomes()[0] }]), Invalid);
        let unlabelled: Vec<Outcome> = outcomes().into_iter().map(|one| Outcome { person: None, ..one }).collect();
        assert_eq!(reason(&unlabelled), UnlabelledPasses);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_estimate(
            rows in prop::collection::vec(
                (any::<bool>(), prop::option::of(any::<bool>()), 0_usize..60, 0.1..2.0_f64), 1..120
            )
        ) {
            let number = |yes: bool| f64::from(u8::from(yes));
            let outcome = |(judge, person, example, weight): &(bool, Option<bool>, usize, f64)| {
                Outcome { judge: number(*judge), person: person.map(number), example: *example, weight: *weight }
            };
            let outcomes: Vec<Outcome> = rows.iter().map(outcome).collect();
            for sample in [LabelledSample::RandomOfRun, LabelledSample::ByVerdict, LabelledSample::Elsewhere(&LABELS)] {
                if let Ok(found) = pass_rate(&outcomes, sample, 0.95) {
                    prop_assert!(found.interval.contains(found.value), "{:?}", found);
                    prop_assert!(found.interval.lo >= 0.0 && found.interval.hi <= 1.0);
                }
            }
        }
    }
}
