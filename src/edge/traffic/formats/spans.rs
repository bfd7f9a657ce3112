//! Spans as OTLP writes them in JSON, as OpenTelemetry's SDKs print them, and as Phoenix exports them: ids, times,
//! attributes, sampling and users. What a span says about a request is up to the conventions for its attributes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::format::{EVALUATION, Found, NO_REQUEST, OWN, Request, Span, is_own};
use super::super::messages::{answer, asked, field, messages, parsed, shows_karat, text_field, time_field};
use super::{gen_ai, openinference};
use crate::core::domain::at_path;

/// The attribute with OpenInference's kind of a span.
pub(super) const KIND: &str = "openinference.span.kind";

/// Maximum depth to which dotted names are taken apart.
const MAX_DEPTH: usize = 32;

/// The lists in which exporters and APIs write spans and log records.
pub(super) const LISTS: &[&[&str]] = &[
    &["resourceSpans", "scopeSpans", "spans"],
    &["resourceSpans", "instrumentationLibrarySpans", "spans"],
    &["resource_spans", "scope_spans", "spans"],
    &["batches", "scopeSpans", "spans"],
    &["batches", "instrumentationLibrarySpans", "spans"],
    &["resourceLogs", "scopeLogs", "logRecords"],
    &["resourceLogs", "instrumentationLibraryLogs", "logRecords"],
    &["resource_logs", "scope_logs", "log_records"],
    &["data"],
];

/// A span, whatever its form.
pub(super) struct SpanRow {
    pub(super) name: String,
    /// By their dotted names, or as nested objects.
    pub(super) attributes: Map<String, Value>,
    pub(super) events: Vec<Event>,
    /// OpenInference's kind in upper case, if it has one.
    pub(super) kind: Option<String>,
    place: Place,
    trace_state: String,
}

/// An event of a span.
pub(super) struct Event {
    pub(super) name: String,
    pub(super) attributes: Map<String, Value>,
}

/// Where a span, or a log record, is in a trace, and when.
pub(super) struct Place {
    pub(super) trace: Option<String>,
    pub(super) id: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) start: Option<Timestamp>,
    pub(super) end: Option<Timestamp>,
}

/// Whether a row is a span of OTLP, or one that an SDK printed.
pub(super) fn is_span(row: &Map<String, Value>) -> bool {
    let has = |names: &[&str]| field(row, names).is_some();
    let is_otlp = has(&["traceId", "trace_id"])
        && has(&["spanId", "span_id"])
        && has(&["startTimeUnixNano", "start_time_unix_nano"]);
    let is_kind = |value: &Value| value.as_str().is_some_and(|kind| kind.starts_with("SpanKind."));
    is_otlp || (has(&["context"]) && row.get("kind").is_some_and(is_kind))
}

/// OpenInference's kind of a row that is a span.
pub(super) fn kind_of(row: &Map<String, Value>) -> Option<&str> {
    let value = match row.get("attributes")? {
        Value::Object(fields) => fields.get(KIND)?,
        Value::Array(pairs) => {
            let value =
                pairs.iter().find(|pair| pair.get("key").and_then(Value::as_str) == Some(KIND))?.get("value")?;
            value.get("stringValue").or_else(|| value.get("string_value"))?
        }
        _ => return None,
    };
    value.as_str()
}

/// The place of a row that is a span.
pub(super) fn place_of(row: &Map<String, Value>) -> Option<Span> {
    let (trace, id, parent) = Place::ids(row);
    Some(Span { trace: trace?, id: id?, parent, ..Span::default() })
}

/// An attribute of a span, or of the resource around it, or any other field.
pub(super) fn field_of(row: &Map<String, Value>, around: &[Map<String, Value>], path: &str) -> Option<Value> {
    let column = || row.get(&format!("attributes.{path}")).cloned();
    let attribute = || find(&row.get("attributes").map(attributes)?, path).cloned();
    let resource = || find(&resource(row, around), path).cloned();
    column()
        .or_else(attribute)
        .or_else(resource)
        .or_else(|| std::iter::once(row).chain(around.iter().rev()).find_map(|fields| at_path(fields, path)).cloned())
}

