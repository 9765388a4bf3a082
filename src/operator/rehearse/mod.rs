//! Support that is only thought through: what would happen to an alert, a ticket or a schedule, from files alone.
//!
//! The rules are the operator's own: an alert goes the way of [`crate::alerts`], a ticket lives by the decisions of
//! `controllers::ticket`, on simulated time and with every message accepted at once. `firstline test` compares that
//! with fixtures, `firstline explain -f` tells it.
//!
//! Absent on purpose: deliveries that fail, replicas, the API. Those are no questions about a policy.
//!
//! | module | holds |
//! |---|---|
//! | [`form`], [`read`], [`times`], [`names`] | what a fixture says, and what is wrong with it |
//! | [`incident`] | an alert: policy, route, ticket, pages |
//! | [`request`] | a ticket: state and clocks |
//! | [`promises`] | what clocks came to: broken promises, and who was told |
//! | [`duty`] | a schedule: who is on call |
//! | [`difference`], [`ledger`], [`story`] | expected and got; how a clock came to its number; what happened, in order |

pub(crate) mod difference;
mod duty;
mod form;
pub(crate) mod incident;
pub(crate) mod ledger;
mod names;
mod promises;
mod read;
pub(crate) mod request;
pub(crate) mod story;
#[cfg(test)]
mod tests;
mod times;

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    alert::Severity,
    policy::Policy,
    probe::Monitor,
    problem::Problem,
    suppression::dependency::{self, Standing, Standings},
};
use gitops::FileError;
use serde::Serialize;

pub(crate) use self::form::DownForm;
pub use self::read::{Case, concerns, read};
use self::{difference::Difference, read::Question};
pub(crate) use self::{read::typed, request::zone_of};
use crate::load::World;

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The sentence.
    pub name: String,
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// Whether everything was as expected.
    pub passed: bool,
    /// What is other than expected; empty when the case passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Why it is so, in the words of `explain`; only of a failed case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub explanation: Vec<String>,
}

/// What came out of comparing: what differs, and why it is so.
type Compared = (Vec<Difference>, Vec<String>);

/// Runs all cases of these files that can be read, or those with a part of a name; what is wrong with the others is among
/// the world's problems. The second list holds what shows only when a case is run: names that do not exist. Where a policy
/// is wrong nothing is run: answers without it would be wrong too.
pub fn run(world: &World, only: Option<&str>) -> (Vec<Outcome>, Vec<FileError>) {
    if world.lacks_a_policy() {
        return (Vec::new(), Vec::new());
    }
    let is_meant = |case: &&Case| only.is_none_or(|part| case.form.name.contains(part));
    let cases: Vec<&Case> = world.cases.iter().filter(is_meant).collect();
    let mut errors = Vec::new();
    let setting = Setting::of(world);
    let mut outcomes = Vec::with_capacity(cases.len());
    for (case, compared) in cases.iter().zip(run_all(setting, &cases)) {
        match compared {
            Ok((differences, explanation)) => {
                let (line, _) = case.document.position(&case.path);
                let passed = differences.is_empty();
                let explanation = if passed { Vec::new() } else { explanation };
                let (name, file) = (case.form.name.clone(), case.document.file().to_owned());
                outcomes.push(Outcome { name, file, line, passed, differences, explanation });
            }
            Err(problems) => errors.extend(problems.into_iter().map(|problem| case.error(problem))),
        }
    }
    (outcomes, errors)
}

/// Runs the cases on all processors, since none knows of another; the answers are in their order.
fn run_all(setting: Setting<'_>, cases: &[&Case]) -> Vec<Result<Compared, Vec<Problem>>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = cases.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let run = |part: &'_ [&Case]| part.iter().map(|case| run_case(setting, case)).collect::<Vec<_>>();
        let started: Vec<_> = cases.chunks(share).map(|part| (part, scope.spawn(move || run(part)))).collect();
        // A thread that panicked is run again here, where the panic is its caller's.
        started.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| run(part))).collect()
    })
}

