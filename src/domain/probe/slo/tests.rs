//! Against a second implementation that keeps every look and computes from the texts that users write.

use jiff::ToSpan;
use proptest::prelude::*;
use rstest::rstest;

use super::{
    burn::{Burn, LEAST_LOOKS, PAIRS, burn},
    *,
};
use crate::{
    alert::Severity,
    probe::fixtures::{DAY, look, noon, slo},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Looks, one every so many seconds, ending at noon or shortly before.
fn seen(slos: &[Slo], every: i64, looks: &str) -> (Tracks, Timestamp) {
    let mut tracks = Tracks::new(slos);
    let count = i64::try_from(looks.len()).unwrap();
    for (i, letter) in looks.chars().enumerate() {
        let back = (count - 1 - i64::try_from(i).unwrap()) * every;
        tracks.record(&look(letter, noon() - back.seconds()));
    }
    (tracks, noon())
}

fn pages(objective: &str, days: u32, looks: &str) -> bool {
    let slo = slo("availability", objective, days, None);
    let (tracks, now) = seen(std::slice::from_ref(&slo), 30, looks);
    matches!(burn(&slo, &tracks, Severity::Page, 2, now), Burn::Fast(_))
}

fn good(count: usize) -> String {
    ".".repeat(count)
}

#[rstest]
#[case::nothing_failed("99.9", 30, good(120), false)]
#[case::one_failure_pages_nobody("99.9", 30, format!("{}x", good(119)), false)]
#[case::two_failures_of_an_hour_are_16_times_too_fast("99.9", 30, format!("{}xx", good(118)), true)]
#[case::at_99_percent_two_are_allowed("99", 30, format!("{}xx", good(118)), false)]
#[case::failures_that_are_over_page_nobody("99.9", 30, format!("xxxxxx{}", good(114)), false)]
#[case::too_few_looks_say_nothing("99.9", 30, "xxxx".to_owned(), false)]
#[case::ten_looks_do("99.9", 30, format!("{}xx", good(8)), true)]
#[case::over_a_week_a_quarter_of_the_factor_is_enough("99.5", 7, format!("{}xxx", good(117)), true)]
#[case::which_over_a_month_is_not("99.5", 30, format!("{}xxx", good(117)), false)]
fn a_budget_that_burns_too_fast_pages(
    #[case] objective: &str,
    #[case] days: u32,
    #[case] looks: String,
    #[case] expected: bool,
) {
    assert_eq!(pages(objective, days, &looks), expected);
}

#[test]
fn looks_that_are_long_over_are_unseen_rather_than_fine() {
    let slo = slo("availability", "99.9", 30, None);
    let (tracks, now) = seen(std::slice::from_ref(&slo), 30, &good(120));
    assert_eq!(burn(&slo, &tracks, Severity::Page, 2, now), Burn::Fine);
    assert_eq!(burn(&slo, &tracks, Severity::Page, 2, now + 1.hour()), Burn::Unseen);
}

#[rstest]
#[case(30, [(144, 10), (6, 1), (3, 1), (1, 1)])]
#[case(15, [(72, 10), (3, 1), (15, 10), (1, 1)])]
#[case(7, [(336, 100), (14, 10), (1, 1), (1, 1)])]
#[case(90, [(432, 10), (18, 1), (9, 1), (3, 1)])]
fn factors_use_up_the_same_share_of_the_budget_whatever_the_window(
    #[case] days: u32,
    #[case] expected: [(u64, u64); 4],
) {
    let factors = PAIRS.map(|pair| pair.factor(DAY * days));
    for ((numerator, denominator), (n, d)) in factors.into_iter().zip(expected) {
        assert_eq!(u128::from(numerator) * u128::from(d), u128::from(n) * u128::from(denominator), "{days} d: {n}/{d}");
    }
}

#[rstest]
#[case("99", 30, [true, true, true, true])]
#[case("90", 30, [false, true, true, true])]
#[case("50", 30, [false, false, false, true])]
#[case("95", 90, [false, true, true, true])]
fn a_low_objective_cannot_burn_as_fast_as_some_factors(
    #[case] objective: &str,
    #[case] days: u32,
    #[case] expected: [bool; 4],
) {
    let objective = Objective::parse(objective).unwrap();
    assert_eq!(PAIRS.map(|pair| pair.can_fire(objective, DAY * days)), expected);
}

#[rstest]
#[case("99.9", 10_000, 0, "100", "100.0")]
#[case("99.9", 10_000, 5, "99.95", "50.0")]
#[case("99.9", 10_000, 10, "99.90", "0.0")]
#[case("99.9", 10_000, 11, "99.89", "0.0")]
#[case("99", 3, 1, "66.66", "0.0")]
#[case("99.9", 7_000, 4, "99.94", "42.8")]
fn what_is_left_of_the_budget_is_said_in_percent(
    #[case] objective: &str,
    #[case] all: u64,
    #[case] bad: u64,
    #[case] sli: &str,
    #[case] left: &str,
) {
    let slo = slo("availability", objective, 30, None);
    let mut tracks = Tracks::new(std::slice::from_ref(&slo));
    (0..all).for_each(|n| tracks.record(&look(if n < bad { 'x' } else { '.' }, noon())));
    let report = Report::new(&slo, &tracks, noon());
    assert_eq!((report.sli().as_deref(), report.budget_left_text().as_deref()), (Some(sli), Some(left)));
}

#[test]
fn every_window_of_a_pair_has_its_rate_once() {
    for window in PAIRS.iter().flat_map(|pair| [pair.long, pair.short]) {
        assert_eq!(WINDOWS.iter().filter(|known| **known == window).count(), 1, "{window:?}");
    }
    let slo = slo("availability", "99", 30, None);
    let (tracks, now) = seen(std::slice::from_ref(&slo), 60, &format!("{}x", good(59)));
    let report = Report::new(&slo, &tracks, now);
    let texts = [MINUTE * 5, MINUTE * 60, DAY].map(|window| report.rate_text(window));
    assert_eq!(texts.each_ref().map(Option::as_deref), [Some("20.0"), Some("1.6"), Some("1.6")]);
}

#[test]
fn an_objective_without_a_look_says_nothing() {
    let slo = slo("availability", "99.9", 30, None);
    let report = Report::new(&slo, &Tracks::new(std::slice::from_ref(&slo)), noon());
    assert_eq!((report.sli(), report.budget_left_text(), report.rates[0].text()), (None, None, None));
}

#[test]
fn a_slow_look_and_a_failed_one_are_bad_for_latency_and_a_blind_one_is_no_look() {
    let slos = [slo("availability", "99", 30, None), slo("latency", "99", 30, Some(300))];
    let (tracks, now) = seen(&slos, 30, "..s.x?.");
    let tallies = slos.each_ref().map(|slo| tracks.tally(slo, DAY, now));
    assert_eq!(tallies, [Tally { all: 6, bad: 1 }, Tally { all: 6, bad: 2 }]);
}

#[test]
fn an_edit_keeps_what_was_counted_for_the_same_question() {
    let before = [slo("availability", "99", 30, None), slo("latency", "99", 30, Some(300))];
    let (mut tracks, now) = seen(&before, 30, "..sx");
    let after = [slo("fast", "95", 90, Some(300)), slo("faster", "95", 7, Some(50))];
    tracks.adapt(&after);
    let tallies = after.each_ref().map(|slo| tracks.tally(slo, slo.window, now));
    assert_eq!(tallies, [Tally { all: 4, bad: 2 }, Tally::default()]);
    assert_eq!(tracks.tally(&before[0], DAY, now), Tally { all: 4, bad: 1 });
}

#[test]
fn ten_thousand_monitors_with_a_day_of_minutes_and_a_month_of_hours_stay_below_their_share_of_memory() {
    // Every 15 s, as the example of the design; a prober that does nothing else takes 36 MB for as many.
    let (tracks, _) = seen(&[slo("availability", "99.9", 30, None)], 15, &good(5_760));
    assert!(tracks.bytes() * 10_000 <= 60 << 20, "{} bytes a monitor", tracks.bytes());
}

/// Every look, and the texts that users write.
struct Naive<'a> {
    looks: Vec<(i64, char)>,
    objective: &'a str,
    days: i64,
    below: bool,
}

