//! What is known of a ticket, and what must survive a restart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{CauseStatus, EscalationStatus, Link, Severity};
use crate::{conditions::Condition, schema, ticket_event::Feedback};

/// What is known of a ticket.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)")
    .message("epoch never decreases: another operator has taken over").reason(Reason::FieldValueForbidden))]
pub struct TicketStatus {
    /// The generation of the spec that this status is about.
    #[serde(default = "crate::unobserved")]
    #[schemars(range(min = -1, max = schema::MAX_INT64))]
    pub observed_generation: i64,
    /// Ready, Reconciling, Stalled, and what is odd about this ticket: NobodyFound, EscalationExhausted, PolicyDeleted and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The number people call it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 1, max = schema::MAX_INT64))]
    pub number: Option<i64>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TicketState")]
    pub state: Option<TicketState>,
    /// Why it is Resolved or Closed: Completed, NotPlanned, Duplicate, NoResponse, Spam, Merged or Recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<500>")]
    pub reason: Option<String>,
    /// Until when it waits, in a state that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub waits_until: Option<Timestamp>,
    /// P1 to P5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::priority")]
    pub priority: Option<String>,
    /// The most severe of the alerts that fire, or fired last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Severity")]
    pub severity: Option<Severity>,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub assignee: Option<String>,
    /// Which team's list it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub queue: Option<String>,
    /// The policy it lives by, frozen when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PolicyInForce")]
    pub policy: Option<PolicyInForce>,
    /// How many leaders the operator had when this was written. Never decreases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = schema::MAX_INT64))]
    pub epoch: Option<i64>,
    /// The alerts on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AlertsStatus")]
    pub alerts: Option<AlertsStatus>,
    /// How far its escalation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EscalationStatus")]
    pub escalation: Option<EscalationStatus>,
    /// The cause that was found after somebody had been paged: the escalation waits for its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CauseStatus")]
    pub cause: Option<CauseStatus>,
    /// Who was told, and what came of it: the last 50 and all unfinished ones. Others are counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub notifications: Vec<Notification>,
    /// What those were told, and will be, whom routes notify without escalation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 201), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["route"]))]
    pub notices: Vec<super::NoticesStatus>,
    /// How many finished notifications are no longer listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NotificationCounts")]
    pub notification_counts: Option<NotificationCounts>,
    /// What the operator saw and did, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 600))]
    pub timeline: Vec<TimelineLine>,
    /// When the next clock runs out, RFC 3339 in UTC. Absent: none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<64>")]
    pub next_due: Option<String>,
    /// Ok, AtRisk, Paused, Breached or None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16>")]
    pub sla: Option<String>,
    /// Where each clock stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub clocks: Vec<ClockLine>,
    /// Promises that were broken, the last 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub breaches: Vec<BreachLine>,
    /// What was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Messages")]
    pub messages: Option<Messages>,
    /// Other tickets and pages that events linked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub links: Vec<Link>,
    /// The ticket that carries it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<253>")]
    pub merged_into: Option<String>,
    /// The ticket where its conversation goes on, because the requester wrote after its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<253>")]
    pub follow_up: Option<String>,
    /// How often it was reopened; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = 2_147_483_647))]
    pub reopens: Option<u32>,
    /// What the requester thinks of how it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Feedback")]
    pub feedback: Option<Feedback>,
    /// When something happened to it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub updated_at: Option<Timestamp>,
    /// When its last alert ended; absent while one fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub recovered_at: Option<Timestamp>,
    /// When it was resolved; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub resolved_at: Option<Timestamp>,
    /// The sequence of the last event that counts in this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64", range(min = 0, max = schema::MAX_INT64))]
    pub last_sequence: Option<i64>,
}

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TicketState {
    /// Nobody has looked at it.
    New,
    /// It is being worked on.
    Open,
    /// The requester must answer.
    PendingRequester,
    /// A vendor must answer.
    PendingVendor,
    /// It waits for a date that was agreed with the requester.
    Scheduled,
    /// Done; it comes back if the trouble does.
    Resolved,
    /// Done for good.
    Closed,
}

impl From<domain::ticket::TicketState> for TicketState {
    fn from(state: domain::ticket::TicketState) -> Self {
        use domain::ticket::TicketState as From;
        match state {
            From::New => Self::New,
            From::Open => Self::Open,
            From::PendingRequester => Self::PendingRequester,
            From::PendingVendor => Self::PendingVendor,
            From::Scheduled => Self::Scheduled,
            From::Resolved => Self::Resolved,
            From::Closed => Self::Closed,
        }
    }
}