/// The attributes of the resource that a row comes from.
fn resource(row: &Map<String, Value>, around: &[Map<String, Value>]) -> Map<String, Value> {
    let found = around.iter().chain([row]).find_map(|fields| field(fields, &["resource"]));
    found.and_then(|resource| resource.get("attributes")).map(attributes).unwrap_or_default()
}

/// Reads a row that is a span.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(row: &Map<String, Value>, around: &[Map<String, Value>]) -> Result<Found, String> {
    let span = SpanRow::new(row)?;
    if let Some(reason) = left_out(row, around, &span.attributes) {
        return Ok(Found::Other(reason));
    }
    match span.kind.as_deref() {
        Some(kind) => openinference::found(&span, kind),
        None => Ok(gen_ai::found(&span)),
    }
}

impl SpanRow {
    fn new(row: &Map<String, Value>) -> Result<Self, String> {
        let mut all = row.get("attributes").map(attributes).unwrap_or_default();
        for (name, value) in row {
            // Columns of a data frame.
            if let Some(name) = name.strip_prefix("attributes.") {
                all.insert(name.to_owned(), value.clone());
            }
        }
        let kind = text(&all, &[KIND]).or_else(|| text_field(row, &["span_kind"]));
        let kind = kind.map(|kind| kind.to_uppercase()).filter(|kind| kind != "UNKNOWN");
        Ok(Self {
            name: text_field(row, &["name"]).unwrap_or_default(),
            attributes: all,
            events: events(row),
            kind,
            place: Place::new(row)?,
            trace_state: text_field(row, &["traceState", "trace_state"]).unwrap_or_default(),
        })
    }

    /// The request in the span; without a place in a trace, only if it has an input.
    pub(super) fn request(&self, input: Option<Value>, output: Option<Value>, model: Option<String>) -> Found {
        self.place.request(Sent {
            input,
            output,
            model,
            user: user(&self.attributes),
            sample_rate: sample_rate(&self.trace_state, &self.attributes),
        })
    }
}

/// What a span, or a log record, says about a request.
pub(super) struct Sent {
    pub(super) input: Option<Value>,
    pub(super) output: Option<Value>,
    pub(super) model: Option<String>,
    pub(super) user: Option<String>,
    pub(super) sample_rate: Option<f64>,
}

impl Place {
    /// Reads the ids and times of a row.
    pub(super) fn new(row: &Map<String, Value>) -> Result<Self, String> {
        let (trace, id, parent) = Self::ids(row);
        Ok(Self {
            trace,
            id,
            parent,
            start: time(row, &["startTimeUnixNano", "start_time_unix_nano"], &["start_time"])?,
            end: time(row, &["endTimeUnixNano", "end_time_unix_nano"], &["end_time"])?,
        })
    }

    /// The ids of the trace, the span and its parent.
    fn ids(row: &Map<String, Value>) -> (Option<String>, Option<String>, Option<String>) {
        let context = row.get("context").and_then(Value::as_object);
        let id = |names: &[&str], inner: &str| {
            let found = text_field(row, names).or_else(|| text_field(context?, &[inner]));
            found.and_then(|found| hex_id(&found))
        };
        let parent = text_field(row, &["parentSpanId", "parent_span_id", "parent_id"]);
        (
            id(&["traceId", "trace_id", "context.trace_id"], "trace_id"),
            id(&["spanId", "span_id", "context.span_id"], "span_id"),
            parent.and_then(|parent| hex_id(&parent)),
        )
    }

    /// The request of which this is the place.
    pub(super) fn request(&self, sent: Sent) -> Found {
        let is_empty = |input: &Value| match input {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            other => other.is_null(),
        };
        let input = sent.input.filter(|input| !is_empty(input));
        let span = self.trace.clone().zip(self.id.clone());
        if span.is_none() && input.is_none() {
            return Found::Other(NO_REQUEST);
        }
        let span = span.map(|(trace, id)| Span { trace, id, parent: self.parent.clone(), end: self.end, turn: None });
        Found::Request(Box::new(Request {
            id: self.id.clone(),
            input: input.unwrap_or_default(),
            output: sent.output,
            at: self.start,
            user: sent.user,
            model: sent.model,
            sample_rate: sent.sample_rate,
            span,
        }))
    }
}

