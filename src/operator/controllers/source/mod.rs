//! GitSources: reconcile = fetch, gather, decide, act.
//!
//! Nothing is asked of the API while the tip of the branch is the commit that was judged before. A new process
//! compares everything once, and so finishes what a crash has cut short.

mod act;
mod decide;
mod gather;

pub use act::holder_of;
pub(crate) use decide::RUNS;

use std::time::Duration;

use api::git_source::Source;
use kube::ResourceExt;
use tokio::time::Instant;

use decide::{
    Attempt, Outcome as Came, note, remember, status,
    turn::{self, House, Turn},
};

use crate::{
    context::Context,
    engine::syncer::{Known, fetch},
    index::SourceEntry,
    kube::meta::Key,
    queue::{Looked, Outcome},
    telemetry::metrics::ResultLabel,
};

/// Looks at one source. It waits by itself after a failure, and so never asks the queue to.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    tokio::select! {
        // What was begun is finished by the next leader: the next plan is made of what is there.
        () = ctx.stop.cancelled() => Some(Looked { outcome: Outcome::Waiting, again: None }),
        looked = look(ctx, &key) => Some(looked),
    }
}

async fn look(ctx: &Context, key: &Key) -> Looked {
    if !ctx.leadership.is_valid() {
        return Looked::SOON;
    }
    let entry = ctx.world.read().source(key).cloned();
    let Some(entry) = entry else {
        act::clean_up(ctx, key).await;
        return Looked { outcome: Outcome::Unchanged, again: None };
    };
    let mut known = ctx.sources.recall(key, &entry.object);
    if ctx.sources.take_anew(key) {
        (known.verdict, known.next) = (None, None);
    }
    let before = known.status.clone();
    let house = House { namespace: &ctx.config.namespace, file_sources: ctx.config.allow_file_sources };
    let came = match turn::turn(&entry, &known, house, Instant::now()) {
        Turn::Rest(wait) => return refresh(ctx, key, &entry, known, wait),
        Turn::NotServed(standing) => {
            ctx.members.rest(key);
            Came::NotServed(standing)
        }
        Turn::Fetch { source, anew } => {
            if anew {
                known.verdict = None;
            }
            run(ctx, &entry, &source, &mut known).await
        }
    };
    known.generation = entry.object.metadata.generation;
    known.request = entry.requested();
    let interval = entry.compiled.as_ref().map_or(Duration::ZERO, |source| turn::interval(source.interval, &known.uid));
    let again = remember::remember(&mut known, &came, interval, Instant::now());
    // By now the status may say that a commit is being written.
    let differing = ctx.members.differing(key);
    let status = status::status(&act::about(&known.status, &entry, ctx.clock.now(), &differing), &came);
    let changed = known.status != status;
    known.status = status;
    if changed {
        act::report(ctx, key, &known.status);
    }
    tell(ctx, key, &entry, &before, &known, &came);
    ctx.sources.keep(key, known);
    Looked { outcome: outcome(&came, changed), again }
}

/// Nothing is due but what the status says of drift.
fn refresh(ctx: &Context, key: &Key, entry: &SourceEntry, mut known: Known, wait: Duration) -> Looked {
    let differing = ctx.members.differing(key);
    let status = status::refreshed(&act::about(&known.status, entry, ctx.clock.now(), &differing));
    let changed = known.status != status;
    if changed {
        known.status = status;
        act::report(ctx, key, &known.status);
        ctx.sources.keep(key, known);
    }
    Looked { outcome: if changed { Outcome::Applied } else { Outcome::Unchanged }, again: Some(wait) }
}

/// Fetches, and attempts the commit unless it is known what would come of it.
async fn run(ctx: &Context, entry: &SourceEntry, source: &Source, known: &mut Known) -> Came {
    let (at, began) = (ctx.clock.now(), Instant::now());
    let mirror = fetch::mirror(&ctx.config.data, &known.uid);
    let since = act::applied_commit(ctx, entry, source, known);
    let report = match fetch::fetch(source, since, mirror.clone(), &ctx.secrets).await {
        Ok(report) => report,
        Err(failure) => {
            tracing::warn!(source = %entry.object.name_any(), reason = failure.reason, why = failure.message, "not fetched");
            act::resume(ctx, entry, known, mirror).await;
            return Came::NotFetched(failure);
        }
    };
    if let Some(verdict) = &known.verdict
        && verdict.commit == report.commit
        && verdict.again.is_none_or(|again| again > began)
    {
        return Came::Known(verdict.standing.clone());
    }
    let job = act::Job { entry, source, report: &report, mirror: mirror.clone() };
    let (counts, end) = act::attempt(ctx, job, known).await;
    if matches!(end, decide::End::Refused(_)) {
        act::resume(ctx, entry, known, mirror).await;
    }
    Came::Attempted(Attempt {
        commit: report.commit.clone(),
        revision: report.revision(),
        at,
        took: began.elapsed(),
        counts,
        end,
    })
}

/// Events, log and metrics.
fn tell(
    ctx: &Context,
    key: &Key,
    entry: &SourceEntry,
    before: &api::git_source::GitSourceStatus,
    known: &Known,
    came: &Came,
) {
    for note in note::notes(before, &known.status, came) {
        ctx.events.note(entry.object.as_ref(), note);
    }
    if let Came::Attempted(attempt) = came {
        act::log(key, attempt);
    }
    if let Some(result) = came.word() {
        ctx.metrics.syncs.get_or_create(&ResultLabel { result }).inc();
    }
}

fn outcome(came: &Came, changed: bool) -> Outcome {
    match came {
        Came::NotFetched(_) => Outcome::Failed,
        Came::Attempted(Attempt { end: decide::End::Interrupted { .. }, .. }) => Outcome::Failed,
        _ if changed => Outcome::Applied,
        _ => Outcome::Unchanged,
    }
}
