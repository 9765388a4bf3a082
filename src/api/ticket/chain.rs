//! The way of an escalation's state to its ticket and back.

use domain::escalation::{Acknowledgement, Called, Chain, Covering, Held, Pending};
use jiff::Timestamp;

use super::{CalledStatus, CoveringStatus, EscalationStatus, HeldStatus, PendingStatus};

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
            early: chain.early.clone(),
            called: chain.called.iter().map(|called| CalledStatus { step: called.step, at: called.at }).collect(),
            sequence: chain.sequence,
            found: chain.found,
            acknowledged_by: acknowledged.map(|ack| ack.by.clone()),
            acknowledged_at: acknowledged.map(|ack| ack.at),
            active_at: acknowledged.map(|ack| ack.active_at),
            asked: acknowledged.is_some_and(|ack| ack.asked),
            snoozed_until: acknowledged.and_then(|ack| ack.until),
            next_at,
            held: chain.held.as_ref().map(HeldStatus::from),
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
            let active_at = self.active_at.unwrap_or(at);
            Acknowledgement { by: by.clone(), at, active_at, asked: self.asked, until: self.snoozed_until }
        });
        Chain {
            cycle: self.cycle,
            round: self.round,
            cycle_start: self.cycle_start,
            step: self.step,
            early: self.early.clone(),
            called: self.called.iter().map(|called| Called { step: called.step, at: called.at }).collect(),
            sequence: self.sequence,
            found: self.found,
            pending: self.pending.iter().map(Pending::from).collect(),
            covering: self.covering.iter().map(Covering::from).collect(),
            acknowledged,
            held: self.held.as_ref().map(Held::from),
            exhausted_until: self.exhausted_until,
            stopped: self.stopped_at,
        }
    }
}

impl From<&Held> for HeldStatus {
    fn from(held: &Held) -> Self {
        Self { by: held.by.clone(), since: held.due, until: held.until, settle: held.settle, settled: held.settled }
    }
}

impl From<&HeldStatus> for Held {
    fn from(held: &HeldStatus) -> Self {
        Self { by: held.by.clone(), due: held.since, until: held.until, settle: held.settle, settled: held.settled }
    }
}

impl From<&Pending> for PendingStatus {
    fn from(pending: &Pending) -> Self {
        Self {
            at: pending.at,
            cycle: pending.cycle,
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
            cycle: pending.cycle,
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
        chain.early = vec![4];
        chain.called = vec![Called { step: 3, at: at("2026-11-23T03:02:00Z") }];
        chain.sequence = 1;
        chain.found = true;
        chain.pending = vec![Pending {
            at: at("2026-11-23T03:05:00Z"),
            cycle: 1,
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
            until: Some(at("2026-11-23T04:00:00Z")),
        });
        chain.held = Some(Held {
            by: "silence deploy".into(),
            due: at("2026-11-23T03:03:00Z"),
            until: Some(at("2026-11-23T03:30:00Z")),
            settle: true,
            settled: Some(at("2026-11-23T03:31:00Z")),
        });
        chain.exhausted_until = Some(at("2026-11-23T05:00:00Z"));
        chain.stopped = Some(at("2026-11-23T06:00:00Z"));

        let stored = serde_json::to_value(EscalationStatus::new("page", &chain, None)).unwrap();
        let read: EscalationStatus = serde_json::from_value(stored).unwrap();
        assert_eq!(read.chain(), chain);
    }
}
