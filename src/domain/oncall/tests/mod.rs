//! Rules as tables; then random schedules against a deliberately naive second implementation.

mod hours;
mod naive;
mod overrides;
mod reasons;
mod rotations;
mod text;

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};

use super::*;
use crate::{
    calendar::{Calendar, Hours, LocalInterval},
    policy::NamedCalendar,
    time::{LocalTime, zone},
};

/// `layer("Europe/Berlin", "2026-11-02 09:00", 7, "ada bob")`, named `ada-bob`.
fn layer(zone_name: &str, first: &str, every_days: u16, people: &str) -> Layer {
    let (start, handover) = first.split_once(' ').unwrap();
    Layer {
        name: people.replace(' ', "-"),
        people: people.split(' ').map(str::to_owned).collect(),
        start: start.parse().unwrap(),
        handover: LocalTime::parse(handover).unwrap(),
        every_days,
        zone: zone(zone_name).unwrap(),
        during: None,
    }
}

/// `hours("office", "Europe/Berlin", "1-5", "09:00-17:00")`: on these days of the week, Monday being 1.
fn hours(name: &str, zone_name: &str, days: &str, written: &str) -> NamedCalendar {
    let (first, last): (usize, usize) =
        days.split_once('-').map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap())).unwrap();
    let list: Vec<LocalInterval> = written.split(' ').map(|text| LocalInterval::parse(text).unwrap()).collect();
    let week = std::array::from_fn(|day| if (first..=last).contains(&(day + 1)) { list.clone() } else { Vec::new() });
    let hours = Hours { zone: zone(zone_name).unwrap(), week, dates: BTreeMap::new() };
    NamedCalendar { name: name.into(), calendar: Calendar::new(hours) }
}

fn during(calendar: NamedCalendar, layer: Layer) -> Layer {
    Layer { during: Some(calendar), ..layer }
}

fn schedule(layers: impl IntoIterator<Item = Layer>) -> Schedule {
    Schedule {
        name: "primary".into(),
        zone: TimeZone::UTC,
        layers: layers.into_iter().collect(),
        coverage: NamedCalendar::always(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// ada from Monday 2 November 2026, 09:00 in Berlin, then bob, week by week.
fn weekly() -> Schedule {
    schedule([layer("Europe/Berlin", "2026-11-02 09:00", 7, "ada bob")])
}

/// ada for ever.
fn only_ada() -> Schedule {
    schedule([layer("UTC", "2020-01-01 00:00", 7, "ada")])
}

/// `instead("bob/ada", "2026-11-10T08:00:00Z", "2026-11-11T08:00:00Z", 1)`: the first one made, named `bob-ada`.
fn instead(people: &str, from: &str, until: &str, created: i64) -> Override {
    let (person, replaces) = match people.split_once('/') {
        Some((person, replaced)) => (person, Some(replaced.to_owned())),
        None => (people, None),
    };
    Override {
        name: people.replace('/', "-"),
        schedule: "primary".into(),
        person: person.into(),
        replaces,
        from: at(from),
        until: at(until),
        created: Timestamp::from_second(created).unwrap(),
    }
}

/// `ada 2026-11-02T08:00:00Z, nobody …`: who begins when.
fn begins(shifts: &[Shift<'_>]) -> Vec<String> {
    let begin = |shift: &Shift<'_>| {
        format!(
            "{} {}",
            shift.person.unwrap_or("nobody"),
            shift.from.map_or("ever".to_owned(), |from| from.to_string())
        )
    };
    shifts.iter().map(begin).collect()
}
