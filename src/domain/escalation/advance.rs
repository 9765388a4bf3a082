//! The transitions of an escalation.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;

use super::resolve::{Reached, Run, on_call, plan_person, plan_run};
use super::{ASK_AT_PERCENT, Acknowledgement, Chain, EXHAUSTED_EVERY, Effect, Event, Held, Page, Situation};
use crate::{
    oncall,
    policy::NotifyTarget,
    time::{self, between, format_duration},
};

/// Lets `event` happen, then runs everything that is due at `now`. Returns what to do, in order.
///
/// Calling it again with the same `now` and no event does nothing: the chain remembers what it ran.
pub fn advance(chain: &mut Chain, event: Option<Event>, s: Situation<'_>, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    if let Some(event) = event {
        take(chain, event, &mut effects);
    }
    check_acknowledgement(chain, s, now, &mut effects);
    if !chain.waits_for_a_person() {
        return effects;
    }
    match (earliest_due(chain, s, now), s.suppressed) {
        (Some(due), Some(by)) => hold(chain, by, due, &mut effects),
        (_, None) => {
            release(chain, now, &mut effects);
            run_due(chain, s, now, &mut effects);
        }
        (None, Some(_)) => {}
    }
    collapse_overdue(effects)
}

/// After a long absence several cycles are due at once: one message per step, person and channel is enough, the latest.
fn collapse_overdue(mut effects: Vec<Effect>) -> Vec<Effect> {
    let mut seen = BTreeSet::new();
    effects.reverse();
    effects.retain(|effect| match effect {
        Effect::Page(page) => seen.insert((page.step, page.person.clone(), page.channel.clone())),
        _ => true,
    });
    effects.reverse();
    effects
}

/// When to call [`advance`] again without an event; `None` when only an event, or the end of what suppresses, can
/// change anything. A chain that waits for a person and is not held always has one.
pub fn next_deadline(chain: &Chain, s: Situation<'_>, now: Timestamp) -> Option<Timestamp> {
    if chain.stopped.is_some() {
        return None;
    }
    if let Some(ack) = &chain.acknowledged {
        let timeout = s.escalation.ack_timeout?;
        let wait = if ack.asked { timeout } else { ask_after(timeout) };
        return Some(time::after(ack.active_at, wait));
    }
    if chain.held.is_some() && s.suppressed.is_some() {
        return None;
    }
    let pending = chain.pending.iter().map(|p| p.at).min();
    let handover =
        chain.covering.iter().filter_map(|c| oncall::next_change(s.live.schedules.get(&c.schedule)?, &[], now)).min();
    [pending, Some(next_run(chain, s)), handover].into_iter().flatten().min()
}

fn take(chain: &mut Chain, event: Event, effects: &mut Vec<Effect>) {
    match event {
        Event::Acknowledge { by, at } => {
            let first = chain.acknowledged.as_ref().map_or(at, |ack| ack.at);
            chain.acknowledged = Some(Acknowledgement { by, at: first, active_at: at, asked: false });
            chain.pending.clear();
            chain.held = None;
            chain.exhausted_until = None;
        }
        Event::Activity { at } => {
            if let Some(ack) = &mut chain.acknowledged {
                ack.active_at = ack.active_at.max(at);
                ack.asked = false;
            }
        }
        Event::Unacknowledge { at } => {
            if chain.acknowledged.is_some() {
                new_cycle(chain, at, 1);
            }
        }
        Event::Stop { at } => {
            chain.stopped = Some(at);
            chain.pending.clear();
            chain.held = None;
        }
        Event::Restart { at } => new_cycle(chain, at, 1),
        Event::Refire { at } => refire(chain, at, effects),
    }
}

