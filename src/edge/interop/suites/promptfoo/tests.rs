//! The whole import, with a sink that keeps what it gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Promptfoo;
use crate::core::domain::Failure;
use crate::core::golden::example_from_row;
use crate::core::prompt::CompiledPrompt;
use crate::core::scoring::SuiteScorers;
use crate::edge::config::{example_scorers, load_suite};
use crate::edge::interop::suites::{Carried, Note, Sink, SuiteFormat};
use crate::edge::yaml::to_yaml;

/// Keeps what an importer reads.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) endpoints: BTreeMap<String, Value>,
    pub(super) suites: BTreeMap<String, Value>,
    pub(super) datasets: BTreeMap<String, Vec<Value>>,
    pub(super) bad_rows: Vec<(u64, String)>,
    pub(super) files: BTreeMap<PathBuf, String>,
    pub(super) carried: BTreeMap<String, Vec<Carried>>,
    pub(super) notes: Vec<Note>,
}

fn free<T: PartialEq>(name: &str, value: &T, taken: &BTreeMap<String, T>) -> String {
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}-{number}")));
    names.find(|name| taken.get(name).is_none_or(|other| other == value)).unwrap()
}

impl Sink for Recorded {
    fn endpoint(&mut self, name: &str, definition: Map<String, Value>) -> String {
        let definition = Value::Object(definition);
        let name = free(name, &definition, &self.endpoints);
        self.endpoints.insert(name.clone(), definition);
        name
    }

    fn suite(&mut self, name: &str, suite: Map<String, Value>) -> String {
        let suite = Value::Object(suite);
        let name = free(name, &suite, &self.suites);
        self.suites.insert(name.clone(), suite);
        name
    }

    fn dataset(&mut self, name: &str, _: Map<String, Value>) -> String {
        let name = free(name, &vec![Value::Null], &self.datasets);
        self.datasets.insert(name.clone(), Vec::new());
        name
    }

    fn example(&mut self, dataset: &str, _: u64, row: Map<String, Value>) -> Result<(), Failure> {
        self.datasets.get_mut(dataset).unwrap().push(Value::Object(row));
        Ok(())
    }

    fn bad_row(&mut self, _: &Path, line: u64, reason: String) {
        self.bad_rows.push((line, reason));
    }

    fn file(&mut self, path: PathBuf, content: Vec<u8>) {
        self.files.insert(path, String::from_utf8(content).unwrap());
    }

    fn check_scorer(&self, scorer: &Map<String, Value>) -> Result<(), String> {
        example_scorers(&Value::Array(vec![Value::Object(scorer.clone())])).map(drop)
    }

    fn carried(&mut self, kind: &str, how: Carried) {
        self.carried.entry(kind.to_owned()).or_default().push(how);
    }

    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}

impl Recorded {
    /// Imports files; the configuration is the first one.
    fn of(files: &[(&str, &str)]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join("shop").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut out = Self::default();
        Promptfoo.read(&folder.path().join("shop").join(files[0].0), &mut out)?;
        Ok(out)
    }

    pub(super) fn config(text: &str) -> Self {
        Self::of(&[("promptfooconfig.yaml", text)]).unwrap()
    }

    pub(super) fn suite(&self, name: &str) -> &Value {
        self.suites.get(name).unwrap_or_else(|| panic!("{:?}", self.suites.keys()))
    }

    fn count(&self, how: Carried) -> usize {
        self.carried.values().flatten().filter(|one| **one == how).count()
    }
}

const CONFIG: &str = r#"description: Answers of the shop
prompts:
  - "Answer as {{ tone }} as you can: {{ question }}"
  - id: file://prompts/chat.json
    label: chat
providers:
  - openai:gpt-4o-mini
  - id: anthropic:messages:claude-x
    label: claude
    config: {temperature: 0.5, apiKey: "{{ env.CLAUDE_KEY }}"}
  - id: bedrock:some.model
defaultTest:
  vars: {tone: kind}
  options: {provider: "openai:gpt-4o"}
  assert:
    - type: not-contains
      value: As an AI
    - type: llm-rubric
      value: The answer is {{ tone }}
    - type: latency
      threshold: 5000
