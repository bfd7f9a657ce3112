//! Assertions and providers that are programs, and the programs that run them for karat.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::super::Sink;
use super::javascript;
use super::tree::object;

/// The folder of programs in a workspace.
pub(super) const FOLDER: &str = "programs";

/// The folder of the programs that run those of promptfoo.
pub(super) const RUNNERS: &str = "promptfoo";

/// Placeholders that the programs fill in themselves.
static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{-?\s*[\w.]+\s*-?\}\}").ok());

/// The language of an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    /// JavaScript, run by Node.
    JavaScript,
    /// Python.
    Python,
}

impl Language {
    /// The language of a type of assertion.
    pub(super) fn of_type(base: &str) -> Option<Self> {
        match base {
            "javascript" => Some(Self::JavaScript),
            "python" => Some(Self::Python),
            _ => None,
        }
    }

    /// The language of a script with this extension.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "py" => Some(Self::Python),
            other => super::files::is_script(other).then_some(Self::JavaScript),
        }
    }

    /// Its name, which is also that of the metadata field with the check of an example.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Python => "python",
        }
    }

    fn command(self) -> [&'static str; 2] {
        match self {
            Self::JavaScript => ["node", "programs/promptfoo/score.cjs"],
            Self::Python => ["python3", "programs/promptfoo/score.py"],
        }
    }

    /// Code as the program runs it: it may be filled in with variables, also of the environment, but not with anything
    /// else.
    ///
    /// # Errors
    /// A sentence if it is a template of more than variables, or gives no value.
    pub(super) fn code(self, written: &str) -> Result<String, String> {
        let rest = PLACEHOLDER.as_ref().map_or_else(|| written.into(), |known| known.replace_all(written, ""));
        if rest.contains("{%") || (rest.contains("{{") && rest.contains("}}")) {
            return Err(
                "its code is a template of more than variables; write an exec scorer that reads the input".to_owned()
            );
        }
        match self {
            Self::JavaScript => javascript::body(written.trim_end()),
            Self::Python => Ok(written.trim_end().to_owned()),
        }
    }
}

/// A copied script: its language, the path of the copy, and the function.
pub(super) type Script = (Language, String, Option<String>);

/// A change of the answer before it is scored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transform {
    /// JavaScript.
    Code(String),
    /// A copied script, and its function.
    File(String, Option<String>),
}

impl Transform {
    fn value(&self) -> Value {
        match self {
            Self::Code(code) => json!({"code": lines(code)}),
            Self::File(file, None) => json!({"file": file}),
            Self::File(file, Some(function)) => json!({"file": file, "function": function}),
        }
    }
}

/// An assertion in a program.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snippet {
    /// Its code; empty if it is in a file.
    pub(super) code: String,
    /// Whether the code is not filled in with variables.
    pub(super) plain: bool,
    /// The copied file.
    pub(super) file: Option<String>,
    /// The function in the file.
    pub(super) function: Option<String>,
    /// Whether it must not hold.
    pub(super) not: bool,
    /// From which score on it holds.
    pub(super) threshold: Option<f64>,
    /// What it reads as `context.config`.
    pub(super) config: Option<Value>,
    /// How the answer is changed before.
    pub(super) transforms: Vec<Transform>,
}

impl Snippet {
    fn value(&self) -> Value {
        let mut check = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                check.insert(key.to_owned(), value);
            }
        };
        match &self.file {
            Some(file) => set("file", Some(json!(file))),
            None => set("code", Some(lines(&self.code))),
        }
        set("function", self.function.as_ref().map(|name| json!(name)));
        set("plain", self.plain.then_some(json!(true)));
        set("not", self.not.then_some(json!(true)));
        set("threshold", self.threshold.map(|threshold| json!(threshold)));
        set("config", self.config.clone());
        let transforms: Vec<Value> = self.transforms.iter().map(Transform::value).collect();
        set("transforms", (!transforms.is_empty()).then_some(Value::Array(transforms)));
        Value::Object(check)
    }

    fn files(&self) -> impl Iterator<Item = &String> {
        self.file.iter().chain(self.transforms.iter().filter_map(|transform| match transform {
            Transform::File(file, _) => Some(file),
            Transform::Code(_) => None,
        }))
    }
}

/// Code as lines, which are easier to read in JSON.
fn lines(code: &str) -> Value {
    json!(code.lines().collect::<Vec<_>>())
}

