//! Scenarios with known truth, drawn from a labelled file.

use karat::stats::rng;
use karat::vector::Vectors;
use rand::RngExt;
use rand::seq::SliceRandom;

use crate::data::{Corpus, EmbeddingSpace, Texts};
use crate::variants::Variant;

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
    /// A share of its records has intents that are not in the set, and all records are in another style.
    StyleNew(f64),
    /// No difference; but both windows come from other parts of the file than the golden set.
    Paraphrase,
    /// The same intents, with a filler word in most records.
    Filler,
    /// A share of its records is in other languages.
    Language(f64),
    /// The same intents inside longer messages.
    Long,
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
            Self::StyleNew(_) => "style+new",
            Self::Paraphrase => "paraphrase",
            Self::Filler => "filler",
            Self::Language(_) => "language",
            Self::Long => "long",
        }
    }

    /// Share of the current window that no example represents.
    pub fn new_share(self) -> f64 {
        match self {
            Self::New(share) | Self::StyleNew(share) | Self::Language(share) => share,
            _ => 0.0,
        }
    }

    /// The variants of the texts that it needs besides the original ones.
    pub fn variants(self) -> Vec<Variant> {
        match self {
            Self::Style | Self::StyleNew(_) => vec![Variant::Styled],
            Self::Filler => Variant::fillers(),
            Self::Language(_) => vec![Variant::Foreign],
            Self::Long => vec![Variant::Long],
            _ => Vec::new(),
        }
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

/// A window. Every list has one entry per record.
pub struct Window<'s> {
    pub vectors: Vectors,
    pub texts: Vec<&'s str>,
    /// Whether the golden set has its intent.
    pub known: Vec<bool>,
    /// Its intent; `None` if it is not from the file.
    pub intents: Vec<Option<usize>>,
}

/// A draw of a cell.
pub struct Draw<'s> {
    pub golden: Vectors,
    pub golden_texts: Vec<&'s str>,
    pub topics: Vec<usize>,
    pub reference: Option<Window<'s>>,
    pub now: Window<'s>,
}

/// A record: a text of the file, or of a variant's own list, and whether the golden set has its intent.
#[derive(Clone, Copy)]
struct Pick {
    row: usize,
    known: bool,
    foreign: bool,
}

/// The minimum number of rows of an intent that takes part: one example and two records.
const MIN_ROWS: usize = 4;

/// The remaining rows of every intent, and the maximum number of them per window.
struct Intents {
    known: Vec<(Vec<usize>, usize)>,
    hidden: Vec<(Vec<usize>, usize)>,
}

/// Draws a cell; `None` if the space or the file lacks what it needs. Two thirds of the intents are known. Both windows
/// are drawn without replacement; neither takes more than half of an intent's remaining rows, so that no window consists
/// of the leftovers of another.
pub fn draw<'s>(cell: &Cell, corpus: &Corpus, space: &'s EmbeddingSpace, seed: u64) -> Option<Draw<'s>> {
    let mut random = rng(seed, 0);
    let plain = space.get(Variant::Plain)?;
    let mut pools: Vec<Pool> = pools(cell, corpus)?;
    pools.shuffle(&mut random);
    pools.iter_mut().for_each(|pool| pool.shuffle(&mut random));
    let hidden = pools.split_off(pools.len() * 2 / 3);
    let (mut golden, mut golden_texts, mut topics) = (Vectors::new(plain.vectors.dim()), Vec::new(), Vec::new());
    for (topic, pool) in pools.iter_mut().enumerate() {
        let taken = pool.golden(cell.golden);
        taken.iter().for_each(|row| golden.push(plain.vectors.row(*row)));
        golden_texts.extend(taken.iter().map(|row| plain.texts[*row].as_str()));
        topics.extend(std::iter::repeat_n(topic, taken.len()));
    }
    if cell.kind == Kind::Dup {
        pad(&mut golden, &mut golden_texts, &mut topics, &mut random);
    }
    let halves =
        |pools: Vec<Pool>| pools.into_iter().map(|p| (p.rows.len() / 2, p.rows)).map(|(h, p)| (p, h)).collect();
    let mut intents = Intents { known: halves(pools), hidden: halves(hidden) };
    let usual = zipf(intents.known.len(), cell.zipf(), &mut random);
    let reference = intents.window(cell, &usual, 0.0, &mut random);
    let today = match cell.kind {
        Kind::Mix => zipf(usual.len(), cell.zipf(), &mut random),
        Kind::Vanish => usual.iter().enumerate().map(|(at, share)| if at % 3 == 0 { 0.0 } else { *share }).collect(),
        _ => usual,
    };
    let now = intents.window(cell, &today, cell.kind.new_share(), &mut random);
    let now = changed(cell, now, space, corpus, &mut random)?;
    let reference = cell.reference.then(|| window(&reference, [plain, plain], corpus));
    Some(Draw { golden, golden_texts, topics, reference, now })
}

/// The rows of an intent.
struct Pool {
    rows: Vec<usize>,
    /// The rows of the main split, from which the golden set is taken, if the cell needs a split. `rows` are the others.
    main: Option<Vec<usize>>,
}

