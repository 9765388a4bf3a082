//! Times at which nobody would be found: gaps on call, and escalations that reach nobody.
//!
//! The answer depends on the time: for the same files it may be another one next month.

use std::time::Duration;

use api::support_policy::SupportPolicySpec;
use domain::{
    oncall,
    policy::{NamedCalendar, NotifyTarget, Policy, Schedule, Step},
    problem::Problem,
    time::{after, shown},
};
use gitops::load::Object;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

/// How far ahead is looked.
const HORIZON: Duration = Duration::from_secs(90 * 86_400);

/// Times that are named; more are counted.
const NAMED: usize = 3;

/// From, and up to but not including.
type Span = (Timestamp, Timestamp);

/// Times within the next 90 days when nobody is on call.
pub(super) fn gaps(object: &Object, policy: &Policy, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    let written = object.value().pointer("/spec/schedules").and_then(Value::as_array);
    for (index, schedule) in written.into_iter().flatten().enumerate() {
        let name = schedule.get("name").and_then(Value::as_str).unwrap_or_default();
        let Some(schedule) = policy.schedules.get(name) else { continue };
        let gaps = oncall::gaps(schedule, &[], now, after(now, HORIZON));
        if let Some(times) = times(&gaps, &schedule.zone) {
            let problem = Problem::error(
                format!("spec.schedules[{index}]"),
                format!("nobody is on call in `{name}` from {times}"),
            );
            let suggestion = "let a layer cover these times, or give the schedule a `coverage` that leaves them out";
            found.push(problem.suggest(suggestion));
        }
    }
    found
}

/// Escalations of which every step finds nobody at some time within the next 90 days. Outside of its `coverage` a schedule
/// may be empty, but an escalation that runs then goes straight to the last resort.
pub(super) fn steps(spec: &SupportPolicySpec, policy: &Policy, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    for (index, written) in spec.escalations.iter().enumerate() {
        let Some(escalation) = policy.escalations.get(&written.name) else { continue };
        let empty =
            escalation.steps.iter().map(|step| empty(step, policy, now)).reduce(|one, other| both(&one, &other));
        let zone = policy.schedules.values().next().map_or(TimeZone::UTC, |schedule| schedule.zone.clone());
        if let Some(times) = times(&empty.unwrap_or_default(), &zone) {
            let message =
                format!("no step of `{}` finds anybody from {times}: only the last resort is told", written.name);
            let problem = Problem::warning(format!("spec.escalations[{index}].steps"), message);
            found.push(
                problem.suggest("add a step that names a person or a channel, or let the schedules cover these times"),
            );
        }
    }
    found
}

/// When a step finds nobody. A person or channel is always there.
fn empty(step: &Step, policy: &Policy, now: Timestamp) -> Vec<Span> {
    let of_target = |target: &NotifyTarget| match target {
        NotifyTarget::Schedule(name) => policy.schedules.get(name).map(|schedule| {
            let always = Schedule { coverage: NamedCalendar::always(), ..schedule.clone() };
            oncall::gaps(&always, &[], now, after(now, HORIZON))
        }),
        NotifyTarget::Person(_) | NotifyTarget::Channel(_) => None,
    };
    step.notify
        .iter()
        .map(|target| of_target(target).unwrap_or_default())
        .reduce(|one, other| both(&one, &other))
        .unwrap_or_default()
}

/// The times that are in both, each in order.
fn both(one: &[Span], other: &[Span]) -> Vec<Span> {
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    let mut found = Vec::new();
    while let (Some(a), Some(b)) = (ones.peek(), others.peek()) {
        let common = (a.0.max(b.0), a.1.min(b.1));
        if common.0 < common.1 {
            found.push(common);
        }
        if a.1 <= b.1 {
            ones.next();
        } else {
            others.next();
        }
    }
    found
}

/// "A to B, from C to D and 3 more times"; `None` without any. In the zone in which handovers are written.
fn times(spans: &[Span], zone: &TimeZone) -> Option<String> {
    let span = |(from, to): &Span| format!("{} to {}", shown(*from, zone), shown(*to, zone));
    let named: Vec<String> = spans.iter().take(NAMED).map(span).collect();
    let more = if spans.len() > NAMED { format!(" and {} more times", spans.len() - NAMED) } else { String::new() };
    (!named.is_empty()).then(|| format!("{}{more}", named.join(", from ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn times_in_both_are_found_in_order() {
        let spans = |all: &[(i64, i64)]| all.iter().map(|(from, to)| (at(*from), at(*to))).collect::<Vec<_>>();
        let found = both(&spans(&[(0, 10), (20, 30), (40, 50)]), &spans(&[(5, 25), (30, 40), (45, 60)]));
        assert_eq!(found, spans(&[(5, 10), (20, 25), (45, 50)]));
        assert_eq!(both(&spans(&[(0, 10)]), &[]), []);
    }
}
