//! What can matter to a clock, as the ticket's fold tells it.

use jiff::Timestamp;

use super::{ClockName, Targets};
use crate::ticket::{CloseReason, TicketState};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
}

/// What happened. What a machine wrote is never among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// The ticket begins: with its first message, or with its first alert.
    Began {
        /// Whether somebody asked for it; without, nobody waits for an answer.
        has_requester: bool,
    },
    /// The requester wrote.
    Asked,
    /// Somebody answered the requester in public. An answer that also resolves is this, and then the state.
    Replied,
    /// Somebody wrote to colleagues.
    Noted,
    /// Somebody acknowledged it, or it was assigned.
    Taken,
    /// The requester's message needs no answer.
    NoAnswerNeeded {
        /// Why.
        why: String,
    },
    /// It moved to another state. To Resolved or Closed without an answer before is silent; from there to any other
    /// reopens it.
    State {
        /// Which.
        to: TicketState,
        /// Why, at the end.
        reason: Option<CloseReason>,
    },
    /// Another ticket carries it on.
    Merged,
    /// Priority, queue or policy changed, and other targets count from here. Time so far is carried over.
    Targets {
        /// What is promised now.
        to: Box<Targets>,
        /// For people: `priority P3 -> P1`.
        why: String,
    },
    /// A due time was set by hand, or taken away again.
    DueSet {
        /// Of which clock.
        clock: ClockName,
        /// When; `None`: by the targets again.
        due: Option<Timestamp>,
    },
}
