//! People who call for a step.

use super::*;

fn to(step: u32, minute: i64) -> Event {
    Event::EscalateTo { step, at: at(minute) }
}

#[test]
fn a_step_that_is_called_for_runs_now_and_the_later_planned_times_stay() {
    let mut story = Story::begin();
    story.run(0, 2);
    story.happens(to(2, 3), 3);
    assert_eq!(story.told_from(1), ["3: - by chat (step 2)", "3: bob by chat (step 2)"]);
    story.run(4, 30);
    assert_eq!(story.told_from(3), ["5: ada by sms (step 1)", "30: carol by sms (step 3)"]);
}

#[test]
fn the_steps_before_one_that_is_called_for_are_not_skipped() {
    let mut story = Story::begin();
    story.run(0, 2);
    story.happens(to(3, 3), 3);
    story.run(4, 60);
    assert_eq!(
        story.told_from(1),
        [
            "3: carol by sms (step 3)",
            "5: ada by sms (step 1)",
            "10: - by chat (step 2)",
            "10: bob by chat (step 2)",
            "60: ada by chat (step 1)"
        ]
    );
}

#[test]
fn a_step_that_has_run_can_be_called_for_again_and_its_rules_start_over() {
    let mut story = Story::begin();
    story.run(0, 2);
    story.happens(to(1, 3), 3);
    story.run(4, 9);
    assert_eq!(story.told_from(1), ["3: ada by chat (step 1)", "8: ada by sms (step 1)"]);
}

#[test]
fn a_call_that_finds_nobody_passes_to_the_next_step() {
    let mut story = Story::begin();
    story.policy.people.remove("bob");
    story.policy.channels.remove("chat");
    story.advance(None, 0);
    story.happens(to(2, 3), 3);
    assert_eq!(story.told.last().unwrap(), "3: carol by sms (step 3)");
}

#[test]
fn calling_for_a_step_of_an_acknowledged_ticket_begins_a_cycle_with_that_step() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    let effects = story.happens(to(2, 50), 50);
    assert_eq!(
        remarkable(&effects),
        [&Effect::AcknowledgementWithdrawn { by: "ada".into(), why: Withdrawn::Escalated }]
    );
    story.run(51, 110);
    assert_eq!(
        story.told_from(1),
        [
            "50: - by chat (step 2)",
            "50: bob by chat (step 2)",
            "70: carol by sms (step 3)",
            "100: ada by chat (step 1)",
            "105: ada by sms (step 1)",
            "110: - by chat (step 2)",
            "110: bob by chat (step 2)"
        ]
    );
}

#[test]
fn calling_for_a_step_wakes_a_chain_that_had_stopped() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(Event::Stop { at: at(2) }, 2);
    story.happens(to(3, 30), 30);
    assert_eq!(story.told_from(1), ["30: carol by sms (step 3)"]);
    assert_eq!(story.next(30), Some(60));
}

#[test]
fn a_step_that_does_not_exist_changes_nothing() {
    let mut story = Story::begin();
    story.advance(None, 0);
    let before = story.chain.clone();
    for step in [0, 4, u32::MAX] {
        assert!(story.happens(to(step, 1), 1).is_empty());
    }
    assert_eq!(story.chain, before);
}

#[test]
fn a_call_during_a_silence_waits_for_its_end() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.hold("silence deploy-42", HoldKind::Silence, Some(8));
    let effects = story.happens(to(3, 3), 3);
    assert_eq!(
        remarkable(&effects),
        [&Effect::Held { at: at(3), step: 3, person: None, by: "silence deploy-42".into() }]
    );
    story.suppressed = None;
    story.advance(None, 8);
    assert_eq!(story.told_from(1), ["8: carol by sms (step 3)"]);
}

#[test]
fn a_call_during_a_silence_that_holds_something_older_runs_at_its_end_and_not_later() {
    let mut story = Story::begin();
    story.run(0, 1);
    story.hold("silence deploy-42", HoldKind::Silence, Some(15));
    story.run(2, 7);
    story.happens(to(3, 8), 8);
    story.suppressed = None;
    story.advance(None, 15);
    assert_eq!(story.told_from(1), ["15: ada by sms (step 1)", "15: carol by sms (step 3)"]);
}
