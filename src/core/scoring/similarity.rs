//! Scorers that measure how similar an answer is to an accepted one.

use std::borrow::Cow;

use super::Answer;
use super::metrics::{
    BleuTokenizer, Overlap, Tokenizer, chrf, chrf_plus_plus, levenshtein_distance, levenshtein_similarity, rouge_l,
    rouge_lsum, rouge_n, sentence_bleu, sentence_gleu, token_f1,
};
use super::reason::{NO_ACCEPTED, accepted, quoted, short};
use super::rule::{Compile, Rule, references};
use crate::core::domain::scorer::similarity::{
    Bleu, BleuTokens, Chrf, Gleu, Levenshtein, Measure, RougeL, RougeN, TokenF1, Words,
};
use crate::core::domain::{Example, Score};

/// The similarity of an answer to reference texts, in [0, 1]; `None` if the texts are too long to compare.
type Similarity = Box<dyn Fn(&str, &[Cow<'_, str>]) -> Option<f64> + Send + Sync>;

/// A measure of similarity with what it compares with.
struct Similar {
    name: &'static str,
    value: Option<String>,
    similarity: Similarity,
}

impl std::fmt::Debug for Similar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Similar").field("name", &self.name).field("value", &self.value).finish_non_exhaustive()
    }
}

impl Rule for Similar {
    fn score(&self, answer: &Answer<'_>, example: &Example) -> Score {
        let references = references(self.value.as_ref(), example);
        if references.is_empty() {
            return Score::Skipped(NO_ACCEPTED.to_owned());
        }
        let Some(value) = (self.similarity)(answer.output, &references) else {
            return Score::Skipped("the answer or the accepted answer is too long to compare".to_owned());
        };
        let reason = || {
            let texts: Vec<String> = references.iter().map(|text| text.clone().into_owned()).collect();
            let (percent, name) = ((value * 1e3).round() / 1e3, self.name);
            short(&format!("{name} {percent} with {}, got {}", accepted(&texts), quoted(answer.output)))
        };
        Score::Value(value, (value < 1.0).then(reason))
    }

    fn requirement(&self) -> String {
        format!("be similar to the accepted answer ({})", self.name)
    }

    fn compares(&self) -> bool {
        self.value.is_none()
    }
}

fn similar(
    name: &'static str,
    value: &Option<String>,
    similarity: impl Fn(&str, &[Cow<'_, str>]) -> Option<f64> + Send + Sync + 'static,
) -> Box<dyn Rule> {
    Box::new(Similar { name, value: value.clone(), similarity: Box::new(similarity) })
}

/// The highest similarity to any reference; `None` if one of them cannot be compared and no other is equal.
fn best(references: &[Cow<'_, str>], similarity: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut best: f64 = 0.0;
    let mut unknown = false;
    for reference in references {
        match similarity(reference) {
            Some(value) => best = best.max(value),
            None => unknown = true,
        }
    }
    (!unknown || best >= 1.0).then_some(best)
}

fn measured(overlap: Overlap, measure: Measure) -> f64 {
    match measure {
        Measure::F1 => overlap.f1,
        Measure::Precision => overlap.precision,
        Measure::Recall => overlap.recall,
    }
}

fn tokenizer(words: Words) -> Tokenizer {
    match words {
        Words::Unicode => Tokenizer::Unicode,
        Words::Rouge => Tokenizer::Rouge,
        Words::Whitespace => Tokenizer::Whitespace,
    }
}

impl Compile for Levenshtein {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let Some(most) = self.max_distance else {
            return Ok(similar("similarity", &self.value, |answer, references| {
                best(references, |reference| levenshtein_similarity(answer, reference))
            }));
        };
        Ok(similar("within the allowed edits:", &self.value, move |answer, references| {
            best(references, |reference| {
                levenshtein_distance(answer, reference).map(|edits| f64::from(u8::from(edits as u64 <= most)))
            })
        }))
    }
}

impl Compile for RougeN {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let n = u8::try_from(self.n).ok().filter(|n| (1..=9).contains(n));
        let n = n.ok_or_else(|| format!("n is {}; it must be from 1 to 9", self.n))?;
        let (measure, words) = (self.measure, tokenizer(self.words));
        Ok(similar("ROUGE-N", &self.value, move |answer, references| {
            best(references, |reference| Some(measured(rouge_n(answer, reference, n, words), measure)))
        }))
    }
}

impl Compile for RougeL {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let overlap = if self.lines { rouge_lsum } else { rouge_l };
        let (measure, words) = (self.measure, tokenizer(self.words));
        Ok(similar("ROUGE-L", &self.value, move |answer, references| {
            best(references, |reference| overlap(answer, reference, words).map(|overlap| measured(overlap, measure)))
        }))
    }
}

