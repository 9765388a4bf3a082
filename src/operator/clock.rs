//! The one place where the operator reads a clock. Everything else takes `now` or this handle.
//!
//! [`Clock::now`] dates what is stored and decides what is due. It is the wall clock while that behaves; a step of that
//! it does not follow at once ([`Reading`]), because then a deadline would come an hour late or early. What
//! others judge by their own clocks (the time in a signature, a certificate's end) takes [`Clock::wall`].
//!
//! How long a lease is still valid is measured on [`boottime`], which goes on while the machine is suspended and
//! ignores clock steps.

mod reading;
mod watch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

pub use reading::{Other, Reading};
pub use watch::watch;

/// What differs by less is the time of a call and the whole seconds of the API server's `Date`.
const SAME: i64 = 5;

/// System time, or a time that a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// Seconds.
    ahead_of_server: AtomicI64,
}

#[derive(Debug)]
enum Source {
    System(Mutex<System>),
    Simulated(Mutex<Timestamp>),
}

#[derive(Debug)]
struct System {
    last: Reading,
    /// By how much the wall clock was stepped, in sum, since somebody asked.
    stepped: SignedDuration,
}

impl System {
    fn read(&mut self) -> Reading {
        let (next, step) = self.last.next(wall(), boottime());
        self.last = next;
        self.stepped = self.stepped.saturating_add(step.unwrap_or(SignedDuration::ZERO));
        next
    }
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        let system = System { last: Reading::first(wall(), boottime()), stepped: SignedDuration::ZERO };
        Self::of(Source::System(Mutex::new(system)))
    }

    /// A clock that stands at `start` until it is [`set`](Self::set).
    pub fn simulated(start: Timestamp) -> Self {
        Self::of(Source::Simulated(Mutex::new(start)))
    }

    fn of(source: Source) -> Self {
        Self(Arc::new(Inner { source, ahead_of_server: AtomicI64::new(0) }))
    }

    /// Now, with its fraction of a second. Earlier than before only after a step back of more than a day, and where this process
    /// takes up the work of a leader whose clock is behind ([`go_on_from`](Self::go_on_from)).
    pub fn now(&self) -> Timestamp {
        match &self.0.source {
            Source::System(system) => system.lock().read().shows(),
            Source::Simulated(simulated) => *simulated.lock(),
        }
    }

    /// What the wall clock says, wherever it was stepped to.
    pub fn wall(&self) -> Timestamp {
        match &self.0.source {
            Source::System(_) => wall(),
            Source::Simulated(simulated) => *simulated.lock(),
        }
    }

    /// How long it takes until [`now`](Self::now) is `at`, should nobody step the wall clock meanwhile; zero when it is.
    pub fn until(&self, at: Timestamp) -> Duration {
        match &self.0.source {
            Source::System(system) => system.lock().read().until(at),
            Source::Simulated(simulated) => domain::time::between(*simulated.lock(), at),
        }
    }

    /// What [`now`](Self::now) is after so long, should nobody step the wall clock meanwhile.
    pub fn after(&self, wait: Duration) -> Timestamp {
        match &self.0.source {
            Source::System(system) => system.lock().read().after(wait).shows(),
            Source::Simulated(simulated) => domain::time::after(*simulated.lock(), wait),
        }
    }

    /// How far [`now`](Self::now) is ahead of the wall clock, negative when behind; zero unless that was stepped.
    pub fn ahead(&self) -> SignedDuration {
        match &self.0.source {
            Source::System(system) => system.lock().read().ahead(),
            Source::Simulated(_) => SignedDuration::ZERO,
        }
    }

    /// Goes on from another clock, whose work this process takes up: behind what that shows by now, all that it has planned
    /// would be late, and ahead of it early. One that is known exactly and up to two hours behind the wall clock therefore sets
    /// [`now`](Self::now) back. One that is more than a day ahead of the wall clock is not believed.
    pub fn go_on_from(&self, other: Other) {
        let Source::System(system) = &self.0.source else { return };
        let mut system = system.lock();
        let read = system.read();
        match read.going_on_from(other) {
            Ok(reading) => {
                system.last = reading;
                let seconds = reading.ahead().as_secs();
                match seconds {
                    _ if reading == read => {}
                    1.. => tracing::warn!(
                        seconds,
                        "the last leader's clock is ahead of our wall clock; going on from there at half speed until ours has caught up"
                    ),
                    ..=-1 => tracing::warn!(
                        seconds,
                        "the last leader's clock is behind our wall clock; going on from there at double speed until it has caught up"
                    ),
                    _ => {}
                }
            }
            Err(ahead) => tracing::error!(
                seconds = ahead.as_secs(),
                "the last leader's clock is more than a day ahead of our wall clock and is not believed; what it has planned may be late by that much"
            ),
        }
    }

    /// The API server has said what time it is there, in an answer to what was asked at `asked` by this clock and has just
    /// come. It said so at some moment in between: what is known is changed only if it cannot be so, or an answer that was
    /// long under way would look like a clock that is behind.
    pub fn compare(&self, asked: Timestamp, server: Timestamp) {
        let since_asked = asked.duration_since(server).as_secs();
        let now = self.now().duration_since(server).as_secs();
        let known = self.0.ahead_of_server.load(Ordering::Relaxed);
        let ahead = known.max(since_asked.min(now)).min(now);
        self.0.ahead_of_server.store(if ahead.abs() < SAME { 0 } else { ahead }, Ordering::Relaxed);
    }

    /// How far [`now`](Self::now) is ahead of the API server's clock, by which people's acts are dated; zero where they agree
    /// within five seconds.
    pub fn ahead_of_server(&self) -> SignedDuration {
        SignedDuration::from_secs(self.0.ahead_of_server.load(Ordering::Relaxed))
    }

    /// By how much the wall clock was stepped since this was asked last; `None` when it was not.
    fn take_step(&self) -> Option<SignedDuration> {
        match &self.0.source {
            Source::System(system) => {
                let mut system = system.lock();
                system.read();
                Some(std::mem::take(&mut system.stepped)).filter(|step| !step.is_zero())
            }
            Source::Simulated(_) => None,
        }
    }

    /// Moves a simulated clock; a system clock stays as it is.
    pub fn set(&self, now: Timestamp) {
        if let Source::Simulated(simulated) = &self.0.source {
            *simulated.lock() = now;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the module that everything else uses")]
fn wall() -> Timestamp {
    Timestamp::now()
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
    fn a_server_that_is_seconds_off_agrees_and_one_that_is_minutes_off_does_not() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        for (server, ahead) in [(-4, 0), (4, 0), (-60, 60), (3_600, -3_600), (0, 0)] {
            clock.compare(clock.now(), Timestamp::from_second(server).unwrap());
            assert_eq!(clock.ahead_of_server(), SignedDuration::from_secs(ahead));
        }
    }

    #[test]
    fn an_answer_that_was_long_under_way_changes_only_what_cannot_be_so() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let clock = Clock::simulated(at(100));
        // When the server wrote it, how long the answer took, how far we are ahead then.
        for (server, took, ahead) in
            [(90, 30, 0), (40, 0, 60), (40, 30, 60), (70, 30, 30), (100, 30, 0), (190, 30, -90)]
        {
            clock.compare(at(100 - took), at(server));
            assert_eq!(clock.ahead_of_server(), SignedDuration::from_secs(ahead), "{server} {took}");
        }
    }

    #[test]
    fn time_since_boot_moves_forward() {
        let first = boottime();
        assert!(first > Duration::ZERO);
        assert!(boottime() >= first);
    }

    #[test]
    fn a_clock_that_goes_on_with_the_work_of_one_ahead_starts_where_that_was() {
        let (clock, hour) = (Clock::system(), Duration::from_secs(3_600));
        let floor = domain::time::after(clock.wall(), hour);
        clock.go_on_from(Other::ShowsAtLeast(floor));
        assert!(clock.clone().now() >= floor, "its copies are the same clock");
        assert!((1_800..=3_600).contains(&clock.ahead().as_secs()), "{:?}", clock.ahead());
        assert_eq!(clock.take_step(), None, "nobody has stepped the wall clock");
        clock.go_on_from(Other::ShowsAtLeast(clock.wall()));
        assert!(clock.now() >= floor, "an earlier one changes nothing");
        clock.go_on_from(Other::ShowsAtLeast(Timestamp::MAX));
        assert!(clock.now() < domain::time::after(floor, hour), "one of years is not believed");
    }
}
