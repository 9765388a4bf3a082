//! Forward through time, from one instant at which the answer can change to the next.
//!
//! Each layer is asked only when what it said last has run out, so that a scan over months costs one handover's
//! arithmetic a step. Layers below the one that decides are not asked at all.

use jiff::Timestamp;

use super::overrides::Override;
use super::{LOOKS, overrides};
use crate::policy::{Layer, Schedule};

/// What a layer says, and how long.
struct Track<'a> {
    layer: &'a Layer,
    person: Option<&'a str>,
    /// Up to but not including here; `None`: for ever.
    until: Option<Timestamp>,
    asked: bool,
}

impl<'a> Track<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self { layer, person: None, until: None, asked: false }
    }

    /// Who it puts on call at `at`, which never goes back.
    fn ask(&mut self, at: Timestamp) -> Option<&'a str> {
        if self.asked && self.until.is_none_or(|until| at < until) {
            return self.person;
        }
        self.asked = true;
        let turn = self.layer.turn_at(at);
        self.person = turn.map(|turn| self.layer.person_of(turn));
        self.until = match turn {
            Some(turn) => self.layer.next_run(turn).map(|(_, begins)| begins),
            None => self.layer.handover_of(0),
        };
        self.person
    }
}

/// A place in time, with who is on call there.
pub(super) struct Walk<'a> {
    /// The last one first.
    tracks: Vec<Track<'a>>,
    /// Those of the schedule that are not over, in order of creation.
    overrides: Vec<&'a Override>,
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
        let mut walk = Self { tracks, overrides, person: None, next: None };
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
            below = track.ask(at);
            next = earlier(next, track.until);
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
        self.next = next;
    }

    /// Whether only this person is left in any layer or override, and a layer that is never transparent has begun.
    fn stays_for_ever(&self) -> bool {
        let Some(person) = self.person else { return false };
        let only = |track: &Track<'_>| track.layer.people.iter().all(|one| one == person);
        self.overrides.is_empty()
            && self.tracks.iter().all(only)
            && self.tracks.iter().any(|track| track.person.is_some())
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
