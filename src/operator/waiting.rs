//! Alerts that fire and have no ticket, because something held them from their start.
//!
//! What holds them is judged anew at each look; remembered is only that something did, and when it ended: what a cause had
//! held waits for [`HoldKind::settle`] more, since most of it recovers with its cause. Kept in memory: after a restart a
//! ticket comes without that wait rather than not at all.

use std::{collections::HashMap, time::Duration};

use domain::{
    alert::Alert,
    labels::Fingerprint,
    suppression::HoldKind,
    time::{after, whole_seconds},
};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::kube::meta::Key;

/// An alert that waits.
#[derive(Debug)]
struct One {
    /// Whose alert it is; empty for that of no monitor.
    monitor: String,
    settle: Duration,
    /// When what held it ended.
    ended: Option<Timestamp>,
}

/// All alerts that wait for a ticket.
#[derive(Debug, Default)]
pub struct Waiting {
    /// By namespace and fingerprint.
    all: Mutex<HashMap<(String, Fingerprint), One>>,
}

impl Waiting {
    /// Something of this kind holds the alert. Whether nothing did before.
    pub fn held(&self, alert: &Alert, kind: HoldKind) -> bool {
        let one = One { monitor: alert.label("monitor").to_owned(), settle: kind.settle(), ended: None };
        self.all.lock().insert(key(alert), one).is_none()
    }

    /// Nothing holds the alert at `now`: until when it waits all the same. `None`: it waits no more.
    pub fn free(&self, alert: &Alert, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.all.lock();
        let one = all.get_mut(&key(alert))?;
        let until = after(*one.ended.get_or_insert(whole_seconds(now)), one.settle);
        if now < until {
            return Some(until);
        }
        all.remove(&key(alert));
        None
    }

    /// Whether something holds the alert, or did when it was looked at last.
    pub fn holds(&self, alert: &Alert) -> bool {
        self.all.lock().contains_key(&key(alert))
    }

    /// The alert has ended.
    pub fn forget(&self, alert: &Alert) {
        self.all.lock().remove(&key(alert));
    }

    /// Of a monitor's alerts only these fire still.
    pub fn keep(&self, monitor: &Key, firing: &[Alert]) {
        let firing: Vec<Fingerprint> = firing.iter().map(Alert::fingerprint).collect();
        self.all.lock().retain(|(namespace, fingerprint), one| {
            *namespace != monitor.namespace || one.monitor != monitor.name || firing.contains(fingerprint)
        });
    }

    /// The monitors of a namespace whose alerts wait: they are looked at when something changes that may hold them.
    pub fn monitors(&self, namespace: &str) -> Vec<Key> {
        let all = self.all.lock();
        let here = all.iter().filter(|((other, _), one)| other == namespace && !one.monitor.is_empty());
        here.map(|(_, one)| Key::new(namespace, &*one.monitor)).collect()
    }
}

fn key(alert: &Alert) -> (String, Fingerprint) {
    (alert.namespace.clone(), alert.fingerprint())
}

#[cfg(test)]
mod tests {
    use domain::{alert::AlertState, labels::Labels};

    use super::*;

    fn alert(monitor: &str) -> Alert {
        let labels: Labels =
            [("alertname".to_owned(), "MonitorDown".to_owned()), ("monitor".to_owned(), monitor.to_owned())].into();
        let at = at(0);
        Alert {
            namespace: "payments".into(),
            labels,
            annotations: Labels::new(),
            state: AlertState::Firing,
            starts_at: at,
            at,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn what_a_cause_held_waits_a_minute_after_its_end_and_begins_anew_when_it_comes_back() {
        let (waiting, shop) = (Waiting::default(), alert("shop"));
        assert_eq!(waiting.free(&shop, at(0)), None, "nothing ever held it");
        assert!(!waiting.holds(&shop));
        assert!(waiting.held(&shop, HoldKind::Dependency));
        assert!(waiting.holds(&shop));
        assert_eq!(waiting.free(&shop, at(10)), Some(at(70)));
        assert_eq!(waiting.free(&shop, at(40)), Some(at(70)));
        assert!(!waiting.held(&shop, HoldKind::Dependency), "it is held still");
        assert_eq!(waiting.free(&shop, at(60)), Some(at(120)));
        assert_eq!(waiting.free(&shop, at(120)), None);
        assert_eq!(waiting.free(&shop, at(121)), None);
    }

    #[test]
    fn what_a_silence_held_waits_no_longer() {
        let (waiting, shop) = (Waiting::default(), alert("shop"));
        waiting.held(&shop, HoldKind::Silence);
        assert_eq!(waiting.free(&shop, at(10)), None);
    }

    #[test]
    fn an_alert_that_ends_while_it_waits_is_forgotten() {
        let (waiting, shop, till) = (Waiting::default(), alert("shop"), alert("till"));
        waiting.held(&shop, HoldKind::Inhibition);
        waiting.held(&till, HoldKind::Inhibition);
        assert_eq!(waiting.monitors("identity"), []);
        waiting.keep(&Key::new("payments", "shop"), &[]);
        assert_eq!(waiting.monitors("payments"), [Key::new("payments", "till")]);
        assert_eq!(waiting.free(&shop, at(10)), None);
        waiting.forget(&till);
        assert_eq!(waiting.monitors("payments"), []);
    }
}
