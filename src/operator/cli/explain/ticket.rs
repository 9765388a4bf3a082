//! Why a ticket stands where it does: what happened to it, and the ledger of each of its clocks. The ticket and its events
//! come from a file, with the policy of other files, or from the cluster, with the revision that the ticket lives by.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use api::{
    Ticket, TicketEvent,
    ticket::{Notification, NotificationState, TicketStatus},
};
use domain::{
    message::MessageKind,
    policy::Policy,
    problem::Problem,
    sla::{Clocks, Mark, Reached},
    ticket::timeline::What,
    time::whole_seconds,
};
use gitops::yaml::{self, Document, Limits};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::Value;

use super::{
    super::{
        age::Times,
        cluster::Session,
        exit::Failure,
        lookup::{LookupError, TicketRef},
        output::plain,
        show::{self, Seen, story::story},
    },
    ExplainError,
};
use crate::{
    controllers::ticket::rehearse::{self, Rehearsal},
    kube::meta,
    rehearse::{
        Setting, ledger,
        story::{self, Entry},
        typed,
    },
};

/// A ticket, and what its clocks are reckoned with.
pub(super) struct Record {
    seen: Seen,
    policy: Option<Arc<Policy>>,
    /// Versions of the policy whose promises it moved to, by revision.
    revisions: BTreeMap<String, Arc<Policy>>,
    /// Which policy that is, or why there is none.
    words: String,
    /// Why its clocks are not explained by what is in force; empty: they are.
    pub(super) lacking: Vec<String>,
}

impl Record {
    /// Whether nothing can be said of its clocks, though something was promised.
    pub(super) fn is_without_clocks(&self) -> bool {
        self.policy.is_none() && !self.lacking.is_empty()
    }
}

/// Tickets of a file as `kubectl get tickets,ticketevents -o yaml` prints it, or the one that is meant; and what stands
/// there that belongs to none of them. `policy` chooses from these files.
pub(super) fn from_file(
    setting: Setting<'_>,
    file: &Path,
    wanted: Option<&TicketRef>,
    namespace: Option<&str>,
) -> Result<(Vec<Record>, Vec<String>), ExplainError> {
    let name = file.display().to_string();
    let unreadable = |source| ExplainError::Unreadable { file: name.clone(), source };
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let (documents, mut wrong) = yaml::read(&name, &bytes, Limits::default());
    let (mut tickets, mut events): (Vec<Ticket>, Vec<TicketEvent>) = (Vec::new(), Vec::new());
    for document in &documents {
        let read = match document.value.get("kind").and_then(Value::as_str) {
            Some("Ticket") => ticket(document).map(|ticket| tickets.push(ticket)),
            Some("TicketEvent") => event(document).map(|event| events.push(event)),
            other => {
                let found = other.unwrap_or("no kind");
                Err(Problem::error("kind", format!("expected Ticket or TicketEvent, found {found}")))
            }
        };
        wrong.extend(read.err().map(|problem| document.error(None, problem)));
    }
    if !wrong.is_empty() {
        return Err(ExplainError::Wrong(wrong));
    }
    if tickets.is_empty() {
        let problem = Problem::error("", format!("{name}: expected a Ticket and its TicketEvents, found no Ticket"));
        return Err(ExplainError::Question(
            problem.suggest("write them there with `kubectl get tickets,ticketevents -o yaml`"),
        ));
    }
    let all: Vec<String> = tickets.iter().map(ResourceExt::name_any).collect();
    let stray = events.iter().filter(|event| !all.contains(&event.spec.ticket));
    let stray = stray.map(|event| {
        format!(
            "left out: TicketEvent {} is about {}, which is not in {name}",
            event.name_any(),
            plain(&event.spec.ticket)
        )
    });
    let stray = stray.collect();
    let tickets = match wanted {
        Some(wanted) => vec![wanted.choose(tickets, &name).map_err(|error| of_this_file(error, &name, &all))?],
        None => tickets,
    };
    let record = |ticket| of_files(setting, ticket, &events, namespace);
    Ok((tickets.into_iter().map(record).collect::<Result<_, _>>()?, stray))
}

fn of_this_file(error: LookupError, file: &str, all: &[String]) -> ExplainError {
    match error {
        LookupError::None { what, .. } => ExplainError::Question(Problem::error(
            "",
            format!("no ticket of {file} {what}; it holds {}", all.join(", ")),
        )),
        several => ExplainError::Question(Problem::error("", several.to_string())),
    }
}

/// Clocks begin when a ticket is made: one without that time would be as old as 1970.
fn ticket(document: &Document) -> Result<Ticket, Problem> {
    let mut ticket: Ticket = typed(&document.value)?;
    if ticket.metadata.creation_timestamp.is_none() {
        let origin = ticket.spec.origin.as_ref().ok_or_else(|| no_time("the ticket was made"))?;
        ticket.metadata.creation_timestamp = Some(Time(origin.first_start));
    }
    Ok(ticket)
}

