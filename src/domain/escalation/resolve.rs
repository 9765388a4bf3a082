//! Who a target means at this moment: a person's rules, whoever is on call, a channel.

use jiff::Timestamp;

use super::{Chain, Covering, Page, Pending, Situation};
use crate::{message::Channel, oncall, policy::NotifyTarget, time};

/// One run of a step, or of the last resort.
pub(super) struct Run {
    /// From 1; 0 is the last resort.
    pub(super) step: u32,
    /// Where personal rules count from.
    pub(super) planned: Timestamp,
}

/// Whom a run reaches. Everything is planned as [`Pending`] or a [`Page`]; nothing is sent.
#[derive(Default)]
pub(super) struct Reached {
    pub(super) pages: Vec<Page>,
    /// "ada", "nobody on call in primary", "channel chat".
    pub(super) words: Vec<String>,
    pub(super) found: bool,
}

impl Reached {
    pub(super) fn detail(&self) -> String {
        if self.words.is_empty() { "names nobody".to_owned() } else { self.words.join(", ") }
    }
}

/// Plans the run of `targets`: a person reached twice in it is told once.
pub(super) fn plan_run(
    chain: &mut Chain,
    targets: &[NotifyTarget],
    run: &Run,
    s: Situation<'_>,
    now: Timestamp,
) -> Reached {
    let mut reached = Reached::default();
    let mut told: Vec<String> = Vec::new();
    for target in targets {
        match target {
            NotifyTarget::Channel(channel) => plan_channel(chain, channel, run, s, &mut reached),
            NotifyTarget::Person(person) => {
                if told.contains(person) {
                    continue;
                }
                told.push(person.clone());
                plan_person(chain, person, run, s, "", &mut reached);
            }
            NotifyTarget::Schedule(schedule) => {
                let person = on_call(s, schedule, now);
                cover(chain, run.step, schedule, person.as_deref().unwrap_or_default());
                match person {
                    None => reached.words.push(format!("nobody on call in {schedule}")),
                    Some(person) if told.contains(&person) => {}
                    Some(person) => {
                        told.push(person.clone());
                        plan_person(chain, &person, run, s, &format!(" (on call in {schedule})"), &mut reached);
                    }
                }
            }
        }
    }
    reached
}

/// Who is on call in that schedule now; `None` when nobody is, or the schedule is gone.
pub(super) fn on_call(s: Situation<'_>, schedule: &str, now: Timestamp) -> Option<String> {
    let schedule = s.live.schedules.get(schedule)?;
    oncall::who(schedule, &[], now).map(str::to_owned)
}

pub(super) fn plan_person(
    chain: &mut Chain,
    person: &str,
    run: &Run,
    s: Situation<'_>,
    how: &str,
    reached: &mut Reached,
) {
    let Some(found) = s.live.people.get(person) else {
        reached.words.push(format!("{person} is no longer in the policy"));
        return;
    };
    let before = chain.pending.len();
    for (index, rule) in found.rules_for(s.severity).into_iter().enumerate() {
        if s.live.channels.contains_key(&rule.channel) {
            chain.pending.push(Pending {
                at: time::after(run.planned, rule.after),
                step: run.step,
                person: person.to_owned(),
                channel: rule.channel.clone(),
                rule: u32::try_from(index + 1).unwrap_or(u32::MAX),
                sequence: chain.sequence,
            });
        }
    }
    if chain.pending.len() == before {
        reached.words.push(format!("{person} has no channel left{how}"));
    } else {
        reached.words.push(format!("{person}{how}"));
        reached.found = true;
    }
}

fn plan_channel(chain: &Chain, channel: &str, run: &Run, s: Situation<'_>, reached: &mut Reached) {
    match s.live.channels.get(channel) {
        None => reached.words.push(format!("channel {channel} is no longer in the policy")),
        Some(Channel::Email(email)) if email.to.is_empty() => {
            reached.words.push(format!("channel {channel} has no `to` address"));
        }
        Some(_) => {
            reached.words.push(format!("channel {channel}"));
            reached.found = true;
            reached.pages.push(Page {
                cycle: chain.cycle,
                step: run.step,
                rule: 0,
                sequence: chain.sequence,
                person: None,
                channel: channel.to_owned(),
                planned: run.planned,
            });
        }
    }
}

fn cover(chain: &mut Chain, step: u32, schedule: &str, person: &str) {
    chain.covering.retain(|c| !(c.step == step && c.schedule == schedule));
    chain.covering.push(Covering { step, schedule: schedule.to_owned(), person: person.to_owned() });
}
