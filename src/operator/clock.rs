//! The one place where the operator reads a clock. Everything else takes `now` or this handle.
//!
//! Wall-clock time dates what is stored. How long a lease is still valid is measured on
//! [`boottime`], which goes on while the machine is suspended and ignores clock steps.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

/// System time, or a time that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<Mutex<Timestamp>>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until it is [`set`](Self::set).
    pub fn simulated(start: Timestamp) -> Self {
        Self(Some(Arc::new(Mutex::new(start))))
    }

    /// Now, with its fraction of a second.
    #[expect(clippy::disallowed_methods, reason = "this is the handle that everything else uses")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(simulated) => *simulated.lock(),
        }
    }

    /// Moves a simulated clock; a system clock stays as it is.
    pub fn set(&self, now: Timestamp) {
        if let Some(simulated) = &self.0 {
            *simulated.lock() = now;
        }
    }
}

/// Time since boot, including suspension (CLOCK_BOOTTIME).
pub fn boottime() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "no safe interface in std reads CLOCK_BOOTTIME; the pointer is to a local")]
    // SAFETY: `time` outlives the call, and the clock exists on every Linux since 2.6.39.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    if result != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_only_when_set() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.set(Timestamp::MAX);
        assert_eq!(clock.clone().now(), Timestamp::MAX);
    }

    #[test]
    fn time_since_boot_moves_forward() {
        let first = boottime();
        assert!(first > Duration::ZERO);
        assert!(boottime() >= first);
    }
}
