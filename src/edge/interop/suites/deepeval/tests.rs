use proptest::prelude::*;

use super::super::recording::Recorded;
use super::*;

fn goldens() -> Vec<Value> {
    let get_order = json!({"name": "get_order", "type": "FUNCTION", "description": "Looks up an order.", "inputParameters": {"id": "1042"}});
    vec![
        json!({
            "input": "How long do I have to return a parcel?", "expected": "30 days from the day it arrives.",
            "context": ["Parcels can be returned within 30 days.", "Returns are free."],
            "metadata": {
                "actual_output": "You have 30 days.", "comments": "Reviewed in May.", "name": "returns-period",
                "retrieval_context": [
                    {"source": "returns.md", "text": "Parcels can be returned within 30 days."}, "Gift cards cannot be returned.",
                ],
                "source_file": "returns.md", "topic": "returns", "difficulty": 1,
            },
        }),
        json!({
            "input": "Where is order 1042?", "expected": "It is on its way and arrives on Friday.",
            "assert": [{"type": "tool_calls", "extra_calls": true, "calls": [
                {"name": "get_order", "arguments": {"id": "1042"}}, {"name": "get_delivery"},
            ]}],
            "metadata": {
                "channel": "chat",
                "expected_tools": [get_order, {"name": "get_delivery", "type": "FUNCTION"}],
                "tools_called": [{"name": "get_order", "type": "FUNCTION", "output": {"status": "sent"}, "inputParameters": {"id": "1042"}}],
            },
        }),
        json!({
            "input": "Do you ship to {{ country }}, or to \"Åland\"?\nPlease be brief.", "context": ["Parcels go to all of Europe."],
            "metadata": {"expectations": {
                "model": null, "eval_mode": null, "must": ["names Europe"], "must_not": ["promises a date"],
            }},
        }),
    ]
}

#[test]
fn goldens_are_the_same_in_every_form() {
    for (name, lines) in [("json", [2, 29, 73]), ("jsonl", [1, 2, 3]), ("csv", [2, 3, 4])] {
        let recorded = Recorded::fixture(&DeepEval, &format!("deepeval-goldens.{name}"));
        assert_eq!(recorded.rows("deepeval-goldens"), goldens(), "{name}");
        assert_eq!(recorded.examples.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), lines, "{name}");
        let suite = recorded.suite("deepeval-goldens");
        assert_eq!(suite["scorers"], json!([{"type": "token_f1"}, {"type": "rouge_l"}, {"type": "assert"}]));
        assert_eq!((&suite["endpoints"], suite.get("prompt")), (&json!(["baseline"]), None));
        let noted =
            [(lines[0], "actual_output"), (lines[1], "expected_tools"), (lines[2], "expectations"), (0, "metrics")];
        assert_eq!(recorded.noted(), noted, "{name}");
        assert_eq!(recorded.bad, vec![], "{name}");
    }
}

#[test]
fn expected_tools_are_looked_for_among_the_calls() {
    let recorded = Recorded::fixture(&DeepEval, "deepeval-goldens.json");
    let calls = |text: &str| recorded.scores("deepeval-goldens", 1, text)[2];
    let order = r#"{"name": "get_order", "arguments": {"id": "1042"}}"#;
    let delivery = r#"{"name": "get_delivery", "arguments": {"day": "Friday"}}"#;
    assert_eq!(calls(&format!("[{delivery}, {order}]")), Some(1.0));
    assert_eq!(calls(&format!("[{delivery}, {order}, {{\"name\": \"other\", \"arguments\": {{}}}}]")), Some(1.0));
    assert!(calls(&format!("[{order}]")).is_some_and(|score| score < 1.0));
    assert_eq!(
        recorded.scores("deepeval-goldens", 0, "30 days from the day it arrives.")[2],
        None,
        "it expects no tools"
    );
    let sent = recorded.sent("deepeval-goldens", 2);
    assert!(sent[0].1.starts_with("Do you ship to {{ country }}"), "inputs are no templates");
}

#[test]
fn conversations_are_held_turn_by_turn_and_judged_by_their_outcome() {
    for name in ["json", "jsonl", "csv"] {
        let recorded = Recorded::fixture(&DeepEval, &format!("deepeval-conversations.{name}"));
        let rows = recorded.rows("deepeval-conversations");
        assert_eq!(
            rows[0]["turns"],
            json!([{"user": "I want to cancel my order."}, {"user": "What can I do now?"}]),
            "{name}"
        );
        assert_eq!((rows[0].get("input"), &rows[0]["context"]), (None, &json!(["Returns are free."])));
        let metadata = &rows[0]["metadata"];
        assert_eq!(metadata["expected_outcome"], "The assistant says that the parcel can be returned for free.");
        assert_eq!(metadata["scenario"], "A customer wants to cancel an order that was sent already.");
        assert_eq!((&metadata["topic"], &metadata["name"]), (&json!("returns"), &json!("cancel")));
        let assistant = json!({
            "role": "assistant", "content": "It was sent yesterday.",
            "tools_called": [{"name": "get_order", "type": "FUNCTION", "inputParameters": {"id": "1042"}}],
        });
        assert_eq!(metadata["recorded_turns"][1], assistant);
        assert_eq!(rows[1]["input"], "A customer asks about gift cards.");
        assert_eq!(rows[1]["metadata"]["user_description"], "Is in a hurry.");
        let judge = json!([{
            "name": "expected_outcome", "type": "closed_qa", "judge": "grader", "criteria": "{{ metadata.expected_outcome }}",
            "when": "metadata.expected_outcome is defined",
        }]);
        assert_eq!(recorded.suite("deepeval-conversations")["scorers"], judge);
        let noted: Vec<&str> = recorded.notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(noted, ["turns", "scenario", "expected_outcome", "metrics", "dataset"], "{name}");
    }
}