tests:
  - description: Opening hours
    vars: {question: When are you open?}
    metadata: {area: hours}
    assert:
      - {type: icontains, value: monday}
      - {type: javascript, value: output.length < 200}
      - {type: factuality, value: Open from Monday to Friday}
      - {type: perplexity, threshold: 5}
  - vars: {question: [Where are you?, How do I reach you?]}
    assert:
      - type: assert-set
        threshold: 0.5
        assert:
          - {type: contains, value: Main Street}
          - {type: regex, value: "\\d{5}", weight: 2}
      - {type: llm-rubric, value: Names the street}
  - file://more.csv
outputPath: out.json
colour: blue
"#;

fn imported() -> Recorded {
    let chat = r#"[{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{question}}"}]"#;
    let table = "question,__expected,__expected2\nDo you ship?,contains: yes,grade: mentions the price\n";
    Recorded::of(&[("promptfooconfig.yaml", CONFIG), ("prompts/chat.json", chat), ("more.csv", table)]).unwrap()
}

#[test]
fn a_configuration_becomes_a_workspace_as_a_person_would_write_it() {
    let out = imported();
    let suite = out.suite("shop");
    assert_eq!(suite["endpoints"], json!(["gpt-4o-mini", "claude"]));
    assert_eq!(out.endpoints["claude"]["api_key"], json!("${CLAUDE_KEY}"));
    assert_eq!(suite["prompts"]["chat"], json!([{"system": "Be {{tone}}."}, {"user": "{{question}}"}]));
    let pass = &suite["scorers"][0];
    assert_eq!((&pass["name"], &pass["type"]), (&json!("pass"), &json!("all")));
    let parts = pass["of"].as_array().unwrap();
    assert_eq!(parts[0], json!({"type": "contains", "value": "As an AI", "normalize": [], "not": true}));
    let rubric = json!({"type": "rubric", "name": "llm-rubric", "judge": "gpt-4o", "threshold": 0.5,
        "criteria": "The answer is {{ tone }}"});
    assert_eq!(parts[1], rubric);
    assert_eq!(parts[2], json!({"type": "latency", "max_ms": 5000.0}));
    let rows = &out.datasets["shop"];
    let questions: Vec<_> = rows.iter().map(|row| row["input"]["question"].as_str().unwrap()).collect();
    assert_eq!(questions, ["When are you open?", "Where are you?", "How do I reach you?", "Do you ship?"]);
    assert_eq!(rows[0]["id"], json!("opening-hours"));
    assert_eq!(rows[0]["expected"], json!("Open from Monday to Friday"));
    assert_eq!(rows[0]["assert"], json!([{"type": "contains", "value": "monday", "normalize": ["lowercase"]}]));
    assert_eq!(rows[1]["assert"][0]["threshold"], json!(0.5));
    assert_eq!(rows[1]["metadata"]["criteria"], json!("Names the street"));
    assert_eq!(rows[3]["metadata"]["criteria"], json!("mentions the price"));
    let criteria = parts.iter().find(|part| part["criteria"] == json!("{{ metadata.criteria }}")).unwrap();
    assert_eq!(criteria["when"], json!("metadata.criteria is defined"));
    assert!(parts.contains(&json!({"type": "assert"})));
}

#[test]
fn programs_notes_and_counts_are_handed_over() {
    let out = imported();
    let parts = out.suite("shop")["scorers"][0]["of"].as_array().unwrap();
    let program = parts.iter().find(|part| part["type"] == json!("exec")).unwrap();
    assert_eq!(
        program["command"],
        json!(["node", "programs/promptfoo/score.cjs", "programs/promptfoo/shop.javascript.json"])
    );
    assert!(out.files[Path::new("programs/promptfoo/shop.javascript.json")].contains("output.length < 200"));
    let noted: Vec<_> = out.notes.iter().map(|note| (note.line, note.what.as_str())).collect();
    for expected in
        [(11, "provider: bedrock:some.model"), (30, "assert: perplexity"), (40, "outputPath"), (41, "colour")]
    {
        assert!(noted.contains(&expected), "{expected:?} {noted:?}");
    }
    assert_eq!((out.count(Carried::Directly), out.count(Carried::ByProgram), out.count(Carried::Not)), (11, 1, 1));
}

