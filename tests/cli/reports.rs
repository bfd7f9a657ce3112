//! The reports and exit codes of check, and the handling of hostile text.

use serde_json::Value;

use crate::runner::Folder;
use crate::server::{Reply, Server, nowhere};
use crate::workspace::{TOPICS, decayed, import_months, measured, quiz, suite, wise_server, workspace};

/// Answers with the topic whose words are in the request; every `wrong`th answer is wrong.
fn topic_server(wrong: usize) -> Server {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |ask| {
        let number = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let topic = TOPICS.iter().find(|topic| ask.input.starts_with(&topic[..2])).copied().unwrap_or("other");
        Reply::Text(if number.is_multiple_of(wrong) { "other".to_owned() } else { topic.to_owned() })
    })
}

const CHECK: [&str; 6] = ["check", "topics", "--window", "2026-08", "--now", "2026-09-01"];

/// Text that no output may contain unescaped.
const SCRIPT: &str = "<script>alert(1)</script>";
const ESCAPE: &str = "\u{1b}[31m\u{1b}]0;owned\u{7}";
const FORMULA: &str = "=cmd|' /C calc'!A0";

#[test]
fn check_writes_every_report_and_the_step_summary() {
    let server = topic_server(1000);
    let folder = measured(&server.url, "  min_karats: 1\n");
    let outputs = ["-o", "out/r.html", "-o", "out/r.md", "-o", "out/r.json", "-o", "out/r.xml", "-o", "out/r.csv"];
    let summary = folder.path("summary.md").display().to_string();
    folder.write("summary.md", "before\n");
    let done = folder.karat_with(&[("GITHUB_STEP_SUMMARY", &summary)], &[&CHECK[..], &outputs].concat()).expect(0);

    let report: Value = serde_json::from_str(&folder.read("out/r.json")).unwrap();
    let headline: Vec<&str> =
        report["headline"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(headline[0].contains(" karats  ("), "{headline:?}");
    let verdict = "quality PASS · decay PASS";
    assert_eq!(headline.last().unwrap().trim_start_matches("verdict").trim(), verdict);
    assert!(
        report["decay"][0]["estimate"]["represented"].as_f64().unwrap() > 0.9,
        "{}",
        report["decay"][0]["estimate"]
    );
    assert!(done.stdout.contains(verdict), "{done}");
    for file in ["out/r.html", "out/r.md", "summary.md"] {
        assert!(folder.read(file).contains(verdict), "{file}");
    }
    assert!(
        folder.read("out/r.html").starts_with("<!doctype html>")
            || folder.read("out/r.html").starts_with("<!DOCTYPE html>")
    );
    assert!(folder.read("out/r.xml").contains("<testsuites") && folder.read("out/r.csv").starts_with("dataset,id,"));
    assert!(folder.read("summary.md").starts_with("before\n##"), "the summary is appended");

    // Stored results give the same report later, byte for byte if its time is given.
    let reported = ["report", "topics", "--format", "json", "--now", "2026-09-02"];
    let first = folder.karat(&reported).expect(0);
    let again = first.json();
    assert_eq!(again["generated_at"], "2026-09-02T00:00:00Z");
    assert_eq!(folder.karat(&reported).expect(0).stdout, first.stdout);
    folder.karat(&["report", "topics", "-o", "r.docx"]).expect(2).tells(&[".md, .html, .json, .xml, .csv"]);
    assert_eq!(
        (&again["headline"], &again["decay"], &again["quality"]),
        (&report["headline"], &report["decay"], &report["quality"])
    );
}

#[test]
fn the_most_serious_finding_determines_the_exit_code_of_check() {
    let right = topic_server(1000);
    let half = topic_server(2);
    let broken = Server::start(|_| Reply::Broken);
    let cases = [
        (&right, "  min_karats: 1\n", 0),
        (&right, "  min_karats: 23.5\n", 102),
        (&half, "  min_karats: 1\n", 100),
        (&half, "  min_karats: 23.5\n", 100),
        (&right, "  min_karats: 18\n", 103),
        (&half, "  min_karats: 18\n", 100),
        (&broken, "  min_karats: 23.5\n", 4),
    ];
    for (server, decay, code) in cases {
        let folder = measured(&server.url, decay);
        let done = folder.karat(&[&CHECK[..], &["-o", "r.xml"]].concat()).expect(code);
        let failures = folder.read("r.xml").contains("<failure") || folder.read("r.xml").contains("<error");
        assert_eq!(failures, code != 0, "JUnit and exit code disagree: {done}");
    }
}

#[test]
fn unusable_data_stops_check_before_anything_is_sent() {
    let server = topic_server(1000);
    let folder = decayed(&server.url, "");
    folder.karat(&["check", "topics", "nosuch"]).expect(3).tells(&["there is no suite \"nosuch\""]);
    assert_eq!(server.total(), 0);
}

#[test]
fn several_suites_are_checked_with_one_verdict() {
    let server = topic_server(1000);
    let folder = measured(&server.url, "  min_karats: 1\n");
    folder.write("suites/strict.yaml", &(suite("topics", "gates:\n  - min: 0.999\n")));
    let done = folder.karat(&[&["check", "topics", "strict"], &CHECK[2..], &["--format", "json"]].concat()).expect(103);
    let report = done.json();
    assert_eq!(report["quality"]["runs"].as_array().unwrap().len(), 2);
    assert_eq!(report["decay"].as_array().unwrap().len(), 1, "a dataset that two suites share is measured once");
}

/// A workspace whose examples, answers and traffic try to inject into a browser, a terminal and a spreadsheet.
fn hostile() -> (Server, Folder) {
    let server = Server::answering(|input| format!("{SCRIPT}{ESCAPE}{input}"));
    let folder = decayed(&server.url, "  min_karats: 1\n");
    let mut examples = folder.read("datasets/topics/examples.jsonl");
    for (number, text) in [SCRIPT, ESCAPE, FORMULA].iter().enumerate() {
        let row = serde_json::json!({"id": format!("{text}{number}"), "input": format!("{text} {number}"), "expected": text, "tags": [text]});
        examples.push_str(&format!("{row}\n"));
    }
    folder.write("datasets/topics/examples.jsonl", &examples);
    folder.write("datasets/topics/dataset.yaml", "traffic: site\nreference: 2026-06\n");
    let august: Vec<String> = folder
        .read("traffic/august.jsonl")
        .lines()
        .map(|line| line.replace("\"text\":\"fj", &format!("\"text\":\"{FORMULA} {SCRIPT} \\u001b[31m fj")))
        .collect();
    folder.write("traffic/august.jsonl", &(august.join("\n") + "\n"));
    import_months(&folder);
    (server, folder)
}

/// The first character of `text` that a terminal would interpret.
fn control(text: &str) -> Option<String> {
    let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    bad.map(|c| format!("holds {c:?}"))
}

/// The first cell of a CSV text that a spreadsheet would evaluate.
fn formula(text: &str) -> Option<String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    if rows.is_empty() {
        return Some("has no rows".to_owned());
    }
    let computed = |cell: &&str| cell.trim_start().starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    rows.iter().flatten().find(computed).map(|cell| format!("computes {cell}"))
}