impl Naive<'_> {
    /// All and bad looks of the last `window` seconds, in minutes up to a day and in hours beyond.
    fn count(&self, window: i64, now: i64) -> (i128, i128) {
        let width = if window <= 86_400 { 60 } else { 3_600 };
        let newest = now.div_euclid(width);
        let inside =
            self.looks.iter().filter(|(at, _)| (newest - window / width + 1..=newest).contains(&at.div_euclid(width)));
        let looks: Vec<char> = inside.map(|(_, letter)| *letter).filter(|letter| *letter != '?').collect();
        let bad = looks.iter().filter(|letter| **letter == 'x' || (self.below && **letter == 's')).count();
        (looks.len() as i128, bad as i128)
    }

    /// The share that may be bad, as a fraction read off the text: `99.95` is (10000 - 9995) / 10000.
    fn allowed(&self) -> (i128, i128) {
        let (whole, fraction) = self.objective.split_once('.').unwrap_or((self.objective, ""));
        let denominator = 100 * 10i128.pow(fraction.len() as u32);
        (denominator - format!("{whole}{fraction}").parse::<i128>().unwrap(), denominator)
    }

    /// bad/all > factor * days/30 * allowed, and at least allowed itself.
    fn too_fast(&self, window: i64, tenths: i128, now: i64) -> bool {
        let ((all, bad), (part, whole)) = (self.count(window, now), self.allowed());
        bad * whole * 10 * 30 > all * part * (tenths * i128::from(self.days)).max(300)
    }

    fn fires(&self, pairs: [(i64, i64, i128); 2], least_bad: i128, now: i64) -> Option<i64> {
        let fires = |(long, short, tenths): &(i64, i64, i128)| {
            let (all, bad) = self.count(*long, now);
            all >= i128::from(LEAST_LOOKS)
                && bad >= least_bad
                && self.too_fast(*long, *tenths, now)
                && self.too_fast(*short, *tenths, now)
        };
        pairs.iter().find(|pair| fires(pair)).map(|(long, ..)| *long)
    }
}

