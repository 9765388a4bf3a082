//! What an event asks for beyond its ticket: a ticket of its own for a message, a word on another ticket.
//!
//! The names are decided by what they are for, so that doing it twice is harmless: it is done before the event's
//! verdict is written, and done again when the verdict was not.

use api::{
    Ticket, TicketEvent,
    ticket::{Link, Relation, Requester, TicketSpec},
    ticket_event::{RequesterMessage, TicketEventSpec},
};
use domain::ticket::{
    event::{self, Act, Hand},
    fold::{Consequence, Spoken},
    ticket_name,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Draft, cut};
use crate::kube::meta;

/// Something to create in the ticket's namespace; that it exists already is as good.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Creation {
    /// A ticket.
    Ticket(Box<Ticket>),
    /// An event of another ticket.
    Event(Box<TicketEvent>),
}

impl Draft<'_> {
    /// Plans what the event asks for. Returns it in words, for the one who acted.
    pub(super) fn follow(&mut self, event: &event::TicketEvent, consequence: &Consequence) -> String {
        match consequence {
            Consequence::FollowUp => {
                let name = self.follow_up_name();
                self.open_ticket(&name, Relation::FollowUpOf, self.seen.ticket.spec.title.clone());
                self.carry(event, &name);
                format!("the ticket had ended, so the message is on its follow-up {name}")
            }
            Consequence::PassOn { into } => {
                self.carry(event, into);
                format!("the ticket was merged, so the message is on {into}")
            }
            Consequence::Split { message, title } => {
                let name = ticket_name(&self.namespace(), "split", &meta::uid(self.seen.ticket.as_ref()), &event.name);
                self.open_ticket(&name, Relation::SplitFrom, title.clone());
                self.post(&name, event, message_act(message), Some(message.at));
                format!("the message is on ticket {name}")
            }
            Consequence::Merge { into } => {
                let link = Link {
                    relation: Relation::RelatesTo,
                    ticket: Some(self.seen.ticket.name_any()),
                    url: None,
                    title: None,
                };
                self.post(into, event, TicketEventSpec { link: Some(link), ..TicketEventSpec::default() }, None);
                format!("{into} carries it on")
            }
        }
    }

    /// The one follow-up of this ticket, whichever message asks for it first.
    pub(super) fn follow_up_name(&self) -> String {
        ticket_name(&self.namespace(), "follow-up", &meta::uid(self.seen.ticket.as_ref()), "")
    }

    fn namespace(&self) -> String {
        self.seen.ticket.namespace().unwrap_or_default()
    }

    fn open_ticket(&mut self, name: &str, relation: Relation, title: String) {
        let this = &self.seen.ticket;
        let spec = TicketSpec {
            title: cut(title, 500),
            type_: this.spec.type_,
            requester: this.spec.requester.clone(),
            affects: this.spec.affects.clone(),
            impact: this.spec.impact,
            urgency: this.spec.urgency,
            queue: self.status.queue.clone().or_else(|| this.spec.queue.clone()),
            policy: this.spec.policy.clone(),
            links: vec![Link { relation, ticket: Some(this.name_any()), url: None, title: None }],
            ..TicketSpec::default()
        };
        let mut ticket = Ticket::new(name, spec);
        ticket.metadata.namespace = this.namespace();
        ticket.metadata.labels.clone_from(&this.metadata.labels);
        self.creations.push(Creation::Ticket(Box::new(ticket)));
    }

    /// Puts the requester's message on another ticket, at the time at which it was received.
    fn carry(&mut self, event: &event::TicketEvent, to: &str) {
        let Act::Message { from, text, hand } = &event.act else { return };
        let message = Spoken {
            at: event.at,
            from: from.clone(),
            side: domain::ticket::fold::Side::Requester,
            hand: *hand,
            text: text.clone(),
        };
        if let Some(Creation::Ticket(ticket)) = self.creations.last_mut()
            && ticket.name_any() == to
            && ticket.spec.requester.is_none()
        {
            // An incident that alerts opened has no requester; who writes after its end is one.
            ticket.spec.requester = Some(Requester { name: cut(from.clone(), 200), contact: None });
        }
        self.post(to, event, message_act(&message), Some(event.at));
    }

    /// Plans an event on another ticket, by the author of this one.
    fn post(&mut self, to: &str, event: &event::TicketEvent, act: TicketEventSpec, at: Option<Timestamp>) {
        let unique = ticket_name(&self.namespace(), "event", &event.name, to);
        let name = format!(
            "{}-{}",
            to.chars().take(244).collect::<String>(),
            unique.chars().skip(4).take(8).collect::<String>()
        );
        let spec =
            TicketEventSpec { ticket: to.to_owned(), author: Some(event.author.clone()), occurred_at: at, ..act };
        let mut posted = TicketEvent::new(&name, spec);
        posted.metadata.namespace = self.seen.ticket.namespace();
        self.creations.push(Creation::Event(Box::new(posted)));
    }
}

fn message_act(message: &Spoken) -> TicketEventSpec {
    let message = RequesterMessage {
        from: message.from.clone(),
        text: message.text.clone(),
        automatic: message.hand == Hand::Automatic,
    };
    TicketEventSpec { message: Some(message), ..TicketEventSpec::default() }
}
