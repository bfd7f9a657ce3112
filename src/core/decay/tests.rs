//! Measurements on synthetic traffic: topics that stop, topics that appear, and cases that cannot be measured.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::*;
use crate::core::alarm::{EarlierLook, Level, Look};
use crate::core::domain::{
    Card, Dataset, Example, Flag, ReasonCode, RecordIdx, Reducer, TrafficRecord, Window, parse_timestamp,
};
use crate::core::estimate::Origin;
use crate::core::gate::GatePast;
use crate::core::golden::example_from_row;
use crate::core::queue::{FlagRow, QueueState};
use crate::core::records::Records;
use crate::core::signals::Policy;
use crate::core::stats::rng;
use crate::core::vector::Vectors;
use crate::core::verdict::Verdict;
use crate::core::view::RecordRow;

const DIM: usize = 32;

/// Number of topics in the golden set, and of examples per topic.
const TOPICS: usize = 5;
const EXAMPLES: usize = 8;

/// Generates items scattered around topics, each of which is a direction.
struct World {
    centres: Vec<Vec<f32>>,
    random: ChaCha8Rng,
    policy: Policy,
}

/// A golden set with its vectors.
struct Golden {
    dataset: Dataset,
    texts: Vec<String>,
    vectors: Vectors,
}

/// A month of traffic with its vectors.
struct Month {
    span: Window,
    traffic: Vec<TrafficRecord>,
    vectors: Vectors,
}

fn at(text: &str) -> Timestamp {
    parse_timestamp(text).unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = rng(seed, 0);
        let mut direction = || (0..DIM).map(|_| random.random_range(-1.0..1.0_f32)).collect();
        let centres = (0..TOPICS + 2).map(|_| direction()).collect();
        Self { centres, random, policy: Policy::default() }
    }

    fn vectors(&mut self, topics: &[usize]) -> Vectors {
        let mut vectors = Vectors::new(DIM);
        for topic in topics {
            let row: Vec<f32> = self.centres[*topic].iter().map(|x| x + self.random.random_range(-0.5..0.5)).collect();
            vectors.push(&row);
        }
        vectors
    }

    fn golden(&mut self) -> Golden {
        let topics: Vec<usize> = (0..TOPICS * EXAMPLES).map(|row| row % TOPICS).collect();
        Golden::of(&topics, self.vectors(&topics))
    }

    /// A month with the given number of records of each topic.
    fn month(&mut self, month: &str, counts: &[(usize, usize)]) -> Month {
        let topics: Vec<usize> = counts.iter().flat_map(|(topic, count)| vec![*topic; *count]).collect();
        Month::of(month, &topics, self.vectors(&topics))
    }

    fn inputs<'a>(&'a self, golden: &'a Golden, now: &'a Month, reference: Option<&'a Month>) -> Inputs<'a> {
        Inputs {
            dataset: &golden.dataset,
            texts: &golden.texts,
            golden: &golden.vectors,
            space: "planted",
            now: now.window(),
            reference: reference.map(Month::window),
            known_clusters: KnownClusters::default(),
            flags: Vec::new(),
            passes: BTreeMap::new(),
            answered: Vec::new(),
            exposed: Vec::new(),
            hashes: BTreeMap::new(),
            voices: Vec::new(),
            run: None,
            slice: Vec::new(),
            run_pairs: Vec::new(),
            earlier: None,
            settings: Settings {
                min_karats: Some(20.0),
                require_decision: true,
                past: GatePast::default(),
                policy: &self.policy,
            },
            source: "planted",
            looks: Vec::new(),
            notes: Vec::new(),
            at: at("2026-09-01"),
            seed: 1,
        }
    }
}

