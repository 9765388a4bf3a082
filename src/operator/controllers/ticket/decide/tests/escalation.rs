//! When pages go out and when they stop.

use super::*;

#[test]
fn unacknowledged_it_reaches_everybody_and_then_the_last_resort() {
    let mut desk = Desk::open("page");
    desk.run(0, 4_800);
    let told: Vec<_> = desk
        .status()
        .notifications
        .iter()
        .map(|n| format!("{} {}", n.planned_at.duration_since(at(0)).as_secs(), n.channel))
        .collect();
    assert_eq!(told, ["0 chat", "300 sms", "600 chat", "2400 chat", "2700 sms", "3000 chat", "4800 ops"]);
    assert!(desk.condition("EscalationExhausted"));
}

#[test]
fn an_acknowledgement_withdraws_what_was_planned_and_not_sent() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 2);
    let cancelled = desk.look(2).cancel.len();
    assert_eq!(cancelled, 1);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
    assert_eq!(desk.last.as_ref().unwrap().next, None);
    desk.alert("page", AlertState::Recovered, 60);
    desk.look(60);
    assert_eq!(desk.told().len(), 1, "nobody was paged, so nobody is told that it is over");
}

#[test]
fn firing_again_before_it_is_resolved_runs_the_current_step_again() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.alert("page", AlertState::Recovered, 20);
    desk.run(20, 30);
    desk.alert("page", AlertState::Firing, 40);
    desk.run(40, 50);
    assert_eq!(
        desk.told(),
        ["page ada by chat: Accepted", "resolved ada by chat: Accepted", "page ada by chat: Accepted"]
    );
    assert_eq!(desk.status().recovered_at, None);
}

#[test]
fn firing_again_soon_after_it_was_resolved_reopens_the_same_ticket_in_a_new_cycle() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 11);
    desk.look(11);
    desk.alert("page", AlertState::Recovered, 20);
    desk.run(20, 400);
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
    desk.alert("page", AlertState::Firing, 500);
    desk.run(500, 500);
    let status = desk.status();
    assert_eq!(status.state, Some(TicketState::Open));
    let escalation = status.escalation.unwrap();
    assert_eq!((escalation.cycle, escalation.acknowledged_by), (2, None));
    assert_eq!(desk.told().last().unwrap(), "page ada by chat: Accepted");
}

#[test]
fn what_begins_on_a_ticket_that_was_resolved_while_something_fires_reopens_it_and_is_over_when_that_is_over() {
    // By severity of what fires when it is resolved, and of what begins then.
    for (first, second) in [("ticket", "page"), ("page", "page"), ("page", "ticket")] {
        let mut desk = Desk::open(first);
        desk.run(0, 60);
        desk.event("oidc:ada", &json!({"state": {"to": "Resolved"}}), 61);
        desk.run(61, 100);
        assert_eq!(desk.status().state, Some(TicketState::Resolved), "{first}, {second}");
        let ends = desk.told().iter().filter(|told| told.starts_with("resolved")).count();
        let before = desk.status().notifications.len();
        desk.another_alert(second, AlertState::Firing, 200);
        desk.run(200, 500);
        assert_eq!(desk.status().state, Some(TicketState::Open), "{first}, {second}");
        let new: Vec<String> = desk.told().split_off(before);
        let alarm = if second == "page" { "page ada by chat: Accepted" } else { "notice - by " };
        assert!(new.iter().any(|told| told.starts_with(alarm)), "{first}, {second}: {new:?}");
        assert_eq!(desk.told().iter().filter(|told| told.starts_with("resolved")).count(), ends, "{:?}", desk.told());
        desk.another_alert(second, AlertState::Recovered, 600);
        desk.alert(first, AlertState::Recovered, 601);
        desk.run(600, 1_200);
        assert!(desk.told().last().unwrap().starts_with("resolved"), "{first}, {second}: {:?}", desk.told());
        assert!(desk.told().split_off(before).iter().any(|told| told.starts_with("resolved")), "{first}, {second}");
        assert_eq!(desk.status().state, Some(TicketState::Resolved));
    }
}

