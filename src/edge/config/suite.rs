//! `suites/NAME.yaml`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected};
use serde_json::{Map, Value, json};

use super::forms::{Apart, Form, Short, names, optional_share, share};
use super::gates::{GateFile, Gates, gates};
use super::scorers::{ScorerFile, scorers};
use crate::core::domain::{
    Failure, Gate, KaratGate, NamedPrompt, ParitySettings, Prompt, PromptMessage, Scorer, SliceBy, SliceFamily, Suite,
    TurnScoring, canonical_json, content_hash,
};
use crate::edge::yaml::{Document, Fault};

/// Largest difference allowed between groups of people unless the suite says otherwise.
const DEFAULT_DISPARITY: f64 = 0.1;

/// A suite as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "karat suite")]
pub struct SuiteFile {
    /// What the suite is for.
    #[expect(dead_code, reason = "for readers of the file and for its JSON Schema")]
    pub description: Option<String>,
    /// The name of the golden set, a folder in datasets/, such as support.
    pub dataset: String,
    /// The prompt to send: "{{ input }}", {file: prompts/a.txt} or {messages: [{role: user, content: "{{ input }}"}]}.
    /// Default: the input itself.
    pub prompt: Option<Form<PromptFile>>,
    /// Several named prompts in place of "prompt", such as {short: "{{ input }}", long: {file: prompts/long.txt}}; each
    /// runs on every endpoint.
    #[serde(default)]
    pub prompts: BTreeMap<String, Form<PromptFile>>,
    /// Variables that prompts and scorers use as vars.NAME, such as {tone: kind}, or a file of them: file://vars.yaml. A
    /// reference such as ${TOKEN} is resolved from the environment or .env and used in requests only: it is masked wherever
    /// an answer repeats it.
    #[serde(default)]
    pub vars: VarsFile,
    /// Variables with several values, such as {language: [en, de], tone: [kind, brief]}: every combination is a run of its
    /// own, whose prompts and scorers use vars.language and vars.tone.
    #[serde(default)]
    pub matrix: BTreeMap<String, Vec<Value>>,
    /// Which answers of a conversation are scored: last or every. Default: last.
    #[serde(default)]
    pub turns: TurnScoring,
    /// How many times each example is sent, from 1 to 1000. Default: 1.
    #[serde(default = "default_repeat", deserialize_with = "repeat")]
    pub repeat: u32,
    /// The endpoints to run, such as [gpt, openai:chat:gpt-x]: names from karat.yaml, or ids.
    #[serde(deserialize_with = "names")]
    pub endpoints: Vec<String>,
    /// How answers are scored, such as [exact, {type: regex, pattern: "^[A-D]$"}]; the headline shows the first scorer.
    #[expect(dead_code, reason = "read separately; declared here for the JSON Schema")]
    pub scorers: Apart<Vec<ScorerFile>>,
    /// What a run must meet, such as [0.85], [{scorer: exact, min: 0.85}], [{scorer: exact, baseline: main, margin: 0.02}]
    /// or [{latency: p95, max: 800}].
    #[serde(default)]
    pub gates: Vec<Form<GateFile>>,
    /// Parts of the golden set whose scores are reported apart, such as [tag, language, {by: tag, critical: billing}].
    #[serde(default)]
    pub slices: Vec<Form<SliceFile>>,
    /// What examples have in common that makes their scores alike, such as the template they were made from: intervals
    /// then count clusters instead of examples. source, cluster, or a metadata field.
    pub cluster_by: Option<String>,
    /// Groups of people whose answers are compared, such as {group: gender, positive: approve, limit: 0.1}.
    pub parity: Option<ParityFile>,
    /// Maximum share of trials that may end in an error before the run counts as incomplete. Default: 0.02.
    #[serde(default = "default_tolerance", deserialize_with = "share")]
    pub error_tolerance: f64,
}

/// A prompt as written: one of `text`, `file` and `messages`. Templates are Jinja (minijinja); they can use `input`,
/// `context`, `metadata`, `tags`, `id`, `labels`, and the fields of an object input.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptFile {
    /// A single user message.
    pub text: Option<String>,
    /// Path of a file that contains a single user message, relative to the suite.
    pub file: Option<String>,
    /// Chat messages, such as [{role: system, content: "Answer in one word."}, {role: user, content: "{{ input }}"}].
    pub messages: Option<Vec<Form<MessageFile>>>,
}

