//! Scorers of structured answers: JSON and its fields, and whether an answer is well-formed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::similarity::Measure;
use super::text::usual_relative;

/// 1 if the answer is JSON that is valid under the schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JsonSchema {
    /// The schema, such as `{type: object, required: [label]}`, or a file: file://schema.json.
    pub schema: Value,
    /// Whether text may stand around the JSON. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

/// 1 if the value at a path of a JSON answer is the accepted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JsonPath {
    /// The path, such as order.items.0.price, or a JSON pointer such as /order/id.
    pub path: String,
    /// The value to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Largest absolute difference of numbers. Default: 0.
    #[serde(default)]
    pub absolute: f64,
    /// Largest relative difference of numbers. Default: 0.000001.
    #[serde(default = "usual_relative")]
    pub relative: f64,
    /// Whether upper and lower case are the same. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
}

/// 1 if the answer is the same JSON as an accepted one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JsonEqual {
    /// The value to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Largest absolute difference of numbers. Default: 0.
    #[serde(default)]
    pub absolute: f64,
    /// Largest relative difference of numbers. Default: 0.000001.
    #[serde(default = "usual_relative")]
    pub relative: f64,
    /// Whether upper and lower case are the same. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Whether the order of list items does not matter. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_order: bool,
    /// Paths that are not compared, such as [id, meta.created].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Whether the answer may have more fields. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extra_fields: bool,
}

/// How many fields of a JSON answer are right, field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JsonFields {
    /// f1, precision or recall over all fields. Default: f1.
    #[serde(default, skip_serializing_if = "Measure::is_f1")]
    pub measure: Measure,
    /// The value to compare with, in place of the accepted answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Largest absolute difference of numbers. Default: 0.
    #[serde(default)]
    pub absolute: f64,
    /// Largest relative difference of numbers. Default: 0.000001.
    #[serde(default = "usual_relative")]
    pub relative: f64,
    /// Whether upper and lower case are the same. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// Whether the order of list items does not matter. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_order: bool,
    /// Paths that are not compared, such as [id, meta.created].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// 1 if the answer is JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IsJson {
    /// Whether text may stand around it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

/// 1 if the answer is well-formed XML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IsXml {
    /// Whether text may stand around it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
    /// Elements that must occur, such as [answer, source].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<String>,
}

/// 1 if the answer is a YAML mapping or list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IsYaml {
    /// Whether text may stand around it, which then is in a code block labelled yaml. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

/// 1 if the answer is SQL.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IsSql {
    /// The dialect, such as postgres, mysql, sqlite, bigquery or snowflake. Default: what most of them share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<String>,
    /// Whether text may stand around it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}

/// 1 if the answer is HTML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IsHtml {
    /// Whether text may stand around it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anywhere: bool,
}
