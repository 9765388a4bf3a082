//! The rule book's vectors and odd zones as tables; then its properties over random calendars.

use std::collections::BTreeMap;

use jiff::{SignedDuration, ToSpan, civil::date};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::time::{parse_duration, zone};

fn list(hours: &str) -> Vec<LocalInterval> {
    hours.split_whitespace().map(|text| LocalInterval::parse(text).unwrap()).collect()
}

/// The same hours Monday to Friday.
fn weekdays(zone_name: &str, hours: &str) -> Hours {
    let week = std::array::from_fn(|day| if day < 5 { list(hours) } else { Vec::new() });
    Hours { zone: zone(zone_name).unwrap(), week, dates: BTreeMap::new() }
}

fn daily(zone_name: &str, hours: &str) -> Hours {
    Hours { week: std::array::from_fn(|_| list(hours)), ..weekdays(zone_name, "") }
}

fn office() -> Calendar {
    Calendar::new(weekdays("Europe/Berlin", "09:00-17:00"))
}

/// Berlin, with the dates that E7 and the rest of the rule book name.
fn office_with_holidays() -> Calendar {
    let dates = BTreeMap::from([
        (date(2026, 12, 25), vec![]),
        (date(2026, 12, 24), list("09:00-12:00")),
        (date(2026, 5, 1), vec![]),
        (date(2026, 5, 9), list("10:00-14:00")),
    ]);
    Calendar::new(Hours { dates, ..weekdays("Europe/Berlin", "09:00-17:00") })
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `2026-03-06T16:30 Europe/Berlin`.
fn local(zone_name: &str, text: &str) -> Timestamp {
    text.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone(zone_name).unwrap()).unwrap().timestamp()
}

fn span(text: &str) -> Duration {
    parse_duration(text).unwrap()
}

#[rstest]
#[case::e1("2026-03-06T16:30", "8h", "2026-03-09T15:30:00Z")]
#[case::e4_spring("2026-03-27T16:00", "4h", "2026-03-30T10:00:00Z")]
#[case::e4_autumn("2026-10-23T16:00", "4h", "2026-10-26T11:00:00Z")]
#[case::e7_half_day("2026-12-23T15:00", "8h", "2026-12-28T11:00:00Z")]
#[case::e7_holiday("2026-04-30T15:00", "4h", "2026-05-04T09:00:00Z")]
#[case::extra_saturday("2026-05-08T16:00", "2h", "2026-05-09T09:00:00Z")]
#[case::e16_at_closing("2026-06-01T17:00", "1h", "2026-06-02T08:00:00Z")]
#[case::e16_used_up_at_closing("2026-06-01T09:00", "8h", "2026-06-01T15:00:00Z")]
#[case::e16_last_second("2026-06-01T16:59:59", "1s", "2026-06-01T15:00:00Z")]
#[case::nothing_to_wait_for("2026-06-06T12:00", "0s", "2026-06-06T10:00:00Z")]
fn a_target_in_berlin_is_due_when_its_working_time_is_used_up(
    #[case] from: &str,
    #[case] target: &str,
    #[case] due: &str,
) {
    let from = local("Europe/Berlin", from);
    assert_eq!(office_with_holidays().due(from, span(target)).unwrap().to_string(), due);
}

#[rstest]
#[case::e12_over_lunch("2026-06-02T11:30", "1h", "2026-06-02T13:30")]
#[case::e12_until_lunch("2026-06-02T11:00", "1h", "2026-06-02T12:00")]
fn lunch_is_not_working_time(#[case] from: &str, #[case] target: &str, #[case] due: &str) {
    let calendar = Calendar::new(weekdays("Europe/Berlin", "09:00-12:00 13:00-17:00"));
    let due = local("Europe/Berlin", due);
    assert_eq!(calendar.due(local("Europe/Berlin", from), span(target)), Some(due));
}

#[rstest]
#[case::e17_spring("2026-03-06T16:30", "2026-03-09T13:30:00Z")]
#[case::e17_autumn("2026-10-30T16:30", "2026-11-02T14:30:00Z")]
fn new_york_changes_its_clocks_on_other_days(#[case] from: &str, #[case] due: &str) {
    let calendar = Calendar::new(weekdays("America/New_York", "09:00-17:00"));
    assert_eq!(calendar.due(local("America/New_York", from), span("1h")).unwrap().to_string(), due);
}

