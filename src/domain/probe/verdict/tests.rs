//! Looks are written as letters: `.` success, `s` slow success, `x` failure, `?` could not look.
//! They come a minute apart.

use jiff::ToSpan;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::probe::{
    Phase,
    fixtures::{look, noon},
};

const MINUTE: Duration = Duration::from_secs(60);

fn thresholds() -> Thresholds {
    Thresholds { degraded_above: Some(Duration::from_millis(800)), ..Thresholds::default() }
}

fn flapping_after_four_changes() -> Thresholds {
    let flapping = Flapping { changes: 4, window: MINUTE * 30 };
    Thresholds { down: 1, up: 1, flapping: Some(flapping), ..Thresholds::default() }
}

struct Watch {
    verdict: Verdict,
    thresholds: Thresholds,
    now: Timestamp,
    transitions: Vec<Transition>,
}

impl Watch {
    fn new(thresholds: Thresholds) -> Self {
        Self::over(Verdict::new(noon()), thresholds)
    }

    fn over(verdict: Verdict, thresholds: Thresholds) -> Self {
        Self { verdict, thresholds, now: noon(), transitions: Vec::new() }
    }

    fn see(mut self, looks: &str) -> Self {
        for letter in looks.chars() {
            self.now += 1.minute();
            let sample = look(letter, self.now);
            self.transitions.extend(self.verdict.observe(&sample, &self.thresholds, self.now));
        }
        self
    }

    fn states(&self) -> String {
        self.transitions.iter().map(|t| t.to.as_str()).collect::<Vec<_>>().join(" ")
    }
}

#[rstest]
#[case::one_success_is_enough_when_nothing_is_known(".", "Up")]
#[case::a_slow_first_success_is_up_until_it_is_confirmed("s", "Up")]
#[case::two_failures_at_the_start_are_not_yet_down("xx", "")]
#[case::three_failures_at_the_start_are_down("xxx", "Down")]
#[case::two_failures_do_not_move_an_up(".xx.xx.", "Up")]
#[case::three_failures_in_a_row_are_down(".xxx", "Up Down")]
#[case::more_failures_say_nothing_new(".xxxxxx", "Up Down")]
#[case::one_success_does_not_end_a_down(".xxx.x.x", "Up Down")]
#[case::two_successes_in_a_row_end_a_down(".xxx..", "Up Down Up")]
#[case::two_slow_successes_end_a_down_as_degraded(".xxxss", "Up Down Degraded")]
#[case::a_slow_then_a_fast_success_end_a_down_as_up(".xxxs.", "Up Down Up")]
#[case::two_slow_successes_do_not_move_an_up(".ss.ss", "Up")]
#[case::three_slow_successes_in_a_row_are_degraded(".sss", "Up Degraded")]
#[case::one_fast_success_does_not_end_a_degraded(".sss.s.s", "Up Degraded")]
#[case::two_fast_successes_end_a_degraded(".sss..", "Up Degraded Up")]
#[case::a_failure_between_slow_ones_begins_their_count_anew(".ssxss", "Up")]
#[case::a_degraded_target_can_go_down(".sssxxx", "Up Degraded Down")]
#[case::one_blind_look_is_unknown(".?", "Up Unknown")]
#[case::never_able_to_look_stays_unknown("????", "")]
#[case::a_success_after_blindness_is_up_at_once(".?.", "Up Unknown Up")]
#[case::a_degraded_target_is_still_degraded_after_blindness(".sss?s", "Up Degraded Unknown Degraded")]
#[case::down_needs_its_successes_after_blindness_too(".xxx?.", "Up Down Unknown")]
#[case::down_ends_after_blindness_with_two_successes(".xxx?..", "Up Down Unknown Up")]
#[case::blindness_begins_the_count_of_failures_anew(".xx?xx", "Up Unknown")]
#[case::down_needs_three_failures_from_unknown(".xxx?xxx", "Up Down Unknown Down")]
fn looks_lead_to_states(#[case] looks: &str, #[case] expected: &str) {
    assert_eq!(Watch::new(thresholds()).see(looks).states(), expected);
}

