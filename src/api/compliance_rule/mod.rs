//! ComplianceRule: a control that objects of the cluster are checked against.
//!
//! Only what is certain is here: what the control is called and how much it matters.

mod validate;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::validate;

use crate::{conditions::Condition, schema};

/// A control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "ComplianceRule",
    plural = "compliancerules",
    singular = "compliancerule",
    shortname = "crule",
    category = "firstline",
    namespaced,
    status = "ComplianceRuleStatus",
    derive = "PartialEq",
    doc = "A control that objects of the cluster are checked against.",
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ComplianceRuleSpec {
    /// What the control demands, in one line.
    #[schemars(schema_with = "schema::some_text::<200>")]
    pub title: String,
    /// How much a violation matters.
    #[serde(default)]
    pub severity: ControlSeverity,
    /// Why the control exists and how to fulfil it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<8192>")]
    pub description: Option<String>,
    /// Stops checking this control.
    #[serde(default)]
    pub suspend: bool,
}

/// How much a violation matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ControlSeverity {
    /// Worth knowing.
    Low,
    /// To be mended in the course of work.
    #[default]
    Medium,
    /// To be mended soon.
    High,
    /// To be mended now.
    Critical,
}

/// What became of the control.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComplianceRuleStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}
