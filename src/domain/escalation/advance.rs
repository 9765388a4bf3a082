//! Running what is due, in the order in which it was planned.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Chain, EXHAUSTED_EVERY, Effect, Event, Page, Situation, handover, hold,
    resolve::{self, Run},
    take::{self, take},
};
use crate::time::{after, between};

/// Lets `event` happen, then runs everything that is due at `now`. Returns what to do, in order; pages by their
/// planned time, so that what is overdue goes out first.
///
/// Calling it again with the same `now` and no event does nothing: the chain remembers what it ran.
pub fn advance(chain: &mut Chain, event: Option<Event>, s: Situation<'_>, now: Timestamp) -> Vec<Effect> {
    let mut effects = Vec::new();
    if let Some(event) = event {
        take(chain, event, s, &mut effects);
    }
    take::check_acknowledgement(chain, s, now, &mut effects);
    if !chain.waits_for_a_person() {
        return effects;
    }
    match hold::in_force(chain, s) {
        Some(by) => {
            let due = hold::earliest_due(chain, s, now);
            hold::hold(chain, by, due, &mut effects);
        }
        None if hold::release(chain, now, &mut effects) => run_due(chain, s, now, &mut effects),
        None => {}
    }
    in_order(effects)
}

/// When to call [`advance`] again without an event; `None` when only an event, or the end of what suppresses, can
/// change anything. A chain that waits for a person and is not held always has one.
pub fn next_deadline(chain: &Chain, s: Situation<'_>, now: Timestamp) -> Option<Timestamp> {
    if chain.stopped.is_some() {
        return None;
    }
    if let Some(ack) = &chain.acknowledged {
        return take::acknowledgement_deadline(ack, s);
    }
    if let Some(held) = &chain.held {
        return match hold::in_force(chain, s) {
            Some(by) => by.until.filter(|until| *until > now),
            None => held.settled.or(Some(now)),
        };
    }
    let rule = chain.pending.iter().map(|p| p.at).min();
    let handover = chain.covering.iter().filter_map(|c| resolve::next_change(s, &c.schedule, now)).min();
    [rule, Some(next_run(chain, s).at), handover].into_iter().flatten().min()
}

/// What runs next by itself, and when it was planned.
pub(super) struct Next {
    pub(super) at: Timestamp,
    pub(super) what: What,
}

pub(super) enum What {
    /// A step that was called for.
    Called(u32),
    /// The next step in its turn.
    Step(u32),
    /// One more cycle.
    Cycle,
    /// The last resort, all cycles having passed.
    Exhausted,
    /// The last step once more.
    Hourly,
}

impl What {
    /// The step that begins, for the record; 0 is the last resort.
    pub(super) fn step(&self, chain: &Chain) -> u32 {
        match self {
            Self::Called(step) | Self::Step(step) => *step,
            Self::Cycle => 1,
            Self::Exhausted => 0,
            Self::Hourly => chain.step,
        }
    }
}

pub(super) fn next_run(chain: &Chain, s: Situation<'_>) -> Next {
    first_of(chain, own_next_run(chain, s))
}

/// A step that was called for, or this, whichever is earlier.
fn first_of(chain: &Chain, own: Next) -> Next {
    match chain.called.iter().min_by_key(|called| called.at) {
        Some(called) if called.at <= own.at => Next { at: called.at, what: What::Called(called.step) },
        _ => own,
    }
}

fn own_next_run(chain: &Chain, s: Situation<'_>) -> Next {
    if let Some(at) = chain.exhausted_until {
        return Next { at, what: What::Hourly };
    }
    if let Some(step) = s.escalation.steps.get(chain.step as usize) {
        return Next { at: after(chain.cycle_start, step.after), what: What::Step(chain.step + 1) };
    }
    if !chain.found {
        // Only an escalation without steps comes here: the pass over its steps finds nobody.
        return Next { at: chain.cycle_start, what: What::Step(chain.step + 1) };
    }
    let at = after(chain.cycle_start, take::last_step(s).saturating_add(s.escalation.repeat.every));
    Next { at, what: if chain.round <= s.escalation.repeat.times { What::Cycle } else { What::Exhausted } }
}

/// In the order of planned times, so that a late look comes to the same as many punctual ones. Bounded: every pass uses
/// up a rule, a call, a step, a round or an hour, and hours that were missed collapse into one.
fn run_due(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    handover::page(chain, s, now, effects);
    loop {
        let next = first_of(chain, latest(own_next_run(chain, s), now));
        if run_rules(chain, s, next.at.min(now), effects) {
            continue;
        }
        if next.at > now {
            return;
        }
        run(chain, s, &next, now, effects);
    }
}

/// Of the hours that were missed, the latest counts.
fn latest(next: Next, now: Timestamp) -> Next {
    if !matches!(next.what, What::Hourly) {
        return next;
    }
    let missed = u32::try_from(between(next.at, now).as_secs() / EXHAUSTED_EVERY.as_secs()).unwrap_or(u32::MAX);
    Next { at: after(next.at, EXHAUSTED_EVERY.saturating_mul(missed)), ..next }
}

