//! The clocks of a ticket: first response, next response, update, resolution.
//!
//! [`clocks`] is a pure function of what happened, the targets in force and `now`. Nothing is accumulated: a replay
//! gives the same clocks, a message that comes in late is simply one more happening, and the ledger of each clock says
//! interval by interval how its time came about.
//!
//! | clock | begins | is met by | pauses in |
//! |---|---|---|---|
//! | firstResponse | with the ticket | the first public human answer; without a requester the first acknowledge, assign or note | nothing |
//! | nextResponse | with the oldest unanswered message, once the first response was given | the next public human answer | Scheduled |
//! | update | with the first response, and with each public answer (without a requester: each note) | the next one, or Resolved | PendingRequester, Scheduled |
//! | resolution | with the ticket | Resolved; a reopening voids that and goes on | PendingRequester, Scheduled, Resolved |
//!
//! Automatic answers, out-of-office mail and bounces are not among the happenings, so they can neither start nor stop,
//! resume nor reopen anything. [`untold`] says what of it nobody has heard yet; who hears it is not decided here.

mod clock;
mod course;
mod cycle;
mod happening;
mod telling;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use clock::{Attention, Breach, Clock, Clocks, Deadline, Line, Mark, Pace, Standing, Warning};
pub use happening::{Happened, Happening};
pub use telling::{REMEMBERED, Reached, untold};

use crate::{calendar::Calendar, time::whole_seconds};

/// One of the four promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClockName {
    /// Until somebody answers at all.
    FirstResponse,
    /// Until each further message is answered.
    NextResponse,
    /// From one word to the requester to the next.
    Update,
    /// Until it is done.
    Resolution,
}

impl ClockName {
    /// Every clock.
    pub const ALL: [Self; 4] = [Self::FirstResponse, Self::NextResponse, Self::Update, Self::Resolution];

    /// The word in specs and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstResponse => "firstResponse",
            Self::NextResponse => "nextResponse",
            Self::Update => "update",
            Self::Resolution => "resolution",
        }
    }

    /// One of our own words.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|clock| clock.as_str() == word)
    }
}

impl fmt::Display for ClockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is promised for one priority, and in which working time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// The calendar's name in the policy.
    pub calendar_name: String,
    /// The working time that counts.
    pub calendar: Calendar,
    /// Until the first answer.
    pub first_response: Option<Duration>,
    /// Until each further answer.
    pub next_response: Option<Duration>,
    /// From one word to the requester to the next.
    pub update: Option<Duration>,
    /// Until it is done.
    pub resolution: Option<Duration>,
    /// At which percent of a target's working time to warn: 1–99, increasing.
    pub warn_at: Vec<u8>,
}

impl Targets {
    /// Nothing is promised.
    pub fn none() -> Self {
        Self {
            calendar_name: crate::calendar::ALWAYS.to_owned(),
            calendar: Calendar::always(),
            first_response: None,
            next_response: None,
            update: None,
            resolution: None,
            warn_at: Vec::new(),
        }
    }

    /// What is promised for this clock.
    pub fn of(&self, clock: ClockName) -> Option<Duration> {
        match clock {
            ClockName::FirstResponse => self.first_response,
            ClockName::NextResponse => self.next_response,
            ClockName::Update => self.update,
            ClockName::Resolution => self.resolution,
        }
    }
}

/// Where every clock of a ticket stands at `now`, from what happened (in order of time) and the targets it began with.
///
/// Instants are truncated to whole seconds. A happening that lies before the one listed earlier counts at that one's
/// time; those later than `now` are not looked at.
pub fn clocks(happenings: &[Happening], initial: &Targets, now: Timestamp) -> Clocks {
    let now = whole_seconds(now);
    let mut course = course::Course::new(initial);
    for happening in happenings.iter().filter(|happening| whole_seconds(happening.at) <= now) {
        course.take(happening);
    }
    course.clocks(now)
}
