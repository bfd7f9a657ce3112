use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::recording::Recorded;
use super::*;

fn fixture(name: &str) -> Recorded {
    Recorded::fixture(&HuggingFace, name)
}

fn read(name: &str, text: &str) -> Result<Recorded, Failure> {
    let recorded = Recorded::of_text(&HuggingFace, name, text)?;
    recorded.assert_loads();
    Ok(recorded)
}

#[test]
fn a_folder_gives_its_test_split_with_the_names_of_labels() {
    let recorded = fixture("huggingface-intents");
    let expected = [
        json!({"input": "Where is my parcel?", "expected": "late", "metadata": {"shop": 1}}),
        json!({"input": "I want my money back.", "expected": "refund", "metadata": {"shop": 2}}),
        json!({"input": "It never came.", "expected": "lost"}),
        json!({"input": "Hello?", "metadata": {"shop": 3}}),
    ];
    assert_eq!(recorded.rows("huggingface-intents"), expected);
    let suite = recorded.suite("huggingface-intents");
    assert_eq!(
        suite["prompt"],
        json!("Give the label of this text: late, lost, refund. Reply with the label alone.\n\n{{ input }}")
    );
    assert_eq!(suite["scorers"], json!([{"type": "classification", "labels": ["late", "lost", "refund"]}]));
    let card = &recorded.cards["huggingface-intents"];
    assert_eq!((&card["labels"], &card["license"]), (&json!(["late", "lost", "refund"]), &json!("cc0-1.0")));
    assert_eq!(recorded.noted(), [(0, "splits"), (4, "label: -1"), (0, "scorer")]);
    let why = "files of other splits than test are not read: 1; import them one by one if they are wanted";
    assert_eq!(recorded.notes[0].why, why);
    assert!(recorded.notes[1].file.ends_with("data/test-00000-of-00001.parquet"));
}

#[test]
fn pairs_of_texts_are_objects_that_the_prompt_shows() {
    let recorded = fixture("huggingface-pairs");
    let rows = recorded.rows("huggingface-pairs");
    assert_eq!(
        rows[1],
        json!({"input": {"premise": "It rains.", "hypothesis": "It is dry."}, "expected": "contradiction"})
    );
    let prompt = "Give the label of this text: entailment, neutral, contradiction. Reply with the label alone.\n\n\
                  premise: {{ premise }}\nhypothesis: {{ hypothesis }}";
    assert_eq!(recorded.suite("huggingface-pairs")["prompt"], json!(prompt));
}

#[test]
fn compressed_rows_with_several_labels_each_get_their_names_from_the_card() {
    let recorded = fixture("huggingface-topics");
    let rows = recorded.rows("huggingface-topics");
    assert_eq!(rows[0], json!({"input": "A song about football.", "expected": ["sport", "music"]}));
    assert_eq!(rows[1]["expected"], json!(["food"]));
    assert_eq!(recorded.noted(), [(1, "label: several"), (0, "scorer")]);
}

#[test]
fn the_right_choice_is_a_letter_however_choices_are_named() {
    let recorded = fixture("huggingface-quiz.jsonl");
    let expected = [
        json!({"input": "Which is a fruit?", "id": "q1", "expected": "B", "metadata": {"choices": ["stone", "apple"]}}),
        json!({
            "input": "Which is a metal?", "id": "q2", "expected": "A",
            "metadata": {"choices": ["iron", "wood", "salt"]},
        }),
    ];
    assert_eq!(recorded.rows("huggingface-quiz"), expected);
    assert_eq!(recorded.bad, [(3, "the answer is none of the choices".to_owned())]);
    let cases = [
        (json!({"question": "q", "choices": ["x", "y"], "answer": 1}), json!("B")),
        (json!({"question": "q", "options": {"A": "x", "B": "y"}, "answer": "y"}), json!("B")),
        (json!({"question": "q", "A": "w", "B": "x", "C": "y", "D": "z", "answer": "c"}), json!("C")),
        (json!({"question": "q", "A": "w", "B": "x", "C": "y", "D": "z", "E": "v", "answer": "v"}), json!("E")),
        (json!({"question": "q", "A": "w", "B": "x", "C": "y", "answer": "y"}), json!("C")),
        (json!({"ctx": "q", "endings": ["x", "y"], "label": "0"}), json!("A")),
        (json!({"question": "q", "choices": ["x", "y"], "answer": -1}), Value::Null),
    ];
    for (row, expected) in cases {
        let recorded = read("rows.jsonl", &row.to_string()).unwrap();
        assert_eq!(recorded.examples[0].2.get("expected").cloned().unwrap_or_default(), expected, "{row}");
    }
}

