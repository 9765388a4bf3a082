//! Who is on call: rotations in layers, with handovers at a local time.
//!
//! At each instant the answer is exactly determined. Of the layers that have begun, the last one written
//! decides; before its `start` a layer names nobody. A handover whose local time does not exist happens at
//! the first instant after the gap, one whose time comes twice at the first of the two.
//!
//! Nothing here knows who was paged: it answers "who", and the escalation asks again when the answer changes.

mod rotation;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use crate::policy::{Layer, Schedule};

/// The unbroken time of one person on call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// Who.
    pub person: String,
    /// The layer that names this person at the instant asked about.
    pub layer: String,
    /// Since when, over all layers and turns that name the same person without a break.
    pub from: Timestamp,
    /// Up to but not including here; `None` when nobody else ever follows.
    pub until: Option<Timestamp>,
}

/// Who is on call at `at`; `None` when no layer has begun.
pub fn on_call(schedule: &Schedule, at: Timestamp) -> Option<Shift> {
    let (layer, turn) = deciding(schedule, at)?;
    let person = layer.person_of(turn);
    Some(Shift {
        person: person.to_owned(),
        layer: layer.name.clone(),
        from: began(schedule, layer, turn),
        until: next_change(schedule, at),
    })
}

/// The first instant after `after` at which somebody else is on call, or somebody instead of nobody.
pub fn next_change(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let person = person_at(schedule, after);
    let mut seen = after;
    // Bounded: each pass that finds the same person again is the start of another layer.
    loop {
        let candidate = next_candidate(schedule, seen)?;
        if person_at(schedule, candidate) != person {
            return Some(candidate);
        }
        seen = candidate;
    }
}

/// The shift after the one at `at`; `None` when the present one never ends.
pub fn next_shift(schedule: &Schedule, at: Timestamp) -> Option<Shift> {
    on_call(schedule, next_change(schedule, at)?)
}

/// All shifts that touch `[from, to)`, in order, as they really begin and end.
pub fn shifts(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<Shift> {
    let mut found = Vec::new();
    let mut at = Some(from);
    while let Some(instant) = at.filter(|instant| *instant < to) {
        found.extend(on_call(schedule, instant));
        at = next_change(schedule, instant);
    }
    found
}

/// The times in `[from, to)` when nobody is on call, in order.
pub fn gaps(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut found = Vec::new();
    let mut at = Some(from);
    while let Some(instant) = at.filter(|instant| *instant < to) {
        at = next_change(schedule, instant);
        if person_at(schedule, instant).is_none() {
            found.push((instant, at.map_or(to, |end| end.min(to))));
        }
    }
    found
}

/// "primary: ada, secondary: nobody", for a column in a table.
pub fn summary<'a>(schedules: impl IntoIterator<Item = (&'a str, &'a Schedule)>, at: Timestamp) -> String {
    let words = schedules.into_iter().map(|(name, schedule)| {
        let person = person_at(schedule, at).unwrap_or("nobody");
        format!("{name}: {person}")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The last layer that has begun, and its turn.
fn deciding(schedule: &Schedule, at: Timestamp) -> Option<(&Layer, i64)> {
    schedule.layers.iter().rev().find_map(|layer| Some((layer, layer.turn_at(at)?)))
}

fn person_at(schedule: &Schedule, at: Timestamp) -> Option<&str> {
    deciding(schedule, at).map(|(layer, turn)| layer.person_of(turn))
}

/// The next instant after which the answer can differ: a handover in the deciding layer, or the start of one above it.
fn next_candidate(schedule: &Schedule, after: Timestamp) -> Option<Timestamp> {
    let handover = deciding(schedule, after).and_then(|(layer, turn)| layer.end_of_run(turn));
    let starts = schedule.layers.iter().filter_map(|layer| layer.handover_of(0)).filter(|start| *start > after);
    starts.chain(handover).min()
}

/// Since when this layer's person is on call, looking through to the layers below where the same person went before.
fn began(schedule: &Schedule, layer: &Layer, turn: i64) -> Timestamp {
    let person = layer.person_of(turn);
    let (mut layer, mut turn) = (layer, turn);
    // Bounded: each pass goes to a layer that decided before this one began.
    loop {
        let start = layer.start_of_run(turn).unwrap_or(Timestamp::MIN);
        let before = start.checked_sub(SignedDuration::from_nanos(1)).ok();
        match before.and_then(|before| deciding(schedule, before)) {
            Some((below, previous)) if below.person_of(previous) == person => (layer, turn) = (below, previous),
            _ => return start,
        }
    }
}