#[rstest]
#[case::three_changes_are_not_flapping(".x.x", "Up Down Up Down")]
#[case::four_changes_are(".x.x.", "Up Down Up Down Flapping")]
#[case::more_changes_say_nothing_new(".x.x.x.x.", "Up Down Up Down Flapping")]
#[case::it_ends_after_a_window_without_a_change(".x.x..............................", "Up Down Up Down Flapping")]
#[case::and_not_before(".x.x...............................", "Up Down Up Down Flapping Up")]
#[case::it_can_end_as_down(".x.x.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "Up Down Up Down Flapping Down")]
#[case::the_first_answer_is_no_change("x.x.x", "Down Up Down Up Flapping")]
#[case::blindness_goes_before_flapping(".x.x.?.", "Up Down Up Down Flapping Unknown Flapping")]
fn changes_lead_to_flapping(#[case] looks: &str, #[case] expected: &str) {
    assert_eq!(Watch::new(flapping_after_four_changes()).see(looks).states(), expected);
}

#[test]
fn a_first_look_that_could_not_be_taken_says_why_although_the_state_stays_unknown() {
    let watch = Watch::new(thresholds()).see("?");
    assert_eq!((watch.states().as_str(), watch.verdict.state()), ("", State::Unknown));
    assert_eq!(watch.verdict.reason(), Some(Reason::EgressDenied));
    assert!(watch.verdict.message().contains("EgressDenied"), "{}", watch.verdict.message());
}

#[test]
fn slow_changes_are_not_flapping() {
    let quiet = ".".repeat(30);
    let watch = Watch::new(flapping_after_four_changes()).see(&format!("{quiet}x{quiet}x{quiet}x{quiet}x{quiet}"));
    assert!(!watch.states().contains("Flapping"), "{}", watch.states());
}

#[test]
fn flapping_still_knows_whether_it_is_down() {
    let watch = Watch::new(flapping_after_four_changes()).see(".x.x.");
    assert!(!watch.verdict.is_down());
    let watch = watch.see("x");
    assert_eq!((watch.verdict.state(), watch.verdict.is_down()), (State::Flapping, true));
}

#[rstest]
#[case::down_stays_down_after_one_success(State::Down, ".", "")]
#[case::down_ends_after_two(State::Down, "..", "Up")]
#[case::up_needs_three_failures(State::Up, "xx", "")]
#[case::up_goes_down_after_three(State::Up, "xxx", "Down")]
#[case::degraded_needs_two_fast_ones(State::Degraded, ".", "")]
#[case::unknown_goes_up_at_once(State::Unknown, ".", "Up")]
#[case::flapping_stays_for_a_window(State::Flapping, ".............................", "")]
#[case::flapping_ends_after_a_window(State::Flapping, "..............................", "Up")]
fn a_restart_goes_on_from_the_word_that_was_kept(#[case] word: State, #[case] looks: &str, #[case] expected: &str) {
    let since = noon() - 1.hour();
    let restored = Verdict::restore(word, since, noon());
    assert_eq!((restored.state(), restored.since()), (word, since));
    let thresholds = Thresholds { flapping: flapping_after_four_changes().flapping, ..thresholds() };
    let watch = Watch::over(restored, thresholds).see(looks);
    assert_eq!(watch.states(), expected);
}

#[test]
fn a_transition_says_from_what_to_what_when_and_why() {
    let watch = Watch::new(thresholds()).see(".xxx");
    let down = watch.transitions.last().unwrap();
    assert_eq!((down.from, down.to, down.reason), (State::Up, State::Down, Some(Reason::ConnectRefused)));
    assert_eq!(down.at, noon() + 4.minutes());
    assert!(down.message.contains("ConnectRefused"), "{}", down.message);
    assert_eq!((watch.verdict.reason(), watch.verdict.since()), (down.reason, down.at));
}

#[test]
fn while_down_the_reason_is_that_of_the_last_failure() {
    let mut watch = Watch::new(thresholds()).see(".xxx");
    let mut other = look('x', watch.now);
    other.failure = Some(Failure { reason: Reason::BadStatus, phase: Phase::Expect, message: "status 503".to_owned() });
    assert_eq!(watch.verdict.observe(&other, &watch.thresholds, watch.now), None);
    assert_eq!((watch.verdict.reason(), watch.verdict.message()), (Some(Reason::BadStatus), "status 503"));
}