fn event(document: &Document) -> Result<TicketEvent, Problem> {
    let mut event: TicketEvent = typed(&document.value)?;
    if event.metadata.creation_timestamp.is_none() {
        let at = event.spec.occurred_at.ok_or_else(|| no_time("it happened"))?;
        event.metadata.creation_timestamp = Some(Time(at));
    }
    Ok(event)
}

fn no_time(what: &str) -> Problem {
    Problem::error("metadata", format!("expected creationTimestamp, when {what}, found none"))
        .suggest("add it, such as creationTimestamp: \"2026-11-23T03:00:00Z\"; `kubectl get -o yaml` prints it")
}

fn of_files(
    setting: Setting<'_>,
    mut ticket: Ticket,
    events: &[TicketEvent],
    namespace: Option<&str>,
) -> Result<Record, ExplainError> {
    let home = match ticket.namespace() {
        Some(home) => home,
        None => setting.namespace(namespace).map_err(ExplainError::of_flag)?,
    };
    ticket.metadata.namespace = Some(home.clone());
    let in_force = in_force(&ticket);
    let policy = match &in_force {
        Some((namespace, name)) => setting.policies.iter().find(|p| p.namespace == *namespace && p.name == *name),
        None => rehearse::policy_of(setting.policies, &home, &ticket),
    };
    let mut lacking = Vec::new();
    let words = match (policy, in_force) {
        (Some(policy), _) => format!("policy {}/{}, as these files have it", policy.namespace, policy.name),
        (None, Some((namespace, name))) => {
            lacking.push(format!("policy {namespace}/{name} is not among these files"));
            format!("policy {namespace}/{name} is not among these files: nothing can be said of clocks")
        }
        (None, None) => match &ticket.spec.policy {
            Some(name) => {
                let serving = setting.policies.iter().filter(|policy| policy.serves(&home));
                let message = format!("no policy of these files that serves {home} is called `{name}`");
                let problem = Problem::error("spec.policy", message);
                lacking.push(problem.suggest_from(name, serving.map(|policy| policy.name.as_str())).to_string());
                format!("policy {name} is not among these files: nothing can be said of clocks")
            }
            None => "no policy of these files serves it: nothing is promised".to_owned(),
        },
    };
    // Files hold one version of the policy: it stands for all.
    let moved = moved_to(&ticket);
    let revisions = policy.map(|policy| moved.map(|name| (name, Arc::clone(policy))).collect()).unwrap_or_default();
    let name = ticket.name_any();
    let events = events.iter().filter(|event| event.spec.ticket == name).cloned().collect();
    let live = policy.map(|policy| policy.as_ref().clone());
    let seen = Seen { ticket, events, frozen: None, live, overrides: Vec::new() };
    Ok(Record { seen, policy: policy.cloned(), revisions, words, lacking })
}

/// Namespace and name of the policy that it lives by, where that is on record.
fn in_force(ticket: &Ticket) -> Option<(String, String)> {
    let of_status = ticket.status.as_ref().and_then(|status| status.policy.as_ref());
    let of_status = of_status.map(|policy| (policy.namespace.clone(), policy.name.clone()));
    let of_origin = || ticket.spec.origin.as_ref().map(|it| (it.policy_namespace.clone(), it.policy.clone()));
    of_status.or_else(of_origin).filter(|(_, name)| !name.is_empty())
}

/// Revisions whose promises count from some time on.
fn moved_to(ticket: &Ticket) -> impl Iterator<Item = String> {
    let lines = ticket.status.as_ref().map(|status| status.timeline.as_slice()).unwrap_or_default();
    let moved = lines.iter().filter(|line| line.what == What::PromisesChanged.as_str());
    moved.filter_map(|line| line.detail.split(' ').next()).map(str::to_owned)
}

/// A ticket of the cluster, with the revisions of its policy.
pub(super) async fn from_cluster(session: &Session, wanted: &TicketRef) -> Result<Record, Failure> {
    let seen = show::gather(session, wanted).await?;
    let namespace = seen.ticket.namespace().unwrap_or_default();
    let mut lacking = Vec::new();
    let in_force = seen.ticket.status.as_ref().and_then(|status| status.policy.clone());
    let Some(in_force) = in_force else {
        let words = "it has no policy: nothing is promised".to_owned();
        return Ok(Record { seen, policy: None, revisions: BTreeMap::new(), words, lacking });
    };
    let mut policies = BTreeMap::new();
    for name in std::iter::once(in_force.revision.clone()).chain(moved_to(&seen.ticket)) {
        match show::revision(session, &namespace, &name).await {
            Ok(Some(policy)) => drop(policies.insert(name, Arc::new(policy))),
            Ok(None) => lacking.push(format!("revision {name} of its policy cannot be read by this version")),
            Err(trouble) => lacking.push(format!("revision {name} of its policy: {trouble}")),
        }
    }
    let name = format!("policy {}/{}", in_force.namespace, in_force.name);
    let now = || seen.live.clone().map(Arc::new);
    let (policy, words) = match policies.get(&in_force.revision).cloned() {
        Some(frozen) => (Some(frozen), format!("{name}, revision {}", in_force.revision)),
        // What it promised then is not known; in most cases it is what it promises now.
        None => match now() {
            Some(live) => {
                (Some(live), format!("{name} as it is now, since revision {} cannot be read", in_force.revision))
            }
            None => (None, format!("{name} cannot be read: nothing can be said of clocks")),
        },
    };
    Ok(Record { seen, policy, revisions: policies, words, lacking })
}

