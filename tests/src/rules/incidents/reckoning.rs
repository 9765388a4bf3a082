//! Who had to be told, minute by minute, as one would work it out on paper from the team's policy.
//!
//! | step | minute | who |
//! |---|---|---|
//! | 1 | 0 | on call in primary: ada, bob, carol, a week each from Monday 09:00 in Berlin |
//! | 2 | 10 | on call in secondary: dave, carol, bob, ada, a day each from 09:00 in Berlin; and the chat |
//! | 3 | 30 | head |
//!
//! Two more cycles, 30 minutes after the last step; then the ops channel, and step 3 every hour. An acknowledgement on
//! which nothing follows for an hour counts no more.

use super::{
    Told,
    history::{Act, DAY, History, Incident},
};

const STEPS: [i64; 3] = [0, 10, 30];
const CYCLES: u32 = 3;
const EVERY: i64 = 30;
const ACK_TIMEOUT: i64 = 60;

/// Minutes after the step, and the channel.
fn ways(person: &str) -> &'static [(i64, &'static str)] {
    match person {
        "ada" => &[(0, "chat"), (5, "sms")],
        "bob" => &[(0, "chat"), (3, "sms"), (75, "phone")],
        "dave" => &[(0, "chat"), (10, "phone")],
        "carol" => &[(0, "sms")],
        _ => &[(0, "sms"), (15, "phone")],
    }
}

/// Who is on call at that minute, as a table of local dates gives it.
pub fn on_call(history: &History, schedule: &str, minute: i64) -> &'static str {
    let standing_in =
        history.overrides.iter().rev().find(|o| o.schedule == schedule && o.from <= minute && minute < o.until);
    if let Some(stand_in) = standing_in {
        return stand_in.person;
    }
    // Summer time until 2026-10-25T01:00Z, winter time from there.
    let local = minute + if minute < 24 * DAY + 60 { 120 } else { 60 };
    // Handovers at 09:00; both rotations began on Monday 2026-09-28, three days before minute 0.
    let days = (local + 3 * DAY - 9 * 60).div_euclid(DAY);
    match schedule {
        "primary" => ["ada", "bob", "carol"][(days / 7) as usize % 3],
        _ => ["dave", "carol", "bob", "ada"][days as usize % 4],
    }
}

struct Rule {
    at: i64,
    step: u32,
    person: &'static str,
    channel: &'static str,
}

#[derive(Clone, Copy)]
struct Ack {
    active: i64,
    until: Option<i64>,
}

/// Everything that is still to come for one incident.
struct Paper<'a> {
    history: &'a History,
    start: i64,
    begun: [bool; 3],
    round: u32,
    hourly: Option<i64>,
    called: Vec<u32>,
    rules: Vec<Rule>,
    /// Whom each begun step told as the one on call.
    duty: [Option<&'static str>; 3],
    told: Vec<Told>,
}

/// Everybody who had to be told of the incident, in order of time.
pub fn reckon(history: &History, incident: &Incident) -> Vec<Told> {
    let mut paper = Paper {
        history,
        start: incident.start,
        begun: [false; 3],
        round: 1,
        hourly: None,
        called: Vec::new(),
        rules: Vec::new(),
        duty: [None; 3],
        told: Vec::new(),
    };
    let mut ack: Option<Ack> = None;
    let mut quiet_since: Option<i64> = None;
    let mut waits_since: Option<i64> = None;
    let mut acts = incident.acts.iter().peekable();
    for minute in incident.start..=incident.end() {
        if let Some((_, act)) = acts.next_if(|(at, _)| *at == minute) {
            match act {
                Act::Acknowledge | Act::Snooze(_) => {
                    let until = if let Act::Snooze(length) = act { Some(minute + length) } else { None };
                    ack = Some(Ack { active: minute, until });
                    waits_since = None;
                    paper.rest();
                }
                Act::Note => ack.iter_mut().for_each(|ack| ack.active = minute),
                Act::GiveBack if ack.is_some() => {
                    ack = None;
                    paper.new_cycle(quiet_since.unwrap_or(minute));
                }
                Act::GiveBack => {}
                Act::Escalate(step) if ack.is_none() && quiet_since.is_none() => paper.call(*step),
                Act::Escalate(step) => {
                    (ack, quiet_since, waits_since) = (None, None, None);
                    paper.new_cycle(minute - STEPS[*step as usize - 1]);
                    paper.begun[..*step as usize - 1].fill(true);
                }
                Act::Worse => {
                    (ack, quiet_since, waits_since) = (None, None, None);
                    paper.new_cycle(minute);
                }
                Act::End => {
                    if quiet_since.is_none() {
                        quiet_since = Some(minute);
                        paper.later(waits_since.take().map_or(0, |since| minute - since));
                    }
                }
                Act::Refire => {
                    if let Some(since) = quiet_since.take() {
                        match ack {
                            Some(old) if old.until.unwrap_or(old.active + ACK_TIMEOUT) <= minute => {
                                ack = None;
                                paper.new_cycle(minute);
                            }
                            Some(_) => {}
                            None if paper.hourly.is_some() => paper.new_cycle(minute),
                            None => {
                                paper.later(minute - since);
                                let current = paper.begun.iter().take_while(|begun| **begun).count() as u32;
                                if current > 0 {
                                    paper.call(current);
                                }
                            }
                        }
                    }
                }
            }
        }
        if quiet_since.is_some() {
            continue;
        }
        if let Some(old) = ack {
            if old.until.unwrap_or(old.active + ACK_TIMEOUT) > minute {
                continue;
            }
            ack = None;
            paper.new_cycle(minute);
        }
        let silenced =
            |s: &&super::history::Silenced| s.service == incident.service && s.from <= minute && minute < s.until;
        if history.silences.iter().any(|silence| silenced(&silence)) {
            if paper.is_anything_due(minute) {
                waits_since.get_or_insert(minute);
            }
            continue;
        }
        if let Some(since) = waits_since.take() {
            paper.later(minute - since);
        }
        paper.do_what_is_due(minute);
    }
    paper.told
}

