//! Alerts that fire and could not be made durable: nobody is told of them, and no ticket says so.
//!
//! Whoever hands an alert in tries again; here is only remembered since when that fails, for the self-watch. What has ended
//! meanwhile, its monitor says; what is not tried any more counts no more.

use std::{collections::HashMap, time::Duration};

use domain::{alert::Alert, labels::Fingerprint, time::between};
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::kube::meta::Key;

/// Longer than the back-off of whoever tries again.
const TRIED_WITHIN: Duration = Duration::from_secs(120);

/// An alert that could not be made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its namespace and title, for people.
    pub alert: Key,
    /// Whose alert it is; empty for that of no monitor.
    monitor: String,
    /// Since when that is tried.
    pub since: Timestamp,
    /// When it was tried last.
    last: Timestamp,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Failing(Mutex<HashMap<(String, Fingerprint), Failure>>);

impl Failing {
    /// It could not be made durable at `now`.
    pub fn failed(&self, alert: &Alert, now: Timestamp) {
        let mut all = self.0.lock();
        let new = || Failure {
            alert: Key::new(&*alert.namespace, alert.title()),
            monitor: alert.label("monitor").to_owned(),
            since: now,
            last: now,
        };
        all.entry(key(alert)).or_insert_with(new).last = now;
    }

    /// It is durable, or needs not be any more.
    pub fn done(&self, alert: &Alert) {
        self.0.lock().remove(&key(alert));
    }

    /// Of a monitor's alerts only these fire still. One that ended without a ticket is handed in by nobody any more.
    pub fn keep(&self, monitor: &Key, firing: &[Alert]) {
        let firing: Vec<Fingerprint> = firing.iter().map(Alert::fingerprint).collect();
        self.0.lock().retain(|(namespace, fingerprint), failure| {
            *namespace != monitor.namespace || failure.monitor != monitor.name || firing.contains(fingerprint)
        });
    }

    /// Those that are tried still.
    pub fn all(&self, now: Timestamp) -> Vec<Failure> {
        let mut all = self.0.lock();
        all.retain(|_, failure| between(failure.last, now) < TRIED_WITHIN);
        all.values().cloned().collect()
    }
}

fn key(alert: &Alert) -> (String, Fingerprint) {
    (alert.namespace.clone(), alert.fingerprint())
}

#[cfg(test)]
mod tests {
    use domain::{alert::AlertState, labels::Labels};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn alert(service: &str) -> Alert {
        let labels: Labels = [("alertname", "MonitorDown"), ("service", service), ("monitor", service)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let (state, at) = (AlertState::Firing, at(0));
        Alert { namespace: "payments".into(), labels, annotations: Labels::new(), state, starts_at: at, at }
    }

    #[test]
    fn it_counts_from_the_first_failure_until_it_is_durable_or_not_tried_any_more() {
        let failing = Failing::default();
        failing.failed(&alert("shop"), at(0));
        failing.failed(&alert("till"), at(5));
        failing.failed(&alert("shop"), at(30));
        let mut since: Vec<_> = failing.all(at(31)).into_iter().map(|it| (it.alert.to_string(), it.since)).collect();
        since.sort();
        let [shop, till] = ["shop", "till"].map(|service| format!("payments/MonitorDown: {service}"));
        assert_eq!(since, [(shop, at(0)), (till, at(5))]);
        failing.done(&alert("shop"));
        assert_eq!(failing.all(at(31)).len(), 1);
        assert_eq!(failing.all(at(125)).len(), 0);
    }

    #[test]
    fn what_ends_without_a_ticket_fires_no_more_and_what_fires_on_counts_from_its_start() {
        let failing = Failing::default();
        failing.failed(&alert("shop"), at(0));
        failing.failed(&alert("till"), at(0));
        let shop = Key::new("payments", "shop");
        failing.keep(&shop, &[alert("shop")]);
        failing.keep(&Key::new("books", "till"), &[]);
        failing.failed(&alert("shop"), at(30));
        assert_eq!(failing.all(at(31)).iter().map(|it| it.since).collect::<Vec<_>>(), [at(0), at(0)]);
        failing.keep(&shop, &[]);
        let left: Vec<_> = failing.all(at(31)).into_iter().map(|it| it.alert.to_string()).collect();
        assert_eq!(left, ["payments/MonitorDown: till"]);
    }
}
