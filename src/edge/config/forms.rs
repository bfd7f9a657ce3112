//! Short forms: what may be written in place of a mapping, and values with a syntax of their own, such as durations.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use crate::core::domain::parse_span;

/// The largest bare number read as seconds; a larger one was probably meant as milliseconds.
const MAX_BARE_SECONDS: u64 = 3600;

/// The largest bare number read as days; a larger one was probably meant as a year.
const MAX_BARE_DAYS: u64 = 1000;

/// A type that can be written more briefly than as a mapping of keys.
pub(super) trait Short: for<'de> Deserialize<'de> + JsonSchema {
    /// All accepted forms with an example, as used in error messages.
    const EXPECTED: &'static str;

    /// The value written as text, if this type has such a form.
    fn text(_: &str) -> Option<Self> {
        None
    }

    /// The value written as a number, if this type has such a form.
    fn number(_: f64) -> Option<Self> {
        None
    }

    /// The value written as true or false, if this type has such a form.
    fn flag(_: bool) -> Option<Self> {
        None
    }

    /// The value written as a list, if this type has such a form.
    fn list<'de, D: Deserializer<'de>>(_: D) -> Option<Result<Self, D::Error>> {
        None
    }

    /// The JSON Schemas of the short forms.
    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema>;
}

/// A value read from its keys or from one of its short forms.
#[derive(Debug, Clone, Default)]
pub struct Form<T>(pub T);

impl<'de, T: Short> Deserialize<'de> for Form<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FormVisitor(PhantomData)).map(Self)
    }
}

struct FormVisitor<T>(PhantomData<T>);

impl<'de, T: Short> Visitor<'de> for FormVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::text(text).ok_or_else(|| E::invalid_type(Unexpected::Str(text), &self))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<T, E> {
        T::flag(flag).ok_or_else(|| E::invalid_type(Unexpected::Bool(flag), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::number(number).ok_or_else(|| E::invalid_type(Unexpected::Float(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::number(number as f64).ok_or_else(|| E::invalid_type(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::number(number as f64).ok_or_else(|| E::invalid_type(Unexpected::Signed(number), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::list(SeqAccessDeserializer::new(items))
            .unwrap_or_else(|| Err(A::Error::invalid_type(Unexpected::Seq, &self)))
    }

    fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(keys))
    }
}

impl<T: Short> JsonSchema for Form<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Form", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut forms = vec![generator.subschema_for::<T>()];
        forms.extend(T::schemas(generator));
        json_schema!({"anyOf": forms})
    }
}

/// A placeholder for a key whose value is read separately, according to its `type`; it has the JSON Schema of `T`.
#[derive(Debug, Clone)]
pub struct Apart<T>(PhantomData<T>);

impl<T> Default for Apart<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T> Deserialize<'de> for Apart<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::default())
    }
}

impl<T: JsonSchema> JsonSchema for Apart<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The JSON Schema of text or a number.
pub(super) struct TextOrNumber;

impl JsonSchema for TextOrNumber {
    fn schema_name() -> Cow<'static, str> {
        "TextOrNumber".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number"]})
    }
}

/// Reads `30s`, `2m`, `1h`, or a number of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let seconds = text.parse().ok().filter(|seconds| (1..=MAX_BARE_SECONDS).contains(seconds)).map(Duration::from_secs);
    seconds.or_else(|| span(&text)).ok_or_else(|| {
        D::Error::invalid_value(Unexpected::Str(&text), &"a duration such as 30s, 2m or 1h (a bare number is seconds)")
    })
}

/// Reads `90m`, `12h`, `7d`, or zero for never.
pub(super) fn duration_or_never<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Elsewhere zero is not a valid duration; here it means "never".
    let never = ["0", "0s", "0m", "0h", "0d"].contains(&text.trim());
    span(&text).or_else(|| never.then_some(Duration::ZERO)).ok_or_else(|| {
        D::Error::invalid_value(Unexpected::Str(&text), &"a duration such as 90m, 12h or 7d, or 0s for no cache")
    })
}

fn span(text: &str) -> Option<Duration> {
    parse_span(text).and_then(|span| Duration::try_from(span).ok())
}

/// Reads a window of time, or a number of days.
pub(super) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| match text.parse::<u64>() {
        Ok(days) if (1..=MAX_BARE_DAYS).contains(&days) => format!("{days}d"),
        _ => text,
    }))
}

/// Reads a list of names, or a single name. Text with a comma is refused: it could be one name or several.
pub(super) fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    match names.as_slice() {
        [one] if one.contains(", ") => {
            let list = format!("a list: [{one}]");
            Err(D::Error::invalid_value(Unexpected::Str(one), &list.as_str()))
        }
        _ => Ok(names),
    }
}

/// Reads a program and its arguments, as a list or in one line.
pub(super) fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let command = Vec::<String>::deserialize(deserializer)?;
    let [line] = command.as_slice() else { return Ok(command) };
    if line.contains(['"', '\'', '\\', '|', '<', '>', '&', ';', '$', '*']) && line.contains(' ') {
        let list = "a list, because no shell parses it: [python3, model.py, --flag]";
        return Err(D::Error::invalid_value(Unexpected::Str(line), &list));
    }
    Ok(line.split_whitespace().map(str::to_owned).collect())
}

/// Reads a number that must not be zero.
pub(super) fn at_least_one<'de, D: Deserializer<'de>, T: Deserialize<'de> + Count>(
    deserializer: D,
) -> Result<T, D::Error> {
    let count = T::deserialize(deserializer)?;
    if count.is_zero() {
        return Err(D::Error::invalid_value(Unexpected::Unsigned(0), &"1 or more"));
    }
    Ok(count)
}

/// A number that can be compared with zero.
pub(super) trait Count {
    /// Whether the number is zero.
    fn is_zero(&self) -> bool;
}

macro_rules! count {
    ($($number:ty)*) => {$(
        impl Count for $number {
            fn is_zero(&self) -> bool {
                *self == 0
            }
        }
    )*};
}

count!(u32 u64 usize);

impl<T: Count> Count for Option<T> {
    fn is_zero(&self) -> bool {
        self.as_ref().is_some_and(Count::is_zero)
    }
}

/// Reads a share, from 0 to 1.
pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(D::Error::invalid_value(Unexpected::Float(share), &"between 0 and 1, such as 0.85"))
}

/// Reads a share that may be absent.
pub(super) fn optional_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    share(deserializer).map(Some)
}
