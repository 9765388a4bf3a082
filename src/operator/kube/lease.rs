//! Who leads: one Lease object, written only at the resourceVersion that was read.
//!
//! [`evaluate`] is the whole decision and is pure. Validity is measured on our own time since boot, from
//! before the write that renewed it, so neither another clock nor a step of ours can prolong it. The
//! lease's own timestamps are for people; they are never compared with a clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, boottime};

/// How long a lease is valid after its last renewal.
pub const VALID_FOR: Duration = Duration::from_secs(4);
/// How often it is renewed, or looked at.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// One call to the API may take this long; a later answer is worth nothing.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// What to do about the lease as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nobody holds it, or its holder has been silent for its whole validity: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Somebody else holds it.
    Wait,
    /// It was ours and somebody else has taken it: stop.
    Lost,
}

/// How long we have seen the same record of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its resourceVersion.
    pub version: String,
    /// When we first saw it, on our time since boot.
    pub since: Duration,
}

/// Decides from the holder (empty: nobody), our identity, whether we led, what we observed, and our time since boot.
pub fn evaluate(holder: &str, me: &str, led: bool, observed: &Observed, now: Duration) -> Decision {
    match holder {
        // We had it, so somebody took it from us and has given it back since.
        "" if led => Decision::Lost,
        "" => Decision::Take,
        holder if holder == me => Decision::Renew,
        _ if led => Decision::Lost,
        _ if now.saturating_sub(observed.since) >= VALID_FOR => Decision::Take,
        _ => Decision::Wait,
    }
}

/// Whether this process may act, and as which leader in the row.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Milliseconds since boot until which the lease is valid; 0 when we do not hold it.
    valid_until: AtomicU64,
    /// Lease transitions when we took it; -1 before.
    epoch: AtomicI64,
    changed: watch::Sender<bool>,
}

impl Default for Leadership {
    fn default() -> Self {
        let (changed, _) = watch::channel(false);
        Self(Arc::new(Shared { valid_until: AtomicU64::new(0), epoch: AtomicI64::new(-1), changed }))
    }
}

impl Leadership {
    /// Whether the lease is valid at this very moment. Asked right before each send.
    pub fn is_valid(&self) -> bool {
        millis(boottime()) < self.0.valid_until.load(Ordering::Acquire)
    }

    /// The number of the leader in the row of leaders; never decreases from one leader to the next.
    pub fn epoch(&self) -> i64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Waits until this process leads.
    pub async fn leads(&self) {
        // The sender lives as long as self, so the wait cannot end otherwise.
        let _ = self.0.changed.subscribe().wait_for(|leads| *leads).await;
    }

    fn hold(&self, epoch: i64, from: Duration) {
        self.0.epoch.store(epoch, Ordering::Release);
        self.0.valid_until.store(millis(from + VALID_FOR), Ordering::Release);
        self.0.changed.send_replace(true);
    }

    fn release(&self) {
        self.0.valid_until.store(0, Ordering::Release);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// How holding the lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// We were asked to stop, and gave it back if it was ours.
    Released,
    /// Somebody else has it: this process must end, since it may have decided on old knowledge.
    Lost,
}

/// The lease, and who we are to it.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    clock: Clock,
    leadership: Leadership,
    observed: Observed,
}

