//! Who must be told when, as one would work it out on paper.

use std::collections::BTreeSet;

use crate::suppression::HoldKind;

/// Everything that may be written for one trouble.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) steps: Vec<(i64, Vec<Target>)>,
    pub(super) times: u32,
    pub(super) every: i64,
    pub(super) timeout: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Person(&'static str),
    Duty(&'static str),
    Chat,
}

/// Ways to tell somebody; dan's only channel does not exist.
pub(super) fn ways(person: &str) -> &'static [(i64, &'static str)] {
    match person {
        "ada" => &[(0, "chat"), (5, "sms")],
        "bob" => &[(0, "chat")],
        "carol" => &[(3, "sms"), (90, "phone")],
        _ => &[],
    }
}

pub(super) const ROTATIONS: [(&str, &[&str]); 2] = [("first", &["ada", "bob"]), ("second", &["bob", "carol", "dan"])];

/// Minutes from noon of 2026-11-02, when the rotations began, to minute 0; they hand over every noon.
const SINCE_NOON: i64 = 21 * 60;
const DAY: i64 = 24 * 60;
/// When somebody comes to the schedule that is empty until then.
const FIRST_ON_EMPTY: i64 = 365 * DAY - SINCE_NOON;

fn on_duty(schedule: &str, minute: i64) -> Option<&'static str> {
    let (_, people) = ROTATIONS.iter().find(|(name, _)| *name == schedule)?;
    let turn = (minute + SINCE_NOON).div_euclid(DAY);
    Some(people[turn as usize % people.len()])
}

#[derive(Debug, Clone)]
struct Rule {
    at: i64,
    step: usize,
    person: &'static str,
    channel: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct Ack {
    at: i64,
    active: i64,
    asked: bool,
    until: Option<i64>,
}

#[derive(Debug, Clone)]
struct Wait {
    due: i64,
    until: Option<i64>,
    settle: bool,
    settled: Option<i64>,
}

/// Planned minute, step (0: the last resort), person, channel.
pub(super) type Told = (i64, usize, Option<&'static str>, &'static str);

/// Steps are counted from 0 here, except in [`Told`] and [`Rule`].
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) world: World,
    pub(super) now: i64,
    start: i64,
    begun: Vec<bool>,
    calls: Vec<(usize, i64)>,
    round: u32,
    later_cycle: bool,
    hour: Option<i64>,
    found: bool,
    rules: Vec<Rule>,
    duty: Vec<(usize, &'static str, Option<&'static str>)>,
    pub(super) ack: Option<Ack>,
    stopped: Option<i64>,
    pub(super) mute: Option<(HoldKind, Option<i64>)>,
    wait: Option<Wait>,
    pub(super) told: Vec<Told>,
}

impl Model {
    pub(super) fn new(world: World) -> Self {
        let begun = vec![false; world.steps.len()];
        Self {
            world,
            now: 0,
            start: 0,
            begun,
            calls: vec![],
            round: 1,
            later_cycle: false,
            hour: None,
            found: false,
            rules: vec![],
            duty: vec![],
            ack: None,
            stopped: None,
            mute: None,
            wait: None,
            told: vec![],
        }
    }

    fn new_cycle(&mut self, at: i64) {
        let told = std::mem::take(&mut self.told);
        *self = Self {
            now: self.now,
            start: at,
            later_cycle: true,
            mute: self.mute,
            told,
            ..Self::new(self.world.clone())
        };
    }

    fn end(&self) -> i64 {
        self.start + self.world.steps.last().unwrap().0 + self.world.every
    }

    fn planned_step(&self) -> Option<(usize, i64)> {
        let step = self.begun.iter().position(|begun| !begun)?;
        Some((step, self.start + self.world.steps[step].0))
    }

    /// The earliest of everything that is planned.
    fn earliest(&self) -> i64 {
        let own = self.hour.or(self.planned_step().map(|(_, at)| at)).unwrap_or_else(|| self.end());
        let calls = self.calls.iter().map(|(_, at)| *at);
        self.rules.iter().map(|rule| rule.at).chain(calls).chain([own]).min().unwrap()
    }

    fn ack_ends(&self) -> Option<i64> {
        let ack = self.ack.as_ref()?;
        ack.until.or(self.world.timeout.map(|timeout| ack.active + timeout))
    }

    fn ack_asks(&self) -> Option<i64> {
        let ack = self.ack.as_ref().filter(|ack| ack.until.is_none() && !ack.asked)?;
        Some(ack.active + self.world.timeout? * 8 / 10)
    }

    fn mutes(&self) -> Option<(HoldKind, Option<i64>)> {
        self.mute.filter(|(kind, _)| *kind != HoldKind::Calendar || !(self.found || self.later_cycle))
    }

    fn takes_over(&self) -> bool {
        self.duty.iter().any(|(_, schedule, who)| on_duty(schedule, self.now).is_some_and(|now| Some(now) != *who))
    }

