//! Decay on five topics of made-up words: one topic vanishes, a new one appears, and every output shows it.

use std::time::Instant;

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{AUGUST, EMERGED, EXAMPLES, VANISHED, decayed, import_months, measured};

/// A workspace with both months imported and nothing measured.
fn fresh() -> Folder {
    let folder = decayed(&nowhere(), "");
    import_months(&folder);
    folder
}

fn august(folder: &Folder, more: &[&str], code: i32) -> Value {
    folder.karat(&[&AUGUST[..], &["--format", "json"], more].concat()).expect(code).json()
}

/// `value` with every number, text and Boolean replaced by its type, and lists by their first entry.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), shape(value))).collect()),
    }
}

#[test]
fn the_json_form_of_a_decay_measurement_keeps_its_fields() {
    let view = august(&measured(&nowhere(), "  min_karats: 6\n"), &[], 0);
    insta::assert_snapshot!(serde_json::to_string_pretty(&shape(&view)).unwrap());
}

#[test]
fn a_new_topic_is_listed_and_a_vanished_one_is_flagged() {
    let folder = measured(&nowhere(), "  min_karats: 6\n");
    let view = august(&folder, &[], 0);
    let coverage = view["coverage"]["value"].as_f64().unwrap();
    assert!((coverage - 0.75).abs() < 0.12, "a quarter of the traffic has no example: {coverage}");
    let before = view["reference_coverage"]["value"].as_f64().unwrap();
    assert!(before > 0.85, "June was represented: {before}");
    assert_eq!(view["alarm"], true, "{}", view["drift_gap"]);
    assert!((view["karats"].as_f64().unwrap() - 24.0 * coverage).abs() < 1e-9);

    let clusters = view["clusters"].as_array().unwrap();
    let begins = &EMERGED[..2];
    let of_new_topic = |cluster: &Value| cluster["exemplars"][0].as_str().is_some_and(|text| text.starts_with(begins));
    let (new, old): (Vec<&Value>, Vec<&Value>) = clusters.iter().partition(|cluster| of_new_topic(cluster));
    let share: f64 = new.iter().map(|cluster| cluster["traffic_share"].as_f64().unwrap()).sum();
    assert!((share - 0.25).abs() < 0.05, "{share} of the traffic lies in clusters of the new topic");
    for cluster in &new {
        assert!(cluster["p_represented"].as_f64().unwrap() < 0.5, "{cluster}");
        assert_eq!((&cluster["live"], &cluster["emerging"]), (&json!(0), &json!(true)), "{cluster}");
    }
    assert!(of_new_topic(&clusters[0]), "the largest unrepresented share is first: {}", clusters[0]);
    assert!(old.iter().all(|cluster| cluster["emerging"] == false), "{old:?}");

    let vanished: Vec<&str> = view["examples"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|example| {
            example["reasons"].as_array().unwrap().iter().any(|reason| reason["code"] == "traffic-vanished")
        })
        .map(|example| example["id"].as_str().unwrap())
        .collect();
    assert!(vanished.iter().all(|id| id.starts_with(VANISHED)), "{vanished:?}");
    assert!(vanished.len() >= EXAMPLES - 1, "{vanished:?}");
    let candidates = view["candidates"].as_array().unwrap();
    assert!(candidates[0]["input"].as_str().unwrap().starts_with(begins), "{}", candidates[0]);
}

#[test]
fn requests_in_longer_messages_are_as_represented_as_by_themselves() {
    let folder = decayed(&nowhere(), "");
    let month = std::fs::read_to_string(folder.path("traffic/august.jsonl")).unwrap();
    let in_message = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let request = record["text"].as_str().unwrap();
        record["text"] =
            json!(format!("I hope that you are all well. It rains here! {request}\nMany thanks and kind regards"));
        format!("{record}\n")
    };
    folder.write("traffic/august.jsonl", &month.lines().map(in_message).collect::<String>());
    import_months(&folder);
    let coverage = |view: &Value| view["coverage"]["value"].as_f64().unwrap();
    let view = august(&folder, &[], 0);
    let note = "100 % of the requests are messages with more sentences than the examples";
    assert!(view["notes"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().starts_with(note)), "{view}");
    let (long, short) = (coverage(&view), coverage(&august(&measured(&nowhere(), ""), &[], 0)));
    assert!((long - short).abs() < 0.02, "{long} instead of {short}");
}

#[test]
fn coverage_is_the_weighted_mean_over_the_records() {
    let folder = measured(&nowhere(), "");
    let view = august(&folder, &["--records", "out/records.jsonl"], 0);
    let text = folder.read("out/records.jsonl");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 300);
    let number = |record: &Value, key: &str| record[key].as_f64().unwrap();
    let weight: f64 = records.iter().map(|record| number(record, "weight")).sum();
    let represented: f64 =
        records.iter().map(|record| number(record, "weight") * number(record, "p_represented")).sum();
    let coverage = view["coverage"]["value"].as_f64().unwrap();
    assert!((represented / weight - coverage).abs() < 1e-9, "{} against {coverage}", represented / weight);
    assert!((view["window"]["weight"].as_f64().unwrap() - weight).abs() < 1e-9);
}

