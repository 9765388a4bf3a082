//! How many looks succeeded in the last hour, day, week and month.
//!
//! The ratio is of looks, not of time. While a failure is being confirmed there are more looks, so
//! a short outage weighs a little more than its length: uptime is never flattered. Looks that could
//! not be taken, and those of an announced maintenance, count neither way.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    counters::{Counters, Tally},
    decimal::percent_cut,
};

/// A time span that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 minutes.
    Hour,
    /// 1,440 minutes.
    Day,
    /// 168 hours.
    Week,
    /// 720 hours.
    Month,
}

impl Window {
    /// All windows, from short to long.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    fn span(self) -> Duration {
        let hours = match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        };
        Duration::from_secs(hours * 3600)
    }
}

/// The successful looks of the window that ends at `now` in percent, with two decimals that are cut and never rounded,
/// so that `100` is said only of a window without any failure; `None` without a look.
pub fn percent(failures: &Counters, window: Window, now: Timestamp) -> Option<String> {
    let tally: Tally = failures.tally(window.span(), now);
    percent_cut(tally.good(), tally.all, 2)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::probe::counters::Count;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn of(good: u32, bad: u32) -> Counters {
        let mut counters = Counters::new(0);
        (0..good).for_each(|_| counters.record(noon(), Count::Good));
        (0..bad).for_each(|_| counters.record(noon(), Count::Bad));
        counters
    }

    #[test]
    fn a_failure_leaves_the_short_windows_first() {
        let mut counters = of(0, 1);
        let later = noon() + 2.hours();
        counters.record(later, Count::Good);
        let said = Window::ALL.map(|window| percent(&counters, window, later));
        assert_eq!(said.map(Option::unwrap), ["100", "50.00", "50.00", "50.00"]);
    }

    #[test]
    fn a_window_without_looks_says_nothing() {
        assert_eq!(percent(&of(3, 1), Window::Day, noon() + 72.hours()), None);
        assert_eq!(percent(&of(3, 1), Window::Week, noon() + 72.hours()).as_deref(), Some("75.00"));
    }
}
