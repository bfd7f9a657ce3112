//! Examples whose score changed.

use super::Options;
use super::run::{RunScores, example_score};
use crate::core::view::FlipView;

/// The examples whose score of `scorer` fell and those whose score rose, the largest change first; flaky ones after all
/// others, since their change says little.
pub(super) fn flips(
    base: &RunScores,
    candidate: &RunScores,
    common: &[(usize, usize)],
    scorer: &str,
    options: &Options<'_>,
) -> (Vec<FlipView>, Vec<FlipView>) {
    let (Some((before, reduce_before)), Some((after, reduce_after))) = (base.scorer(scorer), candidate.scorer(scorer))
    else {
        return (Vec::new(), Vec::new());
    };
    let (mut fell, mut rose) = (Vec::new(), Vec::new());
    for (first, second) in common {
        let (Some(first), Some(second)) = (base.examples.get(*first), candidate.examples.get(*second)) else {
            continue;
        };
        let scores =
            (example_score(reduce_before, &first.values(before)), example_score(reduce_after, &second.values(after)));
        let (Some(base_score), Some(candidate_score)) = scores else { continue };
        if base_score == candidate_score {
            continue;
        }
        let flaky = first.is_flaky(before) || second.is_flaky(after) || options.flaky.contains(&first.id);
        let flip = FlipView { example_id: first.id.clone(), base_score, candidate_score, flaky, ..FlipView::default() };
        if candidate_score < base_score { fell.push(flip) } else { rose.push(flip) }
    }
    for flips in [&mut fell, &mut rose] {
        let size = |flip: &FlipView| (flip.candidate_score - flip.base_score).abs();
        flips.sort_by(|a, b| {
            a.flaky.cmp(&b.flaky).then(size(b).total_cmp(&size(a))).then_with(|| a.example_id.cmp(&b.example_id))
        });
        flips.truncate(options.flips);
    }
    (fell, rose)
}
