//! Ticket: one request or incident, and the durable record of all that happened to it.

mod chain;
mod escalation;
mod facts;
mod notices;
mod recipients;
mod status;
mod validate;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use escalation::{CalledStatus, CauseStatus, CoveringStatus, EscalationStatus, HeldStatus, PendingStatus};
pub use notices::{NoticeReason, NoticesStatus};
pub use recipients::RefusedRecipient;
pub use status::{
    AlertLine, AlertLineState, AlertsStatus, BreachLine, ClockLine, MessageLine, Messages, Notification,
    NotificationCounts, NotificationKind, NotificationState, PolicyInForce, TicketState, TicketStatus, TimelineLine,
};

pub use validate::validate;
pub(crate) use validate::validate_link;

use crate::schema;
pub use crate::service_monitor::Severity;

/// One request or incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "Ticket",
    plural = "tickets",
    singular = "ticket",
    shortname = "tk",
    category = "firstline",
    namespaced,
    status = "TicketStatus",
    derive = "PartialEq",
    selectable = ".status.state",
    selectable = ".status.priority",
    selectable = ".status.assignee",
    selectable = ".status.queue",
    doc = "One request or incident: the durable record of all that happened to it.",
    printcolumn(name = "Number", type_ = "integer", json_path = ".status.number"),
    printcolumn(name = "Priority", type_ = "string", json_path = ".status.priority"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "Assignee", type_ = "string", json_path = ".status.assignee"),
    printcolumn(name = "Next due", type_ = "string", json_path = ".status.nextDue"),
    printcolumn(name = "SLA", type_ = "string", json_path = ".status.sla"),
    printcolumn(name = "Queue", type_ = "string", json_path = ".status.queue", priority = 1),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type", priority = 1),
    printcolumn(name = "Requester", type_ = "string", json_path = ".spec.requester.name", priority = 1),
    printcolumn(name = "Step", type_ = "integer", json_path = ".status.escalation.step", priority = 1),
    printcolumn(name = "Policy", type_ = "string", json_path = ".status.policy.name", priority = 1),
    printcolumn(name = "Updated", type_ = "date", json_path = ".status.updatedAt", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.origin) == has(oldSelf.origin) && (!has(self.origin) || self.origin == oldSelf.origin)")
    .message("origin says why the ticket was opened and never changes"))]
#[x_kube(validation = Rule::new("has(self.policy) == has(oldSelf.policy) && (!has(self.policy) || self.policy == oldSelf.policy)")
    .message("policy is chosen when the ticket begins and never changes; open a new ticket"))]
#[x_kube(validation = Rule::new("has(self.testPage) == has(oldSelf.testPage) && (!has(self.testPage) || self.testPage == oldSelf.testPage)")
    .message("testPage is sent once, when the ticket begins; open a new ticket"))]
pub struct TicketSpec {
    /// What is wrong or wanted, in one line.
    #[schemars(schema_with = "schema::some_text::<500>")]
    pub title: String,
    /// What is wrong or wanted, at length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<16384>")]
    pub description: Option<String>,
    /// What kind of work it is.
    #[serde(default, rename = "type")]
    pub type_: TicketType,
    /// Who asked. Absent on tickets that alerts opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Requester")]
    pub requester: Option<Requester>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub affects: Vec<Affected>,
    /// How much is broken; with urgency it gives the priority. Absent: medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Level")]
    pub impact: Option<Level>,
    /// How soon it must be mended; with impact it gives the priority. Absent: medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Level")]
    pub urgency: Option<Level>,
    /// P1 to P5, to overrule what impact and urgency, or the policy's route, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::priority")]
    pub priority: Option<String>,
    /// Which team's list it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub queue: Option<String>,
    /// The SupportPolicy it lives by, to overrule what its labels choose. Chosen when the ticket begins, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub policy: Option<String>,
    /// Who works on it, to pin it to one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub assignee: Option<String>,
    /// Due times that are set by hand and overrule the policy's targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DueOverride")]
    pub due_override: Option<DueOverride>,
    /// Other tickets and pages that have to do with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub links: Vec<Link>,
    /// Tells this target at once that nothing is wrong, to try whether they can be reached. A person is told through
    /// all their rules. Needs the verb `page` on supportpolicies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TestPage")]
    pub test_page: Option<TestPage>,
    /// Why the operator opened the ticket. Written with the create and never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Origin")]
    pub origin: Option<Origin>,
}

/// How much is broken, or how soon it must be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// Work stands still; at once.
    High,
    /// It is in somebody's way; soon.
    Medium,
    /// It can wait.
    Low,
}

impl From<Level> for domain::policy::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::High => Self::High,
            Level::Medium => Self::Medium,
            Level::Low => Self::Low,
        }
    }
}

/// Due times that are set by hand, at least one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.firstResponse) || has(self.resolution)").message("expected firstResponse or resolution"))]
pub struct DueOverride {
    /// When somebody must have answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub first_response: Option<Timestamp>,
    /// When it must be resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub resolution: Option<Timestamp>,
}

/// Who is told that nothing is wrong: exactly one of person, schedule and channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.person) ? 1 : 0) + (has(self.schedule) ? 1 : 0) + (has(self.channel) ? 1 : 0) == 1")
    .message("expected exactly one of person, schedule and channel"))]
