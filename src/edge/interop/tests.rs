//! Tests of label tasks and labels in the formats of other tools.

use serde_json::{Value, json};

use super::*;

fn sheet(id: &str, text: &str) -> TaskSheet {
    TaskSheet { task_id: id.to_owned(), text: text.to_owned(), context: None, asked: None }
}

fn asked(id: &str) -> TaskSheet {
    let asked = Asked { expected: "refund".into(), reasons: "label-disputed: two models say otherwise".into() };
    TaskSheet { context: Some("page 3".into()), asked: Some(asked), ..sheet(id, "where is it") }
}

fn labels() -> Vec<String> {
    ["refund", "a <b> & \"c\""].map(str::to_owned).to_vec()
}

const FORMATS: [TaskFormat; 4] = [TaskFormat::Csv, TaskFormat::Jsonl, TaskFormat::LabelStudio, TaskFormat::Argilla];

fn written(format: TaskFormat, tasks: &[TaskSheet]) -> TaskFiles {
    write_tasks(format, tasks, &labels()).unwrap()
}

fn read(format: TaskFormat, text: &str) -> ReadLabels {
    read_labels(text, format == TaskFormat::Csv)
}

#[test]
fn every_format_reads_back_as_tasks_without_labels() {
    for format in FORMATS {
        let files = written(format, &[sheet("t1", "one"), asked("t2")]);
        if format == TaskFormat::LabelStudio {
            // Label Studio adds the annotations.
            assert!(files.tasks.contains("\"task_id\": \"t1\""));
            continue;
        }
        let found = read(format, &files.tasks);
        let ids: Vec<(&str, &Option<String>)> =
            found.labels.iter().map(|(_, label)| (label.task_id.as_str(), &label.label)).collect();
        assert_eq!(ids, [("t1", &None), ("t2", &None)], "{format:?}");
        assert!(found.problems.is_empty(), "{format:?}: {:?}", found.problems);
    }
}

#[test]
fn a_blind_export_tells_nothing_but_the_text() {
    for format in FORMATS {
        let files = written(format, &[sheet("t1", "one")]);
        for word in ["expected", "reasons", "context"] {
            assert!(!files.tasks.contains(word), "{format:?}: {}", files.tasks);
        }
        let files = written(format, &[asked("t1")]);
        for word in ["two models say otherwise", "page 3", "refund"] {
            assert!(files.tasks.contains(word), "{format:?}: {}", files.tasks);
        }
    }
}

#[test]
fn text_from_outside_cannot_become_a_formula_or_markup() {
    let hostile = "=HYPERLINK(\"x\")\n\u{1b}[2J<script>";
    let csv = written(TaskFormat::Csv, &[sheet("t1", hostile)]).tasks;
    let cell = csv::Reader::from_reader(csv.as_bytes()).records().next().unwrap().unwrap()[1].to_owned();
    assert!(cell.starts_with("'=") && cell.contains('\n') && !cell.contains('\u{1b}'), "{cell:?}");
    let config = written(TaskFormat::LabelStudio, &[sheet("t1", hostile)]).settings.unwrap().1;
    assert!(config.contains("<Choice value=\"a &lt;b&gt; &amp; &quot;c&quot;\"/>"), "{config}");
    assert!(!config.contains("script"));
}

#[test]
fn without_a_closed_set_of_labels_annotators_write_the_answer() {
    let of = |format| write_tasks(format, &[sheet("t", "x")], &[]).unwrap().settings.unwrap().1;
    assert!(of(TaskFormat::LabelStudio).contains("<TextArea name=\"label\""));
    let settings: Value = serde_json::from_str(&of(TaskFormat::Argilla)).unwrap();
    assert_eq!(settings["questions"][0]["settings"]["type"], "text");
}

