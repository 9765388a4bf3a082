//! What holds a ticket at an instant, and why: one answer from all suppressors.
//!
//! A ticket is held only when each of its firing alerts is: one that is not must be told. Everything that holds is named
//! in the reasons; the hold itself is one of them, chosen so that it stays the same as long as it lasts.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::{
    Hold, HoldKind, Silence, dependency,
    inhibition::{Source, sources},
};
use crate::{
    alert::Severity,
    calendar::Calendar,
    labels::Labels,
    policy::Policy,
    routing::{self, Branch},
};

/// What matters besides the ticket itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where the ticket lives.
    pub namespace: &'a str,
    /// Its silences act everywhere.
    pub operator_namespace: &'a str,
    /// The policy that decides; `None`: no inhibition, no calendars.
    pub policy: Option<&'a Policy>,
    /// The route that owns the ticket, with its calendars.
    pub route: Option<&'a Branch>,
    /// Active or not.
    pub silences: &'a [Silence],
    /// The labels of everything that fires in this namespace by this policy, as their senders wrote them, the ticket's
    /// own alerts among them.
    pub firing: &'a [&'a Labels],
    /// The monitors that the ticket's monitors depend on, and those themselves.
    pub monitors: &'a dependency::Standings,
}

/// What holds, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judgement {
    /// The suppressor on record; `None`: people may be told.
    pub hold: Option<Hold>,
    /// The silence that holds, as namespace/name, for its status.
    pub silence: Option<String>,
    /// One sentence for each alert and suppressor, and for what is not held.
    pub reasons: Vec<String>,
}

/// What holds one alert.
struct Found {
    hold: Hold,
    silence: Option<String>,
}

/// Judges the firing alerts of one ticket, as their senders wrote them, each with the time since when it fires. An alert
/// that opens a ticket is judged alone, and as if it began now: whatever is down by then may be its cause.
pub fn judge<'l>(
    alerts: impl IntoIterator<Item = (&'l Labels, Timestamp)>,
    around: &Surroundings<'_>,
    now: Timestamp,
) -> Judgement {
    let rules = around.policy.map_or(&[][..], |policy| policy.inhibit.as_slice());
    let read = |labels: &Labels| around.policy.map(|policy| routing::normalise(policy, labels));
    let firing: Vec<Labels> = match rules {
        [] => Vec::new(),
        _ => around.firing.iter().copied().filter_map(read).map(|(labels, _)| labels).collect(),
    };
    let sources = sources(rules, &firing);
    let muted = around.policy.zip(around.route).and_then(|(policy, route)| muted(policy, route, now));
    let mut judgement = Judgement::default();
    let mut each = Vec::new();
    for (written, since) in alerts {
        let (labels, severity) = read(written).unwrap_or_else(|| (written.clone(), Severity::Page));
        let mut found = all_that_hold((written, since), &labels, severity, &sources, around, now);
        found.extend(muted.clone().map(|hold| Found { hold, silence: None }));
        let title = title(written);
        if found.is_empty() {
            judgement.reasons.push(format!("{title}: nothing holds it"));
        }
        judgement.reasons.extend(found.iter().map(|found| format!("{title}: {}", found.hold.by)));
        each.push(found);
    }
    if let Some(found) = common(each) {
        judgement.hold = Some(found.hold);
        judgement.silence = found.silence;
    }
    judgement
}

/// Whether the calendars of a route say that nobody is told at `now`: one of `mute` is open, or all of `active` are closed.
/// A calendar that the policy does not have says nothing.
pub fn muted(policy: &Policy, route: &Branch, now: Timestamp) -> Option<Hold> {
    let known = |names: &[String]| -> Vec<(String, &Calendar)> {
        names.iter().filter_map(|name| Some((name.clone(), policy.calendar(name)?))).collect()
    };
    let hold = |by, until| Hold { by, kind: HoldKind::Calendar, until };
    if let Some((name, calendar)) = known(&route.mute).into_iter().find(|(_, calendar)| calendar.is_open(now)) {
        return Some(hold(format!("mute calendar {name} of route {}", route.route), calendar.next_change(now)));
    }
    let active = known(&route.active);
    if active.is_empty() || active.iter().any(|(_, calendar)| calendar.is_open(now)) {
        return None;
    }
    let names = active.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let opens = active.iter().filter_map(|(_, calendar)| calendar.next_open(now)).min();
    Some(hold(format!("outside active calendar {names} of route {}", route.route), opens))
}

/// Of what holds each alert the one on record. Those that settle come first where they hold some of the alerts: what
/// they held still has to wait when they end.
fn common(each: Vec<Vec<Found>>) -> Option<Found> {
    let mut chosen: Option<Found> = None;
    for found in each {
        let best = found.into_iter().min_by_key(|found| found.hold.kind)?;
        let counts_more = |known: &Found| best.hold.kind.settle() > known.hold.kind.settle();
        if chosen.as_ref().is_none_or(counts_more) {
            chosen = Some(best);
        }
    }
    chosen
}

fn all_that_hold(
    (written, since): (&Labels, Timestamp),
    labels: &Labels,
    severity: Severity,
    sources: &[Source<'_>],
    around: &Surroundings<'_>,
    now: Timestamp,
) -> Vec<Found> {
    let Surroundings { namespace, operator_namespace, silences, monitors, .. } = *around;
    let mut silences: Vec<&Silence> =
        silences.iter().filter(|silence| silence.mutes(namespace, operator_namespace, written, now)).collect();
    // The one that ends last first, so that the reason on record does not change while the alert stays muted.
    silences.sort_unstable_by_key(|silence| (Reverse(silence.ends_at), &silence.namespace, &silence.name));
    let mut found: Vec<Found> = silences
        .into_iter()
        .map(|silence| Found {
            hold: Hold { by: silence.sentence(), kind: HoldKind::Silence, until: Some(silence.ends_at) },
            silence: Some(format!("{}/{}", silence.namespace, silence.name)),
        })
        .collect();
    let other = |by, kind| Found { hold: Hold { by, kind, until: None }, silence: None };
    let inhibiting = sources.iter().filter(|source| source.inhibits(labels));
    found.extend(inhibiting.map(|source| other(source.sentence(), HoldKind::Inhibition)));
    let monitor = labels.get("monitor").filter(|name| !name.is_empty());
    let cause = monitor.and_then(|monitor| dependency::cause(monitors, monitor, severity, since));
    found.extend(cause.map(|cause| other(cause.sentence(), HoldKind::Dependency)));
    found
}

/// "DiskFull: checkout", as a ticket would be called.
pub(super) fn title(labels: &Labels) -> String {
    let value = |name: &str| labels.get(name).map_or("", String::as_str);
    match (value("alertname"), value("service")) {
        ("", "") => "an alert without a name".to_owned(),
        (name, "") => name.to_owned(),
        ("", service) => service.to_owned(),
        (name, service) => format!("{name}: {service}"),
    }
}
