//! The policy that decides about an alert.

use std::borrow::Borrow;

use super::{SEVERITY, does_not_hold, severity_of, value};
use crate::{
    labels::Labels,
    matcher::{self, Conjunction},
    policy::{Policy, ShareWith},
};

/// The policy that decides, and why it and none of the others.
#[derive(Debug, Clone)]
pub struct PolicyChoice<'a, P = Policy> {
    /// The policy, as it was given: itself, or what holds it.
    pub policy: &'a P,
    /// Whether another one stands at the same place with the same `order`, so that only the name decided
    /// (condition `AmbiguousOrder`).
    pub ambiguous: bool,
    /// One sentence for each policy that serves the namespace, the chosen one first.
    pub reasons: Vec<String>,
}

/// How near a policy is to an alert; the nearest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Matches,
    Default,
    SharedMatches,
    SharedDefault,
}

/// The policy for an alert of `namespace` with these labels, as the sender wrote them; each policy reads the severity
/// in its own words. The namespace's own policies that match come first, by `order`, then name; then its own with an
/// empty `match`; then those shared with it, matching ones first again, of one name the lower namespace first. `None`
/// when there is none of these.
pub fn choose_policy<'a, P: Borrow<Policy>>(
    policies: impl IntoIterator<Item = &'a P>,
    namespace: &str,
    labels: &Labels,
) -> Option<PolicyChoice<'a, P>> {
    let mut candidates = Vec::new();
    let mut reasons = Vec::new();
    for given in policies {
        let policy: &Policy = given.borrow();
        if !policy.serves(namespace) {
            continue;
        }
        match nearness(policy, namespace, labels) {
            Ok(near) => candidates.push((near, policy, given)),
            Err(why) => reasons.push(format!("{} skipped: {why}", title(policy, namespace))),
        }
    }
    // The order in which they arrive must not show.
    reasons.sort_unstable();
    candidates.sort_unstable_by_key(|(near, policy, _)| (*near, policy.order, &policy.name, &policy.namespace));
    let ((near, chosen, given), others) = candidates.split_first()?;
    let ties = |(other_near, other, _): &(Nearness, &Policy, &P)| (*other_near, other.order) == (*near, chosen.order);
    let later = others.iter().map(|other| {
        let why = if ties(other) { same_order(chosen, other.1) } else { comes_later(*near, chosen, other.0) };
        format!("{} skipped: {why}", title(other.1, namespace))
    });
    let mut all = vec![format!("{}: {}", title(chosen, namespace), why_chosen(*near, chosen))];
    all.extend(later);
    all.append(&mut reasons);
    Some(PolicyChoice { policy: *given, ambiguous: others.first().is_some_and(ties), reasons: all })
}

fn nearness(policy: &Policy, namespace: &str, labels: &Labels) -> Result<Nearness, String> {
    for matcher in &policy.matchers {
        let value = match matcher.name.as_str() {
            SEVERITY => severity_of(policy, labels).as_str(),
            name => value(labels, name),
        };
        if !matcher.matches_value(value) {
            return Err(does_not_hold(matcher, value));
        }
    }
    Ok(match (policy.namespace == namespace, policy.matchers.is_empty()) {
        (true, false) => Nearness::Matches,
        (true, true) => Nearness::Default,
        (false, false) => Nearness::SharedMatches,
        (false, true) => Nearness::SharedDefault,
    })
}

/// Whether of two policies only the name decides for some alert: they can stand at the same place, have one `order`, and
/// nothing tells that no labels match both.
pub fn are_ambiguous(one: &Policy, other: &Policy) -> bool {
    let shared = |policy: &Policy, with: &Policy| match &with.share_with {
        ShareWith::Nobody => false,
        ShareWith::All => policy.share_with != ShareWith::Nobody,
        ShareWith::Namespaces(names) => names.iter().any(|name| policy.namespace != *name && policy.serves(name)),
    };
    let meet = one.namespace == other.namespace || shared(one, other) || shared(other, one);
    // Severity is left out: each policy reads it in its own words.
    let all = one.matchers.iter().chain(&other.matchers).filter(|matcher| matcher.name != SEVERITY);
    meet && one.order == other.order
        && one.matchers.is_empty() == other.matchers.is_empty()
        && Conjunction::new(all, &[]).contradiction().is_none()
}

fn title(policy: &Policy, namespace: &str) -> String {
    if policy.namespace == namespace {
        format!("policy {}", policy.name)
    } else {
        format!("policy {} (shared from {})", policy.name, policy.namespace)
    }
}

fn why_chosen(near: Nearness, policy: &Policy) -> String {
    match near {
        Nearness::Matches | Nearness::SharedMatches => format!("matches {}", matcher::list(&policy.matchers)),
        Nearness::Default => "is the default of the namespace".to_owned(),
        Nearness::SharedDefault => "is the default among the shared ones".to_owned(),
    }
}

fn same_order(chosen: &Policy, other: &Policy) -> String {
    let by = if chosen.name == other.name { "namespace" } else { "name" };
    format!("it has the same order {} as {}, which comes first by {by}", other.order, chosen.name)
}

fn comes_later(near: Nearness, chosen: &Policy, other: Nearness) -> String {
    let name = &chosen.name;
    match (near, other) {
        (near, other) if near == other => format!("{name} has the lower order {}", chosen.order),
        (Nearness::Matches | Nearness::Default, Nearness::SharedMatches | Nearness::SharedDefault) => {
            format!("{name} is the namespace's own")
        }
        _ => format!("it is only a default, and {name} matches"),
    }
}
