//! What happens to an alert: which policy and route take it, what holds it back, who is paged when and why.

use std::{sync::Arc, time::Duration};

use api::{
    Ticket, TicketEvent,
    ticket::{NotificationKind, TimelineLine},
};
use domain::{
    alert::{Alert, AlertState},
    labels::Labels,
    message::MessageKind,
    oncall::Override,
    policy::Policy,
    problem::Problem,
    routing::{self, RouteDecision},
    suppression::{self, Hold, HoldKind, Silence, Surroundings},
    ticket::timeline::What,
    time::{after, between, format_duration, parse_duration, shown, whole_seconds},
};
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Compared, Setting,
    difference::{Differences, or_none},
    duty,
    form::{
        AcknowledgeForm, Acknowledgement, AlertExpect, AlertForm, CaseForm, DownForm, FiringForm, PageExpect,
        SilenceForm,
    },
    promises::{compare_breaches, compare_warnings},
    request::{self, compare_refusals, zone_of},
    story::{self, Entry},
    times, user_of,
};
use crate::{
    alerts::{self, Case},
    controllers::ticket::rehearse::{Around, Incoming, REVISION, Rehearsal, Sent, Span},
};

/// How long an alert is looked at where nothing else is said.
pub(crate) const UNTIL: Duration = Duration::from_secs(86_400);

/// What happened to an alert.
pub(crate) struct Incident {
    /// When it fired.
    pub(crate) at: Timestamp,
    /// The policy that decides; `None`: no policy serves it.
    pub(crate) policy: Option<Arc<Policy>>,
    /// What policy and route were chosen, and why not others.
    pub(crate) reasons: Vec<String>,
    /// What was chosen; `None` for an alert that needs no ticket.
    pub(crate) case: Option<Case>,
    /// Since when and by what it was held back before it opened a ticket.
    pub(crate) suppressed: Vec<(Timestamp, String)>,
    /// Its ticket, when it opened one.
    pub(crate) ticket: Option<Rehearsal>,
    /// Up to when it was looked at.
    until: Timestamp,
}

/// What the alert meets.
pub(crate) struct Circumstances {
    /// Silences, overrides, other alerts, monitors that are down.
    pub(crate) around: Around,
    /// What people do on its ticket.
    pub(crate) events: Vec<(Timestamp, TicketEvent)>,
    /// When the alert ends by itself.
    pub(crate) ends: Option<Timestamp>,
    /// Up to when it is looked at.
    pub(crate) until: Timestamp,
}

/// Lets an alert happen.
pub(crate) fn live(setting: Setting<'_>, alert: Alert, circumstances: Circumstances) -> Incident {
    let at = alert.at;
    let choice = routing::choose_policy(setting.policies, &alert.namespace, &alert.labels);
    let policy = choice.as_ref().map(|choice| Arc::clone(choice.policy));
    let reasons = choice.map(|choice| choice.reasons).unwrap_or_default();
    let until = circumstances.until;
    let mut incident = Incident { at, policy, reasons, case: None, suppressed: Vec::new(), ticket: None, until };
    if let Some(policy) = &incident.policy {
        let (labels, severity) = routing::normalise(policy, &alert.labels);
        let why = match alert.label("severity") {
            "" => ", as there is no label `severity`".to_owned(),
            word if policy.known_severity(word).is_none() => {
                format!(", as nothing says what `{word}` means; `severities` of the policy can")
            }
            _ => String::new(),
        };
        incident.reasons.push(format!("severity: {severity}{why}"));
        incident.reasons.extend(routing::route(policy, &labels, severity).reasons(policy, &labels));
    }
    incident.case = Case::choose(setting.policies, "", alert);
    incident.open(circumstances);
    incident
}

