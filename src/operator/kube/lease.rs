//! Who leads: one Lease object, written only at the resourceVersion that was read.
//!
//! [`evaluate`](decision::evaluate) is the whole decision and is pure. Nobody takes it before every kind is listed. Validity is measured on
//! our own time since boot, from before the write that renewed it, so neither another clock nor a step of ours can prolong
//! it. The lease's own timestamps never decide who leads. They tell the next leader how far the last one's clock has come, so
//! that what was planned by a clock that is off is neither late nor early ([`Clock::go_on_from`](crate::clock::Clock::go_on_from)).
//!
//! A follower that has a journal of an outage, after which somebody else has led, asks for the lease by an annotation on it. The
//! leader ends what it does, as when it is asked to stop, and hands the lease over: what only that journal knows (who was paged
//! without the API, and must hear the end) is then merged soon, not when this replica happens to lead some day.
//!
//! While the API does not answer, the last holder may go on by itself ([`Role::Islanded`]): that is the one exception to
//! "nothing is sent without a valid lease".

mod decision;
mod elector;
mod outage;
mod record;
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
use parking_lot::Mutex;
use tokio::sync::watch;

pub use elector::{Elector, Ended, Lists};

use crate::clock::boottime;

/// How long a lease is valid after its last renewal.
pub const VALID_FOR: Duration = Duration::from_secs(4);
/// How often it is renewed, or looked at.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// One call to the API may take this long; a later answer is worth nothing.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// How often the lease became valid again after it had run out.
    gaps: AtomicU64,
    /// Lease transitions when we took it; -1 before.
    epoch: AtomicI64,
    /// Who held the lease last, as far as we know: we, or the process whose journal we have.
    holder: Mutex<String>,
    leads: Mutex<Leads>,
    /// Whether a journal waits to be merged. Once the lease is asked for it is changed and read only while the role is held
    /// fast, so that no outage can begin between the two.
    journal: AtomicBool,
    /// Whether somebody else has led since what this process knows, or its journal.
    superseded: watch::Sender<bool>,
    /// Whether another replica asks for the lease, to merge its journal.
    wanted: watch::Sender<bool>,
    /// Whether the last look at the lease got no answer.
    silent: AtomicBool,
    role: watch::Sender<Role>,
}

/// What the lease says of our own lead, and of the one before it.
#[derive(Debug, Clone, Default)]
struct Leads {
    /// As it was renewed last.
    own: Option<Lead>,
    /// The one on which ours follows, and whose holder may go on by itself.
    before: Option<Lead>,
}

impl Default for Leadership {
    fn default() -> Self {
        let (role, _) = watch::channel(Role::Follower);
        Self(Arc::new(Shared {
            valid_until: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            epoch: AtomicI64::new(-1),
            holder: Mutex::default(),
            leads: Mutex::default(),
            journal: AtomicBool::new(false),
            superseded: watch::channel(false).0,
            wanted: watch::channel(false).0,
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

    /// How often the lease became valid again after it had run out: for a while nothing could be decided. Counted before it is
    /// valid, so that whoever finds it valid finds this.
    pub fn gaps(&self) -> u64 {
        self.0.gaps.load(Ordering::Acquire)
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

    /// Waits until another replica asks for the lease, and nothing waits to be merged here.
    pub async fn wanted(&self) {
        // The sender lives as long as self, so the wait cannot end otherwise.
        let _ = self.0.wanted.subscribe().wait_for(|it| *it).await;
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

    /// The journal is merged. Where the API is lost again by now the next one is merged too, so that is not forgotten.
    pub fn merged(&self) {
        self.move_to(|role| {
            let is_merging = role == Role::Merging;
            if is_merging {
                self.0.journal.store(false, Ordering::Release);
            }
            is_merging.then_some(Role::Leader)
        });
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
        self.0.epoch.fetch_max(epoch, Ordering::AcqRel);
        holder.clone_into(&mut self.0.holder.lock());
        self.move_to(|role| {
            self.journal_waits();
            (role != Role::Islanded).then_some(Role::CutOff)
        });
    }

    /// Whether the API has been given up since the lease was renewed last.
    fn is_cut_off(&self) -> bool {
        matches!(*self.0.role.borrow(), Role::CutOff | Role::Islanded)
    }

    /// Another replica asks for the lease. Who has a journal of its own merges that first.
    fn ask(&self) {
        if *self.0.role.borrow() == Role::Leader {
            self.0.wanted.send_replace(true);
        }
    }

    fn has_journal(&self) -> bool {
        self.0.journal.load(Ordering::Acquire)
    }

    fn leads(&self, own: Option<Lead>, before: Option<Lead>) {
        *self.0.leads.lock() = Leads { own, before };
    }

    fn hold(&self, epoch: i64, from: Duration, me: &str) {
        self.0.epoch.store(epoch, Ordering::Release);
        let before = self.0.valid_until.load(Ordering::Acquire);
        if before != 0 && before <= millis(boottime()) {
            self.0.gaps.fetch_add(1, Ordering::AcqRel);
        }
        self.0.valid_until.store(millis(from + VALID_FOR), Ordering::Release);
        me.clone_into(&mut self.0.holder.lock());
        self.move_to(|role| match role {
            Role::Follower | Role::CutOff | Role::Islanded => {
                let journal = self.0.journal.load(Ordering::Acquire);
                Some(if journal { Role::Merging } else { Role::Leader })
            }
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

#[cfg(test)]
mod tests;
