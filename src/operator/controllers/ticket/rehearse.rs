//! A ticket lived through on simulated time, by the very decisions that the operator takes.
//!
//! What `firstline test` and `explain -f` say is therefore what will happen. There is no API: a decided status is
//! simply the next one that is read, and every message is accepted the moment it is planned.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use api::{
    Ticket, TicketEvent,
    ticket::{NotificationKind, PolicyInForce, TicketStatus, TimelineLine},
};
use domain::{
    alert::Alert,
    labels::Labels,
    message::{Delivery, NotificationId},
    oncall::Override,
    policy::Policy,
    routing,
    sla::Clocks,
    suppression::{Silence, dependency::Standings},
};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use uuid::Uuid;

use super::{
    decide::{self, Plan, Seen, decide},
    gather,
};
use crate::engine::outbox::Report;

/// Looks at one ticket before its rehearsal is given up: a year of an exhausted escalation has 9,000.
const MOST_LOOKS: usize = 50_000;

/// What stands for the name of a revision.
pub(crate) const REVISION: &str = "rehearsed";

/// The policy that a ticket which no alert opened gets: the one it names, else the one that its labels choose.
pub(crate) fn policy_of<'a>(policies: &'a [Arc<Policy>], namespace: &str, ticket: &Ticket) -> Option<&'a Arc<Policy>> {
    if let Some(name) = &ticket.spec.policy {
        return policies.iter().find(|policy| policy.namespace == namespace && policy.name == *name);
    }
    let labels = gather::labels(ticket);
    routing::choose_policy(policies, namespace, &labels).map(|choice| choice.policy)
}

/// What comes to the ticket from outside.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    /// An alert fires, joins or ends.
    Alert(Box<Alert>),
    /// Somebody acts.
    Event(Box<TicketEvent>),
    /// What is around the ticket is another, as [`Around`] knows: it is looked at.
    Change,
}

/// What is around a ticket while it lives, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    /// The silences that exist.
    pub(crate) silences: Vec<Silence>,
    /// The shifts that somebody takes over.
    pub(crate) overrides: Vec<Override>,
    /// Other alerts that fire.
    pub(crate) firing: Vec<(Labels, Span)>,
    /// Monitors that depend on others, and what those are told as.
    pub(crate) monitors: Standings,
    /// When which of them are down.
    pub(crate) down: Vec<(String, Span)>,
}

/// A time that may have no begin and no end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    /// From here; `None`: always.
    pub(crate) from: Option<Timestamp>,
    /// Up to but not including here; `None`: for ever.
    pub(crate) until: Option<Timestamp>,
}

impl Span {
    fn covers(self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

impl Around {
    /// The labels of the other alerts that fire then.
    pub(crate) fn firing(&self, at: Timestamp) -> Vec<Labels> {
        self.firing.iter().filter(|(_, span)| span.covers(at)).map(|(labels, _)| labels.clone()).collect()
    }

    /// The monitors as they stand then.
    pub(crate) fn standings(&self, at: Timestamp) -> Standings {
        let mut standings = self.monitors.clone();
        for (monitor, span) in self.down.iter().filter(|(_, span)| span.covers(at)) {
            if let Some(standing) = standings.get_mut(monitor) {
                standing.down_since = Some(span.from.unwrap_or(Timestamp::UNIX_EPOCH));
            }
        }
        standings
    }

    /// Every time at which something of this begins or ends by itself, silences and overrides apart: who asks about those
    /// is told when they do.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Timestamp> {
        let spans = self.firing.iter().map(|(_, span)| span).chain(self.down.iter().map(|(_, span)| span));
        spans.flat_map(|span| [span.from, span.until]).flatten()
    }
}

/// A message, when it went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// When.
    pub(crate) at: Timestamp,
    /// Page, notice, update …
    pub(crate) kind: NotificationKind,
    /// The person; `None` for a channel itself.
    pub(crate) person: Option<String>,
    /// The channel.
    pub(crate) channel: String,
    /// Why it went to this target.
    pub(crate) why: String,
}

