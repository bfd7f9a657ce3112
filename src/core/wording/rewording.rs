//! Rewrites a text in the wording of a request.

use rand::RngExt;

use super::asking::Asking;
use super::habits::Habits;
use super::typos::with_typo;

/// The wording of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// Sentences before those that ask.
    pub before: Vec<String>,
    /// Sentences after them.
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

/// Rewords `text` like the request with this profile, with as many typos as `habits` say. Of a text between the other
/// sentences of the request's message, what remains is the part that is found to ask.
pub(super) fn apply(
    text: &str,
    profile: &Profile,
    habits: &Habits,
    asking: &Asking,
    random: &mut impl RngExt,
) -> String {
    let mut text = text.to_owned();
    let typos = habits.typos.floor() as usize + usize::from(random.random_bool(habits.typos.fract()));
    for _ in 0..typos.min(10) {
        text = with_typo(&text, random);
    }
    for insert in &profile.inserts {
        text = inserted(&text, insert);
    }
    let text = match profile.casing {
        Casing::Lower => text.to_lowercase(),
        Casing::Upper => text.to_uppercase(),
        Casing::Mixed => text,
    };
    asking.found_between(&profile.before, text, &profile.after)
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