impl Golden {
    fn of(topics: &[usize], vectors: Vectors) -> Self {
        let example = |(row, topic): (usize, &usize)| -> Example {
            let (id, input) = (format!("t{topic}-{row:02}"), format!("example {row} of topic{topic}"));
            let row = json!({"id": id, "input": input, "label": format!("topic{topic}"), "reviewed_at": "2026-08-01"});
            example_from_row(1, row.as_object().unwrap().clone()).unwrap()
        };
        let examples: Vec<Example> = topics.iter().enumerate().map(example).collect();
        let texts = examples.iter().map(Example::text).collect();
        let dataset = Dataset { name: "planted".into(), version: "v".repeat(64), examples, card: Card::default() };
        Self { dataset, texts, vectors }
    }
}

impl Month {
    fn of(month: &str, topics: &[usize], vectors: Vectors) -> Self {
        let span = Window::parse(month, at("2026-09-01")).unwrap();
        let record = |(row, topic): (usize, &usize)| TrafficRecord {
            record_id: format!("t{topic}-{row}"),
            at: span.from,
            input: format!("request about topic{topic}"),
            structure: None,
            output: None,
            group: None,
            sample_rate: 1.0,
            model: None,
        };
        Self { span, traffic: topics.iter().enumerate().map(record).collect(), vectors }
    }

    /// The same requests in other words.
    fn worded(mut self, word: impl Fn(usize, &str) -> String) -> Self {
        let rows = self.traffic.iter_mut().enumerate();
        rows.for_each(|(row, record)| record.input = word(row, &record.input));
        self
    }

    fn window(&self) -> TrafficWindow<'_> {
        TrafficWindow { span: self.span, records: Records::of_traffic(&self.vectors, &self.traffic), wording: None }
    }
}

/// `count` records of each topic in the set.
fn every_topic(count: usize) -> Vec<(usize, usize)> {
    (0..TOPICS).map(|topic| (topic, count)).collect()
}

/// Zero vectors, as for texts with nothing to embed.
fn zeros(count: usize) -> Vectors {
    let mut vectors = Vectors::new(DIM);
    (0..count).for_each(|_| vectors.push(&[0.0; DIM]));
    vectors
}

fn flagged(measured: &Measured, code: ReasonCode) -> Vec<&str> {
    let of_code = measured.changes.iter().filter(|change| change.flag.code == code && change.to == QueueState::Queued);
    let mut ids: Vec<&str> = of_code.map(|change| change.flag.example_id.as_str()).collect();
    ids.sort_unstable();
    ids
}

/// Asserts that coverage was not measured and that nothing was made up in its place.
fn assert_unmeasured(measured: &Measured) {
    let view = &measured.view;
    assert!(view.karats.is_none() && view.coverage.is_none() && view.drift_gap.is_none() && view.alarm.is_none());
    assert!(view.candidates.is_empty() && view.estimate.is_none());
    assert_eq!((view.verdict, view.gates[0].verdict), (Verdict::Inconclusive, Verdict::Inconclusive));
    assert!(measured.records.iter().all(|record| record.p_represented.is_none()));
    assert!(flagged(measured, ReasonCode::TrafficVanished).is_empty());
}

#[test]
fn examples_whose_topic_stopped_are_flagged_and_no_others() {
    let mut world = World::new(1);
    let golden = world.golden();
    let june = world.month("2026-06", &every_topic(30));
    let august = world.month("2026-08", &(0..TOPICS - 1).map(|topic| (topic, 37)).collect::<Vec<_>>());
    let measured = measure(world.inputs(&golden, &august, Some(&june))).unwrap();
    let stopped: Vec<String> =
        golden.dataset.examples.iter().filter(|e| e.id.starts_with("t4")).map(|e| e.id.clone()).collect();
    assert_eq!(flagged(&measured, ReasonCode::TrafficVanished), stopped);
    let listed: Vec<&str> = measured.view.examples.iter().map(|example| example.id.as_str()).collect();
    assert_eq!(listed.len(), stopped.len(), "{listed:?}");
    assert!(measured.changes.iter().all(|change| change.from.is_none()));
    assert_eq!(measured.view.alarm, Some(false), "known requests alone: {:?}", measured.view.drift_gap);
}

