//! The results as Markdown.

use std::fmt::Write;

use karat::canary::Rule;

use super::trial::{Cell, POWER, Rates, Summary};

/// The most pairs allowed, in sizes of the fixed test, at the design effect and at twice it.
const AT_DESIGN: f64 = 0.85;
const AT_TWICE: f64 = 0.5;

pub struct Report {
    pub text: String,
    /// Whether everything promised was measured.
    pub holds: bool,
}

pub fn report(cells: &[Cell], summaries: &[Summary], repetitions: u64) -> Report {
    let mut text = format!(
        "{repetitions} repetitions per row, level {}, a look after every pair, budget 3 times the fixed test (power \
         {POWER}). Truth in margins. P: promoted, R: rolled back, in percent; wrong decisions in bold. †: the fixed test \
         is less than twice ln(1/level) / margin pairs, which any method that is valid for all distributions needs; no \
         savings are claimed.\n\n",
        Rule::LEVEL
    );
    text += "| scores | margin | truth | fixed n | canary P / R | undecided | mean pairs | of fixed n | covered \
             | fixed test P / R | threshold P / R | unpaired z P / R |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for (cell, summary) in cells.iter().zip(summaries) {
        text += &row(cell, summary);
    }
    let rows = Rows { cells, summaries };
    let mut claims = promises(rows, repetitions);
    claims.extend(naive(rows));
    text += "\n| figure | bound | measured | row |\n|---|--:|--:|---|\n";
    for Claim { name, bound, measured, row } in &claims {
        let bound = bound.map_or_else(String::new, |bound| format!("{bound:.3}"));
        let _ = writeln!(text, "| {name} | {bound} | {measured:.3} | {row} |");
    }
    Report { text, holds: claims.iter().all(|claim| claim.bound.is_none_or(|bound| claim.measured <= bound)) }
}

fn row(cell: &Cell, summary: &Summary) -> String {
    let percent = |x: f64, wrong: bool| {
        let figure = format!("{:.1}", 100.0 * x);
        if wrong && x > 0.0 { format!("**{figure}**") } else { figure }
    };
    let rates = |rates: Rates| {
        format!("{} / {}", percent(rates.promote, cell.truth <= -1.0), percent(rates.roll_back, cell.truth >= 0.0))
    };
    let undecided = 1.0 - summary.canary.promote - summary.canary.roll_back;
    format!(
        "| {} | {} | {:+} | {} | {} | {} | {:.0} | {:.2}{} | {:.1} | {} | {} | {} |\n",
        cell.world.name(),
        cell.rule.margin,
        cell.truth,
        cell.fixed,
        rates(summary.canary),
        percent(undecided.max(0.0), false),
        summary.pairs,
        summary.pairs / cell.fixed as f64,
        if possible(cell) { "" } else { "†" },
        100.0 * summary.covered,
        rates(summary.fixed),
        rates(summary.threshold),
        rates(summary.unpaired)
    )
}

/// A figure over all rows, and what it may be at most; `None` for what is only shown.
struct Claim {
    name: &'static str,
    bound: Option<f64>,
    measured: f64,
    row: String,
}

/// A figure of a row; `None` if the claim is not about it.
type Figure<'a> = &'a dyn Fn(&Cell, &Summary) -> Option<f64>;

/// All rows.
#[derive(Clone, Copy)]
struct Rows<'a> {
    cells: &'a [Cell],
    summaries: &'a [Summary],
}

impl<'a> Rows<'a> {
    fn each(self) -> impl Iterator<Item = (&'a Cell, &'a Summary)> {
        self.cells.iter().zip(self.summaries)
    }

    fn worst(self, name: &'static str, bound: Option<f64>, figure: Figure) -> Claim {
        let (mut measured, mut row) = (0.0, String::new());
        for (cell, summary) in self.each() {
            if let Some(x) = figure(cell, summary).filter(|x| *x > measured) {
                measured = x;
                row = format!("{}, margin {}, truth {:+}", cell.world.name(), cell.rule.margin, cell.truth);
            }
        }
        Claim { name, bound, measured, row }
    }

    fn mean(self, name: &'static str, bound: Option<f64>, figure: Figure) -> Claim {
        let all: Vec<f64> = self.each().filter_map(|(cell, summary)| figure(cell, summary)).collect();
        let measured = all.iter().sum::<f64>() / all.len() as f64;
        Claim { name, bound, measured, row: format!("mean of {} rows", all.len()) }
    }
}

fn of_worse(cell: &Cell, rate: f64) -> Option<f64> {
    (cell.truth <= -1.0).then_some(rate)
}

fn of_good(cell: &Cell, rate: f64) -> Option<f64> {
    (cell.truth >= 0.0).then_some(rate)
}

/// What the canary promises.
fn promises(rows: Rows, repetitions: u64) -> Vec<Claim> {
    let pairs = |truths: [f64; 2]| {
        move |cell: &Cell, summary: &Summary| {
            (truths.contains(&cell.truth) && possible(cell)).then(|| summary.pairs / cell.fixed as f64)
        }
    };
    let level = Rule::LEVEL;
    // The largest of many measured rates lies above the true ones.
    let measured = Some(level + 3.0 * (level * (1.0 - level) / repetitions as f64).sqrt());
    let at = |cell: &Cell, truth: f64, rate: f64| (cell.truth == truth).then_some(rate);
    vec![
        rows.worst("promoted although worse, worst row", measured, &|cell, s| of_worse(cell, s.canary.promote)),
        rows.mean("promoted at a truth of -1", Some(level), &|cell, s| at(cell, -1.0, s.canary.promote)),
        rows.worst("rolled back although not worse, worst row", measured, &|cell, s| of_good(cell, s.canary.roll_back)),
        rows.mean("rolled back at a truth of 0", Some(level), &|cell, s| at(cell, 0.0, s.canary.roll_back)),
        rows.worst("truth outside of an interval, worst row", measured, &|_, s| Some(1.0 - s.covered)),
        rows.worst("pairs at the design effect, worst row", Some(AT_DESIGN), &pairs([-1.0, 0.0])),
        rows.mean("pairs at the design effect", Some(AT_DESIGN), &pairs([-1.0, 0.0])),
        rows.worst("pairs at twice the design effect, worst row", Some(AT_TWICE), &pairs([-2.0, 1.0])),
        rows.mean("pairs at twice the design effect", Some(AT_TWICE), &pairs([-2.0, 1.0])),
    ]
}

/// What the naive methods do.
fn naive(rows: Rows) -> Vec<Claim> {
    let wrong = |name: &'static str, figure: Figure| rows.worst(name, None, figure);
    vec![
        wrong("threshold: promoted although worse", &|cell, s| of_worse(cell, s.threshold.promote)),
        wrong("threshold: rolled back although not worse", &|cell, s| of_good(cell, s.threshold.roll_back)),
        wrong("unpaired z: promoted although worse", &|cell, s| of_worse(cell, s.unpaired.promote)),
        wrong("unpaired z: rolled back although not worse", &|cell, s| of_good(cell, s.unpaired.roll_back)),
    ]
}

/// Whether savings are claimed.
///
/// A method that is valid for all distributions has to rule out that rare pairs are as bad as can be, which takes
/// ln(1/level) / margin pairs even if all scores are equal. Little can be saved on a fixed test of about that size,
/// which relies on its normal approximation instead.
fn possible(cell: &Cell) -> bool {
    cell.fixed as f64 >= 2.0 * -Rule::LEVEL.ln() / cell.rule.margin
}
