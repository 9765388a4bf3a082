//! Does what was decided about a ticket, in the order that keeps a page from going out twice: events, the
//! ticket's status at the version that was read, then the messages.

use std::sync::Arc;

use api::{
    Ticket, TicketEvent,
    ticket::{AlertLineState, TicketStatus},
    ticket_event::TicketEventStatus,
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use thiserror::Error;

use super::{
    decide::{Creation, Plan, Seen},
    letter::{self, Ways},
};
use crate::{
    context::Context,
    engine::numbers::NumberError,
    index::{is_over, tells, was_not_paged},
    island::{JournalError, monitors},
    kube::{lease::Ground, meta::Key, status_writer::MANAGER},
    revisions::RevisionError,
    telemetry::metrics::{ByLabel, ClockLabel},
    watches::wake_those_held_by,
};

/// Why a look at a ticket failed.
#[derive(Debug, Error)]
pub enum Error {
    /// No number could be drawn.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The policy's revision could not be read.
    #[error(transparent)]
    Revision(#[from] RevisionError),
    /// The journal of an outage could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The status was not written.
    #[error("writing the status: {0}")]
    Status(#[source] Box<kube::Error>),
    /// The ticket changed since it was read.
    #[error("the ticket changed since it was read")]
    Changed,
    /// What an event asked for was not created.
    #[error("creating {0}: {1}")]
    Create(String, #[source] Box<kube::Error>),
    /// An event's status was not written.
    #[error("writing the status of event {0}: {1}")]
    Event(String, #[source] Box<kube::Error>),
}

pub(super) async fn carry_out(
    ctx: &Context,
    key: &Key,
    seen: &Seen,
    mut plan: Plan,
    ground: Ground,
) -> Result<(), Error> {
    let ticket = match ground {
        Ground::Memory if plan.changed => {
            withdraw(ctx, key, &mut plan);
            ctx.island.record(ctx, &seen.ticket, plan.status).await?
        }
        Ground::Api => write(ctx, key, seen, &mut plan).await?,
        Ground::Memory => seen.ticket.clone(),
    };
    if fires(&seen.ticket) != fires(&ticket) || tells(&seen.ticket) != tells(&ticket) {
        // The old one too: what fired on it until now may be what held others.
        [&seen.ticket, &ticket].into_iter().for_each(|ticket| wake_those_held_by(ctx, ticket));
    }
    if is_over(&ticket) && !is_over(&seen.ticket) {
        // Those that it caused are told.
        let caused = ctx.world.read().caused_by(key);
        caused.into_iter().for_each(|key| ctx.queues.tickets.add(key));
    }
    if was_not_paged(&ticket) && !was_not_paged(&seen.ticket) {
        // What they have found before this was known was no news then.
        ticket.status.iter().flat_map(monitors).for_each(|monitor| ctx.queues.monitors.add(monitor));
    }
    ctx.outbox.begin_anew(&plan.anew);
    let now = ctx.clock.now();
    let ways = Ways { policy: seen.live.as_deref().or(seen.frozen.as_deref()), last_resort: seen.last_resort.usable() };
    for item in letter::due(&ticket, ways, now) {
        ctx.outbox.send(item);
    }
    // What keeps a channel from sending is known to whoever looks at its policy.
    let ids: Vec<String> = seen.reports.iter().filter(|report| !report.arrived()).map(|it| it.id.to_string()).collect();
    let failing = ticket.status.iter().flat_map(|status| &status.notifications).filter(|n| ids.contains(&n.id));
    failing.filter_map(|n| ways.policy_of(&n.channel)).for_each(|policy| ctx.queues.policies.add(policy));
    // The API cannot take Events while it is gone, and does not know the uid of a ticket that was opened meanwhile.
    for note in plan.notes.into_iter().filter(|_| ground == Ground::Api) {
        ctx.events.note(ticket.as_ref(), note);
    }
    for (silence, what) in plan.held_by {
        ctx.held.record(&silence, &format!("{key} {what}"), &ticket.spec.title, &what, now);
    }
    ctx.metrics.nobody_found.inc_by(plan.counts.nobody_found);
    ctx.metrics.exhausted.inc_by(plan.counts.exhausted);
    for (by, count) in plan.counts.suppressed {
        ctx.metrics.suppressed.get_or_create(&ByLabel { by: by.as_str() }).inc_by(count);
    }
    for said in plan.said {
        let label = ClockLabel { clock: said.clock.as_str() };
        let family = if said.breach { &ctx.metrics.sla_breaches } else { &ctx.metrics.sla_warnings };
        family.get_or_create(&label).inc();
        ctx.metrics.sla_lag.observe(said.late.as_secs_f64());
    }
    Ok(())
}

/// Everything that the API must know before a message is sent.
async fn write(ctx: &Context, key: &Key, seen: &Seen, plan: &mut Plan) -> Result<Arc<Ticket>, Error> {
    for creation in &plan.creations {
        create(ctx, key, creation).await?;
    }
    for (name, status) in &plan.events {
        judge(ctx, key, name, status).await?;
    }
    withdraw(ctx, key, plan);
    if plan.changed { commit(ctx, key, &seen.ticket, &plan.status).await } else { Ok(seen.ticket.clone()) }
}

/// Messages that are not needed any more are not begun from here on. What is being sent at this moment, or was since the ticket
/// was read, may arrive all the same: that is written with the decision, should nobody live to write down what came of it.
/// Where the decision is not written they are planned still, and the next look hands them in again.
fn withdraw(ctx: &Context, key: &Key, plan: &mut Plan) {
    ctx.outbox.cancel(&plan.cancel);
    for id in &plan.cancel {
        // In this order: an attempt is over only when its report is there.
        if ctx.outbox.is_being_sent(*id) || ctx.inboxes.reported(key).contains(id) {
            let id = id.to_string();
            let known = plan.status.notifications.iter_mut().find(|n| n.id == id);
            known.into_iter().for_each(|notification| notification.may_have_arrived = true);
        }
    }
}

/// The fingerprints that fire on a ticket.
fn fires(ticket: &Ticket) -> Vec<&str> {
    let lines = ticket.status.iter().filter_map(|status| status.alerts.as_ref()).flat_map(|alerts| &alerts.list);
    lines.filter(|line| line.state == AlertLineState::Firing).map(|line| line.fingerprint.as_str()).collect()
}

/// Writes the status at the version that was read: a decision on an older one must not stand.
async fn commit(ctx: &Context, key: &Key, read: &Ticket, status: &TicketStatus) -> Result<Arc<Ticket>, Error> {
    let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let body = json!({
        "apiVersion": "firstline.dev/v1alpha1",
        "kind": "Ticket",
        "metadata": {"name": key.name, "resourceVersion": read.metadata.resource_version},
        "status": status,
    });
    match api.patch_status(&key.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body)).await {
        Ok(written) => {
            let written = Arc::new(written);
            ctx.world.write().apply_ticket(written.clone());
            Ok(written)
        }
        Err(kube::Error::Api(answer)) if answer.is_conflict() => {
            catch_up(ctx, key, &api).await?;
            Err(Error::Changed)
        }
        // The watch says so too, and wakes whoever must know.
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Err(Error::Changed),
        Err(error) => Err(Error::Status(Box::new(error))),
    }
}

/// The watch may be behind: the next decision is taken on what the API has now.
async fn catch_up(ctx: &Context, key: &Key, api: &Api<Ticket>) -> Result<(), Error> {
    match api.get_opt(&key.name).await {
        Ok(Some(ticket)) => {
            ctx.world.write().apply_ticket(Arc::new(ticket));
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => Err(Error::Status(Box::new(error))),
    }
}

/// What an event asked for beyond its ticket. That it exists already is as good: the names are decided by what it is.
async fn create(ctx: &Context, key: &Key, creation: &Creation) -> Result<(), Error> {
    let params = PostParams::default();
    let (name, answer) = match creation {
        Creation::Ticket(ticket) => {
            let api: Api<Ticket> = Api::namespaced(ctx.client.clone(), &key.namespace);
            (ticket.name_any(), api.create(&params, ticket).await.map(drop))
        }
        Creation::Event(event) => {
            let api: Api<TicketEvent> = Api::namespaced(ctx.client.clone(), &key.namespace);
            (event.name_any(), api.create(&params, event).await.map(drop))
        }
    };
    match answer {
        Ok(()) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_already_exists() => Ok(()),
        Err(error) => Err(Error::Create(name, Box::new(error))),
    }
}

async fn judge(ctx: &Context, key: &Key, name: &str, status: &TicketEventStatus) -> Result<(), Error> {
    let api: Api<TicketEvent> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let body = json!({
        "apiVersion": "firstline.dev/v1alpha1",
        "kind": "TicketEvent",
        "metadata": {"name": name},
        "status": status,
    });
    match api.patch_status(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&body)).await {
        Ok(event) => {
            ctx.world.write().apply_event(event);
            Ok(())
        }
        // Deleted by one who may: it no longer counts.
        Err(kube::Error::Api(answer)) if answer.is_not_found() => {
            ctx.world.write().delete_event(&Key::new(&*key.namespace, name));
            Ok(())
        }
        Err(error) => Err(Error::Event(name.to_owned(), Box::new(error))),
    }
}
