//! The verdict over many samples: a pure state machine that turns looks into a state.
//!
//! One failed look is not an outage and one good look is not a recovery. The state changes only
//! after as many looks in a row as [`Thresholds`] say; a look that could not be taken
//! ([`Reason::is_blind`]) says nothing about the target and leads to [`State::Unknown`], never to
//! [`State::Down`].
//!
//! Absent on purpose: clocks (the time is an argument), schedules (the answer of
//! [`Verdict::next_after`] is only *whether* to look again soon), alerts (what a transition means to people is decided
//! in [`super::alerts`]) and when a maintenance begins and ends (that is told, by [`Verdict::maintain`]).
//!
//! | from | to | after |
//! |---|---|---|
//! | Unknown, nothing known since the start | Up | one success |
//! | anything | Down | `down` failures in a row |
//! | Down | Up or Degraded | `up` successes in a row |
//! | Up | Degraded | `down` successes in a row that took longer than `degraded_above` |
//! | Degraded | Up | `up` successes in a row that did not |
//! | Up, Degraded, Down | Flapping | `changes` confirmed changes between answering and Down in `window` |
//! | Flapping | what is the case | one `window` without a change |
//! | anything | Unknown | one blind look; what was known is remembered, so that Down needs `up` successes afterwards too |
//! | anything | Maintenance | the window begins; looks go on and settle what they settle, but change nothing that is said |
//! | Maintenance | what the looks have settled beneath it | the window ends |
//! | anything | Suspended | it is suspended; all is forgotten, and Unknown follows |
//!
//! The clock may be set back: nothing that is remembered may lie ahead of now, so a change or a beginning that would is
//! dated now. A clock set forward ends a time of flapping early, and nothing else.

mod words;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Failure, Reason, Sample};
use crate::time::{between, format_duration, whole_seconds};

pub use words::{Flapping, Look, NextProbe, State, Thresholds, Transition};

/// What the looks that counted have settled, beneath Flapping, a time of blindness and a maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Settled {
    Nothing,
    Up,
    Degraded,
    Down,
}

/// The verdict on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    state: State,
    since: Timestamp,
    reason: Option<Reason>,
    message: String,
    settled: Settled,
    /// Failures in a row; a success and a blind look begin anew.
    failures: u32,
    /// Successes in a row; a failure and a blind look begin anew.
    successes: u32,
    /// Of the successes in a row, the last ones that were slow.
    slow: u32,
    /// Of the successes in a row, the last ones that were not.
    fast: u32,
    /// The confirmed changes within the flapping window, oldest first; never more than flapping needs.
    changes: Vec<Timestamp>,
    last: Option<Look>,
    recovered_by_retry: u64,
}

