//! Going on while the Kubernetes API is gone: the last holder of the lease probes, opens tickets, escalates and pages
//! from memory, by the same decisions, and what it decides is in a journal on disk before anything is sent.
//!
//! When the API answers, the journal is merged before anything else is decided. A process that is killed meanwhile and
//! starts while the API is still gone goes on by its journal. Secrets are not in it: a restarted process can only use
//! channels that need none until the API answers.
//!
//! A journal makes an heir only as long as nobody else can have led: another leader that was seen is a record in it, and one
//! whose last record is older than ten minutes makes none, because nobody can know. What it says is then merged by the next
//! lead of this replica and decides nothing before.
//!
//! A disk that refuses the journal stops nobody's page: a full one may be why the API is gone. It is said loudly, tried again
//! with each decision and every few seconds, and only a crash before that can then repeat a page.
//!
//! Not here: when the API counts as gone (`kube/lease.rs`), and what is decided (`controllers/ticket`).

mod join;
mod journal;
mod merge;
mod state;
mod superseded;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use api::{Ticket, ticket::TicketStatus};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    app::ask_for_everything,
    context::Context,
    kube::{
        gates::Gates,
        lease::{Predecessor, Role},
        meta::Key,
    },
    watches,
};

pub use journal::JournalError;
use journal::{Began, Journal, Record, Uptime};
pub use state::Kept;
use state::{Shadow, State, snapshot};
pub(crate) use superseded::monitors;

/// The journal's name below `--data`.
const FILE: &str = "island.journal";
/// How soon what failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How soon a disk that has refused the journal is tried again without a decision.
const DISK_AGAIN: Duration = Duration::from_secs(5);
/// How often an island on which nothing is decided says in its journal that it is there.
const ALIVE_EVERY: Duration = Duration::from_secs(60);

/// The journal, while somebody writes it.
type Held = tokio::sync::OwnedMutexGuard<Option<Journal>>;

/// What was decided while the API was gone.
pub struct Island {
    path: PathBuf,
    /// Held for as long as a record is written, and for the whole of a merge.
    journal: Arc<tokio::sync::Mutex<Option<Journal>>>,
    state: Mutex<State>,
}

impl Island {
    /// Looks for what an earlier process has left below `data`.
    ///
    /// # Errors
    /// When there is a journal and it cannot be used.
    pub fn open(data: &Path, namespace: &str, now: Timestamp) -> Result<Self, JournalError> {
        let path = data.join(FILE);
        let mut state = State::default();
        let found = Journal::read(&path)?;
        let journal = found.map(|(journal, records)| {
            state.take(records, namespace, now, Uptime::now().as_ref());
            journal
        });
        Ok(Self { path, journal: Arc::new(tokio::sync::Mutex::new(journal)), state: Mutex::new(state) })
    }

    /// Whether there is something to merge.
    pub fn waits(&self) -> bool {
        let state = self.state.lock();
        state.predecessor.is_some() || state.superseded || !state.shadows.is_empty()
    }

    /// The process that has left a journal.
    pub fn predecessor(&self) -> Option<Predecessor> {
        self.state.lock().predecessor.clone()
    }

    /// Whether what is known of this ticket was decided without the API, and is not merged yet.
    pub fn holds(&self, key: &Key) -> bool {
        let state = self.state.lock();
        state.shadows.contains_key(key) && !state.merging.contains(key) && !state.superseded
    }

    /// Puts a decision about a ticket into the journal, then into the index; into memory alone when the disk refuses it.
    ///
    /// # Errors
    /// When it does not count, because the API answers again: nothing of it may be sent.
    pub async fn record(
        &self,
        ctx: &Context,
        read: &Ticket,
        status: TicketStatus,
    ) -> Result<Arc<Ticket>, JournalError> {
        let ticket = Ticket { status: Some(status), ..read.clone() };
        self.keep(ctx, read.status.as_ref().filter(|_| read.metadata.resource_version.is_some()), ticket).await
    }

