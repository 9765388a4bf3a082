//! The walk through the tree of routes: who owns an alert, what its route inherits, and who else is told.
//!
//! The walk is Alertmanager's: a route that matches asks its children first and is itself the answer only when none of
//! them matches; after a route that matched, its later siblings are tried only with `continue`. What a route does not
//! say is its parent's, except `mute` and `active`, which hold for the route alone, as there. An empty `groupBy` says
//! nothing, as there.

use std::time::Duration;

use super::{
    GROUP_INTERVAL, GROUP_WAIT, REFIRE_WITHIN, RESOLVE_AFTER, ROOT, ROOT_GROUP_BY,
    decision::{Branch, RouteDecision, Seen},
    timing::Timing,
    tree::{Tree, Values},
};
use crate::{
    alert::Severity,
    labels::Labels,
    policy::{NotifyTarget, Policy, Route},
};

/// The route for an alert. `labels` and `severity` come from [`normalise`](super::normalise). Always answers: where no
/// route matches, the implicit root does.
pub fn route(policy: &Policy, labels: &Labels, severity: Severity) -> RouteDecision {
    let mut walk = Walk::through(&policy.routes, labels);
    walk.below(None);
    let root = Settings::of_root(policy, severity);
    let Some((&owner, others)) = walk.reached.split_first() else { return root.decide(ROOT, severity) };
    let settings = root.along(&policy.routes.path(owner));
    let mut decision = settings.decide(settings.name, severity);
    for &other in others {
        // The root's own targets are for what no route takes.
        let settings = Settings { notify: &[], ..root }.along(&policy.routes.path(other));
        decision.add(settings.branch(severity));
    }
    decision
}

/// What the route at this place decides about what reaches it and none of its children, with all that it inherits.
pub fn decision_of(policy: &Policy, place: usize, severity: Severity) -> RouteDecision {
    let settings = Settings::of_root(policy, severity).along(&policy.routes.path(place));
    settings.decide(settings.name, severity)
}

/// What the walk saw, in the order in which the routes were tried.
pub(super) fn seen(policy: &Policy, labels: &Labels) -> Vec<Seen> {
    let mut walk = Walk { seen: Some(Vec::new()), ..Walk::through(&policy.routes, labels) };
    walk.below(None);
    walk.seen.unwrap_or_default()
}

struct Walk<'a> {
    tree: &'a Tree,
    labels: &'a Labels,
    values: Values<'a>,
    /// The routes that answer, the owner first.
    reached: Vec<usize>,
    /// Kept only for those who ask why.
    seen: Option<Vec<Seen>>,
}

impl<'a> Walk<'a> {
    fn through(tree: &'a Tree, labels: &'a Labels) -> Self {
        Self { tree, labels, values: tree.values(labels), reached: Vec::new(), seen: None }
    }

    /// Tries the children of a route, or of the root; whether one of them answered.
    fn below(&mut self, parent: Option<usize>) -> bool {
        let (tree, before) = (self.tree, self.reached.len());
        for &index in tree.below(parent) {
            if !tree.matches(index, &self.values) {
                self.skip(index);
                continue;
            }
            self.answer(index);
            if tree.get(index).is_none_or(|route| !route.continues) {
                break;
            }
        }
        self.reached.len() > before
    }

    /// A route that matches: its children answer for it, or it does.
    fn answer(&mut self, index: usize) {
        let place = self.seen.as_ref().map_or(0, Vec::len);
        let passed = self.below(Some(index));
        if !passed {
            self.reached.push(index);
        }
        if let Some(seen) = &mut self.seen {
            match passed {
                true => seen.insert(place, Seen::Passed { route: index }),
                false => seen.push(Seen::Reached { route: index }),
            }
        }
    }

    fn skip(&mut self, index: usize) {
        let (Some(seen), Some(route)) = (&mut self.seen, self.tree.get(index)) else { return };
        let failing = route.matchers.iter().position(|matcher| !matcher.matches(self.labels));
        seen.extend(failing.map(|matcher| Seen::Skipped { route: index, matcher }));
    }
}

