//! Tickets: reconcile = gather, decide, act.

mod act;
mod decide;
mod gather;
mod letter;
pub(crate) mod rehearse;

use std::time::Duration;

use api::{
    conditions,
    ticket::{EscalationStatus, TicketStatus},
};

use crate::{
    context::Context,
    kube::meta::Key,
    queue::{LONGEST_WAIT, Looked, Outcome},
};

pub use act::Error;

/// One look may take this long, all writes together.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Whether no step of its escalation has anybody to tell.
pub(crate) fn reaches_nobody(status: &TicketStatus) -> bool {
    conditions::is_true(&status.conditions, decide::NOBODY_FOUND)
}

/// Whether somebody still has to act. Such a ticket is looked at every ten minutes even when nothing is due, so that a wake
/// that was lost costs ten minutes and not the night.
fn waits(status: &TicketStatus) -> bool {
    status.escalation.as_ref().is_some_and(EscalationStatus::waits_for_a_person)
}

/// Looks at one ticket. `None` when it failed.
pub async fn reconcile(ctx: &Context, key: Key) -> Option<Looked> {
    match tokio::time::timeout(TIMEOUT, ctx.leadership.unless_parted(look(ctx, &key))).await {
        Ok(Some(Ok(looked))) => Some(looked),
        Ok(None) => Some(Looked::SOON),
        // The log has that already; on an island it is the journal that refuses.
        Ok(Some(Err(_))) if ctx.leadership.is_api_silent() && !ctx.leadership.is_islanded() => None,
        Ok(Some(Err(error))) => {
            tracing::warn!(ticket = %key, %error, "could not look after the ticket; trying again");
            None
        }
        Err(_) => {
            tracing::warn!(ticket = %key, "looking after the ticket took longer than 30 s; trying again");
            None
        }
    }
}

async fn look(ctx: &Context, key: &Key) -> Result<Looked, Error> {
    let Some(ground) = ctx.leadership.ground() else {
        return Ok(Looked::SOON);
    };
    ctx.island.await_what_was_seen_in_a_gap(ctx);
    let Some((seen, inbox)) = gather::read(ctx, key, ground).await? else {
        return Ok(Looked { outcome: Outcome::Unchanged, again: None });
    };
    let now = ctx.clock.now();
    let plan = decide::decide(&seen, now);
    let next = plan.next;
    let waits = waits(&plan.status);
    let due = seen
        .ticket
        .status
        .as_ref()
        .and_then(|status| status.escalation.as_ref())
        .and_then(|escalation| escalation.next_at);
    if let Some(due) = due.filter(|due| *due <= now && plan.changed) {
        ctx.metrics.deadline_lag.observe(domain::time::between(due, now).as_secs_f64());
    }
    let outcome = if plan.changed || !plan.events.is_empty() { Outcome::Applied } else { Outcome::Unchanged };
    // On an error what came in goes back by itself and is decided on again, with what the ticket is by then.
    act::carry_out(ctx, key, &seen, plan, ground).await?;
    inbox.done();
    if seen.awaits_monitors {
        return Ok(Looked { outcome, ..Looked::SOON });
    }
    let again = next.map(|at| ctx.clock.until(at)).or(waits.then_some(LONGEST_WAIT));
    Ok(Looked { outcome, again })
}