#[test]
fn the_queue_is_listed_and_shown() {
    let folder = measured(&nowhere(), "");
    folder.karat(&AUGUST).expect(0);
    let flags = folder.karat(&["queue", "list", "topics", "--format", "json"]).expect(0).json()["flags"].clone();
    let flags = flags.as_array().unwrap();
    let id = flags[0]["example_id"].as_str().unwrap();
    assert!(id.starts_with(VANISHED), "{}", flags[0]);
    let shown = folder.karat(&["queue", "show", "topics", id]).expect(0);
    assert!(shown.stdout.contains("traffic-vanished") && shown.stdout.contains("reference records"), "{shown}");
    assert!(folder.karat(&["queue", "list"]).expect(0).stdout.contains(id));
}

#[test]
fn measuring_twice_gives_the_same_figures_and_no_duplicates_in_the_queue() {
    let folder = fresh();
    let first = august(&folder, &[], 0);
    let count = folder.count("SELECT count(*) FROM flags");
    let second = august(&folder, &[], 0);
    assert_eq!(first, second);
    assert_eq!(folder.count("SELECT count(*) FROM flags"), count);
}

#[test]
fn the_exit_code_tells_whether_the_decay_gate_passes_fails_or_is_inconclusive() {
    assert_eq!(august(&measured(&nowhere(), "  min_karats: 23.5\n"), &[], 102)["verdict"], "fail");
    assert_eq!(august(&measured(&nowhere(), "  min_karats: 1\n"), &[], 0)["verdict"], "pass");
    let inconclusive = measured(&nowhere(), "  min_karats: 18\n");
    let view = august(&inconclusive, &[], 103);
    assert_eq!(view["verdict"], "inconclusive", "{}", view["coverage"]);
    august(&measured(&nowhere(), "  min_karats: 18\n  require_decision: false\n"), &[], 0);
    let empty = inconclusive.karat(&["decay", "topics", "--window", "2026-07", "--format", "json"]).expect(103);
    assert_eq!(empty.json()["coverage"], Value::Null, "an empty window measures nothing");
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let measure = |folder: &Folder, threads: &str, seed: &str| {
        let arguments = [&AUGUST[..], &["--format", "json", "--records", "records.jsonl", "--seed", seed]].concat();
        let done = folder.karat_with(&[("RAYON_NUM_THREADS", threads)], &arguments).expect(0);
        (done.stdout, folder.read("records.jsonl"))
    };
    let folder = fresh();
    let one = measure(&fresh(), "1", "7");
    assert!(one == measure(&folder, "4", "7"), "one thread and four differ");
    assert!(one.0 != measure(&folder, "4", "8").0, "the seed changes nothing");
}

#[test]
fn coverage_is_not_measured_from_too_few_examples() {
    let folder = measured(&nowhere(), "  min_karats: 20\n");
    let few: String =
        folder.read("datasets/topics/examples.jsonl").lines().take(10).map(|line| format!("{line}\n")).collect();
    folder.write("datasets/topics/examples.jsonl", &few);
    let view = august(&folder, &[], 103);
    assert_eq!((&view["karats"], &view["coverage"], &view["alarm"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(view["notes"].to_string().contains("at least 20"), "{}", view["notes"]);
}

/// `KARAT_KILLS=50 cargo test --test cli killed_at_any_moment` is the long form.
#[cfg(unix)]
#[test]
fn a_measurement_killed_at_any_moment_is_saved_completely_or_not_at_all() {
    let kills: u32 = std::env::var("KARAT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let folder = fresh();
    let golden = folder.read("datasets/topics/examples.jsonl");
    // Flagged by every measurement, independent of the traffic.
    let undated = json!({"id": "undated", "input": "no date at all", "expected": "alpine"});
    folder.write("datasets/topics/examples.jsonl", &format!("{golden}{undated}\n"));
    // A different reference window each time, so that new clusters are formed; measurements are told apart by their
    // time.
    let measure = |number: u32| {
        let reference = format!("2026-06-01..2026-06-{}", 15 + number % 14);
        let now = format!("2026-09-01T{:02}:{:02}:00Z", number / 60, number % 60);
        folder.command(&["decay", "topics", "--window", "2026-08", "--reference", &reference, "--now", &now])
    };
    let in_step = |number: u32| {
        for (table, time) in [("flags", "last_seen"), ("clusterings", "created_at"), ("dataset_versions", "first_seen")]
        {
            let alone = format!(
                "SELECT count(*) FROM {table} WHERE {time} NOT IN (SELECT measured_at FROM decay_measurements)"
            );
            assert_eq!(folder.count(&alone), 0, "{table} without their measurement after kill {number}");
        }
        let behind = "SELECT count(*) FROM decay_measurements \
                      WHERE measured_at > (SELECT coalesce(max(last_seen), '') FROM flags)";
        assert_eq!(folder.count(behind), 0, "a measurement without its flags after kill {number}");
    };
    let trial = decayed(&nowhere(), "");
    import_months(&trial);
    let started = Instant::now();
    trial.karat(&AUGUST).expect(0);
    let whole = started.elapsed();
    let mut draw = 7_u32;
    for number in 0..kills {
        let mut child = measure(number).spawn().unwrap();
        draw = draw.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        // Kills near the end of a measurement, when it is saved, are more frequent than at its beginning.
        std::thread::sleep(whole * (40 + (draw >> 16) % 65) / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        in_step(number);
    }
    folder.finish(measure(kills)).expect(0);
    in_step(kills);
    assert!(folder.count("SELECT count(*) FROM decay_measurements") > 0);
}
