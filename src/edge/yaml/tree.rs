//! A YAML document as a tree that records the place of every value, and a serde deserializer over it.

use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor, value,
};
use serde::forward_to_deserialize_any;
use serde_saphyr::{Location, Spanned};

use super::fault::{Fault, shown};

/// A value of a document.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

/// Reads a value from the tree. Where a list is expected, a single item is read as a list of one; where text is
/// expected, a number or `yes` is read as the text that was written; where a mapping or a list is expected, an empty
/// value is read as an empty one.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(super) node: &'a Spanned<Node>,
    pub(super) source: &'a str,
}

impl<'a> Reader<'a> {
    fn place(self) -> (u64, u64) {
        place(self.node.defined)
    }

    /// The line on which the value stands, counted from 1.
    pub(crate) fn line(self) -> u64 {
        self.place().0
    }

    fn found(self) -> Unexpected<'a> {
        match &self.node.value {
            Node::Null => Unexpected::Unit,
            Node::Bool(value) => Unexpected::Bool(*value),
            Node::Signed(value) => Unexpected::Signed(*value),
            Node::Unsigned(value) => Unexpected::Unsigned(*value),
            Node::Float(value) => Unexpected::Float(*value),
            Node::Text(text) => Unexpected::Str(text),
            Node::List(_) => Unexpected::Seq,
            Node::Map(_) => Unexpected::Map,
        }
    }

    /// A fault: the value is not what was expected.
    pub(crate) fn wrong(self, expected: &str) -> Fault {
        Fault::wrong(&shown(self.found()), expected).at(self.place())
    }

    /// A fault with a predicate of the value, such as "is 5, but must be less than 3".
    pub(crate) fn fault(self, predicate: &str) -> Fault {
        Fault::value(predicate).at(self.place())
    }

    /// A fault: the mapping lacks a required key.
    pub(crate) fn missing(self, key: &str) -> Fault {
        Fault::missing(key).at(self.place())
    }

    /// Reads the value as `T`.
    pub(crate) fn read<T: Deserialize<'a>>(self) -> Result<T, Fault> {
        T::deserialize(self).map_err(|fault| fault.at(self.place()))
    }

    /// The text, if the value is text.
    pub(crate) fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if the value is a mapping or empty.
    pub(crate) fn mapping(self) -> Option<Mapping<'a>> {
        let entries = match &self.node.value {
            Node::Null => &[],
            Node::Map(entries) => entries.as_slice(),
            _ => return None,
        };
        Some(Mapping { of: self, entries })
    }

    /// An empty mapping, for a value that is only a name.
    pub(crate) fn no_keys(self) -> Mapping<'a> {
        Mapping { of: self, entries: &[] }
    }

    /// The items of a list, or the single item given in place of one.
    pub(crate) fn items(self) -> impl Iterator<Item = Self> {
        let nodes = match &self.node.value {
            Node::Null => &[],
            Node::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(self.node),
        };
        nodes.iter().map(move |node| Reader { node, ..self })
    }

    /// The source text of a scalar; converting a number back to text could change its form.
    fn written(self) -> Option<&'a str> {
        match &self.node.value {
            Node::Text(text) => Some(text),
            Node::Bool(_) | Node::Signed(_) | Node::Unsigned(_) | Node::Float(_) => {
                let span = self.node.defined.span();
                let start = usize::try_from(span.byte_offset()?).ok()?;
                self.source.get(start..start + usize::try_from(span.byte_len()?).ok()?).map(str::trim)
            }
            _ => None,
        }
    }
}

