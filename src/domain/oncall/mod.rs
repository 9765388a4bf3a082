//! Who is on call: rotations in layers, with handovers at a local time, and overrides above them.
//!
//! At each instant the answer is exactly determined:
//!
//! 1. Of the layers that have begun, the last one written decides. Before its `start`, and outside its
//!    `during`, a layer is transparent: what stands below shows through.
//! 2. A handover whose local time does not exist happens at the first instant after the gap, one whose time
//!    comes twice at the first of the two. The order of turns runs on while a layer is transparent.
//! 3. Overrides stand above all layers, in order of creation ([`Override`]).
//!
//! Nothing here knows who was paged: it answers "who", and the escalation asks again when the answer changes.
//! Nothing here walks through the past: a turn is found by counting local dates.

mod during;
mod ical;
mod overrides;
mod reason;
mod rotation;
#[cfg(test)]
mod tests;
mod walk;

use jiff::{SignedDuration, Timestamp};

pub use ical::{Feed, ical};
pub use overrides::Override;
pub use reason::{Explanation, Reason, Subject, Verdict, explain};

use crate::policy::{Layer, Schedule};
use walk::Walk;

/// So many instants at which the answer could change, and does not, are looked at for one answer. Only a schedule
/// in which the same person comes again and again through several layers has more: two looks a day for eleven years.
const LOOKS: usize = 8_192;

/// An unbroken time in which the same person is on call, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift<'a> {
    /// Who; `None` when nobody is on call, which is a gap only where the schedule's `coverage` asks for somebody.
    pub person: Option<&'a str>,
    /// Since when, over all layers, turns and overrides that name the same person without a break; `None` when it
    /// was never otherwise.
    pub from: Option<Timestamp>,
    /// Up to but not including here; `None` when nobody else ever follows.
    pub until: Option<Timestamp>,
}

/// Who is on call at `at`; `None` when nobody is.
pub fn who<'a>(schedule: &'a Schedule, overrides: &'a [Override], at: Timestamp) -> Option<&'a str> {
    person_over(deciding(schedule, at), &overrides::of(schedule, overrides), at)
}

/// Who is on call at `at`, since when and until when.
pub fn on_call<'a>(schedule: &'a Schedule, overrides: &'a [Override], at: Timestamp) -> Shift<'a> {
    let mut walk = Walk::from(schedule, overrides, at);
    let person = walk.person();
    Shift { person, from: began(schedule, overrides, at, person), until: walk.go_to_change() }
}

/// The first instant after `after` at which somebody else is on call, or somebody instead of nobody, or nobody.
/// `None` when the answer never changes again, or at none of the next 8,192 instants at which it could.
pub fn next_change(schedule: &Schedule, overrides: &[Override], after: Timestamp) -> Option<Timestamp> {
    Walk::from(schedule, overrides, after).go_to_change()
}

/// The shifts that touch `[from, to)`, in order, as they really begin and end. They tile the range: the times when
/// nobody is on call are among them.
pub fn shifts<'a>(schedule: &'a Schedule, overrides: &'a [Override], from: Timestamp, to: Timestamp) -> Vec<Shift<'a>> {
    let mut found = Vec::new();
    if from >= to {
        return found;
    }
    let mut walk = Walk::from(schedule, overrides, from);
    let mut begin = began(schedule, overrides, from, walk.person());
    loop {
        let person = walk.person();
        let until = walk.go_to_change();
        found.push(Shift { person, from: begin, until });
        begin = until;
        if until.is_none_or(|until| until >= to) {
            return found;
        }
    }
}

/// The times in `[from, to)` when somebody must be on call, by the schedule's `coverage`, and nobody is, in order and
/// in whole seconds.
pub fn gaps(
    schedule: &Schedule,
    overrides: &[Override],
    from: Timestamp,
    to: Timestamp,
) -> Vec<(Timestamp, Timestamp)> {
    let mut found = Vec::new();
    if from >= to {
        return found;
    }
    let mut walk = Walk::from(schedule, overrides, from);
    let mut begin = Some(from);
    while let Some(start) = begin.filter(|start| *start < to) {
        let nobody = walk.person().is_none();
        begin = walk.go_to_change();
        if nobody {
            let end = begin.map_or(to, |end| end.min(to));
            found.extend(schedule.coverage.calendar.intervals(start, end).map(|open| (open.from, open.to)));
        }
    }
    found
}

/// A layer, and the number of its turn.
type Turn<'a> = (&'a Layer, i64);

/// The last layer that has begun and is not transparent, and its turn.
fn deciding(schedule: &Schedule, at: Timestamp) -> Option<Turn<'_>> {
    let opaque = schedule.layers.iter().rev().filter(|layer| layer.is_opaque(at));
    opaque.filter_map(|layer| Some((layer, layer.turn_at(at)?))).next()
}

/// Who is on call at `at`, where a layer's turn decides below the overrides of the schedule.
fn person_over<'a>(below: Option<Turn<'a>>, overrides: &[&'a Override], at: Timestamp) -> Option<&'a str> {
    let below = below.map(|(layer, turn)| layer.person_of(turn));
    overrides::person_above(below, overrides.iter().copied().filter(|one| one.covers(at)))
}

/// Since when `person` is on call at `at`: goes back over the instants at which the answer could have changed.
fn began(schedule: &Schedule, overrides: &[Override], at: Timestamp, person: Option<&str>) -> Option<Timestamp> {
    let overrides = overrides::of(schedule, overrides);
    let mut edge = at;
    let mut below = deciding(schedule, edge);
    for _ in 0..LOOKS {
        let boundary = last_boundary(schedule, &overrides, edge, below)?;
        edge = boundary.checked_sub(SignedDuration::from_nanos(1)).ok()?;
        below = deciding(schedule, edge);
        if person_over(below, &overrides, edge) != person {
            return Some(boundary);
        }
    }
    None
}

/// The last instant at or before `at` at which the answer can have changed, where this turn decides at `at`.
fn last_boundary(
    schedule: &Schedule,
    overrides: &[&Override],
    at: Timestamp,
    deciding: Option<Turn<'_>>,
) -> Option<Timestamp> {
    let ends = overrides.iter().flat_map(|one| [one.from, one.until]);
    let mut last = ends.filter(|end| *end <= at).max();
    for layer in schedule.layers.iter().rev() {
        if let Some((_, turn)) = deciding.filter(|(decides, _)| std::ptr::eq(*decides, layer)) {
            return last.max(layer.last_toggle(at)).max(layer.start_of_run(turn));
        }
        if layer.turn_at(at).is_some() {
            last = last.max(layer.last_toggle(at));
        }
    }
    last
}
