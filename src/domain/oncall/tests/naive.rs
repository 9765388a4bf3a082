//! Random schedules in every zone against a second implementation that looks at the clocks minute by minute.
//!
//! It knows nothing of offsets, gaps and turns: it walks from the day before the first layer, and when the local
//! clock shows a handover's time or later for the first time, the next person takes over.

use jiff::{
    SignedDuration, ToSpan,
    civil::{Date, DateTime, date},
};
use proptest::prelude::*;

use super::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A layer's rotation, as the walk goes by.
struct Hand<'a> {
    layer: &'a Layer,
    due: DateTime,
    turns: usize,
}

impl<'a> Hand<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self { layer, due: layer.start.to_datetime(layer.handover.civil()), turns: 0 }
    }

    fn look(&mut self, at: Timestamp) -> Option<&'a str> {
        let clock = self.layer.zone.to_datetime(at);
        while clock >= self.due {
            self.turns += 1;
            self.due += i64::from(self.layer.every_days).days();
        }
        let last = self.turns.checked_sub(1)?;
        if self.layer.during.as_ref().is_some_and(|during| !during.calendar.is_open(at)) {
            return None;
        }
        Some(&self.layer.people[last % self.layer.people.len()])
    }
}

/// Who is on call at each minute from a day before the first layer up to `to`, as changes.
fn walk<'a>(schedule: &'a Schedule, overrides: &'a [Override], to: Timestamp) -> Vec<(Timestamp, Option<&'a str>)> {
    let mut hands: Vec<Hand<'_>> = schedule.layers.iter().map(Hand::of).collect();
    let mut sorted: Vec<&Override> = overrides.iter().collect();
    sorted.sort_by_key(|one| one.created);
    let mut changes: Vec<(Timestamp, Option<&str>)> = Vec::new();
    let mut at = first_minute(schedule);
    while at < to {
        let said: Vec<Option<&str>> = hands.iter_mut().map(|hand| hand.look(at)).collect();
        let below = said.into_iter().flatten().next_back();
        let in_force: Vec<&Override> = sorted.iter().copied().filter(|one| one.covers(at)).collect();
        let person = above(below, &in_force);
        if changes.last().is_none_or(|(_, last)| *last != person) {
            changes.push((at, person));
        }
        at += MINUTE;
    }
    changes
}

fn first_minute(schedule: &Schedule) -> Timestamp {
    let start = schedule.layers.iter().map(|layer| layer.start).min().unwrap();
    TimeZone::UTC.to_timestamp(start.to_datetime(jiff::civil::Time::midnight())).unwrap() - 48.hours()
}

/// The rule of overrides as one would say it: the last one decides if it replaces nobody, or if the one it
/// replaces were on call without it and without those that replace the same person; else it is as if it were not.
fn above<'a>(below: Option<&'a str>, in_force: &[&'a Override]) -> Option<&'a str> {
    let Some((last, earlier)) = in_force.split_last() else { return below };
    let Some(replaced) = last.replaces.as_deref() else { return Some(&last.person) };
    let others: Vec<&Override> =
        earlier.iter().copied().filter(|one| one.replaces.as_deref() != Some(replaced)).collect();
    if above(below, &others) == Some(replaced) { Some(&last.person) } else { above(below, earlier) }
}

/// The first half minute at which the clocks show `local` or later, found by looking at every one of four days.
fn naive_first_instant(zone: &TimeZone, local: DateTime) -> Timestamp {
    let mut instant = TimeZone::UTC.to_timestamp(local).unwrap() - 48.hours();
    while zone.to_datetime(instant) < local {
        instant += SignedDuration::from_secs(30);
    }
    instant
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    let names: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    proptest::sample::select(names).prop_map(|name| zone(&name).unwrap())
}

/// Days around a change of the clocks of the zone are as likely as all others together.
fn any_day() -> impl Strategy<Value = (TimeZone, Date)> {
    (any_zone(), 0i64..22_000, any::<bool>(), -9i64..=1).prop_map(|(zone, days, near_change, off)| {
        let day = date(1975, 1, 1) + days.days();
        let from = TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).unwrap();
        let change = zone.following(from).next().map(|change| zone.to_datetime(change.timestamp()).date());
        let day = change.filter(|change| near_change && change.year() < 2040).map_or(day, |change| change + off.days());
        (zone, day)
    })
}

