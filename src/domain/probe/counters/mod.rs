//! Exact counts of looks over time, in memory that does not grow: minutes for a day, hours for as long as the
//! longest objective asks, about 6 kB for a month whatever the interval.
//!
//! One [`Counters`] answers one question with yes or no per look ("was it as expected?", "was it fast enough?").
//! Nothing is averaged or rounded: a window is a sum of whole buckets, the newest of which is still filling.
//!
//! The clock may step. A look is counted in the bucket its clock names. One from before the oldest bucket that is
//! kept means that the clock was set far back, so that all that was counted lies in a future that did not happen: the
//! ring begins anew. One from so far ahead that nothing is left of the ring begins it anew as well.

mod kept;
mod ring;

use std::time::Duration;

use jiff::Timestamp;

pub use kept::KeptCounters;
use ring::Ring;

/// Seconds of a minute and of an hour.
const WIDTHS: (i64, i64) = (60, 3600);

/// Minutes that are kept: a day of them.
const MINUTES: usize = 24 * 60;

/// Hours that are kept at least: the month of `status.uptime`.
pub const LEAST_HOURS: usize = 30 * 24;

/// Hours that are kept at most: an objective over 90 days.
pub const MOST_HOURS: usize = 90 * 24;

/// How a look counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

/// Looks of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All looks.
    pub all: u64,
    /// Those that were not as they should be; never more than `all`.
    pub bad: u64,
}

impl Tally {
    /// Those that were as they should be.
    pub fn good(self) -> u64 {
        self.all.saturating_sub(self.bad)
    }
}

/// The counts of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters {
    minutes: Ring,
    hours: Ring,
}

impl Counters {
    /// Nothing is counted yet. `hours` is held within [`LEAST_HOURS`] and [`MOST_HOURS`].
    pub fn new(hours: usize) -> Self {
        let hours = hours.clamp(LEAST_HOURS, MOST_HOURS);
        Self { minutes: Ring::new(WIDTHS.0, MINUTES), hours: Ring::new(WIDTHS.1, hours) }
    }

    /// Keeps so many hours from now on; what is counted in those that stay is kept.
    pub fn keep_hours(&mut self, hours: usize) {
        self.hours.resize(hours.clamp(LEAST_HOURS, MOST_HOURS));
    }

    /// Counts a look at the time it began.
    pub fn record(&mut self, at: Timestamp, count: Count) {
        self.minutes.record(at.as_second(), count);
        self.hours.record(at.as_second(), count);
    }

    /// The looks of the window that ends at `now`: in minutes up to a day, in hours beyond. The bucket of `now` is the
    /// last of the window, so that a window of 5 minutes is the 4 before this one and what this one has so far.
    pub fn tally(&self, window: Duration, now: Timestamp) -> Tally {
        let seconds = i64::try_from(window.as_secs()).unwrap_or(i64::MAX);
        let day = WIDTHS.0.saturating_mul(i64::try_from(MINUTES).unwrap_or(i64::MAX));
        let ring = if seconds <= day { &self.minutes } else { &self.hours };
        ring.tally(seconds, now.as_second())
    }

    /// Bytes of memory, without the struct itself.
    pub fn bytes(&self) -> usize {
        self.minutes.bytes() + self.hours.bytes()
    }
}

#[cfg(test)]
mod tests;
