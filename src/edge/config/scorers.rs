//! Scorers in suites, and those that examples list under `assert`.

use std::borrow::Cow;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::forms::Apart;
use super::typed::{Group, Kind, schema, typed};
use crate::core::domain::scorer::{
    classification, combined, custom, extraction, judge, requests, retrieval, safety, similarity, text, tools,
    usual_weight, with_every_scorer,
};
use crate::core::domain::{Reducer, Scorer, ScorerKind};
use crate::core::scoring::SuiteScorers;
use crate::edge::yaml::{Document, Fault, Mapping, Reader};

/// How deep scorers may be nested.
const MAX_DEPTH: usize = 8;

/// Text that begins with this is the path of a file that contains the value.
const FILE: &str = "file://";

/// Keys of every scorer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct ScorerKeys {
    /// The scorer's name. Default: its type.
    name: Option<String>,
    /// How the scores of repeats are combined: mean, majority, any, all, pass@k or pass^k. Default: mean.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    reduce: Reducer,
    /// Whether the score is inverted, so that what the scorer accepts is wrong. Default: false.
    #[serde(default)]
    not: bool,
    /// The value from which on the score is 1, and below which it is 0, such as 0.8. Default: the value is the score.
    threshold: Option<f64>,
    /// How much it counts within mean, such as 2. Default: 1.
    weight: Option<f64>,
    /// An expression that says to which examples the scorer applies, such as "metadata.criteria is defined"; the others are
    /// skipped. Default: all examples.
    when: Option<String>,
}

/// Keys of all, any and mean.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct CombinedKeys {
    /// The scorers to combine, such as [is_json, {type: contains, value: refund}].
    #[expect(dead_code, reason = "read separately; declared here for the JSON Schema")]
    of: Apart<Vec<ScorerFile>>,
}

/// The structs that declare the keys of a kind of scorer.
macro_rules! own_keys {
    (combined Assert $settings:ty) => {
        Group::of::<$settings>()
    };
    (combined $variant:ident $settings:ty) => {
        Group::of::<CombinedKeys>()
    };
    ($how:ident $variant:ident $settings:ty) => {
        Group::of::<$settings>()
    };
}

/// Reads the settings of a kind of scorer.
macro_rules! read_settings {
    (combined Assert $keys:ident $of:ident) => {
        ScorerKind::Assert($keys.part()?)
    };
    (combined $variant:ident $keys:ident $of:ident) => {
        ScorerKind::$variant(combined::$variant { of: $of($keys)? })
    };
    ($how:ident $variant:ident $keys:ident $of:ident) => {
        ScorerKind::$variant($keys.part()?)
    };
}

macro_rules! scorer_types {
    ($($how:ident $variant:ident $name:literal $settings:ty,)*) => {
        /// The type of a scorer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        enum ScorerType {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Kind for ScorerType {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn groups(self) -> Vec<Group> {
                let own = match self {
                    $(Self::$variant => own_keys!($how $variant $settings),)*
                };
                vec![own, Group::of::<ScorerKeys>()]
            }

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn hint(key: &str) -> Option<String> {
                Self::ALL.iter().any(|kind| kind.name() == key).then(|| format!("write {{type: {key}, …}}"))
            }
        }

        /// Reads the settings of a scorer; `of` reads the scorers that it combines.
        fn settings<'a>(
            kind: ScorerType,
            keys: Mapping<'a>,
            of: impl Fn(Mapping<'a>) -> Result<Vec<Scorer>, Fault>,
        ) -> Result<ScorerKind, Fault> {
            Ok(match kind {
                $(ScorerType::$variant => read_settings!($how $variant keys of),)*
            })
        }
    };
}
with_every_scorer!(scorer_types);

impl ScorerType {
    /// Whether its name alone is enough.
    fn needs_no_keys(self) -> bool {
        // The schema of these contains that of all scorers, so it is not looked at here.
        let combines = matches!(self, Self::All | Self::Any | Self::Mean);
        !combines && self.groups().iter().all(|group| group.required().is_empty())
    }
}

