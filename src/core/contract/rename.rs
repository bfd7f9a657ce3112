//! Keys that went missing while another one came.

use std::collections::BTreeSet;

use super::node::{JsonType, Node, Step};
use super::place::{Place, Side};
use crate::core::stats::difference_newcombe;

/// Names at least this similar (Jaro-Winkler, ignoring case and punctuation) are evidence of a rename.
const SIMILAR: f64 = 0.8;

/// Sets with at least this share in common are evidence of a rename.
const COMMON: f64 = 0.5;

/// Coverage of the interval that decides whether two shares may be equal.
const CONFIDENCE: f64 = 0.95;

/// A key that took the place of another.
pub(super) struct Rename<'p, 'a> {
    pub(super) old: &'p Place<'a>,
    pub(super) new: &'p Place<'a>,
    /// Why the two are one key.
    pub(super) evidence: &'static str,
}

/// Pairs of a missing and a new key, the best first; each key is in at most one pair.
pub(super) fn renames<'p, 'a>(missing: &[&'p Place<'a>], new: &[&'p Place<'a>]) -> Vec<Rename<'p, 'a>> {
    let mut pairs = Vec::new();
    for old in missing {
        for other in new.iter().filter(|other| other.parent == old.parent) {
            let only =
                [missing, new].iter().all(|keys| keys.iter().filter(|key| key.parent == old.parent).count() == 1);
            if let Some((score, evidence)) = likeness(old, other, only) {
                pairs.push((score, Rename { old, new: other, evidence }));
            }
        }
    }
    pairs.sort_by(|(a, x), (b, y)| {
        b.total_cmp(a).then_with(|| (&x.old.path, &x.new.path).cmp(&(&y.old.path, &y.new.path)))
    });
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let free = |pair: &Rename<'p, 'a>| {
        let fresh = !used.contains(pair.old.path.as_str()) && !used.contains(pair.new.path.as_str());
        if fresh {
            used.extend([pair.old.path.as_str(), pair.new.path.as_str()]);
        }
        fresh
    };
    pairs.into_iter().map(|(_, pair)| pair).filter(free).collect()
}

/// How alike two keys are, higher is more, and what they have in common; `None` if they are not one key.
fn likeness(old: &Place<'_>, new: &Place<'_>, only: bool) -> Option<(f64, &'static str)> {
    let (Some(Step::Key(name)), Some(Step::Key(other))) = (&old.step, &new.step) else { return None };
    if types(old.base.node) != types(new.candidate.node) {
        return None;
    }
    let common = common(old.base.node, new.candidate.node);
    let similar = strsim::jaro_winkler(&plain(name), &plain(other));
    let score = similar + common.unwrap_or(0.0);
    match common {
        Some(share) if share >= COMMON => Some((score, "the same type and mostly the same content")),
        Some(0.0) => None,
        _ if !as_frequent(&old.base, &new.candidate) => None,
        _ if similar >= SIMILAR => Some((score, "the same type, a similar name, and is as frequent")),
        _ if only => Some((score, "the same type, is as frequent, and is the only new key here")),
        _ => None,
    }
}

fn types(node: &Node) -> BTreeSet<JsonType> {
    node.types.keys().copied().filter(|kind| *kind != JsonType::Null).collect()
}

/// The share of strings, if from small sets, or of the keys of objects that two nodes have in common.
fn common(old: &Node, new: &Node) -> Option<f64> {
    fn shared<T: Ord>(a: BTreeSet<T>, b: BTreeSet<T>) -> f64 {
        a.intersection(&b).count() as f64 / a.union(&b).count().max(1) as f64
    }
    fn strings(node: &Node) -> BTreeSet<&String> {
        node.values.known.keys().filter(|value| value.starts_with('"')).collect()
    }
    let keys = |node: &Node| node.children.keys().cloned().collect::<BTreeSet<_>>();
    if !old.children.is_empty() && !new.children.is_empty() && !keys(old).contains(&Step::Items) {
        return Some(shared(keys(old), keys(new)));
    }
    (old.is_enum() && new.is_enum() && !strings(old).is_empty()).then(|| shared(strings(old), strings(new)))
}

/// Whether the shares of outputs with each may be equal.
fn as_frequent(old: &Side<'_>, new: &Side<'_>) -> bool {
    let share = |side: &Side<'_>| side.seen() as f64 / side.parents.max(1) as f64;
    difference_newcombe(share(old), old.parents as f64, share(new), new.parents as f64, CONFIDENCE).contains(0.0)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
