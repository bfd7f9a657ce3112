//! Prompts: texts, chats, files, and patterns of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::desk::Desk;
use super::files::{extension, is_script};
use super::templates::{Scope, Template, is_template, render, translate};
use super::tree::{self, Item, Kind};
use crate::edge::interop::suites::draft::slug;

/// Keys of a prompt.
const KEYS: [&str; 5] = ["id", "label", "raw", "config", "display"];

/// The line between the prompts of a text file.
const SEPARATOR: &str = "---";

/// The longest prompt that stays in the suite although it comes from a file, in characters.
const INLINE: usize = 100;

/// A placeholder that is the whole value of a key.
static BARE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)([:\[,]\s*)(\{\{-?\s*[^{}|]*?)\s*(?:\|\s*(?:dump|tojson|safe)\s*)*(-?\}\})(\s*(?:[,}\]]|$))").ok()
});

/// A prompt as promptfoo has it.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    /// Its place.
    pub(super) at: Item,
    /// The names by which providers and tests refer to it.
    pub(super) names: Vec<String>,
    /// Its name in the suite.
    pub(super) name: String,
    /// Its label, if it has one.
    label: Option<String>,
    /// The file that it comes from.
    file: Option<PathBuf>,
    /// What is sent.
    pub(super) content: Content,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// One user message.
    Text(String),
    /// Messages: their roles and texts.
    Messages(Vec<(String, String)>),
    /// Messages with parts that are no text, such as pictures.
    Parts(Value),
}

impl Prompt {
    /// The prompt with texts around it.
    pub(super) fn around(&self, prefix: &str, suffix: &str) -> Self {
        let mut around = self.clone();
        match &mut around.content {
            Content::Text(text) => *text = format!("{prefix}{text}{suffix}"),
            Content::Messages(messages) => {
                if let Some((_, text)) = messages.last_mut() {
                    *text = format!("{prefix}{text}{suffix}");
                }
            }
            Content::Parts(_) => {}
        }
        if !(prefix.is_empty() && suffix.is_empty()) {
            around.file = None;
        }
        around
    }

    /// Its templates as those of karat.
    ///
    /// # Errors
    /// What they use that karat's templates do not have.
    pub(super) fn translated(&self, scope: &Scope) -> Result<Translated, String> {
        let mut used = Template::default();
        let mut text = |text: &str| -> Result<String, String> {
            let template = translate(text, scope)?;
            used.used.extend(template.used);
            used.environment.extend(template.environment);
            // A template loses one line break at its end.
            Ok(if template.text.ends_with('\n') { template.text + "\n" } else { template.text })
        };
        let value = match &self.content {
            Content::Text(written) => json!(text(written)?),
            Content::Messages(messages) => {
                let message = |(role, content): &(String, String)| -> Result<Value, String> {
                    let content = text(content)?;
                    Ok(match role.as_str() {
                        "system" | "user" | "assistant" => json!({ role: content }),
                        _ => json!({"role": role, "content": content}),
                    })
                };
                Value::Array(messages.iter().map(message).collect::<Result<_, _>>()?)
            }
            Content::Parts(_) => {
                return Err(
                    "it has parts that are no text, which only the single prompt of a suite can have".to_owned()
                );
            }
        };
        let file =
            self.file.clone().filter(|_| value.as_str().is_some_and(|text| text.len() > INLINE || text.contains('\n')));
        Ok(Translated { value, file, used })
    }
}

/// A prompt as karat has it.
#[derive(Debug)]
pub(super) struct Translated {
    /// Text or messages.
    pub(super) value: Value,
    /// The name of the file that it is to be in.
    pub(super) file: Option<PathBuf>,
    /// The variables that it uses.
    pub(super) used: Template,
}