#[rstest]
#[case::e2_spring("2026-03-29T00:30:00Z", "2026-03-29T02:30:00Z")]
#[case::e2_autumn("2026-10-24T23:30:00Z", "2026-10-25T01:30:00Z")]
fn round_the_clock_is_not_bothered_by_the_clocks(#[case] from: &str, #[case] due: &str) {
    for calendar in [Calendar::always(), Calendar::new(daily("Europe/Berlin", "00:00-24:00"))] {
        assert_eq!(calendar.due(at(from), span("2h")).unwrap().to_string(), due);
    }
}

#[rstest]
#[case::a_night_in_spring("Europe/Berlin", "22:00-30:00", "2026-03-28T12:00", "2026-03-29T12:00", "7h")]
#[case::a_night_in_autumn("Europe/Berlin", "22:00-30:00", "2026-10-24T12:00", "2026-10-25T12:00", "9h")]
#[case::begins_in_the_gap("Europe/Berlin", "02:30-04:00", "2026-03-29T00:00", "2026-03-29T12:00", "1h")]
#[case::lies_in_the_gap("Europe/Berlin", "02:15-02:45", "2026-03-29T00:00", "2026-03-29T12:00", "0s")]
#[case::starts_in_the_repeat("Europe/Berlin", "02:30-04:00", "2026-10-25T00:00", "2026-10-25T12:00", "2h30m")]
#[case::ends_in_the_repeat("Europe/Berlin", "01:00-02:30", "2026-10-25T00:00", "2026-10-25T12:00", "2h30m")]
#[case::half_an_hour_back("Australia/Lord_Howe", "01:00-03:00", "2026-04-05T00:00", "2026-04-05T12:00", "2h30m")]
#[case::half_an_hour_forward("Australia/Lord_Howe", "01:00-03:00", "2026-10-04T00:00", "2026-10-04T12:00", "1h30m")]
#[case::no_midnight("America/Sao_Paulo", "00:00-24:00", "2018-11-03T12:00", "2018-11-05T00:00", "35h")]
#[case::no_30_december("Pacific/Apia", "09:00-17:00", "2011-12-29T00:00", "2012-01-01T00:00", "16h")]
#[case::neighbours_overlap("Europe/Berlin", "06:00-31:00", "2026-06-01T06:00", "2026-06-03T06:00", "48h")]
fn hours_are_as_long_as_the_clocks_make_them(
    #[case] zone: &str,
    #[case] hours: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] elapsed: &str,
) {
    let calendar = Calendar::new(daily(zone, hours));
    assert_eq!(calendar.elapsed(local(zone, from), local(zone, to)), span(elapsed));
}

#[test]
fn a_holiday_takes_the_night_that_starts_on_it_and_not_the_one_before() {
    let dates = BTreeMap::from([(date(2026, 6, 2), vec![])]);
    let calendar = Calendar::new(Hours { dates, ..daily("UTC", "22:00-30:00") });
    assert!(calendar.is_open(at("2026-06-02T05:59:59Z")));
    assert!(!calendar.is_open(at("2026-06-02T22:00:00Z")));
    assert!(!calendar.is_open(at("2026-06-03T05:00:00Z")));
    assert!(calendar.is_open(at("2026-06-03T22:00:00Z")));
}

#[test]
fn changes_and_openings_are_the_boundaries() {
    let calendar = office();
    let friday = local("Europe/Berlin", "2026-06-05T12:00");
    let (closes, opens) = (local("Europe/Berlin", "2026-06-05T17:00"), local("Europe/Berlin", "2026-06-08T09:00"));
    assert!(calendar.is_open(friday));
    assert_eq!(calendar.next_open(friday), Some(friday));
    assert_eq!(calendar.next_change(friday), Some(closes));
    assert!(!calendar.is_open(closes));
    assert_eq!(calendar.next_open(closes), Some(opens));
    assert_eq!(calendar.next_change(closes), Some(opens));
    let week: Vec<Open> = calendar.intervals(friday, friday + 96.hours()).collect();
    let monday = Open { from: opens, to: local("Europe/Berlin", "2026-06-08T17:00") };
    assert_eq!(
        week,
        [
            Open { from: friday, to: closes },
            monday,
            Open { from: local("Europe/Berlin", "2026-06-09T09:00"), to: friday + 96.hours() }
        ]
    );
}

