//! Whether the prober itself is blind: so many monitors that cannot be looked at are one trouble, ours.

use std::time::Duration;

use domain::{
    alert::AlertState,
    probe::alerts::{
        self, SETTLING, Wanted,
        prober::{self, Count},
    },
};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    alerts::{AcceptError, accept},
    context::Context,
};

/// From one count to the next.
const EVERY: Duration = Duration::from_secs(10);

/// Before most monitors have been looked at, a count says nothing.
const FIRST_AFTER: Duration = Duration::from_secs(60);

/// Counts until the process stops, and raises and ends `ProberBlind`.
pub(super) async fn watch(ctx: Context) {
    let began = Instant::now();
    let mut since: Option<Timestamp> = None;
    let mut next = began + FIRST_AFTER;
    loop {
        tokio::select! {
            () = ctx.stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
        }
        next = Instant::now() + EVERY;
        let now = ctx.clock.now();
        let mut count = Count::default();
        {
            let all = ctx.probed.all.lock();
            all.values().for_each(|observed| count.add(&observed.verdict, alerts::patience(&observed.monitor), now));
        }
        *ctx.probed.fleet.lock() = count.fleet();
        let mut wanted = count.wanted(now);
        let namespace = ctx.config.namespace.as_str();
        let fingerprint = domain::labels::Fingerprint::of(&prober::labels(namespace)).to_string();
        let fires = ctx.world.read().ticket_of_alert(namespace, &fingerprint).is_some();
        let news = match &mut wanted {
            Wanted::Fire(firing) => {
                firing.since = *since.get_or_insert(firing.since);
                !fires
            }
            // What an earlier process has raised is not ended before this one has seen enough.
            Wanted::End(_) => {
                since = None;
                fires && began.elapsed() >= SETTLING
            }
            Wanted::Keep => false,
        };
        match prober::alert(&wanted, namespace, now) {
            Some(alert) if news => match accept(&ctx, alert).await {
                // Without a lease nobody is told of anything, which is said where the lease is looked at.
                Ok(_) | Err(AcceptError::NotLeading) => {}
                Err(error) => tracing::warn!(%error, "the alert ProberBlind is not durable yet; trying again"),
            },
            // Over before it had a ticket.
            Some(alert) if alert.state != AlertState::Firing && !fires => ctx.alerts.failing.done(&alert),
            _ => {}
        }
    }
}
