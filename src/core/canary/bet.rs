//! Bets on a mean, and the capital they yield.

/// Parts of the starting capital, and the multiple of the design stake that each is bet with.
///
/// A sum of capitals is a capital. The first part is for a difference of the size of the margin. The bold ones find a
/// candidate that is far worse in a fifth fewer pairs, and one that is better sooner; at the size of the margin they
/// cost up to 7 % more pairs. Chosen by simulation, as are the constants below.
const PARTS: [Part; 3] =
    [Part { share: 0.7, multiple: 1.0 }, Part { share: 0.2, multiple: 2.5 }, Part { share: 0.1, multiple: 8.0 }];

/// The most that one pair may cost, as a share of the capital.
///
/// It limits stakes where few pairs differ. At 0.9, one bad pair after many equal ones costs too much; at 0.5, a test
/// whose differences are all small is slow.
const RISKED: f64 = 0.75;

/// The variance of the differences that is assumed before any is known, and the number of pairs that it counts for.
const PRIOR_VARIANCE: f64 = 0.2;
const PRIOR_PAIRS: f64 = 10.0;

#[derive(Debug, Clone, Copy)]
struct Part {
    share: f64,
    multiple: f64,
}

/// What a gambler bets on: that the true mean lies above, or below, the one they are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Above,
    Below,
}

/// One pair: the stake that was chosen before it was known, and its difference in [-1, 1].
#[derive(Debug, Clone, Copy)]
pub(super) struct Bet {
    /// Not negative. Both gamblers use it; each part multiplies and limits it.
    pub stake: f64,
    pub difference: f64,
}

/// Chooses stakes from the past, as bets must be.
#[derive(Debug, Clone)]
pub(super) struct Stakes {
    margin: f64,
    n: f64,
    mean: f64,
    /// Sum of the squared deviations from the mean (Welford 1962).
    squares: f64,
}

impl Stakes {
    pub fn new(margin: f64) -> Self {
        Stakes { margin, n: 0.0, mean: 0.0, squares: 0.0 }
    }

    /// The stake for the next pair.
    ///
    /// Kelly's stake on x is close to E x / E x². If the true mean is one margin away from the bound that is bet on,
    /// E x is the margin and E x² the variance plus its square. A margin that is not in (0, 1] gives 0: no bet.
    pub fn next(&self) -> f64 {
        if !(self.margin > 0.0 && self.margin <= 1.0) {
            return 0.0;
        }
        let variance = (PRIOR_PAIRS * PRIOR_VARIANCE + self.squares) / (PRIOR_PAIRS + self.n);
        self.margin / (variance + self.margin * self.margin)
    }

    pub fn learn(&mut self, difference: f64) {
        self.n += 1.0;
        let before = difference - self.mean;
        self.mean += before / self.n;
        self.squares += before * (difference - self.mean);
    }

    /// The mean of the differences; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.mean.clamp(-1.0, 1.0))
    }
}

/// The capital of a gambler who bets against one mean.
///
/// Each part is multiplied by 1 + stake (difference - mean), or by 1 - stake (difference - mean) on the other side. If
/// the true mean does not lie on the side that is bet on, no factor is above 1 on average, whatever the stakes and the
/// distribution: the capital is a non-negative supermartingale.
#[derive(Debug, Clone)]
pub(super) struct Wealth {
    side: Side,
    mean: f64,
    /// Logarithm of what each part has become, per unit of its share.
    parts: [f64; PARTS.len()],
}

impl Wealth {
    /// A capital of 1. `mean` is in [-1, 1].
    pub fn new(side: Side, mean: f64) -> Self {
        Wealth { side, mean, parts: [0.0; PARTS.len()] }
    }

    /// Wins or loses a bet.
    pub fn settle(&mut self, bet: Bet) {
        let (gain, worst) = match self.side {
            Side::Above => (bet.difference - self.mean, 1.0 + self.mean),
            Side::Below => (self.mean - bet.difference, 1.0 - self.mean),
        };
        for (wealth, part) in self.parts.iter_mut().zip(PARTS) {
            *wealth += (stake(bet.stake * part.multiple, worst) * gain).ln_1p();
        }
    }

    /// The logarithm of the whole capital.
    pub fn ln(&self) -> f64 {
        let largest = self.parts.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.parts.iter().zip(PARTS).map(|(wealth, part)| part.share * (wealth - largest).exp()).sum();
        largest + sum.ln()
    }
}

/// Limits a stake so that a loss of `worst`, the largest possible one, leaves some of the capital.
fn stake(wanted: f64, worst: f64) -> f64 {
    if worst > 0.0 { wanted.min(RISKED / worst) } else { wanted }
}

/// The logarithm of the capital of a gambler who took all these bets against `mean`.
///
/// It falls with the mean on the side [`Side::Above`] and rises on the other, because every factor does, also where a
/// stake is limited.
pub(super) fn capital(side: Side, mean: f64, bets: &[Bet]) -> f64 {
    let mut wealth = Wealth::new(side, mean);
    bets.iter().for_each(|bet| wealth.settle(*bet));
    wealth.ln()
}

/// How closely the end of an interval is found; what is reported lies outside of the exact end.
const TOLERANCE: f64 = 1e-5;

/// The excluded point furthest from `start` on the way to `end`, or `start` if none is.
///
/// Excluded points are those from `start` up to an unknown one; `end` is never excluded. `first` is looked at first.
pub(super) fn furthest_excluded(start: f64, end: f64, first: f64, excluded: impl Fn(f64) -> bool) -> f64 {
    if !excluded(start) {
        return start;
    }
    let (mut inside, mut outside, mut point) = (end, start, first);
    while (inside - outside).abs() > TOLERANCE {
        if excluded(point) {
            outside = point;
        } else {
            inside = point;
        }
        point = 0.5 * (inside + outside);
    }
    outside
}
