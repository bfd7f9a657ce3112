//! When a canary may stop: the sequential decision between a candidate and a baseline.
//!
//! Examples are drawn at random, with the weights of today's traffic and with replacement, and sent to both endpoints.
//! Each pair gives one difference, score of the candidate minus score of the baseline, between -1 and 1. One may look
//! after every pair, and stop as soon as [`Canary::decision`] is final: the error rates hold however often one looks.
//!
//! Testing by betting (Shafer 2021; Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by
//! betting"). For each kind of wrong decision there is a gambler whose capital cannot grow on average while that
//! decision would be wrong, whatever the distribution of the differences. By Ville's inequality (1939) such a capital,
//! starting at 1, ever reaches 1/level with a probability of at most `level`. The decision is taken when one does.
//!
//! - [`Decision::Promote`] rejects that the mean difference is `-margin` or less.
//! - [`Decision::RollBack`] rejects that the mean difference is 0 or more.
//! - If the truth lies between `-margin` and 0, both are false and either decision is right: the candidate is worse, by
//!   less than the margin.
//!
//! The two capitals are almost each other's reciprocals, so together they need about as many pairs as Wald's sequential
//! probability ratio test between the means `-margin` and 0, without its assumption of a known distribution. The price
//! is paid where differences are rare or small next to the margin: no method that is valid for all distributions can
//! decide on fewer than about ln(1/level) / margin pairs (60 at a level of 0.05 and a margin of 0.05), because a
//! rare and complete failure would not have shown itself.

mod bet;
mod draws;
mod fixed;

use serde::{Deserialize, Serialize};

use crate::core::stats::Interval;
use bet::{Bet, Side, Stakes, Wealth, capital, furthest_excluded};

pub use draws::{Draws, traffic_weights};
pub use fixed::fixed_sample_size;

/// What a canary promises, and at what cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Largest probability of promoting a candidate that is worse by the margin or more, and largest probability of
    /// rolling back one that is not worse; in (0, 1).
    pub level: f64,
    /// How much lower the mean score of the candidate may be, in (0, 1]. Stakes are chosen so that differences of this
    /// size are decided soonest.
    pub margin: f64,
    /// The most pairs to be sent.
    pub budget: usize,
}

impl Rule {
    /// The usual level.
    pub const LEVEL: f64 = 0.05;

    /// Why the rule cannot be used, as a sentence; `None` if it can.
    ///
    /// A [`Canary`] with such a rule is defined all the same: it never promotes and never rolls back.
    pub fn fault(&self) -> Option<&'static str> {
        if !(self.level > 0.0 && self.level < 1.0) {
            Some("the level must be above 0 and below 1")
        } else if !(self.margin > 0.0 && self.margin <= 1.0) {
            Some("the margin must be above 0 and at most 1")
        } else if self.budget == 0 {
            Some("the budget must be at least one pair")
        } else {
            None
        }
    }

    /// The logarithm of the capital that decides.
    fn threshold(&self) -> f64 {
        if self.fault().is_some() { f64::INFINITY } else { -self.level.ln() }
    }
}

/// What to do after the pairs observed so far. All but [`Decision::Continue`] are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Send another pair.
    Continue,
    /// The candidate is not worse by the margin.
    Promote,
    /// The candidate is worse than the baseline.
    RollBack,
    /// All pairs that were allowed are spent, and neither is certain enough.
    BudgetSpent,
}

/// The e-values of both hypotheses, as decimal logarithms.
///
/// 0 means no evidence, and a decision needs log10(1/level): 1.301 at a level of 0.05. Negative values mean that the
/// pairs spoke for the hypothesis rather than against it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evidence {
    /// Against "the mean difference is `-margin` or less".
    pub promote: f64,
    /// Against "the mean difference is 0 or more".
    pub roll_back: f64,
}

/// How many pairs had which result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Pairs {
    /// The candidate scored higher.
    pub better: usize,
    /// The candidate scored lower.
    pub worse: usize,
    /// Both scored the same.
    pub equal: usize,
    /// There was no difference to observe (NaN), for example because a request failed.
    pub missing: usize,
}

impl Pairs {
    /// Pairs with a difference.
    pub fn observed(&self) -> usize {
        self.better + self.worse + self.equal
    }

    /// All pairs, which is what the budget limits.
    pub fn sent(&self) -> usize {
        self.observed() + self.missing
    }

    fn count(&mut self, difference: f64) {
        if difference.is_nan() {
            self.missing += 1;
        } else if difference > 0.0 {
            self.better += 1;
        } else if difference < 0.0 {
            self.worse += 1;
        } else {
            self.equal += 1;
        }
    }
}

/// The state of a canary: everything observed until its decision.
#[derive(Debug, Clone)]
pub struct Canary {
    rule: Rule,
    stakes: Stakes,
    promote: Wealth,
    roll_back: Wealth,
    bets: Vec<Bet>,
    pairs: Pairs,
    decision: Decision,
}

