//! A monitor that the ticket's one depends on goes down after somebody was paged.

use domain::suppression::dependency::Standing;

use super::*;

/// The ticket's alert is that of the monitor checkout, which depends on database.
fn desk() -> Desk {
    let mut desk = Desk::open("page");
    let mut labels = labels("page");
    labels.insert("monitor".into(), "checkout".into());
    let alert = &mut desk.ticket.spec.origin.as_mut().unwrap().alerts[0];
    alert.fingerprint = domain::labels::Fingerprint::of(&labels).to_string();
    alert.labels = labels;
    desk
}

/// The database is down since then, and pages.
fn down(since: i64) -> Standings {
    let database = Standing {
        depends_on: Vec::new(),
        down_since: Some(at(since)),
        told: Some(("inc-b".into(), domain::alert::Severity::Page)),
    };
    let checkout = Standing { depends_on: vec!["database".into()], down_since: Some(at(0)), told: None };
    [("database".to_owned(), database), ("checkout".to_owned(), checkout)].into()
}

const BY: &str = "depends on database, which is down (ticket inc-b, page)";

#[test]
fn those_who_were_paged_are_told_the_cause_once_and_the_chain_waits() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.monitors = down(60);
    desk.run(60, 70);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "update ada by chat: Accepted"]);
    let why = desk.status().notifications[1].why.clone().unwrap();
    assert!(why.contains(BY), "{why}");
    assert_eq!(desk.status().cause.unwrap().by, BY);
    assert!(desk.condition("Ready"));
    // Neither ada's second rule nor bob's step, and no second update.
    desk.run(71, 7_200);
    assert_eq!(desk.told().len(), 2, "{:?}", desk.told());
}

#[test]
fn when_the_cause_has_ended_what_still_fires_after_a_minute_begins_anew() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.monitors = down(60);
    desk.run(60, 899);
    desk.monitors = Standings::new();
    desk.look(900);
    assert_eq!(desk.last.as_ref().unwrap().next, Some(at(960)));
    assert_eq!(desk.told().len(), 2);
    desk.run(960, 961);
    assert_eq!(desk.told()[2], "page ada by chat: Accepted");
    let status = desk.status();
    let escalation = status.escalation.unwrap();
    assert_eq!((status.cause, escalation.cycle, escalation.step), (None, 2, 1));
    assert_eq!(escalation.cycle_start, at(960), "bob's step counts from the new beginning");
}

#[test]
fn a_cause_that_comes_back_within_the_minute_holds_on() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.monitors = down(60);
    desk.run(60, 299);
    desk.monitors = Standings::new();
    desk.look(300);
    desk.monitors = down(60);
    desk.run(330, 600);
    desk.monitors = Standings::new();
    desk.run(601, 660);
    assert_eq!(desk.told().len(), 2);
    desk.run(661, 662);
    assert_eq!(desk.told().len(), 3);
}

#[test]
fn what_recovers_with_its_cause_tells_those_paged_and_pages_nobody_again() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.monitors = down(60);
    desk.run(60, 100);
    desk.monitors = Standings::new();
    let labels = desk.ticket.spec.origin.as_ref().unwrap().alerts[0].labels.clone();
    let state = AlertState::Recovered;
    let (namespace, annotations) = ("payments".to_owned(), Labels::new());
    desk.alerts.push(Alert { namespace, labels, annotations, state, starts_at: at(120), at: at(120) });
    desk.run(120, 3_600);
    assert_eq!(desk.told()[2..], ["resolved ada by chat: Accepted"]);
    assert_eq!((desk.status().cause, desk.status().state), (None, Some(TicketState::Resolved)));
}

#[test]
fn a_ticket_that_somebody_took_is_left_alone() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.event("oidc:ada", &json!({"acknowledge": true}), 40);
    desk.run(40, 50);
    desk.monitors = down(60);
    desk.run(60, 900);
    assert_eq!((desk.told().len(), desk.status().cause), (1, None));
}

#[test]
fn what_goes_down_more_than_two_minutes_later_is_no_cause() {
    let mut desk = desk();
    desk.run(0, 30);
    desk.monitors = down(121);
    desk.run(121, 400);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "page ada by sms: Accepted"]);
}

#[test]
fn where_nobody_was_paged_yet_the_first_step_waits_and_settles() {
    let mut desk = desk();
    desk.monitors = down(0);
    desk.run(0, 300);
    assert_eq!(desk.told(), Vec::<String>::new());
    desk.monitors = Standings::new();
    desk.run(300, 359);
    assert_eq!(desk.told(), Vec::<String>::new());
    desk.run(360, 361);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
}