/// A time in nanoseconds since 1970, where 0 is none, or else in ISO 8601.
///
/// # Errors
/// That it is neither.
pub(super) fn time(row: &Map<String, Value>, nanos: &[&str], iso: &[&str]) -> Result<Option<Timestamp>, String> {
    let Some(text) = text_field(row, nanos) else { return time_field(row, iso) };
    // Numbers may have been written as floats.
    let number = text.parse::<i128>().ok().or_else(|| text.parse::<f64>().ok().map(|number| number as i128));
    let found = match number {
        Some(0) => return Ok(None),
        // To microseconds, as they are stored: Phoenix writes what its floats have left of them.
        Some(number) => i64::try_from(number.saturating_add(500).div_euclid(1000)).ok(),
        None => None,
    };
    let found = found.and_then(|number| Timestamp::from_microsecond(number).ok());
    let name = nanos.iter().find(|name| field(row, &[name]).is_some()).unwrap_or(&"time");
    found.map(Some).ok_or_else(|| format!("`{name}` is not a time in nanoseconds since 1970"))
}

/// An id in hexadecimal digits, also if it was written in base64, as JSON of protocol buffers has it; `None` if it is zero.
pub(super) fn hex_id(text: &str) -> Option<String> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let is_hex = |length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = match text.len() {
        16 | 32 if is_hex(text.len()) => text.to_ascii_lowercase(),
        12 | 24 => match STANDARD.decode(text) {
            Ok(bytes) if matches!(bytes.len(), 8 | 16) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            _ => text.to_owned(),
        },
        _ => text.to_owned(),
    };
    id.bytes().any(|byte| byte != b'0').then_some(id)
}

/// Attributes by their names: from OTLP's pairs, or from an object.
pub(super) fn attributes(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields.clone(),
        Value::Array(pairs) => pairs
            .iter()
            .filter_map(|pair| {
                let name = pair.get("key")?.as_str()?;
                Some((name.to_owned(), any_value(pair.get("value")?)))
            })
            .collect(),
        _ => Map::new(),
    }
}

/// A value of OTLP as the JSON that it describes.
pub(super) fn any_value(value: &Value) -> Value {
    let Value::Object(fields) = value else { return value.clone() };
    let get = |names: [&str; 2]| names.into_iter().find_map(|name| fields.get(name).filter(|value| !value.is_null()));
    let listed = |value: &Value| value.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(list) = get(["arrayValue", "array_value"]) {
        return Value::Array(listed(list).iter().map(any_value).collect());
    }
    if let Some(pairs) = get(["kvlistValue", "kvlist_value"]) {
        return Value::Object(attributes(&Value::Array(listed(pairs))));
    }
    if let Some(number) = get(["intValue", "int_value"]) {
        // 64-bit integers are text in JSON of protocol buffers.
        let parsed = number.as_str().and_then(|text| text.parse::<i64>().ok());
        return parsed.map_or_else(|| number.clone(), Value::from);
    }
    let names = [["stringValue", "string_value"], ["doubleValue", "double_value"], ["boolValue", "bool_value"]];
    names.into_iter().find_map(get).cloned().unwrap_or_default()
}

fn events(row: &Map<String, Value>) -> Vec<Event> {
    let listed = row.get("events").and_then(Value::as_array).into_iter().flatten();
    let event = |event: &Value| {
        let fields = event.as_object()?;
        let attributes = fields.get("attributes").map(attributes).unwrap_or_default();
        Some(Event { name: text_field(fields, &["name"])?, attributes })
    };
    listed.filter_map(event).collect()
}

/// An attribute that is neither null nor empty text, by its dotted name or within nested objects.
pub(super) fn find<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    field(fields, &[name]).or_else(|| {
        name.match_indices('.').find_map(|(dot, _)| {
            let inner = fields.get(name.get(..dot)?)?.as_object()?;
            find(inner, name.get(dot + 1..)?)
        })
    })
}

