//! Escalation: who is told, one step after the other, until somebody acknowledges or the trouble ends.
//!
//! One pure state machine. [`Chain`] is its whole state and is stored on the ticket; [`advance`] takes
//! an event (or just the time) and returns the next state and what to do, as [`Effect`]s; [`next_deadline`]
//! says when to look again. Nothing here sends, writes or reads a clock, and a delivery never stops a chain.
//!
//! Delays count from planned times, so lateness does not add up. Steps are numbered from 1; step 0
//! is the last resort.

mod advance;
mod resolve;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use advance::{advance, next_deadline};

use crate::{
    alert::Severity,
    policy::{EscalationPolicy, NotifyTarget, Policy, Repeat, Step},
};

/// How often the last step runs again once every cycle has passed without an acknowledgement.
pub const EXHAUSTED_EVERY: Duration = Duration::from_secs(3_600);

/// The part of `ackTimeout` after which the one who acknowledged is asked whether they are still on it.
const ASK_AT_PERCENT: u32 = 80;

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
    /// How many steps of this cycle have begun.
    pub step: u32,
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

/// A personal rule whose time has not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// When it is due.
    pub at: Timestamp,
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
}

/// Why due steps wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The suppressor, for people: "silence deploy-42".
    pub by: String,
    /// The planned time of the earliest step or rule that waits. When the suppressor ends, everything moves on by the wait.
    pub due: Timestamp,
}

/// What happened to the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody takes it.
    Acknowledge {
        /// A person's name, else the Kubernetes user.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody gives it back: a new cycle starts.
    Unacknowledge {
        /// When.
        at: Timestamp,
    },
    /// A human act that shows that somebody works on it.
    Activity {
        /// When.
        at: Timestamp,
    },
    /// The trouble ended, or the ticket was resolved.
    Stop {
        /// When.
        at: Timestamp,
    },
    /// It fires again before the ticket was resolved: the current step runs again.
    Refire {
        /// When.
        at: Timestamp,
    },
    /// It fires again on a resolved ticket, or became more severe: a new cycle, acknowledged or not.
    Restart {
        /// When.
        at: Timestamp,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell somebody.
    Page(Page),
    /// A step began; the text says who it reaches.
    StepBegan {
        /// Cycle and step, step 0 being the last resort.
        cycle: u32,
        /// See above.
        step: u32,
        /// Who it reaches, or that it reaches nobody and why.
        detail: String,
    },
    /// A due step waits; the text says what would have happened.
    Held {
        /// "would have run step 2 at 03:10:00Z, silence deploy-42".
        detail: String,
    },
    /// What held the steps has ended.
    Released {
        /// How long they waited.
        detail: String,
    },
    /// No step of the cycle reached anybody; the last resort was told.
    NobodyFound,
    /// Every cycle has passed; the last resort was told.
    Exhausted,
    /// Nothing happened after the acknowledgement; a new cycle started.
    AcknowledgementWithdrawn {
        /// Whose.
        by: String,
    },
    /// Ask the one who acknowledged whether they are still on it.
    AskStillOnIt {
        /// Whom.
        by: String,
    },
    /// Tell the one who acknowledged that it fires again.
    TellRefired {
        /// Whom.
        by: String,
    },
}

/// Tell somebody, or a channel itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Page {
    /// See [`Chain::cycle`].
    pub cycle: u32,
    /// From 1; 0 is the last resort.
    pub step: u32,
    /// The personal rule, from 1; 0 for a channel itself.
    pub rule: u32,
    /// See [`Chain::sequence`].
    pub sequence: u32,
    /// The person; `None` for a channel itself.
    pub person: Option<String>,
    /// The channel's name.
    pub channel: String,
    /// When it was planned; lateness is measured from here.
    pub planned: Timestamp,
}

/// What a decision rests on besides the chain itself.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The steps, as they stood when the ticket began.
    pub escalation: &'a EscalationPolicy,
    /// People, channels, schedules and the last resort, as they are now.
    pub live: &'a Policy,
    /// Which of a person's rules apply.
    pub severity: Severity,
    /// Why nothing may be sent now, for people: "silence deploy-42".
    pub suppressed: Option<&'a str>,
}

impl Chain {
    /// A chain whose first cycle was planned to start at `at`. [`advance`] runs what is due.
    pub fn start(at: Timestamp) -> Self {
        Self {
            cycle: 1,
            round: 1,
            cycle_start: at,
            step: 0,
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

    /// Whether somebody still has to act: not acknowledged and not over.
    pub fn waits_for_a_person(&self) -> bool {
        self.acknowledged.is_none() && self.stopped.is_none()
    }
}

/// The escalation of a page whose route names none: those the route notifies, else the last resort.
pub fn without_escalation(notify: &[NotifyTarget], policy: &Policy) -> EscalationPolicy {
    let targets = if notify.is_empty() { policy.last_resort.clone() } else { notify.to_vec() };
    EscalationPolicy {
        name: String::new(),
        steps: vec![Step { after: Duration::ZERO, notify: targets }],
        repeat: Repeat::default(),
        ack_timeout: None,
    }
}
