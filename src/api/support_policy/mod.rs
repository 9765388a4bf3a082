//! SupportPolicy: who is told what, when.
//!
//! Trees are flat lists with a parent's name, because a CRD cannot be recursive. Names inside the
//! policy are checked by [`validate`], not by CEL: references across
//! levels exceed the server's cost budget.

mod calendar;
mod channel;
mod queue;
mod sla;
mod status;
mod validate;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use calendar::{Calendar, CalendarDate, Week};
pub use channel::{Channel, EmailAuth, EmailChannel, SmtpTls, WebhookChannel};
pub use queue::{MatrixCell, Queue};
pub use sla::{ApplyTo, SlaTarget};
pub use status::{Accepted, Gap, OnCall, SupportPolicyStatus};
pub(crate) use validate::look_at_list;
pub use validate::{hours_that_never_come, understood, validate};

use crate::schema;
pub use crate::service_monitor::Severity;

/// Who is told what, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "firstline.dev",
    version = "v1alpha1",
    kind = "SupportPolicy",
    plural = "supportpolicies",
    singular = "supportpolicy",
    shortname = "spol",
    category = "firstline",
    namespaced,
    status = "SupportPolicyStatus",
    derive = "PartialEq",
    doc = "Who is told what, when: people, channels, on-call schedules, escalations and routes.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "On call", type_ = "string", json_path = ".status.onCallSummary"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.onCall[0].next"),
    printcolumn(name = "Routes", type_ = "integer", json_path = ".status.accepted.routes"),
    printcolumn(name = "Gaps", type_ = "integer", json_path = ".status.gapCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct SupportPolicySpec {
    /// Matchers on alert and ticket labels; all must hold. Empty: the default policy of its namespace.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::matchers")]
    pub matchers: Vec<String>,
    /// Of several policies that match, the one with the lowest order decides; of equal ones the lower name.
    #[serde(default = "order")]
    #[schemars(range(min = 0, max = 10_000))]
    pub order: u32,
    /// Other namespaces that this policy serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ShareWith")]
    pub share_with: Option<ShareWith>,
    /// Who is told when everything else finds nobody.
    #[schemars(length(min = 1, max = 10))]
    pub last_resort: Vec<NotifyTarget>,
    /// What the words of other senders mean, over this default: critical, error: page; warning: ticket; none: info.
    /// An unknown word is ticket.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub severities: BTreeMap<String, Severity>,
    /// Alerts with equal values of these labels share a ticket.
    #[serde(default = "correlate")]
    #[schemars(schema_with = "schema::label_names")]
    pub correlate: Vec<String>,
    /// Who can be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub people: Vec<Person>,
    /// Ways to tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub channels: Vec<Channel>,
    /// Who is on call when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub schedules: Vec<Schedule>,
    /// Who is told one after the other until somebody acknowledges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub escalations: Vec<Escalation>,
    /// What happens with the alerts that match: a tree as a flat, ordered list. The first match wins unless it continues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("expected route names to be unique"))]
    pub routes: Vec<Route>,
    /// Which alerts hold which others while they fire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub inhibit: Vec<Inhibition>,
    /// Working time, for SLA targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub calendars: Vec<Calendar>,
    /// What is promised for tickets, by priority. A priority without an entry has no promises.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["priority"]))]
    pub sla: Vec<SlaTarget>,
    /// At which percents of a target's working time to warn, increasing. Empty: never.
    #[serde(default = "warn_at")]
    #[schemars(schema_with = "percents")]
    pub warn_at: Vec<String>,
    /// Which tickets a change of these promises concerns. Time so far is always carried over.
    #[serde(default)]
    pub apply_to: ApplyTo,
    /// Lists of tickets that teams work off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub queues: Vec<Queue>,
    /// Where the priority of impact and urgency is not the usual one: high and high P1, each level less one more, low and low P5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["impact", "urgency"]))]
    pub priorities: Vec<MatrixCell>,
}

/// Other namespaces that a policy serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareWith {
    /// Their names, or "*" for every one.
    #[schemars(schema_with = "shared_namespaces")]
    pub namespaces: Vec<String>,
}

/// Who or what is told: exactly one of person, schedule and channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.person) ? 1 : 0) + (has(self.schedule) ? 1 : 0) + (has(self.channel) ? 1 : 0) == 1")
    .message("expected exactly one of person, schedule and channel"))]
pub struct NotifyTarget {
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
}

/// Somebody who can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.email) || (has(self.notify) && self.notify.size() > 0)")
    .message("expected an email address or notify rules, else this person cannot be reached"))]
pub struct Person {
    /// The name used in steps, layers and last resort.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// Kubernetes user names of this person, so that their acts are known to be theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::texts::<10, 256>")]
    pub users: Vec<String>,
    /// Where mail for this person goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::mail_address")]
    pub email: Option<String>,
    /// How this person wants to be told. Empty: by mail at once, through the first email channel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub notify: Vec<PersonalRule>,
}

/// One way to tell a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalRule {
    /// How long after the step (0s to 24h).
    #[serde(default = "at_once")]
    #[schemars(schema_with = "schema::duration")]
    pub after: String,
    /// The channel's name.
    #[schemars(schema_with = "schema::name")]
    pub channel: String,
    /// Only for this severity. Rules of a severity replace the general ones for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Severity")]
    pub severity: Option<Severity>,
}

/// Who is on call when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// The name used in steps.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The IANA time zone of the layers that name none: Europe/Berlin.
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: String,
    /// Rotations; later ones win over earlier ones.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("expected layer names to be unique in the schedule"))]
    pub layers: Vec<Layer>,
    /// The calendar during which somebody must be on call; when nobody is then, that is a gap.
    #[serde(default = "always")]
    #[schemars(schema_with = "schema::name")]
    pub coverage: String,
}

