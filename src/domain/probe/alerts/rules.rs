//! The rules, one function per alert.

use jiff::Timestamp;

use super::{Decision, Facts, Firing, Id, Name, SETTLING, Wanted, memory::down_fires, patience, prober::Fleet};
use crate::{
    alert::{AlertState, Severity},
    probe::{
        Monitor, Sample,
        slo::{
            Slo,
            burn::{self, Burn, Pair, Rate},
        },
        verdict::{Look, State},
    },
    time::{between, format_duration, whole_seconds},
};

const DAY: i64 = 86_400;

type Ruling = (Wanted, &'static str);

/// What becomes of every alert that the monitor may raise. An alert that is not named is not the monitor's any more.
///
/// What an earlier process has stored keeps an alert; only what this one has seen itself makes one fire: the trouble may
/// have ended, and its ticket may say so, after the state was stored last.
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Vec<Decision> {
    let now = whole_seconds(now);
    let mut decisions = Vec::with_capacity(Name::ALL.len() + 2 * facts.monitor.slos.len());
    let mut rule = |name, slo, severity, (wanted, why): Ruling| {
        let unseen = facts.latest.is_none() && matches!(wanted, Wanted::Fire(_));
        let (wanted, why) = if unseen { keep("this process has not looked yet") } else { (wanted, why) };
        decisions.push(Decision { id: Id { name, slo, severity }, wanted, why });
    };
    rule(Name::MonitorDown, None, facts.monitor.severity, held(facts).unwrap_or_else(|| down(facts)));
    rule(Name::MonitorDegraded, None, Severity::Ticket, held(facts).unwrap_or_else(|| degraded(facts, now)));
    rule(Name::MonitorFlapping, None, Severity::Ticket, held(facts).unwrap_or_else(|| flapping(facts, now)));
    rule(Name::MonitorBlind, None, Severity::Ticket, held(facts).unwrap_or_else(|| blind(facts, now)));
    rule(Name::CertificateExpiry, None, Severity::Ticket, held(facts).unwrap_or_else(|| certificate(facts, now)));
    for slo in &facts.monitor.slos {
        let [page, ticket] = held(facts).map_or_else(|| burns(facts, slo, now), |held| [held.clone(), held]);
        rule(Name::SloBurn, Some(slo.name.clone()), Severity::Page, page);
        rule(Name::SloBurn, Some(slo.name.clone()), Severity::Ticket, ticket);
    }
    decisions
}

/// What holds for every alert alike.
fn held(facts: &Facts<'_>) -> Option<Ruling> {
    if facts.monitor.suspended {
        return Some((Wanted::End(AlertState::SourceRemoved), "the monitor is suspended"));
    }
    match facts.verdict.state() {
        State::Suspended => Some((Wanted::End(AlertState::SourceRemoved), "the monitor is suspended")),
        State::Maintenance => Some(keep("in maintenance nothing new is said")),
        _ => None,
    }
}

fn keep(why: &'static str) -> Ruling {
    (Wanted::Keep, why)
}

fn recovered(why: &'static str) -> Ruling {
    (Wanted::End(AlertState::Recovered), why)
}

fn fire(since: Timestamp, summary: String, found: String, why: &'static str) -> Ruling {
    (Wanted::Fire(Firing { since, summary, found }), why)
}

/// Whether this process has watched for so long that what it does not see is not there.
fn settled(facts: &Facts<'_>, now: Timestamp) -> bool {
    between(facts.memory.watched_since, now) >= SETTLING
}

fn down(facts: &Facts<'_>) -> Ruling {
    let fires = |why| {
        let summary = format!("{} is down", facts.monitor.service);
        fire(facts.verdict.since(), summary, facts.verdict.message().to_owned(), why)
    };
    let failed = facts.latest.is_some_and(|look| look.failure.is_some());
    match facts.verdict.state() {
        State::Down | State::Flapping if facts.verdict.is_down() && !failed => {
            keep("it was down, and answered just now")
        }
        State::Down => fires("it is down"),
        // One that flaps and is down just now may have been up when the flapping began: it must page.
        State::Flapping if facts.verdict.is_down() => fires("it flaps and is down now"),
        State::Flapping => keep("it flaps: its alert goes on until a window passes without a change"),
        State::Up | State::Degraded if facts.memory.confirmed => recovered("it answers"),
        State::Up | State::Degraded => keep("this process has not yet seen it answer often enough"),
        State::Unknown | State::Maintenance | State::Suspended => keep("whether it answers is not known"),
    }
}

fn degraded(facts: &Facts<'_>, now: Timestamp) -> Ruling {
    let known = facts.memory.confirmed || settled(facts, now);
    match facts.verdict.state() {
        State::Degraded => {
            let summary = format!("{} is slow", facts.monitor.service);
            fire(facts.verdict.since(), summary, facts.verdict.message().to_owned(), "it is slow")
        }
        State::Up if known => recovered("it is fast enough"),
        State::Down if known => recovered("it is down, which is another alert"),
        State::Up | State::Down => keep("this process has not yet seen enough of it"),
        State::Flapping => keep("it flaps"),
        State::Unknown | State::Maintenance | State::Suspended => keep("how fast it answers is not known"),
    }
}

fn flapping(facts: &Facts<'_>, now: Timestamp) -> Ruling {
    let known = facts.memory.confirmed || settled(facts, now);
    match facts.verdict.state() {
        State::Flapping => {
            let summary = format!("{} goes up and down", facts.monitor.service);
            fire(facts.verdict.since(), summary, facts.verdict.message().to_owned(), "it goes up and down")
        }
        State::Up | State::Degraded | State::Down if known => recovered("a window has passed without a change"),
        State::Up | State::Degraded | State::Down => keep("this process has not yet seen enough of it"),
        State::Unknown | State::Maintenance | State::Suspended => keep("whether it still flaps is not known"),
    }
}

fn blind(facts: &Facts<'_>, now: Timestamp) -> Ruling {
    if facts.verdict.state() != State::Unknown {
        return match facts.verdict.last_look() {
            Some(Look::Blind) | None => keep("this process has not yet looked"),
            Some(_) => recovered("we can look"),
        };
    }
    if facts.verdict.last_look() != Some(Look::Blind) {
        return keep("this process has not yet tried to look, or is about to know");
    }
    let patience = patience(facts.monitor);
    if between(facts.verdict.since(), now) < patience {
        return keep("we have not been blind for long");
    }
    match facts.fleet {
        Fleet::Well => {
            let summary = format!("{} cannot be probed", facts.monitor.service);
            let found = format!("for {} or longer: {}", format_duration(patience), facts.verdict.message());
            fire(facts.verdict.since(), summary, found, "we could not look for a long time")
        }
        Fleet::Blind => keep("too many monitors are blind: that is one alert of the prober"),
        Fleet::Uncounted => keep("how many other monitors are blind is not counted yet"),
    }
}

/// The end of a certificate that is too near, from a look that showed it.
pub(super) fn ends_too_soon(sample: &Sample, monitor: &Monitor, now: Timestamp) -> Option<Timestamp> {
    let end = sample.tls.as_ref()?.not_after?;
    let days = i64::from(monitor.target.tls()?.min_days_left);
    (end.as_second().saturating_sub(now.as_second()) < days * DAY).then_some(end)
}

fn certificate(facts: &Facts<'_>, now: Timestamp) -> Ruling {
    let Some(sample) = facts.latest else { return keep("this process has not yet looked") };
    if let Some(end) = ends_too_soon(sample, facts.monitor, now) {
        let service = &facts.monitor.service;
        let days = facts.monitor.target.tls().map_or(0, |tls| tls.min_days_left);
        let verb = if end <= now { "ended" } else { "ends" };
        let issuer = sample.tls.as_ref().map_or("", |tls| tls.issuer.as_str());
        return fire(
            now,
            format!("the certificate of {service} {verb} {}", end.strftime("%Y-%m-%d")),
            format!("it {verb} {}, and is asked to be valid for {days} days; issued by {issuer}", whole_seconds(end)),
            "the certificate ends too soon",
        );
    }
    match &sample.tls {
        None if sample.ok() => (Wanted::End(AlertState::SourceRemoved), "it answers without a certificate"),
        None => keep("the look showed no certificate"),
        // A target behind several addresses may show two certificates in turn.
        Some(_) if facts.memory.last_expiring.is_some_and(|at| between(at, now) < patience(facts.monitor)) => {
            keep("another certificate of it was seen that ends too soon")
        }
        Some(_) if settled(facts, now) => recovered("the certificate is valid for long enough"),
        Some(_) => keep("this process has not yet seen enough of it"),
    }
}

/// The page-level and the ticket-level burn of one objective.
///
/// While `MonitorDown` fires, and for the pair's short window after it, a page-level burn is only a consequence of what
/// somebody is told already: it is raised at ticket level, where it joins that ticket and pages nobody.
fn burns(facts: &Facts<'_>, slo: &Slo, now: Timestamp) -> [Ruling; 2] {
    // Fewer failures than make it Down must not wake a person by this door either.
    let least_bad = u64::from(facts.monitor.thresholds.down.max(2));
    let burn = |severity| burn::burn(slo, facts.tracks, severity, least_bad, now);
    let (page, ticket) = (burn(Severity::Page), burn(Severity::Ticket));
    let is_consequence = |pair: Pair| {
        down_fires(facts.verdict) || facts.memory.last_down.is_some_and(|at| between(at, now) < pair.short)
    };
    let joins = match page {
        Burn::Fast(pair) if is_consequence(pair) => Some(pair),
        _ => None,
    };
    let page = match page {
        Burn::Fast(_) if joins.is_some() => keep("it is down, which is told already"),
        Burn::Fast(pair) => fast(facts, slo, pair, now),
        Burn::Fine | Burn::Unseen => slow(facts, page, now),
    };
    let ticket = match (ticket, joins) {
        (Burn::Fast(pair), _) | (Burn::Fine | Burn::Unseen, Some(pair)) => fast(facts, slo, pair, now),
        (Burn::Fine | Burn::Unseen, None) => slow(facts, ticket, now),
    };
    [page, ticket]
}

fn fast(facts: &Facts<'_>, slo: &Slo, pair: Pair, now: Timestamp) -> Ruling {
    let rate = Rate::new(facts.tracks.tally(slo, pair.long, now), slo.objective);
    let times = rate.text().unwrap_or_default();
    let promised = match slo.below {
        None => format!("{}% as expected", slo.objective),
        Some(below) => format!("{}% within {}", slo.objective, format_duration(below)),
    };
    fire(
        now,
        format!("{} uses up the error budget of `{}` {times} times too fast", facts.monitor.service, slo.name),
        format!(
            "promised: {promised} over {}; in the last {} {} of {} looks were not",
            format_duration(slo.window),
            format_duration(pair.long),
            rate.tally.bad,
            rate.tally.all
        ),
        "the error budget burns too fast",
    )
}

fn slow(facts: &Facts<'_>, burn: Burn, now: Timestamp) -> Ruling {
    match burn {
        Burn::Unseen => keep("nothing was seen of late"),
        Burn::Fine if facts.verdict.state() == State::Unknown => keep("we cannot look now"),
        Burn::Fine if settled(facts, now) => recovered("the error budget does not burn too fast"),
        Burn::Fast(_) | Burn::Fine => keep("this process has not yet counted for long enough"),
    }
}
