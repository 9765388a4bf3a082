//! Deliveries: one queue per target, so that a slow or dead receiver delays nobody else.
//!
//! A message enters only after its ticket says that it is planned; it is sent only while the lease is valid;
//! and each attempt's outcome goes back to the ticket. What is in here may be lost at any moment: the
//! ticket's planned notifications are the truth, and the next leader reads them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use domain::message::{Channel, Delivery, Message, MessageKind, NotificationId, Refused};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    kube::meta::Key,
    telemetry::metrics::{Metrics, NotificationLabels},
};

/// Waits between the first attempts of a page; then doubling to ten minutes.
const HEAD: [u64; 6] = [0, 1, 2, 5, 10, 30];
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// After this long a message is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Messages whose end is remembered: between an attempt's report and the ticket's write, a look at the ticket
/// still finds the message planned.
const REMEMBERED: usize = 10_000;
/// How often a message that waits for the lease looks again.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// Where a message goes: messages of one target are sent one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetKey {
    /// The policy whose channel it is.
    pub policy: Key,
    /// The channel's name.
    pub channel: String,
    /// The person's address, where the channel has one for each.
    pub address: Option<String>,
}

/// One message on its way.
#[derive(Debug, Clone)]
pub struct Item {
    /// The ticket that planned it.
    pub ticket: Key,
    /// Where it goes.
    pub target: TargetKey,
    /// Through what.
    pub channel: Channel,
    /// What is said.
    pub message: Message,
    /// Attempts made before this process knew of it.
    pub attempts: u32,
    /// What the receiver asked for, before this process knew of it.
    pub not_before: Option<Timestamp>,
}

/// What an attempt came to, for the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which message.
    pub id: NotificationId,
    /// All attempts so far.
    pub attempts: u32,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What became of it. `Retry` after 24 hours has become `Failed`, and who was refused then is refused for good.
    pub delivery: Delivery,
}

impl Report {
    /// Whether everybody it is for has it.
    pub fn arrived(&self) -> bool {
        matches!(self.delivery, Delivery::Accepted { .. })
    }
}

/// What the outbox needs from the rest: sending, the lease, and somebody to report to.
pub trait Post: Send + Sync + 'static {
    /// Makes one attempt. `wall` is what the receiver's clock is compared with.
    fn send<'a>(&'a self, item: &'a Item, wall: Timestamp) -> BoxFuture<'a, Delivery>;
    /// Whether sending is allowed at this moment.
    fn may_send(&self) -> bool;
    /// Takes an attempt's outcome.
    fn report(&self, ticket: &Key, report: Report);
}

/// Messages on their way.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    post: Box<dyn Post>,
    clock: Clock,
    metrics: Metrics,
    tasks: TaskTracker,
    stop: CancellationToken,
    targets: Mutex<Targets>,
    ended: Mutex<VecDeque<NotificationId>>,
    /// Attempts that run now and have not been reported.
    attempts: Mutex<Vec<NotificationId>>,
}

/// Every target for which something waits. Locked before what waits for one of them.
#[derive(Default)]
struct Targets {
    /// Each has a worker, and goes with it.
    by_key: HashMap<TargetKey, Arc<Target>>,
    /// Where each message waits. Every look at a ticket hands in again what has not arrived, and must not go through the
    /// thousands that wait beside it for a dead receiver.
    places: HashMap<NotificationId, (Arc<Target>, Place)>,
}

/// The rank and the arrival of a message at its target: pages, updates and notices, resolves.
type Place = (u8, u64);

#[derive(Default)]
struct Target {
    /// The same messages as in [`Targets::places`].
    waiting: Mutex<BTreeMap<Place, Waiting>>,
    arrivals: Mutex<u64>,
    changed: Notify,
}

struct Waiting {
    item: Item,
    next: Instant,
    /// Not before this, as its receiver has asked.
    asked: Option<Instant>,
    /// Whether an attempt has begun, at any time.
    tried: bool,
}

impl Outbox {
    /// An empty outbox. Its tasks end at `stop`, an attempt that has begun being finished first.
    pub fn new(post: impl Post, clock: Clock, metrics: Metrics, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let inner = Inner {
            post: Box::new(post),
            clock,
            metrics,
            tasks,
            stop,
            targets: Mutex::default(),
            ended: Mutex::default(),
            attempts: Mutex::default(),
        };
        Self(Arc::new(inner))
    }