impl Record {
    /// As it was at a time, a sentence each; what is indented belongs to the line above.
    ///
    /// # Errors
    /// When there was no such ticket yet.
    pub(super) fn explain(mut self, at: Timestamp) -> Result<Vec<String>, ExplainError> {
        let times = Times { zone: self.seen.zone(), now: at };
        let zone = &times.zone;
        let opened = whole_seconds(meta::opened(&self.seen.ticket));
        if at < opened {
            let message = format!("expected a time from the ticket's beginning, {}, on", times.clock(opened));
            return Err(ExplainError::Question(Problem::error("--at", message)));
        }
        self.forget_after(at);
        let Self { seen, policy, revisions, words, .. } = self;
        let mut lines = vec![head(&seen.ticket), words, "what happened".to_owned()];
        let rehearsal = Rehearsal::of_record(seen.ticket.clone(), seen.events.clone(), policy.clone(), revisions);
        let clocks = rehearsal.clocks(at);
        let told = story::lines(happened(&seen, &clocks, &times), |at| times.clock(at));
        lines.extend(told.into_iter().map(|line| format!("  {}", plain(&line))));
        if policy.is_none() {
            return Ok(lines);
        }
        lines.push(format!("clocks as of {}", times.clock(at)));
        let ledger = ledger::lines(&clocks, zone);
        if ledger.is_empty() {
            lines.push("  nothing is promised for its priority".to_owned());
        }
        lines.extend(ledger.into_iter().map(|line| format!("  {line}")));
        Ok(lines)
    }

    fn forget_after(&mut self, at: Timestamp) {
        let known = |event: &TicketEvent| event.spec.occurred_at.unwrap_or_else(|| meta::created(event)) <= at;
        self.seen.events.retain(known);
        if let Some(status) = &mut self.seen.ticket.status {
            status.timeline.retain(|line| line.at <= at);
            status.notifications.retain(|told| told.planned_at <= at);
        }
    }
}

fn head(ticket: &Ticket) -> String {
    let number = ticket.status.as_ref().and_then(|status| status.number);
    let number = number.map(|number| format!(", #{number}")).unwrap_or_default();
    let (namespace, name) = (ticket.namespace().unwrap_or_default(), ticket.name_any());
    format!("ticket {namespace}/{name}{number}: {}", plain(&ticket.spec.title))
}

/// What came of a message, and beside it what the channel answered: of one that was taken at once nothing.
fn answered(told: &Notification, times: &Times) -> (NotificationState, String) {
    let Some(last) = told.at.filter(|_| told.attempts > 0) else { return (told.state, String::new()) };
    if last > times.now {
        return (NotificationState::Planned, format!("; what came of it was known at {}", times.clock(last)));
    }
    let error = told.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    if told.attempts == 1 && error.is_empty() {
        return (told.state, String::new());
    }
    let tried = if told.attempts == 1 { "once".to_owned() } else { format!("{} times", told.attempts) };
    let waits = matches!(told.state, NotificationState::Planned | NotificationState::Uncertain);
    let retry = told.retry_at.filter(|retry| waits && *retry > times.now);
    let retry = retry.map(|retry| format!("; not tried again before {}, as the receiver asks", times.clock(retry)));
    (told.state, format!("; tried {tried}, last at {}{error}{}", times.clock(last), retry.unwrap_or_default()))
}

/// What the operator wrote down, what people did, whom it told why, and which promises were broken.
fn happened(seen: &Seen, clocks: &Clocks, times: &Times) -> Vec<Entry> {
    let lines = story(seen, times).into_iter().map(|line| {
        let detail = line.detail.join(" / ");
        let text = if detail.is_empty() { line.what } else { format!("{}: {detail}", line.what) };
        Entry { at: line.at, text }
    });
    let nothing = TicketStatus::default();
    let status = seen.ticket.status.as_ref().unwrap_or(&nothing);
    let told = status.notifications.iter().map(|told| {
        let to = told.person.as_ref().map_or_else(String::new, |person| format!(" to {person}"));
        let why = told.why.as_deref().unwrap_or("no reason on record");
        let kind = MessageKind::from(told.kind).as_str();
        let (state, answer) = answered(told, times);
        Entry { at: told.planned_at, text: format!("{kind}{to} through {}: {state:?}, {why}{answer}", told.channel) }
    });
    let on_record = |reached: Reached| {
        let breaches = status.timeline.iter().filter(|line| line.what == What::Breach.as_str());
        breaches.filter_map(|line| Reached::parse(&line.detail)).any(|known| known == reached)
    };
    let broken = clocks.breaches().filter_map(|breach| {
        let reached = Reached { clock: breach.clock, run: breach.run, mark: Mark::Due };
        let text = format!("{}: {}: the promise was not kept", What::Breach.as_str(), reached.words());
        (!on_record(reached)).then_some(Entry { at: breach.breached_at, text })
    });
    lines.chain(told).chain(broken).collect()
}