#[test]
fn a_new_topic_lowers_coverage_by_its_share_and_yields_a_cluster_and_candidates() {
    let mut world = World::new(2);
    let golden = world.golden();
    let june = world.month("2026-06", &every_topic(30));
    let august = world.month("2026-08", &[every_topic(24), vec![(TOPICS, 40)]].concat());
    let measured = measure(world.inputs(&golden, &august, Some(&june))).unwrap();
    let view = &measured.view;
    let gap = view.drift_gap.as_ref().unwrap();
    assert!((gap.value - 0.25).abs() < 0.06 && view.alarm == Some(true), "{gap:?}");
    assert!((view.coverage.unwrap().value - 0.75).abs() < 0.06, "{:?}", view.coverage);
    let is_new = |id: &str| id.starts_with("t5-");
    let (new, known): (Vec<_>, Vec<_>) = measured.records.iter().partition(|record| is_new(&record.record_id));
    let emerging: Vec<&str> = view.clusters.iter().filter(|c| c.emerging).map(|c| c.id.as_str()).collect();
    let lies_in_new = |cluster: &Option<String>| cluster.as_deref().is_some_and(|id| emerging.contains(&id));
    assert!(new.iter().filter(|record| lies_in_new(&record.cluster)).count() > 30, "{emerging:?}");
    assert!(known.iter().all(|record| !lies_in_new(&record.cluster)));
    assert!(!emerging.is_empty());
    let grouped = |of: &[&RecordRow]| of.iter().filter(|record| record.group.is_some()).count();
    assert!(grouped(&new) > 36 && grouped(&known) == 0, "{} and {}", grouped(&new), grouped(&known));
    let group = &view.unrepresented[0];
    assert!(group.emerging && group.lo < 0.25 && group.hi > 0.22 && group.live == 0, "{group:?}");
    assert!(group.p_represented.unwrap() < 0.2 && group.exemplars.len() == 3, "{group:?}");
    let (random, chosen): (Vec<_>, Vec<_>) = view.candidates.iter().partition(|c| c.origin == Some(Origin::Random));
    assert!(chosen.iter().all(|candidate| candidate.group.is_some()), "{chosen:?}");
    assert_eq!(random.iter().map(|c| c.probability).collect::<Vec<_>>(), [Some(2.0 / 160.0); 2]);
    assert_eq!(view.candidates.last().unwrap().origin, Some(Origin::Random));
    assert!(emerging.contains(&view.clusters[0].id.as_str()), "the largest unrepresented share comes first");
    assert!(is_new(&view.candidates[0].record_id) && view.candidates[0].gain > 0.05, "{:?}", view.candidates);
    let weight: f64 = measured.records.iter().map(|record| record.p_represented.unwrap() * record.weight).sum();
    assert!((weight / 160.0 - view.coverage.unwrap().value).abs() < 1e-9);
}

#[test]
fn known_clusters_keep_their_ids_and_their_version_becomes_the_parent_of_the_next() {
    let mut world = World::new(3);
    let golden = world.golden();
    let (june, july) = (world.month("2026-06", &every_topic(24)), world.month("2026-07", &every_topic(24)));
    let first = measure(world.inputs(&golden, &july, Some(&june))).unwrap().clustering.unwrap();
    assert_eq!((first.book.reference(), &first.parent), ("2026-06", &None));
    let august = world.month("2026-08", &[every_topic(24), vec![(TOPICS, 40)]].concat());
    let inputs = world.inputs(&golden, &august, Some(&june));
    let known = KnownClusters { book: Some((first.book.clone(), first.version.clone())), next_number: 1 };
    let second = measure(Inputs { known_clusters: known, ..inputs }).unwrap().clustering.unwrap();
    assert_eq!(second.parent.as_deref(), Some(first.version.as_str()));
    let id =
        |book: &crate::core::new_clusters::ClusterBook, at| book.get(crate::core::domain::ClusterIdx(at)).id.to_owned();
    assert!((0..first.book.len()).all(|at| id(&first.book, at) == id(&second.book, at)));
    let known = KnownClusters { book: None, next_number: 31 };
    let other = measure(Inputs { known_clusters: known, ..world.inputs(&golden, &july, None) }).unwrap();
    assert_eq!(id(&other.clustering.unwrap().book, 0), "c31", "ids of another reference window are not reused");
}