/// The first attribute with one of these names that is text or a number, as text.
pub(super) fn text(fields: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match find(fields, name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The value of an attribute that is spread over several with numbers in their names, as lists and objects.
pub(super) fn spread(fields: &Map<String, Value>, name: &str) -> Option<Value> {
    let mut parts = Map::new();
    for (key, value) in fields {
        let rest = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        if let Some(rest) = rest.filter(|_| !value.is_null()) {
            parts.insert(rest.to_owned(), value.clone());
        }
    }
    (!parts.is_empty()).then(|| expanded(Value::Object(parts)))
}

/// Takes dotted names apart, and turns objects whose names are numbers into lists.
pub(super) fn expanded(value: Value) -> Value {
    expanded_within(value, 0)
}

fn expanded_within(value: Value, depth: usize) -> Value {
    if depth >= MAX_DEPTH {
        return value;
    }
    let fields = match value {
        Value::Array(items) => return items.into_iter().map(|item| expanded_within(item, depth + 1)).collect(),
        Value::Object(fields) => fields,
        other => return other,
    };
    let mut heads: Map<String, Value> = Map::new();
    for (name, value) in fields {
        match name.split_once('.') {
            _ if value.is_null() => {}
            None => drop(heads.insert(name, value)),
            Some((head, rest)) => {
                let inner = heads.entry(head).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(inner) = inner {
                    inner.insert(rest.to_owned(), value);
                }
            }
        }
    }
    let numbers: Option<Vec<u32>> = heads.keys().map(|name| name.parse().ok()).collect();
    let values = heads.into_iter().map(|(name, value)| (name, expanded_within(value, depth + 1)));
    match numbers.filter(|numbers| !numbers.is_empty()) {
        Some(numbers) => {
            let mut items: Vec<(u32, Value)> = numbers.into_iter().zip(values.map(|(_, value)| value)).collect();
            items.sort_by_key(|(number, _)| *number);
            items.into_iter().map(|(_, value)| value).collect()
        }
        None => Value::Object(values.collect()),
    }
}

/// The user, or else the session or conversation.
pub(super) fn user(attributes: &Map<String, Value>) -> Option<String> {
    const NAMES: [&str; 10] = [
        "enduser.id",
        "user.id",
        "enduser.pseudo.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "gen_ai.conversation.id",
        "session.id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
        "gen_ai.thread.id",
    ];
    text(attributes, &NAMES)
}

/// Why a span, or a log record, is no request of production.
pub(super) fn left_out(
    row: &Map<String, Value>,
    around: &[Map<String, Value>],
    all: &Map<String, Value>,
) -> Option<&'static str> {
    let resource = resource(row, around);
    let scopes = ["scope", "instrumentationLibrary", "instrumentation_library"];
    let scope = around.iter().chain([row]).find_map(|fields| field(fields, &scopes));
    let scope = scope.and_then(|scope| scope.get("name")).and_then(Value::as_str);
    let agent = text(all, &["user_agent.original", "http.user_agent"]);
    let headers = find(all, "http.request.header.user-agent");
    let service = text(&resource, &["service.name"]);
    let marks = ["metadata", "tag.tags"].into_iter().filter_map(|name| find(all, name));
    if [service.as_deref(), scope, agent.as_deref()].into_iter().flatten().any(is_own)
        || headers.is_some_and(shows_karat)
        || marks.map(|mark| parsed(mark.clone())).any(|mark| shows_karat(&mark))
    {
        return Some(OWN);
    }
    // Phoenix traces experiments and its playground in projects of their own.
    let project = text(&resource, &["openinference.project.name"]);
    project.filter(|name| name.starts_with("Experiment-") || name == "playground").map(|_| EVALUATION)
}

/// The probability with which a span was sampled: by the threshold in its trace state, or by an attribute of its sampler.
pub(super) fn sample_rate(trace_state: &str, attributes: &Map<String, Value>) -> Option<f64> {
    let number = |name: &str| text(attributes, &[name])?.parse::<f64>().ok();
    let is_probabilistic = || text(attributes, &["sampler.type"]).is_some_and(|kind| kind == "probabilistic");
    of_trace_state(trace_state)
        .or_else(|| threshold(&text(attributes, &["sampling.threshold"])?))
        .or_else(|| number("sampling.probability"))
        .or_else(|| number("sampler.param").filter(|_| is_probabilistic()))
        .or_else(|| number("_MS.sampleRate").or_else(|| number("microsoft.sample_rate")).map(|percent| percent / 100.0))
        .or_else(|| number("SampleRate").map(|of| 1.0 / of))
        .filter(|rate| *rate > 0.0 && *rate <= 1.0)
}

/// The probability in the `ot` member of a trace state: `th` is the threshold, `p` the exponent that came before it.
fn of_trace_state(trace_state: &str) -> Option<f64> {
    let fields = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let get = |name: &str| fields.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix(':'));
    let exponent = || get("p")?.parse::<u32>().ok().filter(|exponent| *exponent < 63);
    let of_exponent = || exponent().map(|exponent| 1.0 / (1_u64 << exponent) as f64);
    get("th").and_then(threshold).or_else(of_exponent)
}

