//! From a seed to what happens: which incidents, at which points the operator is killed, and when it is cut off.

use std::{fmt, time::Duration};

use crate::rules::random::Random;

/// Where a kill falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// The operator has made a call on this resource; the API server never sees it.
    Before(&'static str),
    /// The API server has answered; the operator never hears of it.
    After(&'static str),
    /// A receiver has a message and does not answer.
    Received,
    /// A receiver has answered; the operator may or may not have read it.
    Answered,
    /// The API server is gone; by the clock, not by its turn.
    Outage,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(resource) => write!(f, "before {resource}"),
            Self::After(resource) => write!(f, "after {resource}"),
            Self::Received => f.write_str("when a message was received"),
            Self::Answered => f.write_str("when a receipt was given"),
            Self::Outage => f.write_str("without an API"),
        }
    }
}

/// The resources whose writes are points. Those by which pages live stand more than once. A kill after `tickets/status` is
/// one before a send: the message is planned durably then, and who would have sent it dies with the answer.
pub(super) const RESOURCES: [&str; 12] = [
    "tickets",
    "tickets/status",
    "tickets/status",
    "tickets/status",
    "tickets/status",
    "ticketevents/status",
    "controllerrevisions",
    "configmaps",
    "svcmonitors/status",
    "leases",
    "supportpolicies/status",
    "events",
];

impl Point {
    /// What kind of point it is: a write, a receiver, or the API that is gone.
    pub fn family(self) -> &'static str {
        match self {
            Self::Before(_) => "before a write",
            Self::After(_) => "after a write",
            Self::Received => "a message",
            Self::Answered => "a receipt",
            Self::Outage => "an outage",
        }
    }
}

/// Those that are written once or twice in an incident.
const RARE: [&str; 4] = ["controllerrevisions", "configmaps", "supportpolicies/status", "ticketevents/status"];

/// One kill: at the n-th time, counted from the kill before, that the operator comes to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    /// Where.
    pub point: Point,
    /// The how-manieth time; from 1.
    pub occurrence: u32,
}

/// The API server cannot be reached by any replica, in the middle of an incident. Long enough that whoever leads goes on by
/// itself, which it does after [`ISLAND_AFTER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// From the first break of a service to its begin.
    pub after: Duration,
    /// How long.
    pub lasts: Duration,
    /// From its begin to the death of whoever leads, if it dies.
    pub kill: Option<Duration>,
}

/// The operators' `--island-after` where there is an outage, in seconds.
pub const ISLAND_AFTER: u64 = 5;

/// What happens to one service, and what people do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Ada acknowledges her page; it recovers.
    Acknowledged,
    /// Ada does not answer; Bob is paged and acknowledges; it recovers.
    Escalated,
    /// Nobody answers; Ada is paged again in the second cycle; it recovers unacknowledged.
    Repeated,
    /// It recovers by itself, and breaks again: another page on the same ticket, which Ada acknowledges.
    Relapsed,
    /// It wakes nobody: a notice, and the end.
    Noticed,
}

/// All of them.
pub const SCRIPTS: [Script; 5] =
    [Script::Acknowledged, Script::Escalated, Script::Repeated, Script::Relapsed, Script::Noticed];

/// What a seed stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The seed.
    pub seed: u64,
    /// One operator, or a leader and one that follows.
    pub replicas: usize,
    /// In order; the next is counted when the one before has happened.
    pub kills: Vec<Kill>,
    /// What happens, and how long after the start.
    pub incidents: Vec<(Script, Duration)>,
    /// So many messages are refused with 503 before the first is taken.
    pub refusals: u32,
    /// From a receipt to the kill that follows it, and from a kill to the restart.
    pub pause: Duration,
    /// In every fourth seed.
    pub outage: Option<Outage>,
}

impl Schedule {
    /// Where somebody is to be killed: at the points, then in the outage.
    pub fn points(&self) -> Vec<Point> {
        let in_outage = self.outage.and_then(|outage| outage.kill).map(|_| Point::Outage);
        self.kills.iter().map(|kill| kill.point).chain(in_outage).collect()
    }

    /// The same seed, the same schedule.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::seeded(seed.wrapping_mul(0x9e37_79b9).wrapping_add(0x6669_7265));
        let kills = 1 + random.below(4);
        let mut schedule = Self {
            seed,
            replicas: 1 + usize::from(random.below(3) == 0),
            kills: (0..kills).map(|_| kill(&mut random)).collect(),
            incidents: (0..3).map(|_| (*random.one_of(&SCRIPTS), Duration::from_millis(random.below(3_000)))).collect(),
            refusals: u32::try_from(random.below(3)).unwrap(),
            pause: Duration::from_millis(random.below(30)),
            outage: None,
        };
        if seed.is_multiple_of(4) {
            schedule.outage = Some(outage(&mut random));
        }
        schedule
    }
}

fn outage(random: &mut Random) -> Outage {
    let mut millis = |from: u64, to: u64| Duration::from_millis(from + random.below(to - from));
    let (after, lasts, kill) = (millis(500, 5_000), millis(12_000, 15_000), millis(1_000, 11_000));
    Outage { after, lasts, kill: (random.below(2) == 0).then_some(kill) }
}

fn kill(random: &mut Random) -> Kill {
    let point = match random.below(10) {
        0 => Point::Received,
        1 | 2 => Point::Answered,
        3..=5 => Point::Before(random.one_of::<&str>(&RESOURCES)),
        _ => Point::After(random.one_of::<&str>(&RESOURCES)),
    };
    let often = match point {
        Point::Before(resource) | Point::After(resource) if RARE.contains(&resource) => 1,
        Point::Before("tickets") | Point::After("tickets") => 3,
        _ => 5,
    };
    Kill { point, occurrence: 1 + u32::try_from(random.below(often)).unwrap() }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, lasts, kill } = self;
        write!(f, "no API {after:?} after the first break for {lasts:?}")?;
        kill.map_or(Ok(()), |kill| write!(f, ", killed {kill:?} into it"))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills: Vec<String> = self.kills.iter().map(|kill| format!("{} #{}", kill.point, kill.occurrence)).collect();
        let incidents: Vec<String> =
            self.incidents.iter().map(|(script, after)| format!("{script:?} at {after:?}")).collect();
        write!(
            f,
            "seed {}: {} replica(s), {} refusal(s); kills {}; {}{}",
            self.seed,
            self.replicas,
            self.refusals,
            kills.join(", "),
            incidents.join(", "),
            self.outage.map(|outage| format!("; {outage}")).unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seed_is_one_schedule_and_another_seed_another() {
        assert_eq!(Schedule::of(7), Schedule::of(7));
        let all: HashSet<String> = (1..=40).map(|seed| Schedule::of(seed).to_string()).collect();
        assert_eq!(all.len(), 40);
    }

    #[test]
    fn forty_seeds_come_to_nearly_every_point_and_to_every_script() {
        let schedules: Vec<Schedule> = (1..=40).map(Schedule::of).collect();
        let points: HashSet<Point> = schedules.iter().flat_map(|s| &s.kills).map(|kill| kill.point).collect();
        assert!(points.len() >= 16, "{points:?}");
        for script in SCRIPTS {
            assert!(schedules.iter().any(|s| s.incidents.iter().any(|(one, _)| *one == script)), "{script:?}");
        }
        assert!(schedules.iter().any(|s| s.replicas == 2) && schedules.iter().any(|s| s.replicas == 1));
        let outages: Vec<Outage> = schedules.iter().filter_map(|s| s.outage).collect();
        assert!(outages.iter().any(|one| one.kill.is_some()) && outages.iter().any(|one| one.kill.is_none()));
    }
}
