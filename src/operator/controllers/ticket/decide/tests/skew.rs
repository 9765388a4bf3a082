//! Our clock and the API server's do not agree: events are dated by the one, everything else by the other.

use super::*;

const HOUR: i64 = 3_600;

/// A page whose ticket was created, and whose events are, by a server that is so many seconds behind us.
fn behind(seconds: i64) -> Desk {
    let mut desk = Desk::open("page");
    desk.ticket.metadata.creation_timestamp = Some(Time(at(-seconds)));
    desk.ticket.spec.origin.as_mut().unwrap().opened_at_server = Some(at(-seconds));
    desk.ahead_of_server = seconds;
    desk
}

#[test]
fn an_acknowledgement_holds_its_time_when_the_server_is_an_hour_behind() {
    let mut desk = behind(HOUR);
    let text = POLICY.replace("- name: page\n", "- name: page\n      ackTimeout: 30m\n");
    let policy: SupportPolicy = serde_yaml::from_str(&text).unwrap();
    let policy = Arc::new(api::support_policy::validate(&policy).unwrap().value);
    (desk.frozen, desk.live) = (Some(policy.clone()), Some(policy));
    desk.run(0, 59);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 60 - HOUR);
    desk.look(61);
    assert_eq!(desk.events[0].status.as_ref().unwrap().at, Some(at(60)), "as our clock had it");
    // The clocks agree again; what is on record stays.
    desk.ahead_of_server = 0;
    desk.run(62, 1_400);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    assert_eq!(desk.status().escalation.unwrap().acknowledged_by.as_deref(), Some("ada"));
    desk.run(1_401, 1_900);
    assert_eq!(desk.status().escalation.unwrap().acknowledged_by, None, "thirty minutes have passed");
}

#[test]
fn a_snooze_lasts_as_long_as_was_meant_when_the_server_is_an_hour_behind() {
    let mut desk = behind(HOUR);
    desk.run(0, 59);
    desk.event("oidc:ada", &json!({"snooze": {"until": at(1_860 - HOUR)}}), 60 - HOUR);
    desk.look(61);
    assert_eq!(desk.status().escalation.unwrap().snoozed_until, Some(at(1_860)), "as our clock has it");
    // The clocks agree again; what is on record stays.
    desk.ahead_of_server = 0;
    desk.run(62, 1_859);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    desk.run(1_860, 1_870);
    assert_eq!(desk.told().len(), 2, "the snooze is over");
}

#[test]
fn a_ticket_waits_as_long_as_was_meant_when_the_server_is_an_hour_behind() {
    let mut desk = behind(HOUR);
    desk.run(0, 59);
    desk.event("oidc:ada", &json!({"state": {"to": "PendingVendor", "until": at(1_860 - HOUR)}}), 60 - HOUR);
    desk.look(61);
    assert_eq!((desk.status().state, desk.status().waits_until), (Some(TicketState::PendingVendor), Some(at(1_860))));
}

#[test]
fn who_reopens_a_ticket_that_has_just_resolved_itself_is_heard_whatever_the_server_thinks_the_time_is() {
    for skew in [HOUR, -HOUR] {
        let mut desk = behind(skew);
        desk.run(0, 10);
        desk.alert("page", AlertState::Recovered, 20);
        desk.run(20, 400);
        assert_eq!(desk.status().state, Some(TicketState::Resolved));
        desk.event("oidc:ada", &json!({"state": {"to": "Open"}}), 500 - skew);
        desk.run(501, 9_000);
        assert_eq!(desk.status().state, Some(TicketState::Open), "{skew}");
    }
}

#[test]
fn no_promise_is_broken_because_the_server_is_an_hour_behind() {
    let mut desk = behind(HOUR);
    desk.promise("{priority: P1, calendar: always, firstResponse: 15m}");
    desk.run(0, 800);
    assert_eq!(desk.status().breaches, [], "{:?}", desk.status().clocks);
    desk.run(801, 1_000);
    assert_eq!(desk.status().breaches.len(), 1);
}

#[test]
fn an_event_of_a_server_that_agrees_has_no_second_time() {
    let mut desk = behind(0);
    desk.look(1);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 60);
    desk.look(61);
    assert_eq!(desk.events[0].status.as_ref().unwrap().at, None);
}
