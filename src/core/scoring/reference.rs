//! Which scorers can score production's answers, for which nobody agreed on an answer.

use std::collections::HashSet;

use serde_json::Value;

use super::pattern::PLACEHOLDER;
use crate::core::domain::{Scorer, ScorerKind};
use crate::core::judge::JudgeTask;
use crate::core::prompt::new_environment;

/// Why a scorer that compares with the accepted answer cannot be used.
const NEEDS_ACCEPTED: &str = "it needs an accepted answer";

/// Variables that only an example of a golden set has.
const OF_EXAMPLES: [(&str, &str); 3] = [
    ("expected", "the accepted answer"),
    ("accepted", "the accepted answers"),
    ("metadata", "metadata, which traffic records do not have"),
];

/// Variables that only an answer of an endpoint has.
const OF_ENDPOINTS: [&str; 6] =
    ["latency_ms", "cost", "prompt_tokens", "completion_tokens", "finish_reason", "tool_calls"];

/// Why a scorer cannot score answers of production, as they are stored; `None` if it can.
///
/// A stored record has a request and an answer, and a context if its request has a field of that name. It has no accepted
/// answer, no metadata, and no figures about the answer. Settings that replace the accepted answer, such as `value`, make
/// a scorer independent of it, unless they are templates that use it. A combined scorer needs what any of its parts needs,
/// and every scorer what its condition (`when`) uses.
pub fn not_for_traffic(scorer: &Scorer) -> Option<String> {
    // A condition on what no record has would skip, or fail on, every one.
    if let Some(uses) = scorer.when.as_deref().and_then(|when| uses_of_example(&of_expression(when))) {
        return Some(format!("its condition (when) {uses}"));
    }
    if let Some(reason) = of_kind(&scorer.kind) {
        return Some(reason.to_owned());
    }
    if !scorer.parts().is_empty() {
        return scorer.parts().iter().find_map(|part| Some(format!("{}: {}", part.name, not_for_traffic(part)?)));
    }
    let used = match &scorer.kind {
        ScorerKind::Expression(settings) => of_expression(&settings.expression),
        kind => serde_json::to_value(kind).map(|settings| of_templates(&settings)).unwrap_or_default(),
    };
    let of_example = uses_of_example(&used);
    of_example.map(|uses| format!("it {uses}")).or_else(|| {
        let is_expression = matches!(scorer.kind, ScorerKind::Expression(_));
        let unknown = OF_ENDPOINTS.iter().find(|name| is_expression && used.contains(**name))?;
        Some(format!("it uses \"{unknown}\", which traffic records do not have"))
    })
}

/// What of an example these variables use that no traffic record has.
fn uses_of_example(used: &HashSet<String>) -> Option<String> {
    let (name, what) = OF_EXAMPLES.iter().find(|(name, _)| used.contains(*name))?;
    Some(format!("uses \"{name}\": {what}"))
}

