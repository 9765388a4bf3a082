//! When the next look begins: arithmetic on absolute deadlines, without waiting and without a task.
//!
//! The starts of a monitor lie at `phase + n × interval` since 1970, the phase being a hash of its
//! uid. So they are spread evenly whatever the number of monitors, they do not drift however long a
//! look takes, and they are the same after a restart. The wall clock is read once, when the
//! [`Epoch`] is made; after that only the monotonic clock counts, and a clock that is set moves nothing.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// No interval is shorter; a field of 0 would make starts without end.
const SHORTEST: Duration = Duration::from_millis(1);

/// One instant on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Epoch {
    instant: Instant,
    nanos: i128,
}

impl Epoch {
    /// Ties the clocks together. Made once, at the start of the program.
    pub fn new(instant: Instant, at: Timestamp) -> Self {
        Self { instant, nanos: at.as_nanosecond() }
    }

    /// Nanoseconds since 1970 as if the wall clock had not been touched since the epoch was made.
    fn nanos_at(self, instant: Instant) -> i128 {
        match instant.checked_duration_since(self.instant) {
            Some(since) => self.nanos + nanos(since),
            None => self.nanos - nanos(self.instant.saturating_duration_since(instant)),
        }
    }
}

/// Where in its interval a monitor's looks begin: 0 up to, not including, the interval. Depends on
/// nothing but its arguments.
pub fn phase(uid: &str, interval: Duration) -> Duration {
    let digest: [u8; 32] = Sha256::digest(uid.as_bytes()).into();
    let hash = digest.iter().take(8).fold(0_i128, |hash, byte| (hash << 8) | i128::from(*byte));
    duration(hash.rem_euclid(nanos(interval.max(SHORTEST))))
}

/// The starts of one monitor.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    epoch: Epoch,
    interval: Duration,
    phase: Duration,
}

impl Slot {
    /// For the monitor with this uid.
    pub fn new(epoch: Epoch, uid: &str, interval: Duration) -> Self {
        let interval = interval.max(SHORTEST);
        Self { epoch, interval, phase: phase(uid, interval) }
    }

    /// From start to start.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// See [`phase`].
    pub fn phase(&self) -> Duration {
        self.phase
    }

    /// The first start after `instant`, never `instant` itself.
    pub fn next_after(&self, instant: Instant) -> Instant {
        let into_slot = self.number_and_rest(instant).1;
        instant + (self.interval - into_slot)
    }

    /// How many starts came after the one that was `due` until `now`, inclusive: those were skipped
    /// if the look that was due begins, or ends, only now.
    pub fn skipped(&self, due: Instant, now: Instant) -> u64 {
        let passed = self.number_and_rest(now).0 - self.number_and_rest(due).0;
        u64::try_from(passed).unwrap_or(0)
    }

    /// The number of the last start up to `instant`, and how long ago it was.
    fn number_and_rest(&self, instant: Instant) -> (i128, Duration) {
        let since = self.epoch.nanos_at(instant) - nanos(self.phase);
        let interval = nanos(self.interval);
        (since.div_euclid(interval), duration(since.rem_euclid(interval)))
    }
}

fn nanos(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

fn duration(nanos: i128) -> Duration {
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    fn epoch() -> Epoch {
        Epoch::new(Instant::now(), noon())
    }

    /// A change of the hash would move every monitor of every cluster at its next upgrade.
    #[test]
    fn a_phase_is_the_same_in_every_release() {
        // The first eight bytes of the SHA-256, modulo the interval; computed elsewhere.
        let phase = phase("6d1f3c1e-0b0a-4d7e-9d0c-0c5f0e6a7b11", Duration::from_secs(30));
        assert_eq!(phase, Duration::from_nanos(22719510163));
    }

    #[test]
    fn ten_thousand_monitors_begin_spread_over_the_interval() {
        let interval = Duration::from_secs(30);
        let mut buckets = [0_u32; 30];
        for n in 0..10_000 {
            buckets[usize::try_from(phase(&format!("uid-{n}"), interval).as_secs()).unwrap()] += 1;
        }
        // 333 on average with a deviation of 18.
        assert!(buckets.iter().all(|count| (240..430).contains(count)), "{buckets:?}");
    }

    #[test]
    fn a_look_that_takes_long_moves_no_later_start() {
        let slot = Slot::new(epoch(), "checkout", Duration::from_secs(10));
        let first = slot.next_after(Instant::now());
        let second = slot.next_after(first + Duration::from_millis(9_999));
        assert_eq!(second - first, Duration::from_secs(10));
    }

    #[test]
    fn starts_that_passed_while_a_look_was_under_way_are_counted() {
        let slot = Slot::new(epoch(), "checkout", Duration::from_secs(10));
        let due = slot.next_after(Instant::now());
        let after = |millis| slot.skipped(due, due + Duration::from_millis(millis));
        assert_eq!([after(0), after(9_999), after(10_000), after(35_000)], [0, 0, 1, 3]);
    }

    #[test]
    fn an_interval_of_nought_does_not_stop_the_clock() {
        let slot = Slot::new(epoch(), "x", Duration::ZERO);
        let now = Instant::now();
        assert!(slot.next_after(now) > now);
    }

    proptest! {
        #[test]
        fn a_start_lies_on_the_grid_after_the_instant_and_within_one_interval(
            uid in "[a-z0-9-]{1,36}", millis in 1u64..90_000_000, later in 0u64..10_000_000_000_000,
        ) {
            let (epoch, interval) = (epoch(), Duration::from_millis(millis));
            let slot = Slot::new(epoch, &uid, interval);
            let instant = epoch.instant + Duration::from_nanos(later);
            let next = slot.next_after(instant);
            prop_assert!(next > instant && next - instant <= interval);
            let since_1970 = epoch.nanos_at(next);
            prop_assert_eq!(since_1970.rem_euclid(nanos(interval)), nanos(slot.phase()));
        }

        #[test]
        fn a_restart_keeps_the_starts(uid in "[a-z0-9-]{1,36}", millis in 1u64..90_000, uptime in 0u64..1_000_000_000) {
            let (epoch, interval) = (epoch(), Duration::from_millis(millis));
            let uptime = Duration::from_micros(uptime);
            // The other process began later; both clocks had gone on.
            let at = noon() + jiff::SignedDuration::try_from(uptime).unwrap();
            let restarted = Epoch::new(epoch.instant + uptime, at);
            let now = epoch.instant + uptime * 2;
            prop_assert_eq!(
                Slot::new(epoch, &uid, interval).next_after(now),
                Slot::new(restarted, &uid, interval).next_after(now)
            );
        }

        #[test]
        fn walking_from_start_to_start_skips_nothing(uid in "[a-z]{1,9}", millis in 1u64..90_000, steps in 1u64..50) {
            let slot = Slot::new(epoch(), &uid, Duration::from_millis(millis));
            let first = slot.next_after(Instant::now());
            let mut at = first;
            for _ in 0..steps {
                let next = slot.next_after(at);
                prop_assert_eq!(slot.skipped(at, next), 1);
                at = next;
            }
            prop_assert_eq!(slot.skipped(first, at), steps);
            prop_assert_eq!(at - first, slot.interval() * u32::try_from(steps).unwrap());
        }
    }
}
