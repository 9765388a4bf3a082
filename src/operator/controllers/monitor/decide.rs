//! What a monitor's looks mean for its status and Events. Pure. What they mean for its alerts is decided in
//! [`domain::probe::alerts`].

use api::{
    conditions,
    service_monitor::{
        BurnRate, Certificate, Checkpoint, LastSample, PhaseTimes, ServiceMonitorStatus, SloStatus, State as Word,
        Uptime,
    },
};
use domain::{
    conditions::{Condition as Said, Standing},
    probe::{
        Sample,
        slo::{Report, Slo, burn::PAIRS},
        uptime::{self, Window},
        verdict::State,
    },
    problem::Problem,
    suppression::HoldKind,
    time::{format_duration, whole_seconds},
};
use jiff::Timestamp;

use crate::{
    alerts::HeldBack,
    engine::prober::{Kept, Observed},
    index::MonitorEntry,
    kube::meta::Key,
};

/// The condition, and the Event, of a monitor whose alerts no policy serves.
pub(super) const NO_POLICY: &str = "NoPolicy";

/// What others know of the monitor.
pub(super) struct Around<'a> {
    /// The ticket on which an alert of it fires.
    pub(super) ticket: Option<String>,
    /// The ticket of the operator's namespace on which an alert of it fires that no policy serves.
    pub(super) unserved: Option<Key>,
    /// The circle its dependencies are in, and those that are not there.
    pub(super) dependencies: (Option<Problem>, Vec<Problem>),
    /// Its alerts that fire and have no ticket.
    pub(super) held: &'a [HeldBack],
}

/// The whole status.
pub(super) fn status(
    entry: &MonitorEntry,
    observed: Option<&Observed>,
    around: Around<'_>,
    now: Timestamp,
) -> ServiceMonitorStatus {
    let Around { ticket, unserved, dependencies, held } = around;
    let before = entry.object.status.clone().unwrap_or_default();
    let generation = entry.object.metadata.generation;
    let standing = with_dependencies(standing(&entry.problems, entry.compiled.is_some(), observed), &dependencies);
    let state = observed.map(|observed| observed.verdict.state().into());
    let slo = observed.map(|observed| slo(observed, now)).unwrap_or_default();
    let unserved = unserved.map(|ticket| no_policy(entry, &ticket));
    let own = observed.and_then(healthy).into_iter().chain(held_back(held)).chain(unserved).collect::<Vec<_>>();
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
        slo_left: slo_left(observed, now),
        slo,
        checkpoint: match observed {
            Some(observed) => checkpoint(observed),
            None => before.checkpoint,
        },
        ticket,
    }
}

fn checkpoint(observed: &Observed) -> Option<Checkpoint> {
    let checkpoint = Checkpoint::new(observed.tracks.keep(), observed.memory.keep());
    (checkpoint != Checkpoint::default()).then_some(checkpoint)
}

fn reports(observed: &Observed, now: Timestamp) -> impl Iterator<Item = (&Slo, Report)> {
    observed.monitor.slos.iter().map(move |slo| (slo, Report::new(slo, &observed.tracks, now)))
}

fn slo(observed: &Observed, now: Timestamp) -> Vec<SloStatus> {
    let one = |(slo, report): (&Slo, Report)| {
        let [hour, six_hours, day, three_days] = PAIRS.map(|pair| report.rate_text(pair.long));
        let burn_rate = BurnRate { hour, six_hours, day, three_days };
        SloStatus {
            name: slo.name.clone(),
            sli: report.sli(),
            budget_left: report.budget_left_text(),
            burn_rate: (burn_rate != BurnRate::default()).then_some(burn_rate),
        }
    };
    reports(observed, now).map(one).collect()
}

/// `48.1% availability`: the objective of which the least is left.
fn slo_left(observed: Option<&Observed>, now: Timestamp) -> Option<String> {
    let left = reports(observed?, now).filter_map(|(slo, report)| Some((report.budget_left()?, slo, report)));
    let (_, slo, report) = left.min_by_key(|(tenths, ..)| *tenths)?;
    Some(format!("{}% {}", report.budget_left_text()?, slo.name))
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

/// A circle of dependencies is a fault of the specs, one that is not there may come; both leave the probe going. What
/// keeps the monitor itself from being used is said first.
fn with_dependencies(standing: Standing, (circle, missing): &(Option<Problem>, Vec<Problem>)) -> Standing {
    let words = |all: &[Problem]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match (&standing, circle) {
        (Standing::Stalled { .. }, _) => standing,
        (_, Some(circle)) => Standing::Stalled { reason: "InvalidSpec", message: circle.to_string() },
        (_, None) if !missing.is_empty() => Standing::Stalled { reason: "ReferenceMissing", message: words(missing) },
        (_, None) => standing,
    }
}

/// Why nobody is told, where an alert has no ticket for that. Absent else; a wait of seconds is not worth a write.
fn held_back(held: &[HeldBack]) -> Option<Said> {
    let (held, kind) = held.iter().find_map(|held| Some((held, held.kind?)))?;
    let reason = match kind {
        HoldKind::Silence => "Silence",
        HoldKind::Inhibition => "Inhibition",
        HoldKind::Dependency => "Dependency",
        HoldKind::Calendar => "Calendar",
    };
    Some(Said { type_: "Held", status: true, reason: reason.to_owned(), message: held.by.clone() })
}

/// What it fires has a ticket, and nobody of its own namespace is told.
fn no_policy(entry: &MonitorEntry, ticket: &Key) -> Said {
    let namespace = entry.object.metadata.namespace.as_deref().unwrap_or_default();
    let message = format!(
        "no SupportPolicy serves what it fires, which is on ticket {ticket}: create one in namespace {namespace}, with an \
         empty match or one that its labels fulfil"
    );
    Said { type_: NO_POLICY, status: true, reason: NO_POLICY.to_owned(), message }
}

/// That no policy serves it, when that was not said before.
pub(super) fn newly_unserved(before: &ServiceMonitorStatus, after: &ServiceMonitorStatus) -> Option<String> {
    let said = |status: &ServiceMonitorStatus| {
        let mut all = status.conditions.iter();
        all.find(|condition| condition.type_ == NO_POLICY).map(|condition| condition.message.clone())
    };
    said(after).filter(|_| said(before).is_none())
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
        State::Unknown | State::Maintenance | State::Suspended => return None,
    };
    Some(Said { type_: "Healthy", status, reason: state.to_string(), message: observed.verdict.message().to_owned() })
}