/// The JSON Schema of a scorer.
#[derive(Debug, Clone)]
pub struct ScorerFile;

impl JsonSchema for ScorerFile {
    fn schema_name() -> Cow<'static, str> {
        "ScorerFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let about = "A scorer: its name, or a type and its keys, such as exact or {type: regex, pattern: \"^[A-D]$\"}.";
        let named: Vec<&str> =
            ScorerType::ALL.iter().filter(|kind| kind.needs_no_keys()).map(|kind| kind.name()).collect();
        schema::<ScorerType>(generator, about, &[json!({"enum": named})])
    }
}

/// The scorers of a suite: at least one, with distinct names. `suite` is its file.
pub(super) fn scorers(document: &Document, suite: &Path) -> Result<Vec<Scorer>, Fault> {
    let Some(list) = document.root().mapping().and_then(|keys| keys.get("scorers")) else { return Ok(Vec::new()) };
    let scorers = named_apart(list, suite).map_err(|fault| fault.under("scorers"))?;
    if scorers.is_empty() {
        let none = list.fault("is empty, but a suite needs at least one scorer").under("scorers");
        return Err(none.hint("write \"scorers: [exact]\""));
    }
    Ok(scorers)
}

fn named_apart(list: Reader<'_>, suite: &Path) -> Result<Vec<Scorer>, Fault> {
    let mut scorers: Vec<Scorer> = Vec::new();
    for (index, reader) in list.items().enumerate() {
        let fail = |fault: Fault| fault.under_index(index);
        let scorer = scorer(reader, Some(suite), 0).map_err(fail)?;
        if scorers.iter().any(|other| other.name == scorer.name) {
            let twice = format!("is a second scorer named \"{}\"", scorer.name);
            return Err(fail(reader.fault(&twice).hint("give one of them another name: {name: …, type: …}")));
        }
        if scorer.weight != usual_weight() {
            let unused = "has a weight, but weights only count within mean";
            return Err(fail(reader.fault(unused).hint("write {type: mean, of: [{type: …, weight: 2}, …]}")));
        }
        scorers.push(scorer);
    }
    Ok(scorers)
}

/// Reads the scorers that an example lists under `assert`.
///
/// # Errors
/// A sentence that names the key and says what is wrong with it.
pub fn example_scorers(assert: &Value) -> Result<Vec<Scorer>, String> {
    let path = Path::new("assert");
    let document = Document::parse(assert.to_string(), path).map_err(|failure| failure.message)?;
    let read = |(index, reader): (usize, Reader<'_>)| {
        scorer(reader, None, 0).map_err(|fault| fault.under_index(index).under("assert"))
    };
    let scorers: Result<Vec<Scorer>, Fault> = document.root().items().enumerate().map(read).collect();
    scorers.map_err(|fault| match document.failure::<ScorerFile>(&fault).hint {
        Some(hint) => format!("{fault} ({hint})"),
        None => fault.to_string(),
    })
}

/// Reads a scorer. `suite` is the file that it is in, from which paths start; `None` if it must not refer to files.
fn scorer(reader: Reader<'_>, suite: Option<&Path>, depth: usize) -> Result<Scorer, Fault> {
    if depth > MAX_DEPTH {
        return Err(reader.fault(&format!("is nested more than {MAX_DEPTH} levels deep")));
    }
    let (kind, keys) = if reader.text().is_some() {
        (reader.read()?, reader.no_keys())
    } else {
        let expected =
            "a scorer's name such as exact, or a mapping with a type such as {type: regex, pattern: '^[A-D]$'}";
        typed::<ScorerType>(reader, expected)?
    };
    let ScorerKeys { name, reduce, not, threshold, weight, when } = keys.part()?;
    let of = |keys: Mapping<'_>| parts(keys, reader, suite, depth);
    let mut settings = settings(kind, keys, of)?;
    read_files(&mut settings, suite).map_err(|what| reader.fault(&what))?;
    let scorer = Scorer {
        name: name.unwrap_or_else(|| kind.name().to_owned()),
        kind: settings,
        reduce,
        not,
        threshold,
        weight: weight.unwrap_or_else(usual_weight),
        when,
    };
    // A template may only become valid once it is filled in; whatever else is wrong is found here, with its place.
    match SuiteScorers::new(std::slice::from_ref(&scorer), &Map::new(), example_scorers) {
        Err(error) => Err(reader.fault(&format!("cannot be used: {}", error.reason))),
        Ok(_) => Ok(scorer),
    }
}

