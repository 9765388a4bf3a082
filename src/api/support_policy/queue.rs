//! Lists of tickets that teams work off, and the priority matrix.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, ticket::Level};

/// A list of tickets that a team works off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// The name used in tickets.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The channel that hears of new tickets, and of warnings about tickets that nobody owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub channel: Option<String>,
    /// How long after Resolved a requester's message reopens the ticket (1h to 365d); later it opens a follow-up.
    #[serde(default = "reopen_within")]
    #[schemars(schema_with = "schema::duration")]
    pub reopen_within: String,
    /// How long after Resolved the ticket is Closed; longer than reopenWithin (up to 366d).
    #[serde(default = "close_after")]
    #[schemars(schema_with = "schema::duration")]
    pub close_after: String,
}

/// The priority of one pair of impact and urgency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatrixCell {
    /// How much is broken.
    pub impact: Level,
    /// How soon it must be mended.
    pub urgency: Level,
    /// P1 to P5.
    #[schemars(schema_with = "schema::priority")]
    pub priority: String,
}

fn reopen_within() -> String {
    "7d".into()
}

fn close_after() -> String {
    "8d".into()
}
