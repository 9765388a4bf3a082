//! The words of a verdict: states, thresholds, transitions.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::probe::Reason;

/// What is said of a monitored target. The words are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Nothing is known: not looked yet, or we could not look.
    Unknown,
    /// It does what is expected.
    Up,
    /// It does what is expected, but too slowly.
    Degraded,
    /// It does not do what is expected.
    Down,
    /// It goes up and down too often to say either.
    Flapping,
    /// What happens to it was announced: looks go on, and nothing new is said until it ends.
    Maintenance,
    /// Nobody looks, by request.
    Suspended,
}

impl State {
    /// Every state, from good to none.
    pub const ALL: [Self; 7] =
        [Self::Up, Self::Degraded, Self::Down, Self::Flapping, Self::Unknown, Self::Maintenance, Self::Suspended];

    /// The word in status, metrics and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Up => "Up",
            Self::Degraded => "Degraded",
            Self::Down => "Down",
            Self::Flapping => "Flapping",
            Self::Maintenance => "Maintenance",
            Self::Suspended => "Suspended",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many looks it takes to change the verdict. A count of 0 is read as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row until Down. Default 3.
    pub down: u32,
    /// Successes in a row until no longer Down. Default 2.
    pub up: u32,
    /// From the end of a failed look to the next one, while the failures are fewer than `down`. Default 2 s.
    pub confirm_every: Duration,
    /// A success that takes longer is slow. Absent: nothing is ever Degraded.
    pub degraded_above: Option<Duration>,
    /// Absent: nothing is ever Flapping.
    pub flapping: Option<Flapping>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { down: 3, up: 2, confirm_every: Duration::from_secs(2), degraded_above: None, flapping: None }
    }
}

/// When changes are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flapping {
    /// So many confirmed changes between answering and Down …
    pub changes: u32,
    /// … within this time.
    pub window: Duration,
}

/// The state changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// When, in whole seconds.
    pub at: Timestamp,
    /// Why, for Down, Degraded and Unknown.
    pub reason: Option<Reason>,
    /// A sentence for people.
    pub message: String,
}

/// How one look counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Look {
    /// As expected.
    Success,
    /// As expected, after failures that were too few to make it Down: the retry told the truth.
    SuccessOnRetry,
    /// Not as expected.
    Failure,
    /// We could not look.
    Blind,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextProbe {
    /// At the next start of the normal interval.
    AtInterval,
    /// So long after the *end* of the look just taken, to confirm its failure.
    ConfirmAfter(Duration),
}