    /// Takes a message; one that is already on its way, or has ended, is not taken twice. Where the policy has changed
    /// since, it goes where the policy says now.
    pub fn send(&self, item: Item) {
        // Held until it waits: an attempt of the same message that ends in between is remembered before it waits no more,
        // so that one of the two is always seen.
        let ended = self.0.ended.lock();
        if ended.contains(&item.message.id) {
            return;
        }
        let mut targets = self.0.targets.lock();
        if let Some((target, place)) = targets.places.get(&item.message.id)
            && targets.by_key.get(&item.target).is_some_and(|there| Arc::ptr_eq(there, target))
        {
            return target.mend(*place, item.channel);
        }
        targets.withdraw(item.message.id);
        let known = targets.by_key.get(&item.target).cloned();
        let is_new = known.is_none();
        let (target, key, id) = (known.unwrap_or_default(), item.target.clone(), item.message.id);
        let place = target.push(item, self.0.clock.now());
        targets.places.insert(id, (target.clone(), place));
        if is_new {
            targets.by_key.insert(key.clone(), target.clone());
            let outbox = self.clone();
            self.0.tasks.spawn(async move { outbox.work(key, target).await });
        }
    }

    /// Takes back what has not been sent. An attempt that is under way is not stopped; its outcome still comes.
    pub fn cancel(&self, ids: &[NotificationId]) {
        if !ids.is_empty() {
            let mut targets = self.0.targets.lock();
            ids.iter().for_each(|id| targets.withdraw(*id));
        }
    }

    /// What has failed through these channels of a policy is tried now: they were mended. What a receiver has asked for is
    /// kept to.
    pub fn hurry(&self, policy: &Key, channels: &[String]) {
        let is_meant = |key: &&TargetKey| key.policy == *policy && channels.contains(&key.channel);
        let targets = self.0.targets.lock();
        targets.by_key.iter().filter(|(key, _)| is_meant(key)).for_each(|(_, target)| target.hurry());
    }

    /// Takes messages again that have ended: their ticket has planned them anew.
    pub fn begin_anew(&self, ids: &[NotificationId]) {
        if !ids.is_empty() {
            self.0.ended.lock().retain(|ended| !ids.contains(ended));
        }
    }

    /// Whether no attempt runs.
    pub fn is_idle(&self) -> bool {
        self.0.attempts.lock().is_empty()
    }

    /// Whether an attempt to send this runs: it may arrive, also when it is taken back now.
    pub fn is_being_sent(&self, id: NotificationId) -> bool {
        self.0.attempts.lock().contains(&id)
    }

    /// How long the oldest message has waited; zero without one.
    pub fn oldest(&self) -> Duration {
        let now = self.0.clock.now();
        let targets = self.0.targets.lock();
        let oldest = targets
            .by_key
            .values()
            .filter_map(|target| target.waiting.lock().values().map(|w| w.item.message.planned_at).min())
            .min();
        oldest.map_or(Duration::ZERO, |planned| domain::time::between(planned, now))
    }

    /// Every message on its way, and whether an attempt has begun.
    pub fn on_their_way(&self) -> HashMap<NotificationId, bool> {
        let targets: Vec<_> = self.0.targets.lock().by_key.values().cloned().collect();
        let of_target = |target: Arc<Target>| -> Vec<(NotificationId, bool)> {
            let waiting = target.waiting.lock();
            waiting.values().map(|one| (one.item.message.id, one.tried || one.item.attempts > 0)).collect()
        };
        targets.into_iter().flat_map(of_target).collect()
    }

    /// One target's worker; ends when nothing is left.
    async fn work(&self, key: TargetKey, target: Arc<Target>) {
        loop {
            let next = {
                // Under the lock of all targets, so that nothing is pushed between "empty" and "removed".
                let mut targets = self.0.targets.lock();
                match target.next() {
                    Some(next) => next,
                    None => {
                        targets.by_key.remove(&key);
                        return;
                    }
                }
            };
            let (at, place) = next;
            if at > Instant::now() {
                tokio::select! {
                    () = self.0.stop.cancelled() => return,
                    () = tokio::time::sleep_until(at) => {}
                    () = target.changed.notified() => {}
                }
                continue;
            }
            if self.0.stop.is_cancelled() {
                return;
            }
            if !self.0.post.may_send() {
                tokio::select! {
                    () = self.0.stop.cancelled() => return,
                    () = tokio::time::sleep(LEASE_POLL) => {}
                }
                continue;
            }
            self.attempt(&target, place).await;
        }
    }

