//! What a fixture says: the form of `*.test.yaml`, as it is written.
//!
//! Nothing here decides anything; what is wrong with a fixture is found by [`super::read`].

use std::collections::BTreeMap;

use domain::{labels::Labels, time::whole_seconds};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::controllers::ticket::rehearse::Span;

/// One case: exactly one of `alert`, `ticket` and `oncall`, and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CaseForm {
    /// A sentence, unique in its file.
    pub(super) name: String,
    /// Where the alert or ticket is; needed where the files hold policies of several namespaces.
    #[serde(default)]
    pub(super) namespace: Option<String>,
    /// An alert that fires.
    #[serde(default)]
    pub(super) alert: Option<AlertForm>,
    /// A ticket that somebody made.
    #[serde(default)]
    pub(super) ticket: Option<TicketForm>,
    /// A question to a schedule.
    #[serde(default)]
    pub(super) oncall: Option<OncallForm>,
    /// Who acknowledges the page, and when; nobody when absent.
    #[serde(default)]
    pub(super) acknowledge: Option<AcknowledgeForm>,
    /// What people do, in TicketEvent words, in the order of their times.
    #[serde(default)]
    pub(super) events: Vec<EventForm>,
    /// Silences that exist.
    #[serde(default)]
    pub(super) silences: Vec<SilenceForm>,
    /// Shifts that somebody takes over.
    #[serde(default)]
    pub(super) overrides: Vec<OverrideForm>,
    /// Other alerts that fire, for inhibition.
    #[serde(default)]
    pub(super) firing: Vec<FiringForm>,
    /// Monitors of these files that are down.
    #[serde(default)]
    pub(super) down: Vec<DownForm>,
    /// Read once it is known of what.
    pub(super) expect: Value,
}

/// An alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AlertForm {
    pub(super) at: Timestamp,
    pub(super) labels: Labels,
    #[serde(default)]
    pub(super) annotations: Labels,
    /// When it ends; it fires on when absent.
    #[serde(default)]
    pub(super) ends: Option<Timestamp>,
}

/// Another alert that fires: its labels, all the while, or from … until ….
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected labels, or {labels: …, from: a time, until: a time}")]
pub(super) enum FiringForm {
    Timed(FiringSpan),
    Always(Labels),
}

/// See [`FiringForm`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FiringSpan {
    labels: Labels,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    until: Option<Timestamp>,
}

impl FiringForm {
    pub(super) fn read(&self) -> (Labels, Span) {
        match self {
            Self::Always(labels) => (labels.clone(), Span::default()),
            Self::Timed(FiringSpan { labels, from, until }) => (labels.clone(), span(*from, *until)),
        }
    }
}

/// A monitor that is down: its name, all the while, or from … until ….
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected the name of a monitor, or {monitor: a name, from: a time, until: a time}")]
pub(crate) enum DownForm {
    Always(String),
    Timed(Outage),
}

/// See [`DownForm`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Outage {
    monitor: String,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    until: Option<Timestamp>,
}

impl DownForm {
    pub(super) fn read(&self) -> (String, Span) {
        match self {
            Self::Always(monitor) => (monitor.clone(), Span::default()),
            Self::Timed(Outage { monitor, from, until }) => (monitor.clone(), span(*from, *until)),
        }
    }
}

fn span(from: Option<Timestamp>, until: Option<Timestamp>) -> Span {
    Span { from: from.map(whole_seconds), until: until.map(whole_seconds) }
}

/// `never`, or who and when.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected `never`, or {at: a time, by: a person}")]
pub(super) enum AcknowledgeForm {
    Never(Never),
    By(Acknowledgement),
}

/// See [`AcknowledgeForm`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Acknowledgement {
    pub(super) at: Timestamp,
    pub(super) by: String,
}

/// The word.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum Never {
    #[serde(rename = "never")]
    Never,
}

/// A ticket: its spec, and when and how it was made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TicketForm {
    pub(super) created: Timestamp,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    /// All other fields are the spec's.
    #[serde(flatten)]
    pub(super) spec: Map<String, Value>,
}

/// What somebody does at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventForm {
    pub(super) at: Timestamp,
    /// A person of the policy, else a Kubernetes user.
    #[serde(default)]
    pub(super) by: Option<String>,
    /// A part of the reason why the rules refuse it; it has to be accepted when absent.
    #[serde(default)]
    pub(super) refused: Option<String>,
    /// One act in the words of a TicketEvent, or one of the short words of [`super::request`].
    #[serde(flatten)]
    pub(super) act: Map<String, Value>,
}

/// A silence.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SilenceForm {
    #[serde(default = "a_silence")]
    pub(super) name: String,
    pub(super) matchers: Vec<String>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
    #[serde(default)]
    pub(super) reason: String,
}

