//! Probes every monitor at absolute deadlines and keeps what was seen.
//!
//! Each monitor has its own phase, kept across restarts, so that nothing starts at once and editing one
//! restarts only that one. What a change of state means to people is decided by the monitor's controller;
//! this engine goes on while the API server is away.

mod fleet;
mod observed;

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
        alerts::prober::Fleet,
        verdict::{NextProbe, State},
    },
    secret::SecretRef,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use probes::schedule::{Epoch, Slot};
use tokio::time::Instant;

pub use observed::{Kept, Observed, Totals};

use super::secrets::Use;
use crate::{
    context::Context,
    kube::meta::Key,
    queue::{Looked, Outcome, Queue},
    vital,
};

/// What probes have seen.
pub struct Probed {
    epoch: Epoch,
    all: Mutex<HashMap<Key, Observed>>,
    queue: Queue<Key>,
    running: AtomicU64,
    /// How many of them cannot be looked at, as counted last.
    fleet: Mutex<Fleet>,
}

impl Probed {
    /// Nothing is probed yet. `now` ties the monitors' phases to the wall clock, once.
    pub fn new(now: Timestamp) -> Self {
        let epoch = Epoch::new(Instant::now(), now);
        Self {
            epoch,
            all: Mutex::default(),
            queue: Queue::default(),
            running: AtomicU64::new(0),
            fleet: Mutex::default(),
        }
    }

