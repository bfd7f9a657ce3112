//! Whether a judge that compares two answers favours the one shown first.

use serde::{Deserialize, Serialize};

use super::Bias;
use super::binary::Rate;
use crate::core::stats::mcnemar_mid_p;

/// What a judge prefers of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The answer that it was shown first.
    First,
    /// The answer that it was shown second.
    Second,
    /// Neither.
    Tie,
}

/// A comparison of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// What was preferred in the first order, which should be drawn at random.
    pub shown: Pick,
    /// What was preferred with the two answers swapped, if that was asked.
    pub swapped: Option<Pick>,
}

/// Whether a judge favours a position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PositionBias {
    /// Share of decided comparisons, in the first order, that prefer the answer shown first, with the exact interval of
    /// Clopper and Pearson; `None` if none was decided. Without a bias it is 1/2 if the first orders were drawn at
    /// random.
    pub first: Option<Rate>,
    /// Two-sided mid-p-value of 1/2.
    pub first_p: f64,
    /// Number of ties in the first order.
    pub ties: usize,
    /// Share of the comparisons in both orders whose preferred answer changes with the order, ties included, with the
    /// exact interval; `None` if nothing was swapped.
    pub flips: Option<Rate>,
    /// Number of those that prefer what is shown first: in both orders, or in one with a tie in the other.
    pub toward_first: u64,
    /// Number of those that prefer what is shown second.
    pub toward_second: u64,
    /// Two-sided mid-p-value that either is as likely (McNemar's test).
    pub flip_p: f64,
    /// Whether it favours the answer shown first: by the flips if anything was swapped, which do not depend on which
    /// order came first, and otherwise by the share.
    pub bias: Bias,
}

/// Smallest number of comparisons about which something is said.
const LEAST: u64 = 20;

/// Whether the judge favours the answer that it is shown first.
pub fn position_bias(compared: &[Compared]) -> PositionBias {
    let shown = |pick: Pick| compared.iter().filter(|pair| pair.shown == pick).count() as u64;
    let (first, second) = (shown(Pick::First), shown(Pick::Second));
    let (mut both, mut flipped, mut toward_first, mut toward_second) = (0, 0, 0, 0);
    for (shown, swapped) in compared.iter().filter_map(|pair| Some((pair.shown, pair.swapped?))) {
        both += 1;
        match (shown, swapped) {
            (Pick::First, Pick::Second) | (Pick::Second, Pick::First) | (Pick::Tie, Pick::Tie) => continue,
            (Pick::First, _) | (_, Pick::First) => toward_first += 1,
            _ => toward_second += 1,
        }
        flipped += 1;
    }
    let (first_p, flip_p) = (mcnemar_mid_p(first, second), mcnemar_mid_p(toward_first, toward_second));
    let (more, less, p_value, n) = match both {
        0 => (first, second, first_p, first + second),
        _ => (toward_first, toward_second, flip_p, both),
    };
    let bias = if n < LEAST { Bias::TooLittleData } else { Bias::of(more as f64 - less as f64, p_value) };
    PositionBias {
        first: Rate::exact(first, first + second),
        first_p,
        ties: compared.iter().filter(|pair| pair.shown == Pick::Tie).count(),
        flips: Rate::exact(flipped, both),
        toward_first,
        toward_second,
        flip_p,
        bias,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::stats::clopper_pearson;
    use proptest::prelude::*;

    fn compared(kinds: &[(Pick, Option<Pick>, usize)]) -> Vec<Compared> {
        let kind = |(shown, swapped, count): &(Pick, Option<Pick>, usize)| {
            vec![Compared { shown: *shown, swapped: *swapped }; *count]
        };
        kinds.iter().flat_map(kind).collect()
    }

    #[test]
    fn the_share_that_prefers_the_first_is_exact() {
        use Pick::{First, Second, Tie};
        let found = position_bias(&compared(&[(First, None, 40), (Second, None, 15), (Tie, None, 5)]));
        let first = found.first.unwrap();
        assert_eq!((first.count, first.of, found.ties, found.flips), (40, 55, 5, None));
        assert_eq!(first.interval, clopper_pearson(40, 55, 0.95));
        assert_eq!((found.first_p, found.bias), (mcnemar_mid_p(40, 15), Bias::Favours));
    }

    #[test]
    fn what_flips_with_the_order_shows_the_bias_and_its_direction() {
        use Pick::{First, Second, Tie};
        // The better answer was shown first in every pair; only the flips tell a position from quality.
        let fair =
            position_bias(&compared(&[(First, Some(Second), 60), (First, Some(First), 5), (Second, Some(Second), 6)]));
        assert_eq!((fair.flips.unwrap().count, fair.flips.unwrap().of, fair.bias), (11, 71, Bias::NotShown));
        assert!(fair.first_p < 0.001);
        let kinds = [(First, Some(Second), 30), (First, Some(First), 12), (Tie, Some(First), 3), (Tie, Some(Tie), 4)];
        let first = position_bias(&compared(&kinds));
        assert_eq!((first.toward_first, first.toward_second, first.bias), (15, 0, Bias::Favours));
        assert_eq!(first.flips.unwrap().of, 49);
        let second =
            position_bias(&compared(&[(Second, Some(Second), 20), (Second, Some(Tie), 3), (First, Some(Second), 9)]));
        assert_eq!((second.toward_first, second.toward_second, second.bias), (0, 23, Bias::Disfavours));
    }

    #[test]
    fn a_few_comparisons_are_too_little_data() {
        use Pick::{First, Tie};
        let none = position_bias(&[]);
        assert_eq!((none.first, none.flips, none.first_p, none.bias), (None, None, 1.0, Bias::TooLittleData));
        assert_eq!(position_bias(&compared(&[(First, None, 19)])).bias, Bias::TooLittleData);
        assert_eq!(position_bias(&compared(&[(Tie, None, 50)])).bias, Bias::TooLittleData);
    }

    proptest! {
        #[test]
        fn exchanging_the_positions_turns_the_bias(rows in prop::collection::vec((0_usize..3, 0_usize..4), 0..60)) {
            let picks = [Pick::First, Pick::Second, Pick::Tie];
            let turned = [Pick::Second, Pick::First, Pick::Tie];
            let of = |picks: &[Pick; 3]| {
                let all: Vec<Compared> =
                    rows.iter().map(|(a, b)| Compared { shown: picks[*a], swapped: picks.get(*b).copied() }).collect();
                position_bias(&all)
            };
            let (found, mirrored) = (of(&picks), of(&turned));
            prop_assert_eq!((found.toward_first, found.flip_p), (mirrored.toward_second, mirrored.flip_p));
            prop_assert_eq!((found.first_p, found.ties), (mirrored.first_p, mirrored.ties));
            if let Some(flips) = found.flips {
                prop_assert_eq!(flips.count, found.toward_first + found.toward_second);
            }
        }
    }
}