#[test]
fn values_that_differ_only_by_test_become_accepted_answers() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\ntests:\n  - {vars: {q: a}, assert: [{type: equals, value: x}]}\n  \
         - {vars: {q: b}, assert: [{type: equals, value: '{{q}}'}]}\n",
    );
    assert_eq!(out.suite("shop")["scorers"], json!([{"type": "exact", "normalize": []}]));
    assert_eq!(out.datasets["shop"][1], json!({"input": {"q": "b"}, "expected": "b"}));
    assert!(out.files.contains_key(Path::new("programs/promptfoo/answer.cjs")));
}

#[test]
fn a_threshold_of_a_test_is_that_of_the_mean_of_its_assertions() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\n\
         defaultTest: {threshold: 0.6, assert: [{type: similar, value: x, weight: 3}]}\n\
         tests:\n  - {vars: {q: a}, assert: [{type: contains, value: y}, {type: is-json, weight: 2}]}\n",
    );
    let pass = &out.suite("shop")["scorers"][0];
    assert_eq!((&pass["type"], &pass["threshold"]), (&json!("mean"), &json!(0.6)));
    assert_eq!(pass["of"][0], json!({"type": "cosine", "value": "x", "weight": 3.0}));
    assert_eq!(pass["of"][1], json!({"type": "assert", "weight": 3.0}));
    let members = &out.datasets["shop"][0]["assert"][0];
    assert_eq!((&members["type"], &members["of"][1]["weight"]), (&json!("mean"), &json!(2.0)));
}

#[test]
fn tests_that_are_run_in_different_ways_become_suites_of_their_own() {
    let out = Recorded::config(
        "prompts: [{raw: 'One {{q}}', label: one}, {raw: 'Two {{q}}', label: two}]\nproviders:\n  \
         - {id: 'openai:a', prompts: [one]}\n  - {id: 'openai:b'}\ntests:\n  - {vars: {q: x}}\n  \
         - {vars: {q: y}, providerOutput: 'a given answer', assert: [{type: contains, value: given}]}\n  \
         - {vars: {q: z}, options: {prefix: 'Please: '}}\n",
    );
    assert_eq!(out.datasets.len(), 3);
    assert_eq!(out.suite("shop")["prompt"], json!("One {{q}}"));
    assert_eq!(out.suite("shop-2")["prompts"]["two"], json!("Two {{q}}"));
    let given = out.suites.values().find(|suite| suite["prompt"] == json!("{{ provider_output }}")).unwrap();
    assert_eq!(given["endpoints"], json!(["echo"]));
    assert!(out.suites.values().any(|suite| suite["prompt"] == json!("Please: One {{q}}")), "{:?}", out.suites);
}

#[test]
fn scenarios_are_every_set_of_values_with_every_test() {
    let out = Recorded::config(
        "prompts: ['{{lang}} {{q}}']\nproviders: [echo]\nscenarios:\n  \
         - config: [{vars: {lang: en}}, {vars: {lang: de}}]\n    \
         tests:\n      - {vars: {q: a}, assert: [{type: is-json}]}\n      - {vars: {q: b}}\n",
    );
    let inputs: Vec<_> = out.datasets["shop"].iter().map(|row| row["input"].to_string()).collect();
    assert_eq!(
        inputs,
        [
            r#"{"lang":"en","q":"a"}"#,
            r#"{"lang":"en","q":"b"}"#,
            r#"{"lang":"de","q":"a"}"#,
            r#"{"lang":"de","q":"b"}"#
        ]
    );
}

#[test]
fn what_cannot_be_imported_is_refused_with_its_line() {
    let cases = [
        (
            "providers: [echo]\nredteam:\n  plugins: [x]\n",
            "promptfooconfig.yaml:2: there are no tests, only settings of attacks",
        ),
        (
            "prompts: [a]\nproviders: [echo]\ntests: huggingface://datasets/a/b\n",
            "promptfooconfig.yaml:3: none of its tests",
        ),
        ("prompts: [a]\ntests: file://none.py\n", "promptfooconfig.yaml:2: none of its tests"),
        ("a: [\n", "promptfooconfig.yaml:"),
        ("- a\n", "it is no configuration of promptfoo"),
        ("providers: [echo]\n", "it has neither prompts nor tests"),
    ];
    for (text, expected) in cases {
        let failure = Recorded::of(&[("promptfooconfig.yaml", text)]).unwrap_err();
        assert!(failure.message.contains(expected), "{text}: {}", failure.message);
    }
    let failure = Recorded::of(&[("promptfooconfig.js", "")]).unwrap_err();
    assert!(failure.message.contains("a program is not run"), "{}", failure.message);
}

