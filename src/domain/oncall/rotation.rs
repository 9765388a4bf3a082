//! One layer's turns: which handover comes when, and whose turn an instant falls in.
//!
//! A turn is counted, not stored: turn `k` begins on the local date `start + k × every_days`, at the
//! layer's handover time in its zone. Handovers never go backwards, but two can fall on one instant
//! where a zone skips a whole day (Pacific/Apia, 2011-12-30); the turn between them has no length.

use jiff::{
    Timestamp, civil,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::policy::Layer;

/// The first instant at which the zone's clocks show `local` or later. That is the first of two where it happens
/// twice, and the first after the gap where it does not happen. `None` beyond the year 9999.
pub(super) fn first_instant(zone: &TimeZone, local: civil::DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(local);
    if !matches!(found.offset(), AmbiguousOffset::Gap { .. }) {
        return found.earlier().ok();
    }
    // In a gap, the earlier reading lies before the transition and the later one at or after it.
    let (before, latest) = (found.earlier().ok()?, found.later().ok()?);
    let ends_gap = |at: &Timestamp| *at > latest || zone.to_datetime(*at) >= local;
    zone.following(before).map(|transition| transition.timestamp()).find(ends_gap).map(|end| end.min(latest))
}

impl Layer {
    /// When turn `turn` begins; `None` beyond the year 9999.
    pub(super) fn handover_of(&self, turn: i64) -> Option<Timestamp> {
        let days = turn.checked_mul(self.days())?;
        let date = self.start.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
        first_instant(&self.zone, date.to_datetime(self.handover.civil()))
    }

    /// The turn that `at` falls in, the last of those that begin at one instant; `None` before the first.
    pub(super) fn turn_at(&self, at: Timestamp) -> Option<i64> {
        let today = self.zone.to_datetime(at).date();
        let days = i64::from(self.start.until(today).ok()?.get_days());
        // The turn before the one that today's date names has begun for certain: local clocks were past it.
        let mut turn = days.div_euclid(self.days()) - 1;
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

    /// When the run of turns of one person that `turn` belongs to ends; `None` when it never does.
    pub(super) fn end_of_run(&self, turn: i64) -> Option<Timestamp> {
        let next = |k: &i64| self.person_of(*k) != self.person_of(turn) && self.has_length(*k);
        self.handover_of((turn + 1..=turn + self.reach()).find(next)?)
    }

    /// When the run of turns of one person that `turn` belongs to began, at the earliest with the layer.
    pub(super) fn start_of_run(&self, turn: i64) -> Option<Timestamp> {
        let other = |k: &i64| self.person_of(*k) != self.person_of(turn) && self.has_length(*k);
        let last_other = (turn.saturating_sub(self.reach()).max(0)..turn).rev().find(other);
        self.handover_of(last_other.map_or(0, |k| k + 1))
    }

    /// Turns to look at before it is certain that nobody else is in the rotation: everybody's twice, because a turn
    /// can have no length.
    fn reach(&self) -> i64 {
        i64::try_from(self.people.len()).unwrap_or(i64::MAX / 2).saturating_mul(2)
    }

    fn has_length(&self, turn: i64) -> bool {
        self.handover_of(turn) < self.handover_of(turn + 1)
    }

    fn days(&self) -> i64 {
        i64::from(self.every_days.max(1))
    }
}
