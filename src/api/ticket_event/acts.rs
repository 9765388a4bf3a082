//! The acts that carry something with them.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{schema, ticket::TicketState};

/// An answer that the requester reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    /// The text.
    #[schemars(schema_with = "schema::some_text::<16384>")]
    pub text: String,
    /// Whether a machine wrote it, as an acknowledgement of receipt. It stops no clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// What the requester wrote, recorded by whatever takes their mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequesterMessage {
    /// Who wrote: a name or an address.
    #[schemars(schema_with = "schema::some_text::<254>")]
    pub from: String,
    /// The text.
    #[schemars(schema_with = "schema::some_text::<16384>")]
    pub text: String,
    /// Whether a machine wrote it: an out-of-office notice, a bounce. It starts, resumes and reopens nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// Something to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// The text.
    #[schemars(schema_with = "schema::some_text::<16384>")]
    pub text: String,
}

/// An acknowledgement that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snooze {
    /// When it ends and a new cycle of the escalation starts: within 30 days.
    #[schemars(schema_with = "schema::instant")]
    pub until: Timestamp,
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
    /// Until when it waits, within 366 days. Needed with Scheduled. PendingRequester that ends unanswered becomes
    /// Resolved (NoResponse). Without it PendingRequester and PendingVendor are Open again after 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub until: Option<Timestamp>,
}

/// Makes the ticket more or less important.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prioritise {
    /// P1 to P5.
    #[schemars(schema_with = "schema::priority")]
    pub to: String,
    /// Why, for those who ask later.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub why: String,
}

/// Makes the ticket a part of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Merge {
    /// The other ticket, in the same namespace.
    #[schemars(schema_with = "schema::object_name")]
    pub into: String,
}

/// Makes one message of the requester a ticket of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Its place in the conversation, from 1.
    #[schemars(range(min = 1, max = 1000))]
    pub message: u32,
    /// The title of the new ticket.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub title: String,
}

/// Gives the ticket to another team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveToQueue {
    /// A queue of the policy.
    #[schemars(schema_with = "schema::name")]
    pub to: String,
}

/// Says that the requester's message needs no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoAnswerNeeded {
    /// Why.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub why: String,
}

/// Runs a step of the escalation now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Escalate {
    /// Which, from 1.
    #[schemars(range(min = 1, max = 20))]
    pub step: u32,
}

/// What the requester thinks of how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// How content they are, from 1 (not at all) to 5.
    #[schemars(range(min = 1, max = 5))]
    pub score: u8,
    /// How much trouble it was to get help, from 1 (none) to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(min = 1, max = 5))]
    pub effort: Option<u8>,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<2000>")]
    pub comment: Option<String>,
}