/// Reads prompts. Those that have no counterpart are reported.
pub(super) fn read(desk: &mut Desk<'_>, prompts: &Item) -> Vec<Prompt> {
    let mut reading = Reading { desk, read: Vec::new() };
    let is_one = ["raw", "id", "label"].iter().any(|key| prompts.get(key).is_some());
    match &prompts.kind {
        // The old form: files and their labels.
        Kind::Map(entries) if !is_one => {
            for (path, label) in entries {
                let item = label.at(Kind::Text(path.clone()));
                reading.text(&item, path, label.scalar());
            }
        }
        _ => prompts.items().iter().for_each(|item| reading.prompt(item)),
    }
    let mut read = reading.read;
    name(&mut read);
    read
}

/// Gives every prompt a name of its own.
fn name(prompts: &mut [Prompt]) {
    let mut taken = BTreeSet::new();
    // The number after the last one of each base.
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for (number, prompt) in (1_usize..).zip(prompts.iter_mut()) {
        let label = prompt.label.as_ref().filter(|label| !label.contains(['{', '\n'])).map(|label| slug(label));
        let stem = prompt.file.as_ref().and_then(|file| file.file_stem()).map(|stem| slug(&stem.to_string_lossy()));
        let base = label.or(stem).unwrap_or_else(|| format!("prompt-{number}"));
        let next = numbers.entry(base.clone()).or_insert(2);
        let mut name = base.clone();
        while !taken.insert(name.clone()) {
            name = format!("{base}-{next}");
            *next += 1;
        }
        prompt.name = name;
    }
}

struct Reading<'d, 'a> {
    desk: &'d mut Desk<'a>,
    read: Vec<Prompt>,
}

impl Reading<'_, '_> {
    fn prompt(&mut self, item: &Item) {
        match &item.kind {
            Kind::Text(text) => self.text(item, text, None),
            Kind::Map(_) => {
                self.desk.unknown(item, &KEYS, "a prompt");
                if let Some(config) = item.get("config") {
                    self.desk.note(
                        config,
                        "prompt: config",
                        "settings of one prompt are not carried over; write them under params of an endpoint",
                    );
                }
                let label = item.get("label").and_then(Item::scalar);
                match item.get("raw").or_else(|| item.get("id")) {
                    Some(raw) if raw.text().is_some() => self.text(raw, raw.text().unwrap_or_default(), label),
                    Some(raw) if matches!(raw.kind, Kind::List(_)) => self.value(raw, raw, None, label),
                    _ => self.desk.note(item, "prompts", "it has neither raw nor id; write the text of the prompt"),
                }
            }
            Kind::List(_) => self.value(item, item, None, None),
            _ => self.desk.note(item, "prompts", "it is no text; write the text of the prompt"),
        }
    }

    fn text(&mut self, at: &Item, text: &str, label: Option<String>) {
        if let Some(service) =
            ["langfuse", "portkey", "helicone"].iter().find(|name| text.starts_with(&format!("{name}://")))
        {
            return self.desk.note(
                at,
                "prompts",
                format!("it is stored at {service}; save it as a file and name that"),
            );
        }
        if text.starts_with("exec:") {
            return self.desk.note(at, "prompts", "a program makes this prompt; write it as a template");
        }
        let named = text.starts_with("file://");
        if !named && (text.contains('\n') || text.contains("{{") || text.trim().is_empty()) {
            return self.content(at, text, None, label);
        }
        let (path, _) = super::files::path_and_function(text);
        let found = self.desk.files.matching(path).or_else(|_| self.desk.files.matching(text));
        match found {
            Ok(found) if found.iter().any(|path| path.is_file()) => {
                found.iter().for_each(|path| self.file(at, path, label.clone()));
            }
            Ok(_) if named || looks_like_a_file(path) => {
                self.desk.note(at, "prompts", format!("the file {path} does not exist; copy it there"));
            }
            Err(why) if named => self.desk.note(at, "prompts", format!("the file {path} is not read: {why}")),
            _ => self.content(at, text, None, label),
        }
    }

