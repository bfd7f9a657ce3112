//! Definitions of tools, and whether calls are valid under them.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use super::super::reason::{excerpt, quoted, short};
use super::parse::ToolCall;

/// Maximum number of backtracking steps of a `pattern` with look-around or back references.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Maximum size of a compiled `pattern`, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// A JSON Schema of the arguments of a call, ready to validate.
#[derive(Debug, Clone)]
pub struct ArgumentSchema {
    validator: Validator,
}

impl ArgumentSchema {
    /// Compiles a schema (draft as given by `$schema`, or 2020-12 if absent). Nothing is fetched for references.
    ///
    /// # Errors
    /// Returns what is wrong with the schema.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(SIZE_LIMIT);
        jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(schema)
            .map(|validator| Self { validator })
            .map_err(|error| format!("the schema is not valid: {}", violation(&error, "schema")))
    }

    /// The first violation, such as `arguments/city: 5 is not of type "string"`; `None` if the arguments are valid.
    pub fn problem(&self, arguments: &Value) -> Option<String> {
        self.validator.validate(arguments).err().map(|error| violation(&error, "arguments"))
    }
}

fn violation(error: &ValidationError<'_>, root: &str) -> String {
    // Values are shortened separately, so that a long value does not crowd out the rest of the message.
    let message = error.masked_with(excerpt(&error.instance().to_string()));
    format!("{root}{}: {message}", excerpt(error.instance_path().as_str()))
}

/// The tools that a model may call, with the schemas of their arguments.
#[derive(Debug, Clone)]
pub struct ToolSet {
    tools: Vec<(String, ArgumentSchema)>,
}

impl ToolSet {
    /// Compiles definitions in the form of OpenAI (`{"type": "function", "function": {"name", "parameters"}}`, or the
    /// same without `function`), Anthropic (`input_schema`) or MCP (`inputSchema`).
    ///
    /// A tool without a schema has no arguments. If two tools have the same name, the first one counts.
    ///
    /// # Errors
    /// Returns the first definition that has no name or a schema that is not valid.
    pub fn compile(tools: &[Value]) -> Result<Self, String> {
        let tools = tools.iter().enumerate().map(|(index, tool)| {
            let definition = tool.get("function").unwrap_or(tool);
            let Some(name) = definition.get("name").and_then(Value::as_str) else {
                return Err(format!("definition {} of a tool has no name", index + 1));
            };
            let schema = ["parameters", "input_schema", "inputSchema"].into_iter().find_map(|key| definition.get(key));
            let none = json!({"type": "object", "maxProperties": 0});
            let schema = schema.filter(|schema| !schema.is_null()).unwrap_or(&none);
            let schema = ArgumentSchema::compile(schema).map_err(|error| format!("tool {}: {error}", quoted(name)))?;
            Ok((name.to_owned(), schema))
        });
        Ok(Self { tools: tools.collect::<Result<_, _>>()? })
    }

    /// What is wrong with a call: there is no tool with its name, or its arguments are not an object or not valid under
    /// the tool's schema. Empty if the call is valid (as in promptfoo's `is-valid-openai-tools-call`).
    pub fn problems(&self, call: &ToolCall) -> Vec<String> {
        let name = quoted(&call.name);
        let Some((_, schema)) = self.tools.iter().find(|(known, _)| *known == call.name) else {
            return vec![short(&format!("there is no tool {name}"))];
        };
        let problem = match &call.arguments {
            Value::String(text) => Some(format!("the arguments are not a JSON object: {}", excerpt(text))),
            arguments => schema.problem(arguments).or_else(|| not_an_object(arguments)),
        };
        problem.map(|problem| short(&format!("call to {name}: {problem}"))).into_iter().collect()
    }
}

fn not_an_object(arguments: &Value) -> Option<String> {
    (!arguments.is_object())
        .then(|| format!("the arguments are not a JSON object: {}", excerpt(&arguments.to_string())))
}

/// The arguments of a call without any.
pub(super) fn no_arguments() -> Value {
    Value::Object(Map::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weather() -> Value {
        json!({
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city"],
            "additionalProperties": false
        })
    }

    fn call(name: &str, arguments: Value) -> ToolCall {
        ToolCall { name: name.to_owned(), arguments }
    }

    #[test]
    fn calls_are_valid_under_definitions_in_every_form() {
        let forms = [
            json!({"type": "function", "function": {"name": "weather", "parameters": weather()}}),
            json!({"type": "function", "name": "weather", "parameters": weather(), "strict": true}),
            json!({"name": "weather", "input_schema": weather()}),
            json!({"name": "weather", "inputSchema": weather()}),
        ];
        for form in forms {
            let tools = ToolSet::compile(&[form, json!({"name": "now"})]).unwrap();
            let cases = [
                (call("weather", json!({"city": "Paris", "days": 2})), None),
                (call("now", json!({})), None),
                (call("clock", json!({})), Some("there is no tool \"clock\"")),
                (
                    call("now", json!({"a": 1})),
                    Some("call to \"now\": arguments: {\"a\":1} has more than 0 properties"),
                ),
                (call("weather", json!({})), Some("call to \"weather\": arguments: \"city\" is a required property")),
                (
                    call("weather", json!({"city": "Paris", "days": 0})),
                    Some("call to \"weather\": arguments/days: 0 is less than the minimum of 1"),
                ),
                (call("weather", json!([])), Some("call to \"weather\": arguments: [] is not of type \"object\"")),
                (
                    call("weather", json!("{\"city\"")),
                    Some("call to \"weather\": the arguments are not a JSON object: {\"city\""),
                ),
            ];
            for (call, expected) in cases {
                let problems = tools.problems(&call);
                assert_eq!(problems.is_empty(), expected.is_none(), "{problems:?}");
                assert!(problems.iter().all(|problem| problem.starts_with(expected.unwrap())), "{problems:?}");
            }
        }
    }

    #[test]
    fn a_schema_that_accepts_everything_still_needs_an_object() {
        let tools = ToolSet::compile(&[json!({"name": "f", "parameters": true})]).unwrap();
        assert_eq!(tools.problems(&call("f", json!({"a": 1}))), Vec::<String>::new());
        assert_eq!(tools.problems(&call("f", json!([1]))), ["call to \"f\": the arguments are not a JSON object: [1]"]);
    }

    #[test]
    fn definitions_without_a_name_or_with_a_wrong_schema_are_refused() {
        let error = ToolSet::compile(&[json!({"name": "f"}), json!({"parameters": {}})]).unwrap_err();
        assert_eq!(error, "definition 2 of a tool has no name");
        let error = ToolSet::compile(&[json!({"name": "f", "parameters": {"type": "STRING"}})]).unwrap_err();
        assert!(error.starts_with("tool \"f\": the schema is not valid: schema/type: "), "{error}");
        assert!(ArgumentSchema::compile(&json!({"$ref": "https://example.com/a.json"})).is_err());
    }
}
