//! Acknowledgements: what they end, how they end, and what a refire makes of them.

use super::*;

#[test]
fn an_acknowledgement_ends_every_step_and_rule_still_to_come() {
    let mut story = Story::begin();
    story.run(0, 2);
    story.happens(ack(3), 3);
    story.run(4, 59);
    assert_eq!(story.told, ["0: ada by chat (step 1)"]);
}

#[test]
fn an_acknowledgement_nobody_follows_up_is_asked_about_at_80_percent_and_then_withdrawn() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    assert_eq!(story.next(1), Some(49));
    let effects = story.run(2, 61);
    assert_eq!(
        remarkable(&effects),
        [
            &Effect::AskStillOnIt { by: "ada".into() },
            &Effect::AcknowledgementWithdrawn { by: "ada".into(), why: Withdrawn::Silent }
        ]
    );
    assert_eq!((story.chain.cycle, story.chain.round), (2, 1), "it uses up no times");
    assert_eq!(story.told.last().unwrap(), "61: ada by chat (step 1)");
}

#[test]
fn a_late_look_withdraws_at_the_planned_time() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.advance(None, 65);
    assert_eq!(story.told_from(1), ["65: ada by chat (step 1)"]);
    assert_eq!(story.next(65), Some(66), "ada's second rule, five minutes after the withdrawal");
}

#[test]
fn work_on_the_ticket_keeps_the_acknowledgement() {
    let mut story = Story::begin();
    story.happens(ack(0), 0);
    story.happens(Event::Activity { at: at(47) }, 47);
    story.run(48, 94);
    assert!(story.chain.acknowledged.is_some());
}

#[test]
fn an_old_act_that_arrives_late_does_not_take_the_question_back() {
    let mut story = Story::begin();
    story.happens(ack(0), 0);
    story.run(1, 48);
    story.happens(Event::Activity { at: at(0) }, 49);
    assert!(story.chain.acknowledged.as_ref().unwrap().asked);
}

#[test]
fn giving_it_back_starts_a_new_cycle_at_once() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.happens(Event::Unacknowledge { at: at(5) }, 5);
    assert_eq!(story.told_from(1), ["5: ada by chat (step 1)"]);
    assert_eq!(story.chain.cycle, 2);
}

#[test]
fn giving_it_back_while_nothing_fires_pages_nobody_until_it_fires_again() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.happens(Event::Stop { at: at(2) }, 2);
    story.happens(Event::Unacknowledge { at: at(3) }, 3);
    story.run(4, 100);
    assert_eq!(story.told.len(), 1);
    story.happens(Event::Refire { at: at(101) }, 101);
    assert_eq!(story.told_from(1), ["101: ada by chat (step 1)"]);
    assert_eq!(story.next(101), Some(106));
}

#[test]
fn a_snooze_is_an_acknowledgement_that_ends_by_itself_without_a_question() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(snooze(1, 300), 1);
    assert_eq!(story.next(1), Some(300));
    let effects = story.run(2, 300);
    assert_eq!(
        remarkable(&effects),
        [&Effect::AcknowledgementWithdrawn { by: "ada".into(), why: Withdrawn::SnoozeEnded }]
    );
    assert_eq!(story.told_from(1), ["300: ada by chat (step 1)"]);
    assert_eq!((story.chain.cycle, story.chain.round), (2, 1));
}

#[test]
fn a_snooze_into_the_past_is_over_at_once() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(snooze(5, 2), 5);
    assert_eq!(story.told_from(1), ["5: ada by chat (step 1)"]);
}

#[test]
fn an_acknowledgement_ends_a_snooze_and_one_that_arrives_late_does_not() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(snooze(10, 300), 10);
    story.happens(ack(5), 11);
    assert_eq!(story.chain.acknowledged.as_ref().unwrap().until, Some(at(300)));
    story.happens(ack(12), 12);
    assert_eq!(story.chain.acknowledged.as_ref().unwrap().until, None);
    assert_eq!(story.next(12), Some(60), "80 % of an hour from the latest act");
}

#[test]
fn the_same_event_twice_changes_nothing() {
    let repeated = [
        vec![ack(1)],
        vec![snooze(1, 90)],
        vec![ack(1), Event::Activity { at: at(2) }],
        vec![ack(1), Event::Unacknowledge { at: at(2) }],
        vec![Event::Stop { at: at(1) }],
        vec![Event::Stop { at: at(1) }, Event::Refire { at: at(2) }],
    ];
    for events in repeated {
        let mut story = Story::begin();
        story.advance(None, 0);
        for event in &events {
            story.happens(event.clone(), 3);
        }
        let before = story.chain.clone();
        let effects = story.happens(events.last().unwrap().clone(), 3);
        assert_eq!((effects, &story.chain), (vec![], &before), "{events:?}");
    }
}

#[test]
fn the_end_of_the_trouble_stops_the_chain_and_a_refire_runs_the_current_step_again() {
    let mut story = Story::begin();
    story.run(0, 11);
    story.happens(Event::Stop { at: at(12) }, 12);
    assert_eq!(story.next(12), None);
    story.run(13, 20);
    assert_eq!(story.told.len(), 4);
    story.happens(Event::Refire { at: at(21) }, 21);
    assert_eq!(story.told_from(4), ["21: - by chat (step 2)", "21: bob by chat (step 2)"]);
    assert_eq!(story.next(21), Some(39), "step 3 keeps its distance");
}

#[test]
fn a_refire_does_not_forget_what_earlier_steps_have_still_to_say() {
    let mut story = Story::begin();
    story.policy.people.get_mut("ada").unwrap().rules[1].after = crate::policy::example::minutes(20);
    story.run(0, 11);
    story.happens(Event::Stop { at: at(12) }, 12);
    story.happens(Event::Refire { at: at(15) }, 15);
    story.run(16, 30);
    assert_eq!(story.told.last().unwrap(), "23: ada by sms (step 1)", "three minutes of quiet later than planned");
}

#[test]
fn a_refire_of_an_exhausted_chain_starts_over_at_once() {
    let mut story = Story::begin();
    story.run(0, 130);
    story.happens(Event::Stop { at: at(131) }, 131);
    story.happens(Event::Refire { at: at(132) }, 132);
    assert_eq!(story.told.last().unwrap(), "132: ada by chat (step 1)");
    assert_eq!(story.next(132), Some(137));
}

#[test]
fn a_refire_after_an_acknowledgement_is_only_an_update() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.happens(Event::Stop { at: at(2) }, 2);
    let effects = story.happens(Event::Refire { at: at(3) }, 3);
    assert_eq!(effects, [Effect::TellRefired { by: "ada".into() }]);
}

#[test]
fn an_acknowledgement_that_grew_old_while_nothing_fired_does_not_keep_a_refire_quiet() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.happens(Event::Stop { at: at(2) }, 2);
    story.happens(Event::Refire { at: at(200) }, 200);
    assert_eq!(story.told_from(1), ["200: ada by chat (step 1)"]);
    assert_eq!(story.next(200), Some(205), "the new cycle counts from the refire");
}

#[test]
fn a_rise_in_severity_starts_a_new_cycle_even_if_acknowledged() {
    let mut story = Story::begin();
    story.advance(None, 0);
    story.happens(ack(1), 1);
    story.happens(Event::Restart { at: at(4) }, 4);
    assert_eq!(story.told_from(1), ["4: ada by chat (step 1)"]);
    assert_eq!(story.chain.cycle, 2);
}