#[test]
fn round_the_clock_changes_only_at_its_holidays_however_far() {
    let bare = Calendar::new(daily("Europe/Berlin", "00:00-24:00"));
    assert_eq!(bare.next_change(at("2026-06-01T00:00:00Z")), None);
    assert_eq!(Calendar::always().next_change(at("2026-06-01T00:00:00Z")), None);
    let dates = BTreeMap::from([(date(2036, 6, 1), vec![])]);
    let closed_once = Calendar::new(Hours { dates, ..daily("UTC", "00:00-24:00") });
    assert_eq!(closed_once.next_change(at("2026-06-01T00:00:00Z")), Some(at("2036-06-01T00:00:00Z")));
    assert_eq!(closed_once.next_change(at("2036-06-01T00:00:00Z")), Some(at("2036-06-02T00:00:00Z")));
    let year: Vec<Open> = bare.intervals(at("2024-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")).collect();
    assert_eq!(year.len(), 1, "{year:?}");
}

#[test]
fn without_working_time_in_400_days_nothing_is_ever_due() {
    let empty = Calendar::new(weekdays("Europe/Berlin", ""));
    let now = at("2026-06-01T10:00:00Z");
    assert_eq!(empty.due(now, span("1h")), None);
    assert_eq!(empty.next_open(now), None);
    assert_eq!(empty.next_change(now), None);
    assert_eq!(empty.elapsed(now, at("2196-06-01T10:00:00Z")), Duration::ZERO);

    let one_day = |day| Hours { dates: BTreeMap::from([(day, list("00:00-24:00"))]), ..weekdays("UTC", "") };
    let midnight = at("2026-06-01T00:00:00Z");
    let just = Calendar::new(one_day(date(2027, 7, 6)));
    assert_eq!(just.due(midnight, span("1h")), Some(at("2027-07-06T01:00:00Z")));
    assert_eq!(just.next_open(midnight), Some(at("2027-07-06T00:00:00Z")));
    assert_eq!(just.due(midnight, span("25h")), None);
    let too_far = Calendar::new(one_day(date(2027, 7, 7)));
    assert_eq!(too_far.due(midnight, span("1h")), None);
    assert_eq!(too_far.next_open(midnight), None);
}

#[test]
fn a_due_time_years_away_is_exact() {
    let calendar = office();
    let from = local("Europe/Berlin", "2026-01-05T09:00");
    // 520 weeks of 40 hours.
    let due = calendar.due(from, span("20800h")).unwrap();
    assert_eq!(due, local("Europe/Berlin", "2035-12-21T17:00"));
    assert_eq!(calendar.elapsed(from, due), span("20800h"));
}

#[test]
fn instants_beyond_the_table_are_answered_and_closed() {
    let calendar = office();
    for far in [Timestamp::MIN, Timestamp::MAX] {
        assert!(!calendar.is_open(far));
    }
    assert_eq!(calendar.due(Timestamp::MAX, span("1h")), None);
    assert_eq!(calendar.next_open(Timestamp::MAX), None);
    assert_eq!(calendar.next_change(Timestamp::MAX), None);
    assert_eq!(calendar.intervals(Timestamp::MAX, Timestamp::MIN).count(), 0);
    assert_eq!(
        Calendar::always().due(Timestamp::MAX, span("1h")),
        Some(whole_seconds(Timestamp::MAX).max(Timestamp::MAX))
    );
}

#[test]
fn fractions_of_a_second_are_cut_where_they_enter() {
    let calendar = office();
    let from = local("Europe/Berlin", "2026-06-01T10:00") + SignedDuration::from_millis(999);
    assert_eq!(calendar.due(from, Duration::from_millis(1_999)).unwrap().to_string(), "2026-06-01T08:00:01Z");
    assert_eq!(calendar.elapsed(from, from + SignedDuration::from_millis(1)), Duration::from_secs(1));
}

