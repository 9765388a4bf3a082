//! Rotations and layers: who, since when, until when.

use jiff::ToSpan;
use rstest::rstest;

use super::*;

#[rstest]
#[case("2026-11-02T07:59:59Z", None)]
#[case("2026-11-02T08:00:00Z", Some("ada"))]
#[case("2026-11-09T07:59:59.999Z", Some("ada"))]
#[case("2026-11-09T08:00:00Z", Some("bob"))]
#[case("2026-11-16T08:00:00Z", Some("ada"))]
#[case("2027-04-05T06:59:59Z", Some("bob"))]
#[case("2027-04-05T07:00:00Z", Some("ada"))] // summer time: the same wall clock, an hour earlier
fn the_rotation_turns_at_nine_on_mondays(#[case] instant: &str, #[case] person: Option<&str>) {
    assert_eq!(who(&weekly(), &[], at(instant)), person);
}

#[test]
fn a_shift_tells_who_and_from_when_until_when() {
    let week = weekly();
    let shift = on_call(&week, &[], at("2026-11-11T12:00:00Z"));
    assert_eq!(shift.person, Some("bob"));
    assert_eq!(shift.from, Some(at("2026-11-09T08:00:00Z")));
    assert_eq!(shift.until, Some(at("2026-11-16T08:00:00Z")));
    assert_eq!(who(&week, &[], shift.until.unwrap()), Some("ada"));
}

#[rstest]
#[case::spring_skips_it("Europe/Berlin", "2027-03-28 02:30", "2027-03-28T01:00:00Z")]
#[case::autumn_has_it_twice("Europe/Berlin", "2026-10-25 02:30", "2026-10-25T00:30:00Z")]
#[case::the_start_of_the_gap("America/New_York", "2027-03-14 02:00", "2027-03-14T07:00:00Z")]
#[case::the_end_of_the_gap("America/New_York", "2027-03-14 03:00", "2027-03-14T07:00:00Z")]
#[case::autumn_in_new_york("America/New_York", "2026-11-01 01:30", "2026-11-01T05:30:00Z")]
#[case::half_an_hour_forward("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03T15:30:00Z")]
#[case::half_an_hour_back("Australia/Lord_Howe", "2027-04-04 01:45", "2027-04-03T14:45:00Z")]
#[case::a_day_that_was_skipped("Pacific/Apia", "2011-12-30 09:00", "2011-12-30T10:00:00Z")]
#[case::a_day_without_midnight("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04T03:00:00Z")]
fn a_handover_comes_at_its_local_time_or_at_the_first_instant_after(
    #[case] zone_name: &str,
    #[case] local: &str,
    #[case] instant: &str,
) {
    // The handover from bob to ada that is the second of this rotation.
    let mut rotation = layer(zone_name, local, 1, "bob ada");
    rotation.start = rotation.start.yesterday().unwrap();
    let rotation = schedule([rotation]);
    let handover = at(instant);
    assert_eq!(who(&rotation, &[], handover - 1.second()), Some("bob"));
    assert_eq!(who(&rotation, &[], handover), Some("ada"));
    assert_eq!(next_change(&rotation, &[], handover - 1.second()), Some(handover));
    assert_eq!(on_call(&rotation, &[], handover).from, Some(handover));
}

#[test]
fn a_turn_on_a_skipped_day_at_midnight_has_no_length_and_is_no_change() {
    // ada 29 December, bob the 30th, which does not exist, ada the 31st.
    let rotation = schedule([layer("Pacific/Apia", "2011-12-29 00:00", 1, "ada bob")]);
    let shift = on_call(&rotation, &[], at("2011-12-30T09:59:59Z"));
    assert_eq!((shift.person, shift.until), (Some("ada"), Some(at("2011-12-31T10:00:00Z"))));
    assert_eq!(on_call(&rotation, &[], at("2011-12-30T10:00:00Z")), shift);
}

#[test]
fn one_person_alone_is_on_call_from_the_start_without_end() {
    let alone = schedule([layer("UTC", "2026-11-02 09:00", 1, "ada")]);
    let shift = on_call(&alone, &[], at("2036-01-01T00:00:00Z"));
    assert_eq!((shift.from, shift.until), (Some(at("2026-11-02T09:00:00Z")), None));
}