impl From<TicketState> for domain::ticket::TicketState {
    fn from(state: TicketState) -> Self {
        match state {
            TicketState::New => Self::New,
            TicketState::Open => Self::Open,
            TicketState::PendingRequester => Self::PendingRequester,
            TicketState::PendingVendor => Self::PendingVendor,
            TicketState::Scheduled => Self::Scheduled,
            TicketState::Resolved => Self::Resolved,
            TicketState::Closed => Self::Closed,
        }
    }
}

/// The policy a ticket lives by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyInForce {
    /// The policy's namespace.
    #[schemars(schema_with = "schema::text::<63>")]
    pub namespace: String,
    /// The policy's name.
    #[schemars(schema_with = "schema::text::<253>")]
    pub name: String,
    /// The ControllerRevision in the ticket's namespace that holds it as it was.
    #[schemars(schema_with = "schema::text::<253>")]
    pub revision: String,
}

/// The alerts on a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertsStatus {
    /// How many fire.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub firing: u32,
    /// How many have ended.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub resolved: u32,
    /// At most 500; of more, those that ended go first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["fingerprint"]))]
    pub list: Vec<AlertLine>,
    /// The fingerprints of those that fire beyond the list, in order; as soon as there is room they are listed when they are told
    /// of again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "unlisted")]
    pub unlisted: Vec<String>,
    /// While there is room on the list: when those that are beyond it still are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub unlisted_until: Option<Timestamp>,
}

fn unlisted(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "maxItems": 2000, "items": super::fingerprint(generator)})
}

/// One alert on a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertLine {
    /// The identity: 16 hexadecimal digits.
    #[schemars(schema_with = "super::fingerprint")]
    pub fingerprint: String,
    /// The alert's name.
    #[schemars(schema_with = "schema::text::<256>")]
    pub name: String,
    /// Whether it fires.
    pub state: AlertLineState,
    /// Since when.
    #[schemars(schema_with = "schema::instant")]
    pub since: Timestamp,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
    /// What its source said for people when it began to fire.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub annotations: BTreeMap<String, String>,
}

/// Whether an alert fires, and why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum AlertLineState {
    /// It fires.
    Firing,
    /// Its source says that it is over.
    Recovered,
    /// Its source was deleted or suspended.
    SourceRemoved,
}

impl From<domain::alert::AlertState> for AlertLineState {
    fn from(state: domain::alert::AlertState) -> Self {
        match state {
            domain::alert::AlertState::Firing => Self::Firing,
            domain::alert::AlertState::Recovered => Self::Recovered,
            domain::alert::AlertState::SourceRemoved => Self::SourceRemoved,
        }
    }
}

impl From<AlertLineState> for domain::alert::AlertState {
    fn from(state: AlertLineState) -> Self {
        match state {
            AlertLineState::Firing => Self::Firing,
            AlertLineState::Recovered => Self::Recovered,
            AlertLineState::SourceRemoved => Self::SourceRemoved,
        }
    }
}

/// Somebody was told, or is about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The identity, the same over all attempts: receivers may drop a repeat.
    #[schemars(schema_with = "super::uuid")]
    pub id: String,
    /// What it is for.
    pub kind: NotificationKind,
    /// The cycle of the escalation, from 1; of an slaWarning the run of the clock.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cycle: u32,
    /// The step of the escalation, from 1; 0 is the last resort. Of an slaWarning the percent, 100 when due.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub step: u32,
    /// Which of the person's rules, from 1; 0 for a channel itself.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub rule: u32,
    /// Counts the runs of a step within a cycle; of an slaWarning which of the four clocks.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub sequence: u32,
    /// The person; absent: the channel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<63>")]
    pub person: Option<String>,
    /// The channel's name.
    #[schemars(schema_with = "schema::text::<63>")]
    pub channel: String,
    /// What came of it.
    pub state: NotificationState,
    /// How often it was tried.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub attempts: u32,
    /// When it was due.
    #[schemars(schema_with = "schema::instant")]
    pub planned_at: Timestamp,
    /// When it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub at: Option<Timestamp>,
    /// The receiver's own word: an SMTP reply, an HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub receipt: Option<String>,
    /// Why the last attempt failed; when it was accepted, whom of several recipients it does not reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub error: Option<String>,
    /// The receiver asked to be tried again not before then (Retry-After).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub retry_at: Option<Timestamp>,
    /// Of a mail to several, who has it while others have not. They are not sent it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::texts::<50, 254>")]
    pub reached: Vec<String>,
    /// Of a mail to several, whom the server refused for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub refused: Vec<super::RefusedRecipient>,
    /// Of some attempt nobody knows whether it arrived: the connection was lost after everything was sent, or whoever made
    /// it died. Stays, whatever later attempts come to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_arrived: bool,
    /// Why this target is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<512>")]
    pub why: Option<String>,
}

