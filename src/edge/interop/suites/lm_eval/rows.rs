//! The rows of a task as examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::super::draft::{Dataset, Draft, MAX_CHOICES, is_absent, letter, literal};
use super::super::records::unreadable;
use super::config::Config;
use super::templates::{Renderer, Template, printed, python_list};
use super::{Output, data};
use crate::core::domain::Failure;
use crate::core::tabular::Row;

/// Rows that are looked at to learn the names of fields.
const LOOKED_AT: usize = 100;

/// Names that mean something else in prompts of karat than a field of the input.
const RESERVED: [&str; 6] = ["input", "metadata", "tags", "id", "labels", "vars"];

/// A variable alone.
static VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}").ok());

/// The rows of a task, and how they are read.
pub(super) struct Rows<'a> {
    config: &'a Config,
    output: Output,
    renderer: Renderer,
    text: Template,
    target: Template,
    choice: Option<Template>,
    /// The template as the prompt of the suite; `None` if the input is the whole text.
    kept: Option<Kept>,
    /// What is removed from accepted answers.
    ignored: Vec<Regex>,
}

/// A template that consists of text and plain fields.
#[derive(Debug, Clone, PartialEq)]
struct Kept {
    prompt: String,
    fields: Vec<String>,
}

impl<'a> Rows<'a> {
    /// Looks at the rows to find out what their templates mean.
    ///
    /// # Errors
    /// A data failure if a file cannot be read.
    pub(super) fn new(
        config: &'a Config,
        output: Output,
        files: &[PathBuf],
        ignored: Vec<Regex>,
    ) -> Result<Self, Failure> {
        let (mut names, mut rows) = (BTreeSet::new(), 0_u64);
        for file in files {
            for row in data::rows(config, file)?.take(LOOKED_AT) {
                rows += 1;
                let fields = row.map_err(|error| unreadable(file, error))?.fields;
                names.extend(fields.into_iter().flatten().map(|(name, _)| name));
            }
        }
        if rows == 0 {
            return Err(Failure::data(format!("{}: the data of the task contain no rows", config.file.display())));
        }
        let is_field = |name: &str| names.contains(name);
        let template = |key: &str| config.get(key).map(|setting| Template::new(&setting.value, &is_field));
        let absent = || Template::Fixed(Value::Null);
        let text = template("doc_to_text").unwrap_or_else(absent);
        let mut kept = kept(config.text("doc_to_text").unwrap_or_default(), &is_field);
        if let Some(fields) = kept.as_ref().map(|kept| kept.fields.clone())
            && !all_plain(config, files, &fields)?
        {
            kept = None;
        }
        Ok(Self {
            config,
            output,
            renderer: Renderer::new(),
            text,
            target: template("doc_to_target").unwrap_or_else(absent),
            choice: template("doc_to_choice"),
            kept,
            ignored,
        })
    }

    /// The template of the user's message, without choices.
    pub(super) fn prompt(&self) -> String {
        let prompt = self.kept.as_ref().map_or("{{ input }}", |kept| kept.prompt.as_str());
        if self.output == Output::Choices { without_cue(prompt).to_owned() } else { prompt.to_owned() }
    }

    /// Writes all rows as examples. Returns whether all accepted answers are numbers.
    ///
    /// # Errors
    /// A failure if a file cannot be read, or of the sink.
    pub(super) fn write(&self, files: &[PathBuf], dataset: &mut Dataset<'_>) -> Result<bool, Failure> {
        let mut numbers = true;
        for file in files {
            dataset.enter(file.clone());
            for row in data::rows(self.config, file)? {
                let Row { line, fields } = row.map_err(|error| unreadable(file, error))?;
                match fields.and_then(|fields| self.draft(fields)) {
                    Ok(draft) => {
                        numbers &= draft.expected.as_ref().is_some_and(are_numbers);
                        dataset.add(line, draft)?;
                    }
                    Err(reason) => dataset.bad(line, reason),
                }
            }
        }
        Ok(numbers && dataset.seen.rows > 0)
    }

    /// The setting of the task from which a failure comes.
    pub(super) fn of<T>(&self, key: &str, result: Result<T, String>) -> Result<T, String> {
        result.map_err(|why| match self.config.get(key) {
            Some(setting) => format!("{key} (line {} of the task): {why}", setting.line),
            None => format!("{key}: {why}"),
        })
    }