/// The one who acknowledged is told; else the current step is run again, and later ones keep their distance to it.
fn refire(chain: &mut Chain, at: Timestamp, effects: &mut Vec<Effect>) {
    let Some(stopped) = chain.stopped.take() else { return };
    if let Some(ack) = &chain.acknowledged {
        effects.push(Effect::TellRefired { by: ack.by.clone() });
        return;
    }
    if chain.exhausted_until.is_some() {
        return new_cycle(chain, at, 1);
    }
    chain.sequence += 1;
    chain.step = chain.step.saturating_sub(1);
    chain.covering.clear();
    chain.cycle_start = time::after(chain.cycle_start, between(stopped, at));
}

fn new_cycle(chain: &mut Chain, at: Timestamp, round: u32) {
    *chain = Chain { cycle: chain.cycle + 1, round, ..Chain::start(at) };
}

fn ask_after(timeout: Duration) -> Duration {
    timeout * ASK_AT_PERCENT / 100
}

fn check_acknowledgement(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    let (Some(ack), Some(timeout)) = (&mut chain.acknowledged, s.escalation.ack_timeout) else { return };
    if chain.stopped.is_some() {
        return;
    }
    let withdrawn_at = time::after(ack.active_at, timeout);
    if now >= withdrawn_at {
        effects.push(Effect::AcknowledgementWithdrawn { by: ack.by.clone() });
        new_cycle(chain, withdrawn_at, 1);
    } else if !ack.asked && now >= time::after(ack.active_at, ask_after(timeout)) {
        ack.asked = true;
        effects.push(Effect::AskStillOnIt { by: ack.by.clone() });
    }
}

/// The planned time of the next step, cycle, last resort or hourly repetition.
fn next_run(chain: &Chain, s: Situation<'_>) -> Timestamp {
    if let Some(at) = chain.exhausted_until {
        return at;
    }
    match s.escalation.steps.get(chain.step as usize) {
        Some(step) => time::after(chain.cycle_start, step.after),
        None => cycle_end(chain, s),
    }
}

fn cycle_end(chain: &Chain, s: Situation<'_>) -> Timestamp {
    let last = s.escalation.steps.last().map_or(Duration::ZERO, |step| step.after);
    time::after(chain.cycle_start, last.saturating_add(s.escalation.repeat.every))
}

fn earliest_due(chain: &Chain, s: Situation<'_>, now: Timestamp) -> Option<Timestamp> {
    let rules = chain.pending.iter().map(|p| p.at);
    let handover = handed_over(chain, s, now).map(|_| now);
    rules.chain([next_run(chain, s)]).chain(handover).filter(|at| *at <= now).min()
}

fn hold(chain: &mut Chain, by: &str, due: Timestamp, effects: &mut Vec<Effect>) {
    if chain.held.as_ref().is_some_and(|held| held.by == by) {
        return;
    }
    let due = chain.held.as_ref().map_or(due, |held| held.due);
    effects.push(Effect::Held { detail: format!("would have paged at {due} (step {}), {by}", chain.step + 1) });
    chain.held = Some(Held { by: by.to_owned(), due });
}

/// What was held runs now, and everything later moves on by the wait.
fn release(chain: &mut Chain, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(held) = chain.held.take() else { return };
    let wait = between(held.due, now);
    chain.cycle_start = time::after(chain.cycle_start, wait);
    chain.exhausted_until = chain.exhausted_until.map(|at| time::after(at, wait));
    for pending in &mut chain.pending {
        pending.at = time::after(pending.at, wait);
    }
    effects.push(Effect::Released { detail: format!("{} ended; steps waited {}", held.by, format_duration(wait)) });
}

/// Steps first, in order, then the personal rules they and earlier ones made due, earliest first.
fn run_due(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    page_handovers(chain, s, now, effects);
    // Bounded: every pass uses up a step or a round, and hourly repetitions that were missed collapse into one.
    while next_run(chain, s) <= now {
        if chain.exhausted_until.is_some() {
            run_exhausted(chain, s, now, effects);
        } else if (chain.step as usize) < s.escalation.steps.len() {
            let planned = next_run(chain, s);
            run_step(chain, s, planned, now, effects);
        } else if chain.round <= s.escalation.repeat.times {
            let start = cycle_end(chain, s);
            new_cycle(chain, start, chain.round + 1);
        } else {
            effects.push(Effect::Exhausted);
            run_last_resort(chain, s, now, effects);
            chain.exhausted_until = Some(time::after(cycle_end(chain, s).max(now), EXHAUSTED_EVERY));
        }
    }
    emit_due_rules(chain, now, effects);
}