fn place(location: Location) -> (u64, u64) {
    (location.line(), location.column())
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Signed(value) => visitor.visit_i64(*value),
            Node::Unsigned(value) => visitor.visit_u64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::Text(text) => visitor.visit_borrowed_str(text),
            Node::List(_) => self.deserialize_seq(visitor),
            Node::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.written() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_seq(Items { rest: self.items().enumerate(), listed: matches!(self.node.value, Node::List(_)) })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.mapping() {
            Some(mapping) => visitor.visit_map(mapping.entries(None)),
            None => Err(Fault::invalid_type(self.found(), &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.mapping() {
            Some(mapping) => visitor.visit_map(mapping.entries(None)),
            None => Err(self.wrong(&format!("a mapping with keys such as {}", first_of(keys)))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.written() {
            Some(text) => visitor.visit_enum::<StrDeserializer<'_, Fault>>(text.into_deserializer()),
            None => Err(self.wrong(&format!("one of {}", variants.join(", ")))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier ignored_any
    }
}

fn first_of(keys: &[&str]) -> String {
    keys[..keys.len().min(5)].join(", ")
}

struct Items<I> {
    rest: I,
    listed: bool,
}

impl<'de, I: Iterator<Item = (usize, Reader<'de>)>> SeqAccess<'de> for Items<I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, reader)) = self.rest.next() else { return Ok(None) };
        let read = seed.deserialize(reader).map(Some).map_err(|fault| fault.at(reader.place()));
        read.map_err(|fault| if self.listed { fault.under_index(index) } else { fault })
    }
}

/// A mapping whose entries can be read by several structs.
#[derive(Clone, Copy)]
pub(crate) struct Mapping<'a> {
    of: Reader<'a>,
    entries: &'a [(Spanned<String>, Spanned<Node>)],
}

impl<'a> Mapping<'a> {
    /// Every key with its value.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, Reader<'a>)> {
        self.entries.iter().map(move |(key, node)| (key.value.as_str(), Reader { node, ..self.of }))
    }

    /// The value of a key.
    pub(crate) fn get(self, key: &str) -> Option<Reader<'a>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, reader)| reader)
    }

    /// Fails on the first unknown key, with the fault that `fault` returns for its name.
    pub(crate) fn check(self, known: impl Fn(&str) -> bool, fault: impl Fn(&str) -> Fault) -> Result<(), Fault> {
        match self.entries.iter().find(|(key, _)| !known(&key.value)) {
            Some((key, _)) => Err(fault(&key.value).at(place(key.defined))),
            None => Ok(()),
        }
    }

    /// Reads the keys of one struct and ignores all others.
    pub(crate) fn part<T: Deserialize<'a>>(self) -> Result<T, Fault> {
        T::deserialize(Part(self)).map_err(|fault| fault.at(self.of.place()))
    }

    fn entries(self, keys: Option<&'static [&'static str]>) -> Entries<'a> {
        Entries { rest: self.entries.iter(), source: self.of.source, keys, value: None }
    }
}

struct Part<'a>(Mapping<'a>);

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.0.of.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_map(self.0.entries(Some(keys)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, (Spanned<String>, Spanned<Node>)>,
    source: &'a str,
    /// The keys to read; `None` for all.
    keys: Option<&'static [&'static str]>,
    value: Option<(&'a str, &'a Spanned<Node>)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let keys = self.keys;
        let Some((key, node)) = self.rest.find(|(key, _)| keys.is_none_or(|keys| keys.contains(&key.value.as_str())))
        else {
            return Ok(None);
        };
        self.value = Some((&key.value, node));
        let name: StrDeserializer<'_, Fault> = key.value.as_str().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| fault.at(place(key.defined)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, node) = self.value.take().ok_or_else(|| Fault::custom("a value was read before its key"))?;
        let reader = Reader { node, source: self.source };
        seed.deserialize(reader).map_err(|fault| fault.at(reader.place()).under(key))
    }
}

/// The keys that a struct reads, as listed by its derived `Deserialize`.
pub(crate) fn keys_of<T: Deserialize<'static>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // This always fails, but only after the type has passed its keys to the probe.
    let _ = T::deserialize(Probe(&mut keys));
    keys
}

struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, value::Error> {
        *self.0 = keys;
        Err(value::Error::custom("only its keys were wanted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
