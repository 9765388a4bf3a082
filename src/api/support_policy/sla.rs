//! What is promised for tickets of each priority.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::NotifyTarget;
use crate::schema;

/// The promises for tickets of one priority, in working time. Units are h, m and s: a day would be 24 hours to one
/// reader and a working day to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.firstResponse) || has(self.nextResponse) || has(self.update) || has(self.resolution)")
    .message("expected at least one of firstResponse, nextResponse, update and resolution"))]
pub struct SlaTarget {
    /// P1 to P5.
    #[schemars(schema_with = "schema::priority")]
    pub priority: String,
    /// The calendar whose working time counts; "always" is round the clock.
    #[schemars(schema_with = "schema::name")]
    pub calendar: String,
    /// From the beginning to the first public answer by a person (1s to 8760h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::working_time")]
    pub first_response: Option<String>,
    /// From each later message of the requester to its answer (1s to 8760h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::working_time")]
    pub next_response: Option<String>,
    /// From one public answer to the next, until it is resolved (1s to 8760h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::working_time")]
    pub update: Option<String>,
    /// From the beginning to Resolved (1s to 8760h).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::working_time")]
    pub resolution: Option<String>,
    /// Who hears of warnings. Empty: the assignee, else the channel of the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub on_warn: Vec<NotifyTarget>,
    /// Who hears of a breach. Empty: the assignee, else the channel of the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub on_breach: Vec<NotifyTarget>,
}

/// Which tickets a change of the promises concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ApplyTo {
    /// Those that begin after it; the others keep the promises they began with.
    #[default]
    NewTickets,
    /// Those that are open as well; time so far is carried over.
    Running,
}
