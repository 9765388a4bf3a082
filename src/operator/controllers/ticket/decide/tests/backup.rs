//! Tickets that come back out of a backup, and those that only look as if they did.

use super::*;

const HOUR: i64 = 3_600;

/// A page of second 0 that was restored at this one.
fn restored(second: i64) -> Desk {
    let mut desk = Desk::open("page");
    desk.ticket.metadata.creation_timestamp = Some(Time(at(second)));
    desk
}

#[test]
fn a_restored_backup_pages_nobody_and_says_so() {
    let mut desk = restored(3_700);
    desk.look(3_700);
    assert_eq!(desk.told(), Vec::<String>::new());
    assert!(desk.condition("NotPaged"));
    desk.look(3_800);
    assert!(desk.condition("NotPaged"), "it does not forget");
    assert_eq!(desk.status().escalation, None);
}

#[test]
fn a_ticket_that_nobody_could_look_after_for_an_hour_is_none() {
    let mut desk = restored(0);
    desk.look(3_700);
    assert!(!desk.condition("NotPaged"), "the operator was away, or the API");
    assert_eq!(desk.told().len(), 3, "ada by both of her ways, and bob: {:?}", desk.told());
}

#[test]
fn a_ticket_of_a_leader_whose_clock_was_wrong_is_none_and_its_escalation_begins_by_ours() {
    for skew in [-HOUR - 60, HOUR + 60] {
        // As the server has it, it was opened at second 0.
        let mut desk = restored(0);
        let origin = desk.ticket.spec.origin.as_mut().unwrap();
        (origin.opened_at, origin.opened_at_server) = (Some(at(skew)), Some(at(0)));
        desk.look(5);
        assert!(!desk.condition("NotPaged"), "{skew}");
        assert_eq!(desk.told(), ["page ada by chat: Planned"], "{skew}");
        assert_eq!(desk.status().escalation.unwrap().cycle_start, at(0), "{skew}");
    }
}

#[test]
fn a_backup_that_is_seen_to_fire_pages() {
    let mut desk = restored(3_700);
    desk.look(3_700);
    desk.alert("page", AlertState::Firing, 3_710);
    desk.run(3_710, 3_720);
    assert!(!desk.condition("NotPaged"));
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    // Once.
    desk.alert("page", AlertState::Firing, 3_730);
    assert!(!desk.look(3_730).changed);
    desk.alert("page", AlertState::Recovered, 3_740);
    desk.run(3_740, 4_100);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
    assert_eq!(desk.status().state, Some(TicketState::Resolved));
}

#[test]
fn a_backup_that_somebody_has_taken_is_nobodys_problem_any_more() {
    let mut desk = restored(3_700);
    desk.look(3_700);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 3_705);
    desk.look(3_706);
    assert!(!desk.condition("NotPaged"));
    desk.alert("page", AlertState::Firing, 3_710);
    desk.run(3_710, 3_720);
    assert_eq!(desk.told(), Vec::<String>::new());
}
