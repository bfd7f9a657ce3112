//! The gates of a suite file.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected};

use super::forms::{Form, Short, names, optional_share};
use crate::core::domain::{Gate, GateLimit, GateMeasure, KaratGate, Percentile, Scorer, ScorerKind, did_you_mean};
use crate::edge::yaml::{Document, Fault, Reader};

/// By how much a score may be worse than a baseline unless a gate says otherwise.
const DEFAULT_MARGIN: f64 = 0.02;

/// Confidence level of the interval of a gate unless it says otherwise.
const DEFAULT_CONFIDENCE: f64 = 0.95;

/// A gate as written: what is measured (scorer, contract, latency or cost), and what is required of it (min, max, or
/// baseline with margin).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GateFile {
    /// The scorer whose mean is evaluated. Default: the first scorer.
    pub scorer: Option<String>,
    /// A json_schema scorer that every answer should satisfy, repeats included, in place of "scorer".
    pub contract: Option<String>,
    /// p50 or p95 of latency, in place of "scorer".
    pub latency: Option<Percentile>,
    /// The mean cost of a request, in place of "scorer": mean.
    pub cost: Option<CostStatistic>,
    /// The minimum karats of the golden set, in place of "scorer"; evaluated by `karat check`, which measures decay.
    pub karats: Option<f64>,
    /// The minimum mean, between 0 and 1, such as 0.85. It is required of the lower end of the interval.
    #[serde(default, deserialize_with = "optional_share")]
    pub min: Option<f64>,
    /// The maximum: milliseconds of latency, or the cost of a request in the currency of the endpoint's price.
    #[serde(default, deserialize_with = "optional_amount")]
    pub max: Option<f64>,
    /// An earlier run that this one must not be worse than: a tag such as main, or last-pass.
    pub baseline: Option<String>,
    /// By how much it may be worse, in the unit of the measure. Default: 0.02 for scores, 0 otherwise.
    #[serde(default, deserialize_with = "optional_amount")]
    pub margin: Option<f64>,
    /// The part of the golden set that it applies to, such as tag=billing or language=de. Default: all of it.
    pub slice: Option<String>,
    /// Confidence level of the interval that is evaluated, from 0.5 to below 1. Default: 0.95.
    #[serde(default, deserialize_with = "optional_confidence")]
    pub confidence: Option<f64>,
    /// The endpoints that the gate applies to. Default: all.
    #[serde(default, deserialize_with = "names")]
    pub endpoints: Vec<String>,
    /// What "inconclusive" does: fail stops the pipeline with exit code 103, warn only reports it, unless it is the third
    /// time in a row. Default: fail.
    pub on_inconclusive: Option<OnInconclusive>,
    /// The older name of on_inconclusive: true means fail, false means warn.
    pub require_decision: Option<bool>,
}

/// What an inconclusive gate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnInconclusive {
    /// Only report it.
    Warn,
    /// Stop the pipeline with exit code 103.
    Fail,
}

/// A statistic of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CostStatistic {
    /// The mean cost of a request.
    Mean,
}

impl Short for GateFile {
    const EXPECTED: &'static str = "a minimum between 0 and 1, such as 0.85, or {scorer: exact, min: 0.85}";

    fn number(min: f64) -> Option<Self> {
        (0.0..=1.0).contains(&min).then(|| Self { min: Some(min), ..Self::default() })
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({"type": "number", "minimum": 0, "maximum": 1})]
    }
}

fn optional_confidence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let confidence = f64::deserialize(deserializer)?;
    if (0.5..1.0).contains(&confidence) {
        return Ok(Some(confidence));
    }
    Err(D::Error::invalid_value(Unexpected::Float(confidence), &"from 0.5 to below 1, such as 0.95"))
}

fn optional_amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let amount = f64::deserialize(deserializer)?;
    if amount >= 0.0 && amount.is_finite() {
        return Ok(Some(amount));
    }
    Err(D::Error::invalid_value(Unexpected::Float(amount), &"0 or more"))
}

/// The gates of a suite.
pub(super) struct Gates {
    pub gates: Vec<Gate>,
    /// The one on karats, which is evaluated apart.
    pub karats: Option<KaratGate>,
}