/// What a route says, over what it inherits.
#[derive(Clone, Copy)]
struct Settings<'a> {
    name: &'a str,
    group_by: Option<&'a [String]>,
    timing: Timing,
    escalation: Option<&'a str>,
    notify: &'a [NotifyTarget],
    priority: Option<&'a str>,
    ticket: bool,
    resolve_after: Duration,
    refire_within: Duration,
    mute: &'a [String],
    active: &'a [String],
}

impl<'a> Settings<'a> {
    /// Pages that no route gives to anybody go to the last resort.
    fn of_root(policy: &'a Policy, severity: Severity) -> Self {
        Self {
            name: ROOT,
            group_by: None,
            timing: Timing { group_wait: GROUP_WAIT, group_interval: GROUP_INTERVAL, repeat_interval: None },
            escalation: None,
            notify: if severity == Severity::Page { &policy.last_resort } else { &[] },
            priority: None,
            ticket: false,
            resolve_after: RESOLVE_AFTER,
            refire_within: REFIRE_WITHIN,
            mute: &[],
            active: &[],
        }
    }

    fn along(self, path: &[&'a Route]) -> Self {
        path.iter().fold(self, |settings, route| settings.refined_by(route))
    }

    /// A route that names neither escalation nor `notify` of its own tells those its parent tells, as a route without
    /// a receiver does in Alertmanager; one that names either has replaced them. One that names an escalation has no
    /// use for its parent's `repeatInterval`.
    fn refined_by(self, route: &'a Route) -> Self {
        let tells_as_parent = route.notify.is_empty() && route.escalation.is_none();
        let repeat = if route.escalation.is_some() { None } else { self.timing.repeat_interval };
        Self {
            name: &route.name,
            group_by: route.group_by.as_deref().filter(|names| !names.is_empty()).or(self.group_by),
            timing: Timing {
                group_wait: route.group_wait.unwrap_or(self.timing.group_wait),
                group_interval: route.group_interval.unwrap_or(self.timing.group_interval),
                repeat_interval: route.repeat_interval.or(repeat),
            },
            escalation: route.escalation.as_deref().or(self.escalation),
            notify: if tells_as_parent { self.notify } else { &route.notify },
            priority: route.priority.as_deref().or(self.priority),
            ticket: route.ticket.unwrap_or(self.ticket),
            resolve_after: route.resolve_after.unwrap_or(self.resolve_after),
            refire_within: route.refire_within.unwrap_or(self.refire_within),
            mute: &route.mute,
            active: &route.active,
        }
    }

    /// Those whom this route only notifies.
    fn branch(self, severity: Severity) -> Branch {
        let group_wait = if severity == Severity::Page { Duration::ZERO } else { self.timing.group_wait };
        Branch {
            route: self.name.to_owned(),
            notify: self.notify.to_vec(),
            timing: Timing { group_wait, ..self.timing },
            mute: self.mute.to_vec(),
            active: self.active.to_vec(),
        }
    }

    fn decide(self, name: &str, severity: Severity) -> RouteDecision {
        let mut decision = RouteDecision {
            name: name.to_owned(),
            is_root: name == ROOT,
            group_by: self.group_by.map_or_else(|| ROOT_GROUP_BY.map(str::to_owned).to_vec(), <[String]>::to_vec),
            escalation: self.escalation.map(str::to_owned),
            notify: Vec::new(),
            priority: self.priority.unwrap_or(default_priority(severity)).to_owned(),
            opens_ticket: severity > Severity::Info || self.ticket,
            resolve_after: self.resolve_after,
            refire_within: self.refire_within,
            branches: Vec::new(),
        };
        decision.add(self.branch(severity));
        decision
    }
}

/// The priority of what no route gives one.
pub fn default_priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "P1",
        Severity::Ticket => "P3",
        Severity::Info => "P4",
    }
}