    fn file(&mut self, at: &Item, path: &Path, label: Option<String>) {
        let shown = self.desk.files.shown(path);
        let extension = extension(&shown.to_string_lossy());
        if is_script(&extension) || extension == "py" {
            let why = format!("the program {} makes this prompt; write it as a template", shown.display());
            return self.desk.note(at, "prompts", why);
        }
        let text = match self.desk.files.read(path) {
            Ok(text) => text,
            Err(why) => {
                return self.desk.note(at, "prompts", format!("the file {} is not read: {why}", shown.display()));
            }
        };
        match extension.as_str() {
            "json" | "yaml" | "yml" => match tree::parse(text.clone(), &shown) {
                Ok(value) => {
                    let value = self.with_files(&value, 0);
                    self.value(at, &value, Some(&shown), label);
                }
                Err(_) => self.content(at, text.trim_end(), Some(&shown), label),
            },
            "jsonl" => text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| {
                self.content(at, line, Some(&shown), label.clone());
            }),
            "csv" => self.csv(at, &text, label),
            "txt" => parts(&text).iter().for_each(|part| self.content(at, part, Some(&shown), label.clone())),
            _ => self.content(at, text.trim_end(), Some(&shown), label),
        }
    }

    /// A prompt for every row of a table with the column `prompt`, or for every line.
    fn csv(&mut self, at: &Item, text: &str, label: Option<String>) {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns = reader.headers().cloned().unwrap_or_default();
        let column = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        match (column("prompt"), columns.len()) {
            (Some(prompt), _) => {
                let labels = column("label");
                for row in reader.records().flatten() {
                    let own = labels.and_then(|at| row.get(at)).filter(|label| !label.is_empty()).map(str::to_owned);
                    match row.get(prompt).filter(|text| !text.is_empty()) {
                        Some(text) => self.content(at, text, None, own.or_else(|| label.clone())),
                        None => continue,
                    }
                }
            }
            (None, 1) => text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| {
                self.content(at, line, None, label.clone());
            }),
            _ => self.desk.note(at, "prompts", "the table has no column named prompt; name it so"),
        }
    }

    /// A value with the files in it loaded.
    fn with_files(&mut self, item: &Item, depth: usize) -> Item {
        match &item.kind {
            Kind::Text(text) if text.starts_with("file://") => match self.desk.load(item, text) {
                Ok(loaded) if depth < 4 => self.with_files(&loaded, depth + 1),
                Ok(loaded) => loaded,
                Err(why) => {
                    self.desk.note(item, "prompts", why);
                    item.clone()
                }
            },
            Kind::List(items) => item.at(Kind::List(items.iter().map(|one| self.with_files(one, depth)).collect())),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|(name, value)| (name.clone(), self.with_files(value, depth)));
                item.at(Kind::Map(entries.collect()))
            }
            _ => item.clone(),
        }
    }

    fn content(&mut self, at: &Item, text: &str, file: Option<&Path>, label: Option<String>) {
        match chat_in(text) {
            Some(value) => self.value(at, &value, file, label),
            None => self.add(at, Content::Text(text.to_owned()), file, label),
        }
    }

    /// A chat, or any other value as JSON.
    fn value(&mut self, at: &Item, value: &Item, file: Option<&Path>, label: Option<String>) {
        let is_chat = |item: &Item| {
            let messages = item.items();
            !messages.is_empty() && messages.iter().all(|one| one.get("role").is_some_and(|role| role.text().is_some()))
        };
        let chat = value.get("messages").filter(|messages| is_chat(messages)).unwrap_or(value);
        if !is_chat(chat) {
            let text =
                value.scalar().unwrap_or_else(|| serde_json::to_string_pretty(&value.value()).unwrap_or_default());
            return self.add(at, Content::Text(text), file, label);
        }
        let mut messages = Vec::new();
        let fixed = |one: &Item| !one.get("role").and_then(Item::text).is_some_and(is_template);
        for one in chat.items() {
            match message(one) {
                Ok(message) => messages.push(message),
                Err(_) if chat.items().iter().all(fixed) => {
                    return self.add(at, Content::Parts(chat.value()), None, label);
                }
                Err(why) => return self.desk.note(at, "prompts", why),
            }
        }
        self.add(at, Content::Messages(messages), file, label);
    }

    fn add(&mut self, at: &Item, content: Content, file: Option<&Path>, label: Option<String>) {
        let mut names: Vec<String> = label.iter().cloned().collect();
        let written = at.text().map(|text| text.to_owned());
        names.extend(file.map(|file| file.display().to_string()).into_iter().chain(written));
        let file = file.map(Path::to_owned);
        self.read.push(Prompt { at: at.clone(), names, name: String::new(), label, file, content });
    }
}

