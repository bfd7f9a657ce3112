//! Settings whose keys depend on their `type`. Each key is declared once, in a struct; a type lists the structs whose
//! keys it has. Reading, rejecting unknown keys, and the JSON Schema are all derived from these structs.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::edge::yaml::{Fault, Mapping, Reader, keys_of};

/// A kind of settings, such as the type of an endpoint.
pub(super) trait Kind: Copy + PartialEq + for<'de> Deserialize<'de> + 'static {
    /// Every kind.
    const ALL: &'static [Self];

    /// The keys of this kind, besides `type`.
    fn groups(self) -> Vec<Group>;

    /// Its name in files.
    fn name(self) -> &'static str;

    /// How to fix a key that belongs to no kind.
    fn hint(_: &str) -> Option<String> {
        None
    }
}

/// The keys declared by one struct.
pub(super) struct Group {
    keys: fn() -> &'static [&'static str],
    schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Group {
    /// The keys of `T`.
    pub(super) fn of<T: Deserialize<'static> + JsonSchema>() -> Self {
        Self { keys: keys_of::<T>, schema: T::json_schema }
    }

    /// The keys that must be given.
    pub(super) fn required(&self) -> Vec<String> {
        let schema = (self.schema)(&mut SchemaGenerator::default()).to_value();
        let required = schema["required"].as_array().into_iter().flatten();
        required.filter_map(|key| key.as_str().map(str::to_owned)).collect()
    }
}

/// Reads the kind of settings and their keys; rejects keys that the kind does not have.
pub(super) fn typed<'a, K: Kind>(reader: Reader<'a>, expected: &str) -> Result<(K, Mapping<'a>), Fault> {
    let Some(keys) = reader.mapping() else { return Err(reader.wrong(expected)) };
    let Some(kind) = keys.get("type") else {
        let meant = keys.iter().find_map(|(key, _)| K::hint(key));
        let hint = meant.unwrap_or_else(|| format!("add \"type: …\" with one of {}", names(K::ALL)));
        return Err(reader.missing("type").hint(hint));
    };
    let kind: K = kind.read().map_err(|fault| fault.under("type"))?;
    let known = known(kind);
    keys.check(|key| known.contains(&key), |key| foreign(kind, key, &known))?;
    Ok((kind, keys))
}

fn known<K: Kind>(kind: K) -> Vec<&'static str> {
    let groups = kind.groups();
    std::iter::once("type").chain(groups.iter().flat_map(|group| (group.keys)().iter().copied())).collect()
}

fn foreign<K: Kind>(kind: K, key: &str, known_here: &[&'static str]) -> Fault {
    let owners: Vec<K> = K::ALL.iter().copied().filter(|other| known(*other).contains(&key)).collect();
    let of = kind.name();
    if owners.is_empty() {
        let fault = Fault::unknown_key(key, known_here);
        return match K::hint(key) {
            Some(hint) => fault.hint(hint),
            None => fault,
        };
    }
    let fault = Fault::value(format!("is a key of type {}, not of {of}", names(&owners))).under(key);
    fault.hint(format!("remove it; the keys of type {of} are {}", known_here.join(", ")))
}

fn names<K: Kind>(kinds: &[K]) -> String {
    kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// The JSON Schema of settings: one alternative per kind, and the short forms.
pub(super) fn schema<K: Kind>(generator: &mut SchemaGenerator, description: &str, short: &[Value]) -> Schema {
    let kinds = K::ALL.iter().map(|kind| {
        let mut properties = Map::from_iter([("type".to_owned(), json!({"const": kind.name()}))]);
        let mut required = vec![json!("type")];
        for group in kind.groups() {
            let schema = (group.schema)(generator).to_value();
            properties.extend(schema["properties"].as_object().cloned().into_iter().flatten());
            required.extend(schema["required"].as_array().cloned().into_iter().flatten());
        }
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    });
    let forms: Vec<Value> = kinds.chain(short.iter().cloned()).collect();
    json_schema!({"description": description, "anyOf": forms})
}