impl Incident {
    /// Opens the ticket once nothing holds the alert back, and lets it live.
    fn open(&mut self, met: Circumstances) {
        let Some(case) = &mut self.case else { return };
        let mut now = case.alert.at;
        // Since when nothing holds it any more that has to settle.
        let (mut kind, mut free): (Option<HoldKind>, Option<Timestamp>) = (None, None);
        // Bounded: each look comes later than the one before, as something around it begins or ends.
        loop {
            let until = match held(case, self.policy.as_deref(), &met.around, now) {
                Some(hold) => {
                    if self.suppressed.last().is_none_or(|(_, by)| *by != hold.by) {
                        self.suppressed.push((now, hold.by));
                    }
                    (kind, free) = (Some(hold.kind), None);
                    hold.until
                }
                None => {
                    let settled = after(*free.get_or_insert(now), kind.map_or(Duration::ZERO, HoldKind::settle));
                    if settled <= now {
                        break;
                    }
                    Some(settled)
                }
            };
            let again = met.around.changes().chain(until).filter(|at| *at > now).min();
            let Some(again) = again.filter(|again| *again <= met.until) else { return };
            now = again;
            if met.ends.is_some_and(|ends| ends <= now) {
                return;
            }
        }
        let (started, created) = (case.alert.starts_at, whole_seconds(now));
        if !self.suppressed.is_empty() {
            case.counts_from = created;
        }
        case.alert.at = created;
        let name = case.ticket_name("");
        let mut ticket: Ticket =
            alerts::wanted(case, &name, REVISION.to_owned(), String::new(), alerts::Opened::at(now));
        ticket.metadata.uid = Some(name);
        ticket.metadata.generation = Some(1);
        ticket.metadata.creation_timestamp = Some(Time(created));
        let mut rehearsal = Rehearsal::new(ticket, self.policy.clone(), met.around);
        for (at, event) in met.events {
            rehearsal.expect(at, Incoming::Event(Box::new(event)));
        }
        if let Some(ends) = met.ends {
            let end = Alert { state: AlertState::Recovered, starts_at: started, at: ends, ..case.alert.clone() };
            rehearsal.expect(ends, Incoming::Alert(Box::new(end)));
        }
        rehearsal.run(met.until);
        self.ticket = Some(rehearsal);
    }

    /// Everything that pages somebody, in order.
    pub(crate) fn pages(&self) -> impl Iterator<Item = &Sent> {
        let sent = self.ticket.as_ref().map_or(&[][..], Rehearsal::sent);
        sent.iter().filter(|sent| sent.kind == NotificationKind::Page)
    }

    /// What is expected of the promises of its ticket.
    fn compare_promises(&self, until: Timestamp, expect: &AlertExpect, found: &mut Differences) -> Result<(), Problem> {
        let zone = self.zone();
        if let Some(breached) = &expect.breached_at {
            let clocks = self.ticket.as_ref().map(|ticket| ticket.clocks(until)).unwrap_or_default();
            compare_breaches(&clocks, breached, &zone, found)?;
        }
        if let Some(warnings) = &expect.warnings {
            compare_warnings(self.ticket.as_ref(), warnings, &zone, found);
        }
        Ok(())
    }

    fn zone(&self) -> TimeZone {
        self.policy.as_deref().map_or(TimeZone::UTC, zone_of)
    }

    /// What happened and why, a sentence each.
    pub(crate) fn explain(&self) -> Vec<String> {
        let mut words = vec![format!("it fires at {}; the times below count from there", shown(self.at, &self.zone()))];
        words.extend(self.reasons.iter().cloned());
        if self.policy.is_none() {
            words.push("no policy serves it: nobody is told".to_owned());
        }
        let until = format_duration(between(self.at, self.until));
        let after_start = |at: Timestamp| format_duration(between(self.at, at));
        for (at, by) in &self.suppressed {
            words.push(format!("{}: opens no ticket, {by}", after_start(*at)));
        }
        match (&self.case, &self.ticket) {
            (None, _) if self.policy.is_some() => words.push("info: it opens no ticket".to_owned()),
            (Some(case), Some(_)) => words.push(format!("ticket key: {}", case.group.group)),
            _ => {}
        }
        let Some(ticket) = &self.ticket else { return words };
        let lines = ticket.timeline().into_iter().map(|line| (line.at, format!("{} {}", line.what, line.detail)));
        let sent = ticket.sent().iter().map(|sent| (sent.at, told(sent)));
        let entries = lines.chain(sent).map(|(at, text)| Entry { at, text: text.trim_end().to_owned() });
        words.extend(story::lines(entries.collect(), after_start));
        words.extend(self.once_taken(ticket));
        if self.is_unheard() {
            words.push(format!("nobody is told within {until}: the ticket is only found by those who look for it"));
        }
        words
    }

    /// Whether nobody hears of it although nothing holds it back: no policy serves it, or its ticket tells nobody.
    pub(crate) fn is_unheard(&self) -> bool {
        self.policy.is_none()
            || self.suppressed.is_empty() && self.ticket.as_ref().is_some_and(|ticket| ticket.sent().is_empty())
    }

