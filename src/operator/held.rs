//! What silences have held, for their status: the count and the last few. Each alert or step counts once per silence,
//! however often it is looked at.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use api::silence::{SilenceStatus, Suppressed};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{context::Queues, kube::meta::Key, queue::LONGEST_WAIT};

/// How many are listed.
const LISTED: usize = 10;
/// What is held is looked at again within [`LONGEST_WAIT`] and recorded each time. What was not for longer is over, and need
/// not be told from what comes later: silences last for months.
const OVER: Duration = LONGEST_WAIT.saturating_mul(3);

#[derive(Debug)]
struct Record {
    /// What the status said when this process first looked at it.
    base: Option<(u32, Vec<Suppressed>)>,
    /// How much was held since, and the last of it.
    count: u32,
    last: VecDeque<Suppressed>,
    /// What has been counted already, and when it was recorded last.
    seen: HashMap<String, Instant>,
    swept: Instant,
}

impl Default for Record {
    fn default() -> Self {
        Self { base: None, count: 0, last: VecDeque::new(), seen: HashMap::new(), swept: Instant::now() }
    }
}

impl Record {
    /// Whether this was not held before.
    fn is_new(&mut self, identity: &str) -> bool {
        let now = Instant::now();
        if now - self.swept > OVER {
            self.seen.retain(|_, at| now - *at <= OVER);
            self.swept = now;
        }
        self.seen.insert(identity.to_owned(), now).is_none()
    }

    fn add(&mut self, one: Suppressed) {
        self.count = self.count.saturating_add(1);
        self.last.push_back(one);
        if self.last.len() > LISTED {
            self.last.pop_front();
        }
    }
}

/// What each silence has held.
#[derive(Default)]
pub struct Held {
    records: Mutex<HashMap<Key, Record>>,
    queues: Arc<Queues>,
}

impl Held {
    /// Nothing is held yet; the silence's next look is asked for in these queues.
    pub fn new(queues: Arc<Queues>) -> Self {
        Self { records: Mutex::default(), queues }
    }

    /// A silence, as namespace/name, holds something that `identity` tells from everything else it holds.
    pub fn record(&self, silence: &str, identity: &str, alert: &str, would_have: &str, at: Timestamp) {
        let Some((namespace, name)) = silence.split_once('/') else { return };
        let key = Key::new(namespace, name);
        let mut records = self.records.lock();
        let record = records.entry(key.clone()).or_default();
        if !record.is_new(identity) {
            return;
        }
        let cut = |text: &str| text.chars().take(500).collect::<String>();
        record.add(Suppressed { alert: cut(alert), at: domain::time::whole_seconds(at), would_have: cut(would_have) });
        drop(records);
        self.queues.silences.add(key);
    }

    /// The count and the last few, on top of what the status said when this process first looked.
    pub fn totals(&self, key: &Key, status: &SilenceStatus) -> (u32, Vec<Suppressed>) {
        let mut records = self.records.lock();
        let record = records.entry(key.clone()).or_default();
        let (count, mut last) = record.base.get_or_insert_with(|| (status.suppressed, status.last.clone())).clone();
        last.extend(record.last.iter().cloned());
        let surplus = last.len().saturating_sub(LISTED);
        last.drain(..surplus);
        (count.saturating_add(record.count), last)
    }

    /// Forgets a silence that is gone.
    pub fn forget(&self, key: &Key) {
        self.records.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(held: &Held, identity: &str) {
        held.record("payments/deploy", identity, identity, "would have opened a ticket", Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn one_alert_counts_once_and_what_the_status_said_before_counts_on() {
        let held = Held::default();
        let key = Key::new("payments", "deploy");
        let status = SilenceStatus { suppressed: 3, ..SilenceStatus::default() };
        for _ in 0..2 {
            hold(&held, "28a5");
        }
        // A look whose own write has not come back by the watch yet counts the same.
        for _ in 0..2 {
            let (count, last) = held.totals(&key, &status);
            assert_eq!((count, last.len()), (4, 1));
        }
    }

    /// An alert that comes and goes every minute for a month, beside one that fires all the time.
    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_not_kept_and_what_is_held_all_the_time_counts_once() {
        let held = Held::default();
        let key = Key::new("payments", "deploy");
        let minutes = 30 * 24 * 60;
        let mut most = 0;
        for minute in 0..minutes {
            hold(&held, "steady");
            hold(&held, &format!("since {minute}"));
            tokio::time::advance(Duration::from_secs(60)).await;
            let records = held.records.lock();
            most = most.max(records[&key].seen.len() + records[&key].last.len());
        }
        assert!(most < 100, "{most} are kept");
        let (count, last) = held.totals(&key, &SilenceStatus::default());
        assert_eq!((count, last.len()), (minutes + 1, LISTED));
        assert_eq!(last.last().map(|one| one.alert.clone()), Some(format!("since {}", minutes - 1)));
    }
}
