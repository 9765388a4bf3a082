//! What is looked at, as it is written.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, secrets::SecretKey};

/// What is looked at: exactly one of http and tcp.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.http) != has(self.tcp)").message("expected exactly one of http and tcp"))]
pub struct Probe {
    /// An HTTP or HTTPS request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpProbe")]
    pub http: Option<HttpProbe>,
    /// A TCP connection, optionally with a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TcpProbe")]
    pub tcp: Option<TcpProbe>,
}

/// An HTTP or HTTPS request, and what the answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The address, http or https. Credentials are never part of it; they stand in a header with a secretRef.
    #[schemars(schema_with = "schema::http_url")]
    pub url: String,
    /// The method of the first request.
    #[serde(default)]
    pub method: Method,
    /// Headers of the first request. To another origin after a redirect only the plain ones are sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub headers: Vec<Header>,
    /// The body of the first request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "schema::text::<65536>")]
    pub body: String,
    /// How the TLS peer is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Tls")]
    pub tls: Option<Tls>,
    /// Whether a 3xx answer with a Location is followed.
    #[serde(default)]
    pub redirects: Redirects,
    /// What the answer must be.
    #[serde(default)]
    pub expect: Expect,
}

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// OPTIONS.
    Options,
}

/// A request header: exactly one of value and secretRef.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.secretRef)").message("expected exactly one of value and secretRef"))]
pub struct Header {
    /// The header's name.
    #[schemars(schema_with = "header_name")]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "header_value")]
    pub value: Option<String>,
    /// The Secret's key that holds the whole value, such as "Bearer …". The Secret carries the label firstline.dev/use: probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub secret_ref: Option<SecretKey>,
}

/// How a TLS peer is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// PEM certificates to trust instead of the system's. The Secret carries the label firstline.dev/use: probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretKey")]
    pub ca_secret_ref: Option<SecretKey>,
    /// The name to ask for and to check, instead of the target's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<253>")]
    pub server_name: Option<String>,
    /// Whether a bad certificate is only reported, and is no failure.
    #[serde(default)]
    pub insecure_skip_verify: bool,
    /// CertificateExpiry fires, as a ticket, when the certificate is valid for fewer days than this.
    #[serde(default = "min_days_left")]
    #[schemars(range(min = 0, max = 365))]
    pub min_days_left: u32,
}

/// What happens on a 3xx answer with a Location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirects {
    /// Whether it is followed; otherwise the 3xx answer itself is judged.
    #[serde(default = "yes")]
    pub follow: bool,
    /// How many are followed at most.
    #[serde(default = "max_redirects")]
    #[schemars(range(min = 1, max = 20))]
    pub max: u32,
}

impl Default for Redirects {
    fn default() -> Self {
        Self { follow: true, max: max_redirects() }
    }
}

/// What an HTTP answer must be. Every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expect {
    /// Status codes and ranges of them; one must contain the answer's: 204, 200-299.
    #[serde(default = "success")]
    #[schemars(schema_with = "status_ranges")]
    pub status: Vec<String>,
    /// Headers that must be there and match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub headers: Vec<HeaderExpect>,
    /// What the body must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BodyExpect")]
    pub body: Option<BodyExpect>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { status: success(), headers: Vec::new(), body: None }
    }
}

/// A header that must be there and match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderExpect {
    /// The header's name.
    #[schemars(schema_with = "header_name")]
    pub name: String,
    /// A regular expression that must be found somewhere in one of its values.
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub matches: String,
}

/// What a body must be. Every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BodyExpect {
    /// Text that must occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub contains: Option<String>,
    /// A regular expression that must be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub matches: Option<String>,
    /// A regular expression that must not be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub not_matches: Option<String>,
    /// How much of the body is read (1KiB to 16MiB): a number with B, KiB or MiB.
    #[serde(default = "max_bytes")]
    #[schemars(schema_with = "bytes")]
    pub max_bytes: String,
}

/// A TCP connection, and a conversation on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpProbe {
    /// host:port; an IPv6 address stands in brackets.
    #[schemars(schema_with = "schema::host_port")]
    pub address: String,
    /// TLS right after connecting, and how the peer is judged. Absent: plain TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Tls")]
    pub tls: Option<Tls>,
    /// What is said and what must be answered, in order. Empty: connecting is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub script: Vec<ScriptLine>,
}

/// One line of a conversation: exactly one of send and expect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.send) != has(self.expect)").message("expected exactly one of send and expect"))]
pub struct ScriptLine {
    /// Sent as written, followed by CR LF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub send: Option<String>,
    /// A regular expression. Lines are read until one matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<1024>")]
    pub expect: Option<String>,
}

fn min_days_left() -> u32 {
    domain::probe::TlsSettings::MIN_DAYS_LEFT
}

fn yes() -> bool {
    true
}

fn max_redirects() -> u32 {
    10
}

fn success() -> Vec<String> {
    vec!["200-299".into()]
}

fn max_bytes() -> String {
    "1MiB".into()
}

fn header_name(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 128, "pattern": schema::HEADER_NAME})
}

fn header_value(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 4096, "pattern": schema::HEADER_VALUE})
}

fn status_ranges(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "string", "maxLength": 7, "pattern": schema::STATUS_RANGE}})
}

fn bytes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 16, "pattern": schema::BYTES})
}