fn run(chain: &mut Chain, s: Situation<'_>, next: &Next, now: Timestamp, effects: &mut Vec<Effect>) {
    match next.what {
        What::Called(step) => {
            chain.called.retain(|called| called.step != step);
            chain.sequence += 1;
            run_steps(chain, s, step, next.at, now, effects);
        }
        What::Step(step) => run_steps(chain, s, step, next.at, now, effects),
        What::Cycle => take::repeat(chain, next.at),
        What::Exhausted => {
            effects.push(Effect::Exhausted);
            run_last_resort(chain, s, next.at, now, effects);
            chain.exhausted_until = Some(after(next.at, EXHAUSTED_EVERY));
        }
        What::Hourly => run_hourly(chain, s, next.at, now, effects),
    }
}

/// Runs that step; one that reaches nobody passes to the next that has not begun, at the same planned time.
fn run_steps(
    chain: &mut Chain,
    s: Situation<'_>,
    step: u32,
    planned: Timestamp,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let mut step = step;
    while (step as usize) <= s.escalation.steps.len() {
        chain.mark_begun(step);
        let found = begin(chain, s, &Run { step, planned }, now, effects);
        chain.found |= found;
        if found {
            return;
        }
        step = chain.next_unbegun(step);
    }
    let all_begun = (chain.step as usize) >= s.escalation.steps.len();
    if all_begun && !chain.found {
        effects.push(Effect::NobodyFound);
        run_last_resort(chain, s, planned, now, effects);
        chain.found = true;
    }
}

/// The last step once more; the last resort where it reaches nobody.
fn run_hourly(chain: &mut Chain, s: Situation<'_>, planned: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
    chain.cycle = chain.cycle.saturating_add(1);
    let last = chain.step;
    if last == 0 || !begin(chain, s, &Run { step: last, planned }, now, effects) {
        run_last_resort(chain, s, planned, now, effects);
    }
    chain.exhausted_until = Some(after(planned, EXHAUSTED_EVERY));
}

fn run_last_resort(chain: &mut Chain, s: Situation<'_>, planned: Timestamp, now: Timestamp, effects: &mut Vec<Effect>) {
    // Nobody found and every cycle passed can fall into one cycle: two messages, not one.
    chain.sequence += 1;
    if !begin(chain, s, &Run { step: 0, planned }, now, effects) {
        effects.push(Effect::LastResortFoundNobody);
    }
}

/// Plans one run of a step; whether it reaches anybody.
fn begin(chain: &mut Chain, s: Situation<'_>, run: &Run, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let (reached, pages) = resolve::plan_run(chain, run, s, now);
    let found = reached.anybody();
    effects.push(Effect::StepBegan { cycle: chain.cycle, step: run.step, reached });
    effects.extend(pages.into_iter().map(Effect::Page));
    found
}

/// Carries out the personal rules that are due until then. One whose person or channel is gone calls for the next step,
/// unless its step has other ways to go. Whether there were any.
fn run_rules(chain: &mut Chain, s: Situation<'_>, until: Timestamp, effects: &mut Vec<Effect>) -> bool {
    let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut chain.pending).into_iter().partition(|p| p.at <= until);
    chain.pending = later;
    for rule in &due {
        let Some(missing) = resolve::missing_for(rule, s) else {
            effects.push(Effect::Page(Page {
                cycle: rule.cycle,
                step: rule.step,
                rule: rule.rule,
                sequence: rule.sequence,
                person: Some(rule.person.clone()),
                channel: rule.channel.clone(),
                planned: rule.at,
            }));
            continue;
        };
        effects.push(Effect::RuleMissed { step: rule.step, missing });
        let mut others = due.iter().chain(&chain.pending).filter(|other| other.step == rule.step);
        let next = chain.next_unbegun(rule.step);
        let is_alone = !others.any(|other| resolve::missing_for(other, s).is_none());
        if is_alone && (next as usize) <= s.escalation.steps.len() {
            take::call(chain, next, rule.at);
        }
    }
    !due.is_empty()
}

/// After an absence several cycles are due at once: one message per step, person and channel is enough, the latest.
/// What was planned first goes out first.
fn in_order(effects: Vec<Effect>) -> Vec<Effect> {
    let mut pages: Vec<Page> = Vec::new();
    let mut others = Vec::with_capacity(effects.len());
    for effect in effects {
        match effect {
            Effect::Page(page) => pages.push(page),
            other => others.push(other),
        }
    }
    // By plan, then as they are identified, so that the same chain gives the same order on every machine.
    pages.sort_by(|a, b| (a.planned, a).cmp(&(b.planned, b)));
    let mut seen = BTreeSet::new();
    pages.reverse();
    pages.retain(|page| seen.insert((page.step, page.person.clone(), page.channel.clone())));
    pages.reverse();
    others.into_iter().chain(pages.into_iter().map(Effect::Page)).collect()
}
