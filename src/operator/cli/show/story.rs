//! What happened to a ticket, in order: what the operator saw and did, and what people did.

use api::{TicketEvent, ticket_event::TicketEventSpec};
use domain::ticket::{
    event::{Act, Hand, LinkTarget},
    timeline::What,
};
use jiff::Timestamp;

use super::{
    super::{
        age::Times,
        output::{Paint, lines, plain},
    },
    Seen,
};
use crate::kube::meta;

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Line {
    /// When.
    pub(in super::super) at: Timestamp,
    /// What, in a word or two.
    pub(in super::super) what: String,
    /// The details; several lines for a note.
    pub(in super::super) detail: Vec<String>,
    /// How it is to be looked at.
    pub(super) paint: Paint,
}

/// The whole story, oldest first.
pub(in super::super) fn story(seen: &Seen, times: &Times) -> Vec<Line> {
    let timeline = seen.ticket.status.as_ref().map(|status| status.timeline.as_slice()).unwrap_or_default();
    let opened = std::iter::once((0, opened(seen)));
    let operator = timeline.iter().map(|line| {
        let detail = Some(times.retold(&plain(&line.detail))).filter(|detail| !detail.is_empty());
        let rank = if is_consequence(&line.what) { i64::MAX } else { 1 };
        (rank, Line { at: line.at, what: plain(&line.what), detail: detail.into_iter().collect(), paint: Paint::Plain })
    });
    // Of the same second: what happened, then what people did by sequence, then what the operator did about it.
    let people = seen.events.iter().map(|event| {
        let sequence = event.status.as_ref().and_then(|status| status.sequence).unwrap_or(i64::MAX - 2);
        (sequence.max(0).saturating_add(2), act(seen, event, times))
    });
    let mut lines: Vec<(i64, Line)> = opened.chain(operator).chain(people).collect();
    lines.sort_by_key(|(rank, line)| (line.at, *rank));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Whether the operator did this because of something else.
fn is_consequence(what: &str) -> bool {
    let what = What::parse(what);
    matches!(what, Some(What::Step | What::Held | What::Released | What::NobodyFound | What::Exhausted))
}

fn opened(seen: &Seen) -> Line {
    let spec = &seen.ticket.spec;
    let detail = match (&spec.origin, &spec.requester) {
        (Some(origin), _) if origin.policy.is_empty() => "by an alert that no policy serves".to_owned(),
        (Some(origin), _) => {
            let route = if origin.route.is_empty() {
                "its own default".to_owned()
            } else {
                format!("route {}", plain(&origin.route))
            };
            format!("by policy {}, {route}", plain(&origin.policy))
        }
        (None, Some(requester)) => format!("for {}", plain(&requester.name)),
        (None, None) => String::new(),
    };
    let detail = Some(detail).filter(|detail| !detail.is_empty());
    Line {
        at: meta::created(&seen.ticket),
        what: "Opened".to_owned(),
        detail: detail.into_iter().collect(),
        paint: Paint::Plain,
    }
}

fn act(seen: &Seen, event: &TicketEvent, times: &Times) -> Line {
    let author = event.spec.author.as_deref().map_or_else(|| "somebody".to_owned(), |author| seen.person(author));
    let (words, mut detail) = words(&event.spec, times);
    let status = event.status.as_ref();
    let (what, paint) = match status.and_then(|status| status.accepted) {
        Some(true) => (format!("{} {words}", plain(&author)), Paint::Strong),
        Some(false) => {
            let reason = status.and_then(|status| status.reason.as_deref()).unwrap_or("no reason given");
            detail.push(format!("refused: {}", times.retold(&plain(reason))));
            (format!("{} {words}", plain(&author)), Paint::Bad)
        }
        None => {
            detail.push("waits for the operator".to_owned());
            (format!("{} {words}", plain(&author)), Paint::Warn)
        }
    };
    Line { at: event.spec.occurred_at.unwrap_or_else(|| meta::created(event)), what, detail, paint }
}

fn words(spec: &TicketEventSpec, times: &Times) -> (String, Vec<String>) {
    let Some(act) = api::ticket_event::act(spec) else {
        return ("did something that this version does not know".to_owned(), Vec::new());
    };
    let some = |text: &str| Some(plain(text)).filter(|text| !text.is_empty()).into_iter().collect();
    match act {
        Act::Acknowledge => ("acknowledged".to_owned(), Vec::new()),
        Act::Unacknowledge => ("gave it back".to_owned(), Vec::new()),
        Act::Snooze { until } => (format!("took it, asleep until {}", times.clock(until)), Vec::new()),
        Act::Reply { text, hand: Hand::Human } => ("answered".to_owned(), lines(&text)),
        Act::Reply { text, hand: Hand::Automatic } => ("answered by itself".to_owned(), lines(&text)),
        Act::Message { from, text, .. } => (format!("recorded what {} wrote", plain(&from)), lines(&text)),
        Act::Note { text } => ("noted".to_owned(), lines(&text)),
        Act::Assign { to } => (format!("assigned it to {}", plain(&to)), Vec::new()),
        Act::State { to, reason, until } => {
            let until = until.map(|until| format!(" until {}", times.clock(until))).unwrap_or_default();
            (format!("moved it to {}{until}", plain(&to)), some(&reason))
        }
        Act::Priority { to, why } => (format!("made it {}", plain(&to)), some(&why)),
        Act::Link(link) => {
            let (target, title) = match &link.target {
                LinkTarget::Ticket(name) => (name, ""),
                LinkTarget::Page { url, title } => (url, title.as_str()),
            };
            (format!("linked it: {} {}", plain(&link.relation), plain(target)), some(title))
        }
        Act::Merge { into } => (format!("merged it into {}", plain(&into)), Vec::new()),
        Act::Split { message, title } => (format!("made message {message} a ticket of its own"), some(&title)),
        Act::Queue { to } => (format!("gave it to queue {}", plain(&to)), Vec::new()),
        Act::NoAnswerNeeded { why } => ("says that no answer is needed".to_owned(), some(&why)),
        Act::Escalate { step } => (format!("called for step {step}"), Vec::new()),
        Act::Feedback(feedback) => (format!("recorded a score of {} of 5", feedback.score), some(&feedback.comment)),
    }
}
