//! What a monitor's looks mean: an alert, a status, an Event. Pure.

use api::{
    conditions,
    service_monitor::{Certificate, LastSample, PhaseTimes, ServiceMonitorStatus, State as Word, Uptime},
};
use domain::{
    alert::{Alert, AlertState},
    conditions::{Condition as Said, Standing},
    labels::Labels,
    probe::{Sample, uptime::Window, verdict::State},
    problem::Problem,
    time::{format_duration, whole_seconds},
};
use jiff::Timestamp;

use crate::{engine::prober::Observed, index::MonitorEntry, kube::meta::Key};

/// The alert of a monitor that is down.
pub(super) const ALERT: &str = "MonitorDown";

/// What the alert of a monitor should be.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    /// It fires.
    Fire(Box<Alert>),
    /// Whatever fires for it is over, in this way.
    End(AlertState),
    /// It stays as it is: we do not know better.
    Keep,
}

/// `now` is when the alert is reported; it fires since the state began, which may be long ago.
pub(super) fn wanted(observed: &Observed, now: Timestamp) -> Wanted {
    match observed.verdict.state() {
        State::Down => Wanted::Fire(Box::new(alert(observed, now))),
        State::Up | State::Degraded if observed.confirmed => Wanted::End(AlertState::Recovered),
        State::Suspended => Wanted::End(AlertState::SourceRemoved),
        // A target that flaps and is down just now may have been up when the flapping began: it must page.
        State::Flapping if observed.verdict.is_down() => Wanted::Fire(Box::new(alert(observed, now))),
        State::Up | State::Degraded | State::Unknown | State::Flapping => Wanted::Keep,
    }
}

fn alert(observed: &Observed, now: Timestamp) -> Alert {
    let monitor = &observed.monitor;
    let mut labels = monitor.labels.clone();
    labels.insert("alertname".to_owned(), ALERT.to_owned());
    let mut annotations = monitor.annotations.clone();
    annotations.entry("summary".to_owned()).or_insert_with(|| format!("{} is down", monitor.service));
    let found = observed.verdict.message();
    if !found.is_empty() {
        annotations.insert("found".to_owned(), found.to_owned());
    }
    annotations.insert("target".to_owned(), monitor.target.display());
    let since = observed.verdict.since();
    Alert {
        namespace: monitor.namespace.clone(),
        labels,
        annotations,
        state: AlertState::Firing,
        starts_at: since,
        at: whole_seconds(now),
    }
}

/// The end of an alert that fires on a ticket with these labels.
pub(super) fn ended(namespace: &str, labels: Labels, state: AlertState, at: Timestamp) -> Alert {
    let at = whole_seconds(at);
    Alert { namespace: namespace.to_owned(), labels, annotations: Labels::new(), state, starts_at: at, at }
}

/// The whole status.
pub(super) fn status(
    entry: &MonitorEntry,
    observed: Option<&Observed>,
    ticket: Option<String>,
    now: Timestamp,
) -> ServiceMonitorStatus {
    let before = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let standing = standing(&entry.problems, entry.compiled.is_some(), observed);
    let state = observed.map(|observed| word(observed.verdict.state()));
    let own = observed.and_then(healthy).into_iter().collect::<Vec<_>>();
    let decisive = observed.and_then(|observed| observed.decisive.as_ref());
    let latest_tls = observed.and_then(|observed| observed.latest.as_ref()).and_then(|sample| sample.tls.as_ref());
    let certificate = latest_tls.and_then(|tls| {
        Some(Certificate {
            not_after: whole_seconds(tls.not_after?),
            issuer: Some(tls.issuer.chars().take(512).collect()),
        })
    });
    ServiceMonitorStatus {
        observed_generation: generation.unwrap_or(0),
        conditions: conditions::conditions(&before.conditions, &standing, &own, generation, now),
        state,
        since: observed.map(|observed| observed.verdict.since()),
        reason: observed.and_then(|observed| observed.verdict.reason()).map(|reason| reason.to_string()),
        message: observed
            .map(|observed| observed.verdict.message().chars().take(1_024).collect::<String>())
            .filter(|text| !text.is_empty()),
        target: entry.compiled.as_ref().map(|monitor| monitor.target.display().chars().take(2_048).collect()),
        // A restart knows no decisive look of its own; the one that was stored is still the last transition's.
        last: decisive.map(last).or(before.last),
        uptime: observed.and_then(|observed| uptime(observed, now)),
        certificate,
        ticket,
    }
}

