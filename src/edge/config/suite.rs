//! `suites/NAME.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::yaml::read_yaml;
use crate::core::domain::{
    Failure, Gate, NamedPrompt, Normalization, Prompt, PromptMessage, Reducer, Scorer, ScorerKind, Suite,
    canonical_json, content_hash,
};

/// A suite as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "karat suite")]
pub struct SuiteFile {
    /// What it is for.
    pub description: Option<String>,
    /// The golden set, a folder of datasets/.
    pub dataset: String,
    /// What is sent. Default: the input itself.
    pub prompt: Option<PromptFile>,
    /// Several prompts by name, in place of "prompt": each is run on each endpoint.
    #[serde(default)]
    pub prompts: BTreeMap<String, PromptFile>,
    /// What prompts know as vars.NAME. A reference such as ${TOKEN} is resolved from the environment or .env and goes
    /// into requests only: it is masked wherever an answer repeats it.
    #[serde(default)]
    pub vars: Map<String, Value>,
    /// How often each example is asked. Default: 1.
    pub repeat: Option<u32>,
    /// The endpoints asked, by their names in karat.yaml.
    pub endpoints: Vec<String>,
    /// How answers are scored; the first scorer is the one the headline shows.
    pub scorers: Vec<ScorerFile>,
    /// What must hold.
    #[serde(default)]
    pub gates: Vec<GateFile>,
    /// Largest share of examples that may end in an error before the run counts as incomplete. Default: 0.02.
    pub error_tolerance: Option<f64>,
}

/// A prompt as written: one of `text`, `file` and `messages`. Templates are Jinja (minijinja); they know `input`,
/// `context`, `metadata`, `tags`, `id`, `labels`, and the fields of an object input.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptFile {
    /// One user message.
    pub text: Option<String>,
    /// Path of a file with one user message, relative to the suite.
    pub file: Option<String>,
    /// Chat messages.
    pub messages: Option<Vec<MessageFile>>,
}

/// A chat message as written, with `content` inline or in a file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageFile {
    /// system, user or assistant.
    pub role: String,
    /// The template.
    pub content: Option<String>,
    /// Path of a file with the template, relative to the suite.
    pub file: Option<String>,
}

/// The kind of a scorer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScorerType {
    /// The answer equals an accepted one.
    Exact,
    /// The answer contains an accepted one.
    Contains,
    /// A pattern matches the answer.
    Regex,
    /// The last number of the answer is near an accepted one.
    Numeric,
    /// The answer is JSON valid under a schema.
    JsonSchema,
}

/// A scorer as written. Which keys apply depends on `type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScorerFile {
    /// Its name. Default: its type.
    pub name: Option<String>,
    /// Its kind.
    pub r#type: ScorerType,
    /// exact, contains: steps applied to both sides. Default: trim, lowercase, whitespace, punctuation.
    pub normalize: Option<Vec<Normalization>>,
    /// contains: text looked for instead of the accepted answers.
    pub value: Option<String>,
    /// regex: the pattern; {expected} stands for the accepted answer.
    pub pattern: Option<String>,
    /// numeric: largest absolute difference. Default: 0.
    pub absolute: Option<f64>,
    /// numeric: largest relative difference. Default: 0.000001.
    pub relative: Option<f64>,
    /// json_schema: the schema.
    pub schema: Option<Value>,
    /// How the scores of repeats become one: mean, majority, any, all, pass@k or pass^k. Default: mean.
    pub reduce: Option<String>,
}

/// A gate as written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFile {
    /// The scorer it judges. Default: the first one.
    pub scorer: Option<String>,
    /// The minimum mean, between 0 and 1.
    pub min: f64,
    /// Confidence of the interval it is judged on. Default: 0.95.
    pub confidence: Option<f64>,
    /// The endpoints it applies to. Default: all.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// Whether "inconclusive" stops the pipeline with exit code 103. Default: true.
    pub require_decision: Option<bool>,
}

