//! What silences have held, for their status: the count and the last few. Each alert or step counts once per silence,
//! however often it is looked at.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use api::silence::{SilenceStatus, Suppressed};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{context::Queues, kube::meta::Key};

/// How many are listed.
const LISTED: usize = 10;

#[derive(Debug, Default)]
struct Record {
    /// What the status said when this process first looked at it.
    base: Option<(u32, Vec<Suppressed>)>,
    /// What was held since.
    new: Vec<Suppressed>,
    /// What has been counted already.
    seen: BTreeSet<String>,
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

    /// A silence, as namespace/name, held something that `identity` tells from everything else it holds.
    pub fn record(&self, silence: &str, identity: &str, alert: &str, would_have: &str, at: Timestamp) {
        let Some((namespace, name)) = silence.split_once('/') else { return };
        let key = Key::new(namespace, name);
        let mut records = self.records.lock();
        let record = records.entry(key.clone()).or_default();
        if !record.seen.insert(identity.to_owned()) {
            return;
        }
        let cut = |text: &str| text.chars().take(500).collect::<String>();
        record.new.push(Suppressed {
            alert: cut(alert),
            at: domain::time::whole_seconds(at),
            would_have: cut(would_have),
        });
        drop(records);
        self.queues.silences.add(key);
    }

    /// The count and the last few, on top of what the status said when this process first looked.
    pub fn totals(&self, key: &Key, status: &SilenceStatus) -> (u32, Vec<Suppressed>) {
        let mut records = self.records.lock();
        let record = records.entry(key.clone()).or_default();
        let (count, mut last) = record.base.get_or_insert_with(|| (status.suppressed, status.last.clone())).clone();
        last.extend(record.new.iter().cloned());
        let surplus = last.len().saturating_sub(LISTED);
        last.drain(..surplus);
        (count.saturating_add(u32::try_from(record.new.len()).unwrap_or(u32::MAX)), last)
    }

    /// Forgets a silence that is gone.
    pub fn forget(&self, key: &Key) {
        self.records.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alert_counts_once_and_what_the_status_said_before_counts_on() {
        let held = Held::default();
        let key = Key::new("payments", "deploy");
        let status = SilenceStatus { suppressed: 3, ..SilenceStatus::default() };
        for _ in 0..2 {
            held.record(
                "payments/deploy",
                "28a5",
                "Checkout is down",
                "would have opened a ticket",
                Timestamp::UNIX_EPOCH,
            );
        }
        // A look whose own write has not come back by the watch yet counts the same.
        for _ in 0..2 {
            let (count, last) = held.totals(&key, &status);
            assert_eq!((count, last.len()), (4, 1));
        }
    }
}
