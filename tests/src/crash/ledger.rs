//! What was seen from outside while a seed ran: kills, leaders, receipts, and which outcomes became durable.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

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
    /// The ticket's uid.
    pub uid: String,
    /// When.
    pub at: SystemTime,
}

/// An operator that ended.
#[derive(Debug, Clone)]
pub struct Killed {
    /// When.
    pub at: SystemTime,
    /// At which point.
    pub point: String,
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
    pub kills: Vec<Killed>,
    /// When an operator took the lease.
    pub leaders: Vec<SystemTime>,
    /// When a ticket's status with the outcome Accepted of an id was answered by the API server.
    pub durable: HashMap<String, SystemTime>,
    /// Messages that were refused with 503.
    pub refused: u32,
    /// What went wrong with the run itself.
    pub trouble: Vec<String>,
}

/// What the death of a leader may cost: its lease's four seconds, and on a busy machine a start beside many others.
const TAKEOVER: Duration = Duration::from_secs(20);

impl Ledger {
    /// How much of a span it is excused that nobody led: from the kill of a leader to the next one's lease, which must come
    /// within [`TAKEOVER`].
    pub fn leaderless(&self, from: SystemTime, to: SystemTime) -> Duration {
        let gaps = self.kills.iter().filter(|kill| kill.led).map(|kill| {
            let next = self.leaders.iter().copied().filter(|at| *at > kill.at).min().unwrap_or(to);
            (kill.at.max(from), next.min(to).min(kill.at + TAKEOVER))
        });
        gaps.map(|(begin, end)| end.duration_since(begin).unwrap_or_default()).sum()
    }
}
