//! Schedules and their layers.

use std::collections::BTreeMap;

use domain::{
    calendar::Calendar,
    policy::{Layer as ValidLayer, NamedCalendar, Schedule as Valid},
    problem::Problem,
    time::{LocalTime, parse_duration, shown},
};
use jiff::{civil::Date, tz::TimeZone};

use super::Names;
use crate::{
    findings::Findings,
    support_policy::{Layer, Schedule},
};

/// Handovers of a layer that are looked at for falling into its calendar: with shifts of a week more than a year.
const HANDOVERS: usize = 60;

pub(super) fn read(
    findings: &mut Findings,
    schedules: &[Schedule],
    names: &Names<'_>,
    calendars: &BTreeMap<String, Calendar>,
) -> BTreeMap<String, Valid> {
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
        let calendar = |findings: &mut Findings, path: &str, name: &str| {
            names.calendar(findings, path, name);
            let calendar = calendars.get(name).cloned().unwrap_or_else(Calendar::always);
            NamedCalendar { name: name.to_owned(), calendar }
        };
        let coverage = calendar(findings, &format!("{path}.coverage"), &schedule.coverage);
        let mut layers = Vec::new();
        for (j, written) in schedule.layers.iter().enumerate() {
            let path = format!("{path}.layers[{j}]");
            let during = written.during.as_ref().map(|name| calendar(findings, &format!("{path}.during"), name));
            // A layer that always counts is one without a calendar.
            let during = during.filter(|during| during.calendar != Calendar::always());
            layers.push(layer(findings, &path, written, &zone, during, names));
        }
        let read = Valid { name: schedule.name.clone(), zone, layers, coverage };
        if findings.are_fine_under(&path) {
            warn_of_odd_layers(findings, &path, &read);
        }
        valid.insert(schedule.name.clone(), read);
    }
    valid
}

fn layer(
    findings: &mut Findings,
    path: &str,
    layer: &Layer,
    zone: &TimeZone,
    during: Option<NamedCalendar>,
    names: &Names<'_>,
) -> ValidLayer {
    for (i, person) in layer.people.iter().enumerate() {
        names.person(findings, &format!("{path}.people[{i}]"), person);
    }
    if layer.people.is_empty() {
        findings.error(format!("{path}.people"), "expected at least one person, found none");
    }
    // Somebody twice among others has longer or more turns; alone it changes nothing.
    if let [first, others @ ..] = layer.people.as_slice()
        && !others.is_empty()
        && others.iter().all(|other| other == first)
    {
        let problem = Problem::warning(
            format!("{path}.people[1]"),
            format!("nobody takes over from `{first}`: the rotation names nobody else"),
        );
        findings.add(problem.suggest("name them once, or write who the other is"));
    }
    ValidLayer {
        name: layer.name.clone(),
        people: layer.people.clone(),
        start: date(findings, &format!("{path}.start"), &layer.start),
        handover: local_time(findings, &format!("{path}.handover"), &layer.handover),
        every_days: days(findings, &format!("{path}.every"), &layer.every),
        during,
        zone: layer
            .time_zone
            .as_ref()
            .map_or_else(|| zone.clone(), |name| findings.zone(&format!("{path}.timeZone"), name)),
    }
}

/// Layers that do what nobody would want: they never count, or change the person in the middle of their hours.
fn warn_of_odd_layers(findings: &mut Findings, path: &str, schedule: &Valid) {
    for (j, layer) in schedule.layers.iter().enumerate() {
        let path = format!("{path}.layers[{j}]");
        let above = schedule.layers.iter().skip(j + 1);
        if let Some(above) = above.into_iter().find(|above| above.hides(layer)) {
            findings.warning(
                path,
                format!(
                    "never applies: the later layer `{}` begins no later and counts whenever this one does; later layers win",
                    above.name
                ),
            );
            continue;
        }
        let Some(during) = &layer.during else { continue };
        if layer.first_handover().is_some_and(|start| during.calendar.next_open(start).is_none()) {
            findings.warning(
                format!("{path}.during"),
                format!("never applies: `{}` has no working time within 400 days after the start", during.name),
            );
        }
        if let Some(at) = layer.handover_within(HANDOVERS) {
            let problem = Problem::warning(
                format!("{path}.handover"),
                format!(
                    "the handover at {} falls into the hours of `{}`: the person on call changes in the middle of them",
                    shown(at, &layer.zone),
                    during.name
                ),
            );
            findings.add(problem.suggest("hand over when the calendar is closed, or when it opens"));
        }
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
