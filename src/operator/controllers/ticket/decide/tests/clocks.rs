//! Stories of a ticket's clocks: what is due, what is broken, what stands still.

use api::ticket::PolicyInForce;

use super::*;

/// A ticket that Mia asked for by hand, with what the policy promises for it.
pub(super) fn asked_by_mia(sla: &str) -> Desk {
    let mut desk = Desk::open("ticket");
    desk.promise(sla);
    desk.chosen =
        Some(PolicyInForce { namespace: "payments".into(), name: "payments".into(), revision: "payments-1".into() });
    desk.ticket.spec.origin = None;
    desk.ticket.spec.requester = Some(api::ticket::Requester { name: "Mia".into(), contact: None });
    desk
}

#[test]
fn a_ticket_by_hand_lives_by_the_policy_that_was_chosen_and_its_clocks_run() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, firstResponse: 1h, resolution: 4h}");
    let next = desk.look(1).next;
    let status = desk.status();
    assert_eq!(status.policy.unwrap().name, "payments");
    assert_eq!((status.priority.as_deref(), status.sla.as_deref()), (Some("P3"), Some("Ok")));
    assert_eq!(status.next_due, Some(at(3_600).to_string()));
    assert!(next.is_some_and(|next| next <= at(3_600)));
}

#[test]
fn a_breach_is_dated_when_it_was_and_found_when_somebody_looked_again() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, firstResponse: 1h}");
    desk.look(1);
    desk.look(9_000);
    desk.look(9_500);
    let status = desk.status();
    assert_eq!(status.sla.as_deref(), Some("Breached"));
    assert_eq!((status.breaches[0].breached_at, status.breaches[0].detected_at), (at(3_600), at(9_000)));
    assert_eq!(status.breaches.len(), 1);
}

#[test]
fn a_pause_for_the_requester_stops_the_resolution_clock() {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, resolution: 4h}");
    desk.look(1);
    desk.event("oidc:ada", &json!({"reply": {"text": "Which browser?"}}), 3_600);
    desk.event("oidc:ada", &json!({"state": {"to": "PendingRequester"}}), 3_600);
    desk.look(3_600);
    let status = desk.status();
    assert_eq!((status.sla.as_deref(), status.next_due), (Some("Paused"), None));
    assert_eq!(status.clocks[0].remaining.as_deref(), Some("3h"));
}
