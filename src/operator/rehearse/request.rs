//! What happens to a ticket that somebody made: its state and its clocks, after what people did.

use std::time::Duration;

use api::{Ticket, TicketEvent, ticket::TicketStatus};
use domain::{
    calendar::Calendar,
    policy::Policy,
    problem::Problem,
    sla::{Clock, Clocks},
    time::{format_duration, parse_duration, shown, whole_seconds},
};
use jiff::{Timestamp, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use super::{
    Compared, Setting,
    difference::{Differences, or_none},
    form::{CaseForm, EventForm, TicketExpect, TicketForm},
    incident, ledger, names,
    promises::{compare_breaches, compare_warnings},
    read::typed,
    user_of,
};
use crate::controllers::ticket::rehearse::{self, Around, Incoming, Rehearsal};

/// The name of the ticket that is thought of; no object has it.
const TICKET: &str = "rehearsed";

/// Words that are shorter than their acts, for what fixtures say most: the answer of somebody who works on the ticket,
/// one that a program sends, and mail from the requester.
const SHORT: [&str; 4] = ["agentReply", "autoReply", "requesterMessage", "autoMessage"];

/// What people do, as the operator will see it. Paths of problems begin with `events[…]`.
pub(super) fn events(written: &[EventForm], policy: Option<&Policy>) -> Result<Vec<(Timestamp, TicketEvent)>, Problem> {
    let one = |(index, form): (usize, &EventForm)| {
        event(index, form, policy).map_err(|problem| problem.under(&format!("events[{index}]")))
    };
    written.iter().enumerate().map(one).collect()
}

fn event(index: usize, form: &EventForm, policy: Option<&Policy>) -> Result<(Timestamp, TicketEvent), Problem> {
    let author = match &form.by {
        Some(by) => user_of(policy, by).map_err(|problem| problem.under("by"))?,
        None => somebody(policy),
    };
    let mut act = form.act.clone();
    for word in SHORT {
        let Some(value) = act.remove(word) else { continue };
        if value != Value::Bool(true) {
            return Err(Problem::error(word, format!("expected true, found {value}")));
        }
        let (member, content) = spelled_out(word);
        act.insert(member.to_owned(), content);
    }
    let at = whole_seconds(form.at);
    Ok((at, object(index, at, &author, act)?))
}

fn spelled_out(word: &str) -> (&'static str, Value) {
    match word {
        "agentReply" => ("reply", json!({"text": "(an answer)"})),
        "autoReply" => ("reply", json!({"text": "(an automatic answer)", "automatic": true})),
        "autoMessage" => ("message", json!({"from": "requester", "text": "(an automatic mail)", "automatic": true})),
        _ => ("message", json!({"from": "requester", "text": "(a message)"})),
    }
}

/// Somebody of the policy, where it does not matter who.
fn somebody(policy: Option<&Policy>) -> String {
    let person = policy.and_then(|policy| policy.people.iter().next());
    person.map_or_else(|| "somebody".to_owned(), |(name, person)| person.users.first().unwrap_or(name).clone())
}

/// The act of acknowledging.
pub(super) fn acknowledgement(at: Timestamp, author: &str) -> Result<TicketEvent, Problem> {
    object(usize::MAX, at, author, Map::from_iter([("acknowledge".to_owned(), Value::Bool(true))]))
}

/// A TicketEvent as the server would hold it; judged by the rules that it would be judged by there.
fn object(index: usize, at: Timestamp, author: &str, act: Map<String, Value>) -> Result<TicketEvent, Problem> {
    let mut spec = act;
    spec.insert("ticket".to_owned(), TICKET.into());
    spec.insert("author".to_owned(), author.into());
    let event = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "TicketEvent",
        "metadata": {"name": event_name(index), "namespace": "default"}, "spec": spec,
    });
    if let Some(problem) = api::check(&event).into_iter().find(Problem::is_error) {
        let path = problem.path.strip_prefix("spec.").unwrap_or_default().to_owned();
        return Err(Problem { path, ..problem });
    }
    let mut event: TicketEvent = typed(&event)?;
    event.metadata.creation_timestamp = Some(Time(at));
    // Of one second, in the order they are written.
    event.metadata.resource_version = Some((index.saturating_add(1)).to_string());
    Ok(event)
}

/// Runs a case of a fixture.
pub(super) fn compare(
    setting: Setting<'_>,
    form: &CaseForm,
    written: &TicketForm,
    expect: &TicketExpect,
) -> Result<Compared, Problem> {
    let namespace = setting.namespace(form.namespace.as_deref())?;
    let ticket = ticket(&form.name, written, &namespace)?;
    let policy = rehearse::policy_of(setting.policies, &namespace, &ticket).cloned();
    if let Some(name) = ticket.spec.policy.as_ref().filter(|_| policy.is_none()) {
        let known = setting.policies.iter().filter(|policy| policy.namespace == namespace);
        return Err(Problem::error("ticket.policy", format!("no policy of namespace {namespace} is called `{name}`"))
            .suggest_from(name, known.map(|policy| policy.name.as_str())));
    }
    let around = Around { overrides: incident::overrides(form, policy.as_deref())?, ..Around::default() };
    let mut rehearsal = Rehearsal::new(ticket, policy.clone(), around);
    let events = events(&form.events, policy.as_deref())?;
    let at = expect.at.or(events.iter().map(|(at, _)| *at).max()).unwrap_or(written.created);
    for (at, event) in events {
        rehearsal.expect(at, Incoming::Event(Box::new(event)));
    }
    rehearsal.run(whole_seconds(at));
    let clocks = rehearsal.clocks(whole_seconds(at));
    let zone = policy.as_deref().map_or(TimeZone::UTC, zone_of);
    let mut found = Differences::default();
    compare_status(rehearsal.status(), expect, &mut found);
    compare_clocks(&clocks, expect, &zone, &mut found)?;
    if let Some(warnings) = &expect.warnings {
        compare_warnings(Some(&rehearsal), warnings, &zone, &mut found);
    }
    compare_refusals(&rehearsal, &form.events, &mut found);
    if found.0.is_empty() {
        return Ok((found.0, Vec::new()));
    }
    let mut explanation = match &policy {
        Some(policy) => vec![format!("policy {}", policy.name)],
        None => vec!["no policy serves it: nothing is promised".to_owned()],
    };
    explanation.extend(ledger::lines(&clocks, &zone));
    Ok((found.0, explanation))
}