#[test]
fn an_empty_choice_does_not_shift_the_letters_of_the_others() {
    let cases = [
        (json!({"question": "q", "choices": ["x", "", null, "y"], "answer": 3}), json!("D"), json!(["x", "", "", "y"])),
        (
            json!({"question": "q", "choices": {"label": ["1", "2", "3"], "text": ["x", null, "y"]}, "answerKey": "3"}),
            json!("C"),
            json!(["x", "", "y"]),
        ),
        (
            json!({"question": "q", "A": "w", "B": "", "C": "y", "D": "z", "E": null, "answer": "D"}),
            json!("D"),
            json!(["w", "", "y", "z"]),
        ),
    ];
    for (row, expected, choices) in cases {
        let recorded = read("rows.jsonl", &row.to_string()).unwrap();
        let found = Value::Object(recorded.examples[0].2.clone());
        assert_eq!((&found["expected"], &found["metadata"]["choices"]), (&expected, &choices), "{row}");
    }
    let recorded = read("rows.csv", "question,A,B,C,D,answer\nq,w,,y,z,D\n").unwrap();
    let found = Value::Object(recorded.examples[0].2.clone());
    assert_eq!((&found["expected"], &found["metadata"]["choices"]), (&json!("D"), &json!(["w", "", "y", "z"])));
    let open = json!({"question": "q", "A": null, "B": null, "C": null, "D": null, "answer": "free text"});
    assert_eq!(read("rows.jsonl", &open.to_string()).unwrap().examples[0].2["expected"], "free text");
}

#[test]
fn a_negative_number_is_an_answer_unless_the_column_has_labels() {
    let recorded = read("rows.jsonl", "{\"question\": \"2-5?\", \"answer\": -3}").unwrap();
    assert_eq!(recorded.examples[0].2["expected"], -3);
    assert_eq!(recorded.noted(), [(0, "scorer")]);
    let recorded = read("rows.jsonl", "{\"question\": \"q\", \"label\": -1}").unwrap();
    assert_eq!(recorded.examples[0].2.get("expected"), None);
}

#[test]
fn labels_are_redacted_like_the_answers_of_the_rows() {
    let row = |label: &str| format!("{{\"text\": \"t\", \"label\": \"{label}\"}}\n");
    let rows = [row("jane.roe@example.org"), row("other")].concat().repeat(2);
    let recorded = read("rows.jsonl", &rows).unwrap();
    let suite = recorded.suite("rows");
    assert_eq!(suite["scorers"][0]["labels"], json!(["[redacted:email]", "other"]));
    assert!(!suite.to_string().contains("jane.roe"), "{suite}");
}

#[test]
fn more_accepted_answers_than_are_kept_are_noted() {
    let answers: Vec<String> = (0..1001).map(|number| format!("answer {number}")).collect();
    let recorded = read("rows.jsonl", &json!({"question": "q", "answers": answers}).to_string()).unwrap();
    assert_eq!(recorded.examples[0].2["expected"].as_array().unwrap().len(), 1000);
    assert_eq!(recorded.noted()[0], (1, "answers"));
}

