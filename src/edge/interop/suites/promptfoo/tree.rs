//! The values of a configuration with the file and line of each, from YAML, JSON and references.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::core::domain::Failure;
use crate::edge::yaml::{Document, Reader};

/// How deep values may be nested.
const MAX_DEPTH: usize = 96;

/// How many values a file may have once its references are resolved.
const MAX_ITEMS: usize = 2_000_000;

/// How many lines above a value its key is looked for.
const LINES_TO_KEY: usize = 4;

/// A value and where it is.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its file.
    pub(super) file: Rc<Path>,
    /// Its line, counted from 1; 0 if unknown.
    pub(super) line: u64,
    /// The value.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Item>),
    /// A mapping, in the order of the file.
    Map(Vec<(String, Item)>),
}

impl Item {
    /// A value without a place of its own.
    pub(super) fn at(&self, kind: Kind) -> Self {
        Self { file: Rc::clone(&self.file), line: self.line, kind }
    }

    /// The value under a key of a mapping, unless it is empty.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, value)| name == key && !value.is_null()).map(|(_, value)| value)
    }

    /// The entries of a mapping; none for any other value.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list, or the single value in place of one; none for an empty value.
    pub(super) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    /// The text, if it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as JavaScript prints it.
    pub(super) fn scalar(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Bool(flag) => Some(flag.to_string()),
            Kind::Number(number) => Some(printed(number)),
            _ => None,
        }
    }

    /// The number, also if it is written as text.
    pub(super) fn number(&self) -> Option<f64> {
        match &self.kind {
            Kind::Number(number) => number.as_f64(),
            Kind::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// Whether it is true.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.kind, Kind::Bool(true))
    }

    /// Whether there is no value.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether it is a mapping.
    pub(super) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    /// The value as JSON.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(name, value)| (name.clone(), value.value())).collect())
            }
        }
    }

    /// The value with every text replaced.
    pub(super) fn map_text(&self, change: &mut dyn FnMut(&str) -> String) -> Self {
        let kind = match &self.kind {
            Kind::Text(text) => Kind::Text(change(text)),
            Kind::List(items) => Kind::List(items.iter().map(|item| item.map_text(change)).collect()),
            Kind::Map(entries) => {
                Kind::Map(entries.iter().map(|(name, value)| (name.clone(), value.map_text(change))).collect())
            }
            other => other.clone(),
        };
        self.at(kind)
    }

    /// A value that was read as JSON. What is nested too deep is left out.
    pub(super) fn from_value(file: &Rc<Path>, line: u64, value: &Value, depth: usize) -> Self {
        let inner = |value: &Value| Self::from_value(file, line, value, depth + 1);
        let kind = match value {
            _ if depth > MAX_DEPTH => Kind::Null,
            Value::Null => Kind::Null,
            Value::Bool(flag) => Kind::Bool(*flag),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::Text(text.clone()),
            Value::Array(items) => Kind::List(items.iter().map(inner).collect()),
            Value::Object(fields) => {
                Kind::Map(fields.iter().map(|(name, value)| (name.clone(), inner(value))).collect())
            }
        };
        Self { file: Rc::clone(file), line, kind }
    }
}

/// A number as JavaScript prints it: without a fraction if it is whole.
fn printed(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() && float.fract() == 0.0 && float.abs() < 1e15 => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

/// Reads YAML or JSON.
///
/// # Errors
/// A data failure with file and line if it is neither, or is nested too deep.
pub(super) fn parse(source: String, path: &Path) -> Result<Item, Failure> {
    let file: Rc<Path> = Rc::from(path);
    if source.trim().is_empty() {
        return Ok(Item { file, line: 1, kind: Kind::Null });
    }
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    // Lines are known from YAML only, but not all JSON is YAML: it may be indented with tabs.
    let lines: Vec<String> = source.lines().map(str::to_owned).collect();
    let document = match Document::parse(source.clone(), path) {
        Ok(document) => document,
        Err(failure) => {
            let value = is_json.then(|| serde_json::from_str::<Value>(&source).ok()).flatten().ok_or(failure)?;
            return Ok(Item::from_value(&file, 0, &value, 0));
        }
    };
    let mut reading = Reading { file: &file, lines: &lines, left: MAX_ITEMS };
    reading
        .item(document.root(), 0, None)
        .ok_or_else(|| Failure::data(format!("{}: it is nested too deep or has too many values", path.display())))
}

struct Reading<'a> {
    file: &'a Rc<Path>,
    lines: &'a [String],
    left: usize,
}

