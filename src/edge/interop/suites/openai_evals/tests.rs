use std::fs;

use proptest::prelude::*;

use super::super::recording::Recorded;
use super::*;

const REGISTRY: &str = "openai-evals-registry";

fn registry() -> Recorded {
    Recorded::fixture(&OpenAiEvals, REGISTRY)
}

#[test]
fn evals_that_compare_texts_have_the_scorers_of_their_classes() {
    let recorded = registry();
    let within = within();
    let cases = [
        ("capitals-test-v1", json!([{"name": "match", "type": "starts_with", "normalize": []}])),
        ("capitals-shown-test-v1", json!([{"name": "match", "type": "starts_with", "normalize": []}])),
        ("capitals-named-test-v1", json!([{"name": "includes", "type": "contains", "normalize": ["lowercase"]}])),
        (
            "capitals-fuzzy-test-v1",
            json!([
                {"name": "fuzzy-match", "type": "any", "of": ["contains", {"type": "expression", "expression": within}]},
                {"name": "f1_score", "type": "token_f1"},
            ]),
        ),
        ("orders-dev-v0", json!([{"name": "json-match", "type": "json_equal", "absolute": 0, "relative": 0}])),
    ];
    for (name, scorers) in cases {
        assert_eq!(recorded.suite(name)["scorers"], scorers, "{name}");
    }
    let suite = recorded.suite("capitals-test-v1");
    assert_eq!(suite["description"], "Names the capital of a country.");
    assert_eq!((&suite["endpoints"], suite.get("prompt")), (&json!(["baseline"]), None));
}

#[test]
fn answers_are_scored_as_by_the_classes() {
    let recorded = registry();
    let cases: [(&str, usize, &str, &[f64]); 17] = [
        ("capitals-test-v1", 0, "Paris, of course", &[1.0]),
        ("capitals-test-v1", 0, "It is Paris", &[0.0]),
        ("capitals-test-v1", 0, "paris", &[0.0]),
        ("capitals-test-v1", 1, "Sucre", &[1.0]),
        ("capitals-named-test-v1", 0, "it is PARIS", &[1.0]),
        ("capitals-named-test-v1", 1, "it is Lima", &[0.0]),
        ("capitals-fuzzy-test-v1", 0, "It is Paris.", &[1.0, 0.5]),
        ("capitals-fuzzy-test-v1", 1, "paz", &[1.0, 2.0 / 3.0]),
        ("capitals-fuzzy-test-v1", 1, "La", &[1.0, 2.0 / 3.0]),
        ("capitals-fuzzy-test-v1", 1, "\"Paz.\"\n", &[1.0, 2.0 / 3.0]),
        ("capitals-fuzzy-test-v1", 1, "?!", &[0.0, 0.0]),
        ("capitals-fuzzy-test-v1", 0, "Rome", &[0.0, 0.0]),
        ("capitals-fuzzy-test-v1", 0, "", &[0.0, 0.0]),
        ("orders-dev-v0", 0, "{\"count\": 2.0, \"fruit\": \"pear\"}", &[1.0]),
        ("orders-dev-v0", 0, "{\"count\": 2, \"fruit\": \"pear\", \"more\": 1}", &[0.0]),
        ("orders-dev-v0", 1, "{\"count\": 0}", &[1.0]),
        ("orders-dev-v0", 1, "no JSON", &[0.0]),
    ];
    for (suite, row, output, expected) in cases {
        let expected: Vec<Option<f64>> = expected.iter().copied().map(Some).collect();
        assert_eq!(recorded.scores(suite, row, output), expected, "{suite} {row} {output}");
    }
    let sent = recorded.sent("capitals-test-v1", 2);
    assert_eq!(
        sent[1],
        ("user".to_owned(), "What is the capital of {{ country }}?".to_owned()),
        "inputs are no templates"
    );
}

