//! The demo, from an empty folder to a report.

use crate::runner::Folder;

#[test]
fn the_demo_works_and_lists_every_file_it_creates() {
    let folder = Folder::new();
    let done = folder.karat(&["demo", "tour", "--records", "200", "--port", "0", "--embedder", "fast"]).expect(0);
    let made = done.stdout.split_once("\nCreated:\n").expect("a list of files").1.split("\n\n").next().unwrap();
    let named: Vec<&str> = made.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(named.len() >= 11, "{done}");
    for name in &named {
        assert!(folder.path(name).metadata().is_ok_and(|file| file.len() > 0), "{name} was named but is not there");
    }
    assert!(done.stdout.contains("karats") && done.stdout.contains("verdict"), "{done}");
    // The labels brought something: the same month, measured against the new version.
    let karats = |table: &str| -> f64 {
        let row = table.lines().find(|line| line.starts_with("2026-09 ")).unwrap_or_else(|| panic!("{done}"));
        row.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (before, after) = done.stdout.split_once("September against the new version:\n").expect("a second measurement");
    assert!(karats(after) > karats(before), "{done}");
    assert!(before.contains("relabelled  1 of ") && before.contains("cancel_order-17"), "{done}");
    let log = folder.karat(&["-C", "tour", "queue", "log", "support-intents", "cancel_order-17"]).expect(0);
    assert!(log.stdout.contains("relabelled"), "{log}");
    // Everything that the demo created can be used afterwards.
    let sources = folder.karat(&["-C", "tour", "traffic", "stats", "--format", "json"]).expect(0).json();
    let mut records = 0;
    for month in ["2026-06", "2026-07", "2026-08", "2026-09"] {
        let text = folder.read(&format!("tour/traffic/{month}.jsonl"));
        records += text.lines().count();
        assert!(
            text.lines().all(|line| line.contains(&format!("\"time\":\"{month}-"))),
            "a record lies outside of {month}"
        );
    }
    assert_eq!(sources["sources"][0]["records"], records);
    assert!(records.abs_diff(800) <= 12, "{records} records");
    folder.karat(&["-C", "tour", "queue", "list"]).expect(0);
    folder.karat(&["-C", "tour", "show", "support-intents"]).expect(0);
    folder.karat(&["-C", "tour", "dataset", "lint", "--format", "json"]);

    let again = folder.karat(&["demo", "tour", "--records", "200"]);
    again.expect(2).tells(&["the folder tour is not empty", "hint: "]);
}