impl Reading<'_> {
    fn item(&mut self, reader: Reader<'_>, depth: usize, key: Option<&str>) -> Option<Item> {
        self.left = self.left.checked_sub(1)?;
        if depth > MAX_DEPTH {
            return None;
        }
        let line = self.line(reader.line(), key);
        let kind = match reader.read::<Shape>().ok()? {
            Shape::Null => Kind::Null,
            Shape::Bool(flag) => bool_or_text(flag, &reader),
            Shape::Number(number) => Kind::Number(number),
            Shape::Text => Kind::Text(reader.text()?.to_owned()),
            Shape::Float => Kind::Text(reader.read::<String>().ok()?),
            Shape::List => {
                let items = reader.items().map(|item| self.item(item, depth + 1, None));
                Kind::List(items.collect::<Option<_>>()?)
            }
            Shape::Map => {
                let entries = reader.mapping()?.iter();
                let entries =
                    entries.map(|(name, value)| Some((name.to_owned(), self.item(value, depth + 1, Some(name))?)));
                Kind::Map(entries.collect::<Option<_>>()?)
            }
        };
        Some(Item { file: Rc::clone(self.file), line, kind })
    }

    /// The line of the key, which may be above that of its value.
    fn line(&self, line: u64, key: Option<&str>) -> u64 {
        let Some(key) = key else { return line };
        let last = usize::try_from(line).unwrap_or(usize::MAX).min(self.lines.len());
        let is_key = |text: &String| {
            let text = text.trim_start_matches(['-', ' ', '\t', '{', ',']).trim_start_matches(['"', '\'']);
            text.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        };
        let around = (last.saturating_sub(LINES_TO_KEY)..last).rev();
        let found = around.into_iter().find(|at| self.lines.get(*at).is_some_and(is_key));
        found.and_then(|at| u64::try_from(at + 1).ok()).unwrap_or(line)
    }
}

/// `yes`, `on` and the like are texts in YAML 1.2, which promptfoo reads.
fn bool_or_text(flag: bool, reader: &Reader<'_>) -> Kind {
    match reader.read::<String>() {
        Ok(written) if !["true", "false"].contains(&written.to_ascii_lowercase().as_str()) => Kind::Text(written),
        _ => Kind::Bool(flag),
    }
}