#[rstest]
#[case("22:00-30:00", Ok(()))]
#[case("00:00-24:00", Ok(()))]
#[case("00:00-48:00", Ok(()))]
#[case("9-17", Err("expected local hours such as `09:00-17:00`, found `9-17`"))]
#[case("09:60-17:00", Err("expected local hours such as `09:00-17:00`, found `09:60-17:00`"))]
#[case(
    "22:00-06:00",
    Err("expected an end after the start, found `22:00-06:00`; if it runs past midnight write `22:00-30:00`")
)]
#[case(
    "09:00-09:00",
    Err(
        "expected an end after the start, found `09:00-09:00`; for a whole day write `00:00-24:00`, for none leave it out"
    )
)]
#[case("24:00-26:00", Err("expected a start before 24:00, found `24:00-26:00`; write these hours on the next day"))]
#[case(
    "22:00-49:00",
    Err("expected an end of at most 48:00, found `22:00-49:00`; write the hours of each day on that day")
)]
fn hours_read_or_are_refused_with_what_to_write(#[case] text: &str, #[case] expected: Result<(), &str>) {
    let read = LocalInterval::parse(text);
    assert_eq!(read.as_ref().map(|_| ()).map_err(ToString::to_string), expected.map_err(str::to_owned));
    if let Ok(read) = read {
        assert_eq!(read.to_string(), text);
    }
}

#[test]
fn overlapping_hours_of_a_day_are_named_by_their_places() {
    assert_eq!(LocalInterval::overlap(&list("13:00-17:00 09:00-12:00 11:59-13:00")), Some((1, 2)));
    assert_eq!(LocalInterval::overlap(&list("13:00-17:00 09:00-12:00 12:00-13:00")), None);
}

fn intervals() -> impl Strategy<Value = Vec<LocalInterval>> {
    let one = (0u16..1_440, 1u16..1_500)
        .prop_map(|(start, length)| LocalInterval::new(start, (start + length).min(2_880)).unwrap());
    prop::collection::vec(one, 0..4)
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let zones = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Kathmandu",
    ]);
    let dates =
        prop::collection::btree_map((0i64..800).prop_map(|day| date(2025, 6, 1) + day.days()), intervals(), 0..6);
    (zones, prop::array::uniform7(intervals()), dates)
        .prop_map(|(name, week, dates)| Calendar::new(Hours { zone: zone(name).unwrap(), week, dates }))
}

/// Within 2025 to 2027, and in 2011 and 2018, where days or midnights are missing.
fn instants() -> impl Strategy<Value = Timestamp> {
    let around =
        |from: i64, days: i64| (from..from + days * 86_400).prop_map(|second| Timestamp::from_second(second).unwrap());
    prop_oneof![around(1_748_736_000, 800), around(1_324_000_000, 40), around(1_540_000_000, 40)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn working_time_is_additive(calendar in calendars(), mut points in prop::array::uniform3(instants())) {
        points.sort_unstable();
        let [a, b, c] = points;
        prop_assert_eq!(calendar.elapsed(a, b) + calendar.elapsed(b, c), calendar.elapsed(a, c));
    }

    #[test]
    fn at_its_due_time_a_target_is_used_up_and_a_second_before_it_is_not(
        calendar in calendars(), from in instants(), target in 1u64..2_000_000,
    ) {
        let target = Duration::from_secs(target);
        if let Some(due) = calendar.due(from, target) {
            prop_assert_eq!(calendar.elapsed(from, due), target);
            prop_assert_eq!(calendar.elapsed(from, due - 1.second()), target - Duration::from_secs(1));
        }
    }

    #[test]
    fn due_never_goes_back_when_start_or_target_grow(
        calendar in calendars(), from in instants(), target in 0u64..2_000_000, later in 0i64..200_000, more in 0u64..200_000,
    ) {
        let due = calendar.due(from, Duration::from_secs(target));
        let of_later = calendar.due(from + later.seconds(), Duration::from_secs(target));
        let of_more = calendar.due(from, Duration::from_secs(target + more));
        for other in [of_later, of_more] {
            if let (Some(due), Some(other)) = (due, other) {
                prop_assert!(due <= other);
            }
        }
    }

    #[test]
    fn the_intervals_are_the_working_time(calendar in calendars(), from in instants(), days in 0i64..60) {
        let to = from + (days * 24).hours();
        let open: Vec<Open> = calendar.intervals(from, to).collect();
        let sum: Duration = open.iter().map(|open| between(open.from, open.to)).sum();
        prop_assert_eq!(sum, calendar.elapsed(from, to));
        for pair in open.windows(2) {
            prop_assert!(pair[0].to < pair[1].from);
        }
        for open in &open {
            prop_assert!(open.from < open.to && calendar.is_open(open.from) && calendar.is_open(open.to - 1.second()));
            prop_assert_eq!(calendar.next_open(open.from), Some(open.from));
            if open.to < to {
                prop_assert!(!calendar.is_open(open.to));
                prop_assert_eq!(calendar.next_change(open.from), Some(open.to));
            }
        }
    }
}
