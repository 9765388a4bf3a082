//! What holds a chain, and what its end does.

use super::*;

#[test]
fn a_silence_holds_what_is_due_and_shifts_what_comes_later() {
    let mut story = Story::begin();
    story.run(0, 1);
    story.hold("silence deploy-42", HoldKind::Silence, Some(15));
    let effects = story.run(2, 14);
    assert_eq!(
        effects,
        [Effect::Held { at: at(5), step: 1, person: Some("ada".into()), by: "silence deploy-42".into() }]
    );
    assert_eq!(story.next(14), Some(15), "the end of the silence wakes it");
    story.suppressed = None;
    story.advance(None, 15);
    assert_eq!(story.told.last().unwrap(), "15: ada by sms (step 1)");
    assert_eq!(story.next(15), Some(20), "step 2 waits its ten minutes less the five already gone");
}

#[test]
fn a_silence_that_ends_sooner_than_it_said_releases_at_once() {
    let mut story = Story::begin();
    story.hold("silence deploy-42", HoldKind::Silence, Some(60));
    story.advance(None, 0);
    story.suppressed = None;
    story.advance(None, 7);
    assert_eq!(story.told, ["7: ada by chat (step 1)"]);
    assert_eq!(story.next(7), Some(12));
}

#[test]
fn a_late_look_after_a_silence_counts_from_its_end() {
    let mut story = Story::begin();
    story.hold("silence deploy-42", HoldKind::Silence, Some(15));
    story.advance(None, 0);
    story.suppressed = None;
    story.advance(None, 18);
    assert_eq!(story.told, ["18: ada by chat (step 1)"]);
    assert_eq!(story.next(18), Some(20), "ada's second rule, five minutes after the end of the silence");
}

#[test]
fn a_second_silence_goes_on_where_the_first_ended_and_is_written_down() {
    let mut story = Story::begin();
    story.hold("silence a", HoldKind::Silence, Some(10));
    let mut effects = story.run(0, 9);
    story.hold("silence b", HoldKind::Silence, Some(20));
    effects.extend(story.run(10, 19));
    let by: Vec<_> =
        effects.iter().filter_map(|e| if let Effect::Held { by, .. } = e { Some(by.as_str()) } else { None }).collect();
    assert_eq!(by, ["silence a", "silence b"]);
    story.suppressed = None;
    let effects = story.advance(None, 20);
    assert_eq!(
        remarkable(&effects),
        [&Effect::Released { by: "silence b".into(), waited: std::time::Duration::from_secs(1_200) }]
    );
}

#[test]
fn what_a_cause_held_waits_a_minute_more_after_its_end() {
    let mut story = Story::begin();
    story.hold("inhibited by region-down", HoldKind::Inhibition, None);
    story.advance(None, 0);
    assert_eq!(story.next(0), None, "the end of the cause is what wakes it");
    story.suppressed = None;
    story.advance(None, 30);
    assert_eq!((story.told.len(), story.next(30)), (0, Some(31)));
    story.advance(None, 31);
    assert_eq!(story.told, ["31: ada by chat (step 1)"]);
}

#[test]
fn a_cause_that_comes_back_within_the_minute_holds_on() {
    let mut story = Story::begin();
    story.hold("inhibited by region-down", HoldKind::Inhibition, None);
    story.advance(None, 0);
    story.suppressed = None;
    story.advance(None, 30);
    story.hold("inhibited by region-down", HoldKind::Inhibition, None);
    story.run(31, 50);
    story.suppressed = None;
    story.run(51, 52);
    assert_eq!(story.told, ["52: ada by chat (step 1)"]);
}

#[test]
fn a_cause_that_recovers_with_what_it_held_pages_nobody() {
    let mut story = Story::begin();
    story.hold("inhibited by region-down", HoldKind::Inhibition, None);
    story.advance(None, 0);
    story.suppressed = None;
    story.advance(None, 30);
    story.happens(Event::Stop { at: at(30) }, 30);
    story.run(31, 60);
    assert!(story.told.is_empty());
}

#[test]
fn a_mute_calendar_holds_only_a_chain_that_has_reached_nobody() {
    let mut story = Story::begin();
    story.hold("calendar office", HoldKind::Calendar, Some(30));
    story.run(0, 29);
    assert!(story.told.is_empty());
    let mut story = Story::begin();
    story.advance(None, 0);
    story.hold("calendar office", HoldKind::Calendar, Some(30));
    story.run(1, 10);
    assert_eq!(story.told.len(), 4, "{:?}", story.told);
}

#[test]
fn an_acknowledgement_during_a_silence_ends_the_wait() {
    let mut story = Story::begin();
    story.hold("silence deploy-42", HoldKind::Silence, Some(15));
    story.advance(None, 0);
    story.happens(ack(2), 2);
    story.suppressed = None;
    story.run(3, 40);
    assert!(story.told.is_empty());
}

#[test]
fn a_trouble_that_comes_back_after_a_silence_goes_on_where_it_was_held() {
    let mut story = Story::begin();
    story.run(0, 1);
    story.hold("silence deploy-42", HoldKind::Silence, Some(100));
    story.run(2, 20);
    story.happens(Event::Stop { at: at(21) }, 21);
    story.suppressed = None;
    story.happens(Event::Refire { at: at(30) }, 30);
    story.run(31, 36);
    assert_eq!(
        story.told_from(1),
        ["30: ada by chat (step 1)", "35: ada by sms (step 1)", "35: - by chat (step 2)", "35: bob by chat (step 2)"]
    );
}