/// Reads and checks the suite at `path`; its name is the file's.
///
/// # Errors
/// A data failure naming file and key.
pub fn load_suite(path: &Path) -> Result<Suite, Failure> {
    let file: SuiteFile = read_yaml(path)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let fail = |message: String| Failure::data(format!("{}: {message}", path.display()));
    let scorers =
        file.scorers.into_iter().map(|scorer| convert_scorer(scorer).map_err(fail)).collect::<Result<Vec<_>, _>>()?;
    if scorers.is_empty() {
        return Err(fail("a suite needs at least one scorer".into()).hint("add \"scorers: [{type: exact}]\""));
    }
    if let Some((_, twice)) =
        scorers.iter().enumerate().find(|(i, scorer)| scorers[..*i].iter().any(|s| s.name == scorer.name))
    {
        return Err(fail(format!("two scorers are named \"{}\"", twice.name)).hint("give one of them another name"));
    }
    let gates =
        file.gates.into_iter().map(|gate| convert_gate(gate, &scorers).map_err(fail)).collect::<Result<_, _>>()?;
    let error_tolerance = file.error_tolerance.unwrap_or(0.02);
    if !(0.0..=1.0).contains(&error_tolerance) {
        return Err(fail(format!("error_tolerance is {error_tolerance}, but must lie between 0 and 1")));
    }
    let repeats = convert_repeat(file.repeat).map_err(fail)?;
    let mut suite = Suite {
        name,
        version: String::new(),
        dataset: file.dataset,
        prompts: convert_prompts(file.prompt, file.prompts, path)?,
        vars: file.vars,
        repeats,
        endpoints: file.endpoints,
        scorers,
        gates,
        error_tolerance,
    };
    suite.version = content_hash("karat-suite-v1", suite_content(&suite).as_bytes());
    Ok(suite)
}

/// Canonical JSON of everything that decides what is sent and how it is judged; the endpoints asked and the number of
/// repeats are not part of it.
pub fn suite_content(suite: &Suite) -> String {
    let mut content = json!({
        "dataset": suite.dataset,
        "scorers": suite.scorers,
        "gates": suite.gates,
        "error_tolerance": suite.error_tolerance,
    });
    // A suite with one prompt has the version it had before there could be several.
    match suite.prompts.as_slice() {
        [NamedPrompt { name: None, prompt }] => content["prompt"] = json!(prompt),
        several => {
            let named = |one: &NamedPrompt| (one.name.clone().unwrap_or_default(), json!(one.prompt));
            content["prompts"] = Value::Object(several.iter().map(named).collect());
        }
    }
    if !suite.vars.is_empty() {
        content["vars"] = Value::Object(suite.vars.clone());
    }
    canonical_json(&content)
}

/// A suite as it was kept by [`suite_content`]; without the endpoints asked, and with one repeat.
///
/// # Errors
/// A store failure where the content is none.
pub fn suite_from_content(name: &str, version: &str, content: &str) -> Result<Suite, Failure> {
    #[derive(Deserialize)]
    struct Content {
        dataset: String,
        prompt: Option<Prompt>,
        #[serde(default)]
        prompts: BTreeMap<String, Prompt>,
        #[serde(default)]
        vars: Map<String, Value>,
        scorers: Vec<Scorer>,
        gates: Vec<Gate>,
        error_tolerance: f64,
    }
    let content: Content = serde_json::from_str(content).map_err(|error| {
        Failure::store(format!("the kept version of the suite {name} cannot be read")).caused_by(error)
    })?;
    let one = content.prompt.map(|prompt| NamedPrompt { name: None, prompt });
    let several = content.prompts.into_iter().map(|(name, prompt)| NamedPrompt { name: Some(name), prompt });
    Ok(Suite {
        name: name.to_owned(),
        version: version.to_owned(),
        dataset: content.dataset,
        prompts: one.into_iter().chain(several).collect(),
        vars: content.vars,
        repeats: 1,
        endpoints: Vec::new(),
        scorers: content.scorers,
        gates: content.gates,
        error_tolerance: content.error_tolerance,
    })
}

