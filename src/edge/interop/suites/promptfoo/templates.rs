//! Templates of Nunjucks as templates of minijinja.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde_json::{Map, Value as Json};

use crate::edge::interop::suites::draft::literal;

/// Names that templates of karat give a meaning of their own; a variable of that name is a field of the input.
pub(super) const OWN_NAMES: [&str; 8] = ["input", "id", "tags", "metadata", "labels", "vars", "expected", "accepted"];

/// Filters that both have.
const FILTERS: [&str; 42] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "default",
    "d",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Methods of JavaScript values, and the filters that do the same.
const METHODS: [(&str, &str); 7] = [
    ("toUpperCase", "upper"),
    ("toLowerCase", "lower"),
    ("trim", "trim"),
    ("join", "join"),
    ("split", "split"),
    ("replace", "replace"),
    ("toString", "string"),
];

/// Tags that need other files or run code.
const UNSUPPORTED_TAGS: [&str; 6] = ["include", "import", "from", "extends", "ifAsync", "call"];

/// Words of the language itself.
const WORDS: [&str; 21] = [
    "if", "else", "elif", "endif", "for", "endfor", "in", "not", "and", "or", "is", "set", "endset", "macro",
    "endmacro", "true", "false", "none", "defined", "block", "endblock",
];

/// How many instructions a template may execute at import.
const FUEL: u64 = 1_000_000;

/// How long a text may become at import, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The type of a variable that is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VarType {
    /// A whole number.
    Whole,
    /// Any other number.
    Number,
    /// True or false.
    Flag,
}

/// What is known of the variables of templates.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// The variables that are fields of the inputs.
    pub(super) fields: BTreeSet<String>,
    /// Variables that are no text in any test, with their type. Rows without one of them have an empty text in its place.
    pub(super) types: BTreeMap<String, VarType>,
    /// Whether the input is the text of the only variable, `input`.
    pub(super) plain_input: bool,
}

/// A template of minijinja.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    /// Its text.
    pub(super) text: String,
    /// The variables that it uses.
    pub(super) used: BTreeSet<String>,
    /// The variables of the environment that it uses, which are variables of the suite.
    pub(super) environment: BTreeSet<String>,
}

/// Whether a text has anything that a template fills in.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// Every text in a value as a template that gives this text.
pub(super) fn literal_value(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(literal(text)),
        Json::Array(items) => Json::Array(items.iter().map(literal_value).collect()),
        Json::Object(fields) => {
            Json::Object(fields.iter().map(|(name, value)| (name.clone(), literal_value(value))).collect())
        }
        other => other.clone(),
    }
}

/// Translates a template of Nunjucks.
///
/// # Errors
/// What it uses that minijinja does not have.
pub(super) fn translate(text: &str, scope: &Scope) -> Result<Template, String> {
    Translation { scope: Some(scope), ..Translation::default() }.run(text)
}

/// Fills in a template of Nunjucks with the variables of a test.
///
/// # Errors
/// What it uses that minijinja does not have, or why it failed.
pub(super) fn render(text: &str, variables: &Map<String, Json>) -> Result<String, String> {
    if !is_template(text) {
        return Ok(text.to_owned());
    }
    let template = Translation::default().run(text)?;
    if !template.environment.is_empty() {
        return Err("it uses variables of the environment, which only prompts have".to_owned());
    }
    let environment = environment();
    let mut out = Bounded(Vec::new());
    let compiled = environment.template_from_str(&template.text).map_err(|error| reason(&error))?;
    compiled.render_captured_to(Value::from(Serde(variables)), &mut out).map_err(|error| reason(&error))?;
    String::from_utf8(out.0).map_err(|_| "it does not give text".to_owned())
}

/// An environment that treats what is undefined as Nunjucks does: it is empty.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(print_value);
    environment
}

