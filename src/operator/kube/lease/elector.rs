//! The loop that takes, renews and gives back the lease, and that notices how long the API has been silent.

use std::time::Duration;

use domain::ticket::{self, Lead};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio_util::sync::CancellationToken;

use super::{
    CALL_TIMEOUT, Leadership, Predecessor, RENEW_EVERY,
    decision::{Decision, Known, Standing, Tenure, evaluate},
    outage::{self, Outage, Trouble},
    record::{
        asked_by, asked_for, follows, going_on, handed_over, has_led_since, left, number, own, saying_follows,
        saying_unmerged, unmerged, written_over,
    },
    silence::Silence,
};
use crate::{
    clock::{Clock, Other, boottime},
    kube::{
        client::{cause, is_an_answer},
        gates::Gates,
    },
};

/// How holding the lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// We were asked to stop, and gave it back if it was ours.
    Released,
    /// Somebody else has it: this process must end, since it may have decided on old knowledge.
    Lost,
}

/// What the lists of all kinds tell of those who have led.
pub struct Lists {
    /// Open when every kind is listed.
    pub gates: Gates,
    /// The highest number of a leader that any ticket names.
    pub last_epoch: Box<dyn Fn() -> Option<i64> + Send + Sync>,
    /// When the last ticket was opened that the API has, or had while this process runs, and that two leaders may have opened.
    pub last_twin: Box<dyn Fn() -> Option<Timestamp> + Send + Sync>,
}

/// A lease that nobody has renewed for so long does not tell any more on whom its holder has followed: a ticket may be opened in
/// its last moment and deleted by hand, and whoever starts after that would give its identity again.
const TELLS_FOR: Duration = Duration::from_secs(60);

/// Since when we see the lease as it is.
#[derive(Debug)]
struct Observed {
    /// Its resourceVersion; `None`: there is no lease.
    version: Option<String>,
    /// On our time since boot.
    since: Duration,
    /// Whether we saw it come, so that we know how long ago it was written.
    came: bool,
}

/// The lease, and who we are to it.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    me: String,
    clock: Clock,
    leadership: Leadership,
    lists: Lists,
    /// `None` before the first look, and after one that failed.
    observed: Option<Observed>,
    /// The highest number that we saw on the lease, which may be deleted since; `None`: there was none at any time.
    seen: Option<i64>,
    /// Our own lease as we wrote it last, from which it is renewed in one call: an API server that takes a second or two
    /// for each answer then costs us no lease.
    written: Option<Lease>,
    /// The same, also when somebody has written it since.
    own: Option<Lease>,
    /// How long the API is silent before the last holder goes on by itself; `None`: it never does.
    island_after: Option<Duration>,
    predecessor: Option<Predecessor>,
    /// The lead on which we follow, as of when we took the lease or tried to, if its holder may go on by itself.
    before: Option<Lead>,
}

impl Elector {
    /// `me` must be unique to this process: a restarted one is somebody else.
    pub fn new(
        client: Client,
        (namespace, name): (&str, &str),
        me: String,
        clock: Clock,
        leadership: Leadership,
        lists: Lists,
    ) -> Self {
        let api = Api::namespaced(client, namespace);
        let name = name.to_owned();
        let (observed, seen, written, own, island_after, predecessor) = (None, None, None, None, None, None);
        let before = None;
        Self {
            api,
            name,
            me,
            clock,
            leadership,
            lists,
            observed,
            seen,
            written,
            own,
            island_after,
            predecessor,
            before,
        }
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
        let gates = self.lists.gates.clone();
        let listed = gates.opened();
        tokio::pin!(listed);
        let mut waits = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
                () = &mut listed, if waits => waits = false,
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
            self.observed = None;
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
        if let Some(written) = self.written.clone() {
            match self.write(Some(&written)).await {
                Ok(_) => {
                    self.hear_who_asks();
                    return Ok(Decision::Renew);
                }
                // Somebody has written or deleted it since, or our last write was made and its answer lost.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => self.written = None,
                Err(error) => return Err(error),
            }
        }
        let lease = within(self.api.get_opt(&self.name)).await?;
        let silent = self.unchanged_for(lease.as_ref());
        let spec = lease.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let holder = lease.as_ref().map(|_| spec.holder_identity.as_deref().unwrap_or_default());
        // That one is the last holder now, and goes on by itself when the API is gone.
        let since = |dead: &mut Predecessor| lease.as_ref().is_some_and(|lease| has_led_since(dead, &self.me, lease));
        if let Some(dead) = self.predecessor.take_if(since) {
            // The lease may have been made anew since, and count less than that.
            self.seen = self.seen.max(Some(dead.epoch));
            self.leadership.supersede();
        }
        let decision = evaluate(holder, &self.standing(led, lease.as_ref()), silent);
        match decision {
            Decision::Take => {
                self.go_on_from(&spec);
                self.before = lease.as_ref().and_then(|lease| self.follows_on(lease));
                let epoch = self.write(lease.as_ref()).await?;
                let why = match holder {
                    None => "there was none",
                    Some("") => "it was free",
                    Some(_) => "its holder is silent",
                };
                tracing::info!(epoch, why, "leading");
            }
            Decision::Renew => {
                if !led {
                    self.go_on_from(&spec);
                }
                let epoch = self.write(lease.as_ref()).await?;
                if !led {
                    tracing::info!(epoch, why = "it is in our name", "leading");
                }
                self.hear_who_asks();
            }
            Decision::Lost => {
                self.leadership.lose();
                tracing::error!(holder, "another replica has taken the lease; ending");
            }
            Decision::Wait => {
                tracing::debug!(holder, waiting = ?self.lists.gates.waiting(), "not taking the lease");
                if let Some(lease) = lease.filter(|_| holder != Some("")) {
                    self.ask(&lease).await?;
                }
            }
        }
        Ok(decision)
    }