fn a_silence() -> String {
    "test".to_owned()
}

/// A shift that somebody takes over.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OverrideForm {
    pub(super) schedule: String,
    pub(super) person: String,
    #[serde(default)]
    pub(super) replaces: Option<String>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// A question to a schedule.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OncallForm {
    pub(super) schedule: String,
    /// Needed where several policies have such a schedule.
    #[serde(default)]
    pub(super) policy: Option<String>,
    pub(super) at: Timestamp,
}

/// What is expected of an alert. What is absent is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AlertExpect {
    #[serde(default, deserialize_with = "said")]
    pub(super) policy: Option<Option<String>>,
    /// null: an alert that needs no ticket.
    #[serde(default, deserialize_with = "said")]
    pub(super) route: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    pub(super) escalation: Option<Option<String>>,
    #[serde(default)]
    pub(super) severity: Option<String>,
    /// Of its ticket; null: it opens none.
    #[serde(default, deserialize_with = "said")]
    pub(super) priority: Option<Option<String>>,
    /// Whether it opens a ticket.
    #[serde(default)]
    pub(super) ticket: Option<bool>,
    /// In order: exactly these until `until`.
    #[serde(default)]
    pub(super) pages: Option<Vec<PageExpect>>,
    /// A part of the reason why it is held back, as `explain` says it; null: nothing holds it.
    #[serde(default, deserialize_with = "said")]
    pub(super) suppressed_by: Option<Option<String>>,
    /// Of its ticket, by clock; null: it was not breached. `{}`: none was.
    #[serde(default)]
    pub(super) breached_at: Option<Breaches>,
    /// Of its ticket, in order: exactly these until `until`.
    #[serde(default)]
    pub(super) warnings: Option<Vec<WarningExpect>>,
    /// How long it is looked at, from the alert; 24h when absent.
    #[serde(default)]
    pub(super) until: Option<String>,
}

impl AlertExpect {
    /// Whether anything is asked that time has a say in.
    pub(super) fn asks_of_the_course(&self) -> bool {
        let of_pages = self.pages.is_some() || self.suppressed_by.is_some();
        let of_ticket = self.ticket.is_some() || self.priority.is_some();
        of_pages || of_ticket || self.breached_at.is_some() || self.warnings.is_some()
    }
}

/// One page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PageExpect {
    pub(super) after: String,
    /// The person; absent: the channel itself.
    #[serde(default)]
    pub(super) to: Option<String>,
    pub(super) channel: String,
}

/// What is expected of a ticket. What is absent is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TicketExpect {
    /// When it is looked at; after the last event when absent.
    #[serde(default)]
    pub(super) at: Option<Timestamp>,
    #[serde(default, deserialize_with = "said")]
    pub(super) policy: Option<Option<String>>,
    #[serde(default)]
    pub(super) state: Option<String>,
    #[serde(default, deserialize_with = "said")]
    pub(super) reason: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    pub(super) priority: Option<Option<String>>,
    #[serde(default, deserialize_with = "said")]
    pub(super) assignee: Option<Option<String>>,
    /// By clock; null: it has no due.
    #[serde(default)]
    pub(super) due: BTreeMap<String, Option<Timestamp>>,
    /// By clock, as a duration; null: it has none.
    #[serde(default)]
    pub(super) remaining: BTreeMap<String, Option<String>>,
    /// By clock: Met, Missed, Running, Paused or Cancelled.
    #[serde(default)]
    pub(super) results: BTreeMap<String, String>,
    /// By clock; null: it was not breached. `{}`: none was.
    #[serde(default)]
    pub(super) breached_at: Option<Breaches>,
    /// In order: exactly these, up to `at`.
    #[serde(default)]
    pub(super) warnings: Option<Vec<WarningExpect>>,
}

/// By clock, the true time; null: it was not breached.
pub(super) type Breaches = BTreeMap<String, Option<Timestamp>>;

/// A message that a promise nears its due time or is broken.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WarningExpect {
    pub(super) at: Timestamp,
    /// `resolution 75%`, `firstResponse due`.
    pub(super) about: String,
    /// The person; absent: the channel itself.
    #[serde(default)]
    pub(super) to: Option<String>,
    pub(super) channel: String,
}

/// What is expected of a schedule. What is absent is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OncallExpect {
    /// null: nobody.
    #[serde(default, deserialize_with = "said")]
    pub(super) person: Option<Option<String>>,
    /// null: for ever.
    #[serde(default, deserialize_with = "said")]
    pub(super) until: Option<Option<Timestamp>>,
}

/// Tells a null that was written (`Some(None)`) from a field that is not there (`None`).
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}
