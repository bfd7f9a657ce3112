use proptest::prelude::*;

use super::super::recording::Recorded;
use super::*;

fn questions() -> Vec<Value> {
    vec![
        json!({
            "id": "item-1", "input": {"question": "Where is my order?"}, "expected": "delivery", "created_at": "2026-03-01T09:31:00Z",
            "metadata": {
                "language": "en", "sourceTraceId": "trace-1", "sourceObservationId": "observation-1",
                "updatedAt": "2026-03-01T10:30:00Z",
            },
        }),
        json!({
            "id": "item-2", "input": {"question": "I want my money back, \"now\"."}, "expected": "refund",
            "created_at": "2026-03-01T09:32:00Z",
            "metadata": {"metadata": "from a phone call", "updatedAt": "2026-03-01T10:30:00Z"},
        }),
        json!({
            "id": "item-3", "input": {"question": "Wo ist mein Paket?"}, "expected": "delivery", "created_at": "2026-03-01T09:33:00Z",
            "metadata": {"language": "de", "tags": ["new"], "updatedAt": "2026-03-01T10:30:00Z"},
        }),
        json!({
            "id": "item-4", "input": {"question": "Do you sell shoes?"}, "expected": "refund", "created_at": "2026-03-01T09:34:00Z",
            "status": "retired", "retired_reason": "archived in Langfuse", "metadata": {"updatedAt": "2026-03-01T10:30:00Z"},
        }),
        json!({
            "id": "item-5", "input": {"question": "Give me a refund."}, "expected": "refund", "created_at": "2026-03-01T09:35:00Z",
            "metadata": {"updatedAt": "2026-03-01T10:30:00Z"},
        }),
    ]
}

#[test]
fn every_form_of_an_export_gives_the_same_examples() {
    for name in ["langfuse-export.csv", "langfuse-export-old.csv", "langfuse-export.json", "langfuse-export.jsonl"] {
        let recorded = Recorded::fixture(&Langfuse, name);
        assert_eq!(recorded.rows("support-questions"), questions(), "{name}");
        let suite = json!({
            "description": "The Langfuse dataset support/questions, with scorers that fit its expected outputs.",
            "dataset": "support-questions", "endpoints": ["baseline"], "scorers": [{"type": "exact"}],
        });
        assert_eq!(recorded.suite("support-questions"), suite, "{name}");
        assert_eq!((recorded.noted(), recorded.bad.len()), (vec![(0, "evaluators")], 0), "{name}");
    }
}

#[test]
fn pages_of_the_api_are_read_together_and_apart_by_dataset() {
    let recorded = Recorded::fixture(&Langfuse, "langfuse-pages");
    assert_eq!(recorded.rows("support-questions"), questions());
    let chats = recorded.rows("chats");
    let messages =
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it open today?"}]);
    assert_eq!(
        (&chats[0]["input"], &chats[0]["expected"]),
        (&messages, &json!("Yes, until six o'clock in the evening."))
    );
    assert_eq!(chats[1]["expected"], json!([["a cat", "a kitten"]]), "a list is one answer");
    assert_eq!(recorded.suites.keys().collect::<Vec<_>>(), ["chats", "support-questions"]);
    let media = recorded.notes.iter().find(|note| note.what == "media").unwrap();
    assert!(media.line > 1 && media.file.ends_with("page-2.json"), "{media:?}");
    let one = Recorded::read(&Langfuse, Path::new("tests/fixtures/import/langfuse-pages/page-1.json")).unwrap();
    assert_eq!(one.noted()[0], (0, "meta: totalPages"));
    assert!(one.notes[0].why.starts_with("the file is page 1 of 2"), "{}", one.notes[0].why);
}

