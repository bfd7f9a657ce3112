//! The key `when` of scorers: an expression of the example that says whether a scorer applies to it.

use std::collections::BTreeMap;

use minijinja::Value;

use crate::core::prompt::{explain, new_environment};

/// Checks the syntax of a condition.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn check_condition(when: &str) -> Result<(), String> {
    let environment = new_environment();
    let checked = environment.compile_expression(when).map(drop);
    checked.map_err(|error| format!("when is not a valid expression: {}", explain(&error, &BTreeMap::new())))
}

/// Whether a condition is true with the variables of an example.
///
/// # Errors
/// A sentence that says why it cannot be evaluated.
pub(super) fn applies(when: &str, variables: &BTreeMap<String, Value>) -> Result<bool, String> {
    let environment = new_environment();
    let result = environment.compile_expression(when).and_then(|expression| expression.eval(Value::from(variables)));
    result.map(|value| value.is_true()).map_err(|error| format!("when failed: {}", explain(&error, variables)))
}

#[cfg(test)]
mod tests {
    use minijinja::value::Serde;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_an_expression_of_the_example() {
        let metadata = json!({"criteria": "polite", "n": 2, "empty": ""});
        let variables = BTreeMap::from([("metadata".to_owned(), Value::from(Serde(&metadata)))]);
        let cases = [
            ("metadata.criteria is defined", true),
            ("metadata.other is defined", false),
            ("metadata.n > 1", true),
            ("metadata.empty", false),
            ("false", false),
        ];
        for (when, expected) in cases {
            assert_eq!(check_condition(when), Ok(()), "{when}");
            assert_eq!(applies(when, &variables), Ok(expected), "{when}");
        }
        assert!(check_condition("metadata.(").is_err());
        assert!(applies("metadata.other > 1", &variables).unwrap_err().contains("when failed"));
    }
}
