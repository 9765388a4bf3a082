//! The status that an outcome leaves.

use api::{
    conditions,
    git_source::{self, DeviationState, GitSourceStatus, ObjectCounts, SourceError, Transaction},
};
use domain::{
    conditions::{Condition, Standing},
    time::{format_duration, whole_seconds},
};
use jiff::Timestamp;

use super::{Attempt, End, Outcome, Refusal};
use crate::engine::syncer::members::Differing;

/// Errors that are listed; all are counted.
const ERRORS: usize = 50;
/// Objects that are listed as not as Git has them; all are counted.
const DEVIATIONS: usize = 50;
/// The condition that says that there are any.
const DRIFTED: &str = "Drifted";
/// Objects that are listed as waiting for the end of a freeze; all are counted. What a new process makes of a list that was cut
/// is in `hold`.
const OWED: usize = 500;
/// Attempts that are listed.
const HISTORY: usize = 5;
/// The longest message of a condition, in characters.
const LONGEST: usize = 2_000;

/// What a status is about.
#[derive(Debug, Clone)]
pub(in super::super) struct About<'a> {
    /// The status before.
    pub(in super::super) before: &'a GitSourceStatus,
    /// The generation of the spec.
    pub(in super::super) generation: Option<i64>,
    /// The reconcile that was asked for.
    pub(in super::super) request: Option<String>,
    /// Now.
    pub(in super::super) now: Timestamp,
    /// What is not as Git has it.
    pub(in super::super) differing: &'a Differing,
}

/// How far the source has got.
pub(in super::super) fn standing(outcome: &Outcome) -> Standing {
    match outcome {
        Outcome::NotServed(standing) | Outcome::Known(standing) => standing.clone(),
        Outcome::NotFetched(failure) if failure.needs_a_person => stalled(failure.reason, &failure.message),
        Outcome::NotFetched(failure) => reconciling(failure.reason, &failure.message),
        Outcome::Attempted(attempt) => match &attempt.end {
            End::Applied { remarks, .. } => {
                let applied = format!("applied {}", attempt.revision);
                let message = std::iter::once(applied).chain(remarks.iter().cloned()).collect::<Vec<_>>().join("; ");
                Standing::Ready { reason: "ReconciliationSucceeded", message: cut(&message) }
            }
            End::Refused(refusal) => {
                stalled(refusal.reason, &format!("{}: nothing was written: {}", attempt.revision, summary(refusal)))
            }
            End::Partial(refusal) => {
                stalled(refusal.reason, &format!("{}: written in part: {}", attempt.revision, summary(refusal)))
            }
            End::Interrupted { reason, message } => reconciling(reason, &format!("{}: {message}", attempt.revision)),
        },
    }
}

/// What is wrong, with the first error at its place.
fn summary(refusal: &Refusal) -> String {
    match refusal.errors.as_slice() {
        [] => refusal.message.clone(),
        [first] => format!("{}: {}", refusal.message, line(first)),
        [first, rest @ ..] => {
            format!("{}: {} (and {} more in status.errors)", refusal.message, line(first), rest.len())
        }
    }
}

/// `payments/checkout.yaml:14:9: ServiceMonitor payments/checkout: …`.
pub(in super::super) fn line(error: &SourceError) -> String {
    let mut text = String::new();
    if let Some(file) = &error.file {
        text.push_str(file);
        for number in [error.line, error.column].into_iter().flatten() {
            text.push_str(&format!(":{number}"));
        }
        text.push_str(": ");
    }
    if let Some(object) = &error.object {
        text.push_str(&format!("{object}: "));
    }
    text + &error.message
}

fn stalled(reason: &'static str, message: &str) -> Standing {
    Standing::Stalled { reason, message: cut(message) }
}

