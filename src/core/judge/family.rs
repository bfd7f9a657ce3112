//! The family of a model, from its name.

/// Families with the beginnings of their models' names.
const FAMILIES: &[(&str, &[&str])] = &[
    ("openai", &["gpt", "chatgpt", "openai", "davinci"]),
    ("anthropic", &["claude", "anthropic"]),
    ("google", &["gemini", "gemma", "google", "palm"]),
    ("meta", &["llama", "meta", "codellama"]),
    ("mistral", &["mistral", "mixtral", "ministral", "magistral", "codestral", "devstral", "pixtral"]),
    ("qwen", &["qwen", "qwq", "alibaba"]),
    ("deepseek", &["deepseek"]),
    ("xai", &["grok", "xai"]),
    ("cohere", &["command", "cohere", "aya"]),
    ("amazon", &["nova", "titan", "amazon"]),
    ("microsoft", &["phi", "microsoft"]),
];

/// OpenAI's reasoning models, whose names are too short for a beginning.
const REASONING: &[&str] = &["o1", "o3", "o4"];

/// The family of a model, such as `openai` for `gpt-x` or `openai/gpt-x`, in lower case. For other models it is the first
/// word of the name, so that models of an unknown family still count as one. `None` without any letter.
pub fn model_family(model: &str) -> Option<String> {
    let model = model.to_lowercase();
    let parts: Vec<&str> = model.split(['/', ':', '.', '@']).filter(|part| !part.is_empty()).collect();
    // The model's own name comes after those of its hosts.
    let known = parts.iter().rev().find_map(|part| known_family(part));
    let word = |part: &&str| part.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty()).map(str::to_owned);
    let name = model.rsplit('/').next().unwrap_or(&model);
    known.map(str::to_owned).or_else(|| word(&name)).or_else(|| parts.iter().find_map(word))
}

fn known_family(part: &str) -> Option<&'static str> {
    let first = part.split(['-', '_', ' ']).next().unwrap_or(part);
    if REASONING.contains(&first) {
        return Some("openai");
    }
    // A word such as "commander" is no "command".
    let begins = |start: &str| part.strip_prefix(start).is_some_and(|rest| !rest.starts_with(char::is_alphabetic));
    FAMILIES.iter().find(|(_, starts)| starts.iter().any(|start| begins(start))).map(|(family, _)| *family)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_family_is_found_by_the_beginning_of_the_name() {
        for (model, family) in [
            ("gpt-4o-mini", "openai"),
            ("o3-mini", "openai"),
            ("openai/o1", "openai"),
            ("claude-sonnet-4-5", "anthropic"),
            ("us.anthropic.claude-3-5-sonnet-v1:0", "anthropic"),
            ("gemma2:9b", "google"),
            ("models/gemini-2.5-pro", "google"),
            ("meta-llama/Llama-3.3-70B-Instruct", "meta"),
            ("mixtral-8x7b", "mistral"),
            ("Qwen/Qwen3-32B", "qwen"),
            ("deepseek-chat", "deepseek"),
            ("grok-4", "xai"),
            ("command-r-plus", "cohere"),
            ("Anthropic", "anthropic"),
            ("groq/llama-3.1-8b", "meta"),
            ("own-model-3", "own"),
            ("commander-7b", "commander"),
        ] {
            assert_eq!(model_family(model).as_deref(), Some(family), "{model}");
        }
        assert_eq!(model_family("123"), None);
        assert_eq!(model_family(""), None);
    }

    proptest! {
        #[test]
        fn any_name_has_one_family_or_none(name in any::<String>()) {
            prop_assert!(model_family(&name).is_none_or(|family| !family.is_empty()));
        }
    }
}