    fn shift(&mut self, by: i64) {
        self.start += by;
        self.hour = self.hour.map(|at| at + by);
        self.rules.iter_mut().for_each(|rule| rule.at += by);
    }

    pub(super) fn look(&mut self) {
        self.told.clear();
        if self.stopped.is_none() && self.ack_ends().is_some_and(|end| end <= self.now) {
            self.new_cycle(self.ack_ends().unwrap());
        } else if self.stopped.is_none() && self.ack_asks().is_some_and(|at| at <= self.now) {
            self.ack.as_mut().unwrap().asked = true;
        }
        if self.stopped.is_some() || self.ack.is_some() {
            return;
        }
        if let Some((kind, until)) = self.mutes() {
            let due = if self.takes_over() { self.earliest().min(self.now) } else { self.earliest() };
            let due = self.wait.as_ref().map(|wait| wait.due).or((due <= self.now).then_some(due));
            let settle = matches!(kind, HoldKind::Inhibition | HoldKind::Dependency);
            self.wait = due.map(|due| Wait { due, until, settle, settled: None });
            return;
        }
        if let Some(wait) = &mut self.wait {
            let ended = wait.until.unwrap_or(self.now).min(self.now).max(wait.due);
            let goes_on = if wait.settle { *wait.settled.get_or_insert(ended + 1) } else { ended };
            if self.now < goes_on {
                return;
            }
            let by = goes_on - wait.due;
            self.wait = None;
            self.shift(by);
            self.calls.iter_mut().for_each(|(_, at)| *at = goes_on);
        }
        self.hand_over();
        for minute in self.earliest()..=self.now {
            while self.do_one(minute) {}
        }
        // One message per step, person and channel: the latest.
        self.told.sort_unstable();
        self.told.dedup();
        let all = self.told.clone();
        self.told.retain(|told| {
            !all.iter().any(|other| other.0 > told.0 && (other.1, other.2, other.3) == (told.1, told.2, told.3))
        });
    }

    /// Does one thing that is planned for this minute; whether there was one.
    fn do_one(&mut self, minute: i64) -> bool {
        if let Some(i) = self.rules.iter().position(|rule| rule.at <= minute) {
            let rule = self.rules.remove(i);
            self.told.push((rule.at, rule.step, Some(rule.person), rule.channel));
        } else if let Some(i) = self.calls.iter().position(|(_, at)| *at <= minute) {
            let (step, at) = self.calls.remove(i);
            self.run_from(step, at);
        } else if let Some(hour) = self.hour {
            if hour > minute {
                return false;
            }
            self.hour = Some(hour + 60);
            // Of the hours that were missed, the latest counts.
            if hour + 60 > self.now && !self.run(self.world.steps.len() - 1, hour) {
                self.told.push((hour, 0, None, "ops"));
            }
            self.later_cycle = true;
        } else if let Some((step, at)) = self.planned_step() {
            if at > minute {
                return false;
            }
            self.run_from(step, at);
        } else if self.end() > minute {
            return false;
        } else if self.round <= self.world.times {
            let (round, rules) = (self.round + 1, std::mem::take(&mut self.rules));
            self.new_cycle(self.end());
            (self.round, self.rules) = (round, rules);
        } else {
            self.told.push((self.end(), 0, None, "ops"));
            self.hour = Some(self.end() + 60);
        }
        true
    }

    fn run_from(&mut self, step: usize, at: i64) {
        for next in step..self.world.steps.len() {
            if next > step && self.begun[next] {
                continue;
            }
            self.begun[next] = true;
            if self.run(next, at) {
                self.found = true;
                return;
            }
        }
        if !self.found && self.begun.iter().all(|begun| *begun) {
            self.found = true;
            self.told.push((at, 0, None, "ops"));
        }
    }

    /// Whether the step reaches anybody.
    fn run(&mut self, step: usize, at: i64) -> bool {
        let mut found = false;
        let mut people: Vec<&'static str> = vec![];
        self.duty.retain(|(of, ..)| *of != step);
        for target in self.world.steps[step].1.clone() {
            match target {
                Target::Chat => {
                    found = true;
                    self.told.push((at, step + 1, None, "chat"));
                }
                Target::Person(person) => people.push(person),
                Target::Duty(schedule) => {
                    let who = on_duty(schedule, self.now);
                    self.duty.push((step, schedule, who));
                    people.extend(who);
                }
            }
        }
        for person in people.iter().collect::<BTreeSet<_>>() {
            found |= self.tell(step, person, at);
        }
        found
    }

    fn tell(&mut self, step: usize, person: &'static str, at: i64) -> bool {
        for (after, channel) in ways(person) {
            let waits = |r: &Rule| (r.step, r.person, r.channel) == (step + 1, person, *channel);
            if !self.rules.iter().any(waits) {
                self.rules.push(Rule { at: at + after, step: step + 1, person, channel });
            }
        }
        !ways(person).is_empty()
    }

