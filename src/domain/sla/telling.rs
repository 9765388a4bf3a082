//! What is to be said of clocks, and to whom that was said: each level of each run once, the highest first.
//!
//! Whether a message may go out now, and to whom, is not decided here.
//!
//! A level that was said settles those below it: after an absence that spans several warnings and the due time there is
//! one message, about the due time. What was said is read back from the words of the timeline that said it.

use jiff::Timestamp;

use super::{
    ClockName,
    clock::{Clock, Clocks, Mark, Standing},
};

/// As many lines about one clock tell that older ones may be gone; what they were about is settled.
pub const REMEMBERED: usize = 100;

/// What a run of a clock has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Which clock.
    pub clock: ClockName,
    /// Which of its runs, from 1.
    pub run: usize,
    /// What.
    pub mark: Mark,
}

impl Reached {
    /// How a line begins that is about this: `resolution 75% (run 1)`, `resolution due (run 1)`.
    pub fn words(&self) -> String {
        let Self { clock, run, mark } = self;
        match mark {
            Mark::Warning(percent) => format!("{clock} {percent}% (run {run})"),
            Mark::Due => format!("{clock} due (run {run})"),
        }
    }

    /// What a line is about, from its own words; `None` for a line that is about no clock.
    pub fn parse(line: &str) -> Option<Self> {
        let (clock, rest) = line.split_once(' ')?;
        let (mark, rest) = rest.split_once(" (run ")?;
        let (run, _) = rest.split_once(')')?;
        let mark = match mark.strip_suffix('%') {
            Some(percent) => Mark::Warning(percent.parse().ok()?),
            None if mark == "due" => Mark::Due,
            None => return None,
        };
        Some(Self { clock: ClockName::parse(clock)?, run: run.parse().ok()?, mark })
    }
}

/// What nobody was told of yet: of each run the highest level it has reached, with the true time of that.
///
/// Of a warning only while the clock runs: what stands still or is over needs no hurry. Of a broken promise also when
/// the work was done since, but not when the run counts neither as met nor as missed.
pub fn untold(clocks: &Clocks, told: &[Reached]) -> Vec<(Reached, Timestamp)> {
    let untold = clocks.runs.iter().filter_map(|clock| {
        let (mark, at) = worst(clock)?;
        let reached = Reached { clock: clock.name, run: clock.run, mark };
        let of_clock = || told.iter().filter(|known| known.clock == clock.name);
        let highest = of_clock().filter(|known| known.run == clock.run).map(|known| known.mark).max();
        let settled = || of_clock().count() >= REMEMBERED && of_clock().all(|known| known.run > clock.run);
        (highest.is_none_or(|highest| highest < mark) && !settled()).then_some((reached, at))
    });
    untold.collect()
}