/// Converts the gates as written; a fault names the gate and its place in the file.
pub(super) fn gates(document: &Document, files: Vec<Form<GateFile>>, scorers: &[Scorer]) -> Result<Gates, Fault> {
    let list = document.root().mapping().and_then(|keys| keys.get("gates"));
    let mut readers = list.into_iter().flat_map(Reader::items);
    let mut found = Gates { gates: Vec::new(), karats: None };
    for (index, Form(file)) in files.into_iter().enumerate() {
        let reader = readers.next().unwrap_or_else(|| document.root());
        let placed = |fault: Fault| fault.under_index(index).under("gates");
        if file.karats.is_some() && found.karats.is_some() {
            let second = reader.fault("is a second gate on karats").hint("keep one of them");
            return Err(placed(second));
        } else if file.karats.is_some() {
            found.karats = Some(convert_karats(file, reader).map_err(placed)?);
        } else {
            found.gates.push(convert_gate(file, scorers, reader).map_err(placed)?);
        }
    }
    Ok(found)
}

fn convert_gate(file: GateFile, scorers: &[Scorer], reader: Reader<'_>) -> Result<Gate, Fault> {
    let fail = |what: &str, hint: String| Err(reader.fault(what).hint(hint));
    let measures = [file.scorer.is_some(), file.contract.is_some(), file.latency.is_some(), file.cost.is_some()];
    if measures.iter().filter(|given| **given).count() > 1 {
        return fail("has more than one of scorer, contract, latency and cost", "write one gate for each".to_owned());
    }
    let measure = match (file.contract, file.latency, file.cost) {
        (Some(scorer), ..) => GateMeasure::Contract(known_scorer(scorer, scorers, true, reader)?),
        (_, Some(percentile), _) => GateMeasure::Latency(percentile),
        (.., Some(CostStatistic::Mean)) => GateMeasure::Cost,
        (None, None, None) => {
            let first = || scorers.first().map(|scorer| scorer.name.clone()).unwrap_or_default();
            GateMeasure::Score(known_scorer(file.scorer.unwrap_or_else(first), scorers, false, reader)?)
        }
    };
    let scored = matches!(measure, GateMeasure::Score(_) | GateMeasure::Contract(_));
    let limit = match (file.min, file.max, file.baseline) {
        (Some(min), None, None) if scored => GateLimit::Min(min),
        (None, Some(max), None) if !scored => GateLimit::Max(max),
        (None, None, Some(baseline)) => {
            let margin = file.margin.unwrap_or(if scored { DEFAULT_MARGIN } else { 0.0 });
            GateLimit::NotWorse { baseline, margin }
        }
        _ => {
            let (what, example) = if scored {
                ("needs exactly one of min and baseline", "such as {scorer: exact, min: 0.85}")
            } else {
                ("needs exactly one of max and baseline", "such as {latency: p95, max: 800}")
            };
            return fail(what, format!("{example}, or baseline: main with a margin"));
        }
    };
    Ok(Gate {
        measure,
        limit,
        slice: file.slice,
        confidence: file.confidence.unwrap_or(DEFAULT_CONFIDENCE),
        endpoints: file.endpoints,
        require_decision: decision_required(file.on_inconclusive, file.require_decision),
    })
}

/// Whether an inconclusive gate requires a decision.
pub(super) fn decision_required(on_inconclusive: Option<OnInconclusive>, older: Option<bool>) -> bool {
    on_inconclusive.map_or(older.unwrap_or(true), |on| on == OnInconclusive::Fail)
}

/// The gate on the karats of the golden set.
fn convert_karats(file: GateFile, reader: Reader<'_>) -> Result<KaratGate, Fault> {
    let alone = file.scorer.is_none() && file.contract.is_none() && file.latency.is_none() && file.cost.is_none();
    let unlimited = file.min.is_none() && file.max.is_none() && file.baseline.is_none() && file.slice.is_none();
    match file.karats {
        Some(min) if (0.0..=24.0).contains(&min) && alone && unlimited => {
            let require_decision = decision_required(file.on_inconclusive, file.require_decision);
            Ok(KaratGate { min, require_decision })
        }
        _ => Err(reader
            .fault("needs karats between 0 and 24, and nothing besides on_inconclusive")
            .hint("such as {karats: 20, on_inconclusive: warn}")),
    }
}

/// The scorer with this name; a contract must be a `json_schema` scorer.
fn known_scorer(name: String, scorers: &[Scorer], contract: bool, reader: Reader<'_>) -> Result<String, Fault> {
    let fits = |scorer: &&Scorer| !contract || matches!(scorer.kind, ScorerKind::JsonSchema(_));
    let known: Vec<_> = scorers.iter().filter(fits).map(|scorer| scorer.name.as_str()).collect();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    let kind = if contract { "json_schema scorer" } else { "scorer" };
    let has = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let what = format!("refers to the {kind} \"{name}\", but the suite has {has}");
    Err(reader.fault(&what).hint(did_you_mean(&name, &known, "the scorers are")))
}