fn any_during() -> impl Strategy<Value = Option<NamedCalendar>> {
    let written =
        [("1-5", "09:00-17:00"), ("1-7", "22:00-30:00"), ("6-7", "00:00-24:00"), ("1-7", "00:00-02:30 02:30-12:00")];
    let some = (any_zone(), prop::sample::select(written.to_vec()))
        .prop_map(|(zone, (days, written))| hours("hours", zone.iana_name().unwrap(), days, written));
    prop::option::of(some)
}

prop_compose! {
    fn any_layer()((zone, day) in any_day(), hour in 0u8..24, half in 0u8..2, every_days in 1u16..5, seed in 0usize..4, during in any_during())
        -> Layer {
        let people = ["ada", "bob ada", "bob carol dan", "ada ada bob"][seed];
        let mut layer = layer("UTC", "2000-01-01 00:00", every_days, people);
        (layer.start, layer.zone) = (day, zone);
        layer.handover = LocalTime { hour, minute: half * 30 };
        layer.during = during;
        layer
    }
}

prop_compose! {
    /// One to three layers that begin within days of each other.
    fn any_schedule()(mut layers in prop::collection::vec(any_layer(), 1..4), offs in [-3i64..12, -3i64..12])
        -> Schedule {
        let first = layers[0].start;
        for (later, off) in layers.iter_mut().skip(1).zip(offs) {
            later.start = first + off.days();
        }
        schedule(layers)
    }
}

prop_compose! {
    fn any_override()(
        person in prop::sample::select(vec!["ada", "bob", "carol", "dan"]),
        replaces in prop::option::of(prop::sample::select(vec!["ada", "bob", "carol", "dan"])),
        begin in 0i64..20_000,
        length in 1i64..6_000,
    ) -> (String, i64, i64) {
        (replaces.map_or(person.to_owned(), |replaced| format!("{person}/{replaced}")), begin, length)
    }
}