fn histories() -> impl Strategy<Value = Vec<(i64, char)>> {
    let quiet = prop::collection::vec(
        (20i64..90, prop::sample::select(vec!['.', '.', '.', '.', '.', '.', '.', 's', 'x', '?'])),
        0..120,
    );
    let outage = prop::collection::vec((2i64..60, prop::sample::select(vec!['x', 'x', '.', 's'])), 0..60);
    let sparse = prop::collection::vec((600i64..20_000, prop::sample::select(vec!['.', '.', '.', 'x'])), 0..40);
    prop::collection::vec(prop_oneof![3 => quiet, 2 => outage, 1 => sparse], 1..5).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn burn_alerts_and_budgets_equal_a_naive_recomputation(
        history in histories(), objective in prop::sample::select(vec!["99.9", "99", "99.95", "95", "50", "99.9999"]),
        days in prop::sample::select(vec![7u32, 14, 30, 90]), below in any::<bool>(), least_bad in 2u64..5, wait in 0i64..8_000,
    ) {
        let slo = slo("s", objective, days, below.then_some(300));
        let mut tracks = Tracks::new(std::slice::from_ref(&slo));
        let mut naive = Naive { looks: Vec::new(), objective, days: i64::from(days), below };
        let mut now = noon();
        for (step, letter) in history {
            now += step.seconds();
            tracks.record(&look(letter, now));
            naive.looks.push((now.as_second(), letter));
        }
        for now in [now, now + wait.seconds()] {
            for (severity, pairs) in [
                (Severity::Page, [(3_600, 300, 144), (21_600, 1_800, 60)]),
                (Severity::Ticket, [(86_400, 7_200, 30), (259_200, 21_600, 10)]),
            ] {
                let found = match burn(&slo, &tracks, severity, least_bad, now) {
                    Burn::Fast(pair) => Some(pair.long.as_secs() as i64),
                    Burn::Fine | Burn::Unseen => None,
                };
                prop_assert_eq!(found, naive.fires(pairs, i128::from(least_bad), now.as_second()));
            }
            let report = Report::new(&slo, &tracks, now);
            let (all, bad) = naive.count(i64::from(days) * 86_400, now.as_second());
            prop_assert_eq!((i128::from(report.window.all), i128::from(report.window.bad)), (all, bad));
            prop_assert_eq!(report.budget_left().is_none(), all == 0);
            if let Some(left) = report.budget_left() {
                let (part, whole) = naive.allowed();
                let exact = (all * part - bad * whole) * 1_000 / (all * part);
                prop_assert_eq!(i128::from(left), exact.clamp(0, 1_000));
                prop_assert!(left <= 1_000);
            }
        }
    }

    #[test]
    fn a_restart_half_way_changes_no_count(history in histories(), place in 0usize..200) {
        let slos = [slo("availability", "99.9", 30, None), slo("latency", "99", 90, Some(300))];
        let (mut live, mut restarted) = (Tracks::new(&slos), Tracks::new(&slos));
        let mut now = noon();
        for (i, (step, letter)) in history.into_iter().enumerate() {
            now += step.seconds();
            let sample = look(letter, now);
            live.record(&sample);
            restarted.record(&sample);
            if i == place {
                let text = serde_json::to_string(&restarted.keep()).unwrap();
                restarted = Tracks::restore(&serde_json::from_str(&text).unwrap(), &slos);
            }
        }
        for slo in &slos {
            prop_assert_eq!(Report::new(slo, &live, now), Report::new(slo, &restarted, now));
        }
    }

    #[test]
    fn more_failures_never_leave_more_of_the_budget(all in 1u64..400, bad in 0u64..400) {
        let slo = slo("availability", "99.5", 30, None);
        let left = |bad: u64| {
            let mut tracks = Tracks::new(std::slice::from_ref(&slo));
            (0..all).for_each(|n| tracks.record(&look(if n < bad { 'x' } else { '.' }, noon() - MINUTE)));
            Report::new(&slo, &tracks, noon()).budget_left()
        };
        prop_assert!(left(bad + 1) <= left(bad));
    }
}
