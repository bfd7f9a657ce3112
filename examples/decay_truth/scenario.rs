//! Scenarios with known truth, drawn from a labelled file.

use std::collections::BTreeMap;

use karat::stats::rng;
use karat::vector::Vectors;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::data::{EmbeddingSpace, Row};

/// How the current window differs from the reference window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// No difference.
    Null,
    /// A share of its records has intents that are not in the set.
    New(f64),
    /// A third of the known intents no longer occurs.
    Vanish,
    /// The proportions of the known intents have changed.
    Mix,
    /// The same intents in another style.
    Style,
    /// No difference, but the golden set contains near-duplicates for a third of the known intents.
    Dup,
    /// A tenth of its records is the same text of a known intent.
    Bots,
}

impl Kind {
    /// The name shown in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::New(_) => "new",
            Self::Vanish => "vanish",
            Self::Mix => "mix",
            Self::Style => "style",
            Self::Dup => "dup",
            Self::Bots => "bots",
        }
    }

    /// Share of the current window that is about hidden intents.
    pub fn new_share(self) -> f64 {
        if let Self::New(share) = self { share } else { 0.0 }
    }
}

/// A cell of the benchmark.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// The scenario.
    pub kind: Kind,
    /// Number of golden examples per known intent.
    pub golden: usize,
    /// Number of records per window.
    pub records: usize,
    /// Whether there is a reference window.
    pub reference: bool,
    /// Whether the rate of false alarms is measured precisely in this cell.
    pub close: bool,
}

impl Cell {
    /// Exponent of the frequency distribution of intents.
    pub fn zipf(&self) -> f64 {
        if self.records > 1_000 { 0.3 } else { 0.5 }
    }
}

/// A window: vectors, and whether the intent of each record is known.
pub struct Window {
    pub vectors: Vectors,
    pub known: Vec<bool>,
}

/// A draw of a cell.
pub struct Draw {
    pub golden: Vectors,
    pub topics: Vec<usize>,
    pub reference: Option<Window>,
    pub now: Window,
}

/// Rows by intent, sorted by name.
pub fn by_intent(rows: &[(usize, Row)]) -> Vec<Vec<usize>> {
    let mut intents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    rows.iter().enumerate().for_each(|(at, (_, row))| intents.entry(&row.intent).or_default().push(at));
    intents.into_values().collect()
}

/// The minimum number of rows of an intent that takes part: one example and two records.
const MIN_ROWS: usize = 4;

/// The remaining rows of every intent, and the maximum number of them per window.
struct Intents {
    known: Vec<(Vec<usize>, usize)>,
    hidden: Vec<(Vec<usize>, usize)>,
}

/// Draws a cell. Two thirds of the intents are known. Both windows are drawn without replacement; neither takes more
/// than half of an intent's remaining rows, so that no window consists of the leftovers of another.
pub fn draw(cell: &Cell, intents: &[Vec<usize>], space: &EmbeddingSpace, seed: u64) -> Option<Draw> {
    let mut random = rng(seed, 0);
    let mut pools: Vec<Vec<usize>> = intents.iter().filter(|rows| rows.len() >= MIN_ROWS).cloned().collect();
    pools.shuffle(&mut random);
    pools.iter_mut().for_each(|pool| pool.shuffle(&mut random));
    let hidden = pools.split_off(pools.len() * 2 / 3);
    let (mut golden, mut topics) = (Vectors::new(space.plain.dim()), Vec::new());
    let halves = |pools: Vec<Vec<usize>>| pools.into_iter().map(|p| (p.len() / 2, p)).map(|(h, p)| (p, h)).collect();
    for (topic, pool) in pools.iter_mut().enumerate() {
        let taken = pool.split_off(pool.len() - cell.golden.min(pool.len() / 2));
        taken.iter().for_each(|row| golden.push(space.plain.row(*row)));
        topics.extend(std::iter::repeat_n(topic, taken.len()));
    }
    if cell.kind == Kind::Dup {
        pad(&mut golden, &mut topics, &mut random);
    }
    let mut intents = Intents { known: halves(pools), hidden: halves(hidden) };
    let usual = zipf(intents.known.len(), cell.zipf(), &mut random);
    let reference = intents.window(cell, &usual, 0.0, &mut random);
    let today = match cell.kind {
        Kind::Mix => zipf(usual.len(), cell.zipf(), &mut random),
        Kind::Vanish => usual.iter().enumerate().map(|(at, share)| if at % 3 == 0 { 0.0 } else { *share }).collect(),
        _ => usual,
    };
    let mut now = intents.window(cell, &today, cell.kind.new_share(), &mut random);
    if cell.kind == Kind::Bots
        && let Some(one) = now.first().copied()
    {
        let tenth = now.len() / 10;
        now[..tenth].fill(one);
    }
    let styled = if cell.kind == Kind::Style { space.styled.as_ref()? } else { &space.plain };
    let window = |rows: Vec<(usize, bool)>, vectors: &Vectors| Window {
        vectors: vectors.select(&rows.iter().map(|(row, _)| *row).collect::<Vec<_>>()),
        known: rows.into_iter().map(|(_, known)| known).collect(),
    };
    let reference = cell.reference.then(|| window(reference, &space.plain));
    Some(Draw { golden, topics, reference, now: window(now, styled) })
}