/// The probability for a threshold of 56 bits, written without its last zeros.
fn threshold(digits: &str) -> Option<f64> {
    let is_valid = (1..=14).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let threshold = u64::from_str_radix(&format!("{digits:0<14}"), 16).ok().filter(|_| is_valid)?;
    let all = 1_u64 << 56;
    Some((all - threshold) as f64 / all as f64)
}

/// The request in a value: the messages in it or in its JSON, or else the value.
pub(super) fn normal_input(value: Value) -> Value {
    let value = parsed(value);
    let found = match &value {
        Value::Array(_) => messages(&value),
        Value::Object(body) if body.contains_key("messages") || body.contains_key("contents") => asked(body),
        Value::Object(_) => messages(&value),
        _ => None,
    };
    found.unwrap_or(value)
}

/// The answer in a value: in a list of choices, that of the first one, in one of messages, that of the last one; or else the
/// value.
pub(super) fn normal_output(value: Value) -> Value {
    let value = parsed(value);
    let is_asked = |item: &Value| {
        let role = item.get("message").unwrap_or(item).get("role").and_then(Value::as_str);
        role.is_some_and(|role| role != "assistant" && role != "ai" && role != "model")
    };
    let found = match &value {
        Value::Array(items) if !items.iter().any(is_asked) => items.iter().find_map(answer).or_else(|| answer(&value)),
        Value::Object(body) => match body.get("messages") {
            Some(list @ Value::Array(_)) => answer(list),
            _ => answer(&value),
        },
        other => answer(other),
    };
    found.unwrap_or(value)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{key, record, shop};
    use super::*;
    use crate::core::domain::TrafficRecord;
    use serde_json::json;

    /// The requests in the fixtures of `tools/traffic_fixtures/otel.py`: messages, answer, user.
    pub fn requests() -> [(Value, Option<&'static str>, &'static str); 6] {
        let call = r#"[{"function":{"arguments":"{\"id\":\"1001\"}","name":"get_order"},"type":"function"}]"#;
        let mut shipped = shop(&["Where is order 1001?", ""]);
        shipped[2]["content"] = Value::Null;
        shipped[2]["tool_calls"] = serde_json::from_str(call).unwrap();
        let result = json!({"role": "tool", "content": "{\"status\": \"shipped\"}"});
        let shipped = shipped.as_array().unwrap().iter().cloned().chain([result]).collect();
        let secret = "My key is [redacted:api_key], write to [redacted:email].";
        let about_secret = "I wrote to [redacted:email] about [redacted:api_key].";
        [
            (shop(&["Can I return shoes?"]), Some("Yes, for 30 days."), "user-1"),
            (
                shop(&["Can I return shoes?", "Yes, for 30 days.", "Even worn ones?"]),
                Some("No, only unworn ones."),
                "user-1",
            ),
            (shop(&["Where is order 1001?"]), Some(call), "user-2"),
            (shipped, Some("It has been shipped."), "user-2"),
            (shop(&[secret]), Some(about_secret), "canary.person@example.org"),
            (shop(&["Please fail."]), None, "user-3"),
        ]
    }

    /// The model that answered these requests; the last one names only the model that it asked.
    pub fn model_of(number: usize) -> &'static str {
        if number == 5 { "gpt-4o-mini" } else { "gpt-4o-mini-2024-07-18" }
    }

    /// Id and time of a root span, id and time of the call of the model within it.
    pub type Chain = [&'static str; 4];

    /// The records of chains that ask four of these requests, as OpenInference traces them: the roots, or all spans.
    pub fn chains(chains: &[Chain; 4], is_all: bool) -> Vec<TrafficRecord> {
        let asked = ["Even worn ones?", "Where is order 1001?", "", "Please fail."];
        let all = requests();
        let mut records = Vec::new();
        for (index, ([root, at, call, called], number)) in chains.iter().zip([1, 3, 4, 5]).enumerate() {
            let (messages, output, user) = &all[number];
            let text = if index == 2 { messages[1]["content"].clone() } else { json!(asked[index]) };
            let trace = format!("5b8efff798038103d2e9b633813fc60{}", index + 1);
            let day = |time: &str| format!("2026-09-14T08:30:{time}Z");
            let id = |span: &str| if is_all { format!("eee19b7ec3c1b1{span}") } else { trace.clone() };
            let mut chain = record(&id(root), &day(at), &text, *output, user, "");
            chain.model = None;
            records.push(chain);
            if is_all {
                records.push(record(&id(call), &day(called), messages, *output, user, model_of(number)));
            }
        }
        assert_eq!(records[0].group, Some(key().user("user-1")));
        records
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(fields) => fields,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn ids_are_the_same_in_hexadecimal_and_base64() {
        let cases = [
            ("eee19b7ec3c1b102", Some("eee19b7ec3c1b102")),
            ("EEE19B7EC3C1B102", Some("eee19b7ec3c1b102")),
            ("0xeee19b7ec3c1b102", Some("eee19b7ec3c1b102")),
            ("7uGbfsPBsQI=", Some("eee19b7ec3c1b102")),
            ("W47/95gDgQPS6bYzgT/GAQ==", Some("5b8efff798038103d2e9b633813fc601")),
            ("not an id at all", Some("not an id at all")),
            ("twelve chars", Some("twelve chars")),
            ("0000000000000000", None),
            ("AAAAAAAAAAA=", None),
        ];
        for (text, expected) in cases {
            assert_eq!(hex_id(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_nanoseconds_as_text_or_as_numbers() {
        let at = |value: Value| time(&object(json!({"startTimeUnixNano": value})), &["startTimeUnixNano"], &[]);
        let expected: Option<Timestamp> = "2026-09-14T08:30:00.25Z".parse().ok();
        assert_eq!(at(json!("1789374600250000000")), Ok(expected));
        assert_eq!(at(json!(1_789_374_600_250_000_000_u64)), Ok(expected));
        // What is left of the time in a float.
        assert_eq!(at(json!(1_789_374_600_249_999_872_u64)), Ok(expected));
        assert_eq!(at(json!(1.789_374_600_25e18)), Ok(expected));
        assert_eq!(at(json!("0")), Ok(None));
        assert_eq!(at(Value::Null), Ok(None));
        let error = "`startTimeUnixNano` is not a time in nanoseconds since 1970";
        for value in [json!("soon"), json!("9".repeat(40)), json!("1e300"), json!("-9e30")] {
            assert_eq!(at(value.clone()), Err(error.to_owned()), "{value}");
        }
    }

    #[test]
    fn values_of_otlp_become_json_in_both_spellings() {
        let camel = json!([{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"doubleValue": 0.5}]}}},
            {"key": "b", "value": {"kvlistValue": {"values": [{"key": "c", "value": {"boolValue": true}}]}}},
            {"key": "d", "value": {}}, {"key": "e", "value": {"intValue": 7}}]);
        let snake = json!([{"key": "a", "value": {"string_value": null, "array_value": {"values": [{"int_value": 1}, {"double_value": 0.5}]}}},
            {"key": "b", "value": {"kvlist_value": {"values": [{"key": "c", "value": {"bool_value": true}}]}}},
            {"key": "d", "value": {"string_value": null}}, {"key": "e", "value": {"int_value": "7"}}]);
        let expected = json!({"a": [1, 0.5], "b": {"c": true}, "d": null, "e": 7});
        assert_eq!(Value::Object(attributes(&camel)), expected);
        assert_eq!(Value::Object(attributes(&snake)), expected);
        assert_eq!(Value::Object(attributes(&expected)), expected);
        assert_eq!(attributes(&json!("text")), Map::new());
    }

    #[test]
    fn attributes_are_found_by_dotted_names_and_in_nested_objects() {
        for form in [
            json!({"llm.model.name": "m"}),
            json!({"llm": {"model": {"name": "m"}}}),
            json!({"llm": {"model.name": "m"}}),
        ] {
            assert_eq!(find(&object(form.clone()), "llm.model.name"), Some(&json!("m")), "{form}");
        }
        assert_eq!(find(&object(json!({"llm": "m"})), "llm.model"), None);
    }

    #[test]
    fn lists_that_are_spread_over_attributes_are_put_together_in_order() {
        let expected = json!([{"message": {"role": "user"}}, {"message": {"calls": ["x", "y"]}}]);
        let attributes =
            json!({"m.1.message.calls.0": "x", "m.1.message.calls.1": "y", "m.0.message.role": "user", "mm.5": 1});
        assert_eq!(spread(&object(attributes), "m"), Some(expected.clone()));
        let forms = [
            json!([{"message.role": "user", "message.calls": null}, {"message.calls": ["x", "y"]}]),
            json!([{"message.role": "user"}, {"message.calls.0": "x", "message.calls.1": "y"}]),
            json!({"0": {"message": {"role": "user"}}, "1": {"message": {"calls": ["x", "y"]}}}),
        ];
        for form in forms {
            assert_eq!(expanded(form.clone()), expected, "{form}");
        }
        let many: Map<String, Value> = (0..12).map(|n| (format!("m.{n}"), json!(n))).collect();
        assert_eq!(spread(&many, "m"), Some((0..12).collect()));
        assert_eq!(spread(&object(json!({"m.a": 1, "m.a.b": 2})), "m"), Some(json!({"a": 1})));
        assert_eq!(spread(&object(json!({"mm.0": 1})), "m"), None);
    }

    #[test]
    fn names_with_very_many_dots_are_not_taken_apart_without_end() {
        let name = format!("m.{}", "0.".repeat(100_000));
        assert!(spread(&Map::from_iter([(name, json!(1))]), "m").is_some());
    }

    #[test]
    fn the_sample_rate_follows_from_the_trace_state_or_the_sampler() {
        let cases = [
            ("ot=th:8", json!({}), Some(0.5)),
            ("vendor=x, ot=rv:1234;th:c", json!({}), Some(0.25)),
            ("ot=th:0", json!({}), Some(1.0)),
            ("ot=th:ffffffffffffff", json!({}), Some(1.0 / (1_u64 << 56) as f64)),
            ("ot=p:3;r:5", json!({}), Some(0.125)),
            ("ot=p:63", json!({}), None),
            ("ot=th:xyz", json!({}), None),
            ("ot=th:123456789abcdef", json!({}), None),
            ("ot=th:8", json!({"sampling.probability": 0.1}), Some(0.5)),
            ("", json!({"sampling.probability": 0.1}), Some(0.1)),
            ("", json!({"sampling.probability": "0.1"}), Some(0.1)),
            ("", json!({"sampling.threshold": "c"}), Some(0.25)),
            ("", json!({"sampler.type": "probabilistic", "sampler.param": 0.2}), Some(0.2)),
            ("", json!({"sampler.type": "const", "sampler.param": 1}), None),
            ("", json!({"_MS.sampleRate": 50}), Some(0.5)),
            ("", json!({"SampleRate": 4}), Some(0.25)),
            ("", json!({"SampleRate": 0}), None),
            ("", json!({"sampling.probability": 0}), None),
        ];
        for (trace_state, attributes, expected) in cases {
            assert_eq!(sample_rate(trace_state, &object(attributes.clone())), expected, "{trace_state} {attributes}");
        }
    }

    #[test]
    fn the_answer_is_that_of_the_first_choice_or_of_the_last_message() {
        let cases = [
            (json!([{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]), json!("a")),
            (json!([{"role": "assistant", "content": null}, {"role": "assistant", "content": "b"}]), json!("b")),
            (json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]), json!("b")),
            (json!({"messages": [{"type": "human", "content": "q"}, {"type": "ai", "content": "b"}]}), json!("b")),
            (json!("{\"choices\": [{\"message\": {\"content\": \"a\"}}]}"), json!("a")),
            (json!({"answer": "a"}), json!({"answer": "a"})),
            (json!("{\"answer\": \"a\"}"), json!({"answer": "a"})),
            (json!("plain"), json!("plain")),
        ];
        for (value, expected) in cases {
            assert_eq!(normal_output(value.clone()), expected, "{value}");
        }
    }
}
