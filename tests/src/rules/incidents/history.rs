//! What happens in a month: made from a seed, in whole minutes from 2026-10-01T00:00Z.
//!
//! The month is October, because Europe sets its clocks back in the night to the 25th.

use crate::rules::random::Random;

/// Minutes of a day.
pub const DAY: i64 = 24 * 60;

/// A month.
#[derive(Debug, Clone)]
pub struct History {
    /// In no order.
    pub incidents: Vec<Incident>,
    /// In order of creation: of two the later wins.
    pub overrides: Vec<StandIn>,
    /// Silences by service.
    pub silences: Vec<Silenced>,
}

/// One trouble.
#[derive(Debug, Clone)]
pub struct Incident {
    /// What is down; silences name it.
    pub service: &'static str,
    /// When it begins to fire.
    pub start: i64,
    /// In order, at most one in a minute, after `start`. The last is an end.
    pub acts: Vec<(i64, Act)>,
}

impl Incident {
    /// When it ends for good.
    pub fn end(&self) -> i64 {
        self.acts.last().map_or(self.start, |(at, _)| *at)
    }
}

/// What happens to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Somebody takes it.
    Acknowledge,
    /// Somebody works on it.
    Note,
    /// Somebody wants to be left alone for so many minutes.
    Snooze(i64),
    /// Somebody gives it back.
    GiveBack,
    /// Somebody calls for that step, from 1.
    Escalate(u32),
    /// Nothing fires any more.
    End,
    /// It fires again.
    Refire,
    /// It became more severe.
    Worse,
}

/// Somebody takes over a schedule.
#[derive(Debug, Clone, Copy)]
pub struct StandIn {
    /// The schedule.
    pub schedule: &'static str,
    /// Who.
    pub person: &'static str,
    /// From this minute.
    pub from: i64,
    /// Up to but not including this minute.
    pub until: i64,
}

/// A service that is silenced.
#[derive(Debug, Clone, Copy)]
pub struct Silenced {
    /// The service.
    pub service: &'static str,
    /// From this minute.
    pub from: i64,
    /// Up to but not including this minute.
    pub until: i64,
}

const SERVICES: [&str; 6] = ["checkout", "search", "login", "billing", "mail", "database"];

impl History {
    /// A month with so many incidents, the same one for the same seed.
    pub fn of(seed: u64, incidents: usize) -> Self {
        let mut dice = Dice(Random::seeded(seed));
        let overrides = (0..8).map(|_| stand_in(&mut dice)).collect();
        let silences = (0..40).map(|_| silenced(&mut dice)).collect();
        let incidents = (0..incidents).map(|_| incident(&mut dice)).collect();
        Self { incidents, overrides, silences }
    }
}

fn stand_in(dice: &mut Dice) -> StandIn {
    let from = dice.between(3 * DAY, 29 * DAY);
    StandIn {
        schedule: dice.pick(&["primary", "secondary"]),
        person: dice.pick(&["ada", "bob", "carol", "dave"]),
        from,
        until: from + dice.between(30, 2 * DAY),
    }
}

fn silenced(dice: &mut Dice) -> Silenced {
    let from = dice.between(0, 30 * DAY);
    Silenced { service: dice.pick(&SERVICES), from, until: from + dice.between(5, 300) }
}

fn incident(dice: &mut Dice) -> Incident {
    // Every fourth begins around a handover or the change of the clocks, where mistakes are made.
    let start = match dice.between(0, 8) {
        0 => dice.between(1, 29) * DAY + 7 * 60 + dice.between(-40, 80),
        1 => 24 * DAY + 60 + dice.between(-120, 60),
        _ => dice.between(0, 29 * DAY),
    };
    let length = match dice.between(0, 20) {
        0 => dice.between(DAY, 3 * DAY),
        1..=6 => dice.between(120, 720),
        _ => dice.between(2, 120),
    };
    let mut acts = Vec::new();
    let mut at = start;
    let end = start + length;
    loop {
        let longest = dice.pick(&[45, 45, 240]);
        at += dice.between(1, longest);
        if at >= end {
            break;
        }
        acts.push((
            at,
            match dice.between(0, 20) {
                0..=6 => Act::Acknowledge,
                7..=12 => Act::Note,
                13 => Act::Snooze(dice.between(10, 240)),
                14 => Act::GiveBack,
                15 => Act::Escalate(dice.between(1, 4) as u32),
                16 => Act::Worse,
                17 => Act::End,
                _ => Act::Refire,
            },
        ));
    }
    acts.push((end, Act::End));
    Incident { service: dice.pick(&SERVICES), start, acts }
}

/// Throws for histories, in the units they are written in.
struct Dice(Random);

impl Dice {
    /// At least `low`, less than `high`.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.0.below((high - low).unsigned_abs()).cast_signed()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *self.0.one_of(of)
    }
}
