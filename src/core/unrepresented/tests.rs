use rand::RngExt;

use super::*;
use crate::core::domain::LiveIdx;
use crate::core::records::Record;
use crate::core::stats::rng;

const DIM: usize = 16;

/// `counts[topic]` requests near the axis of each topic, one topic after the other.
fn requests(counts: &[usize], seed: u64) -> Vectors {
    let mut random = rng(seed, 0);
    let mut vectors = Vectors::new(DIM);
    for (topic, count) in counts.iter().enumerate() {
        for _ in 0..*count {
            let mut row: Vec<f32> = (0..DIM).map(|_| random.random_range(-0.2..0.2)).collect();
            row[topic] += 1.0;
            vectors.push(&row);
        }
    }
    vectors
}

fn covered(p: f64, similarity: f64) -> RecordCoverage {
    RecordCoverage { nearest: Some(LiveIdx(0)), topic: Some(0), similarity, p_represented: p }
}

/// The sizes of the groups of a window whose records have these probabilities of being represented, similarities to the
/// nearest example, texts and users.
fn sizes(
    vectors: &Vectors,
    p: impl Fn(usize) -> (f64, f64),
    text: impl Fn(usize) -> String,
    users: usize,
) -> Vec<usize> {
    let texts: Vec<String> = (0..vectors.len()).map(text).collect();
    let record = |row: usize| Record { id: "", weight: 1.0, group: row % users, text: &texts[row], output: None };
    let records = Records::new(vectors, (0..vectors.len()).map(record));
    let covered: Vec<RecordCoverage> = (0..vectors.len()).map(|row| covered(p(row).0, p(row).1)).collect();
    let golden = requests(&[10, 10], 9);
    let topics: Vec<usize> = (0..20).map(|row| row / 10).collect();
    let now = Covered { records: &records, coverage: &covered };
    let found = unrepresented(now, None, GoldenPoints { vectors: &golden, topics: &topics }, 3);
    assert_eq!(found.novelty.len(), vectors.len());
    found.groups.iter().map(Vec::len).collect()
}

fn distinct(row: usize) -> String {
    format!("text {row}")
}

#[test]
fn each_new_topic_is_a_group_and_the_largest_comes_first() {
    let vectors = requests(&[40, 40, 6, 12], 1);
    let p = |row| if row < 80 { (0.95, 0.9) } else { (0.1, 0.3) };
    assert_eq!(sizes(&vectors, p, distinct, 100), [12, 6]);
}

#[test]
fn what_the_reference_window_represented_as_often_is_in_no_group() {
    let golden = requests(&[10, 10], 9);
    let topics: Vec<usize> = (0..20).map(|row| row / 10).collect();
    let texts: Vec<String> = (0..120).map(distinct).collect();
    let groups = |before: &[usize], p_before: f64| {
        let (now, before) = (requests(&[40, 20, 20], 1), requests(before, 2));
        let record = |row: usize| Record { id: "", weight: 1.0, group: row, text: &texts[row], output: None };
        let of = |vectors| Records::new(vectors, (0..Vectors::len(vectors)).map(record));
        let (records, records_before) = (of(&now), of(&before));
        let p = |row: usize| covered(if row < 40 { 0.95 } else { 0.4 }, 0.3);
        let (p_now, p_before): (Vec<_>, Vec<_>) =
            ((0..80).map(p).collect(), (0..before.len()).map(|_| covered(p_before, 0.3)).collect());
        let now = Covered { records: &records, coverage: &p_now };
        let before = Covered { records: &records_before, coverage: &p_before };
        let golden = GoldenPoints { vectors: &golden, topics: &topics };
        unrepresented(now, Some(before), golden, 3).groups.len()
    };
    assert_eq!(groups(&[40, 0, 0], 0.95), 2, "both are new");
    assert_eq!(groups(&[40, 40, 0], 0.95), 1, "one was there before");
    assert_eq!(groups(&[40, 40, 40], 0.95), 0, "nothing is new");
    assert_eq!(groups(&[40, 40, 40], 0.3), 2, "they were not represented before either");
}

#[test]
fn records_without_company_or_beside_represented_ones_are_in_no_group() {
    // Three records are doubtful by themselves, but the records around them are represented.
    let vectors = requests(&[40, 40], 1);
    assert!(sizes(&vectors, |row| if row < 3 { (0.4, 0.9) } else { (0.95, 0.9) }, distinct, 100).is_empty());
    // Two records of a new topic are too few.
    let vectors = requests(&[40, 0, 2], 1);
    assert!(sizes(&vectors, |row| if row < 40 { (0.95, 0.9) } else { (0.05, 0.2) }, distinct, 100).is_empty());
    // Requests that are nearer to an example than to each other are reworded, not new.
    let vectors = requests(&[20, 20], 1);
    assert!(sizes(&vectors, |_| (0.3, 0.99), distinct, 100).is_empty());
}

#[test]
fn one_user_or_one_text_is_no_topic() {
    let vectors = requests(&[10], 2);
    assert_eq!(sizes(&vectors, |_| (0.1, 0.2), distinct, 3), [10]);
    assert!(sizes(&vectors, |_| (0.1, 0.2), distinct, 2).is_empty(), "two users");
    let two = vectors.select(&[0, 1, 0, 1, 0, 1, 0, 1]);
    assert!(sizes(&two, |_| (0.1, 0.2), |row| distinct(row % 2), 100).is_empty(), "two texts");
    let mut same = Vectors::new(DIM);
    (0..30).for_each(|_| same.push(vectors.row(0)));
    assert!(sizes(&same, |_| (0.1, 0.2), distinct, 100).is_empty(), "thirty times nearly the same text");
}

#[test]
fn repeated_texts_are_in_the_group_of_the_text() {
    let vectors = requests(&[0, 0, 6], 3);
    let rows: Vec<usize> = (0..18).map(|row| row % 6).collect();
    assert_eq!(sizes(&vectors.select(&rows), |_| (0.1, 0.2), |row| distinct(row % 6), 100), [18]);
}

#[test]
fn a_window_with_nothing_new_or_nothing_at_all_has_no_groups() {
    let empty = Vectors::new(DIM);
    assert!(sizes(&empty, |_| (0.0, 0.0), distinct, 100).is_empty());
    let one = requests(&[1], 1);
    assert!(sizes(&one, |_| (0.0, 0.0), distinct, 100).is_empty());
    let known = requests(&[30, 30], 1);
    assert!(sizes(&known, |_| (1.0, 0.9), distinct, 100).is_empty());
    let mut nothing = Vectors::new(DIM);
    (0..20).for_each(|_| nothing.push(&[0.0; DIM]));
    assert!(sizes(&nothing, |_| (0.0, 0.0), distinct, 100).is_empty(), "nothing to embed");
}

#[test]
fn more_records_than_are_grouped_at_once_are_all_found() {
    let vectors = requests(&[1, 3000, 2000], 4);
    let found = sizes(&vectors, |_| (0.1, 0.2), distinct, 10_000);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0] > 2900 && found[1] > 1900, "{found:?}");
}
