//! What events and the age of an acknowledgement do to a chain. Running what is due comes afterwards.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{ASK_AT_PERCENT, Acknowledgement, Called, Chain, Effect, Event, Situation, Withdrawn};
use crate::time::{after, between};

pub(super) fn take(chain: &mut Chain, event: Event, s: Situation<'_>, effects: &mut Vec<Effect>) {
    match event {
        Event::Acknowledge { by, at } => acknowledge(chain, by, at, None),
        Event::Snooze { by, at, until } => acknowledge(chain, by, at, Some(until.max(at))),
        Event::Activity { at } => {
            if let Some(ack) = chain.acknowledged.as_mut().filter(|ack| ack.active_at < at) {
                ack.active_at = at;
                ack.asked = false;
            }
        }
        Event::Unacknowledge { at } => {
            if chain.acknowledged.as_ref().is_some_and(|ack| ack.at <= at) {
                give_back(chain, at);
            }
        }
        Event::EscalateTo { step, at } => escalate_to(chain, step, at, s, effects),
        Event::Stop { at } => stop(chain, at),
        Event::Restart { at } => new_cycle(chain, at),
        Event::Refire { at } => refire(chain, at, s, effects),
    }
}

/// Withdraws an acknowledgement whose time is over, or asks once before.
pub(super) fn check_acknowledgement(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    if chain.stopped.is_some() {
        return;
    }
    let Some(ack) = &mut chain.acknowledged else { return };
    let Some((at, why)) = withdrawal(ack, s) else { return };
    if now >= at {
        effects.push(Effect::AcknowledgementWithdrawn { by: ack.by.clone(), why });
        new_cycle(chain, at);
    } else if question(ack, s).is_some_and(|at| now >= at) {
        ack.asked = true;
        effects.push(Effect::AskStillOnIt { by: ack.by.clone() });
    }
}

/// When the acknowledgement wants a look: the question, then its end. `None`: it stands for ever.
pub(super) fn acknowledgement_deadline(ack: &Acknowledgement, s: Situation<'_>) -> Option<Timestamp> {
    question(ack, s).or_else(|| withdrawal(ack, s).map(|(at, _)| at))
}

/// When and why it ends by itself.
fn withdrawal(ack: &Acknowledgement, s: Situation<'_>) -> Option<(Timestamp, Withdrawn)> {
    match ack.until {
        Some(until) => Some((until, Withdrawn::SnoozeEnded)),
        None => Some((after(ack.active_at, s.escalation.ack_timeout?), Withdrawn::Silent)),
    }
}

/// When to ask, unless that was done. Who snoozes has said already when to come back.
fn question(ack: &Acknowledgement, s: Situation<'_>) -> Option<Timestamp> {
    let timeout = s.escalation.ack_timeout.filter(|_| ack.until.is_none() && !ack.asked)?;
    Some(after(ack.active_at, timeout * ASK_AT_PERCENT / 100))
}

/// One that is older than the latest act on record arrived late and changes nothing.
fn acknowledge(chain: &mut Chain, by: String, at: Timestamp, until: Option<Timestamp>) {
    let before = chain.acknowledged.take();
    chain.acknowledged = match before {
        Some(before) if at < before.active_at => Some(before),
        before => {
            let first = before.map_or(at, |ack| ack.at);
            Some(Acknowledgement { by, at: first, active_at: at, asked: false, until })
        }
    };
    chain.pending.clear();
    chain.called.clear();
    chain.held = None;
    chain.exhausted_until = None;
}

/// A new cycle; while nothing fires it waits for that.
fn give_back(chain: &mut Chain, at: Timestamp) {
    let stopped = chain.stopped;
    new_cycle(chain, stopped.unwrap_or(at));
    chain.stopped = stopped;
}

/// What was held until now stays as far from its time as it was.
fn stop(chain: &mut Chain, at: Timestamp) {
    if chain.stopped.is_some() {
        return;
    }
    chain.stopped = Some(at);
    if let Some(held) = chain.held.take() {
        chain.shift(between(held.due, at));
    }
}

/// The one who acknowledged is told; else the current step is run again, and later ones keep their distance to it.
fn refire(chain: &mut Chain, at: Timestamp, s: Situation<'_>, effects: &mut Vec<Effect>) {
    let Some(stopped) = chain.stopped.take() else { return };
    if let Some(ack) = &chain.acknowledged {
        match withdrawal(ack, s).filter(|(end, _)| *end <= at) {
            Some((_, why)) => {
                effects.push(Effect::AcknowledgementWithdrawn { by: ack.by.clone(), why });
                new_cycle(chain, at);
            }
            None => effects.push(Effect::TellRefired { by: ack.by.clone() }),
        }
        return;
    }
    if chain.exhausted_until.is_some() {
        return new_cycle(chain, at);
    }
    chain.shift(between(stopped, at));
    chain.answer_calls(at);
    if chain.step > 0 {
        call(chain, chain.step, at);
    }
}

/// Runs that step now; where nobody waits for it, a new cycle begins with it, those before being passed over on purpose.
fn escalate_to(chain: &mut Chain, step: u32, at: Timestamp, s: Situation<'_>, effects: &mut Vec<Effect>) {
    let Some(index) = step.checked_sub(1) else { return };
    let Some(called) = s.escalation.steps.get(index as usize) else { return };
    if chain.waits_for_a_person() {
        return call(chain, step, at);
    }
    if let Some(ack) = &chain.acknowledged {
        effects.push(Effect::AcknowledgementWithdrawn { by: ack.by.clone(), why: Withdrawn::Escalated });
    }
    let before = SignedDuration::try_from(called.after).ok().and_then(|wait| at.checked_sub(wait).ok());
    new_cycle(chain, before.unwrap_or(at));
    chain.step = index;
}

/// That step is to begin as soon as nothing holds it. What an earlier run of it planned is planned anew then.
pub(super) fn call(chain: &mut Chain, step: u32, at: Timestamp) {
    if !chain.called.iter().any(|called| called.step == step) {
        chain.called.push(Called { step, at });
        chain.pending.retain(|rule| rule.step != step);
    }
}

fn new_cycle(chain: &mut Chain, at: Timestamp) {
    *chain = Chain { cycle: chain.cycle.saturating_add(1), ..Chain::start(at) };
}

/// The policy's own next cycle: rules that still wait run on.
pub(super) fn repeat(chain: &mut Chain, at: Timestamp) {
    let pending = std::mem::take(&mut chain.pending);
    let round = chain.round.saturating_add(1);
    new_cycle(chain, at);
    chain.round = round;
    chain.pending = pending;
}

/// How long after the cycle's start its last step is planned.
pub(super) fn last_step(s: Situation<'_>) -> Duration {
    s.escalation.steps.last().map_or(Duration::ZERO, |step| step.after)
}
