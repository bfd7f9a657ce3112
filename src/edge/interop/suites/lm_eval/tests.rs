use std::fs;

use proptest::prelude::*;
use serde_json::Map;

use super::super::Carried;
use super::super::recording::Recorded;
use super::templates::{Renderer, Template, python_list};
use super::*;

const TASKS: &str = "lm-eval-tasks";

fn tasks() -> Recorded {
    Recorded::fixture(&LmEval, TASKS)
}

#[test]
fn generated_answers_are_compared_as_filters_and_metrics_say() {
    let recorded = tasks();
    let suite = recorded.suite("sums");
    let prompt = "Question: What is 1 + 1?\nAnswer: One and one.\n#### 2\n\nQuestion: {{ input }}\nAnswer:";
    assert_eq!(suite["prompt"], prompt, "the first example of the training split is shown");
    let strict = json!([{"type": "regex", "pattern": r"#### (\-?[0-9\.\,]+)"}, {"type": "numeric"}]);
    let scorers = json!([
        {"name": "exact_match-strict-match", "type": "all", "of": strict},
        {"name": "exact_match-flexible-extract", "type": "numeric"},
    ]);
    assert_eq!(suite["scorers"], scorers);
    let rows = recorded.rows("sums");
    assert_eq!(rows[0]["input"], "Ana has 3 pears and buys 4. How many has she?");
    assert_eq!((&rows[0]["id"], &rows[0]["expected"]), (&json!("11"), &json!("7")));
    assert_eq!(
        (&rows[1]["expected"], &rows[1]["metadata"]["answer"]),
        (&json!("1234"), &json!("600 + 634 = $1,234\n#### $1,234"))
    );
}

#[test]
fn choices_are_lettered() {
    let recorded = tasks();
    let rows = recorded.rows("plants");
    let metadata = json!({
        "answerKey": "A", "choices": ["light", "noise", "salt"],
        "original_choices": {"text": ["light", "noise", "salt"], "label": ["A", "B", "C"]},
    });
    assert_eq!(
        rows[0],
        json!({"id": "p1", "input": "What do plants need to grow?", "expected": "A", "metadata": metadata})
    );
    assert_eq!(rows[1]["expected"], "B");
    let suite = recorded.suite("plants");
    let prompt = suite["prompt"].as_str().unwrap();
    assert!(prompt.contains("\n\nQuestion: {{ input }}\n\n{% if metadata.choices"), "{prompt}");
    assert_eq!(suite["scorers"].as_array().unwrap().len(), 1, "acc and acc_norm are one choice");
    assert_eq!(suite["scorers"][0]["name"], "choice");

    let facts = recorded.rows("facts");
    assert_eq!(facts[0]["input"], "Is water wet?\nA. yes\nB. no", "a method of Python is rendered for each row");
    assert_eq!((&facts[0]["expected"], &facts[1]["expected"]), (&json!("A"), &json!("B")));
    assert_eq!(facts[0]["metadata"].get("choices"), None, "the text lists its letters itself");
    let messages = recorded.suite("facts")["prompt"].clone();
    assert_eq!(messages[0], json!({"role": "system", "content": "The following are questions about facts."}));
    assert!(messages[1]["content"].as_str().unwrap().contains("{{ input }}"));
}

#[test]
fn several_answers_similarities_and_continuations() {
    let recorded = tasks();
    let names = recorded.rows("names");
    assert_eq!(names[0]["input"], "Hint: It is short.\nQuestion: Who wrote the letter?\nAnswer:");
    assert_eq!((&names[0]["expected"], &names[1]["expected"]), (&json!(["Ana", "Ana's brother"]), &json!("Elbe")));
    assert_eq!(names[1]["input"], "Question: Which river is it?\nAnswer:");
    let suite = recorded.suite("names");
    let exact = json!([
        {"name": "exact_match-remove_whitespace", "type": "exact", "normalize": ["trim", "lowercase", "punctuation"]},
    ]);
    assert_eq!((&suite["scorers"], &suite["repeat"], suite.get("prompt")), (&exact, &json!(2), None));

    let suite = recorded.suite("summaries");
    assert_eq!(suite["prompt"], "Summarize: {{ title }}. {{ text }} In short:");
    let similar = json!([
        {"name": "rouge1", "type": "rouge_n", "n": 1, "words": "rouge"}, {"name": "rougel", "type": "rouge_l", "words": "rouge"},
        {"type": "bleu"},
    ]);
    assert_eq!(suite["scorers"], similar);
    let row = json!({"title": "Fair", "text": "The fair was well attended on both days."});
    assert_eq!(recorded.rows("summaries")[0]["input"], row);

    let endings = recorded.rows("endings");
    assert_eq!((&endings[0]["input"], &endings[0]["expected"]), (&json!("The cat sat on the"), &json!(" mat.")));
    let acc = json!([{"name": "acc", "type": "starts_with", "normalize": ["trim"]}]);
    assert_eq!(recorded.suite("endings")["scorers"], acc);
}