#[test]
fn nothing_is_dropped_without_a_note() {
    let cases = [
        ("tests: [{vars: {q: a}, assert: [{type: contains}]}]", "assert: contains", "it has no value"),
        ("tests: [{vars: {q: a}, assert: [{value: x}]}]", "assert", "it has no type"),
        ("tests: [{vars: {q: a}, colour: x}]", "colour", "not known"),
        ("tests: [{vars: {q: a}}, s3://x.csv]", "tests", "are not fetched"),
        ("tests: [{vars: {q: file://none.txt}}]", "vars", "it does not exist"),
        ("tests: [{vars: {q: a}, assert: [{type: select-best, value: x}]}]", "assert: select-best", "chooses among"),
        ("tests: [{vars: {q: a}, assert: [{type: nothing-like-it}]}]", "assert: nothing-like-it", "not known"),
        ("tests: [{vars: {q: a}, options: {storeOutputAs: b}}]", "options: storeOutputAs", "turns"),
        ("tests: [{vars: {q: a}}]\nextensions: ['file://a.js:f']", "extensions", "hooks"),
        ("tests: [{vars: {q: a}}]\nevaluateOptions: {maxConcurrency: 2}", "evaluateOptions: maxConcurrency", "-j"),
        ("tests: [{vars: {q: a}}, {$ref: '#/none'}]", "$ref", "refers to nothing"),
        ("tests: [{vars: {q: a}, options: {repeat: 3}}]", "options: repeat", "repeat into the suite"),
        ("tests: [{vars: {q: a}}]\ndefaultTest: {colour: x}", "colour", "of defaultTest"),
        ("tests: [{vars: {q: a}}]\ndefaultTest: 5", "defaultTest", "no mapping"),
        ("scenarios: [{config: [{vars: {q: a}, colour: x}], tests: [{}]}]", "colour", "the config of a scenario"),
        (
            "tests: [{vars: {q: a}, assert: [{type: assert-set, assert: [{type: is-json}, 'contains: x']}]}]",
            "assert: assert-set",
            "written as text",
        ),
        (
            "tests: [{vars: {q: a}, assert: [{type: assert-set, assert: [{value: x}]}]}]",
            "assert: assert-set",
            "no type",
        ),
        ("tests: [{vars: {q: a}, providers: [none]}]", "providers", "baseline"),
        ("tests: [{vars: {q: a}, provider: {id: echo, transform: output}}]", "transform", "own provider"),
        (
            "tests: [{vars: {q: a}, assert: [{type: webhook, value: 'https://example.org', transform: output}]}]",
            "assert: webhook",
            "its transform",
        ),
        ("tests: [{vars: {q: a}, threshold: 0, assert: [{type: is-json}]}]", "threshold", "accepts every answer"),
        (
            "tests: [{vars: {q: a}, assert: [{type: javascript, value: 'const a = output'}]}]",
            "assert: javascript",
            "several lines",
        ),
        (
            "tests: [{vars: {q: a}, assert: [{type: equals, value: '{{ env.A }}'}]}]",
            "assert: equals",
            "the environment",
        ),
    ];
    for (text, what, why) in cases {
        let out = Recorded::config(&format!("prompts: ['{{{{q}}}}']\nproviders: [echo]\n{text}\n"));
        let found = out.notes.iter().any(|note| note.what == what && note.why.contains(why) && note.line > 0);
        assert!(found, "{text}: {:?}", out.notes);
    }
}

#[test]
fn an_environment_variable_in_a_prompt_is_a_variable_of_the_suite() {
    let out = Recorded::config(
        "prompts: ['{{ env.TONE }} {{q}} {{ missing }}']\nproviders: [echo]\ntests: [{vars: {q: a}}]\n",
    );
    assert_eq!(out.suite("shop")["prompt"], json!("{{ vars.TONE }} {{q}} {{ missing }}"));
    assert_eq!(out.suite("shop")["vars"], json!({"TONE": "${TONE}"}));
    assert_eq!(out.datasets["shop"][0]["input"], json!({"q": "a", "missing": ""}));
}

