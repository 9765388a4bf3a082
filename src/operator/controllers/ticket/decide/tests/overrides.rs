//! Somebody takes over while a step waits for an answer.

use super::*;

/// bob takes the schedule over from these seconds.
fn bob_takes_over(replaces: Option<&str>, from: i64, until: i64) -> Override {
    Override {
        name: "swap".into(),
        schedule: "primary".into(),
        person: "bob".into(),
        replaces: replaces.map(str::to_owned),
        from: at(from),
        until: at(until),
        created: at(from),
    }
}

#[test]
fn who_takes_over_during_a_step_that_nobody_answered_is_paged_at_once() {
    let mut desk = Desk::open("page");
    desk.run(0, 30);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    desk.overrides = vec![bob_takes_over(Some("ada"), 60, 7_200)];
    desk.look(40);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(60)), "its beginning is a deadline");
    desk.run(60, 599);
    assert_eq!(
        desk.told(),
        ["page ada by chat: Accepted", "page bob by chat: Accepted"],
        "ada's sms is not sent any more"
    );
    assert!(desk.status().timeline.iter().any(|line| line.detail.contains("bob (took over primary)")));
}

#[test]
fn an_override_of_somebody_who_is_not_on_call_changes_nothing() {
    let mut desk = Desk::open("page");
    desk.overrides = vec![bob_takes_over(Some("carol"), 0, 7_200)];
    desk.run(0, 30);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
}

#[test]
fn at_the_end_of_an_override_the_one_of_the_layers_is_paged() {
    let mut desk = Desk::open("page");
    desk.overrides = vec![bob_takes_over(None, 0, 120)];
    desk.run(0, 130);
    assert_eq!(desk.told(), ["page bob by chat: Accepted", "page ada by chat: Accepted"]);
}

#[test]
fn an_override_after_the_acknowledgement_pages_nobody() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 20);
    desk.overrides = vec![bob_takes_over(None, 30, 7_200)];
    desk.run(20, 600);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
}