#[test]
fn hostile_text_is_inert_in_every_report_and_in_the_terminal() {
    let (_server, folder) = hostile();
    let summary = folder.path("summary.md").display().to_string();
    let outputs = ["-o", "r.html", "-o", "r.md", "-o", "r.json", "-o", "r.xml", "-o", "r.csv"];
    let checked = folder.karat_with(&[("GITHUB_STEP_SUMMARY", &summary)], &[&CHECK[..], &outputs].concat()).expect(100);
    folder.karat(&["queue", "export", "topics", "-o", "q.csv"]).expect(0);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut look = |place: &str, what: Option<String>| found.extend(what.map(|what| (place.to_owned(), what)));
    look("check's stdout", control(&checked.stdout));
    look("check's stderr", control(&checked.stderr));
    for file in ["r.html", "r.md", "r.json", "r.xml", "r.csv", "summary.md", "q.csv"] {
        look(file, control(&folder.read(file)));
    }
    for file in ["r.html", "r.xml", "r.md", "summary.md"] {
        look(file, folder.read(file).contains("<script>alert").then(|| "holds a script".to_owned()));
    }
    for file in ["r.csv", "q.csv"] {
        look(file, formula(&folder.read(file)));
    }
    let html = folder.read("r.html");
    look(
        "r.html",
        (!html.contains("&lt;script&gt;") && !html.contains("&#60;script&#62;")).then(|| "hides the text".to_owned()),
    );
    let id = format!("{ESCAPE}1");
    let commands: [&[&str]; 8] = [
        &["queue", "list"],
        &["queue", "show", "topics", &id],
        &["queue", "export", "topics"],
        &["queue", "export", "topics", "--format", "csv"],
        &["show", "topics"],
        &["list"],
        &["dataset", "lint"],
        &["report", "topics"],
    ];
    for command in commands {
        let done = folder.karat(command);
        assert!(matches!(done.code, Some(0 | 3)), "{done}");
        look(&command.join(" "), control(&done.stdout));
        look(&command.join(" "), control(&done.stderr));
    }
    assert_eq!(found, []);
}

#[test]
fn hostile_names_and_error_messages_cannot_control_the_terminal() {
    let folder = quiz(&nowhere(), 2, "");
    let name = format!("x{ESCAPE}");
    for arguments in
        [vec!["run", &name], vec!["decay", &name], vec!["show", &name], vec!["queue", "list", "--state", &name]]
    {
        let done = folder.karat(&arguments);
        assert!(matches!(done.code, Some(2 | 3)), "{done}");
        assert_eq!(control(&done.stderr), None, "{done}");
    }
    folder.write(
        "datasets/quiz/examples.jsonl",
        &format!("{{\"id\": \"a\", \"input\": \"x\", \"status\": \"{}\"}}\n", "\\u001b[31m"),
    );
    let done = folder.karat(&["dataset", "lint"]).expect(3);
    assert_eq!(control(&done.stdout), None, "{done}");

    let server = Server::answering(|_| "x".to_owned());
    folder.write("karat.yaml", &workspace(&server.url, ""));
    folder.write("day.jsonl", &format!("{{\"text\": \"a\", \"ts\": \"{}\"}}\n", "\\u001b[31m"));
    let done = folder.karat(&["traffic", "import", "day.jsonl", "--max-bad", "1"]).expect(0);
    assert_eq!(control(&done.stdout), None, "{done}");
}

#[test]
fn a_step_summary_that_cannot_be_written_is_reported_and_the_run_is_stored() {
    let server = wise_server();
    let folder = quiz(&server.url, 3, "");
    let done = folder.karat_with(&[("GITHUB_STEP_SUMMARY", "karat.yaml/summary.md")], &["run", "quiz"]);
    done.expect(1).tells(&["karat.yaml/summary.md"]);
    assert_eq!(folder.count("SELECT count(*) FROM outcomes"), 3);
}