/// The prompts of a suite in the order of their names.
fn convert_prompts(
    one: Option<PromptFile>,
    several: BTreeMap<String, PromptFile>,
    suite: &Path,
) -> Result<Vec<NamedPrompt>, Failure> {
    if several.is_empty() {
        return Ok(vec![NamedPrompt { name: None, prompt: convert_prompt(one, suite)? }]);
    }
    if one.is_some() {
        return Err(Failure::data(format!("{}: there are both prompt and prompts", suite.display()))
            .hint("give the single prompt a name under \"prompts\""));
    }
    let named = several
        .into_iter()
        .map(|(name, file)| Ok(NamedPrompt { prompt: convert_prompt(Some(file), suite)?, name: Some(name) }));
    named.collect()
}

fn convert_repeat(repeat: Option<u32>) -> Result<u32, String> {
    let repeat = repeat.unwrap_or(1);
    if (1..=1000).contains(&repeat) {
        Ok(repeat)
    } else {
        Err(format!("repeat is {repeat}, but must lie between 1 and 1000"))
    }
}

fn convert_prompt(file: Option<PromptFile>, suite: &Path) -> Result<Prompt, Failure> {
    let fail = |message: &str| Failure::data(format!("{}: {message}", suite.display()));
    let Some(prompt) = file else { return Ok(Prompt::Input) };
    match (prompt.text, prompt.file, prompt.messages) {
        (Some(text), None, None) => Ok(Prompt::Text(text)),
        (None, Some(file), None) => Ok(Prompt::Text(prompt_file(suite, &file)?)),
        (None, None, Some(messages)) if !messages.is_empty() => {
            let messages = messages.into_iter().map(|message| {
                let content = match (message.content, message.file) {
                    (Some(content), None) => content,
                    (None, Some(file)) => prompt_file(suite, &file)?,
                    _ => return Err(fail("a prompt message needs exactly one of content and file")),
                };
                Ok(PromptMessage { role: message.role, content })
            });
            Ok(Prompt::Messages(messages.collect::<Result<_, _>>()?))
        }
        _ => Err(fail("prompt needs exactly one of text, file and messages")),
    }
}

fn prompt_file(suite: &Path, file: &str) -> Result<String, Failure> {
    let path = suite.parent().unwrap_or(Path::new(".")).join(file);
    let read = std::fs::read_to_string(&path);
    // An editor's closing newline is not part of a prompt, and must not change the suite's version.
    read.map(|text| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()).map_err(|error| {
        Failure::data(format!("{}: cannot read the prompt file {}", suite.display(), path.display())).caused_by(error)
    })
}

fn default_normalize() -> Vec<Normalization> {
    use Normalization::{Lowercase, Punctuation, Trim, Whitespace};
    vec![Trim, Lowercase, Whitespace, Punctuation]
}

fn convert_scorer(file: ScorerFile) -> Result<Scorer, String> {
    let (kind_name, allowed): (&str, &[&str]) = match file.r#type {
        ScorerType::Exact => ("exact", &["normalize"]),
        ScorerType::Contains => ("contains", &["normalize", "value"]),
        ScorerType::Regex => ("regex", &["pattern"]),
        ScorerType::Numeric => ("numeric", &["absolute", "relative"]),
        ScorerType::JsonSchema => ("json_schema", &["schema"]),
    };
    let name = file.name.unwrap_or_else(|| kind_name.to_owned());
    let present = [
        ("normalize", file.normalize.is_some()),
        ("value", file.value.is_some()),
        ("pattern", file.pattern.is_some()),
        ("absolute", file.absolute.is_some()),
        ("relative", file.relative.is_some()),
        ("schema", file.schema.is_some()),
    ];
    if let Some((key, _)) = present.iter().find(|(key, present)| *present && !allowed.contains(key)) {
        return Err(format!(
            "scorer \"{name}\": the key \"{key}\" does not belong to type {kind_name}, which takes {}",
            allowed.join(", ")
        ));
    }
    let missing = |key: &str| format!("scorer \"{name}\" of type {kind_name} needs the key \"{key}\"");
    let normalize = file.normalize.unwrap_or_else(default_normalize);
    let kind = match file.r#type {
        ScorerType::Exact => ScorerKind::Exact { normalize },
        ScorerType::Contains => ScorerKind::Contains { value: file.value, normalize },
        ScorerType::Regex => ScorerKind::Regex { pattern: file.pattern.ok_or_else(|| missing("pattern"))? },
        ScorerType::Numeric => numeric(&name, file.absolute.unwrap_or(0.0), file.relative.unwrap_or(1e-6))?,
        ScorerType::JsonSchema => ScorerKind::JsonSchema { schema: file.schema.ok_or_else(|| missing("schema"))? },
    };
    let reduce = file.reduce.map_or(Ok(Reducer::Mean), Reducer::try_from);
    let reduce = reduce.map_err(|problem| format!("scorer \"{name}\": {problem}"))?;
    Ok(Scorer { name, kind, reduce })
}