impl Canary {
    /// A canary before its first pair.
    ///
    /// With a rule that has a [`Rule::fault`], only [`Decision::BudgetSpent`] is ever reached. Without a budget this is
    /// the decision from the start.
    pub fn new(rule: Rule) -> Self {
        Canary {
            rule,
            stakes: Stakes::new(rule.margin),
            promote: Wealth::new(Side::Above, -rule.margin),
            roll_back: Wealth::new(Side::Below, 0.0),
            bets: Vec::new(),
            pairs: Pairs::default(),
            decision: if rule.budget == 0 { Decision::BudgetSpent } else { Decision::Continue },
        }
    }

    /// Adds one pair: the score of the candidate minus the score of the baseline, in [-1, 1].
    ///
    /// Pairs must be added in the order in which they were drawn, not in which their answers arrived: quick answers may
    /// differ from slow ones, and the error rates hold for random draws only. Values outside of the range count as its
    /// nearest end. NaN is a pair without a difference: it spends the budget but is not evidence, so the decision is
    /// about the examples that both endpoints answer. An error that should count against an endpoint is a score of 0.
    ///
    /// After the decision nothing is added any more, so that the result does not depend on how many requests were still
    /// on their way.
    pub fn observe(&mut self, difference: f64) {
        if self.decision != Decision::Continue {
            return;
        }
        self.pairs.count(difference);
        if !difference.is_nan() {
            let bet = Bet { stake: self.stakes.next(), difference: difference.clamp(-1.0, 1.0) };
            self.promote.settle(bet);
            self.roll_back.settle(bet);
            self.stakes.learn(bet.difference);
            self.bets.push(bet);
        }
        self.decision = self.decide();
    }

    /// What to do now. Once this is not [`Decision::Continue`], it never changes.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// Compares both capitals with what decides.
    ///
    /// One pair can raise both only if its difference lies between `-margin` and 0. If both then decide, the larger
    /// wins; if they are equal, the cautious choice does.
    fn decide(&self) -> Decision {
        let (promote, roll_back) = (self.promote.ln(), self.roll_back.ln());
        if promote.max(roll_back) >= self.rule.threshold() {
            if promote > roll_back { Decision::Promote } else { Decision::RollBack }
        } else if self.pairs.sent() >= self.rule.budget {
            Decision::BudgetSpent
        } else {
            Decision::Continue
        }
    }

    /// The rule it was started with.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// How many pairs had which result.
    pub fn pairs(&self) -> Pairs {
        self.pairs
    }

    /// The e-values of both hypotheses.
    pub fn evidence(&self) -> Evidence {
        let log10 = |wealth: &Wealth| wealth.ln() * std::f64::consts::LOG10_E;
        Evidence { promote: log10(&self.promote), roll_back: log10(&self.roll_back) }
    }

    /// The mean of the observed differences; `None` without any.
    ///
    /// Stopping early favours extreme values, so after a decision this is a little further out than the truth on
    /// average. [`Canary::interval`] allows for that.
    pub fn mean(&self) -> Option<f64> {
        self.stakes.mean()
    }

    /// Anytime-valid confidence interval for the mean difference: the means that the same gamblers could not reject.
    ///
    /// With a probability of at least `confidence`, the intervals after every pair all contain the true mean, so one
    /// may look at any time and stop. Each side has half of the error. At a confidence of 1 - 2 level (0.9 at a level
    /// of 0.05) the interval agrees with the decision: it lies above `-margin` after [`Decision::Promote`] (its lower
    /// end may be `-margin` itself), and below 0 after [`Decision::RollBack`]. At 1 - level it is wider, and may not.
    ///
    /// `confidence` is in (0, 1); values of 1 and above, and NaN, give [-1, 1]. So does a canary without observations.
    /// The interval contains the observed mean. Its cost is proportional to the number of pairs (about 20 ms for
    /// 10,000), while everything else is immediate.
    pub fn interval(&self, confidence: f64) -> Interval {
        let error = if confidence.is_nan() { 0.0 } else { (1.0 - confidence).clamp(0.0, 1.0) };
        let threshold = -(0.5 * error).ln();
        let Some(mean) = self.mean().filter(|_| threshold.is_finite()) else {
            return Interval { lo: -1.0, hi: 1.0 };
        };
        let excluded = |side: Side| move |m: f64| capital(side, m, &self.bets) >= threshold;
        // Looking at the bounds of the decision first makes both agree exactly.
        let lo = furthest_excluded(-1.0, 1.0, -self.rule.margin, excluded(Side::Above));
        let hi = furthest_excluded(1.0, -1.0, 0.0, excluded(Side::Below));
        Interval { lo: lo.min(mean), hi: hi.max(mean) }
    }
}

#[cfg(test)]
mod tests;
