//! Kubeconfig files: who talks to the API server, and how.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Who a kubeconfig that is made from the administrator's speaks as.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// Whoever has this bearer token.
    Token(String),
    /// The administrator impersonates a person.
    Person {
        /// The user's name.
        user: String,
        /// Groups; `system:authenticated` is added by the server.
        groups: Vec<String>,
    },
}

/// Writes the administrator's kubeconfig.
pub(super) fn write_admin(path: &Path, server: &str, ca_pem: &str, token: &str) -> Result<()> {
    use base64::Engine as _;
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "local", "cluster": {
            "server": server,
            "certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(ca_pem),
        }}],
        "users": [{ "name": "user", "user": { "token": token } }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": "user", "namespace": "default" } }],
        "current-context": "local",
    });
    write_private(path, &config)
}

/// Writes the administrator's kubeconfig again, as somebody else's.
pub(super) fn derive(admin: &Path, path: &Path, identity: &Identity) -> Result<()> {
    let mut config: Value = serde_json::from_slice(&fs::read(admin)?)?;
    let user = config.pointer_mut("/users/0/user").context("the administrator's kubeconfig has no user")?;
    match identity {
        Identity::Token(token) => *user = json!({ "token": token }),
        Identity::Person { user: name, groups } => {
            user["as"] = json!(name);
            user["as-groups"] = json!(groups);
        }
    }
    write_private(path, &config)
}

/// JSON is YAML. Readable by us alone.
pub(super) fn write_private(path: &Path, config: &Value) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    Ok(serde_json::to_writer_pretty(file, config)?)
}