    /// Begins to probe, or goes on with another spec. `kept` is what an earlier process has stored in the object's status.
    pub fn watch(&self, key: &Key, monitor: &Arc<Monitor>, kept: Option<Kept>, now: Timestamp) {
        let mut all = self.all.lock();
        let known = all.remove(key).filter(|known| known.monitor.uid == monitor.uid);
        let slot = Slot::new(self.epoch, &monitor.uid, monitor.cadence.interval);
        let next = slot.next_after(Instant::now());
        let mut observed = match known {
            Some(mut known) => {
                known.adapt(monitor, slot, next);
                known
            }
            None => Observed::new(monitor, kept, slot, next, now),
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

    /// Takes over what the leader has stored, as long as this process has not looked itself.
    pub fn follow(&self, key: &Key, kept: &Kept, now: Timestamp) {
        let mut all = self.all.lock();
        let Some(observed) = all.get_mut(key) else { return };
        if observed.latest.is_none() && !observed.monitor.suspended {
            observed.restore(kept, now);
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

    /// Since when a monitor is down; `None` while it is not, or while nobody can say.
    pub fn down_since(&self, key: &Key) -> Option<Timestamp> {
        self.all.lock().get(key)?.down_since()
    }

    /// Whether a look since then, or one that is coming at once, may still find it down.
    pub fn may_go_down(&self, key: &Key, since: Timestamp) -> bool {
        self.all.lock().get(key).is_some_and(|observed| observed.may_go_down(since))
    }

    /// Asks for a look now, out of turn.
    pub fn ask(&self, key: &Key) {
        let mut all = self.all.lock();
        let Some(observed) = all.get_mut(key).filter(|observed| !observed.monitor.suspended) else { return };
        let now = Instant::now();
        (observed.next, observed.asked) = (now, Some(now));
        drop(all);
        self.queue.add(key.clone());
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

    /// How many monitors cannot be looked at, as far as a single one needs to know.
    pub fn fleet(&self) -> Fleet {
        *self.fleet.lock()
    }

    /// How long the look that is due longest has waited, because the prober has ended or every place is taken.
    pub fn lag(&self) -> Duration {
        self.queue.lag()
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
    vital::spawn(&ctx, "the count of blind monitors", fleet::watch(ctx.clone()));
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
            // Certificates are judged by the wall clock; when we looked is told by ours.
            sample = probes::probe(&monitor.target, monitor.cadence.timeout, ctx.clock.wall(), &secrets, probes) => Sample { at, ..sample },
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
    let (now, fleet) = (ctx.clock.now(), ctx.probed.fleet());
    let mut all = ctx.probed.all.lock();
    let observed = all.get_mut(key)?;
    if !Arc::ptr_eq(&observed.monitor, probed) {
        // Edited while the look ran: the look says nothing about the new spec, whose own look is due.
        return None;
    }
    observed.totals.lateness.0 += began.saturating_duration_since(planned).as_secs_f64();
    observed.totals.lateness.1 += 1;
    let (transition, news) = observed.take(sample, fleet, now);
    let ended = Instant::now();
    observed.next = match observed.verdict.next_after(&probed.thresholds, probed.cadence.interval) {
        NextProbe::ConfirmAfter(wait) => ended + wait,
        NextProbe::AtInterval => {
            observed.totals.skipped += observed.slot.skipped(planned, ended);
            observed.slot.next_after(ended)
        }
    };
    // A look that was asked for while this one ran is still to come.
    let answered = observed.asked.is_some_and(|asked| asked <= began);
    match observed.asked.filter(|_| !answered) {
        Some(_) => observed.next = ended,
        None => observed.asked = None,
    }
    let again = observed.next.saturating_duration_since(ended);
    drop(all);
    if let Some(transition) = &transition {
        tracing::info!(monitor = %key, from = %transition.from, to = %transition.to, message = transition.message, "the state changed");
        if transition.to == State::Down {
            let above = ctx.world.read().ancestors(key);
            above.iter().for_each(|parent| ctx.probed.ask(parent));
        }
    }
    if answered || transition.is_some_and(|transition| State::Down == transition.to || State::Down == transition.from) {
        let below = ctx.world.read().below(&key.namespace, [key.name.as_str()]);
        ctx.queues.add(below);
    }
    if news {
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
    use domain::probe::{alerts::KeptMemory, slo::KeptTracks};
    use futures::FutureExt;

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

    fn kept(state: State, since: i64) -> Kept {
        Kept { state: (state, at(since)), tracks: KeptTracks::default(), memory: KeptMemory::default() }
    }

    fn state(probed: &Probed) -> State {
        probed.get(&Key::new("payments", "checkout")).unwrap().verdict.state()
    }

    #[tokio::test]
    async fn a_follower_knows_what_the_leader_stored_last_and_believes_its_own_looks_more() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(false), Some(kept(State::Up, 0)), at(0));
        probed.follow(&key, &kept(State::Down, 60), at(61));
        assert_eq!(state(&probed), State::Down);

        let failure = domain::probe::Failure {
            reason: domain::probe::Reason::ConfigError,
            phase: domain::probe::Phase::Connect,
            message: "m".to_owned(),
        };
        probed.all.lock().get_mut(&key).unwrap().latest = Some(Sample::not_looked(at(70), failure));
        probed.follow(&key, &kept(State::Up, 80), at(81));
        assert_eq!(state(&probed), State::Down);
    }

    #[tokio::test]
    async fn what_a_leader_stored_does_not_wake_a_suspended_monitor() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(true), None, at(0));
        probed.follow(&key, &kept(State::Down, 60), at(61));
        assert_eq!(state(&probed), State::Suspended);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_asked_for_is_due_at_once_but_not_of_a_suspended_monitor() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(false), None, at(0));
        probed.all.lock().get_mut(&key).unwrap().next = Instant::now() + Duration::from_secs(30);
        probed.ask(&key);
        let observed = probed.get(&key).unwrap();
        assert_eq!((observed.next, observed.asked), (Instant::now(), Some(Instant::now())));
        assert_eq!(probed.queue.depth(), 1);
        probed.watch(&key, &monitor(true), None, at(0));
        probed.all.lock().get_mut(&key).unwrap().asked = None;
        probed.ask(&key);
        assert_eq!(probed.get(&key).unwrap().asked, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_monitor_that_gets_no_place_for_its_look_waits_and_a_suspended_one_does_not() {
        let probed = Arc::new(Probed::new(at(0)));
        let key = |name: &str| Key::new("payments", name);
        let stop = tokio_util::sync::CancellationToken::new();
        probed.watch(&key("checkout"), &monitor(false), None, at(0));
        let running = probed.clone();
        let stopped = stop.clone();
        let mut prober = tokio::task::JoinSet::new();
        prober.spawn(async move {
            running.queue.run(1, stopped.clone(), |_| stopped.clone().cancelled_owned().map(|()| None)).await;
        });
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(probed.lag(), Duration::ZERO, "the only look runs");
        probed.watch(&key("cart"), &monitor(true), None, at(0));
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(probed.lag(), Duration::ZERO, "it is suspended");
        probed.watch(&key("login"), &monitor(false), None, at(0));
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(probed.lag(), Duration::from_secs(61));
        stop.cancel();
        prober.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_monitor_may_go_down_until_a_look_since_then_has_succeeded() {
        let (probed, key) = (Probed::new(at(0)), Key::new("payments", "checkout"));
        probed.watch(&key, &monitor(false), Some(kept(State::Up, 0)), at(0));
        assert!(probed.may_go_down(&key, at(10)), "nobody has looked");
        let look = |sample: Sample| {
            let mut all = probed.all.lock();
            let observed = all.get_mut(&key).unwrap();
            observed.take(sample.clone(), Fleet::Well, sample.at);
        };
        let failure =
            |reason| domain::probe::Failure { reason, phase: domain::probe::Phase::Connect, message: "m".to_owned() };
        let success = |second| Sample {
            failure: None,
            ..Sample::not_looked(at(second), failure(domain::probe::Reason::ConfigError))
        };
        look(success(9));
        assert!(probed.may_go_down(&key, at(10)), "the look is older");
        look(Sample::not_looked(at(11), failure(domain::probe::Reason::ConnectRefused)));
        assert!(probed.may_go_down(&key, at(10)), "it is being confirmed");
        look(success(12));
        assert!(!probed.may_go_down(&key, at(10)));
        look(Sample::not_looked(at(13), failure(domain::probe::Reason::ConfigError)));
        assert!(!probed.may_go_down(&key, at(10)), "nobody can look");
        assert!(!probed.may_go_down(&Key::new("payments", "gone"), at(10)));
    }
}
