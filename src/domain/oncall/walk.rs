//! Forward through time, from one instant at which the answer can change to the next.
//!
//! Each layer is asked only when what it said last has run out, so that a scan over months costs one handover's
//! arithmetic a step. Layers below the one that decides are not asked at all.

use jiff::Timestamp;

use super::overrides::Override;
use super::{LOOKS, overrides};
use crate::policy::{Layer, Schedule};

/// What is known, up to but not including `until`; `None`: for ever.
#[derive(Clone, Copy)]
struct Kept<T> {
    value: T,
    until: Option<Timestamp>,
}

/// What is kept, looked up again when it has run out.
fn renewed<T: Copy>(kept: &mut Option<Kept<T>>, at: Timestamp, look: impl FnOnce() -> Kept<T>) -> Kept<T> {
    match kept {
        Some(known) if known.until.is_none_or(|until| at < until) => *known,
        _ => *kept.insert(look()),
    }
}

/// A layer, and what is known of it.
struct Track<'a> {
    layer: &'a Layer,
    /// Whose turn it is; `None` before the layer begins.
    turn: Option<Kept<Option<&'a str>>>,
    /// Whether the layer counts.
    opaque: Option<Kept<bool>>,
}

impl<'a> Track<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self { layer, turn: None, opaque: None }
    }

    /// Who it puts on call at `at`, which never goes back, and until when it says so.
    fn ask(&mut self, at: Timestamp) -> Kept<Option<&'a str>> {
        let layer = self.layer;
        let turn = renewed(&mut self.turn, at, || match layer.turn_at(at) {
            Some(turn) => {
                Kept { value: Some(layer.person_of(turn)), until: layer.next_run(turn).map(|(_, begins)| begins) }
            }
            None => Kept { value: None, until: layer.handover_of(0) },
        });
        if turn.value.is_none() {
            return turn;
        }
        let opaque =
            renewed(&mut self.opaque, at, || Kept { value: layer.is_opaque(at), until: layer.next_toggle(at) });
        match opaque.value {
            true => Kept { until: earlier(turn.until, opaque.until), ..turn },
            false => Kept { value: None, until: opaque.until },
        }
    }
}

/// A place in time, with who is on call there.
pub(super) struct Walk<'a> {
    /// The last one first.
    tracks: Vec<Track<'a>>,
    /// Those of the schedule that are not over, in order of creation.
    overrides: Vec<&'a Override>,
    at: Timestamp,
    person: Option<&'a str>,
    /// The next instant at which the answer can change.
    next: Option<Timestamp>,
}

impl<'a> Walk<'a> {
    pub(super) fn from(schedule: &'a Schedule, overrides: &'a [Override], at: Timestamp) -> Self {
        let mut overrides: Vec<&Override> =
            overrides.iter().filter(|one| one.concerns(schedule) && at < one.until && one.from < one.until).collect();
        overrides::in_order_of_creation(&mut overrides);
        let tracks = schedule.layers.iter().rev().map(Track::of).collect();
        let mut walk = Self { tracks, overrides, at, person: None, next: None };
        walk.stand_at(at);
        walk
    }

    /// Who is on call here.
    pub(super) fn person(&self) -> Option<&'a str> {
        self.person
    }

    /// Goes to where somebody else is on call, or somebody instead of nobody, or nobody; says when that is. `None`,
    /// and it stays, when there is no such place, or not within [`LOOKS`].
    pub(super) fn go_to_change(&mut self) -> Option<Timestamp> {
        let person = self.person;
        if self.stays_for_ever() {
            return None;
        }
        for _ in 0..LOOKS {
            let next = self.next?;
            self.stand_at(next);
            if self.person != person {
                return Some(next);
            }
        }
        self.next = None;
        None
    }

    fn stand_at(&mut self, at: Timestamp) {
        let mut below = None;
        let mut next: Option<Timestamp> = None;
        for track in &mut self.tracks {
            let said = track.ask(at);
            next = earlier(next, said.until);
            below = said.value;
            if below.is_some() {
                break;
            }
        }
        self.overrides.retain(|one| at < one.until);
        for one in &self.overrides {
            next = earlier(next, Some(if at < one.from { one.from } else { one.until }));
        }
        let in_force = self.overrides.iter().copied().filter(|one| one.covers(at));
        self.person = overrides::person_above(below, in_force);
        (self.at, self.next) = (at, next);
    }

    /// Whether only this person is left in any layer or override, and a layer that is never transparent has begun.
    fn stays_for_ever(&self) -> bool {
        let Some(person) = self.person.filter(|_| self.overrides.is_empty()) else { return false };
        let mut layers = self.tracks.iter().map(|track| track.layer);
        layers.clone().all(|layer| layer.people.iter().all(|one| one == person))
            && layers.any(|layer| layer.during.is_none() && layer.turn_at(self.at).is_some())
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
