//! One case for each rule.

use super::{ClockName::*, *};

use crate::ticket::CloseReason;

fn resolution(story: &[(&str, Happened)], now: &str) -> Clock {
    let clocks = told("resolution 8h", story, now);
    assert_explained(&clocks);
    clocks.of(Resolution).unwrap().clone()
}

#[test]
fn e8_waiting_for_the_requester_does_not_count_outside_hours_either() {
    let story = [
        ("Mon 10:00", began()),
        ("Mon 12:00", Happened::Replied),
        ("Mon 12:00", state(PendingRequester)),
        ("Wed 08:00", Happened::Asked),
        ("Wed 08:00", state(Open)),
    ];
    let waiting = resolution(&story[..3], "Tue 12:00");
    assert_eq!((waiting.standing, waiting.due, waiting.remaining), (Standing::Paused, None, Some(span("6h"))));
    let clock = resolution(&story, "Wed 08:00");
    assert_eq!(clock.due, Some(at("Wed 15:00")));
    assert_eq!((clock.elapsed, clock.since), (span("2h"), at("Wed 08:00")));
}

#[test]
fn e9_a_new_target_counts_from_the_beginning_and_a_used_up_one_is_breached_at_the_change() {
    let to = |target| [("Mon 10:00", began()), ("Mon 14:00", change(target, "priority changed"))];
    let tighter = resolution(&to("resolution 6h"), "Mon 14:00");
    assert_eq!((tighter.due, tighter.breached_at), (Some(at("Mon 16:00")), None));
    let used_up = resolution(&to("resolution 2h"), "Mon 14:30");
    assert_eq!((used_up.due, used_up.breached_at), (Some(at("Mon 14:00")), Some(at("Mon 14:00"))));
    assert_eq!(used_up.ledger[0].counted, span("4h"));
    assert_eq!(used_up.present.unwrap().changed, "priority changed");
}

#[test]
fn a_breach_that_happened_stays_when_the_target_is_loosened() {
    let story = [
        ("Mon 09:00", began()),
        ("Tue 10:00", change("resolution 20h", "priority P3 -> P4")),
        ("Tue 11:00", state(Resolved)),
    ];
    let open = resolution(&story[..2], "Tue 10:30");
    assert_eq!((open.breached_at, open.due, open.next), (Some(at("Mon 17:00")), Some(at("Wed 13:00")), None));
    assert_eq!(resolution(&story, "Tue 12:00").standing, Standing::Missed);
}

#[test]
fn a_target_that_is_taken_away_breaches_no_more() {
    let story = [("Mon 09:00", began()), ("Tue 10:00", change("update 1h", "priority P3 -> P5"))];
    let clocks = told("resolution 8h", &story, "Tue 10:30");
    assert_eq!(clocks.attention(), Attention::None);
    assert_eq!((clocks.next(), clocks.next_due()), (None, None));
    assert_eq!(clocks.breaches().count(), 1);
    let early = told("resolution 8h", &[story[0].clone(), ("Mon 10:00", change("update 1h", "x"))], "Fri 10:30");
    assert_eq!(early.runs, []);
}

#[test]
fn time_without_a_target_does_not_count_when_one_comes() {
    let story = [("Mon 09:00", began()), ("Mon 12:00", change("resolution 2h", "priority P5 -> P1"))];
    let clocks = told("update 1h", &story, "Mon 13:00");
    let clock = clocks.of(Resolution).unwrap();
    assert_eq!((clock.due, clock.elapsed), (Some(at("Mon 14:00")), Duration::ZERO));
    assert_eq!(clock.ledger[0].pace, Pace::NoTarget);
}

#[test]
fn each_stretch_is_measured_with_the_calendar_that_was_in_force() {
    let always = Targets { calendar: Calendar::always(), calendar_name: "always".into(), ..targets("resolution 20h") };
    let story =
        [("Mon 16:00", began()), ("Tue 08:00", Happened::Targets { to: Box::new(always), why: "queue moved".into() })];
    let clock = resolution(&story, "Tue 08:00");
    // One hour of the office's, then 19 hours round the clock.
    assert_eq!((clock.elapsed, clock.due), (span("1h"), Some(at("Wed 03:00"))));
    assert_eq!(clock.ledger[0].calendar, "office");
}