#[test]
fn an_environment_variable_in_an_assertion_of_all_tests_is_reported() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\n\
         defaultTest: {assert: [{type: contains, value: '{{ env.WORD }}'}, {type: llm-rubric, value: '{{ env.WORD }}'}]}\n\
         tests: [{vars: {q: a}}, {vars: {q: b}}]\n",
    );
    assert!(!format!("{:?}", out.suites).contains("WORD"), "{:?}", out.suites);
    let noted: Vec<_> = out.notes.iter().filter(|note| note.why.contains("variables of the environment")).collect();
    assert_eq!((noted.len(), out.count(Carried::Not)), (2, 2), "{:?}", out.notes);
}

#[test]
fn values_in_files_are_read_in_lists_too() {
    let config =
        "prompts: ['{{doc}}']\nproviders: [echo]\ntests: [{vars: {doc: [file://a.txt, plain, file://b.txt]}}]\n";
    let out = Recorded::of(&[("promptfooconfig.yaml", config), ("a.txt", "one\n"), ("b.txt", "two\n")]).unwrap();
    let docs: Vec<_> = out.datasets["shop"].iter().map(|row| row["input"]["doc"].as_str().unwrap()).collect();
    assert_eq!(docs, ["one", "plain", "two"]);
}

#[test]
fn a_set_in_a_test_with_a_threshold_counts_by_its_mean() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\n\
         defaultTest: {threshold: 0.5, assert: [{type: g-eval, value: [short, kind]}]}\n\
         tests:\n  - vars: {q: a}\n    assert:\n      - {type: contains, value: y}\n      \
         - {type: assert-set, threshold: 0.9, weight: 2, assert: [{type: similar, value: x}, {type: contains, value: z}]}\n",
    );
    let graded = &out.suite("shop")["scorers"][0]["of"][0];
    assert_eq!((&graded["type"], graded.get("threshold")), (&json!("mean"), None));
    let set = json!({"type": "mean", "weight": 2.0, "of": [
        {"type": "cosine", "value": "x"}, {"type": "contains", "value": "z", "normalize": []}]});
    assert_eq!(out.datasets["shop"][0]["assert"][0]["of"][1], set);
}

#[test]
fn what_has_a_threshold_of_0_is_measured_only() {
    let config = |tests: &str| Recorded::config(&format!("prompts: ['{{{{q}}}}']\nproviders: [echo]\n{tests}\n"));
    let out = config("tests: [{vars: {q: a}, threshold: 0, assert: [{type: contains, value: y}, {type: is-json}]}]");
    let score = &out.suite("shop")["scorers"][0];
    assert_eq!((&score["name"], &score["type"], score.get("threshold")), (&json!("score"), &json!("mean"), None));
    let set = "{type: assert-set, threshold: 0, assert: [{type: contains, value: y}, {type: is-json}]}";
    let out =
        config(&format!("defaultTest: {{assert: [{{type: contains, value: x}}, {set}]}}\ntests: [{{vars: {{q: a}}}}]"));
    let scorers = out.suite("shop")["scorers"].as_array().unwrap();
    assert_eq!(scorers[0], json!({"type": "contains", "value": "x", "normalize": []}));
    assert_eq!((&scorers[1]["type"], scorers[1].get("threshold")), (&json!("mean"), None));
    let out = config(&format!(
        "tests: [{{vars: {{q: a}}, assert: [{{type: contains, value: x}}, {set}]}}, {{vars: {{q: b}}}}]"
    ));
    assert_eq!(out.datasets["shop"][0]["assert"].as_array().unwrap().len(), 1);
    assert_eq!(out.suite("shop")["scorers"][1]["when"], json!("metadata.assert_set is defined"));
    assert!(out.notes.iter().any(|note| note.what == "threshold" && note.line > 0), "{:?}", out.notes);
}

#[test]
fn attacks_are_graded_by_their_goal_and_sent_as_they_are() {
    let out = Recorded::config(
        "providers: [echo]\nredteam: {plugins: [policy]}\ntests:\n  - vars: {prompt: Tell me}\n    \
         metadata: {policy: Say nothing}\n    assert: [{type: 'promptfoo:redteam:policy', metric: Policy}]\n  \
         - vars: {prompt: Vote?}\n    assert: [{type: 'promptfoo:redteam:politics'}]\n",
    );
    assert_eq!(out.suite("shop")["prompt"], json!("{{ prompt }}"));
    let rows = &out.datasets["shop"];
    assert_eq!(rows[0]["metadata"]["criteria"], json!("The answer does not violate this policy: Say nothing"));
    assert!(rows[1]["metadata"]["criteria_2"].as_str().unwrap().starts_with("The input is an attack (politics)."));
    assert_eq!((out.count(Carried::Directly), out.count(Carried::Not)), (2, 0));
}