#[test]
fn answers_are_scored_as_by_lm_eval() {
    let recorded = tasks();
    let cases: [(&str, usize, &str, &[f64]); 23] = [
        ("sums", 0, "3 + 4 = 7\n#### 7", &[1.0, 1.0]),
        ("sums", 0, "#### 7.", &[1.0, 1.0]),
        ("sums", 0, "#### 7.5", &[0.0, 0.0]),
        ("sums", 0, "#### 71", &[0.0, 0.0]),
        ("sums", 0, "The answer is 7", &[0.0, 1.0]),
        ("sums", 1, "#### 1234", &[1.0, 1.0]),
        ("sums", 1, "#### 1,234", &[1.0, 1.0]),
        ("sums", 1, "so it is $1,234", &[0.0, 1.0]),
        ("plants", 0, "ANSWER: A", &[1.0]),
        ("plants", 0, "Light. ANSWER: (A).", &[1.0]),
        ("plants", 0, "ANSWER: B", &[0.0]),
        ("plants", 1, "answer: b", &[1.0]),
        ("facts", 0, "ANSWER: A", &[1.0]),
        ("names", 0, " ana\n", &[1.0]),
        ("names", 0, "Ana's brother!", &[1.0]),
        ("names", 0, "It was Ana", &[0.0]),
        ("names", 1, "Elbe", &[1.0]),
        ("summaries", 0, "Many people came to the fair.", &[1.0, 1.0, 1.0]),
        ("summaries", 0, "", &[0.0, 0.0, 0.0]),
        ("endings", 0, "mat.", &[1.0]),
        ("endings", 0, " mat. And then", &[1.0]),
        ("endings", 0, "floor", &[0.0]),
        ("endings", 1, "Day.", &[0.0]),
    ];
    for (suite, row, output, expected) in cases {
        let scores: Vec<f64> = recorded.scores(suite, row, output).into_iter().flatten().collect();
        let is_close = |(score, expected): (&f64, &f64)| (score - expected).abs() < 1e-9;
        let all_close = scores.len() == expected.len() && scores.iter().zip(expected).all(is_close);
        assert!(all_close, "{suite} {row} {output}: {scores:?}");
    }
}

#[test]
fn the_messages_are_those_of_lm_eval() {
    let recorded = tasks();
    let user = |suite: &str, row: usize| recorded.sent(suite, row).pop().unwrap();
    let question = "Question: What is 600 + 634?\nAnswer:";
    let shown = "Question: What is 1 + 1?\nAnswer: One and one.\n#### 2\n\n";
    assert_eq!(user("sums", 1), ("user".to_owned(), format!("{shown}{question}")));
    assert_eq!(user("names", 1).1, "Question: Which river is it?\nAnswer:");
    let summary = "Summarize: Fair. The fair was well attended on both days. In short:";
    assert_eq!(user("summaries", 0).1, summary);
    let plants = user("plants", 1).1;
    assert!(plants.ends_with("Question: Which part is below the ground?\n\nA) the leaf\nB) the root\n"), "{plants}");
    let facts = recorded.sent("facts", 0);
    assert_eq!(facts[0], ("system".to_owned(), "The following are questions about facts.".to_owned()));
    assert!(facts[1].1.trim_end().ends_with("Is water wet?\nA. yes\nB. no"), "{}", facts[1].1);
}

