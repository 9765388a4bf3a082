//! The iCalendar text, byte by byte. Real readers take it apart in the tests of the rules.

use super::*;

fn feed<'a>(shifts: &'a [Shift<'a>]) -> Feed<'a> {
    Feed { namespace: "payments", policy: "payments", schedule: "primary", shifts }
}

fn week(person: Option<&str>) -> Shift<'_> {
    Shift { person, from: Some(at("2026-11-02T08:00:00Z")), until: Some(at("2026-11-09T08:00:00Z")) }
}

const NOW: &str = "2026-11-05T12:00:00Z";

#[test]
fn a_shift_is_an_event_in_utc() {
    let text = ical(&[feed(&[week(Some("ada")), week(None)])], at("2026-12-01T00:00:00Z"), at(NOW));
    assert_eq!(
        text,
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Firstline//On call//EN\r\nCALSCALE:GREGORIAN\r\nBEGIN:VEVENT\r\n\
         UID:9ca0e6a8-8757-54e5-b565-c168d94be2fd@firstline.dev\r\nDTSTAMP:20261105T120000Z\r\n\
         DTSTART:20261102T080000Z\r\nDTEND:20261109T080000Z\r\nSUMMARY:ada on call (primary)\r\n\
         CATEGORIES:payments/payments\r\nTRANSP:TRANSPARENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
}

#[test]
fn the_uid_stays_when_somebody_else_takes_the_shift_and_differs_between_schedules() {
    let uid = |feed: Feed<'_>| {
        let text = ical(&[feed], at("2026-12-01T00:00:00Z"), at(NOW));
        text.lines().find(|line| line.starts_with("UID:")).unwrap().to_owned()
    };
    let (ada, bob) = ([week(Some("ada"))], [week(Some("bob"))]);
    assert_eq!(uid(feed(&ada)), uid(feed(&bob)));
    assert_ne!(uid(feed(&ada)), uid(Feed { schedule: "secondary", ..feed(&ada) }));
    assert_ne!(uid(feed(&ada)), uid(Feed { policy: "identity", ..feed(&ada) }));
}

#[test]
fn a_shift_without_end_is_cut_at_the_end_of_the_range() {
    let endless = [Shift { until: None, ..week(Some("ada")) }];
    let text = ical(&[feed(&endless)], at("2026-12-01T00:00:00Z"), at(NOW));
    assert!(text.contains("DTEND:20261201T000000Z\r\n"), "{text}");
    let text = ical(&[feed(&endless)], at("2026-11-02T08:00:00Z"), at(NOW));
    assert!(!text.contains("VEVENT"), "an event ends after it begins: {text}");
}

#[test]
fn long_lines_are_folded_at_75_octets_and_never_within_a_letter() {
    let person = "ü".repeat(100);
    let text = ical(&[feed(&[week(Some(&person))])], at("2026-12-01T00:00:00Z"), at(NOW));
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    assert!(text.lines().any(|line| line.len() >= 74), "{text}");
    assert!(text.replace("\r\n ", "").contains(&format!("SUMMARY:{person} on call (primary)\r\n")), "{text}");
}

#[test]
fn what_means_something_in_icalendar_is_escaped() {
    let text = ical(&[feed(&[week(Some("a;b,c\\d\ne\rf"))])], at("2026-12-01T00:00:00Z"), at(NOW));
    assert!(text.contains("SUMMARY:a\\;b\\,c\\\\d\\ne f on call (primary)\r\n"), "{text}");
}
