//! Bringing to the API what was decided without it, before anything else is decided.

use api::Ticket;
use domain::ticket::timeline;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::Status,
};
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::Instant;

use super::{
    AGAIN, Held, Shadow, blocking,
    join::{Expected, Hand, join},
    journal::{Began, Record},
};
use crate::{
    app::ask_for_everything,
    context::Context,
    index::GroupKey,
    kube::{gates::Gates, meta::Key, status_writer::MANAGER},
    revisions::RevisionError,
    watches,
};

/// One ticket may take this long.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How long the API may say no to a ticket that it could take another time. Nothing else is decided meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a ticket has not come to the API.
#[derive(Debug, Error)]
enum MergeError {
    #[error(transparent)]
    Revision(#[from] RevisionError),
    #[error("{0}")]
    Api(#[source] Box<kube::Error>),
    #[error("no answer within 20 s")]
    TimedOut,
    #[error("the lease ran out")]
    Lease,
}

impl MergeError {
    /// What the API has answered.
    fn answer(&self) -> Option<&Status> {
        let (Self::Api(error) | Self::Revision(RevisionError::Api(_, error))) = self else { return None };
        let kube::Error::Api(status) = error.as_ref() else { return None };
        Some(status)
    }

    /// Whether it was a no, such as for want of rights or of an admission webhook. Conflicts and an API that is busy pass.
    fn is_no(&self) -> bool {
        self.answer().is_some_and(|status| !matches!(status.code, 409 | 429 | 503 | 504))
    }

    /// Whether the API has said that it will never take it.
    fn is_final(&self) -> bool {
        let Some(status) = self.answer() else { return false };
        let causes = || status.details.iter().flat_map(|details| &details.causes);
        match status.code {
            400 | 404 => true,
            // What the schema says names a field; an admission policy that refuses with this code names none.
            422 => causes().any(|cause| !cause.field.is_empty()),
            // A namespace that ends may stay so for ever, and all others would wait for it.
            _ => causes().any(|cause| cause.reason == "NamespaceTerminating"),
        }
    }
}

/// Merges until everything is merged; ends earlier only when it is dropped.
pub(super) async fn run(ctx: &Context, gates: &Gates) {
    gates.opened().await;
    if !watches::catch_up(ctx).await {
        return;
    }
    // Whoever is writing a record ends first; nobody begins after.
    let mut journal = ctx.island.journal.clone().lock_owned().await;
    if !ctx.island.is_superseded() {
        // Should this process die in the middle of it, the next one is the heir of this one.
        let began = Began::new(ctx.clock.now(), ctx.leadership.holder(), ctx.leadership.epoch());
        journal = keep(ctx, journal, Record::Began(began)).await;
    }
    // What the API has instead, by ticket.
    let mut refused: HashMap<Key, Option<Arc<Ticket>>> = HashMap::new();
    let mut first_no: HashMap<Key, Instant> = HashMap::new();
    loop {
        let left: Vec<(Key, Shadow)> =
            ctx.island.state.lock().shadows.iter().map(|(key, shadow)| (key.clone(), shadow.clone())).collect();
        let waiting = left.iter().filter(|(key, _)| !refused.contains_key(key)).collect::<Vec<_>>();
        if waiting.is_empty() {
            break;
        }
        let mut failed = false;
        for (key, shadow) in waiting {
            ctx.island.state.lock().merging.insert(key.clone());
            let mut merged = within(compare(ctx, key, shadow)).await;
            if let Ok(Some(shadow)) = &merged {
                // Before it is written: whoever is cut short after that knows its own hand again.
                journal = keep(ctx, journal, shadow.record(ctx.clock.now())).await;
                ctx.island.state.lock().shadows.insert(key.clone(), shadow.clone());
                merged = within(write(ctx, key, &shadow.ticket)).await.map(|()| None);
            }
            match merged {
                Ok(_) => drop(ctx.island.state.lock().shadows.remove(key)),
                Err(error)
                    if error.is_final()
                        || error.is_no()
                            && first_no.entry(key.clone()).or_insert_with(Instant::now).elapsed() > PATIENCE =>
                {
                    tracing::error!(ticket = %key, %error, "the API refuses what was decided while it was gone");
                    // It would be tried on for a day. What the API's version plans as well comes back with the next look.
                    watches::send_no_more(ctx, &shadow.ticket);
                    refused.insert(key.clone(), there(ctx, key).await);
                }
                Err(error) => {
                    tracing::warn!(ticket = %key, %error, "what was decided while the API was gone has not come to it yet; trying again");
                    failed = true;
                }
            }
        }
        if failed {
            tokio::time::sleep(AGAIN).await;
        }
    }
    if let Some(journal) = journal.take() {
        let done = if refused.is_empty() {
            journal.remove()
        } else {
            journal.set_aside(ctx.clock.now()).map(|path| {
                tracing::error!(journal = %path.display(), "what the API refuses is kept here");
            })
        };
        if let Err(error) = done {
            tracing::error!(%error, "the journal is merged and could not be put away; a restart merges it again, which changes nothing");
        }
    }
    {
        let mut state = ctx.island.state.lock();
        let mut world = ctx.world.write();
        // Of what the API does not take, what it has counts.
        for (key, there) in refused {
            match there {
                Some(ticket) => world.put_ticket(ticket),
                None => world.delete_ticket(&key),
            }
        }
        state.shadows.clear();
        state.merging.clear();
        state.left = None;
        state.predecessor = None;
        state.superseded = false;
        state.unwritten = false;
        ctx.metrics.island_unwritten.set(0);
    }
    tracing::info!("what was decided while the API was gone has come to it");
    ctx.leadership.merged();
    ask_for_everything(ctx);
}

/// The ticket as the API has it.
async fn there(ctx: &Context, key: &Key) -> Option<Arc<Ticket>> {
    let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let asked = tokio::time::timeout(TIMEOUT, api.get_opt(&key.name)).await;
    asked.ok()?.ok()?.map(Arc::new)
}

async fn within<T>(step: impl Future<Output = Result<T, MergeError>>) -> Result<T, MergeError> {
    tokio::time::timeout(TIMEOUT, step).await.unwrap_or(Err(MergeError::TimedOut))
}

/// Adds a record to the journal. A disk that refuses it delays nobody: the API has the rest soon.
async fn keep(ctx: &Context, journal: Held, record: Record) -> Held {
    let kept = blocking(move || {
        let mut journal = journal;
        let kept = journal.as_mut().map_or(Ok(()), |journal| journal.append(&record));
        Ok((journal, kept))
    });
    match kept.await {
        Ok((journal, kept)) => {
            if let Err(error) = kept {
                tracing::warn!(%error, "the journal does not take how far its merge has come");
            }
            journal
        }
        Err(_) => ctx.island.journal.clone().lock_owned().await,
    }
}

/// What is to be written about a ticket, and what it rests on; `None` when nothing is.
async fn compare(ctx: &Context, key: &Key, shadow: &Shadow) -> Result<Option<Shadow>, MergeError> {
    let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let fault = |error| MergeError::Api(Box::new(error));
    let ours = &shadow.ticket;
    let there = if ours.metadata.resource_version.is_none() {
        Some(create(ctx, &api, key, ours).await?)
    } else {
        api.get_opt(&key.name).await.map_err(fault)?.filter(|there| there.metadata.uid == ours.metadata.uid)
    };
    let Some(mut there) = there else {
        tracing::warn!(ticket = %key, "the ticket was deleted while the API was gone; what was decided about it ends here");
        watches::send_no_more(ctx, ours);
        ctx.world.write().delete_ticket(key);
        return Ok(None);
    };
    if GroupKey::of(&there) != GroupKey::of(ours) {
        tracing::error!(ticket = %key, "a ticket of that name is about something else; what was decided while the API was gone is only in this log: {:?}", ours.spec.title);
        watches::send_no_more(ctx, ours);
        ctx.world.write().put_ticket(Arc::new(there));
        return Ok(None);
    }
    let decided = ours.status.clone().unwrap_or_default();
    let expected = Expected { base: shadow.base.as_ref(), written: shadow.written.as_ref() };
    let joined = join(expected, &decided, there.status.as_ref(), ctx.leadership.epoch(), ctx.clock.now());
    let Some(mut joined) = joined else {
        ctx.world.write().put_ticket(Arc::new(there));
        return Ok(None);
    };
    bound(&mut joined.timeline);
    if expected.hand(&decided, there.status.as_ref()) != Hand::Anothers && ctx.island.is_superseded() {
        // It may have ended before anybody else has looked.
        ctx.island.await_looks_at(&joined);
    }
    let base = there.status.replace(joined.clone());
    Ok(Some(Shadow { base, written: Some(joined), ticket: Arc::new(there) }))
}

/// Writes the status at the version that it was compared with.
async fn write(ctx: &Context, key: &Key, ticket: &Ticket) -> Result<(), MergeError> {
    if !ctx.leadership.holds_the_lease() {
        return Err(MergeError::Lease);
    }
    let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let body = json!({
        "apiVersion": "firstline.dev/v1alpha1",
        "kind": "Ticket",
        "metadata": {"name": key.name, "resourceVersion": ticket.metadata.resource_version},
        "status": ticket.status,
    });
    let written = api
        .patch_status(&key.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body))
        .await
        .map_err(|error| MergeError::Api(Box::new(error)))?;
    ctx.world.write().put_ticket(Arc::new(written));
    Ok(())
}

/// A ticket that was opened without the API, as the API has it now. It may be there: a crash right after it was created, or
/// another leader that has seen the same trouble.
async fn create(ctx: &Context, api: &Api<Ticket>, key: &Key, ours: &Ticket) -> Result<Ticket, MergeError> {
    let fault = |error| MergeError::Api(Box::new(error));
    if let Some(origin) = &ours.spec.origin {
        let policy = Key::new(&*origin.policy_namespace, &*origin.policy);
        let entry = ctx.island.state.lock().policies.get(&policy).cloned();
        if let Some(entry) = entry {
            ctx.revisions.keep(&key.namespace, &entry).await?;
        }
    }
    let mut wanted = Ticket::new(&ours.name_any(), ours.spec.clone());
    wanted.metadata.namespace = Some(key.namespace.clone());
    wanted.metadata.labels.clone_from(&ours.metadata.labels);
    match api.create(&PostParams::default(), &wanted).await {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) if status.is_already_exists() => api.get(&key.name).await.map_err(fault),
        Err(error) => Err(fault(error)),
    }
}

