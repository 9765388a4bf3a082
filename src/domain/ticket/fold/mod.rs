//! The fold: a ticket's events and timeline in, its state out. Pure, and the same bytes at every replay.
//!
//! Nothing is accumulated: what was decided yesterday is computed again today, from the same events and the same lines.
//! What only time does (a ticket closes itself, a wait ends) happens here too, at its planned instant, so that neither
//! an operator that was away nor a mail that comes in late makes a difference. The escalation, the notifications
//! and the alerts are not folded; they are carried on the ticket.
//!
//! | file | what it folds |
//! |---|---|
//! | `conversation` | replies, messages, notes, and what a message after the end means |
//! | `course` | states, merges, the ends of waits, reopening and closing |
//! | `ownership` | who works on it, how important it is, on which list it stands |

mod conversation;
mod course;
mod ownership;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    CloseReason, TicketState,
    event::{Act, Feedback, Hand, Link, TicketEvent},
    subject::{SpecFacts, Subject},
    timeline::{Line, What},
};
use crate::{
    policy::{Policy, Queue},
    sla::{Clocks, Happened, Happening, Targets, clocks},
};

/// How many events a ticket takes; later ones are refused.
pub const MOST_EVENTS: usize = 1_000;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// It counts, and something is to be done beyond the ticket.
    AcceptedWith(Consequence),
    /// It does not, for this reason.
    Refused(String),
}

impl Verdict {
    /// Whether the event counts.
    pub fn is_accepted(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// What an event asks for that no fold of this ticket can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// The message came after the end of the ticket: it belongs to a new one that is linked to this.
    FollowUp,
    /// The message came to a ticket that was merged: it belongs to that one.
    PassOn {
        /// The other ticket.
        into: String,
    },
    /// Another ticket carries this one on, and should say so.
    Merge {
        /// The other ticket.
        into: String,
    },
    /// The message becomes a ticket of its own.
    Split {
        /// What was said.
        message: Spoken,
        /// The title of the new ticket.
        title: String,
    },
}

/// Who works on the ticket, as the events say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The Kubernetes user.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when, for one who only snoozes.
    pub until: Option<Timestamp>,
}

/// Who said something, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one who asked.
    Requester,
    /// Somebody who works on it, to the one who asked.
    Reply,
    /// Somebody who works on it, to colleagues.
    Note,
}

/// Something that was said on the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// When.
    pub at: Timestamp,
    /// The Kubernetes user, or the requester's name or address.
    pub from: String,
    /// To whom.
    pub side: Side,
    /// Whether a person wrote it.
    pub hand: Hand,
    /// What was said.
    pub text: String,
}

/// A ticket's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Folded {
    /// Where it stands.
    pub state: TicketState,
    /// Why it is over.
    pub reason: Option<CloseReason>,
    /// Until when it waits, in a state that waits.
    pub waits_until: Option<Timestamp>,
    /// `P1` … `P5`.
    pub priority: String,
    /// The list it stands on.
    pub queue: Option<String>,
    /// Whose it is: a person's name, or the Kubernetes user who took it.
    pub assignee: Option<String>,
    /// Who works on it.
    pub acknowledged: Option<Acknowledged>,
    /// Everything that was said, oldest first.
    pub messages: Vec<Spoken>,
    /// What events linked, in that order.
    pub links: Vec<Link>,
    /// The ticket that carries it on.
    pub merged_into: Option<String>,
    /// How often it was reopened.
    pub reopens: u32,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Timestamp>,
    /// What the requester thinks of how it went, as said last.
    pub feedback: Option<Feedback>,
    /// What was promised at the beginning; `None` before the fold has begun.
    pub promised: Option<Targets>,
    /// What the clocks must know, in order.
    pub happenings: Vec<Happening>,
    /// When it changes by itself: a wait ends, a resolved ticket closes, a snooze is over.
    pub next: Option<Timestamp>,
    /// For each event, by its place in the input.
    pub verdicts: Vec<Verdict>,
}

impl Folded {
    /// Where its clocks stand at `now`.
    pub fn clocks(&self, now: Timestamp) -> Clocks {
        self.promised.as_ref().map_or_else(Clocks::default, |promised| clocks(&self.happenings, promised, now))
    }
}