fn print_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(()),
        ValueKind::Seq | ValueKind::Map => {
            out.write_str(&serde_json::to_string(value).unwrap_or_default()).map_err(Error::from)
        }
        _ => escape_formatter(out, state, value),
    }
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reason of an error, without the text of the template.
fn reason(error: &Error) -> String {
    format!("the template cannot be read: {}", error.kind())
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Quoted(String),
    Other(String),
    Space(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Quoted(text) | Self::Other(text) | Self::Space(text) => text,
        }
    }

    fn is(&self, symbol: &str) -> bool {
        matches!(self, Self::Other(text) if text == symbol)
    }
}

#[derive(Default)]
struct Translation<'a> {
    /// `None` if the template is filled in at once.
    scope: Option<&'a Scope>,
    local: BTreeSet<String>,
    out: Template,
}

impl Translation<'_> {
    fn run(mut self, text: &str) -> Result<Template, String> {
        if !is_template(text) && !text.contains("{#") {
            self.out.text = text.to_owned();
            return Ok(self.out);
        }
        let Some(parts) = parts(text) else {
            // promptfoo takes a text with a tag that does not end as it is.
            self.out.text = literal(text);
            return Ok(self.out);
        };
        self.local =
            parts.iter().filter(|part| part.open == "{%").flat_map(|part| bound(&tokens(part.inner))).collect();
        let mut raw = false;
        for part in &parts {
            let translated = self.part(part, &mut raw)?;
            self.out.text.push_str(&translated);
        }
        let environment = environment();
        environment.template_from_str(&self.out.text).map_err(|error| reason(&error))?;
        Ok(self.out)
    }

    fn part(&mut self, part: &Part<'_>, raw: &mut bool) -> Result<String, String> {
        let word = part.inner.trim();
        if part.open == "{%" && ["endraw", "endverbatim"].contains(&word) {
            *raw = false;
            return Ok(format!("{{%{} endraw {}%}}", part.before, part.after));
        }
        if *raw || part.open.is_empty() {
            return Ok(part.whole.to_owned());
        }
        if part.open == "{%" && ["raw", "verbatim"].contains(&word) {
            *raw = true;
            return Ok(format!("{{%{} raw {}%}}", part.before, part.after));
        }
        if part.open == "{#" {
            return Ok(part.whole.to_owned());
        }
        let inner = tokens(part.inner);
        let inner = if part.open == "{%" { self.statement(&inner)? } else { self.expression(&inner, false)? };
        let close = if part.open == "{%" { "%}" } else { "}}" };
        Ok(format!("{}{}{inner}{}{close}", part.open, part.before, part.after))
    }

    fn statement(&mut self, tokens: &[Token]) -> Result<String, String> {
        let first = tokens.iter().position(|token| matches!(token, Token::Name(_)));
        let Some((first, tag)) = first.and_then(|at| Some((at, tokens.get(at)?.text()))) else {
            return Err("a tag has no name".to_owned());
        };
        if UNSUPPORTED_TAGS.contains(&tag) {
            return Err(format!("the tag {tag} is not supported"));
        }
        let tag = match tag {
            "elseif" => "elif",
            "asyncEach" | "asyncAll" => "for",
            "endeach" | "endall" => "endfor",
            other => other,
        };
        let rest = tokens.get(first + 1..).unwrap_or_default();
        let split = rest.iter().position(|token| matches!(token, Token::Name(name) if name == "in"));
        let (true, Some(split)) = (tag == "for", split) else {
            return Ok(format!(" {tag}{}", self.expression(rest, true)?));
        };
        let names: String = rest.iter().take(split).map(Token::text).collect();
        let over = self.expression(rest.get(split + 1..).unwrap_or_default(), true)?;
        let over = over.trim();
        Ok(match names.contains(',') {
            true => format!(" for {} in (({over})|items if ({over}) is mapping else ({over})) ", names.trim()),
            false => format!(" for {} in {over} ", names.trim()),
        })
    }

    /// Translates an expression; in a statement, or with operators, numbers are read as what they are.
    fn expression(&mut self, tokens: &[Token], in_statement: bool) -> Result<String, String> {
        let typed = in_statement || tokens.iter().any(computes);
        let mut out = String::new();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = tokens.iter().take(at).rev().find(|token| !matches!(token, Token::Space(_)));
            let (after, after_at) = next(tokens, at);
            let called = after.is_some_and(|token| token.is("("));
            match token {
                Token::Name(name) if before.is_some_and(|token| token.is(".")) => {
                    self.attribute(name, called, &mut out)?;
                }
                Token::Name(name) if before.is_some_and(|token| token.is("|")) => out.push_str(filter(name)?),
                Token::Name(name) if name == "env" && !self.local.contains(name) => {
                    let (variable, end) = environment_variable(tokens, after_at)?;
                    out.push_str(&format!("vars.{variable}"));
                    self.out.environment.insert(variable);
                    at = end;
                }
                Token::Name(name) => {
                    let is_key = after.is_some_and(|token| token.is("="));
                    let is_test = matches!(before, Some(Token::Name(word)) if word == "is" || word == "not") && called;
                    match is_key || is_test {
                        true => out.push_str(name),
                        false => out.push_str(&self.variable(name, typed)?),
                    }
                }
                Token::Other(symbol) => out.push_str(match symbol.as_str() {
                    "===" => "==",
                    "!==" => "!=",
                    "&&" => " and ",
                    "||" => " or ",
                    other => other,
                }),
                other => out.push_str(other.text()),
            }
            at += 1;
        }
        Ok(out)
    }

    /// An attribute of a value; what is a property or a method in JavaScript is a filter.
    fn attribute(&self, name: &str, called: bool, out: &mut String) -> Result<(), String> {
        let of_loop = out.trim_end().ends_with("loop.");
        let filter = METHODS.iter().find(|(method, _)| *method == name).map(|(_, filter)| *filter);
        let filter = if called { filter } else { (name == "length" && !of_loop).then_some("length") };
        match filter {
            Some(filter) if out.ends_with('.') => {
                out.pop();
                out.push('|');
                out.push_str(filter);
            }
            None if called => return Err(format!("the method {name} is not supported")),
            _ => out.push_str(name),
        }
        Ok(())
    }

    fn variable(&mut self, name: &str, typed: bool) -> Result<String, String> {
        if name == "null" || name == "undefined" {
            return Ok("none".to_owned());
        }
        if name == "_conversation" {
            return Err("earlier turns (_conversation) are not available".to_owned());
        }
        if WORDS.contains(&name) || self.local.contains(name) || name == "loop" || name == "range" {
            return Ok(name.to_owned());
        }
        self.out.used.insert(name.to_owned());
        let Some(scope) = self.scope else { return Ok(name.to_owned()) };
        let is_own = OWN_NAMES.contains(&name) && !(scope.plain_input && name == "input");
        let place = if is_own { format!("input.{name}") } else { name.to_owned() };
        Ok(match scope.types.get(name).filter(|_| typed) {
            Some(VarType::Whole) => format!("({place}|int if {place} else 0)"),
            Some(VarType::Number) => format!("({place}|float if {place} else 0)"),
            // Inputs keep true and false, and an empty text counts as false.
            Some(VarType::Flag) | None => place,
        })
    }
}