/// A rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Its name, unique in the schedule.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// Who takes turns, in order.
    #[schemars(schema_with = "rotation")]
    pub people: Vec<String>,
    /// The local date of the first handover, when the first person takes over: 2026-11-02.
    #[schemars(schema_with = "schema::date")]
    pub start: String,
    /// The local time of each handover: 09:00.
    #[schemars(schema_with = "local_time")]
    pub handover: String,
    /// Length of a shift in local days: 1d, 1w, 2w (up to 366 days).
    #[schemars(schema_with = "schema::days")]
    pub every: String,
    /// The IANA time zone of start and handover, when it is not the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time_zone")]
    pub time_zone: Option<String>,
    /// A calendar outside which this layer is transparent: the layers below it decide. The order of turns runs on
    /// meanwhile. Absent: it never is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub during: Option<String>,
}

/// Who is told one after the other until somebody acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Escalation {
    /// The name used in routes.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// In order.
    #[schemars(length(min = 1, max = 20))]
    pub steps: Vec<Step>,
    /// Further cycles when nobody acknowledged.
    #[serde(default)]
    pub repeat: Repeat,
    /// Acknowledged but nothing happened for so long: the acknowledgement is withdrawn and a new cycle starts (1m to 30d).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub ack_timeout: Option<String>,
}

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// From the start of the cycle; never less than the step before (0s to 7d).
    #[schemars(schema_with = "schema::duration")]
    pub after: String,
    /// Who is told.
    #[schemars(length(min = 1, max = 10))]
    pub notify: Vec<NotifyTarget>,
}

/// Further cycles of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repeat {
    /// How many after the first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub times: u32,
    /// From the last step of a cycle to the start of the next (1s to 7d).
    #[serde(default = "repeat_every")]
    #[schemars(schema_with = "schema::duration")]
    pub every: String,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: 0, every: repeat_every() }
    }
}

/// Which alerts hold which others while they fire, as Alertmanager's inhibit_rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Inhibition {
    /// Its name, for the reasons.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// Matchers on the alert that is the cause; all must hold.
    #[schemars(schema_with = "schema::some_matchers")]
    pub source: Vec<String>,
    /// Matchers on the alerts that it explains; all must hold. An alert that matches both sides is not held by its like.
    #[schemars(schema_with = "schema::some_matchers")]
    pub target: Vec<String>,
    /// Labels whose values must be the same on both; a missing label is an empty one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_names")]
    pub equal: Vec<String>,
}

/// What happens with the alerts that match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Its name, unique in the policy.
    #[schemars(schema_with = "schema::name")]
    pub name: String,
    /// The route it stands under. Absent: under the policy itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub under: Option<String>,
    /// Matchers on labels; all must hold. Empty: everything.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::matchers")]
    pub matchers: Vec<String>,
    /// Whether the routes after it are tried too; they only add to notify.
    #[serde(default, rename = "continue")]
    pub continues: bool,
    /// The labels of the group key of alerts that have none of the policy's correlate labels. "..." alone: all labels. Absent or empty: the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::label_names")]
    pub group_by: Option<Vec<String>>,
    /// How long the first notice waits for more of its group (0s to 1h). A page never waits. Absent: the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub group_wait: Option<String>,
    /// The least time between a notice and one that tells of a change in its group (1s to 7d). Absent: the parent's, else 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub group_interval: Option<String>,
    /// How long after the last notice the same is told again while it fires (1m to 30d). Only on routes without
    /// escalation. Absent: the parent's, else never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub repeat_interval: Option<String>,
    /// Calendars: while one of them is open nobody is told of what this route owns. An escalation that has paged
    /// somebody goes on all the same. For this route alone, not for those under it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::names::<10>")]
    pub mute: Vec<String>,
    /// Calendars: outside all of them nobody is told, as with mute. Empty: always active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::names::<10>")]
    pub active: Vec<String>,
    /// The escalation to run. Absent: the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::name")]
    pub escalation: Option<String>,
    /// Told without escalation, once groupWait has passed. Without an escalation they also hear of changes and, with
    /// repeatInterval, of what goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub notify: Vec<NotifyTarget>,
    /// Whether alerts of severity info make a ticket too. Absent: the parent's, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<bool>,
    /// P1 to P5. Absent: by severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::priority")]
    pub priority: Option<String>,
    /// How long a recovered ticket stays open (0s to 7d). Absent: the parent's, else 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub resolve_after: Option<String>,
    /// How long after Resolved the same ticket is used again (0s to 30d). Absent: the parent's, else 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::duration")]
    pub refire_within: Option<String>,
}

fn order() -> u32 {
    100
}

fn correlate() -> Vec<String> {
    vec!["service".into()]
}

fn warn_at() -> Vec<String> {
    vec!["50%".into(), "75%".into(), "90%".into()]
}

fn always() -> String {
    domain::calendar::ALWAYS.into()
}

fn at_once() -> String {
    "0s".into()
}

fn repeat_every() -> String {
    "30m".into()
}

fn shared_namespaces(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "minItems": 1, "maxItems": 200, "items": {"type": "string", "minLength": 1, "maxLength": 63, "pattern": schema::NAMESPACE_OR_ALL}})
}

fn percents(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 3, "pattern": schema::PERCENT}})
}

fn rotation(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = schema::names::<50>(generator);
    schema.insert("minItems".into(), 1.into());
    schema
}

fn local_time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "maxLength": 5, "pattern": schema::LOCAL_TIME})
}
