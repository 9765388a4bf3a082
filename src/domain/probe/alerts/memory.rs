//! What is remembered of one monitor for its alerts alone, beside verdict and counters.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    probe::{
        Monitor, Sample,
        verdict::{State, Verdict},
    },
    time::whole_seconds,
};

/// Marks in the past of one monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// Since when this process watches it.
    pub(super) watched_since: Timestamp,
    /// Whether this process has seen the target answer as often as a recovery takes. Until then it does not know that an
    /// alert is over: the state it restored may be older than the alert.
    pub(super) confirmed: bool,
    /// When `MonitorDown` fired last; while it fires, that is now.
    pub(super) last_down: Option<Timestamp>,
    /// When a certificate was seen last that ends too soon.
    pub(super) last_expiring: Option<Timestamp>,
}

/// What of [`Memory`] survives a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptMemory {
    /// When `MonitorDown` fired last.
    pub last_down: Option<Timestamp>,
    /// When a certificate was seen last that ends too soon.
    pub last_expiring: Option<Timestamp>,
}

impl Memory {
    /// This process begins to watch.
    pub fn new(kept: KeptMemory, now: Timestamp) -> Self {
        let KeptMemory { last_down, last_expiring } = kept;
        Self { watched_since: whole_seconds(now), confirmed: false, last_down, last_expiring }
    }

    /// Takes a look into account that the verdict has taken into account before. Returns whether this is the look by
    /// which this process knows that the target has recovered.
    pub fn observe(&mut self, sample: &Sample, verdict: &Verdict, monitor: &Monitor, now: Timestamp) -> bool {
        let now = whole_seconds(now);
        // The clock may have been set back.
        self.watched_since = self.watched_since.min(now);
        self.last_down = self.last_down.map(|at| at.min(now));
        self.last_expiring = self.last_expiring.map(|at| at.min(now));
        if down_fires(verdict) {
            self.last_down = Some(now);
        }
        if super::rules::ends_too_soon(sample, monitor, now).is_some() {
            self.last_expiring = Some(now);
        }
        let newly = !self.confirmed && verdict.successes() >= monitor.thresholds.up.max(1);
        self.confirmed |= newly;
        newly
    }

    /// What must survive a restart.
    pub fn keep(&self) -> KeptMemory {
        KeptMemory { last_down: self.last_down, last_expiring: self.last_expiring }
    }
}

/// Whether `MonitorDown` fires by what the looks say, also beneath a time of blindness and a maintenance. A flapping
/// target was down a moment ago, and its alert fires until it stops.
pub(super) fn down_fires(verdict: &Verdict) -> bool {
    verdict.is_down() || verdict.state() == State::Flapping
}
