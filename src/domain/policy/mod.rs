//! A support policy that has passed validation: who is told what, and when.
//!
//! Building one from a spec, with all problems and field paths, is the `api` crate's work. What is
//! in here is consistent: every name that a route, step, layer or rule uses exists.

#[cfg(test)]
pub(crate) mod example;
mod last_resort;
mod promise;
mod queue;

use std::{collections::BTreeMap, time::Duration};

use jiff::{civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

pub use last_resort::LastResort;
pub use promise::{ApplyTo, Promise, Promises};

use crate::{
    alert::Severity,
    calendar::{self, Calendar},
    matcher::Matcher,
    message::Channel,
    routing::Tree,
    suppression::Inhibition,
    time::LocalTime,
};
pub use queue::{Cell, Level, PRIORITIES, Queue, priority_of};

/// A support policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Where it lives; its Secrets are read there.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// All must match an alert's labels. Empty: the default policy of its namespace.
    pub matchers: Vec<Matcher>,
    /// Of several that match, the lowest decides; of equal ones the lower name. 0–10000.
    pub order: u32,
    /// Which other namespaces it serves.
    pub share_with: ShareWith,
    /// Who is told when everything else finds nobody; never empty.
    pub last_resort: Vec<NotifyTarget>,
    /// What the sender's words mean, over [`Policy::DEFAULT_SEVERITIES`].
    pub severities: BTreeMap<String, Severity>,
    /// Alerts with equal values of these labels share a ticket.
    pub correlate: Vec<String>,
    /// By name.
    pub people: BTreeMap<String, Person>,
    /// By name.
    pub channels: BTreeMap<String, Channel>,
    /// By name.
    pub schedules: BTreeMap<String, Schedule>,
    /// By name.
    pub escalations: BTreeMap<String, EscalationPolicy>,
    /// In the order written.
    pub routes: Tree,
    /// Which alerts hold which others.
    pub inhibit: Vec<Inhibition>,
    /// By name, without the one that is built in: ask [`Policy::calendar`].
    pub calendars: BTreeMap<String, Calendar>,
    /// What is promised for tickets.
    pub sla: Promises,
    /// By name.
    pub queues: BTreeMap<String, Queue>,
    /// Where the priority matrix differs from the usual one.
    pub priorities: Vec<Cell>,
}

impl Policy {
    /// What senders' words mean where the policy says nothing. An unknown or missing word is `Ticket`.
    pub const DEFAULT_SEVERITIES: [(&'static str, Severity); 7] = [
        ("critical", Severity::Page),
        ("error", Severity::Page),
        ("page", Severity::Page),
        ("warning", Severity::Ticket),
        ("ticket", Severity::Ticket),
        ("none", Severity::Info),
        ("info", Severity::Info),
    ];

    /// What a sender's word means here.
    pub fn severity(&self, word: &str) -> Severity {
        self.known_severity(word).unwrap_or_default()
    }

    /// The same; `None` for a word that neither the policy nor the defaults explain.
    pub fn known_severity(&self, word: &str) -> Option<Severity> {
        let default =
            || Self::DEFAULT_SEVERITIES.iter().find(|(known, _)| *known == word).map(|(_, severity)| *severity);
        self.severities.get(word).copied().or_else(default)
    }

    /// Whether its own namespace is `namespace`, or it is shared with it.
    pub fn serves(&self, namespace: &str) -> bool {
        self.namespace == namespace
            || match &self.share_with {
                ShareWith::Nobody => false,
                ShareWith::All => true,
                ShareWith::Namespaces(names) => names.iter().any(|name| name == namespace),
            }
    }

    /// The person who has this Kubernetes user name.
    pub fn person_of_user(&self, user: &str) -> Option<&str> {
        self.people.iter().find(|(_, person)| person.users.iter().any(|u| u == user)).map(|(name, _)| name.as_str())
    }
}

/// Which other namespaces a policy serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareWith {
    /// Only its own.
    Nobody,
    /// These.
    Namespaces(Vec<String>),
    /// Every one.
    All,
}

/// Who or what a step, route or last resort tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotifyTarget {
    /// A person, by that person's own rules.
    Person(String),
    /// Whoever is on call there at that moment.
    Schedule(String),
    /// A channel itself.
    Channel(String),
}

/// Somebody who can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Kubernetes user names.
    pub users: Vec<String>,
    /// Where mail for this person goes.
    pub email: Option<String>,
    /// How this person wants to be told; never empty. Rules of a severity replace the general ones for it.
    pub rules: Vec<PersonalRule>,
}

