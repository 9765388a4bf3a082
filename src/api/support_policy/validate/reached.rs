//! Which routes an alert can reach at all, and what becomes of it there.
//!
//! A route can be out of reach because its matchers contradict those above it, or because others stand before it and
//! take everything. What can be told is told by [`Conjunction`]; what cannot be told is left alone.

use domain::{
    alert::Severity,
    matcher::{Conjunction, Matcher},
    policy::{NotifyTarget, Policy, Route},
    problem::Problem,
    routing::{KNOWN, check_tree, decision_of},
    time::format_duration,
};

use crate::{
    findings::{Findings, words},
    support_policy::SupportPolicySpec,
};

const SEVERITY: &str = "severity";

/// Looks at the whole tree. One that could not be read as a whole is left alone: nobody knows what its routes take.
pub(super) fn check(findings: &mut Findings, spec: &SupportPolicySpec, policy: &Policy) {
    let read =
        spec.routes.iter().zip(policy.routes.iter()).all(|(one, route)| one.matchers.len() == route.matchers.len());
    let names: Vec<&str> = policy.routes.iter().map(|route| route.name.as_str()).collect();
    let unique = names.iter().enumerate().all(|(i, name)| !names.iter().take(i).any(|other| other == name));
    if !read || !unique || !check_tree(&policy.routes).is_empty() || spec.matchers.len() != policy.matchers.len() {
        return;
    }
    let mut tree = Look { policy, lost: Vec::new(), unescalated: Vec::new() };
    for (place, route) in policy.routes.iter().enumerate() {
        let problem = tree.out_of_reach(place, route);
        let lost = problem.is_some() || tree.is_lost(place, route);
        if let Some(problem) = problem {
            findings.add(problem);
        }
        if lost {
            tree.lost.push(place);
            continue;
        }
        if let Some(problem) = tree.pages_without_escalation(place, route) {
            tree.unescalated.push(place);
            findings.add(problem);
        }
        findings.add_all(tree.continues_in_vain(place, route));
        findings.add_all(interval_in_vain(spec, policy, place, route));
    }
    // A route that is wrong may be the one that is missed.
    if findings.are_fine_under("spec.routes") {
        findings.add_all(tree.tickets_that_nobody_hears_of());
    }
}

struct Look<'p> {
    policy: &'p Policy,
    /// Routes that nothing reaches, so that nothing more is said of what stands under them.
    lost: Vec<usize>,
    /// Routes of which it is said that a page there starts no escalation.
    unescalated: Vec<usize>,
}

impl<'p> Look<'p> {
    /// What holds of every alert that fulfils this route: its own matchers after those above it, each with its route.
    fn on_the_way(&self, place: usize) -> Vec<(&'p Route, &'p Matcher)> {
        let path = self.policy.routes.places(place).into_iter().filter_map(|place| self.policy.routes.get(place));
        path.flat_map(|route| route.matchers.iter().map(move |matcher| (route, matcher))).collect()
    }

