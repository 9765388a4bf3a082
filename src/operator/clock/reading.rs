//! What the clock shows: pure, from the last reading, the wall clock and the time since boot.
//!
//! The rule in one line: the wall clock, or the last reading and half of the time that has passed since, whichever is
//! later. So it never goes back, follows a step forward at once (a machine that was suspended has pages to send), and after a
//! step back runs at half speed until the wall clock has caught up: whatever waits for a span then takes at most twice that
//! span, where following the step would make it an hour late, and what goes by the calendar (who is on call, office
//! hours) is wrong for twice the step and right again.

use std::time::Duration;

use domain::time::{after, between};
use jiff::{SignedDuration, Timestamp};

/// How many times slower than real time it runs while the wall clock catches up.
const SLOWED: u32 = 2;
/// How far it may be ahead of the wall clock. A step back by more corrects a clock that was plainly wrong: it is followed.
const MOST_AHEAD: Duration = Duration::from_secs(24 * 3_600);
/// What differs by less is no step: time services slew by that much, and the two clocks are not read at one instant.
const STEP: SignedDuration = SignedDuration::from_secs(1);

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
        let slowed = after(self.shows, slowed(passed));
        let shows = if wall >= slowed || between(wall, slowed) > MOST_AHEAD { wall } else { slowed };
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let step = wall.duration_since(self.wall).saturating_sub(passed);
        (Self { shows, wall, boottime }, Some(step).filter(|step| step.abs() >= STEP))
    }

    /// The same, showing `floor` at least.
    ///
    /// # Errors
    /// How far ahead of the wall clock that would be, when it is more than a day.
    pub fn not_before(self, floor: Timestamp) -> Result<Self, Duration> {
        match between(self.wall, floor) {
            ahead if ahead > MOST_AHEAD => Err(ahead),
            _ => Ok(Self { shows: self.shows.max(floor), ..self }),
        }
    }

    /// The time that counts.
    pub fn shows(&self) -> Timestamp {
        self.shows
    }

    /// How far that is ahead of the wall clock.
    pub fn ahead(&self) -> Duration {
        between(self.wall, self.shows)
    }

    /// The reading after so long, should nobody step the wall clock meanwhile.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        self.next(after(self.wall, wait), self.boottime.saturating_add(wait)).0
    }

    /// How long until it shows `at`, should nobody step the wall clock meanwhile.
    pub fn until(&self, at: Timestamp) -> Duration {
        between(self.wall, at).min(between(self.shows, at).saturating_mul(SLOWED))
    }
}

/// Rounded up, so that many readings do not add up to less than half.
fn slowed(passed: Duration) -> Duration {
    let nanoseconds = passed.as_nanos().div_ceil(u128::from(SLOWED));
    u64::try_from(nanoseconds).map_or(passed / SLOWED, Duration::from_nanos)
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
    fn it_follows_a_step_forward_at_once() {
        assert_eq!(read(3_600, &[1, 2]), [3_601, 3_602]);
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
        let reading = Reading::first(at(0), seconds(0));
        assert_eq!(reading.not_before(at(60)).map(|reading| reading.shows()), Ok(at(60)));
        assert_eq!(reading.not_before(at(-60)), Ok(reading));
        assert_eq!(reading.not_before(at(100_000)), Err(seconds(100_000)));
    }

    /// How long passes until the next reading, in milliseconds, and by how much the wall clock is stepped before it.
    fn readings() -> impl Strategy<Value = Vec<(u64, i64)>> {
        let step = prop_oneof![4 => Just(0), 1 => -7_200_000_i64..7_200_000, 1 => -2_000_i64..2_000];
        proptest::collection::vec((0_u64..600_000, step), 1..60)
    }

    proptest! {
        #[test]
        fn it_never_goes_back_never_stands_still_and_is_never_behind_the_wall_clock(readings in readings()) {
            let mut last = Reading::first(at(0), seconds(0));
            let (mut wall, mut boottime) = (at(0), Duration::ZERO);
            for (passed, step) in readings {
                let passed = Duration::from_millis(passed);
                boottime += passed;
                wall = after(wall, passed) + SignedDuration::from_millis(step);
                let (next, _) = last.next(wall, boottime);
                // Steps of two hours at most add up to less than a day here, or the sum is what is followed.
                if next.ahead() > Duration::ZERO {
                    prop_assert!(next.shows() >= last.shows());
                }
                if between(wall, after(last.shows(), passed / 2)) <= MOST_AHEAD {
                    prop_assert!(next.shows() >= last.shows());
                    prop_assert!(between(last.shows(), next.shows()) >= passed / 2);
                }
                prop_assert!(next.shows() >= wall);
                prop_assert!(next.ahead() <= MOST_AHEAD);
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