impl Notification {
    /// When it is to be sent: not before the time for which its receiver asked.
    pub fn due_at(&self) -> Timestamp {
        self.planned_at.max(self.retry_at.unwrap_or(self.planned_at))
    }

    /// Whether it says that something is wrong, so that its end is to be told.
    pub fn is_alarm(&self) -> bool {
        matches!(self.kind, NotificationKind::Page | NotificationKind::Notice)
    }

    /// Whether it says that what was wrong is over.
    pub fn is_end(&self) -> bool {
        matches!(self.kind, NotificationKind::Resolved | NotificationKind::Update)
    }

    /// Whether somebody has it, or may have it.
    pub fn may_have_reached(&self) -> bool {
        self.state == NotificationState::Accepted || self.may_have_arrived || !self.reached.is_empty()
    }
}

/// What a notification is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NotificationKind {
    /// Somebody must act.
    Page,
    /// For information.
    Notice,
    /// Something changed for those who know.
    Update,
    /// The trouble is over.
    Resolved,
    /// A promise nears its due time, or is broken.
    SlaWarning,
    /// Nothing is wrong: somebody tries whether the target can be reached.
    Test,
}

impl From<domain::message::MessageKind> for NotificationKind {
    fn from(kind: domain::message::MessageKind) -> Self {
        match kind {
            domain::message::MessageKind::Page => Self::Page,
            domain::message::MessageKind::Notice => Self::Notice,
            domain::message::MessageKind::Update => Self::Update,
            domain::message::MessageKind::Resolved => Self::Resolved,
            domain::message::MessageKind::SlaWarning => Self::SlaWarning,
            domain::message::MessageKind::Test => Self::Test,
        }
    }
}

impl From<NotificationKind> for domain::message::MessageKind {
    fn from(kind: NotificationKind) -> Self {
        match kind {
            NotificationKind::Page => Self::Page,
            NotificationKind::Notice => Self::Notice,
            NotificationKind::Update => Self::Update,
            NotificationKind::Resolved => Self::Resolved,
            NotificationKind::SlaWarning => Self::SlaWarning,
            NotificationKind::Test => Self::Test,
        }
    }
}

/// What came of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum NotificationState {
    /// To be sent, or being sent.
    Planned,
    /// The receiver took it over.
    Accepted,
    /// It may have arrived; it is sent again with the same id.
    Uncertain,
    /// It will never arrive this way.
    Failed,
    /// No longer needed before it was sent.
    Superseded,
}

impl NotificationState {
    /// Whether nothing more is to be done about it.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Accepted | Self::Failed | Self::Superseded)
    }
}

/// Finished notifications that are no longer listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationCounts {
    /// Taken over by their receivers.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub accepted: u32,
    /// Never arrived.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub failed: u32,
    /// Not needed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub superseded: u32,
}

/// Something the operator saw or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineLine {
    /// When.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// What, as a stable word such as Fired, Recovered, Step or Held.
    #[schemars(schema_with = "schema::text::<63>")]
    pub what: String,
    /// The details, for people and for the fold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(schema_with = "schema::text::<1024>")]
    pub detail: String,
}

/// Where a clock stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockLine {
    /// firstResponse, nextResponse, update or resolution.
    #[schemars(schema_with = "schema::text::<32>")]
    pub name: String,
    /// Running, Paused, Met, Missed or Cancelled.
    #[schemars(schema_with = "schema::text::<16>")]
    pub state: String,
    /// Since when.
    #[schemars(schema_with = "schema::instant")]
    pub since: Timestamp,
    /// Working time used as of `since`.
    #[schemars(schema_with = "schema::text::<32>")]
    pub elapsed: String,
    /// When it runs out; only while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub due: Option<Timestamp>,
    /// Working time that is left; only while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<32>")]
    pub remaining: Option<String>,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreachLine {
    /// Which clock.
    #[schemars(schema_with = "schema::text::<32>")]
    pub clock: String,
    /// When it ran out.
    #[schemars(schema_with = "schema::instant")]
    pub breached_at: Timestamp,
    /// When that was found; later than it was, where the operator was away.
    #[schemars(schema_with = "schema::instant")]
    pub detected_at: Timestamp,
}

/// What was said on a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Messages {
    /// How many messages and notes there are.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub total: u32,
    /// The last 10, cut at 280 characters. The whole text is in the TicketEvents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub last: Vec<MessageLine>,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageLine {
    /// When.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// By whom.
    #[schemars(schema_with = "schema::text::<256>")]
    pub from: String,
    /// Whether the requester sees it, or wrote it.
    #[serde(default)]
    pub public: bool,
    /// Whether a machine wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
    /// The first 280 characters.
    #[schemars(schema_with = "schema::text::<280>")]
    pub text: String,
}
