//! Requests in another style, as when a new client or other users send the same requests.

use karat::stats::rng;
use rand::RngExt;

const PREFIXES: [&str; 8] =
    ["hey, ", "hi there, ", "please ", "quick question: ", "um ", "ok so ", "hello! ", "can you help, "];

/// Adds a typo to one text in three, an opening to one in three, and other casing to one in three. The choice depends
/// on `row`, so that a row always changes in the same way.
pub fn styled(text: &str, row: usize) -> String {
    let mut random = rng(row as u64, 77);
    let mut text = text.to_owned();
    if random.random_bool(1.0 / 3.0) {
        text = with_typo(&text, &mut random);
    }
    if random.random_bool(1.0 / 3.0) {
        text = format!("{}{text}", PREFIXES[random.random_range(0..PREFIXES.len())]);
    }
    if random.random_bool(1.0 / 3.0) {
        text = match random.random_bool(0.5) {
            true => text.to_uppercase(),
            false => text.split(' ').map(capital).collect::<Vec<_>>().join(" "),
        };
    }
    text
}

/// Swaps two neighbouring letters, or drops, doubles or replaces one.
fn with_typo(text: &str, random: &mut impl RngExt) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() < 4 {
        return text.to_owned();
    }
    let at = random.random_range(0..letters.len() - 1);
    match random.random_range(0..4) {
        0 => letters.swap(at, at + 1),
        1 => drop(letters.remove(at)),
        2 => letters.insert(at, letters[at]),
        _ => letters[at] = char::from(random.random_range(b'a'..=b'z')),
    }
    letters.into_iter().collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
