//! Working calendars.

use std::collections::BTreeMap;

use domain::{
    calendar::{ALWAYS, Calendar as Valid, Hours, LocalInterval},
    problem::Problem,
};
use jiff::civil::Date;

use crate::{findings::Findings, support_policy::Calendar};

pub(super) fn read(findings: &mut Findings, calendars: &[Calendar]) -> BTreeMap<String, Valid> {
    let mut valid = BTreeMap::new();
    for (i, calendar) in calendars.iter().enumerate() {
        let path = format!("spec.calendars[{i}]");
        if calendar.name == ALWAYS {
            let problem = Problem::error(format!("{path}.name"), "`always` is built in: round the clock, every day");
            findings.add(problem.suggest("give this calendar another name"));
        }
        let hours = hours(findings, &path, calendar);
        let written = calendar.week.days().iter().any(|(_, hours)| !hours.is_empty())
            || calendar.dates.iter().any(|date| !date.hours.is_empty());
        if !written {
            let problem =
                Problem::error(&path, format!("`{}` has no working time: nothing would ever be due", calendar.name));
            findings.add(problem.suggest("write hours, such as `week: {monday: [\"09:00-17:00\"]}`, or use `always`"));
        }
        valid.insert(calendar.name.clone(), Valid::new(hours));
    }
    valid
}

fn hours(findings: &mut Findings, path: &str, calendar: &Calendar) -> Hours {
    let zone = findings.zone(&format!("{path}.timeZone"), &calendar.time_zone);
    let week = calendar.week.days().map(|(day, hours)| intervals(findings, &format!("{path}.week.{day}"), hours));
    let mut dates = BTreeMap::new();
    for (i, written) in calendar.dates.iter().enumerate() {
        let path = format!("{path}.dates[{i}]");
        let hours = intervals(findings, &format!("{path}.hours"), &written.hours);
        let date = date(findings, &format!("{path}.date"), &written.date);
        if let Some(date) = date
            && dates.insert(date, hours).is_some()
        {
            findings.error(format!("{path}.date"), format!("expected a date of its own, found `{date}` again"));
        }
    }
    Hours { zone, week, dates }
}

fn intervals(findings: &mut Findings, path: &str, written: &[String]) -> Vec<LocalInterval> {
    let read: Vec<_> = written
        .iter()
        .enumerate()
        .map(|(i, text)| findings.take(&format!("{path}[{i}]"), LocalInterval::parse(text)))
        .collect();
    let Some(read) = read.iter().copied().collect::<Option<Vec<_>>>() else {
        return read.into_iter().flatten().collect();
    };
    if let Some((earlier, later)) = LocalInterval::overlap(&read)
        && let (Some(first), Some(second)) = (written.get(earlier), written.get(later))
    {
        let problem =
            Problem::error(format!("{path}[{later}]"), format!("`{second}` overlaps `{first}` of the same day"));
        findings.add(problem.suggest("write them as one, or let one end where the other starts"));
    }
    read
}

fn date(findings: &mut Findings, path: &str, text: &str) -> Option<Date> {
    let read = text
        .parse::<Date>()
        .map_err(|_| Problem::error("", format!("expected a date that exists, such as `2026-12-25`, found `{text}`")));
    findings.take(path, read)
}
