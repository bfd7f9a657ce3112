//! The scorers of a suite for each example: templates in their settings filled in, and the example's own scorers.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Map, Value as Json};

use super::compiled::{CompiledScorers, ScorerError};
use super::condition::{applies, check_condition};
use super::expression::accepted_variables;
use crate::core::domain::scorer::combined::{All, Any, Mean};
use crate::core::domain::{Example, Scorer, ScorerKind};
use crate::core::prompt::{explain, new_environment};

/// Settings that are not templates of the example: they are evaluated with the answer, or identify what evaluates it.
const OWN_TEMPLATES: [&str; 7] = ["prompt", "expression", "judge", "command", "params", "url", "headers"];

/// Reads the scorers that an example lists under `assert`.
pub type ReadScorers = fn(&Json) -> Result<Vec<Scorer>, String>;

/// The scorers of a suite, compiled once if they are the same for every example.
#[derive(Debug)]
pub struct SuiteScorers {
    scorers: Vec<Scorer>,
    fixed: Option<Arc<CompiledScorers>>,
    vars: Map<String, Json>,
    read: ReadScorers,
}

impl SuiteScorers {
    /// Compiles the scorers of a suite. `vars` are the suite's variables, which templates use as `vars.NAME`; `read` reads
    /// the scorers of an example.
    ///
    /// # Errors
    /// The first scorer that cannot be used for any example.
    pub fn new(scorers: &[Scorer], vars: &Map<String, Json>, read: ReadScorers) -> Result<Self, ScorerError> {
        let varies = scorers.iter().any(|scorer| uses_assert(scorer) || varies(scorer));
        let compiled = compile_fixed(scorers)?;
        let fixed = (!varies).then(|| Arc::new(compiled));
        Ok(Self { scorers: scorers.to_vec(), fixed, vars: vars.clone(), read })
    }

    /// The scorers for one example. A scorer that cannot be used for this example fails with the reason.
    pub fn of(&self, example: &Example) -> Arc<CompiledScorers> {
        if let Some(fixed) = &self.fixed {
            return Arc::clone(fixed);
        }
        let mut variables = accepted_variables(example);
        if !self.vars.is_empty() {
            variables.insert("vars".to_owned(), Value::from(Serde(&self.vars)));
        }
        let own = |scorer: &Scorer| {
            let filled = fill(scorer, &variables).and_then(|scorer| self.with_asserts(scorer, example));
            (scorer.name.clone(), filled)
        };
        Arc::new(CompiledScorers::of_example(self.scorers.iter().map(own).collect()))
    }

    /// Checks the scorers that an example lists under `assert`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub fn check(&self, example: &Example) -> Result<(), String> {
        if example.assert.is_none() || !self.scorers.iter().any(uses_assert) {
            return Ok(());
        }
        let scorers = example.assert.as_ref().map_or_else(|| Ok(Vec::new()), self.read)?;
        if scorers.iter().any(uses_assert) {
            return Err("an example's own scorers cannot use assert".to_owned());
        }
        // Datasets come from others: they must not start programs, send anything to servers, or spend money.
        let outside =
            scorers.iter().flat_map(Scorer::external_parts).find(|part| !matches!(part.kind, ScorerKind::Cosine(_)));
        if let Some(part) = outside {
            return Err(format!(
                "an example cannot use the scorer {}; list it in the suite, with a template such as {{{{ metadata.criteria }}}}",
                part.kind.name()
            ));
        }
        compile_fixed(&scorers).map(drop).map_err(|error| error.to_string())
    }

    /// Replaces `assert` by the example's own scorers, at any depth.
    fn with_asserts(&self, scorer: Scorer, example: &Example) -> Result<Scorer, String> {
        let kind = match &scorer.kind {
            ScorerKind::Assert(_) => ScorerKind::All(All { of: self.asserts(example)? }),
            ScorerKind::All(All { of }) => ScorerKind::All(All { of: self.each_with_asserts(of, example)? }),
            ScorerKind::Any(Any { of }) => ScorerKind::Any(Any { of: self.each_with_asserts(of, example)? }),
            ScorerKind::Mean(Mean { of }) => ScorerKind::Mean(Mean { of: self.each_with_asserts(of, example)? }),
            _ => return Ok(scorer),
        };
        Ok(Scorer { kind, ..scorer })
    }

    fn each_with_asserts(&self, of: &[Scorer], example: &Example) -> Result<Vec<Scorer>, String> {
        of.iter().map(|part| self.with_asserts(part.clone(), example)).collect()
    }

    fn asserts(&self, example: &Example) -> Result<Vec<Scorer>, String> {
        let Some(assert) = &example.assert else { return Ok(Vec::new()) };
        let mut variables = accepted_variables(example);
        variables.insert("vars".to_owned(), Value::from(Serde(&self.vars)));
        self.check(example)?;
        (self.read)(assert)?.iter().map(|scorer| fill(scorer, &variables)).collect()
    }
}