    async fn attempt(&self, target: &Target, place: Place) {
        let begun = {
            let mut waiting = target.waiting.lock();
            // Under that lock: what is taken back now is known to be sent, or is not sent.
            waiting.get_mut(&place).map(|waiting| {
                waiting.tried = true;
                self.0.attempts.lock().push(waiting.item.message.id);
                waiting.item.clone()
            })
        };
        let Some(mut item) = begun else { return };
        let sending = AssertUnwindSafe(self.0.post.send(&item, self.0.clock.wall())).catch_unwind();
        // A panic is a defect, and no reason to leave every later message of this target unsent.
        let delivery = sending.await.unwrap_or_else(|_| Delivery::Retry {
            after: None,
            error: "sending panicked; this is a defect of Firstline, please report it".to_owned(),
        });
        let now = self.0.clock.now();
        item.attempts += 1;
        let wait = wait_after(&delivery, item.attempts);
        let age = domain::time::between(item.message.planned_at, now);
        let (delivery, wait) = match wait {
            Some(_) if age > GIVE_UP_AFTER => (given_up(delivery), None),
            wait => (delivery, wait),
        };
        self.count(&item, &delivery, age);
        let settled = settled_by(&delivery);
        let arrived = matches!(delivery, Delivery::Accepted { .. } | Delivery::Partly { .. });
        let asked = if let Delivery::Retry { after, .. } = &delivery { *after } else { None };
        if wait.is_none() {
            self.remember(item.message.id);
        }
        self.0.post.report(&item.ticket, Report { id: item.message.id, attempts: item.attempts, at: now, delivery });
        self.attempt_is_over(item.message.id);
        let Some(wait) = wait else {
            let mut targets = self.0.targets.lock();
            // Whoever has it gets it no more, also where it was taken back and handed in again meanwhile.
            if arrived {
                targets.withdraw(item.message.id);
            } else {
                targets.end(item.message.id, target, place);
            }
            return;
        };
        let mut waiting = target.waiting.lock();
        // Gone when it was cancelled meanwhile.
        let Some(entry) = waiting.get_mut(&place) else { return };
        // A channel that was mended during the attempt is tried at once.
        let wait = if entry.item.channel == item.channel { wait } else { Duration::ZERO };
        entry.item.attempts = item.attempts;
        entry.item.message.settled.extend(settled);
        entry.next = Instant::now() + wait;
        entry.asked = asked.map(|asked| Instant::now() + asked);
    }

    fn attempt_is_over(&self, id: NotificationId) {
        let mut running = self.0.attempts.lock();
        let place = running.iter().position(|one| *one == id);
        place.map(|place| running.swap_remove(place));
    }

    fn remember(&self, id: NotificationId) {
        let mut ended = self.0.ended.lock();
        ended.push_back(id);
        if ended.len() > REMEMBERED {
            ended.pop_front();
        }
    }

    fn count(&self, item: &Item, delivery: &Delivery, age: Duration) {
        let channel = match item.channel {
            Channel::Email(_) => "email",
            Channel::Webhook(_) => "webhook",
        };
        let outcome = match delivery {
            Delivery::Accepted { .. } => "accepted",
            Delivery::Partly { refused, .. } if refused.iter().any(|refused| refused.for_good) => "partly_failed",
            Delivery::Partly { .. } => "partly",
            Delivery::Uncertain { .. } => "uncertain",
            Delivery::Retry { .. } => "retry",
            Delivery::Failed { .. } => "failed",
        };
        self.0.metrics.notifications.get_or_create(&NotificationLabels { channel, outcome }).inc();
        // Of several recipients the first ones count.
        let arrived = matches!(delivery, Delivery::Accepted { .. } | Delivery::Partly { .. });
        let arrived = arrived && item.message.settled.is_empty();
        if arrived && item.message.kind == MessageKind::Page {
            self.0.metrics.page_lateness.observe(age.as_secs_f64());
        }
    }
}

