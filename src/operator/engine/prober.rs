//! Probes every monitor at absolute deadlines and keeps what was seen.
//!
//! Each monitor has its own phase, kept across restarts, so that nothing starts at once and editing one
//! restarts only that one. What a change of state means to people is decided by the monitor's controller;
//! this engine goes on while the API server is away.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{
    probe::{
        Monitor, Sample,
        uptime::Uptime,
        verdict::{NextProbe, State, Verdict},
    },
    secret::SecretRef,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use probes::schedule::{Epoch, Slot};
use tokio::time::Instant;

use super::secrets::Use;
use crate::{
    context::Context,
    kube::meta::Key,
    queue::{Looked, Outcome, Queue},
};

/// A status is written at least this often while probes run, for uptime and the last sample.
const CHECKPOINT: Duration = Duration::from_secs(600);

/// What is known of one monitor.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What is probed.
    pub monitor: Arc<Monitor>,
    /// The judgement over all looks.
    pub verdict: Verdict,
    /// Looks that succeeded, over time.
    pub uptime: Uptime,
    /// The latest look.
    pub latest: Option<Sample>,
    /// The look that changed the state last.
    pub decisive: Option<Sample>,
    /// Counters since this process began.
    pub totals: Totals,
    /// Whether this process has seen the target answer as often as a recovery takes. Until then it does not know that an
    /// alert is over: the state it restored may be older than the alert.
    pub confirmed: bool,
    /// When the status was asked to be written last.
    pub written: Option<Instant>,
    slot: Slot,
    next: Instant,
}

impl Observed {
    /// Whether the status is due to be written for uptime and the like.
    pub fn needs_checkpoint(&self) -> bool {
        self.written.is_none_or(|written| written.elapsed() >= CHECKPOINT)
    }
}

/// Counters of one monitor since this process began.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Looks by reason of failure; `None` counts those that succeeded.
    pub results: HashMap<Option<domain::probe::Reason>, u64>,
    /// Looks that were due while another was still running.
    pub skipped: u64,
    /// All lateness, in seconds, and how many looks it is of.
    pub lateness: (f64, u64),
}

/// What probes have seen.
pub struct Probed {
    epoch: Epoch,
    all: Mutex<HashMap<Key, Observed>>,
    queue: Queue<Key>,
    running: AtomicU64,
}

impl Probed {
    /// Nothing is probed yet. `now` ties the monitors' phases to the wall clock, once.
    pub fn new(now: Timestamp) -> Self {
        let epoch = Epoch::new(Instant::now(), now);
        Self { epoch, all: Mutex::default(), queue: Queue::default(), running: AtomicU64::new(0) }
    }

    /// Begins to probe, or goes on with another spec. `before` is the state in the object's status, from which an earlier
    /// process is continued.
    pub fn watch(&self, key: &Key, monitor: &Arc<Monitor>, before: Option<(State, Timestamp)>, now: Timestamp) {
        let mut all = self.all.lock();
        let known = all.remove(key).filter(|known| known.monitor.uid == monitor.uid);
        let slot = Slot::new(self.epoch, &monitor.uid, monitor.cadence.interval);
        let next = slot.next_after(Instant::now());
        let mut observed = match known {
            Some(known) => Observed { monitor: monitor.clone(), slot, next, ..known },
            None => Observed {
                monitor: monitor.clone(),
                verdict: before.map_or_else(|| Verdict::new(now), |(state, since)| Verdict::restore(state, since, now)),
                uptime: Uptime::default(),
                latest: None,
                decisive: None,
                totals: Totals::default(),
                confirmed: false,
                written: None,
                slot,
                next,
            },
        };
        if monitor.suspended {
            observed.verdict.suspend(now);
        } else {
            observed.verdict.resume(now);
            // The first look comes at once: a new or edited monitor must not wait a whole interval for its state.
            if observed.latest.is_none() {
                observed.next = Instant::now();
            }
        }
        let (next, suspended) = (observed.next, monitor.suspended);
        all.insert(key.clone(), observed);
        drop(all);
        self.queue.forget(key);
        if !suspended {
            self.queue.add_after(key.clone(), next.saturating_duration_since(Instant::now()));
        }
    }