#[test]
fn edge_cases_of_items() {
    let cases = [
        // A text with quotes of its own stays as it is where other cells are plain.
        (
            "a.csv",
            "id,input,expectedOutput\ni,\"\"\"q\"\"\",a\n",
            json!({"id": "i", "input": "\"q\"", "expected": "a"}),
        ),
        ("a.csv", "input,expectedOutput\n\"\"\"q\"\"\",\"\"\"a\"\"\"\n", json!({"input": "q", "expected": "a"})),
        (
            "a.json",
            r#"{"name": "d", "items": [{"input": "q", "expected_output": 7}]}"#,
            json!({"input": "q", "expected": 7}),
        ),
        ("a.jsonl", r#"{"input": "q", "expectedOutput": null}"#, json!({"input": "q"})),
        (
            "a.jsonl",
            r#"{"input": "q", "expectedOutput": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}"#,
            json!({"input": "q", "expected": "y"}),
        ),
        ("a.jsonl", r#"{"input": "q", "createdAt": "soon"}"#, json!({"input": "q", "metadata": {"createdAt": "soon"}})),
        (
            "a.jsonl",
            r#"{"input": "q", "metadata": {"updatedAt": 1}, "updatedAt": 2}"#,
            json!({"input": "q", "metadata": {"updatedAt": 1}}),
        ),
    ];
    for (name, text, expected) in cases {
        let recorded = Recorded::of_text(&Langfuse, name, text).unwrap();
        assert_eq!(recorded.rows("a"), [expected], "{text}");
        recorded.assert_loads();
    }
    let bad = Recorded::of_text(
        &Langfuse,
        "a.jsonl",
        "{\"input\": \"q\", \"status\": \"LOST\"}\n{\"x\": 1}\n7\n{\"input\": null}\n",
    )
    .unwrap();
    let reasons: Vec<(u64, &str)> = bad.bad.iter().map(|(line, reason)| (*line, reason.as_str())).collect();
    assert_eq!(reasons[0], (1, "status is neither ACTIVE nor ARCHIVED"));
    assert!(reasons[1].1.contains("and this row has neither"), "{reasons:?}");
    assert_eq!(&reasons[2..], [(3, "not a JSON object"), (4, "the input is missing or empty")]);
}

#[test]
fn a_row_that_cannot_be_read_is_reported_once_for_all_datasets() {
    let items = "{\"input\": \"q\", \"datasetName\": \"a\"}\nbroken\n{\"input\": \"q\", \"datasetName\": \"b\"}\n";
    let recorded = Recorded::of_text(&Langfuse, "items.jsonl", items).unwrap();
    assert_eq!(recorded.examples.len(), 2);
    assert_eq!(recorded.bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
}

#[test]
fn choices_of_an_item_s_own_are_not_lettered() {
    let item = r#"{"input": "Capital?", "expectedOutput": "Paris", "metadata": {"choices": ["Paris", "Rome"]}}"#;
    let recorded = Recorded::of_text(&Langfuse, "a.jsonl", item).unwrap();
    let suite = recorded.suite("a");
    assert_eq!((suite.get("prompt"), &suite["scorers"][0]["type"]), (None, &json!("contains")));
}

#[test]
fn a_folder_without_items_and_too_many_datasets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    assert!(Recorded::read(&Langfuse, folder.path()).unwrap_err().message.contains("contains no items"));
    let empty = Recorded::of_text(&Langfuse, "a.json", "{\"data\": []}").unwrap_err();
    assert!(empty.message.ends_with("a.json contains no items"), "{empty:?}");
    let many: String =
        (0..=MAX_DATASETS).map(|n| format!("{{\"input\": \"q\", \"datasetName\": \"d{n}\"}}\n")).collect();
    assert!(Recorded::of_text(&Langfuse, "a.jsonl", &many).unwrap_err().message.contains("more than 100 datasets"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_rows_never_panic(lines in prop::collection::vec(
        r#"\PC{0,30}|\{"(input|expectedOutput|metadata|status|id)": ("[a-z]{0,4}"|null|\[[0-9]\]|\{"role": "user"\})\}"#, 0..6)) {
        for name in ["a.jsonl", "a.json", "a.csv"] {
            if let Ok(recorded) = Recorded::of_text(&Langfuse, name, &lines.join("\n")) {
                recorded.assert_loads();
            }
        }
    }
}
