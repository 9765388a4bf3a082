//! ServiceMonitors: what probes have seen becomes an alert and a status.
//!
//! The alert comes first and the status after it is durable, so that a crash in between finds the old
//! state in the status and does both again.

pub(crate) mod decide;

use std::time::Duration;

use api::{
    ServiceMonitor,
    service_monitor::{ServiceMonitorStatus, State as Word},
};
use decide::Wanted;
use domain::{alert::AlertState, labels::Labels};

use crate::{
    alerts::{self, AcceptError, Accepted},
    context::Context,
    engine::prober::Observed,
    index::MonitorEntry,
    kube::{events::Note, meta::Key},
    queue::{Looked, Outcome},
};

/// A monitor that a silence covers is looked at again this often, should the end of the silence be missed.
const SILENCED_AGAIN: Duration = Duration::from_secs(60);

/// Looks at one monitor. `None` when its alert could not be made durable.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    let entry = ctx.world.read().monitor(&key).cloned();
    let observed = ctx.probed.get(&key);
    let handed_in = match (&entry, &observed) {
        (Some(_), Some(observed)) => hand_in(ctx, &key, observed).await,
        (Some(_), None) => Ok(None),
        (None, _) => end(ctx, &key, None, AlertState::SourceRemoved).await.map(|()| None),
    };
    let again = match handed_in {
        Ok(again) => again,
        Err(AcceptError::NotLeading) => {
            return Some(Looked { outcome: Outcome::Waiting, again: Some(Duration::from_secs(1)) });
        }
        Err(error) => {
            tracing::warn!(monitor = %key, %error, "the alert is not durable yet; trying again");
            return None;
        }
    };
    let outcome = match entry {
        Some(entry) => write_status(ctx, &key, &entry, observed.as_ref()),
        None => {
            ctx.statuses.forget("svcmonitors", &key);
            Outcome::Unchanged
        }
    };
    Some(Looked { outcome, again })
}

/// Makes the alert say what the looks say. Returns when to try again, where a silence covers it.
async fn hand_in(ctx: &Context, key: &Key, observed: &Observed) -> Result<Option<Duration>, AcceptError> {
    match decide::wanted(observed, ctx.clock.now()) {
        Wanted::Keep => Ok(None),
        Wanted::End(state) => end(ctx, key, None, state).await.map(|()| None),
        Wanted::Fire(alert) => {
            let labels = alert.labels.clone();
            let again = match alerts::accept(ctx, *alert).await? {
                Accepted::Opened(ticket) => {
                    tracing::info!(monitor = %key, %ticket, "opened a ticket");
                    None
                }
                Accepted::Silenced(by) => {
                    tracing::debug!(monitor = %key, by, "no ticket: silenced");
                    Some(SILENCED_AGAIN)
                }
                _ => None,
            };
            // An edit may have changed its labels: the alert it was before has lost its source.
            end(ctx, key, Some(&labels), AlertState::SourceRemoved).await?;
            Ok(again)
        }
    }
}

/// Ends every alert that fires for this monitor, but the one with the labels to spare.
async fn end(ctx: &Context, key: &Key, spare: Option<&Labels>, state: AlertState) -> Result<(), AcceptError> {
    let firing = {
        let world = ctx.world.read();
        let mut firing = world.firing_alerts(&key.namespace, |labels| decide::is_alert_of(key, labels));
        if key.namespace != ctx.config.namespace {
            // Alerts that no policy serves are on tickets of the operator's namespace.
            firing.extend(world.firing_alerts(&ctx.config.namespace, |labels| decide::is_alert_of(key, labels)));
        }
        firing
    };
    for labels in firing.into_iter().filter(|labels| Some(labels) != spare) {
        alerts::accept(ctx, decide::ended(&key.namespace, labels, state, ctx.clock.now())).await?;
    }
    Ok(())
}

fn write_status(ctx: &Context, key: &Key, entry: &MonitorEntry, observed: Option<&Observed>) -> Outcome {
    let ticket = ctx
        .world
        .read()
        .ticket_with_alert(&key.namespace, |labels| decide::is_alert_of(key, labels))
        .map(|ticket| ticket.name);
    let before = entry.object.status.clone().unwrap_or_default();
    let after = decide::status(entry, observed, ticket, ctx.clock.now());
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
    // Unknown without a reason is a new monitor at which nobody has looked yet.
    let blind = after.state == Some(Word::Unknown) && after.reason.is_some() && after.reason != before.reason;
    let moved = before.state != after.state && !(before.state.is_none() && after.state == Some(Word::Unknown));
    let Some(state) = after.state.filter(|_| blind || moved) else { return };
    let (warning, reason) = decide::event_of(state);
    let text = after.message.clone().unwrap_or_else(|| format!("{} is {reason}", entry.object.spec.service));
    ctx.events.note(entry.object.as_ref(), Note { warning, reason, action: "Probe", text });
}