    /// While an escalation waits for somebody, messages about promises wait as well; who gets them is known by taking it.
    fn once_taken(&self, ticket: &Rehearsal) -> Vec<String> {
        let timeline = ticket.timeline();
        let is_about = |line: &&&TimelineLine, what: What| line.what == what.as_str();
        let broken = timeline.iter().filter(|line| is_about(line, What::Breach)).count();
        let warned =
            timeline.iter().filter(|line| is_about(line, What::Warned) && line.detail.contains(" due (")).count();
        let Some(by) = self.policy.as_ref().filter(|_| broken > warned).and_then(|policy| policy.people.keys().next())
        else {
            return Vec::new();
        };
        let Ok(user) = user_of(self.policy.as_deref(), by) else { return Vec::new() };
        let Ok(taken) = request::acknowledgement(self.until, &user) else { return Vec::new() };
        let mut next = ticket.clone();
        next.expect(self.until, Incoming::Event(Box::new(taken)));
        next.run(self.until);
        let sent =
            next.sent().iter().skip(ticket.sent().len()).filter(|sent| sent.kind == NotificationKind::SlaWarning);
        let mut words = vec![format!(
            "who is told of a broken promise hears of it once somebody takes the ticket; taken by {by} at {}:",
            format_duration(between(self.at, self.until))
        )];
        words.extend(sent.map(|sent| format!("  {}", told(sent))));
        if words.len() == 1 {
            words.push("  nobody; name somebody in the policy, `sla[].onBreach`".to_owned());
        }
        words
    }
}

/// What keeps an alert from opening a ticket.
fn held(case: &Case, policy: Option<&Policy>, around: &Around, now: Timestamp) -> Option<Hold> {
    let firing = around.firing(now);
    let firing: Vec<&Labels> = firing.iter().chain([&case.alert.labels]).collect();
    let around = Surroundings {
        namespace: &case.alert.namespace,
        operator_namespace: "",
        policy,
        route: case.route.as_ref().and_then(RouteDecision::owner),
        silences: &around.silences,
        firing: &firing,
        monitors: &around.standings(now),
    };
    suppression::judge([(&case.alert.labels, now)], &around, now).hold
}

/// `page to ada through mail: step 1 of escalation page, cycle 1`.
fn told(sent: &Sent) -> String {
    let to = match &sent.person {
        Some(person) => format!("to {person} through {}", sent.channel),
        None => format!("into {}", sent.channel),
    };
    format!("{} {to}: {}", MessageKind::from(sent.kind).as_str(), sent.why)
}

/// Runs a case of a fixture.
pub(super) fn compare(
    setting: Setting<'_>,
    form: &CaseForm,
    written: &AlertForm,
    expect: &AlertExpect,
) -> Result<Compared, Problem> {
    let namespace = setting.namespace(form.namespace.as_deref())?;
    let at = whole_seconds(written.at);
    let alert = Alert {
        namespace: namespace.clone(),
        labels: written.labels.clone(),
        annotations: written.annotations.clone(),
        state: AlertState::Firing,
        starts_at: at,
        at,
    };
    let policy = routing::choose_policy(setting.policies, &namespace, &alert.labels);
    let span = expect.until.as_deref().and_then(|text| parse_duration(text).ok()).unwrap_or(UNTIL);
    let circumstances = Circumstances {
        around: Around {
            silences: silences(&form.silences, &namespace)?,
            overrides: overrides(form, policy.as_ref().map(|choice| &**choice.policy))?,
            firing: form.firing.iter().map(FiringForm::read).collect(),
            monitors: setting.standings(&namespace),
            down: down(setting, &form.down, &namespace)?,
        },
        events: events(form, policy.as_ref().map(|choice| &**choice.policy))?,
        ends: written.ends.map(whole_seconds),
        // What nobody asks about is not lived through: policy and route are chosen at once.
        until: if expect.asks_of_the_course() || !form.events.is_empty() { after(at, span) } else { at },
    };
    let incident = live(setting, alert, circumstances);
    let mut found = differences(&incident, expect);
    incident.compare_promises(after(at, span), expect, &mut found)?;
    if let Some(ticket) = &incident.ticket {
        compare_refusals(ticket, &form.events, &mut found);
    }
    let explanation = if found.0.is_empty() { Vec::new() } else { incident.explain() };
    Ok((found.0, explanation))
}

/// Whoever takes over belongs to the policy that takes the alert.
pub(super) fn overrides(form: &CaseForm, policy: Option<&Policy>) -> Result<Vec<Override>, Problem> {
    match policy {
        _ if form.overrides.is_empty() => Ok(Vec::new()),
        Some(policy) => duty::overrides(&form.overrides, policy),
        None => Err(Problem::error("overrides", "no policy serves it, so that there is no schedule to take over")),
    }
}

fn events(form: &CaseForm, policy: Option<&Policy>) -> Result<Vec<(Timestamp, TicketEvent)>, Problem> {
    let mut events = request::events(&form.events, policy)?;
    if let Some(AcknowledgeForm::By(Acknowledgement { at, by })) = &form.acknowledge {
        let author = user_of(policy, by).map_err(|problem| problem.under("acknowledge.by"))?;
        events.push((*at, request::acknowledgement(*at, &author)?));
    }
    Ok(events)
}