/// Which check a scorer of a program evaluates.
#[derive(Debug, Clone)]
pub(super) enum Pick<'a> {
    /// Always this one.
    Check(&'a str),
    /// The one that the example names in this field of its metadata.
    Field(&'a str),
}

/// The checks of a suite that programs evaluate.
#[derive(Debug)]
pub(super) struct Programs {
    suite: String,
    types: BTreeMap<String, &'static str>,
    json: bool,
    checks: BTreeMap<Language, Vec<Snippet>>,
    /// The numbers of checks by their content.
    numbers: BTreeMap<(Language, String), usize>,
}

impl Programs {
    /// No checks yet, of this suite. `types` are those of variables that are no text; `json` says whether the provider
    /// gives JSON as an object.
    pub(super) fn new(suite: &str, types: BTreeMap<String, &'static str>, json: bool) -> Self {
        Self { suite: suite.to_owned(), types, json, checks: BTreeMap::new(), numbers: BTreeMap::new() }
    }

    /// Adds a check and returns its name.
    pub(super) fn add(&mut self, language: Language, snippet: Snippet) -> String {
        let checks = self.checks.entry(language).or_default();
        let number = *self.numbers.entry((language, snippet.value().to_string())).or_insert_with(|| {
            checks.push(snippet);
            checks.len()
        });
        format!("check-{number}")
    }

    /// The scorer that evaluates a check; `score` asks for its score in place of pass or fail.
    pub(super) fn scorer(&self, language: Language, pick: &Pick<'_>, score: bool) -> Map<String, Value> {
        let mut command: Vec<String> = language.command().map(str::to_owned).to_vec();
        command.push(self.file(language).display().to_string());
        let mut params = match pick {
            Pick::Check(name) => object([("check", json!(name))]),
            Pick::Field(field) => object([("from", json!(field))]),
        };
        if score {
            params.insert("score".to_owned(), json!(true));
        }
        object([("type", json!("exec")), ("command", json!(command)), ("params", Value::Object(params))])
    }

    fn file(&self, language: Language) -> PathBuf {
        PathBuf::from(FOLDER).join(RUNNERS).join(format!("{}.{}.json", self.suite, language.name()))
    }

    /// Writes the programs and their checks.
    pub(super) fn write(&self, out: &mut dyn Sink) {
        for (language, checks) in &self.checks {
            let named = |(at, snippet): (usize, &Snippet)| (format!("check-{}", at + 1), snippet.value());
            let mut content = Map::new();
            content.insert("checks".to_owned(), Value::Object(checks.iter().enumerate().map(named).collect()));
            content.insert("json".to_owned(), json!(self.json));
            content.insert("types".to_owned(), json!(self.types));
            let text = serde_json::to_string_pretty(&content).unwrap_or_default() + "\n";
            out.file(self.file(*language), text.into_bytes());
            let (name, program) = match language {
                Language::JavaScript => ("score.cjs", include_str!("programs/score.cjs")),
                Language::Python => ("score.py", include_str!("programs/score.py")),
            };
            out.file(PathBuf::from(FOLDER).join(RUNNERS).join(name), program.as_bytes().to_vec());
        }
    }

    /// The files of the checks in a language, whose changes must change the identity of the scorer.
    pub(super) fn scripts(&self, language: Language) -> Vec<String> {
        let checks = self.checks.get(&language).map(Vec::as_slice).unwrap_or_default();
        let mut files: Vec<String> = checks.iter().flat_map(Snippet::files).cloned().collect();
        files.sort();
        files.dedup();
        files
    }
}

/// A program that answers in place of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answering {
    /// It repeats the prompt.
    Echo,
    /// A program that prints the answer.
    Printing(Vec<String>),
    /// A copied script, and its function.
    Script(Language, String, Option<String>),
}