fn worst(clock: &Clock) -> Option<(Mark, Timestamp)> {
    if let Some(at) = clock.breached_at {
        return (!matches!(clock.standing, Standing::Cancelled { .. })).then_some((Mark::Due, at));
    }
    let warnings = clock.warnings.iter().filter(|_| clock.standing == Standing::Running);
    warnings.map(|warning| (Mark::Warning(warning.percent), warning.at)).max_by_key(|(mark, _)| *mark)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sla::{
        Happened,
        tests::{began, change, state, told as clocks_at},
    };
    use crate::ticket::TicketState::{PendingRequester, Resolved};

    /// The words of all that is to be told at that time, and whether it is the first time.
    fn said(story: &[(&str, Happened)], now: &str, told: &[&str]) -> Vec<String> {
        let told: Vec<Reached> = told.iter().map(|line| Reached::parse(line).unwrap()).collect();
        let clocks = clocks_at("resolution 8h", story, now);
        untold(&clocks, &told).into_iter().map(|(reached, _)| reached.words()).collect()
    }

    // Monday 09:00, eight working hours, warnings at 50 and 75 percent: 13:00 and 15:00, due 17:00.
    #[rstest]
    #[case::before_any("Mon 12:59", &[], &[])]
    #[case::half("Mon 13:00", &[], &["resolution 50% (run 1)"])]
    #[case::half_was_told("Mon 13:00", &["resolution 50% (run 1)"], &[])]
    #[case::the_next_level("Mon 15:00", &["resolution 50% (run 1)"], &["resolution 75% (run 1)"])]
    #[case::two_levels_at_once_are_one_message("Mon 15:30", &[], &["resolution 75% (run 1)"])]
    #[case::due("Mon 17:00", &["resolution 75% (run 1)"], &["resolution due (run 1)"])]
    #[case::everything_at_once_is_one_message("Tue 12:00", &[], &["resolution due (run 1)"])]
    #[case::due_was_told("Tue 12:00", &["resolution due (run 1)"], &[])]
    #[case::of_another_clock("Mon 13:00", &["update 75% (run 1)"], &["resolution 50% (run 1)"])]
    fn each_level_is_told_once_and_the_highest_stands_for_those_below(
        #[case] now: &str,
        #[case] told: &[&str],
        #[case] expected: &[&str],
    ) {
        assert_eq!(said(&[("Mon 09:00", began())], now, told), expected);
    }

    #[test]
    fn nights_count_for_no_percent() {
        // From Monday 16:00: 50 percent is Tuesday 12:00, not Monday 20:00.
        assert_eq!(said(&[("Mon 16:00", began())], "Tue 11:59", &[]), Vec::<String>::new());
        assert_eq!(said(&[("Mon 16:00", began())], "Tue 12:00", &[]), ["resolution 50% (run 1)"]);
    }

    #[test]
    fn what_stands_still_or_is_done_needs_no_warning() {
        let paused = [("Mon 09:00", began()), ("Mon 13:30", state(PendingRequester))];
        assert_eq!(said(&paused, "Mon 14:00", &[]), Vec::<String>::new());
        let done = [("Mon 09:00", began()), ("Mon 13:30", state(Resolved))];
        assert_eq!(said(&done, "Mon 14:00", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_broken_promise_is_told_also_when_the_work_was_done_since() {
        let late = [("Mon 09:00", began()), ("Tue 10:00", state(Resolved))];
        assert_eq!(said(&late, "Wed 10:00", &[]), ["resolution due (run 1)"]);
        let merged = [("Mon 09:00", began()), ("Tue 10:00", Happened::Merged)];
        assert_eq!(said(&merged, "Wed 10:00", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_looser_promise_does_not_begin_the_levels_anew() {
        let loosened = [("Mon 09:00", began()), ("Mon 15:30", change("resolution 16h", "priority P3 -> P4"))];
        let told = ["resolution 50% (run 1)", "resolution 75% (run 1)"];
        assert_eq!(said(&loosened, "Tue 10:00", &told), Vec::<String>::new());
        assert_eq!(said(&loosened, "Tue 17:00", &told), ["resolution due (run 1)"]);
    }

    #[test]
    fn runs_before_those_that_are_remembered_are_settled() {
        let clocks = clocks_at("resolution 8h", &[("Mon 09:00", began())], "Tue 12:00");
        let later = |run| Reached { clock: ClockName::Resolution, run, mark: Mark::Due };
        let remembered: Vec<Reached> = (2..2 + REMEMBERED).map(later).collect();
        assert_eq!(untold(&clocks, &remembered), []);
        assert_eq!(untold(&clocks, &remembered[1..]).len(), 1);
    }

    #[rstest]
    #[case("resolution 75% (run 2): told ada", Some((ClockName::Resolution, 2, Mark::Warning(75))))]
    #[case("firstResponse due (run 1)", Some((ClockName::FirstResponse, 1, Mark::Due)))]
    #[case("resolution late (run 1)", None)]
    #[case("somebody wrote something", None)]
    fn a_line_says_what_it_is_about(#[case] line: &str, #[case] expected: Option<(ClockName, usize, Mark)>) {
        let expected = expected.map(|(clock, run, mark)| Reached { clock, run, mark });
        assert_eq!(Reached::parse(line), expected);
        if let Some(reached) = expected {
            assert!(line.starts_with(&reached.words()), "{line}");
        }
    }
}
