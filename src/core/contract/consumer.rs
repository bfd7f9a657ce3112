//! What a consumer accepts at a path, according to its JSON Schema.
//!
//! A schema is followed as alternatives of schemas that must all hold. Where a keyword is not understood or the schema
//! is too complex, the answer is "unknown" instead of "no".

use serde_json::Value;

use super::change::Breaking;
use super::node::{JsonType, Step};

/// Maximum number of alternatives at one path.
const MAX_ALTERNATIVES: usize = 64;

/// Maximum number of schemas that are expanded for one path.
const MAX_EXPANDED: usize = 1_000;

/// Maximum number of schemas inside of each other that are expanded for one path, through references or not.
const MAX_NESTED: usize = 32;

/// Keywords that may forbid what the rest of the schema allows.
const NOT_FOLLOWED: [&str; 7] =
    ["if", "not", "dependentSchemas", "dependentRequired", "dependencies", "$dynamicRef", "$recursiveRef"];

/// Schemas that must all hold.
#[derive(Debug, Clone, Default)]
struct Alternative<'a> {
    all: Vec<&'a Value>,
    /// Whether there are other requirements, which are not followed.
    opaque: bool,
}

impl<'a> Alternative<'a> {
    fn allows_type(&self, kind: JsonType) -> bool {
        self.all.iter().all(|schema| allows_type(schema, kind))
    }

    fn requires(&self, step: &Step) -> bool {
        self.all.iter().any(|schema| match step {
            Step::Key(key) => list(schema, "required").any(|required| required == key.as_str()),
            Step::Items => schema.get("minItems").and_then(Value::as_f64).is_some_and(|least| least >= 1.0),
            Step::Any => false,
        })
    }

    fn forbids(&self, step: &Step) -> Breaking {
        if *step == Step::Items {
            return Breaking::No;
        }
        let closed = |schema: &Value, word: &str| schema.get(word) == Some(&Value::Bool(false));
        let mentions = |schema: &Value| property(schema, step).is_some();
        let matched = self.all.iter().any(|schema| schema.get("patternProperties").is_some());
        let forbidden = self.all.iter().any(|schema| match property(schema, step) {
            Some(property) => *property == Value::Bool(false),
            None => closed(schema, "additionalProperties"),
        });
        // Looks at the properties of all schemas that hold.
        let unevaluated = self.all.iter().any(|schema| closed(schema, "unevaluatedProperties"))
            && !self.all.iter().any(|schema| mentions(schema) || schema.get("additionalProperties").is_some());
        match (forbidden || unevaluated, matched || self.opaque) {
            (true, false) => Breaking::Yes,
            (false, false) => Breaking::No,
            (_, true) => Breaking::Unknown,
        }
    }
}

/// What a consumer accepts at one path.
#[derive(Debug, Clone)]
pub(super) struct Consumer<'a> {
    document: &'a Value,
    /// Empty if nothing is accepted.
    alternatives: Vec<Alternative<'a>>,
}

impl<'a> Consumer<'a> {
    pub(super) fn new(document: &'a Value) -> Self {
        Self { document, alternatives: expand(document, document, MAX_NESTED, &mut { MAX_EXPANDED }) }
    }

