//! Working time counted minute by minute, without a line of the code that it judges.
//!
//! All it asks of jiff is each minute's offset from UTC. Local times are plain numbers here: minutes since 1970 on the
//! zone's clocks. An interval is open from the first minute whose clocks show its start or later, up to the last minute whose
//! clocks show its end, or where they never do, through the last one that shows less; that is all there is to say of gaps
//! and repeats.

use std::{collections::BTreeMap, time::Duration};

use domain::{
    calendar::{Calendar, Hours, LocalInterval},
    time::zone,
};
use jiff::{Timestamp, ToSpan, civil::date, tz::TimeZone};

use super::{Bar, Soak, random::Random};

const DAY: i64 = 1_440;
/// How long a table is looked at.
pub const HORIZON: i64 = 60 * DAY;
/// What is computed before and after it: hours reach two days on, and a zone may skip one.
const MARGIN: i64 = 4 * DAY;
/// How far local clocks are from UTC at most, with a skipped day.
const FAR: i64 = 40 * 60;

/// Start and end in minutes of a local day.
type Intervals = Vec<(i64, i64)>;

/// Working hours as numbers.
#[derive(Debug, Clone)]
pub struct Plan {
    zone: TimeZone,
    week: [Intervals; 7],
    /// By days since 1970.
    dates: BTreeMap<i64, Intervals>,
    /// The first minute that is looked at, since 1970.
    pub start: i64,
}

impl Plan {
    /// Any week in any zone, in any year from 1990 to 2037, most often around a change of the clocks.
    pub fn any(random: &mut Random, zones: &[String]) -> Self {
        let zone = zone(random.one_of::<String>(zones)).unwrap();
        let mut start = number(random, 48 * 365 * DAY) + 20 * 365 * DAY;
        if random.below(4) > 0
            && let Some(change) = zone.following(instant(start)).next()
        {
            start = change.timestamp().as_second().div_euclid(60) - 30 * DAY + number(random, 20 * DAY);
        }
        let start = start.clamp(20 * 365 * DAY, 68 * 365 * DAY);
        let sparse = random.below(4);
        let week = std::array::from_fn(|_| if random.below(4) < sparse { Vec::new() } else { intervals(random) });
        let dates =
            (0..random.below(6)).map(|_| (start.div_euclid(DAY) + number(random, 62), intervals(random))).collect();
        Self { zone, week, dates, start }
    }

    /// The same hours, looked at from this minute on.
    pub fn from(self, start: i64) -> Self {
        Self { start, ..self }
    }

    /// The calendar that is judged.
    pub fn calendar(&self) -> Calendar {
        let read = |list: &Intervals| {
            list.iter()
                .map(|(start, end)| {
                    LocalInterval::new(u16::try_from(*start).unwrap(), u16::try_from(*end).unwrap()).unwrap()
                })
                .collect::<Vec<_>>()
        };
        let dates = self.dates.iter().map(|(day, list)| (date(1970, 1, 1) + day.days(), read(list))).collect();
        Calendar::new(Hours { zone: self.zone.clone(), week: std::array::from_fn(|day| read(&self.week[day])), dates })
    }

    fn on(&self, day: i64) -> &Intervals {
        // 1970-01-01 was a Thursday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap();
        self.dates.get(&day).unwrap_or(&self.week[weekday])
    }

    /// Counts it; `None` where the zone's offset is not whole minutes.
    pub fn minutes(&self) -> Option<Minutes> {
        let (first, last) = (self.start - MARGIN, self.start + HORIZON + MARGIN);
        let local = (first..last)
            .map(|minute| {
                let offset = i64::from(self.zone.to_offset(instant(minute)).seconds());
                (offset % 60 == 0).then_some(minute + offset / 60)
            })
            .collect::<Option<Vec<i64>>>()?;
        let mut open = vec![false; local.len()];
        for day in (first.div_euclid(DAY) - 3)..=(last.div_euclid(DAY) + 2) {
            for (start, end) in self.on(day) {
                let (start, end) = (day * DAY + start, day * DAY + end);
                let place = |minute: i64| usize::try_from((minute - first).clamp(0, last - first)).unwrap();
                let near = |from: i64, to: i64| place(from - FAR)..place(to + FAR);
                let opens = near(start, start).find(|place| local[*place] >= start);
                let less = near(end, end).rev().find(|place| local[*place] < end);
                let shown = near(end, end).rev().find(|place| local[*place] == end);
                let closes = less.max(shown.and_then(|place| place.checked_sub(1)));
                if let (Some(opens), Some(closes)) = (opens, closes) {
                    open.get_mut(opens..=closes).into_iter().flatten().for_each(|open| *open = true);
                }
            }
        }
        let mut minutes = Minutes { first, before: vec![0], working: Vec::new(), open };
        for (place, open) in minutes.open.iter().enumerate() {
            if *open {
                minutes.working.push(first + i64::try_from(place).unwrap());
            }
            minutes.before.push(minutes.working.len());
        }
        Some(minutes)
    }
}

/// Every minute of a plan, open or not.
#[derive(Debug)]
pub struct Minutes {
    first: i64,
    /// Whether each minute is open.
    open: Vec<bool>,
    /// How many open minutes come before each.
    before: Vec<usize>,
    /// The open ones.
    working: Vec<i64>,
}

impl Minutes {
    fn place(&self, minute: i64) -> usize {
        usize::try_from(minute - self.first).unwrap()
    }

    /// Whether this minute is working time.
    pub fn is_open(&self, minute: i64) -> bool {
        self.open[self.place(minute)]
    }