impl Pool {
    fn shuffle(&mut self, random: &mut impl RngExt) {
        self.rows.shuffle(random);
        self.main.iter_mut().for_each(|main| main.shuffle(random));
    }

    /// Removes the rows of golden examples.
    fn golden(&mut self, count: usize) -> Vec<usize> {
        match self.main.take() {
            Some(mut main) => {
                main.truncate(count);
                main
            }
            None => self.rows.split_off(self.rows.len() - count.min(self.rows.len() / 2)),
        }
    }
}

/// The intents with enough rows; `None` if the cell needs a split that the file does not have.
fn pools(cell: &Cell, corpus: &Corpus) -> Option<Vec<Pool>> {
    if cell.kind != Kind::Paraphrase {
        let enough = corpus.intents.iter().filter(|rows| rows.len() >= MIN_ROWS);
        return Some(enough.map(|rows| Pool { rows: rows.clone(), main: None }).collect());
    }
    let main = corpus.main_split.as_ref()?;
    let pool = |rows: &Vec<usize>| {
        let (main, rows) = rows.iter().copied().partition::<Vec<usize>, _>(|row| main[*row]);
        Pool { rows, main: Some(main) }
    };
    let enough = |pool: &Pool| pool.rows.len() >= 2 && pool.main.as_ref().is_some_and(|main| main.len() >= 2);
    let pools: Vec<Pool> = corpus.intents.iter().map(pool).filter(enough).collect();
    (pools.len() >= 6).then_some(pools)
}

/// The current window, changed as the scenario demands.
fn changed<'s>(
    cell: &Cell,
    mut now: Vec<Pick>,
    space: &'s EmbeddingSpace,
    corpus: &Corpus,
    random: &mut impl RngExt,
) -> Option<Window<'s>> {
    if cell.kind == Kind::Bots
        && let Some(one) = now.first().copied()
    {
        let tenth = now.len() / 10;
        now[..tenth].fill(one);
    }
    let variants = cell.kind.variants();
    let variant = match cell.kind {
        Kind::Filler => variants[random.random_range(0..variants.len())],
        Kind::Language(_) => Variant::Plain,
        _ => variants.first().copied().unwrap_or(Variant::Plain),
    };
    let texts = space.get(variant)?;
    let mut foreign = texts;
    if let Kind::Language(share) = cell.kind {
        foreign = space.get(Variant::Foreign)?;
        let mut rows: Vec<usize> = (0..foreign.texts.len()).collect();
        rows.shuffle(random);
        rows.truncate((now.len() as f64 * share).round() as usize);
        now.truncate(now.len() - rows.len());
        now.extend(rows.into_iter().map(|row| Pick { row, known: false, foreign: true }));
        now.shuffle(random);
    }
    Some(window(&now, [texts, foreign], corpus))
}

/// The texts and vectors of the picks: the first source contains those of the file, the second the foreign ones.
fn window<'s>(picks: &[Pick], sources: [&'s Texts; 2], corpus: &Corpus) -> Window<'s> {
    let source = |pick: &Pick| sources[usize::from(pick.foreign)];
    let mut vectors = Vectors::with_capacity(sources[0].vectors.dim(), picks.len());
    picks.iter().for_each(|pick| vectors.push_row(source(pick).vectors.row(pick.row)));
    Window {
        vectors,
        texts: picks.iter().map(|pick| source(pick).texts[pick.row].as_str()).collect(),
        known: picks.iter().map(|pick| pick.known).collect(),
        intents: picks.iter().map(|pick| (!pick.foreign).then(|| corpus.intent_of[pick.row])).collect(),
    }
}

impl Intents {
    /// Draws the rows of a window, and whether each is known.
    fn window(&mut self, cell: &Cell, mix: &[f64], new_share: f64, random: &mut impl RngExt) -> Vec<Pick> {
        let foreign = matches!(cell.kind, Kind::Language(_));
        let new = if foreign { 0 } else { (cell.records as f64 * new_share).round() as usize };
        let mut rows = take(&mut self.known, mix, cell.records - new, random);
        let known = rows.len();
        let mix = zipf(self.hidden.len(), cell.zipf(), random);
        rows.extend(take(&mut self.hidden, &mix, new, random));
        let pick = |(at, row)| Pick { row, known: at < known, foreign: false };
        let mut rows: Vec<Pick> = rows.into_iter().enumerate().map(pick).collect();
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
fn pad(golden: &mut Vectors, texts: &mut Vec<&str>, topics: &mut Vec<usize>, random: &mut impl RngExt) {
    for row in 0..golden.len() {
        if !topics[row].is_multiple_of(3) {
            continue;
        }
        for _ in 0..4 {
            let noise: Vec<f32> = (0..golden.dim()).map(|_| random.random_range(-1.0..1.0)).collect();
            let length = noise.iter().map(|x| x * x).sum::<f32>().sqrt();
            let near: Vec<f32> = golden.row(row).iter().zip(noise).map(|(x, e)| x + 0.25 * e / length).collect();
            golden.push(&near);
            texts.push(texts[row]);
            topics.push(topics[row]);
        }
    }
}
