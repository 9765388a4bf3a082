//! The state of an escalation: everything that a decision needs of the past.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of an escalation, as it is stored on the ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// Counts from 1 and only grows: repeats, refires, withdrawn acknowledgements, a rise in severity.
    pub cycle: u32,
    /// Which of the policy's own cycles this is (1 = the first); the other reasons for a new cycle start it over.
    pub round: u32,
    /// The planned start that the steps' `after` counts from; moves on when steps were held.
    pub cycle_start: Timestamp,
    /// Every step of this cycle up to this one has begun.
    pub step: u32,
    /// Later steps that have begun ahead of their turn, in order; they do not begin again at their planned time.
    pub early: Vec<u32>,
    /// Steps that are to begin as soon as nothing holds them, without regard to their planned time.
    pub called: Vec<Called>,
    /// Counts the runs of a step within a cycle, so that a repeated page is a message of its own.
    pub sequence: u32,
    /// Whether some step of this cycle reached anybody.
    pub found: bool,
    /// Personal rules whose time has not come.
    pub pending: Vec<Pending>,
    /// Whom each schedule named when its step began, so that a handover pages the next person.
    pub covering: Vec<Covering>,
    /// Who works on it.
    pub acknowledged: Option<Acknowledgement>,
    /// Why due steps wait.
    pub held: Option<Held>,
    /// Set once every cycle has passed: when the last step runs again.
    pub exhausted_until: Option<Timestamp>,
    /// Set when the trouble ended or the ticket was resolved.
    pub stopped: Option<Timestamp>,
}

/// A step that is to begin without regard to its planned time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// From 1.
    pub step: u32,
    /// Since when; personal rules count from here.
    pub at: Timestamp,
}

/// A personal rule whose time has not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// When it is due.
    pub at: Timestamp,
    /// The cycle whose step planned it: it runs on past the next cycle's start.
    pub cycle: u32,
    /// The step it belongs to.
    pub step: u32,
    /// The person.
    pub person: String,
    /// The channel's name.
    pub channel: String,
    /// The rule's place among that person's rules for this severity, from 1.
    pub rule: u32,
    /// See [`Chain::sequence`].
    pub sequence: u32,
}

/// Whom a schedule named when its step began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covering {
    /// The step.
    pub step: u32,
    /// The schedule's name.
    pub schedule: String,
    /// The person paged for it last; empty when nobody was on call.
    pub person: String,
}

/// Who works on it, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// A person's name, else the Kubernetes user.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The latest human act on the ticket; `ackTimeout` counts from here.
    pub active_at: Timestamp,
    /// Whether they were asked since then if they are still on it.
    pub asked: bool,
    /// Snoozed: withdrawn at this instant, whatever `ackTimeout` says.
    pub until: Option<Timestamp>,
}

/// Why due steps wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The suppressor, for people: "silence deploy-42".
    pub by: String,
    /// The planned time of the earliest step or rule that waits. When the suppressor ends, everything moves on by the wait.
    pub due: Timestamp,
    /// When the suppressor ends, where that is known beforehand.
    pub until: Option<Timestamp>,
    /// Whether what waits goes on waiting for [`crate::suppression::SETTLE`] after the suppressor has ended.
    pub settle: bool,
    /// The suppressor has ended, and this is when the wait after it does.
    pub settled: Option<Timestamp>,
}

impl Chain {
    /// A chain whose first cycle was planned to start at `at`. [`super::advance`] runs what is due.
    pub fn start(at: Timestamp) -> Self {
        Self {
            cycle: 1,
            round: 1,
            cycle_start: at,
            step: 0,
            early: Vec::new(),
            called: Vec::new(),
            sequence: 0,
            found: false,
            pending: Vec::new(),
            covering: Vec::new(),
            acknowledged: None,
            held: None,
            exhausted_until: None,
            stopped: None,
        }
    }

    /// A page does not get through to a person by a rule: the next rule of the same run is due at `now` at the latest.
    /// Rules after that one keep their times.
    pub fn hasten(&mut self, cycle: u32, step: u32, person: &str, rule: u32, now: Timestamp) {
        let later = |p: &&mut Pending| (p.cycle, p.step, p.person.as_str()) == (cycle, step, person) && p.rule > rule;
        if let Some(next) = self.pending.iter_mut().filter(later).min_by_key(|p| p.rule) {
            next.at = next.at.min(now);
        }
    }

    /// Whether somebody still has to act: not acknowledged and not over.
    pub fn waits_for_a_person(&self) -> bool {
        self.acknowledged.is_none() && self.stopped.is_none()
    }

    /// Whether a step has reached anybody in this cycle or an earlier one.
    pub(super) fn has_reached_somebody(&self) -> bool {
        self.found || self.cycle > 1
    }

    /// The first step that has not begun in this cycle and comes after `step`, from 1. It may be past the last one.
    pub(super) fn next_unbegun(&self, step: u32) -> u32 {
        let mut next = step.max(self.step) + 1;
        // Bounded: each pass goes past one step that began early.
        while self.early.contains(&next) {
            next += 1;
        }
        next
    }

    /// Writes down that a step has begun.
    pub(super) fn mark_begun(&mut self, step: u32) {
        if step > self.step && !self.early.contains(&step) {
            self.early.push(step);
            self.early.sort_unstable();
        }
        while self.early.first() == Some(&(self.step + 1)) {
            self.early.remove(0);
            self.step += 1;
        }
    }

    /// What was called for runs as soon as nothing holds it: its rules count from then.
    pub(super) fn answer_calls(&mut self, at: Timestamp) {
        self.called.iter_mut().for_each(|called| called.at = at);
    }

    /// Moves on everything that is planned. Calls have no plan to keep their distance to.
    pub(super) fn shift(&mut self, wait: std::time::Duration) {
        let later = |at: &mut Timestamp| *at = crate::time::after(*at, wait);
        later(&mut self.cycle_start);
        self.exhausted_until.iter_mut().for_each(later);
        self.pending.iter_mut().map(|pending| &mut pending.at).for_each(later);
    }
}
