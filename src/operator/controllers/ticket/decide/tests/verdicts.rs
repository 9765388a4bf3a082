//! What is recorded of an event is what the fold does with it, whenever earlier ones come in.

use proptest::prelude::*;

use super::{clocks::asked_by_mia, *};

fn asked() -> Desk {
    asked_by_mia("{priority: P3, calendar: always, resolution: 4h}")
}

fn verdicts(desk: &Desk) -> Vec<Option<bool>> {
    desk.events.iter().map(|event| event.status.as_ref().and_then(|status| status.accepted)).collect()
}

#[test]
fn what_counted_is_withdrawn_with_the_reason_when_an_earlier_message_makes_it_impossible() {
    let mut desk = asked();
    desk.look(1);
    desk.event("oidc:ada", &json!({"state": {"to": "Resolved"}}), 100);
    desk.look(100);
    desk.event("oidc:mia", &json!({"feedback": {"score": 5}}), 300);
    desk.look(300);
    assert_eq!(verdicts(&desk), [Some(true), Some(true)]);
    let message = json!({"message": {"from": "Mia", "text": "It is broken again."}, "occurredAt": at(200)});
    desk.event("oidc:mail", &message, 400);
    desk.look(400);
    assert_eq!(verdicts(&desk), [Some(true), Some(false), Some(true)]);
    let reason = desk.events[1].status.clone().unwrap().reason.unwrap();
    assert!(
        reason.starts_with("no longer counts, since what happened before it came in later: the ticket is Open"),
        "{reason}"
    );
    assert_eq!(desk.status().state, Some(TicketState::Open));
    assert!(!desk.look(500).changed);
    assert!(desk.last.as_ref().unwrap().events.is_empty(), "said once");
}

#[test]
fn an_event_that_asked_for_something_asks_once() {
    let mut desk = asked();
    desk.look(1);
    desk.event("oidc:mail", &json!({"message": {"from": "Mia", "text": "And my order?"}}), 10);
    desk.event("oidc:ada", &json!({"split": {"message": 1, "title": "An order"}}), 20);
    assert!(!desk.look(20).creations.is_empty());
    let again = desk.look(30);
    assert!(again.creations.is_empty() && again.events.is_empty());
}

fn acts() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!({"reply": {"text": "Which browser?"}})),
        Just(json!({"message": {"from": "Mia", "text": "Firefox."}})),
        Just(json!({"acknowledge": true})),
        Just(json!({"unacknowledge": true})),
        Just(json!({"assign": {"to": "bob"}})),
        Just(json!({"priority": {"to": "P2", "why": "so"}})),
        Just(json!({"noAnswerNeeded": {"why": "thanks"}})),
        Just(json!({"feedback": {"score": 4}})),
        Just(json!({"split": {"message": 1, "title": "Other"}})),
        prop::sample::select(vec!["Open", "PendingRequester", "PendingVendor", "Resolved", "Closed"])
            .prop_map(|state| json!({"state": {"to": state}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_is_recorded_is_what_the_fold_does(story in prop::collection::vec((acts(), 0_i64..3_000), 1..14)) {
        let mut desk = asked();
        desk.look(1);
        for (index, (act, late)) in story.into_iter().enumerate() {
            let second = 10 + 500 * index as i64;
            let mut act = act;
            act["occurredAt"] = json!(at((second - late).max(2)));
            desk.event("oidc:ada", &act, second);
            let before = verdicts(&desk);
            desk.look(second);
            let after = verdicts(&desk);
            for (before, after) in before.iter().zip(&after) {
                prop_assert!(*before != Some(false) || *after == Some(false), "a refusal is final");
            }
            let seen = desk.seen();
            let draft = Draft::open(&seen, at(second));
            let events = draft.events_in_order();
            let folded = draft.fold(&events);
            for (event, verdict) in events.iter().zip(&folded.verdicts) {
                let object = desk.events.iter().find(|object| object.name_any() == event.name).unwrap();
                let recorded = object.status.as_ref().unwrap().accepted;
                prop_assert_eq!(recorded, Some(verdict.is_accepted()), "{}", &event.name);
            }
            prop_assert!(desk.look(second).events.is_empty(), "and it comes to rest");
        }
    }
}
