//! How many looks succeeded in the last hour, day, week and month: exact counters in rings of
//! time buckets, about 2 kB a monitor whatever its interval.
//!
//! The ratio is of looks, not of time. While a failure is being confirmed there are more looks, so
//! a short outage weighs a little more than its length: uptime is never flattered. Looks that could
//! not be taken count neither way.

use jiff::Timestamp;

use super::Sample;

/// A time span that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// 60 buckets of a minute.
    Hour,
    /// 48 buckets of half an hour.
    Day,
    /// 42 buckets of four hours.
    Week,
    /// 60 buckets of twelve hours.
    Month,
}

impl Window {
    /// All windows, from short to long.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// `1h`, `24h`, `7d` or `30d`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Seconds of a bucket, and how many buckets make the window.
    fn buckets(self) -> (i64, usize) {
        match self {
            Self::Hour => (60, 60),
            Self::Day => (30 * 60, 48),
            Self::Week => (4 * 3600, 42),
            Self::Month => (12 * 3600, 60),
        }
    }
}

/// The counters of one monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uptime {
    rings: [Ring; 4],
}

impl Default for Uptime {
    fn default() -> Self {
        Self { rings: Window::ALL.map(Ring::new) }
    }
}

impl Uptime {
    /// Counts a look at the time it began. One that could not be taken is not counted.
    pub fn record(&mut self, sample: &Sample) {
        if sample.failure.as_ref().is_some_and(|failure| failure.reason.is_blind()) {
            return;
        }
        for ring in &mut self.rings {
            ring.record(sample.at, u32::from(sample.ok()));
        }
    }

    /// Successful looks and all looks of the window that ends at `now`, to the bucket.
    pub fn counts(&self, window: Window, now: Timestamp) -> (u64, u64) {
        self.rings.iter().find(|ring| ring.window == window).map_or((0, 0), |ring| ring.counts(now))
    }

