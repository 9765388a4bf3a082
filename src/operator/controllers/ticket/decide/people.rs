//! What people did: their events are put in order, judged by the fold, and passed to the escalation once.

use api::{
    TicketEvent,
    ticket::{MessageLine, Messages, TicketState},
    ticket_event::TicketEventStatus,
};
use domain::{
    conditions::Standing,
    escalation::Event,
    message::MessageKind,
    problem::Problem,
    ticket::{
        self as tickets, CloseReason,
        event::{self, Act},
        fold::{self, Folded, Subject, Verdict},
    },
};
use kube::ResourceExt;

use super::{Draft, alerts::is_over, cut};
use crate::kube::meta;

/// Remarks kept on the ticket, and characters of each.
const REMARKS: usize = 10;
const REMARK_LENGTH: usize = 280;

impl Draft<'_> {
    pub(super) fn take_people(&mut self) {
        let before = self.status.state;
        let events = self.events_in_order();
        let folded = fold::fold(&self.subject(), &events, &self.timeline);
        self.judge(&events, &folded);
        let last = self.status.last_sequence.unwrap_or(0);
        for (event, verdict) in events.iter().zip(&folded.verdicts) {
            let sequence = i64::try_from(event.sequence).unwrap_or(i64::MAX);
            if sequence > last && *verdict == Verdict::Accepted {
                self.pass_on(event);
            }
        }
        self.status.last_sequence =
            events.iter().filter_map(|event| i64::try_from(event.sequence).ok()).max().or(self.status.last_sequence);
        self.store(&folded);
        self.follow_state(before);
    }

    /// Computes the state anew after the timeline got a line.
    pub(super) fn refold(&mut self) {
        let before = self.status.state;
        let folded = fold::fold(&self.subject(), &self.events_in_order(), &self.timeline);
        self.store(&folded);
        self.follow_state(before);
    }

    fn subject(&self) -> Subject {
        let ticket = &self.seen.ticket;
        Subject {
            uid: meta::uid(ticket.as_ref()),
            created: meta::created(ticket.as_ref()),
            has_requester: ticket.spec.requester.is_some(),
            pinned_assignee: ticket.spec.assignee.clone(),
        }
    }

    /// All events with their sequences; those that have none get the next ones in the order of their arrival.
    fn events_in_order(&self) -> Vec<event::TicketEvent> {
        let mut all: Vec<&TicketEvent> = self.seen.events.iter().map(AsRef::as_ref).collect();
        let known = |event: &TicketEvent| event.status.as_ref().and_then(|status| status.sequence);
        all.sort_by_key(|event| (known(event).unwrap_or(i64::MAX), meta::version(*event)));
        let mut next =
            all.iter().filter_map(|event| known(event)).max().unwrap_or(0).max(self.status.last_sequence.unwrap_or(0));
        all.into_iter()
            .filter_map(|event| {
                let sequence = known(event).unwrap_or_else(|| {
                    next += 1;
                    next
                });
                let read = read_event(event, sequence)?;
                Some(event::TicketEvent { refused: self.refused(event, &read.act), ..read })
            })
            .collect()
    }

    /// The refusal on record; for an event that is judged now, whether the policy knows the person it names.
    fn refused(&self, object: &TicketEvent, act: &Act) -> Option<String> {
        match object.status.as_ref().and_then(|status| status.accepted) {
            Some(true) => None,
            Some(false) => Some(object.status.as_ref()?.reason.clone().unwrap_or_default()),
            None => {
                let (Act::Assign { to }, Some(policy)) = (act, self.live()) else { return None };
                if policy.people.contains_key(to) {
                    return None;
                }
                let problem = Problem::error(
                    "",
                    format!("no person of policy {}/{} is called `{to}`", policy.namespace, policy.name),
                );
                Some(problem.suggest_from(to, policy.people.keys().map(String::as_str)).to_string())
            }
        }
    }

    fn judge(&mut self, events: &[event::TicketEvent], folded: &Folded) {
        for (event, verdict) in events.iter().zip(&folded.verdicts) {
            let Some(object) = self.seen.events.iter().find(|object| object.name_any() == event.name) else { continue };
            if object.status.as_ref().is_some_and(|status| status.accepted.is_some()) {
                continue;
            }
            let (accepted, reason, standing) = match verdict {
                Verdict::Accepted => (true, None, Standing::Ready { reason: "Accepted", message: "counts".to_owned() }),
                Verdict::Refused(why) => {
                    let why = cut(why.clone(), 1_024);
                    (false, Some(why.clone()), Standing::Stalled { reason: "Refused", message: why })
                }
            };
            let generation = object.metadata.generation;
            let status = TicketEventStatus {
                observed_generation: generation.unwrap_or(0),
                conditions: api::conditions::conditions(&[], &standing, &[], generation, self.now),
                accepted: Some(accepted),
                sequence: i64::try_from(event.sequence).ok(),
                reason,
                act: Some(cut(act_words(&event.act), 100)),
            };
            self.events.push((event.name.clone(), status));
        }
    }

    /// Tells the escalation what one accepted event means for it.
    fn pass_on(&mut self, event: &event::TicketEvent) {
        let who = self.person_of(&event.author);
        match &event.act {
            Act::Acknowledge => {
                self.note(false, "Acknowledged", "Acknowledge", format!("{who} works on it"));
                self.tell_chain(Event::Acknowledge { by: who, at: event.at });
            }
            Act::Unacknowledge => {
                self.note(true, "Unacknowledged", "Unacknowledge", format!("{who} gave the ticket back"));
                self.tell_chain(Event::Unacknowledge { at: event.at });
            }
            Act::Note { .. } | Act::Assign { .. } | Act::State { .. } => {
                self.tell_chain(Event::Activity { at: event.at });
            }
        }
    }

    /// The policy's name for a Kubernetes user, else the user.
    fn person_of(&self, user: &str) -> String {
        self.live().and_then(|policy| policy.person_of_user(user)).unwrap_or(user).to_owned()
    }

    fn store(&mut self, folded: &Folded) {
        self.status.state = Some(state(folded.state));
        self.status.reason = folded.reason.map(|reason| reason.as_str().to_owned());
        let recovered = self.status.recovered_at.filter(|_| folded.reason == Some(CloseReason::Recovered));
        self.status.resolved_at = folded.resolved_at.map(|at| recovered.unwrap_or(at));
        self.status.assignee = folded.assignee.as_deref().map(|who| self.person_of(who));
        let remarks = &folded.remarks;
        self.status.messages = (!remarks.is_empty()).then(|| Messages {
            total: u32::try_from(remarks.len()).unwrap_or(u32::MAX),
            last: remarks
                .iter()
                .skip(remarks.len().saturating_sub(REMARKS))
                .map(|remark| MessageLine {
                    at: remark.at,
                    from: self.person_of(&remark.from),
                    public: false,
                    text: cut(remark.text.clone(), REMARK_LENGTH),
                })
                .collect(),
        });
    }

    /// A ticket that a person resolved has no running escalation; one that a person reopened while it fires has.
    fn follow_state(&mut self, before: Option<TicketState>) {
        let Some(after) = self.status.state else { return };
        let (was_over, over) = (before.is_some_and(is_over), is_over(after));
        if over && !was_over {
            self.tell_chain(Event::Stop { at: self.now });
            if self.status.recovered_at.is_none() && self.status.alerts.is_some() {
                self.note(
                    false,
                    "Resolved",
                    "Resolve",
                    format!("resolved: {}", self.status.reason.clone().unwrap_or_default()),
                );
                self.tell_those_paged(MessageKind::Resolved, "somebody resolved the ticket");
            }
        }
        if was_over && !over && self.firing() == 0 {
            // A person says that it is not over although nothing fires: only a person resolves it now.
            self.status.recovered_at = None;
        }
        if was_over && !over && self.firing() > 0 && self.chain.as_ref().is_some_and(|chain| chain.stopped.is_some()) {
            self.tell_chain(Event::Restart { at: self.now });
        }
    }
}