    /// Takes over the state that the leader has stored, as long as this process has not looked itself.
    pub fn follow(&self, key: &Key, stored: (State, Timestamp), now: Timestamp) {
        let mut all = self.all.lock();
        let Some(observed) = all.get_mut(key) else { return };
        if observed.latest.is_none() && !observed.monitor.suspended {
            observed.verdict = Verdict::restore(stored.0, stored.1, now);
            // Resuming makes Unknown of a suspension that has ended.
            observed.verdict.resume(now);
        }
    }

    /// Stops probing.
    pub fn forget(&self, key: &Key) {
        self.all.lock().remove(key);
        self.queue.forget(key);
    }

    /// What is known of one monitor.
    pub fn get(&self, key: &Key) -> Option<Observed> {
        self.all.lock().get(key).cloned()
    }

    /// Notes that the status was asked to be written.
    pub fn wrote(&self, key: &Key) {
        if let Some(observed) = self.all.lock().get_mut(key) {
            observed.written = Some(Instant::now());
        }
    }

    /// Everything, for metrics: copied, so that no lock is held while it is rendered.
    pub fn snapshot(&self) -> Vec<(Key, Observed)> {
        self.all.lock().iter().map(|(key, observed)| (key.clone(), observed.clone())).collect()
    }

    /// Looks that run now.
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Relaxed)
    }
}

/// Probes until the process stops.
pub async fn run(ctx: Context, probes: probes::Context) {
    let concurrency = usize::from(ctx.config.max_probes);
    let stop = ctx.stop.clone();
    let look = |key: Key| {
        let (ctx, probes) = (ctx.clone(), probes.clone());
        async move { Some(look(&ctx, &probes, key).await) }
    };
    ctx.probed.queue.run(concurrency, stop, look).await;
}

async fn look(ctx: &Context, probes: &probes::Context, key: Key) -> Looked {
    let idle = Looked { outcome: Outcome::Unchanged, again: None };
    let due = {
        let all = ctx.probed.all.lock();
        match all.get(&key) {
            Some(observed) if !observed.monitor.suspended => (observed.monitor.clone(), observed.next),
            _ => return idle,
        }
    };
    let (monitor, planned) = due;
    let began = Instant::now();
    if began < planned {
        return Looked { outcome: Outcome::Waiting, again: Some(planned - began) };
    }
    let at = ctx.clock.now();
    ctx.probed.running.fetch_add(1, Ordering::Relaxed);
    let sample = match secrets(ctx, &monitor).await {
        Ok(secrets) => tokio::select! {
            sample = probes::probe(&monitor.target, monitor.cadence.timeout, at, &secrets, probes) => sample,
            // Shutdown does not wait for a target that hangs.
            () = ctx.stop.cancelled() => {
                ctx.probed.running.fetch_sub(1, Ordering::Relaxed);
                return idle;
            }
        },
        Err(failure) => Sample::not_looked(at, failure),
    };
    ctx.probed.running.fetch_sub(1, Ordering::Relaxed);
    let again = take(ctx, &key, &monitor, sample, planned, began);
    Looked { outcome: Outcome::Applied, again }
}