/// The prompts of a text file.
fn parts(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let parts = lines.split(|line| line.trim() == SEPARATOR).map(|part| part.join("\n").trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

/// The role and the text of a message.
fn message(item: &Item) -> Result<(String, String), String> {
    let role = item.get("role").and_then(Item::scalar).unwrap_or_default();
    if role.contains("{{") || role.contains("{%") {
        return Err("the role of a message is a template; write a prompt for each role".to_owned());
    }
    let role = match role.as_str() {
        "developer" => "system".to_owned(),
        "model" => "assistant".to_owned(),
        _ => role,
    };
    let content = item.get("content").or_else(|| item.get("parts"));
    let Some(content) = content else {
        return match item.get("tool_calls").is_some() {
            true => Err("a message has tool calls; put the messages into the input of the examples".to_owned()),
            false => Ok((role, String::new())),
        };
    };
    let part = |part: &Item| {
        let text = part.get("text").or_else(|| part.get("input_text")).and_then(Item::scalar).or_else(|| part.scalar());
        text.ok_or(
            "a message has a part that is no text, such as a picture; put the messages into the input of the examples",
        )
    };
    match &content.kind {
        Kind::List(parts) => {
            let texts = parts.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            Ok((role, texts.join("\n")))
        }
        Kind::Map(_) => Ok((role, part(content)?)),
        _ => Ok((role, content.scalar().unwrap_or_default())),
    }
}

/// The chat that a text is, as JSON or YAML, whose values may be templates.
fn chat_in(text: &str) -> Option<Item> {
    let start = text.trim_start();
    let is_json = start.starts_with('[') || start.starts_with("{\"messages\"");
    let is_yaml = start.starts_with("- role:") || start.starts_with("- \"role\"");
    if !(is_json || is_yaml) || !text.contains("role") {
        return None;
    }
    let quoted = BARE.as_ref().map(|bare| bare.replace_all(text, "$1\"$2 $3\"$4").into_owned());
    let path = Path::new(if is_json { "prompt.json" } else { "prompt.yaml" });
    let read = |text: &str| match is_json {
        true => {
            let value: Value = serde_json::from_str(text).ok()?;
            Some(Item::from_value(&std::rc::Rc::from(path), 0, &value, 0))
        }
        false => tree::parse(text.to_owned(), path).ok(),
    };
    let is_chat =
        |item: &Item| item.items().iter().any(|one| one.get("role").is_some()) || item.get("messages").is_some();
    read(text).or_else(|| read(&quoted?)).filter(is_chat)
}

fn looks_like_a_file(path: &str) -> bool {
    let known = ["txt", "md", "json", "jsonl", "yaml", "yml", "j2", "csv", "js", "cjs", "mjs", "ts", "py"];
    !path.contains(' ') && known.contains(&extension(path).as_str())
}

/// Messages with their templates filled in for one test.
pub(super) fn filled(value: &Value, vars: &Map<String, Value>) -> Value {
    match value {
        Value::String(text) => json!(render(text, vars).unwrap_or_else(|_| text.clone())),
        Value::Array(items) => items.iter().map(|item| filled(item, vars)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), filled(field, vars))).collect(),
        other => other.clone(),
    }
}