    fn draft(&self, mut fields: Map<String, Value>) -> Result<Draft, String> {
        let choices = self.choices(&fields)?;
        if choices.is_some() {
            self.text(&fields)?;
        }
        let input = self.input(&fields)?;
        let expected = match (self.output, &choices) {
            (Output::Choices, None) => {
                return Err("doc_to_choice is missing, and the task is of the type multiple_choice".to_owned());
            }
            (Output::Choices, Some(choices)) => self.letters(&fields, choices)?,
            (_, choices) => self.texts(&fields, choices.as_deref())?.into_iter().map(Value::String).collect(),
        };
        let expected: Vec<Value> = expected.into_iter().map(|answer| self.without_ignored(answer)).collect();
        let id = fields.get("id").filter(|id| id.is_string() || id.is_number()).cloned();
        if id.is_some() {
            fields.remove("id");
        }
        for name in self.kept.iter().flat_map(|kept| &kept.fields) {
            fields.remove(name);
        }
        fields.retain(|_, value| !is_absent(value));
        if let Some(choices) = choices.filter(|_| self.output == Output::Choices) {
            keep_choices(choices, &mut fields);
        }
        let expected = match <[Value; 1]>::try_from(expected) {
            Ok([one]) => one,
            Err(several) => Value::Array(several),
        };
        Ok(Draft { id, input, expected: Some(expected), metadata: fields, ..Draft::default() })
    }

    /// The text of a row, or the fields that the prompt prints.
    fn input(&self, fields: &Map<String, Value>) -> Result<Value, String> {
        let field = |name: &String| fields.get(name).cloned().ok_or_else(|| format!("the field {name} is missing"));
        match self.kept.as_ref().map(|kept| kept.fields.as_slice()) {
            Some([only]) => field(only).map(|value| json!(printed(&value))),
            Some(names) => names
                .iter()
                .map(|name| Ok((name.clone(), field(name)?)))
                .collect::<Result<Map<_, _>, String>>()
                .map(Value::Object),
            None => {
                let text = self.text(fields)?;
                let text = if self.output == Output::Choices { without_cue(&text).to_owned() } else { text };
                Ok(json!(text))
            }
        }
    }

    /// The text of a row as lm-eval asks it.
    ///
    /// # Errors
    /// Says why it cannot be rendered.
    pub(super) fn text(&self, fields: &Map<String, Value>) -> Result<String, String> {
        let value = self.of("doc_to_text", self.renderer.value(&self.text, fields))?;
        let is_index = value.is_number()
            || value.as_str().is_some_and(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()));
        if is_index && self.choice.is_some() {
            return self.of(
                "doc_to_text",
                Err("gives the number of a choice; tasks whose choices are the questions are not carried over"
                    .to_owned()),
            );
        }
        Ok(printed(&value))
    }

    /// The accepted answers of a row as texts; of a row with choices, the right ones.
    ///
    /// # Errors
    /// Says why they cannot be rendered.
    pub(super) fn answers(&self, fields: &Map<String, Value>) -> Result<Vec<String>, String> {
        self.texts(fields, self.choices(fields)?.as_deref())
    }

    fn texts(&self, fields: &Map<String, Value>, choices: Option<&[String]>) -> Result<Vec<String>, String> {
        if let Some(choices) = choices {
            let at = self.indices(fields, choices)?;
            return Ok(at.into_iter().filter_map(|at| choices.get(at)).cloned().collect());
        }
        let value = self.of("doc_to_target", self.renderer.value(&self.target, fields))?;
        Ok(match value {
            Value::Array(items) => items.iter().map(printed).collect(),
            Value::String(text) if !matches!(self.target, Template::Field(_)) => match python_list(&text) {
                Some(items) => items.iter().map(printed).collect(),
                None => vec![text],
            },
            other => vec![printed(&other)],
        })
    }

    fn choices(&self, fields: &Map<String, Value>) -> Result<Option<Vec<String>>, String> {
        let Some(template) = &self.choice else { return Ok(None) };
        let items = match self.of("doc_to_choice", self.renderer.value(template, fields))? {
            Value::Array(items) => items,
            Value::String(text) => python_list(&text).ok_or("doc_to_choice gives no list")?,
            _ => return Err("doc_to_choice gives no list".to_owned()),
        };
        match items.len() {
            1..=MAX_CHOICES => Ok(Some(items.iter().map(|item| printed(item).trim().to_owned()).collect())),
            other => Err(format!("doc_to_choice gives {other} choices, but there must be 1 to {MAX_CHOICES}")),
        }
    }

    /// The right choices of a row, counted from 0.
    fn indices(&self, fields: &Map<String, Value>, choices: &[String]) -> Result<Vec<usize>, String> {
        let value = self.of("doc_to_target", self.renderer.value(&self.target, fields))?;
        let is_field = matches!(self.target, Template::Field(_));
        let list = match value {
            Value::Array(items) => items,
            Value::String(text) if !is_field => python_list(&text).unwrap_or_else(|| vec![Value::String(text)]),
            other => vec![other],
        };
        let at = list.iter().map(|target| index(target, choices, is_field));
        let at: Option<Vec<usize>> = at.collect();
        let at = at.filter(|at| !at.is_empty());
        self.of("doc_to_target", at.ok_or_else(|| "is none of the choices".to_owned()))
    }

    fn letters(&self, fields: &Map<String, Value>, choices: &[String]) -> Result<Vec<Value>, String> {
        Ok(self.indices(fields, choices)?.into_iter().filter_map(letter).map(Value::String).collect())
    }

    fn without_ignored(&self, answer: Value) -> Value {
        match answer {
            Value::String(text) if !self.ignored.is_empty() => {
                let text = self.ignored.iter().fold(text, |text, pattern| pattern.replace_all(&text, "").into_owned());
                Value::String(text)
            }
            other => other,
        }
    }
}

