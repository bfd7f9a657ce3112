//! "Did you mean": the known name that a wrong one was probably meant to be.

/// Jaro–Winkler similarity from which a name may have been meant.
const LIKELY: f64 = 0.7;

/// The known name nearest to `name`; `None` where none is likely. Of equally near ones the first.
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

/// A hint for a name that is not known: the nearest known one, and all of them after `known_are`, such as "there are".
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
    fn a_slip_of_the_hand_finds_its_name_and_nonsense_finds_none() {
        let known = ["support", "billing", "support-intents"];
        assert_eq!(nearest("suport", &known), Some("support"));
        assert_eq!(nearest("biling", &known), Some("billing"));
        assert_eq!(nearest("xyz", &known), None);
        assert_eq!(nearest::<&str>("x", &[]), None);
    }
}
