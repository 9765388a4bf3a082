//! Stories of one ticket, told to the fold alone.

mod conversation;
mod course;
mod ownership;
mod replay;
mod vectors;

use jiff::Timestamp;

use super::*;
use crate::ticket::event::LinkTarget;

const DAY: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn subject() -> Subject {
    Subject {
        uid: "uid".into(),
        name: "inc-a".into(),
        created: at(0),
        began: at(0),
        has_requester: false,
        firing: false,
        quiet_since: None,
        revisions: BTreeMap::new(),
        spec: SpecFacts::default(),
    }
}

/// A ticket that Mia asked for.
fn asked() -> Subject {
    Subject { has_requester: true, ..subject() }
}

fn event(second: i64, author: &str, act: Act) -> TicketEvent {
    TicketEvent {
        name: format!("{author}-{second}"),
        sequence: second.unsigned_abs(),
        at: at(second),
        created: at(second.max(0)),
        owner: None,
        author: author.into(),
        act,
        refused: None,
    }
}

fn line(second: i64, what: What) -> Line {
    Line { at: at(second), what, detail: String::new() }
}

fn said(second: i64, what: What, detail: &str) -> Line {
    Line { at: at(second), what, detail: detail.into() }
}

fn to(state: &str) -> Act {
    Act::State { to: state.into(), reason: String::new(), until: None }
}

fn until(state: &str, second: i64) -> Act {
    Act::State { to: state.into(), reason: String::new(), until: Some(at(second)) }
}

fn reply() -> Act {
    Act::Reply { text: "Which browser?".into(), hand: Hand::Human }
}

fn message() -> Act {
    Act::Message { from: "mia@acme.example".into(), text: "Firefox.".into(), hand: Hand::Human }
}

fn out_of_office() -> Act {
    Act::Message { from: "mia@acme.example".into(), text: "I am away.".into(), hand: Hand::Automatic }
}

/// The state at that second.
fn told(subject: &Subject, events: &[TicketEvent], timeline: &[Line], second: i64) -> Folded {
    fold(subject, events, timeline, None, at(second))
}

/// The reason of the last refusal.
fn refusal(folded: &Folded) -> &str {
    match folded.verdicts.last() {
        Some(Verdict::Refused(reason)) => reason,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn words(folded: &Folded) -> Vec<String> {
    folded
        .happenings
        .iter()
        .map(|happening| format!("{} {:?}", happening.at.duration_since(at(0)).as_secs(), happening.what))
        .collect()
}
