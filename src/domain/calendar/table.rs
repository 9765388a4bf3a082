//! Working hours as instants: blocks of 400 days, each computed when it is first asked for and then kept.
//!
//! A block holds its open intervals with the working time before each, so that a question is a binary search and a
//! span of years a sum over blocks. What is kept follows from the hours alone; it changes no answer. An office week costs
//! 8 KiB a block, and most calendars are only ever asked about two of them.
//!
//! Instants before 1970 and after [`END`] count as closed.

use std::sync::OnceLock;

use jiff::{Timestamp, ToSpan};

use super::hours::Hours;
use crate::time::{first_instant, last_instant};

/// Length of a block in seconds, which is also how far a calendar looks for working time.
pub(super) const BLOCK: i64 = 400 * 86_400;
const BLOCKS: i64 = 210;
/// The end of all blocks, in the year 2199.
pub(super) const END: i64 = BLOCK * BLOCKS;

/// One open interval within a block, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: i64,
    end: i64,
    /// Working time in the block before `start`.
    before: i64,
}

#[derive(Debug)]
struct Block {
    open: Vec<Open>,
    /// Working time in all of it.
    total: i64,
}

/// Hours and the blocks computed so far.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) hours: Hours,
    blocks: Box<[OnceLock<Box<Block>>]>,
    /// When the last date that is otherwise is surely over; 0 without any.
    pub(super) settled: i64,
}

impl Table {
    pub(super) fn new(hours: Hours) -> Self {
        let last = hours.dates.last_key_value().map(|(date, _)| *date);
        let settled = last.and_then(|date| {
            first_instant(&hours.zone, date.checked_add(3.days()).ok()?.to_datetime(jiff::civil::Time::midnight()))
        });
        Self {
            settled: settled.map_or(0, Timestamp::as_second),
            hours,
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Working seconds from `from` to `to`.
    pub(super) fn elapsed(&self, from: i64, to: i64) -> i64 {
        let (from, to) = (from.clamp(0, END), to.clamp(0, END));
        if to <= from {
            return 0;
        }
        let (first, last) = (from / BLOCK, to / BLOCK);
        let whole: i64 = (first..last).map(|index| self.block(index).map_or(0, |block| block.total)).sum();
        whole + self.block(last).map_or(0, |block| block.before(to))
            - self.block(first).map_or(0, |block| block.before(from))
    }

    /// The least instant at which `elapsed(from, _)` is `target` (at least 1); `None` when a stretch of 400 days without
    /// working time comes first.
    pub(super) fn due(&self, from: i64, target: i64) -> Option<i64> {
        let from = from.max(0);
        let mut want = target;
        let mut closed_since = from;
        for index in from / BLOCK..BLOCKS {
            let block = self.block(index)?;
            let Some(next) = block.following(closed_since) else {
                if (index + 1) * BLOCK - closed_since > BLOCK {
                    return None;
                }
                continue;
            };
            if next.start - closed_since > BLOCK {
                return None;
            }
            want = want.checked_add(block.before(from.max(index * BLOCK)))?;
            if want <= block.total {
                let place = block.open.partition_point(|open| open.before + (open.end - open.start) < want);
                return block.open.get(place).map(|open| open.start + (want - open.before));
            }
            want -= block.total;
            closed_since = block.open.last().map_or(closed_since, |open| open.end);
        }
        None
    }

    /// Whether `at` is working time.
    pub(super) fn is_open(&self, at: i64) -> bool {
        let block = (0..END).contains(&at).then(|| self.block(at / BLOCK)).flatten();
        block.and_then(|block| block.following(at)).is_some_and(|open| open.start <= at)
    }

    /// The open intervals within `[from, to)`.
    pub(super) fn spans(&self, from: i64, to: i64) -> Spans<'_> {
        Spans { table: self, from: from.clamp(0, END), to: to.clamp(0, END) }
    }

    fn block(&self, index: i64) -> Option<&Block> {
        let slot = self.blocks.get(usize::try_from(index).ok()?)?;
        Some(slot.get_or_init(|| Box::new(Block::of(&self.hours, index * BLOCK))))
    }
}

impl Block {
    fn of(hours: &Hours, start: i64) -> Self {
        let end = start + BLOCK;
        let mut block = Self { open: Vec::new(), total: 0 };
        for (from, to) in merged(intervals(hours, start, end)) {
            let (from, to) = (from.max(start), to.min(end));
            if from < to {
                block.open.push(Open { start: from, end: to, before: block.total });
                block.total += to - from;
            }
        }
        block.open.shrink_to_fit();
        block
    }

    /// The first interval that ends after `at`.
    fn following(&self, at: i64) -> Option<&Open> {
        self.open.get(self.open.partition_point(|open| open.end <= at))
    }

    /// Working time in the block before `at`.
    fn before(&self, at: i64) -> i64 {
        self.following(at).map_or(self.total, |open| open.before + (at - open.start).max(0))
    }
}

/// Every interval that may touch `[start, end)`, with instants for its boundaries.
fn intervals(hours: &Hours, start: i64, end: i64) -> Vec<(i64, i64)> {
    let date_at = |second| Timestamp::from_second(second).ok().map(|at| hours.zone.to_datetime(at).date());
    // Hours reach at most into the second day after theirs; one more for clocks that go back over midnight.
    let first = date_at(start).and_then(|date| date.checked_sub(3.days()).ok());
    let last = date_at(end).and_then(|date| date.checked_add(1.day()).ok());
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let mut found = Vec::new();
    for date in first.series(1.day()).take_while(|date| *date <= last) {
        for interval in hours.on(date) {
            let starts = interval.starts_on(date).and_then(|local| first_instant(&hours.zone, local));
            let ends = interval.ends_after(date).and_then(|local| last_instant(&hours.zone, local));
            if let (Some(starts), Some(ends)) = (starts, ends)
                && starts < ends
            {
                found.push((starts.as_second(), ends.as_second()));
            }
        }
    }
    found
}

/// In order, those that touch or overlap as one.
fn merged(mut intervals: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    intervals.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (start, end) in intervals {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

/// Open intervals in order, also across blocks as long as they are.
pub(super) struct Spans<'a> {
    table: &'a Table,
    from: i64,
    to: i64,
}

impl Iterator for Spans<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<Self::Item> {
        let mut found: Option<(i64, i64)> = None;
        // Each pass leaves an interval or a block behind.
        while self.from < self.to {
            let index = self.from / BLOCK;
            let next = self.table.block(index)?.following(self.from);
            let Some(open) = next.filter(|open| open.start < self.to) else {
                if found.is_some() {
                    break;
                }
                self.from = (index + 1) * BLOCK;
                continue;
            };
            match &mut found {
                Some((_, end)) if open.start == *end => *end = open.end.min(self.to),
                Some(_) => break,
                None => found = Some((open.start.max(self.from), open.end.min(self.to))),
            }
            self.from = open.end;
            if open.end < (index + 1) * BLOCK {
                break;
            }
        }
        found
    }
}
