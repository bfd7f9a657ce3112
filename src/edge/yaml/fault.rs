//! An error in a value of a YAML file: where it is, what was found there, and what was expected.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

/// The maximum number of characters of a value that an error repeats.
const MAX_SHOWN: usize = 40;

/// One step from the top of a file to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// An error in a YAML file, without the name of the file.
#[derive(Debug)]
pub(crate) struct Fault {
    what: What,
    /// Line and column, counted from 1.
    pub(super) place: Option<(u64, u64)>,
    /// The path of the value, innermost step first.
    steps: Vec<Step>,
    pub(super) hint: Option<Box<str>>,
}

#[derive(Debug)]
enum What {
    /// A predicate of the value, such as "is 5, but must be text".
    Value(String),
    /// A complete sentence.
    Sentence(String),
    UnknownKey(String, Box<[&'static str]>),
    UnknownValue(String, Box<[&'static str]>),
    MissingKey(String),
}

impl Fault {
    fn new(what: What) -> Self {
        Self { what, place: None, steps: Vec::new(), hint: None }
    }

    /// A predicate of the value, such as "is 5, but must be text".
    pub(crate) fn value(predicate: impl Into<String>) -> Self {
        Self::new(What::Value(predicate.into()))
    }

    /// A value that is not what was expected.
    pub(crate) fn wrong(found: &str, expected: &str) -> Self {
        Self::value(format!("is {found}, but must be {expected}"))
    }

    /// A required key that is missing.
    pub(crate) fn missing(key: &str) -> Self {
        Self::new(What::MissingKey(key.to_owned()))
    }

    /// An unknown key, with the keys known at that place.
    pub(crate) fn unknown_key(key: &str, known: &[&'static str]) -> Self {
        Self::new(What::UnknownKey(key.to_owned(), known.into()))
    }

    /// Sets the place, unless an inner value has already set it.
    #[must_use]
    pub(super) fn at(mut self, place: (u64, u64)) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Sets the hint, unless there already is one.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into().into());
        self
    }

    /// States that the value belongs to this key.
    #[must_use]
    pub(crate) fn under(mut self, key: &str) -> Self {
        self.steps.push(Step::Key(key.to_owned()));
        self
    }

    /// States that the value is this item of a list.
    #[must_use]
    pub(crate) fn under_index(mut self, index: usize) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    /// The steps from the top of the file to the value, or to the missing key.
    pub(super) fn steps(&self) -> Vec<Step> {
        let missing = match &self.what {
            What::MissingKey(key) => Some(Step::Key(key.clone())),
            _ => None,
        };
        self.steps.iter().rev().cloned().chain(missing).collect()
    }

    /// The unknown name and the known ones, if the error is an unknown name.
    pub(super) fn unknown(&self) -> Option<(&str, &[&'static str])> {
        match &self.what {
            What::UnknownKey(name, known) | What::UnknownValue(name, known) => Some((name, known)),
            _ => None,
        }
    }

    /// The missing key, if the error is a missing key.
    pub(super) fn missing_key(&self) -> Option<&str> {
        match &self.what {
            What::MissingKey(key) => Some(key),
            _ => None,
        }
    }

    /// The path of the value, such as `scorers[0].pattern`.
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => path.extend([".", key]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        let of = |word: &str| if path.is_empty() { String::new() } else { format!(" {word} {path}") };
        match &self.what {
            What::Value(predicate) if path.is_empty() => write!(f, "the file {predicate}"),
            What::Value(predicate) => write!(f, "{path} {predicate}"),
            What::Sentence(sentence) if path.is_empty() => f.write_str(sentence),
            What::Sentence(sentence) => write!(f, "{path}: {sentence}"),
            What::UnknownKey(key, _) => write!(f, "unknown key \"{key}\"{}", of("in")),
            What::UnknownValue(value, _) => write!(f, "unknown value \"{value}\"{}", of("of")),
            What::MissingKey(key) if path.is_empty() => write!(f, "the key \"{key}\" is missing"),
            What::MissingKey(key) => write!(f, "{path} needs the key \"{key}\""),
        }
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Sentence(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::wrong(&shown(found), &in_words(&expected.to_string()))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown_key(field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownValue(cut(variant), expected.into()))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field)
    }
}

/// A value as shown in an error.
pub(super) fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a mapping".to_owned(),
        Unexpected::Str(text) => format!("{:?}", cut(text)),
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Rephrases what serde expects in the terms of YAML.
fn in_words(expected: &str) -> String {
    match expected {
        "a string" | "string" | "a borrowed string" | "path string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping, such as NAME: VALUE".to_owned(),
        other => other.to_owned(),
    }
}