#[test]
fn degraded_says_how_slow_it_is() {
    let watch = Watch::new(thresholds()).see(".sss");
    let degraded = watch.transitions.last().unwrap();
    assert_eq!(degraded.reason, Some(Reason::TooSlow));
    assert_eq!(degraded.message, "answered in 900ms; above 800ms 3 times in a row");
}

#[rstest]
#[case::nothing_failed(".", NextProbe::AtInterval)]
#[case::the_first_failure_is_confirmed_soon(".x", NextProbe::ConfirmAfter(Duration::from_secs(2)))]
#[case::so_is_the_second(".xx", NextProbe::ConfirmAfter(Duration::from_secs(2)))]
#[case::also_at_the_start("x", NextProbe::ConfirmAfter(Duration::from_secs(2)))]
#[case::when_down_the_interval_goes_on(".xxx", NextProbe::AtInterval)]
#[case::a_failure_after_a_success_while_down_is_nothing_new(".xxx.x", NextProbe::AtInterval)]
#[case::blindness_is_not_confirmed(".?", NextProbe::AtInterval)]
#[case::but_a_failure_after_it_is(".xxx?x", NextProbe::ConfirmAfter(Duration::from_secs(2)))]
fn failures_are_confirmed_soon(#[case] looks: &str, #[case] expected: NextProbe) {
    let watch = Watch::new(thresholds()).see(looks);
    assert_eq!(watch.verdict.next_after(&watch.thresholds, MINUTE), expected);
}

#[test]
fn an_interval_that_is_shorter_than_the_confirmation_goes_on() {
    let watch = Watch::new(thresholds()).see(".x");
    assert_eq!(watch.verdict.next_after(&watch.thresholds, Duration::from_secs(1)), NextProbe::AtInterval);
}

#[test]
fn a_retry_that_succeeds_is_recorded_as_such() {
    let watch = Watch::new(thresholds()).see(".x.");
    assert_eq!((watch.verdict.last_look(), watch.verdict.recovered_by_retry()), (Some(Look::SuccessOnRetry), 1));
    let watch = watch.see("xxx.");
    assert_eq!((watch.verdict.last_look(), watch.verdict.recovered_by_retry()), (Some(Look::Success), 1));
}

#[test]
fn while_suspended_no_look_counts() {
    let mut watch = Watch::new(thresholds()).see(".xx");
    let suspended = watch.verdict.suspend(watch.now).unwrap();
    assert_eq!((suspended.from, suspended.to), (State::Up, State::Suspended));
    assert_eq!(watch.verdict.suspend(watch.now), None);
    let mut watch = watch.see("xxx...");
    assert_eq!(watch.verdict.state(), State::Suspended);
    assert_eq!(watch.verdict.resume(watch.now).map(|t| t.to), Some(State::Unknown));
    assert_eq!(watch.verdict.resume(watch.now), None);
    assert_eq!(watch.see("xx").verdict.state(), State::Unknown);
}

#[rstest]
#[case::what_was_up_stays_up("", ".", "Up")]
#[case::down_is_said_when_it_ends("", "xxx", "Down")]
#[case::too_few_failures_are_not_down("", "xx", "Up")]
#[case::an_outage_within_it_is_never_said("", "xxx..", "Up")]
#[case::what_was_down_and_recovered_is_up("xxx", "..", "Up")]
#[case::what_was_down_stays_down("xxx", "", "Down")]
#[case::one_success_does_not_end_a_down("xxx", ".", "Down")]
#[case::a_slow_target_is_degraded_at_the_end("", "sss", "Degraded")]
#[case::who_could_not_look_does_not_know("", "x?", "Unknown")]
#[case::nor_who_could_not_look_before("?", "", "Unknown")]
fn a_maintenance_remembers_what_is_settled_beneath(#[case] before: &str, #[case] within: &str, #[case] after: &str) {
    let mut watch = Watch::new(thresholds()).see(".").see(before);
    let began = watch.verdict.maintain(watch.now).unwrap();
    assert_eq!((began.to, watch.verdict.maintain(watch.now)), (State::Maintenance, None));
    let told = watch.transitions.len();
    let mut watch = watch.see(within);
    assert_eq!((watch.verdict.state(), watch.transitions.len()), (State::Maintenance, told), "nothing is said within");
    let ended = watch.verdict.end_maintenance(watch.now).unwrap();
    assert_eq!((ended.from, ended.to.as_str()), (State::Maintenance, after));
    assert_eq!(watch.verdict.end_maintenance(watch.now), None);
}