impl Compile for Bleu {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let tokenizer = match self.tokenizer {
            BleuTokens::Mteval13a => BleuTokenizer::Mteval13a,
            BleuTokens::International => BleuTokenizer::International,
            BleuTokens::Chinese => BleuTokenizer::Chinese,
            BleuTokens::Character => BleuTokenizer::Character,
        };
        Ok(similar("BLEU", &self.value, move |answer, references| Some(sentence_bleu(answer, references, tokenizer))))
    }
}

impl Compile for Gleu {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let words = tokenizer(self.words);
        Ok(similar("GLEU", &self.value, move |answer, references| Some(sentence_gleu(answer, references, words))))
    }
}

impl Compile for Chrf {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        match self.word_order {
            0 => Ok(similar("chrF", &self.value, |answer, references| Some(chrf(answer, references)))),
            2 => Ok(similar("chrF++", &self.value, |answer, references| Some(chrf_plus_plus(answer, references)))),
            other => Err(format!("word_order is {other}; it must be 0 (chrF) or 2 (chrF++)")),
        }
    }
}

impl Compile for TokenF1 {
    fn compile(&self) -> Result<Box<dyn Rule>, String> {
        let measure = self.measure;
        Ok(similar("token F1", &self.value, move |answer, references| {
            best(references, |reference| Some(measured(token_f1(answer, reference), measure)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::compiled::example;
    use super::*;

    fn every_measure() -> Vec<Box<dyn Rule>> {
        let usual: [&dyn Compile; 8] = [
            &Levenshtein::default(),
            &RougeN { n: 1, measure: Measure::F1, words: Words::Unicode, value: None },
            &RougeN { n: 2, measure: Measure::Recall, words: Words::Unicode, value: None },
            &RougeL::default(),
            &Bleu::default(),
            &Gleu::default(),
            &Chrf::default(),
            &TokenF1::default(),
        ];
        usual.iter().map(|settings| settings.compile().unwrap()).collect()
    }

    #[test]
    fn the_nearest_accepted_answer_counts_and_the_reason_gives_the_similarity() {
        let rule = Levenshtein::default().compile().unwrap();
        let example = example(vec![json!("completely other"), json!("kitten")]);
        let score = rule.score(&Answer::text("kitte"), &example);
        let Score::Value(value, Some(reason)) = score else { panic!("{score:?}") };
        assert!((value - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(reason, "similarity 0.833 with \"completely other\" or \"kitten\", got \"kitte\"");
        let edits = |most| Levenshtein { max_distance: Some(most), value: None }.compile().unwrap();
        assert_eq!(edits(1).score(&Answer::text("kitte"), &example).value(), Some(1.0));
        assert_eq!(edits(0).score(&Answer::text("kitte"), &example).value(), Some(0.0));
        let fixed = Levenshtein { value: Some("kitte".into()), max_distance: None }.compile().unwrap();
        assert_eq!(fixed.score(&Answer::text("kitte"), &example), Score::Value(1.0, None));
    }

    #[test]
    fn settings_that_no_measure_has_are_refused() {
        let n = RougeN { n: 0, measure: Measure::F1, words: Words::Unicode, value: None };
        assert!(n.compile().unwrap_err().contains("from 1 to 9"));
        assert!(Chrf { word_order: 3, value: None }.compile().unwrap_err().contains("chrF++"));
    }

    proptest! {
        #[test]
        fn similarities_are_shares_and_words_equal_themselves(
            answer in any::<String>(), accepted in any::<String>(), words in "[a-z]{1,8}( [a-z]{1,8}){3,8}",
        ) {
            for rule in every_measure() {
                let score = rule.score(&Answer::text(&answer), &example(vec![json!(accepted)]));
                prop_assert!(score.value().is_some_and(|value| (0.0..=1.0).contains(&value)), "{:?} {:?}", rule, score);
                prop_assert_eq!(rule.score(&Answer::text(&words), &example(vec![])).value(), None);
                let same = rule.score(&Answer::text(&words), &example(vec![json!(words)]));
                prop_assert!(same.value().is_some_and(|value| value > 1.0 - 1e-9), "{:?} {:?}", rule, same);
            }
        }
    }
}