impl Paper<'_> {
    fn new_cycle(&mut self, start: i64) {
        self.rest();
        (self.start, self.begun, self.round, self.duty) = (start, [false; 3], 1, [None; 3]);
    }

    fn rest(&mut self) {
        self.rules.clear();
        self.called.clear();
        self.hourly = None;
    }

    fn later(&mut self, by: i64) {
        self.start += by;
        self.hourly = self.hourly.map(|at| at + by);
        self.rules.iter_mut().for_each(|rule| rule.at += by);
    }

    fn call(&mut self, step: u32) {
        if !self.called.contains(&step) {
            self.called.push(step);
            self.rules.retain(|rule| rule.step != step);
        }
    }

    fn cycle_end(&self) -> i64 {
        self.start + STEPS[2] + EVERY
    }

    fn duty_of(&self, step: usize, minute: i64) -> Option<&'static str> {
        let schedule = ["primary", "secondary"].get(step)?;
        Some(on_call(self.history, schedule, minute))
    }

    fn is_anything_due(&self, minute: i64) -> bool {
        let handover = (0..2).any(|step| self.duty[step].is_some() && self.duty[step] != self.duty_of(step, minute));
        let step = self.begun.iter().position(|begun| !begun).map(|step| self.start + STEPS[step]);
        let next = self.hourly.or(step).unwrap_or(self.cycle_end());
        handover || next <= minute || !self.called.is_empty() || self.rules.iter().any(|rule| rule.at <= minute)
    }

    fn do_what_is_due(&mut self, minute: i64) {
        let first = self.told.len();
        for step in 0..2 {
            let now = self.duty_of(step, minute);
            if let (Some(left), Some(person)) = (self.duty[step], now)
                && left != person
            {
                self.rules.retain(|rule| !(rule.step == step as u32 + 1 && rule.person == left));
                self.duty[step] = now;
                self.tell(step, person, minute);
            }
        }
        self.follow_rules(minute);
        for step in std::mem::take(&mut self.called) {
            self.run(step as usize - 1, minute);
            self.follow_rules(minute);
        }
        if self.hourly == Some(minute) {
            self.run(2, minute);
            self.hourly = Some(minute + 60);
        } else if self.hourly.is_none() {
            if self.begun.iter().all(|begun| *begun) && self.cycle_end() <= minute {
                if self.round < CYCLES {
                    (self.start, self.begun, self.duty) = (self.cycle_end(), [false; 3], [None; 3]);
                    self.round += 1;
                } else {
                    self.told.push((minute, 0, "", "ops"));
                    self.hourly = Some(minute + 60);
                }
            }
            for (step, after) in STEPS.into_iter().enumerate() {
                if !self.begun[step] && self.start + after <= minute {
                    self.run(step, minute);
                }
            }
        }
        self.follow_rules(minute);
        // Told once, however many reasons there are in one minute.
        self.told[first..].sort_unstable();
        let mut last = None;
        let mut place = 0;
        self.told.retain(|told| {
            place += 1;
            place <= first || last.replace(*told) != Some(*told)
        });
    }

    fn run(&mut self, step: usize, minute: i64) {
        self.begun[step] = true;
        self.duty[step] = self.duty_of(step, minute);
        self.tell(step, self.duty[step].unwrap_or("head"), minute);
        if step == 1 {
            self.told.push((minute, 2, "", "chat"));
        }
    }

    fn tell(&mut self, step: usize, person: &'static str, minute: i64) {
        let step = step as u32 + 1;
        for (after, channel) in ways(person) {
            if !self.rules.iter().any(|r| (r.step, r.person, r.channel) == (step, person, *channel)) {
                self.rules.push(Rule { at: minute + after, step, person, channel });
            }
        }
    }

    fn follow_rules(&mut self, minute: i64) {
        let told = &mut self.told;
        self.rules.retain(|rule| {
            if rule.at <= minute {
                told.push((minute, rule.step, rule.person, rule.channel));
            }
            rule.at > minute
        });
    }
}