#[test]
fn an_empty_window_measures_nothing_and_leaves_traffic_flags_unchanged() {
    let mut world = World::new(4);
    let golden = world.golden();
    let (june, empty) = (world.month("2026-06", &every_topic(20)), world.month("2026-08", &[]));
    for reference in [None, Some(&june)] {
        let waiting = row("t1-01", ReasonCode::TrafficVanished, QueueState::Queued);
        let inputs = Inputs { flags: vec![waiting], ..world.inputs(&golden, &empty, reference) };
        let measured = measure(inputs).unwrap();
        assert_unmeasured(&measured);
        assert_eq!((measured.view.window.records, measured.view.unassigned_share), (0, 0.0));
        assert!(measured.records.is_empty() && measured.changes.is_empty(), "{:?}", measured.changes);
    }
}

#[test]
fn traffic_with_nothing_to_embed_is_counted_separately_and_represented_by_nothing() {
    let mut world = World::new(5);
    let golden = world.golden();
    let june = world.month("2026-06", &every_topic(20));
    let blank = Month::of("2026-08", &[0; 45], zeros(45));
    assert_unmeasured(&measure(world.inputs(&golden, &blank, Some(&june))).unwrap());
    let nothing = Golden::of(&(0..40).map(|row| row % TOPICS).collect::<Vec<_>>(), zeros(40));
    let measured = measure(world.inputs(&nothing, &blank, None)).unwrap();
    assert_unmeasured(&measured);
    assert_eq!((measured.view.not_embeddable_share, measured.view.unassigned_share), (1.0, 0.0));
    assert!(measured.view.notes[0].starts_with("coverage cannot be calibrated on 40 live examples"));
}

#[test]
fn without_a_reference_window_coverage_is_measured_and_drift_is_not() {
    let mut world = World::new(6);
    let golden = world.golden();
    let august = world.month("2026-08", &every_topic(30));
    let measured = measure(world.inputs(&golden, &august, None)).unwrap();
    let view = &measured.view;
    assert!(view.coverage.unwrap().value > 0.9, "{:?}", view.coverage);
    assert!(view.reference.is_none() && view.reference_coverage.is_none() && view.drift_gap.is_none());
    assert!(view.alarm.is_none() && view.shift.is_empty());
    assert!(flagged(&measured, ReasonCode::TrafficVanished).is_empty());
    assert_eq!(measured.clustering.unwrap().book.reference(), "2026-08", "clusters are formed on the window itself");
}

#[test]
fn a_single_example_and_identical_vectors_are_not_measured_rather_than_guessed() {
    let mut world = World::new(7);
    let (june, august) = (world.month("2026-06", &every_topic(20)), world.month("2026-08", &every_topic(20)));
    let one = Golden::of(&[0], world.vectors(&[0]));
    let measured = measure(world.inputs(&one, &august, Some(&june))).unwrap();
    assert_unmeasured(&measured);
    assert_eq!((measured.view.golden, measured.view.live), (1, 1));
    let same = |count: usize| {
        let mut vectors = Vectors::new(DIM);
        (0..count).for_each(|_| vectors.push(&[1.0; DIM]));
        vectors
    };
    let topics: Vec<usize> = (0..40).map(|row| row % TOPICS).collect();
    let golden = Golden::of(&topics, same(40));
    let month = |month: &str| Month::of(month, &topics, same(40));
    let (june, august) = (month("2026-06"), month("2026-08"));
    let measured = measure(world.inputs(&golden, &august, Some(&june))).unwrap();
    assert_unmeasured(&measured);
    // Similar requests are duplicates only if their answers are equal.
    assert_eq!(flagged(&measured, ReasonCode::Duplicate).len(), 40 - TOPICS);
}

