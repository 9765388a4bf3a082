//! Carries a commit onto the cluster, and writes down how far it got.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use api::{
    GitSource,
    git_source::{Drift, GitSourceStatus, ObjectCounts, Source, Transaction},
};
use gitops::{
    applyset,
    fetch::FetchReport,
    load::ObjectKey,
    plan::{self, Live, Plan, PruneRule, Question},
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    decide::{
        Attempt, End, Refusal,
        hold::{Hold, is_frozen},
        objection::{self, counts, undone},
        status::{self, About},
    },
    gather::{self, Ended, Seen},
};
use crate::{
    context::Context,
    engine::syncer::{
        Known, fetch,
        members::{Applied, Differing, Left, Member, Version},
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

/// Applies a commit, or finds out why not. Returns how the attempt ended, and with what counts. What the watches saw of
/// the objects meanwhile is looked at afterwards.
pub(super) async fn attempt(ctx: &Context, job: Job<'_>, known: &mut Known) -> Ended {
    let key = Key::of(job.entry.object.as_ref());
    let guard = ctx.members.begin(&key).await;
    let (ended, left) = write_commit(ctx, &job, known).await;
    let look = ctx.members.end(&key, left);
    drop(guard);
    look.into_iter().for_each(|object| ctx.queues.drift.add(object));
    ended
}

async fn write_commit(ctx: &Context, job: &Job<'_>, known: &mut Known) -> (Ended, Left) {
    let untouched = |ended| (ended, Left::Untouched);
    let set = set_of(&job.entry.object);
    let before = known.status.last_applied_revision.clone().unwrap_or_default();
    let rewritten = match objection::rewritten(job.source.history, &job.report.history, &before) {
        Ok(rewritten) => rewritten,
        Err(refusal) => return untouched((ObjectCounts::default(), End::Refused(refusal))),
    };
    let seen = match gather::read(ctx, job.source, &set, job.mirror.clone(), &job.report.commit).await {
        Ok(seen) => seen,
        Err(ended) => return untouched(ended),
    };
    let defaults = |kind: &str, value: &Value| write::wanted(&set, kind, value);
    let hold = Hold::of(&known.status, only_reports(ctx, job, known), &seen.live, ctx.clock.now());
    let holds = |key: &ObjectKey, live: Option<&Live>| hold.holds(key, live);
    let plan = plan_of(job.source, &job.report.commit, &set, &seen, &defaults, &holds);
    if let Some(refusal) = objection::objection(&plan, |set| holder_of(ctx, set)) {
        return untouched((undone(counts(&plan), plan.conflicts.len()), End::Refused(refusal)));
    }
    let back = HeldBack::of(&plan, &hold);
    let adopted =
        plan.update.iter().filter(|update| update.adopted).map(|update| update.object.key.to_string()).collect();
    let mut remarks: Vec<String> =
        rewritten.iter().cloned().chain(gather::warnings(&seen.loaded)).chain(kept(&plan)).collect();
    if plan.is_empty() {
        let ended = (counts(&plan), End::Applied { remarks, adopted, rewritten });
        return (ended, Left::Applied(applied(job.commit(), set.clone(), seen, back, Written::default())));
    }
    let writer = Writer::new(seen.client.clone(), set.clone(), ctx.leadership.clone());
    let first = known.status.last_applied_revision.is_none();
    match transaction::rehearse(&writer, &plan, first).await {
        Err(message) => return untouched((undone(counts(&plan), 0), interrupted(message))),
        Ok(rehearsed) if rehearsed.refused.objects > 0 => {
            let failed = rehearsed.refused.objects;
            let refusal = refusal("ReconciliationFailed", rehearsed.refused);
            return untouched((undone(counts(&plan), failed), End::Refused(refusal)));
        }
        Ok(rehearsed) => remarks.extend(rehearsed.sampled.map(|asked| {
            let all = plan.create.len() + plan.update.len();
            format!(
                "the first commit is large: of its {all} objects {asked} were rehearsed, one of each kind and namespace"
            )
        })),
    }
    // What the commit that is there owes stands in the status: the next process does it if this one ends.
    if !hold.report
        && let Err(message) = begin(ctx, job, known, counts(&plan)).await
    {
        return untouched((undone(counts(&plan), 0), interrupted(message)));
    }
    let mut written = transaction::carry_out(&writer, &plan).await;
    let counts = written_counts(&plan, &written);
    if let Some(message) = written.interrupted.take() {
        return ((counts, interrupted(message)), Left::Mixed);
    }
    let end = if written.refused.objects > 0 {
        let reason = if written.prune_failed { "PruneFailed" } else { "ReconciliationFailed" };
        let refused = std::mem::take(&mut written.refused);
        written.refused.keys.clone_from(&refused.keys);
        End::Partial(refusal(reason, refused))
    } else {
        End::Applied { remarks, adopted, rewritten }
    };
    ((counts, end), Left::Applied(applied(job.commit(), set.clone(), seen, back, written)))
}

/// The commit of this branch that was applied last, unless the repository is known to be another one since.
pub(super) fn applied_commit(ctx: &Context, entry: &SourceEntry, source: &Source, known: &Known) -> Option<String> {
    let before = ctx.members.read_as(&Key::of(entry.object.as_ref()));
    if before.is_some_and(|before| before.url != source.url) {
        return None;
    }
    let (branch, commit) = known.status.last_applied_revision.as_deref()?.rsplit_once("@sha1:")?;
    (branch == source.branch).then(|| commit.to_owned())
}

/// In mode Report a commit that is there already is not written again over what others did: only a new commit, a new
/// spec or a request is, and what that commit still owes.
fn only_reports(ctx: &Context, job: &Job<'_>, known: &Known) -> bool {
    let object = &job.entry.object;
    let status = &known.status;
    let asked = job.entry.requested().is_some_and(|request| status.last_handled_reconcile_at != Some(request));
    let same_files = match ctx.members.read_as(&Key::of(object.as_ref())) {
        Some(before) => before.reads_the_same(job.source),
        None => Some(status.observed_generation) == object.metadata.generation,
    };
    job.source.drift == Drift::Report
        && status.last_applied_revision.as_ref() == Some(&job.report.revision())
        && status.transaction == Some(Transaction::Committed)
        && same_files
        && !asked
}

/// What a commit leaves as it is for now.
struct HeldBack {
    /// Objects that are not as Git has them.
    differing: HashSet<ObjectKey>,
    /// Objects that left Git.
    staying: Vec<ObjectKey>,
    /// Those of both that are written once their freeze ends.
    owed: HashSet<ObjectKey>,
    /// When that was found.
    time: jiff::Timestamp,
}

impl HeldBack {
    fn of(plan: &Plan<'_>, hold: &Hold) -> Self {
        let owed = plan.held.iter().chain(&plan.staying).filter(|key| hold.owes(key)).cloned().collect();
        Self { differing: plan.held.iter().cloned().collect(), staying: plan.staying.clone(), owed, time: hold.time }
    }
}

/// Which commit it is, and the spec under which it was read.
struct Commit {
    revision: String,
    source: Arc<Source>,
}

impl Job<'_> {
    fn commit(&self) -> Commit {
        let source = self.entry.compiled.clone().unwrap_or_else(|| Arc::new(self.source.clone()));
        Commit { revision: self.report.revision(), source }
    }
}

/// What the cluster has after a commit.
fn applied(commit: Commit, set: String, seen: Seen, mut back: HeldBack, written: Written) -> Applied {
    let live: HashMap<&ObjectKey, &Live> = seen.live.iter().map(|live| (&live.key, live)).collect();
    let mut versions = written.versions;
    let mut members: HashMap<ObjectKey, Member> = HashMap::new();
    for object in seen.loaded.objects.into_iter().filter(|object| !written.refused.keys.contains(&object.key)) {
        let key = object.key.clone();
        let differs = back.differing.contains(&key);
        // Without a version the object is looked at next.
        let known = versions
            .remove(&key)
            .or_else(|| live.get(&key).and_then(|live| Version::of_value(&live.value)))
            .filter(|known| !differs && known.freeze.0.is_none());
        let owed = back.owed.remove(&key);
        members.insert(key, Member { wanted: Some(Arc::new(object)), known, owed, ..Member::default() });
    }
    for key in back.staying.into_iter().filter(|key| live.get(key).is_some_and(|live| is_frozen(live, back.time))) {
        let owed = back.owed.remove(&key);
        members.insert(key, Member { owed, ..Member::default() });
    }
    Applied { set, revision: commit.revision, source: commit.source, members }
}

/// Takes up the commit that was applied last, when this process has not seen it and cannot have it from the repository,
/// so that drift is corrected all the same, and what waits for the end of a freeze is written then. Nothing is written
/// here.
pub(super) async fn resume(ctx: &Context, entry: &SourceEntry, known: &Known, mirror: PathBuf) {
    let key = Key::of(entry.object.as_ref());
    let (Some(source), None) = (&entry.compiled, ctx.members.read_as(&key)) else { return };
    let committed = known.status.transaction == Some(Transaction::Committed);
    let Some(revision) = known.status.last_applied_revision.clone().filter(|_| committed) else { return };
    let Some((_, commit)) = revision.rsplit_once(':') else { return };
    if !mirror.is_dir() {
        return;
    }
    let guard = ctx.members.begin(&key).await;
    let set = set_of(&entry.object);
    let left = match gather::read(ctx, source, &set, mirror, commit).await {
        Err(_) => Left::Untouched,
        Ok(seen) => {
            let defaults = |kind: &str, value: &Value| write::wanted(&set, kind, value);
            let plan = plan_of(source, commit, &set, &seen, &defaults, &|_, _| true);
            let mut back = HeldBack::of(&plan, &Hold::of(&known.status, true, &seen.live, ctx.clock.now()));
            // Whose it is now is found out by a look.
            back.differing.extend(plan.conflicts.iter().map(|conflict| conflict.object.key.clone()));
            tracing::info!(source = %key, revision, "the commit applied last is kept as it was");
            let commit = Commit { revision, source: source.clone() };
            Left::Applied(applied(commit, set.clone(), seen, back, Written::default()))
        }
    };
    let look = ctx.members.end(&key, left);
    drop(guard);
    look.into_iter().for_each(|object| ctx.queues.drift.add(object));
}

/// The id by which this source's members are known.
fn set_of(object: &GitSource) -> String {
    applyset::id(&object.name_any(), &object.namespace().unwrap_or_default(), "GitSource", api::GROUP)
}

/// The source whose members carry this id, as namespace/name.
pub fn holder_of(ctx: &Context, set: &str) -> Option<String> {
    let world = ctx.world.read();
    world.sources().find(|(_, entry)| set_of(&entry.object) == set).map(|(key, _)| key.to_string())
}

fn plan_of<'a>(
    source: &'a Source,
    commit: &'a str,
    set: &'a str,
    seen: &'a Seen,
    defaults: &'a dyn Fn(&str, &Value) -> Value,
    hold: &'a dyn Fn(&ObjectKey, Option<&Live>) -> bool,
) -> Plan<'a> {
    let rules = &source.prune;
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
        commit,
        desired: &seen.loaded.objects,
        refused: &seen.loaded.refused,
        live: &seen.live,
        defaults,
        prune,
        hold,
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
    let differing = ctx.members.differing(&key);
    let about = About { request: None, ..about(&known.status, job.entry, ctx.clock.now(), &differing) };
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
pub(super) fn about<'a>(
    before: &'a GitSourceStatus,
    entry: &SourceEntry,
    now: jiff::Timestamp,
    differing: &'a Differing,
) -> About<'a> {
    About { before, generation: entry.object.metadata.generation, request: entry.requested(), now, differing }
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
    ctx.members.forget(key);
    let Some(uid) = ctx.sources.forget(key) else { return };
    let mirror = fetch::mirror(&ctx.config.data, &uid);
    match tokio::fs::remove_dir_all(&mirror).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(source = %key, mirror = %mirror.display(), %error, "could not remove the mirror of a source that is gone");
        }
        _ => {}
    }
}