impl Short for PromptFile {
    const EXPECTED: &'static str = "text, a list of messages, or a mapping with one of text, file and messages";

    fn text(text: &str) -> Option<Self> {
        Some(match text.strip_prefix("file://") {
            Some(file) => Self { file: Some(file.to_owned()), ..Self::default() },
            None => Self { text: Some(text.to_owned()), ..Self::default() },
        })
    }

    fn list<'de, D: Deserializer<'de>>(list: D) -> Option<Result<Self, D::Error>> {
        Some(Vec::deserialize(list).map(|messages| Self { messages: Some(messages), ..Self::default() }))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": "string"}), Vec::<Form<MessageFile>>::json_schema(generator)]
    }
}

/// A chat message as written, with `content` inline or in a file; or `{system: TEXT}`, `{user: TEXT}`,
/// `{assistant: TEXT}`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageFile {
    /// system, user or assistant.
    pub role: Option<String>,
    /// The template.
    pub content: Option<String>,
    /// Path of a file that contains the template, relative to the suite.
    pub file: Option<String>,
    /// The template of a system message.
    pub system: Option<String>,
    /// The template of a user message.
    pub user: Option<String>,
    /// The template of an assistant message.
    pub assistant: Option<String>,
}

impl Short for MessageFile {
    const EXPECTED: &'static str = "a message such as {role: user, content: \"{{ input }}\"}, or its text alone";

    fn text(text: &str) -> Option<Self> {
        Some(Self { user: Some(text.to_owned()), ..Self::default() })
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": "string"})]
    }
}

/// A family of slices as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SliceFile {
    /// tag, source, label, critical, length, language, cluster, or a metadata field.
    pub by: String,
    /// Values whose slices must meet the gates on their own, such as [billing, refunds].
    #[serde(default, deserialize_with = "names")]
    pub critical: Vec<String>,
}

impl Short for SliceFile {
    const EXPECTED: &'static str = "what slices are formed by, such as tag, or {by: tag, critical: [billing]}";

    fn text(by: &str) -> Option<Self> {
        Some(Self { by: by.to_owned(), critical: Vec::new() })
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": "string"})]
    }
}

/// A comparison of groups of people as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParityFile {
    /// The metadata field that contains the group, such as gender.
    pub group: String,
    /// The answer that is good for the person, such as approve.
    pub positive: String,
    /// The largest difference allowed between groups. Default: 0.1.
    #[serde(default, deserialize_with = "optional_share")]
    pub limit: Option<f64>,
}

fn default_repeat() -> u32 {
    1
}

fn default_tolerance() -> f64 {
    0.02
}

fn repeat<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let repeat = u32::deserialize(deserializer)?;
    if (1..=1000).contains(&repeat) {
        return Ok(repeat);
    }
    Err(D::Error::invalid_value(Unexpected::Unsigned(repeat.into()), &"between 1 and 1000"))
}

/// Reads and checks the suite at `path`; its name is the file's name without the extension.
///
/// # Errors
/// A data failure that names the file and the key.
pub fn load_suite(path: &Path) -> Result<Suite, Failure> {
    let document = Document::open(path)?;
    let of_file = |fault: Fault| document.failure::<SuiteFile>(&fault);
    let file: SuiteFile = document.root().read().map_err(of_file)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let scorers = scorers(&document, path).map_err(of_file)?;
    let Gates { gates, karats } = gates(&document, file.gates, &scorers).map_err(of_file)?;
    let prompts = convert_prompts(file.prompt, file.prompts, path)?;
    let mut suite = Suite {
        name,
        version: String::new(),
        dataset: file.dataset,
        prompts: with_matrix(prompts, &file.matrix, path)?,
        vars: file.vars.read(path)?,
        turns: file.turns,
        repeats: file.repeat,
        endpoints: file.endpoints,
        scorers,
        gates,
        error_tolerance: file.error_tolerance,
        slices: file.slices.into_iter().map(|file| convert_slices(file.0)).collect(),
        karats,
        cluster_by: file.cluster_by.map(SliceBy::from),
        parity: file.parity.map(|parity| ParitySettings {
            group: parity.group,
            positive: parity.positive,
            limit: parity.limit.unwrap_or(DEFAULT_DISPARITY),
        }),
    };
    suite.version = content_hash("karat-suite-v1", suite_content(&suite).as_bytes());
    Ok(suite)
}

