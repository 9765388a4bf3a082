//! When a layer counts: within its `during` calendar, else it is transparent. And whether what is written there can be meant.

use jiff::{SignedDuration, Timestamp};

use crate::{calendar::Calendar, policy::Layer};

/// The widest look back for the last change of a calendar. A calendar that did not change for so long is taken to have
/// always been so.
const LOOK_BACK: i64 = 1_024;

impl Layer {
    /// When its first turn begins; `None` beyond the year 9999.
    pub fn first_handover(&self) -> Option<Timestamp> {
        self.handover_of(0)
    }

    /// Whether this layer, standing above the other, counts at every instant at which the other does.
    pub fn hides(&self, below: &Layer) -> bool {
        let begins_no_later = self.first_handover() <= below.first_handover() && self.first_handover().is_some();
        begins_no_later
            && self
                .during
                .as_ref()
                .is_none_or(|during| below.during.as_ref().is_some_and(|other| other.calendar == during.calendar))
    }

    /// The first of so many handovers that puts somebody else on call while the calendar was open before and stays open.
    pub fn handover_within(&self, count: usize) -> Option<Timestamp> {
        let calendar = &self.during.as_ref()?.calendar;
        let mut turn = 0;
        for _ in 0..count {
            let (next, begins) = self.next_run(turn)?;
            let before = begins.checked_sub(SignedDuration::from_secs(1)).ok()?;
            if calendar.is_open(before) && calendar.is_open(begins) {
                return Some(begins);
            }
            turn = next;
        }
        None
    }

    /// Whether the layer counts at `at`, once it has begun.
    pub(super) fn is_opaque(&self, at: Timestamp) -> bool {
        self.during.as_ref().is_none_or(|during| during.calendar.is_open(at))
    }

    /// When it next becomes transparent or ceases to be.
    pub(super) fn next_toggle(&self, after: Timestamp) -> Option<Timestamp> {
        self.during.as_ref()?.calendar.next_change(after)
    }

    /// When, at or before `at`, it last became transparent or ceased to be.
    pub(super) fn last_toggle(&self, at: Timestamp) -> Option<Timestamp> {
        last_change(&self.during.as_ref()?.calendar, at)
    }
}

/// Looks back over twice the days each time, because most calendars change daily and few have long holidays.
fn last_change(calendar: &Calendar, at: Timestamp) -> Option<Timestamp> {
    let next_second = at.checked_add(SignedDuration::from_secs(1)).ok()?;
    let mut days = 2;
    while days <= LOOK_BACK {
        let from = at.checked_sub(SignedDuration::from_hours(24 * days)).ok()?;
        let last = calendar.intervals(from, next_second).last();
        match last {
            Some(open) if open.to <= at => return Some(open.to),
            Some(open) if open.from > from => return Some(open.from),
            _ => days *= 2,
        }
    }
    None
}