    /// The successful looks in percent, with two decimals that are cut and never rounded, so that
    /// `100` is said only of a window without any failure; `None` without a look.
    pub fn percent(&self, window: Window, now: Timestamp) -> Option<String> {
        let (succeeded, all) = self.counts(window, now);
        if all == 0 {
            return None;
        }
        if succeeded == all {
            return Some("100".to_owned());
        }
        let hundredths = u128::from(succeeded) * 10_000 / u128::from(all);
        Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bucket {
    succeeded: u32,
    all: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ring {
    window: Window,
    /// The bucket of number n stands at n modulo the length.
    buckets: Vec<Bucket>,
    /// The number (time divided by width) of the newest bucket.
    newest: i64,
}

impl Ring {
    fn new(window: Window) -> Self {
        let (_, length) = window.buckets();
        Self { window, buckets: vec![Bucket::default(); length], newest: i64::MIN / 2 }
    }

    fn number(&self, at: Timestamp) -> i64 {
        at.as_second().div_euclid(self.window.buckets().0)
    }

    fn length(&self) -> i64 {
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX)
    }

    fn bucket_mut(&mut self, number: i64) -> Option<&mut Bucket> {
        let place = usize::try_from(number.rem_euclid(self.length())).ok()?;
        self.buckets.get_mut(place)
    }

    fn record(&mut self, at: Timestamp, succeeded: u32) {
        let number = self.number(at);
        // A look from before the oldest bucket does not exist; the clock was set back, and all
        // that was counted lies in a future that did not happen.
        if number > self.newest + self.length() || number <= self.newest - self.length() {
            self.buckets.fill(Bucket::default());
            self.newest = number;
        }
        while self.newest < number {
            self.newest += 1;
            if let Some(bucket) = self.bucket_mut(self.newest) {
                *bucket = Bucket::default();
            }
        }
        if let Some(bucket) = self.bucket_mut(number) {
            bucket.succeeded = bucket.succeeded.saturating_add(succeeded);
            bucket.all = bucket.all.saturating_add(1);
        }
    }

    fn counts(&self, now: Timestamp) -> (u64, u64) {
        let (newest, length) = (self.newest, self.length());
        let last = self.number(now);
        let numbers = (last - length + 1)..=last;
        let held = (newest - length + 1)..=newest;
        numbers
            .filter(|number| held.contains(number))
            .filter_map(|number| self.buckets.get(usize::try_from(number.rem_euclid(length)).ok()?))
            .fold((0, 0), |(succeeded, all), b| (succeeded + u64::from(b.succeeded), all + u64::from(b.all)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;
    use crate::probe::{Failure, Phase, Phases, Reason};

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn look(at: Timestamp, reason: Option<Reason>) -> Sample {
        let failure = reason.map(|reason| Failure { reason, phase: Phase::Connect, message: String::new() });
        Sample {
            at,
            duration: std::time::Duration::ZERO,
            phases: Phases::default(),
            address: None,
            failure,
            http: None,
            tls: None,
        }
    }

    fn of(succeeded: u32, failed: u32) -> Uptime {
        let mut uptime = Uptime::default();
        (0..succeeded).for_each(|_| uptime.record(&look(noon(), None)));
        (0..failed).for_each(|_| uptime.record(&look(noon(), Some(Reason::ConnectRefused))));
        uptime
    }

    #[rstest::rstest]
    #[case(0, 0, None)]
    #[case(5, 0, Some("100"))]
    #[case(0, 5, Some("0.00"))]
    #[case(2, 1, Some("66.66"))]
    #[case(9998, 2, Some("99.98"))]
    #[case(99_999, 1, Some("99.99"))]
    #[case(1, 1, Some("50.00"))]
    fn percents_are_cut_and_never_rounded(#[case] good: u32, #[case] bad: u32, #[case] expected: Option<&str>) {
        assert_eq!(of(good, bad).percent(Window::Hour, noon()).as_deref(), expected);
    }

    #[test]
    fn a_failure_leaves_the_short_windows_first() {
        let mut uptime = of(0, 1);
        let later = noon() + 2.hours();
        uptime.record(&look(later, None));
        let said = Window::ALL.map(|window| uptime.percent(window, later));
        assert_eq!(said.map(Option::unwrap), ["100", "50.00", "50.00", "50.00"]);
    }

    #[test]
    fn a_window_without_looks_says_nothing() {
        assert_eq!(of(3, 1).percent(Window::Day, noon() + 72.hours()), None);
        assert_eq!(of(3, 1).percent(Window::Week, noon() + 72.hours()).as_deref(), Some("75.00"));
    }

    #[test]
    fn a_look_that_could_not_be_taken_is_not_counted() {
        let mut uptime = of(1, 0);
        uptime.record(&look(noon(), Some(Reason::EgressDenied)));
        assert_eq!(uptime.counts(Window::Hour, noon()), (1, 1));
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_does_not_stop_the_count() {
        let mut uptime = Uptime::default();
        uptime.record(&look(noon() + (365 * 24).hours(), None));
        uptime.record(&look(noon(), Some(Reason::ConnectRefused)));
        assert_eq!(uptime.counts(Window::Month, noon()), (0, 1));
    }

    proptest! {
        /// Against a plain list of all looks.
        #[test]
        fn counts_equal_those_of_a_full_history(steps in prop::collection::vec((0i64..7200, any::<bool>()), 1..200)) {
            let mut uptime = Uptime::default();
            let mut now = noon();
            let mut history = Vec::new();
            for (step, good) in steps {
                now += step.seconds();
                uptime.record(&look(now, (!good).then_some(Reason::BadStatus)));
                history.push((now.as_second(), good));
            }
            for window in Window::ALL {
                let (width, length) = window.buckets();
                let first = now.as_second().div_euclid(width) - i64::try_from(length).unwrap() + 1;
                let inside = history.iter().filter(|(at, _)| at.div_euclid(width) >= first);
                let all = inside.clone().count() as u64;
                let good = inside.filter(|(_, good)| *good).count() as u64;
                prop_assert_eq!(uptime.counts(window, now), (good, all));
            }
        }
    }
}
