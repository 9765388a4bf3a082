//! The public vectors in which something happens (tickets.md: E8, E9, E11), from what people did to the clocks.

use std::collections::BTreeMap;

use super::*;
use crate::{
    calendar::{Calendar, Hours, LocalInterval},
    policy::{ApplyTo, Promise, Promises, example},
    sla::{Clock, ClockName, Standing},
    time::{parse_duration, zone},
};

/// June 2026 in Berlin, when Monday is the first.
fn on(day: i8, time: &str) -> Timestamp {
    let date = jiff::civil::date(2026, 6, day);
    date.to_datetime(time.parse().unwrap()).to_zoned(zone("Europe/Berlin").unwrap()).unwrap().timestamp()
}

/// In office hours: P3 in 8 h, P2 in 6 h, P1 in 2 h.
fn policy() -> Policy {
    let nine_to_five = vec![LocalInterval::parse("09:00-17:00").unwrap()];
    let week = std::array::from_fn(|day| if day < 5 { nine_to_five.clone() } else { Vec::new() });
    let office = Calendar::new(Hours { zone: zone("Europe/Berlin").unwrap(), week, dates: BTreeMap::new() });
    let within = |resolution: &str| Promise {
        calendar: "office".into(),
        first_response: None,
        next_response: None,
        update: None,
        resolution: parse_duration(resolution).ok(),
        on_warn: Vec::new(),
        on_breach: Vec::new(),
    };
    let by_priority = [("P3", "8h"), ("P2", "6h"), ("P1", "2h")];
    let mut policy = example::policy();
    policy.calendars.insert("office".into(), office);
    policy.sla = Promises {
        by_priority: by_priority.map(|(priority, target)| (priority.to_owned(), within(target))).into(),
        warn_at: vec![50],
        apply_to: ApplyTo::NewTickets,
    };
    policy
}

/// The resolution clock of a P3 ticket of Mia's from Monday on, after these acts, as it stands then.
fn resolution(created: Timestamp, acts: &[(Timestamp, Act)], now: Timestamp) -> Clock {
    let subject = Subject { created, began: created, ..asked() };
    let numbered = acts.iter().enumerate();
    let events: Vec<TicketEvent> = numbered
        .map(|(index, (at, act))| TicketEvent {
            sequence: index as u64,
            at: *at,
            created: *at,
            ..event(0, "ada", act.clone())
        })
        .collect();
    let folded = fold(&subject, &events, &[], Some(&policy()), now);
    assert!(folded.verdicts.iter().all(Verdict::is_accepted), "{:?}", folded.verdicts);
    folded.clocks(now).of(ClockName::Resolution).unwrap().clone()
}

#[test]
fn e8_the_wait_for_the_requester_does_not_count() {
    let story = [(on(1, "12:00"), reply()), (on(1, "12:00"), to("PendingRequester")), (on(3, "08:00"), message())];
    let waiting = resolution(on(1, "10:00"), &story[..2], on(2, "12:00"));
    assert_eq!((waiting.standing, waiting.due), (Standing::Paused, None));
    assert_eq!(waiting.remaining, parse_duration("6h").ok());
    assert_eq!(resolution(on(1, "10:00"), &story, on(3, "09:00")).due, Some(on(3, "15:00")));
}

#[test]
fn e9_a_new_priority_keeps_the_time_that_was_used() {
    let raised = |priority: &str| {
        let raise = Act::Priority { to: priority.into(), why: "it grows".into() };
        resolution(on(1, "10:00"), &[(on(1, "14:00"), raise)], on(1, "14:30"))
    };
    let (to_p2, to_p1) = (raised("P2"), raised("P1"));
    assert_eq!((to_p2.due, to_p2.breached_at), (Some(on(1, "16:00")), None));
    assert_eq!(to_p1.breached_at, Some(on(1, "14:00")), "dated when it was raised, not when two hours had passed");
}

#[test]
fn e9_a_breach_stays_when_the_ticket_becomes_less_important_again() {
    let raise = Act::Priority { to: "P1".into(), why: "it grows".into() };
    let lower = Act::Priority { to: "P3".into(), why: "it does not".into() };
    let clock = resolution(on(1, "10:00"), &[(on(1, "14:00"), raise), (on(1, "15:00"), lower)], on(1, "16:00"));
    assert_eq!((clock.breached_at, clock.due), (Some(on(1, "14:00")), Some(on(2, "10:00"))));
}

#[test]
fn e11_a_reopened_ticket_goes_on_with_the_time_it_had() {
    let story = [(on(1, "14:00"), to("Resolved")), (on(3, "10:00"), to("Open"))];
    let resolved = resolution(on(1, "09:00"), &story[..1], on(2, "12:00"));
    assert_eq!((resolved.standing, resolved.elapsed), (Standing::Met, parse_duration("5h").unwrap()));
    let reopened = resolution(on(1, "09:00"), &story, on(3, "10:30"));
    assert_eq!((reopened.standing, reopened.due), (Standing::Running, Some(on(3, "13:00"))));
}
