//! When the notices of a group go out: pure, one state for each route that notifies.
//!
//! The words are Alertmanager's: the first notice after `groupWait`, what changes at the earliest `groupInterval` after
//! the last one, and the same again after `repeatInterval`. Here each is due at its very time; there, changes and
//! repetitions wait for the next tick of `group_interval`. The end of a trouble is told at once, by whoever keeps the
//! ticket, to those who were told that it began; there, at the next tick.
//!
//! Nothing here sends: [`advance`] says what is due, and [`next`] when to ask again.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    suppression::Hold,
    time::{after, between, format_duration},
};

/// In which rhythm a group's notices go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long the first notice waits for more of its group.
    pub group_wait: Duration,
    /// The least time between a notice and one that tells of a change.
    pub group_interval: Duration,
    /// The time after which the same is told again while it fires; `None`: once is enough.
    pub repeat_interval: Option<Duration>,
}

/// What was told of a group and what is to be told, as it is stored on the ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notices {
    /// How many went out; makes each a message of its own.
    pub count: u32,
    /// When the last went out.
    pub last: Option<Timestamp>,
    /// What is to be told, and when.
    pub due: Option<Due>,
    /// Why what is due waits.
    pub held: Option<Held>,
    /// Whether nothing fires any more.
    pub over: bool,
}

/// A notice that is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Why,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// The group began.
    First,
    /// Another alert joined it.
    Changed,
    /// Nothing is new, and it still fires.
    Again,
}

/// Why a notice that is due waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// [`Hold::by`].
    pub by: String,
    /// How long it waits on after the hold has ended, in seconds.
    pub settle: u64,
    /// Set when the hold has ended: when the notice goes out.
    pub until: Option<Timestamp>,
}

/// What happened to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It fires, for the first time or again after everything had ended.
    Fired(Timestamp),
    /// It became more severe: those concerned are told as if it had begun.
    Rose(Timestamp),
    /// Another alert joined it.
    Changed(Timestamp),
    /// Nothing fires any more: what was not told yet need not be.
    Ended,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Tell them now.
    Tell {
        /// What it is about.
        why: Why,
        /// When it was planned; lateness is measured from here.
        planned: Timestamp,
        /// Counts from 1 within the group and the route.
        number: u32,
    },
    /// What was due waits; the text says what would have happened.
    Held {
        /// "would have told of it at …, silence deploy-42".
        detail: String,
    },
    /// What held it has ended.
    Released {
        /// What it was, and how long the notice waited.
        detail: String,
    },
}

/// Lets `event` happen, then says what is due at `now`. Calling it again without an event does nothing.
pub fn advance(
    state: &mut Notices,
    event: Option<Event>,
    timing: Timing,
    hold: Option<&Hold>,
    now: Timestamp,
) -> Vec<Effect> {
    if let Some(event) = event {
        take(state, event, timing);
    }
    let Some(due) = planned(state, timing).filter(|due| due.at <= now) else {
        state.held = None;
        return Vec::new();
    };
    match (hold, &mut state.held) {
        (Some(hold), Some(held)) if held.by == hold.by => {
            held.until = None;
            Vec::new()
        }
        (Some(hold), _) => {
            state.held = Some(Held { by: hold.by.clone(), settle: hold.kind.settle().as_secs(), until: None });
            vec![Effect::Held { detail: format!("would have told of it at {}, {}", due.at, hold.by) }]
        }
        (None, Some(held)) => {
            let free = *held.until.get_or_insert(after(now, Duration::from_secs(held.settle)));
            if free > now {
                return Vec::new();
            }
            let waited = format_duration(between(due.at, now));
            let detail = format!("{} ended; the notice waited {waited}", held.by);
            vec![Effect::Released { detail }, tell(state, due, now)]
        }
        (None, None) => vec![tell(state, due, now)],
    }
}

/// When to call [`advance`] again without an event; `None` when only an event, or the end of what holds it, can change
/// anything.
pub fn next(state: &Notices, timing: Timing) -> Option<Timestamp> {
    match &state.held {
        Some(held) => held.until,
        None => planned(state, timing).map(|due| due.at),
    }
}

/// Lets `event` happen and says nothing yet: for whoever decides later, once all that happened is known.
pub fn take(state: &mut Notices, event: Event, timing: Timing) {
    match event {
        Event::Fired(at) => {
            state.over = false;
            state.due = Some(Due { at: after(at, timing.group_wait), why: Why::First });
        }
        Event::Rose(at) => state.due = Some(Due { at: after(at, timing.group_wait), why: Why::First }),
        // One that is to go out anyway tells of it too.
        Event::Changed(_) if state.due.is_some() => {}
        Event::Changed(at) => {
            let earliest = state.last.map_or(at, |last| after(last, timing.group_interval));
            state.due = Some(Due { at: at.max(earliest), why: Why::Changed });
        }
        Event::Ended => {
            state.over = true;
            state.due = None;
        }
    }
}

/// What is to be told next: what is new, or the same again.
fn planned(state: &Notices, timing: Timing) -> Option<Due> {
    if state.over {
        return None;
    }
    let again = || Some(Due { at: after(state.last?, timing.repeat_interval?), why: Why::Again });
    state.due.or_else(again)
}

fn tell(state: &mut Notices, due: Due, now: Timestamp) -> Effect {
    state.count += 1;
    // From when it went out, so that a long wait is not followed by a burst.
    state.last = Some(now);
    state.due = None;
    state.held = None;
    Effect::Tell { why: due.why, planned: due.at, number: state.count }
}
