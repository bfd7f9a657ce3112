//! What was seen at each path, as sets of outputs.
//!
//! Sets can be united without counting an output twice, so the paths of a dictionary can be joined at any time, and
//! the order of outputs does not matter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// Paths of more steps than this are not read.
pub(super) const MAX_DEPTH: usize = 32;

/// An object path with more different keys than this is a dictionary, however frequent they are.
const MAX_KEYS: usize = 500;

/// An object path with more different keys than this is a dictionary if most of them are rare.
const MANY_KEYS: usize = 50;

/// A key in less than this share of objects is rare.
const RARE: f64 = 0.1;

/// Longer keys are data, not names, in bytes.
const MAX_KEY_LENGTH: usize = 100;

/// Different values kept per path. More than an enum may have, to tell free text from an enum that gained a value.
const MAX_VALUES: usize = 32;

/// An enum has at most this number of different values.
pub(super) const MAX_ENUM: usize = 12;

/// An enum has at most this number of different integers: more are usually quantities.
const MAX_INTEGERS: usize = 6;

/// Longer strings are not values of an enum, in characters.
const MAX_VALUE_LENGTH: usize = 40;

/// An enum has at least this number of occurrences per value.
const OCCURRENCES: u64 = 3;

/// The type of a JSON value. Numbers written without fraction and exponent that fit into 64 bits are integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number written as an integer.
    Integer,
    /// Any other number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    /// The name of the type in JSON Schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A set of outputs, by number; one bit each from the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Marks {
    start: usize,
    words: Vec<u64>,
}

impl Marks {
    /// Adds an output, which is not before the last one added.
    pub(super) fn insert(&mut self, output: usize) {
        let word = output / 64;
        if self.words.is_empty() {
            self.start = word;
        }
        let index = word.saturating_sub(self.start);
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        self.words[index] |= 1 << (output % 64);
    }

    pub(super) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn unite(&mut self, other: &Self) {
        if other.words.is_empty() {
            return;
        }
        if self.words.is_empty() {
            self.clone_from(other);
            return;
        }
        let start = self.start.min(other.start);
        self.words.splice(0..0, std::iter::repeat_n(0, self.start - start));
        self.start = start;
        let end = other.start - start + other.words.len();
        self.words.resize(self.words.len().max(end), 0);
        for (word, more) in self.words[other.start - start..].iter_mut().zip(&other.words) {
            *word |= more;
        }
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// All elements of an array.
    Items,
    /// All keys of a dictionary.
    Any,
    Key(String),
}

impl Step {
    /// The step as it continues a path.
    pub(super) fn text(&self) -> String {
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        match self {
            Self::Items => "[]".into(),
            Self::Any => ".{}".into(),
            Self::Key(key) if key.starts_with(letter) && key.chars().all(|c| letter(c) || c.is_ascii_digit()) => {
                format!(".{key}")
            }
            Self::Key(key) => format!("[{}]", Value::from(key.as_str())),
        }
    }

    /// The type of the values that have this step.
    pub(super) fn parent(&self) -> JsonType {
        if *self == Self::Items { JsonType::Array } else { JsonType::Object }
    }
}

/// Values as JSON text: the smallest `MAX_VALUES` of all, so the order of outputs does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Values {
    pub(super) known: BTreeMap<String, Marks>,
    /// Whether there were more.
    pub(super) more: bool,
    /// Outputs with a string too long for an enum.
    pub(super) long: Marks,
}

impl Values {
    fn add(&mut self, value: &Value, output: usize) {
        let text = match value {
            Value::String(text) if text.chars().nth(MAX_VALUE_LENGTH).is_some() => return self.long.insert(output),
            Value::String(_) | Value::Bool(_) => value.to_string(),
            Value::Number(number) if !number.is_f64() => value.to_string(),
            _ => return,
        };
        self.known.entry(text).or_default().insert(output);
        self.trim();
    }

    fn trim(&mut self) {
        while self.known.len() > MAX_VALUES {
            self.known.pop_last();
            self.more = true;
        }
    }

    fn unite(&mut self, other: Self) {
        self.more |= other.more;
        self.long.unite(&other.long);
        for (value, marks) in other.known {
            self.known.entry(value).or_default().unite(&marks);
        }
        self.trim();
    }

    /// Whether `known` is every value.
    pub(super) fn complete(&self) -> bool {
        !self.more && self.long.count() == 0
    }
}

/// What was seen at one path.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    /// Outputs with the path.
    pub(super) seen: Marks,
    /// Outputs with a parent that lacks it: an object without the key, an empty array, or text that is not JSON.
    pub(super) lacking: Marks,
    pub(super) types: BTreeMap<JsonType, Marks>,
    pub(super) values: Values,
    pub(super) children: BTreeMap<Step, Node>,
    dictionary: bool,
}

impl Node {
    /// Reads a value of one output; `room` is the number of paths that may be added.
    pub(super) fn add(&mut self, value: &Value, output: usize, depth: usize, room: &mut usize) {
        self.seen.insert(output);
        match value {
            Value::Object(map) if depth < MAX_DEPTH => self.add_keys(map, output, depth, room),
            Value::Array(items) if depth < MAX_DEPTH => {
                if let Some(child) = self.children.get_mut(&Step::Items).filter(|_| items.is_empty()) {
                    child.lacking.insert(output);
                }
                items.iter().for_each(|item| self.add_child(Step::Items, item, output, depth, room));
            }
            _ => self.values.add(value, output),
        }
        // After the children: a new one lacks in all parents before this one.
        self.types.entry(JsonType::of(value)).or_default().insert(output);
    }