fn filter(name: &str) -> Result<&str, String> {
    match name {
        "dump" => Ok("tojson"),
        "count" => Ok("length"),
        other if FILTERS.contains(&other) => Ok(name),
        _ => Err(format!("the filter {name} is not supported")),
    }
}

/// Whether a token makes an expression more than a value with filters.
fn computes(token: &Token) -> bool {
    match token {
        Token::Name(name) => ["if", "and", "or", "not", "is"].contains(&name.as_str()),
        Token::Other(symbol) => ["+", "-", "*", "/", "%", "<", ">", "<=", ">=", "==", "!=", "===", "!==", "//", "**"]
            .contains(&symbol.as_str()),
        _ => false,
    }
}

/// The next token that is no space, and its position.
fn next(tokens: &[Token], at: usize) -> (Option<&Token>, usize) {
    let found = tokens.iter().enumerate().skip(at + 1).find(|(_, token)| !matches!(token, Token::Space(_)));
    found.map_or((None, tokens.len()), |(at, token)| (Some(token), at))
}

/// The name in `.NAME` or `['NAME']` at a position, and where it ends.
fn environment_variable(tokens: &[Token], at: usize) -> Result<(String, usize), String> {
    let fail = || "env is not followed by the name of a variable".to_owned();
    let (name, end) = match (tokens.get(at), tokens.get(at + 1), tokens.get(at + 2)) {
        (Some(dot), Some(Token::Name(name)), _) if dot.is(".") => (name.clone(), at + 1),
        (Some(open), Some(Token::Quoted(name)), Some(close)) if open.is("[") && close.is("]") => {
            (name.trim_matches(['"', '\'']).to_owned(), at + 2)
        }
        _ => return Err(fail()),
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok((name, end)) } else { Err(fail()) }
}

