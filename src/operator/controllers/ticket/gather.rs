//! Reads what a decision about a ticket rests on.

use std::sync::Arc;

use api::Ticket;

use super::{act::Error, decide::Seen};
use crate::{context::Context, inbox::Inbox, kube::meta::Key};

/// `None` when the ticket is gone: whoever waits in its inbox is told so.
pub(super) async fn read(ctx: &Context, key: &Key) -> Result<Option<(Seen, Inbox)>, Error> {
    let Some(ticket) = ctx.world.read().ticket(key).cloned() else {
        ctx.inboxes.take(key).gone();
        return Ok(None);
    };
    let number = match ticket.status.as_ref().and_then(|status| status.number) {
        Some(_) => None,
        None => Some(ctx.numbers.draw().await?),
    };
    let frozen = frozen_policy(ctx, key, &ticket).await?;
    let inbox = ctx.inboxes.take(key);
    let world = ctx.world.read();
    let policy_exists = policy_key(&ticket).is_some_and(|policy| world.policy(&policy).is_some());
    let live = policy_key(&ticket).and_then(|policy| world.policy(&policy)).and_then(|entry| entry.compiled.clone());
    let seen = Seen {
        events: world.events_of(key),
        frozen,
        live,
        policy_exists,
        silences: world.silences_for(&key.namespace),
        operator_namespace: world.operator_namespace.clone(),
        epoch: ctx.leadership.epoch(),
        number,
        alerts: inbox.alerts(),
        reports: inbox.reports(),
        ticket,
    };
    Ok(Some((seen, inbox)))
}

/// The policy of a ticket that alerts opened.
fn policy_key(ticket: &Ticket) -> Option<Key> {
    let origin = ticket.spec.origin.as_ref().filter(|origin| !origin.policy.is_empty())?;
    Some(Key::new(origin.policy_namespace.clone(), origin.policy.clone()))
}

async fn frozen_policy(
    ctx: &Context,
    key: &Key,
    ticket: &Ticket,
) -> Result<Option<Arc<domain::policy::Policy>>, Error> {
    match &ticket.spec.origin {
        Some(origin) if !origin.policy_revision.is_empty() => {
            Ok(ctx.revisions.read(&key.namespace, &origin.policy_revision).await?)
        }
        _ => Ok(None),
    }
}
