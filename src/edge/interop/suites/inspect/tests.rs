use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::recording::Recorded;
use super::*;
use crate::core::golden::example_from_row;
use crate::core::scoring::{Answer, CompiledScorers};
use crate::edge::config::load_suite;
use crate::edge::interop::suites::Carried;
use crate::edge::yaml::to_yaml;

fn fixture(name: &str) -> Recorded {
    Recorded::fixture(&Inspect, name)
}

/// Scorers by name, with only their settings.
fn scorers(suite: &Value) -> Vec<Value> {
    suite["scorers"].as_array().unwrap().clone()
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(Path::new("tests/fixtures/import").join(name)).unwrap()
}

fn read_bytes(name: &str, content: &[u8]) -> Result<Recorded, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    Recorded::read(&Inspect, &path)
}

#[test]
fn the_samples_of_a_log_are_examples_once_each() {
    let recorded = fixture("inspect-faq.eval");
    let expected = [
        json!({"input": "How much is {{2 + 2}}?", "id": "2", "expected": "4", "metadata": {"tone": "brief"}}),
        json!({"input": "What does a fish eat?", "id": "10", "metadata": {"tone": "kind", "level": 3}}),
        json!({
            "input": "What is the capital of France?", "id": "capital", "expected": ["Paris", "Lutetia"],
            "metadata": {"level": 1, "tone": "kind", "description": "A question with two right answers."},
        }),
    ];
    assert_eq!(recorded.rows("faq"), expected);
    assert!(recorded.bad.is_empty());
    assert_eq!(
        recorded.cards["faq"],
        json!({"description": "Samples of the inspect_ai task faq.", "source": "inspect_ai, dataset shop-faq"})
            .as_object()
            .cloned()
            .unwrap()
    );
}

#[test]
fn the_scorers_solvers_and_model_of_a_task_are_a_suite() {
    let recorded = fixture("inspect-faq.eval");
    let suite = recorded.suite("faq");
    assert_eq!(
        (&suite["dataset"], &suite["repeat"], &suite["endpoints"]),
        (&json!("faq"), &json!(2), &json!(["baseline"]))
    );
    assert_eq!(
        suite["prompt"],
        json!([
            {"role": "system", "content": "Be {{ metadata.tone }}. Keep {braces} and {unknown}."},
            {"role": "user", "content": "\nQuestion of level {{ metadata.level | default('{level}') }}: {{ input }}\n\n\
                Before answering, reason in a step-by-step manner as to get the right answer. Provide your answer at \
                the end on its own line in the form \
                \"ANSWER: $ANSWER\" (without quotes) where $ANSWER is the answer to the question.\n"},
        ])
    );
    let expected = json!([
        {"name": "match", "type": "regex", "pattern": r"(?i){expected}\W*$"},
        {"name": "match-2", "type": "numeric"},
        {"name": "includes", "type": "contains", "normalize": []},
        {"name": "pattern", "type": "regex", "pattern": r"(?i)ANSWER: {expected}\b{end-half}"},
        {"name": "answer", "type": "regex", "pattern": r"(?i)ANSWER\s*:\s*{expected}\s*$"},
        {"type": "exact"},
        {"name": "f1", "type": "token_f1"},
        {
            "name": "model_graded_qa", "type": "rubric", "judge": "grader",
            "prompt": "{{ criteria }}\nThe task:\n{{ input }}\nThe criterion, or the right answer:\n{{ expected }}\n\
                       The answer to grade:\n{{ output }}",
            "criteria": "The answer meets the criterion, or agrees with the right answer. Half of it met is 0.5.",
        },
        {"name": "model_graded_fact", "type": "factuality", "judge": "gpt-4o"},
    ]);
    let with_reducer = |mut scorer: Value| {
        scorer["reduce"] = json!("pass@2");
        scorer
    };
    let expected: Vec<Value> = expected.as_array().unwrap().iter().cloned().map(with_reducer).collect();
    assert_eq!(scorers(&suite), expected);
    let key = json!("${OPENAI_API_KEY}");
    assert_eq!(
        Value::Object(recorded.endpoints["gpt-4o"].clone()),
        json!({"type": "openai", "base_url": "https://api.openai.com/v1", "model": "gpt-4o", "api_key": key})
    );
}