/// Canonical JSON of everything that determines what is sent and how it is scored; the endpoints and the number of
/// repeats are not part of it.
pub fn suite_content(suite: &Suite) -> String {
    let mut content = json!({
        "dataset": suite.dataset,
        "scorers": suite.scorers,
        "gates": suite.gates,
        "error_tolerance": suite.error_tolerance,
    });
    // Keeps the version of a suite with one prompt the same as before several were supported.
    match suite.prompts.as_slice() {
        [NamedPrompt { name: None, prompt, .. }] => content["prompt"] = json!(prompt),
        several => {
            let named = |one: &NamedPrompt| (one.name.clone().unwrap_or_default(), json!(one.prompt));
            content["prompts"] = Value::Object(several.iter().map(named).collect());
            let cells = several.iter().filter(|one| !one.vars.is_empty());
            let cells: Map<String, Value> =
                cells.map(|one| (one.name.clone().unwrap_or_default(), json!(one.vars))).collect();
            if !cells.is_empty() {
                content["matrix"] = Value::Object(cells);
            }
        }
    }
    if suite.turns != TurnScoring::default() {
        content["turns"] = json!(suite.turns);
    }
    if !suite.vars.is_empty() {
        content["vars"] = Value::Object(suite.vars.clone());
    }
    // Absent where nothing is set, as in suites from before there were these keys.
    if !suite.slices.is_empty() {
        content["slices"] = json!(suite.slices);
    }
    if let Some(karats) = &suite.karats {
        content["karats"] = json!(karats);
    }
    if let Some(by) = &suite.cluster_by {
        content["cluster_by"] = json!(by);
    }
    if let Some(parity) = &suite.parity {
        content["parity"] = json!(parity);
    }
    canonical_json(&content)
}

/// A key of a suite with its values before and after a change; `None` where it is absent.
pub type ChangedKey = (String, Option<Value>, Option<Value>);

/// The keys that differ between two results of [`suite_content`], sorted.
///
/// # Errors
/// A store failure if one of them cannot be parsed.
pub fn changed_keys(before: &str, after: &str) -> Result<Vec<ChangedKey>, Failure> {
    let read = |content: &str| -> Result<Map<String, Value>, Failure> {
        serde_json::from_str(content)
            .map_err(|error| Failure::store("a stored version of a suite cannot be read").caused_by(error))
    };
    let (mut before, mut after) = (read(before)?, read(after)?);
    let keys: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let pairs = keys.into_iter().map(|key| (before.remove(&key), after.remove(&key), key));
    Ok(pairs.filter(|(before, after, _)| before != after).map(|(before, after, key)| (key, before, after)).collect())
}

/// Restores a suite from [`suite_content`], without its endpoints and with one repeat.
///
/// # Errors
/// A store failure if the content cannot be parsed.
pub fn suite_from_content(name: &str, version: &str, content: &str) -> Result<Suite, Failure> {
    #[derive(Deserialize)]
    struct Content {
        dataset: String,
        prompt: Option<Prompt>,
        #[serde(default)]
        prompts: BTreeMap<String, Prompt>,
        #[serde(default)]
        vars: Map<String, Value>,
        #[serde(default)]
        matrix: BTreeMap<String, Map<String, Value>>,
        #[serde(default)]
        turns: TurnScoring,
        scorers: Vec<Scorer>,
        gates: Vec<Gate>,
        error_tolerance: f64,
        #[serde(default)]
        slices: Vec<SliceFamily>,
        karats: Option<KaratGate>,
        cluster_by: Option<SliceBy>,
        parity: Option<ParitySettings>,
    }
    let content: Content = serde_json::from_str(content).map_err(|error| {
        Failure::store(format!("the stored version of the suite {name} cannot be read")).caused_by(error)
    })?;
    let one = content.prompt.map(|prompt| NamedPrompt { name: None, prompt, vars: Map::new() });
    let mut matrix = content.matrix;
    let several = content.prompts.into_iter().map(|(name, prompt)| {
        let vars = matrix.remove(&name).unwrap_or_default();
        NamedPrompt { name: Some(name), prompt, vars }
    });
    Ok(Suite {
        name: name.to_owned(),
        version: version.to_owned(),
        dataset: content.dataset,
        prompts: one.into_iter().chain(several).collect(),
        vars: content.vars,
        turns: content.turns,
        repeats: 1,
        endpoints: Vec::new(),
        scorers: content.scorers,
        gates: content.gates,
        error_tolerance: content.error_tolerance,
        slices: content.slices,
        karats: content.karats,
        cluster_by: content.cluster_by,
        parity: content.parity,
    })
}

