//! Shifts as an iCalendar file (RFC 5545), for phones and calendars.
//!
//! All times are UTC, so that no VTIMEZONE is needed and no reader has to know our zones. The UID of an event is
//! made of its schedule and the shift's begin: when somebody else takes a shift over, or it ends at another time,
//! the event changes and is not doubled.

use jiff::Timestamp;
use uuid::Uuid;

use super::Shift;

/// Octets of a line before it is folded, without the line break (RFC 5545, 3.1).
const LINE: usize = 75;

/// The shifts of one schedule.
#[derive(Debug, Clone, Copy)]
pub struct Feed<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy.
    pub policy: &'a str,
    /// The schedule.
    pub schedule: &'a str,
    /// Its shifts; what is nobody's is left out.
    pub shifts: &'a [Shift<'a>],
}

/// The iCalendar text of all shifts. `now` is the stamp of each event; a shift that never ends is cut at `to`.
pub fn ical(feeds: &[Feed<'_>], to: Timestamp, now: Timestamp) -> String {
    let mut text = String::new();
    line(&mut text, "BEGIN:VCALENDAR");
    line(&mut text, "VERSION:2.0");
    line(&mut text, "PRODID:-//Firstline//On call//EN");
    line(&mut text, "CALSCALE:GREGORIAN");
    for feed in feeds {
        for shift in feed.shifts {
            event(&mut text, feed, shift, to, now);
        }
    }
    line(&mut text, "END:VCALENDAR");
    text
}

fn event(text: &mut String, feed: &Feed<'_>, shift: &Shift<'_>, to: Timestamp, now: Timestamp) {
    let (Some(person), Some(from)) = (shift.person, shift.from) else { return };
    let until = shift.until.unwrap_or(to);
    // RFC 5545, 3.6.1: the end must be later than the start.
    if until <= from {
        return;
    }
    line(text, "BEGIN:VEVENT");
    line(text, &format!("UID:{}", uid(feed, from)));
    line(text, &format!("DTSTAMP:{}", utc(now)));
    line(text, &format!("DTSTART:{}", utc(from)));
    line(text, &format!("DTEND:{}", utc(until)));
    line(text, &format!("SUMMARY:{}", escaped(&format!("{person} on call ({})", feed.schedule))));
    line(text, &format!("CATEGORIES:{}", escaped(&format!("{}/{}", feed.namespace, feed.policy))));
    // On call is not busy: other appointments fit in.
    line(text, "TRANSP:TRANSPARENT");
    line(text, "END:VEVENT");
}

/// The same for the same begin of a shift of the same schedule, whoever has it.
fn uid(feed: &Feed<'_>, from: Timestamp) -> String {
    let namespace = Uuid::from_u128(0x2f6a_4d7b_91c3_5e08_b6d2_7a43_c1f0_9e5d);
    let name = format!("{}\u{0}{}\u{0}{}\u{0}{}", feed.namespace, feed.policy, feed.schedule, from.as_second());
    format!("{}@firstline.dev", Uuid::new_v5(&namespace, name.as_bytes()))
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// TEXT (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => safe.extend(['\\', letter]),
            '\n' => safe.push_str("\\n"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// Ends the line with CRLF, and folds it before the octet that is too many, never within a character.
fn line(text: &mut String, content: &str) {
    let mut used = 0;
    for letter in content.chars() {
        if used + letter.len_utf8() > LINE {
            text.push_str("\r\n ");
            used = 1;
        }
        text.push(letter);
        used += letter.len_utf8();
    }
    text.push_str("\r\n");
}