prop_compose! {
    /// With up to four overrides within two weeks, and an instant among them.
    fn any_case()(schedule in any_schedule(), written in prop::collection::vec(any_override(), 0..5), later in 0i64..23_000)
        -> (Schedule, Vec<Override>, Timestamp) {
        let start = first_minute(&schedule);
        let minutes = |count: i64| start + SignedDuration::from_mins(count);
        let made = written.iter().zip(1..).map(|((people, begin, length), created)| Override {
            from: minutes(*begin),
            until: minutes(begin + length),
            ..instead(people, "2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z", created)
        });
        let overrides = made.collect();
        (schedule, overrides, minutes(later))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_handover_is_where_a_search_of_the_clocks_finds_it((zone, day) in any_day(), minute in 0i64..1440) {
        let local = day.to_datetime(jiff::civil::Time::midnight()) + minute.minutes();
        prop_assert_eq!(crate::time::first_instant(&zone, local), Some(naive_first_instant(&zone, local)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn overrides_above_each_other_come_out_as_the_rule_says_it(written in prop::collection::vec(any_override(), 0..8)) {
        let all: Vec<Override> = written
            .iter()
            .zip(1..)
            .map(|((people, ..), created)| instead(people, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", created))
            .collect();
        let said = above(Some("ada"), &all.iter().collect::<Vec<_>>());
        let ada = only_ada();
        prop_assert_eq!(who(&ada, &all, at("2050-01-01T00:00:00Z")), said, "{:?}", written);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_shifts_are_those_of_a_walk_from_minute_to_minute((schedule, overrides, at) in any_case()) {
        let from = first_minute(&schedule);
        let to = from + SignedDuration::from_hours(20 * 24);
        let walked = walk(&schedule, &overrides, to);
        let found = shifts(&schedule, &overrides, from, to);
        let began: Vec<(Timestamp, Option<&str>)> =
            found.iter().map(|shift| (shift.from.map_or(from, |begin| begin.max(from)), shift.person)).collect();
        prop_assert_eq!(&began, &walked);
        // They tile the range.
        prop_assert!(found.windows(2).all(|pair| pair[0].until == pair[1].from));
        prop_assert!(found.last().unwrap().until.is_none_or(|until| until >= to));
        // One answer is what the list says, whatever way it was asked.
        let there = *found.iter().rfind(|shift| shift.from.is_none_or(|begin| begin <= at)).unwrap();
        prop_assert_eq!(on_call(&schedule, &overrides, at), there);
        prop_assert_eq!(who(&schedule, &overrides, at), there.person);
        prop_assert_eq!(explain(&schedule, &overrides, at).person, there.person);
        prop_assert_eq!(next_change(&schedule, &overrides, at), there.until);
        let nobody = found.iter().filter(|shift| shift.person.is_none());
        let holes: Vec<_> =
            nobody.map(|hole| (hole.from.unwrap_or(from).max(from), hole.until.unwrap_or(to).min(to))).collect();
        prop_assert_eq!(gaps(&schedule, &overrides, from, to), holes);
        // Of the holes, what lies within the coverage.
        let covered = Schedule { coverage: hours("office", "Asia/Tokyo", "1-5", "09:00-12:00 13:00-17:00"), ..schedule.clone() };
        let minutes = (0..20 * 24 * 60).map(|minute| from + SignedDuration::from_mins(minute));
        let nobody = |at: Timestamp| walked.iter().rfind(|(begin, _)| *begin <= at).unwrap().1.is_none();
        let uncovered: Vec<Timestamp> = minutes.filter(|at| nobody(*at) && covered.coverage.calendar.is_open(*at)).collect();
        let found = gaps(&covered, &overrides, from, to);
        let counted: i64 = found.iter().map(|(from, to)| to.duration_since(*from).as_mins()).sum();
        prop_assert_eq!(counted, i64::try_from(uncovered.len()).unwrap());
        prop_assert!(uncovered.iter().all(|at| found.iter().any(|(from, to)| from <= at && at < to)));
    }
}

proptest! {
    #[test]
    fn the_answer_is_constant_within_a_shift_and_another_one_outside((schedule, overrides, at) in any_case(), part in 0.0..1.0) {
        let person = |at| who(&schedule, &overrides, at);
        let shift = on_call(&schedule, &overrides, at);
        let (from, until) = (shift.from.unwrap_or(at - 1000.hours()), shift.until.unwrap_or(at + 1000.hours()));
        prop_assert!(from <= at && at < until);
        let length = until.duration_since(from).as_secs_f64();
        let inside = from + SignedDuration::from_secs_f64(length * part);
        prop_assert_eq!(on_call(&schedule, &overrides, inside), shift);
        if let Some(from) = shift.from {
            prop_assert_ne!(person(from - 1.nanosecond()), shift.person);
        }
        if let Some(until) = shift.until {
            prop_assert_eq!(person(until - 1.nanosecond()), shift.person);
            prop_assert_ne!(person(until), shift.person);
        }
    }
}

#[test]
fn in_a_circle_of_replacements_the_later_of_two_for_the_same_person_still_wins() {
    let circle = ["dan/ada", "ada/dan", "bob/ada", "ada/dan"];
    let all: Vec<Override> = circle
        .into_iter()
        .zip(1..)
        .map(|(people, created)| instead(people, "2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z", created))
        .collect();
    // Bob's takes ada's shift after dan's did, so that dan is not there to be replaced again.
    assert_eq!(who(&only_ada(), &all, at("2050-01-01T00:00:00Z")), Some("bob"));
}