#[test]
fn a_folder_that_is_named_like_a_split_makes_none_of_its_files_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("test");
    std::fs::create_dir(&root).unwrap();
    for name in ["train.jsonl", "validation.jsonl"] {
        std::fs::write(root.join(name), format!("{{\"text\": \"{name}\", \"label\": \"a\"}}\n")).unwrap();
    }
    let recorded = Recorded::read(&HuggingFace, &root).unwrap();
    assert_eq!(recorded.examples.len(), 1);
    assert_eq!(recorded.examples[0].2["input"], "validation.jsonl");
}

#[test]
fn questions_about_passages_and_sums_have_their_answers() {
    let recorded = fixture("huggingface-passages.json");
    let rows = recorded.rows("huggingface-passages");
    let expected = json!({
        "input": "When does it open?", "id": "p1", "expected": ["at nine", "nine"],
        "context": "The shop opens at nine.", "metadata": {"title": "Shops"},
    });
    assert_eq!(rows[0], expected);
    assert_eq!(rows[1].get("expected"), None);
    let suite = recorded.suite("huggingface-passages");
    assert_eq!(suite["scorers"], json!([{"type": "token_f1"}, {"type": "exact"}]));
    assert!(suite["prompt"].as_str().unwrap().contains("{{ context }}"));
    assert_eq!(recorded.noted(), [(1, "answers: none"), (0, "scorer")]);

    let recorded = fixture("huggingface-sums.csv");
    let rows = recorded.rows("huggingface-sums");
    assert_eq!((&rows[0]["expected"], &rows[1]["expected"]), (&json!("5"), &json!("4")));
    assert!(rows[0]["metadata"]["solution"].as_str().unwrap().starts_with("2 + 3"));
    assert_eq!(recorded.examples[1].1, 4, "the line on which the row starts");
    assert_eq!(recorded.suite("huggingface-sums")["scorers"], json!([{"type": "numeric"}]));
}

#[test]
fn conversations_instructions_and_completions_are_recognised() {
    let recorded = fixture("huggingface-chats.jsonl");
    let expected = [
        json!({
            "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
            "expected": "Hello.",
        }),
        json!({"input": [{"role": "user", "content": "Is it red?"}], "expected": "Yes."}),
        json!({"input": "Translate to German.\n\ncat", "expected": "Katze"}),
        json!({"input": "The sky is", "expected": " blue."}),
    ];
    assert_eq!(recorded.rows("huggingface-chats"), expected);
    assert_eq!(
        recorded.bad,
        [(5, "no column is known as the input, such as question, prompt, text or messages".to_owned())]
    );
}

#[test]
fn columns_that_are_left_over_are_metadata_and_nothing_is_overwritten() {
    let row = json!({
        "text": "t", "label": 7, "metadata": {"a": 1}, "a": 2, "picture": {"bytes": null, "path": "a.png"}, "idx": 3,
    });
    let recorded = read("rows.jsonl", &row.to_string()).unwrap();
    let expected = json!({"input": "t", "expected": 7, "metadata": {"a": 1, "column_a": 2, "idx": 3}});
    assert_eq!(Value::Object(recorded.examples[0].2.clone()), expected);
    assert_eq!(recorded.noted(), [(1, "label: numbers"), (1, "column: picture"), (0, "scorer")]);
}

#[test]
fn labels_of_several_configurations_are_those_of_the_folder() {
    let info = |names: [&str; 2]| json!({"features": {"label": {"names": names, "_type": "ClassLabel"}}});
    let old = json!({"cola": info(["bad", "good"]), "sst": info(["negative", "positive"])}).to_string();
    let feature = "features:\n    - {name: label, dtype: {class_label: {names: {'0': negative, '1': positive}}}}";
    let card = format!(
        "---\nlicense: [mit, cc0-1.0]\ndataset_info:\n  - config_name: cola\n    features: []\n\
         \x20 - config_name: sst\n    {feature}\n---\n"
    );
    for (file, text) in [("dataset_infos.json", &old), ("README.md", &card)] {
        for (config, expected) in [("sst", json!("positive")), ("other", json!(1))] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(file), text).unwrap();
            std::fs::create_dir(folder.path().join(config)).unwrap();
            let rows = folder.path().join(config).join("test.jsonl");
            std::fs::write(&rows, "{\"text\": \"a\", \"label\": 1}\n").unwrap();
            let recorded = Recorded::read(&HuggingFace, &rows).unwrap();
            assert_eq!(recorded.examples[0].2["expected"], expected, "{file} {config}");
            let license = recorded.cards.values().next().unwrap().get("license").cloned();
            assert_eq!(license, (file == "README.md").then(|| json!("mit, cc0-1.0")));
        }
    }
}