    /// Where a journal waits here and somebody else leads who is alive: asks for the lease, once.
    async fn ask(&mut self, lease: &Lease) -> Result<(), kube::Error> {
        let is_alive = self.observed.as_ref().is_some_and(|observed| observed.came);
        let ready = self.lists.gates.waiting().is_empty() && self.predecessor.is_none();
        if !(is_alive && ready && self.leadership.has_journal()) {
            return Ok(());
        }
        let Some(wish) = asked_for(lease, &self.me) else { return Ok(()) };
        // Whoever led before that has not left it to us.
        self.before = None;
        match within(self.api.replace(&self.name, &PostParams::default(), &wish)).await {
            Ok(_) => tracing::info!("asking for the lease, to merge what was decided while the API was gone"),
            // It was renewed meanwhile: at the next look.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn hear_who_asks(&self) {
        if self.written.as_ref().and_then(|lease| asked_by(lease, &self.me, self.clock.now())).is_some() {
            self.leadership.ask();
        }
    }

    /// How long we have seen the lease, or that there is none, without a change.
    fn unchanged_for(&mut self, lease: Option<&Lease>) -> Duration {
        self.seen = self.seen.max(lease.map(|lease| lease.spec.as_ref().map_or(0, number)));
        let version = lease.map(|lease| lease.metadata.resource_version.clone().unwrap_or_default());
        if self.observed.as_ref().is_none_or(|observed| observed.version != version) {
            let came = self.observed.is_some();
            self.observed = Some(Observed { version, since: boottime(), came });
        }
        self.silence()
    }

    /// How long nothing was seen to change.
    fn silence(&self) -> Duration {
        self.observed.as_ref().map_or(Duration::ZERO, |observed| boottime().saturating_sub(observed.since))
    }

    fn standing(&self, led: bool, lease: Option<&Lease>) -> Standing<'_> {
        let tenure = if !led {
            Tenure::Never
        } else if self.leadership.holds_the_lease() {
            Tenure::Valid
        } else {
            Tenure::RunOut
        };
        let known = if !self.lists.gates.waiting().is_empty() {
            Known::Part
        } else if lease.is_some() || self.seen.is_some() || (self.lists.last_epoch)().is_some() {
            Known::Somebody
        } else {
            Known::Nobody
        };
        let heir_of = self.predecessor.as_ref().map(|predecessor| predecessor.holder.as_str());
        Standing { me: &self.me, heir_of, tenure, known }
    }

    /// Makes the lease ours, over `old` at the version that was read. Returns its number.
    async fn write(&mut self, old: Option<&Lease>) -> Result<i64, kube::Error> {
        let (from, record, params) = (boottime(), self.record(old), PostParams::default());
        let written = match old {
            Some(_) => within(self.api.replace(&self.name, &params, &record)).await?,
            None => within(self.api.create(&params, &record)).await?,
        };
        let epoch = written.spec.as_ref().map_or(0, number);
        self.seen = self.seen.max(Some(epoch));
        self.leadership.hold(epoch, from, &self.me);
        // Not before: nothing that is opened without the API is of the lead that begins.
        self.leadership.leads(own(&written), self.before.clone());
        self.own = Some(written.clone());
        self.written = Some(written);
        Ok(epoch)
    }

    /// Our clock shows what that of the last leader would show by now: at least that, where it may have been silent for longer
    /// than we know.
    fn go_on_from(&self, last: &LeaseSpec) {
        let Some(MicroTime(renewed)) = last.renew_time else { return };
        let shows = domain::time::after(renewed, self.silence());
        let came = self.observed.as_ref().is_some_and(|observed| observed.came);
        self.clock.go_on_from(if came { Other::Shows(shows) } else { Other::ShowsAtLeast(shows) });
    }

