//! How many more examples would decide a measure.

use serde::Serialize;

use super::gap::{Cell, Gap, gap};
use super::rates::RateKind;

/// Largest number of examples of one kind in a group that a plan may ask for.
pub const MOST_NEEDED: u64 = 100_000;

/// More examples of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct More {
    /// The group.
    pub group: String,
    /// The rate whose examples are needed.
    pub rate: RateKind,
    /// How many more, at least 1.
    pub examples: u64,
}

/// What would decide a measure that the data do not decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// About these, if rates do not change; new examples will move them, so an even chance is all that this promises.
    About(Vec<More>),
    /// A group would need more than [`MOST_NEEDED`].
    TooMany,
    /// No number decides it, because the difference equals the limit (or the limit is NaN).
    Never,
    /// Unknown, because a group has no example of the needed kind.
    Unknown,
}

impl Needed {
    /// The phrase that a report shows.
    pub fn sentence(&self) -> String {
        match self {
            Self::About(more) => {
                let part = |m: &More| format!("{} {} of {}", m.examples, m.rate.examples(), m.group);
                let parts: Vec<String> = more.iter().map(part).collect();
                format!("with these rates, about this many more would decide it: {}", parts.join(", "))
            }
            Self::TooMany => format!(
                "the difference is too close to the limit: not even {MOST_NEEDED} examples per group would decide it"
            ),
            Self::Never => "the difference equals the limit: no number of examples would decide it".to_owned(),
            Self::Unknown => "a group has no example of the needed kind".to_owned(),
        }
    }
}

/// Whether an interval decides a limit: `Some(true)` if it lies above, `Some(false)` if it reaches no higher.
pub(super) fn exceeds(gap: &Gap, limit: f64) -> Option<bool> {
    if gap.interval.hi <= limit { Some(false) } else { (gap.interval.lo > limit).then_some(true) }
}

/// The smallest size that would decide the limit if every smaller group had it, at its own rates.
///
/// To show an excess, only the two groups furthest apart are enlarged; otherwise all are, smallest first.
pub(super) fn needed(cells: &[Cell<'_>], gap_now: &Gap, limit: f64, confidence: f64) -> Needed {
    if gap_now.value == limit || limit.is_nan() {
        return Needed::Never;
    }
    let excess = gap_now.value > limit;
    if !excess && cells.iter().any(|cell| cell.n == 0) {
        return Needed::Unknown;
    }
    let ends = [&gap_now.largest, &gap_now.smallest];
    let enlarged =
        |cell: &Cell<'_>| !excess || (cell.rate == gap_now.rate && ends.iter().any(|end| *end == cell.group));
    let at = |size: u64| -> Vec<Cell<'_>> {
        cells.iter().map(|cell| if enlarged(cell) { grown(*cell, size) } else { *cell }).collect()
    };
    let decides = |size: u64| gap(&at(size), confidence).is_some_and(|gap| exceeds(&gap, limit).is_some());
    let Some(size) = smallest(decides) else { return Needed::TooMany };
    let more = |(now, then): (&Cell<'_>, Cell<'_>)| {
        let examples = then.n - now.n;
        (examples > 0).then(|| More { group: now.group.to_owned(), rate: now.rate, examples })
    };
    Needed::About(cells.iter().zip(at(size)).filter_map(more).collect())
}

/// The smallest size up to [`MOST_NEEDED`] that decides, found from small ones up, where intervals cost least.
fn smallest(decides: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, 1);
    while !decides(high) {
        if high == MOST_NEEDED {
            return None;
        }
        (low, high) = (high, (2 * high).min(MOST_NEEDED));
    }
    while low + 1 < high {
        let middle = u64::midpoint(low, high);
        if decides(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The cell with at least `size` examples and the same rate. Empty cells have no rate and stay empty.
fn grown(cell: Cell<'_>, size: u64) -> Cell<'_> {
    if cell.n == 0 || size <= cell.n {
        return cell;
    }
    Cell { n: size, positives: cell.positives * (size as f64 / cell.n as f64), ..cell }
}
