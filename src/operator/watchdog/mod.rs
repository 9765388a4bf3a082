//! Self-watch: whether what somebody waits for is neither late nor lost, asked every five seconds while this replica
//! decides; and a sign of life to `--watchdog-url` every thirty, only as long as it is so.
//!
//! What is found is looked at again at once. What is found twice running is a violation: a line of the log for each, and
//! `firstline_invariant_violations`. The sign of life is the other way round from a page: silence is the alarm, so that it
//! also covers whatever keeps this process from running at all. A follower gives none, and a new leader none before its third
//! check: else one that comes every two minutes would say for ever that all is well.

mod check;
mod look;

use std::{collections::HashMap, mem::Discriminant, sync::Arc, time::Duration};

use api::Ticket;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use url::Url;

pub use self::look::Around;

use self::check::{Findings, Invariant, Lags, Suspects, Withheld};
use crate::{
    channels,
    context::Context,
    kube::meta::Key,
    telemetry::metrics::{InvariantLabel, Metrics, ResultLabel},
};

/// How often everything is examined.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// How often a sign of life goes out; after one that did not, the next check decides.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A check that is older than this says nothing any more.
const FRESH: Duration = Duration::from_secs(15);

/// What the last check came to: all is well, or why not.
type Verdict = Result<(), Withheld>;

/// Where signs of life go.
pub(crate) struct Watch {
    /// `--watchdog-url`.
    pub(crate) url: Option<Url>,
    /// Connections.
    pub(crate) notify: Arc<notify::Context>,
}

