//! TicketEvent: one append-only act on a ticket.

mod validate;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use validate::validate;

use crate::{conditions::Condition, schema, ticket::TicketState};

/// One act on a ticket: exactly one of acknowledge, unacknowledge, note, assign and state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "TicketEvent",
    plural = "ticketevents",
    singular = "ticketevent",
    shortname = "tke",
    category = "firstline",
    namespaced,
    status = "TicketEventStatus",
    derive = "PartialEq",
    selectable = ".spec.ticket",
    doc = "One append-only act on a ticket: acknowledge, note, assign, state. It never changes once it was created.",
    printcolumn(name = "Ticket", type_ = "string", json_path = ".spec.ticket"),
    printcolumn(name = "Author", type_ = "string", json_path = ".spec.author"),
    printcolumn(name = "Act", type_ = "string", json_path = ".status.act"),
    printcolumn(name = "Accepted", type_ = "boolean", json_path = ".status.accepted"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("an event never changes; create another"))]
#[x_kube(validation = Rule::new("(has(self.acknowledge) ? 1 : 0) + (has(self.unacknowledge) ? 1 : 0) + (has(self.note) ? 1 : 0) + (has(self.assign) ? 1 : 0) + (has(self.state) ? 1 : 0) == 1")
    .message("expected exactly one of acknowledge, unacknowledge, note, assign and state"))]
pub struct TicketEventSpec {
    /// The ticket's name, in the same namespace.
    #[schemars(schema_with = "schema::object_name")]
    pub ticket: String,
    /// The Kubernetes user whose act it is; filled in or checked at admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<256>")]
    pub author: Option<String>,
    /// When it happened, when that was before it was written down. Only who may name another author may set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub occurred_at: Option<Timestamp>,
    /// Takes the ticket: its escalation stops. Only true can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub acknowledge: Option<bool>,
    /// Gives the ticket back: a new cycle of its escalation starts. Only true can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub unacknowledge: Option<bool>,
    /// Something to remember, for those who work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Note")]
    pub note: Option<Note>,
    /// Gives the ticket to somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Assign")]
    pub assign: Option<Assign>,
    /// Moves the ticket to another state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StateChange")]
    pub state: Option<StateChange>,
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The text.
    #[schemars(schema_with = "schema::some_text::<16384>")]
    pub text: String,
}

/// Gives the ticket to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assign {
    /// A person of the policy.
    #[schemars(schema_with = "schema::name")]
    pub to: String,
}

/// Moves the ticket to another state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateChange {
    /// The new state.
    pub to: TicketState,
    /// Why, for people and, on Resolved and Closed, one of Completed, NotPlanned, Duplicate, NoResponse, Spam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<500>")]
    pub reason: Option<String>,
}

/// What became of the act.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketEventStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Whether it counts. Absent: not judged yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub accepted: Option<bool>,
    /// Its place among the events of its ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = schema::MAX_INT64))]
    pub sequence: Option<i64>,
    /// Why it was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub reason: Option<String>,
    /// What it does, in a word or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<100>")]
    pub act: Option<String>,
}