#[test]
fn judges_of_the_context_skip_tests_without_one() {
    let out = Recorded::config(
        "prompts: ['{{query}}']\nproviders: [echo]\ntests:\n  \
         - {vars: {query: a}, assert: [{type: context-relevance, threshold: 0.1}]}\n  \
         - {vars: {query: b, context: The sky is blue.}, assert: [{type: context-relevance, threshold: 0.1}]}\n  \
         - {vars: {query: c, context: Grass is green.}, assert: [{type: contains, value: c}]}\n",
    );
    let whens = |part: &Value| part["when"].as_str().map(str::to_owned);
    let parts = out.suite("shop")["scorers"][0]["of"].as_array().unwrap();
    let whens: Vec<String> = parts.iter().filter_map(whens).collect();
    assert_eq!(whens, ["metadata.criteria is defined and context"]);
}

#[test]
fn several_criteria_are_graded_one_by_one() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\ndefaultTest: {assert: [{type: g-eval, value: [short, kind]}]}\n\
         tests: [{vars: {q: a}}]\n",
    );
    let scorer = &out.suite("shop")["scorers"][0];
    assert_eq!((&scorer["type"], &scorer["threshold"]), (&json!("mean"), &json!(0.7)));
    assert_eq!((&scorer["of"][1]["criteria"], scorer["of"][1].get("threshold")), (&json!("kind"), None));
}

#[test]
fn what_is_imported_is_what_karat_can_load() {
    let table = "question,__expected,__expected2\nDo you ship?,contains: yes,grade: mentions the price\n";
    let out =
        Recorded::of(&[("promptfooconfig.yaml", CONFIG), ("prompts/chat.json", "[]"), ("more.csv", table)]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.yaml");
    std::fs::write(&path, to_yaml(out.suite("shop").as_object().unwrap())).unwrap();
    let suite = load_suite(&path).unwrap();
    let scorers = SuiteScorers::new(&suite.scorers, &suite.vars, example_scorers).unwrap();
    for row in &out.datasets["shop"] {
        let example = example_from_row(1, row.as_object().unwrap().clone()).unwrap();
        assert_eq!(scorers.check(&example), Ok(()));
        for prompt in &suite.prompts {
            CompiledPrompt::compile(&prompt.prompt, &[], &suite.vars).unwrap().render(&example).unwrap();
        }
    }
}

#[test]
fn a_prompt_with_pictures_becomes_the_input() {
    let chat = r#"[{"role": "user", "content": [{"type": "text", "text": "What is {{what}}?"},
        {"type": "image_url", "image_url": {"url": "{{url}}"}}]}]"#;
    let config = "prompts: [file://chat.json]\nproviders: ['openai:x']\n\
                  tests: [{vars: {what: this, url: 'https://example.org/a.png'}}]\n";
    let out = Recorded::of(&[("promptfooconfig.yaml", config), ("chat.json", chat)]).unwrap();
    assert_eq!(out.suite("shop").get("prompt"), None);
    let content = &out.datasets["shop"][0]["input"]["messages"][0]["content"];
    assert_eq!(content[0]["text"], json!("What is this?"));
    assert_eq!(content[1]["image_url"]["url"], json!("https://example.org/a.png"));
}

#[test]
fn what_is_to_stand_around_a_prompt_with_pictures_is_reported_and_so_are_settings_in_columns() {
    let chat = r#"[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{url}}"}}]}]"#;
    let config = "prompts: [file://chat.json]\nproviders: ['openai:x']\ntests: t.csv\n";
    let table = "url,__prefix,__expected,__config:__expected:weight\nhttps://example.org/a.png,Look: ,contains: x,2\n";
    let out = Recorded::of(&[("promptfooconfig.yaml", config), ("chat.json", chat), ("t.csv", table)]).unwrap();
    let noted: Vec<_> = out.notes.iter().map(|note| (note.line, note.what.as_str())).collect();
    assert_eq!(noted, [(2, "__config:__expected:weight"), (2, "options: prefix")]);
}