#[test]
fn a_page_that_fires_on_a_resolved_ticket_of_lesser_severity_escalates_by_its_own_route() {
    let mut desk = Desk::open("ticket");
    desk.run(0, 60);
    desk.alert("ticket", AlertState::Recovered, 61);
    desk.run(61, 400);
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
    desk.alert("page", AlertState::Firing, 500);
    desk.run(500, 500);
    let status = desk.status();
    assert_eq!(status.priority.as_deref(), Some("P1"));
    assert_eq!(status.escalation.unwrap().chain, "page");
    assert_eq!(desk.told().last().unwrap(), "page ada by chat: Accepted");
}

#[test]
fn a_silence_holds_the_steps_and_says_what_would_have_happened() {
    let silence: Silence = serde_json::from_value(json!({
        "apiVersion": "firstline.dev/v1alpha1", "kind": "Silence", "metadata": {"name": "deploy", "namespace": "payments"},
        "spec": {"matchers": ["service=\"checkout\""], "startsAt": at(-10), "endsAt": at(900), "reason": "deploy 42", "author": "oidc:ada"}
    })).unwrap();
    let mut desk = Desk::open("page");
    desk.silences = vec![api::silence::validate(&silence).unwrap().value];
    desk.look(1);
    assert_eq!(desk.told(), Vec::<String>::new());
    let plan = desk.last.as_ref().unwrap();
    assert_eq!(plan.next, Some(at(900)), "the end of the silence");
    assert_eq!(plan.held_by[0].0, "payments/deploy");
    assert_eq!(plan.counts.suppressed, BTreeMap::from([(HoldKind::Silence, 1)]));
    assert!(desk.status().timeline.iter().any(|line| line.what == "Held" && line.detail.contains("deploy")));
    desk.run(900, 900);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(1_200)), "ada's second rule, five minutes after the end");
}

#[test]
fn a_more_severe_alert_raises_priority_and_pages() {
    let mut desk = Desk::open("ticket");
    desk.run(0, 60);
    desk.alert("page", AlertState::Firing, 61);
    desk.run(61, 61);
    assert_eq!(
        (desk.status().priority.as_deref(), desk.status().severity),
        (Some("P1"), Some(api::ticket::Severity::Page))
    );
    assert_eq!(desk.told(), ["notice - by chat: Accepted", "page ada by chat: Accepted"]);
}

#[test]
fn the_end_of_the_source_stops_the_chain_and_leaves_the_ticket_open() {
    let mut desk = Desk::open("page");
    desk.run(0, 1);
    desk.alert("page", AlertState::SourceRemoved, 60);
    desk.run(60, 4_000);
    assert_eq!(desk.status().state, Some(TicketState::New));
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "update ada by chat: Accepted"]);
}

#[test]
fn a_deleted_policy_does_not_stop_an_open_ticket() {
    let mut desk = Desk::open("page");
    desk.look(0);
    desk.live = None;
    desk.run(1, 600);
    assert!(desk.condition("PolicyDeleted"));
    assert_eq!(desk.told().last().unwrap(), "page bob by chat: Accepted");
}

#[test]
fn a_snooze_ends_by_itself_and_the_escalation_begins_again() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.event("oidc:ada", &json!({"snooze": {"until": at(600)}}), 20);
    desk.run(20, 599);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    assert_eq!(desk.status().escalation.unwrap().snoozed_until, Some(at(600)));
    desk.run(600, 600);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "page ada by chat: Accepted"]);
    assert!(desk.status().timeline.iter().any(|line| line.detail == "the snooze of ada is over"));
}

#[test]
fn a_step_that_somebody_calls_for_runs_now() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.event("oidc:ada", &json!({"escalate": {"step": 2}}), 20);
    desk.run(20, 21);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "page bob by chat: Accepted"]);
}