#[test]
fn what_is_not_carried_over_is_noted_with_its_line() {
    let recorded = tasks();
    let noted = |file: &str| -> Vec<(u64, &str)> {
        let of = recorded.notes.iter().filter(|note| note.file.file_name().is_some_and(|name| name == file));
        of.map(|note| (note.line, note.what.as_str())).collect()
    };
    assert_eq!(
        noted("sums.yaml"),
        [
            (18, "generation_kwargs"),
            (21, "metric: exact_match"),
            (30, "filter: strict-match"),
            (35, "filter: flexible-extract")
        ]
    );
    assert_eq!(noted("plants.yaml"), [(5, "output_type"), (14, "metric: acc_norm"), (17, "metric: brier_score")]);
    assert_eq!(noted("_facts_template"), [(3, "output_type"), (8, "num_fewshot")]);
    assert_eq!(
        noted("names.yaml"),
        [(14, "metric: exact_match"), (17, "metric: utils.agg_f1"), (17, "metric: utils.agg_f1")]
    );
    assert_eq!(noted("summaries.yaml"), [(9, "metric: bleu"), (9, "metric: ter"), (8, "gen_prefix")]);
    assert_eq!(noted("endings.yaml"), [(4, "output_type"), (8, "metric: perplexity"), (8, "metric: acc")]);
    for (file, why) in [
        ("remote.yaml", "remote.yaml:2: dataset_path is allenai/sciq, which is no local file or folder"),
        ("code.yaml", "code.yaml:5: doc_to_text is Python code"),
        ("all.yaml", "all.yaml:3: task lists the tasks of a group"),
    ] {
        let note = recorded.notes.iter().find(|note| note.file.ends_with(file)).unwrap();
        assert!(note.why.contains(why), "{}", note.why);
    }
    let not: Vec<&str> =
        recorded.carried.iter().filter(|(_, how)| *how == Carried::Not).map(|(name, _)| name.as_str()).collect();
    assert_eq!(not, ["perplexity", "utils.agg_f1", "brier_score", "ter"]);
}

/// Reads a task with these settings over these rows.
fn one(settings: &str, rows: &str) -> Result<Recorded, Failure> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let path = folder.path().join("t.yaml");
    let start = "task: t\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n";
    fs::write(&path, format!("{start}{settings}")).unwrap();
    Recorded::read(&LmEval, &path).inspect(Recorded::assert_loads)
}

