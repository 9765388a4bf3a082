//! More alerts than a ticket lists.

use super::*;

/// The n-th alert of the ticket's service.
fn one(n: usize, state: AlertState, second: i64) -> Alert {
    let mut labels = labels("page");
    labels.insert("monitor".to_owned(), format!("m{n}"));
    let (starts_at, at) = (at(second), at(second));
    Alert { namespace: "payments".into(), labels, annotations: Labels::new(), state, starts_at, at }
}

/// How many fire, are listed and are not.
fn counts(desk: &Desk) -> (u32, usize, usize) {
    let alerts = desk.status().alerts.unwrap();
    (alerts.firing, alerts.list.len(), alerts.unlisted.len())
}

/// The first one, and 505 more.
fn crowded() -> Desk {
    let mut desk = Desk::open("page");
    desk.look(0);
    desk.deliver(0);
    desk.alerts = (1..506).map(|n| one(n, AlertState::Firing, 1)).collect();
    desk.look(1);
    assert_eq!(counts(&desk), (506, 500, 6));
    desk
}

/// All that are listed end, in two looks as those of two monitors would.
fn listed_end(desk: &mut Desk, second: i64) {
    desk.alerts = (1..500).map(|n| one(n, AlertState::Recovered, second)).collect();
    desk.look(second);
    desk.alert("page", AlertState::Recovered, second + 1);
    desk.look(second + 1);
}

#[test]
fn one_that_is_not_listed_is_news_once() {
    let mut desk = crowded();
    let fired = |desk: &Desk| desk.status().timeline.iter().filter(|line| line.what == "Fired").count();
    let before = fired(&desk);
    desk.alerts = vec![one(503, AlertState::Firing, 2)];
    assert!(!desk.look(2).changed, "no write for what is known");
    assert_eq!(fired(&desk), before);
}

#[test]
fn a_ticket_goes_on_while_something_fires_that_is_not_listed() {
    let mut desk = crowded();
    listed_end(&mut desk, 10);
    assert_eq!(counts(&desk), (6, 500, 6));
    assert_eq!(desk.status().recovered_at, None);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"], "nobody hears that it is over");
    // There is room for them now: they are listed when they are told of again, and page nobody anew.
    desk.alerts = (500..506).map(|n| one(n, AlertState::Firing, 20)).collect();
    desk.look(20);
    assert_eq!(counts(&desk), (6, 500, 0));
    desk.alerts = (500..506).map(|n| one(n, AlertState::Recovered, 30)).collect();
    desk.run(30, 31);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
    assert_eq!(desk.status().recovered_at, Some(at(30)));
}

#[test]
fn what_is_not_told_of_again_although_there_is_room_is_over() {
    let mut desk = crowded();
    desk.event("oidc:ada", &json!({"acknowledge": true}), 5);
    listed_end(&mut desk, 10);
    desk.run(12, 669);
    assert_eq!(desk.told(), ["page ada by chat: Accepted"]);
    desk.run(670, 671);
    assert_eq!(desk.told(), ["page ada by chat: Accepted", "resolved ada by chat: Accepted"]);
    let status = desk.status();
    assert_eq!((counts(&desk).0, status.state, status.resolved_at), (0, Some(TicketState::Resolved), Some(at(11))));
}
