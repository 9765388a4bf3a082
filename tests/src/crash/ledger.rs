//! What was seen from outside while a seed ran: how operators ended, leaders, receipts, and which outcomes became durable.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::schedule::{ISLAND_AFTER, Point};

/// One message that a receiver took.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// `webhook-id`.
    pub id: String,
    /// `page`, `notice`, `update`, `resolved`.
    pub kind: String,
    /// Who it is for, by the address it came to.
    pub person: String,
    /// The service it is about.
    pub service: String,
    /// The ticket's name.
    pub ticket: String,
    /// When.
    pub at: SystemTime,
}

/// An operator that ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// When.
    pub at: SystemTime,
    /// At which point it was killed; `None`: by itself, because its lease was taken.
    pub point: Option<Point>,
    /// Whether it led just then.
    pub led: bool,
    /// Whether it has led at all, so that a message of it may have been on its way.
    pub had_led: bool,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// In order.
    pub receipts: Vec<Receipt>,
    /// In order.
    pub ends: Vec<Ended>,
    /// When an operator took the lease.
    pub leaders: Vec<SystemTime>,
    /// When a ticket's status with the outcome Accepted of an id was answered by the API server.
    pub durable: HashMap<String, SystemTime>,
    /// When a ticket's status that withdraws an id was answered.
    pub withdrawn: HashMap<String, SystemTime>,
    /// When no replica reached the API server.
    pub parted: Vec<Parted>,
    /// Messages that were refused with 503.
    pub refused: u32,
    /// What went wrong with the run itself.
    pub trouble: Vec<String>,
}

/// A time in which no replica reached the API server.
#[derive(Debug, Clone, Copy)]
pub struct Parted {
    /// Its begin.
    pub from: SystemTime,
    /// Its end; `None` while it lasts.
    pub to: Option<SystemTime>,
    /// The first write of the lease after it.
    pub led_again: Option<SystemTime>,
}

/// What the death of a leader may cost: its lease's four seconds, and on a busy machine a start beside many others.
const TAKEOVER: Duration = Duration::from_secs(20);
/// What an outage may cost until the leader goes on by itself.
const ALONE: Duration = Duration::from_secs(ISLAND_AFTER + 3);
/// What the end of an outage may cost, until the lease is written again.
const BACK: Duration = Duration::from_secs(6);

impl Ledger {
    /// How much of a span it is excused that nobody led: from the end of a leader to the next one's lease, which must come
    /// within [`TAKEOVER`] or, in an outage, that long after it; from the begin of an outage until the leader goes on by
    /// itself; from its end to the lease.
    pub fn leaderless(&self, from: SystemTime, to: SystemTime) -> Duration {
        let again = self.parted.iter().filter_map(|parted| parted.led_again);
        let leaders: Vec<SystemTime> = self.leaders.iter().copied().chain(again).collect();
        let ends = self.ends.iter().filter(|end| end.led).map(|end| {
            let next = leaders.iter().copied().filter(|at| *at > end.at).min().unwrap_or(to);
            (end.at, next.min(self.may_lead(end.at) + TAKEOVER))
        });
        let alone = self.parted.iter().map(|parted| (parted.from, parted.from + ALONE));
        let back = self.parted.iter().filter_map(|parted| {
            let end = parted.to?;
            Some((end, parted.led_again.unwrap_or(to).min(end + BACK)))
        });
        let mut gaps: Vec<_> = ends.chain(alone).chain(back).collect();
        gaps.sort_unstable();
        let (mut sum, mut counted) = (Duration::ZERO, from);
        for (begin, end) in gaps {
            sum += end.min(to).duration_since(begin.max(counted)).unwrap_or_default();
            counted = counted.max(end);
        }
        sum
    }

    /// The points at which operators were killed.
    pub fn killed(&self) -> impl Iterator<Item = Point> {
        self.ends.iter().filter_map(|end| end.point)
    }

    /// Whether no replica reached the API server just then.
    pub fn is_parted(&self, at: SystemTime) -> bool {
        self.parted.iter().any(|parted| parted.from <= at && parted.to.is_none_or(|end| at < end))
    }

    /// When somebody may follow a leader that died: in an outage only after it.
    fn may_lead(&self, died: SystemTime) -> SystemTime {
        let met = self.parted.iter().filter(|parted| parted.from <= died + TAKEOVER);
        met.filter_map(|parted| parted.to).filter(|end| *end >= died).max().unwrap_or(died)
    }
}
