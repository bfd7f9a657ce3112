//! Test support: compares results with stored values of a reference implementation.

use serde_json::Value;

pub(super) const FIXTURE: &str = include_str!("../../../tests/fixtures/stats/parity.json");

/// The array of numbers under `key`.
pub(super) fn numbers(case: &Value, key: &str) -> Vec<f64> {
    array(case, key).iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The array of strings under `key`.
pub(super) fn strings<'a>(case: &'a Value, key: &str) -> Vec<&'a str> {
    array(case, key).iter().map(|v| v.as_str().unwrap()).collect()
}

fn array<'a>(case: &'a Value, key: &str) -> &'a [Value] {
    case[key].as_array().unwrap_or_else(|| panic!("no array {key} in {case}"))
}

/// Runs `f` on every case of `section` and compares with its `expected`, relative to the expected value.
pub(super) fn check_all(section: &str, tolerance: f64, f: impl Fn(&Value) -> Vec<f64>) {
    let root: Value = serde_json::from_str(FIXTURE).unwrap();
    let cases = array(&root, section);
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
