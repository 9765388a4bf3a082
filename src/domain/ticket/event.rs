//! What people do to a ticket: one append-only act each.

use jiff::Timestamp;

/// One act, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEvent {
    /// The object's name.
    pub name: String,
    /// Drawn once, in the order of arrival; breaks ties of time.
    pub sequence: u64,
    /// When it happened, whole seconds.
    pub at: Timestamp,
    /// When its object was created.
    pub created: Timestamp,
    /// The uid of the ticket that its owner reference names, when there is one.
    pub owner: Option<String>,
    /// The Kubernetes user.
    pub author: String,
    /// What was done.
    pub act: Act,
    /// Why it does not count, where that was found outside the fold: recorded when the event was judged, so that
    /// a replay does not depend on what the policy says by then.
    pub refused: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// "I work on it."
    Acknowledge,
    /// "I do not work on it any more."
    Unacknowledge,
    /// A remark for colleagues.
    Note {
        /// The remark.
        text: String,
    },
    /// Somebody else, or oneself, gets it.
    Assign {
        /// A person's name.
        to: String,
    },
    /// The ticket moves to another state.
    State {
        /// The word as written.
        to: String,
        /// The reason as written; empty where none was given.
        reason: String,
    },
}

impl Act {
    /// The word in the ACT column.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Unacknowledge => "unacknowledge",
            Self::Note { .. } => "note",
            Self::Assign { .. } => "assign",
            Self::State { .. } => "state",
        }
    }
}
