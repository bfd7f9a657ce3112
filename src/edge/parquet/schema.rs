//! What the columns of a file mean: groups, lists, maps, and the kinds of values.

use std::ops::Range;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit};
use parquet::schema::types::Type;

/// A field and those in it.
#[derive(Debug)]
pub(super) struct Node {
    /// Its name.
    pub(super) name: String,
    /// The definition level from which it is not null.
    pub(super) present: i16,
    /// Its columns.
    pub(super) columns: Range<usize>,
    /// What it is.
    pub(super) shape: Shape,
}

/// What a field is.
#[derive(Debug)]
pub(super) enum Shape {
    /// A value.
    Value,
    /// Fields by name.
    Group(Vec<Node>),
    /// A list, or a map if there are two elements.
    Repeated {
        /// The definition level from which it is not empty.
        inside: i16,
        /// The repetition level of a further element.
        level: i16,
        /// The element, or key and value.
        element: Box<Node>,
        /// The value of a map.
        value: Option<Box<Node>>,
    },
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As its physical type says; bytes are text if they are UTF-8.
    Plain,
    /// An integer without a sign of this many bits.
    Unsigned(u8),
    /// Days since 1970.
    Date,
    /// A time of the day in nanoseconds, after multiplication.
    Time(i64),
    /// A time since 1970 in nanoseconds, after multiplication.
    Timestamp(i64),
    /// A number with this many decimal places.
    Decimal(u32),
    /// A floating-point number of 16 bits.
    Half,
    /// A UUID.
    Uuid,
    /// Months, days and milliseconds.
    Interval,
    /// JSON.
    Json,
    /// Text.
    Text,
}

/// The fields of a file, and the kinds of its columns.
///
/// # Errors
/// If the schema makes no sense.
pub(super) fn fields(root: &Type) -> Result<(Vec<Node>, Vec<Kind>), String> {
    let mut kinds = Vec::new();
    let fields = root.get_fields().iter().map(|field| node(field, 0, 0, &mut kinds)).collect::<Result<_, _>>()?;
    Ok((fields, kinds))
}

fn node(field: &Type, defined: i16, repeated: i16, kinds: &mut Vec<Kind>) -> Result<Node, String> {
    let info = field.get_basic_info();
    let repetition = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
    match repetition {
        Repetition::REQUIRED => present(field, defined, repeated, kinds),
        Repetition::OPTIONAL => present(field, defined + 1, repeated, kinds),
        Repetition::REPEATED => {
            let start = kinds.len();
            let element = present(field, defined + 1, repeated + 1, kinds)?;
            let shape = list(defined, repeated, element, None)?;
            Ok(Node { name: field.name().to_owned(), present: defined, columns: start..kinds.len(), shape })
        }
    }
}

/// A field that is not null from a definition level.
fn present(field: &Type, defined: i16, repeated: i16, kinds: &mut Vec<Kind>) -> Result<Node, String> {
    let start = kinds.len();
    let shape = shape(field, defined, repeated, kinds)?;
    Ok(Node { name: field.name().to_owned(), present: defined, columns: start..kinds.len(), shape })
}

fn shape(field: &Type, defined: i16, repeated: i16, kinds: &mut Vec<Kind>) -> Result<Shape, String> {
    if field.is_primitive() {
        kinds.push(kind(field));
        return Ok(Shape::Value);
    }
    let info = field.get_basic_info();
    let only = match field.get_fields() {
        [only]
            if only.get_basic_info().has_repetition() && only.get_basic_info().repetition() == Repetition::REPEATED =>
        {
            Some(only)
        }
        _ => None,
    };
    let is_list =
        matches!(info.logical_type_ref(), Some(LogicalType::List)) || info.converted_type() == ConvertedType::LIST;
    let is_map = matches!(info.logical_type_ref(), Some(LogicalType::Map))
        || matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE);
    match only {
        Some(only) if is_list => {
            let element = match element_within(field, only) {
                Some(element) => node(element, defined + 1, repeated + 1, kinds)?,
                None => present(only, defined + 1, repeated + 1, kinds)?,
            };
            list(defined, repeated, element, None)
        }
        Some(only) if is_map && only.is_group() => {
            let [key, rest @ ..] = only.get_fields() else { return Err("a map has no key".to_owned()) };
            let key = node(key, defined + 1, repeated + 1, kinds)?;
            let value = rest.first().map(|value| node(value, defined + 1, repeated + 1, kinds)).transpose()?;
            list(defined, repeated, key, value)
        }
        _ => {
            let fields = field.get_fields().iter().map(|field| node(field, defined, repeated, kinds));
            Ok(Shape::Group(fields.collect::<Result<_, _>>()?))
        }
    }
}

fn list(defined: i16, repeated: i16, element: Node, value: Option<Node>) -> Result<Shape, String> {
    if element.columns.is_empty() {
        return Err("a list has no column".to_owned());
    }
    let (element, value) = (Box::new(element), value.map(Box::new));
    Ok(Shape::Repeated { inside: defined + 1, level: repeated + 1, element, value })
}

/// The element of a list, if it is within the repeated field, and not that field itself as older writers have it.
fn element_within<'t>(list: &Type, repeated: &'t Type) -> Option<&'t Type> {
    let [only] = (if repeated.is_group() { repeated.get_fields() } else { &[] }) else { return None };
    let is_old = repeated.name() == "array" || repeated.name().strip_suffix("_tuple") == Some(list.name());
    let is_list = only.get_basic_info().has_repetition() && only.get_basic_info().repetition() == Repetition::REPEATED;
    (!is_old && !is_list).then_some(only)
}

fn kind(field: &Type) -> Kind {
    let info = field.get_basic_info();
    match info.logical_type_ref() {
        Some(LogicalType::Integer(integer)) if !integer.is_signed => {
            return Kind::Unsigned(u8::try_from(integer.bit_width).unwrap_or(64));
        }
        Some(LogicalType::Time(time)) => return Kind::Time(nanoseconds(time.unit)),
        Some(LogicalType::Timestamp(time)) => return Kind::Timestamp(nanoseconds(time.unit)),
        Some(LogicalType::Decimal(decimal)) => return Kind::Decimal(u32::try_from(decimal.scale).unwrap_or(0)),
        Some(LogicalType::Date) => return Kind::Date,
        Some(LogicalType::Json) => return Kind::Json,
        Some(LogicalType::Uuid) => return Kind::Uuid,
        Some(LogicalType::Float16) => return Kind::Half,
        Some(LogicalType::String | LogicalType::Enum) => return Kind::Text,
        _ => {}
    }
    match info.converted_type() {
        ConvertedType::UINT_8 => Kind::Unsigned(8),
        ConvertedType::UINT_16 => Kind::Unsigned(16),
        ConvertedType::UINT_32 => Kind::Unsigned(32),
        ConvertedType::UINT_64 => Kind::Unsigned(64),
        ConvertedType::DATE => Kind::Date,
        ConvertedType::TIME_MILLIS => Kind::Time(1_000_000),
        ConvertedType::TIME_MICROS => Kind::Time(1_000),
        ConvertedType::TIMESTAMP_MILLIS => Kind::Timestamp(1_000_000),
        ConvertedType::TIMESTAMP_MICROS => Kind::Timestamp(1_000),
        ConvertedType::DECIMAL => Kind::Decimal(u32::try_from(field.get_scale()).unwrap_or(0)),
        ConvertedType::INTERVAL => Kind::Interval,
        ConvertedType::JSON => Kind::Json,
        ConvertedType::UTF8 | ConvertedType::ENUM => Kind::Text,
        _ => Kind::Plain,
    }
}

fn nanoseconds(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}
