//! Working calendars: a zone, a week of local hours, and the dates that are otherwise.
//!
//! Each local interval becomes a half-open interval of instants, and all arithmetic is on instants: wall-clock times are
//! never subtracted. A boundary that the clocks skip in spring is the first instant after the gap; one that comes
//! twice in autumn is the earlier instant for a start and the later for an end. So a night shift has an hour less or more,
//! and `00:00-24:00` on seven days never gains or loses any. Hours of neighbouring days that overlap count once.
//!
//! Instants are truncated to whole seconds where they enter. Nothing here knows of tickets: `sla` does.

mod hours;
mod table;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

pub use hours::{Hours, LocalInterval};

use crate::time::{after, between, whole_seconds};
use table::{BLOCK, Table};

/// The name of [`Calendar::always`] in every policy.
pub const ALWAYS: &str = "always";

/// A stretch of working time: from, and up to but not including.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// When it opens, or the start of the range asked about.
    pub from: Timestamp,
    /// When it closes, or the end of the range asked about.
    pub to: Timestamp,
}

/// A working calendar. A clone shares what was computed.
#[derive(Clone)]
pub struct Calendar(Option<Arc<Table>>);

impl Calendar {
    /// How far a calendar looks for working time: 400 days.
    pub const HORIZON: Duration = Duration::from_secs(BLOCK.unsigned_abs());

    /// Every second of every day.
    pub const fn always() -> Self {
        Self(None)
    }

    /// The calendar of these hours.
    pub fn new(hours: Hours) -> Self {
        Self(Some(Arc::new(Table::new(hours))))
    }

    /// The zone its hours are written in; `None` for [`Calendar::always`].
    pub fn zone(&self) -> Option<&TimeZone> {
        self.0.as_ref().map(|table| &table.hours.zone)
    }

    /// Whether `at` is working time.
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.0.as_ref().is_none_or(|table| table.is_open(second(at)))
    }

    /// The first instant after `after` at which [`Calendar::is_open`] changes; `None` when it never does again.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let table = self.0.as_ref()?;
        let after = second(after);
        // Once no date is otherwise any more, every week is like the one of the year before.
        let limit = after.max(table.settled).saturating_add(BLOCK);
        let (from, to) = table.spans(after, limit).next()?;
        let change = if from > after || !table.is_open(after) { from } else { to };
        (change < limit).then(|| instant(change))
    }

    /// The first instant at or after `at` that is working time; `None` when there is none within 400 days.
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        let at = whole_seconds(at);
        let Some(table) = &self.0 else { return Some(at) };
        table.spans(second(at), second(at).saturating_add(BLOCK + 1)).next().map(|(from, _)| instant(from))
    }

    /// Working time from `from` to `to`, in whole seconds; zero when `to` is not later.
    pub fn elapsed(&self, from: Timestamp, to: Timestamp) -> Duration {
        let Some(table) = &self.0 else { return between(whole_seconds(from), whole_seconds(to)) };
        Duration::from_secs(table.elapsed(second(from), second(to)).unsigned_abs())
    }

    /// The least instant at which [`Calendar::elapsed`] since `from` reaches `target` (whole seconds of it), so a target
    /// that is used up exactly at closing time is due then. `None` when 400 days without working time come first: the
    /// calendar is as good as empty, and nothing is ever due.
    pub fn due(&self, from: Timestamp, target: Duration) -> Option<Timestamp> {
        let from = whole_seconds(from);
        if target.as_secs() == 0 {
            return Some(from);
        }
        let Some(table) = &self.0 else { return Some(after(from, Duration::from_secs(target.as_secs()))) };
        table.due(second(from), i64::try_from(target.as_secs()).ok()?).map(instant)
    }

    /// The working time within `[from, to)`, in order; neighbours never touch.
    pub fn intervals(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Open> + '_ {
        let (from, to) = (whole_seconds(from), whole_seconds(to));
        let all = (self.0.is_none() && from < to).then_some(Open { from, to });
        let spans = self.0.as_ref().map(|table| table.spans(second(from), second(to)));
        all.into_iter()
            .chain(spans.into_iter().flatten().map(|(from, to)| Open { from: instant(from), to: instant(to) }))
    }
}

/// By what it says, not by what was computed.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one.hours == other.hours,
            (one, other) => one.is_none() == other.is_none(),
        }
    }
}

impl Eq for Calendar {}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Calendar(always)"),
            Some(table) => f.debug_tuple("Calendar").field(&table.hours).finish(),
        }
    }
}

fn second(at: Timestamp) -> i64 {
    whole_seconds(at).as_second()
}

/// Seconds of the table, which ends long before time does.
fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}
