//! A keyed work queue: "look at this object", now or at a time, one look at a time per object.
//!
//! It is the one deadline task of each kind: watches, alerts, deliveries and timers all add keys, and a
//! key that is due never carries what happened, only that it is worth looking again. kube's `applier` is
//! not used for two reasons: it never looks at an object that is gone, and its scheduler keeps only the
//! earliest request of an object, so that a later deadline would be lost.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    future::Future,
    hash::Hash,
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// No key waits longer than this for its next look, so that whatever was missed heals.
pub const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// First and longest wait after a failure; doubled each time, with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something was written.
    Applied,
    /// Nothing had to be.
    Unchanged,
    /// It waits for something else, which will add the key again.
    Waiting,
    /// It failed; the key comes again after a back-off.
    Failed,
}

impl Outcome {
    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// A look that succeeded, and when to look again without being asked.
#[derive(Debug, Clone, Copy)]
pub struct Looked {
    /// What it came to.
    pub outcome: Outcome,
    /// From now.
    pub again: Option<Duration>,
}

impl Looked {
    /// Nothing can be decided now: the lease cannot be renewed, or others have to look first. Once that is over nothing may
    /// ask for this look again, so it comes by itself.
    pub const SOON: Self = Self { outcome: Outcome::Waiting, again: Some(Duration::from_secs(1)) };
}

/// When an object is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Now.
    Running,
    /// So long from now, unless it is asked for earlier; zero when it is due and waits for its turn.
    In(Duration),
    /// When something asks for it.
    Never,
}

/// Keys that are due, and when.
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

struct State<K> {
    /// When each waiting key is due; the same keys as in `order`.
    due: HashMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// Being looked at now.
    running: HashSet<K>,
    /// Failures in a row.
    failures: HashMap<K, u32>,
    /// Since when looks are taken: what waited before that waited for its turn to lead.
    began: Option<Instant>,
}

