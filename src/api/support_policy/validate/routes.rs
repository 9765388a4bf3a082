//! Routes: a tree, written as a flat list.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    calendar::{ALWAYS, Calendar},
    policy::Route as Valid,
    problem::Problem,
    routing::{Tree, check_tree},
};

use super::{DAY, Names};
use crate::{
    findings::{Findings, seconds},
    support_policy::Route,
};

/// Alertmanager's word for "by all labels".
const ALL_LABELS: &str = "...";

pub(super) fn read(
    findings: &mut Findings,
    routes: &[Route],
    names: &Names<'_>,
    calendars: &BTreeMap<String, Calendar>,
) -> Tree {
    findings.unique("spec.routes", "route names", routes.iter().map(|route| route.name.as_str()));
    let numbered = routes.iter().enumerate();
    let valid = numbered.map(|(i, written)| route(findings, &format!("spec.routes[{i}]"), written, names, calendars));
    let valid: Vec<Valid> = valid.collect();
    findings.add_all(check_tree(&valid).into_iter().map(|problem| problem.under("spec")));
    refuse_useless_intervals(findings, routes);
    Tree::new(valid)
}

fn route(
    findings: &mut Findings,
    path: &str,
    route: &Route,
    names: &Names<'_>,
    calendars: &BTreeMap<String, Calendar>,
) -> Valid {
    if let Some(escalation) = &route.escalation {
        names.escalation(findings, &format!("{path}.escalation"), escalation);
    }
    for (field, calendars) in [("mute", &route.mute), ("active", &route.active)] {
        warn_of_repetitions(findings, &format!("{path}.{field}"), calendars);
        for (i, calendar) in calendars.iter().enumerate() {
            names.calendar(findings, &format!("{path}.{field}[{i}]"), calendar);
        }
    }
    if route.mute.iter().any(|name| name == ALWAYS) {
        findings.add(
            Problem::error(format!("{path}.mute"), "expected no `always`: it would mute the route for good")
                .suggest("leave `notify` and `escalation` out instead"),
        );
    }
    look_at_both_calendars(findings, path, route, calendars);
    let group_by = route.group_by.as_deref().unwrap_or_default();
    warn_of_repetitions(findings, &format!("{path}.groupBy"), group_by);
    if group_by.iter().any(|label| label == ALL_LABELS) && group_by.iter().any(|label| label != ALL_LABELS) {
        findings.error(format!("{path}.groupBy"), "expected `...` alone, as it already is all labels");
    }
    if let (Some(_), Some(escalation)) = (&route.repeat_interval, &route.escalation) {
        findings.add(
            Problem::error(
                format!("{path}.repeatInterval"),
                format!("expected no interval beside an escalation: `{escalation}` says itself when it starts again"),
            )
            .suggest("use `repeat` of the escalation, or leave one of the two out"),
        );
    }
    let matchers = findings.matchers(&format!("{path}.match"), &route.matchers);
    Valid {
        name: route.name.clone(),
        under: route.under.clone(),
        matchers,
        continues: route.continues,
        group_by: route.group_by.clone(),
        group_wait: findings.optional_duration(
            &format!("{path}.groupWait"),
            route.group_wait.as_ref(),
            Duration::ZERO..=seconds(3_600),
        ),
        group_interval: findings.optional_duration(
            &format!("{path}.groupInterval"),
            route.group_interval.as_ref(),
            seconds(1)..=DAY * 7,
        ),
        repeat_interval: findings.optional_duration(
            &format!("{path}.repeatInterval"),
            route.repeat_interval.as_ref(),
            seconds(60)..=DAY * 30,
        ),
        mute: route.mute.clone(),
        active: route.active.clone(),
        escalation: route.escalation.clone(),
        notify: names.targets(findings, &format!("{path}.notify"), &route.notify),
        ticket: route.ticket,
        priority: route.priority.clone(),
        resolve_after: findings.optional_duration(
            &format!("{path}.resolveAfter"),
            route.resolve_after.as_ref(),
            Duration::ZERO..=DAY * 7,
        ),
        refire_within: findings.optional_duration(
            &format!("{path}.refireWithin"),
            route.refire_within.as_ref(),
            Duration::ZERO..=DAY * 30,
        ),
    }
}

/// A list that names the same twice.
pub(super) fn warn_of_repetitions(findings: &mut Findings, path: &str, names: &[String]) {
    for (i, name) in names.iter().enumerate().filter(|(i, name)| names.iter().take(*i).any(|other| other == *name)) {
        findings.warning(format!("{path}[{i}]"), format!("`{name}` is named before in this list; it changes nothing"));
    }
}

/// Hours in which a route is both active and muted: when it has no others, nobody is ever told.
fn look_at_both_calendars(findings: &mut Findings, path: &str, route: &Route, calendars: &BTreeMap<String, Calendar>) {
    let of = |name: &String| if name == ALWAYS { Some(Calendar::always()) } else { calendars.get(name).cloned() };
    let is_muted = |name: &String| {
        route.mute.contains(name)
            || of(name).is_some_and(|hours| route.mute.iter().any(|mute| of(mute).as_ref() == Some(&hours)))
    };
    let muted: Vec<usize> =
        route.active.iter().enumerate().filter(|(_, name)| is_muted(name)).map(|(place, _)| place).collect();
    if muted.is_empty() || route.mute.iter().any(|name| name == ALWAYS) {
        return;
    }
    if muted.len() == route.active.len() {
        findings.add(
            Problem::error(
                format!("{path}.mute"),
                format!(
                    "expected hours outside of `mute` in which `{}` is active, found none: nobody would ever be told",
                    route.name
                ),
            )
            .suggest("leave the calendar out of `mute` or out of `active`"),
        );
        return;
    }
    for place in muted {
        findings.warning(format!("{path}.active[{place}]"), "changes nothing: `mute` names the same hours");
    }
}

/// The escalation may come from a parent: then the interval is read by nobody.
fn refuse_useless_intervals(findings: &mut Findings, routes: &[Route]) {
    let find = |name: &str| routes.iter().find(|route| route.name == name);
    for (i, route) in routes.iter().enumerate().filter(|(_, route)| route.repeat_interval.is_some()) {
        let mut ancestor = route.under.as_deref().and_then(find);
        let mut steps = 0;
        while let Some(parent) = ancestor.filter(|_| steps <= routes.len()) {
            if let (Some(escalation), None) = (&parent.escalation, &route.escalation) {
                let inherits = format!("`{}` inherits the escalation `{escalation}` of `{}`", route.name, parent.name);
                findings.add(
                    Problem::error(
                        format!("spec.routes[{i}].repeatInterval"),
                        format!("expected no interval beside an escalation: {inherits}"),
                    )
                    .suggest("leave it out, or put the route beside its parent"),
                );
                break;
            }
            ancestor = parent.under.as_deref().and_then(find);
            steps += 1;
        }
    }
}
