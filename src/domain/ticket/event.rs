//! What people do to a ticket: one append-only act each.

use jiff::{SignedDuration, Timestamp};

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

/// Whether a person or a machine wrote a text. What a machine wrote never starts, stops, resumes or reopens anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// A person.
    Human,
    /// An acknowledgement of receipt, an out-of-office notice, a bounce.
    Automatic,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// An answer that the requester reads.
    Reply {
        /// The answer.
        text: String,
        /// Who wrote it.
        hand: Hand,
    },
    /// The requester wrote, through whatever takes their mail.
    Message {
        /// Who: a name or an address.
        from: String,
        /// What.
        text: String,
        /// Who wrote it.
        hand: Hand,
    },
    /// A remark for colleagues.
    Note {
        /// The remark.
        text: String,
    },
    /// "I work on it."
    Acknowledge,
    /// "I do not work on it any more."
    Unacknowledge,
    /// "I work on it, but leave me alone until then."
    Snooze {
        /// Until when.
        until: Timestamp,
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
        /// Until when it waits.
        until: Option<Timestamp>,
    },
    /// It becomes more or less important.
    Priority {
        /// `P1` … `P5`.
        to: String,
        /// Why.
        why: String,
    },
    /// It has to do with another ticket or a page.
    Link(Link),
    /// It is a part of another ticket from now on.
    Merge {
        /// That ticket's name.
        into: String,
    },
    /// One of its messages becomes a ticket of its own.
    Split {
        /// The message's place in the conversation, from 1.
        message: u32,
        /// The title of the new ticket.
        title: String,
    },
    /// Another team gets it.
    Queue {
        /// That team's queue.
        to: String,
    },
    /// The requester's message needs no answer.
    NoAnswerNeeded {
        /// Why.
        why: String,
    },
    /// A step of the escalation runs now.
    Escalate {
        /// Which, from 1.
        step: u32,
    },
    /// What the requester thinks of how it went.
    Feedback(Feedback),
}

/// Another ticket or a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// What it has to do with this one: `causedBy`, `duplicateOf`, `url` …
    pub relation: String,
    /// The ticket's name, or the page's address.
    pub target: LinkTarget,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkTarget {
    /// A ticket of the same namespace.
    Ticket(String),
    /// A page.
    Page {
        /// Its address.
        url: String,
        /// What it is called; empty where nobody said.
        title: String,
    },
}

/// What the requester thinks of how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// How content they are, 1 (not at all) to 5.
    pub score: u8,
    /// How much trouble it was to get help, 1 (none) to 5.
    pub effort: Option<u8>,
    /// In their own words; empty where they wrote none.
    pub comment: String,
}

impl Act {
    /// The word in the ACT column, which is also the field's name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Reply { .. } => "reply",
            Self::Message { .. } => "message",
            Self::Note { .. } => "note",
            Self::Acknowledge => "acknowledge",
            Self::Unacknowledge => "unacknowledge",
            Self::Snooze { .. } => "snooze",
            Self::Assign { .. } => "assign",
            Self::State { .. } => "state",
            Self::Priority { .. } => "priority",
            Self::Link(_) => "link",
            Self::Merge { .. } => "merge",
            Self::Split { .. } => "split",
            Self::Queue { .. } => "queue",
            Self::NoAnswerNeeded { .. } => "noAnswerNeeded",
            Self::Escalate { .. } => "escalate",
            Self::Feedback(_) => "feedback",
        }
    }

    /// The act in a few words: `assign to bob`.
    pub fn words(&self) -> String {
        match self {
            Self::Assign { to } => format!("assign to {to}"),
            Self::State { to, .. } => format!("state {to}"),
            Self::Priority { to, .. } => format!("priority {to}"),
            Self::Queue { to } => format!("queue {to}"),
            Self::Snooze { until } => format!("snooze until {until}"),
            Self::Merge { into } => format!("merge into {into}"),
            Self::Split { message, .. } => format!("split message {message}"),
            Self::Escalate { step } => format!("escalate to step {step}"),
            Self::Link(link) => match &link.target {
                LinkTarget::Ticket(name) => format!("{} {name}", link.relation),
                LinkTarget::Page { .. } => "link a page".to_owned(),
            },
            other => other.word().to_owned(),
        }
    }

    /// The same with every instant that it names so much later: it was written by a clock that is as much behind.
    #[must_use]
    pub fn moved(self, by: SignedDuration) -> Self {
        let moved = |at: Timestamp| at.checked_add(by).unwrap_or(at);
        match self {
            Self::Snooze { until } => Self::Snooze { until: moved(until) },
            Self::State { to, reason, until } => Self::State { to, reason, until: until.map(moved) },
            other => other,
        }
    }

    /// Whether a person did it who works on the ticket: shows that the one who acknowledged is still there.
    pub fn is_work(&self) -> bool {
        match self {
            Self::Reply { hand, .. } => *hand == Hand::Human,
            Self::Message { .. } | Self::Feedback(_) => false,
            _ => true,
        }
    }
}