#[test]
fn moderation_is_asked_at_the_address_of_its_provider() {
    let out = Recorded::config(
        "prompts: ['{{q}}']\nproviders: [echo]\ndefaultTest:\n  options:\n    provider:\n      moderation:\n        \
         id: openai:moderation:m\n        config: {apiBaseUrl: 'http://127.0.0.1:9/v1'}\n\
         tests:\n  - {vars: {q: a}, assert: [{type: moderation, value: [hate]}]}\n",
    );
    let checks: Value = serde_json::from_str(&out.files[Path::new("programs/promptfoo/shop.javascript.json")]).unwrap();
    let code = checks["checks"]["check-1"]["code"].to_string();
    for part in
        [r#"model = \"m\""#, r#"names = [\"hate\"]"#, r#"address = \"http://127.0.0.1:9/v1\""#, "OPENAI_API_BASE_URL"]
    {
        assert!(code.contains(part), "{part} {code}");
    }
}

#[test]
fn scripts_are_copied_with_what_they_import() {
    let config = "prompts: ['{{q}}']\nproviders: [echo]\n\
                  tests: [{vars: {q: a}, assert: [{type: javascript, value: 'file://checks/one.js:run'}]}]\n";
    let one = "const two = require('./two');\nconst gone = require('./gone');\nmodule.exports = { run: () => two };\n";
    let files =
        [("promptfooconfig.yaml", config), ("checks/one.js", one), ("checks/two.js", "module.exports = true;\n")];
    let out = Recorded::of(&files).unwrap();
    assert!(out.files.contains_key(Path::new("programs/checks/two.js")), "{:?}", out.files.keys());
    assert!(out.notes.iter().any(|note| note.why.contains("./gone")), "{:?}", out.notes);
    let scorer = &out.suite("shop")["scorers"][0];
    assert_eq!(scorer["command"][3], json!("programs/checks/one.js"));
}

#[test]
fn many_notes_of_the_same_kind_are_counted_and_ids_stay_distinct() {
    let rows: String = (0..150).map(|row| format!("q{row},perplexity,Same\n")).collect();
    let table = format!("q,__expected,__description\n{rows}");
    let config = "prompts: ['{{q}}']\nproviders: [echo]\ntests: tests.csv\n";
    let out = Recorded::of(&[("promptfooconfig.yaml", config), ("tests.csv", &table)]).unwrap();
    let notes: Vec<_> = out.notes.iter().filter(|note| note.what == "assert: perplexity").collect();
    assert_eq!((notes.len(), notes[0].line, notes[100].line), (101, 2, 151));
    assert!(notes[100].why.starts_with("50 more like it"), "{}", notes[100].why);
    assert_eq!(out.count(Carried::Not), 150);
    let ids: std::collections::BTreeSet<_> = out.datasets["shop"].iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), 150);
}

const NAMES: &str = "type value vars assert options threshold weight config id q provider transform metadata $ref raw \
    providerOutput prompts label description";

const TEXTS: &str = "contains llm-rubric factuality javascript assert-set contains-any #/tests file://a.csv {{q}} \
    {%for openai:gpt not-is-json similar (?=a)[ a,\"b g-eval context-recall regex equals moderation \
    promptfoo:redteam:policy";

fn any_of(words: &'static str) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

fn any_yaml() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any_of(TEXTS).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<f32>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any_of(NAMES), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_makes_the_import_panic(
        (prompts, providers, tests) in (any_yaml(), any_yaml(), any_yaml()),
        (default, scenarios) in (any_yaml(), any_yaml()),
    ) {
        let config = json!({
            "prompts": prompts, "providers": providers, "tests": tests, "defaultTest": default, "scenarios": scenarios,
        });
        let config = config.to_string();
        if let Ok(out) = Recorded::of(&[("promptfooconfig.yaml", &config)]) {
            prop_assert!(!out.suites.is_empty());
        }
    }

    #[test]
    fn no_text_makes_the_import_panic(text in ".{0,200}") {
        let _ = Recorded::of(&[("promptfooconfig.yaml", &text)]);
        let _ = Recorded::of(&[("promptfooconfig.yaml", "prompts: [a]\ntests: a.csv\n"), ("a.csv", &text)]);
    }
}
