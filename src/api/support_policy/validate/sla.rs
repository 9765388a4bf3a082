//! What is promised: targets, warnings, and which tickets they concern.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    policy::{ApplyTo as Valid, Promise, Promises},
    problem::Problem,
    time::{DurationError, format_duration, parse_duration},
};

use super::Names;
use crate::{
    findings::{Findings, seconds},
    schema,
    support_policy::{ApplyTo, SlaTarget, SupportPolicySpec},
};

/// The longest promise: a year round the clock.
const LONGEST: Duration = seconds(8_760 * 3_600);

/// The clocks by the names of their fields, each with its target as it is written.
fn written(target: &SlaTarget) -> [(&'static str, Option<&String>); 4] {
    [
        ("firstResponse", target.first_response.as_ref()),
        ("nextResponse", target.next_response.as_ref()),
        ("update", target.update.as_ref()),
        ("resolution", target.resolution.as_ref()),
    ]
}

pub(super) fn read(findings: &mut Findings, spec: &SupportPolicySpec, names: &Names<'_>) -> Promises {
    let mut by_priority = BTreeMap::new();
    for (i, target) in spec.sla.iter().enumerate() {
        let path = format!("spec.sla[{i}]");
        let promise = promise(findings, &path, target, names);
        if by_priority.insert(target.priority.clone(), promise).is_some() {
            findings.error(
                format!("{path}.priority"),
                format!("expected a priority of its own, found `{}` again", target.priority),
            );
        }
        if spec.warn_at.is_empty() && !target.on_warn.is_empty() {
            findings.warning(format!("{path}.onWarn"), "told of no warning: spec.warnAt is empty");
        }
    }
    warn_of_less_for_more(findings, &spec.sla, &by_priority);
    let apply_to = match spec.apply_to {
        ApplyTo::NewTickets => Valid::NewTickets,
        ApplyTo::Running => Valid::Running,
    };
    Promises { by_priority, warn_at: percents(findings, &spec.warn_at), apply_to }
}

fn promise(findings: &mut Findings, path: &str, target: &SlaTarget, names: &Names<'_>) -> Promise {
    names.calendar(findings, &format!("{path}.calendar"), &target.calendar);
    let [first_response, next_response, update, resolution] = written(target)
        .map(|(clock, text)| text.and_then(|text| working_time(findings, &format!("{path}.{clock}"), text)));
    if written(target).iter().all(|(_, text)| text.is_none()) {
        findings.error(path, "expected at least one of firstResponse, nextResponse, update and resolution");
    }
    for (clock, promised) in [("firstResponse", first_response), ("nextResponse", next_response), ("update", update)] {
        if let (Some(promised), Some(whole)) = (promised, resolution)
            && promised > whole
        {
            let (promised, whole) = (format_duration(promised), format_duration(whole));
            findings.add(
                Problem::warning(
                    format!("{path}.{clock}"),
                    format!("{promised} is more than the {whole} in which all has to be done (resolution)"),
                )
                .suggest("give it less, or resolution more"),
            );
        }
    }
    Promise {
        calendar: target.calendar.clone(),
        first_response,
        next_response,
        update,
        resolution,
        on_warn: names.targets(findings, &format!("{path}.onWarn"), &target.on_warn),
        on_breach: names.targets(findings, &format!("{path}.onBreach"), &target.on_breach),
    }
}

/// Hours, minutes and seconds: a day of working time would be 24 hours to one reader and eight to the next.
fn working_time(findings: &mut Findings, path: &str, text: &str) -> Option<Duration> {
    let is_duration = matches!(parse_duration(text), Ok(_) | Err(DurationError::TooLong(_)));
    if is_duration && text.contains(['d', 'w']) {
        findings.error(path, format!("expected {}, found `{text}`", schema::shape(schema::WORKING_TIME)));
        return None;
    }
    match parse_duration(text) {
        Ok(span) if (seconds(1)..=LONGEST).contains(&span) && span.subsec_nanos() == 0 => Some(span),
        Ok(_) | Err(DurationError::TooLong(_)) => {
            findings.error(path, format!("expected whole seconds from 1s to 8760h, found `{text}`"));
            None
        }
        Err(error) => {
            findings.error(path, error.to_string());
            None
        }
    }
}

fn percents(findings: &mut Findings, written: &[String]) -> Vec<u8> {
    let mut percents: Vec<u8> = Vec::new();
    for (i, text) in written.iter().enumerate() {
        let path = format!("spec.warnAt[{i}]");
        match text.strip_suffix('%').and_then(|number| number.parse::<u8>().ok()) {
            Some(percent @ 1..=99) if percents.last().is_none_or(|before| *before < percent) => percents.push(percent),
            Some(1..=99) => {
                findings.error(
                    path,
                    format!("expected percents that increase, found `{text}` after a greater or equal one"),
                );
            }
            _ => findings.error(path, format!("expected a percent from `1%` to `99%`, found `{text}`")),
        }
    }
    percents
}

/// The more urgent gets more time: more often a slip than a plan. Only promises in the same working time compare.
fn warn_of_less_for_more(findings: &mut Findings, sla: &[SlaTarget], promises: &BTreeMap<String, Promise>) {
    for (i, target) in sla.iter().enumerate() {
        let Some(own) = promises.get(&target.priority) else { continue };
        for (clock, of) in CLOCKS {
            let less_urgent = promises.iter().filter(|(priority, other)| {
                **priority > target.priority && other.calendar == own.calendar && of(other).is_some()
            });
            let tighter = less_urgent.filter(|(_, other)| of(other) < of(own)).map(|(priority, _)| priority).next();
            if let Some(priority) = tighter {
                findings.warning(
                    format!("spec.sla[{i}].{clock}"),
                    format!("{} has more time than {priority}, which is less urgent", target.priority),
                );
            }
        }
    }
}

type Of = fn(&Promise) -> Option<Duration>;
const CLOCKS: [(&str, Of); 4] = [
    ("firstResponse", |promise| promise.first_response),
    ("nextResponse", |promise| promise.next_response),
    ("update", |promise| promise.update),
    ("resolution", |promise| promise.resolution),
];
