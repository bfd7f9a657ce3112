//! Repetitions with their own random numbers, and what a section prints: tables and promises.

use std::fmt::Write;

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// How often everything is repeated, and from which random numbers.
pub struct Plan {
    pub repetitions: u64,
    pub seed: u64,
    pub section: u64,
}

impl Plan {
    /// Runs all repetitions of a cell. Every repetition has its own stream, so the results do not depend on the number of
    /// threads; `start` makes what the repetitions of a thread write over.
    pub fn each<T: Send, W>(
        &self,
        cell: usize,
        start: impl Fn() -> W + Send + Sync,
        run: impl Fn(&mut W, &mut ChaCha8Rng) -> T + Send + Sync,
    ) -> Vec<T> {
        let first = self.section << 48 | (cell as u64) << 32;
        let repeat = |space: &mut W, repetition| run(space, &mut karat::stats::rng(self.seed, first | repetition));
        (0..self.repetitions).into_par_iter().map_init(start, repeat).collect()
    }

    /// The same with fewer repetitions, at least one.
    pub fn fewer(&self, factor: u64) -> Self {
        Plan { repetitions: (self.repetitions / factor).max(1), ..*self }
    }

    /// The largest share measured by chance, in three standard errors, where the true share is `share`.
    pub fn by_chance(&self, share: f64) -> f64 {
        share + 3.0 * (share * (1.0 - share) / self.repetitions as f64).sqrt()
    }
}

/// The share of items for which something holds.
pub fn share<T>(items: &[T], holds: impl Fn(&T) -> bool) -> f64 {
    items.iter().filter(|item| holds(item)).count() as f64 / items.len() as f64
}

/// The mean of some figures.
pub fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len() as f64
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// What a promise requires of a share.
#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

struct Promise {
    name: String,
    bound: Bound,
    measured: f64,
    place: String,
}

impl Promise {
    fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.measured <= most,
            Bound::AtLeast(least) => self.measured >= least,
        }
    }
}

/// The tables and promises of a section.
#[derive(Default)]
pub struct Section {
    tables: String,
    promises: Vec<Promise>,
}

impl Section {
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.tables, "{text}\n");
    }

    /// A table whose first column is text.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let _ = writeln!(self.tables, "| {} |\n|---|{}", header.join(" | "), "--:|".repeat(header.len() - 1));
        for row in rows {
            let _ = writeln!(self.tables, "| {} |", row.join(" | "));
        }
        self.tables.push('\n');
    }

    /// Promises that the largest of these figures is at most `most`.
    pub fn at_most(&mut self, name: &str, most: f64, figures: impl IntoIterator<Item = (f64, String)>) {
        self.promise(name, Bound::AtMost(most), figures.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)));
    }

    /// Promises that the smallest of these figures is at least `least`.
    pub fn at_least(&mut self, name: &str, least: f64, figures: impl IntoIterator<Item = (f64, String)>) {
        self.promise(name, Bound::AtLeast(least), figures.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)));
    }

    fn promise(&mut self, name: &str, bound: Bound, worst: Option<(f64, String)>) {
        let (measured, place) = worst.unwrap_or((f64::NAN, "nothing was measured".to_owned()));
        self.promises.push(Promise { name: name.to_owned(), bound, measured, place });
    }

    /// Whether all promises were kept.
    pub fn holds(&self) -> bool {
        self.promises.iter().all(Promise::holds)
    }

    pub fn text(&self) -> String {
        let mut text = self.tables.clone();
        text += "| promise | bound | measured | where | kept |\n|---|--:|--:|---|---|\n";
        for promise in &self.promises {
            let (sign, bound) = match promise.bound {
                Bound::AtMost(most) => ("≤", most),
                Bound::AtLeast(least) => ("≥", least),
            };
            let kept = if promise.holds() { "yes" } else { "**no**" };
            let (bound, measured) =
                (format!("{sign} {:.2}", 100.0 * bound), format!("{:.2}", 100.0 * promise.measured));
            let _ = writeln!(text, "| {} | {bound} | {measured} | {} | {kept} |", promise.name, promise.place);
        }
        text
    }
}
