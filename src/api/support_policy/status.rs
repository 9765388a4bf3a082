//! What the operator understood of a policy, and who is on call by it.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{conditions::Condition, schema};

/// What the operator understood, and who is on call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportPolicyStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Who is on call in each schedule, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub on_call_summary: Option<String>,
    /// Who is on call in each schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub on_call: Vec<OnCall>,
    /// The first 20 times in the next 90 days when nobody is on call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub gaps: Vec<Gap>,
    /// How many such times there are.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub gap_count: u32,
    /// How much of the policy is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Accepted")]
    pub accepted: Option<Accepted>,
}

/// Who is on call in a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnCall {
    /// The schedule.
    #[schemars(schema_with = "schema::text::<63>")]
    pub schedule: String,
    /// Who is on call; absent when nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub now: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub until: Option<Timestamp>,
    /// Who comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub next: Option<String>,
}

/// A time when nobody is on call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// The schedule.
    #[schemars(schema_with = "schema::text::<63>")]
    pub schedule: String,
    /// From.
    #[schemars(schema_with = "schema::instant")]
    pub from: Timestamp,
    /// Up to but not including.
    #[schemars(schema_with = "schema::instant")]
    pub to: Timestamp,
}

/// How much of a policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Routes.
    #[serde(default)]
    #[schemars(range(min = 0, max = 200))]
    pub routes: u32,
    /// Schedules.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50))]
    pub schedules: u32,
    /// Escalations.
    #[serde(default)]
    #[schemars(range(min = 0, max = 50))]
    pub escalations: u32,
}