/// Keeps choices for the prompt, unless they are only the letters that the text lists itself.
fn keep_choices(choices: Vec<String>, metadata: &mut Map<String, Value>) {
    let own = metadata.remove("choices");
    let are_letters = choices.iter().enumerate().all(|(at, choice)| letter(at).as_deref() == Some(choice));
    let choices = json!(choices);
    if let Some(own) = own.filter(|own| *own != choices) {
        metadata.insert("original_choices".to_owned(), own);
    }
    if !are_letters {
        metadata.insert("choices".to_owned(), choices);
    }
}

/// The place of a target among the choices: a number, or the text of a choice.
fn index(target: &Value, choices: &[String], is_field: bool) -> Option<usize> {
    let at = match target {
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Value::Bool(is_second) => Some(usize::from(*is_second)),
        Value::String(text) => {
            let by_text = choices.iter().position(|choice| *choice == text.trim());
            let by_number = text.trim().parse().ok();
            // A template gives a number if it can; the value of a field may be a text of digits.
            if is_field { by_text.or(by_number) } else { by_number.or(by_text) }
        }
        _ => None,
    };
    at.filter(|at| *at < choices.len())
}

fn are_numbers(expected: &Value) -> bool {
    let is_number = |value: &Value| {
        let text = printed(value).trim().replace(',', "");
        text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    expected.as_array().map_or_else(|| is_number(expected), |items| !items.is_empty() && items.iter().all(is_number))
}

/// A text without a last line such as "Answer:", which would ask for another form of answer.
fn without_cue(text: &str) -> &str {
    match text.trim_end().rsplit_once('\n') {
        Some((before, last))
            if last.ends_with(':') && last.split_whitespace().count() == 1 && !before.trim().is_empty() =>
        {
            before.trim_end()
        }
        _ => text,
    }
}

/// The template as a prompt, if it has nothing but text and plain fields that mean the same there.
fn kept(text: &str, is_field: &dyn Fn(&str) -> bool) -> Option<Kept> {
    let text = if is_field(text) { format!("{{{{ {text} }}}}") } else { text.to_owned() };
    if text.ends_with('\n') || ["{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let (mut parts, mut fields, mut end) = (Vec::new(), Vec::new(), 0);
    for found in VARIABLE.as_ref()?.captures_iter(&text) {
        let (whole, name) = (found.get(0)?, found.get(1)?.as_str());
        parts.push((text.get(end..whole.start())?, name));
        if !fields.iter().any(|field| field == name) {
            fields.push(name.to_owned());
        }
        end = whole.end();
    }
    let rest = text.get(end..)?;
    let is_plain = |text: &str| !text.contains("{{") && !text.contains("}}");
    let one = fields.len() == 1;
    let all_known = fields.iter().all(|name| is_field(name) && (one || !RESERVED.contains(&name.as_str())));
    if fields.is_empty() || !all_known || !is_plain(rest) || !parts.iter().all(|(text, _)| is_plain(text)) {
        return None;
    }
    let variable = |name: &str| format!("{{{{ {} }}}}", if one { "input" } else { name });
    let prompt = parts.iter().map(|(text, name)| literal(text) + &variable(name)).collect::<String>();
    Some(Kept { prompt: prompt + &literal(rest), fields })
}

/// Whether these fields are texts or whole numbers in all rows that can be read.
fn all_plain(config: &Config, files: &[PathBuf], names: &[String]) -> Result<bool, Failure> {
    let is_plain = |value: &Value| value.is_i64() || value.as_str().is_some_and(|text| !text.trim().is_empty());
    let in_file = |file: &Path| -> Result<bool, Failure> {
        for row in data::rows(config, file)? {
            let Ok(fields) = row.map_err(|error| unreadable(file, error))?.fields else { continue };
            if !names.iter().all(|name| fields.get(name).is_some_and(is_plain)) {
                return Ok(false);
            }
        }
        Ok(true)
    };
    for file in files {
        if !in_file(file)? {
            return Ok(false);
        }
    }
    Ok(true)
}