impl Intents {
    /// Draws the rows of a window, known ones first, and whether each is known.
    fn window(&mut self, cell: &Cell, mix: &[f64], new_share: f64, random: &mut impl RngExt) -> Vec<(usize, bool)> {
        let new = (cell.records as f64 * new_share).round() as usize;
        let mut rows = take(&mut self.known, mix, cell.records - new, random);
        let known = rows.len();
        let mix = zipf(self.hidden.len(), cell.zipf(), random);
        rows.extend(take(&mut self.hidden, &mix, new, random));
        let mut rows: Vec<(usize, bool)> = rows.into_iter().enumerate().map(|(at, row)| (row, at < known)).collect();
        rows.shuffle(random);
        rows
    }
}

/// Draws an intent by the shares and a row of it, until there are `count` rows or no pool may provide more.
fn take(pools: &mut [(Vec<usize>, usize)], mix: &[f64], count: usize, random: &mut impl RngExt) -> Vec<usize> {
    let mut left: Vec<usize> = pools.iter().map(|(pool, half)| pool.len().min(*half)).collect();
    let mut rows = Vec::with_capacity(count);
    while rows.len() < count {
        let total: f64 = mix.iter().zip(&left).filter(|(_, left)| **left > 0).map(|(share, _)| share).sum();
        if total <= 0.0 {
            break;
        }
        let mut at = random.random_range(0.0..total);
        let mut chosen = None;
        for (intent, share) in mix.iter().enumerate().filter(|(intent, share)| left[*intent] > 0 && **share > 0.0) {
            chosen = Some(intent);
            if at < *share {
                break;
            }
            at -= share;
        }
        let Some(intent) = chosen else { break };
        left[intent] -= 1;
        rows.extend(pools[intent].0.pop());
    }
    rows
}

/// Shares that decrease with the rank, in random order.
fn zipf(count: usize, exponent: f64, random: &mut impl RngExt) -> Vec<f64> {
    let mut shares: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect();
    let total: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= total);
    shares.shuffle(random);
    shares
}

/// Adds four near-duplicates (cosine 0.97) of every example of a third of the topics.
fn pad(golden: &mut Vectors, topics: &mut Vec<usize>, random: &mut impl RngExt) {
    for row in 0..golden.len() {
        if !topics[row].is_multiple_of(3) {
            continue;
        }
        for _ in 0..4 {
            let noise: Vec<f32> = (0..golden.dim()).map(|_| random.random_range(-1.0..1.0)).collect();
            let length = noise.iter().map(|x| x * x).sum::<f32>().sqrt();
            let near: Vec<f32> = golden.row(row).iter().zip(noise).map(|(x, e)| x + 0.25 * e / length).collect();
            golden.push(&near);
            topics.push(topics[row]);
        }
    }
}