    /// The highest number that a leader is known to have had, also where the lease that counted them was deleted.
    fn last_epoch(&self) -> i64 {
        let dead = self.predecessor.as_ref().map(|dead| dead.epoch);
        [dead, self.seen, (self.lists.last_epoch)()].into_iter().flatten().fold(self.leadership.epoch(), i64::max)
    }

    /// The lease as we would write it over `old`: ours, renewed now, at the version that was read.
    fn record(&self, old: Option<&Lease>) -> Lease {
        // One that was deleted while it was valid is made anew as it was.
        let last = old.or_else(|| self.own.as_ref().filter(|_| self.leadership.holds_the_lease()));
        let old_spec = last.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = old_spec.holder_identity.as_deref() == Some(self.me.as_str());
        let is_cut_off = self.leadership.is_cut_off();
        let mut spec = written_over(old_spec, &self.me, is_cut_off, MicroTime(self.clock.now()));
        if !ours {
            spec.lease_transitions = spec.lease_transitions.max(i32::try_from(self.last_epoch() + 1).ok());
        }
        let metadata = old.map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                annotations: last.and_then(|lease| lease.metadata.annotations.clone()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        let goes_on = ours || self.predecessor.is_some();
        let (unmerged, follows) = match last {
            Some(lease) if goes_on => (self.still_unmerged(lease), follows(lease)),
            // Who has another journal has been somebody else to what went on meanwhile.
            _ => (None, self.before.clone().filter(|_| !self.leadership.has_journal())),
        };
        self.saying(Lease { metadata, spec: Some(spec) }, unmerged.as_ref(), follows.as_ref())
    }

    /// The lease, telling whoever takes it what is unmerged, and on which lead we follow, if that is still so.
    fn saying(&self, lease: Lease, unmerged: Option<&Lead>, follows: Option<&Lead>) -> Lease {
        let follows = follows.filter(|lead| self.still_follows(lead));
        saying_follows(saying_unmerged(lease, unmerged), follows)
    }

    /// The lead that is to be merged when this lease is ours, or that of the process whose journal we have.
    fn still_unmerged(&self, lease: &Lease) -> Option<Lead> {
        let ours = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(&*self.me);
        let goes_on = !ours || self.leadership.is_cut_off();
        let unmerged = if goes_on { going_on(lease) } else { unmerged(lease) };
        unmerged.filter(|_| self.leadership.has_journal())
    }

    /// The lead on which we follow when we take this lease; `None`: we have its journal, and know that its holder is dead.
    fn follows_on(&self, lease: &Lease) -> Option<Lead> {
        let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref()).map(|MicroTime(at)| *at);
        let tells = renewed.is_some_and(|at| domain::time::between(at, self.clock.now()) < TELLS_FOR);
        let left = if tells { left(lease) } else { going_on(lease) };
        left.filter(|_| self.predecessor.is_none())
    }

    /// Whether whoever takes the lease from us follows on this lead as we do: as long as that may be about the same troubles. Not
    /// once the API has shown us a ticket that was opened since: it may be deleted by hand, and who starts after that does not know
    /// which identity it had. But what was opened under this lead without the API is still to come.
    fn still_follows(&self, lead: &Lead) -> bool {
        let is_seen = (self.lists.last_twin)().is_some_and(|opened| opened.as_second() >= lead.renewed.as_second());
        let is_recent = self.before.is_some() && ticket::is_recent(lead, self.clock.now());
        self.leadership.has_journal() || is_recent && !is_seen
    }

    async fn give_back(&self) {
        self.leadership.release();
        let Ok(Some(lease)) = self.api.get_opt(&self.name).await else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) != Some(&self.me) {
            return;
        }
        let now = self.clock.now();
        let heir = asked_by(&lease, &self.me, now).map(str::to_owned);
        let given = match &heir {
            Some(heir) => handed_over(lease, heir, now),
            None => {
                let (unmerged, follows) = (self.still_unmerged(&lease), follows(&lease));
                let mut free = self.saying(lease, unmerged.as_ref(), follows.as_ref());
                if let Some(spec) = &mut free.spec {
                    spec.holder_identity = None;
                    spec.renew_time = Some(MicroTime(now));
                }
                free
            }
        };
        match self.api.replace(&self.name, &PostParams::default(), &given).await {
            Ok(_) => match heir {
                Some(heir) => tracing::info!(to = heir, "handed the lease over"),
                None => tracing::info!("gave the lease back"),
            },
            Err(error) => tracing::warn!(%error, "could not give the lease back; it runs out by itself"),
        }
    }
}

/// A call, given up after [`CALL_TIMEOUT`].
async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let late = || kube::Error::Service("no answer within 2 s".into());
    tokio::time::timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests;
