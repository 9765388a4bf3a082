//! Against a plain list of all looks, with a clock that steps.

use jiff::ToSpan;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn of(good: u32, bad: u32) -> Counters {
    let mut counters = Counters::new(0);
    (0..good).for_each(|_| counters.record(noon(), Count::Good));
    (0..bad).for_each(|_| counters.record(noon(), Count::Bad));
    counters
}

#[test]
fn a_window_ends_with_the_bucket_that_is_still_filling() {
    let counters = of(1, 1);
    let five = Duration::from_secs(300);
    assert_eq!(counters.tally(five, noon() + 4.minutes() + 59.seconds()), Tally { all: 2, bad: 1 });
    assert_eq!(counters.tally(five, noon() + 5.minutes()), Tally::default());
}

#[test]
fn a_window_longer_than_a_day_is_counted_in_hours() {
    let counters = of(2, 1);
    assert_eq!(counters.tally(DAY * 3, noon() + 71.hours()), Tally { all: 3, bad: 1 });
    assert_eq!(counters.tally(DAY * 3, noon() + 72.hours()), Tally::default());
}

#[test]
fn nothing_is_counted_before_the_first_look() {
    assert_eq!(Counters::new(0).tally(DAY * 30, noon()), Tally::default());
}

#[test]
fn a_bucket_with_more_looks_than_a_byte_holds_counts_on() {
    let counters = of(70_000, 0);
    assert_eq!(counters.tally(HOUR, noon()), Tally { all: 65_535, bad: 0 });
    assert_eq!(of(300, 257).tally(HOUR, noon()), Tally { all: 557, bad: 257 });
}

#[rstest]
#[case::a_year_ahead_and_back(365 * 24 * 3600)]
#[case::a_year_back_and_ahead(-365 * 24 * 3600)]
fn a_clock_that_was_far_off_does_not_stop_the_count(#[case] off: i64) {
    let mut counters = of(5, 5);
    counters.record(noon() + off.seconds(), Count::Good);
    counters.record(noon(), Count::Bad);
    assert_eq!(counters.tally(DAY * 30, noon()), Tally { all: 1, bad: 1 });
    assert_eq!(counters.tally(HOUR, noon()), Tally { all: 1, bad: 1 });
}

#[test]
fn a_clock_set_back_an_hour_loses_nothing() {
    let mut counters = of(3, 0);
    counters.record(noon() - 1.hour(), Count::Bad);
    assert_eq!(counters.tally(DAY, noon()), Tally { all: 4, bad: 1 });
    assert_eq!(
        counters.tally(HOUR, noon() - 1.hour()),
        Tally { all: 1, bad: 1 },
        "what lies ahead is not in the window"
    );
}

#[test]
fn a_month_of_a_healthy_target_is_a_short_text() {
    let mut counters = Counters::new(0);
    for minute in 0..30 * 24 * 60 {
        for half in [0, 30] {
            counters.record(noon() + minute.minutes() + half.seconds(), Count::Good);
        }
    }
    let last = (noon() + (30 * 24 * 60 - 1).minutes()).as_second();
    assert_eq!(
        counters.keep(),
        KeptCounters { minutes: format!("{} 2x1440", last / 60), hours: format!("{} 120x720", last / 3600) }
    );
}

#[rstest]
#[case::nothing("")]
#[case::no_number("x 2x5")]
#[case::more_bad_than_all("29422320 1/2")]
#[case::no_time_that_exists("9223372036854775807 1")]
#[case::a_run_of_nothing("29422320 1x0")]
#[case::a_run_of_less_than_nothing("29422320 1x-5")]
#[case::words("29422320 hello world")]
fn text_that_nobody_wrote_so_is_left_out(#[case] text: &str) {
    let kept = KeptCounters { minutes: text.to_owned(), hours: text.to_owned() };
    assert_eq!(Counters::restore(&kept, 0), Counters::new(0));
}

#[test]
fn a_run_that_is_longer_than_the_ring_ends_with_it() {
    let kept = KeptCounters { minutes: String::new(), hours: "490000 3x9000000000000000000".to_owned() };
    let at = Timestamp::from_second(490_000 * 3600).unwrap();
    assert_eq!(Counters::restore(&kept, 0).tally(DAY * 90, at), Tally { all: 720 * 3, bad: 0 });
}

#[test]
fn a_month_of_counters_takes_less_than_six_kilobytes() {
    assert!(Counters::new(0).bytes() <= 4_320);
    let mut dense = Counters::new(0);
    (0..400).for_each(|second| dense.record(noon() + second.seconds(), Count::Good));
    assert!(dense.bytes() < 6_000, "{}", dense.bytes());
}