/// What an earlier process has stored.
pub(crate) fn stored(status: &ServiceMonitorStatus) -> Option<Kept> {
    let state = (status.state?.into(), status.since?);
    let checkpoint = status.checkpoint.as_ref();
    Some(Kept {
        state,
        tracks: checkpoint.map(Checkpoint::tracks).unwrap_or_default(),
        memory: checkpoint.map(Checkpoint::memory).unwrap_or_default(),
    })
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
    let percent = |window| uptime::percent(observed.tracks.failures(), window, now);
    let percents = Uptime {
        hour: percent(Window::Hour),
        day: percent(Window::Day),
        week: percent(Window::Week),
        month: percent(Window::Month),
    };
    (percents != Uptime::default()).then_some(percents)
}

/// A transition, a change of what is probed, and a checkpoint are worth a write; a new uptime or burn rate alone is not.
pub(super) fn is_worth_writing(before: &ServiceMonitorStatus, after: &ServiceMonitorStatus, checkpoint: bool) -> bool {
    let without_what_ticks = |status: &ServiceMonitorStatus| ServiceMonitorStatus {
        uptime: None,
        certificate: None,
        slo: Vec::new(),
        slo_left: None,
        checkpoint: None,
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
        Word::Maintenance => (false, "Maintenance"),
        Word::Suspended => (false, "Suspended"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let kept = Kept { state: (state, now), tracks: Default::default(), memory: Default::default() };
        probed.watch(&key, &Arc::new(api::service_monitor::validate(&object).unwrap().value), Some(kept), now);
        probed.get(&key).unwrap()
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

    #[test]
    fn a_monitor_whose_alert_no_policy_serves_says_so_and_what_to_do() {
        let object: api::ServiceMonitor = serde_json::from_value(serde_json::json!({
            "apiVersion": "firstline.dev/v1alpha1", "kind": "ServiceMonitor",
            "metadata": {"name": "checkout", "namespace": "orphans"},
            "spec": {"service": "checkout", "probe": {"tcp": {"address": "shop.example:443"}}},
        }))
        .unwrap();
        let entry = MonitorEntry { object: Arc::new(object), compiled: None, problems: Vec::new() };
        let status = |unserved: Option<Key>| {
            let around = Around { ticket: None, unserved, dependencies: (None, Vec::new()), held: &[] };
            status(&entry, None, around, Timestamp::UNIX_EPOCH)
        };
        let (served, unserved) = (status(None), status(Some(Key::new("firstline-system", "inc-a"))));
        let said = newly_unserved(&served, &unserved).unwrap();
        assert_eq!(
            said,
            "no SupportPolicy serves what it fires, which is on ticket firstline-system/inc-a: create one in namespace \
             orphans, with an empty match or one that its labels fulfil"
        );
        assert!(is_worth_writing(&served, &unserved, false) && is_worth_writing(&unserved, &served, false));
        assert_eq!(newly_unserved(&unserved, &unserved), None, "said once");
    }

    #[tokio::test]
    async fn uptime_of_which_nothing_is_known_is_left_out() {
        assert_eq!(uptime(&restored(State::Up), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn wrong_dependencies_are_said_where_nothing_worse_is() {
        let probing = || Standing::Ready { reason: "Probing", message: String::new() };
        let problem = |text: &str| Problem::error("spec.dependsOn", text);
        let reason = |standing: Standing, circle: Option<Problem>, missing: Vec<Problem>| match with_dependencies(
            standing,
            &(circle, missing),
        ) {
            Standing::Ready { reason, .. }
            | Standing::Reconciling { reason, .. }
            | Standing::Stalled { reason, .. } => reason,
        };
        assert_eq!(reason(probing(), None, Vec::new()), "Probing");
        assert_eq!(reason(probing(), None, vec![problem("gone")]), "ReferenceMissing");
        assert_eq!(reason(probing(), Some(problem("circle")), vec![problem("gone")]), "InvalidSpec");
        let blind = Standing::Stalled { reason: "ConfigError", message: String::new() };
        assert_eq!(reason(blind, Some(problem("circle")), Vec::new()), "ConfigError");
    }

    #[test]
    fn an_alert_without_a_ticket_says_what_holds_it_but_not_that_it_waits_for_a_look() {
        let held = |kind| HeldBack { by: "depends on database".to_owned(), kind, until: None };
        assert_eq!(held_back(&[held(None)]), None);
        let said = held_back(&[held(None), held(Some(HoldKind::Dependency))]).unwrap();
        assert_eq!(
            (said.type_, said.reason.as_str(), said.message.as_str()),
            ("Held", "Dependency", "depends on database")
        );
    }
}
