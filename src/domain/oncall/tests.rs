//! Rules as tables; then random rotations in every zone against a deliberately naive search of the clocks.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, date},
    tz::TimeZone,
};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::time::{LocalTime, zone};

/// `layer("Europe/Berlin", "2026-11-02 09:00", 7, "ada bob")`.
fn layer(zone_name: &str, first: &str, every_days: u16, people: &str) -> Layer {
    let (start, handover) = first.split_once(' ').unwrap();
    Layer {
        name: people.replace(' ', "-"),
        people: people.split(' ').map(str::to_owned).collect(),
        start: start.parse().unwrap(),
        handover: LocalTime::parse(handover).unwrap(),
        every_days,
        zone: zone(zone_name).unwrap(),
    }
}

fn schedule(layers: impl IntoIterator<Item = Layer>) -> Schedule {
    Schedule { zone: TimeZone::UTC, layers: layers.into_iter().collect() }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn weekly() -> Schedule {
    schedule([layer("Europe/Berlin", "2026-11-02 09:00", 7, "ada bob")])
}

#[rstest]
#[case("2026-11-02T07:59:59Z", None)]
#[case("2026-11-02T08:00:00Z", Some("ada"))]
#[case("2026-11-09T07:59:59.999Z", Some("ada"))]
#[case("2026-11-09T08:00:00Z", Some("bob"))]
#[case("2026-11-16T08:00:00Z", Some("ada"))]
#[case("2027-04-05T06:59:59Z", Some("bob"))]
#[case("2027-04-05T07:00:00Z", Some("ada"))] // summer time: the same wall clock, an hour earlier
fn the_rotation_turns_at_nine_on_mondays(#[case] instant: &str, #[case] person: Option<&str>) {
    assert_eq!(on_call(&weekly(), at(instant)).map(|shift| shift.person).as_deref(), person);
}

#[test]
fn a_shift_tells_who_through_which_layer_and_from_when_until_when() {
    let shift = on_call(&weekly(), at("2026-11-11T12:00:00Z")).unwrap();
    assert_eq!(shift.person, "bob");
    assert_eq!(shift.layer, "ada-bob");
    assert_eq!(shift.from, at("2026-11-09T08:00:00Z"));
    assert_eq!(shift.until, Some(at("2026-11-16T08:00:00Z")));
    assert_eq!(next_shift(&weekly(), shift.from).unwrap().person, "ada");
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
    assert_eq!(person_at(&rotation, handover - 1.second()), Some("bob"));
    assert_eq!(person_at(&rotation, handover), Some("ada"));
    assert_eq!(next_change(&rotation, handover - 1.second()), Some(handover));
    assert_eq!(on_call(&rotation, handover).unwrap().from, handover);
}

#[test]
fn a_turn_on_a_skipped_day_at_midnight_has_no_length_and_is_no_change() {
    // ada 29 December, bob the 30th, which does not exist, ada the 31st.
    let rotation = schedule([layer("Pacific/Apia", "2011-12-29 00:00", 1, "ada bob")]);
    let shift = on_call(&rotation, at("2011-12-30T09:59:59Z")).unwrap();
    assert_eq!((shift.person.as_str(), shift.until), ("ada", Some(at("2011-12-31T10:00:00Z"))));
    assert_eq!(on_call(&rotation, at("2011-12-30T10:00:00Z")), Some(shift));
}

#[test]
fn one_person_alone_is_on_call_from_the_start_without_end() {
    let alone = schedule([layer("UTC", "2026-11-02 09:00", 1, "ada")]);
    let shift = on_call(&alone, at("2036-01-01T00:00:00Z")).unwrap();
    assert_eq!((shift.from, shift.until), (at("2026-11-02T09:00:00Z"), None));
    assert_eq!(next_shift(&alone, shift.from), None);
}

#[test]
fn two_turns_of_one_person_in_a_row_are_one_shift() {
    let rotation = schedule([layer("UTC", "2026-11-02 00:00", 1, "ada ada bob")]);
    let shift = on_call(&rotation, at("2026-11-03T12:00:00Z")).unwrap();
    assert_eq!((shift.from, shift.until), (at("2026-11-02T00:00:00Z"), Some(at("2026-11-04T00:00:00Z"))));
}

#[test]
fn a_later_layer_wins_once_it_has_begun() {
    let both =
        schedule([layer("UTC", "2026-11-02 09:00", 7, "ada bob"), layer("Asia/Tokyo", "2026-11-05 09:00", 7, "carol")]);
    let before = on_call(&both, at("2026-11-04T00:00:00Z")).unwrap();
    assert_eq!((before.person.as_str(), before.until), ("ada", Some(at("2026-11-05T00:00:00Z"))));
    let after = on_call(&both, at("2026-11-20T00:00:00Z")).unwrap();
    assert_eq!((after.person.as_str(), after.from, after.until), ("carol", at("2026-11-05T00:00:00Z"), None));
}

#[test]
fn a_person_who_goes_on_in_a_later_layer_has_one_shift_through_both() {
    let both =
        schedule([layer("UTC", "2026-11-02 09:00", 7, "ada bob"), layer("UTC", "2026-11-05 09:00", 1, "ada carol")]);
    let (from, until) = (at("2026-11-02T09:00:00Z"), Some(at("2026-11-06T09:00:00Z")));
    for instant in ["2026-11-04T00:00:00Z", "2026-11-05T12:00:00Z"] {
        let shift = on_call(&both, at(instant)).unwrap();
        assert_eq!((shift.person.as_str(), shift.from, shift.until), ("ada", from, until), "{instant}");
    }
}

#[test]
fn before_the_first_layer_begins_there_is_a_gap_and_the_summary_says_nobody() {
    let (from, to) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    assert_eq!(gaps(&weekly(), from, to), [(from, at("2026-11-02T08:00:00Z"))]);
    assert_eq!(gaps(&weekly(), from, from + 1.hour()), [(from, from + 1.hour())]);
    assert_eq!(gaps(&weekly(), at("2026-11-02T08:00:00Z"), to), []);
    assert_eq!(next_change(&weekly(), from), Some(at("2026-11-02T08:00:00Z")));
    let week = weekly();
    assert_eq!(summary([("primary", &week)], from), "primary: nobody");
    assert_eq!(summary([("primary", &week), ("secondary", &week)], to), "primary: ada, secondary: ada");
}

#[test]
fn the_shifts_of_a_month_follow_each_other_without_a_hole() {
    let month = shifts(&weekly(), at("2026-11-05T00:00:00Z"), at("2026-12-01T00:00:00Z"));
    let people: Vec<_> = month.iter().map(|shift| shift.person.as_str()).collect();
    assert_eq!(people, ["ada", "bob", "ada", "bob", "ada"]);
    assert!(month.windows(2).all(|pair| pair[0].until == Some(pair[1].from)));
}

#[test]
fn an_empty_schedule_and_the_ends_of_time_have_answers() {
    assert_eq!(on_call(&schedule([]), at("2026-11-05T00:00:00Z")), None);
    assert_eq!(next_change(&schedule([]), Timestamp::MIN), None);
    assert_eq!(on_call(&weekly(), Timestamp::MIN), None);
    assert!(on_call(&weekly(), Timestamp::MAX).is_some());
    let late = schedule([layer("UTC", "9999-12-29 23:00", 366, "ada bob")]);
    assert_eq!(next_change(&late, at("9999-12-30T12:00:00Z")), None);
}

/// The first half minute at which the clocks show `local` or later, found by looking at every one of four days.
fn naive_first_instant(zone: &TimeZone, local: DateTime) -> Timestamp {
    let mut instant = TimeZone::UTC.to_timestamp(local).unwrap() - 48.hours();
    while zone.to_datetime(instant) < local {
        instant += jiff::SignedDuration::from_secs(30);
    }
    instant
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    proptest::sample::select(names).prop_map(|name| zone(&name).unwrap())
}

/// Days around a change of the clocks of the zone are as likely as all others together.
fn any_day() -> impl Strategy<Value = (TimeZone, Date)> {
    (any_zone(), 0i64..22_000, any::<bool>(), -1i64..=1).prop_map(|(zone, days, near_change, off)| {
        let day = date(1975, 1, 1) + days.days();
        let from = TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).unwrap();
        let change = zone.following(from).next().map(|change| zone.to_datetime(change.timestamp()).date());
        let day = change.filter(|change| near_change && change.year() < 2040).map_or(day, |change| change + off.days());
        (zone, day)
    })
}

