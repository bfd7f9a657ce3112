//! Scorers of what an answer took: time, money, tokens, and why it ended.

use super::Answer;
use super::reason::{listed, quoted};
use super::rule::{Compile, Rule, verdict};
use super::text::limits;
use crate::core::domain::scorer::requests::{Cost, FinishReason, Latency, Tokens, TokensOf};
use crate::core::domain::{Example, Score};

fn require_limit(key: &str, limit: f64) -> Result<(), String> {
    if limit.is_finite() && limit >= 0.0 { Ok(()) } else { Err(format!("{key} is {limit}; it must be 0 or more")) }
}

impl Rule for Latency {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        match answer.latency_ms {
            None => Score::Skipped("the latency is not known".to_owned()),
            Some(ms) => verdict(ms <= self.max_ms, || format!("expected at most {} ms, got {ms:.0} ms", self.max_ms)),
        }
    }

    fn requirement(&self) -> String {
        format!("take at most {} ms", self.max_ms)
    }
}

impl Compile for Latency {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        require_limit("max_ms", self.max_ms)?;
        Ok(Box::new(self.clone()))
    }
}

impl Rule for Cost {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        match answer.cost {
            None => Score::Skipped("the cost is not known, because the endpoint has no price".to_owned()),
            Some(cost) => verdict(cost <= self.max, || format!("expected a cost of at most {}, got {cost}", self.max)),
        }
    }

    fn requirement(&self) -> String {
        format!("cost at most {}", self.max)
    }
}

impl Compile for Cost {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        require_limit("max", self.max)?;
        Ok(Box::new(self.clone()))
    }
}

impl Rule for Tokens {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        let (prompt, completion) = (answer.usage.prompt_tokens, answer.usage.completion_tokens);
        let tokens = match self.of {
            TokensOf::Answer => completion,
            TokensOf::Prompt => prompt,
            TokensOf::Total => prompt.zip(completion).map(|(prompt, answer)| prompt.saturating_add(answer)),
        };
        let Some(tokens) = tokens else {
            return Score::Skipped("the endpoint does not report the number of tokens".to_owned());
        };
        let pass = self.min.is_none_or(|min| tokens >= min) && self.max.is_none_or(|max| tokens <= max);
        verdict(pass, || format!("expected {} tokens, got {tokens}", limits(self.min, self.max)))
    }

    fn requirement(&self) -> String {
        format!("use {} tokens", limits(self.min, self.max))
    }
}

impl Compile for Tokens {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match (self.min, self.max) {
            (None, None) => Err("has no limit; add min or max".to_owned()),
            (Some(min), Some(max)) if min > max => Err(format!("has a min of {min} above its max of {max}")),
            _ => Ok(Box::new(self.clone())),
        }
    }
}

impl Rule for FinishReason {
    fn score(&self, answer: &Answer<'_>, _: &Example) -> Score {
        let Some(reason) = answer.finish_reason else {
            return Score::Skipped("the endpoint does not report why answers end".to_owned());
        };
        let pass = self.values.iter().any(|value| value.eq_ignore_ascii_case(reason));
        verdict(pass, || {
            format!(
                "expected the finish reason {}, got {}",
                listed(self.values.iter().map(String::as_str)),
                quoted(reason)
            )
        })
    }

    fn requirement(&self) -> String {
        format!("end with {}", listed(self.values.iter().map(String::as_str)))
    }
}

impl Compile for FinishReason {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match self.values.is_empty() {
            true => Err("values is empty, so no answer could be right".to_owned()),
            false => Ok(Box::new(self.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compiled::example;
    use super::*;
    use crate::core::domain::Usage;

    fn score(rule: &dyn Compile, answer: &Answer<'_>) -> Score {
        rule.compile().unwrap().score(answer, &example(vec![]))
    }

    #[test]
    fn limits_are_inclusive_and_what_is_not_known_is_not_scored() {
        let usage = Usage { prompt_tokens: Some(90), completion_tokens: Some(10) };
        let known = Answer {
            latency_ms: Some(250.0),
            cost: Some(0.002),
            usage,
            finish_reason: Some("stop"),
            ..Answer::text("x")
        };
        let tokens = |of, max| Tokens { of, min: None, max: Some(max) };
        let cases: [(&dyn Compile, f64); 10] = [
            (&Latency { max_ms: 250.0 }, 1.0),
            (&Latency { max_ms: 249.0 }, 0.0),
            (&Cost { max: 0.002 }, 1.0),
            (&Cost { max: 0.001 }, 0.0),
            (&tokens(TokensOf::Answer, 10), 1.0),
            (&tokens(TokensOf::Prompt, 89), 0.0),
            (&tokens(TokensOf::Total, 100), 1.0),
            (&tokens(TokensOf::Total, 99), 0.0),
            (&FinishReason { values: vec!["STOP".into()] }, 1.0),
            (&FinishReason { values: vec!["length".into()] }, 0.0),
        ];
        for (rule, expected) in cases {
            assert_eq!(score(rule, &known).value(), Some(expected), "{:?}", rule.compile());
            assert!(matches!(score(rule, &Answer::text("x")), Score::Skipped(_)));
        }
        let reason = score(&Latency { max_ms: 100.0 }, &known);
        assert_eq!(reason, Score::pass(false, Some("expected at most 100 ms, got 250 ms".into())));
    }

    #[test]
    fn limits_that_cannot_hold_are_refused() {
        let refused: [&dyn Compile; 5] = [
            &Latency { max_ms: f64::NAN },
            &Cost { max: -1.0 },
            &Tokens { of: TokensOf::Answer, min: None, max: None },
            &Tokens { of: TokensOf::Answer, min: Some(2), max: Some(1) },
            &FinishReason { values: vec![] },
        ];
        refused.iter().for_each(|rule| assert!(rule.compile().is_err()));
    }
}
