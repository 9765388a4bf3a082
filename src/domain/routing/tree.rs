//! The tree of routes: who owns an alert, what its route inherits, and who else is told.
//!
//! The tree is a flat list in which `under` names the parent, which stands before its children. The walk is
//! Alertmanager's: a route that matches asks its children first and is itself the answer only when none of them
//! matches; after a route that matched, its later siblings are tried only with `continue`.

use std::time::Duration;

use super::{GROUP_WAIT, REFIRE_WITHIN, RESOLVE_AFTER, ROOT, ROOT_GROUP_BY, does_not_hold, value};
use crate::{
    alert::Severity,
    labels::Labels,
    matcher::{self, Matcher},
    policy::{NotifyTarget, Policy, Route},
    problem::Problem,
};

/// What happens with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteDecision {
    /// The route that owns ticket and chain; [`ROOT`] when none matched.
    pub name: String,
    /// Whether no route matched.
    pub is_root: bool,
    /// Labels for the group key where `correlate` has none; `...` stands for all.
    pub group_by: Vec<String>,
    /// How long the first notice waits for more of its group; zero for a page.
    pub group_wait: Duration,
    /// The escalation to run.
    pub escalation: Option<String>,
    /// Told once, without escalation: by the owning route, then by those reached through `continue`; each target once.
    pub notify: Vec<NotifyTarget>,
    /// `P1` … `P5`.
    pub priority: String,
    /// How long a recovered ticket stays open.
    pub resolve_after: Duration,
    /// How long after Resolved the same ticket is used again.
    pub refire_within: Duration,
    walk: Vec<Seen>,
}

/// What the walk found at a route, by its place in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// This condition of it does not hold.
    Skipped { route: usize, matcher: usize },
    /// It matches, and none of its children does.
    Reached { route: usize },
    /// It matches, and so does one below it.
    Passed { route: usize },
}

impl RouteDecision {
    /// Why, in the order in which the routes were tried; `policy` and `labels` are those the decision was made with.
    pub fn reasons(&self, policy: &Policy, labels: &Labels) -> Vec<String> {
        let mut owned = false;
        let mut sentences = Vec::new();
        for seen in &self.walk {
            let (Seen::Skipped { route, .. } | Seen::Reached { route } | Seen::Passed { route }) = *seen;
            let Some(route) = policy.routes.get(route) else { continue };
            let why = match *seen {
                Seen::Skipped { matcher, .. } => match route.matchers.get(matcher) {
                    Some(matcher) => format!("skipped: {}", does_not_hold(matcher, value(labels, &matcher.name))),
                    None => continue,
                },
                Seen::Passed { .. } => format!("{}, and so does a route under it", matches_what(route)),
                Seen::Reached { .. } if owned => {
                    format!("{}, reached by `continue`: it adds its `notify`", matches_what(route))
                }
                Seen::Reached { .. } => {
                    owned = true;
                    format!("{}: it owns the ticket", matches_what(route))
                }
            };
            sentences.push(format!("route {} {why}", route.name));
        }
        if self.is_root {
            let rest = if self.notify.is_empty() { "nobody is told" } else { "the last resort is told" };
            sentences.push(format!("no route matches: {rest}"));
        }
        sentences
    }
}

fn matches_what(route: &Route) -> String {
    if route.matchers.is_empty() {
        "matches everything".to_owned()
    } else {
        format!("matches {}", matcher::list(&route.matchers))
    }
}

/// The route for an alert. `labels` and `severity` come from [`normalise`](super::normalise). Always answers: where no
/// route matches, the implicit root does.
pub fn route(policy: &Policy, labels: &Labels, severity: Severity) -> RouteDecision {
    let mut walk = Walk { routes: &policy.routes, labels, seen: Vec::new(), path: Vec::new(), reached: Vec::new() };
    walk.below(None);
    let root = Settings::of_root(policy, severity);
    let owner = walk.reached.first().map_or(&[][..], Vec::as_slice);
    let settings = owner.iter().fold(root, |settings, index| settings.refined_by(policy.routes.get(*index)));
    let mut decision = settings.decide(policy, severity, owner.last().copied());
    for path in walk.reached.iter().skip(1) {
        let none = Settings { notify: &[], ..root };
        let more = path.iter().fold(none, |settings, index| settings.refined_by(policy.routes.get(*index))).notify;
        add_once(&mut decision.notify, more);
    }
    decision.walk = walk.seen;
    decision
}

struct Walk<'a> {
    routes: &'a [Route],
    labels: &'a Labels,
    seen: Vec<Seen>,
    /// From the root to the route whose children are tried.
    path: Vec<usize>,
    /// The path of each route that answers, the owner first.
    reached: Vec<Vec<usize>>,
}