#[test]
fn an_outage_that_outlasts_the_maintenance_says_why() {
    let mut watch = Watch::new(thresholds()).see(".");
    watch.verdict.maintain(watch.now);
    let mut watch = watch.see("xxx");
    let ended = watch.verdict.end_maintenance(watch.now).unwrap();
    assert_eq!(ended.reason, Some(Reason::ConnectRefused));
    assert!(ended.message.contains("ConnectRefused"), "{}", ended.message);
}

#[test]
fn changes_within_a_maintenance_are_no_flapping() {
    let mut watch = Watch::new(flapping_after_four_changes()).see(".x.");
    watch.verdict.maintain(watch.now);
    let mut watch = watch.see("x.x.x.");
    watch.verdict.end_maintenance(watch.now);
    assert_eq!(watch.see("x").verdict.state(), State::Down, "the third change, not the ninth");
}

#[test]
fn a_monitor_that_is_suspended_has_no_maintenance() {
    let mut watch = Watch::new(thresholds()).see(".");
    watch.verdict.suspend(watch.now);
    assert_eq!(watch.verdict.maintain(watch.now), None);
    watch.verdict.resume(watch.now);
    watch.verdict.maintain(watch.now);
    assert_eq!(watch.verdict.suspend(watch.now).map(|t| t.to), Some(State::Suspended));
}

#[test]
fn a_clock_that_was_set_back_leaves_nothing_in_the_future() {
    let mut watch = Watch::new(flapping_after_four_changes()).see(".x.x.");
    assert_eq!(watch.verdict.state(), State::Flapping);
    watch.now -= 6.hours();
    let watch = watch.see(".");
    assert!(watch.verdict.since() <= watch.now);
    let watch = watch.see(&".".repeat(30));
    assert_eq!(watch.verdict.state(), State::Up, "it ends after one window, not after six hours more");
}

#[test]
fn a_threshold_of_nought_is_read_as_one() {
    let none = Thresholds { down: 0, up: 0, ..Thresholds::default() };
    assert_eq!(Watch::new(none).see(".x.").states(), "Up Down Up");
}

