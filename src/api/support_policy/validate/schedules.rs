//! Schedules and their layers.

use std::collections::BTreeMap;

use domain::{
    policy::{Layer as ValidLayer, NamedCalendar, Schedule as Valid},
    problem::Problem,
    time::{LocalTime, parse_duration},
};
use jiff::{civil::Date, tz::TimeZone};

use super::Names;
use crate::{
    findings::Findings,
    support_policy::{Layer, Schedule},
};

pub(super) fn read(findings: &mut Findings, schedules: &[Schedule], names: &Names<'_>) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, schedule) in schedules.iter().enumerate() {
        let path = format!("spec.schedules[{i}]");
        let zone = findings.zone(&format!("{path}.timeZone"), &schedule.time_zone);
        findings.unique(
            &format!("{path}.layers"),
            "layer names in a schedule",
            schedule.layers.iter().map(|layer| layer.name.as_str()),
        );
        if schedule.layers.is_empty() {
            findings.error(format!("{path}.layers"), "expected at least one layer, found none");
        }
        let layers = schedule.layers.iter().enumerate();
        let layers =
            layers.map(|(j, written)| layer(findings, &format!("{path}.layers[{j}]"), written, &zone, names)).collect();
        valid.insert(
            schedule.name.clone(),
            Valid { name: schedule.name.clone(), zone, layers, coverage: NamedCalendar::always() },
        );
    }
    valid
}

fn layer(findings: &mut Findings, path: &str, layer: &Layer, zone: &TimeZone, names: &Names<'_>) -> ValidLayer {
    for (i, person) in layer.people.iter().enumerate() {
        names.person(findings, &format!("{path}.people[{i}]"), person);
    }
    if layer.people.is_empty() {
        findings.error(format!("{path}.people"), "expected at least one person, found none");
    }
    ValidLayer {
        name: layer.name.clone(),
        people: layer.people.clone(),
        start: date(findings, &format!("{path}.start"), &layer.start),
        handover: local_time(findings, &format!("{path}.handover"), &layer.handover),
        every_days: days(findings, &format!("{path}.every"), &layer.every),
        during: None,
        zone: layer
            .time_zone
            .as_ref()
            .map_or_else(|| zone.clone(), |name| findings.zone(&format!("{path}.timeZone"), name)),
    }
}

fn date(findings: &mut Findings, path: &str, text: &str) -> Date {
    let read = text
        .parse::<Date>()
        .map_err(|_| Problem::error("", format!("expected a date that exists, such as `2026-11-02`, found `{text}`")));
    findings.take(path, read).unwrap_or(Date::ZERO)
}

fn local_time(findings: &mut Findings, path: &str, text: &str) -> LocalTime {
    let read = LocalTime::parse(text)
        .ok_or_else(|| Problem::error("", format!("expected a time of day such as `09:00`, found `{text}`")));
    findings.take(path, read).unwrap_or(LocalTime { hour: 0, minute: 0 })
}

/// Whole local days: a shift of `1w` ends at the same time of day also when the clocks change in between.
fn days(findings: &mut Findings, path: &str, text: &str) -> u16 {
    const SECONDS: u64 = 86_400;
    let whole = parse_duration(text).ok().map(|span| span.as_secs()).filter(|span| span % SECONDS == 0);
    match whole.and_then(|span| u16::try_from(span / SECONDS).ok()) {
        Some(days @ 1..=366) => days,
        _ => {
            findings.error(path, format!("expected whole days from 1d to 366d, such as `1d` or `1w`, found `{text}`"));
            1
        }
    }
}
