//! What fixtures expect of promises, the same of an alert's ticket as of any other: when each was broken, and who was told.

use api::ticket::NotificationKind;
use domain::{
    problem::Problem,
    sla::{ClockName, Clocks},
    time::{shown, whole_seconds},
};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    difference::Differences,
    form::{Breaches, WarningExpect},
    names,
};
use crate::controllers::ticket::rehearse::Rehearsal;

/// Which promises were broken, and when in truth: those that are named as they are named, no other.
pub(super) fn compare_breaches(
    clocks: &Clocks,
    expected: &Breaches,
    zone: &TimeZone,
    found: &mut Differences,
) -> Result<(), Problem> {
    let local = |at: Timestamp| shown(at, zone);
    for (word, at) in expected {
        let got = first_breach(clocks, names::clock("breachedAt", word)?);
        found.compare_some(format!("breachedAt.{word}"), at.map(|at| local(whole_seconds(at))), got.map(local));
    }
    for clock in ClockName::ALL.into_iter().filter(|clock| !expected.contains_key(clock.as_str())) {
        found.compare_some(format!("breachedAt.{clock}"), None, first_breach(clocks, clock).map(local));
    }
    Ok(())
}

fn first_breach(clocks: &Clocks, name: ClockName) -> Option<Timestamp> {
    clocks.breaches().find(|breach| breach.clock == name).map(|breach| breach.breached_at)
}

/// Who is told of promises that near their due time or are broken: exactly these. `None`: there is no ticket.
pub(super) fn compare_warnings(
    rehearsal: Option<&Rehearsal>,
    expected: &[WarningExpect],
    zone: &TimeZone,
    found: &mut Differences,
) {
    let words = |at: Timestamp, about: &str, person: Option<&str>, channel: &str| {
        let to = person.map_or_else(String::new, |person| format!(" to {person}"));
        format!("{about}{to} through {channel} at {}", shown(at, zone))
    };
    let expected = expected
        .iter()
        .map(|warning| words(whole_seconds(warning.at), &warning.about, warning.to.as_deref(), &warning.channel));
    let sent = rehearsal.map_or(&[][..], Rehearsal::sent);
    let sent = sent.iter().filter(|sent| sent.kind == NotificationKind::SlaWarning);
    let got = sent.map(|sent| {
        let about = sent.why.split(" (run ").next().unwrap_or_default();
        words(sent.at, about, sent.person.as_deref(), &sent.channel)
    });
    let (expected, got): (Vec<String>, Vec<String>) = (expected.collect(), got.collect());
    for index in 0..expected.len().max(got.len()) {
        found.compare_some(format!("warnings[{index}]"), expected.get(index), got.get(index));
    }
}