/// Judges a look and says when the next is due; `None` when the monitor was edited or removed meanwhile.
fn take(
    ctx: &Context,
    key: &Key,
    probed: &Arc<Monitor>,
    sample: Sample,
    planned: Instant,
    began: Instant,
) -> Option<Duration> {
    let now = ctx.clock.now();
    let mut all = ctx.probed.all.lock();
    let observed = all.get_mut(key)?;
    if !Arc::ptr_eq(&observed.monitor, probed) {
        // Edited while the look ran: the look says nothing about the new spec, whose own look is due.
        return None;
    }
    let reason = sample.failure.as_ref().map(|failure| failure.reason);
    *observed.totals.results.entry(reason).or_default() += 1;
    observed.totals.lateness.0 += began.saturating_duration_since(planned).as_secs_f64();
    observed.totals.lateness.1 += 1;
    observed.uptime.record(&sample);
    let (first, before) = (observed.latest.is_none(), observed.verdict.reason());
    let transition = observed.verdict.observe(&sample, &probed.thresholds, now);
    if transition.is_some() {
        observed.decisive = Some(sample.clone());
    }
    observed.latest = Some(sample);
    // Before the first look it is Unknown without a reason; why we cannot look may change later.
    let newly_blind = observed.verdict.state() == State::Unknown && observed.verdict.reason() != before;
    let newly_confirmed = !observed.confirmed && observed.verdict.successes() >= probed.thresholds.up.max(1);
    observed.confirmed |= newly_confirmed;
    let ended = Instant::now();
    observed.next = match observed.verdict.next_after(&probed.thresholds, probed.cadence.interval) {
        NextProbe::ConfirmAfter(wait) => ended + wait,
        NextProbe::AtInterval => {
            observed.totals.skipped += observed.slot.skipped(planned, ended);
            observed.slot.next_after(ended)
        }
    };
    let checkpoint = observed.needs_checkpoint();
    let again = observed.next.saturating_duration_since(ended);
    drop(all);
    if let Some(transition) = &transition {
        tracing::info!(monitor = %key, from = %transition.from, to = %transition.to, message = transition.message, "the state changed");
    }
    if transition.is_some() || first || newly_blind || checkpoint || newly_confirmed {
        ctx.queues.monitors.add(key.clone());
    }
    Some(again)
}

/// The values of the Secrets that the target needs, or why we could not look.
async fn secrets(ctx: &Context, monitor: &Monitor) -> Result<probes::Secrets, domain::probe::Failure> {
    let references: Vec<&SecretRef> = monitor.target.secrets();
    if references.is_empty() {
        return Ok(probes::Secrets::none());
    }
    let host = monitor.target.host();
    match ctx.secrets.values(&monitor.namespace, &references, Use::Probe, host.as_deref()).await {
        Ok(values) => Ok(values.into_iter().collect()),
        Err(error) => Err(domain::probe::Failure {
            reason: domain::probe::Reason::ConfigError,
            phase: domain::probe::Phase::Connect,
            message: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use api::ServiceMonitor;

    use super::*;

    fn monitor(suspend: bool) -> Arc<Monitor> {
        let object: ServiceMonitor = serde_json::from_value(serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "checkout", "namespace": "payments", "uid": "u"},
            "spec": {"service": "checkout", "suspend": suspend, "probe": {"tcp": {"address": "shop.example:443"}}},
        }))
        .unwrap();
        Arc::new(api::service_monitor::validate(&object).unwrap().value)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(probed: &Probed) -> State {
        probed.get(&Key::new("payments", "checkout")).unwrap().verdict.state()
    }

    #[tokio::test]
    async fn a_follower_knows_what_the_leader_stored_last_and_believes_its_own_looks_more() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(false), Some((State::Up, at(0))), at(0));
        probed.follow(&key, (State::Down, at(60)), at(61));
        assert_eq!(state(&probed), State::Down);

        let failure = domain::probe::Failure {
            reason: domain::probe::Reason::ConfigError,
            phase: domain::probe::Phase::Connect,
            message: "m".to_owned(),
        };
        probed.all.lock().get_mut(&key).unwrap().latest = Some(Sample::not_looked(at(70), failure));
        probed.follow(&key, (State::Up, at(80)), at(81));
        assert_eq!(state(&probed), State::Down);
    }

    #[tokio::test]
    async fn what_a_leader_stored_does_not_wake_a_suspended_monitor() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(true), None, at(0));
        probed.follow(&key, (State::Down, at(60)), at(61));
        assert_eq!(state(&probed), State::Suspended);
    }
}
