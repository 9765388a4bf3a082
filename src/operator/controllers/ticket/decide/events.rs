//! Events as the API keeps them, and as the fold reads them: put in order, numbered, judged once.

use api::{TicketEvent, ticket_event::TicketEventStatus};
use domain::{
    conditions::Standing,
    ticket::{
        event::{self, Act},
        fold::{Consequence, Folded, Verdict},
        objection::{Other, Surroundings, objection, other_ticket},
    },
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Draft, alerts::is_over, cut};
use crate::kube::meta;

impl Draft<'_> {
    /// All events with their sequences; those that have none get the next ones in the order of their arrival.
    pub(super) fn events_in_order(&self) -> Vec<event::TicketEvent> {
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
                let read = self.read_event(event, sequence)?;
                Some(event::TicketEvent { refused: self.refused(event, &read.act), ..read })
            })
            .collect()
    }

    /// The refusal on record; for an event that is judged now, what speaks against it outside the ticket.
    fn refused(&self, object: &TicketEvent, act: &Act) -> Option<String> {
        match object.status.as_ref().and_then(|status| status.accepted) {
            Some(true) => None,
            Some(false) => Some(object.status.as_ref()?.reason.clone().unwrap_or_default()),
            None => self.object(act),
        }
    }

    fn object(&self, act: &Act) -> Option<String> {
        objection(
            act,
            &Surroundings {
                // The last resort's own stands for none.
                policy: self.seen.live.as_deref().or(self.seen.frozen.as_deref()),
                steps: self.chain.as_ref().map(|_| self.escalation().steps.len()),
                has_requester: self.seen.ticket.spec.requester.is_some(),
                other: self.other(act),
            },
        )
    }

    fn other(&self, act: &Act) -> Other {
        let Some(other) = other_ticket(act).and_then(|name| self.seen.others.get(name)) else { return Other::Missing };
        let state = other.status.as_ref().and_then(|status| status.state);
        if state == Some(api::ticket::TicketState::Closed) {
            return Other::Closed;
        }
        Other::Goes { has_requester: other.spec.requester.is_some() }
    }

    /// Writes the verdict of each event that has none, and of each whose verdict is no longer what the fold does.
    ///
    /// What happened earlier may come in later, and make impossible what counted so far: then the acceptance is withdrawn,
    /// with the reason. A refusal is final, so no verdict goes back and forth.
    pub(super) fn judge(&mut self, events: &[event::TicketEvent], folded: &Folded) {
        for (event, verdict) in events.iter().zip(&folded.verdicts) {
            let Some(object) = self.seen.events.iter().find(|object| object.name_any() == event.name) else { continue };
            let recorded = object.status.as_ref().filter(|status| status.accepted.is_some());
            if recorded.is_some_and(|status| status.accepted == Some(false)) {
                continue;
            }
            let planned = self.creations.len();
            let (accepted, reason, standing) = match verdict {
                Verdict::Accepted => (true, None, Standing::Ready { reason: "Accepted", message: "counts".to_owned() }),
                Verdict::AcceptedWith(consequence) => {
                    let words = self.follow(event, consequence);
                    (true, Some(words.clone()), Standing::Ready { reason: "Accepted", message: words })
                }
                Verdict::Refused(why) => {
                    let withdrawn = "no longer counts, since what happened before it came in later";
                    let why = if recorded.is_some() { format!("{withdrawn}: {why}") } else { why.clone() };
                    let why = cut(why, 1_024);
                    (false, Some(why.clone()), Standing::Stalled { reason: "Refused", message: why })
                }
            };
            if recorded.is_some_and(|status| status.accepted == Some(accepted) && status.reason == reason) {
                // What it asked for was done when that was recorded.
                self.creations.truncate(planned);
                continue;
            }
            if recorded.is_some() {
                let to = reason.as_deref().unwrap_or("it counts");
                self.note(true, "VerdictChanged", "Judge", cut(format!("event {}: {to}", event.name), 1_000));
            }
            let generation = object.metadata.generation;
            let status = TicketEventStatus {
                observed_generation: generation.unwrap_or(0),
                conditions: api::conditions::conditions(&[], &standing, &[], generation, self.now),
                accepted: Some(accepted),
                sequence: i64::try_from(event.sequence).ok(),
                reason,
                at: Some(event.at).filter(|at| *at != dated(object)),
                act: Some(cut(event.act.words(), 100)),
            };
            self.events.push((event.name.clone(), status));
        }
        let follows_up = folded.verdicts.contains(&Verdict::AcceptedWith(Consequence::FollowUp));
        self.status.follow_up = follows_up.then(|| self.follow_up_name());
    }

    /// Whether the ticket is over in the status so far.
    pub(super) fn is_over(&self) -> bool {
        self.status.state.is_some_and(is_over)
    }

    /// `None` for an event without an act, which the CRD refuses.
    fn read_event(&self, object: &TicketEvent, sequence: i64) -> Option<event::TicketEvent> {
        let spec = &object.spec;
        let judged = object.status.as_ref().filter(|status| status.accepted.is_some());
        let dated = dated(object);
        let at = match judged {
            Some(status) => status.at.unwrap_or(dated),
            None => self.by_our_clock(dated),
        };
        Some(event::TicketEvent {
            name: object.name_any(),
            sequence: u64::try_from(sequence).ok()?,
            at,
            created: domain::time::whole_seconds(meta::created(object)),
            owner: object.owner_references().iter().find(|owner| owner.kind == "Ticket").map(|owner| owner.uid.clone()),
            author: spec.author.clone().unwrap_or_else(|| "unknown".to_owned()),
            // Until when somebody snoozes goes by the same clock as when they said so.
            act: api::ticket_event::act(spec)?.moved(at.duration_since(dated)),
            refused: None,
        })
    }

    /// An instant of the API server's clock by ours, which has dated everything else that the fold reads: an
    /// acknowledgement of this minute must not look an hour old. Recorded with the verdict, so that it stays what it is when
    /// the clocks agree again.
    fn by_our_clock(&self, at: Timestamp) -> Timestamp {
        let ahead = self.seen.ahead_of_server;
        if ahead.is_zero() {
            return at;
        }
        at.checked_add(ahead).map_or(at, |at| at.min(self.now))
    }
}

/// When an event happened, as it says itself or by the API server's clock.
fn dated(object: &TicketEvent) -> Timestamp {
    domain::time::whole_seconds(object.spec.occurred_at.unwrap_or_else(|| meta::created(object)))
}
