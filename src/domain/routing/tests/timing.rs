//! When notices go out. Times are seconds from the start of the story.

use proptest::prelude::*;

use super::*;
use crate::{
    routing::timing::{Due, Effect, Event, Notices, Timing, Why, advance, next},
    suppression::{Hold, HoldKind},
};
use jiff::{SignedDuration, Timestamp};

fn at(seconds: i64) -> Timestamp {
    "2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// 30 s, 5 min, 4 h.
fn timing() -> Timing {
    Timing {
        group_wait: Duration::from_secs(30),
        group_interval: Duration::from_secs(300),
        repeat_interval: Some(Duration::from_secs(4 * 3_600)),
    }
}

fn hold(kind: HoldKind) -> Hold {
    Hold { by: format!("a {kind}"), kind, until: None }
}

/// A group and what it told.
#[derive(Default)]
struct Story {
    state: Notices,
    told: Vec<(i64, Why)>,
}

impl Story {
    fn goes_on(&mut self, now: i64, event: Option<Event>, hold: Option<&Hold>) -> Vec<Effect> {
        let effects = advance(&mut self.state, event, timing(), hold, at(now));
        let told = effects.iter().filter_map(|effect| match effect {
            Effect::Tell { why, .. } => Some((now, *why)),
            _ => None,
        });
        self.told.extend(told);
        effects
    }

    /// Looks whenever asked to, up to a time.
    fn runs_until(&mut self, end: i64) {
        while let Some(when) = next(&self.state, timing()).filter(|when| *when <= at(end)) {
            let now = (when - at(0)).get_seconds();
            self.goes_on(now, None, None);
        }
    }
}

#[test]
fn the_first_notice_waits_for_its_group_and_tells_of_all_that_joined_meanwhile() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.goes_on(10, Some(Event::Changed(at(10))), None);
    story.runs_until(3_600);
    assert_eq!(story.told, [(30, Why::First)]);
}

#[test]
fn what_changes_is_told_group_interval_after_the_last_notice_or_at_once_when_that_has_passed() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.runs_until(30);
    story.goes_on(40, Some(Event::Changed(at(40))), None);
    story.goes_on(50, Some(Event::Changed(at(50))), None);
    story.runs_until(1_000);
    story.goes_on(1_000, Some(Event::Changed(at(1_000))), None);
    assert_eq!(story.told, [(30, Why::First), (330, Why::Changed), (1_000, Why::Changed)]);
}

#[test]
fn the_same_is_told_again_after_repeat_interval_from_whatever_was_told_last() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.runs_until(30);
    story.goes_on(500, Some(Event::Changed(at(500))), None);
    story.runs_until(500 + 2 * 4 * 3_600);
    let again = |times: i64| (500 + times * 4 * 3_600, Why::Again);
    assert_eq!(story.told, [(30, Why::First), (500, Why::Changed), again(1), again(2)]);
}

#[test]
fn what_is_over_before_its_first_notice_tells_nobody() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.goes_on(20, Some(Event::Ended), None);
    story.runs_until(24 * 3_600);
    assert_eq!(story.told, []);
}

#[test]
fn what_fires_again_after_its_end_is_told_as_new_and_under_a_number_of_its_own() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.runs_until(30);
    story.goes_on(60, Some(Event::Ended), None);
    story.goes_on(90, Some(Event::Fired(at(90))), None);
    let effects = story.goes_on(120, None, None);
    assert_eq!(effects, [Effect::Tell { why: Why::First, planned: at(120), number: 2 }]);
}

#[test]
fn a_silence_holds_what_is_due_and_lets_it_go_at_once() {
    let mut story = Story::default();
    let silence = hold(HoldKind::Silence);
    story.goes_on(0, Some(Event::Fired(at(0))), Some(&silence));
    let effects = story.goes_on(30, None, Some(&silence));
    let detail = "would have told of it at 2026-11-23T10:00:30Z, a silence".to_owned();
    assert_eq!(effects, [Effect::Held { detail }]);
    assert_eq!(story.goes_on(60, None, Some(&silence)), [], "held once, said once");
    assert_eq!(next(&story.state, timing()), None);
    let effects = story.goes_on(90, None, None);
    let detail = "a silence ended; the notice waited 1m".to_owned();
    assert_eq!(effects[0], Effect::Released { detail });
    assert_eq!(story.told, [(90, Why::First)]);
}

#[test]
fn an_inhibition_that_ends_lets_the_rest_settle_and_one_that_begins_again_starts_the_wait_over() {
    let mut story = Story::default();
    let inhibition = hold(HoldKind::Inhibition);
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.goes_on(30, None, Some(&inhibition));
    story.goes_on(100, None, None);
    assert_eq!(next(&story.state, timing()), Some(at(160)));
    story.goes_on(130, None, Some(&inhibition));
    story.goes_on(200, None, None);
    story.goes_on(220, None, None);
    story.runs_until(1_000);
    assert_eq!(story.told, [(260, Why::First)]);
}

#[test]
fn what_recovers_while_an_inhibition_settles_is_never_told() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.goes_on(30, None, Some(&hold(HoldKind::Inhibition)));
    story.goes_on(100, None, None);
    story.goes_on(120, Some(Event::Ended), None);
    story.runs_until(1_000);
    assert_eq!((story.told.as_slice(), &story.state.held), (&[][..], &None));
}

#[test]
fn a_rise_in_severity_is_told_as_new_at_once_where_a_page_waits_for_nothing() {
    let mut story = Story::default();
    story.goes_on(0, Some(Event::Fired(at(0))), None);
    story.runs_until(30);
    let paging = Timing { group_wait: Duration::ZERO, ..timing() };
    let effects = advance(&mut story.state, Some(Event::Rose(at(40))), paging, None, at(40));
    assert_eq!(effects, [Effect::Tell { why: Why::First, planned: at(40), number: 2 }]);
}

#[test]
fn its_state_is_stored_in_words() {
    let mut state = Notices::default();
    advance(&mut state, Some(Event::Fired(at(0))), timing(), None, at(0));
    assert_eq!(state.due, Some(Due { at: at(30), why: Why::First }));
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<Notices>(&text).unwrap(), state);
}

proptest! {
    #[test]
    fn changes_are_told_within_group_interval_and_never_closer_than_that(
        joins in prop::collection::vec(0i64..5_000, 0..12),
        late in 0i64..20,
    ) {
        let timing = Timing { repeat_interval: None, ..timing() };
        let mut joins = joins;
        joins.sort_unstable();
        let mut story = Story::default();
        story.goes_on(0, Some(Event::Fired(at(0))), None);
        for join in &joins {
            // Whoever looks may be late by some seconds.
            while let Some(when) = next(&story.state, timing).filter(|when| *when <= at(*join)) {
                story.goes_on((when - at(0)).get_seconds() + late, None, None);
            }
            story.goes_on(*join, Some(Event::Changed(at(*join))), None);
        }
        story.goes_on(10_000, None, None);
        for pair in story.told.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= 300, "{:?}", story.told);
        }
        for join in joins {
            let told = story.told.iter().find(|(when, _)| *when >= join);
            prop_assert!(told.is_some_and(|(when, _)| *when - join <= 330 + 2 * late || *when == 10_000));
        }
    }
}
