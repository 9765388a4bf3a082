//! Carries a commit onto the cluster, and writes down how far it got.

use std::{path::PathBuf, time::Duration};

use api::{
    GitSource,
    git_source::{GitSourceStatus, ObjectCounts, Source},
};
use gitops::{
    applyset,
    fetch::FetchReport,
    plan::{self, Plan, PruneRule, Question},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    decide::{
        Attempt, End, Refusal,
        objection::{self, counts, undone},
        status::{self, About},
    },
    gather::{self, Ended, Seen},
};
use crate::{
    context::Context,
    engine::syncer::{
        Known, fetch,
        refusal::Mend,
        transaction::{self, Refusals, Written},
        write::{self, Writer},
    },
    index::SourceEntry,
    kube::{meta::Key, status_writer::MANAGER},
};

/// The plural of the kind.
const PLURAL: &str = "gitsources";
/// The write that must be durable before the first object is written may take this long.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is attempted, and of which source.
pub(super) struct Job<'a> {
    /// The object.
    pub(super) entry: &'a SourceEntry,
    /// Its spec.
    pub(super) source: &'a Source,
    /// What was fetched.
    pub(super) report: &'a FetchReport,
    /// Into this mirror.
    pub(super) mirror: PathBuf,
}

/// Applies a commit, or finds out why not. Returns how the attempt ended, and with what counts.
pub(super) async fn attempt(ctx: &Context, job: Job<'_>, known: &mut Known) -> Ended {
    let set = set_of(&job.entry.object);
    let seen = match gather::read(ctx, job.source, &set, job.mirror.clone(), &job.report.commit).await {
        Ok(seen) => seen,
        Err(ended) => return ended,
    };
    let defaults = |kind: &str, value: &Value| write::wanted(&set, kind, value);
    let plan = plan_of(&job, &set, &seen, &defaults);
    if let Some(refusal) = objection::objection(&plan, |set| source_with(ctx, set)) {
        return (undone(counts(&plan), plan.conflicts.len()), End::Refused(refusal));
    }
    let adopted =
        plan.update.iter().filter(|update| update.adopted).map(|update| update.object.key.to_string()).collect();
    let mut remarks: Vec<String> = gather::warnings(&seen.loaded).into_iter().chain(kept(&plan)).collect();
    if plan.is_empty() {
        return (counts(&plan), End::Applied { remarks, adopted });
    }
    let writer = Writer::new(seen.client.clone(), set.clone(), ctx.leadership.clone());
    let first = known.status.last_applied_revision.is_none();
    match transaction::rehearse(&writer, &plan, first).await {
        Err(message) => return (undone(counts(&plan), 0), interrupted(message)),
        Ok(rehearsed) if rehearsed.refused.objects > 0 => {
            let failed = rehearsed.refused.objects;
            return (undone(counts(&plan), failed), End::Refused(refusal("ReconciliationFailed", rehearsed.refused)));
        }
        Ok(rehearsed) => remarks.extend(rehearsed.sampled.map(|asked| {
            let all = plan.create.len() + plan.update.len();
            format!(
                "the first commit is large: of its {all} objects {asked} were rehearsed, one of each kind and namespace"
            )
        })),
    }
    if let Err(message) = begin(ctx, &job, known, counts(&plan)).await {
        return (undone(counts(&plan), 0), interrupted(message));
    }
    let written = transaction::carry_out(&writer, &plan).await;
    let counts = written_counts(&plan, &written);
    let end = if let Some(message) = written.interrupted {
        interrupted(message)
    } else if written.refused.objects > 0 {
        let reason = if written.prune_failed { "PruneFailed" } else { "ReconciliationFailed" };
        End::Partial(refusal(reason, written.refused))
    } else {
        End::Applied { remarks, adopted }
    };
    (counts, end)
}

/// The id by which this source's members are known.
fn set_of(object: &GitSource) -> String {
    applyset::id(&object.name_any(), &object.namespace().unwrap_or_default(), "GitSource", api::GROUP)
}

/// The source whose members carry this id.
fn source_with(ctx: &Context, set: &str) -> Option<String> {
    let world = ctx.world.read();
    world.sources().find(|(_, entry)| set_of(&entry.object) == set).map(|(key, _)| key.to_string())
}