impl Targets {
    /// Forgets a message that waits; an attempt that is under way ends by itself.
    fn withdraw(&mut self, id: NotificationId) {
        let Some((target, place)) = self.places.remove(&id) else { return };
        target.waiting.lock().remove(&place);
        target.changed.notify_one();
    }

    /// Forgets a message whose last attempt is over. One that was taken back meanwhile may wait in another place by now.
    fn end(&mut self, id: NotificationId, target: &Target, place: Place) {
        if target.waiting.lock().remove(&place).is_some() {
            self.places.remove(&id);
        }
    }
}

impl Target {
    /// Takes a message that does not wait yet. Returns its place.
    fn push(&self, item: Item, now: Timestamp) -> Place {
        let mut arrivals = self.arrivals.lock();
        *arrivals += 1;
        let place = (rank(item.message.kind), *arrivals);
        let asked = item.not_before.map_or(Duration::ZERO, |at| domain::time::between(now, at));
        let next = Instant::now() + asked;
        let asked = item.not_before.map(|_| next);
        self.waiting.lock().insert(place, Waiting { item, next, asked, tried: false });
        self.changed.notify_one();
        place
    }

    /// What failed through the old channel may succeed through the mended one: it is tried at once.
    fn mend(&self, place: Place, channel: Channel) {
        let mut waiting = self.waiting.lock();
        let Some(known) = waiting.get_mut(&place).filter(|known| known.item.channel != channel) else { return };
        known.item.channel = channel;
        known.next = Instant::now();
        self.changed.notify_one();
    }

    fn hurry(&self) {
        let now = Instant::now();
        self.waiting.lock().values_mut().for_each(|one| one.next = one.asked.unwrap_or(now).max(now));
        self.changed.notify_one();
    }

    /// The first due item by rank, else the one that is due next.
    fn next(&self) -> Option<(Instant, Place)> {
        let waiting = self.waiting.lock();
        let now = Instant::now();
        let due = waiting.iter().find(|(_, w)| w.next <= now).map(|(place, w)| (w.next, *place));
        due.or_else(|| waiting.iter().map(|(place, w)| (w.next, *place)).min())
    }
}

fn rank(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Page | MessageKind::Test => 0,
        MessageKind::Update | MessageKind::Notice | MessageKind::SlaWarning => 1,
        MessageKind::Resolved => 2,
    }
}

/// How long to wait before the next attempt; `None` when there is none.
fn wait_after(delivery: &Delivery, attempts: u32) -> Option<Duration> {
    let asked = match delivery {
        Delivery::Accepted { .. } | Delivery::Failed { .. } => return None,
        Delivery::Partly { refused, .. } if refused.iter().all(|refused| refused.for_good) => return None,
        Delivery::Partly { .. } | Delivery::Uncertain { .. } => None,
        Delivery::Retry { after, .. } => *after,
    };
    let own = match HEAD.get(attempts as usize) {
        Some(seconds) => Duration::from_secs(*seconds),
        None => Duration::from_secs(30).saturating_mul(1 << (attempts as usize - HEAD.len() + 1).min(10)),
    };
    Some(asked.unwrap_or_default().max(own).min(LONGEST_WAIT.max(asked.unwrap_or_default())))
}

fn given_up(delivery: Delivery) -> Delivery {
    match delivery {
        Delivery::Retry { error, .. } | Delivery::Uncertain { error } => {
            Delivery::Failed { error: format!("given up after 24 h: {error}") }
        }
        Delivery::Partly { receipt, reached, refused } => {
            let give_up = |refused: Refused| Refused {
                word: if refused.for_good { refused.word } else { format!("given up after 24 h: {}", refused.word) },
                for_good: true,
                ..refused
            };
            Delivery::Partly { receipt, reached, refused: refused.into_iter().map(give_up).collect() }
        }
        other => other,
    }
}

/// The recipients who are not told again after this.
fn settled_by(delivery: &Delivery) -> Vec<String> {
    let Delivery::Partly { reached, refused, .. } = delivery else { return Vec::new() };
    let refused = refused.iter().filter(|refused| refused.for_good).map(|refused| &refused.recipient);
    reached.iter().chain(refused).cloned().collect()
}

#[cfg(test)]
mod tests;
