//! A long ticket: what its whole history costs to read again, which every look at it does.

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use domain::ticket::{
    event::{Act, Hand, TicketEvent},
    fold::{MOST_EVENTS, fold},
    subject::{SpecFacts, Subject},
};
use jiff::{SignedDuration, Timestamp};

use super::Bar;

/// The costs of the fold.
pub fn bars() -> Vec<Bar> {
    let began = Timestamp::UNIX_EPOCH;
    let subject = Subject {
        uid: "uid".to_owned(),
        name: "inc-a".to_owned(),
        created: began,
        began,
        has_requester: true,
        firing: false,
        quiet_since: None,
        revisions: BTreeMap::new(),
        spec: SpecFacts::default(),
    };
    let events: Vec<TicketEvent> = (0..MOST_EVENTS).map(|place| event(place, began)).collect();
    let now = began + SignedDuration::from_hours(MOST_EVENTS as i64);
    vec![Bar::measure("fold of a ticket with 1,000 events", Some(Duration::from_millis(5)), || {
        fold(black_box(&subject), black_box(&events), &[], None, now)
    })]
}

/// Every minute something else: question, answer, wait, note, priority.
fn event(place: usize, began: Timestamp) -> TicketEvent {
    let text = "It has been like this since the deploy of ten o'clock, in every browser. ".repeat(8);
    let act = match place % 6 {
        0 => Act::Message { from: "mia@acme.example".to_owned(), text, hand: Hand::Human },
        1 => Act::Reply { text, hand: Hand::Human },
        2 => Act::State { to: "PendingRequester".to_owned(), reason: String::new(), until: None },
        3 => Act::Note { text },
        4 => Act::Priority { to: format!("P{}", 1 + place % 5), why: "seen it".to_owned() },
        _ => Act::Acknowledge,
    };
    let at = began + SignedDuration::from_mins(place as i64);
    let sequence = place as u64;
    TicketEvent {
        name: format!("e-{place}"),
        sequence,
        at,
        created: at,
        owner: None,
        author: "ada".to_owned(),
        act,
        refused: None,
    }
}
