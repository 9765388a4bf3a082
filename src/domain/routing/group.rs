//! The text that the alerts of one ticket share.

use std::collections::BTreeSet;

use super::{RouteDecision, value};
use crate::{
    labels::Labels,
    matcher::{bare_or_quoted, quoted},
    policy::Policy,
};

/// Alertmanager's word for "by all labels".
const ALL_LABELS: &str = "...";

/// What alerts of one ticket have in common, within a policy: the values of `correlate`, as `service="checkout"`; where
/// one of those labels is missing, the route and its `groupBy`, as `pages:{alertname="DiskFull"}`.
///
/// Two different sets of values never give the same text: values are quoted, names and routes when they hold signs.
/// Labels stand in order of name, so that re-ordering `correlate` or `groupBy` does not split a ticket.
pub fn group_key(policy: &Policy, decision: &RouteDecision, labels: &Labels) -> String {
    let correlate: BTreeSet<&str> = policy.correlate.iter().map(String::as_str).collect();
    let complete = correlate.iter().all(|name| !value(labels, name).is_empty());
    if complete && !correlate.is_empty() {
        return pairs(correlate, labels);
    }
    let names: BTreeSet<&str> = if decision.group_by.iter().any(|name| name == ALL_LABELS) {
        labels.keys().map(String::as_str).collect()
    } else {
        decision.group_by.iter().map(String::as_str).collect()
    };
    format!("{}:{{{}}}", bare_or_quoted(&decision.name), pairs(names, labels))
}

/// `a="1",b="2"`; a label that is not set is left out, as Alertmanager does.
fn pairs(names: BTreeSet<&str>, labels: &Labels) -> String {
    let set = names.into_iter().map(|name| (name, value(labels, name))).filter(|(_, value)| !value.is_empty());
    set.map(|(name, value)| format!("{}={}", bare_or_quoted(name), quoted(value))).collect::<Vec<_>>().join(",")
}
