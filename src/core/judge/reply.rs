//! Finds the object with an id in the reply of a model, which may contain anything else, and reads its fields.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::outcome::Claim;
use super::schema::ID_FIELD;
use super::verdict::one_line;

/// A verdict with a number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scored {
    /// Why.
    pub reason: String,
    /// The number.
    pub score: f64,
    #[serde(rename = "verdict_id")]
    _id: IgnoredAny,
}

/// A verdict of yes or no.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passed {
    /// Why.
    pub reason: String,
    /// Whether it is yes.
    pub verdict: bool,
    #[serde(rename = "verdict_id")]
    _id: IgnoredAny,
}

/// A verdict that is one of several options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    /// Why.
    pub reason: String,
    /// The option.
    pub verdict: String,
    #[serde(rename = "verdict_id")]
    _id: IgnoredAny,
}

/// A verdict on claims.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claimed {
    /// The claims.
    pub claims: Vec<Claim>,
    #[serde(rename = "verdict_id")]
    _id: IgnoredAny,
}

/// A verdict on the texts of a context.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sourced {
    /// The texts.
    pub sources: Vec<JudgedSource>,
    #[serde(rename = "verdict_id")]
    _id: IgnoredAny,
}

/// The verdict on one text of a context.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgedSource {
    /// The number of the text.
    pub number: usize,
    #[serde(rename = "reason")]
    _reason: String,
    /// Whether it is useful.
    pub useful: bool,
}

/// Reads the object of a verdict. Derived implementations refuse repeated, missing and unknown fields.
pub(super) fn read<'r, T: Deserialize<'r>>(object: &'r str) -> Result<T, String> {
    serde_json::from_str(object).map_err(|error| {
        let text = error.to_string();
        let cause = text.split(" at line ").next().unwrap_or(&text);
        format!("the judge's verdict does not have the form asked for: {}", one_line(cause, 160))
    })
}

/// An object in a reply.
#[derive(Debug, PartialEq)]
pub(super) struct Found<'r> {
    /// The object as text.
    pub object: &'r str,
    /// Whether the id is its last field.
    pub id_is_last: bool,
    /// What follows it.
    pub after: &'r str,
}

/// The last complete object whose own field [`ID_FIELD`] is the id. Objects within it do not count.
///
/// Objects are read only as deep as verdicts are, so every position is read a few times at most, and the time is linear.
pub(super) fn last_object<'r>(reply: &'r str, id: &str) -> Option<Found<'r>> {
    let mut last = None;
    let mut rest = reply;
    while let Some(start) = rest.find('{') {
        let (_, here) = rest.split_at(start);
        let mut objects = serde_json::Deserializer::from_str(here).into_iter::<Head>();
        let head = objects.next().and_then(Result::ok).filter(|head| head.id.as_deref() == Some(id));
        let length = if head.is_some() { objects.byte_offset() } else { 1 };
        let (object, after) = here.split_at_checked(length)?;
        if let Some(head) = head {
            last = Some(Found { object, id_is_last: head.id_is_last, after });
        }
        rest = after;
    }
    last
}

/// The id of an object, and whether its field is the last one. If the field is repeated, the last one counts.
struct Head {
    id: Option<String>,
    id_is_last: bool,
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadVisitor)
    }
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Head, M::Error> {
        let mut head = Head { id: None, id_is_last: false };
        while let Some(is_id) = map.next_key_seed(Skim { depth: 0, wanted: ID_FIELD })? {
            head.id_is_last = is_id;
            if is_id {
                head.id = Some(map.next_value()?);
            } else {
                map.next_value_seed(Skim { depth: MAX_DEPTH, wanted: "" })?;
            }
        }
        Ok(head)
    }
}

/// How deep the value of a field of a verdict may be: a list of objects, and one more level.
const MAX_DEPTH: u8 = 3;

/// Reads a value without storing it, and says whether it is the wanted string. Fails if it is deeper than allowed.
#[derive(Clone, Copy)]
struct Skim<'w> {
    depth: u8,
    wanted: &'w str,
}

impl Skim<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Skim<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skim<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == self.wanted)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<bool, S::Error> {
        let inside = self.inside()?;
        while items.next_element_seed(inside)?.is_some() {}
        Ok(false)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<bool, M::Error> {
        let inside = self.inside::<M::Error>()?;
        while map.next_key_seed(inside)?.is_some() {
            map.next_value_seed(inside)?;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_object_with_the_id_is_found() {
        let found =
            |reply: &'static str| last_object(reply, "x").map(|found| (found.object, found.id_is_last, found.after));
        let cases = [
            (r#"a {"verdict_id": "x"} b"#, Some((r#"{"verdict_id": "x"}"#, true, " b"))),
            (
                r#"{"verdict_id": "x", "n": 1}{"verdict_id": "y"}"#,
                Some((r#"{"verdict_id": "x", "n": 1}"#, false, r#"{"verdict_id": "y"}"#)),
            ),
            (r#"{"verdict_id": "x"} {"n": 1, "verdict_id": "x"}"#, Some((r#"{"n": 1, "verdict_id": "x"}"#, true, ""))),
            (r#"{"inner": {"verdict_id": "x"}}"#, Some((r#"{"verdict_id": "x"}"#, true, "}"))),
            (
                r#"{"verdict_id": "x", "inner": {"verdict_id": "x"}}"#,
                Some((r#"{"verdict_id": "x", "inner": {"verdict_id": "x"}}"#, false, "")),
            ),
            (r#"{"verdict\u005fid": "x"}"#, Some((r#"{"verdict\u005fid": "x"}"#, true, ""))),
            (
                r#"{"verdict_id": "y", "verdict_id": "x"}"#,
                Some((r#"{"verdict_id": "y", "verdict_id": "x"}"#, true, "")),
            ),
            (r#"{"verdict_id": "x", "verdict_id": "y"}"#, None),
            (r#"{"verdict_id": "x""#, None),
            (r#"{"verdict_id": ["x"]}"#, None),
            (r#"["verdict_id", "x"]"#, None),
            (r#"{"a": [[[[1]]]], "verdict_id": "x"}"#, None),
            ("", None),
        ];
        for (reply, expected) in cases {
            assert_eq!(found(reply), expected, "{reply}");
        }
    }

    proptest! {
        // A quotation mark before it could turn the object into part of a string.
        #[test]
        fn an_object_is_found_wherever_it_is(
            before in "[^\"]*", braces in "[{}\\[\\],: a]{0,30}", text in any::<String>(), after in "[^{]*",
        ) {
            let object = serde_json::json!({"text": text, "verdict_id": "0123456789abcdef"}).to_string();
            let reply = format!("{before}{braces}\n{object}{after}");
            let found = last_object(&reply, "0123456789abcdef").map(|found| (found.object.to_owned(), found.after.to_owned()));
            prop_assert_eq!(found, Some((object, after)));
        }
    }
}