#[test]
fn several_shards_are_one_data_set_and_other_configurations_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("en/test-00000-of-00002.jsonl", "{\"text\": \"one\", \"label\": \"a\"}\n"),
        ("en/test-00001-of-00002.jsonl", "{\"text\": \"two\", \"label\": \"b\"}\nbroken\n"),
        ("fr/test-00000-of-00001.jsonl", "{\"text\": \"un\", \"label\": \"a\"}\n"),
        ("extra.jsonl", "{}\n"),
        (".cache/test.jsonl", "{}\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let recorded = Recorded::read(&HuggingFace, folder.path()).unwrap();
    let inputs: Vec<&Value> = recorded.examples.iter().map(|(_, _, row)| &row["input"]).collect();
    assert_eq!(inputs, ["one", "two"]);
    assert_eq!(recorded.bad.len(), 1);
    assert_eq!(recorded.noted(), [(0, "configurations"), (0, "files"), (0, "scorer")]);
}

#[test]
fn what_cannot_be_recognised_is_refused_with_a_reason() {
    let failure = read("rows.jsonl", "{\"colour\": \"red\", \"size\": 1}").unwrap_err();
    assert!(
        failure.message.ends_with("no column is known as the input; the columns are colour, size"),
        "{}",
        failure.message
    );
    assert!(read("rows.jsonl", "broken").unwrap_err().message.ends_with("contains no row that can be read"));
    let folder = tempfile::tempdir().unwrap();
    assert!(Recorded::read(&HuggingFace, folder.path()).unwrap_err().message.contains("contains no rows"));
    for name in ["a.jsonl", "b.jsonl"] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    assert!(Recorded::read(&HuggingFace, folder.path()).unwrap_err().message.contains("several files"));
    assert!(
        Recorded::read(&HuggingFace, Path::new("none.jsonl")).unwrap_err().message.contains("cannot read none.jsonl")
    );

    let recorded =
        read("rows.json", "{\"data\": [{\"text\": \"x\"}], \"more\": {}}\n{\"data\": [{\"text\": \"y\"}]}").unwrap();
    assert_eq!(recorded.bad, [(2, "there is more behind the first JSON document".to_owned())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_row_is_read_or_reported(
        names in prop::collection::vec(prop::sample::select(vec![
            "text", "label", "question", "answers", "choices", "messages", "context", "premise", "hypothesis",
            "instruction", "output", "prompt", "metadata", "options", "A", "B", "C", "D", "id",
        ]), 1..6),
        values in prop::collection::vec(prop::sample::select(vec![
            "null", "-1", "3", "true", r#""x""#, r#""""#, "[]", r#"[1, "y"]"#, "{}", r#"{"a": {"b": []}}"#,
            r#"{"text": ["a"], "label": ["b"]}"#, r#"[{"role": "user", "content": "hi"}]"#,
            r#"[{"from": "gpt", "value": null}]"#,
        ]), 6),
    ) {
        let field = |(name, value): (&&str, &&str)| format!("\"{name}\": {value}");
        let fields: Vec<String> = names.iter().zip(&values).map(field).collect();
        let line = format!("{{{}}}\n", fields.join(", "));
        if let Ok(recorded) = Recorded::of_text(&HuggingFace, "rows.jsonl", &line.repeat(3)) {
            prop_assert_eq!(recorded.examples.len() + recorded.bad.len(), 3);
            if !recorded.examples.is_empty() {
                recorded.assert_loads();
            }
        }
    }
}
