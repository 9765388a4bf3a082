//! Which alerts a monitor raises: a pure function from what was seen, what was promised and the time to a decision per
//! alert ([`decide`]), and from those and what fires already to what is handed in ([`hand_in`]).
//!
//! | alert | severity | fires | ends |
//! |---|---|---|---|
//! | `MonitorDown` | the monitor's | Down, and Flapping while the looks say down | Up or Degraded, seen by this process |
//! | `MonitorDegraded` | ticket | Degraded | Up or Down |
//! | `MonitorFlapping` | ticket | Flapping | one window without a change |
//! | `MonitorBlind` | ticket | Unknown for [`patience`] because we could not look | a look that could be taken |
//! | `CertificateExpiry` | ticket | the certificate is valid for fewer days than `minDaysLeft` | none like it was seen for [`patience`] |
//! | `SloBurn` | by its factor | the error budget burns too fast ([`super::slo::burn`]) | it does not |
//!
//! Unknown and Maintenance end nothing: what fires stays. Suspended and deleted end everything as
//! [`AlertState::SourceRemoved`]; so does an edit that leaves nothing to raise an alert, such as an objective that is gone.
//!
//! After a start nothing ends by absence: an alert of states ends when this process has seen the target answer as often as
//! a recovery takes, every other one not within [`SETTLING`].
//!
//! `ProberBlind`, the one alert of no monitor, is decided in [`prober`].
//!
//! Absent on purpose: routes, silences, dependencies and who is told. All that an alert can say is in its labels.

mod hand_in;
mod memory;
pub mod prober;
mod rules;

use std::time::Duration;

use jiff::Timestamp;

pub use hand_in::{down_labels, hand_in, is_open};
pub use memory::{KeptMemory, Memory};
pub use rules::decide;

use super::{Monitor, Sample, slo::Tracks, verdict::Verdict};
use crate::{
    alert::{AlertState, Severity},
    labels::Labels,
};

/// After a start, nothing is ended for so long because it is not seen: counters and counts in a row are not complete yet.
pub const SETTLING: Duration = Duration::from_secs(300);

/// The name of an alert: the label `alertname`. The words are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// The target does not do what is expected.
    MonitorDown,
    /// It does, but too slowly.
    MonitorDegraded,
    /// It goes up and down.
    MonitorFlapping,
    /// We could not look for a long time.
    MonitorBlind,
    /// Its certificate ends soon.
    CertificateExpiry,
    /// Its error budget is used up too fast.
    SloBurn,
}

impl Name {
    /// Every alert of a monitor.
    pub const ALL: [Self; 6] = [
        Self::MonitorDown,
        Self::MonitorDegraded,
        Self::MonitorFlapping,
        Self::MonitorBlind,
        Self::CertificateExpiry,
        Self::SloBurn,
    ];

    /// The word in the label `alertname`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MonitorDown => "MonitorDown",
            Self::MonitorDegraded => "MonitorDegraded",
            Self::MonitorFlapping => "MonitorFlapping",
            Self::MonitorBlind => "MonitorBlind",
            Self::CertificateExpiry => "CertificateExpiry",
            Self::SloBurn => "SloBurn",
        }
    }
}

/// Everything that decides about the alerts of one monitor.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What is probed and promised.
    pub monitor: &'a Monitor,
    /// The state.
    pub verdict: &'a Verdict,
    /// What was counted.
    pub tracks: &'a Tracks,
    /// The latest look of this process.
    pub latest: Option<&'a Sample>,
    /// What is remembered for alerts alone.
    pub memory: &'a Memory,
    /// How the other monitors are.
    pub fleet: prober::Fleet,
}

/// Which alert, of those a monitor may raise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its name.
    pub name: Name,
    /// The objective, for `SloBurn`: the label `slo`.
    pub slo: Option<String>,
    /// How urgent it is.
    pub severity: Severity,
}

/// What becomes of an alert, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which alert.
    pub id: Id,
    /// What becomes of it.
    pub wanted: Wanted,
    /// Why, in a few words for logs and `explain`.
    pub why: &'static str,
}

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// It fires.
    Fire(Firing),
    /// It stays as it is, firing or not: nothing better is known.
    Keep,
    /// If it fires, it is over, in this way.
    End(AlertState),
}

/// What an alert says when it begins to fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Since when, in whole seconds.
    pub since: Timestamp,
    /// The title, unless the monitor gives `MonitorDown` another.
    pub summary: String,
    /// What was found.
    pub found: String,
}

impl Decision {
    /// What of it a change of makes an alert fire or end: not its texts.
    pub fn gist(&self) -> (&Id, Gist) {
        let gist = match self.wanted {
            Wanted::Fire(_) => Gist::Fires,
            Wanted::Keep => Gist::Stays,
            Wanted::End(state) => Gist::Ends(state),
        };
        (&self.id, gist)
    }
}

/// See [`Decision::gist`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gist {
    /// It fires.
    Fires,
    /// It stays as it is.
    Stays,
    /// It is over.
    Ends(AlertState),
}

/// How long a state of not knowing may last before it is an alert: 10 minutes, at slow intervals 5 of them.
pub fn patience(monitor: &Monitor) -> Duration {
    monitor.cadence.interval.saturating_mul(5).max(Duration::from_secs(600))
}

/// Whether an alert with these labels is one of this monitor's.
pub fn is_alert_of(namespace: &str, monitor: &str, labels: &Labels) -> bool {
    let is = |name: &str, value: &str| labels.get(name).is_some_and(|found| found == value);
    is("monitor", monitor) && is("namespace", namespace) && Name::ALL.iter().any(|name| is("alertname", name.as_str()))
}

#[cfg(test)]
mod tests;