fn reconciling(reason: &'static str, message: &str) -> Standing {
    Standing::Reconciling { reason, message: cut(message) }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// The status after an outcome. What the outcome says nothing about stays.
pub(in super::super) fn status(about: &About<'_>, outcome: &Outcome) -> GitSourceStatus {
    let mut status = common(about, &standing(outcome));
    if let Outcome::Attempted(attempt) = outcome {
        record(&mut status, attempt, about.now);
    }
    status
}

/// The status when nothing happened but to the objects.
pub(in super::super) fn refreshed(about: &About<'_>) -> GitSourceStatus {
    let mut status = about.before.clone();
    say_what_differs(&mut status, about);
    status
}

/// The list, the gravest first, its count, and a condition for as long as there is any; and what waits for the end of a
/// freeze.
fn say_what_differs(status: &mut GitSourceStatus, about: &About<'_>) {
    let mut drift = about.differing.deviations.clone();
    drift.sort_by(|a, b| (a.state, &a.object).cmp(&(b.state, &b.object)));
    let said = drift.first().map(|first| {
        let fields = if first.fields.is_empty() { String::new() } else { format!(" ({})", first.fields.join(", ")) };
        let by = first.by.as_ref().map(|by| format!(", written by {by}")).unwrap_or_default();
        let until = first.until.map(|until| format!(", until {until}")).unwrap_or_default();
        let message = first.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        let more = match drift.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more in status.drift)"),
        };
        let text = format!("{}{fields} is {}{by}{until}{message}{more}", first.object, words(first.state));
        Condition { type_: DRIFTED, status: true, reason: format!("{:?}", first.state), message: cut(&text) }
    });
    status.drift_count = u32::try_from(drift.len()).unwrap_or(u32::MAX);
    drift.truncate(DEVIATIONS);
    status.drift = drift;
    if let Some(owed) = &about.differing.owed {
        status.owed = owed.iter().take(OWED).cloned().collect();
        status.owed_count = u32::try_from(owed.len()).unwrap_or(u32::MAX);
    }
    conditions::put(&mut status.conditions, &about.before.conditions, DRIFTED, said, about.generation, about.now);
}

fn words(state: DeviationState) -> &'static str {
    match state {
        DeviationState::Fighting => "fought over",
        DeviationState::Refused => "not as Git has it and cannot be put back",
        DeviationState::Conflict => "another source's",
        DeviationState::Reported => "not as Git has it",
        DeviationState::Frozen => "frozen",
        DeviationState::BadFreeze => "not frozen",
    }
}

/// The status that is durable before the first write of a commit.
pub(in super::super) fn applying(about: &About<'_>, revision: &str, counts: ObjectCounts) -> GitSourceStatus {
    let ObjectCounts { created, updated, pruned, .. } = counts;
    let message = format!("applying {revision}: {created} to create, {updated} to update, {pruned} to remove");
    let mut status = common(about, &Standing::Reconciling { reason: "Progressing", message });
    status.last_attempted_revision = Some(revision.to_owned());
    status.transaction = Some(Transaction::Applying);
    status
}

fn common(about: &About<'_>, standing: &Standing) -> GitSourceStatus {
    let mut status = about.before.clone();
    status.observed_generation = about.generation.unwrap_or(0);
    status.conditions = conditions::conditions(&about.before.conditions, standing, &[], about.generation, about.now);
    say_what_differs(&mut status, about);
    if about.request.is_some() {
        status.last_handled_reconcile_at.clone_from(&about.request);
    }
    status
}

fn record(status: &mut GitSourceStatus, attempt: &Attempt, now: Timestamp) {
    status.last_attempted_revision = Some(attempt.revision.clone());
    let nothing_new = status.last_applied_revision.as_ref() == Some(&attempt.revision)
        && status.transaction == Some(Transaction::Committed)
        && !attempt.wrote()
        && matches!(attempt.end, End::Applied { .. });
    let errors: &[SourceError] = match &attempt.end {
        End::Refused(refusal) | End::Partial(refusal) => &refusal.errors,
        End::Applied { .. } | End::Interrupted { .. } => &[],
    };
    status.error_count = u32::try_from(errors.len()).unwrap_or(u32::MAX);
    status.errors = errors.iter().take(ERRORS).cloned().collect();
    match &attempt.end {
        End::Applied { .. } => {
            status.transaction = Some(Transaction::Committed);
            status.last_applied_revision = Some(attempt.revision.clone());
        }
        End::Partial(_) => status.transaction = Some(Transaction::Partial),
        // Nothing was written, or as much as `Applying` says.
        End::Refused(_) | End::Interrupted { .. } => {}
    }
    if nothing_new {
        // A new process has compared everything and found it as it was left.
        return;
    }
    status.objects = Some(attempt.counts);
    if matches!(attempt.end, End::Applied { .. }) {
        status.applied_at = Some(whole_seconds(now));
    }
    add_to_history(&mut status.history, attempt);
}

/// An attempt that ends like the one before it takes its place: a retry every few seconds would push out all others.
fn add_to_history(history: &mut Vec<git_source::Attempt>, attempt: &Attempt) {
    let entry = git_source::Attempt {
        revision: attempt.revision.clone(),
        at: whole_seconds(attempt.at),
        duration: format_duration(attempt.took),
        result: attempt.result().to_owned(),
        counts: Some(attempt.counts),
    };
    let repeats = history.first().is_some_and(|last| last.revision == entry.revision && last.result == entry.result);
    if repeats && !matches!(attempt.end, End::Applied { .. }) {
        history.remove(0);
    }
    history.insert(0, entry);
    history.truncate(HISTORY);
}

#[cfg(test)]
mod tests;
