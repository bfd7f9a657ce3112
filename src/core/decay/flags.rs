//! The flags of a measurement, and the resulting changes to the relabel queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::inputs::{Inputs, Live, labels};
use crate::core::coverage::{CoverageMeasurement, GoldenPoints};
use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};
use crate::core::queue::{FlagChange, FlagRow, QueueEvent, QueueState, evidence_hash, next};
use crate::core::signals::{
    Dispute, Labelled, LocalShare, dated_flags, disputed_flags, disputes, disputes_by_similarity, flaky_flags,
    local_share, rank, repeated_flags, saturated_flags, source_flags, vanished_flags,
};

/// The examples whose answer somebody confirmed to be wrong, as long as the evidence is the same.
pub(super) fn confirmed_wrong(inputs: &Inputs<'_>) -> BTreeSet<String> {
    let confirmed = |row: &&FlagRow| row.state == QueueState::Confirmed && row.flag.code.ends_liveness();
    let rows: Vec<&FlagRow> = inputs.flags.iter().filter(confirmed).collect();
    if rows.is_empty() {
        return BTreeSet::new();
    }
    let policy = inputs.settings.policy;
    let mut held = repeated_flags(&inputs.dataset.examples, inputs.golden, policy.duplicate_similarity);
    held.extend(disputed(inputs));
    held.extend(source_flags(inputs.dataset, &inputs.hashes));
    let held: BTreeSet<(String, String)> =
        held.iter().map(|flag| (flag.example_id.clone(), evidence_hash(flag))).collect();
    let ids = rows.into_iter().map(|row| (row.flag.example_id.clone(), row.evidence_hash.clone()));
    ids.filter(|key| held.contains(key)).map(|(id, _)| id).collect()
}

/// Coverage, and the traffic near each live example in the window, which it is needed for.
pub(super) struct Covered<'a> {
    coverage: &'a CoverageMeasurement,
    near: LocalShare,
}

impl<'a> Covered<'a> {
    pub fn new(inputs: &Inputs<'_>, live: &Live<'_>, coverage: &'a CoverageMeasurement) -> Self {
        let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
        let neighbours = inputs.settings.policy.neighbours;
        Self { coverage, near: local_share(golden, &inputs.now.records, &coverage.now.records, neighbours) }
    }
}

/// Every flag that currently holds, the strongest first.
pub(super) fn flags(inputs: &Inputs<'_>, live: &Live<'_>, covered: Option<&Covered<'_>>) -> Vec<Flag> {
    let policy = inputs.settings.policy;
    let examples = &inputs.dataset.examples;
    let cadence = inputs.dataset.card.review_every_days.or(policy.review_every_days);
    let mut flags = dated_flags(examples, cadence, inputs.at);
    flags.extend(repeated_flags(examples, inputs.golden, policy.duplicate_similarity));
    flags.extend(vanished(inputs, live, covered).unwrap_or_default());
    flags.extend(disputed(inputs));
    flags.extend(inputs.exposed.iter().cloned());
    flags.extend(source_flags(inputs.dataset, &inputs.hashes));
    flags.extend(flaky_flags(examples, &inputs.passes, policy.flaky_score));
    let flagged = flags.iter().map(|flag| flag.example_id.clone()).collect();
    flags.extend(saturated(inputs, live, &flagged));
    rank(flags)
}

fn disputed(inputs: &Inputs<'_>) -> Vec<Flag> {
    let examples = &inputs.dataset.examples;
    if inputs.voices.is_empty() {
        return Vec::new();
    }
    let found = by_similarity(inputs).unwrap_or_else(|| disputes(examples, &inputs.voices));
    disputed_flags(examples, &found, inputs.settings.policy.disputed_score)
}

/// The disputes of a set with few labels.
fn by_similarity(inputs: &Inputs<'_>) -> Option<BTreeMap<String, Dispute>> {
    let all = inputs.dataset.examples.iter().enumerate();
    let active = all.filter(|(_, example)| example.status == ExampleStatus::Active);
    let (rows, examples): (Vec<usize>, Vec<&Example>) = active.unzip();
    let (labels, names) = labels(examples.iter().copied())?;
    let texts: Vec<&str> = rows.iter().map(|row| inputs.texts[*row].as_str()).collect();
    let vectors = inputs.golden.part(&rows);
    let set = Labelled { examples: &examples, texts: &texts, vectors: &vectors, labels: &labels, names: &names };
    disputes_by_similarity(set, &inputs.voices)
}

