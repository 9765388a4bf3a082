//! Overrides: half-open, above all layers, across handovers, and which of several counts.

use rstest::rstest;

use super::*;

const DAY: (&str, &str) = ("2026-11-10T00:00:00Z", "2026-11-11T00:00:00Z");

#[rstest]
#[case("2026-11-09T23:59:59Z", "bob")]
#[case("2026-11-10T00:00:00Z", "carol")]
#[case("2026-11-10T23:59:59.999Z", "carol")]
#[case("2026-11-11T00:00:00Z", "bob")]
fn an_override_holds_from_its_begin_up_to_but_not_including_its_end(#[case] instant: &str, #[case] person: &str) {
    assert_eq!(who(&weekly(), &[instead("carol", DAY.0, DAY.1, 1)], at(instant)), Some(person));
}

#[test]
fn an_override_is_a_shift_of_its_own() {
    let (week, carol) = (weekly(), [instead("carol", DAY.0, DAY.1, 1)]);
    let shifts = shifts(&week, &carol, at("2026-11-09T12:00:00Z"), at("2026-11-12T00:00:00Z"));
    let expected = ["bob 2026-11-09T08:00:00Z", "carol 2026-11-10T00:00:00Z", "bob 2026-11-11T00:00:00Z"];
    assert_eq!(begins(&shifts), expected);
    assert_eq!(shifts[2].until, Some(at("2026-11-16T08:00:00Z")));
}

#[test]
fn an_override_crosses_a_handover() {
    let (week, carol) = (weekly(), [instead("carol", "2026-11-15T00:00:00Z", "2026-11-17T00:00:00Z", 1)]);
    let shifts = shifts(&week, &carol, at("2026-11-14T00:00:00Z"), at("2026-11-18T00:00:00Z"));
    let expected = ["bob 2026-11-09T08:00:00Z", "carol 2026-11-15T00:00:00Z", "ada 2026-11-17T00:00:00Z"];
    assert_eq!(begins(&shifts), expected);
}

#[test]
fn an_override_that_replaces_somebody_ends_with_that_persons_turn() {
    let (week, carol) = (weekly(), [instead("carol/bob", "2026-11-15T00:00:00Z", "2026-11-17T00:00:00Z", 1)]);
    let shifts = shifts(&week, &carol, at("2026-11-14T00:00:00Z"), at("2026-11-18T00:00:00Z"));
    let expected = ["bob 2026-11-09T08:00:00Z", "carol 2026-11-15T00:00:00Z", "ada 2026-11-16T08:00:00Z"];
    assert_eq!(begins(&shifts), expected);
}

#[test]
fn one_who_takes_over_before_the_own_turn_has_one_shift_through_both() {
    let (week, ada) = (weekly(), [instead("ada", "2026-11-15T00:00:00Z", "2026-11-16T08:00:00Z", 1)]);
    let expected =
        Shift { person: Some("ada"), from: Some(at("2026-11-15T00:00:00Z")), until: Some(at("2026-11-23T08:00:00Z")) };
    assert_eq!(on_call(&week, &ada, at("2026-11-20T00:00:00Z")), expected);
}

#[test]
fn an_override_fills_the_time_before_the_first_layer() {
    let (week, carol) = (weekly(), [instead("carol", "2026-11-01T00:00:00Z", "2026-11-02T06:00:00Z", 1)]);
    let (from, to) = (at("2026-11-01T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    assert_eq!(gaps(&week, &carol, from, to), [(at("2026-11-02T06:00:00Z"), at("2026-11-02T08:00:00Z"))]);
}

#[test]
fn an_override_of_another_schedule_changes_nothing() {
    let other = Override { schedule: "secondary".into(), ..instead("carol", DAY.0, DAY.1, 1) };
    assert_eq!(who(&weekly(), std::slice::from_ref(&other), at(DAY.0)), Some("bob"));
    let week = weekly();
    assert_eq!(on_call(&week, &[other], at(DAY.0)), on_call(&week, &[], at(DAY.0)));
}

/// The layers say ada. The overrides are in order of creation.
#[rstest]
#[case::the_later_created_wins(&["bob", "carol"], "carol")]
#[case::also_with_the_same_person_to_replace(&["bob/ada", "carol/ada"], "carol")]
#[case::one_for_everybody_above_one_for_ada(&["bob/ada", "carol"], "carol")]
#[case::nobody_replaces_one_who_is_not_on_call(&["bob/carol"], "ada")]
#[case::ada_is_not_on_call_where_bob_took_all(&["bob", "carol/ada"], "bob")]
#[case::a_stand_in_can_have_a_stand_in(&["bob/ada", "carol/bob"], "carol")]
#[case::and_the_stand_in_another(&["bob/ada", "carol/bob", "dan/bob"], "dan")]
#[case::a_swap_can_be_swapped_back(&["bob/ada", "ada/bob"], "ada")]
#[case::and_then_given_away_again(&["bob/ada", "ada/bob", "carol/ada"], "carol")]
#[case::a_stand_in_who_was_displaced_is_not_on_call(&["bob/ada", "carol/ada", "dan/bob"], "carol")]
#[case::nobody_stands_in_for_oneself(&["ada/ada"], "ada")]
fn of_several_overrides_the_last_that_counts_decides(#[case] in_order: &[&str], #[case] person: &str) {
    let ada = only_ada();
    let mut all: Vec<Override> =
        in_order.iter().zip(1..).map(|(people, created)| instead(people, DAY.0, DAY.1, created)).collect();
    assert_eq!(who(&ada, &all, at(DAY.0)), Some(person));
    all.reverse();
    assert_eq!(who(&ada, &all, at(DAY.0)), Some(person), "whatever order they are listed in");
    assert_eq!(on_call(&ada, &all, at(DAY.0)).person, Some(person));
    assert_eq!(explain(&ada, &all, at(DAY.0)).person, Some(person));
}

#[test]
fn of_two_made_in_the_same_second_the_higher_name_counts_as_the_later() {
    let (ada, both) = (only_ada(), [instead("carol", DAY.0, DAY.1, 7), instead("bob", DAY.0, DAY.1, 7)]);
    assert_eq!(who(&ada, &both, at(DAY.0)), Some("carol"));
}

#[test]
fn an_override_that_ends_before_it_begins_is_never_in_force() {
    let (ada, backwards) = (only_ada(), [instead("bob", DAY.1, DAY.0, 1)]);
    let shift = on_call(&ada, &backwards, at("2026-11-10T12:00:00Z"));
    assert_eq!((shift.person, shift.until), (Some("ada"), None));
}