impl Answering {
    /// The endpoint, after its program is written.
    pub(super) fn endpoint(&self, params: Map<String, Value>, out: &mut dyn Sink) -> Map<String, Value> {
        let is_python = matches!(self, Self::Script(Language::Python, ..));
        let (name, program) = match is_python {
            true => ("answer.py", include_str!("programs/answer.py")),
            false => ("answer.cjs", include_str!("programs/answer.cjs")),
        };
        let path = PathBuf::from(FOLDER).join(RUNNERS).join(name);
        out.file(path.clone(), program.as_bytes().to_vec());
        let mut command = vec![if is_python { "python3" } else { "node" }.to_owned(), path.display().to_string()];
        match self {
            Self::Echo => command.push("echo".to_owned()),
            Self::Printing(parts) => command.extend(["exec".to_owned()].into_iter().chain(parts.iter().cloned())),
            Self::Script(Language::JavaScript, file, _) => command.extend(["script".to_owned(), file.clone()]),
            Self::Script(Language::Python, file, function) => {
                command.extend([file.clone()].into_iter().chain(function.clone()));
            }
        }
        let mut endpoint = object([("type", json!("exec")), ("command", json!(command))]);
        if !params.is_empty() {
            endpoint.insert("params".to_owned(), Value::Object(params));
        }
        endpoint
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::super::tests::Recorded;
    use super::*;

    /// What a program answers to requests; `None` if its interpreter is not installed.
    fn answers(folder: &std::path::Path, command: &[String], requests: &[Value]) -> Option<Vec<Value>> {
        let (program, arguments) = command.split_first()?;
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("SKIPPED: {program} is not installed, the tests of imported programs need it");
            return None;
        }
        let mut process = Command::new(program);
        process.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        process.env("KARAT_LIMIT", "5").env_remove("KARAT_UNSET");
        let mut child = process.spawn().unwrap();
        let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        Some(output.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn written(out: &Recorded, own: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let own = own.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
        for (path, text) in out.files.clone().into_iter().chain(own) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn of(code: &str) -> Snippet {
        Snippet { code: code.to_owned(), ..Snippet::default() }
    }

    fn not(code: &str) -> Snippet {
        Snippet { not: true, ..of(code) }
    }

    fn in_file(file: &str, function: Option<&str>) -> Snippet {
        Snippet { file: Some(file.to_owned()), function: function.map(str::to_owned), ..Snippet::default() }
    }

    /// The scores that a language's program gives to the answer "hi there".
    fn scores(language: Language, snippets: Vec<Snippet>, own: (&str, &str)) -> Option<Vec<Value>> {
        let mut programs = Programs::new("s", BTreeMap::from([("n".to_owned(), "whole")]), false);
        let names: Vec<String> = snippets.into_iter().map(|snippet| programs.add(language, snippet)).collect();
        let mut out = Recorded::default();
        programs.write(&mut out);
        let folder = written(&out, &[own]);
        let scorer = programs.scorer(language, &Pick::Check(""), false);
        let command: Vec<String> = serde_json::from_value(scorer["command"].clone()).unwrap();
        let request = |name: &String| {
            json!({"output": "hi there", "input": {"q": "hi", "n": "3"}, "context": null, "metadata": {"mine": name},
                "tool_calls": null, "params": {"from": "mine", "score": name == "check-1"}})
        };
        let requests: Vec<Value> = names.iter().map(request).collect();
        let answers = answers(folder.path(), &command, &requests)?;
        Some(answers.into_iter().map(|answer| answer["score"].clone()).collect())
    }

    #[test]
    fn javascript_is_scored_as_promptfoo_scores_it() {
        let snippets = vec![
            Snippet { threshold: Some(0.9), ..of("0.7") },
            of("output.includes('{{ q }}') && context.vars.n + 1 === 4"),
            not("output.length > 2"),
            of("const words = output.split(' ');\nreturn { pass: words.length === 2, score: 1, reason: 'two' };"),
            of("const words = output.split(' ');\nreturn { pass: true };"),
            of("nothing.here"),
            Snippet {
                transforms: vec![Transform::Code("output.toUpperCase()".to_owned())],
                ..of("output === 'HI THERE'")
            },
            in_file("programs/own.cjs", Some("check")),
            of(&Language::JavaScript.code("const n = output.length; n > {{ env.KARAT_LIMIT }};").unwrap()),
        ];
        let own = ("programs/own.cjs", "exports.check = async (output, { vars }) => output.startsWith(vars.q);\n");
        let Some(scores) = scores(Language::JavaScript, snippets, own) else { return };
        assert_eq!(json!(scores), json!([0.7, 1, 0, 1, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn a_negated_check_is_turned_round_whatever_it_gives_unless_it_fails() {
        let javascript = ["true", "0.7", "0", "({ pass: false, score: 0.2, reason: 'no' })", "nothing.here", "NaN"];
        let snippets =
            javascript.map(not).into_iter().chain([Snippet { threshold: Some(0.9), ..not("0.7") }]).collect();
        if let Some(scores) = scores(Language::JavaScript, snippets, ("none", "")) {
            assert_eq!(json!(scores), json!([0, 0, 1, 1, 0, 0, 1]));
        }
        let python = ["True", "0.7", "0", "{'pass': False, 'score': 0.2, 'reason': 'no'}", "nothing.here", "None"];
        let snippets = python.map(not).into_iter().chain([Snippet { threshold: Some(0.9), ..not("0.7") }]).collect();
        if let Some(scores) = scores(Language::Python, snippets, ("none", "")) {
            assert_eq!(json!(scores), json!([0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]));
        }
    }

    #[test]
    fn what_the_machine_lacks_is_an_error_and_no_score() {
        let snippets = vec![
            of("output === '{{ env.KARAT_UNSET }}'"),
            in_file("programs/own.cjs", None),
            in_file("programs/gone.cjs", None),
            of("fetch('http://127.0.0.1:1/').then(() => true)"),
            of("fetch('data:,x').then(() => { throw Object.assign(new Error('401'), { isMissing: true }); })"),
        ];
        let own = ("programs/own.cjs", "module.exports = () => require('not-an-installed-module');\n");
        if let Some(scores) = scores(Language::JavaScript, snippets, own) {
            assert_eq!(scores, vec![Value::Null; 5]);
        }
        let snippets = vec![
            of("output == '{{ env.KARAT_UNSET }}'"),
            in_file("programs/own.py", None),
            in_file("programs/gone.py", None),
        ];
        let own = ("programs/own.py", "import not_an_installed_module\n");
        if let Some(scores) = scores(Language::Python, snippets, own) {
            assert_eq!(scores, [Value::Null, Value::Null, Value::Null]);
        }
    }

    #[test]
    fn python_is_scored_as_promptfoo_scores_it() {
        let snippets = vec![
            Snippet { threshold: Some(0.9), ..of("0.7") },
            of("'{{ q }}' in output and context['vars']['n'] + 1 == 4"),
            of("if 'x' in output:\n  return False\nreturn {'pass_': True, 'score': 1, 'reason': 'no x'}"),
            of("{'pass': True}"),
            of("nothing.here"),
            in_file("programs/own.py", None),
            of("len(output) > {{ env.KARAT_LIMIT }}"),
        ];
        let own = ("programs/own.py", "def get_assert(output, context):\n    print('noise')\n    return 'true'\n");
        let Some(scores) = scores(Language::Python, snippets, own) else { return };
        assert_eq!(json!(scores), json!([0.7, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]));
    }

    #[test]
    fn providers_answer_through_programs() {
        // The input is always text; its fields are beside it.
        let request = json!({"id": "a", "input": "{\"q\":\"x\"}", "fields": {"q": "x"}, "messages": [{"role": "user",
            "content": "hey"}], "params": {"tone": ["{{ env.KARAT_LIMIT }}"]}});
        let python = "def call_api(prompt, options, context):\n    \
                      return {'output': prompt + context['vars']['q'] + options['config']['tone'][0]}\n";
        let javascript = "module.exports = class {\n  constructor({ config }) { this.tone = config.tone[0]; }\n  \
                          async callApi(prompt, { vars }) { return { output: { said: prompt + vars.q + this.tone } }; }\n};\n";
        let shell = "#!/bin/sh\necho \"$2 $1\"\n";
        let own = [("programs/p.py", python), ("programs/p.cjs", javascript), ("programs/p.sh", shell)];
        let script = |language, file: &str| Answering::Script(language, file.to_owned(), None);
        for (answering, expected) in [
            (Answering::Echo, "hey"),
            (Answering::Printing(vec!["programs/p.sh".to_owned(), "--fast".to_owned()]), "hey --fast"),
            (script(Language::Python, "programs/p.py"), "heyx5"),
            (script(Language::JavaScript, "programs/p.cjs"), "{\"said\":\"heyx5\"}"),
        ] {
            let mut out = Recorded::default();
            let endpoint = answering.endpoint(Map::new(), &mut out);
            let command: Vec<String> = serde_json::from_value(endpoint["command"].clone()).unwrap();
            let folder = written(&out, &own);
            let Some(answers) = answers(folder.path(), &command, std::slice::from_ref(&request)) else { continue };
            assert_eq!(answers, [json!({"output": expected})]);
        }
    }
}