/// Computes a ticket's state at `now`. Events and lines may come in any order; time, then the operator's own lines
/// before people's acts, then the sequence decide. `policy` is the one the ticket began with.
pub fn fold(
    subject: &Subject,
    events: &[TicketEvent],
    timeline: &[Line],
    policy: Option<&Policy>,
    now: Timestamp,
) -> Folded {
    let mut fold = Fold::begin(subject, events, timeline, policy);
    let too_many = beyond_the_most(events);
    let mut verdicts = vec![Verdict::Accepted; events.len()];
    for item in in_order(events, timeline) {
        fold.let_time_pass(item.at());
        match item {
            Item::Line(line) => fold.take_line(line),
            Item::Event(index, event) => {
                let verdict = match admissible(subject, event, too_many) {
                    Ok(()) => fold.take_event(event).unwrap_or_else(Verdict::Refused),
                    Err(reason) => Verdict::Refused(reason),
                };
                if let Some(slot) = verdicts.get_mut(index) {
                    *slot = verdict;
                }
            }
        }
    }
    // What is due exactly now has happened.
    fold.let_time_pass(crate::time::after(now, std::time::Duration::from_secs(1)));
    let mut folded = fold.folded;
    folded.next = folded.next_change(fold.closes_after, subject).map(|(at, _)| at);
    folded.verdicts = verdicts;
    folded
}

enum Item<'a> {
    Line(&'a Line),
    Event(usize, &'a TicketEvent),
}

impl Item<'_> {
    fn at(&self) -> Timestamp {
        match self {
            Self::Line(line) => line.at,
            Self::Event(_, event) => event.at,
        }
    }
}

fn in_order<'a>(events: &'a [TicketEvent], timeline: &'a [Line]) -> Vec<Item<'a>> {
    let lines = timeline.iter().filter(|line| line.what.is_read_by_the_fold());
    let lines = lines.enumerate().map(|(i, line)| ((line.at, 0, i as u64), Item::Line(line)));
    let events = events.iter().enumerate().map(|(i, event)| ((event.at, 1, event.sequence), Item::Event(i, event)));
    let mut items: Vec<_> = lines.chain(events).collect();
    items.sort_by_key(|(key, _)| *key);
    items.into_iter().map(|(_, item)| item).collect()
}

/// The sequence after which events are too many.
fn beyond_the_most(events: &[TicketEvent]) -> Option<u64> {
    let mut sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    sequences.sort_unstable();
    sequences.get(MOST_EVENTS - 1).copied()
}

/// Whether an event may touch this ticket at all.
fn admissible(subject: &Subject, event: &TicketEvent, last: Option<u64>) -> Result<(), String> {
    if last.is_some_and(|last| event.sequence > last) {
        return Err(format!("TooMany: a ticket takes {MOST_EVENTS} events; open a follow-up ticket"));
    }
    if let Some(reason) = &event.refused {
        return Err(reason.clone());
    }
    if event.created < subject.created {
        return Err("the event is older than the ticket: it was meant for an earlier ticket of this name".to_owned());
    }
    match &event.owner {
        Some(owner) if *owner != subject.uid => {
            Err("the event's owner reference names another ticket's uid; create the event anew without it".to_owned())
        }
        _ => Ok(()),
    }
}

/// A fold in the making.
struct Fold<'a> {
    subject: &'a Subject,
    policy: Option<&'a Policy>,
    /// The version whose promises count now, where that is a later one.
    promises: Option<&'a Policy>,
    folded: Folded,
    /// The spec as it was at this point of the story.
    spec: SpecFacts,
    /// What a person said the priority is.
    chosen: Option<String>,
    /// What the route says.
    routed: Option<String>,
    /// Whether anybody has answered in public.
    replied: bool,
    /// Whether a message of the requester waits for an answer.
    unanswered: bool,
    /// Whether the end of the wait ends the ticket: somebody said until when the requester may answer.
    gives_up: bool,
    /// How long after Resolved the ticket closes, by its queue.
    closes_after: std::time::Duration,
}