#[test]
fn two_turns_of_one_person_in_a_row_are_one_shift() {
    let rotation = schedule([layer("UTC", "2026-11-02 00:00", 1, "ada ada bob")]);
    let shift = on_call(&rotation, &[], at("2026-11-03T12:00:00Z"));
    assert_eq!((shift.from, shift.until), (Some(at("2026-11-02T00:00:00Z")), Some(at("2026-11-04T00:00:00Z"))));
}

#[test]
fn a_later_layer_wins_once_it_has_begun() {
    let both =
        schedule([layer("UTC", "2026-11-02 09:00", 7, "ada bob"), layer("Asia/Tokyo", "2026-11-05 09:00", 7, "carol")]);
    let before = on_call(&both, &[], at("2026-11-04T00:00:00Z"));
    assert_eq!((before.person, before.until), (Some("ada"), Some(at("2026-11-05T00:00:00Z"))));
    let after = on_call(&both, &[], at("2026-11-20T00:00:00Z"));
    assert_eq!((after.person, after.from, after.until), (Some("carol"), Some(at("2026-11-05T00:00:00Z")), None));
}

#[test]
fn a_person_who_goes_on_in_a_later_layer_has_one_shift_through_both() {
    let both =
        schedule([layer("UTC", "2026-11-02 09:00", 7, "ada bob"), layer("UTC", "2026-11-05 09:00", 1, "ada carol")]);
    let expected =
        Shift { person: Some("ada"), from: Some(at("2026-11-02T09:00:00Z")), until: Some(at("2026-11-06T09:00:00Z")) };
    for instant in ["2026-11-04T00:00:00Z", "2026-11-05T12:00:00Z"] {
        assert_eq!(on_call(&both, &[], at(instant)), expected, "{instant}");
    }
}

#[test]
fn before_the_first_layer_begins_nobody_is_on_call() {
    let (from, to) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let week = weekly();
    let nobody = Shift { person: None, from: None, until: Some(at("2026-11-02T08:00:00Z")) };
    assert_eq!(on_call(&week, &[], from), nobody);
    assert_eq!(gaps(&week, &[], from, to), [(from, at("2026-11-02T08:00:00Z"))]);
    assert_eq!(gaps(&week, &[], from, from + 1.hour()), [(from, from + 1.hour())]);
    assert_eq!(gaps(&week, &[], at("2026-11-02T08:00:00Z"), to), []);
    assert_eq!(gaps(&week, &[], to, from), []);
}

#[test]
fn the_shifts_of_a_month_follow_each_other_without_a_hole() {
    let week = weekly();
    let month = shifts(&week, &[], at("2026-11-05T00:00:00Z"), at("2026-11-20T00:00:00Z"));
    assert_eq!(begins(&month), ["ada 2026-11-02T08:00:00Z", "bob 2026-11-09T08:00:00Z", "ada 2026-11-16T08:00:00Z"]);
    assert_eq!(month[2].until, Some(at("2026-11-23T08:00:00Z")));
    assert_eq!(shifts(&week, &[], at("2026-11-05T00:00:00Z"), at("2026-11-05T00:00:00Z")), []);
}

#[test]
fn the_same_person_again_and_again_through_two_layers_is_one_shift_without_end() {
    let both = schedule([layer("UTC", "2026-11-02 09:00", 7, "ada"), layer("UTC", "2026-11-05 09:00", 1, "ada")]);
    let shift = on_call(&both, &[], at("2026-11-20T00:00:00Z"));
    assert_eq!((shift.from, shift.until), (Some(at("2026-11-02T09:00:00Z")), None));
}

#[test]
fn an_empty_schedule_and_the_ends_of_time_have_answers() {
    let never = Shift { person: None, from: None, until: None };
    assert_eq!(on_call(&schedule([]), &[], at("2026-11-05T00:00:00Z")), never);
    assert_eq!(next_change(&schedule([]), &[], Timestamp::MIN), None);
    assert_eq!(who(&weekly(), &[], Timestamp::MIN), None);
    assert!(who(&weekly(), &[], Timestamp::MAX).is_some());
    let late = schedule([layer("UTC", "9999-12-29 23:00", 366, "ada bob")]);
    assert_eq!(next_change(&late, &[], at("9999-12-30T12:00:00Z")), None);
}
