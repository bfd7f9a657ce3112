//! Test support: compares results with stored values of a reference implementation.

use serde_json::Value;

/// The array of numbers under `key`; null means NaN.
pub(in crate::core) fn numbers(case: &Value, key: &str) -> Vec<f64> {
    case[key]
        .as_array()
        .unwrap_or_else(|| panic!("no array {key} in {case}"))
        .iter()
        .map(|v| v.as_f64().unwrap_or(f64::NAN))
        .collect()
}

/// The array of counts under `key`.
pub(in crate::core) fn counts(case: &Value, key: &str) -> Vec<u64> {
    case[key]
        .as_array()
        .unwrap_or_else(|| panic!("no array {key} in {case}"))
        .iter()
        .map(|v| v.as_u64().unwrap_or_else(|| panic!("no count in {case}")))
        .collect()
}

/// Runs `f` on every case of `section` and compares with its `expected`, relative to the larger
/// of the expected value and 1e-290 (so that small tails count as well as large ones).
pub(in crate::core) fn check_all(fixture: &str, section: &str, tolerance: f64, f: impl Fn(&Value) -> Vec<f64>) {
    let root: Value = serde_json::from_str(fixture).unwrap();
    let cases = root[section].as_array().unwrap_or_else(|| panic!("no section {section}"));
    assert!(!cases.is_empty());
    let mut worst = 0.0_f64;
    for case in cases {
        let expected = numbers(case, "expected");
        let actual = f(case);
        assert_eq!(actual.len(), expected.len(), "{section}: {case}");
        for (a, e) in actual.iter().zip(&expected) {
            let error = if a == e { 0.0 } else { (a - e).abs() / e.abs().max(1e-290) };
            assert!(error <= tolerance, "{section}: {a} against {e} ({error:e}) in {case}");
            worst = worst.max(error);
        }
    }
    println!("{section}: {} cases, largest relative error {worst:e}", cases.len());
}