/// Runs the next step; one that reaches nobody passes to the next at once, whose rules then count from now.
fn run_step(chain: &mut Chain, s: Situation<'_>, planned: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
    let mut planned = planned;
    while let Some(step) = s.escalation.steps.get(chain.step as usize) {
        chain.step += 1;
        let run = Run { step: chain.step, planned };
        let reached = plan_run(chain, &step.notify, &run, s, now);
        chain.found |= reached.found;
        let found = reached.found;
        emit_run(chain, &run, reached, effects);
        if found {
            return;
        }
        planned = now;
    }
    if !chain.found {
        effects.push(Effect::NobodyFound);
        run_last_resort(chain, s, now, effects);
        chain.found = true;
    }
}

fn run_last_resort(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    let run = Run { step: 0, planned: now };
    let reached = plan_run(chain, &s.live.last_resort, &run, s, now);
    emit_run(chain, &run, reached, effects);
}

/// The last step once more; the last resort where it reaches nobody.
fn run_exhausted(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    chain.cycle += 1;
    let targets: &[NotifyTarget] = s.escalation.steps.last().map_or(&[], |step| &step.notify);
    let run = Run { step: chain.step, planned: now };
    let reached = plan_run(chain, targets, &run, s, now);
    let found = reached.found;
    emit_run(chain, &run, reached, effects);
    if !found {
        run_last_resort(chain, s, now, effects);
    }
    chain.exhausted_until = Some(time::after(now, EXHAUSTED_EVERY));
}

fn emit_run(chain: &Chain, run: &Run, reached: Reached, effects: &mut Vec<Effect>) {
    effects.push(Effect::StepBegan { cycle: chain.cycle, step: run.step, detail: reached.detail() });
    effects.extend(reached.pages.into_iter().map(Effect::Page));
}

fn emit_due_rules(chain: &mut Chain, now: Timestamp, effects: &mut Vec<Effect>) {
    let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut chain.pending).into_iter().partition(|p| p.at <= now);
    chain.pending = later;
    due.sort_by(|a, b| (a.at, a.step, &a.person, a.rule).cmp(&(b.at, b.step, &b.person, b.rule)));
    let cycle = chain.cycle;
    effects.extend(due.into_iter().map(|p| {
        Effect::Page(Page {
            cycle,
            step: p.step,
            rule: p.rule,
            sequence: p.sequence,
            person: Some(p.person),
            channel: p.channel,
            planned: p.at,
        })
    }));
}

/// The first schedule of a begun step that now names somebody else.
fn handed_over(chain: &Chain, s: Situation<'_>, now: Timestamp) -> Option<(usize, String)> {
    chain.covering.iter().enumerate().find_map(|(index, c)| {
        let person = on_call(s, &c.schedule, now)?;
        (person != c.person).then_some((index, person))
    })
}

/// Pages the person who took over; the rules of the one who went off duty end.
fn page_handovers(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    while let Some((index, person)) = handed_over(chain, s, now) {
        let Some(covering) = chain.covering.get_mut(index) else { return };
        let previous = std::mem::replace(&mut covering.person, person.clone());
        let (step, how) = (covering.step, format!(" (took over {})", covering.schedule));
        chain.pending.retain(|p| !(p.step == step && p.person == previous));
        chain.sequence += 1;
        let run = Run { step, planned: now };
        let mut reached = Reached::default();
        plan_person(chain, &person, &run, s, &how, &mut reached);
        chain.found |= reached.found;
        emit_run(chain, &run, reached, effects);
    }
}
