//! Kubeconfig files: who talks to the API server, and how.

use std::{fs, path::PathBuf};

use anyhow::Result;
use serde_json::json;

/// Who a kubeconfig speaks as.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Bearer token.
    pub token: String,
    /// User and groups to impersonate; needs a token that may do so.
    pub acting_as: Option<(String, Vec<String>)>,
}

/// Writes a kubeconfig (JSON is YAML) into `path`, readable by us alone.
pub(super) fn write(path: PathBuf, server: &str, ca_pem: &str, identity: &Identity) -> Result<PathBuf> {
    use base64::Engine as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut user = json!({ "token": identity.token });
    if let Some((name, groups)) = &identity.acting_as {
        user["as"] = json!(name);
        user["as-groups"] = json!(groups);
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "local", "cluster": {
            "server": server,
            "certificate-authority-data": base64::engine::general_purpose::STANDARD.encode(ca_pem),
        }}],
        "users": [{ "name": "user", "user": user }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": "user", "namespace": "default" } }],
        "current-context": "local",
    });
    let file = fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
    serde_json::to_writer_pretty(file, &config)?;
    Ok(path)
}
