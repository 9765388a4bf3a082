//! What people did: their events are folded with the timeline, and passed to the escalation once.

use api::ticket::{Link, MessageLine, Messages, Relation, TicketState};
use domain::{
    escalation::Event,
    message::MessageKind,
    policy::NotifyTarget,
    routing,
    ticket::{
        CloseReason,
        event::{self, Act, Hand, LinkTarget},
        fold::{self, Folded, Side},
        subject::{self, SpecFacts, Subject},
        timeline::{Line, What},
    },
};
use kube::ResourceExt;

use super::{Draft, alerts::is_over, cut};
use crate::kube::meta;

/// Messages kept on the ticket, and characters of each.
const MESSAGES: usize = 10;
const MESSAGE_LENGTH: usize = 280;

impl Draft<'_> {
    pub(super) fn take_people(&mut self) {
        self.record_spec();
        let before = self.status.state;
        let events = self.events_in_order();
        let folded = self.fold(&events);
        self.judge(&events, &folded);
        // Without any version of the policy the escalation stands still, and hears what was done when it goes on.
        let deaf = self.chain.is_some() && self.live().is_none();
        let last = self.status.last_sequence.unwrap_or(0);
        for (event, verdict) in events.iter().zip(&folded.verdicts) {
            let sequence = i64::try_from(event.sequence).unwrap_or(i64::MAX);
            if sequence > last && verdict.is_accepted() && !deaf {
                self.pass_on(event);
            }
        }
        let newest = events.iter().filter_map(|event| i64::try_from(event.sequence).ok()).max();
        self.status.last_sequence = newest.filter(|_| !deaf).or(self.status.last_sequence);
        self.store(folded);
        // Whoever has taken it knows of it.
        self.not_paged &= self.is_over() || !self.is_taken();
        self.follow_state(before);
        self.tell_queue_of_a_new_ticket();
    }

    /// Computes the state anew after the timeline got a line.
    pub(super) fn refold(&mut self) {
        let before = self.status.state;
        let folded = self.fold(&self.events_in_order());
        self.store(folded);
        self.follow_state(before);
    }

    pub(super) fn fold(&self, events: &[event::TicketEvent]) -> Folded {
        fold::fold(&self.subject(), events, &self.timeline, self.policy(), self.now)
    }

    fn subject(&self) -> Subject {
        let ticket = &self.seen.ticket;
        let created = meta::opened(ticket.as_ref());
        let origin = ticket.spec.origin.as_ref();
        // By our clock where that is ahead of the server's, because it is what clocks are read by.
        let opened = origin.and_then(|origin| origin.opened_at).map_or(created, |at| at.max(created));
        Subject {
            uid: meta::uid(ticket.as_ref()),
            name: ticket.name_any(),
            created,
            began: subject::began(origin.map(|origin| origin.first_start), opened),
            has_requester: ticket.spec.requester.is_some(),
            firing: self.firing() > 0,
            quiet_since: self.quiet_since(),
            revisions: self.seen.revisions.clone(),
            spec: SpecFacts::from(&ticket.spec),
        }
    }

    /// What this ticket is linked to as its cause is over: once for each time that happens.
    pub(super) fn take_causes(&mut self) {
        if self.is_over() {
            return;
        }
        for cause in &self.seen.causes {
            let Some(status) = cause.status.as_ref().filter(|status| status.state.is_some_and(is_over)) else {
                continue;
            };
            let reason = status.reason.as_deref().unwrap_or("no reason");
            // What was merged goes on elsewhere.
            if reason == CloseReason::Merged.as_str() {
                continue;
            }
            let (name, time) = (cause.name_any(), status.reopens.unwrap_or(0) + 1);
            let words = format!("{name} resolution {time}:");
            let known = |line: &Line| line.what == What::CauseResolved && line.detail.starts_with(&words);
            if !self.timeline.iter().any(known) {
                self.note(false, "CauseResolved", "Reopen", format!("{name} is resolved: {reason}"));
                self.line(What::CauseResolved, self.now, format!("{words} {reason}"));
            }
        }
    }

    /// A change of the spec, and of the priority that the route gives, is a line before anything acts on it.
    fn record_spec(&mut self) {
        if let Some(revision) = &self.seen.moves_to {
            self.line(What::PromisesChanged, self.now, format!("{revision} by applyTo: Running"));
        }
        let mut known = SpecFacts::default();
        let recorded = self.timeline.iter().filter(|line| line.what == What::SpecChanged);
        recorded.for_each(|line| known.apply(&line.detail));
        if let Some(change) = known.change_to(&SpecFacts::from(&self.seen.ticket.spec)) {
            self.line(What::SpecChanged, self.now, change);
        }
        let Some((priority, by)) = self.given_priority() else { return };
        let last = self.timeline.iter().rev().find(|line| line.what == What::PrioritySet);
        if last.is_none_or(|line| line.detail.split(' ').next() != Some(priority.as_str())) {
            self.line(What::PrioritySet, self.now, format!("{priority} by {by}"));
        }
    }

    /// The priority of a ticket of alerts and what gives it: its route, or its severity where no policy serves it.
    fn given_priority(&self) -> Option<(String, String)> {
        match &self.route {
            Some(route) if route.name.is_empty() => Some((route.priority.clone(), "the policy's default".to_owned())),
            Some(route) => Some((route.priority.clone(), format!("route {}", route.name))),
            None if self.status.policy.is_none() && self.seen.ticket.spec.origin.is_some() => {
                let severity = self.severity();
                let by = format!("severity {severity}, as no policy serves it");
                Some((routing::default_priority(severity).to_owned(), by))
            }
            None => None,
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
            Act::Snooze { until } => {
                self.note(false, "Snoozed", "Snooze", format!("{who} works on it, asleep until {until}"));
                self.tell_chain(Event::Snooze { by: who, at: event.at, until: *until });
            }
            Act::Escalate { step } => {
                self.note(true, "Called", "Escalate", format!("{who} calls for step {step}"));
                self.tell_chain(Event::EscalateTo { step: *step, at: event.at });
            }
            Act::Unacknowledge => {
                self.note(true, "Unacknowledged", "Unacknowledge", format!("{who} gave the ticket back"));
                self.tell_chain(Event::Unacknowledge { at: event.at });
            }
            act if act.is_work() => self.tell_chain(Event::Activity { at: event.at }),
            _ => {}
        }
    }

    /// The policy's name for a Kubernetes user, else the user.
    pub(super) fn person_of(&self, user: &str) -> String {
        self.live().and_then(|policy| policy.person_of_user(user)).unwrap_or(user).to_owned()
    }

    fn store(&mut self, folded: Folded) {
        self.status.state = Some(folded.state.into());
        self.status.reason = folded.reason.map(|reason| reason.as_str().to_owned());
        let recovered = self.status.recovered_at.filter(|_| folded.reason == Some(CloseReason::Recovered));
        self.status.resolved_at = folded.resolved_at.map(|at| recovered.unwrap_or(at));
        self.status.waits_until = folded.waits_until;
        self.status.priority = Some(folded.priority.clone());
        self.status.queue.clone_from(&folded.queue);
        self.status.assignee = folded.assignee.as_deref().map(|who| self.person_of(who));
        self.status.messages = self.messages(&folded);
        self.status.links = folded.links.iter().filter_map(link).collect();
        self.status.merged_into.clone_from(&folded.merged_into);
        self.status.reopens = Some(folded.reopens).filter(|reopens| *reopens > 0);
        self.status.feedback = folded.feedback.as_ref().map(|feedback| api::ticket_event::Feedback {
            score: feedback.score,
            effort: feedback.effort,
            comment: Some(feedback.comment.clone()).filter(|comment| !comment.is_empty()),
        });
        self.show_clocks(&folded);
        self.folded = Some(folded);
    }

    fn messages(&self, folded: &Folded) -> Option<Messages> {
        let all = &folded.messages;
        let last = all.iter().skip(all.len().saturating_sub(MESSAGES)).map(|spoken| MessageLine {
            at: spoken.at,
            from: if spoken.side == Side::Requester {
                cut(spoken.from.clone(), 256)
            } else {
                self.person_of(&spoken.from)
            },
            public: spoken.side != Side::Note,
            automatic: spoken.hand == Hand::Automatic,
            text: cut(spoken.text.clone(), MESSAGE_LENGTH),
        });
        (!all.is_empty())
            .then(|| Messages { total: u32::try_from(all.len()).unwrap_or(u32::MAX), last: last.collect() })
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

    /// A ticket that no alert opened is on a list from its beginning, and those who work it off hear of it once.
    fn tell_queue_of_a_new_ticket(&mut self) {
        if self.status.epoch.is_some() || self.seen.ticket.spec.origin.is_some() || self.is_over() {
            return;
        }
        let queue = self.status.queue.as_ref().and_then(|name| self.policy()?.queues.get(name));
        let Some(channel) = queue.and_then(|queue| queue.channel.clone()) else { return };
        self.plan_notice(&NotifyTarget::Channel(channel), self.now, 0, "the queue tells you of its new tickets");
    }
}

fn link(link: &event::Link) -> Option<Link> {
    let relation = Relation::parse(&link.relation)?;
    Some(match &link.target {
        LinkTarget::Ticket(name) => Link { relation, ticket: Some(name.clone()), url: None, title: None },
        LinkTarget::Page { url, title } => Link {
            relation,
            ticket: None,
            url: Some(url.clone()),
            title: Some(title.clone()).filter(|title| !title.is_empty()),
        },
    })
}