/// The reason that follows from the kind and its settings alone.
fn of_kind(kind: &ScorerKind) -> Option<&'static str> {
    use ScorerKind as Kind;
    let accepted = |is_replaced: bool| (!is_replaced).then_some(NEEDS_ACCEPTED);
    let metadata = |field: &Option<String>| {
        field.is_some().then_some("it reads a metadata field, and traffic records have no metadata")
    };
    match kind {
        Kind::Exact(settings) => accepted(settings.value.is_some()),
        Kind::Contains(settings) => accepted(settings.value.is_some()),
        Kind::ContainsAll(settings) => accepted(!settings.values.is_empty()),
        Kind::ContainsAny(settings) => accepted(!settings.values.is_empty()),
        Kind::StartsWith(settings) => accepted(settings.value.is_some()),
        Kind::Regex(settings) => accepted(!settings.pattern.contains(PLACEHOLDER)),
        Kind::Levenshtein(settings) => accepted(settings.value.is_some()),
        Kind::RougeN(settings) => accepted(settings.value.is_some()),
        Kind::RougeL(settings) => accepted(settings.value.is_some()),
        Kind::Bleu(settings) => accepted(settings.value.is_some()),
        Kind::Gleu(settings) => accepted(settings.value.is_some()),
        Kind::Chrf(settings) => accepted(settings.value.is_some()),
        Kind::TokenF1(settings) => accepted(settings.value.is_some()),
        Kind::Cosine(settings) => accepted(settings.value.is_some()),
        Kind::JsonPath(settings) => accepted(settings.value.is_some()),
        Kind::JsonEqual(settings) => accepted(settings.value.is_some()),
        Kind::JsonFields(settings) => accepted(settings.value.is_some()),
        Kind::ToolCalls(settings) => accepted(settings.calls.is_some() || settings.none),
        Kind::ToolCallF1(settings) => accepted(!settings.names.is_empty()),
        Kind::Numeric(_) | Kind::Classification(_) => accepted(false),
        Kind::Retrieval(settings) => metadata(&settings.relevant).or(Some(NEEDS_ACCEPTED)),
        Kind::Citations(settings) => metadata(&settings.sources),
        Kind::Latency(_) => Some("traffic records do not say how long an answer took"),
        Kind::Cost(_) => Some("traffic records do not say what an answer cost"),
        Kind::Tokens(_) => Some("traffic records do not say how many tokens an answer had"),
        Kind::FinishReason(_) => Some("traffic records do not say why an answer ended"),
        Kind::Factuality(_)
        | Kind::ContextRecall(_)
        | Kind::ContextPrecision(_)
        | Kind::Pairwise(_)
        | Kind::Rubric(_)
        | Kind::ClosedQa(_)
        | Kind::AnswerRelevance(_)
        | Kind::ContextFaithfulness(_)
        | Kind::GEval(_) => of_judge(kind),
        Kind::Assert(_) => Some("it evaluates the scorers that an example lists itself"),
        Kind::OneOf(_)
        | Kind::WordCount(_)
        | Kind::SentenceCount(_)
        | Kind::Length(_)
        | Kind::JsonSchema(_)
        | Kind::IsJson(_)
        | Kind::IsXml(_)
        | Kind::IsYaml(_)
        | Kind::IsSql(_)
        | Kind::IsHtml(_)
        | Kind::ValidToolCalls(_)
        | Kind::Refusal(_)
        | Kind::NoPii(_)
        | Kind::Expression(_)
        | Kind::Exec(_)
        | Kind::Http(_)
        | Kind::All(_)
        | Kind::Any(_)
        | Kind::Mean(_) => None,
    }
}

fn of_judge(kind: &ScorerKind) -> Option<&'static str> {
    let task = JudgeTask::of(kind)?.ok()?;
    (task.kind.needs_expected() && task.other.is_none()).then_some(NEEDS_ACCEPTED)
}

/// The variables that an expression uses; none if it is not valid.
fn of_expression(expression: &str) -> HashSet<String> {
    let source = expression.trim();
    let source = source.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(source);
    let environment = new_environment();
    environment.compile_expression(source.trim()).map(|found| found.undeclared_variables(false)).unwrap_or_default()
}