    fn elapsed(&self, from: i64, to: i64) -> i64 {
        let count = self.before[self.place(to)].saturating_sub(self.before[self.place(from)]);
        i64::try_from(count).unwrap()
    }

    fn due(&self, from: i64, target: i64) -> Option<i64> {
        if target == 0 {
            return Some(from);
        }
        let last = self.before[self.place(from)] + usize::try_from(target).unwrap() - 1;
        self.working.get(last).map(|minute| minute + 1)
    }

    fn next_open(&self, from: i64) -> Option<i64> {
        self.working.get(self.before[self.place(from)]).copied()
    }
}

/// The minute as an instant.
pub fn instant(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

/// So many minutes.
pub fn span(minutes: i64) -> Duration {
    Duration::from_secs(minutes.unsigned_abs() * 60)
}

/// From 0 up to but not including `end`.
pub fn number(random: &mut Random, end: i64) -> i64 {
    i64::try_from(random.below(end.unsigned_abs())).unwrap()
}

fn intervals(random: &mut Random) -> Intervals {
    let one = |random: &mut Random| {
        // The hours in which clocks are changed are as likely as all others together.
        let start = if random.below(2) == 0 { number(random, 4 * 60) } else { number(random, DAY) };
        let start = if random.below(2) == 0 { start / 30 * 30 } else { start };
        let length = *random.one_of(&[1, 15, 30, 60, 90, 240, 480, 600, 1_439, 1_440]);
        (start, (start + length).min(2 * DAY))
    };
    (0..random.below(4)).map(|_| one(random)).collect()
}

/// Names of all zones.
pub fn zones() -> Vec<String> {
    jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect()
}

/// Asks both so many questions, a few hundred about each of many calendars. Returns how many were asked and what they
/// disagreed about.
pub fn compare(seed: u64, cases: u64) -> (u64, Vec<String>) {
    const PER_CALENDAR: u64 = 250;
    let mut random = Random::seeded(seed);
    let zones = zones();
    let (mut asked, mut wrong) = (0, Vec::new());
    while asked < cases {
        let plan = Plan::any(&mut random, &zones);
        let Some(minutes) = plan.minutes() else { continue };
        let calendar = plan.calendar();
        for _ in 0..PER_CALENDAR {
            let from = plan.start + number(&mut random, HORIZON);
            let to = plan.start + number(&mut random, HORIZON);
            let target = number(&mut random, 4_000);
            if let Err(difference) = question(&minutes, &calendar, from, to, target) {
                wrong.push(format!("{difference}\n{plan:?}"));
            }
        }
        asked += PER_CALENDAR;
    }
    (asked, wrong)
}

fn question(minutes: &Minutes, calendar: &Calendar, from: i64, to: i64, target: i64) -> Result<(), String> {
    let same = |what: &str, naive: String, ours: String| {
        if naive == ours { Ok(()) } else { Err(format!("{what} from {}: {naive}, not {ours}", instant(from))) }
    };
    same("open", minutes.is_open(from).to_string(), calendar.is_open(instant(from)).to_string())?;
    let counted = if from < to { minutes.elapsed(from, to) } else { 0 };
    let ours = calendar.elapsed(instant(from), instant(to));
    same(&format!("elapsed until {}", instant(to)), format!("{:?}", span(counted)), format!("{ours:?}"))?;
    // Beyond the horizon the table knows nothing.
    let end = instant(minutes.first + MARGIN + HORIZON);
    let within = |at: Option<Timestamp>| format!("{:?}", at.filter(|at| *at < end));
    let due = minutes.due(from, target).map(instant);
    same(&format!("due after {target} min"), within(due), within(calendar.due(instant(from), span(target))))?;
    let opens = minutes.next_open(from).map(instant);
    same("next open", within(opens), within(calendar.next_open(instant(from))))
}

/// A million questions.
pub fn soak() -> Vec<Soak> {
    let (asked, wrong) = compare(26, 1_000_000);
    if let Some(first) = wrong.first() {
        eprintln!("the first that differs: {first}");
    }
    vec![
        Soak::done("working time asked of random calendars", asked),
        Soak::must_be("  answers unlike those counted minute by minute", wrong.len() as u64, 0),
    ]
}

/// An office in Berlin with the holidays of a year.
fn office() -> Calendar {
    let list = |text: &str| vec![LocalInterval::parse(text).unwrap()];
    let week = std::array::from_fn(|day| if day < 5 { list("09:00-17:00") } else { Vec::new() });
    let holidays = [(1, 1), (4, 3), (4, 6), (5, 1), (5, 14), (5, 25), (10, 3), (12, 25), (12, 26)];
    let mut dates: BTreeMap<_, _> =
        holidays.into_iter().map(|(month, day)| (date(2026, month, day), Vec::new())).collect();
    dates.insert(date(2026, 12, 24), list("09:00-12:00"));
    Calendar::new(Hours { zone: zone("Europe/Berlin").unwrap(), week, dates })
}

/// What `make bench-rules` says of calendars.
pub fn bars() -> Vec<Bar> {
    let calendar = office();
    let from: Timestamp = "2026-01-05T08:30:00Z".parse().unwrap();
    let year = from + (365 * 24).hours();
    let working_year = calendar.elapsed(from, year);
    vec![
        Bar::measure("due: a year of office hours away, with holidays", Some(Duration::from_micros(5)), || {
            calendar.due(from, working_year)
        }),
        Bar::measure("elapsed: over that year", Some(Duration::from_micros(5)), || calendar.elapsed(from, year)),
        Bar::measure("calendar: from its hours to its first answer", None, || office().due(from, span(480))),
    ]
}