impl<'a> Fold<'a> {
    fn begin(subject: &'a Subject, events: &[TicketEvent], timeline: &[Line], policy: Option<&'a Policy>) -> Self {
        let recorded = timeline.iter().any(|line| line.what == What::SpecChanged);
        // The first lines tell how the spec was at the beginning; they were written at the first look, which may be later.
        let mut spec = if recorded { SpecFacts::default() } else { subject.spec.clone() };
        if let Some(first) = timeline.iter().filter(|line| line.what == What::SpecChanged).min_by_key(|line| line.at) {
            spec.apply(&first.detail);
        }
        let routed = timeline.iter().filter(|line| line.what == What::PrioritySet).min_by_key(|line| line.at);
        let mut fold = Self {
            subject,
            policy,
            promises: None,
            folded: Folded::default(),
            chosen: spec.priority.clone(),
            routed: routed.map(|line| first_word(&line.detail)),
            spec,
            replied: false,
            unanswered: false,
            gives_up: false,
            closes_after: Queue::default().close_after,
        };
        fold.folded.assignee.clone_from(&fold.spec.assignee);
        let queue = fold.spec.queue.clone();
        fold.move_to_queue(queue);
        fold.folded.priority = fold.weighed();
        let began = fold.earliest_message(events).map_or(subject.began, |at| at.min(subject.began));
        fold.folded.promised = Some(fold.promised(&fold.folded.priority));
        fold.happened(began, Happened::Began { has_requester: subject.has_requester });
        fold.set_due(began, &BTreeMap::new());
        fold
    }

    fn happened(&mut self, at: Timestamp, what: Happened) {
        self.folded.happenings.push(Happening { at, what });
    }

    fn queue(&self) -> Queue {
        let named = self.folded.queue.as_ref().and_then(|name| self.policy?.queues.get(name));
        named.cloned().unwrap_or_default()
    }

    fn take_line(&mut self, line: &Line) {
        match line.what {
            What::Resolved if !self.folded.state.is_over() => {
                self.end(TicketState::Resolved, CloseReason::Recovered, line.at);
            }
            What::Reopened if self.folded.state == TicketState::Resolved => {
                self.reopen(line.at);
                self.folded.acknowledged = None;
            }
            What::SeverityRose | What::AcknowledgementWithdrawn => self.folded.acknowledged = None,
            What::SpecChanged => self.change_spec(line),
            What::PrioritySet => self.route_says(line.at, first_word(&line.detail)),
            What::PromisesChanged => self.live_by(line.at, &first_word(&line.detail)),
            What::CauseResolved => self.cause_resolved(line.at, &line.detail),
            _ => {}
        }
    }

    fn take_event(&mut self, event: &TicketEvent) -> Result<Verdict, String> {
        match &event.act {
            Act::Reply { text, hand } => self.reply(event, text, *hand),
            Act::Message { from, text, hand } => self.message(event.at, from, text, *hand),
            Act::Note { text } => self.note(event, text),
            Act::NoAnswerNeeded { why } => self.no_answer_needed(event.at, why),
            Act::Split { message, title } => self.split(*message, title),
            Act::Feedback(feedback) => self.feedback(feedback),
            Act::State { to, reason, until } => self.move_to(event.at, to, reason, *until),
            Act::Merge { into } => self.merge(event.at, into),
            Act::Acknowledge => self.acknowledge(event, None),
            Act::Snooze { until } => self.snooze(event, *until),
            Act::Unacknowledge => self.unacknowledge(),
            Act::Assign { to } => self.assign(event, to),
            Act::Priority { to, .. } => self.set_priority(event.at, to),
            Act::Queue { to } => self.give_to_queue(to),
            Act::Link(link) => self.link(link),
            Act::Escalate { .. } => self.escalate(),
        }
    }

    fn must_be_open(&self, verb: &str) -> Result<(), String> {
        match self.folded.state {
            TicketState::Closed => Err(format!("the ticket is Closed and cannot be {verb}; open a new one")),
            TicketState::Resolved => Err(format!("the ticket is Resolved and cannot be {verb}; move it to Open first")),
            _ => Ok(()),
        }
    }
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}