/// The second implementation: every look, and nothing but the rule of what a ring of this width still holds.
struct Naive {
    width: i64,
    length: i64,
    looks: Vec<(i64, bool)>,
    newest: Option<i64>,
}

impl Naive {
    fn new(width: i64, length: i64) -> Self {
        Self { width, length, looks: Vec::new(), newest: None }
    }

    fn record(&mut self, second: i64, bad: bool) {
        let number = second.div_euclid(self.width);
        let newest = self.newest.unwrap_or(number);
        if number <= newest - self.length {
            self.looks.clear();
            self.newest = Some(number);
        } else {
            self.newest = Some(newest.max(number));
        }
        let oldest = self.newest.unwrap() - self.length;
        self.looks.push((number, bad));
        self.looks.retain(|(number, _)| *number > oldest);
    }

    fn tally(&self, seconds: i64, now: i64) -> Tally {
        let last = now.div_euclid(self.width);
        let first = last - (seconds / self.width) + 1;
        let inside: Vec<_> = self.looks.iter().filter(|(number, _)| (first..=last).contains(number)).collect();
        Tally { all: inside.len() as u64, bad: inside.iter().filter(|(_, bad)| *bad).count() as u64 }
    }
}

/// Seconds to the next look: mostly ahead, at times a step of the clock.
fn steps() -> impl Strategy<Value = Vec<(i64, bool)>> {
    let step = prop_oneof![
        8 => 0i64..600,
        2 => 600i64..40_000,
        1 => -7_200i64..0,
        1 => prop::sample::select(vec![-90 * 86_400i64, 90 * 86_400, -86_400, 86_400, 2_700_000]),
    ];
    prop::collection::vec((step, any::<bool>()), 1..150)
}

const WINDOWS: [i64; 8] = [300, 1_800, 3_600, 7_200, 21_600, 86_400, 3 * 86_400, 30 * 86_400];

proptest! {
    #[test]
    fn counters_equal_a_naive_recount_also_when_the_clock_steps(steps in steps(), ahead in 0i64..200_000) {
        let mut counters = Counters::new(0);
        let (mut minutes, mut hours) = (Naive::new(60, 1_440), Naive::new(3_600, 720));
        let mut now = noon().as_second();
        for (step, bad) in steps {
            now += step;
            counters.record(Timestamp::from_second(now).unwrap(), if bad { Count::Bad } else { Count::Good });
            minutes.record(now, bad);
            hours.record(now, bad);
            for (window, at) in WINDOWS.into_iter().flat_map(|window| [(window, now), (window, now + ahead), (window, now - ahead)]) {
                let naive = if window <= 86_400 { &minutes } else { &hours };
                let found = counters.tally(Duration::from_secs(window.unsigned_abs()), Timestamp::from_second(at).unwrap());
                prop_assert_eq!(found, naive.tally(window, at), "window {} at {}", window, at);
                prop_assert!(found.bad <= found.all);
            }
        }
    }

    #[test]
    fn what_is_kept_half_way_goes_on_as_if_nothing_had_happened(steps in steps(), place in 0usize..150) {
        let (mut live, mut now) = (Counters::new(0), noon());
        let mut restarted = live.clone();
        for (i, (step, bad)) in steps.into_iter().enumerate() {
            now += step.seconds();
            let count = if bad { Count::Bad } else { Count::Good };
            live.record(now, count);
            restarted.record(now, count);
            if i == place {
                let text = serde_json::to_string(&restarted.keep()).unwrap();
                restarted = Counters::restore(&serde_json::from_str(&text).unwrap(), 0);
            }
        }
        for window in WINDOWS {
            let window = Duration::from_secs(window.unsigned_abs());
            prop_assert_eq!(live.tally(window, now), restarted.tally(window, now));
        }
        prop_assert_eq!(live.keep(), restarted.keep());
    }

    #[test]
    fn keeping_more_hours_changes_no_count_and_keeping_fewer_only_drops_the_oldest(steps in steps()) {
        let (mut counters, mut now) = (Counters::new(0), noon());
        for (step, bad) in steps {
            now += step.seconds();
            counters.record(now, if bad { Count::Bad } else { Count::Good });
        }
        let mut longer = counters.clone();
        longer.keep_hours(MOST_HOURS);
        prop_assert_eq!(counters.tally(DAY * 30, now), longer.tally(DAY * 30, now));
        longer.keep_hours(LEAST_HOURS);
        prop_assert_eq!(counters.tally(DAY * 30, now), longer.tally(DAY * 30, now));
    }

    #[test]
    fn no_text_is_too_strange_to_be_read(text in "[0-9x/ -]{0,60}") {
        let kept = KeptCounters { minutes: text.clone(), hours: text };
        let counters = Counters::restore(&kept, MOST_HOURS);
        prop_assert!(counters.bytes() <= 4 * (1_440 + 2_160));
    }
}