#[test]
fn e11_a_reopened_ticket_goes_on_with_the_time_it_had() {
    let story = [("Mon 09:00", began()), ("Mon 14:00", state(Resolved)), ("Wed 10:00", state(Open))];
    let met = resolution(&story[..2], "Tue 10:00");
    assert_eq!((met.standing, met.elapsed, met.since), (Standing::Met, span("5h"), at("Mon 14:00")));
    let clock = resolution(&story, "Wed 10:00");
    assert_eq!((clock.due, clock.elapsed), (Some(at("Wed 13:00")), span("5h")));
    assert_eq!(clock.ledger[1].pace, Pace::Pauses(Resolved));
}

#[test]
fn s2_a_note_or_taking_it_is_no_answer_to_a_requester() {
    let story = [("Mon 09:00", began()), ("Mon 09:10", Happened::Taken), ("Mon 09:20", Happened::Noted)];
    let clocks = told("firstResponse 4h, update 1h", &story, "Mon 10:00");
    assert_eq!(clocks.of(FirstResponse).unwrap().standing, Standing::Running);
    assert_eq!(clocks.of(Update), None);
}

#[test]
fn s3_of_three_messages_the_oldest_counts() {
    let story = [
        ("Mon 09:00", began()),
        ("Mon 09:30", Happened::Replied),
        ("Mon 10:00", Happened::Asked),
        ("Mon 10:30", Happened::Asked),
        ("Mon 11:00", Happened::Asked),
        ("Mon 11:30", Happened::Replied),
    ];
    let clocks = told("nextResponse 8h", &story, "Mon 12:00");
    assert_eq!(clocks.runs.len(), 1);
    let clock = clocks.of(NextResponse).unwrap();
    assert_eq!((&clock.standing, clock.elapsed, clock.began), (&Standing::Met, span("90m"), at("Mon 10:00")));
}

#[test]
fn before_the_first_response_it_alone_counts() {
    let story = [("Mon 09:00", began()), ("Mon 09:30", Happened::Asked)];
    let clocks = told("firstResponse 4h, nextResponse 10m, update 10m", &story, "Mon 12:00");
    assert_eq!(clocks.runs.len(), 1);
    assert_eq!(clocks.next_due(), Some(at("Mon 13:00")));
}

#[test]
fn s5_an_answer_exactly_when_due_is_in_time_and_a_second_later_it_is_not() {
    let answered = |time| {
        let clocks = told("firstResponse 1h", &[("Mon 09:00", began()), (time, Happened::Replied)], "Mon 12:00");
        let clock = clocks.of(FirstResponse).unwrap().clone();
        (clock.standing, clock.breached_at)
    };
    assert_eq!(answered("Mon 10:00:00"), (Standing::Met, None));
    assert_eq!(answered("Mon 10:00:01"), (Standing::Missed, Some(at("Mon 10:00"))));
}

#[test]
fn s6_two_pauses_within_a_minute_both_count() {
    let story = [
        ("Mon 09:00:00", began()),
        ("Mon 10:00:00", state(PendingRequester)),
        ("Mon 10:00:10", state(Open)),
        ("Mon 10:00:20", state(PendingRequester)),
        ("Mon 10:00:40", state(Open)),
    ];
    let clock = resolution(&story, "Mon 11:00");
    assert_eq!(clock.due, Some(at("Tue 09:00:30")));
    assert_eq!(clock.ledger.len(), 4);
}

#[test]
fn nothing_breaches_while_it_is_paused() {
    let story = [("Mon 09:00", began()), ("Mon 16:59", state(PendingRequester))];
    let clocks = told("resolution 8h", &story, "Fri 12:00");
    assert_eq!(clocks.attention(), Attention::Paused);
    assert_eq!(clocks.breaches().count(), 0);
    assert_eq!(clocks.next(), None);
}

#[test]
fn resolving_without_an_answer_cancels_the_first_response_unless_it_was_late() {
    let spam = Happened::State { to: Resolved, reason: Some(CloseReason::Spam) };
    let ended = |time| {
        let story = [("Mon 09:00", began()), (time, spam.clone()), ("Tue 09:00", state(Closed))];
        told("firstResponse 1h", &story, "Tue 12:00").of(FirstResponse).unwrap().standing.clone()
    };
    assert_eq!(ended("Mon 10:00"), Standing::Cancelled { why: "resolved without an answer: Spam".into() });
    assert_eq!(ended("Mon 10:01"), Standing::Missed);
}

