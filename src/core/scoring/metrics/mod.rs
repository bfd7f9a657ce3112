//! Similarity of an answer to a reference text, and counts of a text, as other evaluation tools compute them.
//!
//! All functions are pure and total: any text is accepted, also an empty one. The time grows linearly with the length
//! of the texts (times its logarithm), except for the alignments of [`levenshtein`], ROUGE-L and ROUGE-Lsum: they are
//! quadratic, and give `None` beyond a documented size. METEOR is not among them, since it needs the data of WordNet.

mod align;
mod bleu;
mod bleu_tokens;
mod chars;
mod chrf;
mod counts;
#[cfg(test)]
mod fixture;
mod gleu;
mod lcs;
mod levenshtein;
mod ngrams;
mod overlap;
mod rouge;
mod sentences;
mod token_f1;
mod tokenize;

pub(super) use bleu::sentence_bleu;
pub(super) use bleu_tokens::BleuTokenizer;
pub(super) use chrf::{chrf, chrf_plus_plus};
pub(super) use counts::{character_count, word_count};
pub(super) use gleu::sentence_gleu;
pub(super) use levenshtein::{levenshtein_distance, levenshtein_similarity};
pub(super) use overlap::Overlap;
pub(super) use rouge::{rouge_l, rouge_lsum, rouge_n};
pub(super) use sentences::sentence_count;
pub(super) use token_f1::token_f1;
pub(super) use tokenize::Tokenizer;