prop_compose! {
    fn any_layer()((zone, day) in any_day(), hour in 0u8..24, half in 0u8..2, every_days in 1u16..9, seed in 0usize..4)
        -> Layer {
        let people = ["ada", "bob ada", "bob carol dan", "ada ada bob"][seed];
        let mut layer = layer("UTC", "2000-01-01 00:00", every_days, people);
        (layer.start, layer.zone) = (day, zone);
        layer.handover = LocalTime { hour, minute: half * 30 };
        layer
    }
}

prop_compose! {
    /// One or two layers that begin within days of each other, and an instant up to weeks after.
    fn any_schedule()(mut layers in prop::collection::vec(any_layer(), 1..3), off in -3i64..12, later in 0i64..2_000_000)
        -> (Schedule, Timestamp) {
        let first = layers[0].start;
        if let Some(second) = layers.get_mut(1) {
            second.start = first + off.days();
        }
        let start = layers[0].handover_of(0).unwrap();
        (schedule(layers), start + jiff::SignedDuration::from_secs(later - 200_000))
    }
}

/// Counts the handovers of the last layer that has begun, one by one.
fn naive_person(schedule: &Schedule, at: Timestamp) -> Option<String> {
    let handovers = |layer: &Layer| {
        let local =
            |turn: i64| (layer.start + (turn * i64::from(layer.every_days)).days()).to_datetime(layer.handover.civil());
        (0..).take_while(|turn| naive_first_instant(&layer.zone, local(*turn)) <= at).count()
    };
    let (layer, begun) = schedule.layers.iter().map(|l| (l, handovers(l))).rfind(|(_, begun)| *begun > 0)?;
    Some(layer.people[(begun - 1) % layer.people.len()].clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_handover_is_where_a_search_of_the_clocks_finds_it((zone, day) in any_day(), minute in 0i64..1440) {
        let local = day.to_datetime(jiff::civil::Time::midnight()) + minute.minutes();
        prop_assert_eq!(rotation::first_instant(&zone, local), Some(naive_first_instant(&zone, local)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn at_each_instant_the_person_is_the_one_that_counting_handovers_gives((schedule, at) in any_schedule()) {
        prop_assert_eq!(on_call(&schedule, at).map(|shift| shift.person), naive_person(&schedule, at));
    }
}

proptest! {
    #[test]
    fn the_answer_is_constant_within_a_shift_and_another_one_outside((schedule, at) in any_schedule(), part in 0.0..1.0) {
        let person = |at| on_call(&schedule, at).map(|shift| shift.person);
        match on_call(&schedule, at) {
            None => {
                let first = next_change(&schedule, at).unwrap();
                prop_assert!(first > at);
                prop_assert!(person(first).is_some());
                prop_assert_eq!(person(first - 1.nanosecond()), None);
            }
            Some(shift) => {
                prop_assert!(shift.from <= at);
                let until = shift.until.unwrap_or(at + 1000.hours());
                prop_assert!(until > at);
                let length = until.duration_since(shift.from).as_secs_f64();
                let inside = shift.from + jiff::SignedDuration::from_secs_f64(length * part);
                let again = on_call(&schedule, inside).unwrap();
                prop_assert_eq!((&again.person, again.from, again.until), (&shift.person, shift.from, shift.until));
                prop_assert_ne!(person(shift.from - 1.nanosecond()), Some(shift.person.clone()));
                if let Some(until) = shift.until {
                    prop_assert_eq!(person(until - 1.nanosecond()), Some(shift.person.clone()));
                    prop_assert_ne!(person(until), Some(shift.person));
                }
            }
        }
    }

    #[test]
    fn from_the_first_start_on_somebody_is_on_call_without_a_gap((schedule, at) in any_schedule()) {
        let first = schedule.layers.iter().filter_map(|layer| layer.handover_of(0)).min().unwrap();
        let horizon = first.max(at) + 2160.hours();
        prop_assert_eq!(gaps(&schedule, first, horizon), []);
        let found = shifts(&schedule, first, horizon);
        prop_assert_eq!(found.first().map(|shift| shift.from), Some(first));
        prop_assert!(found.windows(2).all(|pair| pair[0].until == Some(pair[1].from)));
        prop_assert!(found.last().unwrap().until.is_none_or(|until| until >= horizon));
    }
}
