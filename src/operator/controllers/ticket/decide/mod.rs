//! The decision about one ticket: pure, from what was read and `now` to everything that is to be done.
//!
//! The order matters and is the order below: what came back from receivers, what alerts did, what people
//! did, what time did. The result is one status, written once; what it plans is sent only after that write.

mod alerts;
mod beyond;
mod cause;
mod chain;
mod clocks;
mod conditions;
mod deliveries;
mod events;
mod last_resort;
mod mended;
mod notices;
mod outcome;
mod people;
mod promises;
mod suppression;
mod test_page;
#[cfg(test)]
mod tests;
mod the_end;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use api::{
    Ticket, TicketEvent,
    ticket::{EscalationStatus, PolicyInForce, TicketStatus},
    ticket_event::TicketEventStatus,
};
use domain::{
    alert::Alert,
    escalation::Chain,
    message::NotificationId,
    oncall::Override,
    policy::Policy,
    routing::{self, RouteDecision},
    sla::{ClockName, Clocks},
    suppression::{HoldKind, Silence, dependency::Standings},
    ticket::{
        fold::Folded,
        timeline::{self, Line, What},
    },
};
use jiff::{SignedDuration, Timestamp};

pub(super) use beyond::Creation;
pub(super) use conditions::NOBODY_FOUND;
pub(super) use last_resort::OwnLastResort;

use crate::{
    engine::outbox::Report,
    kube::{events::Note, meta},
};

/// A ticket that alerts opened and whose object was created so long after that is a restored backup: nobody is paged. How
/// long nobody has looked after it says nothing: the operator, or the API, may have been away.
const BACKUP_AGE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Everything that was read.
pub(super) struct Seen {
    /// The ticket in its newest version.
    pub ticket: Arc<Ticket>,
    /// Its events, in any order.
    pub events: Vec<Arc<TicketEvent>>,
    /// The other tickets that its events name, by name.
    pub others: HashMap<String, Arc<Ticket>>,
    /// The policy that a ticket which no alert opened gets now; `None`: it has one, or none serves it.
    pub chosen: Option<PolicyInForce>,
    /// The policy as it stood when the ticket began. `None`: the ticket has no policy.
    pub frozen: Option<Arc<Policy>>,
    /// The policy as it is now. `None`: it was deleted, or no valid version of it is known.
    pub live: Option<Arc<Policy>>,
    /// The operator's own last resort.
    pub last_resort: OwnLastResort,
    /// Since when the channels are as they are, by their names on tickets; only of those that could send.
    pub mended: BTreeMap<String, Timestamp>,
    /// What stands for the policy of a ticket that alerts opened and that has none, neither frozen nor live: everything goes
    /// to the operator's last resort.
    pub substitute: Option<Arc<Policy>>,
    /// Whether the policy's object is there, valid or not.
    pub policy_exists: bool,
    /// The tickets that this one is linked to as its causes.
    pub causes: Vec<Arc<Ticket>>,
    /// The versions of the policy that the timeline names, and the one it moves to, by revision.
    pub revisions: BTreeMap<String, Arc<Policy>>,
    /// The version of the policy whose promises count from now on: it says so of running tickets.
    pub moves_to: Option<String>,
    /// Another policy that the labels of the ticket's alert match at the same order, so that only the name has decided.
    pub ambiguous: Option<String>,
    /// Silences that could matter, active or not.
    pub silences: Vec<Silence>,
    /// Who takes over which shift of the live policy's schedules, whenever.
    pub overrides: Vec<Override>,
    /// Where alerts that end on this ticket go on, by fingerprint: a policy serves them now.
    pub goes_on: BTreeMap<String, String>,
    /// The labels of alerts that fire on other tickets of this namespace by this policy and that inhibit some alert.
    pub firing: Vec<domain::labels::Labels>,
    /// The monitors whose alerts fire on this ticket and those that they depend on.
    pub monitors: Standings,
    /// The operator's namespace, whose silences act everywhere.
    pub operator_namespace: String,
    /// Which leader in the row we are.
    pub epoch: i64,
    /// How far our clock is ahead of the API server's, by which events are dated.
    pub ahead_of_server: SignedDuration,
    /// A number drawn for a ticket that has none.
    pub number: Option<u64>,
    /// What alerts did since the last decision, in order.
    pub alerts: Vec<Alert>,
    /// What receivers said since the last decision.
    pub reports: Vec<Report>,
    /// What it says may be over, and its monitors have not told yet: nothing that is overdue happens until they have.
    pub awaits_monitors: bool,
}