#[test]
fn labels_of_label_studio_are_read_with_their_annotator_and_date() {
    let choice =
        |value: Value| json!({"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": value}});
    let comment = json!({"from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["unsure"]}});
    let exported = json!([
        {"id": 1, "data": {"task_id": "t1", "text": "one"}, "annotations": [
            {"id": 1, "completed_by": {"id": 3, "email": "ann@example.com"}, "was_cancelled": false,
             "created_at": "2026-10-01T08:00:00.000000Z", "updated_at": "2026-10-02T08:00:00.000000Z",
             "result": [choice(json!(["refund"])), comment]},
            {"id": 2, "completed_by": 4, "was_cancelled": false, "created_at": "2026-10-01T09:00:00Z",
             "result": [choice(json!(["refund", "other"]))]},
            {"id": 3, "completed_by": 5, "was_cancelled": true, "result": []},
        ]},
        {"id": 2, "data": {"task_id": "t2", "text": "two"}, "annotations": []},
        {"id": 3, "data": {"text": "three"}, "annotations": []},
        {"id": 4, "data": {"task_id": "t4"}, "annotations": [{"id": 9, "result": [{"from_name": "sentiment", "value": {"choices": ["x"]}}]}]},
    ]);
    let found = read_labels(&exported.to_string(), false);
    let label =
        |id: &str, annotator: Option<&str>, label: Option<&str>, at: Option<&str>, comment: Option<&str>| ReadLabel {
            task_id: id.into(),
            annotator: annotator.map(Into::into),
            label: label.map(Into::into),
            labeled_at: at.map(|at| at.parse().unwrap()),
            comment: comment.map(Into::into),
        };
    let labels: Vec<ReadLabel> = found.labels.into_iter().map(|(_, label)| label).collect();
    assert_eq!(
        labels,
        [
            label("t1", Some("ann@example.com"), Some("refund"), Some("2026-10-02T08:00:00Z"), Some("unsure")),
            label("t1", Some("4"), Some("[\"refund\",\"other\"]"), Some("2026-10-01T09:00:00Z"), None),
            label("t2", None, None, None, None),
        ]
    );
    let problems: Vec<(&str, bool)> =
        found.problems.iter().map(|(at, text)| (at.as_str(), text.contains("label"))).collect();
    assert_eq!(problems, [("item 3", true), ("item 4", true)], "{:?}", found.problems);
    // The short form of Label Studio.
    let short = json!([{"id": 1, "task_id": "t1", "text": "one", "label": "refund", "annotator": 3, "created_at": "2026-10-01"}]);
    let found = read_labels(&short.to_string(), false).labels.remove(0).1;
    assert_eq!((found.label.as_deref(), found.annotator.as_deref()), (Some("refund"), Some("3")));
}

#[test]
fn labels_of_argilla_are_read_per_user() {
    let record = json!([
        {"id": "t1", "fields": {"text": "one"}, "metadata": {}, "suggestions": {}, "vectors": {}, "status": "completed",
         "responses": {"label": [{"value": "refund", "user_id": "u1"}, {"value": "other", "user_id": "u2"}],
                       "comment": [{"value": "hm", "user_id": "u2"}]}},
        {"id": "t2", "fields": {"text": "two"}, "responses": {}, "status": "pending"},
        {"fields": {"text": "three"}, "responses": {}},
    ]);
    let found = read_labels(&record.to_string(), false);
    let labels: Vec<_> = found
        .labels
        .iter()
        .map(|(_, l)| (l.task_id.as_str(), l.annotator.as_deref(), l.label.as_deref(), l.comment.as_deref()))
        .collect();
    assert_eq!(
        labels,
        [
            ("t1", Some("u1"), Some("refund"), None),
            ("t1", Some("u2"), Some("other"), Some("hm")),
            ("t2", None, None, None)
        ]
    );
    assert_eq!(found.problems.len(), 1);
}

#[test]
fn rows_that_cannot_be_read_are_named_with_their_line() {
    let csv = "task_id,label,annotator,labeled_at\nt1, refund ,ann,2026-10-01\nt2,,,\n,refund,,\nt3,refund,,soon\n";
    let found = read_labels(csv, true);
    let (place, first) = &found.labels[0];
    assert_eq!(
        (place.as_str(), first.label.as_deref(), first.annotator.as_deref()),
        ("line 2", Some("refund"), Some("ann"))
    );
    assert_eq!(found.labels[1].1.label, None);
    let places: Vec<&str> = found.problems.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["line 4", "line 5"], "{:?}", found.problems);
    assert!(found.problems[1].1.contains("labeled_at \"soon\" is not a date"));
    let problems = |text: &str| read_labels(text, false).problems.len();
    assert_eq!((problems("[{"), problems("nonsense\n"), problems("[1]"), problems("")), (1, 1, 1, 0));
}