/// Compiles the scorers without templates. Those with one may only become valid once it is filled in, but their conditions
/// are no templates, and would otherwise fail for every example after its answer was paid for.
fn compile_fixed(scorers: &[Scorer]) -> Result<CompiledScorers, ScorerError> {
    scorers.iter().try_for_each(check_conditions)?;
    let fixed: Vec<Scorer> = scorers.iter().filter(|scorer| !has_template(scorer)).cloned().collect();
    CompiledScorers::compile(&fixed)
}

fn check_conditions(scorer: &Scorer) -> Result<(), ScorerError> {
    if let Some(when) = &scorer.when {
        check_condition(when).map_err(|reason| ScorerError { scorer: scorer.name.clone(), reason })?;
    }
    scorer.parts().iter().try_for_each(check_conditions)
}

/// Whether a scorer evaluates the scorers of the example itself.
pub fn uses_assert(scorer: &Scorer) -> bool {
    matches!(scorer.kind, ScorerKind::Assert(_)) || scorer.parts().iter().any(uses_assert)
}

/// Whether a scorer depends on the example: a setting is a template, or it applies only to some.
pub fn varies(scorer: &Scorer) -> bool {
    has_template(scorer) || has_condition(scorer)
}

fn has_condition(scorer: &Scorer) -> bool {
    scorer.when.is_some() || scorer.parts().iter().any(has_condition)
}

/// Whether any of a scorer's settings is a template.
pub fn has_template(scorer: &Scorer) -> bool {
    serde_json::to_value(&scorer.kind).is_ok_and(|kind| is_template(&kind))
}

fn is_template(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains("{{") || text.contains("{%"),
        Json::Array(items) => items.iter().any(is_template),
        Json::Object(fields) => {
            fields.iter().any(|(key, value)| !OWN_TEMPLATES.contains(&key.as_str()) && is_template(value))
        }
        _ => false,
    }
}

/// Fills in the templates of a scorer's settings. One that does not apply to the example has nothing to score.
fn fill(scorer: &Scorer, variables: &BTreeMap<String, Value>) -> Result<Scorer, String> {
    if let Some(when) = &scorer.when
        && !applies(when, variables)?
    {
        return Ok(Scorer { kind: ScorerKind::All(All { of: Vec::new() }), ..scorer.clone() });
    }
    if has_condition(scorer) && !scorer.parts().is_empty() {
        let of = scorer.parts().iter().map(|part| fill(part, variables)).collect::<Result<Vec<_>, _>>()?;
        let kind = match &scorer.kind {
            ScorerKind::Any(_) => ScorerKind::Any(Any { of }),
            ScorerKind::Mean(_) => ScorerKind::Mean(Mean { of }),
            _ => ScorerKind::All(All { of }),
        };
        return Ok(Scorer { kind, ..scorer.clone() });
    }
    let kind = serde_json::to_value(&scorer.kind).map_err(|error| error.to_string())?;
    if !is_template(&kind) {
        return Ok(scorer.clone());
    }
    let kind = rendered(kind, variables)?;
    let kind = serde_json::from_value(kind).map_err(|error| format!("with its templates filled in: {error}"))?;
    Ok(Scorer { kind, ..scorer.clone() })
}