/// The scorers that a scorer combines.
fn parts(keys: Mapping<'_>, owner: Reader<'_>, suite: Option<&Path>, depth: usize) -> Result<Vec<Scorer>, Fault> {
    let Some(list) = keys.get("of") else { return Err(owner.missing("of")) };
    let part = |(index, reader): (usize, Reader<'_>)| {
        scorer(reader, suite, depth + 1).map_err(|fault| fault.under_index(index).under("of"))
    };
    let parts: Vec<Scorer> = list.items().enumerate().map(part).collect::<Result<_, _>>()?;
    match parts.is_empty() {
        true => Err(list.fault("is empty, but needs at least one scorer").under("of")),
        false => Ok(parts),
    }
}

/// Replaces the values that are `file://` paths by the contents of the files. They are part of the suite's version.
fn read_files(kind: &mut ScorerKind, suite: Option<&Path>) -> Result<(), String> {
    for text in file_texts(kind) {
        let Some(path) = text.strip_prefix(FILE) else { continue };
        *text = read_file(path, suite)?;
    }
    if let ScorerKind::JsonSchema(extraction::JsonSchema { schema, .. }) = kind
        && let Some(path) = schema.as_str().and_then(|text| text.strip_prefix(FILE))
    {
        let source = read_file(path, suite)?;
        *schema =
            serde_json::from_str(&source).map_err(|error| format!("refers to {path}, which is not JSON: {error}"))?;
    }
    Ok(())
}

/// The settings that may be in a file.
fn file_texts(kind: &mut ScorerKind) -> Vec<&mut String> {
    use ScorerKind as K;
    match kind {
        K::Rubric(judge) => std::iter::once(&mut judge.criteria).chain(&mut judge.prompt).collect(),
        K::ClosedQa(judge) => std::iter::once(&mut judge.criteria).chain(&mut judge.prompt).collect(),
        K::GEval(judge) => std::iter::once(&mut judge.criteria).chain(&mut judge.prompt).collect(),
        K::Pairwise(judge) => std::iter::once(&mut judge.criteria).chain(&mut judge.prompt).collect(),
        K::Factuality(judge) => judge.prompt.iter_mut().collect(),
        K::AnswerRelevance(judge) => judge.prompt.iter_mut().collect(),
        K::ContextFaithfulness(judge) => judge.prompt.iter_mut().collect(),
        K::ContextRecall(judge) => judge.prompt.iter_mut().collect(),
        K::ContextPrecision(judge) => judge.prompt.iter_mut().collect(),
        _ => Vec::new(),
    }
}

