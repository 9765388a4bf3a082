//! What keeps people from being told, for now, and why: [`judge`] answers for a ticket's firing alerts at an instant.
//!
//! Suppression is a filter at the moment of each step. Nothing here remembers what was held back: whoever waits (an
//! escalation, the notices of a group, an alert without a ticket) keeps that with its own state, asks again when
//! something changed, and obeys [`HoldKind::settle`] and [`HoldKind::holds_what_has_begun`].

pub mod dependency;
mod inhibition;
mod judge;
pub mod silence;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use jiff::Timestamp;

pub use inhibition::{Inhibition, Source, sources};
pub use judge::{Judgement, Surroundings, judge, muted};
pub use silence::{Silence, silence_for};

/// How long the trouble must go on after an inhibition or a dependency has ended before somebody is told: the cause is
/// repaired, and most of what it had broken recovers within this time by itself.
pub const SETTLE: Duration = Duration::from_secs(60);

/// Why nobody may be told now: one suppressor, of several the one that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The suppressor, for people: "silence deploy-42 until …", "inhibited by RegionDown (rule region)". It stays the
    /// same as long as the same suppressor holds, so that a change of it is worth a line.
    pub by: String,
    /// What sort of suppressor it is: decides what happens when it ends, and whom it may hold.
    pub kind: HoldKind,
    /// When it may end by itself and is to be asked about again. `None`: only something that happens ends it, and
    /// whoever is held is woken then.
    pub until: Option<Timestamp>,
}

/// The sorts of suppressors. Where several hold at once, the least of them is the one on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldKind {
    /// A person muted it.
    Silence,
    /// An alert that is the cause fires.
    Inhibition,
    /// A monitor it depends on is down, and somebody is told of that.
    Dependency,
    /// Its route is muted by a calendar, or only active in another one.
    Calendar,
}

impl HoldKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Silence, Self::Inhibition, Self::Dependency, Self::Calendar];

    /// How long after the end of the suppression what was held still waits: a silence or a calendar that ends lets go at
    /// once, a cause that has gone gives the rest [`SETTLE`] to recover. If the suppression begins again meanwhile, the
    /// wait starts over.
    pub fn settle(self) -> Duration {
        match self {
            Self::Silence | Self::Calendar => Duration::ZERO,
            Self::Inhibition | Self::Dependency => SETTLE,
        }
    }

    /// Whether it also holds an escalation that has paged somebody. A calendar does not: office hours that end must not
    /// stop what has begun.
    pub fn holds_what_has_begun(self) -> bool {
        self != Self::Calendar
    }

    /// The word for metrics and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Inhibition => "inhibition",
            Self::Dependency => "dependency",
            Self::Calendar => "calendar",
        }
    }
}

impl fmt::Display for HoldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