/// Watches until the process stops.
pub(crate) async fn run(ctx: Context, watch: Watch) {
    let last: Mutex<Option<(Instant, Verdict)>> = Mutex::new(None);
    let checks = async {
        let mut suspects = Suspects::default();
        let mut last_resort = Ok(());
        loop {
            say_of_the_last_resort(&ctx, &mut last_resort);
            let verdict = check(&ctx, &mut suspects);
            *last.lock() = Some((Instant::now(), verdict));
            tokio::time::sleep(CHECK_EVERY).await;
        }
    };
    let fresh = || match &*last.lock() {
        Some((at, verdict)) if at.elapsed() < FRESH => *verdict,
        Some(_) | None => Err(Withheld::NotExamined),
    };
    let pings = async {
        match &watch.url {
            Some(url) => ping(&ctx, url, &watch.notify, fresh).await,
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

/// Says in the log when the channel that `--last-resort` names cannot be told, and when it can again.
fn say_of_the_last_resort(ctx: &Context, known: &mut Result<(), String>) {
    let Some(name) = &ctx.config.last_resort else { return };
    let now = channels::last_resort(&ctx.world.read(), &ctx.channels, name);
    if now == *known {
        return;
    }
    match &now {
        Ok(()) => tracing::info!("--last-resort {name}: the channel can be told"),
        Err(why) => tracing::warn!("--last-resort {name}: {why}; what no policy can tell is told to nobody"),
    }
    *known = now;
}

/// How many tickets of these break an invariant: what one pass over the index does, for whoever measures it.
pub fn pass(tickets: Vec<(Key, Arc<Ticket>)>, around: &Around<'_>, now: Timestamp) -> usize {
    let on_their_way = HashMap::new();
    let case = |(key, ticket): (Key, Arc<Ticket>)| look::case(key, &ticket, &on_their_way, around, now);
    let cases: Vec<_> = tickets.into_iter().map(case).collect();
    let lags = Lags { looks: around.tickets.lag(), ..Lags::default() };
    check::examine(&cases, &[], lags, now).broken.len()
}

/// Examines everything once.
fn check(ctx: &Context, suspects: &mut Suspects) -> Verdict {
    // Whoever may decide watches; until then nothing here is ours.
    if ctx.leadership.ground().is_none() {
        suspects.pause();
        show(&ctx.metrics, &Findings::default(), &Suspects::default());
        return Err(Withheld::NotDeciding);
    }
    let now = ctx.clock.now();
    let found = check::examine(&look::cases(ctx, now), &ctx.alerts.failing.all(now), lags(ctx), now);
    // Alerts are handed in again by whoever sees them fire.
    for (ticket, _) in found.broken.keys().filter(|(_, invariant)| *invariant != Invariant::Alerts) {
        ctx.queues.tickets.add(ticket.clone());
    }
    let news = suspects.take(&found);
    for (of, invariant, words) in news.broken {
        tracing::error!(%of, invariant = invariant.as_str(), "{words}; it is tried again and again");
    }
    for (of, invariant) in &news.healed {
        tracing::info!(%of, invariant = invariant.as_str(), "the invariant holds again");
    }
    show(&ctx.metrics, &found, suspects);
    let violations = Invariant::ALL.map(|invariant| suspects.violations(invariant)).iter().sum();
    match found.withheld(violations) {
        Some(why) => Err(why),
        None if suspects.are_known() => Ok(()),
        None => Err(Withheld::NotYet),
    }
}

fn show(metrics: &Metrics, found: &Findings, suspects: &Suspects) {
    for invariant in Invariant::ALL {
        let count = i64::try_from(suspects.violations(invariant)).unwrap_or(i64::MAX);
        metrics.violations.get_or_create(&InvariantLabel { invariant: invariant.as_str() }).set(count);
    }
    metrics.overdue.set(found.overdue.as_secs_f64());
    metrics.untried.set(found.untried.as_secs_f64());
}

/// How long what is due longest has waited: a look at a ticket, or at a monitor, which opens one; and a probe, without which
/// there is nothing to look at.
fn lags(ctx: &Context) -> Lags {
    Lags { looks: ctx.queues.tickets.lag().max(ctx.queues.monitors.lag()), probes: ctx.probed.lag() }
}

/// Gives signs of life as long as all is well. Says in the log when that changes.
async fn ping(ctx: &Context, url: &Url, notify: &notify::Context, verdict: impl Fn() -> Verdict) {
    // Who watches this number waits from now on, not since 1970.
    let now = || ctx.clock.wall().as_millisecond() as f64 / 1_000.0;
    ctx.metrics.last_ping.set(now());
    let mut said = None;
    loop {
        let (result, why) = match verdict() {
            Err(Withheld::NotYet) => {
                tokio::time::sleep(CHECK_EVERY).await;
                continue;
            }
            Err(why) => (Sign::Withheld(std::mem::discriminant(&why)), why.to_string()),
            Ok(()) => match notify::ping(url, notify).await {
                Ok(()) => (Sign::Accepted, String::new()),
                Err(error) => (Sign::Failed, error),
            },
        };
        ctx.metrics.pings.get_or_create(&ResultLabel { result: result.as_str() }).inc();
        if result == Sign::Accepted {
            ctx.metrics.last_ping.set(now());
        }
        if said != Some(result) {
            match result {
                Sign::Accepted => tracing::info!("--watchdog-url: signs of life are accepted"),
                Sign::Failed => tracing::warn!("--watchdog-url: the sign of life was not accepted: {why}"),
                Sign::Withheld(_) => tracing::warn!("--watchdog-url: no sign of life is given: {why}"),
            }
            said = Some(result);
        }
        tokio::time::sleep(if result == Sign::Accepted { PING_EVERY } else { CHECK_EVERY }).await;
    }
}

/// What may become of a sign of life, in metrics.
pub(crate) const SIGNS: [&str; 3] = ["accepted", "failed", "withheld"];

/// What became of a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Accepted,
    /// It was given and not accepted.
    Failed,
    /// It was not given, for such a reason.
    Withheld(Discriminant<Withheld>),
}

impl Sign {
    /// The word in metrics.
    fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Withheld(_) => "withheld",
        }
    }
}