#[test]
fn what_a_log_says_beyond_the_suite_is_noted() {
    let recorded = fixture("inspect-faq.eval");
    let not: Vec<&str> =
        recorded.carried.iter().filter(|(_, how)| *how == Carried::Not).map(|(name, _)| name.as_str()).collect();
    assert_eq!(not, ["pattern", "house_style"]);
    assert_eq!(recorded.carried.len(), 11);
    let expected = [
        (1, "files"),
        (0, "limits"),
        (0, "config"),
        (0, "model"),
        (0, "scorer: match"),
        (0, "scorer: match"),
        (0, "scorer: pattern"),
        (0, "scorer: pattern"),
        (0, "scorer: exact"),
        (0, "scorer: f1"),
        (0, "scorer: model_graded_qa"),
        (0, "scorer: model_graded_fact"),
        (0, "scorer: house_style"),
        (0, "epochs_reducer"),
    ];
    assert_eq!(recorded.noted(), expected);
    assert!(
        recorded.notes[0].file.ends_with("inspect-faq.eval/samples/2_epoch_1.json"),
        "{:?}",
        recorded.notes[0].file
    );
    assert!(recorded.notes[2].why.ends_with(": top_k"), "{}", recorded.notes[2].why);
}

#[test]
fn choices_are_lettered_and_several_right_ones_are_one_answer() {
    let recorded = fixture("inspect-quiz.json");
    let expected = [
        json!({
            "input": "Which is a fruit?", "id": "1", "expected": "B",
            "metadata": {"field": "food", "choices": ["Chair", "Apple", "Stone"]},
        }),
        json!({
            "input": "Which are metals?", "id": "2", "expected": "A, C",
            "metadata": {"choices": ["Iron", "Wood", "Zinc"]},
        }),
    ];
    assert_eq!(recorded.rows("quiz"), expected);
    let suite = recorded.suite("quiz");
    assert_eq!(
        scorers(&suite),
        [json!({"name": "choice", "type": "regex", "pattern": r"(?im)ANSWER\s*:\s*{expected}[\s.]*$"})]
    );
    let prompt = suite["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("Choose every right answer; there may be several. Think step by step"), "{prompt}");
    let endpoint = json!({
        "type": "anthropic", "model": "claude-x", "api_key": "${ANTHROPIC_API_KEY}",
        "params": {"stop_sequences": ["END"]},
    });
    assert_eq!(Value::Object(recorded.endpoints["claude-x"].clone()), endpoint);
    let lines: Vec<u64> = recorded.examples.iter().map(|(_, line, _)| *line).collect();
    let text = String::from_utf8(bytes("inspect-quiz.json")).unwrap();
    let starts: Vec<u64> =
        text.lines().zip(1..).filter(|(line, _)| *line == "    {").map(|(_, number)| number).take(2).collect();
    assert_eq!(lines, starts);

    let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    let unpacked = read_bytes("log.json.zst", &packed).unwrap();
    assert_eq!((unpacked.rows("quiz"), unpacked.suites), (recorded.rows("quiz"), recorded.suites));
}

#[test]
fn a_log_with_deflated_entries_of_an_older_version_gives_the_same_samples() {
    let (old, new) = (fixture("inspect-deflate.eval"), fixture("inspect-quiz.json"));
    assert_eq!(old.rows("quiz"), new.rows("quiz"));
    assert_eq!(old.suite("quiz")["scorers"], new.suite("quiz")["scorers"]);
}

#[test]
fn samples_in_chunks_are_read_with_the_pictures_that_they_refer_to() {
    let recorded = fixture("inspect-chunked.eval");
    let rows = recorded.rows("chats");
    assert_eq!(rows.len(), 2);
    let parts = &rows[0]["input"][0]["content"];
    assert_eq!(parts[0], json!({"type": "text", "text": "What is this?"}));
    assert!(parts[1]["image_url"]["url"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    let talk = json!([
        {"role": "system", "content": "You sell shoes."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Are they red?"},
    ]);
    assert_eq!(rows[1]["input"], talk);
    assert_eq!(recorded.suite("chats").get("prompt"), None);
    assert_eq!(recorded.noted(), [(0, "model"), (0, "solvers")]);
}

#[test]
fn a_log_of_a_run_that_did_not_finish_is_read_as_far_as_it_goes() {
    let recorded = fixture("inspect-unfinished.eval");
    assert_eq!(recorded.rows("faq").len(), 1);
    let noted = recorded.noted();
    assert!(noted.contains(&(0, "header.json")) && noted.contains(&(0, "samples")), "{noted:?}");
}

#[test]
fn datasets_are_read_with_further_columns_as_metadata() {
    let recorded = fixture("inspect-samples.jsonl");
    let expected = [
        json!({
            "input": "Is it open today?", "id": "a", "expected": "yes",
            "metadata": {"shop": 1, "season": "summer"},
        }),
        json!({"input": [{"role": "user", "content": "Which colour?"}], "expected": ["red", "crimson"]}),
        json!({"input": "Pick one.", "expected": "B", "metadata": {"choices": ["left", "right"]}}),
    ];
    assert_eq!(recorded.rows("inspect-samples"), expected);
    assert_eq!(recorded.bad, [(4, "the input is missing or empty".to_owned())]);
    assert_eq!(recorded.noted(), [(0, "scorer")]);

    let recorded = fixture("inspect-samples.csv");
    let expected = [
        json!({"input": "Pick a fruit.", "id": "1", "expected": "A", "metadata": {"choices": ["apple", "stone"]}}),
        json!({
            "input": "Pick a metal.", "id": "2", "expected": "B",
            "metadata": {"field": "metals", "choices": ["wood", "iron"]},
        }),
    ];
    assert_eq!(recorded.rows("inspect-samples"), expected);
    let suite = recorded.suite("inspect-samples");
    assert_eq!(suite["scorers"][0]["pattern"], json!(r"(?i)ANSWER\s*:\s*\(?{expected}(?:[^\w,]|$)"));
    assert!(suite["prompt"].as_str().unwrap().starts_with("Choose the right answer."));
}

/// The grade of an answer in a log as a number.
fn graded(score: &Value) -> f64 {
    match score.as_str() {
        Some("C") => 1.0,
        Some(_) => 0.0,
        None => score.as_f64().unwrap(),
    }
}

/// Whether a target is what a scorer extracts, such as a letter; else it can never be right in inspect_ai.
fn fits(scorer: &str, target: &Value) -> bool {
    let text = target.get(0).unwrap_or(target).as_str().unwrap();
    match scorer {
        "answer" => text.len() == 1,
        "pattern" | "answer1" => text.chars().all(char::is_alphanumeric),
        "pattern1" => text.chars().all(|c| c.is_ascii_digit()),
        _ => true,
    }
}

/// Samples and scores where karat grades an answer otherwise than inspect_ai did, of those that it grades.
fn disagreements(fixture_name: &str, suite: &str) -> Vec<(u64, String)> {
    let recorded = fixture(fixture_name);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, to_yaml(&recorded.suites[suite])).unwrap();
    let compiled = CompiledScorers::compile(&load_suite(&path).unwrap().scorers).unwrap();
    let log: Value = serde_json::from_slice(&bytes(fixture_name)).unwrap();
    let mut found = Vec::new();
    for (sample, row) in log["samples"].as_array().unwrap().iter().zip(recorded.rows(suite)) {
        let example = example_from_row(1, row.as_object().cloned().unwrap()).unwrap();
        assert_eq!(example.id, sample["id"].to_string());
        let answer = Answer::text(sample["output"]["completion"].as_str().unwrap());
        let names = log["results"]["scores"].as_array().unwrap().iter().map(|score| score["name"].as_str().unwrap());
        for (name, (_, score)) in names.zip(compiled.score(&answer, &example, &[])) {
            let theirs = graded(&sample["scores"][name]["value"]);
            let differs = score.value().is_some_and(|ours| (ours - theirs).abs() > 0.006);
            if differs && fits(name, &sample["target"]) {
                found.push((sample["id"].as_u64().unwrap(), name.to_owned()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn answers_are_graded_as_inspect_ai_did_except_as_noted() {
    let expected = [
        // It is not the last answer.
        (4, "answer1"),
        // It is not the first match of the pattern.
        (7, "pattern1"),
        // An article is missing.
        (10, "exact"),
        // Symbols at the end of the target are missing.
        (15, "match"),
        (15, "match2"),
    ];
    let found = disagreements("inspect-scored.json", "scored");
    assert_eq!(found.iter().map(|(id, name)| (*id, name.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(disagreements("inspect-chosen.json", "chosen"), []);
}

fn log(eval: Value, steps: Value, samples: Value) -> Recorded {
    let text = json!({"version": 2, "eval": eval, "plan": {"steps": steps}, "samples": samples}).to_string();
    let recorded = Recorded::of_text(&Inspect, "log.json", &text).unwrap();
    recorded.assert_loads();
    recorded
}

#[test]
fn options_of_scorers_are_carried_over_or_noted() {
    let sample = json!([{"id": 1, "epoch": 1, "input": "x", "target": "y"}]);
    let cases = [
        (
            json!({"name": "match", "options": {"location": "begin"}}),
            json!({"type": "starts_with", "normalize": ["trim", "punctuation", "lowercase"]}),
        ),
        (
            json!({"name": "match", "options": {"location": "any", "ignore_case": false}}),
            json!({"type": "contains", "normalize": ["trim", "punctuation"]}),
        ),
        (
            json!({"name": "inspect_ai/match", "options": {"location": "exact"}}),
            json!({"type": "exact", "normalize": ["trim", "punctuation", "lowercase"]}),
        ),
        (
            json!({"name": "answer", "options": {"pattern": "word"}}),
            json!({"type": "regex", "pattern": r"(?im)ANSWER\s*:\s*{expected}[.,;:!?]?\s*$"}),
        ),
        (
            json!({"name": "pattern", "options": {"pattern": r"(\d+)"}}),
            json!({"type": "regex", "pattern": r"(?i)\b{start-half}{expected}\b{end-half}"}),
        ),
        (
            json!({"name": "pattern", "options": {"pattern": r"(?:a|b)[(]=(.*);", "ignore_case": false}}),
            json!({"type": "regex", "pattern": r"(?:a|b)[(]={expected};"}),
        ),
        (
            json!({"name": "model_graded_qa", "options": {"model": "google/gemini-x"}}),
            json!({"type": "closed_qa", "judge": "gemini-x"}),
        ),
    ];
    for (scorer, expected) in cases {
        let recorded = log(json!({"task": "t", "model": "openai/m", "scorers": [scorer]}), json!([]), sample.clone());
        let found = &scorers(&recorded.suite("t"))[0];
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&found[key], value, "{scorer}");
        }
    }
    let none = [
        json!({"name": "pattern", "options": {"pattern": "(?=a)(b)"}}),
        json!({"name": "pattern", "options": {"pattern": "a{{(b)"}}),
        json!({"name": "pattern", "options": {"pattern": "a"}}),
        json!({"name": "pattern", "options": {"pattern": r"ANSWER: (\w+)|UNKNOWN"}}),
        json!({"name": "pattern", "options": {"pattern": r"answer:?\s*([A-D])?"}}),
        json!({"name": "pattern", "options": {"pattern": r"(?:answer is ([A-D])|none)"}}),
        json!({"name": "perplexity", "options": null}),
        json!({"name": "mine/own"}),
    ];
    for scorer in none {
        let recorded = log(json!({"task": "t", "model": "openai/m", "scorers": [scorer]}), json!([]), sample.clone());
        assert_eq!(recorded.carried[0].1, Carried::Not, "{scorer}");
        assert_eq!(recorded.noted()[1], (0, "scorers"));
    }
}

#[test]
fn solvers_that_karat_has_no_counterpart_for_are_noted() {
    let sample = json!([{"id": 1, "epoch": 1, "input": "x", "target": "y", "sandbox": {"type": "docker"}}]);
    let eval = json!({
        "task": "t", "model": "openai-api/local/llama", "model_base_url": "http://127.0.0.1:8000/v1",
        "sandbox": {"type": "docker"},
        "scorers": [{"name": "exact", "metrics": [{"name": "inspect_ai/accuracy"}, {"*": [{"name": "grouped"}]}]}],
    });
    let steps = json!([
        {"solver": "prompt_template", "params": {"template": "{prompt} in {style}, {a.b}, }", "style": "verse {%"}},
        {"solver": "system_message", "params": {"template": "prompts/system.txt"}},
        {"solver": "generate", "params": {"tool_calls": "loop", "temperature": 0.1}},
        {"solver": "react", "params": {}},
        {"solver": "own", "params": {}},
    ]);
    let recorded = log(eval, steps, sample);
    assert_eq!(recorded.suite("t")["prompt"], json!("{{ input }} in verse {{ '{%' }}, {a.b}, }"));
    let expected = json!({
        "type": "openai", "base_url": "http://127.0.0.1:8000/v1", "model": "llama", "api_key": "${MODEL_API_KEY_127_0_0_1_X3A_8000}",
    });
    assert_eq!(Value::Object(recorded.endpoints["llama"].clone()), expected);
    let noted: Vec<&str> = recorded.noted().into_iter().map(|(_, what)| what).collect();
    let expected = [
        "sandbox",
        "model",
        "metrics of exact",
        "scorer: exact",
        "solver: system_message",
        "solver: generate",
        "solver: react",
        "solver: own",
    ];
    assert_eq!(noted, expected);
}

#[test]
fn a_model_at_a_foreign_address_gets_neither_keys_nor_variables() {
    let sample = json!([{"id": 1, "epoch": 1, "input": "x", "target": "y"}]);
    let endpoint = |model: &str, url: &str| {
        let eval = json!({"task": "t", "model": model, "model_base_url": url, "scorers": [{"name": "includes"}]});
        let recorded = log(eval, json!([]), sample.clone());
        let noted = recorded.noted().into_iter().map(|(_, what)| what.to_owned()).collect::<Vec<_>>();
        let name = recorded.suite("t")["endpoints"][0].as_str().unwrap().to_owned();
        (Value::Object(recorded.endpoints[&name].clone())["api_key"].clone(), noted)
    };
    let own = endpoint("openai/m", "https://api.openai.com/v1");
    assert_eq!(own, (json!("${OPENAI_API_KEY}"), vec![]));
    let foreign = endpoint("openai/m", "https://llm.example.org/v1");
    assert_eq!(foreign, (json!("${MODEL_API_KEY_LLM_EXAMPLE_ORG}"), vec!["model_base_url".to_owned()]));
    for (model, url) in [
        ("openai/m", "https://example.org/${HOME}"),
        ("own/m", "https://${HOME}.example.org/v1"),
        ("own/${HOME}", "https://example.org/v1"),
    ] {
        assert_eq!(endpoint(model, url), (Value::Null, vec!["model".to_owned()]), "{model} {url}");
    }
}

#[test]
fn a_template_that_is_an_address_is_no_prompt() {
    let sample = json!([{"id": 1, "epoch": 1, "input": "x", "target": "y"}]);
    let steps = json!([
        {"solver": "prompt_template", "params": {"template": "file:///none/.aws/credentials"}},
        {"solver": "prompt_template", "params": {"template": "file://{prompt} as text"}},
    ]);
    let recorded = log(json!({"task": "t", "model": "openai/m", "scorers": [{"name": "includes"}]}), steps, sample);
    assert_eq!(recorded.suite("t")["prompt"], json!({"text": "file://{{ input }} as text"}));
    assert_eq!(recorded.sent("t", 0), [("user".to_owned(), "file://x as text".to_owned())]);
    assert_eq!(recorded.noted(), [(0, "solver: prompt_template")]);
}

#[test]
fn empty_choices_keep_their_letters() {
    let samples = "[{\"input\": \"x\", \"target\": \"D\", \"choices\": [\"a\", \"\", null, \"d\"]}]";
    let recorded = Recorded::of_text(&Inspect, "a.json", samples).unwrap();
    assert_eq!(recorded.rows("a")[0]["metadata"]["choices"], json!(["a", "", "", "d"]));
    assert_eq!(recorded.rows("a")[0]["expected"], "D");
    let recorded = Recorded::of_text(&Inspect, "a.csv", "input,target,choices\nx,C,\"a,,c\"\n").unwrap();
    assert_eq!(recorded.rows("a")[0]["metadata"]["choices"], json!(["a", "", "c"]));
}

#[test]
fn templates_of_multiple_choice_keep_their_words() {
    let sample = json!([{"id": 1, "epoch": 1, "input": "Which?", "choices": ["x", "y"], "target": "A"}]);
    let steps =
        json!([{"solver": "multiple_choice", "params": {"template": "{question}\n{choices}One of {letters}."}}]);
    let recorded = log(json!({"task": "t", "model": "m", "scorers": [{"name": "choice"}]}), steps, sample);
    let prompt = recorded.suite("t")["prompt"].as_str().unwrap().to_owned();
    assert!(prompt.starts_with("{{ input }}\n{% if metadata.choices"), "{prompt}");
    assert!(prompt.ends_with("{% endfor %}."), "{prompt}");
}

#[test]
fn files_that_are_no_log_say_why() {
    let zip = |content: &[u8]| read_bytes("a.eval", content).map(|_| ()).unwrap_err();
    assert!(zip(b"PK\x03\x04 nothing").message.contains("not a complete ZIP archive"));
    let whole = bytes("inspect-faq.eval");
    assert!(zip(&whole[..whole.len() - 30]).message.contains("not a complete ZIP archive"));
    let empty = json!({"eval": {"task": "t"}, "plan": {}, "samples": null}).to_string();
    assert!(Recorded::of_text(&Inspect, "a.json", &empty).unwrap_err().message.ends_with("contains no samples"));
    assert!(Recorded::of_text(&Inspect, "a.jsonl", "").unwrap_err().message.ends_with("contains no samples"));
    assert!(Recorded::read(&Inspect, Path::new("tests/fixtures")).unwrap_err().message.contains("is a folder"));

    let cut = r#"{"eval": {"task": "t"}, "samples": [{"id": 1, "input": "x", "target": "y"}, {"id": 2, "inp"#;
    let recorded = Recorded::of_text(&Inspect, "a.json", cut).unwrap();
    assert_eq!((recorded.examples.len(), recorded.suites.len()), (1, 1), "a log that is cut off is read so far");
    assert!(recorded.bad[0].1.starts_with("the log ends early"), "{:?}", recorded.bad);
    for cut in [
        r#"{"version": 2, "status": "success", "eval": {"task": "t"#,
        r#"{"version": 2, "status": "success", "eval": {"task": "t"}, "plan": {"steps": ["#,
        r#"{"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [{"id": 1, "inp"#,
    ] {
        let failure = Recorded::of_text(&Inspect, "a.json", cut).unwrap_err();
        assert!(failure.message.ends_with("the log is cut off before its first sample"), "{cut}: {failure:?}");
    }
    let rows = "[{\"input\": \"x\", \"target\": \"y\"}, 7, {\"input\": \"z\", \"choices\": 3}]";
    let recorded = Recorded::of_text(&Inspect, "a.json", rows).unwrap();
    assert_eq!(
        recorded.bad.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>(),
        ["not a JSON object", "choices is not a list"]
    );
}

const LOGS: [&str; 4] = ["inspect-faq.eval", "inspect-chunked.eval", "inspect-deflate.eval", "inspect-quiz.json"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_log_is_an_error_and_never_a_panic(
        name in prop::sample::select(LOGS.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut content = bytes(name);
        for (at, byte) in changes {
            let at = at.index(content.len());
            content[at] = byte;
        }
        if cut {
            content.truncate(end.index(content.len()));
        }
        if let Ok(recorded) = read_bytes(name, &content) {
            prop_assert!(recorded.suites.len() == 1);
        }
    }

    #[test]
    fn any_json_in_place_of_a_log_or_dataset_is_read_or_refused(
        text in r#"[\[\]{}:,"a-zA-Z0-9\\ \n]{0,80}"#,
        log in any::<bool>(),
    ) {
        let text = if log { format!("{{\"eval\": {{\"task\": \"t\"}}, \"samples\": {text}") } else { text };
        if let Ok(recorded) = Recorded::of_text(&Inspect, "a.json", &text) {
            prop_assert!(recorded.suites.len() == 1);
        }
    }
}