/// Everything that is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// The whole new status.
    pub status: TicketStatus,
    /// Whether it differs from the one that was read.
    pub changed: bool,
    /// Tickets and events that events of this one ask for; created before the verdicts of those are written.
    pub creations: Vec<Creation>,
    /// Statuses of events that are judged now; written before the ticket's own.
    pub events: Vec<(String, TicketEventStatus)>,
    /// Messages that must not be sent any more.
    pub cancel: Vec<NotificationId>,
    /// Messages that had failed and are sent after all.
    pub anew: Vec<NotificationId>,
    /// For `kubectl describe`.
    pub notes: Vec<Note>,
    /// Silences that held something, and what: for their status.
    pub held_by: Vec<(String, String)>,
    /// When to look again.
    pub next: Option<Timestamp>,
    /// How often a step reached nobody, the escalation ran out, or something was held back: for the metrics.
    pub counts: Counts,
    /// Warnings and breaches of clocks that were found now: for the metrics.
    pub said: Vec<Said>,
}

/// A warning or a breach of a clock that was found now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// Of which clock.
    pub clock: ClockName,
    /// Whether it is a breach.
    pub breach: bool,
    /// How long after it was reached.
    pub late: std::time::Duration,
}

/// For the metrics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// Escalations that found nobody at all.
    pub nobody_found: u64,
    /// Escalations that ran out of cycles.
    pub exhausted: u64,
    /// What was held back when it was due, by what.
    pub suppressed: BTreeMap<HoldKind, u64>,
}

/// Decides.
pub(super) fn decide(seen: &Seen, now: Timestamp) -> Plan {
    let mut draft = Draft::open(seen, now);
    draft.take_reports();
    draft.doubt_what_the_last_leader_planned();
    draft.be_born();
    draft.take_up_what_nobody_was_told_of();
    draft.take_alerts();
    draft.take_causes();
    draft.take_people();
    draft.send_test_page();
    draft.resolve_when_quiet();
    draft.follow_cause();
    if !seen.awaits_monitors {
        draft.run_chain();
        draft.run_notices();
        draft.try_again_what_was_mended();
    }
    draft.tell_who_missed_the_end();
    draft.tell_of_clocks();
    draft.close(seen)
}

/// Where the clocks of a ticket stand at `now`, with the ledgers that its status has no room for.
pub(super) fn clocks(seen: &Seen, now: Timestamp) -> Clocks {
    let draft = Draft::open(seen, now);
    draft.fold(&draft.events_in_order()).clocks(draft.now)
}

/// A decision in the making.
struct Draft<'a> {
    seen: &'a Seen,
    now: Timestamp,
    status: TicketStatus,
    chain: Option<Chain>,
    timeline: Vec<Line>,
    events: Vec<(String, TicketEventStatus)>,
    creations: Vec<Creation>,
    folded: Option<Folded>,
    clocks: Clocks,
    cancel: Vec<NotificationId>,
    anew: Vec<NotificationId>,
    notes: Vec<Note>,
    held_by: Vec<(String, String)>,
    counts: Counts,
    said: Vec<Said>,
    route: Option<RouteDecision>,
    nobody_found: bool,
    not_paged: bool,
}

impl<'a> Draft<'a> {
    fn open(seen: &'a Seen, now: Timestamp) -> Self {
        let mut status = seen.ticket.status.clone().unwrap_or_default();
        let chain = status.escalation.as_ref().map(EscalationStatus::chain);
        let timeline = std::mem::take(&mut status.timeline).into_iter().filter_map(read_line).collect();
        let nobody_found = api::conditions::is_true(&status.conditions, conditions::NOBODY_FOUND);
        let not_paged = api::conditions::is_true(&status.conditions, crate::index::NOT_PAGED);
        let mut draft = Self {
            seen,
            now: domain::time::whole_seconds(now),
            status,
            chain,
            timeline,
            events: Vec::new(),
            creations: Vec::new(),
            folded: None,
            clocks: Clocks::default(),
            cancel: Vec::new(),
            anew: Vec::new(),
            notes: Vec::new(),
            held_by: Vec::new(),
            counts: Counts::default(),
            said: Vec::new(),
            route: None,
            nobody_found,
            not_paged,
        };
        draft.route = draft.find_route();
        draft
    }

