//! `expired` and `undated`: signals from the dates of an example.

use jiff::Timestamp;

use crate::core::domain::{Example, ExampleStatus, Flag, ReasonCode};

/// Flags active examples past `valid_until` or past the review cadence (score 1 from twice the cadence on), and those
/// without any date.
pub fn dated_flags(examples: &[Example], review_every_days: Option<u32>, now: Timestamp) -> Vec<Flag> {
    let active = examples.iter().filter(|example| example.status == ExampleStatus::Active);
    active.filter_map(|example| dated_flag(example, review_every_days, now)).collect()
}

fn dated_flag(example: &Example, review_every_days: Option<u32>, now: Timestamp) -> Option<Flag> {
    let flag = |code, score, threshold, evidence, basis| {
        let example_id = example.id.clone();
        Flag { example_id, code, score, threshold, evidence, basis }
    };
    if let Some(until) = example.valid_until.filter(|_| example.is_expired(now)) {
        let evidence =
            format!("valid_until {until} has passed; to clear this, review the answer and move or remove the date");
        return Some(flag(ReasonCode::Expired, 1.0, 0.5, evidence, format!("valid until {until}")));
    }
    let Some(dated) = example.last_dated() else {
        let evidence = "none of created_at, labeled_at, reviewed_at is set; to clear this, set reviewed_at".to_owned();
        return Some(flag(ReasonCode::Undated, 0.5, 0.5, evidence, "no date".to_owned()));
    };
    let cadence = f64::from(review_every_days.filter(|days| *days > 0)?);
    let age = now.duration_since(dated).as_secs_f64() / 86_400.0;
    // Half the score after one cadence, the full score after two.
    let score = (age / cadence / 2.0).clamp(0.0, 1.0);
    let date = dated.to_zoned(jiff::tz::TimeZone::UTC).date();
    (age > cadence).then(|| {
        let evidence = format!(
            "last dated {date}, {age:.0} days ago; the review cadence is {cadence:.0} days; to clear this, review it and set reviewed_at"
        );
        flag(ReasonCode::Expired, score, 0.5, evidence, format!("dated {date}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::domain::parse_timestamp;
    use crate::core::golden::example_from_row;
    use serde_json::json;

    fn flags(row: serde_json::Value, cadence: Option<u32>) -> Vec<(ReasonCode, f64)> {
        let example = example_from_row(1, row.as_object().unwrap().clone()).unwrap();
        let now = parse_timestamp("2026-09-30").unwrap();
        dated_flags(&[example], cadence, now).into_iter().map(|flag| (flag.code, flag.score)).collect()
    }

    #[test]
    fn age_is_measured_from_the_latest_date_against_the_cadence() {
        let cases = [
            (json!({"input": "x"}), None, vec![(ReasonCode::Undated, 0.5)]),
            (json!({"input": "x", "created_at": "2020-01-01"}), None, vec![]),
            (json!({"input": "x", "created_at": "2026-07-02"}), Some(60), vec![(ReasonCode::Expired, 0.75)]),
            (json!({"input": "x", "created_at": "2020-01-01", "reviewed_at": "2026-09-01"}), Some(60), vec![]),
            (json!({"input": "x", "created_at": "2020-01-01"}), Some(60), vec![(ReasonCode::Expired, 1.0)]),
            (json!({"input": "x", "valid_until": "2026-09-29"}), None, vec![(ReasonCode::Expired, 1.0)]),
            (json!({"input": "x", "created_at": "2026-09-01", "valid_until": "2026-09-30"}), None, vec![]),
            (json!({"input": "x", "status": "retired"}), Some(60), vec![]),
        ];
        for (row, cadence, expected) in cases {
            assert_eq!(flags(row.clone(), cadence), expected, "{row}");
        }
    }
}
