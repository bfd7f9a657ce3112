//! The environment in which templates run.

use std::io;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

/// Maximum number of instructions per message; takes about a tenth of a second.
pub(super) const FUEL: u64 = 1_000_000;

/// Maximum length of a rendered message, in bytes.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// Maximum indentation of `tojson`, in spaces.
const MAX_INDENT: usize = 16;

/// Creates an environment without escaping, in which undefined variables are errors and the number of instructions is
/// limited.
pub(crate) fn new_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    // Without debug mode, which release builds turn off, errors do not contain the names of undefined variables.
    environment.set_debug(true);
    environment.set_formatter(print_value);
    environment.add_filter("tojson", to_json);
    environment
}

fn print_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => Err(Error::new(
            ErrorKind::InvalidOperation,
            "a null would be printed; guard it with {% if … %} or the filter default(\"…\", true)",
        )),
        ValueKind::Map | ValueKind::Seq => out.write_str(&json_text(value, None)?).map_err(Error::from),
        _ => escape_formatter(out, state, value),
    }
}

fn to_json(value: &Value, indent: Option<Value>, options: Kwargs) -> Result<Value, Error> {
    if value.is_undefined() {
        // Any look-up in an undefined value fails with an error that contains its name.
        value.get_attr("")?;
    }
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get("indent")?,
    };
    options.assert_all_used()?;
    let spaces = match indent.map(|indent| (bool::try_from(indent.clone()), indent)) {
        None | Some((Ok(false), _)) => None,
        Some((Ok(true), _)) => Some(2),
        Some((Err(_), indent)) => Some(usize::try_from(indent)?.min(MAX_INDENT)),
    };
    json_text(value, spaces).map(Value::from)
}

fn json_text(value: &Value, spaces: Option<usize>) -> Result<String, Error> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(ErrorKind::InvalidOperation, format!("cannot be written as JSON: {error}"))
    };
    let Some(spaces) = spaces else {
        return serde_json::to_string(value).map_err(|error| failed(&error));
    };
    let mut bytes = Vec::new();
    let indent = " ".repeat(spaces);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    value.serialize(&mut serializer).map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// Collects rendered output, up to [`MAX_BYTES`].
#[derive(Default)]
pub(crate) struct Bounded(Vec<u8>);

impl Bounded {
    /// The rendered text.
    pub(crate) fn into_text(self) -> Result<String, Error> {
        String::from_utf8(self.0).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn render(template: &str) -> Result<String, Error> {
        new_environment().render_str(template, BTreeMap::from([("input", BTreeMap::from([("a", vec![1])]))]))
    }

    #[test]
    fn tojson_indents_on_request() {
        let pretty = "{\n  \"a\": [\n    1\n  ]\n}";
        for (template, expected) in [
            ("{{ input|tojson(indent=2) }}", pretty),
            ("{{ input|tojson(true) }}", pretty),
            ("{{ input|tojson(false) }}", r#"{"a":[1]}"#),
            ("{{ none|tojson }}", "null"),
            ("{{ \"<it's>\"|tojson }}", r#""<it's>""#),
        ] {
            assert_eq!(render(template).unwrap(), expected, "{template}");
        }
        assert!(render("{{ input|tojson(999999999999) }}").unwrap().len() < 100);
        for template in ["{{ input|tojson(-1) }}", "{{ input|tojson(width=2) }}", "{{ nope|tojson }}"] {
            assert!(render(template).is_err(), "{template}");
        }
    }

    #[test]
    fn rendering_stops_at_the_limit() {
        use io::Write;
        let mut bounded = Bounded::default();
        assert!(bounded.write_all(&vec![b'x'; MAX_BYTES]).is_ok());
        assert!(bounded.write_all(b"x").is_err());
        assert_eq!(bounded.into_text().unwrap().len(), MAX_BYTES);
    }
}