/// Monitors that are down. Paths of problems begin with `down[…]`.
pub(crate) fn down(
    setting: Setting<'_>,
    written: &[DownForm],
    namespace: &str,
) -> Result<Vec<(String, Span)>, Problem> {
    let one = |(index, form): (usize, &DownForm)| {
        let (monitor, span) = form.read();
        let known = || setting.monitors.iter().filter(|known| known.namespace == namespace);
        if known().any(|known| known.name == monitor) {
            return Ok((monitor, span));
        }
        let message = format!("no ServiceMonitor of namespace {namespace} is called `{monitor}` in these files");
        let problem = Problem::error(format!("down[{index}]"), message);
        Err(problem.suggest_from(&monitor, known().map(|known| known.name.as_str())))
    };
    written.iter().enumerate().map(one).collect()
}

fn silences(written: &[SilenceForm], namespace: &str) -> Result<Vec<Silence>, Problem> {
    let one = |(index, form): (usize, &SilenceForm)| {
        times::silence(form, namespace).map_err(|problems| {
            let first = problems.into_iter().next();
            let first = first.unwrap_or_else(|| Problem::error("", "the silence cannot be read"));
            first.under(&format!("silences[{index}]"))
        })
    };
    written.iter().enumerate().map(one).collect()
}

fn differences(incident: &Incident, expect: &AlertExpect) -> Differences {
    let mut found = Differences::default();
    let route = incident.case.as_ref().and_then(|case| case.route.as_ref());
    let status = incident.ticket.as_ref().map(Rehearsal::status);
    if let Some(policy) = &expect.policy {
        found.compare_some("policy", policy.as_deref(), incident.policy.as_ref().map(|policy| policy.name.as_str()));
    }
    if let Some(name) = &expect.route {
        found.compare_some("route", name.as_deref(), route.map(|route| route.name.as_str()));
    }
    if let Some(escalation) = &expect.escalation {
        let got = route.and_then(|route| route.escalation.as_deref());
        found.compare_some("escalation", escalation.as_deref(), got);
    }
    if let Some(severity) = &expect.severity {
        let got = incident.case.as_ref().map(|case| case.severity.as_str());
        found.compare("severity", severity, got.unwrap_or("info"));
    }
    if let Some(priority) = &expect.priority {
        let got = status.and_then(|status| status.priority.as_deref());
        found.compare_some("priority", priority.as_deref(), got);
    }
    if let Some(ticket) = expect.ticket {
        found.compare("ticket", ticket, incident.ticket.is_some());
    }
    if let Some(by) = &expect.suppressed_by {
        suppression(incident, by.as_deref(), &mut found);
    }
    if let Some(pages) = &expect.pages {
        compare_pages(incident, pages, &mut found);
    }
    found
}

/// The reason is compared by a part of it: it holds names, times and authors.
fn suppression(incident: &Incident, expected: Option<&str>, found: &mut Differences) {
    let held = incident.ticket.iter().flat_map(Rehearsal::timeline);
    let held = held.filter(|line| line.what == "Held").map(|line| line.detail.as_str());
    let reasons: Vec<&str> = incident.suppressed.iter().map(|(_, by)| by.as_str()).chain(held).collect();
    let matches = match expected {
        Some(part) => reasons.iter().any(|reason| reason.contains(part)),
        None => reasons.is_empty(),
    };
    if !matches {
        let got = if reasons.is_empty() { "none".to_owned() } else { reasons.join("; ") };
        found.compare("suppressedBy", or_none(expected), got);
    }
}

/// The order of what goes out at one instant means nothing: people before channels, then by name.
fn compare_pages(incident: &Incident, expected: &[PageExpect], found: &mut Differences) {
    let mut got: Vec<_> = incident
        .pages()
        .map(|sent| (between(incident.at, sent.at), sent.person.is_none(), sent.person.as_deref(), &*sent.channel))
        .collect();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|page| {
            (parse_duration(&page.after).unwrap_or_default(), page.to.is_none(), page.to.as_deref(), &*page.channel)
        })
        .collect();
    got.sort_unstable();
    expected.sort_unstable();
    let text = |(after, _, to, channel): &(Duration, bool, Option<&str>, &str)| line(*after, *to, channel);
    for place in 0..expected.len().max(got.len()) {
        found.compare_some(format!("pages[{place}]"), expected.get(place).map(text), got.get(place).map(text));
    }
}

fn line(after: Duration, to: Option<&str>, channel: &str) -> String {
    let after = format_duration(after);
    match to {
        Some(person) => format!("after {after} to {person} through {channel}"),
        None => format!("after {after} into {channel}"),
    }
}