/// `flagged` are the examples that are flagged for another reason.
fn saturated(inputs: &Inputs<'_>, live: &Live<'_>, flagged: &BTreeSet<String>) -> Vec<Flag> {
    let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
    saturated_flags(&live.examples(inputs), golden, &inputs.answered, flagged, inputs.settings.policy)
}

fn vanished(inputs: &Inputs<'_>, live: &Live<'_>, covered: Option<&Covered<'_>>) -> Option<Vec<Flag>> {
    let policy = inputs.settings.policy;
    let (window, Covered { coverage, near: after }) = inputs.reference.as_ref().zip(covered)?;
    let then = coverage.reference.as_ref()?;
    let golden = GoldenPoints { vectors: &live.vectors, topics: &live.topics };
    let before = local_share(golden, &window.records, &then.records, policy.neighbours);
    let mut flags = vanished_flags(&live.examples(inputs), &before, after, policy);
    // With another reference window, it is another finding.
    flags.iter_mut().for_each(|flag| flag.basis = format!("{}\n{}", window.span.label(), flag.basis));
    Some(flags)
}

/// The next state of every flag: first those that hold, in the given order, then those that no longer hold. Flags whose
/// reason was not measured are left unchanged, since nothing new is known about them.
pub(super) fn changes(
    inputs: &Inputs<'_>,
    live: &Live<'_>,
    flags: Vec<Flag>,
    covered: Option<&Covered<'_>>,
) -> Vec<FlagChange> {
    let ids = live.rows().iter().map(|row| inputs.dataset.examples[row.0].id.as_str());
    let shares = covered.map(|covered| covered.near.shares.as_slice()).unwrap_or_default();
    let shares: HashMap<&str, f64> = ids.zip(shares.iter().copied()).collect();
    let key = |flag: &Flag| (flag.example_id.clone(), flag.code);
    let known: BTreeMap<(String, ReasonCode), &FlagRow> =
        inputs.flags.iter().map(|row| (key(&row.flag), row)).collect();
    let mut changes = Vec::new();
    let mut held = BTreeSet::new();
    for flag in flags {
        let key = key(&flag);
        let share = shares.get(flag.example_id.as_str()).copied();
        changes.extend(flagged(flag, known.get(&key).copied(), share, inputs.at));
        held.insert(key);
    }
    let measured = |code| match code {
        ReasonCode::TrafficVanished => covered.is_some() && inputs.reference.is_some(),
        ReasonCode::Flaky => !inputs.passes.is_empty(),
        ReasonCode::LabelDisputed => !inputs.voices.is_empty(),
        ReasonCode::Saturated => !inputs.answered.is_empty(),
        _ => true,
    };
    let gone = known.into_iter().filter(|(key, row)| !held.contains(key) && measured(row.flag.code));
    changes.extend(gone.filter_map(|(_, row)| not_flagged(row)));
    changes
}

fn flagged(flag: Flag, row: Option<&FlagRow>, traffic_share: Option<f64>, at: Timestamp) -> Option<FlagChange> {
    let hash = evidence_hash(&flag);
    let from = row.map(|row| row.state);
    let evidence_changed = row.is_some_and(|row| row.evidence_hash != hash);
    let due = row.and_then(|row| row.snoozed_until).is_some_and(|until| until <= at);
    let to = next(from, QueueEvent::Flagged { evidence_changed, due })?;
    let snoozed_until = row.filter(|_| to == QueueState::Snoozed).and_then(|row| row.snoozed_until);
    Some(FlagChange { flag, from, to, evidence_hash: hash, snoozed_until, traffic_share })
}

fn not_flagged(row: &FlagRow) -> Option<FlagChange> {
    let to = next(Some(row.state), QueueEvent::NotFlagged).filter(|to| *to != row.state)?;
    Some(FlagChange {
        flag: row.flag.clone(),
        from: Some(row.state),
        to,
        evidence_hash: row.evidence_hash.clone(),
        snoozed_until: None,
        traffic_share: row.traffic_share,
    })
}