impl Walk<'_> {
    /// Tries the children of a route, or of the root; whether one of them answered.
    fn below(&mut self, parent: Option<usize>) -> bool {
        let before = self.reached.len();
        let name = parent.and_then(|index| self.routes.get(index)).map(|route| route.name.as_str());
        // Only later ones can be children, so that the walk ends whatever the list says.
        let first = parent.map_or(0, |index| index + 1);
        for (index, route) in self.routes.iter().enumerate().skip(first) {
            if route.under.as_deref() != name {
                continue;
            }
            let fails = |matcher: &Matcher| !matcher.matches(self.labels);
            if let Some(matcher) = route.matchers.iter().position(fails) {
                self.seen.push(Seen::Skipped { route: index, matcher });
                continue;
            }
            self.answer(index);
            if !route.continues {
                break;
            }
        }
        self.reached.len() > before
    }

    /// A route that matches: its children answer for it, or it does.
    fn answer(&mut self, index: usize) {
        self.path.push(index);
        let place = self.seen.len();
        if self.below(Some(index)) {
            self.seen.insert(place, Seen::Passed { route: index });
        } else {
            self.seen.push(Seen::Reached { route: index });
            self.reached.push(self.path.clone());
        }
        self.path.pop();
    }
}

/// What a route says, over what it inherits.
#[derive(Clone, Copy)]
struct Settings<'a> {
    group_by: Option<&'a [String]>,
    group_wait: Duration,
    escalation: Option<&'a str>,
    notify: &'a [NotifyTarget],
    priority: Option<&'a str>,
    resolve_after: Duration,
    refire_within: Duration,
}

impl<'a> Settings<'a> {
    /// Pages that no route gives to anybody go to the last resort.
    fn of_root(policy: &'a Policy, severity: Severity) -> Self {
        Self {
            group_by: None,
            group_wait: GROUP_WAIT,
            escalation: None,
            notify: if severity == Severity::Page { &policy.last_resort } else { &[] },
            priority: None,
            resolve_after: RESOLVE_AFTER,
            refire_within: REFIRE_WITHIN,
        }
    }

    /// A route that names neither escalation nor `notify` of its own tells those its parent tells, as a route without
    /// a receiver does in Alertmanager; one that names either has replaced them.
    fn refined_by(self, route: Option<&'a Route>) -> Self {
        let Some(route) = route else { return self };
        let tells_as_parent = route.notify.is_empty() && route.escalation.is_none();
        Self {
            group_by: route.group_by.as_deref().or(self.group_by),
            group_wait: route.group_wait.unwrap_or(self.group_wait),
            escalation: route.escalation.as_deref().or(self.escalation),
            notify: if tells_as_parent { self.notify } else { &route.notify },
            priority: route.priority.as_deref().or(self.priority),
            resolve_after: route.resolve_after.unwrap_or(self.resolve_after),
            refire_within: route.refire_within.unwrap_or(self.refire_within),
        }
    }

    fn decide(self, policy: &Policy, severity: Severity, owner: Option<usize>) -> RouteDecision {
        let owner = owner.and_then(|index| policy.routes.get(index));
        let mut notify = Vec::new();
        add_once(&mut notify, self.notify);
        RouteDecision {
            name: owner.map_or(ROOT, |route| &route.name).to_owned(),
            is_root: owner.is_none(),
            group_by: self.group_by.map_or_else(|| ROOT_GROUP_BY.map(str::to_owned).to_vec(), <[String]>::to_vec),
            group_wait: if severity == Severity::Page { Duration::ZERO } else { self.group_wait },
            escalation: self.escalation.map(str::to_owned),
            notify,
            priority: self.priority.unwrap_or(default_priority(severity)).to_owned(),
            resolve_after: self.resolve_after,
            refire_within: self.refire_within,
            walk: Vec::new(),
        }
    }
}

fn add_once(list: &mut Vec<NotifyTarget>, more: &[NotifyTarget]) {
    for target in more {
        if !list.contains(target) {
            list.push(target.clone());
        }
    }
}

fn default_priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "P1",
        Severity::Ticket => "P3",
        Severity::Info => "P4",
    }
}

/// What is wrong with `under`, as `routes[2].under`: a name that no route has, a route under itself, or one under a
/// route that stands after it.
pub fn check_tree(routes: &[Route]) -> Vec<Problem> {
    let check = |(index, route): (usize, &Route)| {
        let parent = route.under.as_deref()?;
        let path = format!("routes[{index}].under");
        let place = routes.iter().position(|other| other.name == parent);
        match place {
            None => {
                let names = routes.iter().map(|other| other.name.as_str()).filter(|name| *name != route.name);
                let problem = Problem::error(path, format!("no route is called `{parent}`"));
                Some(problem.suggest_from(parent, names))
            }
            Some(place) if place < index => None,
            Some(_) => Some(match circle(routes, route) {
                Some(circle) => Problem::error(path, format!("a route cannot stand under itself: {circle}"))
                    .suggest("leave `under` out on the route that comes first"),
                None => Problem::error(
                    path,
                    format!("expected a route written before this one, and `{parent}` comes after it"),
                )
                .suggest(format!("move `{}` below `{parent}`", route.name)),
            }),
        }
    };
    routes.iter().enumerate().filter_map(check).collect()
}

/// "a → b → a" when the parents of `route` lead back to it.
fn circle(routes: &[Route], route: &Route) -> Option<String> {
    let mut names = vec![route.name.as_str()];
    let mut parent = route.under.as_deref();
    while let Some(name) = parent {
        names.push(name);
        if name == route.name {
            return Some(names.join(" → "));
        }
        if names.len() > routes.len() {
            return None;
        }
        parent = routes.iter().find(|other| other.name == name).and_then(|other| other.under.as_deref());
    }
    None
}
