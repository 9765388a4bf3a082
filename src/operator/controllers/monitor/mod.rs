//! ServiceMonitors: what probes have seen becomes alerts and a status.
//!
//! The alerts come first and the status after it is durable, so that a crash in between finds the old
//! state in the status and does both again.

pub(crate) mod decide;

use std::time::Duration;

use api::{
    ServiceMonitor,
    service_monitor::{ServiceMonitorStatus, State as Word},
};
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    probe,
};
use futures::future::join_all;

use crate::{
    alerts::{self, AcceptError, Accepted, HeldBack},
    context::Context,
    engine::prober::Observed,
    index::MonitorEntry,
    island::monitors,
    kube::{events::Note, meta::Key},
    queue::{Looked, Outcome},
};

/// A monitor whose alert something holds is looked at again this often, should the end of that be missed.
const HELD_AGAIN: Duration = Duration::from_secs(60);

/// Looks at one monitor. `None` when an alert of it could not be made durable.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    let entry = ctx.world.read().monitor(&key).cloned();
    let observed = ctx.probed.get(&key);
    let handed_in = match (&entry, &observed) {
        (Some(_), Some(observed)) => hand_in(ctx, &key, observed).await,
        (Some(_), None) => Ok(Vec::new()),
        (None, _) => end(ctx, &key).await.inspect(|_| looked(ctx, &key)),
    };
    let held = match handed_in {
        Ok(held) => held,
        Err(AcceptError::NotLeading) => return Some(Looked::SOON),
        // The log has that already; on an island it is the journal that refuses.
        Err(_) if ctx.leadership.is_api_silent() && !ctx.leadership.is_islanded() => return None,
        Err(error) => {
            tracing::warn!(monitor = %key, %error, "the alert is not durable yet; trying again");
            return None;
        }
    };
    let wait = |held: &HeldBack| held.until.map_or(HELD_AGAIN, |until| ctx.clock.until(until).min(HELD_AGAIN));
    let again = held.iter().map(wait).min();
    let outcome = match entry {
        Some(entry) => write_status(ctx, &key, &entry, observed.as_ref(), &held),
        None => {
            ctx.statuses.forget("svcmonitors", &key);
            Outcome::Unchanged
        }
    };
    Some(Looked { outcome, again })
}

/// Makes the alerts say what the looks say. Returns those that fire and have no ticket.
async fn hand_in(ctx: &Context, key: &Key, observed: &Observed) -> Result<Vec<HeldBack>, AcceptError> {
    let now = ctx.clock.now();
    let decisions = observed.decisions(ctx.probed.fleet(), now);
    for decision in &decisions {
        tracing::trace!(monitor = %key, alert = decision.id.name.as_str(), wanted = ?decision.wanted, why = decision.why);
    }
    let on_tickets = ctx.world.read().firing_of(key);
    let alerts = probe::alerts::hand_in(&observed.monitor, &decisions, &on_tickets, now);
    let firing: Vec<Alert> = alerts.iter().filter(|alert| alert.state == AlertState::Firing).cloned().collect();
    ctx.alerts.keep(key, &firing);
    let held = accept_all(ctx, key, alerts).await?;
    if !probe::alerts::is_open(&decisions, &on_tickets) {
        looked(ctx, key);
    }
    Ok(held)
}

/// Of every alert of the monitor that fires on a ticket it is known whether it is over: what waited for that goes on.
fn looked(ctx: &Context, key: &Key) {
    if !ctx.island.looked(key) {
        return;
    }
    let world = ctx.world.read();
    let waited = world.naming(key).filter(|(_, ticket)| ticket.status.iter().flat_map(monitors).any(|one| one == *key));
    waited.for_each(|(ticket, _)| ctx.queues.tickets.add(ticket.clone()));
}

/// Ends every alert that fires for a monitor that is gone.
async fn end(ctx: &Context, key: &Key) -> Result<Vec<HeldBack>, AcceptError> {
    ctx.alerts.keep(key, &[]);
    let at = domain::time::whole_seconds(ctx.clock.now());
    let ended = |labels| Alert {
        namespace: key.namespace.clone(),
        labels,
        annotations: Labels::new(),
        state: AlertState::SourceRemoved,
        starts_at: at,
        at,
    };
    let firing = ctx.world.read().firing_of(key);
    accept_all(ctx, key, firing.into_iter().map(ended).collect()).await
}

/// Hands in alerts together, so that one transition is one write of a ticket: where one takes the place of another,
/// the ticket sees both at once.
async fn accept_all(ctx: &Context, key: &Key, alerts: Vec<Alert>) -> Result<Vec<HeldBack>, AcceptError> {
    let mut all = Vec::new();
    for accepted in join_all(alerts.into_iter().map(|alert| alerts::accept(ctx, alert))).await {
        match accepted? {
            Accepted::Opened(ticket) => tracing::info!(monitor = %key, %ticket, "opened a ticket"),
            Accepted::Held(held) => {
                tracing::debug!(monitor = %key, by = held.by, "no ticket yet");
                all.push(held);
            }
            _ => {}
        }
    }
    Ok(all)
}

fn write_status(
    ctx: &Context,
    key: &Key,
    entry: &MonitorEntry,
    observed: Option<&Observed>,
    held: &[HeldBack],
) -> Outcome {
    let world = ctx.world.read();
    let ticket = world.ticket_of(key).map(|ticket| ticket.name.clone());
    let unserved = world.unserved_ticket_of(key).cloned();
    let dependencies = world.wrong_dependencies(key);
    drop(world);
    let before = entry.object.status.clone().unwrap_or_default();
    let around = decide::Around { ticket, unserved, dependencies, held };
    let after = decide::status(entry, observed, around, ctx.clock.now());
    note_transition(ctx, entry, &before, &after);
    let checkpoint = observed.is_some_and(Observed::needs_checkpoint);
    if !decide::is_worth_writing(&before, &after, checkpoint) {
        return Outcome::Unchanged;
    }
    let outcome = ctx.statuses.write::<ServiceMonitor>(key, &after);
    if outcome == Outcome::Applied {
        ctx.probed.wrote(key);
    }
    outcome
}

fn note_transition(ctx: &Context, entry: &MonitorEntry, before: &ServiceMonitorStatus, after: &ServiceMonitorStatus) {
    // A spec that cannot be used leaves no state to speak of: this is all that is seen of it.
    if let Some(text) = decide::newly_invalid(before, after) {
        ctx.events.note(entry.object.as_ref(), Note { warning: true, reason: "InvalidSpec", action: "Validate", text });
    }
    if let Some(text) = decide::newly_unserved(before, after) {
        let reason = decide::NO_POLICY;
        ctx.events.note(entry.object.as_ref(), Note { warning: true, reason, action: "Route", text });
    }
    // Unknown without a reason is a new monitor at which nobody has looked yet.
    let blind = after.state == Some(Word::Unknown) && after.reason.is_some() && after.reason != before.reason;
    let moved = before.state != after.state && !(before.state.is_none() && after.state == Some(Word::Unknown));
    let Some(state) = after.state.filter(|_| blind || moved) else { return };
    let (warning, reason) = decide::event_of(state);
    let text = after.message.clone().unwrap_or_else(|| format!("{} is {reason}", entry.object.spec.service));
    ctx.events.note(entry.object.as_ref(), Note { warning, reason, action: "Probe", text });
}
