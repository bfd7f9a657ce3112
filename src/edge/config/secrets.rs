//! `${NAME}` references, resolved from the environment first and then from `.env`. Their values are used in requests
//! only.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use crate::core::domain::Failure;
use crate::core::privacy::{Mask, names_a_secret};
use crate::edge::yaml::{Fault, Mapping, Reader};

/// Resolves references; the environment takes precedence over `.env`. Remembers the secrets it has returned, so that
/// they can be masked wherever they reappear.
#[derive(Default)]
pub struct Secrets {
    dotenv: HashMap<String, SecretString>,
    given: Mutex<Vec<SecretString>>,
}

impl Secrets {
    /// Reads `.env` next to `karat.yaml`, if there is one.
    ///
    /// # Errors
    /// A data failure that names the file if it cannot be read; it never repeats the text of a line.
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
        Ok(Self { dotenv, given: Mutex::default() })
    }

    /// Replaces every `${NAME}` in a text that is not secret, such as a model's name. `key` is the place of the text,
    /// for the error.
    ///
    /// # Errors
    /// A data failure that names the key and the variable that is not set.
    pub fn expand(&self, key: &str, text: &str) -> Result<String, Failure> {
        self.resolve(key, text, &mut |_| ())
    }

    /// Like [`Self::expand`], for a text whose variables are secrets.
    ///
    /// # Errors
    /// As [`Self::expand`].
    pub fn expand_secret(&self, key: &str, text: &str) -> Result<String, Failure> {
        self.resolve(key, text, &mut |value| self.remember(value))
    }

    /// Like [`Self::expand`], for a URL: a variable that contains a whole URL or a host is not secret; any other one
    /// is.
    ///
    /// # Errors
    /// As [`Self::expand`].
    pub fn expand_url(&self, key: &str, text: &str) -> Result<String, Failure> {
        let is_address = |value: &str| value.contains("://") || value.contains('.') || value.starts_with("localhost");
        self.resolve(key, text, &mut |value| {
            if !is_address(value) {
                self.remember(value);
            }
        })
    }

    /// A mask of every secret returned so far.
    pub fn mask(&self) -> Mask {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        Mask::new(given.iter().map(|secret| secret.expose_secret()))
    }

    fn remember(&self, value: &str) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned().into());
    }

    /// Every variable referenced in `text` as `${NAME}`, and whether it is set.
    pub fn references(&self, text: &str) -> Vec<(String, bool)> {
        let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name.to_owned()));
        names.map(|name| (name.clone(), std::env::var(&name).is_ok() || self.dotenv.contains_key(&name))).collect()
    }

    fn resolve(&self, key: &str, text: &str, given: &mut dyn FnMut(&str)) -> Result<String, Failure> {
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
                (Ok(value), _) => {
                    given(&value);
                    out.push_str(&value);
                }
                (Err(_), Some(value)) => {
                    given(value.expose_secret());
                    out.push_str(value.expose_secret());
                }
                (Err(_), None) => {
                    return Err(Failure::data(format!(
                        "karat.yaml: {key} needs the variable {name}, which is not set"
                    ))
                    .hint(format!("export {name}=… or write it to .env next to karat.yaml")));
                }
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// Refuses literal secrets in a file: an `api_key`, or a header whose name suggests that it carries a secret.
///
/// # Errors
/// A fault that names the key, without its value.
pub(super) fn require_references(keys: Mapping<'_>) -> Result<(), Fault> {
    if let Some(value) = keys.get("api_key") {
        require_reference("api_key", value).map_err(|fault| fault.under("api_key"))?;
    }
    for (header, value) in keys.get("headers").and_then(Reader::mapping).into_iter().flat_map(Mapping::iter) {
        if names_a_secret(header) {
            require_reference(header, value).map_err(|fault| fault.under(header).under("headers"))?;
        }
    }
    Ok(())
}

fn require_reference(key: &str, value: Reader<'_>) -> Result<(), Fault> {
    if value.read::<String>()?.contains("${") {
        return Ok(());
    }
    Err(value.fault("contains a literal secret").hint(format!(
        "write \"{key}: ${{MY_API_KEY}}\" and set the variable in the environment or in .env; never commit .env"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::yaml::Document;

    #[test]
    fn references_are_replaced_and_a_missing_variable_is_named() {
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
    fn returned_secrets_are_masked_but_addresses_and_models_are_not() {
        let mut secrets = Secrets::default();
        for (name, value) in
            [("KEY", "canary-key"), ("PATHPART", "canary-path"), ("HOST", "api.example.org"), ("MODEL", "gpt-x")]
        {
            secrets.dotenv.insert(format!("KARAT_TEST_{name}"), value.to_owned().into());
        }
        secrets.expand_secret("k", "Bearer ${KARAT_TEST_KEY}").unwrap();
        secrets.expand_url("k", "https://${KARAT_TEST_HOST}/${KARAT_TEST_PATHPART}/v1").unwrap();
        secrets.expand("k", "${KARAT_TEST_MODEL}").unwrap();
        let said = "gpt-x at api.example.org/canary-path said canary-key";
        assert_eq!(secrets.mask().text(said), "gpt-x at api.example.org/*** said ***");
        assert_eq!(
            secrets.references("${KARAT_TEST_KEY} ${KARAT_TEST_NO}"),
            [("KARAT_TEST_KEY".to_owned(), true), ("KARAT_TEST_NO".to_owned(), false)]
        );
    }

    #[test]
    fn a_literal_secret_is_refused_without_showing_it() {
        for text in ["api_key: sk-live-123", "headers: {X-Api-Key: sk-live-123}"] {
            let document = Document::parse(text.to_owned(), Path::new("karat.yaml")).unwrap();
            let fault = require_references(document.root().mapping().unwrap()).unwrap_err();
            assert!(fault.to_string().ends_with(" contains a literal secret"), "{fault}");
            assert!(!format!("{fault:?}").contains("sk-live"), "{fault:?}");
        }
    }
}
