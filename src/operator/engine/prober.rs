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
    pub fn watch(&self, key: &Key, monitor: Arc<Monitor>, before: Option<(State, Timestamp)>, now: Timestamp) {
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
fn take(ctx: &Context, key: &Key, probed: &Arc<Monitor>, sample: Sample, planned: Instant, began: Instant) -> Option<Duration> {
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
    let transition = observed.verdict.observe(&sample, &probed.thresholds, now);
    if transition.is_some() {
        observed.decisive = Some(sample.clone());
    }
    observed.latest = Some(sample);
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
    if transition.is_some() || checkpoint {
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
