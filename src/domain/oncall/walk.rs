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
    /// The turn at the instant asked about last; `None` before the layer begins.
    turn: Option<i64>,
    /// The first turn of the next run and when it begins, once somebody wanted to know.
    next: Option<Option<(i64, Timestamp)>>,
    /// Whether the layer counts.
    opaque: Option<Kept<bool>>,
}

impl<'a> Track<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self { layer, turn: None, next: None, opaque: None }
    }

    /// Who it puts on call at `at`, which never goes back.
    fn person_at(&mut self, at: Timestamp) -> Option<&'a str> {
        let layer = self.layer;
        match self.next {
            Some(None) => {}
            Some(Some((_, begins))) if at < begins => {}
            // Just where it was known to begin: nothing to compute.
            Some(Some((turn, begins))) if at == begins => (self.turn, self.next) = (Some(turn), None),
            _ => (self.turn, self.next) = (layer.turn_at(at), None),
        }
        let turn = self.turn?;
        if layer.during.is_some() {
            let look = || Kept { value: layer.is_opaque(at), until: layer.next_toggle(at) };
            if !renewed(&mut self.opaque, at, look).value {
                return None;
            }
        }
        Some(layer.person_of(turn))
    }

    /// Until when that is its answer.
    fn until(&mut self) -> Option<Timestamp> {
        let layer = self.layer;
        if self.turn.is_some() && self.opaque.is_some_and(|opaque| !opaque.value) {
            return self.opaque.and_then(|opaque| opaque.until);
        }
        let turn = self.turn;
        let next = *self.next.get_or_insert_with(|| match turn {
            Some(turn) => layer.next_run(turn),
            None => layer.handover_of(0).and_then(|begins| Some((layer.turn_at(begins)?, begins))),
        });
        earlier(next.map(|(_, begins)| begins), self.opaque.and_then(|opaque| opaque.until))
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
    /// How many tracks had to be asked for that: those below say nothing here.
    asked: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn from(schedule: &'a Schedule, overrides: &'a [Override], at: Timestamp) -> Self {
        let mut overrides = overrides::of(schedule, overrides);
        overrides.retain(|one| at < one.until && one.from < one.until);
        let tracks = schedule.layers.iter().rev().map(Track::of).collect();
        let mut walk = Self { tracks, overrides, at, person: None, asked: 0 };
        walk.stand_at(at);
        walk
    }

    /// Who is on call here.
    pub(super) fn person(&self) -> Option<&'a str> {
        self.person
    }

    /// Goes to where somebody else is on call, or somebody instead of nobody, or nobody; says when that is. `None`
    /// when there is no such place, or not within [`LOOKS`].
    pub(super) fn go_to_change(&mut self) -> Option<Timestamp> {
        let person = self.person;
        if self.stays_for_ever() {
            return None;
        }
        for _ in 0..LOOKS {
            let next = self.next()?;
            self.stand_at(next);
            if self.person != person {
                return Some(next);
            }
        }
        None
    }

    fn stand_at(&mut self, at: Timestamp) {
        self.at = at;
        self.overrides.retain(|one| at < one.until);
        let mut below = None;
        self.asked = 0;
        for track in &mut self.tracks {
            self.asked += 1;
            below = track.person_at(at);
            if below.is_some() {
                break;
            }
        }
        let in_force = self.overrides.iter().copied().filter(|one| one.covers(at));
        self.person = overrides::person_above(below, in_force);
    }

    /// The next instant at which the answer can change.
    fn next(&mut self) -> Option<Timestamp> {
        let layers = self.tracks.iter_mut().take(self.asked).map(Track::until).fold(None, earlier);
        let at = self.at;
        let ends = self.overrides.iter().map(|one| Some(if at < one.from { one.from } else { one.until }));
        ends.fold(layers, earlier)
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