/// The line that was added must not be the one too many.
fn bound(lines: &mut Vec<api::ticket::TimelineLine>) {
    let read = |line: &api::ticket::TimelineLine| {
        timeline::What::parse(&line.what).is_some_and(timeline::What::is_read_by_the_fold)
    };
    while lines.len() > 600 {
        let Some(place) = lines.iter().position(|line| !read(line)) else { return };
        lines.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::no_such_namespace(json!({"code": 404}), true, true)]
    #[case::not_what_the_schema_says(json!({"code": 422, "details": {"causes": [{"reason": "FieldValueRequired", "field": "spec.title"}]}}), true, true)]
    #[case::a_namespace_that_ends(json!({"code": 403, "details": {"causes": [{"reason": "NamespaceTerminating"}]}}), true, true)]
    #[case::no_right(json!({"code": 403}), true, false)]
    #[case::an_admission_policy(json!({"code": 422, "details": {"causes": [{"message": "ValidatingAdmissionPolicy 'a' denied request"}]}}), true, false)]
    #[case::a_webhook_that_fails(json!({"code": 500}), true, false)]
    #[case::somebody_wrote_meanwhile(json!({"code": 409}), false, false)]
    #[case::too_many_requests(json!({"code": 429}), false, false)]
    #[case::not_there_yet(json!({"code": 503}), false, false)]
    fn what_the_api_answers_is_a_no_for_good_a_no_that_may_pass_or_none(
        #[case] status: serde_json::Value,
        #[case] no: bool,
        #[case] for_good: bool,
    ) {
        let status: Status = serde_json::from_value(status).unwrap();
        let error = MergeError::Api(Box::new(kube::Error::Api(Box::new(status))));
        assert_eq!((error.is_no(), error.is_final()), (no, for_good));
    }

    #[test]
    fn no_answer_is_no_no() {
        assert!(!MergeError::TimedOut.is_no() && !MergeError::TimedOut.is_final());
    }
}
