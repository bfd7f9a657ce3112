//! The significance level of the decay alarm when it is checked every night.
//!
//! A test at 5 % that is repeated every night raises false alarms far more often than 5 % of the time. Here the level is
//! spent over time instead (after Lan & DeMets 1983, but per period, without an end): the expected number of false alarms
//! is at most [`Promise::level`] per [`Promise::period`] days, however often somebody looks, and the level of a look never reaches
//! zero. A look may spend the level of the time since the previous one.
//!
//! Windows of successive nights overlap. An alarm that was already raised last night is not a new one, so what a look
//! spends is the probability of a *first* crossing: P(Z₁ > c₁, Z₀ ≤ c₀) for normal statistics whose correlation is the
//! overlap. Summed over the looks this is a union bound on false alarms (their onsets), and much less strict than
//! Bonferroni's inequality. Anything that the two looks share besides, such as the reference window, only raises the
//! true correlation, which makes a first crossing less likely (Slepian 1962).

mod crossing;

use serde::{Deserialize, Serialize};

use crate::core::domain::Window;
use crossing::level_of;

/// What a policy promises about false alarms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Promise {
    /// Expected number of false alarms per period, at most.
    pub level: f64,
    /// Length of the period in days, at least 1.
    pub period: u32,
}

/// What one look compares.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The window measured. Looks are ordered by its end, whenever they took place.
    pub window: Window,
    /// The window it is compared with.
    pub reference: Window,
    /// Version of the golden set.
    pub dataset_version: String,
}

/// A look of the same dataset, embedding space and traffic source that already took place.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierLook {
    /// What it compared.
    pub look: Look,
    /// The level it was given, and the promise at that time; `None` if they were not stored.
    pub given: Option<(Level, Promise)>,
}

/// The level of a look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The alarm is raised if the p-value is below it.
    pub level: f64,
    /// What looking at a window with this end spends: the probability of a false alarm that was not one before.
    pub spent: f64,
}

/// The level of a look, given the earlier ones.
///
/// - Without an earlier look it is the whole level of the promise.
/// - A look whose window ends when that of an earlier one did spends nothing more: it has the same level.
/// - Otherwise it spends the level of the time since the latest window that ended before its own. Looks at later windows
///   make no difference, so that going back over past windows gives the same levels as having looked in order, as far
///   as the windows before them were looked at.
pub fn level(look: &Look, earlier: &[EarlierLook], promise: Promise) -> Level {
    let ends = |other: &&EarlierLook| other.look.window.to;
    let again = earlier.iter().filter(|other| ends(other) == look.window.to).filter_map(|other| other.given);
    if let Some((given, _)) = again.into_iter().find(|(_, then)| *then == promise) {
        return given;
    }
    let Some(latest) = earlier.iter().filter(|other| ends(other) < look.window.to).map(|other| ends(&other)).max()
    else {
        return Level { level: promise.level, spent: promise.level };
    };
    let days = look.window.to.duration_since(latest).as_secs_f64() / 86_400.0;
    let spent = promise.level * (days / f64::from(promise.period)).min(1.0);
    // Each of several looks at the same time bounds a first crossing, so the most favourable one counts.
    let previous = earlier.iter().filter(|other| ends(other) == latest);
    let levels = previous.map(|other| match other.given {
        Some((before, _)) => level_of(spent, before.level, correlation(look, &other.look)),
        None => spent,
    });
    let level = levels.fold(spent, f64::max).min(promise.level);
    Level { level: rounded_down(level), spent: rounded_down(spent) }
}

/// A lower bound of the correlation of two looks without any drift: the share that their windows have in common, or that
/// their reference windows have in common if that is less. 0 if the golden set changed, since nothing is known then.
fn correlation(a: &Look, b: &Look) -> f64 {
    if a.dataset_version != b.dataset_version {
        return 0.0;
    }
    overlap(a.window, b.window).min(overlap(a.reference, b.reference))
}

/// The time that two windows have in common, as a share of the longer one.
fn overlap(a: Window, b: Window) -> f64 {
    let seconds = |from: jiff::Timestamp, to: jiff::Timestamp| to.duration_since(from).as_secs_f64().max(0.0);
    let common = seconds(a.from.max(b.from), a.to.min(b.to));
    let longer = seconds(a.from, a.to).max(seconds(b.from, b.to));
    if longer > 0.0 { (common / longer).min(1.0) } else { 0.0 }
}

/// Six significant digits, which survive being written and read.
fn rounded_down(level: f64) -> f64 {
    if level <= 0.0 || !level.is_finite() {
        return level;
    }
    let digits = 5 - level.log10().floor() as i32;
    let scale = 10.0_f64.powi(digits);
    let rounded = (level * scale).floor() / scale;
    if rounded > 0.0 { rounded } else { level }
}

#[cfg(test)]
mod tests;
