//! From a SupportPolicy's spec to a policy in which every name exists.
//!
//! References across levels are checked here and not by CEL, whose cost budget they exceed.

mod calendars;
mod channels;
mod contradictions;
mod escalations;
mod hours;
mod inhibit;
mod people;
mod queues;
mod reach;
mod reached;
mod routes;
mod schedules;
mod sla;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use domain::{
    calendar::ALWAYS,
    policy::{NotifyTarget as Target, Policy, ShareWith as Shared},
    problem::Problem,
};

use super::{EmailChannel, NotifyTarget, SupportPolicy, SupportPolicySpec};
use crate::findings::{Findings, Validated, seconds};

pub(crate) use contradictions::look_at_list;
pub use hours::hours_that_never_come;

const DAY: Duration = seconds(86_400);

/// Reads a SupportPolicy.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(policy: &SupportPolicy) -> Result<Validated<Policy>, Vec<Problem>> {
    let (valid, findings) = read(policy);
    findings.finish(valid)
}

/// What is understood of a SupportPolicy, with everything that is wrong with it: for those who compare rules, among which
/// are some that no policy in force may have.
pub fn understood(policy: &SupportPolicy) -> (Policy, Vec<Problem>) {
    let (policy, findings) = read(policy);
    findings.all(policy)
}

fn read(policy: &SupportPolicy) -> (Policy, Findings) {
    let mut findings = Findings::default();
    let spec = &policy.spec;
    let namespace = policy.metadata.namespace.clone().unwrap_or_default();
    let channels = channels::read(&mut findings, &spec.channels);
    let names = Names::of(spec);
    let calendars = calendars::read(&mut findings, &spec.calendars);
    let valid = Policy {
        matchers: findings.matchers("spec.match", &spec.matchers),
        order: spec.order,
        share_with: share_with(&mut findings, spec, &namespace),
        last_resort: names.targets(&mut findings, "spec.lastResort", &spec.last_resort),
        severities: severities(&mut findings, spec),
        correlate: correlate(&mut findings, spec),
        people: people::read(&mut findings, &spec.people, &names),
        schedules: schedules::read(&mut findings, &spec.schedules, &names, &calendars),
        escalations: escalations::read(&mut findings, &spec.escalations, &names),
        routes: routes::read(&mut findings, &spec.routes, &names, &calendars),
        inhibit: inhibit::read(&mut findings, &spec.inhibit),
        calendars,
        sla: sla::read(&mut findings, spec, &names),
        queues: queues::read(&mut findings, &spec.queues, &names),
        priorities: queues::matrix(&spec.priorities),
        channels,
        name: policy.metadata.name.clone().unwrap_or_default(),
        namespace,
    };
    if spec.last_resort.is_empty() {
        findings
            .error("spec.lastResort", "expected at least one target: who is told when everything else finds nobody");
    }
    let escalations: Vec<&str> = spec.escalations.iter().map(|escalation| escalation.name.as_str()).collect();
    reach::check(&mut findings, &valid, &escalations);
    contradictions::check(&mut findings, spec, &valid);
    reached::check(&mut findings, spec, &valid);
    last_resort_that_may_be_empty(&mut findings, &valid);
    warn_of_what_nothing_uses(&mut findings, spec);
    (valid, findings)
}

/// Every name that something in the policy may refer to.
struct Names<'a> {
    people: Vec<&'a str>,
    schedules: Vec<&'a str>,
    channels: Vec<&'a str>,
    escalations: Vec<&'a str>,
    calendars: Vec<&'a str>,
    /// The email channels as they are written, also those that could not be read, so that one mistake is said once.
    emails: BTreeMap<&'a str, &'a EmailChannel>,
}

impl<'a> Names<'a> {
    fn of(spec: &'a SupportPolicySpec) -> Self {
        Self {
            people: spec.people.iter().map(|person| person.name.as_str()).collect(),
            schedules: spec.schedules.iter().map(|schedule| schedule.name.as_str()).collect(),
            channels: spec.channels.iter().map(|channel| channel.name.as_str()).collect(),
            escalations: spec.escalations.iter().map(|escalation| escalation.name.as_str()).collect(),
            calendars: spec.calendars.iter().map(|calendar| calendar.name.as_str()).chain([ALWAYS]).collect(),
            emails: spec
                .channels
                .iter()
                .filter_map(|channel| Some((channel.name.as_str(), channel.email.as_ref()?)))
                .collect(),
        }
    }

    fn person(&self, findings: &mut Findings, path: &str, name: &str) {
        known(findings, path, "person", name, &self.people);
    }

    fn channel(&self, findings: &mut Findings, path: &str, name: &str) {
        known(findings, path, "channel", name, &self.channels);
    }

    fn escalation(&self, findings: &mut Findings, path: &str, name: &str) {
        known(findings, path, "escalation", name, &self.escalations);
    }

    fn calendar(&self, findings: &mut Findings, path: &str, name: &str) {
        known(findings, path, "calendar", name, &self.calendars);
    }