#[test]
fn edge_cases_of_goldens() {
    let cases = [
        (r#"{"input": "q", "expectedOutput": "a"}"#, json!({"input": "q", "expected": "a"})),
        (r#"{"input": "q", "retrieval_context": ["x"]}"#, json!({"input": "q", "context": ["x"]})),
        (
            r#"{"input": "q", "expected_tools": "a; b"}"#,
            json!({
                "input": "q", "metadata": {"expected_tools": "a; b"},
                "assert": [{"type": "tool_calls", "calls": [{"name": "a"}, {"name": "b"}], "extra_calls": true}],
            }),
        ),
        (
            r#"{"input": "q", "expected_tools": [{"name": "f", "input_parameters": {"x": ["{{ y }}", 1]}}]}"#,
            json!({
                "input": "q", "metadata": {"expected_tools": [{"name": "f", "input_parameters": {"x": ["{{ y }}", 1]}}]},
                "assert": [{"type": "tool_calls", "extra_calls": true, "calls": [
                    {"name": "f", "arguments": {"x": ["{{ '{{' }} y }}", 1]}},
                ]}],
            }),
        ),
        // A key that is taken keeps the metadata together.
        (
            r#"{"input": "q", "name": "n", "additional_metadata": {"name": "m"}}"#,
            json!({"input": "q", "metadata": {"name": "n", "additional_metadata": {"name": "m"}}}),
        ),
        (
            r#"{"scenario": "s", "turns": [{"role": "assistant", "content": "Hello"}]}"#,
            json!({
                "input": "s", "metadata": {"recorded_turns": [{"role": "assistant", "content": "Hello"}]},
            }),
        ),
    ];
    for (text, expected) in cases {
        let recorded = Recorded::of_text(&DeepEval, "g.jsonl", text).unwrap();
        assert_eq!(recorded.rows("g"), [expected], "{text}");
        recorded.assert_loads();
    }
    let bad = [
        (r#"{"question": "q"}"#, "a golden has the field input or scenario"),
        (r#"{"turns": []}"#, "a golden has the field input or scenario"),
        (r#"{"turns": "["}"#, "turns is not a list in JSON"),
        (r#"{"turns": [{"role": "user"}]}"#, "a turn has no role or no content"),
        (r#"{"turns": 7}"#, "turns is not a list"),
        (r#"{"input": "q", "expected_tools": [{}]}"#, "a tool of expected_tools has no name"),
    ];
    for (text, reason) in bad {
        let recorded = Recorded::of_text(&DeepEval, "g.jsonl", text).unwrap();
        assert!(recorded.bad[0].1.starts_with(reason), "{text}: {:?}", recorded.bad);
    }
}

#[test]
fn pictures_are_noted_once_and_folders_are_refused() {
    let text = "{\"input\": \"See [DEEPEVAL:IMAGE:1]\"}\n{\"scenario\": \"s\", \"turns\": [{\"role\": \"user\", \"content\": \"[DEEPEVAL:PDF:2]\"}]}\n";
    let recorded = Recorded::of_text(&DeepEval, "g.jsonl", text).unwrap();
    assert_eq!(
        recorded.noted().iter().filter(|note| note.1 == "images_mapping").collect::<Vec<_>>(),
        [&(1, "images_mapping")]
    );
    assert!(Recorded::read(&DeepEval, Path::new("tests")).unwrap_err().message.contains("is a folder"));
    assert!(Recorded::of_text(&DeepEval, "g.json", "[]").unwrap_err().message.ends_with("g.json contains no goldens"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_rows_never_panic(
        values in prop::collection::vec((
            prop::sample::select(vec!["input", "expected_output", "context", "turns", "scenario", "expected_tools", "additional_metadata", "x"]),
            r#"null|7|"[a-z|;{%\[]{0,8}"|\[("a"|\{"name": "f", "inputParameters": \{"a": "\{\{"\}\}|\{"role": "user", "content": "c"\})\]|\{"name": 1\}"#,
        ), 0..6),
        noise in "\\PC{0,20}",
    ) {
        let fields: Vec<String> = values.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        for (name, text) in [("g.jsonl", format!("{{{}}}\n{noise}", fields.join(", "))), ("g.csv", format!("input,turns,{noise}\n{noise}")), ("g.json", noise.clone())] {
            if let Ok(recorded) = Recorded::of_text(&DeepEval, name, &text) {
                recorded.assert_loads();
            }
        }
    }
}