impl<K: Clone + Eq + Ord + Hash> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            due: HashMap::new(),
            order: BTreeSet::new(),
            running: HashSet::new(),
            failures: HashMap::new(),
            began: None,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl<K: Clone + Eq + Ord + Hash + Send + Sync + 'static> Queue<K> {
    /// Asks for a look as soon as possible; one that is running is followed by another.
    pub fn add(&self, key: K) {
        self.add_after(key, Duration::ZERO);
    }

    /// Asks for a look after `wait` (at most ten minutes); an earlier request stays.
    pub fn add_after(&self, key: K, wait: Duration) {
        let at = Instant::now() + wait.min(LONGEST_WAIT);
        let mut state = self.state.lock();
        match state.due.get(&key) {
            Some(earlier) if *earlier <= at => return,
            Some(later) => {
                let later = *later;
                state.order.remove(&(later, key.clone()));
            }
            None => {}
        }
        state.due.insert(key.clone(), at);
        state.order.insert((at, key));
        drop(state);
        self.changed.notify_one();
    }

    /// Everything that waits is looked at now: its time may have come. What was to come first still does.
    pub fn hurry(&self) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let waiting = std::mem::take(&mut state.order);
        // A nanosecond apart: at one instant they would come by their names.
        let apart = (0..).map(|place| now + Duration::from_nanos(place));
        state.order = waiting.into_iter().zip(apart).map(|((at, key), latest)| (at.min(latest), key)).collect();
        state.due = state.order.iter().map(|(at, key)| (key.clone(), *at)).collect();
        drop(state);
        self.changed.notify_one();
    }

    /// Forgets an object: no look that waits, no failures.
    pub fn forget(&self, key: &K) {
        let mut state = self.state.lock();
        if let Some(at) = state.due.remove(key) {
            state.order.remove(&(at, key.clone()));
        }
        state.failures.remove(key);
    }

    /// How many keys are due now and not being looked at.
    pub fn depth(&self) -> usize {
        let now = Instant::now();
        self.state.lock().order.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// When an object is looked at next.
    pub fn standing(&self, key: &K) -> Standing {
        let state = self.state.lock();
        if state.running.contains(key) {
            return Standing::Running;
        }
        let due = state.due.get(key);
        due.map_or(Standing::Never, |at| Standing::In(at.saturating_duration_since(Instant::now())))
    }

    /// How long the key that is due longest has waited for its look, since looks are taken; zero without one.
    pub fn lag(&self) -> Duration {
        let state = self.state.lock();
        let first = state.order.iter().find(|(_, key)| !state.running.contains(key));
        let since = first.zip(state.began).map(|((at, _), began)| (*at).max(began));
        since.map_or(Duration::ZERO, |since| Instant::now().saturating_duration_since(since))
    }

    /// Takes the next key that is due and free, or says how long until one may be.
    fn take(&self) -> Result<K, Option<Instant>> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let free = state.order.iter().find(|(_, key)| !state.running.contains(key)).cloned();
        match free {
            Some((at, key)) if at <= now => {
                state.order.remove(&(at, key.clone()));
                state.due.remove(&key);
                state.running.insert(key.clone());
                Ok(key)
            }
            Some((at, _)) => Err(Some(at)),
            None => Err(None),
        }
    }

    fn finish(&self, key: &K, looked: Option<Looked>) {
        let wait = {
            let mut state = self.state.lock();
            state.running.remove(key);
            match looked {
                Some(looked) => {
                    state.failures.remove(key);
                    looked.again
                }
                None => {
                    let failures = state.failures.entry(key.clone()).or_default();
                    *failures = failures.saturating_add(1);
                    Some(backoff(*failures))
                }
            }
        };
        if let Some(wait) = wait {
            self.add_after(key.clone(), wait);
        }
        self.changed.notify_one();
    }

    /// Looks at keys until `stop`, then waits for the looks that have begun.
    ///
    /// `look` returns `None` when it failed (it has logged why). A panic in it is a failure like any other: it
    /// must not take the other objects with it.
    pub async fn run<F, Fut>(&self, concurrency: usize, stop: CancellationToken, look: F)
    where
        F: Fn(K) -> Fut,
        Fut: Future<Output = Option<Looked>> + Send + 'static,
    {
        self.state.lock().began = Some(Instant::now());
        let mut running: JoinSet<(K, Option<Looked>)> = JoinSet::new();
        loop {
            let wait = if running.len() >= concurrency.max(1) {
                None
            } else {
                match self.take() {
                    Ok(key) => {
                        let looking = AssertUnwindSafe(look(key.clone())).catch_unwind();
                        running.spawn(async move {
                            let looked = looking.await.unwrap_or_else(|_| {
                                tracing::error!("a reconcile panicked; this is a defect of Firstline, please report it with the lines above");
                                None
                            });
                            (key, looked)
                        });
                        continue;
                    }
                    Err(at) => at,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                Some(Ok((key, looked))) = running.join_next() => self.finish(&key, looked),
                () = self.changed.notified() => {}
                () = async { match wait { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {}
            }
        }
        while running.join_next().await.is_some() {}
    }
}

/// 100 ms, 200 ms, … 30 s, each less up to a quarter so that objects that failed together do not return together.
fn backoff(failures: u32) -> Duration {
    let (first, longest) = BACKOFF;
    let full = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    let spread = uuid::Uuid::new_v4().as_u128() % 256;
    full - full.mul_f64(0.25 * (spread as f64 / 255.0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn done(again: Option<u64>) -> Option<Looked> {
        Some(Looked { outcome: Outcome::Unchanged, again: again.map(Duration::from_secs) })
    }

    /// Runs the queue for so many simulated seconds; returns each look with its second.
    async fn looks(
        queue: Arc<Queue<&'static str>>,
        seconds: u64,
        answer: fn(usize) -> Option<Looked>,
    ) -> Vec<(u64, &'static str)> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let began = Instant::now();
        let running = queue.run(2, stop.clone(), |key| {
            let seen = seen.clone();
            async move {
                let mut seen = seen.lock();
                seen.push((began.elapsed().as_secs(), key));
                answer(seen.len())
            }
        });
        let stopper = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            stop.cancel();
        };
        tokio::join!(running, stopper);
        Arc::try_unwrap(seen).unwrap().into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_is_looked_at_once() {
        let queue = Arc::new(Queue::default());
        queue.add("a");
        queue.add("a");
        assert_eq!(looks(queue, 5, |_| done(None)).await, [(0, "a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_two_requests_wins_and_the_later_comes_by_the_look_itself() {
        let queue = Arc::new(Queue::default());
        queue.add_after("a", Duration::from_secs(9));
        queue.add_after("a", Duration::from_secs(3));
        let seen = looks(queue, 20, |n| done((n == 1).then_some(6))).await;
        assert_eq!(seen, [(3, "a"), (9, "a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_key_waits_longer_than_ten_minutes() {
        let queue = Arc::new(Queue::default());
        queue.add_after("a", Duration::from_secs(86_400));
        assert_eq!(looks(queue, 700, |_| done(None)).await, [(600, "a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_hurried_is_looked_at_once_and_in_the_order_of_its_deadlines() {
        let queue = Arc::new(Queue::default());
        queue.add_after("a", Duration::from_secs(500));
        queue.add("b");
        let hurry = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            queue.hurry();
        };
        let (seen, ()) = tokio::join!(looks(queue.clone(), 20, |n| done((n == 1).then_some(9))), hurry);
        assert_eq!(seen, [(0, "b"), (2, "b"), (2, "a")], "b was due after nine seconds, a after five hundred");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_back_off_and_a_panic_is_one() {
        let queue = Arc::new(Queue::default());
        queue.add("a");
        let seen = looks(queue, 60, |n| if n == 1 { panic!("as a test") } else { None }).await;
        assert!((8..=14).contains(&seen.len()), "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_while_it_is_looked_at_is_looked_at_again() {
        let queue: Arc<Queue<&str>> = Arc::new(Queue::default());
        queue.add("a");
        let stop = CancellationToken::new();
        let count = Arc::new(Mutex::new((0, 0)));
        let running = queue.run(4, stop.clone(), |key| {
            let (queue, count, stop) = (queue.clone(), count.clone(), stop.clone());
            async move {
                let together = {
                    let mut c = count.lock();
                    c.0 += 1;
                    c.1 += 1;
                    c.1
                };
                assert_eq!(together, 1, "one look at a time");
                if count.lock().0 == 1 {
                    queue.add(key);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                count.lock().1 -= 1;
                if count.lock().0 == 2 {
                    stop.cancel();
                }
                done(None)
            }
        });
        running.await;
        assert_eq!(count.lock().0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_says_when_a_key_is_looked_at_and_how_late_it_is() {
        let queue: Queue<&str> = Queue::default();
        assert_eq!((queue.standing(&"a"), queue.lag()), (Standing::Never, Duration::ZERO));
        queue.add_after("a", Duration::from_secs(9));
        assert_eq!((queue.standing(&"a"), queue.lag()), (Standing::In(Duration::from_secs(9)), Duration::ZERO));
        tokio::time::advance(Duration::from_secs(12)).await;
        assert_eq!((queue.standing(&"a"), queue.lag()), (Standing::In(Duration::ZERO), Duration::ZERO), "nobody leads");
        queue.state.lock().began = Some(Instant::now());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(queue.lag(), Duration::from_secs(3));
        assert_eq!(queue.take(), Ok("a"));
        assert_eq!((queue.standing(&"a"), queue.lag()), (Standing::Running, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_key_is_not_looked_at() {
        let queue = Arc::new(Queue::default());
        queue.add("a");
        queue.forget(&"a");
        assert_eq!(looks(queue, 5, |_| done(None)).await, []);
    }
}
