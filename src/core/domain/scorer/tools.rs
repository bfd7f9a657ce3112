//! Scorers of tool calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::usual_relative;

/// A tool call that is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedCall {
    /// The name of the tool, such as get_weather.
    pub name: String,
    /// Its arguments, such as {city: Paris}. Default: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// A JSON Schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// The order of tool calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOrder {
    /// Any order.
    #[default]
    Any,
    /// The order in which they are listed.
    Strict,
}

impl CallOrder {
    fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// F1 of the tool calls: 1 if the answer makes exactly the expected ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCalls {
    /// The expected calls, such as [{name: get_weather, arguments: {city: Paris}}]. Default: the accepted answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<ExpectedCall>>,
    /// Whether no tool must be called. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub none: bool,
    /// any or strict; with extra_calls, strict allows others between them. Default: any.
    #[serde(default, skip_serializing_if = "CallOrder::is_any")]
    pub order: CallOrder,
    /// Whether other calls are allowed, too. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extra_calls: bool,
    /// Whether a call may have more arguments than expected. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extra_arguments: bool,
    /// Largest absolute difference of numbers. Default: 0.
    #[serde(default)]
    pub absolute: f64,
    /// Largest relative difference of numbers. Default: 0.000001.
    #[serde(default = "usual_relative")]
    pub relative: f64,
    /// Whether upper and lower case of arguments are the same. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// F1 of the names of the tools that are called.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCallF1 {
    /// The names of the expected tools, such as [search, open]. Default: those of the accepted answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// 1 if every tool call names a defined tool and has arguments that its schema accepts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValidToolCalls {
    /// The tools, in OpenAI's form. Default: the field tools of the example's input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Value>,
}
