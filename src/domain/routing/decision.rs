//! What the walk decided, and why.

use std::time::Duration;

use super::{does_not_hold, timing::Timing, value, walk};
use crate::{
    labels::Labels,
    matcher,
    policy::{NotifyTarget, Policy, Route},
};

/// What happens with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteDecision {
    /// The route that owns ticket and chain; [`ROOT`](super::ROOT) when none matched.
    pub name: String,
    /// Whether no route matched.
    pub is_root: bool,
    /// Labels for the group key where `correlate` has none; `...` stands for all.
    pub group_by: Vec<String>,
    /// The escalation to run.
    pub escalation: Option<String>,
    /// Everybody who is told without escalation: by the owning route, then by those reached through `continue`; each
    /// target once.
    pub notify: Vec<NotifyTarget>,
    /// `P1` … `P5`.
    pub priority: String,
    /// Whether there is a ticket at all: always but for info, which needs a route with `ticket: true`.
    pub opens_ticket: bool,
    /// How long a recovered ticket stays open.
    pub resolve_after: Duration,
    /// How long after Resolved the same ticket is used again.
    pub refire_within: Duration,
    /// The owning route, then those reached through `continue`: each notifies in its own rhythm. The targets of a
    /// branch are those that none before it tells; only the owner may have none.
    pub branches: Vec<Branch>,
}

/// Whom one of the routes notifies, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The route's name.
    pub route: String,
    /// Who is told.
    pub notify: Vec<NotifyTarget>,
    /// In which rhythm. The first notice of a page waits for nothing.
    pub timing: Timing,
    /// Calendars while one of which is open nobody is told.
    pub mute: Vec<String>,
    /// Calendars outside all of which nobody is told; empty: always.
    pub active: Vec<String>,
}

/// What the walk found at a route, by its place in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// This condition of it does not hold.
    Skipped { route: usize, matcher: usize },
    /// It matches, and none of its children does.
    Reached { route: usize },
    /// It matches, and so does one below it.
    Passed { route: usize },
}

impl RouteDecision {
    /// The owning route's rhythm and calendars.
    pub fn owner(&self) -> Option<&Branch> {
        self.branches.first()
    }

    /// How long the owning route lets a first notice wait; zero for a page.
    pub fn group_wait(&self) -> Duration {
        self.owner().map_or(Duration::ZERO, |owner| owner.timing.group_wait)
    }

    pub(super) fn add(&mut self, mut branch: Branch) {
        let mut fresh = Vec::new();
        for target in branch.notify {
            if !self.notify.contains(&target) {
                self.notify.push(target.clone());
                fresh.push(target);
            }
        }
        branch.notify = fresh;
        if self.branches.is_empty() || !branch.notify.is_empty() {
            self.branches.push(branch);
        }
    }

    /// Why, in the order in which the routes were tried; `policy` and `labels` are those the decision was made with.
    /// The tree is walked again for it: routing itself keeps nothing that nobody asks for.
    pub fn reasons(&self, policy: &Policy, labels: &Labels) -> Vec<String> {
        let mut owned = false;
        let mut sentences = Vec::new();
        for seen in walk::seen(policy, labels) {
            let (Seen::Skipped { route, .. } | Seen::Reached { route } | Seen::Passed { route }) = seen;
            let Some(route) = policy.routes.get(route) else { continue };
            let why = match seen {
                Seen::Skipped { matcher, .. } => match route.matchers.get(matcher) {
                    Some(matcher) => format!("skipped: {}", does_not_hold(matcher, value(labels, &matcher.name))),
                    None => continue,
                },
                Seen::Passed { .. } => format!("{}, and so does a route under it", matches_what(route)),
                Seen::Reached { .. } if owned => {
                    format!("{}, reached by `continue`: it adds its `notify`", matches_what(route))
                }
                Seen::Reached { .. } if !self.opens_ticket => {
                    owned = true;
                    format!(
                        "{}: it owns the alert, which is info and makes no ticket without `ticket: true`",
                        matches_what(route)
                    )
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
