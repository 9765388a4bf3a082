//! Who a target means at this moment: a person's rules, whoever is on call, a channel.

use jiff::Timestamp;

use super::{Chain, Covering, Missing, Page, Pending, Reach, Reached, Situation, Via};
use crate::{message::Channel, oncall, policy::NotifyTarget, time};

/// One run of a step, or of the last resort.
pub(super) struct Run {
    /// From 1; 0 is the last resort.
    pub(super) step: u32,
    /// Where personal rules count from.
    pub(super) planned: Timestamp,
}

/// Plans the run of a step: a person reached twice in it is told once. Personal rules become [`Pending`], channels
/// pages; nothing is sent.
pub(super) fn plan_run(chain: &mut Chain, run: &Run, s: Situation<'_>, now: Timestamp) -> (Reached, Vec<Page>) {
    let mut reached = Reached::default();
    let mut pages = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for target in s.targets(run.step) {
        let (person, via) = match target {
            NotifyTarget::Channel(channel) => {
                reached.0.push(plan_channel(chain, channel, run, s, &mut pages));
                continue;
            }
            NotifyTarget::Person(person) => (person.as_str(), Via::Named),
            NotifyTarget::Schedule(schedule) => {
                let person = on_call(s, schedule, now);
                cover(chain, run.step, schedule, person.unwrap_or_default());
                let Some(person) = person else {
                    let is_there = s.live.schedules.contains_key(schedule);
                    let missing = if is_there { Missing::NobodyOnCall } else { Missing::ScheduleRemoved };
                    reached.0.push(Reach::Nobody(missing(schedule.clone())));
                    continue;
                };
                (person, Via::OnCall(schedule.clone()))
            }
        };
        if !told.contains(&person) {
            reached.0.push(plan_person(chain, person, run, s, via));
            told.push(person);
        }
    }
    (reached, pages)
}

/// Who is on call in that schedule now; `None` when nobody is, or the schedule is gone.
pub(super) fn on_call<'a>(s: Situation<'a>, schedule: &str, now: Timestamp) -> Option<&'a str> {
    oncall::who(s.live.schedules.get(schedule)?, s.overrides, now)
}

/// When somebody else is on call in that schedule.
pub(super) fn next_change(s: Situation<'_>, schedule: &str, now: Timestamp) -> Option<Timestamp> {
    oncall::next_change(s.live.schedules.get(schedule)?, s.overrides, now)
}

pub(super) fn plan_person(chain: &mut Chain, person: &str, run: &Run, s: Situation<'_>, via: Via) -> Reach {
    let name = person.to_owned();
    let Some(found) = s.live.people.get(person) else { return Reach::Nobody(Missing::PersonRemoved(name)) };
    let rules = found.rules_for(s.severity);
    if rules.is_empty() {
        return Reach::Nobody(Missing::NoRule(name, s.severity));
    }
    let mut reached = false;
    for (index, rule) in rules.into_iter().enumerate() {
        if !s.live.channels.contains_key(&rule.channel) {
            continue;
        }
        reached = true;
        let rule = Pending {
            at: time::after(run.planned, rule.after),
            cycle: chain.cycle,
            step: run.step,
            person: person.to_owned(),
            channel: rule.channel.clone(),
            rule: u32::try_from(index + 1).unwrap_or(u32::MAX),
            sequence: chain.sequence,
        };
        // One that still waits from an earlier cycle is not planned a second time: it comes sooner.
        let same = |p: &Pending| {
            (p.step, p.rule, &p.person, &p.channel) == (rule.step, rule.rule, &rule.person, &rule.channel)
        };
        if !chain.pending.iter().any(same) {
            chain.pending.push(rule);
        }
    }
    if reached { Reach::Person { name, via } } else { Reach::Nobody(Missing::NoChannel(name)) }
}

/// Whether any of the person's rules for this severity leads anywhere.
pub(super) fn can_be_told(person: &str, s: Situation<'_>) -> bool {
    let rules = s.live.people.get(person).map(|found| found.rules_for(s.severity)).unwrap_or_default();
    rules.iter().any(|rule| s.live.channels.contains_key(&rule.channel))
}

/// Why a personal rule cannot be carried out any more.
pub(super) fn missing_for(rule: &Pending, s: Situation<'_>) -> Option<Missing> {
    if !s.live.people.contains_key(&rule.person) {
        return Some(Missing::PersonRemoved(rule.person.clone()));
    }
    (!s.live.channels.contains_key(&rule.channel)).then(|| Missing::ChannelRemoved(rule.channel.clone()))
}

fn plan_channel(chain: &Chain, channel: &str, run: &Run, s: Situation<'_>, pages: &mut Vec<Page>) -> Reach {
    let name = channel.to_owned();
    match s.live.channels.get(channel) {
        None => Reach::Nobody(Missing::ChannelRemoved(name)),
        Some(Channel::Email(email)) if email.to.is_empty() => Reach::Nobody(Missing::NoAddress(name)),
        Some(_) => {
            pages.push(Page {
                cycle: chain.cycle,
                step: run.step,
                rule: 0,
                sequence: chain.sequence,
                person: None,
                channel: name.clone(),
                planned: run.planned,
            });
            Reach::Channel(name)
        }
    }
}

fn cover(chain: &mut Chain, step: u32, schedule: &str, person: &str) {
    chain.covering.retain(|c| !(c.step == step && c.schedule == schedule));
    chain.covering.push(Covering { step, schedule: schedule.to_owned(), person: person.to_owned() });
}
