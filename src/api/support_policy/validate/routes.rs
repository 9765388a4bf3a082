//! Routes: a tree, written as a flat list.

use std::time::Duration;

use domain::{alert::Severity, matcher::Matcher, policy::Route as Valid, problem::Problem};

use super::{DAY, Names};
use crate::{
    findings::{Findings, seconds},
    support_policy::Route,
};

/// Alertmanager's word for "by all labels".
const ALL_LABELS: &str = "...";

pub(super) fn read(findings: &mut Findings, routes: &[Route], names: &Names<'_>) -> Vec<Valid> {
    findings.unique("spec.routes", "route names", routes.iter().map(|route| route.name.as_str()));
    look_at_tree(findings, routes);
    routes
        .iter()
        .enumerate()
        .map(|(i, written)| route(findings, &format!("spec.routes[{i}]"), written, names))
        .collect()
}

fn route(findings: &mut Findings, path: &str, route: &Route, names: &Names<'_>) -> Valid {
    if let Some(escalation) = &route.escalation {
        names.escalation(findings, &format!("{path}.escalation"), escalation);
    }
    if let Some(group_by) = &route.group_by
        && group_by.len() > 1
        && group_by.iter().any(|label| label == ALL_LABELS)
    {
        findings.error(format!("{path}.groupBy"), "expected `...` alone, as it already is all labels");
    }
    let matchers = findings.matchers(&format!("{path}.match"), &route.matchers);
    warn_of_what_never_matches(findings, path, &route.matchers, &matchers);
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
        escalation: route.escalation.clone(),
        notify: names.targets(findings, &format!("{path}.notify"), &route.notify),
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
fn warn_of_what_never_matches(findings: &mut Findings, path: &str, written: &[String], matchers: &[Matcher]) {
    for (i, text) in written.iter().enumerate() {
        let Some(matcher) =
            matchers.iter().find(|matcher| Matcher::parse(text).is_ok_and(|parsed| parsed == **matcher))
        else {
            continue;
        };
        let path = format!("{path}.match[{i}]");
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
    warn_of_unreachable(findings, routes);
}

fn warn_of_unreachable(findings: &mut Findings, routes: &[Route]) {
    for (i, route) in routes.iter().enumerate() {
        let earlier = routes
            .iter()
            .take(i)
            .find(|other| other.under == route.under && other.matchers.is_empty() && !other.continues);
        if let Some(other) = earlier {
            findings.warning(
                format!("spec.routes[{i}]"),
                format!("never reached: `{}` stands before it, matches everything and does not continue", other.name),
            );
        }
    }
}
