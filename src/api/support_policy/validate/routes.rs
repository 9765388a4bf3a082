//! Routes: a tree, written as a flat list.

use std::time::Duration;

use domain::{
    alert::Severity, calendar::ALWAYS, matcher::Matcher, policy::Route as Valid, problem::Problem, routing::Tree,
};

use super::{DAY, Names, inhibit::covers};
use crate::{
    findings::{Findings, seconds},
    support_policy::Route,
};

/// Alertmanager's word for "by all labels".
const ALL_LABELS: &str = "...";

pub(super) fn read(findings: &mut Findings, routes: &[Route], names: &Names<'_>) -> Tree {
    findings.unique("spec.routes", "route names", routes.iter().map(|route| route.name.as_str()));
    look_at_tree(findings, routes);
    let numbered = routes.iter().enumerate();
    let valid = numbered.map(|(i, written)| route(findings, &format!("spec.routes[{i}]"), written, names));
    let valid: Vec<Valid> = valid.collect();
    // With a matcher that could not be read, nobody knows what a route takes.
    if routes.iter().zip(&valid).all(|(written, read)| written.matchers.len() == read.matchers.len()) {
        warn_of_unreachable(findings, &valid);
    }
    Tree::new(valid)
}

fn route(findings: &mut Findings, path: &str, route: &Route, names: &Names<'_>) -> Valid {
    if let Some(escalation) = &route.escalation {
        names.escalation(findings, &format!("{path}.escalation"), escalation);
    }
    for (field, calendars) in [("mute", &route.mute), ("active", &route.active)] {
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
    if let Some(group_by) = &route.group_by
        && group_by.len() > 1
        && group_by.iter().any(|label| label == ALL_LABELS)
    {
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
    warn_of_what_never_matches(findings, &format!("{path}.match"), &route.matchers, &matchers);
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

/// Labels that every alert of a monitor has.
const OWN_LABELS: [&str; 5] = ["alertname", "namespace", "monitor", "service", "severity"];

/// A typo in a matcher sends pages to another route without a word. Two kinds can be told: a severity that no alert
/// has once the policy has mapped it, and a label whose name is one letter away from one of ours.
pub(super) fn warn_of_what_never_matches(
    findings: &mut Findings,
    path: &str,
    written: &[String],
    matchers: &[Matcher],
) {
    for (i, text) in written.iter().enumerate() {
        let Some(matcher) =
            matchers.iter().find(|matcher| Matcher::parse(text).is_ok_and(|parsed| parsed == **matcher))
        else {
            continue;
        };
        let path = format!("{path}[{i}]");
        if matcher.name == "severity" && !Severity::ALL.iter().any(|severity| matcher.matches_value(severity.as_str()))
        {
            let message =
                format!("no alert has {text}: severity is page, ticket or info here, whatever word its sender used");
            findings.add(Problem::warning(path, message).suggest("map the sender's words with spec.severities"));
            continue;
        }
        let close = Problem::warning(path, format!("no alert of ours has a label `{}`", matcher.name))
            .suggest_from(&matcher.name, OWN_LABELS);
        let typo = close.suggestion.as_ref().is_some_and(|text| text.starts_with("did you mean"));
        if typo && !OWN_LABELS.contains(&matcher.name.as_str()) {
            findings.add(close);
        }
    }
}

/// Every `under` names a route, and no route stands under itself. A route that can never be reached is a warning.
fn look_at_tree(findings: &mut Findings, routes: &[Route]) {
    let find = |name: &str| routes.iter().find(|route| route.name == name);
    for (i, route) in routes.iter().enumerate() {
        let path = format!("spec.routes[{i}].under");
        let Some(under) = &route.under else { continue };
        if find(under).is_none() {
            let known = routes.iter().map(|other| other.name.as_str()).filter(|name| *name != route.name);
            findings.add(Problem::error(path, format!("no route is called `{under}`")).suggest_from(under, known));
            continue;
        }
        // No chain of parents is longer than the list; a longer one goes in a circle.
        let mut ancestor = Some(route);
        let mut steps = 0;
        while let Some(current) = ancestor {
            ancestor = current.under.as_deref().and_then(find);
            steps += 1;
            if steps > routes.len() {
                findings.error(path, format!("`{}` stands under itself", route.name));
                break;
            }
        }
    }
    warn_of_useless_intervals(findings, routes);
}

/// The escalation may come from a parent: then the interval is read by nobody.
fn warn_of_useless_intervals(findings: &mut Findings, routes: &[Route]) {
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

/// A route that stands behind one that takes everything it could take, and does not continue.
fn warn_of_unreachable(findings: &mut Findings, routes: &[Valid]) {
    for (i, route) in routes.iter().enumerate() {
        let before = routes.iter().take(i).filter(|other| other.under == route.under && !other.continues);
        let Some(other) = before.into_iter().find(|other| covers(&other.matchers, &route.matchers)) else { continue };
        let what = if other.matchers.is_empty() { "everything" } else { "all that it could match" };
        findings.add(
            Problem::warning(
                format!("spec.routes[{i}]"),
                format!("never reached: `{}` stands before it, matches {what} and does not continue", other.name),
            )
            .suggest(format!("move `{}` above `{}`, or give that one `continue: true`", route.name, other.name)),
        );
    }
}
