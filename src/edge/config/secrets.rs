//! `${NAME}` references, resolved from the environment and then from `.env`. Values go into requests only.

use std::collections::HashMap;
use std::path::Path;

use secrecy::SecretString;

use crate::core::domain::Failure;

/// Resolves references. The environment wins over `.env`.
#[derive(Default)]
pub struct Secrets {
    dotenv: HashMap<String, SecretString>,
}

impl Secrets {
    /// Reads `.env` beside `karat.yaml`, where there is one.
    ///
    /// # Errors
    /// A data failure naming the file, where it cannot be read; never with a line's text.
    pub fn load(root: &Path) -> Result<Self, Failure> {
        let path = root.join(".env");
        if !path.exists() {
            return Ok(Self::default());
        }
        let fail = || Failure::data(format!("cannot read {}", path.display())).hint("each line must be NAME=value");
        let mut dotenv = HashMap::new();
        for entry in dotenvy::from_path_iter(&path).map_err(|_| fail())? {
            let (name, value) = entry.map_err(|_| fail())?;
            dotenv.insert(name, value.into());
        }
        Ok(Self { dotenv })
    }

    /// Replaces every `${NAME}` in `text`. `key` says where the text stands, for the error.
    ///
    /// # Errors
    /// A data failure naming the key and the variable that is not set.
    pub fn expand(&self, key: &str, text: &str) -> Result<String, Failure> {
        use secrecy::ExposeSecret;
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let after = &rest[start + 2..];
            let Some(end) = after.find('}') else {
                return Err(Failure::data(format!("karat.yaml: {key} has \"${{\" without \"}}\"")));
            };
            let name = &after[..end];
            out.push_str(&rest[..start]);
            match (std::env::var(name), self.dotenv.get(name)) {
                (Ok(value), _) => out.push_str(&value),
                (Err(_), Some(value)) => out.push_str(value.expose_secret()),
                (Err(_), None) => {
                    return Err(Failure::data(format!(
                        "karat.yaml: {key} needs the variable {name}, which is not set"
                    ))
                    .hint(format!("export {name}=… or write it to .env beside karat.yaml")));
                }
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Refuses a secret written out in a file.
///
/// # Errors
/// A data failure naming the key.
pub(super) fn require_reference(path: &Path, key: &str, value: &str) -> Result<(), Failure> {
    if value.contains("${") {
        return Ok(());
    }
    Err(Failure::data(format!("{}: {key} holds a secret written out", path.display())).hint(format!(
        "write \"{key}: ${{MY_API_KEY}}\" and put the value into the environment or .env, which git must not see"
    )))
}

/// Whether a header's name says that its value is a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie", "password"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_a_missing_one_is_named() {
        let mut secrets = Secrets::default();
        secrets.dotenv.insert("KARAT_TEST_A".into(), "one".to_owned().into());
        assert_eq!(secrets.expand("k", "x-${KARAT_TEST_A}-y").unwrap(), "x-one-y");
        assert_eq!(secrets.expand("k", "plain").unwrap(), "plain");
        let failure = secrets.expand("endpoints.m.api_key", "${KARAT_TEST_MISSING}").unwrap_err();
        assert_eq!(
            failure.message,
            "karat.yaml: endpoints.m.api_key needs the variable KARAT_TEST_MISSING, which is not set"
        );
        assert!(secrets.expand("k", "${OPEN").is_err());
    }

    #[test]
    fn a_secret_written_out_is_refused_without_showing_it() {
        let failure = require_reference(Path::new("karat.yaml"), "api_key", "sk-live-123").unwrap_err();
        assert!(!format!("{failure:?}").contains("sk-live"), "{failure:?}");
        assert!(is_secret_name("X-Api-Key") && !is_secret_name("X-Team"));
    }
}