    fn conditions(&self, place: usize) -> Conjunction<'p> {
        Conjunction::new(self.on_the_way(place).into_iter().map(|(_, matcher)| matcher), KNOWN)
    }

    /// Those that are tried before this one when an alert reaches its parent.
    fn before(&self, place: usize) -> impl Iterator<Item = &'p Route> {
        let path = self.policy.routes.places(place);
        let parent = path.len().checked_sub(2).and_then(|above| path.get(above)).copied();
        let siblings = self.policy.routes.below(parent);
        siblings.iter().take_while(move |other| **other != place).filter_map(|other| self.policy.routes.get(*other))
    }

    /// Whether nothing reaches it for a reason that is said elsewhere: of its own list, or of a route above.
    fn is_lost(&self, place: usize, route: &Route) -> bool {
        self.policy.routes.places(place).iter().any(|above| self.lost.contains(above))
            || Conjunction::new(&route.matchers, KNOWN).contradiction().is_some()
    }

    fn out_of_reach(&self, place: usize, route: &Route) -> Option<Problem> {
        if self.is_lost(place, route) {
            return None;
        }
        self.contradicts_above(place, route)
            .or_else(|| self.taken_before(place, route))
            .or_else(|| self.contradicts_policy(place, route))
    }

    /// `match` of a route that cannot hold together with what the routes above it ask for.
    fn contradicts_above(&self, place: usize, route: &Route) -> Option<Problem> {
        let way = self.on_the_way(place);
        let found = Conjunction::new(way.iter().map(|(_, matcher)| *matcher), KNOWN).contradiction()?;
        let named: Vec<_> = found.among.iter().filter_map(|index| way.get(*index)).collect();
        let ((_, own), others) = named.split_last()?;
        let (parent, _) = others.first()?;
        let index = route.matchers.iter().position(|matcher| matcher == *own)?;
        let texts: Vec<String> = others.iter().map(|(_, matcher)| matcher.to_string()).collect();
        Some(
            Problem::error(
                format!("spec.routes[{place}].match[{index}]"),
                format!(
                    "{own} cannot hold together with {} of `{}`, under which `{}` stands: nothing ever gets here",
                    words(&texts, "and"),
                    parent.name,
                    route.name
                ),
            )
            .suggest(format!("put `{}` beside `{}`, or leave one of them out", route.name, parent.name)),
        )
    }

    /// `match` of a route that cannot hold together with the policy's own.
    fn contradicts_policy(&self, place: usize, route: &Route) -> Option<Problem> {
        let own_list = &self.policy.matchers;
        if Conjunction::new(own_list, KNOWN).contradiction().is_some() {
            return None;
        }
        let way = self.on_the_way(place);
        let all = own_list.iter().chain(way.iter().map(|(_, matcher)| *matcher));
        let found = Conjunction::new(all, KNOWN).contradiction()?;
        let own = way.get(found.among.last()?.checked_sub(own_list.len())?)?.1;
        let of_policy: Vec<String> =
            found.among.iter().filter_map(|index| own_list.get(*index)).map(Matcher::to_string).collect();
        let path = match route.matchers.iter().position(|matcher| matcher == own) {
            Some(index) => format!("spec.routes[{place}].match[{index}]"),
            None => format!("spec.routes[{place}]"),
        };
        let message = format!(
            "{own} cannot hold together with {} of spec.match: no alert that this policy takes gets here",
            words(&of_policy, "and")
        );
        Some(Problem::warning(path, message).suggest("leave one of them out"))
    }

    /// A route behind one that takes everything it could take, or behind several that do so between them, one severity
    /// each.
    fn taken_before(&self, place: usize, route: &Route) -> Option<Problem> {
        let conditions = self.conditions(place);
        let before: Vec<&Route> = self.before(place).filter(|other| !other.continues).collect();
        let path = format!("spec.routes[{place}]");
        if let Some(other) = before.iter().find(|other| conditions.implies(&other.matchers)) {
            let what = if other.matchers.is_empty() { "everything" } else { "all that it could match" };
            return Some(
                Problem::warning(
                    path,
                    format!("never reached: `{}` stands before it, matches {what} and does not continue", other.name),
                )
                .suggest(format!("move `{}` above `{}`, or give that one `continue: true`", route.name, other.name)),
            );
        }
        let mut takers: Vec<String> = Vec::new();
        for severity in Severity::ALL.into_iter().rev() {
            let narrowed = conditions.clone().where_label_is(SEVERITY, severity.as_str());
            if narrowed.contradiction().is_some() {
                continue;
            }
            let taker = format!("`{}`", before.iter().find(|other| narrowed.implies(&other.matchers))?.name);
            if !takers.contains(&taker) {
                takers.push(taker);
            }
        }
        if takers.is_empty() {
            return None;
        }
        let message = format!(
            "never reached: {} stand before it, match all that it could match between them and do not continue",
            words(&takers, "and")
        );
        Some(Problem::warning(path, message).suggest(format!("move `{}` above them, or leave it out", route.name)))
    }

    /// A route that is written for pages and where a page starts no escalation. One that merely lets pages in, such as
    /// the last without matchers, may never see any.
    fn pages_without_escalation(&self, place: usize, route: &Route) -> Option<Problem> {
        let asks = self.on_the_way(place).iter().any(|(_, matcher)| matcher.name == SEVERITY);
        let page = |place: usize| self.conditions(place).where_label_is(SEVERITY, Severity::Page.as_str());
        if !asks || page(place).contradiction().is_some() {
            return None;
        }
        // What takes pages before it owns them, also when it continues: this one only adds its `notify` then.
        let path = self.policy.routes.places(place);
        if path.iter().any(|above| self.unescalated.contains(above)) {
            return None;
        }
        let owned = path.iter().any(|above| {
            let page = page(*above);
            self.before(*above).any(|other| page.implies(&other.matchers))
        });
        let children = self.policy.routes.below(Some(place)).iter().filter_map(|child| self.policy.routes.get(*child));
        let here = page(place);
        if owned || children.into_iter().any(|child| here.implies(&child.matchers)) {
            return None;
        }
        let decision = decision_of(self.policy, place, Severity::Page);
        if decision.escalation.is_some() {
            return None;
        }
        let inherits_nobody =
            path.iter().all(|above| self.policy.routes.get(*above).is_none_or(|route| route.notify.is_empty()));
        let who = if inherits_nobody {
            "only the last resort is told".to_owned()
        } else {
            format!("{} told, and nobody else when nobody reacts", told(&decision.notify))
        };
        Some(
            Problem::warning(
                format!("spec.routes[{place}]"),
                format!("a page that `{}` takes starts no escalation: {who}", route.name),
            )
            .suggest("name an `escalation`"),
        )
    }

    fn continues_in_vain(&self, place: usize, route: &Route) -> Option<Problem> {
        let path = self.policy.routes.places(place);
        let parent = path.len().checked_sub(2).and_then(|above| path.get(above)).copied();
        if !route.continues || self.policy.routes.below(parent).last() != Some(&place) {
            return None;
        }
        let beside = match parent.and_then(|parent| self.policy.routes.get(parent)) {
            Some(parent) => format!("under `{}`", parent.name),
            None => "of the policy".to_owned(),
        };
        let message =
            format!("changes nothing: `{}` is the last route {beside}, so there is none to go on to", route.name);
        Some(
            Problem::warning(format!("spec.routes[{place}].continue"), message)
                .suggest("leave it out, or move the route above those that are to be told as well"),
        )
    }

    /// The implicit root tells the last resort of pages only.
    fn tickets_that_nobody_hears_of(&self) -> Option<Problem> {
        if self.policy.routes.is_empty() {
            return None;
        }
        let ticket = Severity::Ticket.as_str();
        let tickets = Conjunction::new(&self.policy.matchers, KNOWN).where_label_is(SEVERITY, ticket);
        let top = || self.policy.routes.below(None).iter().filter_map(|place| self.policy.routes.get(*place));
        if tickets.contradiction().is_some() || top().any(|route| tickets.implies(&route.matchers)) {
            return None;
        }
        let takes_some = |route: &&Route| {
            let all = self.policy.matchers.iter().chain(&route.matchers);
            Conjunction::new(all, KNOWN).where_label_is(SEVERITY, ticket).contradiction().is_none()
        };
        let which = if top().any(|route| takes_some(&route)) {
            "an alert of severity ticket that matches none of these routes opens a ticket of which nobody is told"
        } else {
            "no route takes an alert of severity ticket: it opens a ticket of which nobody is told"
        };
        let to = self.policy.last_resort.first().map(shown).unwrap_or_default();
        Some(
            Problem::warning("spec.routes", which)
                .suggest(format!("add a last route without matchers, such as `- {{name: rest, notify: [{{{to}}}]}}`")),
        )
    }
}

