//! Escalation: who is told, one step after the other, until somebody acknowledges or the trouble ends.
//!
//! One pure state machine. [`Chain`] is its whole state and is stored on the ticket; [`advance`] takes
//! an [`Event`] (or just the time) and returns what to do, as [`Effect`]s; [`next_deadline`] says when to look
//! again. Nothing here sends, writes or reads a clock, and a delivery never stops a chain.
//!
//! Delays count from planned times, so lateness does not add up. Steps are numbered from 1; step 0
//! is the last resort.
//!
//! What always holds, and is proven by `tests::model` against an independent reckoning:
//!
//! 1. **No step is skipped, repeated or forgotten.** In each cycle each step begins once: at its planned time, ahead of
//!    it because a person asked for it or because the one before found nobody, or after what held it has ended. It
//!    begins again only because a person asked, or because the trouble came back while it was the current one.
//! 2. **No personal rule is forgotten.** It runs on past later steps and cycles until somebody acknowledges, its person
//!    goes off duty and another one is reached instead, or the trouble ends.
//! 3. **Who waits for a person has a deadline**, unless something holds the chain whose end nobody knows beforehand:
//!    then that end is the event that wakes it.
//! 4. **Looking late or often changes no plan.** After an absence one message goes out for each step, person and channel.
//! 5. **Cycles only grow**, and no two messages of a chain have the same [`Page`] identity.
//! 6. **Only an acknowledgement or the end of the trouble stops a chain.** It never ends in silence: when its cycles are
//!    used up the last step runs hourly, and where nobody at all is found an effect says so.

mod advance;
mod chain;
mod effect;
mod handover;
mod hold;
mod resolve;
mod take;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

pub use advance::{advance, next_deadline};
pub use chain::{Acknowledgement, Called, Chain, Covering, Held, Pending};
pub use effect::{Effect, Missing, Page, Reach, Reached, Via, Withdrawn};

use crate::{
    alert::Severity,
    oncall::Override,
    policy::{EscalationPolicy, NotifyTarget, Policy, Repeat, Step},
    suppression::Hold,
};

/// How often the last step runs again once every cycle has passed without an acknowledgement.
pub const EXHAUSTED_EVERY: Duration = Duration::from_secs(3_600);

/// The part of `ackTimeout` after which the one who acknowledged is asked whether they are still on it.
const ASK_AT_PERCENT: u32 = 80;

/// What happened to the ticket. What says only what is so already changes nothing, so an event may come twice; but
/// [`Event::Restart`] and [`Event::EscalateTo`] are acts, and each counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody takes it.
    Acknowledge {
        /// A person's name, else the Kubernetes user.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody takes it and wants to be left alone until then; at `until` a new cycle starts.
    Snooze {
        /// A person's name, else the Kubernetes user.
        by: String,
        /// When.
        at: Timestamp,
        /// Until then nobody is told and nobody is asked.
        until: Timestamp,
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
    /// A person wants that step now. Later planned times stay. On a ticket that is acknowledged or quiet a new cycle
    /// begins with that step, because those who are called have to acknowledge.
    EscalateTo {
        /// From 1; a step that the escalation does not have changes nothing.
        step: u32,
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

/// What a decision rests on besides the chain itself.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The steps, as they stood when the ticket began.
    pub escalation: &'a EscalationPolicy,
    /// People, channels, schedules and the last resort, as they are now.
    pub live: &'a Policy,
    /// Who stands in for whom, of any schedule of the policy.
    pub overrides: &'a [Override],
    /// Which of a person's rules apply.
    pub severity: Severity,
    /// Why nobody may be told now.
    pub hold: Option<&'a Hold>,
}

impl Situation<'_> {
    /// Whom a step tells, as written; step 0 is the last resort as it is now.
    fn targets(&self, step: u32) -> &[NotifyTarget] {
        match step.checked_sub(1) {
            None => &self.live.last_resort,
            Some(index) => self.escalation.steps.get(index as usize).map_or(&[], |step| &step.notify),
        }
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