/// One ticket on simulated time.
#[derive(Clone)]
pub(crate) struct Rehearsal {
    ticket: Arc<Ticket>,
    events: Vec<Arc<TicketEvent>>,
    policy: Option<Arc<Policy>>,
    /// Versions of the policy whose promises it moved to; only on record.
    revisions: BTreeMap<String, Arc<Policy>>,
    around: Around,
    now: Timestamp,
    /// What comes, by time.
    coming: VecDeque<(Timestamp, Incoming)>,
    alerts: Vec<Alert>,
    /// What receivers said: each decision begins with it, so that it needs no look of its own.
    reports: Vec<Report>,
    known: BTreeSet<String>,
    sent: Vec<Sent>,
    /// Lines of the timeline that had to make room for later ones.
    gone: Vec<TimelineLine>,
    next: Option<Timestamp>,
    looks: usize,
}

impl Rehearsal {
    /// A ticket that is first looked at when it is created.
    pub(crate) fn new(ticket: Ticket, policy: Option<Arc<Policy>>, around: Around) -> Self {
        let born = crate::kube::meta::created(&ticket);
        let coming = around.changes().filter(|at| *at > born).map(|at| (at, Incoming::Change));
        let mut coming: VecDeque<_> = coming.collect();
        coming.make_contiguous().sort_by_key(|(at, _)| *at);
        Self {
            ticket: Arc::new(ticket),
            events: Vec::new(),
            policy,
            revisions: BTreeMap::new(),
            around,
            now: born,
            coming,
            alerts: Vec::new(),
            reports: Vec::new(),
            known: BTreeSet::new(),
            sent: Vec::new(),
            gone: Vec::new(),
            next: Some(born),
            looks: 0,
        }
    }

    /// A ticket as it was read from a cluster, with its events: only to be asked, not to be lived on.
    pub(crate) fn of_record(
        ticket: Ticket,
        events: Vec<TicketEvent>,
        policy: Option<Arc<Policy>>,
        revisions: BTreeMap<String, Arc<Policy>>,
    ) -> Self {
        let events = events.into_iter().map(Arc::new).collect();
        Self { events, revisions, next: None, ..Self::new(ticket, policy, Around::default()) }
    }

    /// Something that comes at a time; of equal times, in the order of the calls.
    pub(crate) fn expect(&mut self, at: Timestamp, incoming: Incoming) {
        let place = self.coming.partition_point(|(other, _)| *other <= at);
        self.coming.insert(place, (at, incoming));
    }

    /// Lives up to and including `until`.
    pub(crate) fn run(&mut self, until: Timestamp) {
        while self.looks < MOST_LOOKS {
            let coming = self.coming.front().map(|(at, _)| *at);
            let Some(now) = [coming, self.next].into_iter().flatten().min().filter(|now| *now <= until) else { return };
            while self.coming.front().is_some_and(|(at, _)| *at <= now) {
                let Some((_, incoming)) = self.coming.pop_front() else { break };
                match incoming {
                    Incoming::Alert(alert) => self.alerts.push(*alert),
                    Incoming::Event(event) => self.events.push(Arc::new(*event)),
                    Incoming::Change => {}
                }
            }
            self.look(now);
        }
    }

    /// The status as it is now.
    pub(crate) fn status(&self) -> &TicketStatus {
        static NONE: std::sync::LazyLock<TicketStatus> = std::sync::LazyLock::new(TicketStatus::default);
        self.ticket.status.as_ref().unwrap_or(&NONE)
    }

    /// Every message so far, in the order they went out.
    pub(crate) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Where its clocks stand at `now`, with their ledgers.
    pub(crate) fn clocks(&self, now: Timestamp) -> Clocks {
        decide::clocks(&self.seen(Vec::new(), Vec::new()), now)
    }

    /// The whole timeline, by time: a ticket keeps only so many lines.
    pub(crate) fn timeline(&self) -> Vec<&TimelineLine> {
        let mut all: Vec<_> = self.gone.iter().chain(&self.status().timeline).collect();
        all.sort_by_key(|line| line.at);
        all
    }