fn numeric(name: &str, absolute: f64, relative: f64) -> Result<ScorerKind, String> {
    if absolute >= 0.0 && relative >= 0.0 {
        Ok(ScorerKind::Numeric { absolute, relative })
    } else {
        Err(format!("scorer \"{name}\": absolute and relative must be 0 or more"))
    }
}

fn convert_gate(file: GateFile, scorers: &[Scorer]) -> Result<Gate, String> {
    let scorer = file.scorer.unwrap_or_else(|| scorers.first().map(|s| s.name.clone()).unwrap_or_default());
    if !scorers.iter().any(|known| known.name == scorer) {
        let known: Vec<_> = scorers.iter().map(|s| s.name.as_str()).collect();
        return Err(format!("a gate judges the scorer \"{scorer}\", but the suite has {}", known.join(", ")));
    }
    if !(0.0..=1.0).contains(&file.min) {
        return Err(format!("the gate on \"{scorer}\" has min {}, but it must lie between 0 and 1", file.min));
    }
    let confidence = file.confidence.unwrap_or(0.95);
    if !(0.5..1.0).contains(&confidence) {
        return Err(format!("the gate on \"{scorer}\" has confidence {confidence}, but it must lie between 0.5 and 1"));
    }
    Ok(Gate {
        scorer,
        min: file.min,
        confidence,
        endpoints: file.endpoints,
        require_decision: file.require_decision.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Suite, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        std::fs::write(folder.path().join("p.txt"), "Label: {{ input }}\r\n").unwrap();
        std::fs::write(&path, text).unwrap();
        load_suite(&path)
    }

    #[test]
    fn a_prompt_in_a_file_is_the_same_suite_as_one_inline() {
        let rest = "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\n";
        let file = load(&format!("{rest}prompt: {{file: p.txt}}\n")).unwrap();
        let inline =
            load(&format!("description: other words\nprompt: {{text: \"Label: {{{{ input }}}}\"}}\n{rest}")).unwrap();
        assert_eq!((file.prompts, &file.version), (inline.prompts, &inline.version));
        assert_eq!(file.scorers[0].name, "exact");
    }

    #[test]
    fn prompts_and_vars_read_back_from_the_kept_content() {
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
    fn settings_that_make_no_sense_are_refused_in_words() {
        let cases = [
            ("dataset: d\nendpoints: [m]\nscorers: []\n", "a suite needs at least one scorer"),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: regex}]\n",
                "scorer \"regex\" of type regex needs the key \"pattern\"",
            ),
            ("dataset: d\nendpoints: [m]\nscorers: [{type: exact, pattern: x}]\n", "does not belong to type exact"),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}, {type: exact}]\n",
                "two scorers are named \"exact\"",
            ),
            ("dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\ngates: [{min: 85}]\n", "has min 85"),
            (
                "dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\ngates: [{scorer: f1, min: 0.5}]\n",
                "but the suite has exact",
            ),
            ("dataset: d\nendpoints: [m]\nscorers: [{type: exact, reduce: best}]\n", "\"best\" is no reducer"),
            ("dataset: d\nendpoints: [m]\nscorers: [{type: exact}]\nrepeat: 0\n", "repeat is 0"),
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
                "cannot read the prompt file",
            ),
        ];
        for (text, expected) in cases {
            let message = load(text).unwrap_err().message;
            assert!(message.contains(expected), "{message}");
        }
    }
}
