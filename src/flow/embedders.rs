//! Builds the embedder that a workspace defines.

use std::sync::Arc;

use crate::core::domain::{Failure, did_you_mean};
use crate::edge::config::{ModelDefinition, Secrets, ServerDefinition, WorkspaceConfig};
use crate::edge::embed::{Connection, EmbedderSettings, ModelSettings, Prepared, RemoteSettings, embeddings_url, open};
use crate::edge::net::{ClientOptions, RetryPolicy, client};

/// Builds the embedder `name` of a workspace. Nothing is sent yet, and a server's secrets are only needed once it is.
///
/// # Errors
/// A data failure if it is not defined, or its model is missing.
pub(super) fn build(workspace: &WorkspaceConfig, secrets: &Arc<Secrets>, name: &str) -> Result<Prepared, Failure> {
    let Some(definition) = workspace.embedders.get(name) else {
        let known: Vec<&str> = workspace.embedders.keys().map(String::as_str).collect();
        return Err(Failure::data(format!("there is no embedder \"{name}\" in karat.yaml")).hint(did_you_mean(
            name,
            &known,
            "defined are",
        )));
    };
    let model = match &definition.model {
        ModelDefinition::Builtin => ModelSettings::Builtin,
        ModelDefinition::Minilm => ModelSettings::Minilm,
        ModelDefinition::HashedNgrams => ModelSettings::HashedNgrams,
        ModelDefinition::Model2Vec(folder) => ModelSettings::Model2Vec(folder.clone()),
        ModelDefinition::Bert(folder, max_tokens) => ModelSettings::Bert(folder.clone(), *max_tokens),
        ModelDefinition::OpenAi(server) => remote_model(secrets, name, server)?,
    };
    open(EmbedderSettings {
        model,
        prefix: definition.prefix.clone(),
        revision: definition.revision.clone(),
        text: definition.text.clone(),
    })
}

fn remote_model(secrets: &Arc<Secrets>, name: &str, server: &ServerDefinition) -> Result<ModelSettings, Failure> {
    if secrets.references(&server.base_url).is_empty() {
        embeddings_url(name, &server.base_url)?;
    }
    let settings = RemoteSettings {
        name: name.to_owned(),
        model: secrets.expand(&format!("embedders.{name}.model"), &server.model)?,
        dimensions: server.dimensions,
        batch: server.batch,
        requests_per_minute: server.requests_per_minute,
        timeout: server.timeout,
        retry: RetryPolicy { max_retries: server.max_retries, ..RetryPolicy::default() },
    };
    let (secrets, server, key) = (Arc::clone(secrets), server.clone(), format!("embedders.{name}"));
    let open = move || {
        let secret = |part: &str, text: &str| secrets.expand_secret(&format!("{key}.{part}"), text).map(Into::into);
        let header = |(name, text): (&String, &String)| Ok((name.clone(), secret(&format!("headers.{name}"), text)?));
        let headers = server.headers.iter().map(header).collect::<Result<_, Failure>>()?;
        let api_key = server.api_key.as_ref().map(|text| secret("api_key", text)).transpose()?;
        let base_url = secrets.expand_url(&format!("{key}.base_url"), &server.base_url)?;
        Ok::<_, Failure>((base_url, api_key, headers, secrets.mask()))
    };
    // Masks the key from now on, also in text from other servers. If it is not set, embedding reports that later.
    let _ = open();
    let timeout = settings.timeout;
    let connect = move || {
        let (base_url, api_key, headers, mask) = open()?;
        let client = client(&ClientOptions::for_attempts_of(timeout), &base_url)?;
        Ok(Connection { client, base_url, api_key, headers, mask })
    };
    Ok(ModelSettings::Remote(Box::new(settings), Arc::new(connect)))
}