#[test]
fn evals_over_the_same_samples_share_a_dataset() {
    let recorded = registry();
    let of = |name: &str| recorded.suite(name)["dataset"].as_str().unwrap().to_owned();
    assert_eq!(of("capitals-named-test-v1"), of("capitals-test-v1"));
    assert_eq!(of("jokes-scale-dev-v0"), of("jokes-dev-v0"));
    let rows = recorded.rows(&of("capitals-test-v1"));
    let question =
        |text: &str| json!([{"role": "system", "content": "Answer with one word."}, {"role": "user", "content": text}]);
    assert_eq!(
        rows,
        [
            json!({"input": question("What is the capital of France?"), "expected": "Paris"}),
            json!({"input": question("What is the seat of government of Bolivia?"), "expected": ["La Paz", "Sucre"]}),
            json!({"input": question("What is the capital of {{ country }}?"), "expected": "unknown", "metadata": {"note": "a trap"}}),
        ]
    );
    let shown = recorded.rows(&of("capitals-shown-test-v1"));
    let messages = shown[0]["input"].as_array().unwrap();
    assert_eq!(messages.len(), 4, "one example to show, before the question");
    assert_eq!(
        messages[1],
        json!({"role": "system", "content": "What is the capital of Italy?", "name": "example_user"})
    );
    assert_eq!(messages[3]["content"], "What is the capital of France?");
    let orders = recorded.rows(&of("orders-dev-v0"));
    assert_eq!(orders[0]["expected"], json!([{"fruit": "pear", "count": 2}]));
    assert_eq!(orders[1]["expected"], json!([{"count": 0}]), "an empty list cannot be an accepted answer");
}

#[test]
fn evals_that_a_model_grades_become_judges() {
    let recorded = registry();
    let judge = |name: &str| recorded.suite(name)["scorers"][0].clone();
    let prompt =
        "Is the answer to {{ metadata.fruit }} funny? Reply as in {\"funny\": ...}.\n\n{{ output }}\n\n{{ criteria }}";
    let criteria =
        "Make the choice that the task asks for. The score of each choice is: \"No\": 0, \"Unsure\": 0.5, \"Yes\": 1.";
    assert_eq!(
        judge("jokes-dev-v0"),
        json!({"name": "funny", "type": "rubric", "judge": "grader", "criteria": criteria, "prompt": prompt})
    );
    let scale = judge("jokes-scale-dev-v0");
    assert!(
        scale["criteria"].as_str().unwrap().ends_with("\"1\": 0, \"2\": 0.25, \"3\": 0.5, \"4\": 0.75, \"5\": 1."),
        "{scale}"
    );
    assert_eq!(judge("facts-dev-v0"), json!({"name": "fact", "type": "factuality", "judge": "grader"}));
    let polite = json!({
        "name": "closedqa", "type": "closed_qa", "judge": "grader", "criteria": "The answer is polite, even with {braces}.",
    });
    assert_eq!(judge("polite-dev-v0"), polite);
    assert_eq!(recorded.suite("jokes-dev-v0")["description"], "Tells jokes about fruit.");
}

#[test]
fn what_is_not_carried_over_is_noted_with_its_line() {
    let recorded = registry();
    let noted: Vec<(&str, u64, &str)> = recorded
        .notes
        .iter()
        .map(|note| (note.file.file_name().unwrap().to_str().unwrap(), note.line, note.what.as_str()))
        .collect();
    let expected = [
        ("basic.yaml", 10, "args: max_tokens"),
        ("basic.yaml", 35, "class: FuzzyMatch"),
        ("basic.yaml", 51, "class: MultipleChoice"),
        ("graded.yaml", 51, "modelgraded_spec: duel"),
        ("graded.yaml", 61, "modelgraded_spec: funny"),
        ("graded.yaml", 30, "modelgraded_spec: fact"),
        ("graded.yaml", 10, "modelgraded_spec: funny"),
        ("graded.yaml", 20, "modelgraded_spec: funny_scale"),
        ("graded.yaml", 40, "modelgraded_spec: closedqa"),
        ("samples.jsonl", 0, "dataset"),
        ("samples.jsonl", 2, "ideal"),
    ];
    let missing: Vec<_> = expected.iter().filter(|note| !noted.contains(note)).collect();
    assert!(missing.is_empty() && noted.len() == expected.len(), "{missing:?} in {noted:?}");
    let not: Vec<&str> =
        recorded.carried.iter().filter(|(_, how)| *how == Carried::Not).map(|(name, _)| name.as_str()).collect();
    assert_eq!(not, ["MultipleChoice", "ModelBasedClassify", "ModelBasedClassify"]);
    assert_eq!(recorded.carried.len(), 12);
}

#[test]
fn a_file_of_the_registry_finds_its_samples() {
    let path = Path::new("tests/fixtures/import").join(REGISTRY).join("evals/basic.yaml");
    let recorded = Recorded::read(&OpenAiEvals, &path).unwrap();
    recorded.assert_loads();
    assert_eq!(recorded.suites.len(), 5);
}

