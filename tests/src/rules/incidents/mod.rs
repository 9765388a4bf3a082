//! A busy team on simulated time: incidents, acknowledgements, snoozes, handovers, overrides, silences and the night
//! in which Europe sets its clocks back.
//!
//! [`team`] drives the operator's own pieces: the policy through its parser, who is on call, what is silenced, the
//! escalation with its state written and read back between any two looks, the identity of each message. [`reckoning`]
//! says minute by minute who had to be told, from the same history and without a line of that code. [`Tally`] holds
//! one against the other.

pub mod history;
pub mod reckoning;
pub mod team;

use std::{collections::BTreeMap, thread};

use super::Soak;
use history::History;
use team::Team;

/// Somebody is told at this minute of the month: minute, step (0 is the last resort), person (empty for a channel
/// itself), channel.
pub type Told = (i64, u32, &'static str, &'static str);

/// What a simulation came to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Incidents from their first alert to their last end.
    pub incidents: u64,
    /// Minutes in which they were open, all together.
    pub minutes: u64,
    /// Pages that had to be sent.
    pub expected: u64,
    /// Pages that were sent.
    pub sent: u64,
    /// Pages that had to be sent and were not.
    pub lost: u64,
    /// Pages that were sent and should not have been.
    pub unwanted: u64,
    /// Pages whose identity was used before.
    pub duplicates: u64,
    /// The worst delay of a page, in minutes.
    pub worst_lateness: u64,
    /// Looks after which somebody had to act and no deadline was set.
    pub forgotten: u64,
    /// Pages that had to be sent, by person or channel.
    pub expected_by_name: BTreeMap<&'static str, u64>,
    /// Pages that were sent, by person or channel.
    pub sent_by_name: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Simulates one month of history.
    pub fn of(team: &Team, history: &History) -> Self {
        let mut tally = Self::default();
        for (i, incident) in history.incidents.iter().enumerate() {
            let expected = reckoning::reckon(history, incident);
            let run = team.run(history, incident, &format!("incident-{i}"));
            tally.incidents += 1;
            tally.minutes += (incident.end() - incident.start).unsigned_abs();
            tally.duplicates += run.duplicates;
            tally.forgotten += run.forgotten;
            tally.compare(expected, run.told);
        }
        tally
    }

    /// Compares the pages of one incident: each that had to be sent is found among those that were, at its time or later.
    pub fn compare(&mut self, expected: Vec<Told>, sent: Vec<Told>) {
        self.expected += expected.len() as u64;
        self.sent += sent.len() as u64;
        let name = |told: &Told| if told.2.is_empty() { told.3 } else { told.2 };
        for told in &expected {
            *self.expected_by_name.entry(name(told)).or_default() += 1;
        }
        for told in &sent {
            *self.sent_by_name.entry(name(told)).or_default() += 1;
        }
        let mut left = sent;
        for told in expected {
            let same = |other: &Told| (other.1, other.2, other.3) == (told.1, told.2, told.3) && other.0 >= told.0;
            match left.iter().position(same) {
                Some(place) => {
                    let late = (left.remove(place).0 - told.0).unsigned_abs();
                    self.worst_lateness = self.worst_lateness.max(late);
                }
                None => self.lost += 1,
            }
        }
        self.unwanted += left.len() as u64;
    }

    fn add(&mut self, other: &Self) {
        self.incidents += other.incidents;
        self.minutes += other.minutes;
        self.expected += other.expected;
        self.sent += other.sent;
        self.lost += other.lost;
        self.unwanted += other.unwanted;
        self.duplicates += other.duplicates;
        self.forgotten += other.forgotten;
        self.worst_lateness = self.worst_lateness.max(other.worst_lateness);
        for (&name, count) in &other.expected_by_name {
            *self.expected_by_name.entry(name).or_default() += count;
        }
        for (&name, count) in &other.sent_by_name {
            *self.sent_by_name.entry(name).or_default() += count;
        }
    }
}

/// At least so many hours of open incidents, month after month, each from a seed of its own, on every core.
pub fn hours(least: u64) -> Tally {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let share = move |first: u64| {
        let team = Team::new();
        let mut tally = Tally::default();
        for seed in (first..).step_by(threads as usize) {
            if tally.minutes >= least * 60 / threads {
                break;
            }
            tally.add(&Tally::of(&team, &History::of(seed, 400)));
        }
        tally
    };
    let running: Vec<_> = (0..threads).map(|first| thread::spawn(move || share(first))).collect();
    let mut all = Tally::default();
    for thread in running {
        all.add(&thread.join().expect("a simulation stops with its reason"));
    }
    all
}

/// A million hours of open incidents.
pub fn soak() -> Vec<Soak> {
    let tally = hours(1_000_000);
    vec![
        Soak::done("incidents", tally.incidents),
        Soak::done("incident-hours simulated", tally.minutes / 60),
        Soak::done("pages that had to be sent", tally.expected),
        Soak::must_be("pages sent", tally.sent, tally.expected),
        Soak::must_be("pages lost", tally.lost, 0),
        Soak::must_be("pages nobody asked for", tally.unwanted, 0),
        Soak::must_be("pages with an identity used before", tally.duplicates, 0),
        Soak::must_be("incidents that wait for a person without a deadline", tally.forgotten, 0),
        Soak::must_be("worst lateness, minutes", tally.worst_lateness, 0),
    ]
}