#[test]
fn a_verdict_survives_being_written_and_read() {
    let verdict = Watch::new(flapping_after_four_changes()).see(".x.x.x?").verdict;
    let text = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), verdict);
    assert!(text.contains(r#""state":"Unknown""#), "{text}");
}

fn any_thresholds() -> impl Strategy<Value = Thresholds> {
    let flapping = prop::option::of((1u32..6, 1u64..90));
    (0u32..5, 0u32..4, any::<bool>(), flapping).prop_map(|(down, up, slow, flapping)| Thresholds {
        down,
        up,
        confirm_every: Duration::from_secs(2),
        degraded_above: slow.then_some(Duration::from_millis(800)),
        flapping: flapping
            .map(|(changes, minutes)| Flapping { changes, window: MINUTE * u32::try_from(minutes).unwrap() }),
    })
}

proptest! {
    #[test]
    fn never_down_without_enough_failures_in_a_row(looks in "[.sx?]{0,120}", thresholds in any_thresholds()) {
        let mut watch = Watch::new(thresholds);
        let mut in_a_row = 0;
        for letter in looks.chars() {
            in_a_row = if letter == 'x' { in_a_row + 1 } else { 0 };
            let before = watch.transitions.len();
            // What flapped and was down by enough failures is down still when the flapping ends.
            let was_down = watch.verdict.state() == State::Flapping && watch.verdict.is_down();
            watch = watch.see(&letter.to_string());
            if !was_down && watch.transitions.iter().skip(before).any(|t| t.to == State::Down) {
                prop_assert!(in_a_row >= thresholds.down.max(1));
            }
        }
    }

    #[test]
    fn never_from_down_to_up_without_enough_successes_in_a_row(looks in "[.sx?]{0,120}", up in 1u32..4) {
        let mut watch = Watch::new(Thresholds { up, ..thresholds() });
        let mut in_a_row = 0;
        for letter in looks.chars() {
            let was_down = watch.verdict.is_down();
            in_a_row = if matches!(letter, '.' | 's') { in_a_row + 1 } else { 0 };
            watch = watch.see(&letter.to_string());
            if was_down && !watch.verdict.is_down() {
                prop_assert!(in_a_row >= up);
            }
        }
    }

    #[test]
    fn one_failed_look_never_makes_an_up_down(looks in "[.sx?]{0,60}", down in 2u32..5) {
        let watch = Watch::new(Thresholds { down, ..thresholds() }).see(&looks);
        if watch.verdict.state() == State::Up && watch.verdict.failures() == 0 {
            prop_assert_ne!(watch.see("x").verdict.state(), State::Down);
        }
    }

    #[test]
    fn flapping_ends_after_one_window_without_a_change(
        looks in "[.sx]{0,120}", last in "[.x]", changes in 1u32..6, minutes in 1u32..60,
    ) {
        let flapping = Some(Flapping { changes, window: MINUTE * minutes });
        let watch = Watch::new(Thresholds { down: 1, up: 1, flapping, ..thresholds() }).see(&looks);
        // The first of these looks may be a change itself; from then on there is none.
        let watch = watch.see(&last.repeat(minutes as usize));
        let changed = watch.verdict.changes.last().copied();
        let watch = watch.see(&last);
        if changed.is_none_or(|at| between(at, watch.now) >= MINUTE * minutes) {
            prop_assert_ne!(watch.verdict.state(), State::Flapping);
        }
        prop_assert_ne!(watch.see(&last.repeat(minutes as usize)).verdict.state(), State::Flapping);
    }

    #[test]
    fn a_maintenance_ends_in_a_state_that_the_same_looks_settle_without_one(
        before in "[.sx]{0,30}", within in "[.sx]{0,30}",
    ) {
        let plain = Watch::new(thresholds()).see(&before).see(&within);
        let mut watch = Watch::new(thresholds()).see(&before);
        watch.verdict.maintain(watch.now);
        let mut watch = watch.see(&within);
        watch.verdict.end_maintenance(watch.now);
        prop_assert_eq!(watch.verdict.state(), plain.verdict.state());
        prop_assert_eq!(watch.verdict.is_down(), plain.verdict.is_down());
    }

    #[test]
    fn a_blind_look_is_always_unknown(looks in "[.sx?]{0,60}", thresholds in any_thresholds()) {
        let watch = Watch::new(thresholds).see(&looks).see("?");
        prop_assert_eq!(watch.verdict.state(), State::Unknown);
    }

    #[test]
    fn the_same_looks_give_the_same_verdict(looks in "[.sx?]{0,120}", thresholds in any_thresholds()) {
        let (one, other) = (Watch::new(thresholds).see(&looks), Watch::new(thresholds).see(&looks));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(one.transitions, other.transitions);
    }

    #[test]
    fn a_verdict_kept_on_disk_half_way_goes_on_the_same(looks in "[.sx?]{0,120}", thresholds in any_thresholds()) {
        let (first, second) = looks.split_at(looks.len() / 2);
        let mut watch = Watch::new(thresholds).see(first);
        let kept = serde_json::to_string(&watch.verdict).unwrap();
        watch.verdict = serde_json::from_str(&kept).unwrap();
        prop_assert_eq!(watch.see(second).verdict, Watch::new(thresholds).see(&looks).verdict);
    }

    #[test]
    fn transitions_join_end_to_end(looks in "[.sx?]{0,120}", thresholds in any_thresholds()) {
        let watch = Watch::new(thresholds).see(&looks);
        let mut state = State::Unknown;
        for transition in &watch.transitions {
            prop_assert_eq!(transition.from, state);
            prop_assert_ne!(transition.from, transition.to);
            state = transition.to;
        }
        prop_assert_eq!(watch.verdict.state(), state);
    }

    #[test]
    fn every_recovery_by_retry_is_counted(looks in "[.x]{0,120}") {
        // With Down out of reach, each run of failures that ends is one.
        let watch = Watch::new(Thresholds { down: 1000, ..Thresholds::default() }).see(&looks);
        prop_assert_eq!(watch.verdict.recovered_by_retry(), looks.matches("x.").count() as u64);
    }

    #[test]
    fn the_memory_of_changes_is_bounded(looks in "[.x]{0,300}", thresholds in any_thresholds()) {
        let watch = Watch::new(thresholds).see(&looks);
        prop_assert!(watch.verdict.changes.len() <= thresholds.flapping.map_or(1, |f| f.changes as usize));
    }
}