#[test]
fn the_registry_is_found_above_a_path_that_does_not_name_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("evals/x/y")).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/s.jsonl"), "{\"input\": \"q\", \"ideal\": \"a\"}\n").unwrap();
    let text = "e.v0:\n  class: a.b:Match\n  args: {samples_jsonl: s.jsonl}\n";
    fs::write(folder.path().join("evals/e.yaml"), text).unwrap();
    // As with the name of a file in the present folder, the folders of this path are not those above the file.
    let recorded = Recorded::read(&OpenAiEvals, &folder.path().join("evals/x/y/../../e.yaml")).unwrap();
    assert_eq!(recorded.suites.keys().collect::<Vec<_>>(), ["e-v0"]);
}

#[test]
fn more_examples_than_are_shown_are_noted() {
    let args = "    num_few_shot: 101\n    few_shot_jsonl: shots.jsonl\n";
    assert_eq!(one("Match", args, "").0.noted(), [(6, "args: num_few_shot")]);
}

#[test]
fn criteria_are_no_path_of_a_file() {
    let args = "    modelgraded_spec: closedqa\n    modelgraded_spec_args: {criteria: \"file:///none/credentials\"}\n";
    let (recorded, _) = one("ModelBasedClassify", args, "x: 1\n");
    let criteria = recorded.suite("e-v0")["scorers"][0]["criteria"].clone();
    assert_eq!(criteria, "{{ 'file://' }}/none/credentials");
}

#[test]
fn samples_alone_have_scorers_that_fit() {
    let path = Path::new("tests/fixtures/import").join(REGISTRY).join("data/capitals/samples.jsonl");
    let recorded = Recorded::read(&OpenAiEvals, &path).unwrap();
    recorded.assert_loads();
    assert_eq!(recorded.suite("capitals")["scorers"], json!([{"type": "contains"}, {"type": "exact"}]));
    assert_eq!((recorded.rows("capitals").len(), recorded.noted()), (3, vec![(0, "class")]));
    let text = "{\"input\": \"q\"}\n{\"ideal\": \"a\"}\n{\"input\": \"\"}\n";
    let bad = Recorded::of_text(&OpenAiEvals, "s.jsonl", text).unwrap();
    assert!(
        Recorded::of_text(&OpenAiEvals, "s.jsonl", "").unwrap_err().message.ends_with("s.jsonl contains no samples")
    );
    assert_eq!(bad.bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3]);
}

