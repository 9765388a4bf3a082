//! Policies, routes and labels in short notation.

mod choice;
mod group;
mod timing;
mod tree;
mod walk;

use super::*;
use crate::{
    matcher::Matcher,
    policy::{NotifyTarget, Route, ShareWith, example},
};

/// `labels("alertname=X service=checkout")`.
fn labels(text: &str) -> Labels {
    text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
}

fn matchers(text: &str) -> Vec<Matcher> {
    text.split_whitespace().map(|one| Matcher::parse(one).unwrap()).collect()
}

fn channel(name: &str) -> NotifyTarget {
    NotifyTarget::Channel(name.into())
}

/// `policy("payments/db", 100, "team=db")`: namespace and name, order, matchers.
fn policy(path: &str, order: u32, matching: &str) -> Policy {
    let (namespace, name) = path.split_once('/').unwrap();
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Policy { namespace, name, order, matchers: matchers(matching), ..example::policy() }
}

fn shared(policy: Policy) -> Policy {
    Policy { share_with: ShareWith::All, ..policy }
}

/// `bare("db", "service=database")`: a route under the root that says nothing else.
fn bare(name: &str, matching: &str) -> Route {
    Route {
        name: name.into(),
        under: None,
        matchers: matchers(matching),
        continues: false,
        group_by: None,
        group_wait: None,
        group_interval: None,
        repeat_interval: None,
        mute: Vec::new(),
        active: Vec::new(),
        ticket: None,
        escalation: None,
        notify: Vec::new(),
        priority: None,
        resolve_after: None,
        refire_within: None,
    }
}

fn under(parent: &str, route: Route) -> Route {
    Route { under: Some(parent.into()), ..route }
}

fn told(to: &str, route: Route) -> Route {
    Route { notify: vec![channel(to)], ..route }
}

fn escalated(escalation: &str, route: Route) -> Route {
    Route { escalation: Some(escalation.into()), ..route }
}

fn goes_on(route: Route) -> Route {
    Route { continues: true, ..route }
}

fn with_routes(routes: impl IntoIterator<Item = Route>) -> Policy {
    Policy { routes: routes.into_iter().collect(), ..example::policy() }
}

fn decide(policy: &Policy, text: &str) -> RouteDecision {
    let (labels, severity) = normalise(policy, &labels(text));
    route(policy, &labels, severity)
}