    /// Everybody whom the step stands for at this moment.
    fn people(&self, step: usize) -> BTreeSet<&'static str> {
        let named = self.world.steps[step].1.iter().filter_map(|target| match target {
            Target::Person(person) => Some(*person),
            _ => None,
        });
        named.chain(self.duty.iter().filter(|(of, ..)| *of == step).filter_map(|(.., who)| *who)).collect()
    }

    fn hand_over(&mut self) {
        for step in 0..self.world.steps.len() {
            let before = self.people(step);
            let mut changes = vec![];
            for (of, schedule, who) in &mut self.duty {
                let now = on_duty(schedule, self.now);
                if let Some(person) = now.filter(|_| *of == step && now != *who) {
                    changes.push((*who, person));
                    *who = now;
                }
            }
            let after = self.people(step);
            for (left, person) in changes {
                let knows = before.contains(person);
                let told = if knows { !ways(person).is_empty() } else { self.tell(step, person, self.now) };
                if told && left.is_some_and(|left| !after.contains(left)) {
                    self.rules.retain(|rule| !(rule.step == step + 1 && Some(rule.person) == left));
                }
                self.found |= told && !knows;
            }
        }
    }

    pub(super) fn happens(&mut self, act: &Act, at: i64) {
        let waits = self.ack.is_none() && self.stopped.is_none();
        match act {
            Act::Acknowledge => self.acknowledge(at, None),
            Act::Snooze(minutes) => self.acknowledge(at, Some(at + minutes)),
            Act::Activity => {
                if let Some(ack) = self.ack.as_mut().filter(|ack| ack.active < at) {
                    (ack.active, ack.asked) = (at, false);
                }
            }
            Act::Unacknowledge => {
                if self.ack.as_ref().is_some_and(|ack| ack.at <= at) {
                    let stopped = self.stopped;
                    self.new_cycle(stopped.unwrap_or(at));
                    self.stopped = stopped;
                }
            }
            Act::EscalateTo(step) if *step >= self.world.steps.len() => {}
            Act::EscalateTo(step) if waits => self.call(*step, at),
            Act::EscalateTo(step) => {
                self.new_cycle(at - self.world.steps[*step].0);
                self.begun[..*step].fill(true);
            }
            Act::Stop if self.stopped.is_none() => {
                self.stopped = Some(at);
                if let Some(wait) = self.wait.take() {
                    self.shift((at - wait.due).max(0));
                }
            }
            Act::Stop => {}
            Act::Restart => self.new_cycle(at),
            Act::Refire => {
                let Some(stopped) = self.stopped.take() else { return };
                match self.ack_ends() {
                    Some(end) if end <= at => self.new_cycle(at),
                    _ if self.ack.is_some() => {}
                    _ if self.hour.is_some() => self.new_cycle(at),
                    _ => {
                        self.shift((at - stopped).max(0));
                        self.calls.iter_mut().for_each(|(_, called)| *called = at);
                        // The latest step that has begun in its turn.
                        let current = self.begun.iter().take_while(|begun| **begun).count();
                        if current > 0 {
                            self.call(current - 1, at);
                        }
                    }
                }
            }
        }
    }

    fn acknowledge(&mut self, at: i64, until: Option<i64>) {
        match &mut self.ack {
            Some(ack) if at < ack.active => {}
            Some(ack) => *ack = Ack { at: ack.at, active: at, asked: false, until },
            None => self.ack = Some(Ack { at, active: at, asked: false, until }),
        }
        self.rules.clear();
        self.calls.clear();
        self.wait = None;
        self.hour = None;
    }

    fn call(&mut self, step: usize, at: i64) {
        if !self.calls.iter().any(|(called, _)| *called == step) {
            self.calls.push((step, at));
            self.rules.retain(|rule| rule.step != step + 1);
        }
    }

    pub(super) fn deadline(&self) -> Option<i64> {
        if self.stopped.is_some() {
            return None;
        }
        if self.ack.is_some() {
            return self.ack_asks().or(self.ack_ends());
        }
        if let Some(wait) = &self.wait {
            return match self.mutes() {
                Some((_, until)) => until.filter(|until| *until > self.now),
                None => wait.settled,
            };
        }
        let noon = self.now + DAY - (self.now + SINCE_NOON).rem_euclid(DAY);
        let changes = self.duty.iter().map(|(_, schedule, _)| if *schedule == "empty" { FIRST_ON_EMPTY } else { noon });
        changes.chain([self.earliest()]).min()
    }
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Acknowledge,
    Snooze(i64),
    Unacknowledge,
    Activity,
    EscalateTo(usize),
    Stop,
    Refire,
    Restart,
}