/// The variables that the templates in a scorer's settings use.
fn of_templates(settings: &Value) -> HashSet<String> {
    match settings {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            let environment = new_environment();
            let template = environment.template_from_str(text);
            template.map(|template| template.undeclared_variables(false)).unwrap_or_default()
        }
        Value::Array(items) => items.iter().flat_map(of_templates).collect(),
        Value::Object(fields) => fields.values().flat_map(of_templates).collect(),
        _ => HashSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::core::domain::scorer::combined::All;
    use crate::core::domain::scorer::with_every_scorer;

    /// Kinds without settings that can score traffic, and that cannot.
    const FREE: &str = "is_json is_xml is_yaml is_sql is_html valid_tool_calls citations refusal no_pii";
    const BOUND: &str = "exact contains contains_all contains_any starts_with numeric levenshtein rouge_n rouge_l bleu gleu \
                         chrf token_f1 cosine classification json_equal json_fields tool_calls tool_call_f1 \
                         finish_reason assert";

    macro_rules! names {
        ($($how:ident $variant:ident $name:literal $settings:ty,)*) => { [$($name),*] };
    }

    fn scorer(settings: Value) -> Scorer {
        let kind: ScorerKind = serde_json::from_value(settings.clone()).unwrap_or_else(|e| panic!("{settings}: {e}"));
        Scorer::new(kind.name(), kind)
    }

    fn all(of: Vec<Value>) -> Scorer {
        Scorer::new("all", ScorerKind::All(All { of: of.into_iter().map(scorer).collect() }))
    }

    fn reason(settings: Value) -> Option<String> {
        not_for_traffic(&scorer(settings))
    }

    /// Settings of every kind without anything that replaces an accepted answer, and whether it can score traffic.
    fn table() -> Vec<(Value, bool)> {
        let plain = |names: &str| names.split_whitespace().map(|name| json!({"type": name})).collect::<Vec<_>>();
        let free = [
            json!({"type": "one_of", "values": ["a"]}),
            json!({"type": "regex", "pattern": "^a"}),
            json!({"type": "word_count", "max": 3}),
            json!({"type": "sentence_count", "max": 3}),
            json!({"type": "length", "max": 3}),
            json!({"type": "json_schema", "schema": {}}),
            json!({"type": "expression", "expression": "output | length < 9"}),
            json!({"type": "exec", "command": ["score"]}),
            json!({"type": "http", "url": "http://localhost/score"}),
            json!({"type": "rubric", "judge": "g", "criteria": "polite"}),
            json!({"type": "closed_qa", "judge": "g", "criteria": "polite"}),
            json!({"type": "g_eval", "judge": "g", "criteria": "polite"}),
            json!({"type": "answer_relevance", "judge": "g"}),
            json!({"type": "context_faithfulness", "judge": "g"}),
            json!({"type": "all", "of": []}),
            json!({"type": "any", "of": []}),
            json!({"type": "mean", "of": []}),
        ];
        let bound = [
            json!({"type": "json_path", "path": "a"}),
            json!({"type": "retrieval", "metric": "recall"}),
            json!({"type": "latency", "max_ms": 10.0}),
            json!({"type": "cost", "max": 1.0}),
            json!({"type": "tokens", "max": 10}),
            json!({"type": "factuality", "judge": "g"}),
            json!({"type": "context_recall", "judge": "g"}),
            json!({"type": "context_precision", "judge": "g"}),
            json!({"type": "pairwise", "judge": "g", "criteria": "short"}),
        ];
        let free = plain(FREE).into_iter().chain(free).map(|settings| (settings, true));
        free.chain(plain(BOUND).into_iter().chain(bound).map(|settings| (settings, false))).collect()
    }

    #[test]
    fn every_kind_of_scorer_is_known_to_need_an_accepted_answer_or_not() {
        let table = table();
        let named: BTreeSet<String> = table.iter().map(|(kind, _)| kind["type"].as_str().unwrap().to_owned()).collect();
        let every: BTreeSet<String> = with_every_scorer!(names).into_iter().map(str::to_owned).collect();
        assert_eq!(named, every);
        for (settings, free) in table {
            let found = reason(settings.clone());
            assert_eq!(found.is_none(), free, "{settings}: {found:?}");
        }
    }

    #[test]
    fn settings_that_replace_the_accepted_answer_make_a_scorer_independent_of_it() {
        for name in ["exact", "contains", "starts_with", "levenshtein", "rouge_n", "rouge_l", "bleu", "gleu", "chrf"] {
            assert_eq!(reason(json!({"type": name, "value": "yes"})), None, "{name}");
        }
        for name in ["token_f1", "cosine", "json_equal", "json_fields"] {
            assert_eq!(reason(json!({"type": name, "value": "yes"})), None, "{name}");
        }
        let others = [
            json!({"type": "contains_all", "values": ["a"]}),
            json!({"type": "contains_any", "values": ["a"]}),
            json!({"type": "json_path", "path": "a", "value": 3}),
            json!({"type": "tool_calls", "calls": [{"name": "search"}]}),
            json!({"type": "tool_calls", "none": true}),
            json!({"type": "tool_call_f1", "names": ["search"]}),
            json!({"type": "pairwise", "judge": "g", "criteria": "c", "value": "an answer"}),
        ];
        others.into_iter().for_each(|settings| assert_eq!(reason(settings.clone()), None, "{settings}"));
    }

    #[test]
    fn settings_that_use_the_accepted_answer_or_metadata_need_a_golden_set() {
        let cases = [
            (json!({"type": "regex", "pattern": "^{expected}$"}), "accepted answer"),
            (json!({"type": "contains", "value": "{{ expected }}"}), "accepted answer"),
            (
                json!({"type": "contains_any", "values": ["x", "{% for a in accepted %}{{ a }}{% endfor %}"]}),
                "accepted",
            ),
            (json!({"type": "contains", "value": "{{ metadata.city }}"}), "metadata"),
            (json!({"type": "citations", "sources": "ids"}), "metadata"),
            (json!({"type": "retrieval", "metric": "recall", "relevant": "ids"}), "metadata"),
            (json!({"type": "expression", "expression": "output == expected"}), "accepted answer"),
            (json!({"type": "expression", "expression": "{{ latency_ms < 10 }}"}), "latency_ms"),
            (
                json!({"type": "rubric", "judge": "g", "criteria": "c", "prompt": "{{ output }} like {{ expected }}"}),
                "accepted answer",
            ),
        ];
        for (settings, part) in cases {
            let found = reason(settings.clone()).unwrap_or_else(|| panic!("{settings} needs nothing"));
            assert!(found.contains(part), "{settings}: {found}");
        }
        assert_eq!(reason(json!({"type": "contains", "value": "{{ vars.shop }}"})), None);
        assert_eq!(reason(json!({"type": "expression", "expression": "'expected' not in output"})), None);
    }

    #[test]
    fn a_condition_that_uses_the_accepted_answer_or_metadata_needs_a_golden_set() {
        let with = |settings: Value, when: &str| Scorer { when: Some(when.to_owned()), ..scorer(settings) };
        let short = || json!({"type": "length", "max": 3});
        assert_eq!(not_for_traffic(&with(short(), "input is defined and vars.shop == 'metadata'")), None);
        let found = not_for_traffic(&with(short(), "metadata.city is defined")).unwrap();
        assert!(found.contains("(when) uses \"metadata\""), "{found}");
        let found = not_for_traffic(&with(json!({"type": "is_json"}), "accepted | length > 1")).unwrap();
        assert!(found.contains("\"accepted\": the accepted answers"), "{found}");
        let part = with(short(), "metadata.city is defined");
        let found = not_for_traffic(&Scorer::new("outer", ScorerKind::All(All { of: vec![part.clone()] }))).unwrap();
        assert!(found.starts_with("length: its condition"), "{found}");
        let outer = Scorer { kind: ScorerKind::All(All { of: vec![scorer(short())] }), ..part };
        assert!(not_for_traffic(&outer).unwrap().starts_with("its condition"));
    }

    #[test]
    fn a_combined_scorer_needs_what_any_of_its_parts_needs() {
        let free = || json!({"type": "length", "max": 3});
        assert_eq!(not_for_traffic(&all(vec![free(), json!({"type": "refusal"})])), None);
        let found = not_for_traffic(&all(vec![free(), json!({"type": "exact"})])).unwrap();
        assert_eq!(found, "exact: it needs an accepted answer");
        let nested = Scorer::new("outer", ScorerKind::All(All { of: vec![all(vec![json!({"type": "assert"})])] }));
        assert!(not_for_traffic(&nested).unwrap().contains("example lists"));
    }
}
