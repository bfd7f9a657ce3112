//! Templates of tasks: Jinja2 with the usual methods of Python's texts, lists and dictionaries.

use std::collections::BTreeMap;

use minijinja::value::{Serde, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};
use regex::Regex;
use serde_json::{Map, Value as Json};

use crate::core::prompt::{Bounded, explain, new_environment};

/// The longest text that a value is printed as, in bytes.
const MAX_PRINTED: usize = 8 << 20;

/// The longest text that a method or filter makes, in bytes.
const MAX_MADE: usize = 64 << 20;

/// What a setting such as `doc_to_target` says about each row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Template {
    /// The value of a field.
    Field(String),
    /// The value of an expression.
    Expression(String),
    /// A text.
    Text(String),
    /// The same value for all rows.
    Fixed(Json),
}

impl Template {
    /// A template as written; `is_field` says whether a text is the name of a field of the rows.
    pub(super) fn new(setting: &Json, is_field: &dyn Fn(&str) -> bool) -> Self {
        match setting {
            Json::String(text) if is_field(text) => Self::Field(text.clone()),
            Json::String(text) => expression(text).map_or_else(|| Self::Text(text.clone()), Self::Expression),
            other => Self::Fixed(other.clone()),
        }
    }
}

/// The expression of a template that is nothing else.
fn expression(text: &str) -> Option<String> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
    let ends_within = inner.contains("{{") || inner.contains("}}") || inner.contains("{%");
    (!inner.is_empty() && !ends_within).then(|| inner.to_owned())
}