    fn targets(&self, findings: &mut Findings, path: &str, written: &[NotifyTarget]) -> Vec<Target> {
        let mut targets = Vec::new();
        for (i, target) in written.iter().enumerate() {
            let Some(target) = self.target(findings, &format!("{path}[{i}]"), target) else { continue };
            if targets.contains(&target) {
                findings.warning(format!("{path}[{i}]"), "named before in this list; it is told once");
            } else {
                targets.push(target);
            }
        }
        targets
    }

    fn target(&self, findings: &mut Findings, path: &str, written: &NotifyTarget) -> Option<Target> {
        let NotifyTarget { person, schedule, channel } = written;
        let members = [("person", person.is_some()), ("schedule", schedule.is_some()), ("channel", channel.is_some())];
        if !findings.exactly_one(path, &members) {
            return None;
        }
        match (person, schedule, channel) {
            (Some(name), _, _) => {
                self.person(findings, &format!("{path}.person"), name);
                Some(Target::Person(name.clone()))
            }
            (None, Some(name), _) => {
                known(findings, &format!("{path}.schedule"), "schedule", name, &self.schedules);
                Some(Target::Schedule(name.clone()))
            }
            (None, None, Some(name)) => {
                self.channel(findings, &format!("{path}.channel"), name);
                if self.emails.get(name.as_str()).is_some_and(|email| email.to.is_empty()) {
                    findings.error(
                        format!("{path}.channel"),
                        format!("the email channel `{name}` has no `to`, so only people can be reached through it; give it one or name a person"),
                    );
                }
                Some(Target::Channel(name.clone()))
            }
            (None, None, None) => None,
        }
    }
}

fn known(findings: &mut Findings, path: &str, what: &str, name: &str, known: &[&str]) {
    if !known.contains(&name) {
        findings.add(
            Problem::error(path, format!("no {what} is called `{name}`")).suggest_from(name, known.iter().copied()),
        );
    }
}

fn share_with(findings: &mut Findings, spec: &SupportPolicySpec, own: &str) -> Shared {
    let Some(share) = &spec.share_with else { return Shared::Nobody };
    let namespaces = &share.namespaces;
    if namespaces.iter().any(|name| name == "*") {
        if namespaces.len() > 1 {
            findings.warning("spec.shareWith.namespaces", "`*` is every namespace; the other names change nothing");
        }
        return Shared::All;
    }
    if let Some(i) = namespaces.iter().position(|name| name == own) {
        findings.warning(format!("spec.shareWith.namespaces[{i}]"), "the policy serves its own namespace in any case");
    }
    Shared::Namespaces(namespaces.clone())
}

fn severities(findings: &mut Findings, spec: &SupportPolicySpec) -> BTreeMap<String, domain::alert::Severity> {
    if spec.severities.contains_key("") {
        findings.error(
            "spec.severities",
            "expected the sender's word, found nothing; an alert without severity is always a ticket",
        );
    }
    spec.severities.iter().map(|(word, severity)| (word.clone(), (*severity).into())).collect()
}

fn correlate(findings: &mut Findings, spec: &SupportPolicySpec) -> Vec<String> {
    routes::warn_of_repetitions(findings, "spec.correlate", &spec.correlate);
    spec.correlate.clone()
}

/// Whoever is on call may be nobody, and the last resort is for just that.
fn last_resort_that_may_be_empty(findings: &mut Findings, policy: &Policy) {
    let is_schedule = |target: &Target| matches!(target, Target::Schedule(_));
    if !policy.last_resort.is_empty() && policy.last_resort.iter().all(is_schedule) {
        findings.add(
            Problem::warning(
                "spec.lastResort",
                "a schedule alone can be without anybody, and then nobody is told at all",
            )
            .suggest("name a person or a channel too"),
        );
    }
}

/// An escalation or schedule that nothing names is more often a slip than a plan.
fn warn_of_what_nothing_uses(findings: &mut Findings, spec: &SupportPolicySpec) {
    let used = |name: &str| spec.routes.iter().any(|route| route.escalation.as_deref() == Some(name));
    for (i, escalation) in spec.escalations.iter().enumerate().filter(|(_, escalation)| !used(&escalation.name)) {
        findings.warning(
            format!("spec.escalations[{i}].name"),
            format!("no route uses the escalation `{}`", escalation.name),
        );
    }
    let steps = spec.escalations.iter().flat_map(|escalation| &escalation.steps).flat_map(|step| &step.notify);
    let targets = steps.chain(spec.routes.iter().flat_map(|route| &route.notify)).chain(&spec.last_resort);
    let promised = spec.sla.iter().flat_map(|target| target.on_warn.iter().chain(&target.on_breach));
    let on_call: Vec<&str> = targets.chain(promised).filter_map(|target| target.schedule.as_deref()).collect();
    for (i, schedule) in
        spec.schedules.iter().enumerate().filter(|(_, schedule)| !on_call.contains(&schedule.name.as_str()))
    {
        findings.warning(
            format!("spec.schedules[{i}].name"),
            format!("no step and no route notifies the schedule `{}`", schedule.name),
        );
    }
}
