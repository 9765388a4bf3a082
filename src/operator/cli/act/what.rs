//! The acts themselves: what of them is written down, and how they read once they count.

use api::{
    ticket::{Link, Relation, TicketState},
    ticket_event::{Assign, Escalate, Merge, Note, Prioritise, Reply, Snooze, StateChange, TicketEventSpec},
};
use clap::ValueEnum;
use domain::ticket::CloseReason;
use jiff::Timestamp;

use super::super::output::plain;

/// Why a ticket is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Reason {
    /// The work was done
    Completed,
    /// It will not be done
    NotPlanned,
    /// Another ticket covers it
    Duplicate,
    /// The one who asked never answered
    NoResponse,
    /// Not a request
    Spam,
}

impl From<Reason> for CloseReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Completed => Self::Completed,
            Reason::NotPlanned => Self::NotPlanned,
            Reason::Duplicate => Self::Duplicate,
            Reason::NoResponse => Self::NoResponse,
            Reason::Spam => Self::Spam,
        }
    }
}

/// Whom or what an open ticket waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Waiting {
    /// The one who asked must answer; needs an answer to them first
    Requester,
    /// A vendor must act
    Vendor,
    /// The work is planned for a time; needs --until
    Scheduled,
}

impl From<Waiting> for TicketState {
    fn from(waiting: Waiting) -> Self {
        match waiting {
            Waiting::Requester => Self::PendingRequester,
            Waiting::Vendor => Self::PendingVendor,
            Waiting::Scheduled => Self::Scheduled,
        }
    }
}

/// What is done to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// "I work on it."
    Acknowledge,
    /// "I do not work on it any more."
    Unacknowledge,
    /// "I work on it, and will not be asked again until then."
    Snooze(Timestamp),
    /// An answer that the requester reads.
    Reply(String),
    /// A remark.
    Note(String),
    /// Somebody else gets it.
    Assign(String),
    /// It is more or less important than it was.
    Prioritise {
        /// `P1` … `P5`.
        to: String,
        /// Why.
        why: String,
    },
    /// It waits.
    Wait {
        /// For whom.
        on: Waiting,
        /// Until when at the most.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// A step of the escalation runs now.
    Escalate(u32),
    /// It has to do with another ticket or a page.
    Link(Link),
    /// It becomes a part of this ticket.
    Merge(String),
    /// It is done.
    Resolve(Reason),
    /// It is done and put away.
    Close(Reason),
    /// It is not done after all.
    Reopen,
}

impl Act {
    pub(super) fn spec(&self, ticket: &str, author: &str) -> TicketEventSpec {
        let mut spec = TicketEventSpec {
            ticket: ticket.to_owned(),
            author: Some(author.to_owned()).filter(|author| !author.is_empty()),
            ..TicketEventSpec::default()
        };
        match self {
            Self::Acknowledge => spec.acknowledge = Some(true),
            Self::Unacknowledge => spec.unacknowledge = Some(true),
            Self::Snooze(until) => spec.snooze = Some(Snooze { until: *until }),
            Self::Reply(text) => spec.reply = Some(Reply { text: text.clone(), automatic: false }),
            Self::Note(text) => spec.note = Some(Note { text: text.clone() }),
            Self::Assign(to) => spec.assign = Some(Assign { to: to.clone() }),
            Self::Prioritise { to, why } => {
                spec.priority = Some(Prioritise { to: to.clone(), why: why.clone() });
            }
            Self::Wait { on, until, reason } => {
                spec.state = Some(StateChange { to: (*on).into(), reason: reason.clone(), until: *until });
            }
            Self::Escalate(step) => spec.escalate = Some(Escalate { step: *step }),
            Self::Link(link) => spec.link = Some(link.clone()),
            Self::Merge(into) => spec.merge = Some(Merge { into: into.clone() }),
            Self::Resolve(reason) => spec.state = Some(over(TicketState::Resolved, *reason)),
            Self::Close(reason) => spec.state = Some(over(TicketState::Closed, *reason)),
            Self::Reopen => spec.state = Some(StateChange { to: TicketState::Open, reason: None, until: None }),
        }
        spec
    }

    pub(super) fn done(&self, author: &str) -> String {
        match self {
            Self::Acknowledge => format!("acknowledged by {author}"),
            Self::Unacknowledge => format!("given back by {author}"),
            Self::Snooze(until) => format!("taken by {author}, who is asked again at {until}"),
            Self::Reply(_) => format!("has an answer by {author} on record; it is not sent, so tell them yourself"),
            Self::Note(_) => format!("got a note from {author}"),
            Self::Assign(to) => format!("assigned to {} by {author}", plain(to)),
            Self::Prioritise { to, .. } => format!("is {} now, says {author}", plain(to)),
            Self::Wait { on, until, .. } => {
                let until = until.map(|until| format!(", until {until} at the most")).unwrap_or_default();
                format!("is {:?} by {author}{until}", TicketState::from(*on))
            }
            Self::Escalate(step) => format!("escalated to step {step} by {author}"),
            Self::Link(link) => {
                let other = link.ticket.as_ref().or(link.url.as_ref()).map(|other| plain(other)).unwrap_or_default();
                match link.relation {
                    Relation::Url => format!("linked to {other} by {author}"),
                    relation => format!("{} {other}, says {author}", relation.as_str()),
                }
            }
            Self::Merge(into) => format!("merged into {} by {author}", plain(into)),
            Self::Close(reason) => format!("closed by {author} ({})", CloseReason::from(*reason).as_str()),
            Self::Resolve(reason) => format!("resolved by {author} ({})", CloseReason::from(*reason).as_str()),
            Self::Reopen => format!("reopened by {author}"),
        }
    }
}

fn over(to: TicketState, reason: Reason) -> StateChange {
    StateChange { to, reason: Some(CloseReason::from(reason).as_str().to_owned()), until: None }
}