    /// Puts a new ticket into the journal, then into the index; into memory alone when the disk refuses it.
    ///
    /// # Errors
    /// When it does not count, because the API answers again: its alert was not accepted.
    pub async fn open_ticket(&self, ctx: &Context, ticket: Ticket) -> Result<(), JournalError> {
        self.keep(ctx, None, ticket).await.map(drop)
    }

    async fn keep(
        &self,
        ctx: &Context,
        read: Option<&TicketStatus>,
        ticket: Ticket,
    ) -> Result<Arc<Ticket>, JournalError> {
        let key = Key::of(&ticket);
        let known = self.state.lock().shadows.get(&key).cloned();
        let (base, written) = known.map_or_else(|| (read.cloned(), None), |shadow| (shadow.base, shadow.written));
        let ticket = Arc::new(ticket);
        let shadow = Shadow { base, written, ticket: ticket.clone() };
        let record = shadow.record(ctx.clock.now());
        let journal = self.journal.clone().lock_owned().await;
        // The merge waits for this lock, which is held until the decision is among the shadows: what comes after the
        // merge has begun would be lost.
        if !ctx.leadership.is_islanded() {
            return Err(JournalError::Closed);
        }
        let is_whole = !self.state.lock().unwritten;
        let (journal, added) = blocking(move || {
            let mut journal = journal;
            let added = match journal.as_mut().filter(|_| is_whole) {
                Some(journal) => journal.append(&record),
                None => Err(JournalError::Incomplete),
            };
            Ok((journal, added))
        })
        .await?;
        self.state.lock().shadows.insert(key, shadow);
        if let Err(error) = added {
            if is_whole {
                tracing::error!(%error, "the journal refuses a decision");
            }
            drop(self.write_anew(ctx, journal).await?);
        } else {
            drop(journal);
        }
        ctx.world.write().put_ticket(ticket.clone());
        Ok(ticket)
    }

    /// Starts a journal with all that is known, so that another process could go on by it.
    async fn begin(&self, ctx: &Context) -> Result<(), JournalError> {
        self.state.lock().merging.clear();
        let policies = ctx.world.read().policies().map(|(key, entry)| (key.clone(), entry.clone())).collect();
        self.state.lock().policies = policies;
        let journal = self.journal.clone().lock_owned().await;
        drop(self.write_anew(ctx, journal).await?);
        let shadows: Vec<Arc<Ticket>> = self.state.lock().shadows.values().map(|one| one.ticket.clone()).collect();
        let mut world = ctx.world.write();
        shadows.into_iter().for_each(|ticket| world.put_ticket(ticket));
        Ok(())
    }

