//! The state of an escalation as it is stored on its ticket: all of [`domain::escalation::Chain`], flat
//! enough to read, so that the next leader goes on where this one stopped.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// How far an escalation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EscalationStatus {
    /// The escalation of the policy; empty: the route's own targets.
    #[serde(default)]
    #[schemars(schema_with = "schema::text::<63>")]
    pub chain: String,
    /// Counts from 1 and only grows.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cycle: u32,
    /// Which of the policy's own cycles this is, from 1.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub round: u32,
    /// The planned start of the cycle.
    #[schemars(schema_with = "schema::instant")]
    pub cycle_start: Timestamp,
    /// Every step of this cycle up to this one has begun.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub step: u32,
    /// Later steps that have begun ahead of their turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(range(min = 1, max = 1000)))]
    pub early: Vec<u32>,
    /// Steps that somebody called for and that something still holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub called: Vec<CalledStatus>,
    /// Counts the runs of a step within a cycle.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub sequence: u32,
    /// Whether some step of this cycle reached anybody.
    #[serde(default)]
    pub found: bool,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::text::<256>")]
    pub acknowledged_by: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub acknowledged_at: Option<Timestamp>,
    /// The latest human act since the acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub active_at: Option<Timestamp>,
    /// Whether they were asked since then if they are still on it.
    #[serde(default)]
    pub asked: bool,
    /// The acknowledgement is a snooze: it ends here, and a new cycle starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub snoozed_until: Option<Timestamp>,
    /// When the next step is due; absent when none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub next_at: Option<Timestamp>,
    /// Why due steps wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HeldStatus")]
    pub held: Option<HeldStatus>,
    /// Every cycle has passed without an acknowledgement: when the last step runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub exhausted_until: Option<Timestamp>,
    /// When it stopped because the trouble ended or the ticket was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub stopped_at: Option<Timestamp>,
    /// Personal rules whose time has not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4000))]
    pub pending: Vec<PendingStatus>,
    /// Whom each schedule named when its step began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub covering: Vec<CoveringStatus>,
}

impl EscalationStatus {
    /// Whether somebody still has to act: not acknowledged and not over.
    pub fn waits_for_a_person(&self) -> bool {
        self.acknowledged_by.is_none() && self.stopped_at.is_none()
    }
}

/// Why due steps wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// What holds them: silence deploy-42.
    #[schemars(schema_with = "schema::text::<300>")]
    pub by: String,
    /// The planned time of the earliest step or rule that waits.
    #[schemars(schema_with = "schema::instant")]
    pub since: Timestamp,
    /// When what holds them ends, where that is known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub until: Option<Timestamp>,
    /// Whether they wait a minute more after that, because what recovers with its cause should page nobody.
    #[serde(default)]
    pub settle: bool,
    /// What held them has ended: when that minute is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub settled: Option<Timestamp>,
}

/// Why the ticket is not a trouble of its own for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CauseStatus {
    /// In words: depends on database, which is down (ticket inc-…, page).
    #[schemars(schema_with = "schema::text::<500>")]
    pub by: String,
    /// When it was found.
    #[schemars(schema_with = "schema::instant")]
    pub since: Timestamp,
    /// It has ended: if this ticket still fires then, its escalation begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub settled: Option<Timestamp>,
}

/// A step that somebody called for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CalledStatus {
    /// From 1.
    #[schemars(range(min = 1, max = 1000))]
    pub step: u32,
    /// Since when.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
}

/// A personal rule whose time has not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// When it is due.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
    /// The cycle whose step planned it.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub cycle: u32,
    /// The step it belongs to.
    #[schemars(range(min = 0, max = 1000))]
    pub step: u32,
    /// The person.
    #[schemars(schema_with = "schema::text::<63>")]
    pub person: String,
    /// The channel's name.
    #[schemars(schema_with = "schema::text::<63>")]
    pub channel: String,
    /// Which of the person's rules, from 1.
    #[schemars(range(min = 0, max = 1000))]
    pub rule: u32,
    /// Which run of the step.
    #[serde(default)]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub sequence: u32,
}

/// Whom a schedule named when its step began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoveringStatus {
    /// The step.
    #[schemars(range(min = 0, max = 1000))]
    pub step: u32,
    /// The schedule.
    #[schemars(schema_with = "schema::text::<63>")]
    pub schedule: String,
    /// The person; empty when nobody was on call.
    #[serde(default)]
    #[schemars(schema_with = "schema::text::<63>")]
    pub person: String,
}
