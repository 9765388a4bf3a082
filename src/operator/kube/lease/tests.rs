//! Who takes the lease, who waits, and who gives up.

use rstest::rstest;

use super::*;

#[rstest]
#[case::free("", false, 0, Decision::Take)]
#[case::ours("me", true, 0, Decision::Renew)]
#[case::ours_even_when_long_silent("me", true, 60, Decision::Renew)]
#[case::somebody_elses("other", false, 3, Decision::Wait)]
#[case::silent_for_its_validity("other", false, 4, Decision::Take)]
#[case::taken_from_us("other", true, 0, Decision::Lost)]
#[case::taken_from_us_and_given_back("", true, 0, Decision::Lost)]
#[case::taken_from_us_and_silent("other", true, 60, Decision::Lost)]
fn who_holds_it_and_how_long_it_was_silent_decides(
    #[case] holder: &str,
    #[case] led: bool,
    #[case] silent: u64,
    #[case] expected: Decision,
) {
    let observed = Observed { version: "7".into(), since: Duration::from_secs(100) };
    assert_eq!(evaluate(holder, "me", None, led, &observed, Duration::from_secs(100 + silent)), expected);
}

#[rstest]
#[case::still_its_predecessors("dead", true, Decision::Take)]
#[case::taken_by_another("other", true, Decision::Lost)]
#[case::before_it_went_on_by_itself("dead", false, Decision::Wait)]
fn an_heir_takes_what_its_predecessor_held_and_nothing_else(
    #[case] holder: &str,
    #[case] led: bool,
    #[case] expected: Decision,
) {
    let observed = Observed { version: "7".into(), since: Duration::from_secs(100) };
    assert_eq!(evaluate(holder, "me", Some("dead"), led, &observed, Duration::from_secs(101)), expected);
}

#[test]
fn leadership_runs_out_by_itself() {
    let leadership = Leadership::default();
    assert!(!leadership.is_valid());
    leadership.hold(3, boottime(), "me");
    assert!(leadership.is_valid());
    assert_eq!(leadership.epoch(), 3);
    leadership.hold(3, boottime().saturating_sub(VALID_FOR), "me");
    assert!(!leadership.is_valid());
}

fn role(leadership: &Leadership) -> Role {
    *leadership.watch().borrow()
}

#[test]
fn an_island_merges_before_it_leads_again() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(leadership.epoch(), &leadership.holder());
    assert_eq!((role(&leadership), leadership.may_send()), (Role::CutOff, false));
    leadership.go_islanded();
    assert_eq!((leadership.ground(), leadership.epoch()), (Some(Ground::Memory), 3));
    leadership.hold(3, boottime(), "me");
    assert_eq!((role(&leadership), leadership.ground()), (Role::Merging, None));
    leadership.merged();
    assert_eq!(leadership.ground(), Some(Ground::Api));
}

#[test]
fn an_api_that_answers_while_the_journal_is_begun_makes_no_island_and_has_what_there_may_be_of_it_merged() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(leadership.epoch(), &leadership.holder());
    leadership.hold(3, boottime(), "me");
    leadership.go_islanded();
    assert_eq!((role(&leadership), leadership.ground()), (Role::Merging, None));
}

#[test]
fn an_island_that_has_lost_the_lease_sends_nothing_more_and_says_once_that_its_journal_makes_no_heir() {
    let leadership = Leadership::default();
    leadership.hold(3, boottime(), "me");
    leadership.cut_off(3, "me");
    leadership.go_islanded();
    leadership.lose();
    assert_eq!((role(&leadership), leadership.may_send()), (Role::Follower, false));
    assert_eq!((leadership.take_superseded(), leadership.take_superseded()), (true, false));
}

#[rstest]
#[case::nobody_took_it("dead", 7, false)]
#[case::nobody_took_what_was_given_back("", 7, false)]
#[case::we_have_taken_it("me", 8, false)]
#[case::another_holds_it("other", 8, true)]
#[case::another_held_it_and_has_given_it_back("", 8, true)]
#[case::it_was_made_anew("other", 1, true)]
fn who_has_led_since_a_process_died_is_seen_on_the_lease_also_when_it_was_given_back(
    #[case] holder: &str,
    #[case] transitions: i64,
    #[case] expected: bool,
) {
    let dead = Predecessor { holder: "dead".to_owned(), epoch: 7, at: Timestamp::UNIX_EPOCH };
    assert_eq!(has_led_since(&dead, "me", holder, transitions), expected);
}

#[test]
fn who_takes_the_lease_with_a_journal_merges_first() {
    let leadership = Leadership::default();
    leadership.journal_waits();
    leadership.hold(4, boottime(), "me");
    assert_eq!((role(&leadership), leadership.is_valid(), leadership.holds_the_lease()), (Role::Merging, false, true));
}