/// The prompts of a suite, sorted by name.
fn convert_prompts(
    one: Option<Form<PromptFile>>,
    several: BTreeMap<String, Form<PromptFile>>,
    suite: &Path,
) -> Result<Vec<NamedPrompt>, Failure> {
    let fail = |message: String| Failure::data(format!("{}: {message}", suite.display()));
    if several.is_empty() {
        let prompt = one.map_or(Ok(Prompt::Input), |file| convert_prompt(file.0, suite, "prompt"))?;
        return Ok(vec![NamedPrompt { name: None, prompt, vars: Map::new() }]);
    }
    if one.is_some() {
        return Err(fail("both prompt and prompts are given".to_owned())
            .hint("give the single prompt a name under \"prompts\""));
    }
    let named = several.into_iter().map(|(name, file)| {
        let prompt = convert_prompt(file.0, suite, &format!("prompts.{name}"))?;
        Ok(NamedPrompt { prompt, name: Some(name), vars: Map::new() })
    });
    named.collect()
}

/// The most combinations of a matrix with the prompts.
const MAX_CELLS: usize = 256;

/// Every prompt in every combination of the matrix, named by its values.
fn with_matrix(
    prompts: Vec<NamedPrompt>,
    matrix: &BTreeMap<String, Vec<Value>>,
    suite: &Path,
) -> Result<Vec<NamedPrompt>, Failure> {
    let fail = |message: String| Failure::data(format!("{}: {message}", suite.display()));
    if let Some((key, _)) = matrix.iter().find(|(_, values)| values.is_empty()) {
        return Err(fail(format!("matrix.{key} has no values")).hint("write matrix: {language: [en, de]}"));
    }
    let cells: usize = matrix.values().map(Vec::len).product();
    if cells * prompts.len() > MAX_CELLS {
        return Err(fail(format!(
            "the matrix has {cells} combinations for each of {} prompts, but at most {MAX_CELLS} can be run",
            prompts.len()
        )));
    }
    let mut all = prompts;
    for (key, values) in matrix {
        let cell = |prompt: &NamedPrompt, value: &Value| {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let before = prompt.name.as_ref().map_or_else(String::new, |name| format!("{name} · "));
            let mut vars = prompt.vars.clone();
            vars.insert(key.clone(), value.clone());
            NamedPrompt { name: Some(format!("{before}{key}={shown}")), prompt: prompt.prompt.clone(), vars }
        };
        all =
            all.iter().flat_map(|prompt| values.iter().map(|value| cell(prompt, value)).collect::<Vec<_>>()).collect();
    }
    Ok(all)
}

fn convert_prompt(prompt: PromptFile, suite: &Path, key: &str) -> Result<Prompt, Failure> {
    let fail = |message: &str| Failure::data(format!("{}: {key}{message}", suite.display()));
    match (prompt.text, prompt.file, prompt.messages) {
        (Some(text), None, None) => Ok(Prompt::Text(text)),
        (None, Some(file), None) => Ok(Prompt::Text(prompt_file(suite, &file)?)),
        (None, None, Some(messages)) if !messages.is_empty() => {
            let messages = (0..).zip(messages).map(|(index, message)| {
                convert_message(message.0, suite)?.ok_or_else(|| {
                    fail(&format!(".messages[{index}] needs a role, and exactly one of content and file"))
                        .hint("write {role: user, content: \"{{ input }}\"} or {user: \"{{ input }}\"}")
                })
            });
            Ok(Prompt::Messages(messages.collect::<Result<_, Failure>>()?))
        }
        _ => Err(fail(" needs exactly one of text, file and messages").hint("write \"{{ input }}\", the text alone")),
    }
}