pub struct TestPage {
    /// A person, by that person's own rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub person: Option<String>,
    /// Whoever is on call in this schedule at that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub schedule: Option<String>,
    /// A channel itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub channel: Option<String>,
    /// When it was asked for, which tells a ticket that comes back from a backup: after an hour nobody is told. Absent:
    /// when the object was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub requested_at: Option<Timestamp>,
}

/// What kind of work a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TicketType {
    /// Something is broken.
    #[default]
    Incident,
    /// Somebody wants something done.
    ServiceRequest,
    /// Somebody wants to know something.
    Question,
    /// The cause behind incidents.
    Problem,
    /// Something is to be changed.
    Change,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requester {
    /// The name.
    #[schemars(schema_with = "schema::some_text::<200>")]
    pub name: String,
    /// How to answer: a mail address or a phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<254>")]
    pub contact: Option<String>,
}

/// What a ticket is about: exactly one of monitor and service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.monitor) != has(self.service)").message("expected exactly one of monitor and service"))]
pub struct Affected {
    /// A ServiceMonitor of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub monitor: Option<String>,
    /// A service, as monitors and alerts call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::some_text::<63>")]
    pub service: Option<String>,
}

/// Another ticket or page: exactly one of ticket and url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ticket) != has(self.url)").message("expected exactly one of ticket and url"))]
pub struct Link {
    /// What it has to do with this one.
    pub relation: Relation,
    /// A ticket of the same namespace, where `title` does not name another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub ticket: Option<String>,
    /// A page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::http_url")]
    pub url: Option<String>,
    /// What the page is called; of a ticket, where it is and why it is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<200>")]
    pub title: Option<String>,
}

/// What a linked ticket or page has to do with this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Relation {
    /// The other one is why this one happened.
    CausedBy,
    /// The other one says the same.
    DuplicateOf,
    /// The same trouble as the other one, later.
    RecurrenceOf,
    /// The other one had ended when its requester wrote again.
    FollowUpOf,
    /// The other one held the message that this one is about.
    SplitFrom,
    /// The other one has to do with it.
    RelatesTo,
    /// A page.
    Url,
}

/// The tickets that links name as causes.
pub fn causes<'a>(links: impl Iterator<Item = &'a Link>) -> impl Iterator<Item = &'a String> {
    links.filter(|link| link.relation == Relation::CausedBy).filter_map(|link| link.ticket.as_ref())
}

impl Relation {
    /// Every relation.
    pub const ALL: [Self; 7] = [
        Self::CausedBy,
        Self::DuplicateOf,
        Self::RecurrenceOf,
        Self::FollowUpOf,
        Self::SplitFrom,
        Self::RelatesTo,
        Self::Url,
    ];

    /// The word in specs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CausedBy => "causedBy",
            Self::DuplicateOf => "duplicateOf",
            Self::RecurrenceOf => "recurrenceOf",
            Self::FollowUpOf => "followUpOf",
            Self::SplitFrom => "splitFrom",
            Self::RelatesTo => "relatesTo",
            Self::Url => "url",
        }
    }

    /// One of our own words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.as_str() == word)
    }
}

/// Why the operator opened a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The policy that decided.
    #[schemars(schema_with = "schema::text::<253>")]
    pub policy: String,
    /// The namespace of that policy.
    #[schemars(schema_with = "schema::text::<63>")]
    pub policy_namespace: String,
    /// The ControllerRevision of that policy in the ticket's namespace.
    #[schemars(schema_with = "schema::text::<253>")]
    pub policy_revision: String,
    /// The route that decided; empty: the policy's own default.
    #[schemars(schema_with = "schema::text::<63>")]
    pub route: String,
    /// What the alerts of this ticket have in common.
    #[schemars(schema_with = "schema::text::<4096>")]
    pub group_key: String,
    /// The ticket before this one with the same key; empty: none.
    #[serde(default)]
    #[schemars(schema_with = "schema::text::<253>")]
    pub previous: String,
    /// Since when the first alert fires, as its source says.
    #[schemars(schema_with = "schema::instant")]
    pub first_start: Timestamp,
    /// When the operator opened it, by its own clock. A backup that is restored is created anew, so that only this tells
    /// how old it is; nothing on a ticket of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub opened_at: Option<Timestamp>,
    /// The same by the API server's clock, where the two did not agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub opened_at_server: Option<Timestamp>,
    /// The most severe of the alerts.
    pub severity: Severity,
    /// The first 50 alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub alerts: Vec<OriginAlert>,
    /// On a ticket that was opened without the cluster's API, or by a leader whose predecessor may go on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Island")]
    pub island: Option<Island>,
}

/// How a ticket was opened while a leader that the cluster's API had lost sight of may have opened it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Island {
    /// What the ids of its messages are made from, in the place of the uid: the same for both.
    #[schemars(schema_with = "uuid")]
    pub id: String,
    /// When it was opened. Without the API the object was created when it answered again.
    #[schemars(schema_with = "schema::instant")]
    pub opened_at: Timestamp,
}

/// An alert as it was when the ticket was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OriginAlert {
    /// The identity: 16 hexadecimal digits.
    #[schemars(schema_with = "fingerprint")]
    pub fingerprint: String,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub labels: BTreeMap<String, String>,
    /// What its source said for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    pub annotations: BTreeMap<String, String>,
    /// Since when it fires.
    #[schemars(schema_with = "schema::instant")]
    pub starts_at: Timestamp,
}

fn uuid(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 36, "pattern": schema::UUID})
}

fn fingerprint(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 16, "pattern": schema::FINGERPRINT})
}
