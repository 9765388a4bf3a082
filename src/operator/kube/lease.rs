//! Who leads: one Lease object, written only at the resourceVersion that was read.
//!
//! [`evaluate`] is the whole decision and is pure. Validity is measured on our own time since boot, from
//! before the write that renewed it, so neither another clock nor a step of ours can prolong it. The
//! lease's own timestamps never decide who leads. They tell the next leader how far the last one's clock has come, so
//! that what was planned by a clock ahead of ours is not late ([`Clock::go_on_from`]).
//!
//! While the API does not answer, the last holder may go on by itself ([`Role::Islanded`]): that is the one exception to
//! "nothing is sent without a valid lease".

mod outage;
mod silence;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::ticket::{Lead, Opener};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{
    outage::{Outage, Trouble},
    silence::Silence,
};
use super::client::cause;
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

/// Decides from the holder (empty: nobody), our identity, whose heir we are (a process that died as the last holder and
/// whose journal we have), whether we led, what we observed, and our time since boot.
pub fn evaluate(
    holder: &str,
    me: &str,
    heir_of: Option<&str>,
    led: bool,
    observed: &Observed,
    now: Duration,
) -> Decision {
    match holder {
        // We had it, so somebody took it from us and has given it back since.
        "" if led => Decision::Lost,
        "" => Decision::Take,
        holder if holder == me => Decision::Renew,
        // It is dead, and nobody has led since.
        holder if led && heir_of == Some(holder) => Decision::Take,
        _ if led => Decision::Lost,
        _ if now.saturating_sub(observed.since) >= VALID_FOR => Decision::Take,
        _ => Decision::Wait,
    }
}

/// What this process is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It watches and waits.
    Follower,
    /// It decides and sends while its lease is valid.
    Leader,
    /// The last holder, which the API has not answered for a while: it gets ready to go on by itself.
    CutOff,
    /// It decides from memory, with a journal, and sends.
    Islanded,
    /// The lease is ours again. What the journal says is brought to the API before anything else is decided.
    Merging,
}

/// Where decisions are read from and written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The API.
    Api,
    /// Memory and the journal.
    Memory,
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
    /// Who held the lease last, as far as we know: we, or the process whose journal we have.
    holder: Mutex<String>,
    leads: Mutex<Leads>,
    /// Whether a journal waits to be merged.
    journal: AtomicBool,
    /// Whether somebody else has led since what this process knows, or its journal.
    superseded: watch::Sender<bool>,
    /// Whether the last look at the lease got no answer.
    silent: AtomicBool,
    role: watch::Sender<Role>,
}

/// What the lease says of our own lead, and of the one before it.
#[derive(Debug, Clone, Default)]
struct Leads {
    /// As it was renewed last.
    own: Option<Lead>,
    /// The one from which ours was taken, and whose holder may go on by itself.
    before: Option<Lead>,
}

impl Default for Leadership {
    fn default() -> Self {
        let (role, _) = watch::channel(Role::Follower);
        Self(Arc::new(Shared {
            valid_until: AtomicU64::new(0),
            epoch: AtomicI64::new(-1),
            holder: Mutex::default(),
            leads: Mutex::default(),
            journal: AtomicBool::new(false),
            superseded: watch::channel(false).0,
            silent: AtomicBool::new(false),
            role,
        }))
    }
}

impl Leadership {
    /// Whether the lease is valid at this very moment, and nothing waits to be merged.
    pub fn is_valid(&self) -> bool {
        self.holds_the_lease() && *self.0.role.borrow() == Role::Leader
    }

    /// Whether the lease is valid at this very moment, merged or not.
    pub fn holds_the_lease(&self) -> bool {
        millis(boottime()) < self.0.valid_until.load(Ordering::Acquire)
    }

    /// Whether this process goes on by itself while the API is gone.
    pub fn is_islanded(&self) -> bool {
        *self.0.role.borrow() == Role::Islanded
    }

    /// Whether a message may be sent at this very moment. Asked right before each send.
    pub fn may_send(&self) -> bool {
        self.ground().is_some()
    }

    /// Whether the API does not answer at all. The log has that already, so that whoever fails for it need not say so.
    pub fn is_api_silent(&self) -> bool {
        self.0.silent.load(Ordering::Acquire)
    }

    /// Where decisions may be made now; `None`: nowhere.
    pub fn ground(&self) -> Option<Ground> {
        if self.is_islanded() {
            return Some(Ground::Memory);
        }
        self.is_valid().then_some(Ground::Api)
    }

