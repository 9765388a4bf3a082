//! Silence: matchers that are muted until a mandatory end, with an owner and a reason.

mod validate;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::validate;

use crate::{conditions::Condition, schema};

/// Matchers that are muted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "Silence",
    plural = "silences",
    singular = "silence",
    shortname = "sil",
    category = "firstline",
    namespaced,
    status = "SilenceStatus",
    derive = "PartialEq",
    doc = "Alerts that nobody is paged for until a mandatory end, with an owner and a reason. It acts in its own namespace, in the operator's namespace everywhere.",
    printcolumn(name = "Active", type_ = "boolean", json_path = ".status.active"),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.endsAt"),
    printcolumn(name = "Author", type_ = "string", json_path = ".spec.author"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.endsAt > self.startsAt").message("expected endsAt after startsAt").field_path(".endsAt"))]
#[x_kube(validation = Rule::new("self.endsAt - self.startsAt <= duration('720h')").message("expected at most 30 days between startsAt and endsAt").field_path(".endsAt"))]
#[x_kube(validation = Rule::new("self.matchers == oldSelf.matchers && self.startsAt == oldSelf.startsAt && self.reason == oldSelf.reason && has(self.author) == has(oldSelf.author) && (!has(self.author) || self.author == oldSelf.author)")
    .message("only endsAt may change; end this silence and create another"))]
pub struct SilenceSpec {
    /// Alertmanager matchers on alert labels, such as service="checkout"; all must hold.
    #[schemars(schema_with = "schema::some_matchers")]
    pub matchers: Vec<String>,
    /// From here.
    #[schemars(schema_with = "schema::instant")]
    pub starts_at: Timestamp,
    /// Up to here; at most 30 days after startsAt. The only field that may change: an earlier end expires the silence.
    #[schemars(schema_with = "schema::instant")]
    pub ends_at: Timestamp,
    /// Why, for those who wonder in the morning.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub reason: String,
    /// The Kubernetes user whose silence it is; filled in or checked at admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<256>")]
    pub author: Option<String>,
}

/// What the silence does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SilenceStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling, Stalled, and Active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Whether it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub active: Option<bool>,
    /// Until when it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub until: Option<Timestamp>,
    /// How many steps and notices it has held.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub suppressed: u32,
    /// The last 10 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub last: Vec<Suppressed>,
}

/// Something a silence has held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suppressed {
    /// The alert, for people.
    #[schemars(schema_with = "schema::text::<500>")]
    pub alert: String,
    /// When.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// What would have happened.
    #[schemars(schema_with = "schema::text::<500>")]
    pub would_have: String,
}
