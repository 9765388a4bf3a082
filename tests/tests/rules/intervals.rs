//! Mute and active calendars of routes against Debian's Alertmanager, told or not told, each route by itself.
//!
//! Alertmanager does not say what it mutes, and its program knows no clock but the machine's. So calendars are random around
//! the present instant, in random zones: each of its receivers is a webhook here, and who is told within a round is
//! compared with what we say of the same routes at the same time. Its zones are those of the release that we bundle.
//!
//! What differs on purpose, and is therefore kept out of the random cases:
//!
//! - A date of a calendar stands instead of the hours of its weekday. Intervals of Alertmanager can only be added to each
//!   other, so a weekday with a date has no hours of its own here.
//! - Hours may run past midnight. There they are two intervals, which they are made into here.
//! - Hours that a change of the clocks skips or repeats: Alertmanager compares what the clock shows at each instant, we
//!   map beginning and end to instants (`domain::calendar`). Zones that change within two days are left out.
//! - Months, years, days of a month and days counted from its end: we have dates.
//! - What was muted is told at the next `group_interval` there; here as soon as the calendar lets it.
//! - Calendars hold an escalation only until it has found somebody, and there are no escalations there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use domain::{
    labels::Labels,
    policy::Policy,
    routing,
    suppression::{self, Surroundings, dependency::Standings},
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use tests::{
    eventually,
    receiver::Receiver,
    rules::{calendars::zones, random::Random, routing::policy_with_idle_parts},
};

use super::alertmanager::{Peer, alert};

const ROUNDS: u64 = 5;
/// Alerts of a round, each with routes of its own.
const ALERTS: usize = 240;
/// Calendars that the routes of a round share.
const CALENDARS: usize = 60;
const DAY: u16 = 1_440;
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alertmanager_and_we_tell_at_the_same_hours() -> Result<()> {
    let peer = Peer::start(100).await?;
    let receiver = Receiver::start().await?;
    let mut random = Random::seeded(7);
    let (mut told, mut muted) = (0, 0);
    for round in 0..ROUNDS {
        let configuration = Configuration::any(&mut random, round);
        peer.load(&configuration.theirs(&receiver)).await?;
        let policy = policy_with_idle_parts(configuration.ours());
        let before = configuration.decide(&policy, Timestamp::now());
        peer.post("alerts", &configuration.alerts()).await?.context("the alerts are taken")?;
        let arrived = || -> BTreeSet<String> {
            receiver.received().iter().map(|request| request.path.trim_start_matches('/').to_owned()).collect()
        };
        let differing = |ours: &BTreeMap<String, bool>, told: bool| -> Vec<String> {
            let arrived = arrived();
            let others = ours.iter().filter(|(name, is)| **is == told && arrived.contains(*name) != told);
            others.map(|(name, _)| name.clone()).collect()
        };
        eventually(PATIENCE, "everybody who is to be told", || async {
            // One that has closed since may never be told.
            let still = configuration.decide(&policy, Timestamp::now());
            let missing: Vec<String> = differing(&before, true).into_iter().filter(|name| still[name]).collect();
            ensure!(missing.is_empty(), "Alertmanager does not tell\n{}", configuration.describe(&missing));
            Ok(())
        })
        .await?;
        // Whoever else would have been told has been by the time a later alert is.
        let last = Labels::from([("id".to_owned(), format!("last{round}"))]);
        peer.post("alerts", &json!([alert(&last)])).await?.context("the last alert is taken")?;
        receiver.wait_for(PATIENCE, "the last alert", |it| it.path == format!("/last{round}")).await?;
        // A calendar that opened in this very moment proves nothing.
        let after = configuration.decide(&policy, Timestamp::now());
        let steady = before.into_iter().filter(|(name, is)| after[name] == *is).collect();
        let unexpected = differing(&steady, false);
        ensure!(unexpected.is_empty(), "Alertmanager tells\n{}", configuration.describe(&unexpected));
        let of_round = format!("round{round}-");
        let others: Vec<String> =
            arrived().into_iter().filter(|name| name.starts_with(&of_round) && !after.contains_key(name)).collect();
        ensure!(
            others.is_empty(),
            "Alertmanager tells of routes that take nothing\n{}",
            configuration.describe(&others)
        );
        told += steady.values().filter(|is| **is).count();
        muted += steady.values().filter(|is| !**is).count();
    }
    println!("{told} told, {muted} muted");
    ensure!(told > 400 && muted > 400, "{told} told, {muted} muted");
    Ok(())
}

/// Minutes of a day: from and up to, which may be past midnight.
type Hours = Vec<(u16, u16)>;

struct Calendar {
    zone: String,
    week: [Hours; 7],
    dates: Vec<(Date, Hours)>,
}

/// Some routes take an alert themselves, some leave it to one below them, some tell more through `continue`.
struct Route {
    name: String,
    alert: usize,
    under: Option<String>,
    continues: bool,
    mute: Vec<usize>,
    active: Vec<usize>,
}