#[test]
fn targets_choose_by_number_letter_and_text() {
    let settings = "output_type: multiple_choice\ndoc_to_text: q\n";
    let cases = [
        ("doc_to_choice: [\"no\", \"yes\"]\ndoc_to_target: a\n", r#"{"q": "x", "a": 1}"#, json!("B")),
        ("doc_to_choice: [\"no\", \"yes\"]\ndoc_to_target: a\n", r#"{"q": "x", "a": "yes"}"#, json!("B")),
        ("doc_to_choice: [\"1\", \"0\"]\ndoc_to_target: a\n", r#"{"q": "x", "a": "0"}"#, json!("B")),
        ("doc_to_choice: [\"1\", \"0\"]\ndoc_to_target: \"{{a}}\"\n", r#"{"q": "x", "a": "0"}"#, json!("A")),
        (
            "doc_to_choice: {y: \"no\", x: maybe}\ndoc_to_target: \"{{a}}\"\n",
            r#"{"q": "x", "a": " maybe"}"#,
            json!("B"),
        ),
        ("doc_to_choice: \"{{c.split(';')}}\"\ndoc_to_target: 0\n", r#"{"q": "x", "c": "u;v"}"#, json!("A")),
        (
            "doc_to_choice: \"['{{c}}', 'it\\\\'s']\"\ndoc_to_target: [0, 1]\n",
            r#"{"q": "x", "c": "u"}"#,
            json!(["A", "B"]),
        ),
        ("doc_to_choice: c\ndoc_to_target: a\n", r#"{"q": "x", "c": ["u", "v"], "a": true}"#, json!("B")),
    ];
    for (more, row, expected) in cases {
        let recorded = one(&format!("{settings}{more}"), row).unwrap();
        assert_eq!(recorded.bad, vec![], "{more}");
        assert_eq!(recorded.rows("t")[0]["expected"], expected, "{more}");
    }
    let bad = [
        (
            "doc_to_choice: c\ndoc_to_target: a\n",
            r#"{"q": "x", "c": ["u"], "a": 1}"#,
            "doc_to_target (line 8 of the task): is none of the choices",
        ),
        ("doc_to_choice: c\ndoc_to_target: 0\n", r#"{"q": "x"}"#, "doc_to_choice gives no list"),
        ("doc_to_choice: \"{{c}}\"\ndoc_to_target: 0\n", r#"{"q": "x", "c": []}"#, "doc_to_choice gives 0 choices"),
        (
            "doc_to_choice: c\ndoc_to_target: 0\n",
            r#"{"q": 1, "c": ["u"]}"#,
            "doc_to_text (line 6 of the task): gives the number of a choice",
        ),
        ("doc_to_target: 0\n", r#"{"q": "x"}"#, "doc_to_choice is missing"),
    ];
    for (more, row, reason) in bad {
        let recorded = one(&format!("{settings}{more}"), row).unwrap();
        assert!(
            recorded.bad.first().is_some_and(|(_, why)| why.starts_with(reason)),
            "{more}: {:?} {:?}",
            recorded.bad,
            recorded.examples
        );
    }
}

#[test]
fn a_template_is_kept_where_it_means_the_same_in_a_prompt() {
    let cases = [
        ("\"{{q}}\"", r#"{"q": "x"}"#, json!("x"), Value::Null),
        ("q", r#"{"q": "x"}"#, json!("x"), Value::Null),
        ("\"Q: {{ q }}\"", r#"{"q": 5}"#, json!("5"), json!("Q: {{ input }}")),
        ("\"{{ q }} {{ id }}\"", r#"{"q": "x", "id": 7}"#, json!("x 7"), Value::Null),
        (
            "\"{{ q }}, {{ r }}!\"",
            r#"{"q": "x", "r": "{{y}}"}"#,
            json!({"q": "x", "r": "{{y}}"}),
            json!("{{ q }}, {{ r }}!"),
        ),
        ("\"{{ q|upper }}\"", r#"{"q": "x"}"#, json!("X"), Value::Null),
        ("\"{{ q }}\\n\"", r#"{"q": "x"}"#, json!("x\n"), Value::Null),
        ("\"Q: {{ q }}\"", r#"{"q": null}"#, json!("Q: None"), Value::Null),
        ("\"Q: {{ q }}\"", r#"{"q": ["a", "b's", true]}"#, json!("Q: ['a', \"b's\", True]"), Value::Null),
        ("\"JSON: {x}\"", r#"{"q": "x"}"#, json!("JSON: {x}"), Value::Null),
    ];
    for (text, row, input, prompt) in cases {
        let recorded =
            one(&format!("doc_to_text: {text}\ndoc_to_target: a\n"), &row.replacen('{', "{\"a\": \"t\", ", 1)).unwrap();
        assert_eq!(
            (&recorded.rows("t")[0]["input"], recorded.suite("t").get("prompt").unwrap_or(&Value::Null)),
            (&input, &prompt),
            "{text}"
        );
    }
}

#[test]
fn metrics_and_filters_have_their_scorers_or_a_note() {
    let filter = |steps: &str| format!("filter_list:\n  - name: f\n    filter: [{steps}]\n");
    let cases: [(String, &str, Value); 13] = [
        (String::new(), "t", json!([{"name": "exact_match", "type": "exact", "normalize": []}])),
        (
            "metric_list: [{metric: f1}, {metric: chrf++}]\n".into(),
            "t",
            json!([{"name": "f1", "type": "token_f1"}, {"name": "chrf", "type": "chrf", "word_order": 2}]),
        ),
        ("metric_list: [{metric: bleurt}]\n".into(), "t", json!([{"type": "contains"}, {"type": "exact"}])),
        (
            filter("{function: lowercase}, {function: majority_vote}"),
            "t",
            json!([{"name": "exact_match-f", "type": "exact", "normalize": ["lowercase"], "reduce": "majority"}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"[A-D]\"}"),
            "t",
            json!([{"name": "exact_match-f", "type": "contains", "normalize": []}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"(?<=x)(y)\"}"),
            "t",
            json!([{"name": "exact_match-f", "type": "contains", "normalize": []}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"is ([a-z])\\\\.\"}"),
            "t",
            json!([{"name": "exact_match-f", "type": "regex", "pattern": "is {expected}\\."}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"(\\\\d)|(x)\"}"),
            "5",
            json!([{"name": "exact_match-f", "type": "numeric"}]),
        ),
        (
            "metric_list: [{metric: exact_match, regexes_to_ignore: [\",\"]}]\n".into(),
            "1,000",
            json!([{"name": "exact_match", "type": "numeric"}]),
        ),
        ("process_results: !function utils.f\n".into(), "5", json!([{"type": "numeric"}])),
        (
            "metric_list: [{metric: exact_match, regexes_to_ignore: [\"(?=x)\", \"!\"]}]\n".into(),
            "hi!",
            json!([{"name": "exact_match", "type": "exact", "normalize": []}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"({{x}})\"}"),
            "t",
            json!([{"name": "exact_match-f", "type": "regex", "pattern": "\\b{start-half}{expected}\\b{end-half}"}]),
        ),
        (
            filter("{function: regex, regex_pattern: \"{{x}}(y)\"}"),
            "t",
            json!([{"name": "exact_match-f", "type": "contains", "normalize": []}]),
        ),
    ];
    for (settings, answer, scorers) in cases {
        let recorded = one(
            &format!("doc_to_text: q\ndoc_to_target: a\n{settings}"),
            &format!("{{\"q\": \"x\", \"a\": \"{answer}\"}}"),
        )
        .unwrap();
        assert_eq!(recorded.suite("t")["scorers"], scorers, "{settings}");
    }
}

#[test]
fn examples_to_show_come_from_a_list_or_are_noted() {
    let shown = |more: &str| {
        let settings =
            format!("doc_to_text: \"Q: {{{{q}}}}\\nA:\"\ndoc_to_target: \"{{{{a}}}}\"\nnum_fewshot: 1\n{more}");
        one(&settings, "{\"q\": \"x\", \"a\": \"y\"}").unwrap()
    };
    let samples = "fewshot_config: {sampler: first_n, samples: [{q: \"{{1}}\", a: two}, {q: three, a: four}]}\n";
    assert_eq!(shown(samples).suite("t")["prompt"], "Q: {{ '{{' }}1}}\nA: two\n\nQ: {{ input }}\nA:");
    for (more, why) in [
        ("", "at random"),
        ("fewshot_config: {sampler: first_n}\n", "no split of which examples can be shown"),
        ("fewshot_config: {sampler: first_n, samples: !function utils.samples}\n", "come from Python code"),
        ("fewshot_config: {sampler: first_n, doc_to_text: x}\n", "templates of its own"),
        ("fewshot_config: {sampler: first_n, samples: [{q: 1}]}\n", "cannot be rendered"),
        ("fewshot_config: {sampler: first_n, split: dev}\n", "names no data_files of the split dev"),
    ] {
        let recorded = shown(more);
        assert_eq!(recorded.suite("t")["prompt"], "Q: {{ input }}\nA:");
        let note = recorded.notes.iter().find(|note| note.what == "num_fewshot").unwrap();
        assert!(note.line == 7 && note.why.contains(why), "{more}: {note:?}");
    }
}

#[test]
fn tasks_of_which_too_little_is_left_are_refused_with_their_line() {
    let cases = [
        ("doc_to_target: a\n", "t.yaml: doc_to_text is missing"),
        (
            "doc_to_text: q\ndoc_to_target: a\nprocess_docs: !function utils.f\n",
            "t.yaml:7: process_docs is Python code",
        ),
        ("doc_to_text: q\ndoc_to_target: a\nclass: !function task.T\n", "t.yaml:7: class is not carried over"),
        (
            "doc_to_text: q\ndoc_to_target: a\noutput_type: loglikelihood_rolling\n",
            "t.yaml:7: output_type is loglikelihood_rolling",
        ),
        ("doc_to_text: q\ndoc_to_target: a\ninclude: none.yaml\n", "none.yaml"),
        ("doc_to_text: q\ndoc_to_target: a\ninclude: t.yaml\n", "includes itself"),
        ("doc_to_text: [\n", "is not valid YAML"),
    ];
    for (settings, expected) in cases {
        let failure = one(settings, "{\"q\": \"x\", \"a\": \"y\"}").unwrap_err();
        assert!(failure.message.contains(expected), "{settings}: {failure:?}");
    }
    let empty = one("doc_to_text: q\ndoc_to_target: a\n", "").unwrap_err();
    assert!(empty.message.ends_with("t.yaml: the data of the task contain no rows"), "{empty:?}");
    let recorded = one("doc_to_text: q\ndoc_to_target: a\nsurprise: 1\n", "{\"q\": \"x\", \"a\": \"y\"}").unwrap();
    assert_eq!(recorded.noted(), [(7, "surprise")]);
    let recorded = one("doc_to_text: \"{{z}}\"\ndoc_to_target: a\n", "{\"q\": \"x\", \"a\": \"y\"}").unwrap();
    assert!(recorded.bad[0].1.starts_with("doc_to_text (line 5 of the task): `z` is undefined"), "{:?}", recorded.bad);
}

#[test]
fn a_folder_without_a_readable_task_says_why() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "task: a\ndoc_to_text: q\n").unwrap();
    fs::write(folder.path().join("b.yaml"), "x: 1\n").unwrap();
    let failure = Recorded::read(&LmEval, folder.path()).unwrap_err();
    assert!(failure.message.ends_with("no task can be carried over"), "{failure:?}");
    assert!(
        failure.details.len() == 1 && failure.details[0].ends_with("a.yaml: doc_to_target is missing"),
        "{failure:?}"
    );
}

#[test]
fn data_are_found_where_the_task_says() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("tasks/deep")).unwrap();
    fs::create_dir_all(folder.path().join("rows/data")).unwrap();
    for name in ["rows/part-1.jsonl", "rows/part-2.jsonl", "rows/data/test-00000-of-00001.jsonl"] {
        fs::write(folder.path().join(name), "{\"q\": \"x\", \"a\": \"y\"}\n").unwrap();
    }
    let keyed = json!({"data": [], "mine": [{"q": "x", "a": "y"}, {"q": "z", "a": "y"}]}).to_string();
    fs::write(folder.path().join("rows/keyed.json"), keyed).unwrap();
    let path = folder.path().join("tasks/deep/t.yaml");
    let read = |settings: &str| {
        fs::write(&path, format!("task: t\ndoc_to_text: q\ndoc_to_target: a\n{settings}")).unwrap();
        Recorded::read(&LmEval, &path).map(|recorded| recorded.examples.len())
    };
    let cases = [
        ("dataset_path: json\ndataset_kwargs: {data_files: rows/part-1.jsonl}\ntest_split: train\n", Ok(1)),
        ("dataset_path: json\ndataset_kwargs: {data_files: \"../../rows/part-*.jsonl\"}\ntest_split: train\n", Ok(2)),
        (
            "dataset_path: json\ndataset_kwargs: {data_files: {train: [part-1.jsonl, part-2.jsonl]}, data_dir: rows}\ntest_split: \"train[:5]\"\n",
            Ok(2),
        ),
        ("dataset_path: ../../rows\nvalidation_split: test\n", Ok(1)),
        ("dataset_path: ../../rows/part-1.jsonl\ntest_split: test\n", Ok(1)),
        ("dataset_path: ../../rows\ntest_split: dev\n", Err("a file whose name begins with \"dev\"")),
        ("dataset_path: json\ntest_split: test\n", Err("needs dataset_kwargs with data_files")),
        (
            "dataset_path: json\ndataset_kwargs: {data_files: none.jsonl}\ntest_split: test\n",
            Err("names the file none.jsonl, which is not found"),
        ),
        (
            "dataset_path: json\ndataset_kwargs: {data_files: \"https://example.org/a.json\"}\ntest_split: test\n",
            Err("karat downloads no data sets"),
        ),
        ("dataset_path: json\ndataset_kwargs: {data_files: rows/keyed.json, field: mine}\ntest_split: train\n", Ok(2)),
        (
            "dataset_path: json\ndataset_kwargs: {data_files: {test: 7}}\ntest_split: test\n",
            Err("data_files that are no file names"),
        ),
        ("dataset_path: json\n", Err("neither test_split nor validation_split")),
        ("test_split: test\n", Err("dataset_path is missing")),
    ];
    for (settings, expected) in cases {
        match (read(settings), expected) {
            (Ok(rows), Ok(expected)) => assert_eq!(rows, expected, "{settings}"),
            (Err(failure), Err(expected)) => assert!(failure.message.contains(expected), "{settings}: {failure:?}"),
            (found, expected) => panic!("{settings}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_file_that_is_not_in_the_task_s_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tasks")).unwrap();
    fs::write(folder.path().join("rows.jsonl"), "{\"q\": \"x\", \"a\": \"y\"}\n").unwrap();
    let path = folder.path().join("tasks/t.yaml");
    let settings = "task: t\ndoc_to_text: q\ndoc_to_target: a\ndataset_path: json\n\
                    dataset_kwargs: {data_files: rows.jsonl}\ntest_split: train\n";
    fs::write(&path, settings).unwrap();
    let recorded = Recorded::read(&LmEval, &path).unwrap();
    let note = &recorded.notes[0];
    assert_eq!((note.line, note.what.as_str()), (5, "dataset_kwargs: rows.jsonl"));
    let found = fs::canonicalize(folder.path().join("rows.jsonl")).unwrap();
    assert!(note.why.contains(&found.display().to_string()), "{note:?}");
}

#[test]
fn a_pattern_of_too_many_files_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..=10_000 {
        fs::write(folder.path().join(format!("{number}.jsonl")), "{\"q\": \"x\", \"a\": \"y\"}\n").unwrap();
    }
    let path = folder.path().join("t.yaml");
    let settings = "task: t\ndoc_to_text: q\ndoc_to_target: a\ndataset_path: json\n\
                    dataset_kwargs: {data_files: \"*.jsonl\"}\ntest_split: train\n";
    fs::write(&path, settings).unwrap();
    let recorded = Recorded::read(&LmEval, &path).unwrap();
    assert_eq!(recorded.examples.len(), 10_000);
    let note = &recorded.notes[0];
    assert_eq!((note.line, note.what.as_str()), (5, "data_files: *.jsonl"));
    assert!(note.why.contains("more than 10000 files"), "{note:?}");
}

#[test]
fn numbers_that_a_pattern_extracts_are_compared_as_numbers() {
    let gsm8k = r"#### (\-?[0-9\.\,]+)";
    let cot = r"The answer is (\-?[0-9\.\,]+).";
    let cases = [
        (gsm8k, "1234", "#### 1,234", 1.0),
        (gsm8k, "1,234", "#### 1234.", 1.0),
        (gsm8k, "1234", "It is 1,234.", 0.0),
        (cot, "5", "The answer is 5.", 1.0),
        (cot, "5", "The answer is 50.", 0.0),
        (cot, "5", "It is 5.", 0.0),
        ("([-0-9]+)", "5", "It is 5.", 1.0),
        ("([-0-9]+)", "5", "25", 0.0),
        (r"boxed\{([0-9]+)\}", "5", r"\boxed{5}", 1.0),
        (r"boxed\{([0-9]+)\}", "5", r"\boxed{15}", 0.0),
    ];
    for (pattern, answer, output, expected) in cases {
        let settings = format!(
            "doc_to_text: q\ndoc_to_target: a\nmetric_list: [{{metric: exact_match, regexes_to_ignore: [',']}}]\n\
             filter_list:\n  - name: f\n    filter: [{{function: regex, regex_pattern: '{pattern}'}}]\n"
        );
        let recorded = one(&settings, &json!({"q": "x", "a": answer}).to_string()).unwrap();
        assert_eq!(recorded.scores("t", 0, output), [Some(expected)], "{pattern} {answer} {output}");
    }
}

#[test]
fn what_filters_and_options_lose_is_noted() {
    let noted = |settings: &str| {
        let recorded = one(&format!("doc_to_text: q\n{settings}"), "{\"q\": \"x\", \"a\": \"y\"}").unwrap();
        let notes = recorded.notes.iter().map(|note| format!("{} {}: {}", note.line, note.what, note.why));
        (notes.collect::<Vec<_>>().join("\n"), recorded.suite("t")["scorers"][0].clone())
    };
    let filter = "filter_list: [{name: f, filter: [{function: lowercase}]}]\n";
    let (notes, _) =
        noted(&format!("output_type: multiple_choice\ndoc_to_target: 0\ndoc_to_choice: [\"x\", \"y\"]\n{filter}"));
    assert!(notes.contains("9 filter_list: has no effect: the answer is the letter"), "{notes}");
    let (notes, _) = noted(&format!("doc_to_target: a\noutput_type: loglikelihood\n{filter}"));
    assert!(notes.contains("8 filter_list: has no effect: the answer has to begin"), "{notes}");
    let (notes, _) = noted(&format!("doc_to_target: a\nprocess_results: !function utils.f\n{filter}"));
    assert!(notes.contains("8 filter_list: has no effect on the scorers"), "{notes}");
    let (notes, scorer) = noted(
        "doc_to_target: a\nfilter_list: [{name: f, filter: [{function: regex, regex_pattern: is (.*)}, \
         {function: regex, regex_pattern: \"b([a-z])\"}]}]\n",
    );
    assert!(notes.contains("7 filter: f: regex: alone is carried over"), "{notes}");
    assert_eq!(scorer["pattern"], r"b{expected}\b{end-half}");
    let (notes, scorer) = noted(
        "doc_to_target: a\nmetric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true, \
         regexes_to_ignore: [\"!\"]}]\nfilter_list: [{name: f, filter: [{function: regex, regex_pattern: is (y) now}]}]\n",
    );
    assert!(notes.contains("7 metric: exact_match: regexes_to_ignore was applied to the accepted answers"), "{notes}");
    assert!(notes.contains("7 metric: exact_match: ignore_punctuation is not applied"), "{notes}");
    assert_eq!(scorer["pattern"], "is (?i:{expected}) now");
}

#[test]
fn examples_to_show_have_the_texts_of_their_choices_and_no_personal_data() {
    let settings = "doc_to_text: q\ndoc_to_target: a\nnum_fewshot: 101\n";
    let samples = "doc_to_choice: [\"no\", \"yes\"]\nfewshot_config: {sampler: first_n, samples: [{q: one, a: 1}]}\n";
    let recorded = one(&format!("{settings}{samples}"), "{\"q\": \"x\", \"a\": 0}").unwrap();
    assert_eq!(recorded.suite("t")["prompt"], "one yes\n\n{{ input }}");
    let note = recorded.notes.iter().find(|note| note.what == "num_fewshot").unwrap();
    assert!(note.line == 7 && note.why.starts_with("only the first 100 examples"), "{note:?}");
    let rows = "{\"q\": \"Write to jane.roe@example.org\", \"a\": \"y\"}";
    let shown = one(&format!("{settings}fewshot_config: {{sampler: first_n, split: test}}\n"), rows).unwrap();
    assert_eq!(shown.suite("t")["prompt"], "Write to [redacted:email] y\n\n{{ input }}");
}

#[test]
fn templates_have_the_methods_of_python() {
    let row = json!({"s": "  Ab c ", "l": ["x", "y"], "m": {"k": 1}, "n": null});
    let Value::Object(row) = row else { unreachable!() };
    let cases = [
        ("{{ s.strip() }}|{{ s.lstrip() }}|{{ s.rstrip('c ') }}", "Ab c|Ab c |  Ab"),
        ("{{ s.strip().lower() }} {{ s.strip().upper() }} {{ 'aBC'.capitalize() }}", "ab c AB C Abc"),
        ("{{ s.split()[1] }} {{ 'a,b,c'.split(',', 1)[1] }} {{ 'a\\nb'.splitlines()|length }}", "c b,c 2"),
        ("{{ 'aXb'.replace('X', '-') }} {{ 'é!'.find('!') }} {{ 'a'.find('z') }} {{ 'aba'.count('a') }}", "a-b 1 -1 2"),
        ("{{ 'ab'.startswith('a') }} {{ 'ab'.endswith('a') }} {{ '7'.isdigit() }}", "True False True"),
        ("{{ l.index('y') }} {{ l.count('x') }} {{ ', '.join(l) }}", "1 1 x, y"),
        (
            "{{ m.keys()|list }} {{ m.values()|list }} {{ m.get('k') }} {{ m.get('z', 'no') }} {% for k, v in m.items() %}{{ k }}={{ v }}{% endfor %}",
            "['k'] [1] 1 no k=1",
        ),
        ("{{ n }} {{ l }} {{ m }}", "None ['x', 'y'] {'k': 1}"),
        ("{{ 'a1b22'|regex_replace('([0-9]+)', '<\\\\1>$') }}", "a<1>$b<22>$"),
    ];
    let renderer = Renderer::new();
    for (template, expected) in cases {
        let text = renderer.value(&Template::Text(template.to_owned()), &row);
        assert_eq!(text, Ok(json!(expected)), "{template}");
    }
    for template in [
        "{{ l.index('z') }}",
        "{{ s.nothing() }}",
        "{{ 'a'.split('') }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000)|regex_replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000)|regex_replace('(.+)', '\\\\1' * 1000) }}",
        "{{ 'a'|regex_replace('(', '') }}",
        "{{ z }}",
        "{% for x in range(10000000) %}a{% endfor %}",
    ] {
        assert!(renderer.value(&Template::Text(template.to_owned()), &row).is_err(), "{template}");
    }
}

#[test]
fn lists_of_python_are_read() {
    let cases = [
        ("['a', \"b's\", 'it\\'s']", Some(json!(["a", "b's", "it's"]))),
        (" [1, -2.5, True, None, ] ", Some(json!([1, -2.5, true, null]))),
        ("['a,b', '\\n']", Some(json!(["a,b", "\n"]))),
        ("[]", Some(json!([]))),
        ("['a' 'b']", None),
        ("['a", None),
        ("[a]", None),
        ("text", None),
    ];
    for (text, expected) in cases {
        assert_eq!(python_list(text).map(Value::Array), expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_tasks_never_panic(
        settings in prop::collection::vec((
            prop::sample::select(vec!["doc_to_text", "doc_to_target", "doc_to_choice", "output_type", "metric_list", "filter_list", "num_fewshot", "fewshot_config", "description", "dataset_path", "repeats", "x"]),
            r#"[a-z]{0,5}|"\{\{[a-z.()'|\[\]]{0,10}\}\}"|\[(\{metric: exact_match, regexes_to_ignore: "[(\[a]{0,3}"\}|a|1)\]|multiple_choice|[0-9]{1,3}|\[\{name: n, filter: \[\{function: regex, regex_pattern: "[()|\[a]{0,5}"\}\]\}\]"#,
        ), 0..8),
        rows in r#"\PC{0,30}|\{"q": ("x"|1|null|\["a"\]), "a": ("y"|0|\["b"\])\}"#,
    ) {
        let mut keys = std::collections::BTreeMap::from([("doc_to_text", "q".to_owned()), ("doc_to_target", "a".to_owned())]);
        keys.extend(settings);
        let text: String = keys.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let _ = one(&text, &rows);
    }

    #[test]
    fn arbitrary_templates_never_panic(template in r"\PC{0,20}|\{\{ ?s\.[a-z]{1,8}\('[a-z]{0,2}'\)( ?\|[a-z]{1,6})? ?\}\}", text in "\\PC{0,10}") {
        let row = Map::from_iter([("s".to_owned(), json!(text))]);
        let _ = Renderer::new().value(&Template::new(&json!(template), &|name| name == "s"), &row);
        let _ = python_list(&template);
    }
}