    /// What is accepted one step further.
    pub(super) fn step(&self, step: &Step) -> Self {
        let mut left = MAX_EXPANDED;
        let next = |alternative: &Alternative<'a>| {
            let mut all = vec![Alternative { all: Vec::new(), opaque: alternative.opaque }];
            for schema in &alternative.all {
                all = both(all, stepped(self.document, schema, step, &mut left));
            }
            all
        };
        let mut alternatives: Vec<_> = self.parents(step).flat_map(next).collect();
        if alternatives.len() > MAX_ALTERNATIVES {
            alternatives = opaque();
        }
        Self { document: self.document, alternatives }
    }

    fn parents(&self, step: &Step) -> impl Iterator<Item = &Alternative<'a>> {
        let kind = step.parent();
        self.alternatives.iter().filter(move |alternative| alternative.allows_type(kind))
    }

    /// Whether it breaks the consumer that the step is missing, and why.
    pub(super) fn missing(&self, step: &Step) -> (Breaking, String) {
        if self.parents(step).next().is_none() {
            return (Breaking::Unknown, not_described(step));
        }
        let name = named(step);
        let breaks = agreed(self.parents(step).map(|alternative| match alternative.opaque {
            _ if alternative.requires(step) => Breaking::Yes,
            true => Breaking::Unknown,
            false => Breaking::No,
        }));
        let mentioned = self.parents(step).any(|all| all.all.iter().any(|schema| property(schema, step).is_some()));
        let reason = match breaks {
            Breaking::Yes if *step == Step::Items => "the schema requires an element".into(),
            Breaking::Yes => format!("the schema requires {name}"),
            Breaking::No if *step == Step::Items => "the schema allows empty arrays".into(),
            Breaking::No if mentioned => format!("the schema does not require {name}"),
            Breaking::No => format!("the schema does not mention {name}"),
            Breaking::Unknown => format!("the schema may require {name}: it depends on other parts of the output"),
        };
        (breaks, reason)
    }

    /// Whether it breaks the consumer that the step is there, and why.
    pub(super) fn present(&self, step: &Step) -> (Breaking, String) {
        if self.parents(step).next().is_none() {
            return (Breaking::Unknown, not_described(step));
        }
        let name = named(step);
        let breaks = agreed(self.parents(step).map(|alternative| alternative.forbids(step)));
        let reason = match breaks {
            Breaking::Yes => format!("the schema does not allow {name}"),
            Breaking::No => format!("the schema allows {name}"),
            Breaking::Unknown => format!("the schema may not allow {name}: it depends on other parts of the output"),
        };
        (breaks, reason)
    }

    /// Whether values of this type break the consumer, and why.
    pub(super) fn type_of(&self, kind: JsonType) -> (Breaking, String) {
        self.value(kind.name(), |alternative| alternative.allows_type(kind))
    }

    /// Whether any of these values, as JSON text, breaks the consumer, and why; the first that does.
    ///
    /// `long` is whether there are also strings too long to be listed.
    pub(super) fn values(&self, values: &[String], long: bool) -> (Breaking, String) {
        let is = |schema: &Value, value: &Value| {
            allows_type(schema, JsonType::of(value))
                && schema.get("const").is_none_or(|only| only == value)
                && schema.get("enum").and_then(Value::as_array).is_none_or(|some| some.contains(value))
        };
        let listed = values.iter().filter_map(|text| {
            let value: Value = serde_json::from_str(text).ok()?;
            Some(self.value(text, |alternative| alternative.all.iter().all(|schema| is(schema, &value))))
        });
        let free = |schema: &&'a Value| {
            allows_type(schema, JsonType::String) && schema.get("const").or_else(|| schema.get("enum")).is_none()
        };
        let other = long.then(|| self.value("other strings", |alternative| alternative.all.iter().all(free)));
        let nothing = (Breaking::No, "there are no new values".to_owned());
        // The first of the worst.
        listed.chain(other).reduce(|worst, next| if next.0 < worst.0 { next } else { worst }).unwrap_or(nothing)
    }

    fn value(&self, name: &str, accepts: impl Fn(&Alternative<'a>) -> bool) -> (Breaking, String) {
        let mut accepting = self.alternatives.iter().filter(|alternative| accepts(alternative)).peekable();
        if accepting.peek().is_none() {
            (Breaking::Yes, format!("the schema does not allow {name} here"))
        } else if accepting.all(|alternative| alternative.opaque) {
            (Breaking::Unknown, format!("the schema is too complex to tell whether it allows {name} here"))
        } else {
            (Breaking::No, format!("the schema allows {name} here"))
        }
    }
}

/// The answer of all alternatives, unknown if they differ or there is none.
fn agreed(answers: impl Iterator<Item = Breaking>) -> Breaking {
    answers.reduce(|a, b| if a == b { a } else { Breaking::Unknown }).unwrap_or(Breaking::Unknown)
}

fn not_described(step: &Step) -> String {
    format!("the schema does not allow an {} here", step.parent().name())
}