fn read_file(path: &str, suite: Option<&Path>) -> Result<String, String> {
    let suite = suite.ok_or("must not refer to a file, because it is in a dataset")?;
    let path = suite.parent().unwrap_or(Path::new(".")).join(path);
    let read = std::fs::read_to_string(&path);
    // The final newline that editors add is not part of a prompt, and must not change the suite's version.
    read.map(|text| text.replace("\r\n", "\n").trim_end_matches('\n').to_owned())
        .map_err(|error| format!("refers to {}, which cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::edge::config::load_suite;

    fn load(scorers: &str) -> Result<Vec<Scorer>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        std::fs::write(folder.path().join("rubric.txt"), "Polite.\n").unwrap();
        std::fs::write(folder.path().join("schema.json"), r#"{"type": "object"}"#).unwrap();
        std::fs::write(&path, format!("dataset: d\nendpoints: [m]\nscorers: {scorers}\n")).unwrap();
        load_suite(&path).map(|suite| suite.scorers).map_err(|failure| failure.message)
    }

    #[test]
    fn scorers_may_be_negated_weighted_and_nested() {
        let scorers = load(
            "[{type: mean, name: tone, of: [{type: contains, value: sorry, not: true, weight: 2}, {type: all, of: [is_json]}]}, \
             {type: rouge_l, threshold: 0.5}]",
        );
        let scorers = scorers.unwrap();
        let part = &scorers[0].parts()[0];
        assert_eq!((part.not, part.weight, scorers[0].parts()[1].parts().len()), (true, 2.0, 1));
        assert_eq!(scorers[1].threshold, Some(0.5));
        let stored = serde_json::to_value(&scorers).unwrap();
        assert_eq!(serde_json::from_value::<Vec<Scorer>>(stored).unwrap(), scorers);
    }

    #[test]
    fn the_stored_form_of_the_first_scorers_is_unchanged() {
        let scorers = load("[exact, {type: contains, value: x}, {type: numeric, absolute: 1}]").unwrap();
        let usual = json!(["trim", "lowercase", "whitespace", "punctuation"]);
        let expected = json!([
            {"name": "exact", "kind": {"type": "exact", "normalize": usual}},
            {"name": "contains", "kind": {"type": "contains", "value": "x", "normalize": usual}},
            {"name": "numeric", "kind": {"type": "numeric", "absolute": 1.0, "relative": 1e-6}},
        ]);
        assert_eq!(serde_json::to_value(&scorers).unwrap(), expected);
    }

    #[test]
    fn texts_and_schemas_may_be_in_files() {
        let scorers = load(
            "[{type: rubric, judge: j, criteria: 'file://rubric.txt'}, {type: json_schema, schema: 'file://schema.json'}]",
        );
        let stored = serde_json::to_value(scorers.unwrap()).unwrap();
        assert_eq!(
            (&stored[0]["kind"]["criteria"], &stored[1]["kind"]["schema"]),
            (&json!("Polite."), &json!({"type": "object"}))
        );
    }

    #[test]
    fn mistakes_are_found_when_the_suite_is_read_with_their_place() {
        let cases = [
            (
                "[{type: all, of: [{type: regex, pattern: '('}]}]",
                "s.yaml:3:28: scorers[0].of[0] cannot be used: the regular",
            ),
            ("[{type: all}]", "needs the key \"of\""),
            ("[{type: any, of: []}]", "scorers[0].of is empty"),
            ("[{type: exact, weight: 2}]", "weights only count within mean"),
            ("[{type: exact, threshold: 2}]", "threshold must be above 0 and at most 1"),
            ("[{type: word_count}]", "add min or max"),
            ("[{type: rubric, judge: j, criteria: 'file://none.txt'}]", "cannot be read"),
            (
                "[{type: contains, value: '{{ metadata.city }}', when: 'metadata.('}]",
                "s.yaml:3:11: scorers[0] cannot be used: when is not a valid expression",
            ),
            (
                "[{type: all, of: [{type: contains, value: '{{ metadata.city }}', when: 'metadata.('}]}]",
                "scorers[0].of[0] cannot be used: when is not a valid expression",
            ),
            ("[levenshtien]", "unknown value \"levenshtien\" of scorers[0]"),
        ];
        for (scorers, expected) in cases {
            let message = load(scorers).unwrap_err();
            assert!(message.contains(expected), "{scorers}: {message}");
        }
    }

    #[test]
    fn the_scorers_of_an_example_are_read_from_its_row() {
        let scorers = example_scorers(&json!(["is_json", {"type": "contains", "value": "Paris"}])).unwrap();
        assert_eq!(scorers.len(), 2);
        let error = example_scorers(&json!([{"type": "contains", "valu": "Paris"}])).unwrap_err();
        assert!(
            error.contains("unknown key \"valu\" in assert[0]") && error.contains("did you mean \"value\"?"),
            "{error}"
        );
        let error =
            example_scorers(&json!({"type": "rubric", "judge": "j", "criteria": "file:///etc/hosts"})).unwrap_err();
        assert!(error.contains("must not refer to a file"), "{error}");
    }
}