/// The names that a statement binds.
fn bound(tokens: &[Token]) -> Vec<String> {
    let names: Vec<&str> = tokens.iter().filter(|token| matches!(token, Token::Name(_))).map(Token::text).collect();
    let rest = names.get(1..).unwrap_or_default();
    let bound: Vec<&str> = match names.first().copied() {
        Some("for" | "asyncEach" | "asyncAll") => rest.iter().copied().take_while(|name| *name != "in").collect(),
        Some("set") => rest.iter().copied().take(1).collect(),
        Some("macro") => rest.to_vec(),
        _ => Vec::new(),
    };
    bound.into_iter().map(str::to_owned).collect()
}

/// A piece of a template: text, or a tag with its white space control.
struct Part<'a> {
    open: &'a str,
    before: &'a str,
    inner: &'a str,
    after: &'a str,
    whole: &'a str,
}

/// The pieces of a template; `None` if a tag does not end.
fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        let (before, tag) = rest.split_at(at);
        parts.push(Part { open: "", before: "", inner: before, after: "", whole: before });
        let (open, after_open) = tag.split_at(2);
        let close = if open == "{{" {
            "}}"
        } else if open == "{%" {
            "%}"
        } else {
            "#}"
        };
        let end = find_close(after_open, close, open != "{#")?;
        let inner = after_open.get(..end)?;
        let whole = tag.get(..2 + end + 2)?;
        let (before, inner) = inner.strip_prefix('-').map_or(("", inner), |inner| ("-", inner));
        let (after, inner) = inner.strip_suffix('-').map_or(("", inner), |inner| ("-", inner));
        parts.push(Part { open, before, inner, after, whole });
        rest = tag.get(2 + end + 2..)?;
    }
    parts.push(Part { open: "", before: "", inner: rest, after: "", whole: rest });
    Some(parts)
}