    /// The frozen policy, else the live one.
    fn policy(&self) -> Option<&'a Policy> {
        let Seen { frozen, live, substitute, .. } = self.seen;
        frozen.as_deref().or(live.as_deref()).or(substitute.as_deref())
    }

    /// The version of the policy whose promises count.
    fn promises(&self) -> Option<&'a Policy> {
        let moved = self.timeline.iter().rev().filter(|line| line.what == What::PromisesChanged);
        let revision = |line: &Line| self.seen.revisions.get(line.detail.split(' ').next()?);
        moved.filter_map(revision).next().map(Arc::as_ref).or_else(|| self.policy())
    }

    /// People, channels, schedules and the last resort as they are now; as they were when the policy is gone.
    fn live(&self) -> Option<&'a Policy> {
        let Seen { frozen, live, substitute, .. } = self.seen;
        live.as_deref().or(frozen.as_deref()).or(substitute.as_deref())
    }

    fn find_route(&self) -> Option<RouteDecision> {
        let origin = self.seen.ticket.spec.origin.as_ref()?;
        let severity = self.status.severity.unwrap_or(origin.severity).into();
        let policy = self.policy()?;
        let (mut labels, _) = routing::normalise(policy, &origin.alerts.first()?.labels);
        // The most severe alert of the ticket decides, whichever came first.
        labels.insert("severity".to_owned(), domain::alert::Severity::to_string(&severity));
        Some(routing::route(policy, &labels, severity))
    }

    /// The first look at a ticket: its number, its policy, its alerts, the start of its escalation.
    fn be_born(&mut self) {
        if self.status.number.is_none() {
            self.status.number = self.seen.number.and_then(|number| i64::try_from(number).ok());
        }
        if self.status.policy.is_none() {
            self.status.policy.clone_from(&self.seen.chosen);
        }
        if self.status.epoch.is_some() {
            return;
        }
        let ticket = &self.seen.ticket;
        let Some(origin) = &ticket.spec.origin else { return };
        self.status.severity = Some(origin.severity);
        if !origin.policy.is_empty() {
            self.status.policy = Some(PolicyInForce {
                namespace: origin.policy_namespace.clone(),
                name: origin.policy.clone(),
                revision: origin.policy_revision.clone(),
            });
        }
        for alert in &origin.alerts {
            self.add_alert_line(&alert.fingerprint, &alert.labels, &alert.annotations, alert.starts_at);
        }
        let first = origin.alerts.first().map(|alert| alert.labels.get("alertname").cloned().unwrap_or_default());
        self.line(What::Fired, origin.first_start, first.unwrap_or_default());
        // Whoever opened it may have gone by another clock than ours: what both know is the server's.
        let created = meta::created(ticket.as_ref());
        let opened = origin.opened_at_server.or(origin.opened_at).unwrap_or(created);
        if domain::time::between(opened, created) > BACKUP_AGE {
            self.not_paged = true;
            let why = format!(
                "opened at {opened}, created at {created}: a restored backup pages nobody until it is seen to fire"
            );
            return self.line(What::NotPaged, self.now, why);
        }
        self.start_chain(opened.checked_add(self.seen.ahead_of_server).unwrap_or(opened));
    }

    fn line(&mut self, what: What, at: Timestamp, detail: impl Into<String>) {
        let detail = cut(detail.into(), 1_024);
        self.timeline.push(Line { at: domain::time::whole_seconds(at), what, detail });
    }

    fn note(&mut self, warning: bool, reason: &'static str, action: &'static str, text: impl Into<String>) {
        self.notes.push(Note { warning, reason, action, text: text.into() });
    }

    /// Puts everything into the status and says when to look again.
    fn close(mut self, seen: &Seen) -> Plan {
        timeline::evict(&mut self.timeline);
        self.evict_notifications();
        let next = self.next_look();
        if let Some(chain) = &self.chain {
            let name = self.status.escalation.as_ref().map(|e| e.chain.clone()).unwrap_or_default();
            self.status.escalation = Some(EscalationStatus::new(&name, chain, self.chain_deadline()));
        }
        self.status.timeline = std::mem::take(&mut self.timeline).into_iter().map(write_line).collect();
        self.status.observed_generation = seen.ticket.metadata.generation.unwrap_or(0);
        self.status.conditions = self.conditions();
        let mut changed = match &seen.ticket.status {
            Some(before) => self.status != *before,
            None => self.status != TicketStatus::default(),
        };
        // A new leader marks the ticket before it sends what its predecessor planned, and with any other change.
        if self.status.epoch.unwrap_or(-1) < seen.epoch && (changed || self.has_unfinished()) {
            self.status.epoch = Some(seen.epoch);
            changed = true;
        }
        if changed {
            self.status.updated_at = Some(self.now);
        }
        Plan {
            status: self.status,
            changed,
            creations: self.creations,
            events: self.events,
            cancel: self.cancel,
            anew: self.anew,
            notes: self.notes,
            held_by: self.held_by,
            next,
            counts: self.counts,
            said: self.said,
        }
    }
}

fn read_line(line: api::ticket::TimelineLine) -> Option<Line> {
    Some(Line { at: line.at, what: What::parse(&line.what)?, detail: line.detail })
}

fn write_line(line: Line) -> api::ticket::TimelineLine {
    api::ticket::TimelineLine { at: line.at, what: line.what.as_str().to_owned(), detail: line.detail }
}

/// At most so many characters; what was cut is marked.
fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