fn run_case(setting: Setting<'_>, case: &Case) -> Result<Compared, Vec<Problem>> {
    let unknown = names::check(setting, case);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let compared = match &case.question {
        Question::Alert(alert, expect) => incident::compare(setting, &case.form, alert, expect),
        Question::Ticket(ticket, expect) => request::compare(setting, &case.form, ticket, expect),
        Question::Oncall(oncall, expect) => duty::compare(setting, &case.form, oncall, expect),
    };
    compared.map_err(|problem| vec![problem])
}

/// The policies that cases are about, and the monitors beside them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// All that were found.
    pub(crate) policies: &'a [Arc<Policy>],
    /// Monitors, for what depends on what.
    pub(crate) monitors: &'a [Monitor],
}

impl<'a> Setting<'a> {
    /// What these files say.
    pub(crate) fn of(world: &'a World) -> Self {
        Self { policies: &world.policies, monitors: &world.monitors }
    }

    /// The namespace that is meant where none is written: the only one in which a policy stands.
    ///
    /// # Errors
    /// When there are several, or no policy at all.
    pub(crate) fn namespace(self, written: Option<&str>) -> Result<String, Problem> {
        if let Some(written) = written {
            return Ok(written.to_owned());
        }
        let mut all: Vec<&str> = self.policies.iter().map(|policy| policy.namespace.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => Err(Problem::error("", "there is no SupportPolicy in these files")
                .suggest("name the folder that holds the policies, too")),
            several => Err(Problem::error(
                "namespace",
                format!("expected a namespace, since policies stand in several: {}", several.join(", ")),
            )),
        }
    }

    /// The monitors of a namespace, none of them down. Of one that goes down somebody is told at its severity.
    pub(crate) fn standings(self, namespace: &str) -> Standings {
        let here = || self.monitors.iter().filter(|monitor| monitor.namespace == namespace);
        let graph: BTreeMap<&str, &'a [String]> =
            here().map(|monitor| (monitor.name.as_str(), monitor.depends_on.as_slice())).collect();
        let is_in_a_circle = |monitor: &'a Monitor| {
            let circle = dependency::circle(&monitor.name, |name| graph.get(name).copied().unwrap_or_default());
            circle.is_some()
        };
        let standing = |monitor: &'a Monitor| {
            let told = (monitor.severity > Severity::Info).then(|| (format!("of {}", monitor.name), monitor.severity));
            // As in a cluster, a circle counts for nothing.
            let is_circle = !monitor.depends_on.is_empty() && is_in_a_circle(monitor);
            let depends_on = if is_circle { Vec::new() } else { monitor.depends_on.clone() };
            (monitor.name.clone(), Standing { depends_on, down_since: None, told })
        };
        here().map(standing).collect()
    }

    /// The policy of this name that serves the namespace.
    pub(crate) fn policy(self, namespace: &str, name: &str) -> Option<&'a Arc<Policy>> {
        let serving = || self.policies.iter().filter(|policy| policy.name == name && policy.serves(namespace));
        serving().find(|policy| policy.namespace == namespace).or_else(|| serving().next())
    }
}

/// The Kubernetes user of somebody who is named by a person's name, or is written as a user.
///
/// # Errors
/// When no person is called so and it does not look like a user either.
fn user_of(policy: Option<&Policy>, by: &str) -> Result<String, Problem> {
    let people = policy.map(|policy| &policy.people);
    if let Some(person) = people.and_then(|people| people.get(by)) {
        return Ok(person.users.first().cloned().unwrap_or_else(|| by.to_owned()));
    }
    if by.contains([':', '@']) {
        return Ok(by.to_owned());
    }
    let known = people.into_iter().flat_map(|people| people.keys().map(String::as_str));
    Err(Problem::error("", format!("no person is called `{by}`")).suggest_from(by, known))
}
