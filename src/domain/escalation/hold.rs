//! What holds a chain: nothing that is due is done, and nothing is forgotten.
//!
//! A held step runs when its suppressor ends, and everything after it keeps its distance to it. Whether something
//! suppresses, and what, is decided elsewhere.

use jiff::Timestamp;

use super::{Chain, Effect, Held, Situation, handover};
use crate::{
    suppression::{Hold, SETTLE},
    time::{after, between},
};

/// What is due, and since when.
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) step: u32,
    pub(super) person: Option<String>,
}

/// What suppresses this chain now.
pub(super) fn in_force<'a>(chain: &Chain, s: Situation<'a>) -> Option<&'a Hold> {
    s.hold.filter(|hold| hold.kind.holds_what_has_begun() || !chain.has_reached_somebody())
}

/// The earliest of what is due at `now`; a handover comes after what was planned.
pub(super) fn earliest_due(chain: &Chain, s: Situation<'_>, now: Timestamp) -> Option<Due> {
    let rule = chain.pending.iter().min_by_key(|p| p.at).map(|p| Due {
        at: p.at,
        step: p.step,
        person: Some(p.person.clone()),
    });
    let run = super::advance::next_run(chain, s);
    let run = Some(Due { at: run.at, step: run.what.step(chain), person: None });
    let handover =
        handover::first(chain, s, now).map(|(step, person)| Due { at: now, step, person: Some(person.to_owned()) });
    [run, rule, handover].into_iter().flatten().filter(|due| due.at <= now).min_by_key(|due| due.at)
}

/// Writes down that `due` waits; says so once for each suppressor.
pub(super) fn hold(chain: &mut Chain, by: &Hold, due: Option<Due>, effects: &mut Vec<Effect>) {
    let known = chain.held.as_ref().map(|held| (held.due, held.by == by.by));
    let since = match (known, due) {
        (Some((since, true)), _) | (Some((since, false)), None) => since,
        (None, None) => return,
        (since, Some(Due { at, step, person })) => {
            effects.push(Effect::Held { at, step, person, by: by.by.clone() });
            since.map_or(at, |(since, _)| since)
        }
    };
    let settle = !by.kind.settle().is_zero();
    chain.held = Some(Held { by: by.by.clone(), due: since, until: by.until, settle, settled: None });
}

/// Whether the chain may go on: nothing held it, or what did has ended and the wait after it too.
pub(super) fn release(chain: &mut Chain, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let Some(held) = &mut chain.held else { return true };
    let ended = held.until.map_or(now, |until| until.min(now)).max(held.due);
    let goes_on = if held.settle { *held.settled.get_or_insert(after(ended, SETTLE)) } else { ended };
    if now < goes_on {
        return false;
    }
    let waited = between(held.due, goes_on);
    effects.push(Effect::Released { by: std::mem::take(&mut held.by), waited });
    chain.held = None;
    chain.shift(waited);
    chain.answer_calls(goes_on);
    true
}