    /// The number of the leader in the row of leaders; never decreases from one leader to the next.
    pub fn epoch(&self) -> i64 {
        self.0.epoch.load(Ordering::Acquire)
    }

    /// Who held the lease last, as far as we know.
    pub fn holder(&self) -> String {
        self.0.holder.lock().clone()
    }

    /// As who this process opens a ticket on this ground.
    pub fn opener(&self, ground: Ground) -> Opener {
        let Leads { own, before } = self.0.leads.lock().clone();
        match ground {
            Ground::Api => before.map_or(Opener::Leader, Opener::Successor),
            Ground::Memory => own.map_or(Opener::Heir, Opener::Island),
        }
    }

    /// Follows the role.
    pub fn watch(&self) -> watch::Receiver<Role> {
        self.0.role.subscribe()
    }

    /// Waits until this process has this role.
    pub async fn becomes(&self, role: Role) {
        // The sender lives as long as self, so the wait cannot end otherwise.
        let _ = self.0.role.subscribe().wait_for(|now| *now == role).await;
    }

    /// What `call` gives; `None` when the API is lost meanwhile and this process goes on by itself. A call into an API that
    /// hangs would hold up what can be decided from memory by then.
    pub async fn unless_parted<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        if self.is_islanded() {
            return Some(call.await);
        }
        tokio::select! {
            biased;
            () = self.becomes(Role::Islanded) => None,
            done = call => Some(done),
        }
    }

    /// There is a journal, or may be one soon: whoever takes the lease merges it first.
    pub fn journal_waits(&self) {
        self.0.journal.store(true, Ordering::Release);
    }

    /// Waits until somebody else is seen to have led since the journal was written.
    pub async fn superseded(&self) {
        // The sender lives as long as self, so the wait cannot end otherwise.
        let _ = self.0.superseded.subscribe().wait_for(|it| *it).await;
    }

    /// Whether that is so and the journal does not say it yet. Asked once: the answer is for the journal that is there now.
    pub fn take_superseded(&self) -> bool {
        self.0.superseded.send_replace(false)
    }

    /// Everything is ready to go on from memory. Nothing changes when the API has answered meanwhile.
    pub fn go_islanded(&self) {
        self.move_to(|role| (role == Role::CutOff).then_some(Role::Islanded));
    }

    /// The journal is merged.
    pub fn merged(&self) {
        self.0.journal.store(false, Ordering::Release);
        self.move_to(|role| (role == Role::Merging).then_some(Role::Leader));
    }

    fn move_to(&self, to: impl FnOnce(Role) -> Option<Role>) {
        self.0.role.send_if_modified(|role| {
            let next = to(*role);
            let moves = next.is_some_and(|next| next != *role);
            *role = next.unwrap_or(*role);
            moves
        });
    }

    /// The API has not answered the last holder for so long that it goes on by itself. From now on a journal may appear at
    /// any time, also when the API answers while the disk still writes it.
    fn cut_off(&self, epoch: i64, holder: &str) {
        self.journal_waits();
        self.0.epoch.fetch_max(epoch, Ordering::AcqRel);
        holder.clone_into(&mut self.0.holder.lock());
        self.move_to(|role| (role != Role::Islanded).then_some(Role::CutOff));
    }

    /// Whether the API has been given up since the lease was renewed last.
    fn is_cut_off(&self) -> bool {
        matches!(*self.0.role.borrow(), Role::CutOff | Role::Islanded)
    }

    fn leads(&self, own: Option<Lead>, before: Option<Lead>) {
        *self.0.leads.lock() = Leads { own, before };
    }

    fn hold(&self, epoch: i64, from: Duration, me: &str) {
        self.0.epoch.store(epoch, Ordering::Release);
        self.0.valid_until.store(millis(from + VALID_FOR), Ordering::Release);
        me.clone_into(&mut self.0.holder.lock());
        let journal = self.0.journal.load(Ordering::Acquire);
        self.move_to(|role| match role {
            Role::Follower | Role::CutOff | Role::Islanded => Some(if journal { Role::Merging } else { Role::Leader }),
            Role::Leader | Role::Merging => None,
        });
    }

    fn hear(&self, answer: bool) {
        self.0.silent.store(!answer, Ordering::Release);
    }

    fn release(&self) {
        self.0.valid_until.store(0, Ordering::Release);
    }

    fn supersede(&self) {
        self.0.superseded.send_replace(true);
    }

    /// Somebody else has it. Nothing is sent any more, from memory neither.
    fn lose(&self) {
        self.release();
        self.supersede();
        self.move_to(|_| Some(Role::Follower));
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

/// A process that died as the last holder of the lease, going on by itself, and that has left its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// Who it was to the lease.
    pub holder: String,
    /// Which leader in the row.
    pub epoch: i64,
    /// What its clock showed when it decided last.
    pub at: Timestamp,
}

