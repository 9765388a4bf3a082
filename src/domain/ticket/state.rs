//! The states of a ticket and why one ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a ticket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum TicketState {
    /// Nobody has touched it.
    #[default]
    New,
    /// Somebody has.
    Open,
    /// Waits for the one who asked.
    PendingRequester,
    /// Waits for a vendor.
    PendingVendor,
    /// Waits for a date that was agreed with the one who asked.
    Scheduled,
    /// Done; reopens when it happens again soon.
    Resolved,
    /// Over for good.
    Closed,
}

impl TicketState {
    /// Every state, in the order of a ticket's life.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Open,
        Self::PendingRequester,
        Self::PendingVendor,
        Self::Scheduled,
        Self::Resolved,
        Self::Closed,
    ];

    /// The word in status and columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Open => "Open",
            Self::PendingRequester => "PendingRequester",
            Self::PendingVendor => "PendingVendor",
            Self::Scheduled => "Scheduled",
            Self::Resolved => "Resolved",
            Self::Closed => "Closed",
        }
    }

    /// One of our own words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether it waits for somebody or something outside, until some time.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::PendingRequester | Self::PendingVendor | Self::Scheduled)
    }

    /// Whether work on it has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }
}

impl fmt::Display for TicketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a ticket is Resolved or Closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// The work was done.
    Completed,
    /// It will not be done.
    NotPlanned,
    /// Another ticket covers it.
    Duplicate,
    /// The one who asked never answered.
    NoResponse,
    /// Not a request.
    Spam,
    /// Another ticket carries it on.
    Merged,
    /// What fired has stopped by itself.
    Recovered,
}

impl CloseReason {
    /// Every reason a person may give with a state; `Merged` comes with a merge, `Recovered` is the operator's own.
    pub const BY_PEOPLE: [Self; 5] = [Self::Completed, Self::NotPlanned, Self::Duplicate, Self::NoResponse, Self::Spam];

    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::NotPlanned => "NotPlanned",
            Self::Duplicate => "Duplicate",
            Self::NoResponse => "NoResponse",
            Self::Spam => "Spam",
            Self::Merged => "Merged",
            Self::Recovered => "Recovered",
        }
    }

    /// A reason a person may give.
    pub fn parse_by_people(word: &str) -> Option<Self> {
        Self::BY_PEOPLE.into_iter().find(|reason| reason.as_str() == word)
    }
}
