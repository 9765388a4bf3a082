//! From decisions and what fires already to the alerts that are handed in.

use jiff::Timestamp;

use super::{Decision, Firing, Id, Name, Wanted};
use crate::{
    alert::{Alert, AlertState},
    labels::Labels,
    probe::Monitor,
    time::whole_seconds,
};

/// The alerts that make tickets say what was decided. `firing` are the labels of this monitor's alerts that fire on
/// tickets. Those that fire come first: a ticket on which one alert takes another's place is never without any.
///
/// An alert that fires and of which nothing was decided, or that fires under labels which an edit has changed, has lost
/// its source.
pub fn hand_in(monitor: &Monitor, decisions: &[Decision], firing: &[Labels], now: Timestamp) -> Vec<Alert> {
    let at = whole_seconds(now);
    let mut alerts: Vec<Alert> = Vec::new();
    for decision in decisions {
        if let Wanted::Fire(firing) = &decision.wanted {
            alerts.push(Alert {
                namespace: monitor.namespace.clone(),
                labels: labels(monitor, &decision.id),
                annotations: annotations(monitor, &decision.id, firing),
                state: AlertState::Firing,
                starts_at: firing.since,
                at,
            });
        }
    }
    for old in firing {
        let decision = decisions.iter().find(|decision| is_about(&decision.id, old));
        let state = match decision.map(|decision| &decision.wanted) {
            Some(Wanted::Fire(_)) if alerts.iter().any(|alert| alert.labels == *old) => continue,
            Some(Wanted::Keep) => continue,
            Some(Wanted::End(state)) => *state,
            Some(Wanted::Fire(_)) | None => AlertState::SourceRemoved,
        };
        alerts.push(ended(&monitor.namespace, old.clone(), state, at));
    }
    alerts
}

/// Whether of some alert that fires nobody can say yet whether it is over.
pub fn is_open(decisions: &[Decision], firing: &[Labels]) -> bool {
    let kept = decisions.iter().filter(|decision| decision.wanted == Wanted::Keep);
    kept.into_iter().any(|decision| firing.iter().any(|labels| is_about(&decision.id, labels)))
}

/// The labels under which it is known that this monitor is down.
pub fn down_labels(monitor: &Monitor) -> Labels {
    labels(monitor, &Id { name: Name::MonitorDown, slo: None, severity: monitor.severity })
}

/// The end of an alert that fires on a ticket with these labels.
fn ended(namespace: &str, labels: Labels, state: AlertState, at: Timestamp) -> Alert {
    Alert { namespace: namespace.to_owned(), labels, annotations: Labels::new(), state, starts_at: at, at }
}

/// Whether an alert with these labels is the one meant, though its other labels may be those of an earlier spec. The two
/// levels of a burn are two alerts; any other may have had another severity.
fn is_about(id: &Id, labels: &Labels) -> bool {
    let value = |name: &str| labels.get(name).map(String::as_str);
    value("alertname") == Some(id.name.as_str())
        && (id.name != Name::SloBurn
            || (value("slo") == id.slo.as_deref() && value("severity") == Some(id.severity.as_str())))
}

fn labels(monitor: &Monitor, id: &Id) -> Labels {
    let mut labels = monitor.labels.clone();
    labels.insert("alertname".to_owned(), id.name.as_str().to_owned());
    labels.insert("severity".to_owned(), id.severity.as_str().to_owned());
    if let Some(slo) = &id.slo {
        labels.insert("slo".to_owned(), slo.clone());
    }
    labels
}

fn annotations(monitor: &Monitor, id: &Id, firing: &Firing) -> Labels {
    let mut annotations = monitor.annotations.clone();
    // What the spec says is that the target is down; the other alerts say something else.
    if id.name != Name::MonitorDown || !annotations.contains_key("summary") {
        annotations.insert("summary".to_owned(), firing.summary.clone());
    }
    annotations.extend(firing.annotations().into_iter().filter(|(name, _)| name != "summary"));
    annotations.insert("target".to_owned(), monitor.target.display());
    annotations
}

impl Firing {
    /// `summary`, and `found` where there is something to say.
    pub(super) fn annotations(&self) -> Labels {
        let texts = [("summary", &self.summary), ("found", &self.found)];
        texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), text.clone()))
            .collect()
    }
}
