//! Whether what people ask about moved.

use super::super::group_views::{id, names};
use super::{ALPHA, Known, MIN_CHANGE, Windows, shares};
use crate::core::domain::RecordIdx;
use crate::core::records::Records;
use crate::core::shift::{ShiftOptions, topic_mix};
use crate::core::stats::quantile;
use crate::core::unrepresented::NOVEL;
use crate::core::vector::dot;
use crate::core::view::{MixView, MovedShare, TopicsMoved};

/// Share of a group's records that are less similar to its centre than a record must be to count as one of its kind.
const OUTSIDE: f64 = 0.1;

/// The finding. `names` are those of the known topics.
pub(super) fn topics_moved(windows: &Windows<'_, '_>, names: &[String], moved: bool) -> TopicsMoved {
    let gap = windows.gap;
    let options = ShiftOptions { seed: windows.findings.inputs.seed, ..ShiftOptions::default() };
    let mix = topic_mix(windows.then.of_topics(), windows.now.of_topics(), options)
        .map(|mix| MixView { effect: mix.effect, p_value: mix.p_value });
    let grown = windows.changed(groups(windows).into_iter());
    TopicsMoved {
        moved,
        effect: gap.value,
        lo: gap.interval.lo,
        hi: gap.interval.hi,
        p_value: gap.p_value,
        sentence: sentence(moved, gap.value, mix, &windows.since()),
        mix,
        groups: grown.into_iter().filter(|group| group.now > group.reference).collect(),
        topics: known(windows, names, mix),
    }
}

fn sentence(moved: bool, gap: f64, mix: Option<MixView>, since: &str) -> String {
    let mix =
        mix.filter(|mix| has_moved(*mix)).map(|mix| format!("{:.0} % of the represented requests", mix.effect * 100.0));
    let new = format!(
        "What people ask about moved: the share of requests about things that no example represents grew by {:.1} points since {since}",
        gap * 100.0
    );
    match (moved, mix) {
        (true, None) => format!("{new}."),
        (true, Some(mix)) => format!("{new}, and {mix} moved from one known topic to another."),
        (false, Some(mix)) => format!(
            "The known topics are asked about in other proportions than in {since} ({mix} moved between them), but not measurably more is asked about things that no example represents."
        ),
        (false, None) => format!("What people ask about has not measurably moved since {since}."),
    }
}

fn has_moved(mix: MixView) -> bool {
    mix.p_value <= ALPHA && mix.effect >= MIN_CHANGE
}

/// The known topics that grew or shrank most, if the mix moved at all.
fn known(windows: &Windows<'_, '_>, names: &[String], mix: Option<MixView>) -> Vec<MovedShare> {
    if !mix.is_some_and(has_moved) {
        return Vec::new();
    }
    let of = |window: &Known<'_, '_>| shares(&window.weights(names.len(), |_| true));
    let both = of(&windows.then).into_iter().zip(of(&windows.now));
    let share =
        |(name, (reference, now)): (&String, (f64, f64))| MovedShare { id: None, name: name.clone(), reference, now };
    windows.changed(names.iter().zip(both).map(share))
}

/// The groups of unrepresented records, with the shares of unrepresented requests of their kind in both windows.
fn groups(windows: &Windows<'_, '_>) -> Vec<MovedShare> {
    let groups = &windows.findings.unrepresented.groups;
    let balls: Vec<Ball> = groups.iter().map(|group| Ball::around(windows.now.records(), group)).collect();
    let before = unrepresented_in(&windows.then, &balls);
    let total = windows.now.records().total_weight();
    let weight = |record: &RecordIdx| {
        windows.now.records().weights()[record.0] * (1.0 - windows.now.covered[record.0].p_represented)
    };
    let names = names(windows.findings).into_iter().enumerate();
    let share = |(((number, name), group), reference): (((usize, String), &Vec<RecordIdx>), f64)| MovedShare {
        id: Some(id(number)),
        name,
        reference,
        now: group.iter().map(weight).sum::<f64>() / total,
    };
    names.zip(groups).zip(before).map(share).collect()
}

/// The records that are as similar to the centre of a group as nearly all of its own.
struct Ball {
    centre: Vec<f32>,
    similarity: f64,
}

impl Ball {
    fn around(records: &Records<'_>, group: &[RecordIdx]) -> Self {
        let mut centre = vec![0.0_f32; records.vectors().dim()];
        for record in group {
            centre.iter_mut().zip(records.vectors().row(record.0)).for_each(|(sum, x)| *sum += x);
        }
        let length = centre.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        centre.iter_mut().for_each(|x| *x /= length);
        let similarity = |record: &RecordIdx| f64::from(dot(&centre, records.vectors().row(record.0)));
        let mut similarities: Vec<f64> = group.iter().map(similarity).collect();
        similarities.sort_unstable_by(f64::total_cmp);
        let similarity = quantile(&similarities, OUTSIDE).unwrap_or(1.0);
        Self { centre, similarity }
    }
}

/// The share of a window's traffic that is not represented and in each ball; a record counts for the nearest one.
fn unrepresented_in(window: &Known<'_, '_>, balls: &[Ball]) -> Vec<f64> {
    let records = window.records();
    let mut sums = vec![0.0; balls.len()];
    let novel = |row: &usize| records.vectors().is_embeddable(*row) && 1.0 - window.covered[*row].p_represented > NOVEL;
    for row in (0..records.len()).filter(novel) {
        let similarity = |ball: &Ball| f64::from(dot(&ball.centre, records.vectors().row(row)));
        let inside = balls.iter().enumerate().map(|(number, ball)| (number, similarity(ball), ball.similarity));
        let inside = inside.filter(|(_, similarity, least)| similarity >= least);
        if let Some((nearest, ..)) = inside.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) {
            sums[nearest] += records.weights()[row] * (1.0 - window.covered[row].p_represented);
        }
    }
    sums.into_iter().map(|sum| sum / records.total_weight()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_tells_new_things_from_another_mix() {
        let mix = |effect, p_value| Some(MixView { effect, p_value });
        let cases = [
            (
                true,
                mix(0.2, 0.001),
                "grew by 12.0 points since 2026-06, and 20 % of the represented requests moved from one known topic to another.",
            ),
            (true, mix(0.2, 0.3), "no example represents grew by 12.0 points since 2026-06."),
            (
                false,
                mix(0.2, 0.001),
                "in other proportions than in 2026-06 (20 % of the represented requests moved between them), but not",
            ),
            (false, mix(0.002, 0.001), "has not measurably moved since 2026-06"),
            (false, None, "has not measurably moved since 2026-06"),
        ];
        for (moved, mix, expected) in cases {
            let found = sentence(moved, 0.12, mix, "2026-06");
            assert!(found.contains(expected), "{found}");
        }
    }
}
