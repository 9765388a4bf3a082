//! Ways to send messages, as they are written.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    schema,
    secrets::{SecretKey, SecretName},
};

/// A way to tell people: exactly one of email and webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.email) != has(self.webhook)").message("expected exactly one of email and webhook"))]
pub struct Channel {
    /// The name used in rules, steps and last resort.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// Mail through a submission server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EmailChannel")]
    pub email: Option<EmailChannel>,
    /// An HTTP POST of JSON, signed by Standard Webhooks 1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WebhookChannel")]
    pub webhook: Option<WebhookChannel>,
}

/// Mail through a submission server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.auth) || self.tls != 'None'").message("expected tls Required or Implicit with auth: credentials are not sent in plain text"))]
pub struct EmailChannel {
    /// The sender.
    #[schemars(schema_with = "schema::mail_address")]
    pub from: String,
    /// Where messages go that are for no person; needed when the channel itself is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::mail_addresses")]
    pub to: Vec<String>,
    /// The submission server: host:port.
    #[schemars(schema_with = "schema::host_port")]
    pub smarthost: String,
    /// Who we are to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EmailAuth")]
    pub auth: Option<EmailAuth>,
    /// How the connection is protected: Required (STARTTLS, or nothing is sent), Implicit (TLS from the first byte), None (plain text).
    #[serde(default)]
    pub tls: SmtpTls,
    /// PEM certificates to trust instead of the system's. The Secret carries the label firstline.dev/use: notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub ca_secret_ref: Option<SecretKey>,
    /// For one attempt (1s to 5m).
    #[serde(default = "email_timeout")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: String,
}

/// Who we are to a submission server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailAuth {
    /// A Secret with the keys username and password. It carries the label firstline.dev/use: notify.
    pub secret_ref: SecretName,
}

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum SmtpTls {
    /// STARTTLS, or nothing is sent.
    #[default]
    Required,
    /// TLS from the first byte (port 465).
    Implicit,
    /// Plain text.
    None,
}

/// An HTTP POST of JSON: exactly one of url and urlSecretRef.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.url) != has(self.urlSecretRef)").message("expected exactly one of url and urlSecretRef"))]
pub struct WebhookChannel {
    /// Where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::http_url")]
    pub url: Option<String>,
    /// The Secret's key that holds the address, when the address is itself a credential. The Secret carries the label firstline.dev/use: notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub url_secret_ref: Option<SecretKey>,
    /// The Secret's key that holds the signing secret: whsec_ and base64 of 24 to 64 bytes; several, separated by
    /// spaces, while one is being replaced. The Secret carries the label firstline.dev/use: notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub signing_secret_ref: Option<SecretKey>,
    /// PEM certificates to trust instead of the system's. The Secret carries the label firstline.dev/use: notify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub ca_secret_ref: Option<SecretKey>,
    /// For one attempt (1s to 5m).
    #[serde(default = "webhook_timeout")]
    #[schemars(schema_with = "schema::duration")]
    pub timeout: String,
}

fn email_timeout() -> String {
    "30s".into()
}

fn webhook_timeout() -> String {
    "10s".into()
}
