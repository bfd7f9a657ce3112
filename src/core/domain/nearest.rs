//! "Did you mean": finds the known name closest to a misspelt one.

/// Jaro–Winkler similarity above which a known name is suggested.
const LIKELY: f64 = 0.7;

/// The known name most similar to `name`; `None` if none is similar enough. The first one if tied.
pub fn nearest<'a, S: AsRef<str>>(name: &str, known: &'a [S]) -> Option<&'a str> {
    let mut best: Option<(f64, &str)> = None;
    for candidate in known.iter().map(AsRef::as_ref) {
        let similarity = strsim::jaro_winkler(candidate, name);
        if similarity > LIKELY && best.is_none_or(|(found, _)| similarity > found) {
            best = Some((similarity, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A hint for an unknown name: the most similar known name, and all known names, introduced by `known_are`, such as
/// "there are".
pub fn did_you_mean<S: AsRef<str>>(name: &str, known: &[S], known_are: &str) -> String {
    let all = known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let mut start = known_are.chars();
    let capital: String = start.next().into_iter().flat_map(char::to_uppercase).chain(start).collect();
    match nearest(name, known) {
        Some(nearest) => format!("did you mean \"{nearest}\"? {capital} {all}"),
        None if known.is_empty() => "there are none yet".to_owned(),
        None => format!("{known_are} {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_the_intended_name_and_nonsense_finds_none() {
        let known = ["support", "billing", "support-intents"];
        assert_eq!(nearest("suport", &known), Some("support"));
        assert_eq!(nearest("biling", &known), Some("billing"));
        assert_eq!(nearest("xyz", &known), None);
        assert_eq!(nearest::<&str>("x", &[]), None);
    }
}