fn interval_in_vain(spec: &SupportPolicySpec, policy: &Policy, place: usize, route: &Route) -> Option<Problem> {
    let decision = decision_of(policy, place, Severity::Ticket);
    let timing = decision.owner()?.timing;
    let repeat = timing.repeat_interval.filter(|repeat| *repeat < timing.group_interval)?;
    let written = spec.routes.get(place)?;
    let field = match (&written.group_interval, &written.repeat_interval) {
        (Some(_), _) => "groupInterval",
        (None, Some(_)) => "repeatInterval",
        (None, None) => return None,
    };
    let (interval, repeat) = (format_duration(timing.group_interval), format_duration(repeat));
    let message = format!(
        "`{}` tells again what goes on after {repeat} (repeatInterval), and what is new only after {interval} (groupInterval)",
        route.name
    );
    Some(
        Problem::warning(format!("spec.routes[{place}].{field}"), message)
            .suggest(format!("write a groupInterval of at most {repeat}, or a repeatInterval of at least {interval}")),
    )
}

fn shown(target: &NotifyTarget) -> String {
    match target {
        NotifyTarget::Person(name) => format!("person: {name}"),
        NotifyTarget::Schedule(name) => format!("schedule: {name}"),
        NotifyTarget::Channel(name) => format!("channel: {name}"),
    }
}

/// "`chat` is" or "`ada` and `chat` are".
fn told(targets: &[NotifyTarget]) -> String {
    let name = |target: &NotifyTarget| match target {
        NotifyTarget::Person(name) | NotifyTarget::Schedule(name) | NotifyTarget::Channel(name) => format!("`{name}`"),
    };
    let names: Vec<String> = targets.iter().map(name).collect();
    format!("{} {}", words(&names, "and"), if names.len() == 1 { "is" } else { "are" })
}
