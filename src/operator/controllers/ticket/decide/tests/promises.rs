//! Stories of those who hear that a promise nears its due time or is broken.

use super::{clocks::asked_by_mia, *};

/// The lines about clocks: what, and its words.
fn lines(desk: &Desk) -> Vec<String> {
    let about = |what: &str| ["Warned", "Breach", "BreachWithdrawn"].contains(&what);
    let lines = desk.status().timeline;
    lines.iter().filter(|line| about(&line.what)).map(|line| format!("{}: {}", line.what, line.detail)).collect()
}

const FOUR_HOURS: &str =
    "{priority: P3, calendar: always, resolution: 4h, onWarn: [{channel: chat}], onBreach: [{person: bob}]}";

#[test]
fn each_level_is_told_once_to_those_whom_the_policy_names() {
    let mut desk = asked_by_mia(FOUR_HOURS);
    desk.run(0, 40_000);
    let told = ["slaWarning - by chat: Accepted"; 3].into_iter().chain(["slaWarning bob by chat: Accepted"]);
    assert_eq!(desk.told(), told.collect::<Vec<_>>());
    let due: Vec<i64> =
        desk.status().notifications.iter().map(|n| n.planned_at.duration_since(at(0)).as_secs()).collect();
    assert_eq!(due, [7_200, 10_800, 12_960, 14_400], "at 50, 75 and 90 percent, and when it is due");
    let ids: std::collections::BTreeSet<String> = desk.status().notifications.into_iter().map(|n| n.id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(
        lines(&desk),
        [
            "Warned: resolution 50% (run 1): told chat",
            "Warned: resolution 75% (run 1): told chat",
            "Warned: resolution 90% (run 1): told chat",
            "Breach: resolution due (run 1): the promise was not kept",
            "Warned: resolution due (run 1): told bob",
        ]
    );
}

#[test]
fn after_an_absence_one_message_says_the_highest_level_and_the_breach_is_dated_truly() {
    let mut desk = asked_by_mia(FOUR_HOURS);
    desk.look(1);
    let plan = desk.look(20_000);
    assert_eq!(plan.said.iter().map(|said| (said.breach, said.late.as_secs())).collect::<Vec<_>>(), [(true, 5_600)]);
    desk.run(20_001, 90_000);
    assert_eq!(desk.told(), ["slaWarning bob by chat: Accepted"]);
    let line = desk.status().timeline.into_iter().find(|line| line.what == "Breach").unwrap();
    assert_eq!(
        (line.at, line.detail.as_str()),
        (at(14_400), "resolution due (run 1): the promise was not kept, found 1h33m20s later")
    );
}

#[test]
fn without_a_name_in_the_policy_the_assignee_hears_it_else_nobody_and_that_is_said() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, resolution: 4h}");
    desk.run(0, 8_000);
    assert_eq!(desk.told(), Vec::<String>::new());
    assert!(lines(&desk)[0].contains("nobody was told"), "{:?}", lines(&desk));
    desk.event("oidc:ada", &json!({"assign": {"to": "bob"}}), 8_001);
    desk.run(8_001, 11_000);
    assert_eq!(desk.told(), ["slaWarning bob by chat: Accepted"]);
}

#[test]
fn nobody_is_warned_while_an_escalation_wakes_people_and_then_of_what_is_still_so() {
    let mut desk = Desk::open("page");
    let promised = "{priority: P1, calendar: always, firstResponse: 10m, resolution: 4h, onWarn: [{channel: ops}], onBreach: [{channel: ops}]}";
    desk.promise(promised);
    desk.run(0, 9_000);
    let warnings =
        |desk: &Desk| desk.told().into_iter().filter(|told| told.starts_with("slaWarning")).collect::<Vec<_>>();
    assert_eq!(warnings(&desk), Vec::<String>::new());
    assert_eq!(lines(&desk), ["Breach: firstResponse due (run 1): the promise was not kept"], "recorded all the same");
    desk.event("oidc:ada", &json!({"acknowledge": true}), 9_001);
    desk.run(9_001, 9_010);
    assert_eq!(warnings(&desk).len(), 2, "{:?}", lines(&desk));
    assert!(lines(&desk).contains(&"Warned: firstResponse due (run 1): told ops".to_owned()), "{:?}", lines(&desk));
    assert!(lines(&desk).contains(&"Warned: resolution 50% (run 1): told ops".to_owned()), "{:?}", lines(&desk));
}

#[test]
fn an_answer_that_was_given_in_time_but_came_in_late_takes_the_breach_back() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, firstResponse: 1h}");
    desk.run(0, 4_000);
    desk.event("oidc:ada", &json!({"reply": {"text": "By telephone."}, "occurredAt": at(3_000)}), 4_001);
    desk.run(4_001, 9_000);
    assert_eq!(desk.status().breaches, []);
    let withdrawn = "BreachWithdrawn: firstResponse due (run 1): what came in late shows that it was kept";
    assert_eq!(lines(&desk).last().map(String::as_str), Some(withdrawn));
    assert_eq!(lines(&desk).iter().filter(|line| line.starts_with("BreachWithdrawn")).count(), 1);
}

#[test]
fn a_ticket_without_promises_says_nothing() {
    let mut desk = Desk::open("ticket");
    desk.run(0, 100_000);
    assert_eq!(lines(&desk), Vec::<String>::new());
}
