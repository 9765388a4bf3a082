//! What people do to a ticket, and what is made of it.

use super::*;

#[test]
fn a_refused_event_says_why_and_changes_nothing() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.event("oidc:ada", &json!({"unacknowledge": true}), 2);
    desk.look(2);
    let verdict = desk.events[0].status.clone().unwrap();
    assert_eq!((verdict.accepted, verdict.sequence), (Some(false), Some(1)));
    assert_eq!(verdict.reason.as_deref(), Some("nobody has acknowledged the ticket"));
    assert_eq!(desk.status().state, Some(TicketState::New));
}

#[test]
fn a_ticket_is_not_given_to_a_stranger_and_the_refusal_outlives_the_policy() {
    let mut desk = Desk::open("page");
    desk.look(1);
    desk.event("oidc:ada", &json!({"assign": {"to": "bib"}}), 2);
    desk.look(2);
    let reason = desk.events[0].status.clone().unwrap().reason.unwrap();
    assert_eq!(reason, "no person of policy payments/payments is called `bib`; did you mean `bob`?");
    let mut live = Policy::clone(desk.live.as_ref().unwrap());
    live.people.insert("bib".into(), live.people["bob"].clone());
    desk.live = Some(Arc::new(live));
    desk.look(3);
    assert_eq!(desk.status().assignee, None);
    desk.event("oidc:ada", &json!({"assign": {"to": "bib"}}), 4);
    desk.look(4);
    assert_eq!(desk.status().assignee.as_deref(), Some("bib"));
}

#[test]
fn a_ticket_that_a_person_reopens_after_it_recovered_stays_open_until_a_person_resolves_it() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.alert("page", AlertState::Recovered, 20);
    desk.run(20, 400);
    desk.event("oidc:ada", &json!({"state": {"to": "Open"}}), 500);
    desk.run(500, 9_000);
    assert_eq!(desk.status().state, Some(TicketState::Open));
    let lines = desk.status().timeline.len();
    desk.run(9_001, 20_000);
    assert_eq!(desk.status().timeline.len(), lines, "nothing piles up");
}

#[test]
fn what_people_did_between_recovery_and_resolution_keeps_counting() {
    let mut desk = Desk::open("page");
    desk.run(0, 10);
    desk.alert("page", AlertState::Recovered, 20);
    desk.run(20, 30);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 40);
    desk.event("oidc:ada", &json!({"state": {"to": "Open"}}), 50);
    desk.run(50, 500);
    let status = desk.status();
    assert_eq!((status.state, status.assignee.as_deref()), (Some(TicketState::Resolved), Some("ada")));
    assert_eq!(status.resolved_at, Some(at(20)), "dated at the end of the alert");
    assert!(desk.events.iter().all(|event| event.status.as_ref().unwrap().accepted == Some(true)));
}

#[test]
fn those_paged_are_told_once_when_somebody_resolves_before_it_recovers() {
    let mut desk = Desk::open("page");
    desk.run(0, 1);
    desk.event("oidc:ada", &json!({"state": {"to": "Resolved"}}), 30);
    desk.run(30, 31);
    desk.alert("page", AlertState::Recovered, 60);
    desk.run(60, 61);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
}

#[test]
fn a_person_who_resolves_stops_the_chain_and_tells_those_paged() {
    let mut desk = Desk::open("page");
    desk.run(0, 1);
    desk.event("oidc:ada", &json!({"state": {"to": "Resolved", "reason": "NotPlanned"}}), 30);
    desk.run(30, 4_000);
    assert_eq!(desk.status().reason.as_deref(), Some("NotPlanned"));
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
}

#[test]
fn a_ticket_of_a_person_has_a_number_a_state_and_no_escalation() {
    let mut desk = Desk::open("page");
    desk.ticket.spec.origin = None;
    desk.ticket.spec.priority = Some("P2".into());
    desk.frozen = None;
    desk.live = None;
    desk.look(5);
    let status = desk.status();
    assert_eq!(
        (status.number, status.state, status.priority.as_deref()),
        (Some(1042), Some(TicketState::New), Some("P2"))
    );
    assert!(status.escalation.is_none() && status.policy.is_none());
}
