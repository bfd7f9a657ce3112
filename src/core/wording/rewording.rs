//! Rewrites a text in the wording of a request.

use rand::RngExt;

use super::habits::Habits;
use super::sentences::sentences;
use super::typos::with_typo;

/// The wording of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// Sentences before the one that asks.
    pub before: Vec<String>,
    /// Sentences after it.
    pub after: Vec<String>,
    /// Words that it adds.
    pub inserts: Vec<Insert>,
    /// Its casing.
    pub casing: Casing,
}

/// Words added to a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Insert {
    pub place: Place,
    pub text: String,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Start,
    /// After this share of its words, in (0, 1).
    Inside(f64),
    End,
}

/// The casing of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Casing {
    /// All letters with case are lower case.
    Lower,
    /// All letters with case are upper case, and there are at least four.
    Upper,
    Mixed,
}

impl Casing {
    pub fn of(text: &str) -> Self {
        let upper = text.chars().filter(|letter| letter.is_uppercase()).count();
        let lower = text.chars().filter(|letter| letter.is_lowercase()).count();
        match (upper, lower) {
            (0, _) => Self::Lower,
            (4.., 0) => Self::Upper,
            _ => Self::Mixed,
        }
    }
}

/// Rewords `text` like the request with this profile, with as many typos as `habits` say. Sentences are added only as
/// far as the request has more of them than the text.
pub(super) fn apply(text: &str, profile: &Profile, habits: &Habits, random: &mut impl RngExt) -> String {
    let mut text = text.to_owned();
    let typos = habits.typos.floor() as usize + usize::from(random.random_bool(habits.typos.fract()));
    for _ in 0..typos.min(10) {
        text = with_typo(&text, random);
    }
    let own = sentences(&text).len().max(1);
    for insert in &profile.inserts {
        text = inserted(&text, insert);
    }
    let (mut before, mut after) = (profile.before.as_slice(), profile.after.as_slice());
    for _ in 1..own {
        match after.split_last() {
            Some((_, rest)) => after = rest,
            None => before = before.split_first().map_or(before, |(_, rest)| rest),
        }
    }
    let text = match profile.casing {
        Casing::Lower => text.to_lowercase(),
        Casing::Upper => text.to_uppercase(),
        Casing::Mixed => text,
    };
    let parts = before.iter().map(String::as_str).chain([text.as_str()]).chain(after.iter().map(String::as_str));
    parts.collect::<Vec<_>>().join(" ")
}

fn inserted(text: &str, insert: &Insert) -> String {
    let addition = &insert.text;
    match insert.place {
        Place::Start => format!("{addition} {text}"),
        Place::End => format!("{text} {addition}"),
        Place::Inside(share) => {
            let mut words: Vec<&str> = text.split(' ').collect();
            let at = (share * words.len() as f64).round() as usize;
            words.insert(at.clamp(1, words.len()), addition);
            words.join(" ")
        }
    }
}
