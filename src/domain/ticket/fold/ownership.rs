//! Who works on a ticket, how important it is, and on which list it stands.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Acknowledged, Fold, Verdict};
use crate::{
    policy::{Level, priority_of},
    sla::{ClockName, Happened, Targets},
    ticket::{
        event::{Link, LinkTarget, TicketEvent},
        timeline::Line,
    },
    time::after,
};

/// The longest snooze.
const LONGEST_SNOOZE: Duration = Duration::from_secs(30 * 86_400);

/// Links that events may add.
const MOST_LINKS: usize = 50;

impl Fold<'_> {
    pub(super) fn acknowledge(&mut self, event: &TicketEvent, until: Option<Timestamp>) -> Result<Verdict, String> {
        self.must_be_open("acknowledged")?;
        let since =
            self.folded.acknowledged.as_ref().filter(|ack| ack.by == event.author).map_or(event.at, |ack| ack.at);
        self.folded.acknowledged = Some(Acknowledged { by: event.author.clone(), at: since, until });
        if self.folded.assignee.is_none() {
            self.folded.assignee = Some(event.author.clone());
        }
        self.touched(event.at);
        self.happened(event.at, Happened::Taken);
        Ok(Verdict::Accepted)
    }

    pub(super) fn snooze(&mut self, event: &TicketEvent, until: Timestamp) -> Result<Verdict, String> {
        if until <= event.at {
            return Err(format!("expected `until` after {}, found {until}", event.at));
        }
        if until > after(event.at, LONGEST_SNOOZE) {
            return Err(format!("expected `until` within 30 days, found {until}"));
        }
        self.must_be_open("snoozed")?;
        self.acknowledge(event, Some(until))
    }

    pub(super) fn unacknowledge(&mut self) -> Result<Verdict, String> {
        match self.folded.acknowledged.take() {
            Some(_) => Ok(Verdict::Accepted),
            None => Err("nobody has acknowledged the ticket".to_owned()),
        }
    }

    pub(super) fn assign(&mut self, event: &TicketEvent, to: &str) -> Result<Verdict, String> {
        if let Some(pinned) = &self.spec.assignee {
            return Err(format!("spec.assignee pins the ticket to {pinned}; change it there"));
        }
        self.must_be_open("assigned")?;
        self.folded.assignee = Some(to.to_owned());
        self.touched(event.at);
        self.happened(event.at, Happened::Taken);
        Ok(Verdict::Accepted)
    }

    pub(super) fn escalate(&mut self) -> Result<Verdict, String> {
        self.must_be_open("escalated")?;
        Ok(Verdict::Accepted)
    }

    pub(super) fn give_to_queue(&mut self, to: &str) -> Result<Verdict, String> {
        self.must_be_open("moved to another queue")?;
        self.move_to_queue(Some(to.to_owned()));
        Ok(Verdict::Accepted)
    }

    pub(super) fn move_to_queue(&mut self, to: Option<String>) {
        self.folded.queue = to;
        self.closes_after = self.queue().close_after;
    }

    pub(super) fn link(&mut self, link: &Link) -> Result<Verdict, String> {
        if matches!(&link.target, LinkTarget::Ticket(name) if *name == self.subject.name) {
            return Err("a ticket cannot be linked to itself; name the other one".to_owned());
        }
        if self.folded.links.contains(link) {
            return Ok(Verdict::Accepted);
        }
        if self.folded.links.len() >= MOST_LINKS {
            return Err(format!("a ticket takes {MOST_LINKS} links by events; write others into spec.links"));
        }
        self.folded.links.push(link.clone());
        Ok(Verdict::Accepted)
    }

    pub(super) fn set_priority(&mut self, at: Timestamp, to: &str) -> Result<Verdict, String> {
        self.must_be_open("given another priority")?;
        self.chosen = Some(to.to_owned());
        self.weigh(at);
        Ok(Verdict::Accepted)
    }

    /// The route's word; it overrules a person's only where it rises, because then something worse has happened.
    pub(super) fn route_says(&mut self, at: Timestamp, priority: String) {
        let rises = self.routed.as_ref().is_some_and(|before| priority < *before);
        let chosen_is_less = self.chosen.as_ref().is_some_and(|chosen| priority < *chosen);
        if rises && chosen_is_less && self.spec.priority.is_none() {
            self.chosen = None;
        }
        self.routed = Some(priority);
        self.weigh(at);
    }

    pub(super) fn change_spec(&mut self, line: &Line) {
        let before = self.spec.clone();
        self.spec.apply(&line.detail);
        if self.spec.priority != before.priority {
            self.chosen.clone_from(&self.spec.priority);
        }
        if self.spec.queue != before.queue {
            let queue = self.spec.queue.clone();
            self.move_to_queue(queue);
        }
        if self.spec.assignee != before.assignee && self.spec.assignee.is_some() {
            self.folded.assignee.clone_from(&self.spec.assignee);
        }
        self.weigh(line.at);
        self.set_due(line.at, &before.due);
    }

    /// Due times that people set by hand, where they differ from `before`.
    pub(super) fn set_due(&mut self, at: Timestamp, before: &BTreeMap<String, Timestamp>) {
        let now = self.spec.due.clone();
        for clock in now.keys().chain(before.keys()).collect::<std::collections::BTreeSet<_>>() {
            let Some(name) = ClockName::parse(clock).filter(|_| now.get(clock) != before.get(clock)) else { continue };
            self.happened(at, Happened::DueSet { clock: name, due: now.get(clock).copied() });
        }
    }

    /// A person's word, else the route's, else the matrix.
    pub(super) fn weighed(&self) -> String {
        if let Some(said) = self.chosen.as_ref().or(self.routed.as_ref()) {
            return said.clone();
        }
        let level = |word: &Option<String>| word.as_deref().and_then(Level::parse).unwrap_or_default();
        let cells = self.policy.map_or(&[][..], |policy| policy.priorities.as_slice());
        priority_of(cells, level(&self.spec.impact), level(&self.spec.urgency))
    }

    fn weigh(&mut self, at: Timestamp) {
        let priority = self.weighed();
        if priority != self.folded.priority {
            let why = format!("priority {} -> {priority}", self.folded.priority);
            let to = Box::new(self.promised(&priority));
            self.folded.priority = priority;
            self.happened(at, Happened::Targets { to, why });
        }
    }

    /// What the policy promises for a priority.
    pub(super) fn promised(&self, priority: &str) -> Targets {
        self.promises.or(self.policy).map_or_else(Targets::none, |policy| policy.targets(priority))
    }

    /// From here on the promises of another version of the policy count. The time that was used is kept.
    pub(super) fn live_by(&mut self, at: Timestamp, revision: &str) {
        let Some(policy) = self.subject.revisions.get(revision) else { return };
        let before = self.promised(&self.folded.priority);
        self.promises = Some(policy);
        let to = self.promised(&self.folded.priority);
        if to != before {
            self.happened(at, Happened::Targets { to: Box::new(to), why: format!("policy edited: {revision}") });
        }
    }
}