/// `None` if the role or the content is missing or ambiguous.
fn convert_message(message: MessageFile, suite: &Path) -> Result<Option<PromptMessage>, Failure> {
    let short = [("system", message.system), ("user", message.user), ("assistant", message.assistant)];
    let short: Vec<_> = short.into_iter().filter_map(|(role, content)| Some((role.to_owned(), content?))).collect();
    let (role, content) = match (message.role, message.content, message.file, short.as_slice()) {
        (Some(role), Some(content), None, []) => (role, content),
        (Some(role), None, Some(file), []) => (role, prompt_file(suite, &file)?),
        (None, None, None, [(role, content)]) => (role.clone(), content.clone()),
        _ => return Ok(None),
    };
    Ok(Some(PromptMessage { role, content }))
}

/// Variables as written: a mapping, or the path of a file that contains one.
#[derive(Debug, Clone, Default)]
pub struct VarsFile(Value);

impl<'de> Deserialize<'de> for VarsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(Self::default()),
            value @ Value::Object(_) => Ok(Self(value)),
            Value::String(path) if path.starts_with(FILE) => Ok(Self(Value::String(path))),
            _ => Err(D::Error::custom("must be a mapping such as {tone: kind}, or a file such as file://vars.yaml")),
        }
    }
}

impl JsonSchema for VarsFile {
    fn schema_name() -> Cow<'static, str> {
        "VarsFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "object"}, {"type": "string", "pattern": "^file://"}]})
    }
}

/// Text that begins with this is the path of a file that contains the value.
const FILE: &str = "file://";

impl VarsFile {
    /// The variables. A value that is a `file://` path is replaced by the file's content: a value for YAML and JSON, text
    /// for anything else. Paths are relative to the suite.
    fn read(self, suite: &Path) -> Result<Map<String, Value>, Failure> {
        let vars = match self.0 {
            Value::Object(vars) => vars,
            Value::String(path) => match value_file(suite, &path)? {
                Value::Object(vars) => vars,
                _ => {
                    return Err(Failure::data(format!(
                        "{}: {path} must contain a mapping of variables",
                        suite.display()
                    )));
                }
            },
            _ => Map::new(),
        };
        let read = |(name, value): (String, Value)| match value.as_str().filter(|text| text.starts_with(FILE)) {
            Some(path) => Ok((name, value_file(suite, path)?)),
            None => Ok((name, value)),
        };
        vars.into_iter().map(read).collect()
    }
}

fn value_file(suite: &Path, path: &str) -> Result<Value, Failure> {
    let file = path.strip_prefix(FILE).unwrap_or(path);
    let text = prompt_file(suite, file)?;
    let is_data = ["yaml", "yml", "json"].iter().any(|extension| file.ends_with(&format!(".{extension}")));
    match is_data {
        false => Ok(Value::String(text)),
        true => Document::parse(text, &suite.parent().unwrap_or(Path::new(".")).join(file))?
            .root()
            .read()
            .map_err(|fault| Failure::data(format!("{file}: {fault}"))),
    }
}

fn prompt_file(suite: &Path, file: &str) -> Result<String, Failure> {
    let path = suite.parent().unwrap_or(Path::new(".")).join(file);
    let read = std::fs::read_to_string(&path);
    // The final newline that editors add is not part of a prompt, and must not change the suite's version.
    read.map(|text| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()).map_err(|error| {
        Failure::data(format!("{}: cannot read the file {}", suite.display(), path.display())).caused_by(error)
    })
}

