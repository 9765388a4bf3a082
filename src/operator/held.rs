//! What silences have held, for their status: counts and the last few, since this process leads.

use std::{collections::HashMap, sync::Arc};

use api::silence::Suppressed;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::{context::Queues, kube::meta::Key};

/// How many are listed.
const LISTED: usize = 10;

/// What each silence has held and its status does not show yet.
#[derive(Default)]
pub struct Held {
    new: Mutex<HashMap<Key, Vec<Suppressed>>>,
    queues: Arc<Queues>,
}

impl Held {
    /// Nothing is held yet; the silence's next look is asked for in these queues.
    pub fn new(queues: Arc<Queues>) -> Self {
        Self { new: Mutex::default(), queues }
    }

    /// A silence, as namespace/name, held something.
    pub fn record(&self, silence: &str, alert: &str, would_have: &str, at: Timestamp) {
        let Some((namespace, name)) = silence.split_once('/') else { return };
        let key = Key::new(namespace, name);
        let cut = |text: &str| text.chars().take(500).collect::<String>();
        let one = Suppressed { alert: cut(alert), at: domain::time::whole_seconds(at), would_have: cut(would_have) };
        self.new.lock().entry(key.clone()).or_default().push(one);
        self.queues.silences.add(key);
    }

    /// Takes what is new for a silence.
    pub fn take(&self, key: &Key) -> Vec<Suppressed> {
        self.new.lock().remove(key).unwrap_or_default()
    }

    /// The last few of both.
    pub fn last(mut old: Vec<Suppressed>, new: Vec<Suppressed>) -> Vec<Suppressed> {
        old.extend(new);
        let surplus = old.len().saturating_sub(LISTED);
        old.drain(..surplus);
        old
    }
}
