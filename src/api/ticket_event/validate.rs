//! From a TicketEvent's spec to the act that the fold reads. Whether the ticket allows it is the fold's to say.

use domain::{
    problem::Problem,
    ticket::{
        TicketState,
        event::{Act, Feedback, Hand, Link, LinkTarget},
    },
};

use super::{TicketEvent, TicketEventSpec};
use crate::{
    findings::{Findings, Validated},
    ticket,
};

/// Reads a TicketEvent.
///
/// # Errors
/// All problems, warnings among them, when one of them is an error.
pub fn validate(event: &TicketEvent) -> Result<Validated<Act>, Vec<Problem>> {
    let mut findings = Findings::default();
    let acts = acts(&event.spec);
    // A link that leads nowhere is written all the same.
    let is_written = |name: &str, act: &Option<Act>| act.is_some() || name == "link" && event.spec.link.is_some();
    let written: Vec<_> = acts.iter().map(|(name, act)| (*name, is_written(name, act))).collect();
    findings.exactly_one("spec", &written);
    if let Some(link) = &event.spec.link {
        ticket::validate_link(&mut findings, "spec.link", link, Some(&event.spec.ticket));
    }
    if event.spec.merge.as_ref().is_some_and(|merge| merge.into == event.spec.ticket) {
        findings.error("spec.merge.into", "expected another ticket, found this one");
    }
    findings.finish_some(acts.into_iter().find_map(|(_, act)| act))
}

/// The act that a spec describes; `None` for a spec without one, which the CRD refuses.
pub fn act(spec: &TicketEventSpec) -> Option<Act> {
    acts(spec).into_iter().find_map(|(_, act)| act)
}

/// Every member of the union, in the order of the fields.
fn acts(spec: &TicketEventSpec) -> [(&'static str, Option<Act>); 16] {
    [
        ("reply", spec.reply.as_ref().map(|it| Act::Reply { text: it.text.clone(), hand: hand(it.automatic) })),
        (
            "message",
            spec.message.as_ref().map(|it| Act::Message {
                from: it.from.clone(),
                text: it.text.clone(),
                hand: hand(it.automatic),
            }),
        ),
        ("note", spec.note.as_ref().map(|it| Act::Note { text: it.text.clone() })),
        ("acknowledge", spec.acknowledge.map(|_| Act::Acknowledge)),
        ("unacknowledge", spec.unacknowledge.map(|_| Act::Unacknowledge)),
        ("snooze", spec.snooze.as_ref().map(|it| Act::Snooze { until: whole(it.until) })),
        ("assign", spec.assign.as_ref().map(|it| Act::Assign { to: it.to.clone() })),
        (
            "state",
            spec.state.as_ref().map(|it| Act::State {
                to: TicketState::from(it.to).as_str().to_owned(),
                reason: it.reason.clone().unwrap_or_default(),
                until: it.until.map(whole),
            }),
        ),
        ("priority", spec.priority.as_ref().map(|it| Act::Priority { to: it.to.clone(), why: it.why.clone() })),
        ("link", spec.link.as_ref().and_then(link).map(Act::Link)),
        ("merge", spec.merge.as_ref().map(|it| Act::Merge { into: it.into.clone() })),
        ("split", spec.split.as_ref().map(|it| Act::Split { message: it.message, title: it.title.clone() })),
        ("queue", spec.queue.as_ref().map(|it| Act::Queue { to: it.to.clone() })),
        ("noAnswerNeeded", spec.no_answer_needed.as_ref().map(|it| Act::NoAnswerNeeded { why: it.why.clone() })),
        ("escalate", spec.escalate.as_ref().map(|it| Act::Escalate { step: it.step })),
        (
            "feedback",
            spec.feedback.as_ref().map(|it| {
                Act::Feedback(Feedback {
                    score: it.score,
                    effort: it.effort,
                    comment: it.comment.clone().unwrap_or_default(),
                })
            }),
        ),
    ]
}

fn hand(automatic: bool) -> Hand {
    if automatic { Hand::Automatic } else { Hand::Human }
}

fn whole(at: jiff::Timestamp) -> jiff::Timestamp {
    domain::time::whole_seconds(at)
}

/// `None` for a link that leads nowhere, which the CRD refuses.
fn link(link: &ticket::Link) -> Option<Link> {
    let target = match (&link.ticket, &link.url) {
        (Some(ticket), _) => LinkTarget::Ticket(ticket.clone()),
        (None, Some(url)) => LinkTarget::Page { url: url.clone(), title: link.title.clone().unwrap_or_default() },
        (None, None) => return None,
    };
    Some(Link { relation: link.relation.as_str().to_owned(), target })
}
