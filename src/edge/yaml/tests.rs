use super::*;
use crate::edge::config::WorkspaceFile;

fn failure(text: &str) -> (String, String) {
    let path = Path::new("karat.yaml");
    let read = Document::parse(text.to_owned(), path).and_then(|document| {
        document.root().read::<WorkspaceFile>().map_err(|fault| document.failure::<WorkspaceFile>(&fault))
    });
    let failure = read.unwrap_err();
    (failure.message, failure.hint.unwrap_or_default())
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_what_the_key_is_for() {
    let (message, hint) = failure("decay:\n  min_karats: many\n");
    assert_eq!(message, "karat.yaml:2:15: decay.min_karats is \"many\", but must be a number");
    assert!(hint.starts_with("min_karats: The decay gate: minimum karats"), "{hint}");
}