#[test]
fn an_answer_that_was_never_given_is_due_again_after_reopening() {
    let story = [
        ("Mon 09:00", began()),
        ("Mon 10:00", state(Resolved)),
        ("Mon 15:00", Happened::Asked),
        ("Mon 15:00", state(Open)),
    ];
    let clocks = told("firstResponse 4h, nextResponse 1h", &story, "Mon 15:00");
    assert_eq!(clocks.of(FirstResponse).unwrap().due, Some(at("Tue 10:00")));
    assert_eq!(clocks.of(NextResponse), None);
}

#[test]
fn a_message_that_needs_no_answer_leaves_the_count() {
    let no = Happened::NoAnswerNeeded { why: "said thanks".into() };
    let story =
        [("Mon 09:00", began()), ("Mon 09:30", Happened::Replied), ("Mon 10:00", Happened::Asked), ("Mon 10:30", no)];
    let clocks = told("firstResponse 1h, nextResponse 4h", &story, "Mon 12:00");
    assert_eq!(clocks.of(NextResponse).unwrap().standing, Standing::Cancelled { why: "said thanks".into() });
    assert_eq!(clocks.attention(), Attention::Ok);
}

#[test]
fn a_merged_ticket_counts_neither_way() {
    let story = [("Mon 09:00", began()), ("Mon 09:30", Happened::Replied), ("Mon 12:00", Happened::Merged)];
    let clocks = told("firstResponse 1h, update 1h, resolution 8h", &story, "Tue 12:00");
    assert_eq!(clocks.of(FirstResponse).unwrap().standing, Standing::Met);
    for name in [Update, Resolution] {
        assert!(matches!(clocks.of(name).unwrap().standing, Standing::Cancelled { .. }));
    }
}

#[test]
fn each_public_answer_starts_the_next_update() {
    let story = [
        ("Mon 09:00", began()),
        ("Mon 09:30", Happened::Replied),
        ("Mon 10:00", Happened::Replied),
        ("Mon 10:30", state(PendingRequester)),
        ("Mon 15:00", state(Open)),
        ("Mon 15:40", Happened::Replied),
        ("Mon 15:50", state(Resolved)),
    ];
    let clocks = told("update 1h", &story, "Tue 12:00");
    let ran: Vec<_> = clocks.runs.iter().map(|clock| (clock.run, clock.standing.as_str(), clock.elapsed)).collect();
    assert_eq!(ran, [(1, "Met", span("30m")), (2, "Missed", span("70m")), (3, "Met", span("10m"))]);
    assert_eq!(clocks.breaches().map(|breach| breach.breached_at).collect::<Vec<_>>(), [at("Mon 15:30")]);
}

#[test]
fn a_ticket_of_alerts_is_answered_by_whoever_takes_it_and_informed_by_notes() {
    let story = [
        ("Mon 09:00", alerted()),
        ("Mon 09:10", Happened::Taken),
        ("Mon 09:40", Happened::Noted),
        ("Mon 10:00", Happened::Taken),
    ];
    let clocks = told("firstResponse 15m, nextResponse 1h, update 1h", &story, "Mon 10:10");
    assert_eq!(clocks.of(FirstResponse).unwrap().standing, Standing::Met);
    assert_eq!(clocks.of(Update).unwrap().due, Some(at("Mon 10:40")));
    assert_eq!(clocks.of(NextResponse), None);
}

#[test]
fn a_ticket_of_alerts_that_recovers_untouched_owes_no_response() {
    let recovered = Happened::State { to: Resolved, reason: Some(CloseReason::Recovered) };
    let clocks =
        told("firstResponse 15m, resolution 4h", &[("Mon 09:00", alerted()), ("Mon 09:05", recovered)], "Tue 09:00");
    assert_eq!(clocks.of(FirstResponse).unwrap().standing.as_str(), "Cancelled");
    assert_eq!(clocks.of(Resolution).unwrap().standing, Standing::Met);
}

