//! One layer's turns: which handover comes when, and whose turn an instant falls in.
//!
//! A turn is counted, not stored: turn `k` begins on the local date `start + k × every_days`, at the
//! layer's handover time in its zone. Handovers never go backwards, but two can fall on one instant
//! where a zone skips a whole day (Pacific/Apia, 2011-12-30); the turn between them has no length.

use jiff::{SignedDuration, Timestamp};

use crate::{policy::Layer, time::first_instant};

impl Layer {
    /// When turn `turn` begins; `None` beyond the year 9999.
    pub(super) fn handover_of(&self, turn: i64) -> Option<Timestamp> {
        let hours = turn.checked_mul(self.days())?.checked_mul(24)?;
        let date = self.start.checked_add(SignedDuration::try_from_hours(hours)?).ok()?;
        first_instant(&self.zone, date.to_datetime(self.handover.civil()))
    }

    /// The turn that `at` falls in, the last of those that begin at one instant; `None` before the first.
    pub(super) fn turn_at(&self, at: Timestamp) -> Option<i64> {
        let today = self.zone.to_datetime(at).date();
        let days = today.duration_since(self.start).as_hours() / 24;
        let (named, into) = (days.div_euclid(self.days()), days.rem_euclid(self.days()));
        // A turn of a date before today's has begun for certain: local clocks were past it. One of the day after
        // tomorrow has not: no clock was ever set back by more than a day.
        let mut turn = if into > 0 { named } else { named - 1 };
        if into > 0 && self.days() - into >= 2 {
            return (turn >= 0).then_some(turn);
        }
        while self.handover_of(turn + 1).is_some_and(|next| next <= at) {
            turn += 1;
        }
        (turn >= 0).then_some(turn)
    }

    /// Whose turn it is.
    pub(super) fn person_of(&self, turn: i64) -> &str {
        let count = i64::try_from(self.people.len()).unwrap_or(i64::MAX).max(1);
        let place = usize::try_from(turn.rem_euclid(count)).unwrap_or(0);
        self.people.get(place).map_or("", String::as_str)
    }

    /// The first turn after `turn` that is somebody else's, and when it begins; `None` when there is never one.
    pub(super) fn next_run(&self, turn: i64) -> Option<(i64, Timestamp)> {
        let person = self.person_of(turn);
        let others = (turn + 1..=turn + self.reach()).filter(|k| self.person_of(*k) != person);
        for next in others {
            let begins = self.handover_of(next)?;
            if self.handover_of(next + 1).is_none_or(|ends| begins < ends) {
                return Some((next, begins));
            }
        }
        None
    }

    /// When the run of turns of one person that `turn` belongs to began, at the earliest with the layer.
    pub(super) fn start_of_run(&self, turn: i64) -> Option<Timestamp> {
        let person = self.person_of(turn);
        let others = (turn.saturating_sub(self.reach()).max(0)..turn).rev().filter(|k| self.person_of(*k) != person);
        for other in others {
            let ends = self.handover_of(other + 1)?;
            if self.handover_of(other)? < ends {
                return Some(ends);
            }
        }
        self.handover_of(0)
    }

    /// Turns to look at before it is certain that nobody else is in the rotation: everybody's twice, because a turn
    /// can have no length.
    fn reach(&self) -> i64 {
        i64::try_from(self.people.len()).unwrap_or(i64::MAX / 2).saturating_mul(2)
    }

    fn days(&self) -> i64 {
        i64::from(self.every_days.max(1))
    }
}