#[test]
fn the_number_of_threads_does_not_change_the_result() {
    let mut world = World::new(8);
    let golden = world.golden();
    let june = world.month("2026-06", &every_topic(20));
    let august = world.month("2026-08", &[every_topic(16), vec![(TOPICS, 40)]].concat());
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let measured = pool.install(|| measure(world.inputs(&golden, &august, Some(&june))).unwrap());
        serde_json::to_string(&(&measured.view, &measured.records, &measured.clustering.unwrap().book)).unwrap()
    };
    assert!(with(1) == with(2), "one thread and two differ");
}

#[test]
fn the_estimated_score_follows_the_traffic() {
    let mut world = World::new(9);
    let golden = world.golden();
    let august = world.month("2026-08", &[(0, 40), (1, 40)]);
    let score = |example: &Example| f64::from(u8::from(["t0", "t1"].contains(&&example.id[..2])));
    let scores = golden.dataset.examples.iter().map(|example| (example.id.clone(), vec![score(example)])).collect();
    let (run_id, endpoint, scorer) = ("run".to_owned(), "model".to_owned(), "exact".to_owned());
    let run = ScoredRun { run_id, endpoint, scorer, reduce: Reducer::default(), scores };
    let measured = measure(Inputs { run: Some(run), ..world.inputs(&golden, &august, None) }).unwrap();
    let estimate = measured.view.estimate.unwrap();
    assert!((estimate.raw - 0.4).abs() < 1e-9 && estimate.represented > 0.8, "{estimate:?}");
}

#[test]
fn a_random_slice_tells_when_the_golden_set_promises_too_much() {
    let mut world = World::new(9);
    let golden = world.golden();
    // Every example is answered right, and so are the requests that they represent; new ones are not.
    let august = world.month("2026-08", &[(0, 60), (1, 60), (TOPICS, 80)]);
    let scores = golden.dataset.examples.iter().map(|example| (example.id.clone(), vec![1.0])).collect();
    let (run_id, endpoint, scorer) = ("run".to_owned(), "model".to_owned(), "exact".to_owned());
    let run = ScoredRun { run_id, endpoint, scorer, reduce: Reducer::default(), scores };
    let slice = |right: fn(usize) -> bool| -> Vec<SliceScore> {
        let score = |row: usize| SliceScore { record: RecordIdx(row), score: f64::from(u8::from(right(row))) };
        (0..200).step_by(5).map(score).collect()
    };
    let view = |slice: Vec<SliceScore>| {
        measure(Inputs { run: Some(run.clone()), slice, ..world.inputs(&golden, &august, None) }).unwrap().view
    };
    let decayed = view(slice(|row| row < 120));
    let found = decayed.slice.unwrap();
    assert_eq!((found.labelled, found.golden, found.disagrees), (40, 1.0, true));
    assert!(found.lo < 0.6 && 0.6 < found.hi && found.lambda > 0.3, "{found:?}");
    assert!(found.powered_hi - found.powered_lo < found.hi - found.lo, "{found:?}");
    assert!(decayed.notes.iter().any(|note| note.contains("ALARM, they disagree")), "{:?}", decayed.notes);
    assert!(!view(slice(|_| true)).slice.unwrap().disagrees);
    assert_eq!(view(slice(|_| true)[..19].to_vec()).slice, None, "too few labels");
}

fn row(example_id: &str, code: ReasonCode, state: QueueState) -> FlagRow {
    let (evidence, basis) = ("seen then".into(), "of then".into());
    let flag = Flag { example_id: example_id.into(), code, score: 0.7, threshold: 0.5, evidence, basis };
    let then = "2026-07-01T00:00:00Z".to_owned();
    FlagRow {
        flag,
        state,
        evidence_hash: "of then".into(),
        snoozed_until: None,
        traffic_share: None,
        first_seen: then.clone(),
        last_seen: then,
    }
}