fn standing(problems: &[Problem], probed: bool, observed: Option<&Observed>) -> Standing {
    let words = |all: &[Problem]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if problems.iter().any(Problem::is_error) {
        let stays = if probed { "the last valid version is probed on: " } else { "" };
        return Standing::Stalled { reason: "InvalidSpec", message: format!("{stays}{}", words(problems)) };
    }
    let warnings = words(problems);
    match observed {
        Some(observed) if observed.monitor.suspended => {
            Standing::Ready { reason: "Suspended", message: "spec.suspend is true: nobody looks".to_owned() }
        }
        Some(observed) if observed.latest.is_some() => match blind(observed) {
            Some(stalled) => stalled,
            None => Standing::Ready { reason: "Probing", message: warnings },
        },
        _ => Standing::Reconciling { reason: "Starting", message: "waiting for the first look".to_owned() },
    }
}

/// We cannot look, for a reason that only a person can mend: a Secret that is missing, an address that is not allowed.
fn blind(observed: &Observed) -> Option<Standing> {
    let reason = observed.verdict.reason().filter(|reason| reason.is_blind())?;
    Some(Standing::Stalled { reason: reason.as_str(), message: observed.verdict.message().to_owned() })
}

/// Absent while nothing is known.
fn healthy(observed: &Observed) -> Option<Said> {
    let state = observed.verdict.state();
    let status = match state {
        State::Up | State::Degraded => true,
        State::Down | State::Flapping => false,
        State::Unknown | State::Suspended => return None,
    };
    Some(Said { type_: "Healthy", status, reason: state.to_string(), message: observed.verdict.message().to_owned() })
}

fn word(state: State) -> Word {
    match state {
        State::Up => Word::Up,
        State::Degraded => Word::Degraded,
        State::Down => Word::Down,
        State::Flapping => Word::Flapping,
        State::Unknown => Word::Unknown,
        State::Suspended => Word::Suspended,
    }
}

/// The state that an earlier process stored.
pub(crate) fn stored(status: &ServiceMonitorStatus) -> Option<(State, Timestamp)> {
    let state = match status.state? {
        Word::Up => State::Up,
        Word::Degraded => State::Degraded,
        Word::Down => State::Down,
        Word::Flapping => State::Flapping,
        Word::Unknown => State::Unknown,
        Word::Suspended => State::Suspended,
    };
    Some((state, status.since?))
}

fn last(sample: &Sample) -> LastSample {
    let millis = |span: Option<std::time::Duration>| span.map(format_duration);
    LastSample {
        at: whole_seconds(sample.at),
        duration: format_duration(sample.duration),
        phases: PhaseTimes {
            dns: millis(sample.phases.dns),
            connect: millis(sample.phases.connect),
            tls: millis(sample.phases.tls),
            first_byte: millis(sample.phases.first_byte),
            transfer: millis(sample.phases.transfer),
        },
        address: sample.address.map(|address| address.to_string()),
        http_status: sample.http.as_ref().map(|http| u32::from(http.status)),
    }
}

/// `None` while nothing is known: where there was something, the server makes null of an empty object and refuses it.
fn uptime(observed: &Observed, now: Timestamp) -> Option<Uptime> {
    let percent = |window| observed.uptime.percent(window, now);
    let uptime = Uptime {
        hour: percent(Window::Hour),
        day: percent(Window::Day),
        week: percent(Window::Week),
        month: percent(Window::Month),
    };
    (uptime != Uptime::default()).then_some(uptime)
}

/// A transition, a change of what is probed, and a checkpoint are worth a write; a new uptime alone is not.
pub(super) fn is_worth_writing(before: &ServiceMonitorStatus, after: &ServiceMonitorStatus, checkpoint: bool) -> bool {
    let without_what_ticks = |status: &ServiceMonitorStatus| ServiceMonitorStatus {
        uptime: None,
        certificate: None,
        message: None,
        last: None,
        ..status.clone()
    };
    if checkpoint { before != after } else { without_what_ticks(before) != without_what_ticks(after) }
}