    /// Why the events were refused that were, by name.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events.iter().filter_map(|event| {
            let status = event.status.as_ref().filter(|status| status.accepted == Some(false))?;
            Some((event.metadata.name.as_deref().unwrap_or_default(), status.reason.as_deref().unwrap_or_default()))
        })
    }

    /// What a decision rests on.
    fn seen(&self, alerts: Vec<Alert>, reports: Vec<Report>) -> Seen {
        Seen {
            ambiguous: None,
            ticket: Arc::clone(&self.ticket),
            events: self.events.clone(),
            others: HashMap::new(),
            causes: Vec::new(),
            revisions: self.revisions.clone(),
            moves_to: None,
            chosen: self.chosen(),
            frozen: self.policy.clone(),
            live: self.policy.clone(),
            last_resort: decide::OwnLastResort::None,
            mended: BTreeMap::new(),
            goes_on: BTreeMap::new(),
            substitute: None,
            policy_exists: self.policy.is_some(),
            silences: self.around.silences.clone(),
            overrides: self.around.overrides.clone(),
            firing: self.around.firing(self.now),
            monitors: self.around.standings(self.now),
            operator_namespace: String::new(),
            epoch: 1,
            ahead_of_server: SignedDuration::ZERO,
            number: self.status().number.is_none().then_some(1),
            alerts,
            reports,
            awaits_monitors: false,
        }
    }

    /// A ticket that no alert opened gets its policy at the first look.
    fn chosen(&self) -> Option<PolicyInForce> {
        let policy = self.policy.as_ref()?;
        let needs_one = self.ticket.spec.origin.is_none() && self.status().policy.is_none();
        needs_one.then(|| PolicyInForce {
            namespace: policy.namespace.clone(),
            name: policy.name.clone(),
            revision: REVISION.to_owned(),
        })
    }

    fn look(&mut self, now: Timestamp) {
        self.looks += 1;
        self.now = now;
        let (alerts, reports) = (std::mem::take(&mut self.alerts), std::mem::take(&mut self.reports));
        let seen = self.seen(alerts, reports);
        let plan = decide(&seen, now);
        // Given back, so that the ticket is changed in place.
        drop(seen);
        self.next = plan.next.filter(|next| *next > now);
        self.judge(&plan);
        if plan.changed {
            let before = self.ticket.status.iter().flat_map(|status| &status.timeline);
            self.gone.extend(evicted(before, &plan.status.timeline).cloned());
            Arc::make_mut(&mut self.ticket).status = Some(plan.status);
            self.send(now);
        }
    }

    fn judge(&mut self, plan: &Plan) {
        for (name, status) in &plan.events {
            if let Some(event) = self.events.iter_mut().find(|event| event.name_any() == *name) {
                Arc::make_mut(event).status = Some(status.clone());
            }
        }
    }

    fn send(&mut self, now: Timestamp) {
        let Some(status) = &self.ticket.status else { return };
        for notification in status.notifications.iter().filter(|n| !n.state.is_finished() && n.planned_at <= now) {
            if !self.known.insert(notification.id.clone()) {
                continue;
            }
            self.sent.push(Sent {
                at: now,
                kind: notification.kind,
                person: notification.person.clone(),
                channel: notification.channel.clone(),
                why: notification.why.clone().unwrap_or_default(),
            });
            let Ok(id) = Uuid::parse_str(&notification.id) else { continue };
            let delivery = Delivery::Accepted { receipt: String::new() };
            self.reports.push(Report { id: NotificationId(id), attempts: 1, at: now, delivery });
        }
    }
}

/// The lines that are not kept. What is kept stands in the same order, and of two that were joined the later one stays.
fn evicted<'a>(
    before: impl Iterator<Item = &'a TimelineLine>,
    kept: &'a [TimelineLine],
) -> impl Iterator<Item = &'a TimelineLine> {
    let mut kept = kept.iter().peekable();
    before.filter(move |line| kept.next_if(|other| (other.at, &other.what) == (line.at, &line.what)).is_none())
}
