//! The rule book's cases of events, then the properties that hold for every course of events.

mod cases;
mod properties;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::*;
use crate::{
    calendar::{Hours, LocalInterval},
    ticket::TicketState::{self, *},
    time::{parse_duration, zone},
};

/// Monday to Friday 09:00 to 17:00 in Berlin.
fn office() -> Calendar {
    let nine_to_five = vec![LocalInterval::parse("09:00-17:00").unwrap()];
    let week = std::array::from_fn(|day| if day < 5 { nine_to_five.clone() } else { Vec::new() });
    Calendar::new(Hours { zone: zone("Europe/Berlin").unwrap(), week, dates: BTreeMap::new() })
}

fn span(text: &str) -> Duration {
    parse_duration(text).unwrap()
}

/// A time in June 2026 in Berlin, when Monday is the first: `Mon 10:00`, `Wed 08:00:30`; `Mon+1` is a week later.
fn at(text: &str) -> Timestamp {
    let (day, time) = text.split_once(' ').unwrap();
    let (day, weeks) = day.split_once('+').unwrap_or((day, "0"));
    let weekday = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|d| *d == day).unwrap();
    let date = jiff::civil::date(2026, 6, 1 + weekday as i8 + 7 * weeks.parse::<i8>().unwrap());
    date.to_datetime(time.parse().unwrap()).to_zoned(zone("Europe/Berlin").unwrap()).unwrap().timestamp()
}

/// `targets("resolution 8h, update 1h")`, in office hours, with warnings at 50 and 75 percent.
fn targets(text: &str) -> Targets {
    let mut targets =
        Targets { calendar_name: "office".into(), calendar: office(), warn_at: vec![50, 75], ..Targets::none() };
    for part in text.split(", ") {
        let (clock, target) = part.split_once(' ').unwrap();
        let slot = match ClockName::parse(clock).unwrap() {
            ClockName::FirstResponse => &mut targets.first_response,
            ClockName::NextResponse => &mut targets.next_response,
            ClockName::Update => &mut targets.update,
            ClockName::Resolution => &mut targets.resolution,
        };
        *slot = Some(span(target));
    }
    targets
}

pub(super) fn began() -> Happened {
    Happened::Began { has_requester: true }
}

fn alerted() -> Happened {
    Happened::Began { has_requester: false }
}

pub(super) fn state(to: TicketState) -> Happened {
    Happened::State { to, reason: None }
}

pub(super) fn change(to: &str, why: &str) -> Happened {
    Happened::Targets { to: Box::new(targets(to)), why: why.into() }
}

pub(super) fn told(initial: &str, story: &[(&str, Happened)], now: &str) -> Clocks {
    let happenings: Vec<Happening> =
        story.iter().map(|(time, what)| Happening { at: at(time), what: what.clone() }).collect();
    clocks(&happenings, &targets(initial), at(now))
}

/// Its sum is the stored value, and its lines follow each other from the beginning.
fn assert_explained(clocks: &Clocks) {
    for clock in &clocks.runs {
        assert_eq!(clock.ledger.iter().map(|line| line.counted).sum::<Duration>(), clock.elapsed, "{clock:#?}");
        let mut from = clock.began;
        for line in clock.ledger.iter().chain(&clock.present) {
            assert_eq!(line.from, from, "{clock:#?}");
            from = line.to;
        }
    }
}