/// What is wrong with the spec, when that was not said before.
pub(super) fn newly_invalid(before: &ServiceMonitorStatus, after: &ServiceMonitorStatus) -> Option<String> {
    let wrong = |status: &ServiceMonitorStatus| {
        let condition = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Stalled" && condition.reason == "InvalidSpec");
        condition.map(|condition| condition.message.clone())
    };
    wrong(after).filter(|_| wrong(before) != wrong(after))
}

/// Whether a state is a warning, and its stable word.
pub(super) fn event_of(state: Word) -> (bool, &'static str) {
    match state {
        Word::Up => (false, "Up"),
        Word::Degraded => (true, "Degraded"),
        Word::Down => (true, "Down"),
        Word::Flapping => (true, "Flapping"),
        Word::Unknown => (true, "Unknown"),
        Word::Suspended => (false, "Suspended"),
    }
}

/// The labels that identify the alerts of a monitor on tickets.
pub(crate) fn is_alert_of(key: &Key, labels: &Labels) -> bool {
    let is = |name: &str, value: &str| labels.get(name).is_some_and(|found| found == value);
    is("alertname", ALERT) && is("monitor", &key.name) && is("namespace", &key.namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;

    use super::*;
    use crate::engine::prober::Probed;

    /// A monitor that an earlier process has left in this state, and that this one has not looked at.
    fn restored(state: State) -> Observed {
        let object: api::ServiceMonitor = serde_json::from_value(serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "checkout", "namespace": "payments", "uid": "u"},
            "spec": {"service": "checkout", "probe": {"tcp": {"address": "shop.example:443"}}},
        }))
        .unwrap();
        let (now, key) = (Timestamp::UNIX_EPOCH, Key::new("payments", "checkout"));
        let probed = Probed::new(now);
        probed.watch(&key, &Arc::new(api::service_monitor::validate(&object).unwrap().value), Some((state, now)), now);
        probed.get(&key).unwrap()
    }

    #[rstest]
    #[case(State::Up)]
    #[case(State::Degraded)]
    #[tokio::test]
    async fn a_restored_state_ends_no_alert_before_this_process_has_seen_the_target_answer(#[case] state: State) {
        let mut observed = restored(state);
        assert_eq!(wanted(&observed, Timestamp::UNIX_EPOCH), Wanted::Keep);
        observed.confirmed = true;
        assert_eq!(wanted(&observed, Timestamp::UNIX_EPOCH), Wanted::End(AlertState::Recovered));
    }

    #[tokio::test]
    async fn a_monitor_that_cannot_look_is_not_ready_and_its_spec_is_not_called_invalid() {
        use domain::probe::{Failure, Phase, Phases, Reason, verdict::Thresholds};
        let (mut observed, now) = (restored(State::Unknown), Timestamp::UNIX_EPOCH);
        let message = "Secret payments/nowhere does not exist".to_owned();
        let failure = Some(Failure { reason: Reason::ConfigError, phase: Phase::Dns, message });
        let phases = Phases::default();
        let blind = Sample {
            at: now,
            duration: std::time::Duration::ZERO,
            phases,
            address: None,
            failure,
            http: None,
            tls: None,
        };
        observed.verdict.observe(&blind, &Thresholds::default(), now);
        observed.latest = Some(blind);
        let Standing::Stalled { reason, message } = standing(&[], false, Some(&observed)) else {
            panic!("it is ready")
        };
        assert_eq!((reason, message.as_str()), ("ConfigError", "Secret payments/nowhere does not exist"));
    }

    #[tokio::test]
    async fn a_restored_outage_still_fires() {
        assert!(matches!(wanted(&restored(State::Down), Timestamp::UNIX_EPOCH), Wanted::Fire(_)));
    }

    #[tokio::test]
    async fn uptime_of_which_nothing_is_known_is_left_out() {
        assert_eq!(uptime(&restored(State::Up), Timestamp::UNIX_EPOCH), None);
    }
}
