//! Tickets that an incident caused.

use super::{clocks::asked_by_mia, *};

/// An incident that was resolved, so often.
fn incident(reopens: u32, reason: &str) -> Arc<Ticket> {
    let mut incident = Desk::open("page").ticket;
    incident.metadata.name = Some("inc-b".into());
    let reopens = (reopens > 0).then_some(reopens);
    let (state, reason) = (Some(TicketState::Resolved), Some(reason.to_owned()));
    incident.status = Some(TicketStatus { state, reason, reopens, ..TicketStatus::default() });
    Arc::new(incident)
}

fn waiting() -> Desk {
    let mut desk = asked_by_mia("{priority: P3, calendar: always, resolution: 4h, update: 1h}");
    desk.look(1);
    desk.event("oidc:ada", &json!({"reply": {"text": "We wait for the region."}}), 10);
    desk.event("oidc:ada", &json!({"state": {"to": "PendingVendor"}}), 11);
    desk.look(11);
    desk
}

#[test]
fn when_the_incident_resolves_the_ticket_gets_a_note_and_becomes_open_once() {
    let mut desk = waiting();
    let before = desk.status().clocks;
    desk.causes = vec![incident(0, "Recovered")];
    desk.look(60);
    let status = desk.status();
    assert_eq!(status.state, Some(TicketState::Open));
    let note = status.messages.clone().unwrap().last.pop().unwrap();
    assert_eq!((note.from.as_str(), note.public, note.automatic), ("firstline", false, true));
    assert_eq!(note.text, "what caused this is over: inc-b resolution 1: Recovered");
    assert_eq!(
        status.clocks.iter().map(|clock| &clock.due).collect::<Vec<_>>(),
        before.iter().map(|clock| &clock.due).collect::<Vec<_>>(),
        "its clocks are its own"
    );
    desk.event("oidc:ada", &json!({"state": {"to": "PendingVendor"}}), 70);
    desk.look(70);
    assert!(!desk.look(71).changed);
    assert_eq!(desk.status().state, Some(TicketState::PendingVendor), "the same resolution says nothing twice");
    desk.causes = vec![incident(1, "Completed")];
    desk.look(80);
    assert_eq!(desk.status().state, Some(TicketState::Open), "it was reopened and resolved again");
}

#[test]
fn an_incident_that_was_merged_goes_on_elsewhere() {
    let mut desk = waiting();
    desk.causes = vec![incident(0, "Merged")];
    assert!(!desk.look(60).changed);
}

#[test]
fn a_ticket_that_is_over_itself_stays_so() {
    let mut desk = waiting();
    desk.event("oidc:ada", &json!({"state": {"to": "Resolved"}}), 50);
    desk.look(50);
    desk.causes = vec![incident(0, "Recovered")];
    assert!(!desk.look(60).changed);
}