/// The lease, and who we are to it.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    clock: Clock,
    leadership: Leadership,
    observed: Observed,
    /// Our own lease as we wrote it last, from which it is renewed in one call: an API server that takes a second or two
    /// for each answer then costs us no lease.
    written: Option<Lease>,
    /// How long the API is silent before the last holder goes on by itself; `None`: it never does.
    island_after: Option<Duration>,
    predecessor: Option<Predecessor>,
    /// The lead from which we took the lease, or tried to, if its holder may go on by itself.
    before: Option<Lead>,
}

impl Elector {
    /// `me` must be unique to this process: a restarted one is somebody else.
    pub fn new(client: Client, namespace: &str, name: &str, me: String, clock: Clock, leadership: Leadership) -> Self {
        let observed = Observed { version: String::new(), since: Duration::ZERO };
        let api = Api::namespaced(client, namespace);
        let name = name.to_owned();
        let (written, island_after, predecessor, before) = (None, None, None, None);
        Self { api, name, me, clock, leadership, observed, written, island_after, predecessor, before }
    }

    /// After so long without an answer the last holder goes on by itself; so does the heir of one that died.
    #[must_use]
    pub fn island_after(mut self, silence: Duration, predecessor: Option<Predecessor>) -> Self {
        self.island_after = Some(silence);
        self.predecessor = predecessor;
        self
    }

