//! Handovers while a step waits for an answer. Monday 2026-11-09 09:00 in Berlin is minute 8580: ada and bob change.

use super::*;

const HANDOVER: i64 = 8_580;

fn begin(before: i64) -> Story {
    let mut story = Story::begin();
    story.chain = Chain::start(at(HANDOVER - before));
    story.advance(None, HANDOVER - before);
    story
}

#[test]
fn a_handover_during_a_step_pages_the_next_person_and_spares_the_one_who_left() {
    let mut story = begin(2);
    assert_eq!(story.next(HANDOVER - 2), Some(HANDOVER));
    let effects = story.run(HANDOVER - 1, HANDOVER + 4);
    assert_eq!(story.told, ["8578: ada by chat (step 1)", "8580: bob by chat (step 1)"]);
    assert_eq!(begun(&effects), ["step 1: bob (took over primary)"]);
}

#[test]
fn a_handover_after_the_acknowledgement_pages_nobody() {
    let mut story = begin(2);
    story.happens(ack(HANDOVER - 1), HANDOVER - 1);
    story.run(HANDOVER, HANDOVER + 4);
    assert_eq!(story.told.len(), 1);
}

#[test]
fn one_who_goes_off_duty_keeps_the_rules_of_a_step_that_names_them_as_well() {
    let mut story = Story::begin();
    story.escalation.steps[0].notify.push(NotifyTarget::Person("ada".into()));
    story.chain = Chain::start(at(HANDOVER - 2));
    story.run(HANDOVER - 2, HANDOVER + 4);
    assert_eq!(story.told, ["8578: ada by chat (step 1)", "8580: bob by chat (step 1)", "8583: ada by sms (step 1)"]);
}

#[test]
fn two_who_change_places_within_a_step_are_not_told_again() {
    let mut story = Story::begin();
    story.escalation.steps[0].notify.push(NotifyTarget::Schedule("secondary".into()));
    story.chain = Chain::start(at(HANDOVER - 2));
    story.run(HANDOVER - 2, HANDOVER + 4);
    assert_eq!(story.told, ["8578: ada by chat (step 1)", "8578: bob by chat (step 1)", "8583: ada by sms (step 1)"]);
}

#[test]
fn one_who_goes_off_duty_is_told_on_when_the_next_cannot_be_reached() {
    let mut story = begin(2);
    story.policy.people.get_mut("bob").unwrap().rules[0].channel = "gone".into();
    let effects = story.run(HANDOVER - 1, HANDOVER + 4);
    assert_eq!(begun(&effects), ["step 1: bob has no channel left"]);
    assert_eq!(story.told, ["8578: ada by chat (step 1)", "8583: ada by sms (step 1)"]);
}

#[test]
fn several_handovers_of_an_absence_page_the_one_who_is_on_call_now() {
    let mut story = begin(2);
    story.escalation.steps.truncate(1);
    story.escalation.repeat.every = crate::policy::example::minutes(60 * 24 * 30);
    let two_weeks = HANDOVER + 14 * 24 * 60 + 5;
    story.advance(None, two_weeks);
    assert_eq!(story.told.last().unwrap(), &format!("{two_weeks}: bob by chat (step 1)"));
}

#[test]
fn an_override_that_begins_during_a_step_pages_whoever_stands_in() {
    let mut story = Story::begin();
    story.run(0, 2);
    let from_3_to_20 = Override {
        name: "swap".into(),
        schedule: "primary".into(),
        person: "carol".into(),
        replaces: Some("ada".into()),
        from: at(3),
        until: at(20),
        created: at(2),
    };
    story.overrides = vec![from_3_to_20];
    assert_eq!(story.next(2), Some(3));
    story.run(3, 9);
    assert_eq!(story.told, ["0: ada by chat (step 1)", "3: carol by sms (step 1)"]);
    assert_eq!(story.next(9), Some(10));
    story.run(10, 20);
    assert_eq!(story.told.last().unwrap(), "20: ada by chat (step 1)", "ada is on duty again, and nobody answered");
}