/// Where a tag ends, outside of quotes.
fn find_close(text: &str, close: &str, quotes: bool) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if quotes && (c == '"' || c == '\'') => quote = Some(c),
            None if text.get(at..).is_some_and(|rest| rest.starts_with(close)) => return Some(at),
            None => {}
        }
    }
    // An apostrophe may stand for itself in a comment or in a tag that is not meant as one.
    text.find(close)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let run = |keep: &dyn Fn(char) -> bool| chars.iter().skip(start).take_while(|c| keep(**c)).count();
        let slice = |end: usize| chars.get(start..end.min(chars.len())).unwrap_or_default().iter().collect::<String>();
        if c.is_whitespace() {
            at += run(&char::is_whitespace);
            tokens.push(Token::Space(slice(at)));
        } else if c.is_alphabetic() || c == '_' || c == '$' {
            at += run(&|c| c.is_alphanumeric() || c == '_' || c == '$');
            tokens.push(Token::Name(slice(at)));
        } else if c.is_ascii_digit() {
            at += run(&|c| c.is_ascii_digit() || c == '.');
            tokens.push(Token::Other(slice(at)));
        } else if c == '"' || c == '\'' {
            at += 1;
            while let Some(&inner) = chars.get(at) {
                at += if inner == '\\' { 2 } else { 1 };
                if inner == c {
                    break;
                }
            }
            tokens.push(Token::Quoted(slice(at)));
        } else {
            let longest = ["===", "!==", "==", "!=", "<=", ">=", "&&", "||", "//", "**"];
            let rest: String = chars.iter().skip(at).take(3).collect();
            let symbol = longest.iter().find(|symbol| rest.starts_with(**symbol));
            at += symbol.map_or(1, |symbol| symbol.chars().count());
            tokens.push(Token::Other(slice(at)));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        let fields = ["topic", "input", "id", "items", "count", "strict"].map(str::to_owned);
        let types = [("count", VarType::Whole), ("strict", VarType::Flag)];
        Scope {
            fields: fields.into_iter().collect(),
            types: types.map(|(name, kind)| (name.to_owned(), kind)).into_iter().collect(),
            plain_input: false,
        }
    }

    #[test]
    fn what_differs_between_the_two_languages_is_translated() {
        let cases = [
            ("Tell me about {{topic}}", "Tell me about {{topic}}"),
            ("{{ items | dump(2) }}", "{{ items | tojson(2) }}"),
            ("{{ input }} {{ id|upper }}", "{{ input.input }} {{ input.id|upper }}"),
            ("{{ items.length }} {{ topic.toUpperCase() }}", "{{ items|length }} {{ topic|upper() }}"),
            (
                "{% for x in items %}{{ loop.index }}:{{ x.id }}{% endfor %}",
                "{% for x in items %}{{ loop.index }}:{{ x.id }}{% endfor %}",
            ),
            (
                "{% if count > 3 %}a{% elseif strict %}b{% endif %}",
                "{% if (count|int if count else 0) > 3 %}a{% elif strict %}b{% endif %}",
            ),
            ("{{ count }} {{ env.TONE }} {{ env['LANG'] }}", "{{ count }} {{ vars.TONE }} {{ vars.LANG }}"),
            ("{% raw %}{{ x }}{% endraw %}", "{% raw %}{{ x }}{% endraw %}"),
            ("{{ topic if topic === 'a' else null }}", "{{ topic if topic == 'a' else none }}"),
            ("An open {{ tag", "An open {{ '{{' }} tag"),
            ("{{- topic -}} {# it's #}", "{{- topic -}} {# it's #}"),
            ("{{ 'in' if topic in items }}", "{{ 'in' if topic in items }}"),
        ];
        for (text, expected) in cases {
            assert_eq!(translate(text, &scope()).unwrap().text, expected, "{text}");
        }
        let pairs = translate("{% for k, v in items %}{{ k }}{% endfor %}", &scope()).unwrap();
        assert!(pairs.text.contains("|items if"), "{}", pairs.text);
        assert_eq!(pairs.used.into_iter().collect::<Vec<_>>(), ["items"]);
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        for (text, expected) in [
            ("{{ topic | wordwrap }}", "the filter wordwrap"),
            ("{% include 'a.j2' %}", "the tag include"),
            ("{{ topic.charAt(0) }}", "the method charAt"),
            ("{% for m in _conversation %}{% endfor %}", "_conversation"),
            ("{% if %}", "cannot be read"),
        ] {
            let error = translate(text, &scope()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_template_is_filled_in_as_promptfoo_does() {
        let variables = json!({"a": "x", "n": 3, "list": ["p", "q"], "none": null});
        let variables = variables.as_object().unwrap();
        let cases = [
            ("{{ a }}{{ missing }}{{ missing.deep }}{{ none }}", "x"),
            ("{% if n > 2 %}{{ list | join('-') }}{% endif %}", "p-q"),
            ("{% for k, v in {'a': 1} %}{{ k }}{{ v }}{% endfor %}", "a1"),
            ("{{ list }}", "[\"p\",\"q\"]"),
        ];
        for (text, expected) in cases {
            assert_eq!(render(text, variables).as_deref(), Ok(expected), "{text}");
        }
        assert!(
            render(
                "{% for i in range(100000) %}{% for j in range(100000) %}{{ a }}{% endfor %}{% endfor %}",
                variables
            )
            .is_err()
        );
        assert!(render("{{ env.HOME }}", variables).is_err());
    }
}
