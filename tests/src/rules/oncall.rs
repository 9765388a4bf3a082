//! Rotations for tests and benches.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    calendar::{Calendar, Hours, LocalInterval},
    oncall::{self, Override},
    policy::{Layer, NamedCalendar, Schedule},
    time::{LocalTime, zone},
};
use jiff::{Timestamp, ToSpan, civil::date};

use super::{Bar, random::Random};

/// `rotation("week", "Europe/Berlin", "2026-11-02 09:00", 7, &["ada", "bob"])`.
pub fn rotation(name: &str, zone_name: &str, first: &str, every_days: u16, people: &[&str]) -> Layer {
    let (start, handover) = first.split_once(' ').unwrap();
    Layer {
        name: name.into(),
        people: people.iter().map(|person| (*person).to_owned()).collect(),
        start: start.parse().unwrap(),
        handover: LocalTime::parse(handover).unwrap(),
        every_days,
        zone: zone(zone_name).unwrap(),
        during: None,
    }
}

/// A rotation in that zone with any start of 2005 to 2026, any handover and any people.
pub fn any_rotation(zone_name: &str, random: &mut Random) -> Layer {
    const PEOPLE: [&[&str]; 5] =
        [&["ada", "bob"], &["ada", "bob", "carol"], &["ada", "ada", "bob"], &["ada", "bob", "ada", "dan"], &["ada"]];
    let start = date(2005, 1, 1) + i64::try_from(random.below(22 * 365)).unwrap().days();
    // The hours in which clocks are changed are as likely as all others together.
    let hour = if random.below(2) == 0 { random.below(4) } else { random.below(24) };
    let minute = [0, 0, 15, 30, 59][usize::try_from(random.below(5)).unwrap()];
    let every = *random.one_of(&[1, 1, 2, 3, 5, 7, 7, 14, 28]);
    let people = random.one_of(&PEOPLE);
    rotation("turns", zone_name, &format!("{start} {hour:02}:{minute:02}"), every, people)
}

/// A schedule of these layers, with the first one's zone.
pub fn schedule(name: &str, layers: Vec<Layer>) -> Schedule {
    Schedule { name: name.into(), zone: layers[0].zone.clone(), layers, coverage: NamedCalendar::always() }
}

/// From 22:00 to 06:00 in Berlin.
fn every_night() -> Hours {
    let hours = vec![LocalInterval::parse("22:00-30:00").unwrap()];
    Hours { zone: zone("Europe/Berlin").unwrap(), week: std::array::from_fn(|_| hours.clone()), dates: BTreeMap::new() }
}

/// What `make bench-rules` says of on-call answers.
pub fn bars() -> Vec<Bar> {
    let micros = |count| Some(Duration::from_micros(count));
    let now: Timestamp = "2026-11-23T03:12:00Z".parse().unwrap();
    let week = rotation("week", "Europe/Berlin", "2016-01-04 09:00", 7, &["ada", "bob", "carol"]);
    let daily = rotation("day", "America/New_York", "2026-11-02 08:00", 1, &["dan", "eve", "finn", "gil", "hana"]);
    let single = schedule("primary", vec![week.clone()]);
    let layered = schedule("primary", vec![week, daily]);
    let overrides: Vec<Override> = (0..10)
        .map(|day| Override {
            name: format!("swap-{day}"),
            schedule: "primary".into(),
            person: "ivo".into(),
            replaces: Some("ada".into()),
            from: now + (24 * day).hours(),
            until: now + (24 * day + 8).hours(),
            created: now,
        })
        .collect();
    let twenty = vec![layered.clone(); 20];
    let nights = NamedCalendar { name: "nights".into(), calendar: Calendar::new(every_night()) };
    let mut by_night = layered.clone();
    by_night.layers[1].during = Some(nights.clone());
    by_night.coverage = nights;
    let twenty_by_night = vec![by_night.clone(); 20];
    let to = now + (90 * 24).hours();
    vec![
        Bar::measure("on call: who, of one weekly rotation ten years old", micros(2), || {
            oncall::who(&single, &[], now)
        }),
        Bar::measure("on call: who, since when, until when", micros(2), || oncall::on_call(&single, &[], now)),
        Bar::measure("on call: the same of two layers with ten overrides", micros(2), || {
            oncall::on_call(&layered, &overrides, now)
        }),
        Bar::measure("on call: gaps of twenty daily rotations in 90 days", Some(Duration::from_millis(5)), || {
            twenty.iter().map(|one| oncall::gaps(one, &overrides, now, to).len()).sum::<usize>()
        }),
        Bar::measure("on call: who, since, until, of a layer that counts at night", micros(2), || {
            oncall::on_call(&by_night, &[], now)
        }),
        Bar::measure("on call: gaps of twenty of those in 90 days", Some(Duration::from_millis(5)), || {
            twenty_by_night.iter().map(|one| oncall::gaps(one, &[], now, to).len()).sum::<usize>()
        }),
    ]
}