#[test]
fn a_due_time_set_by_hand_moves_neither_with_pauses_nor_with_priorities() {
    let by_hand = |due: Option<&str>| Happened::DueSet { clock: Resolution, due: due.map(at) };
    let mut story = vec![
        ("Mon 09:00", began()),
        ("Mon 10:00", by_hand(Some("Wed 12:00"))),
        ("Mon 11:00", state(PendingRequester)),
        ("Tue 11:00", state(Open)),
        ("Tue 12:00", change("resolution 1h", "priority P3 -> P1")),
    ];
    let clock = resolution(&story, "Tue 13:00");
    assert_eq!((clock.due, clock.breached_at), (Some(at("Wed 12:00")), None));
    story.push(("Tue 14:00", by_hand(None)));
    let clock = resolution(&story, "Tue 15:00");
    // Three hours and more are used up of one: breached when the hand was taken away.
    assert_eq!((clock.due, clock.breached_at), (Some(at("Tue 14:00")), Some(at("Tue 14:00"))));
}

#[test]
fn a_due_time_set_by_hand_that_passes_in_a_pause_is_breached_when_time_counts_again() {
    let story = [
        ("Mon 09:00", began()),
        ("Mon 10:00", Happened::DueSet { clock: Resolution, due: Some(at("Mon 12:00")) }),
        ("Mon 11:00", state(PendingRequester)),
        ("Mon 15:00", state(Open)),
    ];
    assert_eq!(resolution(&story[..3], "Mon 14:00").breached_at, None);
    assert_eq!(resolution(&story, "Mon 15:00").breached_at, Some(at("Mon 15:00")));
}

#[test]
fn warnings_come_at_percents_of_working_time_and_once_each() {
    let story = [("Mon 15:00", began())];
    let clock = |now| resolution(&story, now);
    let warning = |percent, time| Warning { percent, at: at(time) };
    assert_eq!(
        clock("Mon 16:00").next.unwrap(),
        Deadline { at: at("Tue 11:00"), clock: Resolution, mark: Mark::Warning(50) }
    );
    assert_eq!(clock("Tue 11:00").warnings, [warning(50, "Tue 11:00")]);
    assert_eq!(clock("Tue 11:00").next.unwrap().mark, Mark::Warning(75));
    assert_eq!(clock("Tue 13:30").next.unwrap(), Deadline { at: at("Tue 15:00"), clock: Resolution, mark: Mark::Due });
    let late = clock("Wed 10:00");
    assert_eq!(late.warnings, [warning(50, "Tue 11:00"), warning(75, "Tue 13:00")]);
    assert_eq!((late.breached_at, late.next), (Some(at("Tue 15:00")), None));
}

#[test]
fn the_word_in_the_column_follows_the_open_clocks() {
    let word = |now| told("firstResponse 4h, resolution 8h", &[("Mon 09:00", began())], now).attention().as_str();
    assert_eq!([word("Mon 10:00"), word("Mon 11:00"), word("Mon 13:00")], ["Ok", "AtRisk", "Breached"]);
    let story = [("Mon 09:00", began()), ("Mon 14:00", Happened::Replied), ("Mon 14:00", state(Open))];
    let answered = |now| told("firstResponse 4h, resolution 80h", &story, now).attention().as_str();
    assert_eq!(answered("Mon 15:00"), "Ok");
}

#[test]
fn on_a_calendar_without_working_time_nothing_is_ever_due() {
    let empty =
        Calendar::new(Hours { zone: jiff::tz::TimeZone::UTC, week: Default::default(), dates: BTreeMap::new() });
    let targets = Targets { calendar: empty, ..targets("resolution 1h") };
    let clocks = clocks(&[Happening { at: at("Mon 09:00"), what: began() }], &targets, at("Fri 09:00"));
    let clock = clocks.of(Resolution).unwrap();
    assert_eq!((&clock.standing, clock.due, clock.calendar_empty), (&Standing::Running, None, true));
    assert_eq!(clocks.attention(), Attention::Ok);
}

#[test]
fn nothing_happens_before_the_ticket_begins() {
    let story = [("Mon 09:00", Happened::Replied), ("Mon 09:10", state(Resolved)), ("Mon 09:20", state(Open))];
    assert_eq!(told("firstResponse 1h, update 1h, resolution 1h", &story, "Tue 09:00"), Clocks::default());
}