fn named(step: &Step) -> String {
    match step {
        Step::Key(key) => Value::from(key.as_str()).to_string(),
        Step::Any => "other keys".into(),
        Step::Items => "an element".into(),
    }
}

fn list<'a>(schema: &'a Value, word: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(word).and_then(Value::as_array).into_iter().flatten()
}

fn property<'a>(schema: &'a Value, step: &Step) -> Option<&'a Value> {
    let Step::Key(key) = step else { return None };
    schema.get("properties")?.get(key)
}

fn allows_type(schema: &Value, kind: JsonType) -> bool {
    let is = |name: &Value| name == kind.name() || (kind == JsonType::Integer && name == "number");
    let typed = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().any(is),
        Some(name) => is(name),
        None => true,
    };
    let of_kind = |value: &Value| JsonType::of(value) == kind;
    typed
        && schema.get("const").is_none_or(of_kind)
        && schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.iter().any(of_kind))
}

fn opaque<'a>() -> Vec<Alternative<'a>> {
    vec![Alternative { all: Vec::new(), opaque: true }]
}

/// Every alternative of one with every alternative of the other.
fn both<'a>(some: Vec<Alternative<'a>>, others: Vec<Alternative<'a>>) -> Vec<Alternative<'a>> {
    if some.len() * others.len() > MAX_ALTERNATIVES {
        return opaque();
    }
    let join = |a: &Alternative<'a>, b: &Alternative<'a>| Alternative {
        all: a.all.iter().chain(&b.all).copied().collect(),
        opaque: a.opaque || b.opaque,
    };
    some.iter().flat_map(|a| others.iter().map(move |b| join(a, b))).collect()
}

/// The schemas of what is one step further.
fn stepped<'a>(document: &'a Value, schema: &'a Value, step: &Step, left: &mut usize) -> Vec<Alternative<'a>> {
    let object = |word: &str| schema.get(word).and_then(Value::as_object).into_iter().flat_map(|map| map.values());
    let other_keys = schema.get("additionalProperties");
    let (some, rest): (Vec<&Value>, Option<&Value>) = match step {
        Step::Key(_) => match property(schema, step) {
            Some(property) => return expand(document, property, MAX_NESTED, left),
            None if schema.get("patternProperties").is_some() => return opaque(),
            None => (Vec::new(), other_keys),
        },
        Step::Any => (object("properties").chain(object("patternProperties")).collect(), other_keys),
        Step::Items => match schema.get("items") {
            Some(Value::Array(items)) => (items.iter().collect(), schema.get("additionalItems")),
            items => (list(schema, "prefixItems").collect(), items),
        },
    };
    let free = match (rest, some.is_empty()) {
        (Some(_), _) => None,
        (None, true) => Some(Alternative::default()),
        // Other positions or keys may have anything, but those that are described may not.
        (None, false) => Some(Alternative { all: Vec::new(), opaque: true }),
    };
    let described = some.into_iter().chain(rest).flat_map(|schema| expand(document, schema, MAX_NESTED, left));
    described.chain(free).collect()
}

/// The alternatives of a schema, with references and combinations resolved.
fn expand<'a>(document: &'a Value, schema: &'a Value, depth: usize, left: &mut usize) -> Vec<Alternative<'a>> {
    if depth == 0 || *left == 0 {
        return opaque();
    }
    *left -= 1;
    if *schema == Value::Bool(false) {
        return Vec::new();
    }
    let not_followed = NOT_FOLLOWED.iter().any(|word| schema.get(word).is_some());
    let mut result = vec![Alternative { all: vec![schema], opaque: not_followed }];
    if let Some(reference) = schema.get("$ref") {
        let target = reference.as_str().and_then(|text| document.pointer(text.strip_prefix('#')?));
        result = both(result, target.map_or_else(opaque, |target| expand(document, target, depth - 1, left)));
    }
    for part in list(schema, "allOf") {
        result = both(result, expand(document, part, depth - 1, left));
    }
    for word in ["anyOf", "oneOf"].into_iter().filter(|word| schema.get(word).is_some()) {
        let parts = list(schema, word).flat_map(|part| expand(document, part, depth - 1, left)).collect();
        result = both(result, parts);
    }
    result
}