/// What a value is, without what it contains.
enum Shape {
    Null,
    Bool(bool),
    Number(Number),
    Float,
    Text,
    List,
    Map,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
        Ok(Shape::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(Shape::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Shape, E> {
        Ok(Number::from_f64(number).map_or(Shape::Float, Shape::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Shape, A::Error> {
        Ok(Shape::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Shape, A::Error> {
        Ok(Shape::Map)
    }
}

/// Replaces every `$ref` by what it refers to; `load` reads another file. Collects the top-level keys of the document
/// that are only referred to.
pub(super) struct References<'a> {
    /// Reads a file that is referred to; `None` if it cannot be read.
    pub(super) load: &'a mut dyn FnMut(&Item, &str) -> Option<Item>,
    /// The document.
    pub(super) root: &'a Item,
    /// Top-level keys that were referred to.
    pub(super) used: Vec<String>,
    /// References that lead nowhere, with their lines.
    pub(super) broken: Vec<(u64, String)>,
    left: usize,
}

impl<'a> References<'a> {
    /// References within `root`.
    pub(super) fn new(root: &'a Item, load: &'a mut dyn FnMut(&Item, &str) -> Option<Item>) -> Self {
        Self { load, root, used: Vec::new(), broken: Vec::new(), left: MAX_ITEMS }
    }

    /// The value with its references resolved.
    pub(super) fn resolve(&mut self, item: &Item, depth: usize) -> Item {
        self.left = self.left.saturating_sub(1);
        if depth > MAX_DEPTH || self.left == 0 {
            return item.at(Kind::Null);
        }
        match &item.kind {
            Kind::List(items) => item.at(Kind::List(items.iter().map(|one| self.resolve(one, depth + 1)).collect())),
            Kind::Map(entries) => match item.get("$ref").and_then(Item::text) {
                Some(reference) => self.referred(item, reference, depth),
                None => {
                    let resolved = entries.iter().map(|(name, value)| (name.clone(), self.resolve(value, depth + 1)));
                    item.at(Kind::Map(resolved.collect()))
                }
            },
            _ => item.clone(),
        }
    }

    /// What a reference refers to, with the keys beside it added.
    fn referred(&mut self, item: &Item, reference: &str, depth: usize) -> Item {
        let (path, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let root = self.root;
        let loaded;
        let document = match path {
            "" => {
                self.used.extend(pointer.trim_start_matches('/').split('/').next().map(str::to_owned));
                Some(root)
            }
            path => {
                loaded = (self.load)(item, path.trim_start_matches("file://"));
                loaded.as_ref()
            }
        };
        let Some(found) = document.and_then(|document| at_pointer(document, pointer)) else {
            self.broken.push((item.line, reference.to_owned()));
            return item.at(Kind::Null);
        };
        let found = self.resolve(found, depth + 1);
        let beside: Vec<_> = item.entries().iter().filter(|(name, _)| name != "$ref").cloned().collect();
        match found.kind {
            Kind::Map(mut entries) if !beside.is_empty() => {
                entries.retain(|(name, _)| beside.iter().all(|(own, _)| own != name));
                entries.extend(beside.iter().map(|(name, value)| (name.clone(), self.resolve(value, depth + 1))));
                item.at(Kind::Map(entries))
            }
            kind => item.at(kind),
        }
    }
}

fn at_pointer<'a>(item: &'a Item, pointer: &str) -> Option<&'a Item> {
    let steps = pointer.split('/').filter(|step| !step.is_empty());
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).try_fold(item, |at, step| match &at.kind {
        Kind::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => at.get(&step),
    })
}

/// A JSON object of some entries.
pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(source: &str) -> Item {
        parse(source.to_owned(), Path::new("c.yaml")).unwrap()
    }

    #[test]
    fn values_keep_their_order_and_lines_and_are_read_as_yaml_1_2() {
        let item = read("b: yes\na:\n  - 1.0\n  - {x: ~, y: no}\nc: &t {k: 1}\nd: {<<: *t, z: 2}\n2: two\n");
        assert_eq!(item.value()["b"], json!("yes"));
        assert_eq!(item.value()["a"], json!([1.0, {"x": null, "y": "no"}]));
        assert_eq!(item.value()["d"], json!({"k": 1, "z": 2}));
        assert_eq!(item.value()["2"], json!("two"));
        assert_eq!(item.entries()[0].0, "b");
        assert_eq!((item.get("a").unwrap().line, item.get("c").unwrap().line), (2, 5));
        assert_eq!(item.get("a").unwrap().items()[0].scalar().as_deref(), Some("1"));
    }

    #[test]
    fn references_are_replaced_and_keys_beside_them_added() {
        let root = read("t: {a: {type: equals, value: x}}\nu: [{$ref: '#/t/a', value: y}, {$ref: '#/t/b'}]\n");
        let mut load = |_: &Item, _: &str| None;
        let mut references = References::new(&root, &mut load);
        let found = references.resolve(&root, 0);
        assert_eq!(found.value()["u"], json!([{"type": "equals", "value": "y"}, null]));
        assert_eq!((references.used, references.broken.len()), (vec!["t".to_owned(), "t".to_owned()], 1));
    }

    #[test]
    fn references_into_a_large_document_do_not_copy_all_of_it() {
        let many: Map<String, Value> = (0..50_000).map(|number| (format!("k{number}"), json!(number))).collect();
        let references: Vec<Value> = (0..20_000).map(|_| json!({"$ref": "#/t/k0"})).collect();
        let root = Item::from_value(&Rc::from(Path::new("c.json")), 1, &json!({"t": many, "u": references}), 0);
        let mut load = |_: &Item, _: &str| None;
        // A copy of the document for each reference would take minutes.
        let found = References::new(&root, &mut load).resolve(&root, 0);
        assert_eq!(found.get("u").unwrap().items().last().map(Item::value), Some(json!(0)));
    }

    #[test]
    fn a_reference_to_itself_ends() {
        let root = read("a: {$ref: '#/a'}\nb: {c: {$ref: '#/b'}}\n");
        let mut load = |_: &Item, _: &str| None;
        let mut references = References::new(&root, &mut load);
        assert!(references.resolve(&root, 0).is_map());
    }

    #[test]
    fn json_with_tabs_and_deep_nesting_are_read_or_refused() {
        let tabs = parse("{\n\t\"a\":\t[1]\n}".to_owned(), Path::new("c.json")).unwrap();
        assert_eq!(tabs.value(), json!({"a": [1]}));
        let deep = "[".repeat(500) + &"]".repeat(500);
        assert!(parse(deep, Path::new("c.yaml")).is_err());
        assert!(parse("a: [".to_owned(), Path::new("c.yaml")).is_err());
    }
}
