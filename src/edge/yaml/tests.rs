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

#[test]
fn an_anchor_may_have_many_aliases_but_they_must_not_multiply() {
    let path = Path::new("tests.yaml");
    let shared = format!("shared: &shared {{a: 1}}\nlist:\n{}", "  - *shared\n".repeat(2_000));
    assert!(Document::parse(shared, path).is_ok());
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(Document::parse(bomb, path).is_err());
}