impl Person {
    /// The rules for this severity: those that name it, else those that name none.
    pub fn rules_for(&self, severity: Severity) -> Vec<&PersonalRule> {
        let own: Vec<_> = self.rules.iter().filter(|rule| rule.severity == Some(severity)).collect();
        if own.is_empty() { self.rules.iter().filter(|rule| rule.severity.is_none()).collect() } else { own }
    }
}

/// One way to tell a person, and how long after the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalRule {
    /// From the step's planned time.
    pub after: Duration,
    /// The channel's name.
    pub channel: String,
    /// Only for this severity.
    pub severity: Option<Severity>,
}

/// Who is on call when.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The zone of the layers that name none.
    pub zone: TimeZone,
    /// Later ones win; never empty.
    pub layers: Vec<Layer>,
    /// When somebody must be on call.
    pub coverage: NamedCalendar,
}

/// A calendar under the name that the policy gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCalendar {
    /// The name, for explanations.
    pub name: String,
    /// The calendar.
    pub calendar: Calendar,
}

impl NamedCalendar {
    /// Every second of every day.
    pub fn always() -> Self {
        Self { name: calendar::ALWAYS.to_owned(), calendar: Calendar::always() }
    }
}

/// A rotation.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name, unique in the schedule.
    pub name: String,
    /// In turn; never empty.
    pub people: Vec<String>,
    /// The local date of the first handover, when the first person takes over.
    pub start: civil::Date,
    /// The local time of each handover.
    pub handover: LocalTime,
    /// Length of a shift in local days, 1–366.
    pub every_days: u16,
    /// The zone of date and time.
    pub zone: TimeZone,
    /// Outside of it the layer is transparent; `None`: it never is.
    pub during: Option<NamedCalendar>,
}

/// Who is told one after the other until somebody acknowledges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationPolicy {
    /// Its name.
    pub name: String,
    /// `after` never decreases; never empty.
    pub steps: Vec<Step>,
    /// Further cycles.
    pub repeat: Repeat,
    /// Acknowledged but nothing happened for so long: the acknowledgement is withdrawn and a new cycle starts.
    pub ack_timeout: Option<Duration>,
}

impl EscalationPolicy {
    /// An escalation that reaches nobody: of a ticket whose policy is gone for good.
    pub fn empty() -> Self {
        Self { name: String::new(), steps: Vec::new(), repeat: Repeat::default(), ack_timeout: None }
    }
}

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// From the planned start of the cycle.
    pub after: Duration,
    /// Who is told; never empty.
    pub notify: Vec<NotifyTarget>,
}

/// Further cycles of an escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// How many after the first (0–100).
    pub times: u32,
    /// From the planned last step of a cycle to the start of the next.
    pub every: Duration,
}

impl Default for Repeat {
    /// No further cycle; the last resort 30 min after the last step.
    fn default() -> Self {
        Self { times: 0, every: Duration::from_secs(30 * 60) }
    }
}

/// What happens with the alerts that match.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique in the policy.
    pub name: String,
    /// The route it stands under; `None`: under the root.
    pub under: Option<String>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Whether the routes after it are tried too, for more `notify`.
    pub continues: bool,
    /// The group key where `correlate` has no label; `None` or empty: the parent's.
    pub group_by: Option<Vec<String>>,
    /// How long the first notice waits for more of its group; a page never waits.
    pub group_wait: Option<Duration>,
    /// The least time between a notice and one that tells of a change.
    pub group_interval: Option<Duration>,
    /// How long after the last notice the same is told again while it fires; only without escalation.
    pub repeat_interval: Option<Duration>,
    /// Calendars while one of which is open nobody is told; for this route alone, not for those under it.
    pub mute: Vec<String>,
    /// Calendars outside all of which nobody is told; for this route alone. Empty: always active.
    pub active: Vec<String>,
    /// The escalation to run; `None`: the parent's.
    pub escalation: Option<String>,
    /// Told once, without escalation.
    pub notify: Vec<NotifyTarget>,
    /// Whether an alert of severity info makes a ticket too; `None`: the parent's.
    pub ticket: Option<bool>,
    /// `P1` … `P5`; `None`: by severity.
    pub priority: Option<String>,
    /// How long a recovered ticket stays open.
    pub resolve_after: Option<Duration>,
    /// How long after Resolved the same ticket is used again.
    pub refire_within: Option<Duration>,
}