fn plan_of<'a>(job: &Job<'a>, set: &'a str, seen: &'a Seen, defaults: &'a dyn Fn(&str, &Value) -> Value) -> Plan<'a> {
    let rules = &job.source.prune;
    let prune = if rules.enabled {
        PruneRule::Within {
            max_percent: u8::try_from(rules.max_percent).unwrap_or(100),
            approved: rules.approved.as_deref(),
        }
    } else {
        PruneRule::Never
    };
    plan::plan(&Question {
        set,
        commit: &job.report.commit,
        desired: &seen.loaded.objects,
        refused: &seen.loaded.refused,
        live: &seen.live,
        defaults,
        prune,
    })
}

fn kept(plan: &Plan<'_>) -> Option<String> {
    match plan.kept.as_slice() {
        [] => None,
        [one] => Some(format!("{} left Git and stays: it is a record of what happened", one.key)),
        [first, ..] => Some(format!(
            "{} tickets left Git and stay, the first {}: they are a record of what happened",
            plan.kept.len(),
            first.key
        )),
    }
}

fn interrupted(message: String) -> End {
    End::Interrupted { reason: "ReconciliationFailed", message }
}

fn refusal(reason: &'static str, refused: Refusals) -> Refusal {
    let message = match refused.objects {
        1 => "the API server refuses 1 object".to_owned(),
        many => format!("the API server refuses {many} objects"),
    };
    Refusal { reason, message, errors: refused.errors, mend: refused.mend.unwrap_or(Mend::Commit) }
}

fn written_counts(plan: &Plan<'_>, written: &Written) -> ObjectCounts {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    ObjectCounts {
        created: count(written.created),
        updated: count(written.updated),
        pruned: count(written.pruned),
        failed: count(written.refused.objects),
        ..counts(plan)
    }
}

/// Makes it durable that this commit is being written, before its first object is.
async fn begin(ctx: &Context, job: &Job<'_>, known: &mut Known, planned: ObjectCounts) -> Result<(), String> {
    let object = &job.entry.object;
    let key = Key::of(object.as_ref());
    // A request is answered when it is clear what came of it.
    let about = About { request: None, ..about(&known.status, job.entry, ctx.clock.now()) };
    let status = status::applying(&about, &job.report.revision(), planned);
    // An older status that still waits must not be written over this one.
    ctx.statuses.forget(PLURAL, &key);
    let api: Api<GitSource> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let body = json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
        "kind": "GitSource",
        "metadata": {"name": key.name},
        "status": status,
    });
    let params = PatchParams::apply(MANAGER).force();
    match tokio::time::timeout(TIMEOUT, api.patch_status(&key.name, &params, &Patch::Apply(&body))).await {
        Ok(Ok(_)) => {
            known.status = status;
            Ok(())
        }
        Ok(Err(error)) => Err(format!("writing down that it begins: {error}")),
        Err(_) => Err(format!("writing down that it begins: no answer within {} s", TIMEOUT.as_secs())),
    }
}

/// What a status of this source is about.
pub(super) fn about<'a>(before: &'a GitSourceStatus, entry: &SourceEntry, now: jiff::Timestamp) -> About<'a> {
    About { before, generation: entry.object.metadata.generation, request: entry.requested(), now }
}

/// Asks for a status to be written.
pub(super) fn report(ctx: &Context, key: &Key, status: &GitSourceStatus) {
    ctx.statuses.write::<GitSource>(key, status);
}

/// One line in the log for an attempt.
pub(super) fn log(key: &Key, attempt: &Attempt) {
    let (counts, took) = (&attempt.counts, attempt.took.as_millis());
    match &attempt.end {
        End::Applied { .. } => tracing::info!(
            source = %key, revision = attempt.revision, created = counts.created, updated = counts.updated,
            unchanged = counts.unchanged, pruned = counts.pruned, took_ms = took, "applied"
        ),
        End::Refused(refusal) | End::Partial(refusal) => tracing::warn!(
            source = %key, revision = attempt.revision, reason = refusal.reason, errors = refusal.errors.len(),
            took_ms = took, why = refusal.message, "not applied"
        ),
        End::Interrupted { message, .. } => {
            tracing::warn!(source = %key, revision = attempt.revision, why = message, "interrupted; trying again");
        }
    }
}

/// Forgets a source that is gone, and its mirror. What it applied stays.
pub(super) async fn clean_up(ctx: &Context, key: &Key) {
    ctx.statuses.forget(PLURAL, key);
    let Some(uid) = ctx.sources.forget(key) else { return };
    let mirror = fetch::mirror(&ctx.config.data, &uid);
    match tokio::fs::remove_dir_all(&mirror).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(source = %key, mirror = %mirror.display(), %error, "could not remove the mirror of a source that is gone");
        }
        _ => {}
    }
}