fn convert_slices(file: SliceFile) -> SliceFamily {
    SliceFamily { by: SliceBy::from(file.by), critical: file.critical }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::Reducer;

    fn load(text: &str) -> Result<Suite, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        std::fs::write(folder.path().join("p.txt"), "Label: {{ input }}\r\n").unwrap();
        std::fs::write(&path, text).unwrap();
        load_suite(&path)
    }

    #[test]
    fn a_prompt_in_a_file_gives_the_same_suite_as_an_inline_one() {
        let rest = "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\n";
        let file = load(&format!("{rest}prompt: {{file: p.txt}}\n")).unwrap();
        let inline =
            load(&format!("description: other words\nprompt: {{text: \"Label: {{{{ input }}}}\"}}\n{rest}")).unwrap();
        assert_eq!((file.prompts, &file.version), (inline.prompts, &inline.version));
        assert_eq!(file.scorers[0].name, "exact");
    }

    #[test]
    fn prompts_and_vars_are_restored_from_the_stored_content() {
        let text = "dataset: d\nendpoints: [m]\nscorers: [{type: exact, reduce: pass^3}]\nrepeat: 3\n\
                    vars: {tone: kind, token: \"${T}\"}\nprompts:\n  b: {text: B}\n  a: {file: p.txt}\n";
        let suite = load(text).unwrap();
        let names: Vec<_> = suite.prompts.iter().map(|prompt| prompt.name.as_deref().unwrap()).collect();
        assert_eq!((names, suite.repeats, suite.scorers[0].reduce), (vec!["a", "b"], 3, Reducer::PassAll(3)));
        let stored = suite_from_content("s", &suite.version, &suite_content(&suite)).unwrap();
        assert_eq!((&stored.prompts, &stored.vars, &stored.scorers), (&suite.prompts, &suite.vars, &suite.scorers));
        assert_eq!(suite_content(&stored), suite_content(&suite));
    }

    #[test]
    fn a_matrix_makes_every_combination_a_prompt_of_its_own_and_vars_may_be_in_files() {
        let text = "dataset: d\nendpoints: [m]\nscorers: [exact]\nprompt: \"{{ vars.tone }}\"\nturns: every\n\
                    matrix: {language: [en, de], tone: [kind, 2]}\nvars: {note: file://p.txt}\n";
        let suite = load(text).unwrap();
        let names: Vec<_> = suite.prompts.iter().map(|prompt| prompt.name.as_deref().unwrap()).collect();
        let expected =
            ["language=en · tone=kind", "language=en · tone=2", "language=de · tone=kind", "language=de · tone=2"];
        assert_eq!(names, expected);
        assert_eq!((&suite.prompts[1].vars["tone"], &suite.vars["note"]), (&json!(2), &json!("Label: {{ input }}")));
        let stored = suite_from_content("s", &suite.version, &suite_content(&suite)).unwrap();
        assert_eq!((stored.prompts.len(), stored.turns), (4, TurnScoring::Every));
        let cell = stored.prompts.iter().find(|prompt| prompt.name.as_deref() == Some(names[3])).unwrap();
        assert_eq!(cell.vars, suite.prompts[3].vars);
        let one = load("dataset: d\nendpoints: [m]\nscorers: [exact]\n").unwrap();
        assert!(!suite_content(&one).contains("matrix") && !suite_content(&one).contains("turns"));
        let many = format!(
            "dataset: d\nendpoints: [m]\nscorers: [exact]\nmatrix: {{a: {:?}}}\n",
            (0..300).collect::<Vec<_>>()
        );
        assert!(load(&many).unwrap_err().message.contains("at most 256"));
    }

    #[test]
    fn invalid_settings_are_refused_with_a_message() {
        let cases = [
            ("dataset: d\nendpoints: [m]\nscorers: []\n", "scorers is empty, but a suite needs at least one scorer"),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: regex}]\n",
                "s.yaml:3:11: scorers[0] needs the key \"pattern\"",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact, pattern: x}]\n",
                "scorers[0].pattern is a key of type regex, citations, not of exact",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}, {type: exact}]\n",
                "scorers[1] is a second scorer named \"exact\"",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\ngates: [{min: 85}]\n",
                "gates[0].min is 85, but must be between 0 and 1",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\ngates: [{scorer: f1, min: 0.5}]\n",
                "but the suite has exact",
            ),
            ("dataset: d\nendpoints: [m]\nscorers: [{type: exact, reduce: best}]\n", "\"best\" is not a reducer"),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\nrepeat: 0\n",
                "repeat is 0, but must be between 1 and 1000",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\nprompt: {text: x}\nprompts: {a: {text: y}}\n",
                "both prompt and prompts",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\nprompt: {}\n",
                "exactly one of text, file and messages",
            ),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\nprompt: {file: none.txt}\n",
                "cannot read the file",
            ),
        ];
        for (text, expected) in cases {
            let message = load(text).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        }
    }
}