fn state(state: tickets::TicketState) -> TicketState {
    match state {
        tickets::TicketState::New => TicketState::New,
        tickets::TicketState::Open => TicketState::Open,
        tickets::TicketState::PendingRequester => TicketState::PendingRequester,
        tickets::TicketState::PendingVendor => TicketState::PendingVendor,
        tickets::TicketState::Resolved => TicketState::Resolved,
        tickets::TicketState::Closed => TicketState::Closed,
    }
}

/// `None` for an event without an act, which the CRD refuses.
fn read_event(object: &TicketEvent, sequence: i64) -> Option<event::TicketEvent> {
    let spec = &object.spec;
    let act = if spec.acknowledge == Some(true) {
        Act::Acknowledge
    } else if spec.unacknowledge == Some(true) {
        Act::Unacknowledge
    } else if let Some(note) = &spec.note {
        Act::Note { text: note.text.clone() }
    } else if let Some(assign) = &spec.assign {
        Act::Assign { to: assign.to.clone() }
    } else {
        let state = spec.state.as_ref()?;
        let to = serde_json::to_value(state.to).ok()?;
        Act::State { to: to.as_str()?.to_owned(), reason: state.reason.clone().unwrap_or_default() }
    };
    let created = domain::time::whole_seconds(meta::created(object));
    Some(event::TicketEvent {
        name: object.name_any(),
        sequence: u64::try_from(sequence).ok()?,
        at: domain::time::whole_seconds(spec.occurred_at.unwrap_or(created)),
        created,
        owner: object.owner_references().iter().find(|owner| owner.kind == "Ticket").map(|owner| owner.uid.clone()),
        author: spec.author.clone().unwrap_or_else(|| "unknown".to_owned()),
        act,
        refused: None,
    })
}

fn act_words(act: &Act) -> String {
    match act {
        Act::Assign { to } => format!("assign to {to}"),
        Act::State { to, .. } => format!("state {to}"),
        other => other.word().to_owned(),
    }
}