fn rendered(value: Json, variables: &BTreeMap<String, Value>) -> Result<Json, String> {
    Ok(match value {
        Json::String(text) if text.contains("{{") || text.contains("{%") => {
            let filled = new_environment().render_str(&text, Value::from(variables));
            Json::String(filled.map_err(|error| format!("a template failed: {}", explain(&error, variables)))?)
        }
        Json::Array(items) => items.into_iter().map(|item| rendered(item, variables)).collect::<Result<_, _>>()?,
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| {
                let is_own = OWN_TEMPLATES.contains(&key.as_str());
                let value = if is_own { value } else { rendered(value, variables)? };
                Ok::<_, String>((key, value))
            });
            Json::Object(fields.collect::<Result<_, _>>()?)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Answer;
    use super::super::compiled::example;
    use super::*;
    use crate::core::domain::Score;

    fn read(value: &Json) -> Result<Vec<Scorer>, String> {
        let kinds: Vec<ScorerKind> = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        Ok(kinds.into_iter().map(|kind| Scorer::new(kind.name(), kind)).collect())
    }

    fn scorers(kinds: Json) -> SuiteScorers {
        let vars = Map::from_iter([("shop".to_owned(), json!("Acme"))]);
        SuiteScorers::new(&read(&kinds).unwrap(), &vars, read).unwrap()
    }

    fn score(of: &SuiteScorers, output: &str, example: &Example) -> Score {
        of.of(example).score(&Answer::text(output), example, &[]).remove(0).1
    }

    #[test]
    fn templates_in_settings_are_filled_in_for_each_example() {
        let suite = scorers(json!([{"type": "contains", "value": "{{ metadata.city }} from {{ vars.shop }}"}]));
        let mut example = example(vec![]);
        example.metadata.insert("city".to_owned(), json!("Paris"));
        assert_eq!(score(&suite, "to Paris from ACME", &example).value(), Some(1.0));
        assert_eq!(score(&suite, "to Lyon", &example).value(), Some(0.0));
        example.metadata.clear();
        let failed = score(&suite, "to Lyon", &example);
        assert!(matches!(&failed, Score::Failed(reason) if reason.contains("known variables")), "{failed:?}");
    }

    #[test]
    fn templates_and_conditions_make_a_scorer_vary_between_examples() {
        let of = |value: Json| read(&json!([value])).unwrap().remove(0);
        let plain = of(json!({"type": "contains", "value": "Paris"}));
        let template = of(json!({"type": "contains", "value": "{{ metadata.city }}"}));
        let condition = Scorer { when: Some("metadata.city is defined".to_owned()), ..plain.clone() };
        let nested = Scorer::new("all", ScorerKind::All(All { of: vec![plain.clone(), condition.clone()] }));
        assert_eq!([plain, template, condition, nested].map(|scorer| varies(&scorer)), [false, true, true, true]);
    }

    #[test]
    fn an_example_s_own_scorers_all_have_to_pass() {
        let suite = scorers(json!([{"type": "assert"}]));
        let mut example = example(vec![json!("a")]);
        assert!(matches!(score(&suite, "x", &example), Score::Skipped(_)));
        example.assert = Some(json!([{"type": "contains", "value": "{{ expected }}"}, {"type": "length", "max": 3}]));
        assert_eq!(suite.check(&example), Ok(()));
        assert_eq!(score(&suite, "xa", &example).value(), Some(1.0));
        assert_eq!(score(&suite, "xxxa", &example).value(), Some(0.0));
        example.assert = Some(json!([{"type": "regex", "pattern": "("}]));
        assert!(suite.check(&example).unwrap_err().contains("not valid"));
        assert!(matches!(score(&suite, "x", &example), Score::Failed(_)));
        example.assert = Some(json!([{"type": "assert"}]));
        assert!(suite.check(&example).is_err());
        for outside in [
            json!([{"type": "exec", "command": ["rm"]}]),
            json!([{"type": "all", "of": [{"name": "r", "kind": {"type": "rubric", "judge": "j", "criteria": "c"}}]}]),
        ] {
            example.assert = Some(outside);
            assert!(suite.check(&example).unwrap_err().contains("list it in the suite"));
            assert!(matches!(score(&suite, "x", &example), Score::Failed(_)), "an example must not start a program");
        }
    }

    #[test]
    fn a_scorer_is_skipped_for_examples_to_which_it_does_not_apply() {
        let condition = |kind: Json, when: &str| {
            let kind = serde_json::from_value(kind).unwrap();
            Scorer { when: Some(when.to_owned()), ..Scorer::new("one", kind) }
        };
        let one = condition(json!({"type": "contains", "value": "{{ metadata.city }}"}), "metadata.city is defined");
        let both = Mean {
            of: vec![
                one.clone(),
                Scorer::new("short", serde_json::from_value(json!({"type": "length", "max": 3})).unwrap()),
            ],
        };
        for (scorer, without, with) in [(one, None, 1.0), (Scorer::new("mean", ScorerKind::Mean(both)), Some(0.0), 0.5)]
        {
            let suite = SuiteScorers::new(&[scorer], &Map::new(), read).unwrap();
            let mut example = example(vec![]);
            assert_eq!(score(&suite, "to Paris", &example).value(), without);
            example.metadata.insert("city".to_owned(), json!("Paris"));
            assert_eq!(score(&suite, "to Paris", &example).value(), Some(with));
        }
    }

    #[test]
    fn an_invalid_condition_is_found_before_anything_is_sent_even_beside_a_template() {
        let broken = |kind: Json| {
            let kind = serde_json::from_value(kind).unwrap();
            Scorer { when: Some("metadata.(".to_owned()), ..Scorer::new("one", kind) }
        };
        let with_template = broken(json!({"type": "contains", "value": "{{ metadata.city }}"}));
        let nested = Scorer::new("all", ScorerKind::All(All { of: vec![with_template.clone()] }));
        for scorer in [broken(json!({"type": "length", "max": 3})), with_template, nested] {
            let error = SuiteScorers::new(std::slice::from_ref(&scorer), &Map::new(), read).unwrap_err();
            assert_eq!(error.scorer, "one", "{scorer:?}");
            assert!(error.reason.contains("not a valid expression"), "{error}");
        }
    }

    #[test]
    fn scorers_without_templates_are_compiled_once() {
        let suite = scorers(json!([{"type": "contains", "value": "a"}]));
        let example = example(vec![]);
        assert!(Arc::ptr_eq(&suite.of(&example), &suite.of(&example)));
    }
}
