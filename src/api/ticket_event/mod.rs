//! TicketEvent: one append-only act on a ticket.

mod acts;
mod validate;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use acts::{
    Assign, Escalate, Feedback, Merge, MoveToQueue, NoAnswerNeeded, Note, Prioritise, Reply, RequesterMessage, Snooze,
    Split, StateChange,
};
pub use validate::{act, validate};

use crate::{conditions::Condition, schema, ticket::Link};

/// One act on a ticket: exactly one of reply, message, note, acknowledge, unacknowledge, snooze, assign, state, priority, link, merge, split, queue, noAnswerNeeded, escalate and feedback.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, CustomResource, KubeSchema)]
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
    doc = "One append-only act on a ticket: a reply, a note, acknowledge, assign, state and so on. It never changes once it was created.",
    printcolumn(name = "Ticket", type_ = "string", json_path = ".spec.ticket"),
    printcolumn(name = "Author", type_ = "string", json_path = ".spec.author"),
    printcolumn(name = "Act", type_ = "string", json_path = ".status.act"),
    printcolumn(name = "Accepted", type_ = "boolean", json_path = ".status.accepted"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("an event never changes; create another"))]
#[x_kube(validation = Rule::new("(has(self.reply) ? 1 : 0) + (has(self.message) ? 1 : 0) + (has(self.note) ? 1 : 0) + (has(self.acknowledge) ? 1 : 0) + (has(self.unacknowledge) ? 1 : 0) + (has(self.snooze) ? 1 : 0) + (has(self.assign) ? 1 : 0) + (has(self.state) ? 1 : 0) + (has(self.priority) ? 1 : 0) + (has(self.link) ? 1 : 0) + (has(self.merge) ? 1 : 0) + (has(self.split) ? 1 : 0) + (has(self.queue) ? 1 : 0) + (has(self.noAnswerNeeded) ? 1 : 0) + (has(self.escalate) ? 1 : 0) + (has(self.feedback) ? 1 : 0) == 1")
    .message("expected exactly one of reply, message, note, acknowledge, unacknowledge, snooze, assign, state, priority, link, merge, split, queue, noAnswerNeeded, escalate and feedback"))]
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
    /// Answers the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Reply")]
    pub reply: Option<Reply>,
    /// Records what the requester wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RequesterMessage")]
    pub message: Option<RequesterMessage>,
    /// Something to remember, for those who work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Note")]
    pub note: Option<Note>,
    /// Takes the ticket: its escalation stops. Only true can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub acknowledge: Option<bool>,
    /// Gives the ticket back: a new cycle of its escalation starts. Only true can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub unacknowledge: Option<bool>,
    /// Takes the ticket until some time: then a new cycle of its escalation starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Snooze")]
    pub snooze: Option<Snooze>,
    /// Gives the ticket to somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Assign")]
    pub assign: Option<Assign>,
    /// Moves the ticket to another state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "StateChange")]
    pub state: Option<StateChange>,
    /// Makes the ticket more or less important.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Prioritise")]
    pub priority: Option<Prioritise>,
    /// Says that the ticket has to do with another one, or with a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Link")]
    pub link: Option<Link>,
    /// Makes the ticket a part of another one; this one is Closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Merge")]
    pub merge: Option<Merge>,
    /// Makes one message of the requester a ticket of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Split")]
    pub split: Option<Split>,
    /// Gives the ticket to another team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "MoveToQueue")]
    pub queue: Option<MoveToQueue>,
    /// Says that the requester's message needs no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NoAnswerNeeded")]
    pub no_answer_needed: Option<NoAnswerNeeded>,
    /// Runs a step of the escalation now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Escalate")]
    pub escalate: Option<Escalate>,
    /// What the requester thinks of how it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Feedback")]
    pub feedback: Option<Feedback>,
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
    /// Why it was not accepted, or what is done beyond the ticket: which ticket a message was carried to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub reason: Option<String>,
    /// When it happened by the clock of the operator that judged it, where that and the API server's, by which the
    /// event is dated, did not agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub at: Option<Timestamp>,
    /// What it does, in a word or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<100>")]
    pub act: Option<String>,
}
