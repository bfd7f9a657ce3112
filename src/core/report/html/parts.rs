//! The pieces of the page that are more than text.

use crate::core::report::tables::{Kind, Table};
use crate::core::report::words::{NOTHING, count_of, figure, interval, line, share, share_interval};
use crate::core::verdict::Verdict;
use crate::core::view::{ClusterView, CoverageView, ScoreView};

/// A verdict as a word, a sign, and the class that colours both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Badge {
    pub(super) word: &'static str,
    pub(super) sign: &'static str,
    pub(super) class: &'static str,
}

impl From<Verdict> for Badge {
    fn from(verdict: Verdict) -> Self {
        let (sign, class) = match verdict {
            Verdict::Pass => ("✓", "pass"),
            Verdict::Fail => ("✕", "fail"),
            Verdict::Inconclusive => ("?", "inconclusive"),
            Verdict::Incomplete => ("!", "incomplete"),
        };
        Self { word: verdict.name(), sign, class }
    }
}

/// The badge of a verdict's name; `None` for any other word.
fn badge_named(name: &str) -> Option<Badge> {
    let all = [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive, Verdict::Incomplete];
    all.into_iter().find(|verdict| verdict.name() == name).map(Badge::from)
}

/// A value with its interval on a track from 0 to 1; places and widths are percentages of the track.
pub(super) struct Range {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) left: String,
    pub(super) width: String,
    pub(super) at: String,
    pub(super) measured: bool,
}

impl Range {
    fn new(label: String, value: String, interval: String, ends: Option<(f64, f64, f64)>) -> Self {
        let (at, lo, hi) = ends.unwrap_or_default();
        let (lo, hi) = (within(lo), within(hi));
        Self {
            label,
            value,
            interval,
            left: percent(lo),
            width: percent(hi - lo),
            at: percent(within(at)),
            measured: ends.is_some(),
        }
    }

    /// Coverage in one window.
    pub(super) fn coverage(label: String, coverage: Option<CoverageView>) -> Self {
        match coverage {
            None => Self::new(label, NOTHING.into(), "not measured".into(), None),
            Some(c) => Self::new(label, share(c.value), share_interval(c.lo, c.hi), Some((c.value, c.lo, c.hi))),
        }
    }

    /// The mean of a scorer.
    pub(super) fn score(scorer: &str, score: &ScoreView) -> Self {
        let label = line(scorer, 60);
        match score.mean.zip(score.lo).zip(score.hi) {
            None => Self::new(label, NOTHING.into(), "nothing was scored".into(), None),
            Some(((mean, lo), hi)) => Self::new(label, figure(mean, 3), interval(lo, hi, 3), Some((mean, lo, hi))),
        }
    }
}

fn within(share: f64) -> f64 {
    if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", within(share) * 100.0)
}

/// A cluster without examples.
pub(super) struct Card {
    pub(super) name: String,
    pub(super) emerging: bool,
    pub(super) share: String,
    pub(super) interval: String,
    pub(super) unrepresented_width: String,
    pub(super) represented_width: String,
    pub(super) standing: String,
    pub(super) exemplars: Vec<String>,
    pub(super) terms: String,
}

impl Card {
    /// `largest` is the mass whose bar fills the width.
    pub(super) fn new(cluster: &ClusterView, largest: f64) -> Self {
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let unrepresented = cluster.unrepresented_share();
        let represented = cluster.p_represented.map_or_else(|| NOTHING.into(), share);
        Self {
            name: line(&cluster.name, 80),
            emerging: cluster.emerging,
            share: share(cluster.traffic_share),
            interval: share_interval(cluster.lo, cluster.hi),
            unrepresented_width: percent(unrepresented / scale),
            represented_width: percent((cluster.traffic_share - unrepresented) / scale),
            standing: format!("{represented} of it represented; {} here", count_of(cluster.live, "live example")),
            exemplars: cluster.exemplars.iter().take(4).map(|text| line(text, 200)).collect(),
            terms: line(&cluster.terms.join(", "), 160),
        }
    }
}

/// A cell with the class of its column.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) class: &'static str,
    pub(super) badge: Option<Badge>,
}

/// A table with classes.
pub(super) struct HtmlTable {
    pub(super) title: String,
    pub(super) note: Option<String>,
    pub(super) heads: Vec<(String, &'static str)>,
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) more: Option<String>,
}

impl HtmlTable {
    /// Whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl From<Table> for HtmlTable {
    fn from(table: Table) -> Self {
        let more = table.more();
        let heads: Vec<_> = table.columns.iter().map(|(name, kind)| (name.clone(), class(*kind))).collect();
        let cell = |(text, (_, kind)): (String, &(String, Kind))| {
            let badge = if *kind == Kind::Verdict { badge_named(&text) } else { None };
            Cell { text, class: class(*kind), badge }
        };
        let rows = table.rows.into_iter().map(|row| row.into_iter().zip(&table.columns).map(cell).collect()).collect();
        Self { title: table.title, note: table.note, heads, rows, more }
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Name | Kind::Id => "name",
        Kind::Prose => "prose",
        Kind::Number => "number",
        Kind::Verdict => "verdict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_never_leaves_its_box() {
        let range = Range::coverage("now".into(), Some(CoverageView { value: 1.2, lo: -0.1, hi: f64::NAN }));
        assert_eq!((range.left.as_str(), range.width.as_str(), range.at.as_str()), ("0.00%", "0.00%", "100.00%"));
        assert!(!Range::coverage("now".into(), None).measured);
    }

    #[test]
    fn only_names_of_verdicts_become_badges() {
        assert_eq!(badge_named("FAIL").map(|badge| badge.class), Some("fail"));
        assert!(badge_named("fail").is_none());
    }
}
