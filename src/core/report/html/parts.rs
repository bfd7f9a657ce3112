//! Components of the page: badges, tracks, cards and tables.

use crate::core::report::table::{Column, Kind, Table};
use crate::core::report::tables::represented;
use crate::core::verdict::Verdict;
use crate::core::view::{Cell, ClusterView, CoverageView, ScoreView, count_of, line};

/// A verdict as a word and a sign, with the CSS class that colours both.
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

/// A value as shown on the page, not yet escaped: the template does that. A unit is not separated from its number by a
/// line break.
pub(super) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Share(..) | Cell::ShareInterval(..) | Cell::PValue(_) | Cell::Level(_) | Cell::Milliseconds(_) => {
            cell.to_string().replace(' ', "\u{a0}")
        }
        Cell::Phrase(phrase) => phrase.0.iter().map(shown).collect(),
        _ => cell.to_string(),
    }
}

/// A value and its interval on a track from 0 to 1. Positions and widths are percentages of the track.
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
    fn new(label: String, value: &Cell, interval: &Cell, ends: Option<(f64, f64, f64)>) -> Self {
        let (at, lo, hi) = ends.unwrap_or_default();
        let (lo, hi) = (within(lo), within(hi));
        Self {
            label,
            value: shown(value),
            interval: shown(interval),
            left: percent(lo),
            width: percent(hi - lo),
            at: percent(within(at)),
            measured: ends.is_some(),
        }
    }

    /// Coverage in one window.
    pub(super) fn coverage(label: String, coverage: Option<CoverageView>) -> Self {
        match coverage {
            None => Self::new(label, &Cell::NotMeasured, &"not measured".into(), None),
            Some(CoverageView { value, lo, hi }) => {
                Self::new(label, &Cell::Share(value, 1), &Cell::ShareInterval(lo, hi), Some((value, lo, hi)))
            }
        }
    }

    /// The mean of a scorer.
    pub(super) fn score(scorer: &str, score: &ScoreView) -> Self {
        let label = line(scorer, 60);
        match score.measured() {
            None => Self::new(label, &Cell::NotMeasured, &"nothing was scored".into(), None),
            Some((mean, lo, hi)) => {
                Self::new(label, &Cell::Number(mean, 3), &Cell::Interval(lo, hi, 3), Some((mean, lo, hi)))
            }
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
    /// Creates the card of a cluster. `largest` is the traffic share whose bar fills the full width.
    pub(super) fn new(cluster: &ClusterView, largest: f64) -> Self {
        let scale = if largest > 0.0 { largest } else { 1.0 };
        let unrepresented = cluster.unrepresented_share();
        Self {
            name: line(&cluster.name, 80),
            emerging: cluster.emerging,
            share: shown(&Cell::Share(cluster.traffic_share, 1)),
            interval: shown(&Cell::ShareInterval(cluster.lo, cluster.hi)),
            unrepresented_width: percent(unrepresented / scale),
            represented_width: percent((cluster.traffic_share - unrepresented) / scale),
            standing: format!(
                "{} represented; {}",
                shown(&represented(cluster)),
                count_of(cluster.live, "live example")
            ),
            exemplars: cluster.exemplars.iter().take(4).map(|text| line(text, 200)).collect(),
            terms: line(&cluster.terms.join(", "), 160),
        }
    }
}

/// A table cell with the CSS class of its column.
pub(super) struct HtmlCell {
    pub(super) text: String,
    pub(super) class: &'static str,
    pub(super) badge: Option<Badge>,
}

/// A table with CSS classes.
pub(super) struct HtmlTable {
    pub(super) title: String,
    pub(super) note: Option<String>,
    pub(super) heads: Vec<(String, &'static str)>,
    pub(super) rows: Vec<Vec<HtmlCell>>,
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
        let heads = table.columns.iter().map(|column| (column.name.clone(), class(column.kind))).collect();
        let cell = |(cell, column): (&Cell, &Column)| HtmlCell {
            text: shown(cell),
            class: class(column.kind),
            badge: if let Cell::Verdict(verdict) = cell { Some((*verdict).into()) } else { None },
        };
        let rows = table.rows.iter().map(|row| row.iter().zip(&table.columns).map(cell).collect()).collect();
        let note = table.note.as_ref().map(shown);
        Self { title: table.title, note, heads, rows, more }
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
    fn a_verdict_is_a_badge_but_the_same_word_in_a_text_is_not() {
        let rows = [Cell::from(Verdict::Fail), Cell::from("FAIL")];
        let table = HtmlTable::from(Table::of("", rows, 9).verdict("Verdict", Cell::clone).table());
        let badges: Vec<_> = table.rows.iter().map(|row| row[0].badge.map(|badge| badge.class)).collect();
        assert_eq!(badges, [Some("fail"), None]);
    }
}