#[test]
fn flags_change_state_only_if_their_reason_was_measured() {
    use QueueState::{Cleared, Dismissed, Queued};
    let world = World::new(10);
    let mut golden = Golden::of(&[0, 1, 2], zeros(3));
    golden.dataset.examples[0].reviewed_at = None;
    let empty = Month::of("2026-08", &[], zeros(0));
    let code = ReasonCode::Undated;
    let cases = [
        (None, vec![(None, Queued)]),
        (Some(row("t0-00", code, Cleared)), vec![(Some(Cleared), Queued)]),
        (Some(row("t0-00", code, Queued)), vec![(Some(Queued), Queued)]),
        // It was dismissed on other evidence.
        (Some(row("t0-00", code, Dismissed)), vec![(Some(Dismissed), Queued)]),
        // Flags of other examples, next to the new one.
        (Some(row("t1-01", code, Queued)), vec![(None, Queued), (Some(Queued), Cleared)]),
        (Some(row("t1-01", code, Dismissed)), vec![(None, Queued)]),
        (Some(row("gone", code, Queued)), vec![(None, Queued), (Some(Queued), Cleared)]),
        (Some(row("t1-01", ReasonCode::Flaky, Queued)), vec![(None, Queued)]),
        (Some(row("t1-01", ReasonCode::TrafficVanished, Queued)), vec![(None, Queued)]),
    ];
    for (known, expected) in cases {
        let shown = format!("{known:?}");
        let inputs = Inputs { flags: known.into_iter().collect(), ..world.inputs(&golden, &empty, None) };
        let measured = measure(inputs).unwrap();
        let moves: Vec<_> = measured.changes.iter().map(|change| (change.from, change.to)).collect();
        assert_eq!(moves, expected, "{shown}");
    }
}

#[test]
fn a_decision_applies_until_its_evidence_changes() {
    let world = World::new(11);
    let mut golden = Golden::of(&[0], zeros(1));
    golden.dataset.examples[0].reviewed_at = None;
    let empty = Month::of("2026-08", &[], zeros(0));
    let first = measure(world.inputs(&golden, &empty, None)).unwrap().changes.remove(0);
    let dismissed = FlagRow {
        evidence_hash: first.evidence_hash.clone(),
        ..row("t0-00", ReasonCode::Undated, QueueState::Dismissed)
    };
    let again = measure(Inputs { flags: vec![dismissed], ..world.inputs(&golden, &empty, None) }).unwrap();
    let change = &again.changes[0];
    assert_eq!(
        (change.from, change.to, &change.evidence_hash),
        (Some(QueueState::Dismissed), QueueState::Dismissed, &first.evidence_hash)
    );
    assert!(again.view.examples.is_empty() && again.view.signals.is_empty(), "it does not have to be reviewed again");
}

/// Half of the requests in capitals.
fn shouted(row: usize, text: &str) -> String {
    if row.is_multiple_of(2) { text.to_uppercase() } else { text.to_owned() }
}

#[test]
fn new_topics_and_new_wording_are_told_apart() {
    let new_topic = [every_topic(24), vec![(TOPICS, 40)]].concat();
    for (shares, shouts, expected) in [
        (every_topic(32), false, (false, false)),
        (every_topic(32), true, (false, true)),
        (new_topic.clone(), false, (true, false)),
        (new_topic, true, (true, true)),
    ] {
        let mut world = World::new(12);
        let golden = world.golden();
        let june = world.month("2026-06", &every_topic(32));
        let august = world.month("2026-08", &shares);
        let august = if shouts { august.worded(shouted) } else { august };
        let view = measure(world.inputs(&golden, &august, Some(&june))).unwrap().view;
        let moved = view.moved.unwrap();
        assert_eq!((moved.topics.moved, moved.wording.moved), expected, "{moved:?}");
        assert_eq!(view.alarm, Some(moved.topics.moved), "only topics raise the alarm");
        assert_eq!(moved.wording.differs.iter().any(|text| text.contains("casing")), shouts, "{moved:?}");
        assert!(moved.wording.topics.is_empty() && moved.topics.topics.is_empty(), "{moved:?}");
        let grown: Vec<&str> = moved.topics.groups.iter().filter_map(|group| group.id.as_deref()).collect();
        assert_eq!(grown, if expected.0 { vec!["u01"] } else { vec![] });
        let of_topics = view.drift_gap.unwrap();
        assert_eq!((moved.topics.effect, moved.topics.p_value), (of_topics.value, of_topics.p_value));
    }
}

