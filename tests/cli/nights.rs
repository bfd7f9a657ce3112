//! Decay measured on successive nights: a new topic raises the alarm, new wording does not, and looking often does not
//! change what the alarm promises.

use serde_json::{Value, json};

use crate::runner::Folder;
use crate::server::nowhere;
use crate::workspace::{Draws, EMERGED, TOPICS, decayed};

/// Number of requests a day.
const DAILY: usize = 40;

/// What August's requests look like from its 17th day on.
#[derive(Clone, Copy)]
struct Change {
    /// Percentage about a new topic.
    new_topic: usize,
    /// Percentage with a greeting, if they are about a topic of the set.
    greeted: usize,
}

/// A workspace with traffic in June and August, which changes on 17 August.
fn workspace(change: Change) -> Folder {
    let folder = decayed(&nowhere(), "");
    let days = |month: &str, days: u32| -> String {
        let day = |day| requests(month, day, if month == "2026-08" && day >= 17 { Some(change) } else { None });
        (1..=days).map(day).collect()
    };
    folder.write("traffic/june.jsonl", &days("2026-06", 30));
    folder.write("traffic/august.jsonl", &days("2026-08", 31));
    folder.karat(&["traffic", "import", "traffic/june.jsonl", "traffic/august.jsonl", "--source", "site"]).expect(0);
    folder
}

fn requests(month: &str, day: u32, change: Option<Change>) -> String {
    let mut draws = Draws(u64::from(month.as_bytes()[6]) * 100 + u64::from(day));
    let change = change.unwrap_or(Change { new_topic: 0, greeted: 0 });
    let mut text = String::new();
    for number in 0..DAILY {
        let new = draws.below(100) < change.new_topic;
        let topic = if new { EMERGED } else { TOPICS[draws.below(TOPICS.len())] };
        let sentence = draws.sentence(topic);
        let greeted = !new && draws.below(100) < change.greeted;
        let input = if greeted { format!("hello there please {sentence}") } else { sentence };
        let (hour, minute) = (number / 2, number % 2 * 30);
        let row = json!({
            "id": format!("{month}-{day:02}-{number:02}"),
            "text": input,
            "time": format!("{month}-{day:02}T{hour:02}:{minute:02}:00Z"),
        });
        text.push_str(&format!("{row}\n"));
    }
    text
}

/// The measurement of the 14 days before this day of August.
fn night(folder: &Folder, day: u32) -> Value {
    let window = format!("2026-08-{:02}..2026-08-{day:02}", day - 14);
    let now = format!("2026-08-{day:02}T02:00:00Z");
    let arguments = ["decay", "topics", "--window", &window, "--now", &now, "--format", "json"];
    folder.karat(&arguments).expect(0).json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn looking_every_night_finds_a_new_topic_and_spends_only_the_level_of_the_time_that_passed() {
    let folder = workspace(Change { new_topic: 40, greeted: 0 });
    let quiet: Vec<Value> = [15, 16].into_iter().map(|day| night(&folder, day)).collect();
    let level = |view: &Value| number(&view["look"]["level"]);
    assert_eq!((level(&quiet[0]), number(&quiet[0]["look"]["spent"])), (0.05, 0.05), "{}", quiet[0]["look"]);
    let spent = number(&quiet[1]["look"]["spent"]);
    assert!((spent / (0.05 / 90.0) - 1.0).abs() < 1e-4, "{}", quiet[1]["look"]);
    assert!(level(&quiet[1]) > 2.0 * spent && level(&quiet[1]) < 0.05, "{}", quiet[1]["look"]);
    for view in &quiet {
        assert_eq!(
            (&view["alarm"], &view["moved"]["topics"]["moved"]),
            (&json!(false), &json!(false)),
            "{}",
            view["drift_gap"]
        );
    }

    let late = night(&folder, 24);
    assert_eq!(
        (&late["alarm"], &late["moved"]["topics"]["moved"]),
        (&json!(true), &json!(true)),
        "{}",
        late["drift_gap"]
    );
    let groups = late["moved"]["topics"]["groups"].as_array().unwrap();
    assert!(groups.iter().any(|group| group["name"].as_str().unwrap().starts_with(&EMERGED[..2])), "{groups:?}");
    let sentence = late["moved"]["topics"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("What people ask about moved"), "{sentence}");
    assert_eq!(late["moved"]["wording"]["moved"], false, "{}", late["moved"]["wording"]);

    // Going back, and looking again: the same result.
    assert_eq!(night(&folder, 16)["look"], quiet[1]["look"]);
    assert_eq!(night(&folder, 24)["look"], late["look"]);
    let shown =
        folder.karat(&["decay", "topics", "--window", "2026-08-10..2026-08-24", "--now", "2026-08-24"]).expect(0);
    for part in ["Alarm: p ", "the level of this look (5 % per 90 days of looking)", "What moved?"] {
        assert!(shown.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "{part}: {shown}");
    }
}

#[test]
fn new_wording_of_the_same_topics_is_a_finding_but_no_alarm() {
    let folder = workspace(Change { new_topic: 0, greeted: 80 });
    let view = night(&folder, 31);
    let moved = &view["moved"];
    assert_eq!((&view["alarm"], &moved["topics"]["moved"]), (&json!(false), &json!(false)), "{}", view["drift_gap"]);
    assert_eq!(moved["wording"]["moved"], true, "{}", moved["wording"]);
    let differs = moved["wording"]["differs"].to_string();
    assert!(differs.contains("please") && number(&moved["wording"]["p_value"]) <= 0.05, "{differs}");
    assert!(moved["wording"]["topics"].as_array().unwrap().is_empty(), "all topics are greeted: {}", moved["wording"]);
}

#[test]
fn a_new_topic_and_new_wording_are_two_findings() {
    let folder = workspace(Change { new_topic: 30, greeted: 80 });
    let view = night(&folder, 31);
    let moved = &view["moved"];
    assert_eq!((&view["alarm"], &moved["topics"]["moved"]), (&json!(true), &json!(true)), "{}", view["drift_gap"]);
    assert_eq!(moved["wording"]["moved"], true, "{}", moved["wording"]);
}

#[test]
fn the_level_and_the_period_of_the_alarm_can_be_set() {
    let folder = workspace(Change { new_topic: 0, greeted: 0 });
    let yaml = folder.read("karat.yaml");
    let with = |policy: &str| folder.write("karat.yaml", &format!("{yaml}decay:\n  policy:\n    {policy}\n"));
    with("alarm_level: 0.02");
    assert_eq!(night(&folder, 15)["look"]["level"], 0.02);
    with("alarm_period: 30");
    // A new promise is given a level of its own, but the looks before count.
    let look = night(&folder, 16)["look"].clone();
    assert!((number(&look["spent"]) / (0.05 / 30.0) - 1.0).abs() < 1e-4, "{look}");
    with("alarm_period: 0");
    folder.karat(&["decay", "topics"]).expect(3).tells(&["alarm_period", "at least 1"]);
}