/// Renders templates for rows.
pub(super) struct Renderer(Environment<'static>);

impl Renderer {
    /// A renderer with the methods and filters that templates of tasks use.
    pub(super) fn new() -> Self {
        let mut environment = new_environment();
        environment.set_formatter(print_value);
        environment.set_unknown_method_callback(method);
        environment.add_filter("regex_replace", regex_replace);
        Self(environment)
    }

    /// The value of a template for a row.
    ///
    /// # Errors
    /// Says why it cannot be rendered.
    pub(super) fn value(&self, template: &Template, row: &Map<String, Json>) -> Result<Json, String> {
        match template {
            Template::Fixed(value) => Ok(value.clone()),
            Template::Field(name) => row.get(name).cloned().ok_or_else(|| format!("the field {name} is missing")),
            Template::Text(text) => self.render(text, row).map(Json::String),
            Template::Expression(source) => {
                let variables = variables(row);
                let expression = self.0.compile_expression(source).map_err(|error| explain(&error, &variables))?;
                let value = expression.eval(Value::from(&variables)).map_err(|error| explain(&error, &variables))?;
                if value.is_undefined() {
                    return Err(format!("`{source}` is undefined"));
                }
                serde_json::to_value(&value).map_err(|_| format!("{source} gives no value that can be written as JSON"))
            }
        }
    }

    fn render(&self, source: &str, row: &Map<String, Json>) -> Result<String, String> {
        let variables = variables(row);
        // Jinja2 is set up to keep the newline at the end there, and removes it here.
        let source = if source.ends_with('\n') { format!("{source}{{{{ '' }}}}") } else { source.to_owned() };
        let render = || {
            let mut bounded = Bounded::default();
            self.0.template_from_str(&source)?.render_captured_to(Value::from(&variables), &mut bounded)?;
            bounded.into_text()
        };
        render().map_err(|error| explain(&error, &variables))
    }
}

fn variables(row: &Map<String, Json>) -> BTreeMap<String, Value> {
    row.iter().map(|(name, value)| (name.clone(), Value::from(Serde(value)))).collect()
}

/// A value as Python prints it.
pub(super) fn printed(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Array(items) => format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        Json::Object(fields) => {
            let entry = |(key, value): (&String, &Json)| format!("{}: {}", quote(key), quoted(value));
            format!("{{{}}}", fields.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn quoted(value: &Json) -> String {
    value.as_str().map_or_else(|| printed(value), quote)
}

fn quote(text: &str) -> String {
    let mark = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(mark);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            char if char == mark => out.extend(['\\', char]),
            char => out.push(char),
        }
    }
    out.push(mark);
    out
}

fn print_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Map | ValueKind::Seq => {
            let json = serde_json::to_value(value)
                .map_err(|_| Error::new(ErrorKind::InvalidOperation, "a value cannot be printed"))?;
            let text = printed(&json);
            if text.len() > MAX_PRINTED {
                return Err(Error::from(ErrorKind::WriteFailure));
            }
            out.write_str(&text).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

fn regex_replace(text: &str, pattern: &str, replacement: &str) -> Result<String, Error> {
    let fail = |message: &str| Error::new(ErrorKind::InvalidOperation, message.to_owned());
    let regex = Regex::new(pattern).map_err(|_| fail("regex_replace has a pattern that karat cannot use"))?;
    // Groups are \1 in Python and ${1} here; a dollar sign is itself.
    let groups = Regex::new(r"\\(\d)").map_err(|_| fail("regex_replace cannot be used"))?;
    let of_groups = groups.find_iter(replacement).count().saturating_mul(text.len());
    let longest = regex.find_iter(text).count().saturating_mul(replacement.len()).saturating_add(of_groups);
    if longest > MAX_MADE {
        return Err(fail("regex_replace makes a text that is too long"));
    }
    let replacement = replacement.replace('$', "$$");
    Ok(regex.replace_all(text, groups.replace_all(&replacement, "$${$1}").as_ref()).into_owned())
}

/// Methods of Python that minijinja does not have.
fn method(_: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), name, args),
        ValueKind::Seq => list_method(value, name, args),
        ValueKind::Map => map_method(value, name, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn stripped<'t>(text: &'t str, name: &str, args: &[Value]) -> Result<&'t str, Error> {
    let (chars,): (Option<String>,) = from_args(args)?;
    let strips = |c: char| chars.as_ref().map_or_else(|| c.is_whitespace(), |chars| chars.contains(c));
    Ok(match name {
        "lstrip" => text.trim_start_matches(strips),
        "rstrip" => text.trim_end_matches(strips),
        _ => text.trim_matches(strips),
    })
}

fn text_method(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    Ok(match name {
        "strip" | "lstrip" | "rstrip" => Value::from(stripped(text, name, args)?),
        "lower" => Value::from(text.to_lowercase()),
        "upper" => Value::from(text.to_uppercase()),
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            Value::from(first + &chars.as_str().to_lowercase())
        }
        "isdigit" => Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "splitlines" => text.lines().map(Value::from).collect(),
        "split" => split(text, args)?,
        "replace" => {
            let (from, to): (&str, &str) = from_args(args)?;
            if text.matches(from).count().saturating_mul(to.len()) > MAX_MADE {
                return Err(Error::new(ErrorKind::InvalidOperation, "replace makes a text that is too long"));
            }
            Value::from(text.replace(from, to))
        }
        "startswith" => Value::from(text.starts_with(from_args::<(&str,)>(args)?.0)),
        "endswith" => Value::from(text.ends_with(from_args::<(&str,)>(args)?.0)),
        "count" => Value::from(text.matches(from_args::<(&str,)>(args)?.0).count()),
        "find" | "index" => {
            let (part,): (&str,) = from_args(args)?;
            match (text.find(part).and_then(|at| text.get(..at)), name) {
                (Some(before), _) => Value::from(before.chars().count()),
                (None, "find") => Value::from(-1),
                (None, _) => return Err(Error::new(ErrorKind::InvalidOperation, "index finds nothing")),
            }
        }
        "join" => {
            let (items,): (Value,) = from_args(args)?;
            let items: Vec<String> = items.try_iter()?.map(|item| item.to_string()).collect();
            Value::from(items.join(text))
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}

fn split(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, limit): (Option<&str>, Option<usize>) = from_args(args)?;
    Ok(match (separator, limit) {
        (Some(""), _) => return Err(Error::new(ErrorKind::InvalidOperation, "split has an empty separator")),
        (Some(separator), None) => text.split(separator).map(Value::from).collect(),
        (Some(separator), Some(limit)) => text.splitn(limit.saturating_add(1), separator).map(Value::from).collect(),
        (None, _) => text.split_whitespace().map(Value::from).collect(),
    })
}

fn list_method(list: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let (wanted,): (Value,) = from_args(args)?;
    match name {
        "index" => match list.try_iter()?.position(|item| item == wanted) {
            Some(at) => Ok(Value::from(at)),
            None => Err(Error::new(ErrorKind::InvalidOperation, "index finds nothing in the list")),
        },
        "count" => Ok(Value::from(list.try_iter()?.filter(|item| *item == wanted).count())),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn map_method(map: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let get = |key: &Value| map.get_item(key);
    match name {
        "keys" => Ok(map.try_iter()?.collect()),
        "values" => map.try_iter()?.map(|key| get(&key)).collect::<Result<Vec<_>, _>>().map(Value::from),
        "items" => {
            let pair = |key: Value| Ok(Value::from(vec![key.clone(), get(&key)?]));
            map.try_iter()?.map(pair).collect::<Result<Vec<_>, Error>>().map(Value::from)
        }
        "get" => {
            let (key, other): (Value, Option<Value>) = from_args(args)?;
            let found = get(&key)?;
            Ok(if found.is_undefined() { other.unwrap_or_else(|| Value::from(())) } else { found })
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// A list written in Python, of texts, numbers and names such as `True`. `None` for anything else.
pub(super) fn python_list(text: &str) -> Option<Vec<Json>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim_start();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (item, after) = python_scalar(rest)?;
        items.push(item);
        rest = after.trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(items)
}

fn python_scalar(text: &str) -> Option<(Json, &str)> {
    let mark = text.chars().next()?;
    if mark != '\'' && mark != '"' {
        let end = text.find(',').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let value = match word.trim() {
            "True" | "true" => Json::Bool(true),
            "False" | "false" => Json::Bool(false),
            "None" | "null" => Json::Null,
            number => serde_json::from_str::<serde_json::Number>(number).ok().map(Json::Number)?,
        };
        return Some((value, rest));
    }
    let (mut out, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            char if char == mark => return Some((Json::String(out), text.get(at + 1..)?)),
            char => out.push(char),
        }
    }
    None
}