struct Configuration {
    round: u64,
    calendars: Vec<Calendar>,
    routes: Vec<Route>,
}

impl Configuration {
    fn any(random: &mut Random, round: u64) -> Self {
        let zones: Vec<String> = zones().into_iter().filter(|zone| is_steady(zone)).collect();
        let calendars = (0..CALENDARS).map(|_| any_calendar(random, &zones)).collect();
        let mut routes = Vec::new();
        for alert in 0..ALERTS {
            let name = |part: &str| format!("round{round}-{alert}-{part}");
            let mut add = |part: &str, under: Option<String>, continues: bool| {
                let mut some = |least: u64| -> Vec<usize> {
                    (0..least.max(random.below(3))).map(|_| random.below(CALENDARS as u64) as usize).collect()
                };
                let (mute, active) = match alert % 3 {
                    0 => (some(1), Vec::new()),
                    1 => (Vec::new(), some(1)),
                    _ => (some(0), some(0)),
                };
                routes.push(Route { name: name(part), alert, under, continues, mute, active });
            };
            match alert % 4 {
                0 => {
                    add("above", None, false);
                    add("below", Some(name("above")), false);
                }
                1 => {
                    add("first", None, true);
                    add("second", None, false);
                }
                _ => add("only", None, false),
            }
        }
        Self { round, calendars, routes }
    }

    fn labels(&self, alert: usize) -> Labels {
        let pairs = [("id", format!("{}-{alert}", self.round)), ("severity", "ticket".to_owned())];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn alerts(&self) -> Value {
        (0..ALERTS).map(|index| alert(&self.labels(index))).collect()
    }

    fn matcher(&self, route: &Route) -> String {
        format!("id=\"{}-{}\"", self.round, route.alert)
    }

    /// Whether each route that takes an alert tells its receiver.
    fn decide(&self, policy: &Policy, now: Timestamp) -> BTreeMap<String, bool> {
        let monitors = Standings::new();
        let mut told = BTreeMap::new();
        for index in 0..ALERTS {
            let written = self.labels(index);
            let (labels, severity) = routing::normalise(policy, &written);
            let decision = routing::route(policy, &labels, severity);
            for branch in &decision.branches {
                let around = Surroundings {
                    namespace: "payments",
                    operator_namespace: "firstline-system",
                    policy: Some(policy),
                    route: Some(branch),
                    silences: &[],
                    firing: &[],
                    monitors: &monitors,
                };
                let judged = suppression::judge([(&written, now)], &around, now);
                let is_muted = suppression::muted(policy, branch, now).is_some();
                assert_eq!(judged.hold.is_some(), is_muted, "one answer from all suppressors");
                told.insert(branch.route.clone(), !is_muted);
            }
        }
        told
    }

    fn ours(&self) -> Value {
        let hook = |name: &str| json!({"name": name, "webhook": {"url": "https://chat.acme.example/hook"}});
        let channels: Vec<Value> =
            std::iter::once("ops").chain(self.routes.iter().map(|route| route.name.as_str())).map(hook).collect();
        let names = |places: &[usize]| -> BTreeSet<String> { places.iter().map(|place| format!("c{place}")).collect() };
        let routes = self.routes.iter().map(|route| {
            let mut written = json!({
                "name": route.name, "match": [self.matcher(route)], "continue": route.continues,
                "notify": [{"channel": route.name}], "mute": names(&route.mute), "active": names(&route.active),
            });
            if let Some(under) = &route.under {
                written["under"] = json!(under);
            }
            written
        });
        let routes: Vec<Value> = routes.collect();
        let calendars: Vec<Value> = self.calendars.iter().enumerate().map(|(place, it)| it.ours(place)).collect();
        json!({"channels": channels, "routes": routes, "calendars": calendars})
    }

    fn theirs(&self, receiver: &Receiver) -> Value {
        let last = format!("last{}", self.round);
        let hook = |name: &str| json!({"name": name, "webhook_configs": [{"url": receiver.url(&format!("/{name}")), "send_resolved": false}]});
        let names = self.routes.iter().map(|route| route.name.as_str()).chain([last.as_str()]);
        let receivers: Vec<Value> = std::iter::once(json!({"name": "root"})).chain(names.map(hook)).collect();
        let mut routes = self.below(None);
        routes.push(json!({"matchers": [format!("id=\"{last}\"")], "receiver": last}));
        let intervals: Vec<Value> = self.calendars.iter().enumerate().map(|(place, it)| it.theirs(place)).collect();
        json!({
            "route": {"receiver": "root", "group_by": ["..."], "group_wait": "0s", "routes": routes},
            "receivers": receivers, "time_intervals": intervals,
        })
    }

    fn below(&self, parent: Option<&str>) -> Vec<Value> {
        let names = |places: &[usize]| -> BTreeSet<String> { places.iter().map(|place| format!("c{place}")).collect() };
        let children = self.routes.iter().filter(|route| route.under.as_deref() == parent);
        children
            .map(|route| {
                json!({
                    "matchers": [self.matcher(route)], "receiver": route.name, "continue": route.continues,
                    "mute_time_intervals": names(&route.mute), "active_time_intervals": names(&route.active),
                    "routes": self.below(Some(&route.name)),
                })
            })
            .collect()
    }

    /// The routes with their calendars, as both are given them.
    fn describe(&self, names: &[String]) -> String {
        let routes = self.routes.iter().filter(|route| names.contains(&route.name)).take(3);
        let one = |route: &Route| {
            let calendars = route.mute.iter().chain(&route.active).map(|place| {
                let calendar = &self.calendars[*place];
                format!("\n  ours   {}\n  theirs {}", calendar.ours(*place), calendar.theirs(*place))
            });
            let calendars: String = calendars.collect();
            format!("{} mute {:?} active {:?}{calendars}", route.name, route.mute, route.active)
        };
        routes.map(one).collect::<Vec<_>>().join("\n")
    }
}

/// Whether its clocks are not changed from two days ago to two days from now.
fn is_steady(zone: &str) -> bool {
    let Ok(zone) = TimeZone::get(zone) else { return false };
    let now = Timestamp::now();
    let two_days = SignedDuration::from_hours(48);
    zone.following(now - two_days).next().is_none_or(|change| change.timestamp() > now + two_days)
}

fn any_calendar(random: &mut Random, zones: &[String]) -> Calendar {
    let zone = random.one_of(zones).clone();
    let local = Timestamp::now().to_zoned(TimeZone::get(&zone).expect("a zone"));
    let (today, now) = (
        local.date(),
        u16::try_from(local.hour()).expect("an hour") * 60 + u16::try_from(local.minute()).expect("a minute"),
    );
    let mut week: [Hours; 7] = std::array::from_fn(|_| any_hours(random, now));
    let mut dates = Vec::new();
    for day in -1..=1 {
        if random.below(3) == 0 {
            let date = today + day.days();
            week[usize::try_from(date.weekday().to_monday_zero_offset()).expect("a day")] = Vec::new();
            dates.push((date, any_hours(random, now)));
        }
    }
    if week.iter().all(Vec::is_empty) && dates.iter().all(|(_, hours)| hours.is_empty()) {
        return any_calendar(random, zones);
    }
    Calendar { zone, week, dates }
}

/// None, one that begins or ends within minutes of `now`, or one that may run past midnight and one before it.
fn any_hours(random: &mut Random, now: u16) -> Hours {
    match random.below(4) {
        0 => return Vec::new(),
        1 => {
            let near = (now + random.below(7) as u16).saturating_sub(3).clamp(1, DAY - 1);
            return vec![if random.below(2) == 0 { (near, DAY) } else { (0, near) }];
        }
        _ => {}
    }
    let minute = |random: &mut Random, from: u16, to: u16| from + random.below(u64::from(to - from)) as u16;
    let start = minute(random, 0, DAY);
    let late = (start, minute(random, start + 1, start + DAY + 1));
    let early = (start > 60 && random.below(2) == 0).then(|| {
        let first = minute(random, 0, start - 1);
        (first, minute(random, first + 1, start))
    });
    early.into_iter().chain([late]).collect()
}

impl Calendar {
    fn ours(&self, place: usize) -> Value {
        let text = |hours: &Hours| -> Vec<String> {
            hours.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect()
        };
        let week: serde_json::Map<String, Value> =
            WEEKDAYS.iter().zip(&self.week).map(|(day, hours)| ((*day).to_owned(), json!(text(hours)))).collect();
        let dates: Vec<Value> =
            self.dates.iter().map(|(date, hours)| json!({"date": date.to_string(), "hours": text(hours)})).collect();
        json!({"name": format!("c{place}"), "timeZone": self.zone, "week": week, "dates": dates})
    }

