//! OnCallOverride: somebody takes a shift from … to …, above all layers of a schedule.

mod validate;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::validate;

use crate::{conditions::Condition, schema};

/// A shift that somebody takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "OnCallOverride",
    plural = "oncalloverrides",
    singular = "oncalloverride",
    shortname = "oco",
    category = "firstline",
    namespaced,
    status = "OnCallOverrideStatus",
    derive = "PartialEq",
    doc = "Somebody takes over a schedule of a SupportPolicy of the same namespace from … to …, whatever its layers say. It is written by people, not in Git; of two the later created counts.",
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.schedule"),
    printcolumn(name = "Person", type_ = "string", json_path = ".spec.person"),
    printcolumn(name = "Active", type_ = "boolean", json_path = ".status.active"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from", priority = 1),
    printcolumn(name = "Until", type_ = "string", json_path = ".spec.until"),
    printcolumn(name = "Replaces", type_ = "string", json_path = ".spec.replaces", priority = 1),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policy", priority = 1),
    printcolumn(name = "Author", type_ = "string", json_path = ".spec.author"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.until > self.from").message("expected until after from").field_path(".until"))]
#[x_kube(validation = Rule::new("self.until - self.from <= duration('8784h')").message("expected at most 366 days between from and until").field_path(".until"))]
#[x_kube(validation = Rule::new("!has(self.replaces) || self.replaces != self.person").message("expected replaces to be somebody else than person").field_path(".replaces"))]
#[x_kube(validation = Rule::new("self.policy == oldSelf.policy && self.schedule == oldSelf.schedule && self.person == oldSelf.person && has(self.replaces) == has(oldSelf.replaces) && (!has(self.replaces) || self.replaces == oldSelf.replaces) && self.from == oldSelf.from && self.reason == oldSelf.reason && has(self.author) == has(oldSelf.author) && (!has(self.author) || self.author == oldSelf.author)")
    .message("only until may change; end this override and create another"))]
pub struct OnCallOverrideSpec {
    /// The SupportPolicy whose schedule it is, of the same namespace.
    #[schemars(schema_with = "schema::object_name")]
    pub policy: String,
    /// The schedule of that policy.
    #[schemars(schema_with = "schema::name")]
    pub schedule: String,
    /// Who takes over: a person of that policy.
    #[schemars(schema_with = "schema::name")]
    pub person: String,
    /// Only while this person would be on call; absent: whoever would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub replaces: Option<String>,
    /// From here.
    #[schemars(schema_with = "schema::instant")]
    pub from: Timestamp,
    /// Up to but not including here; at most 366 days after from. The only field that may change: an earlier end gives
    /// the shift back.
    #[schemars(schema_with = "schema::instant")]
    pub until: Timestamp,
    /// Why, for those who wonder.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub reason: String,
    /// The Kubernetes user who made it; filled in or checked at admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<256>")]
    pub author: Option<String>,
}

/// Whether the override counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnCallOverrideStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling, Stalled, and Active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Whether its time has come and is not over, and its policy knows its schedule and its people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub active: Option<bool>,
}