impl Elector {
    /// `me` must be unique to this process: a restarted one is somebody else.
    pub fn new(client: Client, namespace: &str, name: &str, me: String, clock: Clock, leadership: Leadership) -> Self {
        let observed = Observed { version: String::new(), since: Duration::ZERO };
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), me, clock, leadership, observed }
    }

    /// Takes and renews the lease until `stop` or until somebody else has it. While the API does not answer it goes on
    /// trying; the lease then runs out by itself.
    pub async fn run(mut self, stop: CancellationToken) -> Ended {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut led = false;
        let mut away = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = tokio::time::timeout(CALL_TIMEOUT, self.step(led)) => step,
            };
            match step {
                Ok(Ok(Decision::Lost)) => return Ended::Lost,
                Ok(Ok(decision)) => {
                    if away {
                        tracing::info!("the lease can be reached again");
                        away = false;
                    }
                    led |= matches!(decision, Decision::Take | Decision::Renew);
                }
                failed if !away => {
                    away = true;
                    let why = failed.map_or_else(
                        |_| "no answer within 2 s".to_owned(),
                        |r| r.err().map_or_else(String::new, |e| e.to_string()),
                    );
                    tracing::warn!(leads = self.leadership.is_valid(), why, "the lease cannot be reached; trying on");
                }
                _ => {}
            }
        }
        if led {
            let _ = tokio::time::timeout(CALL_TIMEOUT, self.give_back()).await;
        }
        Ended::Released
    }

    /// Reads, decides and writes once.
    async fn step(&mut self, led: bool) -> Result<Decision, kube::Error> {
        let Some(lease) = self.api.get_opt(&self.name).await? else {
            let from = boottime();
            let created = self.api.create(&PostParams::default(), &self.record(None)).await?;
            self.take_hold(&created, from, "the lease is new");
            return Ok(Decision::Take);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.observed.version != version {
            self.observed = Observed { version, since: boottime() };
        }
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let decision = evaluate(holder, &self.me, led, &self.observed, boottime());
        match decision {
            Decision::Take => {
                let from = boottime();
                let taken = self.api.replace(&self.name, &PostParams::default(), &self.record(Some(&lease))).await?;
                self.take_hold(&taken, from, if holder.is_empty() { "it was free" } else { "its holder is silent" });
            }
            Decision::Renew => {
                let from = boottime();
                let renewed = self.api.replace(&self.name, &PostParams::default(), &self.record(Some(&lease))).await?;
                self.leadership.hold(transitions(&renewed), from);
            }
            Decision::Lost => {
                self.leadership.release();
                tracing::error!(holder, "another replica has taken the lease; ending");
            }
            Decision::Wait => tracing::debug!(holder, "another replica leads"),
        }
        Ok(decision)
    }

    fn take_hold(&self, lease: &Lease, from: Duration, why: &str) {
        self.leadership.hold(transitions(lease), from);
        tracing::info!(epoch = transitions(lease), why, "leading");
    }

    /// The lease as we would write it over `old`: ours, renewed now, at the version that was read.
    fn record(&self, old: Option<&Lease>) -> Lease {
        let now = MicroTime(self.clock.now());
        let old_spec = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = old_spec.holder_identity.as_deref() == Some(self.me.as_str());
        let spec = LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: i32::try_from(VALID_FOR.as_secs()).ok(),
            acquire_time: if ours { old_spec.acquire_time } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(old_spec.lease_transitions.unwrap_or(0) + i32::from(!ours)),
            ..LeaseSpec::default()
        };
        let metadata = old.map_or_else(
            || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            |lease| lease.metadata.clone(),
        );
        Lease { metadata, spec: Some(spec) }
    }

    async fn give_back(&self) {
        self.leadership.release();
        let Ok(Some(lease)) = self.api.get_opt(&self.name).await else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.me) {
            return;
        }
        let mut free = lease;
        if let Some(spec) = &mut free.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(self.clock.now()));
        }
        match self.api.replace(&self.name, &PostParams::default(), &free).await {
            Ok(_) => tracing::info!("gave the lease back"),
            Err(error) => tracing::warn!(%error, "could not give the lease back; it runs out by itself"),
        }
    }
}

fn transitions(lease: &Lease) -> i64 {
    i64::from(lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::free("", false, 0, Decision::Take)]
    #[case::ours("me", true, 0, Decision::Renew)]
    #[case::ours_even_when_long_silent("me", true, 60, Decision::Renew)]
    #[case::somebody_elses("other", false, 3, Decision::Wait)]
    #[case::silent_for_its_validity("other", false, 4, Decision::Take)]
    #[case::taken_from_us("other", true, 0, Decision::Lost)]
    #[case::taken_from_us_and_given_back("", true, 0, Decision::Lost)]
    #[case::taken_from_us_and_silent("other", true, 60, Decision::Lost)]
    fn who_holds_it_and_how_long_it_was_silent_decides(
        #[case] holder: &str,
        #[case] led: bool,
        #[case] silent: u64,
        #[case] expected: Decision,
    ) {
        let observed = Observed { version: "7".into(), since: Duration::from_secs(100) };
        assert_eq!(evaluate(holder, "me", led, &observed, Duration::from_secs(100 + silent)), expected);
    }

    #[test]
    fn leadership_runs_out_by_itself() {
        let leadership = Leadership::default();
        assert!(!leadership.is_valid());
        leadership.hold(3, boottime());
        assert!(leadership.is_valid());
        assert_eq!(leadership.epoch(), 3);
        leadership.hold(3, boottime().saturating_sub(VALID_FOR));
        assert!(!leadership.is_valid());
    }
}