/// The ticket as the server would hold it. Title and requester are filled in; `requester: null` makes one without.
fn ticket(name: &str, written: &TicketForm, namespace: &str) -> Result<Ticket, Problem> {
    let mut spec = written.spec.clone();
    spec.entry("title").or_insert_with(|| name.chars().take(200).collect::<String>().into());
    spec.entry("requester").or_insert_with(|| json!({"name": "requester"}));
    spec.retain(|_, value| !value.is_null());
    let ticket = json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Ticket",
        "metadata": {"name": TICKET, "namespace": namespace, "labels": written.labels},
        "spec": spec,
    });
    if let Some(problem) = api::check(&ticket).into_iter().find(Problem::is_error) {
        let path = problem.path.trim_start_matches("metadata.").trim_start_matches("spec.");
        return Err(Problem { path: format!("ticket.{path}"), ..problem });
    }
    let mut ticket: Ticket = typed(&ticket).map_err(|problem| problem.under("ticket"))?;
    ticket.metadata.creation_timestamp = Some(Time(whole_seconds(written.created)));
    ticket.metadata.uid = Some(TICKET.to_owned());
    ticket.metadata.generation = Some(1);
    Ok(ticket)
}

/// The zone in which times are shown: that of the policy's first calendar, else of its first schedule.
pub(crate) fn zone_of(policy: &Policy) -> TimeZone {
    let calendars = policy.calendars.values().filter_map(Calendar::zone);
    let schedules = policy.schedules.values().map(|schedule| &schedule.zone);
    calendars.chain(schedules).next().cloned().unwrap_or(TimeZone::UTC)
}

fn compare_status(status: &TicketStatus, expect: &TicketExpect, found: &mut Differences) {
    if let Some(policy) = &expect.policy {
        let got = status.policy.as_ref().map(|policy| policy.name.as_str());
        found.compare_some("policy", policy.as_deref(), got);
    }
    if let Some(state) = &expect.state {
        found.compare("state", state, or_none(status.state.map(|state| format!("{state:?}"))));
    }
    if let Some(reason) = &expect.reason {
        found.compare_some("reason", reason.clone(), status.reason.clone());
    }
    if let Some(priority) = &expect.priority {
        found.compare_some("priority", priority.as_deref(), status.priority.as_deref());
    }
    if let Some(assignee) = &expect.assignee {
        found.compare_some("assignee", assignee.as_deref(), status.assignee.as_deref());
    }
}

fn compare_clocks(
    clocks: &Clocks,
    expect: &TicketExpect,
    zone: &TimeZone,
    found: &mut Differences,
) -> Result<(), Problem> {
    let local = |at: Timestamp| shown(at, zone);
    for (word, due) in &expect.due {
        let clock = clocks.of(names::clock("due", word)?);
        found.compare_some(
            format!("due.{word}"),
            due.map(|due| local(whole_seconds(due))),
            clock.and_then(|clock| clock.due).map(local),
        );
    }
    for (word, remaining) in &expect.remaining {
        let clock = clocks.of(names::clock("remaining", word)?);
        let expected = remaining.as_deref().map(|text| format_duration(parse_duration(text).unwrap_or_default()));
        found.compare_some(format!("remaining.{word}"), expected, clock.and_then(left).map(format_duration));
    }
    for (word, result) in &expect.results {
        let clock = clocks.of(names::clock("results", word)?);
        found.compare(format!("results.{word}"), result, or_none(clock.map(|clock| clock.standing.as_str())));
    }
    match &expect.breached_at {
        Some(breached) => compare_breaches(clocks, breached, zone, found),
        None => Ok(()),
    }
}

/// What is left of a clock's target: while it is paused as well as while it runs.
fn left(clock: &Clock) -> Option<Duration> {
    let counted = clock.elapsed + clock.present.as_ref().map_or(Duration::ZERO, |line| line.counted);
    let open = clock.standing.is_open().then_some(clock.target?)?;
    clock.remaining.or_else(|| Some(open.saturating_sub(counted)))
}

/// An event that the rules refuse fails the case, unless that is what is expected.
pub(super) fn compare_refusals(rehearsal: &Rehearsal, written: &[EventForm], found: &mut Differences) {
    for (index, form) in written.iter().enumerate() {
        let name = event_name(index);
        let got = rehearsal.refusals().find(|(event, _)| *event == name).map(|(_, reason)| reason);
        let as_expected = match (&form.refused, got) {
            (None, None) => true,
            (Some(part), Some(reason)) => reason.contains(part.as_str()),
            _ => false,
        };
        if !as_expected {
            found.compare(
                format!("events[{index}]"),
                form.refused.as_ref().map_or_else(|| "accepted".to_owned(), |part| format!("refused: {part}")),
                got.map_or_else(|| "accepted".to_owned(), |reason| format!("refused: {reason}")),
            );
        }
    }
}

fn event_name(index: usize) -> String {
    format!("event-{index}")
}