/// Reads an eval with these arguments and this specification of a model that grades; and the failure, if there is one.
fn one(class: &str, args: &str, spec: &str) -> (Recorded, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let samples = if args.contains("samples_jsonl") { "" } else { "    samples_jsonl: s.jsonl\n" };
    write("evals/e.yaml", &format!("e: {{id: e.v0}}\ne.v0:\n  class: a.b:{class}\n  args:\n{samples}{args}"));
    write("modelgraded/m.yaml", spec);
    write("data/s.jsonl", "{\"input\": \"q\", \"ideal\": \"a\"}\n");
    write("data/lfs.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    write("data/empty.jsonl", "");
    write("data/shots.jsonl", "{\"text\": 1}\n");
    let mut recorded = Recorded::default();
    let failure = OpenAiEvals.read(folder.path(), &mut recorded).err().map(|failure| failure.message);
    recorded.assert_loads();
    (recorded, failure)
}

#[test]
fn evals_of_which_too_little_is_left_are_noted_with_their_line() {
    let spec = |fields: &str| format!("m:\n  input_outputs: {{input: completion}}\n{fields}");
    let graded = "    modelgraded_spec: m\n";
    let fine = "  choice_strings: [\"Yes\", \"No\"]\n  choice_scores: {\"Yes\": 1, \"No\": 0}\n";
    let cases = [
        ("Match", "    samples_jsonl: lfs.jsonl\n", String::new(), 5, "is a pointer of Git LFS"),
        ("Match", "    samples_jsonl: empty.jsonl\n", String::new(), 5, "is an empty file"),
        ("Match", "    samples_jsonl: none.jsonl\n", String::new(), 5, "is not in the folder data"),
        ("Match", "    samples_jsonl: [1]\n", String::new(), 3, "has no samples_jsonl"),
        ("Other", "", String::new(), 3, "is code of its own"),
        ("Translate", "", String::new(), 3, "computes the BLEU"),
        ("ModelBasedClassify", "", String::new(), 3, "has no modelgraded_spec"),
        ("ModelBasedClassify", graded, "x: 1\n".to_owned(), 6, "is not in the folder modelgraded"),
        ("ModelBasedClassify", "    multicomp_n: 4\n    modelgraded_spec: m\n", String::new(), 6, "several answers"),
        ("ModelBasedClassify", graded, "m: {prompt: x}\n".to_owned(), 6, "has no input_outputs"),
        ("ModelBasedClassify", graded, "m: {input_outputs: {q: a}}\n".to_owned(), 6, "another field than input"),
        ("ModelBasedClassify", graded, spec(fine), 6, "has no prompt"),
        ("ModelBasedClassify", graded, spec("  prompt: \"{completion}\"\n"), 6, "has no choice_strings"),
        (
            "ModelBasedClassify",
            graded,
            spec("  prompt: \"{completion}\"\n  choice_strings: from_n\n"),
            6,
            "compares several answers",
        ),
        (
            "ModelBasedClassify",
            graded,
            spec("  prompt: \"{completion}\"\n  choice_strings: ABC\n"),
            6,
            "gives its choices no scores",
        ),
        ("ModelBasedClassify", graded, spec(&format!("  prompt: Was it funny?\n{fine}")), 6, "without naming it"),
        ("ModelBasedClassify", graded, spec(&format!("  prompt: \"{{completion!r}}\"\n{fine}")), 6, "format strings"),
    ];
    for (class, args, spec, line, why) in cases {
        let (recorded, failure) = one(class, args, &spec);
        assert!(failure.unwrap().contains("no eval can be carried over"), "{class} {args}");
        let note = recorded.notes.first().unwrap();
        assert!(note.line == line && note.why.contains(why), "{class} {args} {spec}: {note:?}");
        assert_eq!(recorded.carried, [(class.to_owned(), Carried::Not)]);
    }
}

#[test]
fn prompts_of_messages_examples_to_show_and_arguments() {
    let spec = "m:\n  input_outputs: {input: completion}\n  choice_strings: YN\n  choice_scores: {Y: 1, N: 0}\n  prompt:\n    \
                - {role: system, content: Grade.}\n    - {role: user, content: \"{ideal} {completion}\"}\n";
    let (recorded, _) = one("ModelBasedClassify", "    modelgraded_spec: m\n", spec);
    let prompt = "Grade.\n\n{{ expected }} {{ output }}\n\n{{ criteria }}";
    assert_eq!(recorded.suite("e-v0")["scorers"][0]["prompt"], prompt);
    let (_, failure) = one("Match", "    num_few_shot: 1\n    few_shot_jsonl: shots.jsonl\n", "");
    assert!(failure.unwrap().contains("has no list of messages"));
    assert_eq!(one("JsonMatch", "", "").0.bad, [(1, "ideal is not JSON".to_owned())]);
    assert_eq!(one("JsonValidator", "    seed: 7\n", "").0.noted(), [(6, "args: seed")]);
}

#[test]
fn files_of_git_lfs_are_recognized() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    assert!(Recorded::of_text(&OpenAiEvals, "s.jsonl", pointer).unwrap_err().message.contains("pointer of Git LFS"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_rows_never_panic(lines in prop::collection::vec(
        r#"\PC{0,30}|\{"input": ("[a-z{%]{0,6}"|\[\{"role": "user", "content": "x"\}\]|7), "(ideal|id|metadata)": ("a"|\["a", 1\]|null|\{\})\}"#, 0..6)) {
        if let Ok(recorded) = Recorded::of_text(&OpenAiEvals, "s.jsonl", &lines.join("\n")) {
            recorded.assert_loads();
        }
    }

    #[test]
    fn arbitrary_evals_never_panic(
        class in "[A-Za-z:.]{0,12}|Match|ModelBasedClassify",
        value in r#"[a-z{}\[\]:, ]{0,12}|m|\{a: 1\}"#,
        spec in r#"\PC{0,30}|m: \{prompt: "[a-z{}]{0,12}", choice_strings: "[A-C]{0,3}", choice_scores: from_strings, input_outputs: \{input: completion\}\}"#,
    ) {
        let _ = one(&class, &format!("    modelgraded_spec: {value}\n    ignore_case: {value}\n"), &spec);
    }
}
