//! `ProberBlind`: when many monitors cannot be looked at, the trouble is ours, and one page says so instead of a ticket
//! for each of them.

use jiff::Timestamp;

use super::{Firing, Wanted};
use crate::{
    alert::{Alert, AlertState, Severity},
    labels::Labels,
    probe::verdict::{Look, State, Verdict},
    time::{between, whole_seconds},
};

/// More than this share of monitors, in percent.
const SHARE: usize = 20;

/// At least so many: one missing Secret in a small cluster is no fault of the prober's.
const LEAST: usize = 3;

/// The name of the alert.
pub const NAME: &str = "ProberBlind";

/// How the monitors of this prober are, as far as a single one needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fleet {
    /// Not known yet.
    #[default]
    Uncounted,
    /// Most can be looked at.
    Well,
    /// So many cannot be looked at that the prober itself is suspected.
    Blind,
}

/// How many monitors there are, and cannot be looked at. Suspended ones are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// All.
    pub all: usize,
    /// Those at which the last look could not be taken.
    pub blind: usize,
    /// Those for which that has lasted for their [`super::patience`].
    pub long_blind: usize,
}

impl Count {
    /// Counts one monitor.
    pub fn add(&mut self, verdict: &Verdict, patience: std::time::Duration, now: Timestamp) {
        if verdict.state() == State::Suspended {
            return;
        }
        self.all += 1;
        if verdict.state() == State::Unknown && verdict.last_look() == Some(Look::Blind) {
            self.blind += 1;
            self.long_blind += usize::from(between(verdict.since(), now) >= patience);
        }
    }

    /// Whether a monitor that is blind is one of many.
    pub fn fleet(self) -> Fleet {
        if too_many(self.blind, self.all) { Fleet::Blind } else { Fleet::Well }
    }

    /// Whether `ProberBlind` fires. It ends when no more than the allowed share is blind at all.
    pub fn wanted(self, now: Timestamp) -> Wanted {
        if too_many(self.long_blind, self.all) {
            return Wanted::Fire(Firing {
                since: whole_seconds(now),
                summary: "Firstline cannot look at many of its targets".to_owned(),
                found: format!(
                    "{} of {} monitors could not be looked at for 10 minutes or longer",
                    self.long_blind, self.all
                ),
            });
        }
        if too_many(self.blind, self.all) { Wanted::Keep } else { Wanted::End(AlertState::Recovered) }
    }
}

fn too_many(blind: usize, all: usize) -> bool {
    blind >= LEAST && blind.saturating_mul(100) > all.saturating_mul(SHARE)
}

/// The labels of `ProberBlind`, in the operator's namespace.
pub fn labels(namespace: &str) -> Labels {
    [("alertname", NAME), ("namespace", namespace), ("service", "firstline"), ("severity", Severity::Page.as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// `ProberBlind` as it is handed in; `None` when it stays as it is.
pub fn alert(wanted: &Wanted, namespace: &str, now: Timestamp) -> Option<Alert> {
    let at = whole_seconds(now);
    let (state, starts_at, annotations) = match wanted {
        Wanted::Keep => return None,
        Wanted::End(state) => (*state, at, Labels::new()),
        Wanted::Fire(firing) => (AlertState::Firing, firing.since, firing.annotations()),
    };
    Some(Alert { namespace: namespace.to_owned(), labels: labels(namespace), annotations, state, starts_at, at })
}
