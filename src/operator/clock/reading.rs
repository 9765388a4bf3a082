//! What the clock shows: pure, from the last reading, the wall clock and the time since boot.
//!
//! The rule in one line: the wall clock, but since the last reading no less than half and no more than twice the time that
//! has passed. So it never goes back, but where it takes up what a predecessor's clock showed. After a step back it runs at
//! half speed until the wall clock has caught up: whatever waits for a span then takes at most twice that span, where
//! following the step would make it an hour late. After a step forward it runs at double speed until it has caught up: an
//! acknowledgement holds half of its time at least, where following the step would withdraw it and page somebody anew. What
//! goes by the calendar (who is on call, office hours) is wrong for twice the step back, as long as the step forward, and
//! right again.
//!
//! Time for which the machine was suspended has passed, and is no step: it has pages to send.

use std::time::Duration;

use domain::time::{after, between};
use jiff::{SignedDuration, Timestamp};

/// How many times slower than real time it runs while the wall clock catches up.
const SLOWED: u32 = 2;
/// How many times faster than real time it runs while it catches up with the wall clock.
pub(super) const HASTENED: u32 = 2;
/// How far it may be ahead of the wall clock. A step back by more corrects a clock that was plainly wrong: it is followed.
pub(super) const MOST_AHEAD: Duration = Duration::from_secs(24 * 3_600);
/// How far it may be behind the wall clock. A step forward by more is followed: who is on call must not be wrong for hours, and
/// a virtual machine that was paused for so long has pages to send, whatever its time since boot says.
const MOST_BEHIND: Duration = Duration::from_secs(2 * 3_600);
/// What differs by less is no step: time services slew by that much, and the two clocks are not read at one instant.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// A clock whose lease is seen to be renewed is known as exactly as this.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the clock of another process, whose work goes on here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It stood there when it was seen last, and nobody knows for how long nobody has led since.
    ShowsAtLeast(Timestamp),
    /// It shows this now, or would.
    Shows(Timestamp),
}

/// One reading of both clocks, and what was shown for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    shows: Timestamp,
    wall: Timestamp,
    boottime: Duration,
}

impl Reading {
    /// The first one shows the wall clock.
    pub fn first(wall: Timestamp, boottime: Duration) -> Self {
        Self { shows: wall, wall, boottime }
    }

    /// The next one, and by how much the wall clock was stepped since, if it was.
    #[must_use]
    pub fn next(self, wall: Timestamp, boottime: Duration) -> (Self, Option<SignedDuration>) {
        let passed = boottime.saturating_sub(self.boottime);
        let slowest = after(self.shows, divided(passed, SLOWED));
        let fastest = after(self.shows, passed.saturating_mul(HASTENED));
        let is_followed = between(wall, slowest) > MOST_AHEAD || between(fastest, wall) > MOST_BEHIND;
        let shows = if is_followed { wall } else { wall.clamp(slowest, fastest) };
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let step = wall.duration_since(self.wall).saturating_sub(passed);
        (Self { shows, wall, boottime }, Some(step).filter(|step| step.abs() >= STEP))
    }

    /// The same, going on from what another clock shows. As after a step, what is more than two hours behind is not followed.
    ///
    /// # Errors
    /// How far ahead of the wall clock that would be, when it is more than a day.
    pub fn going_on_from(self, other: Other) -> Result<Self, Duration> {
        let (shows, is_exact) = match other {
            Other::ShowsAtLeast(floor) => (floor, false),
            Other::Shows(at) => (at, true),
        };
        let (ahead, behind) = (between(self.wall, shows), between(shows, self.wall));
        if ahead > MOST_AHEAD {
            return Err(ahead);
        }
        let goes_back = is_exact && (SEEN_WITHIN..=MOST_BEHIND).contains(&behind);
        Ok(Self { shows: if goes_back { shows } else { self.shows.max(shows) }, ..self })
    }

    /// The time that counts.
    pub fn shows(&self) -> Timestamp {
        self.shows
    }

    /// How far that is ahead of the wall clock; negative when it is behind.
    pub fn ahead(&self) -> SignedDuration {
        self.shows.duration_since(self.wall)
    }

    /// The reading after so long, should nobody step the wall clock meanwhile.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        self.next(after(self.wall, wait), self.boottime.saturating_add(wait)).0
    }

    /// How long until it shows `at`, should nobody step the wall clock meanwhile.
    pub fn until(&self, at: Timestamp) -> Duration {
        let (by_wall, by_ours) = (between(self.wall, at), between(self.shows, at));
        if self.shows > self.wall {
            return by_wall.min(by_ours.saturating_mul(SLOWED));
        }
        by_wall.max(divided(by_ours, HASTENED))
    }
}

