//! A monitor that has passed validation: what to look at, how often, and what its alerts say.

use crate::{alert::Severity, labels::Labels};

use super::{Cadence, Target, slo::Slo, verdict::Thresholds};

/// One thing that is probed.
#[derive(Debug, Clone)]
pub struct Monitor {
    /// Where it lives; its Secrets are read there and its alerts belong there.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The uid of its object: a monitor deleted and created anew starts without a history. Empty offline.
    pub uid: String,
    /// What users call the thing.
    pub service: String,
    /// How urgent it is when it is down.
    pub severity: Severity,
    /// What is looked at.
    pub target: Target,
    /// How often and how long.
    pub cadence: Cadence,
    /// How many looks make a state.
    pub thresholds: Thresholds,
    /// What is promised of it; names are unique.
    pub slos: Vec<Slo>,
    /// The labels of all its alerts but `alertname`: its own, and `namespace`, `monitor`, `service` and `severity`.
    pub labels: Labels,
    /// What the alerts say for people: `summary`, `description`, `guide`, as far as they were written.
    pub annotations: Labels,
    /// The monitors of its namespace that it needs: while one of them is down it tells nobody.
    pub depends_on: Vec<String>,
    /// Whether nobody looks, by request.
    pub suspended: bool,
}
