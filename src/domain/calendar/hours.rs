//! Working hours as they are written: local intervals of a week, and dates that are otherwise.

use std::{collections::BTreeMap, fmt};

use jiff::{civil, tz::TimeZone};

use crate::problem::Problem;

const DAY: u16 = 24 * 60;

/// A half-open local interval of the day it starts on: `09:00-17:00`, `00:00-24:00`, or `22:00-30:00` past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalInterval {
    /// Minutes from the day's 00:00, below 24 h.
    start: u16,
    /// The same; later than `start`, at most 48 h.
    end: u16,
}

impl LocalInterval {
    /// From and up to these minutes of the day; `None` unless `start` is below 24 h, and `end` after it and at most 48 h.
    pub fn new(start: u16, end: u16) -> Option<Self> {
        (start < DAY && start < end && end <= 2 * DAY).then_some(Self { start, end })
    }

    /// Reads `09:00-17:00`. The end may be `24:00` or past midnight, up to `48:00`; it belongs to the day of the start.
    ///
    /// # Errors
    /// A [`Problem`] without path when the form is another, or the interval is impossible.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let form = || Problem::error("", format!("expected local hours such as `09:00-17:00`, found `{text}`"));
        let (start, end) = text.split_once('-').ok_or_else(form)?;
        let (start, end) = (minutes(start).ok_or_else(form)?, minutes(end).ok_or_else(form)?);
        if start >= DAY {
            return Err(Problem::error("", format!("expected a start before 24:00, found `{text}`"))
                .suggest("write these hours on the next day"));
        }
        if end > 2 * DAY {
            return Err(Problem::error("", format!("expected an end of at most 48:00, found `{text}`"))
                .suggest("write the hours of each day on that day"));
        }
        if end <= start {
            let problem = Problem::error("", format!("expected an end after the start, found `{text}`"));
            let overnight = Self { start, end: end + DAY };
            return Err(if end == start {
                problem.suggest("for a whole day write `00:00-24:00`, for none leave it out")
            } else {
                problem.suggest(format!("if it runs past midnight write `{overnight}`"))
            });
        }
        Ok(Self { start, end })
    }

    /// When it starts on the clocks of `date`.
    pub(super) fn starts_on(self, date: civil::Date) -> Option<civil::DateTime> {
        local(date, self.start)
    }

    /// When it ends on the clocks, of the interval that starts on `date`.
    pub(super) fn ends_after(self, date: civil::Date) -> Option<civil::DateTime> {
        local(date, self.end)
    }

    /// The first two of these intervals of one day that share a minute, by their places in the list, lower place first.
    pub fn overlap(intervals: &[Self]) -> Option<(usize, usize)> {
        let share = |a: &Self, b: &Self| a.start < b.end && b.start < a.end;
        intervals.iter().enumerate().find_map(|(later, b)| {
            let earlier = intervals.iter().take(later).position(|a| share(a, b))?;
            Some((earlier, later))
        })
    }
}

/// `22:00-30:00`, as it is read.
impl fmt::Display for LocalInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.start, self.end);
        write!(f, "{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
    }
}

/// Minutes of `HH:MM`, up to 99:59.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (minute < 60).then_some(hour * 60 + minute)
}

fn local(date: civil::Date, minutes: u16) -> Option<civil::DateTime> {
    let days = jiff::Span::new().days(i64::from(minutes / DAY));
    let minutes = minutes % DAY;
    let time = civil::Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()?;
    Some(date.checked_add(days).ok()?.to_datetime(time))
}

/// When people work: a week, and the dates that are otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The zone of every local time.
    pub zone: TimeZone,
    /// Monday first. Several intervals a day; none: a day off.
    pub week: [Vec<LocalInterval>; 7],
    /// Instead of the week's: none on a holiday, fewer on half a day, some on a day that is otherwise off.
    pub dates: BTreeMap<civil::Date, Vec<LocalInterval>>,
}

impl Hours {
    /// The hours that start on this date.
    pub(super) fn on(&self, date: civil::Date) -> &[LocalInterval] {
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or_default();
        self.dates.get(&date).or_else(|| self.week.get(weekday)).map_or(&[], Vec::as_slice)
    }

    /// Whether neither the week nor a date has any working time.
    pub fn is_empty(&self) -> bool {
        self.week.iter().all(Vec::is_empty) && self.dates.values().all(Vec::is_empty)
    }
}