    /// Takes and renews the lease until `stop` or until somebody else has it. While the API does not answer it goes on
    /// trying; the lease then runs out by itself.
    pub async fn run(mut self, stop: CancellationToken) -> Ended {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut led = false;
        let mut outage = Outage::default();
        let mut silence = Silence::from(boottime());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = self.step(led) => step,
            };
            let error = match step {
                Ok(Decision::Lost) => return Ended::Lost,
                Ok(decision) => {
                    self.leadership.hear(true);
                    outage::say_over(outage.ended(None, boottime()));
                    silence = Silence::from(boottime());
                    led |= matches!(decision, Decision::Take | Decision::Renew);
                    continue;
                }
                Err(error) => error,
            };
            let trouble = if is_an_answer(&error) {
                silence = Silence::from(boottime());
                Trouble::Refused
            } else {
                silence.goes_on(boottime());
                Trouble::Silent
            };
            self.leadership.hear(trouble == Trouble::Refused);
            outage::say_over(outage.ended(Some(trouble), boottime()));
            if let Some(word) = outage.failed(trouble, boottime()) {
                outage::say(trouble, word, &cause(&error), &self.leadership);
            }
            // Nobody has watched the holder meanwhile: its silence counts from when we see the lease again.
            self.observed.version.clear();
            led |= self.leave(led, silence.heard());
        }
        if led {
            let _ = tokio::time::timeout(CALL_TIMEOUT, self.give_back()).await;
        }
        Ended::Released
    }

    /// Goes on without the API when that is allowed, and we held the lease last. Returns whether it does.
    fn leave(&self, led: bool, silence: Duration) -> bool {
        if self.island_after.is_none_or(|after| silence < after) {
            return false;
        }
        if led {
            self.leadership.cut_off(self.leadership.epoch(), &self.leadership.holder());
        } else if let Some(predecessor) = &self.predecessor {
            self.leadership.cut_off(predecessor.epoch, &predecessor.holder);
        } else {
            return false;
        }
        true
    }

    /// Renews what we wrote last; otherwise reads, decides and writes once.
    async fn step(&mut self, led: bool) -> Result<Decision, kube::Error> {
        if let Some(written) = &self.written {
            let from = boottime();
            match within(self.api.replace(&self.name, &PostParams::default(), &self.record(Some(written)))).await {
                Ok(renewed) => {
                    self.hold(renewed, from);
                    return Ok(Decision::Renew);
                }
                // Somebody has written or deleted it since, or our last write was made and its answer lost.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => self.written = None,
                Err(error) => return Err(error),
            }
        }
        let Some(lease) = within(self.api.get_opt(&self.name)).await? else {
            let from = boottime();
            self.before = None;
            let created = within(self.api.create(&PostParams::default(), &self.record(None))).await?;
            self.take_hold(created, from, "the lease is new");
            return Ok(Decision::Take);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.observed.version != version {
            self.observed = Observed { version, since: boottime() };
        }
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        // That one is the last holder now, and goes on by itself when the API is gone.
        if self.predecessor.take_if(|dead| has_led_since(dead, &self.me, holder, transitions(&lease))).is_some() {
            self.leadership.supersede();
        }
        let heir_of = self.predecessor.as_ref().map(|predecessor| predecessor.holder.as_str());
        let decision = evaluate(holder, &self.me, heir_of, led, &self.observed, boottime());
        // Of one whose journal we have we know that it is dead.
        let before = lead(&spec).filter(|lead| heir_of != Some(&*lead.holder));
        match decision {
            Decision::Take | Decision::Renew => {
                if decision == Decision::Take {
                    self.go_on_from(&spec);
                    self.before = before;
                }
                let from = boottime();
                let record = self.record(Some(&lease));
                let written = within(self.api.replace(&self.name, &PostParams::default(), &record)).await?;
                match decision {
                    Decision::Renew => self.hold(written, from),
                    _ => self.take_hold(
                        written,
                        from,
                        if holder.is_empty() { "it was free" } else { "its holder is silent" },
                    ),
                }
            }
            Decision::Lost => {
                self.leadership.lose();
                tracing::error!(holder, "another replica has taken the lease; ending");
            }
            Decision::Wait => tracing::debug!(holder, "another replica leads"),
        }
        Ok(decision)
    }

    /// Our clock shows at least what that of the last leader shows by now.
    fn go_on_from(&self, last: &LeaseSpec) {
        let Some(MicroTime(renewed)) = last.renew_time else { return };
        let silence = boottime().saturating_sub(self.observed.since);
        self.clock.go_on_from(domain::time::after(renewed, silence));
    }

    fn hold(&mut self, lease: Lease, from: Duration) {
        self.leadership.hold(transitions(&lease), from, &self.me);
        // Not before: nothing that is opened without the API is of the lead that begins.
        self.leadership.leads(lease.spec.as_ref().and_then(lead), self.before.clone());
        self.written = Some(lease);
    }

    fn take_hold(&mut self, lease: Lease, from: Duration, why: &str) {
        let epoch = transitions(&lease);
        self.hold(lease, from);
        tracing::info!(epoch, why, "leading");
    }

    /// The lease as we would write it over `old`: ours, renewed now, at the version that was read.
    fn record(&self, old: Option<&Lease>) -> Lease {
        let old_spec = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let spec = written_over(old_spec, &self.me, self.leadership.is_cut_off(), MicroTime(self.clock.now()));
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

/// The lease, taken or renewed by us. Whoever has gone on without the API in between has it anew: what was opened meanwhile
/// belongs to that outage alone (see [`domain::ticket::identity`]).
fn written_over(old: LeaseSpec, me: &str, was_cut_off: bool, now: MicroTime) -> LeaseSpec {
    let ours = old.holder_identity.as_deref() == Some(me);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(VALID_FOR.as_secs()).ok(),
        acquire_time: if ours && !was_cut_off { old.acquire_time } else { Some(now.clone()) },
        renew_time: Some(now),
        lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!ours)),
        ..LeaseSpec::default()
    }
}

/// Whether the lease shows that somebody has led since a process died, even if the lease was given back.
fn has_led_since(dead: &Predecessor, me: &str, holder: &str, transitions: i64) -> bool {
    holder != me && (!["", &*dead.holder].contains(&holder) || transitions != dead.epoch)
}

/// A call, given up after [`CALL_TIMEOUT`].
async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("no answer within 2 s".into());
    tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()))
}

/// Whether the API has said something, if only no. What stands in front of a dead one says 5xx.
fn is_an_answer(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code < 500 && status.code != 429)
}

/// The lead of which a lease tells; `None` when nobody holds it.
fn lead(spec: &LeaseSpec) -> Option<Lead> {
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let (MicroTime(acquired), MicroTime(renewed)) = (spec.acquire_time.clone()?, spec.renew_time.clone()?);
    Some(Lead { holder, acquired, renewed })
}

fn transitions(lease: &Lease) -> i64 {
    i64::from(lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0))
}

#[cfg(test)]
mod tests;
