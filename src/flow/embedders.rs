//! Builds the embedder that a workspace defines.

use crate::core::domain::Failure;
use crate::edge::config::{ModelDefinition, Secrets, ServerDefinition, WorkspaceConfig};
use crate::edge::embed::{EmbedderSettings, ModelSettings, Prepared, RemoteSettings, open};
use crate::edge::net::{ClientOptions, RetryPolicy, client};

/// The embedder `name` of a workspace; nothing is sent anywhere yet.
///
/// # Errors
/// A data failure for one that is not defined, or whose model or secrets are missing.
pub(super) fn build(workspace: &WorkspaceConfig, secrets: &Secrets, name: &str) -> Result<Prepared, Failure> {
    let Some(definition) = workspace.embedders.get(name) else {
        let known: Vec<&str> = workspace.embedders.keys().map(String::as_str).collect();
        return Err(Failure::data(format!("there is no embedder \"{name}\" in karat.yaml"))
            .hint(format!("defined are {}", known.join(", "))));
    };
    let model = match &definition.model {
        ModelDefinition::Builtin => ModelSettings::Builtin,
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

fn remote_model(secrets: &Secrets, name: &str, server: &ServerDefinition) -> Result<ModelSettings, Failure> {
    let expand = |part: &str, text: &str| secrets.expand(&format!("embedders.{name}.{part}"), text);
    let headers = server
        .headers
        .iter()
        .map(|(header, value)| Ok((header.clone(), expand(&format!("headers.{header}"), value)?.into())))
        .collect::<Result<_, Failure>>()?;
    let settings = RemoteSettings {
        name: name.to_owned(),
        base_url: expand("base_url", &server.base_url)?,
        model: expand("model", &server.model)?,
        api_key: server.api_key.as_ref().map(|text| expand("api_key", text).map(Into::into)).transpose()?,
        headers,
        dimensions: server.dimensions,
        batch: server.batch,
        requests_per_minute: server.requests_per_minute,
        timeout: server.timeout,
        retry: RetryPolicy { max_retries: server.max_retries, ..RetryPolicy::default() },
    };
    let http = client(&ClientOptions::for_attempts_of(server.timeout), &settings.base_url)?;
    Ok(ModelSettings::Remote(Box::new(settings), http))
}
