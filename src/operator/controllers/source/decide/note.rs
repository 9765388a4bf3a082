//! Which Events tell of an outcome: one for each transition, none for a repetition.

use api::{conditions::Condition, git_source::GitSourceStatus};

use super::{Attempt, End, Outcome, status::line};
use crate::kube::events::Note;

/// Objects and errors that one Event names.
const NAMED: usize = 5;

/// The Events for a status that follows another.
pub(in super::super) fn notes(before: &GitSourceStatus, after: &GitSourceStatus, outcome: &Outcome) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Outcome::Attempted(attempt) = outcome
        && let End::Applied { adopted, rewritten, .. } = &attempt.end
    {
        notes.extend(adoption(adopted));
        notes.extend(rewritten.clone().map(|text| Note {
            warning: true,
            reason: "HistoryRewritten",
            action: "Apply",
            text,
        }));
        if attempt.wrote() {
            notes.push(Note {
                warning: false,
                reason: "ReconciliationSucceeded",
                action: "Apply",
                text: applied(attempt),
            });
            return notes;
        }
    }
    let Some(ready) = ready(after) else { return notes };
    let told = |status: &GitSourceStatus| status.last_attempted_revision == after.last_attempted_revision;
    let same = self::ready(before).is_some_and(|old| old.status == ready.status && old.reason == ready.reason);
    if same && told(before) {
        return notes;
    }
    let Some((warning, reason, action)) = words(outcome) else { return notes };
    notes.push(Note { warning, reason, action, text: text(ready, outcome) });
    notes
}

fn ready(status: &GitSourceStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == "Ready")
}

fn words(outcome: &Outcome) -> Option<(bool, &'static str, &'static str)> {
    use domain::conditions::Standing;
    let of = |standing: &Standing, action| match standing {
        Standing::Ready { reason, .. } => (false, *reason, action),
        Standing::Reconciling { reason, .. } | Standing::Stalled { reason, .. } => (true, *reason, action),
    };
    let action = match outcome {
        Outcome::NotServed(_) => "Validate",
        Outcome::NotFetched(_) => "Fetch",
        Outcome::Known(_) | Outcome::Attempted(_) => "Apply",
    };
    Some(of(&super::status::standing(outcome), action))
}

/// The condition's message; of several errors the first few.
fn text(ready: &Condition, outcome: &Outcome) -> String {
    let Outcome::Attempted(attempt) = outcome else { return ready.message.clone() };
    let (End::Refused(refusal) | End::Partial(refusal)) = &attempt.end else { return ready.message.clone() };
    if refusal.errors.len() < 2 {
        return ready.message.clone();
    }
    let lines: Vec<String> = refusal.errors.iter().take(NAMED).map(line).collect();
    format!("{}: {}\n{}", attempt.revision, refusal.message, lines.join("\n"))
}

fn applied(attempt: &Attempt) -> String {
    let counts = &attempt.counts;
    format!(
        "applied {}: {} created, {} updated, {} unchanged, {} removed",
        attempt.revision, counts.created, counts.updated, counts.unchanged, counts.pruned
    )
}

fn adoption(adopted: &[String]) -> Option<Note> {
    if adopted.is_empty() {
        return None;
    }
    let named = adopted.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if adopted.len() > NAMED { format!(" and {} more", adopted.len() - NAMED) } else { String::new() };
    let text =
        format!("took over {named}{more}: made by hand before, now kept as Git has it, and removed when it leaves Git");
    Some(Note { warning: false, reason: "Adopted", action: "Apply", text })
}
