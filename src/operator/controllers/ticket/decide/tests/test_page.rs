//! Tickets that only try whether somebody can be reached.

use super::*;

fn desk(target: &serde_json::Value) -> Desk {
    let mut desk = Desk::open("page");
    desk.ticket.spec =
        serde_json::from_value(json!({"title": "Can you be reached?", "testPage": target, "policy": "payments"}))
            .unwrap();
    desk
}

#[test]
fn a_person_is_told_at_once_through_every_rule_and_nobody_else_ever() {
    let mut desk = desk(&json!({"person": "ada"}));
    desk.run(0, 90_000);
    assert_eq!(desk.told(), ["test ada by chat: Accepted", "test ada by sms: Accepted"]);
    assert!(desk.status().escalation.is_none());
    assert_eq!(desk.status().notifications[1].planned_at, at(0));
}

#[test]
fn whoever_is_on_call_is_told_where_a_schedule_is_tried() {
    let mut desk = desk(&json!({"schedule": "primary"}));
    desk.run(0, 600);
    assert_eq!(desk.told(), ["test ada by chat: Accepted", "test ada by sms: Accepted"]);
}

#[test]
fn a_channel_is_told_without_a_person() {
    let mut desk = desk(&json!({"channel": "ops"}));
    desk.run(0, 600);
    assert_eq!(desk.told(), ["test - by ops: Accepted"]);
}

#[test]
fn whom_the_policy_does_not_know_is_named_and_nobody_is_told() {
    let mut desk = desk(&json!({"person": "zoe"}));
    desk.run(0, 600);
    assert!(desk.told().is_empty());
    let last = desk.status().timeline.iter().rfind(|line| line.what == "NobodyFound").cloned().unwrap();
    assert_eq!(last.detail, "the policy has no person zoe");
}

#[test]
fn a_rule_that_ada_gets_later_is_no_second_test() {
    let mut desk = desk(&json!({"person": "ada"}));
    desk.run(0, 60);
    let mut live = Policy::clone(desk.live.as_ref().unwrap());
    let bob = live.people["bob"].rules.clone();
    live.people.get_mut("ada").unwrap().rules.extend(bob);
    desk.live = Some(Arc::new(live));
    desk.run(61, 600);
    assert_eq!(desk.told().len(), 2);
}

#[test]
fn one_that_comes_back_from_a_backup_tells_nobody() {
    let mut desk = desk(&json!({"person": "ada"}));
    desk.run(4_000, 5_000);
    assert!(desk.told().is_empty());
}

/// The server dates a restored object anew.
#[test]
fn one_that_is_restored_from_a_backup_tells_nobody_though_it_is_created_anew() {
    let asked = |seconds: i64| json!({"person": "ada", "requestedAt": at(seconds)});
    let mut restored = desk(&asked(-4_000));
    restored.run(0, 600);
    assert!(restored.told().is_empty());
    let line = restored.status().timeline.iter().rfind(|line| line.what == "NotPaged").cloned().unwrap();
    assert!(line.detail.contains("a restored backup tells nobody"), "{}", line.detail);
    let mut fresh = desk(&asked(-60));
    fresh.run(0, 600);
    assert_eq!(fresh.told().len(), 2);
}
