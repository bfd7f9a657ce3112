//! An answer as scorers see it.

use crate::core::domain::{RecordedOutcome, Response, Usage};

/// An answer with what is known about how it came about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer<'a> {
    /// The text; tool calls as canonical JSON if there is none.
    pub output: &'a str,
    /// Tool calls beside the text, as canonical JSON in OpenAI's form.
    pub tool_calls: Option<&'a str>,
    /// Why the answer ended, such as `stop`.
    pub finish_reason: Option<&'a str>,
    /// Tokens of prompt and answer, as far as they are known.
    pub usage: Usage,
    /// How long the endpoint took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// What it cost.
    pub cost: Option<f64>,
    /// Whether personal data in it was replaced by placeholders before it was stored.
    pub redacted: bool,
}

impl<'a> Answer<'a> {
    /// An answer of which only the text is known.
    pub fn text(output: &'a str) -> Self {
        Self { output, ..Self::default() }
    }

    /// A stored answer of production.
    pub fn of_traffic(output: &'a str) -> Self {
        Self { redacted: true, ..Self::text(output) }
    }

    /// The answer in a response, which cost this much.
    pub fn of(response: &'a Response, cost: Option<f64>) -> Self {
        Self {
            output: &response.output,
            tool_calls: response.tool_calls.as_deref(),
            finish_reason: response.finish_reason.as_deref(),
            usage: response.usage,
            latency_ms: Some(response.latency.as_secs_f64() * 1e3),
            cost,
            redacted: false,
        }
    }

    /// The tool calls as JSON: those beside the text, or the answer itself if it consists of calls.
    pub fn calls(&self) -> Option<serde_json::Value> {
        let text = self.tool_calls.or_else(|| super::tool_match::parse_calls(self.output).map(|_| self.output))?;
        serde_json::from_str(crate::core::domain::unfenced(text)).ok()
    }

    /// The answer in a stored outcome; `None` if the outcome is an error.
    pub fn recorded(outcome: &'a RecordedOutcome) -> Option<Self> {
        Some(Self {
            output: outcome.output.as_deref()?,
            tool_calls: outcome.tool_calls.as_deref(),
            finish_reason: outcome.finish_reason.as_deref(),
            usage: outcome.usage,
            latency_ms: outcome.latency_ms,
            cost: outcome.cost,
            redacted: false,
        })
    }
}