    /// Tries from time to time, while something that was decided is in memory only, whether the disk takes it by now: the
    /// next decision may be hours away, and a crash until then would forget it.
    async fn keep_whole(&self, ctx: &Context) {
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(DISK_AGAIN).await;
            if told.elapsed() >= ALIVE_EVERY {
                told = Instant::now();
                self.say_alive(ctx).await;
            }
            if !self.state.lock().unwritten {
                continue;
            }
            let journal = self.journal.clone().lock_owned().await;
            if let Err(error) = self.write_anew(ctx, journal).await {
                tracing::error!(%error, "the journal cannot be written anew");
            }
        }
    }

    /// Whoever finds the journal after a crash must not take a quiet outage for an old one.
    async fn say_alive(&self, ctx: &Context) {
        let journal = self.journal.clone().lock_owned().await;
        let record = Record::Alive { at: ctx.clock.now(), up: Uptime::now() };
        let said = blocking(move || {
            let mut journal = journal;
            journal.as_mut().map_or(Ok(()), |journal| journal.append(&record))
        });
        if let Err(error) = said.await {
            tracing::error!(%error, "the journal does not take that this process is there; it is written anew");
            self.state.lock().unwritten = true;
        }
    }

    /// Writes all that is known into a new journal. That the disk refuses it is said and remembered, and is no error: whoever
    /// waits for a page does not care for our disk.
    async fn write_anew(&self, ctx: &Context, journal: Held) -> Result<Held, JournalError> {
        let records = self.records(ctx);
        let path = self.path.clone();
        let (journal, begun) = blocking(move || {
            let mut journal = journal;
            let begun = Journal::begin(&path, &records).map(|begun| *journal = Some(begun));
            Ok((journal, begun))
        })
        .await?;
        match begun {
            Ok(()) => {
                if std::mem::take(&mut self.state.lock().unwritten) {
                    tracing::info!(journal = %self.path.display(), "the journal can be written again and is whole");
                }
                ctx.metrics.island_unwritten.set(0);
            }
            Err(error @ JournalError::Disk { .. }) => {
                tracing::error!(%error, "the API is gone and the journal cannot be written; going on from memory alone, and a crash now would repeat pages and lose tickets; make room on the disk of --data");
                self.state.lock().unwritten = true;
                ctx.metrics.island_unwritten.set(1);
            }
            Err(error) => return Err(error),
        }
        Ok(journal)
    }

    /// The whole journal: what the world looked like, and what was decided since.
    fn records(&self, ctx: &Context) -> Vec<Record> {
        let began = Began::new(ctx.clock.now(), ctx.leadership.holder(), ctx.leadership.epoch());
        let mut records = vec![Record::Began(began)];
        records.extend(snapshot(&ctx.world.read()));
        records.extend(self.state.lock().shadows.values().map(|shadow| shadow.record(ctx.clock.now())));
        records
    }

    /// Fills an index that no watch has filled with what the journal kept.
    fn restore(&self, ctx: &Context) {
        let (left, shadows) = {
            let mut state = self.state.lock();
            (state.left.take(), state.shadows.values().cloned().collect::<Vec<_>>())
        };
        if let Some(left) = left {
            watches::restore(ctx, left);
        }
        for origin in shadows.iter().filter_map(|shadow| shadow.ticket.spec.origin.as_ref()) {
            let key = Key::new(&*origin.policy_namespace, &*origin.policy);
            let entry = ctx.world.read().policy(&key).cloned();
            if let Some(entry) = entry.filter(|entry| entry.revision().as_deref() == Some(&*origin.policy_revision)) {
                shadows
                    .iter()
                    .for_each(|one| drop(ctx.revisions.promise(&Key::of(one.ticket.as_ref()).namespace, &entry)));
            }
        }
    }
}

/// Writing to a disk may take its time.
async fn blocking<T: Send + 'static>(
    write: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    match tokio::task::spawn_blocking(write).await {
        Ok(result) => result,
        Err(_) => Err(JournalError::Closed),
    }
}

/// Follows the role: gets ready to go on without the API, and merges when it answers.
pub async fn run(ctx: Context, gates: Gates) {
    let mut role = ctx.leadership.watch();
    loop {
        let now = *role.borrow_and_update();
        let work = async {
            ctx.island.supersede(&ctx).await;
            match now {
                Role::CutOff => leave(&ctx, &gates).await,
                Role::Merging => merge::run(&ctx, &gates).await,
                Role::Islanded => ctx.island.keep_whole(&ctx).await,
                Role::Follower | Role::Leader => ctx.leadership.superseded().await,
            }
        };
        tokio::select! {
            () = ctx.stop.cancelled() => return,
            // The role stays as long as the sender, which lives as long as ctx.
            _ = role.changed() => {}
            () = work => {}
        }
    }
}

async fn leave(ctx: &Context, gates: &Gates) {
    ctx.island.set_superseded_aside(ctx).await;
    if !gates.waiting().is_empty() {
        ctx.island.restore(ctx);
    }
    if let Err(error) = ctx.island.begin(ctx).await {
        tracing::error!(%error, "the API is gone and the journal cannot be begun, so nobody can be told; trying again");
        return tokio::time::sleep(AGAIN).await;
    }
    ctx.leadership.go_islanded();
    if ctx.leadership.is_islanded() {
        tracing::error!(journal = %ctx.island.path.display(), "the Kubernetes API is gone; going on from memory, and messages are marked as possible duplicates");
        ask_for_everything(ctx);
    }
}