    fn add_keys(&mut self, map: &serde_json::Map<String, Value>, output: usize, depth: usize, room: &mut usize) {
        let step = |key: &String| if key.len() > MAX_KEY_LENGTH { Step::Any } else { Step::Key(key.clone()) };
        let new = map.keys().filter(|key| !self.children.contains_key(&step(key))).count();
        if self.children.len() + new > MAX_KEYS {
            self.collapse();
        }
        for (step, child) in &mut self.children {
            if matches!(step, Step::Key(key) if !map.contains_key(key)) {
                child.lacking.insert(output);
            }
        }
        for (key, value) in map {
            let step = if self.dictionary { Step::Any } else { step(key) };
            self.add_child(step, value, output, depth, room);
        }
    }

    fn add_child(&mut self, step: Step, value: &Value, output: usize, depth: usize, room: &mut usize) {
        if !self.children.contains_key(&step) {
            if *room == 0 {
                return;
            }
            *room -= 1;
        }
        let before = self.types.get(&step.parent());
        let new = || Node { lacking: before.cloned().unwrap_or_default(), ..Node::default() };
        self.children.entry(step).or_insert_with(new).add(value, output, depth + 1, room);
    }

    /// Outputs with a value of this type.
    pub(super) fn of_type(&self, kind: JsonType) -> u64 {
        self.types.get(&kind).map_or(0, Marks::count)
    }

    /// Whether the values are from a small set: few, short, and each seen a few times.
    pub(super) fn is_enum(&self) -> bool {
        let known = &self.values.known;
        let integers = known.keys().filter(|value| value.starts_with(|c: char| c == '-' || c.is_ascii_digit())).count();
        let occurrences: u64 = known.values().map(Marks::count).sum();
        (1..=MAX_ENUM).contains(&known.len())
            && self.values.complete()
            && integers <= MAX_INTEGERS
            && !self.types.contains_key(&JsonType::Number)
            && occurrences >= OCCURRENCES * known.len() as u64
    }

    /// Joins all keys to one path.
    fn collapse(&mut self) {
        let (keys, rest) = std::mem::take(&mut self.children).into_iter().partition(|(step, _)| *step != Step::Items);
        self.children = rest;
        self.dictionary = true;
        let keys: BTreeMap<Step, Node> = keys;
        if let Some(joined) = keys.into_values().reduce(Node::joined) {
            self.children.insert(Step::Any, joined);
        }
    }

    fn joined(mut self, mut other: Self) -> Self {
        if self.dictionary || other.dictionary {
            self.collapse();
            other.collapse();
        }
        // All parents on a side without the child lack it. The types are still those of each side.
        for (step, child) in &mut self.children {
            if !other.children.contains_key(step) {
                child.lacking.unite(other.types.get(&step.parent()).unwrap_or(&Marks::default()));
            }
        }
        for (step, mut child) in std::mem::take(&mut other.children) {
            let joined = match self.children.remove(&step) {
                Some(mine) => mine.joined(child),
                None => {
                    child.lacking.unite(self.types.get(&step.parent()).unwrap_or(&Marks::default()));
                    child
                }
            };
            self.children.insert(step, joined);
        }
        self.seen.unite(&other.seen);
        self.lacking.unite(&other.lacking);
        for (kind, marks) in other.types {
            self.types.entry(kind).or_default().unite(&marks);
        }
        self.values.unite(other.values);
        self
    }

    /// Joins keys to dictionaries, at the same paths of two nodes.
    pub(super) fn align(&mut self, other: &mut Self) {
        if self.dictionary || other.dictionary || self.has_rare_keys(other) {
            self.collapse();
            other.collapse();
        }
        for (step, child) in &mut self.children {
            match other.children.get_mut(step) {
                Some(theirs) => child.align(theirs),
                None => child.align(&mut Node::default()),
            }
        }
        for (step, child) in &mut other.children {
            if !self.children.contains_key(step) {
                child.align(&mut Node::default());
            }
        }
    }

    fn has_rare_keys(&self, other: &Self) -> bool {
        let keys: BTreeSet<&Step> = self.children.keys().chain(other.children.keys()).collect();
        let share = |step: &Step, node: &Node| {
            let seen = node.children.get(step).map_or(0, |child| child.seen.count());
            seen as f64 / node.of_type(step.parent()).max(1) as f64
        };
        let rare = keys.iter().filter(|step| share(step, self) < RARE && share(step, other) < RARE).count();
        keys.len() > MANY_KEYS && 2 * rare > keys.len()
    }

    /// Adds the number of paths at each depth, from this one.
    fn count_levels(&self, depth: usize, levels: &mut [usize]) {
        if let Some(level) = levels.get_mut(depth) {
            *level += 1;
        }
        self.children.values().for_each(|child| child.count_levels(depth + 1, levels));
    }

    /// Keeps the first `limit` paths by depth and name; returns whether there were more.
    ///
    /// A path that is dropped comes after all that are kept, so it would be dropped again: those kept are complete.
    pub(super) fn prune(&mut self, limit: usize) -> bool {
        let mut levels = [0; MAX_DEPTH + 1];
        self.count_levels(0, &mut levels);
        let mut room = limit;
        for (depth, level) in levels.into_iter().enumerate() {
            if level > room {
                self.keep(depth, &mut room);
                return true;
            }
            room -= level;
        }
        false
    }

    /// Keeps `room` paths that are `depth` steps from here, and none that are longer.
    fn keep(&mut self, depth: usize, room: &mut usize) {
        if depth == 0 {
            self.children.clear();
        } else if depth == 1 {
            self.children.retain(|_, child| {
                child.children.clear();
                let kept = *room > 0;
                *room = room.saturating_sub(1);
                kept
            });
        } else {
            self.children.values_mut().for_each(|child| child.keep(depth - 1, room));
        }
    }
}
