//! The prompts of judges: those built in, and the rendering of a user's own.
//!
//! A user's prompt replaces only the task. The rules on material and the form of the verdict are always in the system
//! message, and repeated after the task.

use std::collections::BTreeMap;

use minijinja::value::Serde;
use minijinja::{Environment, Value};

use super::delimit::{Delimiter, update_each};
use super::kind::{JudgeKind, Order};
use super::material::{self, Material, Text};
use super::schema::{self, Field};
use crate::core::prompt::{Bounded, explain, new_environment};

/// Version of everything that a judge is told. It is raised whenever a built-in text or the form of a verdict changes,
/// since a judge that is told something else is another judge.
pub const PROMPTS_VERSION: u32 = 1;

/// Maximum length of a user's prompt, in bytes.
const MAX_TEMPLATE: usize = 64 << 10;

/// Names under which templates are stored.
const TASK: &str = "task";
const SYSTEM: &str = "system";
const END: &str = "end";

/// The task that is built in for a kind of judgement: a template that can serve as the start of one's own.
pub fn built_in_template(kind: JudgeKind) -> &'static str {
    match kind {
        JudgeKind::Rubric => include_str!("prompts/rubric.jinja"),
        JudgeKind::Factuality(_) => include_str!("prompts/factuality.jinja"),
        JudgeKind::ClosedQa => include_str!("prompts/closed_qa.jinja"),
        JudgeKind::AnswerRelevance => include_str!("prompts/answer_relevance.jinja"),
        JudgeKind::ContextFaithfulness => include_str!("prompts/context_faithfulness.jinja"),
        JudgeKind::ContextRecall => include_str!("prompts/context_recall.jinja"),
        JudgeKind::ContextPrecision => include_str!("prompts/context_precision.jinja"),
        JudgeKind::GEval { .. } => include_str!("prompts/g_eval.jinja"),
        JudgeKind::Pairwise => include_str!("prompts/pairwise.jinja"),
    }
}

/// Identifies what a judge is asked, apart from the material and the model: 32 hexadecimal digits. It changes with
/// [`PROMPTS_VERSION`], the kind and its settings, the criteria, the steps, and the task. Verdicts of judges with
/// different identities are not comparable, and a validation holds only for one identity.
///
/// White space around the criteria does not count. `None` for `user_template` is the built-in task.
pub fn prompt_identity(
    kind: JudgeKind,
    criteria: Option<&str>,
    steps: &[String],
    user_template: Option<&str>,
) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("karat judge prompt 1");
    hasher.update(&PROMPTS_VERSION.to_le_bytes());
    kind.update(&mut hasher);
    let criteria = criteria.map(str::trim).unwrap_or_default();
    let template = user_template.unwrap_or_else(|| built_in_template(kind));
    update_each(&mut hasher, &[criteria, template]);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    update_each(&mut hasher, &steps);
    let mut identity = hasher.finalize().to_hex().to_string();
    identity.truncate(32);
    identity
}

/// Checks a user's prompt without rendering it.
///
/// # Errors
/// Returns a sentence if it is too long, is not a valid template, uses a variable that does not exist, or does not use
/// the variables that the judgement is about.
pub fn check_template(kind: JudgeKind, user_template: &str) -> Result<(), String> {
    let prompt = Prompt::compile(kind, Some(user_template))?;
    let data = material::variables(kind);
    let known: Vec<&str> = data.iter().copied().chain(instructions()).collect();
    let mut used: Vec<String> = prompt.used.clone();
    used.sort();
    if let Some(unknown) = used.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("the judge's prompt: `{unknown}` does not exist; known variables: {}", known.join(", ")));
    }
    match material::subjects(kind).iter().find(|subject| !prompt.uses(subject)) {
        Some(subject) => Err(not_printed(kind, subject)),
        None => Ok(()),
    }
}

/// Names of the variables that the author of the suite wrote.
fn instructions() -> [&'static str; 3] {
    ["criteria", "steps", "scale"]
}

fn not_printed(kind: JudgeKind, subject: &str) -> String {
    format!("the judge's prompt does not print {{{{ {subject} }}}}, which {} grades", material::named(kind))
}

/// The compiled prompt of a judge.
pub(super) struct Prompt {
    kind: JudgeKind,
    environment: Environment<'static>,
    /// Variables that the task uses.
    used: Vec<String>,
}

