//! Where clocks stand, for status, deadlines and `explain`.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use super::ClockName;
use crate::ticket::TicketState;

/// One run of one clock. nextResponse and update run again and again; each run is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// Which promise.
    pub name: ClockName,
    /// The how manieth run, from 1.
    pub run: usize,
    /// When it began.
    pub began: Timestamp,
    /// Where it stands.
    pub standing: Standing,
    /// Since when: the start of its present line, or its end.
    pub since: Timestamp,
    /// Working time as of `since`. It is the sum of the ledger.
    pub elapsed: Duration,
    /// What is promised; `None` where only a due time was set by hand.
    pub target: Option<Duration>,
    /// When it is due; only while it runs, and not on a calendar without working time.
    pub due: Option<Timestamp>,
    /// What is left; only while it is paused.
    pub remaining: Option<Duration>,
    /// When its promise was broken. Later loosening does not take that back.
    pub breached_at: Option<Timestamp>,
    /// Which warnings were reached, and when.
    pub warnings: Vec<Warning>,
    /// The next instant at which something is to be said of it.
    pub next: Option<Deadline>,
    /// Whether it runs and has used up as much as the first warning says.
    pub at_risk: bool,
    /// Whether it runs on a calendar that has no working time in the next 400 days, so that it is never due.
    pub calendar_empty: bool,
    /// How `elapsed` came about, in order and without gaps, from `began` to `since`.
    pub ledger: Vec<Line>,
    /// What has been counted since then and up to now; only while it runs or is paused.
    pub present: Option<Line>,
}

/// Where a clock stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Time counts.
    Running,
    /// Time does not count.
    Paused,
    /// What was promised was done in time.
    Met,
    /// It was not.
    Missed,
    /// It counts neither as met nor as missed.
    Cancelled {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// The word in status.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Met => "Met",
            Self::Missed => "Missed",
            Self::Cancelled { .. } => "Cancelled",
        }
    }

    /// Whether it runs or will run again.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A percent of the target's working time that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// 1–99.
    pub percent: u8,
    /// When.
    pub at: Timestamp,
}

/// When something is to be said of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// Of which clock.
    pub clock: ClockName,
    /// What.
    pub mark: Mark,
}

/// What a clock reaches; the later level is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A percent of its target.
    Warning(u8),
    /// All of it.
    Due,
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// Of which clock.
    pub clock: ClockName,
    /// Of which of its runs.
    pub run: usize,
    /// When; not when that was found.
    pub breached_at: Timestamp,
}

/// One interval of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From.
    pub from: Timestamp,
    /// Up to but not including.
    pub to: Timestamp,
    /// Whether time counted, and why.
    pub pace: Pace,
    /// The calendar whose working time counted.
    pub calendar: String,
    /// How much counted.
    pub counted: Duration,
    /// What about its targets changed at its start; empty for nothing.
    pub changed: String,
}

/// Whether time counts, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Working time counts in this state.
    Runs(TicketState),
    /// Nothing counts in this state.
    Pauses(TicketState),
    /// Nothing is promised, so nothing counts.
    NoTarget,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs(state) => write!(f, "running, {state}"),
            Self::Pauses(state) => write!(f, "paused, {state}"),
            Self::NoTarget => f.write_str("no target"),
        }
    }
}

/// The word in a ticket's SLA column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing to worry about.
    Ok,
    /// A running clock has reached a warning.
    AtRisk,
    /// Every open clock is paused.
    Paused,
    /// An open clock has broken its promise; or all are over and the last of one missed it.
    Breached,
    /// Nothing is promised.
    None,
}

impl Attention {
    /// The word in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::AtRisk => "AtRisk",
            Self::Paused => "Paused",
            Self::Breached => "Breached",
            Self::None => "None",
        }
    }
}

/// Every run of every clock of a ticket, in the order of their beginnings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clocks {
    /// Those for which something was promised.
    pub runs: Vec<Clock>,
}

impl Clocks {
    /// The last run of this clock.
    pub fn of(&self, name: ClockName) -> Option<&Clock> {
        self.runs.iter().rev().find(|clock| clock.name == name)
    }

    /// The last run of each clock, in the order of [`ClockName::ALL`].
    pub fn latest(&self) -> impl Iterator<Item = &Clock> {
        ClockName::ALL.into_iter().filter_map(|name| self.of(name))
    }

    /// Every broken promise.
    pub fn breaches(&self) -> impl Iterator<Item = Breach> + '_ {
        self.runs
            .iter()
            .filter_map(|clock| Some(Breach { clock: clock.name, run: clock.run, breached_at: clock.breached_at? }))
    }

    /// The nearest instant at which something is to be said.
    pub fn next(&self) -> Option<Deadline> {
        self.latest().filter_map(|clock| clock.next).min_by_key(|deadline| deadline.at)
    }

    /// The nearest due time of those that run, past ones included.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.latest().filter_map(|clock| clock.due).min()
    }

    /// The word in the SLA column.
    pub fn attention(&self) -> Attention {
        let open = || self.latest().filter(|clock| clock.standing.is_open());
        if open().next().is_none() {
            let judged = || self.latest().map(|clock| &clock.standing);
            return if judged().any(|standing| *standing == Standing::Missed) {
                Attention::Breached
            } else if judged().any(|standing| *standing == Standing::Met) {
                Attention::Ok
            } else {
                Attention::None
            };
        }
        if open().any(|clock| clock.breached_at.is_some()) {
            Attention::Breached
        } else if open().any(|clock| clock.at_risk) {
            Attention::AtRisk
        } else if open().all(|clock| clock.standing == Standing::Paused) {
            Attention::Paused
        } else {
            Attention::Ok
        }
    }
}
