//! Whether steps and the last resort reach anybody: a name that exists is not yet a person who is told.
//!
//! Times when nobody is on call are not judged here; they are the schedule's coverage.

use std::collections::BTreeSet;

use domain::{
    alert::Severity,
    policy::{NotifyTarget, Policy},
};

use crate::findings::Findings;

/// Warns of people whom a step names and whose rules are for other severities than the step's routes have; a last resort
/// that reaches nobody for a page is an error.
pub(super) fn check(findings: &mut Findings, policy: &Policy, escalations: &[&str]) {
    for (i, name) in escalations.iter().enumerate() {
        let Some(escalation) = policy.escalations.get(*name) else { continue };
        for severity in severities_of(policy, name) {
            for (j, step) in escalation.steps.iter().enumerate() {
                let path = format!("spec.escalations[{i}].steps[{j}].notify");
                let unreached = unreached(policy, &step.notify, severity);
                if reaches_nobody(&step.notify, &unreached) {
                    let why = none_of(&unreached, severity);
                    findings.warning(
                        path,
                        format!(
                            "this step reaches nobody for severity {severity}: {why}; give them a rule without `severity`"
                        ),
                    );
                    continue;
                }
                for target in unreached {
                    let why = none_of(std::slice::from_ref(&target), severity);
                    findings.warning(
                        format!("{path}[{}]", target.place),
                        format!("{why}; give them a rule without `severity`"),
                    );
                }
            }
        }
    }
    let last = unreached(policy, &policy.last_resort, Severity::Page);
    if reaches_nobody(&policy.last_resort, &last) {
        findings.error(
            "spec.lastResort",
            format!(
                "expected somebody whom a page reaches, but {}; name a channel, or give them a rule without `severity`",
                none_of(&last, Severity::Page)
            ),
        );
    }
}

/// A target that does not reach everybody who may be meant by it.
struct Unreached {
    place: usize,
    people: Vec<String>,
    /// Whether it reaches nobody, whoever is on call.
    wholly: bool,
}

fn reaches_nobody(targets: &[NotifyTarget], unreached: &[Unreached]) -> bool {
    !targets.is_empty() && unreached.iter().filter(|target| target.wholly).count() == targets.len()
}

/// The severities with which some route runs this escalation, as far as its own matchers say.
fn severities_of(policy: &Policy, escalation: &str) -> Vec<Severity> {
    let runs = |severity: &Severity| {
        policy.routes.iter().filter(|route| route.escalation.as_deref() == Some(escalation)).any(|route| {
            let mut own = route.matchers.iter().filter(|matcher| matcher.name == "severity");
            own.all(|matcher| matcher.matches_value(severity.as_str()))
        })
    };
    // Most severe first: what is wrong for a page matters most. Info makes no ticket.
    [Severity::Page, Severity::Ticket].into_iter().filter(runs).collect()
}

fn unreached(policy: &Policy, targets: &[NotifyTarget], severity: Severity) -> Vec<Unreached> {
    let is_unreached = |name: &&str| {
        policy.people.get(*name).is_some_and(|person| !person.rules.is_empty() && person.rules_for(severity).is_empty())
    };
    let found = targets.iter().enumerate().map(|(place, target)| {
        let meant: BTreeSet<&str> = match target {
            NotifyTarget::Channel(_) => BTreeSet::new(),
            NotifyTarget::Person(person) => BTreeSet::from([person.as_str()]),
            NotifyTarget::Schedule(schedule) => {
                let layers = policy.schedules.get(schedule).map_or(&[][..], |schedule| &schedule.layers);
                layers.iter().flat_map(|layer| &layer.people).map(String::as_str).collect()
            }
        };
        let people: Vec<String> = meant.iter().copied().filter(is_unreached).map(str::to_owned).collect();
        Unreached { place, wholly: people.len() == meant.len(), people }
    });
    found.filter(|target| !target.people.is_empty()).collect()
}

/// "`ada` and `bob` have rules only for other severities than page"
fn none_of(unreached: &[Unreached], severity: Severity) -> String {
    let names: BTreeSet<String> =
        unreached.iter().flat_map(|target| &target.people).map(|person| format!("`{person}`")).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    let names: Vec<String> = names.into_iter().collect();
    format!("{} {verb} rules only for other severities than {severity}", names.join(" and "))
}
