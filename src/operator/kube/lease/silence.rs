//! How long the API has not answered, as far as this process was there to listen. Pure.
//!
//! One that was stopped or suspended has heard no silence meanwhile: somebody else may have led since, and the first call
//! over a connection that has died must not make an island of it.

use std::time::Duration;

use super::{CALL_TIMEOUT, RENEW_EVERY};

/// The silence since the last answer. All times are since boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    heard: Duration,
    until: Duration,
}

impl Silence {
    /// It answers at this moment.
    pub(super) fn from(now: Duration) -> Self {
        Self { heard: Duration::ZERO, until: now }
    }

    /// One more look has failed at this moment. Most take no longer than their wait and one call. What a look takes beyond that
    /// is not counted: after a write that is refused it reads and writes anew, and the API has answered in the middle of it.
    pub(super) fn goes_on(&mut self, now: Duration) {
        self.heard += now.saturating_sub(self.until).min(RENEW_EVERY + CALL_TIMEOUT);
        self.until = now;
    }

    /// How long it is by now.
    pub(super) fn heard(&self) -> Duration {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures_at(seconds: &[u64]) -> u64 {
        let mut silence = Silence::from(Duration::from_secs(100));
        seconds.iter().for_each(|second| silence.goes_on(Duration::from_secs(100 + second)));
        silence.heard().as_secs()
    }

    #[test]
    fn looks_that_fail_at_once_or_late_are_heard_in_full() {
        assert_eq!(after_failures_at(&[1, 2, 3, 6, 9, 12]), 12);
    }

    #[test]
    fn a_minute_in_which_the_process_was_stopped_is_no_silence() {
        assert_eq!(after_failures_at(&[60]), 3);
        assert_eq!(after_failures_at(&[1, 2, 62, 63]), 6);
    }
}