    fn theirs(&self, place: usize) -> Value {
        let mut intervals = Vec::new();
        for (day, hours) in self.week.iter().enumerate() {
            for (later, from, to) in of_days(hours) {
                intervals.push(json!({
                    "times": [{"start_time": clock(from), "end_time": clock(to)}], "location": self.zone,
                    "weekdays": [WEEKDAYS[(day + later) % 7]],
                }));
            }
        }
        for (date, hours) in &self.dates {
            for (later, from, to) in of_days(hours) {
                let date = *date + i64::try_from(later).expect("a day or none").days();
                intervals.push(json!({
                    "times": [{"start_time": clock(from), "end_time": clock(to)}], "location": self.zone,
                    "years": [date.year().to_string()], "months": [date.month().to_string()],
                    "days_of_month": [date.day().to_string()],
                }));
            }
        }
        json!({"name": format!("c{place}"), "time_intervals": intervals})
    }
}

/// Hours cut at midnight: how many days later, from, up to.
fn of_days(hours: &Hours) -> Vec<(usize, u16, u16)> {
    let cut = |(from, to): &(u16, u16)| {
        let first = (0, *from, (*to).min(DAY));
        std::iter::once(first).chain((*to > DAY).then(|| (1, 0, *to - DAY)))
    };
    hours.iter().flat_map(cut).collect()
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