/// Rounded up, so that many readings do not add up to less, and no wait ends too early.
fn divided(span: Duration, by: u32) -> Duration {
    let nanoseconds = span.as_nanos().div_ceil(u128::from(by));
    u64::try_from(nanoseconds).map_or(span / by, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A wall clock that was stepped by so much after the first reading, read at these seconds.
    fn read(step: i64, readings: &[u64]) -> Vec<i64> {
        let mut last = Reading::first(at(0), seconds(7));
        let shown = readings.iter().map(|second| {
            let wall = at(i64::try_from(*second).unwrap() + step);
            last = last.next(wall, seconds(7 + second)).0;
            last.shows().as_second() - at(0).as_second()
        });
        shown.collect()
    }

    #[test]
    fn it_is_the_wall_clock_while_that_behaves() {
        assert_eq!(read(0, &[1, 2, 600, 86_400]), [1, 2, 600, 86_400]);
    }

    #[test]
    fn after_a_step_forward_it_runs_at_double_speed_until_it_has_caught_up() {
        assert_eq!(read(3_600, &[1, 600, 3_600, 3_700]), [2, 1_200, 7_200, 7_300]);
    }

    #[test]
    fn it_follows_a_step_forward_by_more_than_two_hours() {
        assert_eq!(read(7_300, &[1, 2]), [7_301, 7_302]);
    }

    #[test]
    fn time_for_which_the_machine_was_suspended_has_passed() {
        let (woken, step) = Reading::first(at(0), seconds(0)).next(at(30_000), seconds(30_000));
        assert_eq!((woken.shows(), step), (at(30_000), None));
    }

    #[test]
    fn after_a_step_back_it_runs_at_half_speed_until_the_wall_clock_has_caught_up() {
        assert_eq!(read(-3_600, &[2, 600, 7_200, 7_300]), [1, 300, 3_600, 3_700]);
    }

    #[test]
    fn it_follows_a_step_back_by_more_than_a_day() {
        assert_eq!(read(-90_000, &[10]), [-89_990]);
    }

    #[test]
    fn a_step_is_told_once_and_slewing_is_none() {
        let first = Reading::first(at(0), seconds(0));
        let (second, step) = first.next(at(-3_590), seconds(10));
        assert_eq!(step, Some(SignedDuration::from_hours(-1)));
        let (_, step) = second.next(at(-3_580), seconds(20));
        assert_eq!(step, None);
        let slewed = after(at(10), Duration::from_millis(900));
        assert_eq!(first.next(slewed, seconds(10)).1, None);
    }

    #[test]
    fn a_floor_of_years_is_not_believed() {
        let from = |other| Reading::first(at(0), seconds(0)).going_on_from(other).map(|reading| reading.shows());
        assert_eq!(from(Other::ShowsAtLeast(at(60))), Ok(at(60)));
        assert_eq!(from(Other::ShowsAtLeast(at(-60))), Ok(at(0)));
        assert_eq!(from(Other::ShowsAtLeast(at(100_000))), Err(seconds(100_000)));
        assert_eq!(from(Other::Shows(at(100_000))), Err(seconds(100_000)));
    }

    #[test]
    fn it_goes_on_from_a_clock_that_is_known_to_be_behind_and_catches_up_at_double_speed() {
        let from = |second| Reading::first(at(0), seconds(0)).going_on_from(Other::Shows(at(second))).unwrap();
        assert_eq!(from(-2_400).shows(), at(-2_400));
        assert_eq!(from(-2_400).next(at(600), seconds(600)).0.shows(), at(-1_200));
        assert_eq!(from(-2_400).next(at(2_400), seconds(2_400)).0.shows(), at(2_400));
        assert_eq!(from(-4).shows(), at(0), "as far apart as a renewal and a look at it");
        assert_eq!(from(-7_300).shows(), at(0), "as after a step by more than two hours");
    }

    /// How long passes until the next reading, in milliseconds, and by how much the wall clock is stepped before it.
    fn readings() -> impl Strategy<Value = Vec<(u64, i64)>> {
        let step = prop_oneof![4 => Just(0), 1 => -7_200_000_i64..7_200_000, 1 => -2_000_i64..2_000];
        proptest::collection::vec((0_u64..600_000, step), 1..60)
    }

    proptest! {
        #[test]
        fn it_goes_at_half_to_double_speed_and_is_the_wall_clock_where_that_does(readings in readings()) {
            let mut last = Reading::first(at(0), seconds(0));
            let (mut wall, mut boottime) = (at(0), Duration::ZERO);
            for (passed, step) in readings {
                let passed = Duration::from_millis(passed);
                boottime += passed;
                wall = after(wall, passed) + SignedDuration::from_millis(step);
                let (next, _) = last.next(wall, boottime);
                let (slowest, fastest) = (after(last.shows(), passed / 2), after(last.shows(), passed * 2));
                let nearest = wall.clamp(slowest, fastest);
                if next.shows() != nearest {
                    prop_assert!(between(wall, slowest) > MOST_AHEAD || between(fastest, wall) > MOST_BEHIND);
                    prop_assert_eq!(next.shows(), wall);
                }
                prop_assert!(between(wall, next.shows()) <= MOST_AHEAD);
                prop_assert!(between(next.shows(), wall) <= MOST_BEHIND);
                last = next;
            }
        }

        #[test]
        fn how_often_it_is_read_makes_no_difference(step in -80_000_i64..80_000, between in 1_u64..500, end in 1_u64..200_000) {
            let mut often: Vec<u64> = (0..end).step_by(usize::try_from(between * 97).unwrap()).collect();
            // The step comes with the first of them, at second 0.
            often.push(end);
            let (often, seldom) = (read(step, &often), read(step, &[0, end]));
            prop_assert!((often.last().unwrap() - seldom.last().unwrap()).abs() <= 1, "{often:?} {seldom:?}");
        }

        #[test]
        fn what_it_says_of_a_wait_comes_true(step in -80_000_i64..80_000, passed in 0_u64..100_000, wait in 0_i64..100_000) {
            let first = Reading::first(at(0), seconds(0));
            let now = first.next(at(step), seconds(0)).0;
            let wall = |second: u64| at(step + i64::try_from(second).unwrap());
            let now = now.next(wall(passed), seconds(passed)).0;
            let wanted = now.shows() + SignedDuration::from_secs(wait);
            let until = now.until(wanted);
            prop_assert!(until <= seconds(u64::try_from(wait).unwrap()) * 2);
            let later = |span: Duration| now.after(span).shows();
            prop_assert!(later(until) >= wanted);
            prop_assert!(wait == 0 || later(until - Duration::from_millis(1)) < wanted);
        }
    }
}
