//! Who hears that it is over, however late it becomes known that a page has reached them.

use super::*;

const ENDED: &str = "resolved ada by chat: Planned";

fn uncertain() -> Delivery {
    Delivery::Uncertain { error: "the connection was lost after everything was sent".into() }
}

impl Desk {
    fn recovers(&mut self, second: i64) {
        self.alert("page", AlertState::Recovered, second);
        self.look(second);
    }

    /// How often somebody is told of the end.
    fn ends(&self) -> usize {
        self.told().iter().filter(|told| told.starts_with("resolved") || told.starts_with("update")).count()
    }
}

#[test]
fn who_may_have_a_page_hears_the_end_also_when_somebody_acknowledged_before_that() {
    let (mut desk, id) = paged();
    desk.hears(&id, uncertain(), 1);
    desk.event("oidc:bob", &json!({"acknowledge": true}), 2);
    desk.look(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
    desk.recovers(60);
    assert_eq!(desk.told(), ["page ada by chat: Superseded", ENDED]);
}

#[test]
fn who_may_have_a_page_by_a_leader_that_died_hears_the_end_although_it_is_acknowledged() {
    let (mut desk, _) = paged();
    desk.epoch = 2;
    desk.event("oidc:bob", &json!({"acknowledge": true}), 2);
    desk.look(2);
    desk.recovers(60);
    assert_eq!(desk.told(), ["page ada by chat: Superseded", ENDED]);
}

#[test]
fn an_attempt_that_ends_in_doubt_after_the_end_is_followed_by_it_once() {
    let (mut desk, id) = paged();
    desk.recovers(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"], "nobody has it");
    desk.hears(&id, uncertain(), 3);
    assert_eq!(desk.told(), ["page ada by chat: Superseded", ENDED]);
    desk.run(4, 4_000);
    assert_eq!(desk.ends(), 1);
}

#[test]
fn a_page_that_may_have_arrived_and_then_failed_for_good_is_followed_by_the_end() {
    let (mut desk, id) = paged();
    desk.hears(&id, uncertain(), 1);
    desk.hears(&id, Delivery::Failed { error: "410".into() }, 2);
    desk.recovers(3);
    assert!(desk.told().contains(&ENDED.to_owned()), "{:?}", desk.told());
}

#[test]
fn a_page_that_was_refused_and_waits_for_its_next_try_is_withdrawn_and_nobody_hears_of_an_end() {
    let (mut desk, id) = paged();
    desk.hears(&id, Delivery::Retry { after: None, error: "503".into() }, 1);
    desk.recovers(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
}

#[test]
fn what_is_being_sent_at_the_end_may_arrive_also_when_nobody_lives_to_write_that_down() {
    let (mut desk, id) = paged();
    desk.recovers(2);
    // Whoever wrote that down knew that it was being sent, and has died.
    desk.ticket.status.as_mut().unwrap().notifications[0].may_have_arrived = true;
    desk.epoch = 2;
    desk.look(3);
    assert_eq!(desk.told(), ["page ada by chat: Superseded", ENDED]);
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 4);
    desk.run(5, 4_000);
    assert_eq!(desk.ends(), 1, "{:?}", desk.told());
}

#[test]
fn a_page_that_arrives_after_somebody_has_resolved_the_ticket_is_followed_by_that_once() {
    let (mut desk, id) = paged();
    desk.event("oidc:bob", &json!({"state": {"to": "Resolved"}}), 2);
    desk.look(2);
    assert_eq!(desk.told(), ["page ada by chat: Superseded"]);
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 4);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", ENDED]);
    desk.recovers(60);
    desk.run(61, 4_000);
    assert_eq!(desk.ends(), 1, "{:?}", desk.told());
}

#[test]
fn a_page_that_arrives_after_its_source_was_removed_is_followed_by_that_once() {
    let (mut desk, id) = paged();
    desk.alert("page", AlertState::SourceRemoved, 2);
    desk.look(2);
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 4);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "update ada by chat: Planned"]);
    desk.run(5, 4_000);
    assert_eq!(desk.ends(), 1, "{:?}", desk.told());
}

/// As a merge leaves it: an island has paged Bob, and the other leader's ticket was over by then.
#[test]
fn whom_another_hand_has_paged_hears_the_end_with_the_next_look_and_only_once() {
    let (mut desk, _) = paged();
    desk.run(0, 1);
    desk.recovers(60);
    desk.run(61, 900);
    assert_eq!(desk.ends(), 1);
    let fact = Notification {
        id: Uuid::from_u128(7).to_string(),
        person: Some("bob".into()),
        planned_at: at(30),
        ..desk.status().notifications[0].clone()
    };
    desk.ticket.status.as_mut().unwrap().notifications.push(fact);
    desk.look(901);
    assert_eq!(desk.told()[3], "resolved bob by chat: Planned");
    desk.run(902, 4_000);
    assert_eq!(desk.ends(), 2, "{:?}", desk.told());

    let (mut desk, id) = paged();
    desk.recovers(2);
    desk.look(2 + 25 * 3_600);
    desk.hears(&id, uncertain(), 3 + 25 * 3_600);
    assert_eq!(desk.ends(), 0, "a day later that is no news");
}

#[test]
fn who_was_paged_first_hears_the_end_after_however_many_pages_to_others() {
    let (mut desk, id) = paged();
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 1);
    let to_bob = |n: u128| {
        let (id, person) = (Uuid::from_u128(n).to_string(), Some("bob".to_owned()));
        Notification { id, person, ..desk.status().notifications[0].clone() }
    };
    let many: Vec<Notification> = (1..=80).map(to_bob).collect();
    desk.ticket.status.as_mut().unwrap().notifications.extend(many);
    desk.look(2);
    assert_eq!(desk.status().notifications.len(), 50);
    desk.recovers(3);
    let ends: Vec<String> = desk.told().into_iter().filter(|told| told.starts_with("resolved")).collect();
    assert_eq!(ends, [ENDED, "resolved bob by chat: Planned"]);
}

/// After a gap in which nothing could be decided, or a merge that came late.
#[test]
fn what_is_overdue_waits_for_what_the_monitors_have_seen_and_people_are_heard_at_once() {
    let (mut desk, id) = paged();
    desk.awaits_monitors = true;
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 900);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"], "Bob's step is overdue, and it may be over");
    desk.event("oidc:ada", &json!({"acknowledge": true}), 901);
    desk.look(901);
    assert_eq!(desk.status().escalation.as_ref().unwrap().acknowledged_by.as_deref(), Some("ada"));

    let (mut desk, id) = paged();
    desk.awaits_monitors = true;
    desk.hears(&id, Delivery::Accepted { receipt: "200".into() }, 900);
    desk.awaits_monitors = false;
    desk.look(901);
    assert!(desk.told().contains(&"page bob by chat: Planned".to_owned()), "it goes on: {:?}", desk.told());
}
