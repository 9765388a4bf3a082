//! The state of an escalation as it is stored on its ticket: all of [`domain::escalation::Chain`], flat
//! enough to read, so that the next leader goes on where this one stopped.

use domain::escalation::{Acknowledgement, Chain, Covering, Held, Pending};
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
    /// How many steps of this cycle have begun.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub step: u32,
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
}

/// A personal rule whose time has not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// When it is due.
    #[schemars(schema_with = "schema::instant")]
    pub at: Timestamp,
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

impl EscalationStatus {
    /// The status that stores this chain. `name` is the escalation's, `next_at` what [`domain::escalation::next_deadline`] says.
    pub fn new(name: &str, chain: &Chain, next_at: Option<Timestamp>) -> Self {
        let acknowledged = chain.acknowledged.as_ref();
        Self {
            chain: name.to_owned(),
            cycle: chain.cycle,
            round: chain.round,
            cycle_start: chain.cycle_start,
            step: chain.step,
            sequence: chain.sequence,
            found: chain.found,
            acknowledged_by: acknowledged.map(|ack| ack.by.clone()),
            acknowledged_at: acknowledged.map(|ack| ack.at),
            active_at: acknowledged.map(|ack| ack.active_at),
            asked: acknowledged.is_some_and(|ack| ack.asked),
            next_at,
            held: chain.held.as_ref().map(|held| HeldStatus { by: held.by.clone(), since: held.due }),
            exhausted_until: chain.exhausted_until,
            stopped_at: chain.stopped,
            pending: chain.pending.iter().map(PendingStatus::from).collect(),
            covering: chain.covering.iter().map(CoveringStatus::from).collect(),
        }
    }

    /// The chain that was stored.
    pub fn chain(&self) -> Chain {
        let acknowledged = self.acknowledged_by.as_ref().map(|by| {
            let at = self.acknowledged_at.unwrap_or(self.cycle_start);
            Acknowledgement { by: by.clone(), at, active_at: self.active_at.unwrap_or(at), asked: self.asked }
        });
        Chain {
            cycle: self.cycle,
            round: self.round,
            cycle_start: self.cycle_start,
            step: self.step,
            sequence: self.sequence,
            found: self.found,
            pending: self.pending.iter().map(Pending::from).collect(),
            covering: self.covering.iter().map(Covering::from).collect(),
            acknowledged,
            held: self.held.as_ref().map(|held| Held { by: held.by.clone(), due: held.since }),
            exhausted_until: self.exhausted_until,
            stopped: self.stopped_at,
        }
    }
}

impl From<&Pending> for PendingStatus {
    fn from(pending: &Pending) -> Self {
        Self {
            at: pending.at,
            step: pending.step,
            person: pending.person.clone(),
            channel: pending.channel.clone(),
            rule: pending.rule,
            sequence: pending.sequence,
        }
    }
}

impl From<&PendingStatus> for Pending {
    fn from(pending: &PendingStatus) -> Self {
        Self {
            at: pending.at,
            step: pending.step,
            person: pending.person.clone(),
            channel: pending.channel.clone(),
            rule: pending.rule,
            sequence: pending.sequence,
        }
    }
}

impl From<&Covering> for CoveringStatus {
    fn from(covering: &Covering) -> Self {
        Self { step: covering.step, schedule: covering.schedule.clone(), person: covering.person.clone() }
    }
}

impl From<&CoveringStatus> for Covering {
    fn from(covering: &CoveringStatus) -> Self {
        Self { step: covering.step, schedule: covering.schedule.clone(), person: covering.person.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_comes_back_from_the_status_as_it_was() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut chain = Chain::start(at("2026-11-23T03:00:00Z"));
        chain.step = 2;
        chain.sequence = 1;
        chain.found = true;
        chain.pending = vec![Pending {
            at: at("2026-11-23T03:05:00Z"),
            step: 2,
            person: "ada".into(),
            channel: "sms".into(),
            rule: 2,
            sequence: 1,
        }];
        chain.covering = vec![Covering { step: 1, schedule: "primary".into(), person: String::new() }];
        chain.acknowledged = Some(Acknowledgement {
            by: "ada".into(),
            at: at("2026-11-23T03:04:00Z"),
            active_at: at("2026-11-23T03:10:00Z"),
            asked: true,
        });
        chain.held = Some(Held { by: "silence deploy".into(), due: at("2026-11-23T03:03:00Z") });
        chain.exhausted_until = Some(at("2026-11-23T05:00:00Z"));
        chain.stopped = Some(at("2026-11-23T06:00:00Z"));

        let stored = serde_json::to_value(EscalationStatus::new("page", &chain, None)).unwrap();
        let read: EscalationStatus = serde_json::from_value(stored).unwrap();
        assert_eq!(read.chain(), chain);
    }
}
