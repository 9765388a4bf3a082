//! Whether a plan may be carried out at all: what belongs to another source, and removals beyond the guard.

use api::git_source::{History, ObjectCounts, SourceError};
use domain::problem::Problem;
use gitops::{
    fetch,
    plan::{Conflict, Plan},
};

use super::Refusal;
use crate::engine::syncer::refusal::{Mend, located};

/// Why the plan is not carried out; `None` when it may be. `source_of` names the source with a set's id.
pub(in super::super) fn objection(plan: &Plan<'_>, source_of: impl Fn(&str) -> Option<String>) -> Option<Refusal> {
    if !plan.conflicts.is_empty() {
        let errors: Vec<_> =
            plan.conflicts.iter().map(|conflict| claimed(conflict, source_of(conflict.held_by))).collect();
        let message = format!("{} of its objects belong to another source", errors.len());
        return Some(Refusal { reason: "ReconciliationFailed", message, errors, mend: Mend::Cluster });
    }
    let refused = plan.prune_refused.as_ref()?;
    Some(Refusal { reason: "PruneFailed", message: refused.to_string(), errors: Vec::new(), mend: Mend::Commit })
}

/// What a branch that does not hold the applied commit means: a sentence to be told, or that nothing is written.
pub(in super::super) fn rewritten(
    rule: History,
    found: &fetch::History,
    applied: &str,
) -> Result<Option<String>, Refusal> {
    let what = match found {
        fetch::History::Backward => "the branch went back behind",
        fetch::History::Rewritten => "the history was rewritten: the branch no longer holds",
        fetch::History::First | fetch::History::Same | fetch::History::Forward => return Ok(None),
    };
    match rule {
        History::Allow => Ok(None),
        History::Warn => Ok(Some(format!("{what} {applied}, which was applied before"))),
        History::Refuse => Err(Refusal {
            reason: "HistoryRewritten",
            message: format!("{what} {applied}, which is applied; if that is meant, set `spec.history: Allow`"),
            errors: Vec::new(),
            mend: Mend::Commit,
        }),
    }
}

fn claimed(conflict: &Conflict<'_>, holder: Option<String>) -> SourceError {
    let problem = match holder {
        Some(holder) => Problem::error("metadata.name", format!("the object is applied by GitSource {holder}"))
            .suggest("remove it from one of the two repositories"),
        None => Problem::error(
            "metadata.name",
            format!("the object belongs to the set {}, whose source is not there", conflict.held_by),
        )
        .suggest(format!("remove its label {} if this source is to take it over", gitops::applyset::PART_OF)),
    };
    located(&conflict.object.error(problem))
}

/// How many objects a plan is about.
pub(in super::super) fn counts(plan: &Plan<'_>) -> ObjectCounts {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let (created, updated, unchanged) = (count(plan.create.len()), count(plan.update.len()), count(plan.unchanged));
    let failed = count(plan.conflicts.len());
    ObjectCounts {
        total: created + updated + unchanged + failed + count(plan.held.len()),
        created,
        updated,
        unchanged,
        pruned: count(plan.prune.len()),
        failed,
    }
}

/// The same when nothing of it was done.
pub(in super::super) fn undone(planned: ObjectCounts, failed: usize) -> ObjectCounts {
    let failed = u32::try_from(failed).unwrap_or(u32::MAX);
    ObjectCounts { created: 0, updated: 0, pruned: 0, failed, ..planned }
}
