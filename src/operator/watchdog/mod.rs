//! Self-watch: whether what somebody waits for is neither late nor lost, asked every five seconds while this replica
//! decides; and a sign of life to `--watchdog-url` every thirty, only as long as it is so.
//!
//! What is found is looked at again at once. What is found twice running is a violation: a line of the log for each, and
//! `firstline_invariant_violations`. The sign of life is the other way round from a page: silence is the alarm, so that it
//! also covers whatever keeps this process from running at all. A follower gives none.

mod check;
mod look;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use self::check::{Findings, Invariant, Suspects};
use crate::{
    config::WatchdogUrl,
    context::Context,
    telemetry::metrics::{InvariantLabel, ResultLabel},
};

/// How often everything is examined.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How often a sign of life goes out; after one that did not, the next check decides.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A check that is older than this says nothing any more.
const FRESH: Duration = Duration::from_secs(15);

/// What the last check came to: all is well, or why not.
type Verdict = Result<(), String>;

/// Watches until the process stops.
pub(crate) async fn run(ctx: Context, notify: Arc<notify::Context>) {
    let last: Mutex<Option<(Instant, Verdict)>> = Mutex::new(None);
    let checks = async {
        let mut suspects = Suspects::default();
        loop {
            let verdict = check(&ctx, &mut suspects);
            *last.lock() = Some((Instant::now(), verdict));
            tokio::time::sleep(CHECK_EVERY).await;
        }
    };
    let fresh = || match &*last.lock() {
        Some((at, verdict)) if at.elapsed() < FRESH => verdict.clone(),
        Some(_) | None => Err("nothing was examined for 15s".to_owned()),
    };
    let pings = async {
        match &ctx.config.watchdog_url {
            Some(url) => ping(&ctx, url, &notify, fresh).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // In this order, so that the first sign of life comes after the first check.
        biased;
        () = ctx.stop.cancelled() => {}
        () = checks => {}
        () = pings => {}
    }
}

/// Examines everything once.
fn check(ctx: &Context, suspects: &mut Suspects) -> Verdict {
    let metrics = &ctx.metrics;
    // Whoever may decide watches; until then nothing here is ours.
    let decides = ctx.leadership.ground().is_some();
    let now = ctx.clock.now();
    let found = match decides {
        true => check::examine(&look::cases(ctx, now), ctx.queues.tickets.lag(), now),
        false => Findings::default(),
    };
    for (ticket, _) in found.broken.keys() {
        ctx.queues.tickets.add(ticket.clone());
    }
    let news = suspects.take(&found);
    for (ticket, invariant, words) in news.broken {
        tracing::error!(%ticket, invariant = invariant.as_str(), "{words}; it is looked at again and again");
    }
    for (ticket, invariant) in news.healed.iter().filter(|_| decides) {
        tracing::info!(%ticket, invariant = invariant.as_str(), "the invariant holds again");
    }
    let mut violations = 0;
    for invariant in Invariant::ALL {
        let count = suspects.violations(invariant);
        let label = InvariantLabel { invariant: invariant.as_str() };
        metrics.violations.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        violations += count;
    }
    metrics.overdue.set(found.overdue.as_secs_f64());
    metrics.untried.set(found.untried.as_secs_f64());
    if !decides {
        return Err("this replica may not decide anything at the moment".to_owned());
    }
    found.withheld(violations).map_or(Ok(()), Err)
}

/// Gives signs of life as long as all is well. Says in the log when that changes.
async fn ping(ctx: &Context, url: &WatchdogUrl, notify: &notify::Context, verdict: impl Fn() -> Verdict) {
    let mut said = None;
    loop {
        let (result, why) = match verdict() {
            Err(why) => ("withheld", Some(format!("no sign of life is given: {why}"))),
            Ok(()) => match notify::ping(&url.0, notify).await {
                Ok(()) => ("accepted", None),
                Err(error) => ("failed", Some(format!("the sign of life was not accepted: {error}"))),
            },
        };
        ctx.metrics.pings.get_or_create(&ResultLabel { result }).inc();
        if why.is_none() {
            ctx.metrics.last_ping.set(ctx.clock.wall().as_millisecond() as f64 / 1_000.0);
        }
        if said != Some(result) {
            match why {
                Some(why) => tracing::warn!("--watchdog-url: {why}"),
                None => tracing::info!("--watchdog-url: signs of life are accepted"),
            }
            said = Some(result);
        }
        tokio::time::sleep(if result == "accepted" { PING_EVERY } else { CHECK_EVERY }).await;
    }
}
