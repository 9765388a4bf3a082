//! Layers that count only during a calendar, and gaps measured against the coverage.

use jiff::ToSpan;
use rstest::rstest;

use super::*;

/// bob at night from 22:00 to 06:00 in Berlin, above ada, who is always there.
fn nights() -> Schedule {
    let night = hours("night", "Europe/Berlin", "1-7", "22:00-30:00");
    schedule([
        layer("Europe/Berlin", "2026-11-02 09:00", 7, "ada"),
        during(night, layer("Europe/Berlin", "2026-11-02 09:00", 7, "bob carol")),
    ])
}

#[rstest]
#[case("2026-11-03T20:59:59Z", "ada")]
#[case("2026-11-03T21:00:00Z", "bob")]
#[case("2026-11-04T04:59:59Z", "bob")]
#[case("2026-11-04T05:00:00Z", "ada")]
#[case("2026-11-09T21:00:00Z", "carol")] // the order of turns runs on while the layer is transparent
fn outside_its_calendar_a_layer_lets_the_one_below_show_through(#[case] instant: &str, #[case] person: &str) {
    assert_eq!(who(&nights(), &[], at(instant)), Some(person));
}

#[test]
fn a_shift_begins_and_ends_where_the_calendar_opens_and_closes() {
    let schedule = nights();
    let shifts = shifts(&schedule, &[], at("2026-11-03T12:00:00Z"), at("2026-11-04T12:00:00Z"));
    let expected = ["ada 2026-11-03T05:00:00Z", "bob 2026-11-03T21:00:00Z", "ada 2026-11-04T05:00:00Z"];
    assert_eq!(begins(&shifts), expected);
    assert_eq!(shifts[2].until, Some(at("2026-11-04T21:00:00Z")));
}

#[test]
fn a_night_shift_in_the_night_of_the_clock_change_is_an_hour_shorter_or_longer() {
    let hours_of = |noon: &str| {
        let schedule = nights();
        let shift = shifts(&schedule, &[], at(noon), at(noon) + 24.hours())[1];
        (shift.person.unwrap().to_owned(), shift.until.unwrap().duration_since(shift.from.unwrap()).as_hours())
    };
    assert_eq!(hours_of("2027-03-27T12:00:00Z").1, 7);
    assert_eq!(hours_of("2027-03-28T12:00:00Z").1, 8);
    assert_eq!(hours_of("2027-10-30T12:00:00Z").1, 9);
}

#[test]
fn a_handover_within_the_calendar_changes_the_person_in_the_middle() {
    let office = hours("office", "UTC", "1-7", "09:00-17:00");
    let schedule = schedule([during(office, layer("UTC", "2026-11-02 12:00", 1, "ada bob"))]);
    let shifts = shifts(&schedule, &[], at("2026-11-03T10:00:00Z"), at("2026-11-03T20:00:00Z"));
    let expected = ["ada 2026-11-03T09:00:00Z", "bob 2026-11-03T12:00:00Z", "nobody 2026-11-03T17:00:00Z"];
    assert_eq!(begins(&shifts), expected);
}

#[test]
fn two_neighbouring_intervals_of_one_person_are_one_shift() {
    let halves = schedule([
        during(hours("morning", "UTC", "1-7", "00:00-12:00"), layer("UTC", "2026-11-02 00:00", 7, "ada")),
        during(hours("evening", "UTC", "1-7", "12:00-24:00"), layer("UTC", "2026-11-02 00:00", 7, "ada")),
    ]);
    let shift = on_call(&halves, &[], at("2026-11-05T10:00:00Z"));
    // Nobody else ever follows; that it is so, it can only see as far as it looks.
    assert_eq!((shift.from, shift.until), (Some(at("2026-11-02T00:00:00Z")), None));
}

#[test]
fn an_office_that_only_has_to_be_covered_in_its_hours_has_no_gaps_at_night() {
    let office = hours("office", "UTC", "1-5", "09:00-17:00");
    let week = schedule([during(office.clone(), layer("UTC", "2026-11-02 09:00", 7, "ada bob"))]);
    let (from, to) = (at("2026-11-02T09:00:00Z"), at("2026-11-09T09:00:00Z"));
    let nights = gaps(&week, &[], from, to);
    assert_eq!(nights.len(), 5, "four nights and the weekend: {nights:?}");
    assert_eq!(nights[4], (at("2026-11-06T17:00:00Z"), to));
    assert_eq!(gaps(&Schedule { coverage: office, ..week }, &[], from, to), []);
}

#[test]
fn what_the_layers_leave_open_of_the_coverage_is_a_gap() {
    let office = hours("office", "UTC", "1-5", "09:00-17:00");
    let mut week = schedule([during(office, layer("UTC", "2026-11-02 09:00", 7, "ada bob"))]);
    week.coverage = hours("day", "UTC", "1-5", "08:00-18:00");
    let found = gaps(&week, &[], at("2026-11-03T00:00:00Z"), at("2026-11-04T00:00:00Z"));
    let expected = [
        (at("2026-11-03T08:00:00Z"), at("2026-11-03T09:00:00Z")),
        (at("2026-11-03T17:00:00Z"), at("2026-11-03T18:00:00Z")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_layer_whose_calendar_never_opens_never_counts() {
    let never = Calendar::new(Hours { zone: TimeZone::UTC, week: Default::default(), dates: BTreeMap::new() });
    let never = NamedCalendar { name: "never".into(), calendar: never };
    let schedule = schedule([during(never, layer("UTC", "2026-11-02 09:00", 7, "ada bob"))]);
    let nobody = Shift { person: None, from: None, until: None };
    assert_eq!(on_call(&schedule, &[], at("2026-11-20T00:00:00Z")), nobody);
}

#[test]
fn a_transparent_layer_and_a_closed_coverage_are_told() {
    let office = hours("office", "UTC", "1-5", "09:00-17:00");
    let week = schedule([during(office.clone(), layer("UTC", "2026-11-02 09:00", 7, "ada bob"))]);
    let night = at("2026-11-03T20:00:00Z");
    let transparent = "layer `ada-bob` is transparent: `office` is closed until 2026-11-04T09:00:00Z";
    assert_eq!(explain(&week, &[], night).sentences(&TimeZone::UTC), ["nobody is on call", transparent]);
    let covered = Schedule { coverage: office, ..week };
    assert_eq!(
        explain(&covered, &[], night).sentences(&TimeZone::UTC),
        ["nobody is on call, and nobody has to be: the coverage `office` is closed", transparent]
    );
}
