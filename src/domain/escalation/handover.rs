//! Handovers and overrides while a step waits for an answer: whoever comes on duty is told at once.

use jiff::Timestamp;

use super::{
    Chain, Effect, Reached, Situation, Via,
    resolve::{self, Run},
};
use crate::policy::NotifyTarget;

/// The first schedule of a begun step that now names somebody else: the step and the person.
pub(super) fn first<'a>(chain: &Chain, s: Situation<'a>, now: Timestamp) -> Option<(u32, &'a str)> {
    chain.covering.iter().find_map(|covering| {
        let person = resolve::on_call(s, &covering.schedule, now)?;
        (person != covering.person).then_some((covering.step, person))
    })
}

/// Pages those who took over. The rules of one who went off duty end, unless the step comes to them another way, or the
/// one who took over cannot be reached.
pub(super) fn page(chain: &mut Chain, s: Situation<'_>, now: Timestamp, effects: &mut Vec<Effect>) {
    // Bounded: each pass settles every schedule of one step.
    while let Some((step, _)) = first(chain, s, now) {
        let before = people_of(chain, s, step);
        let mut changed = Vec::new();
        for covering in chain.covering.iter_mut().filter(|covering| covering.step == step) {
            let Some(person) = resolve::on_call(s, &covering.schedule, now) else { continue };
            if person != covering.person {
                let left = std::mem::replace(&mut covering.person, person.to_owned());
                changed.push((left, person, covering.schedule.clone()));
            }
        }
        let after = people_of(chain, s, step);
        // Whom the step has reached, one who takes over two of its schedules at once being told once.
        let mut reached = before;
        for (left, person, schedule) in changed {
            let told = if reached.iter().any(|known| known == person) {
                resolve::can_be_told(person, s)
            } else {
                tell(chain, s, &Run { step, planned: now }, person, schedule, effects)
            };
            if told && !after.contains(&left) {
                chain.pending.retain(|p| !(p.step == step && p.person == left));
            }
            reached.push(person.to_owned());
        }
    }
}

/// Pages one who took over; whether there is a way to.
fn tell(
    chain: &mut Chain,
    s: Situation<'_>,
    run: &Run,
    person: &str,
    schedule: String,
    effects: &mut Vec<Effect>,
) -> bool {
    chain.sequence += 1;
    let reached = Reached(vec![resolve::plan_person(chain, person, run, s, Via::TookOver(schedule))]);
    let found = reached.anybody();
    chain.found |= found;
    effects.push(Effect::StepBegan { cycle: chain.cycle, step: run.step, reached });
    found
}

/// Everybody whom a step reaches: by name, or as the one on call.
fn people_of(chain: &Chain, s: Situation<'_>, step: u32) -> Vec<String> {
    let named = s.targets(step).iter().filter_map(|target| match target {
        NotifyTarget::Person(person) => Some(person.clone()),
        NotifyTarget::Schedule(_) | NotifyTarget::Channel(_) => None,
    });
    let on_call = chain.covering.iter().filter(|covering| covering.step == step).map(|c| c.person.clone());
    named.chain(on_call).filter(|person| !person.is_empty()).collect()
}
