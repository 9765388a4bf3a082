//! What is said on a ticket: answers, the requester's messages, notes, and what they mean for its state.
//!
//! What a machine wrote is kept to be read and changes nothing.

use jiff::Timestamp;

use super::{Consequence, Fold, Side, Spoken, Verdict};
use crate::{
    sla::Happened,
    ticket::{
        TicketState,
        event::{Feedback, Hand, TicketEvent},
    },
    time::after,
};

impl Fold<'_> {
    pub(super) fn reply(&mut self, event: &TicketEvent, text: &str, hand: Hand) -> Result<Verdict, String> {
        if self.folded.state == TicketState::Closed {
            return Err("the ticket is Closed: nobody would read the reply; open a new ticket".to_owned());
        }
        self.say(event.at, &event.author, Side::Reply, hand, text);
        if hand == Hand::Human {
            self.touched(event.at);
            self.replied = true;
            self.unanswered = false;
            self.happened(event.at, Happened::Replied);
        }
        Ok(Verdict::Accepted)
    }

    pub(super) fn message(&mut self, at: Timestamp, from: &str, text: &str, hand: Hand) -> Result<Verdict, String> {
        if hand == Hand::Human {
            if let Some(consequence) = self.comes_too_late(at) {
                return Ok(Verdict::AcceptedWith(consequence));
            }
            match self.folded.state {
                TicketState::Resolved => self.reopen(at),
                TicketState::PendingRequester => self.go_to(TicketState::Open, at),
                _ => {}
            }
            self.unanswered = true;
            self.happened(at, Happened::Asked);
        }
        self.say(at, from, Side::Requester, hand, text);
        Ok(Verdict::Accepted)
    }

    /// A message after the end: where it belongs instead. It is not appended here, where nobody looks any more.
    fn comes_too_late(&self, at: Timestamp) -> Option<Consequence> {
        if let Some(into) = &self.folded.merged_into {
            return Some(Consequence::PassOn { into: into.clone() });
        }
        let window_is_over =
            self.folded.resolved_at.is_some_and(|resolved| at > after(resolved, self.queue().reopen_within));
        match self.folded.state {
            TicketState::Closed => Some(Consequence::FollowUp),
            TicketState::Resolved if window_is_over => Some(Consequence::FollowUp),
            _ => None,
        }
    }

    pub(super) fn note(&mut self, event: &TicketEvent, text: &str) -> Result<Verdict, String> {
        self.say(event.at, &event.author, Side::Note, Hand::Human, text);
        self.happened(event.at, Happened::Noted);
        Ok(Verdict::Accepted)
    }

    pub(super) fn no_answer_needed(&mut self, at: Timestamp, why: &str) -> Result<Verdict, String> {
        if !self.unanswered {
            return Err("no message of the requester waits for an answer".to_owned());
        }
        self.unanswered = false;
        self.happened(at, Happened::NoAnswerNeeded { why: why.to_owned() });
        Ok(Verdict::Accepted)
    }

    pub(super) fn split(&mut self, message: u32, title: &str) -> Result<Verdict, String> {
        let spoken = (message as usize).checked_sub(1).and_then(|place| self.folded.messages.get(place));
        let Some(spoken) = spoken else {
            return Err(match self.folded.messages.len() {
                0 => "nothing was said on the ticket yet, so there is no message to split off".to_owned(),
                most => format!("expected a message from 1 to {most}, found {message}"),
            });
        };
        if spoken.side != Side::Requester {
            return Err(format!(
                "message {message} is not the requester's, and only what they wrote can become a ticket of its own"
            ));
        }
        Ok(Verdict::AcceptedWith(Consequence::Split { message: spoken.clone(), title: title.to_owned() }))
    }

    pub(super) fn feedback(&mut self, feedback: &Feedback) -> Result<Verdict, String> {
        if !self.folded.state.is_over() {
            return Err(format!("the ticket is {}; feedback counts once it is Resolved", self.folded.state));
        }
        self.folded.feedback = Some(feedback.clone());
        Ok(Verdict::Accepted)
    }

    /// What caused it is over: somebody has to look whether that has helped. A machine says so, so no clock hears it.
    pub(super) fn cause_resolved(&mut self, at: Timestamp, detail: &str) {
        if self.folded.state.is_over() {
            return;
        }
        self.say(at, "firstline", Side::Note, Hand::Automatic, &format!("what caused this is over: {detail}"));
        self.go_to(TicketState::Open, at);
    }

    fn say(&mut self, at: Timestamp, from: &str, side: Side, hand: Hand, text: &str) {
        self.folded.messages.push(Spoken { at, from: from.to_owned(), side, hand, text: text.to_owned() });
    }

    /// When the requester's first message was received, which may be before the ticket's object was created.
    pub(super) fn earliest_message(&self, events: &[TicketEvent]) -> Option<Timestamp> {
        let counts = |event: &&TicketEvent| {
            event.refused.is_none()
                && event.created >= self.subject.created
                && matches!(event.act, crate::ticket::event::Act::Message { hand: Hand::Human, .. })
        };
        events.iter().filter(counts).map(|event| event.at).min()
    }
}