impl Prompt {
    /// Compiles the built-in task or a user's one.
    pub(super) fn compile(kind: JudgeKind, user_template: Option<&str>) -> Result<Self, String> {
        let template = user_template.unwrap_or_else(|| built_in_template(kind));
        if template.len() > MAX_TEMPLATE {
            return Err(format!("the judge's prompt is {} bytes long; the limit is {MAX_TEMPLATE}", template.len()));
        }
        let mut environment = new_environment();
        let mut add = |name: &'static str, source: &str| {
            environment.add_template_owned(name, source.to_owned()).map_err(|error| failure(&error, &BTreeMap::new()))
        };
        add(TASK, template)?;
        add(SYSTEM, include_str!("prompts/system.jinja"))?;
        add(END, include_str!("prompts/end.jinja"))?;
        let task = environment.get_template(TASK).map_err(|error| failure(&error, &BTreeMap::new()))?;
        let used = task.undeclared_variables(false).into_iter().collect();
        Ok(Self { kind, environment, used })
    }

    fn uses(&self, variable: &str) -> bool {
        self.used.iter().any(|used| used == variable)
    }

    /// The texts that the task prints.
    ///
    /// # Errors
    /// Returns a sentence if something that the judgement is about is missing, or if the texts are too long.
    pub(super) fn texts<'a>(&self, material: &Material<'a>, order: Order) -> Result<Vec<Text<'a>>, String> {
        let mut texts = Vec::new();
        for variable in material::variables(self.kind) {
            let found = if self.uses(variable) { material.texts(variable, order) } else { Vec::new() };
            if found.is_empty() && material::subjects(self.kind).contains(variable) {
                let absent = material.texts(variable, order).is_empty();
                let reason =
                    if absent { material::missing } else { |kind, subject: &str, _| not_printed(kind, subject) };
                return Err(reason(self.kind, variable, order));
            }
            texts.extend(found);
        }
        if self.uses("criteria") && material::needs_criteria(self.kind) && material.trimmed_criteria().is_none() {
            return Err(format!("{} needs criteria, and there are none", material::named(self.kind)));
        }
        material::check_size(&texts)?;
        Ok(texts)
    }

    /// Renders the task with all texts delimited.
    ///
    /// # Errors
    /// Returns a sentence if rendering fails, or if the result does not contain the delimited texts as they are.
    pub(super) fn task(
        &self,
        material: &Material<'_>,
        texts: &[Text<'_>],
        delimiter: &Delimiter,
    ) -> Result<String, String> {
        let blocks: Vec<String> = texts.iter().map(|text| delimiter.block(&text.label, &text.text)).collect();
        let mut variables = self.data_variables(material, texts, &blocks);
        let scale = if let JudgeKind::GEval { scale } = self.kind { Value::from(scale) } else { Value::from(()) };
        let criteria = material.trimmed_criteria().map_or_else(|| Value::from(()), Value::from);
        let own = [("criteria", criteria), ("steps", Value::from(Serde(material.steps))), ("scale", scale)];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let task = self.render(TASK, &variables)?;
        self.check_blocks(&task, texts, &blocks, delimiter)?;
        Ok(task)
    }

    /// The variables that are data, null if the material has none.
    fn data_variables(
        &self,
        material: &Material<'_>,
        texts: &[Text<'_>],
        blocks: &[String],
    ) -> BTreeMap<String, Value> {
        let mut variables = BTreeMap::new();
        for name in material::variables(self.kind) {
            let own = || texts.iter().zip(blocks).filter(|(text, _)| text.variable == *name);
            let value = if *name == "metadata" {
                let nulls = material.metadata.into_iter().flatten().filter(|(_, value)| value.is_null());
                let mut fields: BTreeMap<String, Value> =
                    nulls.map(|(field, _)| (field.clone(), Value::from(()))).collect();
                fields.extend(own().filter_map(|(text, block)| Some((text.field?.to_owned(), Value::from(block)))));
                Value::from(fields)
            } else if own().next().is_none() {
                Value::from(())
            } else {
                Value::from(own().map(|(_, block)| block.as_str()).collect::<Vec<_>>().join("\n"))
            };
            variables.insert((*name).to_owned(), value);
        }
        variables
    }

    /// A filter such as `upper` or `indent` changes markers or bars, after which text is no longer recognized as
    /// material.
    fn check_blocks(
        &self,
        task: &str,
        texts: &[Text<'_>],
        blocks: &[String],
        delimiter: &Delimiter,
    ) -> Result<(), String> {
        let printed: Vec<usize> = blocks.iter().map(|block| task.matches(block.as_str()).count()).collect();
        let codes = task.to_ascii_lowercase().matches(delimiter.code()).count();
        if codes != 2 * printed.iter().sum::<usize>() {
            return Err("the judge's prompt changes delimited text; print it as it is, without filters".to_owned());
        }
        let is_printed =
            |subject: &&&str| texts.iter().zip(&printed).any(|(text, count)| text.variable == **subject && *count > 0);
        match material::subjects(self.kind).iter().find(|subject| !is_printed(subject)) {
            Some(subject) => Err(not_printed(self.kind, subject)),
            None => Ok(()),
        }
    }

    /// Renders the rules and the reminder, which name the code of the markers and the id of the verdict.
    pub(super) fn frame(&self, sources: usize, code: &str, verdict_id: &str) -> Result<(String, String), String> {
        let field = |field: Field| BTreeMap::from([("name", field.name.to_owned()), ("about", field.about)]);
        let fields: Vec<_> = schema::fields(self.kind, sources).into_iter().map(field).collect();
        let variables = BTreeMap::from([
            ("fields".to_owned(), Value::from(Serde(fields))),
            ("code".to_owned(), Value::from(code)),
            ("verdict_id".to_owned(), Value::from(verdict_id)),
        ]);
        Ok((self.render(SYSTEM, &variables)?, self.render(END, &variables)?))
    }

    fn render(&self, name: &str, variables: &BTreeMap<String, Value>) -> Result<String, String> {
        let render = || {
            let mut bounded = Bounded::default();
            self.environment.get_template(name)?.render_captured_to(Value::from(variables), &mut bounded)?;
            bounded.into_text()
        };
        render().map_err(|error| failure(&error, variables))
    }
}

fn failure(error: &minijinja::Error, variables: &BTreeMap<String, Value>) -> String {
    let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
    format!("the judge's prompt{line}: {}", explain(error, variables))
}

#[cfg(test)]
mod tests {
    use super::super::kind::FactualityScores;
    use super::*;
    use crate::core::judge::tests::KINDS;

    #[test]
    fn the_version_is_raised_when_a_built_in_text_changes() {
        let mut hasher = blake3::Hasher::new();
        update_each(&mut hasher, &[include_str!("prompts/system.jinja"), include_str!("prompts/end.jinja")]);
        for kind in KINDS {
            let schema = schema::schema(kind, 3).to_string();
            update_each(&mut hasher, &[kind.name(), built_in_template(kind), &schema]);
        }
        let mut hash = hasher.finalize().to_hex().to_string();
        hash.truncate(16);
        assert_eq!(
            (PROMPTS_VERSION, hash.as_str()),
            (1, "057b7fa2c00bf1dd"),
            "a built-in text changed: raise PROMPTS_VERSION, and put the new hash here"
        );
    }

    #[test]
    fn the_identity_depends_on_everything_that_a_judge_is_told() {
        let steps = vec!["read".to_owned()];
        let kind = JudgeKind::GEval { scale: 5 };
        let identity = prompt_identity(kind, Some("polite"), &steps, None);
        assert_eq!(identity.len(), 32);
        assert_eq!(identity, prompt_identity(kind, Some(" polite\n"), &steps, Some(built_in_template(kind))));
        let half = FactualityScores { subset: 0.5, ..Default::default() };
        let mut others = vec![
            identity,
            prompt_identity(JudgeKind::GEval { scale: 4 }, Some("polite"), &steps, None),
            prompt_identity(kind, Some("kind"), &steps, None),
            prompt_identity(kind, Some("polite"), &[], None),
            prompt_identity(kind, Some("polite"), &steps, Some("{{ output }}")),
            prompt_identity(JudgeKind::Rubric, Some("polite"), &steps, None),
            prompt_identity(JudgeKind::Factuality(half), None, &[], None),
            prompt_identity(JudgeKind::Factuality(Default::default()), None, &[], None),
        ];
        let all = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), all);
    }

    #[test]
    fn a_prompt_of_ones_own_is_checked_before_it_is_used() {
        let check = |template: &str| check_template(JudgeKind::Rubric, template);
        assert_eq!(check("{{ criteria }} {{ output }} {{ metadata.x }}"), Ok(()));
        for (template, part) in [
            ("{{ output", "the judge's prompt, line 1: "),
            ("{{ output }} {{ answer_a }}", "`answer_a` does not exist; known variables: input, output, "),
            ("{{ criteria }}", "does not print {{ output }}, which a rubric judge grades"),
            (&"x".repeat(MAX_TEMPLATE + 1), "is 65537 bytes long; the limit is 65536"),
        ] {
            let error = check(template).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for kind in KINDS {
            assert_eq!(check_template(kind, built_in_template(kind)), Ok(()));
        }
    }
}