#[test]
fn another_mix_of_known_topics_is_named_but_raises_no_alarm_and_is_not_wording() {
    let mut world = World::new(13);
    let golden = world.golden();
    // Requests of topic 0 are worded in a way of their own in both windows.
    let own = |_: usize, text: &str| if text.ends_with("topic0") { text.to_uppercase() } else { text.to_owned() };
    let june = world.month("2026-06", &every_topic(40)).worded(own);
    let mut shares = every_topic(30);
    shares[0].1 = 90;
    let august = world.month("2026-08", &shares).worded(own);
    let view = measure(world.inputs(&golden, &august, Some(&june))).unwrap().view;
    let moved = view.moved.unwrap();
    let mix = moved.topics.mix.unwrap();
    assert!((mix.effect - 0.2).abs() < 0.08 && mix.p_value < 0.01, "{mix:?}");
    let first = &moved.topics.topics[0];
    assert!(first.name == "topic0" && (first.now - first.reference - 0.23).abs() < 0.08, "{first:?}");
    assert!(view.alarm == Some(false) && !moved.topics.moved && !moved.wording.moved, "{:?}", moved.wording);
    assert!(moved.topics.sentence.contains("in other proportions"), "{}", moved.topics.sentence);
    let casing = view.shift.iter().find(|test| test.test == "casing").unwrap();
    assert!(casing.changed, "without comparing like with like it would be: {casing:?}");
}

#[test]
fn wording_that_changed_in_one_topic_names_it() {
    let mut world = World::new(14);
    let golden = world.golden();
    let june = world.month("2026-06", &every_topic(40));
    let shouts = |_: usize, text: &str| if text.ends_with("topic3") { text.to_uppercase() } else { text.to_owned() };
    let august = world.month("2026-08", &every_topic(40)).worded(shouts);
    let moved = measure(world.inputs(&golden, &august, Some(&june))).unwrap().view.moved.unwrap();
    let names: Vec<&str> = moved.wording.topics.iter().map(|topic| topic.name.as_str()).collect();
    assert!(moved.wording.moved && names == ["topic3"], "{:?}", moved.wording);
    let share = &moved.wording.topics[0];
    assert!(share.reference < 0.1 && share.now > 0.8, "{share:?}");
}

#[test]
fn the_alarm_is_raised_at_the_level_that_earlier_looks_leave() {
    let mut world = World::new(15);
    let golden = world.golden();
    let (june, august) = (world.month("2026-06", &every_topic(32)), world.month("2026-08", &every_topic(32)));
    let first = measure(world.inputs(&golden, &august, Some(&june))).unwrap().view;
    let look = first.look.unwrap();
    assert_eq!((look.source.as_str(), look.level, look.alarm_period), ("planted", 0.05, 90));
    let day = jiff::SignedDuration::from_hours(24);
    let (from, to) = (august.span.from - day, august.span.to - day);
    let earlier = EarlierLook {
        look: Look {
            window: Window { from, to },
            reference: june.span,
            dataset_version: golden.dataset.version.clone(),
        },
        given: Some((Level { level: 0.002, spent: 0.0005 }, world.policy.promise())),
    };
    let next = measure(Inputs { looks: vec![earlier], ..world.inputs(&golden, &august, Some(&june)) }).unwrap().view;
    let level = next.look.unwrap().level;
    assert!(level > 0.001 && level < 0.003, "{level}");
    assert_eq!(next.alarm, Some(next.drift_gap.unwrap().p_value < level));
    assert!(measure(world.inputs(&golden, &august, None)).unwrap().view.look.is_none());
}