/// Writes a prompt's file, and returns how the suite refers to it.
pub(super) fn placed(desk: &mut Desk<'_>, translated: Translated, name: &str) -> Value {
    match (translated.file, translated.value) {
        (Some(_), Value::String(text)) => {
            let file = PathBuf::from("prompts").join(format!("{name}.txt"));
            desk.out.file(file.clone(), format!("{text}\n").into_bytes());
            let place = format!("../{}", file.display());
            Value::Object(Map::from_iter([("file".to_owned(), json!(place))]))
        }
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Recorded;
    use super::*;

    fn prompts(config: &str, files: &[(&str, &str)]) -> (Vec<Prompt>, Recorded) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut out = Recorded::default();
        let mut desk = Desk::new(&mut out, &folder.path().join("promptfooconfig.yaml"));
        let item = tree::parse(config.to_owned(), Path::new("promptfooconfig.yaml")).unwrap();
        let read = read(&mut desk, &item);
        (read, out)
    }

    fn text(text: &str) -> Content {
        Content::Text(text.to_owned())
    }

    fn chat(messages: &[(&str, &str)]) -> Content {
        Content::Messages(messages.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn prompts_are_read_in_every_form() {
        let files = [
            ("two.txt", "One {{a}}\n---\nTwo\n"),
            (
                "chat.json",
                r#"[{"role": "system", "content": "Be {{tone}}"},
                    {"role": "user", "content": [{"type": "text", "text": "{{a}}"}]}]"#,
            ),
            ("chat.yaml", "- role: user\n  content: 'Hi {{a}}'\n"),
            ("bare.json", "[{\"role\": \"user\", \"content\": {{ a | dump }}}]"),
            ("list.csv", "prompt,label\n\"Say {{a}}, please\",kind\n"),
        ];
        let cases = [
            ("'Tell me about {{a}}'", vec![text("Tell me about {{a}}")]),
            ("[file://two.txt]", vec![text("One {{a}}"), text("Two")]),
            ("[chat.json]", vec![chat(&[("system", "Be {{tone}}"), ("user", "{{a}}")])]),
            ("[file://chat.yaml]", vec![chat(&[("user", "Hi {{a}}")])]),
            ("[file://bare.json]", vec![chat(&[("user", "{{ a }}")])]),
            ("['*.csv']", vec![text("Say {{a}}, please")]),
            ("[{raw: 'Either/or {{a}}', label: short}]", vec![text("Either/or {{a}}")]),
            ("[either/or]", vec![text("either/or")]),
            ("{two.txt: both}", vec![text("One {{a}}"), text("Two")]),
        ];
        for (config, expected) in cases {
            let (read, out) = prompts(config, &files);
            let contents: Vec<_> = read.into_iter().map(|prompt| prompt.content).collect();
            assert_eq!(contents, expected, "{config} {:?}", out.notes);
        }
    }

    #[test]
    fn names_are_distinct_and_come_from_labels_files_or_numbers() {
        let files = [("a.txt", "x\n---\ny"), ("b.py", "def f(): pass")];
        let (read, out) = prompts(
            "[file://a.txt, 'z {{q}}', {raw: 'w {{q}}', label: My label}, file://b.py:f, file://none.txt]",
            &files,
        );
        let names: Vec<_> = read.iter().map(|prompt| prompt.name.as_str()).collect();
        assert_eq!(names, ["a", "a-2", "prompt-3", "my-label"]);
        let notes: Vec<_> = out.notes.iter().map(|note| note.why.as_str()).collect();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("b.py makes this prompt") && notes[1].contains("does not exist"), "{notes:?}");
    }

    #[test]
    fn thousands_of_prompts_of_a_file_are_named_at_once() {
        // A search through all names for each candidate would take minutes.
        let config = "[file://many.txt, {raw: 'last {{q}}', label: many-2}]";
        let (many, _) = prompts(config, &[("many.txt", &"x\n---\n".repeat(5_000))]);
        let names: BTreeSet<_> = many.iter().map(|prompt| prompt.name.as_str()).collect();
        assert_eq!((names.len(), many[1].name.as_str(), many[5_000].name.as_str()), (5_001, "many-2", "many-2-2"));
    }
}