impl Verdict {
    /// Nothing is known yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            state: State::Unknown,
            since: whole_seconds(now),
            reason: None,
            message: String::new(),
            settled: Settled::Nothing,
            failures: 0,
            successes: 0,
            slow: 0,
            fast: 0,
            changes: Vec::new(),
            last: None,
            recovered_by_retry: 0,
        }
    }

    /// Goes on from the word that was persisted: Down stays Down until `up` successes in a row.
    /// The history of a flapping target is lost, so it stays Flapping for one window from `now`.
    pub fn restore(state: State, since: Timestamp, now: Timestamp) -> Self {
        let settled = match state {
            State::Up => Settled::Up,
            State::Degraded => Settled::Degraded,
            State::Down => Settled::Down,
            State::Unknown | State::Flapping | State::Maintenance | State::Suspended => Settled::Nothing,
        };
        let changes = if state == State::Flapping { vec![whole_seconds(now)] } else { Vec::new() };
        Self { state, since: whole_seconds(since), settled, changes, ..Self::new(now) }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Since when, in whole seconds.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Why, for Down, Degraded and Unknown, also beneath a maintenance. While Down, of the last failure.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// A sentence for people; empty when there is nothing to say.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the looks say Down, also while the state is Flapping or Unknown.
    pub fn is_down(&self) -> bool {
        self.settled == Settled::Down
    }

    /// How the last look counted.
    pub fn last_look(&self) -> Option<Look> {
        self.last
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Successes in a row, of looks that this verdict has seen itself.
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// How many looks were [`Look::SuccessOnRetry`]. They are not hidden: a target that often needs a retry is ill.
    pub fn recovered_by_retry(&self) -> u64 {
        self.recovered_by_retry
    }

    /// Takes one more look into account. A look that ends while suspended counts for nothing; one during a maintenance
    /// settles what it settles, and the state stays.
    pub fn observe(&mut self, sample: &Sample, thresholds: &Thresholds, now: Timestamp) -> Option<Transition> {
        if self.state == State::Suspended {
            return None;
        }
        let now = whole_seconds(now);
        self.take_back_to(now);
        let settled = match &sample.failure {
            Some(failure) if failure.reason.is_blind() => return self.blind(failure, now),
            Some(failure) => self.failed(failure, thresholds),
            None => self.succeeded(sample.duration, thresholds),
        };
        match settled {
            Some(settled) => self.settle(settled, now),
            // Too few looks since nothing was known or since we were blind.
            None if self.state == State::Unknown => return None,
            None => {}
        }
        let message = self.sentence(sample, thresholds);
        if self.state == State::Maintenance {
            (self.reason, self.message) = (self.reason_of(sample), message);
            return None;
        }
        self.conclude(message, sample, thresholds, now)
    }

    /// Whether a failure has to be confirmed soon, or the normal interval goes on.
    pub fn next_after(&self, thresholds: &Thresholds, interval: Duration) -> NextProbe {
        let unconfirmed = self.failures > 0 && self.failures < thresholds.down;
        let already_down = self.is_down() && self.state != State::Unknown;
        if unconfirmed && !already_down && thresholds.confirm_every < interval && self.state != State::Suspended {
            NextProbe::ConfirmAfter(thresholds.confirm_every)
        } else {
            NextProbe::AtInterval
        }
    }

    /// Nobody looks any more. `None` when it was so already.
    pub fn suspend(&mut self, now: Timestamp) -> Option<Transition> {
        self.forget();
        self.enter(State::Suspended, None, "suspended".to_owned(), whole_seconds(now))
    }

    /// Looking begins again, with nothing known. `None` when it was not suspended.
    pub fn resume(&mut self, now: Timestamp) -> Option<Transition> {
        if self.state != State::Suspended {
            return None;
        }
        self.forget();
        self.enter(State::Unknown, None, "not looked yet since it was suspended".to_owned(), whole_seconds(now))
    }

    /// A maintenance begins: looks go on, and what they settle is remembered and not said. `None` when nothing changes:
    /// it was so already, or it is suspended.
    pub fn maintain(&mut self, now: Timestamp) -> Option<Transition> {
        if self.state == State::Suspended {
            return None;
        }
        let (reason, message) = (self.reason, self.message.clone());
        self.enter(State::Maintenance, reason, message, whole_seconds(now))
    }

    /// The maintenance ends: the state is what the looks have settled meanwhile, or had settled before. Changes that it
    /// brought are no flapping. `None` when there was no maintenance.
    pub fn end_maintenance(&mut self, now: Timestamp) -> Option<Transition> {
        if self.state != State::Maintenance {
            return None;
        }
        let (reason, message) = (self.reason, std::mem::take(&mut self.message));
        let (state, reason) = match (self.last, self.settled) {
            (Some(Look::Blind), _) => (State::Unknown, reason),
            (_, Settled::Nothing) => (State::Unknown, None),
            (_, Settled::Up) => (State::Up, None),
            (_, Settled::Degraded) => (State::Degraded, Some(Reason::TooSlow)),
            (_, Settled::Down) => (State::Down, reason),
        };
        self.enter(state, reason, message, whole_seconds(now))
    }

    /// Whether a maintenance is going on, so that looks are taken and not counted.
    pub fn in_maintenance(&self) -> bool {
        self.state == State::Maintenance
    }

    /// The clock may have been set back.
    fn take_back_to(&mut self, now: Timestamp) {
        self.since = self.since.min(now);
        for at in &mut self.changes {
            *at = (*at).min(now);
        }
    }

    fn reason_of(&self, sample: &Sample) -> Option<Reason> {
        match (&sample.failure, self.settled) {
            (Some(failure), _) => Some(failure.reason),
            (None, Settled::Degraded) => Some(Reason::TooSlow),
            (None, _) => None,
        }
    }

    fn forget(&mut self) {
        self.settled = Settled::Nothing;
        self.begin_anew();
        self.changes.clear();
    }

    fn begin_anew(&mut self) {
        (self.failures, self.successes, self.slow, self.fast) = (0, 0, 0, 0);
    }

    fn blind(&mut self, failure: &Failure, now: Timestamp) -> Option<Transition> {
        self.begin_anew();
        self.last = Some(Look::Blind);
        if matches!(self.state, State::Unknown | State::Maintenance) {
            // It was so before the first look, or for another reason: what keeps us from looking is news all the same.
            (self.reason, self.message) = (Some(failure.reason), failure.message.clone());
        }
        if self.state == State::Maintenance {
            return None;
        }
        self.enter(State::Unknown, Some(failure.reason), failure.message.clone(), now)
    }

    /// What the looks settle now; `None` when they are too few to settle anything new.
    fn failed(&mut self, failure: &Failure, thresholds: &Thresholds) -> Option<Settled> {
        let failures = self.failures.saturating_add(1);
        self.begin_anew();
        self.failures = failures;
        self.last = Some(Look::Failure);
        if self.state == State::Down {
            (self.reason, self.message) = (Some(failure.reason), failure.message.clone());
        }
        (failures >= thresholds.down).then_some(Settled::Down)
    }

    /// What the looks settle now; `None` when they are too few to settle anything new.
    fn succeeded(&mut self, took: Duration, thresholds: &Thresholds) -> Option<Settled> {
        let on_retry = self.failures > 0 && !self.is_down();
        self.last = Some(if on_retry { Look::SuccessOnRetry } else { Look::Success });
        self.recovered_by_retry += u64::from(on_retry);
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        if thresholds.degraded_above.is_some_and(|limit| took > limit) {
            (self.slow, self.fast) = (self.slow.saturating_add(1), 0);
        } else {
            (self.slow, self.fast) = (0, self.fast.saturating_add(1));
        }
        let (up, down) = (thresholds.up.max(1), thresholds.down.max(1));
        match self.settled {
            Settled::Nothing => Some(Settled::Up),
            Settled::Down if self.successes < up => None,
            Settled::Down => Some(if self.slow >= up { Settled::Degraded } else { Settled::Up }),
            Settled::Up => Some(if self.slow >= down { Settled::Degraded } else { Settled::Up }),
            Settled::Degraded => Some(if self.fast >= up { Settled::Up } else { Settled::Degraded }),
        }
    }

    fn settle(&mut self, settled: Settled, now: Timestamp) {
        let was_known = self.settled != Settled::Nothing;
        let announced = self.state == State::Maintenance;
        if was_known && !announced && (self.settled == Settled::Down) != (settled == Settled::Down) {
            self.changes.push(now);
        }
        self.settled = settled;
    }

    /// From what is settled and the changes of late to the state.
    fn conclude(
        &mut self,
        message: String,
        sample: &Sample,
        thresholds: &Thresholds,
        now: Timestamp,
    ) -> Option<Transition> {
        if let Some(text) = self.flaps(thresholds, now) {
            return self.enter(State::Flapping, None, text, now);
        }
        match self.settled {
            Settled::Nothing => self.enter(State::Unknown, None, "not enough looks yet".to_owned(), now),
            // Only after Flapping can a look contradict what is settled: the next ones will say.
            settled if (settled == Settled::Down) == sample.ok() => None,
            Settled::Up => self.enter(State::Up, None, message, now),
            Settled::Degraded => self.enter(State::Degraded, Some(Reason::TooSlow), message, now),
            Settled::Down => {
                self.enter(State::Down, sample.failure.as_ref().map(|failure| failure.reason), message, now)
            }
        }
    }

    /// What to say when the changes are too many.
    fn flaps(&mut self, thresholds: &Thresholds, now: Timestamp) -> Option<String> {
        let Some(limit) = thresholds.flapping else {
            self.changes.clear();
            return None;
        };
        self.changes.retain(|at| between(*at, now) < limit.window);
        let needed = usize::try_from(limit.changes.max(1)).unwrap_or(usize::MAX);
        let surplus = self.changes.len().saturating_sub(needed);
        self.changes.drain(..surplus);
        let enough =
            if self.state == State::Flapping { !self.changes.is_empty() } else { self.changes.len() >= needed };
        enough.then(|| format!("went up and down {needed} times within {}", format_duration(limit.window)))
    }

    fn sentence(&self, sample: &Sample, thresholds: &Thresholds) -> String {
        if let Some(failure) = &sample.failure {
            return failure.message.clone();
        }
        let millis = sample.duration.as_millis();
        match (self.settled, thresholds.degraded_above) {
            (Settled::Degraded, Some(limit)) => {
                format!("answered in {millis}ms; above {} {} times in a row", format_duration(limit), self.slow)
            }
            _ => format!("answered in {millis}ms"),
        }
    }

    fn enter(&mut self, to: State, reason: Option<Reason>, message: String, at: Timestamp) -> Option<Transition> {
        if self.state == to {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.since = at;
        self.reason = reason;
        self.message.clone_from(&message);
        Some(Transition { from, to, at, reason, message })
    }
}

#[cfg(test)]
mod tests;
